"""A Scenario made ready to run: plain data, sizes in pages, everything random drawn.

pydantic ends here. A `Prepared` can be pickled, and running it twice gives the same tables.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple, TypeVar

from dcsim.control.failures import FailurePlan
from dcsim.control.operations import OperationPlan
from dcsim.errors import Issue, ScenarioError, did_you_mean
from dcsim.garbage import no_collection
from dcsim.model.activity import Activity
from dcsim.model.convergence import AutoConverge, DirtyLimit
from dcsim.model.diskcopy import LocalDisk
from dcsim.model.hinting import Adapt, Policy, Step
from dcsim.model.hugepages import Settings as HugePageSettings
from dcsim.model.memory import Memory
from dcsim.model.patience import DowntimeSteps, Patience, Retry, Rung
from dcsim.model.postcopy import PostCopy
from dcsim.model.profile import Profile
from dcsim.model.stream import Settings
from dcsim.model.touch import TouchClass, classes_of
from dcsim.model.transport import Block, Compression, Encryption, Multifd, Xbzrle
from dcsim.records.tables import DISK_KINDS, MIGRATION_KINDS
from dcsim.rng import Streams
from dcsim.rng import replicate as replicate_seed
from dcsim.scenario import spec
from dcsim.scenario.checks import check, matching
from dcsim.scenario.columns import HOST, Own, owns
from dcsim.scenario.document import dotted
from dcsim.scenario.topology import Network, build
from dcsim.scenario.workload import Shares
from dcsim.simulation.placing import places, stand
from dcsim.units import PAGE, GiB

Makeup = dict[str, Any]
"""What memory is made of, in pages, as `Memory` takes it."""
Writers = tuple[tuple[tuple[TouchClass, ...], Literal["anonymous", "cache"]], ...]
Reader = tuple[tuple[TouchClass, ...], int, float]


class GuestPlan(NamedTuple):
    """One guest: its name, what it does, what it is made of, where and when it starts."""

    name: str
    profile: Profile
    makeup: Makeup
    writers: Writers
    readers: tuple[Reader, ...]
    replacement: Literal["lru", "two-list"]
    host: int
    start_s: float
    levels: tuple[tuple[float, float], ...]

    def memory(self) -> Memory:
        """Return its memory as it is at first."""
        return Memory(
            pages=self.profile.pages,
            writers=self.writers,
            readers=self.readers,
            allocators=sum(a.do == "allocate" for a in self.profile.activities),
            replacement=self.replacement,
            **self.makeup,
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scenario ready to run."""

    scenario: dict[str, Any]
    digest: str
    seed: int
    replicate: int
    network: Network
    routing: Literal["ecmp", "even-split", "d-mod-k"]
    weights: dict[str, float]
    storage_latency_s: float
    cores: float
    host_memory_bytes: float
    disk_read: float
    disk_write: float
    guests: tuple[GuestPlan, ...]
    settings: dict[str, Settings]
    operation: OperationPlan
    failures: tuple[FailurePlan, ...]
    horizon_s: float
    settle_s: float
    tolerance: float
    record: Literal["summary", "migrations", "full"]


def prepare(scenario: spec.Scenario, *, replicate: int = 0) -> Prepared:
    """Make a scenario ready to run.

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
        return Preparation(scenario).prepared(replicate=replicate)


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
        policy, settings = _once(_policy), _once(settings_of)
        candidates = functools.cache(lambda pattern: [
            self._hosts[host] for host in matching(pattern, self._hosts)
        ])  # fmt: skip
        classes: Classes = {}
        self._groups = [
            _Group(
                group,
                policy(group.hinting or scenario.hinting),
                group.moves(scenario.migration),
                candidates(group.place.pattern),
                classes,
            )
            for group in scenario.guests
        ]
        data = scenario.to_dict()
        self._same: dict[str, Any] = {
            "scenario": data,
            "digest": spec.digest_of(data),
            "network": network,
            "routing": scenario.topology.routing,
            "weights": _weights(scenario.topology.weights),
            "storage_latency_s": scenario.topology.storage.latency,
            "cores": scenario.topology.host.cores,
            "host_memory_bytes": scenario.topology.host.memory,
            "disk_read": _cap(scenario.topology.host.disk_read),
            "disk_write": _cap(scenario.topology.host.disk_write),
            "settings": {
                group.group: settings(group.migration or scenario.migration)
                for group in scenario.guests
            },
            "operation": _operation(scenario.operation),
            "failures": tuple(_failures(scenario.failures or [], network, problems)),
            "horizon_s": scenario.horizon,
            "settle_s": scenario.settle,
            "tolerance": scenario.tolerance,
            "record": scenario.record,
        }
        if problems:
            raise ScenarioError(problems)
        self._guests: tuple[GuestPlan, ...] | None = None  # where nothing of them is drawn

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
        return Prepared(seed=seed, replicate=replicate, guests=guests, **self._same)

    def _placed(self, streams: Streams) -> tuple[GuestPlan, ...]:
        problems: list[Issue] = []
        free = [self._scenario.topology.host.memory] * len(self._hosts)
        guests: list[GuestPlan] = []
        for i, made in enumerate(self._groups):
            named = (made.group.each or {}).get(HOST)
            hosts = (
                places(made.candidates, made.group, free, streams, f"guests[{i}].place", problems)
                if named is None
                else stand(
                    [self._hosts[name] for name in named],
                    made.group,
                    free,
                    f"guests[{i}].each.{HOST}",
                    problems,
                )
            )
            guests += made.guests(hosts, streams, self._scenario.horizon)
        if problems:
            raise ScenarioError(problems)
        return tuple(guests)


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


# --------------------------------------------------------------------------- guests


Classes = dict[tuple[float, str, float, float, float], tuple[TouchClass, ...]]


class _Kind(NamedTuple):
    """What guests share that are alike."""

    profile: Profile
    makeups: Sequence[Makeup]
    writers: Writers
    readers: tuple[Reader, ...]


class _Group:
    """A group of guests: its sizes become pages, and what is equal is made once.

    Parameters
    ----------
    group
        The group.
    policy
        Its hinting policy.
    migratable
        How its guests move.
    candidates
        The hosts that its pattern names.
    classes
        Classes of pages that were made already.
    """

    def __init__(
        self,
        group: spec.GuestGroup,
        policy: Policy,
        migratable: Literal["live", "cold", "no"],
        candidates: list[int],
        classes: Classes,
    ) -> None:
        self.group = group
        self.candidates = candidates
        self._classes = classes
        self._profile = functools.partial(
            Profile,
            group=group.group,
            workload=group.workload.name,
            policy=policy,
            migratable=migratable,
            because=group.because or "",
            local_disk=_plain(LocalDisk, group.local_disk),
            huge_pages=_plain(HugePageSettings, group.huge_pages),
        )
        self._activities = list(_activities(group.workload.activities))
        self._reads = any(item.do == "read" for item in group.workload.activities)
        self._kinds: dict[Own, _Kind] = {}
        self._memories: dict[tuple[Any, ...], tuple[Sequence[Makeup], Writers]] = {}

    @property
    def drawn(self) -> bool:
        """Whether anything of its guests is random."""
        group = self.group
        chances = (len(group.makeups) > 1, group.arrive > 0, group.workload.load.noise > 0)
        return group.place.by == "random" or any(chances)

    def guests(self, hosts: list[int], streams: Streams, horizon_s: float) -> Iterator[GuestPlan]:
        """Yield the guests, given where they stand."""
        group, load = self.group, self.group.workload.load
        replacement = group.workload.replacement
        levels = tuple((time, level) for time, level in load.points if time < horizon_s)
        for name, own, host in zip(group.guest_names, owns(group), hosts, strict=False):
            kind = self._kinds.get(own)
            if kind is None:
                kind = self._kinds[own] = self._kind(own)
            drawn, start = 0, 0.0
            if len(kind.makeups) > 1:
                drawn = int(streams.stream("guest", name, "makeup").integers(len(kind.makeups)))
            if group.arrive > 0:
                start = float(streams.stream("guest", name, "arrival").uniform(0, group.arrive))
            if load.noise > 0:
                levels = _noisy_levels(load, name, streams, horizon_s)
            yield GuestPlan(
                name=name,
                profile=kind.profile,
                makeup=kind.makeups[drawn],
                writers=kind.writers,
                readers=kind.readers,
                replacement=replacement,
                host=host,
                start_s=start,
                levels=levels,
            )

    def _kind(self, own: Own) -> _Kind:
        pages = own.memory / PAGE
        demands = [math.inf if rate == "max" else rate / PAGE for rate in own.rates]
        memory = (pages, own.shares, own.sets)
        if memory not in self._memories:
            self._memories[memory] = self._memory(*memory)
        made = zip(self._activities, demands, strict=True)
        activities = tuple([activity(demand=demand) for activity, demand in made])
        profile = self._profile(pages=pages, vcpus=own.vcpus, activities=activities)
        readers = tuple(self._readers(pages, own.sets, demands)) if self._reads else ()
        return _Kind(profile, *self._memories[memory], readers)

    def _memory(
        self, pages: float, shares: Shares, sets: tuple[float, ...]
    ) -> tuple[Sequence[Makeup], Writers]:
        """Return what memory of so many pages may be made of, and which of it is written to."""
        work = self.group.workload
        samples = [sample.shares for sample in self.group.makeups] or [shares]
        writers = tuple(
            (self._touched(extent, item.pattern, pages), item.to)
            for item, extent in zip(work.activities, sets, strict=True)
            if item.do == "write"
        )
        return [_makeup(work, sample, pages) for sample in samples], writers

    def _readers(
        self, pages: float, sets: tuple[float, ...], demands: list[float]
    ) -> Iterator[Reader]:
        activities = self.group.workload.activities
        for item, extent, demand in zip(activities, sets, demands, strict=True):
            if item.do == "read":
                speed = item.workers / item.work if demand == math.inf else demand
                yield self._touched(extent, item.pattern, pages), item.read_ahead, speed

    def _touched(
        self, extent: float, pattern: spec.Pattern, pages: float
    ) -> tuple[TouchClass, ...]:
        """Return the classes of a pattern over an extent of so many pages."""
        size = extent * pages if extent <= 1 else extent / PAGE
        key = (size, pattern.kind, pattern.hot_share, pattern.hot_rate, pattern.alpha)
        if key not in self._classes:
            self._classes[key] = classes_of(
                pages=size,
                kind=pattern.kind,
                hot_share=pattern.hot_share,
                hot_rate=pattern.hot_rate,
                alpha=pattern.alpha,
            )
        return self._classes[key]


def _activities(items: list[spec.Activity]) -> Iterator[Callable[..., Activity]]:
    """Yield what makes each activity, given its demand."""
    count: Counter[str] = Counter()
    for item in items:
        yield functools.partial(
            Activity,
            do=item.do,
            work_s=item.work,
            workers=item.workers,
            weight=item.weight,
            index=count["allocate" if item.do == "send" else item.do],
            to=item.to,
            lifetime_s=item.lifetime,
            peer=item.peer,
        )
        count[item.do] += 1


def _makeup(work: spec.Workload, sample: Shares, pages: float) -> Makeup:
    """Return what memory is made of, in pages."""
    return {
        **{name: share * pages for name, share in sample._asdict().items()},
        "min_free": work.min_free * pages,
        "hintable": work.hintable,
        "hintable_zero": work.hintable if work.hintable_zero is None else work.hintable_zero,
        "kernel_high": work.kernel_high * pages,
        "order": tuple(work.order),
        "init_on_alloc": work.init_on_alloc,
    }


def _noisy_levels(
    load: spec.Load, name: str, streams: Streams, horizon_s: float
) -> tuple[tuple[float, float], ...]:
    """Return the steps of a guest's load up to the horizon, its noise drawn."""
    points = [(time, level) for time, level in load.points if time < horizon_s]
    count = math.ceil(horizon_s / load.every)
    draws = streams.stream("guest", name, "load").normal(size=count)
    steps = []
    level, ahead = 1.0, 0
    times = sorted({n * load.every for n in range(count)} | {time for time, _ in points})
    for time in times:
        while ahead < len(points) and points[ahead][0] <= time:
            level = points[ahead][1]
            ahead += 1
        draw = float(draws[min(int(time / load.every + 1e-9), count - 1)])
        steps.append((time, level * math.exp(load.noise * draw - load.noise**2 / 2)))
    return tuple(steps)


# --------------------------------------------------------------------------- plain forms of specs

Plain = TypeVar(
    "Plain",
    AutoConverge, DirtyLimit, Multifd, Compression, Xbzrle, Encryption, Block, LocalDisk,
    HugePageSettings, PostCopy, Retry,
)  # fmt: skip


def _weights(weights: dict[spec.TrafficKind, float]) -> dict[str, float]:
    """Return the weight of each kind of traffic; the kinds of a migration share one."""
    own: dict[str, float] = {kind: w for kind, w in weights.items() if kind != "migration"}
    return own | dict.fromkeys((*MIGRATION_KINDS, *DISK_KINDS), weights.get("migration", 1.0))


def _policy(hinting: spec.Hinting) -> Policy:
    return Policy(hinting.name, hinting.zero_pages, tuple(_step(step) for step in hinting.steps))


def _step(step: spec.Step) -> Step:
    values = {name: getattr(step, name) for name in Step.__slots__}
    values["select"] = tuple(step.select)
    if step.adapt is not None:
        values["adapt"] = Adapt(step.adapt.lost_second, step.adapt.within)
    return Step(**values)


def _cap(value: float | None) -> float:
    """Return a limit, infinite where it is not set."""
    return math.inf if value is None else float(value)


def settings_of(migration: spec.Migration) -> Settings:
    """Return settings as the model has them: a limit that is not set is infinite."""
    given = [setting.name for setting in fields(Settings) if setting.init]
    values = {name: getattr(migration, name) for name in given}
    for name in ("max_bandwidth", "max_rounds"):
        values[name] = _cap(values[name])
    values["auto_converge"] = _plain(AutoConverge, migration.auto_converge)
    values["dirty_limit"] = _plain(DirtyLimit, migration.dirty_limit)
    values["multifd"] = _multifd(migration.multifd)
    values["xbzrle"] = _plain(Xbzrle, migration.xbzrle)
    values["encryption"] = _plain(Encryption, migration.encryption)
    values["block"] = _plain(Block, migration.block)
    values["post_copy"] = _plain(PostCopy, migration.post_copy)
    values["downtime_steps"] = _downtime_steps(migration.downtime_steps)
    return Settings(**values)


def _plain(kind: type[Plain], option: spec.Spec | None) -> Plain | None:
    """Return an option as the engine knows it, null as infinite; None where it is off."""
    if option is None:
        return None
    values: dict[str, Any] = {field.name: getattr(option, field.name) for field in fields(kind)}
    values |= {name: math.inf for name, value in values.items() if value is None}
    return kind(**values)


def _multifd(option: spec.Multifd | None) -> Multifd | None:
    """Return the channels as the engine knows them, with their compression if there is one."""
    channels = _plain(Multifd, option)
    if channels is None or option is None:
        return None
    return replace(channels, compression=_plain(Compression, option.compression))


def _failures(
    failures: list[spec.Failure], network: Network, problems: list[Issue]
) -> Iterator[FailurePlan]:
    """Yield what fails, in numbers; note names of nothing."""
    hosts = {network.node_names[node]: i for i, node in enumerate(network.hosts)}
    links = {name: i for i, name in enumerate(network.link_names)}
    for i, failure in enumerate(failures):
        noun, name, known = "host", failure.host or "", hosts
        if failure.link is not None:
            noun, name, known = "link", failure.link, links
        if name not in known:
            close = did_you_mean(name, known)
            hint = f"did you mean '{close}'?" if close else None
            message = f"there is no {noun} {name!r}"
            problems.append(Issue(path=f"failures[{i}].{noun}", message=message, hint=hint))
            continue
        back = "->".join(reversed(name.split("->")))
        both = tuple(links[way] for way in dict.fromkeys((name, back)) if way in links)
        yield FailurePlan(failure.at, name, hosts.get(name), both)


def _downtime_steps(ladder: spec.DowntimeSteps | None) -> DowntimeSteps | None:
    if ladder is None:
        return None
    steps = (
        Rung(
            downtime_limit=step.downtime_limit or 0.0,
            action=step.action,
            stalls=step.stalls or 0,
            rounds=step.rounds or 0,
            after_s_per_gib=step.after_per_gib or 0.0,
        )
        for step in ladder.steps
    )
    floor_gib = ladder.memory_at_least / GiB
    return DowntimeSteps(ladder.start, ladder.cooldown, floor_gib, tuple(steps))


def _operation(operation: spec.Drain | spec.Moves) -> OperationPlan:
    limits = operation.limits
    drain = operation if isinstance(operation, spec.Drain) else None
    return OperationPlan(
        kind=operation.kind,
        at_s=operation.at,
        hosts=drain.hosts if drain else "",
        placement=drain.placement if drain else "",
        moves=tuple(operation.pairs) if isinstance(operation, spec.Moves) else (),
        caps=(_cap(limits.per_cluster), _cap(limits.per_host_out), _cap(limits.per_host_in)),
        patience=Patience(
            control_plane_s=limits.control_plane,
            completion_s_per_gib=_cap(limits.completion_timeout_per_gib),
            floor_gib=(limits.completion_timeout_floor or 0.0) / GiB,
            completion_s=_cap(limits.completion_timeout),
            progress_s=_cap(limits.progress_timeout),
            on_timeout=limits.on_timeout,
            cancel_s=_cap(limits.cancel_after),
            retry=_plain(Retry, limits.retry),
        ),
    )
