"""How long a study will take, from a few of its runs; nothing is recorded."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final, NamedTuple

from dcsim.simulation import run
from dcsim.study.designs.design import Design
from dcsim.study.sweeps.chunk import Runs
from dcsim.study.sweeps.points import points_of
from dcsim.study.sweeps.reading import Recorded, recorded
from dcsim.study.sweeps.store import Store
from dcsim.study.sweeps.work import Work
from dcsim.units import format_duration, format_many

SAMPLE: Final = 12
"""Runs that are timed at most."""
SAMPLE_S: Final = 10.0
"""Seconds after which no further one is timed."""


class Estimate(NamedTuple):
    """What a study takes.

    Attributes
    ----------
    points, illegal
        How many there are, and how many of them are no legal scenario.
    runs, recorded
        How many, and how many of these are in the store.
    seconds
        What each of the timed ones took.
    """

    points: int
    illegal: int
    runs: int
    recorded: int
    seconds: tuple[float, ...]

    @property
    def left(self) -> int:
        """Runs that are not recorded."""
        return self.runs - self.recorded

    @property
    def each_s(self) -> float:
        """What a run takes, on average; 0 where nothing is left."""
        return sum(self.seconds) / len(self.seconds) if self.seconds else 0.0

    def words(self, *, jobs: int) -> str:
        """Say how many runs there are, and how long they take so many processes."""
        told = f"{self.points:,} points, {self.runs:,} runs"
        if self.illegal:
            fails = "is no legal scenario: it fails"
            fail = "are no legal scenarios: they fail"
            many = format_many(self.illegal, "point")
            told += f" ({many} {fails if self.illegal == 1 else fail})"
        if self.recorded:
            told += f", {self.recorded:,} of them recorded"
        if not self.left:
            return f"{told}: nothing is left to run."
        each = f"{format_duration(self.each_s)} a run, from {len(self.seconds)} that were timed"
        if max(self.seconds) > 2 * min(self.seconds):
            least, most = map(format_duration, (min(self.seconds), max(self.seconds)))
            each += f" ({least} to {most})"
        processes = "one process" if jobs == 1 else f"{jobs} processes"
        whole = format_duration(self.each_s * self.left / jobs)
        return f"{told}: about {whole} on {processes}. {each}."


def estimate(
    design: Design,
    *,
    store: Store | None = None,
    shard: tuple[int, int] = (1, 1),
    retry_failed: bool = False,
) -> Estimate:
    """Time a few runs of a study, spread over its points.

    Parameters
    ----------
    design
        The study.
    store
        Where runs may be recorded.
    shard
        Which part of the points is meant, and of how many.
    retry_failed
        Whether what failed is to be run again.
    """
    points = points_of(design)
    known = recorded(store, design, retry_failed=retry_failed) if store else Recorded()
    work = Work(design, points, known=known.values, failed=known.failed, mine=shard)
    total, done = work.total, work.done
    seconds: list[float] = []
    began = time.monotonic()
    while len(seconds) < SAMPLE and time.monotonic() - began < SAMPLE_S:
        some = work.take(1)
        if not some:
            break
        work.take(work.waiting // SAMPLE)  # which are passed over, so that all parts are seen
        if some[0].point in points.errors:
            continue
        took = _timed(design, some[0])
        if not seconds and took < 1:
            took = _timed(design, some[0])  # the first one had imported much
        seconds.append(took)
    return Estimate(len(points.digests), len(points.errors), total, done, tuple(seconds))


def _timed(design: Design, runs: Runs) -> float:
    """Return what one run takes; one that fails takes its time too."""
    began = time.monotonic()
    with suppress(Exception):
        run(design.scenario.replace(runs.changes), replicate=runs.replicates[0])
    return time.monotonic() - began
