"""A plan in words: the answer first, then what binds, how far off it is, and how sure."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from dcsim.study.findings.statistics import Interval, paired_difference
from dcsim.study.plans.goals import in_words
from dcsim.study.plans.trials import Judgement, Trial

if TYPE_CHECKING:
    from dcsim.study.plans.planned import Plan

_MOVED: Final = frozenset({"not_moved", "completed", "completed_cold"})
"""Metrics that mind whether guests move."""


def tell(plan: Plan) -> str:
    """Return the plan in words; see `Plan.summary`."""
    return "\n".join(_lines(plan))


def values(changes: Mapping[str, Any]) -> str:
    """Return what a point is called."""
    return ", ".join(f"{path} = {value}" for path, value in changes.items()) or "as it is"


def measured(metric: str, found: Interval) -> str:
    """Return a metric's mean, with its interval where it has one."""
    mean, low, high = (in_words(metric, each) for each in (found.mean, found.low, found.high))
    return mean if math.isnan(found.low) or low == mean == high else f"{mean} [{low}, {high}]"


def percent(share: float) -> str:
    """Return a share in per cent, to three figures or its whole part."""
    return f"{100 * share:.3g} %" if abs(share) < 10 else f"{100 * share:,.0f} %"


def _lines(plan: Plan) -> Iterator[str]:
    best = plan.best
    yield _answer(plan, best)
    if best.state == "failed":
        yield f"The first says: {best.error}"
    else:
        yield from (_goal(each) for each in best.judgements)
    if best.state == "met":
        yield _binds(plan, best)
        yield from _unmoved(plan, best)
        yield from _next(plan, best)
    elif best.state != "failed" and plan.size > 1:
        yield from _in_the_way(plan, best)
    yield from _cheaper(plan, best)
    failed = [trial for trial in plan.trials if trial.state == "failed"]
    if failed and best.state != "failed":
        first = failed[0]
        yield (
            f"{len(failed)} of {len(plan.trials)} points failed and count as missed; "
            f"the first, {values(first.changes)}, says: {first.error}"
        )
    yield _tried(plan)
    yield from (f"{note[0].upper()}{note[1:]}." for note in plan.notes)
    if plan.random:
        yield _certainty(plan, best)
    if best.state == "met" and best.changes:
        options = (
            f"--set {shlex.quote(f'{path}={_typed(value)}')}"
            for path, value in best.changes.items()
        )
        yield f"As options of a run: {' '.join(options)}"


def _typed(value: Any) -> str:
    """Return a value as ``--set`` reads it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _answer(plan: Plan, best: Trial) -> str:
    count = len(plan.goals)
    head = f"{plan.name}: " if plan.name else ""
    goals = ("the goal", "both goals")[count - 1] if count < 3 else f"all {count} goals"
    what = plan.objective.what
    if best.state == "met":
        said = f"{head}{values(best.changes)} meets {goals}"
        if what is None:
            return f"{said}."
        least = "most" if plan.objective.most else "least"
        found = " that was found" if plan.method == "evolution" else ""
        if plan.objective.axis is not None:
            return f"{said}, with the {least} {what}{found}."
        return f"{said}, with the {least} {what}{found}: {measured(what, best.interval(what))}."
    if best.state == "unsure":
        return (
            f"{head}not sure. {values(best.changes)} comes nearest to meeting {goals}, and "
            f"{len(best.outcomes)} replications do not settle it."
        )
    points = "it" if plan.size == 1 else f"none of the {len(plan.trials)} points tried"
    if best.state == "failed":
        return f"{head}{points} could be run: no answer."
    told = "; ".join(_missed(each) for each in best.judgements if each.verdict == "missed")
    if plan.size == 1:
        return f"{head}no. As it is, {told}."
    return f"{head}no, {points} meets {goals}. At the nearest, {values(best.changes)}, {told}."


def _goal(each: Judgement) -> str:
    found = measured(each.goal.metric, each.found)
    share = f"{abs(each.spare):.2g}" if each.goal.bound == 0 else percent(abs(each.spare))
    if each.verdict == "met":
        state = f"met, {share} to spare"
    elif math.isnan(each.found.mean):
        state = "missed, as there is nothing to measure"
    elif each.verdict == "missed":
        state = f"missed by {share}"
    else:
        state = f"not sure, {share} {'to spare' if each.spare >= 0 else 'short'} on average"
    return f"  {each.goal}: {found}, {state}"


def _missed(each: Judgement) -> str:
    goal = each.goal
    if math.isnan(each.found.mean):
        return f"{goal.metric} has no value"
    over = "over" if goal.sign.startswith("<") else "under"
    by = abs(each.found.mean - goal.bound)
    share = "" if goal.bound == 0 else f" ({percent(abs(each.spare))})"
    return (
        f"{goal.metric} is {in_words(goal.metric, each.found.mean)}, "
        f"{in_words(goal.metric, by)}{share} {over} {in_words(goal.metric, goal.bound)}"
    )


def _binds(plan: Plan, best: Trial) -> str:
    tightest = plan.tightest(best)
    said = f"What binds: {tightest.goal}, which has the least to spare"
    ends = []
    for axis, i in zip(plan.axes, best.point, strict=True):
        if axis.ordered and len(axis.values) > 1 and i in (0, len(axis.values) - 1):
            ends.append(f"{axis.path} is at the {'lower' if i == 0 else 'upper'} end of its range")
    return f"{said}{''.join(f'; {end}' for end in ends)}."


def _unmoved(plan: Plan, best: Trial) -> Iterator[str]:
    """Say that an answer leaves guests where they are, where no goal is about that."""
    if any(each.goal.metric in _MOVED for each in best.judgements):
        return
    left = [outcome.metrics.get("not_moved", 0) for outcome in best.outcomes]
    if any(left):
        yield (
            f"It leaves {sum(left) / len(left):.3g} guests unmoved, which no goal minds: "
            "--goal 'not_moved <= 0' would."
        )


def _next(plan: Plan, best: Trial) -> Iterator[str]:
    """Yield how sure it is that the best is better than the next, in pairs of replications."""
    what, cost = plan.objective.what, plan.objective.cost
    others = [trial for trial in plan.trials if trial.state == "met" and cost(trial) > cost(best)]
    if what is None or plan.objective.axis is not None or not (best.chancy and others):
        return
    other = min(others, key=cost)
    pairs = min(len(best.outcomes), len(other.outcomes))
    theirs, mine = (
        [outcome.metrics[what] for outcome in trial.outcomes[:pairs]] for trial in (other, best)
    )
    change = paired_difference(theirs, mine)
    low, high = sorted((abs(change.low), abs(change.high)))
    mean = abs(change.mean)
    size = (
        measured(what, Interval(mean, low, high, pairs)) if change.clear else in_words(what, mean)
    )
    yield (
        f"The next best, {values(other.changes)}, comes to {size} "
        f"{'more' if change.mean > 0 else 'less'}{'' if change.clear else ', perhaps by chance'}."
    )


def _in_the_way(plan: Plan, best: Trial) -> Iterator[str]:
    """Yield how far each goal can be reached, and which one alone is in the way."""
    ran = [trial for trial in plan.trials if trial.state != "failed"]
    for i, goal in enumerate(plan.goals):
        if all(trial.judgements[i].verdict != "met" for trial in ran):
            top = max(ran, key=lambda trial: trial.judgements[i].spare)
            found = measured(goal.metric, top.judgements[i].found)
            at = values(top.changes)
            yield f"{goal} is met at none of them: the best it comes to is {found}, at {at}."
    if len(plan.goals) == 1:
        return
    for i, goal in enumerate(plan.goals):
        rest = [
            trial
            for trial in ran
            if all(each.likely for k, each in enumerate(trial.judgements) if k != i)
        ]
        if rest:
            top = max(rest, key=lambda trial: trial.judgements[i].spare)
            yield (
                f"Without {goal} it would do: {values(top.changes)} meets the rest, and comes to "
                f"{measured(goal.metric, top.judgements[i].found)}."
            )


def _cheaper(plan: Plan, best: Trial) -> Iterator[str]:
    """Yield what may be better still, if only one were sure of it."""
    cost = plan.objective.cost
    open_ = [t for t in plan.trials if t.state == "unsure" and cost(t) < cost(best)]
    if best.state == "met" and open_:
        top = min(open_, key=cost)
        others = "" if len(open_) == 1 else f", as {len(open_) - 1} more,"
        yield (
            f"{values(top.changes)}{others} would be better if it meets the goals, which "
            f"{len(top.outcomes)} replications do not settle."
        )


def _tried(plan: Plan) -> str:
    runs = f"{plan.runs} run{'' if plan.runs == 1 else 's'}"
    if plan.size == 1:
        return f"Asked of it as it is: {runs}."
    tried = f"{len(plan.trials)} of {plan.size} points were tried, in {runs}"
    if plan.method == "whole":
        skipped = "" if len(plan.trials) == plan.size else "; the others would be no better"
        return f"{tried}{skipped}."
    return f"{tried}, by {plan.method}."


def _certainty(plan: Plan, best: Trial) -> str:
    replications = max(len(trial.outcomes) for trial in plan.trials)
    least = min(len(trial.outcomes) for trial in plan.trials)
    count = f"{least}" if least == replications else f"{least} to {replications}"
    return (
        f"Random: {'; '.join(plan.random)}. {count} replications of each point with the same "
        f"random numbers; intervals are of {100 * best.confidence:.4g} %, so that a point's "
        "verdict is wrong in 5 % of cases at most, however often it was looked at."
    )
