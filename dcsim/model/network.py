"""Links and flows: who gets what share of the network, when a transfer is done. Bytes, seconds.

Traffic is fluid. Between events every rate is constant; changes at one instant are solved once, by
a settle event of the lowest priority, and only the flows that a change can reach are solved again:
they are found by following the max-min bottleneck condition from the changed flows until no flow
outside the set violates it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from typing import Any

import simpy

from dcsim.errors import InvariantError
from dcsim.model.fairshare import AT_CAP, TOLERANCE, WHOLE, fill, violations
from dcsim.model.routing import Path

SETTLE_PRIORITY = 9
"""After everything else that happens at the same instant."""

RateListener = Callable[[], None]
RateRecord = Callable[[int, str, float, float], None]


class Flow:
    """Traffic along one path, at one rate between events.

    Attributes
    ----------
    rate
        Bytes per second it may use now.
    kind
        What its bytes are counted as.
    sent
        Bytes of all kinds so far, up to the last look.
    """

    __slots__ = (
        "_beyond", "_due", "_left", "_listener", "_margin", "_since", "_version", "_waiter",
        "bottleneck", "cap", "kind", "links", "rate", "sent", "sent_of_kind", "shares", "weight",
    )  # fmt: skip

    def __init__(
        self, path: Path, cap: float, weight: float, kind: str, listener: RateListener | None
    ) -> None:
        self.links = path.links
        self.shares = path.shares
        self.cap = cap
        self.weight = weight
        self.kind = kind
        self.rate = 0.0
        self.bottleneck = AT_CAP
        self.sent = 0.0
        self.sent_of_kind = 0.0
        self._listener = listener
        self._since = 0.0
        self._left = (
            math.inf
        )  # bytes until the waiter's transfer is all sent; inf: an open-ended flow
        self._margin = 0.0
        self._beyond = 0.0
        self._waiter: simpy.Event | None = None
        self._version = 0
        self._due = math.inf


class Network:
    """All links and flows.

    Parameters
    ----------
    env
        The clock.
    capacity
        Of each directed link, in bytes per second.
    weights
        Weight of the flows of a kind against others; 1 where a kind is left out.
    record
        Called as ``record(link, kind, time, rate)`` when the rate of a kind on a link changes, or
        None.
    check
        Verify the max-min conditions after each solve (slow).
    """

    def __init__(
        self,
        env: simpy.Environment,
        capacity: Iterable[float],
        *,
        weights: Mapping[str, float] | None = None,
        record: RateRecord | None = None,
        check: bool = False,
    ) -> None:
        self.env = env
        self.capacity = list(capacity)
        self.load = [0.0] * len(self.capacity)
        self.flows: dict[Flow, None] = {}
        self.carried: dict[tuple[int, str], float] = {}
        self.solves = 0
        self.flows_solved = 0
        self._on_link: list[dict[Flow, None]] = [{} for _ in self.capacity]
        self._held_by = [0] * len(self.capacity)  # flows whose bottleneck a link is
        self._changed: dict[Flow, None] = {}
        self._freed: dict[int, None] = {}
        self._settling = False
        self._due: list[tuple[float, int, int, Flow]] = []
        self._ticket = 0
        self._wake_at = math.inf
        self._weights = dict(weights or {})
        self._record = record
        self._kind_rate: dict[tuple[int, str], float] = {}
        self._check = check

    # ------------------------------------------------------------------ flows

    def narrowest(self, path: Path) -> float:
        """Return the rate that a path carries when nobody else uses it."""
        shares = path.shares or (1.0,) * len(path.links)
        capacities = [self.capacity[link] for link in path.links]
        return min((c / s for c, s in zip(capacities, shares, strict=True)), default=math.inf)

    def open(
        self,
        path: Path,
        *,
        kind: str,
        cap: float = math.inf,
        on_rate: RateListener | None = None,
    ) -> Flow:
        """Begin a flow; its rate is known once this instant has settled.

        Parameters
        ----------
        path
            Where it goes. A path without links needs a finite cap.
        kind
            What its bytes are counted as.
        cap
            Bytes per second at most.
        on_rate
            Called when its rate is about to be something else.
        """
        flow = Flow(path, cap, self._weights.get(kind, 1.0), kind, on_rate)
        flow._since = self.env.now
        self.flows[flow] = None
        for link in flow.links:
            self._on_link[link][flow] = None
        self._touch(flow)
        return flow

    def close(self, flow: Flow) -> None:
        """End a flow."""
        if flow not in self.flows:
            return
        self.account(flow)
        self._flush(flow)
        del self.flows[flow]
        self._changed.pop(flow, None)
        if flow.bottleneck != AT_CAP:
            self._held_by[flow.bottleneck] -= 1
        self._note(flow, -flow.rate)
        for link, share in zip(flow.links, flow.shares or WHOLE, strict=False):
            del self._on_link[link][flow]
            self.load[link] -= flow.rate * share
            if not self._on_link[link]:
                self.load[link] = 0.0
            self._freed[link] = None
        flow.rate = 0.0
        flow._version += 1
        if flow._waiter is not None:
            flow._waiter.succeed()
            flow._waiter = None
        self._schedule_settle()

    def set_cap(self, flow: Flow, cap: float) -> None:
        """Change how much a flow may take."""
        if cap == flow.cap or abs(cap - flow.cap) <= TOLERANCE * min(cap, flow.cap):
            return
        flow.cap = cap
        if flow.bottleneck == AT_CAP or cap < flow.rate:
            self._touch(flow)

    def set_kind(self, flow: Flow, kind: str) -> None:
        """Count what the flow sends from now on as another kind."""
        self.account(flow)
        self._flush(flow)
        self._note(flow, -flow.rate)
        flow.kind = kind
        self._note(flow, flow.rate)
        weight = self._weights.get(kind, 1.0)
        if weight != flow.weight:
            flow.weight = weight
            self._touch(flow)

    def send(
        self,
        flow: Flow,
        size: float,
        *,
        margin_s: float = 0.0,
        beyond: float = 0.0,
        until_s: float = math.inf,
    ) -> simpy.Event:
        """Send so many bytes; the event fires when they are sent, or a condition holds before.

        Parameters
        ----------
        flow
            What sends; it goes on with what is left when the event fires early.
        size
            Bytes.
        margin_s
            The event fires when the rest would take so long at the rate then.
        beyond
            Bytes that count as part of that rest, though they are not sent now.
        until_s
            The event fires at this time, whatever is left.
        """
        self.account(flow)
        flow._left = size
        flow._margin, flow._beyond = margin_s, beyond
        flow._waiter = self.env.event()
        flow._due = until_s
        self._schedule(flow)
        return flow._waiter

    def stop(self, flow: Flow) -> None:
        """Fire the event of a transfer under way, whatever is left of it."""
        if flow._waiter is not None:
            flow._due = self.env.now
            self._schedule(flow)

    def set_left(
        self, flow: Flow, size: float, *, margin_s: float = 0.0, beyond: float = 0.0
    ) -> None:
        """Change what a transfer under way has still to send, and when it is enough; see `send`."""
        self.account(flow)
        flow._left = size
        flow._margin, flow._beyond = margin_s, beyond
        if flow._waiter is not None:
            self._schedule(flow)

    def left(self, flow: Flow) -> float:
        """Return the bytes that the flow has still to send."""
        self.account(flow)
        return flow._left

    def account(self, flow: Flow) -> float:
        """Count what a flow has sent up to now; return its total in bytes."""
        now = self.env.now
        size = min(flow.rate * (now - flow._since), flow._left)
        flow._since = now
        if size > 0:
            flow.sent += size
            flow.sent_of_kind += size
            flow._left -= size
        return flow.sent

    def finish(self) -> None:
        """Count everything up to now, as at the end of a run."""
        for flow in self.flows:
            self.account(flow)
            self._flush(flow)

    def set_capacity(self, link: int, capacity: float) -> None:
        """Change what a link can carry."""
        self.capacity[link] = capacity
        self._freed[link] = None
        for flow in self._on_link[link]:
            self._changed[flow] = None
        self._schedule_settle()

    def _flush(self, flow: Flow) -> None:
        if flow.sent_of_kind > 0:
            for link, share in zip(flow.links, flow.shares or WHOLE, strict=False):
                key = (link, flow.kind)
                self.carried[key] = self.carried.get(key, 0.0) + flow.sent_of_kind * share
            flow.sent_of_kind = 0.0

    def _note(self, flow: Flow, change: float) -> None:
        """Record that the flow's kind uses so much more or less of its links."""
        if self._record is None or change == 0:
            return
        for link, share in zip(flow.links, flow.shares or WHOLE, strict=False):
            key = (link, flow.kind)
            rate = self._kind_rate.get(key, 0.0) + change * share
            self._kind_rate[key] = rate = rate if rate > 1e-6 else 0.0
            self._record(link, flow.kind, self.env.now, rate)

    # ------------------------------------------------------------------ settling

    def _touch(self, flow: Flow) -> None:
        self._changed[flow] = None
        self._schedule_settle()

    def _schedule_settle(self) -> None:
        if not self._settling:
            self._settling = True
            event = self.env.event()
            event._ok = True
            event._value = None
            assert event.callbacks is not None
            event.callbacks.append(self._settle)
            self.env.schedule(event, priority=SETTLE_PRIORITY)  # type: ignore[arg-type]

    def _settle(self, _: Any) -> None:
        self._settling = False
        changed = [flow for flow in self._changed if flow in self.flows]
        freed = list(self._freed)
        self._changed.clear()
        self._freed.clear()
        old = self._resolve(changed, freed)
        # A listener may look at any flow, so all rates are in place before the first is told.
        told = []
        for flow, rate in old.items():
            self._note(flow, flow.rate - rate)
            changed_much = abs(flow.rate - rate) > TOLERANCE * max(flow.rate, rate)
            if changed_much and flow._listener is not None:
                told.append(flow._listener)
            if flow._waiter is not None:
                self._schedule(flow)
        for listener in told:
            listener()
        if self._check and not self._settling:  # else a listener asked for more
            wrong = violations(list(self.flows), self.capacity)
            if wrong:
                raise InvariantError(f"at {self.env.now:.6f} s: {'; '.join(wrong[:5])}")

    def _resolve(self, changed: list[Flow], freed: list[int]) -> dict[Flow, float]:
        """Solve again the flows that the change reaches; return their old rates."""
        old: dict[Flow, float] = {}
        solving: dict[Flow, None] = {}
        joining: dict[Flow, None] = dict.fromkeys(changed)
        for link in freed:
            for flow in self._on_link[link]:
                if flow.bottleneck == link:
                    joining[flow] = None
        while joining:
            self._take_out(joining, solving, old)
            full = 2 * len(solving) > len(self.flows)
            if full:
                self._take_out((f for f in self.flows if f not in solving), solving, old)
            links = dict.fromkeys(link for flow in solving for link in flow.links)
            residual = {link: self.capacity[link] - self.load[link] for link in links}
            self.solves += 1
            self.flows_solved += len(solving)
            fill(list(solving), residual)
            joining = {} if full else self._violated(solving, links, freed)
        for flow in solving:
            self._add_load(flow, flow.rate)
            if flow.bottleneck != AT_CAP:
                self._held_by[flow.bottleneck] += 1
        return old

    def _take_out(
        self, flows: Iterable[Flow], solving: dict[Flow, None], old: dict[Flow, float]
    ) -> None:
        """Count what these flows sent, note their rates, and free the capacity they use."""
        for flow in list(flows):
            self.account(flow)
            old[flow] = flow.rate
            solving[flow] = None
            self._add_load(flow, -flow.rate)
            if flow.bottleneck != AT_CAP:
                self._held_by[flow.bottleneck] -= 1

    def _violated(
        self, solving: dict[Flow, None], links: dict[int, None], freed: list[int]
    ) -> dict[Flow, None]:
        """Return the flows outside the set whose rates the set's new rates make wrong."""
        joining: dict[Flow, None] = {}
        inside: dict[int, float] = dict.fromkeys(links, 0.0)
        top: dict[int, float] = dict.fromkeys(links, 0.0)
        bottlenecks: dict[int, float] = {}
        for flow in solving:
            level = flow.rate / flow.weight
            for link, share in zip(flow.links, flow.shares or WHOLE, strict=False):
                inside[link] += flow.rate * share
                if level > top[link]:
                    top[link] = level
            if flow.bottleneck != AT_CAP:
                bottlenecks[flow.bottleneck] = max(bottlenecks.get(flow.bottleneck, 0.0), level)
        for link in dict.fromkeys([*links, *freed]):
            if not self._held_by[link] and link not in bottlenecks:
                continue  # nobody outside is held up here, nobody inside is kept from more
            capacity = self.capacity[link]
            load = self.load[link] + inside.get(link, 0.0)
            saturated = load >= capacity * (1 - TOLERANCE)
            for flow in self._on_link[link]:
                if flow in solving or flow in joining:
                    continue
                level = flow.rate / flow.weight
                could_have_more = not saturated or top.get(link, 0.0) > level * (1 + TOLERANCE)
                if flow.bottleneck == link and could_have_more:
                    joining[flow] = None
                if link in bottlenecks and level > bottlenecks[link] * (1 + TOLERANCE):
                    joining[flow] = None  # it has more than its share
        return joining

    def _add_load(self, flow: Flow, rate: float) -> None:
        for link, share in zip(flow.links, flow.shares or WHOLE, strict=False):
            load = self.load[link] + rate * share
            self.load[link] = load if load > 0.0 else 0.0

    # ------------------------------------------------------------------ completions

    def _schedule(self, flow: Flow) -> None:
        """Put the flow's next completion, at its present rate, into the queue."""
        flow._version += 1
        due = flow._due
        if flow._left <= 0:
            due = self.env.now
        elif flow.rate > 0:
            wait = flow._left / flow.rate
            if flow._margin > 0:
                wait = min(wait, max(0.0, wait + flow._beyond / flow.rate - flow._margin))
            due = min(due, self.env.now + wait)
        if due < math.inf:
            self._ticket += 1
            heappush(self._due, (max(due, self.env.now), self._ticket, flow._version, flow))
            self._arm()

    def _arm(self) -> None:
        while self._due and self._due[0][2] != self._due[0][3]._version:
            heappop(self._due)
        if self._due and self._due[0][0] < self._wake_at:
            self._wake_at = self._due[0][0]
            wake = self.env.timeout(self._wake_at - self.env.now, value=self._wake_at)
            assert wake.callbacks is not None
            wake.callbacks.append(self._wake)

    def _wake(self, event: simpy.Event) -> None:
        if event.value != self._wake_at:
            return  # a later wake-up took its place
        self._wake_at = math.inf
        while self._due and (
            self._due[0][0] <= event.value or self._due[0][2] != self._due[0][3]._version
        ):
            _, _, version, flow = heappop(self._due)
            if version == flow._version and flow._waiter is not None:
                self.account(flow)
                # What the clock cannot resolve at this rate is sent as well.
                if flow._left < 1e-3 + 4 * math.ulp(self.env.now) * flow.rate:
                    flow.sent += max(0.0, flow._left)
                    flow.sent_of_kind += max(0.0, flow._left)
                    flow._left = 0.0
                waiter, flow._waiter = flow._waiter, None
                flow._version += 1
                waiter.succeed()
        self._arm()
