"""What is recorded of a study, read once, so that a page is of the same runs throughout."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from dcsim.errors import DcsimError, ResultError
from dcsim.study.designs.factors import Factor
from dcsim.study.findings.blocks import plain
from dcsim.study.findings.contrast import Contrast, contrasts
from dcsim.study.findings.front import Front, front
from dcsim.study.findings.points import MOST_VALUES
from dcsim.study.findings.ranking import Ranking, rank
from dcsim.study.findings.response import Response, respond
from dcsim.study.findings.sensitivity import Indices, indices
from dcsim.study.findings.sums import is_crossed
from dcsim.study.findings.tornado import Tornado, tornado

if TYPE_CHECKING:
    import pandas as pd

    from dcsim.study.sweeps.swept import Sweep

_DRAWN: Final = 3
"""Metrics of which there are figures to choose from, the most important first."""
_MOST_LINES: Final = 12
"""Sizes with a curve each."""


class Runs:
    """What is recorded of a study, and what it adds up to.

    Parameters
    ----------
    study
        As far as its runs are recorded.

    Attributes
    ----------
    metrics
        What is told of, the most important first.
    frame, good
        A row a run; those that did not fail.
    by, others
        The factor whose levels are compared where they can be, and what was varied beside it.
    factors, varied
        What was varied, of what goes together the first; and all of it.
    kind
        Of design.
    random
        Whether chance has a part.
    """

    def __init__(self, study: Sweep) -> None:
        self.study = study
        self.metrics = study.metrics
        self.frame = study.frame(metrics=self.metrics)
        self.pairs = study.paired(self.frame)
        self.good = self.frame[self.frame["error"] == ""]
        self.by = study.factor()
        self.others = study.others(self.by)
        self.factors = study.others()
        self.varied = study.factors
        self.kind = study.design.asked.design.kind
        self.random = study.random

    @property
    def alive(self) -> bool:
        """Whether any run did not fail."""
        return not self.good.empty

    @cached_property
    def crossed(self) -> bool:
        """Whether levels of the first factor can be compared, each point being there once."""
        return is_crossed(self.study, self.frame, self.by)

    @cached_property
    def rankings(self) -> dict[str, Ranking]:
        """Of each metric."""
        return {
            metric: rank(self.pairs, metric, by=self.by, blocks=self.others, random=self.random)
            for metric in self.metrics
        }

    @cached_property
    def front(self) -> Front | None:
        """Of the first two metrics, where there are two and levels are compared."""
        if not self.crossed or len(self.metrics) < 2:
            return None
        x, y = self.metrics[:2]
        return front(self.pairs, x=x, y=y, by=[self.by], random=self.random)

    @cached_property
    def contrasts(self) -> dict[str, list[Contrast]]:
        """Of each metric, levels against the baseline; empty where it has no run."""
        base = self.study.baseline(self.by)
        if base not in [plain(value) for value in self.frame[self.by.path].unique()]:
            return {}
        return {
            metric: contrasts(self.pairs, metric, by=self.by, blocks=self.others, baseline=base)
            for metric in self.metrics
        }

    @cached_property
    def swings(self) -> dict[str, Tornado | Indices]:
        """Of each metric that has a value, the first ones: what it is sensitive to."""
        found: dict[str, Tornado | Indices] = {}
        for metric in self.metrics[:_DRAWN]:
            with contextlib.suppress(ResultError):
                found[metric] = self._swing(metric)
        return found

    def _swing(self, metric: str) -> Tornado | Indices:
        if self.kind == "morris" or self.kind == "saltelli":
            with contextlib.suppress(DcsimError):  # points are missing, or SALib is
                unit = self.study.design.unit
                return indices(self.kind, unit, self.pairs, metric, factors=self.factors)
        return tornado(self.pairs, metric, factors=self.factors)

    @cached_property
    def important(self) -> list[Factor]:
        """What was varied, what swings the first metric most first."""
        for found in self.swings.values():
            if isinstance(found, Indices):
                return list(found.factors)
            return [swing.factor for swing in found.swings]
        return self.factors

    def along(self, over: Factor) -> pd.DataFrame:
        """Return the runs that a curve goes through: where one thing alone was varied, those."""
        swings = next(iter(self.swings.values()), None)
        if not (isinstance(swings, Tornado) and swings.one_at_a_time):
            return self.pairs
        base = self.frame[self.frame["point"] == 0].iloc[0]
        same = np.ones(len(self.pairs), bool)
        for each in self.varied:
            if each.path != over.path and each.path not in over.along:
                same &= (self.pairs[each.path].map(str) == str(base[each.path])).to_numpy()
        return self.pairs[same]

    def respond(self, metric: str, over: Factor) -> Response:
        """Return how a metric goes with a factor, at each level of another where that tells.

        That is the first one, or, along that one, the most important that has names.
        """
        by: Factor | None = None
        if self.crossed and over.path == self.by.path:
            by = next((e for e in self.important if e != over and not e.ordered), None)
        elif self.crossed and (len(self.by.values) <= _MOST_LINES or not self.by.ordered):
            by = self.by
        if by is not None and len(by.values) > MOST_VALUES:
            by = None
        rest = [each for each in self.factors if each not in (over, by)]
        return respond(self.along(over), metric, over=over, by=by, others=rest)
