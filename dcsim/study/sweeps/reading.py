"""What a store holds: which runs are recorded, and the frame of a study."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dcsim.errors import ResultError
from dcsim.records.tables import RUNS, SUMMARY
from dcsim.study.designs.design import Design
from dcsim.study.sweeps.chunk import LIMITS
from dcsim.study.sweeps.code import code
from dcsim.study.sweeps.store import Points, Store, kept_table, name_of, plain_files
from dcsim.study.sweeps.work import asked_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

_KEYS: Final = ("run", "digest", "replicate", "seed", "error")


@dataclass(slots=True)
class Recorded:
    """Runs that are recorded: what a metric was in each, and which of them failed."""

    values: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)


def recorded(store: Store, design: Design, *, retry_failed: bool = False) -> Recorded:
    """Return the runs of this source that a study need not run again, with the tables it wants.

    A run that failed and then did not has not failed. One that took more than it may counts for the
    study whose limits these were.

    Parameters
    ----------
    store, design
        Where, and the study.
    retry_failed
        Leave out those that failed.
    """
    found = Recorded()
    study, tables = name_of(design), design.asked.tables
    metric = design.asked.replications.metric or ""
    columns = ["run", "code", "error", "tables", "study", *([metric] if metric else [])]
    for shard in store.shards():
        part = store.rows(shard, columns)
        if part is None:
            continue
        values = part[metric].to_pylist() if metric else [0.0] * part.num_rows
        rows = zip(*(part[name].to_pylist() for name in columns[:5]), values, strict=True)
        for run, made_by, error, kept, of, value in rows:
            if made_by != code() or (error in LIMITS and of != study):
                continue
            if error:
                if run not in found.values:
                    found.failed.add(run)
                    found.values[run] = value
            elif set(tables) <= set(kept.split(",")):
                found.failed.discard(run)
                found.values[run] = value
    if retry_failed:
        for run in found.failed:
            del found.values[run]
        found.failed.clear()
    return found


def frame(
    store: Store,
    design: Design,
    points: Points,
    *,
    metrics: Collection[str] | None = None,
    timing: bool = False,
) -> pd.DataFrame:
    """Return a row a run of a study that is recorded, in the order of its points and replicates.

    Parameters
    ----------
    store, design, points
        The study.
    metrics
        Columns of the table ``summary``; default: all.
    timing
        Whether to tell what each run took and who ran it, which differs from time to time.

    Returns
    -------
    pandas.DataFrame
        ``point``, a column for each path that was varied, ``replicate``, ``seed``, ``run``,
        ``digest``, ``error`` (empty where it did not fail), and the metrics, float64 and NaN where
        it failed.
    """
    import pandas as pd

    wanted = list(SUMMARY.names if metrics is None else metrics)
    also = ["seconds", "worker", "message"] if timing else ["message"]
    decides = design.asked.replications.metric
    read = dict.fromkeys([*_KEYS, *also, *wanted, *([decides] if decides else [])])
    rows = _rows(store, points, list(read))
    at: dict[str, list[int]] = {}
    for point, digest in enumerate(points.digests):
        at.setdefault(digest, []).append(point)
    runs = pd.DataFrame({"digest": list(at), "point": list(at.values())}).explode("point")
    runs["point"] = runs["point"].astype("int64")
    runs = runs.merge(rows, on="digest").sort_values(["point", "replicate"], kind="stable")
    runs = runs[_asked(runs, design, points)]
    shown: dict[str, list[Any]] = {path: [] for path in design.paths}
    for point in runs["point"].tolist():
        for path, value in design.shown(point).items():
            shown[path].append(value)
    varied = pd.DataFrame(shown, index=runs.index)
    whole = pd.concat([runs[["point"]], varied, runs.drop(columns=["point"])], axis=1)
    order = ["point", *design.paths, "replicate", "seed", "run", "digest", "error", *also, *wanted]
    return whole[order].reset_index(drop=True)


def _asked(runs: pd.DataFrame, design: Design, points: Points) -> np.ndarray:
    """Return which runs the study asked for: another one may have more replications of a point."""
    import numpy as np

    rule = design.asked.replications
    point, replicate = runs["point"].to_numpy(int), runs["replicate"].to_numpy(int)
    most = np.array([asked_of(rule, chancy=chancy) for chancy in points.chancy], int)
    if rule.metric:
        chancy = np.array(points.chancy, bool)
        for known, values in runs.groupby("point", sort=False)[rule.metric]:
            if chancy[int(str(known))]:
                most[int(str(known))] = asked_of(rule, values.tolist(), chancy=True)
    kept: np.ndarray = replicate < most[point]
    return kept


def _rows(store: Store, points: Points, columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows of some scenarios, each run once: as it did not fail, if it ever did not."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted, made_by = pa.array(sorted(set(points.digests)), pa.string()), points.code
    parts: list[pa.Table] = []
    for shard in store.shards():
        part = store.rows(shard, [*columns, "code"])
        if part is not None:
            mine = pc.and_(pc.is_in(part["digest"], wanted), pc.equal(part["code"], made_by))
            parts.append(part.filter(mine).select(list(columns)))
    if not parts or not sum(part.num_rows for part in parts):
        kinds = {column.name: column.kind for column in RUNS.columns}
        types = {"text": "str", "int": "int64", "float": "float64"}
        return pd.DataFrame({c: pd.Series([], dtype=types[kinds[c]]) for c in columns})
    found: pd.DataFrame = pa.concat_tables(parts, promote_options="default").to_pandas()
    found["failed"] = found["error"] != ""
    found = found.sort_values(["run", "failed"], kind="stable").drop_duplicates("run")
    return found.drop(columns=["failed"])


def row_of(store: Store, run: str) -> dict[str, Any]:
    """Return the row of a run, by its name or the beginning of it.

    Raises
    ------
    ResultError
        If there is none, or several.
    """
    found: dict[str, dict[str, Any]] = {}
    for shard in store.shards():
        part = store.rows(shard, RUNS.names)
        if part is None:
            continue
        for i, name in enumerate(part["run"].to_pylist()):
            if name.startswith(run):
                row = {column: part[column][i].as_py() for column in RUNS.names}
                if name not in found or not row["error"]:
                    found[name] = row
    if len(found) != 1:
        told = "no run" if not found else f"{len(found)} runs"
        message = f"{told} of {store.directory} has a name that begins with {run[:40]!r}"
        raise ResultError(message)
    return next(iter(found.values()))


def kept(store: Store, name: str, runs: Collection[str]) -> pd.DataFrame:
    """Return the rows of a table that were kept of some runs, a column ``run`` first.

    Raises
    ------
    ResultError
        If none were kept.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = kept_table(name)
    wanted = pa.array(sorted(runs), pa.string())
    folder = store.directory / "tables" / name
    parts = []
    seen: set[str] = set()
    for shard in plain_files(folder, ".parquet"):
        part = store.rows(shard, table.names, table=table)
        if part is None:
            continue
        part = part.filter(pc.is_in(part["run"], wanted))
        fresh = [run for run in dict.fromkeys(part["run"].to_pylist()) if run not in seen]
        seen.update(fresh)
        parts.append(part.filter(pc.is_in(part["run"], pa.array(fresh, pa.string()))))
    if not parts:
        message = f"no table {name} was kept: the study's `tables` say which are"
        raise ResultError(message)
    whole: pd.DataFrame = pa.concat_tables(parts, promote_options="default").to_pandas()
    return whole
