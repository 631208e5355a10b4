"""Moves that are listed: each guest to its host."""

from __future__ import annotations

from collections.abc import Generator

import simpy

from dcsim.control.operations.operation import Operation


class Moves(Operation):
    """Move each guest of a list to its host."""

    kind = "moves"

    def act(self) -> Generator[simpy.Event]:
        """Ask for all of them at once."""
        hosts, guests = self.dispatcher.hosts, self.dispatcher.guests
        named = {guest.name: guest for guest in guests}
        self.world.event("operation", self.name, f"{len(self.plan.moves)} moves asked for")
        yield self.ask((named[name], hosts[to]) for name, to in self.plan.moves).done
