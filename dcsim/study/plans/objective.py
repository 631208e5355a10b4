"""What is best among points that reach their goals, and an order of all points."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dcsim.study.plans.trials import Point, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What is best: the least or most of a metric, or of a path that is varied.

    Parameters
    ----------
    what
        A metric, or the path of an axis; None: whatever has the most to spare.
    most
        Whether more is better.
    axis
        Which axis it is, if it is one.
    """

    what: str | None = None
    most: bool = False
    axis: int | None = None

    def cost(self, trial: Trial) -> float:
        """Return what is to be small; infinite where it is not known."""
        if self.axis is not None:
            return float(-trial.point[self.axis] if self.most else trial.point[self.axis])
        if trial.state == "failed":
            return math.inf
        if self.what is None:
            return -trial.tightest.spare
        value = trial.mean(self.what)
        return math.inf if math.isnan(value) else -value if self.most else value

    def rank(self, trial: Trial) -> tuple[float, float, float, tuple[float, ...], Point]:
        """Return what orders trials, the best first: met, not sure, missed by little, failed.

        What is equal so far is ordered by the next tightest goals where nothing else is asked for,
        and by place.
        """
        state = ("met", "unsure", "missed", "failed").index(trial.state)
        short = 0.0 if trial.state == "met" else trial.shortfall
        spares = sorted(-each.spare for each in trial.judgements)[::-1] if self.what is None else ()
        return state, short, self.cost(trial), tuple(spares), trial.point
