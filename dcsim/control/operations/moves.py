"""Moves that are listed: each guest to its host."""

from __future__ import annotations

from collections.abc import Generator

import simpy

from dcsim.control.operations.operation import Operation
from dcsim.units import format_many


class Moves(Operation):
    """Move each guest of a list to its host."""

    kind = "moves"

    def act(self) -> Generator[simpy.Event]:
        """Ask for all of them at once; of those whose guest has left, events tell."""
        hosts, guests = self.dispatcher.hosts, self.dispatcher.guests
        named = {guest.name: guest for guest in guests}
        self.world.event(
            "operation", self.name, f"{format_many(len(self.plan.moves), 'move')} asked for"
        )
        gone = [name for name, _ in self.plan.moves if name not in named]
        for name in gone:
            self.world.event("cancelled", name, "it is not there any more")
        self.requested += len(gone)
        moves = ((named[name], hosts[to]) for name, to in self.plan.moves if name in named)
        yield self.ask(moves).done
