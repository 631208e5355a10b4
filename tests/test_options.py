"""No option changes nothing: each field of a scenario, changed, shows in some table.

Columns that only repeat what was asked for do not count. What is left out says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from dcsim.records.result import Result
from dcsim.scenario.spec import Fabric, Scenario
from dcsim.simulation import run
from dcsim.units import GiB, MiB
from tests import options_failures, options_operations
from tests.options_worlds import (
    adapting,
    busy,
    changed,
    climbing,
    cold,
    crowded,
    divided,
    fabric,
    followed,
    graph,
    noisy,
    on_huge_pages,
    ordered,
    over,
    over_channels,
    rich,
    slowed,
    stuck,
    uneven,
    with_disk,
)
from tests.worlds import QUICK, Data, allocator, guest, leaf_spine, makeup, reader, writer

ECHOES = {
    "migrations": {"memory_bytes"},
    "guests": {"memory_bytes"},
    "links": {"capacity_bytes_per_s"},
    "hosts": {"cores", "memory_bytes"},
    "events": {"detail"},
    "operations": {"kind", "at_s", "window_s", "deadline_s", "lower_bound_s", "bound"},
}
"""Columns that repeat what was asked for, or what it bounds."""

LABELS = {
    "Scenario.name": "names the scenario for people",
    "Scenario.about": "tells people what it is",
    "Scenario.question": "is what its report answers",
    "Workload.about": "tells people what it is",
    "Workload.sources": "tells people where numbers come from",
    "Limits.name": "names the limits for people",
    "Balancer.name": "names the balancer for people",
    "DowntimeSteps.name": "names the steps for people",
}
"""Fields that change no table, and why."""


# --------------------------------------------------------------------------- what is changed

ACTIVITY = "guests.0.workload.activities.0"
CASES: dict[str, tuple[Data, Data]] = {
    # the whole
    "Scenario.seed": (noisy(), {"seed": 2}),
    "Scenario.horizon": (stuck(), {"horizon": 50.0}),
    "Scenario.topology": (rich(), {"topology": leaf_spine()}),
    "Scenario.guests": (rich(), {"guests": [guest()]}),
    "Scenario.migration": (rich(), {"migration": "xen"}),
    "Scenario.hinting": (rich(), {"hinting": "none"}),
    "Scenario.operation": (crowded(), {"operation": {"kind": "drain", "hosts": "rack0/host0"}}),
    "Scenario.failures": (stuck(), {"failures": [{"at": 5.0, "host": "rack0/host0"}]}),
    "Scenario.settle": (rich(), {"settle": 6.0}),
    "Scenario.degraded_limit": (cold(), {"degraded_limit": 1000.0}),
    "Scenario.tolerance": (rich(), {"tolerance": 0.2}),
    "Scenario.record": (rich(), {"record": "migrations"}),
    # hosts and storage
    "Host.cores": (rich(), {"topology.host.cores": 1}),
    "Host.memory": (
        changed(crowded(), {"operation.placement": "first-fit"}),
        {"topology.host.memory": 1.25 * GiB},
    ),
    "Host.overcommit": (divided(), {"topology.host.overcommit": {"memory": 0.2}}),
    "Overcommit.memory": (divided(), {"topology.host.overcommit": {"memory": 0.2}}),
    "Overcommit.cpu": (divided(), {"topology.host.overcommit": {"cpu": 2}}),
    "Hosts.match": (divided(requires={"zone": "a"}), {"topology.hosts.1.match": "rack0/host0"}),
    "Hosts.cores": (divided(), {"topology.hosts.1.cores": 1}),
    "Hosts.memory": (divided(), {"topology.hosts.1.memory": 0.3 * GiB}),
    "Hosts.labels": (divided(requires={"zone": "a"}), {"topology.hosts.1.labels.zone": "a"}),
    "Hosts.cpu_flags": (divided(cpu_flags=["avx"]), {"topology.hosts.1.cpu_flags": ["avx"]}),
    "Drain.racks": (divided(), {"operation.racks": ["rack1"], "operation.hosts": "*"}),
    "Drain.labels": (divided(), {"operation.labels": {"zone": "a"}}),
    "GuestGroup.requires": (divided(), {"guests.0.requires": {"zone": "a"}}),
    "GuestGroup.cpu_flags": (divided(), {"guests.0.cpu_flags": ["avx"]}),
    "GuestGroup.apart": (divided(), {"guests.0.apart": {}}),
    "GuestGroup.together": (divided(), {"guests.0.together": {}}),
    "Sets.by": (divided(together={}), {"guests.0.together.by": "rack"}),
    "Sets.of": (divided(together={}, count=4), {"guests.0.together.of": 2}),
    "Storage.bandwidth": (rich(), {"topology.storage.bandwidth": 0.05 * GiB}),
    "Storage.iops": (rich(), {"topology.storage.iops": 10_000.0}),
    "Storage.latency": (rich(), {"topology.storage.latency": 400e-6}),
    "Storage.link": (rich(), {"topology.storage.link": 0.02 * GiB}),
    # networks
    "LeafSpine.leaves": (over("leaf-spine"), {"topology.leaves": 3}),
    "LeafSpine.hosts_per_leaf": (over("leaf-spine"), {"topology.hosts_per_leaf": 3}),
    "LeafSpine.spines": (over("leaf-spine"), {"topology.spines": 1}),
    "LeafSpine.uplink": (over("leaf-spine"), {"topology.uplink": 0.1 * GiB}),
    "FatTree.k": (over("fat-tree"), {"topology.k": 6}),
    "FatTree.uplink": (over("fat-tree"), {"topology.uplink": 0.1 * GiB}),
    "ThreeTier.cores": (over("three-tier"), {"topology.cores": 1}),
    "ThreeTier.aggregations": (over("three-tier"), {"topology.aggregations": 3}),
    "ThreeTier.racks_per_aggregation": (
        over("three-tier"), {"topology.racks_per_aggregation": 3},
    ),
    "ThreeTier.hosts_per_rack": (over("three-tier"), {"topology.hosts_per_rack": 3}),
    "ThreeTier.uplink": (over("three-tier"), {"topology.uplink": 0.1 * GiB}),
    "ThreeTier.core_link": (over("three-tier"), {"topology.core_link": 0.05 * GiB}),
    "TwoSites.leaves": (over("two-sites"), {"topology.leaves": 2}),
    "TwoSites.hosts_per_leaf": (over("two-sites"), {"topology.hosts_per_leaf": 3}),
    "TwoSites.spines": (over("two-sites"), {"topology.spines": 1}),
    "TwoSites.uplink": (over("two-sites"), {"topology.uplink": 0.01 * GiB}),
    "TwoSites.wan": (over("two-sites"), {"topology.wan": 0.05 * GiB}),
    "TwoSites.wan_latency": (over("two-sites"), {"topology.wan_latency": 10e-3}),
    "Graph.nodes": (graph(), {"topology.nodes.4.name": "u", "topology.links.4.ends.0": "u",
                              "topology.links.1.ends.1": "u"}),
    "Graph.links": (graph(), {"topology.links.0.capacity": 0.1 * GiB}),
    "GraphNode.name": (graph(), {"topology.nodes.1.name": "r/c", "topology.links.1.ends.0": "r/c"}),
    "GraphNode.kind": (graph(), {"topology.nodes.4.kind": "host", "topology.nodes.4.name": "r/d",
                                 "topology.links.4.ends.0": "r/d"}),
    "GraphLink.ends": (graph(), {"topology.links.1.ends.1": "t"}),
    "GraphLink.capacity": (graph(), {"topology.links.1.capacity": 0.1 * GiB}),
    "GraphLink.latency": (graph(), {"topology.links.2.latency": 1e-3}),
    # guests
    "GuestGroup.name": (rich(), {"guests.0.name": "other"}),
    "GuestGroup.workload": (rich(), {"guests.0.workload": guest()["workload"]}),
    "GuestGroup.count": (crowded(), {"guests.0.count": 7}),
    "GuestGroup.memory": (rich(), {"guests.0.memory": 0.6 * GiB}),
    "GuestGroup.vcpus": (rich(), {"guests.0.vcpus": 1}),
    "GuestGroup.place": (crowded(), {"guests.0.place": {"rack": "rack0", "by": "first-fit"}}),
    "GuestGroup.hinting": (rich(), {"guests.0.hinting": "none"}),
    "GuestGroup.migration": (rich(), {"guests.0.migration": "xen"}),
    "GuestGroup.migratable": (rich(), {"guests.0.migratable": "cold"}),
    "GuestGroup.because": (cold(), {"guests.0.because": "passthrough"}),
    "GuestGroup.makeups": (rich(), {"guests.0.makeups": [makeup(cache=0.4)]}),
    "GuestGroup.arrive": (noisy(), {"guests.0.arrive": 1.0}),
    "GuestGroup.each": (crowded(), {"guests.0.each": {"memory": [0.2 * GiB] * 8}}),
    "Place.hosts": (rich(), {"guests.0.place.hosts": "rack0/host1", "operation.hosts": "*1"}),
    "Place.rack": (crowded(), {"guests.0.place.rack": "rack1", "operation.hosts": "rack1/*"}),
    "Place.by": (crowded(), {"guests.0.place.by": "first-fit"}),
    "Workload.name": (rich(), {"guests.0.workload.name": "other"}),
    "Workload.memory": (rich(), {"guests.0.workload.memory": makeup(cache=0.5)}),
    "Workload.hintable": (rich(hinting="free-page-hint"), {"guests.0.workload.hintable": 0.3}),
    "Workload.hintable_zero": (
        rich(hinting="free-page-hint"), {"guests.0.workload.hintable_zero": 0.1}
    ),
    "Workload.init_on_alloc": (
        rich(hinting="free-page-hint"), {"guests.0.workload.init_on_alloc": True}
    ),
    "Workload.order": (ordered(), {"guests.0.workload.order": []}),
    "Workload.kernel_high": (ordered(), {"guests.0.workload.kernel_high": 0.04}),
    "Workload.min_free": (rich(), {"guests.0.workload.min_free": 0.05}),
    "Workload.replacement": (
        busy(reader(50.0 * MiB, 0.3), reader(100.0 * MiB, 0.5, pattern="sequential")),
        {"guests.0.workload.replacement": "two-list"},
    ),
    "Workload.activities": (rich(), {"guests.0.workload.activities": []}),
    "Workload.load": (noisy(), {"guests.0.workload.load": {}}),
    "Load.points": (noisy(), {"guests.0.workload.load.points": [[1.0, 0.5]]}),
    "Load.noise": (noisy(), {"guests.0.workload.load.noise": 0.2}),
    "Load.every": (noisy(), {"guests.0.workload.load.every": 0.5}),
    **{
        f"Makeup.{part}": (rich(hinting="zero-page"), {f"guests.0.workload.memory.{part}": share})
        for part, share in {
            "free_zero": 0.2, "free_stale": 0.15, "cache": 0.4, "kernel": 0.01,
            "anonymous_zero": 0.01,
        }.items()
    },
    "Activity.do": (busy(writer(50.0 * MiB, 0.2)), {f"{ACTIVITY}.do": "read"}),
    "Activity.rate": (busy(writer(50.0 * MiB, 0.2)), {f"{ACTIVITY}.rate": 40.0 * MiB}),
    "Activity.work": (rich(), {f"{ACTIVITY}.work": 30e-6}),
    "Activity.workers": (rich(), {f"{ACTIVITY}.workers": 1}),
    "Activity.weight": (rich(), {f"{ACTIVITY}.weight": 5.0}),
    "Activity.set": (rich(), {f"{ACTIVITY}.set": 0.05}),
    "Activity.pattern": (rich(), {f"{ACTIVITY}.pattern": "sequential"}),
    "Activity.to": (busy(writer(50.0 * MiB, 0.2)), {f"{ACTIVITY}.to": "cache"}),
    "Activity.read_ahead": (rich(), {ACTIVITY[:-1] + "2.read_ahead": 8}),
    "Activity.lifetime": (rich(), {ACTIVITY[:-1] + "3.lifetime": 10.0}),
    "Activity.peer": (rich(), {ACTIVITY[:-1] + "4.peer": "storage"}),
    "Pattern.kind": (rich(), {f"{ACTIVITY}.pattern.kind": "zipf"}),
    "Pattern.hot_share": (rich(), {f"{ACTIVITY}.pattern.hot_share": 0.3}),
    "Pattern.hot_rate": (rich(), {f"{ACTIVITY}.pattern.hot_rate": 0.5}),
    "Pattern.alpha": (rich(), {ACTIVITY[:-1] + "2.pattern.alpha": 0.5}),
    # how they move
    "Hinting.name": (rich(), {"hinting": {"use": "zero-page", "name": "mine"}}),
    "Hinting.zero_pages": (rich(), {"hinting.zero_pages": False}),
    "Hinting.steps": (rich(), {"hinting": {"name": "balloon-held", "steps": []}}),
    **{
        f"Migration.{key}": (rich(), {f"migration.{key}": value})
        for key, value in {
            "hypervisor": "xen", "max_bandwidth": 0.2 * GiB, "downtime_limit": 0.05, "window": 0.05,
            "page_header": 100.0, "zero_page": 500.0, "device_state": 1e7, "scan_zero": 20e-6,
            "scan_ballooned": 20e-6, "send_page": 100e-6, "thread_cores": 3.0, "write_fault": 30e-6,
            "dirty_log": "at-sync", "activation": 0.5, "announce": 0.5,
        }.items()
    },
    "Migration.flush_pages": (rich(), {"migration.flush_pages": 4096}),
    "Migration.max_rounds": (stuck(), {"migration.max_rounds": 2}),
    "Migration.post_copy": (stuck(), {"migration.post_copy": {"after": 5.0}}),
    "Migration.downtime_steps": (stuck(), {"migration.downtime_steps": "proxmox"}),
    **{
        f"PostCopy.{key}": (
            followed(after=5.0), {"migration.post_copy": {"after": 5.0, key: value}},
        )
        for key, value in {
            "after": 4.0, "fault": 1e-3, "max_bandwidth": 64.0 * MiB, "register_page": 1e-6,
        }.items()
    },
    "PostCopy.start": (followed(after=5.0), {"migration.post_copy": {"start": "first-pass"}}),
    "PostCopy.rounds": (
        followed(start="stuck", rounds=2), {"migration.post_copy": {"start": "stuck", "rounds": 3}},
    ),
    "PostCopy.no_new_low": (
        followed(start="stuck", no_new_low=5.0),
        {"migration.post_copy": {"start": "stuck", "no_new_low": 9.0}},
    ),
    "DowntimeSteps.start": (climbing(), {"migration.downtime_steps.start": 0.2}),
    "DowntimeSteps.cooldown": (climbing(), {"migration.downtime_steps.cooldown": 20.0}),
    "DowntimeSteps.memory_at_least": (
        climbing(after_per_gib=10.0), {"migration.downtime_steps.memory_at_least": 2.0 * GiB},
    ),
    "DowntimeSteps.steps": (climbing(), {"migration.downtime_steps.steps.0.stalls": 4}),
    "Rung.downtime_limit": (climbing(), {"migration.downtime_steps.steps.1.downtime_limit": 1.0}),
    "Rung.action": (
        climbing(action="abort"), {"migration.downtime_steps.steps.0.action": "force-complete"},
    ),
    "Rung.stalls": (climbing(), {"migration.downtime_steps.steps.0.stalls": 4}),
    "Rung.rounds": (
        climbing(rounds=5), {"migration.downtime_steps.steps.0.rounds": 6},
    ),
    "Rung.after_per_gib": (
        climbing(after_per_gib=10.0), {"migration.downtime_steps.steps.1.after_per_gib": 11.0},
    ),
    "Migration.auto_converge": (stuck(), {"migration.auto_converge": True}),
    "Migration.dirty_limit": (stuck(), {"migration.dirty_limit": True}),
    **{
        f"AutoConverge.{key}": (
            slowed("auto_converge"), {"migration.auto_converge": {key: value}},
        )
        for key, value in {
            "trigger": 1.0, "initial": 0.3, "increment": 0.2, "most": 0.5, "tailslow": True,
            "sync_every": 1.0,
        }.items()
    },
    **{
        f"DirtyLimit.{key}": (slowed("dirty_limit"), {"migration.dirty_limit": {key: value}})
        for key, value in {
            "trigger": 1.0, "rate": 20e6, "period": 0.5, "tolerance": 1e9, "most": 0.5,
        }.items()
    },
    "Migration.cold_restart": (cold(), {"migration.cold_restart": 30.0}),
    **{
        f"Migration.{key}": (rich(), {f"migration.{key}": value})
        for key, value in {
            "multifd": True, "encryption": {"rate": 50.0 * MiB},
        }.items()
    },
    "Migration.xbzrle": (stuck(), {"migration.xbzrle": {"delta": 11.0}}),
    **{
        f"Multifd.{key}": (over_channels(), {f"migration.multifd.{key}": value})
        for key, value in {
            "channels": 2, "packet": 64.0 * 1024, "packet_header": 1000.0, "page_header": 16.0,
            "zero_page": 16.0, "zero_page_detection": "legacy",
            "compression": {"ratio": 2.0, "per_page": 1e-6},
        }.items()
    },
    "Compression.ratio": (over_channels(), {"migration.multifd.compression": {
        "ratio": 3.0, "per_page": 1e-6}}),
    "Compression.per_page": (
        changed(over_channels(), {"migration.multifd.compression": "zstd"}),
        {"migration.multifd.compression": {"ratio": 2.89, "per_page": 500e-6}},
    ),
    **{
        f"Xbzrle.{key}": (
            changed(stuck(), {"migration.xbzrle": {"delta": 2000.0, "cache": 600.0 * MiB}}),
            {f"migration.xbzrle.{key}": value},
        )
        for key, value in {"cache": 16.0 * MiB, "delta": 1000.0, "encode": 100e-6}.items()
    },
    "Encryption.by": (
        changed(rich(), {"migration.encryption": {"rate": 50.0 * MiB, "by": "sender"}}),
        {"migration.encryption.by": "tunnel"},
    ),
    "Encryption.rate": (
        changed(rich(), {"migration.encryption": {"rate": 50.0 * MiB}}),
        {"migration.encryption.rate": 40.0 * MiB},
    ),
    "Host.disk_read": (with_disk(), {"topology.host.disk_read": 0.05 * GiB}),
    "Host.disk_write": (with_disk(), {"topology.host.disk_write": 0.05 * GiB}),
    "Migration.block": (with_disk(), {"migration.block": None}),
    "Block.bandwidth": (with_disk(), {"migration.block.bandwidth": 0.05 * GiB}),
    "GuestGroup.local_disk": (
        with_disk(),
        {"guests.0.local_disk": None, "guests.0.migratable": "live", "guests.0.because": None},
    ),
    "LocalDisk.size": (with_disk(), {"guests.0.local_disk.size": 0.3 * GiB}),
    "LocalDisk.used": (with_disk(), {"guests.0.local_disk.used": 0.5}),
    "LocalDisk.writes": (with_disk(), {"guests.0.local_disk.writes": 2.0 * MiB}),
    "GuestGroup.huge_pages": (on_huge_pages(), {"guests.0.huge_pages": None}),
    **{
        f"HugePages.{key}": (on_huge_pages(), {f"guests.0.huge_pages.{key}": value})
        for key, value in {
            "share": 0.7, "run": 2.0**21, "slowdown": 0.5, "rebuild": 0.1 * GiB, "on_arrival": 0.5,
        }.items()
    },
    "Adapt.lost_second": (adapting(), {"hinting.adapt.lost_second": 1e9}),
    "Adapt.within": (adapting(), {"hinting.adapt.within": 0.0}),
    **options_operations.CASES,
    **options_failures.CASES,
}  # fmt: skip
"""Model and field -> what is run, and what is changed in it."""

KINDS = ("two-hosts", "leaf-spine", "fat-tree", "three-tier", "two-sites")
FABRIC: dict[str, Any] = {
    "host": {"cores": 1, "memory": 1.0 * GiB},
    "hosts": [{"match": "*", "cores": 1, "memory": 1.0 * GiB}],
    "storage": {"bandwidth": 0.01 * GiB, "iops": 1e6, "latency": 1e-3, "link": float(GiB)},
    "goodput": 0.9,
    "routing": "even-split",
    "latency": 1e-3,
    "host_link": 0.05 * GiB,
    "migration_link": 0.05 * GiB,
    "weights": {"migration": 50.0, "refault": 0.01},
    "kind": None,
}
"""What every network has, and another value of it; a kind is changed by being another."""

# --------------------------------------------------------------------------- steps of a policy

STEPS: dict[str, Data] = {
    "list": {"select": ["free", "clean-cache"], "returned": "destination"},
    "hint": {"select": ["free"], "returned": "migration-end", "block_pages": 64},
    "report": {"select": ["free"], "returned": "on-use"},
    "balloon": {"select": ["free", "clean-cache"], "returned": "destination"},
    "drop": {"select": ["clean-cache"], "returned": "at-once"},
    "map": {"select": ["clean-cache"], "returned": "destination"},
}
"""A step for each way of telling, that costs something."""
COSTS: Data = {"per_interaction": 50e-6, "per_page": 0.5e-6, "blocks_per_interaction": 64}
STEP: dict[str, Any] = {
    "select": ["free", "cold-cache"],
    "share": 0.5,
    "adapt": {"lost_second": 1e9},
    "limit": "mem-available",
    "reserve": 64.0 * MiB,
    "block_pages": 16,
    "blocks_per_interaction": 16,
    "per_interaction": 5e-3,
    "per_page": 10e-6,
    "per_block": 20e-6,
    "per_eviction": 30e-6,
    "returned": "at-once",
    "deflate_on_oom": False,
}
"""Fields of a step but for `tell`, and another value of each."""


def stepped(tell: str, **changes: object) -> Data:
    """A scenario whose policy is one step that tells so."""
    costs = {} if tell == "report" else dict(COSTS)
    if tell == "drop":
        del costs["blocks_per_interaction"]
    step = {"tell": tell, **costs, **STEPS[tell], **changes}
    if changes.get("select"):
        allowed = {"hint": ["free"], "report": ["free"], "drop": ["cold-cache"]}
        step["select"] = allowed.get(tell, ["cold-cache"])
    if "reserve" in changes:
        step["limit"] = "mem-available"
    data = rich(hinting={"name": "stepped", "steps": [step]})
    work = data["guests"][0]["workload"]
    work["memory"]["free_stale"] = 0.2
    if "deflate_on_oom" in changes or tell == "balloon":
        work["activities"].append(allocator(40.0 * MiB, lifetime=60.0))
    return data


# --------------------------------------------------------------------------- running


def tables(result: Result) -> dict[str, str]:
    """Return each column but the echoes, as text."""
    return {
        f"{table}.{column}": repr(values)
        for table, columns in result.columns.items()
        for column, values in columns.items()
        if column not in ECHOES.get(table, ())
    }


_ran: dict[str, dict[str, str]] = {}


def ran(data: Data) -> dict[str, str]:
    """Run data, once."""
    key = repr(data)
    if key not in _ran:
        _ran[key] = tables(run(Scenario.model_validate(data)))
    return _ran[key]


def differ(before: Data, after: Data) -> bool:
    """Whether two scenarios differ in some table."""
    return ran(before) != ran(after)


@pytest.mark.parametrize("name", CASES)
def test_an_option_changes_something(name: str) -> None:
    """Changed, it shows in a table, and not by what it repeats."""
    data, changes = CASES[name]
    assert differ(data, changed(data, changes)), f"{name} changes nothing"


@pytest.mark.parametrize("field", FABRIC)
@pytest.mark.parametrize("kind", KINDS)
def test_an_option_of_networks_changes_something_or_is_refused(kind: str, field: str) -> None:
    """What every network has means something for each kind of it, or is refused."""
    data = over(kind)
    if field == "kind":
        data = over("two-hosts")
        other = "leaf-spine" if kind == "two-hosts" else kind
        if kind == "two-sites":
            assert differ(data, over(kind))
        else:
            assert differ(data, changed(data, {"topology": fabric(other)}))
        return
    if field == "routing" and kind == "two-hosts":
        pytest.skip("between two hosts on one switch there is one path")
    after = changed(data, {f"topology.{field}": FABRIC[field]})
    if field == "migration_link" and kind == "two-sites":
        with pytest.raises(ValidationError, match="no switch that all hosts share"):
            Scenario.model_validate(after)
        return
    assert differ(data, after), f"{field} of {kind} changes nothing"


@pytest.mark.parametrize("field", [*FABRIC, "storage.link"])
def test_an_option_of_graphs_changes_something_or_is_refused(field: str) -> None:
    """A graph writes its links out: how fast others would be means nothing, and is refused."""
    data = graph()
    if field == "kind":
        assert differ(data, over("two-hosts"))
        return
    if field == "routing":
        pytest.skip("this graph has one path between any two nodes")
    value = 1.0 * MiB if field == "storage.link" else FABRIC[field]
    if field == "storage":
        value = {key: part for key, part in value.items() if key != "link"}
    after = changed(data, {f"topology.{field}": value})
    if field in ("host_link", "latency", "storage.link"):
        with pytest.raises(ValidationError):
            Scenario.model_validate(after)
    else:
        assert differ(data, after), f"{field} changes nothing"


@pytest.mark.parametrize("field", STEP)
@pytest.mark.parametrize("tell", STEPS)
def test_an_option_of_a_step_changes_something_or_is_refused(tell: str, field: str) -> None:
    """What a step says means something for its way of telling, or is refused."""
    data, after = stepped(tell), stepped(tell, **{field: STEP[field]})
    try:
        Scenario.model_validate(after)
    except ValidationError:
        return
    if field == "select" and tell in ("hint", "report"):
        pytest.skip("it can select free memory only")
    if field == "returned" and STEPS[tell]["returned"] == STEP[field]:
        pytest.skip("it can be returned in this way only")
    assert differ(data, after), f"{field} of '{tell}' changes nothing"


@pytest.mark.parametrize("tell", STEPS)
def test_a_way_of_telling_changes_something(tell: str) -> None:
    """Each way of telling differs from doing nothing, and from every other way."""
    assert differ(stepped(tell), rich(hinting={"name": "stepped", "steps": []}))
    assert all(differ(stepped(tell), stepped(other)) for other in STEPS if other != tell)


# --------------------------------------------------------------------------- nothing is forgotten


def models() -> Iterator[type[BaseModel]]:
    """Every model that a scenario is made of."""
    found: dict[type[BaseModel], None] = {}

    def walk(annotation: Any) -> None:
        is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        if is_model and annotation not in found:
            found[annotation] = None
            for field in annotation.model_fields.values():
                walk(field.annotation)
        for inner in get_args(annotation):
            walk(inner)

    walk(Scenario)
    yield from found


def test_every_field_of_every_part_is_tried() -> None:
    """A new option is in the table, or says why it changes nothing."""
    tried = {*CASES, *LABELS, *(f"Step.{field}" for field in (*STEP, "tell"))}
    missing = []
    for model in models():
        for field in model.model_fields:
            of_fabric = issubclass(model, Fabric) and field in FABRIC
            if f"{model.__name__}.{field}" not in tried and not of_fabric:
                missing.append(f"{model.__name__}.{field}")
    assert missing == []


def test_no_case_is_for_a_field_that_is_gone() -> None:
    """Names in the table are names of fields."""
    known = {f"{m.__name__}.{field}" for m in models() for field in m.model_fields}
    assert set(FABRIC) == {*Fabric.model_fields, "kind"}
    assert {*CASES, *LABELS} <= known
    assert {f"Step.{field}" for field in STEP} <= known


@pytest.mark.parametrize("name", LABELS)
def test_labels_change_nothing(name: str) -> None:
    """What only tells people something shows in no table."""
    paths = {
        "Scenario.name": {"name": "other"},
        "Scenario.about": {"about": "other"},
        "Scenario.question": {"question": "other?"},
        "Workload.about": {"guests.0.workload.about": "other"},
        "Workload.sources": {"guests.0.workload.sources": {"hintable": "a guess"}},
        "Limits.name": {"operation.limits.name": "other"},
        "DowntimeSteps.name": {"migration.downtime_steps.name": "other"},
        "Balancer.name": {"operation.balancer.name": "other"},
    }
    data = climbing() if name.startswith("Downtime") else rich()
    data = uneven() if name.startswith("Balancer") else data
    assert not differ(data, changed(data, paths[name]))


def test_quick_settings_are_legal() -> None:
    """The settings that most tests run with are a migration's."""
    assert set(QUICK) < set(Scenario.model_validate(rich()).to_dict()["migration"])
