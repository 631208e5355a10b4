"""A Scenario made ready to run: plain data, sizes in pages, everything random drawn.

pydantic ends here. A `Prepared` can be pickled, and running it twice gives the same tables.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, Literal, TypeVar

from dcsim.control.dispatch import Management
from dcsim.control.failures import FailurePlan
from dcsim.control.operations import OperationPlan
from dcsim.errors import Issue, ScenarioError
from dcsim.garbage import no_collection
from dcsim.model.routing import Routes
from dcsim.model.stream import Settings
from dcsim.records.summary import DEGRADED_LIMIT_S
from dcsim.rng import Streams
from dcsim.rng import replicate as replicate_seed
from dcsim.scenario import spec
from dcsim.scenario.checks import MOST_GUESTS, check
from dcsim.scenario.cluster import Cluster, HostPlan, matching
from dcsim.scenario.columns import HOST
from dcsim.scenario.document import dotted
from dcsim.scenario.standing import able_hosts
from dcsim.scenario.topology import Network, build
from dcsim.simulation.failing import failures_of
from dcsim.simulation.groups import Classes, Group, GuestPlan
from dcsim.simulation.placing import Books, places, stand
from dcsim.simulation.plain import (
    limit,
    management_of,
    operations_of,
    policy_of,
    routes_of,
    settings_of,
    weights_of,
)
from dcsim.units import format_count

Guests = tuple[tuple[GuestPlan, ...], tuple[GuestPlan, ...]]
"""Those that stand there from the start, and those that arrive."""

MOST_SCENARIOS: Final = 16
"""The most scenarios whose next replications are prepared for."""
MOST_KEPT: Final = 20_000
"""The most guests and hosts of all of them."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scenario ready to run."""

    scenario: dict[str, Any]
    digest: str
    seed: int
    replicate: int
    network: Network
    routes: Routes = field(compare=False)
    migration_routes: Routes = field(compare=False)
    weights: dict[str, float]
    storage_latency_s: float
    hosts: tuple[HostPlan, ...]
    disk_read: float
    disk_write: float
    guests: tuple[GuestPlan, ...]
    arrivals: tuple[GuestPlan, ...]
    settings: dict[str, Settings]
    management: Management
    operations: tuple[OperationPlan, ...]
    failures: tuple[FailurePlan, ...]
    degraded_limit_s: float
    horizon_s: float
    settle_s: float
    tolerance: float
    record: Literal["summary", "migrations", "full"]


def prepare(scenario: spec.Scenario, *, replicate: int = 0) -> Prepared:
    """Make a scenario ready to run.

    What the replications of a scenario have in common is made once, and kept for the next one
    until a few other scenarios have come.

    Parameters
    ----------
    scenario
        What is asked.
    replicate
        Which replication; 0 has the scenario's own seed.

    Raises
    ------
    ScenarioError
        If guests do not fit on the hosts where they are to stand, or what they do not into their
        memory; all problems at once.
    """
    with no_collection():
        return _KEPT.preparation(scenario).prepared(replicate=replicate)


class Preparation:
    """All of a scenario but what is drawn: many replications can be made ready from it.

    Parameters
    ----------
    scenario
        What is asked.

    Raises
    ------
    ScenarioError
        If the scenario cannot be run as it is; all problems at once.

    Examples
    --------
    >>> import dcsim
    >>> preparation = Preparation(dcsim.load("quick-start"))
    >>> [preparation.prepared(replicate=k).replicate for k in range(3)]
    [0, 1, 2]
    """

    def __init__(self, scenario: spec.Scenario) -> None:
        problems = [
            Issue(path=dotted(problem.path), message=problem.message, hint=problem.hint)
            for problem in check(scenario)
        ]
        if problems:
            raise ScenarioError(problems)
        self._scenario = scenario
        self._network = network = build(scenario.topology)
        self._hosts = {network.node_names[host]: host for host in network.hosts}
        policy, settings = _once(policy_of), _once(settings_of)
        self._cluster = cluster = Cluster(scenario.topology, self._hosts)
        matched = functools.cache(lambda pattern: frozenset(matching(pattern, self._hosts)))
        candidates = functools.cache(
            lambda able: [place for host, place in self._hosts.items() if host in able]
        )
        classes: Classes = {}
        self._groups = [
            Group(
                group,
                policy(group.hinting or scenario.hinting),
                group.moves(scenario.migration),
                candidates(able_hosts(cluster, group, matched(group.place.pattern))),
                classes,
            )
            for group in scenario.guests
        ]
        routes, migration_routes = routes_of(network, scenario.topology.routing)
        data = scenario.to_dict()
        self._same: dict[str, Any] = {
            "scenario": data,
            "digest": spec.digest_of(data),
            "network": network,
            "routes": routes,
            "migration_routes": migration_routes,
            "weights": weights_of(scenario.topology.weights),
            "storage_latency_s": scenario.topology.storage.latency,
            "hosts": tuple(cluster.plans.values()),
            "disk_read": limit(scenario.topology.host.disk_read),
            "disk_write": limit(scenario.topology.host.disk_write),
            "settings": {
                group.group: settings(group.migration or scenario.migration)
                for group in scenario.guests
            },
            "management": management_of(scenario.operation, goodput=scenario.topology.goodput),
            "operations": tuple(operations_of(scenario.operation, scenario.topology.host, cluster)),
            "failures": tuple(failures_of(scenario.failures or [], network)),
            "degraded_limit_s": scenario.degraded_limit or DEGRADED_LIMIT_S,
            "horizon_s": scenario.horizon,
            "settle_s": scenario.settle,
            "tolerance": scenario.tolerance,
            "record": scenario.record,
        }
        for i, made in enumerate(self._groups):
            if made.expected(scenario.horizon) > MOST_GUESTS:
                message = f"more than {format_count(MOST_GUESTS)} guests would arrive"
                hint = "give arrivals.most or arrivals.until, or let them come less often"
                path = f"guests[{i}].arrivals.every"
                problems.append(Issue(path=path, message=message, hint=hint))
        if problems:
            raise ScenarioError(problems)
        self._guests: Guests | None = None  # where nothing of them is drawn

    @property
    def size(self) -> int:
        """How many guests and hosts it holds."""
        return len(self._hosts) + sum(group.count for group in self._scenario.guests)

    def prepared(self, *, replicate: int = 0) -> Prepared:
        """Return one replication, ready to run; 0 has the scenario's own seed.

        Raises
        ------
        ScenarioError
            If guests do not fit on the hosts where they are to stand.
        """
        seed = replicate_seed(self._scenario.seed, replicate)
        guests = self._guests or self._placed(Streams(seed))
        if not any(group.drawn for group in self._groups):
            self._guests = guests
        standing, arriving = guests
        return Prepared(
            seed=seed, replicate=replicate, guests=standing, arrivals=arriving, **self._same
        )

    def _placed(self, streams: Streams) -> Guests:
        """Return the guests that stand there from the start, and those that come, in order."""
        problems: list[Issue] = []
        books = Books(self._cluster)
        standing: list[GuestPlan] = []
        arriving: list[GuestPlan] = []
        for i, made in enumerate(self._groups):
            named = (made.group.each or {}).get(HOST)
            hosts = (
                places(made.candidates, made, books, streams, f"guests[{i}].place", problems)
                if named is None
                else stand(
                    [self._hosts[name] for name in named],
                    made,
                    books,
                    f"guests[{i}].each.{HOST}",
                    problems,
                )
            )
            guests = list(made.guests(hosts, streams, self._scenario.horizon))
            standing += guests[: len(hosts)]
            arriving += guests[len(hosts) :]
        if problems:
            raise ScenarioError(problems)
        arriving.sort(key=attrgetter("arrives_s"))
        return tuple(standing), tuple(arriving)


class _Kept:
    """What the last scenarios came to, the latest first."""

    def __init__(self) -> None:
        self._latest: list[tuple[dict[str, Any], Preparation]] = []

    def preparation(self, scenario: spec.Scenario) -> Preparation:
        """Return what a scenario comes to; it is known by all that it says, which cannot be old."""
        asked, latest = scenario.to_dict() | {"own": spec.own_sources()}, self._latest
        known = (made for said, made in latest if said == asked)
        made = next(known, None) or Preparation(scenario)
        if not latest or latest[0][1] is not made:
            others = [one for one in latest if one[1] is not made]
            room, self._latest = MOST_KEPT, []
            for one in [(asked, made), *others][:MOST_SCENARIOS]:
                if one[1].size <= room:
                    self._latest.append(one)
                    room -= one[1].size
        return made


_KEPT: Final = _Kept()

Part = TypeVar("Part")
Made = TypeVar("Made")


def _once(make: Callable[[Part], Made]) -> Callable[[Part], Made]:
    """Return what makes the same of the same part, which lives as long as its scenario."""
    made: dict[int, Made] = {}

    def once(part: Part) -> Made:
        if id(part) not in made:
            made[id(part)] = make(part)
        return made[id(part)]

    return once
