"""The points of a study: what each has of what was varied, what its runs came to, who is alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor, Value
from dcsim.study.designs.ranges import written
from dcsim.study.findings.blocks import check_columns, value_places
from dcsim.study.findings.metrics import check_metric
from dcsim.study.findings.statistics import means

if TYPE_CHECKING:
    import pandas as pd

MOST_VALUES: Final = 24
"""Values that are looked at one by one; more sizes than these are taken together in bins."""
MOST_BINS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """What each point has of what was varied, and what its runs came to in a metric.

    Parameters
    ----------
    metric
        Its name.
    ids
        Number of each point, rising; shape (points,).
    places
        Of each path, which of its factor's values each point has; shape (points,).
    values
        The metric, a column a replicate; NaN where there is none. Shape (points, replicates).
    failed
        Of each point, runs that failed; shape (points,).
    """

    metric: str
    ids: np.ndarray
    places: dict[str, np.ndarray]
    values: np.ndarray
    failed: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Each point's mean over its replications, NaN where it has no value; shape (points,)."""
        return means(self.values)


def points(frame: pd.DataFrame, metric: str, factors: Sequence[Factor]) -> Points:
    """Return the points of a study, given its frame of a row a run.

    Raises
    ------
    ResultError
        If there is no such metric or column, or a value that is none of its factor's.
    """
    check_metric(metric)
    check_columns(frame, ["point", "replicate", metric, *(factor.path for factor in factors)])
    ids, place = np.unique(frame["point"].to_numpy(), return_inverse=True)
    replicates, column = np.unique(frame["replicate"].to_numpy(), return_inverse=True)
    values = np.full((len(ids), len(replicates)), np.nan)
    values[place, column] = frame[metric].to_numpy(float)
    failed = np.zeros(len(ids), int)
    if "error" in frame:
        np.add.at(failed, place, (frame["error"] != "").to_numpy(int))
    first = frame.drop_duplicates("point").sort_values("point")
    places = {factor.path: _places(factor, first[factor.path].tolist()) for factor in factors}
    return Points(metric, ids, places, values, failed)


def _places(factor: Factor, values: Sequence[Value]) -> np.ndarray:
    found = value_places(factor, values)
    if (found < 0).any():
        odd = values[int(np.argmin(found))]
        raise ResultError(f"{str(odd)[:80]!r} is none of the values of {factor.path}")
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Points that are alike in one factor: in its value, or in a bin of sizes.

    Parameters
    ----------
    factor
        Which.
    codes
        Group of each point; shape (points,).
    names
        What each group is called: the value, or the mean size of a bin.
    sizes
        In SI, of a bin the mean over its points; None where values are names.
    binned
        Whether they are bins.
    """

    factor: Factor
    codes: np.ndarray
    names: tuple[Value, ...]
    sizes: tuple[float, ...] | None
    binned: bool


def group(found: Points, factor: Factor, *, most: int = MOST_BINS) -> Groups:
    """Return which points are alike in a factor.

    Parameters
    ----------
    found
        The points; those that have no value count too.
    factor
        More than `MOST_VALUES` sizes, as designs that sample have them, are binned by equal counts:
        about as many bins as each has points, and *most* at the most. Equal sizes stay together.
    most
        Bins.
    """
    codes, sizes = found.places[factor.path], factor.sizes
    if sizes is None or len(factor.values) <= MOST_VALUES:
        return Groups(factor, codes, factor.values, sizes, binned=False)
    each = np.array(sizes)[codes]
    _, same, counts = np.unique(each, return_inverse=True, return_counts=True)
    middles = (np.cumsum(counts) - counts / 2) / len(each)
    bins = max(2, min(most, math.isqrt(len(each))))
    _, codes = np.unique(np.floor(middles * bins)[same], return_inverse=True)
    middle = np.bincount(codes, each) / np.bincount(codes)
    like = str(factor.values[int(np.argmax(sizes))])
    names = tuple(written(mean, like=like, figures=3) for mean in middle.tolist())
    return Groups(factor, codes, names, tuple(middle.tolist()), binned=True)


def bin_notes(groups: Sequence[Groups]) -> tuple[str, ...]:
    """Return in words what is binned."""
    labels: dict[int, list[str]] = {}
    for each in groups:
        if each.binned:
            labels.setdefault(len(each.names), []).append(each.factor.label)
    return tuple(
        f"The many values of {' and of '.join(names)} are taken together in {count} bins of about "
        "as many points; each bin stands at its mean size."
        for count, names in labels.items()
    )
