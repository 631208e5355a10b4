"""A scenario made ready to run: sizes in pages, everything random drawn, problems reported."""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.control.admission import Caps
from dcsim.errors import ScenarioError
from dcsim.rng import replicate as replicate_seed
from dcsim.scenario.chance import random_inputs
from dcsim.scenario.spec import Scenario
from dcsim.simulation import Preparation, Prepared, prepare
from dcsim.simulation import prepared as module
from dcsim.units import PAGE, GiB, MiB
from tests.worlds import (
    Data,
    guest,
    leaf_spine,
    makeup,
    reader,
    scenario,
    topology,
    writer,
)

PAGES = GiB / PAGE


def prepared(data: Data, **options: int) -> Prepared:
    """Prepare plain data."""
    return prepare(Scenario.model_validate(data), **options)


def random(data: Data) -> list[str]:
    """Return what is random in plain data, in words."""
    return random_inputs(Scenario.model_validate(data))


def hosts_of(plan: Prepared) -> list[str]:
    """Return the host of each guest."""
    return [plan.network.node_names[g.host] for g in plan.guests]


# --------------------------------------------------------------------------- plain values


def test_sizes_become_pages() -> None:
    """Shares of memory, sizes in bytes, rates: all in pages of 4096 bytes."""
    data = scenario(
        guest(
            writer(8.0 * MiB, 0.25),
            writer("max", 64.0 * MiB),
            reader(4.0 * MiB, 0.1, read_ahead=8),
            makeup={"cache": 0.2, "free_zero": 0.1},
            min_free=0.01,
        )
    )
    plan = prepared(data).guests[0]
    made = plan.makeup
    assert made.memory_bytes == PAGES * PAGE
    assert made.min_free == pytest.approx(0.01 * PAGES)
    sizes = [sum(c.pages for c in classes) for classes, _ in made.writers]
    assert sizes == pytest.approx([0.25 * PAGES, 64 * MiB / PAGE])
    assert plan.demands == (2048.0, math.inf, 1024.0)
    assert made.readers[0][1] == 8
    memory = made.memory()
    assert memory.cache.count == pytest.approx(0.2 * PAGES)
    assert sum(pages.count for pages in memory.sets) == pytest.approx(PAGES)


def test_guests_are_named_after_their_group() -> None:
    """GROUP-0, GROUP-1, ...; a group without a name has its workload's."""
    data = scenario(guest(count=2, name="a"), guest(count=2))
    del data["guests"][1]["name"]
    data["guests"][1]["workload"]["name"] = "idle"
    plan = prepared(data)
    assert [g.name for g in plan.guests] == ["a-0", "a-1", "idle-0", "idle-1"]
    assert set(plan.settings) == {"a", "idle"}


def test_no_cap_is_infinite() -> None:
    """What is unset has no limit."""
    plan = prepared(scenario(migration={"hypervisor": "qemu-10", "max_bandwidth": None}))
    settings = plan.settings["guest"]
    assert settings.max_bandwidth == math.inf
    assert settings.max_rounds == math.inf
    assert plan.management.caps == Caps()
    assert set(Caps()) == {math.inf, ()}
    assert plan.management.patience.progress_s == math.inf


def test_weights_of_migrations_hold_for_all_their_kinds() -> None:
    """First pass, re-sent and switch-over share one weight."""
    data = scenario(topology=topology(weights={"migration": 2.0, "refault": 0.5}))
    weights = prepared(data).weights
    assert weights["first pass"] == weights["re-sent"] == weights["switch-over"] == 2.0
    assert weights["refault"] == 0.5


def test_it_can_be_pickled_and_is_the_same() -> None:
    """A worker gets what was prepared, and not a reference to anything here."""
    plan = prepared(scenario(guest(writer(1.0 * MiB, 0.1), count=3), topology=leaf_spine()))
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_preparing_twice_gives_the_same() -> None:
    """Nothing is drawn from anywhere but the seed."""
    load = {"noise": 0.4, "every": 10.0}
    data = scenario(
        guest(writer(1.0 * MiB, 0.1), load=load, count=3, place={"hosts": "*", "by": "random"})
    )
    assert prepared(data) == prepared(data)


def test_the_digest_is_the_scenarios() -> None:
    """Results are known by what the scenario means."""
    data = scenario()
    assert prepared(data).digest == Scenario.model_validate(data).digest()
    assert Scenario.model_validate(prepared(data).scenario).digest() == prepared(data).digest


# --------------------------------------------------------------------------- placement


def test_first_fit_fills_host_by_host() -> None:
    """Four of 1 GiB on hosts of 2 GiB."""
    net = leaf_spine(host={"cores": 8, "memory": 2.0 * GiB})
    data = scenario(guest(count=4, place={"hosts": "*", "by": "first-fit"}), topology=net)
    names = hosts_of(prepared(data))
    assert names == ["rack0/host0", "rack0/host0", "rack0/host1", "rack0/host1"]


def test_spread_is_even() -> None:
    """Eight guests on four hosts are two on each, also when groups of other sizes came before."""
    data = scenario(guest(count=8, place={"hosts": "*"}), topology=leaf_spine())
    assert set(Counter(hosts_of(prepared(data))).values()) == {2}


def test_random_places_only_where_it_may_and_where_there_is_room() -> None:
    """Drawn hosts match the pattern, and none is overbooked."""
    net = leaf_spine(host={"cores": 8, "memory": 3.0 * GiB})
    place = {"hosts": "rack0/*", "by": "random"}
    found = set()
    for seed in range(5):
        plan = prepared(scenario(guest(count=5, place=place), topology=net, seed=seed))
        counts = Counter(hosts_of(plan))
        assert set(counts) <= {"rack0/host0", "rack0/host1"}
        assert max(counts.values()) <= 3
        found.add(tuple(hosts_of(plan)))
    assert len(found) > 1


def test_guests_that_fit_together_but_not_so_are_reported() -> None:
    """Three of 2 GiB do not fit on two hosts of 3 GiB, though 6 GiB are there."""
    data = scenario(topology=topology(host={"cores": 8, "memory": 3.0 * GiB}))
    data["guests"] = [
        guest(name="a", memory=2.0 * GiB, place={"hosts": "rack0/*"}, count=2),
        guest(name="b", memory=1.5 * GiB, place={"hosts": "rack0/host0"}),
    ]
    with pytest.raises(ScenarioError) as raised:
        prepared(data)
    assert "guests[1].place" in str(raised.value)
    assert "1.5 GiB" in str(raised.value)


def test_hosts_that_differ_have_what_was_given_last() -> None:
    """Later entries add labels, and replace the rest; what is the same is kept once."""
    net = leaf_spine(
        host={"cores": 8, "memory": 4.0 * GiB, "overcommit": {"memory": 1.5, "cpu": 3}},
        hosts=[
            {"match": "rack1/*", "labels": {"zone": "a", "tier": "x"}, "cpu_flags": ["avx"]},
            {"match": "*/host1", "labels": {"zone": "b"}, "cores": 2, "memory": 2.0 * GiB},
            {"match": "rack1/host1", "cpu_flags": []},
        ],
    )
    plans = prepared(scenario(topology=net)).hosts
    assert [plan.labels for plan in plans] == [
        {}, {"zone": "b"}, {"zone": "a", "tier": "x"}, {"zone": "b", "tier": "x"},
    ]  # fmt: skip
    assert [plan.cores for plan in plans] == [8, 2, 8, 2]
    assert [plan.limit_bytes for plan in plans] == [6.0 * GiB, 3.0 * GiB] * 2
    assert [sorted(plan.cpu_flags) for plan in plans] == [[], [], ["avx"], []]
    same = prepared(scenario(topology=leaf_spine())).hosts
    assert all(plan is same[0] for plan in same)


@given(
    st.sampled_from(["spread", "first-fit", "random"]),
    st.sampled_from(["host", "rack", "zone"]),
    st.integers(2, 4),
    st.booleans(),
    st.lists(st.sampled_from([0.5, 1.0, 1.5]), min_size=2, max_size=6),
    st.sampled_from([None, "a"]),
)
@settings(max_examples=100, deadline=None)
def test_guests_stand_as_they_ask_or_it_is_told_why_not(
    by: str, label: str, of: int, apart: bool, sizes: list[float], zone: str | None
) -> None:
    """Apart or together, on hosts that have what is required, within what hosts promise."""
    net = leaf_spine(
        leaves=3,
        host={"cores": 2, "memory": 2.5 * GiB, "overcommit": {"cpu": 3}},
        hosts=[{"match": "*/host0", "labels": {"zone": "a"}},
               {"match": "*/host1", "labels": {"zone": "b"}}],
    )  # fmt: skip
    group = guest(
        place={"hosts": "*", "by": by},
        each={"memory": [size * GiB for size in sizes]},
        vcpus=2,
        **{"apart" if apart else "together": {"by": label, "of": of}},
        **({"requires": {"zone": zone}} if zone else {}),
    )
    del group["memory"]
    try:
        names = hosts_of(prepared(scenario(group, topology=net)))
    except ScenarioError:
        return  # test_why_guests_do_not_stand_as_they_ask
    places = {
        "host": names,
        "rack": [name.partition("/")[0] for name in names],
        "zone": ["ab"[name.endswith("1")] for name in names],
    }
    for first in range(0, len(sizes), of):
        ring = places[label][first : first + of]
        assert len(set(ring)) == (len(ring) if apart else 1)
    assert zone is None or set(places["zone"]) == {zone}
    for name in names:
        mine = [size for size, own in zip(sizes, names, strict=True) if own == name]
        assert sum(mine) <= 2.5
        assert len(mine) <= 3


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (
            {"count": 3, "apart": {"by": "rack"}, "place": {"hosts": "*"}, "memory": 1.5 * GiB},
            "guests[1].place: guest 2 of 3 (1.5 GiB) fits on no host of '*' any more (of 6 hosts, "
            "4: another of its set stands there, by rack; 2: no room)",
        ),
        (
            {"count": 2, "vcpus": 20, "place": {"hosts": "rack0/host1"}},
            "guests[1].place: guest 1 of 2 (1 GiB) fits on no host of 'rack0/host1' any more "
            "(of 1 hosts, 1: it has 12 vCPUs left, 20 are asked)",
        ),
        (
            {"count": 3, "together": {}, "place": {"hosts": "rack2/*"}, "memory": 1.0 * GiB},
            "guests[1].place: guest 0 of 3 (1 GiB) fits on no host of 'rack2/*' any more "
            "(of 2 hosts, 2: no room there for its whole set, 3 GiB)",
        ),
        (
            {"apart": {}, "each": {"place.hosts": ["rack1/host0"] * 2}},
            "guests[1].each.place.hosts[1]: guest 1 of 2 (1 GiB) fits on its host no more: "
            "another of its set stands there, by host",
        ),
    ],
)
def test_why_guests_do_not_stand_as_they_ask(group: Data, message: str) -> None:
    """How many hosts lack what; each guest that names its host for itself."""
    net = leaf_spine(leaves=3, host={"cores": 8, "memory": 4.0 * GiB, "overcommit": {"cpu": 4}})
    size = (2.0 if "together" in group else 4.0) * GiB
    full = guest(name="full", memory=size, place={"hosts": "rack2/*"}, count=2, vcpus=1)
    other = guest(name="other", **group)
    if "each" in group:
        del other["place"]
    with pytest.raises(ScenarioError) as raised:
        prepared(scenario(full, other, topology=net))
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"operation": {"kind": "drain", "hosts": "rack9/*"}}, "no host matches 'rack9/*'"),
        ({"operation": {"kind": "drain", "hosts": "*"}}, "guests can go nowhere"),
        (
            {"operation": {"kind": "moves", "moves": [{"guest": "x-0", "to": "rack0/host1"}]}},
            "there is no guest 'x-0'",
        ),
        ({"guests": [guest(arrive=10.0)]}, "arrive"),
        ({"guests": [guest(memory=1e12)]}, "fits on no host"),
        ({"guests": [guest(), guest()]}, "called 'guest' too"),
    ],
)
def test_what_cannot_be_run_is_refused_before_it_is(changes: Data, words: str) -> None:
    """A scenario made in Python is checked like one from a file: an error, not a traceback."""
    with pytest.raises(ScenarioError) as raised:
        prepared(scenario() | changes)
    assert words in str(raised.value)


# --------------------------------------------------------------------------- chance


def drawn(**changes: object) -> Data:
    """Two groups in which everything that can be drawn is."""
    makeups = [makeup(cache=0.1 * n, free_stale=0.05) for n in range(8)]
    load = {"noise": 0.4, "every": 10.0}
    groups = [
        guest(
            writer(1.0 * MiB, 0.1),
            name=name,
            count=4,
            load=load,
            makeups=makeups,
            arrive=20.0,
            place={"hosts": "rack0/*", "by": "random"},
        )
        for name in ("a", "b")
    ]
    data = scenario(*groups, topology=leaf_spine(spines=2))
    data["operation"] = {"kind": "drain", "hosts": "rack0/*", "at": 30.0}
    return data | changes


def chances(plan: Prepared, group: str) -> list[tuple[object, ...]]:
    """Return what was drawn for the guests of a group."""
    mine = [g for g in plan.guests if g.profile.group == group]
    return [(g.name, g.makeup, g.start_s, g.levels, g.host) for g in mine]


def test_everything_random_is_listed() -> None:
    """Each kind of chance has a line; there are five."""
    listed = " ".join(random(drawn()))
    assert len(random(drawn())) == 5
    for word in ("ECMP", "placement", "noise", "make-up", "arrival"):
        assert word in listed


def test_each_chance_is_listed_for_itself() -> None:
    """A scenario with one kind of chance names that one and the group."""
    for changes, word in (
        ({"place": {"hosts": "*", "by": "random"}}, "placement"),
        ({"load": {"noise": 0.1}}, "noise"),
        ({"makeups": [makeup(), makeup(cache=0.5)]}, "make-up"),
    ):
        (line,) = random(scenario(guest(name="lucky", **changes)))
        assert word in line
        assert "lucky" in line
    data = scenario(guest(arrive=10.0))
    data["operation"]["at"] = 20.0
    (line,) = random(data)
    assert "arrival" in line


def test_nothing_random_says_nothing() -> None:
    """One make-up, no noise, one path: there is nothing to draw."""
    assert random(scenario(guest(makeups=[makeup(cache=0.5)], load={"noise": 0.0}))) == []
    assert random(scenario(topology=leaf_spine(spines=2, routing="d-mod-k"))) == []
    assert random(scenario(topology=leaf_spine(spines=2, routing="even-split"))) == []


@pytest.mark.parametrize(
    "net",
    [
        leaf_spine(spines=1),
        {"kind": "two-sites", "leaves": 1, "hosts_per_leaf": 2, "spines": 1},
        {"kind": "two-sites", "leaves": 3, "hosts_per_leaf": 2, "spines": 1},
        {"kind": "three-tier", "aggregations": 2, "cores": 1, "racks_per_aggregation": 2},
    ],
    ids=["leaf-spine", "two-sites", "two-sites-3", "three-tier"],
)
def test_one_path_is_no_choice(net: Data) -> None:
    """A tree has one path between any two: hashes choose nothing."""
    site = "site0-" if net["kind"] == "two-sites" else ""
    data = scenario(guest(place={"hosts": f"{site}rack0/host0"}), topology=net)
    data["operation"]["hosts"] = f"{site}rack0/host0"
    assert random(data) == []


@pytest.mark.parametrize(
    "net",
    [
        leaf_spine(spines=2),
        {"kind": "fat-tree", "k": 4},
        {"kind": "three-tier", "cores": 2},
        {"kind": "two-sites", "spines": 2},
    ],
    ids=lambda net: net["kind"],
)
def test_several_paths_are_a_choice(net: Data) -> None:
    """Two ways up: which one a flow takes is a matter of its hash."""
    site = "site0-" if net["kind"] == "two-sites" else ""
    data = scenario(guest(place={"hosts": f"{site}rack0/host0"}), topology=net)
    data["operation"]["hosts"] = f"{site}rack0/host0"
    assert any("ECMP" in line for line in random(data))


@pytest.mark.parametrize(("extra", "chancy"), [([], False), ([["s", "t"]], True)])
def test_a_graph_has_a_choice_if_it_has_a_cycle(extra: list[list[str]], chancy: bool) -> None:
    """Two switches joined once are a tree; joined twice, a flow has two ways."""
    ends = [["r/a", "s"], ["r/b", "t"], ["s", "t"], *extra]
    net = {
        "kind": "graph",
        "nodes": [
            {"name": "r/a", "kind": "host"},
            {"name": "r/b", "kind": "host"},
            {"name": "s"},
            {"name": "t"},
        ],
        "links": [{"ends": pair, "capacity": 1e9} for pair in ends],
    }
    data = scenario(guest(place={"hosts": "r/a"}), topology=net)
    data["operation"]["hosts"] = "r/a"
    assert bool(random(data)) is chancy


def test_the_policy_changes_no_draw() -> None:
    """Two policies are compared under the same chances."""
    held = prepared(drawn(hinting="balloon-held"))
    plain = prepared(drawn(hinting="none"))
    for group in ("a", "b"):
        assert chances(held, group) == chances(plain, group)


def test_another_group_changes_no_draw() -> None:
    """With a group more or less, the others' make-ups, loads and arrivals are what they were."""
    both = prepared(drawn())
    alone = drawn()
    alone["guests"] = [group for group in alone["guests"] if group["name"] == "b"]
    assert chances(prepared(alone), "b") == chances(both, "b")


def test_guests_and_seeds_and_replicates_differ() -> None:
    """Each guest has draws of its own, and so has each seed and each replicate."""
    plan = prepared(drawn())
    assert len({(g.makeup, g.start_s, g.levels) for g in plan.guests}) == 8
    assert chances(prepared(drawn(seed=2)), "a") != chances(plan, "a")
    assert chances(prepared(drawn(), replicate=1), "a") != chances(plan, "a")


def test_replicate_k_is_the_same_alone() -> None:
    """Replicate k of a seed is a run of a seed of its own; 0 is the seed itself."""
    assert prepared(drawn(), replicate=0) == prepared(drawn())
    third = prepared(drawn(), replicate=3)
    assert third.seed == replicate_seed(1, 3)
    assert third.replicate == 3
    same = prepared(drawn(seed=replicate_seed(1, 3)))
    assert same.guests == third.guests
    changed = dataclasses.replace(
        same, scenario=third.scenario, digest=third.digest, replicate=third.replicate
    )
    assert changed == third


def test_arrivals_are_before_their_time_and_noise_has_mean_one() -> None:
    """Starts are uniform up to `arrive`; the lognormal factor has mean 1."""
    load = {"noise": 0.5, "every": 1.0}
    data = scenario(guest(load=load, arrive=50.0, count=40, memory=float(2**20)))
    data["operation"]["at"] = 60.0
    plans = prepared(data).guests
    starts = [g.start_s for g in plans]
    assert 0 <= min(starts) < 10
    assert 40 < max(starts) < 50
    levels = [level for g in plans for _, level in g.levels]
    assert sum(levels) / len(levels) == pytest.approx(1.0, abs=0.01)


def test_steps_after_the_horizon_are_left_out() -> None:
    """What can no longer happen costs nothing."""
    data = scenario(guest(load={"points": [[1.0, 0.5], [5000.0, 2.0]]}))
    assert prepared(data).guests[0].levels == ((1.0, 0.5),)


def test_noise_goes_on_between_the_points() -> None:
    """A point sets the level, the draws of its time multiply it."""
    load = {"points": [[2.5, 10.0]], "noise": 0.01, "every": 1.0}
    levels = prepared(scenario(guest(load=load), horizon=5.0)).guests[0].levels
    assert [time for time, _ in levels] == [0.0, 1.0, 2.0, 2.5, 3.0, 4.0]
    assert [round(level) for _, level in levels] == [1, 1, 1, 10, 10, 10]
    # the draw of second 2 holds before and after the point
    assert levels[3][1] / levels[2][1] == pytest.approx(10.0)


# --------------------------------------------------------------------------- kept


def test_the_next_replication_finds_what_its_scenario_came_to() -> None:
    """Also where the scenario has come anew, as it does in a worker; not when it says otherwise."""
    first = prepared(scenario(guest()))
    again = prepared(scenario(guest()), replicate=1)
    assert again.network is first.network
    assert (first.replicate, again.replicate) == (0, 1)
    assert prepared(scenario(guest(count=2))).network is not first.network
    assert prepared(scenario(guest())).network is first.network


def test_what_is_kept_is_never_old() -> None:
    """A list of a scenario can be changed in place, though nobody should."""
    made = Scenario.model_validate(scenario(guest()))
    before = prepare(made)
    made.guests.append(made.guests[0].model_copy(update={"name": "late"}))
    assert [plan.name for plan in prepare(made).guests] == [before.guests[0].name, "late-0"]


@pytest.mark.parametrize("bound", ["MOST_KEPT", "MOST_SCENARIOS"])
def test_only_the_last_scenarios_are_kept(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of them, and of so many guests and hosts."""
    first, second = scenario(guest()), scenario(guest(), seed=2)
    size = Preparation(Scenario.model_validate(first)).size
    monkeypatch.setattr(module, bound, {"MOST_KEPT": size, "MOST_SCENARIOS": 1}[bound])
    network = prepared(first).network
    assert prepared(first).network is network
    other = prepared(second).network
    assert prepared(second).network is other
    assert prepared(first).network is not network
    monkeypatch.setattr(module, "MOST_KEPT", size - 1)
    assert prepared(second).network is not prepared(second).network


def test_routes_travel_without_what_was_found() -> None:
    """They are those of the same network and rule, and as small as before they were asked."""
    plan = prepared(scenario(guest(), topology=leaf_spine(migration_link="1Gbit/s")))
    size = len(pickle.dumps(plan))
    path = plan.migration_routes.route(0, 3)
    assert len(pickle.dumps(plan)) == size
    again = pickle.loads(pickle.dumps(plan))
    assert again == plan
    assert again.migration_routes.route(0, 3) == path
    assert again.migration_routes.failed == plan.migration_routes.failed != plan.routes.failed
