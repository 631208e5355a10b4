"""What a guest gets from its host: huge pages behind its memory, a local disk.

Off unless asked for. Labels such as [A.2] are sections of docs/facts.md.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field

from dcsim.scenario.base import Later, Spec, switch
from dcsim.scenario.quantities import Positive, Rate, Share, Size, written


class HugePages(Spec):
    """The host's transparent huge pages, which ballooning splits and time rebuilds."""

    share: Share = Field(
        default=0.87, description="of the guest's memory that is mapped by them at first [A.2]"
    )
    run: Annotated[Size, Field(ge=4096, le=2**21)] = Field(
        default=written("346KiB"),
        description="mean run of free memory that a balloon takes in smaller blocks [A.2]",
    )
    slowdown: float = Field(
        default=0.1,
        ge=0,
        le=10,
        description="CPU time that a page of work takes in addition where memory is split "
        "(assumption between published 0.03 and 0.2 [C.9])",
    )
    rebuild: Rate = Field(
        default=written("1.6MiB/s"),
        description="split memory that the host makes huge again: 4096 pages in 10 s [C.9]",
    )
    on_arrival: Share = Field(
        default=1.0,
        description="of what should be huge, what is at the destination; 0 where pages are placed "
        "one by one, as in post-copy",
    )


class LocalDisk(Spec):
    """A disk on the guest's host, which has to be copied if the guest is to move live."""

    size: Annotated[Size, Positive]
    used: Share = Field(default=1.0, description="of its blocks, those that hold data")
    writes: Rate = Field(default=0.0, description="written to it by the guest, a second")


OptionalHugePages = Annotated[HugePages | None, Later(), BeforeValidator(switch)]
