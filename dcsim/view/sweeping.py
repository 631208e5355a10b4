"""The report of a study: what it asked and found, as plain data; texts are not escaped here.

All runs are read once, so that a page is of the same ones throughout, and only what they add up to
gets into it.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dcsim.errors import DcsimError, ResultError
from dcsim.scenario.spec import MODEL_VERSION
from dcsim.study.designs.factors import Factor
from dcsim.study.findings import response
from dcsim.study.findings.contrast import Contrast, contrasts, sentences
from dcsim.study.findings.front import Front, front
from dcsim.study.findings.needed import needed
from dcsim.study.findings.ranking import Ranked, Ranking, best_by_point, called, rank
from dcsim.study.findings.sensitivity import Indices, Tornado, indices, tornado
from dcsim.study.findings.statistics import Interval, pooled
from dcsim.study.findings.sums import is_crossed
from dcsim.study.plans.advice import percent
from dcsim.study.plans.goals import in_words
from dcsim.units import format_count, format_many, listed
from dcsim.view import plots
from dcsim.view.content import cell, meaning, scenario_text
from dcsim.view.style import Scale, quantity, scale

if TYPE_CHECKING:
    import pandas as pd

    from dcsim.study.sweeps.swept import Sweep

MOST_FAILURES: Final = 20
"""Runs that failed and are told one by one."""
MOST_POINTS: Final = 20
"""Points in a table, where levels are not compared."""
_DRAWN: Final = 3
"""Metrics of which there are figures to choose from, the most important first."""
_OVER: Final = 8
"""Factors that curves go over."""
_MOST_LINES: Final = 12
"""Sizes with a curve each."""
_BINS: Final = 6
"""Of a map, either way, where points were drawn."""
_WIDEST: Final = 5
_MOST_VALUES: Final = 16
_MOST_TOLD: Final = 4
_MOST_MESSAGE: Final = 400
"""Characters."""
_MOST_SCENARIO: Final = 200_000
"""Characters of a scenario that is shown whole."""
_DESIGNS: Final = {
    "grid": "every combination",
    "one-at-a-time": "the first values, and each other value alone",
    "latin-hypercube": "points of a Latin hypercube",
    "sobol-sequence": "points of a Sobol' sequence",
    "morris": "trajectories of Morris",
    "saltelli": "samples of Saltelli",
}


def content(study: Sweep, *, title: str | None, question: str | None) -> dict[str, Any]:
    """Return what a report says of a study, as far as its runs are recorded."""
    runs = _Runs(study)
    asked = study.design.asked
    names = [each.label for each in runs.factors]
    what = f"{'do' if len(names) > 1 else 'does'} {listed(names)} do to {listed(runs.metrics)}"
    page: dict[str, Any] = {
        "title": title or asked.name,
        "question": question or asked.question or f"What {what}?",
        "about": asked.about,
        "alive": runs.alive,
        "random": study.random,
        "indices": False,
        "verdict": [],
        "answer": [],
        "notes": list(_notes(runs)),
        "key": None,
        "points": None,
        "lead": "",
        "figures": {},
        "maps": [],
        "choices": {},
        "options": {},
        "over_rest": "",
        "needed": None,
        "asked": _asked(runs),
        "failures": _failures(runs),
        "provenance": _provenance(runs),
    }
    if not runs.alive:
        page["verdict"] = [_nothing(runs)]
        return page
    page["verdict"], page["answer"] = _verdict(runs)
    page["verdict"] = page["verdict"] or [f"No run has a value of {listed(runs.metrics)}."]
    page["key"] = _key(runs) if runs.crossed else None
    page["points"] = None if runs.crossed else _points(runs)
    _draw(runs, page)
    page["needed"] = _needed(runs) if study.random else None
    return page


class _Runs:
    """What is recorded of a study, and what it adds up to."""

    def __init__(self, study: Sweep) -> None:
        self.study = study
        self.metrics = study.metrics
        self.frame = study.frame(metrics=self.metrics)
        self.good = self.frame[self.frame["error"] == ""]
        self.by = study.factor()
        self.others = study.others(self.by)
        self.factors = study.others()
        self.varied = study.factors
        self.kind = study.design.asked.design.kind
        self.cross = set(study.design.asked.design.cross)
        self.random = study.random

    @property
    def alive(self) -> bool:
        """Whether any run did not fail."""
        return not self.good.empty

    @cached_property
    def crossed(self) -> bool:
        """Whether levels of the first factor can be compared, each point being there once."""
        return is_crossed(self.study, self.frame, self.by)

    @cached_property
    def rankings(self) -> dict[str, Ranking]:
        """Of each metric."""
        return {
            metric: rank(self.frame, metric, by=self.by, blocks=self.others, random=self.random)
            for metric in self.metrics
        }

    @cached_property
    def front(self) -> Front | None:
        """Of the first two metrics, where there are two and levels are compared."""
        if not self.crossed or len(self.metrics) < 2:
            return None
        x, y = self.metrics[:2]
        return front(self.frame, x=x, y=y, by=[self.by], random=self.random)

    @cached_property
    def contrasts(self) -> dict[str, list[Contrast]]:
        """Of each metric, levels against the baseline; empty where it has no run."""
        base = self.study.baseline(self.by)
        if not (self.frame[self.by.path] == base).any():
            return {}
        return {
            metric: contrasts(self.frame, metric, by=self.by, blocks=self.others, baseline=base)
            for metric in self.metrics
        }

    @cached_property
    def swings(self) -> dict[str, Tornado | Indices]:
        """Of each metric that has a value, the first ones: what it is sensitive to."""
        found: dict[str, Tornado | Indices] = {}
        for metric in self.metrics[:_DRAWN]:
            with contextlib.suppress(ResultError):
                found[metric] = self._swing(metric)
        return found

    def _swing(self, metric: str) -> Tornado | Indices:
        if self.kind == "morris" or self.kind == "saltelli":
            with contextlib.suppress(DcsimError):  # points are missing, or SALib is
                unit = self.study.design.unit
                return indices(self.kind, unit, self.frame, metric, factors=self.factors)
        return tornado(self.frame, metric, factors=self.factors)

    @cached_property
    def important(self) -> list[Factor]:
        """What was varied, what swings the first metric most first."""
        for found in self.swings.values():
            if isinstance(found, Indices):
                return list(found.factors)
            return [swing.factor for swing in found.swings]
        return self.factors

    def along(self, over: Factor) -> pd.DataFrame:
        """Return the runs that a curve goes through: where one thing alone was varied, those."""
        swings = next(iter(self.swings.values()), None)
        if not (isinstance(swings, Tornado) and swings.one_at_a_time):
            return self.frame
        base = self.frame[self.frame["point"] == 0].iloc[0]
        same = np.ones(len(self.frame), bool)
        for each in self.varied:
            if each.path != over.path and each.path not in over.along:
                same &= (self.frame[each.path].map(str) == str(base[each.path])).to_numpy()
        return self.frame[same]

    def respond(self, metric: str, over: Factor) -> response.Response:
        """Return how a metric goes with a factor, at each level of another where that tells.

        That is the first one, or, along that one, the most important that has names.
        """
        by: Factor | None = None
        if self.crossed and over.path == self.by.path:
            by = next((e for e in self.important if e != over and not e.ordered), None)
        elif self.crossed and (len(self.by.values) <= _MOST_LINES or not self.by.ordered):
            by = self.by
        if by is not None and len(by.values) > response.MOST_VALUES:
            by = None
        rest = [each for each in self.factors if each not in (over, by)]
        return response.respond(self.along(over), metric, over=over, by=by, others=rest)


# --------------------------------------------------------------------- in words


def _nothing(runs: _Runs) -> str:
    if runs.frame.empty:
        points = format_many(len(runs.study.design), "point")
        return f"Nothing is recorded yet: none of {points} has a run."
    count = len(runs.frame)
    told = "The only run" if count == 1 else f"Every one of {format_many(count, 'run')}"
    return f"{told} failed: {_kinds(runs.frame['error'])}."


def _shortened(message: str) -> str:
    """Return as much of what a run says as a table has room for."""
    return message if len(message) <= _MOST_MESSAGE else f"{message[:_MOST_MESSAGE]}…"


def _kinds(errors: Iterable[str]) -> str:
    return ", ".join(f"{count:,} {error}" for error, count in Counter(errors).most_common())


def _notes(runs: _Runs) -> Iterator[str]:
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


def _verdict(runs: _Runs) -> tuple[list[str], list[str]]:
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


def _curves(runs: _Runs) -> Iterator[str]:
    """Yield which way the first two metrics go along the sizes of the first factor."""
    for metric in runs.metrics[:2]:
        with contextlib.suppress(ResultError):
            over = runs.by
            yield response.respond(runs.frame, metric, over=over, others=runs.others).words()[0]


def _more(runs: _Runs, levels: Sequence[Any]) -> Iterator[str]:
    """Yield what else there is to say where levels are compared."""
    told = set(levels)
    pairs = [runs.contrasts[metric] for metric in runs.metrics[:2] if metric in runs.contrasts]
    of_them = [[each for each in found if each.level in told] for found in pairs]
    yield from list(sentences(of_them, runs.by))[:_MOST_TOLD] if of_them else ()
    for metric in runs.metrics[:2]:
        words = runs.rankings[metric].words()
        if runs.rankings[metric].points > 1 and len(words) > 1:
            yield f"{metric}: {words[1]}"


# --------------------------------------------------------------------- tables


def _key(runs: _Runs) -> dict[str, Any]:
    """Return a row a level: means, differences to the baseline, ranks, and where it is best."""
    order = [row.level for row in runs.rankings[runs.metrics[0]].rows]
    if runs.by.ordered:
        order = [level for level in runs.by.values if level in set(order)]
    rows: dict[Any, list[dict[str, Any]]] = {level: [] for level in order}
    points = max(ranking.points for ranking in runs.rankings.values())
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
        "points": points,
    }


def _ranks(row: Ranked) -> str:
    low, high = row.rank_low, row.rank_high
    return "–" if low is None else f"{low}" if low == high else f"{low}–{high}"


def _points(runs: _Runs) -> dict[str, Any]:
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


def _needed(runs: _Runs) -> dict[str, Any]:
    """Return how many replications are needed, and the points that need most."""
    found = needed(runs.frame, runs.metrics[0], factors=runs.factors, random=runs.random)
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


def _failures(runs: _Runs) -> dict[str, Any] | None:
    failed = runs.frame[runs.frame["error"] != ""]
    if failed.empty:
        return None
    rows = failed.head(MOST_FAILURES).to_dict("records")
    paths = [(each.path, each.label) for each in runs.varied]
    return {
        "count": f"{len(failed):,} of {format_many(len(runs.frame), 'run')} failed",
        "kinds": _kinds(failed["error"]),
        "rows": [
            (
                row["run"],
                ", ".join(f"{name} = {row[path]}" for path, name in paths),
                row["replicate"],
                row["error"],
                _shortened(row["message"]),
            )
            for row in rows
        ],
        "left": f"{len(failed) - MOST_FAILURES:,}" if len(failed) > MOST_FAILURES else "",
        "first": rows[0]["run"],
    }


# --------------------------------------------------------------------- figures


def _draw(runs: _Runs, page: dict[str, Any]) -> None:
    """Draw what there is to be seen, the answer to lead."""
    with contextlib.suppress(ResultError):
        if runs.front is not None:
            page["figures"]["front"] = plots.front(runs.front).to_plotly_json()
        elif runs.crossed:
            drawn = plots.ranking(runs.rankings[runs.metrics[0]])
            page["figures"]["ranking"] = drawn.to_plotly_json()
    _draw_maps(runs, page)
    _draw_curves(runs, page)
    if len(runs.factors) > 1 and runs.swings:
        page["options"]["tornado"] = {"metric": list(runs.swings)}
        page["choices"]["tornado"] = {
            str(i): {"figure": plots.tornado(found).to_plotly_json(), "said": found.words()}
            for i, found in enumerate(runs.swings.values())
        }
        page["indices"] = any(isinstance(found, Indices) for found in runs.swings.values())
    order = ["front", "ranking", "response", "tornado"]
    if runs.by.ordered and runs.crossed:
        order.insert(0, order.pop(2))
    if not runs.crossed:
        order.reverse()
    there = {*page["figures"], *page["choices"]}
    page["lead"] = next((name for name in order if name in there), "")


def _draw_maps(runs: _Runs, page: dict[str, Any]) -> None:
    """Draw where which level has the least, over the two factors that matter most."""
    cells = [
        each
        for each in runs.important
        if each in runs.others and (each.ordered or len(each.values) <= response.MOST_VALUES)
    ][:2]
    if not runs.crossed or not cells:
        return
    cells.sort(key=lambda each: -len(each.values))
    rest = [each.label for each in runs.others if each not in cells]
    page["over_rest"] = f", averaged over {listed(rest)}" if rest else ""
    for i, metric in enumerate(runs.metrics[:2]):
        with contextlib.suppress(ResultError):
            best, axes = where(
                runs.frame,
                metric,
                by=runs.by,
                axes=cells,
                blocks=runs.others,
                random=runs.random,
            )
            drawn = plots.winners(best, x=axes[0], y=axes[1] if len(axes) > 1 else None, by=runs.by)
            slim = drawn.layout.meta["narrow"]  # two stand side by side
            drawn.update_layout({key.replace(".", "_"): value for key, value in slim.items()})
            page["figures"][f"map{i}"] = drawn.to_plotly_json()
            page["maps"].append((f"map{i}", metric))


def where(
    frame: pd.DataFrame,
    metric: str,
    *,
    by: Factor,
    axes: Sequence[Factor],
    blocks: Sequence[Factor],
    random: bool,
) -> tuple[pd.DataFrame, list[Factor]]:
    """Return which level is best at each combination of one or two factors, over all the rest.

    A level counts at a combination where it has a value at each point and replicate of it that any
    level has one at, so that the means of all that count are over the same.

    Parameters
    ----------
    frame
        A row a run, as a study has it.
    metric
        A column of the table ``summary``.
    by
        The factor whose levels compete.
    axes
        The one or two; many sizes are taken together in bins.
    blocks
        All that was varied beside *by*.
    random
        Whether chance has a part.

    Returns
    -------
    tuple
        What `dcsim.study.findings.ranking.best_by_point` gives, and the axes as it has them.

    Raises
    ------
    ResultError
        If no run has a value, or there is no such metric or column.
    """
    found = response.points(frame, metric, axes)
    groups = [response.group(found, each, most=_BINS) for each in axes]
    binned = [
        Factor(each.factor.path, each.factor.label, tuple(dict.fromkeys(each.names)))
        for each in groups
    ]
    place = np.searchsorted(found.ids, frame["point"].to_numpy())
    rows = frame[[by.path, "replicate", metric]].copy()
    rows["block"] = _grouped(frame, [each.path for each in blocks]).ngroup()
    for each in groups:
        rows[each.factor.path] = [each.names[code] for code in each.codes[place].tolist()]
    rows = rows[rows[metric].notna()]
    at = [each.path for each in axes]
    rows["all"] = _grouped(rows, [*at, "replicate"])["block"].transform("nunique")
    rows = rows[rows["all"] == _grouped(rows, at)["all"].transform("max")]
    means = _grouped(rows, [by.path, *at, "replicate"]).agg(
        mean=(metric, "mean"), count=("block", "size"), wanted=("all", "first")
    )
    kept = means[means["count"] == means["wanted"]].rename(columns={"mean": metric}).reset_index()
    return best_by_point(kept, metric, by=by, blocks=binned, random=random), binned


def _grouped(frame: pd.DataFrame, paths: list[str]) -> Any:
    return frame.groupby(paths, dropna=False, sort=False)


def _draw_curves(runs: _Runs, page: dict[str, Any]) -> None:
    """Draw the first metrics over what was varied, what can rise first."""
    over = [
        each
        for each in runs.important
        if (each.ordered or len(each.values) <= response.MOST_VALUES)
        and not (runs.crossed and each.path == runs.by.path and not each.ordered)
    ]
    leads = runs.by.path if runs.crossed else ""
    over.sort(key=lambda each: (each.path != leads, not each.ordered))
    del over[_OVER:]
    drawn: dict[str, Any] = {}
    metrics = list(runs.swings)
    for i, metric in enumerate(metrics):
        for j, each in enumerate(over):
            found = runs.respond(metric, each)
            drawn[f"{i}.{j}"] = {
                "figure": plots.response(found).to_plotly_json(),
                "said": found.words(),
            }
    if drawn:
        page["choices"]["response"] = drawn
        page["options"]["response"] = {"metric": metrics, "over": [each.label for each in over]}


# --------------------------------------------------------------------- what was asked


def _asked(runs: _Runs) -> dict[str, Any]:
    design, asked = runs.study.design, runs.study.design.asked
    how = asked.design
    told = _DESIGNS[how.kind]
    if design.rows:
        told = "points as they were given"
    elif how.size is not None:
        told = f"{how.size:,} {told}, drawn with the seed {how.seed}"
        if how.cross:
            told += f"; each meets every value of {listed(how.cross)}"
    again, random = asked.replications, "where anything is random, else one run"
    times = f"{again.count or 5} of each point {random}"
    if again.metric:
        times = (
            f"until {again.metric} is known within {percent(again.within)}, "
            f"{again.least} to {again.most} of each point {random}"
        )
    rows = [("Design", told), ("Points", f"{len(design):,}"), ("Replications", times)]
    if asked.baseline is not None:
        rows.append(("Baseline", str(asked.baseline)))
    scenario = scenario_text(design.scenario.to_dict())
    return {
        "axes": list(_axes(runs)),
        "rows": rows,
        "metrics": [(metric, meaning(metric)) for metric in runs.metrics],
        "scenario": scenario if len(scenario) <= _MOST_SCENARIO else "",
    }


def _axes(runs: _Runs) -> Iterator[tuple[str, str, str]]:
    """Yield each path that was varied, its values, and with what it goes together."""
    spans = {d.paths[0]: d.span.text for d in runs.study.design.dimensions if d.span is not None}
    for each in runs.varied:
        values = [str(value) for value in each.values[:_MOST_VALUES]]
        if each.path in spans:
            told = spans[each.path]
        elif len(each.values) > _MOST_VALUES:
            told = f"{', '.join(values[:-1])}, … {each.values[-1]} ({len(each.values):,} values)"
        else:
            told = ", ".join(values)
        yield each.path, told, listed(each.along) if each.along else ""


def _provenance(runs: _Runs) -> list[tuple[str, str]]:
    study = runs.study
    seeds = sorted({seed for seed in runs.frame["seed"].tolist() if seed >= 0})  # -1: none
    shown = ", ".join(map(str, seeds[:20])) + (", …" if len(seeds) > 20 else "")
    there = int(runs.frame["point"].nunique())
    return [
        ("runs made by", f"dcsim {study.points.code}"),
        *([] if study.old else [("model version", str(MODEL_VERSION))]),
        ("points with runs", f"{there:,} of {len(study.design):,}"),
        ("runs", f"{len(runs.frame):,}"),
        ("seed of the scenario", str(study.design.scenario.seed)),
        ("seeds of the runs", shown or "none yet"),
        ("study digest", study.design.digest),
        ("scenario digest", study.design.scenario.digest()),
    ]
