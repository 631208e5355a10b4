"""Where guests stand at first: a host for each guest of a group, while there is room."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from dcsim.errors import Issue
from dcsim.rng import Streams
from dcsim.scenario import spec
from dcsim.scenario.columns import MEMORY
from dcsim.units import format_size


def places(
    candidates: list[int],
    group: spec.GuestGroup,
    free: list[float],
    streams: Streams,
    path: str,
    problems: list[Issue],
) -> list[int]:
    """Choose the host of each guest of a group, and take its memory there.

    Parameters
    ----------
    candidates
        The hosts that its pattern names.
    group
        The guests.
    free
        Memory left on each host, in bytes; less by theirs afterwards.
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
    by_room = group.place.by == "spread"
    own = (group.each or {}).get(MEMORY)
    memories = own or [group.memory] * group.count
    least = min(memories)
    room = [(-free[host] if by_room else 0.0, host) for host in candidates if free[host] >= least]
    heapify(room)
    draws = streams.stream("placement", group.group) if group.place.by == "random" else None
    chosen: list[int] = []
    for n, memory in enumerate(memories):
        able = room[:1] if by_room or (own is None and draws is None) else room
        if own is not None:
            able = [entry for entry in able if free[entry[1]] >= memory]
        if not able:
            where = f"no host of '{group.place.pattern}' any more"
            problems.append(_unfit(path, n, group, memory, where))
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


def stand(
    hosts: list[int], group: spec.GuestGroup, free: list[float], path: str, problems: list[Issue]
) -> list[int]:
    """Take the memory of guests on the hosts that each of them names; note those that do not fit.

    Parameters
    ----------
    hosts
        The host of each guest.
    group, free, path, problems
        As for `places`.

    Returns
    -------
    list of int
        The hosts.
    """
    own = (group.each or {}).get(MEMORY) or [group.memory] * group.count
    for n, (host, memory) in enumerate(zip(hosts, own, strict=True)):
        if free[host] < memory:
            problems.append(_unfit(f"{path}[{n}]", n, group, memory, "its host no more"))
        free[host] -= memory
    return hosts


def _unfit(path: str, n: int, group: spec.GuestGroup, memory: float, where: str) -> Issue:
    size = format_size(memory)
    return Issue(path=path, message=f"guest {n} of {group.count} ({size}) fits on {where}")
