"""Every page with its bits: the dirty log, the write protection, the migration's bitmap."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

Indexes = NDArray[np.int64]


class TwinPages:
    """Pages with their bits; sends go in the order of addresses, round and round, as QEMU's do.

    Parameters
    ----------
    count
        How many.
    per_chunk
        Whether the log is cleared just before pages are sent (KVM's manual protect), not at the
        sync.
    chunk
        Pages of address space whose log is cleared at once: 2^18 in QEMU [C.1].
    """

    def __init__(self, count: int, *, per_chunk: bool = False, chunk: int = 1) -> None:
        self.count = count
        self.per_chunk = per_chunk
        self.chunk = chunk
        self.bitmap = np.ones(count, bool)
        # Manual protect begins with all pages logged, and none protected before it is cleared.
        self.log = np.full(count, per_chunk)
        self.collected = self.log.copy()
        self.protected = np.full(count, not per_chunk)
        self.absent = np.zeros(count, bool)
        self.faults = 0
        self._cleared: set[int] = set()
        self._scan = 0
        self._swept = 0

    @property
    def pending(self) -> int:
        """Pages to be sent."""
        return int(np.count_nonzero(self.bitmap))

    def write(self, pages: Indexes) -> None:
        """Write these pages, in this order."""
        pages = np.unique(pages)
        self.faults += int(np.count_nonzero(self.protected[pages]))
        self.protected[pages] = False
        self.log[pages] = True
        self.absent[pages] = False

    def sweep(self, touches: int, order: Indexes) -> None:
        """Write the next pages of an endless walk round all pages in this order."""
        at = (self._swept + np.arange(touches)) % self.count
        self._swept += touches
        self.write(order[at])

    def ahead(self, count: int) -> Indexes:
        """Return the next pending pages in the order of addresses, from where the scan stands."""
        near = np.flatnonzero(self.bitmap[self._scan : self._scan + 8 * count]) + self._scan
        if near.size < count:
            near = np.flatnonzero(self.bitmap)
            near = np.concatenate([near[near >= self._scan], near[near < self._scan]])
        return near[:count]

    def send(self, count: int) -> int:
        """Send so many pages of those ahead; return how many there were."""
        pages = self.ahead(count)
        self._clear(pages)
        self.bitmap[pages] = False
        if pages.size:
            self._scan = int(pages[-1]) + 1
        return int(pages.size)

    def skip(self, pages: Indexes) -> int:
        """Take these pages out of the stream; return how many were pending."""
        taken = pages[self.bitmap[pages]]
        self._clear(taken)
        self.bitmap[taken] = False
        self.absent[taken] = ~self.log[taken]
        return int(taken.size)

    def _clear(self, pages: Indexes) -> None:
        """Clear the log of the chunks that these pages are in, of what the last sync collected."""
        if not self.per_chunk:
            return
        if self.chunk > 1:
            chunks = set(np.unique(pages // self.chunk).tolist()) - self._cleared
            self._cleared |= chunks
            spans = [range(c * self.chunk, min((c + 1) * self.chunk, self.count)) for c in chunks]
            pages = np.concatenate([np.arange(0), *map(np.array, spans)])
            pages = pages[self.collected[pages]]
        self.log[pages] = False
        self.protected[pages] = True

    def sync(self) -> int:
        """Collect the log; return the pages that were not pending already."""
        new = int(np.count_nonzero(self.log & ~self.bitmap))
        self.bitmap |= self.log
        if self.per_chunk:
            self.collected[:] = self.log
            self._cleared.clear()
        else:
            self.log[:] = False
            self.protected[:] = True
        return new


class FileCache:
    """Which frame holds which file page: one exact list by last use, or the kernel's two.

    With two, a page comes into the inactive list and moves to the active one when it is used again;
    the oldest of the active ones come back when they are more than the inactive [C.7].
    """

    def __init__(self, *, two_list: bool = False) -> None:
        self.two_list = two_list
        self.inactive: OrderedDict[int, int] = OrderedDict()
        self.active: OrderedDict[int, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self.inactive) + len(self.active)

    def pages(self) -> list[tuple[int, int]]:
        """Return the pages and their frames, the one to be evicted first first."""
        return [*self.inactive.items(), *self.active.items()]

    def use(self, page: int) -> bool:
        """Use a page; return whether it is there."""
        if page in self.active:
            self.active.move_to_end(page)
        elif page not in self.inactive:
            return False
        elif self.two_list:
            self.active[page] = self.inactive.pop(page)
        else:
            self.inactive.move_to_end(page)
        return True

    def add(self, page: int, frame: int) -> None:
        """Put a page that was not there into a frame."""
        self.inactive[page] = frame

    def evict(self) -> int:
        """Let the page go whose turn it is; return its frame."""
        while len(self.active) > len(self.inactive):
            page, frame = self.active.popitem(last=False)
            self.inactive[page] = frame
        return self.inactive.popitem(last=False)[1]

    def forget(self, page: int) -> int:
        """Let a page go; return its frame."""
        return (self.inactive if page in self.inactive else self.active).pop(page)


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
