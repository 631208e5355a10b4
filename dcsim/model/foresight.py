"""What a migration is expected to take: alone, on an idle network, by the equations of a run.

The course of one migration is followed round by round, with management's time limits and the steps
of its downtime limit. Left out are what others do to links and hosts, write faults that slow the
guest, a load that changes meanwhile, guests that touch pages in post-copy, and when exactly a hint
comes. Seconds, bytes and pages; no clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dcsim.model.convergence import Strikes, next_throttle
from dcsim.model.deltas import DeltaCache
from dcsim.model.diskcopy import LocalDisk
from dcsim.model.following import DISCARD_BYTES
from dcsim.model.hinting import MAP_ENTRY_BYTES, listed, listing_s
from dcsim.model.outlook import Course, Site
from dcsim.model.patience import SLACK_S, Verdict, Watch
from dcsim.model.postcopy import PostCopy
from dcsim.model.sending import Sending
from dcsim.model.stream import Settings
from dcsim.units import PAGE

PARTS = 4
"""Steps in which what is sent at a stretch is taken, where the guest's rates change meanwhile."""
SAME = 1e-4
"""Relative difference of two rounds that are alike: so will be those that follow."""
IDLE = 4
"""Weight of time in which a migration loads no link: others fill it, unless all pause at once."""
MOST_ROUNDS = 500
"""Rounds after which those that follow are taken to be like the last one."""


class Forecast(NamedTuple):
    """What a migration is expected to take.

    Attributes
    ----------
    total_s
        From its admission to its end; infinite for one that never ends.
    stream_s
        For how long it sends memory, the pause included.
    sent_bytes
        What it sends of memory.
    downtime_s
        The pause.
    dirty_rate_bytes_per_s
        How fast pages got dirty in the last round.
    converges
        Whether it ends because what is left fits the downtime limit.
    load_bytes_per_s
        How much of a link it fills: what it sends in a second, on average over all of its time, of
        which the part in which it does not send counts `IDLE` times.
    """

    total_s: float
    stream_s: float
    sent_bytes: float
    downtime_s: float
    dirty_rate_bytes_per_s: float
    converges: bool
    load_bytes_per_s: float


@dataclass(slots=True)
class Foresight(Course):
    """The course of a migration, to its end.

    Attributes
    ----------
    watch
        Management's eye on it.
    parts
        Steps in which what is sent at a stretch is taken.
    """

    watch: Watch = field(kw_only=True)
    parts: int = field(kw_only=True, default=1)
    _wire: float = field(init=False)
    _cap: float = field(init=False)
    _sending: Sending = field(init=False)
    _cache: DeltaCache | None = field(init=False, default=None)
    _strikes: Strikes | None = field(init=False, default=None)
    _limited: bool = field(init=False, default=False)
    _tick_s: float = field(init=False, default=math.inf)
    _synced: bool = field(init=False, default=False)
    _marks: list[tuple[float, float]] = field(init=False, default_factory=list)
    _rounds: int = field(init=False, default=0)
    _found: float = field(init=False, default=0.0)
    _stream_s: float = field(init=False, default=math.inf)
    _dirty_rate: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        """Have the way to itself."""
        self._over(self.outlook.wire)

    def _over(self, wire: float) -> None:
        settings = self.outlook.settings
        self._wire = min(wire, settings.transport.tunnel)
        self._cap = min(settings.effective_bandwidth, self._wire)

    # ------------------------------------------------------------------ the story

    def copy_disk(self, disk: LocalDisk, *, bandwidth: float, read: float, write: float) -> None:
        """Copy a local disk; what is written to it goes on beside the stream.

        Parameters
        ----------
        disk
            The disk.
        bandwidth
            Cap of the copy, in bytes per second.
        read, write
            What the disks of the source and of the destination can do.
        """
        room, most = min(self.outlook.wire, write), min(bandwidth, read)
        mirrored = min(disk.writes, max(room / 2, room - most))
        gained = min(most, room - mirrored) + mirrored - disk.writes
        self.now_s += disk.size * disk.used / gained if gained > 0 else math.inf
        self._over(self.outlook.wire - mirrored)

    def forecast(self) -> Forecast:
        """Follow it from the policy to its end."""
        watch, settings, steps = self.watch, self.outlook.settings, self.outlook.policy.steps
        if self.now_s >= watch.deadline_s or self.now_s == math.inf:
            return self._ended(watch.deadline_s)
        self.prepare(steps)
        self.advance(listing_s(steps, self.memory), self.outlook.source)
        late = watch.late(self.now_s)
        if late is not None and late.action == "abort":
            return self._ended(watch.deadline_s)
        self._start(settings)
        verdict, fits = self._pre_copy(settings)
        if self.now_s == math.inf or (verdict is not None and verdict.action == "abort"):
            return self._ended(self.now_s)
        paused_s = self.now_s
        self.now_s += settings.activation
        if verdict is not None and verdict.action == "post-copy":
            assert settings.post_copy is not None
            self._go_ahead(settings.post_copy, settings.device_state)
            downtime_s = self.now_s - paused_s
            self._flush(self._cap)
        else:
            self._flush(self._wire)
            self.now_s += self._raw_s(settings.device_state, self._wire)
            downtime_s = self.now_s - paused_s
        return self._ended(self.now_s, downtime_s=downtime_s, converges=fits)

    def _ended(
        self, total_s: float, *, downtime_s: float = 0.0, converges: bool = False
    ) -> Forecast:
        load = stream_s = 0.0
        if self.sent > 0:
            stream_s = total_s - self._stream_s
            load = self.sent / (stream_s + IDLE * self._stream_s)
        if total_s == math.inf:
            load = self._cap
        return Forecast(total_s, stream_s, self.sent, downtime_s, self._dirty_rate, converges, load)

    def _start(self, settings: Settings) -> None:
        """Begin to send."""
        maps = [step for step in self.outlook.policy.steps if step.tell == "map"]
        entries = sum(listed(step, self.memory)[2] for step in maps)
        self.start(self.outlook.policy.steps)
        self._sending = Sending(
            self.memory.scan,
            settings.transport,
            self._wire,
            settings.window,
            self.outlook.policy.zero_pages,
        )
        if settings.xbzrle is not None:
            self._cache = DeltaCache(self.memory, settings.xbzrle.slots(self.memory.pages))
        brake = settings.auto_converge or settings.dirty_limit
        if brake is not None:
            self._strikes = Strikes(brake.trigger, self.now_s)
        self._stream_s = self.now_s
        self.watch.stream(self.now_s)
        self._marks.append((self.now_s, 0.0))
        if settings.auto_converge is not None:
            self._tick_s = self.now_s + settings.auto_converge.sync_every
        self.advance(self._raw_s(entries * MAP_ENTRY_BYTES, self._cap), self.outlook.source)

    # ------------------------------------------------------------------ rounds

    def _pre_copy(self, settings: Settings) -> tuple[Verdict | None, bool]:
        """Send round after round; return what management asks for, and whether the rest fits."""
        watch, before = self.watch, (0.0, 0.0)
        while True:
            began_s, sent, found = self.now_s, self.sent, self._found
            left, fits = self._round(settings)
            elapsed = self.now_s - began_s
            if elapsed > 0:
                self._dirty_rate = (self._found - found) * PAGE / elapsed
            if fits or self._rounds >= settings.max_rounds:
                return None, fits
            verdict = watch.sync(self.now_s, left=left, rounds=self._rounds)
            if verdict is not None:
                return verdict, False
            now = left, elapsed
            alike = all(abs(a - b) <= SAME * b for a, b in zip(now, before, strict=True))
            before = now
            if (alike and not self._slows()) or self._rounds >= MOST_ROUNDS:
                self._skip(settings, elapsed, self.sent - sent)
                if self.now_s == math.inf:
                    return None, False

    def _skip(self, settings: Settings, elapsed: float, sent: float) -> None:
        """Pass over rounds that are like the last one, up to where something is due."""
        due_s = self.watch.due_s
        if due_s == -math.inf and self._rounds >= MOST_ROUNDS:
            due_s = math.inf
        rounds = min((due_s - self.now_s) / elapsed, settings.max_rounds - self._rounds - 1)
        if rounds == math.inf:
            self.now_s = math.inf
        elif rounds >= 1:
            rounds = math.floor(rounds)
            self._rounds += rounds
            self.now_s += rounds * elapsed
            self.sent += rounds * sent

    def _round(self, settings: Settings) -> tuple[float, bool]:
        """Send a round and sync; return what is left, in bytes, and whether it fits."""
        watch, window = self.watch, settings.window
        self._rounds += 1
        began_s, sent = self.now_s, self.sent
        if self._cache is not None and self._rounds > 1:
            self._cache.begin_round()
        while True:
            fits_s = watch.downtime_limit if window > 0 else 0.0
            self._send(fits_s, min(watch.deadline_s, watch.next_step_s))
            if self.now_s < min(watch.next_step_s, watch.deadline_s) - SLACK_S:
                break
            if self.now_s >= watch.deadline_s - SLACK_S:
                break
            watch.climb(self.now_s, self._rounds)
        if window > 0:
            passed = (self.now_s - self._stream_s) / window
            first = math.floor((began_s - self._stream_s) / window + SLACK_S) + 1
            self._send(0.0, self._stream_s + max(first, math.ceil(passed - SLACK_S)) * window)
        left = (self.memory.scan.pending + self._sync()) * PAGE
        if window > 0:
            began_s, sent = self._a_window_ago(window)
        elapsed = self.now_s - began_s
        bandwidth = (self.sent - sent) / elapsed if elapsed > 0 else math.inf
        return left, left <= bandwidth * watch.downtime_limit

    def _a_window_ago(self, window: float) -> tuple[float, float]:
        """Return when the last window began, and what had been sent by then."""
        since_s, marks = max(self._stream_s, self.now_s - window), self._marks
        while len(marks) > 1 and marks[1][0] <= since_s:
            del marks[0]
        time, then = marks[0]
        if len(marks) > 1 and time < since_s:
            later, total = marks[1]
            then += (total - then) * (since_s - time) / (later - time)
        return since_s, then

    def _sync(self) -> float:
        """Collect the dirty log, and slow the guest if it has been too much for too long."""
        new = self.memory.scan.sync()
        self._found += new
        self._synced = True
        if self._strikes is not None:
            excess = self._strikes.sync(self.now_s, dirtied_bytes=new * PAGE, sent_bytes=self.sent)
            auto = self.outlook.settings.auto_converge
            if excess > 0 and auto is not None:
                self.throttle = next_throttle(auto, self.throttle, excess)
            elif excess > 0:
                self._limited = True
        return new

    def _slows(self) -> bool:
        """Whether the guest may be slowed further."""
        auto = self.outlook.settings.auto_converge
        if auto is not None:
            return self.throttle < auto.most
        return self._strikes is not None and not self._limited

    # ------------------------------------------------------------------ what is sent

    def _send(self, fits_s: float, until_s: float) -> None:
        """Send what is pending until the rest takes so long, or until a time."""
        while True:
            if self._send_region(fits_s, min(until_s, self._tick_s)):
                if self.now_s < self._tick_s - SLACK_S or self.now_s >= until_s:
                    return
                self._tick()
            elif not self._sending.go_on(hide=True):
                return

    def _tick(self) -> None:
        """Sync in a long round too, where none has been for so long."""
        auto = self.outlook.settings.auto_converge
        assert auto is not None
        self._tick_s += auto.sync_every
        if self._rounds > 1 and not self._synced:
            self._sync()
        self._synced = False

    def _send_region(self, fits_s: float, until_s: float) -> bool:
        """Send what is pending at the cursor; return whether that is all for now."""
        enough = False
        for part in range(self.parts):
            size, rate, margin_s, beyond = self._plan(self._cap, fits_s)
            due = size
            if fits_s > 0 and size + beyond > 0:
                due = min(size, max(0.0, size + beyond - margin_s * rate))
            enough = due < size
            duration = due / (self.parts - part) / rate
            if self.now_s + duration >= until_s:
                duration, enough = max(0.0, until_s - self.now_s), True
            self.sent += duration * rate
            pages = duration * rate / self._sending.page_bytes
            waiting = self.memory.scan.waiting
            if self._cache is not None and self._rounds > 1 and waiting > 0:
                self._cache.sent(min(1.0, pages / waiting), self.memory.scan.here)
            self.advance(duration, self.outlook.source, pages=pages)
            self._marks.append((self.now_s, self.sent))
            if self.now_s >= until_s - SLACK_S:
                break
        return enough

    def _plan(self, cap: float, fits_s: float = 0.0) -> tuple[float, float, float, float]:
        found = 0.0 if self._cache is None else self._cache.hits(self.memory.scan.here)
        return self._sending.plan(cap, fits_s, found)

    def _raw_s(self, size: float, cap: float) -> float:
        """Send what is no pages; return how long that takes."""
        self.sent += size
        return size / min(cap, self.outlook.settings.transport.raw)

    def _go_ahead(self, post_copy: PostCopy, device_state: float) -> None:
        """Tell the destination what it lacks; from then on pages follow."""
        pending = self.memory.scan.pending
        self.now_s += self._raw_s(device_state + pending * DISCARD_BYTES, self._wire)
        self.now_s += pending * post_copy.register_page
        self._cap, self._cache = min(self._cap, post_copy.max_bandwidth), None

    def _flush(self, cap: float) -> None:
        """Send all that is left, while nothing is written."""
        scan, nothing = self.memory.scan, [0.0] * len(self.memory.writers)
        while True:
            size, rate, _, _ = self._plan(cap)
            if size > 0:
                self.now_s += size / rate
                self.sent += size
                pages = size / self._sending.page_bytes
                scan.advance(writes=nothing, recycled=0.0, sent=pages)
            if not self._sending.go_on(hide=False):
                return

    # ------------------------------------------------------------------ what the guest does

    def rates_of(self, misses: Sequence[float], site: Site, *, threads: float = 0.0) -> list[float]:
        """Return the rates of activities; the dirty limit lets no vCPU dirty more than its own."""
        rates = Course.rates_of(self, misses, site, threads=threads)
        limit = self.outlook.settings.dirty_limit
        if limit is None or not self._limited:
            return rates
        for i, activity in enumerate(self.outlook.activities):
            if activity.do == "write" and rates[i] > 0:
                classes = self.memory.writers[activity.index].classes
                touches = rates[i] * limit.period
                pages = sum(min(c.touch.distinct(touches), c.frames.count) for c in classes)
                vcpus = min(activity.workers, self.outlook.vcpus)
                own = pages * PAGE / limit.period / vcpus
                allowed = limit.rate + limit.tolerance
                rates[i] *= min(1.0, max(1 - limit.most, allowed / own))
        return rates
