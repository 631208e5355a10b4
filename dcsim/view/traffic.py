"""Figures of the network: how much of which link was used when, and by which kind of traffic.

Rates are bytes/s in the frames, bit/s on the axes. A rate is a step function of time and is
averaged exactly, so nothing short is lost between two samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dcsim.errors import ResultError, did_you_mean
from dcsim.records.tables import KINDS
from dcsim.view import style
from dcsim.view.style import heading, human, key_entry, label, scale

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_BINS: Final = 400
"""Intervals of time that a figure shows at most."""

_ROW, _GAP, _AREA, _TOP, _BOTTOM = 20, 32, 190, 44, 50  # CSS pixels
_NOTE: Final = {
    "x": 0, "xref": "paper", "xanchor": "left", "yref": "paper", "yanchor": "bottom",
    "showarrow": False, "align": "left", "font": {"size": 12},
}  # fmt: skip
_COLOUR_BAR: Final = {
    "orientation": "h", "thickness": 8, "lenmode": "pixels", "len": 130, "x": 1, "xanchor": "right",
    "y": 1, "yanchor": "bottom", "ypad": 2, "xpad": 18, "outlinewidth": 0,
    "tickformat": ".0%", "tickvals": [0, 0.5, 1], "tickfont": {"size": 11},
    "ticklabelposition": "outside top",
}  # fmt: skip
_SHADES: Final = (
    (0.0, "#f1f3f7"),
    (0.15, "#cfe1f2"),
    (0.5, "#6aaed6"),
    (0.8, "#2171b5"),
    (1.0, "#08306b"),
)


def averages(times: np.ndarray, rates: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the time-average of a step function in each bin.

    Parameters
    ----------
    times
        When each step begins, not decreasing.
    rates
        The value from then on; 0 before the first.
    edges
        Bounds of the bins, increasing, one more than there are bins.

    Returns
    -------
    numpy.ndarray
        An average a bin: exact, whatever the steps' lengths.

    Examples
    --------
    >>> averages(np.array([0.0, 1.0]), np.array([4.0, 0.0]), np.array([0.0, 2.0, 4.0])).tolist()
    [2.0, 0.0]
    """
    knots = np.concatenate([times, [max(edges[-1], times[-1]) + 1.0]])
    volume = np.concatenate([[0.0], np.cumsum(rates * np.diff(knots))])
    return np.asarray(np.diff(np.interp(edges, knots, volume, left=0.0)) / np.diff(edges), float)


def utilisation(
    link_rates: pd.DataFrame,
    links: pd.DataFrame,
    *,
    busiest: int = 12,
    bins: int = 240,
    from_s: float = 0.0,
    until_s: float | None = None,
    link: str | None = None,
) -> go.Figure:
    """Draw which links were used when, and by what the busiest was used.

    Parameters
    ----------
    link_rates, links
        The tables of one run (``record: full``).
    busiest
        How many links to show: those with the highest mean share of their capacity.
    bins
        Intervals of time, at most `MOST_BINS`; each shows its exact time-average.
    from_s, until_s
        Bounds of the time axis, s; by default it ends at the last change of any rate.
    link
        The link whose kinds of traffic are drawn; by default the busiest that is no disk.

    Returns
    -------
    plotly.graph_objects.Figure
        Above: links x time, shade = share of capacity. Below: one link's rate, stacked by kind.

    Raises
    ------
    ResultError
        If there is no such link, or no rate was recorded.
    """
    if link_rates.empty:
        raise ResultError("no rates of links were recorded; run with record: full")
    end = float(link_rates["time_s"].max()) if until_s is None else until_s
    edges = np.linspace(from_s, end if end > from_s else from_s + 1.0, min(bins, MOST_BINS) + 1)
    capacity = links.groupby("link")["capacity_bytes_per_s"].first().to_dict()
    by_kind: dict[str, dict[str, np.ndarray]] = {}
    for (name, kind), steps in link_rates.groupby(["link", "kind"], sort=False):
        times, rates = steps["time_s"].to_numpy(float), steps["rate_bytes_per_s"].to_numpy(float)
        by_kind.setdefault(str(name), {})[str(kind)] = averages(times, rates, edges)
    shares = {name: sum(kinds.values()) / capacity[name] for name, kinds in by_kind.items()}
    if link is not None and link not in shares:
        meant = did_you_mean(link, shares)
        raise ResultError(
            f"no rates of a link {link!r}" + (f"; did you mean {meant!r}?" if meant else "")
        )
    top = sorted(shares, key=lambda name: (-float(np.mean(shares[name])), name))[:busiest]
    cables = links.loc[links["class"] != "disk", "link"].tolist()
    chosen = link or next((name for name in top if name in cables), top[0])

    drawn = style.figure()
    by = scale(float(edges[-1]), "seconds")
    _heat_map(drawn, {name: shares[name] for name in top}, edges / by.size, by.unit)
    used = [kind for kind in KINDS if np.any(by_kind[chosen].get(kind, 0.0))]
    stacked = {kind: by_kind[chosen][kind] for kind in used}
    _areas(drawn, stacked, float(capacity[chosen]), edges / by.size, by.unit)
    key = [key_entry(kind, style.KIND_COLOURS[kind]) for kind in used]
    title = f"<b>{label(chosen, longest=34)}</b>, by kind of traffic"
    wide = _places(heading(title, key, line=90), len(top))
    slim = _places(heading(title, key, line=40), len(top))
    capacity_note = {**drawn.layout.annotations[0].to_plotly_json()}
    top_title = {**_NOTE, "text": "<b>Busiest links</b>, share of capacity used", "y": 1}
    drawn.update_layout(
        margin={"t": _TOP, "b": _BOTTOM},
        height=wide["height"],
        yaxis_domain=wide["yaxis.domain"],
        yaxis2_domain=wide["yaxis2.domain"],
        meta={
            "narrow": {
                "height": slim["height"],
                "yaxis.domain": slim["yaxis.domain"],
                "yaxis2.domain": slim["yaxis2.domain"],
                "yaxis.tickfont.size": 10,
                "annotations": [
                    {**top_title, "text": "<b>Busiest links</b>"},
                    slim["title"],
                    capacity_note,
                ],
            }
        },
    )
    drawn.layout.annotations = [top_title, wide["title"], capacity_note]
    return drawn


def _heat_map(
    drawn: go.Figure, shares: dict[str, np.ndarray], edges: np.ndarray, unit: str
) -> None:
    """Draw shares of capacity, a row a link, the first on top."""
    names = [label(name, longest=200) for name in shares]
    drawn.add_heatmap(
        x=(edges[:-1] + edges[1:]) / 2,
        y=names,
        z=np.round(list(shares.values()), 4),
        zmin=0,
        zmax=1,
        colorscale=_SHADES,
        ygap=2,
        colorbar=_COLOUR_BAR,
        hovertemplate=f"<b>%{{y}}</b><br>%{{x:.4g}} {unit}: %{{z:.1%}} of its capacity"
        "<extra></extra>",
    )
    drawn.update_layout(
        xaxis={
            "title": {"text": f"time ({unit})", "standoff": 16},
            "anchor": "y2",
            "range": [edges[0], edges[-1]],
        },
        yaxis={
            "autorange": "reversed",
            "tickvals": names,
            "ticktext": [_short(name) for name in shares],
            "tickfont": {"size": 11},
            "showgrid": False,
        },
    )


def _areas(
    drawn: go.Figure, rates: dict[str, np.ndarray], capacity: float, edges: np.ndarray, unit: str
) -> None:
    """Draw the rates of one link stacked by kind, under its capacity."""
    by = scale(capacity, "rate")
    for kind, rate in rates.items():
        drawn.add_scatter(
            x=edges[:-1],
            y=np.round(rate / by.size, 6),
            stackgroup="kinds",
            mode="lines",
            line={"shape": "hv", "width": 0, "color": style.KIND_COLOURS[kind]},
            fillcolor=style.KIND_COLOURS[kind],
            hovertemplate=f"{kind} %{{y:.3g}} {by.unit}<br>%{{x:.4g}} {unit}<extra></extra>",
            name=kind,
            showlegend=False,
            yaxis="y2",
        )
    full = capacity / by.size
    drawn.add_shape(
        type="line", xref="x domain", x0=0, x1=1, yref="y2", y0=full, y1=full,
        line={"color": style.MUTED, "dash": "dash", "width": 1.2},
    )  # fmt: skip
    drawn.add_annotation(
        text=f"capacity {human(capacity, 'rate')}", xref="paper", x=1, xanchor="right", yref="y2",
        y=full, yanchor="bottom", showarrow=False, font={"size": 11, "color": style.MUTED},
    )  # fmt: skip
    drawn.update_layout(yaxis2={"title": {"text": f"rate ({by.unit})"}, "range": [0, 1.12 * full]})


def _places(title: str, links: int) -> dict[str, Any]:
    """Return where both panels and the lower one's title go, by the lines of that title."""
    heat = _ROW * links + 8
    whole = heat + _GAP + style.KEY_LINE_PX * (title.count("<br>") + 1) + _AREA
    return {
        "height": whole + _TOP + _BOTTOM,
        "yaxis.domain": [1 - heat / whole, 1],
        "yaxis2.domain": [0, _AREA / whole],
        "title": {**_NOTE, "text": title, "y": _AREA / whole},
    }


def _short(name: str) -> str:
    """Return a link's name fit for an axis; the link from storage to itself is its disks."""
    ends = name.split("->")
    return f"{label(ends[0])} disks" if len(set(ends)) == 1 else label(name, longest=26)
