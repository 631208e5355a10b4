"""The summary row: a run in figures, from its rows as they come. Seconds, bytes and pages.

A total over nothing is 0; a mean, a maximum or a percentile of nothing is NaN. A NaN among the
values makes the figure NaN: what was not measured is not passed off as nothing. Totals are exact
sums rounded once, so the order of rows does not show in them.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dcsim.records.tables import CAUSES, DISK_KINDS, MIGRATION_KINDS

LIVE = ("completed", "completed-postcopy")
"""Outcomes of migrations that completed live."""
COLD = "completed-cold"
"""Outcome of a guest that moved while it was down."""

DEGRADED_LIMIT_S: Final = 30.0
"""For how long a guest may be degraded before it counts as one that was; an assumption."""

_LOST: Final = tuple(f"lost_{cause}_s" for cause in CAUSES)
_TOTALS: Final = {
    "migrations": (
        "sent_bytes", "first_pass_bytes", "resent_bytes", "switchover_bytes", "postcopy_bytes",
        "prefetch_bytes", "disk_copy_bytes", "mirror_bytes",
    ),
    "guests": (
        "refault_bytes", "extra_refault_bytes", "writeback_bytes", "lost_work_s", *_LOST,
        "oom_pages",
    ),
    "links": (),
}  # fmt: skip
"""Columns of each table that are summed up as they are."""
_OTHERS: Final = {
    "migrations": (
        "attempt", "outcome", "ended_s", "total_time_s", "downtime_s", "rounds", "interactions",
    ),
    "guests": ("moves", "degraded10_s", "arrived_s", "left_s", "lost"),
    "links": ("class", "kind", "carried_bytes"),
}  # fmt: skip
SUMMARISED: Final = {table: (*_TOTALS[table], *_OTHERS[table]) for table in _TOTALS}
"""The tables and columns that the summary is made from."""
_HOPS: Final = frozenset((*MIGRATION_KINDS, *DISK_KINDS, "prefetch"))


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


class Summary:
    """The summary row in the making.

    It is given blocks of rows and keeps none of them: counts, exact totals, and what percentiles
    need, which is two numbers for a migration that completed live and one for a guest that moved.
    """

    def __init__(self, *, degraded_limit_s: float = math.inf) -> None:
        self._degraded_limit_s = degraded_limit_s
        self._rejected = self._departed = self._lost = self._long_degraded = 0
        self._totals: dict[str, list[float]] = {}  # of each, floats whose exact sum it is
        self._attempts = self._requested = self._cold = self._rounds = self._interactions = 0
        self._last_s = math.nan
        self._downtimes, self._times, self._degraded = array("d"), array("d"), array("d")

    def add(self, table: str, block: Mapping[str, Sequence[Any]]) -> None:
        """Take in rows of one of the tables `SUMMARISED`, as column -> values of all it names."""
        for name in _TOTALS[table]:
            self._count(name, block[name])
        if table == "migrations":
            self._add_migrations(block)
        elif table == "guests":
            self._add_guests(block)
        else:
            sizes = list(zip(block["kind"], block["class"], block["carried_bytes"], strict=True))
            hops = [size for kind, on, size in sizes if kind in _HOPS and on != "disk"]
            self._count("byte_hops", hops)
            own = [size for kind, on, size in sizes if kind == "application" and on == "host"]
            self._count("application_bytes", own)

    def _add_guests(self, block: Mapping[str, Sequence[Any]]) -> None:
        degraded, limit_s = block["degraded10_s"], self._degraded_limit_s
        moved = zip(degraded, block["moves"], strict=True)
        self._degraded.extend([seconds for seconds, moves in moved if moves])
        self._long_degraded += sum([seconds > limit_s for seconds in degraded])
        self._rejected += sum(map(math.isnan, block["arrived_s"]))
        self._departed += len(degraded) - sum(map(math.isnan, block["left_s"]))
        self._lost += sum(block["lost"])

    def _add_migrations(self, block: Mapping[str, Sequence[Any]]) -> None:
        outcomes = block["outcome"]
        live = [i for i, outcome in enumerate(outcomes) if outcome in LIVE]
        self._attempts += len(outcomes)
        self._requested += sum(attempt <= 1 for attempt in block["attempt"])
        self._cold += outcomes.count(COLD)
        self._rounds += sum(block["rounds"])
        self._interactions += sum(block["interactions"])
        for mine, column in ((self._downtimes, "downtime_s"), (self._times, "total_time_s")):
            values = block[column]
            mine.extend([values[i] for i in live])
        ends = [end for end in (*block["ended_s"], self._last_s) if not math.isnan(end)]
        self._last_s = max(ends, default=math.nan)

    def _count(self, name: str, values: Sequence[float]) -> None:
        """Add values to a total: as few floats as hold the exact sum take their place."""
        if not any(values):
            return
        left = [*self._totals.get(name, ()), *values]
        parts: list[float] = []
        while rest := math.fsum(left):
            parts.append(rest)
            left.append(-rest)
            if not math.isfinite(rest):
                break
        self._totals[name] = parts

    def _total(self, name: str) -> float:
        return math.fsum(self._totals.get(name, ()))

    def row(
        self, *, operation_at_s: float, simulated_s: float, ended_s: float = math.nan
    ) -> dict[str, float]:
        """Return the summary row of a run.

        Parameters
        ----------
        operation_at_s
            Time at which the operation started.
        simulated_s
            Simulated time when the run ended.
        ended_s
            Time at which the last operation was done; NaN where it was not.

        Returns
        -------
        dict
            Every column of the summary table, in order. `makespan_s` is 0 where the operation asked
            for nothing, and NaN where none of what it asked for has a time of its end.
            `application_bytes` counts the bytes on hosts' links alone, and so each byte once.
            `byte_hops` leaves out disks, which are no part of the network.
        """
        requested, live, cold = self._requested, len(self._times), self._cold
        downtimes, times = sorted(self._downtimes), sorted(self._times)
        total = self._total
        moved = [
            total(f"{name}_bytes")
            for name in ("sent", "disk_copy", "mirror", "prefetch", "extra_refault")
        ]
        last = self._last_s if self._attempts else operation_at_s
        return {
            "makespan_s": last - operation_at_s,
            "operations_s": ended_s - operation_at_s,
            "requested": requested,
            "completed": live,
            "completed_cold": cold,
            "not_moved": requested - live - cold,
            "retries": self._attempts - requested,
            "network_bytes": math.fsum(moved),
            "migration_bytes": total("sent_bytes"),
            "first_pass_bytes": total("first_pass_bytes"),
            "resent_bytes": total("resent_bytes"),
            "switchover_bytes": total("switchover_bytes"),
            "postcopy_bytes": total("postcopy_bytes"),
            "prefetch_bytes": total("prefetch_bytes"),
            "disk_copy_bytes": total("disk_copy_bytes"),
            "mirror_bytes": total("mirror_bytes"),
            "refault_bytes": total("refault_bytes"),
            "extra_refault_bytes": total("extra_refault_bytes"),
            "writeback_bytes": total("writeback_bytes"),
            "application_bytes": total("application_bytes"),
            "byte_hops": total("byte_hops"),
            "lost_work_s": total("lost_work_s"),
            **{name: total(name) for name in _LOST},
            "blackout_p50_s": percentile(downtimes, 50),
            "blackout_p99_s": percentile(downtimes, 99),
            "blackout_max_s": percentile(downtimes, 100),
            "migration_mean_s": math.fsum(times) / live if live else math.nan,
            "migration_p99_s": percentile(times, 99),
            "degraded10_p95_s": percentile(self._degraded, 95),
            "rounds": self._rounds,
            "interactions": self._interactions,
            "oom_pages": total("oom_pages"),
            "rejected": self._rejected,
            "departed": self._departed,
            "lost_guests": self._lost,
            "degraded_guests": self._long_degraded,
            "simulated_s": simulated_s,
        }
