"""Links and flows: who gets what share of the network, when a transfer is done. Bytes, seconds.

Traffic is fluid. Between events every rate is constant; changes at one instant are settled once, by
an event of the lowest priority. The numbers are those of `dcsim.model.fabric`; here they meet the
clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import simpy

from dcsim import kernel
from dcsim.errors import InvariantError
from dcsim.model import fabric
from dcsim.model.fabric import ROUNDING
from dcsim.model.fabric import Flow as Flow
from dcsim.model.fairshare import TOLERANCE, WHOLE, violations
from dcsim.model.routing import Path

SETTLE_PRIORITY = 9
"""After everything else that happens at the same instant."""

RateListener = Callable[[], None]
RateRecord = Callable[[tuple[int, str], float, float], None]

Fabric: type[fabric.Fabric] = getattr(kernel.compiled, "Fabric", fabric.Fabric)


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
    slack
        Relative change of a rate that listeners need not hear of.
    record
        Called as ``record((link, kind), time, rate)`` when the rate of a kind on a link changes, or
        None.
    check
        Verify the max-min conditions after each solve (slow).

    Attributes
    ----------
    settles
        How often rates were settled: at most once an instant, unless a listener asks for more.
    """

    def __init__(
        self,
        env: simpy.Environment,
        capacity: Iterable[float],
        *,
        weights: Mapping[str, float] | None = None,
        slack: float = TOLERANCE,
        record: RateRecord | None = None,
        check: bool = False,
    ) -> None:
        self.env = env
        self.settles = 0
        self._fabric = Fabric(capacity, slack)
        self._settling = False
        self._wakes = [math.inf]  # when there will be a wake-up, the soonest last
        self._weights = dict(weights or {})
        self._record = record
        self._kind_rate: dict[tuple[int, str], float] = {}
        self._check = check
        self._rated: list[float] = []  # capacities of sound links, once any has been impaired
        self._impaired: dict[int, list[float]] = {}

    # ------------------------------------------------------------------ what there is

    @property
    def flows(self) -> list[Flow]:
        """The open flows, in the order in which they were opened."""
        return self._fabric.flows

    @property
    def capacity(self) -> list[float]:
        """Bytes per second that each link can carry."""
        return self._fabric.capacity

    @property
    def load(self) -> list[float]:
        """Bytes per second that each link carries."""
        return self._fabric.load

    @property
    def carried(self) -> dict[tuple[int, str], float]:
        """Bytes carried, by link and kind: of flows that were closed, or all after `finish`."""
        return self._fabric.carried

    @property
    def solves(self) -> int:
        """How often rates had to be found anew."""
        return self._fabric.solves

    @property
    def flows_solved(self) -> int:
        """Of how many flows, summed over the solves."""
        return self._fabric.flows_solved

    def narrowest(self, path: Path) -> float:
        """Return the rate that a path carries when nobody else uses it, and all of it is sound."""
        if not self._rated:
            return self._fabric.narrowest(path.links, path.shares)
        each = zip(path.links, path.shares or WHOLE, strict=False)
        return min((self._rated[link] / share for link, share in each), default=math.inf)

    def weight_of(self, kind: str) -> float:
        """Return the part of flows of a kind where flows share."""
        return self._weights.get(kind, 1.0)

    def flows_on(self, link: int) -> list[Flow]:
        """Return the open flows that cross a link, in the order in which they came to it."""
        return self._fabric.flows_on(link)

    # ------------------------------------------------------------------ flows

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
            Called when its rate has left what was last told by more than the slack, or is all.
        """
        weight = self.weight_of(kind)
        flow = self._fabric.open(path.links, path.shares, cap, weight, kind, on_rate, self.env.now)
        if cap != 0:
            self._settle_soon()
        return flow

    def close(self, flow: Flow) -> None:
        """End a flow."""
        if self._record is not None:
            self._note(flow, -flow.rate)
        if self._fabric.close(flow, self.env.now):
            self._settle_soon()
            self._release(flow)

    def set_cap(self, flow: Flow, cap: float) -> None:
        """Change how much a flow may take; where links have room it has its new rate at once.

        Its listener is told of what others bring about, not of that.
        """
        before = flow.rate
        if cap == flow.cap and before == flow.heard:
            return
        if self._fabric.set_cap(flow, cap, self.env.now):
            self._settle_soon()
        elif flow.rate != before:
            if self._record is not None:
                self._note(flow, flow.rate - before)
            if flow.waiter is not None:
                self._arm(self._fabric.next(), self.env.now)

    def set_kind(self, flow: Flow, kind: str) -> None:
        """Count what the flow sends from now on as another kind."""
        if self._record is not None:
            self._note(flow, -flow.rate)
        if self._fabric.set_kind(flow, kind, self.weight_of(kind), self.env.now):
            self._settle_soon()
        if self._record is not None:
            self._note(flow, flow.rate)

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
        waiter = simpy.Event(self.env)
        now = self.env.now
        at = self._fabric.send(flow, size, margin_s, beyond, until_s, waiter, now)
        if at < self._wakes[-1]:
            self._arm(at, now)
        return waiter

    def stop(self, flow: Flow) -> None:
        """Fire the event of a transfer under way, whatever is left of it."""
        self._fabric.stop(flow, self.env.now)
        self._arm(self._fabric.next(), self.env.now)

    def set_left(
        self, flow: Flow, size: float, *, margin_s: float = 0.0, beyond: float = 0.0
    ) -> None:
        """Change what a transfer under way has still to send, and when it is enough; see `send`."""
        self._fabric.set_left(flow, size, margin_s, beyond, self.env.now)
        self._arm(self._fabric.next(), self.env.now)

    def left(self, flow: Flow) -> float:
        """Return the bytes that the flow has still to send."""
        return self._fabric.left(flow, self.env.now)

    def account(self, flow: Flow) -> float:
        """Count what a flow has sent up to now; return its total in bytes."""
        return self._fabric.account(flow, self.env.now)

    def astray(self, flow: Flow) -> float:
        """Return what a flow has sent beyond what its listener knew of, since it last asked."""
        return self._fabric.astray(flow, self.env.now)

    def finish(self) -> None:
        """Count everything up to now, as at the end of a run."""
        self._fabric.finish(self.env.now)

    def set_capacity(self, link: int, capacity: float) -> None:
        """Change what a link can carry."""
        self._fabric.set_capacity(link, capacity)
        self._settle_soon()

    @property
    def rated(self) -> list[float]:
        """Bytes per second that each link carries when it is sound."""
        return self._rated or self.capacity

    def impair(self, link: int, share: float) -> None:
        """Let a link carry a share of what it did, until it is repaired; several shares multiply.

        With a share of 0 it is down: what crosses it stands still.
        """
        if not self._rated:
            self._rated = self.capacity
        self._impaired.setdefault(link, []).append(share)
        self.set_capacity(link, self._rated[link] * self.soundness(link))

    def repair(self, link: int, share: float) -> None:
        """Take back what `impair` did once with this share."""
        self._impaired[link].remove(share)
        self.set_capacity(link, self._rated[link] * self.soundness(link))

    def soundness(self, link: int) -> float:
        """Return the share of what it did that a link carries now."""
        return math.prod(self._impaired.get(link, ()))

    @property
    def down(self) -> frozenset[int]:
        """Links that carry nothing now."""
        return frozenset(link for link, shares in self._impaired.items() if 0.0 in shares)

    def reroute(self, flow: Flow, path: Path) -> None:
        """Let an open flow go another way from now on."""
        if path.links == flow.links and path.shares == flow.shares:
            return
        if self._record is not None:
            self._note(flow, -flow.rate)
        if self._fabric.reroute(flow, path.links, path.shares, self.env.now):
            self._settle_soon()
        if self._record is not None:
            self._note(flow, flow.rate)

    def _note(self, flow: Flow, change: float) -> None:
        """Record that the flow's kind uses so much more or less of its links."""
        if self._record is None or change == 0:
            return
        rates, kind, now = self._kind_rate, flow.kind, self.env.now
        least = 1e-6 + ROUNDING * abs(change)
        for link, share in zip(flow.links, flow.shares or WHOLE, strict=False):
            of = (link, kind)
            rate = rates.get(of, 0.0) + change * share
            rates[of] = rate = rate if rate > least else 0.0
            self._record(of, now, rate)

    # ------------------------------------------------------------------ settling

    def _settle_soon(self) -> None:
        if not self._settling:
            self._settling = True
            event: Any = simpy.Event(self.env)
            event._ok, event._value = True, None
            event.callbacks.append(self._settle)
            self.env.schedule(event, SETTLE_PRIORITY)  # type: ignore[arg-type]

    def _settle(self, _: Any) -> None:
        self._settling = False
        self.settles += 1
        moved: list[Flow] | None = None if self._record is None else []
        now = self.env.now
        told: list[Any] = self._fabric.settle(now, moved)
        self._arm(self._fabric.next(), now)
        for flow in moved or ():
            self._note(flow, flow.rate - flow.was)
        # A listener may look at any flow, so all rates are in place before the first is told.
        for listener in dict.fromkeys([flow.listener for flow in told]):  # each of them once
            listener()
        if self._check and not self._settling:  # else a listener asked for more
            wrong = violations(self.flows, self.capacity)
            if wrong:
                raise InvariantError(f"at {self.env.now:.6f} s: {'; '.join(wrong[:5])}")

    # ------------------------------------------------------------------ completions

    def _arm(self, at: float, now: float) -> None:
        """See to it that there is a wake-up at the time of a completion, or before."""
        # Where rates are about to be others, settling comes here again.
        if at < self._wakes[-1] and (at <= now or not self._settling):
            self._wakes.append(at)
            wake: Any = simpy.Timeout(self.env, at - now)
            wake.callbacks.append(self._wake)

    def _wake(self, _: simpy.Event) -> None:
        """Let all go on whose transfers are complete, within this one event."""
        until_s, now = self._wakes.pop(), self.env.now
        done = self._fabric.complete(until_s, now)
        self._wakes.append(-math.inf)  # what they begin needs no wake-up of its own
        for flow in done:
            waiter: Any = flow.waiter
            if waiter is not None:  # else one that went on before has closed it
                flow.waiter = None
                waiter._ok, waiter._value = True, None
                callbacks, waiter.callbacks = waiter.callbacks, None
                for callback in callbacks:
                    callback(waiter)
        self._wakes.pop()
        self._arm(self._fabric.next(), now)

    def _release(self, flow: Flow) -> None:
        """Let who waits for a flow go on, once who has closed it is done."""
        waiter: Any = flow.waiter
        if waiter is not None:
            flow.waiter = None
            waiter.succeed()
