"""A result: its frames, its words, how it is kept on disk, and what is refused there."""

from __future__ import annotations

import csv
import json
import math
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.errors import ResultError
from dcsim.records import store
from dcsim.records.recorder import Recorder
from dcsim.records.result import Result, versions
from dcsim.records.tables import BY_NAME, TABLES

SCENARIO = {
    "name": "a <drain>",
    "seed": 7,
    "horizon": 3600.0,
    "guests": [{"name": "1e9", "memory": 8589934592.0, "workload": {"activities": []}}],
    "operation": {"kind": "drain", "hosts": "rack9/*", "at": 1e-06},
    "record": "full",
}
MOVED = {"outcome": "completed", "requested_s": 0.0, "ended_s": 34.5, "sent_bytes": 2.0**33,
         "prefetch_bytes": 0.0, "disk_copy_bytes": 0.0,
         "mirror_bytes": 0.0, "first_pass_bytes": 2.0**33, "resent_bytes": 0.0,
         "switchover_bytes": 0.0, "downtime_s": 0.1, "total_time_s": 34.5, "rounds": 2}  # fmt: skip
STUCK = MOVED | {"outcome": "no-room", "sent_bytes": 0.0, "first_pass_bytes": 0.0, "rounds": 0,
                 "downtime_s": 0.0, "ended_s": 1.0, "reason": "no host has 8 GiB free"}  # fmt: skip
EMPTY = Recorder("full").finish({})


def make(*, record="full", moves=(("db-0", MOVED), ("db-1", STUCK)), events=(), **changes):
    """Make a result through the recorder, as a run does."""
    recorder = Recorder(record)
    for guest, row in moves:
        recorder.add("migrations", guest=guest, **row)
        zero = {column.name: 0.0 for column in BY_NAME["guests"].columns if column.kind == "float"}
        recorder.add("guests", guest=guest, moves=1, **(zero | {"lost_work_s": 0.1 + 0.2}))
    recorder.add("rounds", guest="db-0", round=1, kind="first pass", to_s=-0.0)
    for event, detail in events:
        recorder.add("events", time_s=0.0, event=event, subject="drain", detail=detail)
    summary = recorder.summarise(operation_at_s=0.5, simulated_s=94.5)
    given = {
        "scenario": SCENARIO | {"record": record},
        "digest": "ab" * 32,
        "seed": 7,
        "replicate": 0,
    }
    return Result(columns=recorder.finish(summary), **(given | changes))


def files(directory: Path) -> dict[str, bytes]:
    """Return every file of a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def names(directory: Path) -> list[str]:
    """Return the names in a directory."""
    return sorted(path.name for path in directory.iterdir())


# --------------------------------------------------------------------------- looking


def test_frames_have_the_declared_columns_and_types():
    """Every table is a frame of float64, int64 and text, also where it has no row."""
    result = make()
    assert result.tables == tuple(BY_NAME)
    for table in TABLES:
        frame = getattr(result, table.name)
        assert tuple(frame.columns) == table.names
        for column in table.columns:
            kind = {"float": "float64", "int": "int64", "text": ("str", "object")}[column.kind]
            assert str(frame[column.name].dtype) in kind
    assert result.migrations.loc[0, "sent_bytes"] == 2.0**33
    assert list(result.migrations["outcome"]) == ["completed", "no-room"]


def test_changing_a_frame_changes_nothing_that_is_kept(tmp_path):
    """A column added in a notebook is neither in the next frame nor in what is saved."""
    result = make()
    frame = result.migrations
    frame["mine"] = 1
    assert "mine" not in result.migrations
    result.save(tmp_path / "out")
    assert Result.load(tmp_path / "out").equals(result)


def test_metrics_are_the_summary_row():
    """Metrics are plain numbers, without a frame."""
    metrics = make().metrics
    assert metrics["network_bytes"] == 2.0**33
    assert (metrics["requested"], metrics["completed"], metrics["not_moved"]) == (2, 1, 1)
    assert metrics["makespan_s"] == 34.0
    assert metrics["simulated_s"] == 94.5


def test_making_a_result_needs_no_pandas():
    """Neither making nor summarising nor pickling one imports pandas or pyarrow."""
    code = (
        "import sys, pickle\n"
        "from dcsim.records.result import Result\n"
        "from dcsim.records.recorder import Recorder\n"
        "r = Result(scenario={}, digest='', seed=1, replicate=0, columns=Recorder().finish({}))\n"
        "r.metrics, repr(r), pickle.loads(pickle.dumps(r)).differences(r)\n"
        "print(sorted({'pandas', 'pyarrow', 'scipy'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_table_not_kept_says_which_record_keeps_it():
    """Asking for what was not kept says what to write in the scenario."""
    result = make(record="migrations")
    with pytest.raises(ResultError, match="record: migrations; record: full keeps it"):
        result.rounds  # noqa: B018
    with pytest.raises(ResultError, match="record: summary; record: migrations keeps it"):
        make(record="summary").guests  # noqa: B018
    with pytest.raises(ResultError, match="did you mean 'migrations'"):
        result.table("migration")


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"summary": {"requested": [1]}},
        {"gossip": {}},
        EMPTY | {"events": {"time_s": [1.0], "event": [], "subject": [], "detail": []}},
        {name: table for name, table in EMPTY.items() if name != "summary"},
    ],
    ids=["nothing", "columns missing", "unknown table", "ragged", "no summary"],
)  # fmt: skip
def test_tables_that_are_not_as_declared_are_refused(columns):
    """A result is of declared tables and has one summary row."""
    with pytest.raises(ResultError):
        Result(scenario={}, digest="", seed=1, replicate=0, columns=columns)


# --------------------------------------------------------------------------- words


def test_explanation_counts_and_gives_reasons():
    """Guests that did not move are counted by outcome, with the first reason of each."""
    expected = "1 of 2 guests moved (1 live); 1 not: 1 no-room (db-1: no host has 8 GiB free)"
    assert make().explanation == expected
    assert make(moves=[("a", MOVED)] * 3).explanation == "3 of 3 guests moved (3 live)"
    mixed = [("a", MOVED), ("b", MOVED | {"outcome": "completed-cold"})]
    assert make(moves=mixed).explanation == "2 of 2 guests moved (1 live, 1 cold)"
    silent = [("a", STUCK | {"reason": ""}), ("b", STUCK | {"outcome": "not-movable"})]
    assert make(moves=silent).explanation == (
        "0 of 2 guests moved; 2 not: 1 not-movable (b: no host has 8 GiB free), 1 no-room"
    )


def test_explanation_of_no_migrations_says_why():
    """Nothing moved is never silent: the operation says why, or the scenario tells."""
    nothing = "0 migrations: no guest stood on rack9/*"
    assert make(moves=()).explanation == nothing
    assert make(moves=(), record="summary").explanation == nothing
    said = [("placement", "no matter"), ("operation", "nobody is listed"), ("operation", "done")]
    odd = {"moves": (), "scenario": {"operation": "odd"}}
    assert make(**odd, events=said).explanation == "0 migrations: nobody is listed"
    assert make(**odd).explanation == "0 migrations: the operation asked for none"


def test_explanation_without_the_table_still_counts():
    """Where migrations were not kept, the summary says how many."""
    assert make(record="summary").explanation == "1 of 2 guests moved (1 live); 1 not"


def test_repr_says_what_came_of_it():
    """One line: whose, how many, how long, how much."""
    assert repr(make(record="summary")) == (
        "<Result of a <drain>, seed 7, replicate 0: 1 of 2 guests moved (1 live); 1 not; "
        "makespan 34 s, 8 GiB on the network, 600 ms of guests' work lost; tables: summary>"
    )


def test_html_is_escaped_and_complete():
    """Names out of a file cannot become markup; every metric is there with its unit."""
    page = make(moves=[("<script>", STUCK | {"reason": "<b>"})])._repr_html_()
    assert "<script>" not in page
    assert "a &lt;drain&gt;" in page
    assert "&lt;script&gt;: &lt;b&gt;" in page
    for column in BY_NAME["summary"].columns:
        assert f">{column.name}</th>" in page
    assert "<td>34 s</td>" in make()._repr_html_()
    assert "<td>8 GiB</td>" in make()._repr_html_()


# --------------------------------------------------------------------------- comparing


def test_equal_to_itself_and_to_another_like_it():
    """Two results of the same rows are equal, NaN and all, by whatever versions."""
    one, other = make(), make(versions={"dcsim": "another"})
    assert one.equals(other)
    assert one.differences(other) == []


def test_differences_say_where_and_what():
    """Each column that differs is named with its first row; 0.0 and -0.0 differ."""
    one = make()
    other = make(moves=[("db-0", MOVED | {"ended_s": 35.5}), ("db-1", STUCK)], seed=8)
    other.columns["rounds"]["to_s"][0] = 0.0
    assert one.differences(other) == [
        "seed: 7 and 8",
        "migrations.ended_s: 1 of 2 rows, first 0: 34.5 and 35.5",
        "rounds.to_s: 1 of 1 rows, first 0: -0.0 and 0.0",
        "summary.makespan_s: 1 of 1 rows, first 0: 34.0 and 35.0",
    ]
    assert not one.equals(other)


def test_differences_in_rows_and_tables_are_found():
    """A table with more rows, or that only one has, is a difference."""
    one, other = make(moves=[("db-0", MOVED)]), make(record="migrations", replicate=1, digest="")
    found = one.differences(other)
    assert "digest: '" + "ab" * 32 + "' and ''" in found
    assert "replicate: 0 and 1" in found
    assert "migrations: 1 and 2 rows" in found
    assert "rounds: only in the first" in found
    assert "rounds: only in the second" in other.differences(one)


def test_result_travels_between_processes():
    """Pickling, as executors do, loses nothing and leaves the frames behind."""
    result = make()
    assert len(result.migrations) == 2
    sent = pickle.dumps(result)
    assert b"pandas" not in sent
    assert pickle.loads(sent).equals(result)


# --------------------------------------------------------------------------- keeping


@pytest.mark.parametrize("record", ["summary", "migrations", "full"])
def test_saved_result_is_read_back_bit_for_bit(tmp_path, record):
    """Tables, provenance and scenario survive, whatever was kept."""
    result = make(
        record=record, moves=[("a", MOVED | {"stream_s": math.nan, "ended_s": 0.1 + 0.2})]
    )
    result.save(tmp_path / "new" / "out")
    loaded = Result.load(tmp_path / "new" / "out")
    assert loaded.differences(result) == []
    assert loaded.tables == result.tables
    assert loaded.scenario == result.scenario
    assert loaded.versions == result.versions == versions()
    assert names(tmp_path / "new") == ["out"]  # nothing of the writing is left


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.floats()),
        max_size=5,
    )
)
def test_any_text_and_any_float_survive(tmp_path_factory, rows):
    """Names in any script, infinities, NaN and the smallest floats come back as they were."""
    result = make(moves=[(text, MOVED | {"policy_s": value}) for text, value in rows])
    directory = tmp_path_factory.mktemp("any") / "out"
    result.save(directory)
    assert Result.load(directory).differences(result) == []


def test_two_saves_are_the_same_bytes(tmp_path):
    """No time and no path is written: saved twice, or loaded and saved, files are equal."""
    make().save(tmp_path / "one")
    make().save(tmp_path / "two" / "deeper")
    Result.load(tmp_path / "one").save(tmp_path / "three")
    one = files(tmp_path / "one")
    assert sorted(one) == sorted(
        [*(f"{name}.parquet" for name in BY_NAME), "provenance.json", "scenario.yaml"]
    )
    assert files(tmp_path / "two" / "deeper") == one
    assert files(tmp_path / "three") == one


def test_parquet_carries_units_meanings_and_provenance(tmp_path):
    """One file alone says what its columns mean and which scenario, seed and versions it is of."""
    import pyarrow.parquet as pq

    make().save(tmp_path / "out")
    for table in TABLES:
        schema = pq.read_schema(tmp_path / "out" / f"{table.name}.parquet")
        assert b"pandas" not in schema.metadata
        for column in table.columns:
            about = schema.field(column.name).metadata
            assert about[b"unit"].decode() == column.unit
            assert about[b"meaning"].decode() == column.meaning
        assert json.loads(schema.metadata[b"dcsim.scenario"]) == SCENARIO
        assert json.loads(schema.metadata[b"dcsim.versions"]) == versions()
        assert schema.metadata[b"dcsim.digest"] == b"ab" * 32
        assert schema.metadata[b"dcsim.seed"] == b"7"
        assert schema.metadata[b"dcsim.replicate"] == b"0"
        assert schema.metadata[b"dcsim.table"].decode() == table.name


def test_other_tools_read_the_tables(tmp_path):
    """pandas reads a saved table by itself, with the same types."""
    import pandas as pd

    result = make()
    result.save(tmp_path / "out")
    frame = pd.read_parquet(tmp_path / "out" / "migrations.parquet")
    pd.testing.assert_frame_equal(frame, result.migrations)


def test_versions_are_those_that_decide_bits():
    """Every version is there and none is empty."""
    found = versions()
    assert list(found) == ["dcsim", "python", "numpy", "simpy", "platform"]
    assert all(found.values())


def test_scenario_yaml_reads_as_the_scenario(tmp_path):
    """Under YAML 1.1 and 1.2: a name that looks like a number stays a text."""
    import yaml

    make().save(tmp_path / "out")
    text = (tmp_path / "out" / "scenario.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == SCENARIO
    assert 'name: "1e9"' in text
    assert text.startswith("# The scenario as it ran, in SI units")


def test_csv_holds_every_row_in_full(tmp_path):
    """A CSV file a table; reading a number back gives the same float."""
    result = make(moves=[("comma, \"quote\"\n", MOVED | {"ended_s": 0.1 + 0.2})])  # fmt: skip
    result.to_csv(tmp_path / "csv")
    assert names(tmp_path / "csv") == sorted(f"{name}.csv" for name in BY_NAME)
    with (tmp_path / "csv" / "migrations.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["guest"] == 'comma, "quote"\n'
    assert float(rows[0]["ended_s"]) == 0.1 + 0.2
    assert tuple(rows[0]) == BY_NAME["migrations"].names
    with pytest.raises(ResultError, match="already holds a result in CSV"):
        result.to_csv(tmp_path / "csv")
    make(record="summary").to_csv(tmp_path / "csv", overwrite=True)
    assert names(tmp_path / "csv") == ["summary.csv"]


# --------------------------------------------------------------------------- overwriting


def test_result_is_replaced_only_when_asked(tmp_path):
    """A result is kept, unless overwrite is set: then it is replaced whole."""
    make().save(tmp_path / "out")
    before = files(tmp_path / "out")
    with pytest.raises(ResultError, match="already holds a result; overwrite=True replaces it"):
        make(seed=8).save(tmp_path / "out")
    assert files(tmp_path / "out") == before
    make(record="summary", seed=8).save(tmp_path / "out", overwrite=True)
    assert Result.load(tmp_path / "out").tables == ("summary",)
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("name", ["notes.txt", "events.parquet", "provenance.json"])
def test_directory_of_others_is_never_overwritten(tmp_path, name):
    """What is no result, or more than one, stays, even if overwrite is set."""
    (tmp_path / "out").mkdir()
    if name != "provenance.json":
        (tmp_path / "out" / name).write_bytes(b"precious")
    else:
        (tmp_path / "out" / name).write_text('{"format": "other"}')
    before = files(tmp_path / "out")
    for overwrite in (False, True):
        with pytest.raises(ResultError, match="holds more than a result, or something else"):
            make().save(tmp_path / "out", overwrite=overwrite)
    assert files(tmp_path / "out") == before


def test_file_beside_a_result_is_not_lost(tmp_path):
    """A result with a file of the user's beside it loads, and is not overwritten."""
    make().save(tmp_path / "out")
    (tmp_path / "out" / "notes.html").write_text("mine")
    assert Result.load(tmp_path / "out").equals(make())
    with pytest.raises(ResultError, match="more than a result"):
        make().save(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "notes.html").read_text() == "mine"


def test_report_goes_with_its_result(tmp_path):
    """A report stands beside its result, and goes when another result takes its place."""
    make().save(tmp_path / "out")
    (tmp_path / "out" / "report.html").write_text("about the first")
    assert Result.load(tmp_path / "out").equals(make())
    make().save(tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "report.html").exists()


def test_file_in_the_way_is_refused(tmp_path):
    """A result is a directory: a file of that name is named and kept."""
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ResultError, match="is a file; a result is a directory"):
        make().save(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out").read_text() == "mine"


def test_empty_directory_and_link_are_filled(tmp_path):
    """An empty directory, or one behind a link, is filled where it is."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    make().save(tmp_path / "link")
    assert Result.load(tmp_path / "real").equals(make())
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("step", ["write", "rename"])
def test_failure_while_saving_leaves_what_was_there(tmp_path, monkeypatch, step):
    """If the disk fails midway, the old result stays and nothing half-written is left."""
    make().save(tmp_path / "out")
    before = files(tmp_path / "out")
    whole = Path.rename

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    def rename(path, target):
        return full() if path.name.endswith("-new") else whole(path, target)

    if step == "write":
        monkeypatch.setattr(store, "json_bytes", full)
    else:
        monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match="No space left"):
        make(seed=8).save(tmp_path / "out", overwrite=True)
    assert files(tmp_path / "out") == before
    assert names(tmp_path) == ["out"]


# --------------------------------------------------------------------------- suspicion


@pytest.fixture
def saved(tmp_path):
    """A directory with a saved result."""
    make().save(tmp_path / "out")
    return tmp_path / "out"


def change(directory: Path, **changes):
    """Change the provenance of a saved result."""
    path = directory / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def swap(directory: Path, name: str, table, **options) -> None:
    """Put an Arrow table in place of a saved one, its digest put right."""
    import pyarrow.parquet as pq

    pq.write_table(table, directory / f"{name}.parquet", **options)
    about = json.loads((directory / "provenance.json").read_text())
    digests = about["sha256"] | {name: store.digest_of(directory / f"{name}.parquet")}
    change(directory, sha256=digests)


def test_nothing_there(tmp_path):
    """A missing directory, or one without a result, is said to hold none."""
    for place in (tmp_path / "absent", tmp_path):
        with pytest.raises(ResultError, match=r"holds no dcsim result: provenance.json is missing"):
            Result.load(place)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": "dcsim-res', "cannot read"),
        ("[" * 100_000, "cannot read"),
        ('{"format": NaN}', "NaN is no JSON"),
        ("\udcff", "cannot read"),
        ("[]", "is of no dcsim result"),
        ('{"format": "dcsim-study", "version": 1}', "is of no dcsim result"),
        ('{"format": "dcsim-result", "version": 2}', "of version 2 of its format; .* version 1"),
        ('{"format": "dcsim-result", "version": 1}', "torn or changed: scenario, digest, seed"),
    ],
)
def test_torn_or_foreign_provenance_is_refused(saved, text, message):
    """Half a file, another format, a later version: each has its own sentence."""
    (saved / "provenance.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ResultError, match=message):
        Result.load(saved)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scenario", []), ("digest", 1), ("seed", "7"), ("seed", True), ("replicate", 1.5),
        ("versions", {"dcsim": 1}), ("sha256", {"../../etc/passwd": "x"}), ("sha256", []),
    ],
)  # fmt: skip
def test_provenance_of_wrong_types_is_refused(saved, field, value):
    """Every field is checked, and no name of a file is taken from inside one."""
    change(saved, **{field: value})
    with pytest.raises(ResultError, match=f"torn or changed: {field}"):
        Result.load(saved)


def test_torn_and_missing_tables_are_noticed(saved):
    """A table cut short, of another run, or gone is no result."""
    whole = (saved / "links.parquet").read_bytes()
    (saved / "links.parquet").write_bytes(whole[:-20])
    with pytest.raises(ResultError, match=r"links.parquet is torn or changed"):
        Result.load(saved)
    (saved / "links.parquet").unlink()
    with pytest.raises(ResultError, match=r"is torn: links.parquet is missing"):
        Result.load(saved)


def test_table_that_is_not_of_the_result_is_noticed(saved):
    """A table left behind by another run is not taken for this one's."""
    about = json.loads((saved / "provenance.json").read_text())
    change(saved, sha256={name: x for name, x in about["sha256"].items() if name != "rounds"})
    with pytest.raises(ResultError, match=r"rounds.parquet is no part of the result beside it"):
        Result.load(saved)


def test_what_is_no_parquet_is_refused(saved):
    """Even with its digest put right, a file that is no table is an error and not a crash."""
    (saved / "links.parquet").write_bytes(b"PAR1 not a table PAR1")
    about = json.loads((saved / "provenance.json").read_text())
    change(saved, sha256=about["sha256"] | {"links": store.digest_of(saved / "links.parquet")})
    with pytest.raises(ResultError, match=r"cannot read .*links.parquet"):
        Result.load(saved)


def test_tables_of_another_schema_are_refused(saved):
    """Names, types, order and number of columns are those declared, and no value is missing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    good = pq.read_table(saved / "rounds.parquet")
    columns = good.column_names
    none, nothing = pa.array([None], pa.float64()), pa.array([None], pa.string())
    texts, numbers = good["guest"].cast(pa.binary()), good["round"].cast(pa.float64())
    bad = {
        "column 1 should be 'guest' .text. and is 'x'": good.rename_columns(["x", *columns[1:]]),
        "column 1 should be 'guest' .text. and is .* .binary": good.set_column(0, "guest", texts),
        "column 3 should be 'round' .int. and is .* .double": good.set_column(2, "round", numbers),
        "column 12 should be 'throttle' .* is nothing": good.select(columns[:-1]),
        "it has 13 columns, not 12": good.append_column("more", good["round"]),
        "column to_s: 1 values are missing": good.set_column(5, "to_s", none),
        "column guest: 1 values are missing": good.set_column(0, "guest", nothing),
    }
    for message, table in bad.items():
        swap(saved, "rounds", table)
        with pytest.raises(ResultError, match=message):
            Result.load(saved)
    swap(saved, "rounds", good)
    assert Result.load(saved).equals(make())


def test_pandas_metadata_in_a_table_is_not_trusted(saved):
    """What a file says of itself in pandas' name does not matter."""
    import pyarrow.parquet as pq

    table = pq.read_table(saved / "rounds.parquet")
    swap(saved, "rounds", table.replace_schema_metadata({"pandas": '{"index_columns": ["guest"]}'}))
    assert Result.load(saved).equals(make())


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("MAX_JSON_BYTES", "provenance.json is larger than 10 bytes"),
        ("MAX_TABLE_BYTES", "migrations.parquet is larger than 10 bytes"),
        ("MAX_CELLS", "migrations.parquet is too large: 2 rows"),
        ("MAX_TEXT", "column reason: a text is longer than 10 characters"),
    ],
)
def test_sizes_are_bounded(saved, monkeypatch, limit, message):
    """What is too large is refused before it is unpacked."""
    monkeypatch.setattr(store, limit, 10)
    with pytest.raises(ResultError, match=message):
        Result.load(saved)


def test_table_that_unpacks_to_too_much_is_refused(saved, monkeypatch):
    """A small file that says it holds gigabytes is refused by what it says."""
    import pyarrow as pa

    arrays = [pa.array([1.0] * 10_000), *([pa.array(["x"] * 10_000)] * 3)]
    table = pa.table(arrays, names=list(EMPTY["events"]))
    swap(saved, "events", table, use_dictionary=False, compression="zstd")
    assert len(Result.load(saved).events) == 10_000
    monkeypatch.setattr(store, "MAX_TABLE_BYTES", 50_000)
    assert (saved / "events.parquet").stat().st_size < 50_000
    with pytest.raises(ResultError, match=r"events.parquet is too large: 10,000 rows"):
        Result.load(saved)


def test_second_summary_row_is_refused(saved):
    """A result has one summary row, on disk too."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(saved / "summary.parquet")
    swap(saved, "summary", pa.concat_tables([table, table]))
    with pytest.raises(ResultError, match="summary of one row"):
        Result.load(saved)


@given(st.lists(st.text()))
def test_texts_are_packed_as_arrow_packs_them(texts):
    """Without pandas, which `pyarrow.array` would import."""
    assert store._text_array(texts).equals(pa.array(texts, type=pa.string()))
