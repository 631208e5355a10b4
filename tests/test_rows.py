"""The rows that a run writes: every cell is where its column is declared."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace as Thing

import pytest

from dcsim.model.rows import guest_row, host_row, migration_row, round_row
from dcsim.records.tables import CAUSES, GUESTS, HOSTS, MIGRATIONS, ROUNDS, Table
from dcsim.units import PAGE


def thing(numbered: str, **given):
    """Return an object whose attributes are numbers, no two the same, and what is given."""
    return Thing(**{name: next(_NUMBERS) + 0.5 for name in numbered.split()} | given)


_NUMBERS = itertools.count(1)


def named(table: Table, row) -> dict:
    """Return a row by its columns' names; it has a cell for each."""
    return dict(zip(table.names, row, strict=True))


def guest(**given):
    """Return something that looks like a guest to those who write it down."""
    return thing(
        "arrived_s memory_bytes moves blackout_s unreachable_s read_pages missed_pages "
        "refault_pages writeback_bytes written_pages oom_pages",
        name="db-3",
        profile=Thing(group="db", workload="oltp", policy=Thing(name="balloon-held")),
        host=Thing(name="rack1/host2"),
        ran_out=lambda: False,
        perished=False,
        memory=Thing(scan=Thing(pending=7.0)),
        lost={cause: next(_NUMBERS) + 0.25 for cause in CAUSES},
        degraded_s={0.1: 31.0, 0.5: 21.0, 0.99: 11.0}.get,
        **given,
    )


def migration(**given):
    """Return something that looks like a migration to those who write it down."""
    sent = (0.1, 0.2, 0.3, 0.4)
    looks = {
        "guest": guest(),
        "operation": "drain",
        "after": "db-2",
        "source": Thing(name="rack0/host0"),
        "destination": Thing(name="rack1/host1"),
        "outcome": "completed",
        "reason": "since",
        "ended_s": 1000.0,
        "ahead_at": math.nan,
        "watch": thing("downtime_limit"),
        "settings": thing("announce"),
        "disk": thing("copied_bytes mirrored_bytes"),
        "stream": thing("normal deltas zero", by_kind=sent),
        "hints": thing("fetched_bytes skipped mapped ballooned dropped interactions"),
        "world": Thing(env=Thing(now=77.0)),
    }
    return thing(
        "attempt requested_s started_s stream_s disk_s policy_s downtime_s rounds sent_bytes "
        "huge_bytes faulted dirty_rate mean_rate",
        **looks | given,
    )


def test_row_of_a_migration():
    """Each column has what it is named for."""
    moved = migration()
    stream, hints = moved.stream, moved.hints
    assert named(MIGRATIONS, migration_row(moved)) == {
        "guest": "db-3", "group": "db", "hinting": "balloon-held",
        "operation": "drain", "after": "db-2",
        "source": "rack0/host0", "destination": "rack1/host1",
        "attempt": moved.attempt, "outcome": "completed", "reason": "since",
        "requested_s": moved.requested_s, "started_s": moved.started_s,
        "stream_s": moved.stream_s, "ended_s": 1000.0,
        "total_time_s": 1000.0 - moved.started_s,
        "disk_s": moved.disk_s, "policy_s": moved.policy_s, "downtime_s": moved.downtime_s,
        "downtime_limit_s": moved.watch.downtime_limit,
        "follow_s": 0.0, "unreachable_s": moved.settings.announce, "rounds": moved.rounds,
        "memory_bytes": moved.guest.memory_bytes, "sent_bytes": moved.sent_bytes,
        "first_pass_bytes": 0.1, "resent_bytes": 0.2, "switchover_bytes": 0.3,
        "postcopy_bytes": 0.4, "prefetch_bytes": hints.fetched_bytes,
        "disk_copy_bytes": moved.disk.copied_bytes, "mirror_bytes": moved.disk.mirrored_bytes,
        "normal_pages": stream.normal, "delta_pages": stream.deltas, "zero_pages": stream.zero,
        "skipped_pages": hints.skipped, "mapped_pages": hints.mapped,
        "ballooned_pages": hints.ballooned, "dropped_pages": hints.dropped,
        "huge_bytes": moved.huge_bytes, "interactions": hints.interactions,
        "faulted_pages": moved.faulted, "left_bytes": 0.0,
        "dirty_bytes_per_s": moved.dirty_rate, "bandwidth_bytes_per_s": moved.mean_rate,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"outcome": "cancelled"}, {"left_bytes": 7.0 * PAGE, "unreachable_s": 0.0}),
        ({"outcome": "cancelled", "ahead_at": 900.0}, {"follow_s": 100.0}),
        ({"disk": None}, {"disk_copy_bytes": 0.0, "mirror_bytes": 0.0}),
        ({"stream": None}, {"normal_pages": 0.0, "delta_pages": 0.0, "resent_bytes": 0.0}),
    ],
)
def test_row_of_a_migration_that_went_otherwise(changes, expected):
    """What there was not is 0; what is left counts only where it did not complete."""
    assert named(MIGRATIONS, migration_row(migration(**changes))).items() >= expected.items()


def test_row_of_a_round():
    """The switch-over and what follows count on from the rounds."""
    moved = migration(rounds=4)
    row = round_row(
        moved, "switch-over", began=1.0, pending=2.0, sent=3.0, pages=4.0, new=5.0, threshold=6.0,
        throttle=7.0,
    )  # fmt: skip
    assert named(ROUNDS, row) == {
        "guest": "db-3", "started_s": moved.started_s, "round": 5, "kind": "switch-over",
        "from_s": 1.0, "to_s": 77.0, "pending_pages": 2.0, "sent_bytes": 3.0, "sent_pages": 4.0,
        "dirtied_pages": 5.0, "threshold_bytes": 6.0, "throttle": 7.0,
    }  # fmt: skip


def test_row_of_a_guest():
    """Each column has what it is named for."""
    one = guest(undisturbed_refault_pages=0.5)
    assert named(GUESTS, guest_row(one, left_s=77.0)) == {
        "guest": "db-3", "group": "db", "workload": "oltp", "hinting": "balloon-held",
        "host": "rack1/host2", "arrived_s": one.arrived_s, "left_s": 77.0, "lost": 0,
        "memory_bytes": one.memory_bytes, "moves": one.moves,
        "lost_work_s": math.fsum(one.lost.values()),
        **{f"lost_{cause}_s": one.lost[cause] for cause in CAUSES},
        "blackout_s": one.blackout_s, "unreachable_s": one.unreachable_s,
        "degraded10_s": 31.0, "degraded50_s": 21.0, "degraded99_s": 11.0,
        "read_pages": one.read_pages, "missed_pages": one.missed_pages,
        "refault_bytes": one.refault_pages * PAGE,
        "extra_refault_bytes": (one.refault_pages - 0.5) * PAGE,
        "writeback_bytes": one.writeback_bytes, "written_pages": one.written_pages,
        "oom_pages": one.oom_pages,
    }  # fmt: skip


def test_row_of_a_lost_guest():
    """It stands nowhere; a guest that read less than undisturbed read nothing extra."""
    one = guest(undisturbed_refault_pages=1e9)
    assert named(GUESTS, guest_row(one))["extra_refault_bytes"] == 0.0
    one.perished = True
    assert named(GUESTS, guest_row(one))["lost"] == 1
    one.ran_out = lambda: True
    assert named(GUESTS, guest_row(one))["host"] == ""
    one.host = None
    assert named(GUESTS, guest_row(one))["host"] == ""


def test_row_of_a_host():
    """Each column has what it is named for."""
    one = thing(
        "memory_bytes used_bytes peak_bytes moved_out moved_in off_s",
        name="rack0/host1", rack="rack0", cores=64.0, guests={1: None, 2: None},
    )  # fmt: skip
    assert named(HOSTS, host_row(one, guests_before=5)) == {
        "host": "rack0/host1", "rack": "rack0", "cores": 64, "memory_bytes": one.memory_bytes,
        "guests_before": 5, "guests_after": 2, "used_bytes": one.used_bytes,
        "peak_bytes": one.peak_bytes, "moved_out": one.moved_out, "moved_in": one.moved_in,
        "off_s": one.off_s,
    }  # fmt: skip
