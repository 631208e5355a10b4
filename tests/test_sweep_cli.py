"""`dcsim sweep`: what it says, how it ends, and that others can read what it writes meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from dcsim.records import store as files
from dcsim.study.designs.design import Design
from dcsim.study.sweeps.dry import estimate
from dcsim.study.sweeps.store import Store
from dcsim.study.sweeps.sweep import sweep
from dcsim.study.sweeps.swept import Sweep
from tests.studies_data import (
    FILE,
    LONG_FILE,
    SECONDS,
    begin,
    command,
    json_of,
    lost_nothing,
    rows_of,
    session_gone,
    shards,
    study,
    wait_until,
)

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")


@pytest.fixture
def file(tmp_path):
    """The file of a small study."""
    path = tmp_path / "small.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


@pytest.fixture
def long(tmp_path):
    """The file of a study of many runs."""
    path = tmp_path / "long.yaml"
    path.write_text(LONG_FILE.replace("0.5s", "0.1s"), encoding="utf-8")
    return path


# --------------------------------------------------------------------------- what it says


def test_a_study_is_run_and_told(file, tmp_path):
    """Its store has its name; the same command again runs nothing."""
    ran = command("sweep", file, "--jobs", "2", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "small-store" in ran.stdout
    store = tmp_path / "small-store"
    before = shards(store)
    frame = Sweep.open(store).frame()
    pd.testing.assert_frame_equal(frame, sweep(study()).frame())
    again = command("sweep", file, "--jobs", "1", "--json", cwd=tmp_path)
    assert json_of(again) == {
        "schema_version": 1,
        "study": "small",
        "name": Store(store).studies[0],
        "store": "small-store",
        "points": 6,
        "recorded": 18,
        "failed": 0,
    }
    assert shards(store) == before


def test_a_dry_run_counts_and_writes_nothing(file, tmp_path):
    """Points, runs, those recorded; times are of a few that were run."""
    ran = command("sweep", file, "-o", "store", "--dry-run", "--json", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    told = json_of(ran)
    assert {key: told[key] for key in ("points", "illegal", "runs", "recorded", "left")} == {
        "points": 6, "illegal": 0, "runs": 18, "recorded": 0, "left": 18,
    }  # fmt: skip
    assert told["jobs"] == os.cpu_count()
    assert 0 < len(told["seconds"]) <= 12
    mean = sum(told["seconds"]) / len(told["seconds"])
    assert told["estimated_s"] == pytest.approx(mean * 18 / told["jobs"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.yaml"]
    words = command("sweep", file, "-o", "store", "--dry-run", "--jobs", "1", cwd=tmp_path).stdout
    assert re.match(r"small: 6 points, 18 runs: about .* on one process\. .* a run, from", words)


def test_an_estimate_knows_what_is_recorded(tmp_path):
    """And what is no legal scenario, and which part is meant; the store stays as it is."""
    store = tmp_path / "store"
    sweep(study(replications=1), store=store)
    before = sorted(store.rglob("*"))
    found = estimate(study(), store=Store(store))
    assert (found.points, found.runs, found.recorded, found.left) == (6, 18, 6, 12)
    parts = [estimate(study(), store=Store(store), shard=(i, 3)) for i in (1, 2, 3)]
    assert sum(part.runs for part in parts) == 18
    assert sum(part.recorded for part in parts) == 6
    done = estimate(study(replications=1), store=Store(store))
    assert (done.left, done.seconds, done.each_s) == (0, (), 0.0)
    assert done.words(jobs=3).endswith("6 of them recorded: nothing is left to run.")
    axes = {"topology.host.memory": ["8GiB", "64GiB"], "guests[0].memory": ["2GiB", "32GiB"]}
    some = estimate(study(axes=axes, replications=2))
    assert (some.points, some.illegal, some.runs) == (4, 1, 7)
    assert "1 point is no legal scenario: it fails" in some.words(jobs=1)
    assert sorted(store.rglob("*")) == before


def test_an_estimate_knows_what_is_to_be_run_again(tmp_path):
    """What failed, if it is asked to: of its own limits too."""
    short = study(replications=1, limits={"time": "1us"})
    sweep(short, store=tmp_path / "store")
    store = Store(tmp_path / "store")
    assert estimate(short, store=store).left == 0
    assert estimate(short, store=store, retry_failed=True).left == 6
    assert estimate(study(replications=1), store=store).left == 6


def test_a_scenario_and_axes_are_a_study(tmp_path):
    """`--vary`, `--set`, `--seed` and `--replications` say all."""
    ran = command(
        "sweep", "quick-start", "-o", "store", "--jobs", "1", "--json",
        "--vary", "hinting=zero-page,balloon-held", "--vary", "guests[0].memory=1GiB..4GiB/3",
        "--set", "guests[0].workload.load.noise=0.5", "--seed", "7", "--replications", "2",
        cwd=tmp_path,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json_of(ran)["recorded"] == 12
    found = Sweep.open(tmp_path / "store")
    assert found.design.scenario.seed == 7
    assert found.design.paths == ("hinting", "guests[0].memory")
    assert list(found.frame()["guests[0].memory"].unique()) == ["1GiB", "2GiB", "4GiB"]


def test_an_axis_of_a_study_is_replaced(file, tmp_path):
    """In its place, with all that is recorded and still matches kept."""
    command("sweep", file, "-o", "store", "--jobs", "1", cwd=tmp_path)
    before = set(rows_of(tmp_path / "store", "run")["run"])
    ran = command(
        "sweep", file, "-o", "store", "--jobs", "1", "--json", "--vary",
        "hinting=balloon-held,clean-cache-hint", cwd=tmp_path,
    )  # fmt: skip
    assert json_of(ran)["recorded"] == 18
    assert len(set(rows_of(tmp_path / "store", "run")["run"]) - before) == 9
    assert Sweep.open(tmp_path / "store").design.paths == ("hinting", "topology.host_link")


def test_replications_until_a_metric_is_known(file, tmp_path):
    """The same rule on the command line and in Python."""
    ran = command(
        "sweep", file, "-o", "store", "--jobs", "2", "--json", "--until-ci", "10%", "--metric",
        "lost_work_s", cwd=tmp_path,
    )  # fmt: skip
    rule = {"metric": "lost_work_s", "within": "10%"}
    pd.testing.assert_frame_equal(
        Sweep.open(tmp_path / "store").frame(), sweep(study(replications=rule)).frame()
    )
    assert json_of(ran)["recorded"] >= 30


def test_failed_runs_are_told_and_are_exit_code_4(tmp_path):
    """Five of them, and how many more."""
    (tmp_path / "bad.yaml").write_text(
        "scenario: quick-start\naxes:\n"
        "  topology.host.memory: [3GiB, 4GiB, 5GiB, 6GiB, 7GiB, 8GiB, 64GiB]\n"
        "  guests[0].memory: [2GiB, 32GiB]\n"
    )
    ran = command("sweep", "bad.yaml", "-o", "store", "--jobs", "1", "--json", cwd=tmp_path)
    assert ran.returncode == 4
    assert json_of(ran)["failed"] == 6
    told = ran.stderr.splitlines()
    assert len([line for line in told if re.match(r"run \w+ failed: ScenarioError: ", line)]) == 5
    assert told[-1] == "1 more failed"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--shard", "4/3"], "'4/3' is no part of a study: the third of ten is 3/10"),
        (["--shard", "0/3"], "is no part"),
        (["--shard", "x"], "is no part"),
        (["--vary", "hinting=zero-page", "--vary", "hinting=balloon-held"], "is given twice"),
        (["--vary", "hinting"], "is no path=values; write it like"),
        (["--metric", "lost_work_s"], "is the metric of --until-ci"),
        (["--until-ci", "2%", "--replications", "3"], "give --replications or --until-ci"),
        (["--until-ci", "2%", "--metric", "lost_wrk_s"], "did you mean 'lost_work_s'?"),
        (["--until-ci", "much"], "within"),
        (["--jobs", "2", "--dask", "tcp://127.0.0.1:1"], "Dask has its own workers"),
        (["--jobs", "0"], "--jobs"),
        (["--replications", "0"], "--replications"),
        (["--set", "hinting=zero-page"], "--vary hinting=VALUES takes the place of its axis"),
        (["--set", "topology.host_lnk=1Gbit/s"], "did you mean"),
        (["--vary", "hintng=zero-page"], "did you mean 'hinting'?"),
        (["--vary", "topology.host_link=9Gbit/s..1Gbit/s"], "does not rise"),
    ],
)
def test_what_makes_no_sense_is_exit_code_2(file, tmp_path, options, told):
    """With what to write instead; nothing is run."""
    ran = command("sweep", file, "-o", "store", *options, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert told in re.sub(r"[\s│]+", " ", ran.stderr)
    assert not list(tmp_path.glob("store/runs"))


def test_a_scenario_alone_is_no_study(tmp_path):
    """It says what is missing."""
    ran = command("sweep", "quick-start", cwd=tmp_path)
    assert ran.returncode == 2
    assert "--vary says what is varied" in re.sub(r"[\s│]+", " ", ran.stderr)
    ran = command("sweep", "seed-questoin", cwd=tmp_path)
    assert ran.returncode == 2
    assert not list(tmp_path.iterdir())


def test_a_directory_of_something_else_is_left_alone(file, tmp_path):
    """Exit code 1, and it is as it was."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.tex").touch()
    ran = command("sweep", file, "-o", "store", cwd=tmp_path)
    assert ran.returncode == 1
    assert "holds something else" in ran.stderr
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["thesis.tex"]


# --------------------------------------------------------------------------- how it ends


@linux
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_the_same_command_goes_on(long, tmp_path, jobs, number):
    """Exit code 130; what was done is there, nobody is left behind, and it says how to go on."""
    store = tmp_path / "store"
    options = ["sweep", long, "-o", store, "--jobs", jobs, "--no-progress"]
    process = begin(*options)
    wait_until(lambda: list((store / "runs").glob("*.parquet")))
    os.kill(process.pid, number)
    out, told = process.communicate(timeout=20)
    assert process.returncode == 130, told
    assert out == ""
    assert "Traceback" not in told
    lines = told.splitlines()
    assert lines[0].startswith(f"What is done is recorded in {store}: the same command goes on")
    assert lines[-1] == "interrupted"
    session_gone(process.pid, seconds=5)
    lost_nothing(store)
    assert not list((store / ".partial").iterdir())
    rows = rows_of(store, "run", "error")
    assert 0 < len(rows) < 200
    assert set(rows["error"]) == {""}
    assert not rows["run"].duplicated().any()
    before = shards(store)
    again = command("sweep", long, "-o", store, "--dry-run", "--json")
    assert json_of(again)["recorded"] == len(rows)
    assert shards(store) == before


def test_a_signal_before_anything_ran(file, tmp_path):
    """While scenarios are made, it ends as well."""
    many = tmp_path / "many.yaml"
    many.write_text(
        "scenario: quick-start\naxes:\n  topology.host_link: 1Gbit/s..25Gbit/s/500\n"
        "  guests[0].memory: 1GiB..4GiB/100\n"
    )
    process = begin("sweep", many, "-o", tmp_path / "store", "--jobs", "2")
    wait_until(lambda: list(tmp_path.glob("store/studies/*")))
    os.kill(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in told


# --------------------------------------------------------------------------- a full disk


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, check=False
    ) if shutil.which("mount") else None  # fmt: skip
    if made is None or made.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@linux
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_full_disk_is_an_error_and_nothing_is_torn(small_disk, tmp_path, jobs):
    """Exit code 1; what was recorded stays, and with room the same command goes on."""
    store, ballast, long = small_disk / "store", small_disk / "ballast", tmp_path / "long.yaml"
    long.write_text(LONG_FILE, encoding="utf-8")
    room = os.statvfs(small_disk)
    ballast.write_bytes(b"x" * (room.f_bavail * room.f_frsize - 300_000))
    ran = command("sweep", long, "-o", store, "--jobs", jobs, "--no-progress")
    assert ran.returncode == 1, (ran.stdout, ran.stderr)
    assert os.strerror(errno.ENOSPC) in ran.stderr
    assert "Traceback" not in ran.stderr
    lost_nothing(store)
    assert not [path for path in (store / ".partial").iterdir() if path.stat().st_size]
    before = rows_of(store, "run")
    assert 0 < before["run"].nunique() < 200
    ballast.unlink()
    place = small_disk.parent / "roomy"
    shutil.copytree(store, place)  # a shard of few runs takes much more room than its share
    ran = command("sweep", long, "-o", place, "--jobs", jobs, "--no-progress", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json_of(ran)["recorded"] == 200
    after = rows_of(place, "run")
    assert not after["run"].duplicated().any()
    assert set(before["shard"]) <= set(after["shard"])


@pytest.mark.parametrize("at", ["while it is written", "as it is finished"])
def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch, at):
    """Some shards are written, then there is no room; then there is again."""
    store, design, count = tmp_path / "store", study(replications=8), 0
    write, to_disk = files.write_table, files.to_disk

    def full(path, *arguments):
        nonlocal count
        count += path.parent.name == ".partial" and path.name.endswith("parquet")
        if count > 3:
            if at == "while it is written":
                path.write_bytes(b"PAR1 and no more")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return (write if arguments else to_disk)(path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_table" if at == "while it is written" else "to_disk", full)
        with pytest.raises(OSError, match="No space left"):
            sweep(design, store=store)
    assert not list((store / ".partial").iterdir())
    before = rows_of(store, "run")
    assert 0 < len(before) < 48
    assert len(sweep(design, store=store).frame()) == 48
    assert not rows_of(store, "run")["run"].duplicated().any()


# --------------------------------------------------------------------------- who looks meanwhile


@linux
def test_others_read_a_store_while_it_is_written(tmp_path):
    """pandas, polars and DuckDB, with their own means, again and again, and never an error."""
    long = tmp_path / "long.yaml"
    long.write_text(LONG_FILE.replace("replications: 5", "replications: 8"), encoding="utf-8")
    polars, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    store = tmp_path / "store"
    process = begin("sweep", long, "-o", store, "--jobs", "2", "--no-progress")
    wait_until(lambda: list((store / "runs").glob("*.parquet")))
    seen = []
    try:
        while not seen or process.poll() is None:
            points = pd.read_parquet(store / "points")
            whole = pd.read_parquet(store / "runs").merge(points, on="digest")
            assert whole["hinting"].notna().all()
            lazy = polars.scan_parquet(store / "runs" / "*.parquet")
            other = polars.read_parquet(store / "points" / "*.parquet")
            counted = lazy.collect().join(other, on="digest").height
            text = (
                f"select count(*) from '{store}/runs/*.parquet' "
                f"join '{store}/points/*.parquet' using (digest)"
            )
            ((third,),) = duckdb.sql(text).fetchall()
            assert len(whole) <= counted <= third
            assert len(Sweep.open(store).frame(metrics=["lost_work_s"])) >= third
            seen.append(third)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert len(Sweep.open(store).frame()) == 320
    columns = pd.read_parquet(store / "points").columns
    assert {"point", "digest", "hinting", "topology.host_link"} <= set(columns)


@linux
def test_parts_may_begin_together_in_a_new_store(file, tmp_path):
    """As jobs of an array do."""
    parts = [
        begin("sweep", file, "-o", tmp_path / "store", "--shard", f"{i}/4", "--jobs", "1")
        for i in range(1, 5)
    ]
    told = [part.communicate(timeout=SECONDS) for part in parts]
    assert [part.returncode for part in parts] == [0] * 4, told
    rows = rows_of(tmp_path / "store", "run")
    assert len(rows) == rows["run"].nunique() == 18
    pd.testing.assert_frame_equal(
        Sweep.open(tmp_path / "store").frame(), sweep(Design.load(file)).frame()
    )
