"""How many guests of an operation have moved, are moving and wait, over time.

Frames are in SI, with the columns of `dcsim.records.tables`; axes in the units that read best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from dcsim.view import style
from dcsim.view.counts import counts_of, thin
from dcsim.view.moments import draw_moments, span
from dcsim.view.style import label, scale

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


MOST_PANELS: Final = 6
"""Of more operations than this the guests are counted together."""


_AREAS: Final = {
    "moved": "#0072b2",
    "not moved": "#d55e00",
    "under way": "#56b4e9",
    "waiting": "#d9dde4",
}


def progress(migrations: pd.DataFrame, operations: pd.DataFrame, *, height: int = 340) -> go.Figure:
    """Draw how many guests of an operation have moved, are moving and wait, over time.

    Parameters
    ----------
    migrations, operations
        The tables of one run.
    height
        In CSS pixels, of one operation; each further one has a panel below.

    Returns
    -------
    plotly.graph_objects.Figure
        Areas that add up to the guests asked to move; the end of the window or deadline and the
        lower bound are lines, each with its name.
    """
    rows = operations.to_dict("records")
    parts = [(str(row["operation"]), [row]) for row in rows]
    if len(parts) > MOST_PANELS:
        parts = [(f"all {len(rows)} operations", rows)]
    begin, end = span(migrations["ended_s"], rows)
    by = scale(end - begin, "seconds")
    count, gap = len(parts), 0.3 / max(len(parts), 1) if len(parts) > 1 else 0.0
    drawn = style.figure(height=height + (count - 1) * (height - 130))
    tall = (1 - gap * (count - 1)) / count
    for place, (name, of) in enumerate(parts):
        axis = "" if place == 0 else str(place + 1)
        chosen = migrations[migrations["operation"].isin([row["operation"] for row in of])]
        times, counts = thin(*_states(chosen), begin, end)
        top = float(counts.sum(axis=1).max()) if len(times) else 1.0
        for column, (state, colour) in enumerate(_AREAS.items()):
            values = counts[:, column]
            if not values.any():
                continue
            drawn.add_scatter(
                x=(times - begin) / by.size,
                y=values,
                mode="lines",
                line={"shape": "hv", "width": 0, "color": colour},
                fillcolor=colour,
                stackgroup=axis or "1",
                name=state,
                legendgroup=state,
                showlegend=state not in {trace.name for trace in drawn.data},
                hovertemplate=f"{state}: %{{y}}<extra></extra>",
                xaxis=f"x{axis}",
                yaxis=f"y{axis}",
            )
        bottom = 1 - tall - place * (tall + gap)
        drawn.update_layout(
            {
                f"xaxis{axis}": {
                    "range": [0, (end - begin) / by.size],
                    "anchor": f"y{axis}",
                    "hoverformat": ".3g",
                    **({} if place == count - 1 else {"showticklabels": False}),
                },
                f"yaxis{axis}": {
                    "title": {"text": "guests" if count == 1 else label(name, longest=16)},
                    "domain": [max(0.0, bottom), min(1.0, bottom + tall)],
                    "range": [0, 1.02 * (top or 1.0)],
                    "anchor": f"x{axis}",
                    "nticks": 5,
                    "tickformat": ",",
                },
            }
        )
        if len(of) == 1:
            draw_moments(drawn, of[0], by, begin, axis=axis, over=f"y{axis} domain")
    last = "" if count == 1 else str(count)
    drawn.update_layout({f"xaxis{last}": {"title": {"text": f"time since the start ({by.unit})"}}})
    drawn.update_layout(
        hovermode="x unified",
        margin={"t": 97, "b": 48},
        legend={"y": 1 + 41 / (drawn.layout.height - 145), "yanchor": "bottom", "x": 0},
    )
    return drawn


def _states(migrations: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return when guests change state, and how many are then in each of `_AREAS`."""
    ordered = migrations.sort_values(
        ["operation", "guest", "requested_s", "attempt"], kind="stable"
    )
    guest = (ordered["operation"] + "\0" + ordered["guest"]).to_numpy(str)
    attempt = ordered["attempt"].to_numpy(int)
    first = attempt <= 1
    again = np.zeros(len(ordered), bool)  # whether another attempt of the same request follows
    again[:-1] = (guest[1:] == guest[:-1]) & (attempt[1:] > 1)
    asked, started, ended = (
        ordered[c].to_numpy(float) for c in ("requested_s", "started_s", "ended_s")
    )
    ran, over = np.isfinite(started), np.isfinite(ended)
    moved = ordered["outcome"].str.startswith("completed").to_numpy(bool)
    done, not_moved, under_way, waiting = range(4)
    changes: list[tuple[np.ndarray, int, int]] = [
        (asked[first], waiting, 1),
        (started[ran], waiting, -1),
        (started[ran], under_way, 1),
        (ended[ran & over], under_way, -1),
        (ended[~ran & over], waiting, -1),
        (ended[over & again], waiting, 1),
        (ended[over & ~again & moved], done, 1),
        (ended[over & ~again & ~moved], not_moved, 1),
    ]
    return counts_of(changes, len(_AREAS))
