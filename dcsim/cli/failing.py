"""``--fail-if``: what must not come of it, for machines that check exit codes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from dcsim.cli.app import NOT_SO
from dcsim.cli.console import complain

if TYPE_CHECKING:
    from dcsim.study.plans.goals import Goal

FailIf = Annotated[
    list[str] | None,
    typer.Option(
        metavar="'METRIC OP VALUE'",
        help="Exit with 3 if this holds, e.g. 'not_moved > 0'; again for more.",
    ),
]


def conditions(texts: list[str] | None) -> tuple[Goal, ...]:
    """Read conditions, before anything runs."""
    if not texts:
        return ()
    from dcsim.study.plans.goals import parse_goals

    return parse_goals(texts)


def holding(refused: Iterable[Goal], metrics: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the conditions that hold, in words.

    A metric without a value fails too: nobody could tell that all is well.

    Parameters
    ----------
    refused
        What must not hold.
    metrics
        Whose (nothing, for the only one) -> metric -> value, in SI.
    """
    found = []
    for condition in refused:
        for whose, values in metrics.items():
            value = values[condition.metric]
            if condition.holds(value) or math.isnan(value):
                found.append(_told(condition, whose, value))
    return found


def end_if(failing: list[str]) -> None:
    """End with the exit code and the reasons, where there are any."""
    for reason in failing:
        complain(reason)
    if failing:
        raise typer.Exit(NOT_SO)


def _told(condition: Goal, whose: str, value: float) -> str:
    from dcsim.study.plans.goals import in_words

    of = f" of {whose}" if whose else ""
    if math.isnan(value):
        return f"--fail-if {condition}: {condition.metric}{of} has no value, so nobody can tell"
    return f"--fail-if {condition}: {condition.metric}{of} is {in_words(condition.metric, value)}"
