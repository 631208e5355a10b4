"""Two costs at once: who is on the front by definition, and how sure the others are beaten."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor
from dcsim.study.findings.front import front, pareto
from dcsim.study.findings.statistics import pooled
from dcsim.units import GiB


def runs(figures, *, paths=("hinting",), load=("idle",)):
    """A frame of ``{level: [[(network_bytes, lost_work_s) a replicate] a point]}``."""
    rows = [
        {
            "point": 0,
            **dict(zip(paths, level if isinstance(level, tuple) else (level,), strict=True)),
            "guests[0].workload": load[place],
            "replicate": replicate,
            "network_bytes": pair[0],
            "lost_work_s": pair[1],
        }
        for level, points in figures.items()
        for place, pairs in enumerate(points)
        for replicate, pair in enumerate(pairs)
    ]
    return pd.DataFrame(rows)


def policies(*names):
    """The factor of hinting policies."""
    return Factor("hinting", "hinting", names)


def found(figures, **options):
    """The front of such figures, by policy."""
    frame = runs(figures, load=("idle", "busy"))
    return front(frame, by=[policies(*figures)], **options)


def beaten(result):
    """Level -> who beats it, and who does clearly."""
    return {row.values[0]: (row.beaten_by, row.clearly) for row in result.rows}


# ---------------------------------------------------------------- who is on it

COSTS = st.lists(
    st.tuples(*[st.one_of(st.integers(0, 5).map(float), st.just(math.nan))] * 2), max_size=12
)


@given(COSTS)
def test_the_front_is_what_no_other_one_beats(costs):
    """A point is on it unless another has no more of either and less of one: all pairs tried."""
    x, y = [c[0] for c in costs], [c[1] for c in costs]
    expected = [
        i
        for i, (a, b) in enumerate(costs)
        if not math.isnan(a + b)
        and not any(c <= a and d <= b and (c < a or d < b) for c, d in costs if c == c and d == d)
    ]
    got = pareto(x, y)
    assert sorted(got) == expected
    assert [(x[i], -y[i]) for i in got] == sorted((x[i], -y[i]) for i in got)
    figures = {f"p{i:02}": [[pair]] for i, pair in enumerate(costs)}
    if figures:
        rows = found(figures).rows
        assert [i for i, row in enumerate(rows) if row.on_front] == expected


def test_equal_points_are_both_on_the_front():
    result = found({"a": [[(1.0, 2.0)]], "b": [[(1.0, 2.0)]], "c": [[(1.0, 3.0)]]})
    assert [row.on_front for row in result.rows] == [True, True, False]
    assert beaten(result)["c"] == ((("a",), ("b",)), (("a",), ("b",)))


# ---------------------------------------------------------------- how sure it is


def test_clearly_takes_both_costs():
    """b is clearly more of both than a; c is so on the network, in lost work perhaps by chance."""
    result = found(
        {
            "a": [[(1.0, 1.0), (1.1, 2.0), (1.2, 3.0)]],
            "b": [[(2.0, 2.0), (2.1, 3.1), (2.2, 4.0)]],
            "c": [[(1.9, 9.0), (2.0, 0.5), (2.1, 1.0)]],
        }
    )
    assert beaten(result)["a"] == ((), ())
    assert beaten(result)["b"] == ((("a",),), (("a",),))
    assert beaten(result)["c"] == ((("a",),), ())
    assert result.words() == [
        "a (1.1 B, 2 s) is on the front of network_bytes and lost_work_s: nothing has less of "
        "both.",
        "b is beaten clearly by a.",
        "c is beaten perhaps by a.",
    ]


def test_equal_in_one_and_clearly_more_in_the_other_is_clear():
    """No work lost by either: the network decides."""
    result = found({"a": [[(1.0, 0.0), (1.1, 0.0)]], "b": [[(2.0, 0.0), (2.1, 0.0)]]})
    assert beaten(result)["b"] == ((("a",),), (("a",),))


def test_equal_on_average_alone_is_not_clear():
    """Half of b's runs lose less work than a's, by as much as the other half loses more."""
    result = found({"a": [[(1.0, 5.0), (1.1, 5.0)]], "b": [[(2.0, 4.0), (2.1, 6.0)]]})
    assert beaten(result)["b"] == ((("a",),), ())


def test_one_run_of_something_random_beats_nobody_clearly():
    figures = {"a": [[(1.0, 1.0)]], "b": [[(2.0, 2.0)]]}
    assert beaten(found(figures))["b"] == ((("a",),), (("a",),))
    assert beaten(found(figures, random=True))["b"] == ((("a",),), ())


def test_pairs_share_their_chance():
    """Runs differ by far more than policies do, and yet each pair says the same."""
    luck = np.random.default_rng(5).normal(100, 30, 6)
    figures = {
        "a": [[(x, x) for x in luck]],
        "b": [[(x + 1 + i / 100, x + 2 + i / 50) for i, x in enumerate(luck)]],
    }
    result = found(figures)
    assert beaten(result)["b"] == ((("a",),), (("a",),))
    assert result.rows[0].x.high > result.rows[1].x.low


# ---------------------------------------------------------------- over what it is a mean


def test_means_are_over_points_of_all_else_that_was_varied():
    """The workload is no factor of the front; each of its values weighs the same."""
    result = found({"a": [[(1.0, 1.0), (3.0, 1.0)], [(10.0, 1.0), (12.0, 2.0)]]})
    assert result.points == 2
    assert result.rows[0].x == pooled([[1.0, 3.0], [10.0, 12.0]])
    assert (result.rows[0].points, result.rows[0].runs) == (2, 4)


def test_several_factors_give_a_point_a_combination():
    frame = runs(
        {("a", 1): [[(1.0, 9.0)]], ("a", 2): [[(2.0, 8.0)]], ("b", 2): [[(3.0, 8.5)]]},
        paths=("hinting", "limits.parallel"),
    )
    result = front(frame, by=[policies("a", "b"), Factor("limits.parallel", "parallel", (1, 2))])
    assert [row.values for row in result.rows] == [("a", 1), ("a", 2), ("b", 2)]
    assert result.frame()["beaten_by"].tolist() == ["", "", "a, parallel = 2"]
    assert result.words()[-1] == "b, parallel = 2 is beaten clearly by a, parallel = 2."


def test_what_is_varied_along_is_no_point_of_its_own():
    """A column that goes with the policy does not keep policies from being compared."""
    frame = runs({"a": [[(1.0, 1.0)]], "b": [[(2.0, 2.0)]]})
    frame.insert(1, "memory", ["1GiB", "2GiB"])
    by = Factor("hinting", "hinting", ("a", "b"), along=("memory",))
    assert [row.on_front for row in front(frame, by=[by]).rows] == [True, False]
    assert front(frame, by=[by]).points == 1


def test_failures_are_left_out_and_told():
    nan = math.nan
    result = found(
        {
            "a": [[(2 * GiB, 90.0)], [(2 * GiB, 90.0)]],
            "b": [[(1 * GiB, 95.0)], [(nan, nan)]],
            "c": [[(nan, nan)], [(nan, nan)]],
        }
    )
    assert [row.on_front for row in result.rows] == [True, True, False]
    assert result.words() == [
        "b (1 GiB, 95 s) and a (2 GiB, 90 s) are on the front of network_bytes and lost_work_s: "
        "nothing has less of both.",
        "b has no value at 1 of 2 points: its mean is of fewer.",
        "c: no run has a value of network_bytes and lost_work_s.",
    ]
    nothing = found({"a": [[(nan, 1.0)]]})
    assert nothing.words() == ["No run has both network_bytes and lost_work_s."]
    alone = found({"a": [[(1.0, 1.0)]]})
    assert alone.words() == ["a (1 B, 1 s) is alone: there is nothing to compare it with."]


def test_the_frame_of_a_front():
    frame = found({"a": [[(1.0, 2.0), (3.0, 4.0)]], "b": [[(9.0, 9.0), (9.0, 9.5)]]}).frame()
    assert list(frame.columns) == [
        "hinting", "network_bytes", "network_bytes_low", "network_bytes_high", "lost_work_s",
        "lost_work_s_low", "lost_work_s_high", "on_front", "beaten_by", "beaten_clearly_by",
        "points", "runs",
    ]  # fmt: skip
    assert frame["on_front"].tolist() == [True, False]


def test_an_unknown_metric_is_refused():
    frame = runs({"a": [[(1.0, 1.0)]]})
    with pytest.raises(ResultError, match="did you mean 'lost_work_s'"):
        front(frame, y="lost_works", by=[policies("a")])
