"""The clock, and what takes its course on it."""

from __future__ import annotations

from collections.abc import Generator

import pytest
import simpy

from dcsim.control.course import Course
from dcsim.simulation.clock import Clock


def waits(env: simpy.Environment, told: list[float], *delays: float) -> Generator[simpy.Event]:
    """Wait so long, again and again, and tell the time before each and at the end."""
    for delay in delays:
        told.append(env.now)
        yield env.timeout(delay)
    told.append(env.now)


def test_the_clock_tells_the_time_that_simpy_has():
    """Its time is read where SimPy sets it, and it starts at 0."""
    env, told = Clock(), []
    assert env.now == 0
    env.process(waits(env, told, 1.5, 2.0))
    env.run()
    assert told == [0.0, 1.5, 3.5]
    assert env.now == 3.5


def test_a_course_begins_at_once_and_takes_no_events_of_its_own():
    """All that the queue has seen are the two it waits for."""
    env, told = Clock(), []
    Course(waits(env, told, 1.0, 2.0))
    assert told == [0.0]
    env.run()
    assert told == [0.0, 1.0, 3.0]
    assert next(env._eid) == 2


def test_a_course_goes_on_at_once_after_what_has_happened():
    """An event that was processed before is not waited for."""
    env, told = Clock(), []
    past = env.timeout(1.0)
    env.run()

    def goes_on() -> Generator[simpy.Event]:
        yield past
        told.append(env.now)

    Course(goes_on())
    assert told == [1.0]


def test_an_error_in_a_course_ends_the_run():
    """It is not kept in an event that nobody looks at."""
    env = Clock()

    def fails() -> Generator[simpy.Event]:
        yield env.timeout(1.0)
        raise ArithmeticError

    Course(fails())
    with pytest.raises(ArithmeticError):
        env.run()
