"""Which destination: small functions over the hosts that may take a guest."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dcsim.model.guest import Guest
from dcsim.model.host import Host

Placement = Callable[[Guest, Iterable[Host]], Host | None]


def first_fit(guest: Guest, hosts: Iterable[Host]) -> Host | None:
    """Return the first host with room."""
    return next((host for host in hosts if fits(guest, host)), None)


def spread(guest: Guest, hosts: Iterable[Host]) -> Host | None:
    """Return the host with the most free memory; of equals, the first."""
    return max(
        (host for host in hosts if fits(guest, host)),
        key=lambda host: host.free_bytes,
        default=None,
    )


def fits(guest: Guest, host: Host) -> bool:
    """Whether a host has memory for a guest."""
    return guest.memory_bytes <= host.free_bytes


PLACEMENTS: dict[str, Placement] = {"first-fit": first_fit, "spread": spread}
