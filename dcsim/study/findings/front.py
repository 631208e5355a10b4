"""Which policies no other one beats in two costs at once, and how sure that is of the others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dcsim.study.designs.factors import Factor, Value
from dcsim.study.findings.blocks import combinations, figures_of, is_random
from dcsim.study.findings.pairs import compared
from dcsim.study.findings.statistics import Interval, ends, pooled
from dcsim.study.findings.words import called
from dcsim.study.plans.goals import in_words
from dcsim.units import listed

if TYPE_CHECKING:
    import pandas as pd

Values = tuple[Value, ...]
_MOST_TOLD: Final = 8
"""Combinations that words name."""


@dataclass(frozen=True, slots=True)
class Stand:
    """A combination of levels, and where it stands in both costs.

    Parameters
    ----------
    values
        Of the factors, in their order.
    x, y
        Means over points, in the metrics' units; NaN where no run has a value.
    beaten_by
        Those with no more of either and less of one; empty on the front.
    clearly
        Of them, those of which that is clear: no difference against them is mere chance.
    points, runs
        With a value of x.
    """

    values: Values
    x: Interval
    y: Interval
    beaten_by: tuple[Values, ...]
    clearly: tuple[Values, ...]
    points: int
    runs: int

    @property
    def on_front(self) -> bool:
        """Whether it has a value of both, and no other one beats it."""
        return not (self.beaten_by or math.isnan(self.x.mean + self.y.mean))


@dataclass(frozen=True, slots=True)
class Front:
    """Combinations of levels in two costs; see `front`.

    Parameters
    ----------
    x, y
        Columns of the table ``summary``.
    by
        The factors.
    confidence
        Of the means' intervals, and of all comparisons together.
    random
        Whether chance had a part.
    points
        Combinations of all that was varied beside *by*.
    rows
        A combination each, in the order of the factors' values.
    """

    x: str
    y: str
    by: tuple[Factor, ...]
    confidence: float
    random: bool
    points: int
    rows: tuple[Stand, ...]

    def name(self, values: Values) -> str:
        """Return what a combination is called."""
        return ", ".join(
            called(factor, value) for factor, value in zip(self.by, values, strict=True)
        )

    def frame(self) -> pd.DataFrame:
        """Return a row a combination.

        Returns
        -------
        pandas.DataFrame
            A column a factor; both metrics, each with its ``_low`` and ``_high``; ``on_front``,
            ``beaten_by`` and ``beaten_clearly_by`` (names, apart by semicolons), ``points``,
            ``runs``.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    **{f.path: value for f, value in zip(self.by, row.values, strict=True)},
                    **ends(self.x, row.x),
                    **ends(self.y, row.y),
                    "on_front": row.on_front,
                    "beaten_by": "; ".join(map(self.name, row.beaten_by)),
                    "beaten_clearly_by": "; ".join(map(self.name, row.clearly)),
                    "points": row.points,
                    "runs": row.runs,
                }
                for row in self.rows
            ]
        )

    def words(self) -> list[str]:
        """Return in sentences who is on the front, and who beats the others."""
        return list(_words(self))


def front(
    frame: pd.DataFrame,
    *,
    x: str = "network_bytes",
    y: str = "lost_work_s",
    by: Sequence[Factor],
    confidence: float = 0.95,
    random: bool | None = None,
) -> Front:
    """Find which combinations of levels no other one beats in two costs.

    One beats another if it has no more of either cost and less of one: means over all else that was
    varied, each point weighing the same. Two that are equal in both do not beat each other. It
    does so clearly if each of the paired differences is clear or nothing, at a confidence raised
    for the number of pairs as in `rank`; that both have to be needs no further raise (Berger,
    Technometrics 24, 1982).

    Parameters
    ----------
    frame
        A row a run, as a study has it: what was varied stands before ``replicate``.
    x, y
        Columns of the table ``summary``, less is better.
    by
        Usually one factor: the policy.
    confidence
        From 0 to 1.
    random
        Whether chance has a part; default: if there are several replicates.

    Raises
    ------
    ResultError
        If the frame has no such column or no run of these levels.
    """
    which, names = combinations(frame, by)
    points = _rest(frame, by)
    random = is_random(frame, random)
    one, other = (figures_of(frame, metric, which, points) for metric in (x, y))
    across, up = (
        [pooled(level.tolist(), confidence=confidence) for level in figures]
        for figures in (one, other)
    )
    alive = [i for i in range(len(names)) if not math.isnan(across[i].mean + up[i].mean)]
    gaps = [compared(each[alive], confidence=confidence, random=random) for each in (one, other)]
    rows = []
    for i in range(len(names)):
        beaten, clearly = [], []
        for j in alive if i in alive else ():
            sure = [found[alive.index(j), alive.index(i)] for found in gaps]
            less = [gap.mean for gap, _ in sure]  # where both have a value
            if not (max(less) <= 0 and min(less) < 0):
                continue
            beaten.append(names[j])
            if all((gap.mean < 0 and clear) or _nothing(gap) for gap, clear in sure):
                clearly.append(names[j])
        there = ~np.isnan(one[i])
        rows.append(
            Stand(
                names[i],
                across[i],
                up[i],
                tuple(beaten),
                tuple(clearly),
                points=int(there.any(axis=1).sum()),
                runs=int(there.sum()),
            )
        )
    return Front(x, y, tuple(by), confidence, random, one.shape[1], tuple(rows))


def pareto(x: Sequence[float], y: Sequence[float]) -> list[int]:
    """Return the points that no other one beats, from left to right; equal ones stand together.

    Parameters
    ----------
    x, y
        Two costs, less of both is better; points with a NaN are on no front.

    Examples
    --------
    >>> pareto([1.0, 2.0, 3.0, 2.0], [9.0, 4.0, 5.0, 4.0])
    [0, 1, 3]
    """
    found: list[int] = []
    places = (i for i in range(len(x)) if not math.isnan(x[i] + y[i]))
    for i in sorted(places, key=lambda i: (x[i], y[i])):
        last = found[-1] if found else None
        if last is None or y[i] < y[last] or (x[i], y[i]) == (x[last], y[last]):
            found.append(i)
    return found


def _nothing(gap: Interval) -> bool:
    """Whether all pairs are equal, or the only one is."""
    return gap.mean == 0 and not gap.low < gap.high


def _rest(frame: pd.DataFrame, by: Sequence[Factor]) -> np.ndarray:
    """Return which combination of all else that was varied each run has."""
    names = list(frame.columns)
    own = {path for factor in by for path in (factor.path, *factor.along)}
    own |= {"point", "variant"}
    rest = [name for name in names[: names.index("replicate")] if name not in own]
    if not rest:
        return np.zeros(len(frame), int)
    return frame.groupby(rest, dropna=False, sort=False).ngroup().to_numpy()


def _some(names: Sequence[str]) -> list[str]:
    """Return as many names as anyone reads, and how many more there are."""
    few = _MOST_TOLD if len(names) <= _MOST_TOLD else _MOST_TOLD - 1
    return [*names[:few], *([f"{len(names) - few} more"] if len(names) > few else [])]


def _words(found: Front) -> Iterator[str]:
    alive = [row for row in found.rows if not math.isnan(row.x.mean + row.y.mean)]
    best = sorted((row for row in alive if row.on_front), key=lambda row: row.x.mean)
    both = f"{found.x} and {found.y}"
    if not alive:
        yield f"No run has both {both}."
        return
    told = [
        f"{found.name(row.values)} ({in_words(found.x, row.x.mean)}, "
        f"{in_words(found.y, row.y.mean)})"
        for row in best
    ]
    if len(alive) > 1:
        verb = "is" if len(best) == 1 else "are"
        yield f"{listed(_some(told))} {verb} on the front of {both}: nothing has less of both."
    else:
        yield f"{told[0]} is alone: there is nothing to compare it with."
    beaten = [row for row in alive if not row.on_front]
    if len(beaten) > _MOST_TOLD:
        clear = sum(bool(row.clearly) for row in beaten)
        yield f"{len(beaten)} others are beaten in both, {clear} of them clearly."
        beaten = []
    for row in beaten:
        perhaps = [values for values in row.beaten_by if values not in row.clearly]
        sides = [
            f"{word} by {listed(_some([found.name(values) for values in each]))}"
            for word, each in (("clearly", row.clearly), ("perhaps", perhaps))
            if each
        ]
        yield f"{found.name(row.values)} is beaten {' and '.join(sides)}."
    for row in found.rows:
        if row not in alive:
            yield f"{found.name(row.values)}: no run has a value of {both}."
        elif row.points < found.points:
            yield (
                f"{found.name(row.values)} has no value at {found.points - row.points} of "
                f"{found.points} points: its mean is of fewer."
            )
