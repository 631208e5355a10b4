"""Consolidation in a run: hosts emptied, switched off, woken; what that saves."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.units import GiB
from tests.test_rebalance import cpu
from tests.worlds import FLUID, Data, guest, only, rows, scenario, solve, topology


def consolidate(
    *guests: Data,
    hosts: int = 4,
    power_w: float | None = 100.0,
    horizon: float = 1000.0,
    settle: float = 0.0,
    **operation: Any,
) -> Data:
    """A rack of hosts of 8 cores and 8 GiB that take 100 W; a GiB takes a second."""
    host: Data = {"cores": 8, "memory": 8.0 * GiB}
    if power_w is not None:
        host["idle_power_w"] = power_w
    return scenario(
        *guests,
        topology=topology(
            kind="leaf-spine", leaves=1, hosts_per_leaf=hosts, spines=1, uplink=float(GiB),
            host=host,
        ),
        migration=FLUID,
        horizon=horizon,
        settle=settle,
        operation={"kind": "consolidate", **operation},
    )  # fmt: skip


def on_each(*counts: int, **changes: Any) -> list[Data]:
    """So many guests of a GiB on the first host, on the second, and so on."""
    return [
        guest(count=count, name=f"host{i}", place={"hosts": f"rack0/host{i}"}, **changes)
        for i, count in enumerate(counts)
        if count
    ]


def steps(result: Any, host: str) -> list[tuple[str, float, float]]:
    """What happened with a host, and from when to when."""
    table = rows(result, "maintenance")
    return [(m["step"], m["from_s"], m["to_s"]) for m in table if m["host"] == f"rack0/{host}"]


def test_guests_move_together_and_hosts_go_off() -> None:
    """Five guests fit on one host filled to 80 %; each step of the others has its row."""
    result = solve(consolidate(*on_each(3, 1, 1, 0), power_off=10.0, every=500.0))
    hosts = {row["host"]: row for row in rows(result, "hosts")}
    assert [row["guests_after"] for row in hosts.values()] == [5, 0, 0, 0]
    assert steps(result, "host3") == [
        ("drain", 0.0, 0.0), ("power off", 0.0, 10.0), ("off", 10.0, 1000.0),
    ]  # fmt: skip
    # two guests share the link into the first host
    assert steps(result, "host1") == [
        ("drain", 0.0, 2.0), ("power off", 2.0, 12.0), ("off", 12.0, 1000.0),
    ]  # fmt: skip
    assert [row["off_s"] for row in hosts.values()] == [0.0, 988.0, 988.0, 990.0]
    row = only(result, "operations")
    assert row["hosts_done"] == 3
    assert row["off_host_s"] == 988.0 + 988.0 + 990.0
    assert row["saved_energy_j"] == 100.0 * row["off_host_s"]


def test_without_a_power_nobody_knows_what_is_saved() -> None:
    """Nor has an operation that switches nothing off saved anything."""
    result = solve(consolidate(*on_each(1, 1), power_w=None, settle=100.0))
    row = only(result, "operations")
    assert row["hosts_done"] == 3
    assert math.isnan(row["saved_energy_j"])


def test_one_look_is_enough_where_no_more_are_asked_for() -> None:
    """It is done when the last host is off, which it stays until the run ends."""
    data = consolidate(*on_each(1, 1), power_off=10.0, settle=50.0)
    result = solve(data)
    row = only(result, "operations")
    assert row["ended_s"] == 11.0
    assert result.metrics["simulated_s"] == 61.0
    assert steps(result, "host1")[-1] == ("off", 11.0, 61.0)


def test_hosts_are_filled_no_further_than_they_may_be() -> None:
    """Of four hosts with two guests each, two remain at 50 %, or none goes off at 30 %."""
    half = solve(consolidate(*on_each(2, 2, 2, 2), fill=0.5))
    assert [row["guests_after"] for row in rows(half, "hosts")] == [4, 4, 0, 0]
    assert rows(solve(consolidate(*on_each(2, 2, 2, 2), fill=0.3)), "migrations") == []
    busy = [
        cpu(3.0, name=f"g{i}", place={"hosts": f"rack0/host{i}"}) for i in range(4)
    ]  # there is memory, but no CPU
    by_cpu = solve(consolidate(*busy, fill=0.8))
    assert [row["guests_after"] for row in rows(by_cpu, "hosts")] == [2, 2, 0, 0]


def test_a_host_with_a_guest_that_stays_is_not_emptied() -> None:
    """Its other guests do not leave in vain."""
    fixed = guest(name="fixed", migratable="no", place={"hosts": "rack0/host1"})
    result = solve(consolidate(*on_each(6, 1), fixed, hosts=2))
    assert rows(result, "migrations") == []


def test_hosts_that_are_kept_and_those_used_too_much() -> None:
    """`keep`, `below` and `spare` leave more on than need be."""
    guests = on_each(1, 1, 1, 1)

    def on(**operation: Any) -> int:
        table = rows(solve(consolidate(*guests, **operation)), "hosts")
        return sum(row["guests_after"] > 0 for row in table)

    assert on() == 1
    assert on(keep=3) == 3
    assert on(below=0.1) == 4
    assert on(spare=0.7) == 2


def test_so_many_hosts_at_a_time() -> None:
    """The next one is emptied when one before is off."""
    result = solve(consolidate(*on_each(1, 1, 1), hosts=3, at_once=1, power_off=10.0))
    assert steps(result, "host2")[0] == ("drain", 0.0, 1.0)
    assert steps(result, "host1")[0] == ("drain", 11.0, 12.0)


def test_a_window_that_passes_leaves_the_rest_on() -> None:
    """A host whose turn did not come takes guests again."""
    data = consolidate(*on_each(1, 1, 1), hosts=3, at_once=1, power_off=10.0, window=5.0)
    later = {"kind": "moves", "at": 50.0, "moves": [{"guest": "host0-0", "to": "rack0/host1"}]}
    data["operation"] = {"kind": "timetable", "operations": [data["operation"], later]}
    result = solve(data)
    assert [row["guests_after"] for row in rows(result, "hosts")] == [1, 2, 0]


def test_a_host_that_is_not_emptied_stays_on() -> None:
    """A guest whose migration comes to nothing keeps it on, which its row says."""
    data = consolidate(*on_each(3, 1), hosts=2)
    data["operation"]["limits"] = {"completion_timeout": 0.5}
    result = solve(data)
    assert only(result, "maintenance", step="drain")["trouble"] == "1 guest left"
    assert [row["off_s"] for row in rows(result, "hosts")] == [0.0, 0.0]
    assert only(result, "operations")["hosts_done"] == 0


def test_hosts_that_are_off_take_no_guests() -> None:
    """One that is named as a destination is refused, in words; a drain goes elsewhere."""
    data = consolidate(*on_each(1, 1, 0), hosts=3, keep=2)
    parts = [
        data["operation"],
        {"kind": "moves", "at": 50.0, "moves": [{"guest": "host0-0", "to": "rack0/host2"}]},
        {"kind": "drain", "at": 100.0, "hosts": "rack0/host0"},
    ]
    data["operation"] = {"kind": "timetable", "operations": parts}
    result = solve(data)
    moved = only(result, operation="moves")
    assert (moved["outcome"], moved["reason"]) == ("no-room", "rack0/host2 is switched off")
    assert only(result, operation="drain")["destination"] == "rack0/host1"


# --------------------------------------------------------------------------- waking


def rising(**operation: Any) -> Data:
    """Guests whose CPU rises after 100 s beyond what is on, and falls again after 500 s."""
    load: Data = {"points": [[0.0, 0.2], [100.0, 1.0], [500.0, 0.2]]}
    busy = [cpu(5.0, name=f"g{i}", place={"hosts": f"rack0/host{i}"}, load=load) for i in range(2)]
    return consolidate(*busy, hosts=2, every=50.0, **operation)


def test_hosts_are_woken_when_they_are_needed() -> None:
    """At the first look at which too much is used; it is switched off again when it is not."""
    wake = {"above": 0.9, "takes": 30.0}
    result = solve(rising(wake=wake, horizon=800.0))
    assert [step[:2] for step in steps(result, "host1")][:4] == [
        ("drain", 0.0), ("power off", pytest.approx(1.0, rel=0.01)),
        ("off", pytest.approx(1.0, rel=0.01)), ("wake", 100.0),
    ]  # fmt: skip
    # it is empty: all that asks for CPU then is on the other host, and is still too much for it
    assert steps(result, "host1")[4][:2] == ("drain", 500.0)
    assert steps(result, "host1")[-1][1:] == (500.0, 800.0)


def test_hosts_that_are_not_to_be_woken_stay_off() -> None:
    """Whatever is used of the others."""
    assert [step[0] for step in steps(solve(rising()), "host1")] == ["drain", "power off", "off"]


def test_who_finds_no_room_waits_for_a_host_that_is_woken() -> None:
    """A drain that comes just then is not refused."""
    data = rising(wake={"above": 0.9, "takes": 30.0})
    drain = {"kind": "drain", "at": 110.0, "hosts": "rack0/host0"}
    data["operation"] = {"kind": "timetable", "operations": [data["operation"], drain]}
    moves = [m for m in rows(solve(data), "migrations") if m["operation"] == "drain"]
    assert [m["outcome"] for m in moves] == ["completed", "completed"]
    assert {m["started_s"] for m in moves} == {130.0}
    assert {m["destination"] for m in moves} == {"rack0/host1"}


def test_a_host_is_woken_for_guests_that_a_rebalance_sends_there() -> None:
    """The two together follow the load: guests part when it rises, and gather when it falls."""
    data = rising(wake={"above": 0.9, "takes": 30.0})
    balancer = {"metric": "cpu", "threshold": 0.1, "every": 50.0}
    turn = {"kind": "rebalance", "at": 25.0, "balancer": balancer}
    data["operation"] = {"kind": "timetable", "operations": [data["operation"], turn]}
    result = solve(data)
    moves = [(m["operation"], m["destination"]) for m in rows(result, "migrations")]
    assert moves == [
        ("consolidate", "rack0/host0"), ("rebalance", "rack0/host1"),
        ("consolidate", "rack0/host0"),
    ]  # fmt: skip


GUESTS = st.tuples(st.integers(0, 3), st.sampled_from([0.5, 1.0, 2.5]))


@settings(max_examples=20)
@given(
    st.lists(GUESTS, min_size=1, max_size=8),
    st.sampled_from([0.5, 0.8, 1.0]),
    st.integers(1, 3),
)
def test_no_guest_is_lost_and_no_host_filled_too_far(
    guests: list[tuple[int, float]], fill: float, keep: int
) -> None:
    """Every guest is on a host that is on, and those that took guests are within their fill."""
    groups = [
        guest(name=f"g{i}", memory=size * GiB, place={"hosts": f"rack0/host{host}"})
        for i, (host, size) in enumerate(guests)
        if sum(s for h, s in guests[: i + 1] if h == host) <= 8
    ]
    result = solve(consolidate(*groups, fill=fill, keep=keep, settle=10.0))
    off = {row["host"] for row in rows(result, "hosts") if row["off_s"] > 0}
    assert len(off) <= 4 - keep
    assert not off & {row["host"] for row in rows(result, "guests")}
    assert all(row["host"] for row in rows(result, "guests"))
    for row in rows(result, "hosts"):
        if row["moved_in"]:
            assert row["peak_bytes"] <= fill * 8 * GiB
