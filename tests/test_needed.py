"""How many replications are enough: the least number by trying all, and what cannot be known."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from dcsim.study.designs.factors import Factor
from dcsim.study.findings.needed import needed
from dcsim.study.findings.statistics import interval

METRIC = "lost_work_s"
LINK = Factor("topology.uplink", "uplink", ("1Gbit/s", "10Gbit/s", "40Gbit/s", "100Gbit/s"))


def asked(points, **options):
    """What points of such figures need; a point a link."""
    rows = [
        {LINK.path: LINK.values[place], "replicate": k, METRIC: value}
        for place, values in enumerate(points)
        for k, value in enumerate(values)
    ]
    return needed(pd.DataFrame(rows), METRIC, factors=[LINK], **options)


def half(values, n, confidence=0.95):
    """Half of the interval that n runs with the deviation of *values* would have."""
    deviation = stats.tstd(values)
    return stats.t.ppf((1 + confidence) / 2, n - 1) * deviation / math.sqrt(n)


@given(
    st.lists(st.integers(1, 40).map(float), min_size=2, max_size=6),
    st.sampled_from([0.05, 0.2, 1.0]),
    st.sampled_from([0.8, 0.95]),
)
def test_it_is_the_least_number_that_is_enough(values, within, confidence):
    """Every number from those there are up to it is tried: it is enough, and one less is not."""
    [row] = asked([values], within=within, confidence=confidence).rows
    aim = within * math.fsum(values) / len(values)
    spread = len(set(values)) > 1
    assume(not spread or abs(half(values, len(values), confidence) - aim) > 1e-9)
    if not spread or half(values, len(values), confidence) <= aim:
        assert row.needed == len(values)
        return
    n = int(row.needed)
    assert n == row.needed
    assert half(values, n, confidence) <= aim < half(values, n - 1, confidence)


def test_a_case_by_students_table():
    """Five runs of mean 10 and deviation sqrt(2.5): 2.776 * 1.581 / sqrt(5) = 1.963.

    Within 1, the table says t = 2.201 for 12 runs (1.005) and 2.179 for 13 (0.956).
    """
    values = [8.0, 9.0, 10.0, 11.0, 12.0]
    [row] = asked([values], within=0.1).rows
    assert row.half_share == pytest.approx(0.1963, abs=1e-4)
    assert row.needed == 13
    assert row.mean == interval(values)


def test_what_does_not_vary_needs_what_it_has():
    """Also where it is 0, of which there is no share."""
    rows = asked([[3.0, 3.0, 3.0], [0.0, 0.0]]).rows
    assert [(row.half_share, row.needed) for row in rows] == [(0, 3), (0, 2)]


def test_what_cannot_be_known_is_said():
    """A mean of 0 that varies is never near enough; one run, or none, tells nothing."""
    nan = math.nan
    found = asked([[-1.0, 1.0], [2.0, nan], [nan, nan], [5.0, 5.0]])
    assert [row.needed for row in found.rows] == [
        math.inf, pytest.approx(nan, nan_ok=True), pytest.approx(nan, nan_ok=True), 2,
    ]  # fmt: skip
    assert found.words() == [
        "1 of 4 points has enough runs to know lost_work_s within 2 %.",
        "1 point has a mean of 0 that no number of runs is enough for.",
        "1 point has a single run, which does not tell.",
        "1 point has no run with a value.",
    ]


def test_without_chance_one_run_is_enough():
    """A single run each tells of no chance, unless one is told that there is."""
    assert [row.needed for row in asked([[2.0], [3.0]]).rows] == [1, 1]
    assert all(math.isnan(row.needed) for row in asked([[2.0], [3.0]], random=True).rows)
    assert asked([[2.0], [3.0]]).words() == [
        "All 2 points have enough runs to know lost_work_s within 2 %."
    ]


def test_the_sentence_names_the_point_that_needs_most():
    found = asked([[9.0, 10.0, 11.0], [10.0, 10.01, 10.02], [5.0, 10.0, 15.0]], within=0.1)
    words = found.words()
    most = int(max(row.needed for row in found.rows))
    assert words[0] == "1 of 3 points has enough runs to know lost_work_s within 10 %."
    assert words[1] == (
        f"The widest, uplink = 40Gbit/s, is known within 124 % by 3 runs and needs {most}."
    )
    frame = found.frame()
    assert list(frame.columns) == [
        LINK.path, "runs", METRIC, f"{METRIC}_low", f"{METRIC}_high", "half_percent", "needed",
        "more",
    ]  # fmt: skip
    assert frame["more"].tolist() == [row.needed - 3 for row in found.rows]
    assert asked([[10.0, 10.001]]).words() == [
        "The point has enough runs to know lost_work_s within 2 %."
    ]


def test_a_narrow_aim_takes_many_and_no_time():
    """Over a hundred million runs are found by halving."""
    values = [9.0, 10.0, 11.0]
    [row] = asked([values], within=1e-5).rows
    assert row.needed > 1e8 / 3
    assert half(values, row.needed) <= 1e-4 < half(values, row.needed - 1)


def test_within_has_to_be_a_share():
    for within in (0.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="within must be above 0"):
            asked([[1.0, 2.0]], within=within)
