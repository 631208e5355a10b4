"""Dotted paths: reading, changing and assigning, with the mistakes that people make."""

from __future__ import annotations

from typing import Any

import pytest

import dcsim
from dcsim.errors import ScenarioError
from dcsim.scenario import files, presets
from dcsim.scenario.paths import get_path, parse_assignments
from dcsim.scenario.spec import Scenario
from dcsim.units import GiB


@pytest.fixture(scope="module")
def drain() -> Scenario:
    """Two groups on four racks, hinted by a held balloon."""
    return files.load_text(
        """
topology: leaf-spine-4x8
guests:
  - {name: db, workload: database, count: 2, place: {rack: rack0}}
  - {name: web, workload: idle, place: {hosts: rack1/*}, hinting: guest-drop}
hinting: balloon-held
migration: {max_bandwidth: null, downtime_limit: 1s}
operation: {kind: drain, hosts: rack0/host0}
"""
    )


def problem(scenario: Scenario, changes: dict[str, Any]) -> str:
    """What is wrong with some changes."""
    with pytest.raises(ScenarioError) as caught:
        scenario.replace(changes)
    assert {issue.file for issue in caught.value.issues} == {None}
    return str(caught.value)


def test_values_change_and_the_original_does_not(drain: Scenario) -> None:
    """Texts with units and SI numbers are taken, at any depth."""
    changed = drain.replace(
        {
            "topology.uplink": "10Gbit/s",
            "topology.host.memory": 512 * GiB,
            "guests[0].workload.activities[0].rate": "1MB/s",
            "guests[1].count": 5,
            "settle": 5,
        }
    )
    assert get_path(changed, "topology.uplink") == 1.25e9
    assert changed.topology.host.memory == 512 * GiB
    assert changed.guests[0].workload.activities[0].rate == 1e6
    assert (changed.guests[1].count, changed.settle) == (5, 5.0)
    assert (drain.guests[1].count, drain.settle) == (1, 60.0)


def test_names_replace_wholes(drain: Scenario) -> None:
    """A shipped name, alone or with changes, stands for a whole part."""
    changed = drain.replace(
        {
            "hinting": "free-page-hint",
            "topology": {"use": "leaf-spine-4x8", "host": {"cores": 4}},
            "guests[0].workload": "idle",
            "guests[0].hinting": {"use": "balloon-free", "reserve": "1GiB"},
            "operation.limits": "kubevirt",
        }
    )
    assert changed.hinting.name == "free-page-hint"
    assert changed.topology.host.cores == 4
    assert changed.guests[0].workload.name == "idle"
    assert changed.guests[0].hinting is not None
    assert changed.guests[0].hinting.steps[0].reserve == GiB
    assert changed.operation.limits.per_cluster == 5


@pytest.mark.parametrize("reverse", [False, True])
def test_wholes_change_before_their_parts(drain: Scenario, reverse: bool) -> None:
    """A part of a whole that is replaced at the same time is changed in the new one."""
    changes: list[tuple[str, Any]] = [
        ("topology", "fat-tree-8"),
        ("topology.uplink", "1Gbit/s"),
        ("hinting", "balloon-free"),
        ("hinting.reserve", "2GiB"),
        ("operation.limits", "kubevirt"),
        ("operation.limits.per_host_in", 3),
    ]
    changed = drain.replace(dict(reversed(changes) if reverse else changes))
    assert (changed.topology.kind, get_path(changed, "topology.uplink")) == ("fat-tree", 1.25e8)
    assert changed.hinting.name == "balloon-free reserve=2GiB"
    assert changed.hinting.steps[0].reserve == 2 * GiB
    assert (changed.operation.limits.per_cluster, changed.operation.limits.per_host_in) == (5, 3)


def test_a_key_of_steps_changes_all_steps_it_fits(drain: Scenario) -> None:
    """`hinting.reserve` is what `{use: ..., reserve: ...}` is in a file, and named like it."""
    changed = drain.replace({"hinting.reserve": "1GiB"})
    assert (
        changed.hinting
        == drain.replace({"hinting": {"use": "balloon-held", "reserve": "1GiB"}}).hinting
    )
    assert changed.replace({"hinting.reserve": "2GiB"}).hinting.name == "balloon-held reserve=2GiB"
    shared = drain.replace({"guests[1].hinting.share": 0.5}).guests[1].hinting
    assert shared is not None
    assert [step.share for step in shared.steps] == [0.5, 1.0]  # drop takes a share, hint does not
    assert shared.name == "guest-drop share=0.5"


def test_a_key_that_no_step_takes_is_refused(drain: Scenario) -> None:
    """Nothing is changed in silence where it means nothing."""
    assert problem(drain, {"guests[1].hinting.reserve": "1GiB"}) == (
        "guests[1].hinting.steps[0]: reserve means nothing for 'drop'\n"
        "guests[1].hinting.steps[1]: reserve means nothing for 'hint'"
    )
    zero = drain.replace({"hinting": "zero-page"})
    assert problem(zero, {"hinting.reserve": "1GiB"}) == (
        "hinting.reserve: means nothing for the policy 'zero-page', which has no steps"
    )


def test_a_hypervisor_brings_its_settings(drain: Scenario) -> None:
    """Settings that were the old hypervisor's change with it; those given stay."""
    changed = drain.replace({"migration.hypervisor": "xen"}).migration
    assert changed.hypervisor == "xen"
    assert (changed.max_rounds, changed.window) == (5, 0.0)
    assert (changed.max_bandwidth, changed.downtime_limit) == (None, 1.0)
    back = drain.replace({"migration.hypervisor": "xen"}).replace({"migration": "qemu-10"})
    assert back.migration.max_rounds is None
    both = drain.replace({"migration.hypervisor": "xen", "migration.max_rounds": 2})
    assert both.migration.max_rounds == 2
    whole = drain.replace({"migration": "xen", "migration.max_rounds": 2}).migration
    assert (whole.hypervisor, whole.max_rounds, whole.window) == ("xen", 2, 0.0)
    legal = ", ".join(presets.hypervisor_names())
    assert problem(drain, {"migration.hypervisor": "xne"}) == (
        f"migration: unknown hypervisor 'xne'; legal names are {legal}; did you mean 'xen'?"
    )


def test_settings_written_out_keep_to_themselves(drain: Scenario) -> None:
    """A hypervisor of one's own can be renamed: all its settings stay."""
    settings = drain.migration.model_dump() | {"hypervisor": "mine"}
    own = drain.replace({"migration": settings})
    assert own.replace({"migration.hypervisor": "ours"}).migration.downtime_limit == 1.0


def test_what_is_given_is_left_as_it_is(drain: Scenario) -> None:
    """Changing a part of what is given in the same breath changes a copy of it."""
    given = {"use": "balloon-held"}
    assert drain.replace({"hinting": given, "hinting.reserve": "1GiB"}).hinting.steps[0].reserve
    assert given == {"use": "balloon-held"}


def test_unset_parts_are_set_whole(drain: Scenario) -> None:
    """A part that defaults to the scenario's must be given before its keys are."""
    assert problem(drain, {"guests[0].hinting.reserve": "1GiB"}) == (
        "guests[0].hinting: is not set; set it as a whole"
    )
    assert drain.replace({"guests[0].migration": "xen"}).guests[0].migration is not None
    assert drain.replace({"guests[1].hinting": None}).guests[1].hinting is None


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "hintng.reserve",
            "hintng: a scenario has no 'hintng'; legal keys are name, about, question, "
            "seed, horizon, topology, guests, operator, migration, hinting, operation, failures, "
            "settle, degraded_limit, tolerance, record; did you mean 'hinting'?",
        ),
        ("guests[2].count", "guests[2]: guests is a list: [0] to [1]"),
        ("guests.count", "guests.count: guests is a list: [0] to [1]"),
        (
            "guests[1].makeups[0].cache",
            "guests[1].makeups[0]: guests[1].makeups is a list: it is empty",
        ),
        ("seed.low", "seed.low: seed is a value that holds nothing"),
        ("name.a.b", "name.a: name is a value that holds nothing"),
        (
            "topology.uplnk",
            "topology.uplnk: unknown key 'uplnk'; legal keys are host, hosts, storage, goodput, "
            "routing, latency, host_link, migration_link, weights, kind, leaves, hosts_per_leaf, "
            "spines, uplink; did you mean 'uplink'?",
        ),
        ("topology..uplink", "'topology..uplink' is no path; write it like guests[0].count"),
        ("", "'' is no path; write it like guests[0].count"),
    ],
)
def test_paths_that_lead_nowhere_are_told(drain: Scenario, path: str, message: str) -> None:
    """The message says how far the path leads and what would have been legal there."""
    assert problem(drain, {path: 1}) == message


def test_all_problems_at_once(drain: Scenario) -> None:
    """Several bad paths, or several bad values, are one error."""
    assert problem(drain, {"a": 1, "b.c": 1, "d.e": 2}).count("\n") == 1  # both unknown parents
    assert problem(drain, {"seed": -1, "settle": "1 minute"}).startswith(
        "seed: must be at least 0, got -1\nsettle: cannot read '1 minute' as a duration: "
    )


def test_the_result_is_checked_as_a_whole(drain: Scenario) -> None:
    """What only the whole can tell is told."""
    assert problem(drain, {"guests[0].place.rack": "rack9"}) == (
        "guests[0].place.rack: there is no rack 'rack9'; racks are rack0, rack1, rack2, rack3; "
        "did you mean 'rack3'?"
    )


# --------------------------------------------------------------------------- reading


def test_what_stands_at_a_path_can_be_read(drain: Scenario) -> None:
    """Paths lead to values in SI, to lists, to parts, and to what is unset."""
    assert get_path(drain, "guests[0].memory") == 8 * GiB
    assert get_path(drain, "guests[0]") is drain.guests[0]
    assert get_path(drain, "hinting.steps[0].select") == ["free", "clean-cache"]
    assert get_path(drain, "guests[0].hinting") is None
    assert get_path(drain, "guests[0].place.hosts") == "*"
    assert get_path(drain, "guests[0].workload.sources.hintable").startswith("assumption")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "hinting.stps",
            "hinting.stps: hinting has no 'stps'; legal keys are name, zero_pages, steps; "
            "did you mean 'steps'?",
        ),
        ("guests[7]", "guests[7]: guests is a list: [0] to [1]"),
        ("seed[0]", "seed[0]: seed is a value that holds nothing"),
        (
            "guests[0].hinting.steps",
            "guests[0].hinting.steps: guests[0].hinting is a value that holds nothing",
        ),
        (
            "guests[0].workload.sources.x y",
            "guests[0].workload.sources.x y: guests[0].workload.sources has no 'x y'; legal keys",
        ),
        ("a[", "'a[' is no path; write it like guests[0].count"),
    ],
)
def test_reading_what_is_not_there_is_told(drain: Scenario, path: str, message: str) -> None:
    """As for changes, the message says how far the path leads."""
    with pytest.raises(ScenarioError) as caught:
        get_path(drain, path)
    assert str(caught.value).startswith(message)


# --------------------------------------------------------------------------- assignments


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("seed=3", "seed", 3),
        ("topology.uplink=10Gbit/s", "topology.uplink", "10Gbit/s"),
        ("guests[0].workload.hintable = 25%", "guests[0].workload.hintable", "25%"),
        ("hinting=none", "hinting", "none"),
        ("migration.max_bandwidth=null", "migration.max_bandwidth", None),
        ("migration.max_bandwidth=", "migration.max_bandwidth", None),
        ("operation.hosts=*", "operation.hosts", "*"),
        ("about=a=b: c", "about", "a=b: c"),
        ("name='5'", "name", "5"),
        ("hinting={use: none, reserve: 1GiB}", "hinting", {"use": "none", "reserve": "1GiB"}),
        ("x=[1, no, 1e3]", "x", [1, "no", 1000.0]),
    ],
)
def test_assignments_are_yaml(text: str, path: str, value: Any) -> None:
    """Values are read as YAML 1.2; a plain text may begin with any character."""
    assert parse_assignments([text]) == {path: value}


def test_bad_assignments_are_told_at_once() -> None:
    """No path, no value, broken YAML and doubles, each in its words."""
    with pytest.raises(ScenarioError) as caught:
        parse_assignments(["seed", "=3", "a=[1", "b=1", "b=2", "c={x: *y}"])
    assert str(caught.value) == (
        "'seed' is no path=value; write it like guests[0].count=8\n"
        "'=3' is no path=value; write it like guests[0].count=8\n"
        "a: is no YAML: did not find expected ',' or ']' while parsing a flow sequence\n"
        "b: is given twice\n"
        "c: there is no anchor &y before this alias"
    )


def test_an_operator_that_is_changed_on_the_way_stays_what_it_is():
    """What it stands for is copied before parts of it are set."""
    scene = dcsim.load("rack-drain")
    plain = scene.replace({"operator": "nova"}).migration.max_bandwidth
    changed = scene.replace({"operator": "nova", "migration.max_bandwidth": "1Gbit/s"})
    assert changed.migration.max_bandwidth == 125e6
    assert scene.replace({"operator": "nova"}).migration.max_bandwidth == plain
