"""Failures: what they do to hosts, links, storage and management, when, and for how long. Seconds.

An effect begins, and gives back what ends it, if it ends. When that is, is the failure's plan: at a
time, again and again, or when a guest's migration reaches a phase.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import simpy

from dcsim.control.dispatch import Dispatcher
from dcsim.model.detours import Detours
from dcsim.model.distribution import Distribution
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.model.migration import Migration
from dcsim.model.storage import Storage
from dcsim.model.world import Phase, World
from dcsim.units import format_duration, format_many, format_rate

Undo = Callable[[], None]


@dataclass
class Cluster:
    """All that can fail. Whoever waits for that holds it alone, so that all goes with its run."""

    world: World
    hosts: Sequence[Host]
    guests: Collection[Guest]
    storage: Storage
    control: Dispatcher
    detours: tuple[Detours, ...]

    def look(self) -> None:
        """Let guests that use storage or network look again at what they get."""
        for guest in self.guests:
            if guest.running and guest.traffic is not None:
                guest.look()

    def reroute(self) -> None:
        """Let all traffic go around the links that are down now, where it can."""
        down = self.world.network.down
        for detours in self.detours:
            detours.avoid(down)
        self.storage.reroute(detours=bool(down))
        for migration in self.control.migrations:
            migration.reroute()
        for guest in self.guests:
            if guest.running and guest.traffic is not None and guest.traffic.reroute(down):
                guest.look()

    def break_off(self, links: Sequence[int], reason: str) -> None:
        """Let migrations end that cross one of these links."""
        for migration in self.control.migrations:
            if migration.crosses(links):
                migration.break_off("failed-link", reason)


def lose(world: World, control: Dispatcher, host: Host) -> None:
    """Lose a host with its guests; migrations from and to it break off."""
    world.event(
        "failure",
        host.name,
        f"this host is lost, and {format_many(len(host.guests), 'guest')} on it",
    )
    host.failed = True
    for guest in list(host.guests):
        guest.perish(cause="failure")
    for migration in control.migrations:
        if host in (migration.source, migration.destination):
            migration.break_off("failed-host", f"the host {host.name} failed")
    control.give_up(host)


def revive(host: Host) -> None:
    """Let a host be there again, without the guests that were lost with it."""
    host.failed = False
    for guest in list(host.guests):
        host.dismiss(guest)
        guest.host = None


class HostLost(NamedTuple):
    """A host is lost with its guests; when it is back, it takes others.

    Attributes
    ----------
    host
        Its place among all hosts; or which end of a migration it is.
    returns
        Whether it will be back: who finds no room meanwhile waits for it.
    """

    host: int | Literal["source", "destination"]
    returns: bool

    def begin(self, cluster: Cluster, name: str, migration: Migration | None) -> Undo | None:
        """Lose the host; return what brings it back."""
        world, control = cluster.world, cluster.control
        if isinstance(self.host, int):
            host = cluster.hosts[self.host]
        else:
            assert migration is not None
            host = migration.source if self.host == "source" else migration.destination
        if host.failed:
            return None
        if self.returns:
            control.vacancies.promised[host] = None
        lose(world, control, host)

        def back() -> None:
            control.vacancies.promised.pop(host, None)
            revive(host)
            world.event("recovery", host.name, "this host is back, without its guests")
            control.welcome(host)

        return back


class LinkCut(NamedTuple):
    """A link loses the connections across it, and is up again at once."""

    links: tuple[int, ...]

    def begin(self, cluster: Cluster, name: str, migration: Migration | None) -> None:
        """Break off what crosses it."""
        cluster.world.event("failure", name, "connections across this link are lost")
        cluster.break_off(self.links, f"the link {name} failed")


class LinkDown(NamedTuple):
    """A link carries nothing; traffic goes around it where it can, and stands still elsewhere.

    Attributes
    ----------
    links
        Both directions.
    breaks_after_s
        How long a connection stands still before it is lost; 0: none outlives the failure.
    """

    links: tuple[int, ...]
    breaks_after_s: float

    def begin(self, cluster: Cluster, name: str, migration: Migration | None) -> Undo:
        """Take the link down; return what brings it up again."""
        world, network = cluster.world, cluster.world.network
        world.event("failure", name, "this link is down")
        if self.breaks_after_s <= 0:
            cluster.break_off(self.links, f"the link {name} failed")
        for link in self.links:
            network.impair(link, 0.0)
        cluster.reroute()
        is_down = True

        def lose_connections() -> None:
            if is_down:
                after = format_duration(self.breaks_after_s)
                cluster.break_off(self.links, f"the link {name} was down for {after}")

        def up() -> None:
            nonlocal is_down
            is_down = False
            for link in self.links:
                network.repair(link, 0.0)
            world.event("recovery", name, "this link is up again")
            cluster.reroute()

        if self.breaks_after_s > 0:
            _later(world.env, self.breaks_after_s, lose_connections)
        return up


class LinkDegraded(NamedTuple):
    """A link carries a share of what it is rated at."""

    links: tuple[int, ...]
    share: float

    def begin(self, cluster: Cluster, name: str, migration: Migration | None) -> Undo:
        """Degrade it; return what makes it whole."""
        world, network = cluster.world, cluster.world.network
        for link in self.links:
            network.impair(link, self.share)
        rate = format_rate(network.capacity[self.links[0]])
        world.event("failure", name, f"this link carries {rate}")

        def whole() -> None:
            for link in self.links:
                network.repair(link, self.share)
            world.event("recovery", name, "this link carries all it did")

        return whole


class StorageImpaired(NamedTuple):
    """The storage serves a share of what it did, 0 if it is gone, and each read takes longer."""

    disk: int
    share: float
    latency_s: float

    def begin(self, cluster: Cluster, name: str, migration: Migration | None) -> Undo:
        """Slow it down; return what ends that."""
        world, network, storage = cluster.world, cluster.world.network, cluster.storage
        network.impair(self.disk, self.share)
        storage.slow_down(self.latency_s)
        cluster.look()
        words = "it is gone"
        if self.share > 0:
            words = f"it serves {format_rate(network.capacity[self.disk])}"
            if self.latency_s > 0:
                words += f", each read {format_duration(self.latency_s)} later"
        world.event("failure", name, words)

        def recover() -> None:
            network.repair(self.disk, self.share)
            storage.recover(self.latency_s)
            world.event("recovery", name, "it serves as it did")
            cluster.look()

        return recover


class ManagementSlow(NamedTuple):
    """The management plane takes longer for what is its own before each migration."""

    factor: float
    delay_s: float

    def begin(self, cluster: Cluster, name: str, migration: Migration | None) -> Undo:
        """Slow it down; return what ends that."""
        world, plane = cluster.world, cluster.world.control_plane
        plane.slow_down(self.factor, self.delay_s)
        words = f"it takes {self.factor:g} times as long" if self.factor > 1 else "it is slow"
        if self.delay_s > 0:
            words += f", {format_duration(self.delay_s)} more for each migration"
        world.event("failure", name, words)

        def recover() -> None:
            plane.recover(self.factor, self.delay_s)
            world.event("recovery", name, "it takes as long as it did")

        return recover


class Abort(NamedTuple):
    """The operator cancels the migrations of guests, and what waits for one."""

    guests: str

    def begin(self, cluster: Cluster, name: str, migration: Migration | None) -> None:
        """Cancel them."""
        cancelled = cluster.control.call_off(self.guests, "the operator cancelled it")
        cluster.world.event(
            "abort", name, f"the operator cancels {format_many(cancelled, 'migration')}"
        )


Effect = HostLost | LinkCut | LinkDown | LinkDegraded | StorageImpaired | ManagementSlow | Abort


class Moment(NamedTuple):
    """When a guest's migration has been in a phase for so long."""

    guest: str
    phase: Phase
    after_s: float


class FailurePlan(NamedTuple):
    """One failure, ready to happen.

    Attributes
    ----------
    name
        Of what fails.
    effect
        What that does.
    at_s
        When it happens first; None where `every` or `when` says so.
    every
        From one time to the next.
    when
        What it waits for.
    times
        How often it happens at most.
    lasts
        How long each time; None where it does not end, or is over at once.
    stream
        Name of its streams of random numbers.
    """

    name: str
    effect: Effect
    at_s: float | None
    every: Distribution | None
    when: Moment | None
    times: float
    lasts: Distribution | None
    stream: tuple[str | int, ...]


def fail(cluster: Cluster, plan: FailurePlan) -> Generator[simpy.Event, Any]:
    """Wait for each time of a failure, and let it happen."""
    env, streams = cluster.world.env, cluster.world.streams
    lasts = plan.lasts and plan.lasts.draws(streams, *plan.stream, "lasts")
    every = plan.every and plan.every.draws(streams, *plan.stream, "every")
    happened = 0
    while happened < plan.times:
        migration = None
        if plan.when is not None:
            migration = yield _reached(cluster.world, plan.when)
            if plan.when.after_s > 0:
                yield env.timeout(plan.when.after_s)
        elif happened == 0 and plan.at_s is not None:
            yield env.timeout(plan.at_s)
        else:
            assert every
            yield env.timeout(next(every))
        undo = plan.effect.begin(cluster, plan.name, migration)
        lasts_s = next(lasts) if lasts else 0.0  # drawn, whether anything has begun or not
        if lasts and undo is not None:
            _later(env, lasts_s, undo)
        happened += 1


def _reached(world: World, when: Moment) -> simpy.Event:
    """Return an event that happens when a guest's migration next reaches a phase."""
    event = world.moments.get((when.guest, when.phase))
    if event is None:
        event = world.moments[when.guest, when.phase] = world.env.event()
    return event


def _later(env: simpy.Environment, delay_s: float, do: Undo) -> None:
    """Do something so much later."""
    timer = env.timeout(delay_s)
    assert timer.callbacks is not None
    timer.callbacks.append(lambda _: do())
