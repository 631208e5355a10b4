"""Durations that may be drawn: how they are written, and what comes of them."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from dcsim.model.distribution import Distribution
from dcsim.rng import Streams
from dcsim.scenario.distribution import Distribution as Asked
from dcsim.simulation.plain import distribution_of

READ: TypeAdapter[Any] = TypeAdapter(Asked)
MANY = 20_000


def read(value: Any) -> Distribution:
    """Return what a file's value comes to in the model."""
    return distribution_of(READ.validate_python(value, context={"from_file": True}))


WRITTEN: list[tuple[Any, float]] = [
    ("5min", 300.0),
    (0, 0.0),
    ({"kind": "fixed", "value": "5min"}, 300.0),
    ({"kind": "exponential", "mean": "5min"}, 300.0),
    ({"kind": "uniform", "low": "1min", "high": "3min"}, 120.0),
    ({"kind": "weibull", "scale": "10s", "shape": 2}, 10 * math.sqrt(math.pi) / 2),
    ({"kind": "lognormal", "median": "10s", "sigma": 0.5}, 10 * math.exp(0.125)),
    ({"kind": "empirical", "values": ["1s", "2s", "6s"]}, 3.0),
]


@pytest.mark.parametrize(("value", "mean_s"), WRITTEN)
def test_the_mean_is_that_of_what_is_drawn(value: Any, mean_s: float) -> None:
    """As the textbook has it, and as many draws come to, within five standard errors."""
    distribution = read(value)
    assert distribution.mean_s == pytest.approx(mean_s)
    draws = distribution.draws(Streams(1), "test")
    drawn = [next(draws) for _ in range(MANY)]
    mean = math.fsum(drawn) / MANY
    error = math.sqrt(math.fsum((x - mean) ** 2 for x in drawn)) / MANY
    assert abs(mean - mean_s) <= 5 * error + 1e-9
    assert min(drawn) >= 0
    assert (min(drawn) < max(drawn)) == distribution.is_random


@pytest.mark.parametrize(
    ("value", "below", "share"),
    [
        ({"kind": "weibull", "scale": "10s", "shape": 0.7}, 10.0, 1 - math.exp(-1)),
        ({"kind": "lognormal", "median": "10s", "sigma": 1}, 10.0, 0.5),
        ({"kind": "uniform", "low": "0s", "high": "4s"}, 1.0, 0.25),
        ({"kind": "exponential", "mean": "2s"}, 2.0, 1 - math.exp(-1)),
        ({"kind": "empirical", "values": ["1s", "2s", "6s"]}, 1.5, 1 / 3),
    ],
)
def test_quantiles_are_those_of_the_distribution(value: Any, below: float, share: float) -> None:
    """So many are smaller, within five standard errors."""
    draws = read(value).draws(Streams(2), "test")
    smaller = sum(next(draws) < below for _ in range(MANY)) / MANY
    assert smaller == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / MANY))


def test_draws_are_those_of_the_stream_of_that_name() -> None:
    """The same name gives the same again, another one others; it survives a pickle."""
    distribution = read({"kind": "lognormal", "median": "10s", "sigma": 1})
    first, again, other = (
        [next(draws) for _ in range(3)]
        for draws in (
            distribution.draws(Streams(1), "a", 1),
            pickle.loads(pickle.dumps(distribution)).draws(Streams(1), "a", 1),
            distribution.draws(Streams(1), "a", 2),
        )
    )
    assert first == again
    assert not set(first) & set(other)


def test_what_is_written_reads_back() -> None:
    """In SI, a plain duration spelt out."""
    for value, _ in WRITTEN:
        asked = READ.validate_python(value)
        assert READ.validate_python(READ.dump_python(asked)) == asked
    assert READ.dump_python(READ.validate_python("5min")) == {"kind": "fixed", "value": 300.0}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (300, "must have a unit"),
        ("5 lightyears", "lightyears"),
        (True, "must be a duration such as '5min', or a mapping with a kind"),
        (["5min"], "must be a duration such as '5min', or a mapping with a kind"),
        ({"mean": "5min"}, "kind"),
        ({"kind": "gaussian", "mean": "5min"}, "exponential"),
        ({"kind": "exponential", "mean": 0}, "greater than 0"),
        ({"kind": "uniform", "low": "2s", "high": "1s"}, "at least low"),
        ({"kind": "weibull", "scale": "2s", "shape": 0}, "greater than or equal to 0.1"),
        ({"kind": "lognormal", "median": "2s", "sigma": -1}, "greater than or equal to 0"),
        ({"kind": "empirical", "values": []}, "at least 1 item"),
        ({"kind": "fixed", "value": "1s", "mean": "1s"}, "not permitted"),
    ],
)
def test_what_is_no_distribution_is_refused(value: Any, message: str) -> None:
    """In words that say what is legal."""
    with pytest.raises(ValidationError, match=message):
        read(value)
