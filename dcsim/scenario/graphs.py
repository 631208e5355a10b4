"""Looking at networks: oversubscription, positions for drawings, and networkx graphs in and out."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Any

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario.topology import Network

if TYPE_CHECKING:
    import networkx as nx


def oversubscription(network: Network) -> dict[str, float]:
    """Return, for each rack, what its hosts can send over what can leave it.

    That is the capacity of the host links of the rack's switches, over the capacity of their links
    to other switches; infinite where there are none. A network for migrations alone does not count.
    """
    kinds = network.node_kinds
    switches: dict[str, set[int]] = {rack: set() for rack in network.racks}
    below = [0.0] * len(kinds)
    above: dict[int, list[tuple[int, float]]] = {}
    for tail, head, capacity, link_class in zip(
        network.tails,
        network.heads,
        network.capacity_bytes_per_s,
        network.link_classes,
        strict=True,
    ):
        if kinds[head] != "switch" or link_class == "migration":
            continue
        if kinds[tail] == "host":
            switches[network.racks[tail]].add(head)
            below[head] += capacity
        elif kinds[tail] == "switch":
            above.setdefault(tail, []).append((head, capacity))
    ratios = {}
    for rack, own in switches.items():
        up = sum(rate for node in own for head, rate in above.get(node, ()) if head not in own)
        ratios[rack] = sum(below[node] for node in own) / up if up else math.inf
    return ratios


def layout(network: Network) -> dict[str, tuple[float, float]]:
    """Return where to draw each node: x from 0 to 1, and its layer as y.

    Hosts are in layer 0, and a switch is as many layers up as it is links away from the nearest
    host; storage and the outside are above all of them. Within a layer, nodes stand in the order of
    what they are linked to below. The switch of a network for migrations alone is below the hosts.
    """
    neighbours: list[list[int]] = [[] for _ in network.node_names]
    apart = set()
    for tail, head, kind in zip(network.tails, network.heads, network.link_classes, strict=True):
        if kind != "migration":
            neighbours[tail].append(head)
        elif head not in network.hosts:
            apart.add(head)
    layer = dict.fromkeys(network.hosts, 0) | dict.fromkeys(apart, -1)
    frontier = list(network.hosts)
    while frontier:
        reached = {b for a in frontier for b in neighbours[a] if network.node_kinds[b] == "switch"}
        depth = layer[frontier[0]] + 1
        frontier = sorted(reached - layer.keys())
        layer.update(dict.fromkeys(frontier, depth))
    top = max(layer.values()) + 1
    rows: dict[int, list[int]] = {}
    for node in range(len(network.node_names)):
        rows.setdefault(layer.setdefault(node, top), []).append(node)
    x: dict[int, float] = {}
    for _, row in sorted(rows.items()):
        if x:
            means = {
                node: sum(below) / len(below) if below else 0.5
                for node in row
                for below in [[x[b] for b in neighbours[node] if b in x]]
            }
            row.sort(key=lambda node: round(means[node], 9))
        x |= {node: (i + 0.5) / len(row) for i, node in enumerate(row)}
    return {name: (x[i], float(layer[i])) for i, name in enumerate(network.node_names)}


def to_networkx(network: Network) -> nx.MultiGraph[str]:
    """Return the network as a networkx graph, one edge a full-duplex link.

    Nodes have ``kind``, hosts ``rack`` and the storage ``disk_bytes_per_s``; edges have
    ``capacity_bytes_per_s`` (payload, each way), ``latency_s`` and ``link_class``, and the name of
    their first direction as key.
    """
    import networkx as nx

    graph: nx.MultiGraph[str] = nx.MultiGraph()
    for node, (name, kind) in enumerate(zip(network.node_names, network.node_kinds, strict=True)):
        graph.add_node(name, kind=kind)
        if kind == "host":
            graph.nodes[name]["rack"] = network.racks[node]
    if network.storage is not None and network.disk is not None:
        disk = network.capacity_bytes_per_s[network.disk]
        graph.nodes[network.node_names[network.storage]]["disk_bytes_per_s"] = disk
    cables = len(network.tails) - (network.disk is not None)
    for link in range(0, cables, 2):
        graph.add_edge(
            network.node_names[network.tails[link]],
            network.node_names[network.heads[link]],
            key=network.link_names[link],
            capacity_bytes_per_s=network.capacity_bytes_per_s[link],
            latency_s=network.latency_s[link],
            link_class=network.link_classes[link],
        )
    return graph


def from_networkx(
    graph: nx.Graph[Any],
    *,
    capacity: str = "capacity",
    capacity_unit: str | None = None,
    latency: str = "latency",
    kind: str = "kind",
    name: str | None = None,
) -> dict[str, Any]:
    """Return a networkx graph as the ``kind: graph`` topology of a scenario, not yet checked.

    Parameters
    ----------
    graph
        An undirected graph or multigraph: each edge becomes a full-duplex link.
    capacity
        Edge attribute with the rate each way: a text such as ``"10Gbit/s"``, or bytes per second.
    capacity_unit
        Unit of capacities that are numbers in something else, such as ``"Mbit/s"``.
    latency
        Edge attribute with the latency one way: a text such as ``"20us"``, or seconds. Edges
        without it get the default of a link.
    kind
        Node attribute that says host, switch, storage or outside. Nodes without it are switches.
    name
        Node attribute with the name; None takes the node itself.

    Raises
    ------
    ScenarioError
        If the graph is directed, or some edges have no capacity: it tells which.
    """
    if graph.is_directed():
        message = "the graph is directed, but links are full duplex, the same each way"
        hint = "merge opposite edges into one with graph.to_undirected()"
        raise ScenarioError([Issue(message=message, hint=hint)])
    names = {
        node: str(node if name is None else data.get(name, node))
        for node, data in graph.nodes(data=True)
    }
    links: list[dict[str, Any]] = []
    missing: list[str] = []
    for a, b, data in graph.edges(data=True):
        link = {"ends": [names[a], names[b]], "capacity": _plain(data.get(capacity), capacity_unit)}
        if data.get(latency) is not None:
            link["latency"] = _plain(data[latency], None)
        links.append(link)
        if link["capacity"] is None:
            missing.append(f"{names[a]} - {names[b]}")
    if missing:
        shown = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        message = f"{len(missing)} of {len(links)} edges have no {capacity!r}: {shown}"
        hint = f"set it with networkx.set_edge_attributes(graph, '10Gbit/s', {capacity!r})"
        raise ScenarioError([Issue(path="links", message=message, hint=hint)])
    nodes = [
        {"name": names[node], "kind": data.get(kind, "switch")}
        for node, data in graph.nodes(data=True)
    ]
    return {"kind": "graph", "nodes": nodes, "links": links}


def _plain(value: object, unit: str | None) -> object:
    """Return numbers, numpy's too, as a float or as a text with its unit; all else as it is."""
    if not isinstance(value, Real):
        return value
    return float(value) if unit is None else f"{float(value)}{unit}"
