"""What came of planning: the answer, and every point that was tried."""

from __future__ import annotations

import html
import math
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dcsim.errors import ResultError
from dcsim.records import archive, store
from dcsim.records.tables import SUMMARY
from dcsim.study.designs.ranges import Axis
from dcsim.study.plans import advice
from dcsim.study.plans.goals import Goal
from dcsim.study.plans.objective import Objective
from dcsim.study.plans.trials import Judgement, Point, Trial

if TYPE_CHECKING:
    import pandas as pd

FORMAT: Final = "dcsim-plan"
FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer to which values reach some goals, and what it rests on.

    Parameters
    ----------
    name
        The scenario's.
    goals, axes, objective
        What was to be reached, what was varied, and what is best.
    trials
        Every point that was tried, in order.
    method
        How it was searched.
    notes
        What the search has to say of itself.
    random
        What is random, in words; empty where nothing is.
    replications
        Of a point, at most.
    """

    name: str
    goals: tuple[Goal, ...]
    axes: tuple[Axis, ...]
    objective: Objective
    trials: tuple[Trial, ...]
    method: str
    notes: tuple[str, ...]
    random: tuple[str, ...]
    replications: int

    @property
    def best(self) -> Trial:
        """The point that meets all goals at the least cost; where none does, the nearest to it."""
        return min(self.trials, key=self.objective.rank)

    @property
    def feasible(self) -> bool:
        """Whether some point surely reaches all goals."""
        return self.best.state == "met"

    @property
    def answer(self) -> dict[str, Any] | None:
        """Path -> value of the best point, for `Scenario.replace`; None where no goals are met."""
        return dict(self.best.changes) if self.feasible else None

    @property
    def size(self) -> int:
        """How many points there are, tried or not."""
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def runs(self) -> int:
        """How many runs were made."""
        return sum(len(trial.outcomes) for trial in self.trials)

    @property
    def frontier(self) -> list[Trial]:
        """The points that meet all goals and that none beats in both cost and what is to spare."""
        spare = {
            trial.point: self.tightest(trial).spare for trial in self.trials if trial.state == "met"
        }
        met = [trial for trial in self.trials if trial.point in spare]
        front: list[Trial] = []
        for trial in sorted(met, key=lambda t: (self.objective.cost(t), -spare[t.point])):
            if not front or spare[trial.point] > spare[front[-1].point]:
                front.append(trial)
        return front

    def tightest(self, trial: Trial) -> Judgement:
        """Return the goal with the least to spare at a point.

        What is met and the same wherever one looks, such as no guest left behind, binds nothing
        and is passed over if there is another goal.
        """
        ran = [each.judgements for each in self.trials if each.state != "failed"]
        moving = [
            judged
            for i, judged in enumerate(trial.judgements)
            if judged.verdict != "met" or len({each[i].found.mean for each in ran}) > 1
        ]
        return min(moving or trial.judgements, key=lambda each: each.spare)

    def summary(self) -> str:
        """Say which values reach the goals, what binds, and how sure that is."""
        return advice.tell(self)

    def frame(self) -> pd.DataFrame:
        """Return a row a point, in the order tried.

        Returns
        -------
        pandas.DataFrame
            A column a path that was varied; ``verdict`` (``met``, ``missed``, ``unsure`` or
            ``failed``), ``spare`` (of its tightest goal, as a share of the bound), ``tightest``,
            ``runs``, ``frontier`` (whether no other point beats it), ``error``, and the mean of
            each metric of the table ``summary``, NaN where a run failed.
        """
        import pandas as pd

        front = {trial.point for trial in self.frontier}
        return pd.DataFrame(
            [
                {
                    **trial.changes,
                    "verdict": trial.state,
                    "spare": self.tightest(trial).spare,
                    "tightest": str(self.tightest(trial).goal),
                    "runs": len(trial.outcomes),
                    "frontier": trial.point in front,
                    "error": trial.error,
                    **{name: trial.mean(name) for name in SUMMARY.names},
                }
                for trial in self.trials
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data; NaN and infinity stay what they are."""
        front = {trial.point for trial in self.frontier}
        return {
            "scenario": self.name,
            "summary": self.summary().splitlines(),
            "feasible": self.feasible,
            "verdict": self.best.state,
            "answer": self.answer,
            "best": self._point(self.best, front),
            "minimise": None if self.objective.most else self.objective.what,
            "maximise": self.objective.what if self.objective.most else None,
            "goals": [str(goal) for goal in self.goals],
            "vary": {axis.path: list(axis.values) for axis in self.axes},
            "method": self.method,
            "notes": list(self.notes),
            "random": list(self.random),
            "size": self.size,
            "runs": self.runs,
            "points": [self._point(trial, front) for trial in self.trials],
        }

    def save(self, directory: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the plan to a directory, as `plan.json`.

        Parameters
        ----------
        directory
            Made where it does not exist.
        overwrite
            Replace another plan there.

        Raises
        ------
        ResultError
            If something else is there, or a plan and *overwrite* is not set.
        """
        data = _plain({"format": FORMAT, "version": FORMAT_VERSION, **self.to_dict()})
        store.replace_directory(
            directory,
            write=lambda path: _write(path / "plan.json", data),
            owns=holds_plan,
            noun="plan",
            overwrite=overwrite,
        )

    def _point(self, trial: Trial, front: Collection[Point]) -> dict[str, Any]:
        return {
            "changes": dict(trial.changes),
            "verdict": trial.state,
            "runs": len(trial.outcomes),
            "frontier": trial.point in front,
            "error": trial.error,
            "goals": [
                {
                    "goal": str(each.goal),
                    "mean": each.found.mean,
                    "low": each.found.low,
                    "high": each.found.high,
                    "spare": each.spare,
                    "verdict": each.verdict,
                }
                for each in trial.judgements
            ],
            "metrics": {name: trial.mean(name) for name in SUMMARY.names},
        }

    def __repr__(self) -> str:
        """Say what it came to, in one line."""
        tried = f"{len(self.trials)} of {self.size} points tried"
        return f"<Plan of {self.name}: {self.best.state}, {tried}, {self.runs} runs>"

    def _repr_html_(self) -> str:
        """Show the summary, for notebooks."""
        first, *rest = self.summary().splitlines()
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in rest)
        return f"<div><p><b>{html.escape(first)}</b></p>{lines}</div>"


def holds_plan(directory: Path) -> bool:
    """Whether a directory holds a plan, perhaps its report, and nothing else."""
    try:
        store.read_json(directory / "plan.json", form=FORMAT, version=FORMAT_VERSION)
    except ResultError:
        return False
    return store.holds_only(directory, dict.fromkeys(("plan.json", archive.REPORT)))


def _write(path: Path, data: Any) -> None:
    path.write_bytes(store.json_bytes(data))


def _plain(value: Any) -> Any:
    """Return data as JSON can hold it: what is no number there becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
