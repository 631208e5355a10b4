"""What a group's guests have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from dcsim.model.work import Work

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
    """What a group's guests have in common.

    Attributes
    ----------
    work
        What the activities come to together.
    weights
        Share of each activity in the guest's progress; they sum to 1.
    all_done, no_rates
        1 for each activity: what it does of its work where nothing takes a part away; and 0: what
        it does of a guest that stands still, and how long a page waits where none does.
    reads, writes, allocates, sends, flushes, takes
        Places of the activities that read, write, allocate, and send, in the order of the
        memory's sets; of those that write files; of those that take memory as they go: these two.
    no_reads, no_writes
        0 for each that reads, that writes: the touches of a guest that stands still.
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
    activities: tuple[Activity, ...]
    policy: Policy
    migratable: Literal["live", "cold", "no"]
    because: str
    local_disk: LocalDisk | None = None
    huge_pages: HugePageSettings | None = None
    work: Work = field(init=False, repr=False, compare=False)
    weights: tuple[float, ...] = field(init=False)
    all_done: list[float] = field(init=False)
    no_rates: list[float] = field(init=False)
    reads: tuple[int, ...] = field(init=False)
    writes: tuple[int, ...] = field(init=False)
    allocates: tuple[int, ...] = field(init=False)
    sends: tuple[int, ...] = field(init=False)
    flushes: tuple[int, ...] = field(init=False)
    takes: tuple[int, ...] = field(init=False)
    no_reads: list[float] = field(init=False)
    no_writes: list[float] = field(init=False)
    changes: bool = field(init=False)
    drifts: bool = field(init=False)
    reports: bool = field(init=False)
    uses_network: bool = field(init=False)

    def __post_init__(self) -> None:
        total = sum([activity.weight for activity in self.activities])
        does = [activity.do for activity in self.activities]
        derive = object.__setattr__
        derive(self, "work", Work(self.activities))
        derive(self, "weights", tuple([a.weight / total for a in self.activities]))
        derive(self, "all_done", [1.0] * len(does))
        derive(self, "no_rates", [0.0] * len(does))
        files = [a.to == "cache" for a in self.activities]
        places = {
            "reads": [i for i, do in enumerate(does) if do == "read"],
            "writes": [i for i, do in enumerate(does) if do == "write"],
            "allocates": [i for i, do in enumerate(does) if do == "allocate"],
            "sends": [i for i, do in enumerate(does) if do == "send"],
            "flushes": [i for i, file in enumerate(files) if file],
            "takes": [i for i, do in enumerate(does) if do == "allocate" or files[i]],
        }
        for what, where in places.items():
            derive(self, what, tuple(where))
        derive(self, "no_reads", [0.0] * len(self.reads))
        derive(self, "no_writes", [0.0] * len(self.writes))
        changes = "read" in does or "allocate" in does or self.huge_pages is not None
        derive(self, "changes", changes)
        derive(self, "reports", any([step.tell == "report" for step in self.policy.steps]))
        derive(self, "drifts", changes or any(files))
        derive(self, "uses_network", any(files) or "read" in does or "send" in does)

    @property
    def why_not_live(self) -> str:
        """Why its guests do not move live, in words."""
        return WHY_NOT_LIVE[self.because]
