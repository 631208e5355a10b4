"""The model beside measured migrations: each configuration is run, and its figures compared.

Bounds are those the model is held to on link-limited runs that converged, from their second
repetition on: the first ran on a loaded machine. A figure that is off by more than its bound is
excused where the repetitions of that run differ from each other by as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from statistics import median
from typing import Any, Final, Literal

from dcsim.errors import DcsimError
from dcsim.records.result import Result
from dcsim.records.tables import Columns
from dcsim.scenario.spec import Scenario
from dcsim.simulation import run
from dcsim.study.checks.measurements import Figures, Measurement
from dcsim.study.checks.testbed import Testbed
from dcsim.units import PAGE

FIGURES: Final = tuple(field.name for field in fields(Figures) if field.name != "outcome")


@dataclass(frozen=True, slots=True)
class Bound:
    """How far off a figure may be.

    Attributes
    ----------
    figure
        Its name.
    median, each
        Relative error: the median over all runs, and of each; None where there is no bound.
    slack
        Absolute error that never matters.
    of
        Which runs it is asked of: ``plain`` ones, with neither a policy nor a capability of the
        hypervisor switched on; those with a ``policy``; or all.
    """

    figure: str
    median: float | None = None
    each: float | None = None
    slack: float = 0.0
    of: Literal["plain", "policy", "all"] = "all"


BOUNDS: Final = (
    Bound("total_time_s", median=0.03, each=0.10),
    Bound("sent_bytes", median=0.025, each=0.10),
    Bound("sent_bytes", each=0.05, of="policy"),
    Bound("normal_pages", each=0.03, of="plain"),
    Bound("zero_pages", each=0.03, of="plain"),
    Bound("syncs", each=0.20, slack=1),
    Bound("reads_per_s_before", each=0.10),
    Bound("reads_per_s_during", each=0.10),
    Bound("reads_per_s_after", each=0.10),
    # MemFree leaves out the pages on per-CPU lists, which come and go: 5 MB at 2 GiB
    Bound("free_after_policy_bytes", each=0.05, slack=5e6, of="policy"),
    # of a cache that was given up, what is read again meanwhile is left: some megabytes
    Bound("cache_after_policy_bytes", each=0.05, slack=4e6, of="policy"),
)
"""What is asked of the model."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measured run, and what the model says of its configuration.

    Attributes
    ----------
    measured, model
        The figures.
    message
        Why there is no run of the model, if there is none.
    """

    measurement: Measurement
    model: Figures
    message: str = ""

    @property
    def measured(self) -> Figures:
        """What was measured."""
        return self.measurement.figures

    @property
    def name(self) -> str:
        """The configuration's name."""
        return self.measurement.config.name

    @property
    def counts(self) -> bool:
        """Whether bounds are asked of it: converged, limited by the link, a quiet machine."""
        config = self.measurement.config
        return (
            config.link_limited and config.rep >= 1 and self.measured.outcome.startswith("complete")
        )

    @property
    def kind(self) -> str:
        """What kind of run it is, as bounds tell them apart; empty for one with capabilities."""
        config = self.measurement.config
        if config.policy != "none":
            return "policy"
        return "" if config.caps or config.postcopy_after_s is not None else "plain"

    def error(self, figure: str) -> float:
        """Return the relative error of a figure; NaN where it was not measured, or is 0."""
        measured, model = getattr(self.measured, figure), getattr(self.model, figure)
        return float(model / measured - 1) if measured else math.nan


@dataclass(frozen=True)
class Verification:
    """All runs of a file, compared."""

    comparisons: tuple[Comparison, ...]

    def spread(self, name: str, figure: str) -> float:
        """Return how far a run's repetitions differ, relative to the smallest; 0 for one alone."""
        values = [getattr(c.measured, figure) for c in self.comparisons if c.name == name]
        known = [value for value in values if not math.isnan(value)]
        return max(known) / min(known) - 1 if len(known) > 1 and min(known) > 0 else 0.0

    def errors(self, bound: Bound) -> list[tuple[Comparison, float]]:
        """Return the comparisons that a bound is asked of, with their errors."""
        found = []
        for comparison in self.comparisons:
            if comparison.counts and bound.of in ("all", comparison.kind):
                error = comparison.error(bound.figure)
                if not math.isnan(error):
                    found.append((comparison, error))
        return found

    @cached_property
    def broken(self) -> list[str]:
        """What is out of its bound, in words; empty if nothing."""
        words = []
        for bound in BOUNDS:
            errors = self.errors(bound)
            if bound.median is not None and errors:
                middle = median(abs(error) for _, error in errors)
                if middle > bound.median:
                    words.append(f"{bound.figure}: median error {middle:.1%} of {bound.median:.1%}")
            for comparison, error in errors:
                off = abs(error * getattr(comparison.measured, bound.figure))
                allowed = max(bound.each or math.inf, self.spread(comparison.name, bound.figure))
                if abs(error) > allowed and off > bound.slack:
                    rep = comparison.measurement.config.rep
                    words.append(f"{bound.figure}: {comparison.name} rep {rep} {error:+.1%}")
        for comparison in self.comparisons:
            if comparison.model.outcome != comparison.measured.outcome:
                words.append(
                    f"outcome: {comparison.name} was {comparison.measured.outcome}, "
                    f"the model says {comparison.model.outcome} {comparison.message}".rstrip()
                )
        return words

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Errors by figure: how many runs, the median and the largest, and what is out of bound."""
        errors: dict[str, Any] = {}
        for figure in FIGURES:
            own = [abs(e) for c, e in self.errors(Bound(figure))]
            if own:
                errors[figure] = {
                    "runs": len(own),
                    "median_abs_error": median(own),
                    "largest_abs_error": max(own),
                }
        return {"errors": errors, "out_of_bounds": self.broken}

    def to_dict(self) -> dict[str, Any]:
        """Return all runs and the summary as plain data."""
        runs = [
            {
                "name": c.name,
                "rep": c.measurement.config.rep,
                **asdict(c.model),
                "message": c.message,
                "measured": asdict(c.measured),
            }
            for c in self.comparisons
        ]
        return {"runs": runs, "summary": self.summary}


def verify(
    measurements: Sequence[Measurement],
    *,
    testbed: Testbed | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Run the configuration of each measured migration and compare.

    Parameters
    ----------
    measurements
        As `dcsim.study.checks.measurements.read` reads them.
    testbed
        The machines' constants; None for those of the shipped measurements.
    progress
        Called with how many runs are done, and of how many.
    """
    testbed = testbed or Testbed()
    known: dict[str, tuple[Figures, str]] = {}
    comparisons = []
    for done, measurement in enumerate(measurements):
        if progress is not None:
            progress(done, len(measurements))
        # repetitions are one configuration, which has nothing random in it
        key = measurement.config.model_copy(update={"rep": 0, "name": ""}).model_dump_json()
        if key not in known:
            known[key] = _simulate(measurement, testbed)
        comparisons.append(Comparison(measurement, *known[key]))
    if progress is not None:
        progress(len(measurements), len(measurements))
    return Verification(tuple(comparisons))


def _simulate(measurement: Measurement, testbed: Testbed) -> tuple[Figures, str]:
    try:
        scenario = Scenario.model_validate(testbed.scenario(measurement.config))
        figures, reason = _figures(run(scenario), testbed)
        ignored = testbed.not_modelled(measurement.config)
        return figures, "; ".join([*filter(None, [reason]), *(f"{c} left out" for c in ignored)])
    except (DcsimError, ValueError) as error:
        return Figures(outcome="failed"), str(error)[:500]


_OUTCOMES: Final = {
    "completed": "completed",
    "completed-postcopy": "completed-postcopy",
    "aborted-timeout": "not-converged",
    "aborted-no-progress": "not-converged",
    "cancelled": "not-converged",
}


def _figures(result: Result, testbed: Testbed) -> tuple[Figures, str]:
    """Return what a run came to, and why, where it did not complete."""
    move = {name: column[-1] for name, column in result.columns["migrations"].items()}
    phases = list(_rows(result.columns["phases"]))

    def reads(phase: str) -> float:
        own = [p for p in phases if p["phase"] == phase]
        seconds = sum(p["to_s"] - p["from_s"] for p in own)
        return sum(p["read_pages"] for p in own) / seconds if seconds > 0 else math.nan

    prepared = [p for p in phases if p["phase"] in ("before", "policy")][-1]
    figures = Figures(
        outcome=_OUTCOMES.get(move["outcome"], "failed"),
        total_time_s=move["ended_s"] - move["stream_s"],
        sent_bytes=move["sent_bytes"],
        normal_pages=move["normal_pages"],
        zero_pages=move["zero_pages"],
        syncs=move["rounds"] + 2,  # one as it starts, one with the guest stopped
        downtime_s=move["downtime_s"],
        policy_s=move["policy_s"],
        reads_per_s_before=reads("before"),
        reads_per_s_during=reads("migration"),
        reads_per_s_after=reads("after"),
        free_after_policy_bytes=prepared["free_pages"] * PAGE,
        cache_after_policy_bytes=(prepared["cache_pages"] + testbed.pinned_pages) * PAGE,
    )
    return figures, move["reason"]


def _rows(columns: Columns) -> Iterable[dict[str, Any]]:
    names = list(columns)
    return (dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True))
