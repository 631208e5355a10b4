"""A study that runs in the background: looked at while it runs, and ended when it is enough."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Literal

from dcsim.study.designs.design import Design
from dcsim.study.sweeps.progress import SweepProgress
from dcsim.study.sweeps.store import Store
from dcsim.study.sweeps.sweep import sweep
from dcsim.study.sweeps.swept import Sweep

State = Literal["running", "ending", "done", "cancelled", "failed"]


class Running:
    """A study that runs in a thread of its own, once it is told to `start`.

    Parameters
    ----------
    design
        The study.
    store
        Directory for its runs, from which the same study goes on.
    executor
        As `sweep` takes it. Default: processes of its own, which no interrupt of this one reaches.
    workers
        How many runs it does at once; default: as the executor says, or the CPUs of this machine.
    retry_failed
        Run again what failed.
    told
        Called with this, in that thread, whenever something has changed.

    Attributes
    ----------
    progress : SweepProgress or None
        How far it is; None before it has said so.
    error : BaseException or None
        What ended it, if it failed.

    Raises
    ------
    ResultError
        If the store is something else.
    """

    def __init__(
        self,
        design: Design,
        *,
        store: str | os.PathLike[str],
        executor: Executor | Callable[[], Executor] | None = None,
        workers: int | None = None,
        retry_failed: bool = False,
        told: Callable[[Running], object] | None = None,
    ) -> None:
        self.design = design
        self.progress: SweepProgress | None = None
        self.error: BaseException | None = None
        self._store = Store(store)
        self._name = self._store.put_study(design)
        self._executor = executor
        self._workers = workers
        self._retry_failed = retry_failed
        self._told = told
        self._stop = threading.Event()
        self._points_known = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dcsim-sweep", daemon=True)

    def start(self) -> None:
        """Begin, and return at once."""
        self._thread.start()

    # ----------------------------------------------------------------- while it runs

    def cancel(self) -> None:
        """End it: runs under way are ended and recorded, the rest is left for next time."""
        self._stop.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, so many seconds at most; return whether it has."""
        self._thread.join(timeout)
        return self.done

    @property
    def done(self) -> bool:
        """Whether it has ended, for whatever reason."""
        return self._ended.is_set()

    @property
    def state(self) -> State:
        """What it is at; ``ending`` is one that was cancelled while its last runs are under way."""
        if not self.done:
            return "ending" if self._stop.is_set() else "running"
        if self.error is not None:
            return "failed"
        at = self.progress
        return "done" if at is not None and at.stage == "runs" and not at.left else "cancelled"

    @cached_property
    def sweep(self) -> Sweep:
        """What is recorded of it, also while it runs; it waits until the points are known."""
        self._points_known.wait()
        return Sweep(self._store, self._name)

    def result(self) -> Sweep:
        """Wait until it has ended, and return what is recorded of it.

        Raises
        ------
        BaseException
            What ended it, if it failed.
        """
        self.wait()
        if self.error is not None:
            raise self.error
        return self.sweep

    def __repr__(self) -> str:
        """Say how far it is, in one line."""
        at = self.progress
        far = f": {at.done:,} of {at.total:,} {at.stage}" if at else ""
        return f"<{self.design.name} in {self._store.directory}, {self.state}{far}>"

    # ----------------------------------------------------------------- in the thread

    def _run(self) -> None:
        try:
            with self._processes() as processes:
                sweep(
                    self.design,
                    store=self._store.directory,
                    executor=self._executor or processes,
                    workers=self._workers,
                    progress=self._tell,
                    retry_failed=self._retry_failed,
                    stop=self._stop,
                )
        except KeyboardInterrupt:  # it may also have reached somebody else's workers
            self._stop.set()
        except BaseException as error:  # whatever it is: `result` raises it
            self.error = error
        finally:
            self._points_known.set()
            self._ended.set()
            self._say()

    def _tell(self, at: SweepProgress) -> None:
        self.progress = at
        if at.stage == "runs":
            self._points_known.set()
        self._say()
        if at.stage == "points" and self._stop.is_set():
            raise KeyboardInterrupt  # nothing runs that could be ended

    def _say(self) -> None:
        if self._told is not None:
            self._told(self)

    @contextmanager
    def _processes(self) -> Iterator[Callable[[], Executor]]:
        """Provide a function that gives an executor, and another one when that has broken."""
        latest: list[Any] = []

        def renew() -> Executor:
            import loky

            # What interrupts a cell of a notebook is sent to all processes that it has.
            ignore = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
            latest[:] = [loky.ProcessPoolExecutor(self._workers, **ignore)]
            latest[0].submit(int)
            # At its end the interpreter waits for what loky runs, before it calls `atexit`: what
            # is registered here, after loky's own, comes first.
            threading._register_atexit(self._stop.set)  # type: ignore[attr-defined]
            pool: Executor = latest[0]
            return pool

        try:
            yield renew
        finally:
            for pool in latest:
                pool.shutdown(kill_workers=True)
