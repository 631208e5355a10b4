"""Whether there are hosts that have what guests ask of them: labels, places, memory. Bytes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dcsim.scenario.cluster import Cluster
from dcsim.scenario.columns import HOST, MEMORY
from dcsim.scenario.document import DataPath
from dcsim.scenario.fabric import BUILT_IN
from dcsim.scenario.problem import Problem, guess, so_many, some
from dcsim.units import format_count, format_size

if TYPE_CHECKING:
    from dcsim.scenario.guests import GuestGroup
    from dcsim.scenario.spec import Scenario

Places = Sequence[frozenset[str]]
"""The hosts on which each group's guests may stand, by their names."""


# --------------------------------------------------------------------------- terms


def terms(scenario: Scenario, cluster: Cluster, places: Places) -> Iterator[Problem]:
    """Check that hosts have the labels and flags that guests ask for, and sets enough places."""
    for i, group in enumerate(scenario.guests):
        faults = [
            *(
                fault
                for key, value in (group.requires or {}).items()
                for fault in no_label(cluster, ("guests", i, "requires", key), key, value)
            ),
            *_flags(cluster, group, i),
            *(
                fault
                for how in ("apart", "together")
                if (sets := getattr(group, how)) is not None
                for fault in no_label(cluster, ("guests", i, how, "by"), sets.by)
            ),
        ]
        yield from faults
        if not faults and places[i]:
            yield from _where(cluster, group, i, places[i])


def no_label(
    cluster: Cluster, path: DataPath, key: str, value: str | None = None
) -> Iterator[Problem]:
    """Yield what is wrong if no host has a label, or none this value of it.

    Parameters
    ----------
    cluster
        The hosts.
    path
        Where it is asked for.
    key, value
        The label; no value for any.
    """
    legal = [*BUILT_IN, *cluster.labels]
    if key not in legal:
        message = f"no host has a label {key!r}; labels are {some(legal)}"
        yield Problem(path, message, guess(key, legal))
    elif value is not None:
        values = list(dict.fromkeys(
            cluster.labels[key] if key in cluster.labels
            else [str(cluster.label(name, key)) for name in cluster.plans]
        ))  # fmt: skip
        if value not in values:
            message = f"no host has {key}={value}; values of {key} are {some(values)}"
            yield Problem(path, message, guess(value, values))


def _flags(cluster: Cluster, group: GuestGroup, i: int) -> Iterator[Problem]:
    for n, flag in enumerate(group.cpu_flags or []):
        if flag not in cluster.cpu_flags:
            known = f"flags are {some(cluster.cpu_flags)}" if cluster.cpu_flags else "none has any"
            message = f"no host has the cpu flag {flag!r}; {known}"
            yield Problem(("guests", i, "cpu_flags", n), message, guess(flag, cluster.cpu_flags))


def _where(cluster: Cluster, group: GuestGroup, i: int, on: frozenset[str]) -> Iterator[Problem]:
    """Check that the hosts where a group may stand have what it asks for."""
    able = able_hosts(cluster, group, on)
    asked = [f"{key}={value}" for key, value in (group.requires or {}).items()]
    asked += [f"cpu flag {flag}" for flag in group.cpu_flags or []]
    if group.each and HOST in group.each:
        for n, host in enumerate(group.each[HOST]):
            if host in cluster.plans and host not in able:
                message = f"{host!r} does not have {' and '.join(asked)}"
                yield Problem(("guests", i, "each", HOST, n), message)
        return
    if not able:
        key = "requires" if group.requires else "cpu_flags"
        which = f"{so_many(on)} of {group.place.pattern!r}"
        message = f"none of the {which} has {' and '.join(asked)}"
        yield Problem(("guests", i, key), message)
        return
    own = (group.each or {}).get(MEMORY) or [group.memory] * group.count
    if not own:
        return  # all of them arrive
    for how in ("apart", "together"):
        sets = getattr(group, how)
        if sets is None:
            continue
        size = min(sets.of or group.count, group.count)
        there: dict[str, float] = defaultdict(float)
        for host in cluster.plans:
            if host in able and (label := cluster.label(host, sets.by)) is not None:
                there[label] += cluster.plans[host].limit_bytes
        what = f"{format_count(len(there))} {sets.by}{'s' * (len(there) != 1)}"
        if how == "apart" and size > len(there):
            message = (
                f"{format_count(size)} guests are to stand apart by {sets.by}, "
                f"and there {'is' if len(there) == 1 else 'are'} {what} for them"
            )
            yield Problem(("guests", i, how), message)
        elif how == "together":
            needed = max(sum(own[n : n + size]) for n in range(0, group.count, size))
            most = max(there.values(), default=0.0)
            if needed > most:
                message = (
                    f"{format_count(size)} guests that stand together by {sets.by} need "
                    f"{format_size(needed)}, and no {sets.by} has more than {format_size(most)}"
                )
                yield Problem(("guests", i, how), message)


def able_hosts(cluster: Cluster, group: GuestGroup, on: frozenset[str]) -> frozenset[str]:
    """Return those of some hosts that have the labels and the flags that a group requires."""
    if group.requires is None and group.cpu_flags is None:
        return on
    found = cluster.selected(labels=group.requires, cpu_flags=group.cpu_flags or ())
    return on.intersection(found)


# --------------------------------------------------------------------------- memory


def memory(scenario: Scenario, cluster: Cluster, places: Places) -> Iterator[Problem]:
    """Compare what guests need with what the hosts they may stand on promise."""
    limits: dict[frozenset[str], Counter[float]] = {}
    needed: dict[frozenset[str], float] = defaultdict(float)
    fits = True
    for i, group in enumerate(scenario.guests):
        on = able_hosts(cluster, group, places[i])
        room = limits[on] = limits.get(on) or _limits(cluster, on)
        if not room:
            fits = False  # which is a problem of its own
            continue
        own = (group.each or {}).get(MEMORY)
        least = min(own) if own else group.memory
        too_large = [n for n, size in enumerate(own or [group.memory]) if size > max(room)]
        most = sum([count * int(limit // least) for limit, count in room.items()])
        for n in too_large:
            path: DataPath = ("guests", i, "each", MEMORY, n) if own else ("guests", i, "memory")
            message = (
                f"a guest of {format_size(own[n] if own else group.memory)} fits on no host: "
                f"{'hosts have' if len(room) == 1 else 'the largest has'} "
                f"{format_size(max(room))} for guests"
            )
            yield Problem(path, message)
        if not too_large and group.count > most:
            sizes = " to ".join(dict.fromkeys(format_size(end) for end in (min(room), max(room))))
            message = (
                f"{format_count(group.count)} guests of {format_size(least)}"
                f"{' or more' if own else ''} do not fit on {so_many(on)}"
                f" of {sizes}: there is room for {format_count(most)}"
            )
            yield Problem(("guests", i, "count"), message)
        needed[on] += group.memory_bytes
        fits = fits and not too_large and group.count <= most
    if fits:
        needed[frozenset().union(*needed)] = sum(group.memory_bytes for group in scenario.guests)
        for on_these, size in needed.items():
            there = sum(limit * n for limit, n in _limits(cluster, on_these).items())
            if size > there:
                message = (
                    f"the guests on {so_many(on_these)} need {format_size(size)} together,"
                    f" more than the {format_size(there)} there"
                )
                yield Problem(("guests",), message)


def _limits(cluster: Cluster, on: frozenset[str]) -> Counter[float]:
    """Return how many of some hosts have which memory for guests."""
    return Counter([cluster.plans[host].limit_bytes for host in on if host in cluster.plans])
