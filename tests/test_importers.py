"""Populations from files: what is read, what stands for what is not there, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dcsim.errors import ScenarioError
from dcsim.scenario import files
from dcsim.scenario.importers import (
    KINDS,
    Population,
    drain_scenario,
    import_population,
    to_yaml,
)
from dcsim.scenario.importers import (
    population as shared_parts,
)
from dcsim.scenario.importers.population import (
    base_workload,
    fitted,
    number,
    safe_name,
    size_text,
    whole_memory,
)
from dcsim.scenario.importers.traces import Trace, load_points
from dcsim.scenario.spec import GuestGroup, Makeup, Workload
from dcsim.simulation import run
from dcsim.units import GiB, MiB, parse_duration

DATA = Path(__file__).resolve().parent / "data" / "importers"


def groups(population: Population) -> list[GuestGroup]:
    """Read a population's YAML as a scenario would: strictly, with units."""
    written = yaml.safe_load(to_yaml(population))["guests"]
    return [GuestGroup.model_validate(g, context={"from_file": True}) for g in written]


def refusal(**asked: Any) -> str:
    with pytest.raises(ScenarioError) as caught:
        import_population(**asked)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Write a text to a file of the test's own."""

    def write(text: str | bytes, name: str = "sample.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


# --------------------------------------------------------------------------- meminfo


def test_a_text_of_meminfo_becomes_a_make_up() -> None:
    """Shares are of MemTotal: shmem is process memory, not cache; the kernel gets what is left."""
    population = import_population(kind="meminfo", paths=[DATA / "small.meminfo"])
    (group,) = groups(population)
    memory = group.workload.memory
    assert memory.free_zero + memory.free_stale == pytest.approx(0.2, abs=2e-4)
    assert (memory.cache, memory.kernel) == pytest.approx((0.4, 0.2), abs=2e-4)
    assert (group.name, group.count, group.vcpus) == ("small", 1, 2)
    assert group.memory == GiB  # of which the kernel reports 1,000,000 kB


def test_how_much_of_the_free_memory_is_zero_is_the_workloads() -> None:
    """meminfo does not tell zero from stale: the workload's ratio stands for it, as noted."""
    population = import_population(
        kind="meminfo", paths=[DATA / "small.meminfo"], workload="build-machine"
    )
    memory = groups(population)[0].workload.memory
    assert memory.free_zero / (memory.free_zero + memory.free_stale) == pytest.approx(
        3 / 17, abs=2e-3
    )
    assert any("18% of it zero, as in workload build-machine" in note for note in population.notes)


def test_zero_pages_of_processes_keep_their_share() -> None:
    """The workload's share of process memory that is zero carries over."""
    base = base_workload("jvm").spec.memory
    population = import_population(kind="meminfo", paths=[DATA / "small.meminfo"], workload="jvm")
    memory = groups(population)[0].workload.memory
    process = 1 - memory.free_zero - memory.free_stale - memory.cache - memory.kernel
    had = 1 - base.free_zero - base.free_stale - base.cache - base.kernel
    assert memory.anonymous_zero / process == pytest.approx(base.anonymous_zero / had, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "kernel"), [("old.meminfo", 0.1), ("bare.meminfo", 0.06)], ids=["slab", "nothing"]
)
def test_old_kernels_without_anon_pages_are_taken_by_their_slab(name: str, kernel: float) -> None:
    """Without AnonPages the kernel is slab and page tables, or the workload's share."""
    population = import_population(kind="meminfo", paths=[DATA / name])
    assert groups(population)[0].workload.memory.kernel == pytest.approx(kernel, abs=2e-4)
    missing = [note for note in population.notes if "missing for 1 of 1 machines" in note]
    assert [note.split()[0] for note in missing] == [
        "Buffers",
        "Shmem",
        "MemAvailable",
        "AnonPages",
    ]


def test_a_csv_of_machines_is_a_group_each() -> None:
    """Each row is a machine of its own size; one without Cached is left out, as noted."""
    population = import_population(kind="meminfo", paths=[DATA / "machines.csv"], vcpus=4)
    first, second = groups(population)
    assert (first.name, second.name) == ("first-one", "second-with-a-comma")
    assert (first.memory, second.memory) == (8 * GiB, 16 * GiB)
    assert (first.vcpus, first.workload.memory.cache) == (4, pytest.approx(0.5, abs=2e-4))
    assert "left out, as MemFree or Cached is missing: no cache" in population.notes
    assert any(n.startswith("MemAvailable is missing for 1 of 2") for n in population.notes)


def test_guests_of_one_size_are_dealt_out_over_the_machines() -> None:
    """With a size and a count the machines give make-ups only, evenly."""
    population = import_population(
        kind="meminfo", paths=[DATA / "machines.csv"], memory="4GiB", count=5
    )
    assert [(group.count, group.memory) for group in groups(population)] == [
        (3, 4 * GiB),
        (2, 4 * GiB),
    ]
    assert population.guests == 5
    asked = {"kind": "meminfo", "paths": [DATA / "machines.csv"], "count": 1}
    assert "count 1 is less than the 2 machines" in refusal(**asked)


@pytest.mark.parametrize(
    ("rows", "free"),
    [
        ("first", [0.8]),
        ("last", [0.1]),
        ("all", [0.8, 0.6, 0.4, 0.2, 0.1]),
        ("quantiles", [0.4, 0.1, 0.2, 0.6, 0.8]),
    ],
)
def test_one_machine_over_time_gives_samples(rows: Any, free: list[float]) -> None:
    """The rows asked for become the group's make-ups; quantiles start with the median."""
    population = import_population(kind="meminfo", paths=[DATA / "over_time.csv"], rows=rows)
    (group,) = groups(population)
    samples = group.makeups or [group.workload.memory]
    assert [m.free_zero + m.free_stale for m in samples] == pytest.approx(free, abs=3e-4)
    assert samples[0] == group.workload.memory


def test_a_long_series_is_thinned(file: Callable[..., Path]) -> None:
    """Of more than a thousand samples evenly spaced ones stand for all."""
    rows = "\n".join(f"{t},1000000,{400000 + t},200000,300000" for t in range(2500))
    path = file(f"t_s,MemTotal_kB,MemFree_kB,Cached_kB,AnonPages_kB\n{rows}\n", "long.csv")
    population = import_population(kind="meminfo", paths=[path], rows="all")
    assert len(population.groups[0]["makeups"]) == 834


def test_sets_are_fitted_to_the_tightest_sample() -> None:
    """Sets that are written fit every make-up; sets of files keep their relation to the cache."""
    population = import_population(
        kind="meminfo", paths=[DATA / "over_time.csv"], workload="file-server"
    )
    (group,) = groups(population)
    base = base_workload("file-server").spec
    tight = min(m.cache for m in group.makeups)
    to_cache, to_memory = (a.set for a in group.workload.activities if a.do == "write")
    (read,) = (a.set for a in group.workload.activities if a.do == "read")
    assert read == pytest.approx(0.6 * tight / base.memory.cache, rel=1e-3)
    assert to_cache == pytest.approx(0.04 * tight / base.memory.cache, rel=1e-3)
    assert to_memory == 0.03  # there is room


def test_writers_without_room_are_left_out() -> None:
    """A machine without a cache has nobody who writes to it, and readers hardly read."""
    makeup = {
        "free_zero": 0.5,
        "free_stale": 0.4,
        "cache": 0.0,
        "kernel": 0.1,
        "anonymous_zero": 0.0,
    }
    made = fitted(base_workload("file-server"), [makeup], 8 * GiB)
    assert [activity["do"] for activity in made["activities"]] == ["send"]
    assert Workload.model_validate(made).memory.cache == 0


def test_sets_given_as_sizes_are_fitted_too() -> None:
    """A hot set of 96 MB shrinks in a guest with less process memory than that."""
    makeup = {
        "free_zero": 0.5,
        "free_stale": 0.0,
        "cache": 0.4,
        "kernel": 0.0,
        "anonymous_zero": 0.0,
    }
    made = fitted(base_workload("stress"), [makeup], 64 * MiB)
    sets = [float(activity["set"]) for activity in made["activities"]]
    assert sum(sets) <= 0.1
    assert sets[0] / sets[1] == pytest.approx(96e6 / (64 * MiB) / 0.8, rel=2e-3)


shares = st.floats(0, 1)


@given(
    free=shares, cache=shares, kernel=shares, memory=st.sampled_from([64 * MiB, 7 * GiB]),
    name=st.sampled_from(["idle", "web-server", "database", "file-server", "jvm", "stress"]),
)  # fmt: skip
def test_any_make_up_gets_a_legal_workload(
    free: float, cache: float, kernel: float, memory: float, name: str
) -> None:
    """Whatever memory is made of, the fitted workload is legal and asks for what there is."""
    total = max(1.0, (free + cache + kernel) * 1.000001)
    makeup = {"free_zero": free / total, "free_stale": 0.0, "cache": cache / total,
              "kernel": kernel / total, "anonymous_zero": 0.0}  # fmt: skip
    made = Workload.model_validate(fitted(base_workload(name), [makeup], memory))
    assert made.memory == Makeup.model_validate(makeup)
    for target, room in (("cache", makeup["cache"]), ("anonymous", 1 - sum(makeup.values()))):
        sets = [a.set for a in made.activities if a.do == "write" and a.to == target]
        asked = sum(s if s <= 1 else s / memory for s in sets)
        assert asked <= room + 1e-9


@pytest.mark.parametrize(
    ("total", "memory"),
    [(7.64, 8), (11.57, 12), (15.5, 16), (19.6, 20), (125.7, 128), (0.975, 1), (0.46, 0.5), (8, 8)],
)
def test_memory_is_rounded_up_to_what_was_given(total: float, memory: float) -> None:
    """MemTotal in GiB, and the memory that people give to such machines."""
    assert whole_memory(total * GiB) == memory * GiB


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("MemTotal: 1000000 kB\nMemFree: lots\n", 2, "'MemFree: lots' is no line such as"),
        ("MemFree: 1 kB\n", None, "MemTotal is missing"),
        ("MemTotal: 1000000 kB\nMemFree: 2000000 kB\n", None, "MemFree 2000000 kB is more than"),
        ("MemTotal: 1000000 kB\nMemFree: 1 kB\nCached: 2000000 kB\n", None, "Cached 2000000 kB"),
        (
            "MemTotal: 1000000 kB\nMemFree: 1 kB\n",
            "-",
            "no machine has MemTotal, MemFree and Cached",
        ),
        ("\n \n", None, "is empty"),
        ("a,b\n1,2\n", 1, "needs columns MemTotal_kB"),
        ("id,MemTotal_kB\na,1000000,7\n", 2, "has 3 cells; the header has 2"),
        ("\nid,MemTotal_kB,MemFree_kB\na,1000000,-5\n", 3, "MemFree_kB: '-5' is no number of kB"),
        ("id,MemTotal_kB\na,12\n", 2, "MemTotal is missing, or less than 1 MiB"),
        ('id,MemTotal_kB\n"' + "x" * 140_000 + '",1\n', 2, "is no CSV: field larger"),
    ],
)
def test_bad_meminfo_is_refused_with_its_line(
    file: Callable[..., Path], text: str, line: int | str | None, message: str
) -> None:
    """What cannot be used says where and why."""
    path = file(text)
    place = "" if line == "-" else f"{path}:{line}: " if line else f"{path}: "
    told = refusal(kind="meminfo", paths=[path])
    assert told.startswith(place)
    assert message in told


def test_a_file_that_may_not_be_read_is_refused(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system says about a file that cannot be opened is passed on."""
    path = file("MemTotal: 1000000 kB\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert refusal(kind="meminfo", paths=[path]) == f"{path}: cannot be read: Permission denied"


def test_a_csv_without_rows_has_no_machine(file: Callable[..., Path]) -> None:
    """A header alone, or blank lines after it, are no machine."""
    path = file("id,MemTotal_kB\n\n\n")
    assert "no machine has MemTotal" in refusal(kind="meminfo", paths=[path])


def test_all_problems_are_told_at_once_up_to_a_bound(file: Callable[..., Path]) -> None:
    """Two bad files give both their problems; a file of nothing but faults gives fifty."""
    bad = file("MemTotal: 1000000 kB\nx\ny\n", "bad.txt")
    told = refusal(kind="meminfo", paths=[bad, DATA / "small.meminfo", file("", "empty.txt")])
    assert [line.rpartition("/")[2].split(": ")[0] for line in told.splitlines()] == [
        "bad.txt:2", "bad.txt:3", "empty.txt",
    ]  # fmt: skip
    assert len(refusal(kind="meminfo", paths=[file("x\n" * 9000)]).splitlines()) == 50


# --------------------------------------------------------------------------- traces


def test_a_bitbrains_file_is_a_guest_with_a_load() -> None:
    """Memory and cores are what was provisioned; the load is CPU use over its own mean."""
    population = import_population(kind="bitbrains", paths=[DATA / "vm 7.csv"], points=7)
    (group,) = groups(population)
    assert (group.name, group.memory, group.vcpus) == ("vm-7", 4 * GiB, 2)
    # 100, 300, 100 MHz for 300 s each, 100 for the 900 s to the next sample, 400 for the last 300 s
    mean = (100 + 300 + 100 + 3 * 100 + 400) / 7
    levels = [(0, 100), (300, 300), (600, 100), (1800, 400)]
    assert group.workload.load.points == [(t, pytest.approx(u / mean, abs=1e-3)) for t, u in levels]


def test_gaps_and_what_traces_lack_are_noted() -> None:
    """A step three times as long is a gap; make-up and activities are the workload's."""
    population = import_population(kind="bitbrains", paths=[DATA / "vm 7.csv"], workload="database")
    text = "\n".join(population.notes)
    assert "places where samples are missing: 1" in text
    assert "'memory usage' is what was active, not what was resident" in text
    assert "those of workload database" in text
    (group,) = groups(population)
    assert group.workload.memory == base_workload("database").spec.memory


def test_the_extended_format_may_hold_many_machines() -> None:
    """Fields by place, memory in MB; each id is a guest."""
    population = import_population(kind="bitbrains", paths=[DATA / "extended.txt"])
    first, second = groups(population)
    assert (first.name, first.memory, first.vcpus) == ("vm-a", 4 * GiB, 1)
    assert (second.name, second.memory, second.vcpus) == ("vm-b", 2 * GiB, 2)
    assert [level for _, level in first.workload.load.points] == [0.5, 1.5]
    assert [level for _, level in second.workload.load.points] == [1.0]


def test_a_window_is_cut_and_who_is_not_in_it_left_out() -> None:
    """Times count from the earliest sample of all files; the load of the window starts at 0."""
    paths = [DATA / "vm 7.csv", DATA / "extended.txt"]
    window: dict[str, Any] = {"start": "0s", "length": "10min", "points": 2}
    early = import_population(kind="bitbrains", paths=paths, **window)
    assert [group["name"] for group in early.groups] == ["vm-a", "vm-b"]
    assert "left out, with nothing in that window: 1" in early.notes
    assert "load: 600 s from 0 s on, in steps of 300 s" in early.notes
    for late in ({"start": "365d", "length": "1h"}, {"start": "36500d"}):
        assert "no guest has anything in that window" in refusal(
            kind="bitbrains", paths=paths, **late
        )


def test_odd_samples_are_put_in_order(file: Callable[..., Path]) -> None:
    """Milliseconds, doubles and disorder are mended and noted; two files of one name stay apart."""
    head, *rows = (DATA / "vm 7.csv").read_text().splitlines()
    rows = [row.replace(";", "000;", 1) for row in reversed(rows)]
    path = file("\n".join([head, "", rows[0], *rows]), "vm 7.csv")
    population = import_population(kind="bitbrains", paths=[path, DATA / "vm 7.csv"], points=7)
    first, second = groups(population)
    assert first.workload.load == second.workload.load
    assert (first.name, second.name) == ("vm-7", "vm-7-2")
    assert "samples with the time of another: 1; the last one counts" in population.notes


def test_an_idle_machine_has_level_zero() -> None:
    """No CPU use at all is a load of 0, not of 1; a spike is bounded."""
    still = Trace(name="x", vcpus=1, memory=GiB, times=[0.0, 300.0], usage=[0.0, 0.0], end=600.0)
    assert load_points(still, start=0, length=600, points=2) == [(0.0, 0.0)]
    spike = Trace(name="x", vcpus=1, memory=GiB, times=[0.0, 1e7], usage=[0.0, 9.0], end=1e7 + 1)
    points = load_points(spike, start=1e7, length=1, points=1)
    assert points == [(0.0, 1000.0)]


@given(
    usage=st.lists(st.floats(0, 5000), min_size=1, max_size=20),
    start=st.floats(0, 3000),
    length=st.floats(10, 9000),
    points=st.integers(1, 40),
)
def test_resampling_keeps_the_work(
    usage: list[float], start: float, length: float, points: int
) -> None:
    """The levels of a window sum to the CPU time that the trace has in it, within rounding."""
    times = [300.0 * i for i in range(len(usage))]
    trace = Trace(name="x", vcpus=1, memory=GiB, times=times, usage=usage, end=300.0 * len(usage))
    steps = load_points(trace, start=start, length=length, points=points)
    if steps is None:
        assert start >= trace.end
        return
    assert len(steps) <= points
    mean = sum(usage) / len(usage)
    ends = [time for time, _ in steps[1:]] + [length]
    done = sum(level * (end - time) for (time, level), end in zip(steps, ends, strict=True))
    overlaps = [max(0.0, min(t + 300, start + length) - max(t, start)) for t in times]
    asked = sum(u * o for u, o in zip(usage, overlaps, strict=True))
    if mean > 0:
        assert done == pytest.approx(asked / mean, abs=6e-4 * length)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("Timestamp [ms];\tCPU cores\n1;\t2\n", 1, "has no column 'cpu usage [mhz]'"),
        ("Timestamp;CPU cores;CPU usage [MHZ];Memory capacity provisioned [KB]\n1;2;x;9\n", 2,
         "usage: 'x' is no number >= 0"),
        ("Timestamp;CPU cores;CPU usage [MHZ];Memory capacity provisioned [KB]\n1;2\n", 2,
         "usage: '' is no number"),
        ("Timestamp;CPU cores;CPU usage [MHZ];Memory capacity provisioned [KB]\n1;0;5;4194304\n", 2,
         "0 CPU cores; legal is 1 to 1024"),
        ("Timestamp;CPU cores;CPU usage [MHZ];Memory capacity provisioned [KB]\n1;1;5;9\n", 2,
         "less than 1 MiB of memory"),
        ("Timestamp;CPU cores;CPU usage [MHZ];Memory capacity provisioned [KB]\n", None,
         "holds no sample"),
        ("1 2 3\n", 1, "has 3 fields; the extended format has 21"),
        ("# nothing\n", None, "holds no sample"),
        ("", None, "holds no sample"),
    ],
)  # fmt: skip
def test_bad_traces_are_refused_with_their_line(
    file: Callable[..., Path], text: str, line: int | None, message: str
) -> None:
    """What cannot be used says where and why."""
    path = file(text)
    told = refusal(kind="bitbrains", paths=[path])
    assert told.startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert message in told


# --------------------------------------------------------------------------- OpenDC


TASKS = {
    "id": [7, 9, 11],
    "submission_time": [1_000_000, 1_600_000, 1_000_000],
    "duration": [900_000, 600_000, 5],
    "cpu_count": [2, 1, 1],
    "cpu_capacity": [5200.0, 2600.0, 2600.0],
    "mem_capacity": [8192, 4096, 1024],
}
FRAGMENTS = {
    "id": [9, 7, 7, 9, 7],
    "duration": [300_000, 300_000, 600_000, 300_000, 0],
    "cpu_usage": [50.0, 100.0, 400.0, 150.0, 9.0],
}


@pytest.fixture
def opendc(tmp_path: Path) -> Callable[..., Path]:
    """Write the two tables, some columns changed or (None) left out."""
    import pyarrow
    import pyarrow.parquet

    def write(**changes: Any) -> Path:
        for name, table in (("tasks", TASKS), ("fragments", FRAGMENTS)):
            columns = {k: changes.get(f"{name}_{k}", v) for k, v in table.items()}
            kept = {k: v for k, v in columns.items() if v is not None}
            pyarrow.parquet.write_table(pyarrow.table(kept), tmp_path / f"{name}.parquet")
        return tmp_path

    return write


def test_tasks_and_fragments_become_guests(opendc: Callable[..., Path]) -> None:
    """Fragments follow each other from a task's submission, on one clock for all tasks."""
    folder = opendc()
    population = import_population(kind="opendc", paths=[folder], points=4)
    first, second = groups(population)
    assert (first.name, first.memory, first.vcpus) == ("task-7", 8 * GiB, 2)
    assert first.workload.load.points == [(0, 0.333), (300, 1.333), (900, 0)]
    # submitted 600 s after the other, and not there before
    assert second.workload.load.points == [(0, 0), (600, 0.5), (900, 1.5)]
    assert "mem_capacity is read as MB" in population.notes
    assert "left out, without a fragment: 1" in population.notes
    pair = [folder / "fragments.parquet", folder / "tasks.parquet"]
    assert import_population(kind="opendc", paths=pair, points=4) == population


def test_memory_in_kilobytes_is_recognised(opendc: Callable[..., Path]) -> None:
    """Sizes that would be terabytes as the documented MB are KB, and the notes say so."""
    folder = opendc(tasks_mem_capacity=[8388608, 262144, 1024])
    population = import_population(kind="opendc", paths=[folder])
    assert [group.memory for group in groups(population)] == [8 * GiB, 256 * MiB]
    assert any("read as KB" in note for note in population.notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"tasks_mem_capacity": None},
            "has no column mem_capacity; it has cpu_capacity, cpu_count",
        ),
        ({"fragments_cpu_usage": None}, "has no column cpu_usage"),
        ({"tasks_id": [7, None, 9]}, "empty cells in id"),
        ({"tasks_mem_capacity": ["a", "b", "c"]}, "is no table of numbers: int64"),
        ({"tasks_cpu_count": [0, 1, 1]}, "task 7: 0 CPUs; legal is 1 to 1024"),
        ({"tasks_mem_capacity": [0, 4096, 1]}, "task 7: less than 1 MiB of memory"),
        ({"fragments_cpu_usage": [1.0, -1.0, 1.0, 1.0, 1.0]}, "task 7: CPU usage of a fragment"),
        ({"fragments_id": [1, 2, 3, 4, 5]}, "no task has a fragment"),
        ({"tasks_" + key: [] for key in TASKS}, "has 0 rows"),
    ],
)
def test_bad_tables_are_refused(
    opendc: Callable[..., Path], changes: dict[str, Any], message: str
) -> None:
    """What cannot be used says in which file and why."""
    folder = opendc(**changes)
    told = refusal(kind="opendc", paths=[folder])
    assert message in told
    assert re.match(re.escape(str(folder)) + r"/(tasks|fragments)\.parquet: ", told)


def test_a_pair_has_to_be_a_pair(opendc: Callable[..., Path], file: Callable[..., Path]) -> None:
    """One table, one twice, a file that is no Parquet, and one that is missing are refused."""
    tasks = opendc() / "tasks.parquet"
    assert "no table of fragments among the files" in refusal(kind="opendc", paths=[tasks])
    assert "is a second table of tasks" in refusal(kind="opendc", paths=[tasks, tasks])
    assert "no Parquet table" in refusal(kind="opendc", paths=[tasks, file("PAR?")])
    assert "cannot be read" in refusal(kind="opendc", paths=[tasks, tasks.parent / "none.parquet"])


# --------------------------------------------------------------------------- all formats


def test_a_population_is_used_and_drained(tmp_path: Path) -> None:
    """The YAML of a population, and of the scenario made for it, load and run."""
    population = import_population(kind="meminfo", paths=[DATA / "machines.csv"], count=4)
    (tmp_path / "guests.yaml").write_text(to_yaml(population))
    (tmp_path / "drain.yaml").write_text(drain_scenario(population="guests.yaml"))
    result = run(files.load(tmp_path / "drain.yaml"))
    assert set(result.migrations["outcome"]) == {"completed"}
    assert len(result.migrations) == 4


def test_the_yaml_opens_with_its_notes_and_repeats_nothing_by_reference() -> None:
    """Notes stand in comments, units are written out, there are no anchors to follow."""
    text = to_yaml(import_population(kind="meminfo", paths=[DATA / "over_time.csv"]))
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert head[0] == "# guests: 1, groups: 1"
    assert len(head) > 4
    assert all(line.startswith("# - ") for line in head[1:])
    assert "memory: 2GiB" in text
    assert not re.search(r"[&*]id\d", text)


def test_a_note_cannot_break_out_of_its_comment() -> None:
    """Line ends of any kind in a name from a file stay inside the comment."""
    text = to_yaml(Population(groups=[], notes=["left out: a\nguests: [evil]\u2028b\rc"]))
    assert yaml.safe_load(text) == {"guests": []}


@given(st.lists(st.text(max_size=90), max_size=6))
def test_names_are_safe_and_unique(texts: list[str]) -> None:
    """Any text becomes a short name that no pattern, path or table chokes on."""
    taken: set[str] = set()
    names = [safe_name(text, taken) for text in texts]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,70}", name) for name in names)


@pytest.mark.parametrize(
    ("size", "text"), [(8 * GiB, "8GiB"), (1536 * MiB, "1536MiB"), (5 * 1024, "5KiB"), (7, "7B")]
)
def test_sizes_are_written_exactly(size: float, text: str) -> None:
    """A size is written in the largest unit that it is a whole number of."""
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("text", "value"), [("1.5", 1.5), (" 2 ", 2.0), ("", None), (None, None), ("nan", None),
                        ("-1", None), ("inf", None), ("1e400", None), ("12x", None)]
)  # fmt: skip
def test_numbers_are_finite_and_not_negative(text: str | None, value: float | None) -> None:
    """What is no such number is none at all."""
    assert number(text) == value


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"kind": "memifo"},
            "unknown format 'memifo'; legal are meminfo, bitbrains, opendc; did you",
        ),
        ({"kind": "meminfo", "points": 5}, "points means nothing for meminfo files"),
        ({"kind": "opendc", "rows": "all"}, "rows means nothing for opendc files"),
        ({"kind": "meminfo", "paths": []}, "0 files; legal is 1 to 10,000"),
        ({"kind": "meminfo", "rows": "some"}, "unknown rows 'some'; legal are quantiles, first"),
        ({"kind": "meminfo", "memory": "8G"}, "memory: cannot read '8G' as a size"),
        ({"kind": "meminfo", "memory": "1KiB"}, "memory: 1KiB is too small"),
        ({"kind": "meminfo", "count": 0}, "count: 0 must be from 1"),
        ({"kind": "meminfo", "workload": "web"}, "unknown workload 'web'"),
        ({"kind": "bitbrains", "length": "0s"}, "length: 0s is too small"),
        (
            {"kind": "meminfo", "paths": [DATA / "none.txt"]},
            "none.txt: is no file",
        ),
        ({"kind": "meminfo", "paths": [DATA]}, "importers: is no file"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_what_is_legal(
    asked: dict[str, Any], message: str
) -> None:
    """Formats, options and paths are checked before any file is used."""
    assert message in refusal(**{"paths": [DATA / "small.meminfo"]} | asked)


def test_files_are_bounded(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Files too large, with too many lines, with too many machines, or of no text are refused."""
    path = file("id,MemTotal_kB,MemFree_kB,Cached_kB\n" + "a,1000000,1,1\n" * 9, "m.csv")
    asked: dict[str, Any] = {"kind": "meminfo", "paths": [path]}
    assert "is no UTF-8 text" in refusal(kind="meminfo", paths=[file(b"\xff\xfe\x00", "b.txt")])
    monkeypatch.setattr("dcsim.scenario.importers.meminfo.MOST_GUESTS", 8)
    assert "9 machines are more than 8" in refusal(**asked)
    monkeypatch.setattr(shared_parts, "MOST_LINES", 5)
    assert "has 10 lines; at most 5" in refusal(**asked)
    monkeypatch.setattr(shared_parts, "LARGEST_FILE", 100)
    assert "is larger than 100 B" in refusal(**asked)
    monkeypatch.undo()
    monkeypatch.setattr("dcsim.scenario.importers.bitbrains.MOST_GUESTS", 1)
    assert "2 VMs are more than 1" in refusal(kind="bitbrains", paths=[DATA / "extended.txt"])


def test_large_tables_are_refused(
    opendc: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound on a file holds for tables as for texts."""
    folder = opendc()
    monkeypatch.setattr("dcsim.scenario.importers.opendc.LARGEST_FILE", 100)
    assert "is larger than 100 B" in refusal(kind="opendc", paths=[folder])


def test_every_format_is_described_and_documented(root: Path) -> None:
    """Each format says what its files are, and docs/importing.md has it."""
    page = (root / "docs/importing.md").read_text(encoding="utf-8")
    assert all(about and f"| `{kind}` |" in page for kind, about in KINDS.items())


# --------------------------------------------------------------------------- published files


def test_published_meminfo_texts(shared: Path) -> None:
    """/proc/meminfo of five real machines: sizes as known, make-ups that hang together."""
    paths = sorted((shared / "data/meminfo").glob("*.txt"))
    made = {group.name: group for group in groups(import_population(kind="meminfo", paths=paths))}
    assert len(made) == 5
    laptop = made["shirou_gopsutil_intelcorei5_meminfo"]
    assert laptop.memory == 16 * GiB
    assert laptop.workload.memory.free_zero + laptop.workload.memory.free_stale == pytest.approx(
        8577628 / 16115528, abs=3e-4
    )


def test_published_machines_have_the_quartiles_of_the_facts(shared: Path) -> None:
    """26 machines: quartiles of free memory are 0.08 to 0.58 in a wider set, near that here."""
    path = shared / "data/meminfo/meminfo_snapshots.csv"
    made = groups(import_population(kind="meminfo", paths=[path]))
    free = sorted(g.workload.memory.free_zero + g.workload.memory.free_stale for g in made)
    assert len(made) == 26
    assert 0.08 < free[6] < free[13] < free[19] < 0.9
    assert {g.memory / GiB for g in made} >= {0.5, 1, 2, 4, 8, 12, 16, 20, 32, 128}


def test_published_series(shared: Path) -> None:
    """Two real guests over time: the first has little free memory all day, the second is idle."""
    paths = [shared / "data/meminfo" / f"{n}.csv" for n in ("vm01_24h", "vm2g_75min_5min")]
    busy, idle = groups(import_population(kind="meminfo", paths=paths, workload="idle"))
    assert [len(g.makeups) for g in (busy, idle)] == [5, 5]
    assert max(m.free_zero + m.free_stale for m in busy.makeups) < 0.11
    assert min(m.free_zero + m.free_stale for m in idle.makeups) > 0.9


def test_a_published_bitbrains_trace(shared: Path) -> None:
    """30 days of one VM of 2 GiB in a bounded number of steps, its missing samples noted."""
    path = shared / "data/traces/bitbrains.csv"
    population = import_population(kind="bitbrains", paths=[path], length="1d", points=24)
    (group,) = groups(population)
    assert (group.memory, group.vcpus) == (2 * GiB, 1)
    assert 12 < len(group.workload.load.points) <= 24
    assert any("samples are missing: 13" in note for note in population.notes)
    ext = import_population(kind="bitbrains", paths=[shared / "data/traces/vm_solvinity_ext.txt"])
    assert [(g["name"], g["memory"]) for g in ext.groups] == [("vm", "4GiB")]


def test_a_published_opendc_trace(shared: Path) -> None:
    """50 VMs whose memory is in KB, one of them not yet there on the twentieth day."""
    paths = [
        shared / f"data/traces/opendc_bitbrains-small_{n}.parquet" for n in ("tasks", "fragments")
    ]
    window: dict[str, Any] = {"start": "20d", "length": "2h", "points": 8}
    population = import_population(kind="opendc", paths=paths, **window)
    assert population.guests == 49
    assert any("read as KB" in note for note in population.notes)
    largest = max(groups(population), key=lambda g: g.memory)
    assert (largest.vcpus, round(largest.memory / GiB)) == (32, 124)
    assert all(parse_duration(t) < 7200 for g in population.groups
               for t, _ in g["workload"]["load"]["points"])  # fmt: skip
