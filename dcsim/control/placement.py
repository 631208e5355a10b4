"""Which destination: the hosts that may take a guest, and the choice among them.

A placement goes through the hosts with enough memory free, the one to take first; the first of
them that meets what the guest asks beside memory takes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain
from typing import Final

from dcsim.control.conditions import Condition, Moved, conditions
from dcsim.control.room import Room
from dcsim.errors import SimulationError
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.scenario.placements import register, registered
from dcsim.scenario.topology import Network
from dcsim.units import format_size

__all__ = ["PLACEMENTS", "Placement", "Placer", "register"]

Placement = Callable[[Room, Guest, Host | None], Iterable[Host]]
"""Given the room there is, a guest, and where it stands, if it does: hosts, the best one first."""

Accept = Callable[[Host], bool | None]
"""Whether a host is accepted; None: neither it nor any other is."""


def first_fit(room: Room, guest: Guest, source: Host | None) -> Iterable[Host]:
    """Go through the hosts in their order."""
    return room.in_order(guest.memory_bytes)


def best_fit(room: Room, guest: Guest, source: Host | None) -> Iterable[Host]:
    """Go through the hosts from the least memory free."""
    return room.fullest_first(guest.memory_bytes)


def worst_fit(room: Room, guest: Guest, source: Host | None) -> Iterable[Host]:
    """Go through the hosts from the most memory free."""
    return room.emptiest_first(guest.memory_bytes)


def spread(room: Room, guest: Guest, source: Host | None) -> Iterable[Host]:
    """Go through the hosts from the greatest share of memory free."""
    return room.least_used_first(guest.memory_bytes)


def pack(room: Room, guest: Guest, source: Host | None) -> Iterable[Host]:
    """Go through the hosts from the least share of memory free."""
    return room.most_used_first(guest.memory_bytes)


def same_rack(room: Room, guest: Guest, source: Host | None) -> Iterable[Host]:
    """Go through the hosts of the source's rack, then through the others, each as `spread` does."""
    if source is None:
        return spread(room, guest, source)
    near = room.least_used_first(guest.memory_bytes, source.rack)
    far = room.least_used_first(guest.memory_bytes)
    return chain(near, (host for host in far if host.rack != source.rack))


def nearest(room: Room, guest: Guest, source: Host | None) -> Iterable[Host]:
    """Go through the hosts from the fewest links away, of those from the most memory free."""
    if source is None:
        return worst_fit(room, guest, source)
    return room.nearest_first(guest.memory_bytes, source)


PLACEMENTS: Final[dict[str, Placement]] = {
    "first-fit": first_fit,
    "best-fit": best_fit,
    "worst-fit": worst_fit,
    "spread": spread,
    "pack": pack,
    "same-rack": same_rack,
    "nearest": nearest,
}


class Placer:
    """Finds hosts for guests.

    Parameters
    ----------
    hosts
        All there are, in order.
    placement
        The name of a placement.
    is_open
        Whether a host may take another guest now.
    network
        The links between hosts, for placements that look at them.

    Raises
    ------
    SimulationError
        If this process knows no such placement.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        *,
        placement: str,
        is_open: Callable[[Host], bool],
        network: Network | None = None,
    ) -> None:
        found = PLACEMENTS.get(placement) or registered(placement)
        if found is None:
            raise SimulationError(
                f"no placement {placement!r} is known here: it was registered in another process; "
                "offer it as an entry point, or run in one process"
            )
        self._placement: Placement = found
        self._is_open = is_open
        self._closed: dict[Host, None] = {}
        self._noted = {host: (host.parted, host.failed) for host in hosts}
        self._counts_vcpus = any([host.limit_vcpus < math.inf for host in hosts])
        self.hosts = hosts
        self._network = network
        self._room: Room | None = None  # until anybody looks for a host

    @property
    def room(self) -> Room:
        """The room there is."""
        if self._room is None:
            self._room = Room(self.hosts, self._takes_guests, self._network)
        return self._room

    def _takes_guests(self, host: Host) -> bool:
        return host not in self._closed and self._is_open(host)

    # ------------------------------------------------------------------ what changes

    def close(self, host: Host) -> None:
        """Let a host take no guests until it is opened."""
        self._closed[host] = None
        self.note(host)

    def open(self, host: Host) -> None:
        """Let a host take guests again."""
        self._closed.pop(host, None)
        self.note(host)

    def note(self, host: Host) -> bool:
        """Look at a host again, of which something has changed; return whether that may help.

        It helps nobody as long as nobody has looked for a host.
        """
        before, now = self._noted[host], (host.parted, host.failed)
        self._noted[host] = now
        grown = self._room is not None and self._room.note(host)
        return grown or now != before  # a place may be free of its sets

    @property
    def most(self) -> float:
        """Bytes free on the emptiest host that takes guests, if anybody has looked for one."""
        return -math.inf if self._room is None else self._room.most

    def alike(self, guest: Guest) -> Hashable:
        """Return what tells whether guests of one host find the same hosts at one moment."""
        return guest.memory_bytes, guest.vcpus if self._counts_vcpus else 0.0, guest.terms

    # ------------------------------------------------------------------ what is found

    def find(self, guest: Guest, source: Host | None, accept: Accept | None = None) -> Host | None:
        """Return a host that takes a guest now, if there is one.

        Parameters
        ----------
        guest
            Who is to go.
        source
            Where it stands, if it does.
        accept
            A further condition; None: no other host will meet it either.
        """
        size, free = guest.memory_bytes, self.room.free
        plain = guest.terms is None and not self._counts_vcpus
        asked = [] if plain else self._asked(guest)
        for host in self._placement(self.room, guest, source):
            if (
                host is not source
                and size <= free(host)
                and all([one.holds(host) for one in asked])
            ):
                accepted = accept is None or accept(host)
                if accepted:
                    return host
                if accepted is None:
                    break
        return None

    def fits(self, guest: Guest, host: Host, *, though_closed: bool = False) -> bool:
        """Whether a host takes a guest now, or would if it were not closed."""
        if not (though_closed or host not in self._closed) or not self._is_open(host):
            return False
        if guest.terms is None and not self._counts_vcpus:
            return guest.memory_bytes <= host.free_bytes
        return all([one.holds(host) for one in self._asked(guest)])

    def swap(
        self, guest: Guest, source: Host, movable: Callable[[Guest], bool]
    ) -> tuple[Guest, Host, Host] | None:
        """Return a guest that may go from one host to another, so that this one fits on the first.

        Hosts are looked at from the most memory free, and guests on them from the smallest that
        is large enough.

        Parameters
        ----------
        guest
            Who finds no host.
        source
            Where it stands.
        movable
            Whether a guest may be moved for it.
        """
        lasting = [one for one in self._asked(guest) if one.lasting]
        for host in sorted(self.hosts, key=lambda host: -host.free_bytes):
            if host is source or host in self._closed or host.failed:
                continue
            short = guest.memory_bytes - host.free_bytes
            others = [other for other in host.guests if self._may_go(other, short, movable)]
            if not others or not all([one.holds(host) for one in lasting]):
                continue
            for other in sorted(others, key=lambda other: other.memory_bytes):
                there = self.find(other, host, self._helps(guest, source, other, host))
                if there is not None:
                    return other, host, there
        return None

    def _may_go(self, other: Guest, short: float, movable: Callable[[Guest], bool]) -> bool:
        return short <= other.memory_bytes <= self.room.most and movable(other)

    def _helps(
        self, guest: Guest, source: Host, other: Guest, host: Host
    ) -> Callable[[Host], bool]:
        """Return whether a host is one for another guest to go to, so that there is a place."""

        def helps(there: Host) -> bool:
            asked = self._asked(guest, Moved(other, host, there))
            return there is not source and all([one.holds(host) for one in asked])

        return helps

    # ------------------------------------------------------------------ what a guest asks

    def _asked(self, guest: Guest, moved: Moved | None = None) -> list[Condition]:
        """Return what a guest asks of a host, perhaps when another has moved."""
        vcpus = self._counts_vcpus
        return conditions(guest, self.hosts, self._closed, vcpus=vcpus, moved=moved)

    def why_not(self, guest: Guest, source: Host | None, wanted: Host | None = None) -> str:
        """Return why a guest finds no host, or why the one that is wanted does not take it.

        Parameters
        ----------
        guest
            Who is to go.
        source
            Where it stands, if it does.
        wanted
            The only host it is to go to, if there is one.
        """
        asked = self._asked(guest)
        if wanted is not None:
            if wanted.off:
                return f"{wanted.name} is switched off"
            if wanted in self._closed:
                return f"{wanted.name} takes no guests now"
            lacks = [one.lack(wanted) for one in asked if not one.holds(wanted)]
            return lacks[0] if lacks else f"{wanted.name} takes no more guests now"
        left = [host for host in self.hosts if host is not source and host not in self._closed]
        if not left:
            return f"no other host has {format_size(guest.memory_bytes)} free; none is left"
        said: list[str] = []
        for one in asked:
            able = [host for host in left if one.holds(host)]
            if not able:
                said.append(one.nobody(left, self.hosts, some=bool(said)))
                return "; ".join(said)
            if len(able) < len(left):
                of_whom = "them" if said else "other hosts"
                said.append(f"{len(able)} of {len(left)} {of_whom} {one.have}")
            left = able
        return "; ".join([*said, f"{'none of them' if said else 'no other host'} takes more now"])
