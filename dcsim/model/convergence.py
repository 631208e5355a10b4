"""What slows a guest that dirties faster than it is sent: auto-converge and the dirty limit [C.4].

Both wait for two strikes: periods in which more than a share of what was sent was dirtied. Then
auto-converge takes CPU from every vCPU, in steps; the dirty limit lets those vCPUs sleep that
dirty more than their quota. Seconds, bytes and pages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple

import simpy

from dcsim.model.activity import NO_HOLDS, Activity
from dcsim.model.guest import Guest
from dcsim.units import PAGE

ROLL_S = 1.0
"""Statistics roll when so much time has passed since they last did [C.4]."""
LINEAR = 0.5
"""Difference to the quota, in share of the larger, above which sleep is adjusted in proportion."""
NUDGE = 0.1
"""Adjustment of sleep below it, in share of the time to fill the ring [C.4]."""


class AutoConverge(NamedTuple):
    """Settings; the fields are those of `dcsim.scenario.convergence.AutoConverge`."""

    trigger: float
    initial: float
    increment: float
    most: float
    tailslow: bool
    sync_every: float


class DirtyLimit(NamedTuple):
    """Settings; the fields are those of `dcsim.scenario.convergence.DirtyLimit`."""

    trigger: float
    rate: float
    period: float
    tolerance: float
    most: float


@dataclass(slots=True)
class Strikes:
    """Counts the periods in which too much was dirtied.

    Attributes
    ----------
    trigger
        What is too much, in share of the bytes sent.
    since_s, sent_bytes
        When the period began, and what had been sent by then.
    dirtied_bytes
        Dirtied in the period.
    count
        Strikes.
    """

    trigger: float
    since_s: float
    sent_bytes: float = 0.0
    dirtied_bytes: float = 0.0
    count: int = 0

    def sync(self, now_s: float, *, dirtied_bytes: float, sent_bytes: float) -> float:
        """Count what a sync found dirty; return the excess at every second strike, else 0.

        The excess is what was dirtied over what would not have been too much, and above 1.
        """
        self.dirtied_bytes += dirtied_bytes
        # Ten windows of 100 ms and a little more each are more than a second.
        if now_s - self.since_s < ROLL_S - 1e-9:
            return 0.0
        allowed = self.trigger * (sent_bytes - self.sent_bytes)
        dirtied = self.dirtied_bytes
        self.since_s, self.sent_bytes, self.dirtied_bytes = now_s, sent_bytes, 0.0
        if dirtied <= allowed:
            return 0.0
        self.count += 1
        if self.count < 2:
            return 0.0
        self.count = 0
        return dirtied / allowed if allowed > 0 else math.inf


def next_throttle(settings: AutoConverge, throttle: float, excess: float) -> float:
    """Return the share of CPU to take after another two strikes.

    Parameters
    ----------
    settings
        First step, further steps, most.
    throttle
        Share taken now.
    excess
        What was dirtied over what would have been little enough.

    Examples
    --------
    >>> settings = AutoConverge(0.5, 0.2, 0.1, 0.99, False, 5.0)
    >>> next_throttle(settings, 0.0, 2.0)
    0.2
    >>> next_throttle(settings, 0.2, 2.0)
    0.3
    """
    if throttle == 0:
        return settings.initial
    step = settings.increment
    if settings.tailslow:
        step = min(step, (1 - throttle) * (1 - 1 / excess))
    return round(min(throttle + step, settings.most), 6)


def next_sleep(settings: DirtyLimit, sleep_s: float, *, dirtied: float, fill_s: float) -> float:
    """Return the sleep after each page dirtied, adjusted after another period.

    Parameters
    ----------
    settings
        Quota, tolerance, most.
    sleep_s
        Sleep a page up to now.
    dirtied
        What the vCPU dirtied, in bytes per second.
    fill_s
        Time to dirty a page at the highest rate seen.
    """
    quota = settings.rate
    if abs(quota - dirtied) <= settings.tolerance:
        return sleep_s
    if dirtied == 0:
        return 0.0
    least, largest = sorted((quota, dirtied))
    step = NUDGE
    if largest - least > LINEAR * largest:
        step = (largest - least) / least  # sleep for all of the time that is too much
    sleep_s += math.copysign(step, dirtied - quota) * fill_s
    return min(max(0.0, sleep_s), settings.most / (1 - settings.most) * fill_s)


class Brakes:
    """What slows one guest while it migrates.

    Parameters
    ----------
    guest
        The guest, its migration just begun.
    settings
        Auto-converge, or the dirty limit.
    tell
        Called with what happens, in words.
    """

    def __init__(
        self,
        guest: Guest,
        settings: AutoConverge | DirtyLimit,
        tell: Callable[[str], None],
    ) -> None:
        self.guest = guest
        self.settings = settings
        self._tell = tell
        self._strikes = Strikes(settings.trigger, guest.env.now)
        self._limiting = False
        self._sleep_s = [0.0] * len(guest.profile.activities)
        self._fastest = 0.0

    def sync(self, new_pages: float, sent_bytes: float) -> None:
        """See what a sync found, and slow the guest if it has been too much for too long."""
        excess = self._strikes.sync(
            self.guest.env.now, dirtied_bytes=new_pages * PAGE, sent_bytes=sent_bytes
        )
        if excess <= 0:
            return
        if isinstance(self.settings, AutoConverge):
            throttle = next_throttle(self.settings, self.guest.throttle, excess)
            if throttle != self.guest.throttle:
                self._tell(f"{throttle:.0%} of its CPU is taken")
            self.guest.throttle = throttle
            self.guest.look()
        elif not self._limiting:
            self._limiting = True
            self._tell("its vCPUs are limited in what they dirty")
            self.guest.env.process(self._limit(self.settings))

    def release(self) -> None:
        """Let the guest go at its own speed again."""
        self._limiting = False
        self.guest.throttle = 0.0
        self.guest.holds = NO_HOLDS

    # ------------------------------------------------------------------ the dirty limit

    def _limit(self, settings: DirtyLimit) -> Generator[simpy.Event]:
        """Measure what is dirtied once a period, and adjust the sleep of who dirties."""
        while True:
            yield self.guest.env.timeout(settings.period)
            if not self._limiting:
                return
            self._adjust(settings)

    def _adjust(self, settings: DirtyLimit) -> None:
        guest = self.guest
        held = []
        each = zip(guest.profile.activities, guest.pacing.rates, strict=True)
        for i, (activity, rate) in enumerate(each):
            vcpus = min(activity.workers, guest.vcpus)
            dirtied = self._dirtied(activity, rate * settings.period) / settings.period
            own = dirtied * PAGE / vcpus
            self._fastest = max(self._fastest, own)
            if self._fastest > 0:
                self._sleep_s[i] = next_sleep(
                    settings, self._sleep_s[i], dirtied=own, fill_s=PAGE / self._fastest
                )
            # A vCPU sleeps for the pages of all workers that it runs, and they sleep with it.
            share = dirtied / rate * activity.workers / vcpus if rate > 0 else 0.0
            held.append(self._sleep_s[i] * share)
        guest.holds = {"dirty_limit": held}
        guest.look()

    def _dirtied(self, activity: Activity, touches: float) -> float:
        """Return the pages that so many touches make dirty: each page once."""
        if activity.do == "write":
            classes = self.guest.memory.writers[activity.index].classes
            return sum(min(c.touch.distinct(touches), c.frames.count) for c in classes)
        return touches if activity.do == "allocate" else 0.0
