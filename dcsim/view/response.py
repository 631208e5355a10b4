"""The figure of how a metric responds to what was varied: a line a level, and what is around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from dcsim.study.designs.factors import Factor
from dcsim.study.findings.response import Cell, Line, Response
from dcsim.study.findings.words import level_name, said
from dcsim.view import style
from dcsim.view.front import half
from dcsim.view.style import QUANTITIES, Scale, label, scale

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LOG_FROM: Final = 20
"""Ratio of the largest size to the least from which an axis is logarithmic."""
_MOST_SPREADS: Final = 3
"""Levels of which the spread is drawn; of more, one sees nothing for bands."""
_MOST_NAMES: Final = 4
"""Names that stand beside each other in a narrow place; more are turned."""
_DODGE: Final = 0.6
"""Of a category's width, what its levels share."""
_ENTRY_PX: Final = 21
"""Height of a line of a legend, CSS pixels."""


def response_figure(response: Response, *, height: int = 400) -> go.Figure:
    """Draw what a metric comes to along what was varied.

    Parameters
    ----------
    response
        Sizes are drawn along an axis, by ratio where they are positive and span more than a factor
        of 20; names beside each other.
    height
        Of the figure in CSS pixels, less its legend.

    Returns
    -------
    plotly.graph_objects.Figure
        A line a level with marks at the values, a band that is the confidence interval of the mean
        and, of up to three levels, a paler one from the 10th to the 90th percentile of the points.
        Of names, marks with whiskers and paler bars.
    """
    cells = [cell for line in response.lines for cell in line.cells]
    means = [abs(cell.mean.mean) for cell in cells]
    spread = len(response.lines) <= _MOST_SPREADS and any(cell.p10 < cell.p90 for cell in cells)
    sure = any(cell.mean.low < cell.mean.high for cell in cells)
    by_y = scale(max(means), QUANTITIES.get(response.unit, "count"))
    names = [level_name(response.by, line.level) for line in response.lines]
    # plotly gives all entries of a legend the width of the longest
    column = 52 + 7 * min(28, max(map(len, names)))
    rows, slim = (math.ceil(len(names) / max(1, px // column)) for px in (880, 330))
    if response.by is None:
        rows = slim = 0
    axis, places = _across(response.over, cells)
    narrow: dict[str, Any] = {"height": height + _ENTRY_PX * slim}
    if len(axis.get("ticktext", ())) > _MOST_NAMES:  # all of them: plotly would leave some out
        narrow |= {"xaxis.tickangle": -60, "xaxis.tickfont.size": 10}
    drawn = style.figure(height=height + _ENTRY_PX * rows, narrow=narrow)
    axis["title"]["text"] += _note(spread, sure)
    looks = style.variant_styles(names)
    for i, (line, name) in enumerate(zip(response.lines, names, strict=True)):
        shift = _DODGE * ((i + 0.5) / len(names) - 0.5)
        x = [places(cell) + (0.0 if response.over.ordered else shift) for cell in line.cells]
        colour, symbol = looks[name]
        if response.over.ordered:
            _bands(drawn, line, x, colour, by_y, name, spread=spread, sure=sure)
        else:
            _bars(drawn, line, x, colour, by_y, name, spread=spread)
        whisker = [half(cell.mean) / by_y.size for cell in line.cells]
        drawn.add_scatter(
            x=x,
            y=[cell.mean.mean / by_y.size for cell in line.cells],
            error_y={"array": whisker, "thickness": 1.5, "width": 4, "color": colour}
            if any(whisker) and not response.over.ordered
            else None,
            mode="lines+markers" if response.over.ordered else "markers",
            line={"color": colour, "width": 2},
            marker={
                "color": colour,
                "symbol": symbol,
                "size": 8,
                "line": {"color": "#fff", "width": 1},
            },
            name=label(name, longest=28),
            legendgroup=name,
            showlegend=response.by is not None,
            text=[_hover(response, name, cell) for cell in line.cells],
            hovertemplate="%{text}<extra></extra>",
        )
    drawn.update_xaxes(axis)
    low = min(cell.mean.mean for cell in cells)
    drawn.update_yaxes(
        title_text=axis_title(response.metric, by_y.unit),
        rangemode="tozero" if 0 <= low < 0.6 * max(means) else "normal",
    )
    drawn.update_layout(
        legend={"y": 1, "yanchor": "bottom", "x": 0},
        margin_t=12,
        hovermode="closest",
    )
    return drawn


def axis_title(name: str, unit: str) -> str:
    """Return what stands at an axis."""
    return f"{label(name, longest=48)} ({unit})" if unit else label(name, longest=48)


def _note(spread: bool, sure: bool) -> str:
    """Return, as a second line of an axis' title, what is drawn around the means."""
    parts = ["95 % interval of chance"] * sure + ["paler: 80 % of the points"] * spread
    return f'<br><span style="font-size:11px">mean; {"; ".join(parts)}</span>' if parts else ""


def _across(over: Factor, cells: Sequence[Cell]) -> tuple[dict[str, Any], Any]:
    """Return the axis across and, of each cell, where it stands on it."""
    if not over.ordered:
        values = list(dict.fromkeys([*over.values, *(cell.value for cell in cells)]))
        order = {value: i for i, value in enumerate(values)}
        axis = {
            "title": {"text": label(over.label, longest=48)},
            "tickvals": list(range(len(values))),
            "ticktext": [label(said(value), longest=24) for value in values],
            "range": [-0.5, len(values) - 0.5],
        }
        return axis, lambda cell: order[cell.value]
    sizes = [cell.size for cell in cells]
    low, high = min(sizes), max(sizes)
    by_x = scale(max(abs(low), abs(high)), QUANTITIES.get(over.unit, "count"))
    unit = "%" if over.unit == "%" else by_x.unit
    axis = {"title": {"text": axis_title(over.label, unit)}}
    if low > 0 and _LOG_FROM * low < high:
        axis |= style.log_axis(low / by_x.size, high / by_x.size)
    return axis, lambda cell: cell.size / by_x.size


def _bands(
    drawn: go.Figure,
    line: Line,
    x: Sequence[float],
    colour: str,
    by: Scale,
    name: str,
    *,
    spread: bool,
    sure: bool,
) -> None:
    """Draw what lies around a line, the widest first."""
    edges = []
    if spread:
        edges.append((0.1, "80 % of the points", [(cell.p10, cell.p90) for cell in line.cells]))
    if sure:
        ends = [
            (cell.mean.mean - half(cell.mean), cell.mean.mean + half(cell.mean))
            for cell in line.cells
        ]
        edges.append((0.25 if spread else 0.15, "95 % interval", ends))
    for alpha, what, ends in edges:
        drawn.add_scatter(
            x=[*x, *reversed(x)],
            y=[end / by.size for end in [*(e[0] for e in ends), *(e[1] for e in reversed(ends))]],
            mode="lines",
            line={"width": 0},
            fill="toself",
            fillcolor=_pale(colour, alpha),
            name=f"{label(name, longest=28)}, {what}",
            legendgroup=name,
            showlegend=False,
            hoverinfo="skip",
        )


def _bars(
    drawn: go.Figure,
    line: Line,
    x: Sequence[float],
    colour: str,
    by: Scale,
    name: str,
    *,
    spread: bool,
) -> None:
    """Draw how far points spread around each mark."""
    if spread:
        drawn.add_bar(
            x=x,
            base=[cell.p10 / by.size for cell in line.cells],
            y=[(cell.p90 - cell.p10) / by.size for cell in line.cells],
            width=0.12,
            marker={"color": _pale(colour, 0.25), "line": {"width": 0}},
            name=f"{label(name, longest=28)}, 80 % of the points",
            legendgroup=name,
            showlegend=False,
            hoverinfo="skip",
        )


def _pale(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def _hover(response: Response, name: str, cell: Cell) -> str:
    quantity = QUANTITIES.get(response.unit, "count")
    mean, low, high, p10, p90 = (
        style.human(each, quantity)
        for each in (cell.mean.mean, cell.mean.low, cell.mean.high, cell.p10, cell.p90)
    )
    head = f"<b>{label(name, longest=60)}</b><br>" if name else ""
    at = f"{label(response.over.label)} {label(said(cell.value), longest=60)}"
    text = f"{head}{at}<br>{response.metric} {mean}"
    if half(cell.mean):
        text += f" [{low}, {high}]"
    if cell.points > 1:
        text += f"<br>80 % of {cell.points:,} points: {p10} to {p90}"
    return f"{text}<br>{cell.runs:,} run{'' if cell.runs == 1 else 's'}"
