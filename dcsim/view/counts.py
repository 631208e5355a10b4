"""Counts over time, as step functions that are thinned to what can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

POINTS: Final = 600
"""Steps that a figure shows at most."""


def counts_of(
    changes: Sequence[tuple[np.ndarray, int, int]], width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of changes, each once, and the counts from then on."""
    times = np.concatenate([np.zeros(0), *(at for at, _, _ in changes)])
    moments, places = np.unique(times, return_inverse=True)
    counts = np.zeros((len(moments), width), int)
    begin = 0
    for at, column, by in changes:
        np.add.at(counts[:, column], places[begin : begin + len(at)], by)
        begin += len(at)
    return moments, counts.cumsum(axis=0)


def thin(
    times: np.ndarray, counts: np.ndarray, begin: float, end: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return step functions from the first to the last moment shown, at so many points at most."""
    if not len(times):
        return times, counts
    if len(times) > POINTS:
        wanted = np.linspace(times[0], times[-1], POINTS)
        places = np.unique(np.searchsorted(times, wanted, side="right") - 1)
        times, counts = times[places], counts[places]
    before = np.zeros((1, counts.shape[1]), int)
    return (
        np.concatenate([[min(begin, times[0])], times, [max(end, times[-1])]]),
        np.concatenate([before, counts, counts[-1:]]),
    )
