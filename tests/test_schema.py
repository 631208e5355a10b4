"""The JSON Schema: every shipped scenario and shorthand follows it, common mistakes do not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dcsim.scenario import library, parsing
from dcsim.scenario.schema import schema
from dcsim.study.designs.schema import schema as study_schema

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema checks the schema")


@pytest.fixture(scope="module", params=["Draft7Validator", "Draft202012Validator"])
def validator(request: pytest.FixtureRequest) -> Any:
    """A reader of the old and of the new drafts."""
    kind = getattr(jsonschema, request.param)
    kind.check_schema(schema())
    return kind(schema())


def scenario(**changes: Any) -> dict[str, Any]:
    """A legal scenario with changes."""
    return {
        "topology": {"kind": "two-hosts"},
        "guests": [{"workload": "idle"}],
        "operation": {"kind": "drain", "hosts": "rack0/host0"},
        **changes,
    }


@pytest.mark.parametrize("name", library.names(kind="scenarios"))
def test_shipped_scenarios_follow_the_schema(validator: Any, name: str) -> None:
    """An editor finds no fault with what is shipped."""
    data = parsing.parse(library.text(kind="scenarios", name=name)).plain()
    assert [error.message for error in validator.iter_errors(data)] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"topology": "leaf-spine-4x8"},
        {"topology": "../topologies/mine.yaml"},
        {"topology": {"use": "leaf-spine-4x8", "uplink": "100Gbit/s", "host": {"cores": 64}}},
        {"topology": {"use": "./mine.yaml", "wan": "1 Gbit/s", "kind": "two-sites"}},
        {"hinting": "balloon-held"},
        {"hinting": {"use": "balloon-held", "reserve": "1GiB", "share": "50%"}},
        {"hinting": {"steps": [{"select": ["free"], "tell": "list"}]}},
        {"migration": "xen"},
        {"migration": {"max_bandwidth": None, "downtime_limit": "0.5s"}},
        {"migration": {"use": "./mine.yaml", "max_rounds": 3}},
        {"guests": [{"workload": {"use": "database", "hintable": 0.5}}]},
        {"guests": [{"workload": "./mine.yaml"}, {"workload": {}, "migration": {}}]},
        {"guests": [{"use": "population.yaml", "place": {"rack": "rack0"}, "hinting": "none"}]},
        {"guests": [{"workload": {"activities": [
            {"do": "read", "rate": "max", "pattern": "zipf", "set": "4GiB"},
            {"do": "send", "rate": "1.5e3 kB/s", "work": 0},
        ], "load": {"points": [["0s", 1], [0, 2]]}}}]},
        {"operation": {"kind": "moves", "moves": [{"guest": "a-0", "to": "b"}], "limits": "nova"}},
        {"operation": {"kind": "drain", "hosts": "*", "limits": {"use": "nova", "per_cluster": 3}}},
        {"operation": {"kind": "moves", "moves": {"guest": ["a-0"], "to": ["b"]}}},
        {"operation": {"kind": "moves", "moves": "moves.csv"}},
        {"failures": [
            {"at": "5min", "host": "rack0/*", "returns_after": "10min"},
            {"link": "leaf0->*", "every": {"kind": "exponential", "mean": "1d"}, "lasts": "5s"},
            {"at": 0, "storage": "slow", "latency": "5ms",
             "lasts": {"kind": "uniform", "low": 0, "high": "1min"}},
            {"at": "1s", "management": "slow", "factor": 2, "lasts": "5s"},
            {"abort": "*", "when": {"guest": "web-0", "phase": "policy"}, "times": 2},
        ]},
        {"guests": [{"workload": "idle", "each": "guests.csv"}]},
        {"guests": [{"workload": "idle", "each": {
            "name": ["a"], "memory": ["1GiB"], "vcpus": [2], "place.hosts": ["rack0/host0"],
            "workload.memory.cache": ["25%"], "workload.activities[12].rate": ["1MB/s"],
        }}]},
    ],
)  # fmt: skip
def test_shorthand_follows_the_schema(validator: Any, changes: dict[str, Any]) -> None:
    """Names, files, `use` with changes and texts with units are what files hold."""
    assert [error.message for error in validator.iter_errors(scenario(**changes))] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"horizon": 600},
        {"horizon": "10 m"},
        {"topology": "leaf-spin"},
        {"topology": {"leaves": 4}},
        {"topology": {"kind": "two-hosts", "uplink": "1Gbit/s"}},
        {"topology": {"use": "leaf-spine-4x8", "uplnk": "100Gbit/s"}},
        {"hinting": "balloon"},
        {"hinting": {"use": "balloon-held", "reserve": 5}},
        {"migration": {"use": "xen"}},
        {"guests": []},
        {"guests": [{}]},
        {"guests": [{"use": "population"}]},
        {"guests": [{"workload": "idle", "count": "3"}]},
        {"guests": [{"workload": {"hintable": "150"}}]},
        {"operation": {"hosts": "*"}},
        {"operation": {"kind": "moves", "moves": {"guest": ["a-0"], "from": ["b"]}}},
        {"operation": {"kind": "moves", "moves": "moves.yaml"}},
        {"guests": [{"workload": "idle", "each": "guests.yaml"}]},
        {"guests": [{"workload": "idle", "each": {"memory": [5]}}]},
        {"guests": [{"workload": "idle", "each": {"vcpus": [0]}}]},
        {"guests": [{"workload": "idle", "each": {"workload.memory.total": [0.5]}}]},
        {"more": 1},
        {"failures": [{"at": 5, "host": "a"}]},
        {"failures": [{"at": "5s"}]},
        {"failures": [{"at": "5s", "storage": "slwo", "lasts": "5s"}]},
        {"failures": [{"every": {"kind": "exponential"}, "link": "a->b"}]},
        {"failures": [{"every": {"mean": "5s"}, "link": "a->b"}]},
    ],
)
def test_mistakes_do_not_follow_the_schema(validator: Any, changes: dict[str, Any]) -> None:
    """An editor underlines misspelt keys and names, and numbers without their unit."""
    assert not validator.is_valid(scenario(**changes))


def test_the_schema_is_for_tools_of_either_draft() -> None:
    """It has no keyword that only one draft knows, and no default that a file may not hold."""
    text = json.dumps(schema())
    for keyword in ("prefixItems", "unevaluated", "dependentRequired", "additionalItems"):
        assert keyword not in text
    assert "274877906944" not in text
    host = schema()["$defs"]["Host"]["properties"]["memory"]
    assert host["default"] == "256GiB"
    assert host["description"] == "memory for guests"


# ------------------------------------------------------------------- studies


@pytest.fixture(scope="module", params=["Draft7Validator", "Draft202012Validator"])
def study_validator(request: pytest.FixtureRequest) -> Any:
    """A reader of the old and of the new drafts."""
    kind = getattr(jsonschema, request.param)
    kind.check_schema(study_schema())
    return kind(study_schema())


@pytest.mark.parametrize("name", library.names(kind="studies"))
def test_shipped_studies_follow_their_schema(study_validator: Any, name: str) -> None:
    """With the scenario that they hold."""
    data = parsing.parse(library.text(kind="studies", name=name)).plain()
    assert [error.message for error in study_validator.iter_errors(data)] == []


@pytest.mark.parametrize(
    ("changes", "legal"),
    [
        ({}, True),
        ({"design": "one-at-a-time", "replications": 3}, True),
        ({"design": {"kind": "sobol-sequence", "size": 8}}, True),
        ({"axes": [{"hinting": ["none"]}, {"a": [1], "b": "1..4"}]}, True),
        ({"axes": None, "points": "mine.csv"}, False),
        ({"axis": {}}, False),
        ({"design": "gird"}, False),
        ({"replications": 0}, False),
        ({"scenario": {"topology": {"kind": "two-hosts"}}}, False),
        ({"metrics": ["makespan"]}, False),
    ],
)
def test_a_study_follows_the_schema_or_not(
    study_validator: Any, changes: dict[str, Any], legal: bool
) -> None:
    """Shorthand does, common mistakes do not."""
    data = {"scenario": "quick-start", "axes": {"hinting": "none, zero-page"}, **changes}
    assert study_validator.is_valid(data) == legal
