"""The management plane: requests to move guests come in, migrations go out.

Requests wait in one queue a source host and start as admission and room allow; whenever a migration
ends, the queues that its end can help are looked at again. All operations of a run share it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Generator, Hashable, Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import partial
from heapq import heappop, heappush
from itertools import chain, count
from typing import TYPE_CHECKING, NamedTuple

import simpy

from dcsim.control.admission import Admission, Caps, Reason
from dcsim.control.batch import Batch
from dcsim.control.order import ORDERS
from dcsim.control.placement import Placer
from dcsim.control.prediction import Forecast, Predictor
from dcsim.control.waiting import Alike, HeldUp, Queue, Request, Turn
from dcsim.control.ways import Way, Ways
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.model.migration import Migration, World
from dcsim.model.patience import Patience
from dcsim.model.stream import Settings
from dcsim.scenario.topology import Network
from dcsim.units import format_duration

if TYPE_CHECKING:
    from dcsim.control.operations.operation import Operation


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
THE_CLUSTER: Hashable = "the cluster"
"""What holds up who was not looked at, because the cluster was full."""
ANY_ROOM: Hashable = None
"""What holds up who would go anywhere."""
LINES = 8
"""Lines of guests that are alike but for their ways: so many are looked at, where one has none."""


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
    promised
        Hosts that will take guests again, each with what has to end before that, if anything: who
        finds no room waits for them. What has to end may be that their own guests come back.
    leaving
        How many guests will leave some day: who finds no room waits for them, too.
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
        self.admission = Admission.of(caps, network, by_room=order.by_room)
        self.predictor = Predictor(world, settings)
        self._placed_by = partial(Placer, hosts, placement=management.placement, network=network)
        self.placer = self._placed_by(is_open=self.admission.may_enter)
        self._arrivals: Placer | None = None
        self.requested = self.ended = self.waiting = self.leaving = 0
        self.promised: dict[Host, Batch | None] = {}
        self.migrations: dict[Migration, Request] = {}
        self._ways = Ways(world, self.admission, self.predictor, self.patience)
        self._taken: dict[Migration, Way] = {}
        self.rank = order.rank
        self.operations: list[Operation] = []
        self._queues: dict[Host, Queue] = defaultdict(Queue)
        self._held_up = HeldUp()
        self._freed: set[Hashable] = set()
        self._least = math.inf
        self._count = count()
        self._asked: dict[Guest, Request] = {}
        self._followers: dict[Guest, list[Request]] = {}
        self._awaited: dict[Host, simpy.Event] = {}
        self.swaps = management.swap
        self._helped: set[Guest] = set()
        self._gave_way: set[Guest] = set()
        self._closed: Counter[Host] = Counter()
        self._cause = ""

    @property
    def placers(self) -> list[Placer]:
        """What finds hosts: for guests that move, and for those that arrive, if any do."""
        return [self.placer] if self._arrivals is None else [self.placer, self._arrivals]

    @property
    def unsettled(self) -> int:
        """How many requests wait, for whatever it is, or are being worked off."""
        queued = sum(1 for queue in self._queues.values() for _ in queue)
        following = sum(map(len, self._followers.values()))
        under_way = sum(not migration.outcome for migration in self.migrations)
        return queued + following + under_way + self.waiting

    # ------------------------------------------------------------------ hosts

    def close(self, host: Host) -> None:
        """Let a host take no more guests, until all who closed it have opened it again."""
        host.draining = True
        self._closed[host] += 1
        for placer in self.placers:
            placer.close(host)
        self._freed.add(ANY_ROOM)  # a set that has to leave it is tied to it no longer

    def reopen(self, host: Host) -> None:
        """Let a host take guests again, if nobody else has closed it."""
        self._closed[host] -= 1
        host.draining = self._closed[host] > 0
        host.away = False
        self.promised.pop(host, None)
        for placer in self.placers:
            placer.open(host)
        self.welcome(host)

    def welcome(self, host: Host) -> None:
        """Let guests come to a host that has room again."""
        self._note(host)
        self._freed.update([host, ANY_ROOM])
        self._cause = host.name
        self.run_all(self.dispatch())

    def leave(self, host: Host) -> None:
        """Let a closed host go away; who waits to leave it does so no longer."""
        host.away = True
        self._measure(host)
        self._turn_away(host, "cancelled", f"the host {host.name} is away")

    def forsake(self, host: Host) -> None:
        """Reckon no longer with a host that was promised."""
        self.promised.pop(host, None)
        self.run_all(self.dispatch())

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
        if self._arrivals is None:
            self._arrivals = self._placed_by(is_open=lambda _: True)
            for host in self.hosts:
                if host.draining:
                    self._arrivals.close(host)
        found = self._arrivals.find(guest, None)
        if found is None:
            if self.world.keeps_events:
                why = self._arrivals.why_not(guest, None).replace("other host", "host")
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
                self._withdraw(request.source, lambda other: other is request)
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
            rank = 0.0 if self.rank is None else self.rank(request, self.forecast(request))
            request.turn = (rank, next(self._count))
            self._asked[guest] = request
            self._queues[source].append(request, self._alike(request))
            self._least = min(self._least, guest.memory_bytes)
            return True
        return False

    def may_ask(self, guest: Guest) -> bool:
        """Whether a guest runs, can move live, and nobody has asked for it yet."""
        return guest.running and guest.profile.migratable == "live" and guest not in self._asked

    def _alike(self, request: Request) -> Alike:
        line = request.turn[1] % LINES if self._ways.matter else 0
        return (request.destination, self.placer.alike(request.guest), line)

    def forecast(self, request: Request) -> Forecast:
        """Return what moving a guest is expected to take."""
        return self.predictor.forecast(
            request.guest, self.patience, destination=request.destination
        )

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
        for source in list(self._queues):
            for request in self._withdraw(source, wanted):
                self._drop(request, outcome, reason)

    def _withdraw(self, source: Host, wanted: Callable[[Request], bool]) -> list[Request]:
        """Take those out of the queue to leave a host of whom something is true."""
        queue = self._queues[source]
        out = queue.remove(wanted)
        if not queue:
            self._held_up.release(source)
        return out

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
        self.run_all(self.dispatch())
        return self.ended - before + under_way

    def give_up(self, source: Host) -> None:
        """Refuse those who wait to leave a host that was lost."""
        self._turn_away(source, "failed-host", f"the host {source.name} failed")
        self._note(source)
        self._cause = source.name
        self.run_all(self.dispatch())

    def _turn_away(self, source: Host, outcome: str, reason: str) -> None:
        """Refuse those who wait to leave a host."""
        for request in self._queues[source].clear():
            self._drop(request, outcome, reason)
        self._held_up.release(source)

    def _drop(self, request: Request, outcome: str, reason: str) -> None:
        """Refuse one that has stood in a queue."""
        self.refuse(request, outcome, reason)
        self._let_go(request.guest)

    # ------------------------------------------------------------------ working them off

    def dispatch(self, *sources: Host) -> list[Migration]:
        """Start what may start, until none can; what is returned is still to be run.

        Without an order, one guest leaves each host in turn, and hosts that were held up by what
        has changed since come before these. With one, the lowest rank of all hosts comes first.
        """
        started: list[Migration] = []
        turns: list[tuple[Turn, Host]] = []
        for source in sources:
            if self._queues[source]:
                heappush(turns, (self._turn(source), source))
        in_vain: list[tuple[Hashable, Host, Turn]] = []
        last: Turn | None = None
        while self.admission.open:
            held = self._first_held_up() if self._held_up else None
            if held is not None and not (self.rank and turns and turns[0][0] < held[0]):
                turn, source, reason = held
                self._held_up.serve(reason)
            elif turns:
                held = None
                turn, source = heappop(turns)
                self._held_up.release(source)
            else:
                break
            queue = self._queues[source]
            if not queue or not self.admission.may_leave(source):
                self._held_up.release(source)  # its own next end will look here again
                if queue and self.admission.counts_both:
                    self._held_up.hold(source, [Reason("leave", source)], self._turn(source))
            elif (found := queue.take(self.find)) is not None:
                started.append(self.start(*found))
                self._held_up.release(source)
                last = turn if held is not None else None
                if queue:
                    heappush(turns, (self._turn(source), source))
            elif held is not None:
                in_vain.append((reason, source, turn))
            else:
                self._held_up.hold(source, queue.held_by, self._turn(source))
        if last is not None and not self.admission.open and self.rank is None:
            # whom the last of those held up overtook comes after those who were not looked at
            for source in self._held_up.before(last):
                self._held_up.release(source)
                self._held_up.hold(source, self._queues[source].held_by, self._turn(source))
        else:
            for reason, source, turn in in_vain:
                anew = reason is THE_CLUSTER or self._ways.matter
                again = self._queues[source].held_by if anew else [reason]
                self._held_up.hold(source, again, turn)
        for _, source in sorted(turns):
            self._held_up.hold(source, [THE_CLUSTER], self._turn(source))
        if self.admission.running == 0 and self.waiting == 0 and not self._more_room_comes():
            if self.swaps and (other := self._make_room()) is not None:
                return [other]
            for source in list(self._held_up):
                self._held_up.release(source)
                for request in self._queues[source].clear():
                    self.refuse_for_room(request)
        return started

    def _more_room_comes(self) -> bool:
        """Whether guests will leave, or a host that was promised is on its way back by itself."""
        batches = self.promised.values()
        return self.leaving > 0 or any(batch is None or batch.done.triggered for batch in batches)

    def _make_room(self) -> Migration | None:
        """Move another guest away, once for each who finds no room; return its migration."""
        for source in self._held_up:
            for request in self._queues[source]:
                if request.destination is not None or request.guest in self._helped:
                    continue
                found = self.placer.swap(request.guest, source, self._may_give_way)
                if found is not None:
                    other, _, there = found
                    self._helped.add(request.guest)
                    self._gave_way.add(other)
                    self.world.event("swap", other.name, "makes room for", request.guest.name)
                    extra = request.batch.operation.helper(other, there)
                    self.requested += 1
                    self._asked[other] = extra
                    return self.start(extra, there)
        return None

    def _may_give_way(self, guest: Guest) -> bool:
        live = guest.profile.migratable == "live"
        return live and guest not in self._asked and guest not in self._gave_way

    def _turn(self, source: Host) -> Turn:
        """Return when it is a host's turn: after all others, or by the rank of who is first."""
        return self._queues[source].turn if self.rank else (0.0, next(self._count))

    def _first_held_up(self) -> tuple[Turn, Host, Hashable] | None:
        """Return the first host that what held it up holds up no longer, its turn, and what."""
        found: tuple[Turn, Host, Hashable] | None = None
        for reason in (THE_CLUSTER, *self._freed):
            first = self._held_up.first(reason) if self._has_room(reason) else None
            if first is None:
                self._freed.discard(reason)
            elif found is None or first[0] < found[0]:
                found = (*first, reason)
        return found

    def _has_room(self, reason: Hashable) -> bool:
        """Whether a host, or any, or the cluster takes the smallest guest now."""
        if isinstance(reason, Host):
            return self.admission.may_enter(reason) and self._least <= reason.free_bytes
        if isinstance(reason, Reason):
            return self.admission.lifted(reason)
        return reason is THE_CLUSTER or self._least <= self.placer.most

    def _note(self, *hosts: Host) -> None:
        """Look again at hosts that may have more room, or less."""
        grown = [host for host in hosts if self._measure(host)]
        if self._held_up:
            self._freed.update([*hosts, ANY_ROOM] if grown else hosts)

    def _measure(self, host: Host) -> bool:
        """Take note of what room a host has; return whether it has more for those who move."""
        if self._arrivals is not None:
            self._arrivals.note(host)
        return self.placer.note(host)

    def find(self, request: Request) -> tuple[Host | None, Collection[Hashable]]:
        """Return a host that takes a guest now, the one wanted or any; else what holds it up."""
        guest, source, wanted = request.guest, request.source, request.destination
        look = None
        if self._ways.matter:
            if (shut := self._ways.shut(request)) is not None:
                return None, [shut]
            look = self._ways.look(request)
        if wanted is None:
            found = self.placer.find(guest, source, None if look is None else look.accepts)
            return found, [ANY_ROOM] if look is None else [ANY_ROOM, *look.reasons]
        returns = self.promised.get(wanted) is request.batch
        if not self.placer.fits(guest, wanted, though_closed=returns):
            return None, [wanted] if guest.terms is None else [wanted, ANY_ROOM]
        if look is None or look.accepts(wanted):
            return wanted, ()
        return None, look.reasons

    def start(self, request: Request, destination: Host) -> Migration:
        """Reserve the memory and begin."""
        guest, batch = request.guest, request.batch
        destination.reserve(guest)
        way = self._ways.way(request, destination)
        self.admission.enter(
            request, request.source, destination, way.path.links, way.load, shares=way.path.shares
        )
        self._measure(destination)
        if self.admission.counts_both:
            self._measure(request.source)
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
        path, load = self._taken.pop(migration)
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
        if self._held_up:
            self._freed.update(self.admission.frees(*ends))
        self._cause = migration.guest.name
        waits = migration.source in self._held_up
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
            self.run_all(self.dispatch())

    # ------------------------------------------------------------------ what does not move

    def refuse_for_room(self, request: Request) -> None:
        """Report a guest that no host can take."""
        why = self.placer.why_not(request.guest, request.source, request.destination)
        self._drop(request, "no-room", why)

    def refuse(self, request: Request, outcome: str, reason: str) -> None:
        """Write the row of a guest that does not move at all."""
        guest, batch = request.guest, request.batch
        self.world.event(outcome, guest.name, reason)
        self.world.recorder.add(
            "migrations",
            guest=guest.name,
            group=guest.profile.group,
            hinting=guest.profile.policy.name,
            operation=batch.operation.name,
            source=request.source.name,
            destination=request.destination.name if request.destination else "",
            attempt=request.attempt,
            outcome=outcome,
            reason=reason,
            requested_s=batch.asked_s,
            started_s=math.nan,
            ended_s=self.world.env.now,
            memory_bytes=guest.memory_bytes,
            **dict.fromkeys(_NOTHING_SENT, 0.0),
        )
        self._note_end(request)

    def record_unsettled(self) -> None:
        """Write the rows of migrations that were still settling in at the destination."""
        for migration in self.migrations:
            migration.record()

    def cancel(self, reason: str) -> None:
        """End everything, as the run ends."""
        for migration in self.migrations:
            migration.cancel(reason)
        for queue in self._queues.values():
            for request in queue:
                self.refuse(request, "cancelled", f"{reason} before it could start")


_NOTHING_SENT = (
    "total_time_s", "policy_s", "downtime_s", "unreachable_s", "disk_s", "follow_s", "sent_bytes",
    "first_pass_bytes", "disk_copy_bytes", "mirror_bytes", "resent_bytes", "switchover_bytes",
    "postcopy_bytes", "prefetch_bytes", "normal_pages", "delta_pages", "zero_pages",
    "skipped_pages", "mapped_pages", "ballooned_pages", "dropped_pages", "faulted_pages",
    "left_bytes",
)  # fmt: skip
