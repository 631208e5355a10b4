"""What must always hold, as checks that a run can make of itself."""

from __future__ import annotations

from collections.abc import Sequence

from dcsim.errors import InvariantError
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.model.memory import Memory

SLACK = 1e-6
"""Relative to the memory in question."""


def check_memory(memory: Memory, name: str) -> None:
    """Check that frames sum to the memory, and that no count is out of its bounds.

    Raises
    ------
    InvariantError
        With the guest's name and the figures.
    """
    slack = SLACK * memory.pages
    total = sum(pages.count for pages in memory.sets)
    if abs(total - memory.pages) > slack:
        raise InvariantError(f"{name}: its frames sum to {total:.6f} of {memory.pages:.6f} pages")
    for pages in memory.sets:
        for part in (pages.pending, pages.untouched, pages.idle, pages.absent):
            if not -slack <= part <= pages.count + slack:
                raise InvariantError(f"{name}: {part:.6f} of {pages.count:.6f} pages of one kind")
        if pages.pending + pages.idle > pages.count + slack:
            raise InvariantError(f"{name}: more pages pending and idle than there are")
    if memory.resident > memory.cache.count + slack:
        raise InvariantError(
            f"{name}: {memory.resident:.6f} pages resident in {memory.cache.count:.6f} of cache"
        )


def check_guest(guest: Guest) -> None:
    """Check a guest's memory, also as it would be undisturbed."""
    check_memory(guest.memory, guest.name)
    if guest.undisturbed is not None:
        check_memory(guest.undisturbed, f"{guest.name}, undisturbed")


def check_sets(hosts: Sequence[Host]) -> None:
    """Check that no two guests that are to stand apart are in one place.

    Raises
    ------
    InvariantError
        With their names and the place.
    """
    for circle, counts in hosts[0].whereabouts.items() if hosts else ():
        there: dict[str | None, Guest] = {}
        for host in counts if circle.apart else ():
            for guest in (*host.guests, *host.reserved):
                own = guest.terms is not None and guest.terms.apart == circle and not host.failed
                if own and there.setdefault(host.label(circle.by), guest) is not guest:
                    other = there[host.label(circle.by)].name
                    place = f"one {circle.by}, {host.label(circle.by)}"
                    raise InvariantError(f"{guest.name} and {other} are both in {place}")


def check_host(host: Host) -> None:
    """Check that guests and reservations are what the host's memory is used for, and fit.

    Raises
    ------
    InvariantError
        With the host's name and the figures.
    """
    used = sum(guest.memory_bytes for guest in host.guests) + sum(host.reserved.values())
    if abs(used - host.used_bytes) > SLACK * host.memory_bytes:
        raise InvariantError(
            f"{host.name}: guests take {used:.0f} B, {host.used_bytes:.0f} B are booked"
        )
    if used > host.limit_bytes * (1 + SLACK):
        raise InvariantError(f"{host.name}: {used:.0f} B of {host.limit_bytes:.0f} B used")
