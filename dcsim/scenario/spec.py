"""What is asked: a Scenario and its parts, frozen, checked, free of files and of any engine.

Every quantity is stored in SI (seconds, bytes, bytes per second); texts with units are read at the
border, by `dcsim.scenario.quantities`. Parts that have a shipped name (`hinting: balloon-held`,
`topology: {use: leaf-spine-4x8, uplink: 100Gbit/s}`) are looked up in `dcsim.scenario.presets` and
`dcsim.scenario.library` before they are checked. What only the whole can tell, such as whether the
guests fit on the hosts, is left to `dcsim.scenario.checks`.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from dcsim import units
from dcsim.scenario import placements, presets
from dcsim.scenario.arrivals import Arrivals
from dcsim.scenario.balancer import Balancer, Wake
from dcsim.scenario.base import Later, Spec, plain, wrong
from dcsim.scenario.convergence import (
    AutoConverge,
    DirtyLimit,
    DowntimeSteps,
    PostCopy,
    Retry,
    Rung,
)
from dcsim.scenario.distribution import (
    Distribution,
    Empirical,
    Exponential,
    Fixed,
    Lognormal,
    Uniform,
    Weibull,
)
from dcsim.scenario.fabric import (
    Fabric,
    FatTree,
    Graph,
    GraphLink,
    GraphNode,
    Host,
    Hosts,
    LeafSpine,
    Overcommit,
    Storage,
    ThreeTier,
    Topology,
    TrafficKind,
    TwoHosts,
    TwoSites,
)
from dcsim.scenario.failure import (
    Abort,
    Failure,
    Fault,
    HostFailure,
    LinkFailure,
    ManagementFailure,
    StorageFailure,
    When,
)
from dcsim.scenario.guests import GuestGroup, Place, Sets
from dcsim.scenario.hosted import HugePages, LocalDisk
from dcsim.scenario.operation import (
    Consolidate,
    Drain,
    Evacuate,
    HealthCheck,
    Managed,
    Move,
    MoveColumns,
    Moves,
    Notices,
    Operation,
    Part,
    Placed,
    Rebalance,
    Timetable,
    Upgrade,
    parts,
)
from dcsim.scenario.policy import Adapt, Cost, Hinting, Limits, Migration, Slots, Step
from dcsim.scenario.presets import orders
from dcsim.scenario.quantities import Count, Duration, Positive, written
from dcsim.scenario.selection import Among, Selection
from dcsim.scenario.transport import Block, Compression, Encryption, Multifd, Xbzrle
from dcsim.scenario.workload import Activity, Load, Makeup, Pattern, Workload

__all__ = [
    "MODEL_VERSION", "Abort", "Activity", "Adapt", "Among", "Arrivals", "AutoConverge", "Balancer",
    "Block", "Compression", "Consolidate", "Cost", "DirtyLimit", "Distribution", "DowntimeSteps",
    "Drain", "Empirical", "Encryption", "Evacuate", "Exponential", "Fabric", "Failure", "FatTree",
    "Fault", "Fixed", "Graph", "GraphLink", "GraphNode", "GuestGroup", "HealthCheck", "Hinting",
    "Host", "HostFailure", "Hosts", "HugePages", "LeafSpine", "Limits", "LinkFailure", "Load",
    "LocalDisk", "Lognormal", "Makeup", "Managed", "ManagementFailure", "Migration", "Move",
    "MoveColumns", "Moves", "Multifd", "Notices", "Operation", "Overcommit", "Pattern", "Place",
    "Placed", "PostCopy", "Rebalance", "Retry", "Rung", "Scenario", "Selection", "Sets", "Slots",
    "Spec", "Step", "Storage", "StorageFailure", "ThreeTier", "Timetable", "Topology",
    "TrafficKind", "TwoHosts", "TwoSites", "Uniform", "Upgrade", "Wake", "Weibull", "When",
    "Workload", "Xbzrle",
]  # fmt: skip

_TELLING: Final = frozenset({"about", "question", "sources", "record"})

MODEL_VERSION = 4
"""Changes whenever the same scenario comes to mean something else."""


def digest_of(data: Mapping[str, Any]) -> str:
    """Return the digest of a scenario, given its plain data."""
    from hashlib import sha256

    guests = [group | {"workload": _meaning(group["workload"])} for group in data["guests"]]
    meaning = _meaning(data) | {"guests": guests}
    text = json.dumps([MODEL_VERSION, meaning], sort_keys=True, separators=(",", ":"))
    return sha256((text + sources_in(text)).encode()).hexdigest()


def own_sources() -> dict[str, str]:
    """Return a digest of what each placement and order does that users have added."""
    return placements.sources() | orders.added()


def sources_in(text: str) -> str:
    """Return what placements and orders of one's own do, of those that a JSON text names."""
    own = own_sources()
    return "".join(own[name] for name in sorted(own) if json.dumps(name) in text)


def _meaning(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part without how much is recorded, and what only tells people something."""
    return {key: value for key, value in part.items() if key not in _TELLING}


class Scenario(Spec):
    """One thing to simulate, whole: same scenario and seed, same tables."""

    name: str = Field(default="scenario", min_length=1, max_length=200)
    about: str = ""
    question: str | None = Field(
        default=None, min_length=1, max_length=500, description="what its report answers"
    )
    seed: Count = Field(default=1, ge=0, lt=2**63)
    horizon: Annotated[Duration, Positive] = Field(
        default=written("1h"), description="simulated time at most"
    )
    topology: Topology
    guests: list[GuestGroup] = Field(min_length=1, max_length=100_000)
    operator: str | dict[str, Any] | None = Field(
        default=None,
        description="whose defaults hold for the migration and the operation's limits, where they "
        "say nothing themselves: a name, alone or after use beside changes, or the parts",
    )
    migration: Migration = written({})
    hinting: Hinting = Field(default_factory=lambda: written("zero-page"))
    operation: Annotated[Part | Timetable, Later()]
    failures: list[Failure] | None = Field(
        default=None, max_length=10_000, description="what fails, when, and for how long"
    )
    settle: Duration = Field(
        default=written("1min"), description="watched on after the last migration has ended"
    )
    degraded_limit: Annotated[Duration, Positive] | None = Field(
        default=None,
        description="guests more than 10 % degraded for longer are counted; unset: 30s, assumed",
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

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, value: Any) -> Any:
        """Put in place what an operator stands for; then it has said all it had to say."""
        if not isinstance(value, Mapping) or value.get("operator") is None:
            return value
        try:
            return presets.with_operator(value)
        except ValueError as error:
            raise wrong(str(error), "operator") from None

    @model_validator(mode="after")
    def _time(self) -> Self:
        for path, operation in parts(self.operation):
            if operation.at >= self.horizon:
                raise wrong(
                    f"the operation starts at {units.format_duration(operation.at)}, "
                    f"when the horizon, {units.format_duration(self.horizon)}, has passed",
                    *(*path, "at"),
                )
        return self

    @property
    def starts_s(self) -> float:
        """When the first operation starts."""
        return min(operation.at for _, operation in parts(self.operation))

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
