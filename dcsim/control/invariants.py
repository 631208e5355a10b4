"""What must always hold between requests, migrations, hosts and guests, as checks of a run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from dcsim.control.dispatch import Dispatcher
from dcsim.errors import InvariantError
from dcsim.model.guest import Guest
from dcsim.model.host import Host


def check_places(hosts: Sequence[Host], guests: Sequence[Guest]) -> None:
    """Check that each guest is on exactly one host, or lost, and that the lost do nothing.

    Raises
    ------
    InvariantError
        With the guest's name.
    """
    stand = Counter(guest for host in hosts for guest in host.guests)
    for guest in guests:
        if stand[guest] != (guest.host is not None):
            raise InvariantError(f"{guest.name}: it stands on {stand[guest]} hosts")
        if guest.host is None:
            if not guest.perished:
                raise InvariantError(f"{guest.name}: it is on no host, and not lost")
        elif guest not in guest.host.guests:
            raise InvariantError(f"{guest.name}: it is not on {guest.host.name}, where it should")
        elif guest.host.failed and not guest.perished:
            raise InvariantError(f"{guest.name}: it outlived {guest.host.name}")
        if guest.perished and guest.running:
            raise InvariantError(f"{guest.name}: it is lost, and runs")


def check_control(dispatcher: Dispatcher) -> None:
    """Check that reservations and admission are those of migrations under way, and none is lost.

    Raises
    ------
    InvariantError
        With names and figures.
    """
    out, into = Counter[Host](), Counter[Host]()
    reserved = dict.fromkeys(
        ((host, guest) for host in dispatcher.hosts for guest in host.reserved), 0
    )
    for migration in dispatcher.migrations:
        if migration.outcome:
            continue  # it is settling in
        out[migration.source] += 1
        into[migration.destination] += 1
        ahead = not math.isnan(migration.ahead_at)
        held = migration.source if ahead else migration.destination
        if (held, migration.guest) not in reserved:
            message = f"{migration.guest.name}: nothing is reserved for it on {held.name}"
            raise InvariantError(message)
        del reserved[held, migration.guest]
    for host, guest in reserved:
        raise InvariantError(f"{host.name}: it is reserved for {guest.name}, which does not come")
    dispatcher.admission.check(out, into)
    open_requests = dispatcher.requested - dispatcher.ended
    if open_requests != dispatcher.unsettled:
        raise InvariantError(
            f"{open_requests} requests have not ended, {dispatcher.unsettled} are there"
        )
