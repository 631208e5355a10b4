"""Figures of who is best: what stands in them is what the study says."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor
from dcsim.study.findings.front import front
from dcsim.study.findings.ranking import rank
from dcsim.study.findings.winners import best_by_point
from dcsim.units import GiB
from dcsim.view.front import front_figure
from dcsim.view.ranking import ranking_figure
from dcsim.view.winners import MOST_PANELS, winners_map

METRIC = "network_bytes"
NAMES = ("zero-page", "a" * 60, "<b>")
HINTING = Factor("hinting", "hinting", NAMES)
LINK = Factor("topology.uplink", "uplink", ("1Gbit/s", "10Gbit/s"))
COUNT = Factor("guests[0].count", "count", (8, 16, 32))
LOAD = Factor("guests[0].workload", "workload", ("idle", "web"))


def runs(blocks, figure, *, replicates=2, names=NAMES):
    """A frame of all combinations; ``figure(level, point, replicate)`` is the metric."""
    rows = [{}]
    for factor in blocks:
        rows = [{**row, factor.path: value} for row in rows for value in factor.values]
    return pd.DataFrame(
        [
            {
                "point": point * len(names) + level,
                "hinting": name,
                **row,
                "replicate": replicate,
                METRIC: figure(level, point, replicate),
                "lost_work_s": 9.0 - level,
            }
            for point, row in enumerate(rows)
            for level, name in enumerate(names)
            for replicate in range(replicates)
        ]
    )


def ranking(figure=lambda level, point, k: (10 + level + 0.01 * k * (level + 1)) * GiB, **options):
    """Rank such figures over the links."""
    return rank(runs([LINK], figure, **options), METRIC, by=HINTING, blocks=[LINK])


def at(drawn, path):
    """A layout value of a narrow figure."""
    return drawn.layout.meta["narrow"][path]


# ---------------------------------------------------------------- a row a level


def test_the_best_is_on_top_with_its_figure_and_wins():
    drawn = ranking_figure(ranking())
    whiskers, texts, dots = drawn.data
    assert list(dots.x) == pytest.approx([12.015, 11.01, 10.005])
    assert list(dots.y) == [0, 1, 2]
    assert drawn.layout.yaxis.range[0] < drawn.layout.yaxis.range[1]
    assert [text.strip("\u2002").replace("\u00a0", " ") for text in texts.text] == [
        "12 GiB", "11 GiB", "10 GiB",
    ]  # fmt: skip
    assert [note.text for note in drawn.layout.annotations] == ["0", "0", "2", "best at<br>(of 2)"]
    assert drawn.layout.xaxis.title.text == "network_bytes (GiB)"
    assert drawn.layout.yaxis.ticktext[2] == "zero-page  <b>1</b>"
    assert "rank 1<br>network_bytes" in dots.text[2]
    assert not drawn.layout.shapes
    assert len(whiskers.x) == 3


def test_names_are_safe_and_long_ones_keep_both_ends():
    drawn = ranking_figure(ranking())
    assert drawn.layout.yaxis.ticktext[0] == "&lt;b&gt;  <b>3</b>"
    for ticks, longest in ((drawn.layout.yaxis.ticktext, 40), (at(drawn, "yaxis.ticktext"), 20)):
        name = ticks[1].split("  ")[0]
        assert len(name) == longest
        assert name.startswith("aaaa")
        assert "…aaa" in name


def test_a_bar_joins_those_that_tie():
    """Of three that chance alone sets apart, one bar; of two overlapping ties, two side by side."""
    noise = ((0, 5), (1, 3), (2, 1))
    drawn = ranking_figure(ranking(lambda level, point, k: (10 + noise[level][k]) * GiB))
    [bar] = drawn.layout.shapes
    assert (bar.y0, bar.y1) == (-0.3, 2.3)
    assert [text.split("<b>")[1] for text in drawn.layout.yaxis.ticktext] == ["1–3</b>"] * 3
    assert "not clearly apart" in drawn.layout.title.text
    a = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]
    table = (a, [12.0, 9.5, 14.5, 10.0, 17.0, 14.0], [value + 1 for value in a])
    chain = rank(
        runs([], lambda level, point, k: table[level][k], replicates=6),
        METRIC,
        by=HINTING,
        blocks=[],
    )
    one, two = ranking_figure(chain).layout.shapes
    assert (one.y0, one.y1, two.y0, two.y1) == (0.7, 2.3, -0.3, 1.3)
    assert one.x0 != two.x0


def test_differences_to_the_best_are_paired():
    """Means have wide whiskers, differences none: chance does the same to all."""
    found = ranking(lambda level, point, k: (10 + level + 5 * k) * GiB)
    drawn = ranking_figure(found, against_best=True)
    _, texts, dots = drawn.data
    assert list(dots.x) == pytest.approx([2, 1, 0])
    assert texts.text[2].strip("\u2002").replace("\u202f", " ") == "0 %"
    assert texts.text[1].strip("\u2002").replace("\u202f", " ") == "+8 %"
    assert len(drawn.data[0].x) == 0
    assert drawn.layout.xaxis.range[0] < 0 < 2 < drawn.layout.xaxis.range[1]
    assert "paired difference" in drawn.layout.xaxis.title.text
    assert len(ranking_figure(found).data[0].x) == 3


def test_levels_without_a_value_are_not_drawn():
    nan = math.nan
    drawn = ranking_figure(ranking(lambda level, point, k: nan if level == 1 else 1.0 + level + k))
    assert len(drawn.data[2].x) == 2
    with pytest.raises(ResultError, match="nothing to draw"):
        ranking_figure(ranking(lambda level, point, k: nan))


def test_who_shares_no_point_with_the_first_has_no_difference_to_draw():
    table = ((1.0, 1.0), (math.nan, 2.0), (3.0, math.nan))
    found = rank(
        runs([LINK], lambda level, point, k: table[level][point], replicates=1),
        METRIC,
        by=HINTING,
        blocks=[LINK],
    )
    assert len(ranking_figure(found, against_best=True).data[2].x) == 3
    apart = ((1.0, math.nan), (math.nan, 2.0), (3.0, math.nan))
    found = rank(
        runs([LINK], lambda level, point, k: apart[level][point], replicates=1),
        METRIC,
        by=HINTING,
        blocks=[LINK],
    )
    drawn = ranking_figure(found, against_best=True)
    assert list(drawn.data[2].x) == [2, 0]
    assert [shape.x1 for shape in drawn.layout.shapes] == [0]  # the line of zero, and no bar


# ---------------------------------------------------------------- a front


def test_a_front_draws_its_points_and_fades_those_clearly_beaten():
    figures = ((1.0, 5.0), (1.1, 4.0), (2.0, 6.0))
    frame = runs([LINK], lambda level, point, k: 0.0)
    frame[METRIC] = [figures[NAMES.index(n)][0] * GiB + 1000 * k for n, k in _who(frame)]
    frame["lost_work_s"] = [figures[NAMES.index(n)][1] + 0.01 * k for n, k in _who(frame)]
    found = front(frame, by=[HINTING])
    drawn = front_figure(found)
    line, *points = drawn.data
    assert list(line.x[1:-1]) == pytest.approx([1, 1.1], rel=1e-5)
    assert [point.opacity for point in points] == [1, 1, 0.4]
    assert [point.x[0] for point in points] == pytest.approx([1, 1.1, 2], rel=1e-5)
    assert [point.y[0] for point in points] == pytest.approx([5.005, 4.005, 6.005])
    assert "no other one is better in both" in points[0].hovertemplate
    assert "clearly beaten by zero-page and aaa" in points[2].hovertemplate
    assert points[2].name == "&lt;b&gt;"
    assert drawn.layout.xaxis.title.text == "network_bytes (GiB)"
    assert drawn.layout.yaxis.title.text == "lost_work_s (s)"


def test_a_front_of_nothing_is_refused():
    frame = runs([LINK], lambda level, point, k: math.nan)
    with pytest.raises(ResultError, match="no run has both network_bytes and lost_work_s"):
        front_figure(front(frame, by=[HINTING]))


def _who(frame):
    return zip(frame["hinting"], frame["replicate"], strict=True)


# ---------------------------------------------------------------- a map of winners


def winners(blocks, figure, **options):
    """The best at each point of such figures."""
    frame = runs(blocks, figure, **options)
    return best_by_point(frame, METRIC, by=HINTING, blocks=blocks)


def cells(drawn, axis="x"):
    """(x, y) -> what stands there: level, margin and colour."""
    return {
        (x, round(base + 0.47, 6)): (bar.legendgroup, text, bar.marker.color)
        for bar in drawn.data
        if bar.xaxis == axis and bar.text is not None
        for x, base, text in zip(bar.x, bar.base, bar.text, strict=True)
    }


def some(level, point, k):
    """zero-page is best at even points, the next at odd ones; at point 3 not clearly."""
    far = (10.0, 15.0) if point % 2 == 0 else (12.0, 10.0)
    value = (*far, 20.0)[level] + 0.01 * k * (level + 1)
    return value + (8 * k * (level - 0.5) if point == 3 else 0)


def test_a_map_has_a_cell_a_point_in_the_colour_of_its_best():
    points = winners([LINK, COUNT], some)
    drawn = winners_map(points, x=COUNT, y=LINK, by=HINTING)
    found = cells(drawn)
    assert len(found) == 6
    for place, row in points.iterrows():
        at_x, at_y = COUNT.values.index(row[COUNT.path]), LINK.values.index(row[LINK.path])
        level, text, _ = found[at_x, float(at_y)]
        assert level == row["best"], place
        assert text == f"{row['margin_percent']:.0f}"
    assert list(drawn.layout.xaxis.ticktext) == ["8", "16", "32"]
    assert list(drawn.layout.yaxis.ticktext) == ["1Gbit/s", "10Gbit/s"]
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == ("count", "uplink")
    legend = [bar.name for bar in drawn.data if bar.showlegend]
    assert legend == ["zero-page", "aaaaaaaaaaaaaaaaaa…aaaaaaaaa"]  # <b> wins nowhere


def test_cells_that_are_not_clear_are_pale():
    points = winners([LINK, COUNT], some)
    assert points["clear"].tolist() == [True, True, True, False, True, True]
    found = cells(winners_map(points, x=COUNT, y=LINK, by=HINTING))
    unsure, _, pale = found.pop((0, 1.0))
    of_it = {colour for level, _, colour in found.values() if level == unsure}
    assert len(of_it) == 1
    assert brightness(pale) > brightness(*of_it)


def brightness(colour):
    """Red, green and blue together."""
    return sum(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def test_cells_without_runs_are_blank():
    points = winners([LINK, COUNT], lambda level, p, k: math.nan if p == 4 else some(level, p, k))
    found = cells(winners_map(points, x=COUNT, y=LINK, by=HINTING))
    assert len(found) == 5
    assert (1, 1.0) not in found
    nothing = winners([LINK], lambda level, point, k: math.nan)
    assert cells(winners_map(nothing, x=LINK, by=HINTING)) == {}


def test_one_factor_gives_one_row():
    drawn = winners_map(winners([COUNT], some), x=COUNT, by=HINTING)
    assert {y for _, y in cells(drawn)} == {0.0}
    assert drawn.layout.yaxis.showticklabels is False
    assert not drawn.layout.annotations


def test_margins_that_are_odd_are_short():
    """Equal, under one per cent, over a thousand, and of a best of 0, which has none."""
    table = ((1.0, 1.0), (1.0, 1.004), (1.0, 99.0), (0.0, 1.0), (1.0, 1.034))
    factor = Factor("x", "x", tuple("abcde"))
    points = winners(
        [factor], lambda level, p, k: table[p][level], names=NAMES[:2], replicates=1
    )  # fmt: skip
    found = cells(winners_map(points, x=factor, by=HINTING))
    texts = [found[x, 0.0][1] for x in range(5)]
    assert texts == ["0", "&lt;1", "&gt;999", "", "3.4"]


def test_a_third_factor_gives_panels():
    drawn = winners_map(winners([LINK, COUNT, LOAD], some), x=COUNT, y=LINK, by=HINTING)
    assert len(cells(drawn)) == len(cells(drawn, "x2")) == 6
    assert [note.text for note in drawn.layout.annotations] == ["workload = idle", "workload = web"]
    assert drawn.layout.xaxis.domain[1] < drawn.layout.xaxis2.domain[0]
    assert drawn.layout.yaxis2.domain == drawn.layout.yaxis.domain
    slim = drawn.layout.meta["narrow"]
    assert slim["xaxis.domain"] == slim["xaxis2.domain"] == [0, 1]
    assert slim["yaxis2.domain"][1] < slim["yaxis.domain"][0]
    assert slim["height"] > drawn.layout.height


def test_more_panels_than_can_be_read_are_refused():
    assert MOST_PANELS == 9
    points = winners([LINK, Factor("turn", "turn", tuple(range(4)))], some)
    layout = winners_map(points, x=LINK, by=HINTING).layout
    assert [layout[f"xaxis{tail}"].showticklabels for tail in ("", 2, 3, 4)] == [
        False, False, True, True,
    ]  # fmt: skip
    for many in (9, 10):
        turns = Factor("turn", "turn", tuple(range(many)))
        points = winners([LINK, turns], some)
        if many == 9:
            drawn = winners_map(points, x=LINK, by=HINTING)
            assert len(cells(drawn, "x9")) == 2
            continue
        with pytest.raises(ResultError, match="turn: 10 combinations would have a panel"):
            winners_map(points, x=LINK, by=HINTING)


def test_a_map_over_what_was_not_varied_is_refused():
    with pytest.raises(ResultError, match=r"no 'guests\[0\].count'"):
        winners_map(winners([LINK], some), x=COUNT, by=HINTING)


def test_fourteen_levels_look_different():
    """Eight have a colour each; those that repeat one have a pattern."""
    names = tuple(f"p{i}" for i in range(14))
    by = Factor("hinting", "hinting", names)
    place = Factor("place", "place", tuple(range(14)))
    frame = runs([place], lambda level, p, k: 1.0 + (level != p), names=names)
    points = best_by_point(frame, METRIC, by=by, blocks=[place])
    drawn = winners_map(points, x=place, by=by)
    keys = [(bar.marker.color, bar.marker.pattern.shape) for bar in drawn.data if bar.showlegend]
    assert len(set(keys)) == 14
