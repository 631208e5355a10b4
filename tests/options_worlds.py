"""Scenarios in which options are changed, and a way to change them."""

from __future__ import annotations

import copy
from typing import Any

from dcsim.units import GiB, MiB
from tests.worlds import (
    Data,
    allocator,
    guest,
    leaf_spine,
    reader,
    scenario,
    sender,
    topology,
    writer,
)


def changed(data: Data, changes: Data) -> Data:
    """Return data with some dotted paths changed; mappings on the way are made."""
    data = copy.deepcopy(data)
    for path, value in changes.items():
        *above, last = path.split(".")
        part: Any = data
        for step in above:
            part = part[int(step)] if isinstance(part, list) else part.setdefault(step, {})
            assert not isinstance(part, str), path
        part[int(last) if isinstance(part, list) else last] = value
    return data


# --------------------------------------------------------------------------- scenarios to change


def rich(**changes: object) -> Data:
    """A guest that does a bit of everything, and moves with all costs switched on."""
    busy = guest(
        writer("max", 0.1, work=20e-6, workers=2, pattern={"kind": "hot-cold"}),
        writer(4.0 * MiB, 0.05, to="cache"),
        reader(100.0 * MiB, 0.25, work=10e-6, read_ahead=2, pattern={"kind": "zipf"}),
        allocator(4.0 * MiB, lifetime=3.0),
        sender(0.1 * GiB),
        vcpus=3,
        memory=0.5 * GiB,
        hintable=0.6,
        min_free=0.01,
        makeup={
            "free_zero": 0.15, "free_stale": 0.1, "cache": 0.35, "kernel": 0.05,
            "anonymous_zero": 0.05,
        },
    )  # fmt: skip
    net = topology(
        host_link=0.4 * GiB,
        latency=20e-6,
        host={"cores": 3, "memory": 2.0 * GiB},
        storage={"bandwidth": 0.1 * GiB, "iops": 1e6, "latency": 200e-6, "link": float(GiB)},
    )
    data = scenario(
        busy,
        topology=net,
        migration={"hypervisor": "qemu-10", "max_bandwidth": 0.3 * GiB},
        hinting={"use": "balloon-held", "reserve": 16.0 * MiB},
        horizon=60.0,
        settle=5.0,
    )
    data["operation"]["at"] = 2.0
    return data | changes


def adapting() -> Data:
    """The same guest, that gives up the cheapest share of its cache."""
    step = {"lost_second": 1e5, "within": 60.0}
    return rich(hinting={"use": "clean-cache-hint", "adapt": step})


def working(**changes: object) -> Data:
    """Guests that want CPU, their files, and the network."""
    return guest(
        writer("max", 0.05, work=20e-6),
        reader(50.0 * MiB, 0.2),
        sender(20.0 * MiB),
        memory=0.1 * GiB,
        makeup={"cache": 0.3, "free_stale": 0.1},
        **changes,
    )


def several(net: Data, **changes: object) -> Data:
    """Six guests that leave the first rack over a network, two hosts of which are drained."""
    site = "site0-" if net["kind"] == "two-sites" else ""
    warm = working(count=6, place={"hosts": f"{site}rack0/*"})
    data = scenario(warm, topology=net, settle=2.0, horizon=60.0)
    data["hinting"] = "clean-cache-hint"
    data["migration"] |= {"thread_cores": 0.5, "max_rounds": 3}
    data["operation"] = {"kind": "drain", "hosts": f"{site}rack0/*", "at": 1.0}
    return data | changes


def fabric(kind: str, **changes: object) -> Data:
    """A network of a kind whose links are narrow enough to matter."""
    shape: dict[str, Data] = {
        "two-hosts": {},
        "leaf-spine": {"leaves": 2, "hosts_per_leaf": 2, "spines": 2, "uplink": 0.2 * GiB},
        "fat-tree": {"k": 4, "uplink": 0.2 * GiB},
        "three-tier": {
            "cores": 2, "aggregations": 2, "racks_per_aggregation": 2, "hosts_per_rack": 2,
            "uplink": 0.3 * GiB, "core_link": 0.1 * GiB,
        },
        "two-sites": {
            "leaves": 1, "hosts_per_leaf": 2, "spines": 2, "uplink": 0.2 * GiB, "wan": 0.1 * GiB,
            "wan_latency": 1e-3,
        },
    }  # fmt: skip
    net = topology(kind=kind, host_link=0.25 * GiB, host={"cores": 2, "memory": 1.0 * GiB})
    net["storage"] = {"bandwidth": 0.1 * GiB, "iops": 1e6, "latency": 100e-6, "link": float(GiB)}
    return {**net, **shape[kind], **changes}


def over(kind: str) -> Data:
    """Guests that leave a rack over a network of this kind; of two hosts, the first."""
    data = several(fabric(kind))
    if kind == "two-hosts":
        data["operation"]["hosts"] = data["guests"][0]["place"]["hosts"] = "rack0/host0"
    if kind == "two-sites":  # the storage stays behind
        site = [{"guest": f"guest-{n}", "to": "site1-rack0/host0"} for n in range(6)]
        data["operation"] = {"kind": "moves", "moves": site, "at": 1.0}
        data["operation"]["limits"] = {"per_cluster": 2}
    return data


def graph() -> Data:
    """Two hosts, two switches, storage and the world outside, written out."""
    kinds = {"r/a": "host", "r/b": "host", "disk": "storage", "www": "outside", "t": "switch"}
    net = topology(
        kind="graph",
        nodes=[{"name": name, "kind": kind} for name, kind in {**kinds, "s": "switch"}.items()],
        links=[{"ends": [name, "s"], "capacity": 0.2 * GiB, "latency": 1e-4} for name in kinds],
        host={"cores": 3, "memory": 2.0 * GiB},
        storage={"bandwidth": 0.1 * GiB, "iops": 1e6, "latency": 100e-6},
    )
    del net["host_link"], net["latency"]
    return several(net, guests=[working(place={"hosts": "r/a"}, count=3)]) | {
        "operation": {"kind": "drain", "hosts": "r/a", "at": 1.0}
    }


def over_channels() -> Data:
    """A guest that moves over three channels whose threads have to work hard."""
    hard = {"migration.scan_zero": 20e-6, "migration.send_page": 60e-6}
    return changed(rich(), hard | {"migration.multifd": {"channels": 3}})


def with_disk() -> Data:
    """A guest whose local disk is copied when it moves."""
    disk = {"size": 0.2 * GiB, "writes": 1.0 * MiB}
    group = {"migratable": "cold", "because": "local-disk", "local_disk": disk}
    return changed(rich(), {"migration.block": {}, "guests": [rich()["guests"][0] | group]})


def on_huge_pages() -> Data:
    """A guest that works hard, its memory in huge pages that a balloon splits."""
    return changed(rich(), {"guests.0.huge_pages": {"on_arrival": 0.9}})


def noisy() -> Data:
    """A guest whose load varies."""
    load = {"noise": 0.3, "every": 1.0, "points": [[3.0, 0.5]]}
    return rich() | {"guests": [guest(writer(50.0 * MiB, 0.2), load=load)]}


def crowded() -> Data:
    """Eight guests on two hosts of a rack, which is drained into another."""
    return several(
        leaf_spine(), guests=[guest(count=8, memory=0.25 * GiB, place={"rack": "rack0"})]
    )


def by_pairs(data: Data | None = None) -> Data:
    """Guests of which two move at a time."""
    data = data or crowded()
    data["operation"]["limits"] = {"per_cluster": 2}
    return data


def churning(**every: object) -> Data:
    """Guests that come and go while a rack is drained, so often."""
    data = crowded() | {"horizon": 100.0, "settle": 30.0}
    group = guest(writer(1e6, 0.1), name="new", memory=0.25 * GiB)
    del group["place"]
    arrivals = {"every": every or 3.0, "until": 25.0, "most": 7}
    return data | {"guests": [*data["guests"], group | {"arrivals": arrivals, "stay": 9.0}]}


def timetable() -> Data:
    """Two drains, one after the other."""
    drains = [
        {"kind": "drain", "name": f"host{i}", "hosts": f"rack0/host{i}", "at": float(i)}
        for i in range(2)
    ]
    return crowded() | {"operation": {"kind": "timetable", "operations": drains}}


def upgrade(**changes: object) -> Data:
    """A rack of two hosts, a guest of which stays, is upgraded into another."""
    stays = guest(name="stays", migratable="no", because="pinned", place={"hosts": "rack0/host1"})
    data = crowded() | {"horizon": 600.0}
    data["guests"].append(stays)
    operation = {"kind": "upgrade", "hosts": "rack0/*", "reboot": 20.0, "placement": "spread"}
    return data | {"operation": operation | changes}


def evacuation(**changes: object) -> Data:
    """A rack that is evacuated in time for one host's guests."""
    operation = {"kind": "evacuate", "hosts": "rack0/*", "deadline": 1.1, "placement": "spread"}
    return by_pairs(crowded() | {"operation": operation | changes})


def notices(**changes: object) -> Data:
    """Three hosts of which two are told, one after the other."""
    operation = {
        "kind": "notices", "hosts": "rack*/host*", "every": {"kind": "exponential", "mean": 5.0},
        "count": 2, "notice": 0.6, "away": 20.0, "placement": "spread",
        "limits": {"per_cluster": 2},
    }  # fmt: skip
    return crowded() | {"horizon": 600.0, "operation": operation | changes}


def ordered() -> Data:
    """A guest whose contents lie one after the other."""
    data = rich(hinting="zero-page")
    order = ["kernel", "cache", "anonymous", "free-stale", "free-zero", "kernel-high"]
    data["guests"][0]["workload"] |= {"order": order}
    return data


def stuck() -> Data:
    """A guest that never converges."""
    data = scenario(guest(writer(2.0 * GiB, 0.5)), horizon=60.0)
    data["migration"] |= {"max_bandwidth": 256.0 * MiB}
    return data


def slowed(brake: str) -> Data:
    """A guest that dirties too fast, and is slowed."""
    data = stuck()
    data["guests"][0]["workload"]["activities"][0] |= {"rate": "max", "work": 2e-6, "workers": 2}
    data["migration"][brake] = True
    return data


def followed(**post_copy: object) -> Data:
    """A guest that does not converge, and goes ahead of its pages."""
    data = stuck()
    data["migration"]["post_copy"] = post_copy
    return data


def climbing(action: str | None = None, **when: float) -> Data:
    """A guest that does not converge, whose downtime limit is raised, or that is aborted."""
    data = stuck()
    step = {"action": action} if action else {"downtime_limit": 0.5}
    steps = [step | (when or {"stalls": 3}), {"downtime_limit": 3.0} | (when or {"stalls": 3})]
    ladder = {"start": 0.1, "steps": steps[:1] if action else steps}
    data["migration"]["downtime_steps"] = ladder
    return data


def given_up() -> Data:
    """A guest that does not converge, and is aborted."""
    data = stuck()
    data["operation"]["limits"] = {"completion_timeout_per_gib": 10.0}
    return data


def divided(**changes: object) -> Data:
    """Hosts of two zones; two guests leave one rack for the other, the first that fits."""
    net = leaf_spine(
        host={"cores": 3, "memory": 2.0 * GiB},
        hosts=[
            {"match": "*", "labels": {"zone": "a"}, "cpu_flags": ["avx"]},
            {"match": "*/host0", "labels": {"zone": "b"}, "cpu_flags": []},
        ],
    )
    group = guest(writer("max", 0.1, work=20e-6), count=2, memory=0.25 * GiB) | changes
    data = several(net, guests=[group | {"place": {"hosts": "rack0/*"}}])
    data["operation"] = {"kind": "drain", "hosts": "rack0/*", "placement": "first-fit"}
    return data


def cold() -> Data:
    """A guest that moves while it is down."""
    return scenario(guest(writer(1e6, 0.1), migratable="cold", because="pinned"))


def uneven(**balancer: object) -> Data:
    """Guests on one of four hosts, that are evened out."""
    crowd = guest(count=6, memory=0.1 * GiB, name="crowd")
    hot = guest(writer(400 * 4096.0, 0.001, work=2e-3), memory=0.3 * GiB, name="hot")
    host = {"cores": 2, "memory": 2.0 * GiB}
    data = scenario(crowd, hot, topology=leaf_spine(host=host), horizon=60.0)
    rules = {"threshold": 0.1, "every": 5.0, "moves": 2} | balancer
    data["operation"] = {"kind": "rebalance", "balancer": rules}
    return data


def to_gather(**changes: object) -> Data:
    """Guests on each of four hosts, two of which can be switched off; their CPU changes."""
    load = {"points": [[0.0, 0.2], [20.0, 1.0]]}
    group = guest(
        writer(250 * 4096.0, 0.001, work=2e-3), count=8, memory=0.3 * GiB, name="hot", load=load,
        place={"hosts": "*"},
    )  # fmt: skip
    host = {"cores": 2, "memory": 2.0 * GiB}
    data = scenario(group, topology=leaf_spine(host=host), horizon=60.0)
    wake = {"above": 0.9, "takes": 2.0}
    rules = {"kind": "consolidate", "every": 5.0, "power_off": 1.0, "wake": wake}
    data["operation"] = rules | changes
    return data


def listed(*, columns: bool = False) -> Data:
    """Two guests that are moved by name."""
    data = several(leaf_spine(), guests=[guest(count=2, name="a"), guest(name="b")])
    moves = [{"guest": "a-0", "to": "rack0/host1"}, {"guest": "b-0", "to": "rack1/host0"}]
    data["operation"] = {"kind": "moves", "moves": moves, "at": 1.0}
    if columns:
        in_columns = {key: [move[key] for move in moves] for key in ("guest", "to")}
        data["operation"]["moves"] = in_columns
    return data


def busy(*activities: Data, **changes: object) -> Data:
    """A guest of these activities that moves and settles in."""
    group = guest(*activities, makeup={"cache": 0.4, "free_zero": 0.1}, **changes)
    return rich() | {"guests": [group]}
