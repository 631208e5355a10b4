"""Detours: who goes around links that are down, and who stays where it is."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.model.detours import Detours
from dcsim.model.routing import Routes, Routing
from dcsim.scenario.fabric import FatTree, LeafSpine
from dcsim.scenario.topology import Network, build

NETWORKS: dict[str, Network] = {
    "leaf-spine": build(LeafSpine.model_validate({"leaves": 3, "hosts_per_leaf": 2, "spines": 3})),
    "fat-tree": build(FatTree.model_validate({"k": 4})),
}


def reached(network: Network, down: frozenset[int], *ends: int) -> nx.DiGraph:
    """The network without some links, as networkx has it, between two ends; switches forward."""
    graph = nx.DiGraph()
    links = zip(network.tails, network.heads, strict=True)
    graph.add_edges_from(link for i, link in enumerate(links) if i not in down)
    kinds = enumerate(network.node_kinds)
    graph.remove_nodes_from([n for n, kind in kinds if kind != "switch" and n not in ends])
    graph.add_nodes_from(ends)
    return graph


@pytest.mark.parametrize("routing", ["ecmp", "even-split", "d-mod-k"])
@pytest.mark.parametrize("name", NETWORKS)
@given(data=st.data())
def test_detours_avoid_what_is_down_wherever_there_is_another_way(
    name: str, routing: Routing, data: st.DataObject
) -> None:
    """Paths that cross nothing that is down stay, others are as short as is left, or stay too."""
    network = NETWORKS[name]
    links = len(network.link_names) // 2
    hosts = st.sampled_from(network.hosts)
    cables = data.draw(st.sets(st.integers(0, links - 1), max_size=links // 2))
    down = frozenset(link for cable in cables for link in (2 * cable, 2 * cable + 1))
    source, target = data.draw(hosts), data.draw(hosts)
    key = data.draw(st.integers(0, 2**64 - 1))
    routes = Routes(network, routing=routing)
    detours = Detours(routes)
    usual = routes.route(source, target, key)
    assert detours.route(source, target, key) == usual
    detours.avoid(down)
    path = detours.route(source, target, key)
    if down.isdisjoint(usual.links):
        assert path == usual
    elif nx.has_path(left := reached(network, down, source, target), source, target):
        assert down.isdisjoint(path.links)
        assert path.hops == nx.shortest_path_length(left, source, target)
    else:
        assert path == usual
    detours.avoid(frozenset())
    assert detours.route(source, target, key) == usual
