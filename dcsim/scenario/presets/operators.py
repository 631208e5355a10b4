"""The shipped operators: what a platform sets by default, its limits and migrations together.

Figures are those of [D] in docs/facts.md unless a comment says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dcsim.errors import did_you_mean
from dcsim.scenario.presets.hypervisors import DEFAULT_HYPERVISOR, HYPERVISORS
from dcsim.scenario.presets.limits import resolve_limits
from dcsim.scenario.presets.lookup import Preset, changed_name, known, listed

PARTS: Final = ("limits", "migration", "hinting")
"""Keys of an operator: those of a scenario, or of its operation, that it stands for."""

_XBZRLE: Final = {
    "delta": "1KiB"  # assumption: what is written again changes a quarter of a page
}


def _ovirt(name: str, about: str, at_once: int, **migration: Any) -> Preset:
    """Return one of oVirt's policies; all of them auto-converge."""
    settings = {
        "max_bandwidth": None,  # assumption: the link alone bounds it
        "auto_converge": True,
        "downtime_steps": name,
        **migration,
    }
    return {
        "about": about,
        "limits": {"name": name, "per_host_out": at_once},
        "migration": settings,
    }


OPERATORS: Final[dict[str, Preset]] = {
    "kubevirt": {
        "about": "KubeVirt: 5 in the cluster, 2 out of a node, 8 channels, no cap; "
        "downtime from 150 to 900 ms; given up after 150 s a GiB or without progress",
        "limits": "kubevirt",
        # Its stall detector, which predicts from averages, is not modelled: only its time limits.
        "migration": {
            "max_bandwidth": None,
            "multifd": {"channels": 8},
            "downtime_steps": "kubevirt",
        },
    },
    "nova": {
        "about": "Nova: one out of a host, no cap, downtime from 50 to 500 ms; "
        "aborted after 800 s a GiB",
        "limits": "nova",
        "migration": {"max_bandwidth": None, "downtime_steps": "nova"},
    },
    "nova-force": {
        "about": "Nova with live_migration_timeout_action = force_complete: "
        "after 800 s a GiB the guest is stopped and copied",
        "limits": {"use": "nova", "name": "nova-force", "on_timeout": "force-complete"},
        "migration": {"max_bandwidth": None, "downtime_steps": "nova"},
    },
    "ovirt-legacy": {
        "about": "oVirt's legacy policy: 2 out of a host at 52 MiB/s each; "
        "given up after 64 s a GiB, or 240 s without progress",
        "limits": "ovirt-legacy",
        "migration": {"max_bandwidth": "52MiB/s"},
    },
    "ovirt-minimal-downtime": _ovirt(
        "ovirt-minimal-downtime",
        "oVirt, minimal downtime: 2 out of a host; from 100 to 500 ms at stalls, then abort",
        2,
    ),
    "ovirt-suspend": _ovirt(
        "ovirt-suspend",
        "oVirt, suspend workload if needed: 1 out of a host, deltas; up to 5 s, then abort",
        1,
        xbzrle=_XBZRLE,  # "compression", which is taken for these deltas: assumption
    ),
    "ovirt-post-copy": _ovirt(
        "ovirt-post-copy",
        "oVirt, post-copy: 2 out of a host; from 100 to 200 ms at stalls, then post-copy",
        2,
        post_copy=True,
    ),
    "ovirt-very-large": _ovirt(
        "ovirt-very-large",
        "oVirt, very large guests: 1 out of a host; from 300 ms to 5 s at stalls, then abort",
        1,  # its sending without copies in memory is not modelled
    ),
    "proxmox": {
        "about": "Proxmox: no caps, deltas, auto-converge; "
        "downtime from 0.1 s, doubled while it is stuck",
        "limits": {"name": "proxmox"},
        "migration": {
            "max_bandwidth": None,
            "auto_converge": True,
            "xbzrle": {**_XBZRLE, "cache": "10%"},
            "downtime_steps": "proxmox",
        },
    },
    "vsphere": {
        "about": "vSphere: costs of hosts (8) and datastores (128), 4 or 8 a network port; "
        "migrations in the manner of vMotion",
        "limits": "vsphere",
        "migration": {"hypervisor": "vsphere-like"},
    },
    "xenserver": {
        "about": "XenServer: batches of 10 out of a host; a balloon takes what is not used first",
        "limits": "xenserver",
        "migration": {"hypervisor": "xen"},
        # XAPI asks for dynamic_min and waits [A.6]. How low that is, is each guest's own setting:
        # that it is what is neither free nor clean cache is an assumption.
        "hinting": "balloon-held",
    },
    "watcher": {
        "about": "OpenStack Watcher's zone migration over Nova: 6 in the cluster, 2 out of a node, "
        "2 a storage pool",
        "limits": "watcher",
        "migration": {"max_bandwidth": None, "downtime_steps": "nova"},
    },
    "cloud-hypervisor": {
        "about": "Cloud Hypervisor by itself: downtime 300 ms, given up after an hour",
        "limits": "cloud-hypervisor",
        "migration": {"hypervisor": "cloud-hypervisor"},
    },
}
_COMPLETE: Final = HYPERVISORS[DEFAULT_HYPERVISOR].keys() - {"about", "max_bandwidth", "max_rounds"}


def resolve_operator(value: Any) -> Preset:
    """Return the parts that an operator stands for.

    Parameters
    ----------
    value
        A name of `OPERATORS`; a mapping with ``use``, which changes keys of its parts; or
        ``limits``, ``migration`` and ``hinting`` written out.

    Raises
    ------
    ValueError
        If the name is unknown, or there is a key of no part.

    Examples
    --------
    >>> resolve_operator({"use": "nova", "limits": {"per_host_out": 4}})["limits"]["per_host_out"]
    4
    """
    if isinstance(value, str):
        value = {"use": value}
    if not isinstance(value, Mapping):
        message = "must be a name, or a mapping of limits, migration and hinting"
        raise ValueError(message)  # noqa: TRY004 - it is the file's fault, and told like others
    own = dict(value)
    operator: Preset = {}
    if "use" in own:
        found = known("operator", OPERATORS, own.pop("use"))
        operator = {key: part for key, part in found.items() if key in PARTS}
    for key in own:
        if key not in PARTS:
            close = did_you_mean(str(key), PARTS)
            hint = f"; did you mean '{close}'?" if close else ""
            raise ValueError(
                f"unknown key {str(key)[:80]!r}; legal keys are use, {listed(PARTS)}{hint}"
            )
    return _over(operator, own)


def with_operator(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a scenario's data with what its operator stands for; what it says itself holds.

    Raises
    ------
    ValueError
        If there is no such operator.

    Examples
    --------
    >>> with_operator({"operator": "nova", "operation": {"kind": "drain"}})["migration"]
    {'max_bandwidth': None, 'downtime_steps': 'nova'}
    """
    scenario = dict(data)
    operator = resolve_operator(scenario.pop("operator"))
    operation = scenario.get("operation")
    own = {key: scenario[key] for key in ("migration", "hinting") if scenario.get(key) is not None}
    if isinstance(operation, Mapping) and operation.get("limits") is not None:
        own["limits"] = operation["limits"]
    merged = _over(operator, own)
    if isinstance(operation, Mapping) and "limits" in merged:
        scenario["operation"] = {**operation, "limits": merged.pop("limits")}
    merged.pop("limits", None)
    return scenario | merged


def _over(operator: Preset, own: Preset) -> Preset:
    """Lay the parts that one gives over those of an operator."""
    merged = operator | own
    limits, migration = own.get("limits"), own.get("migration")
    if "limits" in operator and isinstance(limits, Mapping) and "use" not in limits:
        base = resolve_limits(operator["limits"])
        merged["limits"] = {**base, "name": changed_name(base["name"], limits), **limits}
    if (
        "migration" in operator
        and isinstance(migration, Mapping)
        and not migration.keys() >= _COMPLETE
    ):
        base = operator["migration"]
        merged["migration"] = {
            **({"hypervisor": base} if isinstance(base, str) else base),
            **migration,
        }
    return merged


def operator_names() -> list[str]:
    """Return the names of the shipped operators."""
    return list(OPERATORS)
