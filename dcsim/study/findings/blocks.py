"""Runs in their places: a metric by level, point and replicate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from dcsim.errors import ResultError, did_you_mean
from dcsim.records.tables import SUMMARY
from dcsim.study.designs.factors import Factor, Value
from dcsim.study.findings.metrics import check_metric

if TYPE_CHECKING:
    import pandas as pd


def check_columns(frame: pd.DataFrame, names: Iterable[str]) -> None:
    """Refuse a frame that lacks a column.

    Raises
    ------
    ResultError
        With the name that may be meant.
    """
    for name in names:
        if name not in frame:
            close = did_you_mean(name, map(str, frame.columns))
            hint = f"; did you mean {close!r}?" if close else ""
            raise ResultError(f"the frame has no column {name[:80]!r}{hint}")


def plain(value: Value) -> Value:
    """Return a value of a column, which holds NaN where it is None among numbers."""
    return None if value != value else value


def value_places(factor: Factor, values: Iterable[Value]) -> np.ndarray:
    """Return which of a factor's values each one is; -1 if it is none."""
    known = {value: i for i, value in enumerate(factor.values)}
    return np.array([known.get(plain(value), -1) for value in values], int)


def combinations(
    frame: pd.DataFrame, factors: Sequence[Factor]
) -> tuple[np.ndarray, list[tuple[Value, ...]]]:
    """Return which combination of the factors' values each run has, and all that there are.

    Parameters
    ----------
    frame
        A row a run.
    factors
        Perhaps none: then all runs have the same, which is empty.

    Returns
    -------
    tuple
        A number a run, -1 where a value is none of its factor's; and the combinations that occur,
        in the order of the factors' values.

    Raises
    ------
    ResultError
        If a factor has no column.
    """
    check_columns(frame, [factor.path for factor in factors])
    places = np.zeros((len(frame), len(factors)), int)
    for column, factor in enumerate(factors):
        places[:, column] = value_places(factor, frame[factor.path].tolist())
    inside = (places >= 0).all(axis=1)
    which = np.full(len(frame), -1)
    there, which[inside] = np.unique(places[inside], axis=0, return_inverse=True)
    return which, [
        tuple(factor.values[i] for factor, i in zip(factors, row, strict=True))
        for row in there.tolist()
    ]


_MOST_CELLS: Final = 10_000_000
_SPARSE: Final = 50


def figures_of(
    frame: pd.DataFrame, metric: str, levels: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """Return a metric by level, point and replicate, NaN where there is no run or no value.

    Parameters
    ----------
    frame
        A row a run: ``replicate`` and the metric.
    metric
        A column of the table ``summary``.
    levels, points
        A number a run, from 0; runs with -1 in either are left out.

    Raises
    ------
    ResultError
        If there is no such metric, no run is left, or two have the same place.
    """
    check_metric(metric, among=[name for name in SUMMARY.names if name in frame])
    replicates, replicate = np.unique(frame["replicate"].to_numpy(), return_inverse=True)
    kept = (levels >= 0) & (points >= 0)
    if not kept.any():
        message = "no run has any of the factors' values"
        raise ResultError(message)
    shape = (int(levels.max()) + 1, int(points.max()) + 1, len(replicates))
    if math.prod(shape) > max(_MOST_CELLS, _SPARSE * len(frame)):
        message = (
            f"{shape[0]:,} values of what is compared hardly meet at the {shape[1]:,} combinations "
            "of all else: cross it with what is sampled, or look at response and tornado"
        )
        raise ResultError(message)
    places = np.ravel_multi_index((levels[kept], points[kept], replicate[kept]), shape)
    if len(np.unique(places)) < len(places):
        message = "several runs have the same values and replicate: name all that was varied"
        raise ResultError(message)
    figures = np.full(math.prod(shape), math.nan)
    figures[places] = frame[metric].to_numpy(float)[kept]
    return figures.reshape(shape)


def blocked(
    frame: pd.DataFrame, metric: str, *, by: Factor, blocks: Sequence[Factor]
) -> tuple[np.ndarray, list[tuple[Value, ...]], list[tuple[Value, ...]]]:
    """Return a metric by level, point and replicate, and what levels and points there are."""
    which_level, levels = combinations(frame, [by])
    which_point, points = combinations(frame, blocks)
    return figures_of(frame, metric, which_level, which_point), levels, points


def is_random(frame: pd.DataFrame, said: bool | None) -> bool:
    """Whether chance has a part: as it is said, or else if there are several replicates."""
    return len(set(frame["replicate"].tolist())) > 1 if said is None else said
