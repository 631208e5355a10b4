"""The figure of a ranking: a row a level, the best on top."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Value
from dcsim.study.findings.ranking import Ranked, Ranking
from dcsim.study.findings.statistics import Interval, words
from dcsim.study.findings.words import called
from dcsim.units import format_count
from dcsim.view import style
from dcsim.view.front import half, padded, told
from dcsim.view.style import human, label, quantity, scale

if TYPE_CHECKING:
    import plotly.graph_objects as go

_ROW: Final = 30
_TOP: Final = 58
_AXIS: Final = 46
_LANE: Final = 8


def ranking_figure(ranking: Ranking, *, against_best: bool = False) -> go.Figure:
    """Draw the levels of a factor in their order, the best on top, a bar beside those that tie.

    Parameters
    ----------
    ranking
        What `dcsim.study.findings.ranking.rank` gave.
    against_best
        Draw paired differences to the first instead of means.

    Returns
    -------
    plotly.graph_objects.Figure
        A row a level that has a value (and a point with the first, if differences are drawn): its
        rank and name, the figure and its interval, and at how many points it is best.

    Raises
    ------
    ResultError
        If no run has a value.
    """
    pairs = [(row, row.against_best if against_best else row.mean) for row in ranking.rows[::-1]]
    rows = [row for row, found in pairs if not math.isnan(found.mean)]
    shown = [found for _, found in pairs if not math.isnan(found.mean)]
    if not rows:
        message = f"no run has a value of {ranking.metric}: there is nothing to draw"
        raise ResultError(message)
    kind = quantity(ranking.metric)
    by = scale(max(abs(found.mean) for found in shown), kind)
    low, high = padded(shown, by) if not against_best else _around_zero(shown, by.size)
    lanes = _lanes(rows, ranking.ties)
    title = "a bar joins levels that are not clearly apart" if lanes else ""
    looks = style.variant_styles(called(ranking.by, value) for value in ranking.by.values)
    names = [called(ranking.by, row.level) for row in rows]
    ranks = [_rank(row) for row in rows]
    wide, slim = (
        [
            f"{label(name, longest=longest)}  <b>{rank}</b>"
            for name, rank in zip(names, ranks, strict=True)
        ]
        for longest in (40, 20)
    )
    drawn = style.figure(
        height=_TOP + _ROW * len(rows) + _AXIS,
        title=title,
        narrow={"yaxis.ticktext": slim, "xaxis.range": [low, high + 0.5 * (high - low)]},
    )
    if against_best:
        drawn.add_vline(x=0, line={"color": style.MUTED, "width": 1})
    style.draw_ends(
        drawn,
        [found.mean for found in shown],
        [half(found) for found in shown],
        [f"\u2002{_text(ranking, row, against_best=against_best)}" for row in rows],
        size=by.size,
        longest=(high - low) * by.size,
    )
    drawn.add_scatter(
        x=[found.mean / by.size for found in shown],
        y=list(range(len(rows))),
        mode="markers",
        marker={
            "color": [looks[name][0] for name in names],
            "symbol": [looks[name][1] for name in names],
            "size": 11,
            "line": {"color": "#fff", "width": 1},
        },
        text=[_hover(ranking, row) for row in rows],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )
    for lane, first, last in lanes:
        drawn.add_shape(
            type="line",
            xref="paper",
            xsizemode="pixel",
            xanchor=1,
            x0=_LANE * (lane + 1),
            x1=_LANE * (lane + 1),
            y0=first - 0.3,
            y1=last + 0.3,
            line={"color": style.MUTED, "width": 3},
        )
    begin = _LANE * (2 + max((lane for lane, _, _ in lanes), default=-1))
    column = {"xref": "paper", "x": 1, "xshift": begin, "xanchor": "left", "showarrow": False}
    wins = [format_count(round(row.wins * ranking.points, 1)) for row in rows]
    if ranking.points > 1 and len(rows) > 1:
        drawn.update_layout(
            annotations=[
                {"text": text, "y": y, **column, "font": {"size": 11.5}}
                for y, text in enumerate(wins)
            ]
            + [
                {
                    "text": f"best at<br>(of {ranking.points})",
                    "yref": "paper",
                    "y": 1,
                    "yanchor": "bottom",
                    "align": "left",
                    **column,
                    "font": {"size": 11.5, "color": style.MUTED},
                }
            ]
        )
        begin += 44
    what = f"{ranking.metric}, paired difference to the best" if against_best else ranking.metric
    drawn.update_layout(title={"xref": "container", "pad": {"t": 8, "l": 10}})
    drawn.update_layout(margin={"l": 10, "r": begin + 8, "t": _TOP, "b": _AXIS})
    drawn.update_xaxes(
        title_text=f"{what} ({by.unit})" if by.unit else what,
        range=[low, high + 0.15 * (high - low)],
        nticks=6,
    )
    drawn.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=wide,
        range=[-0.6, len(rows) - 0.4],
        showgrid=False,
    )
    return drawn


def _rank(row: Ranked) -> str:
    return f"{row.rank_low}" if row.rank_low == row.rank_high else f"{row.rank_low}–{row.rank_high}"


def _text(ranking: Ranking, row: Ranked, *, against_best: bool) -> str:
    kind = quantity(ranking.metric)
    if not against_best:
        return human(row.mean.mean, kind)
    gap, change = row.against_best.mean, row.change.mean
    text = human(gap, kind) if math.isnan(change) else human(change, "share")
    return f"+{text}" if gap > 0 else text


def _hover(ranking: Ranking, row: Ranked) -> str:
    first = called(ranking.by, ranking.rows[0].level)
    lines = [
        f"<b>{label(called(ranking.by, row.level))}</b>, rank {_rank(row)}",
        f"{ranking.metric} {told(row.mean, quantity(ranking.metric))}",
    ]
    if row.level != ranking.rows[0].level:
        change = words(row.change, unit="%", scale=100, tail=f"than {label(first)}")
        lines.append(change if row.change.pairs else f"at no point with {label(first)}")
    lines.append(f"{row.points} of {ranking.points} points")
    return "<br>".join(lines)


def _around_zero(shown: Sequence[Interval], size: float) -> tuple[float, float]:
    """Return an axis range that holds zero and all whiskers."""
    low = min(0.0, *(found.mean - half(found) for found in shown)) / size
    high = max(0.0, *(found.mean + half(found) for found in shown)) / size
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _lanes(rows: Sequence[Ranked], ties: Sequence[Sequence[Value]]) -> list[tuple[int, int, int]]:
    """Return each tie's lane, so that no two bars meet, and its lowest and highest row."""
    places = {row.level: i for i, row in enumerate(rows)}
    ends: list[int] = []
    found = []
    drawn = [[level for level in tie if level in places] for tie in ties]
    for tie in (tie for tie in drawn if len(tie) > 1):  # from the top down
        first, *_, last = sorted(places[level] for level in tie)
        lane = next((i for i, end in enumerate(ends) if end > last), len(ends))
        ends[lane : lane + 1] = [first]
        found.append((lane, first, last))
    return found
