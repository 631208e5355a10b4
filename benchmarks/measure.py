"""Programs run in turn, each a process of its own: what each run tells and costs.

CPU seconds are those of the whole process, user and system, as the kernel counts them; memory is
its peak resident set. Programs that are compared run alternately, so that what else the machine
does falls on all of them, and each run of one is set against the run of the other beside it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Data = dict[str, Any]
Samples = Mapping[str, Sequence[Data]]
"""What the runs of each program told and cost, by the program's name."""

ANSWERS = ("makespan", "mean_mig_s", "rounds", "flows")
"""What two programs that simulate the same can be asked to agree on."""


@dataclass(frozen=True, slots=True)
class Program:
    """Something to run as a process.

    Attributes
    ----------
    run
        Runs it; None: this machine does not have it.
    migrations
        How many it simulates; 0: it is not drawn over that.
    like
        The program whose answers it is to give, if any.
    """

    name: str
    run: Callable[[], Data] | None
    migrations: int = 0
    like: str = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of each run, and the bound of its median; *values* is empty where none ran."""

    about: str
    values: Callable[[Samples], list[float]]
    bound: float
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Programs to be compared, and what is hoped for."""

    name: str
    about: str
    programs: tuple[Program, ...]
    goals: tuple[Goal, ...] = ()

    def measure(self, *, runs: int) -> Data:
        """Run every program so often, in turn; return what came of it, as plain data."""
        samples = run_in_turn(self.programs, runs=runs)
        return {
            "name": self.name,
            "about": self.about,
            "programs": [
                {
                    "name": program.name,
                    "migrations": program.migrations,
                    "runs": samples[program.name],
                    "apart": difference(samples[program.name], samples.get(program.like, ())),
                }
                for program in self.programs
            ],
            "goals": [
                {
                    "about": goal.about,
                    "bound": goal.bound,
                    "at_least": goal.at_least,
                    "values": goal.values(samples),
                }
                for goal in self.goals
            ],
        }


def run_in_turn(programs: Sequence[Program], *, runs: int) -> dict[str, list[Data]]:
    """Run each program so often, one after the other."""
    samples: dict[str, list[Data]] = {program.name: [] for program in programs}
    for _ in range(runs):
        for program in programs:
            if program.run is not None:
                samples[program.name].append(program.run())
    return samples


# ----------------------------------------------------------------------- figures of each run


def told(name: str, figure: str) -> Callable[[Samples], list[float]]:
    """Return what gives a figure of one program."""
    return lambda samples: [run[figure] for run in samples.get(name, ())]


def ratio(over: str, under: str, figure: str = "cpu_s") -> Callable[[Samples], list[float]]:
    """Return what gives the ratio of two programs' figures, run by run."""

    def values(samples: Samples) -> list[float]:
        pairs = zip(samples.get(over, ()), samples.get(under, ()), strict=False)
        return [a[figure] / b[figure] for a, b in pairs]

    return values


def exponent(migrations: Mapping[str, int]) -> Callable[[Samples], list[float]]:
    """Return what fits CPU = a * migrations ** exponent to programs of so many migrations."""

    def values(samples: Samples) -> list[float]:
        sizes = [math.log(count) for count in migrations.values()]
        runs = zip(*(samples.get(name, ()) for name in migrations), strict=False)
        return [
            statistics.linear_regression(sizes, [math.log(run["cpu_s"]) for run in sized]).slope
            for sized in runs
        ]

    return values


def difference(ours: Sequence[Data], theirs: Sequence[Data]) -> float | None:
    """Return the largest relative difference of the answers that both give, if there are any."""
    apart = [
        abs(a[name] - b[name]) / abs(b[name])
        for a, b in zip(ours, theirs, strict=False)
        for name in ANSWERS
        if name in a and name in b
    ]
    return max(apart, default=None)
