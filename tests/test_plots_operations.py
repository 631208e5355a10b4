"""Figures of operations: what they show is what the tables say."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.study.comparisons.answers import Outcome
from dcsim.study.findings.statistics import interval
from dcsim.view import counts, plots, progress

NAN = math.nan


def operation(**changes):
    """The table of one operation that began at 100 s and took 60 s; or of several."""
    row = {
        "operation": "drain", "at_s": 100.0, "makespan_s": 60.0, "window_s": 50.0, "hosts": 3,
        "not_moved": 0, "lower_bound_s": NAN,
    }  # fmt: skip
    return pd.DataFrame([row | changes])


def moves(*rows):
    """Migrations: guest, attempt, asked, started, ended, outcome."""
    names = ("guest", "attempt", "requested_s", "started_s", "ended_s", "outcome")
    return pd.DataFrame(rows, columns=names).assign(operation="drain")


MOVES = moves(
    ("a", 1, 100.0, 100.0, 110.0, "completed"),
    ("b", 1, 100.0, 110.0, 120.0, "aborted-timeout"),
    ("b", 2, 100.0, 130.0, 160.0, "completed-postcopy"),
    ("c", 1, 100.0, NAN, 140.0, "no-room"),
)


def areas(drawn, second):
    """How many guests or hosts each area has at a time after the start."""
    found = {}
    for trace in drawn.data:
        if trace.name == "at a step":  # the sum of what stands below
            continue
        x, y = np.asarray(trace.x, float), np.asarray(trace.y, float)
        found[trace.name] = y[np.searchsorted(x, second, side="right") - 1]
    return found


def lines(drawn):
    """The texts of a figure's lines, in their order."""
    return [note.text for note in drawn.layout.annotations]


# ---------------------------------------------------------------- guests


@pytest.mark.parametrize(
    ("second", "moved", "not_moved", "under_way", "waiting"),
    [(0, 0, 0, 1, 2), (10, 1, 0, 1, 1), (20, 1, 0, 0, 2), (30, 1, 0, 1, 1), (40, 1, 1, 1, 0),
     (60, 2, 1, 0, 0)],
)  # fmt: skip
def test_each_guest_is_in_one_state_at_a_time(second, moved, not_moved, under_way, waiting):
    drawn = plots.progress(MOVES, operation())
    assert areas(drawn, second) == {
        "moved": moved, "not moved": not_moved, "under way": under_way, "waiting": waiting
    }  # fmt: skip
    assert drawn.layout.xaxis.title.text == "time since the start (s)"


def test_window_bound_and_end_are_lines_in_order():
    drawn = plots.progress(MOVES, operation(lower_bound_s=30.0))
    assert lines(drawn) == ["lower bound 30 s", "window 50 s", "done 1 min"]
    assert [shape.x0 for shape in drawn.layout.shapes] == [30, 50, 60]
    endless = operation(window_s=NAN, makespan_s=NAN)
    assert lines(plots.progress(MOVES, endless)) == []
    assert lines(plots.progress(MOVES, operation(window_s=NAN, deadline_s=40.0)))[0] == (
        "deadline 40 s"
    )


def test_operations_have_a_panel_each_unless_they_are_many():
    both = pd.concat([operation(), operation(operation="later", at_s=130.0)])
    late = MOVES.assign(operation="later", requested_s=MOVES["requested_s"] + 30)
    drawn = plots.progress(pd.concat([MOVES, late]), both)
    assert {trace.yaxis for trace in drawn.data} == {"y", "y2"}
    assert [trace.name for trace in drawn.data if trace.showlegend is not False] == [
        "moved", "not moved", "under way", "waiting"
    ]  # fmt: skip
    assert (drawn.layout.yaxis.title.text, drawn.layout.yaxis2.title.text) == ("drain", "later")
    many = pd.concat([operation(operation=f"o{i}") for i in range(progress.MOST_PANELS + 1)])
    one = plots.progress(MOVES.assign(operation="o3"), many)
    assert {trace.yaxis for trace in one.data} == {"y"}
    assert areas(one, 60)["moved"] == 2


@given(
    st.lists(
        st.tuples(
            st.floats(0, 100), st.floats(0, 100), st.floats(0, 100), st.booleans(), st.booleans()
        ),
        min_size=1,
        max_size=40,
    )
)
def test_states_add_up_to_the_guests_that_were_asked(rows):
    """Whatever the times are, nobody is counted twice, and in the end nobody waits."""
    table = moves(
        *(
            (f"g{i}", 1, asked, asked + wait if ran else NAN, asked + wait + took,
             "completed" if ran and well else "cancelled")
            for i, (asked, wait, took, ran, well) in enumerate(rows)
        )
    )  # fmt: skip
    times, counts = progress._states(table)
    asked = np.sort(table["requested_s"].to_numpy())
    assert counts.min() >= 0
    assert list(counts.sum(axis=1)) == list(np.searchsorted(asked, times, side="right"))
    moved = int((table["outcome"] == "completed").sum())
    assert list(counts[-1]) == [moved, len(table) - moved, 0, 0]


def test_many_changes_are_thinned_and_the_ends_stay():
    table = moves(*((f"g{i}", 1, 0.0, float(i), i + 5.0, "completed") for i in range(3000)))
    drawn = plots.progress(table, operation(at_s=0.0, makespan_s=3004.0, window_s=NAN))
    assert max(len(trace.x) for trace in drawn.data) <= counts.POINTS + 2
    assert areas(drawn, 3004 / 60) == {"moved": 3000, "under way": 0, "waiting": 0}


# ---------------------------------------------------------------- hosts


def steps(*rows):
    """Steps of maintenance: host, step, from, to, trouble."""
    names = ("host", "step", "from_s", "to_s", "trouble")
    return pd.DataFrame(rows, columns=names).assign(operation="drain")


STEPS = steps(
    ("h10", "drain", 100.0, 110.0, ""),
    ("h10", "reboot", 110.0, 150.0, ""),
    ("h2", "drain", 110.0, 130.0, "1 guest left"),
    ("h3", "burn in", 130.0, 160.0, ""),
)


def test_hosts_have_a_row_each_and_steps_a_colour():
    drawn = plots.maintenance(STEPS, operation())
    bars = {trace.name: trace for trace in drawn.data if trace.type == "bar"}
    assert list(bars) == ["drain", "reboot", "burn in"]
    assert list(drawn.layout.yaxis.ticktext) == ["h2", "h3", "h10"]
    assert list(zip(bars["drain"].y, bars["drain"].base, bars["drain"].x, strict=True)) == [
        (2, 0.0, 10.0), (0, 10.0, 20.0)
    ]  # fmt: skip
    assert len({bar.marker.color for bar in bars.values()}) == 3
    (wrong,) = [trace for trace in drawn.data if trace.type == "scatter"]
    assert list(wrong.y) == [0]
    assert "1 guest left" in wrong.hovertext[0]
    assert lines(drawn) == ["window 50 s", "done 1 min"]


def test_of_many_hosts_it_is_counted_how_many_are_at_each_step():
    drawn = plots.maintenance(STEPS, operation(hosts=4), most_hosts=2)
    assert areas(drawn, 0) == {
        "done": 0, "went wrong": 0, "burn in": 0, "reboot": 0, "drain": 1, "not begun": 3
    }  # fmt: skip
    assert areas(drawn, 10)["reboot"] == 1
    assert areas(drawn, 30)["went wrong"] == 1
    end = areas(drawn, 60)
    assert end.pop("not begun") == 1  # the fourth host never had its turn
    assert end == {"done": 2, "went wrong": 1, "burn in": 0, "reboot": 0, "drain": 0}


def test_a_host_between_two_steps_is_somewhere_too():
    drawn = plots.maintenance(
        steps(("h", "drain", 100.0, 110.0, ""), ("h", "off", 120.0, 130.0, "")),
        operation(hosts=1),
        most_hosts=0,
    )
    assert areas(drawn, 15)["in between"] == 1
    for second in range(0, 31, 5):
        assert sum(areas(drawn, second).values()) == 1


# ---------------------------------------------------------------- variants


def came_to(name, *times, bound=NAN, not_moved=0.0):
    """A variant that took so long."""
    return Outcome(
        variant=name, runs=len(times), met=NAN, makespan_s=interval(times), bound_s=bound,
        requested=9.0, not_moved=not_moved, lost=0.0, blackout_p99_s=0.1, degraded_s=1.0,
        lost_work_s=1.0, network_bytes=1.0,
    )  # fmt: skip


def test_variants_stand_beside_their_bound_the_fastest_on_top():
    found = [came_to("slow", 90.0, bound=45.0), came_to("fast", 60.0, bound=40.0, not_moved=2)]
    drawn = plots.against_bound(found, limit_s=75.0)
    bound, above, _, words = drawn.data
    assert list(drawn.layout.yaxis.ticktext) == ["slow", "fast"]
    assert (list(bound.x), list(above.x)) == ([45, 40], [45, 20])
    assert [text.strip() for text in words.text] == [
        "1 min 30 s, 2.00 × bound", "1 min, 1.50 × bound; 2 not moved"
    ]  # fmt: skip
    assert lines(drawn) == ["window 1 min 15 s"]


def test_without_bounds_bars_are_makespans_with_whiskers():
    never = came_to("never", math.inf)
    drawn = plots.against_bound([came_to("often", 50.0, 70.0), never, came_to("once", 80.0)])
    bars, whiskers, words = drawn.data
    assert bars.name == "makespan"
    assert list(drawn.layout.yaxis.ticktext) == ["never", "once", "often"]
    assert list(bars.x) == [0, 80, 60]
    assert list(whiskers.y) == [2]
    assert words.text[0].strip() == "not done when the run ended"
