"""The figures of a report of a study: a front or a ranking, maps, curves and tornados."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor
from dcsim.study.findings.points import MOST_VALUES, group, points
from dcsim.study.findings.sensitivity import Indices
from dcsim.study.findings.winners import best_by_point
from dcsim.units import listed
from dcsim.view import plots

if TYPE_CHECKING:
    import pandas as pd

    from dcsim.view.sweeps.runs import Runs

_OVER: Final = 8
"""Factors that curves go over."""
_BINS: Final = 6
"""Of a map, either way, where points were drawn."""


def figures(runs: Runs) -> dict[str, Any]:
    """Draw what there is to be seen.

    Parameters
    ----------
    runs
        Where every one failed, nothing is drawn.

    Returns
    -------
    dict
        ``figures``, by name, and ``lead``, the name of the one that answers; ``maps``, names with
        metrics, and ``over_rest``, what they are averaged over; of figures to choose from,
        ``choices`` by ``options``; and ``indices``, whether there are any among them.
    """
    page: dict[str, Any] = {
        "indices": False,
        "lead": "",
        "figures": {},
        "maps": [],
        "choices": {},
        "options": {},
        "over_rest": "",
    }
    if runs.alive:
        _draw(runs, page)
    return page


def _draw(runs: Runs, page: dict[str, Any]) -> None:
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


def _draw_maps(runs: Runs, page: dict[str, Any]) -> None:
    """Draw where which level has the least, over the two factors that matter most."""
    cells = [
        each
        for each in runs.important
        if each in runs.others and (each.ordered or len(each.values) <= MOST_VALUES)
    ][:2]
    if not runs.crossed or not cells:
        return
    cells.sort(key=lambda each: -len(each.values))
    rest = [each.label for each in runs.others if each not in cells]
    page["over_rest"] = f", averaged over {listed(rest)}" if rest else ""
    for i, metric in enumerate(runs.metrics[:2]):
        with contextlib.suppress(ResultError):
            best, axes = where(
                runs.pairs,
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
        What `dcsim.study.findings.winners.best_by_point` gives, and the axes as it has them.

    Raises
    ------
    ResultError
        If no run has a value, or there is no such metric or column.
    """
    found = points(frame, metric, axes)
    groups = [group(found, each, most=_BINS) for each in axes]
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


def _draw_curves(runs: Runs, page: dict[str, Any]) -> None:
    """Draw the first metrics over what was varied, what can rise first."""
    over = [
        each
        for each in runs.important
        if (each.ordered or len(each.values) <= MOST_VALUES)
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
