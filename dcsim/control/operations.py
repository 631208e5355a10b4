"""Operations: what is asked of the cluster, and how it is worked off.

An operation is a list of requests, each a guest and perhaps a destination. They wait in one queue a
source host and start as admission and room allow; whenever a migration ends, the queues that its
end can help are looked at again.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Generator, Hashable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import simpy

from dcsim.control.admission import Admission
from dcsim.control.placement import PLACEMENTS, Placement, Room, first_fit
from dcsim.control.waiting import HeldUp, Queue, Request
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.model.migration import Migration, World
from dcsim.model.patience import Patience
from dcsim.model.stream import Settings
from dcsim.units import format_duration, format_size


class OperationPlan(NamedTuple):
    """An operation, ready to run.

    Attributes
    ----------
    kind
        ``drain`` or ``moves``.
    at_s
        When it starts.
    hosts
        ``drain``: name pattern of the hosts to empty.
    placement
        ``drain``: name of the placement.
    moves
        ``moves``: pairs of a guest's and a host's name.
    caps
        Per cluster, out of a host, into a host.
    patience
        Management's time and time limits.
    """

    kind: str
    at_s: float
    hosts: str
    placement: str
    moves: tuple[tuple[str, str], ...]
    caps: tuple[float, float, float]
    patience: Patience


THE_CLUSTER: Hashable = "the cluster"
"""What holds up who was not looked at, because the cluster was full."""


class Operation:
    """One operation at work.

    Parameters
    ----------
    world
        Clock, network, records.
    hosts, guests
        All of the cluster, in order.
    settings
        Migration settings of each guest, by its group.
    plan
        What to do.
    """

    def __init__(
        self,
        world: World,
        hosts: Sequence[Host],
        guests: Sequence[Guest],
        settings: dict[str, Settings],
        plan: OperationPlan,
    ) -> None:
        self.world = world
        self.hosts = hosts
        self.guests = guests
        self.settings = settings
        self.plan = plan
        self.admission = Admission(*plan.caps)
        self.place: Placement = PLACEMENTS.get(plan.placement, first_fit)
        self.requested = 0
        self.ended = 0
        self.waiting = 0
        self.migrations: dict[Migration, Request] = {}
        self.done = world.env.event()
        self._room = Room([], self.admission.may_enter)
        self._queues: dict[Host, Queue] = defaultdict(Queue)
        self._held_up = HeldUp()
        self._freed: set[Hashable] = set()
        self._least = math.inf

    def run(self) -> Generator[simpy.Event]:
        """Wait for its time, ask for what it wants, and see it through."""
        yield self.world.env.timeout(self.plan.at_s)
        for request in self.drain() if self.plan.kind == "drain" else self.moves():
            self._queues[request.source].append(request)
            self._least = min(self._least, request.guest.memory_bytes)
        self.run_all(self.dispatch(*self._queues))
        if self.ended == self.requested:
            self.done.succeed()
        yield self.done
        self.world.event(
            "operation", self.plan.kind, f"done: {self.ended} of {self.requested} ended"
        )

    # ------------------------------------------------------------------ what is asked

    def drain(self) -> list[Request]:
        """Close the hosts and ask all their guests to leave."""
        closing = [host for host in self.hosts if fnmatchcase(host.name, self.plan.hosts)]
        for host in closing:
            host.draining = True
        staying = [host for host in self.hosts if not host.draining]
        self._room = Room(staying, self.admission.may_enter)
        requests: list[Request] = []
        for host in closing:
            for guest in host.guests:
                self._ask(guest, host, None, requests)
        self.world.event(
            "operation",
            "drain",
            f"{len(closing)} hosts match {self.plan.hosts}; {self.requested} guests stand on them",
        )
        return requests

    def moves(self) -> list[Request]:
        """Ask for each move of the list."""
        guests = {guest.name: guest for guest in self.guests}
        hosts = {host.name: host for host in self.hosts}
        requests: list[Request] = []
        for name, to in self.plan.moves:
            guest = guests[name]
            assert guest.host is not None
            self._ask(guest, guest.host, hosts[to], requests)
        self.world.event("operation", "moves", f"{self.requested} moves asked for")
        return requests

    def _ask(
        self, guest: Guest, source: Host, destination: Host | None, requests: list[Request]
    ) -> None:
        self.requested += 1
        request = Request(guest, source, destination)
        if source.failed:
            self.refuse(request, "failed-host", f"the host {source.name} failed")
        elif guest.profile.migratable == "no":
            self.refuse(request, "not-movable", guest.profile.why_not_live)
        elif destination is source:
            self.refuse(request, "cancelled", f"it is on {source.name} already")
        else:
            requests.append(request)

    # ------------------------------------------------------------------ working it off

    def dispatch(self, *sources: Host) -> list[Migration]:
        """Start what may start, one guest from each host in turn, until none can.

        First come hosts that were held up by what has changed since, then these. What is returned
        is still to be run.
        """
        started: list[Migration] = []
        turns = deque([source for source in sources if self._queues[source]])
        in_vain: list[tuple[Hashable, Host]] = []
        last: int | None = None
        while self.admission.open:
            held = self._next_held_up() if self._held_up else None
            if held is not None:
                ticket, source, reason = held
            elif turns:
                source = turns.popleft()
                self._held_up.release(source)
            else:
                break
            queue = self._queues[source]
            if not queue or not self.admission.may_leave(source):
                self._held_up.release(source)  # its own next end will look here again
            elif (found := queue.take(self.destination)) is not None:
                started.append(self.start(*found))
                self._held_up.release(source)
                last = ticket if held is not None else None
                if queue:
                    turns.append(source)
            elif held is not None:
                in_vain.append((reason, source))
            else:
                self._held_up.hold(source, queue.wanted)
        if last is not None and not self.admission.open:
            # whom the last of those held up overtook comes after those who were not looked at
            for source in self._held_up.before(last):
                self._held_up.release(source)
                self._held_up.hold(source, self._queues[source].wanted)
        else:
            for reason, source in in_vain:
                again = self._queues[source].wanted if reason is THE_CLUSTER else [reason]
                self._held_up.hold(source, again)
        for source in turns:
            self._held_up.hold(source, [THE_CLUSTER])
        if self.admission.running == 0 and self.waiting == 0:
            for source in list(self._held_up):
                for request in self._queues[source].clear():
                    self.refuse_for_room(request)
                self._held_up.release(source)
        return started

    def _next_held_up(self) -> tuple[int, Host, Hashable] | None:
        """Return the first host that what held it up holds up no longer, its ticket, and what."""
        found: tuple[int, Host, Hashable] | None = None
        for reason in (THE_CLUSTER, *self._freed):
            first = self._held_up.first(reason) if self._has_room(reason) else None
            if first is None:
                self._freed.discard(reason)
            elif found is None or first[0] < found[0]:
                found = (*first, reason)
        if found is not None:
            self._held_up.serve(found[2])
        return found

    def _has_room(self, reason: Hashable) -> bool:
        """Whether a host, or any, or the cluster takes the smallest guest now."""
        if isinstance(reason, Host):
            return self.admission.may_enter(reason) and self._least <= reason.free_bytes
        return reason is THE_CLUSTER or self._least <= self._room.most

    def _note(self, *hosts: Host) -> None:
        """Look again at hosts that may have more room, or less."""
        grown = [host for host in hosts if self._room.note(host)]
        if self._held_up:
            self._freed.update([*hosts, None] if grown else hosts)

    def destination(self, wanted: Host | None, size: float) -> Host | None:
        """Return a host that takes so much memory now, the one wanted or any, if there is one."""
        if wanted is None:
            return self.place(self._room, size)
        return wanted if self.admission.may_enter(wanted) and size <= wanted.free_bytes else None

    def start(self, request: Request, destination: Host) -> Migration:
        """Reserve the memory and begin."""
        guest = request.guest
        destination.reserve(guest)
        self.admission.enter(request.source, destination)
        self._room.note(destination)
        migration = Migration(
            self.world,
            guest,
            destination,
            settings=self.settings[guest.profile.group],
            patience=self.plan.patience,
            requested_s=self.plan.at_s,
            attempt=request.attempt,
        )
        self.migrations[migration] = request
        self.world.event("started", guest.name, request.source.name, "to", destination.name)
        return migration

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
            yield from migration.run() if live else migration.run_cold()
            following = self.end(migration)
            if migration.hints.policy.steps:  # there is something left to do, which takes time
                self.run_all(following)
                following = []
            yield from migration.settle_in()
            del self.migrations[migration]

    def end(self, migration: Migration) -> list[Migration]:
        """Count a migration out; return those that its end lets start."""
        request = self.migrations[migration]
        self.admission.leave(migration.source, migration.destination)
        if self.may_retry(request, migration):
            self.world.env.process(self.try_again(request))
        else:
            self.ended += 1
        self._note(migration.source, migration.destination)
        waits = migration.source in self._held_up
        following = self.dispatch() if waits else self.dispatch(migration.source)
        if self.ended == self.requested and not self.done.triggered:
            self.done.succeed()
        return following

    def may_retry(self, request: Request, migration: Migration) -> bool:
        """Whether a migration that came to nothing is tried again."""
        retry = self.plan.patience.retry
        if retry is None or request.attempt >= retry.attempts:
            return False
        came_to_nothing = migration.outcome.startswith(("aborted", "failed"))
        there = migration.guest.running and migration.guest.host is request.source
        return came_to_nothing and there

    def try_again(self, request: Request) -> Generator[simpy.Event]:
        """Wait, and let a request stand in its queue once more."""
        retry = self.plan.patience.retry
        assert retry is not None
        delay_s = retry.delay_s(request.attempt)
        request.attempt += 1
        self.waiting += 1
        after = format_duration(delay_s)
        self.world.event("retry", request.guest.name, f"attempt {request.attempt} after {after}")
        yield self.world.env.timeout(delay_s)
        self.waiting -= 1
        self._queues[request.source].append(request)
        self.run_all(self.dispatch(request.source))

    def give_up(self, source: Host) -> None:
        """Refuse those who wait to leave a host that was lost."""
        for request in self._queues[source].clear():
            self.refuse(request, "failed-host", f"the host {source.name} failed")
        self._note(source)
        self.run_all(self.dispatch())
        if self.requested and self.ended == self.requested and not self.done.triggered:
            self.done.succeed()

    def refuse_for_room(self, request: Request) -> None:
        """Report a guest that no host can take."""
        size = format_size(request.guest.memory_bytes)
        if request.destination is not None:
            free = format_size(request.destination.free_bytes)
            reason = f"{request.destination.name} has {free} free, it needs {size}"
        else:
            most = self._room.emptiest
            where = (
                f"the most free is {format_size(most.free_bytes)} on {most.name}"
                if most
                else "none is left"
            )
            reason = f"no other host has {size} free; {where}"
        self.refuse(request, "no-room", reason)

    def refuse(self, request: Request, outcome: str, reason: str) -> None:
        """Write the row of a guest that does not move at all."""
        self.ended += 1
        guest = request.guest
        self.world.event(outcome, guest.name, reason)
        self.world.recorder.add(
            "migrations",
            guest=guest.name,
            group=guest.profile.group,
            hinting=guest.profile.policy.name,
            source=request.source.name,
            destination=request.destination.name if request.destination else "",
            attempt=request.attempt,
            outcome=outcome,
            reason=reason,
            requested_s=self.plan.at_s,
            started_s=math.nan,
            ended_s=self.world.env.now,
            memory_bytes=guest.memory_bytes,
            **dict.fromkeys(_NOTHING_SENT, 0.0),
        )

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
