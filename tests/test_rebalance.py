"""Rebalancing in a run: when it looks, when it acts, what it moves, and when it lets things be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.records.result import Result
from dcsim.units import GiB
from tests.worlds import FLUID, QUICK, Data, guest, only, rows, scenario, solve, topology, writer


def rebalance(*guests: Data, horizon: float = 600.0, **balancer: Any) -> Data:
    """Two hosts of 8 cores and 8 GiB that are rebalanced; a GiB takes a second."""
    return scenario(
        *guests,
        topology=topology(host={"cores": 8, "memory": 8.0 * GiB}),
        migration=FLUID,
        horizon=horizon,
        operation={"kind": "rebalance", "balancer": {"every": 60.0} | balancer},
    )


def four(**changes: Any) -> Data:
    """Four guests of a GiB on the first host: half of its memory."""
    return guest(count=4, **changes)


def cpu(cores: float, **changes: Any) -> Data:
    """A guest that asks for so many cores at load level 1 and writes to little."""
    work = writer(cores * 1e3 * 4096, 0.001, work=1e-3, workers=8)
    return guest(work, vcpus=8, migration=QUICK, **changes)


def starts(result: Result) -> list[tuple[float, str, str]]:
    """When who moved to where."""
    table = rows(result, "migrations")
    return [(m["started_s"], m["guest"], m["destination"]) for m in table]


def acts(result: Result) -> list[float]:
    """When rounds began."""
    return [e["time_s"] for e in rows(result, "events") if e["event"] == "rebalance"]


# --------------------------------------------------------------------------- when it acts


def test_uneven_hosts_are_evened_out_in_one_round() -> None:
    """Half of the guests move at the first look; the table says what the imbalance was and is."""
    result = solve(rebalance(four(), threshold=0.1))
    assert [move[1:] for move in starts(result)] == [
        ("guest-0", "rack0/host1"), ("guest-1", "rack0/host1"),
    ]  # fmt: skip
    assert acts(result) == [0.0]
    row = only(result, "operations")
    assert (row["imbalance_before"], row["imbalance_after"]) == (0.25, 0.0)
    assert (row["requested"], row["completed"]) == (2, 2)


def test_even_hosts_are_let_be() -> None:
    """Nothing moves, and no event tells of looks that came to nothing."""
    other = guest(name="other", count=4, place={"hosts": "rack0/host1"})
    result = solve(rebalance(four(), other, threshold=0.0))
    assert starts(result) == []
    assert acts(result) == []


def test_the_threshold_has_to_be_exceeded() -> None:
    """An imbalance that is the threshold is none that is above it."""
    assert acts(solve(rebalance(four(), threshold=0.25))) == []
    assert acts(solve(rebalance(four(), threshold=0.24))) == [0.0]


def test_the_threshold_is_exceeded_so_many_looks_on_end() -> None:
    """A look at even loads begins the count anew."""
    late = rebalance(four(), threshold=0.1, hold=3)
    assert acts(solve(late)) == [120.0]
    load = {"points": [[90.0, 0.0], [150.0, 1.0]]}  # even at 120 s
    hot = cpu(4.0, load=load, count=2)
    still = cpu(0.5, name="still", place={"hosts": "rack0/host1"})
    waits = rebalance(hot, still, metric="cpu", threshold=0.2, hold=3)
    assert acts(solve(waits)) == [300.0]


def test_it_looks_once_a_period_from_its_time_on() -> None:
    """Loads that change in between are seen at the next look."""
    hot = cpu(3.0, count=2, load={"points": [[0.0, 0.1], [140.0, 1.0]]})
    data = rebalance(hot, metric="cpu", threshold=0.2)
    data["operation"]["at"] = 10.0
    assert acts(solve(data)) == [190.0]


def test_a_round_goes_on_down_to_its_target() -> None:
    """By default that is the threshold."""
    assert len(starts(solve(rebalance(four(), threshold=0.2)))) == 1
    assert len(starts(solve(rebalance(four(), threshold=0.2, target=0.0)))) == 2


def test_a_round_that_gains_too_little_is_not_made() -> None:
    """One move takes half off the imbalance of 0.25; a margin above that forbids it."""
    assert len(starts(solve(rebalance(four(), threshold=0.2, margin=0.5)))) == 1
    assert len(starts(solve(rebalance(four(), threshold=0.2, margin=0.51)))) == 0


def test_rounds_are_of_so_many_moves_and_wait_for_the_cool_down() -> None:
    """The next look comes a period after the last, or the cool-down after the round."""
    result = solve(rebalance(four(), threshold=0.0, moves=1))
    assert acts(result) == [0.0, 60.0]
    cool = solve(rebalance(four(), threshold=0.0, moves=1, cooldown=100.0))
    assert acts(cool) == [0.0, 101.0]


# --------------------------------------------------------------------------- what it moves


def test_cpu_is_what_guests_ask_for() -> None:
    """The one with much CPU and little memory moves, as that counts for each byte."""
    small = cpu(2.0, name="small", count=2)
    large = cpu(2.0, name="large", memory=2.0 * GiB)
    result = solve(rebalance(large, small, metric="cpu", threshold=0.3, moves=1))
    assert [move[1] for move in starts(result)] == ["small-0"]
    row = only(result, "operations")
    assert (row["imbalance_before"], row["imbalance_after"]) == pytest.approx((0.375, 0.125))


def test_guests_are_counted() -> None:
    """Whatever their size: from five and none to a difference of one."""
    data = rebalance(guest(count=5), metric="guests", measure="max-min", threshold=1)
    row = only(solve(data), "operations")
    assert (row["imbalance_before"], row["imbalance_after"], row["completed"]) == (5.0, 1.0, 2)


def test_guests_that_do_not_move_live_stay() -> None:
    """A guest is not stopped to even out loads."""
    cold = four(migratable="cold", name="cold")
    fixed = four(migratable="no", name="fixed")
    assert starts(solve(rebalance(cold, fixed, threshold=0.1))) == []


def test_closed_and_lost_hosts_take_no_part() -> None:
    """Of three hosts one is drained: guests do not come back to it, nor to one that fails."""
    net = topology(
        kind="leaf-spine", leaves=1, hosts_per_leaf=4, spines=1, uplink=float(GiB),
        host={"cores": 8, "memory": 8.0 * GiB},
    )  # fmt: skip
    parts = [
        {"kind": "drain", "hosts": "rack0/host0"},
        {"kind": "rebalance", "at": 30.0, "balancer": {"threshold": 0.0, "every": 5.0}},
        {"kind": "drain", "hosts": "rack0/host0", "at": 100.0, "name": "again"},
    ]
    data = rebalance(four(), threshold=0.0) | {
        "topology": net,
        "operation": {"kind": "timetable", "operations": parts, "placement": "first-fit"},
        "failures": [{"at": 20.0, "host": "rack0/host3"}],
    }
    result = solve(data)
    moves = [m for m in rows(result, "migrations") if m["operation"] == "rebalance"]
    assert [m["destination"] for m in moves] == ["rack0/host2", "rack0/host2"]


def test_only_some_hosts_may_be_rebalanced() -> None:
    """Guests stay among the hosts of the pattern."""
    net = topology(
        kind="leaf-spine", leaves=2, hosts_per_leaf=2, spines=1, uplink=float(GiB),
        host={"cores": 8, "memory": 8.0 * GiB},
    )  # fmt: skip
    data = rebalance(four(), threshold=0.0) | {"topology": net}
    data["operation"]["hosts"] = "rack0/*"
    result = solve(data)
    assert {move[2] for move in starts(result)} == {"rack0/host1"}
    assert only(result, "operations")["hosts"] == 2


# --------------------------------------------------------------------------- hysteresis

SWINGS: Data = {"points": [[60.0 * k, 1.0 if k % 2 else 0.2] for k in range(1, 20)]}
"""A load that is high and low by turns."""


def swinging(**balancer: Any) -> Data:
    """A guest on each host whose CPU swings, out of step, beside two that do not."""
    other: Data = {"points": [[t, 1.2 - level] for t, level in SWINGS["points"]]}
    there = {"hosts": "rack0/host1"}
    return rebalance(
        cpu(3.0, name="up", load=SWINGS),
        cpu(1.0, name="here"),
        cpu(3.0, name="down", load=other, place=there),
        cpu(1.0, name="there", place=there),
        metric="cpu",
        measure="max-min",
        horizon=1100.0,
        **balancer,
    )


def test_hysteresis_lets_swings_pass() -> None:
    """A naive balancer sends guests to and fro with each swing; one that holds on does not."""
    naive = only(solve(swinging(threshold=0.1)), "operations")
    assert naive["completed"] >= 10
    assert naive["moved_twice"] >= 2
    held = only(solve(swinging(threshold=0.1, hold=3)), "operations")
    wide = only(solve(swinging(threshold=0.31)), "operations")
    cool = only(solve(swinging(threshold=0.1, guest_cooldown=3600.0)), "operations")
    assert (held["completed"], wide["completed"]) == (1, 0)
    assert cool["completed"] <= 4
    assert cool["moved_twice"] == 0


def test_a_guest_rests_after_it_moved() -> None:
    """Between two moves of a guest lies its cool-down, counted from the end of the round."""
    result = solve(swinging(threshold=0.1, guest_cooldown=200.0))
    last: dict[str, float] = {}
    for move in rows(result, "migrations"):
        assert move["started_s"] >= last.get(move["guest"], -1e9) + 200.0
        last[move["guest"]] = move["ended_s"]
    assert only(result, "operations")["moved_twice"] > 0


# --------------------------------------------------------------------------- how it ends


def test_it_ends_with_its_window() -> None:
    """It is done then, and so is the run."""
    data = rebalance(four(), threshold=0.1)
    data["operation"]["window"] = 100.0
    result = solve(data)
    assert only(result, "operations")["ended_s"] == 100.0
    assert result.metrics["simulated_s"] == 100.0


def test_it_ends_with_the_last_of_the_other_operations() -> None:
    """What is under way goes on to its end, and nothing is cancelled."""
    drain = {"kind": "drain", "hosts": "rack0/host1", "at": 100.5}
    turn = {"kind": "rebalance", "at": 100.0, "balancer": {"threshold": 0.0, "every": 50.0}}
    data = rebalance(four(), threshold=0.0)
    data["operation"] = {"kind": "timetable", "operations": [turn, drain]}
    result = solve(data)
    by_name = {row["operation"]: row for row in rows(result, "operations")}
    assert by_name["rebalance"]["ended_s"] >= by_name["drain"]["ended_s"]
    outcomes = {m["outcome"] for m in rows(result, "migrations")}
    assert outcomes == {"completed"}
    assert result.metrics["simulated_s"] < 150.0


def test_alone_it_ends_with_the_horizon() -> None:
    """It is done then, not cut short."""
    result = solve(rebalance(four(), threshold=0.1, horizon=90.0))
    assert only(result, "operations")["ended_s"] == 90.0
    assert all(m["outcome"] == "completed" for m in rows(result, "migrations"))


# --------------------------------------------------------------------------- whatever happens


GUESTS = st.tuples(st.integers(0, 1), st.sampled_from([0.5, 1.0, 2.0]))


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from([0.5, 1.0, 2.0])), min_size=1, max_size=6
    ),
    st.sampled_from(["memory", "cpu", "guests"]),
    st.sampled_from(["max", "max-mean", "max-min", "std-dev", "variation"]),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([1, None]),
)
def test_loads_that_do_not_change_are_only_ever_more_even(
    guests: list[tuple[int, float]], metric: str, measure: str, threshold: float, moves: int | None
) -> None:
    """It comes to rest, with an imbalance no greater than before, and no guest moves twice."""
    groups = [
        cpu(size, memory=size * GiB, name=f"g{i}", place={"hosts": f"rack0/host{host}"})
        for i, (host, size) in enumerate(guests)
    ]
    data = rebalance(
        *groups, metric=metric, measure=measure, threshold=threshold, moves=moves, every=30.0
    )
    data["topology"]["host"]["cores"] = 64
    result = solve(data)
    row = only(result, "operations")
    assert row["imbalance_after"] <= row["imbalance_before"] + 1e-9
    assert row["moved_twice"] == 0
    assert row["completed"] == row["requested"]
