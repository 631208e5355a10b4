"""Runs of scenarios, one by one or through an executor; one that fails does not end the others."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from dataclasses import replace
from typing import Any, cast

from dcsim.scenario.spec import Scenario
from dcsim.simulation import run
from dcsim.study.comparisons.runs import Run
from dcsim.study.sweeps import own


def local_executor(jobs: int | None = None) -> Executor:
    """Return an executor of processes on this machine, which survives a worker that is killed.

    Parameters
    ----------
    jobs
        How many processes; default: as many as there are CPUs for this one.

    Raises
    ------
    ValueError
        If *jobs* is less than 1.
    """
    if jobs is not None and jobs < 1:
        message = f"jobs must be at least 1, got {jobs}"
        raise ValueError(message)
    import loky

    return cast("Executor", loky.get_reusable_executor(max_workers=jobs))


def run_all(
    tasks: Sequence[tuple[Scenario, list[Run]]],
    executor: Executor | None,
    progress: Callable[[int, int], None] | None,
) -> list[Run]:
    """Do all tasks, in any order; return the runs in that of the tasks."""
    done = [runs for _, runs in tasks]
    total, count = sum(map(len, done)), 0

    def keep(index: int, ran: list[Run]) -> None:
        nonlocal count
        done[index] = ran
        count += len(ran)
        if progress is not None:
            progress(count, total)

    if executor is None:
        for index, task in enumerate(tasks):
            keep(index, _run_each(*task))
    else:
        futures: dict[Future[list[Run]], int] = {}
        try:
            for index, task in enumerate(tasks):
                futures[_submit(executor, *task)] = index
            for future in as_completed(futures):
                index = futures[future]
                error = future.exception()
                if error is None:
                    keep(index, future.result())
                else:  # of the executor: a worker died
                    keep(index, [_failed(one, error) for one in done[index]])
        finally:
            for future in futures:  # done ones do not mind; the others are not wanted any more
                future.cancel()
    return [one for runs in done for one in runs]


def _run_each(
    scene: Scenario, runs: Sequence[Run], added: Mapping[str, Any] | None = None
) -> list[Run]:
    """Run a scenario, each time with the seed of another run; a worker is told what was *added*."""
    own.restore(added or {})
    ran = []
    for one in runs:
        try:
            ran.append(replace(one, result=run(scene, replicate=one.replicate)))
        except Exception as error:  # whatever it is: the other runs go on
            ran.append(_failed(one, error))
    return ran


def _failed(one: Run, error: BaseException) -> Run:
    return replace(one, error=type(error).__name__, message=str(error))


def _submit(executor: Executor, scene: Scenario, runs: list[Run]) -> Future[list[Run]]:
    """Hand a task to an executor; one whose workers have died in the meantime fails its runs."""
    added = own.own()
    work = functools.partial(_run_each, added=added) if added else _run_each
    try:
        return executor.submit(work, scene, runs)
    except BrokenExecutor as error:
        future: Future[list[Run]] = Future()
        future.set_exception(error)
        return future
