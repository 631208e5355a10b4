"""What a guest's activities come to together: how fast they go, what CPU they take. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dcsim.kernel import twin
from dcsim.model.activity import cpu_share

if TYPE_CHECKING:
    from dcsim.model.activity import Activity
    from dcsim.model.pool import Pool
    from dcsim.model.readers import ReadSet

    Short = Callable[[int, float, float], float]

ALL_BUT = 1e-9
"""Share of the pages wanted up to which those that could be had count as all."""


class Needs(NamedTuple):
    """What CPU a guest could use, and gets of its vCPUs.

    Attributes
    ----------
    bases
        Pages per second that its activities would do undisturbed.
    base_share, own_share, policy_share, share
        Share of the CPU that it wants: undisturbed, with its stalls, beside a policy's threads, and
        throttled too.
    cores
        What it asks of its host.
    """

    bases: Sequence[float]
    base_share: float
    own_share: float
    policy_share: float
    share: float
    cores: float


class Outcome(NamedTuple):
    """What an interval of work came to, in pages.

    Attributes
    ----------
    kept
        The share that each activity got done.
    reads
        What each that reads has read.
    missed, brought, recycled
        Of that, what was not in memory; what came from storage with read-ahead; the cache frames
        that were filled anew.
    """

    kept: Sequence[float]
    reads: Sequence[float]
    missed: float
    brought: float
    recycled: float


@twin
class Work:
    """The activities of a group's guests.

    Demands are a guest's own: pages per second that are asked of each activity at load level 1.
    """

    __slots__ = ("activities",)

    def __init__(self, activities: tuple[Activity, ...]) -> None:
        self.activities = activities

    def stalls(
        self, readers: Sequence[ReadSet], misses: Sequence[float], latency_s: float
    ) -> list[float]:
        """Return each activity's mean stall a page at full service, given its reader's misses."""
        stalls = [0.0] * len(self.activities)
        for i, activity in enumerate(self.activities):
            if activity.do == "read":
                reader = readers[activity.index]
                pages = reader.read_ahead if reader.sequential else 1
                stalls[i] = misses[activity.index] * latency_s / pages
        return stalls

    def rates(
        self, demands: Sequence[float], level: float, share: float, stalls: Sequence[float]
    ) -> Sequence[float]:
        """Return the pages per second of each activity with this share of its CPU.

        They are the demands themselves where all are met: most guests are at rest, and keep one.
        """
        rates = tuple([
            activity.pace(demand, level=level, share=share, stall_s=stall)
            for activity, demand, stall in zip(self.activities, demands, stalls, strict=True)
        ])  # fmt: skip
        return demands if rates == demands else rates

    def used(self, rates: Sequence[float], slowness: float = 1.0) -> float:
        """Return the CPU that these rates take, where work takes `slowness` times as long."""
        total = 0.0
        for activity, rate in zip(self.activities, rates, strict=True):
            total += rate * activity.work_s * slowness
        return total

    def needs(
        self,
        demands: Sequence[float],
        level: float,
        stalls: Sequence[float],
        base_stalls: Sequence[float],
        *,
        vcpus: float,
        slowness: float,
        threads: float,
        throttle: float,
    ) -> Needs:
        """Return what CPU a guest could use.

        Parameters
        ----------
        demands, level
            What is asked of it.
        stalls, base_stalls
            Mean stall of a page of each activity, as it is and undisturbed.
        vcpus
            Its vCPUs.
        slowness
            What a page of work takes, in share of what it takes with huge pages in place.
        threads
            CPUs that a policy's threads take.
        throttle
            Share of the time for which its vCPUs are stopped.
        """
        bases = self.rates(demands, level, 1.0, base_stalls)
        demand = self.used(bases)
        base_share = cpu_share(vcpus=vcpus, demand=demand)
        if base_share < 1:
            bases = self.rates(demands, level, base_share, base_stalls)
        if slowness != 1.0 or stalls != base_stalls:
            demand = self.used(self.rates(demands, level, 1 / slowness, stalls), slowness)
        own_share = cpu_share(vcpus=vcpus, demand=demand)
        policy_share = cpu_share(vcpus=vcpus, demand=demand + threads)
        running = 1 - throttle
        if running < 1:
            vcpus *= running
            demand = self.used(self.rates(demands, level, running / slowness, stalls), slowness)
        wanted = demand + threads
        share = running * cpu_share(vcpus=vcpus, demand=wanted)
        return Needs(bases, base_share, own_share, policy_share, share, min(vcpus, wanted))

    def go(
        self,
        memory: Pool,
        done: Sequence[float],
        kept: Sequence[float],
        elapsed_s: float,
        short: Short | None,
    ) -> Outcome:
        """Let an interval of work take memory and read files.

        Parameters
        ----------
        memory
            What it works on.
        done, kept
            Pages that each activity does, and the share of them that it gets done.
        elapsed_s
            The interval.
        short
            Called with the place of an activity, what it was to allocate and what could be had,
            where that is less; returns what could be had after all.
        """
        reads = []
        for i, activity in enumerate(self.activities):
            wanted = done[i]
            if activity.do == "write" and activity.to == "cache":
                memory.write(activity.index, wanted * kept[i])
            elif activity.do == "allocate" and wanted > 0:
                got = memory.allocate(
                    pages=wanted,
                    lifetime_s=activity.lifetime_s,
                    elapsed_s=elapsed_s,
                    index=activity.index,
                )
                if got < wanted * (1 - ALL_BUT) and short is not None:
                    got = short(i, wanted, got)
                if got < wanted * (1 - ALL_BUT):
                    kept = [*kept[:i], got / wanted, *kept[i + 1 :]]
            elif activity.do == "read":
                reads.append(wanted)
        missed = brought = recycled = 0.0
        if reads:
            misses, brought, recycled = memory.read(reads)
            for pages in misses:
                missed += pages
        return Outcome(kept, reads, missed, brought, recycled)
