"""The frames that a guest takes as it reads, writes files and allocates. Pages; pure.

Free ones are taken first, then clean cache, coldest first, then what a hint holds. What is free
lies in whole blocks of 4 MiB, or is loose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from dcsim.kernel import twin
from dcsim.model.readers import (
    ReadSet,
    Stretch,
    forget,
    forget_swept_first,
    misses_of,
    proportional,
    resident_of,
)
from dcsim.model.touch import Pages, TouchClass

WHOLE_AFTER_DROP = 0.05
"""Share of the pages of dropped cache that make whole free blocks of 4 MiB: measured, 0.4 of free
memory was in such blocks where 0.58 of it had been cache and nearly all of the rest was [M.9]."""
TURNOVER = 0.1
"""Share of the cache that one step of readers whose shares shift may turn over."""
MOST_PARTS = 100
TIGHT = 1e-6
"""Share of the cache that, as room for more of it, is next to none."""
NONE_MISSING = 1e-9
ALL_HAD = 1e-6
"""Pages that are missing, or cannot be had, where none are but for rounding."""

NEGLIGIBLE_MISSES = 1.0
"""Misses a second below which a changing cache is not looked at for its own sake."""
NEXT_TO_NOTHING = 1e-6
"""Share of the memory that, as room for its cache, is none: nothing changes there."""
SHORTEST_GROWTH_S = 0.1
"""Least time after which what fills up is looked at again."""

COARSER = 1.5
"""How much more a miss rate may change where its misses slow nobody down."""
LONGEST_S = 1e6
"""Time for which reads are paced alike where nothing changes."""

FIELDS = (
    "_hintable", "allocated", "cache", "free_stale", "free_zero", "hinted", "hinted_zero",
    "loose_stale", "loose_zero", "min_free", "pages", "readers", "replacement", "writers",
)  # fmt: skip


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


@twin
class ReadOutcome(NamedTuple):
    """What an interval of reading came to, in pages.

    `misses` are those of each reader, `brought` is what came from storage with read-ahead, and
    `recycled` the cache frames that were filled anew.
    """

    misses: Sequence[float]
    brought: float
    recycled: float


@twin
class Pool:
    """The frames of one guest that are taken and given back, and who takes them.

    Attributes
    ----------
    cache
        Clean cached pages.
    loose_stale, loose_zero, free_stale, free_zero
        Free ones: loose and in whole blocks, of either with old contents and never used.
    hinted, hinted_zero
        Locked away for a hint.
    allocated
        Those of each activity that allocates.
    readers, writers
        What each activity reads, and what each writes.
    pages
        All frames there are.
    min_free
        Pages that the kernel keeps free.
    replacement
        ``lru`` or ``two-list``, see `dcsim.model.memory`.
    ahead
        The reads that are paced alike, if anybody paces them.
    """

    __slots__ = (*FIELDS, "ahead")

    _hintable: float
    ahead: Stretch | None
    allocated: tuple[Pages, ...]
    cache: Pages
    free_stale: Pages
    free_zero: Pages
    hinted: Pages
    hinted_zero: Pages
    loose_stale: Pages
    loose_zero: Pages
    min_free: float
    pages: float
    readers: tuple[ReadSet, ...]
    replacement: Literal["lru", "two-list"]
    writers: tuple[WriteSet, ...]

    # ------------------------------------------------------------------ sums

    @property
    def free(self) -> float:
        """Free pages."""
        loose = self.loose_stale.count + self.loose_zero.count
        return loose + self.free_stale.count + self.free_zero.count

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
        cold = self.cache.count - resident_of(self.readers)
        return cold if cold > 0 else 0.0

    @property
    def room(self) -> float:
        """Pages in which more of what readers read may become resident: spare, held and cold."""
        return self.spare + (self.hinted.count + self.hinted_zero.count) + self.cold

    def _is_tight(self, room: float) -> bool:
        """Whether so much room is next to none."""
        return room <= TIGHT * max(1.0, self.cache.count)

    # ------------------------------------------------------------------ reading and writing files

    def write(self, index: int, touches: float) -> None:
        """Bring in the file pages that a writer touches and that are not in memory."""
        writer = self.writers[index]
        if writer.to == "anonymous":  # which is never taken from
            return
        for written in writer.classes:
            missing = written.missing(touches)
            if missing > NONE_MISSING:
                self.take_frames(missing, written.frames)

    def read(self, touches: Sequence[float]) -> ReadOutcome:
        """Read file pages: so many touches of each read set; misses take frames and fill them."""
        if self.ahead is not None:
            self.ahead.note(touches)
        parts = 1
        if not proportional(self.readers, touches):
            # Where shares of the cache shift between readers, no step may turn over much of it.
            missed = 0.0
            for reader, count in zip(self.readers, touches, strict=True):
                missed += count * reader.miss()
            if missed > self.spare + self.cold:
                step = TURNOVER * max(self.cache.count, 1.0)
                parts = min(MOST_PARTS, math.ceil(missed / step))
        if parts <= 1:
            return self._read(touches)
        part = [count / parts for count in touches]
        misses, brought, recycled = [0.0] * len(part), 0.0, 0.0
        for _ in range(parts):
            outcome = self._read(part)
            misses = [all_ + more for all_, more in zip(misses, outcome.misses, strict=True)]
            brought += outcome.brought
            recycled += outcome.recycled
        return ReadOutcome(misses, brought, recycled)

    def _read(self, touches: Sequence[float]) -> ReadOutcome:
        """Read in one step."""
        room = self.room
        share, misses = misses_of(self.readers, touches, room, self._is_tight(room))
        filled = extra = 0.0
        for missed, reader in zip(misses, self.readers, strict=True):
            filled += missed
            if not reader.sequential:
                extra += missed * (reader.read_ahead - 1)
        fresh = self.fill(filled + extra) if filled > 0 else 0.0
        full = share < 1.0 or extra > 0
        if not (share == 0.0 and not extra and proportional(self.readers, touches)):
            for reader, count in zip(self.readers, touches, strict=True):
                reader.remembered += count
            if full:
                self.forget_to(self.cache.count)
        return ReadOutcome(misses, filled + extra, filled + extra - fresh)

    def look_ahead(self, reads: Sequence[float]) -> Sequence[float]:
        """Let so many reads of each set be paced alike; return each reader's chance of a miss."""
        room = self.room
        self.ahead = Stretch(self.readers, reads, room, tight=self._is_tight(room))
        return self.ahead.misses

    @property
    def on_course(self) -> bool:
        """Whether reads are to come that are paced alike, and nothing else has happened."""
        return self.ahead is not None and self.ahead.goes_on(self.room)

    def steady_for(self, rates: Sequence[float], changes: Sequence[float]) -> float:
        """Return for how many seconds no reader's chance of a miss changes by more than a share.

        Parameters
        ----------
        rates
            Reads per second of each set.
        changes
            That share, for each.
        """
        wait = math.inf
        if self.room <= NEXT_TO_NOTHING * self.pages:
            return wait
        for reader, rate, change in zip(self.readers, rates, changes, strict=True):
            miss = reader.miss()
            if rate * miss >= NEGLIGIBLE_MISSES:
                wait = min(wait, reader.steady_for(rate, miss, change))
        return wait

    def paced_for(self, rates: Sequence[float], tolerance: float, *, sending: bool) -> float:
        """Return for how many seconds reads that look ahead may go on without another look.

        Parameters
        ----------
        rates
            Reads per second of each set.
        tolerance
            Relative change that matters while pages are being sent.
        sending
            Whether they are: frames that are filled have to be sent whole, zero ones too.
        """
        wait, missed, room = math.inf, 0.0, self.room
        assert self.ahead is not None
        for rate, miss in zip(rates, self.ahead.misses, strict=True):
            missed += rate * miss
        if missed < NEGLIGIBLE_MISSES or room <= NEXT_TO_NOTHING * self.pages:
            return wait
        if sending:
            slack = tolerance * (room + self.cache.count / 10)
            wait = max(SHORTEST_GROWTH_S, slack / missed)
        each = zip(self.readers, rates, self.ahead.misses, self.ahead.left(), strict=True)
        for reader, rate, miss, left in each:
            if rate > 0:
                wait = min(wait, left / rate)
                if sending:
                    wait = min(wait, reader.steady_for(rate, miss, tolerance))
        return wait

    def fill(self, pages: float) -> float:
        """Fill free frames, then those a hint holds, with file pages; return how many."""
        done = self._take_free(min(pages, self.spare), self.cache)
        # Reclaim for the cache is pressure too: the hint's shrinker gives blocks back [C.6].
        done += self.hinted.move(pages - done, self.cache, written=True)
        return done + self.hinted_zero.move(pages - done, self.cache, written=True)

    def evict(self, pages: float) -> float:
        """Turn clean cache, coldest first, into free and stale pages; return how many."""
        done = self.drop(self.cache, pages)
        self.forget_to(self.cache.count)
        return done

    def drop(self, cache: Pages, pages: float) -> float:
        """Free cached pages, few of which make whole blocks; return how many."""
        pages = min(pages, cache.count)
        whole = cache.move(WHOLE_AFTER_DROP * pages, self.free_stale)
        return whole + cache.move(pages - whole, self.loose_stale)

    def forget_to(self, pages: float) -> None:
        """Let readers forget until what is resident fits these pages."""
        if self.resident <= pages:
            return
        (forget_swept_first if self.replacement == "two-list" else forget)(self.readers, pages)

    # ------------------------------------------------------------------ allocating

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
        while pages - got > ALL_HAD:
            step = self._take_free(min(pages - got, self.spare), live)
            back = self._free(live, min(max(0.0, freed), live.count))
            if step + back <= NONE_MISSING:
                step = self.take_frames(pages - got, live)
                if step <= NONE_MISSING:
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


@twin
def look_ahead(
    memories: Sequence[Pool], rates: Sequence[float], wanted: Sequence[float], tolerance: float
) -> list[Sequence[float]] | None:
    """Let reads be paced alike as long as no chance of a miss changes much.

    Parameters
    ----------
    memories
        A guest's memory, and others that are read alike.
    rates, wanted
        Reads per second of each set, and those that are asked for.
    tolerance
        Relative change of a miss rate that matters.

    Returns
    -------
    list or None
        Each reader's chance of a miss, in each memory; None where reads go on as they are paced.
    """
    if all([memory.on_course for memory in memories]):
        return None
    change = math.sqrt(tolerance / 2)  # as a stretch is paced by its mean
    changes = [change] * len(rates)
    ahead = memories[0].ahead
    if ahead is not None and ahead.is_through:  # what slowed nobody down does so even less
        changes = [
            change if rate < most else COARSER * change
            for rate, most in zip(rates, wanted, strict=True)
        ]
    steady = LONGEST_S
    for memory in memories:
        steady = min(steady, memory.steady_for(rates, changes))
    steady = max(SHORTEST_GROWTH_S, steady)
    reads = [rate * steady for rate in rates]
    return [memory.look_ahead(reads) for memory in memories]
