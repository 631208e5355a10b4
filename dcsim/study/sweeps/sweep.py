"""Running a study: chunks of its runs go to an executor, their shards into a store.

Whoever runs them is any `concurrent.futures.Executor`; nothing here knows which. What is recorded
is never run again: a study that was killed, or is asked for anew with other values, goes on.
"""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

from dcsim.study.designs.design import Design
from dcsim.study.sweeps.driver import Driver
from dcsim.study.sweeps.progress import Watch
from dcsim.study.sweeps.store import Store
from dcsim.study.sweeps.swept import Sweep

if TYPE_CHECKING:
    import os


def sweep(
    design: Design,
    *,
    store: str | os.PathLike[str] | None = None,
    executor: Executor | Callable[[], Executor] | None = None,
    workers: int | None = None,
    progress: Watch | None = None,
    shard: tuple[int, int] = (1, 1),
    retry_failed: bool = False,
    stop: threading.Event | None = None,
) -> Sweep:
    """Run what of a study is not recorded in a store yet.

    Parameters
    ----------
    design
        The study.
    store
        Directory for its runs; made where it is missing, and shared with other studies at will.
        Default: one that is gone when the `Sweep` is.
    executor
        What runs them: any `concurrent.futures.Executor`, or a function that gives one, which is
        asked for another when it breaks. Its workers have to see the store. Default: one after
        another, in this process.
    workers
        How many runs it does at once; default: as it says, or else the CPUs of this machine.
    progress
        Called with a `SweepProgress` some times a second.
    shard
        Which part of the points, and of how many parts: ``(3, 10)`` is the third of ten. All parts
        together are the study, and may run at the same time on machines that share the store.
    retry_failed
        Run again what failed.
    stop
        Once it is set, runs under way are ended and recorded, and the rest is left for next time.

    Returns
    -------
    Sweep
        What is recorded of the study now.

    Raises
    ------
    ResultError
        If the store is something else.
    SimulationError
        If the executor broke and cannot be had anew, workers are of another version, or do not see
        the store.
    OSError
        If the disk is full, or fails: what was recorded before is safe.
    KeyboardInterrupt
        After Ctrl-C: what was done is recorded.
    """
    which, count = shard
    if not 1 <= which <= count:
        message = f"shard {which}/{count}: a part is from 1 to the number of parts"
        raise ValueError(message)
    place = None
    if store is None:
        place = tempfile.TemporaryDirectory(prefix="dcsim-", ignore_cleanup_errors=True)
        store = Path(place.name) / "store"
    try:
        driver = Driver(design, Store(store), executor, workers, progress, stop)
        driver.run(shard=shard, retry_failed=retry_failed)
    except BaseException:
        if place is not None:
            place.cleanup()
        raise
    if place is not None:  # it goes with the last that looks at the store
        weakref.finalize(driver.store, place.cleanup)
    return Sweep(driver.store, driver.name)
