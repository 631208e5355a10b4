"""Every figure; here those that compare policies: network bytes, lost work and its spread.

Functions take frames with the columns of `dcsim.records.tables` and give a plotly figure. A frame
of several runs has a column ``variant`` too; rows of one variant are its replicates. Frames are in
SI; axes and hover texts in the units that read best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from dcsim.records.tables import GUESTS
from dcsim.study.findings.statistics import interval
from dcsim.view import style
from dcsim.view.bounds import against_bound
from dcsim.view.costs import costs
from dcsim.view.front import Side, draw
from dcsim.view.front import front_figure as front
from dcsim.view.maintenance import maintenance
from dcsim.view.planning import explored, frontier
from dcsim.view.progress import progress
from dcsim.view.ranking import ranking_figure as ranking
from dcsim.view.response import response_figure as response
from dcsim.view.style import human, label, scale
from dcsim.view.timeline import gantt, rounds
from dcsim.view.tornado import tornado_figure as tornado
from dcsim.view.traffic import utilisation
from dcsim.view.winners import winners_map as winners

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

__all__ = [
    "against_bound",
    "costs",
    "explored",
    "front",
    "frontier",
    "gantt",
    "maintenance",
    "progress",
    "ranking",
    "response",
    "rounds",
    "slowdown_cdf",
    "tornado",
    "tradeoff",
    "utilisation",
    "winners",
]

_CURVE_POINTS: Final = 300


def tradeoff(frame: pd.DataFrame, *, height: int = 460) -> go.Figure:
    """Draw the picture the argument was about: network bytes against lost work, a point a policy.

    Parameters
    ----------
    frame
        A row a run: ``variant``, ``network_bytes``, ``lost_work_s``. Several rows of a variant
        are its replicates: the point is their mean, whiskers are 95 % confidence intervals.
    height
        In CSS pixels.

    Returns
    -------
    plotly.graph_objects.Figure
        Points, and the front of those policies that no other one beats in both figures.

    Raises
    ------
    ResultError
        If no run has both.
    """
    frame = frame.dropna(subset=["network_bytes", "lost_work_s"])
    parts = {str(name): part for name, part in frame.groupby("variant", sort=False)}
    network, lost = (
        [interval(part[metric].tolist()) for part in parts.values()]
        for metric in ("network_bytes", "lost_work_s")
    )
    return draw(
        list(parts),
        Side("network cost", "network", "bytes", network),
        Side("work lost by all guests", "lost work", "seconds", lost),
        height=height,
    )


def slowdown_cdf(
    guests: pd.DataFrame, *, column: str = "lost_work_s", height: int = 380
) -> go.Figure:
    """Draw which share of the guests that moved lost no more than so much, a curve a policy.

    Parameters
    ----------
    guests
        The guests table, with a column ``variant`` where there are several. Only guests that
        moved count.
    column
        Any column of seconds, such as ``lost_work_s``, ``blackout_s`` or ``degraded10_s``.
    height
        In CSS pixels.

    Returns
    -------
    plotly.graph_objects.Figure
        Step functions; replicates are pooled. The axis is logarithmic where all values are
        positive and span over two decades.

    Raises
    ------
    ValueError
        If the guests table has no such column of seconds.
    """
    seconds = [c.name for c in GUESTS.columns if c.unit == "s"]
    if column not in seconds:
        raise ValueError(f"no curve of {column!r}; the columns of seconds are {', '.join(seconds)}")
    moved = guests[guests["moves"] > 0]
    by_variant = moved.groupby("variant", sort=False) if "variant" in moved else [("", moved)]
    curves = {str(name): np.sort(part[column].to_numpy(float)) for name, part in by_variant}
    together = np.concatenate([*curves.values(), [0.0]])
    by = scale(float(together.max()), "seconds")
    positive = together[together > 0]
    log = (
        bool(len(positive))
        and len(positive) == len(together) - 1
        and positive.max() > 100 * positive.min()
    )
    lines = 0 if len(curves) < 2 else 1 + sum(min(len(name), 28) + 8 for name in curves) // 90
    drawn = style.figure(
        height=height + 20 * lines, narrow={"height": height + 20 * len(curves)} if lines else None
    )
    for name, (colour, symbol) in style.variant_styles(curves).items():
        values = curves[name]
        shares = np.arange(1, len(values) + 1) / len(values)
        if len(values) > _CURVE_POINTS:
            keep = np.unique(np.linspace(0, len(values) - 1, _CURVE_POINTS).round().astype(int))
            values, shares = values[keep], shares[keep]
        start = values[:1] if log else np.zeros(1)
        marks = np.quantile(curves[name], (0.5, 0.95), method="inverted_cdf")
        drawn.add_scatter(
            x=np.concatenate([start, values]) / by.size,
            y=np.concatenate([[0.0], shares]),
            mode="lines",
            line={"shape": "hv", "color": colour, "width": 2, "dash": _DASHES[symbol]},
            name=label(name, longest=28),
            meta=name,
            customdata=[human(v, "seconds") for v in (start[0], *values)],
            hovertemplate=f"<b>{label(name)}</b><br>" * bool(name)
            + "%{y:.0%} of the guests: %{customdata} or less"
            + f"<br>half: {human(marks[0], 'seconds')}, 95 %: {human(marks[1], 'seconds')}"
            + "<extra></extra>",
            showlegend=len(curves) > 1,
        )
    title = _TITLES.get(column) or column.removesuffix("_s").replace("_", " ")
    drawn.update_xaxes(title_text=f"{title} ({by.unit})")
    if log:
        drawn.update_xaxes(style.log_axis(positive.min() / by.size, positive.max() / by.size))
    shown = (0, 0.25, 0.5, 0.75, 0.95, 1)
    drawn.update_yaxes(
        title_text="share of guests that moved",
        tickvals=shown,
        ticktext=[f"{100 * share:g}\u202f%" for share in shown],
        range=[0, 1.02],
    )
    drawn.update_layout(legend={"y": 1, "yanchor": "bottom", "x": 0})
    return drawn


_TITLES: Final = {
    "lost_work_s": "lost work",
    "blackout_s": "time paused",
    "degraded10_s": "time over 10 % degraded",
    "degraded50_s": "time over 50 % degraded",
    "degraded99_s": "time over 99 % degraded",
}
_DASHES: Final = {"circle": "solid", "square": "dash", "diamond": "dot", "triangle-up": "dashdot"}
