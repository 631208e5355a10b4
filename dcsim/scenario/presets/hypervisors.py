"""The shipped hypervisors: what their migration does and costs unless it is told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dcsim.scenario.presets.lookup import Preset, named

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
    preset = named("hypervisor", HYPERVISORS, hypervisor)
    del preset["name"]
    given = dict(value)
    for key, defaults in preset.pop("options", {}).items():
        if given.get(key) is True:
            given[key] = defaults
        elif isinstance(given.get(key), Mapping):
            given[key] = defaults | dict(given[key])
    return preset | {"hypervisor": hypervisor} | given


def hypervisor_names() -> list[str]:
    """Return the names of the shipped hypervisors."""
    return list(HYPERVISORS)
