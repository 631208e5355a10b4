"""Where guests stand at first: a host for each guest of a group, while there is room."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from dcsim.errors import Issue
from dcsim.rng import Streams
from dcsim.scenario import spec
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
    fitting = (host for host in candidates if free[host] >= group.memory)
    room = [(-free[host] if by_room else 0.0, host) for host in fitting]
    heapify(room)
    draws = streams.stream("placement", group.group) if group.place.by == "random" else None
    chosen: list[int] = []
    for n in range(group.count):
        if not room:
            size = format_size(group.memory)
            where = f"no host of '{group.place.pattern}' any more"
            message = f"guest {n} of {group.count} ({size}) fits on {where}"
            problems.append(Issue(path=path, message=message))
            return chosen
        index = 0 if draws is None else int(draws.integers(len(room)))
        host = room[index][1]
        free[host] -= group.memory
        chosen.append(host)
        full = free[host] < group.memory
        if by_room:
            heappop(room)
            if not full:
                heappush(room, (-free[host], host))
        elif full:
            del room[index]
    return chosen
