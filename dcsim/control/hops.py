"""How many links lie between hosts, found once for all that are linked to the same switches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

from dcsim.model.host import Host
from dcsim.scenario.topology import Network

Beside = frozenset[int]
"""The nodes that a host is linked to: hosts with the same are equally far from all others."""


class Hops:
    """Distances between hosts, in links.

    Parameters
    ----------
    hosts
        All there are.
    network
        The links between them; without, all are equally far from each other.
    """

    def __init__(self, hosts: Sequence[Host], network: Network | None) -> None:
        self._hosts = hosts
        self._network = network
        self._found: dict[Beside, list[list[Beside]]] = {}

    def beside(self, host: Host) -> Beside:
        """Return the nodes that a host is linked to."""
        return frozenset(self._linked[host.node])

    def rings(self, source: Host) -> list[list[Beside]]:
        """Return what the others are linked to, the nearest first; in a list what is as near."""
        beside = self.beside(source)
        if beside not in self._found:
            self._found[beside] = self._searched(source.node)
        return self._found[beside]

    @cached_property
    def _linked(self) -> dict[int, list[int]]:
        linked: dict[int, list[int]] = defaultdict(list)
        if self._network is not None:
            for tail, head in zip(self._network.tails, self._network.heads, strict=True):
                if tail != head:
                    linked[tail].append(head)
        return linked

    @cached_property
    def _hosts_beside(self) -> dict[Beside, None]:
        return dict.fromkeys(self.beside(host) for host in self._hosts)

    def _searched(self, source: int) -> list[list[Beside]]:
        """Go outwards from a host; only switches forward."""
        kinds = () if self._network is None else self._network.node_kinds
        away = {source: 0}
        frontier, links = [source], 0
        while frontier:
            links += 1
            near, frontier = frontier, []
            for node in near:
                for far in self._linked[node] if not links - 1 or kinds[node] == "switch" else ():
                    if far not in away:
                        away[far] = links
                        frontier.append(far)
        rings: dict[float, list[Beside]] = defaultdict(list)
        for beside in self._hosts_beside:
            rings[min([away[n] for n in beside if n in away], default=links)].append(beside)
        return [rings[links] for links in sorted(rings)]
