"""The summary row: a run in figures, from its tables. Seconds, bytes and pages.

A total over nothing is 0; a mean, a maximum or a percentile of nothing is NaN. A NaN among the
values makes the figure NaN: what was not measured is not passed off as nothing. Totals are exact
sums rounded once, so the order of rows does not show in them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dcsim.records.tables import CAUSES, DISK_KINDS, MIGRATION_KINDS

LIVE = ("completed", "completed-postcopy")
"""Outcomes of migrations that completed live."""
COLD = "completed-cold"
"""Outcome of a guest that moved while it was down."""


def percentile(values: Iterable[float], percent: float) -> float:
    """Return a percentile by linear interpolation between closest ranks; NaN of nothing.

    Rank (n - 1) * percent / 100, counted from 0: definition 7 of Hyndman and Fan (1996), the
    default of numpy.

    Parameters
    ----------
    values
        In any order.
    percent
        From 0 to 100.
    """
    ordered = sorted(values)
    if not ordered or any(map(math.isnan, ordered)):
        return math.nan
    rank = (len(ordered) - 1) * percent / 100
    below = math.floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


def summarise(
    columns: Mapping[str, Mapping[str, Sequence[Any]]],
    *,
    operation_at_s: float,
    simulated_s: float,
) -> dict[str, float]:
    """Return the summary row of a run.

    Parameters
    ----------
    columns
        The tables ``migrations``, ``guests`` and ``links``, each as column -> values.
    operation_at_s
        Time at which the operation started.
    simulated_s
        Simulated time when the run ended.

    Returns
    -------
    dict
        Every column of the summary table, in order. `makespan_s` is 0 where the operation asked for
        nothing, and NaN where none of what it asked for has a time of its end. `application_bytes`
        counts the bytes on hosts' links alone, and so each byte once. `byte_hops` leaves out disks,
        which are no part of the network.
    """
    moves, guests, links = columns["migrations"], columns["guests"], columns["links"]
    outcomes = moves["outcome"]
    requested = sum(attempt <= 1 for attempt in moves["attempt"])
    live = [i for i, outcome in enumerate(outcomes) if outcome in LIVE]
    cold = sum(outcome == COLD for outcome in outcomes)
    downtimes = [moves["downtime_s"][i] for i in live]
    times = [moves["total_time_s"][i] for i in live]
    degraded = [
        seconds
        for seconds, count in zip(guests["degraded10_s"], guests["moves"], strict=True)
        if count
    ]
    ends = [end for end in moves["ended_s"] if not math.isnan(end)]
    carried = list(zip(links["class"], links["kind"], links["carried_bytes"], strict=True))
    migration_bytes = math.fsum(moves["sent_bytes"])
    prefetch_bytes = math.fsum(moves["prefetch_bytes"])
    disk_copy_bytes = math.fsum(moves["disk_copy_bytes"])
    mirror_bytes = math.fsum(moves["mirror_bytes"])
    extra_refault_bytes = math.fsum(guests["extra_refault_bytes"])
    last = max(ends, default=math.nan) if outcomes else operation_at_s
    return {
        "makespan_s": last - operation_at_s,
        "requested": requested,
        "completed": len(live),
        "completed_cold": cold,
        "not_moved": requested - len(live) - cold,
        "retries": len(outcomes) - requested,
        "network_bytes": math.fsum(
            (migration_bytes, disk_copy_bytes, mirror_bytes, prefetch_bytes, extra_refault_bytes)
        ),
        "migration_bytes": migration_bytes,
        "first_pass_bytes": math.fsum(moves["first_pass_bytes"]),
        "resent_bytes": math.fsum(moves["resent_bytes"]),
        "switchover_bytes": math.fsum(moves["switchover_bytes"]),
        "postcopy_bytes": math.fsum(moves["postcopy_bytes"]),
        "prefetch_bytes": prefetch_bytes,
        "disk_copy_bytes": disk_copy_bytes,
        "mirror_bytes": mirror_bytes,
        "refault_bytes": math.fsum(guests["refault_bytes"]),
        "extra_refault_bytes": extra_refault_bytes,
        "writeback_bytes": math.fsum(guests["writeback_bytes"]),
        "application_bytes": math.fsum(
            amount for where, kind, amount in carried if where == "host" and kind == "application"
        ),
        "byte_hops": math.fsum(
            amount
            for where, kind, amount in carried
            if where != "disk" and kind in (*MIGRATION_KINDS, *DISK_KINDS, "prefetch")
        ),
        "lost_work_s": math.fsum(guests["lost_work_s"]),
        **{f"lost_{cause}_s": math.fsum(guests[f"lost_{cause}_s"]) for cause in CAUSES},
        "blackout_p50_s": percentile(downtimes, 50),
        "blackout_p99_s": percentile(downtimes, 99),
        "blackout_max_s": percentile(downtimes, 100),
        "migration_mean_s": math.fsum(times) / len(times) if times else math.nan,
        "migration_p99_s": percentile(times, 99),
        "degraded10_p95_s": percentile(degraded, 95),
        "rounds": sum(moves["rounds"]),
        "interactions": sum(moves["interactions"]),
        "oom_pages": math.fsum(guests["oom_pages"]),
        "simulated_s": simulated_s,
    }
