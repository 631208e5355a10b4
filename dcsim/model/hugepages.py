"""The host's huge pages behind a guest's memory: split by balloons, rebuilt with time.

Pages are of 4096 bytes, and a huge page is 512 of them. A balloon that takes aligned blocks of 512
takes whole huge pages; one that takes less splits every huge page that it takes any from.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from dcsim.units import PAGE

HUGE = 512
"""Pages of a huge page of 2 MiB."""


class Settings(NamedTuple):
    """The fields of `dcsim.scenario.hosted.HugePages`."""

    share: float
    run: float
    slowdown: float
    rebuild: float
    on_arrival: float


class HugePages:
    """How much of one guest's memory its host maps by huge pages.

    Parameters
    ----------
    settings
        How much at first, what splitting costs, how fast they are rebuilt.
    pages
        The guest's memory.

    Attributes
    ----------
    huge
        Pages mapped by huge pages now.
    """

    def __init__(self, settings: Settings, pages: float) -> None:
        self._settings = settings
        self._pages = pages
        self._out = 0.0  # pages that a balloon holds
        self._taken = 0.0  # of them, from huge pages
        self._whole = 0.0  # of them, in huge pages again once they are back
        self.huge = settings.share * pages

    @property
    def _usual(self) -> float:
        """Pages that would be mapped by huge pages had nothing been split."""
        return self._settings.share * (self._pages - self._out)

    @property
    def slowness(self) -> float:
        """What a page of work takes, in share of what it takes with all huge pages in place."""
        split = max(0.0, self._usual - self.huge)
        used = self._pages - self._out
        return 1 + self._settings.slowdown * split / used if used > 0 else 1.0

    def take(self, pages: float, *, block_pages: int) -> None:
        """Let a balloon take so many pages, in blocks of so many.

        What is not in huge pages goes first. Of the rest, a share *f* of all that is in huge pages,
        runs of `run` pages lie anywhere: a huge page is left if none of its 512 / run runs is
        taken, with chance ``(1 - f)**(512 / run)``.
        """
        all_huge = self._settings.share * self._pages
        small = self._pages - all_huge - (self._out - self._taken)
        taken = min(max(0.0, pages - small), all_huge - self._taken)
        self._out += pages
        if taken <= 0:
            return
        left = 1 - taken / (all_huge - self._taken)
        run = min(float(HUGE), max(block_pages, self._settings.run / PAGE))
        self.huge *= math.pow(max(0.0, left), HUGE / run)
        self._taken += taken
        if block_pages >= HUGE:
            self._whole += taken

    def give_back(self, pages: float) -> None:
        """Let a balloon return pages: what was taken as whole huge pages is faulted in as such."""
        if self._out > 0:
            share = min(1.0, pages / self._out)
            self.huge += share * self._whole
            self._whole -= share * self._whole
            self._taken -= share * self._taken
            self._out -= share * self._out

    def arrive(self) -> None:
        """Be on another host, where all memory is faulted in anew, what a balloon holds later."""
        self.huge = self._settings.on_arrival * self._usual
        self._whole = self._settings.on_arrival * self._settings.share * self._out

    def pass_time(self, elapsed_s: float) -> None:
        """Let the host rebuild split pages for so long."""
        if self.huge < self._usual:
            self.huge = min(self._usual, self.huge + self._settings.rebuild / PAGE * elapsed_s)

    def steady_for(self, tolerance: float) -> float:
        """Return for how long no more than a share of the usual huge pages is rebuilt, seconds."""
        if self.huge >= self._usual or self._settings.rebuild == 0:
            return math.inf
        pages = min(self._usual - self.huge, tolerance * self._usual)
        return pages * PAGE / self._settings.rebuild
