"""Studies for tests: small designs, their file, and the command line as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

import dcsim
from dcsim.records.tables import RUNS
from dcsim.study.designs.design import Design
from dcsim.study.sweeps.store import Store

SECONDS = 120
NOISE = {"guests[0].workload.load.noise": 0.5, "guests[0].workload.load.every": "1s"}
"""What makes runs of quick-start differ, and take some 10 ms."""
AXES = {
    "hinting": ["zero-page", "balloon-held"],
    "topology.host_link": ["1Gbit/s", "5Gbit/s", "10Gbit/s"],
}


def quick(**changes: Any):
    """Return quick-start, changed: `__` stands for a dot."""
    scenario = dcsim.load("quick-start")
    return scenario.replace({path.replace("__", "."): value for path, value in changes.items()})


def study(**options: Any) -> Design:
    """Return a study of six points by three replications, 18 runs, unless asked otherwise."""
    given = {"name": "small", "set": NOISE, "axes": AXES, "replications": 3}
    return Design(quick(), **(given | options))


FILE = """\
name: small
scenario: quick-start
set:
  guests[0].workload.load.noise: 0.5
  guests[0].workload.load.every: 1s
axes:
  hinting: [zero-page, balloon-held]
  topology.host_link: [1Gbit/s, 5Gbit/s, 10Gbit/s]
replications: 3
"""
"""The file of `study`."""
LONG_FILE = """\
name: long
scenario: quick-start
set:
  guests[0].workload.load.noise: 0.5
  guests[0].workload.load.every: 0.5s
axes:
  hinting: [zero-page, free-page-hint, balloon-held, clean-cache-hint]
  topology.host_link: 1Gbit/s..25Gbit/s/10
replications: 5
"""
"""200 runs of some 15 ms."""


def rows_of(store: Path, *columns: str) -> pd.DataFrame:
    """Return columns of all shards as anyone can read them, with the name of the shard."""
    shards = sorted((store / "runs").glob("*.parquet"))
    parts = [pd.read_parquet(path, columns=list(columns)) for path in shards]
    parts = [part.assign(shard=path.name) for part, path in zip(parts, shards, strict=True)]
    return (
        pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*columns, "shard"])
    )


def row(run: str, *, code: str, **values: Any) -> dict[str, Any]:
    """Return a row of a shard, made up."""
    kinds = {"text": "", "int": 0, "float": 0.0}
    return {c.name: kinds[c.kind] for c in RUNS.columns} | {"run": run, "code": code} | values


def shards(store: Path) -> set[str]:
    """Return the names of the shards there are."""
    return {path.name for path in Store(store, make=False).shards()}


def command(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    whole = [sys.executable, "-m", "dcsim", *map(str, arguments)]
    return subprocess.run(whole, capture_output=True, text=True, timeout=SECONDS, **options)


def begin(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    """Start the command line, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dcsim", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        **options,
    )  # fmt: skip


def members(session: int) -> list[int]:
    """Return the processes of a session, those that ended and were not waited for left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


def wait_until(true: Any, *, seconds: float = 30.0, what: str = "") -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end_s, what or f"{true} does not come true"
        time.sleep(0.02)


def session_gone(session: int, *, seconds: float = 30.0) -> None:
    """Wait until no process of a session is left."""
    wait_until(lambda: not members(session), seconds=seconds, what=f"{session} is still there")


def lost_nothing(store: Path) -> None:
    """Nothing is torn or half written, and whatever is in a shard can be read."""
    assert not list((store / ".partial").glob("torn-*"))
    rows_of(store, "run")


def json_of(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the JSON that a command has printed."""
    found = json.loads(ran.stdout)
    assert isinstance(found, dict)
    return found


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment, changed."""
    return {**os.environ, **changes}
