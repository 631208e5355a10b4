"""Operators: what one name stands for, what a scenario changes of it, and that each one runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dcsim
from dcsim.cli.portrait import lines
from dcsim.errors import ScenarioError
from dcsim.scenario import presets
from dcsim.scenario.files import load_text
from dcsim.scenario.spec import Scenario
from dcsim.units import MiB
from tests.worlds import Data, guest, leaf_spine, rows, scenario, solve, writer


def under(operator: Any, **changes: Any) -> Scenario:
    """Return a small drain under an operator; what is given beside it is the scenario's own."""
    data = scenario(
        guest(writer(50.0 * MiB, 0.1), count=6, place={"rack": "rack0"}, memory=2.0**29),
        topology=leaf_spine(),
        operation={"kind": "drain", "hosts": "rack0/*", **changes.pop("operation", {})},
    )
    del data["migration"], data["hinting"]
    return Scenario.model_validate({**data, "operator": operator, **changes})


@pytest.mark.parametrize("name", presets.operator_names())
def test_every_operator_drains_a_rack(name: str) -> None:
    """Each one is legal, reads back as it was, and moves everybody."""
    asked = under(name)
    assert asked.operator is None
    assert Scenario.model_validate(asked.to_dict()) == asked
    migrations = rows(solve(asked.to_dict()), "migrations")
    assert {row["outcome"] for row in migrations} <= {"completed", "completed-postcopy"}
    assert len(migrations) == 6


def test_it_stands_for_limits_and_migration() -> None:
    """oVirt's policy of 1 at a time brings its ladder and its slowing with it."""
    asked = under("ovirt-suspend")
    assert (asked.operation.limits.name, asked.operation.limits.per_host_out) == (
        "ovirt-suspend",
        1,
    )
    migration = asked.migration
    assert migration.downtime_steps is not None
    assert migration.downtime_steps.name == "ovirt-suspend"
    assert migration.auto_converge is not None
    assert migration.xbzrle is not None
    assert migration.max_bandwidth is None


def test_what_the_scenario_says_itself_holds() -> None:
    """Keys change the operator's; a name replaces the whole part."""
    asked = under("kubevirt", migration={"max_bandwidth": "1Gbit/s"}, hinting="free-page-hint")
    assert asked.migration.max_bandwidth == 125e6
    assert asked.migration.multifd is not None
    assert asked.hinting.name == "free-page-hint"
    limited = under("kubevirt", operation={"limits": {"per_host_out": 4}})
    limits = limited.operation.limits
    assert (limits.per_cluster, limits.per_host_out) == (5, 4)
    assert limits.name == "kubevirt per_host_out=4"
    named = under("kubevirt", operation={"limits": "nova"})
    assert (named.operation.limits.name, named.operation.limits.per_cluster) == ("nova", None)
    other = under("kubevirt", migration="xen")
    assert (other.migration.hypervisor, other.migration.multifd) == ("xen", None)


def test_it_is_changed_beside_its_name_or_written_out() -> None:
    """The same as data: use and changes, or the parts alone."""
    changed = under({"use": "nova", "limits": {"per_host_out": 4}})
    assert (changed.operation.limits.per_host_out, changed.operation.limits.control_plane) == (4, 7)
    written = under({"limits": {"per_cluster": 3}, "migration": {"downtime_limit": "1s"}})
    assert (written.operation.limits.per_cluster, written.migration.downtime_limit) == (3, 1)
    copied = under(presets.data("operators", "nova"))
    assert copied == under("nova")


def test_its_name_says_no_more_than_what_it_stands_for() -> None:
    """A scenario that writes the same out has the same digest."""
    asked = under("watcher")
    plain = asked.to_dict()
    assert "operator" not in plain
    assert Scenario.model_validate(plain).digest() == asked.digest()


def test_operators_are_compared_by_replacing_one() -> None:
    """A replaced operator leaves nothing of the one before; its parts can be changed with it."""
    first = under("ovirt-post-copy")
    second = first.replace({"operator": "nova", "migration.max_bandwidth": "1Gbit/s"})
    assert second.operation.limits.name == "nova"
    assert second.migration.post_copy is None
    assert second.migration.max_bandwidth == 125e6
    third = first.replace({"hinting": "free-page-hint", "operator": "xenserver"})
    assert (third.hinting.name, third.migration.hypervisor) == ("free-page-hint", "xen")
    with pytest.raises(ScenarioError, match=r"operator: unknown operator 'nvoa'.*'nova'"):
        first.replace({"operator": "nvoa"})


FILE = """
topology: {kind: two-hosts}
operator: %s
guests: [{name: web, workload: {}, memory: 1GiB, place: {hosts: rack0/host0}}]
operation: {kind: drain, hosts: rack0/host0}
"""


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        ("kubevrt", r"<text>:3:11: operator: unknown operator 'kubevrt'.*did you mean 'kubevirt'"),
        ("{limit: nova}", "unknown key 'limit'; legal keys are use, limits, migration, hinting"),
        ("7", "operator: must be a name, or a mapping"),
        ("{limits: {per_host_out: 0}}", r"limits\.per_host_out: must be at least 1"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(operator: str, message: str) -> None:
    """Unknown names, keys and values that mean nothing."""
    with pytest.raises(ScenarioError, match=message):
        load_text(FILE % operator)


def test_a_file_can_stand_for_an_operator(tmp_path: Path) -> None:
    """Copied, changed and used: a file beside the scenario's."""
    (tmp_path / "mine.yaml").write_text("limits: {name: mine, per_cluster: 3}\n")
    (tmp_path / "scenario.yaml").write_text(FILE % "./mine.yaml")
    limits = dcsim.load(tmp_path / "scenario.yaml").operation.limits
    assert (limits.name, limits.per_cluster) == ("mine", 3)


def test_force_complete_ends_what_abort_would_not_move() -> None:
    """Nova's two answers to a guest that does not converge: it stays, or it stands still longer."""

    def outcome(operator: str) -> Data:
        hot = guest(writer(400.0 * MiB, 1.0))
        data = scenario(hot, horizon=7200.0)
        data["migration"] = {"max_bandwidth": 64.0 * MiB}
        (row,) = rows(solve({**data, "operator": operator}), "migrations")
        return row

    assert outcome("nova")["outcome"] == "aborted-timeout"
    forced = outcome("nova-force")
    assert forced["outcome"] == "completed"
    assert forced["downtime_s"] > 0.5


def test_show_tells_what_an_operator_allows() -> None:
    """All of its limits are in the portrait, and the order if one is asked for."""
    told = "\n".join(lines(under("vsphere", operation={"order": "longest"})))
    assert "a host's 8 units, 1 each and 4 with its disk" in told
    assert "a pool's 128 units, 1 each and 16 with its disk" in told
    assert "8 at a time at a host whose link has 10 Gbit/s" in told
    assert "Order: longest" in told
    other = "\n".join(lines(under({"limits": {"per_link": {"uplink": 2}, "per_pool": 3}})))
    assert "3 at a time with disks a pool, 2 at a time on one uplink link" in other
