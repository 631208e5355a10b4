"""The shipped operators' limits: how many guests migrate at once, and for how long."""

from __future__ import annotations

from typing import Any, Final

from dcsim.scenario.presets.lookup import Preset, resolve

LIMITS: Final[dict[str, Preset]] = {
    "none": {"about": "everything at once, for as long as it takes"},
    "kubevirt": {
        "about": "KubeVirt's defaults: 5 in the cluster, 2 out of a node; "
        "given up after 150 s a GiB, or 150 s without progress",
        "per_cluster": 5,
        "per_host_out": 2,
        "completion_timeout_per_gib": "150s",
        "progress_timeout": "150s",
    },  # [D]
    "nova": {
        "about": "Nova's defaults: one out of a host, 7 s of management for each; "
        "given up after 800 s a GiB",
        "per_host_out": 1,  # the option limits outbound migrations only [D]
        "control_plane": "7s",  # the intercept of the measured times, 6.90 s [B.2]
        "completion_timeout_per_gib": "800s",
        "completion_timeout_floor": "2GiB",
    },
    "ovirt-legacy": {
        "about": "oVirt's legacy policy: 2 out of a host; "
        "given up after 64 s a GiB, or 240 s without progress",
        "per_host_out": 2,
        "completion_timeout_per_gib": "64s",
        "progress_timeout": "240s",
    },  # [D]; its newer policies are ladders of downtimes: see DOWNTIME_STEPS
    "vsphere": {  # [D]; vSphere 7 counts 16 at 2 for each, which is the same
        "about": "vSphere: a host's 8 units, 1 for a vMotion and 4 with its disks, at either end; "
        "a datastore's 128, 1 and 16; 4 a port of 1 GbE, 8 of 10 GbE",
        "host_cost": {"most": 8, "live": 1, "disk": 4},
        "pool_cost": {"most": 128, "live": 1, "disk": 16},
        "host_slots": [{"link": "1Gbit/s", "most": 4}, {"link": "10Gbit/s", "most": 8}],
    },
    "xenserver": {
        "about": "XenServer: hosts are evacuated in batches of 10",
        "per_host_out": 10,  # [D]; that one may start as soon as another ends: assumption
    },
    "watcher": {
        "about": "OpenStack Watcher's zone migration: 6 in the cluster, 2 out of a node, "
        "2 copies of disks a pool",
        "per_cluster": 6,
        "per_host_out": 2,
        "per_pool": 2,
    },  # [D]
    "cloud-hypervisor": {
        "about": "Cloud Hypervisor's own timeout: given up after an hour",
        "completion_timeout": "3600s",
    },  # [D]
}  # Proxmox bounds neither the number nor the time [D]: none.


def resolve_limits(value: Any) -> Any:
    """Return an operator's limits as plain data: a shipped name, one with changes, or written out.

    Parameters
    ----------
    value
        A name of `LIMITS`; a mapping with ``use`` and changes; limits written out, which pass
        unchanged; empty or None for no limits.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> resolve_limits("watcher")["per_cluster"]
    6
    """
    return resolve("limits", LIMITS, "none" if value is None or value == {} else value)


def limits_names() -> list[str]:
    """Return the names of the shipped operators' limits."""
    return list(LIMITS)
