"""Durations that may be drawn: a plain one, or a named distribution with its parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import CoreSchema, core_schema

from dcsim.scenario.base import Later, Spec, wrong
from dcsim.scenario.quantities import DURATION_SCHEMA, Duration, Positive, read_duration

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo


class Fixed(Spec):
    """Always the same; a plain duration, `5min`, is short for it."""

    kind: Literal["fixed"] = "fixed"
    value: Duration

    @property
    def mean_s(self) -> float:
        """The value."""
        return self.value


class Exponential(Spec):
    """Without memory: what has not come yet is as far away as ever."""

    kind: Literal["exponential"] = "exponential"
    mean: Annotated[Duration, Positive]

    @property
    def mean_s(self) -> float:
        """The mean."""
        return self.mean


class Uniform(Spec):
    """Anything between two bounds, all of it as likely."""

    kind: Literal["uniform"] = "uniform"
    low: Duration
    high: Annotated[Duration, Positive]

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.low > self.high:
            raise wrong("must be at least low", "high")
        return self

    @property
    def mean_s(self) -> float:
        """The mean."""
        return (self.low + self.high) / 2


class Weibull(Spec):
    """Weibull: a shape below 1 for what fails early, above 1 for what wears out."""

    kind: Literal["weibull"] = "weibull"
    scale: Annotated[Duration, Positive] = Field(description="63.2 % are shorter")
    shape: float = Field(ge=0.1, le=100)

    @property
    def mean_s(self) -> float:
        """The mean."""
        return self.scale * math.gamma(1 + 1 / self.shape)


class Lognormal(Spec):
    """A normal distribution of the logarithm: a few take far longer than most."""

    kind: Literal["lognormal"] = "lognormal"
    median: Annotated[Duration, Positive]
    sigma: float = Field(ge=0, le=5, description="standard deviation of the natural logarithm")

    @property
    def mean_s(self) -> float:
        """The mean."""
        return self.median * math.exp(self.sigma**2 / 2)


class Empirical(Spec):
    """One of the values observed, each as likely."""

    kind: Literal["empirical"] = "empirical"
    values: list[Duration] = Field(min_length=1, max_length=100_000)

    @property
    def mean_s(self) -> float:
        """The mean."""
        return math.fsum(self.values) / len(self.values)


class _OrPlain:
    """Lets a plain duration stand for one that is always the same."""

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_before_validator_function(_spelt_out, handler(kind))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [*DURATION_SCHEMA["anyOf"], handler(schema)]}


def _spelt_out(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, dict | Spec):
        return value
    if value is None or isinstance(value, bool | list):
        raise ValueError("must be a duration such as '5min', or a mapping with a kind")
    return Fixed(value=read_duration(value, info))


Distribution = Annotated[
    Fixed | Exponential | Uniform | Weibull | Lognormal | Empirical, Later(), _OrPlain()
]
"""Seconds, drawn or not: `5min`, or `{kind: exponential, mean: 5min}`."""
