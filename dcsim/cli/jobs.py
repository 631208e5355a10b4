"""Processes that run a study or a plan, and the options that say which."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from concurrent.futures import Executor

Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", metavar="N", min=1, help="Processes; unset: one a CPU."),
]


@contextmanager
def executor_of(jobs: int | None) -> Iterator[Executor | None]:
    """Provide what runs a study; no process of it is left behind when it is interrupted."""
    with pool_of(jobs) as pool:
        yield pool and pool()


@contextmanager
def pool_of(jobs: int | None) -> Iterator[Callable[[], Executor] | None]:
    """Provide a function that gives what runs a study, and another one when that has broken."""
    if (jobs or os.cpu_count()) == 1:
        yield None
        return
    from dcsim.study.running import local_executor

    latest: list[Any] = []

    def renew() -> Executor:
        # Workers inherit it from their start on: Ctrl-C is for this process, which ends them.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            executor = local_executor(jobs)
            executor.submit(int)
        finally:
            signal.signal(signal.SIGINT, handler)
        latest[:] = [executor]
        return executor

    try:
        yield renew
    except BaseException:
        logging.disable()  # loky would log that runs which are cancelled cannot be failed, too
        raise
    finally:
        for executor in latest:
            executor.shutdown(kill_workers=True)
        logging.disable(logging.NOTSET)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Take SIGTERM, which schedulers of clusters send before they kill, for a Ctrl-C."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    handler = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
