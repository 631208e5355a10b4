"""How long variants took beside what no order could beat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dcsim.records.answer import clock
from dcsim.view import style
from dcsim.view.moments import LIMIT, draw_line
from dcsim.view.style import label, scale

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dcsim.study.comparisons.answers import Outcome


def against_bound(found: Sequence[Outcome], *, limit_s: float = math.nan) -> go.Figure:
    """Draw how long variants took beside the lower bound of each, a row a variant.

    Parameters
    ----------
    found
        What variants come to, as `dcsim.study.comparisons.answers.outcomes` returns them.
    limit_s
        The window or the deadline, if all have the same; a line.

    Returns
    -------
    plotly.graph_objects.Figure
        The fastest on top. Dark is what no order could take less than, light what is above it;
        whiskers are 95 % confidence intervals. What did not end has no bar and says so.
    """
    order = sorted(found, key=lambda each: (-each.makespan_s.mean, each.variant))
    times = [each.makespan_s.mean for each in order]
    finite = [t for t in times if math.isfinite(t)] + [limit_s] * math.isfinite(limit_s)
    by = scale(max(finite, default=0.0), "seconds")
    whole = [t if math.isfinite(t) else 0.0 for t in times]
    bounds = [
        min(each.bound_s, took) if each.bound_s > 0 else 0.0
        for each, took in zip(order, whole, strict=True)
    ]
    places = list(range(len(order)))
    drawn = style.figure(height=96 + 30 * len(order))
    if any(bounds):
        drawn.add_bar(
            y=places,
            x=[bound / by.size for bound in bounds],
            orientation="h",
            width=0.66,
            marker={"color": "#0072b2"},
            name="lower bound",
            hovertext=[f"no order could take less than {clock(bound)}" for bound in bounds],
            hoverinfo="text",
        )
    longest = max(finite, default=1.0) or 1.0
    halves = [(e.makespan_s.high - e.makespan_s.low) / 2 for e in order]
    drawn.add_bar(
        y=places,
        x=[(took - bound) / by.size for took, bound in zip(whole, bounds, strict=True)],
        orientation="h",
        width=0.66,
        name="above it" if any(bounds) else "makespan",
        marker={"color": "#a6cee8"},
        hovertext=[f"<b>{label(e.variant)}</b><br>{_took(e)}" for e in order],
        hoverinfo="text",
    )
    style.draw_ends(
        drawn, whole, halves, [f" {_took(each)}" for each in order], size=by.size, longest=longest
    )
    room = 1.3 + 0.25 * any(bounds) + 0.25 * any(each.not_moved for each in order)
    drawn.update_xaxes(
        title_text=f"makespan ({by.unit})", range=[0, room * longest / by.size], nticks=6
    )
    if math.isfinite(limit_s):
        draw_line(drawn, limit_s / by.size, f"window {clock(limit_s)}", LIMIT)
    drawn.update_yaxes(
        tickvals=places,
        ticktext=[label(each.variant, longest=28) for each in order],
        range=[-0.6, len(order) - 0.4],
        showgrid=False,
    )
    drawn.update_layout(
        barmode="stack",
        margin={"t": 50, "b": 46},
        showlegend=any(bounds),
        legend={"y": 1 + 18 / (30 * len(order)), "yanchor": "bottom", "x": 0},
    )
    return drawn


def _took(each: Outcome) -> str:
    if not math.isfinite(each.makespan_s.mean):
        return "not done when the run ended"
    words = clock(each.makespan_s.mean)
    if each.bound_s > 0:
        words += f", {each.gap:.2f} × bound"
    if each.not_moved:
        words += f"; {each.not_moved:,.4g} not moved"
    return words
