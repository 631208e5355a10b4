"""What is asked of the cluster: operations, each with what it moves and when."""

import functools
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from dcsim.scenario import presets
from dcsim.scenario.balancer import Balancer, OftenEnough, Wake
from dcsim.scenario.base import Later, Spec, wrong
from dcsim.scenario.distribution import Distribution
from dcsim.scenario.placements import PlacementName
from dcsim.scenario.policy import Limits
from dcsim.scenario.quantities import Count, Duration, Positive, Share, written
from dcsim.scenario.selection import Among, Selection
from dcsim.units import format_duration


class Managed(Spec):
    """What says how guests are moved: who may start, and where they go."""

    limits: Limits = written({})
    order: Annotated[str, Field(max_length=200), AfterValidator(presets.resolve_order)] | None = (
        Field(default=None, description="whose turn comes first; default: listed")
    )


class Placed(Managed):
    """The same, where destinations have to be found."""

    placement: PlacementName = Field(default="spread", description="which destination")
    swap: bool | None = Field(
        default=None, description="move another guest first where that makes room for one"
    )


class Operation(Managed):
    """What every operation has."""

    name: str | None = Field(
        default=None, min_length=1, max_length=200, description="default: its kind"
    )
    at: Duration = Field(default=0.0, description="when it starts")
    window: Annotated[Duration, Positive] | None = Field(
        default=None, description="nothing starts any more when so long has passed"
    )

    @property
    def chances(self) -> list[str]:
        """What of it is drawn, in words."""
        return []

    @property
    def called(self) -> str:
        """What tables call it."""
        kind: str = getattr(self, "kind")  # noqa: B009 - every kind has its own
        return self.name or kind


class Drain(Placed, Operation, Selection):
    """Empty some hosts: every guest on them moves elsewhere, or is reported."""

    kind: Literal["drain"] = "drain"
    at_once: Count | None = Field(
        default=None, ge=1, description="so many hosts at a time; unset: all"
    )

    @property
    def what(self) -> str:
        """What it moves, in words."""
        return f"of {self.which}" + (f", {self.at_once} at a time" if self.at_once else "")


class HealthCheck(Spec):
    """What tells whether a host that was rebooted may take guests again."""

    lasts: Distribution = Field(description="how long it takes")
    fails: Share = Field(default=0.0, description="probability that the host does not pass")
    attempts: Count = Field(
        default=1, ge=1, le=100, description="reboots with a check each, before it stays out"
    )


class Upgrade(Placed, Operation, Selection):
    """Empty hosts in turn, reboot each, check it, and let it take guests again."""

    kind: Literal["upgrade"] = "upgrade"
    at_once: Count = Field(default=1, ge=1, description="so many hosts at a time")
    reboot: Distribution = Field(description="how long a host is away, from empty to up again")
    check: Annotated[HealthCheck | None, Later()] = Field(
        default=None, description="after each reboot"
    )
    left: Literal["skip", "stop"] = Field(
        default="skip",
        description="a host that cannot be emptied is skipped; or guests left on it are stopped "
        "for the reboot, and started again",
    )
    move_back: bool | None = Field(
        default=None, description="whether guests go back to the host that they left; unset: no"
    )

    @property
    def what(self) -> str:
        """What it moves, in words."""
        return f"of {self.which}, {self.at_once} at a time"

    @property
    def chances(self) -> list[str]:
        """What of it is drawn, in words."""
        found = ["reboot times"] if self.reboot.kind != "fixed" else []
        if self.check is not None:
            found += ["times of health checks"] if self.check.lasts.kind != "fixed" else []
            found += ["who fails a health check"] if 0 < self.check.fails < 1 else []
        return found


class Evacuate(Placed, Operation, Selection):
    """Empty hosts before they lose power: guests that are on them then are lost."""

    kind: Literal["evacuate"] = "evacuate"
    deadline: Annotated[Duration, Positive] = Field(
        description="after so long the hosts lose power, for good"
    )

    @property
    def what(self) -> str:
        """What it moves, in words."""
        return f"of {self.which} before the power goes after {format_duration(self.deadline)}"


class Notices(Placed, Operation, Selection):
    """Hosts are told in turn that they will go, and are emptied as far as time allows."""

    kind: Literal["notices"] = "notices"
    pick: Literal["random", "in-order"] = Field(
        default="random", description="which of those that are there is told next"
    )
    times: list[Duration] | None = Field(
        default=None,
        min_length=1,
        max_length=100_000,
        description="when a host is told, each from the operation's start",
    )
    every: Distribution | None = Field(
        default=None, description="from the start to the first notice, and from each to the next"
    )
    count: Count | None = Field(
        default=None, ge=1, le=100_000, description="with every: so many notices at most"
    )
    notice: Duration = Field(description="from being told to going")
    left: Literal["lose", "stop"] = Field(
        default="lose",
        description="guests left on a host when it goes: lost, or stopped until it is back",
    )
    away: Distribution | None = Field(
        default=None, description="how long a host is away; unset: for good"
    )

    @model_validator(mode="after")
    def _when(self) -> Self:
        if (self.times is None) == (self.every is None):
            raise wrong("give times or every")
        if self.times is not None and self.count is not None:
            raise wrong("means nothing where times are listed", "count")
        if self.every is not None and self.count is None and self.window is None:
            raise wrong("set count or window: notices would go on for ever", "every")
        if self.left == "stop" and self.away is None:
            raise wrong("guests are started again when the host is back: set away", "left")
        return self

    @property
    def what(self) -> str:
        """What it moves, in words."""
        return f"to {self.which}, {format_duration(self.notice)} before they go"

    @property
    def chances(self) -> list[str]:
        """What of it is drawn, in words."""
        found = ["times of notices"] if self.every and self.every.kind != "fixed" else []
        found += ["which hosts get notices"] if self.pick == "random" else []
        return found + (["times away"] if self.away and self.away.kind != "fixed" else [])


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
    def what(self) -> str:
        """What it moves, in words."""
        return f"{len(self.pairs)} listed"

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each guest, and the host it moves to."""
        if isinstance(self.moves, MoveColumns):
            return list(zip(self.moves.guest, self.moves.to, strict=True))
        return [(move.guest, move.to) for move in self.moves]

    def path(self, index: int, what: Literal["guest", "to"]) -> tuple[str | int, ...]:
        """Return where the guest or the host of a move stands in the operation's data."""
        within = (what, index) if isinstance(self.moves, MoveColumns) else (index, what)
        return ("moves", *within)


class Rebalance(Operation, Among):
    """Even out the loads of some hosts, whenever they differ much."""

    kind: Literal["rebalance"] = "rebalance"
    balancer: Annotated[Balancer, Later()] = Field(
        description="when it acts, and how: a shipped name, or written out"
    )

    @property
    def what(self) -> str:
        """What it moves, in words."""
        measure, metric = self.balancer.measure, self.balancer.metric
        return f"of {self.which} by {measure} of {metric} above {self.balancer.threshold:g}"


class Consolidate(Operation, Among):
    """Let guests move onto fewer of some hosts, and switch off those that are left empty."""

    kind: Literal["consolidate"] = "consolidate"
    fill: Annotated[Share, Positive] = Field(
        default=0.8,  # where oVirt's power saving begins to unload a host [D]
        description="the greatest share of memory and cores of a host, and of all, that is used",
    )
    below: Share = Field(
        default=1.0, description="only hosts of which no greater share is used are emptied"
    )
    keep: Count = Field(default=1, ge=1, description="so many hosts stay on, or more")
    spare: Share = Field(
        default=0.0, description="share of all memory of the hosts that stay on that stays free"
    )
    at_once: Count | None = Field(
        default=None, ge=1, description="so many hosts at a time; unset: all"
    )
    power_off: Duration = Field(default=0.0, description="from empty to off")
    every: OftenEnough | None = Field(
        default=None, description="from one look to the next; unset: it looks once"
    )
    wake: Annotated[Wake | None, Later()] = Field(
        default=None, description="switch hosts on again, one a look; unset: they stay off"
    )

    @property
    def what(self) -> str:
        """What it moves, in words."""
        return f"of {self.which}, filled to {100 * self.fill:g}%"

    @model_validator(mode="after")
    def _wakes(self) -> Self:
        if self.wake is not None and self.every is None:
            raise wrong("means nothing without every: it looks once", "wake")
        if self.wake is not None and self.wake.above < self.fill:
            message = f"is less than fill, {self.fill:g}: what is switched off would be woken"
            raise wrong(message, "wake", "above")
        return self


Part = Drain | Moves | Upgrade | Evacuate | Notices | Rebalance | Consolidate
"""An operation that does something itself."""


class Timetable(Placed):
    """Several operations, each at its time; they share limits and placement."""

    kind: Literal["timetable"] = "timetable"
    operations: list[Annotated[Part, Later()]] = Field(min_length=1, max_length=10_000)

    @model_validator(mode="after")
    def _shared(self) -> Self:
        names: dict[str, int] = {}
        for i, part in enumerate(self.operations):
            for key in Placed.model_fields:
                if getattr(part, key, None) not in (None, getattr(_nothing_said(), key)):
                    raise wrong("all operations of a timetable share it", "operations", i, key)
            if names.setdefault(part.called, i) != i:
                message = f"operations[{names[part.called]}] is called {part.called!r} too"
                raise wrong(message, "operations", i, "name" if part.name else "kind")
        return self


@functools.cache
def _nothing_said() -> Placed:
    """Return what holds where nothing is said."""
    return Placed.model_validate({})


def parts(operation: Part | Timetable) -> list[tuple[tuple[str | int, ...], Part]]:
    """Return the operations that are asked for, each with where it stands in the scenario."""
    if not isinstance(operation, Timetable):
        return [(("operation",), operation)]
    return [(("operation", "operations", i), part) for i, part in enumerate(operation.operations)]
