"""What a guest does, over which pages, and what its memory is made of."""

from collections.abc import Collection, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, get_args

from pydantic import Field, WithJsonSchema, model_validator

from dcsim.scenario.base import Spec, wrong
from dcsim.scenario.quantities import Count, Demand, Duration, Extent, Positive, Share, written

Place = Literal["kernel", "cache", "anonymous", "free-stale", "free-zero", "kernel-high"]
PLACES: Final = get_args(Place)

_PATTERN_FIELDS = {"hot-cold": {"hot_share", "hot_rate"}, "zipf": {"alpha"}}


class Pattern(Spec):
    """How touches spread over a set of pages."""

    kind: Literal["uniform", "hot-cold", "zipf", "sequential"] = "uniform"
    hot_share: Share = Field(default=0.1, description="hot-cold: share of the pages that are hot")
    hot_rate: Share = Field(default=0.9, description="hot-cold: share of touches that go to them")
    alpha: float = Field(default=0.9, ge=0, le=3, description="zipf: exponent")

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    def _idle(self) -> set[str]:
        return {"hot_share", "hot_rate", "alpha"} - _PATTERN_FIELDS.get(self.kind, set())

    @model_validator(mode="after")
    def _only_its_own(self) -> Self:
        for key in sorted(self.model_fields_set & self._idle()):
            raise wrong(f"means nothing for a {self.kind} pattern", key)
        return self


_ACTIVITY_FIELDS = {
    "write": {"set", "pattern", "to"},
    "read": {"set", "pattern", "read_ahead"},
    "allocate": {"lifetime"},
    "send": {"peer"},
}
_IDLE = {
    do: frozenset().union(*_ACTIVITY_FIELDS.values()) - own for do, own in _ACTIVITY_FIELDS.items()
}


class Activity(Spec):
    """One thing a guest does, over and over: an open loop at `rate`, or a closed loop (`max`)."""

    do: Literal["write", "read", "allocate", "send"]
    rate: Demand = Field(
        description="bytes of pages touched (or sent) a second; max: as fast as its workers can"
    )
    work: Duration = Field(default=written("1us"), description="CPU time of one page")
    workers: Count = Field(default=1, ge=1, le=4096, description="how many do it at the same time")
    weight: float = Field(default=1, gt=0, description="its share in the guest's progress")
    set: Annotated[Extent, Positive] = Field(
        default=0.1, description="write, read: the pages it touches"
    )
    pattern: Pattern = written({})
    to: Literal["anonymous", "cache"] = Field(
        default="anonymous", description="write: which pages it writes"
    )
    read_ahead: Count = Field(
        default=1, ge=1, le=1024, description="read: pages that one miss brings"
    )
    lifetime: Duration | None = Field(
        default=None, description="allocate: until freed; unset: never"
    )
    peer: Literal["outside", "storage"] = Field(default="outside", description="send: where to")

    def _idle(self) -> Collection[str]:
        return _IDLE[self.do]

    @model_validator(mode="after")
    def _only_its_own(self) -> Self:
        for key in sorted(self.model_fields_set.intersection(self._idle())):
            raise wrong(f"means nothing for an activity of kind '{self.do}'", key)
        if self.rate == "max" and (self.do == "send" or self.work == 0):
            raise wrong("max needs an activity of pages whose work is more than 0", "rate")
        return self


class Shares(NamedTuple):
    """The shares of a make-up, of one guest of many."""

    free_zero: float
    free_stale: float
    cache: float
    kernel: float
    anonymous_zero: float

    @property
    def anonymous(self) -> float:
        """Share of process memory that holds more than zeros."""
        return 1 - (
            self.free_zero + self.free_stale + self.cache + self.kernel + self.anonymous_zero
        )


class Makeup(Spec):
    """What a guest's memory is made of at time 0, in shares of it; the rest is anonymous."""

    free_zero: Share = Field(default=0.2, description="never used, or zeroed")
    free_stale: Share = Field(default=0.1, description="freed, with old contents")
    cache: Share = Field(default=0.3, description="page cache")
    kernel: Share = Field(default=0.05, description="kernel and other unevictable pages")
    anonymous_zero: Share = Field(default=0.0, description="process memory that holds only zeros")

    @property
    def anonymous(self) -> float:
        """Share of process memory that holds more than zeros."""
        return self.shares.anonymous

    @property
    def shares(self) -> Shares:
        """What it is made of, as plain numbers."""
        return Shares(self.free_zero, self.free_stale, self.cache, self.kernel, self.anonymous_zero)

    @model_validator(mode="after")
    def _sum(self) -> Self:
        if self.anonymous < -1e-9:
            raise wrong(f"the shares sum to {1 - self.anonymous:.3g}, more than 1")
        return self


class Load(Spec):
    """How a guest's demands vary: demand = rate * level(t), a step function, with noise."""

    points: list[
        Annotated[
            tuple[Duration, Annotated[float, Field(strict=True, ge=0, le=1000)]],
            Field(strict=False),
            WithJsonSchema(
                {
                    "type": "array",
                    "items": {"anyOf": [{"type": "string"}, {"type": "number"}]},
                    "minItems": 2,
                    "maxItems": 2,
                }
            ),
        ]
    ] = Field(
        default=[],
        max_length=100_000,
        description="[time, level] steps, such as [10min, 0.5]; level 1 before the first",
    )
    noise: float = Field(
        default=0.0, ge=0, le=2, description="sigma of a lognormal factor of mean 1"
    )
    every: Annotated[Duration, Positive] = Field(
        default=written("5min"), description="time between draws of the noise"
    )

    @model_validator(mode="after")
    def _increasing(self) -> Self:
        for i in range(1, len(self.points)):
            if self.points[i][0] <= self.points[i - 1][0]:
                raise wrong("must be later than the point before it", "points", i)
        return self


class Workload(Spec, defer_build=False):
    """What a guest does and what its memory is made of."""

    name: str = Field(default="inline", min_length=1, max_length=200)
    about: str = ""
    memory: Makeup = written({})
    hintable: Share = Field(default=0.9, description="share of free memory in free 4 MiB blocks")
    hintable_zero: Share | None = Field(
        default=None, description="the same of memory never used alone; unset: as hintable"
    )
    min_free: Share = Field(default=0.01, description="share of memory that the kernel keeps free")
    init_on_alloc: bool = Field(
        default=False, description="the kernel zeroes pages when they are allocated"
    )
    order: list[Place] = Field(
        default=[],
        max_length=6,
        description="contents in the order of addresses, each once; empty: all mixed evenly",
    )
    kernel_high: Share = Field(
        default=0.0, description="order: share of memory that is kernel and lies apart, at its end"
    )
    replacement: Literal["lru", "two-list"] = Field(
        default="lru",
        description="which cached page goes first: the one least recently used, or swept pages",
    )
    activities: list[Activity] = Field(default=[], max_length=64)
    load: Load = written({})
    sources: dict[str, str] = Field(default={}, description="where each number comes from")

    def overwritten(
        self,
        makeup: Makeup | Shares,
        *,
        memory: float | None = None,
        sets: Sequence[float] | None = None,
    ) -> tuple[int, str] | None:
        """Return the first activity whose writes find too few pages, and why.

        Parameters
        ----------
        makeup
            What the memory is made of.
        memory
            Bytes of it; None leaves out the activities whose ``set`` is in bytes.
        sets
            A guest's own, of each activity; None takes those of the workload.
        """
        room = {"anonymous": makeup.anonymous, "cache": makeup.cache}
        asked = dict.fromkeys(room, 0.0)
        for i, activity in enumerate(self.activities):
            extent = activity.set if sets is None else sets[i]
            if activity.do != "write" or (extent > 1 and memory is None):
                continue
            kind = activity.to
            asked[kind] += extent / memory if extent > 1 and memory else extent
            if asked[kind] > room[kind] + 1e-9:
                return i, (
                    f"activities write to {100 * asked[kind]:.4g}% of the memory, "
                    f"but {kind} is {100 * max(room[kind], 0):.4g}% of it"
                )
        return None

    def misfit(self, shares: Shares, *, memory: float, sets: Sequence[float]) -> str | None:
        """Return why a guest's own memory does not fit what it does, if it does not."""
        if shares.anonymous < -1e-9:
            return f"the shares sum to {1 - shares.anonymous:.3g}, more than 1"
        if self.kernel_high > shares.kernel + 1e-9:
            return f"kernel_high is more than the kernel's {shares.kernel:.3g}"
        fault = self.overwritten(shares, memory=memory, sets=sets)
        return fault[1] if fault else None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        missing = [place for place in PLACES if place not in self.order]
        if self.order and missing:
            raise wrong(
                f"names every kind of contents once; missing: {', '.join(missing)}", "order"
            )
        if self.kernel_high > 0 and not self.order:
            raise wrong("means nothing without an order", "kernel_high")
        if self.kernel_high > self.memory.kernel + 1e-9:
            raise wrong(f"is more than the kernel's {self.memory.kernel:.3g}", "kernel_high")
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if fault := self.overwritten(self.memory):
            raise wrong(fault[1], "activities", fault[0], "set")
        return self
