"""What came of a run: its tables, its summary and where they come from.

Tables are plain columns until someone looks: a DataFrame is made when its property is first read,
so that a study of thousands of runs pays for none. What is saved is the columns, never a frame that
a reader may have changed. Units are in the columns' names.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcsim import units
from dcsim.errors import ResultError, did_you_mean
from dcsim.records import archive, store
from dcsim.records.answer import Answer, answers, in_words, question
from dcsim.records.explain import explain
from dcsim.records.tables import BY_NAME, SUMMARY, TABLES, Columns, record_that_keeps

if TYPE_CHECKING:
    import pandas as pd


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of what decides a result's bits, from dcsim to the C library."""
    import platform
    from importlib.metadata import version

    libc = " ".join(platform.libc_ver()).strip()  # exp and log come from it
    system = f"{platform.system()} {platform.machine()}"
    return {
        "dcsim": version("dcsim"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numpy": version("numpy"),
        "simpy": version("simpy"),
        "platform": f"{system}, {libc}" if libc else system,
    }


class Result:
    """Everything observed in one run.

    Parameters
    ----------
    scenario
        The scenario as plain data in SI units, which `Scenario.model_validate` reads.
    digest
        What the scenario means, as `Scenario.digest` says.
    seed
        The seed that this replicate ran with.
    replicate
        Which replicate of the scenario it is; 0 is the scenario's own seed.
    columns
        Table -> column -> values, as `Recorder.finish` returns them; a ``summary`` of one row is
        among them.
    versions
        Of the software that made it; default: of this process.

    Raises
    ------
    ResultError
        If a table or a column is not as declared.
    """

    def __init__(
        self,
        *,
        scenario: dict[str, Any],
        digest: str,
        seed: int,
        replicate: int,
        columns: dict[str, Columns],
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self.scenario = scenario
        self.digest = digest
        self.seed = seed
        self.replicate = replicate
        self.columns = columns
        self.versions = dict(_versions() if versions is None else versions)
        self._frames: dict[str, pd.DataFrame] = {}
        for name, values in columns.items():
            if name not in BY_NAME or tuple(values) != BY_NAME[name].names:
                message = f"table {name!r} or one of its columns is not declared"
                raise ResultError(message)
            if len({len(column) for column in values.values()}) > 1:
                message = f"the columns of table {name} differ in length"
                raise ResultError(message)
        if not (columns.get("summary") and len(columns["summary"]["requested"]) == 1):
            message = "a result needs a summary of one row"
            raise ResultError(message)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the frames behind when it travels between processes."""
        return {**self.__dict__, "_frames": {}}

    # ----------------------------------------------------------------- looking

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that were kept."""
        return tuple(self.columns)

    @property
    def metrics(self) -> dict[str, float]:
        """The summary row: metric -> value. See the table ``summary`` for meanings."""
        return {name: values[0] for name, values in self.columns["summary"].items()}

    def table(self, name: str) -> pd.DataFrame:
        """Return a table as a DataFrame: float64, int64 and text columns.

        It is made at the first look. What is saved is never the frame: change it freely.

        Raises
        ------
        ResultError
            If there is no such table, or the scenario's `record` did not keep it.
        """
        if name not in self._frames:
            self._frames[name] = frame_of(name, self._kept(name))
        return self._frames[name].copy(deep=False)

    def _kept(self, name: str) -> Columns:
        if name not in BY_NAME:
            close = did_you_mean(name, BY_NAME)
            message = f"no table is called {name[:80]!r}; there are {', '.join(BY_NAME)}"
            raise ResultError(f"{message}; did you mean {close!r}?" if close else message)
        if name not in self.columns:
            message = (
                f"this result kept no {name}: its scenario says record: "
                f"{self.scenario.get('record')}; record: {record_that_keeps(name)} keeps it"
            )
            raise ResultError(message)
        return self.columns[name]

    @property
    def migrations(self) -> pd.DataFrame:
        """One row for each attempt to move a guest that was asked for, whatever came of it."""
        return self.table("migrations")

    @property
    def rounds(self) -> pd.DataFrame:
        """One row for each round of each live migration, switch-over and post-copy last."""
        return self.table("rounds")

    @property
    def guests(self) -> pd.DataFrame:
        """One row a guest: what it lost and to what, over the whole run."""
        return self.table("guests")

    @property
    def links(self) -> pd.DataFrame:
        """One row for each link, direction and kind of traffic that crossed it."""
        return self.table("links")

    @property
    def link_rates(self) -> pd.DataFrame:
        """How much of each link each kind of traffic used, as a step function of time."""
        return self.table("link_rates")

    @property
    def slowdowns(self) -> pd.DataFrame:
        """How fast each guest ran, as a step function of time."""
        return self.table("slowdowns")

    @property
    def phases(self) -> pd.DataFrame:
        """What each guest did before, during and after its migrations."""
        return self.table("phases")

    @property
    def hosts(self) -> pd.DataFrame:
        """One row a host."""
        return self.table("hosts")

    @property
    def operations(self) -> pd.DataFrame:
        """One row an operation."""
        return self.table("operations")

    @property
    def maintenance(self) -> pd.DataFrame:
        """One row a host and step of what operations did with it."""
        return self.table("maintenance")

    @property
    def events(self) -> pd.DataFrame:
        """What happened, in order of time."""
        return self.table("events")

    @property
    def summary(self) -> pd.DataFrame:
        """One row: the run in figures."""
        return self.table("summary")

    @property
    def explanation(self) -> str:
        """What came of the operation, in words; where nothing moved, why."""
        return explain(self.columns, self.scenario)

    @property
    def answers(self) -> list[Answer]:
        """What came of each operation: done in time or not, how long it took, who noticed."""
        return answers(self.columns, self.scenario)

    def __repr__(self) -> str:
        """Say what it is of and what came of it, in one line."""
        return f"<Result of {self._title}: {self._headline}; tables: {', '.join(self.tables)}>"

    @property
    def _title(self) -> str:
        name = str(self.scenario.get("name", "scenario"))
        return f"{name}, seed {self.seed}, replicate {self.replicate}"

    @property
    def _headline(self) -> str:
        figures = self.metrics
        return (
            f"{self.explanation}; makespan {units.format_duration(figures['makespan_s'])}, "
            f"{units.format_size(figures['network_bytes'])} on the network, "
            f"{units.format_duration(figures['lost_work_s'])} of guests' work lost"
        )

    def _repr_html_(self) -> str:
        """Show the summary as a table, for notebooks."""
        import html

        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(column.name)}</th>"
            f"<td>{html.escape(_human(self.metrics[column.name], column.unit))}</td>"
            f"<td style='text-align:left'>{html.escape(column.meaning)}</td></tr>"
            for column in SUMMARY.columns
        )
        said = "".join(f"<br>{html.escape(line)}" for line in in_words(self.answers))
        return (
            f"<div><p><b>{html.escape(self._title)}</b><br>{html.escape(self._headline)}</p>"
            f"<p>{html.escape(question(self.scenario))}{said}</p>"
            f"<details><summary>summary</summary><table>{rows}</table></details></div>"
        )

    # ----------------------------------------------------------------- comparing

    def equals(self, other: Result) -> bool:
        """Whether another result is the same, bit for bit, by whatever versions it was made."""
        return not self.differences(other)

    def differences(self, other: Result) -> list[str]:
        """Say where another result differs, bit for bit; an empty list where nowhere.

        Every NaN is the same as any other; 0.0 and -0.0 are not.
        """
        found = [
            f"{name}: {mine!r} and {theirs!r}"
            for name, mine, theirs in (
                ("digest", self.digest, other.digest),
                ("seed", self.seed, other.seed),
                ("replicate", self.replicate, other.replicate),
            )
            if mine != theirs
        ]
        for table in TABLES:
            mine, theirs = self.columns.get(table.name), other.columns.get(table.name)
            if mine is None or theirs is None:
                if mine is not theirs:
                    found.append(
                        f"{table.name}: only in the {'second' if mine is None else 'first'}"
                    )
                continue
            lengths = [len(columns[table.names[0]]) for columns in (mine, theirs)]
            if lengths[0] != lengths[1]:
                found.append(f"{table.name}: {lengths[0]} and {lengths[1]} rows")
                continue
            for column in table.names:
                rows = [
                    i
                    for i, pair in enumerate(zip(mine[column], theirs[column], strict=True))
                    if not _same(*pair)
                ]
                if rows:
                    first = rows[0]
                    found.append(
                        f"{table.name}.{column}: {len(rows)} of {lengths[0]} rows, first {first}: "
                        f"{mine[column][first]!r} and {theirs[column][first]!r}"
                    )
        return found

    # ----------------------------------------------------------------- keeping

    def save(self, directory: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the result to a directory: a Parquet file a table, provenance, the scenario.

        It is all there or not at all, and the same result gives the same bytes: no time and no path
        is written.

        Parameters
        ----------
        directory
            Made where it does not exist.
        overwrite
            Replace another result there.

        Raises
        ------
        ResultError
            If something else is there, or a result and *overwrite* is not set.
        """
        store.replace_directory(
            directory,
            write=self.write,
            owns=archive.holds_result,
            noun="result",
            overwrite=overwrite,
        )

    def write(self, directory: Path) -> None:
        """Write the result into an empty directory, file by file: what `save` does in one step."""
        about = {
            "scenario": self.scenario,
            "digest": self.digest,
            "seed": self.seed,
            "replicate": self.replicate,
            "versions": self.versions,
        }
        archive.write(directory, about, self.columns)

    def to_csv(self, directory: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write a CSV file a table to a directory; numbers in full, so that reading loses nothing.

        Parameters
        ----------
        directory
            Made where it does not exist.
        overwrite
            Replace such files there.

        Raises
        ------
        ResultError
            If something else is there, or such files and *overwrite* is not set.
        """
        store.replace_directory(
            directory,
            write=lambda path: archive.write_csv(path, self.columns),
            owns=archive.holds_csv,
            noun="result in CSV",
            overwrite=overwrite,
        )

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Result:
        """Read a result that `save` wrote.

        Files that are no part of it, such as a report beside it, are passed over.

        Raises
        ------
        ResultError
            If there is none, or it is torn, changed, too large, or of another format.
        """
        about, columns = archive.read(Path(directory))
        return cls(**about, columns=columns)


_versions = versions  # the parameter of Result has the name


def frame_of(name: str, columns: Columns) -> pd.DataFrame:
    """Return the columns of a declared table as a DataFrame of declared types."""
    import numpy as np
    import pandas as pd

    def series(kind: str, values: Sequence[Any]) -> pd.Series[Any]:
        if kind == "text":
            return pd.Series(values, dtype="str")
        return pd.Series(np.array(values, dtype={"float": "float64", "int": "int64"}[kind]))

    return pd.DataFrame(
        {column.name: series(column.kind, columns[column.name]) for column in BY_NAME[name].columns}
    )


def _human(value: float, unit: str) -> str:
    form = {"s": units.format_duration, "B": units.format_size}.get(unit, units.format_count)
    return form(value)


def _same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, float) and isinstance(theirs, float):
        return mine.hex() == theirs.hex()
    return type(mine) is type(theirs) and bool(mine == theirs)
