"""Sweeps that are killed at any moment lose nothing that is recorded, and do nothing twice."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from dcsim.study.designs.design import Design
from dcsim.study.sweeps.sweep import sweep
from tests.studies_data import (
    LONG_FILE,
    begin,
    members,
    rows_of,
    session_gone,
    shards,
)

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
KILLS = 20
RUNS = 200
AS_THEY_ARE = {"kind": "stable", "ignore_index": True}


def workers_of(session: int) -> list[int]:
    """Return the workers among the processes of a session."""
    found = []
    for process in members(session):
        try:
            said = Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            continue
        if b"popen_loky" in said:
            found.append(process)
    return found


def kill(process: int) -> None:
    """End a process as the kernel does when memory is out."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def idle(session: int) -> None:
    """Wait until the processes of a session have nothing to do."""

    def ticks() -> list[str]:
        found = []
        for process in members(session):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                found.append(f"{process} {fields[11]} {fields[12]}")
        return found

    last: list[str] | None = None
    while (now := ticks()) != last:
        last = now
        time.sleep(0.2)


class Killer:
    """One study through the command line, killed again and again; what was seen of it."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.file, self.store, self.chance = folder / "long.yaml", folder / "store", chance
        self.file.write_text(LONG_FILE, encoding="utf-8")
        self.kills = self.middle = self.sessions = 0
        self._read: dict[str, pd.DataFrame] = {}

    def seen(self) -> pd.DataFrame:
        """Read every file as soon as it is there: none may be torn at any moment."""
        for path in (self.store / "runs").glob("*"):
            if path.name not in self._read:
                found = pd.read_parquet(path)[["run", "error"]]
                self._read[path.name] = found.assign(shard=path.name)
        none = pd.DataFrame({"run": [], "error": [], "shard": []})
        return pd.concat(self._read.values(), ignore_index=True) if self._read else none

    def session(self, *, most: int) -> bool:
        """Run it, and kill a worker, or all of it, some time after some shards; True where done."""
        self.sessions += 1
        before = self.seen()
        process = begin(
            "sweep", self.file, "-o", self.store, "--jobs", "2", "--no-progress", "--json"
        )
        victims = self.chance.choice([["parent"], ["worker", "parent"]])[:most]
        for victim in victims:
            self._wait(process, len(set(self.seen()["shard"])))
            if process.poll() is not None:
                break
            recorded = self.seen()["run"].nunique()
            if victim == "parent":
                kill(process.pid)
            elif there := workers_of(process.pid):
                kill(self.chance.choice(there))
            self.kills += 1
            self.middle += 0 < recorded < RUNS
        while process.poll() is None:
            self.seen()
            time.sleep(0.02)
        if self.chance.random() < 0.5:
            idle(process.pid)  # a worker ends the run that it is at, and records it
        for orphan in members(process.pid):  # else loky's wait some 40 s for work
            kill(orphan)
        process.communicate()
        session_gone(process.pid)
        after = self.seen()
        fresh = after[~after["shard"].isin(before["shard"])]
        assert set(before["run"]) <= set(after["run"])
        assert set(before["shard"]) <= set(after["shard"])
        assert not set(fresh["run"]) & set(before["run"])
        assert process.returncode in (0, -signal.SIGKILL)
        return process.returncode == 0

    def _wait(self, process: subprocess.Popen[str], shards_before: int) -> None:
        """Wait for some more shards, and then a little."""
        more = self.chance.choice([0, 1, 1, 2, 3])
        while process.poll() is None and len(set(self.seen()["shard"])) < shards_before + more:
            time.sleep(0.01)
        end_s = time.monotonic() + self.chance.uniform(0.0, 0.2)
        while time.monotonic() < end_s:
            self.seen()
            time.sleep(0.01)


@linux
@pytest.mark.slow
def test_what_is_killed_goes_on(tmp_path):
    """At 20 moments drawn by chance, parents and workers; a study that is done begins anew."""
    chance, kills, middle = random.Random(20), 0, 0
    undisturbed = sweep(Design.load(_file(tmp_path))).frame()
    while kills < KILLS:
        folder = tmp_path / str(kills)
        folder.mkdir()
        killer = Killer(folder, chance)
        while not killer.session(most=KILLS - kills - killer.kills):
            pass
        kills, middle = kills + killer.kills, middle + killer.middle
        rows = rows_of(killer.store, "run", "error")
        pd.testing.assert_frame_equal(rows, killer.seen().sort_values("shard", **AS_THEY_ARE))
        assert rows["run"].nunique() == RUNS
        assert set(rows["error"]) == {""}
        again = sweep(Design.load(killer.file), store=killer.store)
        assert shards(killer.store) == set(rows["shard"])
        pd.testing.assert_frame_equal(again.frame(), undisturbed)
        print(f"{killer.sessions} sessions, {killer.kills} kills, {killer.middle} in the middle")
        shutil.rmtree(folder)
    assert middle >= 5


def _file(folder: Path) -> Path:
    path = folder / "long.yaml"
    path.write_text(LONG_FILE, encoding="utf-8")
    return path
