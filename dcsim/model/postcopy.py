"""Pages that are not there yet: a guest in post-copy touches them, and waits [C.5].

From the switch-over on, what is *pending* is what the destination lacks. A touch of such a page is
a fault: it is asked for, sent before all others, and waited for. Everything else follows in the
background. Sets of pages keep the share of them that no touch has reached as they do in a dirty
log; of cached file pages, which readers touch by classes of their own, it is kept here. Pages,
seconds and bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from dcsim.model.touch import Pages

if TYPE_CHECKING:
    from dcsim.model.activity import Activity
    from dcsim.model.memory import Memory

HALVINGS = 30
"""Steps of the search for what an activity gets done: to a part in a billion."""


class PostCopy(NamedTuple):
    """Settings; the fields are those of `dcsim.scenario.convergence.PostCopy`."""

    start: Literal["asked", "stuck", "first-pass"]
    after: float
    rounds: float
    no_new_low: float
    fault: float
    max_bandwidth: float
    register_page: float


class Absent:
    """What a guest's memory lacks, and what touching it costs.

    Parameters
    ----------
    memory
        The guest's, after the last sync.
    fault_s
        Wait for a page.
    page_bytes, zero_bytes
        What a page, and a page of zeros, is on the wire.

    Attributes
    ----------
    faults
        Pages asked for so far.
    """

    def __init__(
        self, memory: Memory, *, fault_s: float, page_bytes: float, zero_bytes: float
    ) -> None:
        self._memory = memory
        self._fault_s = fault_s
        self._page_bytes, self._zero_bytes = page_bytes, zero_bytes
        # Of each reader's classes, the share that no read has reached.
        self._unread = [[1.0] * len(reader.classes) for reader in memory.readers]
        self._debt = 0.0
        self.faults = 0.0
        # The background goes on from what was asked for last: no order of regions is left.
        scan = memory.scan
        self._regions = scan.lay_out((memory.sets,))
        for pages in memory.sets:
            pages.fetched = 0.0

    def kept(
        self,
        activities: Sequence[Activity],
        *,
        done: Sequence[float],
        page_s: Sequence[float],
        elapsed: float,
        arrived: float,
    ) -> list[float]:
        """Return the share of its pages that each activity gets done, its faults waited for.

        Parameters
        ----------
        activities
            What the guest does.
        done
            Pages that each would do in the interval, were nothing absent.
        page_s
            Seconds that each page takes one of its workers then.
        elapsed
            The interval.
        arrived
            Bytes that arrive in it: no more can be waited for.
        """
        asked = [
            self._faults(activity, pages) for activity, pages in zip(activities, done, strict=True)
        ]
        wanted = sum(asked)
        share = min(1.0, arrived / (wanted * self._page_bytes)) if wanted > 0 else 1.0
        kept = []
        for activity, pages, each_s, most in zip(activities, done, page_s, asked, strict=True):
            room = activity.workers * elapsed

            def fits(
                part: float,
                activity: Activity = activity,
                work_s: float = pages * each_s,
                pages: float = pages,
                room: float = room,
                most: float = most * share,
            ) -> bool:
                faults = self._faults(activity, pages * part)
                waited_s = part * work_s + faults * self._fault_s
                return faults <= most * (1 + 1e-9) and waited_s <= room * (1 + 1e-9)

            low, high = (1.0, 1.0) if most <= 0 or fits(1.0) else (0.0, 1.0)
            for _ in range(HALVINGS if low < high else 0):
                middle = (low + high) / 2
                low, high = (middle, high) if fits(middle) else (low, middle)
            kept.append(low)
        return kept

    def _bytes(self, pages: Pages) -> float:
        """Return what each page of a set is on the wire."""
        return self._zero_bytes if pages.zero else self._page_bytes

    def _lacking(self) -> float:
        """Return the bytes that all absent pages are on the wire."""
        return sum(pages.pending * self._bytes(pages) for pages in self._memory.sets)

    def _faults(self, activity: Activity, touches: float) -> float:
        """Return how many absent pages so many touches reach."""
        memory = self._memory
        if touches <= 0:
            return 0.0
        if activity.do == "write":
            return sum(
                part.frames.absentees(touches * part.touch.share, part.touch.law)
                for part in memory.writers[activity.index].classes
            )
        if activity.do == "allocate":
            lacking = sum(pages.pending for pages in memory.free_sets)
            return min(touches, memory.free) * lacking / memory.free if memory.free > 0 else 0.0
        if activity.do == "read":
            return self._lacking_cache() * self._read(activity.index, touches)[0]
        return 0.0

    def _lacking_cache(self) -> float:
        """Return the share absent of the cached pages that no read has reached."""
        memory = self._memory
        read = sum(
            part.distinct(reader.remembered) * (1 - unread)
            for reader, shares in zip(memory.readers, self._unread, strict=True)
            for part, unread in zip(reader.classes, shares, strict=True)
        )
        rest = memory.cache.count - read
        return min(1.0, memory.cache.pending / rest) if rest > 0 else 0.0

    def _read(self, index: int, touches: float) -> tuple[float, list[float]]:
        """Return the cached pages that reads reach for the first time, and what is unread then."""
        reader = self._memory.readers[index]
        reached, unread = 0.0, []
        for part, before in zip(reader.classes, self._unread[index], strict=True):
            own = touches * part.share
            if part.law == "each":
                after = max(0.0, before - own / part.pages)
            else:
                after = before * math.exp(-own / part.pages)
            reached += part.distinct(reader.remembered) * (before - after)
            unread.append(after)
        return reached, unread

    def advance(
        self, *, writes: Sequence[float], reads: Sequence[float], recycled: float, arrived: float
    ) -> None:
        """Let an interval pass in which pages were touched and pages arrived.

        Parameters
        ----------
        writes, reads
            Touches of each write set, and of each read set.
        recycled
            Cache frames filled anew.
        arrived
            Bytes that arrived, of pages that were asked for and of others.
        """
        memory = self._memory
        for writer, touches in zip(memory.writers, writes, strict=True):
            for part in writer.classes:
                part.frames.fetch(touches * part.touch.share, part.touch.law)
        lacking = self._lacking_cache()
        for i, touches in enumerate(reads):
            reached, self._unread[i] = self._read(i, touches)
            memory.cache.take(lacking * reached)
        memory.cache.fetch(recycled, "each")
        asked = 0.0
        for pages in memory.sets:
            fetched, pages.fetched = pages.fetched or 0.0, 0.0
            self.faults += fetched
            asked += fetched * self._bytes(pages)
        behind = arrived - asked - self._debt
        self._debt = max(0.0, -behind)
        total = self._lacking()
        if behind > 0 and total > 0:
            share = min(1.0, behind / total)
            for pages in memory.sets:
                pages.take(share * pages.pending, asked=False)

    def end(self) -> float:
        """Stop keeping count; return the pages that were asked for."""
        for pages in self._memory.sets:
            pages.fetched = None
        self._memory.scan.lay_out(self._regions)
        return self.faults
