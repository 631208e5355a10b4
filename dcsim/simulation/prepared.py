"""A Scenario made ready to run: plain data, sizes in pages, everything random drawn.

pydantic ends here. A `Prepared` can be pickled, and running it twice gives the same tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar

from dcsim.control.failures import FailurePlan
from dcsim.control.operations import OperationPlan
from dcsim.errors import Issue, ScenarioError, did_you_mean
from dcsim.garbage import rarely_collected
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
from dcsim.scenario.document import dotted
from dcsim.scenario.topology import Network, build
from dcsim.simulation.placing import places
from dcsim.units import PAGE, GiB


@dataclass(frozen=True, slots=True)
class GuestPlan:
    """One guest: its name, what it does, what it is made of, where and when it starts."""

    name: str
    profile: Profile
    makeup: dict[str, Any]
    writers: tuple[tuple[tuple[TouchClass, ...], Literal["anonymous", "cache"]], ...]
    readers: tuple[tuple[tuple[TouchClass, ...], int, float], ...]
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


@rarely_collected()
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
    seed = replicate_seed(scenario.seed, replicate)
    streams = Streams(seed)
    problems = [
        Issue(path=dotted(problem.path), message=problem.message, hint=problem.hint)
        for problem in check(scenario)
    ]
    if problems:
        raise ScenarioError(problems)
    network = build(scenario.topology)
    guests: list[GuestPlan] = []
    names = {network.node_names[host]: host for host in network.hosts}
    free = [scenario.topology.host.memory] * len(names)
    settings: dict[str, Settings] = {}
    for i, group in enumerate(scenario.guests):
        name = group.group
        settings[name] = settings_of(group.migration or scenario.migration)
        profile, plan = _profile(group, scenario.hinting, scenario.migration)
        candidates = [names[host] for host in matching(group.place.pattern, names)]
        hosts = places(candidates, group, free, streams, f"guests[{i}].place", problems)
        for n, host in enumerate(hosts):
            guests.append(plan(f"{name}-{n}", profile, host, streams, scenario.horizon))
    failures = tuple(_failures(scenario.failures or [], network, problems))
    if problems:
        raise ScenarioError(problems)
    return Prepared(
        scenario=scenario.to_dict(),
        digest=scenario.digest(),
        seed=seed,
        replicate=replicate,
        network=network,
        routing=scenario.topology.routing,
        weights=_weights(scenario.topology.weights),
        storage_latency_s=scenario.topology.storage.latency,
        cores=scenario.topology.host.cores,
        host_memory_bytes=scenario.topology.host.memory,
        disk_read=_cap(scenario.topology.host.disk_read),
        disk_write=_cap(scenario.topology.host.disk_write),
        guests=tuple(guests),
        settings=settings,
        operation=_operation(scenario.operation),
        failures=failures,
        horizon_s=scenario.horizon,
        settle_s=scenario.settle,
        tolerance=scenario.tolerance,
        record=scenario.record,
    )


# --------------------------------------------------------------------------- guests

GuestMaker = Callable[[str, Profile, int, Streams, float], GuestPlan]


def _profile(
    group: spec.GuestGroup, default: spec.Hinting, migration: spec.Migration
) -> tuple[Profile, GuestMaker]:
    """Turn a group's sizes into pages; return what its guests share, and a maker of each."""
    pages = group.memory / PAGE
    work = group.workload
    activities: list[Activity] = []
    writers: list[tuple[tuple[TouchClass, ...], Literal["anonymous", "cache"]]] = []
    readers: list[tuple[tuple[TouchClass, ...], int, float]] = []
    for item in work.activities:
        demand = math.inf if item.rate == "max" else item.rate / PAGE
        size = item.set * pages if item.set <= 1 else item.set / PAGE
        index = sum(a.do == "allocate" for a in activities)
        if item.do in ("write", "read"):
            pattern = item.pattern
            classes = classes_of(
                pages=size,
                kind=pattern.kind,
                hot_share=pattern.hot_share,
                hot_rate=pattern.hot_rate,
                alpha=pattern.alpha,
            )
            if item.do == "write":
                index = len(writers)
                writers.append((classes, item.to))
            else:
                index = len(readers)
                speed = item.workers / item.work if item.rate == "max" else demand
                readers.append((classes, item.read_ahead, speed))
        activities.append(
            Activity(
                do=item.do,
                demand=demand,
                work_s=item.work,
                workers=item.workers,
                weight=item.weight,
                index=index,
                to=item.to,
                lifetime_s=item.lifetime,
                peer=item.peer,
            )
        )
    samples = group.makeups or [work.memory]
    profile = Profile(
        group=group.group,
        workload=work.name,
        pages=pages,
        vcpus=group.vcpus,
        activities=tuple(activities),
        policy=_policy(group.hinting or default),
        migratable=group.moves(migration),
        because=group.because or "",
        local_disk=_plain(LocalDisk, group.local_disk),
        huge_pages=_plain(HugePageSettings, group.huge_pages),
    )

    def plan(
        name: str, profile: Profile, host: int, streams: Streams, horizon_s: float
    ) -> GuestPlan:
        drawn = 0
        if len(samples) > 1:
            drawn = int(streams.stream("guest", name, "makeup").integers(len(samples)))
        start = 0.0
        if group.arrive > 0:
            start = float(streams.stream("guest", name, "arrival").uniform(0, group.arrive))
        sample = samples[drawn]
        makeup = {
            "free_zero": sample.free_zero * pages,
            "free_stale": sample.free_stale * pages,
            "cache": sample.cache * pages,
            "kernel": sample.kernel * pages,
            "anonymous_zero": sample.anonymous_zero * pages,
            "min_free": work.min_free * pages,
            "hintable": work.hintable,
            "hintable_zero": work.hintable if work.hintable_zero is None else work.hintable_zero,
            "kernel_high": work.kernel_high * pages,
            "order": tuple(work.order),
            "init_on_alloc": work.init_on_alloc,
        }
        levels = _levels(work.load, name, streams, horizon_s)
        return GuestPlan(
            name=name,
            profile=profile,
            makeup=makeup,
            writers=tuple(writers),
            readers=tuple(readers),
            replacement=work.replacement,
            host=host,
            start_s=start,
            levels=levels,
        )

    return profile, plan


def _levels(
    load: spec.Load, name: str, streams: Streams, horizon_s: float
) -> tuple[tuple[float, float], ...]:
    """Return the steps of a guest's load up to the horizon, its noise drawn."""
    points = [(time, level) for time, level in load.points if time < horizon_s]
    if load.noise == 0:
        return tuple(points)
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
    values = {name: getattr(migration, name) for name in Settings.__slots__}
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
    moves = operation.moves if isinstance(operation, spec.Moves) else []
    return OperationPlan(
        kind=operation.kind,
        at_s=operation.at,
        hosts=drain.hosts if drain else "",
        placement=drain.placement if drain else "",
        moves=tuple((move.guest, move.to) for move in moves),
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
