"""How far each factor alone swings a metric, in any design, and its share of the variance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor, Value
from dcsim.study.findings.metrics import UNITS, suffix
from dcsim.study.findings.points import Points, bin_notes, group, points
from dcsim.study.findings.statistics import EQUAL, same
from dcsim.study.findings.words import (
    SMALL,
    left_out,
    said,
    three_figures,
    unmoved,
    whole_percent,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Swing:
    """How far one factor alone swings a metric.

    Parameters
    ----------
    factor
        Which.
    least, most
        Least and most mean of the metric at any of its values.
    least_at, most_at
        These values, as written; of a bin, its mean size.
    first, last
        Mean at its least and at its largest size; NaN where values are names.
    explained
        Share of the variance of the points' means that lies between its values (eta squared), from
        0 to 1; NaN where points were compared with point 0, or do not vary.
    by_chance
        Share that would lie there on average if it had no effect at all, and were drawn: what bins
        and random points give for nothing. 0 where it is not binned.
    """

    factor: Factor
    least: float
    most: float
    least_at: Value
    most_at: Value
    first: float
    last: float
    explained: float
    by_chance: float

    @property
    def swing(self) -> float:
        """From least to most, in the metric's unit."""
        return self.most - self.least


@dataclass(frozen=True, slots=True)
class Tornado:
    """How far each factor alone swings a metric, largest first.

    Parameters
    ----------
    metric
        Its name.
    base
        What swings are seen from: the mean over all points, or point 0.
    one_at_a_time
        Whether every point differs from point 0 in one factor, and so is compared with it.
    swings
        A factor each, largest swing first.
    left_out
        Points that have no value of the metric.
    notes
        What was binned, in words.
    """

    metric: str
    base: float
    one_at_a_time: bool
    swings: tuple[Swing, ...]
    left_out: int
    notes: tuple[str, ...]

    @property
    def unit(self) -> str:
        """Of the metric."""
        return UNITS[self.metric]

    def frame(self) -> pd.DataFrame:
        """Return a row a factor, largest swing first.

        Returns
        -------
        pandas.DataFrame
            ``metric``, ``factor`` (a path), ``least_at`` and ``most_at`` (values as written),
            ``least``, ``most``, ``first``, ``last`` and ``swing`` with the metric's unit at their
            ends, as ``swing_s``, ``explained_percent`` and ``by_chance_percent``.
        """
        import pandas as pd

        here = suffix(self.unit)
        return pd.DataFrame(
            [
                {
                    "metric": self.metric,
                    "factor": each.factor.path,
                    "least_at": each.least_at,
                    "most_at": each.most_at,
                    f"least{here}": each.least,
                    f"most{here}": each.most,
                    f"first{here}": each.first,
                    f"last{here}": each.last,
                    f"swing{here}": each.swing,
                    "explained_percent": 100 * each.explained,
                    "by_chance_percent": 100 * each.by_chance,
                }
                for each in self.swings
            ]
        )

    def words(self) -> list[str]:
        """Say which factors swing the metric, by how much, between which values."""
        return list(_of_tornado(self))


def tornado(frame: pd.DataFrame, metric: str, *, factors: Sequence[Factor]) -> Tornado:
    """Return how far each factor alone swings a metric, in any design.

    At each value of a factor the metric is averaged over the points that have it, each weighing the
    same; where many sizes were drawn, over bins of them (see `points.group`). Where
    every point differs from point 0 in one factor, the points that differ in a factor are compared
    with point 0 instead.

    The share explained is eta squared: the variance of a factor's means, weighted by counts of
    points, over that of the points' means. On a full grid the shares of an additive metric add up
    to 1. Between bins of random points some of it is there by chance: of k bins and n points, a
    factor of no effect has (k - 1) / (n - 1) on average over all its permutations.

    Parameters
    ----------
    frame
        A row a run: ``point``, ``replicate``, the paths of the factors and the metric; NaN is left
        out. A point's mean is over its replications.
    metric
        A column of the table ``summary``.
    factors
        What was varied.

    Raises
    ------
    ResultError
        If there is no such metric or column, no run has a value, or point 0 has none that all
        others are to be compared with.
    """
    found = points(frame, metric, factors)
    means = found.means
    known = np.isfinite(means)
    if not known.any():
        raise ResultError(f"no run has a value of {metric}: nothing swings it")
    at_once = _one_at_a_time(found)
    if at_once and not known[0]:
        message = f"point 0 has no value of {metric}, which all others differ from in one factor"
        raise ResultError(f"{message}: retry the failed runs")
    base = float(means[0]) if at_once else float(means[known].mean())
    swings, grouped = [], []
    for factor in factors:
        groups = group(found, factor)
        grouped.append(groups)
        places = found.places[factor.path]
        rows = known & (places != places[0]) if at_once else known.copy()
        rows[0] |= at_once
        codes, values = groups.codes[rows], means[rows]
        counts = np.bincount(codes, minlength=len(groups.names))
        sums = np.bincount(codes, values, minlength=len(groups.names))
        here = np.flatnonzero(counts)
        each = sums[here] / counts[here]
        low, high = here[np.argmin(each)], here[np.argmax(each)]
        ends = here[np.argsort([groups.sizes[i] for i in here])[[0, -1]]] if groups.sizes else ()
        first, last = (sums[i] / counts[i] for i in ends) if groups.sizes else (math.nan, math.nan)
        swings.append(
            Swing(
                factor,
                float(each.min()),
                float(each.max()),
                groups.names[low],
                groups.names[high],
                float(first),
                float(last),
                math.nan if at_once else _explained(values, each, counts[here]),
                (len(here) - 1) / (len(values) - 1) if groups.binned and not at_once else 0.0,
            )
        )
    swings.sort(key=lambda swing: -swing.swing)
    left = int(np.count_nonzero(~known))
    return Tornado(metric, base, at_once, tuple(swings), left, bin_notes(grouped))


def _one_at_a_time(found: Points) -> bool:
    """Whether every point differs from point 0 in one factor, and several do."""
    if not found.places or found.ids[0] != 0:
        return False
    places = np.column_stack(list(found.places.values()))
    different = places != places[0]
    return bool((different[1:].sum(axis=1) == 1).all() and different.any(axis=0).sum() > 1)


def _explained(values: np.ndarray, means: np.ndarray, counts: np.ndarray) -> float:
    centre = values.mean()
    whole = float(((values - centre) ** 2).sum())
    if same(values):
        return math.nan
    return float((counts * (means - centre) ** 2).sum()) / whole


def _of_tornado(found: Tornado) -> Iterator[str]:
    metric = found.metric
    top = found.swings[0] if found.swings else None
    if top is None or top.swing <= EQUAL * abs(found.base):
        yield unmoved(metric, found.base)
        return
    least = SMALL * top.swing
    named = [each for each in found.swings[1:] if each.swing >= least and not _chance(each)]
    more = "".join(f"; then with {_swing(metric, each)}" for each in named)
    rest = "; the rest is small" if len(named) + 1 < len(found.swings) else ""
    where = "at point 0" if found.one_at_a_time else "on average"
    base = three_figures(metric, found.base)
    yield f"{metric}, {base} {where}, swings most with {_swing(metric, top)}{more}{rest}."
    chance = max(each.by_chance for each in found.swings)
    if chance:
        yield (
            f"Of points drawn like these, a factor of no effect explains {whole_percent(chance)} "
            "by chance; less than twice that counts as small."
        )
    yield from found.notes
    yield from left_out(found.left_out)


def _chance(each: Swing) -> bool:
    """Whether random points may well give as much for nothing."""
    return each.explained < 2 * each.by_chance


def _swing(metric: str, each: Swing) -> str:
    share = (
        "" if math.isnan(each.explained) else f" ({whole_percent(each.explained)} of the variance)"
    )
    least, most = (three_figures(metric, end) for end in (each.least, each.most))
    at_least, at_most = said(each.least_at), said(each.most_at)
    return f"{each.factor.label}, from {least} at {at_least} to {most} at {at_most}{share}"
