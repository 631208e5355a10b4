"""The figure of which level is best where: a cell a combination of one or two factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor, labels
from dcsim.study.findings.blocks import plain
from dcsim.study.findings.words import called
from dcsim.view import style
from dcsim.view.style import human, label

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_PANELS: Final = 9
"""Panels of a map that can still be told apart."""

_ROW: Final = 30
_BETWEEN: Final = 34
_MOST_TICKS: Final = 24
_MOST_PERCENT: Final = 999
_KEY: Final = "in cells: % to the second; pale: not clear"
_PATTERNS: Final = ("", ".", "x", "-")
_OWN: Final = frozenset(
    ("best", "best_mean", "second", "second_mean", "margin_percent", "clear", "levels")
)
_BARE: Final = {"range": [-0.5, 0.5], "showgrid": False}


def winners_map(
    frame: pd.DataFrame, *, x: Factor, y: Factor | None = None, by: Factor
) -> go.Figure:
    """Draw which level is best where: a cell a combination of one or two factors.

    Parameters
    ----------
    frame
        What `study.findings.winners.best_by_point` gave. Of further factors in it, each combination
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
        mine = [(panel, cell) for panel, cell in cells if plain(cell["best"]) == level]
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


def _place(factor: Factor, cell: dict[str, Any]) -> int:
    """Return which of a factor's values a point has."""
    return factor.values.index(plain(cell[factor.path]))


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
        lines.append(f"second {label(called(by, plain(cell['second'])))}, {margin} off, {sure}")
    return "<br>".join(lines)
