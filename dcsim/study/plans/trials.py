"""Points that are tried, each as often as it takes to be sure of it, and none twice.

A goal is on a metric's mean over replications. After 5, 10, 20, ... replications each goal's t
interval is looked at; a point is decided once every goal's interval keeps its bound, or one breaks
it. Several looks are several chances to be misled, so each is taken at a level that makes all
looks at all goals of a point together wrong in 5 % of cases at most (Bonferroni). Replicate k has
the same seed at every point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from dcsim.study.designs.ranges import Axis
from dcsim.study.findings.statistics import Interval, interval
from dcsim.study.plans.goals import Goal, Verdict

WRONG: Final = 0.05
"""How often a point's verdict may be wrong, all its goals and looks together."""
FIRST_LOOK: Final = 5
"""Replications before the first look; every further look is at twice as many."""

Point = tuple[int, ...]
"""Which value of each axis."""
State = Literal["met", "unsure", "missed", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to: its metrics, or why there are none."""

    metrics: Mapping[str, float]
    error: str = ""


Evaluate = Callable[
    [Sequence[tuple[dict[str, Any], int]], Callable[[int, int], None] | None], list[Outcome]
]
"""What runs pairs of changes and a replicate, and tells how many of how many are done."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One goal at one point."""

    goal: Goal
    found: Interval
    verdict: Verdict

    @property
    def spare(self) -> float:
        """How far its mean is on the good side, as a share of the bound."""
        return self.goal.spare(self.found.mean)

    @property
    def likely(self) -> bool:
        """Whether it is met, as far as one knows."""
        return self.verdict == "met" or (self.verdict == "unsure" and self.spare >= 0)


@dataclass(frozen=True, slots=True)
class Trial:
    """One point: its runs, and what they say of each goal."""

    point: Point
    changes: dict[str, Any]
    outcomes: tuple[Outcome, ...]
    judgements: tuple[Judgement, ...]
    confidence: float
    chancy: bool

    @property
    def state(self) -> State:
        """What came of it."""
        if any(outcome.error for outcome in self.outcomes):
            return "failed"
        verdicts = {each.verdict for each in self.judgements}
        return "missed" if "missed" in verdicts else "unsure" if "unsure" in verdicts else "met"

    @property
    def shortfall(self) -> float:
        """How far its goals are missed, all together, as shares of their bounds."""
        if self.state == "failed":
            return math.inf
        return math.fsum(max(0.0, -each.spare) for each in self.judgements)

    @property
    def error(self) -> str:
        """Why it failed, where it did."""
        return next((outcome.error for outcome in self.outcomes if outcome.error), "")

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that it has; none where every run failed."""
        return next((tuple(each.metrics) for each in self.outcomes if not each.error), ())

    @property
    def tightest(self) -> Judgement:
        """The goal with the least to spare."""
        return min(self.judgements, key=lambda each: each.spare)

    def interval(self, metric: str) -> Interval:
        """Return a metric's mean and its interval over the runs that did not fail."""
        values = self._values(metric)
        return _interval(values, confidence=self.confidence, chancy=self.chancy)

    def mean(self, metric: str) -> float:
        """Return a metric's mean over the runs that did not fail; NaN where one has no value."""
        values = self._values(metric)
        alike = len(set(values)) == 1
        return values[0] if alike else math.fsum(values) / len(values) if values else math.nan

    def _values(self, metric: str) -> list[float]:
        return [each.metrics[metric] for each in self.outcomes if not each.error]


class Trials:
    """All points tried so far.

    Parameters
    ----------
    axes, goals
        What may be chosen, and what is to be reached.
    evaluate
        Runs scenarios.
    chancy
        Whether anything is random with these changes: if not, one run says all.
    most
        Replications of a point at most.
    """

    def __init__(
        self,
        *,
        axes: Sequence[Axis],
        goals: Sequence[Goal],
        evaluate: Evaluate,
        chancy: Callable[[dict[str, Any]], bool],
        most: int,
    ) -> None:
        self.axes = tuple(axes)
        self.goals = tuple(goals)
        self.known: dict[Point, Trial] = {}
        self._evaluate = evaluate
        self._chancy = chancy
        self._looks = looks(most)
        self._confidence = 1 - WRONG / (len(self._looks) * len(goals))

    def changes(self, point: Point) -> dict[str, Any]:
        """Return what a point changes in the scenario."""
        return {axis.path: axis.values[i] for axis, i in zip(self.axes, point, strict=True)}

    def judge(self, points: Sequence[Point]) -> list[Trial]:
        """Try points that are not known yet, all of them together, and return all."""
        fresh = [point for point in dict.fromkeys(points) if point not in self.known]
        changes = {point: self.changes(point) for point in fresh}
        chancy = {point: self._chancy(changes[point]) for point in fresh}
        outcomes: dict[Point, list[Outcome]] = {point: [] for point in fresh}
        while fresh:
            tasks = [
                (point, k)
                for point in fresh
                for k in range(len(outcomes[point]), self._next(outcomes[point], chancy[point]))
            ]
            ran = self._evaluate([(changes[point], k) for point, k in tasks], None)
            for (point, _), outcome in zip(tasks, ran, strict=True):
                outcomes[point].append(outcome)
            for point in fresh:
                self.known[point] = self._trial(
                    point, changes[point], outcomes[point], chancy=chancy[point]
                )
            fresh = [
                point
                for point in fresh
                if self.known[point].state == "unsure"
                and self._next(outcomes[point], chancy[point])
            ]
        return [self.known[point] for point in points]

    def _next(self, done: Sequence[Outcome], chancy: bool) -> int:
        """Return how many replications there are at the next look; 0 if there is none."""
        return next((look for look in (self._looks if chancy else (1,)) if look > len(done)), 0)

    def _trial(
        self, point: Point, changes: dict[str, Any], ran: Sequence[Outcome], *, chancy: bool
    ) -> Trial:
        judgements = []
        for goal in self.goals:
            values = [each.metrics[goal.metric] for each in ran if not each.error]
            found = _interval(values, confidence=self._confidence, chancy=chancy)
            judgements.append(Judgement(goal, found, goal.verdict(found)))
        return Trial(point, changes, tuple(ran), tuple(judgements), self._confidence, chancy)


def looks(most: int) -> tuple[int, ...]:
    """Return after how many replications a point is looked at.

    Examples
    --------
    >>> looks(20), looks(12), looks(3)
    ((5, 10, 20), (5, 10, 12), (3,))
    """
    found = []
    look = FIRST_LOOK
    while look < most:
        found.append(look)
        look *= 2
    return (*found, most)


def _interval(values: Sequence[float], *, confidence: float, chancy: bool) -> Interval:
    """Return a mean and its interval: of no width where nothing varies, NaN where a value is."""
    if not values or any(map(math.isnan, values)):
        return Interval(math.nan, math.nan, math.nan, len(values))
    if len(set(values)) == 1 and (len(values) > 1 or not chancy):
        return Interval(values[0], values[0], values[0], len(values))
    return interval(values, confidence=confidence)
