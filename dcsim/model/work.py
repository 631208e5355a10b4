"""What a guest's activities come to together: how fast they go, what CPU they take. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from dcsim.kernel import twin
from dcsim.model.activity import cpu_share

if TYPE_CHECKING:
    from dcsim.model.activity import Activity
    from dcsim.model.readers import ReadSet


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
