"""What sets a guest's pace: CPU, storage and network, and what it waits for. Pages and seconds.

Read `Pacing.set_rates` for what its activities get, then what takes a part of that away within an
interval (write faults), then for how long the rates hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dcsim.model.activity import DEGREES, NO_HOLDS, Activity
from dcsim.model.memory import Memory
from dcsim.model.pool import NEXT_TO_NOTHING, SHORTEST_GROWTH_S, look_ahead
from dcsim.units import PAGE

if TYPE_CHECKING:
    from dcsim.model.guest import Guest

NO_MISSES: Sequence[float] = ()
AT_REST = (1.0, 0.0, 0.0, 1.0, 0.0, NO_MISSES, NO_MISSES, NO_HOLDS)
"""What the pace of a guest depends on if nothing happens to it, as most: kept once."""
NOTHING_ASKED = [1.0]
"""What storage and network grant a guest that asks nothing of them: all."""


class Pacing:
    """The paces of one guest's activities, as they are set at each look.

    Parameters
    ----------
    guest
        The guest.
    tolerance
        Relative change of a miss rate that matters.

    Attributes
    ----------
    rates, bases
        Pages per second that each activity does, and would do undisturbed; the same object where
        nothing keeps it from that.
    """

    __slots__ = (
        "_able", "_activities", "_base_misses", "_base_share", "_base_stalls", "_cores",
        "_factor", "_granted", "_guest", "_holds", "_latency", "_misses", "_needs", "_own_share",
        "_policy_share", "_share", "_stalls", "_tolerance", "_wanted", "bases", "rates",
    )  # fmt: skip

    def __init__(self, guest: Guest, *, tolerance: float) -> None:
        self.rates: Sequence[float] = guest.profile.no_rates
        self.bases: Sequence[float] = guest.profile.no_rates
        self._guest = guest
        self._activities = guest.profile.activities
        self._tolerance = tolerance
        self._misses = self._base_misses = NO_MISSES
        self._needs: tuple[object, ...] | None = None
        self._holds = NO_HOLDS
        self._factor = math.nan
        self._able, self._latency = 1.0, 0.0
        self._granted: Sequence[float] | None = None

    # ------------------------------------------------------------------ rates

    def set_rates(self) -> None:
        """Set the pace of each activity as things are now; redo only what they have changed."""
        guest, host = self._guest, self._guest.host
        if not guest.running or host is None:
            self._stand_still()
            return
        if guest.profile.reads:
            self._latency = guest.storage.latency_s(host.node)
            self._look_ahead()
        slowness = 1.0 if guest.huge is None else guest.huge.slowness
        needs = (
            guest.level, guest.throttle, guest.policy_threads, slowness, self._latency,
            self._misses, self._base_misses, guest.holds,
        )  # fmt: skip
        if needs != self._needs:
            self._needs, self._factor = AT_REST if needs == AT_REST else needs, math.nan
            self._holds = guest.holds
            self._work_out_needs(slowness)
        host.demand_cpu(guest, self._cores)
        traffic = guest.traffic
        if host.cpu_factor != self._factor:
            self._factor = host.cpu_factor
            self._take_cpu(slowness)
            if traffic is not None:
                traffic.plan(self._wanted, self._misses)
            self._granted = None
        granted = NOTHING_ASKED if traffic is None else traffic.ask(self._wanted)
        if granted != self._granted:
            self._set_paces(granted)

    def settle(self, had: Sequence[float]) -> None:
        """Set the paces to what storage and network let them be since the last look."""
        if had != self._granted:
            self._set_paces(had)

    def _stand_still(self) -> None:
        """Do nothing, and ask for nothing."""
        self.rates = self._guest.profile.no_rates
        self._granted = None
        if self._guest.host is not None:
            self._guest.host.demand_cpu(self._guest, 0.0)

    @property
    def _memories(self) -> tuple[Memory, ...]:
        """The guest's memory, and the undisturbed one where there is one."""
        memory, undisturbed = self._guest.memory, self._guest.undisturbed
        return (memory,) if undisturbed is None else (memory, undisturbed)

    def _look_ahead(self) -> None:
        """Note each reader's chance of a miss in its next reads."""
        guest, reads = self._guest, self._guest.profile.reads
        rates = [self.rates[i] for i in reads]
        if not all(rates):  # it stood still
            able = self._rates_at(1.0, guest.profile.no_rates)
            rates = [self.rates[i] or able[i] for i in reads]
        wanted = [guest.demands[i] * guest.level for i in reads]
        chances = look_ahead(self._memories, rates, wanted, self._tolerance)
        if chances is not None:
            self._misses, self._base_misses = chances[0], chances[-1]

    def _work_out_needs(self, slowness: float) -> None:
        """Work out what CPU it could use, with what its misses and others let it wait."""
        guest = self._guest
        stalls = self._base_stalls = self._stalls_at(self._base_misses)
        if self._misses is not self._base_misses:
            stalls = self._stalls_at(self._misses)
        for held in self._holds.values():
            stalls = [stall + more for stall, more in zip(stalls, held, strict=True)]
        self._stalls = stalls
        (
            self.bases, self._base_share, self._own_share, self._policy_share,
            self._share, self._cores,
        ) = guest.profile.work.needs(
            guest.demands, guest.level, stalls, self._base_stalls, vcpus=guest.vcpus,
            slowness=slowness, threads=guest.policy_threads, throttle=guest.throttle,
        )  # fmt: skip

    def _take_cpu(self, slowness: float) -> None:
        """Go at the rates that the host's share of its CPU allows."""
        self._able = self._share * self._factor / slowness
        self._wanted = self.bases
        if self._able != self._base_share or self._stalls != self._base_stalls:
            self._wanted = self._rates_at(self._able, self._stalls)

    def _set_paces(self, granted: Sequence[float]) -> None:
        """Go at the rates that the CPU allows, as far as storage and network let each."""
        self._granted = granted
        rates, served = self._wanted, granted[0]
        if served < 1.0:
            waits = [a.do == "read" and self._misses[a.index] > 0 for a in self._activities]
            each = zip(rates, waits, strict=True)
            rates = [rate * served if waiting else rate for rate, waiting in each]
        for i, sent in zip(self._guest.profile.sends, granted[1:], strict=True):
            if sent / PAGE < rates[i] * (1 - 1e-9):
                rates = [*rates[:i], sent / PAGE, *rates[i + 1 :]]
        self.rates = rates

    def page_s(self) -> list[float]:
        """Return the seconds that a page of each activity takes one of its workers."""
        each = zip(self._activities, self._stalls, self._wanted, self.rates, strict=True)
        told = []
        for activity, stall, wanted, rate in each:
            if activity.do == "read" and rate < wanted:
                told.append(activity.workers / rate if rate > 0 else 0.0)
            else:
                told.append(activity.work_s / self._able + stall)
        return told

    def causes(self, i: int) -> dict[str, float]:
        """Return the seconds that each cause adds to a page of an activity."""
        activity, factor = self._activities[i], self._factor
        work_s = activity.work_s
        own, unthrottled = self._own_share, self._policy_share * factor
        share = self._share * factor
        causes = {"cache_miss": self._stalls[i] - self._base_stalls[i]}
        if not self._base_share == own == unthrottled == share == self._able:
            causes["cpu"] = work_s * (1 / own / factor - 1 / self._base_share)
            causes["inflation"] = work_s * (1 / unthrottled - 1 / own / factor)
            causes["throttle"] = work_s * (1 / share - 1 / unthrottled)
            causes["huge_pages"] = work_s * (1 / self._able - 1 / share)
        for cause, held in self._holds.items():
            causes[cause] = held[i]
            causes["cache_miss"] -= held[i]
        wanted, rate = self._wanted[i], self.rates[i]
        if rate < wanted and activity.do == "read":
            assert self._granted is not None
            served = max(self._granted[0], 1e-9)
            causes["storage"] = activity.workers / wanted * (1 / served - 1)
        elif rate < wanted:
            causes["network"] = 1 / max(rate, 1e-9) - 1 / wanted
        return causes

    def _stalls_at(self, misses: Sequence[float]) -> list[float]:
        """Return each activity's mean stall a page at full service, given its readers' misses."""
        guest = self._guest
        if not guest.profile.reads:
            return guest.profile.no_rates
        return guest.profile.work.stalls(guest.memory.readers, misses, self._latency)

    def _rates_at(self, share: float, stalls: Sequence[float]) -> Sequence[float]:
        """Return the pages per second of each activity with this share of its CPU."""
        guest = self._guest
        return guest.profile.work.rates(guest.demands, guest.level, share, stalls)

    # ------------------------------------------------------------------ write faults

    def kept_after_faults(self, elapsed: float, sent: float) -> list[float]:
        """Return the share of its work that each activity does in spite of its write faults."""
        return [
            self._kept(activity, rate * elapsed, elapsed, sent) if activity.do == "write" else 1.0
            for activity, rate in zip(self._activities, self.rates, strict=True)
        ]

    def uneven(self, kept: Sequence[float], elapsed: float, sent: float) -> bool:
        """Whether write faults slow a writer notably more in the first half than in all.

        That is by more than the tolerance, or past one of the degrees that are counted.
        """
        half_s = elapsed / 2
        for activity, rate, share in zip(self._activities, self.rates, kept, strict=True):
            if share < 1.0:
                first = self._kept(activity, rate * elapsed / 2, half_s, sent / 2)
                if abs(first - share) > self._tolerance or any(
                    first < 1 - degree <= share for degree in DEGREES
                ):
                    return True
        return False

    def _kept(self, activity: Activity, done: float, elapsed: float, sent: float) -> float:
        """Return the share of so many writes that is left after the write faults they cause."""
        guest = self._guest
        if done <= 0:
            return 1.0
        scan, fault_s = guest.memory.scan, guest.write_fault_s
        room = activity.workers * elapsed * self._able

        def excess(kept: float) -> float:
            faults = scan.faults(activity.index, done * kept, sent=sent)
            return done * kept * activity.work_s + faults * fault_s - room

        if excess(1.0) <= 1e-9 * room:
            return 1.0
        low, high = 0.0, 1.0
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (low, middle) if excess(middle) > 0 else (middle, high)
        return low

    # ------------------------------------------------------------------ when to look again

    def steady_for(self) -> float:
        """Return for how many seconds no rate will move by more than the tolerance."""
        guest = self._guest
        profile, sending = guest.profile, guest.stream is not None
        if not profile.changes:
            return math.inf
        wait = math.inf if guest.huge is None else guest.huge.steady_for(self._tolerance)
        rates = [self.rates[i] for i in profile.reads]
        for memory in self._memories:
            if rates:
                wait = min(wait, memory.paced_for(rates, self._tolerance, sending=sending))
            for i in profile.allocates:
                if self.rates[i] > 0:
                    own = self._growth_steady_for(self._activities[i], self.rates[i], memory)
                    wait = min(wait, own)
        return wait

    def _growth_steady_for(self, activity: Activity, rate: float, memory: Memory) -> float:
        """Return for how many seconds allocating at this rate will not have changed much."""
        room, tolerance, lifetime = memory.room, self._tolerance, activity.lifetime_s
        tight = room <= NEXT_TO_NOTHING * memory.pages
        slack = tolerance * (room + memory.cache.count / 10)
        live = memory.allocated[activity.index].count
        growth = abs(rate - live / lifetime) if lifetime else rate
        short = tight or lifetime is None or rate * lifetime - live > memory.spare
        wait = math.inf
        if lifetime is not None:
            if growth <= tolerance * rate or not (short or self._guest.stream is not None):
                return wait  # what is live has settled, or will without taking from the cache
            wait = max(SHORTEST_GROWTH_S, lifetime / 4)
        return min(wait, max(SHORTEST_GROWTH_S, slack / growth)) if short else wait
