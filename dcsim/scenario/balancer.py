"""How hosts are kept even, and emptied to be switched off."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from dcsim.scenario import presets
from dcsim.scenario.base import Spec, wrong
from dcsim.scenario.quantities import Count, Duration, Level, Positive, Share, written


def _a_second(duration: float) -> float:
    if duration < 1:
        raise ValueError("must be at least 1s")
    return duration


OftenEnough = Annotated[Duration, AfterValidator(_a_second)]
"""A second or more: looks are events."""


class Balancer(Spec):
    """When guests move to even out the loads of hosts, and which."""

    name: str = Field(default="inline", max_length=200)
    metric: Literal["memory", "cpu", "guests"] = Field(
        default="memory",
        description="a host's load: share of its memory or its cores in use, or number of guests",
    )
    measure: Literal["max", "max-mean", "max-min", "std-dev", "variation"] = Field(
        default="max-mean",
        description="the imbalance of loads: the highest; that above the mean, or above the "
        "lowest; their standard deviation; that over the mean, as a share of the most possible",
    )
    threshold: Level = Field(description="it acts when the imbalance is above this")
    target: Level | None = Field(
        default=None, description="a round goes on down to this; unset: the threshold"
    )
    margin: Share = Field(
        default=0.0, description="a round is made only if it takes this share off the imbalance"
    )
    hold: Count = Field(
        default=1, ge=1, le=10_000, description="looks on end at which the threshold is exceeded"
    )
    every: OftenEnough = Field(default=written("5min"), description="from one look to the next")
    cooldown: Duration = Field(default=0.0, description="after a round, time without looks")
    guest_cooldown: Duration = Field(
        default=0.0, description="after a round, time for which the guests that it moved stay"
    )
    moves: Count | None = Field(default=None, ge=1, description="at most so many a round")
    prefer: Literal["most-even", "most-even-per-byte"] = Field(
        default="most-even-per-byte", description="the guest that is moved first"
    )

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, value: Any) -> Any:
        return presets.resolve_balancer(value)

    @model_validator(mode="after")
    def _hysteresis(self) -> Self:
        if self.target is not None and self.target > self.threshold:
            raise wrong(f"is above the threshold, {self.threshold:g}", "target")
        return self


class Wake(Spec):
    """When a host that is off is switched on again."""

    above: Annotated[Share, Positive] = Field(
        description="when a greater share of the memory or cores of all that are on is used"
    )
    takes: Duration = Field(description="from then until it takes guests")
