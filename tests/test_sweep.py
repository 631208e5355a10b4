"""Studies that are run: the same whoever runs them, resumed at any time, failures as rows."""

from __future__ import annotations

import gc
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dcsim
from dcsim.control.order import ORDERS, add
from dcsim.control.placement import register
from dcsim.errors import ResultError, SimulationError
from dcsim.records.tables import SUMMARY
from dcsim.scenario.presets.orders import ORDERS as NAMES
from dcsim.study.designs.design import Design
from dcsim.study.running import local_executor
from dcsim.study.sweeps import chunk, work
from dcsim.study.sweeps.chunk import Chunk, Report, perform, run_id
from dcsim.study.sweeps.reading import kept
from dcsim.study.sweeps.store import Points, Store
from dcsim.study.sweeps.sweep import sweep
from dcsim.study.sweeps.swept import Sweep
from dcsim.study.sweeps.work import Work
from tests.studies_data import AXES, SECONDS, lost_nothing, quick, rows_of, shards, study

UNTIL = {"metric": "lost_work_s", "within": "10%", "least": 3, "most": 12}


def two():
    """Provide two processes, others when these break."""
    return local_executor(2)


@pytest.fixture(scope="module", autouse=True)
def _no_process_left():
    """Processes end with these tests."""
    yield
    local_executor(2).shutdown(kill_workers=True)


# --------------------------------------------------------------------------- who runs them


@pytest.mark.parametrize("replications", [2, UNTIL])
def test_frames_are_the_same_whoever_runs_them(replications):
    """One after another, in threads, in processes of one's own and of others."""
    design = study(replications=replications)
    here = sweep(design).frame()
    assert set(here["error"]) == {""}
    assert here[["point", "replicate"]].apply(tuple, axis=1).is_monotonic_increasing
    with ThreadPoolExecutor(4) as threads:
        pd.testing.assert_frame_equal(sweep(design, executor=threads).frame(), here)
    pd.testing.assert_frame_equal(sweep(design, executor=two).frame(), here)
    pd.testing.assert_frame_equal(sweep(design, executor=two()).frame(), here)
    if replications == UNTIL:
        counts = here.groupby("point").size()
        assert counts.min() >= UNTIL["least"]
        assert counts.max() <= UNTIL["most"]
        assert counts.nunique() > 1
    else:
        assert len(here) == len(design) * replications


def test_frames_hold_what_runs_say():
    """Every metric of every run is that of `dcsim.run`, bit for bit, with its seed and digest."""
    design = study(replications=2)
    frame = sweep(design).frame()
    for row in frame.to_dict("records"):
        scenario = design.scenario.replace(design.changes(row["point"]))
        result = dcsim.run(scenario, replicate=row["replicate"])
        assert (row["digest"], row["seed"]) == (result.digest, result.seed)
        assert row["run"] == run_id(result.digest, row["replicate"])
        found = pd.Series({name: row[name] for name in SUMMARY.names}, dtype="float64")
        pd.testing.assert_series_equal(
            found, pd.Series(dict(result.metrics), dtype="float64"), check_exact=True
        )
        assert {path: row[path] for path in AXES} == design.changes(row["point"])


def test_what_is_not_random_is_run_once():
    """Whatever number of replications is asked for."""
    frame = sweep(study(set={}, replications=7)).frame()
    assert list(frame["replicate"]) == [0] * 6


def test_tables_are_kept_of_each_run(tmp_path):
    """As a run has them, its name before; a study that wants more than was kept runs again."""
    design = study(replications=1, tables=["migrations"])
    plain = sweep(study(replications=1), store=tmp_path / "store")
    assert (plain.design.scenario.record, design.scenario.record) == ("summary", "migrations")
    before = shards(tmp_path / "store")
    found = sweep(design, store=tmp_path / "store", executor=two)
    assert shards(tmp_path / "store") > before
    table = found.table("migrations")
    frame = found.frame(metrics=[])
    assert sorted(table["run"]) == sorted(frame["run"])
    row = frame.iloc[3]
    scenario = design.scenario.replace(design.changes(row["point"]))
    wanted = dcsim.run(scenario, replicate=row["replicate"]).table("migrations")
    mine = table[table["run"] == row["run"]].drop(columns=["run"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, wanted, check_dtype=False)
    with pytest.raises(ResultError, match="no table rounds was kept"):
        found.table("rounds")


def test_a_store_of_its_own_is_gone_with_the_study():
    """And Python has nothing to warn of: warnings are errors here, unraisable ones as well."""
    found = sweep(study(replications=1))
    place = found.store.directory
    assert place.is_dir()
    del found
    gc.collect()
    assert not place.parent.exists()


def test_a_store_of_its_own_is_gone_where_it_fails():
    """An executor that breaks leaves nothing."""

    class Broken(Executor):
        def submit(self, *_, **__):
            raise OSError(5, "no wire")

    seen = []
    with pytest.raises(OSError, match="no wire"):
        sweep(study(), executor=Broken(), progress=seen.append)
    gc.collect()
    assert seen


# --------------------------------------------------------------------------- going on


def test_nothing_recorded_is_run_again(tmp_path):
    """No shard is added where all is there; after one is lost, its runs and no others come back."""
    store, design = tmp_path / "store", study()
    first = sweep(design, store=store).frame()
    before = shards(store)
    assert len(before) > 1
    pd.testing.assert_frame_equal(sweep(design, store=store, executor=two).frame(), first)
    assert shards(store) == before
    gone = sorted(before)[0]
    rows = rows_of(store, "run")
    missing = set(rows[rows["shard"] == gone]["run"])
    (store / "runs" / gone).unlink()
    pd.testing.assert_frame_equal(sweep(design, store=store).frame(), first)
    rows = rows_of(store, "run")
    assert set(rows[~rows["shard"].isin(before)]["run"]) == missing
    assert not rows["run"].duplicated().any()


def test_an_axis_that_is_changed_keeps_what_matches(tmp_path):
    """Only runs of the new value are done; the old study can still be looked at."""
    store = tmp_path / "store"
    old = sweep(study(), store=store).frame()
    rows = set(rows_of(store, "run")["run"])
    axes = {**AXES, "hinting": ["balloon-held", "clean-cache-hint"]}
    new = sweep(study(axes=axes), store=store)
    added = set(rows_of(store, "run")["run"]) - rows
    frame = new.frame()
    assert set(frame[frame["hinting"] == "clean-cache-hint"]["run"]) == added
    assert len(added) == 9
    assert len(frame) == 18
    assert len(Store(store).studies) == 2
    found = Sweep.open(store, study=next(n for n in Store(store).studies if n != new.name))
    pd.testing.assert_frame_equal(found.frame(), old)


def test_more_replications_add_to_those_there_are(tmp_path):
    """Until a metric is known, too: each run is done once."""
    store = tmp_path / "store"
    sweep(study(replications=2), store=store)
    sweep(study(replications=4), store=store, executor=two)
    assert len(rows_of(store, "run")) == 24
    frame = sweep(study(replications=UNTIL), store=store).frame()
    rows = rows_of(store, "run")
    assert not rows["run"].duplicated().any()
    alone = sweep(study(replications=UNTIL)).frame()
    assert set(alone["run"]) <= set(frame["run"])


def test_what_nobody_sees_changes_no_run(tmp_path):
    """Names, questions and metrics that are looked at make another study of the same runs."""
    store = tmp_path / "store"
    sweep(study(), store=store)
    before = shards(store)
    other = study(name="other", question="Why?", metrics=["makespan_s"])
    assert len(sweep(other, store=store).frame()) == 18
    assert shards(store) == before
    assert len(Store(store).studies) == 2


def test_points_that_are_alike_are_run_once(tmp_path):
    """10Gbit/s is 10000Mbit/s; the frame has both."""
    points = {"topology.host_link": ["10Gbit/s", "5Gbit/s", "10000Mbit/s", "10Gbit/s"]}
    found = sweep(study(axes=None, points=points, replications=2), store=tmp_path / "store")
    assert len(rows_of(tmp_path / "store", "run")) == 4
    frame = found.frame()
    assert list(frame["point"]) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert list(frame["topology.host_link"])[::2] == points["topology.host_link"]
    assert list(frame["run"][:2]) == list(frame["run"][4:6]) == list(frame["run"][6:])


@pytest.mark.parametrize("replications", [2, UNTIL])
def test_parts_are_disjoint_and_together_whole(tmp_path, replications):
    """Whatever the order and the executor; they can share a store."""
    design = study(replications=replications)
    whole = sweep(design).frame()
    seen: list[set[str]] = []
    for i, executor in ((2, two), (1, None), (3, two)):
        apart = tmp_path / str(i)
        seen.append(set(sweep(design, store=apart, executor=executor, shard=(i, 3)).frame()["run"]))
        sweep(design, store=tmp_path / "store", shard=(i, 3))
    for one, other in itertools.combinations(seen, 2):
        assert not one & other
    assert set.union(*seen) == set(whole["run"])
    assert not rows_of(tmp_path / "store", "run")["run"].duplicated().any()
    pd.testing.assert_frame_equal(Sweep.open(tmp_path / "store").frame(), whole)
    with pytest.raises(ValueError, match="shard 4/3"):
        sweep(design, shard=(4, 3))


def test_a_part_may_be_empty():
    """More parts than points."""
    design = study(replications=1)
    found = [len(sweep(design, shard=(i, 40)).frame()) for i in range(1, 41)]
    assert sum(found) == 6
    assert 0 in found


def test_stop_ends_it_and_the_next_goes_on(tmp_path):
    """What is under way is recorded; the frame has what there is."""
    store, design, stop, seen = tmp_path / "store", study(replications=20), threading.Event(), []

    def watch(at):
        seen.append(at)
        if at.stage == "runs" and at.done:
            stop.set()

    part = sweep(design, store=store, executor=two, progress=watch, stop=stop).frame()
    assert 0 < len(part) < 120
    assert not list((store / ".partial").iterdir())
    before = shards(store)
    stop.clear()
    whole = sweep(design, store=store, progress=seen.append).frame()
    assert (seen[-1].done, seen[-1].total, seen[-1].left, seen[-1].left_s) == (120, 120, 0, 0.0)
    assert len(whole) == 120
    rows = rows_of(store, "run")
    assert not rows["run"].duplicated().any()
    assert before < shards(store)


def test_a_stop_that_is_there_before_runs_nothing(tmp_path):
    """But what was handed over at once."""
    stop = threading.Event()
    stop.set()
    found = sweep(study(), store=tmp_path / "store", executor=two, stop=stop)
    assert len(found.frame()) < 18


def test_progress_never_goes_back():
    """Points, then runs; done and total never fall, done never exceeds total."""
    seen = []
    sweep(study(replications=UNTIL), executor=two, progress=seen.append)
    runs = [at for at in seen if at.stage == "runs"]
    for one, other in itertools.pairwise(runs):
        assert one.done <= other.done <= other.total
        assert one.total <= other.total
    assert runs[-1].done == runs[-1].total


def test_two_studies_share_a_store_at_the_same_time(tmp_path):
    """And two processes the same study, begun together in a directory that is not there yet."""
    store = tmp_path / "store"
    program = (
        "import sys; from dcsim.study.sweeps.sweep import sweep\n"
        "from dcsim.study.designs.design import Design\n"
        "import json; design = Design.from_dict(json.load(open(sys.argv[1])))\n"
        "print(len(sweep(design, store=sys.argv[2]).frame()))"
    )
    small, large = study(replications=3), study(replications=5, name="large")
    processes = []
    for i, design in enumerate((small, small, large, large)):
        path = tmp_path / f"{i}.json"
        path.write_text(json.dumps(design.to_dict()))
        command = [sys.executable, "-W", "error", "-c", program, str(path), str(store)]
        processes.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    told = [process.communicate(timeout=SECONDS) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    pd.testing.assert_frame_equal(Sweep.open(store, study="large").frame(), sweep(large).frame())
    assert len(Store(store).studies) == 2
    lost_nothing(store)


# --------------------------------------------------------------------------- failures


def deadly(folder: Path):
    """Add a placement that raises as long as a file is there."""
    flag = str(folder / "flag")

    @register("moody")
    def moody(room, guest, source):
        if Path(flag).exists():
            raise ZeroDivisionError("out of sorts")
        return room.in_order(guest.memory_bytes)

    Path(flag).touch()
    return Path(flag)


MOODY = {"operation.placement": ["first-fit", "moody"], **AXES}


@pytest.mark.parametrize("executor", [None, two])
def test_a_run_that_fails_is_a_row(tmp_path, executor):
    """Others go on; it is not run again unless that is asked for, and then alone."""
    flag, store = deadly(tmp_path), tmp_path / "store"
    design = study(axes=MOODY, replications=2)
    seen = []
    found = sweep(design, store=store, executor=executor, progress=seen.append)
    frame = found.frame()
    failed = frame["operation.placement"] == "moody"
    assert (len(frame), failed.sum(), seen[-1].failed) == (24, 12, 12)
    assert set(frame[failed]["error"]) == {"ZeroDivisionError"}
    assert set(frame[failed]["message"]) == {"out of sorts"}
    assert frame[failed][list(SUMMARY.names)].isna().all().all()
    assert set(frame[~failed]["error"]) == {""}
    assert len(found.failures) == 12
    rows = rows_of(store, "run", "error", "traceback", "changes", "seconds")
    rows = rows[rows["error"] != ""]
    assert rows["traceback"].str.contains("in moody").all()
    assert {json.loads(text)["operation.placement"] for text in rows["changes"]} == {"moody"}
    assert (rows["seconds"] > 0).all()

    before = shards(store)
    sweep(design, store=store, progress=seen.append)
    assert shards(store) == before
    assert (seen[-1].done, seen[-1].failed) == (24, 12)

    flag.unlink()
    again = sweep(design, store=store, retry_failed=True, progress=seen.append)
    assert (seen[-1].done, seen[-1].failed) == (24, 0)
    fresh = rows_of(store, "run")
    fresh = fresh[~fresh["shard"].isin(before)]
    assert sorted(fresh["run"]) == sorted(rows["run"])
    assert set(again.frame()["error"]) == {""}
    assert len(again.frame()) == 24
    before = shards(store)
    sweep(design, store=store, retry_failed=True)
    assert shards(store) == before


def test_a_point_that_fails_is_not_replicated_until_it_is_known(tmp_path):
    """Its replications so far say nothing; when they are retried, more are asked for."""
    flag, store = deadly(tmp_path), tmp_path / "store"
    rule = UNTIL | {"within": "0.1%", "most": 6}
    axes = {"operation.placement": ["moody"], **AXES}
    design = study(axes=axes, replications=rule)
    assert len(sweep(design, store=store).frame()) == 6 * rule["least"]
    flag.unlink()
    frame = sweep(design, store=store, retry_failed=True).frame()
    assert set(frame["error"]) == {""}
    assert len(frame) == 6 * rule["most"]


def test_a_point_that_is_no_scenario_is_a_failed_row(tmp_path):
    """Where each value is legal by itself and these together are not."""
    axes = {
        "topology.host.memory": ["8GiB", "64GiB"],
        "guests[0].memory": ["2GiB", "32GiB"],
    }
    found = sweep(study(axes=axes, replications=2), store=tmp_path / "store", executor=two)
    frame = found.frame()
    illegal = frame[frame["error"] != ""]
    assert len(frame) == 3 * 2 + 1
    assert illegal[list(axes)].to_numpy().tolist() == [["8GiB", "32GiB"]]
    assert illegal["error"].item() == "ScenarioError"
    assert "memory" in illegal["message"].item()
    assert list(found.points.errors) == [illegal["point"].item()]
    before = shards(tmp_path / "store")
    sweep(study(axes=axes, replications=2), store=tmp_path / "store")
    assert shards(tmp_path / "store") == before


def test_a_run_has_its_time():
    """One that takes longer fails, and says how far it had come; others do not."""
    slow = {"guests[0].workload.load.every": ["1s", "1ms"]}
    design = study(axes=slow, replications=1, limits={"time": "0.3s"})
    frame = sweep(design).frame(timing=True)
    assert list(frame["error"]) == ["", "RunTooLongError"]
    assert frame["message"][1].startswith("it took more than 0.3 s, and had simulated ")
    assert frame["seconds"][1] < 20


def test_a_run_has_its_memory(monkeypatch):
    """One that grows by more fails, measured from where it begins."""
    held = itertools.count(10**9, 10**6)
    monkeypatch.setattr(chunk, "resident_bytes", lambda: next(held))
    axes = {"guests[0].workload.load.every": ["1ms"]}
    frame = sweep(study(axes=axes, replications=1, limits={"memory": "2MB"})).frame()
    assert list(frame["error"]) == ["RunTooLargeError"]
    assert frame["message"][0] == "it took more than 2,000,000 bytes of memory"


def test_what_a_process_holds_is_measured():
    """A block of 64 MiB is seen."""
    before = chunk.resident_bytes()
    block = b"x" * (64 << 20)
    assert 0.9 * len(block) < chunk.resident_bytes() - before < 2 * len(block)


def test_a_run_that_ends_its_worker_is_a_row(tmp_path):
    """After some tries, the last of them alone; all others are there."""

    @register("deadly")
    def killer(room, guest, source):
        os.kill(os.getpid(), signal.SIGKILL)

    points = {
        "operation.placement": ["first-fit", "deadly", "worst-fit", "best-fit"],
        "guests[0].memory": ["1GiB", "2GiB", "3GiB", "4GiB"],
    }
    design = study(axes=None, points=points, replications=1)
    found = sweep(design, store=tmp_path / "store", executor=two)
    frame = found.frame()
    assert list(frame["error"]) == ["", "WorkerLost", "", ""]
    assert "3 times a worker was lost with it" in frame["message"][1]
    row = rows_of(tmp_path / "store", "error", "changes")
    (changes,) = row[row["error"] != ""]["changes"]
    assert json.loads(changes) == design.changes(1)
    before = shards(tmp_path / "store")
    sweep(design, store=tmp_path / "store", executor=two)
    assert shards(tmp_path / "store") == before


def test_an_executor_that_cannot_be_had_anew_is_an_error(tmp_path):
    """Where it is given and not made; what is recorded is safe, and it says so."""

    @register("deadly")
    def killer(room, guest, source):
        os.kill(os.getpid(), signal.SIGKILL)

    store = tmp_path / "store"
    sweep(study(replications=1), store=store)
    axes = {"operation.placement": ["first-fit", "deadly"], **AXES}
    with pytest.raises(SimulationError, match=r"(?s)the executor broke .* goes on with the rest"):
        sweep(study(axes=axes, replications=1), store=store, executor=two())
    local_executor(2).shutdown(kill_workers=True)
    lost_nothing(store)
    assert len(rows_of(store, "run")) >= 6


def test_a_worker_of_another_version_refuses(tmp_path, monkeypatch):
    """Nothing is recorded, and it says which is which."""

    class Old(Executor):
        def submit(self, function, work):
            future: Future[Report] = Future()
            try:
                from dataclasses import replace

                future.set_result(function(replace(work, code="9.9+0")))
            except SimulationError as error:
                future.set_exception(error)
            return future

    with pytest.raises(SimulationError, match=r"this worker has dcsim .*, the study was .* 9\.9"):
        sweep(study(), store=tmp_path / "store", executor=Old())
    assert not shards(tmp_path / "store")


def test_a_worker_that_does_not_see_the_store_refuses(tmp_path):
    """It would write where nobody reads."""
    given = Chunk(
        store=str(tmp_path / "nowhere"), study="x", runs=(), budget_s=1.0, stop="", tables=(),
        code=chunk.code(),
    )  # fmt: skip
    with pytest.raises(SimulationError, match="does not see the store"):
        perform(given)
    assert not list(tmp_path.iterdir())


# --------------------------------------------------------------------------- which runs there are


class Made:
    """A design of nothing but replications, and its points."""

    def __init__(self, size: int, rule) -> None:
        self.asked = study(replications=rule).asked
        self.points = Points(
            [f"{(i * 2654435761) % 2**48:012x}-{i}" for i in range(size)],
            [i % 4 != 3 for i in range(size)], {}, chunk.code(),
        )  # fmt: skip

    def changes(self, point: int) -> dict[str, int]:
        """Return something."""
        return {"point": point}

    def work(self, **options) -> Work:
        """Return its work."""
        return Work(self, self.points, **({"known": {}} | options))


def value(point: int, k: int) -> float:
    """Return what a run of a made design comes to: some points vary more than others."""
    return 10 + (point % 5) * (((k * 7919 + point) % 13) - 6) / 6


def pairs(runs):
    """Return the runs in a list of them."""
    return [(one.point, k) for one in runs for k in one.replicates]


def all_runs(made: Made, **options) -> set[tuple[int, int]]:
    """Do it all in order."""
    found: set[tuple[int, int]] = set()
    queue = made.work(**options)
    while runs := queue.take(1):
        for point, k in pairs(runs):
            found.add((point, k))
            queue.record(point, k, "", value(point, k))
    assert queue.left == 0
    return found


RULES = st.sampled_from([1, 4, {}, {**UNTIL, "within": "20%"}, {**UNTIL, "within": "1%"}])


@given(st.integers(1, 30), RULES, st.integers(0, 2**32))
def test_work_loses_and_doubles_nothing(size, rule, seed):
    """Taken, put back and recorded in any order, each run is done once, and all of them are."""
    made, chance = Made(size, rule), random.Random(seed)
    wanted = all_runs(made)
    queue, out, done = made.work(), [], Counter()
    while queue.left:
        assert queue.total - queue.done == queue.left == queue.waiting + len(out)
        action = chance.choice(["take", "take", "back", "record", "record", "record"])
        if action == "take" or not out:
            out += pairs(queue.take(chance.randint(1, 9)))
            continue
        point, k = out.pop(chance.randrange(len(out)))
        if action == "back":
            queue.put_back([work.Runs(point, made.points.digests[point], {}, (k,))])
        else:
            queue.record(point, k, "", value(point, k))
            done[point, k] += 1
    assert not out
    assert not queue.take(1)
    assert set(done) == wanted
    assert set(done.values()) == {1}


@given(st.integers(1, 30), RULES, st.floats(0, 1), st.integers(0, 2**32))
def test_work_goes_on_from_whatever_is_recorded(size, rule, share, seed):
    """Any part of the runs may be there: the rest is asked for, and nothing else."""
    made, chance = Made(size, rule), random.Random(seed)
    wanted = sorted(all_runs(made))
    there = {each for each in wanted if chance.random() < share}
    known = {run_id(made.points.digests[p], k): value(p, k) for p, k in there}
    queue = made.work(known=known)
    assert queue.done <= len(there)
    found: set[tuple[int, int]] = set()
    while runs := queue.take(chance.randint(1, 50)):
        for point, k in chance.sample(pairs(runs), len(pairs(runs))):
            assert (point, k) not in found
            found.add((point, k))
            queue.record(point, k, "", value(point, k))
    assert found == set(wanted) - there
    assert queue.left == 0
    assert queue.done == queue.total == len(wanted)


@given(st.integers(1, 40), RULES, st.integers(1, 7))
def test_work_in_parts_is_the_whole(size, rule, count):
    """Each run is in one of them."""
    made = Made(size, rule)
    parts = [all_runs(made, mine=(i + 1, count)) for i in range(count)]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert set.union(*parts) == all_runs(made)


def test_points_come_spread_over_the_study():
    """The first tenth of them has a point in each tenth."""
    order = list(Made(1000, 1).work().points_in_order())
    assert sorted(order) == list(range(1000))
    assert len({point // 100 for point in order[:100]}) == 10


# --------------------------------------------------------------------------- of one's own

SCRIPT = """\
import sys
import dcsim
from dcsim.control.order import add
from dcsim.control.placement import register
from dcsim.study.designs.design import Design
from dcsim.study.running import local_executor
from dcsim.study.sweeps.sweep import sweep

def fewest(host):
    return {key}

@register("mine")
def mine(room, guest, source):
    # {comment}
    return sorted(room.in_order(guest.memory_bytes), key=fewest)

def rank(request, forecast):
    return {rank}

if __name__ == "__main__":
    add("backwards", rank)
    axes = {{
        "operation.placement": ["first-fit", "mine"],
        "operation.order": ["listed", "backwards"],
    }}
    scenario = dcsim.load("quick-start").replace({{"record": "migrations"}})
    design = Design(scenario, axes=axes, replications=1)
    found = sweep(design, store=sys.argv[1], executor=lambda: local_executor(2))
    for row in found.frame(timing=True).to_dict("records"):
        print(row["operation.placement"], row["operation.order"], row["run"], row["error"] or "-")
"""


def test_what_a_script_defines_runs_in_its_workers(tmp_path):
    """A body that is changed makes new runs, a comment none; so does what it calls."""

    def ran(comment="first", key="len(host.guests)", rank="-forecast.sent_bytes"):
        script = tmp_path / "script.py"
        script.write_text(SCRIPT.format(comment=comment, key=key, rank=rank))
        done = subprocess.run(
            [sys.executable, "-W", "error", script, tmp_path / "store"],
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        rows = [line.split() for line in done.stdout.splitlines()]
        assert {error for *_, error in rows} == {"-"}
        return {(placement, order): run for placement, order, run, _ in rows}

    first = ran()
    assert len(set(first.values())) == 4
    before = shards(tmp_path / "store")
    assert ran(comment="second") == first
    assert shards(tmp_path / "store") == before
    other = ran(key="-len(host.guests)", rank="forecast.sent_bytes")
    assert {pair for pair in first if other[pair] == first[pair]} == {("first-fit", "listed")}


def went(store: Path, frame: pd.DataFrame) -> list[str]:
    """Return where guests went in some runs."""
    found = kept(Store(store), "migrations", set(frame["run"]))
    return found["destination"].tolist()


@pytest.mark.parametrize("executor", [None, two])
def test_a_function_that_is_changed_makes_new_runs(tmp_path, executor):
    """In one process, as cells of a notebook are: of a placement, and of an order."""
    axes = {"operation.placement": ["first-fit", "mine"], "operation.order": ["listed", "own"]}
    fabric = {"kind": "leaf-spine", "leaves": 2, "hosts_per_leaf": 2, "spines": 1}
    scenario = quick(topology={**fabric, "host_link": "10Gbit/s"}, operation__hosts="rack0/*")
    try:

        @register("mine")
        def mine(room, guest, source):
            return room.in_order(guest.memory_bytes)

        add("own", lambda request, forecast: forecast.sent_bytes)
        design = Design(scenario, axes=axes, replications=1, tables=["migrations"])
        first = sweep(design, store=tmp_path / "store", executor=executor).frame()
        assert set(first["error"]) == {""}

        @register("mine")
        def another(room, guest, source):
            return reversed(list(room.in_order(guest.memory_bytes)))

        second = sweep(design, store=tmp_path / "store", executor=executor).frame()
        changed = (first["run"] != second["run"]).tolist()
        assert changed == (first["operation.placement"] == "mine").tolist()
        placed = first["operation.placement"] == "mine"
        assert set(went(tmp_path / "store", first[placed])) == {"rack1/host0"}
        assert set(went(tmp_path / "store", second[placed])) == {"rack1/host1"}
        add("own", lambda request, forecast: -forecast.sent_bytes)
        third = sweep(design, store=tmp_path / "store", executor=executor).frame()
        changed = (third["run"] != second["run"]).tolist()
        assert changed == (first["operation.order"] == "own").tolist()
    finally:
        ORDERS.pop("own", None)
        NAMES.pop("own", None)


# --------------------------------------------------------------------------- much of it

LARGE = """\
import json, re, sys, time
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from types import SimpleNamespace

import dcsim
from dcsim.records.tables import SUMMARY
from dcsim.study.designs.design import Design
from dcsim.study.sweeps.sweep import sweep


def simulate(scenario, *, replicate, progress=None):
    return SimpleNamespace(metrics=dict.fromkeys(SUMMARY.names, float(replicate)))


class Made(Executor):
    # Workers that only claim to have simulated.
    _max_workers = 2

    def __init__(self, pool):
        self.pool = pool

    def submit(self, function, chunk):
        return self.pool.submit(function, chunk, simulate)


def most():
    # What getrusage says counts the process that started this one, too.
    text = open("/proc/self/status").read()
    return int(re.search(r"VmHWM:\\s+([0-9]+) kB", text)[1]) * 1024


if __name__ == "__main__":
    links, sizes = map(int, sys.argv[2:4])
    began = time.monotonic()
    design = Design(
        dcsim.load("quick-start"),
        set={"guests[0].workload.load.noise": 0.5},
        axes={
            "topology.host_link": f"1Gbit/s..25Gbit/s/{links}",
            "guests[0].memory": [(1 << 30) + 4096 * i for i in range(sizes)],
        },
        replications=10,
    )
    times = {}
    def watch(at):
        times.setdefault(at.stage, time.monotonic() - began)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = sweep(design, store=sys.argv[1], executor=Made(pool), progress=watch)
    ran = most()
    took = time.monotonic() - began
    again = time.monotonic()
    sweep(design, store=sys.argv[1], executor=Made(None))
    resumed, resumed_s = most(), time.monotonic() - again
    again = time.monotonic()
    frame = found.frame(metrics=["lost_work_s"])
    print(json.dumps({
        "points": len(design), "rows": len(frame), "runs": frame["run"].nunique(),
        "shards": len(found.store.shards()), "ran_bytes": ran, "resumed_bytes": resumed,
        "took_s": took, "points_s": times["runs"], "resumed_s": resumed_s,
        "frame_s": time.monotonic() - again, "frame_bytes": most(),
    }))
"""


@pytest.mark.slow
def test_a_hundred_thousand_runs_fit_in_little_memory(tmp_path):
    """Of the process that hands them out; the same with a hundredth of them."""
    script = tmp_path / "large.py"
    script.write_text(LARGE)

    def told(name, links, sizes):
        done = subprocess.run(
            [sys.executable, script, tmp_path / name, str(links), str(sizes)],
            capture_output=True, text=True, timeout=4 * SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        print(found)
        return found

    small = told("small", 10, 10)
    large = told("large", 100, 100)
    assert small["runs"] == 1_000
    assert large["rows"] == large["runs"] == 100_000
    assert large["shards"] < 1_000
    assert large["ran_bytes"] < 300 << 20
    assert large["resumed_bytes"] < 300 << 20
    assert large["ran_bytes"] < small["ran_bytes"] + (150 << 20)


# ------------------------------------------------------------------- what a study asked for


def test_a_frame_has_the_replications_that_were_asked(tmp_path):
    """Another study of the same store may have more of them; the same study, the same frame."""
    scene = dcsim.load("quick-start").replace(
        {"guests[0].workload.load.noise": 0.5, "guests[0].workload.load.every": "1s"}
    )
    axes = {"hinting": ["none", "zero-page"]}
    few = dcsim.sweep(dcsim.Design(scene, axes=axes, replications=2), store=tmp_path / "store")
    alone = few.frame()
    dcsim.sweep(dcsim.Design(scene, axes=axes, replications=9), store=tmp_path / "store")
    pd.testing.assert_frame_equal(few.frame(), alone)
    rule = {"metric": "lost_work_s", "within": 0.9, "least": 3, "most": 20}
    until = dcsim.Design(scene, axes=axes, replications=rule)
    there = dcsim.sweep(until, store=tmp_path / "store").frame()
    pd.testing.assert_frame_equal(there, dcsim.sweep(until, store=tmp_path / "other").frame())


class Breaks(Executor):
    """An executor whose workers die before they do anything."""

    _max_workers = 1

    def submit(self, function, /, *args, **options):
        """Give what will never be done."""
        future = Future()
        future.set_exception(BrokenExecutor("they died as they started"))
        return future


def test_an_executor_that_always_breaks_ends_the_study(tmp_path):
    """Rather than to make every run a lost one, or to go on for ever."""
    design = dcsim.Design(
        dcsim.load("quick-start"), axes={"topology.host_link": "1Gbit/s..25Gbit/s/40"}
    )
    with pytest.raises(SimulationError, match=r"no run came back .*they died as they started"):
        dcsim.sweep(design, store=tmp_path / "store", executor=Breaks)
    assert len(dcsim.Sweep.open(tmp_path / "store").frame()) < 40


def test_what_was_kept_of_an_interrupted_run_is_left_out():
    """Columns of equal length, of whole runs only."""
    kept = {"events": {"run": ["a", "a", "b"], "time_s": [1.0, 2.0, 3.0], "what": ["x", "y"]}}
    chunk._trim(kept, {"a"})
    assert kept == {"events": {"run": ["a", "a"], "time_s": [1.0, 2.0], "what": ["x", "y"]}}
