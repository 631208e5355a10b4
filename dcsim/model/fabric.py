"""Links and flows as numbers: rates, bytes and the times of completions, without a clock.

Every link has a level at which it is full, every flow the least level of its links and its cap; its
rate is its weight times that. After a change the flows that it reaches rise again from nothing, all
levels at once, while all others stay as they are. On the way up

- a flow stops at its cap;
- a link that is full stops the flows that rise on it, once the flows that stand higher have joined
  them: first those that the link itself holds, then the others;
- a link that has room left at the level at which it holds flows lets them go: they rise as well.

So each flow rises at most once, and what is below the rising level is final. This is progressive
filling that has left out what a change does not reach; done for all flows at once it is progressive
filling.

`kernel/fabric.c` is the same in C: the same operations on doubles in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from heapq import heapify, heappop, heappush, heapreplace

from dcsim.model.fairshare import AT_CAP, TOLERANCE

RISING = -2
"""The bottleneck of a flow whose rate is not known yet."""

ROUNDING = 1e-12
"""Relative slack between levels, and of what is left of a link's capacity."""

UNSENT = 1e-3
"""Bytes that are as good as sent."""


class Flow:
    """Traffic along one path, at one rate between events.

    Attributes
    ----------
    links, shares
        What it crosses, and the share of it on each; None: all of it.
    cap, weight
        Bytes per second it may have at most; its part where flows share.
    kind
        What its bytes are counted as.
    rate
        Bytes per second it may use now.
    was
        Its rate before the last settling that moved it.
    bottleneck
        The link that holds it, or `AT_CAP`.
    sent
        Bytes of all kinds so far, up to the last look.
    left
        Bytes still to be sent then; infinite where nothing waits for that.
    listener, waiter
        Who is to be told of another rate, and what is waiting for the bytes to be sent; the fabric
        only looks whether there is one.
    heard, strayed
        The rate that the listener knows of, and bytes sent beyond it; less than 0: short of it.
    """

    __slots__ = (
        "_at", "_beyond", "_changed", "_crossed", "_level", "_margin", "_number", "_of_kind",
        "_since", "_until", "bottleneck", "cap", "heard", "kind", "left", "links", "listener",
        "rate", "sent", "shares", "strayed", "waiter", "was", "weight",
    )  # fmt: skip

    def __init__(
        self,
        links: tuple[int, ...],
        shares: tuple[float, ...] | None,
        cap: float,
        weight: float,
        kind: str,
        listener: object,
    ) -> None:
        self.links = links
        self.shares = shares
        self.cap = cap
        self.weight = weight
        self.kind = kind
        self.listener = listener
        self.waiter: object = None
        self.rate = self.was = self.heard = self.sent = self.strayed = 0.0
        self.bottleneck = AT_CAP
        self._crossed: tuple[tuple[_Link, float], ...] = ()
        self._number = -1  # in the order of opening; -1: not open
        self._changed = False
        self._level = 0.0
        self._since = self._of_kind = 0.0
        self.left = math.inf
        self._margin = self._beyond = 0.0
        self._until = math.inf
        self._at = math.inf  # when the waiter has what it waits for, at this rate


class _Link:
    """A link: its capacity, who crosses it, and what they have of it."""

    __slots__ = (
        "capacity", "flows", "fresh", "held", "index", "level", "load", "rising", "weight",
    )  # fmt: skip

    def __init__(self, index: int, capacity: float) -> None:
        self.index = index
        self.capacity = capacity
        self.load = 0.0  # of the flows that do not rise
        self.weight = 0.0  # of those that do
        self.rising = 0
        self.held = 0  # flows that it holds, all at its level
        self.level = 0.0
        self.fresh = False
        self.flows: dict[Flow, None] = {}

    def roomy(self) -> bool:
        """Whether there is room for what it holds to rise; none where it is down, for rounding."""
        room = self.capacity - self.load - self.weight * self.level
        return self.capacity > 0 and room > ROUNDING * self.capacity

    def next(self) -> float:
        """Return the level at which something happens to it; inf if nothing does."""
        if self.held and self.roomy():
            return self.level
        if self.rising:
            room = self.capacity - self.load
            return room / self.weight if room > 0 and self.capacity > 0 else 0.0
        return math.inf


class Fabric:
    """All links and flows.

    Parameters
    ----------
    capacity
        Of each directed link, in bytes per second.
    slack
        Relative change of a rate that is held back from the flow's listener.
    """

    def __init__(self, capacity: Iterable[float], slack: float = TOLERANCE) -> None:
        self._slack = slack
        self._links = [_Link(i, float(c)) for i, c in enumerate(capacity)]
        self._flows: dict[int, Flow] = {}
        self._opened = 0
        self._changed: list[Flow] = []
        self._fresh: list[_Link] = []
        self._risen: list[Flow] = []
        self._rising = 0
        self._caps: list[tuple[float, int]] = []
        self._due: list[tuple[float, int]] = []
        self._carried: dict[str, list[float]] = {}
        self.solves = 0
        self.flows_solved = 0

    # ------------------------------------------------------------------ what there is

    @property
    def flows(self) -> list[Flow]:
        """The open flows, in the order in which they were opened."""
        return list(self._flows.values())

    @property
    def capacity(self) -> list[float]:
        """Bytes per second that each link can carry."""
        return [link.capacity for link in self._links]

    @property
    def load(self) -> list[float]:
        """Bytes per second that each link carries."""
        return [link.load for link in self._links]

    @property
    def carried(self) -> dict[tuple[int, str], float]:
        """Bytes that each link has carried of each kind, up to when they were last counted."""
        return {
            (link, kind): size
            for kind, sizes in self._carried.items()
            for link, size in enumerate(sizes)
            if size > 0
        }

    def narrowest(self, links: tuple[int, ...], shares: tuple[float, ...] | None) -> float:
        """Return the rate that a path carries when nobody else uses it."""
        least = math.inf
        for i, link in enumerate(links):
            alone = self._links[link].capacity
            if shares is not None:
                alone /= shares[i]
            least = min(least, alone)
        return least

    def flows_on(self, link: int) -> list[Flow]:
        """Return the open flows that cross a link, in the order in which they came to it."""
        return list(self._links[link].flows)

    # ------------------------------------------------------------------ changes

    def open(
        self,
        links: tuple[int, ...],
        shares: tuple[float, ...] | None,
        cap: float,
        weight: float,
        kind: str,
        listener: object,
        now: float,
    ) -> Flow:
        """Begin a flow; it has no rate before all is settled, or while its cap is 0."""
        flow = Flow(links, shares, cap, weight, kind, listener)
        flow._number = self._opened
        flow._since = now
        self._opened += 1
        self._flows[flow._number] = flow
        self._enter(flow)
        if cap != 0:
            self._change(flow)
        return flow

    def _enter(self, flow: Flow) -> None:
        """Let a flow stand on each of its links, behind all others."""
        shares = flow.shares
        flow._crossed = tuple(
            (self._links[link], 1.0 if shares is None else shares[i])
            for i, link in enumerate(flow.links)
        )
        for link, _ in flow._crossed:
            link.flows[flow] = None

    def _leave(self, flow: Flow) -> None:
        """Take a flow off its links."""
        if flow.bottleneck != AT_CAP:
            self._links[flow.bottleneck].held -= 1
            flow.bottleneck = AT_CAP
        for link, share in flow._crossed:
            del link.flows[flow]
            link.load = link.load - flow.rate * share if link.flows else 0.0
            self._touch(link)

    def close(self, flow: Flow, now: float) -> bool:
        """End a flow; return whether it was open."""
        if flow._number < 0:
            return False
        self.account(flow, now)
        self._count(flow)
        del self._flows[flow._number]
        flow._number = -1
        self._leave(flow)
        flow.rate = 0.0
        flow._at = math.inf
        return True

    def reroute(
        self, flow: Flow, links: tuple[int, ...], shares: tuple[float, ...] | None, now: float
    ) -> bool:
        """Let a flow go another way; return whether it was open.

        Until all is settled it has its rate there, whoever else is on those links.
        """
        if flow._number < 0:
            return False
        self.account(flow, now)
        self._count(flow)
        self._leave(flow)
        flow.links, flow.shares = links, shares
        flow._level = flow.rate / flow.weight
        self._enter(flow)
        for link, share in flow._crossed:
            link.load += flow.rate * share
        if flow.cap != 0 or flow.rate != 0:
            self._change(flow)
        return True

    def set_cap(self, flow: Flow, cap: float, now: float) -> bool:
        """Change how much a flow may take; return whether rates are to be settled.

        They are not where the change concerns nobody else: the flow has its new rate at once. Who
        asks knows the rate.
        """
        if flow.heard != flow.rate:
            self.account(flow, now)
            flow.heard = flow.rate
        if cap == flow.cap or abs(cap - flow.cap) <= TOLERANCE * min(cap, flow.cap):
            return False
        flow.cap = cap
        if flow._number < 0 or (flow.bottleneck != AT_CAP and cap >= flow.rate):
            return False
        if flow._changed or flow.bottleneck != AT_CAP or not self._has_room(flow):
            self._change(flow)
            return True
        self.account(flow, now)
        for link, share in flow._crossed:
            link.load = link.load - flow.rate * share + cap * share
        flow.rate = flow.heard = cap
        flow._level = cap / flow.weight
        if flow.waiter is not None:
            self._plan(flow, now)
        return False

    def _has_room(self, flow: Flow) -> bool:
        """Whether no flow that is held is concerned by this one, and its cap fits its links."""
        for link, share in flow._crossed:
            if link.held or link.load - flow.rate * share + flow.cap * share > link.capacity:
                return False
        return True

    def set_kind(self, flow: Flow, kind: str, weight: float, now: float) -> bool:
        """Count what is sent from now on as another kind; return whether that may change rates."""
        self.account(flow, now)
        self._count(flow)
        flow.kind = kind
        if weight == flow.weight:
            return False
        flow.weight = weight
        if flow._number < 0:
            return False
        self._change(flow)
        return True

    def set_capacity(self, link: int, capacity: float) -> None:
        """Change what a link can carry."""
        changed = self._links[link]
        changed.capacity = capacity
        self._touch(changed)
        if changed.load > capacity:
            for flow in changed.flows:
                self._change(flow)

    def _change(self, flow: Flow) -> None:
        if not flow._changed:
            flow._changed = True
            self._changed.append(flow)

    def _touch(self, link: _Link) -> None:
        if not link.fresh:
            link.fresh = True
            self._fresh.append(link)

    # ------------------------------------------------------------------ settling

    def settle(self, now: float, moved: list[Flow] | None = None) -> list[Flow]:
        """Set the rates of all flows that the changes reach.

        Parameters
        ----------
        now
            The time.
        moved
            A list to which all flows are added that have another rate, or None.

        Returns
        -------
        list
            The flows whose listeners are to be told: of a rate that is another by more than the
            slack than the one they know of, or of all that they asked for.
        """
        for flow in self._changed:
            flow._changed = False
            if flow._number >= 0:
                self._rise(flow)
        self._changed.clear()
        self._fill(now)
        risen, self._risen = self._risen, []
        if risen:
            self.solves += 1
            self.flows_solved += len(risen)
        told = []
        for flow in risen:
            rate, was = flow.rate, flow.was
            if rate == was:
                continue
            if flow.waiter is not None:
                self._plan(flow, now)
            if moved is not None:
                moved.append(flow)
            heard = flow.heard
            slack = TOLERANCE if flow.bottleneck == AT_CAP else self._slack
            if flow.listener is not None and abs(rate - heard) > slack * max(rate, heard):
                flow.heard = rate
                told.append(flow)
        return told

    def _fill(self, now: float) -> None:
        """Let flows rise until each is at its cap or held by a link."""
        links, flows, caps, fresh = self._links, self._flows, self._caps, self._fresh
        levels: list[tuple[float, int]] = []  # of links: nothing happens to them below
        while True:
            for link in fresh:
                link.fresh = False
                level = link.next()
                if level < math.inf:
                    heappush(levels, (level, link.index))
            fresh.clear()
            if not self._rising:  # only a link with room to spare makes others rise
                levels = [(level, i) for level, i in levels if links[i].next() < math.inf]
                heapify(levels)
                caps.clear()
            while levels:
                soonest, index = levels[0]
                level = links[index].next()
                if level <= soonest:
                    break
                if level < math.inf:
                    heapreplace(levels, (level, index))
                else:
                    heappop(levels)
            while caps and flows[caps[0][1]].bottleneck != RISING:
                heappop(caps)
            if caps and (not levels or caps[0][0] <= levels[0][0]):
                level, number = heappop(caps)
                self._stop(flows[number], level, AT_CAP, now)
            elif levels:
                heappop(levels)
                self._fill_link(links[index], level, now)
            else:
                return

    def _fill_link(self, link: _Link, level: float, now: float) -> None:
        """Let happen what happens to a link as the flows reach a level."""
        index = link.index
        if link.held and (link.roomy() or level < link.level * (1 - ROUNDING)):
            for flow in link.flows:
                if flow.bottleneck == index:
                    self._rise(flow)
            return
        bound = level * (1 + ROUNDING)
        higher = [flow for flow in link.flows if flow._level > bound]
        for flow in higher:
            self._rise(flow)
        if not higher:
            link.level = level = min(level, link.level) if link.held else level
            for flow in link.flows:
                if flow.bottleneck == RISING:
                    self._stop(flow, level, index, now)

    def _rise(self, flow: Flow) -> None:
        """Take back what a flow has: it is to have more or less."""
        if flow.bottleneck != AT_CAP:
            self._links[flow.bottleneck].held -= 1
        flow.bottleneck = RISING
        flow._level = -1.0
        flow.was = rate = flow.rate
        weight = flow.weight
        for link, share in flow._crossed:
            link.rising += 1
            link.weight += weight * share
            # when all rise nothing is left, not even rounding
            link.load = link.load - rate * share if link.rising < len(link.flows) else 0.0
            if not link.fresh:
                link.fresh = True
                self._fresh.append(link)
        if flow.cap < math.inf or not flow.links:
            heappush(self._caps, (flow.cap / weight, flow._number))
        self._risen.append(flow)
        self._rising += 1

    def _stop(self, flow: Flow, level: float, bottleneck: int, now: float) -> None:
        """Give a flow its rate."""
        weight = flow.weight
        if bottleneck == AT_CAP:
            rate = flow.cap
        else:
            rate = level * weight
            self._links[bottleneck].held += 1
        if rate != flow.rate:
            self.account(flow, now)
            flow.rate = rate
        self._rising -= 1
        flow.bottleneck = bottleneck
        flow._level = level
        for link, share in flow._crossed:
            link.load += rate * share
            link.rising -= 1
            link.weight = link.weight - weight * share if link.rising else 0.0

    # ------------------------------------------------------------------ bytes

    def send(
        self,
        flow: Flow,
        size: float,
        margin_s: float,
        beyond: float,
        until_s: float,
        waiter: object,
        now: float,
    ) -> float:
        """Let a flow send so many bytes, for a waiter; return when that will be.

        See `dcsim.model.network.Network.send`.
        """
        self.account(flow, now)
        flow.left = size
        flow._margin, flow._beyond = margin_s, beyond
        flow._until = until_s
        flow.waiter = waiter
        return self._plan(flow, now)

    def set_left(self, flow: Flow, size: float, margin_s: float, beyond: float, now: float) -> None:
        """Change what a flow has still to send, and when it is enough."""
        self.account(flow, now)
        flow.left = size
        flow._margin, flow._beyond = margin_s, beyond
        if flow.waiter is not None:
            self._plan(flow, now)

    def stop(self, flow: Flow, now: float) -> None:
        """Let the waiter of a flow wait no longer."""
        if flow.waiter is not None:
            flow._until = now
            self._plan(flow, now)

    def account(self, flow: Flow, now: float) -> float:
        """Count what a flow has sent up to now; return its total in bytes."""
        elapsed = now - flow._since
        size = flow.rate * elapsed
        if flow.left < size:
            size = flow.left
        if flow.listener is not None:
            flow.strayed += size - flow.heard * elapsed
        flow._since = now
        if size > 0:
            flow.sent += size
            flow._of_kind += size
            flow.left -= size
        return flow.sent

    def astray(self, flow: Flow, now: float) -> float:
        """Return what a flow has sent beyond what its listener knew of, since it last asked."""
        self.account(flow, now)
        strayed, flow.strayed = flow.strayed, 0.0
        return strayed

    def left(self, flow: Flow, now: float) -> float:
        """Return the bytes that a flow has still to send."""
        self.account(flow, now)
        return flow.left

    def finish(self, now: float) -> None:
        """Count everything up to now."""
        for flow in self._flows.values():
            self.account(flow, now)
            self._count(flow)

    def _count(self, flow: Flow) -> None:
        """Add what a flow sent of its kind to what its links carried."""
        size = flow._of_kind
        if size > 0:
            carried = self._carried.get(flow.kind)
            if carried is None:
                carried = self._carried[flow.kind] = [0.0] * len(self._links)
            for link, share in flow._crossed:
                carried[link.index] += size * share
            flow._of_kind = 0.0

    # ------------------------------------------------------------------ completions

    def next(self) -> float:
        """Return when the next waiter has what it waits for; inf if none will."""
        due, flows = self._due, self._flows
        while due:
            at, number = due[0]
            flow = flows.get(number)
            if flow is not None and flow._at == at:
                return at
            heappop(due)
        return math.inf

    def complete(self, until_s: float, now: float) -> list[Flow]:
        """Return the flows whose waiters have by a time what they wait for, and forget them."""
        done = []
        while self.next() <= until_s and self._due:
            _, number = heappop(self._due)
            flow = self._flows[number]
            self.account(flow, now)
            # What the clock cannot resolve at this rate is sent as well.
            if flow.left < UNSENT + 4 * math.ulp(now) * flow.rate:
                rest = max(0.0, flow.left)
                flow.sent += rest
                flow._of_kind += rest
                flow.left = 0.0
            flow._at = math.inf
            done.append(flow)
        return done

    def _plan(self, flow: Flow, now: float) -> float:
        """Put the flow's completion, at its present rate, into the queue; return its time."""
        at = flow._until
        if flow.left <= 0:
            at = now
        elif flow.rate > 0:
            wait = flow.left / flow.rate
            if flow._margin > 0:
                early = wait + flow._beyond / flow.rate - flow._margin
                if early < wait:
                    wait = early if early > 0 else 0.0
            if now + wait < at:
                at = now + wait
        if at < now:
            at = now
        if at != flow._at:
            flow._at = at
            if at < math.inf:
                heappush(self._due, (at, flow._number))
                if len(self._due) > 2 * len(self._flows) + 64:  # most of them out of date
                    self._due = [(f._at, n) for n, f in self._flows.items() if f._at < math.inf]
                    heapify(self._due)
        return at
