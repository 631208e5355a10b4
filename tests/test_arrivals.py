"""Guests that come and go while operations run."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.cli.portrait import lines
from dcsim.errors import ScenarioError
from dcsim.scenario.chance import random_inputs
from dcsim.scenario.spec import Scenario
from dcsim.simulation import run
from dcsim.simulation.prepared import prepare
from dcsim.units import GiB, MiB
from tests.worlds import (
    Data,
    guest,
    leaf_spine,
    only,
    reader,
    rows,
    scenario,
    solve,
    topology,
    world,
    writer,
)

SOURCE, TARGET = "rack0/host0", "rack0/host1"


def arriving(*activities: Data, every: Any = 10.0, **changes: Any) -> Data:
    """A group of which all guests arrive, one every ten seconds."""
    arrivals = {"every": every, **changes.pop("arrivals", {})}
    group = guest(*activities, arrivals=arrivals, name="new", **changes)
    del group["place"]
    return group


def still(*guests: Data, until: float, **changes: Any) -> Data:
    """A scenario in which guests come and go, and nothing moves until its end."""
    operation = {"kind": "drain", "hosts": "rack1/host1", "at": until, "placement": "first-fit"}
    values = {"topology": leaf_spine(), "operation": operation, "horizon": until + 1.0}
    return scenario(*guests, **(values | changes))


def lives(result: Any) -> dict[str, tuple[float, float]]:
    """When each guest came and left."""
    return {row["guest"]: (row["arrived_s"], row["left_s"]) for row in rows(result, "guests")}


# --------------------------------------------------------------------------- when


def test_guests_arrive_one_after_another_and_leave_when_they_have_stayed() -> None:
    """Every ten seconds from 5 s on, for 25 s each; what starts there stays for 25 s too."""
    data = still(
        guest(stay=25.0), arriving(stay=25.0, arrivals={"start": 5.0, "until": 46.0}), until=60.0
    )
    result = solve(data)
    assert lives(result) == {
        "guest-0": (0.0, 25.0),
        "new-0": (15.0, 40.0),
        "new-1": (25.0, 50.0),
        "new-2": (35.0, 60.0),
        "new-3": (45.0, pytest.approx(math.nan, nan_ok=True)),
    }
    assert (result.metrics["departed"], result.metrics["rejected"]) == (4, 0)
    assert only(result, "guests", guest="new-3")["host"] == SOURCE  # first fit
    assert only(result, "guests", guest="new-2")["host"] == ""


def test_no_more_arrive_than_are_asked_for() -> None:
    """`most` bounds them; those that stand there count first in names."""
    group = guest(name="new", count=2, arrivals={"every": "1s", "most": 3})
    names = [row["guest"] for row in rows(solve(still(group, until=10.0)), "guests")]
    assert names == ["new-0", "new-1", "new-2", "new-3", "new-4"]


def test_a_guest_that_arrives_works_from_then_on_under_the_load_of_that_time() -> None:
    """A load of one half from 20 s on holds for who comes later, from its first moment."""
    rate = float(MiB)
    load = {"points": [[0.0, 1.0], [20.0, 0.5]]}
    data = still(arriving(writer(rate, 0.5), load=load, stay=5.0), until=40.0)
    written = {row["guest"]: row["written_pages"] for row in rows(solve(data), "guests")}
    assert written["new-0"] == pytest.approx(5.0 * rate / 4096)
    assert written["new-2"] == pytest.approx(2.5 * rate / 4096)


def test_noise_of_the_load_is_drawn_for_the_stay_alone() -> None:
    """Steps begin as the guest comes, and end as it leaves."""
    load = {"noise": 0.2, "every": 3.0}
    data = still(arriving(writer(1e6, 0.5), load=load, stay=10.0), until=35.0)
    plans = prepare(Scenario.model_validate(data)).arrivals
    times = [[time for time, _ in plan.levels] for plan in plans]
    assert times[:2] == [[10.0, 13.0, 16.0, 19.0], [20.0, 23.0, 26.0, 29.0]]


# --------------------------------------------------------------------------- where


def test_who_finds_no_host_is_rejected() -> None:
    """Hosts of 2.5 GiB take two guests of 1 GiB each; one that is drained takes none."""
    hosts = topology(host={"cores": 64, "memory": 2.5 * GiB})
    operation = {"kind": "drain", "hosts": TARGET, "at": 0.0}
    data = scenario(
        arriving(arrivals={"most": 3}), topology=hosts, operation=operation, settle=60.0
    )
    result = solve(data)
    assert [row["host"] for row in rows(result, "guests")] == ["", SOURCE, SOURCE]
    gone = only(result, "guests", guest="new-2")
    assert math.isnan(gone["arrived_s"])
    assert math.isnan(gone["left_s"])
    assert gone["lost_work_s"] == 0.0
    assert (result.metrics["rejected"], result.metrics["lost_guests"]) == (1, 0)
    assert only(result, "events", event="rejected")["detail"] == (
        f"no host has 1 GiB free; the most free is 512 MiB on {SOURCE}"
    )


def test_limits_of_migrations_do_not_keep_guests_from_arriving() -> None:
    """The only host left is taking its one migration when a guest comes."""
    data = scenario(guest(memory=20.0 * GiB), arriving(arrivals={"most": 1}), settle=10.0)
    data["operation"]["limits"] = {"per_host_in": 1}
    result = solve(data)
    assert only(result)["ended_s"] > 10.0
    assert only(result, "guests", guest="new-0")["host"] == TARGET


def test_guests_that_wait_for_room_get_that_of_who_leaves() -> None:
    """The other host is full until its guest leaves at 30 s; nobody is refused before."""
    hosts = topology(host={"cores": 64, "memory": 2.0 * GiB})
    full = guest(name="old", memory=1.5 * GiB, stay=30.0, place={"hosts": TARGET})
    result = solve(scenario(guest(memory=1.0 * GiB), full, topology=hosts))
    row = only(result)
    assert (row["outcome"], row["started_s"], row["after"]) == ("completed", 30.0, "old-0")


def test_who_waits_is_refused_when_all_have_left_that_could_make_room() -> None:
    """What leaves is too small."""
    hosts = topology(host={"cores": 64, "memory": 2.0 * GiB})
    large = guest(name="large", memory=1.5 * GiB, place={"hosts": TARGET})
    small = guest(name="small", memory=0.25 * GiB, stay=30.0, place={"hosts": TARGET})
    row = only(solve(scenario(guest(), large, small, topology=hosts)))
    assert (row["outcome"], row["ended_s"]) == ("no-room", 30.0)


# --------------------------------------------------------------------------- leaving


def leaving(at: float, *activities: Data, migration: Data | None = None, **changes: Any) -> Data:
    """A scenario with one guest that leaves while its host is drained, and checks of all."""
    data = scenario(guest(*activities, stay=at, **changes), settle=30.0)
    data["migration"] |= migration or {}
    return data


def assert_all_given_back(data: Data) -> Data:
    """Run; nobody has anything of the guest any more, and its request ended as it left."""
    live = world(data)
    result = live.result(None)
    for host in live.hosts:
        assert (host.guests, host.reserved, host.used_bytes) == ({}, {}, 0.0)
        assert host.cpu_factor == 1.0
        assert host._threads == pytest.approx(0.0)
    assert live.network.flows == []
    assert live.dispatcher.admission.running == 0
    assert live.dispatcher.migrations == {}
    row = only(result)
    own = only(result, "guests")
    assert own["left_s"] == data["guests"][0]["stay"]
    done = only(result, "operations")
    assert (done["hosts_done"], done["requested"]) == (1, 1)
    assert result.metrics["departed"] == 1
    return row


SLOW = {"max_bandwidth": 64.0 * MiB}
PHASES: dict[str, Data] = {
    "management": leaving(2.0),
    "first pass": leaving(2.0, writer(1e6, 0.1), migration=SLOW | {"thread_cores": 1.0}),
    "later rounds": leaving(25.0, writer("max", 0.5), migration=SLOW),
    "throttled": leaving(60.0, writer("max", 0.5), migration=SLOW | {"auto_converge": True}),
    "blackout": leaving(16.5, migration=SLOW | {"activation": 60.0}),
    "disk copy": leaving(
        2.0, local_disk={"size": 40.0 * GiB, "writes": 1e6}, migration={"block": True}
    ),
}
PHASES["management"]["operation"]["limits"] = {"control_plane": 5.0}


@pytest.mark.parametrize("phase", PHASES)
def test_a_migration_ends_where_it_is_when_its_guest_leaves(phase: str) -> None:
    """Everything is given back at that moment, in every phase."""
    data = PHASES[phase]
    row = assert_all_given_back(data)
    assert (row["outcome"], row["reason"]) == ("cancelled", "it left")
    assert row["ended_s"] == data["guests"][0]["stay"]
    reached = {
        "management": math.isnan(row["stream_s"]) and row["disk_copy_bytes"] == 0,
        "first pass": row["rounds"] == 1 and row["downtime_s"] == 0,
        "later rounds": row["rounds"] > 1 and row["downtime_s"] == 0,
        "throttled": row["rounds"] > 4 and row["downtime_s"] == 0,
        "blackout": row["downtime_s"] > 0,
        "disk copy": math.isnan(row["stream_s"]) and row["disk_copy_bytes"] > 0,
    }
    assert reached[phase]


def test_a_guest_leaves_in_post_copy() -> None:
    """Its memory goes at the destination where it runs, and what is reserved at the source."""
    data = leaving(
        5.0,
        writer("max", 0.5),
        migration=SLOW | {"post_copy": {"start": "asked", "after": 1.0}},
    )
    row = assert_all_given_back(data)
    assert (row["outcome"], row["follow_s"] > 1.0) == ("cancelled", True)


def test_a_guest_leaves_while_its_balloon_is_filled() -> None:
    """The policy takes its time before the first byte, and does not go on."""
    step = {"select": ["free"], "tell": "balloon", "returned": "destination", "per_page": 1e-4}
    data = leaving(5.0, makeup={"free_zero": 0.5})
    data["hinting"] = {"steps": [step]}
    row = assert_all_given_back(data)
    assert (row["outcome"], row["ended_s"], row["sent_bytes"]) == ("cancelled", 5.0, 0.0)
    assert 0 < row["ballooned_pages"] <= 50_000


def test_a_guest_leaves_while_its_dirty_cache_is_written_back() -> None:
    """A slow storage takes it; what it has taken by then is counted."""
    data = leaving(
        2.0, writer(50.0 * MiB, 0.3, to="cache"), makeup={"cache": 0.6}, hinting="guest-drop"
    )
    data["topology"]["storage"]["bandwidth"] = 1.0 * MiB
    row = assert_all_given_back(data)
    assert (row["outcome"], row["ended_s"], row["sent_bytes"]) == ("cancelled", 2.0, 0.0)


def test_a_guest_leaves_while_it_is_down_for_a_cold_move() -> None:
    """The reservation at the destination goes too."""
    data = leaving(2.0, migratable="cold", migration={"cold_restart": 10.0})
    row = assert_all_given_back(data)
    assert (row["outcome"], row["downtime_s"], row["ended_s"]) == ("cancelled", 2.0, 2.0)


def test_a_guest_leaves_that_waits_for_its_turn() -> None:
    """Of two that leave one at a time, the second is gone before its turn."""
    data = scenario(guest(memory=4.0 * GiB), guest(name="late", stay=1.0), settle=10.0)
    data["operation"]["limits"] = {"per_host_out": 1}
    result = solve(data)
    row = only(result, guest="late-0")
    assert (row["outcome"], row["reason"], row["ended_s"]) == ("cancelled", "it left", 1.0)
    assert math.isnan(row["started_s"])


def test_a_guest_leaves_that_waits_for_its_next_attempt() -> None:
    """The attempt that failed is told of, and the one that never came, at the time it left."""
    data = leaving(12.0, writer("max", 0.5), migration=SLOW)
    data["operation"]["limits"] = {
        "completion_timeout": 5.0,
        "retry": {"attempts": 3, "delay": 100.0},
    }
    result = solve(data)
    first, second = rows(result, "migrations")
    assert first["outcome"].startswith("aborted")
    assert (second["outcome"], second["reason"], second["attempt"]) == ("cancelled", "it left", 2)
    assert second["ended_s"] == 12.0
    assert only(result, "operations")["ended_s"] == 12.0


def test_a_guest_leaves_while_it_settles_in() -> None:
    """It has moved: that stays so; reading its cache ends."""
    busy = guest(reader(1e6, 0.4), makeup={"cache": 0.5}, stay=3.0, hinting="disk-map")
    data = scenario(busy, settle=10.0)
    data["topology"]["storage"]["bandwidth"] = 10.0 * MiB
    row = assert_all_given_back(data)
    assert (row["outcome"], row["ended_s"] < 3.0) == ("completed", True)
    assert 0 < row["prefetch_bytes"] < 40 * MiB


def test_a_host_is_empty_when_its_last_guest_leaves() -> None:
    """One that does not move keeps its host from being empty until it goes."""
    stuck = guest(name="stuck", migratable="no", because="pinned", stay=7.0)
    slow = guest(name="slow", memory=20.0 * GiB, place={"hosts": "rack0/host1"})
    operation = {"kind": "drain", "hosts": "rack0/*", "at": 0.0}
    data = scenario(stuck, slow, topology=leaf_spine(), operation=operation, settle=5.0)
    result = solve(data)
    ends = {row["host"]: (row["to_s"], row["trouble"]) for row in rows(result, "maintenance")}
    assert ends[SOURCE] == (7.0, "")
    assert ends[TARGET][0] > 7.0


def test_a_lost_guest_does_not_leave() -> None:
    """Its host failed before; it counts as lost, not as gone."""
    data = scenario(guest(stay=20.0), failures=[{"at": 0.5, "host": SOURCE}], settle=60.0)
    result = solve(data)
    own = only(result, "guests")
    assert (own["lost"], math.isnan(own["left_s"])) == (1, True)
    assert (result.metrics["lost_guests"], result.metrics["departed"]) == (1, 0)


# --------------------------------------------------------------------------- many of them


def test_as_many_are_there_as_littles_law_says() -> None:
    """Arrival rate times mean stay, whatever its distribution, once the beginning is forgotten."""
    stay = {"kind": "lognormal", "median": "100s", "sigma": 0.8}
    mean_s = 100.0 * math.exp(0.8**2 / 2)
    group = arriving(every={"kind": "exponential", "mean": 2.0}, stay=stay)
    result = run(Scenario.model_validate(still(group, until=40_000.0)))
    from_s, to_s = 10 * mean_s, 40_000.0
    there = [
        max(0.0, min(to_s, to_s if math.isnan(left) else left) - max(from_s, came))
        for came, left in lives(result).values()
    ]
    assert result.metrics["rejected"] == 0
    expected = mean_s / 2.0
    # the variance of a mean over T of this population is about 2 L E[S^2] / (2 E[S] T)
    sigma = math.sqrt(expected * mean_s * math.exp(0.8**2) / (to_s - from_s))
    assert math.fsum(there) / (to_s - from_s) == pytest.approx(expected, abs=4 * sigma)


def test_who_arrives_does_not_depend_on_the_policy() -> None:
    """Names, times and stays are drawn before the run, so policies are compared fairly."""
    stay = {"kind": "weibull", "scale": 30, "shape": 2}
    group = arriving(every={"kind": "exponential", "mean": 7.0}, stay=stay)
    data = still(guest(), group, until=100.0)
    plans = prepare(Scenario.model_validate(data)).arrivals
    other = prepare(Scenario.model_validate(data | {"hinting": "balloon-held"})).arrivals
    assert [(p.name, p.arrives_s, p.leaves_s) for p in plans] == [
        (p.name, p.arrives_s, p.leaves_s) for p in other
    ]
    assert random_inputs(Scenario.model_validate(data)) == [
        "arrival times of new",
        "stays of new",
    ]
    again = prepare(Scenario.model_validate(data), replicate=1).arrivals
    assert [p.arrives_s for p in again] != [p.arrives_s for p in plans]


@settings(max_examples=25, deadline=None)
@given(
    every=st.floats(0.2, 3.0),
    stay=st.floats(0.0, 40.0),
    seed=st.integers(0, 1000),
    hinting=st.sampled_from(["zero-page", "balloon-held", "guest-drop", "clean-cache-hint"]),
    post_copy=st.booleans(),
    fails=st.none() | st.tuples(st.sampled_from([SOURCE, "rack1/host0"]), st.floats(5.0, 40.0)),
    limits=st.sampled_from(
        [
            {"per_host_out": 2, "control_plane": 0.5},
            {"completion_timeout": 3.0, "retry": {"attempts": 3, "delay": 2.0}},
            {"per_cluster": 1},
        ]
    ),
    migratable=st.sampled_from(["live", "live", "cold"]),
)
def test_nothing_is_left_of_who_left(
    every: float,
    stay: float,
    seed: int,
    hinting: str,
    post_copy: bool,
    fails: tuple[str, float] | None,
    limits: Data,
    migratable: str,
) -> None:
    """Whenever guests come and go, hosts hold those that are there, and nothing else."""
    busy = (writer(30.0 * MiB, 0.2), reader(1e6, 0.1))
    group = arriving(
        *busy,
        every={"kind": "exponential", "mean": every},
        stay={"kind": "exponential", "mean": stay} if stay else 0.0,
        makeup={"free_zero": 0.2, "cache": 0.4},
        count=6,
        migratable=migratable,
    )
    operation = {"kind": "drain", "hosts": "rack0/*", "at": 10.0, "limits": limits}
    data = scenario(
        group,
        seed=seed,
        topology=leaf_spine(host={"cores": 64, "memory": 12.0 * GiB}, uplink=float(GiB) / 4),
        operation=operation,
        hinting=hinting,
        horizon=60.0,
        settle=60.0,
    )
    if post_copy:
        data["migration"]["post_copy"] = {"start": "asked", "after": 0.5}
    if fails is not None:
        data["failures"] = [{"host": fails[0], "at": fails[1]}]
    live = world(data)
    result = live.result(None)
    stand = [one for host in live.hosts for one in host.guests]
    assert set(stand) == set(live.guests)
    under_way = {m.guest for m in live.dispatcher.migrations if not m.outcome}
    for host in live.hosts:
        assert set(host.reserved) <= under_way
    there = {row["guest"] for row in rows(result, "guests") if row["host"]}
    assert there == {one.name for one in live.guests}
    figures = result.metrics
    assert len(rows(result, "guests")) == (len(there) + figures["departed"] + figures["rejected"])
    last = {}
    for row in rows(result, "migrations"):
        assert row["attempt"] == last.get(row["guest"], 0) + 1
        last[row["guest"]] = row["attempt"]
    assert figures["requested"] == len(last)
    assert repr(result.columns) == repr(run(Scenario.model_validate(data)).columns)


# --------------------------------------------------------------------------- what is refused


def refused(data: Data) -> str:
    """What is wrong with it, in words."""
    asked = Scenario.model_validate(data)
    with pytest.raises(ScenarioError) as caught:
        prepare(asked)
    return str(caught.value)


def test_more_guests_than_anyone_can_simulate_are_refused() -> None:
    """Every zero seconds there is no end of them."""
    for every in (0.0, 1e-6):
        said = refused(still(arriving(every=every), until=10.0))
        assert said.startswith("guests[0].arrivals.every: more than")
    few = still(arriving(every=0.0, arrivals={"most": 2, "start": 1.0}), until=10.0)
    assert lives(solve(few))["new-1"][0] == 1.0


def test_nobody_arrives_after_the_end() -> None:
    """A start at or after the horizon is an error, not silence."""
    data = still(arriving(arrivals={"start": 11.0}), until=10.0)
    assert "none would arrive by the horizon" in refused(data)


# --------------------------------------------------------------------------- reporting figures


def test_the_busiest_link_is_the_one_that_migrations_filled_most() -> None:
    """One guest over links of 1 GiB/s and an uplink of half that: the uplink, all the time."""
    hosts = leaf_spine(uplink=0.5 * GiB)
    operation = {"kind": "moves", "moves": [{"guest": "guest-0", "to": "rack1/host0"}], "at": 3.0}
    row = only(solve(scenario(guest(), topology=hosts, operation=operation)), "operations")
    assert row["busiest_link"] == "leaf0->spine0"
    assert row["busiest_share"] == pytest.approx(1.0, rel=1e-6)


def test_an_operation_that_moves_nothing_has_no_busiest_link() -> None:
    """There is nothing to tell."""
    operation = {"kind": "drain", "hosts": TARGET, "at": 0.0}
    row = only(solve(scenario(guest(), operation=operation)), "operations")
    assert (row["busiest_link"], math.isnan(row["busiest_share"])) == ("", True)


def test_guests_degraded_beyond_the_limit_are_counted() -> None:
    """A cold move of 40 s is beyond the 30 s that hold if nothing is said, and not beyond 50 s."""
    cold = guest(migratable="cold", because="pinned")
    data = scenario(cold, guest(name="quick"), settle=60.0)
    data["migration"]["cold_restart"] = 40.0
    result = solve(data)
    assert result.metrics["degraded_guests"] == only(result, "operations")["degraded_guests"] == 1
    assert solve(data | {"degraded_limit": 50.0}).metrics["degraded_guests"] == 0


# --------------------------------------------------------------------------- words


def test_each_of_several_operations_has_a_clause() -> None:
    """What was done in time, what was not, and who was lost or found no host."""
    drains = [
        {"kind": "drain", "name": "first", "hosts": "rack0/host0", "at": 0.0, "window": 0.5},
        {"kind": "drain", "name": "second", "hosts": "rack0/host1", "at": 1.0},
    ]
    data = scenario(
        guest(),
        guest(name="stuck", migratable="no", because="pinned", place={"hosts": "rack0/host1"}),
        arriving(memory=60.0 * GiB, arrivals={"most": 3}),
        topology=leaf_spine(),
        operation={"kind": "timetable", "operations": drains},
        failures=[{"at": 15.0, "host": "rack0/host1"}],
        settle=60.0,
    )
    assert solve(data).explanation == (
        "1 of 2 guests moved (1 live); 1 not: 1 not-movable (stuck-0: it is pinned to its host); "
        "first: 1 of 1 guests, 1 of 1 hosts, done 502 ms after its window; "
        "second: 0 of 1 guests, 0 of 1 hosts; 1 lost; 1 arrived and found no host"
    )


def test_how_guests_come_and_go_is_shown() -> None:
    """`dcsim show` tells it in words."""
    asked = Scenario.model_validate(
        still(
            arriving(
                every={"kind": "weibull", "scale": 30.0, "shape": 2},
                arrivals={"start": 60.0, "until": 3600.0, "most": 5},
                stay={"kind": "empirical", "values": [1.0, 2.0]},
                count=2,
            ),
            arriving(stay=60.0) | {"name": "plain"},
            until=4000.0,
        )
    )
    said = list(lines(asked))
    assert (
        "    further ones arrive one after another, each after weibull, scale 30 s, shape 2, "
        "from 60 s on, until 60 min, 5 at most"
    ) in said
    assert "    each stays one of 2 values" in said
    assert "    arrive one after another, each after 10 s" in said
    assert "    each stays 60 s" in said


def test_a_listed_guest_may_have_left_before_its_turn() -> None:
    """Its move is cancelled, the others take place."""
    gone = guest(name="gone", stay=2.0)
    operation = {
        "kind": "moves",
        "at": 5.0,
        "moves": [{"guest": f"{name}-0", "to": "rack0/host1"} for name in ("gone", "guest")],
    }
    result = solve(scenario(gone, guest(), operation=operation))
    assert only(result)["guest"] == "guest-0"
    assert only(result, "events", event="cancelled")["subject"] == "gone-0"
    row = only(result, "operations")
    assert (row["requested"], row["completed"], row["not_moved"]) == (2, 1, 1)
