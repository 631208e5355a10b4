"""What a plan may choose: a dotted path of the scenario, and the values it may have.

Every axis has finitely many values, so that a point is tried once and "the best" means something.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dcsim.errors import Issue, ScenarioError, UnitError
from dcsim.study.designs.factors import NUMBER, measured

STEP: Final = 1.1
"""Ratio of neighbours in a range of quantities whose number of values is not given."""
LINEAR: Final = 11
"""Values of a range of numbers or shares, or from 0, whose number of values is not given."""
MOST_VALUES: Final = 1000
"""Values of one axis at most."""

_RANGE: Final = re.compile(
    r"\s*(?P<low>[0-9][^,]*?)\s*\.\.\s*(?P<high>[^,]*?)(?:/(?P<count>[0-9]{1,9}))?"
    r"(?:\s+(?P<scale>log|linear))?\s*"
)
_QUANTITY: Final = re.compile(r"(?P<number>[0-9.]+(?:[eE][-+]?[0-9]{1,3})?) ?(?P<unit>.*)")
_LEGAL: Final = "write it like 1..16, 1Gbit/s..25Gbit/s, 1Gbit/s..25Gbit/s/12, 10%..50% or a,b,c"


@dataclass(frozen=True, slots=True)
class Axis:
    """A path and its values.

    Parameters
    ----------
    path
        Dotted path of the scenario.
    values
        As `Scenario.replace` takes them.
    ordered
        Whether they rise: numbers, shares or quantities. Names do not.
    """

    path: str
    values: tuple[Any, ...]
    ordered: bool


def parse_axes(vary: Mapping[str, str | Iterable[Any]]) -> tuple[Axis, ...]:
    """Read what may be varied: a text is a range or a list, all else the values themselves.

    Raises
    ------
    ScenarioError
        If a range is none, or holds too many values or none; all problems at once.

    Examples
    --------
    >>> parse_axes({"operation.limits.per_host_out": "1..3"})[0].values
    (1, 2, 3)
    >>> parse_axes({"migration.max_bandwidth": "1Gbit/s..8Gbit/s/4"})[0].values
    ('1Gbit/s', '2Gbit/s', '4Gbit/s', '8Gbit/s')
    """
    axes, issues = [], []
    for path, wanted in vary.items():
        try:
            values = read_values(wanted) if isinstance(wanted, str) else _some(wanted)
            axes.append(_axis(path, values))
        except (ValueError, UnitError) as error:
            issues.append(Issue(path=path, message=str(error)))
        except ScenarioError as error:
            issues += [Issue(path=path, message=issue.message) for issue in error.issues]
    if issues:
        raise ScenarioError(issues)
    return tuple(axes)


def _axis(path: str, values: Sequence[Any]) -> Axis:
    once = [value for i, value in enumerate(values) if value not in values[:i]]
    if not once:
        raise ValueError(f"no value is given; {_LEGAL}")
    if len(once) > MOST_VALUES:
        raise ValueError(f"{MOST_VALUES:,} values are the most")
    sizes = _sizes(once)
    if sizes is not None:
        once = [value for _, value in sorted(zip(sizes, once, strict=True), key=lambda e: e[0])]
    return Axis(path, tuple(once), ordered=sizes is not None)


def _some(values: Iterable[Any]) -> list[Any]:
    """Return values, of too many one more than is legal."""
    return list(itertools.islice(values, MOST_VALUES + 1))


def _sizes(values: Sequence[Any]) -> tuple[float, ...] | None:
    found = measured(values)
    return found and found[0]


def read_values(text: str) -> list[Any]:
    """Return the values of a range, or of a list as a file would have it, without its brackets.

    Quantities have equal ratios and numbers equal steps, unless ``log`` or ``linear`` is said.

    Raises
    ------
    ValueError
        If it is a range that cannot be.
    ScenarioError
        If it is no list.

    Examples
    --------
    >>> read_values("1..1000/4 log"), read_values("a, b")
    ([1, 10, 100, 1000], ['a', 'b'])
    """
    if match := _RANGE.fullmatch(text):
        return _range(text, **match.groupdict())
    from dcsim.scenario import parsing

    values = parsing.parse(f"[{text}]").plain()
    return values if isinstance(values, list) else [values]


def ends_of(text: str) -> tuple[Any, Any, str | None] | None:
    """Return the ends of a range without a number of values, and its scale, if it is one.

    Examples
    --------
    >>> ends_of("1Gbit/s..25Gbit/s"), ends_of("1..16 log"), ends_of("1..16/4"), ends_of("a, b")
    (('1Gbit/s', '25Gbit/s', None), (1, 16, 'log'), None, None)
    """
    match = _RANGE.fullmatch(text)
    if match is None or match["count"] is not None:
        return None
    return _scalar(match["low"]), _scalar(match["high"]), match["scale"]


def _range(text: str, low: str, high: str, count: str | None, scale: str | None) -> list[Any]:
    many = None if count is None else int(count)
    if many is not None and not 2 <= many <= MOST_VALUES:
        raise ValueError(f"{text!r}: a range has 2 to {MOST_VALUES:,} values, not {many:,}")
    ends = sizes_of(_scalar(low), _scalar(high))
    if ends is None:
        raise ValueError(f"{text!r} is no range; {_LEGAL}")
    first, last = ends
    if not first < last:
        raise ValueError(f"{text!r} does not rise: a range goes from its least value to its most")
    if scale == "log" and first == 0:
        raise ValueError(f"{text!r}: equal ratios begin above 0")
    between = _in_ratios if scale == "log" else _between
    if low.isdecimal() and high.isdecimal():
        size = int(last - first) + 1
        if many is None and size > MOST_VALUES:
            raise ValueError(
                f"{text!r} has {size:,} values, and {MOST_VALUES:,} are the most; "
                f"'{text.strip()}/100' has 100 of them"
            )
        return sorted({round(each) for each in between(first, last, many or size)})
    if first == 0 or _is_number(low) or low.endswith("%"):
        inner = between(first, last, many or LINEAR)[1:-1]
    else:
        between = _between if scale == "linear" else _in_ratios
        many = many or math.ceil(math.log(last / first) / math.log(STEP) - 1e-9) + 1
        inner = between(first, last, many)[1:-1]
    unit_of = high if first == 0 else low  # somebody may want to type them
    texts = [written(each, like=unit_of, figures=3) for each in inner]
    # Rounding may move some out of a narrow range, or onto each other.
    inside = [value for value in texts if first < (_sizes([value]) or [first])[0] < last]
    return list(dict.fromkeys([_scalar(low), *inside, _scalar(high)]))


def sizes_of(low: Any, high: Any) -> tuple[float, float] | None:
    """Return the sizes of a range's ends; None if they are of no kind, or of two."""
    sizes = _sizes([low, high])
    return (sizes[0], sizes[1]) if sizes else None


def written(value: float, *, like: str, figures: int) -> str | float:
    """Write a size (SI) to so many figures, in the unit of *like*: a number, if that is one.

    Examples
    --------
    >>> written(1.5e9, like="10Gbit/s", figures=3), written(2.5, like="1", figures=3)
    ('12Gbit/s', 2.5)
    """
    unit = ""
    if not _is_number(like):
        match = _QUANTITY.fullmatch(like)
        unit = match["unit"] if match else ""
        value /= _factor(like, float(match["number"])) if match else 1.0
    text = f"{value:.{figures}g}" if value < 10**figures else f"{value:.0f}"
    return f"{text}{unit}" if unit else float(text)


def _factor(text: str, number: float) -> float:
    sizes = _sizes([text])
    return sizes[0] / number if sizes and number else 1.0


def _between(first: float, last: float, count: int) -> list[float]:
    return [first + (last - first) * i / (count - 1) for i in range(count)]


def _in_ratios(first: float, last: float, count: int) -> list[float]:
    return [first * (last / first) ** (i / (count - 1)) for i in range(count)]


def _scalar(text: str) -> Any:
    if text.isdecimal():
        return int(text)
    return float(text) if _is_number(text) else text


def _is_number(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None
