"""Weighted max-min fair sharing with caps: numbers in, numbers out. Bytes per second.

A set of rates is max-min fair when every flow is at its cap or crosses a *bottleneck*: a saturated
link on which no flow has a higher level (rate / weight). That condition is sufficient as well as
necessary (Bertsekas and Gallager, Data Networks, 6.5.2), so it is also how a solution is checked,
and how a local change is known to have been followed far enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
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


def fill(flows: Sequence[Demand], residual: Mapping[int, float]) -> None:
    """Set the rate and bottleneck of each flow by progressive filling.

    All levels rise together; a flow stops at its cap, or when one of its links is full.

    Parameters
    ----------
    flows
        With `links` crossed, `shares` of the flow on each (None: all of it), `weight` > 0 and
        `cap`.
    residual
        What each of their links has left for them.
    """
    weight_on: dict[int, float] = {}
    crossing: dict[int, list[int]] = {}
    for i, flow in enumerate(flows):
        for link, share in zip(flow.links, flow.shares or WHOLE, strict=False):
            if link in weight_on:
                weight_on[link] += flow.weight * share
                crossing[link].append(i)
            else:
                weight_on[link] = flow.weight * share
                crossing[link] = [i]
    left = {link: max(0.0, residual[link]) for link in weight_on}
    full_at = [(left[link] / weight, link) for link, weight in weight_on.items() if weight > 0]
    heapify(full_at)
    by_cap = sorted((flow.cap / flow.weight, i) for i, flow in enumerate(flows))
    waiting = dict.fromkeys(range(len(flows)))

    def settle(i: int, level: float, bottleneck: int) -> None:
        flow = flows[i]
        flow.rate = rate = flow.cap if bottleneck == AT_CAP else level * flow.weight
        flow.bottleneck = bottleneck
        del waiting[i]
        weight = flow.weight
        for link, share in zip(flow.links, flow.shares or WHOLE, strict=False):
            rest = left[link] - rate * share
            left[link] = rest if rest > 0.0 else 0.0
            weight_on[link] -= weight * share

    next_cap = 0
    while waiting:
        while next_cap < len(by_cap) and by_cap[next_cap][1] not in waiting:
            next_cap += 1
        cap_level, capped = by_cap[next_cap]
        link_level, link = full_at[0] if full_at else (float("inf"), AT_CAP)
        if cap_level <= link_level:
            settle(capped, cap_level, AT_CAP)
            continue
        heappop(full_at)
        members = [i for i in crossing[link] if i in waiting]
        if not members:
            continue
        level = left[link] / weight_on[link] if weight_on[link] > 0 else link_level
        if level > link_level * (1 + 1e-12):
            heappush(full_at, (level, link))
            continue
        for i in members:
            if i in waiting:
                settle(i, link_level, link)


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
