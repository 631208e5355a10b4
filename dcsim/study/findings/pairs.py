"""Levels in pairs: how each differs from each, and whether that is clear of all pairs together."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Final

import numpy as np

from dcsim.errors import ResultError
from dcsim.study.findings.statistics import EQUAL, Interval, pooled

MOST_COMPARED: Final = 300
"""Levels that are compared each with each."""


def raised(confidence: float, count: int) -> float:
    """Return the confidence of each pair of so many levels that makes all hold together.

    Examples
    --------
    >>> round(raised(0.95, 5), 6)
    0.995
    """
    return 1 - (1 - confidence) / max(1, count * (count - 1) // 2)


def compared(
    figures: np.ndarray, *, confidence: float, random: bool
) -> dict[tuple[int, int], tuple[Interval, bool]]:
    """Return how each level differs from each, and whether that is clear.

    Parameters
    ----------
    figures
        By level, point and replicate.
    confidence
        Of all pairs together.
    random
        Whether chance has a part; otherwise all that differs does so clearly.

    Returns
    -------
    dict
        Of two places of levels, both ways: the paired difference, first less second.
    """
    if len(figures) > MOST_COMPARED:
        message = f"{len(figures):,} values are too many to compare each with each"
        raise ResultError(f"{message}; {MOST_COMPARED} are the most: see response and tornado")
    each = raised(confidence, len(figures))
    found = {}
    for i, j in itertools.combinations_with_replacement(range(len(figures)), 2):
        apart = figures[i] - figures[j]
        there = ~np.isnan(apart)
        size = np.abs(figures[[i, j]][:, there]).mean(axis=1).max() if there.any() else 0.0
        gap = pooled(apart.tolist(), confidence=each)
        if abs(gap.mean) <= EQUAL * size:
            gap = replace(gap, mean=0.0)
        clear = abs(gap.mean) > 0 and (gap.clear or not random)
        found[i, j] = gap, clear
        found[j, i] = Interval(0 - gap.mean, 0 - gap.high, 0 - gap.low, gap.pairs), clear
    return found
