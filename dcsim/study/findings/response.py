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

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor, Value
from dcsim.study.findings.metrics import UNITS, suffix
from dcsim.study.findings.points import bin_notes, group, points
from dcsim.study.findings.statistics import Interval, means, paired_difference, pooled
from dcsim.study.findings.words import left_out, level_name, said, three_figures

if TYPE_CHECKING:
    import pandas as pd

SLIGHT: Final = 0.01
"""Share of a metric that words pass over."""

_MOST_LEVELS: Final = 4
_MOST_CROSSINGS: Final = 6


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
        return UNITS[self.metric]

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
        Sizes or names; more than `points.MOST_VALUES` sizes are binned.
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
    p10, p90 = np.quantile(means(values), (0.1, 0.9)).tolist()
    return Cell(
        value, size, mean, p10, p90, len(values), int(known.sum()), tuple(map(float, replicates))
    )


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
