"""What only a whole scenario can tell: whether names name something, and guests fit on hosts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat
from typing import Final, get_args

from dcsim.errors import ScenarioError
from dcsim.scenario import standing, topology
from dcsim.scenario.cluster import Cluster, matching
from dcsim.scenario.columns import HOST, NAME, owns, tells_contents
from dcsim.scenario.document import DataPath, steps
from dcsim.scenario.operation import (
    Consolidate,
    Drain,
    Evacuate,
    Moves,
    Notices,
    Rebalance,
    Upgrade,
    parts,
)
from dcsim.scenario.policy import LinkClass
from dcsim.scenario.problem import Problem, guess, no_host, racks_of, so_many, some
from dcsim.scenario.spec import Graph, GuestGroup, Makeup, Scenario
from dcsim.units import format_count, format_duration

MOST_GUESTS: Final = 1_000_000
"""Guests of one scenario."""
_MOST_PROBLEMS: Final = 200


def check(scenario: Scenario) -> list[Problem]:
    """Return what is wrong with a scenario whose parts are all right, up to 200 problems."""
    try:
        hosts = topology.host_names(scenario.topology)
    except ScenarioError as error:
        return [Problem(("topology",), issue.message, issue.hint) for issue in error.issues]
    if not hosts:
        return list(_graph(scenario, hosts))  # which says so
    cluster = Cluster(scenario.topology, hosts)
    patterns = {group.place.pattern for group in scenario.guests}
    named = {pattern: frozenset(matching(pattern, cluster.plans)) for pattern in patterns}
    places = [
        frozenset(group.each[HOST]) if group.each and HOST in group.each
        else named[group.place.pattern]
        for group in scenario.guests
    ]  # fmt: skip
    problems = chain(
        _graph(scenario, hosts),
        _hosts(scenario, hosts),
        _names(scenario.guests),
        _places(scenario.guests, places, hosts),
        standing.terms(scenario, cluster, places),
        standing.memory(scenario, cluster, places),
        _contents(scenario),
        _operation(scenario, cluster, places, hosts),
        _post_copy(scenario),
        _link_caps(scenario),
        _failures(scenario, hosts),
    )
    return list(islice(problems, _MOST_PROBLEMS))


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


def _hosts(scenario: Scenario, hosts: Sequence[str]) -> Iterator[Problem]:
    known = dict.fromkeys(hosts)
    for i, entry in enumerate(scenario.topology.hosts or []):
        if not matching(entry.match, known):
            yield no_host(("topology", "hosts", i, "match"), entry.match, hosts)


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


def _link_caps(scenario: Scenario) -> Iterator[Problem]:
    """Check that there are links of each class that has a cap."""
    capped = scenario.operation.limits.per_link
    if not capped:
        return
    try:
        there = dict.fromkeys(topology.build(scenario.topology).link_classes)
    except ScenarioError:
        return  # which is a problem of its own
    for name in capped:
        if name not in there:
            others = [other for other in get_args(LinkClass) if other in there]
            message = f"the topology has no {name} links; it has {some(others)}"
            yield Problem(("operation", "limits", "per_link", name), message)


def _names(guests: Sequence[GuestGroup]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    if any(group.each and NAME in group.each for group in guests):
        yield from _own_names(guests)
    for i, group in enumerate(guests):
        if first.setdefault(group.group, i) != i:
            message = f"guests[{first[group.group]}] is called {group.group!r} too"
            path: DataPath = ("guests", i, "name") if group.name else ("guests", i)
            yield Problem(path, message, "give each group a name of its own")
    if sum(group.count for group in guests) > MOST_GUESTS:
        yield Problem(("guests",), f"there are more than {format_count(MOST_GUESTS)} guests")


def _own_names(guests: Sequence[GuestGroup]) -> Iterator[Problem]:
    """Check that guests which have names of their own share them with no other."""
    first: dict[str, tuple[int, int]] = {}
    for i, group in enumerate(guests):
        for n, name in enumerate(group.guest_names):
            if first.setdefault(name, (i, n)) != (i, n):
                message = f"guest {first[name][1]} of guests[{first[name][0]}] is {name!r} too"
                own = group.each is not None and NAME in group.each
                yield Problem(("guests", i, *(("each", NAME, n) if own else ())), message)


def _places(
    guests: Sequence[GuestGroup], places: Sequence[frozenset[str]], hosts: Sequence[str]
) -> Iterator[Problem]:
    known = set(hosts)
    for i, group in enumerate(guests):
        for n, host in enumerate((group.each or {}).get(HOST, ())):
            if host not in known:
                yield no_host(("guests", i, "each", HOST, n), host, hosts)
        if places[i]:
            continue
        if group.place.rack is None:
            yield no_host(("guests", i, "place", "hosts"), group.place.pattern, hosts)
        else:
            racks = racks_of(hosts)
            message = f"there is no rack {group.place.rack!r}; racks are {some(racks)}"
            hint = guess(group.place.rack, racks)
            yield Problem(("guests", i, "place", "rack"), message, hint)


def _contents(scenario: Scenario) -> Iterator[Problem]:
    for i, group in enumerate(scenario.guests):
        if group.each and not group.makeups:
            yield from _own_contents(i, group)
        sampled: list[tuple[DataPath, Makeup]] = [
            (("makeups", j), makeup) for j, makeup in enumerate(group.makeups)
        ]
        if not (sampled or group.each):
            sampled = [(("memory",), group.workload.memory)]
        for path, makeup in sampled:
            if fault := group.workload.overwritten(makeup, memory=group.memory):
                yield Problem(("guests", i, *path), fault[1])
                break
        copied = (group.migration or scenario.migration).block is not None
        if group.local_disk and group.migratable == "live" and not copied:
            message = "a guest with a local disk moves live only where migration.block copies it"
            hint = "set migration.block, or 'migratable: cold' and 'because: local-disk'"
            yield Problem(("guests", i, "local_disk"), message, hint)
        if group.arrivals is not None and group.arrivals.start >= scenario.horizon:
            message = f"none would arrive by the horizon, {format_duration(scenario.horizon)}"
            yield Problem(("guests", i, "arrivals", "start"), message)
        if group.arrive > scenario.starts_s:
            message = (
                f"guests would start up to {format_duration(group.arrive)} after the beginning, "
                f"when the operation has begun, at {format_duration(scenario.starts_s)}"
            )
            yield Problem(("guests", i, "arrive"), message)


def _own_contents(i: int, group: GuestGroup) -> Iterator[Problem]:
    """Check the memory of guests that differ, each kind of it once."""
    work, checked = group.workload, set[tuple[object, ...]]()
    column = next((name for name in group.each or () if tells_contents(name)), None)
    for n, own in enumerate(owns(group)):
        contents = (own.memory, own.shares, own.sets)
        if contents not in checked:
            checked.add(contents)
            if fault := work.misfit(own.shares, memory=own.memory, sets=own.sets):
                path = (
                    ("guests", i, "workload")
                    if column is None
                    else ("guests", i, "each", column, n)
                )
                yield Problem(path, fault)
        if column is None:
            return  # all are alike


# --------------------------------------------------------------------------- operation


def _operation(
    scenario: Scenario, cluster: Cluster, places: Sequence[frozenset[str]], hosts: Sequence[str]
) -> Iterator[Problem]:
    for path, operation in parts(scenario.operation):
        if isinstance(operation, Moves):
            yield from _moves(path, operation, scenario, places, hosts)
        else:
            yield from _selected(path, operation, cluster)


def _selected(
    path: DataPath,
    operation: Drain | Upgrade | Evacuate | Notices | Rebalance | Consolidate,
    cluster: Cluster,
) -> Iterator[Problem]:
    yield from operation.problems(cluster, path)
    selected = operation.selected(cluster)
    if isinstance(operation, Rebalance | Consolidate):
        if len(selected) == 1:
            message = f"{selected[0]} is the only host that is meant: guests can go nowhere"
            yield Problem(path, message, "let there be two or more")
    elif len(selected) == len(cluster.plans) and isinstance(operation, Drain | Evacuate):
        message = f"drains all there is, {so_many(cluster.plans)}: guests can go nowhere"
        at = () if operation.hosts is None else ("hosts",)
        yield Problem((*path, *at), message, "leave at least one host")


def _moves(
    path: DataPath,
    operation: Moves,
    scenario: Scenario,
    places: Sequence[frozenset[str]],
    hosts: Sequence[str],
) -> Iterator[Problem]:
    known, fixed = set(hosts), set[int]()
    guests: dict[str, tuple[int, str | None]] = {}  # their group, and where they must stand
    for i, group in enumerate(scenario.guests):
        only = next(iter(places[i])) if len(places[i]) == 1 else None
        homes = (group.each or {}).get(HOST) or repeat(only)
        guests.update(zip(group.guest_names, zip(repeat(i), homes), strict=False))
        if group.moves(scenario.migration) == "no":
            fixed.add(i)
    moved: dict[str, int] = {}
    for number, (guest, to) in enumerate(operation.pairs):
        if to not in known:
            yield no_host((*path, *operation.path(number, "to")), to, hosts)
        if guest not in guests:
            yield _no_guest((*path, *operation.path(number, "guest")), guest, scenario.guests)
            continue
        i, home = guests[guest]
        if moved.setdefault(guest, number) != number:
            message = f"{guest!r} is moved by moves[{moved[guest]}] already"
            yield Problem((*path, *operation.path(number, "guest")), message)
        elif i in fixed:
            message = f"{guest!r} does not move: guests[{i}] has 'migratable: no'"
            yield Problem((*path, *operation.path(number, "guest")), message)
        elif to == home:
            yield Problem(
                (*path, *operation.path(number, "to")), f"{guest!r} stands on {to!r} already"
            )


def _no_guest(path: DataPath, guest: str, guests: Sequence[GuestGroup]) -> Problem:
    groups = {group.group: group for group in guests}
    group = groups.get(guest.rpartition("-")[0])
    names = [] if group is None else group.guest_names
    if group is not None and names:
        last = f" to {names[-1]}" if group.count > 1 else ""
        return Problem(path, f"there is no guest {guest!r}; there is {names[0]}{last}")
    if group is not None:
        return Problem(path, f"{guest!r} is not there from the start: all of its group arrive")
    close = guess(guest.rpartition("-")[0] or guest, groups, "{}-0")
    message = f"there is no guest {guest!r}; groups are {some(list(groups))}"
    return Problem(path, message, close or "guests are called GROUP-0, GROUP-1, ...")


def _failures(scenario: Scenario, hosts: Sequence[str]) -> Iterator[Problem]:
    if scenario.failures:
        from dcsim.scenario import failing  # few scenarios have any

        yield from (Problem(*wrong) for wrong in failing.wrong_with(scenario, hosts))
