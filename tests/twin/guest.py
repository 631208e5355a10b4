"""Every frame of one guest: what it holds, who uses it, and what happens to it next."""

from __future__ import annotations

import math
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
WHOLE_AFTER_DROP = 0.05
"""Share of the page cache that makes whole free blocks once it is dropped [M.9]."""
LOW_WATERMARK = 0.5
"""The low watermark in share of what the kernel keeps free [C.7]."""
OOM_PAGES = 256
"""Pages that a balloon gives back at a time when memory has run out [C.7]."""
LONG_AGO = 1e9
"""Seconds since a page was used that will not be used again."""

Layout = Sequence[Sequence[str]]


class OutOfMemory(Exception):
    """The guest has nothing left to take."""


@dataclass
class Doing:
    """One activity: its pages a second, which come next, and in which frames they are."""

    spec: Activity
    rate: float
    touches: Touches
    frames: Indexes
    first: int = 0


class TwinGuest:
    """A guest's memory, frame by frame in the order of addresses, and what it does.

    Parameters
    ----------
    group
        What is asked. Rates have to be numbers, and a miss brings one page.
    rng
        Where chance comes from.
    layout
        Pieces of memory in the order of addresses, each a mixture of contents: ``kernel``,
        ``anonymous``, ``anonymous_zero``, ``free_zero``, ``free_stale``, ``loose_zero``,
        ``loose_stale`` (free pages that are not in whole blocks), ``cache``, and ``write0``,
        ``write1``, ... for what activities write. By default the workload's order, or else one
        mixture in which only the whole free blocks lie together.
    """

    def __init__(
        self, group: GuestGroup, rng: np.random.Generator, *, layout: Layout | None = None
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
        self.doing = [self._doing(activity) for activity in work.activities]
        self.writers = [one for one in self.doing if one.spec.do == "write"]
        self.readers = [one for one in self.doing if one.spec.do == "read"]

        names = ("free_zero", "free_stale", "cache", "kernel", "anonymous_zero")
        sizes = {name: round(getattr(work.memory, name) * count) for name in names}
        whole = work.hintable if work.hintable_zero is None else work.hintable_zero
        sizes["loose_zero"] = round((1 - whole) * sizes["free_zero"])
        sizes["loose_stale"] = round((1 - work.hintable) * sizes["free_stale"])
        for i, one in enumerate(self.writers):
            sizes[f"write{i}"] = len(one.frames)
            if one.spec.to == "cache":
                sizes["cache"] -= len(one.frames)
        for name in ("zero", "stale"):
            sizes[f"free_{name}"] -= sizes[f"loose_{name}"]
        sizes["anonymous"] = count - sum(sizes.values())
        pieces = layout or self._pieces(work.order)
        places = self._pile(sizes, pieces) if pieces else self._mix(sizes)

        self.free: list[int] = []
        self._turn = rng.permutation(count // BLOCK + 1)
        for name in ("loose_zero", "free_zero", "anonymous_zero"):
            self.zero[places[name]] = True
        for kind in ("loose", "free"):
            free = np.append(places[f"{kind}_zero"], places[f"{kind}_stale"])
            self.give(rng.permutation(free), merge=kind == "free")
        for i, one in enumerate(self.writers):
            one.frames = places[f"write{i}"]
            if one.spec.to == "cache":
                self.kind[one.frames] = WRITTEN
        self.cache = FileCache(two_list=work.replacement == "two-list")
        self._fill_cache(rng.permutation(places["cache"]))

    def _doing(self, activity: Activity) -> Doing:
        assert activity.rate != "max"
        assert activity.read_ahead == 1
        size = round(activity.set * self.count if activity.set <= 1 else activity.set / PAGE)
        touches = Touches(self.rng, size, activity.pattern)
        own = size if activity.do in ("read", "write") else 0
        return Doing(activity, activity.rate / PAGE, touches, np.full(own, -1))

    def _pieces(self, order: Sequence[str]) -> Layout:
        """Return the pieces of a workload's order."""
        pieces: list[list[str]] = []
        for place in order:
            if place in ("anonymous", "cache"):
                pieces += [[f"write{i}"] for i, w in enumerate(self.writers) if w.spec.to == place]
            mixed = {
                "anonymous": ["anonymous", "anonymous_zero"],
                "cache": ["cache", "loose_zero", "loose_stale"],
            }
            if place != "kernel-high":
                pieces.append(mixed.get(place, [place.replace("-", "_")]))
        return pieces

    def _pile(self, sizes: dict[str, int], pieces: Layout) -> dict[str, Indexes]:
        """Return the addresses of each content where contents lie in pieces."""
        places = {name: np.arange(0) for name in sizes}
        start = 0
        for piece in pieces:
            total = sum(sizes[name] for name in piece)
            order = np.arange(total) if len(piece) == 1 else self.rng.permutation(total)
            ends = np.cumsum([sizes[name] for name in piece])[:-1]
            places |= dict(zip(piece, np.split(start + order, ends), strict=True))
            start += total
        assert start == self.count
        return places

    def _mix(self, sizes: dict[str, int]) -> dict[str, Indexes]:
        """Return the addresses of each content where all is mixed, but for whole blocks."""
        whole = {"free_zero": 1.0, "free_stale": 1.0, "cache": WHOLE_AFTER_DROP}
        blocks = self.rng.permutation(self.count // BLOCK)
        rest = np.ones(self.count, bool)
        places = {}
        for name, size in sizes.items():
            own, blocks = np.split(blocks, [int(whole.get(name, 0.0) * size) // BLOCK])
            places[name] = (own[:, None] * BLOCK + np.arange(BLOCK)).ravel()
            rest[places[name]] = False
        mixed = self.rng.permutation(np.flatnonzero(rest))
        for name, size in sizes.items():
            more, mixed = np.split(mixed, [size - len(places[name])])
            places[name] = np.append(places[name], more)
        return places

    def _fill_cache(self, frames: Indexes) -> None:
        """Fill the cache as endless reading at the rates asked leaves it; the rest is cold."""
        ages: list[NDArray[np.float64]] = []
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

    @property
    def available(self) -> float:
        """MemAvailable: free less what is kept free, and file cache but for what is kept [C.7]."""
        cached = len(self.cache) + int(np.count_nonzero(self.kind == WRITTEN))
        kept = min(cached / 2, LOW_WATERMARK * self.min_free)
        return max(0.0, len(self.free) - self.min_free + cached - kept)

    def take(self) -> int:
        """Return a frame to be filled: free, else of a held block, else from the cache."""
        if len(self.free) > self.min_free:
            return self.free.pop()
        if self.held:
            self.give(self.held.pop())
        elif len(self.cache):
            return self.cache.evict()
        else:
            ballooned = np.flatnonzero(self.kind == BALLOONED)[:OOM_PAGES]
            if not ballooned.size:
                raise OutOfMemory
            self.oom += ballooned.size
            self.give(ballooned)
        return self.free.pop()

    def give(self, frames: Indexes, *, merge: bool = False) -> None:
        """Make frames free: the last goes first, but whole blocks last of all, as buddies do."""
        self.kind[frames] = FREE
        self.free.extend(frames.tolist())
        if merge:
            # blocks never used, blocks with old contents, loose pages
            free, turn = np.array(self.free, np.int64), self._turn.copy()
            turn[:-1] += len(turn) * np.where(self.whole_blocks(), ~self._zero_blocks(), 2)
            turn[turn >= 2 * len(turn)] = turn[-1] = 2 * len(turn)
            self.free = free[np.argsort(turn[free // BLOCK], kind="stable")].tolist()

    def _zero_blocks(self) -> NDArray[np.bool_]:
        zero: NDArray[np.bool_] = self.zero[: self.count // BLOCK * BLOCK].reshape(-1, BLOCK)[:, 0]
        return zero

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
            if one.spec.do == "read":
                self._read(pages + one.first)
            else:
                absent = np.unique(pages[one.frames[pages] < 0])
                one.frames[absent] = [self.take() for _ in absent]
                self.fill(one.frames[absent], WRITTEN)
                if self.log is not None:
                    self.log.write(one.frames[pages])

    def _read(self, pages: Indexes) -> None:
        filled = []
        for page in pages.tolist():
            if not self.cache.use(page):
                filled.append(self.take())
                self.cache.add(page, filled[-1])
        self.missed += len(filled)
        self.fill(np.array(filled, np.int64), CLEAN)

    def _allocate(self, one: Doing, seconds: float) -> None:
        if one.spec.lifetime is not None and one.frames.size:
            dies = self.rng.random(one.frames.size) < -np.expm1(-seconds / one.spec.lifetime)
            self.give(one.frames[dies])
            one.frames = one.frames[~dies]
        new = np.array([self.take() for _ in one.touches.next(one.rate * seconds)], np.int64)
        one.frames = np.append(one.frames, new)
        self.fill(new, USED)

    # ------------------------------------------------------------------ what policies do to it

    def drop(self, count: int) -> int:
        """Free so many cached pages, those whose turn it is, then those being written."""
        clean = [self.cache.evict() for _ in range(min(count, len(self.cache)))]
        written = self.rng.permutation(np.flatnonzero(self.kind == WRITTEN))[: count - len(clean)]
        for one in self.writers:
            one.frames[np.isin(one.frames, written)] = -1
        self.give(np.append(np.array(clean, np.int64), written), merge=True)
        return len(clean) + len(written)

    def inflate(self, count: int) -> int:
        """Let a balloon take so many pages, free ones before cache; return how many were cache."""
        spare = len(self.free) - self.min_free
        dropped = self.drop(count - spare) if count > spare else 0
        count = min(count, len(self.free) - self.min_free)
        frames = np.array([self.free.pop() for _ in range(count)], np.int64)
        self.kind[frames] = BALLOONED
        self.zero[frames] = True
        return dropped

    def deflate(self, count: int) -> int:
        """Take so many pages back from the balloon, in any order."""
        frames = self.rng.permutation(np.flatnonzero(self.kind == BALLOONED))[:count]
        self.give(frames)
        return 0

    def hold(self, count: int) -> Indexes:
        """Lock away so many free blocks, never used ones first; return their frames.

        As many blocks as the kernel keeps pages free are left: ones with old contents [M.9].
        """
        blocks = self.rng.permutation(np.flatnonzero(self.whole_blocks()))
        blocks = blocks[np.argsort(~self._zero_blocks()[blocks], kind="stable")]
        blocks = blocks[: max(0, min(count, len(blocks) - math.ceil(self.min_free / BLOCK)))]
        told = [block * BLOCK + np.arange(BLOCK) for block in blocks]
        self.held += told
        frames = np.concatenate([np.arange(0), *told])
        self.kind[frames] = HELD
        if frames.size:
            self.free = [frame for frame in self.free if self.kind[frame] == FREE]
        return frames

    def release(self) -> None:
        """Take all blocks held for a hint back."""
        while self.held:
            self.give(self.held.pop())

    def report(self, blocks: int) -> None:
        """Let the host take the contents of so many free blocks."""
        stale = np.flatnonzero(self.whole_blocks() & ~self._zero_blocks())[:blocks]
        self.zero[(stale[:, None] * BLOCK + np.arange(BLOCK)).ravel()] = True

    def forget(self, frames: Indexes) -> int:
        """Let go of the clean file pages among these frames; return how many there were."""
        gone = set(frames.tolist())
        lost = [page for page, frame in self.cache.pages() if frame in gone]
        self.give(np.array([self.cache.forget(page) for page in lost], np.int64))
        return len(lost)
