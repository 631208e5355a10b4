"""A testbed where migrations were measured, as scenarios: one set of constants, nothing per run.

A measured run says what was set: sizes in MiB, rates in pages per second, a policy. What the
machines add (how much a kernel needs, what a page costs) is the testbed's: a `Testbed` holds those
constants, and `Testbed.scenario` turns a configuration into a scenario of two hosts.
"""

from __future__ import annotations

import math
import os
from typing import Any, Final

from pydantic import Field, ValidationError

from dcsim.errors import Issue, ScenarioError, did_you_mean
from dcsim.scenario.base import Spec
from dcsim.scenario.document import dotted
from dcsim.scenario.files import read
from dcsim.scenario.presets import HINTING, resolve_hinting
from dcsim.scenario.quantities import Duration, written
from dcsim.study.checks.measurements import Config, Dirtying, Reading
from dcsim.units import PAGE, MiB

PAGES_PER_MIB: Final = MiB / PAGE

ENTRIES: Final = 512
"""Entries of a page table: pages that one page of it maps."""
CACHE_SLAB: Final = 7 * 64
"""Cached pages that a page of the kernel's index is for: 7 nodes of 576 bytes, 64 slots each."""

POLICIES: Final = {
    "none": "zero-page",  # QEMU always finds zero pages
    "fph": "free-page-hint",
    "fpr": "free-page-reporting",
    "balloon-available": "balloon-held",
    "balloon-free": "balloon-free",
    "inflate-deflate": "balloon-bounced",
    "drop": "guest-drop-silent",
}
"""Names of policies where they were measured, and here; `fph` and `fpr` may be added to others."""

GUEST: Final = "guest"
XBZRLE_RUN: Final = 3
"""Bytes that xbzrle adds to each run of changed bytes [C.2]."""
_THROTTLE: Final = {
    "initial": "cpu-throttle-initial",
    "increment": "cpu-throttle-increment",
    "most": "max-cpu-throttle",
    "trigger": "throttle-trigger-threshold",
}
_CAPABILITIES: Final = {
    "auto-converge", "dirty-limit", "multifd", "xbzrle", "postcopy-ram", "postcopy-preempt",
    "events", "return-path",
}  # fmt: skip


class Testbed(Spec):
    """What a testbed adds to what was set: its guests' kernel, and what its machines cost.

    The defaults are those of QEMU 10.0.2 without KVM (TCG), two processes over loopback, Linux 6.1
    guests of one vCPU; each was read off a few of its runs, which its description names, and serves
    all others.
    """

    __test__ = False  # not a test, whatever its name

    rom_pages: float = Field(
        default=130, ge=0, description="pages beside the guest's RAM: firmware and ROMs"
    )
    kernel_pages: float = Field(
        default=15_800, ge=0, description="of an idle guest, not free (MemFree of A-idle)"
    )
    kernel_pages_per_mib: float = Field(
        default=5.26, ge=0, description="and their growth with RAM, mostly the memory map"
    )
    zero_pages_per_mib: float = Field(
        default=1.07, ge=0, description="of them, pages of zeros (zero pages sent in A-idle)"
    )
    high_pages: float = Field(
        default=1_330, ge=0, description="of them, with contents at the end of memory (A-idle)"
    )
    high_pages_per_mib: float = Field(default=4.15, ge=0, description="and their growth with RAM")
    stale_pages: float = Field(
        default=530, ge=0, description="free pages with old contents that nobody takes (A-idle)"
    )
    boot_pages: float = Field(
        default=2_570,
        ge=0,
        description="the same, but taken first by what is allocated (A-idle-anon256)",
    )
    background_pages: float = Field(
        default=96, ge=1, description="a set that the idle guest writes (A-idle)"
    )
    background_rate: float = Field(
        default=400, ge=0, description="writes of it a second (assumption: all between two syncs)"
    )
    loose_pages: float = Field(
        default=4_650,
        ge=0,
        description="never used, outside whole blocks of 4 MiB (zero pages sent in H-fph)",
    )
    counted_pages: float = Field(
        default=750,
        ge=0,
        description="in MemAvailable beside free memory and file cache (H-balloon-available)",
    )
    pinned_pages: float = Field(
        default=785, ge=0, description="of the kernel's pages, counted as Cached (A-idle)"
    )
    scan_zero: Duration = Field(
        default=written("0.4us"), description="sending thread's time for a zero page (rule 12)"
    )
    scan_ballooned: Duration = Field(
        default=written("6us"), description="where a balloon took what had been used (rule 12)"
    )
    send_page: Duration = Field(
        default=written("5us"), description="sending thread's time for a page (A-idle-ram512)"
    )
    activation: Duration = Field(
        default=written("8ms"), description="fixed part of a blackout (A-idle-ram512)"
    )
    write_work: Duration = Field(
        default=written("1us"), description="guest's CPU time for a page written"
    )
    read_work: Duration = Field(
        default=written("1us"), description="guest's CPU time for a file page read"
    )
    inflate: Duration = Field(
        default=written("3.9us"), description="guest's time for a ballooned page (M-inflate2048)"
    )
    evict: Duration = Field(
        default=written("18us"),
        description="and for a cache page that has to go for it (H-balloon-available)",
    )
    drop: Duration = Field(
        default=written("11.6us"), description="guest's time for a page dropped (H-drop-fph)"
    )

    def scenario(self, config: Config) -> dict[str, Any]:
        """Return the scenario of a measured configuration, as plain data in SI units."""
        pages = config.ram_mib * PAGES_PER_MIB + self.rom_pages
        makeup = self._makeup(config)
        never_used = makeup["free_zero"]
        high = self.high_pages + self.high_pages_per_mib * config.ram_mib
        workload = {
            "name": "measured",
            "memory": {name: count / pages for name, count in makeup.items()},
            "min_free": _kept_free(config.ram_mib) / pages,
            "hintable": 1.0,
            "hintable_zero": max(0.0, 1 - self.loose_pages / never_used) if never_used else 0.0,
            "init_on_alloc": "init_on_alloc=0" not in config.append,
            "order": ["kernel", "cache", "anonymous", "free-stale", "free-zero", "kernel-high"],
            "kernel_high": high / pages,
            "activities": self._activities(config),
        }
        return {
            "name": config.name,
            "horizon": config.steady_s + 3 * config.time_limit_s + config.post_s,
            "settle": config.post_s,
            "topology": _two_hosts(config, pages),
            "guests": [
                {
                    "name": GUEST,
                    "workload": workload,
                    "memory": pages * PAGE,
                    "vcpus": config.smp,
                    "place": {"hosts": "rack0/host0"},
                }
            ],
            "migration": self._migration(config),
            "hinting": self._policy(config),
            "operation": {
                "kind": "drain",
                "hosts": "rack0/host0",
                "at": config.steady_s,
                "limits": {
                    "completion_timeout_per_gib": config.time_limit_s / (pages * PAGE / 2**30)
                },
            },
        }

    def _makeup(self, config: Config) -> dict[str, float]:
        """Return pages of each kind as the migration finds them."""
        ram = config.ram_mib
        anonymous = config.anon_mib * PAGES_PER_MIB
        cache = config.cache_mib * PAGES_PER_MIB
        kernel = self.kernel_pages + self.kernel_pages_per_mib * ram
        kernel += anonymous / ENTRIES + cache / CACHE_SLAB
        zero = min(kernel, self.zero_pages_per_mib * ram)
        free = ram * PAGES_PER_MIB + self.rom_pages - kernel - anonymous - cache
        free -= self.background_pages
        if free < -0.02 * ram * PAGES_PER_MIB:  # the kernel makes do with a little less
            raise ValueError(
                f"anon_mib and cache_mib do not fit into {ram:g} MiB of RAM beside the kernel: "
                f"{-free / PAGES_PER_MIB:.0f} MiB are lacking"
            )
        free = max(0.0, free)
        left_by_boot = max(0.0, self.boot_pages - anonymous - cache)
        stale = self.stale_pages + max(left_by_boot, config.garbage_mib * PAGES_PER_MIB)
        return {
            "free_zero": max(0.0, free - stale),
            "free_stale": min(free, stale),
            "cache": cache,
            "kernel": kernel - zero,
            "anonymous_zero": zero,
        }

    def _activities(self, config: Config) -> list[dict[str, Any]]:
        activities: list[dict[str, Any]] = []
        if self.background_rate > 0:
            activities.append(
                {
                    "do": "write",
                    "rate": self.background_rate * PAGE,
                    "set": self.background_pages * PAGE,
                    "weight": 1e-6,
                }
            )
        if config.dirty.mode != "off" and config.dirty.rate > 0:
            activities.append(
                {
                    "do": "write",
                    "rate": config.dirty.rate * PAGE,
                    "set": config.dirty.ws_mib * MiB,
                    "work": self.write_work,
                    "pattern": _write_pattern(config.dirty),
                }
            )
        if config.read.mode != "off" and config.read.rate > 0:
            activities.append(
                {
                    "do": "read",
                    "rate": config.read.rate * PAGE,
                    "set": config.cache_mib * MiB,
                    "work": self.read_work,
                    "pattern": _read_pattern(config.read),
                }
            )
        return activities

    def _migration(self, config: Config) -> dict[str, Any]:
        return {
            "hypervisor": "qemu-10",
            "max_bandwidth": config.bw_mibps * MiB if config.bw_mibps else None,
            "downtime_limit": config.downtime_ms / 1e3,
            "scan_zero": self.scan_zero,
            "scan_ballooned": self.scan_ballooned,
            "send_page": self.send_page,
            "thread_cores": 0,
            "write_fault": 0.0,
            "dirty_log": "at-sync",  # TCG has no manual protection
            "activation": self.activation,
            "announce": 0.0,
            **self._capabilities(config),
        }

    def _capabilities(self, config: Config) -> dict[str, Any]:
        """Return what QEMU's capabilities and parameters come to in a migration's settings."""
        options: dict[str, Any] = {}
        if "auto-converge" in config.caps:
            options["auto_converge"] = {
                key: config.param(name) / 100
                for key, name in _THROTTLE.items()
                if name in config.params
            }
        if "dirty-limit" in config.caps:
            options["dirty_limit"] = {"rate": config.param("vcpu-dirty-limit", 1) * 1e6}
        if "multifd" in config.caps:
            options["multifd"] = {"channels": int(config.param("multifd-channels", 2))}
        if "xbzrle" in config.caps:
            options["xbzrle"] = {
                "cache": config.param("xbzrle-cache-size", 64 * MiB),
                "delta": config.dirty.wbytes + XBZRLE_RUN,
            }
        if config.postcopy_after_s is not None:
            options["post_copy"] = {"after": config.postcopy_after_s}
            if "postcopy-preempt" in config.caps:
                options["post_copy"]["fault"] = "0.23ms"  # [B.4]
        return options

    def not_modelled(self, config: Config) -> list[str]:
        """Return the capabilities that were on and change nothing here."""
        return [cap for cap in config.caps if cap not in _CAPABILITIES]

    def _policy(self, config: Config) -> dict[str, Any]:
        """Return the hinting policy, at this testbed's costs."""
        base, *added = config.policies
        policy: dict[str, Any] = resolve_hinting(POLICIES[base])
        for step in policy["steps"]:
            if step["tell"] == "balloon":
                step |= {"per_interaction": 0.0, "per_block": 0.0, "per_page": self.inflate}
                reserve = config.reserve_mib * MiB
                if step["limit"] == "mem-available":
                    step["per_eviction"] = self.evict
                    reserve -= self.counted_pages * PAGE
                step["reserve"] = max(0.0, reserve)
            elif step["tell"] == "drop":
                step["per_page"] = self.drop
        more = [step for name in added for step in HINTING[POLICIES[name]]["steps"]]
        return policy | {"name": config.policy, "steps": [*policy["steps"], *more]}


def load(path: str | os.PathLike[str]) -> Testbed:
    """Read a testbed's constants from a YAML file; those left out are the shipped ones.

    Raises
    ------
    ScenarioError
        If a key is unknown or a value is none; all problems at once, with their lines.
    """
    data, marks = read(path)
    try:
        return Testbed.model_validate(data or {}, context={"from_file": True})
    except ValidationError as error:
        issues = []
        for fault in error.errors(include_url=False):
            loc, message, hint = fault["loc"], fault["msg"].removeprefix("Value error, "), None
            if fault["type"] == "extra_forbidden":
                close = did_you_mean(str(loc[-1]), Testbed.model_fields)
                message = f"unknown key; legal keys are {', '.join(Testbed.model_fields)}"
                hint = f"did you mean '{close}'?" if close else None
            place = marks.get(loc)
            where = place._asdict() if place is not None else {"file": str(path)}
            issues.append(Issue(**where, path=dotted(loc) or None, message=message, hint=hint))
        raise ScenarioError(issues) from None


def _kept_free(ram_mib: float) -> float:
    """Return the pages that a Linux kernel keeps free, by its formulas [C.7].

    The high watermark: min_free_kbytes, which is 4 times the root of KiB, and twice the larger of
    its quarter and a thousandth of memory; and what the lowest zone reserves, a 256th. All but 3 %
    of RAM is managed.
    """
    kib = 0.97 * 1024 * ram_mib
    least = 4 * math.sqrt(kib)
    return (least + 2 * max(least / 4, kib / 1000) + kib / 256) * 1024 / PAGE


def _two_hosts(config: Config, pages: float) -> dict[str, Any]:
    """Return two hosts on a link that never limits, and the disk that did."""
    return {
        "kind": "two-hosts",
        "host_link": 1e12,
        "goodput": 1.0,
        "latency": 0.0,
        "host": {"cores": 64, "memory": 2 * pages * PAGE},
        "storage": {
            "iops": config.disk_iops or 1e9,
            "bandwidth": config.disk_mibps * MiB or 1e12,
            "latency": 1 / config.disk_iops if config.disk_iops else 0.0,
            "link": 1e12,
        },
    }


def _write_pattern(dirty: Dirtying) -> dict[str, Any]:
    match dirty.mode:
        case "uni":
            return {"kind": "uniform"}
        case "seq":
            return {"kind": "sequential"}
        case "hot":
            share = dirty.hot_mib / dirty.ws_mib
            return {"kind": "hot-cold", "hot_share": share, "hot_rate": dirty.hot_frac}
    raise ValueError(
        f"dirty.mode {dirty.mode[:80]!r} is not known; legal are off, uni, hot and seq"
    )


def _read_pattern(read: Reading) -> dict[str, Any]:
    match read.mode:
        case "seq":
            return {"kind": "sequential"}
        case "uni" | "zipf":
            return {"kind": "zipf", "alpha": read.theta} if read.theta else {"kind": "uniform"}
    raise ValueError(f"read.mode {read.mode[:80]!r} is not known; legal are off, uni, zipf and seq")
