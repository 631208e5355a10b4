"""Which level of a factor is best, over all that was varied beside it, and how sure that is.

Runs are compared in pairs: the same values of all other factors, the same random numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from dcsim.errors import ResultError, did_you_mean
from dcsim.records.tables import SUMMARY
from dcsim.study.designs.factors import Factor, Value
from dcsim.study.findings.metrics import check_metric
from dcsim.study.findings.statistics import Interval, pooled
from dcsim.study.plans.advice import percent
from dcsim.study.plans.goals import in_words
from dcsim.units import format_count, format_many, listed

if TYPE_CHECKING:
    import pandas as pd

EQUAL: Final = 1e-9
"""Figures that differ by no more than this share of themselves are the same."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A level of the factor and where it stands.

    Parameters
    ----------
    level
        The factor's value.
    rank_low, rank_high
        One more than there are levels clearly better, and how many are left if those clearly worse
        are taken away. None where the level has no value of the metric.
    mean
        Over points, in the metric's unit.
    against_best
        Difference to the first level, paired; its confidence allows for all comparisons.
    change
        The same as a share of the first's mean: 0.1 is a tenth more.
    wins
        Share of the points where it is best; equal bests share a point.
    points
        Where it has a value.
    left_out
        Points left out of its comparison with the first, as one of the two has no value there.
    runs
        With a value.
    """

    level: Value
    rank_low: int | None
    rank_high: int | None
    mean: Interval
    against_best: Interval
    change: Interval
    wins: float
    points: int
    left_out: int
    runs: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Levels of a factor by a metric, the best first; see `rank`.

    Parameters
    ----------
    metric
        A column of the table ``summary``.
    by
        The factor.
    most
        Whether more is better.
    confidence
        Of the means' intervals, and of all comparisons together.
    random
        Whether chance had a part.
    points
        Combinations of the other factors.
    rows
        A level each; those without a value come last.
    ties
        Levels that follow each other and of which none is clearly better than another; no group
        is part of a larger one.
    unsure
        Comparisons without an interval, as some point has a single pair.
    """

    metric: str
    by: Factor
    most: bool
    confidence: float
    random: bool
    points: int
    rows: tuple[Ranked, ...]
    ties: tuple[tuple[Value, ...], ...]
    unsure: int

    @property
    def comparisons(self) -> int:
        """How many pairs of levels were compared."""
        ranked = sum(row.rank_low is not None for row in self.rows)
        return ranked * (ranked - 1) // 2

    def frame(self) -> pd.DataFrame:
        """Return a row a level.

        Returns
        -------
        pandas.DataFrame
            The factor's path; ``rank_low``, ``rank_high`` (missing where no run has a value);
            the metric and its ``_low``, ``_high``, ``_difference``, ``_difference_low``,
            ``_difference_high``, all in its unit; ``change_percent``, ``change_percent_low``,
            ``change_percent_high``, ``wins_percent``, ``points``, ``left_out``, ``runs``.
        """
        import pandas as pd

        rows = [
            {
                self.by.path: row.level,
                "rank_low": row.rank_low,
                "rank_high": row.rank_high,
                **ends(self.metric, row.mean),
                **ends(f"{self.metric}_difference", row.against_best),
                **ends("change_percent", row.change, scale=100),
                "wins_percent": 100 * row.wins,
                "points": row.points,
                "left_out": row.left_out,
                "runs": row.runs,
            }
            for row in self.rows
        ]
        return pd.DataFrame(rows).astype({"rank_low": "Int64", "rank_high": "Int64"})

    def words(self) -> list[str]:
        """Return the ranking in sentences: the order, who is best where, how sure it is."""
        return list(_words(self))


def rank(
    frame: pd.DataFrame,
    metric: str,
    *,
    by: Factor,
    blocks: Sequence[Factor],
    most: bool = False,
    confidence: float = 0.95,
    random: bool | None = None,
) -> Ranking:
    """Order the levels of a factor by a metric, over all other factors.

    A level's mean is that of its points, each weighing the same. Two levels are compared by the
    difference within a point and a replicate, `pooled` over points; a point where one of them has
    no value is left out of that pair. They tie unless the difference is clear at a confidence
    that is raised for the number of pairs by Bonferroni's inequality (Miller, Simultaneous
    Statistical Inference, 2nd ed.), so that all ranks hold together.

    Parameters
    ----------
    frame
        A row a run: a column for each factor, ``replicate``, the metric.
    metric
        A column of the table ``summary``.
    by
        The factor whose levels are ordered. Runs with a value that is none of its own are left
        out; so it is for *blocks*.
    blocks
        The other factors, without those that are varied along with another one.
    most
        More is better.
    confidence
        From 0 to 1.
    random
        Whether chance has a part. Where it has none, every difference is one, and only equal
        figures tie. Default: if there are several replicates.

    Returns
    -------
    Ranking
        Levels by how many they are better than on the points shared with each, which is the order
        of their means where none has failed.

    Raises
    ------
    ResultError
        If the frame has no such column or no run of these levels, or several runs of the same
        values and replicate.
    """
    figures, levels, _ = blocked(frame, metric, by=by, blocks=blocks)
    if random is None:
        random = several(frame)
    sign = -1.0 if most else 1.0
    alive = [i for i in range(len(levels)) if not np.isnan(figures[i]).all()]
    found = compared(figures[alive], confidence=confidence, random=random)
    beats = {pair: sign * each.mean < 0 and clear for pair, (each, clear) in found.items()}
    less = {pair: sign * each.mean < 0 for pair, (each, _) in found.items()}
    count = len(alive)
    order = sorted(range(count), key=lambda i: -sum(less[i, j] for j in range(count)))
    wins = _wins(_point_means(figures), sign)
    rows = []
    base = figures[alive[order[0]]] if order else figures[:0]
    for i in order:
        mine = figures[alive[i]]
        here, there, shared = (~np.isnan(each).all(axis=1) for each in (mine, base, mine - base))
        rows.append(
            Ranked(
                level=levels[alive[i]][0],
                rank_low=1 + sum(beats[j, i] for j in range(count)),
                rank_high=count - sum(beats[i, j] for j in range(count)),
                mean=pooled(mine.tolist(), confidence=confidence),
                against_best=found[i, order[0]][0],
                change=pooled_change(mine, base, confidence=raised(confidence, count)),
                wins=float(wins[alive[i]]),
                points=int(here.sum()),
                left_out=int(((here | there) & ~shared).sum()),
                runs=int((~np.isnan(mine)).sum()),
            )
        )
    nothing = Interval(math.nan, math.nan, math.nan, 0)
    rows += [
        Ranked(level, None, None, nothing, nothing, nothing, 0.0, 0, 0, 0)
        for i, (level,) in enumerate(levels)
        if i not in alive
    ]
    return Ranking(
        metric=metric,
        by=by,
        most=most,
        confidence=confidence,
        random=random,
        points=figures.shape[1],
        rows=tuple(rows),
        ties=tuple(
            tuple(rows[place].level for place in range(begin, end))
            for begin, end in _ties(order, {pair for pair, (_, clear) in found.items() if clear})
        ),
        unsure=sum(
            random and each.pairs > 0 and math.isnan(each.low)
            for (i, j), (each, _) in found.items()
            if i < j
        ),
    )


def best_by_point(
    frame: pd.DataFrame,
    metric: str,
    *,
    by: Factor,
    blocks: Sequence[Factor],
    most: bool = False,
    confidence: float = 0.95,
    random: bool | None = None,
) -> pd.DataFrame:
    """Return which level of a factor is best at each point of the others.

    Parameters
    ----------
    frame, metric, by, blocks, most, random
        As `rank` has them.
    confidence
        Of each point by itself: raised there for the pairs of levels, not for the number of points.

    Returns
    -------
    pandas.DataFrame
        A row a point, in the order of the factors' values: a column a factor of *blocks*,
        ``best`` (of equal ones the first), ``best_mean``, ``second``, ``second_mean``,
        ``margin_percent`` (how far the second is from the best, as a share of the best),
        ``clear`` (whether the best is clearly better than the second) and ``levels`` (how many
        have a value). Means are in the metric's unit.

    Raises
    ------
    ResultError
        As `rank`.
    """
    import pandas as pd

    figures, levels, points = blocked(frame, metric, by=by, blocks=blocks)
    if random is None:
        random = several(frame)
    sign = -1.0 if most else 1.0
    means = _point_means(figures)
    rows = []
    for place, values in enumerate(points):
        column = sign * means[:, place]
        count = int((~np.isnan(column)).sum())
        ranked: list[int | None] = np.argsort(column, kind="stable")[:count].tolist()
        best, second = (*ranked, None, None)[:2]
        clear = False
        if best is not None and second is not None:
            if abs(column[second] - column[best]) <= EQUAL * abs(column[best]):
                best, second = sorted((best, second))
            pair = figures[[best, second], place : place + 1]
            each = raised(confidence, count)
            gap, clear = compared(pair, confidence=each, random=random)[0, 1]
            clear = clear and sign * gap.mean < 0  # runs that failed may turn it
        top, next_best = (math.nan if i is None else means[i, place] for i in (best, second))
        margin = abs(next_best - top) / abs(top) if top else math.nan
        rows.append(
            {
                **dict(zip((block.path for block in blocks), values, strict=True)),
                "best": None if best is None else levels[best][0],
                "best_mean": top,
                "second": None if second is None else levels[second][0],
                "second_mean": next_best,
                "margin_percent": 0.0 if margin <= EQUAL else 100 * margin,
                "clear": clear,
                "levels": count,
            }
        )
    return pd.DataFrame(rows)


# ----------------------------------------------------------------- figures in their places


def combinations(
    frame: pd.DataFrame, factors: Sequence[Factor]
) -> tuple[np.ndarray, list[tuple[Value, ...]]]:
    """Return which combination of the factors' values each run has, and all that there are.

    Parameters
    ----------
    frame
        A row a run.
    factors
        Perhaps none: then all runs have the same, which is empty.

    Returns
    -------
    tuple
        A number a run, -1 where a value is none of its factor's; and the combinations that occur,
        in the order of the factors' values.

    Raises
    ------
    ResultError
        If a factor has no column.
    """
    places = np.zeros((len(frame), len(factors)), int)
    for column, factor in enumerate(factors):
        if factor.path not in frame:
            message = f"no column is called {factor.path[:80]!r}"
            close = did_you_mean(factor.path, map(str, frame.columns))
            raise ResultError(message + (f"; did you mean {close!r}?" if close else ""))
        index = {value: i for i, value in enumerate(factor.values)}
        # a column of numbers holds NaN where a value is None
        places[:, column] = [
            index.get(None if value != value else value, -1)
            for value in frame[factor.path].tolist()
        ]
    inside = (places >= 0).all(axis=1)
    which = np.full(len(frame), -1)
    there, which[inside] = np.unique(places[inside], axis=0, return_inverse=True)
    return which, [
        tuple(factor.values[i] for factor, i in zip(factors, row, strict=True))
        for row in there.tolist()
    ]


def figures_of(
    frame: pd.DataFrame, metric: str, levels: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """Return a metric by level, point and replicate, NaN where there is no run or no value.

    Parameters
    ----------
    frame
        A row a run: ``replicate`` and the metric.
    metric
        A column of the table ``summary``.
    levels, points
        A number a run, from 0; runs with -1 in either are left out.

    Raises
    ------
    ResultError
        If there is no such metric, no run is left, or two have the same place.
    """
    check_metric(metric, among=[name for name in SUMMARY.names if name in frame])
    replicates, replicate = np.unique(frame["replicate"].to_numpy(), return_inverse=True)
    kept = (levels >= 0) & (points >= 0)
    if not kept.any():
        message = "no run has any of the factors' values"
        raise ResultError(message)
    shape = (int(levels.max()) + 1, int(points.max()) + 1, len(replicates))
    places = np.ravel_multi_index((levels[kept], points[kept], replicate[kept]), shape)
    if len(np.unique(places)) < len(places):
        message = "several runs have the same values and replicate: name all that was varied"
        raise ResultError(message)
    figures = np.full(math.prod(shape), math.nan)
    figures[places] = frame[metric].to_numpy(float)[kept]
    return figures.reshape(shape)


def blocked(
    frame: pd.DataFrame, metric: str, *, by: Factor, blocks: Sequence[Factor]
) -> tuple[np.ndarray, list[tuple[Value, ...]], list[tuple[Value, ...]]]:
    """Return a metric by level, point and replicate, and what levels and points there are."""
    which_level, levels = combinations(frame, [by])
    which_point, points = combinations(frame, blocks)
    return figures_of(frame, metric, which_level, which_point), levels, points


def several(frame: pd.DataFrame) -> bool:
    """Whether there are several replicates, which tells that something is random."""
    return len(set(frame["replicate"].tolist())) > 1


# ----------------------------------------------------------------- how sure it is


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


def pooled_change(
    values: np.ndarray, baseline: np.ndarray, *, confidence: float = 0.95
) -> Interval:
    """Return the change of the mean over points, ``mean(values) / mean(baseline) - 1``.

    As `paired_change`, with the combined ratio of a stratified sample (Cochran, Sampling
    Techniques, 3rd ed., ch. 6).

    Parameters
    ----------
    values, baseline
        By point and replicate; pairs with a NaN are left out.
    confidence
        From 0 to 1.

    Returns
    -------
    Interval
        As a share: -0.1 is a tenth less. All NaN where the baseline's mean is 0.
    """
    gap = np.isnan(values - baseline)
    top, base = (
        pooled(np.where(gap, math.nan, figures).tolist()).mean for figures in (values, baseline)
    )
    if not base or math.isnan(base):
        return Interval(math.nan, math.nan, math.nan, int((~gap).sum()))
    ratio = top / base
    rest = pooled(((values - ratio * baseline) / base).tolist(), confidence=confidence)
    half = (rest.high - rest.low) / 2
    return Interval(ratio - 1, ratio - 1 - half, ratio - 1 + half, rest.pairs)


def ends(name: str, found: Interval, *, scale: float = 1.0) -> dict[str, float]:
    """Return an interval as columns: the mean, and its ends as ``_low`` and ``_high``."""
    numbers = {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
    return {column: scale * value for column, value in numbers.items()}


def _point_means(figures: np.ndarray) -> np.ndarray:
    """Return the mean over replicates, by level and point; NaN where there is no value."""
    there = ~np.isnan(figures)
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = np.where(there, figures, 0.0).sum(axis=2) / there.sum(axis=2)
    return mean


def _wins(means: np.ndarray, sign: float) -> np.ndarray:
    """Return the share of points where each level is best."""
    costs = np.where(np.isnan(means), math.inf, sign * means)
    costs = costs[:, np.isfinite(costs).any(axis=0)]
    best = costs.min(axis=0, initial=math.inf)
    won = costs - best <= EQUAL * np.abs(best)
    share: np.ndarray = (won / won.sum(axis=0)).sum(axis=1) / means.shape[1]
    return share


def _ties(order: Sequence[int], clear: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the longest stretches of the order in which no two differ clearly, two at least."""
    last = 0
    for begin in range(len(order)):
        end = begin + 1
        while end < len(order) and not any(
            (order[i], order[end]) in clear for i in range(begin, end)
        ):
            end += 1
        if end > max(last, begin + 1):
            yield begin, end
        last = max(last, end)


# ----------------------------------------------------------------- in words


def called(factor: Factor, value: Value) -> str:
    """Return what a sentence calls a level: its name, or what has which value."""
    return f"{factor.label} = {value}" if factor.ordered or not isinstance(value, str) else value


def ordinal(number: int) -> str:
    """Return a place in a row.

    Examples
    --------
    >>> [ordinal(number) for number in (1, 2, 3, 4, 11, 22)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd']
    """
    tail = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else tail}"


def _words(ranking: Ranking) -> Iterator[str]:
    ranked = [row for row in ranking.rows if row.rank_low is not None]
    if not ranked:
        yield f"{ranking.metric}: no run has a value."
        return
    groups = _groups(ranking, ranked)
    parts = [_first(ranking, groups[0], len(ranked)), *(_rest(ranking, g) for g in groups[1:])]
    yield f"{ranking.metric}: {'; '.join(parts)}."
    if len(ranked) > 1:
        if ranking.points > 1:
            yield _best_where(ranking, ranked)
        yield _certainty(ranking)
    for row in ranking.rows:
        name = called(ranking.by, row.level)
        if row.rank_low is None:
            yield f"{name}: no run has a value of {ranking.metric}."
        elif row.points < ranking.points:
            yield (
                f"{name} has no value at {ranking.points - row.points} of "
                f"{format_many(ranking.points, 'point')}, left out of its comparisons."
            )


def _groups(ranking: Ranking, ranked: Sequence[Ranked]) -> list[list[Ranked]]:
    """Return rows told together: neighbours of the same ranks that tie."""
    groups: list[list[Ranked]] = []
    for row in ranked:
        last = groups[-1] if groups else []
        same = last and (last[0].rank_low, last[0].rank_high) == (row.rank_low, row.rank_high)
        if same and any({last[0].level, row.level} <= set(tie) for tie in ranking.ties):
            last.append(row)
        else:
            groups.append([row])
    return groups


def _first(ranking: Ranking, group: Sequence[Ranked], count: int) -> str:
    names = [called(ranking.by, row.level) for row in group]
    figures = [in_words(ranking.metric, row.mean.mean) for row in group]
    word = "most" if ranking.most else "least"
    if count == 1:
        return f"{names[0]}, {figures[0]}; there is nothing to compare it with"
    everyone = "both" if count == 2 else f"all {count}"
    if len(group) == count and len(set(figures)) > 1:
        return f"{everyone} tie, from {figures[0]} ({names[0]}) to {figures[-1]} ({names[-1]})"
    who = everyone if len(group) == count else listed(names)
    verb = "is" if len(group) == 1 else "tie for"
    shown = figures[0] if len(set(figures)) == 1 else listed(figures)
    exact = (group[0].rank_low, group[0].rank_high) == (1, len(group))
    return f"{who} {verb} {word}, {shown}{'' if exact else ', but not clearly'}"


def _rest(ranking: Ranking, group: Sequence[Ranked]) -> str:
    low, high = group[0].rank_low or 0, group[0].rank_high or 0
    names = listed(called(ranking.by, row.level) for row in group)
    one = len(group) == 1
    if low == high:
        verb = f"is {ordinal(low)}"
    elif high - low + 1 == len(group):
        verb = f"tie for {ordinal(low)}"
    else:
        to = "or" if high - low == 1 else "to"
        verb = f"{'is' if one else 'are'} {ordinal(low)} {to} {ordinal(high)}"
    return f"{names} {verb}, {_apart(ranking.metric, group)}"


def _apart(metric: str, group: Sequence[Ranked]) -> str:
    """Return how far rows are from the first, such as "11 % and 12 % more"."""
    told = []
    for row in group:
        change, gap = row.change.mean, row.against_best.mean
        way = "more" if gap > 0 else "less"
        if math.isnan(gap):
            told.append(("at no point with the first", ""))
        elif gap == 0 or abs(change) <= EQUAL:
            told.append(("as much", ""))
        elif math.isnan(change):
            told.append((in_words(metric, abs(gap)), way))
        else:
            told.append((percent(abs(change)), way))
    if len({way for _, way in told}) == 1:
        return f"{listed(text for text, _ in told)} {told[0][1]}".rstrip()
    return listed(f"{text} {way}".rstrip() for text, way in told)


def _best_where(ranking: Ranking, ranked: Sequence[Ranked]) -> str:
    """Return at how many points each is best, a sentence."""
    winners = sorted((row for row in ranked if row.wins > 0), key=lambda row: -row.wins)
    counts = [round(row.wins * ranking.points, 6) for row in winners]
    names = [called(ranking.by, row.level) for row in winners]
    rest = "".join(
        f", {name} at {format_count(count)}"
        for name, count in zip(names[1:], counts[1:], strict=True)
    )
    shared = any(count % 1 for count in counts)
    return (
        f"{names[0]} is best at {format_count(counts[0])} of {ranking.points} points{rest}"
        f"{' (equal ones share a point)' if shared else ''}."
    )


def _certainty(ranking: Ranking) -> str:
    if not ranking.random:
        return "One run of each: only equal figures tie."
    together = f" in all {ranking.comparisons} comparisons together"
    text = (
        f"Levels tie unless their paired difference is clear at {percent(ranking.confidence)}"
        f"{together if ranking.comparisons > 1 else ''}"
    )
    if ranking.unsure:
        many = format_many(ranking.unsure, "comparison")
        text += f"; {many} without an interval, as a point has a single pair"
    return f"{text}."
