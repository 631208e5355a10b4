"""A scenario in words and figures: what `dcsim show` tells. Inside: bytes, seconds, bytes/s."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from dcsim.cli.console import table
from dcsim.scenario import presets
from dcsim.scenario.chance import random_inputs
from dcsim.scenario.cluster import Cluster, matching
from dcsim.scenario.columns import HOST, MEMORY, VCPUS
from dcsim.scenario.graphs import oversubscription
from dcsim.scenario.operation import Moves, Placed, parts
from dcsim.scenario.topology import build, host_names
from dcsim.units import format_count, format_duration, format_many, format_rate, format_size

if TYPE_CHECKING:
    from dcsim.scenario import spec
    from dcsim.scenario.distribution import Distribution
    from dcsim.scenario.operation import Part
    from dcsim.scenario.topology import Network

NOTHING_RANDOM: Final = "Nothing is random: one run is enough."


def data(scenario: spec.Scenario) -> dict[str, Any]:
    """Return what a scenario means as plain data, the whole of it resolved under ``scenario``."""
    network = build(scenario.topology)
    ratios = oversubscription(network).values()
    return {
        "name": scenario.name,
        "digest": scenario.digest(),
        "random": random_inputs(scenario),
        "topology": {
            "kind": scenario.topology.kind,
            "hosts": len(network.hosts),
            "racks": len(set(network.racks)),
            "switches": network.node_kinds.count("switch"),
            "links": _links(network),
            "oversubscription": {"least": min(ratios), "most": max(ratios)},
        },
        "guests": {
            "count": sum(group.count for group in scenario.guests),
            "memory_bytes": sum(group.memory_bytes for group in scenario.guests),
        },
        "scenario": scenario.to_dict(),
    }


def lines(scenario: spec.Scenario) -> Iterator[str]:
    """Yield what a scenario means, line by line."""
    figures = data(scenario)
    cluster = Cluster(scenario.topology, host_names(scenario.topology))
    yield scenario.name + (f": {scenario.about}" if scenario.about else "")
    yield ""
    yield from _topology(scenario.topology, figures["topology"])
    yield from _differing(cluster)
    yield ""
    guests = figures["guests"]
    yield (
        f"Guests: {format_count(guests['count'])} in {format_many(len(scenario.guests), 'group')}, "
        f"{format_size(guests['memory_bytes'])} of memory"
    )
    for group in scenario.guests:
        yield from _group(group, scenario, cluster)
    yield ""
    yield f"Hinting: {_hinting(scenario.hinting)}"
    yield f"Migration: {_migration(scenario.migration)}"
    for _, operation in parts(scenario.operation):
        yield f"Operation: {_operation(operation, cluster)}"
    if isinstance(scenario.operation, Placed):
        yield f"Placement: {scenario.operation.placement}"
    yield f"Limits: {_limits(scenario.operation.limits)}"
    if scenario.operation.order is not None:
        yield f"Order: {scenario.operation.order}"
    yield (
        f"Watched until {format_duration(scenario.settle)} after the last migration, "
        f"for {format_duration(scenario.horizon)} at most; record: {scenario.record}"
    )
    yield ""
    if figures["random"]:
        yield f"Random, from seed {scenario.seed}:"
        yield from (f"  {what}" for what in figures["random"])
    else:
        yield NOTHING_RANDOM
    yield f"Digest: {figures['digest']}"


# --------------------------------------------------------------------------- network


def _links(network: Network) -> list[dict[str, Any]]:
    """Return the full-duplex links by class; the storage's own service is none of them."""
    classes: dict[str, list[float]] = {}
    for name, rate in list(zip(network.link_classes, network.capacity_bytes_per_s, strict=True))[
        ::2
    ]:
        classes.setdefault(name, []).append(rate)
    classes.pop("disk", None)
    return [
        {
            "class": name,
            "count": len(rates),
            "least_bytes_per_s": min(rates),
            "most_bytes_per_s": max(rates),
        }
        for name, rates in classes.items()
    ]


def _topology(topology: spec.Topology, figures: dict[str, Any]) -> Iterator[str]:
    host, storage = topology.host, topology.storage
    more, promised = host.overcommit, ""
    if more is not None:
        cpu = "any number of vCPUs" if more.cpu is None else f"{more.cpu:g} vCPUs a core"
        promised = f" (promised: {more.memory:g} times that, {cpu})"
    yield (
        f"Topology: {figures['kind']}, {format_many(figures['hosts'], 'host')} in "
        f"{format_many(figures['racks'], 'rack')}, "
        f"{format_many(figures['switches'], 'switch', 'switches')}; "
        f"{format_many(host.cores, 'core')} and {format_size(host.memory)} "
        f"for guests each{promised}"
    )
    rows = []
    for link in figures["links"]:
        ends = dict.fromkeys(format_rate(link[f"{end}_bytes_per_s"]) for end in ("least", "most"))
        rows.append([f"  {link['class']}", format_count(link["count"]), " to ".join(ends)])
    yield table(["  links", "count", "payload each way"], rows)
    ratios = figures["oversubscription"]
    shown = " to ".join(dict.fromkeys(f"{ratio:.3g}:1" for ratio in ratios.values()))
    yield f"  oversubscription of racks: {shown}; routing: {topology.routing}"
    yield (
        f"  storage: {format_rate(storage.bandwidth)}, {format_count(storage.iops)} operations/s, "
        f"{format_duration(storage.latency)} a read"
    )


def _differing(cluster: Cluster) -> Iterator[str]:
    """Yield what hosts have that differ from each other, a line a kind."""
    kinds: dict[int, list[str]] = {}
    for name, plan in cluster.plans.items():
        kinds.setdefault(id(plan), []).append(name)
    for names in kinds.values() if len(kinds) > 1 else ():
        plan = cluster.plans[names[0]]
        words = [format_many(int(plan.cores), "core"), format_size(plan.memory_bytes)]
        words += [f"{key}={value}" for key, value in plan.labels.items()]
        words += sorted(plan.cpu_flags)
        yield f"  {format_many(len(names), 'host')}, {names[0]} first: {', '.join(words)}"


# --------------------------------------------------------------------------- guests


def _arrivals(arrivals: spec.Arrivals) -> str:
    """Say how guests arrive."""
    said = f"one after another, each after {_duration(arrivals.every)}"
    if arrivals.start > 0:
        said += f", from {format_duration(arrivals.start)} on"
    if arrivals.until is not None:
        said += f", until {format_duration(arrivals.until)}"
    return said + (f", {format_count(arrivals.most)} at most" if arrivals.most else "")


def _duration(asked: Distribution) -> str:
    """Say how long something takes that may be drawn."""
    values = {key: getattr(asked, key) for key in type(asked).model_fields if key != "kind"}
    if asked.kind == "fixed":
        return format_duration(asked.value)
    if asked.kind == "empirical":
        return f"one of {format_many(len(asked.values), 'value')}"
    said = (
        f"{key} {f'{value:g}' if key in ('shape', 'sigma') else format_duration(value)}"
        for key, value in values.items()
    )
    return f"{asked.kind}, {', '.join(said)}"


def _group(group: spec.GuestGroup, scenario: spec.Scenario, cluster: Cluster) -> Iterator[str]:
    each = group.each or {}
    sizes = _range(each.get(MEMORY, [group.memory]), format_size)
    vcpus = _range(each.get(VCPUS, [group.vcpus]), format_count)
    if HOST in each:
        where = f"on {format_many(len(set(each[HOST])), 'host')}, each by its name"
    else:
        count = format_many(len(matching(group.place.pattern, cluster.plans)), "host")
        where = f"on {group.place.pattern} ({count}, {group.place.by})"
    noun = "vCPU" if vcpus == "1" else "vCPUs"
    yield f"  {group.group}: {format_count(group.count)} x {sizes}, {vcpus} {noun}, {where}"
    asked = [f"{key}={value}" for key, value in (group.requires or {}).items()]
    asked += [f"cpu flag {flag}" for flag in group.cpu_flags or []]
    for how, sets in (("apart", group.apart), ("together", group.together)):
        if sets is not None:
            asked.append(f"{how} by {sets.by}" + (f", {sets.of} a set" if sets.of else ""))
    if asked:
        yield f"    asks for: {'; '.join(asked)}"
    if group.arrivals is not None:
        yield f"    {'further ones ' if group.count else ''}arrive {_arrivals(group.arrivals)}"
    if group.stay is not None:
        yield f"    each stays {_duration(group.stay)}"
    if each:
        yield f"    each of its own: {', '.join(each)}"
    work = group.workload
    yield f"    workload {work.name}" + (f": {work.about}" if work.about else "")
    if group.makeups:
        yield f"    memory drawn from {format_many(len(group.makeups), 'sample')}"
    else:
        yield f"    memory: {_makeup(work.memory)}"
    for activity in work.activities:
        yield f"    {_activity(activity)}"
    if work.load.points or work.load.noise:
        steps = format_many(len(work.load.points), "step")
        yield f"    load: {steps}, noise sigma {work.load.noise:g}"
    own = group.hinting
    yield f"    hinting: {own.name if own else scenario.hinting.name}" + (
        " (its own)" if own else ""
    )
    if group.migration:
        yield f"    migration of its own: {_migration(group.migration)}"
    if group.migratable != "live":
        why = f", because of {group.because}" if group.because else ""
        yield f"    {'moves cold' if group.migratable == 'cold' else 'does not move'}{why}"


def _range(values: list[Any], form: Callable[[Any], str]) -> str:
    """Return the least and the most of some values, once where they are the same."""
    return " to ".join(dict.fromkeys(form(end(values)) for end in (min, max)))


def _makeup(memory: spec.Makeup) -> str:
    parts = {
        "free and zero": memory.free_zero,
        "free and stale": memory.free_stale,
        "page cache": memory.cache,
        "kernel": memory.kernel,
        "process memory of zeros": memory.anonymous_zero,
        "process memory": max(memory.anonymous, 0.0),
    }
    return ", ".join(f"{_percent(share)} {what}" for what, share in parts.items() if share > 5e-4)


def _activity(activity: spec.Activity) -> str:
    rate = "as fast as it can" if activity.rate == "max" else f"{format_size(activity.rate)}/s"
    extent = _percent(activity.set) if activity.set <= 1 else format_size(activity.set)
    sets = f"{extent} of its memory" if activity.set <= 1 else extent
    return {
        "write": f"writes {activity.to}: {rate} over {sets}, {activity.pattern.kind}",
        "read": f"reads files: {rate} over {sets}, {activity.pattern.kind}",
        "allocate": f"allocates: {rate}",
        "send": f"sends: {rate} to {activity.peer}",
    }[activity.do]


# --------------------------------------------------------------------------- policies


def _hinting(hinting: spec.Hinting) -> str:
    if hinting.name in presets.HINTING:
        return f"{hinting.name}: {presets.describe('hinting', hinting.name)}"
    steps = [
        f"{' and '.join(step.select)}{'' if step.share == 1 else f' ({_percent(step.share)})'} "
        f"told by {step.tell}, returned {step.returned}"
        + (f", up to {step.limit} less {format_size(step.reserve)}" if step.limit != "none" else "")
        for step in hinting.steps
    ]
    zeros = "zero pages found" if hinting.zero_pages else "zero pages sent whole"
    return f"{hinting.name}: {'; then '.join([zeros, *steps])}"


def _migration(migration: spec.Migration) -> str:
    cap = migration.max_bandwidth
    return (
        f"{migration.hypervisor}, {'no cap' if cap is None else f'{format_size(cap)}/s at most'}, "
        f"downtime limit {format_duration(migration.downtime_limit)}"
    )


def _operation(operation: Part, cluster: Cluster) -> str:
    at = f"at {format_duration(operation.at)}"
    if operation.window is not None:
        at += f", within {format_duration(operation.window)}"
    if isinstance(operation, Moves):
        return f"{format_many(len(operation.pairs), 'move')} {at}, in the order given"
    selected = format_many(len(operation.selected(cluster)), "host")
    return f"{operation.kind} {operation.what} ({selected}) {at}"


def _limits(limits: spec.Limits) -> str:
    caps = {
        "in the cluster": limits.per_cluster,
        "out of a host": limits.per_host_out,
        "into a host": limits.per_host_in,
        "at a host": limits.per_host,
        "with disks a pool": limits.per_pool,
        **{f"on one {own} link": count for own, count in (limits.per_link or {}).items()},
        **{
            f"at a host whose link has {format_rate(slots.link)}": slots.most
            for slots in limits.host_slots or []
        },
    }
    parts = [f"{count} at a time {where}" for where, count in caps.items() if count is not None]
    costs = {"a host's": limits.host_cost, "a pool's": limits.pool_cost}
    parts += [
        f"{of} {cost.most} units, {cost.live} each and {cost.disk} with its disk"
        for of, cost in costs.items()
        if cost is not None
    ]
    times = {
        "of management before each": limits.control_plane or None,
        "a GiB until given up": limits.completion_timeout_per_gib,
        "without progress until given up": limits.progress_timeout,
    }
    parts += [f"{format_duration(t)} {what}" for what, t in times.items() if t is not None]
    return f"{limits.name}: {', '.join(parts) or 'none'}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
