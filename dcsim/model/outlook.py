"""What the migration of a guest is expected to meet, and what its memory comes to meanwhile.

It is expected from the guest's access pattern as it is when that is asked, by the equations that a
run follows, in a few steps: the guest alone, its load as it is, the links to itself. Seconds, bytes
and pages; no clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dcsim.model.activity import Activity, cpu_share
from dcsim.model.guest import Guest
from dcsim.model.hinting import DEFLATE_TIME, Policy, Step, give_up, selected
from dcsim.model.host import Host
from dcsim.model.memory import Memory
from dcsim.model.stream import Settings
from dcsim.units import PAGE


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
        wire: float,
        source: Host,
        destination: Host,
    ) -> Outlook:
        """Return the outlook of a guest as it is now, over a way that carries so much."""
        return cls(
            activities=guest.profile.activities,
            demands=guest.demands,
            vcpus=guest.vcpus,
            level=guest.level,
            policy=policy,
            settings=settings,
            wire=wire,
            source=_site(guest, source),
            destination=_site(guest, destination),
        )


def _site(guest: Guest, host: Host) -> Site:
    if not guest.profile.reads:
        return Site(0.0, math.inf)
    way = guest.storage.path(host.node, guest.name, to_host=True)
    supply = math.inf if way is None else guest.network.narrowest(way)
    return Site(guest.storage.latency_s(host.node), supply)


@dataclass(slots=True)
class Course:
    """What is expected to come of a migration: time, and the guest's memory.

    Attributes
    ----------
    outlook
        What it meets.
    memory
        The guest's, a copy that is the course's own.
    now_s
        Time since it began.
    sent
        Bytes sent.
    throttle
        Share of its CPU that is taken from the guest.
    """

    outlook: Outlook
    memory: Memory
    now_s: float = 0.0
    sent: float = 0.0
    throttle: float = 0.0

    # ------------------------------------------------------------------ what a policy does

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
            if step.returned == "at-once":
                self.deflate(step, self.outlook.source)

    def start(self, steps: Sequence[Step]) -> None:
        """Switch the dirty log on, and take out of the stream what the policy tells."""
        memory, log = self.memory, self.outlook.settings.dirty_log
        memory.scan.start(per_chunk=log != "at-sync", guard=log == "per-chunk-guarded")
        for step in steps:
            if step.tell in ("list", "map"):
                if "free" in step.select:
                    memory.skip_free()
                memory.cache.skip(selected(step, memory)[1])
            elif step.tell == "hint":
                memory.hold(memory.hintable)
                memory.tell_held()

    def deflate(self, step: Step, site: Site) -> None:
        """Let the balloon give all back."""
        duration = DEFLATE_TIME * step.duration_s(self.memory.held_by_balloon)
        self.advance(duration, site, threads=1.0)
        self.memory.deflate()

    # ------------------------------------------------------------------ a step of it

    def advance(
        self, duration: float, site: Site, *, threads: float = 0.0, pages: float = 0.0
    ) -> None:
        """Let time pass at the rates of now, policy threads running and so many pages sent."""
        if duration > 0:
            rates = self.rates_of(misses_of(self.memory), site, threads=threads)
            self.live(duration, rates, pages=pages)
            self.now_s += duration

    def live(self, duration: float, rates: Sequence[float], *, pages: float) -> None:
        """Let the guest work at these rates, so many pages being sent meanwhile."""
        writes = [0.0] * len(self.memory.writers)
        for activity, rate in zip(self.outlook.activities, rates, strict=True):
            touches = rate * duration
            if activity.do == "write":
                writes[activity.index] += touches
                self.write(activity, touches)
            elif activity.do == "allocate" and touches > 0:
                self.allocate(activity, touches, duration)
        recycled = self.read([rate * duration for rate in self.of_readers(rates)])
        if pages > 0:
            self.memory.scan.advance(writes=writes, recycled=recycled, sent=pages)

    def write(self, activity: Activity, touches: float) -> None:
        """Write pages."""
        self.memory.write(activity.index, touches)

    def allocate(self, activity: Activity, pages: float, elapsed_s: float) -> None:
        """Allocate pages; a balloon gives back what lacks."""
        got = self.memory.allocate(
            pages=pages,
            lifetime_s=activity.lifetime_s,
            elapsed_s=elapsed_s,
            index=activity.index,
        )
        if self.memory.held_by_balloon > 0:
            self.squeeze(activity, pages - got if got < pages * (1 - 1e-9) else 0.0)

    def squeeze(self, activity: Activity, lacking: float) -> None:
        """Take what lacks from the balloon."""
        if lacking > 0:
            self.memory.deflate(lacking)
            self.memory.take_frames(lacking, self.memory.allocated[activity.index])

    def read(self, reads: Sequence[float]) -> float:
        """Read pages; return how many frames were filled anew for it."""
        return self.memory.read(reads).recycled

    def of_readers(self, rates: Sequence[float]) -> list[float]:
        """Return the rate of each read set."""
        pairs = zip(self.outlook.activities, rates, strict=True)
        return [rate for activity, rate in pairs if activity.do == "read"]

    def rates_of(self, misses: Sequence[float], site: Site, *, threads: float = 0.0) -> list[float]:
        """Return the pages per second that each activity does, given its readers' misses a read."""
        outlook, readers = self.outlook, self.memory.readers
        running = 1 - self.throttle

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
            for activity, rate in zip(outlook.activities, paces(running), strict=True)
        )
        own = cpu_share(vcpus=outlook.vcpus * running, demand=demand + threads)
        rates = paces(running * own)
        missing = sum(
            rate * miss * (1 if reader.sequential else reader.read_ahead) * PAGE
            for reader, rate, miss in zip(readers, self.of_readers(rates), misses, strict=True)
        )
        served = min(1.0, site.supply / missing) if missing > 0 else 1.0
        return [
            rate * served if activity.do == "read" and misses[activity.index] > 0 else rate
            for activity, rate in zip(outlook.activities, rates, strict=True)
        ]


def misses_of(memory: Memory) -> list[float]:
    """Return the chance of each reader that its next read misses."""
    return [reader.miss() for reader in memory.readers]
