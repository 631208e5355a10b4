"""Programs that run a study as `dcsim sweep` does, and print how many runs a second, as JSON.

``serial RUNS``, ``loky RUNS`` and ``dask RUNS`` run the same study: one run after the other, or on
`WORKERS` processes, of this machine's or of a Dask cluster on its loopback. All are warm: they
have run another study before, so that neither imports nor starts of processes count.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dcsim

WORKERS = 2
POINTS = 4
WARM = 6 * POINTS
"""Runs of the study before: some for each worker."""

Data = dict[str, Any]


def study(runs: int, *, seed: int) -> dcsim.Design:
    """Return a study of drains that take some 20 ms each, a quarter of them at each point."""
    import dcsim

    changes = {"hinting": "free-page-hint", "settle": "1min", "seed": seed}
    return dcsim.Design(
        dcsim.load("rack-drain").replace(changes),
        axes={"topology.uplink": f"40Gbit/s..100Gbit/s/{POINTS}"},
        replications=runs // POINTS,
    )


@contextmanager
def serial(folder: Path) -> Iterator[None]:
    """Provide this process."""
    yield None


@contextmanager
def loky(folder: Path) -> Iterator[Executor]:
    """Provide processes."""
    from dcsim.study.running import local_executor

    yield local_executor(WORKERS)


@contextmanager
def dask(folder: Path) -> Iterator[Executor]:
    """Provide a Dask cluster: a scheduler and workers of one thread, each a process."""
    from dcsim.study.sweeps.cluster import dask_executor
    from tests.dask_cluster import dask_cluster

    with (
        dask_cluster(folder, workers=WORKERS) as cluster,
        dask_executor(cluster.address, directory=folder) as executor,
    ):
        yield executor


EXECUTORS = {"serial": (serial, 1), "loky": (loky, WORKERS), "dask": (dask, WORKERS)}


def measure(name: str, runs: int) -> Data:
    """Return the runs a second, for each worker too, and what share of their time was runs."""
    from dcsim.study.sweeps.sweep import sweep

    provide, workers = EXECUTORS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "cluster"
        folder.mkdir()
        with provide(folder) as executor:
            sweep(study(WARM, seed=2), store=Path(place) / "warm", executor=executor)
            start = time.perf_counter()
            found = sweep(study(runs, seed=1), store=Path(place) / "store", executor=executor)
            spent = time.perf_counter() - start
        frame = found.frame(timing=True)
    assert len(frame) == runs // POINTS * POINTS
    assert set(frame["error"]) == {""}
    return {
        "runs_per_s": len(frame) / spent,
        "runs_per_worker_s": len(frame) / spent / workers,
        "run_s": frame["seconds"].median(),
        "busy": frame["seconds"].sum() / spent / workers,
    }


def main() -> None:
    """Run one of the programs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("executor", choices=EXECUTORS)
    parser.add_argument("runs", type=int)
    options = parser.parse_args()
    print(json.dumps(measure(options.executor, options.runs)))


if __name__ == "__main__":
    main()
