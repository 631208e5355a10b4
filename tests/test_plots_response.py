"""Figures of responses and sensitivities: what they show is what was found."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest

from dcsim.study.designs.factors import Factor
from dcsim.study.designs.sampling import unit_points
from dcsim.study.findings.response import respond
from dcsim.study.findings.sensitivity import indices
from dcsim.study.findings.tornado import tornado
from dcsim.view.response import response_figure
from dcsim.view.tornado import tornado_figure

EVIL = "<img src=x onerror=alert(1)>"
RATES = ("1Gbit/s", "10Gbit/s", "100Gbit/s")
UPLINK = Factor("topology.uplink", "uplink", RATES)
COUNT = Factor("limits.count", "count", (1, 2, 3, 4))


def framed(factors, metric, *, replications=1, name="makespan_s"):
    """A full grid; *metric* is given the place of each value, and the replicate."""
    rows = []
    for point, places in enumerate(itertools.product(*(range(len(f.values)) for f in factors))):
        named = {f.path: f.values[i] for f, i in zip(factors, places, strict=True)}
        for k in range(replications):
            common = {"point": point, **named, "replicate": k, "error": ""}
            rows.append({**common, name: float(metric(*places, k))})
    return pd.DataFrame(rows)


def levels(count):
    """A factor of names."""
    return Factor("hinting", "hinting", tuple(f"policy-{i}" for i in range(count)))


def drawn_of(count, *, replications=1, **options):
    """A response over `UPLINK` for so many levels, over `COUNT`; and its figure."""
    policy = levels(count)
    frame = framed(
        [UPLINK, policy, COUNT],
        lambda u, p, c, k: 3600 * (1 + u + p + c) + 60 * k,
        replications=replications,
    )
    found = respond(frame, "makespan_s", over=UPLINK, by=policy, others=[COUNT])
    return found, response_figure(found, **options)


def marks(drawn):
    """Traces that stand for levels, by name."""
    return {
        trace.name: trace
        for trace in drawn.data
        if trace.type == "scatter" and "markers" in trace.mode
    }


@pytest.mark.parametrize("count", [1, 2, 8])
def test_a_line_a_level_with_marks_at_the_values(count):
    """In units that read well; the axis by ratio, as it spans a factor of 100."""
    found, drawn = drawn_of(count)
    lines = marks(drawn)
    assert list(lines) == [f"policy-{i}" for i in range(count)]
    for line, trace in zip(found.lines, lines.values(), strict=True):
        assert list(trace.x) == [1, 10, 100]
        assert list(trace.y) == pytest.approx([cell.mean.mean / 3600 for cell in line.cells])
        assert trace.mode == "lines+markers"
        assert trace.showlegend
    assert drawn.layout.xaxis.type == "log"
    assert drawn.layout.xaxis.title.text.startswith("uplink (Gbit/s)")
    assert drawn.layout.yaxis.title.text == "makespan_s (h)"
    assert len({(trace.line.color, trace.marker.symbol) for trace in lines.values()}) == count


def test_bands_are_the_interval_and_paler_the_spread():
    """Each there and back; of many levels the interval alone."""
    found, drawn = drawn_of(2, replications=3)
    line = found.lines[0]
    spread, sure, mean = drawn.data[:3]
    for trace, low, high in (
        (spread, [c.p10 for c in line.cells], [c.p90 for c in line.cells]),
        (sure, [c.mean.low for c in line.cells], [c.mean.high for c in line.cells]),
    ):
        assert list(trace.x) == [1, 10, 100, 100, 10, 1]
        assert list(trace.y) == pytest.approx([v / 3600 for v in [*low, *high[::-1]]])
        assert trace.fill == "toself"
        assert trace.legendgroup == mean.name
    alphas = [float(t.fillcolor.rstrip(")").split(",")[-1]) for t in (spread, sure)]
    assert alphas[0] < alphas[1]
    assert "95 % interval of chance; paler: 80 % of the points" in drawn.layout.xaxis.title.text
    many = drawn_of(8, replications=3)[1]
    assert not any("80 %" in (trace.name or "") for trace in many.data)
    assert "80 %" not in many.layout.xaxis.title.text
    assert sum("95 %" in (trace.name or "") for trace in many.data) == 8


def test_without_chance_or_levels_there_is_neither_band_nor_key():
    """One line needs no name."""
    drawn = response_figure(respond(framed([UPLINK], lambda u, k: u), "makespan_s", over=UPLINK))
    (trace,) = drawn.data
    assert not trace.showlegend
    assert drawn.layout.xaxis.title.text == "uplink (Gbit/s)"


def test_the_key_stands_above_and_has_its_height():
    """In a narrow place it has more lines."""
    few, many = (drawn_of(count, height=400)[1].layout for count in (2, 8))
    assert (many.legend.yanchor, many.legend.y) == ("bottom", 1)
    assert few.height == many.height > 400
    assert many.meta["narrow"]["height"] > many.height


@pytest.mark.parametrize(
    ("values", "kind", "title"),
    [
        ((1, 5, 20), None, "x"),
        ((1, 5, 21), "log", "x"),
        ((0, 5, 200), None, "x"),
        (("1%", "2%"), None, "x (%)"),
        (("100ms", "2s"), None, "x (s)"),
        (("100ms", "4s"), "log", "x (s)"),
    ],
)
def test_an_axis_is_by_ratio_where_positive_sizes_span_much(values, kind, title):
    """More than a factor of 20; shares are in per cent as they are written."""
    factor = Factor("x", "x", values)
    drawn = response_figure(respond(framed([factor], lambda x, k: x), "makespan_s", over=factor))
    assert drawn.layout.xaxis.type == kind
    assert drawn.layout.xaxis.title.text == title


def test_names_stand_beside_each_other():
    """Marks of levels apart, with whiskers and paler bars; no lines between names."""
    policy = Factor("hinting", "hinting", ("a", EVIL, "c"))
    frame = framed([policy, UPLINK, COUNT], lambda p, u, c, k: p + u + c + k, replications=3)
    found = respond(frame, "makespan_s", over=policy, by=UPLINK, others=[COUNT])
    drawn = response_figure(found)
    lines = marks(drawn)
    assert list(lines) == [f"uplink {rate}" for rate in RATES]
    places = [list(trace.x) for trace in lines.values()]
    assert places[1] == [0, 1, 2]
    assert [x < 0 < y for x, y in zip(places[0], places[2], strict=True)] == [True, False, False]
    assert len({x for trace in places for x in trace}) == 9
    trace, line = lines["uplink 1Gbit/s"], found.lines[0]
    assert trace.mode == "markers"
    half = [(cell.mean.high - cell.mean.low) / 2 for cell in line.cells]
    assert list(trace.error_y.array) == pytest.approx(half)
    bars = [trace for trace in drawn.data if trace.type == "bar"]
    assert list(bars[0].base) == pytest.approx([cell.p10 for cell in line.cells])
    assert list(bars[0].y) == pytest.approx([cell.p90 - cell.p10 for cell in line.cells])
    assert drawn.layout.xaxis.ticktext[0] == "a"
    assert EVIL not in drawn.to_json()


def test_hover_texts_say_all():
    """Mean and interval, spread and runs, in units that suit them."""
    drawn = drawn_of(2, replications=3)[1]
    text = marks(drawn)["policy-0"].text[0].replace("\u00a0", " ").replace("\u202f", " ")
    assert text.startswith("<b>policy-0</b><br>uplink 1Gbit/s<br>makespan_s 2.52 h [")
    assert text.endswith("<br>80 % of 4 points: 79 min to 3.72 h<br>12 runs")


# ------------------------------------------------------------------- tornado


def test_bars_go_from_least_to_most_around_the_mean():
    """Largest on top, the values at both ends."""
    policy = levels(2)
    frame = framed([policy, UPLINK, COUNT], lambda p, u, c, k: 500 * (p + 5 * u + c))
    found = tornado(frame, "makespan_s", factors=[policy, UPLINK, COUNT])
    drawn = tornado_figure(found)
    by_name = {trace.name: trace for trace in drawn.data}
    base = found.base / 60
    assert drawn.layout.yaxis.ticktext == tuple(
        f"{n}\u2002" for n in ("uplink", "count", "hinting")
    )
    assert drawn.layout.yaxis.range[0] > drawn.layout.yaxis.range[1]
    for name in ("least", "most"):
        ends = [base + x for x in by_name[name].x]
        assert ends == pytest.approx([getattr(swing, name) / 60 for swing in found.swings])
        assert by_name[name].base == pytest.approx(base)
    texts = [[t.strip() for t in by_name[f"value at the {n}"].text] for n in ("least", "most")]
    assert texts == [["1Gbit/s", "1", "policy-0"], ["100Gbit/s", "4", "policy-1"]]
    (line,) = drawn.layout.shapes
    assert line.x0 == line.x1 == pytest.approx(base)
    assert drawn.layout.annotations[0].text.startswith("mean of all points: ")
    assert drawn.layout.xaxis.title.text == "makespan_s (min)"
    ends = [end / 60 for swing in found.swings for end in (swing.least, swing.most)]
    for low, high in (drawn.layout.xaxis.range, drawn.layout.meta["narrow"]["xaxis.range"]):
        assert low < min(ends)
        assert max(ends) < high


def test_one_at_a_time_is_drawn_from_point_0():
    """Which is what the line stands for; what does not swing has no ends."""
    rows = [("10Gbit/s", 1), ("1Gbit/s", 1), ("10Gbit/s", 2)]
    frame = pd.DataFrame(rows, columns=["topology.uplink", "limits.count"])
    frame = frame.assign(point=range(3), replicate=0, error="", makespan_s=[5.0, 9.0, 5.0])
    factors = [Factor("topology.uplink", "uplink", RATES[:2]), COUNT]
    drawn = tornado_figure(tornado(frame, "makespan_s", factors=factors))
    assert drawn.layout.annotations[0].text.startswith("point 0: 5")
    assert list(drawn.data[-1].y) == [0]


def test_a_metric_that_does_not_vary_is_drawn():
    """As bars of no length."""
    frame = framed([UPLINK, COUNT], lambda *_: 0)
    drawn = tornado_figure(tornado(frame, "makespan_s", factors=[UPLINK, COUNT]))
    assert set(drawn.data[0].x) == {0}
    assert drawn.layout.xaxis.range[0] < 0 < drawn.layout.xaxis.range[1]


@pytest.mark.parametrize(
    ("kind", "names", "title"),
    [
        ("saltelli", ("S1", "ST"), "share of the variance of makespan_s (%)"),
        ("morris", ("mu_star", "sigma"), "makespan_s (min)"),
    ],
)
def test_indices_are_pairs_of_bars_with_whiskers(kind, names, title):
    """First and total in per cent; effects in the metric's unit."""
    unit = unit_points(kind, dimensions=2, size=16, seed=1)
    factors = [
        Factor(path, path[2:], tuple(dict.fromkeys(column)))
        for path, column in zip(("a.one", "a.two"), unit.T.tolist(), strict=True)
    ]
    frame = pd.DataFrame(unit, columns=["a.one", "a.two"]).assign(
        point=range(len(unit)), replicate=0, error="", makespan_s=6000 * unit[:, 0] * unit[:, 1]
    )
    found = indices(kind, unit, frame, "makespan_s", factors=factors)
    drawn = tornado_figure(found)
    size = 0.01 if kind == "saltelli" else 60
    for name, bars in zip(names, drawn.data, strict=True):
        assert list(bars.x) == pytest.approx([each / size for each in found.values[name]])
        if name != "sigma":
            halves = [each / size for each in found.values[f"{name}_conf"]]
            assert list(bars.error_x.array) == pytest.approx(halves)
    assert drawn.layout.xaxis.title.text == title
    assert all(y < other for y, other in zip(drawn.data[0].y, drawn.data[1].y, strict=True))
    labels = tuple(f"{factor.label}\u2002" for factor in found.factors)
    assert drawn.layout.yaxis.ticktext == labels


def test_figures_are_plain_data():
    """As a report wants them: JSON without NaN in it."""
    frame = framed([UPLINK, COUNT], lambda u, c, k: u + c)
    frame.loc[0, "makespan_s"] = math.nan
    for drawn in (
        response_figure(respond(frame, "makespan_s", over=UPLINK, by=COUNT)),
        tornado_figure(tornado(frame, "makespan_s", factors=[UPLINK, COUNT])),
    ):
        assert np.isfinite(drawn.layout.height)
        json.loads(drawn.to_json(), parse_constant=pytest.fail)
