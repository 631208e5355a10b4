"""How unevenly hosts are used: what it is measured by, and the moves that even it out.

The load of a host is its share of memory or of cores in use, or its number of guests. Bytes.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from itertools import islice
from operator import attrgetter
from typing import Final, NamedTuple

from dcsim.model.guest import Guest

ROUNDING: Final = 1e-12
"""Loads and gains that differ by less are the same."""


class Portion(NamedTuple):
    """A guest, its part in the load of its host, and what moving it takes."""

    guest: Guest
    load: float
    memory_bytes: float


class Shift(NamedTuple):
    """A guest that goes from one host to another, by their places."""

    guest: Guest
    source: int
    destination: int


class Loads:
    """The loads of hosts, in order; what leaves one comes to another.

    Parameters
    ----------
    loads
        Of each host.
    sizes
        What a load of 1 is on each, where hosts differ.
    """

    def __init__(self, loads: Sequence[float], sizes: Sequence[float] | None = None) -> None:
        self.loads = list(loads)
        self.order = sorted((load, place) for place, load in enumerate(loads))
        self._sizes = [1.0] * len(self.loads) if sizes is None else sizes
        # sums of what loads and their squares are about the first mean, which rounds off least
        self._about = math.fsum(loads) / len(self.loads) if self.loads else 0.0
        self._sum = 0.0
        self._squares = math.fsum([(load - self._about) ** 2 for load in loads])

    def there(self, load: float, source: int, destination: int) -> float:
        """Return what a part of the load of one host is on another."""
        return load * self._sizes[source] / self._sizes[destination]

    def shift(self, load: float, source: int, destination: int) -> None:
        """Let some load go from one host to another."""
        there = self.there(load, source, destination)
        for place, more in ((source, -load), (destination, there)):
            own = self.loads[place]
            del self.order[bisect_left(self.order, (own, place))]
            self.loads[place] = own + more
            insort(self.order, (own + more, place))
            self._sum += more
            self._squares += more * (2 * (own - self._about) + more)

    def gain(self, load: float, source: int, destination: int) -> float:
        """Return what makes a move worth it: positive where the source stays the busier one.

        Among hosts that are alike, it is half of what the sum of squares of all loads falls by.
        """
        busier = self.loads[source] - self.loads[destination]
        there = self.there(load, source, destination)
        return load * min(busier - (load + there) / 2, busier - there)

    # ------------------------------------------------------------------ measures

    def mean(self) -> float:
        """Return the mean load."""
        return self._about + self._sum / len(self.loads) if self.loads else 0.0

    def most(self) -> float:
        """Return the highest load itself."""
        return self.order[-1][0] if self.order else 0.0

    def above_mean(self) -> float:
        """Return by how much the highest load is above the mean."""
        return self.most() - self.mean()

    def spread(self) -> float:
        """Return by how much the highest load is above the lowest."""
        return self.most() - self.order[0][0] if self.order else 0.0

    def deviation(self) -> float:
        """Return the standard deviation of the loads, all of them taken for all there are."""
        number = len(self.loads)
        variance = (self._squares - self._sum**2 / number) / number if number else 0.0
        return math.sqrt(max(0.0, variance))

    def variation(self) -> float:
        """Return the standard deviation over the mean, as a share of the most that can be.

        That is where one host has all the load, and is the root of the number of hosts less one.
        """
        mean = self.mean()
        if len(self.loads) < 2 or mean <= 0:
            return 0.0
        return self.deviation() / mean / math.sqrt(len(self.loads) - 1)


MEASURES: Final[dict[str, Callable[[Loads], float]]] = {
    "max": Loads.most,
    "max-mean": Loads.above_mean,
    "max-min": Loads.spread,
    "std-dev": Loads.deviation,
    "variation": Loads.variation,
}
OF_THE_BUSIEST: Final = frozenset({"max", "max-mean"})
"""What only falls if guests leave the busiest host."""


def even_out(
    loads: Loads,
    free_bytes: Sequence[float],
    portions: Callable[[int], list[Portion]],
    fits: Callable[[Guest, int], bool],
    *,
    measure: str,
    target: float,
    moves: float,
    per_byte: bool,
) -> list[Shift]:
    """Return moves that even out loads until they are even enough, or none does.

    Each is one from the busiest host that a guest can leave to the least busy one with room for
    it, such that the source stays the busier one: among hosts that are alike, no measure rises with
    any of them, and no guest is sent back. The guest is the one that gains most, or most for each
    byte of its memory.

    Parameters
    ----------
    loads
        Of the hosts, which change as the moves have it.
    free_bytes
        Memory free on each.
    portions
        Returns the guests of a host that may move.
    fits
        Whether a host takes a guest, but for what the other moves bring there.
    measure
        One of `MEASURES`.
    target
        The imbalance that is even enough.
    moves
        At most so many.
    per_byte
        Whether the gain counts for each byte.
    """
    imbalance = MEASURES[measure]
    free = list(free_bytes)
    left: dict[int, list[Portion]] = {}  # of the busy hosts that were looked at, smallest first
    shifts: list[Shift] = []
    while len(shifts) < moves and imbalance(loads) > target + ROUNDING:
        found = None
        for load, place in reversed(loads.order):
            if load <= loads.mean():
                break
            if place not in left:
                left[place] = sorted(portions(place), key=attrgetter("memory_bytes"))
            found = _best(loads, free, place, left[place], fits, per_byte=per_byte)
            if found is not None or measure in OF_THE_BUSIEST:
                break
            left[place] = []  # what has no place now has none later: others only fill up
        if found is None:
            break
        portion, destination = found
        left[place].remove(portion)
        free[place] += portion.memory_bytes
        free[destination] -= portion.memory_bytes
        loads.shift(portion.load, place, destination)
        shifts.append(Shift(portion.guest, place, destination))
    return shifts


def _best(
    loads: Loads,
    free: Sequence[float],
    source: int,
    portions: list[Portion],
    fits: Callable[[Guest, int], bool],
    *,
    per_byte: bool,
) -> tuple[Portion, int] | None:
    """Return the portion that best leaves, and where it goes; the smallest come first."""
    best, found, first = 0.0, None, 0
    for portion in portions:
        size = portion.memory_bytes
        while loads.order[first][1] != source and free[loads.order[first][1]] < size:
            first += 1  # nor does a larger one fit there
        for _, place in islice(loads.order, first, None):
            gain = ROUNDING if place == source else loads.gain(portion.load, source, place)
            if gain <= ROUNDING:
                break
            if size <= free[place] and fits(portion.guest, place):
                worth = gain / size if per_byte else gain
                if worth > best:
                    best, found = worth, (portion, place)
                break
    return found
