"""The shipped hinting policies, hypervisors, operators' limits and ladders: data, with sources.

Numbers are texts with their unit, as in a file; labels such as [A.2] are sections of docs/facts.md.
"Assumption" marks a number without a public source: sweep it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from dcsim.errors import did_you_mean

if TYPE_CHECKING:
    from dcsim.scenario.spec import Step

Preset = dict[str, Any]

# --------------------------------------------------------------------------- hinting

# One kick of the legacy balloon carries 256 page numbers and is waited for; the times are those of
# 7 GiB inflated 4 KiB at a time, 4126 ms in all [A.2]. With blocks of k pages it carries 256 of
# them; what is then left for each page, 0.30 us, is what two sizes of block show [A.2]. The reserve
# is where one published controller stops inflating [A.6].
_BALLOON: Final[Preset] = {
    "tell": "balloon",
    "reserve": "384MiB",
    "block_pages": 1,
    "blocks_per_interaction": 256,  # VIRTIO_BALLOON_ARRAY_PFNS_MAX [C.7]
    "per_interaction": "393us",
    "per_page": "0.30us",  # 0.146 allocation in the guest, the rest of it freeing in the host
    "per_block": "0.41us",  # 0.137 address translation, the rest the call of madvise
}
_FREE: Final[Preset] = {"select": ["free"], "limit": "mem-free"}
_FREE_AND_CACHE: Final[Preset] = {"select": ["free", "clean-cache"], "limit": "mem-available"}
_FREE_AND_COLD: Final[Preset] = {"select": ["free", "cold-cache"], "limit": "mem-available"}

# One list after the log is on: a whole free block is an entry, and so is each page that is in none.
# Walking the free list of an 8 GB guest took 20 ms [A.1]; a tenth of a fresh guest's free memory is
# in no whole block [M.9], and those 200,000 pages make it 0.1 us an entry. One exchange costs what
# a kick of the balloon does: assumption.
_LIST: Final[Preset] = {
    "tell": "list",
    "block_pages": 1,
    "blocks_per_interaction": 2**30,
    "per_interaction": "393us",
    "per_block": "0.1us",
}

# Blocks of MAX_ORDER-1 = 4 MiB, one a buffer, not waited for; taken without reclaim and held until
# the end [C.6]. Allocation as in [A.2]: 1024 * 0.146 us = 150 us a block, 38 ms/GiB; the slope
# between hinted guests of 8 and 128 GB, 39 ms/GiB, leaves room for no more [A.3].
_HINT: Final[Preset] = {
    "select": ["free"],
    "tell": "hint",
    "block_pages": 1024,
    "blocks_per_interaction": 1,
    "per_page": "0.146us",
    "returned": "migration-end",
}

# Free blocks of a pageblock, all the time [C.7]; its cost of 0.2 to 1.7 % [A.4] is left
# out.
_REPORT: Final[Preset] = {
    "select": ["free"],
    "tell": "report",
    "returned": "on-use",
}

# Dropping a clean page costs what allocating one does: assumption, nothing published [G].
_DROP: Final[Preset] = {
    "select": ["clean-cache"],
    "tell": "drop",
    "per_page": "0.146us",
    "returned": "at-once",
}

HINTING: Final[dict[str, Preset]] = {
    "none": {
        "about": "nothing is hinted and zero pages are sent whole: the counterfactual",
        "zero_pages": False,
        "steps": [],
    },
    "zero-page": {
        "about": "zero pages are found by scanning and sent as 9 bytes: what QEMU always does",
        "steps": [],
    },
    "free-page-bitmap": {
        "about": "free pages are listed once, after the log is on, and skipped: the RFC of 2016",
        "steps": [_LIST | {"select": ["free"], "returned": "at-once"}],
    },
    "free-page-hint": {
        "about": "free 4 MiB blocks are told after each sync, held to the end: virtio, as merged",
        "steps": [_HINT],
    },
    "free-page-reporting": {
        "about": "free 2 MiB blocks are told all the time and read as zero until used again",
        "steps": [_REPORT],
    },
    "balloon-free": {
        "about": "a balloon takes free memory (MemFree less a reserve) until the destination",
        "steps": [_BALLOON | _FREE | {"returned": "destination"}],
    },
    "balloon-held": {
        "about": "a balloon takes free memory and clean cache (MemAvailable less a reserve) "
        "until the destination",
        "steps": [_BALLOON | _FREE_AND_CACHE | {"returned": "destination"}],
    },
    "balloon-bounced": {
        "about": "as balloon-held, but deflated again before the stream: twice the interactions",
        "steps": [_BALLOON | _FREE_AND_CACHE | {"returned": "at-once"}],
    },
    "balloon-partial": {
        "about": "a balloon takes free memory and cold cache only, until the destination",
        "steps": [_BALLOON | _FREE_AND_COLD | {"returned": "destination"}],
    },
    "guest-drop-silent": {
        "about": "the guest drops its clean cache and tells nobody: stale pages are sent whole",
        "steps": [_DROP],
    },
    "guest-drop": {
        "about": "the guest drops its clean cache by itself, then hints its free memory",
        "steps": [_DROP, _HINT],
    },
    "clean-cache-hint": {
        "about": "free memory and clean cache are listed once and skipped; "
        "the guest forgets that cache at switch-over",
        "steps": [_LIST | {"select": ["free", "clean-cache"], "returned": "destination"}],
    },
    "disk-map": {  # [A.7]; a map entry costs nothing to make: assumption
        "about": "a block map is sent in place of clean cache, which the destination then reads",
        "steps": [{"select": ["clean-cache"], "tell": "map", "returned": "destination"}],
    },
    # A lost second is as bad as a second of a 10 Gbit/s link: assumption. What network and guests
    # are worth is the user's to say.
    "adaptive": {
        "about": "as balloon-held, with the share of clean cache that costs each guest least",
        "steps": [
            _BALLOON
            | _FREE_AND_CACHE
            | {"returned": "destination"}
            | {"adapt": {"lost_second": "1.25GB"}}
        ],
    },
}

_COSTS = {"block_pages", "blocks_per_interaction", "per_interaction", "per_page", "per_block"}
# What of a step means something for each way of telling, beside select, share and tell themselves.
_MEANS: Final[dict[str, set[str]]] = {
    "list": _COSTS | {"returned", "adapt"},
    "hint": _COSTS | {"returned"},
    "report": {"returned"},
    "balloon": _COSTS | {"per_eviction", "returned", "limit", "reserve", "deflate_on_oom", "adapt"},
    "drop": {"per_interaction", "per_page", "returned", "adapt"},
    "map": _COSTS | {"returned"},
}
_RETURNED: Final = {
    "list": ("at-once", "destination"),
    "hint": ("migration-end",),
    "report": ("on-use",),
    "balloon": ("at-once", "destination"),
    "drop": ("at-once",),
    "map": ("destination",),
}
_SELECT: Final = {
    "list": ("free", "cold-cache", "clean-cache"),
    "hint": ("free",),
    "report": ("free",),
    "balloon": ("free", "cold-cache", "clean-cache"),
    "drop": ("cold-cache", "clean-cache"),
    "map": ("cold-cache", "clean-cache"),
}
_STEP_KEYS: Final = frozenset(
    {"select", "share", "tell", "returned", "limit", "reserve", "deflate_on_oom", "per_eviction"}
    | {"adapt"}
    | _COSTS
)


def check_step(step: Step) -> str | None:
    """Say why a step of a hinting policy makes no sense, if it makes none.

    Parameters
    ----------
    step
        The step, its fields checked one by one already.

    Returns
    -------
    str or None
        What is wrong and what would be legal; None where all is well.
    """
    tell = step.tell
    cache = set(step.select) - {"free"}
    if len(set(step.select)) < len(step.select) or len(cache) > 1:
        return "select names the same pages twice: cold cache is part of clean cache"
    for pages in step.select:
        if pages not in _SELECT[tell]:
            return f"'{tell}' cannot select {pages}; it can select {_listed(_SELECT[tell])}"
    if step.returned not in _RETURNED[tell]:
        return f"'{tell}' cannot be returned {step.returned}; legal is {_listed(_RETURNED[tell])}"
    if tell == "list" and step.returned == "at-once" and cache:
        # the guest goes on using the cache it has listed, and may forget it only when it has left
        return "a list of cache pages must be returned destination: they are forgotten there"
    if step.share < 1 and not cache:
        return "share is a share of clean cache, and this step selects none"
    if step.adapt is not None and not cache:
        return "adapt chooses a share of clean cache, and this step selects none"
    means = _MEANS[tell]
    foreign = {
        "adapt": step.adapt is not None,
        "limit": step.limit != "none",
        "reserve": step.reserve > 0,
        "deflate_on_oom": not step.deflate_on_oom,
        "block_pages": step.block_pages != 1,
        "blocks_per_interaction": step.blocks_per_interaction != 256,
        "per_interaction": step.per_interaction > 0,
        "per_page": step.per_page > 0,
        "per_block": step.per_block > 0,
        "per_eviction": step.per_eviction > 0,
    }
    for key, given in foreign.items():
        if given and key not in means:
            return f"{key} means nothing for '{tell}'"
    if step.reserve > 0 and step.limit == "none":
        return "reserve is what is left below a limit; set limit to mem-free or mem-available"
    if step.limit == "mem-free" and cache:
        return "limit mem-free counts no cache; select free alone, or use limit mem-available"
    if step.per_eviction > 0 and not cache:
        return "per_eviction is for cache pages, and this step selects none"
    return None


def resolve_hinting(value: Any) -> Any:
    """Return a hinting policy as plain data: a shipped name, one with changes, or one written out.

    Parameters
    ----------
    value
        A name of `HINTING`; a mapping with ``use`` and changes, where keys of a step (``reserve``,
        ``share``, ``block_pages``, ...) change every step for which they mean something; a policy
        written out (``steps``), which passes unchanged, as does anything else.

    Raises
    ------
    ValueError
        If the name is unknown, or a key of a step stands where no step can take it.

    Examples
    --------
    >>> resolve_hinting({"use": "balloon-held", "reserve": "1GiB"})["name"]
    'balloon-held reserve=1GiB'
    """
    if isinstance(value, str):
        return _preset("hinting policy", HINTING, value)
    if not isinstance(value, Mapping):
        return value
    changes = dict(value)
    loose = sorted(_STEP_KEYS & changes.keys())
    if "use" not in changes:
        if loose:
            message = (
                f"{_listed(loose)} changes the steps of a shipped policy: name it with use, "
                "e.g. {use: balloon-held, reserve: 1GiB}, or write the policy out under steps"
            )
            raise ValueError(message)
        return value
    resolved = _preset("hinting policy", HINTING, changes.pop("use"))
    if loose and "steps" in changes:
        message = (
            f"give steps, or changes to those of '{value['use']}' ({_listed(loose)}), not both"
        )
        raise ValueError(message)
    resolved["name"] = _changed_name(resolved["name"], changes)
    resolved |= {key: changes[key] for key in changes if key not in _STEP_KEYS}
    for key in loose:
        takers = [step for step in resolved["steps"] if _takes(step, key)]
        if not takers:
            message = f"{key} means nothing for the policy '{value['use']}'"
            raise ValueError(message)
        for step in takers:
            step[key] = changes[key]
    return resolved


def _takes(step: Mapping[str, Any], key: str) -> bool:
    """Whether a key means something for a step of a shipped policy."""
    cache = bool(set(step["select"]) - {"free"})
    if key in {"share", "adapt"}:
        return cache and (key == "share" or key in _MEANS[step["tell"]])
    return key in {"select", "tell"} or key in _MEANS[step["tell"]]


# --------------------------------------------------------------------------- hypervisors

HYPERVISORS: Final[dict[str, Preset]] = {
    "qemu-10": {
        "about": "QEMU 10 on KVM with its own defaults, the cap of 128 MiB/s included",
        "max_bandwidth": "128MiB/s",  # [C.1]; operators raise it or, with null, lift it
        "flush_pages": 32,  # measured: the cap is overrun to the next flush of 32 pages [M.4]
        "downtime_limit": "300ms",  # [C.1]
        "window": "100ms",  # [C.3]
        "page_header": "8B",  # [C.2]; 4104.01 B a page measured [M.1]
        "zero_page": "9B",  # [C.2], [M.1]
        "device_state": "0.2MB",  # measured with one disk and one network device [M.1]
        "scan_zero": "0.73us",  # derived from the RFC's idle guest [A.1]
        # In emulation (TCG) a page that a 4 KiB balloon took cost 5 to 7 us to scan [M.12]; nothing
        # is published for hardware: sweep it.
        "scan_ballooned": "5us",
        # 6 to 8 streams reach 80 Gbit/s [B.1], so one reaches 10 to 13: 2.5 to 3.3 us a page. The
        # RFC's full guest filled its link at 3.65 us a page [A.1]; 100 Gbit/s allowed 3.1 [A.3].
        "send_page": "2.5us",
        "thread_cores": 1.0,  # assumption: a busy thread at each end
        "write_fault": "1.13us",  # x86, 2 MiB mappings split on fault, at 1 GiB a vCPU [E.2]
        # QEMU clears KVM's log 1 GiB at a time just before those pages are sent (clear_bitmap_shift
        # [C.1]); at-sync is right for TCG and for kernels before manual protection.
        "dirty_log": "per-chunk",
        # Assumption: the shortest blackout measured was 18 ms, its pages included [M.5]; Google's
        # median is 50 ms; guests of many vCPUs and devices take longer [B.1].
        "activation": "20ms",
        "announce": "50ms",  # announce-initial [C.1]
        "cold_restart": "60s",  # assumption: shutting down and booting a guest and its services
        "max_rounds": None,  # QEMU has no cap on rounds [C.3]
    },
    "xen": {
        "about": "Xen's toolstack: five rounds at most, no cap on bandwidth; "
        "for balloon policies, others need zero_pages: false",
        "max_bandwidth": None,
        "flush_pages": 0,
        # Xen stops when fewer than 50 pages are dirty [C.3]: what 10 Gbit/s carries in 164 us.
        "downtime_limit": "164us",
        "window": "0s",  # decided at the end of each round
        "page_header": "8B",  # one page number a page in a PAGE_DATA record [C.3]
        # A ballooned page is its number and no contents; a zero page is sent whole [C.3]. The model
        # has one price for both, so a policy without a balloon needs zero_pages: false here.
        "zero_page": "8B",
        "device_state": "0.2MB",  # assumption: as QEMU, which emulates the devices here too
        "scan_zero": "0s",  # nothing is scanned
        "scan_ballooned": "0s",
        "send_page": "2.5us",  # assumption: as QEMU
        "thread_cores": 1.0,  # assumption
        "write_fault": "1.13us",  # assumption: as KVM on x86 [E.2]
        "dirty_log": "at-sync",
        "activation": "20ms",  # assumption: as QEMU
        "announce": "50ms",  # assumption: as QEMU
        "cold_restart": "60s",  # assumption
        "max_rounds": 5,  # SPP_MAX_ITERATIONS [C.3]
    },
    "fluid": {
        "about": "SimGrid's pre-copy, bytes over bandwidth and nothing else: to compare simulators",
        "max_bandwidth": None,
        "flush_pages": 0,
        "downtime_limit": "30ms",  # [B.5]
        "window": "0s",
        "page_header": "0B",
        "zero_page": "4096B",
        "device_state": "0B",
        "scan_zero": "0s",
        "scan_ballooned": "0s",
        "send_page": "0s",
        "thread_cores": 0.0,
        "write_fault": "0s",
        "dirty_log": "at-sync",
        "activation": "0s",
        "announce": "0s",
        "cold_restart": "0s",
        "max_rounds": None,
    },
}
DEFAULT_HYPERVISOR: Final = "qemu-10"
_QEMU: Final = HYPERVISORS[DEFAULT_HYPERVISOR]
HYPERVISORS["qemu-7.2"] = _QEMU | {  # the cap has been 128 MiB/s since 5.2, and 32 before [C.1]
    "about": "QEMU 7.2 on KVM: the defaults of qemu-10, but auto-converge syncs at ends of rounds",
    "options": {"auto_converge": {"sync_every": None}},  # in between since 9.2 [C.4]
}
HYPERVISORS["cloud-hypervisor"] = _QEMU | {
    "about": "Cloud Hypervisor: no cap, downtime limit 300 ms; its timeout is a limit of that name",
    "max_bandwidth": None,
    "downtime_limit": "300ms",  # [D]
    # All else is assumption: rounds are sent whole, ranges of pages without a header for each, and
    # zero pages like any other; the rest as QEMU.
    "window": "0s",
    "page_header": "0B",
    "zero_page": "4096B",
    "scan_zero": "0s",
    "scan_ballooned": "0s",
    "dirty_log": "at-sync",
}
HYPERVISORS["vsphere-like"] = _QEMU | {
    # Published are rates and slots, not rules [B.1], [D]. Assumptions: rounds as in QEMU, sent
    # whole, without a cap; a switch-over of a second at most; costs of pages and faults as QEMU.
    "about": "in the manner of vMotion, all assumed: no cap, rounds sent whole, 1 s to switch",
    "max_bandwidth": None,
    "downtime_limit": "1s",
    "window": "0s",
}
_NULLABLE: Final = ("max_bandwidth", "max_rounds")


def resolve_migration(value: Any) -> Any:
    """Return migration settings as plain data: a hypervisor's, with what is given changed.

    Parameters
    ----------
    value
        A name of `HYPERVISORS`; a mapping of changes, with ``hypervisor`` or to ``qemu-10``; None
        for the defaults. ``max_bandwidth: null`` lifts the hypervisor's cap and
        ``max_rounds: null`` its limit on rounds. A mapping that gives every setting which cannot be
        null stands for itself, whatever its hypervisor is called: those it leaves out are null.

    Raises
    ------
    ValueError
        If the hypervisor is unknown.

    Examples
    --------
    >>> resolve_migration({"hypervisor": "xen", "max_rounds": 3})["window"]
    '0s'
    """
    if isinstance(value, str):
        value = {"hypervisor": value}
    elif value is None:
        value = {}
    elif not isinstance(value, Mapping):
        return value
    required = HYPERVISORS[DEFAULT_HYPERVISOR].keys() - {"about", *_NULLABLE}
    if required <= value.keys():
        return dict.fromkeys(_NULLABLE) | dict(value)
    hypervisor = value.get("hypervisor", DEFAULT_HYPERVISOR)
    preset = _preset("hypervisor", HYPERVISORS, hypervisor)
    del preset["name"]
    given = dict(value)
    for key, defaults in preset.pop("options", {}).items():
        if given.get(key) is True:
            given[key] = defaults
        elif isinstance(given.get(key), Mapping):
            given[key] = defaults | dict(given[key])
    return preset | {"hypervisor": hypervisor} | given


# --------------------------------------------------------------------------- limits

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
    "vsphere": {
        "about": "vSphere with 10 GbE: 8 out of a host, 8 into it; exact while no host does both",
        "per_host_out": 8,
        "per_host_in": 8,
    },  # [D]: a vMotion costs 1 of a host's 8 at either end, and a 10 GbE port carries 8
    "watcher": {
        "about": "OpenStack Watcher's zone migration: 6 in the cluster, 2 out of a node",
        "per_cluster": 6,
        "per_host_out": 2,
    },  # [D]
    "cloud-hypervisor": {
        "about": "Cloud Hypervisor's own timeout: given up after an hour",
        "completion_timeout": "3600s",
    },  # [D]
}  # Proxmox and XenServer bound neither the number nor the time in these terms: left out.


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
    return _resolve("limits", LIMITS, "none" if value is None or value == {} else value)


# --------------------------------------------------------------------------- downtime steps


def _stalls(*limits: str, last: str, more: tuple[str, ...] = ()) -> list[Preset]:
    """Return oVirt's steps: at stalls 1, 2, 3, 4 and 6, then at every one after, then the last."""
    counts = [1, 2, 3, 4, 6][: len(limits)]
    counts += [counts[-1] + 1 + i for i in range(len(more) + 1)]
    steps = [
        {"downtime_limit": limit, "stalls": n}
        for n, limit in zip(counts, (*limits, *more), strict=False)
    ]
    return [*steps, {"action": last, "stalls": counts[-1]}]


DOWNTIME_STEPS: Final[dict[str, Preset]] = {
    "nova": {  # 500 ms in 10 linear steps, one every 75 s a GiB, counting at least 2 GiB [D]
        "about": "Nova: from 50 to 500 ms in ten steps, one every 75 s a GiB",
        "start": "50ms",
        "memory_at_least": "2GiB",
        "steps": [
            {"downtime_limit": f"{50 + 50 * n}ms", "after_per_gib": f"{75 * n}s"}
            for n in range(1, 10)
        ],
    },
    "kubevirt": {  # 150 to 900 ms, 7 steps, after iteration 3, 10 s apart [D]; even: assumption
        "about": "KubeVirt: from 150 to 900 ms in seven steps after three rounds, 10 s apart",
        "start": "150ms",
        "cooldown": "10s",
        "steps": [
            {"downtime_limit": f"{150 + round(750 * n / 7)}ms", "rounds": 3} for n in range(1, 8)
        ],
    },
    # oVirt's policies [D]. A stall is a round that leaves no less than the least before. What ends
    # them is done at the stalls after the last one listed: assumption.
    "ovirt-minimal-downtime": {
        "about": "oVirt, minimal downtime: from 100 to 500 ms at stalls, then abort",
        "start": "100ms",
        "steps": _stalls("150ms", "200ms", "300ms", "400ms", "500ms", last="abort"),
    },
    "ovirt-suspend": {
        "about": "oVirt, suspend workload if needed: from 100 ms to 5 s at stalls, then abort",
        "start": "100ms",
        "steps": _stalls("150ms", "200ms", "300ms", "400ms", "500ms", more=("5s",), last="abort"),
    },
    "ovirt-post-copy": {
        "about": "oVirt, post-copy: from 100 to 200 ms at stalls, then post-copy",
        "start": "100ms",
        "steps": _stalls("150ms", "200ms", last="post-copy"),
    },
    "ovirt-very-large": {
        "about": "oVirt, very large guests: from 300 ms to 5 s at stalls, then abort",
        "start": "300ms",
        "steps": _stalls("400ms", "500ms", "700ms", "1000ms", "1500ms", more=("5s",), last="abort"),
    },
    # 0.1 s, doubled when it was found stuck more than five times, up to 2000 s [D]. That a time
    # is a stall is an assumption.
    "proxmox": {
        "about": "Proxmox: from 0.1 to 2000 s, doubled at every sixth stall",
        "start": "100ms",
        "steps": [
            {"downtime_limit": f"{min(100 * 2**n, 2_000_000)}ms", "stalls": 6 * n}
            for n in range(1, 16)
        ],
    },
}


def resolve_downtime_steps(value: Any) -> Any:
    """Return steps of the downtime limit as plain data: by name, changed, or written out.

    Parameters
    ----------
    value
        A name of `DOWNTIME_STEPS`; a mapping with ``use`` and changes; steps written out, which
        pass unchanged.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> resolve_downtime_steps({"use": "nova", "start": "100ms"})["name"]
    'nova start=100ms'
    """
    return _resolve("downtime steps", DOWNTIME_STEPS, value)


def _resolve(noun: str, table: Mapping[str, Preset], value: Any) -> Any:
    """Look up a name, or what a mapping uses, with its changes."""
    if isinstance(value, str):
        return _preset(noun, table, value)
    if not isinstance(value, Mapping) or "use" not in value:
        return value
    changes = dict(value)
    resolved = _preset(noun, table, changes.pop("use"))
    resolved["name"] = _changed_name(resolved["name"], changes)
    return resolved | changes


# --------------------------------------------------------------------------- names

Kind = Literal["hinting", "hypervisors", "limits", "downtime-steps"]
_TABLES: Final[dict[str, dict[str, Preset]]] = {
    "hinting": HINTING,
    "hypervisors": HYPERVISORS,
    "limits": LIMITS,
    "downtime-steps": DOWNTIME_STEPS,
}


def hinting_names() -> list[str]:
    """Return the names of the shipped hinting policies, from sending all to skipping most."""
    return list(HINTING)


def hypervisor_names() -> list[str]:
    """Return the names of the shipped hypervisors."""
    return list(HYPERVISORS)


def limits_names() -> list[str]:
    """Return the names of the shipped operators' limits."""
    return list(LIMITS)


def downtime_steps_names() -> list[str]:
    """Return the names of the shipped ladders of downtime limits."""
    return list(DOWNTIME_STEPS)


def describe(kind: Kind, name: str) -> str:
    """Return what a shipped preset is, in one line.

    Examples
    --------
    >>> describe("limits", "none")
    'everything at once, for as long as it takes'
    """
    return str(_known(kind, _TABLES[kind], name)["about"])


def _known(noun: str, table: Mapping[str, Preset], name: Any) -> Preset:
    """Return an entry of a table, or say which there are."""
    if isinstance(name, str) and name in table:
        return table[name]
    close = did_you_mean(name, table) if isinstance(name, str) else None
    hint = f"; did you mean '{close}'?" if close else ""
    message = f"unknown {noun} {str(name)[:80]!r}; legal names are {_listed(table)}{hint}"
    raise ValueError(message)


def _preset(noun: str, table: Mapping[str, Preset], name: Any) -> Preset:
    """Return a copy of an entry that may be changed, with its name, without its description."""
    fields = {key: value for key, value in _known(noun, table, name).items() if key != "about"}
    return {"name": name} | copy.deepcopy(fields)


def _changed_name(name: str, changes: Mapping[str, Any]) -> str:
    """Name a changed preset after its changes, so that tables tell it from the shipped one."""
    inner = {
        f"{k}.{i}": v
        for k, own in changes.items()
        if isinstance(own, Mapping)
        for i, v in own.items()
    }
    plain = {k: v for k, v in {**changes, **inner}.items() if isinstance(v, str | int | float)}
    return " ".join([name, *(f"{key}={value}" for key, value in plain.items())])[:200]


def _listed(names: Any) -> str:
    return ", ".join(str(name) for name in names)
