"""Figures of operations: guests moved and waiting, what is done with hosts, time against its bound.

Frames are in SI, with the columns of `dcsim.records.tables`; axes in the units that read best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dcsim.records.answer import clock
from dcsim.view import style
from dcsim.view.style import Scale, human, label, scale
from dcsim.view.timeline import natural

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dcsim.study.answers import Outcome

MOST_HOSTS: Final = 60
"""Of more hosts than this no row each is drawn, but how many are at each step."""
MOST_PANELS: Final = 6
"""Of more operations than this the guests are counted together."""

_POINTS: Final = 600
_ROW_PX: Final = (8, 18)
_AREAS: Final = {
    "moved": "#0072b2",
    "not moved": "#d55e00",
    "under way": "#56b4e9",
    "waiting": "#d9dde4",
}
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
_ROWS: Final = 3
"""Rows that the names of lines take turns in."""
_LIMIT: Final = {"color": "#a33b00", "dash": "dash", "width": 1.6}
_BOUND: Final = {"color": style.INK, "dash": "dot", "width": 1.6}


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
    begin, end = _span(migrations["ended_s"], rows)
    by = scale(end - begin, "seconds")
    count, gap = len(parts), 0.3 / max(len(parts), 1) if len(parts) > 1 else 0.0
    drawn = style.figure(height=height + (count - 1) * (height - 130))
    tall = (1 - gap * (count - 1)) / count
    for place, (name, of) in enumerate(parts):
        axis = "" if place == 0 else str(place + 1)
        chosen = migrations[migrations["operation"].isin([row["operation"] for row in of])]
        times, counts = _thin(*_states(chosen), begin, end)
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
            _lines(drawn, of[0], by, begin, axis=axis, over=f"y{axis} domain")
    last = "" if count == 1 else str(count)
    drawn.update_layout({f"xaxis{last}": {"title": {"text": f"time since the start ({by.unit})"}}})
    drawn.update_layout(
        hovermode="x unified",
        margin={"t": 97, "b": 48},
        legend={"y": 1 + 41 / (drawn.layout.height - 145), "yanchor": "bottom", "x": 0},
    )
    return drawn


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
    begin, end = _span(steps["to_s"], rows)
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
        _lines(drawn, rows[0], by, begin)
        top += 41
    body = drawn.layout.height - 48
    drawn.update_layout(
        margin={"t": top, "b": 48},
        height=body + top + 48,
        legend={"y": 1 + (45 if len(rows) == 1 else 4) / body, "yanchor": "bottom", "x": 0},
    )
    return drawn


def against_bound(found: Sequence[Outcome], *, limit_s: float = math.nan) -> go.Figure:
    """Draw how long variants took beside the lower bound of each, a row a variant.

    Parameters
    ----------
    found
        What variants come to, as `dcsim.study.answers.outcomes` returns them.
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
    halves = [half if half > 0.002 * longest else 0.0 for half in halves]
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
    sure = [place for place in places if halves[place] > 0]
    drawn.add_scatter(
        x=[whole[place] / by.size for place in sure],
        y=sure,
        error_x={
            "array": [halves[place] / by.size for place in sure],
            "thickness": 1.3,
            "width": 4,
            "color": style.MUTED,
        },
        mode="markers",
        marker={"size": 1, "color": "rgba(0,0,0,0)"},
        hoverinfo="skip",
        showlegend=False,
    )
    drawn.add_scatter(
        x=[(took + half) / by.size for took, half in zip(whole, halves, strict=True)],
        y=places,
        mode="text",
        text=[f" {_took(each)}" for each in order],
        textposition="middle right",
        textfont={"size": 11.5},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )
    room = 1.3 + 0.25 * any(bounds) + 0.25 * any(each.not_moved for each in order)
    drawn.update_xaxes(
        title_text=f"makespan ({by.unit})", range=[0, room * longest / by.size], nticks=6
    )
    if math.isfinite(limit_s):
        _line(drawn, limit_s / by.size, f"window {clock(limit_s)}", _LIMIT)
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


# --------------------------------------------------------------------------- guests


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
    return _steps_of(changes, len(_AREAS))


def _steps_of(
    changes: Sequence[tuple[np.ndarray, int, int]], width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of changes, each once, and the counts from then on."""
    times = np.concatenate([np.zeros(0), *(at for at, _, _ in changes)])
    moments, places = np.unique(times, return_inverse=True)
    counts = np.zeros((len(moments), width), int)
    begin = 0
    for at, column, by in changes:
        np.add.at(counts[:, column], places[begin : begin + len(at)], by)
        begin += len(at)
    return moments, counts.cumsum(axis=0)


def _thin(
    times: np.ndarray, counts: np.ndarray, begin: float, end: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return step functions from the first to the last moment shown, at so many points at most."""
    if not len(times):
        return times, counts
    if len(times) > _POINTS:
        wanted = np.linspace(times[0], times[-1], _POINTS)
        places = np.unique(np.searchsorted(times, wanted, side="right") - 1)
        times, counts = times[places], counts[places]
    before = np.zeros((1, counts.shape[1]), int)
    return (
        np.concatenate([[min(begin, times[0])], times, [max(end, times[-1])]]),
        np.concatenate([before, counts, counts[-1:]]),
    )


# --------------------------------------------------------------------------- hosts


def _row_a_host(
    steps: pd.DataFrame, hosts: Sequence[str], colours: Mapping[str, str], by: Scale
) -> go.Figure:
    row_px = min(_ROW_PX[1], max(_ROW_PX[0], 560 // max(len(hosts), 1)))
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
    times, counts = _thin(*_steps_of(changes, len(names)), 0.0, span_s)
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


# --------------------------------------------------------------------------- time


def _span(ends: pd.Series, rows: Sequence[Mapping[Any, Any]]) -> tuple[float, float]:
    """Return the time that is shown: from the first start to the last end, window or bound."""
    begin = min((float(row["at_s"]) for row in rows), default=0.0)
    moments = [float(end) for end in ends if math.isfinite(end)]
    moments += [row["at_s"] + after for row in rows for after in _times(row).values()]
    end = max(moments, default=begin + 1.0)
    return begin, begin + 1.02 * (end - begin or 1.0)


def _times(row: Mapping[Any, Any]) -> dict[str, float]:
    """Return what lines are drawn for an operation: name -> seconds after its start."""
    found = {
        "lower bound": math.nan if row["not_moved"] else row.get("lower_bound_s", math.nan),
        "window": row["window_s"],
        "deadline": row.get("deadline_s", math.nan),
        "done": row["makespan_s"],
    }
    return {name: float(after) for name, after in found.items() if math.isfinite(after)}


def _lines(
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
    times = sorted(_times(row).items(), key=lambda pair: pair[1])
    for turn, (name, after) in enumerate(times):
        look = _LIMIT if name in {"window", "deadline"} else _BOUND
        if name == "done":
            look = {**_BOUND, "dash": "solid", "width": 1.2}
        at, words = (since + after) / by.size, f"{name} {clock(after)}"
        _line(drawn, at, words, look, axis=axis, over=over, turn=turn)


def _line(
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


def _took(each: Outcome) -> str:
    if not math.isfinite(each.makespan_s.mean):
        return "not done when the run ended"
    words = clock(each.makespan_s.mean)
    if each.bound_s > 0:
        words += f", {each.gap:.2f} × bound"
    if each.not_moved:
        words += f"; {each.not_moved:,.4g} not moved"
    return words
