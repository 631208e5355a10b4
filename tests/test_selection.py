"""Which hosts an operation is about: by names, racks and labels."""

from __future__ import annotations

import pytest

from dcsim.scenario.checks import check
from dcsim.scenario.cluster import Cluster
from dcsim.scenario.selection import Selection
from dcsim.scenario.spec import Scenario
from tests.worlds import Data, guest, leaf_spine, rows, scenario, solve

NET = leaf_spine(
    leaves=3,
    hosts=[{"match": "rack[01]/*", "labels": {"zone": "a"}}, {"match": "rack2/*", "memory": 2e9}],
)
NAMES = [f"rack{rack}/host{n}" for rack in range(3) for n in range(2)]


@pytest.mark.parametrize(
    ("selection", "expected", "which"),
    [
        ({"hosts": "*/host1"}, [1, 3, 5], "*/host1"),
        ({"racks": ["rack2", "rack0"]}, [0, 1, 4, 5], "rack2, rack0"),
        ({"racks": ["rack[12]"], "hosts": "*/host0"}, [2, 4], "*/host0 and rack[12]"),
        ({"labels": {"zone": "a", "rack": "rack1"}}, [2, 3], "zone=a and rack=rack1"),
        ({"labels": {"zone": "a"}, "racks": ["rack2"]}, [], "rack2 and zone=a"),
    ],
)
def test_all_that_is_given_holds(selection: Data, expected: list[int], which: str) -> None:
    """Hosts are in order, however they are selected."""
    cluster = Cluster(Scenario.model_validate(scenario(topology=NET)).topology, NAMES)
    made = Selection.model_validate(selection)
    assert made.selected(cluster) == [NAMES[i] for i in expected]
    assert made.which == which


@pytest.mark.parametrize(
    ("selection", "messages"),
    [
        (
            {"racks": ["rack9", "rack0"], "labels": {"zoen": "a"}},
            [
                "there is no rack 'rack9'; racks are rack0, rack1, rack2",
                "no host has a label 'zoen'; labels are host, rack, zone",
            ],
        ),
        (
            {"racks": ["rack2"], "labels": {"zone": "a"}},
            ["no host is in all of rack2 and zone=a"],
        ),
        ({"racks": ["*"]}, ["drains all there is, 6 hosts: guests can go nowhere"]),
    ],
)
def test_what_selects_nothing_is_told(selection: Data, messages: list[str]) -> None:
    """What does not exist, or that nothing is left of what does."""
    data = scenario(guest(), topology=NET, operation={"kind": "drain"} | selection)
    assert [problem.message for problem in check(Scenario.model_validate(data))] == messages


def test_a_drain_of_a_zone() -> None:
    """Guests leave all racks of it."""
    group = guest(count=6, memory=0.25e9, place={"hosts": "*"})
    data = scenario(group, topology=NET, operation={"kind": "drain", "labels": {"zone": "a"}})
    moved = rows(solve(data), "migrations")
    assert {row["source"].partition("/")[0] for row in moved} == {"rack0", "rack1"}
    assert {row["destination"].partition("/")[0] for row in moved} == {"rack2"}
