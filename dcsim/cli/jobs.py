"""Processes that run a study or a plan, and the option that says how many."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
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
    if (jobs or os.cpu_count()) == 1:
        yield None
        return
    from dcsim.study.running import local_executor

    # Workers inherit it from their start on: Ctrl-C is for this process, which ends them.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        executor: Any = local_executor(jobs)
        executor.submit(int)
    finally:
        signal.signal(signal.SIGINT, handler)
    try:
        yield executor
    except BaseException:
        logging.disable()  # loky would log that runs which are cancelled cannot be failed, too
        raise
    finally:
        executor.shutdown(kill_workers=True)
        logging.disable(logging.NOTSET)
