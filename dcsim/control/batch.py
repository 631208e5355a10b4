"""What an operation asks for at once, and waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import simpy

if TYPE_CHECKING:
    from dcsim.control.operations.operation import Operation


class Batch:
    """Requests that an operation waits for together.

    Attributes
    ----------
    operation
        Whose they are.
    asked_s
        When they were asked for.
    requested, ended
        How many they are, and how many have come to their end.
    done
        Fires when all have.
    """

    __slots__ = ("asked_s", "done", "ended", "operation", "requested")

    def __init__(self, operation: Operation, env: simpy.Environment) -> None:
        self.operation = operation
        self.asked_s = env.now
        self.requested = self.ended = 0
        self.done = env.event()

    def note_end(self) -> None:
        """Count one that has come to its end."""
        self.ended += 1
        self.look()

    def look(self) -> None:
        """Fire if all have come to their end."""
        if self.ended == self.requested and not self.done.triggered:
            self.done.succeed()
