"""Published tables: every cell within its bound, few constants, and a page that says the same."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from tests.verification import late_compile, page
from tests.verification.comparison import Row, Table, from_csv, to_csv
from tests.verification.plot import svg
from tests.verification.registry import COMPARISONS, tables

NAMES = [f"{comparison.__module__}.{comparison.__name__}" for comparison in COMPARISONS]


@pytest.mark.parametrize("at", range(len(COMPARISONS)), ids=NAMES)
def test_every_cell_is_within_its_bound(at: int) -> None:
    """Published figures are met, and at most four cells of a table set the model."""
    assert tables()[at].faults() == []


def test_the_page_says_what_the_rows_say() -> None:
    """docs/validation.md and its pictures are those of the rows: else `make validation`."""
    assert page.stale(tables()) == []


def test_hints_pay_less_the_fuller_the_cache() -> None:
    """Each GiB of page cache takes away from what hints on free pages save."""
    for free in ("free_zero", "free_stale"):
        savings = [late_compile.saving(cache, free) for cache in (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)]
        assert savings == sorted(savings, reverse=True)
        assert savings[0] > 3 * savings[-1] > 0


def table_of(*rows: Row) -> Table:
    """Return a table of these rows, with a bound of a tenth, and of five points."""
    bounds = {"ms": 0.1, "%": 5.0}
    return Table("key", "title", "source", "setting", "reading", bounds, rows)


@pytest.mark.parametrize(
    ("row", "faults"),
    [
        (Row("in", 100, 109, "ms"), 0),
        (Row("out", 100, 111, "ms"), 1),
        (Row("below", 100, 89, "ms"), 1),
        (Row("in a range", 100, 115, "ms", upto=120), 0),
        (Row("beyond a range", 100, 140, "ms", upto=120), 1),
        (Row("points", 20, 24.9, "%"), 0),
        (Row("too many points", 20, 25.1, "%"), 1),
        (Row("never, and so it says", math.inf, math.inf, "ms"), 0),
        (Row("never, it says", 100, math.inf, "ms"), 1),
        (Row("never in truth", math.inf, 100, "ms"), 1),
        (Row("no figure", 100, math.nan, "ms"), 1),
        (Row("not published", math.nan, 100, "ms"), 0),
        (Row("a bound of its own", 100, 119, "ms", bound=0.2), 0),
        (Row("a constant", 100, 105.9, "ms", "constant"), 0),
        (Row("a constant that was not met", 100, 106.1, "ms", "constant"), 1),
    ],
    ids=lambda value: value.cell if isinstance(value, Row) else "",
)
def test_what_is_a_fault(row: Row, faults: int) -> None:
    """A cell out of its bound is one, on either side, and so is the wrong side of never."""
    assert len(table_of(row).faults()) == faults


def test_rows_come_back_from_csv() -> None:
    """Rows that are stored are the same when read, to six digits."""
    rows = (
        Row("a, b", 1.25, 2.5e6, "ms", "constant", upto=1.5, bound=0.2, x=1.0),
        Row("c", math.inf, 0.125, "%", series="s", x=0.5),
    )
    assert from_csv(to_csv(rows)) == rows
    assert from_csv(to_csv([Row("d", 1 / 3, 2 / 3, "s")]))[0].published == 0.333333


@pytest.mark.parametrize("at", range(len(COMPARISONS)), ids=NAMES)
def test_pictures_show_every_cell(at: int) -> None:
    """A mark in the picture for each published cell, in the errors too; well-formed XML."""
    table = tables()[at]
    marks = [e for e in ElementTree.fromstring(svg(table)).iter() if e.tag.endswith("circle")]
    told = [mark for mark in marks if len(mark)]
    shown = [r for r in table.rows if not math.isnan(r.published) and (r.series or not table.axis)]
    ever = [row for row in shown if math.isfinite(row.published)]
    assert len(told) == len(shown) + (0 if table.axis else len(ever))


def test_more_than_four_constants_are_a_fault() -> None:
    """A model set from five cells of a table is told."""
    rows = [Row(str(i), 1.0, 1.0, "ms", "constant") for i in range(5)]
    assert table_of(*rows[:4]).faults() == []
    assert len(table_of(*rows).faults()) == 1
