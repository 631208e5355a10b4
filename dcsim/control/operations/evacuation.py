"""An evacuation: hosts are emptied before they lose power."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, NamedTuple

import simpy

from dcsim.control.dispatch import Dispatcher
from dcsim.control.operations.maintenance import Maintenance
from dcsim.control.operations.operation import OperationPlan
from dcsim.units import PAGE, format_duration, format_many, format_size


class EvacuationPlan(NamedTuple):
    """An evacuation, ready to run.

    Attributes
    ----------
    deadline_s
        After so long the hosts lose power.
    """

    deadline_s: float


class Evacuation(Maintenance):
    """Empty hosts as far as time allows; guests left on them are lost."""

    kind = "evacuate"

    def __init__(self, dispatcher: Dispatcher, plan: OperationPlan) -> None:
        super().__init__(dispatcher, plan)
        assert isinstance(plan.own, EvacuationPlan)
        self.rules = plan.own

    def act(self) -> Generator[simpy.Event]:
        """Empty them all at once, until all are empty or the power goes."""
        for host in self.hosts:
            self.dispatcher.close(host)
        self.deadline_s = self.rules.deadline_s
        at_s = self.env.now + self.deadline_s
        deadline = format_duration(self.deadline_s)
        standing = sum(len(host.guests) for host in self.hosts)
        self.world.event(
            "operation",
            self.name,
            f"{self.matched}; {format_many(standing, 'guest')} on them, to leave in {deadline}",
        )
        goes = self.env.timeout(self.deadline_s)
        emptied = self.env.process(self.empty(*self.hosts, deadline_s=at_s))
        yield emptied | goes
        if any(host.guests or host.reserved for host in self.hosts):
            yield goes
            self.ended_s = self.env.now
            yield from self.lose_power()
            yield emptied
        else:
            self.missed_s = 0.0
            self.env.process(self.lose_power_later(goes))

    def lose_power_later(self, goes: simpy.Event) -> Generator[simpy.Event]:
        """Let the power of empty hosts go when it is time: guests may have been sent there."""
        yield goes
        yield from self.lose_power()

    def lose_power(self) -> Generator[simpy.Event, Any]:
        """Lose all hosts at one instant."""
        gone_bytes, left_bytes = self.progress()
        elapsed_s = self.env.now - self.plan.at_s
        self.missed_s = left_bytes * elapsed_s / gone_bytes if gone_bytes > 0 else math.nan
        reason = f"the power went after {format_duration(self.deadline_s)}"
        hosts = set(self.hosts)
        self.dispatcher.withdraw(lambda request: request.source in hosts, "failed-host", reason)
        yield self.env.all_of([self.env.process(self.go(host, lost=True)) for host in self.hosts])
        words = f"{reason}: {format_many(self.lost, 'guest')} lost"
        if left_bytes > 0:
            words += f", {format_size(left_bytes)} of them had not been sent"
            if gone_bytes > 0:
                words += f", which takes {format_duration(self.missed_s)} at the pace until then"
        self.world.event("power", self.name, words)

    def progress(self) -> tuple[float, float]:
        """Return bytes of memory that have left, and of guests that could leave, that have not."""
        gone = float(self.gone_bytes)
        left = 0.0
        moving = {migration.guest: migration for migration in self.dispatcher.migrations}
        for host in self.hosts:
            for guest in filter(self.dispatcher.is_asked, host.guests):
                pending = guest.memory_bytes
                if guest in moving and moving[guest].stream is not None:
                    guest.pass_time()
                    pending = min(pending, guest.memory.scan.pending * PAGE)
                left += pending
                gone += guest.memory_bytes - pending
        return gone, left

    def outcome(self) -> str:
        """Return how many guests were lost, in words."""
        return f"{format_many(self.lost, 'guest')} lost; {super().outcome()}"
