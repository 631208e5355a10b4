"""One run: build the world, let its processes act, write down what came of it."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import NamedTuple

import simpy
from simpy.core import StopSimulation

from dcsim.control.dispatch import Dispatcher
from dcsim.control.failures import Cluster, LinkDown, fail
from dcsim.control.invariants import check_control, check_places
from dcsim.control.operations import Operation, OperationPlan, operation
from dcsim.garbage import no_collection
from dcsim.model.detours import Detours
from dcsim.model.diskcopy import Disks
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.model.invariants import check_guest, check_host, check_sets
from dcsim.model.network import Network
from dcsim.model.routing import Routes
from dcsim.model.rows import host_row
from dcsim.model.storage import Storage
from dcsim.model.terms import Whereabouts
from dcsim.model.world import World
from dcsim.records.recorder import Recorder
from dcsim.records.result import Result
from dcsim.records.steps import Steps
from dcsim.rng import Streams
from dcsim.scenario import spec
from dcsim.simulation.groups import GuestPlan
from dcsim.simulation.population import Population
from dcsim.simulation.prepared import Prepared, prepare

PROGRESS_EVERY_S = 0.1
EVENTS_BETWEEN_LOOKS = 64
"""How many events happen before progress is told, and invariants are checked."""
END_PRIORITY = 10
"""After everything else that happens at the same instant, settling included."""


class Progress(NamedTuple):
    """How far a run is.

    Attributes
    ----------
    simulated_s, horizon_s
        Simulated time, and its end at most.
    events
        Events so far.
    ended, requested
        Migrations that have ended, and that were asked for.
    """

    simulated_s: float
    horizon_s: float
    events: int
    ended: int
    requested: int


def run(
    scenario: spec.Scenario | Prepared,
    *,
    replicate: int = 0,
    progress: Callable[[Progress], None] | None = None,
    check: bool = False,
) -> Result:
    """Simulate a scenario.

    Parameters
    ----------
    scenario
        What is asked, or what `prepare` made of it.
    replicate
        Which replication of a scenario; a `Prepared` has its own.
    progress
        Called about ten times a second.
    check
        Verify the model's invariants as the run goes on (slow).

    Returns
    -------
    Result
        Tidy tables of what happened.

    Raises
    ------
    ScenarioError
        If the scenario cannot be run as it is.
    InvariantError
        If `check` finds the model at fault.

    Examples
    --------
    >>> import dcsim
    >>> result = dcsim.run(dcsim.load("quick-start"))
    >>> result.metrics["completed"] == result.metrics["requested"]
    True
    """
    if isinstance(scenario, spec.Scenario):
        scenario = prepare(scenario, replicate=replicate)
    with no_collection():
        world = _Run(scenario, check=check)
        result = world.result(progress)
        world.end()
        return result


class _Run:
    """The world of one run."""

    def __init__(self, prepared: Prepared, *, check: bool) -> None:
        self.prepared = prepared
        self.check = check
        self.env = env = simpy.Environment()
        self.recorder = recorder = Recorder(
            prepared.record, degraded_limit_s=prepared.degraded_limit_s
        )
        self.rates: Steps[tuple[int, str]] = Steps()
        self.slowdowns: Steps[str] = Steps()
        self.streams = Streams(prepared.seed)
        self.names = list(prepared.network.link_names)
        self.classes = list(prepared.network.link_classes)
        capacity = list(prepared.network.capacity_bytes_per_s)
        disks = Disks(
            self._disks("{0}:disk->{0}", prepared.disk_read, capacity),
            self._disks("{0}->{0}:disk", prepared.disk_write, capacity),
        )
        self.network = Network(
            env,
            capacity,
            weights=prepared.weights,
            slack=prepared.tolerance,
            record=self.rates.turn if recorder.keeps("link_rates") else None,
            check=check,
        )
        routes: Routes | Detours = prepared.routes
        migration_routes: Routes | Detours = prepared.migration_routes
        detours: tuple[Detours, ...] = ()
        if any(isinstance(failure.effect, LinkDown) for failure in prepared.failures):
            routes = migration_routes = Detours(prepared.routes)
            if prepared.migration_routes is not prepared.routes:
                migration_routes = Detours(prepared.migration_routes)
            detours = routes, migration_routes
        storage = Storage(
            self.network,
            routes,
            node=prepared.network.storage,
            outside=prepared.network.outside,
            service_s=prepared.storage_latency_s,
            streams=self.streams,
        )
        whereabouts: Whereabouts = {}
        self.hosts = [
            Host(
                name=prepared.network.node_names[node],
                rack=prepared.network.racks[node],
                node=node,
                cores=plan.cores,
                memory_bytes=plan.memory_bytes,
                overcommit=plan.overcommit,
                cpu_overcommit=plan.cpu_overcommit,
                labels=plan.labels,
                flags=plan.cpu_flags,
                whereabouts=whereabouts,
            )
            for node, plan in zip(prepared.network.hosts, prepared.hosts, strict=True)
        ]
        slowdown = self.slowdowns.hold if recorder.keeps("slowdowns") else None
        phase = self._phase if recorder.keeps("phases") else None

        def make(plan: GuestPlan) -> Guest:
            return Guest(
                env,
                self.network,
                storage,
                name=plan.name,
                profile=plan.profile,
                vcpus=plan.vcpus,
                demands=plan.demands,
                makeup=plan.makeup,
                levels=plan.levels,
                tolerance=prepared.tolerance,
                record=slowdown,
                record_phase=phase,
                terms=plan.terms,
            )

        self.population = Population(env, recorder, make)
        self.population.stand(prepared.guests, self.hosts)
        self.before = Counter(plan.host for plan in prepared.guests)
        world = World(env, self.network, migration_routes, self.streams, recorder, disks)
        self.dispatcher = Dispatcher(
            world,
            self.hosts,
            self.population.guests,
            prepared.settings,
            prepared.management,
            prepared.network,
        )
        self.population.live_on(prepared.guests, prepared.arrivals, self.dispatcher)
        self.operations: list[Operation] = []
        for asked in prepared.operations:
            self.operate(asked)
        self.done = env.all_of([one.done for one in self.operations])
        if any(one.endless for one in self.operations):
            env.process(self._close_endless())
        self.cluster = Cluster(
            world, self.hosts, self.population.guests, storage, self.dispatcher, detours
        )
        for failure in prepared.failures:
            env.process(fail(self.cluster, failure))

    def operate(self, plan: OperationPlan) -> Operation:
        """Let an operation take place."""
        one = operation(self.dispatcher, plan)
        self.operations.append(one)
        self.env.process(one.run())
        return one

    @property
    def guests(self) -> list[Guest]:
        """Those that are there now."""
        return list(self.population.guests)

    def _disks(self, name: str, rate: float, capacity: list[float]) -> dict[int, int]:
        """Add a link for one way of each host's local disks, if there is a bound on it."""
        if rate == math.inf:
            return {}
        network = self.prepared.network
        links = {node: len(capacity) + i for i, node in enumerate(network.hosts)}
        capacity += [rate] * len(links)
        self.names += [name.format(network.node_names[node]) for node in links]
        self.classes += ["disk"] * len(links)
        return links

    # ------------------------------------------------------------------ running

    def result(self, progress: Callable[[Progress], None] | None) -> Result:
        """Run to the end and return the tables."""
        env, prepared = self.env, self.prepared
        self._end_after(prepared.horizon_s)
        assert self.done.callbacks is not None
        self.done.callbacks.append(lambda _: self._end_after(prepared.settle_s))
        events = 0
        step, told = env.step, time.monotonic()
        with suppress(StopSimulation):
            while True:
                for _ in range(EVENTS_BETWEEN_LOOKS):
                    step()
                events += EVENTS_BETWEEN_LOOKS
                if self.check:
                    self.verify()
                if progress is not None and time.monotonic() - told > PROGRESS_EVERY_S:
                    told = time.monotonic()
                    progress(self._progress(events))
        result = self.tables()
        if progress is not None:
            progress(self._progress(events))
        return result

    def tables(self) -> Result:
        """End the run here, and return its tables."""
        env, prepared = self.env, self.prepared
        self._finish()
        ends = [one.ended_s for one in self.operations]
        summary = self.recorder.summarise(
            operation_at_s=min(plan.at_s for plan in prepared.operations),
            simulated_s=env.now,
            ended_s=math.nan if any(map(math.isnan, ends)) else max(ends),
        )
        return Result(
            scenario=prepared.scenario,
            digest=prepared.digest,
            seed=prepared.seed,
            replicate=prepared.replicate,
            columns=self.recorder.finish(summary),
        )

    def _close_endless(self) -> Generator[simpy.Event]:
        """Let operations that have no end of their own end with the others, or the horizon."""
        horizon = self.env.timeout(self.prepared.horizon_s)
        others = [one.done for one in self.operations if not one.endless]
        yield self.env.any_of([horizon, self.env.all_of(others)]) if others else horizon
        for one in self.operations:
            if one.endless:
                one.close()

    def _end_after(self, delay_s: float) -> None:
        """End the run so much later, unless it ends before."""
        end = self.env.event()
        end._ok, end._value = True, None
        assert end.callbacks is not None
        end.callbacks.append(StopSimulation.callback)
        self.env.schedule(end, priority=END_PRIORITY, delay=delay_s)  # type: ignore[arg-type]

    def _progress(self, events: int) -> Progress:
        return Progress(
            self.env.now,
            self.prepared.horizon_s,
            events,
            self.dispatcher.ended,
            self.dispatcher.requested,
        )

    def verify(self) -> None:
        """Check what must hold while the run goes on."""
        self._verify_places()
        check_control(self.dispatcher)

    def _verify_places(self) -> None:
        check_places(self.hosts, self.guests)
        for guest in self.population.guests:
            check_guest(guest)
        for host in self.hosts:
            check_host(host)
        check_sets(self.hosts)

    def end(self) -> None:
        """Cut what refers to each other, or the whole world would stay until it is searched for."""
        self.dispatcher.drop()
        for flow in self.network.flows:
            self.network.close(flow)
        for guest in self.population.guests:
            guest.part()
        placers, operations = self.dispatcher.vacancies.placers, self.operations
        for one in (*placers, self.dispatcher, *operations, self.cluster, self.env):
            vars(one).clear()
        vars(self).clear()

    # ------------------------------------------------------------------ records

    def _operations(self) -> Iterator[tuple[float | int | str, ...]]:
        """Yield the rows of operations, beside the best that they could have come to."""
        migrations = self.recorder.columns("migrations")
        maintenance = self.recorder.columns("maintenance")
        if migrations is None or maintenance is None:
            return
        from dcsim.control.review import Reviewer  # a summary has no use for it

        prepared = self.prepared
        reviewer = Reviewer(
            migrations=migrations,
            maintenance=maintenance,
            network=prepared.network,
            settings=prepared.settings,
            management=prepared.management,
        )
        for one in self.operations:
            review = reviewer.review(one.plan, [host.name for host in one.hosts])
            limit_s = prepared.degraded_limit_s
            yield one.row(review=review, links=self.names, degraded_limit_s=limit_s)

    def _phase(self, **row: float | str) -> None:
        self.recorder.add("phases", **row)

    def _finish(self) -> None:
        """Let everything reach the end, and write the tables of what there is."""
        if self.check:
            self.verify()
        if not self.done.triggered:
            self.dispatcher.cancel("the horizon came first")
        for one in self.operations:
            one.leave_off()
        self.dispatcher.record_unsettled()
        for guest in self.population.guests:
            guest.leave_off()
        self.network.finish()
        if self.check:
            self._verify_places()
        names, classes, capacity = self.names, self.classes, self.network.rated
        carried = self.network.carried
        rows = self.recorder.rows
        self.population.finish()
        rows(
            "hosts",
            (host_row(host, guests_before=self.before[i]) for i, host in enumerate(self.hosts)),
        )
        rows(
            "links",
            (
                (names[link], classes[link], kind, capacity[link], carried[link, kind])
                for link, kind in sorted(carried)
            ),
        )
        rows(
            "link_rates",
            (
                (names[link], kind, from_s, rate)
                for (link, kind), from_s, _, rate in self.rates.finish(self.env.now)
            ),
        )
        rows("operations", self._operations())
        rows("slowdowns", self.slowdowns.finish(self.env.now))
