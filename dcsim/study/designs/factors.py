"""What was varied in a study, as a column of its frame: values, how large they are, what unit."""

from __future__ import annotations

import numbers
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dcsim import units

Value = str | int | float | bool | None
"""What a frame holds of what was varied: a value as it was written, or a name for a longer one."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One column of what was varied.

    Parameters
    ----------
    path
        Dotted path of the scenario, and the column's name.
    label
        What people read: the path's last part, where that tells it apart.
    values
        Each once, in the order of the study.
    along
        Other columns that were varied together with it.
    """

    path: str
    label: str
    values: tuple[Value, ...]
    along: tuple[str, ...] = ()
    sizes: tuple[float, ...] | None = field(init=False, compare=False, repr=False)
    """How large each value is, in SI; None where some are not numbers of one kind."""
    unit: str = field(init=False, compare=False, repr=False)
    """Of the sizes: "s", "B", "B/s", "%" or none."""

    def __post_init__(self) -> None:
        sizes, unit = measured(self.values) or (None, "")
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "unit", unit)

    @property
    def ordered(self) -> bool:
        """Whether its values can rise."""
        return self.sizes is not None


NUMBER: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
"""A number as texts have it, without a sign."""
_PARSERS: Final = {
    "B/s": units.parse_rate,
    "B": units.parse_size,
    "s": units.parse_duration,
}


def measured(values: Sequence[Any]) -> tuple[tuple[float, ...], str] | None:
    """Return how large values are and in what unit; None where they are of no kind, or of several.

    Examples
    --------
    >>> measured(["1Gbit/s", "2Gbit/s"]), measured([1, 2.5]), measured(["a", "b"])
    (((125000000.0, 250000000.0), 'B/s'), ((1.0, 2.5), ''), None)
    """
    if any(isinstance(value, bool) for value in values):
        return None
    if all(isinstance(value, numbers.Real) for value in values):
        return tuple(float(value) for value in values), ""
    texts = [str(value) for value in values if isinstance(value, str) or value == 0]
    if len(texts) < len(values):
        return None
    for unit, parse in {"%": percent, **_PARSERS}.items():
        try:
            return tuple(0.0 if text == "0" else parse(text) for text in texts), unit
        except ValueError:
            continue
    return None


def percent(text: str) -> float:
    """Return the number before a per cent sign.

    Raises
    ------
    ValueError
        If *text* is no such share.
    """
    number = text.removesuffix("%")
    if number == text or not NUMBER.fullmatch(number):
        raise ValueError(text)
    return float(number)


def labels(paths: Sequence[str]) -> dict[str, str]:
    """Return what each path is called: as few of its last parts as tell it from all others.

    Examples
    --------
    >>> labels(["guests[0].count", "topology.uplink", "guests[1].count"])
    {'guests[0].count': 'guests[0].count', 'topology.uplink': 'uplink',
     'guests[1].count': 'guests[1].count'}
    """

    def ends(path: str) -> list[str]:
        parts = path.split(".")
        return [".".join(parts[i:]) for i in range(len(parts) - 1, -1, -1)]

    taken = Counter(end for path in paths for end in ends(path))
    return {path: next((end for end in ends(path) if taken[end] == 1), path) for path in paths}
