"""Parts that few scenarios have, as types of fields: they are imported when one is read."""

from importlib import import_module
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

from pydantic import BeforeValidator
from pydantic_core import CoreSchema, core_schema

from dcsim.scenario.base import Spec, later, switch

if TYPE_CHECKING:
    from dcsim.scenario.convergence import AutoConverge, DirtyLimit, DowntimeSteps, PostCopy, Retry
    from dcsim.scenario.failure import Failure
    from dcsim.scenario.hosted import HugePages, LocalDisk
    from dcsim.scenario.transport import Block, Encryption, Multifd, Xbzrle
else:  # pydantic need not know them: what marks them reads them
    AutoConverge = DirtyLimit = DowntimeSteps = PostCopy = Retry = Any
    Failure = HugePages = LocalDisk = Any
    Block = Encryption = Multifd = Xbzrle = Any

RARE: Final = {
    **dict.fromkeys(
        ("AutoConverge", "DirtyLimit", "DowntimeSteps", "PostCopy", "Retry", "Rung"), "convergence"
    ),
    "Failure": "failure",
    **dict.fromkeys(("HugePages", "LocalDisk"), "hosted"),
    **dict.fromkeys(("Block", "Compression", "Encryption", "Multifd", "Xbzrle"), "transport"),
}
"""The module that each is in."""


def rare(name: str) -> type[Spec]:
    """Return the part of this name."""
    part: type[Spec] = getattr(import_module(f"dcsim.scenario.{RARE[name]}"), name)
    return part


class Rare:
    """Marks a part, by its name, that is imported and built when the first one is read."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get_pydantic_core_schema__(self, kind: Any, _: Any) -> CoreSchema:
        schema = later(f"{self.name}:0", lambda: rare(self.name))
        return core_schema.nullable_schema(schema) if NoneType in get_args(kind) else schema


_SWITCH: Final = BeforeValidator(switch)

OptionalAutoConverge = Annotated[AutoConverge | None, Rare("AutoConverge"), _SWITCH]
OptionalDirtyLimit = Annotated[DirtyLimit | None, Rare("DirtyLimit"), _SWITCH]
OptionalDowntimeSteps = Annotated[DowntimeSteps | None, Rare("DowntimeSteps")]
OptionalPostCopy = Annotated[PostCopy | None, Rare("PostCopy"), _SWITCH]
OptionalRetry = Annotated[Retry | None, Rare("Retry"), _SWITCH]
OneFailure = Annotated[Failure, Rare("Failure")]
OptionalHugePages = Annotated[HugePages | None, Rare("HugePages"), _SWITCH]
OptionalLocalDisk = Annotated[LocalDisk | None, Rare("LocalDisk")]
OptionalBlock = Annotated[Block | None, Rare("Block"), _SWITCH]
OptionalEncryption = Annotated[Encryption | None, Rare("Encryption")]
OptionalMultifd = Annotated[Multifd | None, Rare("Multifd"), _SWITCH]
OptionalXbzrle = Annotated[Xbzrle | None, Rare("Xbzrle")]
