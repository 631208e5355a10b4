"""Pre-copy: rounds that send and sync, and the switch-over. Seconds, bytes and pages.

A round ends when what is left would fit the downtime limit at the bandwidth of the last window,
and at the end of a window; a sync then adds what was dirtied, and unless that still fits, another
round begins [C.3]. With a window of 0 a round sends all it has and the bandwidth is that of the
round, as other simulators have it. What follows the guest instead is the matter of
`dcsim.model.following`.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import simpy

from dcsim.model.stream import Stream
from dcsim.units import PAGE

if TYPE_CHECKING:
    from dcsim.model.migration import Migration


Start = tuple[float, float, float, float]
"""When a round began; bytes sent by then, share of CPU taken, pages found dirty."""


def begin_round(migration: Migration, stream: Stream) -> Start:
    """Count a round that begins now; return how things are."""
    migration.rounds += 1
    migration.begin_round(stream)
    return migration.world.env.now, stream.sent, migration.guest.throttle, migration.found_pages


def end_round(migration: Migration, stream: Stream, kind: str, start: Start) -> tuple[float, bool]:
    """Sync after a round; return what is left, in bytes, and whether it fits."""
    began, sent_before, throttle, found_before = start
    watch, now = migration.watch, migration.world.env.now
    stream.end_round()
    left = stream.scan.pending * PAGE
    left += sync(migration, stream) * PAGE
    new = migration.found_pages - found_before
    elapsed, sent = now - began, stream.sent - sent_before
    bandwidth = sent / elapsed if elapsed > 0 else math.inf
    if migration.settings.window > 0:
        bandwidth = stream.bandwidth()
    threshold = bandwidth * watch.downtime_limit
    if elapsed > 0 and now < watch.deadline_s:
        migration.dirty_rate = new * PAGE / elapsed
    migration.end_round(stream, kind, new=new, threshold=threshold, throttle=throttle)
    return left, left <= threshold


def sync(migration: Migration, stream: Stream) -> float:
    """Collect the dirty log; return the pages that it adds to what is to be sent."""
    new = stream.scan.sync()
    migration.syncs += 1
    migration.found_pages += new
    if migration.brakes is not None:
        migration.brakes.sync(new, migration.sent_bytes)
    return new


def sync_often(migration: Migration, stream: Stream, every_s: float) -> Generator[simpy.Event]:
    """Sync in long rounds too, where none has been for so long; the first pass is let be."""
    seen = 0
    while True:
        yield migration.world.env.timeout(every_s)
        if migration.guest.stream is not stream or not migration.guest.running:
            return
        if migration.rounds > 1 and migration.syncs == seen:
            migration.guest.pass_time()
            sync(migration, stream)
        seen = migration.syncs


def window_end(migration: Migration, start: Start) -> float:
    """Return when the present bandwidth window ends; the first of a round is a whole one."""
    began, *_ = start
    window = migration.settings.window
    passed = (migration.world.env.now - migration.stream_s) / window
    first = math.floor((began - migration.stream_s) / window + 1e-9) + 1
    return migration.stream_s + max(first, math.ceil(passed - 1e-9)) * window


def climb(migration: Migration, stream: Stream) -> Generator[simpy.Event]:
    """Take the steps of the downtime limit that come by time."""
    env, watch = migration.world.env, migration.watch
    while watch.next_step_s < math.inf:
        yield env.timeout(max(0.0, watch.next_step_s - env.now))
        if migration.guest.stream is not stream or not migration.guest.running:
            return
        watch.climb(env.now, migration.rounds)
        stream.allow(watch.downtime_limit)


def switch_over(migration: Migration, stream: Stream) -> Generator[simpy.Event, Any]:
    """Send the rest, the guest paused, without the cap; make ready to start it."""
    env, guest = migration.world.env, migration.guest
    stream.scan.sync()
    migration.begin_round(stream)
    if migration.disk is not None:
        yield from migration.disk.finish()
    yield from stream.send_round("switch-over", fits_s=0.0, until_s=math.inf, limited=False)
    guest.pass_time()
    stream.end_round()
    if migration.settings.device_state > 0:
        yield stream.send_raw(migration.settings.device_state, limited=False)
    stream.close()
    if migration.settings.activation > 0:
        yield env.timeout(migration.settings.activation)
    migration.end_round(stream, "switch-over")
