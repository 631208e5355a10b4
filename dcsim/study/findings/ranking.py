"""Which level of a factor is best, over all that was varied beside it, and how sure that is.

Runs are compared in pairs: the same values of all other factors, the same random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcsim.study.designs.factors import Factor, Value
from dcsim.study.findings.blocks import blocked, is_random
from dcsim.study.findings.pairs import compared, raised
from dcsim.study.findings.statistics import EQUAL, Interval, ends, means, pooled, pooled_change
from dcsim.study.findings.words import called
from dcsim.study.plans.advice import percent
from dcsim.study.plans.goals import in_words
from dcsim.units import format_count, format_many, listed

if TYPE_CHECKING:
    import pandas as pd


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
    random = is_random(frame, random)
    sign = -1.0 if most else 1.0
    alive = [i for i in range(len(levels)) if not np.isnan(figures[i]).all()]
    found = compared(figures[alive], confidence=confidence, random=random)
    beats = {pair: sign * each.mean < 0 and clear for pair, (each, clear) in found.items()}
    less = {pair: sign * each.mean < 0 for pair, (each, _) in found.items()}
    count = len(alive)
    order = sorted(range(count), key=lambda i: -sum(less[i, j] for j in range(count)))
    wins = _wins(means(figures), sign)
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


def _wins(points: np.ndarray, sign: float) -> np.ndarray:
    """Return the share of points where each level is best, given its mean at each of them."""
    costs = np.where(np.isnan(points), math.inf, sign * points)
    costs = costs[:, np.isfinite(costs).any(axis=0)]
    best = costs.min(axis=0, initial=math.inf)
    won = costs - best <= EQUAL * np.abs(best)
    share: np.ndarray = (won / won.sum(axis=0)).sum(axis=1) / points.shape[1]
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
