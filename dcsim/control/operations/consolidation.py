"""Consolidation: guests move onto fewer hosts, and those left empty are switched off."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple

import simpy

from dcsim.control.operations.operation import Operation, OperationPlan
from dcsim.control.packing import Emptying, Portion, Use, emptied, total
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.units import format_many

if TYPE_CHECKING:
    from dcsim.control.dispatch import Dispatcher


class Consolidator(NamedTuple):
    """Which hosts are emptied and switched off, and when they are woken.

    Attributes
    ----------
    fill, below, keep, spare
        See `dcsim.control.packing.emptied`.
    power_off_s
        Time from empty to off.
    every_s
        Time between looks; infinite: there is one.
    wake_above, wake_s
        A host is woken when a greater share of those that are on is used, infinite: never; how
        long that takes.
    idle_power_w
        What a host takes that is on and does nothing; NaN: not known.
    """

    fill: float
    below: float
    keep: int
    spare: float
    power_off_s: float
    every_s: float
    wake_above: float
    wake_s: float
    idle_power_w: float


class Consolidation(Operation):
    """Empty the hosts that need not be on, switch them off, and wake them when they are needed."""

    kind = "consolidate"

    def __init__(self, dispatcher: Dispatcher, plan: OperationPlan) -> None:
        super().__init__(dispatcher, plan)
        assert isinstance(plan.own, Consolidator)
        self.rules = plan.own
        self.saved_energy_j = 0.0 * self.rules.idle_power_w
        self._off: list[Host] = []
        self._emptied: set[Host] = set()

    @property
    def lasts(self) -> bool:
        """Whether it goes on as long as it may."""
        return self.rules.every_s < math.inf

    def act(self) -> Generator[simpy.Event]:
        """Look at what is used: wake a host, or empty those that can be; wait, and look again."""
        while not self.closed.triggered:
            look_s = self.env.now
            uses = [self._use(host) for host in self._on()]
            if self._off and (not uses or total(uses).share > self.rules.wake_above):
                yield from self.wake(self._off.pop())
            else:
                yield from self.switch_off()
            if self.rules.every_s == math.inf:
                break
            wait_s = look_s + self.rules.every_s - self.env.now
            if wait_s > 0:
                yield self.env.any_of([self.closed, self.env.timeout(wait_s)])

    def switch_off(self) -> Generator[simpy.Event]:
        """Empty the hosts that can be, so many at a time, and switch them off."""
        on, rules = self._on(), self.rules
        chosen = emptied(
            [self._use(host) for host in on],
            lambda place: self._portions(on[place]),
            lambda guest, place: self.dispatcher.placer.fits(guest, on[place]),
            fill=rules.fill,
            keep=rules.keep,
            below=rules.below,
            spare=rules.spare,
        )
        if not chosen:
            return
        guests = sum(len(emptying.moves) for emptying in chosen)
        words = f"{len(chosen)} of {len(on)} hosts can be off after {format_many(guests, 'move')}"
        self.world.event("consolidate", self.name, words)
        plans = {on[emptying.place]: emptying for emptying in chosen}
        for host in plans:
            self.dispatcher.close(host)

        def empty_one(host: Host) -> Generator[simpy.Event]:
            yield from self.vacate(host, plans.pop(host), on)

        yield from self.by_turns(list(plans), empty_one)
        for host in plans:  # whose turn did not come
            self.dispatcher.reopen(host)

    def vacate(self, host: Host, emptying: Emptying, on: list[Host]) -> Generator[simpy.Event]:
        """Let all guests of a host go where there is room for them, and switch it off."""
        self.begin(host, "drain")
        if emptying.moves:
            yield self.ask((guest, on[place]) for guest, place in emptying.moves).done
        left = len(host.guests) + len(host.reserved)
        if host in self._steps:
            self.finish(host, f"{format_many(left, 'guest')} left" if left else "")
        if left or host.failed:
            self.dispatcher.reopen(host)
            return
        self._emptied.add(host)
        self.hosts_done = len(self._emptied)
        host.off = True
        self.begin(host, "power off")
        yield self.env.timeout(self.rules.power_off_s)
        self.finish(host)
        self.begin(host, "off")
        self._off.append(host)

    def wake(self, host: Host) -> Generator[simpy.Event]:
        """Switch a host on: who finds no room meanwhile waits for it."""
        self.finish(host)
        self.world.event("consolidate", self.name, f"{host.name} is woken")
        self.begin(host, "wake")
        self.dispatcher.vacancies.promised[host] = None
        yield self.env.timeout(self.rules.wake_s)
        self.dispatcher.vacancies.promised.pop(host, None)
        host.off = False
        self.finish(host)
        self.dispatcher.reopen(host)

    def finish(self, host: Host, trouble: str = "") -> None:
        """Write down a step that ends; count the time for which a host was off."""
        step, from_s = self._steps[host]
        super().finish(host, trouble)
        if step == "off":
            off_s = self.env.now - from_s
            host.off_s += off_s
            self.off_host_s += off_s
            self.saved_energy_j = self.off_host_s * self.rules.idle_power_w

    def leave_off(self) -> None:
        """Count hosts that are off up to the end of the run."""
        for host in self._off:
            self.finish(host)

    # ------------------------------------------------------------------ what there is

    def _on(self) -> list[Host]:
        """Return the hosts that are on and take guests."""
        return [host for host in self.hosts if not host.draining and not host.failed]

    def _use(self, host: Host) -> Use:
        return Use(host.used_bytes, host.wanted_cores, host.limit_bytes, host.cores)

    def _portions(self, host: Host) -> list[Portion] | None:
        """Return what the guests of a host take; None if one has to stay, or one is to come."""
        if host.reserved or not all(map(self.dispatcher.may_ask, host.guests)):
            return None
        return [_portion(guest, host) for guest in host.guests]


def _portion(guest: Guest, host: Host) -> Portion:
    return Portion(guest, guest.memory_bytes, host.wanted_by(guest))
