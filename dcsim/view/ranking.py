"""Figures of which level is best: a row a level, and a map of where each one is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor, Value, labels
from dcsim.study.findings.ranking import Ranked, Ranking, called
from dcsim.study.findings.statistics import Interval, words
from dcsim.units import format_count
from dcsim.view import style
from dcsim.view.front import half, padded, told
from dcsim.view.style import human, label, quantity, scale

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_PANELS: Final = 9
"""Panels of a map that can still be told apart."""

_ROW: Final = 30
_TOP: Final = 58
_AXIS: Final = 46
_BETWEEN: Final = 34
_LANE: Final = 8
_MOST_TICKS: Final = 24
_MOST_PERCENT: Final = 999
_KEY: Final = "in cells: % to the second; pale: not clear"
_PATTERNS: Final = ("", ".", "x", "-")
_OWN: Final = frozenset(
    ("best", "best_mean", "second", "second_mean", "margin_percent", "clear", "levels")
)


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


def winners_map(
    frame: pd.DataFrame, *, x: Factor, y: Factor | None = None, by: Factor
) -> go.Figure:
    """Draw which level is best where: a cell a combination of one or two factors.

    Parameters
    ----------
    frame
        What `study.findings.ranking.best_by_point` gave. Of further factors in it, each combination
        has a panel.
    x, y
        Factors across and up.
    by
        The factor whose levels compete.

    Returns
    -------
    plotly.graph_objects.Figure
        Cells in the colour of the best, with the margin of the second in them; pale where it is
        not clear, blank where no run has a value.

    Raises
    ------
    ResultError
        If the frame lacks a factor, or has more than `MOST_PANELS` combinations of further ones.
    """
    factors = [x] if y is None else [x, y]
    for factor in factors:
        if factor.path not in frame:
            message = f"the points have no {factor.path!r}"
            raise ResultError(message)
    used = _OWN | {factor.path for factor in factors}
    rest = [
        name
        for name in map(str, frame)
        if name not in used and frame[name].nunique(dropna=False) > 1
    ]
    parts = list(frame.groupby(rest, sort=False, dropna=False)) if rest else [((), frame)]
    if len(parts) > MOST_PANELS:
        message = (
            f"{' and '.join(rest)}: {len(parts)} combinations would have a panel each, and "
            f"{MOST_PANELS} at most can be told apart; keep the points of fewer"
        )
        raise ResultError(message)
    called_by = labels(rest)
    titles = [
        ", ".join(f"{called_by[path]} = {value}" for path, value in zip(rest, key, strict=True))
        for key, _ in parts
    ]
    height = 1 if y is None else len(y.values)
    drawn = style.figure()
    looks = style.variant_styles(str(value) for value in by.values)
    cells = [
        (panel, cell)
        for panel, (_, part) in enumerate(parts)
        for cell in _records(part)
        if not math.isnan(cell["best_mean"])
    ]
    for place, level in enumerate(by.values):
        mine = [(panel, cell) for panel, cell in cells if _value(cell["best"]) == level]
        if mine:
            _bars(drawn, mine, x=x, y=y, by=by, place=place, colour=looks[str(level)][0])
    _arrange(drawn, titles, x=x, y=y, rows=height)
    return drawn


def _bars(
    drawn: go.Figure,
    cells: Sequence[tuple[int, dict[str, Any]]],
    *,
    x: Factor,
    y: Factor | None,
    by: Factor,
    place: int,
    colour: str,
) -> None:
    """Draw the cells of one level, and its entry of the legend."""
    name = called(by, by.values[place])
    pattern = {"shape": _PATTERNS[place // 8 % 4], "solidity": 0.15, "fgopacity": 0.7}
    strong, pale = _tint(colour, 0.55), _tint(colour, 0.2)  # ink can be read on both
    looks = {
        True: {"color": strong, "pattern": {**pattern, "bgcolor": strong, "fgcolor": "#fff"}},
        False: {"color": pale, "pattern": {**pattern, "bgcolor": pale, "fgcolor": strong}},
    }
    look = {"name": label(name, longest=28), "legendgroup": name}
    drawn.add_bar(
        x=[None],
        y=[None],
        marker=looks[True],
        showlegend=True,
        **look,
    )
    for panel, clear in sorted({(panel, cell["clear"]) for panel, cell in cells}):
        mine = [cell for number, cell in cells if (number, cell["clear"]) == (panel, clear)]
        tail = str(panel + 1) if panel else ""
        drawn.add_bar(
            x=[_place(x, cell) for cell in mine],
            y=[0.94] * len(mine),
            base=[_place(y, cell) - 0.47 if y else -0.47 for cell in mine],
            width=0.96,
            marker={**looks[clear], "line": {"width": 0}},
            text=[_margin(cell) for cell in mine],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": style.INK, "size": 11.5},
            hovertext=[_cell_hover(cell, name=name, by=by, x=x, y=y) for cell in mine],
            hoverinfo="text",
            showlegend=False,
            xaxis=f"x{tail}",
            yaxis=f"y{tail}",
            **look,
        )


def _arrange(
    drawn: go.Figure, titles: Sequence[str], *, x: Factor, y: Factor | None, rows: int
) -> None:
    """Lay panels out: up to three in a row, one in a narrow place."""
    count = len(titles)
    columns = 2 if count in (2, 4) else min(count, 3)
    names = [trace.name for trace in drawn.data if trace.showlegend]
    changes: dict[str, Any] = {}
    for across, characters, target in ((columns, 130, None), (1, 48, changes)):
        a_line = max(1, characters // (8 + max(map(len, names), default=0)))
        lines = math.ceil(len(names) / a_line)
        top = 14 + 20 * (lines + 1) + (_BETWEEN - 10 if any(titles) else 0)
        down = math.ceil(count / across)
        body = _ROW * max(rows, 2)
        plot = down * body + (down - 1) * _BETWEEN
        layout: dict[str, Any] = {"height": top + plot + 70, "margin.t": top}
        notes = []
        for i, title in enumerate(titles):
            tail = str(i + 1) if i else ""
            row, column = divmod(i, across)
            left, right = (column + 0.04 * bool(column)) / across, (column + 1) / across
            high = 1 - row * (body + _BETWEEN) / plot
            lowest = i + across >= count
            layout |= {
                f"xaxis{tail}.domain": [left, right],
                f"yaxis{tail}.domain": [max(0.0, high - body / plot), high],
                f"xaxis{tail}.showticklabels": lowest,
                f"yaxis{tail}.showticklabels": y is not None and column == 0,
                f"xaxis{tail}.title.text": label(x.label, longest=40) if lowest else "",
                f"yaxis{tail}.title.text": label(y.label, longest=40)
                if y is not None and column == 0
                else "",
            }
            notes.append(
                {
                    "text": label(title, longest=40 if across > 1 else 48),
                    "xref": "paper",
                    "yref": "paper",
                    "x": left,
                    "y": high,
                    "xanchor": "left",
                    "yanchor": "bottom",
                    "showarrow": False,
                    "font": {"size": 12, "color": style.MUTED},
                }
            )
        layout["annotations"] = notes if any(titles) else []
        layout["legend.y"] = 1 + (_BETWEEN - 10 if any(titles) else 4) / plot
        if target is None:
            for i in range(count):
                tail = str(i + 1) if i else ""
                drawn.update_layout(
                    {
                        f"xaxis{tail}": {"anchor": f"y{tail}", **_ticks(x)},
                        f"yaxis{tail}": {"anchor": f"x{tail}", **(_ticks(y) if y else _BARE)},
                    }
                )
            drawn.update_layout({key.replace(".", "_"): value for key, value in layout.items()})
        else:
            target |= layout
    drawn.update_layout(
        barmode="overlay",
        bargap=0,
        legend={"yanchor": "bottom", "x": 0},
        margin_b=60,
        title={"text": _KEY, "xref": "container", "pad": {"t": 8, "l": 10}},
        uniformtext={"minsize": 9, "mode": "hide"},
        meta={"narrow": changes},
    )


def _ticks(factor: Factor) -> dict[str, Any]:
    """Return an axis with a factor's values as written, as many of them as can be read."""
    count = len(factor.values)
    shown = list(range(0, count, math.ceil(count / _MOST_TICKS)))
    return {
        "tickvals": shown,
        "ticktext": [label(str(factor.values[i]), longest=24) for i in shown],
        "range": [-0.5, count - 0.5],
        "showgrid": False,
    }


_BARE: Final = {"range": [-0.5, 0.5], "showgrid": False}


def _place(factor: Factor, cell: dict[str, Any]) -> int:
    """Return which of a factor's values a point has."""
    return factor.values.index(_value(cell[factor.path]))


def _value(value: Any) -> Value:
    """Return a value of a column, which may hold None as NaN."""
    return None if value != value else value


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(map(str, frame), row, strict=True)) for row in frame.itertuples(index=False)]


def _tint(colour: str, share: float) -> str:
    """Return a colour on white, so much of it."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 - share * (255 - part)):02x}" for part in parts)


def _margin(cell: dict[str, Any]) -> str:
    """Return what stands in a cell: how far the second is, if that is known."""
    margin = cell["margin_percent"]
    if margin > _MOST_PERCENT:
        return label(f">{_MOST_PERCENT}")
    if 0 < margin < 1:
        return label("<1")
    return style.number_text(margin, digits=2) if math.isfinite(margin) else ""


def _cell_hover(cell: dict[str, Any], *, name: str, by: Factor, x: Factor, y: Factor | None) -> str:
    where = ", ".join(f"{f.label} = {cell[f.path]}" for f in (x, y) if f is not None)
    lines = [label(where, longest=120), f"<b>{label(name)}</b> is best"]
    if cell["levels"] > 1:
        margin = human(cell["margin_percent"] / 100, "share")
        sure = "clearly" if cell["clear"] else "perhaps"
        lines.append(f"second {label(called(by, _value(cell['second'])))}, {margin} off, {sure}")
    return "<br>".join(lines)


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
