"""How a metric responds to what was varied: means, intervals, spreads, bins and words."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pandas as pd
import pytest

import dcsim
from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor
from dcsim.study.findings.points import MOST_BINS, group, points
from dcsim.study.findings.response import respond
from dcsim.study.findings.statistics import interval, pooled

RATES = ("1Gbit/s", "10Gbit/s", "25Gbit/s", "100Gbit/s")
UPLINK = Factor("topology.uplink", "uplink", RATES)
HINTING = Factor("hinting", "hinting", ("zero-page", "balloon-held"))
COUNT = Factor("limits.count", "count", (1, 2, 3))


def told(found):
    """Return what is said of it, a sentence a line."""
    return "\n".join(found.words())


def grid(factors, metric, *, replications=1, name="makespan_s"):
    """A frame of all combinations; *metric* is given values and the replicate."""
    rows = []
    combinations = itertools.product(*(factor.values for factor in factors))
    for point, values in enumerate(combinations):
        for k in range(replications):
            named = {f.path: value for f, value in zip(factors, values, strict=True)}
            common = {"point": point, **named, "replicate": k, "error": ""}
            rows.append({**common, name: metric(*values, k)})
    return pd.DataFrame(rows)


def along(values):
    """A response along `UPLINK` alone."""
    table = dict(zip(RATES, values, strict=True))
    return respond(grid([UPLINK], lambda rate, _: table[rate]), "makespan_s", over=UPLINK)


def means(response):
    """The means of each line."""
    return [[cell.mean.mean for cell in line.cells] for line in response.lines]


def test_a_mean_weighs_points_the_same_and_the_rest_is_spread():
    """Over a full grid; percentiles are of the points' means."""
    frame = grid([UPLINK, HINTING, COUNT], lambda r, h, c, _: RATES.index(r) + 10 * c)
    found = respond(frame, "makespan_s", over=UPLINK, by=HINTING, others=[COUNT])
    assert means(found) == [[20, 21, 22, 23]] * 2
    cell = found.lines[0].cells[0]
    assert (cell.points, cell.runs, cell.size) == (3, 3, 1.25e8)
    assert (cell.p10, cell.p90) == pytest.approx((12, 28))
    assert math.isnan(cell.mean.low)


def test_a_point_with_fewer_runs_weighs_as_much():
    """And what all points have in common tells how sure the mean is."""
    frame = grid([UPLINK, COUNT], lambda r, c, k: 10.0 * c + k * k, replications=3)
    frame.loc[1, "makespan_s"] = math.nan  # replicate 1 of the first point
    cell = respond(frame, "makespan_s", over=UPLINK).lines[0].cells[0]
    assert cell.mean == pooled([[10, math.nan, 14], [20, 21, 24], [30, 31, 34]])
    assert (cell.runs, cell.mean.pairs) == (8, 8)
    assert cell.replicates == pytest.approx((20, math.nan, 24), nan_ok=True)


def test_an_interval_is_over_replicates_where_points_share_them():
    """A replicate moves all points at once, so that points are not independent."""
    noise = [0.0, 3.0, 6.0, 1.0]
    frame = grid([UPLINK, COUNT], lambda r, c, k: c + noise[k], replications=4)
    cell = respond(frame, "makespan_s", over=UPLINK).lines[0].cells[0]
    alone = interval([2 + each for each in noise])
    assert (cell.mean.mean, cell.mean.low) == (alone.mean, pytest.approx(alone.low))


def test_failed_runs_are_left_out_and_counted():
    """A point without any value too; a value of which nothing ran has no cell."""
    frame = grid([UPLINK, COUNT], lambda r, c, _: 1.0 * c)
    frame.loc[frame["topology.uplink"] == "1Gbit/s", "makespan_s"] = math.nan
    frame.loc[4, "makespan_s"] = math.nan
    found = respond(frame, "makespan_s", over=UPLINK)
    assert [cell.value for cell in found.lines[0].cells] == list(RATES[1:])
    assert found.lines[0].cells[0].mean.mean == 2.0
    assert found.left_out == 4
    assert "4 points have no value of it." in told(found)


def test_sizes_rise_whatever_the_order_of_the_study():
    """Along a line; a frame may come in any order too."""
    mixed = Factor("topology.uplink", "uplink", ("25Gbit/s", "1Gbit/s", "100Gbit/s", "10Gbit/s"))
    frame = grid([UPLINK, HINTING], lambda r, h, _: 1.0 * RATES.index(r)).sample(
        frac=1, random_state=1
    )
    found = respond(frame, "makespan_s", over=mixed, by=HINTING)
    assert means(found) == [[0, 1, 2, 3]] * 2


def test_many_sizes_are_binned_by_equal_counts():
    """Into at most 12, each at its mean size; equal ones stay together."""
    values = tuple(f"{i}Gbit/s" for i in range(1, 241))
    factor = Factor("topology.uplink", "uplink", values)
    frame = grid([factor], lambda rate, _: float(rate[:-6]))
    found = respond(frame, "makespan_s", over=factor)
    cells = found.lines[0].cells
    assert [cell.points for cell in cells] == [20] * MOST_BINS
    assert [cell.mean.mean for cell in cells] == [10.5 + 20 * i for i in range(12)]
    assert [cell.size for cell in cells] == pytest.approx([125e6 * c.mean.mean for c in cells])
    assert cells[0].value == "10.5Gbit/s"
    assert "The many values of uplink are taken together in 12 bins" in told(found)


def test_bins_are_as_many_as_each_has_points():
    """Of 30 points, 5 of 6; and what is equal is not torn apart."""
    factor = Factor("x", "x", tuple(range(30)))
    frame = grid([factor], lambda x, _: float(x))
    assert [c.points for c in respond(frame, "makespan_s", over=factor).lines[0].cells] == [6] * 5
    frame["x"] = [0] * 20 + list(range(20, 30))
    groups = group(points(frame, "makespan_s", [factor]), factor)
    assert len(set(groups.codes[:20])) == 1
    assert groups.binned


def test_many_names_and_few_sizes_are_not_binned():
    """Names have no neighbours; 24 sizes can be looked at."""
    for factor in (
        Factor("x", "x", tuple(f"v{i}" for i in range(40))),
        Factor("x", "x", tuple(range(24))),
    ):
        found = respond(grid([factor], lambda x, _: 1.0), "makespan_s", over=factor)
        assert len(found.lines[0].cells) == len(factor.values)
        assert not found.notes


def test_levels_that_are_many_sizes_are_few_bins():
    """Lines are told apart by eye."""
    factor = Factor("x", "x", tuple(range(100)))
    frame = grid([factor], lambda x, _: float(x))
    frame["hinting"] = ["zero-page", "balloon-held"] * 50
    found = respond(frame, "makespan_s", over=HINTING, by=factor)
    assert [line.level for line in found.lines] == [12.0, 37.0, 62.0, 87.0]


def test_columns_carry_units():
    """Of the metric and of what was varied."""
    frame = grid([UPLINK, HINTING], lambda r, h, _: 2.0**30, name="network_bytes")
    found = respond(frame, "network_bytes", over=UPLINK, by=HINTING).frame()
    assert list(found.columns) == [
        "metric", "hinting", "topology.uplink", "size_bytes_per_s", "mean_bytes", "low_bytes",
        "high_bytes", "p10_bytes", "p90_bytes", "points", "runs",
    ]  # fmt: skip
    assert len(found) == 8
    names = respond(frame, "network_bytes", over=HINTING).frame()
    assert list(names.columns)[:3] == ["metric", "hinting", "mean_bytes"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            (720, 180, 179.5, 180.2),
            "falls from 12 min to 180 s; above 10Gbit/s it changes by less than 1 %.",
        ),
        ((180, 300, 500, 720), "rises from 180 s to 12 min."),
        ((720, 180, 240, 300), "falls from 12 min to 180 s at 10Gbit/s, then rises to 300 s."),
        ((720, 900, 240, 60), "rises from 12 min to 15 min at 10Gbit/s, then falls to 60 s."),
        (
            (720, 900, 60, 300),
            "goes from 12 min to 300 s, with the least, 60 s, at 25Gbit/s and the most, 15 min, "
            "at 10Gbit/s.",
        ),
        ((180, 180.5, 180, 179.5), "hardly changes: 180 s."),
        ((0, 0, 0, 0), "hardly changes: 0 s."),
    ],
)
def test_a_sentence_says_which_way_and_how_far(values, said):
    """One for each shape; a change of less than 1 % is none."""
    assert told(along(values)) == f"With uplink from 1Gbit/s to 100Gbit/s, makespan_s {said}"


def test_names_are_told_by_their_ends():
    """The least and the most; or that it does not matter."""
    kinds = Factor("placement", "placement", ("pack", "spread", "any"))
    cost = {"pack": 30.0, "spread": 10.0, "any": 20.0}
    found = respond(grid([kinds], lambda kind, _: cost[kind]), "makespan_s", over=kinds)
    assert told(found) == (
        "By placement, makespan_s is least with spread, 10 s, and most with pack, 30 s."
    )
    flat = respond(grid([kinds], lambda kind, _: 10.0), "makespan_s", over=kinds)
    assert told(flat) == "makespan_s hardly depends on placement: 10 s."


def test_levels_that_are_sizes_or_truths_are_named_with_their_factor():
    """A bare number says nothing."""
    frame = grid([UPLINK, COUNT], lambda r, c, _: 10.0 - RATES.index(r) + c)
    assert "for count 2." in told(respond(frame, "makespan_s", over=UPLINK, by=COUNT))
    flag = Factor("spare", "spare", (False, True))
    frame = grid([UPLINK, flag], lambda r, f, _: 10.0 - RATES.index(r) + f)
    assert "for spare True." in told(respond(frame, "makespan_s", over=UPLINK, by=flag))


def test_a_change_within_chance_is_called_that():
    """In pairs of replicates."""
    noise = [[0.0, 4.0, 1.0], [2.0, 1.0, 4.0], [1.0, 1.0, 1.0], [2.0, 2.0, 3.0]]

    def metric(rate, k):
        return 10 + noise[RATES.index(rate)][k]

    found = respond(grid([UPLINK], metric, replications=3), "makespan_s", over=UPLINK)
    assert "perhaps by chance" in told(found)
    sure = respond(
        grid([UPLINK], lambda r, k: 10 * k + RATES.index(r), replications=3),
        "makespan_s",
        over=UPLINK,
    )
    assert "chance" not in told(sure)  # noise that is shared is no doubt


def test_where_levels_cross_is_said():
    """Between which values, and who is ahead on which side."""
    cost = {"zero-page": [9, 5, 2, 1], "balloon-held": [6, 4, 3, 2]}
    frame = grid([UPLINK, HINTING], lambda r, h, _: float(cost[h][RATES.index(r)]))
    words = told(respond(frame, "makespan_s", over=UPLINK, by=HINTING))
    assert (
        "Between uplink 10Gbit/s and 25Gbit/s, zero-page and balloon-held cross: makespan_s is "
        "less for balloon-held below, and for zero-page above."
    ) in words


def test_levels_that_touch_do_not_cross():
    """Nor do those that are only perhaps the other way round."""
    cost = {"zero-page": [9, 4, 4, 3], "balloon-held": [6, 4, 3, 2]}
    frame = grid([UPLINK, HINTING], lambda r, h, _: float(cost[h][RATES.index(r)]))
    assert "cross" not in told(respond(frame, "makespan_s", over=UPLINK, by=HINTING))

    def unsure(rate, hinting, k):
        ahead = (hinting == "zero-page") * (1 if rate != "25Gbit/s" else (-5, 4, -2)[k])
        return 10.0 + ahead

    frame = grid([UPLINK, HINTING], unsure, replications=3)
    assert "cross" not in told(respond(frame, "makespan_s", over=UPLINK, by=HINTING))


def test_crossings_are_told_of_a_few():
    """The rest is counted."""
    levels = Factor("level", "level", tuple("abcdef"))
    frame = grid(
        [UPLINK, levels],
        lambda r, v, _: 100.0 + (RATES.index(r) - 1.5) * levels.values.index(v),
    )
    words = told(respond(frame, "makespan_s", over=UPLINK, by=levels))
    assert words.count(" cross: ") == 6
    assert "There are 9 crossings more." in words


@pytest.mark.parametrize(
    ("metric", "column", "said"),
    [
        ("makespn_s", "makespan_s", "no metric is called 'makespn_s'; did you mean 'makespan_s'"),
        ("lost_work_s", "makespan_s", "no column 'lost_work_s'"),
    ],
)
def test_what_is_not_there_is_refused(metric, column, said):
    """With what may be meant."""
    frame = grid([UPLINK], lambda *_: 1.0, name=column)
    with pytest.raises(ResultError, match=said):
        respond(frame, metric, over=UPLINK)


def test_values_of_another_study_and_runs_without_any_are_refused():
    """A factor has all values of its column."""
    frame = grid([UPLINK], lambda *_: 1.0)
    with pytest.raises(ResultError, match=r"'100Gbit/s' is none of the values of topology.uplink"):
        respond(frame, "makespan_s", over=Factor("topology.uplink", "uplink", RATES[:3]))
    with pytest.raises(ResultError, match="no run has a value of makespan_s"):
        respond(frame.assign(makespan_s=math.nan), "makespan_s", over=UPLINK)


def test_a_value_of_none_is_a_name():
    """Whatever pandas makes of it."""
    factor = Factor("limits.count", "count", (None, 2))
    frame = grid([factor], lambda value, _: 1.0 if value is None else 2.0)
    assert means(respond(frame, "makespan_s", over=factor)) == [[1.0, 2.0]]


def test_a_study_that_was_run():
    """Faster links take less time; the policies cross, as scanning is bound by them."""
    study = dcsim.compare(
        dcsim.load("quick-start"),
        hinting=["zero-page", "balloon-held"],
        vary={"topology.host_link": ["1Gbit/s", "10Gbit/s", "25Gbit/s"]},
    )
    frame = study.frame()
    frame["point"] = pd.factorize(frame["variant"])[0]
    link = Factor("topology.host_link", "host_link", ("1Gbit/s", "10Gbit/s", "25Gbit/s"))
    found = respond(frame, "makespan_s", over=link, by=HINTING)
    for line in means(found):
        assert line == sorted(line, reverse=True)
    assert means(found)[0] == [
        frame["makespan_s"][frame["variant"] == f"zero-page, topology.host_link={rate}"].item()
        for rate in link.values
    ]
    assert "Between host_link 1Gbit/s and 10Gbit/s, zero-page and balloon-held cross" in (
        told(found)
    )


def test_a_hundred_thousand_runs_take_seconds():
    """A sampled design, replicated."""
    rng = np.random.default_rng(1)
    sizes = rng.uniform(1, 100, 20_000)
    texts = [f"{size:.6g}Gbit/s" for size in sizes]
    factor = Factor("topology.uplink", "uplink", tuple(dict.fromkeys(texts)))
    frame = pd.DataFrame(
        {
            "point": np.repeat(np.arange(20_000), 5),
            "topology.uplink": np.repeat(texts, 5),
            "hinting": np.repeat(np.array(HINTING.values)[rng.integers(0, 2, 20_000)], 5),
            "replicate": np.tile(np.arange(5), 20_000),
            "error": "",
            "makespan_s": np.repeat(sizes, 5) + rng.normal(size=100_000),
        }
    )
    start = time.perf_counter()
    found = respond(frame, "makespan_s", over=factor, by=HINTING)
    assert time.perf_counter() - start < 5
    for line in means(found):
        assert line == pytest.approx(np.arange(12) * 8.25 + 5.125, abs=0.6)


def test_one_value_alone_is_told_as_it_is_with_what_it_is_a_mean_over():
    """There is no way that it goes."""
    frame = grid([HINTING, COUNT], lambda h, c, _: 60.0 * c)
    frame = frame.assign(**{"topology.uplink": "1Gbit/s"})
    found = respond(frame, "makespan_s", over=UPLINK, by=HINTING, others=[COUNT])
    assert told(found) == (
        "With uplink = 1Gbit/s, makespan_s is 120 s for zero-page.\n"
        "With uplink = 1Gbit/s, makespan_s is 120 s for balloon-held.\n"
        "Each is a mean over what was varied of count."
    )


def test_a_crossing_passes_over_values_that_only_one_level_has():
    """There is nothing to compare there."""
    cost = {"zero-page": [9, math.nan, 2, 1], "balloon-held": [6, 4, 3, 2]}
    frame = grid([UPLINK, HINTING], lambda r, h, _: float(cost[h][RATES.index(r)]))
    for names in (HINTING.values, HINTING.values[::-1]):
        by = Factor("hinting", "hinting", names)
        words = told(respond(frame, "makespan_s", over=UPLINK, by=by))
        assert f"Between uplink 1Gbit/s and 25Gbit/s, {names[0]} and {names[1]} cross" in words
