"""All that waits: which request is next, and what has to change before it can be.

Requests stand in one queue a source host. Hosts that nobody can leave now are held up, each by what
it lacks; only when that has changed are they looked at again.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count

from dcsim.control.admission import Admission, Reason
from dcsim.control.vacancies import Vacancies
from dcsim.control.waiting import Alike, Find, HeldUp, Queue, Request, Turn
from dcsim.model.host import Host
from dcsim.model.migration import Migration

THE_CLUSTER: Hashable = "the cluster"
"""What holds up who was not looked at, because the cluster was full."""


class Backlog:
    """The requests that wait.

    Parameters
    ----------
    admission, vacancies
        What may hold them up.
    ranked
        Whether the lowest rank of all hosts comes first. Else one guest leaves each host in turn,
        and hosts that were held up by what has changed since come before the others.
    by_way
        Whether guests that are alike may differ in their ways.
    """

    def __init__(
        self, admission: Admission, vacancies: Vacancies, *, ranked: bool, by_way: bool
    ) -> None:
        self._admission = admission
        self._vacancies = vacancies
        self._ranked = ranked
        self._by_way = by_way
        self._queues: dict[Host, Queue] = defaultdict(Queue)
        self._held_up = HeldUp()
        self._freed: set[Hashable] = set()
        self._least = math.inf
        self._count = count()

    def __iter__(self) -> Iterator[Request]:
        """Go through all requests, host by host."""
        for queue in self._queues.values():
            yield from queue

    @property
    def held_up(self) -> Iterator[Request]:
        """The requests to leave hosts that are held up."""
        for source in self._held_up:
            yield from self._queues[source]

    @property
    def holds_anybody(self) -> bool:
        """Whether any host is held up."""
        return bool(self._held_up)

    def holds_up(self, source: Host) -> bool:
        """Whether nobody could leave a host when it was last looked at."""
        return source in self._held_up

    # ------------------------------------------------------------------ who waits

    def number(self) -> int:
        """Return the place of the next one among all that were ever asked for."""
        return next(self._count)

    def append(self, request: Request, alike: Alike) -> None:
        """Let a request stand in its queue, where its turn is."""
        self._queues[request.source].append(request, alike)
        self._least = min(self._least, request.guest.memory_bytes)

    def remove(self, source: Host, wanted: Callable[[Request], bool]) -> list[Request]:
        """Take out those to leave a host of whom something is true."""
        queue = self._queues[source]
        out = queue.remove(wanted)
        if not queue:
            self._held_up.release(source)
        return out

    def remove_all(self, wanted: Callable[[Request], bool]) -> Iterator[Request]:
        """Take out all of whom something is true."""
        for source in list(self._queues):
            yield from self.remove(source, wanted)

    def clear(self, source: Host) -> list[Request]:
        """Take out all who wait to leave a host."""
        self._held_up.release(source)
        return self._queues[source].clear()

    def clear_held_up(self) -> Iterator[Request]:
        """Take out all who wait to leave hosts that are held up."""
        for source in list(self._held_up):
            yield from self.clear(source)

    # ------------------------------------------------------------------ what has changed

    def free(self, *reasons: Hashable) -> None:
        """Look again, next time, at those whom one of these holds up."""
        if self._held_up:
            self._freed.update(reasons)

    def _may_be_lifted(self, reason: Hashable) -> bool:
        """Whether what holds up some does so no longer, for the smallest guest at least."""
        if isinstance(reason, Host):
            return self._admission.may_enter(reason) and self._least <= reason.free_bytes
        if isinstance(reason, Reason):
            return self._admission.lifted(reason)
        return reason is THE_CLUSTER or self._least <= self._vacancies.most

    def _first_held_up(self) -> tuple[Turn, Host, Hashable] | None:
        """Return the first host that what held it up holds up no longer, its turn, and what."""
        found: tuple[Turn, Host, Hashable] | None = None
        for reason in (THE_CLUSTER, *self._freed):
            first = self._held_up.first(reason) if self._may_be_lifted(reason) else None
            if first is None:
                self._freed.discard(reason)
            elif found is None or first[0] < found[0]:
                found = (*first, reason)
        return found

    # ------------------------------------------------------------------ who is next

    def work_off(
        self, sources: Iterable[Host], find: Find, start: Callable[[Request, Host], Migration]
    ) -> list[Migration]:
        """Start what may start, from these hosts and from those held up before, until none can.

        Parameters
        ----------
        sources
            Hosts at which something has changed.
        find
            Returns a host for a request, or what holds it up.
        start
            Starts a migration.
        """
        started: list[Migration] = []
        turns: list[tuple[Turn, Host]] = []
        for source in sources:
            if self._queues[source]:
                heappush(turns, (self._turn(source), source))
        in_vain: list[tuple[Hashable, Host, Turn]] = []
        last: Turn | None = None
        while self._admission.open:
            held = self._first_held_up() if self._held_up else None
            if held is not None and not (self._ranked and turns and turns[0][0] < held[0]):
                turn, source, reason = held
                self._held_up.serve(reason)
            elif turns:
                held = None
                turn, source = heappop(turns)
                self._held_up.release(source)
            else:
                break
            queue = self._queues[source]
            if not queue or not self._admission.may_leave(source):
                self._held_up.release(source)  # its own next end will look here again
                if queue and self._admission.counts_both:
                    self._hold(source, [Reason("leave", source)])
            elif (found := queue.take(find)) is not None:
                started.append(start(*found))
                self._held_up.release(source)
                last = turn if held is not None else None
                if queue:
                    heappush(turns, (self._turn(source), source))
            elif held is not None:
                in_vain.append((reason, source, turn))
            else:
                self._hold(source, queue.held_by)
        if last is not None and not self._admission.open and not self._ranked:
            # whom the last of those held up overtook comes after those who were not looked at
            for source in self._held_up.before(last):
                self._held_up.release(source)
                self._hold(source, self._queues[source].held_by)
        else:
            for reason, source, turn in in_vain:
                anew = reason is THE_CLUSTER or self._by_way
                again = self._queues[source].held_by if anew else [reason]
                self._held_up.hold(source, again, turn)
        for _, source in sorted(turns):
            self._hold(source, [THE_CLUSTER])
        return started

    def _turn(self, source: Host) -> Turn:
        """Return when it is a host's turn: after all others, or by the rank of who is first."""
        return self._queues[source].turn if self._ranked else (0.0, self.number())

    def _hold(self, source: Host, reasons: Iterable[Hashable]) -> None:
        self._held_up.hold(source, reasons, self._turn(source))
