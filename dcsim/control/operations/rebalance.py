"""Rebalancing: looks at how unevenly hosts are used, and moves that even it out."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING, Final, NamedTuple

import simpy

from dcsim.control.imbalance import MEASURES, ROUNDING, Loads, Portion, Shift, even_out
from dcsim.control.operations.operation import Operation, OperationPlan
from dcsim.model.guest import Guest
from dcsim.model.host import Host

if TYPE_CHECKING:
    from dcsim.control.dispatch import Dispatcher

WHAT: Final = {"memory": "memory used", "cpu": "CPU asked for", "guests": "guests"}
"""The metrics, in words."""


class Balancer(NamedTuple):
    """When guests move to even out loads, and which; infinite where there is no limit.

    Attributes
    ----------
    metric, measure
        What of hosts is compared: memory, cpu or guests; how: one of `MEASURES`.
    threshold, target
        The imbalance above which it acts; down to which it goes on.
    margin
        It acts only if that takes this share off the imbalance.
    hold
        The threshold has to be exceeded at so many looks on end.
    every_s
        Time between looks.
    cooldown_s, guest_cooldown_s
        After a round, time without looks; time for which the guests that it moved stay.
    moves
        At most so many a round.
    per_byte
        Whether what a move evens out counts for each byte that it takes.
    """

    metric: str
    measure: str
    threshold: float
    target: float
    margin: float
    hold: int
    every_s: float
    cooldown_s: float
    guest_cooldown_s: float
    moves: float
    per_byte: bool


class Rebalance(Operation):
    """Look at some hosts from time to time, and even out their loads if they differ much."""

    kind = "rebalance"

    def __init__(self, dispatcher: Dispatcher, plan: OperationPlan) -> None:
        super().__init__(dispatcher, plan)
        assert isinstance(plan.own, Balancer)
        self.rules = plan.own
        self._stays_until: dict[Guest, float] = {}

    @property
    def lasts(self) -> bool:
        """Whether it goes on as long as it may."""
        return True

    def act(self) -> Generator[simpy.Event]:
        """Look, act if loads have been uneven for long enough, wait, and look again."""
        rules, env = self.rules, self.env
        self.imbalance_before = self.imbalance()
        exceeded = 0
        while not self.closed.triggered:
            look_s = rested_s = env.now
            exceeded = exceeded + 1 if self.imbalance() > rules.threshold + ROUNDING else 0
            if exceeded >= rules.hold and (shifts := self.choose()):
                guests = [shift.guest for shift in shifts]
                hosts = [self.hosts[shift.destination] for shift in shifts]
                yield self.ask(zip(guests, hosts, strict=True)).done
                exceeded, rested_s = 0, env.now + rules.cooldown_s
                self._stays_until |= dict.fromkeys(guests, env.now + rules.guest_cooldown_s)
            wait_s = max(look_s + rules.every_s, rested_s) - env.now
            if wait_s > 0:
                yield env.any_of([self.closed, env.timeout(wait_s)])
        self.leave_off()

    def leave_off(self) -> None:
        """Note how uneven loads are when it ends."""
        if math.isnan(self.imbalance_after):
            self.imbalance_after = self.imbalance()

    def imbalance(self) -> float:
        """Return how uneven the loads of the hosts are now."""
        return self._measure(self._loads(self._open()))

    def choose(self) -> list[Shift]:
        """Return the moves of a round; none if they do not even out enough."""
        rules, open_hosts = self.rules, self._open()
        loads = self._loads(open_hosts)
        before, fits = self._measure(loads), self.dispatcher.placer.fits
        shifts = even_out(
            loads,
            [self.hosts[place].free_bytes for place in open_hosts],
            lambda place: self._portions(self.hosts[open_hosts[place]]),
            lambda guest, place: fits(guest, self.hosts[open_hosts[place]]),
            measure=rules.measure,
            target=rules.target,
            moves=rules.moves,
            per_byte=rules.per_byte,
        )
        after = self._measure(loads)
        if not shifts or after > before * (1 - rules.margin):
            return []
        what = f"{rules.measure} of {WHAT[rules.metric]}"
        above = f"{before:.4g}, above {rules.threshold:.4g}"
        moves = "1 guest moves" if len(shifts) == 1 else f"{len(shifts)} guests move"
        self.world.event("rebalance", self.name, f"{what} is {above}: {moves}, for {after:.4g}")
        return [
            Shift(shift.guest, open_hosts[shift.source], open_hosts[shift.destination])
            for shift in shifts
        ]

    def _measure(self, loads: Loads) -> float:
        return MEASURES[self.rules.measure](loads)

    def _open(self) -> list[int]:
        """Return the hosts that may take guests, by their places."""
        hosts = enumerate(self.hosts)
        return [place for place, host in hosts if not host.draining and not host.failed]

    def _loads(self, places: list[int]) -> Loads:
        hosts = [self.hosts[place] for place in places]
        sizes = [self._size(host) for host in hosts]
        return Loads(
            [self._used(host) / size for host, size in zip(hosts, sizes, strict=True)], sizes
        )

    def _used(self, host: Host) -> float:
        """Return what is used of a host by the metric: bytes, cores, or guests."""
        if self.rules.metric == "memory":
            return host.used_bytes
        return host.wanted_cores if self.rules.metric == "cpu" else float(len(host.guests))

    def _size(self, host: Host) -> float:
        """Return what a host has of it; guests are counted on all hosts alike."""
        if self.rules.metric == "memory":
            return host.limit_bytes
        return host.cores if self.rules.metric == "cpu" else 1.0

    def _portions(self, host: Host) -> list[Portion]:
        """Return the guests that may leave a host, and what of its load goes with each."""
        now = self.env.now
        return [
            Portion(guest, self._load_of(guest, host), guest.memory_bytes)
            for guest in host.guests
            if self._stays_until.get(guest, now) <= now and self.dispatcher.may_ask(guest)
        ]

    def _load_of(self, guest: Guest, host: Host) -> float:
        if self.rules.metric == "memory":
            return guest.memory_bytes / host.limit_bytes
        return host.wanted_by(guest) / host.cores if self.rules.metric == "cpu" else 1.0
