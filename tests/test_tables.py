"""Declared tables, the recorder that fills them, the summary made from them, and their page."""

from __future__ import annotations

import math
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.records.describe import markdown
from dcsim.records.recorder import Recorder
from dcsim.records.summary import Summary, percentile
from dcsim.records.tables import (
    BY_NAME,
    CAUSES,
    GUESTS,
    OUTCOMES,
    SUMMARY,
    TABLES,
    record_that_keeps,
)

ENDINGS = {"s": "_s", "B": "_bytes", "B/s": "bytes_per_s", "pages": "_pages", "J": "_j", "": ""}
PLAIN = {
    "byte_hops", "progress", "throttle", "imbalance_before", "imbalance_after", "busiest_share",
}  # fmt: skip
ROUND = {
    "guest": "db-0", "started_s": 1.5, "round": 1, "kind": "first pass", "from_s": 1.5, "to_s": 2.5,
    "pending_pages": 100.0, "sent_bytes": 409600.0, "sent_pages": 100.0, "dirtied_pages": 7.0,
    "threshold_bytes": 4096.0,
}  # fmt: skip


# --------------------------------------------------------------------------- declarations


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_bare_numbers_carry_their_unit_in_their_name(table):
    """A float column's name ends in its unit, and every column says what it means."""
    assert len(set(table.names)) == len(table.names)
    assert table.meaning.endswith(".")
    for column in table.columns:
        assert column.meaning
        if column.name not in PLAIN:
            assert column.name.endswith(ENDINGS[column.unit])
            assert (column.kind == "float") == (column.unit != "")


def test_every_cause_of_loss_has_its_column():
    """The columns of lost work are those of the causes, in guests and in the summary."""
    expected = [f"lost_{cause}_s" for cause in CAUSES]
    for table in (GUESTS, SUMMARY):
        lost = [name for name in table.names if name.startswith("lost_") and name.endswith("_s")]
        lost.remove("lost_work_s")
        assert lost == expected


def test_page_of_tables_is_what_the_declarations_say(root: Path):
    """docs/tables.md is up to date; `python -m dcsim.records.describe` makes it."""
    page = (root / "docs" / "tables.md").read_text(encoding="utf-8")
    assert page == markdown()
    command = [sys.executable, "-m", "dcsim.records.describe"]
    assert subprocess.run(command, capture_output=True, check=True).stdout.decode() == page


def test_page_names_every_column():
    """The page has a row for every column of every table, and each table's least record."""
    page = markdown()
    for table in TABLES:
        section = page.split(f"\n## {table.name}\n")[1].split("\n## ")[0]
        assert f"(`record: {record_that_keeps(table.name)}`)" in section
        for column in table.columns:
            row = f"| `{column.name}` | {column.kind} | {column.unit} | {column.meaning} |"
            assert row in section


# --------------------------------------------------------------------------- recorder


@pytest.mark.parametrize(
    ("record", "tables"),
    [
        ("summary", ["summary"]),
        (
            "migrations",
            ["migrations", "guests", "links", "hosts", "operations", "maintenance", "summary"],
        ),
        ("full", list(BY_NAME)),
    ],
)
def test_finish_returns_the_tables_that_record_keeps(record, tables):
    """What is not asked to be kept is dropped at the end, in an order that does not vary."""
    recorder = Recorder(record)
    columns = recorder.finish({"makespan_s": 1.0})
    assert list(columns) == tables
    assert list(columns["summary"]["makespan_s"]) == [1.0]


def test_summary_can_be_made_whatever_is_kept():
    """Under record: summary, moves, guests and links are summed up; other rows are ignored."""
    recorder = Recorder("summary")
    wanted = [name for name in BY_NAME if recorder.keeps(name)]
    assert wanted == ["migrations", "guests", "links", "summary"]
    recorder.add("migrations", guest="db-0", rounds=3)
    recorder.add("rounds", **ROUND)
    assert recorder.summarise(operation_at_s=0.0, simulated_s=1.0)["rounds"] == 3


def test_column_left_out_is_nan_zero_or_empty():
    """Each type has one value that stands for nothing."""
    recorder = Recorder("full")
    recorder.add("rounds", guest="db-0")
    columns = recorder.finish({})["rounds"]
    assert columns["guest"] == ["db-0"]
    assert (columns["kind"], list(columns["round"])) == ([""], [0])
    assert math.isnan(columns["to_s"][0])


@pytest.mark.parametrize("record", ["summary", "full"])
def test_unknown_column_is_refused_and_nothing_is_added(record):
    """A misspelt column is an error even where the table is not kept, and leaves no half row."""
    recorder = Recorder(record)
    with pytest.raises(KeyError, match="table rounds has no column form_s"):
        recorder.add("rounds", form_s=1.0)
    with pytest.raises(KeyError, match="round"):
        recorder.add("round", guest="db-0")
    columns = recorder.finish({})
    del columns["summary"]
    assert all(not values for table in columns.values() for values in table.values())


def test_numbers_of_numpy_become_plain():
    """What leaves the recorder is float, int and str, so that results are cheap to save."""
    recorder = Recorder("full")
    row = ROUND | {
        "from_s": np.float64(0.1),
        "round": np.int64(2),
        "guest": np.str_("g"),
        "to_s": 3,
    }
    recorder.add("rounds", **row)
    columns = recorder.finish({})["rounds"]
    assert [type(columns[name][0]) for name in ("from_s", "to_s", "round", "guest")] == [
        float, float, int, str,
    ]  # fmt: skip
    assert [list(columns[name]) for name in ("from_s", "to_s", "round")] == [[0.1], [3.0], [2]]


@pytest.mark.parametrize(("column", "value"), [("from_s", "1"), ("round", 2.5), ("guest", None)])
def test_value_of_another_type_is_refused(column, value):
    """A text for a number, a fraction for a count or nothing for a text names its column."""
    recorder = Recorder("full")
    recorder.add("rounds", **(ROUND | {column: value}))
    with pytest.raises(TypeError, match=f"rounds.{column} is "):
        recorder.finish({})


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 9), st.floats()), max_size=8))
def test_columns_are_the_rows_in_order(rows):
    """Whatever is added comes back, row by row and bit for bit."""
    recorder = Recorder("full")
    for guest, number, seconds in rows:
        recorder.add("rounds", guest=guest, round=number, to_s=seconds)
    columns = recorder.finish({})["rounds"]
    assert columns["guest"] == [row[0] for row in rows]
    assert list(columns["round"]) == [row[1] for row in rows]
    assert [value.hex() for value in columns["to_s"]] == [row[2].hex() for row in rows]


def test_row_of_another_width_is_refused():
    """A cell too few would shift all that come after it."""
    recorder = Recorder()
    with pytest.raises(ValueError, match="table events has 4 columns, the row 3"):
        recorder.row("events", (0.0, "start", "drain"))
    recorder.row("events", (0.0, "start", "drain", ""))
    assert recorder.finish({})["events"]["event"] == ["start"]


@pytest.mark.parametrize("record", ["summary", "full"])
def test_many_rows_take_no_more_than_their_cells(record):
    """Numbers are 8 bytes each, texts that are the same are one; what is summed up is let go."""
    rows, width = 20_000, len(BY_NAME["migrations"].names)
    zero = {column.name: 0.0 for column in BY_NAME["migrations"].columns if column.kind == "float"}
    known = {"outcome": "completed", "attempt": 1, "downtime_s": 0.5, "sent_bytes": 0.1}
    row = tuple((dict.fromkeys(BY_NAME["migrations"].names, "") | zero | known | {
        "rounds": 2, "interactions": 0}).values())  # fmt: skip
    recorder = Recorder(record)
    tracemalloc.start()
    for i in range(rows):
        recorder.row("migrations", (*row[:-1], float(i)))
    figures = recorder.summarise(operation_at_s=0.0, simulated_s=1.0)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (figures["completed"], figures["rounds"]) == (rows, 2 * rows)
    assert figures["migration_bytes"] == math.fsum([0.1] * rows)
    assert size < rows * (20 if record == "summary" else 9 * width)
    if record == "full":
        columns = recorder.finish(figures)["migrations"]
        assert list(columns["bandwidth_bytes_per_s"]) == [float(i) for i in range(rows)]
        assert columns["outcome"] == ["completed"] * rows


# --------------------------------------------------------------------------- summary


def summary_of(migrations=(), guests=(), links=(), *, operation_at_s=10.0, ended_s=math.nan):
    """Summarise rows; what they leave out is 0."""
    recorder = Recorder("summary")
    for table, rows in (("migrations", migrations), ("guests", guests), ("links", links)):
        zero = {column.name: 0.0 for column in BY_NAME[table].columns if column.kind == "float"}
        for row in rows:
            recorder.add(table, **(zero | row))
    return recorder.summarise(operation_at_s=operation_at_s, simulated_s=99.0, ended_s=ended_s)


def test_summary_has_every_declared_column():
    """The summary row and its declaration agree, in order."""
    assert tuple(summary_of()) == SUMMARY.names


def test_nothing_requested_gives_zeros_and_nan():
    """Totals of nothing and the makespan are 0; means and percentiles of nothing are NaN."""
    figures = summary_of()
    empty = {name for name, value in figures.items() if math.isnan(value)}
    assert empty == {
        "blackout_p50_s", "blackout_p99_s", "blackout_max_s", "migration_mean_s", "migration_p99_s",
        "degraded10_p95_s", "operations_s",
    }  # fmt: skip
    assert {value for name, value in figures.items() if name not in empty} == {0, 99.0}
    assert figures["simulated_s"] == 99.0


def test_makespan_runs_from_the_operation_to_the_last_end():
    """Also where the last to end is one that failed; NaN where nothing requested ended at all."""
    ended = [{"outcome": "completed", "ended_s": 15.0}, {"outcome": "no-room", "ended_s": 18.5}]
    assert summary_of(ended)["makespan_s"] == 8.5
    assert summary_of([*ended, {"outcome": "cancelled", "ended_s": math.nan}])["makespan_s"] == 8.5
    assert math.isnan(summary_of([{"outcome": "cancelled", "ended_s": math.nan}])["makespan_s"])


def test_operations_end_with_their_last_step():
    """Whatever comes after the last migration; NaN where the horizon came first."""
    ended = [{"outcome": "completed", "ended_s": 15.0}]
    figures = summary_of(ended, ended_s=70.0)
    assert (figures["makespan_s"], figures["operations_s"]) == (5.0, 60.0)
    assert math.isnan(summary_of(ended)["operations_s"])


def test_outcomes_are_counted_once_each():
    """Live, cold and not moved partition what was requested, whatever the outcomes."""
    figures = summary_of([{"outcome": outcome} for outcome in OUTCOMES])
    assert (figures["requested"], figures["completed"], figures["completed_cold"]) == (11, 2, 1)
    assert figures["not_moved"] == 8


def test_times_are_of_live_migrations_that_completed():
    """A cold move's long pause and an aborted migration's time enter no percentile."""
    rows = [
        {"outcome": "completed", "downtime_s": 0.1, "total_time_s": 10.0},
        {"outcome": "completed-postcopy", "downtime_s": 0.3, "total_time_s": 20.0},
        {"outcome": "completed-cold", "downtime_s": 60.0, "total_time_s": 60.0},
        {"outcome": "aborted-timeout", "downtime_s": 0.0, "total_time_s": 300.0},
    ]
    figures = summary_of(rows)
    assert figures["blackout_p50_s"] == pytest.approx(0.2)
    assert figures["blackout_p99_s"] == pytest.approx(0.298)
    assert figures["blackout_max_s"] == 0.3
    assert (figures["migration_mean_s"], figures["migration_p99_s"]) == (15.0, 19.9)


def test_network_cost_is_stream_prefetch_and_extra_refaults():
    """What the operation cost the network is the sum of three, and their parts are summed too."""
    figures = summary_of(
        [{"sent_bytes": 100.0, "first_pass_bytes": 70.0, "resent_bytes": 20.0,
          "switchover_bytes": 10.0, "prefetch_bytes": 5.0, "rounds": 3, "interactions": 2}] * 2,
        [{"refault_bytes": 50.0, "extra_refault_bytes": 30.0, "writeback_bytes": 7.0,
          "lost_work_s": 3.0, "lost_cpu_s": 1.0, "lost_blackout_s": 2.0, "oom_pages": 4.0}],
    )  # fmt: skip
    assert figures["network_bytes"] == 240.0
    assert [figures[f"{name}_bytes"] for name in ("migration", "first_pass", "resent")] == [
        200.0, 140.0, 40.0,
    ]  # fmt: skip
    assert (figures["switchover_bytes"], figures["prefetch_bytes"]) == (20.0, 10.0)
    assert (figures["refault_bytes"], figures["extra_refault_bytes"]) == (50.0, 30.0)
    assert (figures["writeback_bytes"], figures["oom_pages"]) == (7.0, 4.0)
    assert (figures["rounds"], figures["interactions"]) == (6, 4)
    assert (figures["lost_work_s"], figures["lost_cpu_s"], figures["lost_blackout_s"]) == (3, 1, 2)


def test_links_count_hops_of_migrations_and_application_bytes_once():
    """Byte-hops sum what migrations and prefetch put on each link, disks left out."""
    figures = summary_of(
        links=[
            {"class": "host", "kind": "first pass", "carried_bytes": 100.0},
            {"class": "uplink", "kind": "re-sent", "carried_bytes": 10.0},
            {"class": "storage", "kind": "prefetch", "carried_bytes": 5.0},
            {"class": "disk", "kind": "prefetch", "carried_bytes": 5.0},
            {"class": "host", "kind": "refault", "carried_bytes": 1000.0},
            {"class": "host", "kind": "application", "carried_bytes": 7.0},
            {"class": "uplink", "kind": "application", "carried_bytes": 7.0},
        ]
    )
    assert (figures["byte_hops"], figures["application_bytes"]) == (115.0, 7.0)


def test_degraded_seconds_are_of_guests_that_moved():
    """Guests that stayed do not thin out the percentile."""
    rows = [{"moves": 1, "degraded10_s": value} for value in (1.0, 2.0, 3.0)]
    still = [{"moves": 0, "degraded10_s": 500.0}]
    assert summary_of(guests=rows + still)["degraded10_p95_s"] == pytest.approx(2.9)


def test_what_was_not_measured_shows():
    """A NaN among the values makes their total and their percentile NaN."""
    row = {"outcome": "completed", "downtime_s": math.nan, "sent_bytes": math.nan}
    figures = summary_of([row, {"outcome": "completed", "downtime_s": 0.1}])
    assert math.isnan(figures["network_bytes"])
    assert math.isnan(figures["blackout_p50_s"])


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30),
    st.sampled_from([0, 1, 25, 50, 95, 99, 100]),
)
def test_percentile_is_that_of_numpy(values, percent):
    """Linear interpolation between closest ranks, to the last figures."""
    expected = float(np.percentile(values, percent))
    assert percentile(values, percent) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(st.permutations([0.1, 0.2, 0.3, 1e16, -1e16, 7.7]))
def test_totals_do_not_depend_on_the_order_of_rows(values):
    """Sums are exact before they are rounded, also where blocks of rows are summed up by turns."""
    figures = summary_of(guests=[{"lost_work_s": value} for value in values])
    assert figures["lost_work_s"] == 8.3
    summary = Summary()
    zero = {column.name: [0.0] for column in GUESTS.columns}
    for value in values:
        summary.add("guests", zero | {"lost_work_s": [value]})
    assert summary.row(operation_at_s=0.0, simulated_s=0.0)["lost_work_s"] == 8.3
