"""The shipped balancers: when managers move guests to even out the loads of hosts."""

from __future__ import annotations

from typing import Any, Final

from dcsim.scenario.presets.lookup import Preset, resolve

BALANCERS: Final[dict[str, Preset]] = {
    "proxmox-crs": {
        "about": "Proxmox's automatic rebalancing: one guest when the variation of loads has "
        "been above 30 % three times on end, and it becomes a tenth less; here of memory alone",
        "metric": "memory",  # Proxmox takes memory and CPU together
        "measure": "variation",
        "threshold": 0.3,
        "margin": 0.1,
        "hold": 3,
        "every": "10s",
        "moves": 1,
        "prefer": "most-even",
    },  # [D]
    "watcher-workload-balance": {
        "about": "OpenStack Watcher's workload_balance: one guest when more than 25 % of the CPU "
        "of a host is asked for, looked at every 300 s",
        "metric": "cpu",
        "measure": "max",
        "threshold": 0.25,
        "every": "300s",
        "moves": 1,
        "prefer": "most-even",
    },  # [D]
    "ovirt-evenly-distributed": {
        "about": "oVirt's evenly_distributed: one guest when more than 80 % of the CPU of a host "
        "has been asked for over 2 minutes",
        "metric": "cpu",
        "measure": "max",
        "threshold": 0.8,  # [D]
        "hold": 3,  # looks that span the 2 minutes [D]
        "every": "1min",  # assumption
        "moves": 1,  # assumption
        "prefer": "most-even",
    },
    "ovirt-evenly-guests": {
        "about": "oVirt's vm_evenly_distributed: one guest when hosts differ by more than 5, "
        "however few they have",
        "metric": "guests",
        "measure": "max-min",
        "threshold": 5,  # [D]
        "every": "1min",  # assumption
        "moves": 1,  # assumption
        "prefer": "most-even",
    },
}  # DRS and kube-descheduler have no thresholds of their own that are sourced: left out.


def resolve_balancer(value: Any) -> Any:
    """Return a balancer as plain data: a shipped name, one with changes, or written out.

    Parameters
    ----------
    value
        A name of `BALANCERS`; a mapping with ``use`` and changes; one written out, which passes
        unchanged.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> resolve_balancer({"use": "proxmox-crs", "hold": 1})["name"]
    'proxmox-crs hold=1'
    """
    return resolve("balancer", BALANCERS, value)


def balancer_names() -> list[str]:
    """Return the names of the shipped balancers."""
    return list(BALANCERS)
