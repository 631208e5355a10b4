"""Following what takes its course: a generator of the clock's events."""

from __future__ import annotations

from collections.abc import Generator

import simpy


class Course:
    """Goes through events as a process of SimPy does, but begins at once, and ends unheard.

    So what happens often takes no events of its own to begin and to end.

    Parameters
    ----------
    events
        What is waited for, one after another.
    """

    __slots__ = ("_events",)

    def __init__(self, events: Generator[simpy.Event]) -> None:
        self._events = events
        self._go_on()

    def _go_on(self, _: simpy.Event | None = None) -> None:
        for event in self._events:
            if event.callbacks is not None:  # else it has happened already
                event.callbacks.append(self._go_on)
                return
