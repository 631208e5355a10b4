"""Studies on a real Dask cluster: the same figures as here, whatever happens to its workers."""

from __future__ import annotations

import os
import signal

import pandas as pd
import pytest

import dcsim
from dcsim.study.sweeps.cluster import dask_executor
from dcsim.study.sweeps.progress import SweepProgress
from tests.dask_cluster import dask_cluster

pytest.importorskip("distributed", reason="the extra dcsim[distributed]")

NOISE = {"guests[0].workload.load.noise": 0.5, "guests[0].workload.load.every": "200ms"}


def design() -> dcsim.Design:
    """120 runs of some 10 ms."""
    return dcsim.Design(
        dcsim.load("quick-start"),
        set=NOISE,
        axes={
            "hinting": ["zero-page", "balloon-held"],
            "topology.host_link": "1Gbit/s..10Gbit/s/12",
        },
        replications=5,
    )


@pytest.fixture(scope="module")
def serial() -> pd.DataFrame:
    """The frame of the study, run in this process."""
    return dcsim.sweep(design()).frame()


def test_a_worker_that_is_killed_changes_nothing(tmp_path, serial):
    """Killed in the middle: its runs are done again by the other one, and all figures are the same.

    Two real workers, one of which is killed without a chance to say so.
    """
    (tmp_path / "dask").mkdir()
    with (
        dask_cluster(tmp_path / "dask", workers=2) as cluster,
        dask_executor(cluster.address) as executor,
    ):
        killed_at: list[int] = []

        def watch(at: SweepProgress) -> None:
            if at.stage == "runs" and not killed_at and 10 <= at.done < at.total:
                killed_at.append(at.done)
                os.kill(cluster.workers[0], signal.SIGKILL)

        found = dcsim.sweep(design(), store=tmp_path / "store", executor=executor, progress=watch)
        assert killed_at, "the study was over before a worker could be killed"
        assert killed_at[0] < 110
    pd.testing.assert_frame_equal(found.frame(), serial, check_exact=True)
    assert found.frame(timing=True)["worker"].nunique() >= 2


def test_a_task_that_a_lost_worker_had_may_be_told_as_lost(tmp_path, serial):
    """Where Dask is told to try nothing again, the study does."""
    (tmp_path / "dask").mkdir()
    settings = {"distributed.scheduler.allowed-failures": "0"}
    with (
        dask_cluster(tmp_path / "dask", workers=2, settings=settings) as cluster,
        dask_executor(cluster.address) as executor,
    ):
        killed: list[int] = []

        def watch(at: SweepProgress) -> None:
            if at.stage == "runs" and not killed and 10 <= at.done < at.total:
                killed.append(at.done)
                os.kill(cluster.workers[1], signal.SIGKILL)

        found = dcsim.sweep(design(), store=tmp_path / "store", executor=executor, progress=watch)
        assert killed
    pd.testing.assert_frame_equal(found.frame(), serial, check_exact=True)
