"""Where files are: the storage that refaults come from and write-back goes to, over the network."""

from __future__ import annotations

import math
from typing import Literal

from dcsim.model.detours import Detours
from dcsim.model.network import Flow, Network, RateListener
from dcsim.model.routing import Path, Routes
from dcsim.rng import Streams


class Storage:
    """Shared storage as seen from hosts, and the way to whom guests talk to.

    Parameters
    ----------
    network, routes
        What the traffic goes over.
    node, outside
        Nodes of the storage and of the world outside, None if there is none.
    service_s
        Latency of one unloaded read at the storage itself.
    streams
        Hashes for the choice of paths.

    Attributes
    ----------
    detours
        Whether some links are down now, so that what is opened may go around them.
    """

    def __init__(
        self,
        network: Network,
        routes: Routes | Detours,
        *,
        node: int | None,
        outside: int | None,
        service_s: float,
        streams: Streams,
    ) -> None:
        self._network = network
        self._routes = routes
        self._node = node
        self._outside = outside
        self._service_s = service_s
        self._streams = streams
        self.detours = False
        self._slower: list[float] = []
        self._latency: dict[int, float] = {}

    def latency_s(self, host: int) -> float:
        """Return how long a host waits for one page: there, served, and back."""
        if host not in self._latency:
            way_s = 0.0
            if self._node is not None:
                way_s = self._routes.latency_s(self._routes.route(self._node, host, 0))
            self._latency[host] = self._service_s + math.fsum(self._slower) + 2 * way_s
        return self._latency[host]

    def slow_down(self, latency_s: float) -> None:
        """Let reads take so much longer, until `recover` takes that back."""
        self._slower.append(latency_s)
        self._latency.clear()

    def recover(self, latency_s: float) -> None:
        """Take back what `slow_down` did once."""
        self._slower.remove(latency_s)
        self._latency.clear()

    def reroute(self, *, detours: bool) -> None:
        """Reckon anew how long the ways to the storage are: links went down, or are up again."""
        self.detours = detours
        self._latency.clear()

    def path(self, host: int, name: str, *, to_host: bool) -> Path | None:
        """Return the way from storage to a host, or back; None without shared storage."""
        if self._node is None:
            return None
        key = self._streams.uniform_hash("ecmp", name, "read" if to_host else "write")
        ends = (self._node, host) if to_host else (host, self._node)
        return self._routes.route(*ends, key)

    def reader(self, host: int, name: str, *, on_rate: RateListener) -> Flow | None:
        """Open the flow of a guest's refaults; its cap is set by the guest."""
        path = self.path(host, name, to_host=True)
        if path is None:
            return None
        return self._network.open(path, kind="refault", cap=0.0, on_rate=on_rate)

    def writer(self, host: int, name: str) -> Flow | None:
        """Open the flow of a guest's write-back; its cap is set by the guest."""
        path = self.path(host, name, to_host=False)
        return None if path is None else self._network.open(path, kind="write-back", cap=0.0)

    def path_to(self, peer: Literal["outside", "storage"], host: int, name: str) -> Path:
        """Return the way from a host to whom a guest sends to."""
        node = self._outside if peer == "outside" else self._node
        if node is None:
            raise ValueError(f"{name} sends to {peer}, which this topology does not have")
        return self._routes.route(host, node, self._streams.uniform_hash("ecmp", name, "send"))

    def sender(
        self, host: int, peer: Literal["outside", "storage"], name: str, *, on_rate: RateListener
    ) -> Flow:
        """Open the flow of what a guest sends; its cap is set by the guest."""
        path = self.path_to(peer, host, name)
        return self._network.open(path, kind="application", cap=0.0, on_rate=on_rate)
