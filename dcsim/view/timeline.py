"""Figures over time: which migration was in which phase, and how the rounds of one went.

Frames are in SI, with the columns of `dcsim.records.tables`; axes in the units that read best.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dcsim.errors import ResultError, did_you_mean
from dcsim.records.summary import COLD, LIVE
from dcsim.units import PAGE
from dcsim.view import style
from dcsim.view.style import human, label, scale

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_ROWS: Final = 400
"""A Gantt chart of more migrations shows this many of them, and says so."""

_ROW_PX: Final = (9, 20)
_MOST_ROUNDS: Final = 24  # more rounds of one guest are drawn as one bar
_LONGEST_CHART: Final = 2600


@dataclass(frozen=True, slots=True)
class _Segment:
    row: int
    phase: str
    start: float
    end: float
    words: str


def gantt(
    migrations: pd.DataFrame, rounds: pd.DataFrame | None = None, *, most_rows: int = MOST_ROWS
) -> go.Figure:
    """Draw a row a migration, by source host and start: waiting, first pass, rounds, blackout.

    Parameters
    ----------
    migrations
        The migrations table of one run.
    rounds
        Its rounds table; without it a stream is drawn whole.
    most_rows
        Of more migrations than this, evenly spread ones are drawn and the title says so.

    Returns
    -------
    plotly.graph_objects.Figure
        As high as its rows need. A blackout is too short to be seen at scale: a diamond marks it.
    """
    moves = sorted(migrations.to_dict("records"), key=_place)
    title = ""
    if len(moves) > most_rows:
        title = f"{most_rows:,} of {len(moves):,} migrations"
        chosen = np.linspace(0, len(moves) - 1, most_rows).round().astype(int)
        moves = [moves[index] for index in chosen]
    row_px = min(_ROW_PX[1], max(_ROW_PX[0], _LONGEST_CHART / max(len(moves), 1)))
    tall = 1 if row_px > 14 else 2  # rows that a host's name takes
    rows: list[int] = []
    heads: dict[float, str] = {}
    for index, move in enumerate(moves):
        if not index or move["source"] != moves[index - 1]["source"]:
            heads[len(rows) + tall * len(heads) + (tall - 1) / 2] = str(move["source"])
        rows.append(len(rows) + tall * len(heads))
    body = row_px * (len(rows) + tall * len(heads))
    top, slim_top = (60, 120) if title else (40, 96)
    drawn = style.figure(height=round(top + body + 50), title=title)
    end = max((_end(move) for move in moves), default=0.0) or 1.0
    by = scale(end, "seconds")
    segments = list(_segments(moves, rows, rounds))
    for phase, colour in style.PHASE_COLOURS.items():
        part = [s for s in segments if s.phase == phase]
        if part:
            drawn.add_bar(
                orientation="h",
                y=[s.row for s in part],
                base=[s.start / by.size for s in part],
                x=[(s.end - s.start) / by.size for s in part],
                width=0.3 if phase == "waiting" else 0.78,
                marker={
                    "color": colour,
                    "line": {"color": "#fff", "width": 0.6 if row_px > 12 else 0},
                },
                name=phase,
                hovertext=[s.words for s in part],
                hoverinfo="text",
            )
    _marks(drawn, moves, rows, by.size)
    for place, name in heads.items():
        drawn.add_annotation(
            text=f"<b>{label(name, longest=30)}</b>", x=0, xref="paper", xanchor="left", y=place,
            yanchor="middle", showarrow=False, font={"size": 11, "color": style.MUTED},
            bgcolor="#fff", borderpad=0,
        )  # fmt: skip
    every = int(np.ceil(13 / row_px))
    drawn.update_yaxes(
        tickvals=rows[::every],
        ticktext=[label(str(move["guest"]), longest=18) for move in moves[::every]],
        tickfont={"size": 11},
        range=[len(rows) + tall * len(heads) - 0.4, -0.6],
        showgrid=False,
    )
    begin = min((float(move["requested_s"]) for move in moves), default=0.0)
    room = 0.02 * (end - begin or 1.0)
    drawn.update_xaxes(
        title_text=f"time ({by.unit})",
        range=[(begin - room) / by.size, (end + room) / by.size],
    )
    drawn.update_layout(
        barmode="overlay",
        margin={"t": top, "b": 50},
        legend={"y": 1 + 4 / max(body, 1.0), "yanchor": "bottom", "x": 0},
        meta={"narrow": {"height": round(slim_top + body + 50), "margin.t": slim_top}},
    )
    return drawn


def rounds(rounds: pd.DataFrame, guest: str, *, height: int = 420) -> go.Figure:
    """Draw how the rounds of one guest's migration went: what was pending, what was sent.

    Parameters
    ----------
    rounds
        The rounds table of one run.
    guest
        The guest's name; the last of several migrations is drawn.
    height
        In CSS pixels.

    Returns
    -------
    plotly.graph_objects.Figure
        Above: bytes pending at the start of each round, and what the downtime limit allowed to
        be left. Below: bytes sent in each round.

    Raises
    ------
    ResultError
        If the table has no rounds of such a guest.
    """
    mine = rounds[rounds["guest"] == guest]
    if mine.empty:
        meant = did_you_mean(guest, map(str, rounds["guest"].unique()))
        raise ResultError(
            f"no rounds of a guest {guest!r}" + (f"; did you mean {meant!r}?" if meant else "")
        )
    mine = mine[mine["started_s"] == mine["started_s"].max()].sort_values("from_s", kind="stable")
    title = ""
    if len(mine) > MOST_ROWS:
        title = f"{MOST_ROWS:,} of {len(mine):,} rounds"
        mine = mine.iloc[np.linspace(0, len(mine) - 1, MOST_ROWS).round().astype(int)]
    # nothing is asked of what a pause leaves, or of what follows it
    live = (~mine["kind"].isin(["switch-over", "post-copy"])).to_numpy()
    pending = mine["pending_pages"].to_numpy(float) * PAGE
    limit, sent = mine["threshold_bytes"].to_numpy(float), mine["sent_bytes"].to_numpy(float)
    start, end = mine["from_s"].to_numpy(float), mine["to_s"].to_numpy(float)
    zero = float(start[0])
    x_by = scale(float(end[-1]) - zero, "seconds")
    y_by, s_by = scale(float(np.nanmax(pending)), "bytes"), scale(float(np.nanmax(sent)), "bytes")
    colours = [style.KIND_COLOURS.get(str(kind), style.MUTED) for kind in mine["kind"]]
    words = [
        f"<b>round {number}: {kind}</b><br>{human(float(b - a), 'seconds')}"
        f"<br>pending {human(float(p), 'bytes')}<br>sent {human(float(s), 'bytes')}"
        f"<br>dirtied meanwhile {human(float(d) * PAGE, 'bytes')}"
        for number, kind, a, b, p, s, d in zip(
            mine["round"],
            mine["kind"],
            start,
            end,
            pending,
            sent,
            mine["dirtied_pages"],
            strict=True,
        )
    ]
    drawn = style.figure(height=height, title=title)
    drawn.add_scatter(
        x=(start - zero) / x_by.size,
        y=pending / y_by.size,
        mode="lines+markers",
        line={"color": "#98a1b0", "width": 1.5},
        marker={"color": colours, "size": 9},
        cliponaxis=False,
        hovertext=words,
        hoverinfo="text",
        name="pending when the round began",
    )
    drawn.add_scatter(
        x=(end - zero)[live] / x_by.size,
        y=limit[live] / y_by.size,
        mode="lines",
        line={"color": "#d55e00", "width": 1.5, "dash": "dash"},
        hovertemplate=f"may be left: %{{y:.3g}} {y_by.unit}<extra></extra>",
        name="what the downtime limit allows",
    )
    for kind in dict.fromkeys(mine["kind"]):
        chosen = (mine["kind"] == kind).to_numpy()
        drawn.add_bar(
            x=((start + end) / 2 - zero)[chosen] / x_by.size,
            y=sent[chosen] / s_by.size,
            width=np.maximum(end - start, 0.004 * (end[-1] - zero))[chosen] / x_by.size,
            marker={
                "color": style.KIND_COLOURS.get(str(kind), style.MUTED),
                "line": {"color": "#fff", "width": 0.6},
            },
            hovertext=[word for word, here in zip(words, chosen, strict=True) if here],
            hoverinfo="text",
            name=str(kind),
            yaxis="y2",
        )
    positive = np.concatenate([pending[pending > 0], limit[limit > 0]]) / y_by.size
    log = len(positive) > 0 and positive.max() > 8 * positive.min()
    drawn.update_layout(
        xaxis={
            "title": {"text": f"time since the first byte ({x_by.unit})"},
            "anchor": "y2",
            "rangemode": "tozero",
        },
        yaxis={
            "title": {"text": f"pending ({y_by.unit})"},
            "domain": [0.5, 1],
            **(style.log_axis(positive.min(), positive.max()) if log else {"rangemode": "tozero"}),
        },
        yaxis2={
            "title": {"text": f"sent ({s_by.unit})"},
            "domain": [0, 0.42],
            "rangemode": "tozero",
        },
        legend={"y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"t": 60 if title else 40},
        meta={"narrow": {"margin.t": 110, "height": height + 70}},
    )
    return drawn


def _place(move: dict[Any, Any]) -> tuple[Any, ...]:
    """Return what a migration is sorted by: its source host, its start, its guest."""
    start = move["requested_s"] if np.isnan(move["started_s"]) else move["started_s"]
    return natural(str(move["source"])), start, natural(str(move["guest"]))


def natural(name: str) -> list[str | int]:
    """Return a key that puts host2 before host10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"([0-9]{1,18})", name)]


def _segments(
    moves: list[dict[Any, Any]], rows: list[int], rounds: pd.DataFrame | None
) -> Iterator[_Segment]:
    """Yield the phases of each migration."""
    by_move: dict[tuple[str, float], list[dict[Any, Any]]] = {}
    if rounds is not None:
        wanted = {(move["guest"], move["started_s"]) for move in moves}
        for part in rounds.to_dict("records"):
            if (part["guest"], part["started_s"]) in wanted:
                by_move.setdefault((part["guest"], part["started_s"]), []).append(part)
    for row, move in zip(rows, moves, strict=True):
        to = label(str(move["destination"])) or "nowhere"
        about = f"<b>{label(str(move['guest']))}</b> to {to}<br>"
        ended, started, stream = (float(move[c]) for c in ("ended_s", "started_s", "stream_s"))
        asked = float(move["requested_s"])

        def segment(
            phase: str, start: float, end: float, words: str = "", *, of: int = row, to: str = about
        ) -> _Segment:
            return _Segment(
                of, phase, start, end, f"{to}{phase}: {human(end - start, 'seconds')}{words}"
            )

        if np.isnan(started):
            if ended > asked:
                yield segment("waiting", asked, ended, "<br>never admitted")
            continue
        if started > asked:
            yield segment("waiting", asked, started)
        if move["outcome"] == COLD:
            stopped = ended - float(move["downtime_s"])
            if stopped > started:
                yield segment("preparing", started, stopped)
            yield segment("moved cold", stopped, ended)
            continue
        sending = ended if np.isnan(stream) else stream
        if sending > started:
            policy = (
                f"<br>of that, policy {human(move['policy_s'], 'seconds')}"
                if move["policy_s"] > 0
                else ""
            )
            yield segment("preparing", started, sending, policy)
        if np.isnan(stream):
            continue
        parts = by_move.get((move["guest"], started), [])
        again = [part for part in parts if part["kind"] == "re-sent"]
        if len(again) > _MOST_ROUNDS:
            sent = human(sum(part["sent_bytes"] for part in again), "bytes")
            words = f"<br>{len(again)} rounds, sent {sent}"
            yield segment("re-sent", again[0]["from_s"], again[-1]["to_s"], words)
            parts = [part for part in parts if part["kind"] != "re-sent"]
        for part in parts:
            words = f"<br>round {part['round']}, sent {human(part['sent_bytes'], 'bytes')}"
            yield segment(str(part["kind"]), part["from_s"], part["to_s"], words)
        if not parts:
            pause = min(float(np.nan_to_num(move["downtime_s"])), ended - stream)
            yield segment(
                "stream", stream, ended - pause, f"<br>sent {human(move['sent_bytes'], 'bytes')}"
            )
            if pause > 0:
                yield segment("switch-over", ended - pause, ended)


def _marks(drawn: go.Figure, moves: list[dict[Any, Any]], rows: list[int], size: float) -> None:
    """Mark every blackout, and the end of every migration that came to nothing."""
    pairs = list(zip(rows, moves, strict=True))
    live = [(row, move) for row, move in pairs if move["outcome"] in LIVE]
    lost = [(row, move) for row, move in pairs if not str(move["outcome"]).startswith("completed")]
    for part, name, marker in (
        (live, "blackout", {"symbol": "diamond", "size": 7, "color": "#1f2430"}),
        (lost, "did not move", {"symbol": "x", "size": 8, "color": "#d55e00"}),
    ):
        if not part:
            continue
        drawn.add_scatter(
            x=[_end(move) / size for _, move in part],
            y=[row for row, _ in part],
            mode="markers",
            marker={**marker, "line": {"color": "#fff", "width": 1}},
            name=name,
            cliponaxis=False,
            hovertext=[_outcome(move) for _, move in part],
            hoverinfo="text",
        )


def _end(move: dict[Any, Any]) -> float:
    return float(move["requested_s"] if np.isnan(move["ended_s"]) else move["ended_s"])


def _outcome(move: dict[Any, Any]) -> str:
    words = f"<b>{label(str(move['guest']))}</b><br>{label(str(move['outcome']))}"
    if move["reason"]:
        words += f"<br>{label(str(move['reason']), longest=90)}"
    if move["outcome"] in LIVE:
        words += f"<br>paused {human(move['downtime_s'], 'seconds')}"
        words += f"<br>in all {human(move['total_time_s'], 'seconds')}"
        words += f"<br>sent {human(move['sent_bytes'], 'bytes')} in {move['rounds']} rounds"
    return words
