"""Networks as plain data: nodes, directed links and what they carry; no engine, no clock.

`build` turns the topology of a scenario into a `Network`; `host_names` tells its hosts without
building it. Capacities are bytes of payload per second and latencies seconds, both one way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from dcsim.errors import Issue, ScenarioError, did_you_mean
from dcsim.units import PAGE, format_count

if TYPE_CHECKING:
    from dcsim.scenario.fabric import (
        FatTree,
        Graph,
        LeafSpine,
        ThreeTier,
        Topology,
        TwoHosts,
        TwoSites,
    )

    Built: TypeAlias = TwoHosts | LeafSpine | FatTree | ThreeTier | TwoSites

NodeKind = Literal["host", "switch", "storage", "outside"]
LinkClass = Literal["host", "uplink", "core", "wan", "storage", "outside", "disk", "migration"]

MOST_HOSTS: Final = 200_000
"""Hosts that one network may have."""
MOST_LINKS: Final = 1_000_000
"""Full-duplex links that one network may have."""
_MIGRATION_SWITCH: Final = "migration-switch"
_MOST_ISSUES = 100
_MOST_GUESSES = 1000  # names to compare a misspelt one with: the search is slow


class Network(NamedTuple):
    """Nodes and directed links, each known by its index.

    Hosts come first, so that host number i is node i; then switches, storage and outside, and the
    switch of a network for migrations alone. Links ``2j`` and ``2j + 1`` are the two directions of
    one full-duplex link. The last link, if there is storage, is no cable: it is what the storage
    itself can do, shared by its readers and writers.
    """

    node_names: tuple[str, ...]
    node_kinds: tuple[NodeKind, ...]
    racks: tuple[str, ...]
    """Rack of each host."""
    storage: int | None
    """Node of the shared storage."""
    outside: int | None
    """Node that stands for the world outside."""
    disk: int | None
    """Link that is the storage's own service, from the storage to itself."""
    tails: tuple[int, ...]
    """Node that each link comes from."""
    heads: tuple[int, ...]
    """Node that each link goes to."""
    capacity_bytes_per_s: tuple[float, ...]
    """Payload that each link carries: its rate times the goodput."""
    latency_s: tuple[float, ...]
    """Latency of each link; 0 for the disk, whose latency is one of reads, not of the network."""
    link_classes: tuple[LinkClass, ...]
    link_names: tuple[str, ...]
    """``a->b``; the second of two parallel links is ``a->b#2``."""

    @property
    def hosts(self) -> range:
        """Nodes that are hosts, in order."""
        return range(len(self.racks))

    def links_of_class(self, link_class: LinkClass) -> frozenset[int]:
        """Return the links of a class."""
        return frozenset(i for i, own in enumerate(self.link_classes) if own == link_class)


def host_names(spec: Topology) -> list[str]:
    """Return the names of the hosts in order, without building the network.

    Raises
    ------
    ScenarioError
        If there are more than `MOST_HOSTS`.
    """
    if spec.kind == "graph":
        return [node.name for node in spec.nodes if node.kind == "host"]
    racks, per_rack = _racks(spec)
    _at_most(MOST_HOSTS, len(racks) * per_rack, "hosts")
    return [f"{rack}/host{i}" for rack in racks for i in range(per_rack)]


def build(spec: Topology) -> Network:
    """Return the network that *spec* describes.

    Every kind but a graph gets a node ``storage`` and a node ``outside``; a graph has those that
    it writes out.

    Raises
    ------
    ScenarioError
        If the network would be too large, or a graph cannot be used: all its problems at once, up
        to a hundred.
    """
    plan = _Plan()
    for host in host_names(spec):
        plan.add(host, "host")
    if spec.kind == "graph":
        _graph(plan, spec)
    else:
        tops, near_storage = _BUILDERS[spec.kind](plan, spec)
        gathered = plan.gathered(tops)
        storage, outside = plan.add("storage", "storage"), plan.add("outside", "outside")
        for switch in near_storage:
            plan.link(storage, switch, spec.storage.link, spec.latency, "storage")
        for top in tops:
            plan.link(top, outside, gathered[top], spec.latency, "outside")
    if spec.migration_link is not None:
        apart = plan.add(_MIGRATION_SWITCH)
        for number in range(plan.kinds.count("host")):
            plan.link(number, apart, spec.migration_link, spec.latency, "migration")
    return plan.network(
        goodput=spec.goodput, disk=min(spec.storage.bandwidth, spec.storage.iops * PAGE)
    )


@dataclass(slots=True)
class _Plan:
    """A network as it grows: one entry a full-duplex link, with its raw rate."""

    names: list[str] = field(default_factory=list)
    kinds: list[NodeKind] = field(default_factory=list)
    links: list[tuple[int, int, float, float, LinkClass]] = field(default_factory=list)
    linked_hosts: int = 0

    def add(self, name: str, kind: NodeKind = "switch") -> int:
        self.names.append(name)
        self.kinds.append(kind)
        return len(self.names) - 1

    def switches(self, name: str, count: int) -> list[int]:
        return [self.add(f"{name}{i}") for i in range(count)]

    def link(self, a: int, b: int, rate: float, latency: float, link_class: LinkClass) -> None:
        self.links.append((a, b, rate, latency, link_class))

    def racks(self, switches: list[int], per_rack: int, spec: Built) -> None:
        """Link the next hosts to *switches*, so many to each."""
        for switch in switches:
            for host in range(self.linked_hosts, self.linked_hosts + per_rack):
                self.link(host, switch, spec.host_link, spec.latency, "host")
            self.linked_hosts += per_rack

    def mesh(
        self, lower: list[int], upper: list[int], rate: float, latency: float, kind: LinkClass
    ) -> None:
        _at_most(MOST_LINKS, len(self.links) + len(lower) * len(upper), "links")
        for a in lower:
            for b in upper:
                self.link(a, b, rate, latency, kind)

    def gathered(self, tops: list[int]) -> dict[int, float]:
        """Return the rate at which traffic can come up to each of *tops*."""
        rates = dict.fromkeys(tops, 0.0)
        for _, upper, rate, _, link_class in self.links:
            if upper in rates and link_class != "wan":
                rates[upper] += rate
        return rates

    def network(self, *, goodput: float, disk: float) -> Network:
        storage = self.kinds.index("storage") if "storage" in self.kinds else None
        directed = [
            (tail, head, rate * goodput, latency, link_class)
            for a, b, rate, latency, link_class in self.links
            for tail, head in ((a, b), (b, a))
        ]
        if storage is not None:
            directed.append((storage, storage, disk, 0.0, "disk"))
        tails, heads, capacities, latencies, classes = zip(*directed, strict=True)
        names: list[str] = []
        parallel: Counter[tuple[int, int]] = Counter()
        for tail, head in zip(tails, heads, strict=True):
            parallel[tail, head] += 1
            number = f"#{parallel[tail, head]}" if parallel[tail, head] > 1 else ""
            names.append(f"{self.names[tail]}->{self.names[head]}{number}")
        hosts = self.kinds.count("host")
        return Network(
            node_names=tuple(self.names),
            node_kinds=tuple(self.kinds),
            racks=tuple(name.rpartition("/")[0] for name in self.names[:hosts]),
            storage=storage,
            outside=self.kinds.index("outside") if "outside" in self.kinds else None,
            disk=None if storage is None else len(directed) - 1,
            tails=tails,
            heads=heads,
            capacity_bytes_per_s=capacities,
            latency_s=latencies,
            link_classes=classes,
            link_names=tuple(names),
        )


def _racks(spec: Built) -> tuple[list[str], int]:
    """Return the names of the racks and the number of hosts in each."""
    if spec.kind == "two-hosts":
        return ["rack0"], 2
    if spec.kind == "leaf-spine":
        return [f"rack{r}" for r in range(spec.leaves)], spec.hosts_per_leaf
    if spec.kind == "fat-tree":
        return [f"rack{r}" for r in range(spec.k * spec.k // 2)], spec.k // 2
    if spec.kind == "three-tier":
        racks = spec.aggregations * spec.racks_per_aggregation
        return [f"rack{r}" for r in range(racks)], spec.hosts_per_rack
    return [f"site{s}-rack{r}" for s in range(2) for r in range(spec.leaves)], spec.hosts_per_leaf


def _at_most(most: int, count: int, what: str) -> None:
    if count > most:
        message = f"has {format_count(count)} {what} or more; at most {format_count(most)} fit"
        raise ScenarioError([Issue(path="topology", message=message)])


# Each builder adds switches and links to the plan's hosts. It returns the top switches, which lead
# outside, and those that the storage is linked to.


def _two_hosts(plan: _Plan, spec: TwoHosts) -> tuple[list[int], list[int]]:
    switch = plan.switches("switch", 1)
    plan.racks(switch, 2, spec)
    return switch, switch


def _leaf_spine(
    plan: _Plan, spec: LeafSpine | TwoSites, site: str = ""
) -> tuple[list[int], list[int]]:
    leaves = plan.switches(f"{site}leaf", spec.leaves)
    spines = plan.switches(f"{site}spine", spec.spines)
    plan.racks(leaves, spec.hosts_per_leaf, spec)
    plan.mesh(leaves, spines, spec.uplink, spec.latency, "uplink")
    return spines, spines


def _fat_tree(plan: _Plan, spec: FatTree) -> tuple[list[int], list[int]]:
    half = spec.k // 2
    edges = plan.switches("edge", spec.k * half)
    aggregations = plan.switches("aggregation", spec.k * half)
    cores = plan.switches("core", half * half)
    plan.racks(edges, half, spec)
    for first in range(0, len(edges), half):  # pod by pod
        pod = aggregations[first : first + half]
        plan.mesh(edges[first : first + half], pod, spec.uplink, spec.latency, "uplink")
        for i, aggregation in enumerate(pod):
            own = cores[i * half : (i + 1) * half]
            plan.mesh([aggregation], own, spec.uplink, spec.latency, "core")
    return cores, cores


def _three_tier(plan: _Plan, spec: ThreeTier) -> tuple[list[int], list[int]]:
    each = spec.racks_per_aggregation
    edges = plan.switches("edge", spec.aggregations * each)
    aggregations = plan.switches("aggregation", spec.aggregations)
    cores = plan.switches("core", spec.cores)
    plan.racks(edges, spec.hosts_per_rack, spec)
    for i, aggregation in enumerate(aggregations):
        own = edges[i * each : (i + 1) * each]
        plan.mesh(own, [aggregation], spec.uplink, spec.latency, "uplink")
    plan.mesh(aggregations, cores, spec.core_link, spec.latency, "core")
    return cores, cores


def _two_sites(plan: _Plan, spec: TwoSites) -> tuple[list[int], list[int]]:
    near, _ = _leaf_spine(plan, spec, "site0-")
    far, _ = _leaf_spine(plan, spec, "site1-")
    borders = [plan.add("site0-border"), plan.add("site1-border")]
    for spines, border in zip((near, far), borders, strict=True):
        # As fast as all that a spine can gather: between the sites only the WAN is narrow.
        plan.mesh(spines, [border], spec.leaves * spec.uplink, spec.latency, "core")
    plan.link(borders[0], borders[1], spec.wan, spec.wan_latency, "wan")
    return borders, near


_BUILDERS: Final[dict[str, Callable[[_Plan, Any], tuple[list[int], list[int]]]]] = {
    "two-hosts": _two_hosts,
    "leaf-spine": _leaf_spine,
    "fat-tree": _fat_tree,
    "three-tier": _three_tier,
    "two-sites": _two_sites,
}


def _graph(plan: _Plan, spec: Graph) -> None:
    issues = list(islice(_graph_issues(spec), _MOST_ISSUES))
    if issues:
        raise ScenarioError(issues)
    for kind in ("switch", "storage", "outside"):
        for node in spec.nodes:
            if node.kind == kind:
                plan.add(node.name, node.kind)
    index = {name: i for i, name in enumerate(plan.names)}
    links = [(index[link.ends[0]], index[link.ends[1]], link) for link in spec.links]
    # A switch that hosts hang on is an edge switch, and its links to other switches are uplinks.
    edges = {end for a, b, _ in links for end in (a, b) if "host" in (plan.kinds[a], plan.kinds[b])}
    for a, b, link in links:
        kinds = {plan.kinds[a], plan.kinds[b]}
        between: LinkClass = "uplink" if edges & {a, b} else "core"
        special: tuple[LinkClass, ...] = ("storage", "outside", "host")
        link_class = next((kind for kind in special if kind in kinds), between)
        plan.link(a, b, link.capacity, link.latency, link_class)


def _graph_issues(spec: Graph) -> Iterator[Issue]:
    """Find what is wrong with a graph, one by one: there may be a million faults."""
    seen: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    linked = {name for link in spec.links for name in link.ends}
    for i, node in enumerate(spec.nodes):
        seen[node.name] += 1
        kinds[node.kind] += 1
        path = f"topology.nodes[{i}]"
        if seen[node.name] == 2:
            yield Issue(path=f"{path}.name", message=f"two nodes are called {node.name!r}")
        if node.kind in ("storage", "outside") and kinds[node.kind] == 2:
            yield Issue(path=f"{path}.kind", message=f"a graph has at most one {node.kind} node")
        if node.kind == "host" and node.name not in linked:
            yield Issue(path=f"{path}.name", message=f"host {node.name!r} has no link")
    if spec.migration_link is not None and _MIGRATION_SWITCH in seen:
        message = f"with migration_link, no node can be called {_MIGRATION_SWITCH!r}"
        yield Issue(path="topology.nodes", message=message)
    if not kinds["host"]:
        hint = "give the nodes that run guests 'kind: host'"
        yield Issue(path="topology.nodes", message="there is no host", hint=hint)
    for i, link in enumerate(spec.links):
        path = f"topology.links[{i}].ends"
        for name in link.ends:
            if name not in seen:
                close = did_you_mean(name, seen) if len(seen) <= _MOST_GUESSES else None
                guess = f"did you mean {close!r}?" if close else None
                yield Issue(path=path, message=f"there is no node {name[:80]!r}", hint=guess)
        if link.ends[0] == link.ends[1]:
            yield Issue(path=path, message=f"{link.ends[0][:80]!r} is linked to itself")
