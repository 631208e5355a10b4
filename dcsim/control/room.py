"""Memory free on hosts, in bytes: who has enough, in several orders, without looking at all."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Any

from dcsim.control.hops import Hops
from dcsim.model.host import Host
from dcsim.scenario.topology import Network

By = Callable[[Host], Any]
"""What hosts are told apart by."""
Rung = tuple[float, int]
"""What a host has free, and its place among all hosts."""


class Ladder:
    """Some hosts by what they have free; of equals, the first in order comes first."""

    __slots__ = ("_rungs",)

    def __init__(self, rungs: Iterable[Rung] = ()) -> None:
        self._rungs = sorted(rungs)

    def move(self, place: int, before: float, free: float) -> None:
        """Give a host its place anew; one that takes no guests has less than nothing free."""
        if before > -math.inf:
            del self._rungs[bisect_left(self._rungs, (before, place))]
        if free > -math.inf:
            insort(self._rungs, (free, place))

    def fullest_first(self, size: float) -> Iterator[Rung]:
        """Go through those with so much free, from the least to the most."""
        return islice(self._rungs, bisect_left(self._rungs, (size, -1)), None)

    def emptiest_first(self, size: float) -> Iterator[Rung]:
        """Go through those with so much free, from the most to the least."""
        rungs = self._rungs
        end = len(rungs)
        while end and rungs[end - 1][0] >= size:
            begin = bisect_left(rungs, (rungs[end - 1][0], -1))
            yield from (rungs[i] for i in range(begin, end))
            end = begin


class Room:
    """Memory free on hosts, in their order; the first with enough is found without a search.

    A tree over the hosts holds the most that is free in each of its halves, quarters and so on.
    Ladders, of all hosts or of those that have something in common, are kept from when they are
    first asked for.

    Parameters
    ----------
    hosts
        All there are.
    is_open
        Whether a host takes another guest now.
    network
        The links between them; without, all are equally far from each other.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        is_open: Callable[[Host], bool],
        network: Network | None = None,
    ) -> None:
        self.hosts = hosts
        self._is_open = is_open
        self._hops = Hops(hosts, network)
        self._leaves = 1 << max(0, len(hosts) - 1).bit_length()
        self._place = {host: i for i, host in enumerate(hosts)}
        self._most = [-math.inf] * (2 * self._leaves)
        self._ladders: dict[By, dict[Any, Ladder]] = {}
        for host in hosts:
            self.note(host)

    @property
    def most(self) -> float:
        """Bytes free on the emptiest host."""
        return self._most[1]

    def free(self, host: Host) -> float:
        """Return the bytes free on a host; less than nothing where it takes no guest now."""
        return self._most[self._leaves + self._place[host]]

    def note(self, host: Host) -> bool:
        """Look at a host again, of which something has changed; return whether it has more room."""
        place = self._place.get(host)
        if place is None:
            return False
        most, at = self._most, self._leaves + place
        before, free = most[at], host.free_bytes if self._is_open(host) else -math.inf
        most[at] = free
        while at > 1:
            at //= 2
            highest = max(most[2 * at], most[2 * at + 1])
            if highest == most[at]:
                break
            most[at] = highest
        for by, ladders in self._ladders.items():
            ladders[by(host)].move(place, before, free)
        return free > before

    # ------------------------------------------------------------------ orders

    def in_order(self, size: float) -> Iterator[Host]:
        """Go through the hosts with so many bytes free, in their order."""
        most, below = self._most, [1]
        while below:
            at = below.pop()
            if most[at] < size:
                continue
            if at < self._leaves:
                below += (2 * at + 1, 2 * at)
            elif most[at] > -math.inf:
                yield self.hosts[at - self._leaves]

    def emptiest_first(self, size: float) -> Iterator[Host]:
        """Go through the hosts with so many bytes free, from the most free to the least."""
        ladder = self._kept(_all).get(None, Ladder())
        return (self.hosts[place] for _, place in ladder.emptiest_first(size))

    def fullest_first(self, size: float) -> Iterator[Host]:
        """Go through the hosts with so many bytes free, from the least free to the most."""
        ladder = self._kept(_all).get(None, Ladder())
        return (self.hosts[place] for _, place in ladder.fullest_first(size))

    def least_used_first(self, size: float, rack: str | None = None) -> Iterator[Host]:
        """Go through the hosts with so many bytes free, perhaps of one rack, by the share free."""
        ladders = [
            ladder.emptiest_first(size)
            for (where, _), ladder in self._kept(_limit if rack is None else _rack_limit).items()
            if where == rack
        ]
        return self._merged(ladders, lambda rung: (-self._share(rung), rung[1]))

    def most_used_first(self, size: float) -> Iterator[Host]:
        """Go through the hosts with so many bytes free, from the least share free to the most."""
        ladders = [ladder.fullest_first(size) for ladder in self._kept(_limit).values()]
        return self._merged(ladders, lambda rung: (self._share(rung), rung[1]))

    def nearest_first(self, size: float, source: Host) -> Iterator[Host]:
        """Go through the hosts with so many bytes free, by links from another, then by what is."""
        kept = self._kept(self._hops.beside)
        for ring in self._hops.rings(source):
            ladders = [kept[beside].emptiest_first(size) for beside in ring]
            yield from self._merged(ladders, lambda rung: (-rung[0], rung[1]))

    def _share(self, rung: Rung) -> float:
        """Return the share of what a host has that is free."""
        return rung[0] / self.hosts[rung[1]].limit_bytes

    def _merged(
        self, ladders: list[Iterator[Rung]], key: Callable[[Rung], tuple[float, int]]
    ) -> Iterator[Host]:
        rungs = ladders[0] if len(ladders) == 1 else merge(*ladders, key=key)
        return (self.hosts[place] for _, place in rungs)

    def _kept(self, by: By) -> dict[Any, Ladder]:
        """Return a ladder for each kind of host; they are kept from now on."""
        kept = self._ladders.get(by)
        if kept is None:
            kinds: dict[Any, list[Rung]] = {}
            for place, host in enumerate(self.hosts):
                free = self._most[self._leaves + place]
                kinds.setdefault(by(host), []).extend([(free, place)] * (free > -math.inf))
            kept = self._ladders[by] = {kind: Ladder(rungs) for kind, rungs in kinds.items()}
        return kept


def _all(_: Host) -> Any:
    return None


def _limit(host: Host) -> Any:
    return None, host.limit_bytes


def _rack_limit(host: Host) -> Any:
    return host.rack, host.limit_bytes
