"""How a metric responds to one thing that was varied, at each level of another, over all the rest.

A point's runs are replications; what a metric comes to at a value is the mean over the points that
have it. Two things spread around that: chance, which an interval tells, and what else was varied,
which percentiles of the points' means tell.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dcsim import units
from dcsim.errors import ResultError, did_you_mean
from dcsim.records.tables import SUMMARY
from dcsim.study.designs.factors import Factor, Value
from dcsim.study.designs.ranges import written
from dcsim.study.findings.metrics import check_metric
from dcsim.study.findings.statistics import Interval, paired_difference, pooled

if TYPE_CHECKING:
    import pandas as pd

MOST_VALUES: Final = 24
"""Values that are looked at one by one; more sizes than these are taken together in bins."""
MOST_BINS: Final = 12
SLIGHT: Final = 0.01
"""Share of a metric that words pass over."""

_MOST_LEVELS: Final = 4
_MOST_CROSSINGS: Final = 6
_SUFFIXES: Final = {"s": "_s", "B": "_bytes", "B/s": "_bytes_per_s", "%": "_percent"}


# ------------------------------------------------------------------- the points of a study


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
        counts = np.isfinite(self.values).sum(axis=1)
        none = np.full(len(counts), np.nan)
        found: np.ndarray = np.divide(
            np.nansum(self.values, axis=1), counts, out=none, where=counts > 0
        )
        return found


def points(frame: pd.DataFrame, metric: str, factors: Sequence[Factor]) -> Points:
    """Return the points of a study, given its frame of a row a run.

    Raises
    ------
    ResultError
        If there is no such metric or column, or a value that is none of its factor's.
    """
    check_metric(metric)
    wanted = ["point", "replicate", metric, *(factor.path for factor in factors)]
    for name in wanted:
        if name not in frame:
            close = did_you_mean(name, map(str, frame.columns))
            hint = f"; did you mean {close!r}?" if close else ""
            raise ResultError(f"the frame has no column {name[:80]!r}{hint}")
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
    known = {value: i for i, value in enumerate(factor.values)}
    found = []
    for value in values:
        plain = None if value != value else value  # pandas has NaN for None
        if plain not in known:
            raise ResultError(f"{str(value)[:80]!r} is none of the values of {factor.path}")
        found.append(known[plain])
    return np.array(found, int)


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
    means = np.bincount(codes, each) / np.bincount(codes)
    like = str(factor.values[int(np.argmax(sizes))])
    names = tuple(written(mean, like=like, figures=3) for mean in means.tolist())
    return Groups(factor, codes, names, tuple(means.tolist()), binned=True)


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


def said(value: Value) -> str:
    """Return a value as people write it.

    Examples
    --------
    >>> said("10Gbit/s"), said(438.0)
    ('10Gbit/s', '438')
    """
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def level_name(by: Factor | None, level: Value) -> str:
    """Return what a level is called: names speak for themselves, sizes and yes or no do not."""
    if by is None:
        return ""
    return level if isinstance(level, str) and not by.ordered else f"{by.label} {said(level)}"


def three_figures(metric: str, value: float) -> str:
    """Return a metric's value in words: as many figures as a sentence needs."""
    forms = {"s": units.format_duration, "B": units.format_size}
    form = forms.get(metric_unit(metric))
    return form(value, digits=3) if form else units.format_count(float(f"{value:.3g}"))


def left_out(count: int) -> Iterator[str]:
    """Yield how many points have no value, if any."""
    if count:
        yield f"{count:,} point{' has' if count == 1 else 's have'} no value of it."


def suffix(unit: str) -> str:
    """Return how a column says its unit."""
    return _SUFFIXES.get(unit, f"_{unit}" if unit else "")


def metric_unit(metric: str) -> str:
    """Return the unit of a metric, as the table ``summary`` has it."""
    return next(column.unit for column in SUMMARY.columns if column.name == metric)


# ------------------------------------------------------------------- the response


@dataclass(frozen=True, slots=True)
class Cell:
    """What a metric comes to at one value.

    Parameters
    ----------
    value
        As it was written; of a bin, its mean size.
    size
        In SI; NaN of a name.
    mean
        Over the points, each weighing the same, with its interval: chance only. Its `pairs` are
        replicates where all points have the same ones, and else runs.
    p10, p90
        Percentiles of the points' means: what else was varied, and of a bin its width.
    points, runs
        How many have a value.
    replicates
        Mean over the points, replicate by replicate; NaN where some point has none.
    """

    value: Value
    size: float
    mean: Interval
    p10: float
    p90: float
    points: int
    runs: int
    replicates: tuple[float, ...]

    def less(self, other: Cell) -> Interval:
        """Return by how much another one is more, in pairs of replicates."""
        found = paired_difference(other.replicates, self.replicates)
        difference = other.mean.mean - self.mean.mean
        return found if found.pairs > 1 else Interval(difference, math.nan, math.nan, found.pairs)


@dataclass(frozen=True, slots=True)
class Line:
    """One level of another factor, and what the metric comes to along the first."""

    level: Value
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Response:
    """How a metric responds.

    Parameters
    ----------
    metric
        Its name.
    over, by
        What it responds to, and what tells lines apart.
    others
        What else was varied, over which points are averaged.
    lines
        One for each level of *by*, in order; a single one whose level is None where there is none.
        Sizes rise along each.
    left_out
        Points that have no value of the metric.
    notes
        What was binned, in words.
    """

    metric: str
    over: Factor
    by: Factor | None
    others: tuple[Factor, ...]
    lines: tuple[Line, ...]
    left_out: int
    notes: tuple[str, ...]

    @property
    def unit(self) -> str:
        """Of the metric."""
        return metric_unit(self.metric)

    def frame(self) -> pd.DataFrame:
        """Return a row a value and level.

        Returns
        -------
        pandas.DataFrame
            ``metric``; a column of levels, called as the path is; one of values; where these are
            sizes, ``size``; ``mean`` with the ends of its interval, ``low`` and ``high``; ``p10``
            and ``p90``. Numbers carry their units: ``mean_s``, ``size_bytes_per_s``. Then
            ``points`` and ``runs``.
        """
        import pandas as pd

        here, along = suffix(self.unit), suffix(self.over.unit)
        rows = []
        for line, cell in self._cells():
            row: dict[str, object] = {"metric": self.metric}
            if self.by is not None:
                row[self.by.path] = line.level
            row[self.over.path] = cell.value
            if self.over.ordered:
                row[f"size{along}"] = cell.size
            row |= {
                f"mean{here}": cell.mean.mean,
                f"low{here}": cell.mean.low,
                f"high{here}": cell.mean.high,
                f"p10{here}": cell.p10,
                f"p90{here}": cell.p90,
                "points": cell.points,
                "runs": cell.runs,
            }
            rows.append(row)
        return pd.DataFrame(rows)

    def words(self) -> list[str]:
        """Say which way the metric goes and how far, a sentence a level; and where levels cross."""
        return list(_lines(self))

    def _cells(self) -> Iterator[tuple[Line, Cell]]:
        for line in self.lines:
            for cell in line.cells:
                yield line, cell


def respond(
    frame: pd.DataFrame,
    metric: str,
    *,
    over: Factor,
    by: Factor | None = None,
    others: Sequence[Factor] = (),
) -> Response:
    """Return what a metric comes to at each value of one factor, for each level of another.

    The interval of a mean is that of chance alone, as `pooled` has it: the design's points are
    fixed.

    Parameters
    ----------
    frame
        A row a run: ``point``, ``replicate``, the paths of the factors and the metric; NaN is left
        out.
    metric
        A column of the table ``summary``.
    over
        Sizes or names; more than `MOST_VALUES` sizes are binned.
    by
        Whose levels are told apart; None: all together.
    others
        What else was varied.

    Raises
    ------
    ResultError
        If there is no such metric or column, or no run has a value.
    """
    found = points(frame, metric, [over, *([by] if by is not None else [])])
    keep = np.isfinite(found.values).any(axis=1)
    if not keep.any():
        raise ResultError(f"no run has a value of {metric}: there is no response")
    along = group(found, over)
    across = None if by is None else group(found, by, most=_MOST_LEVELS)
    levels: tuple[Value, ...] = (None,) if across is None else across.names
    row = 0 if across is None else across.codes
    keys = np.where(keep, row * len(along.names) + along.codes, -1)
    order = np.argsort(keys, kind="stable")
    starts = np.searchsorted(keys[order], np.arange(len(levels) * len(along.names) + 1))
    rising = range(len(along.names)) if along.sizes is None else np.argsort(along.sizes).tolist()
    lines = []
    for i, level in enumerate(levels):
        cells = []
        for k in rising:
            start, end = starts[i * len(along.names) + k : i * len(along.names) + k + 2]
            if end > start:
                size = math.nan if along.sizes is None else along.sizes[k]
                cells.append(_cell(along.names[k], size, found.values[order[start:end]]))
        if cells:
            lines.append(Line(level, tuple(cells)))
    notes = bin_notes([along, *([across] if across is not None else [])])
    return Response(
        metric, over, by, tuple(others), tuple(lines), int(np.count_nonzero(~keep)), notes
    )


def _cell(value: Value, size: float, values: np.ndarray) -> Cell:
    """Return what points with *values*, shape (points, replicates), come to."""
    known = np.isfinite(values)
    whole = known.all(axis=0)
    replicates = np.where(whole, np.where(known, values, 0.0).mean(axis=0), np.nan).tolist()
    mean = pooled(values.tolist())
    means = np.nansum(values, axis=1) / known.sum(axis=1)
    p10, p90 = np.quantile(means, (0.1, 0.9)).tolist()
    return Cell(
        value, size, mean, p10, p90, len(values), int(known.sum()), tuple(map(float, replicates))
    )


# ------------------------------------------------------------------- in words


def _lines(response: Response) -> Iterator[str]:
    yield from (_line(response, line) for line in response.lines)
    if response.over.ordered and response.by is not None:
        found = list(_crossings(response))
        yield from found[:_MOST_CROSSINGS]
        if len(found) > _MOST_CROSSINGS:
            yield f"There are {len(found) - _MOST_CROSSINGS} crossings more."
    if response.others:
        names = " and ".join(factor.label for factor in response.others)
        yield f"Each is a mean over what was varied of {names}."
    yield from response.notes
    yield from left_out(response.left_out)


def _line(response: Response, line: Line) -> str:
    over, metric, cells = response.over, response.metric, line.cells
    level = level_name(response.by, line.level)
    for_level = level and f" for {level}"
    if len(cells) == 1:
        mean = _mean(metric, cells[0])
        return f"With {over.label} = {said(cells[0].value)}, {metric} is {mean}{for_level}."
    least = min(cells, key=lambda cell: cell.mean.mean)
    most = max(cells, key=lambda cell: cell.mean.mean)
    gap = least.less(most)
    chance = "" if gap.clear or math.isnan(gap.low) else ", perhaps by chance"
    if not over.ordered:
        if _alike(least, most):
            return f"{metric} hardly depends on {over.label}{for_level}: {_about(metric, cells)}."
        return (
            f"By {over.label}{for_level}, {metric} is least with "
            f"{said(least.value)}, {_mean(metric, least)}, and most with {said(most.value)}, "
            f"{_mean(metric, most)}{chance}."
        )
    head = f"With {over.label} from {said(cells[0].value)} to {said(cells[-1].value)}, {metric}"
    way = _way(metric, cells, least, most)
    if way is None:
        return f"{head} hardly changes{for_level}: {_about(metric, cells)}."
    settled = next(
        (i for i in range(1, len(cells) - 1) if all(_alike(cells[i], e) for e in cells[i + 1 :])), 0
    )
    tail = f"; above {said(cells[settled].value)} it changes by less than 1 %" if settled else ""
    return f"{head} {way}{for_level}{chance}{tail}."


def _way(metric: str, cells: Sequence[Cell], least: Cell, most: Cell) -> str | None:
    """Return where a metric goes along sizes; None if nowhere."""
    first, last = cells[0], cells[-1]
    slight = SLIGHT * max(abs(least.mean.mean), abs(most.mean.mean))
    start, end = first.mean.mean, last.mean.mean
    dips = least.mean.mean < min(start, end) - slight
    peaks = most.mean.mean > max(start, end) + slight
    low, high, at_first, at_last = (_mean(metric, each) for each in (least, most, first, last))
    if dips and peaks:
        return (
            f"goes from {at_first} to {at_last}, with the least, {low}, at {said(least.value)} "
            f"and the most, {high}, at {said(most.value)}"
        )
    if dips:
        return f"falls from {at_first} to {low} at {said(least.value)}, then rises to {at_last}"
    if peaks:
        return f"rises from {at_first} to {high} at {said(most.value)}, then falls to {at_last}"
    if abs(end - start) <= slight:
        return None
    return f"{'falls' if end < start else 'rises'} from {at_first} to {at_last}"


def _crossings(response: Response) -> Iterator[str]:
    """Yield between which values one level gets ahead of another.

    Differences that may be chance say nothing: the next one that is sure does.
    """
    what = response.over.label

    def called(line: Line) -> str:
        return level_name(response.by, line.level)

    for one, other in itertools.combinations(response.lines, 2):
        theirs = {cell.size: cell for cell in other.cells}
        last: tuple[Cell, bool] | None = None
        for cell in one.cells:
            if cell.size not in theirs:
                continue
            gap = cell.less(theirs[cell.size])
            if gap.mean == 0 or not (gap.clear or math.isnan(gap.low)):
                continue
            ahead = gap.mean > 0
            if last is not None and last[1] != ahead:
                below, above = map(called, (one, other) if last[1] else (other, one))
                yield (
                    f"Between {what} {said(last[0].value)} and {said(cell.value)}, {called(one)} "
                    f"and {called(other)} cross: {response.metric} is less for {below} below, and "
                    f"for {above} above."
                )
            last = cell, ahead


def _alike(one: Cell, other: Cell) -> bool:
    return abs(other.mean.mean - one.mean.mean) <= SLIGHT * abs(one.mean.mean)


def _mean(metric: str, cell: Cell) -> str:
    return three_figures(metric, cell.mean.mean)


def _about(metric: str, cells: Sequence[Cell]) -> str:
    means = [cell.mean.mean for cell in cells]
    low, high = (three_figures(metric, end) for end in (min(means), max(means)))
    return low if low == high else f"{low} to {high}"
