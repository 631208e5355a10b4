"""Chunks of a study go out to an executor and come back; what is lost with a worker goes again."""

from __future__ import annotations

import contextlib
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dcsim.errors import SimulationError
from dcsim.study.designs.design import Design
from dcsim.study.sweeps import own
from dcsim.study.sweeps.chunk import Chunk, Report, Runs, lost, perform
from dcsim.study.sweeps.cluster import workers
from dcsim.study.sweeps.code import code
from dcsim.study.sweeps.points import points_of
from dcsim.study.sweeps.progress import SweepProgress, Watch
from dcsim.study.sweeps.reading import recorded
from dcsim.study.sweeps.store import Points, Store
from dcsim.study.sweeps.work import Work

FIRST_S: Final = 0.3
"""Seconds of work in a chunk at first."""
LONGEST_S: Final = 20.0
"""And at most: what is lost where a worker is."""
_SHARE: Final = 1 / 60
"""Of the time since the study began: chunks grow with it, so that shards stay few."""
_MOST_IN_CHUNK: Final = 5_000
_AHEAD: Final = 2
"""Chunks handed over for each worker, one of which it works on."""
_PATIENCE_S: Final = 0.2
_GRACE_S: Final = 10.0
"""How long runs that are under way may take once somebody has said stop."""
_MOST_VAIN: Final = 30
"""So often an executor may break in a row without any run that came back in between."""
_LOSSES: Final = 3
"""So often a run may be under way as a worker is lost, the last time alone; then it is given up."""


@dataclass(slots=True)
class _Task:
    """A chunk under way."""

    runs: list[Runs]
    alone: bool


@dataclass(slots=True)
class Driver:
    """One study, being run."""

    design: Design
    store: Store
    executor: Executor | Callable[[], Executor] | None
    workers: int | None
    progress: Watch | None
    stop: threading.Event | None
    name: str = ""
    work: Work = field(init=False)
    _pool: Executor = field(init=False)
    _under_way: dict[Future[Report], _Task] = field(default_factory=dict)
    _suspects: list[list[Runs]] = field(default_factory=list)
    _losses: dict[tuple[int, int], int] = field(default_factory=dict)
    _vain: int = 0
    _began_s: float = 0.0
    _spent_s: float = 0.0
    _ran: int = 0
    _told_s: float = 0.0

    def run(self, *, shard: tuple[int, int], retry_failed: bool) -> None:
        """Run what is not recorded."""
        self.store.tidy()
        self.name = self.store.put_study(self.design)
        points = self._points()
        known = recorded(self.store, self.design, retry_failed=retry_failed)
        self.work = Work(self.design, points, known=known.values, failed=known.failed, mine=shard)
        self._began_s = time.monotonic()
        self._tell(now=True)
        try:
            if self.work.left:
                with self._stop_mark() as mark:
                    self._run(mark)
        finally:  # whoever watches is told what was done, whatever ended it
            self._tell(now=True)

    # ----------------------------------------------------------------- what is known

    def _points(self) -> Points:
        """Return the points, as they were noted down if they were, and note them down."""
        points = self.store.points(self.name, self.design)
        if points is None or points.code != code():
            tell = self.progress

            def told(done: int, total: int) -> None:
                if tell is not None:
                    tell(SweepProgress("points", total, done, 0, math.nan, math.nan))

            points = points_of(self.design, progress=told)
            self.store.put_points(self.name, self.design, points)
        return points

    # ----------------------------------------------------------------- running

    @contextlib.contextmanager
    def _stop_mark(self) -> Iterator[Path]:
        mark = self.store.stop_mark(secrets.token_hex(8))
        mark.parent.mkdir(exist_ok=True)
        try:
            yield mark
        finally:
            if not self._under_way:  # else it goes when the store is tidied: they have to see it
                mark.unlink(missing_ok=True)

    def _run(self, mark: Path) -> None:
        self._renew()
        try:
            while self.work.left or self._under_way:
                self._submit(mark)
                if not (self._under_way or self._suspects or self.work.waiting):
                    message = f"{self.work.left} runs are neither done nor to be done"
                    raise SimulationError(message)  # a fault of this module, not to wait for ever
                self._collect(_PATIENCE_S)
                self._tell()
                if self.stop is not None and self.stop.is_set():
                    self._wind_up(mark)
                    return
        except BaseException:
            self._wind_up(mark)
            raise

    def _renew(self) -> None:
        """Get the executor, another one if the last is broken."""
        if self.executor is None:
            self._pool = _Here()
        elif isinstance(self.executor, Executor):
            self._pool = self.executor
        else:
            self._pool = self.executor()

    def _at_once(self) -> int:
        """Return how many runs the executor does at once."""
        if isinstance(self._pool, _Here):
            return 1
        return self.workers or max(1, workers(self._pool))

    def _submit(self, mark: Path) -> None:
        """Hand over chunks until every worker has one to go on with."""
        if self._suspects:  # each alone, so that it is known which one a worker does not survive
            if not self._under_way:
                self._hand_over(self._suspects.pop(), mark, budget_s=math.inf, alone=True)
            return
        room = self._at_once() * (1 if isinstance(self._pool, _Here) else _AHEAD)
        while len(self._under_way) < room and not self._suspects:
            budget_s = self._budget_s()
            runs = self.work.take(self._size(budget_s))
            if not runs or not self._hand_over(runs, mark, budget_s=budget_s, alone=False):
                return

    def _budget_s(self) -> float:
        age = time.monotonic() - self._began_s
        return min(max(FIRST_S, age * _SHARE), LONGEST_S)

    def _size(self, budget_s: float) -> int:
        """Return how many runs fill a chunk; towards the end they are shared out."""
        share = math.ceil(self.work.left / (2 * self._at_once()))
        if not self._ran:
            return min(share, 4)
        each_s = self._spent_s / self._ran
        return max(1, min(share, math.ceil(1.2 * budget_s / max(each_s, 1e-6)), _MOST_IN_CHUNK))

    def _hand_over(self, runs: list[Runs], mark: Path, *, budget_s: float, alone: bool) -> bool:
        """Give a chunk to the executor; False where that is broken."""
        asked = self.design.asked
        chunk = Chunk(
            store=str(self.store.directory),
            study=self.name,
            runs=tuple(runs),
            budget_s=budget_s,
            stop=str(mark),
            tables=tuple(asked.tables),
            code=code(),
            metric=asked.replications.metric or "",
            time_s=asked.limits.time or math.inf,
            memory_bytes=asked.limits.memory or math.inf,
            own=own.own(),
        )
        try:
            future = self._pool.submit(perform, chunk)
        except BrokenExecutor as error:
            self.work.put_back(runs)
            self._broke(error)
            return False
        self._under_way[future] = _Task(runs, alone)
        return True

    def _collect(self, patience_s: float) -> None:
        """Take what has come back."""
        done, _ = wait(self._under_way, timeout=patience_s, return_when=FIRST_COMPLETED)
        broken: BaseException | None = None
        for future in done:
            task = self._under_way.pop(future)
            if future.cancelled():
                message = (
                    f"the executor gave up what was under way: its cluster is gone. {self._safe()}"
                )
                raise SimulationError(message)
            error = future.exception()
            if error is None:
                self._take(task, future.result())
            elif is_loss(error):
                self._suspect(task, error)
                broken = error if isinstance(error, BrokenExecutor) else broken
            else:
                self.work.put_back(task.runs)
                raise error
        if broken is not None:
            self._broke(broken)

    def _take(self, task: _Task, report: Report) -> None:
        """Count what a worker has recorded, and put back what it had no time for."""
        back = {(outcome.point, outcome.replicate) for outcome in report.outcomes}
        for outcome in report.outcomes:
            self.work.record(*outcome)
        rest = [
            runs._replace(replicates=left)
            for runs in task.runs
            if (left := tuple(k for k in runs.replicates if (runs.point, k) not in back))
        ]
        self.work.put_back(rest)
        self._ran += len(report.outcomes)
        self._vain = 0
        self._spent_s += report.seconds
        if report.interrupted:
            raise KeyboardInterrupt

    # ----------------------------------------------------------------- losses

    def _broke(self, error: BaseException) -> None:
        """Get another executor; what was under way may have been its end."""
        for future, task in self._under_way.items():
            future.cancel()
            self._suspect(task, error)
        self._under_way.clear()
        self._vain += 1
        if self.executor is None or isinstance(self.executor, Executor) or self._vain > _MOST_VAIN:
            often = f" {self._vain} times, and no run came back" if self._vain > 1 else ""
            message = f"the executor broke{often} ({type(error).__name__}: {error}). {self._safe()}"
            raise SimulationError(message) from error
        self._renew()

    def _safe(self) -> str:
        return (
            f"What is recorded is in {self.store.directory}, and the same study there goes on with "
            "the rest"
        )

    def _suspect(self, task: _Task, error: BaseException) -> None:
        """Run again what was under way as a worker was lost.

        Once more beside all else, then alone, and in halves, until it is known which run it is that
        no worker survives; that one is given up.
        """
        singles = [runs._replace(replicates=(k,)) for runs in task.runs for k in runs.replicates]
        for one in singles:
            key = one.point, one.replicates[0]
            self._losses[key] = self._losses.get(key, 0) + 1
        if not task.alone:
            again = [one for one in singles if self._lost_times(one) > 1]
            self.work.put_back([one for one in singles if self._lost_times(one) == 1])
            self._suspects += [again] if again else []
        elif len(singles) > 1:
            middle = len(singles) // 2
            self._suspects += [singles[middle:], singles[:middle]]
        elif (count := self._lost_times(singles[0])) < _LOSSES:
            self._suspects.append(singles)
        else:
            told = f"{type(error).__name__}: {error}"
            message = f"{count} times a worker was lost with it: out of memory? {told}"
            for outcome in lost(self._chunk_of(singles[0]), "WorkerLost", message).outcomes:
                self.work.record(*outcome)

    def _lost_times(self, one: Runs) -> int:
        return self._losses[one.point, one.replicates[0]]

    def _chunk_of(self, runs: Runs) -> Chunk:
        return Chunk(
            store=str(self.store.directory), study=self.name, runs=(runs,), budget_s=0.0, stop="",
            tables=(), code=code(),
        )  # fmt: skip

    def _wind_up(self, mark: Path) -> None:
        """Let workers end the run that they are at and record it, and take it in."""
        with contextlib.suppress(OSError):  # on a full disk they cannot be told
            mark.touch()
        end_s = time.monotonic() + _GRACE_S
        while self._under_way and time.monotonic() < end_s:
            done, _ = wait(self._under_way, timeout=_PATIENCE_S, return_when=FIRST_COMPLETED)
            for future in done:
                task = self._under_way.pop(future)
                if not future.cancelled() and future.exception() is None:
                    with contextlib.suppress(KeyboardInterrupt):
                        self._take(task, future.result())
        for future in self._under_way:
            future.cancel()

    # ----------------------------------------------------------------- telling

    def _tell(self, *, now: bool = False) -> None:
        if self.progress is None:
            return
        at_s = time.monotonic()
        if not now and at_s - self._told_s < _PATIENCE_S:
            return
        self._told_s = at_s
        rate = self._ran / (at_s - self._began_s) if self._ran else math.nan
        self.progress(
            SweepProgress(
                "runs",
                self.work.total,
                self.work.done,
                self.work.failed,
                rate,
                self.work.left / rate if self.work.left else 0.0,
            )
        )


def is_loss(error: BaseException) -> bool:
    """Whether an error says that a worker was lost, and nothing of the work it was at."""
    module = type(error).__module__.partition(".")[0]
    return isinstance(error, BrokenExecutor) or module in ("distributed", "dask")


class _Here(Executor):
    """Runs chunks in this process, one after another."""

    def submit(self, function: Any, /, *args: Any, **options: Any) -> Future[Any]:
        """Do it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **options))
        except Exception as error:
            future.set_exception(error)
        return future
