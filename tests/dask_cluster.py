"""A Dask cluster of real processes on this machine, which a test may kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Cluster:
    """Where a scheduler listens, the file that says so, and its processes."""

    address: str
    file: Path
    scheduler: int
    workers: tuple[int, ...]


@contextmanager
def dask_cluster(
    folder: Path,
    *,
    workers: int = 2,
    threads: int = 1,
    protocol: str = "tcp",
    settings: Mapping[str, str] | None = None,
) -> Iterator[Cluster]:
    """Start a scheduler and workers; end them whatever happens.

    If this process dies, the scheduler ends a minute after the last task, the workers soon after.

    Parameters
    ----------
    folder
        Empty; for what they write.
    workers, threads
        How many, and of each; no workers are legal.
    protocol
        "tcp" or "tls"; certificates come from the settings.
    settings
        Of Dask, such as "distributed.scheduler.allowed-failures", for all of them.
    """
    settings = settings or {}
    names = {key: f"DASK_{key}".upper().replace(".", "__").replace("-", "_") for key in settings}
    environment = {**os.environ, **{names[key]: value for key, value in settings.items()}}
    file = folder / "scheduler.json"
    host = ["--host", "127.0.0.1", "--protocol", protocol, "--no-dashboard"]
    started = []

    def start(name: str, *options: str) -> None:
        command: Sequence[str] = [sys.executable, "-m", f"distributed.cli.dask_{name}", *host]
        with (folder / f"{name}-{len(started)}.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [*command, "--scheduler-file", str(file), *options],
                    cwd=ROOT,
                    env=environment,
                    stdout=log,
                    stderr=log,
                )
            )

    try:
        start("scheduler", "--port", "0", "--idle-timeout", "60")
        for _ in range(workers):
            own = ("--no-nanny", "--memory-limit", "0", "--death-timeout", "60")
            start("worker", "--nthreads", str(threads), "--local-directory", str(folder), *own)
        address = _address(file, started[0])
        scheduler, *others = (process.pid for process in started)
        if workers:
            _wait(address, workers, settings)
        yield Cluster(address, file, scheduler, tuple(others))
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def _wait(address: str, workers: int, settings: Mapping[str, str]) -> None:
    """Wait until all workers have found the scheduler."""
    import dask
    from distributed import Client

    with dask.config.set(settings), Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=60)


def _address(file: Path, scheduler: subprocess.Popen[bytes], patience: float = 60) -> str:
    end = time.monotonic() + patience
    while time.monotonic() < end and scheduler.poll() is None:
        try:
            return str(json.loads(file.read_text(encoding="utf-8"))["address"])
        except (FileNotFoundError, ValueError):  # not yet, or not whole
            time.sleep(0.02)
    log = (file.parent / "scheduler-0.log").read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"no Dask scheduler: {log}")
