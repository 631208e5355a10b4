"""The store of studies: a directory in which every run that was ever done is found by its content.

::

    STORE/
      store.json              what it is
      studies/NAME-DIGEST.json      each study that was asked of it, with its scenario whole
      points/NAME-DIGEST.parquet    its points: what was varied, and the digest of each scenario
      runs/*.parquet          shards: a row a run
      tables/TABLE/*.parquet  tables that were kept of runs, a column `run` first

A shard is written under another name, waited for until it is on disk, and then renamed: whoever
looks sees all of it or nothing, while studies run and after anything was killed. Nothing in a shard
changes afterwards, and no process writes where another one does.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dcsim.errors import ResultError
from dcsim.records import store as files
from dcsim.records.tables import BY_NAME, RUNS, Columns, Table
from dcsim.study.designs.design import Design

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT: Final = "dcsim-store"
FORMAT_VERSION: Final = 1
_TORN_AFTER_S: Final = 86_400.0
"""What was not renamed for so long never will be."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
_TYPES: Final = {"text": "string", "int": "int64", "float": "double"}
"""What Arrow calls the kinds of columns."""
_FIXED: Final = {
    "point": "int64",
    "digest": "string",
    "chancy": "bool",
    "error": "string",
    "message": "string",
}


@dataclass(frozen=True, slots=True)
class Points:
    """The points of a study, in order.

    Parameters
    ----------
    digests
        Of each one's scenario; of what is no legal scenario, a text of its own.
    chancy
        Whether anything in it is random.
    errors
        Point -> kind of error and message, where it is no legal scenario.
    code
        What they were noted down by, and their runs made by.
    """

    digests: Sequence[str]
    chancy: Sequence[bool]
    errors: Mapping[int, tuple[str, str]]
    code: str


class Store:
    """A directory of studies and runs.

    Parameters
    ----------
    directory
        Made with its parents where it does not exist, unless *made* is not set.
    make
        Whether it may be made.

    Raises
    ------
    ResultError
        If something else is there, or nothing and it may not be made.
    """

    def __init__(self, directory: str | os.PathLike[str], *, make: bool = True) -> None:
        self.directory = Path(directory).absolute()
        mark = self.directory / "store.json"
        if not mark.exists():
            if not make:
                message = f"{self.directory} is no store of studies: store.json is missing"
                raise ResultError(message)
            if self._holds_else() and not mark.exists():  # which another process may just have made
                message = f"{self.directory} holds something else: it is made no store of studies"
                raise ResultError(message)
            self.directory.mkdir(parents=True, exist_ok=True)
            data = files.json_bytes({"format": FORMAT, "version": FORMAT_VERSION})
            self.put(mark, lambda path: path.write_bytes(data))
        files.read_json(mark, form=FORMAT, version=FORMAT_VERSION)

    def _holds_else(self) -> bool:
        """Whether there is anything but what a store that is just being made has."""
        if not self.directory.exists():
            return False
        return not self.directory.is_dir() or any(
            path.name != ".partial" for path in self.directory.iterdir()
        )

    # ----------------------------------------------------------------- writing

    def put(self, target: Path, write: Callable[[Path], object]) -> None:
        """Write a file whole: under another name first, and renamed once it is on disk.

        Raises
        ------
        OSError
            If it cannot be written; nothing is left of it then.
        """
        partial = self.directory / ".partial" / f"{secrets.token_hex(8)}-{target.name}"
        partial.parent.mkdir(exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(partial)
            files.to_disk(partial)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        files.to_disk(target.parent)

    def put_runs(self, rows: Sequence[Mapping[str, Any]], tables: Mapping[str, Columns]) -> None:
        """Write a shard of runs, after what was kept of them beside.

        Parameters
        ----------
        rows
            With the columns of `dcsim.records.tables.RUNS`.
        tables
            Table -> column -> values, a column `run` first.
        """
        token = f"{secrets.token_hex(8)}.parquet"
        for name, columns in tables.items():
            table = kept_table(name)
            self._put_table(self.directory / "tables" / name / token, table, columns)
        shard: Columns = {name: [row[name] for row in rows] for name in RUNS.names}
        self._put_table(self.directory / "runs" / token, RUNS, shard)

    def _put_table(self, target: Path, table: Table, columns: Columns) -> None:
        self.put(target, lambda path: files.write_table(path, table, columns, {}))

    def put_study(self, design: Design) -> str:
        """Note down a study that is asked of this store; return its name here."""
        name = name_of(design)
        path = self.directory / "studies" / f"{name}.json"
        with suppress(OSError):
            os.utime(path)  # it is the one that was asked last
        if not path.exists():
            data = {"format": "dcsim-study-asked", "version": 1, "design": design.to_dict()}
            self.put(path, lambda partial: partial.write_bytes(files.json_bytes(data)))
        return name

    def put_points(self, name: str, design: Design, points: Points) -> None:
        """Note down the points of a study, for those who read the store without dcsim."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        size = len(points.digests)
        columns: dict[str, Any] = {
            "point": pa.array(range(size), pa.int64()),
            "digest": pa.array(points.digests, pa.string()),
            "chancy": pa.array(points.chancy, pa.bool_()),
        }
        for i, part in enumerate(("error", "message")):
            texts = [points.errors[k][i] if k in points.errors else "" for k in range(size)]
            columns[part] = pa.array(texts, pa.string())
        shown: dict[str, list[Any]] = {path: [] for path in design.paths}
        for point in range(size):
            for varied, value in design.shown(point).items():
                shown[varied].append(value)
        columns |= {varied: _column(values) for varied, values in shown.items()}
        table = pa.table(columns).replace_schema_metadata(
            {"dcsim.study": name, "dcsim.design": design.digest, "dcsim.code": points.code}
        )
        path = self.directory / "points" / f"{name}.parquet"
        self.put(path, lambda partial: pq.write_table(table, partial, compression="zstd"))

    # ----------------------------------------------------------------- reading

    @property
    def studies(self) -> list[str]:
        """Names of the studies that were asked of this store, the latest last."""
        found = plain_files(self.directory / "studies", ".json")
        return [path.stem for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]

    def design(self, name: str) -> Design:
        """Return a study that was asked of this store.

        Raises
        ------
        ResultError
            If there is none of that name, or it is torn or changed.
        """
        return Design.from_dict(self.asked(name))

    def asked(self, name: str) -> dict[str, Any]:
        """Return a study that was asked of this store as plain data, unchecked."""
        if not _NAME.fullmatch(name):
            message = f"{name[:80]!r} is no name of a study"
            raise ResultError(message)
        path = self.directory / "studies" / f"{name}.json"
        data = files.read_json(path, form="dcsim-study-asked", version=1)
        design = data.get("design")
        if not isinstance(design, dict):
            message = f"{path} is torn or changed: it holds no design"
            raise ResultError(message)
        return design

    def points(self, name: str, design: Design) -> Points | None:
        """Return the points of a study, if they were noted down."""
        path = self.directory / "points" / f"{name}.parquet"
        table = _read(path, _FIXED) if path.is_file() else None
        if table is None or table.num_rows != len(design):
            return None
        said = table.schema.metadata or {}
        if said.get(b"dcsim.design") != design.digest.encode():
            return None
        texts = zip(table["error"].to_pylist(), table["message"].to_pylist(), strict=True)
        errors = {point: pair for point, pair in enumerate(texts) if pair[0]}
        made_by = said.get(b"dcsim.code", b"").decode(errors="replace")
        return Points(table["digest"].to_pylist(), table["chancy"].to_pylist(), errors, made_by)

    def shards(self) -> list[Path]:
        """Return the shards there are now."""
        return plain_files(self.directory / "runs", ".parquet")

    def rows(self, shard: Path, columns: Sequence[str], *, table: Table = RUNS) -> pa.Table | None:
        """Return columns of a shard; None where it is of a version that has others, or torn.

        What was renamed is whole; where a file system lost its last seconds all the same, the shard
        is put aside, and its runs are done again.
        """
        kinds = {column.name: column.kind for column in table.columns}
        try:
            return _read(shard, {name: _TYPES[kinds[name]] for name in columns})
        except FileNotFoundError:  # another process has put it aside
            return None
        except _TornError:
            with suppress(FileNotFoundError):  # another process was first
                with shard.open("rb") as file:  # which fails where the disk does, not the shard
                    file.read(1)
                aside = self.directory / ".partial" / f"torn-{shard.name}"
                with suppress(PermissionError):  # of who may only look
                    aside.parent.mkdir(exist_ok=True)
                    shard.replace(aside)
            return None

    # ----------------------------------------------------------------- coming to an end

    def tidy(self) -> None:
        """Remove what nobody will rename any more."""
        now = time.time()
        for path in (self.directory / ".partial").glob("*"):
            with suppress(OSError):
                if now - path.stat().st_mtime > _TORN_AFTER_S:
                    path.unlink()

    def stop_mark(self, token: str) -> Path:
        """Return the file whose presence tells workers of a study to stop after this run."""
        return self.directory / ".partial" / f"stop-{token}"


def kept_table(name: str) -> Table:
    """Return a table as a store has it: with the run that each row is of."""
    table = BY_NAME[name]
    run = RUNS.columns[0]
    return Table(name, table.meaning, (run, *table.columns))


def name_of(design: Design) -> str:
    """Return what a study is called in a store: by its name, and by what it asks."""
    slug = re.sub(r"[^a-z0-9]+", "-", design.name.lower())[:60].strip("-") or "study"
    return f"{slug}-{design.digest[:12]}"


def _column(values: list[Any]) -> pa.Array:
    """Return values as Arrow has them; of several types, as texts."""
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):  # of what is too large for any type, too
        return pa.array(
            [value if isinstance(value, str) else json.dumps(value) for value in values]
        )


def _read(path: Path, columns: Mapping[str, str]) -> pa.Table | None:
    """Return columns of a Parquet file, given their types; None where it has not all of them.

    Raises
    ------
    ResultError
        If it is no such file, torn or too large.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            meta = file.metadata
            size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
            if size > files.MAX_TABLE_BYTES or meta.num_rows * len(columns) > files.MAX_CELLS:
                message = f"{path} is too large: {meta.num_rows:,} rows, {size:,} bytes"
                raise ResultError(message)
            types = {field.name: str(field.type) for field in file.schema_arrow}
            if not columns.items() <= types.items():
                return None
            found = file.read(columns=list(columns), use_pandas_metadata=False)
            found.validate(full=True)  # texts are UTF-8
            return None if any(found[name].null_count for name in columns) else found
    except pa.ArrowMemoryError as error:
        raise MemoryError(str(error)) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None) is not None:  # of the disk, and not of what is on it
            raise
        message = f"cannot read {path}: {error}"
        raise _TornError(message) from error


class _TornError(ResultError):
    """A file is no whole Parquet file."""


def plain_files(folder: Path, ending: str) -> list[Path]:
    """Return the files in a folder with an ending, in order; no links, which may lead anywhere."""
    try:
        with os.scandir(folder) as found:
            return sorted(
                Path(entry.path)
                for entry in found
                if entry.name.endswith(ending) and entry.is_file(follow_symlinks=False)
            )
    except FileNotFoundError:
        return []
