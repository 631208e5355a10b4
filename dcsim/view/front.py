"""The figure of two costs: a point a policy, and the front of those that no other one beats."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dcsim.errors import ResultError
from dcsim.study.findings.front import Front, pareto
from dcsim.study.findings.statistics import Interval
from dcsim.units import listed
from dcsim.view import labels, style
from dcsim.view.style import Quantity, Scale, human, label, quantity, scale

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MOST_NAMES: Final = 16
_FAINT: Final = 0.4


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two costs.

    Parameters
    ----------
    title
        Of its axis, without the unit.
    short
        What a hover text calls it.
    quantity
        Of its values.
    values
        One a point, none of them NaN.
    """

    title: str
    short: str
    quantity: Quantity
    values: Sequence[Interval]

    def axis(self, by: Scale) -> str:
        """Return the title of its axis in a unit."""
        return f"{self.title} ({by.unit})" if by.unit else self.title


def front_figure(found: Front, *, height: int = 460) -> go.Figure:
    """Draw a front: a point a combination of levels, pale where another one clearly beats it.

    Parameters
    ----------
    found
        What `dcsim.study.findings.front.front` gave.
    height
        In CSS pixels.

    Returns
    -------
    plotly.graph_objects.Figure
        Means with their intervals; those without a value of both are left out.

    Raises
    ------
    ResultError
        If no run has both.
    """
    rows = [row for row in found.rows if not math.isnan(row.x.mean + row.y.mean)]
    x, y = (
        Side(metric, metric, quantity(metric), values)
        for metric, values in (
            (found.x, [row.x for row in rows]),
            (found.y, [row.y for row in rows]),
        )
    )
    notes = {}
    for i, row in enumerate(rows):
        perhaps = [values for values in row.beaten_by if values not in row.clearly]
        notes[i] = "".join(
            f"<br>{word} beaten by {label(listed(map(found.name, each)), longest=80)}"
            for word, each in (("clearly", row.clearly), ("perhaps", perhaps))
            if each
        )
    faint = [i for i, row in enumerate(rows) if row.clearly]
    names = [found.name(row.values) for row in rows]
    looks = style.variant_styles(found.name(row.values) for row in found.rows)
    return draw(names, x, y, height=height, looks=looks, notes=notes, faint=faint)


def draw(
    names: Sequence[str],
    x: Side,
    y: Side,
    *,
    height: int,
    looks: Mapping[str, tuple[str, str]] | None = None,
    notes: Mapping[int, str] | None = None,
    faint: Collection[int] = (),
) -> go.Figure:
    """Draw points in two costs, their whiskers and the line of those that no other one beats.

    Parameters
    ----------
    names
        One a point, each once.
    x, y
        The costs.
    height
        In CSS pixels.
    looks
        Colour and symbol of each name; default: by their order.
    notes
        By a point's place: what its hover text says too, with plotly's markup.
    faint
        Places of points that are drawn pale.

    Raises
    ------
    ResultError
        If there are no points.
    """
    if not names:
        message = f"no run has both {x.title} and {y.title}: there is nothing to draw"
        raise ResultError(message)
    drawn = style.figure(height=height)
    across, up = np.array([v.mean for v in x.values]), np.array([v.mean for v in y.values])
    by_x, by_y = scale(float(across.max()), x.quantity), scale(float(up.max()), y.quantity)
    x_range, y_range = padded(x.values, by_x), padded(y.values, by_y)
    points = np.column_stack([across / by_x.size, up / by_y.size])
    halves = np.column_stack(
        [[half(v) / by_x.size for v in x.values], [half(v) / by_y.size for v in y.values]]
    )
    front = pareto(across.tolist(), up.tolist())
    drawn.add_scatter(
        x=[points[front[0], 0], *points[front, 0], x_range[1]],
        y=[y_range[1], *points[front, 1], points[front[-1], 1]],
        mode="lines",
        line={"shape": "hv", "color": "#98a1b0", "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
    )
    looks = looks or style.variant_styles(names)
    for i, name in enumerate(names):
        colour, symbol = looks[name]
        whisker = {"thickness": 1.3, "width": 4, "color": colour}
        wide, high = halves[i]
        drawn.add_scatter(
            x=[points[i, 0]],
            y=[points[i, 1]],
            error_x={"array": [wide], **whisker} if wide > 0 else None,
            error_y={"array": [high], **whisker} if high > 0 else None,
            mode="markers",
            marker={
                "color": colour,
                "symbol": symbol,
                "size": 12,
                "line": {"color": "#fff", "width": 1},
            },
            opacity=_FAINT if i in faint else 1,
            name=label(name),
            showlegend=False,
            hovertemplate=f"<b>{label(name)}</b><br>{x.short} {told(x.values[i], x.quantity)}"
            f"<br>{y.short} {told(y.values[i], y.quantity)}"
            + ("<br>no other one is better in both" if i in front else "")
            + (notes or {}).get(i, "")
            + "<extra></extra>",
        )
    named = [i for i in range(len(names)) if len(names) <= _MOST_NAMES or i in front]
    shown = [label(name, longest=28) for name in names]
    corner = {
        "text": "↙ less of both", "xref": "paper", "yref": "paper", "x": 1, "y": 1, "xshift": -4,
        "yshift": -26, "xanchor": "right", "yanchor": "top", "showarrow": False,
        "font": {"color": style.MUTED},
    }  # fmt: skip
    broad, slim = (
        [
            *labels.annotate(
                points[named],
                [shown[i] for i in named],
                halves[named],
                x_range=x_range,
                y_range=y_range,
                width=px,
                height=height - 65,
            ),
            corner,
        ]
        for px in (640, 290)
    )
    drawn.update_layout(annotations=broad, margin_t=12, meta={"narrow": {"annotations": slim}})
    drawn.update_xaxes(title_text=x.axis(by_x), range=x_range)
    drawn.update_yaxes(title_text=y.axis(by_y), range=y_range)
    return drawn


def padded(values: Sequence[Interval], by: Scale) -> tuple[float, float]:
    """Return an axis range around the whiskers, from zero unless that hides the differences."""
    low = min(each.mean - half(each) for each in values) / by.size
    high = max(each.mean + half(each) for each in values) / by.size
    if low < 0.6 * high:
        return min(0.0, low), (high or 1.0) * 1.12
    room = 0.15 * (high - low) or 0.1 * high
    return low - room, high + room


def half(value: Interval) -> float:
    """Return the length of a whisker; 0 where a single run has none."""
    length = (value.high - value.low) / 2
    return length if math.isfinite(length) else 0.0


def told(value: Interval, quantity: Quantity) -> str:
    """Return a mean with its interval in words."""
    if not math.isfinite(value.low):
        return human(value.mean, quantity)
    low, high = human(value.low, quantity), human(value.high, quantity)
    return f"{human(value.mean, quantity)} [{low}, {high}], {value.pairs} runs"
