"""Durations that may be drawn, as numbers. Seconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator

    from dcsim.rng import Streams

Kind = Literal["fixed", "exponential", "uniform", "weibull", "lognormal", "empirical"]


class Distribution(NamedTuple):
    """A distribution of durations; `dcsim.scenario.distribution` says what the kinds mean.

    Attributes
    ----------
    kind
        Its name.
    parameters
        Of an empirical one its values, of others its parameters, in the order of the scenario's.
    mean_s
        The mean.

    Examples
    --------
    >>> from dcsim.rng import Streams
    >>> reboot = Distribution("uniform", (300.0, 600.0), 450.0)
    >>> 300 <= next(reboot.draws(Streams(1), "reboot", "rack0/host0")) < 600
    True
    """

    kind: Kind
    parameters: tuple[float, ...]
    mean_s: float

    @property
    def is_random(self) -> bool:
        """Whether there is anything to draw."""
        return self.kind != "fixed"

    def draw(self, generator: Generator | None) -> float:
        """Return a duration; only one that is not random needs no generator."""
        first, *more = self.parameters
        if not self.is_random:
            return first
        assert generator is not None
        match self.kind:
            case "exponential":
                return float(generator.exponential(first))
            case "uniform":
                return float(generator.uniform(first, more[0]))
            case "weibull":
                return first * float(generator.weibull(more[0]))
            case "lognormal":
                return first * math.exp(more[0] * float(generator.standard_normal()))
        return self.parameters[int(generator.integers(len(self.parameters)))]

    def draws(self, streams: Streams, *name: str | int) -> Iterator[float]:
        """Yield durations without end, drawn from the stream of that name."""
        generator = streams.stream(*name) if self.is_random else None
        while True:
            yield self.draw(generator)
