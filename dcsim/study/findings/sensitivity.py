"""Sensitivity indices of a metric, of designs that were made for them.

Elementary effects (Morris, Technometrics 33, 1991; mu* of Campolongo et al., Environ. Model. Softw.
22, 2007) and Sobol' indices (Saltelli et al., Comput. Phys. Commun. 181, 2010), as SALib estimates
them. `dcsim.study.findings.tornado` looks at any design.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor
from dcsim.study.designs.sampling import LEVELS, quiet, salib, unit_problem
from dcsim.study.findings.metrics import UNITS, suffix
from dcsim.study.findings.points import Points, points
from dcsim.study.findings.statistics import same
from dcsim.study.findings.words import SMALL, three_figures, unmoved, whole_percent

if TYPE_CHECKING:
    import pandas as pd

_UNSURE: Final = 0.1
"""Half of an interval, as such a share, of which words warn."""
_TOGETHER: Final = 0.02
"""Share of the variance in interactions below which words do not name it."""


@dataclass(frozen=True, slots=True)
class Indices:
    """Sensitivity indices of a metric, a value a factor.

    Parameters
    ----------
    kind
        Of design.
    metric
        Its name.
    factors
        What was varied, the most important first.
    values
        Of ``morris``: ``mu_star``, the mean size of a factor's effect on its way across its whole
        range, with half of its 95 % interval, ``mu_star_conf``, and ``sigma``, how much that
        depends on the rest; in the metric's unit. Of ``saltelli``: ``S1``, the share of the
        variance that a factor explains by itself, ``ST``, with all its interactions, and half of
        their 95 % intervals, ``S1_conf`` and ``ST_conf``. In the order of *factors*.
    mean
        Of the metric, over all points.
    """

    kind: Literal["morris", "saltelli"]
    metric: str
    factors: tuple[Factor, ...]
    values: Mapping[str, tuple[float, ...]]
    mean: float

    @property
    def unit(self) -> str:
        """Of the metric."""
        return UNITS[self.metric]

    def frame(self) -> pd.DataFrame:
        """Return a row a factor, the most important first.

        Returns
        -------
        pandas.DataFrame
            ``metric``, ``factor`` (a path) and the values. Those of ``morris`` carry the metric's
            unit, as ``mu_star_s``; those of ``saltelli`` are shares.
        """
        import pandas as pd

        here = suffix(self.unit) if self.kind == "morris" else ""
        columns = {f"{name}{here}": values for name, values in self.values.items()}
        paths = [factor.path for factor in self.factors]
        return pd.DataFrame({"metric": self.metric, "factor": paths, **columns})

    def words(self) -> list[str]:
        """Say what the metric is sensitive to, by itself and with interactions."""
        return list(_of_saltelli(self) if self.kind == "saltelli" else _of_morris(self))


def indices(
    kind: Literal["morris", "saltelli"],
    unit: np.ndarray,
    frame: pd.DataFrame,
    metric: str,
    *,
    factors: Sequence[Factor],
    seed: int = 0,
) -> Indices:
    """Return sensitivity indices of a metric's means over the replications of each point.

    Where something is random, what is analysed is the mean over the replications at hand. All
    points have the same random numbers, so that this is a function of the factors alone, and noise
    that all points share cancels. What chance does to points unlike each other stays, and shrinks
    with replications: it looks like interactions of all factors, and so adds to ``sigma``,
    ``mu_star`` and ``ST``, and takes from ``S1``. The intervals tell how much a larger design could
    move an index; they know nothing of replications.

    Parameters
    ----------
    kind
        Of design.
    unit
        What `dcsim.study.designs.sampling.unit_points` gave, whose row i is point i; shape
        (points, factors).
    frame
        A row a run: ``point``, ``replicate``, the paths of the factors, the metric.
    metric
        A column of the table ``summary``.
    factors
        A column of *unit* each, in its order.
    seed
        Of the bootstrap that intervals come from.

    Raises
    ------
    ResultError
        If a point has no value, or there is no such metric or column.
    ValueError
        If *unit* has another shape than such a design.
    DcsimError
        If SALib is not installed.
    """
    dimensions = len(factors)
    block = dimensions + (1 if kind == "morris" else 2)
    if unit.ndim != 2 or unit.shape[1] != dimensions or len(unit) % block or len(unit) < 2 * block:
        raise ValueError(
            f"unit must have shape ({block} n, {dimensions}) for {kind} of {dimensions} factors "
            f"and 2 or more such samples, got {unit.shape}"
        )
    values = _complete(points(frame, metric, factors), len(unit))
    problem = unit_problem(dimensions)
    random = np.random.default_rng(seed)  # SALib takes the seed 0 for none
    if kind == "morris":
        names = ["mu_star", "mu_star_conf", "sigma"]
        analyze, options = salib("analyze.morris").analyze, {"X": unit, "num_levels": LEVELS}
    else:
        names = ["S1", "S1_conf", "ST", "ST_conf"]
        analyze, options = salib("analyze.sobol").analyze, {"calc_second_order": False}
    found = {name: np.zeros(dimensions) for name in names}
    if not same(values):
        with quiet():
            raw = analyze(problem, Y=values, seed=random, **options)
        found = {name: np.asarray(raw[name], float) for name in names}
    first = found["ST" if kind == "saltelli" else "mu_star"]
    order = np.argsort(-first, kind="stable").tolist()
    return Indices(
        kind,
        metric,
        tuple(factors[i] for i in order),
        {name: tuple(each[order].tolist()) for name, each in found.items()},
        float(values.mean()),
    )


def _complete(found: Points, count: int) -> np.ndarray:
    """Return the mean of each of so many points, in order."""
    means = np.full(count, np.nan)
    if found.ids.min() < 0 or found.ids.max() >= count:
        message = f"the frame has points {found.ids.min()} to {found.ids.max()}, unit {count}"
        raise ResultError(f"{message}: they are of different designs")
    means[found.ids] = found.means
    holes = np.isnan(means)
    if not holes.any():
        return means
    failed = np.zeros(count, bool)
    failed[found.ids] = found.failed > 0
    left = int(holes.sum())
    kinds = {
        "failed": int((holes & failed).sum()),
        "did not run": count - len(found.ids),
    }
    kinds["have nothing to measure"] = left - sum(kinds.values())
    told = ", ".join(f"{many:,} {what}" for what, many in kinds.items() if many)
    raise ResultError(
        f"{left:,} of {count:,} points have no value of {found.metric} ({told}), and a "
        "sensitivity needs all of them: retry the failed runs"
    )


def _of_saltelli(found: Indices) -> Iterator[str]:
    rows = list(zip(found.factors, found.values["S1"], found.values["ST"], strict=True))
    if not any(total for _, _, total in rows):
        yield unmoved(found.metric, found.mean)
        return
    (factor, alone, total), *others = rows
    head = f"{factor.label} explains {whole_percent(alone)} of the variance of {found.metric}"
    parts = [f"{head} by itself, {whole_percent(total)} with its interactions"]
    named = [row for row in others if row[2] >= SMALL]
    for factor, alone, total in named:
        more = f" and {whole_percent(total)}" if total - alone >= _TOGETHER else ""
        parts.append(f"{factor.label} {whole_percent(alone)}{more}")
    if len(named) < len(others):
        parts.append("the rest is small")
    yield f"{'; '.join(parts)}."
    widest = max(*found.values["S1_conf"], *found.values["ST_conf"])
    if widest > _UNSURE:
        yield (
            f"These are sure to {100 * widest:.0f} points of per cent only: a larger size tells "
            "them better."
        )


def _of_morris(found: Indices) -> Iterator[str]:
    metric, (mu, halves, sigma) = found.metric, found.values.values()
    if not mu[0]:
        yield unmoved(metric, found.mean)
        return
    named = [i for i, size in enumerate(mu) if i == 0 or size >= SMALL * mu[0]]
    parts = []
    for i in named:
        size, name = three_figures(metric, mu[i]), found.factors[i].label
        how = "whatever the rest" if sigma[i] <= SMALL * mu[i] else "depending on the rest"
        if i:
            parts.append(f"{name} by {size}, {how}")
        else:
            parts.append(f"{name} moves {metric} most, by {size} on its way across, {how}")
    if len(named) < len(mu):
        parts.append("the rest is small")
    yield f"{'; '.join(parts)}."
    if max(halves) > _UNSURE * mu[0]:
        half = three_figures(metric, max(halves))
        yield f"These are sure to {half} only: more trajectories tell them better."
