"""What all operations have in common: a time, a window, requests that they wait for, a tally."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import simpy

from dcsim.control.batch import Batch
from dcsim.control.waiting import Request
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.units import format_duration, format_many

if TYPE_CHECKING:
    from dcsim.control.dispatch import Dispatcher
    from dcsim.control.review import Review
    from dcsim.model.migration import Migration


class OperationPlan(NamedTuple):
    """An operation, ready to run.

    Attributes
    ----------
    kind, name
        What it does; what tables call it.
    at_s, window_s
        When it starts; for how long after that anything may start. Infinite: for ever.
    about
        The hosts or guests that it is about, in words.
    hosts
        These hosts, by their places among all.
    moves
        Pairs of a guest's name and a host's place, where it lists them.
    at_once
        How many hosts at a time; infinite: all.
    own
        What only its kind has: a plan of the kind's own.
    """

    kind: str
    name: str
    at_s: float
    window_s: float = math.inf
    about: str = ""
    hosts: tuple[int, ...] = ()
    moves: tuple[tuple[str, int], ...] = ()
    at_once: float = math.inf
    own: object = None


class Operation(ABC):
    """One operation at work: `act` is its story.

    Parameters
    ----------
    dispatcher
        What moves its guests.
    plan
        What to do.

    Attributes
    ----------
    requested, completed, completed_cold, retries, moved_twice
        Guests asked to move; moved live; moved cold; attempts after the first; guests that moved a
        second time.
    hosts_done
        How many hosts it has done what it is to do with.
    gone_bytes
        Memory of guests that have moved.
    deadline_s, missed_s
        After how long its hosts are lost; how much longer it would have taken to save all guests
        that could move, 0 where none was left. NaN: there is none.
    lost
        Guests lost.
    taken_bytes, spare_bytes
        Memory that its guests take on hosts that stay, now and at most.
    over, why_over
        Whether no guest starts any more, as its window has passed; in words.
    closed
        Fires when no part of it starts any more, and no other host is begun with.
    ended_s, done
        When it ended; fires then.
    imbalance_before, imbalance_after
        Of loads, when it began and when it ended; NaN where it is not about that.
    off_host_s, saved_energy_j
        Seconds for which it had hosts switched off; what that saved, NaN where it is not known.
    """

    kind: ClassVar[str]
    finishes_hosts: ClassVar[bool] = False
    """Whether guests of hosts that were begun with may start when the window has passed."""
    last_step: ClassVar[str] = "drain"
    """The step after which a host is done."""

    def __init__(self, dispatcher: Dispatcher, plan: OperationPlan) -> None:
        self.dispatcher = dispatcher
        self.world = dispatcher.world
        self.env = dispatcher.world.env
        self.plan = plan
        self.name = plan.name
        self.hosts = [dispatcher.hosts[place] for place in plan.hosts]
        self.closed = self.env.event()
        self.done = self.env.event()
        self.over = False
        self.why_over = ""
        self.ended_s = self.deadline_s = self.missed_s = math.nan
        self.hosts_done = self.lost = 0
        self.requested = self.completed = self.completed_cold = 0
        self.retries = self.moved_twice = 0
        self._steps: dict[Host, tuple[str, float]] = {}
        self.taken_bytes = self.spare_bytes = self.gone_bytes = self.off_host_s = 0.0
        self.imbalance_before = self.imbalance_after = self.saved_energy_j = math.nan
        self._guests: dict[Guest, None] = {}
        self._carried: dict[int, float] = {}
        self._is_told = self.world.recorder.keeps("operations")
        dispatcher.operations.append(self)

    @property
    def lasts(self) -> bool:
        """Whether it goes on as long as it may."""
        return False

    @property
    def endless(self) -> bool:
        """Whether it goes on until all else is done."""
        return self.lasts and self.plan.window_s == math.inf

    def run(self) -> Generator[simpy.Event]:
        """Wait for its time, and do what it is to do."""
        yield self.env.timeout(self.plan.at_s)
        if self.plan.window_s < math.inf:
            self.env.process(self._watch_window())
        yield from self.act()
        if math.isnan(self.ended_s):
            self.ended_s = self.env.now
        self.world.event("operation", self.name, f"done: {self.outcome()}")
        self.done.succeed()

    @property
    def matched(self) -> str:
        """How many hosts it is about, in words."""
        match = "matches" if len(self.hosts) == 1 else "match"
        return f"{format_many(len(self.hosts), 'host')} {match} {self.plan.about}"

    def outcome(self) -> str:
        """Return what came of it, in words."""
        return f"{self.completed + self.completed_cold} of {self.requested} moved"

    @abstractmethod
    def act(self) -> Generator[simpy.Event]:
        """Do it, from its start to its end."""

    def close(self) -> None:
        """Let no further part of it start."""
        if not self.closed.triggered:
            self.closed.succeed()

    def leave_off(self) -> None:  # noqa: B027 - most have nothing to note
        """Note how things stand, as the run ends."""

    def _watch_window(self) -> Generator[simpy.Event]:
        """When the window has passed, let no other host begin, and no other guest if it is so."""
        yield self.env.timeout(self.plan.window_s)
        if self.done.triggered:
            return
        window = f"the window of {format_duration(self.plan.window_s)}"
        self.world.event("window", self.name, f"{window} is over")
        self.close()
        if not self.finishes_hosts:
            self.over, self.why_over = True, f"{window} was over before it could start"
            self.dispatcher.withdraw(
                lambda request: request.batch.operation is self, "cancelled", self.why_over
            )

    # ------------------------------------------------------------------ what it asks for

    def ask(
        self,
        moves: Iterable[tuple[Guest, Host | None]],
        *,
        deadline_s: float = math.inf,
        before: Iterable[Host] = (),
    ) -> Batch:
        """Ask guests to move, each to a host or anywhere; return what to wait for.

        Parameters
        ----------
        moves
            Each guest, and where to.
        deadline_s
            When they have to be gone.
        before
            Hosts that were promised, and take others only when this has ended.
        """
        batch = Batch(self, self.env)
        self.dispatcher.vacancies.promised.update(dict.fromkeys(before, batch))
        requests = [
            Request(guest, guest.host, destination, batch, deadline_s)
            for guest, destination in moves
            if guest.host is not None
        ]
        self.requested += len(requests)
        self._guests.update((request.guest, None) for request in requests)
        return self.dispatcher.submit(batch, requests)

    def helper(self, guest: Guest, destination: Host) -> Request:
        """Return a request for a guest that moves only to make room for another."""
        assert guest.host is not None
        batch = Batch(self, self.env)
        batch.requested = 1
        self.requested += 1
        self._guests[guest] = None
        return Request(guest, guest.host, destination, batch)

    def empty(self, *hosts: Host, deadline_s: float = math.inf) -> Generator[simpy.Event]:
        """Let all guests leave some closed hosts, those too that are on their way to them."""
        for host in hosts:
            self.begin(host, "drain")
        steps = [(host, self._steps[host]) for host in hosts if host in self._steps]
        promised = self.dispatcher.vacancies.promised
        asked: set[Guest] = set()
        while True:
            guests = [guest for host in hosts for guest in host.guests if guest not in asked]
            if guests:
                asked.update(guests)
                before = [host for host in hosts if promised.get(host) is not None]
                moves = ((guest, None) for guest in guests)
                yield self.ask(moves, deadline_s=deadline_s, before=before).done
            coming = next((host for host in hosts if host.reserved), None)
            if coming is not None:
                yield self.dispatcher.arrival(coming)
            elif not guests:
                break
        for host, step in steps:
            if self._steps.get(host) is step:
                self.finish_drain(host)

    def finish_drain(self, host: Host) -> None:
        """Write down that a host is emptied no further, if that is not done yet."""
        if self._steps.get(host, ("",))[0] == "drain":
            left = len(host.guests)
            self.finish(host, f"{format_many(left, 'guest')} left" if left else "")

    def by_turns(
        self, hosts: Sequence[Host], do: Callable[[Host], Generator[simpy.Event]]
    ) -> Generator[simpy.Event]:
        """Do something with each host, with so many at a time as the plan allows."""
        left = iter(hosts)

        def one_after_another() -> Generator[simpy.Event]:
            for host in left:
                if self.closed.triggered:
                    return
                yield from do(host)

        workers = int(min(self.plan.at_once, len(hosts)))
        yield self.env.all_of([self.env.process(one_after_another()) for _ in range(workers)])

    def begin(self, host: Host, step: str) -> None:
        """Note that a step of a host's maintenance begins."""
        self._steps[host] = step, self.env.now
        if step == "drain" and not host.guests and not host.reserved:
            self.finish(host)

    def finish(self, host: Host, trouble: str = "") -> None:
        """Write down a step of a host's maintenance that ends, and what went wrong."""
        step, from_s = self._steps.pop(host)
        if step == self.last_step and not trouble:
            self.hosts_done += 1
        row = (self.name, host.name, step, from_s, self.env.now, trouble)
        self.world.recorder.row("maintenance", row)

    # ------------------------------------------------------------------ what comes of it

    def note_start(self, migration: Migration) -> None:
        """Count a migration that begins."""
        if not migration.destination.draining:
            self.taken_bytes += migration.guest.memory_bytes
            self.spare_bytes = max(self.spare_bytes, self.taken_bytes)
        if migration.attempt > 1:
            self.retries += 1

    def note_end(self, migration: Migration) -> None:
        """Count a migration that has ended."""
        moved = migration.outcome.startswith("completed")
        left = migration.source if moved else migration.destination
        if not left.draining:
            self.taken_bytes -= migration.guest.memory_bytes
        if moved:
            self.gone_bytes += migration.guest.memory_bytes
            self.note_empty(migration.source)
        if self._is_told:
            self._note_traffic(migration)
        if moved and migration.guest.moves == 2:
            self.moved_twice += 1
        if migration.outcome == "completed-cold":
            self.completed_cold += 1
        elif moved:
            self.completed += 1

    def note_empty(self, host: Host) -> None:
        """Look whether a host that it empties is empty: a guest has moved from it, or left."""
        if not host.guests and not host.reserved:
            self.finish_drain(host)

    def _note_traffic(self, migration: Migration) -> None:
        """Count what a migration sent over each link."""
        for flow in migration.flows:
            for link, share in zip(flow.links, flow.shares or repeat(1.0), strict=False):
                self._carried[link] = self._carried.get(link, 0.0) + flow.sent * share

    def _busiest(self, links: Sequence[str]) -> tuple[str, float]:
        """Return the name of the link that it filled most, and how full it was in the mean."""
        took_s, capacity = self.ended_s - self.plan.at_s, self.world.network.rated
        filled = [(sent / capacity[link], -link) for link, sent in self._carried.items()]
        if not filled or not took_s > 0:
            return "", math.nan
        most_s, link = max(filled)
        return links[-link], most_s / took_s

    def row(
        self, *, review: Review, links: Sequence[str], degraded_limit_s: float
    ) -> tuple[float | int | str, ...]:
        """Return its row at the end of the run, given what it might have come to."""
        plan = self.plan
        degraded = [guest for guest in self._guests if guest.degraded_s(0.1) > degraded_limit_s]
        return (
            self.name,
            self.kind,
            plan.at_s,
            self.ended_s,
            self.ended_s - plan.at_s,
            *review,
            plan.window_s if plan.window_s < math.inf else math.nan,
            len(self.hosts),
            self.hosts_done,
            self.requested,
            self.completed,
            self.completed_cold,
            self.requested - self.completed - self.completed_cold,
            self.retries,
            self.moved_twice,
            self.spare_bytes,
            self.imbalance_before,
            self.imbalance_after,
            self.off_host_s,
            self.saved_energy_j,
            self.deadline_s,
            self.missed_s,
            self.lost,
            len(degraded),
            *self._busiest(links),
        )
