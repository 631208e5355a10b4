"""The management plane: requests to move guests come in, migrations go out.

Requests wait in one queue a source host and start as admission and room allow; whenever a migration
ends, the queues that its end can help are looked at again. All operations of a run share it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import simpy

from dcsim.control.admission import Admission, Caps
from dcsim.control.backlog import Backlog
from dcsim.control.batch import Batch
from dcsim.control.order import ORDERS
from dcsim.control.search import Search
from dcsim.control.vacancies import ANY_ROOM, Vacancies
from dcsim.control.waiting import Request
from dcsim.control.ways import Way, Ways
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.model.migration import Migration
from dcsim.model.patience import Patience
from dcsim.model.rows import refusal_row
from dcsim.model.stream import Settings
from dcsim.model.world import World
from dcsim.scenario.topology import Network
from dcsim.units import format_duration

if TYPE_CHECKING:
    from dcsim.control.operations.operation import Operation
    from dcsim.control.prediction import Forecast, Predictor
    from dcsim.control.swaps import Swaps


class Management(NamedTuple):
    """How migrations are managed, ready to run.

    Attributes
    ----------
    order, placement
        Names of the order and of the placement.
    caps
        What may run at once.
    patience
        Management's time and time limits.
    swap
        Whether others are moved to make room for a guest that finds none.
    """

    order: str
    placement: str
    caps: Caps
    patience: Patience
    swap: bool = False


LEFT = "it left"
"""Why nothing more came of a guest."""


class Dispatcher:
    """The management plane at work.

    Parameters
    ----------
    world
        Clock, network, records.
    hosts, guests
        All of the cluster, in order.
    settings
        Migration settings of each guest, by its group.
    management
        The rules.
    network
        The links between hosts.

    Attributes
    ----------
    requested, ended
        How many guests were asked to move, and how many of those have come to their end.
    migrations
        Those under way, or settling in.
    vacancies
        Which hosts take guests.
    operations
        All that it works for.
    """

    def __init__(
        self,
        world: World,
        hosts: Sequence[Host],
        guests: Collection[Guest],
        settings: dict[str, Settings],
        management: Management,
        network: Network,
    ) -> None:
        self.world = world
        self.hosts = hosts
        self.guests = guests
        self.settings = settings
        self.patience = management.patience
        self.order = order = ORDERS[management.order]
        caps = management.caps._replace(per_cluster=min(management.caps.per_cluster, order.most))
        leaves = None
        if order.by_room:
            from dcsim.control.leeway import Leeway  # few orders ask for room

            leaves = Leeway(world.network, network.capacity_bytes_per_s)
        self.admission = Admission.of(caps, network, leaves=leaves)
        self.vacancies = Vacancies(
            hosts,
            network=network,
            placement=management.placement,
            may_enter=self.admission.may_enter,
        )
        self.placer = self.vacancies.placer
        self.requested = self.ended = self.waiting = 0
        self.migrations: dict[Migration, Request] = {}
        self._ways = Ways(world, self.admission, self.forecast)
        self._taken: dict[Migration, Way] = {}
        self.rank = order.rank
        self.operations: list[Operation] = []
        self._backlog = Backlog(
            self.admission,
            self.vacancies,
            ranked=order.rank is not None,
            by_way=self._ways.matter,
        )
        self._asked: dict[Guest, Request] = {}
        self._followers: dict[Guest, list[Request]] = {}
        self._awaited: dict[Host, simpy.Event] = {}
        self._search = Search(self.vacancies, self._ways)
        self._swaps: Swaps | None = None
        if management.swap:
            from dcsim.control.swaps import Swaps  # few operations ask for them

            self._swaps = Swaps(self.placer, self.may_ask)
        self._cause = ""

    @property
    def unsettled(self) -> int:
        """How many requests wait, for whatever it is, or are being worked off."""
        queued = sum(1 for _ in self._backlog)
        following = sum(map(len, self._followers.values()))
        under_way = sum(not migration.outcome for migration in self.migrations)
        return queued + following + under_way + self.waiting

    # ------------------------------------------------------------------ hosts

    def close(self, host: Host) -> None:
        """Let a host take no more guests, until all who closed it have opened it again."""
        self.vacancies.close(host)
        self._backlog.free(ANY_ROOM)  # a set that has to leave it is tied to it no longer

    def reopen(self, host: Host) -> None:
        """Let a host take guests again, if nobody else has closed it."""
        self.vacancies.reopen(host)
        self.welcome(host)

    def welcome(self, host: Host) -> None:
        """Let guests come to a host that has room again."""
        self._note(host)
        self._backlog.free(host, ANY_ROOM)
        self._cause = host.name
        self.look()

    def leave(self, host: Host) -> None:
        """Let a closed host go away; who waits to leave it does so no longer."""
        host.away = True
        self.vacancies.measure(host)
        self._turn_away(host, "cancelled", f"the host {host.name} is away")

    def forsake(self, host: Host) -> None:
        """Reckon no longer with a host that was promised."""
        self.vacancies.promised.pop(host, None)
        self.look()

    def is_asked(self, guest: Guest) -> bool:
        """Whether a guest waits to move, or does so now."""
        return guest in self._asked

    def arrival(self, host: Host) -> simpy.Event:
        """Return what fires when the next migration to a host, or from it, has ended."""
        if host not in self._awaited:
            self._awaited[host] = self.world.env.event()
        return self._awaited[host]

    # ------------------------------------------------------------------ guests that come and go

    def admit(self, guest: Guest) -> bool:
        """Let a guest come to a host that takes it; return whether there is one.

        Limits on migrations do not hold here.
        """
        placer = self.vacancies.for_arrivals
        found = placer.find(guest, None)
        if found is None:
            if self.world.keeps_events:
                why = placer.why_not(guest, None).replace("other host", "host")
                self.world.event("rejected", guest.name, why)
            return False
        self.world.event("arrived", guest.name, "on", found.name)
        guest.live(found)
        self._note(found)
        return True

    def depart(self, guest: Guest) -> None:
        """Let a guest leave the cluster, whatever happens to it; what it took is there for others.

        A migration of it that is under way ends where it is, and who asks for it is refused.
        """
        host, request = guest.host, self._asked.get(guest)
        assert host is not None
        self.world.event("left", guest.name, host.name)
        if request is not None and request.under_way is not None:
            migration, process = request.under_way
            settling = bool(migration.outcome)
            migration.forsake(LEFT)
            process.interrupt()
            guest.leave()
            if not settling:
                self.run_all(self.end(migration))
        else:
            guest.leave()
        if request is not None and request.under_way is None:
            if request.again:
                request.again = False  # which it will see when its time has come
                self.waiting -= 1
            else:
                self._backlog.remove(request.source, lambda other: other is request)
            self._drop(request, "cancelled", LEFT)
        if host.draining:
            for operation in self.operations:
                operation.note_empty(host)
        self._note(host)
        self._cause = guest.name
        self.look()

    # ------------------------------------------------------------------ requests

    def submit(self, batch: Batch, requests: Sequence[Request]) -> Batch:
        """Take in the requests of an operation, and start what may start."""
        batch.requested += len(requests)
        self.requested += len(requests)
        sources: dict[Host, None] = {}
        for request in requests:
            if self._enlist(request):
                sources[request.source] = None
        self._cause = ""
        self.run_all(self.dispatch(*sources))
        batch.look()
        return batch

    def _enlist(self, request: Request) -> bool:
        """Let a request stand in its queue; return whether it does."""
        guest, source = request.guest, request.source
        other = self._asked.get(guest)
        if other is not None and other is not request:
            self._followers.setdefault(guest, []).append(request)
        elif source.failed or guest.host is not source:  # which may be back without it
            self.refuse(request, "failed-host", f"the host {source.name} failed")
        elif guest.perished:
            self.refuse(request, "cancelled", "it runs no longer")
        elif request.called_off:
            self.refuse(request, "cancelled", request.called_off)
        elif source.away:
            self.refuse(request, "cancelled", f"the host {source.name} is away")
        elif guest.profile.migratable == "no":
            self.refuse(request, "not-movable", guest.profile.why_not_live)
        elif request.destination is source:
            self.refuse(request, "cancelled", f"it is on {source.name} already")
        elif request.batch.operation.over:
            self.refuse(request, "cancelled", request.batch.operation.why_over)
        else:
            rank = (
                0.0
                if self.rank is None
                else self.rank(request, self.forecast(request.guest, request.destination))
            )
            request.turn = (rank, self._backlog.number())
            self._asked[guest] = request
            self._backlog.append(request, self._search.alike(request))
            return True
        return False

    def may_ask(self, guest: Guest) -> bool:
        """Whether a guest runs, can move live, and nobody has asked for it yet."""
        return guest.running and guest.profile.migratable == "live" and guest not in self._asked

    @functools.cached_property
    def predictor(self) -> Predictor:
        """What forecasts guests, each kind of them once."""
        from dcsim.control.prediction import Predictor  # few orders want to know

        return Predictor(self.world, self.settings)

    def forecast(self, guest: Guest, destination: Host | None) -> Forecast:
        """Return what moving a guest is expected to take, to a host or anywhere."""
        return self.predictor.forecast(guest, self.patience, destination=destination)

    def _let_go(self, guest: Guest) -> None:
        """A guest has settled: who asked for it meanwhile may have it."""
        del self._asked[guest]
        for request in self._followers.pop(guest, ()):
            host = guest.host
            if host is None or not guest.running:
                self.refuse(request, "cancelled", "it runs no longer" if guest.perished else LEFT)
            elif request.destination is None and not host.draining:
                self.refuse(request, "cancelled", f"it went to {host.name} already")
            else:
                request.source = host
                if self._enlist(request):
                    self.run_all(self.dispatch(host))

    def withdraw(self, wanted: Callable[[Request], bool], outcome: str, reason: str) -> None:
        """Refuse those who wait, and of whom something is true."""
        for request in self._backlog.remove_all(wanted):
            self._drop(request, outcome, reason)

    def call_off(self, pattern: str, reason: str) -> int:
        """Cancel the moves of guests, those that wait too; return how many there were.

        In post-copy there is no way back: those guests run at the destination already.
        """
        before = self.ended
        under_way = 0
        for migration in self.migrations:
            if fnmatchcase(migration.guest.name, pattern) and migration.may_be_cancelled:
                migration.break_off("cancelled", reason)
                under_way += 1
        again = [request for request in self._asked.values() if request.again]
        for request in chain(again, *self._followers.values()):
            if fnmatchcase(request.guest.name, pattern):
                request.called_off = reason
                under_way += 1
        self.withdraw(lambda request: fnmatchcase(request.guest.name, pattern), "cancelled", reason)
        self._cause = ""
        self.look()
        return self.ended - before + under_way

    def give_up(self, source: Host) -> None:
        """Refuse those who wait to leave a host that was lost."""
        self._turn_away(source, "failed-host", f"the host {source.name} failed")
        self._note(source)
        self._cause = source.name
        self.look()

    def _turn_away(self, source: Host, outcome: str, reason: str) -> None:
        """Refuse those who wait to leave a host."""
        for request in self._backlog.clear(source):
            self._drop(request, outcome, reason)

    def _drop(self, request: Request, outcome: str, reason: str) -> None:
        """Refuse one that has stood in a queue."""
        self.refuse(request, outcome, reason)
        self._let_go(request.guest)

    # ------------------------------------------------------------------ working them off

    def dispatch(self, *sources: Host) -> list[Migration]:
        """Start what may start, until none can; what is returned is still to be run.

        Who finds no room when nothing is under way, and none is to come, makes some or is refused.
        """
        started = self._backlog.work_off(sources, self._search.find, self.start)
        if self.admission.running == 0 and self.waiting == 0 and not self.vacancies.more_to_come():
            if (other := self._make_room()) is not None:
                return [other]
            for request in self._backlog.clear_held_up():
                self.refuse_for_room(request)
        return started

    def _make_room(self) -> Migration | None:
        """Move another guest away for one who finds no room; return its migration."""
        swap = None if self._swaps is None else self._swaps.find(self._backlog.held_up)
        if swap is None:
            return None
        request, other, there = swap
        self.world.event("swap", other.name, "makes room for", request.guest.name)
        extra = request.batch.operation.helper(other, there)
        self.requested += 1
        self._asked[other] = extra
        return self.start(extra, there)

    def _note(self, *hosts: Host) -> None:
        """Look again at hosts that may have more room, or less."""
        grown = [host for host in hosts if self.vacancies.measure(host)]
        self._backlog.free(*([*hosts, ANY_ROOM] if grown else hosts))

    def start(self, request: Request, destination: Host) -> Migration:
        """Reserve the memory and begin."""
        guest, batch = request.guest, request.batch
        destination.reserve(guest)
        way = self._ways.way(request, destination)
        self.admission.enter(
            request, request.source, destination, way.path.links, way.load, shares=way.path.shares
        )
        self.vacancies.measure(destination)
        if self.admission.counts_both:
            self.vacancies.measure(request.source)
        migration = Migration(
            self.world,
            guest,
            destination,
            settings=self.settings[guest.profile.group],
            patience=self.patience,
            requested_s=batch.asked_s,
            attempt=request.attempt,
            operation=batch.operation.name,
            after=self._cause,
        )
        self.migrations[migration] = request
        self._taken[migration] = way
        batch.operation.note_start(migration)
        self.world.event("started", guest.name, request.source.name, "to", destination.name)
        return migration

    def look(self) -> None:
        """Start what may start now, from wherever."""
        self.run_all(self.dispatch())

    def run_all(self, migrations: Iterable[Migration]) -> None:
        """Let all of these run from now on."""
        for migration in migrations:
            self.world.env.process(self.see_through(migration))

    def see_through(self, migration: Migration) -> Generator[simpy.Event]:
        """Run a migration; then those start that its end makes room for, one in its place."""
        following = [migration]
        while following:
            migration, *others = following
            self.run_all(others)
            live = migration.guest.profile.migratable == "live"
            request = self.migrations[migration]
            assert self.world.env.active_process is not None
            request.under_way = migration, self.world.env.active_process
            try:
                yield from migration.run() if live else migration.run_cold()
            except simpy.Interrupt:  # its guest has left, and it has been counted out
                following = []
            else:
                following = self.end(migration)
            if migration.hints.policy.steps:  # there is something left to do, which takes time
                self.run_all(following)
                following = []
            with suppress(simpy.Interrupt):
                yield from migration.settle_in()
            del self.migrations[migration]
            request.under_way = None
            if not request.again:
                self._let_go(migration.guest)

    def end(self, migration: Migration) -> list[Migration]:
        """Count a migration out; return those that its end lets start."""
        request = self.migrations[migration]
        path, load, _ = self._taken.pop(migration)
        ends = (request, migration.source, migration.destination, path.links)
        self.admission.leave(*ends, load, shares=path.shares)
        request.batch.operation.note_end(migration)
        request.again = self.may_retry(request, migration)
        if request.again:
            self.waiting += 1  # from now on: nobody is refused for want of room meanwhile
            self.world.env.process(self.try_again(request))
        else:
            self._note_end(request)
        for host in (migration.source, migration.destination):  # post-copy has both reserved
            if host in self._awaited:
                self._awaited.pop(host).succeed()
        self._note(migration.source, migration.destination)
        if self._backlog.holds_anybody:
            self._backlog.free(*self.admission.frees(*ends))
        self._cause = migration.guest.name
        waits = self._backlog.holds_up(migration.source)
        return self.dispatch() if waits else self.dispatch(migration.source)

    def _note_end(self, request: Request) -> None:
        self.ended += 1
        request.batch.note_end()

    def may_retry(self, request: Request, migration: Migration) -> bool:
        """Whether a migration that came to nothing is tried again."""
        retry = self.patience.retry
        if retry is None or request.attempt >= retry.attempts or request.batch.operation.over:
            return False
        came_to_nothing = migration.outcome.startswith(("aborted", "failed"))
        there = migration.guest.running and migration.guest.host is request.source
        return came_to_nothing and there

    def try_again(self, request: Request) -> Generator[simpy.Event]:
        """Wait, and let a request stand in its queue once more."""
        retry = self.patience.retry
        assert retry is not None
        delay_s = retry.delay_s(request.attempt)
        request.attempt += 1
        after = format_duration(delay_s)
        self.world.event("retry", request.guest.name, f"attempt {request.attempt} after {after}")
        yield self.world.env.timeout(delay_s)
        if not request.again:
            return  # its guest has left
        self.waiting -= 1
        self._cause = request.guest.name
        request.again = False
        if self._enlist(request):
            self.run_all(self.dispatch(request.source))
        else:
            self._let_go(request.guest)
            self.look()

    # ------------------------------------------------------------------ what does not move

    def refuse_for_room(self, request: Request) -> None:
        """Report a guest that no host can take."""
        why = self.placer.why_not(request.guest, request.source, request.destination)
        self._drop(request, "no-room", why)

    def refuse(self, request: Request, outcome: str, reason: str) -> None:
        """Write the row of a guest that does not move at all."""
        guest, batch = request.guest, request.batch
        self.world.event(outcome, guest.name, reason)
        row = refusal_row(
            guest,
            operation=batch.operation.name,
            source=request.source,
            destination=request.destination,
            attempt=request.attempt,
            outcome=outcome,
            reason=reason,
            requested_s=batch.asked_s,
            ended_s=self.world.env.now,
        )
        self.world.recorder.add("migrations", **row)
        self._note_end(request)

    def drop(self) -> None:
        """Let go of what is under way still, as its world ends."""
        for migration, request in self.migrations.items():
            migration.guest.stream = None
            if request.under_way is not None:
                # Process, generator and frame refer to each other: freed now, not when collected.
                _, process = request.under_way
                process._generator.close()
                vars(process).clear()
        self.migrations.clear()

    def record_unsettled(self) -> None:
        """Write the rows of migrations that were still settling in at the destination."""
        for migration in self.migrations:
            migration.record()

    def cancel(self, reason: str) -> None:
        """End everything, as the run ends."""
        for migration in self.migrations:
            migration.cancel(reason)
        for request in self._backlog:
            self.refuse(request, "cancelled", f"{reason} before it could start")
