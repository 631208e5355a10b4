"""Real QEMU migrations, measured by the project [M]: their times and bytes.

The measurements are beside the project, or not there: then the rows are those of the last time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from dcsim.study.checks import measurements
from dcsim.study.checks.verify import Comparison, verify
from tests.verification.comparison import Row, Table, from_csv, to_csv

RUNS = Path(__file__).parents[3] / "shared" / "measurements" / "qemu_runs.jsonl"
STORED = Path(__file__).parent / "data" / "qemu_runs.csv"

BOUND = 0.10
"""Largest error; where one is larger, as much as its repetitions differ, the first included."""
READ_OFF = {"A-idle", "A-idle-anon256", "A-idle-ram512", "H-fph", "M-inflate2048"}
"""Runs that the testbed's constants were read off, of those that are compared."""


def rows() -> tuple[Row, ...]:
    """Compare each configuration with the range of its repetitions."""
    if not RUNS.exists():
        return from_csv(STORED.read_text(encoding="utf-8"))
    runs: dict[str, list[Comparison]] = defaultdict(list)
    verification = verify(measurements.read(RUNS))
    for run in verification.comparisons:
        if run.counts and run.model.outcome == run.measured.outcome:
            runs[run.name].append(run)
    found = []
    for figure, unit, size in (("total_time_s", "s", 1.0), ("sent_bytes", "MB", 1e6)):
        for name, own in sorted(runs.items()):
            measured = sorted(getattr(run.measured, figure) / size for run in own)
            row = Row(
                name,
                measured[0],
                getattr(own[0].model, figure) / size,
                unit,
                "constant" if name in READ_OFF else "prediction",
                upto=measured[-1] if len(measured) > 1 else None,
            )
            if abs(row.error) > BOUND:
                row = replace(row, bound=verification.spread(name, figure))
            found.append(row)
    return from_csv(to_csv(found))


def table() -> Table:
    """Return times and bytes of all that converged and was limited by the link."""
    return Table(
        key="qemu",
        title="Real QEMU migrations",
        source="56 migrations by QEMU 10.0.2 between two processes, measured by the project [M]",
        setting=(
            "Configurations limited by the link that converged, in the range of their repetitions "
            "from the second on (the first ran on a loaded machine). One set of constants serves "
            "them all, `dcsim.study.checks.testbed`; the runs that these were read off are marked. "
            "Guests are software-emulated, so what they cost is not what hardware costs."
        ),
        reading=(
            "`dcsim verify` compares more of these runs: pages, syncs, reads per second, memory "
            "after a policy."
        ),
        bounds={"s": BOUND, "MB": BOUND},
        rows=rows(),
        stored=STORED.name,
        most_constants=2 * len(READ_OFF),
    )
