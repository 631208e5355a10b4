"""Operations: what is asked of the cluster, and how it is worked off.

An operation is a list of requests, each a guest and perhaps a destination. They wait in one queue a
source host and start as admission and room allow; whenever a migration ends, the queues that its
end can help are looked at again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import simpy

from dcsim.control.admission import Admission
from dcsim.control.placement import PLACEMENTS, Placement, first_fit, fits
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.model.migration import Migration, World
from dcsim.model.patience import Patience
from dcsim.model.stream import Settings
from dcsim.units import format_duration, format_size


@dataclass(frozen=True, slots=True)
class OperationPlan:
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


@dataclass(slots=True)
class Request:
    """One guest that is to move, to a given host or to any that takes it."""

    guest: Guest
    source: Host
    destination: Host | None
    attempt: int = 1


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
        self.migrations: dict[Migration, None] = {}
        self.done = world.env.event()
        self._queues: dict[Host, deque[Request]] = {}
        self._held_up: dict[Host, None] = {}

    def run(self) -> Generator[simpy.Event]:
        """Wait for its time, ask for what it wants, and see it through."""
        yield self.world.env.timeout(self.plan.at_s)
        requests = self.drain() if self.plan.kind == "drain" else self.moves()
        for request in requests:
            self._queues.setdefault(request.source, deque()).append(request)
        self.dispatch(list(self._queues))
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

    def dispatch(self, sources: Sequence[Host]) -> None:
        """Start what may start from these hosts, in turn, one each until none can."""
        waiting = deque(source for source in sources if self._queues.get(source))
        while waiting and self.admission.open:
            source = waiting.popleft()
            self._held_up.pop(source, None)
            if not self.admission.may_leave(source):
                continue  # its own next end will look here again
            if self.start_next(source):
                if self._queues[source]:
                    waiting.append(source)
            else:
                self._held_up[source] = None
        for source in waiting:
            self._held_up[source] = None
        if self.admission.running == 0 and self.waiting == 0:
            for source in list(self._held_up):
                while self._queues[source]:
                    self.refuse_for_room(self._queues[source].popleft())
            self._held_up.clear()

    def start_next(self, source: Host) -> bool:
        """Start the first request of a queue that finds a destination; say whether one did."""
        queue = self._queues[source]
        for i, request in enumerate(queue):
            destination = self.destination(request)
            if destination is not None:
                del queue[i]
                self.start(request, destination)
                return True
        return False

    def destination(self, request: Request) -> Host | None:
        """Return a host that takes the guest now, if there is one."""
        wanted = request.destination
        if wanted is not None:
            ready = fits(request.guest, wanted) and self.admission.may_enter(wanted)
            return wanted if ready else None
        return self.place(
            request.guest,
            (host for host in self.hosts if not host.draining and self.admission.may_enter(host)),
        )

    def start(self, request: Request, destination: Host) -> None:
        """Reserve the memory and begin."""
        guest = request.guest
        destination.reserve(guest)
        self.admission.enter(request.source, destination)
        migration = Migration(
            self.world,
            guest,
            destination,
            settings=self.settings[guest.profile.group],
            patience=self.plan.patience,
            requested_s=self.plan.at_s,
            attempt=request.attempt,
        )
        self.migrations[migration] = None
        self.world.event("started", guest.name, f"{request.source.name} to {destination.name}")
        self.world.env.process(self.see_through(request, migration))

    def see_through(self, request: Request, migration: Migration) -> Generator[simpy.Event]:
        """Run one migration; then let those start that its end makes room for."""
        live = migration.guest.profile.migratable == "live"
        yield from migration.run() if live else migration.run_cold()
        self.admission.leave(migration.source, migration.destination)
        if self.may_retry(request, migration):
            self.world.env.process(self.try_again(request))
        else:
            self.ended += 1
        self.dispatch(
            [*self._held_up, *([] if migration.source in self._held_up else [migration.source])]
        )
        if self.ended == self.requested and not self.done.triggered:
            self.done.succeed()
        yield from migration.settle_in()
        del self.migrations[migration]

    def may_retry(self, request: Request, migration: Migration) -> bool:
        """Whether a migration that came to nothing is tried again."""
        retry = self.plan.patience.retry
        came_to_nothing = migration.outcome.startswith(("aborted", "failed"))
        there = migration.guest.running and migration.guest.host is request.source
        return retry is not None and came_to_nothing and there and request.attempt < retry.attempts

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
        self.dispatch([request.source])

    def give_up(self, source: Host) -> None:
        """Refuse those who wait to leave a host that was lost."""
        queue = self._queues.get(source, deque())
        while queue:
            self.refuse(queue.popleft(), "failed-host", f"the host {source.name} failed")
        self.dispatch(list(self._held_up))
        if self._queues and self.ended == self.requested and not self.done.triggered:
            self.done.succeed()

    def refuse_for_room(self, request: Request) -> None:
        """Report a guest that no host can take."""
        size = format_size(request.guest.memory_bytes)
        if request.destination is not None:
            free = format_size(request.destination.free_bytes)
            reason = f"{request.destination.name} has {free} free, it needs {size}"
        else:
            open_hosts = [host for host in self.hosts if not host.draining]
            most = max(open_hosts, key=lambda host: host.free_bytes, default=None)
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
