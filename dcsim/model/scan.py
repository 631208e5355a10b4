"""What a migration sees of a guest's memory: what is to be sent, where it lies, what is written.

It scans memory in the order of addresses, round and round. Which contents lie where is either mixed
evenly, or an order of *regions*: the pages of one are sent, evenly, before those of the next. What
a sync finds in a region that the scan is in lies behind the cursor in the share that it has passed,
and waits for the next time round. The dirty log over all sets of pages says what has to be sent
again. Pages are counts, as floats; no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from dcsim.model.dirtylog import (
    advance_log,
    log_faults,
    pending_by_kind,
    pending_of,
    start_log,
    sync_log,
)
from dcsim.model.guard import Guard

if TYPE_CHECKING:
    from dcsim.model.memory import Memory
    from dcsim.model.touch import Pages

Place = Literal["kernel", "cache", "anonymous", "free-stale", "free-zero", "kernel-high"]
"""Contents that have a place of their own in an order of regions."""

LOG_CHUNK = 2.0**18
"""Pages whose log KVM clears at once: 1 GiB, by QEMU's clear_bitmap_shift of 18 [C.1]."""
LEAST_PAGES = 1e-6
"""Fewer pages pending than this are none."""


def in_order(memory: Memory, order: Sequence[Place]) -> tuple[tuple[Pages, ...], ...]:
    """Return the sets of each region of a memory, in the order of addresses."""
    if not order:
        return (memory.sets,)
    written = {
        to: [(c.frames,) for w in memory.writers if w.to == to for c in w.classes]
        for to in ("anonymous", "cache")
    }
    at: dict[Place, list[tuple[Pages, ...]]] = {
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


class Scan:
    """Where the scan of a memory is, and the dirty log over its sets.

    Parameters
    ----------
    memory
        What is scanned.
    order
        Contents in the order of addresses; empty: all mixed evenly.

    Attributes
    ----------
    order
        As given.
    regions
        The sets of each region, in the order of addresses.
    cursor
        The region that is being sent.
    """

    __slots__ = (
        "_ballooned", "_behind", "_cache", "_chunk", "_guard", "_passed", "_sets", "_writers",
        "cursor", "order", "regions",
    )  # fmt: skip

    def __init__(self, memory: Memory, order: Sequence[Place] = ()) -> None:
        self.order = order
        self.regions = in_order(memory, order)
        self.cursor = 0
        self._passed = self._behind = 0.0
        self._sets = memory.sets
        self._writers = memory.writers
        self._cache = memory.cache
        self._ballooned = memory.ballooned
        self._chunk = min(1.0, LOG_CHUNK / memory.pages)
        self._guard: Guard | None = None

    def lay_out(self, regions: tuple[tuple[Pages, ...], ...]) -> tuple[tuple[Pages, ...], ...]:
        """Take other regions, from their beginning; return those there were."""
        old, self.regions = self.regions, regions
        self.cursor = 0
        self._passed = self._behind = 0.0
        return old

    def start(self, *, per_chunk: bool, guard: bool = False) -> None:
        """Switch the dirty log on: every page is to be sent, and write-protected at once or not."""
        self.cursor = 0
        self._passed = self._behind = 0.0
        self._guard = None
        if guard:
            self._guard = Guard(part.frames for writer in self._writers for part in writer.classes)
        start_log(self._sets, per_chunk, self._chunk)

    # ------------------------------------------------------------------ what is to be sent

    @property
    def pending(self) -> float:
        """Pages to be sent."""
        return pending_of(self._sets)

    @property
    def here(self) -> tuple[Pages, ...]:
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
        normal, zero, ballooned = pending_by_kind(self.here, self._ballooned)
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

    def advance(self, *, writes: list[float], recycled: float, sent: float) -> list[float]:
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
        share = self._share_sent(sent)
        if share > 0 and len(self.regions) > 1:
            waiting = self.waiting
            ahead = self._ahead(waiting) * waiting
            self._passed += (1 - self._passed) * min(1.0, sent / ahead if ahead > 0 else 1.0)
        guard, guarded = self._guard, []
        if guard is not None:  # it looks at what was pending before
            guarded = [self._ask(guard.advance, i, own, share) for i, own in enumerate(writes)]
        faults = advance_log(self._writers, writes, self.here, share, self._cache, recycled)
        return [a + b for a, b in zip(faults, guarded, strict=True)] if guarded else faults

    def faults(self, index: int, touches: float, *, sent: float = 0.0) -> float:
        """Return how many write-protected pages so many touches of a write set would hit."""
        share = self._share_sent(sent)
        faults = log_faults(self._writers[index].classes, touches, self.here, share)
        if self._guard is not None:
            faults += self._ask(self._guard.faults, index, touches, share)
        return faults

    def _ask(self, guard: Callable[..., float], index: int, touches: float, share: float) -> float:
        """Return the faults that a method of the guard tells of a write set."""
        faults = 0.0
        for touch, frames in self._writers[index].classes:
            going = share * frames.pending if frames in self.here else 0.0
            faults += guard(frames, touches=touches * touch.share, sent=going, law=touch.law)
        return faults

    def _share_sent(self, sent: float) -> float:
        """Return the share of what is waiting at the cursor that so many pages are."""
        total = self.waiting if sent > 0 else 0.0
        return min(1.0, sent / total) if total > 0 else 0.0

    def sync(self) -> float:
        """Collect the dirty log; return the pages newly to be sent."""
        if len(self.regions) == 1:
            return sync_log(self._sets)
        before = self.waiting
        new = sync_log(self._sets)
        self._behind = min(self._behind, before) + self._passed * (self.waiting - before)
        return new
