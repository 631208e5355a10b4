"""A run as a row of a study, and the runs of a study as a directory: `study.json`, `runs/`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from dcsim.errors import ResultError
from dcsim.records import archive, store
from dcsim.records.result import Result

FORMAT: Final = "dcsim-study"
FORMAT_VERSION: Final = 1
MAX_RUNS: Final = 1_000_000
"""The most runs of a study that is read."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a study: what was varied, and its result or why there is none.

    Parameters
    ----------
    variant
        What sets it apart: its policy and the values of what else was varied.
    hinting
        Its hinting policy.
    changes
        Path -> value of what else was varied.
    digest
        Of its scenario.
    replicate, seed
        Which replication, and its seed: the same for all variants.
    result
        None where it failed.
    error, message
        The kind of error and what it said, where it failed.
    """

    variant: str
    hinting: str
    changes: dict[str, Any]
    digest: str
    replicate: int
    seed: int
    result: Result | None = None
    error: str = ""
    message: str = ""


_PLAIN: Final = [field.name for field in fields(Run) if field.name != "result"]
_TEXTS: Final = ("variant", "hinting", "digest", "error", "message")


def write(directory: Path, about: dict[str, Any], runs: Sequence[Run]) -> None:
    """Write the runs of a study, and its other fields as plain data, into an empty directory."""
    (directory / "runs").mkdir()
    for i, run in enumerate(runs):
        if run.result is not None:
            folder = directory / "runs" / _folder(i, run)
            folder.mkdir()
            run.result.write(folder)
    rows = [{name: getattr(run, name) for name in _PLAIN} for run in runs]
    data = {"format": FORMAT, "version": FORMAT_VERSION, **about, "runs": rows}
    (directory / "study.json").write_bytes(store.json_bytes(data))


def read(directory: Path) -> tuple[dict[str, Any], list[Run]]:
    """Read what `write` wrote: the other fields of the study, and its runs with their results.

    Raises
    ------
    ResultError
        If there is none, or it is torn, changed, too large, or of another format.
    """
    about, runs = _read_index(directory)
    whole = []
    for i, run in enumerate(runs):
        result = None
        if not run.error:
            result = Result.load(directory / "runs" / _folder(i, run))
            of = (result.digest, result.seed, result.replicate)
            if of != (run.digest, run.seed, run.replicate):
                message = f"{directory / 'runs' / _folder(i, run)} holds another run's result"
                raise ResultError(message)
        whole.append(Run(**{name: getattr(run, name) for name in _PLAIN}, result=result))
    return about, whole


def holds_study(directory: Path) -> bool:
    """Whether a directory holds a study, perhaps its report, and nothing else."""
    try:
        _, runs = _read_index(directory)
    except ResultError:
        return False
    folders = {_folder(i, run) for i, run in enumerate(runs) if not run.error}
    return (
        {path.name for path in directory.iterdir()} - {archive.REPORT} == {"study.json", "runs"}
        and {path.name for path in (directory / "runs").iterdir()} <= folders
        and all(archive.holds_result(path) for path in (directory / "runs").iterdir())
    )


def _folder(index: int, run: Run) -> str:
    """Return the name of a run's directory: made from its place, never read from a file."""
    slug = re.sub(r"[^a-z0-9]+", "-", run.variant.lower())[:60].strip("-")
    return f"{index:06d}-{slug}-{run.replicate}"


def _read_index(directory: Path) -> tuple[dict[str, Any], list[Run]]:
    path = directory / "study.json"
    data = store.read_json(path, form=FORMAT, version=FORMAT_VERSION)
    rows, name, baseline = (data.get(key) for key in ("runs", "name", "baseline"))
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_RUNS or not all(map(_is_row, rows)):
        message = f"{path} is torn or changed: it lists no runs, or what is none"
        raise ResultError(message)
    texts = {key: _texts(data.get(key)) for key in ("random", "keeping")}
    whole = (
        isinstance(name, str) and isinstance(baseline, str | None) and None not in texts.values()
    )
    if not whole:
        message = f"{path} is torn or changed: its name, random, keeping or baseline is odd"
        raise ResultError(message)
    return {"name": name, "baseline": baseline, **texts}, [Run(**row) for row in rows]


def _texts(value: Any) -> tuple[str, ...] | None:
    """Return a list of texts as a tuple; None if it is no such list."""
    whole = isinstance(value, list) and all(isinstance(text, str) for text in value)
    return tuple(value) if whole else None


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and row.keys() == set(_PLAIN)
        and all(isinstance(row[name], str) for name in _TEXTS)
        and all(type(row[name]) is int for name in ("replicate", "seed"))
        and isinstance(row["changes"], dict)
    )
