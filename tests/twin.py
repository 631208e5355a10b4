"""Slow, small references that know every page by name: the laws under test are about their means.

`TwinPages` is the memory of one guest, or one set of it, as arrays over its pages: the dirty log,
the write protection and the migration's bitmap, each a bit a page; sends go in the order of
addresses, as QEMU's do. `TwinCache` is a page cache with one exact list from the least to the most
recently used page.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

Indexes = NDArray[np.int64]


class TwinPages:
    """Pages with their bits.

    Parameters
    ----------
    count
        How many.
    per_chunk
        Whether the log of a page is cleared just before the page is sent, not at the sync.
    """

    def __init__(self, count: int, *, per_chunk: bool = False) -> None:
        self.count = count
        self.per_chunk = per_chunk
        self.bitmap = np.ones(count, bool)
        self.log = np.zeros(count, bool)
        # Manual protect takes a page's write protection up when its chunk is cleared.
        self.protected = np.full(count, not per_chunk)
        self.absent = np.zeros(count, bool)
        self.faults = 0
        self._scan = 0
        self._swept = 0

    @property
    def pending(self) -> int:
        """Pages to be sent."""
        return int(self.bitmap.sum())

    def write(self, pages: Indexes) -> None:
        """Write these pages, in this order."""
        pages = np.unique(pages)
        self.faults += int(self.protected[pages].sum())
        self.protected[pages] = False
        self.log[pages] = True
        self.absent[pages] = False

    def sweep(self, touches: int, order: Indexes) -> None:
        """Write the next pages of an endless walk round all pages in this order."""
        at = (self._swept + np.arange(touches)) % self.count
        self._swept += touches
        self.write(order[at])

    def send(self, count: int) -> int:
        """Send the next pending pages in the order of addresses; return how many there were."""
        ahead = np.flatnonzero(self.bitmap)
        ahead = np.concatenate([ahead[ahead >= self._scan], ahead[ahead < self._scan]])[:count]
        self.bitmap[ahead] = False
        if self.per_chunk:
            self.log[ahead] = False
            self.protected[ahead] = True
        if ahead.size:
            self._scan = int(ahead[-1]) + 1
        return int(ahead.size)

    def skip(self, pages: Indexes) -> int:
        """Take these pages out of the stream; return how many were pending."""
        taken = pages[self.bitmap[pages]]
        self.bitmap[taken] = False
        self.absent[taken] = ~self.log[taken]
        if self.per_chunk:
            self.absent[taken] = True
            self.log[taken] = False
            self.protected[taken] = True
        return int(taken.size)

    def sync(self) -> int:
        """Collect the log; return the pages that were not pending already."""
        new = self.log & ~self.bitmap
        self.bitmap |= self.log
        if not self.per_chunk:
            self.protected[:] = True
        self.log[:] = False
        self._scan = 0
        return int(new.sum())


class TwinCache:
    """A page cache with exact LRU over pages known by number."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pages: OrderedDict[int, None] = OrderedDict()

    def read(self, pages: Indexes) -> NDArray[np.bool_]:
        """Read these pages in this order; return which of the reads missed."""
        cached = self.pages
        missed = np.zeros(len(pages), bool)
        for i, page in enumerate(pages.tolist()):
            if page in cached:
                cached.move_to_end(page)
            else:
                missed[i] = True
                cached[page] = None
                if len(cached) > self.size:
                    cached.popitem(last=False)
        return missed

    def resize(self, size: int) -> None:
        """Evict the least recently used pages until so many are left; they are the new size."""
        self.size = size
        while len(self.pages) > size:
            self.pages.popitem(last=False)

    def resident(self, below: int, *, start: int = 0) -> int:
        """Return how many of the pages numbered from `start` up to `below` are cached."""
        return sum(start <= page < below for page in self.pages)


def class_bounds(sizes: list[float]) -> list[int]:
    """Return the number of the page at which each class begins, and that after the last."""
    return [round(bound) for bound in np.concatenate([[0.0], np.cumsum(sizes)])]


def draw(
    rng: np.random.Generator, sizes: list[float], shares: list[float], touches: int
) -> Indexes:
    """Draw touches of a set: a class by its share, then any page of it."""
    bounds = np.array(class_bounds(sizes))
    which = rng.choice(len(sizes), size=touches, p=np.array(shares) / sum(shares))
    low, high = bounds[which], bounds[which + 1]
    return (low + np.floor(rng.random(touches) * (high - low))).astype(np.int64)


def zipf_shares(pages: int, alpha: float) -> NDArray[np.float64]:
    """Return the exact share of touches of the page of each rank, the most popular first."""
    weights = np.arange(1, pages + 1, dtype=float) ** -alpha
    share: NDArray[np.float64] = weights / weights.sum()
    return share


def draw_zipf(rng: np.random.Generator, pages: int, alpha: float, touches: int) -> Indexes:
    """Draw touches of a Zipf set, rank by rank."""
    chosen: Indexes = rng.choice(pages, size=touches, p=zipf_shares(pages, alpha))
    return chosen
