"""A study in words: what `dcsim show` tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from dcsim.cli.console import table
from dcsim.scenario.chance import random_inputs
from dcsim.units import format_many

if TYPE_CHECKING:
    from dcsim.study.designs.design import Design

_MOST_VALUES: Final = 12


def lines(design: Design) -> Iterator[str]:
    """Yield what a study asks, line by line."""
    asked = design.asked
    yield design.name + (f": {asked.about}" if asked.about else "")
    if asked.question:
        yield asked.question
    yield ""
    rows = []
    for factor in design.factors:
        values = [str(value) for value in factor.values]
        if len(values) > _MOST_VALUES:
            values = [*values[: _MOST_VALUES - 1], "...", values[-1]]
        told = ", ".join(values)
        if factor.along:
            told += f" (together with {', '.join(factor.along)})"
        rows.append([factor.path, format_many(len(factor.values), "value"), told])
    yield table(["axis", "", ""], rows, texts=3)
    yield ""
    how = asked.design
    size = f" of size {how.size}, seed {how.seed}" if how.size is not None else ""
    kind = "a table" if design.rows else f"design {how.kind}{size}"
    yield f"{format_many(len(design), 'point')}, {kind}; {_replications(design)}."
    yield f"Looked at: {', '.join(asked.metrics)}."
    if asked.tables:
        yield f"Kept of each run: {', '.join(asked.tables)}."
    yield "dcsim sweep with --dry-run tells how long it takes."


def _replications(design: Design) -> str:
    rule = design.asked.replications
    random = random_inputs(design.scenario)
    told = f"random is {'; '.join(random)}" if random else "nothing is random as it stands"
    if rule.metric:
        known = f"until {rule.metric} is known within {100 * rule.within:g} %"
        return f"{rule.least} to {rule.most} replications of each, {known}; {told}"
    count = rule.count or "5 replications, where anything is random"
    return f"{count}{' replications of each' if rule.count else ''}; {told}"
