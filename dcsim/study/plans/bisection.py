"""Bisection along one axis, which takes nothing for granted: it looks whether it may be used.

Each goal is met from some value on, or up to some value; between those lies what meets all. A goal
whose metric both rises and falls along the axis, beyond what chance and a percent explain, shows
at the ends, in the middle or beside what was found: then every value in question is tried.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from dcsim.study.findings.statistics import Interval
from dcsim.study.plans.objective import Objective
from dcsim.study.plans.trials import Point, Trial, Trials

WIGGLE: Final = 0.01
"""Share of a metric's span that it may go back by, and still be called monotone."""

FAR: Final = 0.25
"""Share of its distance to the bound that a metric may go back by, where it stays on one side."""


class Line:
    """The points along one axis, the others fixed.

    Parameters
    ----------
    trials
        What is known.
    objective
        What is best.
    axis
        Which axis.
    fixed
        A point on the line.
    """

    def __init__(self, trials: Trials, objective: Objective, *, axis: int, fixed: Point) -> None:
        self.broken: list[str] = []
        """Metrics that were found not to be monotone."""
        self._trials = trials
        self._objective = objective
        self._axis = axis
        self._fixed = fixed
        self._last = len(trials.axes[axis].values) - 1

    def search(self) -> Iterator[list[Point]]:
        """Yield points that have to be known; go on when they are."""
        yield self._points({0, self._last // 2, self._last})
        goals = range(len(self._trials.goals))
        ends = {g: (0, self._last) for g in goals if self._ok(0, g) != self._ok(self._last, g)}
        never = {g for g in goals if not self._ok(0, g) and not self._ok(self._last, g)}
        while not never:
            ends = {g: self._half(g, *pair) for g, pair in ends.items()}
            wanted = {sum(pair) // 2 for pair in ends.values() if pair[1] - pair[0] > 1}
            if not wanted or not self._in_question(ends):
                break
            yield self._points(wanted)
        broken = {g for g in goals if not self._is_monotone(g)}
        if never - broken:
            return
        left = self._in_question({g: pair for g, pair in ends.items() if g not in broken})
        what = self._objective.what
        if broken and left:
            self.broken = [self._trials.goals[g].metric for g in sorted(broken)]
            yield self._points(left)
        elif left and what is not None and self._objective.axis is None:
            low, high = left[0], left[-1]
            yield self._points({low, *left[1:2], (low + high) // 2, *left[-2:]})
            if not _one_way([each.interval(what) for each in self._known(low, high).values()]):
                self.broken = [what]
                yield self._points(left)

    def _half(self, goal: int, low: int, high: int) -> tuple[int, int]:
        """Return the half in which a goal begins or ends to be met."""
        if high - low <= 1:
            return low, high
        middle = (low + high) // 2
        return (middle, high) if self._ok(middle, goal) == self._ok(low, goal) else (low, middle)

    def _in_question(self, ends: dict[int, tuple[int, int]]) -> range:
        """Return the values at which goals may all be met, and that may be the best anywhere."""
        rising = [low + 1 for goal, (low, high) in ends.items() if self._ok(high, goal)]
        falling = [high - 1 for goal, (low, high) in ends.items() if self._ok(low, goal)]
        low, high = max(rising, default=0), min(falling, default=self._last)
        axis, most = self._objective.axis, self._objective.most
        best = min(self._trials.known.values(), key=self._objective.rank)
        if axis is not None and best.state == "met":
            found = best.point[axis]
            if axis == self._axis:
                low, high = (max(low, found + 1), high) if most else (low, min(high, found - 1))
            elif (self._fixed[axis] <= found) if most else (self._fixed[axis] >= found):
                high = low - 1
        return range(low, high + 1)

    def _is_monotone(self, goal: int) -> bool:
        """Whether a goal's being met changes once at most, and its metric says no more than that.

        Where it does not change, the metric may go back by a share of what is between it and the
        bound; where it does, by what chance and a percent explain.
        """
        known = self._known(0, self._last)
        met = [self._ok(i, goal) for i in known]
        changes = sum(one != other for one, other in itertools.pairwise(met))
        found = [each.judgements[goal].found for each in known.values() if each.state != "failed"]
        if changes == 0:
            bound = self._trials.goals[goal].bound
            rooms = [abs(each.mean - bound) for each in found if not math.isnan(each.mean)]
            room = min(rooms, default=0.0)
            return _one_way(found, allowed=FAR * room)
        return changes == 1 and _one_way(found)

    def _ok(self, value: int, goal: int) -> bool:
        """Whether a goal is met at a value; as likely as not, where another one decided it."""
        trial = self._trials.known[self._point(value)]
        judged = trial.judgements[goal]
        return trial.state != "failed" and (
            judged.verdict == "met" or (trial.state == "missed" and judged.likely)
        )

    def _known(self, low: int, high: int) -> dict[int, Trial]:
        known = self._trials.known
        points = {i: self._point(i) for i in range(low, high + 1)}
        return {i: known[point] for i, point in points.items() if point in known}

    def _points(self, values: Iterable[int]) -> list[Point]:
        """Return the points of some values, from coarse to fine: not all may be affordable."""
        return [self._point(i) for i in sorted(values, key=lambda i: -(i & -i) if i else -math.inf)]

    def _point(self, value: int) -> Point:
        return (*self._fixed[: self._axis], value, *self._fixed[self._axis + 1 :])


def _one_way(found: Sequence[Interval], *, allowed: float = 0.0) -> bool:
    """Whether means only rise or only fall, but for chance and a small share of their span."""
    known = [each for each in found if not math.isnan(each.mean)]
    if len(known) < 3:
        return True
    means = [each.mean for each in known]
    noise = max((each.high - each.low for each in known if not math.isnan(each.low)), default=0.0)
    allowed = max(allowed, WIGGLE * (max(means) - min(means)) + noise)
    return min(_back(means), _back([-mean for mean in means])) <= allowed


def _back(means: Sequence[float]) -> float:
    """Return the most that a row of numbers falls from the highest before."""
    top, most = -math.inf, 0.0
    for mean in means:
        top = max(top, mean)
        most = max(most, top - mean)
    return most
