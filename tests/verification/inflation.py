"""What inflating a balloon costs, by the way that pages are told [A.2]."""

from __future__ import annotations

from dcsim.units import PAGE, GiB
from tests.verification.comparison import Row, Table
from tests.verification.lab import between_two_hosts, migration_of

LEGACY_MS = 4126
SENT_SHARE = 0.683
BITMAP = {"per_block": "1.72us", "per_interaction": 0.0, "blocks_per_interaction": 2**20}
"""A block told by a bit: from the slope between the two sizes; the bitmap is one exchange."""
LISTS = {"per_interaction": 0.0, "blocks_per_interaction": 2**20}
"""Scatter lists: what a block costs the legacy balloon, without its kicks."""
KICK_US = 36.9
"""A kick of a modern driver: its request of 256 pages, less what those took the legacy one."""


def inflate(memory: int, inflated: float, policy: str = "balloon-free", **changes: object) -> float:
    """Return the ms in which a balloon takes so many GiB of a guest, and gives them back if so."""
    result = between_two_hosts(
        memory=f"{memory}GiB",
        makeup={"free_stale": inflated / memory},
        migration={},
        hinting={"use": policy, "reserve": 0.0, **changes},
    )
    return 1e3 * migration_of(result)["policy_s"]


def by_way() -> Table:
    """Return the ways of telling."""
    legacy = inflate(8, 7)
    sent = 7 * GiB / PAGE / 256 * 393e-3
    rows = [
        Row("7 GB, page numbers", LEGACY_MS, legacy, "ms", "constant"),
        Row("7 GB, page numbers, sending", SENT_SHARE * LEGACY_MS, sent, "ms", "constant"),
        *(
            Row(
                f"15 GB, bitmap of {size} KB",
                published,
                inflate(16, 15, block_pages=size // 4, **BITMAP),
                "ms",
                "prediction" if size == 64 else "constant",
            )
            for size, published in ((32, 2031), (64, 1507), (512, 1237))
        ),
        Row("7 GB, bitmap", 590, inflate(8, 7, block_pages=128, **BITMAP), "ms"),
        Row(
            "7 GB, scatter lists",
            440,
            inflate(8, 7, block_pages=1024, **LISTS),
            "ms",
            upto=491,
            bound=0.2,
        ),
    ]
    return Table(
        key="inflation",
        title="Inflating a balloon, by how pages are told",
        source="Liang Li and Wei Wang, virtio-balloon series of 2016 to 2018 [A.2]",
        setting=(
            "The legacy balloon's total and its sending give 0.71 us a page and 393 us a kick of "
            "256; two sizes of block in a bitmap give how that splits, 0.30 us a page and the "
            "rest a block, and 1.72 us for a block in a bitmap. The bitmap of the 7 GB case is "
            "taken to have blocks of 512 KB, the lists blocks of 4 MiB."
        ),
        reading=(
            "Granularity is what makes inflation slow, as the thread said: most of the legacy "
            "time goes with the kicks. Scatter lists were published as two figures, and beat the "
            "model by a tenth to a quarter: there a page costs 0.24 us, not 0.30."
        ),
        bounds={"ms": 0.10},
        rows=tuple(rows),
    )


def modern() -> Table:
    """Return one request of a modern driver."""
    request = 256 * PAGE / GiB
    kick = {"per_interaction": f"{KICK_US}us"}
    took = inflate(8, request, "balloon-held", **kick)
    both = inflate(8, request, "balloon-bounced", **kick)
    rows = (
        Row("inflate", 218.649, 1e3 * took, "us", "constant"),
        Row("deflate", 122.742, 1e3 * (both - took), "us", "constant"),
        Row("inflate, allocated in high orders", 208.490, 1e3 * took, "us"),
        Row("deflate, allocated in high orders", 107.526, 1e3 * (both - took), "us"),
    )
    return Table(
        key="inflation-modern",
        title="One request of 256 pages by a modern driver",
        source="Soichiro Ueda, December 2022 [A.2]",
        setting=(
            f"Pages cost what they cost the legacy balloon; the kick, {KICK_US} us, comes from the "
            "inflation, and that giving back takes 0.56 of taking, from the deflation."
        ),
        reading=(
            "A kick costs a tenth of what it did in 2016, so a balloon today takes 0.85 us a page"
            " against 2.25: the shipped policies have the published prices of 2016, and "
            "`per_interaction: 37us` makes them modern. The model has no price for the order in "
            "which pages are allocated."
        ),
        bounds={"us": 0.20},
        rows=rows,
    )
