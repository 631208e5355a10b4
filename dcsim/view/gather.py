"""What there is to report on: a study or a single result, as variants with their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dcsim.errors import ResultError
from dcsim.records import answer as answers
from dcsim.records.result import Result
from dcsim.records.tables import BY_NAME, CAUSES
from dcsim.study.comparisons.answers import compared, outcomes
from dcsim.study.comparisons.words import notes
from dcsim.view.style import CAUSE_NAMES, human

if TYPE_CHECKING:
    import pandas as pd

    from dcsim.study.comparisons.study import Study

QUESTION: Final = (
    "Which pages of a guest need not cross the network when it migrates, and what does leaving "
    "them behind cost the network and the guest?"
)


MOST_TOLD: Final = 6
"""Of more operations than this a run's first sentence says only how many were done in time."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One policy (or other change) and its runs; the first run is the one looked at closely."""

    name: str
    runs: tuple[Result, ...]

    @property
    def shown(self) -> Result:
        """The run that stands for the others where one run is drawn."""
        return self.runs[0]


@dataclass(frozen=True, slots=True)
class Material:
    """All that a report is made from; ``study`` is None where there is a single result.

    Attributes
    ----------
    title, question, about
        What it is of, and what it asks.
    verdict, answer, notes
        What comes of it, in sentences: the first ones, further ones, and what to know of them.
    variants, study
        What was run.
    of_operations
        Whether it asks how an operation goes, rather than what ways of hinting cost.
    """

    title: str
    question: str
    about: str
    verdict: tuple[str, ...]
    answer: tuple[str, ...]
    notes: tuple[str, ...]
    variants: tuple[Variant, ...]
    study: Study | None
    of_operations: bool

    @property
    def noun(self) -> str:
        """What a variant is called."""
        return "Variant" if self.of_operations else "Policy"

    @property
    def failures(self) -> tuple[str, ...]:
        """The runs that failed, in words."""
        runs = () if self.study is None else self.study.failures
        return tuple(f"{r.variant}, replicate {r.replicate}: {r.error}: {r.message}" for r in runs)

    def summaries(self) -> pd.DataFrame:
        """Return a row a run: ``variant``, ``replicate`` and the summary's columns."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"variant": variant.name, "replicate": run.replicate, **run.metrics}
                for variant in self.variants
                for run in variant.runs
            ]
        )

    def together(self, table: str) -> pd.DataFrame:
        """Return a table of all runs that kept it, with a column ``variant``."""
        import pandas as pd

        frames = [
            run.table(table).assign(variant=variant.name)
            for variant in self.variants
            for run in variant.runs
            if table in run.tables
        ]
        if not frames:
            return frame_or_empty(self.variants[0].shown, table).assign(variant="")
        return pd.concat([f for f in frames if len(f)] or frames[:1], ignore_index=True)


def gather(
    subject: Study | Result, *, title: str | None = None, question: str | None = None
) -> Material:
    """Return what a study or a result has to report.

    Parameters
    ----------
    subject
        What is reported on.
    title, question
        Instead of the scenario's name and its question.

    Raises
    ------
    ResultError
        If every run of a study failed.
    """
    verdict: list[str] = []
    told: tuple[str, ...] = ()
    if isinstance(subject, Result):
        study, variants = None, {"": [subject]}
        verdict, answer = _answers(subject)
        of_operations = bool(verdict)
    else:
        study, variants = subject, {}
        for run in subject.runs:
            if run.result is not None:
                variants.setdefault(run.variant, []).append(run.result)
        if not variants:
            message = "there is nothing to report: every run of the study failed"
            raise ResultError(message)
        told = tuple(notes(study))
        of_operations = study.of_operations
        if of_operations:
            verdict, answer = compared(outcomes(study)), []
        else:
            answer = study.summary().splitlines()[len(told) :]
    first = next(iter(variants.values()))[0]
    asked = answers.question(first.scenario)
    if study and not of_operations and not first.scenario.get("question"):
        asked = QUESTION
    return Material(
        title=title or str(first.scenario.get("name") or "scenario"),
        question=question or asked,
        about=str(first.scenario.get("about") or ""),
        verdict=tuple(verdict),
        answer=tuple(answer),
        notes=told,
        variants=tuple(Variant(name, tuple(runs)) for name, runs in variants.items()),
        study=study,
        of_operations=of_operations,
    )


def frame_or_empty(run: Result, table: str) -> pd.DataFrame:
    """Return a table of a run; one without rows where it was not kept."""
    import pandas as pd

    try:
        frame: pd.DataFrame = getattr(run, table)
    except ResultError:
        return pd.DataFrame(columns=list(BY_NAME[table].names))
    return frame


def _answers(run: Result) -> tuple[list[str], list[str]]:
    """Return what came of a run's operations, first in a sentence each, then at length."""
    found = run.answers
    several = len(found) > 1
    verdict = [f"{each.operation}: {each.verdict}" if several else each.verdict for each in found]
    if not found:
        return [], _in_words(run)
    if len(found) > MOST_TOLD:
        return [_tally(found)], [*verdict, *_in_words(run)[1:3]]
    lines = []
    for each in found:
        lines += [f"{each.operation}:"] if several else []
        lines += [each.moved, *each.details]
    return verdict, lines + ["All together:"] * several + _in_words(run)[1:3]


def _tally(found: Sequence[answers.Answer]) -> str:
    """Return how many operations were done in time, where they are too many to be told."""
    timed = [each.met for each in found if each.met is not None]
    if not timed:
        return f"{len(found)} operations ran."
    return f"{sum(timed)} of {len(timed)} operations were done in time."


def _in_words(run: Result) -> list[str]:
    """Return what came of one run."""
    figures: Mapping[str, float] = run.metrics
    sentences = [f"{run.explanation}."]
    if not figures["requested"]:
        return sentences
    parts = {
        "sent by migrations": figures["migration_bytes"],
        "copied of local disks": figures["disk_copy_bytes"],
        "mirrored to them": figures["mirror_bytes"],
        "read from storage at destinations": figures["prefetch_bytes"],
        "read again by guests whose cache was gone": figures["extra_refault_bytes"],
    }
    sent = [f"{human(size, 'bytes')} {what}" for what, size in parts.items() if size > 0]
    cost = human(figures["network_bytes"], "bytes")
    sentences.append(
        f"It cost the network {cost}" + (f": {', '.join(sent)}." if len(sent) > 1 else ".")
    )
    lost = {
        CAUSE_NAMES.get(cause, cause): figures[f"lost_{cause}_s"]
        for cause in CAUSES
        if figures[f"lost_{cause}_s"] > 0
    }
    words = f"The guests lost {human(figures['lost_work_s'], 'seconds')} of work"
    if lost:
        cause = max(lost, key=lambda name: lost[name])
        words += f", {human(lost[cause], 'seconds')} of it to {cause}"
    sentences.append(f"{words}.")
    if figures["completed"]:
        sentences.append(
            f"The last migration ended {human(figures['makespan_s'], 'seconds')} after the start; "
            f"guests were paused {human(figures['blackout_p50_s'], 'seconds')} in the median, "
            f"{human(figures['blackout_max_s'], 'seconds')} at most."
        )
    return sentences
