"""Hosts that are lost, links that lose connections: what migrations and guests come to."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from dcsim.errors import ScenarioError
from dcsim.scenario.spec import Failure, Scenario
from dcsim.simulation.prepared import prepare
from dcsim.units import GiB, MiB
from tests.worlds import Data, guest, only, rows, scenario, solve, world, writer

LINK = "rack0/host0->switch0"
SOURCE, DESTINATION = "rack0/host0", "rack0/host1"


def slow(*failures: Data, **changes: Any) -> Data:
    """A guest of 1 GiB under a cap of 64 MiB/s: sixteen seconds, or until something fails."""
    data = scenario(guest(writer(1.0 * MiB, 0.1)), horizon=100.0, settle=5.0)
    data["migration"] |= {"max_bandwidth": 64.0 * MiB, **changes}
    data["failures"] = list(failures)
    return data


@pytest.mark.parametrize("name", [LINK, "switch0->rack0/host0", "switch0->rack0/host1"])
def test_a_link_breaks_the_migrations_that_cross_it(name: str) -> None:
    """In either direction; the guest runs on where it was, and room is given back."""
    live = world(slow({"at": 5.0, "link": name}))
    result = live.result(None)
    row = only(result)
    assert row["outcome"] == "failed-link"
    assert row["reason"] == f"the link {name} failed"
    assert row["ended_s"] == pytest.approx(5)
    own = only(result, "guests")
    assert own["host"] == SOURCE
    assert own["lost_work_s"] == pytest.approx(0, abs=1e-3)
    assert live.hosts[1].used_bytes == 0


def test_a_link_that_is_not_crossed_breaks_nothing() -> None:
    """Neither before the first byte, nor elsewhere, nor after the end."""
    for failure in ({"at": 90.0, "link": LINK}, {"at": 5.0, "link": "storage->switch0"}):
        assert only(solve(slow(failure)))["outcome"] == "completed"


def test_what_has_failed_is_tried_again() -> None:
    """The link is up again: a second attempt completes."""
    data = slow({"at": 5.0, "link": LINK})
    data["operation"]["limits"] = {"retry": {"delay": 3.0}}
    first, second = rows(solve(data), "migrations")
    assert first["outcome"] == "failed-link"
    assert second["outcome"] == "completed"
    assert second["started_s"] == pytest.approx(8)


def test_a_host_that_is_lost_takes_its_guests_along() -> None:
    """Of the source, nobody is left to try again; its guest does nothing any more."""
    data = slow({"at": 5.0, "host": SOURCE})
    data["operation"]["limits"] = {"retry": True}
    result = solve(data)
    row = only(result)
    assert row["outcome"] == "failed-host"
    assert row["reason"] == f"the host {SOURCE} failed"
    own = only(result, "guests")
    assert own["lost_failure_s"] == pytest.approx(result.metrics["simulated_s"] - 5)
    assert own["host"] == SOURCE


def test_guests_on_their_way_to_a_lost_host_stay() -> None:
    """They run on, and nobody goes there any more."""
    data = slow({"at": 5.0, "host": DESTINATION})
    data["operation"]["limits"] = {"retry": {"delay": 1.0}}
    result = solve(data)
    first, second = rows(result, "migrations")
    assert first["outcome"] == "failed-host"
    assert second["outcome"] == "no-room"
    assert second["attempt"] == 2
    assert only(result, "guests")["lost_failure_s"] == 0


def test_those_who_wait_to_leave_a_lost_host_are_told() -> None:
    """Nothing hangs on a queue that nobody can leave."""
    data = slow({"at": 5.0, "host": SOURCE})
    data["guests"].append(guest(name="next", memory=0.5 * GiB))
    data["operation"]["limits"] = {"per_host_out": 1}
    result = solve(data)
    assert {m["outcome"] for m in rows(result, "migrations")} == {"failed-host"}
    assert result.metrics["simulated_s"] == pytest.approx(10)
    late = slow({"at": 5.0, "host": SOURCE})
    late["operation"]["at"] = 7.0
    assert only(solve(late))["outcome"] == "failed-host"


@pytest.mark.parametrize("failure", [{"link": LINK}, {"host": SOURCE}, {"host": DESTINATION}])
def test_in_post_copy_the_guest_is_lost(failure: Data) -> None:
    """What has not followed never comes: the reason says so, and it is not tried again."""
    data = slow({"at": 8.0, **failure}, post_copy={"after": 4.0})
    data["operation"]["limits"] = {"retry": True}
    live = world(data)
    result = live.result(None)
    row = only(result)
    assert row["outcome"].startswith("failed-")
    assert row["reason"].endswith("in post-copy: the guest is lost with its pages")
    assert row["left_bytes"] > 0
    assert row["follow_s"] == pytest.approx(4, rel=0.01)
    assert only(result, "guests")["lost_failure_s"] > 1
    assert live.hosts[0].used_bytes == 0


def test_a_failure_before_the_guest_goes_ahead_lets_it_stay() -> None:
    """Until it runs at the destination, the source has all its pages."""
    post_copy = {"after": 4.0, "register_page": 10e-6}
    data = slow({"at": 5.0, "host": DESTINATION}, post_copy=post_copy)
    result = solve(data)
    row = only(result)
    assert row["outcome"] == "failed-host"
    assert row["postcopy_bytes"] == row["follow_s"] == 0
    assert only(result, "guests")["host"] == SOURCE
    assert only(result, "guests")["lost_failure_s"] == 0


def test_a_failure_in_the_pause_lets_the_guest_go_on() -> None:
    """The destination fails while the rest is sent: the source has everything still."""
    data = slow({"at": 13.0, "link": LINK}, activation=0.0, downtime_limit=4.0)
    data["topology"]["host_link"] = 100.0 * MiB
    row = only(solve(data))
    assert row["outcome"] == "failed-link"
    assert 0 < row["downtime_s"] < row["total_time_s"]
    assert only(solve(data), "guests")["lost_blackout_s"] == pytest.approx(row["downtime_s"])


def test_a_cold_move_to_a_lost_host_comes_to_nothing() -> None:
    """The guest is started again where it was."""
    data = slow({"at": 5.0, "host": DESTINATION})
    data["guests"][0] |= {"migratable": "cold"}
    result = solve(data)
    assert only(result)["outcome"] == "failed-host"
    assert only(result, "guests")["host"] == SOURCE


def test_a_policy_under_way_when_a_host_is_lost_is_undone() -> None:
    """A balloon that was being inflated gives everything back."""
    data = slow({"at": 1.0, "host": DESTINATION})
    data["guests"][0]["workload"]["memory"]["free_zero"] = 0.5
    data["hinting"] = {"use": "balloon-free", "reserve": 0.0, "per_page": 20e-6}
    live = world(data)
    row = only(live.result(None))
    assert row["outcome"] == "failed-host"
    assert row["sent_bytes"] == 0
    assert live.guests[0].memory.held_by_balloon == 0


def test_names_of_nothing_are_refused() -> None:
    """A failure is of a host or of a link that there is."""
    for fields in ({"at": 1.0}, {"at": 1.0, "host": "a", "link": "b"}):
        with pytest.raises(ValidationError, match="give one of host, link, storage"):
            TypeAdapter(Failure).validate_python(fields)
    for name, hint in (("rack0/host9", "did you mean"), (LINK + "0", LINK)):
        key = "link" if "->" in name else "host"
        asked = Scenario.model_validate(slow({"at": 1.0, key: name}))
        with pytest.raises(
            ScenarioError, match=rf"failures\[0\]\.{key}: there is no {key}"
        ) as told:
            prepare(asked)
        assert hint in str(told.value)


def disked(*failures: Data, **changes: Any) -> Data:
    """The same guest with a disk of 1 GiB of its own, that is copied first."""
    data = slow(*failures, block=True, **changes)
    data["guests"][0] |= {"local_disk": {"size": 1.0 * GiB, "used": 1.0, "writes": 1.0 * MiB}}
    return data


def test_a_disk_is_whole_before_its_guest_goes_ahead() -> None:
    """With post-copy too, all of a local disk is there when the guest is."""
    row = only(solve(disked(post_copy={"after": 4.0})))
    assert row["outcome"] == "completed-postcopy"
    assert row["disk_copy_bytes"] + row["mirror_bytes"] >= GiB
    assert row["postcopy_bytes"] > 0


def test_a_failure_ends_the_copy_of_a_disk() -> None:
    """What crosses the link breaks off, the disk's copy too; then it starts anew."""
    data = disked({"at": 0.5, "link": LINK})
    data["operation"]["limits"] = {"retry": {"delay": 3.0}}
    first, second = rows(solve(data), "migrations")
    assert first["outcome"] == "failed-link"
    assert first["ended_s"] == pytest.approx(0.5)
    assert first["sent_bytes"] == 0
    assert second["outcome"] == "completed"
