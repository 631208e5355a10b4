"""Guests that come while a scenario runs: how often, from when, until when."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from dcsim.scenario.base import Spec, wrong
from dcsim.scenario.distribution import Distribution
from dcsim.scenario.quantities import Count, Duration, Positive


class Arrivals(Spec):
    """Guests of a group that come one after another; the operation's placement finds their host."""

    every: Distribution = Field(description="from one to the next")
    start: Duration = Field(default=0.0, description="the first comes so long after this time")
    until: Annotated[Duration, Positive] | None = Field(
        default=None, description="none comes after this time; unset: the horizon"
    )
    most: Count | None = Field(default=None, ge=1, le=1_000_000, description="no more than these")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.until is not None and self.until <= self.start:
            raise wrong("must be later than start", "until")
        return self
