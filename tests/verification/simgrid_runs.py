"""Evacuations and plain transfers as SimGrid has them, from the figures recorded of it [B.5]."""

from __future__ import annotations

from typing import Any

from benchmarks.simgrid import evacuate, transfer
from tests.verification.comparison import Row, Table
from tests.verification.test_simgrid import EVACUATIONS, TRANSFERS


def table() -> Table:
    """Return makespans and mean times of a migration."""
    rows: list[Row] = []
    for case in EVACUATIONS:
        if not isinstance(case, tuple) or len(case) != 4:
            continue  # the slow one is the tests' own
        scenario, makespan, mean_s, _ = case
        ours = evacuate(**scenario)
        name = _evacuation(scenario)
        rows.append(Row(f"{name}, all", makespan, ours["makespan"], "s"))
        rows.append(Row(f"{name}, mean", mean_s, ours["mean_mig_s"], "s"))
    for scenario, makespan in TRANSFERS:
        mode, count, _ = scenario["flows"]
        name = f"{count} {mode} transfers, k = {scenario['k']}"
        rows.append(Row(name, makespan, transfer(**scenario)["makespan"], "s"))
    return Table(
        key="simgrid",
        title="SimGrid, the same scenarios",
        source="SimGrid 3.32, plain max-min, recorded by `benchmarks/simgrid.py` [B.5]",
        setting=(
            "Evacuations of a fat tree with pre-copy as SimGrid's plugin has it "
            "(`hypervisor: fluid`), and transfers that arrive at random. Nothing is set from these "
            "figures."
        ),
        reading="[The page on SimGrid](simgrid.md) tells what both do and what it costs.",
        bounds={"s": 1e-6},
        digits=8,
        rows=tuple(rows),
    )


def _evacuation(scenario: dict[str, Any]) -> str:
    low, high = scenario["dirty"]
    guests = scenario["vms"] * scenario["sources"]
    return f"{guests} guests, k = {scenario['k']}, {low:g} to {high:g} dirtied"
