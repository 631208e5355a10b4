"""Results on disk: Parquet and JSON, written whole or not at all, read with suspicion.

What is read may come from anyone: sizes are bounded before anything is unpacked, a schema has to be
the declared one, nothing is unpickled and no path is taken from inside a file.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import secrets
import shutil
from array import array
from collections.abc import Callable, Mapping, MutableSequence, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dcsim.errors import ResultError
from dcsim.records.tables import Columns, Table

if TYPE_CHECKING:
    import pyarrow as pa

MAX_JSON_BYTES: Final = 256 * 2**20
"""The largest JSON document that is read."""
MAX_TABLE_BYTES: Final = 4 * 2**30
"""The largest table that is read: as a file, and unpacked."""
MAX_CELLS: Final = 400_000_000
"""The most cells (rows times columns) of a table that is read."""
MAX_TEXT: Final = 100_000
"""The longest text in a cell of a table that is read, in characters."""


def replace_directory(
    directory: str | os.PathLike[str],
    *,
    write: Callable[[Path], None],
    owns: Callable[[Path], bool],
    noun: str,
    overwrite: bool,
) -> None:
    """Fill *directory* in one step: it holds all of what *write* wrote, or what it held before.

    Parameters
    ----------
    directory
        Made with its parents where it does not exist. A link is followed.
    write
        Is given an empty directory to fill.
    owns
        Whether a directory holds what is written here, and nothing else, so that it may go.
    noun
        What is written, for messages.
    overwrite
        Whether what is owned is replaced.

    Raises
    ------
    ResultError
        If *directory* is a file, or holds something that may not be replaced.
    """
    target = Path(directory).resolve()
    if target.exists() and not target.is_dir():
        message = f"{target} is a file; a {noun} is a directory"
        raise ResultError(message)
    if target.exists() and any(target.iterdir()):
        if not owns(target):
            message = f"{target} holds more than a {noun}, or something else: it is not overwritten"
            raise ResultError(message)
        if not overwrite:
            message = f"{target} already holds a {noun}; overwrite=True replaces it"
            raise ResultError(message)
    target.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(8)
    fresh, old = (target.parent / f".dcsim-{token}-{part}" for part in ("new", "old"))
    try:
        fresh.mkdir()
        write(fresh)
        for path in (*fresh.rglob("*"), fresh):
            to_disk(path)
        if target.exists():
            target.rename(old)
        fresh.rename(target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        if old.exists():
            old.rename(target)
        raise
    to_disk(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def to_disk(path: Path) -> None:
    """Wait until a file or a directory is on disk; Windows cannot do so for a directory."""
    with suppress(PermissionError):
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def holds_only(directory: Path, names: Mapping[str, Any]) -> bool:
    """Whether a directory holds plain files of these names and nothing else."""
    return all(
        path.name in names and path.is_file() and not path.is_symlink()
        for path in directory.iterdir()
    )


# --------------------------------------------------------------------------- JSON


def json_bytes(data: Any) -> bytes:
    """Return *data* as JSON; keys keep their order, so that it is the same when read again."""
    return (json.dumps(data, indent=1, allow_nan=False) + "\n").encode()


def read_json(path: Path, *, form: str, version: int) -> dict[str, Any]:
    """Read a JSON document that says ``{"format": form, "version": version, ...}``.

    Raises
    ------
    ResultError
        If there is no such file, it is too large or torn, or of another format or version.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            message = f"{path} is larger than {MAX_JSON_BYTES:,} bytes"
            raise ResultError(message)
        data = json.loads(path.read_bytes(), parse_constant=_no_constant)
    except FileNotFoundError:
        message = f"{path.parent} holds no {form.replace('-', ' ')}: {path.name} is missing"
        raise ResultError(message) from None
    except (OSError, ValueError, RecursionError) as error:
        message = f"cannot read {path}: {error}"
        raise ResultError(message) from error
    if not isinstance(data, dict) or data.get("format") != form:
        message = f"{path} is of no {form.replace('-', ' ')}"
        raise ResultError(message)
    if data.get("version") != version:
        message = (
            f"{path} is of version {str(data.get('version'))[:20]} of its format; "
            f"this dcsim reads version {version}"
        )
        raise ResultError(message)
    return data


def _no_constant(text: str) -> float:
    message = f"{text} is no JSON"
    raise ValueError(message)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --------------------------------------------------------------------------- Parquet


def write_table(path: Path, table: Table, columns: Columns, provenance: Mapping[str, str]) -> None:
    """Write a table as Parquet: unit and meaning with each column, provenance with the whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = {"dcsim.table": table.name, "dcsim.meaning": table.meaning, **provenance}
    schema = pa.schema(_fields(table), metadata=about)
    arrays = [_array(column.kind, columns[column.name]) for column in table.columns]
    repeats = len(arrays[0]) > 1  # packing a row that is alone, as in a summary, makes it larger
    pq.write_table(
        pa.Table.from_arrays(arrays, schema=schema),
        path,
        compression="zstd" if repeats else "none",
        use_dictionary=repeats,
    )


def read_table(path: Path, table: Table) -> Columns:
    """Read a table that `write_table` wrote.

    Raises
    ------
    ResultError
        If the file is torn, too large, or no table of this schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [column.name for column in table.columns if column.kind == "text"]
    try:
        with pq.ParquetFile(path) as file:
            meta = file.metadata
            groups = [meta.row_group(i) for i in range(meta.num_row_groups)]
            rows = sum(group.num_rows for group in groups)
            size = max(path.stat().st_size, sum(group.total_byte_size for group in groups))
            if size > MAX_TABLE_BYTES or rows * len(table.columns) > MAX_CELLS:
                message = f"{path} is too large: {rows:,} rows, {size:,} bytes"
                raise ResultError(message)
            _check_schema(path, file.schema_arrow, table)
        with pq.ParquetFile(path, metadata=meta, read_dictionary=texts) as file:
            data = file.read(use_pandas_metadata=False)
        data.validate(full=True)
        return {
            column.name: _values(f"{path}, column {column.name}", data.column(i))
            for i, column in enumerate(table.columns)
        }
    except (pa.ArrowException, OSError, TypeError, ValueError) as error:
        message = f"cannot read {path}: {error}"
        raise ResultError(message) from error


@functools.cache
def _fields(table: Table) -> list[pa.Field[Any]]:
    """Return the columns of a table as Arrow has them."""
    import pyarrow as pa

    return [
        pa.field(
            column.name,
            _arrow_type(column.kind),
            nullable=False,
            metadata={"unit": column.unit, "meaning": column.meaning},
        )
        for column in table.columns
    ]


def _array(kind: str, values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    if kind == "text":
        return _text_array(values)
    code = {"float": "d", "int": "q"}[kind]
    numbers = values if getattr(values, "typecode", "") == code else array(code, values)
    return pa.Array.from_buffers(_arrow_type(kind), len(numbers), [None, pa.py_buffer(numbers)])


def _text_array(values: Sequence[str]) -> pa.Array:
    """Return texts as Arrow has them; `pyarrow.array` does the same, and imports pandas first."""
    import pyarrow as pa

    encoded = [value.encode() for value in values]
    ends = list(itertools.accumulate(map(len, encoded), initial=0))
    if ends[-1] >= 2**31:  # which Arrow cannot count in 32 bits
        return pa.array(values, type=pa.string())
    buffers = [None, pa.py_buffer(array("i", ends)), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    return {"float": pa.float64(), "int": pa.int64(), "text": pa.string()}[kind]


def _check_schema(path: Path, schema: pa.Schema, table: Table) -> None:
    for i, column in enumerate(table.columns):
        field = schema.field(i) if i < len(schema) else None
        if field is None or field.name != column.name or field.type != _arrow_type(column.kind):
            found = f"{field.name[:80]!r} ({str(field.type)[:80]})" if field else "nothing"
            message = f"{path} is no table {table.name}: its column {i + 1} should be "
            message += f"{column.name!r} ({column.kind}) and is {found}"
            raise ResultError(message)
    if len(schema) != len(table.columns):
        message = f"{path} is no table {table.name}: "
        message += f"it has {len(schema)} columns, not {len(table.columns)}"
        raise ResultError(message)


def _values(place: str, column: pa.ChunkedArray) -> MutableSequence[Any]:
    """Return plain values; rows share their texts, so that a long one in many rows stays small."""
    import pyarrow as pa

    if column.null_count:
        message = f"{place}: {column.null_count} values are missing"
        raise ResultError(message)
    if not pa.types.is_dictionary(column.type):
        values = column.to_numpy()
        return array("d" if values.dtype.kind == "f" else "q", values.tobytes())
    rows: list[str] = []
    for chunk in column.chunks:
        texts = chunk.dictionary.to_pylist()
        if any(len(text) > MAX_TEXT for text in texts):
            message = f"{place}: a text is longer than {MAX_TEXT:,} characters"
            raise ResultError(message)
        rows.extend(texts[i] for i in chunk.indices.to_numpy().tolist())
    return rows
