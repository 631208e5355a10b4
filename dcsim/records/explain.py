"""What came of an operation, in words: how many moved, how, and why the others did not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dcsim.records.summary import COLD, LIVE
from dcsim.records.tables import OUTCOMES
from dcsim.units import format_duration

_Columns = Mapping[str, Mapping[str, Sequence[Any]]]


def explain(columns: _Columns, scenario: Mapping[str, Any]) -> str:
    """Return a sentence on what came of the operation, with a clause for each of several.

    Parameters
    ----------
    columns
        The tables of a result. Reasons come from ``migrations`` and from the first of ``events``
        whose ``event`` is "operation", where these were kept.
    scenario
        The scenario as plain data.

    Returns
    -------
    str
        Such as ``"0 migrations: no guest stood on rack9/*"`` or ``"11 of 12 guests moved (11 live);
        1 not: 1 no-room (db-3: no host has 8 GiB free)"``.
    """
    figures = {name: values[0] for name, values in columns["summary"].items()}
    return "; ".join([_moved(columns, figures, scenario), *_each(columns), *_guests(figures)])


def _moved(columns: _Columns, figures: Mapping[str, Any], scenario: Mapping[str, Any]) -> str:
    """Say how many guests moved, how, and why the others did not."""
    requested, unmoved = figures["requested"], figures["not_moved"]
    if not requested:
        return f"0 migrations: {_why_none(columns, scenario)}"
    ways = {"live": figures["completed"], "cold": figures["completed_cold"]}
    moved = ", ".join(f"{count} {way}" for way, count in ways.items() if count)
    head = f"{requested - unmoved} of {requested} guests moved" + (f" ({moved})" if moved else "")
    if not unmoved:
        return head
    reasons = why_not(columns.get("migrations", {}))
    return f"{head}; {unmoved} not" + (f": {reasons}" if reasons else "")


def _each(columns: _Columns) -> Iterator[str]:
    """Yield what is to be said of each operation: of several, and of one beyond its window."""
    rows = columns.get("operations", {})
    several = len(rows.get("operation", ())) > 1
    for values in zip(*rows.values(), strict=True):
        row = dict(zip(rows, values, strict=True))
        said = []
        if several:
            said.append(f"{row['requested'] - row['not_moved']} of {row['requested']} guests")
        if several and row["hosts"]:
            said.append(f"{row['hosts_done']} of {row['hosts']} hosts")
        if several and math.isnan(row["ended_s"]):
            said.append("not done in time")
        elif row["makespan_s"] > row["window_s"]:
            late_s = row["makespan_s"] - row["window_s"]
            said.append(f"done {format_duration(late_s)} after its window")
        if said:
            yield f"{row['operation']}: {', '.join(said)}"


def _guests(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield what became of guests beside that, where it is to be told of."""
    for column, what in (("lost_guests", "lost"), ("rejected", "arrived and found no host")):
        if figures.get(column):
            yield f"{figures[column]} {what}"


def _why_none(columns: _Columns, scenario: Mapping[str, Any]) -> str:
    operation = scenario.get("operation")
    hosts = operation.get("hosts") if isinstance(operation, Mapping) else None
    if hosts:
        return f"no guest stood on {hosts}"
    events = columns.get("events", {"event": (), "detail": ()})
    said = zip(events["event"], events["detail"], strict=True)
    first = next((detail for event, detail in said if event == "operation"), "")
    return first or "the operation asked for none"


def why_not(migrations: Mapping[str, Sequence[Any]]) -> str:
    """Count the outcomes of guests that did not move, each with its first reason."""
    rows = {name: migrations.get(name, ()) for name in ("outcome", "guest", "reason")}
    parts = []
    for outcome in OUTCOMES:
        where = [i for i, other in enumerate(rows["outcome"]) if other == outcome]
        if where and outcome not in (*LIVE, COLD):
            guest, reason = rows["guest"][where[0]], rows["reason"][where[0]]
            parts.append(f"{len(where)} {outcome}" + (f" ({guest}: {reason})" if reason else ""))
    return ", ".join(parts)
