"""What a study answers, in sentences, and what to know of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from dcsim.errors import ResultError
from dcsim.study.findings.contrast import sentences
from dcsim.study.findings.ranking import Ranked, Ranking
from dcsim.study.findings.response import respond
from dcsim.study.findings.words import called
from dcsim.study.plans.goals import in_words
from dcsim.units import format_many, listed

if TYPE_CHECKING:
    from dcsim.view.sweeps.runs import Runs

_MOST_TOLD: Final = 4


def verdict(runs: Runs) -> tuple[list[str], list[str]]:
    """Return the answer in two or three sentences, and what else there is to say."""
    if not runs.crossed:
        words = [found.words() for found in runs.swings.values()]
        return [told[0] for told in words[:1]], [
            *(sentence for told in words[:1] for sentence in told[1:]),
            *(told[0] for told in words[1:]),
        ]
    if runs.by.ordered:
        firsts = [found.words()[0] for found in runs.swings.values() if runs.others]
        return list(_curves(runs)), firsts
    rankings = list(runs.rankings.values())[:2]
    said = [first(ranking) for ranking in rankings]
    levels = [ranking.rows[0].level for ranking in rankings]
    if runs.front is not None:
        best = sorted((row for row in runs.front.rows if row.on_front), key=lambda r: r.x.mean)
        levels += [row.values[0] for row in best]
        if len(best) > 1:
            names = _some([runs.front.name(row.values) for row in best])
            said.append(f"On the front of both, where nothing has less of both: {names}.")
    return said, list(_more(runs, levels))


def notes(runs: Runs) -> Iterator[str]:
    """Yield how much of it there is, by which code, and what means are of."""
    study, points = runs.study, len(runs.study.design)
    there = int(runs.frame["point"].nunique())
    if 0 < there < points:
        yield f"Unfinished: {there:,} of {format_many(points, 'point')} have runs so far."
    if study.old:
        yield f"Its runs were made by dcsim {study.old}, which is not the one that tells of them."
    if runs.alive:
        chance = (
            ", compared in pairs with the same random numbers."
            if runs.random
            else ". Nothing in it is random."
        )
        varied = listed([each.label for each in runs.factors])
        count = format_many(len(runs.frame), "run")
        yield f"{format_many(there, 'point')} of {varied}, {count}{chance}"
    if runs.alive and runs.crossed:
        yield from _missing(runs.rankings[runs.metrics[0]])


def _missing(ranking: Ranking) -> Iterator[str]:
    """Yield which levels lack points that others have, which their means do not tell."""
    fewer = [row for row in ranking.rows if 0 < row.points < ranking.points]
    of = f"of {format_many(ranking.points, 'point')}"
    for row in fewer[:_MOST_TOLD]:
        name = called(ranking.by, row.level)
        yield f"{name} has no value at {ranking.points - row.points:,} {of}: its mean is of fewer."
    if len(fewer) > _MOST_TOLD:
        yield f"So it is with {len(fewer) - _MOST_TOLD} others."


def first(ranking: Ranking) -> str:
    """Say which level has the least of a metric, and how sure that is."""
    metric = ranking.metric
    rows = [row for row in ranking.rows if row.rank_low is not None]
    if not rows:
        return f"No run has a value of {metric}."
    names = [called(ranking.by, row.level) for row in rows]
    figures = [in_words(metric, row.mean.mean) for row in rows]
    alike = [not _clear(row, ranking) for row in rows]  # the first is like itself
    same = [name for name, row in zip(names, rows, strict=True) if row.against_best.mean == 0]
    if len(rows) == 1:
        return f"Only {names[0]} has a value of {metric}: {figures[0]}."
    if len(rows) > 2 and any(len(tie) == len(rows) for tie in ranking.ties):
        return (
            f"No {ranking.by.label} is clearly better than another in {metric}: "
            f"from {figures[0]} ({names[0]}) to {figures[-1]} ({names[-1]})."
        )
    if len(same) > 1:
        return f"{_some(same)} have the same {metric} ({figures[0]}), the least."
    said = f"{names[0]} has the least {metric} ({figures[0]})"
    if sum(alike) == 1:
        return f"{said}."
    others = [name for name, like in zip(names[1:], alike[1:], strict=True) if like]
    told = "any other" if len(others) == len(rows) - 1 > 1 else _some(others)
    return f"{said}, but not clearly less than {told}."


def _clear(row: Ranked, ranking: Ranking) -> bool:
    """Whether a level is clearly apart from the first."""
    gap = row.against_best
    return gap.mean != 0 and (gap.clear or not ranking.random)


def _some(names: Sequence[str]) -> str:
    few = names if len(names) <= 8 else [*names[:7], f"{len(names) - 7} more"]
    return listed(few)


def _curves(runs: Runs) -> Iterator[str]:
    """Yield which way the first two metrics go along the sizes of the first factor."""
    for metric in runs.metrics[:2]:
        with contextlib.suppress(ResultError):
            over = runs.by
            yield respond(runs.pairs, metric, over=over, others=runs.others).words()[0]


def _more(runs: Runs, levels: Sequence[Any]) -> Iterator[str]:
    """Yield what else there is to say where levels are compared."""
    told = set(levels)
    pairs = [runs.contrasts[metric] for metric in runs.metrics[:2] if metric in runs.contrasts]
    of_them = [[each for each in found if each.level in told] for found in pairs]
    yield from list(sentences(of_them, runs.by))[:_MOST_TOLD] if of_them else ()
    for metric in runs.metrics[:2]:
        words = runs.rankings[metric].words()
        if runs.rankings[metric].points > 1 and len(words) > 1:
            yield f"{metric}: {words[1]}"
