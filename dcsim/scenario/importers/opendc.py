"""OpenDC workload traces (tasks and fragments, Parquet) -> guests with a size and a load.

A fragment is CPU use in MHz for some milliseconds; those of a task follow each other from its
submission. ``mem_capacity`` is documented as MB, but is KB in some published files [E.4].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario.importers.population import (
    LARGEST_FILE,
    MOST_GUESTS,
    Base,
    Population,
    Problems,
)
from dcsim.scenario.importers.traces import Trace, trace_population
from dcsim.units import MiB, format_size

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_TASKS: Final = ("id", "submission_time", "duration", "cpu_count", "mem_capacity")
_FRAGMENTS: Final = ("id", "duration", "cpu_usage")
_MOST_ROWS: Final = 20_000_000
# 4 TiB in MB, 4 GiB in KB: no guest is so large, and some guest of any trace is.
_KILOBYTES_FROM: Final = 2**22
_MOST_VCPUS: Final = 1024


def import_opendc(
    *,
    paths: Sequence[Path],
    base: Base,
    start: float = 0.0,
    length: float | None = None,
    points: int = 288,
) -> Population:
    """Return one guest a task: its memory and cores, its CPU use as load.

    Parameters
    ----------
    paths
        The two files, in either order (told apart by their columns), or a directory that holds
        ``tasks.parquet`` and ``fragments.parquet``.
    base
        Workload that memory and activities come from.
    start, length
        Window in seconds from the earliest submission; no length: all of it.
    points
        Steps of a guest's load at most.

    Raises
    ------
    ScenarioError
        If a file cannot be read or the two do not fit together: all problems at once.
    """
    import numpy as np

    tasks, fragments, where = _tables(paths)
    problems = Problems()
    sizes = tasks["mem_capacity"]
    kilobytes = bool(sizes.max() >= _KILOBYTES_FROM)
    unit = 1024 if kilobytes else MiB
    order = np.argsort(fragments["id"], kind="stable")
    ids, usage = fragments["id"][order], fragments["cpu_usage"][order]
    seconds = fragments["duration"][order] / 1000
    empty = 0
    traces = []
    for row in range(len(tasks["id"])):
        name, vcpus = int(tasks["id"][row]), tasks["cpu_count"][row]
        begin, end = np.searchsorted(ids, [name, name + 1])
        lasts = seconds[begin:end] > 0
        spans, used = seconds[begin:end][lasts], usage[begin:end][lasts]
        memory = float(sizes[row]) * unit
        if not 1 <= vcpus <= _MOST_VCPUS:
            problems.add(where, f"task {name}: {vcpus:g} CPUs; legal is 1 to {_MOST_VCPUS}")
        elif memory < MiB:
            problems.add(where, f"task {name}: less than 1 MiB of memory")
        elif used.min(initial=0.0) < 0 or not np.isfinite(used).all():
            problems.add(where, f"task {name}: CPU usage of a fragment is no number >= 0")
        elif not len(spans):
            empty += 1
        else:
            submitted = float(tasks["submission_time"][row]) / 1000
            ends = submitted + np.cumsum(spans)
            traces.append(
                Trace(
                    name=f"task-{name}",
                    vcpus=int(vcpus),
                    memory=memory,
                    times=[submitted, *ends[:-1].tolist()],
                    usage=used.tolist(),
                    end=float(ends[-1]),
                )
            )
    problems.check()
    if not traces:
        raise ScenarioError([Issue(file=str(where), message="no task has a fragment")])
    said = "KB (the documentation says MB; as MB some guest would have 4 TiB or more)"
    notes = [
        f"mem_capacity is read as {said if kilobytes else 'MB'}",
        "fragments of a task follow each other from its submission",
    ]
    if empty:
        notes.append(f"left out, without a fragment: {empty}")
    return trace_population(traces, base, notes, start=start, length=length, points=points)


def _tables(
    paths: Sequence[Path],
) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, npt.NDArray[np.float64]], Path]:
    """Return the columns of tasks and of fragments, and the file of the tasks."""
    if len(paths) == 1 and paths[0].is_dir():
        paths = [paths[0] / "tasks.parquet", paths[0] / "fragments.parquet"]
    found: dict[str, tuple[dict[str, Any], Path]] = {}
    for path in paths:
        kind, columns = _table(path)
        if kind in found:
            raise ScenarioError([Issue(file=str(path), message=f"is a second table of {kind}")])
        found[kind] = columns, path
    for kind in ("tasks", "fragments"):
        if kind not in found:
            message = (
                f"no table of {kind} among the files; give tasks and fragments, or their folder"
            )
            raise ScenarioError([Issue(file=str(paths[0]), message=message)])
    return found["tasks"][0], found["fragments"][0], found["tasks"][1]


def _table(path: Path) -> tuple[str, dict[str, Any]]:
    """Return which table a file is, and its columns as arrays of floats."""
    import numpy as np
    import pyarrow
    import pyarrow.parquet
    import pyarrow.types as is_number

    def refuse(message: str) -> ScenarioError:
        return ScenarioError([Issue(file=str(path), message=message)])

    try:
        if path.stat().st_size > LARGEST_FILE:
            raise refuse(f"is larger than {format_size(LARGEST_FILE)}")
        with pyarrow.parquet.ParquetFile(path) as file:
            names = set(file.schema_arrow.names)
            kind = "tasks" if "submission_time" in names else "fragments"
            wanted = _TASKS if kind == "tasks" else _FRAGMENTS
            missing = [name for name in wanted if name not in names]
            if missing:
                raise refuse(
                    f"has no column {', '.join(missing)}; it has {', '.join(sorted(names))}"[:500]
                )
            most = MOST_GUESTS if kind == "tasks" else _MOST_ROWS
            if not 0 < file.metadata.num_rows <= most:
                raise refuse(f"has {file.metadata.num_rows:,} rows; legal is 1 to {most:,}")
            kinds = [file.schema_arrow.field(name).type for name in wanted]
            if not all(is_number.is_integer(t) or is_number.is_floating(t) for t in kinds):
                raise refuse(f"is no table of numbers: {', '.join(map(str, kinds))}")
            table = file.read(columns=list(wanted))
        columns = {name: table[name].to_numpy().astype(np.float64) for name in wanted}
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror or error}") from None
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise refuse(f"is no Parquet table of numbers: {str(error)[:200]}") from None
    bad = [n for n, values in columns.items() if n != "cpu_usage" and not np.isfinite(values).all()]
    if bad:
        raise refuse(f"has empty cells in {', '.join(bad)}")
    return kind, columns
