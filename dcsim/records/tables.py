"""Every table and column, declared once: name, type, unit, meaning.

Documentation, Parquet metadata and the tests are made from these declarations. A column that is a
bare number carries its unit in its name.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import Any, Final, Literal, NamedTuple

Kind = Literal["float", "int", "text"]
Columns = dict[str, MutableSequence[Any]]
"""The values of a table by column: an array of numbers, or a list of texts."""

MIGRATION_KINDS: Final = ("first pass", "re-sent", "switch-over", "post-copy")
"""Traffic of the migration stream itself."""
DISK_KINDS: Final = ("disk copy", "mirror write")
"""Traffic of the local disks that move with guests."""
KINDS: Final = (
    *MIGRATION_KINDS, *DISK_KINDS, "prefetch", "refault", "write-back", "application", "control"
)  # fmt: skip
"""Every kind of traffic."""
CAUSES: Final = (
    "blackout", "restart", "cpu", "write_fault", "cache_miss", "storage", "network", "inflation",
    "memory", "throttle", "dirty_limit", "huge_pages", "post_copy", "failure",
)  # fmt: skip
"""What a guest can lose work to."""
OUTCOMES: Final = (
    "completed", "completed-cold", "completed-postcopy", "aborted-timeout", "aborted-no-progress",
    "failed-host", "failed-link", "cancelled", "guest-oom", "not-movable", "no-room",
)  # fmt: skip
"""How a migration, or the request for one, ends: exactly one of these."""


class Column(NamedTuple):
    """One column: its name, type, unit ("" = none) and meaning."""

    name: str
    kind: Kind
    unit: str
    meaning: str


class Table(NamedTuple):
    """One table: its name, meaning and columns."""

    name: str
    meaning: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in order."""
        return tuple(column.name for column in self.columns)


def _columns(*rows: tuple[str, Kind, str, str]) -> tuple[Column, ...]:
    return tuple(Column(*row) for row in rows)


MIGRATIONS = Table(
    "migrations",
    "One row for each attempt to move a guest that an operation asked for, whatever came of it.",
    _columns(
        ("guest", "text", "", "the guest's name"),
        ("group", "text", "", "its group"),
        ("hinting", "text", "", "its hinting policy"),
        ("operation", "text", "", "the operation that asked for it"),
        ("source", "text", "", "host it left"),
        ("destination", "text", "", "host it went to; empty where none was found"),
        ("attempt", "int", "", "1, and more where it was tried again"),
        ("after", "text", "", "guest or host whose end or return let it start; empty: none had to"),
        ("outcome", "text", "", "how it ended, one of the named outcomes"),
        ("reason", "text", "", "why, in words, where it did not complete by itself"),
        ("requested_s", "float", "s", "time the operation asked for it"),
        ("started_s", "float", "s", "time it was admitted"),
        ("stream_s", "float", "s", "time the first byte was sent; NaN where none was"),
        ("ended_s", "float", "s", "time it ended"),
        ("total_time_s", "float", "s", "from admission to the end"),
        ("disk_s", "float", "s", "of that, spent on copying its local disk before all else"),
        ("policy_s", "float", "s", "of that, spent on the policy before the stream"),
        ("downtime_s", "float", "s", "guest paused: the blackout"),
        ("downtime_limit_s", "float", "s", "the limit of it that held last"),
        ("follow_s", "float", "s", "time the guest ran before all its pages were there: post-copy"),
        ("unreachable_s", "float", "s", "after the blackout, until the network knew the new place"),
        ("rounds", "int", "", "dirty-bitmap syncs that were followed by sending"),
        ("memory_bytes", "float", "B", "the guest's memory"),
        ("sent_bytes", "float", "B", "sum of the four columns below"),
        ("first_pass_bytes", "float", "B", "sent in the first pass"),
        ("resent_bytes", "float", "B", "sent again in later rounds"),
        ("switchover_bytes", "float", "B", "sent while the guest was paused"),
        ("postcopy_bytes", "float", "B", "sent after it, to the guest running there"),
        ("prefetch_bytes", "float", "B", "read from storage at the destination, not sent"),
        ("disk_copy_bytes", "float", "B", "copied of its local disk, not part of sent_bytes"),
        ("mirror_bytes", "float", "B", "written to its disk at the destination meanwhile"),
        ("normal_pages", "float", "pages", "sent whole"),
        ("delta_pages", "float", "pages", "sent as what had changed in them"),
        ("zero_pages", "float", "pages", "sent as a zero page"),
        ("skipped_pages", "float", "pages", "taken out of the stream by hints"),
        ("mapped_pages", "float", "pages", "sent as an entry of a disk map"),
        ("ballooned_pages", "float", "pages", "taken by the balloon"),
        ("dropped_pages", "float", "pages", "page cache given up for the migration"),
        ("huge_bytes", "float", "B", "in huge pages as the stream began; NaN where not modelled"),
        ("interactions", "int", "", "exchanges of guest and host for the policy"),
        ("faulted_pages", "float", "pages", "touched before they were there, and waited for"),
        ("left_bytes", "float", "B", "not yet sent when it ended; 0 when completed"),
        ("dirty_bytes_per_s", "float", "B/s", "rate at which its last full round was redirtied"),
        ("bandwidth_bytes_per_s", "float", "B/s", "mean rate of the stream while it ran"),
    ),
)

ROUNDS = Table(
    "rounds",
    "One row for each round of each live migration, switch-over and post-copy last.",
    _columns(
        ("guest", "text", "", "the guest's name"),
        ("started_s", "float", "s", "when the migration was admitted: with guest, its name"),
        ("round", "int", "", "1 is the first pass"),
        ("kind", "text", "", "first pass, re-sent, switch-over or post-copy"),
        ("from_s", "float", "s", "time the round began"),
        ("to_s", "float", "s", "time it ended"),
        ("pending_pages", "float", "pages", "to be sent when it began"),
        ("sent_bytes", "float", "B", "sent in it"),
        ("sent_pages", "float", "pages", "sent in it, zero pages included"),
        ("dirtied_pages", "float", "pages", "found newly dirty by the sync that ended it"),
        ("threshold_bytes", "float", "B", "what the downtime limit allowed to be left at its end"),
        ("throttle", "float", "", "share of CPU taken by auto-converge when it began"),
    ),
)

_LOST: Final[tuple[tuple[str, Kind, str, str], ...]] = (
    ("lost_blackout_s", "float", "s", "lost while paused"),
    ("lost_restart_s", "float", "s", "lost while down for a cold move"),
    ("lost_cpu_s", "float", "s", "lost to CPU taken by migrations and other guests"),
    ("lost_write_fault_s", "float", "s", "lost to write faults of the dirty log"),
    ("lost_cache_miss_s", "float", "s", "lost to the latency of further cache misses"),
    ("lost_storage_s", "float", "s", "lost to storage bandwidth not got"),
    ("lost_network_s", "float", "s", "lost to network bandwidth not got"),
    ("lost_inflation_s", "float", "s", "lost to CPU taken by the policy inside the guest"),
    ("lost_memory_s", "float", "s", "lost because no page could be had"),
    ("lost_throttle_s", "float", "s", "lost to CPU taken by auto-converge"),
    ("lost_dirty_limit_s", "float", "s", "lost to vCPUs put to sleep by the dirty limit"),
    ("lost_huge_pages_s", "float", "s", "lost to memory whose huge pages on the host were split"),
    ("lost_post_copy_s", "float", "s", "lost waiting for pages that were not there yet"),
    ("lost_failure_s", "float", "s", "lost because its host, or its last pages, were lost"),
)  # one column for each of CAUSES

GUESTS = Table(
    "guests",
    "One row a guest: what it lost and to what, over the whole run.",
    _columns(
        ("guest", "text", "", "the guest's name"),
        ("group", "text", "", "its group"),
        ("workload", "text", "", "its workload"),
        ("hinting", "text", "", "its hinting policy"),
        (
            "host",
            "text",
            "",
            "where it stood last; empty if out of memory, gone, or never there",
        ),
        ("arrived_s", "float", "s", "when it came; NaN where no host took it"),
        ("left_s", "float", "s", "when it left; NaN where it did not"),
        ("lost", "int", "", "1 if it was lost with its host or by its migration, else 0"),
        ("memory_bytes", "float", "B", "its memory"),
        ("moves", "int", "", "completed migrations"),
        ("lost_work_s", "float", "s", "undisturbed work not done; sum of the next 14"),
        *_LOST,
        ("blackout_s", "float", "s", "paused, all migrations together"),
        ("unreachable_s", "float", "s", "running, but not yet reached by the network"),
        ("degraded10_s", "float", "s", "time spent more than 10 % degraded, pauses included"),
        ("degraded50_s", "float", "s", "time spent more than 50 % degraded, pauses included"),
        ("degraded99_s", "float", "s", "time spent more than 99 % degraded, pauses included"),
        ("read_pages", "float", "pages", "file pages read"),
        ("missed_pages", "float", "pages", "of them not in the page cache"),
        ("refault_bytes", "float", "B", "read from storage for misses, read-ahead included"),
        ("extra_refault_bytes", "float", "B", "of them, what an undisturbed guest had not read"),
        ("writeback_bytes", "float", "B", "dirty cache written to storage"),
        ("written_pages", "float", "pages", "writes done, in pages touched"),
        ("oom_pages", "float", "pages", "taken back from balloons for want of memory"),
    ),
)

LINKS = Table(
    "links",
    "One row for each link, direction and kind of traffic that crossed it.",
    _columns(
        ("link", "text", "", "from->to"),
        ("class", "text", "", "host, uplink, core, wan, storage, disk, outside or migration"),
        ("kind", "text", "", "kind of traffic"),
        ("capacity_bytes_per_s", "float", "B/s", "what it can carry of payload"),
        ("carried_bytes", "float", "B", "carried over the whole run"),
    ),
)

LINK_RATES = Table(
    "link_rates",
    "How much of each link each kind of traffic used, as a step function of time. Rates that "
    "follow each other and differ by less than 1 % are joined at their mean: bytes stay the same.",
    _columns(
        ("link", "text", "", "from->to"),
        ("kind", "text", "", "kind of traffic"),
        ("time_s", "float", "s", "from this time on"),
        ("rate_bytes_per_s", "float", "B/s", "this much"),
    ),
)

SLOWDOWNS = Table(
    "slowdowns",
    "When each guest was slower than it would have been, and how fast it ran. Values that follow "
    "each other and differ by less than 1 % are joined at their mean: lost work stays the same.",
    _columns(
        ("guest", "text", "", "the guest's name"),
        ("from_s", "float", "s", "from this time"),
        ("to_s", "float", "s", "to this time"),
        ("progress", "float", "", "work done in share of undisturbed work, 0 to 1"),
    ),
)

PHASES = Table(
    "phases",
    "What each guest did before, during and after its migrations.",
    _columns(
        ("guest", "text", "", "the guest's name"),
        ("phase", "text", "", "before, policy, migration or after"),
        ("from_s", "float", "s", "from this time"),
        ("to_s", "float", "s", "to this time"),
        ("read_pages", "float", "pages", "file pages read in it"),
        ("missed_pages", "float", "pages", "of them not in the page cache"),
        ("written_pages", "float", "pages", "writes done in it, in pages touched"),
        ("lost_work_s", "float", "s", "undisturbed work not done in it"),
        ("free_pages", "float", "pages", "free at its end"),
        ("cache_pages", "float", "pages", "page cache at its end, pages being written included"),
    ),
)

HOSTS = Table(
    "hosts",
    "One row a host.",
    _columns(
        ("host", "text", "", "its name"),
        ("rack", "text", "", "its rack"),
        ("cores", "int", "", "its cores"),
        ("memory_bytes", "float", "B", "its memory for guests"),
        ("guests_before", "int", "", "guests at the start of the operation"),
        ("guests_after", "int", "", "guests at the end"),
        ("used_bytes", "float", "B", "memory of its guests at the end"),
        ("peak_bytes", "float", "B", "the most that guests and reservations took"),
        ("moved_out", "int", "", "guests that left"),
        ("moved_in", "int", "", "guests that came"),
        ("off_s", "float", "s", "for how long it was switched off"),
    ),
)

OPERATIONS = Table(
    "operations",
    "One row an operation: how long it took, how long it had to take, and what it came to.",
    _columns(
        ("operation", "text", "", "its name"),
        ("kind", "text", "", "drain, moves, ..."),
        ("at_s", "float", "s", "when it started"),
        ("ended_s", "float", "s", "when it was done; NaN where the horizon came first"),
        ("makespan_s", "float", "s", "from its start to the end of its last step"),
        ("lower_bound_s", "float", "s", "no schedule of its migrations could have been faster"),
        ("bound", "text", "", "what that time is for, in words"),
        ("critical_steps", "int", "", "migrations, or hosts, in a row that made it so long"),
        ("critical_path", "text", "", "which, with the time of each; of many not all"),
        ("window_s", "float", "s", "for how long anything might start; NaN: for ever"),
        ("hosts", "int", "", "hosts that it was about"),
        ("hosts_done", "int", "", "of them, done"),
        ("requested", "int", "", "guests that it asked to move"),
        ("completed", "int", "", "of them, moved live"),
        ("completed_cold", "int", "", "of them, moved cold"),
        ("not_moved", "int", "", "of them, not moved, for whatever reason"),
        ("retries", "int", "", "attempts after the first"),
        ("moved_twice", "int", "", "guests that moved for the second time in it"),
        ("spare_bytes", "float", "B", "memory taken at most on hosts that stayed, beyond before"),
        ("imbalance_before", "float", "", "of loads when a rebalance began; NaN: it is none"),
        ("imbalance_after", "float", "", "the same when it ended"),
        ("off_host_s", "float", "s", "for which it had hosts switched off, all of them together"),
        ("saved_energy_j", "float", "J", "that idle hosts had taken for so long; NaN: not known"),
        ("deadline_s", "float", "s", "after how long its hosts were lost; NaN: there was none"),
        (
            "missed_s",
            "float",
            "s",
            "how much longer it would have taken to save all that could move, at its pace until "
            "then; 0: nobody was left, NaN: no deadline, or no pace",
        ),
        ("lost", "int", "", "guests lost on hosts that went away"),
        ("degraded_guests", "int", "", "of requested, with degraded10_s beyond the limit"),
        ("busiest_link", "text", "", "the link that its migrations filled most"),
        ("busiest_share", "float", "", "how much of what it could carry in the makespan that was"),
    ),
)

MAINTENANCE = Table(
    "maintenance",
    "One row a host and step of what operations did with it.",
    _columns(
        ("operation", "text", "", "the operation"),
        ("host", "text", "", "the host"),
        ("step", "text", "", "drain, reboot, health check, move back, away, power off, wake, ..."),
        ("from_s", "float", "s", "from this time"),
        ("to_s", "float", "s", "to this time"),
        ("trouble", "text", "", "what went wrong, in words; empty: nothing"),
    ),
)

EVENTS = Table(
    "events",
    "What happened, in order of time.",
    _columns(
        ("time_s", "float", "s", "when"),
        ("event", "text", "", "what"),
        ("subject", "text", "", "to which guest, host or operation"),
        ("detail", "text", "", "in words"),
    ),
)

SUMMARY = Table(
    "summary",
    "One row: the run in figures.",
    _columns(
        ("makespan_s", "float", "s", "from the operation's start to the end of its last migration"),
        (
            "operations_s",
            "float",
            "s",
            "to the end of the last operation's last step, reboots too; NaN: the horizon was first",
        ),
        ("requested", "int", "", "guests that the operation asked to move"),
        ("completed", "int", "", "of them, moved live"),
        ("completed_cold", "int", "", "of them, moved cold"),
        ("not_moved", "int", "", "of them, not moved, for whatever reason"),
        ("retries", "int", "", "attempts after the first"),
        (
            "network_bytes",
            "float",
            "B",
            "migration, disks, prefetch and extra refaults: the network's cost",
        ),
        ("migration_bytes", "float", "B", "sent by migration streams"),
        ("first_pass_bytes", "float", "B", "of them, in first passes"),
        ("resent_bytes", "float", "B", "of them, again in later rounds"),
        ("switchover_bytes", "float", "B", "of them, while guests were paused"),
        ("postcopy_bytes", "float", "B", "of them, to guests that ran already where they went"),
        ("prefetch_bytes", "float", "B", "read from storage at destinations, not sent"),
        ("disk_copy_bytes", "float", "B", "copied of local disks"),
        ("mirror_bytes", "float", "B", "written to local disks at destinations, too"),
        ("refault_bytes", "float", "B", "read from storage for cache misses"),
        ("extra_refault_bytes", "float", "B", "of them, what undisturbed guests had not read"),
        ("writeback_bytes", "float", "B", "dirty cache written to storage"),
        ("application_bytes", "float", "B", "the guests' own traffic"),
        (
            "byte_hops",
            "float",
            "B",
            "migration, disk and prefetch bytes times the links each crossed",
        ),
        ("lost_work_s", "float", "s", "undisturbed work not done, all guests; sum of the next 14"),
        *_LOST,
        ("blackout_p50_s", "float", "s", "median downtime of completed live migrations"),
        ("blackout_p99_s", "float", "s", "their 99th percentile"),
        ("blackout_max_s", "float", "s", "the longest"),
        ("migration_mean_s", "float", "s", "mean total time of completed live migrations"),
        ("migration_p99_s", "float", "s", "their 99th percentile"),
        ("degraded10_p95_s", "float", "s", "95th percentile of moved guests' degraded10_s"),
        ("rounds", "int", "", "all rounds"),
        ("interactions", "int", "", "all exchanges of guests and hosts for policies"),
        ("oom_pages", "float", "pages", "taken back from balloons by guests out of memory"),
        ("rejected", "int", "", "guests that arrived, and no host took"),
        ("departed", "int", "", "guests that left"),
        ("lost_guests", "int", "", "guests lost, with their host or by their migration"),
        ("degraded_guests", "int", "", "guests with degraded10_s beyond the scenario's limit"),
        ("simulated_s", "float", "s", "simulated time when the run ended"),
    ),
)

RUNS = Table(
    "runs",
    "One row a run of a study, in its store: what it was, why it failed, and its summary.",
    _columns(
        ("run", "text", "", "what names it: of its digest, replicate and code"),
        ("digest", "text", "", "of its scenario: what joins it to the tables of points"),
        ("replicate", "int", "", "which replication"),
        ("seed", "int", "", "its seed, the same for every point of a study"),
        ("code", "text", "", "version of dcsim, and a digest of its source"),
        ("study", "text", "", "the study it was first run for"),
        ("changes", "text", "", "what that study changed in its scenario, as JSON"),
        ("tables", "text", "", "tables that were kept beside the summary, with commas between"),
        ("error", "text", "", "kind of error; empty where it did not fail"),
        ("message", "text", "", "what the error said"),
        ("traceback", "text", "", "where it came from"),
        ("seconds", "float", "s", "what it took"),
        ("worker", "text", "", "host and process that ran it"),
        *((c.name, "float", c.unit, c.meaning) for c in SUMMARY.columns),
    ),
)
"""Rows that are no part of a result: those of a study's store, each with a summary's columns."""

TABLES: Final = (
    MIGRATIONS, ROUNDS, GUESTS, LINKS, LINK_RATES, SLOWDOWNS, PHASES, HOSTS,
    OPERATIONS, MAINTENANCE, EVENTS, SUMMARY,
)  # fmt: skip
BY_NAME: Final = {table.name: table for table in TABLES}

KEPT: Final = {
    "summary": ("summary",),
    "migrations": (
        "migrations",
        "guests",
        "links",
        "hosts",
        "operations",
        "maintenance",
        "summary",
    ),
    "full": tuple(table.name for table in TABLES),
}
"""What each `record` setting of a scenario keeps."""


def record_that_keeps(table: str) -> str:
    """Return the least `record` setting under which a result holds *table*."""
    return next(record for record, names in KEPT.items() if table in names)
