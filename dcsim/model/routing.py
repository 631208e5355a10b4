"""Which links a flow crosses: shortest paths by number of links, and the choice among equals.

Only switches forward traffic. Latencies are seconds, one way; nodes and links are the indexes of
`dcsim.scenario.topology.Network`.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from dcsim.errors import SimulationError
from dcsim.kernel import twin
from dcsim.model.fairshare import WHOLE

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from dcsim.scenario.topology import Network

Routing = Literal["ecmp", "even-split", "d-mod-k"]
_Links = tuple[int, ...]
_Set = int

_WORD: Final = 2**64 - 1
MOST_KEPT: Final = 2**14
"""Paths kept for the next flow that takes them."""


class Path(NamedTuple):
    """The links that one flow crosses, and which part of the flow crosses each."""

    links: tuple[int, ...]
    """In the order in which they are crossed, the disk of the storage included."""
    shares: tuple[float, ...] | None
    """Share of the flow on each link; None stands for all of it on each."""
    hops: int
    """Links that each byte crosses, the disk not counted."""


NO_PATH: Final = Path(links=(), shares=None, hops=0)


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
        switches = [kind == "switch" for kind in network.node_kinds]
        self._ways = Ways(switches, network.tails, network.heads, _closed(network, failed))
        self._paths: dict[Hashable, Path] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave behind what was found when it travels between processes."""
        return partial(Routes, routing=self.routing, failed=self.failed), (self.network,)

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
            return NO_PATH
        if self.routing == "ecmp":
            links = self._walk(source, target, key)  # a key hardly ever comes back, its path does
            return self._paths.get(links) or self._keep(links, links, None)
        pair = (source, target)
        path = self._paths.get(pair)
        if path is None:
            if self.routing == "d-mod-k":
                path = self._keep(pair, self._walk(source, target, None), None)
            else:
                path = self._keep(pair, *self._split(source, target))
        return path

    def latency_s(self, path: Path) -> float:
        """Return the latency of a path one way; the mean over the flow where it is split."""
        latency, mean = self.network.latency_s, 0.0
        for link, share in zip(path.links, path.shares or WHOLE, strict=False):
            mean += latency[link] * share
        return mean

    def _keep(self, name: Hashable, links: _Links, shares: tuple[float, ...] | None) -> Path:
        """Return a path, and remember it by a name as long as there is room."""
        # Each byte crosses as many links as any other, so the shares sum to that number.
        crossed = len(links) if shares is None else round(sum(shares))
        hops = crossed - (self.network.disk in (links[0], links[-1]))
        path = Path(links=links, shares=shares, hops=hops)
        if len(self._paths) < MOST_KEPT:
            self._paths[name] = path
        return path

    def _walk(self, source: int, target: int, key: int | None) -> _Links:
        """Choose one link at each hop."""
        links = self._ways.walk(source, target, key) or self._refuse(source, target)
        if source == self.network.storage:
            return (*self._disk, *links)
        if target == self.network.storage:
            return (*links, *self._disk)
        return links

    def _split(self, source: int, target: int) -> tuple[_Links, tuple[float, ...] | None]:
        """Take all links at each hop; all shortest paths arrive at the same hop."""
        network = self.network
        links = [*self._disk] if source == network.storage else []
        shares = [1.0] * len(links)
        arrived = {source: 1.0}
        while target not in arrived:
            leaving, arrived = arrived, {}
            for node, share in leaving.items():
                choices = self._ways.choices(node, target) or self._refuse(source, target)
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

    def _refuse(self, source: int, target: int) -> _Links:
        names = self.network.node_names
        message = f"no route from {names[source]!r} to {names[target]!r}"
        if self.failed:
            message += f" that avoids {len(self.failed)} links"
        raise SimulationError(message)


def _closed(network: Network, failed: frozenset[int]) -> frozenset[int]:
    """Return the links that no path goes over: those that fail, and the disk, which is no cable."""
    if network.disk is None:
        return failed
    own: set[int] = {network.disk}
    if network.disk in failed:
        ends = zip(network.tails, network.heads, strict=True)
        own.update(link for link, both in enumerate(ends) if network.storage in both)
    return failed | own


@twin
class Ways:
    """Ways of as few links as can be, over switches alone.

    A set of switches is an int with a bit for each of them: what two sets have in common is one
    operation, however many they hold.

    Parameters
    ----------
    switches
        Of each node, whether it is a switch.
    tails, heads
        Ends of each link.
    closed
        Links that are not there.
    """

    def __init__(
        self,
        switches: Sequence[bool],
        tails: Sequence[int],
        heads: Sequence[int],
        closed: frozenset[int],
    ) -> None:
        self._heads = heads
        self._into: list[dict[int, _Links]] = [{} for _ in switches]
        for link, (tail, head) in enumerate(zip(tails, heads, strict=True)):
            if link not in closed:
                self._into[head][tail] = (*self._into[head].get(tail, ()), link)
        self._first = first = switches.index(True) if any(switches) else 0
        bits = [1 << node - first if is_one else 0 for node, is_one in enumerate(switches)]
        onward, feeders = [0] * len(bits), [0] * len(bits)
        for head, own in enumerate(self._into):
            for tail in own:
                onward[tail] |= bits[head]
                feeders[head] |= bits[tail]
        same: dict[_Set, _Set] = {}  # many nodes have the same neighbours
        self._onward = [same.setdefault(ahead, ahead) for ahead in onward]
        self._feeders = [same.setdefault(behind, behind) for behind in feeders]
        self._several: dict[tuple[int, _Set], _Links] = {}
        self._rings: dict[_Set, list[_Set]] = {}

    def walk(self, source: int, target: int, key: int | None) -> _Links:
        """Return a way, chosen by the key's hash or by the target's number; empty if there is none.

        Where m links begin a shortest way, the hash of the key and the hop picks one of them.
        Without a key it is link d mod m, with d the number of the target at first, and divided by m
        afterwards.
        """
        links: list[int] = []
        node, hop, quotient = source, 0, target
        rings, left = self._way(source, target)
        while left:
            left -= 1
            hop += 1
            choices = self._toward(node, rings[left], target)
            if len(choices) == 1:
                link = choices[0]
            elif key is not None:
                link = choices[_splitmix64(key, hop) * len(choices) >> 64]
            else:
                quotient, remainder = divmod(quotient, len(choices))
                link = choices[remainder]
            links.append(link)
            node = self._heads[link]
        return tuple(links)

    def choices(self, node: int, target: int) -> _Links:
        """Return the links that begin a shortest way, in order; none if there is none."""
        rings, left = self._way(node, target)
        return self._toward(node, rings[left - 1], target) if left else ()

    def _way(self, source: int, target: int) -> tuple[list[_Set], int]:
        """Return the rings of switches around a target, and how many hops away the source is.

        In ring n are those n hops away; ring 0 is empty and stands for the target itself. Rings are
        the same for all hosts of a rack, and found as far out as somebody asks. A source that is
        cut off is 0 hops away.
        """
        inner, onward = self._feeders[target], self._onward[source]
        rings = self._rings.get(inner)
        if rings is None:
            rings = self._rings[inner] = [0, inner]
        if source in self._into[target]:
            return rings, 1
        for hops, ring in enumerate(rings):
            if onward & ring:
                return rings, hops + 1
            if hops + 1 == len(rings) and (wider := self._around(rings)):
                rings.append(wider)
        return rings, 0

    def _around(self, rings: list[_Set]) -> _Set:
        """Return the switches with a link to the last ring that are in none."""
        wider = 0
        for switch in _members(rings[-1]):
            wider |= self._feeders[self._first + switch]
        for ring in rings:
            wider &= ~ring
        return wider

    def _toward(self, node: int, ring: _Set, target: int) -> _Links:
        """Return the links that lead from a node to a ring, or to the target."""
        if not ring:
            return self._into[target][node]
        ahead = self._onward[node] & ring
        if ahead.bit_count() == 1:
            return self._into[self._first + ahead.bit_length() - 1][node]
        links = self._several.get((node, ahead))
        if links is None:
            ways = (self._into[self._first + switch][node] for switch in _members(ahead))
            links = self._several[node, ahead] = tuple(sorted(itertools.chain(*ways)))
        return links


def _members(switches: _Set) -> Iterator[int]:
    """Yield the switches of a set, by number."""
    while switches:
        last = switches.bit_length() - 1
        yield last
        switches ^= 1 << last


def _splitmix64(seed: int, n: int) -> int:
    """Return the n-th output of the generator splitmix64 (Steele, Lea and Flood, 2014)."""
    z = (seed + n * 0x9E3779B97F4A7C15) & _WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _WORD
    return z ^ (z >> 31)
