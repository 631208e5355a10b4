"""What a migration writes down: its row, and one for each of its rounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dcsim.records.summary import LIVE
from dcsim.units import PAGE

if TYPE_CHECKING:
    from dcsim.model.migration import Migration

_AFTER_ROUNDS = {"switch-over": 1, "post-copy": 2}


def round_row(
    migration: Migration,
    kind: str,
    *,
    began: float,
    pending: float,
    sent: float,
    pages: float = 0.0,
    new: float = 0.0,
    threshold: float = 0.0,
    throttle: float = 0.0,
) -> dict[str, Any]:
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
    return {
        "guest": migration.guest.name,
        "started_s": migration.started_s,
        "round": migration.rounds + _AFTER_ROUNDS.get(kind, 0),
        "kind": kind,
        "from_s": began,
        "to_s": migration.world.env.now,
        "pending_pages": pending,
        "sent_bytes": sent,
        "sent_pages": pages,
        "dirtied_pages": new,
        "threshold_bytes": threshold,
        "throttle": throttle,
    }


def migration_row(migration: Migration) -> dict[str, Any]:
    """Return the row of a migration that has ended."""
    guest, hints, stream = migration.guest, migration.hints, migration.stream
    ahead = not math.isnan(migration.ahead_at)
    reached = migration.outcome in LIVE or ahead
    sent_of = {} if stream is None else stream.sent_of
    left = guest.memory_bytes if stream is None else guest.memory.scan.pending * PAGE
    return {
        "guest": guest.name,
        "group": guest.profile.group,
        "hinting": guest.profile.policy.name,
        "source": migration.source.name,
        "destination": migration.destination.name,
        "attempt": migration.attempt,
        "outcome": migration.outcome,
        "reason": migration.reason,
        "requested_s": migration.requested_s,
        "started_s": migration.started_s,
        "stream_s": migration.stream_s,
        "ended_s": migration.ended_s,
        "total_time_s": migration.ended_s - migration.started_s,
        "disk_s": migration.disk_s,
        "policy_s": migration.policy_s,
        "downtime_s": migration.downtime_s,
        "downtime_limit_s": migration.watch.downtime_limit,
        "follow_s": migration.ended_s - migration.ahead_at if ahead else 0.0,
        "unreachable_s": migration.settings.announce if reached else 0.0,
        "rounds": migration.rounds,
        "memory_bytes": guest.memory_bytes,
        "sent_bytes": migration.sent_bytes,
        "first_pass_bytes": sent_of.get("first pass", 0.0),
        "resent_bytes": sent_of.get("re-sent", 0.0),
        "switchover_bytes": sent_of.get("switch-over", 0.0),
        "postcopy_bytes": sent_of.get("post-copy", 0.0),
        "prefetch_bytes": hints.fetched_bytes,
        "disk_copy_bytes": 0.0 if migration.disk is None else migration.disk.copied_bytes,
        "mirror_bytes": 0.0 if migration.disk is None else migration.disk.mirrored_bytes,
        "normal_pages": 0.0 if stream is None else stream.normal,
        "delta_pages": 0.0 if stream is None else stream.deltas,
        "zero_pages": 0.0 if stream is None else stream.zero,
        "skipped_pages": hints.skipped,
        "mapped_pages": hints.mapped,
        "ballooned_pages": hints.ballooned,
        "dropped_pages": hints.dropped,
        "huge_bytes": migration.huge_bytes,
        "interactions": hints.interactions,
        "faulted_pages": migration.faulted,
        "left_bytes": 0.0 if migration.outcome.startswith("completed") else left,
        "dirty_bytes_per_s": migration.dirty_rate,
        "bandwidth_bytes_per_s": migration.mean_rate,
    }
