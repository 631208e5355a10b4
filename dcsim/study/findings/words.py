"""What sentences about findings share: names of values and levels, figures, what goes unsaid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dcsim import units
from dcsim.study.designs.factors import Factor, Value
from dcsim.study.findings.metrics import UNITS

SMALL: Final = 0.05
"""Share of the variance, or of the largest effect, below which words do not name a factor."""


def said(value: Value) -> str:
    """Return a value as people write it.

    Examples
    --------
    >>> said("10Gbit/s"), said(438.0)
    ('10Gbit/s', '438')
    """
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def called(factor: Factor, value: Value) -> str:
    """Return what a sentence calls a level: its name, or what has which value."""
    return f"{factor.label} = {value}" if factor.ordered or not isinstance(value, str) else value


def level_name(by: Factor | None, level: Value) -> str:
    """Return what a level is called: names speak for themselves, sizes and yes or no do not."""
    if by is None:
        return ""
    return level if isinstance(level, str) and not by.ordered else f"{by.label} {said(level)}"


def three_figures(metric: str, value: float) -> str:
    """Return a metric's value in words: as many figures as a sentence needs."""
    forms = {"s": units.format_duration, "B": units.format_size}
    form = forms.get(UNITS[metric])
    return form(value, digits=3) if form else units.format_count(float(f"{value:.3g}"))


def left_out(count: int) -> Iterator[str]:
    """Yield how many points have no value, if any."""
    if count:
        yield f"{count:,} point{' has' if count == 1 else 's have'} no value of it."


def unmoved(metric: str, value: float) -> str:
    """Return a sentence on a metric that is the same everywhere."""
    return f"{metric} is {three_figures(metric, value)}, whatever was varied."


def whole_percent(share: float) -> str:
    """Return a share, which an estimate may have below 0, in whole per cent."""
    return f"{max(0.0, 100 * share):.0f} %"
