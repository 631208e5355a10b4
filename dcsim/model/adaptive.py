"""How much clean cache a guest had best give up: what each share costs, and the cheapest share.

The cost is in bytes: what the stream sends, what is read again from storage, and the guest's lost
work at a price a second. It is expected from the guest's access pattern as it is when its migration
begins, by the equations that a run follows, in a few steps: the guest alone, its load as it is, the
links to itself. The pause is left out: how long it is, is a matter of where windows end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from dcsim.model.activity import Activity, cpu_share
from dcsim.model.guest import Guest
from dcsim.model.hinting import DEFLATE_TIME, Policy, Step, give_up, selected
from dcsim.model.host import Host
from dcsim.model.memory import Memory
from dcsim.model.routing import Path
from dcsim.model.stream import Settings
from dcsim.model.transport import Pending, Transport
from dcsim.units import PAGE

SHARES = tuple(i / 10 for i in range(11))
"""Shares tried first, beside that of the cold cache."""
WIDTHS = (1 / 20, 1 / 40, 0.0)
"""How far from the best the next shares lie that are tried."""
SAME = 1e-3
"""Relative difference of cost below which the guest keeps its cache."""
PARTS = 4
"""Steps in which a round of the stream is taken, and parts of the gap that a refill closes."""
MOST_ROUNDS = 30
"""Rounds after which a stream that does not converge is expected to be ended."""
CAUTION = 0.1
"""What has to be left beside a balloon that does not give back, in share of what has grown."""
CLOSED = 1e-3
"""What is left of the gap between two caches that counts as none."""
MOST_STEPS = 100


@dataclass(frozen=True, slots=True)
class Site:
    """A host as its guest's refaults see it: seconds a page, and bytes a second at most."""

    latency_s: float
    supply: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the migration of a guest is expected to meet.

    Attributes
    ----------
    activities, demands, vcpus, level
        What the guest does now.
    policy
        Its hinting policy.
    settings, wire
        Of its stream; what the way to the destination carries, in bytes per second.
    source, destination
        Where it is, and where it goes.
    """

    activities: tuple[Activity, ...]
    demands: Sequence[float]
    vcpus: float
    level: float
    policy: Policy
    settings: Settings
    wire: float
    source: Site
    destination: Site

    @classmethod
    def of(
        cls,
        guest: Guest,
        policy: Policy,
        settings: Settings,
        *,
        path: Path,
        source: Host,
        destination: Host,
    ) -> Outlook:
        """Return the outlook of a guest as it is now, whose stream will take a path."""
        network, storage = guest.network, guest.storage

        def site(host: Host) -> Site:
            way = storage.path(host.node, guest.name, to_host=True)
            supply = math.inf if way is None else network.narrowest(way)
            return Site(storage.latency_s(host.node), supply)

        return cls(
            activities=guest.profile.activities,
            demands=guest.demands,
            vcpus=guest.vcpus,
            level=guest.level,
            policy=policy,
            settings=settings,
            wire=network.narrowest(path),
            source=site(source),
            destination=site(destination),
        )

    def best_share(self, memory: Memory, step: Step) -> float:
        """Return the share of the clean cache that costs least; a small one if all do.

        Parameters
        ----------
        memory
            The guest's, as it is now.
        step
            The step of the policy that asks; its own share is the most.
        """
        part = memory.cold / memory.cache.count if memory.cache.count > 0 else 0.0
        tried = {share * step.share for share in SHARES}
        if "clean-cache" in step.select:
            tried.add(min(part, step.share))
        costs: dict[float, float] = {}
        for width in WIDTHS:
            costs |= {share: self.cost(memory, step, share) for share in tried}
            best = min(sorted(costs), key=costs.__getitem__)
            near = (best - width * step.share, best + width * step.share)
            tried = {share for share in near if 0 <= share <= step.share}
        least = min(costs.values())
        return min(share for share, cost in costs.items() if cost <= (1 + SAME) * least)

    def cost(self, memory: Memory, step: Step, share: float) -> float:
        """Return what giving up a share of the clean cache costs, in bytes.

        Infinite where the guest would be killed for want of memory.
        """
        assert step.adapt is not None
        course = Course(self, memory.copy(), memory.copy())
        steps = self.policy.with_share(step, share).steps
        course.prepare(steps)
        course.stream(steps)
        course.arrive(steps)
        course.settle(step.adapt.within)
        if course.killed:
            return math.inf
        return course.sent + course.refaulted + step.adapt.lost_second * course.lost_s


@dataclass(slots=True)
class Course:
    """What is expected to come of one share: the guest's memory, and the same undisturbed.

    `sent` and `refaulted` are bytes, `lost_s` is work.
    """

    outlook: Outlook
    memory: Memory
    undisturbed: Memory
    sent: float = 0.0
    refaulted: float = 0.0
    lost_s: float = 0.0
    killed: bool = False
    _gives_back: bool = field(default=True, init=False)

    # ------------------------------------------------------------------ the course

    def prepare(self, steps: Sequence[Step]) -> None:
        """Inflate a balloon, drop cache."""
        for step in steps:
            if step.tell not in ("balloon", "drop"):
                continue
            free, clean, written = selected(step, self.memory)
            pages = (free if step.tell == "balloon" else 0.0) + clean + written
            duration = step.duration_s(pages, evicted=clean + written)
            # it is taken bit by bit: half of the time without any, half without all of it
            self.advance(duration / 2, self.outlook.source, threads=1.0)
            _, taken = give_up(step, self.memory, free, clean, written)
            self.memory.inflate(taken)
            self.advance(duration / 2, self.outlook.source, threads=1.0)
            self._gives_back = step.deflate_on_oom
            if step.returned == "at-once":
                self.deflate(step, self.outlook.source)

    def stream(self, steps: Sequence[Step]) -> None:
        """Send memory, round after round, until what is dirtied meanwhile fits the downtime."""
        settings, memory = self.outlook.settings, self.memory
        log = settings.dirty_log
        memory.scan.start(per_chunk=log != "at-sync", guard=log == "per-chunk-guarded")
        for step in steps:
            if step.tell == "list":
                if "free" in step.select:
                    memory.skip_free()
                memory.cache.skip(selected(step, memory)[1])
            elif step.tell == "hint":
                memory.hold(memory.hintable)
                memory.tell_held()
        transport = settings.transport
        wire = min(self.outlook.wire, transport.tunnel)
        cap = min(settings.effective_bandwidth, wire)
        for _ in range(int(min(settings.max_rounds, MOST_ROUNDS))):
            for _ in memory.scan.regions:
                self._send_region(transport, wire, cap)
                if not memory.scan.next_region():
                    break
            left = memory.scan.sync()
            if left * PAGE <= cap * settings.downtime_limit:
                break
        self.sent += memory.scan.pending * transport.whole

    def _send_region(self, transport: Transport, wire: float, cap: float) -> None:
        """Send what is pending of the region at the cursor."""
        for part in range(PARTS):
            pages = Pending(*(count / (PARTS - part) for count in self.memory.scan.pending_here()))
            if not self.outlook.policy.zero_pages:
                pages = Pending(sum(pages), 0.0, 0.0)
            size, thread_s = transport.takes(pages, wire)
            duration = max(size / cap, thread_s) + transport.added_s(pages.ballooned)
            self.sent += size
            self.advance(duration, self.outlook.source, pages=sum(pages))

    def arrive(self, steps: Sequence[Step]) -> None:
        """Forget what was not sent; deflate."""
        if any(step.tell == "list" and step.returned == "destination" for step in steps):
            self.memory.forget_absent()
        self.memory.release(arrived=True)
        for step in steps:
            if step.tell == "balloon" and step.returned == "destination":
                self.deflate(step, self.outlook.destination)

    def deflate(self, step: Step, site: Site) -> None:
        """Let the balloon give all back."""
        duration = DEFLATE_TIME * step.duration_s(self.memory.held_by_balloon)
        self.advance(duration, site, threads=1.0)
        self.memory.deflate()

    def settle(self, within: float) -> None:
        """Let the cache refill until it is as it would have been, or so many seconds."""
        site = self.outlook.destination
        first = gap = self.undisturbed.resident - self.memory.resident
        for _ in range(MOST_STEPS):
            misses, fewer = _misses(self.memory), _misses(self.undisturbed)
            rates = self._of_readers(self.rates_of(misses, site))
            further = sum(
                rate * (miss - base) for rate, miss, base in zip(rates, misses, fewer, strict=True)
            )
            if gap <= CLOSED * first or further <= 0 or within <= 0:
                return
            duration = min(within, gap / PARTS / further)
            self.advance(duration, site)
            within -= duration
            gap = self.undisturbed.resident - self.memory.resident

    # ------------------------------------------------------------------ a step of it

    def advance(
        self, duration: float, site: Site, *, threads: float = 0.0, pages: float = 0.0
    ) -> None:
        """Let time pass at the rates of now, policy threads running and so many pages sent."""
        if duration <= 0:
            return
        memory, undisturbed = self.memory, self.undisturbed
        rates = self.rates_of(_misses(memory), site, threads=threads)
        self._lose(duration / 2, rates, site)
        writes = [0.0] * len(memory.writers)
        for activity, rate in zip(self.outlook.activities, rates, strict=True):
            touches = rate * duration
            if activity.do == "write":
                writes[activity.index] += touches
                memory.write(activity.index, touches)
                undisturbed.write(activity.index, touches)
            elif activity.do == "allocate" and touches > 0:
                self._allocate(activity, touches, duration)
        reads = [rate * duration for rate in self._of_readers(rates)]
        mine, other = memory.read(reads), undisturbed.read(reads)
        self.refaulted += (mine.brought - other.brought) * PAGE
        if pages > 0:
            memory.scan.advance(writes=writes, recycled=mine.recycled, sent=pages)
        # what is lost is nearly linear in between
        rates = self.rates_of(_misses(memory), site, threads=threads)
        self._lose(duration / 2, rates, site)

    def _lose(self, duration: float, rates: Sequence[float], site: Site) -> None:
        """Count the work not done at these rates, against those undisturbed."""
        activities = self.outlook.activities
        bases = self.rates_of(_misses(self.undisturbed), Site(site.latency_s, math.inf))
        weight = sum(activity.weight for activity in activities)
        for activity, rate, base in zip(activities, rates, bases, strict=True):
            if rate < base:
                self.lost_s += activity.weight / weight * duration * (1 - rate / base)

    def _allocate(self, activity: Activity, pages: float, elapsed_s: float) -> None:
        """Allocate; take from a balloon that gives back, be killed by one that does not."""
        got, _ = (
            memory.allocate(
                pages=pages,
                lifetime_s=activity.lifetime_s,
                elapsed_s=elapsed_s,
                index=activity.index,
            )
            for memory in (self.memory, self.undisturbed)
        )
        memory = self.memory
        if memory.held_by_balloon > 0:
            left = memory.spare + memory.cache.count
            grown = sum(live.count for live in memory.allocated)
            self.killed |= not self._gives_back and left < CAUTION * grown
            if got < pages * (1 - 1e-9):
                memory.deflate(pages - got)
                memory.take_frames(pages - got, memory.allocated[activity.index])

    def _of_readers(self, rates: Sequence[float]) -> list[float]:
        """Return the rate of each read set."""
        pairs = zip(self.outlook.activities, rates, strict=True)
        return [rate for activity, rate in pairs if activity.do == "read"]

    def rates_of(self, misses: Sequence[float], site: Site, *, threads: float = 0.0) -> list[float]:
        """Return the pages per second that each activity does, given its readers' misses a read."""
        outlook, readers = self.outlook, self.memory.readers

        def stall(activity: Activity) -> float:
            if activity.do != "read":
                return 0.0
            reader = readers[activity.index]
            together = reader.read_ahead if reader.sequential else 1
            return misses[activity.index] * site.latency_s / together

        stalls = [stall(activity) for activity in outlook.activities]

        def paces(share: float) -> list[float]:
            all_of_them = zip(outlook.activities, outlook.demands, stalls, strict=True)
            return [
                activity.pace(demand, level=outlook.level, share=share, stall_s=stall)
                for activity, demand, stall in all_of_them
            ]

        demand = sum(
            rate * activity.work_s
            for activity, rate in zip(outlook.activities, paces(1.0), strict=True)
        )
        rates = paces(cpu_share(vcpus=outlook.vcpus, demand=demand + threads))
        missing = sum(
            rate * miss * (1 if reader.sequential else reader.read_ahead) * PAGE
            for reader, rate, miss in zip(readers, self._of_readers(rates), misses, strict=True)
        )
        served = min(1.0, site.supply / missing) if missing > 0 else 1.0
        return [
            rate * served if activity.do == "read" and misses[activity.index] > 0 else rate
            for activity, rate in zip(outlook.activities, rates, strict=True)
        ]


def _misses(memory: Memory) -> list[float]:
    """Return the chance of each reader that its next read misses."""
    return [reader.miss() for reader in memory.readers]
