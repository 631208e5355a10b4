"""The store of studies: whole files or none, and nothing that others put there does harm."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.errors import ResultError, ScenarioError
from dcsim.records import store as files
from dcsim.records.tables import RUNS, SUMMARY
from dcsim.study.sweeps import store as module
from dcsim.study.sweeps.code import code
from dcsim.study.sweeps.dry import estimate
from dcsim.study.sweeps.points import points_of
from dcsim.study.sweeps.reading import recorded, row_of
from dcsim.study.sweeps.store import Store
from dcsim.study.sweeps.sweep import sweep
from dcsim.study.sweeps.swept import Sweep
from tests.studies_data import NOISE, quick, row, rows_of, shards, study


@pytest.fixture
def swept(tmp_path):
    """A store of a study of 18 runs, and its frame."""
    found = sweep(study(), store=tmp_path / "store")
    return tmp_path / "store", found.frame()


def same_again(store: Path, frame: pd.DataFrame) -> None:
    """The study is whole, or is made whole again."""
    pd.testing.assert_frame_equal(sweep(study(), store=store).frame(), frame)


# --------------------------------------------------------------------------- what it is


def test_a_store_is_what_it_says(swept):
    """Every file has its place, rows their columns, columns their units and meanings."""
    store, frame = swept
    assert sorted(path.name for path in store.iterdir()) == [
        ".partial", "points", "runs", "store.json", "studies",
    ]  # fmt: skip
    assert not list((store / ".partial").iterdir())
    for shard in (store / "runs").iterdir():
        schema = pq.read_schema(shard)
        assert schema.names == list(RUNS.names)
        assert [schema.field(c.name).metadata[b"unit"].decode() for c in RUNS.columns] == [
            c.unit for c in RUNS.columns
        ]
    rows = rows_of(store, "run", "digest", "code", "study", "tables", "worker", "seconds")
    assert set(rows["code"]) == {code()}
    assert set(rows["study"]) == set(Store(store).studies)
    assert set(rows["tables"]) == {""}
    assert rows["worker"].str.endswith(f":{os.getpid()}").all()
    assert rows["seconds"].between(0, 10).all()
    assert sorted(rows["run"]) == sorted(frame["run"])


def test_a_store_can_be_moved(swept, tmp_path):
    """Nothing in it knows where it is."""
    store, frame = swept
    store.rename(tmp_path / "elsewhere")
    before = shards(tmp_path / "elsewhere")
    same_again(tmp_path / "elsewhere", frame)
    assert shards(tmp_path / "elsewhere") == before


def test_a_study_is_found_again(swept):
    """As it was asked, by its name or the beginning of it."""
    store, _ = swept
    design = study()
    (name,) = Store(store).studies
    assert name == f"small-{design.digest[:12]}"
    assert Store(store).design(name).digest == design.digest
    assert Sweep.open(store, study="sma").name == name
    with pytest.raises(ResultError, match=r"no such study; there are small-"):
        Sweep.open(store, study="large")


def test_the_latest_study_comes_last(tmp_path):
    """Of those that were asked."""
    for name in ("first", "second", "third"):
        sweep(study(name=name, replications=1), store=tmp_path / "store")
        time.sleep(0.01)
    names = Store(tmp_path / "store").studies
    assert [name.split("-")[0] for name in names] == ["first", "second", "third"]
    assert Sweep.open(tmp_path / "store").design.name == "third"


def test_names_of_studies_are_no_paths(tmp_path):
    """However they are called, they stay in the store."""
    for name in ("../../etc/passwd", "/", "..", "ü" * 200, "a\nb", "CON"):
        sweep(study(name=name, replications=1), store=tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert len(Store(tmp_path / "store").studies) == 6
    for name in ("../x", "/etc/passwd", "", "a/b", "\0", "x" * 500):
        with pytest.raises(ResultError):
            Store(tmp_path / "store").asked(name)


# --------------------------------------------------------------------------- making one


def test_what_is_something_else_is_left_alone(tmp_path):
    """A file, or a directory that holds anything."""
    (tmp_path / "file").touch()
    with pytest.raises(ResultError, match="holds something else"):
        Store(tmp_path / "file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "runs").mkdir()
    with pytest.raises(ResultError, match="holds something else"):
        Store(tmp_path / "full")
    with pytest.raises(ResultError, match=r"store\.json is missing"):
        Store(tmp_path / "none", make=False)
    assert not (tmp_path / "none").exists()


def test_a_store_that_was_half_made_is_made(tmp_path):
    """Who made it was killed before it had its mark, or is still at it."""
    partial = tmp_path / "store" / ".partial"
    partial.mkdir(parents=True)
    (partial / "0123-store.json").touch()
    Store(tmp_path / "store")
    assert Store(tmp_path / "store", make=False).shards() == []


def test_a_store_that_another_makes_meanwhile_is_that_store(tmp_path, monkeypatch):
    """Between one look and the next, it has appeared with all that is in it."""
    holds = Store._holds_else

    def slow(self):
        monkeypatch.undo()
        sweep(study(replications=1), store=self.directory)
        return holds(self)

    monkeypatch.setattr(Store, "_holds_else", slow)
    assert len(Store(tmp_path / "store").shards()) > 0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": "dcsim-store", "version": 9}', "\0", '{"a": NaN}']
)
def test_a_mark_that_is_none_is_an_error(tmp_path, text):
    """Of another version too."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").write_text(text)
    with pytest.raises(ResultError, match=r"store\.json"):
        Store(tmp_path / "store")


def test_what_is_left_of_others_goes_after_a_day(tmp_path):
    """Not before: they may be at it."""
    store = Store(tmp_path / "store")
    old, new = (store.directory / ".partial" / name for name in ("old", "new"))
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    (store.directory / ".partial" / "folder").mkdir()
    (store.directory / ".partial" / "link").symlink_to("nowhere")
    store.tidy()
    assert not old.exists()
    assert new.exists()


# --------------------------------------------------------------------------- writing


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    """Whatever ends it."""
    store = Store(tmp_path / "store")
    target = store.directory / "runs" / "x"

    def half(path):
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put(target, half)
    assert not target.exists()
    assert not list((store.directory / ".partial").iterdir())
    store.put(target, lambda path: path.write_text("whole"))
    assert target.read_text() == "whole"


def test_a_file_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """And its folder after."""
    store, seen = Store(tmp_path / "store"), []
    target = store.directory / "runs" / "x"
    monkeypatch.setattr(files, "to_disk", lambda path: seen.append((path.name, target.exists())))
    store.put(target, lambda path: path.write_text("whole"))
    assert [(name[-2:], there) for name, there in seen] == [("-x", False), ("ns", True)]


def test_points_of_any_kind_are_noted_down(tmp_path):
    """Numbers beyond 64 bits and values of several types are texts there; the frame has them."""
    values = ["2GiB"] * 1000 + [10**30, 1.5, True, None, "2GiB"]
    design = study(axes=None, points={"guests[0].memory": values}, set={})
    found = points_of(design)
    assert sorted(found.errors) == [1000, 1001, 1002, 1003]
    store = Store(tmp_path / "store")
    name = store.put_study(design)
    store.put_points(name, design, found)
    assert store.points(name, design) == found
    shown = pd.read_parquet(store.directory / "points" / f"{name}.parquet")["guests[0].memory"]
    assert shown[1000:].tolist() == [str(10**30), "1.5", "true", "null", "2GiB"]


# --------------------------------------------------------------------------- harm


@pytest.mark.parametrize("keep", [0, 3, 4, 100, -1, -9])
def test_a_torn_shard_is_put_aside_and_done_again(swept, keep):
    """Cut anywhere, as a file system may that lost its last seconds."""
    store, frame = swept
    shard = Store(store).shards()[0]
    missing = set(pd.read_parquet(shard)["run"])
    shard.write_bytes(shard.read_bytes()[:keep])
    before = shards(store)
    same_again(store, frame)
    assert [path.name for path in (store / ".partial").iterdir()] == [f"torn-{shard.name}"]
    rows = rows_of(store, "run")
    assert set(rows[~rows["shard"].isin(before)]["run"]) == missing
    assert not rows["run"].duplicated().any()


@settings(max_examples=60)
@given(data=st.data())
def test_bytes_that_are_changed_do_no_harm(data, tmp_path_factory):
    """A flipped byte is a torn shard, another value, or nothing; never a crash."""
    global _SHARD
    if _SHARD is None:
        place = tmp_path_factory.mktemp("flip") / "store"
        sweep(study(replications=1), store=place)
        _SHARD = place, Store(place).shards()[0], Store(place).shards()[0].read_bytes()
    place, shard, whole = _SHARD
    bad = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    shard.write_bytes(bytes(bad))
    store = Store(place)
    try:
        rule = {"metric": "lost_work_s", "within": "5%"}
        recorded(store, study(replications=rule))
        Sweep.open(place).frame()
    finally:
        shard.write_bytes(whole)


_SHARD: tuple[Path, Path, bytes] | None = None


def foreign(path: Path, **changes) -> None:
    """Write a shard with some columns as given, all others as they ought to be."""
    columns = {}
    for column in RUNS.columns:
        kind = {"text": pa.string(), "int": pa.int64(), "float": pa.float64()}[column.kind]
        filler = {"text": "x", "int": 0, "float": 0.0}[column.kind]
        columns[column.name] = pa.array([filler] * 2, kind)
    columns |= {"code": pa.array([code()] * 2), **changes}
    columns = {name: values for name, values in columns.items() if values is not None}
    pq.write_table(pa.table(columns), path)


@pytest.mark.parametrize(
    "changes",
    [
        {"run": None},
        {"tables": None},
        {"lost_work_s": None},
        {"run": pa.array([1, 2])},
        {"tables": pa.array([1, 2])},
        {"tables": pa.array([None, "x"])},
        {"run": pa.array([None, None], pa.string())},
        {"error": pa.array([b"\xff", b"x"])},
        {"code": pa.array([code()] * 2).dictionary_encode()},
        {"lost_work_s": pa.array(["a", "b"])},
        {"lost_work_s": pa.array([[1.0], [2.0]])},
        {"replicate": pa.array([1.5, 2.5])},
        {"seed": pa.array([None, 1], pa.int64())},
        {},
    ],
)
def test_a_shard_of_another_schema_does_no_harm(swept, changes):
    """It is passed over, or its rows are of runs that nobody asks for."""
    store, frame = swept
    foreign(store / "runs" / "0-foreign.parquet", **changes)
    before = shards(store)
    pd.testing.assert_frame_equal(Sweep.open(store).frame(), frame)
    same_again(store, frame)
    same_again_until = sweep(
        study(replications={"metric": "lost_work_s", "within": "50%", "least": 3}), store=store
    )
    assert len(same_again_until.frame()) >= 18
    assert before <= shards(store)


def test_rows_of_others_join_ours(swept):
    """A shard that says nothing of nulls has the same columns all the same."""
    store, frame = swept
    shard = Store(store).shards()[0]
    found = pq.read_table(shard)
    pq.write_table(pa.table({name: found[name].combine_chunks() for name in RUNS.names}), shard)
    assert pq.read_schema(shard).field("run").nullable
    pd.testing.assert_frame_equal(Sweep.open(store).frame(), frame)


def test_what_is_no_plain_file_is_passed_over(swept, tmp_path):
    """Links lead anywhere, pipes block, folders are none."""
    store, frame = swept
    outside = tmp_path / "outside.parquet"
    outside.write_bytes(b"not yours")
    runs = store / "runs"
    (runs / "a.parquet").symlink_to(outside)
    (runs / "b.parquet").symlink_to("nowhere")
    (runs / "c.parquet").symlink_to("/dev/zero")
    (runs / "d.parquet").mkdir()
    (runs / "e.txt").write_text("hello")
    os.mkfifo(runs / "f.parquet")
    (store / "studies" / "g.json").symlink_to("nowhere")
    (store / "studies" / "h.json").symlink_to("/dev/zero")
    (store / "studies" / "i.json").mkdir()
    before = sorted(runs.iterdir())
    same_again(store, frame)
    pd.testing.assert_frame_equal(Sweep.open(store).frame(), frame)
    assert sorted(runs.iterdir()) == before
    assert outside.read_bytes() == b"not yours"
    assert stat.S_ISFIFO((runs / "f.parquet").stat().st_mode)


def test_a_shard_that_is_gone_meanwhile_is_none(swept):
    """Another process has put it aside."""
    store, _ = swept
    shard = Store(store).shards()[0]
    shard.unlink()
    assert Store(store).rows(shard, ["run"]) is None


def test_a_shard_that_declares_too_much_is_an_error(swept, monkeypatch):
    """Before any of it is unpacked; it is not torn, and stays where it is."""
    store, _ = swept
    foreign(store / "runs" / "0.parquet", message=pa.array(["x" * 50_000_000] * 2))
    monkeypatch.setattr(files, "MAX_TABLE_BYTES", 2**20)
    with pytest.raises(ResultError, match=r"0\.parquet is too large: 2 rows"):
        sweep(study(), store=store)
    assert (store / "runs" / "0.parquet").exists()


def test_a_reader_short_of_memory_throws_nothing_away(swept, monkeypatch):
    """Nor does a disk that fails: shards stay where they are."""
    store, frame = swept
    before = shards(store)
    for error, told in ((pa.ArrowMemoryError("full"), MemoryError), (OSError(5, "EIO"), OSError)):

        def read(*_, error=error, **__):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("pyarrow.parquet.ParquetFile.read", read)
            with pytest.raises(told):
                sweep(study(), store=store)
        assert shards(store) == before
    same_again(store, frame)


def test_runs_of_other_source_are_left_alone_and_not_counted(swept, monkeypatch):
    """They stay, and are counted again where that source is."""
    store, frame = swept
    before = shards(store)
    for place in ("chunk", "driver", "points", "reading"):
        monkeypatch.setattr(f"dcsim.study.sweeps.{place}.code", lambda: "9.9+0")
    other = sweep(study(), store=store).frame()
    assert set(rows_of(store, "code")["code"]) == {code(), "9.9+0"}
    assert before < shards(store)
    assert not set(other["run"]) & set(frame["run"])
    same = [c for c in frame.columns if c != "run"]
    pd.testing.assert_frame_equal(other[same], frame[same])
    monkeypatch.undo()
    now = shards(store)
    same_again(store, frame)
    assert shards(store) == now


def test_a_run_that_failed_and_then_did_not_has_not(tmp_path):
    """In whichever order shards are read."""
    for names in (("a", "b"), ("b", "a")):
        store = Store(tmp_path / names[0])
        for name, error in zip(names, ("Boom", ""), strict=True):
            rows = [row("one", code=code(), error=error), row("two", code=code(), error="Boom")]
            store.put_runs(rows, {})
            (made,) = [p for p in store.shards() if len(p.stem) > 1]
            made.rename(made.with_name(f"{name}.parquet"))
        found = recorded(store, study())
        assert found.failed == {"two"}
        assert set(found.values) == {"one", "two"}


def test_a_run_is_found_by_the_beginning_of_its_name(swept):
    """If that is one run's."""
    store, frame = swept
    run = frame["run"][3]
    assert row_of(Store(store), run[:12])["digest"] == frame["digest"][3]
    with pytest.raises(ResultError, match="no run of"):
        row_of(Store(store), "zzz")
    with pytest.raises(ResultError, match="18 runs of"):
        row_of(Store(store), "")


@pytest.mark.parametrize(
    "design",
    [
        None, 1, [], {}, {"scenario": 1}, {"scenario": {}}, {"scenario": None, "axes": {}},
        {"axes": {"hinting": ["zero-page"]}},
    ],
)  # fmt: skip
def test_a_study_that_is_none_is_an_error(swept, design):
    """One that dcsim raises."""
    store, _ = swept
    data = {"format": "dcsim-study-asked", "version": 1, "design": design}
    (store / "studies" / "zz.json").write_text(json.dumps(data))
    with pytest.raises((ResultError, ScenarioError)):
        _ = Sweep.open(store, study="zz").design


def test_points_that_are_torn_are_an_error_that_says_where(swept):
    """To who looks; a sweep makes them again where they are of something else."""
    store, frame = swept
    (path,) = (store / "points").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(ResultError, match="points"):
        Sweep.open(store).frame()
    pd.DataFrame({"point": [0]}).to_parquet(path)
    same_again(store, frame)


def test_looking_writes_nothing(swept):
    """Nor does asking how long it takes; who may only read can look."""
    store, frame = swept

    def all_of_it():
        return {path: path.stat().st_mtime_ns for path in store.rglob("*")}

    before = all_of_it()
    found = Sweep.open(store)
    pd.testing.assert_frame_equal(found.frame(), frame)
    assert found.failures.empty
    assert list(found.frame(metrics=["makespan_s"]).columns[-1:]) == ["makespan_s"]
    assert {"seconds", "worker"} <= set(found.frame(timing=True).columns)
    estimate(study(), store=Store(store))
    assert all_of_it() == before


def test_a_frame_of_nothing_has_its_columns(tmp_path):
    """Before the first run is recorded."""
    design = study()
    store = Store(tmp_path / "store")
    name = store.put_study(design)
    store.put_points(name, design, points_of(design))
    frame = Sweep.open(tmp_path / "store").frame()
    assert frame.empty
    assert list(frame.columns) == list(sweep(design).frame().columns)
    assert set(SUMMARY.names) <= set(frame.columns)


def test_a_store_is_asked_of_quick_start():
    """The helpers of these tests are what they say."""
    assert quick(seed=3).seed == 3
    assert set(NOISE) == set(study().asked.set)
    assert module.FORMAT == "dcsim-store"


def test_who_may_only_look_passes_a_torn_shard_over(swept, monkeypatch):
    """It stays where it is."""
    store, frame = swept
    shard = Store(store).shards()[0]
    shard.write_bytes(b"torn")

    def forbidden(*_):
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(Path, "replace", forbidden)
    assert 0 < len(Sweep.open(store).frame()) < len(frame)
    assert shard.read_bytes() == b"torn"
