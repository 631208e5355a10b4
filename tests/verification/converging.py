"""Where pre-copy stops converging, and what slowing the guest does about it [B.3]."""

from __future__ import annotations

import math

from dcsim.units import MiB
from tests.verification.comparison import Row, Table
from tests.verification.lab import between_two_hosts, migration_of

MS = {60: (2014, 2131), 70: (5381, 12_590), 90: (6037, 33_545), 110: (7660, math.inf)}
"""MB kept dirty -> total time under the dirty limit, and under auto-converge."""
WAYS: dict[str, dict[str, object]] = {
    "dirty limit": {"dirty_limit": True},
    "auto-converge": {"auto_converge": True},
}
CONSTANTS = {(60, "auto-converge"), (110, "auto-converge")}

MEMORY = 4096 * MiB
LINK = "112MiB/s"
"""What 1 GbE carries [B.3]."""
LIVE = 66 * MiB
"""Live memory beside the set; from the guest that needs no slowing."""
DOWNTIME = "545ms"
"""So much pause that 60 MB fit into it and 70 do not."""
WRITE = "0.12us"
"""Time of a write: so fast that 1 % of a CPU keeps 110 MB dirty, and not 90."""
LONGEST = "3min"


def migrate(dirtied: int, **slowed: object) -> float:
    """Return the total time in ms; infinite if it does not end within three minutes."""
    extent = dirtied * 1e6
    writer = {"do": "write", "rate": "max", "set": extent, "work": WRITE, "pattern": "uniform"}
    result = between_two_hosts(
        memory="4GiB",
        makeup={"kernel": LIVE / MEMORY, "free_zero": 1 - (LIVE + extent) / MEMORY},
        link=LINK,
        activities=[writer],
        migration={"downtime_limit": DOWNTIME, "write_fault": 0.0, "scan_zero": "0.3us", **slowed},
        horizon=LONGEST,
    )
    row = migration_of(result)
    return 1e3 * row["total_time_s"] if row["outcome"] == "completed" else math.inf


def table() -> Table:
    """Return the eight cells, and what happens if nothing is done."""
    rows = [
        Row(
            f"{dirtied} MB, {way}",
            published,
            migrate(dirtied, **WAYS[way]),
            "ms",
            "constant" if (dirtied, way) in CONSTANTS else "prediction",
            bound=0.30 if way == "dirty limit" else 0.75,
        )
        for dirtied, both in MS.items()
        for way, published in zip(WAYS, both, strict=True)
    ]
    rows += [Row(f"{dirtied} MB, not slowed", math.nan, migrate(dirtied), "ms") for dirtied in MS]
    return Table(
        key="converging",
        title="Where pre-copy converges",
        source="Hyman Huang, dirty limit against auto-converge [B.3]",
        setting=(
            "4 GB over 1 GbE; what is kept dirty is taken to be a set of so many MB that one vCPU"
            " writes all the time, at random. Two cells set the model: the guest of 60 MB needs "
            "no slowing, which gives the downtime limit, 545 ms, and its live memory; "
            "auto-converge never ends with 110 MB, which gives the speed of the writer, 0.12 us a"
            " page."
        ),
        reading=(
            "Each cell is on the right side: 60 MB converge whatever is done, 70 and 90 if the "
            "guest is slowed, 110 by the dirty limit alone. How long auto-converge takes is right"
            " within a factor of two only: it takes CPU in steps that the model has, from a "
            "writer whose speed it has not."
        ),
        bounds={"ms": 0.30},
        rows=tuple(rows),
    )
