"""What operations have in common whose hosts go away, and may return. Seconds."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from dcsim.control.failures import lose, revive
from dcsim.control.operations.operation import Operation
from dcsim.model.distribution import Distribution
from dcsim.model.guest import Guest
from dcsim.model.host import Host


class Maintenance(Operation):
    """An operation that takes hosts away."""

    def go(self, host: Host, *, lost: bool) -> Generator[simpy.Event, Any, list[Guest]]:
        """Let a closed host go away, migrations from and to it broken off.

        Parameters
        ----------
        host
            It.
        lost
            Whether the guests left on it are lost; else they are stopped.

        Returns
        -------
        list of Guest
            Those lost or stopped.
        """
        dispatcher = self.dispatcher
        under_way = [
            migration
            for migration in dispatcher.migrations
            if host in (migration.source, migration.destination) and not migration.outcome
        ]
        again = host.failed
        if lost and not again:
            lose(self.world, dispatcher, host)
        dispatcher.leave(host)
        for migration in under_way:
            migration.break_off("failed-host", f"the host {host.name} went away")
        for migration in under_way:
            while not migration.outcome:
                yield dispatcher.arrival(migration.destination)
        if again:
            return []
        if lost:
            # in post-copy, a guest is at its destination without its pages
            ahead = [migration.guest for migration in under_way if migration.source is host]
            there = dict.fromkeys([*host.guests, *ahead])
            gone = [guest for guest in there if not (guest.running or guest.ran_out())]
            self.lost += len(gone)
            return gone
        left = [guest for guest in host.guests if guest.running]
        for guest in left:
            guest.disturb()
            guest.pause(cause="restart")
        return left

    def come_back(self, host: Host, left: list[Guest]) -> None:
        """Let a host be there again: guests that were stopped start anew, none that was lost."""
        if host.failed:
            revive(host)
        host.away = False
        for guest in left:
            if guest.host is host and not guest.perished:
                guest.memory.restart()
                guest.resume()

    def step(
        self, host: Host, step: str, lasts: Distribution, number: int, trouble: str = ""
    ) -> Generator[simpy.Event]:
        """Let a step of a host's maintenance take its time."""
        self.begin(host, step)
        yield self.env.timeout(self.draw(lasts, host.name, step, number))
        self.finish(host, trouble)

    def draw(self, duration: Distribution, *name: str | int) -> float:
        """Return a duration of this operation: what was drawn before does not change it."""
        return next(duration.draws(self.world.streams, "operation", self.name, *name))
