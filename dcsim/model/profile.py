"""What a group's guests have in common, once sizes are pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dcsim.model.activity import Activity
    from dcsim.model.diskcopy import LocalDisk
    from dcsim.model.hinting import Policy
    from dcsim.model.hugepages import Settings as HugePageSettings

WHY_NOT_LIVE = {
    "passthrough": "a device is passed through to it",
    "pinned": "it is pinned to its host",
    "local-disk": "its disk is local to its host",
    "": "its group is not migratable live",
}


@dataclass(frozen=True, slots=True)
class Profile:
    """What a group's guests have in common once sizes are pages."""

    group: str
    workload: str
    pages: float
    vcpus: float
    activities: tuple[Activity, ...]
    policy: Policy
    migratable: Literal["live", "cold", "no"]
    because: str
    local_disk: LocalDisk | None = None
    huge_pages: HugePageSettings | None = None

    @property
    def why_not_live(self) -> str:
        """Why its guests do not move live, in words."""
        return WHY_NOT_LIVE[self.because]
