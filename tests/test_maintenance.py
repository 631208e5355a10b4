"""Hosts that go away and return: rolling upgrades, evacuations by a deadline, notices."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dcsim.records.result import Result
from dcsim.records.tables import OUTCOMES
from dcsim.scenario.chance import random_inputs
from dcsim.scenario.spec import Scenario
from dcsim.units import GiB
from tests.worlds import FLUID, Data, guest, leaf_spine, only, rows, scenario, solve

ONE = guest(name="one", place={"hosts": "rack0/host0"})
TWO = guest(name="two", place={"hosts": "rack0/host1"})
STAYS = guest(name="stays", migratable="no", because="pinned", place={"hosts": "rack0/host0"})


def world(*guests: Data, **operation: Any) -> Data:
    """Four hosts in two racks, a GiB/s each; a guest of 1 GiB moves in a second."""
    return scenario(*guests, topology=leaf_spine(), migration=FLUID, operation=operation)


def upgrade(*guests: Data, **changes: Any) -> Data:
    """Upgrade the first rack, one host at a time, 100 s each."""
    operation = {"kind": "upgrade", "hosts": "rack0/*", "reboot": 100.0}
    return world(*guests, **operation | changes)


def steps(result: Result, host: str) -> list[tuple[Any, ...]]:
    """The steps of a host's maintenance, in order: name, from, to, trouble."""
    found = [row for row in rows(result, "maintenance") if row["host"] == host]
    return [(row["step"], row["from_s"], row["to_s"], row["trouble"]) for row in found]


def told(result: Result, event: str) -> list[tuple[float, str, str]]:
    """Events of a kind."""
    found = [row for row in rows(result, "events") if row["event"] == event]
    return [(row["time_s"], row["subject"], row["detail"]) for row in found]


# --------------------------------------------------------------------------- upgrades


def test_hosts_are_upgraded_in_turn() -> None:
    """Emptied in 1 s, rebooted in 100 s, checked in 10 s, guests back in 1 s: 112 s a host."""
    result = solve(upgrade(ONE, TWO, check={"lasts": 10.0}, move_back=True))
    assert steps(result, "rack0/host0") == [
        ("drain", 0.0, 1.0, ""),
        ("reboot", 1.0, 101.0, ""),
        ("health check", 101.0, 111.0, ""),
        ("move back", 111.0, 112.0, ""),
    ]
    assert steps(result, "rack0/host1")[0] == ("drain", 112.0, 113.0, "")
    row = only(result, "operations")
    assert (row["makespan_s"], row["hosts"], row["hosts_done"]) == (224.0, 2, 2)
    assert (row["requested"], row["completed"], row["moved_twice"]) == (4, 4, 2)
    assert row["spare_bytes"] == GiB
    assert {g["guest"]: g["host"] for g in rows(result, "guests")} == {
        "one-0": "rack0/host0",
        "two-0": "rack0/host1",
    }


def test_several_hosts_are_away_at_once() -> None:
    """Both in the time of one; nobody goes to the other."""
    result = solve(upgrade(ONE, TWO, at_once=2))
    row = only(result, "operations")
    assert (row["makespan_s"], row["hosts_done"], row["spare_bytes"]) == (101.0, 2, 2 * GiB)
    assert all(m["destination"].startswith("rack1") for m in rows(result, "migrations"))


def test_a_host_that_cannot_be_emptied_is_skipped() -> None:
    """It says why, takes guests again, and the next one has its turn."""
    result = solve(upgrade(STAYS, TWO, move_back=True))
    assert steps(result, "rack0/host0") == [("drain", 0.0, 0.0, "1 guest left")]
    assert told(result, "skipped") == [(0.0, "rack0/host0", "1 guest could not leave it")]
    assert only(result, "operations")["hosts_done"] == 1
    moved = [m["destination"] for m in rows(result, "migrations") if m["guest"] == "two-0"]
    assert moved == ["rack1/host0", "rack0/host1"]
    ends = told(result, "operation")[-1]
    assert ends == (102.0, "upgrade", "done: 1 host upgraded, 1 left; 2 of 3 moved")


def test_guests_that_stay_can_be_stopped_for_the_reboot() -> None:
    """They lose the time that their host is away, checks included, under `restart`."""
    result = solve(upgrade(STAYS, left="stop", check={"lasts": 10.0}))
    assert only(result, "operations")["hosts_done"] == 2
    row = only(result, "guests")
    assert (row["host"], row["blackout_s"]) == ("rack0/host0", 110.0)
    assert row["lost_restart_s"] == row["lost_work_s"] == 110.0


def test_who_fails_its_check_is_rebooted_again_and_stays_out_at_last() -> None:
    """Two attempts of 110 s each; nobody comes to it, and the next host has its turn."""
    check = {"lasts": 10.0, "fails": 1.0, "attempts": 2}
    result = solve(upgrade(ONE, TWO, check=check))
    assert steps(result, "rack0/host0")[1:] == [
        ("reboot", 1.0, 101.0, ""),
        ("health check", 101.0, 111.0, "it did not pass"),
        ("reboot", 111.0, 211.0, ""),
        ("health check", 211.0, 221.0, "it did not pass"),
    ]
    assert told(result, "skipped")[0][1:] == (
        "rack0/host0",
        "it did not come back healthy, and stays out",
    )
    assert only(result, "operations")["hosts_done"] == 0
    assert all(m["destination"].startswith("rack1") for m in rows(result, "migrations"))


def test_hosts_begun_with_are_finished_after_the_window() -> None:
    """The window passes while the first host is emptied: its second guest goes all the same."""
    one = guest(name="one", count=2, place={"hosts": "rack0/host0"})
    result = solve(upgrade(one, TWO, window=0.5, limits={"per_cluster": 1}))
    assert steps(result, "rack0/host0") == [("drain", 0.0, 2.0, ""), ("reboot", 2.0, 102.0, "")]
    assert steps(result, "rack0/host1") == []
    row = only(result, "operations")
    assert (row["hosts"], row["hosts_done"], row["completed"]) == (2, 1, 2)


def test_guests_wait_for_a_host_that_is_away() -> None:
    """There is room for one more guest elsewhere: the second host's waits for the first host."""
    net = leaf_spine(leaves=1, hosts_per_leaf=3, host={"cores": 8, "memory": 2.5 * GiB})
    groups = [guest(name=f"on{i}", count=2, place={"hosts": f"rack0/host{i}"}) for i in range(2)]
    operation = {"kind": "upgrade", "hosts": "rack0/host[01]", "reboot": 100.0, "at_once": 2}
    result = solve(scenario(*groups, topology=net, migration=FLUID, operation=operation))
    row = only(result, "operations")
    assert (row["completed"], row["not_moved"], row["hosts_done"]) == (4, 0, 2)
    assert steps(result, "rack0/host1")[0][2] > 100


def test_hosts_that_wait_for_each_other_are_told_that_there_is_no_room() -> None:
    """Neither has room for the other's guest; both are skipped, and nothing hangs."""
    net = leaf_spine(leaves=1, hosts_per_leaf=2, host={"cores": 8, "memory": 1.5 * GiB})
    operation = {"kind": "upgrade", "hosts": "rack0/*", "reboot": 100.0, "at_once": 2}
    data = scenario(ONE, TWO, topology=net, migration=FLUID, operation=operation)
    result = solve(data)
    assert {m["outcome"] for m in rows(result, "migrations")} == {"no-room"}
    assert only(result, "operations")["hosts_done"] == 0
    assert len(told(result, "skipped")) == 2


def test_a_host_that_fails_is_not_upgraded() -> None:
    """Neither before its turn nor while it is away; the upgrade goes on."""
    data = upgrade(ONE, TWO)
    data["failures"] = [{"at": 50.0, "host": "rack0/host0"}, {"at": 60.0, "host": "rack0/host1"}]
    result = solve(data)
    assert only(result, "operations")["hosts_done"] == 0
    assert [subject for _, subject, _ in told(result, "skipped")] == ["rack0/host0", "rack0/host1"]
    assert told(result, "skipped")[1][2] == "it failed"


def test_a_move_to_a_host_that_is_away_waits_for_it() -> None:
    """An explicit move of another operation starts when the host is back."""
    operations = [
        {"kind": "upgrade", "hosts": "rack0/host0", "reboot": 100.0},
        {"kind": "moves", "at": 10.0, "moves": [{"guest": "two-0", "to": "rack0/host0"}]},
    ]
    result = solve(world(TWO, kind="timetable", operations=operations))
    row = only(result)
    assert (row["started_s"], row["outcome"], row["after"]) == (100.0, "completed", "rack0/host0")


def test_reboot_times_are_each_hosts_own() -> None:
    """Drawn by operation and host: the order of hosts, and how many at a time, changes none."""
    reboot = {"kind": "exponential", "mean": 100.0}

    def times(**changes: Any) -> dict[str, float]:
        result = solve(upgrade(ONE, TWO, reboot=reboot, **changes))
        return {
            row["host"]: pytest.approx(row["to_s"] - row["from_s"])
            for row in rows(result, "maintenance")
            if row["step"] == "reboot"
        }

    assert times() == times(at_once=2)
    assert times(hosts="rack0/host1") == {"rack0/host1": times()["rack0/host1"]}
    assert len({str(time) for time in times().values()}) == 2


# --------------------------------------------------------------------------- evacuations


def evacuation(*guests: Data, **changes: Any) -> Data:
    """Evacuate the first host in 2.5 s, one guest at a time."""
    operation = {"kind": "evacuate", "hosts": "rack0/host0", "deadline": 2.5}
    return world(*guests, **operation | {"limits": {"per_cluster": 1}} | changes)


def test_who_is_left_when_the_power_goes_is_lost() -> None:
    """Of four guests two are out, one is half out; 1.5 GiB at 1 GiB/s would have taken 1.5 s."""
    result = solve(evacuation(guest(name="a", count=4), TWO))
    row = only(result, "operations")
    assert (row["deadline_s"], row["makespan_s"], row["lost"]) == (2.5, 2.5, 2)
    assert row["missed_s"] == pytest.approx(1.5)
    assert (row["completed"], row["not_moved"], row["hosts_done"]) == (2, 2, 0)
    outcomes = [m["outcome"] for m in rows(result, "migrations")]
    assert sorted(outcomes) == ["completed", "completed", "failed-host", "failed-host"]
    assert only(result, guest="a-2")["left_bytes"] == pytest.approx(GiB / 2)
    assert steps(result, "rack0/host0") == [("drain", 0.0, 2.5, "2 guests left")]


def test_an_evacuation_ends_when_all_have_left() -> None:
    """Nobody is lost, nothing was missed."""
    result = solve(evacuation(guest(name="a", count=2)))
    row = only(result, "operations")
    assert (row["makespan_s"], row["lost"], row["missed_s"], row["hosts_done"]) == (2.0, 0, 0.0, 1)


def test_who_cannot_move_is_lost_and_not_estimated() -> None:
    """Its host is waited for until the power goes."""
    result = solve(evacuation(STAYS, guest(name="a", count=2)))
    row = only(result, "operations")
    assert (row["makespan_s"], row["lost"], row["missed_s"]) == (2.5, 1, 0.0)
    lost = only(result, "guests", guest="stays-0")
    assert lost["lost_failure_s"] == 0.0  # the run ends with the power


def test_no_pace_is_no_estimate() -> None:
    """Nothing has gone at all: there is nothing to reckon with."""
    data = evacuation(guest(migratable="cold", because="pinned"), deadline=1.0)
    data["migration"] = FLUID | {"cold_restart": 5.0}
    row = only(solve(data), "operations")
    assert row["lost"] == 1
    assert math.isnan(row["missed_s"])


def test_the_power_goes_though_all_have_left() -> None:
    """The evacuation has ended by then, but the host is as lost."""
    result = solve(evacuation(ONE) | {"settle": 10.0})
    assert only(result, "operations")["makespan_s"] == 1.0
    assert told(result, "failure") == [
        (2.5, "rack0/host0", "this host is lost, and 0 guests on it")
    ]


def test_requests_carry_the_deadline() -> None:
    """Orders look at it."""
    from dcsim.simulation.engine import _Run
    from dcsim.simulation.prepared import prepare

    run = _Run(prepare(Scenario.model_validate(evacuation(ONE) | {"horizon": 0.5})), check=True)
    seen: list[float] = []
    start = run.dispatcher.start

    def noting(request: Any, destination: Any) -> Any:
        seen.append(request.deadline_s)
        return start(request, destination)

    run.dispatcher.start = noting  # type: ignore[method-assign]
    run.result(None)
    assert seen == [2.5]


# --------------------------------------------------------------------------- notices


def notices(*guests: Data, **changes: Any) -> Data:
    """The first host is told at 1 s, and goes at 2.5 s for 10 s; one guest moves at a time."""
    operation = {
        "kind": "notices",
        "hosts": "rack0/*",
        "pick": "in-order",
        "times": [1.0],
        "notice": 1.5,
        "away": 10.0,
        "limits": {"per_cluster": 1},
    }
    return world(*guests, **operation | changes)


def test_a_host_goes_when_its_notice_is_over() -> None:
    """One guest is out; one breaks off, and is lost with the one that waits; the host is back."""
    result = solve(notices(guest(name="a", count=3)))
    assert told(result, "notice") == [(1.0, "rack0/host0", "it goes in 1.5 s")]
    assert steps(result, "rack0/host0") == [
        ("drain", 1.0, 2.5, "2 guests left"),
        ("away", 2.5, 12.5, "2 guests are lost"),
    ]
    row = only(result, "operations")
    assert (row["lost"], row["completed"], row["makespan_s"]) == (2, 1, 12.5)
    assert sorted(g["host"] for g in rows(result, "guests")) == ["", "", "rack0/host1"]
    assert only(result, "hosts", host="rack0/host0")["used_bytes"] == 0
    assert told(result, "back") == [(12.5, "rack0/host0", "it takes guests again")]


def test_guests_may_be_stopped_while_their_host_is_away() -> None:
    """They go on where they were, and lost 10 s; the migration that broke off is reported."""
    result = solve(notices(guest(name="a", count=3), left="stop"))
    assert only(result, "operations")["lost"] == 0
    outcomes = [m["outcome"] for m in rows(result, "migrations")]
    assert sorted(outcomes) == ["cancelled", "completed", "failed-host"]
    lost = {g["guest"]: (g["host"], g["lost_restart_s"]) for g in rows(result, "guests")}
    assert lost["a-0"] == ("rack0/host1", 0.0)
    assert lost["a-1"] == lost["a-2"] == ("rack0/host0", 10.0)


def test_a_host_may_go_for_good() -> None:
    """The next notice goes to another; when none is there, it is said."""
    result = solve(notices(ONE, times=[1.0, 5.0, 9.0], away=None))
    assert [(at, who) for at, who, _ in told(result, "notice")] == [
        (1.0, "rack0/host0"),
        (5.0, "rack0/host1"),
        (9.0, "notices"),
    ]
    assert only(result, "operations")["makespan_s"] == 9.0


def test_random_notices_stop_with_their_number_or_the_window() -> None:
    """Every 5 s, which is not random here; the window's end gives none that were to come."""
    some = notices(ONE, times=None, every=5.0, count=2, notice=1.0, away=1.0)
    assert [at for at, *_ in told(solve(some), "notice")] == [5.0, 10.0]
    some["operation"] |= {"count": None, "window": 17.0}
    result = solve(some)
    assert [at for at, *_ in told(result, "notice")] == [5.0, 10.0, 15.0]
    assert only(result, "operations")["makespan_s"] == 17.0


# --------------------------------------------------------------------------- what is asked


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": None}, "give times or every"),
        ({"every": 5.0}, "give times or every"),
        ({"count": 3}, "means nothing where times are listed"),
        ({"times": None, "every": 5.0}, "set count or window"),
        ({"left": "stop", "away": None}, "set away"),
    ],
)
def test_notices_say_when_and_for_how_long(changes: Data, message: str) -> None:
    """In a way that ends."""
    with pytest.raises(ValidationError, match=message):
        Scenario.model_validate(notices(**changes))


def test_what_is_random_is_listed() -> None:
    """Reboots, checks, notices: only what is drawn."""
    check = {"lasts": {"kind": "uniform", "low": 1.0, "high": 2.0}, "fails": 0.1}
    drawn = upgrade(reboot={"kind": "exponential", "mean": 9.0}, check=check)
    assert random_inputs(Scenario.model_validate(drawn)) == [
        "reboot times of operation upgrade",
        "times of health checks of operation upgrade",
        "who fails a health check of operation upgrade",
    ]
    assert random_inputs(Scenario.model_validate(upgrade())) == []
    told = notices(pick="random", away={"kind": "exponential", "mean": 9.0})
    assert random_inputs(Scenario.model_validate(told)) == [
        "which hosts get notices of operation notices",
        "times away of operation notices",
    ]


# --------------------------------------------------------------------------- whatever happens

DURATIONS = st.sampled_from([0.0, 0.3, 1.0, 2.5, 20.0])
UPGRADES = st.fixed_dictionaries({
    "kind": st.just("upgrade"), "at_once": st.integers(1, 4), "reboot": DURATIONS,
    "left": st.sampled_from(["skip", "stop"]), "move_back": st.booleans(),
    "check": st.sampled_from([None, {"lasts": 1.0, "fails": 0.5, "attempts": 2}]),
    "window": st.sampled_from([None, 2.0]),
})  # fmt: skip
EVACUATIONS = st.fixed_dictionaries({
    "kind": st.just("evacuate"), "deadline": st.sampled_from([0.1, 1.0, 2.5, 20.0]),
})  # fmt: skip
NOTICES = st.fixed_dictionaries({
    "kind": st.just("notices"), "notice": DURATIONS,
    "pick": st.sampled_from(["random", "in-order"]),
    "times": st.lists(DURATIONS, min_size=1, max_size=4), "left": st.sampled_from(["lose", "stop"]),
    "away": DURATIONS,
})  # fmt: skip
PARTS = st.tuples(
    st.one_of(UPGRADES, EVACUATIONS, NOTICES),
    st.sampled_from(["rack0/*", "rack0/host0", "rack[01]/host1"]),
    DURATIONS,
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(PARTS, min_size=1, max_size=3),
    st.sampled_from([2.5 * GiB, 4.0 * GiB, 64.0 * GiB]),
    st.sampled_from([{}, {"per_cluster": 1}, {"per_host_out": 1, "per_host_in": 1}]),
    st.sampled_from([None, {"attempts": 2, "delay": 0.5}]),
)
def test_whatever_goes_away_everyone_is_somewhere(
    parts: list[tuple[Data, str, float]],
    memory: float,
    limits: Data,
    retry: Data | None,
) -> None:
    """Every run ends; each guest is on one host or lost, and what was asked has come to its end."""
    operations = [
        one | {"hosts": hosts, "at": at, "name": f"part {i}"}
        for i, (one, hosts, at) in enumerate(parts)
    ]
    groups = [
        guest(name="live", count=3, place={"hosts": "rack0/*", "by": "spread"}),
        guest(name="cold", migratable="cold", because="pinned", place={"hosts": "rack0/host1"}),
        guest(name="stays", memory=0.5 * GiB, migratable="no", because="pinned"),
        guest(name="far", place={"hosts": "rack1/host1"}),
    ]
    data = scenario(*groups, topology=leaf_spine(host={"cores": 64, "memory": memory}))
    data["migration"] = FLUID | {"cold_restart": 1.5}
    limits = limits | ({"retry": retry} if retry else {})
    data["operation"] = {"kind": "timetable", "operations": operations, "limits": limits}
    result = solve(data)
    assert result.metrics["simulated_s"] < 3600
    asked = rows(result, "migrations")
    assert {m["outcome"] for m in asked} <= set(OUTCOMES)
    final = [m for m in asked if not m["outcome"].startswith(("aborted", "failed")) or not retry]
    assert len(final) <= sum(row["requested"] for row in rows(result, "operations")) <= len(asked)
    for row in rows(result, "operations"):
        assert not math.isnan(row["ended_s"])
        assert row["requested"] == row["completed"] + row["completed_cold"] + row["not_moved"]
        assert row["hosts_done"] >= 0
        assert row["spare_bytes"] >= 0
    used = {h["host"]: h["used_bytes"] for h in rows(result, "hosts")}
    standing = dict.fromkeys(used, 0.0)
    for one in rows(result, "guests"):
        if one["host"]:
            standing[one["host"]] += one["memory_bytes"]
    assert used == pytest.approx(standing)
    lost = sum(row["lost"] for row in rows(result, "operations"))
    assert lost <= sum(group.get("count", 1) for group in groups)


def test_a_summary_tells_when_the_last_host_was_back() -> None:
    """What studies and plans may ask for, where nothing but a summary is kept."""
    result = solve(upgrade(ONE, TWO))
    end = only(result, "operations")["makespan_s"]
    assert result.metrics["operations_s"] == end > result.metrics["makespan_s"] > 0
    brief = solve(upgrade(ONE, TWO) | {"record": "summary"})
    assert brief.metrics["operations_s"] == end
