"""The tables of a report of a study: levels, or points, and how many replications are needed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from dcsim.study.findings.needed import needed
from dcsim.study.findings.ranking import Ranked
from dcsim.study.findings.statistics import Interval, pooled
from dcsim.study.findings.words import called
from dcsim.study.plans.advice import percent
from dcsim.study.plans.goals import in_words
from dcsim.units import format_count
from dcsim.view.content import cell, meaning
from dcsim.view.style import Scale, quantity, scale

if TYPE_CHECKING:
    from dcsim.view.sweeps.runs import Runs

MOST_POINTS: Final = 20
"""Points in a table, where levels are not compared."""
_WIDEST: Final = 5
"""Points that need most replications."""


def levels(runs: Runs) -> dict[str, Any]:
    """Return a row a level: means, differences to the baseline, ranks, and where it is best."""
    order = [row.level for row in runs.rankings[runs.metrics[0]].rows]
    if runs.by.ordered:
        order = [level for level in runs.by.values if level in set(order)]
    rows: dict[Any, list[dict[str, Any]]] = {level: [] for level in order}
    most = max(ranking.points for ranking in runs.rankings.values())
    for metric, ranking in runs.rankings.items():
        changes = {each.level: each.change for each in runs.contrasts.get(metric, [])}
        by = _scale(metric, (row.mean.mean for row in ranking.rows))
        for row in ranking.rows:
            change = changes.get(row.level)
            if change is not None:
                low, high = 100 * change.low, 100 * change.high
                change = Interval(100 * change.mean, low, high, change.pairs)
            rows[row.level].append(
                {
                    "mean": cell(row.mean, change, by),
                    "rank": row.rank_low or math.nan,
                    "ranks": _ranks(row),
                    "best": format_count(round(row.wins * ranking.points, 1)),
                }
            )
    base = runs.study.baseline(runs.by)
    return {
        "head": runs.by.label,
        "columns": [(metric, meaning(metric)) for metric in runs.metrics],
        "rows": [(str(level), rows[level], level == base) for level in order],
        "baseline": called(runs.by, base) if runs.contrasts else "",
        "points": most,
    }


def _ranks(row: Ranked) -> str:
    low, high = row.rank_low, row.rank_high
    return "–" if low is None else f"{low}" if low == high else f"{low}–{high}"


def points(runs: Runs) -> dict[str, Any]:
    """Return the points of the least first metric, where levels are not compared."""
    metric = runs.metrics[0]
    means = runs.good.groupby("point")[runs.metrics].mean().sort_values(metric, kind="stable")
    shown = means.head(MOST_POINTS)
    scales = {metric: _scale(metric, shown[metric].tolist()) for metric in runs.metrics}
    rows = []
    for point in shown.index.tolist():
        mine = runs.good[runs.good["point"] == point]
        varied = [str(mine[each.path].iloc[0]) for each in runs.varied]
        cells = [cell(pooled([mine[m].tolist()]), None, scales[m]) for m in runs.metrics]
        rows.append((point, varied, cells, len(mine)))
    return {
        "heads": [each.label for each in runs.varied],
        "columns": [(metric, meaning(metric)) for metric in runs.metrics],
        "rows": rows,
        "total": len(means),
        "metric": metric,
    }


def _scale(metric: str, values: Iterable[float]) -> Scale:
    sizes = [abs(value) for value in values if math.isfinite(value)]
    return scale(max(sizes, default=0.0), quantity(metric))


def replications(runs: Runs) -> dict[str, Any]:
    """Return how many replications are needed, and the points that need most."""
    found = needed(runs.pairs, runs.metrics[0], factors=runs.factors, random=runs.random)
    short = [row for row in found.rows if math.isfinite(row.needed) and row.needed > row.runs]
    short.sort(key=lambda row: -row.needed)
    return {
        "words": found.words(),
        "heads": [each.label for each in found.factors],
        "rows": [
            (
                [str(value) for value in row.values],
                row.runs,
                in_words(found.metric, row.mean.mean),
                percent(row.half_share),
                format_count(row.needed),
            )
            for row in short[:_WIDEST]
        ],
    }
