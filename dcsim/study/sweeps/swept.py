"""What came of a study: a frame of what was varied and what was measured, read from its store."""

from __future__ import annotations

import copy
import html
import os
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from dcsim.errors import ResultError, did_you_mean
from dcsim.study.comparisons.study import BASELINE
from dcsim.study.designs.design import Design
from dcsim.study.designs.factors import Factor, Value
from dcsim.study.findings import contrast
from dcsim.study.findings.front import Front, front
from dcsim.study.findings.metrics import check_metric
from dcsim.study.findings.needed import Needed, needed
from dcsim.study.findings.ranking import Ranking, rank
from dcsim.study.findings.response import Response, respond
from dcsim.study.findings.sensitivity import Indices, indices
from dcsim.study.findings.sums import tell
from dcsim.study.findings.tornado import Tornado, tornado
from dcsim.study.findings.winners import best_by_point
from dcsim.study.sweeps import reading
from dcsim.study.sweeps.code import code
from dcsim.study.sweeps.store import Points, Store

if TYPE_CHECKING:
    import pandas as pd


class Sweep:
    """The runs of a study that are recorded in a store.

    Parameters
    ----------
    store
        Where they are.
    name
        What the study is called there.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self._metrics: list[str] = []
        self._by: str | None = None
        self._baseline: Value = None

    @classmethod
    def open(cls, directory: str | os.PathLike[str], *, study: str | None = None) -> Sweep:
        """Return a study that is recorded in a store, or is being recorded now.

        Parameters
        ----------
        directory
            The store.
        study
            Its name there, or the beginning of it; default: the one that was asked last.

        Raises
        ------
        ResultError
            If there is no store, or no such study in it.
        """
        store = Store(directory, make=False)
        names = store.studies
        found = [name for name in names if study is None or name.startswith(study)]
        if not found:
            close = did_you_mean(study or "", names)
            hint = f"; did you mean {close!r}?" if close else ""
            message = f"{store.directory} has no such study; there are {', '.join(names)}{hint}"
            raise ResultError(message)
        return cls(store, found[-1])

    @cached_property
    def design(self) -> Design:
        """The study as it was asked."""
        return self.store.design(self.name)

    @cached_property
    def points(self) -> Points:
        """Its points."""
        found = self.store.points(self.name, self.design)
        if found is None:
            message = f"{self.store.directory} holds no points of {self.name}: run it again there"
            raise ResultError(message)
        return found

    @property
    def old(self) -> str:
        """What made its runs, where that is not the dcsim that looks at them; else empty."""
        return "" if self.points.code == code() else self.points.code

    @property
    def factors(self) -> list[Factor]:
        """What was varied."""
        return self.design.factors

    @property
    def metrics(self) -> list[str]:
        """What is looked at unless told otherwise, the most important first."""
        return self._metrics or list(self.design.asked.metrics)

    def frame(
        self, *, metrics: Collection[str] | None = None, timing: bool = False
    ) -> pd.DataFrame:
        """Return a row a run that is recorded, those that failed too.

        It is read anew each time, so that it may be looked at while the study runs.

        Parameters
        ----------
        metrics
            Columns of the table ``summary``; default: all.
        timing
            Whether to tell what each run took and who ran it, which differs from time to time.

        Returns
        -------
        pandas.DataFrame
            ``point``, a column for each path that was varied, ``replicate``, ``seed``, ``run``,
            ``digest``, ``error`` and ``message`` (empty where it did not fail), and the metrics,
            float64 and NaN where it failed; by point and replicate.
        """
        return reading.frame(self.store, self.design, self.points, metrics=metrics, timing=timing)

    def table(self, name: str) -> pd.DataFrame:
        """Return the rows of a table that were kept of each run, a column ``run`` first.

        Raises
        ------
        ResultError
            If the study did not keep it.
        """
        return reading.kept(self.store, name, set(self.frame(metrics=[])["run"]))

    @property
    def failures(self) -> pd.DataFrame:
        """The runs that failed: what was varied, and what each says."""
        found = self.frame(metrics=[])
        return found[found["error"] != ""].reset_index(drop=True)

    # ----------------------------------------------------------------- what it adds up to

    def looked_at(
        self, *, metrics: Sequence[str] = (), by: str | None = None, baseline: Value = None
    ) -> Sweep:
        """Return the same runs, looked at in another way.

        Parameters
        ----------
        metrics
            What is looked at unless told otherwise; default: as it is.
        by
            What was varied whose levels are compared; default: as it is.
        baseline
            The level that others are compared with; default: as it is.

        Raises
        ------
        ResultError
            If there is no such metric, nothing of that name was varied, or no such level.
        """
        for metric in metrics:
            check_metric(metric)
        found = copy.copy(self)
        found._metrics = list(metrics) or self._metrics
        found._by = self.factor(by).path
        if found._by != self._by:
            found._baseline = None
        if baseline is not None:
            values = found.factor().values
            found._baseline = next((v for v in values if str(v) == str(baseline)), None)
            if found._baseline is None:
                close = did_you_mean(str(baseline), map(str, values))
                hint = f"; did you mean {close!r}?" if close else ""
                told = ", ".join(map(str, values[:20]))
                message = f"no run has {found._by} = {str(baseline)[:80]}; there are {told}{hint}"
                raise ResultError(message)
        return found

    def means(self, frame: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return the mean of each metric that is looked at, a row a level of the first axis.

        Returns
        -------
        pandas.DataFrame
            The axis's path, ``runs`` (that did not fail), and a column a metric, in its unit: the
            mean over points, each weighing the same.
        """
        by = self.factor()
        rows = self.frame(metrics=self.metrics) if frame is None else frame
        good = rows[rows["error"] == ""]
        points = good.groupby([by.path, "point"], sort=False, dropna=False)[self.metrics].mean()
        found = points.groupby(level=0, sort=False, dropna=False).mean()
        found.insert(0, "runs", good.groupby(by.path, sort=False, dropna=False).size())
        order = [value for value in by.values if value in found.index]
        return found.loc[order].reset_index()

    @cached_property
    def random(self) -> bool:
        """Whether anything in it is."""
        return any(self.points.chancy)

    def factor(self, name: str | None = None) -> Factor:
        """Return what was varied, by its path or its last part; default: the first.

        Raises
        ------
        ResultError
            If nothing of that name was varied.
        """
        factors = self.factors
        name = name or self._by
        if name is None:
            return factors[0]
        for each in factors:
            if name in (each.path, each.label):
                return each
        close = did_you_mean(name, [each.path for each in factors] + [e.label for e in factors])
        hint = f"; did you mean {close!r}?" if close else ""
        told = ", ".join(each.path for each in factors)
        message = f"{name[:80]!r} was not varied; {told} {'were' if len(factors) > 1 else 'was'}"
        raise ResultError(f"{message}{hint}")

    def others(self, *but: Factor) -> list[Factor]:
        """Return what else was varied; of what was varied together, the first."""
        gone = {path for each in but for path in (each.path, *each.along)}
        found = []
        for each in self.factors:
            if each.path not in gone:
                found.append(each)
                gone.update(each.along)
        return found

    def _metric(self, metric: str | None) -> str:
        return self.metrics[0] if metric is None else metric

    def _frame(self, *metrics: str) -> pd.DataFrame:
        for metric in metrics:
            check_metric(metric)
        return self.paired(self.frame(metrics=metrics))

    def paired(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame whose points where nothing is random stand in every replicate.

        They were run once, and any other replicate would be the same: so they have pairs with those
        that are random.

        Parameters
        ----------
        frame
            As `frame` returns it.
        """
        import pandas as pd

        if not self.random or all(self.points.chancy):
            return frame
        chancy = frame["point"].map(lambda point: self.points.chancy[point])
        others = sorted(set(frame["replicate"].tolist()) - {0})
        sure = frame[~chancy]
        again = [sure.assign(replicate=k) for k in others]
        whole = pd.concat([frame, *again])
        return whole.sort_values(["point", "replicate"], kind="stable").reset_index(drop=True)

    def baseline(self, by: Factor) -> Value:
        """Return the level that others are compared with: the study's, zero-page, or the first."""
        if self._baseline is not None and by.path == self._by:
            return self._baseline
        asked = self.design.asked.baseline
        if asked is not None and by.path == self.factors[0].path:
            return asked  # type: ignore[no-any-return]
        return BASELINE if BASELINE in by.values else by.values[0]

    def differences(
        self, metric: str | None = None, *, by: str | None = None, baseline: Value = None
    ) -> pd.DataFrame:
        """Return how a metric of each level differs from the baseline's, in pairs of runs.

        Parameters
        ----------
        metric
            A column of the table ``summary``; default: the study's first.
        by
            What was varied; default: the study's first axis.
        baseline
            The level to compare with; default: the study's, ``zero-page``, or the first.

        Returns
        -------
        pandas.DataFrame
            As `dcsim.study.findings.contrast.frame_of` says.
        """
        metric, factor = self._metric(metric), self.factor(by)
        return contrast.frame_of(
            self._contrasts(self._frame(metric), metric, factor, baseline), factor
        )

    def _contrasts(
        self, frame: pd.DataFrame, metric: str, by: Factor, baseline: Value
    ) -> list[contrast.Contrast]:
        base = self.baseline(by) if baseline is None else baseline
        return contrast.contrasts(frame, metric, by=by, blocks=self.others(by), baseline=base)

    def ranking(
        self, metric: str | None = None, *, by: str | None = None, most: bool = False
    ) -> Ranking:
        """Return which levels are better than which, with ties; see `findings.ranking.rank`.

        Parameters
        ----------
        metric
            A column of the table ``summary``; default: the study's first.
        by
            What was varied; default: the study's first axis.
        most
            Whether more is better.
        """
        metric, factor = self._metric(metric), self.factor(by)
        frame = self._frame(metric)
        return rank(
            frame, metric, by=factor, blocks=self.others(factor), most=most, random=self.random
        )

    def best(
        self, metric: str | None = None, *, by: str | None = None, most: bool = False
    ) -> pd.DataFrame:
        """Return which level is best at each point of all else; see `best_by_point`."""
        metric, factor = self._metric(metric), self.factor(by)
        frame, blocks = self._frame(metric), self.others(factor)
        return best_by_point(frame, metric, by=factor, blocks=blocks, most=most, random=self.random)

    def front(
        self, x: str = "network_bytes", y: str = "lost_work_s", *, by: Sequence[str] = ()
    ) -> Front:
        """Return what no other level beats in two costs; see `dcsim.study.findings.front.front`.

        Parameters
        ----------
        x, y
            Columns of the table ``summary``, of which less is better.
        by
            What was varied: a point is a combination of these. Default: the study's first axis.
        """
        factors = [self.factor(name) for name in by] or [self.factor()]
        return front(self._frame(x, y), x=x, y=y, by=factors, random=self.random)

    def response(self, metric: str | None = None, *, over: str, by: str | None = None) -> Response:
        """Return how a metric goes with what was varied; see `findings.response.respond`.

        Parameters
        ----------
        metric
            A column of the table ``summary``; default: the study's first.
        over
            What was varied: along the curve.
        by
            What was varied: a curve each. Default: one curve for all.
        """
        metric, along = self._metric(metric), self.factor(over)
        across = None if by is None else self.factor(by)
        rest = self.others(along, *([across] if across else []))
        return respond(self._frame(metric), metric, over=along, by=across, others=rest)

    def tornado(self, metric: str | None = None) -> Tornado:
        """Return how far each thing that was varied swings a metric."""
        metric = self._metric(metric)
        return tornado(self._frame(metric), metric, factors=self.others())

    def sensitivity(self, metric: str | None = None) -> Indices:
        """Return sensitivity indices of a study whose design is ``morris`` or ``saltelli``.

        Raises
        ------
        ResultError
            If it is another design, or points are missing.
        """
        metric, kind = self._metric(metric), self.design.asked.design.kind
        if kind not in ("morris", "saltelli"):
            message = f"a {kind} has no sensitivity indices: design morris or saltelli; see tornado"
            raise ResultError(message)
        return indices(kind, self.design.unit, self._frame(metric), metric, factors=self.others())

    def replications_needed(self, metric: str | None = None, *, within: float = 0.02) -> Needed:
        """Return how often each point would have to be run to know a mean to a share of itself."""
        metric = self._metric(metric)
        return needed(
            self._frame(metric), metric, factors=self.others(), within=within, random=self.random
        )

    def summary(self) -> str:
        """Say what it adds up to: who ranks where, against the baseline, on what front.

        Numbers in brackets are 95 % confidence intervals.
        """
        return "\n".join(tell(self))

    def __repr__(self) -> str:
        """Say what it holds, in one line."""
        return f"<Sweep of {self.design.name} in {self.store.directory}>"

    def _repr_html_(self) -> str:
        """Show it, for notebooks."""
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in self.summary().splitlines())
        return f"<div><p><b>{html.escape(self.design.name)}</b></p>{lines}</div>"
