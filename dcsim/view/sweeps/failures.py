"""The runs of a study that failed, and what is said where none is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from dcsim.units import format_many

if TYPE_CHECKING:
    from dcsim.view.sweeps.runs import Runs

MOST_FAILURES: Final = 20
"""Runs that failed and are told one by one."""
_MOST_MESSAGE: Final = 400
"""Characters."""


def nothing(runs: Runs) -> str:
    """Say why there is nothing to tell of."""
    if runs.frame.empty:
        points = format_many(len(runs.study.design), "point")
        return f"Nothing is recorded yet: none of {points} has a run."
    count = len(runs.frame)
    told = "The only run" if count == 1 else f"Every one of {format_many(count, 'run')}"
    return f"{told} failed: {_kinds(runs.frame['error'])}."


def failures(runs: Runs) -> dict[str, Any] | None:
    """Return how many failed and of what, and the first of them; None where none did."""
    failed = runs.frame[runs.frame["error"] != ""]
    if failed.empty:
        return None
    rows = failed.head(MOST_FAILURES).to_dict("records")
    paths = [(each.path, each.label) for each in runs.varied]
    return {
        "count": f"{len(failed):,} of {format_many(len(runs.frame), 'run')} failed",
        "kinds": _kinds(failed["error"]),
        "rows": [
            (
                row["run"],
                ", ".join(f"{name} = {row[path]}" for path, name in paths),
                row["replicate"],
                row["error"],
                _shortened(row["message"]),
            )
            for row in rows
        ],
        "left": f"{len(failed) - MOST_FAILURES:,}" if len(failed) > MOST_FAILURES else "",
        "first": rows[0]["run"],
    }


def _kinds(errors: Iterable[str]) -> str:
    return ", ".join(f"{count:,} {error}" for error, count in Counter(errors).most_common())


def _shortened(message: str) -> str:
    """Return as much of what a run says as a table has room for."""
    return message if len(message) <= _MOST_MESSAGE else f"{message[:_MOST_MESSAGE]}…"
