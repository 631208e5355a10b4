"""Writes `docs/validation.md` and its pictures from the rows of all comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.verification.comparison import (
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

HEAD = """\
<!-- Written by `make validation` from tests/verification; do not edit. -->

# Validation

Published measurements beside what the model says. Each table is run as a scenario between two
hosts, through the public API. At most four cells of a table set the constants of its run; they
are marked *constant*, and hollow in the pictures. The others are predictions. `make verify`
recomputes all of it, and fails when a cell leaves its bound or this page is out of date. Labels
in brackets point to [the facts](facts.md), words such as *stale* to [the model](model.md).

The hardware of these tables is not the same, so neither are the constants: what the shipped
presets have is in `dcsim/scenario/presets.py`, with its sources. What a table shows is that one
mechanism, set once, covers its other cells.
"""

TAIL = """\
## What is not known

Agreement above says nothing about the following, for which nothing to compare with is published
([G](facts.md#g-what-is-not-known)):

- **What a server that lives off its page cache loses when its clean cache is dropped.** That is
  the central claim of the thread that this program is about. The model derives it from how often
  which part of the cache is read again, and from how fast storage is: sweep both.
- **How fast applications dirty memory.** No rates by application are published in a form that
  could be used. The compile above allocates 350 MB a second because that makes two cells agree;
  the rates of the shipped workloads are assumptions.
- **What dropping a clean page costs the guest's kernel, and what scanning a page costs that a
  balloon took 4 KiB at a time**, on hardware.
- **How free and stale memory lie in whole blocks** in guests that have run for long: 0.9, 0.4 and
  0.1 of free memory were measured, each in one history of one guest [M.9].
- **What logging writes costs the writer**: published figures differ by the size of what is
  written and by how the host maps it [E.2].

Every table here has guests that are idle, compile, stream or write at random. None has a
database, a key-value store, a Java heap or a desktop.
"""


def files_of(tables: Iterable[Table]) -> dict[str, str]:
    """Return the text of each file that is written from the rows, by its path."""
    tables = list(tables)
    body = [HEAD, "\n".join(_summary(tables)), *("\n".join(_section(table)) for table in tables)]
    return {
        PAGE: "\n".join([*body, TAIL]),
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
    return f"{value:.1f} points" if unit == "%" else f"{100 * value:.1f} %"


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
        yield (
            f"| {row.cell} | {row.unit} | {published_text(row)} | {number(row.model)} "
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
