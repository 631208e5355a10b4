"""Which level is best: order, ranks and sentences against brute force and cases made by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor
from dcsim.study.findings.pairs import raised
from dcsim.study.findings.ranking import rank
from dcsim.study.findings.statistics import (
    interval,
    paired_change,
    paired_difference,
    pooled,
    pooled_change,
)
from dcsim.study.findings.winners import best_by_point
from dcsim.units import GiB

METRIC = "network_bytes"
LINK = Factor("topology.uplink", "uplink", ("1Gbit/s", "10Gbit/s", "40Gbit/s"))


def policies(*names):
    """The factor of hinting policies."""
    return Factor("hinting", "hinting", names)


def runs(figures, *, metric=METRIC):
    """A frame of ``{level: [[a value a replicate] a point]}``; points are values of LINK."""
    rows = [
        {
            "point": 0,
            "hinting": level,
            LINK.path: LINK.values[place],
            "replicate": replicate,
            metric: value,
        }
        for level, points in figures.items()
        for place, values in enumerate(points)
        for replicate, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def ranked(figures, **options):
    """Rank the levels of such figures over the links."""
    return rank(runs(figures), METRIC, by=policies(*figures), blocks=[LINK], **options)


def ranks(ranking):
    """Level -> its ranks, in the order of the ranking."""
    return {row.level: (row.rank_low, row.rank_high) for row in ranking.rows}


# ---------------------------------------------------------------- order and ranks


def test_a_clear_order_is_told_apart():
    found = ranked({"c": [[5.0, 5.1]], "a": [[1.0, 1.1]], "b": [[3.0, 3.1]]})
    assert ranks(found) == {"a": (1, 1), "b": (2, 2), "c": (3, 3)}
    assert found.ties == ()
    assert [row.wins for row in found.rows] == [1, 0, 0]


def test_more_is_better_where_it_is_said():
    figures = {"c": [[5.0, 5.1]], "a": [[1.0, 1.1]], "b": [[3.0, 3.1]]}
    found = ranked(figures, most=True)
    assert ranks(found) == {"c": (1, 1), "b": (2, 2), "a": (3, 3)}
    assert [row.wins for row in found.rows] == [1, 0, 0]
    assert found.rows[2].against_best.mean == pytest.approx(-4)
    assert found.words()[0].startswith("network_bytes: c is most, 5.05 B; b is 2nd, 39.6 % less")


def test_ties_need_not_be_handed_on():
    """b differs clearly from neither, a and c do from each other: b has all three ranks."""
    a = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]
    b = [12.0, 9.5, 14.5, 10.0, 17.0, 14.0]
    c = [value + 1 for value in a]
    found = ranked({"a": [a], "b": [b], "c": [c]})
    assert ranks(found) == {"a": (1, 2), "b": (1, 3), "c": (2, 3)}
    assert found.ties == (("a", "b"), ("b", "c"))
    assert found.words()[0] == (
        "network_bytes: a is least, 12.5 B, but not clearly; b is 1st to 3rd, 2.67 % more; "
        "c is 2nd or 3rd, 8 % more."
    )


def test_at_one_point_it_is_the_paired_t_test_of_bonferroni():
    """Intervals of a single point are those of `paired_difference`, 99.17 % for two of 3 levels."""
    noise = np.random.default_rng(3).normal(10, 1, (3, 8))
    figures = {name: [values.tolist()] for name, values in zip("abc", noise, strict=True)}
    found = ranked(figures)
    first = figures[found.rows[0].level][0]
    for row in found.rows:
        mine = figures[row.level][0]
        expected = paired_difference(mine, first, confidence=1 - 0.05 / 3)
        change = paired_change(mine, first, confidence=1 - 0.05 / 3)
        for got, want in ((row.against_best, expected), (row.change, change)):
            assert (got.mean, got.low, got.high) == pytest.approx((want.mean, want.low, want.high))
        assert row.mean == interval(mine)
    assert raised(0.95, 3) == pytest.approx(1 - 0.05 / 3)
    assert (raised(0.95, 1), raised(0.95, 2)) == (0.95, 0.95)


SOME = st.one_of(st.integers(0, 6).map(float), st.just(math.nan))
CUBES = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)).flatmap(
    lambda shape: st.lists(
        SOME, min_size=math.prod(shape), max_size=math.prod(shape)
    ).map(lambda values: np.array(values).reshape(shape))
)  # fmt: skip


@given(CUBES, st.booleans(), st.randoms(use_true_random=False))
def test_ranks_are_those_of_brute_force(cube, most, shuffle):
    """Whatever the order of runs: every rank, mean, win and count by definition, one by one."""
    names = [f"p{i}" for i in range(len(cube))]
    frame = runs({name: cube[i].tolist() for i, name in enumerate(names)})
    order = list(range(len(frame)))
    shuffle.shuffle(order)
    found = rank(frame.iloc[order], METRIC, by=policies(*names), blocks=[LINK], most=most)
    random = cube.shape[2] > 1
    alive = [i for i in range(len(cube)) if not np.isnan(cube[i]).all()]
    each = 1 - 0.05 / max(1, len(alive) * (len(alive) - 1) // 2)
    sign = -1 if most else 1

    def better(i, j):
        gap = pooled((cube[i] - cube[j]).tolist(), confidence=each)
        return sign * gap.mean < -1e-9 and (gap.clear or not random)

    rows = {row.level: row for row in found.rows}
    assert len(rows) == len(cube)
    for i, name in enumerate(names):
        row = rows[name]
        assert row.runs == np.count_nonzero(~np.isnan(cube[i]))
        assert row.points == np.count_nonzero(~np.isnan(cube[i]).all(axis=1))
        if i not in alive:
            assert (row.rank_low, row.rank_high, row.wins) == (None, None, 0)
            continue
        assert row.rank_low == 1 + sum(better(j, i) for j in alive)
        assert row.rank_high == len(alive) - sum(better(i, j) for j in alive)
        assert repr(row.mean) == repr(pooled(cube[i].tolist()))  # of one run it has NaN
    for place in range(cube.shape[1]):
        means = [interval(cube[i, place].tolist()).mean for i in range(len(cube))]
        known = [sign * mean for mean in means if not math.isnan(mean)]
        winners = [i for i, m in enumerate(means) if known and sign * m <= min(known) + 1e-9]
        for i in winners:
            rows[names[i]] = _lower(rows[names[i]], 1 / len(winners) / cube.shape[1])
    assert all(row.wins == pytest.approx(0, abs=1e-9) for row in rows.values())
    if not np.isnan(cube).any():
        means = [sign * row.mean.mean for row in found.rows]
        assert all(one <= two + 1e-9 for one, two in itertools.pairwise(means))
    places = {row.level: place for place, row in enumerate(found.rows)}
    for tie in found.ties:
        at = [places[level] for level in tie]
        assert at == list(range(at[0], at[-1] + 1))
        pairs = itertools.permutations([names.index(level) for level in tie], 2)
        assert not any(better(i, j) for i, j in pairs)
    assert found.words()
    assert len(found.frame()) == len(cube)


def _lower(row, by):
    from dataclasses import replace

    return replace(row, wins=row.wins - by)


# ---------------------------------------------------------------- without chance


def test_without_chance_only_equal_figures_tie():
    """One run each: a billionth is nothing, a millionth is a difference."""
    figures = {"a": [[1.0]], "b": [[1.0 + 1e-12]], "c": [[1.0 + 1e-6]]}
    assert ranks(ranked(figures)) == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}


def test_without_chance_what_cancels_over_points_ties():
    """0.1 more here and 0.1 less there come to the same mean, but for rounding."""
    found = ranked({"a": [[0.3], [0.2], [0.7]], "b": [[0.4], [0.1], [0.7]]})
    assert ranks(found) == {"a": (1, 2), "b": (1, 2)}
    assert [row.wins for row in found.rows] == pytest.approx([0.5, 0.5])
    assert found.words() == [
        "network_bytes: both tie for least, 0.4 B.",
        "a is best at 1.5 of 3 points, b at 1.5 (equal ones share a point).",
        "One run of each: only equal figures tie.",
    ]


def test_one_replication_of_something_random_ranks_nothing():
    """A study that knows of chance says so: then no single run makes a difference clear."""
    found = ranked({"a": [[1.0], [1.0]], "b": [[9.0], [9.0]]}, random=True)
    assert ranks(found) == {"a": (1, 2), "b": (1, 2)}
    assert found.unsure == 1
    assert found.words()[-1] == (
        "Levels tie unless their paired difference is clear at 95 %; "
        "1 comparison without an interval, as a point has a single pair."
    )


# ---------------------------------------------------------------- failures


def test_a_point_where_one_failed_is_left_out_of_the_pair():
    """b failed where all is dear: its own mean is less, and yet a beats it where both ran."""
    found = ranked(
        {
            "a": [[1.0, 1.1], [9.0, 9.1]],
            "b": [[2.0, 2.1], [math.nan, math.nan]],
            "c": [[3.0, 3.1], [10.0, 10.1]],
        }
    )
    assert ranks(found) == {"a": (1, 1), "b": (2, 2), "c": (3, 3)}
    row = found.rows[1]
    assert (row.points, row.left_out, row.runs) == (1, 1, 2)
    assert row.mean.mean == pytest.approx(2.05)
    assert row.against_best.mean == pytest.approx(1)
    assert found.rows[2].left_out == 0
    assert "b has no value at 1 of 2 points, left out of its comparisons." in found.words()


def test_a_level_without_any_value_has_no_rank():
    nan = math.nan
    found = ranked({"x": [[nan, nan]], "a": [[1.0, 1.1]], "b": [[2.0, 2.1]]})
    assert ranks(found) == {"a": (1, 1), "b": (2, 2), "x": (None, None)}
    assert found.comparisons == 1
    assert found.words()[-1] == "x: no run has a value of network_bytes."
    frame = found.frame()
    assert frame["rank_low"].isna().tolist() == [False, False, True]
    assert str(frame["rank_low"].dtype) == "Int64"


def test_levels_that_share_no_point_are_not_compared():
    nan = math.nan
    found = ranked({"a": [[1.0], [nan]], "b": [[nan], [2.0]]})
    assert ranks(found) == {"a": (1, 2), "b": (1, 2)}
    assert found.rows[1].left_out == 2
    assert math.isnan(found.rows[1].against_best.mean)


def test_a_tie_after_failures_is_told_as_it_is():
    """The first is who is less than most others where both ran; b and a share no point."""
    nan = math.nan
    found = ranked(
        {
            "a": [[1.0, 2.0], [nan, nan], [5.0, 3.0]],
            "b": [[nan, nan], [3.0, 1.0], [nan, nan]],
            "c": [[2.0, 1.0], [1.0, 4.0], [nan, nan]],
            "d": [[2.0, 1.5], [4.0, 4.5], [4.0, 4.5]],
        }
    )
    assert [row.level for row in found.rows] == ["b", "a", "c", "d"]
    assert [row.left_out for row in found.rows] == [0, 3, 1, 2]
    assert found.unsure == 0
    assert found.words() == [
        "network_bytes: all 4 tie, from 2 B (b) to 3.417 B (d).",
        "a is best at 1.5 of 3 points, b at 1, c at 0.5 (equal ones share a point).",
        "Levels tie unless their paired difference is clear at 95 % in all 6 comparisons together.",
        "b has no value at 2 of 3 points, left out of its comparisons.",
        "a has no value at 1 of 3 points, left out of its comparisons.",
        "c has no value at 1 of 3 points, left out of its comparisons.",
    ]


def test_what_cannot_be_put_in_order_is_told_so():
    """No ranks of its own for who shares nothing with the others; equal figures cost as much."""
    nan = math.nan
    found = ranked({"a": [[1.0], [nan]], "x": [[nan], [7.0]], "b": [[2.0], [nan]]})
    assert ranks(found) == {"a": (1, 2), "x": (1, 3), "b": (2, 3)}
    assert found.words()[0] == (
        "network_bytes: a is least, 1 B, but not clearly; x is 1st to 3rd, at no point with the "
        "first; b is 2nd or 3rd, 100 % more."
    )
    found = ranked({"a": [[10.0, 11.0, 12.0]], "b": [[12.0, 10.0, 11.0]], "c": [[22.0, 21.0, 19]]})
    assert found.words()[0] == (
        "network_bytes: a is least, 11 B, but not clearly; b is 1st or 2nd, as much; "
        "c is 2nd or 3rd, 87.9 % more."
    )


def test_the_same_ranks_are_no_tie_by_themselves():
    """p beats a, a beats b, b beats q, each at a point of their own: a and b do not tie."""
    nan = math.nan
    found = ranked(
        {
            "p": [[1.0], [nan], [nan]],
            "a": [[2.0], [3.0], [nan]],
            "b": [[nan], [4.0], [5.0]],
            "q": [[nan], [nan], [6.0]],
        }
    )
    assert ranks(found) == {"p": (1, 3), "a": (2, 3), "b": (2, 3), "q": (2, 4)}
    assert found.words()[0] == (
        "network_bytes: p is least, 1 B, but not clearly; a is 2nd or 3rd, 100 % more; "
        "b is 2nd or 3rd, at no point with the first; q is 2nd to 4th, at no point with the first."
    )


def test_a_tie_of_some_names_them_and_their_figures():
    found = ranked({"a": [[1.0, 1.2]], "b": [[1.2, 1.1]], "c": [[20.0, 20.05]]})
    assert ranks(found) == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}
    assert found.words()[0] == (
        "network_bytes: a and b tie for least, 1.1 B and 1.15 B; c is 3rd, 1,720 % more."
    )


def test_nothing_at_all_is_said():
    found = ranked({"a": [[math.nan]], "b": [[math.nan]]})
    assert found.words() == ["network_bytes: no run has a value."]
    assert found.ties == ()


# ---------------------------------------------------------------- in words


def test_the_sentences_of_a_ranking():
    """Figures in the unit that suits, ties told together, who is best where, how sure it is."""
    figures = {
        "zero-page": [[20 * GiB, 22 * GiB], [10 * GiB, 10.4 * GiB]],
        "free": [[23 * GiB, 19.2 * GiB], [10 * GiB, 10 * GiB]],
        "held": [[9 * GiB, 15 * GiB], [10.2 * GiB, 10.4 * GiB]],
    }
    found = ranked(figures)
    assert ranks(found) == {"held": (1, 3), "free": (1, 3), "zero-page": (1, 3)}
    assert found.words() == [
        "network_bytes: all 3 tie, from 11.15 GiB (held) to 15.6 GiB (zero-page).",
        "held is best at 1 of 2 points, free at 1.",
        "Levels tie unless their paired difference is clear at 95 % in all 3 comparisons together.",
    ]
    figures = {
        "zero-page": [[20 * GiB, 20 * GiB + 3]],
        "free": [[20 * GiB, 20 * GiB + 4]],
        "held": [[10 * GiB, 10 * GiB + 1]],
        "last": [[30 * GiB, 30 * GiB + 2]],
    }
    assert ranked(figures).words() == [
        "network_bytes: held is least, 10 GiB; zero-page and free tie for 2nd, 100 % and 100 % "
        "more; last is 4th, 200 % more.",
        "Levels tie unless their paired difference is clear at 95 % in all 6 comparisons together.",
    ]


def test_a_single_level_has_nothing_to_be_compared_with():
    assert ranked({"a": [[1.0], [2.0]]}).words() == [
        "network_bytes: a, 1.5 B; there is nothing to compare it with."
    ]


def test_a_best_of_nothing_is_told_in_the_metrics_unit():
    """Of a mean of 0 there are no per cent."""
    frame = runs({"a": [[0.0]], "b": [[0.25]], "c": [[0.0]]}, metric="lost_work_s")
    found = rank(frame, "lost_work_s", by=policies("a", "b", "c"), blocks=[LINK])
    assert found.words()[0] == "lost_work_s: a and c tie for least, 0 s; b is 3rd, 250 ms more."


def test_levels_that_are_numbers_are_told_with_their_name():
    frame = runs({"a": [[3.0], [2.0], [1.0]]})
    found = rank(frame, METRIC, by=LINK, blocks=[policies("a")])
    assert found.words()[0].startswith("network_bytes: uplink = 40Gbit/s is least, 1 B; ")


def test_what_a_frame_of_a_ranking_holds():
    frame = ranked({"b": [[2.0, 2.2]], "a": [[1.0, 1.0]]}).frame()
    assert list(frame.columns) == [
        "hinting", "rank_low", "rank_high", METRIC, f"{METRIC}_low", f"{METRIC}_high",
        f"{METRIC}_difference", f"{METRIC}_difference_low", f"{METRIC}_difference_high",
        "change_percent", "change_percent_low", "change_percent_high", "wins_percent", "points",
        "left_out", "runs",
    ]  # fmt: skip
    assert frame["hinting"].tolist() == ["a", "b"]
    assert frame["change_percent"].tolist() == pytest.approx([0, 110])
    assert frame["wins_percent"].tolist() == [100, 0]


# ---------------------------------------------------------------- what is asked wrongly


def test_wrong_questions_are_refused():
    frame = runs({"a": [[1.0]], "b": [[2.0]]})
    with pytest.raises(ResultError, match="'netwrk_bytes'; did you mean 'network_bytes'"):
        rank(frame, "netwrk_bytes", by=policies("a", "b"), blocks=[LINK])
    with pytest.raises(
        ResultError, match=r"no metric is called 'point'; .dcsim list metrics. tells all"
    ):
        rank(frame, "point", by=policies("a", "b"), blocks=[LINK])
    with pytest.raises(ResultError, match="'hintin'; did you mean 'hinting'"):
        rank(frame, METRIC, by=Factor("hintin", "h", ("a",)), blocks=[])
    with pytest.raises(ResultError, match="no run has any"):
        rank(frame, METRIC, by=policies("x"), blocks=[LINK])
    twice = pd.concat([frame, frame])
    with pytest.raises(ResultError, match="several runs have the same values"):
        rank(twice, METRIC, by=policies("a", "b"), blocks=[LINK])


def test_other_values_of_a_factor_are_left_out():
    """A factor that names some levels ranks those."""
    frame = runs({"a": [[1.0]], "b": [[2.0]], "c": [[3.0]]})
    found = rank(frame, METRIC, by=policies("c", "b"), blocks=[LINK])
    assert ranks(found) == {"b": (1, 1), "c": (2, 2)}


def test_no_value_among_numbers_is_found_again():
    """A column of numbers holds None as NaN."""
    frame = pd.DataFrame(
        {"limit": [1.0, None, 2.0], "replicate": 0, METRIC: [3.0, 1.0, 2.0]}
    )  # fmt: skip
    found = rank(frame, METRIC, by=Factor("limit", "limit", (1, None, 2)), blocks=[])
    assert [row.level for row in found.rows] == [None, 2, 1]


# ---------------------------------------------------------------- changes over points


@given(st.lists(st.tuples(st.floats(1, 100), st.floats(1, 100)), min_size=1, max_size=6))
def test_a_change_at_one_point_is_the_paired_change(pairs):
    values, base = (list(side) for side in zip(*pairs, strict=True))
    one = pooled_change(np.array([values]), np.array([base]))
    other = paired_change(values, base)
    assert (one.mean, one.low, one.high, one.pairs) == pytest.approx(
        (other.mean, other.low, other.high, other.pairs), nan_ok=True, rel=1e-6, abs=1e-9
    )


def test_a_change_over_points_keeps_what_it_says():
    """Of 400 studies of 6 points and 5 replications, nine of ten hold the true change or more."""
    draw = np.random.default_rng(11)
    level = np.arange(1.0, 7)[:, None]
    hit = 0
    for _ in range(400):
        common = draw.normal(1, 0.1, (6, 5))
        base = level * common
        values = 1.2 * level * (common + draw.normal(0, 0.05, (6, 5)))
        found = pooled_change(values, base)
        hit += found.low <= 0.2 <= found.high
    assert 0.92 <= hit / 400 <= 0.98


# ---------------------------------------------------------------- point by point


def test_the_best_of_each_point():
    """Best, second, the margin as a share of the best, and whether it is clear there."""
    frame = runs(
        {
            "a": [[1.0, 1.1], [5.0, 9.0], [math.nan, math.nan]],
            "b": [[1.5, 1.6], [6.0, 7.0], [3.0, 3.0]],
            "c": [[9.0, 9.1], [9.0, 9.0], [math.nan, math.nan]],
        }
    )
    found = best_by_point(frame, METRIC, by=policies("a", "b", "c"), blocks=[LINK])
    assert list(found.columns) == [
        LINK.path, "best", "best_mean", "second", "second_mean", "margin_percent", "clear",
        "levels",
    ]  # fmt: skip
    assert found[LINK.path].tolist() == list(LINK.values)
    assert found["best"].tolist() == ["a", "b", "b"]
    assert found["second"].tolist()[:2] == ["b", "a"]
    assert pd.isna(found["second"][2])
    assert found["margin_percent"].tolist() == pytest.approx(
        [100 * 0.5 / 1.05, 100 * 0.5 / 6.5, math.nan], nan_ok=True
    )
    assert found["clear"].tolist() == [True, False, False]
    assert found["levels"].tolist() == [3, 3, 1]


def test_points_are_in_the_order_of_the_values_and_equal_ones_go_to_the_first():
    frame = runs({"b": [[2.0], [1.0 - 1e-12]], "a": [[1.0], [1.0]]}).iloc[::-1]
    found = best_by_point(frame, METRIC, by=policies("a", "b"), blocks=[LINK])
    assert found["best"].tolist() == ["a", "a"]
    assert found["margin_percent"].tolist() == pytest.approx([100, 0])
    assert found["clear"].tolist() == [True, False]
    most = best_by_point(frame, METRIC, by=policies("a", "b"), blocks=[LINK], most=True)
    assert most["best"].tolist() == ["b", "a"]
    assert most["margin_percent"].tolist() == pytest.approx([50, 0])


def test_a_point_without_a_value_has_no_best():
    frame = runs({"a": [[math.nan], [0.0]], "b": [[math.nan], [1.0]]})
    found = best_by_point(frame, METRIC, by=policies("a", "b"), blocks=[LINK])
    assert found["best"].isna().tolist() == [True, False]
    assert found["levels"].tolist() == [0, 2]
    assert found["margin_percent"].isna().all()  # nothing is a share of 0
    assert found["clear"].tolist() == [False, True]


def test_runs_that_failed_do_not_make_the_dearer_one_clearly_best():
    """b lacks its dear runs and has the lesser mean; where both ran, a is clearly less."""
    frame = runs({"a": [[1.0, 1.1, 50.0]], "b": [[2.0, 2.1, math.nan]]})
    found = best_by_point(frame, METRIC, by=policies("a", "b"), blocks=[LINK])
    assert (found["best"][0], found["clear"][0]) == ("b", False)
