"""Metrics by name: columns of the table ``summary``, and what is said of a name that is none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dcsim.errors import ResultError, did_you_mean
from dcsim.records.tables import SUMMARY

UNITS: Final = {column.name: column.unit for column in SUMMARY.columns}
"""Metric -> unit; "" for none."""
_SUFFIXES: Final = {"s": "_s", "B": "_bytes", "B/s": "_bytes_per_s", "%": "_percent"}


def fault(metric: str, *, among: Iterable[str] = UNITS) -> tuple[str, str] | None:
    """Return what is wrong with a name, and a hint; None if it is one of a metric.

    Examples
    --------
    >>> fault("makespan")
    ("no metric is called 'makespan'", "did you mean 'makespan_s'?")
    >>> fault("makespan_s")
    """
    known = list(among)
    if metric in known:
        return None
    close = did_you_mean(metric, known)
    hint = f"did you mean '{close}'?" if close else "`dcsim list metrics` tells all"
    return f"no metric is called {metric[:80]!r}", hint


def check_metric(metric: str, *, among: Iterable[str] = UNITS) -> None:
    """Refuse what is no metric.

    Raises
    ------
    ResultError
        With the name that may be meant.
    """
    if found := fault(metric, among=among):
        raise ResultError("; ".join(found))


def suffix(unit: str) -> str:
    """Return how a column says its unit."""
    return _SUFFIXES.get(unit, f"_{unit}" if unit else "")
