"""A study in words: how much of it there is, who ranks where, against what, and what decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from dcsim.errors import DcsimError
from dcsim.study.designs.asked import SAMPLED
from dcsim.study.designs.factors import Factor
from dcsim.study.findings.blocks import plain
from dcsim.study.findings.contrast import contrasts, sentences
from dcsim.units import format_many, listed

if TYPE_CHECKING:
    import pandas as pd

    from dcsim.study.sweeps.swept import Sweep

MOST_LEVELS: Final = 24
"""Levels that are ranked: of more, a curve tells more."""
_MOST_METRICS: Final = 3
_COMPARED: Final = 2


def tell(study: Sweep) -> Iterator[str]:
    """Yield the sentences; see `Sweep.summary`."""
    frame = study.frame()
    yield _extent(study, frame)
    if study.old:
        yield f"Its runs were made by dcsim {study.old}, which is not the one that tells of them."
    yield from _failures(frame)
    if frame.empty or not (frame["error"] == "").any():
        return
    by, metrics = study.factor(), study.metrics[:_MOST_METRICS]
    crossed = is_crossed(study, frame, by)
    if crossed:
        for metric in metrics:
            words = study.ranking(metric).words()
            yield from words[: 2 if study.others(by) else 1]
        yield from against(study, study.paired(frame), by)
        if len(study.metrics) > 1:
            yield study.front(*study.metrics[:2]).words()[0]
    if study.others(by) or not crossed:
        for metric in metrics if not crossed else metrics[:1]:
            yield from study.tornado(metric).words()[:1]
    if study.design.asked.design.kind in ("morris", "saltelli"):
        try:
            yield from study.sensitivity(metrics[0]).words()
        except DcsimError as error:  # points are missing, or SALib is
            yield f"No sensitivity indices: {error}."
    if study.random:
        rule = study.design.asked.replications
        within = rule.within if rule.metric else 0.02
        yield study.replications_needed(rule.metric, within=within).words()[0]


def ranked(by: Factor) -> bool:
    """Whether levels of a factor are ranked, rather than drawn along a curve."""
    return 1 < len(by.values) <= MOST_LEVELS


def is_crossed(study: Sweep, frame: pd.DataFrame, by: Factor) -> bool:
    """Whether levels of a factor can be compared: few, and most of all else has several of them."""
    how, blocks = study.design.asked.design, [each.path for each in study.others(by)]
    if not ranked(by) or (how.kind in SAMPLED and {by.path, *by.along}.isdisjoint(how.cross)):
        return False
    if frame.duplicated([by.path, *blocks, "replicate"]).any():  # points that are the same
        return False
    if not blocks:
        return True
    levels = frame.groupby(blocks, dropna=False)[by.path].nunique(dropna=False)
    return bool((levels > 1).mean() > 0.5)


def against(study: Sweep, frame: pd.DataFrame, by: Factor) -> Iterator[str]:
    """Yield how each level differs from the baseline, a sentence a level."""
    base, blocks = study.baseline(by), study.others(by)
    found = [
        contrasts(frame, metric, by=by, blocks=blocks, baseline=base)
        for metric in study.metrics[:_COMPARED]
        if base in [plain(value) for value in frame[by.path].unique()]
    ]
    yield from sentences(found, by)


def _extent(study: Sweep, frame: pd.DataFrame) -> str:
    points, runs = len(study.design), len(frame)
    there = frame["point"].nunique()
    of = f"{there:,} of {format_many(points, 'point')}" if there < points else ""
    head = f"{study.design.name}: {of or format_many(points, 'point')} of "
    head += f"{listed([each.label for each in study.factors])}, {format_many(runs, 'run')}"
    if not study.random:
        return f"{head}. Nothing in it is random, so there are no intervals."
    return f"{head}, paired by the same random numbers; in brackets, 95 % confidence intervals."


def _failures(frame: pd.DataFrame) -> Iterator[str]:
    failed = frame[frame["error"] != ""]
    if failed.empty:
        return
    counted = ", ".join(f"{count} {error}" for error, count in Counter(failed["error"]).items())
    first = failed.iloc[0]
    yield (
        f"{len(failed)} of {format_many(len(frame), 'run')} failed: {counted}; "
        f"the first, {first['run']}, says: {first['message']}"
    )
