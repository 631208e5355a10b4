"""Groups of guests: what they run, what they have, where they stand at first."""

import functools
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from dcsim.scenario import columns, library
from dcsim.scenario.arrivals import Arrivals
from dcsim.scenario.base import Later, Spec, wrong
from dcsim.scenario.distribution import Distribution
from dcsim.scenario.fabric import Label
from dcsim.scenario.hosted import LocalDisk, OptionalHugePages
from dcsim.scenario.policy import Hinting, Migration
from dcsim.scenario.quantities import Count, Duration, GuestMemory, written
from dcsim.scenario.workload import Makeup, Workload


class Place(Spec):
    """Where guests stand at first: hosts by name pattern, chosen evenly, in order, or at random."""

    hosts: str = Field(default="*", max_length=200, description="name pattern, e.g. rack0/*")
    rack: str | None = Field(default=None, max_length=200, description="short for hosts: RACK/*")
    by: Literal["spread", "first-fit", "random"] = "spread"

    def _idle(self) -> set[str]:
        return {"hosts"} if self.rack is not None or self.hosts == "*" else set()

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.rack is not None and "hosts" in self.model_fields_set:
            raise wrong("give rack or hosts, not both", "rack")
        return self

    @property
    def pattern(self) -> str:
        """The host name pattern."""
        return self.hosts if self.rack is None else f"{self.rack}/*"


class Sets(Spec):
    """Guests of a group, so many at a time, that stand apart or together."""

    by: Label = Field(default="host", description="host, rack, or a label of hosts")
    of: Count | None = Field(
        default=None, ge=2, description="guests of a set, as they are numbered; unset: all"
    )


@functools.cache
def _shipped_workload(name: str) -> Workload:
    return Workload.model_validate(library.resolve(kind="workloads", value=name))


def _workload(value: Any) -> Any:
    """Look up a shipped workload; thousands of groups may name the same."""
    if isinstance(value, str):
        return _shipped_workload(value)
    return library.resolve(kind="workloads", value=value)


class GuestGroup(Spec):
    """So many guests of one kind, called `<group>-0`, `<group>-1` and so on."""

    name: str | None = Field(
        default=None, min_length=1, max_length=200, description="default: the workload's name"
    )
    workload: Annotated[Workload, BeforeValidator(_workload)]
    arrivals: Annotated[Arrivals | None, Later()] = Field(
        default=None, description="further guests that come while the run goes on"
    )
    count: Count = Field(
        default=1,
        ge=0,
        le=1_000_000,
        description="those that stand there from the start; default: 1, none where guests arrive",
    )
    memory: GuestMemory = Field(default=written("8GiB"))
    vcpus: Count = Field(default=2, ge=1, le=1024)
    place: Place = written({})
    requires: dict[Label, Label] | None = Field(
        default=None, description="labels of the hosts that they may stand on, e.g. {zone: a}"
    )
    cpu_flags: list[Label] | None = Field(
        default=None, description="what the CPUs of these hosts can do"
    )
    apart: Sets | None = Field(
        default=None, description="no two of a set stand on one host, in one rack, ..."
    )
    together: Sets | None = Field(
        default=None, description="all of a set stand on one host, in one rack, ..."
    )
    hinting: Hinting | None = Field(default=None, description="default: the scenario's")
    migration: Migration | None = Field(default=None, description="default: the scenario's")
    migratable: Literal["live", "cold", "no"] = "live"
    because: Literal["passthrough", "pinned", "local-disk"] | None = Field(
        default=None, description="why it does not move live"
    )
    local_disk: Annotated[LocalDisk | None, Later()] = Field(
        default=None, description="copied with migration.block, which lets it move live"
    )
    huge_pages: OptionalHugePages = Field(
        default=None, description="the host's, behind its memory; unset: not modelled"
    )
    makeups: list[Makeup] = Field(
        default=[],
        max_length=100_000,
        description="samples that each guest's make-up is drawn from",
    )
    arrive: Duration = Field(
        default=0.0, description="each guest starts at a random time before this"
    )
    stay: Distribution | None = Field(
        default=None, description="each guest leaves after so long; unset: none does"
    )

    each: Annotated[dict[str, list[Any]] | None, BeforeValidator(columns.read)] = Field(
        default=None,
        description="columns of what guests differ in, one value a guest, or a CSV file of them",
    )

    @property
    def group(self) -> str:
        """What the guests' names begin with."""
        return self.name or self.workload.name

    @property
    def guest_names(self) -> list[str]:
        """The names of the guests."""
        own = (self.each or {}).get(columns.NAME)
        return own or [f"{self.group}-{n}" for n in range(self.count)]

    @property
    def memory_bytes(self) -> float:
        """Memory of all guests together."""
        own = (self.each or {}).get(columns.MEMORY)
        return sum(own) if own else self.count * self.memory

    def moves(self, default: Migration) -> Literal["live", "cold", "no"]:
        """Return how its guests move, given the scenario's migration settings."""
        copied = self.local_disk is not None and (self.migration or default).block is not None
        return "live" if copied and self.because in (None, "local-disk") else self.migratable

    @model_validator(mode="before")
    @classmethod
    def _counted(cls, value: Any) -> Any:
        """Count the guests by their columns, where nobody says how many there are."""
        if not isinstance(value, dict) or "count" in value:
            return value
        each = value.get("each")
        if isinstance(each, dict):
            lengths = [len(own) for own in each.values() if hasattr(own, "__len__")]
            if any(lengths):
                return {**value, "count": max(lengths)}
        return value if value.get("arrivals") is None else {**value, "count": 0}

    @field_validator("count")
    @classmethod
    def _standing(cls, count: int, info: ValidationInfo) -> int:
        if count == 0 and info.data.get("arrivals", cls) is None:
            raise wrong("must be at least 1, got 0")
        return count

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        for path, problem in columns.problems(self):
            raise wrong(problem, "each", *path)
        return self

    @model_validator(mode="after")
    def _all_arrive(self) -> Self:
        if self.count == 0 and self.arrive > 0:
            raise wrong("delays guests that stand there from the start: there are none", "arrive")
        if self.count == 0 and "place" in self.model_fields_set and self.place != Place():
            raise wrong("the operation's placement finds hosts for guests that arrive", "place")
        return self

    @model_validator(mode="after")
    def _reason(self) -> Self:
        if self.because is not None and self.migratable == "live":
            raise wrong("means nothing for a guest that moves live", "because")
        return self
