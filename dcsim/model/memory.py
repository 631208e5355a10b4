"""What a guest's memory is made of. Pages are counts, as floats; no clock.

Frames are kept by contents: free and zero, free and stale, clean cache, kernel, anonymous,
ballooned, held by a hint, and one set for each class of pages that is written. Frames move between
them as the guest allocates, reads, frees, and as policies take and return them; their number never
changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dcsim.model.readers import ReadOutcome, ReadSet, forget, proportional, reach
from dcsim.model.touch import Pages, TouchClass

WRITEBACK_AGE_S = 30.0
"""Age at which the kernel writes a dirty page back: vm.dirty_expire_centisecs = 3000 [C.7]."""


TURNOVER = 0.1
"""Share of the cache that one step of readers whose shares shift may turn over."""
MOST_PARTS = 100
SLACK = 1e-9
"""Rounding, in share of the memory."""


@dataclass(slots=True)
class WriteClass:
    """Pages of one class that are written: `size` in all, of which `frames` are in memory."""

    touch: TouchClass
    frames: Pages

    def missing(self, touches: float) -> float:
        """Return how many pages not in memory so many touches of the set bring in."""
        gap = self.touch.pages - self.frames.count
        return gap * self.touch.distinct(touches) / self.touch.pages if gap > 0 else 0.0


@dataclass(slots=True)
class WriteSet:
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
    replacement
        ``lru``: one list. ``two-list``: pages that are only swept through go before all others, as
        with the kernel's active and inactive lists [C.7].

    Raises
    ------
    ValueError
        If the parts are more than the whole.
    """

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
        replacement: Literal["lru", "two-list"] = "lru",
    ) -> None:
        self.pages = pages
        self.min_free = min_free
        self.replacement = replacement
        self.free_zero = Pages(free_zero, zero=True)
        self.free_stale = Pages(free_stale)
        self.kernel = Pages(kernel)
        self.anonymous_zero = Pages(anonymous_zero, zero=True)
        self.ballooned = Pages(zero=True)
        self.hinted = Pages()
        self.hinted_zero = Pages(zero=True)
        self.allocated = [Pages() for _ in range(max(1, allocators))]
        self.writers = [
            WriteSet(tuple(WriteClass(c, Pages(c.pages)) for c in classes), to)
            for classes, to in writers
        ]
        written = {"anonymous": 0.0, "cache": 0.0}
        for writer in self.writers:
            written[writer.to] += sum(c.frames.count for c in writer.classes)
        self.cache = Pages(max(0.0, cache - written["cache"]))
        self._fragmented = 0.0
        rest = (
            pages - free_zero - free_stale - max(cache, written["cache"]) - kernel - anonymous_zero
        )
        if rest < written["anonymous"] - SLACK * pages:
            raise ValueError(f"the parts of a memory are more than its {pages:.0f} pages")
        self.anonymous = Pages(max(0.0, rest - written["anonymous"]))
        self.readers = [ReadSet(classes, ahead) for classes, ahead, _ in readers]
        self._remember([rate for _, _, rate in readers])
        self.oom_pages = 0.0

    def _remember(self, rates: Sequence[float]) -> None:
        """Start with the residency that long reading at these rates leaves in the cache."""
        sizes = [sum(c.pages for c in reader.classes) for reader in self.readers]
        longest = max(
            (n / rate for n, rate in zip(sizes, rates, strict=True) if rate > 0), default=0.0
        )
        for reader, rate in zip(self.readers, rates, strict=True):
            reader.remembered = 1e3 * rate * longest
        self._forget_to(self.cache.count)

    def sets(self) -> Iterator[Pages]:
        """Every set of frames, in a fixed order."""
        yield from (self.free_zero, self.free_stale, self.cache, self.kernel, self.anonymous)
        yield from (self.anonymous_zero, self.ballooned, self.hinted, self.hinted_zero)
        yield from self.allocated
        for writer in self.writers:
            for written in writer.classes:
                yield written.frames

    # ------------------------------------------------------------------ sums

    @property
    def free(self) -> float:
        """Free pages."""
        return self.free_zero.count + self.free_stale.count

    @property
    def transient(self) -> Pages:
        """What the first allocating activity has allocated."""
        return self.allocated[0]

    @property
    def spare(self) -> float:
        """Free pages above those that the kernel keeps."""
        return max(0.0, self.free - self.min_free)

    @property
    def resident(self) -> float:
        """Cached pages that some reader may read again."""
        return sum(reader.resident() for reader in self.readers)

    @property
    def cold(self) -> float:
        """Clean cache that nobody reads again."""
        return max(0.0, self.cache.count - self.resident)

    @property
    def written_cache(self) -> float:
        """Cached pages of file sets that are being written."""
        return sum(c.frames.count for w in self.writers if w.to == "cache" for c in w.classes)

    @property
    def available(self) -> float:
        """MemAvailable, by the kernel's formula without reclaimable slab [C.7]."""
        cache = self.cache.count + self.written_cache
        low = self.min_free
        return max(0.0, self.free - self.min_free + cache - min(cache / 2, low))

    # ------------------------------------------------------------------ the guest's own doing

    def write(self, index: int, touches: float) -> None:
        """Bring in the file pages that a writer touches and that are not in memory."""
        for written in self.writers[index].classes:
            missing = written.missing(touches)
            if missing > 1e-9:
                self.take_frames(missing, written.frames)

    def read(self, touches: Sequence[float]) -> ReadOutcome:
        """Read file pages: so many touches of each read set; misses take frames and fill them."""
        if proportional([reader.remembered for reader in self.readers], touches):
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
        return ReadOutcome(
            misses=[sum(own) for own in zip(*(o.misses for o in outcomes), strict=True)],
            stalls=[sum(own) for own in zip(*(o.stalls for o in outcomes), strict=True)],
            brought=sum(o.brought for o in outcomes),
            recycled=sum(o.recycled for o in outcomes),
        )

    def _read(self, touches: Sequence[float]) -> ReadOutcome:
        """Read in one step."""
        old = [reader.remembered for reader in self.readers]
        before = [reader.resident() for reader in self.readers]
        room = self.spare + self.held + max(0.0, self.cache.count - sum(before))
        share, after = self._share_that_fits(touches, before, room)
        misses = [max(0.0, end - start) for start, end in zip(before, after, strict=True)]
        if share < 1.0:
            for i, (reader, count) in enumerate(zip(self.readers, touches, strict=True)):
                rest = (1 - share) * count
                misses[i] += rest * reader.miss(old[i] + share * count)
        filled = sum(misses)
        extra = sum(
            m * (r.read_ahead - 1)
            for m, r in zip(misses, self.readers, strict=True)
            if not r.sequential
        )
        fresh = self._fill_from_free(filled + extra)
        full = share < 1.0 or extra > 0
        if not (share == 0.0 and not extra and proportional(old, touches)):
            for reader, count in zip(self.readers, touches, strict=True):
                reader.remembered += count
            if full:
                self._forget_to(self.cache.count)
        stalls = [
            m / r.read_ahead if r.sequential else m
            for m, r in zip(misses, self.readers, strict=True)
        ]
        return ReadOutcome(misses, stalls, filled + extra, filled + extra - fresh)

    def _share_that_fits(
        self, touches: Sequence[float], before: Sequence[float], room: float
    ) -> tuple[float, list[float]]:
        """Return the share of these touches that has room, and what is resident after it."""
        start = sum(before)
        remembered = [reader.remembered for reader in self.readers]
        tight = room <= 1e-6 * max(1.0, self.cache.count)
        if tight and proportional(remembered, touches):
            return 0.0, list(before)

        def after(share: float) -> list[float]:
            pairs = zip(self.readers, touches, strict=True)
            return [reader.resident(reader.remembered + share * count) for reader, count in pairs]

        whole = after(1.0)
        if sum(whole) - start <= room:
            return 1.0, whole
        if tight:
            return 0.0, list(before)
        share = reach(self.readers, remembered, touches, target=start + room, start=0.0)
        return share, after(share)

    def _fill_from_free(self, pages: float) -> float:
        """Fill free frames, then those a hint holds, with file pages; return how many."""
        spare = min(pages, self.spare)
        done = self.free_stale.move(spare, self.cache, written=True)
        done += self.free_zero.move(spare - done, self.cache, written=True)
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
        got = 0.0
        while pages - got > 1e-6:
            step = self.take_frames(pages - got, live)
            # what is freed in the interval is there to be allocated in it
            back = live.move(min(max(0.0, freed), live.count), self.free_stale)
            got += step
            freed -= back
            if step + back <= 1e-9:
                return got
        live.move(max(0.0, freed), self.free_stale)
        return got

    def take_frames(self, pages: float, to: Pages) -> float:
        """Take frames and write them: free ones, then cache, then what a hint holds."""
        got = 0.0
        spare = min(pages, self.spare)
        got += self.free_stale.move(spare, to, written=True)
        got += self.free_zero.move(spare - got, to, written=True)
        if got < pages:
            self.evict(pages - got + max(0.0, self.min_free - self.free))
            got += self.free_stale.move(min(pages - got, self.spare), to, written=True)
        if got < pages:
            got += self.hinted.move(pages - got, to, written=True)
            got += self.hinted_zero.move(pages - got, to, written=True)
        return got

    def deflate_on_oom(self, pages: float) -> float:
        """Give ballooned pages back to a guest that has run out; return how many."""
        got = self.ballooned.move(pages, self.free_zero)
        self.oom_pages += got
        return got

    # ------------------------------------------------------------------ what policies do

    def evict(self, pages: float) -> float:
        """Turn clean cache, coldest first, into free and stale pages; return how many."""
        done = self.cache.move(pages, self.free_stale)
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
                done += sum(
                    c.frames.move(share * c.frames.count, self.free_stale) for c in writer.classes
                )
        return done

    def inflate(self, pages: float) -> float:
        """Let a balloon take free pages, which then read as zero; return how many."""
        taken = self.free_stale.move(pages, self.ballooned)
        return taken + self.free_zero.move(pages - taken, self.ballooned)

    def deflate(self) -> float:
        """Return all ballooned pages, zero; return how many."""
        return self.ballooned.move(self.ballooned.count, self.free_zero)

    def hold(self, pages: float) -> float:
        """Lock free pages away for a hint; return how many."""
        share = min(1.0, pages / self.free) if self.free > 0 else 0.0
        taken = self.free_stale.move(share * self.free_stale.count, self.hinted)
        return taken + self.free_zero.move(share * self.free_zero.count, self.hinted_zero)

    @property
    def held(self) -> float:
        """Pages locked away for a hint."""
        return self.hinted.count + self.hinted_zero.count

    def tell_held(self) -> float:
        """Take the held pages out of the stream; return how many were still to be sent."""
        told = self.hinted.skip(self.hinted.count)
        return told + self.hinted_zero.skip(self.hinted_zero.count)

    def release(self, *, arrived: bool) -> None:
        """Return held pages: zero at the destination, at the source as they were."""
        self.hinted_zero.move(self.hinted_zero.count, self.free_zero)
        self.hinted.move(self.hinted.count, self.free_zero if arrived else self.free_stale)
        if arrived:
            self.free_stale.move(min(self.free_stale.absent, self.free_stale.count), self.free_zero)

    def report(self, share: float) -> None:
        """Report this share of what became free to the host, which takes its contents away."""
        fresh = max(0.0, self.free_stale.count - self._fragmented)
        self.free_stale.move(share * fresh, self.free_zero)
        self._fragmented = self.free_stale.count

    def refill(self, pages: float, *, like: Memory) -> None:
        """Fill free frames with file pages read ahead; residency becomes as in another memory."""
        self._fill_from_free(pages)
        for reader, other in zip(self.readers, like.readers, strict=True):
            reader.remembered = max(reader.remembered, other.remembered)
        self._forget_to(self.cache.count)

    def restart(self) -> None:
        """Start anew: nothing is cached, allocated short-term, held or ballooned."""
        self.release(arrived=True)
        for pages in (self.cache, *self.allocated, self.ballooned, self.free_stale):
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
        if self.replacement == "two-list":
            kept = [reader for reader in self.readers if not reader.sequential]
            room = pages - sum(reader.resident() for reader in kept)
            forget([reader for reader in self.readers if reader.sequential], max(0.0, room))
            if room < 0:
                forget(kept, pages)
        else:
            forget(self.readers, pages)

    # ------------------------------------------------------------------ the migration's view

    def start_log(self, *, per_chunk: bool) -> None:
        """Switch the dirty log on: every page is to be sent."""
        for pages in self.sets():
            pages.start_log(per_chunk=per_chunk)

    def pending(self) -> tuple[float, float, float]:
        """Return the pages to be sent: with contents, zero, and zero as a balloon took them."""
        normal = zero = 0.0
        for pages in self.sets():
            if pages.zero:
                zero += pages.pending
            else:
                normal += pages.pending
        return normal, zero - self.ballooned.pending, self.ballooned.pending

    def advance_log(self, *, writes: Sequence[float], recycled: float, sent: float) -> list[float]:
        """Let an interval pass in which pages were written and pending pages were sent.

        Parameters
        ----------
        writes
            Touches of each write set.
        recycled
            Cache frames filled anew.
        sent
            Pending pages sent, of all sets in proportion.

        Returns
        -------
        list of float
            For each write set, the writes that hit a write-protected page.
        """
        share = self._share_sent(sent)
        faults = []
        written = set()
        for writer, touches in zip(self.writers, writes, strict=True):
            faults.append(0.0)
            for part in writer.classes:
                own = touches * part.touch.share
                frames = part.frames
                faults[-1] += frames.advance(
                    touches=own, sent=share * frames.pending, law=part.touch.law
                )
                written.add(id(frames))
        for pages in self.sets():
            if id(pages) not in written:
                touches = recycled if pages is self.cache else 0.0
                pages.advance(touches=touches, sent=share * pages.pending, law="each")
        return faults

    def faults(self, index: int, touches: float, *, sent: float = 0.0) -> float:
        """Return how many write-protected pages so many touches of a write set would hit."""
        share = self._share_sent(sent)
        return sum(
            part.frames.faults(
                touches=touches * part.touch.share,
                sent=share * part.frames.pending,
                law=part.touch.law,
            )
            for part in self.writers[index].classes
        )

    def _share_sent(self, sent: float) -> float:
        """Return the share of what is pending that so many pages are."""
        total = sum(self.pending()) if sent > 0 else 0.0
        return min(1.0, sent / total) if total > 0 else 0.0

    def sync(self) -> float:
        """Collect the dirty log; return the pages newly to be sent."""
        return sum(pages.sync() for pages in self.sets())
