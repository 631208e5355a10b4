"""Designs that sample: points of the unit cube, and how a coordinate becomes a value.

Latin hypercubes are of McKay, Beckman and Conover (Technometrics 21, 1979), Sobol' sequences
scrambled as Owen does (J. Complexity 14, 1998), both as scipy has them; trajectories of Morris
(Technometrics 33, 1991) and the samples of Saltelli et al. (Comput. Phys. Commun. 181, 2010) as
SALib has them, whose analyses `dcsim.study.findings.sensitivity` uses.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np

from dcsim.errors import DcsimError, did_you_mean
from dcsim.rng import Streams
from dcsim.study.designs.factors import Value
from dcsim.study.designs.ranges import ends_of, sizes_of, written

Kind = Literal["latin-hypercube", "sobol-sequence", "morris", "saltelli"]
"""How points are chosen; the last two are for sensitivities."""

LEVELS: Final = 4
"""Values of each coordinate in the grid of Morris: 0, 1/3, 2/3 and 1."""
FIGURES: Final = 6
"""To which values of a continuous range are written."""


def unit_points(kind: Kind, *, dimensions: int, size: int, seed: int) -> np.ndarray:
    """Return points of the unit cube: the same for the same arguments, bit for bit.

    Parameters
    ----------
    kind
        Of design.
    dimensions
        Of the cube, 1 at least.
    size
        Points of a ``latin-hypercube`` or ``sobol-sequence``; trajectories of ``morris``, 2 at
        least; base samples of ``saltelli``, 2 at least. A power of 2 for ``sobol-sequence`` and
        ``saltelli``, whose balance is lost with any other.
    seed
        A whole number >= 0.

    Returns
    -------
    numpy.ndarray
        Shape (points, dimensions), from 0 to 1. There are *size* points, for ``morris``
        ``size * (dimensions + 1)`` and for ``saltelli`` ``size * (dimensions + 2)``, in the order
        that their analyses want.

    Raises
    ------
    ValueError
        If the kind is unknown, or a number is not legal.
    DcsimError
        If the design needs SALib, and it is not installed.

    Examples
    --------
    >>> unit_points("latin-hypercube", dimensions=3, size=10, seed=1).shape
    (10, 3)
    """
    _check(kind, dimensions, size)
    random = Streams(seed).stream("design", kind)
    problem = unit_problem(dimensions)
    with quiet():
        if kind == "latin-hypercube":
            from scipy.stats import qmc

            return qmc.LatinHypercube(dimensions, seed=random).random(size)
        if kind == "sobol-sequence":
            from scipy.stats import qmc

            return qmc.Sobol(dimensions, seed=random).random(size)
        if kind == "morris":
            found = salib("sample.morris").sample(problem, size, num_levels=LEVELS, seed=random)
            steps = LEVELS - 1
            return np.asarray(np.rint(found * steps) / steps)  # on its grid, without rounding
        found = salib("sample.sobol").sample(problem, size, calc_second_order=False, seed=random)
        return np.asarray(found)


@dataclass(frozen=True, slots=True)
class Span:
    """A range that is sampled.

    Parameters
    ----------
    low, high
        Its ends as written: numbers, or texts of one unit. *high* is larger.
    log
        Whether equal ratios are equally likely, and not equal differences.
    whole
        Whether only whole numbers are meant, both ends among them.

    Raises
    ------
    ValueError
        If the ends are of no kind or of two, do not rise, are not whole where they must be, or
        *log* is asked for and they are not above 0.

    Examples
    --------
    >>> Span("1Gbit/s", "25Gbit/s", log=True, whole=False).at(0.5)
    '5Gbit/s'
    >>> Span(1, 4, log=False, whole=True).at(0.5)
    3
    """

    low: str | int | float
    high: str | int | float
    log: bool
    whole: bool

    def __post_init__(self) -> None:
        said = f"{self.low}..{self.high}"
        sizes = sizes_of(self.low, self.high)
        if sizes is None or not all(map(math.isfinite, sizes)):
            raise ValueError(f"{said}: its ends are no numbers or quantities of one kind")
        if not sizes[0] < sizes[1]:
            raise ValueError(f"{said} does not rise: a range goes from its least to its most")
        if self.log and sizes[0] <= 0:
            raise ValueError(f"{said}: a range by ratio starts above 0")
        if self.whole and not all(isinstance(end, int) for end in (self.low, self.high)):
            raise ValueError(f"{said}: a range of whole numbers has whole numbers at both ends")

    @classmethod
    def read(cls, text: str) -> Span | None:
        """Return the range in a text, as `dcsim.study.designs.ranges` reads them, if it is one.

        Whole numbers at both ends mean whole numbers. Quantities are drawn by ratio and numbers by
        difference, unless ``log`` or ``linear`` is said.

        Raises
        ------
        ValueError
            If it is a range that cannot be.

        Examples
        --------
        >>> Span.read("1Gbit/s..25Gbit/s")
        Span(low='1Gbit/s', high='25Gbit/s', log=True, whole=False)
        """
        found = ends_of(text)
        if found is None:
            return None
        low, high, scale = found
        sizes = sizes_of(low, high)
        quantity = isinstance(low, str) and not low.endswith("%")
        log = scale == "log" or (scale is None and quantity and bool(sizes and sizes[0]))
        return cls(low, high, log=log, whole=isinstance(low, int) and isinstance(high, int))

    @property
    def text(self) -> str:
        """The range as `read` reads it."""
        return f"{self.low}..{self.high} {'log' if self.log else 'linear'}"

    def at(self, u: float) -> str | int | float:
        """Return the value at a coordinate from 0 (low) to 1 (high).

        Whole numbers are equally likely, or by ratio about in proportion to their inverses; others
        are written to `FIGURES` figures, quantities in the unit of the low end.
        """
        first, last = sizes_of(self.low, self.high) or (0.0, 0.0)
        if self.whole:
            last += 1
        size = first * (last / first) ** u if self.log else first + u * (last - first)
        if self.whole:
            return min(math.floor(size), int(self.high))
        if isinstance(self.high, str):
            like = self.low if isinstance(self.low, str) and first else self.high  # 0 has no unit
            value: str | float = written(size, like=like, figures=FIGURES)
        else:
            value = float(f"{size:.{FIGURES}g}")
        # Rounding may move it out of the range, or onto an end that is written in another way.
        rounded = (sizes_of(value, self.high) or (size, 0.0))[0]
        return self.low if rounded <= first else self.high if rounded >= last else value


def pick(u: float, choice: Sequence[Value] | Span) -> Value:
    """Return what a coordinate from 0 to 1 means among values, each as likely, or in a range.

    Examples
    --------
    >>> pick(0.5, ["zero-page", "balloon-held"]), pick(1.0, ["zero-page", "balloon-held"])
    ('balloon-held', 'balloon-held')
    """
    if isinstance(choice, Span):
        return choice.at(u)
    return choice[min(math.floor(u * len(choice)), len(choice) - 1)]


def salib(module: str) -> Any:
    """Return a module of SALib.

    Raises
    ------
    DcsimError
        If SALib is not installed.
    """
    from importlib import import_module

    try:
        return import_module(f"SALib.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "SALib":
            raise
        message = "the designs morris and saltelli need SALib: pip install 'dcsim[sensitivity]'"
        raise DcsimError(message) from None


def unit_problem(dimensions: int) -> dict[str, Any]:
    """Return what SALib calls the unit cube."""
    names = [f"x{i}" for i in range(dimensions)]
    return {"num_vars": dimensions, "names": names, "bounds": [[0.0, 1.0]] * dimensions}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the warnings of scipy and SALib in: what they warn of is checked here, or meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check(kind: str, dimensions: int, size: int) -> None:
    if kind not in get_args(Kind):
        close = did_you_mean(kind, get_args(Kind))
        hint = f"; did you mean {close!r}?" if close else ""
        raise ValueError(f"no such design {kind[:80]!r}: {', '.join(get_args(Kind))}{hint}")
    least = 1 if kind in ("latin-hypercube", "sobol-sequence") else 2
    if dimensions < 1 or size < least:
        raise ValueError(
            f"{kind} needs a dimension at least and a size of {least} at least, "
            f"got {dimensions} and {size}"
        )
    if kind in ("sobol-sequence", "saltelli") and size & (size - 1):
        below = 1 << (size.bit_length() - 1)
        raise ValueError(
            f"{kind} needs a size that is a power of 2, got {size:,}; "
            f"the nearest are {below:,} and {2 * below:,}"
        )
