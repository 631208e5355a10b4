"""What a guest does: activities, how fast each can go, what holds it back. Pages, seconds; pure.

An activity does pages one after another with some workers: an open loop at its demand, or a closed
loop as fast as it can. One page takes its work, at the CPU share it gets, and its stalls. It does
the smaller of what it could and its demand; what it does not do is attributed to causes in
proportion to the time each cause adds to a page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from dcsim.model.profile import Profile

Of = TypeVar("Of")

DEGREES = (0.1, 0.5, 0.99)
"""Shares of its work without which a guest counts as degraded, each for itself."""
NO_HOLDS: Mapping[str, Sequence[float]] = {}
"""Of a guest that nothing holds back."""


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing that guests of a group do, each at a demand of its own.

    Attributes
    ----------
    do
        What.
    work_s
        CPU time of a page.
    workers
        How many do it at once.
    weight
        Its share in the guest's progress.
    index
        Which of the memory's write or read sets it uses.
    to
        ``write``: what its pages are, anonymous memory or cached file pages.
    lifetime_s
        ``allocate``: until freed, None for never.
    peer
        ``send``: where to.
    """

    do: Literal["write", "read", "allocate", "send"]
    work_s: float
    workers: int = 1
    weight: float = 1.0
    index: int = 0
    to: Literal["anonymous", "cache"] = "anonymous"
    lifetime_s: float | None = None
    peer: Literal["outside", "storage"] = "outside"

    def pace(self, demand: float, *, level: float, share: float, stall_s: float) -> float:
        """Return the pages per second it does.

        Parameters
        ----------
        demand
            Pages per second that are asked of it at load level 1; infinite for a closed loop.
        level
            Load level that scales its demand.
        share
            CPU it gets, in share of the CPU it could use.
        stall_s
            Mean stall of one page.
        """
        if share <= 0:
            return 0.0
        page_s = self.work_s / share + stall_s
        able = self.workers / page_s if page_s > 0 else math.inf
        wanted = demand * level if level > 0 else 0.0
        return wanted if wanted < able else able


def cpu_share(*, vcpus: float, demand: float) -> float:
    """Return the share of the CPU it wants that a guest gets from its own vCPUs."""
    return vcpus / demand if demand > vcpus else 1.0


def attribute(lost: float, causes: Mapping[str, float], into: dict[str, float]) -> None:
    """Add a loss to its causes, in proportion to the time each adds; without any, to the CPU."""
    if lost <= 0:
        return
    total = 0.0
    for seconds in causes.values():
        if seconds > 0:
            total += seconds
    if total <= 0:
        into["cpu"] += lost
        return
    for cause, seconds in causes.items():
        if seconds > 0:
            into[cause] += lost * seconds / total


class Tally(dict[Of, float]):
    """Sums by what they are of; 0 where nothing was added."""

    __slots__ = ()

    def __missing__(self, of: Of) -> float:
        """Return 0, and keep nothing."""
        return 0.0


class Went(Protocol):
    """How activities went between two looks, in pages per second."""

    @property
    def rates(self) -> Sequence[float]:
        """What each did."""

    @property
    def bases(self) -> Sequence[float]:
        """What each would have done undisturbed."""

    def causes(self, i: int) -> Mapping[str, float]:
        """Return the seconds that each cause adds to a page of one that is slow."""


class Losses:
    """What a guest lost of its work while it was slow.

    Attributes
    ----------
    causes
        Seconds of work lost, by cause.
    degraded_s
        Seconds in which more than a share of the work was lost, by that share.
    """

    __slots__ = ("causes", "degraded_s")

    def __init__(self) -> None:
        self.causes = Tally[str]()
        self.degraded_s = Tally[float]()

    def count(
        self,
        profile: Profile,
        went: Went,
        elapsed: float,
        there: Sequence[float],
        kept: Sequence[float],
    ) -> float:
        """Count what an interval lost; return the share of its work that was done.

        Parameters
        ----------
        profile, went
            The activities, and how each went.
        elapsed
            The interval.
        there, kept
            Share of each activity for which its pages were there; of that, which it got done.
        """
        lost, progress = self.causes, 0.0
        each = zip(profile.weights, went.rates, went.bases, there, kept, strict=True)
        for i, (weight, rate, base, own, done) in enumerate(each):
            paced = 1.0
            if rate < base:
                paced = rate / base
                attribute(weight * elapsed * (1 - paced), went.causes(i), lost)
            if own < 1.0:
                lost["post_copy"] += weight * elapsed * paced * (1 - own)
            if done < 1.0:
                allocates = profile.activities[i].do == "allocate"
                cause = "memory" if allocates else "write_fault"
                lost[cause] += weight * elapsed * paced * own * (1 - done)
            progress += weight * paced * own * done
        for degree in DEGREES:
            if 1 - progress > degree:
                self.degraded_s[degree] += elapsed
        return progress
