"""Where guests stand at first: a host for each guest of a group, while there is room."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from dcsim.control.room import Ladder
from dcsim.errors import Issue
from dcsim.model.terms import Circle, Terms
from dcsim.rng import Streams
from dcsim.scenario import spec
from dcsim.scenario.cluster import Cluster
from dcsim.scenario.columns import MEMORY, VCPUS
from dcsim.simulation.groups import Group
from dcsim.units import format_count, format_size

if TYPE_CHECKING:
    from numpy.random import Generator


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

    def where(self, asked: Asked) -> set[str | None] | None:
        """Return the place where a guest's set stands that is to stay together, if it does."""
        circle = asked.terms.together if asked.terms is not None else None
        return None if circle is None else self._stand[circle] or None

    def by_label(self, hosts: list[int], key: str) -> dict[str | None, list[int]]:
        """Return hosts by their value of a label."""
        found: dict[str | None, list[int]] = defaultdict(list)
        for host in hosts:
            found[self._cluster.label(self._names[host], key)].append(host)
        return found

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
    if not group.count:
        return []
    draws = streams.stream("placement", group.group) if group.place.by == "random" else None
    if books.counts_vcpus or group.apart is not None or group.together is not None:
        return _as_asked(candidates, made, books, draws, path, problems)
    by_room = group.place.by == "spread"
    own = (group.each or {}).get(MEMORY)
    memories = own or [group.memory] * group.count
    least = min(memories)
    room = [(-free[host] if by_room else 0.0, host) for host in candidates if free[host] >= least]
    heapify(room)
    chosen: list[int] = []
    for n, memory in enumerate(memories):
        able = room[:1] if by_room or (own is None and draws is None) else room
        if own is not None:
            able = [entry for entry in able if free[entry[1]] >= memory]
        if not able:
            problems.append(_unfit(path, n, group, memory, _nowhere(group)))
            return chosen
        entry = able[0 if draws is None else int(draws.integers(len(able)))]
        host = entry[1]
        free[host] -= memory
        chosen.append(host)
        full = free[host] < least
        if by_room:
            heappop(room)
            if not full:
                heappush(room, (-free[host], host))
        elif full:
            room.remove(entry)
    return chosen


def _as_asked(
    candidates: list[int],
    made: Group,
    books: Books,
    draws: Generator | None,
    path: str,
    problems: list[Issue],
) -> list[int]:
    """Choose hosts where vCPUs count, or guests are of sets: the first that takes it, as tried."""
    group, free = made.group, books.free
    by_label = books.by_label(candidates, group.together.by if group.together else "host")
    beside = {host: hosts for hosts in by_label.values() for host in hosts}
    emptiest = Ladder((free[host], host) for host in candidates)
    chosen: list[int] = []
    for n, asked in enumerate(_asks(made)):
        at = books.where(asked)
        pool = candidates if at is None else [host for label in at for host in by_label[label]]
        if draws is not None:
            tried = _shuffled(pool, draws)
        elif group.place.by == "first-fit":
            tried = iter(pool)
        elif at is None:
            tried = (host for _, host in emptiest.emptiest_first(asked.memory))
        else:
            tried = iter(sorted(pool, key=lambda host: (-free[host], host)))
        whole = asked.whole_bytes if group.together is not None and at is None else 0.0
        for host in tried:
            room = sum([free[other] for other in beside[host]]) if whole else math.inf
            if whole <= room and not books.lack(host, asked):
                break
        else:
            where = f"{_nowhere(group)}{books.why(candidates, asked)}"
            problems.append(_unfit(path, n, group, asked.memory, where))
            return chosen
        before = free[host]
        books.take(host, asked)
        emptiest.move(host, before, free[host])
        chosen.append(host)
    return chosen


def _shuffled(hosts: list[int], draws: Generator) -> Iterator[int]:
    """Draw one host after another, each of those that are left as likely as any other."""
    left = list(hosts)
    while left:
        at = int(draws.integers(len(left)))
        left[at], left[-1] = left[-1], left[at]
        yield left.pop()


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


def _nowhere(group: spec.GuestGroup) -> str:
    return f"no host of '{group.place.pattern}' any more"


def _unfit(path: str, n: int, group: spec.GuestGroup, memory: float, where: str) -> Issue:
    size = format_size(memory)
    return Issue(path=path, message=f"guest {n} of {group.count} ({size}) fits on {where}")
