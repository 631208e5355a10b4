"""The guests of a run: those that stand there from the start, those that come, those that go."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence

import simpy

from dcsim.control.dispatch import Dispatcher
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.model.rows import guest_row
from dcsim.records.recorder import Recorder
from dcsim.simulation.groups import GuestPlan


class Population:
    """All guests that are there now.

    A guest is made when it comes, and when it leaves nothing stays of it but its row.

    Parameters
    ----------
    env, recorder
        The clock; where rows go.
    make
        Makes a guest of its plan.

    Attributes
    ----------
    guests
        Those that are there, in the order in which they came.
    """

    def __init__(
        self, env: simpy.Environment, recorder: Recorder, make: Callable[[GuestPlan], Guest]
    ) -> None:
        self.guests: dict[Guest, None] = {}
        self._env = env
        self._recorder = recorder
        self._make = make

    def stand(self, plans: Iterable[GuestPlan], hosts: Sequence[Host]) -> None:
        """Let guests stand on their hosts from the start."""
        for plan in plans:
            guest = self._make(plan)
            self.guests[guest] = None
            guest.live(hosts[plan.host], start_s=plan.start_s)

    def live_on(
        self, standing: Iterable[GuestPlan], arriving: Sequence[GuestPlan], dispatcher: Dispatcher
    ) -> None:
        """Let those that stand there leave in their time, and others come in theirs."""
        for guest, plan in zip(list(self.guests), standing, strict=True):
            self._let_leave(guest, plan, dispatcher)
        if arriving:
            self._env.process(self._come(arriving, dispatcher))

    def _come(self, plans: Sequence[GuestPlan], dispatcher: Dispatcher) -> Generator[simpy.Event]:
        """Let guests arrive one after another; one that no host takes is turned away."""
        for plan in plans:
            if plan.arrives_s > self._env.now:
                yield self._env.timeout(plan.arrives_s - self._env.now)
            guest = self._make(plan)
            if dispatcher.admit(guest):
                self.guests[guest] = None
                self._let_leave(guest, plan, dispatcher)
            else:
                self._forget(guest)

    def _let_leave(self, guest: Guest, plan: GuestPlan, dispatcher: Dispatcher) -> None:
        """Let a guest leave when its time has come, unless it is lost by then."""
        if plan.leaves_s == math.inf:
            return

        def leave(_: simpy.Event) -> None:
            dispatcher.vacancies.leaving -= 1
            if guest.perished:
                return dispatcher.look()
            self.depart(guest, dispatcher)

        dispatcher.vacancies.leaving += 1
        time = self._env.timeout(max(0.0, plan.leaves_s - self._env.now))
        assert time.callbacks is not None
        time.callbacks.append(leave)

    def depart(self, guest: Guest, dispatcher: Dispatcher) -> None:
        """Let a guest leave now."""
        del self.guests[guest]
        dispatcher.depart(guest)
        self._forget(guest, left_s=self._env.now)

    def _forget(self, guest: Guest, *, left_s: float = math.nan) -> None:
        """Keep nothing of a guest but its row."""
        self._recorder.row("guests", guest_row(guest, left_s=left_s))
        guest.part()

    def finish(self) -> None:
        """Write the rows of those that are there."""
        self._recorder.rows("guests", map(guest_row, self.guests))
