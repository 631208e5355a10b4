"""How levels of a factor differ from one of them, over all that was varied beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dcsim.errors import ResultError, did_you_mean
from dcsim.study.designs.factors import Factor, Value
from dcsim.study.findings.blocks import blocked
from dcsim.study.findings.metrics import UNITS
from dcsim.study.findings.statistics import Interval, ends, pooled, pooled_change, words
from dcsim.study.findings.words import called
from dcsim.units import MiB

if TYPE_CHECKING:
    import pandas as pd

_SCALES: Final = {"B": ("MiB", 1 / MiB)}


@dataclass(frozen=True, slots=True)
class Contrast:
    """A level against the baseline, in one metric.

    Parameters
    ----------
    level, baseline
        Values of the factor.
    metric
        A column of the table ``summary``.
    mean, baseline_mean
        Over the points that both have a value at.
    difference
        In the metric's unit, paired.
    change
        The same as a share of the baseline's mean.
    points
        Where both have a value.
    left_out
        Where only one of them has.
    """

    level: Value
    baseline: Value
    metric: str
    mean: float
    baseline_mean: float
    difference: Interval
    change: Interval
    points: int
    left_out: int

    def words(self) -> str:
        """Return how much less or more it is.

        In per cent; in the metric's unit where the baseline has none.
        """
        if not self.points:
            return f"has no value of {self.metric} to compare"
        if self.difference.mean == 0 and not self.difference.low < 0:
            return f"has as much {self.metric}"
        if math.isnan(self.change.mean):
            unit, scale = _SCALES.get(UNITS[self.metric], (UNITS[self.metric], 1.0))
            return f"has {words(self.difference, unit=unit, scale=scale, tail=self.metric)}"
        return f"has {words(self.change, unit='%', scale=100, tail=self.metric)}"


def contrasts(
    frame: pd.DataFrame,
    metric: str,
    *,
    by: Factor,
    blocks: Sequence[Factor],
    baseline: Value,
    confidence: float = 0.95,
) -> list[Contrast]:
    """Compare every other level of a factor with one, in pairs of runs.

    A pair has the same values of all other factors and the same random numbers; each point weighs
    the same, and intervals are those of `dcsim.study.findings.statistics.pooled`.

    Parameters
    ----------
    frame, metric, by, blocks
        As `dcsim.study.findings.ranking.rank` has them.
    baseline
        The level that the others are compared with.
    confidence
        Of each interval by itself, from 0 to 1.

    Raises
    ------
    ResultError
        If the frame has no such column, or no run of the baseline.
    """
    figures, levels, _ = blocked(frame, metric, by=by, blocks=blocks)
    names = [level for (level,) in levels]
    if baseline not in names:
        told = ", ".join(map(str, names[:20]))
        close = did_you_mean(str(baseline), map(str, names))
        hint = f"; did you mean {close!r}?" if close else ""
        raise ResultError(f"no run has {by.path} = {str(baseline)[:80]}; there are {told}{hint}")
    base = figures[names.index(baseline)]
    found = []
    for level, mine in zip(names, figures, strict=True):
        if level == baseline:
            continue
        gap = mine - base
        pairs = ~np.isnan(gap)
        here = [np.where(pairs, each, math.nan).tolist() for each in (mine, base)]
        some = [(~np.isnan(each)).any(axis=1) for each in (mine, base)]
        found.append(
            Contrast(
                level=level,
                baseline=baseline,
                metric=metric,
                mean=pooled(here[0]).mean,
                baseline_mean=pooled(here[1]).mean,
                difference=pooled(gap.tolist(), confidence=confidence),
                change=pooled_change(mine, base, confidence=confidence),
                points=int(pairs.any(axis=1).sum()),
                left_out=int(((some[0] | some[1]) & ~pairs.any(axis=1)).sum()),
            )
        )
    return found


def frame_of(found: Sequence[Contrast], by: Factor) -> pd.DataFrame:
    """Return a row a contrast.

    Returns
    -------
    pandas.DataFrame
        The factor's path, ``baseline``, ``metric``, ``mean`` and ``baseline_mean`` in the metric's
        unit, ``difference`` in it and ``change_percent``, each with ``_low`` and ``_high`` (NaN
        where there is no interval), ``points``, ``left_out``.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {
                by.path: each.level,
                "baseline": each.baseline,
                "metric": each.metric,
                "mean": each.mean,
                "baseline_mean": each.baseline_mean,
                **ends("difference", each.difference),
                **ends("change_percent", each.change, scale=100),
                "points": each.points,
                "left_out": each.left_out,
            }
            for each in found
        ]
    )


def sentences(found: Sequence[Sequence[Contrast]], by: Factor) -> Iterator[str]:
    """Yield a sentence a level, given its contrasts in some metrics.

    Parameters
    ----------
    found
        A list a metric, each with the same levels.
    by
        The factor.
    """
    for row in zip(*found, strict=True):
        first = row[0]
        told = ", ".join(each.words() for each in row).replace(", has ", ", ")
        base = called(by, first.baseline)
        yield f"Against {base}, {called(by, first.level)} {told}."
