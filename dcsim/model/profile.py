"""What a group's guests have in common, once sizes are pages."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    """What a group's guests have in common once sizes are pages.

    Attributes
    ----------
    weights
        Share of each activity in the guest's progress; they sum to 1.
    ones
        1 for each activity: what it does of its work where nothing takes a part away.
    reads, writes
        How many activities do.
    changes
        Whether its rates change by themselves as it runs: with what it misses, with what is free,
        with its huge pages.
    drifts
        Whether they do, or what it writes of files is brought into memory.
    reports
        Whether its policy lets it report free memory all the time.
    uses_network
        Whether it needs flows of its own: it reads files, writes some, or sends.
    """

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
    weights: tuple[float, ...] = field(init=False)
    ones: tuple[float, ...] = field(init=False, repr=False, compare=False)
    reads: int = field(init=False)
    writes: int = field(init=False)
    changes: bool = field(init=False)
    drifts: bool = field(init=False)
    reports: bool = field(init=False)
    uses_network: bool = field(init=False)

    def __post_init__(self) -> None:
        total = sum([activity.weight for activity in self.activities])
        does = [activity.do for activity in self.activities]
        derive = object.__setattr__
        derive(self, "weights", tuple([a.weight / total for a in self.activities]))
        derive(self, "ones", (1.0,) * len(does))
        derive(self, "reads", does.count("read"))
        derive(self, "writes", does.count("write"))
        changes = "read" in does or "allocate" in does or self.huge_pages is not None
        derive(self, "changes", changes)
        derive(self, "reports", any([step.tell == "report" for step in self.policy.steps]))
        files = any([activity.to == "cache" for activity in self.activities])
        derive(self, "drifts", changes or files)
        derive(self, "uses_network", files or "read" in does or "send" in does)

    @property
    def why_not_live(self) -> str:
        """Why its guests do not move live, in words."""
        return WHY_NOT_LIVE[self.because]
