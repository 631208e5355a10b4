"""One guest on its way, in steps of a few milliseconds: the rules of QEMU, page by page."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dcsim.scenario.spec import Scenario, Step
from dcsim.units import PAGE
from tests.twin.guest import BALLOONED, BLOCK, FREE, WRITTEN, Layout, TwinGuest
from tests.twin.pages import Indexes, TwinPages

ITERATION_S = 0.05
"""Longest that the sender goes on without looking whether it may stop: MAX_WAIT in ram.c."""
LOG_CHUNK = 2**18
"""Pages whose log is cleared at once: 1 GiB [C.1]."""
DROP_PAGES = 4096
"""Pages that a guest drops between two looks at the clock."""
MAP_ENTRY_BYTES = 16
"""A page frame's number and a block's."""
REPORT_S, REPORT_BLOCKS = 2.0, 32
"""Time between two reports of free pages, and the blocks that one has room for [C.7]."""
DEFLATE_TIME = 0.56
"""Time of deflating in share of inflating: 123 against 219 us for 256 pages [A.2]."""


@dataclass
class Moved:
    """What came of it, in the words of the tables of migrations, rounds and guests."""

    total_time_s: float = 0.0
    policy_s: float = 0.0
    downtime_s: float = 0.0
    rounds: int = 0
    sent_bytes: float = 0.0
    normal_pages: int = 0
    zero_pages: int = 0
    skipped_pages: int = 0
    mapped_pages: int = 0
    ballooned_pages: int = 0
    dropped_pages: int = 0
    missed_pages: int = 0
    oom_pages: int = 0
    cached_pages: int = 0
    sent: list[int] = field(default_factory=list)
    dirtied: list[int] = field(default_factory=list)


class Twin:
    """One guest that moves between two hosts, as a scenario says it does.

    The link is the narrowest of the topology's; CPU and storage are taken to be no limit.

    Parameters
    ----------
    data
        The scenario as plain data: one guest, one move.
    seed
        Of all that is drawn.
    layout
        Pieces of memory in the order of addresses, see `TwinGuest`.
    chunk
        Pages of address space whose log is cleared at once.
    step_s
        How long the guest and the sender take turns.
    """

    def __init__(
        self,
        data: dict[str, Any],
        *,
        seed: int,
        layout: Layout | None = None,
        chunk: int = LOG_CHUNK,
        step_s: float = 0.002,
    ) -> None:
        scenario = Scenario.model_validate(data)
        (group,) = scenario.guests
        self.settings = group.migration or scenario.migration
        self.policy = group.hinting or scenario.hinting
        self.settle_s = scenario.settle
        self.wire = scenario.topology.host_link * scenario.topology.goodput
        self.guest = TwinGuest(group, np.random.default_rng(seed), layout=layout)
        self.chunk = chunk
        self.step_s = step_s
        self.moved = Moved()
        self.now = 0.0
        self._report_at = 0.0
        self._sent = 0
        self._raw = 0.0

    # ------------------------------------------------------------------ the story

    def move(self) -> Moved:
        """Migrate; return what came of it."""
        guest, moved, settings = self.guest, self.moved, self.settings
        for step in self.policy.steps:
            if step.tell in ("balloon", "drop"):
                self._before_log(step)
        lists = [step for step in self.policy.steps if step.tell in ("list", "map")]
        self._pass(sum(self._listing_s(step) for step in lists))
        moved.policy_s = self.now

        per_chunk = settings.dirty_log != "at-sync"
        self.log = guest.log = TwinPages(guest.count, per_chunk=per_chunk, chunk=self.chunk)
        for step in lists:
            told = self.log.skip(self._listed(step))
            if step.tell == "map":
                moved.mapped_pages += told
                self._raw += told * MAP_ENTRY_BYTES
            else:
                moved.skipped_pages += told
        self._pre_copy()

        paused = self.now
        moved.dirtied.append(self.log.sync())
        while self.log.pending:
            self.now += self._send_some(math.inf, math.inf)
        moved.sent.append(self._sent)
        moved.sent_bytes += settings.device_state
        self.now += settings.device_state / self.wire + settings.activation
        moved.downtime_s = self.now - paused
        moved.total_time_s = self.now
        self._arrive()
        moved.missed_pages, moved.oom_pages = guest.missed, guest.oom
        moved.cached_pages = len(guest.cache)
        return moved

    def _pass(self, seconds: float) -> None:
        """Let the guest go on for a while."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            part = min(self.step_s, end - self.now)
            self._report()
            self.guest.run(part)
            self.now += part

    def _report(self) -> None:
        """Report free blocks, so many a pass; all are reported when the guest has long been on."""
        if self._steps("report") and self.now >= self._report_at:
            self.guest.report(self.guest.count if self.now == 0 else REPORT_BLOCKS)
            self._report_at += REPORT_S

    def _steps(self, tell: str) -> list[Step]:
        return [step for step in self.policy.steps if step.tell == tell]

    # ------------------------------------------------------------------ before the log, and after

    def _before_log(self, step: Step) -> None:
        """Inflate or drop, a few pages at a time, while the guest goes on."""
        guest, moved = self.guest, self.moved
        free = len(guest.free) - guest.min_free if "free" in step.select else 0
        clean = written = 0.0
        if "clean-cache" in step.select:
            clean = step.share * len(guest.cache)
            written = step.share * np.count_nonzero(guest.kind == WRITTEN)
        elif "cold-cache" in step.select:
            clean = step.share * sum(page >= guest.first_cold for page, _ in guest.cache.pages())
        if step.limit != "none":
            figure = len(guest.free) if step.limit == "mem-free" else guest.available
            left = max(0.0, figure - step.reserve / PAGE)
            free = min(free, left)
            clean = min(clean, left - free)
            written = min(written, left - free - clean)
        if step.tell == "balloon":
            self._in_parts(step, round(free + clean + written), guest.inflate)
            moved.ballooned_pages = int(np.count_nonzero(guest.kind == BALLOONED))
            if step.returned == "at-once":
                self._deflate(step)
        else:
            self._in_parts(step, round(clean + written), guest.drop)

    def _in_parts(
        self, step: Step, pages: int, do: Callable[[int], int], *, speed: float = 1.0
    ) -> None:
        """Do something to pages, a few at a time and in the time that it takes."""
        most = DROP_PAGES if step.tell == "drop" else step.block_pages * step.blocks_per_interaction
        while pages > 0:
            part = min(most, pages)
            self._pass(speed * _told_s(step, part))
            dropped = do(part)
            self.moved.dropped_pages += dropped
            self._pass(dropped * step.per_eviction)
            pages -= part

    def _listing_s(self, step: Step) -> float:
        """Return how long a list takes: a free block of 4 MiB is one entry, as is a page alone."""
        entries = len(self._listed(step))
        if "free" in step.select:
            entries -= (BLOCK - 1) * int(np.count_nonzero(self.guest.whole_blocks()))
        return _told_s(step, entries)

    def _deflate(self, step: Step) -> None:
        ballooned = int(np.count_nonzero(self.guest.kind == BALLOONED))
        self._in_parts(step, ballooned, self.guest.deflate, speed=DEFLATE_TIME)

    def _listed(self, step: Step) -> Indexes:
        """Return the frames that a list or a map names."""
        guest = self.guest
        frames = np.arange(0)
        if "free" in step.select:
            frames = np.flatnonzero(guest.kind == FREE)
        if "clean-cache" in step.select or "cold-cache" in step.select:
            first = 0 if "clean-cache" in step.select else guest.first_cold
            cached = [frame for page, frame in guest.cache.pages() if page >= first]
            cached = cached[: round(step.share * len(cached))]
            frames = np.append(frames, np.array(cached, np.int64))
        return frames

    def _arrive(self) -> None:
        """At the destination: forget, deflate, go on. What is mapped is read in no time."""
        guest, moved = self.guest, self.moved
        absent = self.log.absent
        guest.log = None
        if any(step.returned == "destination" for step in self._steps("list")):
            moved.dropped_pages += guest.forget(np.flatnonzero(absent))
        guest.release()
        guest.zero[absent & (guest.kind == FREE)] = True
        end = self.now + self.settle_s
        for step in self._steps("balloon"):
            if step.returned == "destination":
                self._deflate(step)
        self._pass(end - self.now)

    # ------------------------------------------------------------------ rounds

    def _pre_copy(self) -> None:
        """Send and let the guest write, in turns, until what is left fits the downtime limit."""
        cap = self.settings.max_bandwidth or math.inf
        # the limit is looked at between two flushes, and so overrun to the next [M.4]
        flush = self.settings.flush_pages * (PAGE + self.settings.page_header) or 1.0
        quota = cap * self.settings.window
        self._quota = math.ceil(quota / flush - 1e-9) * flush if cap < math.inf else math.inf
        self._window = self._hinted = self.now
        self._window_bytes = self._threshold = 0.0
        self._look_at = self.now + ITERATION_S
        self._racing_s = 0.0
        stop = False
        self._hint()
        while not stop:
            step_s = self._racing_s or self.step_s
            self.guest.run(step_s / 2)
            stop = self._send(self.now + step_s)
            self._hint()
            self._report()
            self.guest.run(step_s / 2)

    def _hint(self) -> None:
        """Tell the free blocks whose turn has come, until there are none; a sync starts anew."""
        self._racing_s = 0.0
        for step in self._steps("hint"):
            block_s = _told_s(step, BLOCK)
            due = math.floor((self.now - self._hinted) / block_s) if self.now > self._hinted else 0
            frames = self.guest.hold(due)
            self.moved.skipped_pages += self.log.skip(frames)
            self._hinted += due * block_s if frames.size or not due else math.inf
            if self._hinted < math.inf:
                self._racing_s = min(block_s, self.step_s)

    def _send(self, until: float) -> bool:
        """Send until a time; return whether the guest may be stopped now."""
        while self.now < until:
            window_end = self._window + self.settings.window
            end = min(until, window_end)
            if self._window_bytes < self._quota:
                limit = max(min(end, self._look_at) - self.now, 1e-9)
                self.now += self._send_some(limit, self._quota - self._window_bytes)
                look = self.now >= self._look_at or not self.log.pending
            else:
                self.now, look = end, False  # the limit is reached: sleep to the window's end
            if self.now >= window_end - 1e-9:
                rate = self._window_bytes / (self.now - self._window)
                self._threshold = rate * self.settings.downtime_limit
                self._window, self._window_bytes = self.now, 0.0
                look = True
            if look:
                self._look_at = self.now + ITERATION_S
                if self.log.pending * PAGE < self._threshold:
                    self._sync()
                    self.moved.rounds += 1
                if self.log.pending * PAGE <= self._threshold:
                    return True
        return False

    def _sync(self) -> None:
        self.moved.dirtied.append(self.log.sync())
        self.moved.sent.append(self._sent)
        self._sent = 0
        self._hinted = self.now

    def _send_some(self, seconds: float, quota: float) -> float:
        """Send the next pages, at most so long and so many bytes; return the time it took."""
        settings, guest, moved = self.settings, self.guest, self.moved
        if self._raw > 0:
            size = min(self._raw, seconds * self.wire, quota)
            self._raw -= size
            moved.sent_bytes += size
            self._window_bytes += size
            return size / self.wire
        page_bytes = PAGE + settings.page_header
        page_s = max(settings.send_page, page_bytes / self.wire)
        pages = self.log.ahead(2 * math.ceil(min(seconds, 0.1) / page_s))
        zero = guest.zero[pages] & self.policy.zero_pages
        scan = np.where(guest.kind[pages] == BALLOONED, settings.scan_ballooned, settings.scan_zero)
        size = np.where(zero, settings.zero_page, page_bytes).cumsum()
        took = np.where(zero, scan + settings.zero_page / self.wire, page_s).cumsum()
        count = 1 + min(np.searchsorted(took, seconds), np.searchsorted(size, quota))
        count = min(int(count), len(pages))
        if not count:
            return seconds
        self.log.send(count)
        self._sent += count
        zeros = int(np.count_nonzero(zero[:count]))
        moved.zero_pages += zeros
        moved.normal_pages += count - zeros
        moved.sent_bytes += size[count - 1]
        self._window_bytes += size[count - 1]
        return float(took[count - 1])


def _told_s(step: Step, pages: int) -> float:
    """Return how long telling so many pages takes [A.2]."""
    blocks = pages / step.block_pages
    exchanges = math.ceil(blocks / step.blocks_per_interaction) if step.tell != "drop" else 0
    return pages * step.per_page + blocks * step.per_block + exchanges * step.per_interaction
