"""Routes: which links a flow crosses, under each of the three rules, and around failures."""

from __future__ import annotations

import importlib.util
from collections import Counter
from itertools import pairwise
from typing import Any

import networkx as nx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from dcsim import kernel
from dcsim.errors import SimulationError
from dcsim.model.routing import Path, Routes, Routing, Ways, _splitmix64
from dcsim.rng import Streams
from dcsim.scenario.fabric import FatTree, Graph, LeafSpine, Topology, TwoHosts, TwoSites
from dcsim.scenario.topology import Network, build

ROUTINGS: tuple[Routing, ...] = ("ecmp", "even-split", "d-mod-k")
SHIPPED = {
    name: build(TypeAdapter(Topology).validate_python(name))
    for name in ("two-hosts", "leaf-spine-4x8", "fat-tree-8", "three-tier", "two-sites")
}


def number(name: str, prefix: str) -> int:
    return int(name.removeprefix(prefix))


def expected_hops(name: str, network: Network, source: int, target: int) -> int:
    """Links between two different hosts, from what the topology is."""
    a, b = network.racks[source], network.racks[target]
    if a == b:
        return 2
    if name == "fat-tree-8":
        return 4 if number(a, "rack") // 4 == number(b, "rack") // 4 else 6
    if name == "three-tier":
        return 4 if number(a, "rack") // 4 == number(b, "rack") // 4 else 6
    if name == "two-sites":
        return 4 if a[:5] == b[:5] else 7
    return 4


def graph(links: list[tuple[Any, ...]], **kinds: str) -> Network:
    """A network of links, each of two ends and maybe a latency; lower-case names are hosts."""
    names = dict.fromkeys(end for link in links for end in link[:2])
    return build(
        Graph(
            nodes=[
                {"name": n, "kind": kinds.get(n, "host" if n.islower() else "switch")}
                for n in names
            ],
            links=[
                {"ends": list(link[:2]), "capacity": 1e9, "latency": link[2] if link[2:] else 0.0}
                for link in links
            ],
        )
    )


def node(network: Network, name: str) -> int:
    return network.node_names.index(name)


def names(network: Network, path: Path) -> list[str]:
    return [network.link_names[link] for link in path.links]


def assert_one_way(network: Network, path: Path, source: int, target: int) -> None:
    """The links join up from source to target, through switches only."""
    links = [link for link in path.links if link != network.disk]
    assert network.tails[links[0]] == source
    assert network.heads[links[-1]] == target
    for link, following in pairwise(links):
        assert network.heads[link] == network.tails[following]
        assert network.node_kinds[network.heads[link]] == "switch"


def assert_conserved(network: Network, path: Path, source: int, target: int) -> None:
    """All leaves the source, all reaches the target, and what comes to a node goes on from it."""
    shares = path.shares or (1.0,) * len(path.links)
    balance: Counter[int] = Counter()
    for link, share in zip(path.links, shares, strict=True):
        assert 0 < share <= 1
        balance[network.tails[link]] -= share
        balance[network.heads[link]] += share
    ends = {source: -1.0, target: 1.0}
    assert len(set(path.links)) == len(path.links)
    for name, amount in balance.items():
        assert amount == pytest.approx(ends.get(name, 0.0), abs=1e-12)


# --------------------------------------------------------------------------- all pairs


@pytest.mark.parametrize("routing", ["ecmp", "d-mod-k"])
@pytest.mark.parametrize("name", SHIPPED)
def test_every_pair_of_hosts_is_joined_by_a_shortest_path(name: str, routing: Routing) -> None:
    """In every shipped topology, as long as its shape says, latency summed over its links."""
    network = SHIPPED[name]
    routes = Routes(network, routing=routing)
    for source in network.hosts:
        for target in network.hosts:
            if source == target:
                continue
            path = routes.route(source, target, 1000 * source + target)
            assert path.hops == len(path.links) == expected_hops(name, network, source, target)
            assert path.shares is None
            assert_one_way(network, path, source, target)
            assert routes.latency_s(path) == pytest.approx(
                sum(network.latency_s[link] for link in path.links)
            )


@pytest.mark.parametrize("name", SHIPPED)
def test_even_split_loses_nothing_between_any_pair(name: str) -> None:
    """Flow is conserved at each node; layer by layer the shares sum to 1, in all to the hops."""
    network = SHIPPED[name]
    routes = Routes(network, routing="even-split")
    ends = [*network.hosts][:: max(1, len(network.hosts) // 16)]
    for source in ends:
        for target in ends:
            if source == target:
                continue
            path = routes.route(source, target)
            hops = expected_hops(name, network, source, target)
            assert path.hops == hops
            assert_conserved(network, path, source, target)
            assert sum(path.shares or [1.0] * hops) == pytest.approx(hops)


def test_even_split_of_a_fat_tree_uses_every_path_equally() -> None:
    """Between pods of the 8-ary tree: 4 aggregation switches, 16 cores, and back."""
    network = SHIPPED["fat-tree-8"]
    routes = Routes(network, routing="even-split")
    path = routes.route(0, 127)
    assert path.shares is not None
    split = Counter(path.shares)
    assert split == {1.0: 2, 1 / 4: 8, 1 / 16: 32}
    assert routes.latency_s(path) == pytest.approx(6 * 20e-6)


def test_a_split_flow_that_meets_again_is_counted_once() -> None:
    """Two ways that join before they part again: each link is listed once, with what it carries."""
    network = graph([("a", "A"), ("A", "B"), ("A", "C"), ("B", "D"), ("C", "D"), ("D", "b")])
    routes = Routes(network, routing="even-split")
    path = routes.route(0, node(network, "b"))
    carried = dict(zip(names(network, path), path.shares or (), strict=True))
    assert carried == {
        "a->A": 1, "A->B": 0.5, "A->C": 0.5, "B->D": 0.5, "C->D": 0.5, "D->b": 1
    }  # fmt: skip


def test_even_split_divides_at_each_hop_not_by_path() -> None:
    """Three paths, two of which share their first hop, carry a half and two quarters."""
    network = graph(
        [("a", "A"), ("A", "B", 1.0), ("A", "C", 3.0), ("B", "D"), ("C", "D"), ("C", "D"),
         ("D", "b")]
    )  # fmt: skip
    routes = Routes(network, routing="even-split")
    path = routes.route(0, node(network, "b"))
    carried = dict(zip(names(network, path), path.shares or (), strict=True))
    assert (carried["B->D"], carried["C->D"], carried["C->D#2"]) == (0.5, 0.25, 0.25)
    assert routes.latency_s(path) == pytest.approx(0.5 * 1.0 + 0.5 * 3.0)
    assert path.hops == 4


# --------------------------------------------------------------------------- any graph


@st.composite
def random_networks(draw: st.DrawFn) -> Network:
    """Some switches linked at random, and hosts on one or two of them or on each other."""
    switches = [f"S{i}" for i in range(draw(st.integers(1, 7)))]
    hosts = [f"h{i}" for i in range(draw(st.integers(2, 4)))]
    pairs = [(a, b) for i, a in enumerate(switches) for b in switches[:i]]
    links = draw(st.lists(st.sampled_from(pairs), max_size=14)) if pairs else []
    for i, host in enumerate(hosts):
        places = st.sampled_from([*switches, *hosts[:i]])
        links += [(host, place) for place in draw(st.lists(places, min_size=1, max_size=2))]
    used = {end for link in links for end in link}
    assume(used >= {*hosts})
    return graph(links)


@given(network=random_networks(), key=st.integers(0, 2**64 - 1))
def test_routes_of_any_graph_are_shortest_and_go_through_switches_only(
    network: Network, key: int
) -> None:
    """As long as networkx says, with all other hosts taken away; or refused where there is none."""
    for source in network.hosts:
        for target in network.hosts:
            others = {host for host in network.hosts if host not in (source, target)}
            cables = zip(network.tails, network.heads, strict=True)
            open_graph = nx.DiGraph([ends for ends in cables if not others & {*ends}])
            open_graph.add_nodes_from([source, target])
            try:
                hops = nx.shortest_path_length(open_graph, source, target)
            except nx.NetworkXNoPath:
                hops = None
            for routing in ROUTINGS:
                routes = Routes(network, routing=routing)
                if hops is None:
                    with pytest.raises(SimulationError, match="no route"):
                        routes.route(source, target, key)
                    continue
                path = routes.route(source, target, key)
                assert path.hops == hops
                if source != target:
                    assert_conserved(network, path, source, target)


@given(network=random_networks())
def test_the_split_flow_uses_exactly_the_links_of_shortest_paths(network: Network) -> None:
    """Every link of every shortest path carries something, no other link does."""
    routes = Routes(network, routing="even-split")
    for source in network.hosts:
        for target in network.hosts:
            others = {host for host in network.hosts if host not in (source, target)}
            cables = [*zip(network.tails, network.heads, strict=True)]
            open_graph = nx.DiGraph([ends for ends in cables if not others & {*ends}])
            open_graph.add_nodes_from([source, target])
            if source == target or not nx.has_path(open_graph, source, target):
                continue
            hops = {
                hop
                for way in nx.all_shortest_paths(open_graph, source, target)
                for hop in pairwise(way)
            }
            wanted = {link for link, ends in enumerate(cables) if ends in hops}
            assert set(routes.route(source, target).links) == wanted


# --------------------------------------------------------------------------- d-mod-k


@pytest.mark.parametrize("k", [4, 6, 8])
def test_d_mod_k_takes_the_ports_that_the_target_s_number_says(k: int) -> None:
    """Up port d mod k/2 at the edge, (d div k/2) mod k/2 at the aggregation switch."""
    network = build(FatTree(k=k))
    routes = Routes(network, routing="d-mod-k")
    m = k // 2
    for s in network.hosts[::3]:
        for d in network.hosts:
            source, target = network.node_names[s], network.node_names[d]
            up, down = s // m, d // m  # edge switches
            climb, fall = up // m * m + d % m, down // m * m + d % m  # aggregation switches
            core = d % m * m + d // m % m
            if s == d:
                way = []
            elif up == down:
                way = [source, f"edge{up}", target]
            elif up // m == down // m:
                way = [source, f"edge{up}", f"aggregation{climb}", f"edge{down}", target]
            else:
                way = [
                    source, f"edge{up}", f"aggregation{climb}", f"core{core}",
                    f"aggregation{fall}", f"edge{down}", target,
                ]  # fmt: skip
            expected = [f"{a}->{b}" for a, b in pairwise(way)]
            assert names(network, routes.route(s, d, key=s * d)) == expected


def test_d_mod_k_gives_each_target_of_a_shift_its_own_links() -> None:
    """What the rule is for: when host i sends to host i + s, no link has two flows."""
    network = build(FatTree(k=4))
    routes = Routes(network, routing="d-mod-k")
    n = len(network.hosts)
    for shift in range(1, n):
        used = Counter(
            link for host in range(n) for link in routes.route(host, (host + shift) % n).links
        )
        assert set(used.values()) == {1}


# --------------------------------------------------------------------------- ecmp


def test_splitmix64_gives_its_published_numbers() -> None:
    """The hash is the generator's, so that it never depends on a Python version."""
    assert [_splitmix64(1234567, n) for n in (1, 2, 3)] == [
        6457827717110365317, 3203168211198807973, 9817491932198370423
    ]  # fmt: skip


@pytest.mark.parametrize("hashed", [True, False])
def test_ecmp_spreads_keys_evenly_over_all_paths(hashed: bool) -> None:
    """Hashed keys, or 0, 1, 2...: chi-square over the 16 paths stays below its 99.9 % quantile."""
    network = SHIPPED["fat-tree-8"]
    routes, streams = Routes(network), Streams(1)
    keys = [streams.uniform_hash("flow", i) if hashed else i for i in range(3200)]
    used = Counter(routes.route(0, 127, key).links for key in keys)
    assert len(used) == 16
    expected = len(keys) / 16
    assert sum((count - expected) ** 2 / expected for count in used.values()) < 37.7


def test_ecmp_spreads_over_a_number_of_links_that_is_no_power_of_two() -> None:
    """Five spines get a fifth each: chi-square with 4 degrees of freedom."""
    network = build(LeafSpine(leaves=2, hosts_per_leaf=1, spines=5))
    routes = Routes(network)
    used = Counter(routes.route(0, 1, key).links[1] for key in range(2000))
    assert len(used) == 5
    assert sum((count - 400) ** 2 / 400 for count in used.values()) < 18.5


def test_ecmp_is_the_same_in_every_run() -> None:
    """The key alone decides: not the order of questions, not what was asked before."""
    network = SHIPPED["fat-tree-8"]
    asked = [(s, t, 31 * s + t) for s in range(0, 128, 9) for t in range(1, 128, 11) if s != t]
    first, second = Routes(network), Routes(network)
    forward = {ask: first.route(*ask) for ask in asked}
    assert {ask: second.route(*ask) for ask in reversed(asked)} == forward
    # Outputs 2 and 3 of splitmix64(0) are 0x6e78... and 0x06c4...: 0.43 and 0.03 of 2 ** 64.
    assert names(network, first.route(0, 127, 0))[1:3] == [
        "edge0->aggregation1", "aggregation1->core4"
    ]  # fmt: skip


def test_equal_paths_are_one_object() -> None:
    """Flows of one path can be told by the path's identity, whatever their keys."""
    network = SHIPPED["leaf-spine-4x8"]
    for routing in ROUTINGS:
        routes = Routes(network, routing=routing)
        found = [routes.route(0, 31, key) for key in range(40)]
        assert len({id(path) for path in found}) == len(set(found))
    assert len({id(Routes(network).route(3, 3, key)) for key in range(3)}) == 1


# --------------------------------------------------------------------------- ends


@pytest.mark.parametrize("routing", ROUTINGS)
def test_a_host_reaches_itself_over_nothing(routing: Routing) -> None:
    """No link, no latency, no hop."""
    routes = Routes(SHIPPED["two-hosts"], routing=routing)
    path = routes.route(1, 1, 7)
    assert path == Path(links=(), shares=None, hops=0)
    assert routes.latency_s(path) == 0


@pytest.mark.parametrize("routing", ROUTINGS)
@pytest.mark.parametrize("name", SHIPPED)
def test_paths_of_storage_cross_its_disk(name: str, routing: Routing) -> None:
    """The disk is first when reading and last when writing; it is no hop and has no latency."""
    network = SHIPPED[name]
    routes = Routes(network, routing=routing)
    storage, disk = network.storage, network.disk
    assert storage is not None
    hops = {"two-hosts": 2, "leaf-spine-4x8": 3, "fat-tree-8": 4, "three-tier": 4, "two-sites": 3}
    for path, at in ((routes.route(storage, 0, 5), 0), (routes.route(0, storage, 5), -1)):
        assert path.links[at] == disk
        assert path.links.count(disk) == 1
        assert path.shares is None or path.shares[at] == 1
        assert path.hops == hops[name]
        assert routes.latency_s(path) == pytest.approx(20e-6 * path.hops)
    assert_conserved(network, routes.route(storage, 0, 5), storage, 0)


def test_storage_spreads_its_readers_over_its_links() -> None:
    """Reads leave by every spine; by destination they do so in turn."""
    network = SHIPPED["leaf-spine-4x8"]
    storage = network.storage
    assert storage is not None
    by_target = Routes(network, routing="d-mod-k")
    first = [names(network, by_target.route(storage, host))[1] for host in range(4)]
    assert first == ["storage->spine0", "storage->spine1"] * 2
    split = Routes(network, routing="even-split").route(storage, 0)
    assert split.shares == (1, 0.5, 0.5, 0.5, 0.5, 1)


def test_storage_of_the_other_site_is_behind_the_wan() -> None:
    """Site 1 reads over the WAN; either site has its own way outside."""
    network = SHIPPED["two-sites"]
    routes = Routes(network)
    storage, outside = network.storage, network.outside
    assert storage is not None
    assert outside is not None
    far = node(network, "site1-rack0/host0")
    path = routes.route(storage, far, 1)
    assert "site0-border->site1-border" in names(network, path)
    assert path.hops == 6
    assert names(network, routes.route(far, outside, 1))[-1] == "site1-border->outside"
    assert routes.route(0, outside, 1).hops == 4


@pytest.mark.parametrize("routing", ROUTINGS)
def test_nothing_goes_through_a_host_or_the_outside(routing: Routing) -> None:
    """The detour over four switches is taken, not the shortcut over a host or the outside."""
    network = graph(
        [("a", "A"), ("A", "mid"), ("mid", "D"), ("A", "out"), ("out", "D"), ("A", "B"),
         ("B", "C"), ("C", "D"), ("D", "b")],
        out="outside",
    )  # fmt: skip
    path = Routes(network, routing=routing).route(node(network, "a"), node(network, "b"))
    assert names(network, path) == ["a->A", "A->B", "B->C", "C->D", "D->b"]


@pytest.mark.parametrize("routing", ROUTINGS)
def test_hosts_on_one_cable_or_on_several_switches_are_reached(routing: Routing) -> None:
    """A direct cable is taken where there is one; else the nearer of a host's two switches."""
    network = graph([("a", "b"), ("a", "A"), ("b", "A"), ("A", "B"), ("B", "c"), ("a", "B")])
    routes = Routes(network, routing=routing)
    a, b, c = (node(network, name) for name in "abc")
    assert names(network, routes.route(a, b)) == ["a->b"]
    assert names(network, routes.route(a, c)) == ["a->B", "B->c"]
    assert names(network, routes.route(c, a)) == ["c->B", "B->a"]
    assert names(network, routes.route(b, c)) == ["b->A", "A->B", "B->c"]


def test_parallel_links_are_more_paths() -> None:
    """Two cables of a host to one switch: hashed over, or half the flow on each."""
    network = graph([("a", "A"), ("a", "A"), ("b", "A")])
    routes = Routes(network)
    to = {names(network, routes.route(1, 0, key))[1] for key in range(20)}
    back = {names(network, routes.route(0, 1, key))[0] for key in range(20)}
    assert (to, back) == ({"A->a", "A->a#2"}, {"a->A", "a->A#2"})
    split = Routes(network, routing="even-split").route(0, 1)
    assert (names(network, split), split.shares) == (["a->A", "a->A#2", "A->b"], (0.5, 0.5, 1))


# --------------------------------------------------------------------------- failures


def cable(network: Network, name: str) -> frozenset[int]:
    """Both directions of a link."""
    link = network.link_names.index(name)
    return frozenset({link, link ^ 1})


@pytest.mark.parametrize("routing", ROUTINGS)
def test_routes_go_around_links_out_of_service(routing: Routing) -> None:
    """With one uplink gone all flows of its leaf take the other spine, both ways."""
    network = SHIPPED["leaf-spine-4x8"]
    lost = cable(network, "leaf0->spine0")
    routes = Routes(network, routing=routing)
    around = routes.without(lost)
    assert around.routing == routing
    for key in range(20):
        for source, target in ((0, 31), (31, 0)):
            path = around.route(source, target, key)
            assert path.hops == 4
            assert any("spine1" in name for name in names(network, path))
            assert not any("spine0" in name for name in names(network, path))
            assert path.shares is None
    used = {link for key in range(20) for link in routes.route(0, 31, key).links}
    used |= {link for key in range(20) for link in routes.route(0, 30, key).links}
    used |= {link for key in range(20) for link in routes.route(0, 29, key).links}
    assert used & lost, "the routes that it was made from are unchanged"


@pytest.mark.parametrize("routing", ROUTINGS)
def test_a_detour_may_be_longer(routing: Routing) -> None:
    """Where leaf 0 and leaf 1 have no spine in common, a third leaf forwards."""
    network = SHIPPED["leaf-spine-4x8"]
    routes = Routes(network, routing=routing).without(cable(network, "leaf0->spine0"))
    routes = routes.without(cable(network, "leaf1->spine1"))
    path = routes.route(0, 8, 3)
    assert path.hops == 6
    assert_conserved(network, path, 0, 8)


def test_one_direction_can_fail_alone() -> None:
    """The way back stays as it was."""
    network = SHIPPED["leaf-spine-4x8"]
    routes = Routes(network).without(frozenset({network.link_names.index("leaf0->spine0")}))
    there = {names(network, routes.route(0, 31, key))[1] for key in range(20)}
    back = {names(network, routes.route(31, 0, key))[2] for key in range(20)}
    assert there == {"leaf0->spine1"}
    assert back == {"spine0->leaf0", "spine1->leaf0"}


@pytest.mark.parametrize("routing", ROUTINGS)
def test_what_cannot_be_reached_is_an_error_with_both_names(routing: Routing) -> None:
    """Both hosts are named, and how many links had to be avoided."""
    network = build(TwoHosts())
    routes = Routes(network, routing=routing).without(cable(network, "rack0/host1->switch0"))
    expected = "no route from 'rack0/host0' to 'rack0/host1' that avoids 2 links"
    for _ in range(2):
        with pytest.raises(SimulationError, match=expected):
            routes.route(0, 1, 1)
    with pytest.raises(SimulationError, match="no route from 'rack0/host1' to 'outside'"):
        routes.route(1, network.node_names.index("outside"), 1)
    apart = graph([("a", "A"), ("b", "B")])
    with pytest.raises(SimulationError, match=r"no route from 'a' to 'b'$"):
        Routes(apart, routing=routing).route(0, 1)


def test_sites_part_when_the_wan_fails() -> None:
    """Each site goes on inside itself and to the outside, which is no way across."""
    network = build(TwoSites())
    routes = Routes(network).without(cable(network, "site0-border->site1-border"))
    far = node(network, "site1-rack0/host0")
    assert routes.route(0, 8, 1).hops == 4
    assert routes.route(far, node(network, "outside"), 1).hops == 4
    with pytest.raises(SimulationError, match="'site0-rack0/host0' to 'site1-rack0/host0'"):
        routes.route(0, far, 1)


@pytest.mark.parametrize("routing", ROUTINGS)
def test_a_network_for_migrations_is_kept_apart(routing: Routing) -> None:
    """Migrations take its two links; all else goes as if it were not there."""
    spec = LeafSpine(migration_link="10Gbit/s")
    network = build(spec)
    routes = Routes(network, routing=routing)
    dedicated = network.links_of_class("migration")
    migrations = routes.without(frozenset(range(len(network.tails))) - dedicated)
    assert names(network, migrations.route(0, 31, 9)) == [
        "rack0/host0->migration-switch", "migration-switch->rack3/host7"
    ]  # fmt: skip
    plain = Routes(SHIPPED["leaf-spine-4x8"], routing=routing)
    others = routes.without(dedicated)
    storage = network.storage
    assert storage is not None
    for source, target in ((0, 31), (0, 1), (storage, 5)):
        path = others.route(source, target, 9)
        assert names(network, path) == names(plain.network, plain.route(source, target, 9))
    with pytest.raises(SimulationError, match=r"no route from 'storage' to 'rack0/host0' that avo"):
        migrations.route(storage, 0)


def test_storage_without_its_disk_is_cut_off() -> None:
    """Hosts still reach each other."""
    network = SHIPPED["leaf-spine-4x8"]
    storage, disk = network.storage, network.disk
    assert storage is not None
    assert disk is not None
    routes = Routes(network).without(frozenset({disk}))
    assert routes.route(0, 31).hops == 4
    for source, target in ((storage, 0), (0, storage)):
        with pytest.raises(SimulationError, match="storage"):
            routes.route(source, target)


@pytest.mark.parametrize("routing", ROUTINGS)
def test_paths_that_are_not_kept_are_found_again(
    routing: Routing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than some are kept."""
    network = SHIPPED["fat-tree-8"]
    all_kept = Routes(network, routing=routing)
    pairs = [(a, b) for a in range(0, 128, 9) for b in range(0, 128, 9) if a != b]
    wanted = [all_kept.route(a, b, key=a * b) for a, b in pairs]
    monkeypatch.setattr("dcsim.model.routing.MOST_KEPT", 5)
    routes = Routes(network, routing=routing)
    assert [routes.route(a, b, key=a * b) for a, b in pairs] == wanted
    assert len(routes._paths) <= 5


# --------------------------------------------------------------------------- compiled and not


def reference() -> type[Ways]:
    """Return the class as it is where nothing is compiled."""
    spec = importlib.util.find_spec("dcsim.model.routing")
    assert spec is not None
    assert spec.loader is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "compiled", None)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    found: type[Ways] = module.Ways
    return found


@pytest.mark.skipif(kernel.compiled is None, reason="no compiled kernel")
@given(network=st.one_of(random_networks(), st.sampled_from([*SHIPPED.values()])), draw=st.data())
def test_ways_are_the_same_in_the_compiled_kernel(network: Network, draw: st.DataObject) -> None:
    """Between any nodes, whatever links are closed, also one way alone."""
    switches = [kind == "switch" for kind in network.node_kinds]
    links = st.integers(0, len(network.tails) - 1)
    closed = draw.draw(st.frozensets(links, max_size=6), label="closed")
    arguments = (switches, network.tails, network.heads, closed)
    pure, compiled = reference()(*arguments), Ways(*arguments)
    assert type(pure) is not type(compiled)
    nodes = st.integers(0, len(switches) - 1)
    keys = st.one_of(st.none(), st.integers(0, 2**64 - 1))
    asked = draw.draw(st.lists(st.tuples(nodes, nodes, keys), max_size=20), label="asked")
    for source, target, key in asked:
        assert compiled.walk(source, target, key) == pure.walk(source, target, key)
        assert compiled.choices(source, target) == pure.choices(source, target)


@pytest.mark.skipif(kernel.compiled is None, reason="no compiled kernel")
def test_the_compiled_kernel_refuses_what_is_no_network() -> None:
    """Rather than read beside it."""
    with pytest.raises(IndexError, match="no such node"):
        Ways([False, True], [0], [2], frozenset())
    with pytest.raises(ValueError, match="two ends"):
        Ways([False, True], [0], [], frozenset())
    ways = Ways([False, True, False], [0, 1], [1, 2], frozenset())
    assert ways.walk(0, 2, None) == (0, 1)
    for nodes in ((0, 3), (-1, 2)):
        with pytest.raises(IndexError, match="no such node"):
            ways.walk(*nodes, None)
        with pytest.raises(IndexError, match="no such node"):
            ways.choices(*nodes)
