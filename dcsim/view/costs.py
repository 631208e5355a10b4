"""The figure of what makes up both costs: network bytes by kind, lost work by cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dcsim.records.tables import CAUSES
from dcsim.study.findings.statistics import interval
from dcsim.view import style
from dcsim.view.style import KEY_LINE_PX, Quantity, heading, human, key_entry, label, scale

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

BYTE_COLUMNS: Final[Mapping[str, str]] = {
    "first_pass_bytes": "first pass",
    "resent_bytes": "re-sent",
    "switchover_bytes": "switch-over",
    "postcopy_bytes": "post-copy",
    "disk_copy_bytes": "disk copy",
    "mirror_bytes": "mirror write",
    "prefetch_bytes": "prefetch",
    "extra_refault_bytes": "refault",
}
"""Columns of network cost and the kind of traffic each is of."""
LOSS_COLUMNS: Final[Mapping[str, str]] = {f"lost_{cause}_s": cause for cause in CAUSES}
"""Columns of lost work and the cause each is of."""

_NAMES: Final = {"refault": "extra refaults", **style.CAUSE_NAMES}
_ROW: Final = 30
_AXIS: Final = 46


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    columns: Mapping[str, str]
    colours: Mapping[str, str]
    quantity: Quantity
    axis: str


def costs(frame: pd.DataFrame) -> go.Figure:
    """Draw what makes up both costs: bytes by kind and lost work by cause, policies as shared rows.

    Parameters
    ----------
    frame
        A row a run: ``variant`` and the summary's columns `BYTE_COLUMNS` and `LOSS_COLUMNS`.
        Replicates are averaged; whiskers are 95 % confidence intervals of the sums.

    Returns
    -------
    plotly.graph_objects.Figure
        Two panels side by side (one above the other in a narrow place), least network bytes on top.
    """
    panels = (
        _Panel("Network cost", BYTE_COLUMNS, style.KIND_COLOURS, "bytes", ""),
        _Panel("Work lost by all guests", LOSS_COLUMNS, style.CAUSE_COLOURS, "seconds", "2"),
    )
    frame = frame.dropna(subset=list(BYTE_COLUMNS))
    network = frame[list(BYTE_COLUMNS)].sum(axis=1)
    names = sorted(
        dict.fromkeys(frame["variant"]), key=lambda n: -float(network[frame["variant"] == n].mean())
    )
    drawn = style.figure()
    keys = [_stack(drawn, frame, names, panel) for panel in panels]
    _arrange(drawn, names, keys)
    return drawn


def _stack(
    drawn: go.Figure, frame: pd.DataFrame, names: Sequence[str], panel: _Panel
) -> tuple[str, list[str]]:
    """Draw one panel; return its heading and its key, an entry a colour."""
    rows = [frame[frame["variant"] == name] for name in names]
    sums = [interval(part[list(panel.columns)].sum(axis=1).tolist()) for part in rows]
    halves = [np.nan_to_num((total.high - total.low) / 2) for total in sums]
    ends = [total.mean + half for total, half in zip(sums, halves, strict=True)]
    by = scale(max(ends), panel.quantity)
    key = []
    axes = {"xaxis": f"x{panel.axis}", "yaxis": f"y{panel.axis}"}
    for column, item in panel.columns.items():
        values = [float(part[column].mean()) for part in rows]
        if max(values) <= 1e-6 * max(ends):
            continue  # a key entry for nothing to be seen
        name, colour = _NAMES.get(item, item), panel.colours[item]
        key.append(key_entry(name, colour))
        drawn.add_bar(
            y=list(range(len(names))),
            x=[value / by.size for value in values],
            orientation="h",
            width=0.7,
            marker={"color": colour, "line": {"width": 0}},
            name=name,
            showlegend=False,
            hovertext=[
                f"<b>{label(variant)}</b><br>{name}: {human(value, panel.quantity)}"
                + (
                    f" ({value / total.mean:.1%} of {human(total.mean, panel.quantity)})"
                    if total.mean
                    else ""
                )
                for variant, value, total in zip(names, values, sums, strict=True)
            ],
            hoverinfo="text",
            **axes,
        )
    style.draw_ends(
        drawn,
        [total.mean for total in sums],
        halves,
        [f" {human(total.mean, panel.quantity)}" for total in sums],
        size=by.size,
        longest=max(ends),
        **axes,
    )
    drawn.update_layout(
        {
            f"xaxis{panel.axis}": {
                "range": [0, 1.38 * max(ends) / by.size or 1.0],
                "title": {"text": by.unit},
                "nticks": 5,
            }
        }
    )
    return f"<b>{panel.title}</b>", key


def _arrange(drawn: go.Figure, names: Sequence[str], keys: Sequence[tuple[str, list[str]]]) -> None:
    """Lay the two panels out, side by side and (for narrow places) one above the other."""
    body = _ROW * len(names)
    sides = [heading(*key, line=46) for key in keys]
    top = KEY_LINE_PX * max(text.count("<br>") + 1 for text in sides) + 12
    place = {
        "xref": "paper",
        "yref": "paper",
        "showarrow": False,
        "align": "left",
        "xanchor": "left",
    }
    place |= {"yanchor": "bottom", "font": {"size": 12}}
    ticks = {
        "tickvals": list(range(len(names))),
        "ticktext": [label(name, longest=24) for name in names],
        "range": [-0.6, len(names) - 0.4],
        "showgrid": False,
    }
    drawn.update_layout(
        barmode="stack",
        height=top + body + _AXIS,
        margin={"l": 10, "r": 8, "t": top, "b": _AXIS},
        xaxis={"domain": [0, 0.485], "anchor": "y"},
        xaxis2={"domain": [0.515, 1], "anchor": "y2"},
        yaxis=ticks,
        yaxis2={**ticks, "anchor": "x2", "showticklabels": False},
        annotations=[
            {"text": text, "x": x, "y": 1, **place}
            for text, x in zip(sides, (0, 0.515), strict=True)
        ],
    )
    sides = [heading(*key, line=34) for key in keys]
    top = KEY_LINE_PX * (sides[0].count("<br>") + 1) + 12
    between = _AXIS + KEY_LINE_PX * (sides[1].count("<br>") + 1) + 12
    plot = 2 * body + between
    drawn.update_layout(
        meta={
            "narrow": {
                "height": top + plot + _AXIS,
                "margin.t": top,
                "xaxis.domain": [0, 1],
                "xaxis2.domain": [0, 1],
                "yaxis.domain": [1 - body / plot, 1],
                "yaxis2.domain": [0, body / plot],
                "yaxis2.showticklabels": True,
                "yaxis.tickfont.size": 11,
                "yaxis2.tickfont.size": 11,
                "annotations": [
                    {"text": text, "x": 0, "y": y, **place}
                    for text, y in zip(sides, (1, body / plot), strict=True)
                ],
            }
        }
    )
