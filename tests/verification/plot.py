"""Small pictures of a comparison, as SVG: the same rows give the same bytes.

A table is the model against what was published, on logarithmic axes, and beside it the error of
each cell within its bound; a curve is lines of the model through published points. Hollow marks
are constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from dcsim.view.style import GRID, INK, MUTED
from tests.verification.comparison import Row, Table, number

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, as in the report."""
BAND = "#e8edf4"

Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Box:
    """Where in the picture something is drawn, in its units."""

    left: float
    top: float
    right: float
    bottom: float


def svg(table: Table) -> str:
    """Return the picture of a table."""
    return _curve(table) if table.axis else _scatter_and_errors(table)


# ------------------------------------------------------------------ a table


def _scatter_and_errors(table: Table) -> str:
    rows = [row for row in table.rows if math.isfinite(row.error)]
    units = list(dict.fromkeys(row.unit for row in rows))
    colour = dict(zip(units, COLOURS, strict=False))
    names = [f"{row.cell}, {row.unit}" if len(units) > 1 else row.cell for row in rows]
    height = max(320, 60 + 20 * len(rows))
    begin = 410 + 6.2 * max(map(len, names))
    parts = [
        *_scatter(rows, Box(56, 12, 330, 276), colour),
        *_errors(table, rows, names, Box(begin, 12, begin + 200, height - 44), colour),
    ]
    return _document(begin + 214, height, table.title, parts)


def _scatter(rows: Sequence[Row], box: Box, colour: dict[str, str]) -> Iterable[str]:
    shown = [row for row in rows if 0 < row.nearest < math.inf and 0 < row.model < math.inf]
    values = [value for row in shown for value in (row.nearest, row.model)]
    low, high = min(values) / 1.6, max(values) * 1.6
    x, y = _log(low, high, box.left, box.right), _log(low, high, box.bottom, box.top)
    yield from _axes(box, x, y, _decades(low, high), _decades(low, high))
    yield f'<path stroke="{MUTED}" d="{_path([(x(low), y(low)), (x(high), y(high))])}"/>'
    for row in shown:
        yield _mark(x(row.nearest), y(row.model), colour[row.unit], row)
    if len(colour) > 1:
        for i, unit in enumerate(colour):
            yield from _key(box.left + 14, box.top + 16 + 17 * i, unit, colour[unit])
    unit = f", {shown[0].unit}" if len(colour) == 1 else ""
    yield from _names(box, f"published{unit}", f"model{unit}")


def _errors(
    table: Table, rows: Sequence[Row], names: Sequence[str], box: Box, colour: dict[str, str]
) -> Iterable[str]:
    def percent(row: Row, error: float) -> float:
        return error if row.unit == "%" else 100 * error

    widest = 1.15 * max(percent(row, max(abs(row.error), table.bound(row))) for row in rows)
    x = _linear(-widest, widest, box.left, box.right)
    step = (box.bottom - box.top) / len(rows)
    for i, row in enumerate(rows):
        bound = percent(row, table.bound(row))
        yield (
            f'<rect x="{x(-bound):.1f}" y="{box.top + step * (i + 0.15):.1f}" fill="{BAND}" '
            f'width="{x(bound) - x(-bound):.1f}" height="{0.7 * step:.1f}"/>'
        )
    ticks = _round_numbers(-widest, widest)
    if widest < 0.1:  # long numbers: the outermost, and 0
        ticks = [ticks[0], 0.0, ticks[-1]]
    yield from _axes(box, x, lambda value: value, ticks, ())
    yield f'<path stroke="{MUTED}" d="M{x(0):.1f} {box.top}V{box.bottom}"/>'
    for i, (row, name) in enumerate(zip(rows, names, strict=True)):
        y = box.top + step * (i + 0.5)
        yield (
            f'<text x="{box.left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'
        )
        yield _mark(x(percent(row, row.error)), y, colour[row.unit], row)
    yield from _names(box, "error in %, and its bound", "")


# ------------------------------------------------------------------ a curve


def _curve(table: Table) -> str:
    box = Box(56, 12, 470, 336)
    rows = [row for row in table.rows if row.series]
    series = list(dict.fromkeys(row.series for row in rows))
    unit = rows[0].unit
    values = [v for row in rows for v in (row.published, row.model) if math.isfinite(v)]
    if unit == "%":
        low, high = 0.0, 1.1 * max(values)
        y, marks = _linear(low, high, box.bottom, box.top), _round_numbers(low, high)
    else:
        low, high = min(values) / 1.3, max(values) * 1.3
        y, marks = _log(low, high, box.bottom, box.top), _decades(low, high)
    end = 1.05 * max(row.x for row in rows)
    x = _linear(0.0, end, box.left, box.right)
    parts = [*_axes(box, x, y, _round_numbers(0.0, end), marks)]
    for i, (name, colour) in enumerate(zip(series, COLOURS, strict=False)):
        own = [row for row in rows if row.series == name]
        line = _path([(x(row.x), y(row.model)) for row in own])
        parts.append(f'<path fill="none" stroke="{colour}" stroke-width="1.6" d="{line}"/>')
        parts += [
            _mark(x(row.x), y(row.nearest), colour, row)
            for row in own
            if not math.isnan(row.published)
        ]
        parts += _key(box.right + 16, box.top + 10 + 18 * i, name, colour)
    parts += _names(box, table.axis, f"{unit}: model (lines), published (marks)")
    return _document(box.right + 200, box.bottom + 44, table.title, parts)


# ------------------------------------------------------------------ pieces


def _mark(x: float, y: float, colour: str, row: Row) -> str:
    fill = "#ffffff" if row.role == "constant" else colour
    text = escape(f"{row.cell}: published {number(row.published)}, model {number(row.model)}")
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{colour}" '
        f'stroke-width="1.6"><title>{text}</title></circle>'
    )


def _axes(
    box: Box, x: Scale, y: Scale, along: Iterable[float], up: Iterable[float]
) -> Iterable[str]:
    for value in along:
        at = f"{x(value):.1f}"
        yield f'<path stroke="{GRID}" d="M{at} {box.top}V{box.bottom}"/>'
        yield f'<text x="{at}" y="{box.bottom + 16}" text-anchor="middle">{_short(value)}</text>'
    for value in up:
        at = f"{y(value):.1f}"
        yield f'<path stroke="{GRID}" d="M{box.left} {at}H{box.right}"/>'
        yield (
            f'<text x="{box.left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">'
            f"{_short(value)}</text>"
        )
    yield (
        f'<rect x="{box.left:.1f}" y="{box.top}" width="{box.right - box.left:.1f}" '
        f'height="{box.bottom - box.top}" fill="none" stroke="{MUTED}"/>'
    )


def _names(box: Box, along: str, up: str) -> Iterable[str]:
    middle = (box.left + box.right) / 2
    yield (
        f'<text x="{middle:.1f}" y="{box.bottom + 36}" text-anchor="middle" fill="{INK}">'
        f"{escape(along)}</text>"
    )
    if up:
        yield (
            f'<text transform="translate(14 {(box.top + box.bottom) / 2:.1f}) rotate(-90)" '
            f'text-anchor="middle" fill="{INK}">{escape(up)}</text>'
        )


def _key(x: float, y: float, name: str, colour: str) -> Iterable[str]:
    yield f'<circle cx="{x:.1f}" cy="{y - 4:.1f}" r="4" fill="{colour}"/>'
    yield f'<text x="{x + 9:.1f}" y="{y:.1f}" fill="{INK}">{escape(name)}</text>'


def _document(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    size = f"{width:.0f} {height:.0f}"
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="sans-serif" font-size="12" fill="{MUTED}">\n'
        f'<title>{escape(title)}</title>\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f"{body}\n</svg>\n"
    )


# ------------------------------------------------------------------ scales


def _linear(low: float, high: float, begin: float, end: float) -> Scale:
    return lambda value: begin + (value - low) / (high - low) * (end - begin)


def _log(low: float, high: float, begin: float, end: float) -> Scale:
    inner = _linear(math.log(low), math.log(high), begin, end)
    return lambda value: inner(math.log(value))


def _decades(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 of each power of ten, or the powers alone where they are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 500 else (1,)
    values = [step * 10.0**power for power in powers for step in steps]
    return [value for value in values if low <= value <= high]


def _round_numbers(low: float, high: float) -> list[float]:
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(f * power for f in (1, 2, 5, 10) if (high - low) / (f * power) <= 6)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _short(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"
