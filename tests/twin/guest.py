"""Every frame of one guest: what it holds, who uses it, and what happens to it next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.scenario.spec import Activity, GuestGroup
from dcsim.units import PAGE
from tests.twin.pages import FileCache, Indexes, TwinPages
from tests.twin.touches import Touches

FREE, CLEAN, WRITTEN, USED, BALLOONED, HELD = range(6)
"""What a frame is: free; a clean file page; one of a file set that is written; anonymous or the
kernel's; taken by a balloon; locked away for a hint."""
BLOCK = 1024
"""Pages of the largest free block, 4 MiB [C.6]."""
IN_BLOCKS_AFTER_DROP = 0.4
"""Share of dropped cache that then lies in whole free blocks, as measured [M.9]."""
LONG_AGO = 1e9
"""Seconds since a page was used that will not be used again."""
OOM_PAGES = 256
"""Pages that a balloon gives back at a time when memory has run out [C.7]."""


class OutOfMemory(Exception):
    """The guest has nothing left to take."""


@dataclass
class Doing:
    """One activity: how many pages a second, which pages next, and where they are."""

    spec: Activity
    rate: float
    touches: Touches
    frames: Indexes
    first: int = 0
    done: int = 0


class TwinGuest:
    """A guest's memory, frame by frame in the order of addresses, and what it does.

    Parameters
    ----------
    group
        What is asked; all rates have to be numbers, and a miss brings one page.
    rng
        Where chance comes from.
    layout
        Contents in the order of addresses (``kernel``, ``anonymous``, ``anonymous_zero``,
        ``free_zero``, ``free_stale``, ``cache``, and ``write0``, ``write1``, ...), each in one
        piece; None for all mixed but for the free blocks that a hint needs.
    """

    def __init__(
        self, group: GuestGroup, rng: np.random.Generator, *, layout: Sequence[str] | None = None
    ) -> None:
        self.rng = rng
        work = group.workload
        self.count = count = round(group.memory / PAGE)
        self.min_free = round(work.min_free * count)
        self.kind = np.full(count, USED, np.int8)
        self.zero = np.zeros(count, bool)
        self.log: TwinPages | None = None
        self.held: list[Indexes] = []
        self.missed = self.oom = 0

        names = ("free_zero", "free_stale", "cache", "kernel", "anonymous_zero")
        sizes = {name: round(getattr(work.memory, name) * count) for name in names}
        self.doing = []
        for activity in work.activities:
            assert activity.rate != "max"
            assert activity.read_ahead == 1
            size = round(activity.set * count if activity.set <= 1 else activity.set / PAGE)
            touches = Touches(rng, max(size, 1), activity.pattern)
            nowhere = np.full(size if activity.do in ("read", "write") else 0, -1)
            self.doing.append(Doing(activity, activity.rate / PAGE, touches, nowhere))
        self.writers = [one for one in self.doing if one.spec.do == "write"]
        self.readers = [one for one in self.doing if one.spec.do == "read"]
        for i, one in enumerate(self.writers):
            sizes[f"write{i}"] = len(one.frames)
            if one.spec.to == "cache":
                sizes["cache"] -= len(one.frames)
        sizes["anonymous"] = count - sum(sizes.values())
        places = self._place(sizes, work.hintable, layout)

        for name in ("free_zero", "free_stale"):
            self.kind[places[name]] = FREE
        for name in ("free_zero", "anonymous_zero"):
            self.zero[places[name]] = True
        for i, one in enumerate(self.writers):
            one.frames[:] = places[f"write{i}"]
            if one.spec.to == "cache":
                self.kind[one.frames] = WRITTEN
        # The last frame is taken first: what was freed last, so stale before zero.
        self.free = [*places["free_zero"].tolist(), *places["free_stale"].tolist()]
        self._turn = rng.permutation(count // BLOCK + 1)
        self._merge()
        self.cache = FileCache(two_list=work.replacement == "two-list")
        self._fill_cache(places["cache"])

    def _place(
        self, sizes: dict[str, int], hintable: float, layout: Sequence[str] | None
    ) -> dict[str, Indexes]:
        """Return the addresses of each content."""
        if layout is not None:
            assert sorted(layout) == sorted(name for name in sizes if sizes[name] or name in layout)
            bounds = np.cumsum([sizes[name] for name in layout])
            pieces = np.split(np.arange(self.count), bounds[:-1])
            empty = {name: np.arange(0) for name in sizes}
            return empty | dict(zip(layout, pieces, strict=True))
        # Whole blocks of one content lie among blocks in which all else is mixed, page by page.
        share = {"free_zero": hintable, "free_stale": hintable, "cache": IN_BLOCKS_AFTER_DROP}
        blocks = self.rng.permutation(self.count // BLOCK)
        rest = np.ones(self.count, bool)
        places, used = {}, 0
        for name, size in sizes.items():
            own = blocks[used : used + round(share.get(name, 0.0) * size / BLOCK)]
            own = own[: size // BLOCK]
            used += len(own)
            places[name] = (own[:, None] * BLOCK + np.arange(BLOCK)).ravel()
            rest[places[name]] = False
        mixed = self.rng.permutation(np.flatnonzero(rest))
        for name, size in sizes.items():
            more = size - len(places[name])
            places[name] = self.rng.permutation(np.append(places[name], mixed[:more]))
            mixed = mixed[more:]
        return places

    def _fill_cache(self, frames: Indexes) -> None:
        """Fill the cache as endless reading at the rates asked leaves it; the rest is cold."""
        ages = []
        for one in self.readers:
            one.first = sum(map(len, ages))
            ages.append(one.touches.ages() / max(one.rate, 1e-9))
            if one.touches.sweeps and self.cache.two_list:
                ages[-1] += LONG_AGO  # pages used once go before those used again
        self.first_cold = sum(map(len, ages))
        ages.append(np.full(len(frames), np.inf))
        order = np.argsort(np.concatenate(ages), kind="stable")[: len(frames)]
        self.kind[frames] = CLEAN
        for page, frame in zip(order[::-1].tolist(), frames.tolist(), strict=True):
            self.cache.add(page, frame)
        if self.cache.two_list:
            for page in order[: len(frames) // 2][::-1].tolist():
                self.cache.use(page)

    # ------------------------------------------------------------------ frames

    def whole_blocks(self) -> NDArray[np.bool_]:
        """Return which aligned blocks of 4 MiB are free as a whole."""
        blocks = self.kind[: self.count // BLOCK * BLOCK].reshape(-1, BLOCK)
        whole: NDArray[np.bool_] = (blocks == FREE).all(axis=1)
        return whole

    def _merge(self) -> None:
        """Put whole blocks where they are taken last, one after another, as buddies are."""
        whole = np.append(self.whole_blocks(), False)
        free = np.array(self.free, np.int64)
        taken = np.where(whole, self._turn, len(self._turn))
        self.free = free[np.argsort(taken[free // BLOCK], kind="stable")].tolist()

    def resident(self, one: Doing) -> int:
        """Return how many pages of what an activity reads are cached."""
        last = one.first + len(one.frames)
        return sum(one.first <= page < last for page, _ in self.cache.pages())

    @property
    def available(self) -> float:
        """MemAvailable: free less what is kept free, and file cache but for what is kept [C.7]."""
        cached = len(self.cache) + int(np.count_nonzero(self.kind == WRITTEN))
        return max(0.0, len(self.free) - self.min_free + cached - min(cached / 2, self.min_free))

    def take(self) -> int:
        """Return a frame to be filled: free, else from a held block, else from the cache."""
        if len(self.free) > self.min_free:
            return int(self.free.pop())
        if self.held:
            self.give(self.held.pop())
            return int(self.free.pop())
        if self.cache:
            return self.cache.evict()
        ballooned = np.flatnonzero(self.kind == BALLOONED)[:OOM_PAGES]
        if not ballooned.size:
            raise OutOfMemory
        self.oom += ballooned.size
        self.give(ballooned)
        return self.take()

    def give(self, frames: Indexes) -> None:
        """Make frames free."""
        self.kind[frames] = FREE
        self.free.extend(frames.tolist())
        if frames.size >= BLOCK:
            self._merge()

    def fill(self, frames: Indexes, kind: int) -> None:
        """Write new contents to frames."""
        self.kind[frames] = kind
        self.zero[frames] = False
        if self.log is not None:
            self.log.write(frames)

    # ------------------------------------------------------------------ what it does

    def run(self, seconds: float) -> None:
        """Do all activities for a while."""
        for one in self.doing:
            if one.spec.do == "allocate":
                self._allocate(one, seconds)
                continue
            pages = one.touches.next(one.rate * seconds)
            one.done += len(pages)
            if one.spec.do == "read":
                self._read(pages + one.first)
            elif one.spec.do == "write":
                absent = np.unique(pages[one.frames[pages] < 0])
                if absent.size:
                    one.frames[absent] = [self.take() for _ in absent]
                    self.fill(one.frames[absent], WRITTEN)
                if self.log is not None:
                    self.log.write(one.frames[pages])

    def _read(self, pages: Indexes) -> None:
        filled = []
        for page in pages.tolist():
            if not self.cache.use(page):
                self.missed += 1
                filled.append(self.take())
                self.cache.add(page, filled[-1])
        self.fill(np.array(filled, np.int64), CLEAN)

    def _allocate(self, one: Doing, seconds: float) -> None:
        if one.spec.lifetime is not None and one.frames.size:
            dies = self.rng.random(one.frames.size) < -np.expm1(-seconds / one.spec.lifetime)
            self.give(one.frames[dies])
            one.frames = one.frames[~dies]
        one.touches._owed += one.rate * seconds
        count = int(one.touches._owed)
        one.touches._owed -= count
        one.done += count
        new = np.array([self.take() for _ in range(count)], np.int64)
        one.frames = np.append(one.frames, new)
        self.fill(new, USED)

    # ------------------------------------------------------------------ what policies do to it

    def drop(self, count: int) -> int:
        """Free so many cached pages, the coldest first; return how many."""
        count = min(count, len(self.cache))
        self.give(np.array([self.cache.evict() for _ in range(count)], np.int64))
        return count

    def drop_written(self, count: int) -> int:
        """Free so many pages of file sets that are written, once written back."""
        frames = self.rng.permutation(np.flatnonzero(self.kind == WRITTEN))[:count]
        for one in self.writers:
            one.frames[np.isin(one.frames, frames)] = -1
        self.give(frames)
        return len(frames)

    def inflate(self, count: int) -> int:
        """Let a balloon take so many pages, free ones before cache; return how many it got."""
        taken = []
        while len(taken) < count and (len(self.free) > self.min_free or self.cache):
            taken.append(self.free.pop() if len(self.free) > self.min_free else self.cache.evict())
        frames = np.array(taken, np.int64)
        self.kind[frames] = BALLOONED
        self.zero[frames] = True
        return len(frames)

    def deflate(self, count: int) -> None:
        """Take so many pages back from the balloon."""
        self.give(self.rng.permutation(np.flatnonzero(self.kind == BALLOONED))[:count])

    def hold(self, count: int) -> Indexes:
        """Lock away so many free blocks, any of them; return their frames."""
        count = min(count, (len(self.free) - self.min_free) // BLOCK)
        if count <= 0:
            return np.arange(0)
        blocks = self.rng.permutation(np.flatnonzero(self.whole_blocks()))[:count]
        told = [block * BLOCK + np.arange(BLOCK) for block in blocks]
        self.held += told
        frames = np.concatenate([np.arange(0), *told])
        self.kind[frames] = HELD
        self.free = [frame for frame in self.free if self.kind[frame] == FREE]
        return frames

    def release(self) -> None:
        """Take all blocks held for a hint back."""
        while self.held:
            self.give(self.held.pop())

    def report(self) -> None:
        """Let the host take the contents of free blocks."""
        whole = np.repeat(self.whole_blocks(), BLOCK)
        self.zero[: len(whole)][whole] = True

    def forget(self, frames: Indexes) -> int:
        """Let go of the clean file pages among these frames; return how many there were."""
        gone = set(frames.tolist())
        lost = [page for page, frame in self.cache.pages() if frame in gone]
        self.give(np.array([self.cache.forget(page) for page in lost], np.int64))
        return len(lost)
