"""Parts of a scenario as the model has them: plain data, and infinite what is not limited."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

from dcsim.control.admission import Caps, Cost
from dcsim.control.dispatch import Management
from dcsim.control.operations import OperationPlan
from dcsim.model.convergence import AutoConverge, DirtyLimit
from dcsim.model.diskcopy import LocalDisk
from dcsim.model.distribution import Distribution
from dcsim.model.hinting import Adapt, Policy, Step
from dcsim.model.hugepages import Settings as HugePageSettings
from dcsim.model.patience import DowntimeSteps, Patience, Retry, Rung
from dcsim.model.postcopy import PostCopy
from dcsim.model.routing import Routes, Routing
from dcsim.model.stream import Settings
from dcsim.model.transport import Block, Compression, Encryption, Multifd, Xbzrle
from dcsim.records.tables import DISK_KINDS, MIGRATION_KINDS
from dcsim.scenario import distribution, spec
from dcsim.scenario.cluster import Cluster
from dcsim.scenario.operation import Part, parts
from dcsim.scenario.topology import Network
from dcsim.units import GiB

Plain = TypeVar(
    "Plain",
    AutoConverge, DirtyLimit, Multifd, Compression, Xbzrle, Encryption, Block, LocalDisk,
    HugePageSettings, PostCopy, Retry,
)  # fmt: skip


def weights_of(weights: dict[spec.TrafficKind, float]) -> dict[str, float]:
    """Return the weight of each kind of traffic; the kinds of a migration share one."""
    own: dict[str, float] = {kind: w for kind, w in weights.items() if kind != "migration"}
    return own | dict.fromkeys((*MIGRATION_KINDS, *DISK_KINDS), weights.get("migration", 1.0))


def routes_of(network: Network, routing: Routing) -> tuple[Routes, Routes]:
    """Return the routes of guests' traffic and of migrations, which may have links of their own."""
    routes = Routes(network, routing=routing)
    dedicated = network.links_of_class("migration")
    if not dedicated:
        return routes, routes
    others = frozenset(range(len(network.link_names))) - dedicated
    return routes.without(dedicated), routes.without(others)


def policy_of(hinting: spec.Hinting) -> Policy:
    """Return a hinting policy as the model has it."""
    return Policy(hinting.name, hinting.zero_pages, tuple(_step(step) for step in hinting.steps))


def _step(step: spec.Step) -> Step:
    values = {name: getattr(step, name) for name in Step._fields}
    values["select"] = tuple(step.select)
    if step.adapt is not None:
        values["adapt"] = Adapt(step.adapt.lost_second, step.adapt.within)
    return Step(**values)


def limit(value: float | None) -> float:
    """Return a limit, infinite where it is not set."""
    return math.inf if value is None else float(value)


def settings_of(migration: spec.Migration) -> Settings:
    """Return settings as the model has them: a limit that is not set is infinite."""
    values = {name: getattr(migration, name) for name in Settings._fields}
    for name in ("max_bandwidth", "max_rounds"):
        values[name] = limit(values[name])
    values["auto_converge"] = plain(AutoConverge, migration.auto_converge)
    values["dirty_limit"] = plain(DirtyLimit, migration.dirty_limit)
    values["multifd"] = _multifd(migration.multifd)
    values["xbzrle"] = plain(Xbzrle, migration.xbzrle)
    values["encryption"] = plain(Encryption, migration.encryption)
    values["block"] = plain(Block, migration.block)
    values["post_copy"] = plain(PostCopy, migration.post_copy)
    values["downtime_steps"] = _downtime_steps(migration.downtime_steps)
    return Settings(**values)


def plain(kind: type[Plain], option: spec.Spec | None) -> Plain | None:
    """Return an option as the engine knows it, null as infinite; None where it is off."""
    if option is None:
        return None
    values: dict[str, Any] = {name: getattr(option, name) for name in kind._fields}
    values |= {name: math.inf for name, value in values.items() if value is None}
    return kind(**values)


def distribution_of(asked: distribution.Distribution) -> Distribution:
    """Return a duration that may be drawn as the model has it."""
    values = {key: getattr(asked, key) for key in type(asked).model_fields if key != "kind"}
    return Distribution(asked.kind, tuple(values.get("values", values.values())), asked.mean_s)


def _multifd(option: spec.Multifd | None) -> Multifd | None:
    """Return the channels as the engine knows them, with their compression if there is one."""
    channels = plain(Multifd, option)
    if channels is None or option is None:
        return None
    return channels._replace(compression=plain(Compression, option.compression))


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


def caps_of(limits: spec.Limits, *, goodput: float) -> Caps:
    """Return what is allowed at once, given the share of a link's rate that is payload."""
    pools = [] if limits.per_pool is None else [Cost(limits.per_pool, live=0.0)]
    pools += [Cost(cost.most, cost.live, cost.disk) for cost in [limits.pool_cost] if cost]
    return Caps(
        per_cluster=limit(limits.per_cluster),
        per_host_out=limit(limits.per_host_out),
        per_host_in=limit(limits.per_host_in),
        per_host=limit(limits.per_host),
        per_link=tuple(sorted((limits.per_link or {}).items())),
        host_slots=tuple((slots.link * goodput, slots.most) for slots in limits.host_slots or []),
        host_costs=tuple(Cost(c.most, c.live, c.disk) for c in [limits.host_cost] if c),
        pool_costs=tuple(pools),
    )


def management_of(operation: spec.Managed, *, goodput: float) -> Management:
    """Return the rules of migrations as control has them: a limit that is not set is infinite."""
    limits = operation.limits
    return Management(
        order=operation.order or "listed",
        placement=getattr(operation, "placement", "first-fit"),
        caps=caps_of(limits, goodput=goodput),
        patience=Patience(
            control_plane_s=limits.control_plane,
            completion_s_per_gib=limit(limits.completion_timeout_per_gib),
            floor_gib=(limits.completion_timeout_floor or 0.0) / GiB,
            completion_s=limit(limits.completion_timeout),
            progress_s=limit(limits.progress_timeout),
            on_timeout=limits.on_timeout,
            cancel_s=limit(limits.cancel_after),
            retry=plain(Retry, limits.retry),
        ),
        swap=bool(getattr(operation, "swap", None)),
    )


def operations_of(
    operation: Part | spec.Timetable, host: spec.Host, cluster: Cluster
) -> Iterator[OperationPlan]:
    """Yield operations as control has them, hosts by their places."""
    hosts = {name: i for i, name in enumerate(cluster.plans)}
    for _, part in parts(operation):
        plan = OperationPlan(part.kind, part.called, part.at, limit(part.window))
        if isinstance(part, spec.Moves):
            yield plan._replace(moves=tuple((guest, hosts[to]) for guest, to in part.pairs))
            continue
        plan = plan._replace(
            about=part.which, hosts=tuple(hosts[name] for name in part.selected(cluster))
        )
        if not isinstance(part, spec.Drain):
            from dcsim.simulation.operating import rules_of  # most operations are drains

            plan = plan._replace(own=rules_of(part, host))
        yield plan._replace(at_once=limit(getattr(part, "at_once", None)))
