"""Who waits to leave which host, in which order, and what holds it up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import chain
from typing import TYPE_CHECKING

from dcsim.model.guest import Guest
from dcsim.model.host import Host

if TYPE_CHECKING:
    import simpy

    from dcsim.control.batch import Batch
    from dcsim.model.migration import Migration

Turn = tuple[float, int]
"""Whose turn it is: the lowest rank, and of equals the one that came first."""


@dataclass(slots=True)
class Request:
    """One guest that is to move, to a given host or to any that takes it.

    Attributes
    ----------
    batch
        What it was asked for with.
    deadline_s
        When it has to be gone.
    attempt
        1, and more where it is tried again.
    why
        Why it moves, where the operation does not say it.
    again
        Whether it waits to be tried again.
    called_off
        Why it is not to go on, if the operator says so.
    turn
        Its rank, and its place among all that were ever asked for.
    under_way
        Its migration, and what sees it through, until the guest has settled.
    """

    guest: Guest
    source: Host
    destination: Host | None
    batch: Batch
    deadline_s: float = float("inf")
    attempt: int = 1
    why: str = ""
    again: bool = False
    called_off: str = ""
    turn: Turn = field(default=(0.0, 0), compare=False)
    under_way: tuple[Migration, simpy.Process] | None = field(default=None, compare=False)


Alike = Hashable
"""What a destination is found by: which one is wanted, if any, and the guest's needs."""
Line = list[Request]
"""Requests that are alike, in order."""
Find = Callable[[Request], tuple[Host | None, Collection[Hashable]]]
"""A search for a destination: the host, or else what has to change before there is one."""


class Queue:
    """The requests to leave one host, in order of their turns.

    Those that no destination tells apart, of one size and to one place, stand in one line: where
    there is none for the first of them, there is none for the others.

    Attributes
    ----------
    held_by
        What held up all of them when one was last to be taken, and none could be.
    """

    __slots__ = ("_heads", "_lines", "held_by")

    def __init__(self) -> None:
        # Lists, not deques: of the lines there may be many, and most hold one request.
        self._lines: dict[Alike, Line] = {}
        self._heads: list[tuple[Turn, Alike]] = []
        self.held_by: Collection[Hashable] = ()

    def __bool__(self) -> bool:
        """Whether anyone waits."""
        return bool(self._heads)

    def __iter__(self) -> Iterator[Request]:
        """Go through all requests, in order."""
        requests = chain.from_iterable(self._lines.values())
        return iter(sorted(requests, key=lambda request: request.turn))

    @property
    def turn(self) -> Turn:
        """The turn of the first."""
        return self._heads[0][0]

    def append(self, request: Request, alike: Alike) -> None:
        """Let a request stand behind those whose turn comes before its own.

        Parameters
        ----------
        request
            Its turn comes after those of all that it is like.
        alike
            What a destination for it is found by.
        """
        line = self._lines.get(alike)
        if line is None:
            self._lines[alike] = [request]
            heappush(self._heads, (request.turn, alike))
        else:
            line.append(request)

    def take(self, find: Find) -> tuple[Request, Host] | None:
        """Take out the first request that finds a destination, and return both.

        Parameters
        ----------
        find
            Returns a host for a request, or what holds it up.
        """
        in_vain: list[tuple[Turn, Alike]] = []
        held_by: dict[Hashable, None] = {}
        found = None
        while self._heads and found is None:
            head = heappop(self._heads)
            line = self._lines[head[1]]
            host, reasons = find(line[0])
            if host is None:
                held_by.update(dict.fromkeys(reasons))
                in_vain.append(head)
                continue
            found = line.pop(0), host
            if line:
                heappush(self._heads, (line[0].turn, head[1]))
            else:
                del self._lines[head[1]]
        for head in in_vain:
            heappush(self._heads, head)
        self.held_by = held_by
        return found

    def remove(self, wanted: Callable[[Request], bool]) -> list[Request]:
        """Take out all requests that are wanted so, and return them in order."""
        out = [request for request in self if wanted(request)]
        if out:
            gone = {id(request) for request in out}
            left = {
                alike: [request for request in line if id(request) not in gone]
                for alike, line in self._lines.items()
            }
            self._lines = {alike: line for alike, line in left.items() if line}
            self._heads = sorted((line[0].turn, alike) for alike, line in self._lines.items())
        return out

    def clear(self) -> list[Request]:
        """Take out all requests, and return them in order."""
        requests = list(self)
        self._lines.clear()
        self._heads.clear()
        return requests


class HeldUp(dict[Host, Turn]):
    """Hosts that nobody can leave now, each in a line for everything it waits for.

    They are in the order of their turns, the lowest first.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[Hashable, list[tuple[Turn, Host]]] = {}

    def hold(self, host: Host, reasons: Iterable[Hashable], turn: Turn) -> None:
        """Let a host wait for any of these; its turn is the one it has, if it waits already."""
        turn = self.setdefault(host, turn)
        for reason in reasons:
            line = self._lines.setdefault(reason, [])
            if len(line) > 2 * len(self):  # most have gone, and stand there still
                line[:] = sorted({place for place in line if self._waits(*place)})
            heappush(line, (turn, host))

    def release(self, host: Host) -> None:
        """Let a host wait no longer."""
        self.pop(host, None)

    def first(self, reason: Hashable) -> tuple[Turn, Host] | None:
        """Return the first host that waits for this, with its turn."""
        line = self._lines.get(reason)
        while line:
            if self._waits(*line[0]):
                return line[0]
            heappop(line)
        return None

    def _waits(self, turn: Turn, host: Host) -> bool:
        """Whether a host waits with this turn still."""
        return self.get(host) == turn

    def serve(self, reason: Hashable) -> None:
        """Let the first host leave the line for this; it goes on waiting for all else."""
        heappop(self._lines[reason])

    def before(self, turn: Turn) -> list[Host]:
        """Return the hosts whose turns come before this one, in order."""
        return [host for host, own in sorted(self.items(), key=lambda held: held[1]) if own < turn]
