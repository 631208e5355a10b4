"""Writes `docs/validation.md` and its pictures from the rows of all comparisons."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from dcsim.study.checks.testbed import Testbed
from tests.verification.comparison import (
    TINY,
    Row,
    Table,
    bound_text,
    error_text,
    number,
    published_text,
    to_csv,
)
from tests.verification.plot import svg

ROOT = Path(__file__).parents[2]
PAGE = "docs/validation.md"
PICTURES = "docs/validation"
DATA = "tests/verification/data"
TEMPLATE = Path(__file__).parent / "validation.md"
"""The page without its tables."""


def files_of(tables: Iterable[Table]) -> dict[str, str]:
    """Return the text of each file that is written from the rows, by its path."""
    tables = list(tables)
    page = TEMPLATE.read_text(encoding="utf-8")
    for name, lines in (
        ("summary", _summary(tables)),
        ("tables", (line for table in tables for line in _section(table))),
        ("testbed", _testbed()),
    ):
        page = page.replace(f"<!-- {name} -->\n", "".join(f"{line}\n" for line in lines))
    return {
        PAGE: page,
        **{f"{PICTURES}/{table.key}.svg": svg(table) for table in tables},
        **{f"{DATA}/{table.stored}": to_csv(table.rows) for table in tables if table.stored},
    }


def write(tables: Iterable[Table]) -> None:
    """Write the page, its pictures, and the rows that are stored."""
    (ROOT / PICTURES).mkdir(exist_ok=True)
    files = files_of(tables)
    for old in _pictures() - files.keys():
        (ROOT / old).unlink()
    for name, text in files.items():
        (ROOT / name).write_text(text, encoding="utf-8")


def stale(tables: Iterable[Table]) -> list[str]:
    """Return the files that are not what the rows say."""
    files = files_of(tables)
    there = {name for name in files if (ROOT / name).exists()}
    wrong = {name for name in there if (ROOT / name).read_text(encoding="utf-8") != files[name]}
    return sorted(wrong | (files.keys() - there) | (_pictures() - files.keys()))


def _pictures() -> set[str]:
    return {f"{PICTURES}/{path.name}" for path in (ROOT / PICTURES).glob("*.svg")}


def _summary(tables: Iterable[Table]) -> Iterator[str]:
    yield "| table | predictions | median error | largest error | bound |"
    yield "|---|---:|---:|---:|---:|"
    for table in tables:
        for unit in table.units():
            middle, most = (_error(value, unit) for value in table.spread(unit))
            rows = [row for row in table.predictions if row.unit == unit]
            bound = bound_text(max(table.bound(row) for row in rows), unit)
            anchor = table.title.lower().replace(" ", "-").translate(dict.fromkeys(map(ord, ",:.")))
            name = f"[{table.title}](#{anchor}), {unit}"
            yield f"| {name} | {len(rows)} | {middle} | {most} | {bound} |"
    yield ""


def _error(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:.1f} points"
    return f"{100 * value:.1f} %" if value >= TINY else "below 1e-6"


def _section(table: Table) -> Iterator[str]:
    yield f"## {table.title}\n"
    yield f"{table.source}.\n"
    yield f"{table.setting}\n"
    yield f"![{table.title}](validation/{table.key}.svg)\n"
    plain = [row for row in table.rows if not row.series]
    curves = [row for row in table.rows if row.series]
    if plain:
        yield from _cells(table, plain)
    if curves:
        yield from _columns(table, curves)
    yield f"{table.reading}\n"


def _cells(table: Table, rows: list[Row]) -> Iterator[str]:
    yield "| cell | | published | model | error | bound |"
    yield "|---|---|---:|---:|---:|---:|"
    for row in rows:
        constant = row.role == "constant"
        bound = "*constant*" if constant else bound_text(table.bound(row), row.unit)
        if math.isnan(row.published):
            bound = ""
        yield (
            f"| {row.cell} | {row.unit} | {published_text(row, table.digits)} "
            f"| {number(row.model, table.digits)} "
            f"| {error_text(row)} | {bound} |"
        )
    yield ""


def _columns(table: Table, rows: list[Row]) -> Iterator[str]:
    """Lines of a curve: a row for each place, published and model for each series."""
    series = list(dict.fromkeys(row.series for row in rows))
    yield f"Published / model, {rows[0].unit}; constants in italics.\n"
    yield f"| {table.axis} | {' | '.join(series)} |"
    yield f"|---:|{'---:|' * len(series)}"
    for x in dict.fromkeys(row.x for row in rows):
        at = {row.series: row for row in rows if row.x == x}
        cells = (_both(at[name]) if name in at else "" for name in series)
        yield f"| {x:g} | {' | '.join(cells)} |"
    yield ""


def _both(row: Row) -> str:
    text = f"{published_text(row)} / {number(row.model)}"
    return f"*{text}*" if row.role == "constant" else text


def _testbed() -> Iterator[str]:
    """Lines of the testbed's constants."""
    for name, field in Testbed.model_fields.items():
        default = field.default if isinstance(field.default, str) else f"{field.default:,g}"
        yield f"| `{name}` | {default} | {field.description} |"
