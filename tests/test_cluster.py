"""An existing Dask cluster as an executor: what is made sure of, what is said where it fails."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

import dcsim
from dcsim.errors import DcsimError
from dcsim.study.running import local_executor
from dcsim.study.sweeps import cluster
from tests.dask_cluster import dask_cluster

dask = pytest.importorskip("dask", reason="needs the extra 'distributed'")


def visit(address, **options):
    """Go there, and leave."""
    with cluster.dask_executor(address, **options):
        pass


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A cluster of two workers."""
    with dask_cluster(tmp_path_factory.mktemp("dask"), workers=2) as started:
        yield started


def test_runs_are_the_same_there(two, tmp_path):
    """Results of workers are those of this process, bit for bit; the directory is left empty."""
    told = []
    store = tmp_path / "new" / "store"
    scenario = dcsim.load("quick-start")
    with cluster.dask_executor(two.address, directory=store, tell=told.append) as executor:
        assert cluster.workers(executor) == 2
        assert executor.submit(os.getpid).result(30) in two.workers
        there = executor.submit(dcsim.run, scenario).result(30)
        same = {executor.submit(os.getpid).result(30) for _ in range(20)}
    assert there.equals(dcsim.run(scenario))
    assert same <= set(two.workers)
    assert told == []
    assert list(store.iterdir()) == []
    assert executor._client.status == "closed"


def test_a_scheduler_file_is_an_address(two):
    """What `dask scheduler --scheduler-file` writes names the scheduler."""
    with cluster.dask_executor(str(two.file)) as executor:
        assert cluster.workers(executor) == 2


def test_an_executor_of_ones_own_is_known(two, tmp_path):
    """A client's executor is checked and counted like ours; others have nothing to check."""
    from distributed import Client

    with Client(two.address, set_as_default=False) as client:
        executor = client.get_executor(pure=False)
        assert cluster.workers(executor) == 2
        assert cluster.check_versions(executor) == []
        cluster.check_directory(executor, tmp_path)
    local = local_executor(3)
    assert cluster.workers(local) == 3
    assert cluster.check_versions(local) == []
    cluster.check_directory(local, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_another_dcsim_is_an_error(two, monkeypatch):
    """It names the workers, and the scheduler, which unpickles what is sent."""
    monkeypatch.setattr(cluster, "code", lambda: "9.9+0123")
    with pytest.raises(DcsimError, match=r"dcsim: 0.* on .*; 9\.9\+0123 here") as caught:
        visit(two.address)
    named = str(caught.value).partition(" on ")[2].partition(";")[0].split(", ")
    assert [place.partition("1:")[0] for place in named] == [
        *2 * ["tcp://127.0.0."],
        "the scheduler",
    ]


@pytest.mark.parametrize(
    ("python", "fatal"), [("CPython 3.99.0", True), ("CPython {}.{}.99", False)]
)
def test_pythons_of_another_minor_version_are_an_error(two, monkeypatch, python, fatal):
    """One that differs in its last number is told, as is whatever else may change last bits."""
    here = {**cluster.versions(), "python": python.format(*sys.version_info), "numpy": "0.1"}
    monkeypatch.setattr(cluster, "versions", lambda: here)
    monkeypatch.setattr(cluster.kernel, "status", lambda: "asleep")
    told = []
    if fatal:
        with pytest.raises(DcsimError, match=r"python: CPython .* on .*; CPython 3\.99\.0 here"):
            visit(two.address, tell=told.append)
        return
    visit(two.address, tell=told.append)
    assert [sentence.partition(":")[0] for sentence in told] == [
        "python",
        "numpy",
        "compiled kernel",
    ]
    assert all("on tcp://127.0.0.1:" in one and one.endswith("here") for one in told)


def test_workers_without_dcsim_are_an_error(two, monkeypatch):
    """What cannot be imported there is said."""
    monkeypatch.setattr(cluster._here, "__module__", "dcsim.only_here")
    monkeypatch.setitem(sys.modules, "dcsim.only_here", cluster)
    with pytest.raises(DcsimError, match=r"cannot load it: .*No module named 'dcsim\.only_here'"):
        visit(two.address)


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="no /proc/self/cwd here")
def test_a_directory_of_this_process_alone_is_an_error(two, tmp_path, monkeypatch):
    """The same path is another directory for workers: they do not see what is written here."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DcsimError, match="not all workers share the directory") as caught:
        visit(two.address, directory="/proc/self/cwd")
    assert "No such file" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_shows_nothing_of_workers_is_an_error(two, tmp_path, monkeypatch):
    """Whoever reads what is written here has to write where it is seen here."""
    missing = pytest.raises(DcsimError, match="tcp://w: what it writes is not seen here")
    with cluster.dask_executor(two.address) as executor, missing:
        monkeypatch.setattr(cluster, "_ask", lambda *_: {"tcp://w": (".dcsim-elsewhere", "")})
        cluster.check_directory(executor, tmp_path)


def test_many_workers_are_not_all_named():
    """A message names three."""
    assert cluster._named(["d", "c", "b", "a"]) == "a, b, c and 1 more"
    assert cluster._named(["b", "a"]) == "a, b"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://127.0.0.1:1", "no Dask scheduler answers at tcp://127.0.0.1:1"),
        ("tcp://no-such-host.invalid:8786", "no Dask scheduler answers at tcp://no-such-host"),
        ("nowhere/scheduler.json", "no address of a Dask scheduler, such as .* scheduler file"),
        ("tpc://127.0.0.1:8786", "no address of a Dask scheduler, .*known schemes"),
        ("tls://127.0.0.1:8786", "needs certificates"),
    ],
)
def test_nobody_there(address, said):
    """Who does not answer, and what is no address, is said within the time given."""
    began = time.monotonic()
    with pytest.raises(DcsimError, match=said):
        visit(address, patience=0.5)
    assert time.monotonic() - began < 5


def test_no_workers(tmp_path):
    """A scheduler alone runs nothing."""
    none = pytest.raises(DcsimError, match=r"has no workers after 0\.5 s")
    with dask_cluster(tmp_path, workers=0) as started, none:
        visit(started.address, patience=0.5)


def test_dask_is_not_installed(monkeypatch):
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(DcsimError, match=r"pip install 'dcsim\[distributed\]'"):
        visit("tcp://127.0.0.1:1")


def test_what_dies(tmp_path, capfd):
    """Tasks of a worker that is killed are done by another; without a scheduler all are given up.

    What the driver of studies relies on. Nothing is printed besides.
    """
    with dask_cluster(tmp_path, workers=2) as started:
        with cluster.dask_executor(started.address) as executor:
            tasks = [executor.submit(time.sleep, 0.5) for _ in range(4)]
            time.sleep(0.2)
            os.kill(started.workers[0], signal.SIGKILL)
            assert [task.result(30) for task in tasks] == [None] * 4
            assert cluster.workers(executor) == 1
            task = executor.submit(time.sleep, 60)
            os.kill(started.scheduler, signal.SIGKILL)
            with pytest.raises(CancelledError):
                task.result(30)
        with pytest.raises(DcsimError, match="the Dask scheduler is gone"):
            cluster.workers(executor)
    assert capfd.readouterr() == ("", "")


def test_leaving_gives_up_what_waits(two, tmp_path):
    """A task that runs goes on to its end; those behind it are not begun."""
    with cluster.dask_executor(two.address) as executor:
        slow = [executor.submit(time.sleep, 0.5) for _ in range(2)]
        time.sleep(0.2)
        rest = [executor.submit((tmp_path / str(k)).mkdir) for k in range(4)]
    assert all(task.cancelled() for task in [*slow, *rest])
    time.sleep(0.7)
    assert list(tmp_path.iterdir()) == []


def test_certificates_come_from_dasks_configuration(tmp_path):
    """With them all is encrypted; without, or without TLS, nobody gets in. Two threads are told."""
    settings = certificates(tmp_path)
    asked = {"workers": 1, "threads": 2, "protocol": "tls", "settings": settings}
    told = []
    with dask_cluster(tmp_path, **asked) as started:
        assert started.address.startswith("tls://")
        with (
            dask.config.set(settings),
            cluster.dask_executor(started.address, tell=told.append) as executor,
        ):
            assert executor.submit(os.getpid).result(30) in started.workers
            assert cluster.workers(executor) == 2
        assert told == ["workers have several threads, of which one computes: --nthreads 1"]
        for address in (started.address, started.address.replace("tls", "tcp")):
            with pytest.raises(DcsimError, match=r"certificates"):
                visit(address, patience=1)


def certificates(folder: Path) -> dict[str, str]:
    """Make a certificate that vouches for itself; return how Dask is told of it."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    if openssl := shutil.which("openssl"):
        kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        usage = ("-days", "2", "-addext", "keyUsage=critical,digitalSignature,keyCertSign")
        files = ("-keyout", key, "-out", cert, "-subj", "/CN=dcsim")
        subprocess.run(
            [openssl, "req", "-x509", *kind, *usage, *files], check=True, capture_output=True
        )
    else:
        pytest.importorskip("cryptography", reason="makes certificates where openssl is missing")
        from distributed.security import Security

        made = Security.temporary()
        key.write_text(made.tls_client_key, encoding="utf-8")
        cert.write_text(made.tls_client_cert, encoding="utf-8")
    parts = [f"distributed.comm.tls.{who}" for who in ("scheduler", "worker", "client")]
    return {
        "distributed.comm.tls.ca-file": str(cert),
        **{f"{part}.cert": str(cert) for part in parts},
        **{f"{part}.key": str(key) for part in parts},
    }
