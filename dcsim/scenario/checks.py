"""What only a whole scenario can tell: whether names name something, and guests fit on hosts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain, islice
from typing import Final, NamedTuple

from dcsim.errors import ScenarioError, did_you_mean
from dcsim.scenario import topology
from dcsim.scenario.document import DataPath, steps
from dcsim.scenario.spec import Drain, Graph, GuestGroup, Makeup, Moves, Scenario
from dcsim.units import format_count, format_duration, format_size

MOST_GUESTS: Final = 1_000_000
"""Guests of one scenario."""
_MOST_PROBLEMS: Final = 200
_WILD: Final = frozenset("*?[")
_MOST_GUESSES: Final = 1000  # names to compare a misspelt one with: the search is slow


class Problem(NamedTuple):
    """What is wrong with a scenario, and where in its data."""

    path: DataPath
    message: str
    hint: str | None = None


def check(scenario: Scenario) -> list[Problem]:
    """Return what is wrong with a scenario whose parts are all right, up to 200 problems."""
    try:
        hosts = topology.host_names(scenario.topology)
    except ScenarioError as error:
        return [Problem(("topology",), issue.message, issue.hint) for issue in error.issues]
    if not hosts:
        return list(_graph(scenario, hosts))  # which says so
    known = dict.fromkeys(hosts)
    patterns = {group.place.pattern for group in scenario.guests}
    places = {pattern: frozenset(matching(pattern, known)) for pattern in patterns}
    problems = chain(
        _graph(scenario, hosts),
        _names(scenario.guests),
        _places(scenario.guests, places, hosts),
        _memory(scenario, places),
        _contents(scenario),
        _operation(scenario, places, hosts),
        _post_copy(scenario),
    )
    return list(islice(problems, _MOST_PROBLEMS))


def matching(pattern: str, hosts: Collection[str]) -> list[str]:
    """Return the hosts whose name matches a pattern of ``*``, ``?`` and ``[...]``.

    A plain name is looked up: thousands of them are quick where *hosts* is a set or a mapping.

    Examples
    --------
    >>> matching("rack1/*", ["rack0/host0", "rack1/host0"])
    ['rack1/host0']
    """
    if not _WILD & set(pattern):
        return [pattern] if pattern in hosts else []
    return [host for host in hosts if fnmatchcase(host, pattern)]


# --------------------------------------------------------------------------- network


def _graph(scenario: Scenario, hosts: Sequence[str]) -> Iterator[Problem]:
    """Check what builders of regular networks cannot get wrong."""
    spec = scenario.topology
    if not isinstance(spec, Graph):
        return
    try:
        topology.build(spec)
    except ScenarioError as error:
        for issue in error.issues:
            yield Problem(steps(issue.path or "topology"), issue.message, issue.hint)
        return
    kinds = {node.kind: node.name for node in spec.nodes}
    for kind, path, purpose in _needs(scenario):
        if kind not in kinds:
            message = f"{purpose}, but the topology has no {kind} node"
            yield Problem(path, message, f"add a node of 'kind: {kind}'")
    neighbours: dict[str, list[str]] = defaultdict(list)
    for link in spec.links:
        neighbours[link.ends[0]].append(link.ends[1])
        neighbours[link.ends[1]].append(link.ends[0])
    reached, frontier = {hosts[0]}, [hosts[0]]
    while frontier:
        frontier = list({far for near in frontier for far in neighbours[near]} - reached)
        reached.update(frontier)
    for i, node in enumerate(spec.nodes):
        if node.kind != "switch" and node.name not in reached:
            message = f"no links lead from {hosts[0]!r} to {node.kind} {node.name!r}"
            yield Problem(("topology", "nodes", i), message)


def _needs(scenario: Scenario) -> Iterator[tuple[str, DataPath, str]]:
    """Yield the special nodes that guests need: kind, where it is asked for, and for what."""
    for i, group in enumerate(scenario.guests):
        for j, activity in enumerate(group.workload.activities):
            path: DataPath = ("guests", i, "workload", "activities", j)
            if activity.do == "send":
                yield activity.peer, path, f"it sends to {activity.peer}"
            elif activity.do == "read" or (activity.do == "write" and activity.to == "cache"):
                yield "storage", path, "its page cache is backed by storage"
        if any(step.tell == "map" for step in (group.hinting or scenario.hinting).steps):
            path = ("guests", i, "hinting") if group.hinting else ("hinting",)
            yield "storage", path, "a map needs storage to read from"


# --------------------------------------------------------------------------- guests


def _post_copy(scenario: Scenario) -> Iterator[Problem]:
    """Check that migrations which a time limit switches to post-copy are set up for it."""
    if scenario.operation.limits.on_timeout != "post-copy":
        return
    for i, group in enumerate(scenario.guests):
        if (group.migration or scenario.migration).post_copy is None:
            path: DataPath = ("guests", i, "migration") if group.migration else ("migration",)
            yield Problem(path, "a timeout switches to post-copy: set post_copy")
            if not group.migration:
                return


def _names(guests: Sequence[GuestGroup]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for i, group in enumerate(guests):
        if first.setdefault(group.group, i) != i:
            message = f"guests[{first[group.group]}] is called {group.group!r} too"
            path: DataPath = ("guests", i, "name") if group.name else ("guests", i)
            yield Problem(path, message, "give each group a name of its own")
    if sum(group.count for group in guests) > MOST_GUESTS:
        yield Problem(("guests",), f"there are more than {format_count(MOST_GUESTS)} guests")


def _places(
    guests: Sequence[GuestGroup], places: Mapping[str, frozenset[str]], hosts: Sequence[str]
) -> Iterator[Problem]:
    for i, group in enumerate(guests):
        if places[group.place.pattern]:
            continue
        if group.place.rack is None:
            yield _no_host(("guests", i, "place", "hosts"), group.place.pattern, hosts)
        else:
            racks = _racks(hosts)
            message = f"there is no rack {group.place.rack!r}; racks are {_some(racks)}"
            guess = _guess(group.place.rack, racks)
            yield Problem(("guests", i, "place", "rack"), message, guess)


def _memory(scenario: Scenario, places: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Compare what guests need with what the hosts they may stand on have."""
    room = scenario.topology.host.memory
    needed: dict[frozenset[str], float] = defaultdict(float)
    fits = True
    for i, group in enumerate(scenario.guests):
        on = places[group.place.pattern]
        if not on:
            return  # which is a problem of its own
        size, most = format_size(group.memory), len(on) * int(room // group.memory)
        if group.memory > room:
            message = (
                f"a guest of {size} fits on no host: hosts have {format_size(room)} for guests"
            )
            yield Problem(("guests", i, "memory"), message)
        elif group.count > most:
            message = (
                f"{format_count(group.count)} guests of {size} do not fit on {_hosts(on)}"
                f" of {format_size(room)}: there is room for {format_count(most)}"
            )
            yield Problem(("guests", i, "count"), message)
        else:
            needed[on] += group.count * group.memory
            continue
        fits = False
    if fits:
        needed[frozenset().union(*needed)] = sum(
            group.count * group.memory for group in scenario.guests
        )
        for on_these, memory in needed.items():
            if memory > len(on_these) * room:
                message = (
                    f"the guests on {_hosts(on_these)} need {format_size(memory)} together,"
                    f" more than the {format_size(len(on_these) * room)} there"
                )
                yield Problem(("guests",), message)


def _contents(scenario: Scenario) -> Iterator[Problem]:
    for i, group in enumerate(scenario.guests):
        sampled: list[tuple[DataPath, Makeup]] = [
            (("makeups", j), makeup) for j, makeup in enumerate(group.makeups)
        ]
        for path, makeup in sampled or [(("memory",), group.workload.memory)]:
            if fault := group.workload.overwritten(makeup, memory=group.memory):
                yield Problem(("guests", i, *path), fault[1])
                break
        copied = (group.migration or scenario.migration).block is not None
        if group.local_disk and group.migratable == "live" and not copied:
            message = "a guest with a local disk moves live only where migration.block copies it"
            hint = "set migration.block, or 'migratable: cold' and 'because: local-disk'"
            yield Problem(("guests", i, "local_disk"), message, hint)
        if group.arrive > scenario.operation.at:
            message = (
                f"guests would start up to {format_duration(group.arrive)} after the beginning, "
                f"when the operation has begun, at {format_duration(scenario.operation.at)}"
            )
            yield Problem(("guests", i, "arrive"), message)


# --------------------------------------------------------------------------- operation


def _operation(
    scenario: Scenario, places: Mapping[str, frozenset[str]], hosts: Sequence[str]
) -> Iterator[Problem]:
    operation = scenario.operation
    if isinstance(operation, Drain):
        drained = matching(operation.hosts, hosts)
        path = ("operation", "hosts")
        if not drained:
            yield _no_host(path, operation.hosts, hosts)
        elif len(drained) == len(hosts):
            message = f"drains all there is, {_hosts(hosts)}: guests can go nowhere"
            yield Problem(path, message, "leave at least one host")
    else:
        yield from _moves(operation, scenario, places, hosts)


def _moves(
    operation: Moves,
    scenario: Scenario,
    places: Mapping[str, frozenset[str]],
    hosts: Sequence[str],
) -> Iterator[Problem]:
    groups = {group.group: (i, group) for i, group in enumerate(scenario.guests)}
    known, moved = set(hosts), dict[str, int]()
    for i, move in enumerate(operation.moves):
        path: DataPath = ("operation", "moves", i)
        if move.to not in known:
            yield _no_host((*path, "to"), move.to, hosts)
        name, _, number = move.guest.rpartition("-")
        index, group = groups.get(name, (None, None))
        if group is None or not _is_index(number, group.count):
            yield _no_guest((*path, "guest"), move.guest, group, groups)
            continue
        if moved.setdefault(move.guest, i) != i:
            message = f"{move.guest!r} is moved by moves[{moved[move.guest]}] already"
            yield Problem((*path, "guest"), message)
        elif group.moves(scenario.migration) == "no":
            message = f"{move.guest!r} does not move: guests[{index}] has 'migratable: no'"
            yield Problem((*path, "guest"), message)
        elif places[group.place.pattern] == {move.to}:
            yield Problem((*path, "to"), f"{move.guest!r} stands on {move.to!r} already")


def _is_index(text: str, count: int) -> bool:
    return len(text) <= 7 and text.isdecimal() and text == str(int(text)) and int(text) < count


def _no_guest(
    path: DataPath, guest: str, group: GuestGroup | None, groups: Mapping[str, object]
) -> Problem:
    if group is not None:
        last = f" to {group.group}-{group.count - 1}" if group.count > 1 else ""
        return Problem(path, f"there is no guest {guest!r}; there is {group.group}-0{last}")
    close = _guess(guest.rpartition("-")[0] or guest, groups, "{}-0")
    message = f"there is no guest {guest!r}; groups are {_some(list(groups))}"
    return Problem(path, message, close or "guests are called GROUP-0, GROUP-1, ...")


# --------------------------------------------------------------------------- words


def _no_host(path: DataPath, pattern: str, hosts: Sequence[str]) -> Problem:
    rack, slash, host = pattern.rpartition("/")
    racks = _racks(hosts)
    if not slash:
        guess = _guess(host, racks, "{}/*") or _guess(host, hosts)
    elif rack in racks:
        guess = _guess(host, [name.rpartition("/")[2] for name in hosts], rack + "/{}")
    else:
        guess = _guess(rack, racks, "{}/" + host)
    return Problem(path, f"no host matches {pattern!r}; hosts are {_some(hosts)}", guess)


def _racks(hosts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name.rpartition("/")[0] for name in hosts))


def _guess(word: str, candidates: Iterable[str], shape: str = "{}") -> str | None:
    close = did_you_mean(word, islice(candidates, _MOST_GUESSES))
    return f"did you mean {shape.format(close)!r}?" if close else None


def _some(names: Sequence[str]) -> str:
    return ", ".join(names if len(names) <= 6 else [*names[:3], "...", names[-1]])


def _hosts(names: Collection[str]) -> str:
    return f"host {next(iter(names))}" if len(names) == 1 else f"{format_count(len(names))} hosts"
