"""How many replications it takes until an interval is as narrow as one wants it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dcsim.study.designs.factors import Factor, Value
from dcsim.study.findings.blocks import combinations, figures_of, is_random
from dcsim.study.findings.statistics import Interval, ends, interval
from dcsim.study.plans.advice import percent
from dcsim.units import format_count, format_many

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Need:
    """A point, the replications it has and those that it needs.

    Parameters
    ----------
    values
        Of the factors, in their order.
    runs
        With a value.
    mean
        In the metric's unit.
    half_share
        Half of its interval as a share of the mean; NaN from a single run of something random.
    needed
        Replications in all, those there are among them; NaN where they do not tell, infinite where
        the mean is 0 and runs differ.
    """

    values: tuple[Value, ...]
    runs: int
    mean: Interval
    half_share: float
    needed: float


@dataclass(frozen=True, slots=True)
class Needed:
    """Points and the replications that they need; see `needed`.

    Parameters
    ----------
    metric
        A column of the table ``summary``.
    factors
        What was varied.
    within
        Share of the mean that half an interval may have.
    confidence
        Of each interval.
    rows
        A point each, in the order of the factors' values.
    """

    metric: str
    factors: tuple[Factor, ...]
    within: float
    confidence: float
    rows: tuple[Need, ...]

    def frame(self) -> pd.DataFrame:
        """Return a row a point.

        Returns
        -------
        pandas.DataFrame
            A column a factor; ``runs``; the metric with its ``_low`` and ``_high``;
            ``half_percent`` (half of the interval, of the mean), ``needed`` and ``more`` (runs
            still to do), NaN where unknown.
        """
        import pandas as pd

        return pd.DataFrame([self._row(row) for row in self.rows])

    def _row(self, row: Need) -> dict[str, Any]:
        return {
            **{f.path: value for f, value in zip(self.factors, row.values, strict=True)},
            "runs": row.runs,
            **ends(self.metric, row.mean),
            "half_percent": 100 * row.half_share,
            "needed": row.needed,
            "more": row.needed - row.runs,
        }

    def words(self) -> list[str]:
        """Return in sentences how many points have enough, and what the others need."""
        return list(_words(self))


def needed(
    frame: pd.DataFrame,
    metric: str,
    *,
    factors: Sequence[Factor],
    within: float = 0.02,
    confidence: float = 0.95,
    random: bool | None = None,
) -> Needed:
    """Find how many replications each point needs until its mean is known well enough.

    The least n, no less than there are, whose half interval ``t(n - 1) s / sqrt(n)`` is *within*
    the mean, if mean and deviation stay what they are (Law, Simulation Modeling and Analysis,
    5th ed., ch. 9).

    Parameters
    ----------
    frame
        A row a run: a column for each factor, ``replicate``, the metric.
    metric
        A column of the table ``summary``.
    factors
        All that was varied, without what was varied along with another one.
    within
        Share of the mean, above 0.
    confidence
        From 0 to 1.
    random
        Whether chance has a part: where it has, a single run does not tell how many are needed.
        Default: if there are several replicates.

    Raises
    ------
    ValueError
        If *within* is not above 0.
    ResultError
        If the frame has no such column, or several runs of the same values and replicate.
    """
    if not within > 0:
        message = f"within must be above 0, got {within}"
        raise ValueError(message)
    which, names = _points(frame, factors)
    random = is_random(frame, random)
    figures = figures_of(frame, metric, np.where(which < 0, -1, 0), which)[0]
    rows = []
    for values, found in zip(names, figures.tolist(), strict=True):
        mean = interval(found, confidence=confidence)
        half = (mean.high - mean.low) / 2 if random or mean.pairs != 1 else 0.0
        half_share = half / abs(mean.mean) if mean.mean else math.inf * half if half else 0.0
        count = _least(mean.pairs, half_share, within, confidence=confidence)
        rows.append(Need(values, mean.pairs, mean, half_share, count))
    return Needed(metric, tuple(factors), within, confidence, tuple(rows))


def _points(
    frame: pd.DataFrame, factors: Sequence[Factor]
) -> tuple[np.ndarray, list[tuple[Value, ...]]]:
    """Return the point of each run, and what its factors are; several points may be alike."""
    if "point" not in frame:
        return combinations(frame, factors)
    ids, first, which = np.unique(frame["point"].to_numpy(), return_index=True, return_inverse=True)
    columns = [frame[factor.path].iloc[first].tolist() for factor in factors]
    return which, list(zip(*columns, strict=True)) if columns else [()] * len(ids)


def _least(runs: int, share: float, within: float, *, confidence: float) -> float:
    """Return the least number of runs that is enough, where so many have half an interval *share*.

    A half interval is ``t(n - 1) s / sqrt(n)``, which falls as n grows.
    """
    if math.isnan(share):
        return math.nan
    if share <= within:
        return float(runs)
    if math.isinf(share):
        return math.inf
    from scipy.special import stdtrit

    def half(n: int) -> float:
        return float(stdtrit(float(n - 1), (1 + confidence) / 2)) / math.sqrt(n)

    scale = share / half(runs)
    low = runs
    high = 2 * runs
    while scale * half(high) > within:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if scale * half(middle) <= within else (middle, high)
    return float(high)


def _words(found: Needed) -> Iterator[str]:
    known = [row for row in found.rows if not math.isnan(row.needed)]
    many = format_many(len(found.rows), "point")
    aim = f"to know {found.metric} within {percent(found.within)}"
    short = [row for row in known if row.needed > row.runs]
    if known and not short and len(known) == len(found.rows):
        yield f"{'The point has' if len(known) == 1 else f'All {many} have'} enough runs {aim}."
    else:
        ready = len(known) - len(short)
        verb = "has" if ready == 1 else "have"
        yield f"{format_count(ready)} of {many} {verb} enough runs {aim}."
    reached = [row for row in short if math.isfinite(row.needed)]
    if reached:
        widest = max(reached, key=lambda row: (row.needed, row.half_share))
        yield (
            f"The widest, {_name(found, widest)}, is known within {percent(widest.half_share)} by "
            f"{format_many(widest.runs, 'run')} and needs {format_count(widest.needed)}."
        )
    for count, what in (
        (len(short) - len(reached), "a mean of 0 that no number of runs is enough for"),
        (sum(row.runs == 1 for row in found.rows if math.isnan(row.needed)), "a single run"),
        (sum(row.runs == 0 for row in found.rows), "no run with a value"),
    ):
        if count:
            verb = "has" if count == 1 else "have"
            tail = ", which does not tell" if what == "a single run" else ""
            yield f"{format_many(count, 'point')} {verb} {what}{tail}."


def _name(found: Needed, row: Need) -> str:
    return ", ".join(
        f"{factor.label} = {value}" for factor, value in zip(found.factors, row.values, strict=True)
    )
