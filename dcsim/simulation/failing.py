"""What fails, in numbers: one plan for each host or link that a pattern names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from dcsim.control import failures as plans
from dcsim.control.failures import Effect, FailurePlan
from dcsim.scenario import distribution, spec
from dcsim.scenario.cluster import matching
from dcsim.scenario.failing import cables
from dcsim.scenario.topology import Network
from dcsim.simulation.plain import distribution_of

GIVES_UP_S: Final = 924.6
"""For how long Linux sends a segment again, at least, before the connection is lost [F.1]."""

Named = Iterator[tuple[str, Effect, distribution.Distribution | None]]


def failures_of(failures: Sequence[spec.Failure], network: Network) -> Iterator[FailurePlan]:
    """Yield what fails, in numbers.

    What is drawn of a failure has the name of what fails, so that others never shift it.
    """
    hosts = {network.node_names[node]: i for i, node in enumerate(network.hosts)}
    before = Counter[tuple[str, str]]()
    for failure in failures:
        for name, effect, lasts in _effects(failure, hosts, network):
            kind = type(effect).__name__
            stream = ("failure", kind, name, before[kind, name])
            before[kind, name] += 1
            endless = failure.every is not None and failure.times is None
            yield FailurePlan(
                name=name,
                effect=effect,
                at_s=failure.at,
                every=None if failure.every is None else distribution_of(failure.every),
                when=None
                if failure.when is None
                else plans.Moment(failure.when.guest, failure.when.phase, failure.when.after),
                times=math.inf if endless else failure.times or 1,
                lasts=None if lasts is None else distribution_of(lasts),
                stream=stream,
            )


def _effects(failure: spec.Failure, hosts: dict[str, int], network: Network) -> Named:
    """Yield the name of each thing that fails, what that does, and how long it lasts."""
    match failure:
        case spec.HostFailure(host="source" | "destination" as end) if failure.when is not None:
            back = failure.returns_after
            yield end, plans.HostLost(end, returns=back is not None), back
        case spec.HostFailure():
            back = failure.returns_after
            for name in matching(failure.host, hosts):
                yield name, plans.HostLost(hosts[name], returns=back is not None), back
        case spec.LinkFailure():
            for name, links in cables(failure.link, network).items():
                yield name, _of_link(failure, links), failure.lasts
        case spec.StorageFailure():
            assert network.disk is not None
            share = 0.0 if failure.storage == "gone" else failure.capacity or 1.0
            effect = plans.StorageImpaired(network.disk, share, failure.latency or 0.0)
            yield "storage", effect, failure.lasts
        case spec.ManagementFailure():
            slow = plans.ManagementSlow(failure.factor, failure.delay)
            yield "management", slow, failure.lasts
        case spec.Abort():
            yield failure.abort, plans.Abort(failure.abort), None


def _of_link(failure: spec.LinkFailure, links: tuple[int, ...]) -> Effect:
    if failure.lasts is None:
        return plans.LinkCut(links)
    if failure.capacity is not None:
        return plans.LinkDegraded(links, failure.capacity)
    after_s = failure.breaks_after
    return plans.LinkDown(links, GIVES_UP_S if after_s is None else after_s)
