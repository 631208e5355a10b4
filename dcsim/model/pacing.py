"""What sets a guest's pace: CPU, storage and network, and what it waits for. Pages and seconds.

Read `Pacing.set_rates` for what its activities get, then what takes a part of that away within an
interval (write faults), then for how long the rates hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dcsim.model.activity import Activity, Pace, cpu_share
from dcsim.model.memory import WRITEBACK_AGE_S, Memory
from dcsim.units import PAGE

if TYPE_CHECKING:
    from dcsim.model.guest import Guest
    from dcsim.model.network import Flow

SHORTEST_GROWTH_S = 0.1
NEGLIGIBLE_MISSES = 1.0
"""Misses a second below which a changing cache is not looked at for its own sake."""


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
    paces
        One for each of its activities.
    """

    def __init__(self, guest: Guest, *, tolerance: float) -> None:
        self.paces = [Pace() for _ in guest.profile.activities]
        self._guest = guest
        self._activities = guest.profile.activities
        self._tolerance = tolerance
        self._cpu = 1.0
        self._misses: list[float] = []
        self._base_misses: list[float] = []
        self._refault: Flow | None = None
        self._writeback: Flow | None = None
        self._sends: dict[int, Flow] = {}

    # ------------------------------------------------------------------ flows

    def open_flows(self) -> None:
        """Open what the guest needs of the network, on the host where it is."""
        guest, storage = self._guest, self._guest.storage
        assert guest.host is not None
        node = guest.host.node
        if guest.memory.readers:
            self._refault = storage.reader(node, guest.name, on_rate=guest.look)
        if any(writer.to == "cache" for writer in guest.memory.writers):
            self._writeback = storage.writer(node, guest.name)
        self._sends = {
            i: storage.sender(node, activity.peer, f"{guest.name}/{i}", on_rate=guest.look)
            for i, activity in enumerate(self._activities)
            if activity.do == "send"
        }

    def close_flows(self) -> float:
        """Close all of them; return the bytes written back."""
        for flow in (self._refault, self._writeback, *self._sends.values()):
            if flow is not None:
                self._guest.network.close(flow)
        written = self._writeback.sent if self._writeback is not None else 0.0
        self._refault = self._writeback = None
        self._sends = {}
        return written

    def written_back(self) -> float:
        """Return the bytes written back since the flows were opened."""
        flow = self._writeback
        return 0.0 if flow is None else self._guest.network.account(flow)

    # ------------------------------------------------------------------ rates

    def set_rates(self) -> None:
        """Set the pace of each activity as things are now."""
        guest, host = self._guest, self._guest.host
        if not guest.running or host is None:
            for pace in self.paces:
                pace.rate = 0.0
            if host is not None:
                host.demand_cpu(guest, 0.0)
            return
        latency, vcpus = guest.storage.latency_s(host.node), guest.profile.vcpus
        self._misses = self._base_misses = [reader.miss() for reader in guest.memory.readers]
        stalls = base_stalls = self._stalls(self._misses, latency)
        if guest.undisturbed is not None:
            self._base_misses = [reader.miss() for reader in guest.undisturbed.readers]
            base_stalls = self._stalls(self._base_misses, latency)
        demand = base_demand = self._cpu_demand(base_stalls)
        base_share = cpu_share(vcpus=vcpus, demand=base_demand)
        for held in guest.holds.values():
            stalls = [stall + more for stall, more in zip(stalls, held, strict=True)]
        slowness = 1.0 if guest.huge is None else guest.huge.slowness
        if slowness != 1.0 or stalls != base_stalls:
            demand = self._cpu_demand(stalls, slowness=slowness)
        own_share = cpu_share(vcpus=vcpus, demand=demand)
        with_policy = cpu_share(vcpus=vcpus, demand=demand + guest.policy_threads)
        running = 1 - guest.throttle
        if running < 1:
            vcpus *= running
            demand = self._cpu_demand(stalls, running, slowness=slowness)
        wanted = demand + guest.policy_threads
        host.demand_cpu(guest, min(vcpus, wanted))
        unthrottled = with_policy * host.cpu_factor
        share = running * cpu_share(vcpus=vcpus, demand=wanted) * host.cpu_factor
        self._cpu = able = share / slowness
        rates = [
            activity.pace(level=guest.level, share=able, stall_s=stall)
            for activity, stall in zip(self._activities, stalls, strict=True)
        ]
        missing = self._ask_storage(rates)
        served = 1.0
        if missing > 0 and self._refault is not None:
            served = min(1.0, self._refault.rate / missing)
        # what each adds to a second of work
        cpu = 1 / own_share / host.cpu_factor - 1 / base_share
        inflation = 1 / unthrottled - 1 / own_share / host.cpu_factor
        throttle = 1 / share - 1 / unthrottled
        huge_pages = 1 / able - 1 / share
        for i, (activity, pace) in enumerate(zip(self._activities, self.paces, strict=True)):
            work_s = activity.work_s
            pace.base = activity.pace(level=guest.level, share=base_share, stall_s=base_stalls[i])
            pace.rate = rates[i]
            pace.page_s = work_s / able + stalls[i]
            pace.causes = {
                "cpu": work_s * cpu,
                "inflation": work_s * inflation,
                "throttle": work_s * throttle,
                "huge_pages": work_s * huge_pages,
                "cache_miss": stalls[i] - base_stalls[i],
            }
            for cause, held in guest.holds.items():
                pace.causes[cause] = held[i]
                pace.causes["cache_miss"] -= held[i]
            missed = activity.do == "read" and self._misses[activity.index] > 0
            if missed and served < 1.0 and pace.rate > 0:
                page_s = activity.workers / pace.rate
                pace.rate *= served
                pace.page_s = activity.workers / pace.rate if served > 0 else 0.0
                pace.causes["storage"] = page_s * (1 / max(served, 1e-9) - 1)
            elif activity.do == "send":
                self._send(i, pace)

    def _stalls(self, misses: Sequence[float], latency: float) -> list[float]:
        """Return each activity's mean stall a page at full service, given its readers' misses."""
        stalls = [0.0] * len(self._activities)
        for i, activity in enumerate(self._activities):
            if activity.do == "read":
                reader = self._guest.memory.readers[activity.index]
                pages = reader.read_ahead if reader.sequential else 1
                stalls[i] = misses[activity.index] * latency / pages
        return stalls

    def _cpu_demand(
        self, stalls: Sequence[float], share: float = 1.0, *, slowness: float = 1.0
    ) -> float:
        """Return the CPU it would use were there enough for this share of its time, in cores.

        With work that takes `slowness` times as long.
        """
        level = self._guest.level
        return sum(
            [
                a.pace(level=level, share=share / slowness, stall_s=s) * a.work_s * slowness
                for a, s in zip(self._activities, stalls, strict=True)
            ]
        )

    def _ask_storage(self, rates: Sequence[float]) -> float:
        """Ask storage for misses and write-back; return the former in bytes per second."""
        memory, network = self._guest.memory, self._guest.network
        missing = 0.0
        dirtied = 0.0
        for activity, rate in zip(self._activities, rates, strict=True):
            if activity.do == "read":
                reader = memory.readers[activity.index]
                brought = 1 if reader.sequential else reader.read_ahead
                missing += rate * self._misses[activity.index] * brought * PAGE
            elif activity.do == "write" and memory.writers[activity.index].to == "cache":
                dirtied += self._unwritten(activity, rate) / WRITEBACK_AGE_S * PAGE
        if self._refault is not None:
            network.set_cap(self._refault, missing)
        if self._writeback is not None:
            network.set_cap(self._writeback, dirtied)
        return missing

    def _unwritten(self, activity: Activity, rate: float) -> float:
        """Return the cached pages of a writer that wait for write-back at this rate of writes."""
        classes = self._guest.memory.writers[activity.index].classes
        return sum(min(c.touch.distinct(rate * WRITEBACK_AGE_S), c.frames.count) for c in classes)

    def dirty_cache(self) -> float:
        """Return all cached pages that wait for write-back."""
        return sum(
            self._unwritten(activity, pace.rate)
            for activity, pace in zip(self._activities, self.paces, strict=True)
            if activity.do == "write" and self._guest.memory.writers[activity.index].to == "cache"
        )

    def _send(self, i: int, pace: Pace) -> None:
        """Let what is sent to others go at the rate that the network gives it."""
        flow = self._sends.get(i)
        if flow is None:
            return
        self._guest.network.set_cap(flow, pace.rate * PAGE)
        if flow.links and flow.rate < pace.rate * PAGE * (1 - 1e-9) and flow.rate > 0:
            reached = flow.rate / PAGE
            pace.causes["network"] = 1 / reached - 1 / pace.rate
            pace.rate = reached

    # ------------------------------------------------------------------ write faults

    def uneven(self, elapsed: float, sent: float) -> bool:
        """Whether write faults slow a writer notably more in the first half than in all.

        That is by more than the tolerance, or past one of the degrees that are counted.
        """
        guest = self._guest
        if guest.stream is None or guest.write_fault_s <= 0:
            return False
        for activity, pace in zip(self._activities, self.paces, strict=True):
            if activity.do == "write":
                done = pace.rate * elapsed
                kept = self.kept_after_faults(activity, done, elapsed, sent)
                first = kept
                if kept < 1.0:
                    first = self.kept_after_faults(activity, done / 2, elapsed / 2, sent / 2)
                if abs(first - kept) > self._tolerance or any(
                    first < 1 - degree <= kept for degree in guest.degraded_s
                ):
                    return True
        return False

    def kept_after_faults(
        self, activity: Activity, done: float, elapsed: float, sent: float
    ) -> float:
        """Return the share of the writes that is left after the write faults they cause."""
        guest = self._guest
        if guest.stream is None or guest.write_fault_s <= 0 or done <= 0:
            return 1.0
        scan, fault_s = guest.memory.scan, guest.write_fault_s
        room = activity.workers * elapsed * self._cpu

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
        wait = self._memory_steady_for(guest.memory, self._misses)
        if guest.undisturbed is not None:
            wait = min(wait, self._memory_steady_for(guest.undisturbed, self._base_misses))
        if guest.huge is not None:
            wait = min(wait, guest.huge.steady_for(self._tolerance))
        return wait

    def _memory_steady_for(self, memory: Memory, misses: Sequence[float]) -> float:
        """Return for how many seconds no miss rate of a memory will, nor memory have run out."""
        wait = math.inf
        missed = 0.0
        reading, allocating = [], []
        for activity, pace in zip(self._activities, self.paces, strict=True):
            if pace.rate > 0 and activity.do == "read":
                reading.append((activity, pace.rate))
                missed += pace.rate * misses[activity.index]
            elif pace.rate > 0 and activity.do == "allocate":
                allocating.append((activity, pace.rate))
        if missed < NEGLIGIBLE_MISSES and not allocating:
            return wait
        room = memory.spare + memory.held + memory.cold
        slack = self._tolerance * (room + memory.cache.count / 10)
        for activity, rate in allocating:
            live, lifetime = memory.allocated[activity.index].count, activity.lifetime_s
            growth = abs(rate - live / lifetime) if lifetime else rate
            if lifetime is None:
                wait = min(wait, max(SHORTEST_GROWTH_S, slack / growth))
            elif growth > self._tolerance * rate:  # what is live has not settled yet
                wait = min(wait, max(SHORTEST_GROWTH_S, lifetime / 4))
        if missed < NEGLIGIBLE_MISSES or room <= 1e-6 * memory.pages:
            return wait
        wait = min(wait, room / missed)
        if self._guest.stream is not None:
            # frames being filled have to be sent whole, zero ones too
            wait = min(wait, max(SHORTEST_GROWTH_S, slack / missed))
        for activity, rate in reading:
            reader, miss = memory.readers[activity.index], misses[activity.index]
            wait = min(wait, reader.steady_for(rate, miss, self._tolerance))
        return wait
