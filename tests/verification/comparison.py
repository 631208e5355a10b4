"""A comparison is data: published cells, what the model says, and how far apart they may be.

The tests assert the bounds, ``make verify`` prints the rows, and `docs/validation.md` is written
from them.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from statistics import median
from typing import Any, Literal

MOST_CONSTANTS = 4
"""Cells of one published table that the model may be set from."""

CONSTANT_BOUND = 0.06
"""Largest error of a cell that the model was set from, where the table's bound is not smaller."""

TINY = 1e-6
"""Errors below it are not told from one another."""

Role = Literal["constant", "prediction"]


@dataclass(frozen=True, slots=True)
class Row:
    """One cell.

    Attributes
    ----------
    cell
        What was measured.
    published, model
        The figure as published, and the model's, in `unit`; infinite: never; NaN: not published.
    role
        ``constant``: the model is set from this cell; ``prediction``: it is not.
    upto
        Where a range was published, its end; `published` is its beginning.
    bound
        The largest error it may have; unset: the table's.
    series, x
        Where the table is a curve, which one, and the place on it.
    """

    cell: str
    published: float
    model: float
    unit: str
    role: Role = "prediction"
    upto: float | None = None
    bound: float | None = None
    series: str = ""
    x: float = math.nan

    @property
    def nearest(self) -> float:
        """The published figure, or the end of the published range that is nearest to the model."""
        if self.upto is None:
            return self.published
        return min(max(self.model, self.published), self.upto)

    @property
    def error(self) -> float:
        """Relative error of the model; of shares in %, the difference in points."""
        if self.model == self.nearest:
            return 0.0
        if self.unit == "%":
            return self.model - self.nearest
        return self.model / self.nearest - 1


@dataclass(frozen=True, slots=True)
class Table:
    """One published table beside the model's.

    Attributes
    ----------
    key
        Name of its picture.
    title
        What it is.
    source
        Who published it, with the label of `docs/facts.md`.
    setting
        What the model was told, and which cells that came from.
    reading
        What the errors show.
    bounds
        For each unit, the largest error that a cell may have.
    rows
        The cells.
    axis
        Where the table is a curve, what lies along it.
    stored
        File of `data/` that keeps the rows for machines where they cannot be computed.
    digits
        With how many its figures are written.
    most_constants
        Cells that the model may be set from.
    """

    key: str
    title: str
    source: str
    setting: str
    reading: str
    bounds: Mapping[str, float]
    rows: tuple[Row, ...]
    axis: str = ""
    stored: str = ""
    digits: int = 3
    most_constants: int = MOST_CONSTANTS

    @property
    def predictions(self) -> list[Row]:
        """The published cells that the model was not set from."""
        return [
            row for row in self.rows if row.role == "prediction" and not math.isnan(row.published)
        ]

    def bound(self, row: Row) -> float:
        """Return the largest error that a cell may have."""
        if row.bound is not None:
            return row.bound
        bound = self.bounds[row.unit]
        return min(bound, CONSTANT_BOUND) if row.role == "constant" and row.unit != "%" else bound

    def faults(self) -> list[str]:
        """Say which cells are out of their bound, and whether too many are constants."""
        out = [
            f"{row.cell}: published {number(row.published)} {row.unit}, model {number(row.model)}, "
            f"{error_text(row)} is beyond {bound_text(self.bound(row), row.unit)}"
            for row in self.rows
            if not (abs(row.error) <= self.bound(row) or math.isnan(row.published))
        ]
        constants = sum(row.role == "constant" for row in self.rows)
        if constants > self.most_constants:
            out.append(f"{constants} cells are constants; at most {self.most_constants} may be")
        return out

    def spread(self, unit: str) -> tuple[float, float]:
        """Return the median and the largest error of the predictions in a unit, without sign."""
        errors = [abs(row.error) for row in self.predictions if row.unit == unit]
        return median(errors), max(errors)

    def units(self) -> list[str]:
        """Return the units of the predictions, in their order."""
        return list(dict.fromkeys(row.unit for row in self.predictions))


STORED = [field.name for field in fields(Row)]


def to_csv(rows: Iterable[Row]) -> str:
    """Return rows as CSV text, figures to six digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(STORED)
    for row in rows:
        values = (getattr(row, name) for name in STORED)
        writer.writerow(f"{v:.6g}" if isinstance(v, float) else v for v in values)
    return text.getvalue()


def from_csv(text: str) -> tuple[Row, ...]:
    """Return the rows of a CSV text."""
    rows = []
    for record in csv.DictReader(io.StringIO(text)):
        data: dict[str, Any] = dict(record)
        for name in ("published", "model", "x"):
            data[name] = float(data[name])
        for name in ("upto", "bound"):
            data[name] = float(data[name]) if data[name] else None
        rows.append(Row(**data))
    return tuple(rows)


def number(value: float, digits: int = 3) -> str:
    """Write a figure with so many digits at least, and thousands apart."""
    if math.isinf(value):
        return "never"
    if math.isnan(value):
        return "–"
    whole = len(f"{abs(value):.0f}")
    if digits > 3 or whole >= digits:
        return f"{value:,.{max(0, digits - whole)}f}"
    return f"{value:.{digits}g}"


def published_text(row: Row, digits: int = 3) -> str:
    """Write a published figure or range."""
    if row.upto is None:
        return number(row.published, digits)
    return f"{number(row.published, digits)} to {number(row.upto, digits)}"


def error_text(row: Row) -> str:
    """Write an error with its sign; 0 where the model is inside a published range."""
    if math.isnan(row.published):
        return ""
    if not math.isfinite(row.error):
        return "wrong side"
    if row.error == 0:
        return "0"
    if row.unit == "%":
        return f"{row.error:+.1f} points"
    return f"{100 * row.error:+.1f} %" if abs(row.error) >= TINY else "below 1e-6"


def bound_text(bound: float, unit: str) -> str:
    """Write a bound."""
    if bound <= TINY:
        return f"{bound:.0e}".replace("e-0", "e-")
    return f"{bound:.3g} points" if unit == "%" else f"{100 * bound:.3g} %"


def text(tables: Iterable[Table]) -> str:
    """Return all tables as text for a terminal."""
    lines: list[str] = []
    for table in tables:
        lines += ["", table.title]
        width = max(len(row.cell) for row in table.rows)
        for row in table.rows:
            mark = "=" if row.role == "constant" else " "
            lines.append(
                f"  {mark} {row.cell:{width}}  {published_text(row, table.digits):>16} {row.unit:5}"
                f" {number(row.model, table.digits):>12}  {error_text(row):>12}"
            )
        lines += [f"  FAULT: {fault}" for fault in table.faults()]
    return "\n".join([*lines, "", "= marks the cells that the model was set from"])
