"""Guests packed onto fewer hosts: which hosts can be emptied, and where their guests go."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dcsim.model.guest import Guest


class Use(NamedTuple):
    """What is used of a host, and what it has."""

    used_bytes: float
    used_cores: float
    memory_bytes: float
    cores: float

    @property
    def share(self) -> float:
        """The share of it that is used, of memory or cores, whichever is the greater."""
        return max(self.used_bytes / self.memory_bytes, self.used_cores / self.cores)


class Portion(NamedTuple):
    """What a guest takes of its host."""

    guest: Guest
    memory_bytes: float
    cores: float


class Emptying(NamedTuple):
    """A host that can be emptied, by its place, and where each of its guests goes."""

    place: int
    moves: list[tuple[Guest, int]]


def total(uses: Sequence[Use]) -> Use:
    """Return what is used of all hosts together, and what they have."""
    return Use(*[sum(column) for column in zip(*uses, strict=True)])


def emptied(
    uses: Sequence[Use],
    portions: Callable[[int], list[Portion] | None],
    fits: Callable[[Guest, int], bool],
    *,
    fill: float,
    keep: int,
    below: float,
    spare: float,
) -> list[Emptying]:
    """Return hosts that can be emptied, the least used first.

    Their guests go, the largest first, to the host that is left with the least room for more. A
    host is emptied only if each of them has such a place; one that takes guests is not.

    Parameters
    ----------
    uses
        Of the hosts that are on.
    portions
        Returns the guests of a host; None if one of them has to stay.
    fits
        Whether a host takes a guest, but for what the other moves bring there.
    fill
        The greatest share of a host, and of all that are left, that may be used.
    keep
        At least so many hosts are left.
    below
        Only hosts of which no greater share is used.
    spare
        The share of the memory of all hosts that are left that has to stay free.
    """
    if not uses:
        return []
    found: list[Emptying] = []
    shelves, left = _Shelves(uses, fits, fill), total(uses)
    # of equals, the last goes first: the first hosts are left
    for place in sorted(range(len(uses)), key=lambda place: (uses[place].share, -place)):
        own = uses[place]
        fewer = left._replace(
            memory_bytes=left.memory_bytes - own.memory_bytes, cores=left.cores - own.cores
        )
        if len(uses) - len(found) <= keep or own.share > below:
            break
        if fewer.used_bytes > min(fill, 1 - spare) * fewer.memory_bytes:
            continue
        if fewer.used_cores > fill * fewer.cores:
            continue
        guests = None if place in shelves.taking else portions(place)
        moves = None if guests is None else shelves.clear(place, guests)
        if moves is not None:
            found.append(Emptying(place, moves))
            left = fewer
    return found


class _Shelves:
    """The room left on hosts, in the order of it.

    Attributes
    ----------
    taking
        Hosts that take guests, by their places.
    """

    def __init__(
        self, uses: Sequence[Use], fits: Callable[[Guest, int], bool], fill: float
    ) -> None:
        self._fits = fits
        self.taking: set[int] = set()
        self._bytes = [fill * use.memory_bytes - use.used_bytes for use in uses]
        self._cores = [fill * use.cores - use.used_cores for use in uses]
        self._order = sorted((room, place) for place, room in enumerate(self._bytes))

    def clear(self, place: int, guests: list[Portion]) -> list[tuple[Guest, int]] | None:
        """Find a place for all guests of a host, which takes none from then on; or change nothing.

        Returns
        -------
        list or None
            Each guest and its new host; None if there is no room for one of them.
        """
        self._take_out(place)
        moved: list[tuple[Portion, int]] = []
        for portion in sorted(guests, key=lambda portion: -portion.memory_bytes):
            to = self._find(portion)
            if to is None:
                for other, host in moved:
                    self._put(other, host, -1)
                insort(self._order, (self._bytes[place], place))
                return None
            self._put(portion, to, 1)
            moved.append((portion, to))
        self.taking.update(to for _, to in moved)
        return [(portion.guest, to) for portion, to in moved]

    def _find(self, portion: Portion) -> int | None:
        """Return the host with the least room that is enough."""
        for at in range(bisect_left(self._order, (portion.memory_bytes, -1)), len(self._order)):
            place = self._order[at][1]
            if portion.cores <= self._cores[place] and self._fits(portion.guest, place):
                return place
        return None

    def _put(self, portion: Portion, place: int, times: int) -> None:
        """Let a host take a guest, or (-1 times) give it back."""
        self._take_out(place)
        self._bytes[place] -= times * portion.memory_bytes
        self._cores[place] -= times * portion.cores
        insort(self._order, (self._bytes[place], place))

    def _take_out(self, place: int) -> None:
        del self._order[bisect_left(self._order, (self._bytes[place], place))]
