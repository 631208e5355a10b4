"""Faults of every kind: what they do while they last, and when it is over."""

from __future__ import annotations

from typing import Any

import pytest

import dcsim
from dcsim.errors import ScenarioError
from dcsim.records.result import Result
from dcsim.scenario.chance import random_inputs
from dcsim.scenario.spec import Scenario
from dcsim.simulation.prepared import prepare
from dcsim.units import GiB, MiB
from tests.test_failures import DESTINATION, LINK, SOURCE, disked, slow
from tests.worlds import (
    Data,
    allocator,
    guest,
    leaf_spine,
    no_move,
    only,
    reader,
    rows,
    scenario,
    sender,
    solve,
    world,
    writer,
)


def told(result: Result, *events: str) -> list[tuple[float, str, str]]:
    """Return when what failed, or was over."""
    wanted = events or ("failure", "recovery", "abort")
    return [
        (row["time_s"], row["event"], row["subject"])
        for row in rows(result, "events")
        if row["event"] in wanted
    ]


# ----------------------------------------------------------------------- hosts


def test_a_host_returns_without_its_guests_and_takes_others() -> None:
    """Its guests are lost; who waits for room goes there when it is back."""
    data = slow({"at": 5.0, "host": DESTINATION, "returns_after": 10.0})
    data["guests"].append(guest(name="there", place={"hosts": DESTINATION}))
    data["operation"]["limits"] = {"retry": {"delay": 1.0}}
    live = world(data)
    result = live.result(None)
    first, second = rows(result, "migrations")
    assert (first["outcome"], second["outcome"]) == ("failed-host", "completed")
    assert second["started_s"] == 15
    assert told(result) == [(5, "failure", DESTINATION), (15, "recovery", DESTINATION)]
    lost = {row["guest"]: row for row in rows(result, "guests")}["there-0"]
    assert lost["host"] == ""
    assert lost["lost_failure_s"] == pytest.approx(result.metrics["simulated_s"] - 5)
    assert [guest.name for guest in live.hosts[1].guests] == ["guest-0"]
    assert live.hosts[1].used_bytes == GiB


def test_who_finds_no_room_does_not_wait_for_a_host_that_is_lost_for_good() -> None:
    """Nothing is promised: it is told at once."""
    data = slow({"at": 5.0, "host": DESTINATION})
    data["operation"]["limits"] = {"retry": {"delay": 1.0}}
    assert [row["outcome"] for row in rows(solve(data), "migrations")] == ["failed-host", "no-room"]


def test_a_rack_is_lost_at_once() -> None:
    """A pattern names all that fail."""
    data = no_move(topology=leaf_spine(), until=10.0)
    data["guests"][0] |= {"count": 4, "place": {"hosts": "*"}}
    data["operation"] = {"kind": "drain", "hosts": "rack1/host1", "at": 20.0}
    data["failures"] = [{"at": 3.0, "host": "rack0/*"}]
    result = solve(data)
    assert told(result) == [(3, "failure", "rack0/host0"), (3, "failure", "rack0/host1")]
    lost = [row["lost_failure_s"] > 0 for row in rows(result, "guests")]
    assert sum(lost) == 2


def test_a_lost_guest_does_not_stand_up_again() -> None:
    """Neither when its load changes, nor when its own move would have ended."""
    data = slow({"at": 13.0, "host": SOURCE, "returns_after": 0.01}, activation=2.0)
    live = world(data)
    result = live.result(None)
    assert only(result)["outcome"] == "failed-host"
    assert live.guests[0].perished
    assert not live.guests[0].running
    assert only(result, "guests")["host"] == ""


# ----------------------------------------------------------------------- in the course of a move


@pytest.mark.parametrize(
    ("phase", "end", "place"),
    [
        ("waiting", "source", "lost"),
        ("waiting", "destination", SOURCE),
        ("policy", "source", "lost"),
        ("policy", "destination", SOURCE),
        ("first-pass", "source", "lost"),
        ("first-pass", "destination", SOURCE),
        ("switch-over", "source", "lost"),
        ("switch-over", "destination", SOURCE),
        ("after", "source", DESTINATION),
        ("after", "destination", "lost"),
    ],
)
def test_a_host_is_lost_in_a_phase_of_a_named_migration(phase: str, end: str, place: str) -> None:
    """Before and in the switch-over the source has the guest, after it the destination."""
    failure = {"host": end, "when": {"guest": "guest-0", "phase": phase}}
    data = slow(failure, activation=0.5)
    data["operation"]["limits"] = {"control_plane": 2.0}
    live = world(data)
    row = only(live.result(None))
    own = live.guests[0]
    assert own.perished == (place == "lost")
    if place != "lost":
        assert own.host is not None
        assert (own.host.name, own.running) == (place, True)
    assert row["outcome"] == ("completed" if phase == "after" else "failed-host")
    assert all(not host.reserved for host in live.hosts)
    assert (row["downtime_s"] > 0) == (phase in ("switch-over", "after"))


@pytest.mark.parametrize("end", ["source", "destination"])
def test_in_post_copy_either_end_takes_the_guest_along(end: str) -> None:
    """Half of its memory is here, half there."""
    when = {"guest": "guest-0", "phase": "post-copy", "after": 1.0}
    data = slow({"host": end, "when": when}, post_copy={"after": 4.0})
    live = world(data)
    row = only(live.result(None))
    assert row["outcome"] == "failed-host"
    assert row["follow_s"] == pytest.approx(1, abs=0.1)
    assert live.guests[0].perished


def test_a_phase_is_met_as_often_as_asked_for() -> None:
    """The first two attempts are cut off, the third goes through."""
    when = {"guest": "guest-0", "phase": "first-pass", "after": 2.0}
    data = slow({"link": LINK, "when": when, "times": 2})
    data["operation"]["limits"] = {"retry": {"delay": 1.0}}
    outcomes = [row["outcome"] for row in rows(solve(data), "migrations")]
    assert outcomes == ["failed-link", "failed-link", "completed"]


# ----------------------------------------------------------------------- links


def test_a_migration_stands_still_while_its_link_is_down() -> None:
    """For less than its connection waits: it ends later by just that."""
    data = slow({"at": 5.0, "link": LINK, "lasts": 7.0})
    undisturbed, stalled = only(solve(slow())), only(solve(data))
    assert stalled["outcome"] == "completed"
    assert stalled["total_time_s"] == pytest.approx(undisturbed["total_time_s"] + 7, rel=0.01)
    assert told(solve(data)) == [(5, "failure", LINK), (12, "recovery", LINK)]


@pytest.mark.parametrize(("breaks_after", "ended_s"), [(0.0, 5.0), (3.0, 8.0)])
def test_a_connection_is_lost_after_its_time(breaks_after: float, ended_s: float) -> None:
    """At once, or when it has stood still for long; the guest runs on at the source."""
    data = slow({"at": 5.0, "link": LINK, "lasts": 7.0, "breaks_after": breaks_after})
    live = world(data)
    row = only(live.result(None))
    assert row["outcome"] == "failed-link"
    assert LINK in row["reason"]
    assert row["ended_s"] == pytest.approx(ended_s)
    assert live.guests[0].running
    assert live.hosts[1].used_bytes == 0


def test_what_nobody_waits_for_in_vain_ends_by_its_timeout() -> None:
    """A completion timeout holds for a stream that stands still as well."""
    data = slow({"at": 5.0, "link": LINK, "lasts": 70.0})
    data["operation"]["limits"] = {"completion_timeout": 20.0}
    row = only(solve(data))
    assert (row["outcome"], row["ended_s"]) == ("aborted-timeout", 20)


def test_post_copy_goes_on_when_its_link_is_up_again() -> None:
    """The guest waits for its pages meanwhile, and is not lost."""
    changes: Data = {"post_copy": {"after": 4.0}}
    data = slow({"at": 6.0, "link": LINK, "lasts": 5.0}, **changes)
    undisturbed, stalled = only(solve(slow(**changes))), only(solve(data))
    assert stalled["outcome"] == "completed-postcopy"
    assert stalled["follow_s"] == pytest.approx(undisturbed["follow_s"] + 5, abs=0.3)


def test_a_disk_copy_and_a_cold_move_outlast_a_link() -> None:
    """What is copied stands still; what is not sent at all does not care."""
    copied = only(solve(disked({"at": 0.5, "link": LINK, "lasts": 4.0})))
    assert copied["outcome"] == "completed"
    assert copied["disk_s"] > 4
    data = slow({"at": 0.5, "link": LINK, "lasts": 4.0})
    data["guests"][0] |= {"migratable": "cold"}
    assert only(solve(data))["outcome"] == "completed-cold"


def across(*failures: Data, spines: int = 2, **changes: Any) -> Data:
    """A guest that moves from one rack to the other under spines, in a second and a half."""
    data = scenario(guest(), topology=leaf_spine(spines=spines, **changes), horizon=100.0)
    data["operation"] = {"kind": "moves", "moves": [{"guest": "guest-0", "to": "rack1/host0"}]}
    data["failures"] = list(failures)
    return data


@pytest.mark.parametrize("routing", ["ecmp", "even-split", "d-mod-k"])
def test_a_stream_goes_around_a_link_that_is_down(routing: str) -> None:
    """It keeps its pace where another spine has room, and comes back when the link does."""
    failures = [{"at": 0.4, "link": f"leaf0->spine{i}", "lasts": 0.3} for i in range(2)]
    plain = only(solve(across(routing=routing)))
    for failure in failures:
        result = solve(across(failure, routing=routing))
        assert only(result)["total_time_s"] == pytest.approx(plain["total_time_s"], rel=1e-6)
    crossed = {
        row["link"]: row["carried_bytes"]
        for row in rows(solve(across(failures[0], routing=routing)), "links")
        if row["kind"] == "first pass"
    }
    assert crossed["leaf0->spine1"] > 0.2 * GiB
    assert sum(crossed[f"leaf0->spine{i}"] for i in range(2) if f"leaf0->spine{i}" in crossed) == (
        pytest.approx(crossed["rack0/host0->leaf0"])
    )


def test_nothing_goes_around_where_there_is_no_other_way() -> None:
    """Both spines down is one link down: it stands still."""
    plain = only(solve(across()))
    both = only(solve(across({"at": 0.4, "link": "leaf0->spine*", "lasts": 0.3})))
    assert both["total_time_s"] == pytest.approx(plain["total_time_s"] + 0.3, rel=1e-6)


def test_new_flows_avoid_a_link_that_is_down() -> None:
    """What begins meanwhile never touches it."""
    failure = {"at": 0.0, "link": "leaf0->spine0", "lasts": 50.0}
    result = solve(across(failure))
    assert only(result)["outcome"] == "completed"
    assert not [row for row in rows(result, "links") if row["link"] == "leaf0->spine0"]


def test_a_degraded_link_carries_its_share() -> None:
    """Half of a GiB/s for two seconds: one second more in the end."""
    data = scenario(guest(memory=4.0 * GiB), settle=10.0)
    plain = only(solve(data))
    data["failures"] = [{"at": 1.0, "link": LINK, "lasts": 2.0, "capacity": 0.5}]
    result = solve(data)
    assert only(result)["total_time_s"] == pytest.approx(plain["total_time_s"] + 1, rel=1e-6)
    assert {
        row["capacity_bytes_per_s"] for row in rows(result, "links") if row["link"] == LINK
    } == {float(GiB)}


def test_shares_of_faults_that_overlap_multiply() -> None:
    """Half of a half; and each end takes back its own."""
    data = scenario(guest(memory=4.0 * GiB), settle=20.0)
    plain = only(solve(data))
    data["failures"] = [
        {"at": 1.0, "link": LINK, "lasts": 4.0, "capacity": 0.5},
        {"at": 2.0, "link": LINK, "lasts": 2.0, "capacity": 0.5},
    ]
    row = only(solve(data))
    # in 4 s it sends 0.5 + 2 * 0.25 + 0.5 GiB instead of 4
    assert row["total_time_s"] == pytest.approx(plain["total_time_s"] + 2.5, rel=1e-6)


def test_a_link_flaps() -> None:
    """So often, from one beginning to the next; each time it stands still."""
    failure = {"at": 2.0, "link": LINK, "lasts": 0.5, "every": 1.0, "times": 4}
    result = solve(slow(failure))
    began = [time for time, event, _ in told(result) if event == "failure"]
    over = [time for time, event, _ in told(result) if event == "recovery"]
    assert began == [2, 3, 4, 5]
    assert over == [2.5, 3.5, 4.5, 5.5]
    plain = only(solve(slow()))
    assert only(result)["total_time_s"] == pytest.approx(plain["total_time_s"] + 2, rel=0.01)


# ----------------------------------------------------------------------- what guests feel


def test_a_guest_that_sends_stands_still_with_its_link() -> None:
    """What it lost is put down to the network, and to nothing else."""
    data = no_move(guest(sender(8.0 * MiB)), until=20.0)
    data["failures"] = [{"at": 4.0, "link": LINK, "lasts": 6.0}]
    own = only(solve(data), "guests")
    assert own["lost_network_s"] == pytest.approx(6, rel=1e-6)
    assert own["lost_work_s"] == pytest.approx(6, rel=1e-6)


def test_a_guest_goes_around_a_link_to_its_storage() -> None:
    """Nothing is lost where another spine leads to it, and all of it where none does."""
    for spines, lost in ((2, 0.0), (1, 6.0)):
        data = no_move(guest(sender(8.0 * MiB, peer="storage")), until=20.0)
        data["topology"] = leaf_spine(spines=spines)
        data["failures"] = [
            {"at": 4.0, "link": "leaf0->spine0", "lasts": 6.0},
        ]
        own = only(solve(data), "guests")
        assert own["lost_network_s"] == pytest.approx(lost, abs=1e-6)


def cached(*failures: Data) -> Data:
    """A guest that reads four times the file pages that it has room for."""
    half = {"cache": 0.5}
    data = no_move(guest(reader(16.0 * MiB, 2.0 * GiB), makeup=half), until=30.0)
    data["failures"] = list(failures)
    return data


def test_a_guest_whose_storage_is_gone_waits() -> None:
    """Reads that miss are served by nobody: all of the reader's work is lost to storage."""
    gone = only(solve(cached({"at": 5.0, "storage": "gone", "lasts": 10.0})), "guests")
    plain = only(solve(cached()), "guests")
    assert gone["lost_storage_s"] == pytest.approx(10, rel=0.02)
    assert gone["lost_work_s"] - plain["lost_work_s"] == pytest.approx(10, rel=0.02)
    assert gone["read_pages"] < plain["read_pages"] * 0.75


def test_slow_storage_serves_a_share_or_serves_later() -> None:
    """A share of its bandwidth, or a latency more: the same causes as ever."""
    share = only(
        solve(cached({"at": 5.0, "storage": "slow", "capacity": 1e-6, "lasts": 10.0})), "guests"
    )
    assert share["lost_storage_s"] > 5
    late = only(
        solve(cached({"at": 5.0, "storage": "slow", "latency": 0.01, "lasts": 10.0})), "guests"
    )
    plain = only(solve(cached()), "guests")
    assert late["lost_storage_s"] == 0
    assert late["read_pages"] < plain["read_pages"]


def test_dirty_cache_that_is_flushed_waits_for_the_storage() -> None:
    """A policy that writes back first is held up; its migration completes afterwards."""
    data = slow({"at": 0.0, "storage": "gone", "lasts": 6.0})
    data["guests"][0]["workload"]["memory"] |= {"cache": 0.5}
    data["guests"][0]["workload"]["activities"] = [writer(8.0 * MiB, 0.2, to="cache")]
    data["hinting"] = {"use": "balloon-held", "reserve": 0.0, "per_page": 1e-6}
    row = only(solve(data))
    assert row["outcome"] == "completed"
    assert row["policy_s"] > 6


def test_nobody_reads_ahead_for_a_guest_that_is_lost() -> None:
    """Its host is lost while the pages that were mapped come in: the rest stays where it is."""
    data = scenario(
        guest(reader(8.0 * MiB, 0.5), makeup={"cache": 0.5}),
        topology=leaf_spine(storage={"bandwidth": 64.0 * MiB, "iops": 1e9, "latency": 0.0}),
        hinting="disk-map",
        settle=30.0,
    )
    plain = only(solve(data))
    when = {"guest": "guest-0", "phase": "after", "after": 2.0}
    data["failures"] = [{"host": "destination", "when": when, "returns_after": 1.0}]
    live = world(data)
    row = only(live.result(None))
    assert 0 < row["prefetch_bytes"] < 0.5 * plain["prefetch_bytes"]
    assert live.guests[0].host is None


# ----------------------------------------------------------------------- management, operators


def test_a_slow_management_plane_takes_longer() -> None:
    """Its own time is multiplied, then lengthened, for migrations that begin meanwhile."""
    data = slow({"at": 0.0, "management": "slow", "factor": 3.0, "delay": 1.0, "lasts": 5.0})
    data["operation"] |= {"limits": {"control_plane": 2.0}, "at": 1.0}
    row = only(solve(data))
    assert row["stream_s"] - row["started_s"] == pytest.approx(7)
    data["operation"]["at"] = 6.0
    row = only(solve(data))
    assert row["stream_s"] - row["started_s"] == pytest.approx(2)


def test_the_operator_aborts_what_is_under_way_and_what_waits() -> None:
    """Both are cancelled, in words; others go on."""
    data = slow({"at": 5.0, "abort": "guest-*"})
    data["guests"] += [guest(name="other")]
    data["guests"][0]["count"] = 2
    data["operation"]["limits"] = {"per_host_out": 1, "retry": True}
    result = solve(data)
    found = {row["guest"]: (row["outcome"], row["reason"]) for row in rows(result, "migrations")}
    cancelled = ("cancelled", "the operator cancelled it")
    assert found == {"guest-0": cancelled, "guest-1": cancelled, "other-0": ("completed", "")}
    assert told(result) == [(5, "abort", "guest-*")]
    (event,) = [row for row in rows(result, "events") if row["event"] == "abort"]
    assert event["detail"] == "the operator cancels 2 migrations"


def test_the_operator_aborts_what_would_be_tried_again() -> None:
    """It stands in no queue and is under way nowhere, but it does not come back."""
    data = slow({"at": 5.0, "link": LINK}, {"at": 6.0, "abort": "*"})
    data["operation"]["limits"] = {"retry": {"delay": 10.0}}
    first, second = rows(solve(data), "migrations")
    assert (first["outcome"], second["outcome"]) == ("failed-link", "cancelled")
    assert second["ended_s"] == 15


def test_in_post_copy_there_is_no_way_back() -> None:
    """The operator's abort comes too late, and says of how many it was."""
    result = solve(slow({"at": 7.0, "abort": "*"}, post_copy={"after": 4.0}))
    assert only(result)["outcome"] == "completed-postcopy"
    (event,) = [row for row in rows(result, "events") if row["event"] == "abort"]
    assert event["detail"] == "the operator cancels 0 migrations"


def test_a_guest_that_runs_out_of_memory_in_its_balloon_is_lost_like_any_other() -> None:
    """It is killed, its room is given back, and nobody moves it again."""
    activity = allocator(64.0 * MiB)
    data = scenario(guest(activity, makeup={"free_zero": 0.5}), horizon=200.0, settle=5.0)
    data["hinting"] = {
        "use": "balloon-held", "reserve": 0.0, "per_page": 1e-6, "deflate_on_oom": False,
    }  # fmt: skip
    data["migration"] |= {"max_bandwidth": 64.0 * MiB}
    data["operation"]["limits"] = {"retry": True}
    live = world(data)
    assert only(live.result(None))["outcome"] == "guest-oom"
    assert live.guests[0].perished
    assert live.hosts[1].used_bytes == 0


# ----------------------------------------------------------------------- chance


def flaky(**changes: Any) -> Data:
    """Hosts that are lost now and then, and return."""
    failure = {
        "host": "rack*",
        "every": {"kind": "exponential", "mean": 40.0},
        "returns_after": {"kind": "uniform", "low": 1.0, "high": 9.0},
    }
    data = no_move(topology=leaf_spine(**changes), until=400.0, horizon=500.0)
    data["operation"] |= {"hosts": "rack1/host1", "at": 450.0}
    data["failures"] = [failure]
    return data


def test_random_faults_have_streams_of_their_own() -> None:
    """Each host fails in its time, whatever else there is; a replication has other times."""
    few, many = told(solve(flaky())), told(solve(flaky(hosts_per_leaf=3)))
    hosts = {subject for _, _, subject in few}
    assert len(hosts) == 4
    assert few == [event for event in many if event[2] in hosts]
    assert few == told(solve(flaky()))
    again = Scenario.model_validate(flaky())
    assert few != told(dcsim.run(again, replicate=1))


def test_chance_is_told_of() -> None:
    """`random_inputs` says what of failures is drawn; what is fixed is not."""
    asked = Scenario.model_validate(flaky())
    assert random_inputs(asked) == ["times of failures: rack*", "when hosts are back: rack*"]
    fixed = slow({"at": 5.0, "link": LINK, "lasts": 7.0})
    assert random_inputs(Scenario.model_validate(fixed)) == []
    drawn = slow({"at": 5.0, "storage": "gone", "lasts": {"kind": "exponential", "mean": 1.0}})
    assert random_inputs(Scenario.model_validate(drawn)) == ["how long failures last: the storage"]


def test_names_of_nothing_and_times_without_end_are_refused() -> None:
    """Before anything runs, all of them at once."""
    never: Data = {"every": 1e-6}
    asked = Scenario.model_validate(
        slow(
            {"at": 1.0, "host": "rack9/*"},
            {"at": 1.0, "abort": "web-*"},
            {"host": "source", "at": 1.0},
            {"host": "source", "when": {"guest": "guest-9", "phase": "after"}},
            {"link": LINK, **never},
            {"link": LINK, "every": 0.0},
        )
    )
    with pytest.raises(ScenarioError) as wrong:
        prepare(asked)
    assert [(issue.path, issue.message) for issue in wrong.value.issues] == [
        ("failures[0].host", "there is no host 'rack9/*'"),
        ("failures[1].abort", "there is no guest 'web-*'"),
        ("failures[2].host", "there is no host 'source'"),
        ("failures[3].when.guest", "there is no guest 'guest-9'"),
        ("failures[4].every", "would happen more than 100,000 times until the horizon"),
        ("failures[5].every", "must take some time: it would happen without end"),
    ]


def test_a_topology_at_fault_is_told_of_instead_of_its_links() -> None:
    """Which links there are is not known: only the topology's own fault is said."""
    data = slow({"at": 1.0, "link": "a->b"})
    ends = [{"ends": ["a", "c"], "capacity": 1e9}]
    data["topology"] = {"kind": "graph", "nodes": [{"name": "a"}, {"name": "b"}], "links": ends}
    with pytest.raises(ScenarioError) as wrong:
        prepare(Scenario.model_validate(data))
    assert all(issue.path.startswith("topology") for issue in wrong.value.issues if issue.path)
