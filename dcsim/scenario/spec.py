"""What is asked: a Scenario and its parts, frozen, checked, free of files and of any engine.

Every quantity is stored in SI (seconds, bytes, bytes per second); texts with units are read at the
border, by `dcsim.scenario.quantities`. Parts that have a shipped name (`hinting: balloon-held`,
`topology: {use: leaf-spine-4x8, uplink: 100Gbit/s}`) are looked up in `dcsim.scenario.presets` and
`dcsim.scenario.library` before they are checked. What only the whole can tell, such as whether the
guests fit on the hosts, is left to `dcsim.scenario.checks`.
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from dcsim import units
from dcsim.scenario import library
from dcsim.scenario.base import Spec, wrong
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
from dcsim.scenario.quantities import Count, Duration, Positive, Size, written
from dcsim.scenario.transport import Block, Compression, Encryption, Multifd, Xbzrle
from dcsim.scenario.workload import Activity, Load, Makeup, Pattern, Workload

__all__ = [
    "MODEL_VERSION", "Activity", "Adapt", "AutoConverge", "Block", "Compression", "DirtyLimit",
    "DowntimeSteps", "Drain", "Encryption", "Fabric", "Failure", "FatTree", "Graph", "GraphLink",
    "GraphNode", "GuestGroup", "Hinting", "Host", "HugePages", "LeafSpine", "Limits", "Load",
    "LocalDisk", "Makeup", "Migration", "Move", "Moves", "Multifd", "Operation", "Pattern", "Place",
    "PostCopy", "Retry", "Rung", "Scenario", "Spec", "Step", "Storage", "ThreeTier", "Topology",
    "TrafficKind", "TwoHosts", "TwoSites", "Workload", "Xbzrle",
]  # fmt: skip

MODEL_VERSION = 2
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


def _a_mebibyte(size: float) -> float:
    if size < units.MiB:
        raise ValueError("must be at least 1MiB")
    return size


class GuestGroup(Spec):
    """So many guests of one kind, called `<group>-0`, `<group>-1` and so on."""

    name: str | None = Field(
        default=None, min_length=1, max_length=200, description="default: the workload's name"
    )
    workload: Annotated[Workload, BeforeValidator(_workload)]
    count: Count = Field(default=1, ge=1, le=1_000_000)
    memory: Annotated[Size, AfterValidator(_a_mebibyte)] = Field(default=written("8GiB"))
    vcpus: Count = Field(default=2, ge=1, le=1024)
    place: Place = Place()
    hinting: Hinting | None = Field(default=None, description="default: the scenario's")
    migration: Migration | None = Field(default=None, description="default: the scenario's")
    migratable: Literal["live", "cold", "no"] = "live"
    because: Literal["passthrough", "pinned", "local-disk"] | None = Field(
        default=None, description="why it does not move live"
    )
    local_disk: LocalDisk | None = Field(
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

    @property
    def group(self) -> str:
        """What the guests' names begin with."""
        return self.name or self.workload.name

    def moves(self, default: Migration) -> Literal["live", "cold", "no"]:
        """Return how its guests move, given the scenario's migration settings."""
        copied = self.local_disk is not None and (self.migration or default).block is not None
        return "live" if copied and self.because in (None, "local-disk") else self.migratable

    @model_validator(mode="after")
    def _reason(self) -> Self:
        if self.because is not None and self.migratable == "live":
            raise wrong("means nothing for a guest that moves live", "because")
        return self


class Operation(Spec):
    """What every operation has."""

    at: Duration = Field(default=0.0, description="when it starts")
    limits: Limits = Field(default_factory=lambda: Limits.model_validate({}))


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


class Moves(Operation):
    """An explicit list of moves, in this order."""

    kind: Literal["moves"] = "moves"
    moves: list[Move] = Field(min_length=1, max_length=1_000_000)


def _meaning(value: Any) -> Any:
    """Return plain data without what only tells people something."""
    if isinstance(value, dict):
        return {k: _meaning(v) for k, v in value.items() if k not in {"about", "sources"}}
    return [_meaning(item) for item in value] if isinstance(value, list) else value


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
    migration: Migration = Field(default_factory=lambda: Migration.model_validate({}))
    hinting: Hinting = Field(default_factory=lambda: Hinting.model_validate("zero-page"))
    operation: Annotated[Drain | Moves, Field(discriminator="kind")]
    failures: list[Failure] | None = Field(
        default=None, max_length=10_000, description="hosts and links that fail"
    )
    settle: Duration = Field(
        default=written("1min"), description="watched on after the last migration has ended"
    )
    tolerance: float = Field(
        default=0.05,
        gt=0,
        le=0.5,
        description="relative change of a miss rate that is looked at again",
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
        return self.model_dump(mode="json")

    def digest(self) -> str:
        """Return a SHA-256 of what the scenario means, as hexadecimal digits.

        That is its values in SI and the model's version: neither how much is recorded, nor what is
        said about it.
        """
        meaning = {key: value for key, value in self.to_dict().items() if key != "record"}
        text = json.dumps([MODEL_VERSION, _meaning(meaning)], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

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
