"""Who waits to leave which host, in which order, and what holds it up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import chain, count

from dcsim.model.guest import Guest
from dcsim.model.host import Host


@dataclass(slots=True)
class Request:
    """One guest that is to move, to a given host or to any that takes it.

    Attributes
    ----------
    number
        Its place among all that were ever in its queue.
    """

    guest: Guest
    source: Host
    destination: Host | None
    attempt: int = 1
    number: int = field(default=0, compare=False)


Alike = tuple[Host | None, float]
"""What a destination is found by: which one is wanted, if any, and the guest's memory."""
Line = list[Request]
"""Requests that are alike, in order."""


class Queue:
    """The requests to leave one host, in order.

    Those that no destination tells apart, of one size and to one place, stand in one line: where
    there is none for the first of them, there is none for the others.
    """

    __slots__ = ("_heads", "_lines", "_number")

    def __init__(self) -> None:
        # Lists, not deques: of the lines there may be many, and most hold one request.
        self._lines: dict[Alike, Line] = {}
        self._heads: list[tuple[int, Alike, Line]] = []
        self._number = count()

    def __bool__(self) -> bool:
        """Whether anyone waits."""
        return bool(self._heads)

    def __iter__(self) -> Iterator[Request]:
        """Go through all requests, in order."""
        requests = chain.from_iterable(self._lines.values())
        return iter(sorted(requests, key=lambda request: request.number))

    @property
    def wanted(self) -> Collection[Host | None]:
        """Where they are to go; None for anywhere."""
        return {wanted for wanted, _ in self._lines}

    def append(self, request: Request) -> None:
        """Let a request stand behind all others."""
        alike = (request.destination, request.guest.memory_bytes)
        request.number = next(self._number)
        line = self._lines.get(alike)
        if line is None:
            line = self._lines[alike] = [request]
            heappush(self._heads, (request.number, alike, line))
        else:
            line.append(request)

    def take(
        self, destination: Callable[[Host | None, float], Host | None]
    ) -> tuple[Request, Host] | None:
        """Take out the first request that finds a destination, and return both.

        Parameters
        ----------
        destination
            Returns a host for what is wanted and a size, if there is one.
        """
        in_vain = []
        found = None
        while self._heads and found is None:
            head = heappop(self._heads)
            _, alike, line = head
            host = destination(*alike)
            if host is None:
                in_vain.append(head)
                continue
            found = line.pop(0), host
            if line:
                heappush(self._heads, (line[0].number, alike, line))
            else:
                del self._lines[alike]
        for head in in_vain:
            heappush(self._heads, head)
        return found

    def clear(self) -> list[Request]:
        """Take out all requests, and return them in order."""
        requests = list(self)
        self._lines.clear()
        self._heads.clear()
        return requests


class HeldUp(dict[Host, int]):
    """Hosts that nobody can leave now, in order, each in a line for everything it waits for.

    Each has a ticket, which grows from one to the next.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[Hashable, list[tuple[int, Host]]] = {}
        self._ticket = count()

    def hold(self, host: Host, reasons: Iterable[Hashable]) -> None:
        """Let a host wait for any of these, behind all others if it does not wait yet."""
        ticket = self.get(host)
        if ticket is None:
            ticket = self[host] = next(self._ticket)
        for reason in reasons:
            line = self._lines.setdefault(reason, [])
            if len(line) > 2 * len(self):  # most have gone, and stand there still
                line[:] = sorted({place for place in line if self._waits(*place)})
            heappush(line, (ticket, host))

    def release(self, host: Host) -> None:
        """Let a host wait no longer."""
        self.pop(host, None)

    def first(self, reason: Hashable) -> tuple[int, Host] | None:
        """Return the first host that waits for this, with its ticket."""
        line = self._lines.get(reason)
        while line:
            if self._waits(*line[0]):
                return line[0]
            heappop(line)
        return None

    def _waits(self, ticket: int, host: Host) -> bool:
        """Whether a host waits with this ticket still."""
        return self.get(host) == ticket

    def serve(self, reason: Hashable) -> None:
        """Let the first host leave the line for this; it goes on waiting for all else."""
        heappop(self._lines[reason])

    def before(self, ticket: int) -> list[Host]:
        """Return the hosts with lower tickets, in order."""
        hosts = []
        for host, own in self.items():
            if own >= ticket:
                break
            hosts.append(host)
        return hosts
