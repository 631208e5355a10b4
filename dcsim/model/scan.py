"""What a migration sees of a guest's memory: what is to be sent, where it lies, what is written.

It scans memory in the order of addresses, round and round. Which contents lie where is either mixed
evenly, or an order of *regions*: the pages of one are sent, evenly, before those of the next. What
a sync finds in a region that the scan is in lies behind the cursor in the share that it has passed,
and waits for the next time round. The dirty log over all sets of pages says what has to be sent
again. Pages are counts, as floats; no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from dcsim.kernel import twin
from dcsim.model.guard import Guard

if TYPE_CHECKING:
    from dcsim.model.memory import Memory
    from dcsim.model.touch import Pages

Place = Literal["kernel", "cache", "anonymous", "free-stale", "free-zero", "kernel-high"]
"""Contents that have a place of their own in an order of regions."""
Region = tuple["Pages", ...]

LOG_CHUNK = 2.0**18
"""Pages whose log KVM clears at once: 1 GiB, by QEMU's clear_bitmap_shift of 18 [C.1]."""
LEAST_PAGES = 1e-6
"""Fewer pages pending than this are none."""


def in_order(memory: Memory, order: Sequence[Place]) -> tuple[Region, ...]:
    """Return the sets of each region of a memory, in the order of addresses."""
    if not order:
        return (memory.sets,)
    written = {
        to: [(c.frames,) for w in memory.writers if w.to == to for c in w.classes]
        for to in ("anonymous", "cache")
    }
    at: dict[Place, list[Region]] = {
        "kernel": [(memory.kernel,)],
        # what a balloon took, or what was dropped, lies among the cache that is left
        "cache": [
            *written["cache"],
            (memory.cache, memory.ballooned, memory.loose_stale, memory.loose_zero),
        ],
        "anonymous": [
            *written["anonymous"],
            (memory.anonymous, memory.anonymous_zero),
            memory.allocated,
        ],
        "free-stale": [(memory.free_stale, memory.hinted)],
        "free-zero": [(memory.free_zero, memory.hinted_zero, memory.ballooned_zero)],
        "kernel-high": [(memory.kernel_high,)],
    }
    return tuple(region for place in order for region in at[place])


def pending_of(sets: Region) -> float:
    """Return the pages to be sent."""
    total = 0.0
    for pages in sets:
        total += pages.pending
    return total


@twin
class Scan:
    """Where the scan of a memory is, and the dirty log over its sets.

    Parameters
    ----------
    memory
        What is scanned.
    regions
        The sets of each region, in the order of addresses.

    Attributes
    ----------
    regions
        As given.
    cursor
        The region that is being sent.
    guard
        The pages that are protected though their log is cleared by chunks, or None.
    """

    __slots__ = (
        "_ballooned", "_behind", "_cache", "_chunk", "_passed", "_sets", "_writers", "cursor",
        "guard", "regions",
    )  # fmt: skip

    def __init__(self, memory: Memory, regions: tuple[Region, ...]) -> None:
        self.regions = regions
        self.cursor = 0
        self._passed = self._behind = 0.0
        self._sets = memory.sets
        self._writers = memory.writers
        self._cache = memory.cache
        self._ballooned = memory.ballooned
        self._chunk = min(1.0, LOG_CHUNK / memory.pages)
        self.guard: Guard | None = None

    def lay_out(self, regions: tuple[Region, ...]) -> tuple[Region, ...]:
        """Take other regions, from their beginning; return those there were."""
        old, self.regions = self.regions, regions
        self.cursor = 0
        self._passed = self._behind = 0.0
        return old

    def start(self, *, per_chunk: bool, guard: bool = False) -> None:
        """Switch the dirty log on: every page is to be sent, and write-protected at once or not."""
        self.cursor = 0
        self._passed = self._behind = 0.0
        self.guard = None
        if guard:
            self.guard = Guard(part.frames for writer in self._writers for part in writer.classes)
        for pages in self._sets:
            pages.start_log(per_chunk=per_chunk, chunk=self._chunk)

    # ------------------------------------------------------------------ what is to be sent

    @property
    def pending(self) -> float:
        """Pages to be sent."""
        return pending_of(self._sets)

    @property
    def here(self) -> Region:
        """The sets of the region at the cursor."""
        return self.regions[self.cursor]

    @property
    def waiting(self) -> float:
        """Pages to be sent of the region at the cursor, behind it and ahead."""
        return pending_of(self.regions[self.cursor])

    def pending_here(self) -> tuple[float, float, float]:
        """Return the pages to be sent of the region at the cursor, ahead of it.

        Returns
        -------
        tuple of float
            Those with contents; those that are zero; those that are zero because a balloon took
            them, page by page, from what had been used.
        """
        normal = zero = ballooned = 0.0
        for pages in self.regions[self.cursor]:
            if pages is self._ballooned:
                ballooned = pages.pending
            elif pages.zero:
                zero += pages.pending
            else:
                normal += pages.pending
        if self._behind > 0:
            ahead = self._ahead(normal + zero + ballooned)
            return normal * ahead, zero * ahead, ballooned * ahead
        return normal, zero, ballooned

    def _ahead(self, waiting: float) -> float:
        """Return the share of the pages waiting at the cursor that lie ahead of it."""
        return max(0.0, 1 - self._behind / waiting) if waiting > 0 else 1.0

    def next_region(self) -> bool:
        """Move the cursor to the next region with pages to be sent; return whether there is one.

        The same one comes last: what lies behind the cursor is ahead of it the next time round.
        """
        count = len(self.regions)
        behind, self._passed, self._behind = self._behind, 0.0, 0.0
        for step in range(1, count + (behind > 0)):
            at = (self.cursor + step) % count
            if pending_of(self.regions[at]) > LEAST_PAGES:
                self.cursor = at
                return True
        return False

    # ------------------------------------------------------------------ the dirty log

    def advance(self, *, writes: Sequence[float], recycled: float, sent: float) -> list[float]:
        """Let an interval pass in which pages were written and pending pages were sent.

        Parameters
        ----------
        writes
            Touches of each write set.
        recycled
            Cache frames filled anew.
        sent
            Pending pages sent of the region at the cursor, of its sets in proportion.

        Returns
        -------
        list of float
            For each write set, the writes that hit a write-protected page.
        """
        waiting = self.waiting if sent > 0 else 0.0
        share = min(1.0, sent / waiting) if waiting > 0 else 0.0
        if share > 0 and len(self.regions) > 1:
            ahead = self._ahead(waiting) * waiting
            self._passed += (1 - self._passed) * min(1.0, sent / ahead if ahead > 0 else 1.0)
        here = self.regions[self.cursor] if share > 0 else ()
        guard, cache = self.guard, self._cache
        faults, written = [], {cache}
        for writer, touches in zip(self._writers, writes, strict=True):
            found = 0.0
            for touch, frames in writer.classes:
                own = touches * touch.share
                going = share * frames.pending if frames in here else 0.0
                if guard is not None:  # it looks at what was pending before
                    found += guard.advance(frames, touches=own, sent=going, law=touch.law)
                found += frames.advance(touches=own, sent=going, law=touch.law)
                written.add(frames)
            faults.append(found)
        for pages in here:
            if pages.pending > 0 and pages not in written:
                pages.advance(touches=0.0, sent=share * pages.pending, law="each")
        if cache.count > 0:
            going = share * cache.pending if cache in here else 0.0
            cache.advance(touches=recycled, sent=going, law="each")
        return faults

    def faults(self, index: int, touches: float, *, sent: float = 0.0) -> float:
        """Return how many write-protected pages so many touches of a write set would hit."""
        waiting = self.waiting if sent > 0 else 0.0
        share = min(1.0, sent / waiting) if waiting > 0 else 0.0
        here = self.regions[self.cursor] if share > 0 else ()
        found = 0.0
        for touch, frames in self._writers[index].classes:
            own = touches * touch.share
            going = share * frames.pending if frames in here else 0.0
            if self.guard is not None:
                found += self.guard.faults(frames, touches=own, sent=going, law=touch.law)
            found += frames.faults(touches=own, sent=going, law=touch.law)
        return found

    def sync(self) -> float:
        """Collect the dirty log; return the pages newly to be sent."""
        before = self.waiting if self._passed > 0 else 0.0
        new = 0.0
        for pages in self._sets:
            if pages.count > 0:
                new += pages.sync()
        if self._passed > 0:
            self._behind = min(self._behind, before) + self._passed * (self.waiting - before)
        return new
