"""What a metric is sensitive to: how far each factor alone swings it, and shares of its variance.

`tornado` looks at any design. `indices` are of the designs that were made for them: elementary
effects (Morris, Technometrics 33, 1991; mu* of Campolongo et al., Environ. Model. Softw. 22, 2007)
and Sobol' indices (Saltelli et al., Comput. Phys. Commun. 181, 2010), as SALib estimates them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor, Value
from dcsim.study.designs.sampling import LEVELS, quiet, salib, unit_problem
from dcsim.study.findings.response import (
    Points,
    bin_notes,
    group,
    left_out,
    metric_unit,
    points,
    said,
    suffix,
    three_figures,
)

if TYPE_CHECKING:
    import pandas as pd

SMALL: Final = 0.05
"""Share of the variance, or of the largest effect, below which words do not name a factor."""

_FLAT: Final = 1e-9
"""Share of a metric that is rounding: a metric that varies no more is the same everywhere."""
_UNSURE: Final = 0.1
"""Half of an interval, as such a share, of which words warn."""
_TOGETHER: Final = 0.02
"""Share of the variance in interactions below which words do not name it."""


# ------------------------------------------------------------------- swings


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
        return metric_unit(self.metric)

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
    same; where many sizes were drawn, over bins of them (see `response.group`). Where
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
    if _same(values):
        return math.nan
    return float((counts * (means - centre) ** 2).sum()) / whole


def _same(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= _FLAT * np.abs(values).max())


def _of_tornado(found: Tornado) -> Iterator[str]:
    metric = found.metric
    top = found.swings[0] if found.swings else None
    if top is None or top.swing <= _FLAT * abs(found.base):
        yield f"{metric} is {three_figures(metric, found.base)}, whatever was varied."
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
            f"Of points drawn like these, a factor of no effect explains {_percent(chance)} by "
            "chance; less than twice that counts as small."
        )
    yield from found.notes
    yield from left_out(found.left_out)


def _chance(each: Swing) -> bool:
    """Whether random points may well give as much for nothing."""
    return each.explained < 2 * each.by_chance


def _swing(metric: str, each: Swing) -> str:
    share = "" if math.isnan(each.explained) else f" ({_percent(each.explained)} of the variance)"
    least, most = (three_figures(metric, end) for end in (each.least, each.most))
    at_least, at_most = said(each.least_at), said(each.most_at)
    return f"{each.factor.label}, from {least} at {at_least} to {most} at {at_most}{share}"


# ------------------------------------------------------------------- indices


@dataclass(frozen=True, slots=True)
class Indices:
    """Sensitivity indices of a metric, a value a factor.

    Parameters
    ----------
    kind
        Of design.
    metric
        Its name.
    factors
        What was varied, the most important first.
    values
        Of ``morris``: ``mu_star``, the mean size of a factor's effect on its way across its whole
        range, with half of its 95 % interval, ``mu_star_conf``, and ``sigma``, how much that
        depends on the rest; in the metric's unit. Of ``saltelli``: ``S1``, the share of the
        variance that a factor explains by itself, ``ST``, with all its interactions, and half of
        their 95 % intervals, ``S1_conf`` and ``ST_conf``. In the order of *factors*.
    mean
        Of the metric, over all points.
    """

    kind: Literal["morris", "saltelli"]
    metric: str
    factors: tuple[Factor, ...]
    values: Mapping[str, tuple[float, ...]]
    mean: float

    @property
    def unit(self) -> str:
        """Of the metric."""
        return metric_unit(self.metric)

    def frame(self) -> pd.DataFrame:
        """Return a row a factor, the most important first.

        Returns
        -------
        pandas.DataFrame
            ``metric``, ``factor`` (a path) and the values. Those of ``morris`` carry the metric's
            unit, as ``mu_star_s``; those of ``saltelli`` are shares.
        """
        import pandas as pd

        here = suffix(self.unit) if self.kind == "morris" else ""
        columns = {f"{name}{here}": values for name, values in self.values.items()}
        paths = [factor.path for factor in self.factors]
        return pd.DataFrame({"metric": self.metric, "factor": paths, **columns})

    def words(self) -> list[str]:
        """Say what the metric is sensitive to, by itself and with interactions."""
        return list(_of_saltelli(self) if self.kind == "saltelli" else _of_morris(self))


def indices(
    kind: Literal["morris", "saltelli"],
    unit: np.ndarray,
    frame: pd.DataFrame,
    metric: str,
    *,
    factors: Sequence[Factor],
    seed: int = 0,
) -> Indices:
    """Return sensitivity indices of a metric's means over the replications of each point.

    Where something is random, what is analysed is the mean over the replications at hand. All
    points have the same random numbers, so that this is a function of the factors alone, and noise
    that all points share cancels. What chance does to points unlike each other stays, and shrinks
    with replications: it looks like interactions of all factors, and so adds to ``sigma``,
    ``mu_star`` and ``ST``, and takes from ``S1``. The intervals tell how much a larger design could
    move an index; they know nothing of replications.

    Parameters
    ----------
    kind
        Of design.
    unit
        What `dcsim.study.designs.sampling.unit_points` gave, whose row i is point i; shape
        (points, factors).
    frame
        A row a run: ``point``, ``replicate``, the paths of the factors, the metric.
    metric
        A column of the table ``summary``.
    factors
        A column of *unit* each, in its order.
    seed
        Of the bootstrap that intervals come from.

    Raises
    ------
    ResultError
        If a point has no value, or there is no such metric or column.
    ValueError
        If *unit* has another shape than such a design.
    DcsimError
        If SALib is not installed.
    """
    dimensions = len(factors)
    block = dimensions + (1 if kind == "morris" else 2)
    if unit.ndim != 2 or unit.shape[1] != dimensions or len(unit) % block or len(unit) < 2 * block:
        raise ValueError(
            f"unit must have shape ({block} n, {dimensions}) for {kind} of {dimensions} factors "
            f"and 2 or more such samples, got {unit.shape}"
        )
    values = _complete(points(frame, metric, factors), len(unit))
    problem = unit_problem(dimensions)
    random = np.random.default_rng(seed)  # SALib takes the seed 0 for none
    if kind == "morris":
        names = ["mu_star", "mu_star_conf", "sigma"]
        analyze, options = salib("analyze.morris").analyze, {"X": unit, "num_levels": LEVELS}
    else:
        names = ["S1", "S1_conf", "ST", "ST_conf"]
        analyze, options = salib("analyze.sobol").analyze, {"calc_second_order": False}
    found = {name: np.zeros(dimensions) for name in names}
    if not _same(values):
        with quiet():
            raw = analyze(problem, Y=values, seed=random, **options)
        found = {name: np.asarray(raw[name], float) for name in names}
    first = found["ST" if kind == "saltelli" else "mu_star"]
    order = np.argsort(-first, kind="stable").tolist()
    return Indices(
        kind,
        metric,
        tuple(factors[i] for i in order),
        {name: tuple(each[order].tolist()) for name, each in found.items()},
        float(values.mean()),
    )


def _complete(found: Points, count: int) -> np.ndarray:
    """Return the mean of each of so many points, in order."""
    means = np.full(count, np.nan)
    if found.ids.min() < 0 or found.ids.max() >= count:
        message = f"the frame has points {found.ids.min()} to {found.ids.max()}, unit {count}"
        raise ResultError(f"{message}: they are of different designs")
    means[found.ids] = found.means
    holes = np.isnan(means)
    if not holes.any():
        return means
    failed = np.zeros(count, bool)
    failed[found.ids] = found.failed > 0
    left = int(holes.sum())
    kinds = {
        "failed": int((holes & failed).sum()),
        "did not run": count - len(found.ids),
    }
    kinds["have nothing to measure"] = left - sum(kinds.values())
    told = ", ".join(f"{many:,} {what}" for what, many in kinds.items() if many)
    raise ResultError(
        f"{left:,} of {count:,} points have no value of {found.metric} ({told}), and a "
        "sensitivity needs all of them: retry the failed runs"
    )


def _of_saltelli(found: Indices) -> Iterator[str]:
    rows = list(zip(found.factors, found.values["S1"], found.values["ST"], strict=True))
    if not any(total for _, _, total in rows):
        yield f"{found.metric} is {three_figures(found.metric, found.mean)}, whatever was varied."
        return
    (factor, alone, total), *others = rows
    head = f"{factor.label} explains {_percent(alone)} of the variance of {found.metric} by itself"
    parts = [f"{head}, {_percent(total)} with its interactions"]
    named = [row for row in others if row[2] >= SMALL]
    for factor, alone, total in named:
        more = f" and {_percent(total)}" if total - alone >= _TOGETHER else ""
        parts.append(f"{factor.label} {_percent(alone)}{more}")
    if len(named) < len(others):
        parts.append("the rest is small")
    yield f"{'; '.join(parts)}."
    widest = max(*found.values["S1_conf"], *found.values["ST_conf"])
    if widest > _UNSURE:
        yield (
            f"These are sure to {100 * widest:.0f} points of per cent only: a larger size tells "
            "them better."
        )


def _of_morris(found: Indices) -> Iterator[str]:
    metric, (mu, halves, sigma) = found.metric, found.values.values()
    if not mu[0]:
        yield f"{metric} is {three_figures(metric, found.mean)}, whatever was varied."
        return
    named = [i for i, size in enumerate(mu) if i == 0 or size >= SMALL * mu[0]]
    parts = []
    for i in named:
        size, name = three_figures(metric, mu[i]), found.factors[i].label
        how = "whatever the rest" if sigma[i] <= SMALL * mu[i] else "depending on the rest"
        if i:
            parts.append(f"{name} by {size}, {how}")
        else:
            parts.append(f"{name} moves {metric} most, by {size} on its way across, {how}")
    if len(named) < len(mu):
        parts.append("the rest is small")
    yield f"{'; '.join(parts)}."
    if max(halves) > _UNSURE * mu[0]:
        half = three_figures(metric, max(halves))
        yield f"These are sure to {half} only: more trajectories tell them better."


def _percent(share: float) -> str:
    return f"{max(0.0, 100 * share):.0f} %"
