"""What came of an operation, in words: how many moved, how, and why the others did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dcsim.records.summary import COLD, LIVE
from dcsim.records.tables import OUTCOMES

_Columns = Mapping[str, Mapping[str, Sequence[Any]]]


def explain(columns: _Columns, scenario: Mapping[str, Any]) -> str:
    """Return a sentence on what came of the operation.

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
