"""Notices: hosts are told that they will go, as spot capacity and hosts to be maintained are."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from itertools import count, cycle, islice
from typing import NamedTuple

import simpy

from dcsim.control.dispatch import Dispatcher
from dcsim.control.operations.maintenance import Maintenance
from dcsim.control.operations.operation import OperationPlan
from dcsim.model.distribution import Distribution
from dcsim.model.host import Host
from dcsim.units import format_duration, format_many


class NoticesPlan(NamedTuple):
    """Notices, ready to be given.

    Attributes
    ----------
    times_s
        When, from the operation's start, where they are listed.
    every, most
        From one to the next, where they are drawn; so many at most.
    in_order
        Whether hosts are told in order; else one of them is drawn.
    notice_s
        From being told to going.
    loses
        Whether guests left on a host are lost when it goes; else they are stopped until it is back.
    away
        How long it is away; None: for good.
    """

    times_s: tuple[float, ...]
    every: Distribution | None
    most: float
    in_order: bool
    notice_s: float
    loses: bool
    away: Distribution | None


class Notices(Maintenance):
    """Tell hosts, one after another, that they will go."""

    kind = "notices"
    finishes_hosts = True

    def __init__(self, dispatcher: Dispatcher, plan: OperationPlan) -> None:
        super().__init__(dispatcher, plan)
        assert isinstance(plan.own, NoticesPlan)
        self.rules = plan.own

    def act(self) -> Generator[simpy.Event]:
        """Give each notice at its time, and wait until the last host has gone or is back."""
        self.world.event(
            "operation", self.name, f"{format_many(len(self.hosts), 'host')} may be told to go"
        )
        began_s = self.env.now
        self._next_hosts = cycle(self.hosts)
        told = []
        for number, at_s in enumerate(self.times()):
            wait = self.env.timeout(began_s + at_s - self.env.now)
            yield wait | self.closed
            if self.closed.triggered:
                break
            host = self.pick(number)
            if host is None:
                self.world.event("notice", self.name, "no host is left that could be told")
            else:
                told.append(self.env.process(self.serve(host, number)))
        yield self.env.all_of(told)

    def times(self) -> Iterator[float]:
        """Yield when notices are given, from the operation's start."""
        rules = self.rules
        if rules.every is None:
            yield from sorted(rules.times_s)
            return
        at_s = 0.0
        draws = rules.every.draws(self.world.streams, "operation", self.name, "every")
        for _ in count() if rules.most == math.inf else range(int(rules.most)):
            at_s += next(draws)
            yield at_s

    def pick(self, number: int) -> Host | None:
        """Return the host that is told next, one of those that are there."""
        if self.rules.in_order:
            hosts = islice(self._next_hosts, len(self.hosts))
            return next((host for host in hosts if not host.draining and not host.failed), None)
        there = [host for host in self.hosts if not host.draining and not host.failed]
        if not there:
            return None
        stream = self.world.streams.stream("operation", self.name, "host", number)
        return there[int(stream.integers(len(there)))]

    def serve(self, host: Host, number: int) -> Generator[simpy.Event]:
        """Empty a host until its notice is over; then it goes, and comes back if it does."""
        rules, dispatcher = self.rules, self.dispatcher
        self.world.event("notice", host.name, f"it goes in {format_duration(rules.notice_s)}")
        dispatcher.close(host)
        if rules.away is not None:
            dispatcher.vacancies.promised[host] = None
        goes_s = self.env.now + rules.notice_s
        self.env.process(self.empty(host, deadline_s=goes_s))
        yield self.env.timeout(rules.notice_s)
        if not host.failed:
            standing = len(host.guests)
            self.finish_drain(host)
            left = yield from self.go(host, lost=rules.loses)
            became = "lost" if rules.loses else "stopped"
            verb = "is" if len(left) == 1 else "are"
            trouble = f"{format_many(len(left), 'guest')} {verb} {became}" if standing else ""
            self.world.event("away", host.name, trouble or "it is empty")
            if rules.away is not None:
                yield from self.step(host, "away", rules.away, number, trouble)
                if rules.loses or not host.failed:
                    self.come_back(host, left)
                    self.world.event("back", host.name, "it takes guests again")
                    dispatcher.reopen(host)
        dispatcher.forsake(host)

    def outcome(self) -> str:
        """Return how many guests were lost, in words."""
        return f"{format_many(self.lost, 'guest')} lost; {super().outcome()}"
