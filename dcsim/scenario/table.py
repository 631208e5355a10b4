"""CSV files of columns, each of whose values knows its file, line and column as in a document.

The first line names the columns. Cells are what a YAML file would hold, but for those of columns
that hold texts: a guest may be called ``0017``. A cell may stand in double quotes; none goes on in
the next line.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario.document import MOST_VALUES, Mark, Node, scalar
from dcsim.units import format_count

_MOST_ISSUES: Final = 100
_CELL: Final = re.compile(r'(?:"(?:[^"]|"")*"|[^",]*)(?:,|$)')


@dataclass(slots=True, eq=False, kw_only=True)
class Column(Node):
    """A list of plain values, which are marked when somebody asks where one stands."""

    file: str | None
    lines: list[tuple[int, str]]
    """Number and text of the line of each value."""
    index: int

    def child(self, step: str | int) -> Node | None:
        """Return a value."""
        if not isinstance(step, int) or step >= len(self.value):
            return None
        number, line = self.lines[step]
        return Node(self.value[step], Mark(self.file, number, _start(line, self.index)))


def parse(text: str, *, file: str | None = None, texts: Collection[str] = ()) -> Node:
    """Return the columns in a CSV text, by their names.

    Parameters
    ----------
    text
        What the file holds.
    file
        What messages call it.
    texts
        Columns that hold texts, whatever they look like.

    Raises
    ------
    ScenarioError
        If it is no such text; all problems at once, up to 100.
    """
    import csv

    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if len(lines) < 2:
        message = "needs a line of names, and one of values at least"
        raise ScenarioError([Mark(file, 1, 1).issue(message)])
    (top, head), *lines = lines
    reader = csv.reader([head, *(line for _, line in lines)], strict=True, skipinitialspace=True)
    issues: list[Issue] = []
    rows: list[list[str]] = []
    names: list[str] = []
    try:
        names = [name.strip() for name in next(reader)]
        for row, (number, _) in zip(reader, lines, strict=False):
            if reader.line_num != len(rows) + 2:
                raise csv.Error("a cell goes on in the next line")
            if len(row) != len(names):
                message = f"holds {len(row)} cells; the first line names {len(names)} columns"
                issues.append(Mark(file, number, 1).issue(message))
            rows.append(row)
    except csv.Error as error:
        number = (lines[len(rows)] if names else (top, head))[0]
        issues.append(Mark(file, number, 1).issue(f"is no CSV: {error}"))
    keys = {name: Mark(file, top, _start(head, i)) for i, name in enumerate(names)}
    for i, name in enumerate(names):
        if not name or name in names[:i]:
            message = f"column {name[:80]!r} is there twice" if name else "a column has no name"
            issues.append(Mark(file, top, _start(head, i)).issue(message))
    if len(rows) * len(names) > MOST_VALUES:
        message = f"holds more than {format_count(MOST_VALUES)} values"
        issues.append(Mark(file, top, 1).issue(message))
    if issues:
        raise ScenarioError(issues[:_MOST_ISSUES])
    columns: dict[str, Node] = {}
    for i, (name, cells) in enumerate(zip(names, zip(*rows, strict=True), strict=True)):
        known = {cell: cell.strip() if name in texts else scalar(cell.strip()) for cell in cells}
        values = list(map(known.__getitem__, cells))
        columns[name] = Column(values, keys[name], file=file, lines=lines, index=i)
    return Node(columns, Mark(file, top, 1), keys)


def _start(line: str, index: int) -> int:
    """Return the column, counted from 1, at which a cell of a line starts."""
    start = 0
    for _ in range(index):
        cell = _CELL.match(line, start)
        start = cell.end() if cell else start
    return start + 1
