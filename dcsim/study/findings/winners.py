"""Which level of a factor is best at each point of the others, and whether that is clear."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dcsim.study.designs.factors import Factor
from dcsim.study.findings.blocks import blocked, is_random
from dcsim.study.findings.pairs import compared, raised
from dcsim.study.findings.statistics import EQUAL, means

if TYPE_CHECKING:
    import pandas as pd


def best_by_point(
    frame: pd.DataFrame,
    metric: str,
    *,
    by: Factor,
    blocks: Sequence[Factor],
    most: bool = False,
    confidence: float = 0.95,
    random: bool | None = None,
) -> pd.DataFrame:
    """Return which level of a factor is best at each point of the others.

    Parameters
    ----------
    frame, metric, by, blocks, most, random
        As `dcsim.study.findings.ranking.rank` has them.
    confidence
        Of each point by itself: raised there for the pairs of levels, not for the number of points.

    Returns
    -------
    pandas.DataFrame
        A row a point, in the order of the factors' values: a column a factor of *blocks*,
        ``best`` (of equal ones the first), ``best_mean``, ``second``, ``second_mean``,
        ``margin_percent`` (how far the second is from the best, as a share of the best),
        ``clear`` (whether the best is clearly better than the second) and ``levels`` (how many
        have a value). Means are in the metric's unit.

    Raises
    ------
    ResultError
        As `dcsim.study.findings.ranking.rank`.
    """
    import pandas as pd

    figures, levels, points = blocked(frame, metric, by=by, blocks=blocks)
    random = is_random(frame, random)
    sign = -1.0 if most else 1.0
    found = means(figures)
    rows = []
    for place, values in enumerate(points):
        column = sign * found[:, place]
        count = int((~np.isnan(column)).sum())
        ranked: list[int | None] = np.argsort(column, kind="stable")[:count].tolist()
        best, second = (*ranked, None, None)[:2]
        clear = False
        if best is not None and second is not None:
            if abs(column[second] - column[best]) <= EQUAL * abs(column[best]):
                best, second = sorted((best, second))
            pair = figures[[best, second], place : place + 1]
            each = raised(confidence, count)
            gap, clear = compared(pair, confidence=each, random=random)[0, 1]
            clear = clear and sign * gap.mean < 0  # runs that failed may turn it
        top, next_best = (math.nan if i is None else found[i, place] for i in (best, second))
        margin = abs(next_best - top) / abs(top) if top else math.nan
        rows.append(
            {
                **dict(zip((block.path for block in blocks), values, strict=True)),
                "best": None if best is None else levels[best][0],
                "best_mean": top,
                "second": None if second is None else levels[second][0],
                "second_mean": next_best,
                "margin_percent": 0.0 if margin <= EQUAL else 100 * margin,
                "clear": clear,
                "levels": count,
            }
        )
    return pd.DataFrame(rows)
