"""Failures: hosts that are lost, links that lose the connections across them. Seconds."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple

import simpy

from dcsim.control.dispatch import Dispatcher
from dcsim.model.host import Host
from dcsim.model.migration import World


class FailurePlan(NamedTuple):
    """One failure, ready to happen: of a host, by its place among all, or of links.

    Attributes
    ----------
    at_s
        When.
    name
        Of the host or link.
    host
        The host's place among all hosts; None for a link.
    links
        Both directions of the link.
    """

    at_s: float
    name: str
    host: int | None
    links: tuple[int, ...]


def fail(
    world: World, hosts: Sequence[Host], dispatcher: Dispatcher, plan: FailurePlan
) -> Generator[simpy.Event]:
    """Wait for the time of a failure, and let it happen."""
    yield world.env.timeout(plan.at_s)
    if plan.host is None:
        world.event("failure", plan.name, "connections across this link are lost")
        for migration in dispatcher.migrations:
            if migration.crosses(plan.links):
                migration.break_off("failed-link", f"the link {plan.name} failed")
        return
    host = hosts[plan.host]
    world.event("failure", host.name, f"this host is lost, and {len(host.guests)} guests on it")
    host.failed = True
    for guest in list(host.guests):
        guest.pause(cause="failure")
    for migration in dispatcher.migrations:
        if host in (migration.source, migration.destination):
            migration.break_off("failed-host", f"the host {host.name} failed")
    dispatcher.give_up(host)
