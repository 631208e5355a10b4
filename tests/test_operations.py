"""Operations: what is asked of the cluster, the order it is worked off in, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from dcsim.records.result import Result
from dcsim.records.tables import OUTCOMES
from dcsim.scenario.spec import Scenario
from dcsim.units import GiB
from tests.worlds import (
    FLUID,
    Data,
    guest,
    leaf_spine,
    only,
    rows,
    scenario,
    solve,
    topology,
    world,
    writer,
)


def moves(*pairs: tuple[str, str], **changes: object) -> Data:
    """An explicit list of moves."""
    listed = [{"guest": name, "to": to} for name, to in pairs]
    return {"kind": "moves", "moves": listed, **changes}


def small(gib: float) -> Data:
    """Two hosts of so many GiB."""
    return topology(host={"cores": 8, "memory": gib * GiB})


def table(result: Result, name: str) -> dict[str, Data]:
    """The rows of a table by their first column."""
    return {next(iter(row.values())): row for row in rows(result, name)}


# --------------------------------------------------------------------------- drains


def test_a_drain_empties_its_hosts() -> None:
    """Every guest on the hosts moves, the others stay, and the hosts table shows it."""
    here = guest(count=3, place={"hosts": "rack0/host0"}, name="here")
    there = guest(count=2, place={"hosts": "rack0/host1"}, name="there")
    result = solve(scenario(here, there))
    assert [m["guest"] for m in rows(result, "migrations")] == ["here-0", "here-1", "here-2"]
    first, second = rows(result, "hosts")
    assert (first["guests_before"], first["guests_after"]) == (3, 0)
    assert (second["guests_before"], second["guests_after"]) == (2, 5)
    assert (first["moved_out"], second["moved_in"]) == (3, 3)
    assert first["used_bytes"] == 0
    assert second["used_bytes"] == second["peak_bytes"] == 5 * GiB


def test_a_drain_begins_at_its_time() -> None:
    """Nothing is asked for before; times count from the beginning of the run."""
    data = scenario(guest(), migration=FLUID)
    data["operation"]["at"] = 25.0
    result = solve(data)
    row = only(result)
    assert row["requested_s"] == row["started_s"] == 25.0
    assert row["ended_s"] == pytest.approx(26.0)
    assert result.metrics["makespan_s"] == pytest.approx(1.0)


def test_a_drain_of_empty_hosts_says_why_nothing_moves() -> None:
    """No guest stands on the hosts: an event says so, and the run ends at once."""
    data = scenario(guest(place={"hosts": "rack0/host1"}))
    result = solve(data)
    assert rows(result, "migrations") == []
    assert result.metrics["requested"] == 0
    assert result.metrics["makespan_s"] == 0
    assert result.metrics["simulated_s"] == 0
    details = " ".join(e["detail"] for e in rows(result, "events"))
    assert "1 host matches rack0/host0" in details
    assert "0 guests" in details


def test_a_drain_reports_what_does_not_fit() -> None:
    """A guest that no host has room for is refused, and the reason has the figures."""
    big = guest(memory=3.0 * GiB, name="big")
    there = guest(memory=2.0 * GiB, name="there", place={"hosts": "rack0/host1"})
    row = only(solve(scenario(big, there, topology=small(4.0))))
    assert row["outcome"] == "no-room"
    assert "3 GiB" in row["reason"]
    assert "2 GiB" in row["reason"]
    assert "rack0/host1" in row["reason"]
    assert row["destination"] == ""


def test_a_guest_that_does_not_fit_holds_nobody_up() -> None:
    """Those behind it that fit go ahead."""
    big = guest(memory=3.0 * GiB, name="big")
    little = guest(count=2, name="little")
    there = guest(memory=3.0 * GiB, name="there", place={"hosts": "rack0/host1"})
    result = solve(scenario(big, little, there, topology=small(5.0)))
    outcomes = {m["guest"]: m["outcome"] for m in rows(result, "migrations")}
    assert outcomes == {"big-0": "no-room", "little-0": "completed", "little-1": "completed"}


@pytest.mark.parametrize(
    ("because", "word"),
    [("passthrough", "device"), ("pinned", "pinned"), ("local-disk", "disk"), (None, "movable")],
)
def test_guests_that_may_not_move_are_reported(because: str | None, word: str) -> None:
    """One row each, which names the reason; the others move."""
    stays = guest(name="stays", migratable="no", because=because)
    result = solve(scenario(stays, guest()))
    row = only(result, guest="stays-0")
    assert row["outcome"] == "not-movable"
    assert word in row["reason"] or "migratable" in row["reason"]
    assert only(result, guest="guest-0")["outcome"] == "completed"
    assert result.metrics["not_moved"] == 1


def test_cold_guests_are_drained_cold() -> None:
    """They are stopped and started elsewhere, beside those that move live."""
    cold = guest(name="cold", migratable="cold", because="pinned")
    data = scenario(cold, guest())
    data["migration"] |= {"cold_restart": 30.0}
    result = solve(data)
    assert result.metrics["completed"] == result.metrics["completed_cold"] == 1
    assert "pinned" in only(result, guest="cold-0")["reason"]
    assert only(result, guest="cold-0")["ended_s"] == 30.0


def test_a_cold_move_says_why_in_words() -> None:
    """Also where no reason was given: it did not complete live, and the row says so."""
    plain = only(solve(scenario(guest(migratable="cold"))))
    pinned = only(solve(scenario(guest(migratable="cold", because="pinned"))))
    assert plain["outcome"] == pinned["outcome"] == "completed-cold"
    assert len(plain["reason"].split()) > 1
    assert len(pinned["reason"].split()) > 1


def test_every_guest_asked_for_has_one_row() -> None:
    """Whatever comes of it: live, cold, refused, without room."""
    groups = [
        guest(name="live", count=3),
        guest(name="cold", migratable="cold", because="pinned"),
        guest(name="stays", migratable="no", because="pinned"),
        guest(name="big", memory=7.0 * GiB),
        guest(name="there", memory=2.0 * GiB, place={"hosts": "rack0/host1"}),
    ]
    result = solve(scenario(*groups, topology=small(14.0), horizon=2.0))
    found = [m["guest"] for m in rows(result, "migrations")]
    assert sorted(found) == ["big-0", "cold-0", "live-0", "live-1", "live-2", "stays-0"]
    assert {m["outcome"] for m in rows(result, "migrations")} <= set(OUTCOMES)
    assert result.metrics["requested"] == 6


# --------------------------------------------------------------------------- lists


def test_a_list_moves_whom_it_names_where_it_says() -> None:
    """Guests not on the list stay."""
    data = scenario(guest(count=3, place={"hosts": "rack0/host0"}), topology=leaf_spine())
    data["operation"] = moves(("guest-2", "rack1/host1"), ("guest-0", "rack0/host1"))
    result = solve(data)
    where = {g["guest"]: g["host"] for g in rows(result, "guests")}
    assert where == {
        "guest-0": "rack0/host1",
        "guest-1": "rack0/host0",
        "guest-2": "rack1/host1",
    }
    assert {m["guest"] for m in rows(result, "migrations")} == {"guest-0", "guest-2"}


def test_a_list_is_worked_off_in_its_order() -> None:
    """One at a time, they start as they are listed."""
    data = scenario(guest(count=4), migration=FLUID)
    order = ["guest-2", "guest-0", "guest-3", "guest-1"]
    data["operation"] = moves(*((g, "rack0/host1") for g in order), limits={"per_cluster": 1})
    started = rows(solve(data), "migrations")
    assert [m["guest"] for m in sorted(started, key=lambda m: m["started_s"])] == order


def test_who_has_to_wait_keeps_its_place() -> None:
    """A move whose host is full until another has left goes before those behind it on the list."""
    slow = {**FLUID, "max_bandwidth": 0.5 * GiB}
    groups = [
        guest(name="two", memory=2.0 * GiB),
        guest(name="small", count=4, memory=0.45 * GiB, migration=slow),
        guest(name="blocker", memory=2.0 * GiB, place={"hosts": "rack0/host1"}),
    ]
    net = leaf_spine(host={"cores": 8, "memory": 3.9 * GiB})
    data = scenario(*groups, topology=net, migration=FLUID)
    data["operation"] = moves(
        ("two-0", "rack0/host1"),
        *((f"small-{n}", "rack1/host1") for n in range(4)),
        ("blocker-0", "rack1/host0"),
        limits={"per_host_out": 1},
    )
    started = {m["guest"]: m["started_s"] for m in rows(solve(data), "migrations")}
    # blocker-0 has left after 2 s; small-2 ends at 2.7 s, and two-0 is first of its host's list
    assert started["small-2"] == pytest.approx(1.8)
    assert started["two-0"] == pytest.approx(2.7)
    assert started["small-3"] == pytest.approx(4.7)


def test_moving_to_where_it_is_is_cancelled() -> None:
    """Nothing is sent, and the row says why."""
    data = scenario(guest(count=2, place={"hosts": "rack0/host*", "by": "spread"}))
    data["operation"] = moves(("guest-0", "rack0/host0"), ("guest-1", "rack0/host0"))
    result = solve(data)
    row = only(result, guest="guest-0")
    assert row["outcome"] == "cancelled"
    assert "rack0/host0" in row["reason"]
    assert row["sent_bytes"] == 0
    assert only(result, guest="guest-1")["outcome"] == "completed"


def test_two_full_hosts_cannot_swap() -> None:
    """Neither has room before the other has left: both are refused, nothing hangs."""
    groups = [
        guest(name="a", memory=2.0 * GiB, place={"hosts": "rack0/host0"}),
        guest(name="b", memory=2.0 * GiB, place={"hosts": "rack0/host1"}),
    ]
    data = scenario(*groups, topology=small(3.0))
    data["operation"] = moves(("a-0", "rack0/host1"), ("b-0", "rack0/host0"))
    result = solve(data)
    assert [m["outcome"] for m in rows(result, "migrations")] == ["no-room"] * 2
    assert "rack0/host1 has 1 GiB free, it needs 2 GiB" in only(result, guest="a-0")["reason"]


def test_a_move_waits_for_room_that_another_makes() -> None:
    """The second goes when the first has left its place."""
    groups = [
        guest(name="a", memory=2.0 * GiB, place={"hosts": "rack0/host0"}),
        guest(name="b", memory=2.0 * GiB, place={"hosts": "rack0/host1"}),
    ]
    net = leaf_spine(host={"cores": 8, "memory": 3.0 * GiB})
    data = scenario(*groups, topology=net, migration=FLUID)
    data["operation"] = moves(("a-0", "rack0/host1"), ("b-0", "rack1/host0"))
    result = solve(data)
    first, second = only(result, guest="b-0"), only(result, guest="a-0")
    assert first["outcome"] == second["outcome"] == "completed"
    assert second["started_s"] == first["ended_s"] == pytest.approx(2.0)


def test_settings_of_a_group_are_its_own() -> None:
    """A group's own migration settings and hinting override the scenario's."""
    slow = guest(name="slow", migration={**FLUID, "max_bandwidth": 0.1 * GiB}, hinting="none")
    result = solve(scenario(slow, guest(), migration=FLUID))
    assert only(result, guest="slow-0")["total_time_s"] == pytest.approx(10.0)
    assert only(result, guest="slow-0")["hinting"] == "none"
    assert only(result, guest="guest-0")["hinting"] == "zero-page"
    assert only(result, guest="guest-0")["total_time_s"] < 2


# --------------------------------------------------------------------------- records


def test_events_tell_the_story_in_order() -> None:
    """The operation, each start, each end, and the operation's end, in order of time."""
    result = solve(scenario(guest(count=2)))
    events = rows(result, "events")
    assert [e["time_s"] for e in events] == sorted(e["time_s"] for e in events)
    assert [e["event"] for e in events].count("started") == 2
    assert [e["event"] for e in events].count("completed") == 2
    assert events[0]["event"] == events[-1]["event"] == "operation"
    assert "2 of 2 moved" in events[-1]["detail"]


def test_what_never_started_is_cancelled_at_the_horizon() -> None:
    """Queued when the run ends: a row of its own, without a start."""
    data = scenario(guest(count=3), migration=FLUID, horizon=1.5)
    data["operation"]["limits"] = {"per_cluster": 1}
    result = solve(data)
    outcomes = [m["outcome"] for m in rows(result, "migrations")]
    assert sorted(outcomes) == ["cancelled", "cancelled", "completed"]
    waiting = [m for m in rows(result, "migrations") if math.isnan(m["started_s"])]
    assert len(waiting) == 1
    assert "before it could start" in waiting[0]["reason"]
    assert waiting[0]["ended_s"] == 1.5


def test_reservations_keep_a_host_from_being_overbooked() -> None:
    """Room for one: two that are asked for at once do not both start."""
    data = scenario(guest(count=2), topology=small(2.5))
    data["guests"].append(guest(name="there", place={"hosts": "rack0/host1"}))
    run = world(data)
    result = run.result(None)
    outcomes = [m["outcome"] for m in rows(result, "migrations")]
    assert sorted(outcomes) == ["completed", "no-room"]
    assert run.hosts[1].peak_bytes == 2 * GiB


# --------------------------------------------------------------------------- hosts at a time


def test_hosts_are_emptied_so_many_at_a_time() -> None:
    """All are closed at once; the second is begun when the first is empty."""
    one = guest(name="one", place={"hosts": "rack0/host0"})
    two = guest(name="two", place={"hosts": "rack0/host1"})
    operation = {"kind": "drain", "hosts": "rack0/*", "at_once": 1}
    result = solve(scenario(one, two, topology=leaf_spine(), migration=FLUID, operation=operation))
    first, second = rows(result, "maintenance")
    assert [first[key] for key in ("operation", "host", "step", "trouble")] == [
        "drain", "rack0/host0", "drain", "",
    ]  # fmt: skip
    assert (first["from_s"], first["to_s"]) == (0.0, pytest.approx(1.0))
    assert (second["from_s"], second["to_s"]) == (first["to_s"], pytest.approx(2.0))
    row = only(result, "operations")
    assert (row["hosts"], row["hosts_done"], row["requested"], row["completed"]) == (2, 2, 2, 2)
    assert row["makespan_s"] == row["ended_s"] == pytest.approx(2.0)
    assert row["spare_bytes"] == 2 * GiB
    migrations = table(result, "migrations")
    assert migrations["two-0"]["destination"].startswith("rack1")


def test_a_host_that_cannot_be_emptied_says_what_is_left() -> None:
    """Its step ends with the trouble, it is not counted as done, and the next one has its turn."""
    stays = guest(name="stays", migratable="no", because="pinned")
    other = guest(name="other", place={"hosts": "rack0/host1"})
    operation = {"kind": "drain", "hosts": "rack0/*", "at_once": 1}
    result = solve(scenario(stays, other, topology=leaf_spine(), operation=operation))
    first, second = rows(result, "maintenance")
    assert (first["trouble"], second["trouble"]) == ("1 guest left", "")
    assert only(result, "operations")["hosts_done"] == 1
    assert only(result, "operations")["not_moved"] == 1


# --------------------------------------------------------------------------- windows


def test_nothing_starts_when_the_window_has_passed() -> None:
    """What runs is let end; who waits is told why it did not start."""
    data = scenario(guest(count=3), migration=FLUID)
    data["operation"] |= {"window": 1.5, "limits": {"per_cluster": 1}}
    result = solve(data)
    migrations = table(result, "migrations")
    outcomes = {name: row["outcome"] for name, row in migrations.items()}
    assert outcomes == {"guest-0": "completed", "guest-1": "completed", "guest-2": "cancelled"}
    assert migrations["guest-2"]["reason"] == ("the window of 1.5 s was over before it could start")
    assert migrations["guest-2"]["ended_s"] == 1.5
    row = only(result, "operations")
    assert (row["window_s"], row["hosts_done"], row["not_moved"]) == (1.5, 0, 1)
    assert rows(result, "maintenance")[0]["trouble"] == "1 guest left"


def test_a_retry_that_comes_after_the_window_is_refused() -> None:
    """It waited for its next attempt as the window passed."""
    slow = FLUID | {"max_bandwidth": 0.1 * GiB}
    data = scenario(guest(migration=slow))
    retry = {"attempts": 3, "delay": 5.0}
    data["operation"] |= {"window": 3.0, "limits": {"completion_timeout": 2.0, "retry": retry}}
    first, second = rows(solve(data), "migrations")
    assert (first["outcome"], first["attempt"]) == ("aborted-timeout", 1)
    assert (second["outcome"], second["attempt"]) == ("cancelled", 2)
    assert second["ended_s"] == pytest.approx(7.0)


# --------------------------------------------------------------------------- timetables


def timetable(*operations: Data, **changes: object) -> Data:
    """Several operations."""
    return {"kind": "timetable", "operations": list(operations), **changes}


def test_operations_of_a_timetable_share_the_limits() -> None:
    """Two drains at once, one migration at a time between them; each has its own row."""
    one = guest(name="one", place={"hosts": "rack0/host0"})
    two = guest(name="two", place={"hosts": "rack0/host1"})
    drains = [
        {"kind": "drain", "name": f"host{i}", "hosts": f"rack0/host{i}", "at": 0.5 * i}
        for i in range(2)
    ]
    operation = timetable(*drains, limits={"per_cluster": 1})
    result = solve(scenario(one, two, topology=leaf_spine(), migration=FLUID, operation=operation))
    migrations = table(result, "migrations")
    assert migrations["two-0"]["started_s"] == migrations["one-0"]["ended_s"] == 1.0
    assert migrations["two-0"]["after"] == "one-0"
    assert migrations["one-0"]["after"] == ""
    assert [m["operation"] for m in migrations.values()] == ["host0", "host1"]
    operations = table(result, "operations")
    assert (operations["host0"]["at_s"], operations["host0"]["makespan_s"]) == (0.0, 1.0)
    assert (operations["host1"]["at_s"], operations["host1"]["makespan_s"]) == (0.5, 1.5)
    assert result.metrics["makespan_s"] == 2.0


def test_a_host_waits_for_guests_that_are_on_their_way_to_it() -> None:
    """A drain begins while a guest of another operation comes: that guest leaves again."""
    operation = timetable(
        {"kind": "moves", "moves": [{"guest": "guest-0", "to": "rack0/host1"}]},
        {"kind": "drain", "hosts": "rack0/host1", "at": 0.5},
    )
    data = scenario(guest(), topology=leaf_spine(), migration=FLUID, operation=operation)
    result = solve(data)
    first, second = rows(result, "migrations")
    assert (first["operation"], first["destination"]) == ("moves", "rack0/host1")
    assert (second["operation"], second["source"]) == ("drain", "rack0/host1")
    assert second["requested_s"] == first["ended_s"] == 1.0
    operations = table(result, "operations")
    assert operations["drain"]["moved_twice"] == operations["drain"]["hosts_done"] == 1
    assert operations["drain"]["makespan_s"] == 1.5


def test_a_guest_that_is_asked_for_twice_moves_once_at_a_time() -> None:
    """Who asks for it while it moves is told that it has gone."""
    operation = timetable(
        {"kind": "moves", "moves": [{"guest": "guest-0", "to": "rack1/host0"}]},
        {"kind": "drain", "hosts": "rack0/host0", "at": 0.5},
    )
    data = scenario(guest(), topology=leaf_spine(), migration=FLUID, operation=operation)
    first, second = rows(solve(data), "migrations")
    assert (first["outcome"], first["destination"]) == ("completed", "rack1/host0")
    assert (second["outcome"], second["reason"]) == ("cancelled", "it went to rack1/host0 already")


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"operations.0.limits": {"per_cluster": 1}}, "operations.0.limits", "share it"),
        ({"operations.0.placement": "first-fit"}, "operations.0.placement", "share it"),
        ({"operations.1.name": "drain"}, "operations.1.name", "called 'drain' too"),
        ({"operations.0.at": 4000.0}, "operations.0.at", "when the horizon"),
    ],
)
def test_what_a_timetable_may_not_say(changes: Data, path: str, message: str) -> None:
    """What is shared is said once, and names tell operations apart."""
    operation = timetable(
        {"kind": "drain", "hosts": "rack0/host0"},
        {"kind": "drain", "name": "other", "hosts": "rack0/host1"},
    )
    for key, value in changes.items():
        part: Any = operation
        *steps, last = key.split(".")
        for step in steps:
            part = part[int(step) if step.isdigit() else step]
        part[last] = value
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate(scenario(topology=leaf_spine(), operation=operation))
    (error,) = caught.value.errors()
    place = ".".join(map(str, (*error["loc"], *error.get("ctx", {}).get("path", ()))))
    assert place.endswith(path)
    assert message in error["msg"]


# --------------------------------------------------------------------------- swaps


def crowded_out(**changes: object) -> Data:
    """A guest of 3 GiB that fits nowhere unless another gives way."""
    big = guest(memory=3.0 * GiB, name="big")
    small_one = guest(memory=1.0 * GiB, name="small", place={"hosts": "rack1/host0"})
    large = guest(memory=2.0 * GiB, name="large", place={"hosts": "rack1/host1"})
    filler = guest(memory=3.0 * GiB, name="filler", place={"hosts": "rack0/host1"})
    net = leaf_spine(host={"cores": 8, "memory": 3.5 * GiB})
    operation = {"kind": "drain", "hosts": "rack0/host0", "placement": "first-fit", **changes}
    return scenario(big, small_one, large, filler, topology=net, operation=operation)


def test_another_guest_makes_room_where_none_is() -> None:
    """The small one moves to where it fits, and the big one takes its place."""
    result = solve(crowded_out(swap=True))
    first, second = rows(result, "migrations")
    assert (first["guest"], first["source"], first["destination"]) == (
        "small-0", "rack1/host0", "rack1/host1",
    )  # fmt: skip
    assert (second["guest"], second["destination"]) == ("big-0", "rack1/host0")
    assert second["started_s"] == first["ended_s"]
    assert second["after"] == "small-0"
    assert only(result, "events", event="swap")["detail"] == "makes room for big-0"
    row = only(result, "operations")
    assert (row["requested"], row["completed"], row["hosts_done"]) == (2, 2, 1)


def test_nobody_gives_way_unless_asked() -> None:
    """Without swap it is refused, with the figures."""
    row = only(solve(crowded_out()))
    assert row["outcome"] == "no-room"
    assert "no other host has 3 GiB free" in row["reason"]


def test_who_gave_way_in_vain_does_so_once() -> None:
    """Its move is aborted: the big one is refused then, and the run ends."""
    slow = FLUID | {"max_bandwidth": 0.1 * GiB}
    data = crowded_out(swap=True, limits={"completion_timeout": 2.0})
    data["guests"][1]["migration"] = slow
    first, second = rows(solve(data), "migrations")
    assert (first["guest"], first["outcome"]) == ("small-0", "aborted-timeout")
    assert (second["guest"], second["outcome"]) == ("big-0", "no-room")


def test_nobody_is_refused_for_room_while_another_is_to_be_tried_again() -> None:
    """Who fits nowhere waits until the last attempt of the other has ended."""
    busy = guest(writer("max", 0.5), name="busy")
    large = guest(name="large", memory=3.0 * GiB)
    data = scenario(busy, large, topology=topology(host={"cores": 64, "memory": 5.0 * GiB}))
    data["guests"].append(guest(name="old", memory=3.0 * GiB, place={"hosts": "rack0/host1"}))
    data["migration"]["max_bandwidth"] = float(GiB) / 16
    data["operation"]["limits"] = {
        "completion_timeout": 5.0,
        "retry": {"attempts": 2, "delay": 10.0},
    }
    moves = rows(solve(data), "migrations")
    tried = [row for row in moves if row["guest"] == "busy-0"]
    refused = next(row for row in moves if row["guest"] == "large-0")
    assert len(tried) == 2
    assert (refused["outcome"], refused["ended_s"]) == ("no-room", tried[-1]["ended_s"])


# --------------------------------------------------------------------------- how fast it could be


def test_what_made_a_drain_as_long_as_it_was_is_told() -> None:
    """Two at a time: the guests that followed one another, and what no order could beat."""
    data = scenario(guest(count=4), migration=FLUID)
    data["operation"]["limits"] = {"per_cluster": 1}
    row = only(solve(data), "operations")
    assert row["lower_bound_s"] == pytest.approx(4.0)
    assert row["bound"] == "the link of rack0/host0"
    assert row["critical_steps"] == 4
    assert row["critical_path"] == "guest-0 1 s, guest-1 1 s, guest-2 1 s, guest-3 1 s"
    assert row["busiest_link"] in {"rack0/host0->switch0", "switch0->rack0/host1"}
    assert row["busiest_share"] == pytest.approx(1.0)


def test_hosts_one_at_a_time_follow_one_another() -> None:
    """Of hosts by turns the critical path is one of hosts."""
    groups = [guest(name=f"on{i}", place={"hosts": f"rack0/host{i}"}) for i in range(2)]
    operation = {"kind": "drain", "hosts": "rack0/*", "at_once": 1}
    data = scenario(*groups, topology=leaf_spine(), migration=FLUID, operation=operation)
    row = only(solve(data), "operations")
    assert row["critical_steps"] == 2
    assert row["critical_path"] == "rack0/host0 1 s, rack0/host1 1 s"
    assert (row["lower_bound_s"], row["bound"]) == (pytest.approx(2.0), "1 host at a time")
