"""Step functions that are thinned: how far off they may be, and what stays as it was."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.records.steps import JOINED, Steps

values = st.one_of(st.just(0.0), st.floats(0.97, 1.03), st.floats(1e-9, 1e9))
courses = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 1.0, 1e3]), values), min_size=1)


def turned(course: list[tuple[float, float]]) -> tuple[list[tuple[float, float, float]], float]:
    """Return a course as (from, to, value), nothing of no length, and its end."""
    times = [math.fsum(wait for wait, _ in course[: i + 1]) for i in range(len(course))]
    end = times[-1] + 1.0
    spans = zip(times, [*times[1:], end], course, strict=True)
    return [(a, b, value) for a, b, (_, value) in spans if a < b], end


@given(courses)
def test_values_are_near_and_integrals_kept(course: list[tuple[float, float]]) -> None:
    """At any time within the stated share of what was; over each stretch the integral is that."""
    true, end = turned(course)
    steps: Steps[str] = Steps()
    time = 0.0
    for i, (_, value) in enumerate(course):
        time = math.fsum(wait for wait, _ in course[: i + 1])
        steps.turn("a", time, value)
    told = list(steps.finish(end))
    assert [key for key, *_ in told] == ["a"] * len(told)
    assert len(told) <= len(true)
    assert (told[0][1], told[-1][2]) == (true[0][0], true[-1][1])
    assert all(one[2] == two[1] for one, two in pairwise(told))
    for _, from_s, to_s, mean in told:
        inside = [(a, b, value) for a, b, value in true if from_s <= a and b <= to_s]
        assert all(abs(mean - value) <= JOINED * max(mean, value) for _, _, value in inside)
        assert all((mean == 0) == (value == 0) for _, _, value in inside)
        exact = math.fsum(value * (b - a) for a, b, value in inside)
        assert mean * (to_s - from_s) == pytest.approx(exact, rel=1e-9)


def test_what_does_not_change_is_told_bit_for_bit() -> None:
    """A mean of many equal values would be off by rounding."""
    steps: Steps[str] = Steps()
    for i in range(100):
        steps.turn("a", i / 3, 0.1)
    assert list(steps.finish(100 / 3)) == [("a", 0.0, 100 / 3, 0.1)]


def test_a_slow_drift_is_not_joined_to_one() -> None:
    """Each stretch is bounded by its lowest and highest, not by its neighbours."""
    steps: Steps[str] = Steps()
    for i in range(1000):
        steps.turn("a", float(i), 1.0 + i / 1000)
    told = list(steps.finish(1000.0))
    assert 63 <= len(told) <= 70  # from 1 to 2 by 1 %, and a step of 0.1 % between each two


def test_keys_do_not_mix_and_are_told_as_they_began() -> None:
    """Rows are in the order of time, whatever ended first; a change at the very end is told."""
    steps: Steps[str] = Steps()
    steps.turn("long", 1.0, 5.0)
    steps.turn("short", 2.0, 7.0)
    steps.turn("short", 3.0, 0.0)
    steps.turn("long", 9.0, 0.0)
    assert list(steps.finish(9.0)) == [
        ("long", 1.0, 9.0, 5.0),
        ("short", 2.0, 3.0, 7.0),
        ("short", 3.0, 9.0, 0.0),
        ("long", 9.0, 9.0, 0.0),
    ]


def test_stretches_that_follow_but_for_rounding_are_joined() -> None:
    """What is further apart than rounding is not."""
    steps: Steps[str] = Steps()
    steps.hold("a", 0.0, 1.0, 0.5)
    steps.hold("a", 1.0 + 1e-12, 2.0, 0.5)
    steps.hold("a", 2.5, 3.0, 0.5)
    assert list(steps.finish(9.0)) == [("a", 0.0, 2.0, 0.5), ("a", 2.5, 3.0, 0.5)]
