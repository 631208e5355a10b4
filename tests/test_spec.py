"""Scenarios as data: what they accept, how they read back, and what names them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from dcsim.errors import ScenarioError
from dcsim.scenario import files, library, presets, spec
from dcsim.scenario.checks import check
from dcsim.scenario.cluster import matching
from dcsim.scenario.spec import (
    Activity,
    GuestGroup,
    Hinting,
    LeafSpine,
    Load,
    Makeup,
    Migration,
    Pattern,
    Place,
    Scenario,
    Spec,
    Workload,
)
from dcsim.scenario.validation import validate
from dcsim.units import GiB

SHIPPED = library.names(kind="scenarios")


def minimal(**changes: Any) -> dict[str, Any]:
    """The data of a small legal scenario."""
    return {
        "topology": {"kind": "two-hosts"},
        "guests": [{"name": "web", "workload": {}, "place": {"hosts": "rack0/host0"}}],
        "operation": {"kind": "drain", "hosts": "rack0/host0"},
        **changes,
    }


# --------------------------------------------------------------------------- random scenarios

SHARES = st.floats(0, 1) | st.integers(0, 100).map("{}%".format)
RATES = st.integers(1, 400).map("{}Gbit/s".format) | st.floats(1, 1e12)
SIZES = st.integers(1, 64).map("{}GiB".format) | st.integers(2**20, 2**36)
DURATIONS = st.integers(0, 5000).map("{}ms".format) | st.floats(0, 100)
PATTERNS = (
    st.sampled_from(["uniform", "sequential", "zipf"])
    | st.fixed_dictionaries({"kind": st.just("zipf")}, optional={"alpha": st.floats(0, 3)})
    | st.fixed_dictionaries({"kind": st.just("hot-cold")}, optional={"hot_share": SHARES})
)
COMMON = {"work": DURATIONS, "workers": st.integers(1, 64), "weight": st.floats(0.1, 10)}
ACTIVITIES = st.one_of(
    st.fixed_dictionaries(
        {"do": st.just("write"), "rate": RATES, "set": st.floats(0.001, 0.02)},
        optional={"pattern": PATTERNS, "to": st.sampled_from(["anonymous", "cache"]), **COMMON},
    ),
    st.fixed_dictionaries(
        {"do": st.just("read"), "rate": RATES | st.just("max"), "work": st.just("2us")},
        optional={"set": SIZES, "pattern": PATTERNS, "read_ahead": st.integers(1, 1024)},
    ),
    st.fixed_dictionaries(
        {"do": st.just("allocate"), "rate": RATES}, optional={"lifetime": DURATIONS, **COMMON}
    ),
    st.fixed_dictionaries(
        {"do": st.just("send"), "rate": RATES},
        optional={"peer": st.sampled_from(["outside", "storage"]), **COMMON},
    ),
)
WORKLOADS = st.sampled_from(library.names(kind="workloads")) | st.fixed_dictionaries(
    {"name": st.text("abc", min_size=1, max_size=5)},
    optional={
        "activities": st.lists(ACTIVITIES, max_size=3),
        "hintable": SHARES,
        "load": st.fixed_dictionaries(
            {"points": st.just([["0s", 1], ["1min", 0.5]])}, optional={"noise": st.floats(0, 2)}
        ),
        "about": st.text(max_size=5),
    },
)
HINTINGS = st.sampled_from(presets.hinting_names()) | st.fixed_dictionaries(
    {"use": st.sampled_from(["balloon-held", "balloon-free"]), "reserve": SIZES}
)
MIGRATIONS = st.sampled_from(presets.hypervisor_names()) | st.fixed_dictionaries(
    {}, optional={"max_bandwidth": st.none() | RATES, "max_rounds": st.none() | st.integers(1, 9)}
)
TOPOLOGIES = st.sampled_from(library.names(kind="topologies")) | st.fixed_dictionaries(
    {"kind": st.just("leaf-spine"), "leaves": st.integers(2, 9)},
    optional={"uplink": RATES, "latency": DURATIONS, "goodput": st.floats(0.1, 1)},
)
GROUPS = st.lists(
    st.fixed_dictionaries(
        {"workload": WORKLOADS},
        optional={
            "vcpus": st.integers(1, 64),
            "hinting": HINTINGS,
            "migration": MIGRATIONS,
            "migratable": st.sampled_from(["live", "cold", "no"]),
            "makeups": st.lists(st.fixed_dictionaries({"cache": st.floats(0, 0.5)}), max_size=2),
        },
    ),
    min_size=1,
    max_size=3,
)
SCENARIOS = st.builds(
    minimal,
    topology=TOPOLOGIES,
    guests=GROUPS,
    hinting=HINTINGS,
    migration=MIGRATIONS,
    seed=st.integers(0, 2**63 - 1),
    horizon=st.just("2h"),
)


def shuffled(value: Any, random: Any) -> Any:
    """The same data with its keys in another order."""
    if isinstance(value, dict):
        keys = sorted(value)
        random.shuffle(keys)
        return {key: shuffled(value[key], random) for key in keys}
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


@given(SCENARIOS, st.randoms(use_true_random=False))
def test_scenarios_read_back_as_they_were(data: dict[str, Any], random: Any) -> None:
    """Plain data of any scenario, even through JSON and in another order, makes an equal one."""
    scenario = Scenario.model_validate(data)
    plain = scenario.to_dict()
    again = Scenario.model_validate(json.loads(json.dumps(shuffled(plain, random))))
    assert again == scenario
    assert again.digest() == scenario.digest()
    assert again.to_dict() == plain


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenarios_read_back_as_they_were(name: str) -> None:
    """So do the shipped scenarios."""
    scenario = files.load(name)
    assert Scenario.model_validate(scenario.to_dict()) == scenario
    assert scenario.replace({}) == scenario


# --------------------------------------------------------------------------- digest


def test_the_digest_of_a_scenario_is_known() -> None:
    """The digest is SHA-256 of the SI values as compact sorted JSON: the same everywhere."""
    scenario = Scenario.model_validate(minimal())
    assert scenario.digest() == ("d11787323b2f1937c562291287c06552e088940caf0a977b442fa88d1d6e46b6")


def test_the_digest_is_of_what_a_scenario_means() -> None:
    """Units, descriptions, sources and the amount recorded leave it; every value changes it."""
    plain = Scenario.model_validate(minimal(horizon="1h"))
    same = minimal(horizon=3600, record="summary", about="the same")
    same["guests"][0]["workload"] = {"about": "nothing", "sources": {"memory": "assumption"}}
    assert Scenario.model_validate(same).digest() == plain.digest()
    assert plain.replace({"seed": 2}).digest() != plain.digest()
    assert plain.replace({"guests[0].memory": "9GiB"}).digest() != plain.digest()
    assert plain.replace({"migration.max_bandwidth": None}).digest() != plain.digest()


# --------------------------------------------------------------------------- values


def parts(of: type[BaseModel] = Spec) -> list[type[BaseModel]]:
    own = [sub for sub in of.__subclasses__() if sub.__module__.startswith("dcsim.scenario")]
    return [part for sub in own for part in (sub, *parts(sub))]


REQUIRED: dict[str, dict[str, Any]] = {
    "Adapt": {"lost_second": "1GB"},
    "Activity": {"do": "write", "rate": "1MB/s"},
    "Arrivals": {"every": "1min"},
    "Balancer": {"threshold": "25%"},
    "Compression": {"ratio": 2, "per_page": "10us"},
    "Drain": {"hosts": "*"},
    "Encryption": {"rate": "1GB/s"},
    "Evacuate": {"hosts": "*", "deadline": "1min"},
    "HealthCheck": {"lasts": "1min"},
    "Notices": {"hosts": "*", "times": ["1s"], "notice": "2min"},
    "Upgrade": {"hosts": "*", "reboot": "5min"},
    "Graph": {
        "nodes": [{"name": "a"}, {"name": "b"}],
        "links": [{"ends": ["a", "b"], "capacity": "1Gbit/s"}],
    },
    "GraphLink": {"ends": ["a", "b"], "capacity": "1Gbit/s"},
    "GraphNode": {"name": "a"},
    "GuestGroup": {"workload": {}},
    "Hosts": {"match": "*"},
    "Selection": {"hosts": "*"},
    "LocalDisk": {"size": "40GiB"},
    "Move": {"guest": "web-0", "to": "rack0/host0"},
    "Moves": {"moves": [{"guest": "web-0", "to": "rack0/host0"}]},
    "DowntimeSteps": {"start": "100ms", "steps": [{"action": "abort", "stalls": 3}]},
    "Abort": {"at": "1s", "abort": "web-*"},
    "Empirical": {"values": ["1s"]},
    "Exponential": {"mean": "1s"},
    "Fault": {"at": "1s"},
    "Fixed": {"value": "1s"},
    "HostFailure": {"at": "1s", "host": "rack0/host0"},
    "LinkFailure": {"at": "1s", "link": "leaf0->spine0"},
    "Lognormal": {"median": "1s", "sigma": 1},
    "ManagementFailure": {"at": "1s", "management": "slow", "lasts": "1s", "factor": 2},
    "StorageFailure": {"at": "1s", "storage": "gone", "lasts": "1s"},
    "Uniform": {"low": "1s", "high": "2s"},
    "Weibull": {"scale": "1s", "shape": 1},
    "When": {"guest": "web-0", "phase": "after"},
    "MoveColumns": {"guest": ["web-0"], "to": ["rack0/host1"]},
    "Rebalance": {"balancer": {"threshold": 2}},
    "Rung": {"downtime_limit": "1s", "rounds": 3},
    "Scenario": minimal(),
    "Timetable": {"operations": [{"kind": "drain", "hosts": "rack0/host0"}]},
    "Step": {"select": ["free"], "tell": "balloon"},
    "Cost": {"most": 8},
    "Slots": {"link": "10Gbit/s", "most": 8},
    "Wake": {"above": "90%", "takes": "3min"},
    "Xbzrle": {"delta": "11B"},
}
"""What each part cannot do without."""


@pytest.mark.parametrize("part", parts(), ids=lambda part: part.__name__)
def test_defaults_are_legal_and_in_si(part: type[BaseModel]) -> None:
    """Every default passes its own check, from a file too, and is what reading it back gives."""
    required = REQUIRED.get(part.__name__, {})
    made = part.model_validate(required, context={"from_file": True})
    assert made == part.model_validate(required)
    again = part.model_validate(made.model_dump(mode="json"))
    assert again.model_dump_json() == made.model_dump_json()


def test_there_are_few_models() -> None:
    """Building models takes most of the time of `dcsim validate`."""
    assert len(parts()) <= 85  # those marked Later are built when one is read


def test_quantities_are_si() -> None:
    """Texts with units and bare numbers from Python become SI floats."""
    topology = LeafSpine.model_validate({"uplink": "100Gbit/s", "latency": 1, "goodput": "50%"})
    assert (topology.uplink, topology.latency, topology.goodput) == (1.25e10, 1.0, 0.5)
    assert type(topology.latency) is float
    sized = GuestGroup.model_validate({"workload": {}, "memory": 4 * GiB})
    assert (sized.memory, type(sized.memory)) == (4.0 * GiB, float)


def test_extents_are_shares_or_sizes() -> None:
    """Up to 1 an extent is a share, a percentage too; texts with a unit are bytes."""

    def extent(value: Any) -> float:
        return Activity.model_validate({"do": "write", "rate": "1MB/s", "set": value}).set

    assert (extent(1), extent("25%"), extent("1GiB"), extent(2**20)) == (1, 0.25, GiB, 2**20)
    for wrong in (2, "1B", -1, True, "a%", "1_0%", None):
        with pytest.raises(ValidationError):
            extent(wrong)


def test_numbers_of_numpy_are_numbers() -> None:
    """Sweeps hand over numpy's numbers; they are stored as Python's."""
    data = minimal(seed=np.int64(7), horizon=np.float32(600), tolerance=np.float64(0.1))
    scenario = Scenario.model_validate(data)
    assert json.loads(json.dumps(scenario.to_dict()))["horizon"] == 600.0
    assert type(scenario.seed) is int
    with pytest.raises(ValidationError):
        Scenario.model_validate(minimal(seed=np.True_))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": True}, {"seed": "1"}, {"seed": 1.0}, {"seed": 2**63}, {"horizon": float("nan")},
        {"horizon": float("inf")}, {"horizon": True}, {"horizon": -1}, {"horizon": 0},
        {"tolerance": "0.1"}, {"tolerance": float("nan")}, {"name": 3}, {"name": ""},
        {"about": "x" * 10_001}, {"record": None}, {"guests": []}, {"guests": ()}, {"more": 1},
        {"operation": {"kind": "drain", "hosts": "rack0/host0", "at": "1h"}},
    ],
)  # fmt: skip
def test_what_is_no_scenario_is_refused(change: dict[str, Any]) -> None:
    """Numbers are not texts nor bools, times are finite, keys are known, the horizon is reached."""
    with pytest.raises(ValidationError):
        Scenario.model_validate(minimal(**change))


def test_scenarios_are_frozen() -> None:
    """A scenario changes by `replace` only."""
    scenario = Scenario.model_validate(minimal())
    with pytest.raises(ValidationError):
        scenario.seed = 2


def test_what_means_nothing_is_not_in_the_data() -> None:
    """Fields of other kinds are neither given nor dumped, nor are those that are unset."""
    assert Pattern.model_validate("zipf").model_dump() == {"kind": "zipf", "alpha": 0.9}
    assert Place.model_validate({"rack": "rack1"}).model_dump() == {"rack": "rack1", "by": "spread"}
    assert Place(rack="rack1").pattern == "rack1/*"
    sent = Activity.model_validate({"do": "send", "rate": 5}).model_dump()
    assert set(sent) == {"do", "rate", "work", "workers", "weight", "peer"}
    assert Activity(do="allocate", rate=5).model_dump().keys() & {"set", "lifetime"} == set()
    migration = Migration.model_validate({"max_bandwidth": None}).model_dump()
    assert migration["max_bandwidth"] is None  # null lifts the hypervisor's cap
    assert Load().model_dump(exclude={"every"}) == {"points": [], "noise": 0.0}


def test_writes_find_the_pages_they_write_to() -> None:
    """A make-up must hold what activities write to; sets in bytes need the memory's size."""
    workload = Workload.model_validate(
        {"activities": [
            {"do": "write", "rate": 1, "set": 0.2},
            {"do": "write", "rate": 1, "set": "1GiB"},
            {"do": "write", "rate": 1, "set": 0.3, "to": "cache"},
        ]}
    )  # fmt: skip
    makeup = Makeup()
    assert makeup.anonymous == pytest.approx(0.35)
    assert workload.overwritten(makeup) is None
    assert workload.overwritten(makeup, memory=8 * GiB) is None
    assert workload.overwritten(makeup, memory=4 * GiB) == (
        1, "activities write to 45% of the memory, but anonymous is 35% of it"
    )  # fmt: skip
    assert workload.overwritten(Makeup(cache=0.2)) == (
        2, "activities write to 30% of the memory, but cache is 20% of it"
    )  # fmt: skip


def test_shipped_workloads_are_shared() -> None:
    """A thousand groups that name one workload hold it once."""
    groups = [{"name": f"g{i}", "workload": "idle", "memory": "1GiB"} for i in range(3)]
    scenario = validate(minimal(guests=groups))
    assert scenario.guests[0].workload is scenario.guests[2].workload
    assert scenario.guests[0].workload.name == "idle"
    assert [group.group for group in scenario.guests] == ["g0", "g1", "g2"]


def test_hinting_knows_what_steps_make_sense() -> None:
    """A step that makes no sense is refused where it stands."""
    with pytest.raises(ValidationError, match="'hint' cannot select clean-cache"):
        Hinting.model_validate({"steps": [{"select": ["clean-cache"], "tell": "hint"}]})


def test_every_name_is_exported() -> None:
    """`spec` is where all parts are found, whichever module holds them."""
    defined = {part.__name__ for part in parts()} | {
        "Distribution",
        "Spec",
        "Topology",
        "TrafficKind",
        "MODEL_VERSION",
        "Failure",
    }
    assert set(spec.__all__) == defined


# --------------------------------------------------------------------------- checks of the whole


def test_scenarios_made_in_python_are_checked_too() -> None:
    """`check` tells path, message and hint; `validate` and `replace` raise them."""
    scenario = Scenario.model_validate(minimal(operation={"kind": "drain", "hosts": "rack0/host7"}))
    assert check(scenario) == [
        (
            ("operation", "hosts"),
            "no host matches 'rack0/host7'; hosts are rack0/host0, rack0/host1",
            "did you mean 'rack0/host1'?",
        )
    ]
    with pytest.raises(ScenarioError, match=r"^operation\.hosts: no host matches"):
        validate(scenario.to_dict())
    with pytest.raises(ScenarioError, match=r"^operation\.hosts: no host matches"):
        scenario.replace({"seed": 2})


def test_patterns_match_whole_names() -> None:
    """Host patterns are those of a shell, case and all, over the whole name."""
    hosts = ["rack0/host0", "rack0/host1", "rack1/host0", "Rack0/host0"]
    assert matching("rack0/*", hosts) == hosts[:2]
    assert matching("*/host[0]", hosts) == ["rack0/host0", "rack1/host0", "Rack0/host0"]
    assert matching("rack?/host1", hosts) == ["rack0/host1"]
    assert matching("rack0", hosts) == []


def test_large_clusters_are_told_in_few_words() -> None:
    """A message never lists thousands of hosts, and guesses stay quick."""
    big = minimal(
        topology={"kind": "leaf-spine", "leaves": 500, "hosts_per_leaf": 40},
        operation={"kind": "drain", "hosts": "rakc499/*"},
    )
    (problem,) = check(Scenario.model_validate(big))
    assert problem.message == (
        "no host matches 'rakc499/*'; hosts are rack0/host0, rack0/host1, rack0/host2, ..., "
        "rack499/host39"
    )
    assert problem.hint == "did you mean 'rack499/*'?"


def test_a_guest_of_a_group_of_one_is_named_in_the_hint() -> None:
    """Where a group has one guest, the message names it alone; other words get the general rule."""
    moves = [{"guest": "web-1", "to": "rack0/host1"}, {"guest": "x", "to": "rack0/host1"}]
    operation = {"kind": "moves", "moves": moves}
    first, second = check(Scenario.model_validate(minimal(operation=operation)))
    assert first.message == "there is no guest 'web-1'; there is web-0"
    assert second.hint == "guests are called GROUP-0, GROUP-1, ..."


def test_a_scenario_shows_itself_in_a_notebook() -> None:
    """A table of what is asked, with every name escaped."""
    data = {
        "name": "<script>x</script>",
        "topology": {"kind": "two-hosts"},
        "guests": [{"workload": {}, "count": 3, "hinting": "zero-page"}],
        "operation": {"kind": "drain", "hosts": "rack0/host0"},
    }
    shown = Scenario.model_validate(data)._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;x&lt;/script&gt;" in shown
    assert "3 x inline, 8 GiB, on *, zero-page" in shown
    assert "drain of rack0/host0 at 0 s" in shown
    moves = data | {"operation": {"kind": "moves", "moves": [{"guest": "inline-0", "to": "b"}]}}
    assert "moves 1 listed" in Scenario.model_validate(moves)._repr_html_()
