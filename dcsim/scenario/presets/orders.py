"""The names of the orders in which guests go; what they do is in `dcsim.control.order`."""

from __future__ import annotations

from typing import Final

from dcsim.scenario.presets.lookup import Preset, known

ORDERS: Final[dict[str, Preset]] = {
    "listed": {"about": "as they are listed, from each host in turn"},
    "one-by-one": {"about": "as listed, one at a time in the whole cluster"},
    "smallest": {"about": "the guest with the least memory first"},
    "largest": {"about": "the guest with the most memory first"},
    "shortest": {"about": "the guest that is expected to take the least time first"},
    "longest": {"about": "the guest that is expected to take the most time first"},
    "least-dirtying": {"about": "the guest that is expected to get the least dirty first"},
    "earliest-deadline": {
        "about": "the earliest deadline first, then the shortest; who cannot make it comes last"
    },
    "network-aware": {
        "about": "by deadline, then the least dirtying first; one more where more gets done by it"
    },
}
"""Orders by their name; `dcsim.control.order.add` adds one."""


def resolve_order(value: str) -> str:
    """Return the name of an order.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> resolve_order("largest")
    'largest'
    """
    known("order", ORDERS, value)
    return value


def order_names() -> list[str]:
    """Return the names of all orders."""
    return list(ORDERS)


def added() -> dict[str, str]:
    """Return the orders that users have added, and a digest of what each does."""
    return {name: each["source"] for name, each in ORDERS.items() if "source" in each}
