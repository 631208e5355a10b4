"""Moments of operations as lines in figures: window, deadline, lower bound, end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from dcsim.records.answer import clock
from dcsim.view import style
from dcsim.view.style import Scale

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


ROW_PX: Final = (8, 18)

_ROWS: Final = 3
"""Rows that the names of lines take turns in."""

LIMIT: Final = {"color": "#a33b00", "dash": "dash", "width": 1.6}

_BOUND: Final = {"color": style.INK, "dash": "dot", "width": 1.6}


def span(ends: pd.Series, rows: Sequence[Mapping[Any, Any]]) -> tuple[float, float]:
    """Return the time that is shown: from the first start to the last end, window or bound."""
    begin = min((float(row["at_s"]) for row in rows), default=0.0)
    moments = [float(end) for end in ends if math.isfinite(end)]
    moments += [row["at_s"] + after for row in rows for after in moments_of(row).values()]
    end = max(moments, default=begin + 1.0)
    return begin, begin + 1.02 * (end - begin or 1.0)


def moments_of(row: Mapping[Any, Any]) -> dict[str, float]:
    """Return what lines are drawn for an operation: name -> seconds after its start."""
    found = {
        "lower bound": math.nan if row["not_moved"] else row.get("lower_bound_s", math.nan),
        "window": row["window_s"],
        "deadline": row.get("deadline_s", math.nan),
        "done": row["makespan_s"],
    }
    return {name: float(after) for name, after in found.items() if math.isfinite(after)}


def draw_moments(
    drawn: go.Figure,
    row: Mapping[Any, Any],
    by: Scale,
    begin: float,
    *,
    axis: str = "",
    over: str = "paper",
) -> None:
    """Draw the window, the deadline, the lower bound and the end as lines with their names."""
    since = row["at_s"] - begin
    times = sorted(moments_of(row).items(), key=lambda pair: pair[1])
    for turn, (name, after) in enumerate(times):
        look = LIMIT if name in {"window", "deadline"} else _BOUND
        if name == "done":
            look = {**_BOUND, "dash": "solid", "width": 1.2}
        at, words = (since + after) / by.size, f"{name} {clock(after)}"
        draw_line(drawn, at, words, look, axis=axis, over=over, turn=turn)


def draw_line(
    drawn: go.Figure,
    at: float,
    name: str,
    look: Mapping[str, Any],
    *,
    axis: str = "",
    over: str = "paper",
    turn: int = 0,
) -> None:
    """Draw a line over a panel or all of them; names take turns in rows."""
    x, y = f"x{axis}", over
    low, high = drawn.layout[f"xaxis{axis}"].range
    share = (at - low) / (high - low)
    drawn.add_shape(
        type="line", x0=at, x1=at, y0=0, y1=1, xref=x, yref=y, line=dict(look), layer="above"
    )
    drawn.add_annotation(
        text=name,
        x=at,
        y=1,
        xref=x,
        yref=y,
        xanchor="left" if share < 0.1 else "right" if share > 0.9 else "center",
        yanchor="bottom",
        yshift=1 + 13 * (turn % _ROWS),
        showarrow=False,
        font={"size": 11, "color": look["color"]},
    )
