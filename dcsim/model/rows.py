"""What a run writes down: the rows of migrations, rounds, guests and hosts.

Each is a tuple of cells in the order in which `dcsim.records.tables` declares the columns.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dcsim.model.activity import DEGREES
from dcsim.records.recorder import Cell
from dcsim.records.summary import LIVE
from dcsim.records.tables import CAUSES, MIGRATION_KINDS
from dcsim.units import PAGE

if TYPE_CHECKING:
    from dcsim.model.guest import Guest
    from dcsim.model.host import Host
    from dcsim.model.migration import Migration

Row = tuple[Cell, ...]

_NOTHING_SENT = (0.0,) * len(MIGRATION_KINDS)
_NOTHING_BEGUN = (
    "total_time_s", "policy_s", "downtime_s", "unreachable_s", "disk_s", "follow_s", "sent_bytes",
    "first_pass_bytes", "disk_copy_bytes", "mirror_bytes", "resent_bytes", "switchover_bytes",
    "postcopy_bytes", "prefetch_bytes", "normal_pages", "delta_pages", "zero_pages",
    "skipped_pages", "mapped_pages", "ballooned_pages", "dropped_pages", "faulted_pages",
    "left_bytes",
)  # fmt: skip
_AFTER_ROUNDS = {"switch-over": 1, "post-copy": 2}
_NOTHING_LOST = dict.fromkeys(CAUSES, 0.0)


def round_row(
    migration: Migration,
    kind: str,
    *,
    began: float,
    pending: float,
    sent: float,
    pages: float,
    new: float,
    threshold: float,
    throttle: float,
) -> Row:
    """Return the row of a round that ends now.

    Parameters
    ----------
    migration
        Whose round it is.
    kind
        ``first pass``, ``re-sent``, ``switch-over`` or ``post-copy``.
    began
        When it began, in seconds.
    pending, pages, new
        Pages to be sent at first; sent; found dirty by the sync that ends it.
    sent, threshold
        Bytes sent; bytes that may be left.
    throttle
        Share of CPU taken when it began.
    """
    return (
        migration.guest.name,
        migration.started_s,
        migration.rounds + _AFTER_ROUNDS.get(kind, 0),
        kind,
        began,
        migration.world.env.now,
        pending,
        sent,
        pages,
        new,
        threshold,
        throttle,
    )


def migration_row(migration: Migration) -> Row:
    """Return the row of a migration that has ended."""
    guest, hints = migration.guest, migration.hints
    stream, disk = migration.stream, migration.disk
    ahead = not math.isnan(migration.ahead_at)
    reached = migration.outcome in LIVE or ahead
    sent = _NOTHING_SENT if stream is None else stream.by_kind
    left = 0.0
    if not migration.outcome.startswith("completed"):
        left = guest.memory_bytes if stream is None else guest.memory.scan.pending * PAGE
    return (
        guest.name,
        guest.profile.group,
        guest.profile.policy.name,
        migration.operation,
        migration.source.name,
        migration.destination.name,
        migration.attempt,
        migration.after,
        migration.outcome,
        migration.reason,
        migration.requested_s,
        migration.started_s,
        migration.stream_s,
        migration.ended_s,
        migration.ended_s - migration.started_s,
        migration.disk_s,
        migration.policy_s,
        migration.downtime_s,
        migration.watch.downtime_limit,
        migration.ended_s - migration.ahead_at if ahead else 0.0,
        migration.settings.announce if reached else 0.0,
        migration.rounds,
        guest.memory_bytes,
        migration.sent_bytes,
        *sent,
        hints.fetched_bytes,
        0.0 if disk is None else disk.copied_bytes,
        0.0 if disk is None else disk.mirrored_bytes,
        0.0 if stream is None else stream.normal,
        0.0 if stream is None else stream.deltas,
        0.0 if stream is None else stream.zero,
        hints.skipped,
        hints.mapped,
        hints.ballooned,
        hints.dropped,
        migration.huge_bytes,
        hints.interactions,
        migration.faulted,
        left,
        migration.dirty_rate,
        migration.mean_rate,
    )


def refusal_row(
    guest: Guest,
    *,
    operation: str,
    source: Host,
    destination: Host | None,
    attempt: int,
    outcome: str,
    reason: str,
    requested_s: float,
    ended_s: float,
) -> dict[str, Cell]:
    """Return what is known of a guest that was asked to move, and did not begin to."""
    return {
        "guest": guest.name,
        "group": guest.profile.group,
        "hinting": guest.profile.policy.name,
        "operation": operation,
        "source": source.name,
        "destination": "" if destination is None else destination.name,
        "attempt": attempt,
        "outcome": outcome,
        "reason": reason,
        "requested_s": requested_s,
        "started_s": math.nan,
        "ended_s": ended_s,
        "memory_bytes": guest.memory_bytes,
        **dict.fromkeys(_NOTHING_BEGUN, 0.0),
    }


def guest_row(guest: Guest, *, left_s: float = math.nan) -> Row:
    """Return the row of a guest at the end of the run, or when it leaves."""
    profile, lost = guest.profile, guest.lost
    return (
        guest.name,
        profile.group,
        profile.workload,
        profile.policy.name,
        "" if guest.host is None or guest.ran_out() else guest.host.name,
        guest.arrived_s,
        left_s,
        int(guest.perished),
        guest.memory_bytes,
        guest.moves,
        math.fsum(lost.values()),
        *(_NOTHING_LOST | lost).values(),
        guest.blackout_s,
        guest.unreachable_s,
        *map(guest.degraded_s, DEGREES),
        guest.read_pages,
        guest.missed_pages,
        guest.refault_pages * PAGE,
        max(0.0, guest.refault_pages - guest.undisturbed_refault_pages) * PAGE,
        guest.writeback_bytes,
        guest.written_pages,
        guest.oom_pages,
    )


def host_row(host: Host, *, guests_before: int) -> Row:
    """Return the row of a host at the end of the run."""
    return (
        host.name,
        host.rack,
        int(host.cores),
        host.memory_bytes,
        guests_before,
        len(host.guests),
        host.used_bytes,
        host.peak_bytes,
        host.moved_out,
        host.moved_in,
        host.off_s,
    )
