"""What a metric is sensitive to: known indices, exact shares, and words."""

from __future__ import annotations

import itertools
import math
import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.errors import DcsimError, ResultError
from dcsim.study.designs.factors import Factor
from dcsim.study.designs.sampling import Span, unit_points
from dcsim.study.findings.sensitivity import indices
from dcsim.study.findings.tornado import tornado

RATES = ("1Gbit/s", "10Gbit/s", "100Gbit/s")
UPLINK = Factor("topology.uplink", "uplink", RATES)
KIND = Factor("kind", "kind", ("a", "b"))
COUNT = Factor("limits.count", "count", (1, 2, 3, 4))


def told(found):
    """Return what is said of it, a sentence a line."""
    return "\n".join(found.words())


def framed(rows, factors, values, *, replications=1):
    """A frame of points given as tuples of values; *values* has a mean each."""
    columns = {f.path: [row[i] for row in rows] for i, f in enumerate(factors)}
    frame = pd.DataFrame({"point": range(len(rows)), **columns})
    frame = frame.loc[np.repeat(frame.index, replications)]
    frame["replicate"] = np.tile(range(replications), len(rows))
    means = np.repeat(np.broadcast_to(values, len(rows)), replications)
    return frame.assign(error="", makespan_s=means).reset_index(drop=True)


def sampled(unit, values):
    """A frame and factors of a design in the cube, each coordinate in a range of its own."""
    spans = [Span(1, 1001, log=False, whole=False)] * unit.shape[1]
    rows = [tuple(span.at(u) for span, u in zip(spans, row, strict=True)) for row in unit]
    names = ["uplink", "count", "size", "rate"][: unit.shape[1]]
    factors = [
        Factor(f"a.{name}", name, tuple(dict.fromkeys(row[i] for row in rows)))
        for i, name in enumerate(names)
    ]
    return framed(rows, factors, values), factors


# ------------------------------------------------------------------- swings


@given(
    uplink=st.lists(st.integers(-100, 100), min_size=3, max_size=3),
    kind=st.lists(st.integers(-100, 100), min_size=2, max_size=2),
    count=st.lists(st.integers(-100, 100), min_size=4, max_size=4),
)
def test_shares_of_an_additive_metric_are_those_of_its_parts(uplink, kind, count):
    """On a full grid, exactly: variances of independent parts add up."""
    rows = list(itertools.product(*(f.values for f in (UPLINK, KIND, COUNT))))
    values = [float(sum(parts)) for parts in itertools.product(uplink, kind, count)]
    found = tornado(framed(rows, [UPLINK, KIND, COUNT], values), "makespan_s", factors=[
        UPLINK, KIND, COUNT])  # fmt: skip
    by_path = {swing.factor.path: swing for swing in found.swings}
    total = np.var(values)
    assert found.base == pytest.approx(np.mean(values))
    for factor, parts in ((UPLINK, uplink), (KIND, kind), (COUNT, count)):
        swing = by_path[factor.path]
        assert swing.swing == pytest.approx(max(parts) - min(parts))
        if total:
            assert swing.explained == pytest.approx(np.var(parts) / total)
        else:
            assert math.isnan(swing.explained)
    swings = [swing.swing for swing in found.swings]
    assert swings == sorted(swings, reverse=True)


def test_a_swing_says_at_which_values_it_ends():
    """Sizes have a first and a last one as well, which need not be the least and the most."""
    rows = list(itertools.product(("100Gbit/s", "1Gbit/s", "10Gbit/s"), ("a", "b")))
    rate = Factor("topology.uplink", "uplink", ("100Gbit/s", "1Gbit/s", "10Gbit/s"))
    values = [3.0, 5.0, 6.0, 8.0, 9.0, 11.0]
    rates, kinds = tornado(
        framed(rows, [rate, KIND], values), "makespan_s", factors=[KIND, rate]
    ).swings
    assert (rates.least, rates.least_at, rates.most, rates.most_at) == (
        4,
        "100Gbit/s",
        10,
        "10Gbit/s",
    )
    assert (rates.first, rates.last) == (7, 4)
    assert (kinds.least, kinds.least_at, kinds.most, kinds.most_at) == (6, "a", 8, "b")
    assert math.isnan(kinds.first)


def test_shares_are_weighted_by_counts():
    """Eta squared of groups of different sizes, by its definition; a point without value is out."""
    frame = framed([("a",), ("a",), ("a",), ("b",), ("b",)], [KIND], [1.0, 2, 6, 7, 99])
    frame.loc[4, "makespan_s"] = math.nan
    found = tornado(frame, "makespan_s", factors=[KIND])
    (swing,) = found.swings
    assert swing.explained == pytest.approx((3 * (3 - 4) ** 2 + (7 - 4) ** 2) / (9 + 4 + 4 + 9))
    assert found.left_out == 1
    assert "1 point has no value of it." in told(found)


def test_replications_are_averaged_first():
    """A point weighs as much as another, however often it was run."""
    frame = framed([("a",), ("a",), ("b",)], [KIND], [1.0, 3.0, 9.0], replications=3)
    frame["makespan_s"] += frame["replicate"]
    frame.loc[1, "makespan_s"] = math.nan  # replicate 1 of the first point: its mean stays 2
    (swing,) = tornado(frame, "makespan_s", factors=[KIND]).swings
    assert (swing.least, swing.most) == (3, 10)


def test_one_at_a_time_is_compared_with_point_0():
    """Each factor by the points that differ in it alone."""
    rows = [
        ("10Gbit/s", "a", 1),
        ("1Gbit/s", "a", 1),
        ("100Gbit/s", "a", 1),
        ("10Gbit/s", "b", 1),
        ("10Gbit/s", "a", 2),
        ("10Gbit/s", "a", 3),
    ]
    factors = [UPLINK, KIND, Factor("limits.count", "count", (1, 2, 3))]
    found = tornado(
        framed(rows, factors, [10.0, 90.0, 4.0, 12.0, 11.0, 10.1]), "makespan_s", factors=factors
    )
    assert (found.base, found.one_at_a_time) == (10, True)
    assert [(s.factor.label, s.least, s.most) for s in found.swings] == [
        ("uplink", 4, 90),
        ("kind", 10, 12),
        ("count", 10, 11),
    ]
    assert (found.swings[0].first, found.swings[0].last) == (90, 4)
    assert all(math.isnan(swing.explained) for swing in found.swings)
    assert told(found) == (
        "makespan_s, 10 s at point 0, swings most with uplink, from 4 s at 100Gbit/s to 90 s at "
        "1Gbit/s; the rest is small."
    )


def test_without_point_0_nothing_is_compared_with_it():
    """It may be retried."""
    frame = framed([("1Gbit/s", "a"), ("10Gbit/s", "a"), ("1Gbit/s", "b")], [UPLINK, KIND], 1.0)
    frame.loc[0, "makespan_s"] = math.nan
    with pytest.raises(ResultError, match=r"point 0 has no value .*: retry the failed runs"):
        tornado(frame, "makespan_s", factors=[UPLINK, KIND])


def test_a_single_factor_is_no_one_at_a_time_design():
    """All its points differ in it; the mean is what they are seen from."""
    found = tornado(framed([("a",), ("b",)], [KIND], [1.0, 3.0]), "makespan_s", factors=[KIND])
    assert (found.base, found.one_at_a_time, found.swings[0].explained) == (2, False, 1)


def test_sizes_that_were_drawn_are_binned_and_chance_has_its_share():
    """A factor of no effect explains (bins - 1) / (points - 1) on average."""
    shares = []
    for seed in range(40):
        unit = unit_points("latin-hypercube", dimensions=2, size=64, seed=seed)
        frame, factors = sampled(unit, 100 + 50 * unit[:, 0])
        found = tornado(frame, "makespan_s", factors=factors)
        assert [swing.factor.label for swing in found.swings] == ["uplink", "count"]
        assert found.swings[1].by_chance == pytest.approx(7 / 63)
        shares.append(found.swings[1].explained)
        assert found.swings[0].explained > 0.97
    assert np.mean(shares) == pytest.approx(7 / 63, abs=0.03)
    assert "swings most with uplink" in told(found)
    assert "; the rest is small." in told(found)
    assert "a factor of no effect explains 11 % by chance" in told(found)


def test_nothing_varies_or_nothing_ran():
    """There is no share of no variance; and no swing of no run."""
    frame = framed([("a",), ("b",)], [KIND], 5.0)
    found = tornado(frame, "makespan_s", factors=[KIND])
    assert told(found) == "makespan_s is 5 s, whatever was varied."
    assert math.isnan(found.swings[0].explained)
    with pytest.raises(ResultError, match="no run has a value"):
        tornado(frame.assign(makespan_s=math.nan), "makespan_s", factors=[KIND])


def test_columns_of_swings_carry_units():
    """Those of the metric; a share is in per cent."""
    frame = framed([("a",), ("b",)], [KIND], [1.0, 3.0])
    found = tornado(frame, "makespan_s", factors=[KIND]).frame()
    assert list(found.columns) == [
        "metric", "factor", "least_at", "most_at", "least_s", "most_s", "first_s", "last_s",
        "swing_s", "explained_percent", "by_chance_percent",
    ]  # fmt: skip
    assert found["explained_percent"].item() == 100


def test_a_hundred_thousand_runs_take_seconds():
    """Of a design that sampled four things."""
    unit = unit_points("latin-hypercube", dimensions=4, size=20_000, seed=1)
    frame, factors = sampled(unit, unit @ [5.0, 3.0, 2.0, 0.0])
    frame = frame.loc[np.repeat(frame.index, 5)].assign(replicate=np.tile(range(5), 20_000))
    start = time.perf_counter()
    found = tornado(frame, "makespan_s", factors=factors)
    assert time.perf_counter() - start < 5
    shares = np.array([25, 9, 4, 0]) / 38
    assert [s.explained for s in found.swings] == pytest.approx(shares, abs=0.02)


# ------------------------------------------------------------------- indices


def ishigami(unit, a=7.0, b=0.1):
    """The function of Ishigami and Homma (1990), on [-pi, pi] in each of three dimensions."""
    x = math.pi * (2 * unit - 1)
    return np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_ishigamis_indices_are_found():
    """Analytic ones, as integrals of its three terms give them.

    V1 = (1 + b pi^4 / 5)^2 / 2, V2 = a^2 / 8, V13 = 8 b^2 pi^8 / 225; all others are 0.
    """
    one, two, both = (1 + 0.1 * math.pi**4 / 5) ** 2 / 2, 49 / 8, 8 * 0.01 * math.pi**8 / 225
    whole = one + two + both
    unit = unit_points("saltelli", dimensions=3, size=4096, seed=1)
    frame, factors = sampled(unit, ishigami(unit))
    found = indices("saltelli", unit, frame, "makespan_s", factors=factors)
    assert [factor.label for factor in found.factors] == ["uplink", "count", "size"]
    first, total = found.values["S1"], found.values["ST"]
    assert first == pytest.approx([one / whole, two / whole, 0], abs=0.02)
    assert total == pytest.approx([(one + both) / whole, two / whole, both / whole], abs=0.02)
    assert all(0 < half < 0.06 for half in found.values["ST_conf"])
    assert told(found) == (
        f"uplink explains {first[0]:.0%} of the variance of makespan_s by itself, {total[0]:.0%} "
        f"with its interactions; count {first[1]:.0%}; size {first[2]:.0%} and {total[2]:.0%}."
    ).replace("%", " %")


def test_indices_of_an_additive_function_are_shares_of_its_variance():
    """First and total alike; the mean, far off zero, does not matter."""
    unit = unit_points("saltelli", dimensions=3, size=1024, seed=2)
    frame, factors = sampled(unit, 1e6 + unit @ [1.0, 30.0, 10.0])
    found = indices("saltelli", unit, frame, "makespan_s", factors=factors)
    shares = np.array([900, 100, 1]) / 1001
    assert [factor.label for factor in found.factors] == ["count", "size", "uplink"]
    assert found.values["S1"] == pytest.approx(shares, abs=0.02)
    assert found.values["ST"] == pytest.approx(shares, abs=0.02)
    assert told(found) == (
        "count explains 90 % of the variance of makespan_s by itself, 90 % with its interactions; "
        "size 10 %; the rest is small."
    )
    assert list(found.frame().columns) == ["metric", "factor", "S1", "S1_conf", "ST", "ST_conf"]


def test_effects_of_a_linear_function_are_its_coefficients():
    """Whatever the rest; sigma is 0."""
    unit = unit_points("morris", dimensions=4, size=6, seed=1)
    frame, factors = sampled(unit, 1000 + unit @ [10.0, -300.0, 60.0, 0.0])
    found = indices("morris", unit, frame, "makespan_s", factors=factors)
    assert [factor.label for factor in found.factors] == ["count", "size", "uplink", "rate"]
    assert found.values["mu_star"] == pytest.approx([300, 60, 10, 0])
    assert found.values["sigma"] == pytest.approx([0, 0, 0, 0], abs=1e-9)
    assert found.values["mu_star_conf"] == pytest.approx([0, 0, 0, 0], abs=1e-9)
    assert told(found) == (
        "count moves makespan_s most, by 300 s on its way across, whatever the rest; size by "
        "60 s, whatever the rest; the rest is small."
    )
    columns = ["metric", "factor", "mu_star_s", "mu_star_conf_s", "sigma_s"]
    assert list(found.frame().columns) == columns


def test_effects_of_a_product_depend_on_the_rest():
    """x y moves by y, which is 0 to 1: sigma is not 0."""
    unit = unit_points("morris", dimensions=2, size=64, seed=1)
    frame, factors = sampled(unit, 100 * unit[:, 0] * unit[:, 1])
    found = indices("morris", unit, frame, "makespan_s", factors=factors)
    assert found.values["mu_star"] == pytest.approx([50, 50], abs=10)
    assert min(found.values["sigma"]) > 30
    assert "depending on the rest" in told(found)


@pytest.mark.parametrize("kind", ["morris", "saltelli"])
def test_the_same_runs_give_the_same_indices(kind):
    """Intervals too, which are drawn; in whatever order rows come, and whatever was drawn before.

    A seed of 0 is a seed; another one gives other intervals of the same indices.
    """
    unit = unit_points(kind, dimensions=3, size=16, seed=1)
    frame, factors = sampled(unit, ishigami(unit))
    found = [
        indices(kind, unit, rows, "makespan_s", factors=factors, seed=seed)
        for rows, seed in ((frame, 0), (frame.sample(frac=1, random_state=1), 0), (frame, 1))
    ]
    assert found[0] == found[1]
    main, half = ("ST", "ST_conf") if kind == "saltelli" else ("mu_star", "mu_star_conf")
    assert found[0].values[main] == found[2].values[main]
    assert found[0].values[half] != found[2].values[half]


def test_few_samples_are_said_to_be_few():
    """With how far off they may be."""
    for kind, said in (("saltelli", "a larger size"), ("morris", "more trajectories")):
        unit = unit_points(kind, dimensions=3, size=8, seed=1)
        frame, factors = sampled(unit, ishigami(unit))
        words = told(indices(kind, unit, frame, "makespan_s", factors=factors))
        assert "only" in words
        assert said in words


@pytest.mark.parametrize("kind", ["morris", "saltelli"])
def test_a_metric_that_does_not_vary_has_no_indices(kind):
    """All 0, without a warning."""
    unit = unit_points(kind, dimensions=2, size=4, seed=1)
    frame, factors = sampled(unit, 7.0)
    found = indices(kind, unit, frame, "makespan_s", factors=factors)
    assert set(found.values["ST" if kind == "saltelli" else "mu_star"]) == {0}
    assert told(found) == "makespan_s is 7 s, whatever was varied."


def test_noise_that_points_share_cancels_and_other_noise_shrinks_with_replications():
    """What is left of it looks like interactions."""
    unit = unit_points("morris", dimensions=2, size=50, seed=1)
    frame, factors = sampled(unit, unit @ [10.0, 5.0])
    rng = np.random.default_rng(1)

    def found(replications, own):
        many = frame.loc[np.repeat(frame.index, replications)].copy()
        many["replicate"] = np.tile(range(replications), len(frame))
        shared = np.tile(rng.normal(size=replications), len(frame))
        many["makespan_s"] += shared + own * rng.normal(size=len(many))
        return indices("morris", unit, many, "makespan_s", factors=factors)

    assert max(found(3, 0.0).values["sigma"]) < 1e-9
    few, many = (max(found(k, 2.0).values["sigma"]) for k in (2, 50))
    assert many == pytest.approx(few / 5, rel=0.4)


def test_points_without_a_value_are_counted():
    """By what became of them; a sensitivity needs all."""
    unit = unit_points("saltelli", dimensions=2, size=4, seed=1)
    frame, factors = sampled(unit, 1.0)
    frame.loc[[1, 5], ["makespan_s", "error"]] = [math.nan, "SimulationError"]
    frame.loc[7, "makespan_s"] = math.nan
    with pytest.raises(ResultError) as caught:
        indices("saltelli", unit, frame.drop(index=[2, 3, 4]), "makespan_s", factors=factors)
    assert str(caught.value) == (
        "6 of 16 points have no value of makespan_s (2 failed, 3 did not run, 1 have nothing to "
        "measure), and a sensitivity needs all of them: retry the failed runs"
    )


def test_a_frame_of_another_design_is_refused():
    """By its number of points, or by the shape of what made them."""
    unit = unit_points("morris", dimensions=2, size=4, seed=1)
    frame, factors = sampled(unit, 1.0)
    with pytest.raises(ResultError, match="different designs"):
        indices("morris", unit[:6], frame, "makespan_s", factors=factors)
    for wrong in (unit[:, :1], unit[:5], unit[:3]):
        with pytest.raises(ValueError, match=r"shape \(3 n, 2\)"):
            indices("morris", wrong, frame, "makespan_s", factors=factors)


def test_without_salib_there_are_no_indices(monkeypatch):
    """It says how to get them."""
    unit = unit_points("morris", dimensions=2, size=4, seed=1)
    frame, factors = sampled(unit, unit[:, 0])
    monkeypatch.setitem(sys.modules, "SALib.analyze.morris", None)
    with pytest.raises(DcsimError, match=r"pip install 'dcsim\[sensitivity\]'"):
        indices("morris", unit, frame, "makespan_s", factors=factors)
