"""A drain: hosts are emptied, so many at a time."""

from __future__ import annotations

from collections.abc import Generator

import simpy

from dcsim.control.operations.operation import Operation
from dcsim.units import format_many


class Drain(Operation):
    """Close some hosts and let all their guests leave."""

    kind = "drain"

    def act(self) -> Generator[simpy.Event]:
        """Close all of them at once, and empty so many at a time."""
        for host in self.hosts:
            self.dispatcher.close(host)
        standing = format_many(sum(len(host.guests) for host in self.hosts), "guest")
        self.world.event("operation", self.name, f"{self.matched}; {standing} on them")
        if self.plan.at_once < len(self.hosts):
            yield from self.by_turns(self.hosts, self.empty)
        else:
            yield from self.empty(*self.hosts)
