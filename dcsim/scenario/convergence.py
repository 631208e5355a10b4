"""What a hypervisor does when a migration does not converge. All of it is off unless asked for.

Defaults are QEMU's; labels such as [C.4] are sections of docs/facts.md.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from dcsim.scenario.base import Spec, switch, wrong
from dcsim.scenario.quantities import Duration, Positive, Rate, Share, written


class AutoConverge(Spec):
    """Take CPU from all vCPUs, more and more, until the guest dirties less than is sent [C.4]."""

    trigger: Annotated[Share, Positive] = Field(
        default=0.5, description="strike: dirtied in share of what was sent meanwhile"
    )
    initial: Annotated[Share, Positive] = Field(
        default=0.2, description="CPU taken at the second strike"
    )
    increment: Annotated[Share, Positive] = Field(
        default=0.1, description="CPU taken in addition at every second strike after it"
    )
    most: Annotated[Share, Field(gt=0, lt=1)] = Field(default=0.99, description="CPU taken at most")
    tailslow: bool = Field(
        default=False, description="take in addition no more than dirtying seems to need"
    )
    sync_every: Annotated[Duration, Positive] | None = Field(
        default=written("5s"),
        description="after the first pass, sync at least this often; null: at the end of rounds",
    )

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.initial > self.most:
            raise wrong(f"initial {self.initial:g} is more than most {self.most:g}", "initial")
        return self


class DirtyLimit(Spec):
    """Let vCPUs that dirty too much sleep: a quota for each of them, by KVM's dirty ring [C.4]."""

    trigger: Annotated[Share, Positive] = Field(
        default=0.5, description="strike: dirtied in share of what was sent meanwhile"
    )
    rate: Annotated[Rate, Positive] = Field(
        default=written("1MB/s"), description="quota of each vCPU, from the second strike on"
    )
    period: Annotated[Duration, Positive] = Field(
        default=written("1s"), description="rates are measured, and sleep adjusted, once a period"
    )
    tolerance: Rate = Field(
        default=written("25MB/s"), description="difference to the quota that is left as it is"
    )
    most: Annotated[Share, Field(gt=0, lt=1)] = Field(
        default=0.99, description="of its time that a vCPU sleeps at most"
    )


OptionalAutoConverge = Annotated[AutoConverge | None, BeforeValidator(switch)]
OptionalDirtyLimit = Annotated[DirtyLimit | None, BeforeValidator(switch)]
