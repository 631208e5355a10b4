"""In which order guests go: each request has a rank, and the lowest goes first, over all hosts.

Requests of one rank go as they are listed, from each host in turn. An order is a small function; a
user adds one with `add`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from dcsim.scenario.presets.orders import ORDERS as NAMES
from dcsim.scenario.presets.orders import added as own_names
from dcsim.scenario.source import fingerprint

if TYPE_CHECKING:
    from dcsim.control.prediction import Forecast
    from dcsim.model.guest import Guest
    from dcsim.model.host import Host

TIE_S: Final = 1e-6
"""Deadlines that differ by less are one: the time that guests take then tells them apart."""
NEVER_S: Final = 1e12
"""What a rank by time has added that comes after all deadlines."""


class Asked(Protocol):
    """What an order sees of a request."""

    @property
    def guest(self) -> Guest:
        """The guest."""

    @property
    def source(self) -> Host:
        """Where it is."""

    @property
    def deadline_s(self) -> float:
        """When it has to be gone; infinite for no such time."""


Rank = Callable[[Asked, "Forecast"], float]
"""Returns the rank of a request, the lowest of which goes first, given its forecast."""


class Order(NamedTuple):
    """An order.

    Attributes
    ----------
    name
        Its name in scenarios.
    rank
        What it ranks by; None for as listed.
    most
        Migrations at once in the cluster, whatever the limits allow.
    by_room
        Whether a migration starts only if its way has room: see `Admission.held_by`.
    """

    name: str
    rank: Rank | None = None
    most: float = math.inf
    by_room: bool = False


def smallest(request: Asked, _: Forecast) -> float:
    """Rank by memory, the smallest first."""
    return request.guest.memory_bytes


def shortest(_: Asked, forecast: Forecast) -> float:
    """Rank by the time that it is expected to take, the shortest first."""
    return forecast.total_s


def least_dirtying(_: Asked, forecast: Forecast) -> float:
    """Rank by how fast pages are expected to get dirty."""
    return forecast.dirty_rate_bytes_per_s


def earliest_deadline(request: Asked, forecast: Forecast) -> float:
    """Rank by deadline, then by time; who cannot make it any more comes after all who can."""
    late = request.guest.env.now + forecast.total_s > request.deadline_s
    due_s = min(request.deadline_s, NEVER_S)
    return due_s + TIE_S * math.log1p(forecast.total_s) + (2 * NEVER_S if late else 0.0)


def network_aware(request: Asked, forecast: Forecast) -> float:
    """Rank by deadline, as `earliest_deadline` does; of all who have none the least dirtying first.

    Who gets dirty slowly loses least where links are shared, and takes its own traffic along.
    """
    if request.deadline_s < math.inf:
        return earliest_deadline(request, forecast)
    return NEVER_S + forecast.dirty_rate_bytes_per_s


def longest(_: Asked, forecast: Forecast) -> float:
    """Rank by time, the longest first; who would never end comes last, and keeps nobody waiting."""
    return -forecast.total_s if forecast.total_s < math.inf else math.inf


def largest(request: Asked, _: Forecast) -> float:
    """Rank by memory, the largest first."""
    return -request.guest.memory_bytes


ORDERS: Final[dict[str, Order]] = {
    order.name: order
    for order in (
        Order("listed"),
        Order("one-by-one", most=1),
        Order("smallest", smallest),
        Order("largest", largest),
        Order("shortest", shortest),
        Order("longest", longest),
        Order("least-dirtying", least_dirtying),
        Order("earliest-deadline", earliest_deadline),
        Order("network-aware", network_aware, by_room=True),
    )
}
"""The orders by their name; those of `dcsim.scenario.presets.orders`."""


def add(name: str, rank: Rank, *, about: str = "", by_room: bool = False) -> None:
    """Add an order, which scenarios then can name; one of that name is replaced.

    Studies take it along to the processes that run them, if it can be pickled by value.

    Parameters
    ----------
    name
        Its name.
    rank
        Given a request and its forecast, returns the rank; the lowest goes first.
    about
        What it does, in a line.
    by_room
        Whether a migration starts only if its way has room.

    Examples
    --------
    >>> add("most-bytes", lambda request, forecast: -forecast.sent_bytes, about="the most first")
    >>> ORDERS["most-bytes"].most
    inf
    >>> del ORDERS["most-bytes"], NAMES["most-bytes"]
    """
    ORDERS[name] = Order(name, rank, by_room=by_room)
    NAMES[name] = {"about": about or "an order of one's own", "source": fingerprint(rank)}


def added() -> dict[str, tuple[Order, dict[str, str]]]:
    """Return the orders that users have added, for other processes to know them."""
    return {name: (ORDERS[name], NAMES[name]) for name in own_names()}


def restore(others: Mapping[str, tuple[Order, dict[str, str]]]) -> None:
    """Know the orders that were added in another process."""
    for name, (order, about) in others.items():
        ORDERS[name], NAMES[name] = order, about
