"""What is asked: a Scenario and its parts, frozen, checked, free of files and of any engine.

Every quantity is stored in SI (seconds, bytes, bytes per second); texts with units are read at the
border, by `dcsim.scenario.quantities`. Parts that have a shipped name (`hinting: balloon-held`,
`topology: {use: leaf-spine-4x8, uplink: 100Gbit/s}`) are looked up in `dcsim.scenario.presets` and
`dcsim.scenario.library` before they are checked. What only the whole can tell, such as whether the
guests fit on the hosts, is left to `dcsim.scenario.checks`.
"""

import functools
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from dcsim import units
from dcsim.scenario import columns, library
from dcsim.scenario.base import Later, Spec, plain, wrong
from dcsim.scenario.convergence import (
    AutoConverge,
    DirtyLimit,
    DowntimeSteps,
    PostCopy,
    Retry,
    Rung,
)
from dcsim.scenario.fabric import (
    Fabric,
    FatTree,
    Graph,
    GraphLink,
    GraphNode,
    Host,
    LeafSpine,
    Storage,
    ThreeTier,
    Topology,
    TrafficKind,
    TwoHosts,
    TwoSites,
)
from dcsim.scenario.failure import Failure
from dcsim.scenario.hosted import HugePages, LocalDisk, OptionalHugePages
from dcsim.scenario.policy import Adapt, Hinting, Limits, Migration, Step
from dcsim.scenario.quantities import Count, Duration, GuestMemory, Positive, written
from dcsim.scenario.transport import Block, Compression, Encryption, Multifd, Xbzrle
from dcsim.scenario.workload import Activity, Load, Makeup, Pattern, Workload

__all__ = [
    "MODEL_VERSION", "Activity", "Adapt", "AutoConverge", "Block", "Compression", "DirtyLimit",
    "DowntimeSteps", "Drain", "Encryption", "Fabric", "Failure", "FatTree", "Graph", "GraphLink",
    "GraphNode", "GuestGroup", "Hinting", "Host", "HugePages", "LeafSpine", "Limits", "Load",
    "LocalDisk", "Makeup", "Migration", "Move", "MoveColumns", "Moves", "Multifd", "Operation",
    "Pattern", "Place", "PostCopy", "Retry", "Rung", "Scenario", "Spec", "Step", "Storage",
    "ThreeTier", "Topology", "TrafficKind", "TwoHosts", "TwoSites", "Workload", "Xbzrle",
]  # fmt: skip

_TELLING: Final = frozenset({"about", "sources", "record"})

MODEL_VERSION = 4
"""Changes whenever the same scenario comes to mean something else."""


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
    count: Count = Field(default=1, ge=1, le=1_000_000)
    memory: GuestMemory = Field(default=written("8GiB"))
    vcpus: Count = Field(default=2, ge=1, le=1024)
    place: Place = written({})
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
        each = value.get("each") if isinstance(value, dict) else None
        if isinstance(each, dict) and "count" not in value:
            lengths = [len(own) for own in each.values() if hasattr(own, "__len__")]
            if any(lengths):
                return {**value, "count": max(lengths)}
        return value

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        for path, problem in columns.problems(self):
            raise wrong(problem, "each", *path)
        return self

    @model_validator(mode="after")
    def _reason(self) -> Self:
        if self.because is not None and self.migratable == "live":
            raise wrong("means nothing for a guest that moves live", "because")
        return self


class Operation(Spec):
    """What every operation has."""

    at: Duration = Field(default=0.0, description="when it starts")
    limits: Limits = written({})


class Drain(Operation):
    """Empty some hosts: every guest on them moves elsewhere, or is reported."""

    kind: Literal["drain"] = "drain"
    hosts: str = Field(max_length=200, description="name pattern, e.g. rack0/*")
    placement: Literal["first-fit", "spread"] = Field(
        default="spread", description="which destination"
    )


class Move(Spec):
    """One guest to one host."""

    guest: str = Field(max_length=200, description="its name, e.g. database-3")
    to: str = Field(max_length=200, description="a host's name")


class MoveColumns(Spec):
    """Many moves, as two columns."""

    guest: list[Annotated[str, Field(max_length=200)]] = Field(
        min_length=1, max_length=1_000_000, description="names of guests"
    )
    to: list[Annotated[str, Field(max_length=200)]] = Field(
        min_length=1, max_length=1_000_000, description="the host of each"
    )

    @model_validator(mode="after")
    def _as_many(self) -> Self:
        if len(self.guest) != len(self.to):
            raise wrong(f"has {len(self.to)} hosts for {len(self.guest)} guests", "to")
        return self


def _form(value: Any) -> str:
    return (MoveColumns if isinstance(value, dict | MoveColumns) else Move).__name__


class Moves(Operation):
    """Guests that are named, in this order, each to its host."""

    kind: Literal["moves"] = "moves"
    moves: Annotated[
        Annotated[list[Move], Field(min_length=1, max_length=1_000_000), Tag(Move.__name__)]
        | Annotated[MoveColumns, Tag(MoveColumns.__name__)],
        Discriminator(_form),
    ] = Field(description="a list; or two columns, guest and to, or a CSV file of them")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each guest, and the host it moves to."""
        if isinstance(self.moves, MoveColumns):
            return list(zip(self.moves.guest, self.moves.to, strict=True))
        return [(move.guest, move.to) for move in self.moves]

    def path(self, index: int, what: Literal["guest", "to"]) -> tuple[str | int, ...]:
        """Return where the guest or the host of a move stands in the scenario's data."""
        within = (what, index) if isinstance(self.moves, MoveColumns) else (index, what)
        return ("operation", "moves", *within)


def digest_of(data: Mapping[str, Any]) -> str:
    """Return the digest of a scenario, given its plain data."""
    from hashlib import sha256

    guests = [group | {"workload": _meaning(group["workload"])} for group in data["guests"]]
    meaning = _meaning(data) | {"guests": guests}
    text = json.dumps([MODEL_VERSION, meaning], sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def _meaning(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part without how much is recorded, and what only tells people something."""
    return {key: value for key, value in part.items() if key not in _TELLING}


class Scenario(Spec):
    """One thing to simulate, whole: same scenario and seed, same tables."""

    name: str = Field(default="scenario", min_length=1, max_length=200)
    about: str = ""
    seed: Count = Field(default=1, ge=0, lt=2**63)
    horizon: Annotated[Duration, Positive] = Field(
        default=written("1h"), description="simulated time at most"
    )
    topology: Topology
    guests: list[GuestGroup] = Field(min_length=1, max_length=100_000)
    migration: Migration = written({})
    hinting: Hinting = Field(default_factory=lambda: written("zero-page"))
    operation: Annotated[Drain | Moves, Field(discriminator="kind")]
    failures: list[Annotated[Failure, Later()]] | None = Field(
        default=None, max_length=10_000, description="hosts and links that fail"
    )
    settle: Duration = Field(
        default=written("1min"), description="watched on after the last migration has ended"
    )
    tolerance: float = Field(
        default=0.05,
        gt=0,
        le=0.5,
        description="relative change of a miss rate, or of a rate granted, that is looked at",
    )
    record: Literal["summary", "migrations", "full"] = Field(
        default="full", description="how much is kept"
    )

    @model_validator(mode="after")
    def _time(self) -> Self:
        if self.operation.at >= self.horizon:
            raise wrong(
                f"the operation starts at {units.format_duration(self.operation.at)}, "
                f"when the horizon, {units.format_duration(self.horizon)}, has passed",
                *("operation", "at"),
            )
        return self

    def _repr_html_(self) -> str:
        """Show what is asked, for notebooks."""
        from dcsim.scenario.portrait import table

        return table(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the scenario as plain data in SI units, which `model_validate` reads back."""
        data: dict[str, Any] = plain(self)
        return data

    def digest(self) -> str:
        """Return a SHA-256 of what the scenario means, as hexadecimal digits.

        That is its values in SI and the model's version: neither how much is recorded, nor what is
        said about it.
        """
        return digest_of(self.to_dict())

    def replace(self, changes: Mapping[str, Any]) -> "Scenario":
        """Return a copy with some dotted paths changed, checked again.

        Parameters
        ----------
        changes
            Path to value, such as ``{"hinting": "zero-page", "guests[0].count": 8}``;
            values as in a file (texts with units) or SI numbers.

        Raises
        ------
        ScenarioError
            If a path does not exist or the result is not a legal scenario; all problems at once.

        Examples
        --------
        >>> import dcsim
        >>> dcsim.load("rack-drain").replace({"topology.uplink": "10Gbit/s"}).topology.uplink
        1250000000.0
        """
        from dcsim.scenario.paths import replace_paths  # which checks the result, and so needs this

        return replace_paths(self, changes)
