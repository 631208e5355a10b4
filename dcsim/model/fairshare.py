"""Weighted max-min fair sharing with caps: numbers in, numbers out. Bytes per second.

A set of rates is max-min fair when every flow is at its cap or crosses a *bottleneck*: a saturated
link on which no flow has a higher level (rate / weight). That condition is sufficient as well as
necessary (Bertsekas and Gallager, Data Networks, 6.5.2), so it is also how a solution is checked,
and how a local change is known to have been followed far enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Protocol

AT_CAP = -1
"""The bottleneck of a flow that has all it asked for."""

TOLERANCE = 1e-9
"""Relative slack in comparisons of rates."""

WHOLE = repeat(1.0)
"""Shares on its links of a flow whose `shares` are None."""


class Demand(Protocol):
    """What the solver needs to know of a flow, and where it leaves its answer."""

    weight: float
    cap: float
    rate: float
    bottleneck: int

    @property
    def links(self) -> Sequence[int]:
        """Links it crosses."""

    @property
    def shares(self) -> Sequence[float] | None:
        """Share of it on each link; None: all of it."""


def violations(
    flows: Sequence[Demand], capacity: Sequence[float], *, tolerance: float = 1e-6
) -> list[str]:
    """Return in words what keeps the flows' rates from being max-min fair; empty if nothing.

    Parameters
    ----------
    flows
        All flows of the network.
    capacity
        Of each link, in bytes per second.
    tolerance
        Relative slack.
    """
    load = [0.0] * len(capacity)
    top = [0.0] * len(capacity)
    for flow in flows:
        for link, share in zip(flow.links, flow.shares or WHOLE, strict=False):
            load[link] += flow.rate * share
            top[link] = max(top[link], flow.rate / flow.weight)
    wrong = [
        f"link {i} carries {load[i]:.6g} of {capacity[i]:.6g} B/s"
        for i in range(len(capacity))
        if load[i] > capacity[i] * (1 + tolerance)
    ]
    for n, flow in enumerate(flows):
        if flow.rate > flow.cap * (1 + tolerance):
            wrong.append(f"flow {n} has {flow.rate:.6g} B/s and asked for {flow.cap:.6g}")
        if flow.rate >= flow.cap * (1 - tolerance) or not flow.links:
            continue
        if not any(
            load[link] >= capacity[link] * (1 - tolerance)
            and flow.rate / flow.weight >= top[link] * (1 - tolerance)
            for link in flow.links
        ):
            wrong.append(f"flow {n} at {flow.rate:.6g} B/s has neither its cap nor a bottleneck")
    return wrong
