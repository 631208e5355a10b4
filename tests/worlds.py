"""Small worlds: scenarios as plain data, one guest on two hosts unless asked otherwise.

Numbers are SI. What a test does not speak of is switched off: `FLUID` leaves nothing but bytes over
bandwidth, `GiB_LINK` is a link of exactly 1 GiB/s of payload.
"""

from __future__ import annotations

import copy
from typing import Any

from dcsim.records.result import Result
from dcsim.scenario.spec import Scenario
from dcsim.simulation.engine import _Run, run
from dcsim.simulation.prepared import prepare
from dcsim.units import PAGE, GiB

Data = dict[str, Any]

HEADER = 8
"""Bytes beside each page, by default."""
SLOT = PAGE + HEADER
"""Bytes of a page on the wire, by default."""
ZERO = 9
"""Bytes of a zero page on the wire, by default."""

FLUID: Data = {"hypervisor": "fluid"}
"""Bytes over bandwidth and nothing else; a round ends when nothing is left."""
QUICK: Data = {
    "max_bandwidth": None,
    "flush_pages": 0,
    "scan_zero": 0.0,
    "scan_ballooned": 0.0,
    "send_page": 0.0,
    "thread_cores": 0.0,
    "write_fault": 0.0,
    "activation": 0.0,
    "announce": 0.0,
    "device_state": 0.0,
    "dirty_log": "at-sync",
}
"""QEMU's rules and its bytes, no time but that of the wire."""


def topology(**changes: Any) -> Data:
    """Two hosts on a switch; every link carries 1 GiB/s of payload, storage far more."""
    return {
        "kind": "two-hosts",
        "host_link": float(GiB),
        "goodput": 1.0,
        "latency": 0.0,
        "host": {"cores": 64, "memory": 64.0 * GiB},
        "storage": {"bandwidth": 64.0 * GiB, "iops": 1e9, "latency": 0.0, "link": 64.0 * GiB},
        **changes,
    }


def leaf_spine(**changes: Any) -> Data:
    """Two racks of two hosts under one spine, links as in `topology`."""
    return topology(
        **{
            "kind": "leaf-spine",
            "leaves": 2,
            "hosts_per_leaf": 2,
            "spines": 1,
            "uplink": 4.0 * GiB,
            **changes,
        }
    )


def makeup(**shares: float) -> Data:
    """A make-up of nothing but what is named; the rest is anonymous."""
    nothing = dict.fromkeys(("free_zero", "free_stale", "cache", "kernel", "anonymous_zero"), 0.0)
    return nothing | shares


def guest(*activities: Data, memory: float = float(GiB), **changes: Any) -> Data:
    """A group of one guest of 1 GiB, all anonymous and idle, on the first host.

    `makeup`, `hintable`, `min_free` and `load` go to its workload, everything else to the group.
    """
    workload = {
        "name": "inline",
        "memory": makeup(**changes.pop("makeup", {})),
        "hintable": changes.pop("hintable", 0.9),
        "min_free": changes.pop("min_free", 0.0),
        "load": changes.pop("load", {}),
        "activities": list(activities),
    }
    group = {
        "name": "guest",
        "memory": memory,
        "vcpus": 4,
        "place": {"hosts": "rack0/host0"},
        "workload": workload,
    }
    return group | changes


def writer(rate: float | str, extent: float, **changes: Any) -> Data:
    """An activity that writes `rate` bytes a second over `extent` of anonymous memory."""
    return {"do": "write", "rate": rate, "set": extent, "work": 1e-6, **changes}


def reader(rate: float | str, extent: float, **changes: Any) -> Data:
    """An activity that reads `rate` bytes a second of file pages over `extent`."""
    return {"do": "read", "rate": rate, "set": extent, "work": 1e-6, **changes}


def allocator(rate: float, **changes: Any) -> Data:
    """An activity that allocates `rate` bytes a second."""
    return {"do": "allocate", "rate": rate, "work": 1e-6, **changes}


def sender(rate: float, **changes: Any) -> Data:
    """An activity that sends `rate` bytes a second to the world outside."""
    return {"do": "send", "rate": rate, "work": 0.0, **changes}


def scenario(*guests: Data, **changes: Any) -> Data:
    """One drain of the first host at time 0, an hour at most."""
    return {
        "seed": 1,
        "horizon": 3600.0,
        "topology": topology(),
        "guests": [copy.deepcopy(g) for g in guests] or [guest()],
        "migration": dict(QUICK),
        "hinting": "zero-page",
        "operation": {"kind": "drain", "hosts": "rack0/host0", "at": 0.0},
        "settle": 0.0,
        **changes,
    }


def no_move(*guests: Data, until: float, **changes: Any) -> Data:
    """A scenario in which nothing moves: the host that is drained is empty."""
    operation = {"kind": "drain", "hosts": "rack0/host1", "at": 0.0}
    return scenario(*guests, operation=operation, settle=until, **changes)


def solve(data: Data, **options: Any) -> Result:
    """Run plain data, verifying the invariants as it goes."""
    return run(Scenario.model_validate(data), check=True, **options)


def world(data: Data) -> _Run:
    """Return the live world of a scenario, to look inside; `result(None)` runs it."""
    return _Run(prepare(Scenario.model_validate(data)), check=True)


def rows(result: Result, table: str) -> list[Data]:
    """Return a table as a list of rows."""
    columns = result.columns[table]
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def only(result: Result, table: str = "migrations", **where: Any) -> Data:
    """Return the only row of a table that has these values."""
    found = [r for r in rows(result, table) if all(r[k] == v for k, v in where.items())]
    assert len(found) == 1, f"{len(found)} rows of {table} with {where}"
    return found[0]


def migrated(data: Data) -> Data:
    """Run, and return the only row of the migrations table."""
    return only(solve(data))


def carried(result: Result, *kinds: str, link: str) -> float:
    """Return the bytes of these kinds that a link carried."""
    return sum(
        r["carried_bytes"]
        for r in rows(result, "links")
        if r["link"] == link and r["kind"] in kinds
    )
