"""The figure of what a metric is sensitive to: a bar a factor, the largest on top."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from dcsim.study.designs.factors import Value
from dcsim.study.findings.sensitivity import Indices
from dcsim.study.findings.tornado import Tornado
from dcsim.study.findings.words import said
from dcsim.view import style
from dcsim.view.response import axis_title
from dcsim.view.style import QUANTITIES, label, scale

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LESS: Final = "#0072b2"
_MORE: Final = "#d55e00"
_PALE: Final = "#9cc9e5"
_ROW: Final = 38
_AROUND: Final = 110
_WIDE: Final = 800
_SLIM: Final = 280
"""Width of what bars are drawn in, CSS pixels."""
_ROUNDS: Final = 20


def tornado_figure(found: Tornado | Indices) -> go.Figure:
    """Draw how far each factor swings a metric, or its sensitivity indices.

    Parameters
    ----------
    found
        Swings or indices.

    Returns
    -------
    plotly.graph_objects.Figure
        Of swings, bars from the least to the most mean, the value of the factor written at both
        ends, and a line at the mean of all points (or at point 0, where that is what others are
        compared with). Of indices, a pair of bars a factor, with whiskers that are 95 % intervals.
    """
    drawn = style.figure(
        height=_AROUND + _ROW * len(found.swings if isinstance(found, Tornado) else found.factors)
    )
    if isinstance(found, Tornado):
        factors = [swing.factor for swing in found.swings]
        _swings(drawn, found)
    else:
        factors = list(found.factors)
        _pairs(drawn, found)
    drawn.update_yaxes(
        tickvals=list(range(len(factors))),
        ticktext=[f"{label(factor.label, longest=24)}\u2002" for factor in factors],
        range=[len(factors) - 0.4, -0.6],
        showgrid=False,
    )
    return drawn


def _swings(drawn: go.Figure, found: Tornado) -> None:
    ends = [end for swing in found.swings for end in (swing.least, swing.most)]
    by = scale(max(map(abs, ends)), QUANTITIES.get(found.unit, "count"))
    rows = list(range(len(found.swings)))
    base = found.base / by.size
    hover = [_hover(found, row) for row in rows]
    sides = (
        ("least", _LESS, "left", [(s.least, s.least_at) for s in found.swings]),
        ("most", _MORE, "right", [(s.most, s.most_at) for s in found.swings]),
    )
    for name, colour, _, at in sides:
        drawn.add_bar(
            y=rows,
            x=[end / by.size - base for end, _ in at],
            base=base,
            orientation="h",
            width=0.62,
            marker={"color": colour, "line": {"width": 0}},
            name=name,
            hovertext=hover,
            hoverinfo="text",
            showlegend=False,
        )
    for name, _, side, at in sides:
        swinging = [row for row in rows if found.swings[row].swing > 0]
        space = "\u2002"
        texts = [_end(at[row][1]) for row in swinging]
        drawn.add_scatter(
            x=[at[row][0] / by.size for row in swinging],
            y=swinging,
            mode="text",
            text=[f"{t}{space}" if side == "left" else f"{space}{t}" for t in texts],
            textposition=f"middle {side}",
            textfont={"size": 11.5},
            cliponaxis=False,
            name=f"value at the {name}",
            hoverinfo="skip",
            showlegend=False,
        )
    where = "point 0" if found.one_at_a_time else "mean of all points"
    low, high = min(ends) / by.size, max(ends) / by.size
    wide, slim = (_range(found, low, high, by.size, px) for px in (_WIDE, _SLIM))
    place = (base - wide[0]) / (wide[1] - wide[0])
    drawn.add_vline(
        x=base,
        line={"color": style.INK, "width": 1.5},
        annotation={
            "text": f"{where}: {by.text(found.base)}",
            "y": 1,
            "yanchor": "bottom",
            "xanchor": "left" if place < 0.35 else "right" if place > 0.65 else "center",
            "showarrow": False,
            "font": {"size": 12, "color": style.MUTED},
        },
    )
    drawn.update_xaxes(title_text=axis_title(found.metric, by.unit), range=wide, nticks=7)
    drawn.update_layout(
        barmode="overlay", margin_t=30, margin_b=50, meta={"narrow": {"xaxis.range": slim}}
    )


def _range(found: Tornado, low: float, high: float, by: float, px: int) -> tuple[float, float]:
    """Return an axis of so many pixels around all bars, with room for the values at their ends."""
    left = [(swing.least / by - low, _end(swing.least_at)) for swing in found.swings]
    right = [(high - swing.most / by, _end(swing.most_at)) for swing in found.swings]
    room = 0.0
    for _ in range(_ROUNDS):  # more room makes a pixel stand for more
        pixel = (high - low + 2 * room) / px
        needed = [(7 * len(text) + 14) * pixel - free for free, text in (*left, *right)]
        room = min(max(needed), high - low)
    room = room or 0.1 * abs(high) or 1.0
    return low - room, high + room


def _end(value: Value) -> str:
    return label(said(value), longest=20)


def _hover(found: Tornado, row: int) -> str:
    swing, quantity = found.swings[row], QUANTITIES.get(found.unit, "count")
    least, most, width = (
        style.human(each, quantity) for each in (swing.least, swing.most, swing.swing)
    )
    text = (
        f"<b>{label(swing.factor.path, longest=60)}</b><br>swing {width}"
        f"<br>least {least} at {label(said(swing.least_at))}"
        f"<br>most {most} at {label(said(swing.most_at))}"
    )
    if math.isnan(swing.explained):
        return text
    return f"{text}<br>{100 * swing.explained:.0f} % of the variance between points"


def _pairs(drawn: go.Figure, found: Indices) -> None:
    if found.kind == "saltelli":
        size, title = 0.01, f"share of the variance of {label(found.metric)} (%)"
        bars = (
            ("by itself", _LESS, "S1", "S1_conf"),
            ("with its interactions", _PALE, "ST", "ST_conf"),
        )
    else:
        largest = max(max(found.values["mu_star"]), max(found.values["sigma"]))
        by = scale(largest, QUANTITIES.get(found.unit, "count"))
        size, title = by.size, axis_title(found.metric, by.unit)
        bars = (
            ("effect across its range", _LESS, "mu_star", "mu_star_conf"),
            ("how much that depends on the rest", _PALE, "sigma", ""),
        )
    rows = list(range(len(found.factors)))
    for i, (name, colour, values, halves) in enumerate(bars):
        half = [each / size for each in found.values[halves]] if halves else None
        drawn.add_bar(
            y=[row - 0.2 + 0.4 * i for row in rows],
            x=[each / size for each in found.values[values]],
            orientation="h",
            width=0.36,
            marker={"color": colour, "line": {"width": 0}},
            error_x={"array": half, "thickness": 1.3, "width": 4, "color": style.MUTED}
            if half
            else None,
            name=name,
            text=[label(factor.path, longest=60) for factor in found.factors],
            textposition="none",
            hovertemplate=f"<b>%{{text}}</b><br>{name}: %{{x:.3g}}<extra></extra>",
        )
    drawn.update_xaxes(title_text=title, rangemode="tozero", nticks=7)
    drawn.update_layout(
        barmode="overlay",
        legend={"y": 1, "yanchor": "bottom", "x": 0},
        margin_t=40,
        margin_b=50,
        meta={"narrow": {"margin.t": 60, "height": _AROUND + 20 + _ROW * len(rows)}},
    )
