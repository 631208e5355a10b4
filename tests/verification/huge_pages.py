"""Huge pages of the host that a balloon leaves [A.2]."""

from __future__ import annotations

from dcsim.units import KiB, MiB
from tests.verification.comparison import Row, Table
from tests.verification.lab import between_two_hosts, migration_of

BEFORE_KB = 911_360
KB = {"4 KiB at a time": (88_064, 65_536), "contiguous pages": (616_448, 907_264)}
"""In huge pages with 1 GB ballooned to 600 MB, and when the memory had been used again."""
MEMORY, LEFT = 1024 * MiB, 600 * MiB
BLOCK_PAGES = {"4 KiB at a time": 1, "contiguous pages": 512}


def left(way: str, policy: str) -> float:
    """Return the KB in huge pages as the stream begins."""
    result = between_two_hosts(
        memory="1GiB",
        makeup={"free_stale": 1 - LEFT / MEMORY},
        huge_pages={"share": BEFORE_KB * KiB / MEMORY},
        migration={},
        hinting={"use": policy, "reserve": 0.0, "block_pages": BLOCK_PAGES[way]},
    )
    return float(migration_of(result)["huge_bytes"] / KiB)


def table() -> Table:
    """Return both ways, inflated and given back."""
    rows = []
    for way, (inflated, used_again) in KB.items():
        role = "constant" if way == "4 KiB at a time" else "prediction"
        rows += [
            Row(f"{way}, inflated", inflated, left(way, "balloon-held"), "KB", role),
            Row(
                f"{way}, used again",
                used_again,
                left(way, "balloon-bounced"),
                "KB",
                bound=0.40 if role == "constant" else None,
            ),
        ]
    return Table(
        key="huge-pages",
        title="Huge pages that a balloon leaves",
        source="Hui Zhu, VIRTIO_BALLOON_F_CONT_PAGES, July 2020 [A.2]",
        setting=(
            "A guest of 1 GB with 911,360 KB in huge pages is ballooned to 600 MB. One cell sets "
            "the model, what 4 KiB at a time left: as many as if runs of 86 pages lay anywhere."
        ),
        reading=(
            "Page by page a balloon of 42 % of the memory splits nine tenths of the huge pages; "
            "in aligned blocks it takes what it takes and no more, and that comes back whole. "
            "Using the memory again split some more of what page by page had left, which the "
            "model does not do."
        ),
        bounds={"KB": 0.10},
        rows=tuple(rows),
    )
