"""How much clean cache a guest had best give up: what each share costs, and the cheapest share.

The cost is in bytes: what the stream sends, what is read again from storage, and the guest's lost
work at a price a second. It is what the course of the guest's migration is expected to come to (see
`dcsim.model.outlook`), beside what the guest would do undisturbed. The pause is left out: how long
it is, is a matter of where windows end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from dcsim.model.activity import Activity
from dcsim.model.hinting import Step
from dcsim.model.memory import Memory
from dcsim.model.outlook import Course, Outlook, Site, misses_of
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


def best_share(outlook: Outlook, memory: Memory, step: Step) -> float:
    """Return the share of the clean cache that costs least; a small one if all do.

    Parameters
    ----------
    outlook
        What the migration is expected to meet.
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
        costs |= {share: cost(outlook, memory, step, share) for share in tried}
        best = min(sorted(costs), key=costs.__getitem__)
        near = (best - width * step.share, best + width * step.share)
        tried = {share for share in near if 0 <= share <= step.share}
    least = min(costs.values())
    return min(share for share, cost in costs.items() if cost <= (1 + SAME) * least)


def cost(outlook: Outlook, memory: Memory, step: Step, share: float) -> float:
    """Return what giving up a share of the clean cache costs, in bytes.

    Infinite where the guest would be killed for want of memory.
    """
    assert step.adapt is not None
    steps = outlook.policy.with_share(step, share).steps
    balloons = [one.deflate_on_oom for one in steps if one.tell == "balloon"]
    course = Twofold(
        outlook, memory.copy(), undisturbed=memory.copy(), gives_back=all(balloons[-1:])
    )
    course.prepare(steps)
    course.stream(steps)
    course.arrive(steps)
    course.settle(step.adapt.within)
    if course.killed:
        return math.inf
    return course.sent + course.refaulted + step.adapt.lost_second * course.lost_s


@dataclass(slots=True)
class Twofold(Course):
    """What is expected to come of one share: the guest's memory, and the same undisturbed.

    Attributes
    ----------
    undisturbed
        Another copy of the guest's memory.
    refaulted
        Bytes read again.
    lost_s
        Work lost.
    gives_back, killed
        Whether a balloon gives back to a guest that has run out; whether one was killed for it.
    """

    undisturbed: Memory = field(kw_only=True)
    gives_back: bool = field(kw_only=True)
    refaulted: float = 0.0
    lost_s: float = 0.0
    killed: bool = False

    # ------------------------------------------------------------------ the course

    def stream(self, steps: Sequence[Step]) -> None:
        """Send memory, round after round, until what is dirtied meanwhile fits the downtime."""
        self.start(steps)
        settings, scan = self.outlook.settings, self.memory.scan
        transport = settings.transport
        wire = min(self.outlook.wire, transport.tunnel)
        cap = min(settings.effective_bandwidth, wire)
        for _ in range(int(min(settings.max_rounds, MOST_ROUNDS))):
            for _ in scan.regions:
                self._send_region(transport, wire, cap)
                if not scan.next_region():
                    break
            left = scan.sync()
            if left * PAGE <= cap * settings.downtime_limit:
                break
        self.sent += scan.pending * transport.whole

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

    def settle(self, within: float) -> None:
        """Let the cache refill until it is as it would have been, or so many seconds."""
        site = self.outlook.destination
        first = gap = self.undisturbed.resident - self.memory.resident
        for _ in range(MOST_STEPS):
            misses, fewer = misses_of(self.memory), misses_of(self.undisturbed)
            rates = self.of_readers(self.rates_of(misses, site))
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
        """Let time pass, and count the work that is lost; that is nearly linear in between."""
        self._lose(duration / 2, site, threads)
        Course.advance(self, duration, site, threads=threads, pages=pages)
        self._lose(duration / 2, site, threads)

    def _lose(self, duration: float, site: Site, threads: float) -> None:
        """Count the work not done at the rates of now, against those undisturbed."""
        if duration <= 0:
            return
        activities = self.outlook.activities
        rates = self.rates_of(misses_of(self.memory), site, threads=threads)
        bases = self.rates_of(misses_of(self.undisturbed), Site(site.latency_s, math.inf))
        weight = sum(activity.weight for activity in activities)
        for activity, rate, base in zip(activities, rates, bases, strict=True):
            if rate < base:
                self.lost_s += activity.weight / weight * duration * (1 - rate / base)

    def write(self, activity: Activity, touches: float) -> None:
        """Write pages, here and there."""
        self.memory.write(activity.index, touches)
        self.undisturbed.write(activity.index, touches)

    def allocate(self, activity: Activity, pages: float, elapsed_s: float) -> None:
        """Allocate pages, here and there."""
        Course.allocate(self, activity, pages, elapsed_s)
        self.undisturbed.allocate(
            pages=pages,
            lifetime_s=activity.lifetime_s,
            elapsed_s=elapsed_s,
            index=activity.index,
        )

    def squeeze(self, activity: Activity, lacking: float) -> None:
        """Take what lacks from the balloon; be killed by one that does not give back."""
        left = self.memory.spare + self.memory.cache.count
        grown = sum(live.count for live in self.memory.allocated)
        self.killed |= not self.gives_back and left < CAUTION * grown
        Course.squeeze(self, activity, lacking)

    def read(self, reads: Sequence[float]) -> float:
        """Read pages; count what is read again."""
        mine, other = self.memory.read(reads), self.undisturbed.read(reads)
        self.refaulted += (mine.brought - other.brought) * PAGE
        return mine.recycled
