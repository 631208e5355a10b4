"""Rebalancing and consolidation side by side, with drains, changing loads, and hosts that fail."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dcsim.records.tables import OUTCOMES
from dcsim.units import GiB
from tests.test_consolidation import consolidate
from tests.test_rebalance import cpu
from tests.worlds import Data, rows, solve


def eventful(seed: int) -> Data:
    """Ten guests on five of six hosts, two of which fail; all drawn."""
    draw = random.Random(seed)

    def swinging() -> Data:
        times = [40.0 * k + 5 * draw.random() for k in range(1, 15)]
        return {"points": [[time, draw.choice([0.1, 0.5, 1.0])] for time in times]}

    guests = [
        cpu(
            draw.choice([1.0, 3.0]),
            memory=draw.choice([0.5, 0.75]) * GiB,
            name=f"g{i}",
            place={"hosts": f"rack0/host{draw.randrange(5)}"},
            load=swinging(),
        )
        for i in range(10)
    ]
    measures = ["max", "max-mean", "max-min", "std-dev", "variation"]
    balancer = {
        "metric": draw.choice(["cpu", "memory", "guests"]),
        "measure": draw.choice(measures),
        "threshold": draw.choice([0.05, 0.2]),
        "every": draw.choice([10.0, 30.0]),
        "guest_cooldown": draw.choice([0.0, 60.0]),
    }
    rules: dict[str, Any] = {
        "every": draw.choice([20.0, 50.0]),
        "power_off": draw.choice([0.0, 7.0]),
        "wake": {"above": 0.85, "takes": 11.0},
        "at_once": draw.choice([1, None]),
    }
    drain = {"kind": "drain", "at": 150.0, "hosts": f"rack0/host{draw.randrange(6)}"}
    limits: list[Data] = [{}, {"per_cluster": 1}, {"per_host_in": 1}, {"completion_timeout": 1.0}]
    operations = [
        {"kind": "consolidate", **rules},
        {"kind": "rebalance", "at": 5.0, "balancer": balancer},
        *([drain] if draw.random() < 0.5 else []),
    ]
    data = consolidate(*guests, hosts=6, horizon=600.0)
    data["operation"] = {
        "kind": "timetable",
        "operations": operations,
        "limits": draw.choice(limits),
    }
    data["failures"] = [
        {
            "at": 300 * draw.random(),
            "host": f"rack0/host{host}",
            **({"returns_after": 30.0} if draw.random() < 0.5 else {}),
        }
        for host in draw.sample(range(6), 2)
    ]
    return data


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_hosts_that_are_off_take_nobody(seed: int) -> None:
    """Every request ends, all invariants hold, and no guest comes to a host while it is off."""
    result = solve(eventful(seed))
    for row in rows(result, "operations"):
        assert row["completed"] + row["not_moved"] == row["requested"]
        assert row["hosts_done"] <= row["hosts"]
    off = [m for m in rows(result, "maintenance") if m["step"] == "off"]
    assert sum(m["to_s"] - m["from_s"] for m in off) == pytest.approx(
        sum(row["off_s"] for row in rows(result, "hosts"))
    )
    for move in rows(result, "migrations"):
        assert move["outcome"] in OUTCOMES
        for m in off if move["outcome"] == "completed" else ():
            there = m["host"] in (move["source"], move["destination"])
            assert not (there and m["from_s"] < move["ended_s"] < m["to_s"])
