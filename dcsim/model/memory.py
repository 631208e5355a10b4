"""What a guest's memory is made of. Pages are counts, as floats; no clock.

Frames are kept by contents: free and zero, free and stale, clean cache, kernel, anonymous,
ballooned, held by a hint, and one set for each class of pages that is written. What is free lies in
whole blocks of 4 MiB, or is loose. Frames move between sets as the guest allocates, reads, frees,
and as policies take and return them; their number never changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from dcsim.model.readers import (
    NOTHING_READ,
    ReadOutcome,
    ReadSet,
    Stretch,
    forget,
    forget_swept_first,
    misses_of,
    proportional,
    resident_of,
)
from dcsim.model.scan import Place, Scan, in_order
from dcsim.model.touch import Pages, TouchClass, copies_of, sets_of

WRITEBACK_AGE_S = 30.0
"""Age at which the kernel writes a dirty page back: vm.dirty_expire_centisecs = 3000 [C.7]."""


LOW_WATERMARK = 0.5
"""The zones' low watermarks in share of all that the kernel keeps free, which is their high ones
and the reserve of the lowest zone: 0.44 to 0.58 by its formulas for 512 MiB to 2 GiB [C.7]."""
REPORT_PERIOD_S, REPORT_PART, REPORT_PAGES = 2.0, 1 / 16, 32 * 1024
"""Free page reporting: time between two passes, part of each free list that one takes, and the
pages of one request, 32 blocks of 4 MiB [C.7]."""
WHOLE_AFTER_DROP = 0.05
"""Share of the pages of dropped cache that make whole free blocks of 4 MiB: measured, 0.4 of free
memory was in such blocks where 0.58 of it had been cache and nearly all of the rest was [M.9]."""
WHOLE_AFTER_DEFLATE = 0.12
"""The same of pages that a balloon took one by one and gave back: 0.10 to 0.13 measured [M.9]."""
TURNOVER = 0.1
"""Share of the cache that one step of readers whose shares shift may turn over."""
MOST_PARTS = 100
ZERO = (False, True, False, True, False, False, False, True, True, True, False, True)
"""Whether the sets of every memory hold only zeros, in the order in which they are listed."""
SLACK = 1e-9
"""Rounding, in share of the memory."""


class WriteClass(NamedTuple):
    """Pages of one class that are written: `size` in all, of which `frames` are in memory."""

    touch: TouchClass
    frames: Pages

    def missing(self, touches: float) -> float:
        """Return how many pages not in memory so many touches of the set bring in."""
        gap = self.touch.pages - self.frames.count
        return gap * self.touch.distinct(touches) / self.touch.pages if gap > 0 else 0.0


class WriteSet(NamedTuple):
    """A set of pages that one activity writes: anonymous memory, or cached file pages."""

    classes: tuple[WriteClass, ...]
    to: Literal["anonymous", "cache"]


class Memory:
    """The frames of one guest.

    Parameters
    ----------
    pages
        All of them.
    free_zero, free_stale, cache, kernel, anonymous_zero
        Pages of each kind at first; what the write sets and these leave is anonymous.
    writers, readers
        Sizes of what is written and read; writers' pages come out of anonymous memory or the cache.
    allocators
        How many activities allocate.
    min_free
        Pages that the kernel keeps free.
    hintable, hintable_zero
        Share of the free pages that lie in whole free blocks of 4 MiB: of those with old contents,
        and of those that are zero.
    replacement
        ``lru``: one list. ``two-list``: pages that are only swept through go before all others, as
        with the kernel's active and inactive lists [C.7].
    kernel_high
        Of the kernel's pages, those that lie apart: the memory map, at the end of memory.
    order
        Contents in the order of addresses; empty: all mixed evenly.
    init_on_alloc
        Whether the kernel zeroes pages when they are allocated.

    Raises
    ------
    ValueError
        If the parts are more than the whole.
    """

    __slots__ = (
        "_hintable", "allocated", "anonymous", "anonymous_zero", "ballooned", "ballooned_zero",
        "cache", "free_stale", "free_zero", "hinted", "hinted_zero", "init_on_alloc",
        "kernel", "kernel_high", "loose_stale", "loose_zero", "min_free", "oom_pages", "order",
        "pages", "readers", "replacement", "scan", "sets", "writers",
    )  # fmt: skip

    def __init__(
        self,
        *,
        pages: float,
        free_zero: float,
        free_stale: float,
        cache: float,
        kernel: float,
        anonymous_zero: float = 0.0,
        writers: Sequence[tuple[tuple[TouchClass, ...], Literal["anonymous", "cache"]]] = (),
        readers: Sequence[tuple[tuple[TouchClass, ...], int, float]] = (),
        allocators: int = 1,
        min_free: float = 0.0,
        hintable: float = 1.0,
        hintable_zero: float = 1.0,
        replacement: Literal["lru", "two-list"] = "lru",
        kernel_high: float = 0.0,
        order: Sequence[Place] = (),
        init_on_alloc: bool = False,
    ) -> None:
        self.pages = pages
        self.min_free = min_free
        self.replacement = replacement
        self.init_on_alloc = init_on_alloc
        self.order = order
        self._hintable = hintable
        written = {"anonymous": 0.0, "cache": 0.0}
        sizes = [0.0] * allocators
        for classes, to in writers:
            own = [touch.pages for touch in classes]
            written[to] += sum(own)
            sizes += own
        cached = max(cache, written["cache"])
        rest = pages - free_zero - free_stale - cached - kernel - anonymous_zero
        if rest < written["anonymous"] - SLACK * pages:
            raise ValueError(f"the parts of a memory are more than its {pages:.0f} pages")
        sets = sets_of(
            [
                (1 - hintable) * free_stale, (1 - hintable_zero) * free_zero,
                hintable * free_stale, hintable_zero * free_zero,
                cached - written["cache"], kernel - kernel_high,
                max(0.0, rest - written["anonymous"]), anonymous_zero,
                0.0, 0.0, 0.0, 0.0, kernel_high, *sizes,
            ],
            ZERO,
        )  # fmt: skip
        self._lay_out(sets, writers, allocators)
        self.readers = tuple([ReadSet(classes, ahead) for classes, ahead, _ in readers])
        if readers:
            self._remember([rate for _, _, rate in readers])
        self.oom_pages = 0.0

    def _lay_out(
        self,
        sets: tuple[Pages, ...],
        writers: Sequence[tuple[Sequence[TouchClass], Literal["anonymous", "cache"]]],
        allocators: int,
    ) -> None:
        """Name the sets, and lay them out for a scan."""
        self.sets = sets
        (
            self.loose_stale, self.loose_zero, self.free_stale, self.free_zero,
            self.cache, self.kernel, self.anonymous, self.anonymous_zero,
            self.ballooned, self.ballooned_zero, self.hinted, self.hinted_zero,
            self.kernel_high, *others,
        ) = sets  # fmt: skip
        self.allocated = tuple(others[:allocators])
        frames = iter(others[allocators:])
        self.writers = tuple(
            [
                WriteSet(tuple([WriteClass(touch, next(frames)) for touch in classes]), to)
                for classes, to in writers
            ]
        )
        self.scan = Scan(self, in_order(self, self.order))

    def copy(self) -> Memory:
        """Return another like it, whose scan is where one begins."""
        other = Memory.__new__(Memory)
        other.pages = self.pages
        other.min_free = self.min_free
        other.replacement = self.replacement
        other.init_on_alloc = self.init_on_alloc
        other.order = self.order
        other._hintable = self._hintable
        other.oom_pages = self.oom_pages
        writers = [([part.touch for part in classes], to) for classes, to in self.writers]
        other._lay_out(copies_of(self.sets), writers, len(self.allocated))
        other.readers = tuple(
            [ReadSet(r.classes, r.read_ahead, r.remembered) for r in self.readers]
        )
        return other

    def _remember(self, rates: Sequence[float]) -> None:
        """Start with the residency that long reading at these rates leaves in the cache."""
        sizes = [sum(c.pages for c in reader.classes) for reader in self.readers]
        longest = max(
            (n / rate for n, rate in zip(sizes, rates, strict=True) if rate > 0), default=0.0
        )
        for reader, rate in zip(self.readers, rates, strict=True):
            reader.remembered = 1e3 * rate * longest
        self._forget_to(self.cache.count)

    # ------------------------------------------------------------------ sums

    @property
    def free(self) -> float:
        """Free pages."""
        loose = self.loose_stale.count + self.loose_zero.count
        return loose + self.free_stale.count + self.free_zero.count

    @property
    def free_sets(self) -> tuple[Pages, Pages, Pages, Pages]:
        """The free pages, in the order in which they are taken."""
        return self.loose_stale, self.loose_zero, self.free_stale, self.free_zero

    @property
    def spare(self) -> float:
        """Free pages above those that the kernel keeps."""
        spare = self.free - self.min_free
        return spare if spare > 0 else 0.0

    @property
    def resident(self) -> float:
        """Cached pages that some reader may read again."""
        return resident_of(self.readers)

    @property
    def cold(self) -> float:
        """Clean cache that nobody reads again."""
        return max(0.0, self.cache.count - self.resident)

    @property
    def room(self) -> float:
        """Pages in which more of what readers read may become resident: spare, held and cold."""
        spare = self.loose_stale.count + self.loose_zero.count  # looked at most: no calls in it
        spare += self.free_stale.count + self.free_zero.count
        spare -= self.min_free
        held = self.hinted.count + self.hinted_zero.count
        cold = self.cache.count - resident_of(self.readers)
        return (spare if spare > 0 else 0.0) + held + (cold if cold > 0 else 0.0)

    def is_tight(self, room: float) -> bool:
        """Whether so much room is next to none."""
        return room <= 1e-6 * max(1.0, self.cache.count)

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

    # ------------------------------------------------------------------ the guest's own doing

    def write(self, index: int, touches: float) -> None:
        """Bring in the file pages that a writer touches and that are not in memory."""
        writer = self.writers[index]
        if writer.to == "anonymous":  # which is never taken from
            return
        for written in writer.classes:
            missing = written.missing(touches)
            if missing > 1e-9:
                self.take_frames(missing, written.frames)

    def read(self, touches: Sequence[float]) -> ReadOutcome:
        """Read file pages: so many touches of each read set; misses take frames and fill them."""
        if not self.readers:
            return NOTHING_READ
        if proportional(self.readers, touches):
            return self._read(touches)
        # Where shares of the cache shift between readers, no step may turn over much of it.
        missed = sum(count * r.miss() for r, count in zip(self.readers, touches, strict=True))
        if missed <= self.spare + self.cold:
            return self._read(touches)
        parts = min(MOST_PARTS, math.ceil(missed / (TURNOVER * max(self.cache.count, 1.0))))
        if parts <= 1:
            return self._read(touches)
        part = [count / parts for count in touches]
        outcomes = [self._read(part) for _ in range(parts)]
        return ReadOutcome.total(outcomes)

    def stretch(self, reads: Sequence[float]) -> Stretch:
        """Return so many reads to come of each read set, paced alike."""
        room = self.room
        return Stretch(self.readers, reads, room, tight=self.is_tight(room))

    def _read(self, touches: Sequence[float]) -> ReadOutcome:
        """Read in one step."""
        room = self.room
        share, misses = misses_of(self.readers, touches, room, self.is_tight(room))
        filled = extra = 0.0
        for missed, reader in zip(misses, self.readers, strict=True):
            filled += missed
            if not reader.sequential:
                extra += missed * (reader.read_ahead - 1)
        fresh = self._fill_from_free(filled + extra) if filled > 0 else 0.0
        full = share < 1.0 or extra > 0
        if not (share == 0.0 and not extra and proportional(self.readers, touches)):
            for reader, count in zip(self.readers, touches, strict=True):
                reader.remembered += count
            if full:
                self._forget_to(self.cache.count)
        return ReadOutcome(misses, filled + extra, filled + extra - fresh)

    def _fill_from_free(self, pages: float) -> float:
        """Fill free frames, then those a hint holds, with file pages; return how many."""
        done = self._take_free(min(pages, self.spare), self.cache)
        # Reclaim for the cache is pressure too: the hint's shrinker gives blocks back [C.6].
        done += self.hinted.move(pages - done, self.cache, written=True)
        return done + self.hinted_zero.move(pages - done, self.cache, written=True)

    def allocate(
        self, *, pages: float, lifetime_s: float | None, elapsed_s: float, index: int = 0
    ) -> float:
        """Allocate and write so many pages over an interval, freeing those past their lifetime.

        Returns
        -------
        float
            Pages that could be had.
        """
        live = self.allocated[index]
        before = live.count
        freed = 0.0
        if lifetime_s is not None and elapsed_s > 0:
            # d(live)/dt = allocated - live/lifetime, solved for the live pages at the end
            settled = pages / elapsed_s * lifetime_s
            kept = math.exp(-elapsed_s / lifetime_s) if lifetime_s > 0 else 0.0
            freed = before + pages - (settled + (before - settled) * kept)
        # Only what is live in the end beyond what was may cost cache: the rest are frames freed.
        got = self.take_frames(max(0.0, pages - max(0.0, freed)), live)
        while pages - got > 1e-6:
            step = self._take_free(min(pages - got, self.spare), live)
            back = self._free(live, min(max(0.0, freed), live.count))
            if step + back <= 1e-9:
                step = self.take_frames(pages - got, live)
                if step <= 1e-9:
                    return got
            got += step
            freed -= back
        self._free(live, max(0.0, freed))
        return got

    def _free(self, live: Pages, pages: float) -> float:
        """Free pages of a process, which have their contents still; return how many."""
        pages = min(pages, live.count)
        loose = live.move((1 - self._hintable) * pages, self.loose_stale)
        return loose + live.move(pages - loose, self.free_stale)

    def take_frames(self, pages: float, to: Pages) -> float:
        """Take frames and write them: free ones, then cache, then what a hint holds."""
        got = self._take_free(min(pages, self.spare), to)
        if got < pages:
            self.evict(pages - got + max(0.0, self.min_free - self.free))
            got += self._take_free(min(pages - got, self.spare), to)
        if got < pages:
            got += self.hinted.move(pages - got, to, written=True)
            got += self.hinted_zero.move(pages - got, to, written=True)
        return got

    def _take_free(self, pages: float, to: Pages) -> float:
        """Write so many free pages, loose ones first; return how many."""
        if pages <= 0:
            return 0.0
        stale, zero = self.loose_stale, self.loose_zero
        loose = stale.count + zero.count
        share = min(1.0, pages / loose) if loose > 0 else 0.0
        got = stale.move(share * stale.count, to, written=True)
        got += zero.move(share * zero.count, to, written=True)
        got += self.free_stale.move(pages - got, to, written=True)
        return got + self.free_zero.move(pages - got, to, written=True)

    def deflate_on_oom(self, pages: float) -> float:
        """Give ballooned pages back to a guest that has run out; return how many."""
        got = self.deflate(pages)
        self.oom_pages += got
        return got

    # ------------------------------------------------------------------ what policies do

    def evict(self, pages: float) -> float:
        """Turn clean cache, coldest first, into free and stale pages; return how many."""
        done = self._drop(self.cache, pages)
        self._forget_to(self.cache.count)
        return done

    def forget_absent(self) -> float:
        """At the destination, let go of clean cache that was not sent; return how many pages."""
        absent = min(self.cache.absent, self.cache.count)
        self.cache.move(absent, self.free_zero)
        self.cache.absent = 0.0
        self._forget_to(self.cache.count)
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
                done += sum(self._drop(c.frames, share * c.frames.count) for c in writer.classes)
        return done

    def _drop(self, cache: Pages, pages: float) -> float:
        """Free cached pages, few of which make whole blocks; return how many."""
        pages = min(pages, cache.count)
        whole = cache.move(WHOLE_AFTER_DROP * pages, self.free_stale)
        return whole + cache.move(pages - whole, self.loose_stale)

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
        zeroed = self.init_on_alloc
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
        self._fill_from_free(pages)
        for reader, other in zip(self.readers, like.readers, strict=True):
            reader.remembered = max(reader.remembered, other.remembered)
        self._forget_to(self.cache.count)

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
        self._forget_to(0.0)

    def _forget_to(self, pages: float) -> None:
        """Let readers forget until what is resident fits these pages."""
        if self.resident <= pages:
            return
        (forget_swept_first if self.replacement == "two-list" else forget)(self.readers, pages)
