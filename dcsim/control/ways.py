"""Which ways have room: what holds up a guest between where it is and where it may go."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from dcsim.control.admission import Admission, Reason
from dcsim.control.waiting import Request
from dcsim.model.host import Host
from dcsim.model.routing import NO_PATH, Path
from dcsim.model.world import World

if TYPE_CHECKING:
    from dcsim.control.prediction import Forecast
    from dcsim.model.guest import Guest

RACKS: Final = 3
"""So many racks that one link keeps a guest from: it leads to all others, as good as ever."""


class Way(NamedTuple):
    """A path, the bytes per second that a migration loads it with, and those dirtied meanwhile."""

    path: Path
    load: float
    dirtied: float


NO_WAY: Final = Way(NO_PATH, 0.0, 0.0)
"""The way of who needs none, or is not looked at."""


class Ways:
    """What of admission is about ways: links, costs, pools.

    Parameters
    ----------
    world
        Its routes.
    admission
        Who loads them.
    forecast
        What moving a guest to a host is expected to take.

    Attributes
    ----------
    matter
        Whether anything may hold up a guest on its way.
    """

    def __init__(
        self,
        world: World,
        admission: Admission,
        forecast: Callable[[Guest, Host | None], Forecast],
    ) -> None:
        self._world = world
        self._admission = admission
        self._forecast = forecast
        self.matter = admission.looks_closer
        self._links_out = self._only_links() if self.matter else {}

    def _only_links(self) -> Mapping[int, Reason]:
        """Return the link that migrations leave each node by, where it has no other."""
        routes = self._world.routes
        out: dict[int, list[int]] = defaultdict(list)
        for link, tail in enumerate(routes.network.tails):
            if link not in routes.failed:
                out[tail].append(link)
        return {tail: Reason("link", own[0]) for tail, own in out.items() if len(own) == 1}

    def way(self, request: Request, destination: Host) -> Way:
        """Return the way that a guest's memory takes."""
        guest = request.guest
        if not self.matter or guest.profile.migratable != "live":
            return NO_WAY
        load = dirtied = 0.0
        if self._admission.by_room:
            forecast = self._forecast(guest, destination)
            load, dirtied = forecast.load_bytes_per_s, forecast.dirty_rate_bytes_per_s
        path = self._world.path(request.source, destination, guest.name, "migration")
        return Way(path, load, dirtied)

    def look(self, request: Request) -> Look:
        """Look for what holds up a guest, host by host."""
        return Look(self, self._admission, request)

    def shut(self, request: Request) -> Reason | None:
        """Return what holds up a guest wherever it would go: the only link of its host."""
        if request.guest.profile.migratable != "live":
            return None
        way_out = self._links_out.get(request.source.node)
        return None if way_out is None or self._admission.lifted(way_out) else way_out


class Look:
    """What holds up one guest on its ways to hosts that would take it.

    A full link closes the way to all hosts of a rack, unless it is the last one; a link that
    closes several racks closes all.

    Attributes
    ----------
    reasons
        What held it up so far.
    """

    def __init__(self, ways: Ways, admission: Admission, request: Request) -> None:
        self._ways = ways
        self._admission = admission
        self._request = request
        self._closed: set[str] = set()
        self._closes: Counter[Hashable] = Counter()
        self.reasons: dict[Hashable, None] = {}

    def accepts(self, host: Host) -> bool | None:
        """Whether nothing holds the guest up on its way to a host; None: nor on any other."""
        if host.rack in self._closed:
            return False
        path, load, dirtied = self._ways.way(self._request, host)
        held = self._admission.held_by(
            self._request, host, path.links, load, dirtied=dirtied, shares=path.shares
        )
        if held is None:
            return True
        self.reasons[held] = None
        if held.what == "link" and held.which != path.links[-1]:
            self._closed.add(host.rack)
            self._closes[held] += 1
            if self._closes[held] >= RACKS:
                return None
        return False
