"""Post-copy, from the pause to the last page: the guest goes ahead, its pages follow [C.5].

Seconds, bytes and pages. What a guest waits for meanwhile is the matter of `dcsim.model.postcopy`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import simpy

from dcsim.model.guest import SHORTEST_LOOK_S
from dcsim.model.postcopy import Absent, PostCopy
from dcsim.model.scan import LEAST_PAGES
from dcsim.model.stream import Stream
from dcsim.units import PAGE

if TYPE_CHECKING:
    from dcsim.model.migration import Migration

DISCARD_BYTES = 16.0
"""A range of pages to be thrown away: its start and its length, 8 bytes each [C.5]."""
PARTS = 20
"""Parts after each of which the guest is looked at: faults are up to 1 in 40 too many for it."""
STANDING_LOOK_S = 1.0
"""How often a guest is looked at to which nothing comes."""


def go_ahead(
    migration: Migration, stream: Stream, post_copy: PostCopy
) -> Generator[simpy.Event, Any]:
    """Start the guest at the destination, which is told what it lacks and what is stale."""
    env, guest, settings = migration.world.env, migration.guest, migration.settings
    guest.memory.scan.sync()
    migration.begin_round(stream)
    pending = guest.memory.scan.pending
    told = settings.device_state + pending * DISCARD_BYTES
    yield stream.send_raw(told, limited=False, kind="switch-over")
    if migration.disk is not None:
        yield from migration.disk.finish()
    busy_s = settings.activation + pending * post_copy.register_page
    if busy_s > 0:
        yield env.timeout(busy_s)
    migration.end_round(stream, "switch-over")
    if migration.broken():
        return
    if migration.brakes is not None:
        migration.brakes.release()
    guest.write_fault_s = 0.0
    guest.pass_time()
    guest.absent = Absent(
        guest.memory,
        fault_s=post_copy.fault,
        page_bytes=stream.transport.whole,
        zero_bytes=stream.transport.zero,
    )
    migration.arrive()
    migration.ahead_at = env.now
    migration.source.reserve(guest)  # what is not sent yet has its place there


def follow(
    migration: Migration, stream: Stream, post_copy: PostCopy
) -> Generator[simpy.Event, Any]:
    """Send the rest while the guest runs; what fits the downtime limit goes without a cap."""
    env, guest = migration.world.env, migration.guest
    migration.begin_round(stream)
    pending = guest.memory.scan.pending
    stream.let_follow(post_copy.max_bandwidth)
    limited = True
    fits_s = 0.0  # the rate of the moment is still that of the switch-over
    step_s = SHORTEST_LOOK_S
    while pending > LEAST_PAGES and not guest.ran_out() and not migration.broken():
        until_s = env.now + step_s
        yield from stream.send_round("post-copy", fits_s=fits_s, until_s=until_s, limited=limited)
        guest.look()
        pending = guest.memory.scan.pending
        rate = stream.flow.rate
        if rate > 0:
            step_s = max(step_s, pending * stream.page_bytes / rate / PARTS)
        else:  # its way is down
            step_s = max(step_s, STANDING_LOOK_S)
        fits_s = migration.watch.downtime_limit if limited else 0.0
        if pending * PAGE <= rate * fits_s * (1 + 1e-6):
            limited, fits_s = False, 0.0  # as QEMU does, measured [M.13]
    stream.end_round()
    migration.end_round(stream, "post-copy")
