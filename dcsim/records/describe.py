"""The page of documentation on every table, made from their declarations.

``python -m dcsim.records.describe`` writes it to standard output.
"""

from __future__ import annotations

from dcsim.records.tables import CAUSES, KINDS, OUTCOMES, RUNS, TABLES, record_that_keeps

_HEAD = """\
# Tables

<!-- Made by `python -m dcsim.records.describe`: change dcsim/records/tables.py instead. -->

Every run gives these tables: `result.migrations` is a pandas DataFrame, and
`result.save(directory)` writes a Parquet file a table, with unit and meaning in the metadata of
each column. A column that is a bare number carries its unit in its name. A scenario's `record`
bounds what is kept: `full`, the default, keeps every table; beside each stands the least that
keeps it.

Times count from the start of the simulation. NaN stands where there is nothing to measure: the
blackout of a guest that did not move, the median of no migrations. Totals of nothing are 0.
"""


def markdown() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD]
    parts += [
        f"- **{noun}**: {', '.join(f'`{word}`' for word in words)}."
        for noun, words in (
            ("Kinds of traffic", KINDS),
            ("Causes of lost work", CAUSES),
            ("Outcomes of a migration", OUTCOMES),
        )
    ]
    for table in (*TABLES, RUNS):
        kept = "" if table is RUNS else f" (`record: {record_that_keeps(table.name)}`)"
        parts += [
            f"\n## {table.name}\n",
            f"{table.meaning}{kept}\n",
            "| column | type | unit | meaning |",
            "|---|---|---|---|",
        ]
        parts += [
            f"| `{column.name}` | {column.kind} | {column.unit} | {column.meaning} |"
            for column in table.columns
        ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
