"""What guests' own traffic leaves of a link to migrations, which share it as the network does."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from dcsim.model.fairshare import AT_CAP
from dcsim.model.network import Network

if TYPE_CHECKING:
    from dcsim.model.fabric import Flow

OWN: Final = frozenset({"application", "refault", "write-back", "prefetch"})
"""Kinds of traffic that is guests' own."""


class Wanted(NamedTuple):
    """What guests' own flows want of a link, the most modest first.

    Attributes
    ----------
    levels
        Bytes per second that each wants, for its weight.
    before
        Bytes per second that those before each want, with all of them at the end.
    weights
        Of each and those after it, with 0 at the end.
    """

    levels: Sequence[float]
    before: Sequence[float]
    weights: Sequence[float]

    @classmethod
    def of(cls, link: int, flows: Sequence[Flow]) -> Wanted:
        """Return what flows want of a link: all they ask for, or what another link lets pass."""
        wants: list[tuple[float, float]] = []
        for flow in flows:
            rate = flow.cap if flow.bottleneck in (link, AT_CAP) else flow.rate
            if rate > 0 and flow.kind in OWN:
                share = 1.0 if flow.shares is None else flow.shares[flow.links.index(link)]
                wants.append((rate / flow.weight, flow.weight * share))
        wants.sort()
        weights = list(accumulate((weight for _, weight in reversed(wants)), initial=0.0))
        return cls(
            levels=[level for level, _ in wants],
            before=list(accumulate((level * weight for level, weight in wants), initial=0.0)),
            weights=weights[::-1],
        )

    def leave(self, capacity: float, weight: float) -> float:
        """Return what others of that weight get of a link in all, if they take what they can."""
        levels, before, weights = self
        if not levels:
            return capacity

        def filled(i: int) -> float:
            return before[i] + levels[i] * (weights[i] + weight)

        held = bisect_left(range(len(levels)), capacity, key=filled)
        level = max(0.0, capacity - before[held]) / (weights[held] + weight)
        return max(0.0, capacity - before[held] - level * weights[held])


class Leeway:
    """What links leave to migrations now.

    Parameters
    ----------
    network
        All flows.
    capacity
        Of each link when it is sound, in bytes per second.
    """

    def __init__(self, network: Network, capacity: Sequence[float]) -> None:
        self._network = network
        self._capacity = capacity
        self._weight = network.weight_of("first pass")
        self._known: dict[int, Wanted] = {}
        self._at_s = -math.inf

    def __call__(self, link: int, streams: float) -> float:
        """Return the bytes per second that so many streams get of a link, all together."""
        now = self._network.env.now
        if now != self._at_s:  # those who start within an instant change nothing of it
            self._at_s = now
            self._known.clear()
        wanted = self._known.get(link)
        if wanted is None:
            wanted = self._known[link] = Wanted.of(link, self._network.flows_on(link))
        capacity = self._capacity[link] * self._network.soundness(link)
        return wanted.leave(capacity, streams * self._weight)
