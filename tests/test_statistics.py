"""Paired differences and their intervals: known values, coverage, words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dcsim.study.findings.statistics import (
    Interval,
    interval,
    paired_change,
    paired_difference,
    pooled,
    words,
)

MODEST = st.floats(-1e6, 1e6)


def test_interval_agrees_with_students_table():
    """With 4 degrees of freedom, the table says 2.776 standard errors for 95 %."""
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.mean == 3.0
    assert found.high - found.mean == pytest.approx(2.776 * math.sqrt(2.5 / 5), rel=1e-3)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)
    assert found.pairs == 5


def test_higher_confidence_is_wider():
    """The table says 4.604 standard errors for 99 %."""
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0], confidence=0.99)
    assert found.high - found.mean == pytest.approx(4.604 * math.sqrt(2.5 / 5), rel=1e-3)


def test_students_sleep_data():
    """The data of Student (1908), table I: 10 patients, two drugs, hours of sleep gained.

    The mean difference is 1.58 h, and its 95 % interval 0.70 to 2.46.
    """
    one = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    two = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = paired_difference(two, one)
    assert (found.mean, found.pairs) == (pytest.approx(1.58), 10)
    assert (found.low, found.high) == (
        pytest.approx(0.70, abs=0.005),
        pytest.approx(2.46, abs=0.005),
    )
    assert found.clear


@pytest.mark.parametrize("function", [paired_difference, paired_change])
def test_single_pair_has_no_interval(function):
    """One pair gives a difference and no idea how sure it is."""
    found = function([3.0], [2.0])
    assert found.mean == pytest.approx({paired_difference: 1.0, paired_change: 0.5}[function])
    assert (math.isnan(found.low), math.isnan(found.high)) == (True, True)
    assert (found.pairs, found.clear) == (1, False)


@pytest.mark.parametrize("function", [paired_difference, paired_change])
def test_pairs_without_a_value_are_left_out(function):
    """A NaN on either side takes its pair away, and the count says so."""
    whole = function([3.0, 5.0], [2.0, 4.0])
    holed = function([math.nan, 3.0, 9.0, 5.0], [1.0, 2.0, math.nan, 4.0])
    assert holed == whole
    assert holed.pairs == 2


def test_nothing_to_compare_is_nan():
    """No pair at all is no number."""
    for found in (interval([]), paired_change([], []), paired_difference([math.nan], [1.0])):
        assert (math.isnan(found.mean), found.pairs) == (True, 0)


def test_lists_of_different_lengths_are_refused():
    """Pairs are by place: a missing partner is a mistake of the caller."""
    with pytest.raises(ValueError, match="shorter"):
        paired_difference([1.0, 2.0], [1.0])


def test_change_from_nothing_is_unknown():
    """A baseline of 0 has no per cent."""
    found = paired_change([1.0, 2.0], [0.0, 0.0])
    assert math.isnan(found.mean)
    assert not found.clear


@given(st.lists(st.tuples(MODEST, MODEST), min_size=2, max_size=10), MODEST)
def test_difference_is_blind_to_what_both_share(pairs, shift):
    """Adding the same to both of every pair changes nothing: that is what pairing is for."""
    values, bases = zip(*pairs, strict=True)
    plain = paired_difference(values, bases)
    moved = paired_difference([v + shift for v in values], [b + shift for b in bases])
    assert moved.mean == pytest.approx(plain.mean, abs=1e-6)
    assert moved.high - moved.low == pytest.approx(plain.high - plain.low, abs=1e-4)


@given(
    st.lists(st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)), min_size=2, max_size=10),
    st.floats(1e-3, 1e3),
)
def test_change_is_blind_to_the_unit(pairs, factor):
    """Bytes or GiB, the change in per cent is the same."""
    values, bases = zip(*pairs, strict=True)
    plain = paired_change(values, bases)
    scaled = paired_change([v * factor for v in values], [b * factor for b in bases])
    assert (scaled.mean, scaled.low, scaled.high) == pytest.approx(
        (plain.mean, plain.low, plain.high), rel=1e-6, abs=1e-6
    )


@given(st.lists(st.floats(1, 1e6), min_size=2, max_size=10), st.floats(0.1, 10))
def test_proportional_pairs_leave_no_doubt(bases, ratio):
    """Where every pair has the same ratio, the interval is that ratio."""
    found = paired_change([base * ratio for base in bases], bases)
    assert (found.low, found.mean, found.high) == pytest.approx((ratio - 1,) * 3, abs=1e-9)


@pytest.mark.parametrize("pairs", [3, 5, 20])
@pytest.mark.parametrize("function", [paired_difference, paired_change])
def test_intervals_hold_the_truth_as_often_as_they_say(function, pairs):
    """Of 1000 intervals at 95 %, some 950 hold the true value: 4 standard errors are allowed.

    The values are a baseline that varies by chance, and 15 % less with chance of its own.
    """
    draw = np.random.default_rng(20160304)
    truth = {paired_difference: -15.0, paired_change: -0.15}[function]
    held = 0
    for _ in range(1000):
        bases = draw.normal(100, 20, pairs)
        found = function((bases * 0.85 + draw.normal(0, 6, pairs)).tolist(), bases.tolist())
        held += found.low <= truth <= found.high
    assert 922 <= held <= 978


def test_pairing_narrows_the_interval():
    """Common random numbers: the paired interval is a fraction of that of unpaired runs."""
    draw = np.random.default_rng(1)
    bases = draw.normal(100, 20, 10)
    values = bases * 0.85 + draw.normal(0, 1, 10)
    alone, other = interval(values.tolist()), interval(bases.tolist())
    unpaired = math.hypot(alone.high - alone.low, other.high - other.low)
    paired = paired_difference(values.tolist(), bases.tolist())
    assert paired.high - paired.low < unpaired / 4


# --------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("change", "unit", "scale", "expected"),
    [
        ((-0.124, -0.138, -0.109, 20), "%", 100, "12.4 % less [10.9, 13.8]"),
        ((3.2, 2.9, 3.5, 20), "s", 1, "3.20 s more [2.90, 3.50]"),
        ((0.003, -0.002, 0.008, 5), "%", 100, "0.30 % more [-0.20, 0.80], perhaps by chance"),
        ((-0.003, -0.008, 0.002, 5), "%", 100, "0.30 % less [-0.20, 0.80], perhaps by chance"),
        ((12345.6, 11000.0, 13691.2, 5), "s", 1, "12,300 s more [11,000, 13,700]"),
        ((-1.6, math.nan, math.nan, 1), "s", 1, "1.60 s less"),
        ((0.0, 0.0, 0.0, 3), "s", 1, "0 s more"),
        ((2.0, 2.0, 2.0, 3), "s", 1, "2.00 s more"),
        ((0.1, 0.1 - 1e-16, 0.1 + 1e-16, 3), "%", 100, "10.0 % more"),
        ((math.nan, math.nan, math.nan, 0), "s", 1, "unknown"),
    ],
)  # fmt: skip
def test_words(change, unit, scale, expected):
    """A difference reads as size, direction and interval, in as many figures as it is sure of."""
    assert words(Interval(*change), unit=unit, scale=scale) == expected


def test_words_say_than_what():
    """The tail stands before the interval."""
    text = words(Interval(-0.124, -0.138, -0.109, 20), unit="%", scale=100, tail="than zero-page")
    assert text == "12.4 % less than zero-page [10.9, 13.8]"


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e9))
def test_words_never_print_minus_zero_or_a_wrong_direction(mean, half):
    """The direction is in a word, so the size has no sign, whatever is rounded."""
    assume(abs(mean) > 1e-12)
    text = words(Interval(mean, mean - half, mean + half, 5), unit="s")
    size, _, way, *_ = text.split()
    assert not size.startswith("-")
    assert way == ("less" if mean < 0 else "more")
    low, high = text[text.index("[") + 1 : text.index("]")].split(", ")
    assert all(end.strip("-0.,") or not end.startswith("-") for end in (low, high))
    assert (
        float(low.replace(",", "")) <= float(size.replace(",", "")) <= float(high.replace(",", ""))
    )


# ------------------------------------------------------------------- over the points of a design


def test_a_mean_over_points_has_the_interval_of_its_replicates():
    """Points share random numbers, and move together; each replicate's mean over them is drawn."""
    noise = [0.0, 3.0, 6.0, 1.0]
    found = pooled([[point + each for each in noise] for point in range(3)])
    alone = interval([1 + each for each in noise])
    assert (found.mean, found.low, found.high) == pytest.approx((alone.mean, alone.low, alone.high))
    assert found.pairs == 12


def test_points_of_few_replicates_weigh_as_much():
    """The interval is of the replicates that all have; of fewer than two, points count alone."""
    some = pooled([[1.0, 3.0, math.nan, 9.0], [2.0, 2.5, 7.0, math.nan]])
    assert some.mean == pytest.approx((13 / 3 + 11.5 / 3) / 2)
    half = interval([1.5, 2.75]).high - interval([1.5, 2.75]).mean
    assert some.high - some.mean == pytest.approx(half)
    apart = pooled([[1.0, 3.0, math.nan, math.nan], [math.nan, math.nan, 7.0, 9.0]])
    variance = 1.0 / 4 + 1.0 / 4  # each mean has 2 / 2, and weighs a half
    assert apart.high - apart.mean == pytest.approx(4.302653 * math.sqrt(variance), rel=1e-5)


def test_a_point_of_one_replicate_leaves_no_interval():
    """Nothing tells how much it is drawn from; nothing at all has no mean either."""
    found = pooled([[1.0], [2.0, 3.0]])
    assert (found.mean, math.isnan(found.low), found.pairs) == (1.75, True, 3)
    assert math.isnan(pooled([[math.nan], []]).mean)


def test_an_interval_over_points_covers_as_often_as_it_says():
    """Of 600 studies of 12 points and 5 replications, with much and with no chance in common."""
    rng = np.random.default_rng(3)
    for shared, own in ((1.0, 0.5), (0.0, 1.0)):
        draws = shared * rng.normal(size=(600, 1, 5)) + own * rng.normal(size=(600, 12, 5))
        found = [pooled(values.tolist()) for values in draws]
        assert np.mean([each.low <= 0 <= each.high for each in found]) == pytest.approx(
            0.95, abs=0.025
        )
