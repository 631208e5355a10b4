"""Ways around links that are down, as long as they are."""

from __future__ import annotations

from dcsim.errors import SimulationError
from dcsim.model.routing import Path, Routes


class Detours:
    """Routes that avoid links which are down, where there is another way.

    Only what would cross such a link goes elsewhere; all else goes where it went. Where no way is
    left, it goes where it would, and stands still.

    Parameters
    ----------
    routes
        The routes while nothing is down; they are not changed.

    Attributes
    ----------
    network, routing, failed
        Those of the routes.
    """

    def __init__(self, routes: Routes) -> None:
        self._routes = self._around = routes
        self._down: frozenset[int] = frozenset()
        self.network, self.routing, self.failed = routes.network, routes.routing, routes.failed

    def avoid(self, links: frozenset[int]) -> None:
        """Take these links, and no others, for down."""
        if links == self._down:
            return
        self._down = links
        self._around = self._routes.without(links) if links else self._routes

    def route(self, source: int, target: int, key: int = 0) -> Path:
        """Return the path of a flow; see `Routes.route`."""
        path = self._routes.route(source, target, key)
        if self._down.isdisjoint(path.links):
            return path
        try:
            return self._around.route(source, target, key)
        except SimulationError:
            return path

    def latency_s(self, path: Path) -> float:
        """Return the latency of a path one way; see `Routes.latency_s`."""
        return self._routes.latency_s(path)
