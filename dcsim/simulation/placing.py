"""Where guests stand at first: a host for each guest of a group, while there is room."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Any, NamedTuple

from dcsim.errors import Issue
from dcsim.model.terms import Circle, Terms
from dcsim.rng import Streams
from dcsim.scenario import spec
from dcsim.scenario.cluster import Cluster
from dcsim.scenario.columns import MEMORY, VCPUS
from dcsim.simulation.groups import Group
from dcsim.units import format_count, format_size


class Asked(NamedTuple):
    """What one guest asks of its host; *whole_bytes* is what all have that stand with it."""

    memory: float
    vcpus: float
    terms: Terms | None
    whole_bytes: float


class Books:
    """What hosts have left while guests are placed, and where those of sets stand.

    Parameters
    ----------
    cluster
        The hosts.
    """

    def __init__(self, cluster: Cluster) -> None:
        plans = cluster.plans.values()
        self.free = [plan.limit_bytes for plan in plans]
        self._vcpus = [plan.cores * plan.cpu_overcommit for plan in plans]
        self._names = list(cluster.plans)
        self._cluster = cluster
        self._stand: dict[Circle, set[str | None]] = defaultdict(set)

    @property
    def counts_vcpus(self) -> bool:
        """Whether any host promises no more than so many vCPUs."""
        return min(self._vcpus) < math.inf

    def take(self, host: int, asked: Asked) -> None:
        """Let a guest stand on a host."""
        self.free[host] -= asked.memory
        self._vcpus[host] -= asked.vcpus
        for circle in asked.terms.circles if asked.terms is not None else ():
            self._stand[circle].add(self._label(host, circle))

    def lack(self, host: int, asked: Asked) -> str:
        """Say why a guest may not stand on a host; nothing if it may."""
        if asked.memory > self.free[host]:
            return "it has no room any more"
        if asked.vcpus > self._vcpus[host]:
            return f"it has {format_count(self._vcpus[host])} vCPUs left, {asked.vcpus:g} are asked"
        if asked.terms is None:
            return ""
        for circle in asked.terms.circles:
            label, stand = self._label(host, circle), self._stand[circle]
            if label is None:
                return f"it has no label {circle.by}"
            if circle.apart and label in stand:
                return f"another of its set stands there, by {circle.by}"
            if not circle.apart and stand and label not in stand:
                return f"its set stands elsewhere, by {circle.by}"
        return ""

    def roomy(self, hosts: list[int], asked: Asked) -> list[int]:
        """Return the hosts at whose place all of a set has room, if it stands nowhere yet."""
        circle = asked.terms.together if asked.terms is not None else None
        if circle is None or self._stand[circle]:
            return hosts
        free: dict[str | None, float] = defaultdict(float)
        for host in hosts:
            free[self._label(host, circle)] += self.free[host]
        return [host for host in hosts if free[self._label(host, circle)] >= asked.whole_bytes]

    def why(self, hosts: list[int], asked: Asked) -> str:
        """Say why a guest may stand on none of these hosts, if it is not for its memory alone."""
        lacks = Counter(self.lack(host, asked) for host in hosts)
        roomless = lacks.pop("it has no room any more", 0)
        whole = lacks.pop("", 0)
        said = [f"{format_count(count)}: {lack}" for lack, count in lacks.items()]
        if whole:
            size = format_size(asked.whole_bytes)
            said.append(f"{format_count(whole)}: no room there for its whole set, {size}")
        if said and roomless:
            said.append(f"{format_count(roomless)}: no room")
        return f" (of {format_count(len(hosts))} hosts, {'; '.join(said)})" if said else ""

    def _label(self, host: int, circle: Circle) -> str | None:
        return self._cluster.label(self._names[host], circle.by)


def _asks(made: Group) -> list[Asked]:
    """Return what each guest of a group asks."""
    group = made.group
    each = group.each or {}
    memories = each.get(MEMORY) or [group.memory] * group.count
    vcpus = each.get(VCPUS) or [group.vcpus] * group.count
    of = group.together.of or group.count if group.together else 1
    wholes = [sum(memories[n : n + of]) for n in range(0, group.count, of)]
    return [
        Asked(*asked, wholes[n // of])
        for n, asked in enumerate(zip(memories, vcpus, made.terms, strict=True))
    ]


def places(
    candidates: list[int],
    made: Group,
    books: Books,
    streams: Streams,
    path: str,
    problems: list[Issue],
) -> list[int]:
    """Choose the host of each guest of a group, and take its memory there.

    Parameters
    ----------
    candidates
        The hosts that its pattern names, and that have what it requires.
    made
        The group.
    books
        What is left on each host; less by theirs afterwards.
    streams
        Where random placement draws from.
    path
        Where a problem is, in the scenario.
    problems
        Gets one more if not all of them fit.

    Returns
    -------
    list of int
        The host of each guest; shorter than the group if not all of them fit.
    """
    group, free = made.group, books.free
    by_room = group.place.by == "spread"
    asks = _asks(made)
    least = min([asked.memory for asked in asks])
    alike = len(set(asks)) == 1 and asks[0].terms is None and not books.counts_vcpus
    room = [(-free[host] if by_room else 0.0, host) for host in candidates if free[host] >= least]
    heapify(room)
    draws = streams.stream("placement", group.group) if group.place.by == "random" else None
    chosen: list[int] = []
    for n, asked in enumerate(asks):
        roomy = books.roomy(candidates, asked)
        within = None if roomy is candidates else frozenset(roomy)
        passed: list[tuple[float, int]] = []  # what others with more room are, but not for it

        def takes(entry: tuple[float, int], asked: Asked = asked, within: Any = within) -> bool:
            return (within is None or entry[1] in within) and not books.lack(entry[1], asked)

        if by_room:
            while room and not takes(room[0]):
                passed.append(heappop(room))
            able = room[:1]
        elif draws is None:
            able = list(islice(filter(takes, room), 1))
        else:
            able = room if alike else [entry for entry in room if takes(entry)]
        if not able:
            where = f"no host of '{group.place.pattern}' any more{books.why(candidates, asked)}"
            problems.append(_unfit(path, n, group, asked.memory, where))
            return chosen
        entry = able[0 if draws is None else int(draws.integers(len(able)))]
        host = entry[1]
        books.take(host, asked)
        chosen.append(host)
        full = free[host] < least
        if by_room:
            heappop(room)
            for one in passed if full else [*passed, (-free[host], host)]:
                heappush(room, one)
        elif full:
            room.remove(entry)
    return chosen


def stand(
    hosts: list[int], made: Group, books: Books, path: str, problems: list[Issue]
) -> list[int]:
    """Take the memory of guests on the hosts that each of them names; note those that do not fit.

    Parameters
    ----------
    hosts
        The host of each guest.
    made, books, path, problems
        As for `places`.

    Returns
    -------
    list of int
        The hosts.
    """
    for n, (host, asked) in enumerate(zip(hosts, _asks(made), strict=True)):
        if lack := books.lack(host, asked):
            where = f"its host no more: {lack}"
            if asked.memory > books.free[host]:
                where = "its host no more"
            problems.append(_unfit(f"{path}[{n}]", n, made.group, asked.memory, where))
        books.take(host, asked)
    return hosts


def _unfit(path: str, n: int, group: spec.GuestGroup, memory: float, where: str) -> Issue:
    size = format_size(memory)
    return Issue(path=path, message=f"guest {n} of {group.count} ({size}) fits on {where}")
