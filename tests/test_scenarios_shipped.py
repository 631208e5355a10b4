"""Shipped scenarios: they load, explain themselves, run, and show what they say they show."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from dcsim.records.result import Result
from dcsim.records.tables import OUTCOMES
from dcsim.scenario import files
from dcsim.scenario.spec import Scenario
from dcsim.simulation import run

FOLDER = Path(__file__).resolve().parents[1] / "scenarios"
NAMES = sorted(file.stem for file in FOLDER.glob("*.yaml"))


SMALLER = {
    "rolling-upgrade": {  # two of its 25 racks; `make bench` runs all of it
        "topology.leaves": 2,
        "operation.at_once": 2,
        **{f"guests[{i}].count": 80 * n for i, n in enumerate((10, 6, 2, 2))},
    }
}
"""Changes that make a large scenario quick to run."""


@functools.cache
def ran(name: str) -> Result:
    """Run a scenario as shipped, or a smaller one like it, once for all tests."""
    return run(files.load(name).replace(SMALLER.get(name, {})))


def test_there_are_the_promised_scenarios() -> None:
    """The demonstration and its smaller relatives are there."""
    assert set(NAMES) >= {
        "rack-drain", "two-guests-one-link", "quick-start", "fat-tree-evacuation", "two-sites-move",
        "mixed-policies", "drain-with-faults", "rebalance-day", "consolidation-night",
        "rolling-upgrade", "power-loss",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_scenarios_load_explain_themselves_and_read_back(name: str) -> None:
    """Each opens with a comment, says in a line what it is, and survives being written as data."""
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    scenario = files.load(name)
    assert text.startswith("# ")
    assert scenario.name == name
    assert 10 < len(scenario.about) < 120
    assert Scenario.model_validate(scenario.to_dict()) == scenario


@pytest.mark.parametrize("name", NAMES)
def test_scenarios_run_to_an_end_for_every_guest(name: str) -> None:
    """Each asks some guests to move, and each time that ends in exactly one named outcome."""
    scenario = files.load(name)
    result = ran(name)
    table = result.migrations
    again = table["attempt"] > 1
    assert 0 < len(table[~again]) == result.metrics["requested"]
    assert set(table["outcome"]) <= set(OUTCOMES)
    assert float(result.summary["simulated_s"].iloc[0]) < scenario.horizon


def test_the_rack_is_drained_but_for_what_cannot_move() -> None:
    """Of 44 guests 40 move live, two are restarted elsewhere, and two are reported."""
    outcomes = ran("rack-drain").migrations["outcome"].value_counts().to_dict()
    assert outcomes == {"completed": 40, "completed-cold": 2, "not-movable": 2}


def test_a_drain_outlasts_its_faults() -> None:
    """Who moved to the host that was lost is tried again, and those on it are lost."""
    result = ran("drain-with-faults")
    ends = result.migrations.drop_duplicates("guest", keep="last")
    assert set(ends["outcome"]) == {"completed"}
    (tried,) = result.migrations.loc[result.migrations["attempt"] == 2, "guest"]
    assert tried == "database-0"
    assert (result.guests["lost_failure_s"] > 0).sum() == 1


def test_the_rack_shows_the_question() -> None:
    """A held balloon sends far less of the file servers, and they pay for it."""
    held, zero = ran("rack-drain"), run(files.load("rack-drain").replace({"hinting": "zero-page"}))
    sent = [r.migrations.groupby("group")["sent_bytes"].sum()["files"] for r in (held, zero)]
    assert sent[0] < 0.3 * sent[1]
    read = [float(r.summary["extra_refault_bytes"].iloc[0]) for r in (held, zero)]
    assert read[0] > 50 * read[1]
    lost = [r.guests.groupby("group")["lost_work_s"].sum()["files"] for r in (held, zero)]
    assert lost[0] > 10 * lost[1]


def test_two_guests_on_one_link_take_longer_than_one_after_the_other() -> None:
    """Sharing the link slows both; in turn each takes about half as long."""
    one_at_a_time = {"operation.limits": {"per_host_out": 1}}
    in_turn = run(files.load("two-guests-one-link").replace(one_at_a_time)).migrations
    together = ran("two-guests-one-link").migrations
    assert together["total_time_s"].min() > 1.5 * in_turn["total_time_s"].max()


def test_guests_of_mixed_policies_differ_in_hinting_alone() -> None:
    """All groups are alike but for their policy, and each policy leaves its mark."""
    scenario = files.load("mixed-policies")
    assert len({group.hinting.name for group in scenario.guests if group.hinting}) == 7
    plain = {"name", "hinting"}
    assert len({str(group.model_dump(exclude=plain)) for group in scenario.guests}) == 1
    table = ran("mixed-policies").migrations.set_index("group")
    sent, policy = table["sent_bytes"], table["policy_s"]
    assert sent["all"] > sent["zero"] > sent["hint"] > sent["gentle"] > sent["held"]
    assert policy["coarse"] < 0.15 * policy["held"]


def test_moves_between_sites_go_where_they_are_told() -> None:
    """The explicit list is followed, in its order, one at a time."""
    table = ran("two-sites-move").migrations.sort_values("started_s")
    assert list(table["guest"]) == ["web-0", "build-0", "batch-0"]
    assert list(table["destination"]) == [f"site1-rack0/host{i}" for i in (0, 1, 0)]
    assert (table["started_s"].iloc[1:].to_numpy() >= table["ended_s"].iloc[:-1].to_numpy()).all()


def test_a_day_is_rebalanced_in_two_rounds() -> None:
    """A few moves when racks change their turns spare most of the work lost to full hosts."""
    result = ran("rebalance-day")
    events = result.events
    assert len(events[events["event"] == "rebalance"]) == 2
    row = result.operations.iloc[0]
    assert row["completed"] == row["requested"] == 40
    still = run(files.load("rebalance-day").replace({"operation.balancer.threshold": 9.0}))
    assert result.metrics["lost_cpu_s"] < still.metrics["lost_cpu_s"] / 10


def test_half_of_the_hosts_are_off_for_a_night() -> None:
    """Those of the second rack; each for nearly all of the five hours."""
    result = ran("consolidation-night")
    off = result.hosts[result.hosts["off_s"] > 0]
    assert set(off["rack"]) == {"rack1"}
    assert len(off) == 8
    assert off["off_s"].min() > 4.9 * 3600
    row = result.operations.iloc[0]
    assert row["saved_energy_j"] == 150 * row["off_host_s"]


def test_an_upgrade_moves_guests_once_where_they_go_to_hosts_that_are_done() -> None:
    """All hosts of two racks, each but for the first few into those that have returned."""
    result = ran("rolling-upgrade")
    row = result.operations.iloc[0]
    assert row["hosts_done"] == row["hosts"] == 80
    assert row["not_moved"] == 0
    assert row["moved_twice"] < 0.1 * row["requested"]
    steps = result.maintenance
    assert set(steps["step"]) == {"drain", "reboot", "health check"}
    assert (steps["to_s"] - steps["from_s"]).groupby(steps["step"]).median()["reboot"] > 400


def test_power_goes_before_the_largest_are_out() -> None:
    """Who is listed first is saved; the answer says how much longer the others would have taken."""
    result = ran("power-loss")
    row = result.operations.iloc[0]
    assert row["lost"] == row["not_moved"] == 56 - row["completed"]
    assert row["makespan_s"] == row["deadline_s"] == 60
    assert 10 < row["missed_s"] < 120
    assert {"web"} <= set(result.migrations.query("outcome == 'completed'")["group"])
