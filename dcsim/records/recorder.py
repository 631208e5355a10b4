"""What a run writes its rows to: columns that grow by blocks of rows, and the summary beside them.

A row is a few hundred bytes of cells until its block is full; then each column takes its cells in
one step, numbers as the 8 bytes they are. What is only summed up goes on to the summary and is let
go.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from typing import Any, Final, Literal

from dcsim.records.summary import SUMMARISED, Summary
from dcsim.records.tables import BY_NAME, KEPT, TABLES, Columns, Kind

Cell = float | int | str

BLOCK_CELLS: Final = 8192
"""Cells of a table that wait, as Python objects, before they go to its columns."""

_MISSING: Final[dict[Kind, Cell]] = {"float": float("nan"), "int": 0, "text": ""}
_EMPTY_ROWS: Final = {
    table.name: {column.name: _MISSING[column.kind] for column in table.columns} for table in TABLES
}
_PLACES: Final = {table.name: {name: i for i, name in enumerate(table.names)} for table in TABLES}


class Recorder:
    """Buffers that a run fills row by row, bounded by what is asked to be kept.

    The engine adds rows, asks for the summary, and hands it to `finish`::

        recorder = Recorder(scenario.record)
        if recorder.keeps("rounds"):                       # worth asking where a row costs work
            recorder.add("rounds", guest="db-1", round=1)  # a column left out is NaN, 0 or ""
        recorder.row("events", (0.0, "start", "drain", ""))  # a whole row, in its declared order
        summary = recorder.summarise(operation_at_s=0.0, simulated_s=env.now)
        columns = recorder.finish(summary)

    Parameters
    ----------
    record
        ``"summary"``, ``"migrations"`` or ``"full"``. Rows that the summary is made from are taken
        whatever it says, and let go once they are summed up.
    degraded_limit_s
        Guests that were degraded for longer are counted.
    """

    def __init__(
        self,
        record: Literal["summary", "migrations", "full"] = "full",
        *,
        degraded_limit_s: float = math.inf,
    ) -> None:
        self._summary = Summary(degraded_limit_s=degraded_limit_s)
        self._columns: dict[str, Columns] = {
            name: {column.name: _empty(column.kind) for column in BY_NAME[name].columns}
            for name in KEPT[record]
        }
        # One flat list a table, row after row: adding is one C call, and a column is a slice.
        self._cells: dict[str, list[Cell]] = {name: [] for name in (*self._columns, *SUMMARISED)}

    def keeps(self, table: str) -> bool:
        """Whether rows of this table are wanted; those of the others are ignored."""
        return table in self._cells

    def row(self, table: str, row: Sequence[Cell]) -> None:
        """Add a row, all of its cells in the declared order, if its table is wanted.

        Raises
        ------
        ValueError
            If it has more or fewer cells than the table has columns.
        """
        self.rows(table, (row,))

    def rows(self, table: str, rows: Iterable[Sequence[Cell]]) -> None:
        """Add rows, one after another as they come; see `row`."""
        cells = self._cells.get(table)
        if cells is None:
            return
        width = len(_PLACES[table])
        for row in rows:
            if len(row) != width:
                message = f"table {table} has {width} columns, the row {len(row)}"
                raise ValueError(message)
            cells.extend(row)
            if len(cells) >= BLOCK_CELLS:
                self._fold(table)

    def add(self, table: str, /, **row: Cell) -> None:
        """Add a row by its columns' names, if its table is wanted; see `row` for many of them.

        Raises
        ------
        KeyError
            If the table or a column is not declared; nothing is added then.
        """
        empty = _EMPTY_ROWS[table]
        full = empty | row
        if len(full) != len(empty):
            unknown = ", ".join(name for name in row if name not in empty)
            message = f"table {table} has no column {unknown}"
            raise KeyError(message)
        self.row(table, tuple(full.values()))

    def summarise(
        self, *, operation_at_s: float, simulated_s: float, ended_s: float = math.nan
    ) -> dict[str, float]:
        """Return the summary row of what was added so far; see `Summary.row`."""
        for table in SUMMARISED:
            self._fold(table)
        return self._summary.row(
            operation_at_s=operation_at_s, simulated_s=simulated_s, ended_s=ended_s
        )

    def columns(self, table: str) -> Columns | None:
        """Return what a table holds so far, if it is kept."""
        if table not in self._columns:
            return None
        self._fold(table)
        return self._columns[table]

    def finish(self, summary: Mapping[str, Any]) -> dict[str, Columns]:
        """Add the summary row and return the tables that are kept, each value of its declared type.

        Raises
        ------
        KeyError
            If *summary* has a column that is not declared.
        TypeError
            If a value is not of its column's type: a number in a text, a fraction in an int.
        """
        self.add("summary", **summary)
        for table in self._columns:
            self._fold(table)
        return self._columns

    def _fold(self, table: str) -> None:
        """Let the rows that wait go to the summary and to the columns."""
        cells, declared = self._cells[table], BY_NAME[table].columns
        if not cells:
            return
        columns = self._columns.get(table, {})
        place = _PLACES[table]
        block = {name: cells[place[name] :: len(place)] for name in columns or SUMMARISED[table]}
        cells.clear()
        if table in SUMMARISED:
            self._summary.add(table, block)
        try:
            for column in declared if columns else ():
                _append(columns[column.name], block[column.name])
        except (TypeError, struct.error) as error:
            message = f"{table}.{column.name} is {column.kind}: {error}"
            raise TypeError(message) from None


def _empty(kind: Kind) -> MutableSequence[Any]:
    return [] if kind == "text" else array("d" if kind == "float" else "q")


def _append(column: Any, values: list[Any]) -> None:
    """Put values behind a column as plain ones: numpy scalars go no further than this."""
    if isinstance(column, array) and len(values) == 1:
        column.append(values[0])  # formats are not worth their while
    elif isinstance(column, array):
        column.frombytes(struct.pack(f"{len(values)}{column.typecode}", *values))
    elif set(map(type, values)) == {str}:
        column.extend(values)
    else:
        column.extend([str.__str__(value) for value in values])
