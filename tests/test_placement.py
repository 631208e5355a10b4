"""Which destination: room, and the choice among those with room."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from dcsim.control.placement import PLACEMENTS, Placement, Placer, register
from dcsim.control.room import Room
from dcsim.errors import SimulationError
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.model.terms import Terms
from dcsim.scenario import placements
from dcsim.scenario.fabric import FatTree, LeafSpine
from dcsim.scenario.spec import Scenario
from dcsim.scenario.topology import build
from dcsim.study.comparisons.compare import compare, local_executor
from dcsim.units import GiB
from tests.worlds import guest, leaf_spine, rows, scenario, solve


@dataclass(eq=False)
class Sized:
    """As much of a guest as a placement looks at."""

    memory_bytes: float
    vcpus: float = 1.0
    terms: Terms | None = None
    name: str = "guest"


def sized(size: float, *, vcpus: float = 1.0, terms: Terms | None = None) -> Guest:
    """Return what stands for a guest of that size."""
    return cast(Guest, Sized(size, vcpus, terms))


def host(name: str, free: float, **options: Any) -> Host:
    """Return a host of 10 with so much of it free."""
    options = {"rack": "", "node": 0, "cores": 1, "memory_bytes": 10.0} | options
    found = Host(name=name, **options)
    found.used_bytes = found.limit_bytes - free
    return found


def placer(hosts: list[Host], placement: str, **options: Any) -> Placer:
    """Return a placer of hosts that are all open."""
    return Placer(hosts, placement=placement, **{"is_open": lambda _: True} | options)


def choose(hosts: list[Host], placement: str, size: float) -> Host | None:
    """Return the host that a placement finds for a guest of a size that stands nowhere."""
    return placer(hosts, placement).find(sized(size), None)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_guest_fits_where_there_is_as_much_as_it_needs(placement: str) -> None:
    """Exactly enough is enough."""
    hosts = [host("a", 4.0)]
    assert choose(hosts, placement, 4.0) is hosts[0]
    assert choose(hosts, placement, 4.1) is None
    assert choose([], placement, 1.0) is None


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("first-fit", 1),
        ("best-fit", 1),
        ("worst-fit", 4),
        ("spread", 2),
        ("pack", 4),
        ("same-rack", 2),
        ("nearest", 4),
    ],
)
def test_each_placement_takes_its_own(placement: str, expected: int) -> None:
    """Of 2, 4 of 10, 8 of 10, 8 of 10 and 9 of 40 free, for a guest of 3; of equals, the first."""
    hosts = [
        *(host(str(i), free) for i, free in enumerate([2.0, 4.0, 8.0, 8.0])),
        host("large", 9.0, memory_bytes=40.0),
    ]
    assert choose(hosts, placement, 3.0) is hosts[expected]


def test_the_same_rack_comes_first() -> None:
    """Its emptiest host; where it has no room, the emptiest of all."""
    hosts = [host(f"{i}", free, rack=f"rack{i % 2}") for i, free in enumerate([1, 9, 4, 8, 5])]
    source = Host(name="source", rack="rack0", node=9, cores=1, memory_bytes=10.0)
    kept = placer([*hosts, source], "same-rack")
    kept.close(source)
    assert kept.find(sized(3.0), source) is hosts[4]
    assert kept.find(sized(6.0), source) is hosts[1]


def test_nearest_counts_links() -> None:
    """In a fat tree: the rack, then the pod, then the rest; of as near ones the emptiest."""
    network = build(FatTree(k=4))
    hosts = [
        host(network.node_names[node], free, rack=network.racks[node], node=node)
        for node, free in zip(network.hosts, [9, 2, 3, 4, 5, 6, 8, 8, *[7] * 8], strict=True)
    ]
    kept = placer(hosts, "nearest", network=network)
    found = [kept.find(sized(size), hosts[0]) for size in (1.0, 3.0, 4.5)]
    assert [host and host.name for host in found] == ["rack0/host1", "rack1/host1", "rack3/host0"]


def test_a_package_can_offer_a_placement(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an entry point, which is loaded when its name is first used."""

    @dataclass
    class Point:
        def load(self) -> Placement:
            return lambda room, guest, source: room.fullest_first(guest.memory_bytes)

    offered = {("dcsim.placements", "tidy"): [Point()]}
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group, name: offered.get((group, name), [])
    )
    assert placements.known("tidy") == "tidy"
    hosts = [host("a", 9.0), host("b", 4.0)]
    assert choose(hosts, "tidy", 3.0) is hosts[1]
    with pytest.raises(PydanticCustomError, match="nearest, tidy, got 'tidi'"):
        placements.known("tidi")


sizes = st.integers(0, 10).map(float)


def reference(placement: str, hosts: list[Host], fitting: list[Host], source: Host) -> Host | None:
    """Look at all hosts: lists are in order, and min and max take the first of equals."""

    def share(host: Host) -> float:
        return host.free_bytes / host.limit_bytes

    def free(host: Host) -> float:
        return host.free_bytes

    if placement == "first-fit":
        return next(iter(fitting), None)
    if placement == "best-fit":
        return min(fitting, key=free, default=None)
    if placement == "pack":
        return min(fitting, key=share, default=None)
    if placement == "spread":
        return max(fitting, key=share, default=None)
    if placement == "same-rack":
        near = [host for host in fitting if host.rack == source.rack]
        return max(near or fitting, key=share, default=None)
    if placement == "nearest":
        near = [host for host in fitting if host.rack == source.rack]
        return max(near or fitting, key=free, default=None)
    return max(fitting, key=free, default=None)


@given(
    st.sampled_from(sorted(PLACEMENTS)),
    st.lists(st.tuples(sizes, st.sampled_from([10.0, 20.0, 30.0])), min_size=6, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), sizes, st.booleans(), sizes), max_size=20),
)
def test_a_placement_chooses_what_a_search_of_all_hosts_does(
    placement: str,
    free: list[tuple[float, float]],
    changes: list[tuple[int, float, bool, float]],
) -> None:
    """Whatever becomes free, full, open or closed in the meantime."""
    network = build(LeafSpine(leaves=2, hosts_per_leaf=3))
    hosts = [
        host(network.node_names[i], size, rack=network.racks[i], node=i, memory_bytes=memory)
        for i, (size, memory) in enumerate(free)
    ]
    kept, closed = placer(hosts, placement, network=network), set[Host]()
    assert kept.most == -math.inf  # nobody has looked for a host
    kept.find(sized(math.inf), None)
    for at, left, is_open, size in changes:
        one = hosts[at]
        before = -math.inf if one in closed else one.free_bytes
        one.used_bytes = one.limit_bytes - left
        if is_open == (one in closed):
            (closed.discard if is_open else closed.add)(one)
            (kept.open if is_open else kept.close)(one)
        else:
            assert kept.note(one) == (is_open and left > before)
        source = hosts[(at + 1) % 6]
        fitting = [h for h in hosts if h not in closed | {source} and size <= h.free_bytes]
        found = kept.find(sized(size), source)
        assert found is reference(placement, hosts, fitting, source)
        assert kept.most == max([h.free_bytes for h in hosts if h not in closed], default=-math.inf)


def test_a_placement_can_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of some lines; scenarios may then name it, and their hosts are chosen by it."""
    monkeypatch.setattr(placements, "_registered", {})

    @register("last-fit")
    def last_fit(room: Room, guest: Guest, source: Host | None) -> list[Host]:
        return list(room.in_order(guest.memory_bytes))[::-1]

    data = scenario(guest(count=2, place={"rack": "rack0"}), topology=leaf_spine())
    data["operation"] = {"kind": "drain", "hosts": "rack0/*", "placement": "last-fit"}
    assert {m["destination"] for m in rows(solve(data), "migrations")} == {"rack1/host1"}
    study = compare(Scenario.model_validate(data), hinting=["none"], executor=local_executor(1))
    assert study.results[0].metrics["completed"] == 2
    monkeypatch.setattr(placements, "_registered", {})
    with pytest.raises(SimulationError, match="registered in another process"):
        placer([], "last-fit")
    with pytest.raises(ValidationError, match="must be one of first-fit, best-fit"):
        Scenario.model_validate(data)
    with pytest.raises(ValueError, match="is a shipped placement"):
        register("spread")


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("spread", {"rack1/host0": 4, "rack1/host1": 4}),
        ("first-fit", {"rack1/host0": 6, "rack1/host1": 2}),
    ],
)
def test_a_drain_places_as_it_is_told(placement: str, expected: dict[str, int]) -> None:
    """Eight guests of 1 GiB go to two hosts of 6 GiB: evenly, or one after the other."""
    topology = leaf_spine(host={"cores": 8, "memory": 6.0 * GiB})
    data = scenario(guest(count=8, place={"rack": "rack0"}), topology=topology)
    data["operation"] = {"kind": "drain", "hosts": "rack0/*", "placement": placement}
    migrations = rows(solve(data), "migrations")
    assert Counter(m["destination"] for m in migrations) == expected


def test_hosts_that_are_drained_receive_nothing() -> None:
    """A drain of half the racks goes to the other half only."""
    data = scenario(guest(count=8, place={"rack": "rack0"}), topology=leaf_spine())
    data["operation"] = {"kind": "drain", "hosts": "rack0/*"}
    assert all(m["destination"].startswith("rack1/") for m in rows(solve(data), "migrations"))
