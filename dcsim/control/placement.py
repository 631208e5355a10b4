"""Which destination: room on hosts that may take a guest, and the choice among those with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from dcsim.model.host import Host


class Room:
    """Memory free on hosts, in their order; the first with enough is found without a search.

    A tree over the hosts holds the most that is free in each of its halves, quarters and so on.

    Parameters
    ----------
    hosts
        Those that may take guests at all.
    is_open
        Whether a host takes another one now.
    """

    def __init__(self, hosts: Sequence[Host], is_open: Callable[[Host], bool]) -> None:
        self._hosts = hosts
        self._is_open = is_open
        self._leaves = 1 << max(0, len(hosts) - 1).bit_length()
        self._place = {host: self._leaves + i for i, host in enumerate(hosts)}
        self._most = [-math.inf] * (2 * self._leaves)
        for host in hosts:
            self.note(host)

    @property
    def most(self) -> float:
        """Bytes free on the emptiest host."""
        return self._most[1]

    @property
    def emptiest(self) -> Host | None:
        """The host with the most memory free; of equals, the first."""
        return self.first(self.most) if self.most > -math.inf else None

    def note(self, host: Host) -> bool:
        """Look at a host again, of which something has changed; return whether it has more room."""
        at = self._place.get(host)
        if at is None:
            return False
        most = self._most
        before, free = most[at], host.free_bytes if self._is_open(host) else -math.inf
        most[at] = free
        while at > 1:
            at //= 2
            highest = max(most[2 * at], most[2 * at + 1])
            if highest == most[at]:
                break
            most[at] = highest
        return free > before

    def first(self, size: float) -> Host | None:
        """Return the first host with so many bytes free."""
        most, at = self._most, 1
        if most[1] < size:
            return None
        while at < self._leaves:
            at *= 2
            if most[at] < size:
                at += 1
        return self._hosts[at - self._leaves]


Placement = Callable[[Room, float], Host | None]


def first_fit(room: Room, size: float) -> Host | None:
    """Return the first host with room."""
    return room.first(size)


def spread(room: Room, size: float) -> Host | None:
    """Return the host with the most free memory; of equals, the first."""
    return room.first(max(size, room.most))


PLACEMENTS: dict[str, Placement] = {"first-fit": first_fit, "spread": spread}
