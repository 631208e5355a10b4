"""What came of many runs: a row a run, differences between variants, and both in words."""

from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dcsim.errors import ResultError, did_you_mean
from dcsim.records import store
from dcsim.records.result import Result
from dcsim.records.tables import SUMMARY
from dcsim.study.comparisons import runs as archive
from dcsim.study.comparisons.runs import Run
from dcsim.study.comparisons.words import mean, tell
from dcsim.study.findings.metrics import check_metric
from dcsim.study.findings.statistics import paired_change, paired_difference

if TYPE_CHECKING:
    import pandas as pd

BASELINE: Final = "zero-page"
"""The policy others are compared with where it is among them: what a hypervisor does unasked."""


@dataclass(frozen=True, slots=True)
class Study:
    """The runs of a comparison, variant by variant, replicate by replicate.

    Parameters
    ----------
    name
        The scenario's.
    runs
        Every run, those that failed too.
    random
        What is random in it, in words; empty where nothing is.
    keeping
        Groups of guests that kept a hinting policy of their own.
    baseline
        The policy that others are compared with; None: zero-page, or else the first.
    """

    name: str
    runs: tuple[Run, ...]
    random: tuple[str, ...] = ()
    keeping: tuple[str, ...] = ()
    baseline: str | None = None

    @property
    def results(self) -> list[Result]:
        """The results of the runs that did not fail."""
        return [run.result for run in self.runs if run.result is not None]

    @property
    def failures(self) -> list[Run]:
        """The runs that failed."""
        return [run for run in self.runs if run.result is None]

    @property
    def variants(self) -> list[str]:
        """What was compared, in order."""
        return list(dict.fromkeys(run.variant for run in self.runs))

    @property
    def of_operations(self) -> bool:
        """Whether variants differ in how an operation is done or where, and not in hinting."""
        changes = {json.dumps(run.changes, sort_keys=True) for run in self.runs}
        return 1 < len(changes) == len(self.variants)

    def frame(self) -> pd.DataFrame:
        """Return a row a run, those that failed too.

        Returns
        -------
        pandas.DataFrame
            ``variant``, ``hinting``, a column for each path that was varied, ``replicate``,
            ``seed``, ``digest``, ``error`` (empty where none) and the metrics of the table
            ``summary``, all float64 and NaN where the run failed.
        """
        import pandas as pd

        rows = []
        for run in self.runs:
            metrics = run.result.metrics if run.result is not None else {}
            rows.append(
                {
                    "variant": run.variant,
                    "hinting": run.hinting,
                    **run.changes,
                    "replicate": run.replicate,
                    "seed": run.seed,
                    "digest": run.digest,
                    "error": run.error,
                    **{name: float(metrics.get(name, math.nan)) for name in SUMMARY.names},
                }
            )
        return pd.DataFrame(rows)

    def table(self, name: str) -> pd.DataFrame:
        """Return one table of all results, ``variant`` and ``replicate`` before its columns.

        Raises
        ------
        ResultError
            If there is no such table, `record` did not keep it, or every run failed.
        """
        import pandas as pd

        parts = []
        for run in self.runs:
            if run.result is not None:
                part = run.result.table(name)
                part.insert(0, "variant", run.variant)
                part.insert(1, "replicate", run.replicate)
                parts.append(part)
        if not parts:
            message = "every run of this study failed: see failures"
            raise ResultError(message)
        return pd.concat(parts, ignore_index=True)

    # ----------------------------------------------------------------- comparing

    def differences(self, metric: str, *, baseline: str | None = None) -> pd.DataFrame:
        """Return how a metric of each variant differs from the baseline's, over paired replicates.

        Parameters
        ----------
        metric
            A column of the table ``summary``.
        baseline
            The hinting policy to compare with; default: the study's. Where something else was
            varied too, variants are compared within the same values; a study of a single policy is
            compared with its first variant.

        Returns
        -------
        pandas.DataFrame
            A row a variant: ``variant``, ``baseline``, ``pairs``, the means of both, ``difference``
            in the metric's unit and ``change_percent``, each with the ends of its 95 % confidence
            interval, which are NaN for a single pair.

        Raises
        ------
        ResultError
            If there is no such metric or baseline.
        """
        import pandas as pd

        check_metric(metric)
        rows = []
        for variant, base in self.pairs(baseline):
            values, bases = self.paired(metric, variant, base)
            difference, change = paired_difference(values, bases), paired_change(values, bases)
            rows.append(
                {
                    "variant": variant,
                    "baseline": base,
                    "pairs": difference.pairs,
                    "mean": mean(values),
                    "baseline_mean": mean(bases),
                    "difference": difference.mean,
                    "difference_low": difference.low,
                    "difference_high": difference.high,
                    "change_percent": 100 * change.mean,
                    "change_percent_low": 100 * change.low,
                    "change_percent_high": 100 * change.high,
                }
            )
        return pd.DataFrame(rows)

    def pairs(self, baseline: str | None = None) -> Iterator[tuple[str, str]]:
        """Yield each variant that is no baseline, and the variant to compare it with."""
        first = {variant: self.first(variant) for variant in self.variants}
        policies = list(dict.fromkeys(run.hinting for run in self.runs))
        named = baseline or self.baseline
        if self.of_operations and (named is None or named in first):
            base = str(named or next(iter(first)))
            yield from ((variant, base) for variant in first if variant != base)
            return
        baseline = baseline or self.baseline or (BASELINE if BASELINE in policies else policies[0])
        if baseline not in policies:
            close = did_you_mean(baseline, policies)
            message = f"no run has the policy {baseline[:80]!r}; there are {', '.join(policies)}"
            raise ResultError(message + (f"; did you mean {close!r}?" if close else ""))
        for variant, run in first.items():
            base = next(
                other
                for other, candidate in first.items()
                if len(policies) == 1
                or (candidate.hinting == baseline and candidate.changes == run.changes)
            )
            if base != variant:
                yield variant, base

    def first(self, variant: str) -> Run:
        """Return the first run of a variant."""
        return next(run for run in self.runs if run.variant == variant)

    def values(self, metric: str, variant: str) -> list[float]:
        """Return a metric of a variant, one value for each replicate that did not fail."""
        return [
            run.result.columns["summary"][metric][0]
            for run in self.runs
            if run.variant == variant and run.result is not None
        ]

    def paired(self, metric: str, variant: str, base: str) -> tuple[list[float], list[float]]:
        """Return a metric of two variants, for each replicate in which neither failed."""
        mine, theirs = (
            {
                run.replicate: run.result.columns["summary"][metric][0]
                for run in self.runs
                if run.variant == name and run.result is not None
            }
            for name in (variant, base)
        )
        both = [k for k in mine if k in theirs]
        return [mine[k] for k in both], [theirs[k] for k in both]

    # ----------------------------------------------------------------- in words

    def summary(self) -> str:
        """Say what each policy costs and saves against the baseline, a sentence a policy.

        Where all have the same policy, it says which variant does best what is asked, and a
        sentence a variant: done in time or not, how long it took, who was moved, who noticed.

        Numbers in brackets are 95 % confidence intervals over pairs of replicates; a single run of
        each has none.
        """
        return tell(self)

    def __repr__(self) -> str:
        """Say what it holds, in one line."""
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return (
            f"<Study of {self.name}: {len(self.variants)} variants, {len(self.runs)} runs{failed}>"
        )

    def _repr_html_(self) -> str:
        """Show the summary, for notebooks."""
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in self.summary().splitlines())
        return f"<div><p><b>{html.escape(self.name)}</b></p>{lines}</div>"

    # ----------------------------------------------------------------- keeping

    def save(self, directory: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the study to a directory: `study.json`, and a directory for each result.

        It is all there or not at all, and the same study gives the same bytes.

        Parameters
        ----------
        directory
            Made where it does not exist.
        overwrite
            Replace another study there.

        Raises
        ------
        ResultError
            If something else is there, or a study and *overwrite* is not set.
        """
        about = {
            "name": self.name,
            "random": self.random,
            "keeping": self.keeping,
            "baseline": self.baseline,
        }
        store.replace_directory(
            directory,
            write=lambda path: archive.write(path, about, self.runs),
            owns=archive.holds_study,
            noun="study",
            overwrite=overwrite,
        )

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Study:
        """Read a study that `save` wrote.

        Raises
        ------
        ResultError
            If there is none, or it is torn, changed, too large, or of another format.
        """
        about, runs = archive.read(Path(directory))
        return cls(runs=tuple(runs), **about)
