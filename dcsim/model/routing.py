"""Which links a flow crosses: shortest paths by number of links, and the choice among equals.

Only switches forward traffic. Latencies are seconds, one way; nodes and links are the indexes of
`dcsim.scenario.topology.Network`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from dcsim.errors import SimulationError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from dcsim.scenario.topology import Network

Routing = Literal["ecmp", "even-split", "d-mod-k"]
_Links = tuple[int, ...]

_WORD: Final = 2**64 - 1
MOST_KEPT: Final = 2**14
"""Paths kept for the next flow that takes them."""
_CUT_OFF: Final = 2**31  # a distance longer than any


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The links that one flow crosses, and which part of the flow crosses each."""

    links: tuple[int, ...]
    """In the order in which they are crossed, the disk of the storage included."""
    shares: tuple[float, ...] | None
    """Share of the flow on each link; None stands for all of it on each."""
    latency_s: float
    """Latency one way; the mean over the flow where it is split."""
    hops: int
    """Links that each byte crosses, the disk not counted."""


_NO_PATH: Final = Path(links=(), shares=None, latency_s=0.0, hops=0)


class Routes:
    """Shortest paths through a network, found as they are asked for.

    Parameters
    ----------
    network
        The nodes and links.
    routing
        Which of several shortest paths a flow takes. ``"ecmp"``: at each hop, the link that a hash
        of the flow's key and the hop picks. ``"even-split"``: all of them, each hop dividing evenly
        among its links. ``"d-mod-k"``: with d the number of the target host, link d mod m of m
        links at the first hop that has a choice, link (d div m) mod m' of m' at the next, and so
        on: the static routing of fat trees ("Oblivious routing schemes in extended generalized fat
        tree networks", CLUSTER 2009), as in SimGrid's ``FatTreeZone``.
    failed
        Links that are out of service, or not for this traffic. Without its disk, the storage is cut
        off.
    """

    def __init__(
        self,
        network: Network,
        *,
        routing: Routing = "ecmp",
        failed: frozenset[int] = frozenset(),
    ) -> None:
        self.network = network
        self.routing = routing
        self.failed = failed
        self._disk = () if network.disk is None else (network.disk,)
        self._into = _links_into(network, failed)
        self._switches = _Switches(network, self._into)
        self._toward: dict[int, _Toward] = {}
        self._paths: dict[Hashable, Path] = {}

    def without(self, links: frozenset[int]) -> Routes:
        """Return routes that also avoid *links*; to fail a cable, name both of its directions."""
        return Routes(self.network, routing=self.routing, failed=self.failed | links)

    def route(self, source: int, target: int, key: int = 0) -> Path:
        """Return the path of the flow *key* from node *source* to node *target*.

        A path from or to the storage begins or ends with its disk; from
        a node to itself nothing is crossed.

        Raises
        ------
        SimulationError
            If *target* cannot be reached.
        """
        if source == target:
            return _NO_PATH
        if self.routing == "ecmp":
            links = self._walk(source, target, key)  # a key hardly ever comes back, its path does
            return self._paths.get(links) or self._keep(links, links, None)
        pair = (source, target)
        path = self._paths.get(pair)
        if path is None:
            if self.routing == "d-mod-k":
                path = self._keep(pair, self._walk(source, target, 0), None)
            else:
                path = self._keep(pair, *self._split(source, target))
        return path

    def _keep(self, name: Hashable, links: _Links, shares: tuple[float, ...] | None) -> Path:
        latency, disk = self.network.latency_s, self.network.disk
        if shares is None:
            crossed, mean = len(links), 0.0
            for link in links:
                mean += latency[link]
        else:
            # Each byte crosses as many links as any other, so the shares sum to that number.
            crossed = round(sum(shares))
            mean = sum(latency[link] * share for link, share in zip(links, shares, strict=True))
        hops = crossed - (disk in (links[0], links[-1]))
        if len(self._paths) >= MOST_KEPT:
            self._paths.clear()
        path = self._paths[name] = Path(links=links, shares=shares, latency_s=mean, hops=hops)
        return path

    def _walk(self, source: int, target: int, key: int) -> _Links:
        """Choose one link at each hop."""
        network, by_hash = self.network, self.routing == "ecmp"
        heads, last, toward = network.heads, self._into[target], self._choices(target)
        links = [*self._disk] if source == network.storage else []
        node, hop, quotient = source, 0, target
        onward = self._switches.links[source]
        if len(onward) == 1 and source not in toward:  # as most hosts: there is no choice
            links += onward
            node, hop = heads[onward[0]], 1
        while node != target:
            choices = last.get(node) or toward[node] or self._refuse(source, target)
            hop += 1
            if len(choices) == 1:
                link = choices[0]
            elif by_hash:
                link = choices[_splitmix64(key, hop) * len(choices) >> 64]
            else:
                quotient, remainder = divmod(quotient, len(choices))
                link = choices[remainder]
            links.append(link)
            node = heads[link]
        if target == network.storage:
            links.extend(self._disk)
        return tuple(links)

    def _split(self, source: int, target: int) -> tuple[_Links, tuple[float, ...] | None]:
        """Take all links at each hop; all shortest paths arrive at the same hop."""
        network, last, toward = self.network, self._into[target], self._choices(target)
        links = [*self._disk] if source == network.storage else []
        shares = [1.0] * len(links)
        arrived = {source: 1.0}
        while target not in arrived:
            leaving, arrived = arrived, {}
            for node, share in leaving.items():
                choices = last.get(node) or toward[node] or self._refuse(source, target)
                part = share / len(choices)
                for link in choices:
                    links.append(link)
                    shares.append(part)
                    head = network.heads[link]
                    arrived[head] = arrived.get(head, 0.0) + part
        if target == network.storage:
            links.extend(self._disk)
            shares.append(1.0)
        return tuple(links), None if min(shares) == 1 else tuple(shares)

    def _choices(self, target: int) -> _Toward:
        """Return the choices toward *target*, or toward the only switch that it hangs on.

        So there is one search for each rack, not for each host.
        """
        toward = self._toward.get(target)
        if toward is not None:
            return toward
        goal, last = target, self._into[target]
        if len(last) == 1:
            (only,) = last
            if self.network.node_kinds[only] == "switch":
                goal = only
        toward = self._toward.get(goal)
        if toward is None:
            toward = self._toward[goal] = _Toward(self._switches, goal, self._into[goal])
        self._toward[target] = toward
        return toward

    def _refuse(self, source: int, target: int) -> _Links:
        names = self.network.node_names
        message = f"no route from {names[source]!r} to {names[target]!r}"
        if self.failed:
            message += f" that avoids {len(self.failed)} links"
        raise SimulationError(message)


def _links_into(network: Network, failed: frozenset[int]) -> list[dict[int, _Links]]:
    """Return the links into each node, by the node that they come from."""
    into: list[dict[int, _Links]] = [{} for _ in network.node_names]
    cut_off = network.storage if network.disk in failed else None
    for link, (tail, head) in enumerate(zip(network.tails, network.heads, strict=True)):
        if link != network.disk and link not in failed and cut_off not in (tail, head):
            into[head][tail] = (*into[head].get(tail, ()), link)
    return into


class _Switches:
    """The switches among the nodes: those whose links lead on."""

    __slots__ = ("all", "feeders", "first", "links", "next")

    def __init__(self, network: Network, into: list[dict[int, _Links]]) -> None:
        kinds = network.node_kinds
        self.first = len(network.racks)
        self.all = frozenset(node for node, kind in enumerate(kinds) if kind == "switch")
        links: list[list[int]] = [[] for _ in kinds]
        for switch in sorted(self.all):
            for tail, parallel in into[switch].items():
                links[tail].extend(parallel)
        self.links = [tuple(sorted(onward)) for onward in links]
        """Links from each node to switches."""
        self.next = [[network.heads[link] - self.first for link in onward] for onward in self.links]
        """The switches that they lead to, counted from the first."""
        # Many nodes have the same neighbours: one set for all of them makes the search fast.
        same: dict[frozenset[int], frozenset[int]] = {}
        feeders = (self.all.intersection(tails) for tails in into)
        self.feeders = [same.setdefault(tails, tails) for tails in feeders]
        """Switches with a link to each node."""


class _Toward(dict[int, _Links]):
    """The links that begin a shortest path to one goal, from each switch; found as asked for."""

    __slots__ = ("_distances", "_switches")

    def __init__(self, switches: _Switches, goal: int, last: dict[int, _Links]) -> None:
        super().__init__(last)
        self._switches = switches
        distances = [_CUT_OFF] * (len(switches.links) - switches.first)
        hops, frontier = 1, switches.feeders[goal]
        unseen = switches.all - {goal}
        while frontier:
            for node in frontier:
                distances[node - switches.first] = hops
            unseen -= frontier
            frontier = unseen.intersection(
                set().union(*{switches.feeders[node] for node in frontier})
            )
            hops += 1
        self._distances = distances

    def __missing__(self, node: int) -> _Links:
        """Return no links where the goal is cut off."""
        links, distances = self._switches.links[node], self._distances
        ahead = [distances[switch] for switch in self._switches.next[node]]
        least = min(ahead, default=_CUT_OFF)
        nearest = ahead.count(least)
        if least == _CUT_OFF:
            links = ()
        elif nearest == 1:
            links = (links[ahead.index(least)],)
        elif nearest < len(ahead):
            links = tuple(link for link, hops in zip(links, ahead, strict=True) if hops == least)
        if node >= self._switches.first:  # not from hosts: they are many, and mostly have one link
            self[node] = links
        return links


def _splitmix64(seed: int, n: int) -> int:
    """Return the n-th output of the generator splitmix64 (Steele, Lea and Flood, 2014)."""
    z = (seed + n * 0x9E3779B97F4A7C15) & _WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _WORD
    return z ^ (z >> 31)
