"""Placements and orders of one's own, on their way to the processes that run a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dcsim.scenario import placements
from dcsim.scenario.presets import orders


def own() -> dict[str, Mapping[str, Any]]:
    """Return what was added in this process, by kind and name; empty where nothing was."""
    found: dict[str, Mapping[str, Any]] = {}
    if added := placements.added():
        found["placements"] = added
    if orders.added():
        from dcsim.control.order import added as ranks

        found["orders"] = ranks()
    return found


def restore(others: Mapping[str, Mapping[str, Any]]) -> None:
    """Know what was added in another process."""
    if others.get("placements"):
        placements.restore(others["placements"])
    if others.get("orders"):
        from dcsim.control.order import restore as restore_ranks

        restore_ranks(others["orders"])
