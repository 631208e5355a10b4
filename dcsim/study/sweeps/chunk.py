"""What a worker does: some runs of a study, until its time is up, and a shard of what came of them.

A worker is told what to change in a scenario that it reads from the store once. It sends back how
many runs there are in its shard, and never a table.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from dcsim import rng
from dcsim.errors import SimulationError
from dcsim.records.result import Result
from dcsim.records.store import MAX_TEXT
from dcsim.records.tables import RUNS, SUMMARY, Columns
from dcsim.scenario.spec import Scenario
from dcsim.simulation import Progress, run
from dcsim.study.sweeps import own
from dcsim.study.sweeps.code import code
from dcsim.study.sweeps.store import Store, kept_table

MOST_ROWS: Final = 1_000_000
"""Rows of a table that is kept, in one shard, but for those of its last run."""
NO_METRICS: Final = dict.fromkeys(SUMMARY.names, float("nan"))


class Runs(NamedTuple):
    """Replications of one point that are to be run.

    Attributes
    ----------
    point
        Its number.
    digest
        Of its scenario.
    changes
        What it changes in the study's.
    replicates
        Which ones.
    """

    point: int
    digest: str
    changes: dict[str, Any]
    replicates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Work for one worker.

    Parameters
    ----------
    store, study
        Where the store is, and what the study is called there.
    runs
        What is to be run.
    budget_s
        Time after which no further run is begun.
    stop
        File whose presence tells to stop after this run.
    tables
        What is kept of each run beside its summary.
    code
        What made the study: a worker of another version refuses.
    metric
        Whose values are sent back, to decide on more replications; empty for none.
    time_s, memory_bytes
        What one run may take; infinite for no limit.
    own
        Placements and orders of one's own.
    """

    store: str
    study: str
    runs: tuple[Runs, ...]
    budget_s: float
    stop: str
    tables: tuple[str, ...]
    code: str
    metric: str = ""
    time_s: float = float("inf")
    memory_bytes: float = float("inf")
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Outcome(NamedTuple):
    """What came of one run: its point, replicate, kind of error if it failed, and the metric."""

    point: int
    replicate: int
    error: str
    value: float


class Report(NamedTuple):
    """What a worker sends back.

    Attributes
    ----------
    outcomes
        Of the runs that are in its shard.
    seconds
        What they took, all together.
    interrupted
        Whether Ctrl-C ended it.
    """

    outcomes: list[Outcome]
    seconds: float
    interrupted: bool = False


class RunTooLongError(SimulationError):
    """A run took more time than the study allows."""


class RunTooLargeError(SimulationError):
    """A run took more memory than the study allows."""


LIMITS: Final = frozenset({RunTooLongError.__name__, RunTooLargeError.__name__})
"""Kinds of errors that a study's own limits make."""


class WrongWorkerError(SimulationError):
    """A worker is of another version, or does not see the store."""


def run_id(digest: str, replicate: int) -> str:
    """Return what names a run: the same for the same scenario, replicate and source."""
    text = f"{digest} {replicate} {code()}"
    return blake2b(text.encode(), digest_size=10).hexdigest()


def perform(chunk: Chunk, simulate: Callable[..., Result] = run) -> Report:
    """Do runs until they are done, time is up or somebody says stop; write a shard of them.

    Raises
    ------
    WrongWorkerError
        If this process is of another version, or does not see the store.
    OSError
        If the shard cannot be written: none of its runs counts then.
    """
    if chunk.code != code():
        message = f"this worker has dcsim {code()}, the study was begun with {chunk.code}"
        raise WrongWorkerError(message)
    own.restore(chunk.own)
    parent = os.getppid()
    base = _base(chunk.store, chunk.study)
    rows: list[dict[str, Any]] = []
    kept: dict[str, Columns] = {
        name: {column: [] for column in kept_table(name).names} for name in chunk.tables
    }
    outcomes: list[Outcome] = []
    began = time.monotonic()
    interrupted = False
    try:
        if Path(chunk.stop).exists():
            raise _EnoughError
        for runs in chunk.runs:
            scene: Scenario | Exception
            try:
                scene = base.replace(runs.changes)
            except Exception as error:  # of all replications
                scene = error
            for k in runs.replicates:
                row = _run(chunk, runs, scene, k, simulate, kept)
                rows.append(row)
                value = row[chunk.metric] if chunk.metric else 0.0
                outcomes.append(Outcome(runs.point, k, row["error"], value))
                if (
                    time.monotonic() - began > chunk.budget_s
                    or Path(chunk.stop).exists()
                    or os.getppid() != parent  # nobody is there any more who would go on
                    or any(len(each[RUNS.names[0]]) > MOST_ROWS for each in kept.values())
                ):
                    raise _EnoughError
    except _EnoughError:
        pass
    except KeyboardInterrupt:
        interrupted = True
        _trim(kept, {row["run"] for row in rows})
    seconds = time.monotonic() - began
    if rows:
        Store(chunk.store, make=False).put_runs(rows, kept)
    return Report(outcomes, seconds, interrupted)


class _EnoughError(Exception):
    """Time is up, or somebody said stop."""


@functools.lru_cache(maxsize=4)
def _base(store: str, study: str) -> Scenario:
    """Return the scenario of a study before anything is varied, read once a process."""
    if not (Path(store) / "store.json").is_file():
        message = (
            f"this worker ({_worker()}) does not see the store {store}: it has to be a directory "
            "that all workers share"
        )
        raise WrongWorkerError(message)
    return Scenario.model_validate(Store(store, make=False).asked(study)["scenario"])


def _run(
    chunk: Chunk,
    runs: Runs,
    scene: Scenario | Exception,
    k: int,
    simulate: Callable[..., Result],
    kept: dict[str, Columns],
) -> dict[str, Any]:
    """Return the row of one run; what it was to keep beside joins *kept*."""
    began = time.monotonic()
    row = _row(chunk, runs, k)
    sizes = {name: len(columns[RUNS.names[0]]) for name, columns in kept.items()}
    try:
        if isinstance(scene, Exception):
            raise scene
        row["seed"] = rng.replicate(scene.seed, k)
        result = simulate(scene, replicate=k, progress=_limits(chunk))
        row |= {name: float(value) for name, value in result.metrics.items()}
        for table, columns in kept.items():
            _keep(columns, row["run"], result.columns[table])
    except Exception as error:  # whatever it is: a failed run is a row
        row |= NO_METRICS
        for name, columns in kept.items():
            _cut(columns, sizes[name])
        row["error"], row["message"] = type(error).__name__, _short(str(error))
        row["traceback"] = _short(traceback.format_exc())
    row["seconds"] = time.monotonic() - began
    return row


def _row(chunk: Chunk, runs: Runs, k: int) -> dict[str, Any]:
    """Return a row of `dcsim.records.tables.RUNS` before anything came of it."""
    texts = dict.fromkeys(("error", "message", "traceback"), "")
    return {
        "run": run_id(runs.digest, k),
        "digest": runs.digest,
        "replicate": k,
        "seed": -1,
        "code": chunk.code,
        "study": chunk.study,
        "changes": json.dumps(runs.changes),
        "tables": ",".join(chunk.tables),
        **texts,
        "seconds": float("nan"),
        "worker": _worker(),
        **NO_METRICS,
    }


def _keep(columns: Columns, run: str, found: Columns) -> None:
    """Add the rows of a table to those that are kept."""
    size = len(next(iter(found.values())))
    columns[RUNS.names[0]].extend([run] * size)
    for name, values in found.items():
        columns[name].extend(values)


def _trim(kept: dict[str, Columns], runs: set[str]) -> None:
    """Leave out what was kept of a run that was interrupted before it was done."""
    for columns in kept.values():
        _cut(columns, sum(run in runs for run in columns[RUNS.names[0]]))


def _cut(columns: Columns, size: int) -> None:
    """Leave the first rows."""
    for values in columns.values():
        del values[size:]


def _limits(chunk: Chunk) -> Callable[[Progress], None] | None:
    """Return what ends a run that takes more than it may; it is asked ten times a second."""
    if chunk.time_s == chunk.memory_bytes == float("inf"):
        return None
    end_s = time.monotonic() + chunk.time_s
    most = resident_bytes() + chunk.memory_bytes

    def check(at: Progress) -> None:
        if time.monotonic() > end_s:
            message = (
                f"it took more than {chunk.time_s:g} s, and had simulated {at.simulated_s:g} s"
            )
            raise RunTooLongError(message)
        if resident_bytes() > most:
            message = f"it took more than {chunk.memory_bytes:,.0f} bytes of memory"
            raise RunTooLargeError(message)

    return check


def resident_bytes() -> int:
    """Return the memory that this process holds now, in bytes."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):  # no Linux: the most that it has held tells too
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _worker() -> str:
    return f"{platform.node()}:{os.getpid()}"


def _short(text: str) -> str:
    """Return the first and the last of a text that is too long for a cell."""
    half = MAX_TEXT // 2 - 10
    return text if len(text) <= MAX_TEXT else f"{text[:half]}\n...\n{text[-half:]}"


def lost(chunk: Chunk, error: str, message: str) -> Report:
    """Write rows of runs that no worker came back from."""
    all_of_them = [(runs, k) for runs in chunk.runs for k in runs.replicates]
    told = {"error": error, "message": _short(message)}
    rows = [_row(chunk, runs, k) | told for runs, k in all_of_them]
    Store(chunk.store, make=False).put_runs(rows, {})
    return Report([Outcome(runs.point, k, error, float("nan")) for runs, k in all_of_them], 0.0)
