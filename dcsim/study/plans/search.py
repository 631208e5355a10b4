"""Finding the best of many points by trying few: everything, bisection, or evolution.

A search knows no scenario. It asks for points (which value of each axis) and is told what came of
each; the best is the one that meets every goal at the least cost.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dcsim.study.designs.ranges import Axis
from dcsim.study.plans.bisection import Line
from dcsim.study.plans.objective import Objective
from dcsim.study.plans.trials import Point, Trial, Trials

ENUMERATED: Final = 32
"""A grid of so many points is tried whole."""
MOST_POINTS: Final = 200
"""Points of a larger one that are tried at most, unless another number is given."""

_STALE: Final = 8
"""Generations without a new point, after which evolution has come to its end."""


@dataclass(slots=True)
class Search:
    """One search, as far as it has come.

    Parameters
    ----------
    trials
        What is known, and what tries more.
    objective
        What is best.
    most
        Points that are tried at most.
    enumerated
        A grid of so many points is tried whole.
    expect
        Told how many points there will be, as far as one can say.
    """

    trials: Trials
    objective: Objective
    most: int = MOST_POINTS
    enumerated: int = ENUMERATED
    expect: Callable[[int], None] = lambda _: None
    method: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What may be chosen."""
        return self.trials.axes

    @property
    def size(self) -> int:
        """How many points there are."""
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def best(self) -> Trial:
        """The best trial so far."""
        return min(self.trials.known.values(), key=self.objective.rank)

    def run(self) -> Trial:
        """Search, and return the best that was found."""
        along = self._line_axis()
        if self.size <= min(self.enumerated, self.most):
            self._enumerate()
        elif along is not None:
            self._bisect(along)
        else:
            self._evolve()
        if self.method != "whole":
            self._descend()
        return self.best

    # ----------------------------------------------------------------- everything

    def _enumerate(self) -> None:
        """Try every point; along an objective that is an axis, until one meets every goal."""
        self.method = "whole"
        self.expect(self.size)
        points = list(itertools.product(*(range(len(axis.values)) for axis in self.axes)))
        axis = self.objective.axis
        if axis is None:
            self.trials.judge(points)
            return
        values = range(len(self.axes[axis].values))
        for value in reversed(values) if self.objective.most else values:
            level = [point for point in points if point[axis] == value]
            if any(trial.state == "met" for trial in self.trials.judge(level)):
                return

    # ----------------------------------------------------------------- bisection

    def _line_axis(self) -> int | None:
        """Return the axis to bisect along, the longest that is ordered; None if it is too dear."""
        ordered = [i for i, axis in enumerate(self.axes) if axis.ordered]
        along = max(ordered, key=lambda i: len(self.axes[i].values), default=None)
        return along if along is not None and self._lines_cost(along) <= self.most else None

    def _lines_cost(self, axis: int) -> int:
        values = len(self.axes[axis].values)
        return self.size // values * min(values, math.ceil(math.log2(values)) + 5)

    def _bisect(self, axis: int) -> None:
        """Bisect along an axis, for all values of the others at once."""
        self.method = f"bisection along {self.axes[axis].path}"
        self.expect(self._lines_cost(axis))
        others = [
            range(1) if i == axis else range(len(each.values)) for i, each in enumerate(self.axes)
        ]
        lines = [
            Line(self.trials, self.objective, axis=axis, fixed=fixed)
            for fixed in itertools.product(*others)
        ]
        wanted = {i: line.search() for i, line in enumerate(lines)}
        while wanted:
            batch: list[Point] = []
            for i in list(wanted):
                points = next(wanted[i], None)
                if points is None:
                    del wanted[i]
                else:
                    batch += points
            self.trials.judge(self._affordable(batch))
            if any(point not in self.trials.known for point in batch):
                self._spent()
                return
        broken = [line for line in lines if line.broken]
        if not broken:
            return
        told = sorted({what for line in broken for what in line.broken})
        where = "" if len(lines) == 1 else f" for {len(broken)} of {len(lines)} values of the rest"
        self.notes.append(
            f"{' and '.join(told)} neither only rises nor only falls along "
            f"{self.axes[axis].path}{where}: every value in question was tried there instead"
        )

    def _affordable(self, points: Sequence[Point]) -> list[Point]:
        """Return as many of some points as may still be tried, and those that are known."""
        room = self.most - len(self.trials.known)
        fresh = [point for point in dict.fromkeys(points) if point not in self.trials.known]
        return [*(point for point in points if point in self.trials.known), *fresh[:room]]

    # ----------------------------------------------------------------- evolution

    def _evolve(self) -> None:
        """Let scipy's differential evolution look, over whole numbers and without polishing."""
        import numpy as np
        from scipy.optimize import Bounds, differential_evolution

        self.method = "evolution"
        self.expect(self.most)
        free = [i for i, axis in enumerate(self.axes) if len(axis.values) > 1]
        seen: list[int] = []

        def energies(columns: Any) -> Any:
            points = []
            for column in columns.T:
                point = [0] * len(self.axes)
                for i, step in zip(free, column, strict=True):
                    point[i] = round(float(step))
                points.append(tuple(point))
            self.trials.judge(self._affordable(points))
            return np.array([self._energy(self.trials.known.get(point)) for point in points])

        def stop_in_time(intermediate_result: Any) -> None:  # scipy goes by the name
            seen.append(len(self.trials.known))
            stale = len(seen) > _STALE and seen[-1] == seen[-1 - _STALE]
            if stale or seen[-1] >= 0.8 * self.most:  # the rest is for neighbours of the best
                raise StopIteration

        differential_evolution(
            energies,
            Bounds([0] * len(free), [len(self.axes[i].values) - 1 for i in free]),
            integrality=[True] * len(free),
            popsize=max(2, self.most // (8 * len(free))),
            maxiter=1000,
            tol=0,
            polish=False,
            updating="deferred",
            vectorized=True,
            callback=stop_in_time,
            seed=0,
        )

    def _energy(self, trial: Trial | None) -> float:
        """Return one number that orders trials as `Objective.rank` does."""
        if trial is None or trial.state == "failed":
            return 1e110
        if trial.state == "met":
            return min(self.objective.cost(trial), 1e80)
        return (1e90 if trial.state == "unsure" else 1e100) * (1 + min(trial.shortfall, 1e6))

    # ----------------------------------------------------------------- neighbours

    def _descend(self) -> None:
        """Try the neighbours of the best, and go to one that is better, until none is."""
        found, steps = self.best, 0
        best, better = found, True
        while better:
            around = list(self._neighbours(best.point))
            self.trials.judge(self._affordable(around))
            better = self.objective.rank(self.best)[:-1] < self.objective.rank(best)[:-1]
            if better:
                best, steps = self.best, steps + 1
            elif any(point not in self.trials.known for point in around):
                self._spent()
        if steps and found.state == "met" and self.objective.what and self.method != "evolution":
            self.notes.append(
                f"what bisection had found had a better neighbour, {steps} step"
                f"{'' if steps == 1 else 's'} on: the figures are not quite regular"
            )

    def _spent(self) -> None:
        """Note that there was no room for more points."""
        told = f"{self.most} points are the most that were to be tried: there may be better ones"
        if told not in self.notes:
            self.notes.append(told)

    def _neighbours(self, point: Point) -> Iterator[Point]:
        for i, axis in enumerate(self.axes):
            steps = (-1, 1) if axis.ordered else range(-point[i], len(axis.values) - point[i])
            for step in steps:
                if step and 0 <= point[i] + step < len(axis.values):
                    yield (*point[:i], point[i] + step, *point[i + 1 :])
