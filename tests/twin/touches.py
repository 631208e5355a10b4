"""Patterns of accesses, drawn page by page: no classes, no means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcsim.scenario.spec import Pattern
from tests.twin.pages import Indexes


class Touches:
    """Which pages of a set an activity touches next.

    Parameters
    ----------
    rng
        Where chance comes from.
    pages
        Size of the set.
    pattern
        How touches spread; page 0 is the first of the hot ones, and of the highest rank.
    """

    def __init__(self, rng: np.random.Generator, pages: int, pattern: Pattern) -> None:
        self.rng = rng
        self.pages = pages
        self.sweeps = pattern.kind == "sequential"
        self._at = 0
        self._owed = 0.0
        self.shares = np.full(pages, 1 / pages)
        if pattern.kind == "zipf":
            self.shares = zipf_shares(pages, pattern.alpha)
        elif pattern.kind == "hot-cold" and 0 < (hot := round(pages * pattern.hot_share)) < pages:
            self.shares[:hot] = pattern.hot_rate / hot
            self.shares[hot:] = (1 - pattern.hot_rate) / (pages - hot)
        self._below = np.cumsum(self.shares)

    def next(self, touches: float) -> Indexes:
        """Return the next touches, in order; what is less than a whole one is owed."""
        self._owed += touches
        count = int(self._owed)
        self._owed -= count
        if self.sweeps:
            at = (self._at + np.arange(count)) % self.pages
            self._at = (self._at + count) % self.pages
            return at
        drawn = np.searchsorted(self._below, self.rng.random(count) * self._below[-1])
        return np.minimum(drawn, self.pages - 1)

    def ages(self) -> NDArray[np.float64]:
        """Return how many touches of the set ago each page was touched, after endless touching."""
        if self.sweeps:
            return self.pages - np.arange(self.pages, dtype=float)
        with np.errstate(divide="ignore"):
            ages: NDArray[np.float64] = self.rng.exponential(size=self.pages) / self.shares
        return ages


def class_bounds(sizes: list[float]) -> list[int]:
    """Return the number of the page at which each class begins, and that after the last."""
    return [round(bound) for bound in np.concatenate([[0.0], np.cumsum(sizes)])]


def draw(
    rng: np.random.Generator, sizes: list[float], shares: list[float], touches: int
) -> Indexes:
    """Draw touches of a set: a class by its share, then any page of it."""
    bounds = np.array(class_bounds(sizes))
    which = rng.choice(len(sizes), size=touches, p=np.array(shares) / sum(shares))
    low, high = bounds[which], bounds[which + 1]
    return (low + np.floor(rng.random(touches) * (high - low))).astype(np.int64)


def zipf_shares(pages: int, alpha: float) -> NDArray[np.float64]:
    """Return the exact share of touches of the page of each rank, the most popular first."""
    weights = np.arange(1, pages + 1, dtype=float) ** -alpha
    share: NDArray[np.float64] = weights / weights.sum()
    return share


def draw_zipf(rng: np.random.Generator, pages: int, alpha: float, touches: int) -> Indexes:
    """Draw touches of a Zipf set, rank by rank."""
    chosen: Indexes = rng.choice(pages, size=touches, p=zipf_shares(pages, alpha))
    return chosen
