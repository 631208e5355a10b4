"""The report of a study: what it asked and found, as plain data; texts are not escaped here.

Only what runs add up to gets into it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from dcsim.scenario.spec import MODEL_VERSION
from dcsim.study.plans.advice import percent
from dcsim.units import listed
from dcsim.view.content import meaning, scenario_text
from dcsim.view.sweeps import tables
from dcsim.view.sweeps.failures import failures, nothing
from dcsim.view.sweeps.figures import figures
from dcsim.view.sweeps.runs import Runs
from dcsim.view.sweeps.verdict import notes, verdict

if TYPE_CHECKING:
    from dcsim.study.sweeps.swept import Sweep

_MOST_VALUES: Final = 16
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


def page_of(study: Sweep, *, title: str | None, question: str | None) -> dict[str, Any]:
    """Return what a report says of a study, as far as its runs are recorded.

    Parameters
    ----------
    study
        What is reported on.
    title, question
        Instead of its name and its question.

    Returns
    -------
    dict
        What the template ``sweep.html`` asks for as ``page``.
    """
    runs = Runs(study)
    asked = study.design.asked
    names = [each.label for each in runs.factors]
    what = f"{'do' if len(names) > 1 else 'does'} {listed(names)} do to {listed(runs.metrics)}"
    page: dict[str, Any] = {
        "title": title or asked.name,
        "question": question or asked.question or f"What {what}?",
        "about": asked.about,
        "alive": runs.alive,
        "random": study.random,
        "verdict": [],
        "answer": [],
        "notes": list(notes(runs)),
        "key": None,
        "points": None,
        **figures(runs),
        "needed": None,
        "asked": _asked(runs),
        "failures": failures(runs),
        "provenance": _provenance(runs),
    }
    if not runs.alive:
        page["verdict"] = [nothing(runs)]
        return page
    page["verdict"], page["answer"] = verdict(runs)
    page["verdict"] = page["verdict"] or [f"No run has a value of {listed(runs.metrics)}."]
    page["key"] = tables.levels(runs) if runs.crossed else None
    page["points"] = None if runs.crossed else tables.points(runs)
    page["needed"] = tables.replications(runs) if study.random else None
    return page


def _asked(runs: Runs) -> dict[str, Any]:
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


def _axes(runs: Runs) -> Iterator[tuple[str, str, str]]:
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


def _provenance(runs: Runs) -> list[tuple[str, str]]:
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
