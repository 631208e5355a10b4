"""Guests that are moved first, so that others find room."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from dcsim.control.placement import Placer
from dcsim.control.waiting import Request
from dcsim.model.guest import Guest
from dcsim.model.host import Host


class Swap(NamedTuple):
    """Who makes room for a request, and where that guest goes."""

    request: Request
    other: Guest
    there: Host


class Swaps:
    """Finds who may give way: each guest does so once, and once for each that finds no room.

    Parameters
    ----------
    placer
        Knows who would fit where.
    may_move
        Whether a guest can move live, and nobody has asked for it.
    """

    def __init__(self, placer: Placer, may_move: Callable[[Guest], bool]) -> None:
        self._placer = placer
        self._may_move = may_move
        self._helped: set[Guest] = set()
        self._gave_way: set[Guest] = set()

    def find(self, requests: Iterable[Request]) -> Swap | None:
        """Return the first swap that helps one of these, who all find no room."""
        for request in requests:
            guest = request.guest
            if request.destination is not None or guest in self._helped:
                continue
            found = self._placer.swap(guest, request.source, self._may_give_way)
            if found is not None:
                other, _, there = found
                self._helped.add(guest)
                self._gave_way.add(other)
                return Swap(request, other, there)
        return None

    def _may_give_way(self, guest: Guest) -> bool:
        return guest not in self._gave_way and self._may_move(guest)
