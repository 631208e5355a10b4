"""What came of a study: a frame of what was varied and what was measured, read from its store."""

from __future__ import annotations

import html
import os
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from dcsim.errors import ResultError, did_you_mean
from dcsim.study import reading
from dcsim.study.code import code
from dcsim.study.design import Design
from dcsim.study.factors import Factor
from dcsim.study.store import Points, Store

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

    import pandas as pd


class Sweep:
    """The runs of a study that are recorded in a store.

    Parameters
    ----------
    store
        Where they are.
    name
        What the study is called there.
    place
        A directory that goes when this object does.
    """

    def __init__(
        self, store: Store, name: str, *, place: TemporaryDirectory[str] | None = None
    ) -> None:
        self.store = store
        self.name = name
        self._place = place

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
        found = self.store.points(self.name, self.design, code=code())
        if found is None:
            message = (
                f"{self.store.directory} holds no runs of {self.name} that were made by this "
                "version of dcsim: run the study again there"
            )
            raise ResultError(message)
        return found

    @property
    def factors(self) -> list[Factor]:
        """What was varied."""
        return self.design.factors

    @property
    def metrics(self) -> list[str]:
        """What is looked at unless told otherwise, the most important first."""
        return list(self.design.asked.metrics)

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

    def summary(self) -> str:
        """Say what it adds up to."""
        return repr(self)

    def __repr__(self) -> str:
        """Say what it holds, in one line."""
        return f"<Sweep of {self.design.name} in {self.store.directory}>"

    def _repr_html_(self) -> str:
        """Show it, for notebooks."""
        return f"<p>{html.escape(repr(self))}</p>"
