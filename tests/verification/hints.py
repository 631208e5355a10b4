"""Free page hints as merged [A.3]: v37's eight cells."""

from __future__ import annotations

from dcsim.units import GiB, MiB
from tests.verification.comparison import Row, Table
from tests.verification.lab import between_two_hosts, migration_of

MS = {
    ("8GiB", "idle"): (2970, 620),
    ("8GiB", "compiling"): (4502, 2273),
    ("128GiB", "idle"): (41_651, 5_294),
    ("128GiB", "compiling"): (54_201, 8_816),
}
CONSTANTS = {
    ("128GiB", "idle", "legacy"),
    ("8GiB", "idle", "hinted"),
    ("128GiB", "compiling", "legacy"),
    ("8GiB", "compiling", "hinted"),
}
LIVE = 345 * MiB
"""Live memory of an idle guest [A.1]."""
SCAN_S = 1.23e-6
"""A zero page scanned; from the idle guest of 128 GB, legacy."""
SEND_S = 4.4e-6
"""A page sent; from the idle guest of 8 GB, hinted."""
COMPILER = 900 * MiB
"""Live memory beside it while compiling, and what is allocated in a second; from the other two."""
ALLOCATED = "350MB/s"


def migrate(memory: str, case: str, way: str) -> float:
    """Return the total time in ms."""
    size = float(memory.removesuffix("GiB")) * GiB
    busy = case == "compiling"
    live, compiler = LIVE / size, busy * COMPILER / size
    result = between_two_hosts(
        memory=memory,
        makeup={"kernel": live, "free_zero": 1 - live - compiler},
        link="100Gbit/s",
        hintable=1.0,
        activities=[{"do": "allocate", "rate": ALLOCATED, "workers": 4}] if busy else [],
        migration={"downtime_limit": "400ms", "scan_zero": SCAN_S, "send_page": SEND_S},
        hinting="zero-page" if way == "legacy" else "free-page-hint",
    )
    return 1e3 * migration_of(result)["total_time_s"]


def table() -> Table:
    """Return the eight cells."""
    rows = [
        Row(
            f"{memory.replace('GiB', ' GB')}, {case}, {way}",
            published,
            migrate(memory, case, way),
            "ms",
            "constant" if (memory, case, way) in CONSTANTS else "prediction",
        )
        for (memory, case), both in MS.items()
        for way, published in zip(("legacy", "hinted"), both, strict=True)
    ]
    return Table(
        key="hints",
        title="Free page hints, as merged",
        source="Wei Wang, v37 of VIRTIO_BALLOON_F_FREE_PAGE_HINT, August 2018 [A.3]",
        setting=(
            "Four cells set four constants: 1.23 us for a zero page scanned, 4.4 us for a page "
            "sent, and of the compile 900 MiB of live memory and 350 MB allocated a second. The "
            "live memory of an idle guest, 345 MiB, is the RFC's [A.1]; telling costs what "
            "allocating cost the balloon, 0.146 us a page [A.2]. Free memory is zero, and all of "
            "it in whole blocks. Downtime limit 400 ms."
        ),
        reading=(
            "A hinted guest takes as long as telling does, 38 ms a GiB, while the sender goes on "
            "scanning what is not yet told. What is allocated meanwhile is sent after all, and "
            "the longer a migration takes, the more that is: this is why compiling adds 1.5 s to "
            "a legacy migration of 8 GB, and 12.6 s to one of 128 GB."
        ),
        bounds={"ms": 0.20},
        rows=tuple(rows),
    )
