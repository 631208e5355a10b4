"""Networks as data: what each kind of topology consists of, and graphs in and out."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from collections import Counter
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from dcsim.errors import ScenarioError
from dcsim.scenario import library
from dcsim.scenario.fabric import (
    FatTree,
    Graph,
    LeafSpine,
    Storage,
    ThreeTier,
    Topology,
    TwoHosts,
    TwoSites,
)
from dcsim.scenario.graphs import from_networkx, layout, oversubscription, to_networkx
from dcsim.scenario.topology import MOST_HOSTS, Network, build, host_names

SHIPPED = {
    name: TypeAdapter(Topology).validate_python(name)
    for name in ("two-hosts", "leaf-spine-4x8", "fat-tree-8", "three-tier", "two-sites")
}
SMALL = st.integers(1, 4)


def graph(nodes: dict[str, str], links: list[tuple[Any, ...]], **fabric: Any) -> Graph:
    """A graph of nodes by kind, and links of two ends, a capacity and maybe a latency."""
    keys = ("capacity", "latency")
    return Graph(
        nodes=[{"name": name, "kind": kind} for name, kind in nodes.items()],
        links=[
            {"ends": list(link[:2]), **dict(zip(keys, link[2:] or ("1GB/s",), strict=False))}
            for link in links
        ],
        **fabric,
    )


def cables(network: Network) -> Counter[str]:
    """Full-duplex links by class."""
    return Counter(network.link_classes[: len(network.tails) - (network.disk is not None) : 2])


def capacities(network: Network, link_class: str) -> set[float]:
    links = zip(network.link_classes, network.capacity_bytes_per_s, strict=True)
    return {round(rate, 3) for kind, rate in links if kind == link_class}


def ends(network: Network, link_class: str) -> set[tuple[str, str]]:
    return {
        (network.node_names[tail], network.node_names[head])
        for tail, head, kind in zip(network.tails, network.heads, network.link_classes, strict=True)
        if kind == link_class
    }


def test_every_shipped_topology_is_tested_here() -> None:
    """The library ships these five and no other."""
    assert library.names(kind="topologies") == sorted(SHIPPED)


@given(leaves=SMALL, hosts=SMALL, spines=SMALL)
def test_leaf_spine_has_every_leaf_linked_to_every_spine(
    leaves: int, hosts: int, spines: int
) -> None:
    """Nodes and links number what the shape says."""
    network = build(LeafSpine(leaves=leaves, hosts_per_leaf=hosts, spines=spines))
    assert Counter(network.node_kinds) == {
        "host": leaves * hosts, "switch": leaves + spines, "storage": 1, "outside": 1
    }  # fmt: skip
    assert cables(network) == {
        "host": leaves * hosts, "uplink": leaves * spines, "storage": spines, "outside": spines
    }  # fmt: skip
    assert ("rack0/host0", "leaf0") in ends(network, "host")


@given(k=st.sampled_from([2, 4, 6, 8]))
def test_fat_tree_has_as_many_links_at_each_layer(k: int) -> None:
    """k^3/4 hosts, links of edge switches and links of cores; 5k^2/4 switches."""
    network = build(FatTree(k=k))
    hosts, cores = k**3 // 4, k**2 // 4
    assert Counter(network.node_kinds) == {
        "host": hosts, "switch": 5 * k**2 // 4, "storage": 1, "outside": 1
    }  # fmt: skip
    assert cables(network) == {
        "host": hosts, "uplink": hosts, "core": hosts, "storage": cores, "outside": cores
    }  # fmt: skip
    assert len(set(network.racks)) == k * k // 2


def test_each_core_of_a_fat_tree_reaches_each_pod_once() -> None:
    """Core i*k/2 + j is linked to the i-th aggregation switch of every pod."""
    links = ends(build(FatTree(k=4)), "core")
    for core, place in (("core0", 0), ("core1", 0), ("core2", 1), ("core3", 1)):
        below = {head for tail, head in links if tail == core}
        assert below == {f"aggregation{2 * pod + place}" for pod in range(4)}


@given(cores=SMALL, aggregations=SMALL, racks=SMALL, hosts=SMALL)
def test_three_tier_is_a_tree_below_its_cores(
    cores: int, aggregations: int, racks: int, hosts: int
) -> None:
    """One link up from each rack, one from each aggregation switch to each core."""
    network = build(
        ThreeTier(
            cores=cores,
            aggregations=aggregations,
            racks_per_aggregation=racks,
            hosts_per_rack=hosts,
        )
    )
    below = aggregations * racks
    assert Counter(network.node_kinds) == {
        "host": below * hosts, "switch": below + aggregations + cores, "storage": 1, "outside": 1
    }  # fmt: skip
    assert cables(network) == {
        "host": below * hosts, "uplink": below, "core": aggregations * cores,
        "storage": cores, "outside": cores,
    }  # fmt: skip


@given(leaves=SMALL, hosts=SMALL, spines=SMALL)
def test_two_sites_meet_at_one_wan_link(leaves: int, hosts: int, spines: int) -> None:
    """Each site is a leaf-spine under a border switch; only site 0 has storage."""
    network = build(TwoSites(leaves=leaves, hosts_per_leaf=hosts, spines=spines))
    assert Counter(network.node_kinds) == {
        "host": 2 * leaves * hosts, "switch": 2 * (leaves + spines + 1), "storage": 1, "outside": 1
    }  # fmt: skip
    assert cables(network) == {
        "host": 2 * leaves * hosts, "uplink": 2 * leaves * spines, "core": 2 * spines,
        "wan": 1, "storage": spines, "outside": 2,
    }  # fmt: skip
    assert {a for a, b in ends(network, "storage") if b == "storage"} == {
        f"site0-spine{i}" for i in range(spines)
    }


def test_two_hosts_share_one_switch() -> None:
    """Two hosts, a switch, storage and the outside, each on one link."""
    network = build(TwoHosts())
    assert network.node_names == ("rack0/host0", "rack0/host1", "switch0", "storage", "outside")
    assert network.link_names == (
        "rack0/host0->switch0", "switch0->rack0/host0",
        "rack0/host1->switch0", "switch0->rack0/host1",
        "storage->switch0", "switch0->storage",
        "switch0->outside", "outside->switch0",
        "storage->storage",
    )  # fmt: skip
    assert (network.storage, network.outside, network.disk) == (3, 4, 8)


@pytest.mark.parametrize("name", SHIPPED)
def test_hosts_come_first_and_are_named_without_building(name: str) -> None:
    """Host number i is node i, its rack is what precedes the last slash."""
    spec = SHIPPED[name]
    network = build(spec)
    hosts = [network.node_names[i] for i in network.hosts]
    assert host_names(spec) == hosts
    assert set(network.node_kinds[: len(hosts)]) == {"host"}
    assert "host" not in network.node_kinds[len(hosts) :]
    assert [f"{rack}/{host.rpartition('/')[2]}" for rack, host in zip(
        network.racks, hosts, strict=True
    )] == hosts  # fmt: skip
    assert len(set(network.node_names)) == len(network.node_names)


def test_hosts_of_two_sites_are_named_by_site() -> None:
    """Site, rack and host are in the name, in this order."""
    assert host_names(TwoSites(leaves=2, hosts_per_leaf=1)) == [
        "site0-rack0/host0", "site0-rack1/host0", "site1-rack0/host0", "site1-rack1/host0"
    ]  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_links_are_full_duplex(name: str) -> None:
    """Links 2j and 2j + 1 are each other's reverse, equally fast and slow."""
    network = build(SHIPPED[name])
    assert network.disk == len(network.tails) - 1 == len(network.link_names) - 1
    assert network.disk % 2 == 0
    for link in range(0, network.disk, 2):
        back = link + 1
        assert (network.tails[link], network.heads[link]) == (
            network.heads[back], network.tails[back]
        )  # fmt: skip
        assert network.capacity_bytes_per_s[link] == network.capacity_bytes_per_s[back]
        assert network.latency_s[link] == network.latency_s[back] > 0
        assert network.link_classes[link] == network.link_classes[back]
    assert len(set(network.link_names)) == len(network.link_names)


def test_capacity_is_the_rate_times_the_goodput() -> None:
    """Only the disk is no link: it carries what it is said to carry."""
    spec = LeafSpine(
        goodput=0.5,
        host_link="1GB/s",
        uplink="2GB/s",
        storage=Storage(bandwidth="3GB/s", iops=1e9, link="4GB/s"),
    )
    network = build(spec)
    assert capacities(network, "host") == {0.5e9}
    assert capacities(network, "uplink") == {1e9}
    assert capacities(network, "storage") == {2e9}
    assert capacities(network, "disk") == {3e9}


def test_disk_is_bounded_by_pages_per_second() -> None:
    """Where operations are scarcer than bytes, each moves one page of 4096 bytes."""
    network = build(TwoHosts(storage=Storage(bandwidth="3GB/s", iops=1000)))
    assert capacities(network, "disk") == {1000 * 4096}
    disk = network.disk
    assert disk is not None
    assert network.tails[disk] == network.heads[disk] == network.storage
    assert network.latency_s[disk] == 0


@pytest.mark.parametrize(
    ("spec", "gathered"),
    [
        (TwoHosts(host_link="1GB/s", goodput=1), {2e9}),
        (LeafSpine(leaves=3, uplink="1GB/s", goodput=1), {3e9}),
        (FatTree(k=4, uplink="1GB/s", goodput=1), {4e9}),
        (ThreeTier(aggregations=5, core_link="1GB/s", goodput=1), {5e9}),
        (TwoSites(leaves=3, spines=2, uplink="1GB/s", wan="1MB/s", goodput=1), {6e9}),
    ],
)
def test_the_way_outside_is_as_fast_as_what_comes_up(spec: Topology, gathered: set[float]) -> None:
    """Each top switch has a link outside as fast as its links down; the WAN does not count."""
    assert capacities(build(spec), "outside") == gathered


def test_the_wan_alone_has_the_wan_s_rate_and_latency() -> None:
    """Everything else in two sites has the latency of a link."""
    network = build(TwoSites(wan="1MB/s", wan_latency="7ms", latency="1us", goodput=1))
    wan = network.link_names.index("site0-border->site1-border")
    assert (network.capacity_bytes_per_s[wan], network.latency_s[wan]) == (1e6, 7e-3)
    assert Counter(network.latency_s)[7e-3] == 2
    assert min(capacities(network, "core")) > 1e6


@pytest.mark.parametrize("name", SHIPPED)
def test_building_twice_gives_the_same_and_it_travels(name: str) -> None:
    """A network is plain data: equal when built again, equal after a trip to a worker."""
    network = build(SHIPPED[name])
    assert build(SHIPPED[name]) == network
    assert pickle.loads(pickle.dumps(network)) == network


def test_a_network_too_large_for_memory_is_refused_before_it_is_made() -> None:
    """16 million hosts, or 4 million links, are an error that tells the bound."""
    many = LeafSpine(leaves=4096, hosts_per_leaf=4096)
    for ask in (host_names, build):
        with pytest.raises(ScenarioError, match=r"topology: has 16,777,216 hosts.* 200,000 fit"):
            ask(many)
    with pytest.raises(ScenarioError, match=r"4,198,400 links or more; at most 1,000,000 fit"):
        build(LeafSpine(leaves=4096, hosts_per_leaf=1, spines=1024))
    assert len(host_names(FatTree(k=64))) == 65_536 < MOST_HOSTS


# --------------------------------------------------------------------------- migrations alone


@pytest.mark.parametrize(
    "spec", [LeafSpine(leaves=2), graph({"a": "host", "b": "host"}, [("a", "b")])]
)
def test_a_network_for_migrations_links_every_host_to_one_switch(spec: Topology) -> None:
    """Nothing else changes: the other nodes and links stay as and where they were."""
    plain = build(spec)
    network = build(spec.model_copy(update={"migration_link": 2e9, "goodput": 0.94}))
    hosts = {network.node_names[host] for host in network.hosts}
    assert network.node_names == (*plain.node_names, "migration-switch")
    assert {a for a, b in ends(network, "migration") if b == "migration-switch"} == hosts
    assert capacities(network, "migration") == {2e9 * 0.94}
    dedicated = network.links_of_class("migration")
    assert len(dedicated) == 2 * len(hosts)
    kept = [name for i, name in enumerate(network.link_names) if i not in dedicated]
    assert kept == list(plain.link_names)
    assert network.link_classes.count("disk") == (network.disk is not None)


def test_a_network_for_migrations_changes_no_figure_and_no_place() -> None:
    """Racks are as oversubscribed as before, and drawn as before; its switch is below."""
    spec = SHIPPED["leaf-spine-4x8"]
    network = build(spec.model_copy(update={"migration_link": 1e9}))
    assert oversubscription(network) == {f"rack{i}": 2.5 for i in range(4)}
    assert layout(network) == layout(build(spec)) | {"migration-switch": (0.5, -1)}


def test_a_graph_cannot_have_the_migration_switch_s_name_twice() -> None:
    """The name is taken only where there is such a switch."""
    spec = graph({"a": "host", "migration-switch": "switch"}, [("a", "migration-switch")])
    assert build(spec).node_names == ("a", "migration-switch")
    with pytest.raises(ScenarioError, match="no node can be called 'migration-switch'"):
        build(spec.model_copy(update={"migration_link": 1e9}))


# --------------------------------------------------------------------------- graphs


def test_a_graph_is_built_as_written() -> None:
    """Hosts come first whatever the order; classes follow from what a link joins."""
    spec = graph(
        {"core": "switch", "r/a": "host", "edge": "switch", "b": "host", "top": "switch",
         "disk": "storage", "net": "outside"},
        [("r/a", "edge"), ("edge", "b", "3GB/s", "5us"), ("edge", "core"), ("core", "edge"),
         ("core", "top"), ("disk", "core"), ("top", "net")],
        goodput=1,
        storage=Storage(bandwidth="9GB/s", iops=1e9),
    )  # fmt: skip
    network = build(spec)
    assert network.node_names == ("r/a", "b", "core", "edge", "top", "disk", "net")
    assert host_names(spec) == ["r/a", "b"]
    assert network.racks == ("r", "")
    assert (network.storage, network.outside) == (5, 6)
    assert network.link_names[::2] == (
        "r/a->edge", "edge->b", "edge->core", "core->edge#2", "core->top", "disk->core",
        "top->net", "disk->disk",
    )  # fmt: skip
    assert network.link_names[5] == "core->edge"
    assert network.link_classes[::2] == (
        "host", "host", "uplink", "uplink", "core", "storage", "outside", "disk"
    )  # fmt: skip
    assert (network.capacity_bytes_per_s[2], network.latency_s[2]) == (3e9, 5e-6)


def test_a_graph_needs_neither_storage_nor_outside() -> None:
    """What is not written out is not there."""
    network = build(graph({"a": "host", "b": "host"}, [("a", "b")]))
    assert (network.storage, network.outside, network.disk) == (None, None, None)
    assert network.link_names == ("a->b", "b->a")


def test_all_faults_of_a_graph_are_told_at_once() -> None:
    """Each with its place, and a guess at what was meant."""
    spec = graph(
        {"leaf": "switch", "a": "host", "b": "host", "s1": "storage", "s2": "storage",
         "o1": "outside", "o2": "outside"},
        [("a", "laef"), ("leaf", "leaf"), ("x/y/z", "a")],
    )  # fmt: skip
    spec = spec.model_copy(update={"nodes": [*spec.nodes, spec.nodes[1]]})
    with pytest.raises(ScenarioError) as caught:
        build(spec)
    assert [str(issue) for issue in caught.value.issues] == [
        "topology.nodes[2].name: host 'b' has no link",
        "topology.nodes[4].kind: a graph has at most one storage node",
        "topology.nodes[6].kind: a graph has at most one outside node",
        "topology.nodes[7].name: two nodes are called 'a'",
        "topology.links[0].ends: there is no node 'laef'; did you mean 'leaf'?",
        "topology.links[1].ends: 'leaf' is linked to itself",
        "topology.links[2].ends: there is no node 'x/y/z'",
    ]


def test_a_graph_without_hosts_is_refused() -> None:
    """There is nothing to run guests on."""
    with pytest.raises(ScenarioError, match="there is no host; give the nodes that run guests"):
        build(graph({"a": "switch", "b": "switch"}, [("a", "b")]))


def test_a_graph_full_of_faults_is_refused_with_the_first_hundred() -> None:
    """A hostile file gets no guesses for its many names, and no endless list."""
    spec = graph({f"n{i}": "host" for i in range(1001)}, [("n0", "m0")])
    with pytest.raises(ScenarioError) as caught:
        build(spec)
    assert len(caught.value.issues) == 100
    linked = graph(
        {f"n{i}": "switch" for i in range(1000)} | {"host": "host"}, [("host", "n"), ("n0", "n1")]
    )
    with pytest.raises(ScenarioError) as caught:
        build(linked)
    assert str(caught.value) == "topology.links[0].ends: there is no node 'n'"


# --------------------------------------------------------------------------- figures


def test_oversubscription_is_what_hosts_send_over_what_leaves_the_rack() -> None:
    """The textbook ratio for racks of one switch; infinite where nothing leaves."""
    shipped = {name: oversubscription(build(spec)) for name, spec in SHIPPED.items()}
    assert shipped["leaf-spine-4x8"] == {f"rack{i}": 2.5 for i in range(4)}
    assert shipped["fat-tree-8"] == {f"rack{i}": 1 for i in range(32)}
    assert shipped["three-tier"] == {f"rack{i}": 4 for i in range(8)}
    assert set(shipped["two-sites"]) == {f"site{s}-rack{i}" for s in range(2) for i in range(2)}
    assert shipped["two-hosts"] == {"rack0": math.inf}


def test_oversubscription_counts_both_switches_of_a_rack_but_not_the_link_between() -> None:
    """A host on two switches can send over both; what links them to each other is no way out."""
    spec = graph(
        {"r/a": "host", "r/b": "host", "s1": "switch", "s2": "switch", "up": "switch"},
        [("r/a", "s1", "2GB/s"), ("r/a", "s2", "2GB/s"), ("r/b", "s1", "2GB/s"),
         ("s1", "s2", "9GB/s"), ("s1", "up", "1GB/s"), ("s2", "up", "1GB/s")],
    )  # fmt: skip
    assert oversubscription(build(spec)) == {"r": 3}


@pytest.mark.parametrize("name", SHIPPED)
def test_layout_puts_hosts_below_and_the_outside_above(name: str) -> None:
    """Every node has its own place, and every cable but those to the top joins two layers."""
    network = build(SHIPPED[name])
    places = layout(network)
    assert list(places) == list(network.node_names)
    assert len(set(places.values())) == len(places)
    assert all(0 < x < 1 for x, _ in places.values())
    assert {places[network.node_names[host]][1] for host in network.hosts} == {0}
    top = max(y for _, y in places.values())
    assert {name for name, (_, y) in places.items() if y == top} == {"storage", "outside"}
    for link_class in ("host", "uplink", "core"):
        steps = {abs(places[a][1] - places[b][1]) for a, b in ends(network, link_class)}
        assert steps <= {1}


def test_layout_orders_layers_from_hosts_to_cores() -> None:
    """Rack by rack from left to right, each switch above its own."""
    places = layout(build(FatTree(k=4)))
    layers = ("rack0/host0", "edge0", "aggregation0", "core0", "outside")
    assert [places[name][1] for name in layers] == [0, 1, 2, 3, 4]
    edges = [places[f"edge{i}"][0] for i in range(8)]
    assert edges == sorted(edges)
    assert places["edge3"][0] == pytest.approx(
        (places["rack3/host0"][0] + places["rack3/host1"][0]) / 2
    )


def test_layout_sorts_a_tangled_graph_and_keeps_what_hangs_on_nothing() -> None:
    """Switches stand above their hosts; one that no host reaches stands at the top."""
    network = build(
        graph(
            {"a": "host", "b": "host", "right": "switch", "left": "switch", "lost": "switch"},
            [("a", "left"), ("b", "right"), ("left", "right")],
        )
    )
    places = layout(network)
    assert places["left"] == (0.25, 1)
    assert places["right"] == (0.75, 1)
    assert places["lost"] == (0.5, 2)


# --------------------------------------------------------------------------- networkx


@pytest.mark.parametrize("name", SHIPPED)
def test_a_network_survives_the_way_to_networkx_and_back(name: str) -> None:
    """Same links, capacities and latencies, by name; goodput is already in the capacities."""
    network = build(SHIPPED[name])
    exported = to_networkx(network)
    assert exported.number_of_edges() == len(network.tails) // 2
    spec = from_networkx(exported, capacity="capacity_bytes_per_s", latency="latency_s")
    again = build(Graph(**spec, goodput=1, storage=SHIPPED[name].storage))
    assert again.node_names == network.node_names
    assert again.racks == network.racks

    def links(network: Network) -> set[tuple[str, float, float]]:
        rows = zip(network.link_names, network.capacity_bytes_per_s, network.latency_s, strict=True)
        return set(rows)

    assert links(again) == links(network)


def test_networkx_gets_kinds_racks_and_the_disk() -> None:
    """Node and edge attributes carry what a node or link is."""
    exported = to_networkx(build(TwoHosts(storage=Storage(bandwidth="1GB/s", iops=1e9))))
    assert exported.nodes["rack0/host1"] == {"kind": "host", "rack": "rack0"}
    assert exported.nodes["storage"] == {"kind": "storage", "disk_bytes_per_s": 1e9}
    edge = exported.edges["rack0/host0", "switch0", "rack0/host0->switch0"]
    assert edge == {
        "capacity_bytes_per_s": pytest.approx(0.94 * 3.125e9),
        "latency_s": 20e-6,
        "link_class": "host",
    }


def test_attributes_of_an_imported_graph_can_have_any_name_and_unit() -> None:
    """As in files of other projects: node numbers, labels, bits per second, numpy's numbers."""
    foreign = nx.Graph()
    foreign.add_node(0, label="r/h", role="host")
    foreign.add_node(1, label="sw")
    foreign.add_node(2, role="host")
    foreign.add_edge(0, 1, LinkSpeedRaw=np.int64(8_000_000_000), ms="3ms")
    foreign.add_edge(1, 2, LinkSpeedRaw=1.6e10)
    spec = from_networkx(
        foreign,
        capacity="LinkSpeedRaw",
        capacity_unit="bit/s",
        latency="ms",
        kind="role",
        name="label",
    )
    network = build(Graph(**spec, goodput=1))
    assert network.node_names == ("r/h", "2", "sw")
    assert network.capacity_bytes_per_s[::2] == (1e9, 2e9)
    assert network.latency_s[::2] == (3e-3, 20e-6)


def test_capacities_may_be_texts() -> None:
    """A text has its unit with it."""
    imported = nx.path_graph(3)
    nx.set_edge_attributes(imported, "10Gbit/s", "capacity")
    nx.set_node_attributes(imported, {0: "host", 2: "host"}, "kind")
    spec = from_networkx(imported)
    assert spec["links"][0] == {"ends": ["0", "1"], "capacity": "10Gbit/s"}
    assert set(build(Graph(**spec, goodput=1)).capacity_bytes_per_s) == {1.25e9}


def test_edges_without_capacity_are_listed() -> None:
    """No capacity is ever guessed."""
    imported = nx.star_graph(12)
    nx.set_edge_attributes(imported, {(0, 1): 1e9}, "capacity")
    with pytest.raises(ScenarioError) as caught:
        from_networkx(imported)
    text = str(caught.value)
    assert "11 of 12 edges have no 'capacity': 0 - 2, 0 - 3" in text
    assert "0 - 11, ..." in text
    assert "0 - 12" not in text
    assert "set_edge_attributes" in text
    imported.remove_nodes_from(range(3, 13))
    with pytest.raises(ScenarioError, match="1 of 2 edges have no 'capacity': 0 - 2; set it"):
        from_networkx(imported)


def test_a_directed_graph_is_refused() -> None:
    """Links are the same each way."""
    with pytest.raises(ScenarioError, match=r"directed.*to_undirected"):
        from_networkx(nx.DiGraph([(1, 2)]))


def test_a_topology_is_built_without_heavy_packages() -> None:
    """Neither networkx nor numpy nor pydantic comes in with the module."""
    code = (
        "import sys, dcsim.scenario.topology, dcsim.model.routing;"
        "print(sorted({'networkx', 'numpy', 'pydantic', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
