"""Dirty rates as QEMU reads them, against the length of the window [C.10]."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from dcsim.units import PAGE, GiB, MiB
from tests.verification.comparison import Row, Table
from tests.verification.lab import between_two_hosts

DATA = Path(__file__).parent / "data" / "dirty_rate_vs_window.csv"
SHORTEST_MS = 100


def published() -> list[dict[str, float]]:
    """Return the rows of the published table."""
    lines = [line for line in DATA.read_text().splitlines() if not line.startswith("#")]
    return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]


def writes_per_s(size: float, reading: float, window_s: float) -> float:
    """Return the rate at which random writes dirty so many bytes a second of a set, by its law."""
    return -size / PAGE * math.log(1 - reading * window_s / size) / window_s


def reading(size: float, rate: float, window_s: float) -> float:
    """Return the bytes a second that a round of so many seconds finds dirty."""
    result = between_two_hosts(
        memory=f"{size:.0f}B",
        makeup={},
        activities=[{"do": "write", "rate": rate * PAGE, "set": size, "work": 0.0}],
        migration={"hypervisor": "fluid", "max_bandwidth": size / window_s, "max_rounds": 1},
        link="100Tbit/s",
    )
    return result.columns["rounds"]["dirtied_pages"][0] * PAGE / window_s


def table() -> Table:
    """Return theory and page sampling for three sets and nine windows."""
    cells = published()
    theory = cells[-9]  # 24 GiB in 100 ms: there the law is nearly the rate itself
    assert theory["calc_time_ms"] == SHORTEST_MS
    at = {"theory": writes_per_s(24 * GiB, theory["theoretical_MiB_s"] * MiB, SHORTEST_MS / 1e3)}
    rows = []
    for cell in cells:
        gib, window_s = cell["working_set_GiB"], cell["calc_time_ms"] / 1e3
        for way, column in (("theory", "theoretical_MiB_s"), ("sampled", "page_sampling_MiB_s")):
            first = cell["calc_time_ms"] == SHORTEST_MS
            if way == "sampled" and first:
                at[way] = writes_per_s(gib * GiB, cell[column] * MiB, window_s)
            constant = first and (way == "sampled" or cell is theory)
            rows.append(
                Row(
                    f"{gib:.0f} GiB in {1e3 * window_s:.0f} ms, {way}",
                    cell[column],
                    reading(gib * GiB, at[way], window_s) / MiB,
                    "MiB/s",
                    "constant" if constant else "prediction",
                    series=f"{gib:.0f} GiB, {way}",
                    x=1e3 * window_s,
                )
            )
    return Table(
        key="dirty-rate",
        title="Dirty rates against the window that they are read over",
        source="Andrei Gudkov, QEMU commit 34a68001f1, September 2023 [C.10]",
        setting=(
            "One thread writes at random to a set of 1, 4 or 24 GiB. The rate of writes behind "
            "the theory comes from one cell, and that of the thread on the machine from one "
            "sampled cell for each set, all at 100 ms: a large set is written more slowly. The "
            "model's reading is what a round of that length finds dirty."
        ),
        reading=(
            "A dirty rate means nothing without its window: the same thread reads 11.5 GiB/s or "
            "0.5 GiB/s. The published readings by dirty bitmap are left out: there logging slows "
            "the writer, by a price for each page that differs between the three sets by more "
            "than fivefold, and that the model has as one number (`write_fault`)."
        ),
        bounds={"MiB/s": 0.05},
        rows=tuple(rows),
        axis="window, ms",
    )
