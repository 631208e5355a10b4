"""A rolling upgrade: hosts are emptied in turn, rebooted, checked, and take guests again."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, NamedTuple

import simpy

from dcsim.control.batch import Batch
from dcsim.control.dispatch import Dispatcher
from dcsim.control.operations.maintenance import Maintenance
from dcsim.control.operations.operation import OperationPlan
from dcsim.model.distribution import Distribution
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.units import format_many


class UpgradePlan(NamedTuple):
    """An upgrade, ready to run.

    Attributes
    ----------
    reboot
        How long a host is away.
    check, fails, attempts
        How long a health check takes after that, if there is one; the probability that the host
        does not pass; how often it is rebooted and checked.
    stops
        Whether guests left on a host are stopped for the reboot; else it is skipped.
    moves_back
        Whether guests go back to the host that they left.
    """

    reboot: Distribution
    check: Distribution | None
    fails: float
    attempts: int
    stops: bool
    moves_back: bool


class Upgrade(Maintenance):
    """Take hosts away in turn, and let them return."""

    kind = "upgrade"
    finishes_hosts = True
    last_step = ""  # it counts them itself

    def __init__(self, dispatcher: Dispatcher, plan: OperationPlan) -> None:
        super().__init__(dispatcher, plan)
        assert isinstance(plan.own, UpgradePlan)
        self.rules = plan.own

    def act(self) -> Generator[simpy.Event]:
        """Upgrade so many hosts at a time."""
        turns = f"{self.matched}, {self.plan.at_once:g} at a time"
        self.world.event("operation", self.name, turns)
        yield from self.by_turns(self.hosts, self.upgrade)

    def upgrade(self, host: Host) -> Generator[simpy.Event]:
        """Close a host, empty it, reboot it, check it, and open it again."""
        dispatcher = self.dispatcher
        closed = "another operation has closed it" if host.draining else ""
        if why := "it failed" if host.failed else closed:
            self.skip(host, why)
            return
        guests, used_bytes = list(host.guests), host.used_bytes
        dispatcher.close(host)
        dispatcher.vacancies.promised[host] = Batch(self, self.env)
        yield from self.empty(host)
        dispatcher.vacancies.promised[host] = None
        if host.failed:
            self.skip(host, "it failed")
        elif host.guests and not self.rules.stops:
            self.skip(host, f"{format_many(len(host.guests), 'guest')} could not leave it")
            dispatcher.reopen(host)
        else:
            left = yield from self.go(host, lost=False)
            healthy = yield from self.reboot(host)
            if healthy:
                self.hosts_done += 1
                self.come_back(host, left)
                if self.rules.moves_back:
                    yield from self.move_back(host, guests)
                self.taken_bytes -= used_bytes - host.used_bytes
                dispatcher.reopen(host)
            else:
                self.skip(host, "it did not come back healthy, and stays out")
        dispatcher.forsake(host)

    def reboot(self, host: Host) -> Generator[simpy.Event, Any, bool]:
        """Reboot a host until it passes its check; return whether it did."""
        rules = self.rules
        for attempt in range(1, rules.attempts + 1):
            yield from self.step(host, "reboot", rules.reboot, attempt)
            passes = not host.failed
            if passes and rules.check is not None:
                name = ("operation", self.name, host.name, "passes", attempt)
                passes = not rules.fails or self.world.streams.stream(*name).random() >= rules.fails
                trouble = "" if passes else "it did not pass"
                yield from self.step(host, "health check", rules.check, attempt, trouble)
            if passes and not host.failed:
                return True
        return False

    def move_back(self, host: Host, guests: Iterable[Guest]) -> Generator[simpy.Event]:
        """Let guests return; the host takes no others before they have."""
        self.begin(host, "move back")
        returning = [guest for guest in guests if guest.running and guest.host is not host]
        yield self.ask(((guest, host) for guest in returning), before=[host]).done
        away = sum(guest.host is not host for guest in returning)
        self.finish(host, f"{format_many(away, 'guest')} did not come back" if away else "")

    def skip(self, host: Host, why: str) -> None:
        """Say why a host is not upgraded."""
        self.world.event("skipped", host.name, why)

    def outcome(self) -> str:
        """Return how many hosts are done, and how many are not, in words."""
        left = len(self.hosts) - self.hosts_done
        return f"{format_many(self.hosts_done, 'host')} upgraded, {left} left; {super().outcome()}"
