"""What is done with hosts, over time: a row a host, or how many hosts are at each step.

Frames are in SI, with the columns of `dcsim.records.tables`; axes in the units that read best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dcsim.view import style
from dcsim.view.counts import counts_of, thin
from dcsim.view.moments import ROW_PX, draw_moments, span
from dcsim.view.style import Scale, human, label, scale
from dcsim.view.timeline import natural

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


MOST_HOSTS: Final = 60
"""Of more hosts than this no row each is drawn, but how many are at each step."""

_STEPS: Final = {
    "drain": "#0072b2",
    "reboot": "#e69f00",
    "reimage": "#cc79a7",
    "health check": "#009e73",
    "move back": "#56b4e9",
    "power off": "#882255",
    "off": "#5b6472",
    "away": "#5b6472",
    "wake": "#ddcc77",
}

_OTHERS: Final = ("#332288", "#882255", "#44aa99", "#999933")


def maintenance(
    steps: pd.DataFrame, operations: pd.DataFrame, *, most_hosts: int = MOST_HOSTS
) -> go.Figure:
    """Draw what was done with which host: a row a host, or how many hosts are at each step.

    Parameters
    ----------
    steps, operations
        The tables ``maintenance`` and ``operations`` of one run.
    most_hosts
        Of more hosts than this, how many are at each step is drawn instead of a row each.

    Returns
    -------
    plotly.graph_objects.Figure
        Bars or areas, a colour a step; a cross marks a step that went wrong.
    """
    rows = operations.to_dict("records")
    hosts = sorted(set(map(str, steps["host"])), key=natural)
    begin, end = span(steps["to_s"], rows)
    by = scale(end - begin, "seconds")
    steps = steps.assign(from_s=steps["from_s"] - begin, to_s=steps["to_s"] - begin)
    colours = _colours(steps["step"])
    many = len(hosts) > most_hosts
    if many:
        drawn = _hosts_at_each_step(steps, rows, colours, end - begin, by)
    else:
        drawn = _row_a_host(steps, hosts, colours, by)
    room = 0 if many else 0.01 * (end - begin)
    drawn.update_xaxes(
        title_text=f"time since the start ({by.unit})",
        range=[-room / by.size, (end - begin + room) / by.size],
    )
    top = 80 if many else 56  # two lines of its key, or one
    if len(rows) == 1:
        draw_moments(drawn, rows[0], by, begin)
        top += 41
    body = drawn.layout.height - 48
    drawn.update_layout(
        margin={"t": top, "b": 48},
        height=body + top + 48,
        legend={"y": 1 + (45 if len(rows) == 1 else 4) / body, "yanchor": "bottom", "x": 0},
    )
    return drawn


def _row_a_host(
    steps: pd.DataFrame, hosts: Sequence[str], colours: Mapping[str, str], by: Scale
) -> go.Figure:
    row_px = min(ROW_PX[1], max(ROW_PX[0], 560 // max(len(hosts), 1)))
    drawn = style.figure(height=row_px * len(hosts) + 48)
    places = {host: place for place, host in enumerate(hosts)}
    for step, colour in colours.items():
        part = steps[steps["step"] == step].to_dict("records")
        drawn.add_bar(
            orientation="h",
            y=[places[str(row["host"])] for row in part],
            base=[row["from_s"] / by.size for row in part],
            x=[(row["to_s"] - row["from_s"]) / by.size for row in part],
            width=0.74,
            marker={"color": colour, "line": {"color": "#fff", "width": 0.6}},
            name=step,
            hovertext=[_step_words(row) for row in part],
            hoverinfo="text",
        )
    wrong = steps[steps["trouble"] != ""].to_dict("records")
    if wrong:
        drawn.add_scatter(
            x=[row["to_s"] / by.size for row in wrong],
            y=[places[str(row["host"])] for row in wrong],
            mode="markers",
            marker={
                "symbol": "x",
                "size": 8,
                "color": "#d55e00",
                "line": {"color": "#fff", "width": 1},
            },
            name="went wrong",
            cliponaxis=False,
            hovertext=[_step_words(row) for row in wrong],
            hoverinfo="text",
        )
    every = math.ceil(13 / row_px)
    drawn.update_yaxes(
        tickvals=list(range(0, len(hosts), every)),
        ticktext=[label(host, longest=20) for host in hosts[::every]],
        tickfont={"size": 11},
        range=[len(hosts) - 0.4, -0.6],
        showgrid=False,
    )
    drawn.update_layout(barmode="overlay", showlegend=True)
    return drawn


def _hosts_at_each_step(
    steps: pd.DataFrame,
    rows: Sequence[Mapping[Any, Any]],
    colours: Mapping[str, str],
    span_s: float,
    by: Scale,
) -> go.Figure:
    """Draw how many hosts are at each step, stacked; those not begun, and those done."""
    drawn = style.figure(height=320)
    ordered = steps.sort_values(["operation", "host", "from_s"], kind="stable")
    host = (ordered["operation"] + "\0" + ordered["host"]).to_numpy(str)
    begins, ends = ordered["from_s"].to_numpy(float), ordered["to_s"].to_numpy(float)
    first, last = np.ones(len(host), bool), np.ones(len(host), bool)
    first[1:] = last[:-1] = host[1:] != host[:-1]
    wrong = (ordered["trouble"] != "").to_numpy(bool)
    names = [*colours, "not begun", "in between", "went wrong", "done"]
    begun, between, bad, done = (len(colours) + i for i in range(4))
    start = min(row["at_s"] for row in rows)
    asked = [np.full(int(row["hosts"]), row["at_s"] - start) for row in rows]
    changes: list[tuple[np.ndarray, int, int]] = [
        (np.concatenate(asked), begun, 1),
        (begins[first], begun, -1),
        (begins[~first], between, -1),
        (ends[~last], between, 1),
        (ends[last & wrong], bad, 1),
        (ends[last & ~wrong], done, 1),
    ]
    for column, step in enumerate(colours):
        mine = (ordered["step"] == step).to_numpy(bool)
        changes += [(begins[mine], column, 1), (ends[mine], column, -1)]
    times, counts = thin(*counts_of(changes, len(names)), 0.0, span_s)
    palette = {"in between": "#b4bac4", **colours}
    busy = [name for name in (*reversed(list(colours)), "in between") if name in palette]
    at_work = counts[:, [names.index(name) for name in busy]].sum(axis=1)
    panels: dict[str, tuple[str, str, np.ndarray]] = {  # name: panel, colour, values
        "done": ("", "#b9d8c8", counts[:, done]),
        "went wrong": ("", "#d55e00", counts[:, bad]),
        "at a step": ("", "#5b6472", at_work),
        "not begun": ("", "#d9dde4", counts[:, begun]),
        **{name: ("2", palette[name], counts[:, names.index(name)]) for name in busy},
    }
    for name, (axis, colour, values) in panels.items():
        if not values.any():
            continue
        drawn.add_scatter(
            x=times / by.size,
            y=values,
            mode="lines",
            line={"shape": "hv", "width": 0, "color": colour},
            fillcolor=colour,
            stackgroup=f"hosts{axis}",
            name=name,
            hovertemplate=f"{name}: %{{y}}<extra></extra>",
            yaxis=f"y{axis}",
        )
    drawn.update_layout(
        hovermode="x unified",
        showlegend=True,
        xaxis_anchor="y2",
        yaxis={"title": {"text": "hosts"}, "domain": [0.5, 1], "rangemode": "tozero", "nticks": 4},
        yaxis2={"title": {"text": "at a step"}, "domain": [0, 0.42], "rangemode": "tozero"},
    )
    return drawn


def _colours(steps: Iterable[str]) -> dict[str, str]:
    """Return a colour for each step there is, in the order in which they are done."""
    there = list(dict.fromkeys(map(str, steps)))
    others = [step for step in there if step not in _STEPS]
    colours = _STEPS | {s: _OTHERS[i % len(_OTHERS)] for i, s in enumerate(others)}
    return {step: colour for step, colour in colours.items() if step in there}


def _step_words(row: Mapping[Any, Any]) -> str:
    words = f"<b>{label(str(row['host']))}</b><br>{label(str(row['step']))}: "
    words += human(row["to_s"] - row["from_s"], "seconds")
    return words + (f"<br>{label(str(row['trouble']), longest=90)}" if row["trouble"] else "")
