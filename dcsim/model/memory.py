"""What a guest's memory is made of. Pages are counts, as floats; no clock.

Frames are kept by contents: free and zero, free and stale, clean cache, kernel, anonymous,
ballooned, held by a hint, and one set for each class of pages that is written. What is free lies in
whole blocks of 4 MiB, or is loose. Frames move between sets as the guest allocates, reads, frees,
and as policies take and return them; their number never changes.
"""

from __future__ import annotations

import math
from itertools import starmap
from typing import TYPE_CHECKING

from dcsim.model.pool import Pool, WriteClass, WriteSet
from dcsim.model.readers import ReadSet
from dcsim.model.scan import Scan, in_order
from dcsim.model.touch import Pages, copies_of, sets_of

if TYPE_CHECKING:
    from dcsim.model.makeup import Makeup

WRITEBACK_AGE_S = 30.0
"""Age at which the kernel writes a dirty page back: vm.dirty_expire_centisecs = 3000 [C.7]."""

LOW_WATERMARK = 0.5
"""The zones' low watermarks in share of all that the kernel keeps free, which is their high ones
and the reserve of the lowest zone: 0.44 to 0.58 by its formulas for 512 MiB to 2 GiB [C.7]."""
REPORT_PERIOD_S, REPORT_PART, REPORT_PAGES = 2.0, 1 / 16, 32 * 1024
"""Free page reporting: time between two passes, part of each free list that one takes, and the
pages of one request, 32 blocks of 4 MiB [C.7]."""
WHOLE_AFTER_DEFLATE = 0.12
"""Share of the pages that a balloon took one by one and gave back that make whole free blocks of 4
MiB: 0.10 to 0.13 measured [M.9]."""
ZERO = (False, True, False, True, False, False, False, True, True, True, False, True)
"""Whether the sets of every memory hold only zeros, in the order in which they are listed."""


class Memory(Pool):
    """The frames of one guest.

    Parameters
    ----------
    makeup
        What it is made of at first.
    """

    __slots__ = (
        "_makeup", "anonymous", "anonymous_zero", "ballooned", "ballooned_zero", "kernel",
        "kernel_high", "oom_pages", "scan", "sets",
    )  # fmt: skip

    def __init__(self, makeup: Makeup) -> None:
        self.oom_pages = 0.0
        self._make(makeup, sets_of(makeup.counts, ZERO))

    def _make(self, makeup: Makeup, sets: tuple[Pages, ...]) -> None:
        """Name the sets, and lay them out for a scan."""
        self._makeup = makeup
        self.pages = makeup.pages
        self.min_free = makeup.min_free
        self.replacement = makeup.replacement
        self._hintable = makeup.hintable
        self.readers = tuple(starmap(ReadSet, makeup.readers))
        self.ahead = None
        self.sets = sets
        (
            self.loose_stale, self.loose_zero, self.free_stale, self.free_zero,
            self.cache, self.kernel, self.anonymous, self.anonymous_zero,
            self.ballooned, self.ballooned_zero, self.hinted, self.hinted_zero,
            self.kernel_high, *others,
        ) = sets  # fmt: skip
        self.allocated = tuple(others[: makeup.allocators])
        frames = iter(others[makeup.allocators :])
        self.writers = tuple(
            [
                WriteSet(tuple([WriteClass(touch, next(frames)) for touch in classes]), to)
                for classes, to in makeup.writers
            ]
        )
        self.scan = Scan(self, in_order(self, makeup.order))

    def copy(self) -> Memory:
        """Return another like it, whose scan is where one begins."""
        other = Memory.__new__(Memory)
        other.oom_pages = self.oom_pages
        other._make(self._makeup, copies_of(self.sets))
        for reader, mine in zip(other.readers, self.readers, strict=True):
            reader.remembered = mine.remembered
        return other

    # ------------------------------------------------------------------ sums

    @property
    def free_sets(self) -> tuple[Pages, Pages, Pages, Pages]:
        """The free pages, in the order in which they are taken."""
        return self.loose_stale, self.loose_zero, self.free_stale, self.free_zero

    @property
    def written_cache(self) -> float:
        """Cached pages of file sets that are being written."""
        return sum(c.frames.count for w in self.writers if w.to == "cache" for c in w.classes)

    @property
    def available(self) -> float:
        """MemAvailable, by the kernel's formula without reclaimable slab [C.7]."""
        cache = self.cache.count + self.written_cache
        low = LOW_WATERMARK * self.min_free
        return max(0.0, self.free - self.min_free + cache - min(cache / 2, low))

    def deflate_on_oom(self, pages: float) -> float:
        """Give ballooned pages back to a guest that has run out; return how many."""
        got = self.deflate(pages)
        self.oom_pages += got
        return got

    # ------------------------------------------------------------------ what policies do

    def forget_absent(self) -> float:
        """At the destination, let go of clean cache that was not sent; return how many pages."""
        absent = min(self.cache.absent, self.cache.count)
        self.cache.move(absent, self.free_zero)
        self.cache.absent = 0.0
        self.forget_to(self.cache.count)
        return absent

    def drop_written(self, pages: float) -> float:
        """Drop cached pages of written file sets, already written back; return how many."""
        total = self.written_cache
        if total <= 0:
            return 0.0
        share = min(1.0, pages / total)
        done = 0.0
        for writer in self.writers:
            if writer.to == "cache":
                done += sum(self.drop(c.frames, share * c.frames.count) for c in writer.classes)
        return done

    def inflate(self, pages: float) -> float:
        """Let a balloon take free pages, which then read as zero; return how many."""
        taken = 0.0
        for free in self.free_sets:
            to = self.ballooned_zero if free.zero else self.ballooned
            taken += free.move(pages - taken, to)
        return taken

    def deflate(self, pages: float = math.inf) -> float:
        """Return ballooned pages, zero, few of which make whole blocks; return how many."""
        done = 0.0
        for ballooned in (self.ballooned, self.ballooned_zero):
            back = min(pages - done, ballooned.count)
            done += ballooned.move(WHOLE_AFTER_DEFLATE * back, self.free_zero)
            done += ballooned.move((1 - WHOLE_AFTER_DEFLATE) * back, self.loose_zero)
        return done

    @property
    def held_by_balloon(self) -> float:
        """Pages that a balloon has."""
        return self.ballooned.count + self.ballooned_zero.count

    @property
    def hintable(self) -> float:
        """Free pages in whole blocks, but for those that the kernel keeps [M.9]."""
        return max(0.0, self.free_stale.count + self.free_zero.count - self.min_free)

    def hold(self, pages: float) -> float:
        """Lock free pages in whole blocks away for a hint, never used ones first; return how many.

        Where the kernel zeroes what it allocates, they are written by that, and zero [M.9].
        """
        zeroed = self._makeup.init_on_alloc
        taken = self.free_zero.move(pages, self.hinted_zero, written=zeroed)
        to = self.hinted_zero if zeroed else self.hinted
        return taken + self.free_stale.move(pages - taken, to, written=zeroed)

    @property
    def held(self) -> float:
        """Pages locked away for a hint."""
        return self.hinted.count + self.hinted_zero.count

    def tell_held(self, pages: float = math.inf) -> float:
        """Take so many held pages out of the stream; return how many were still to be sent."""
        told = self.hinted.skip(min(pages, self.hinted.pending))
        return told + self.hinted_zero.skip(min(pages - told, self.hinted_zero.pending))

    def release(self, *, arrived: bool) -> None:
        """Return held pages: zero at the destination, at the source as they were."""
        self.hinted_zero.move(self.hinted_zero.count, self.free_zero)
        self.hinted.move(self.hinted.count, self.free_zero if arrived else self.free_stale)
        if arrived:
            self.free_stale.move(min(self.free_stale.absent, self.free_stale.count), self.free_zero)
            self.loose_stale.move(
                min(self.loose_stale.absent, self.loose_stale.count), self.loose_zero
            )

    def skip_free(self) -> float:
        """Take all free pages out of the stream; return how many were still to be sent."""
        return sum(pages.skip(pages.count) for pages in self.free_sets)

    def report(self, elapsed_s: float = math.inf) -> None:
        """Report free blocks to the host, which takes their contents away.

        A pass every two seconds takes a sixteenth of them, and as many as one request holds [C.7].
        """
        passes = elapsed_s / REPORT_PERIOD_S
        share = 1 - (1 - REPORT_PART) ** passes
        pages = max(share * self.free_stale.count, passes * REPORT_PAGES)
        self.free_stale.move(pages, self.free_zero)

    def refill(self, pages: float, *, like: Memory) -> None:
        """Fill free frames with file pages read ahead; residency becomes as in another memory."""
        self.fill(pages)
        for reader, other in zip(self.readers, like.readers, strict=True):
            reader.remembered = max(reader.remembered, other.remembered)
        self.forget_to(self.cache.count)

    def restart(self) -> None:
        """Start anew: nothing is cached, allocated short-term, held or ballooned."""
        self.release(arrived=True)
        self.deflate()
        for pages in (self.cache, *self.allocated, *self.free_sets[:-1]):
            pages.move(pages.count, self.free_zero)
        for writer in self.writers:
            if writer.to == "cache":
                for written in writer.classes:
                    written.frames.move(written.frames.count, self.free_zero)
        self.forget_to(0.0)
