"""Sizes, data rates and durations as people write them <-> bytes, bytes per second and seconds.

The vocabulary is closed: one spelling a unit, case matters, and what two readers could take for
two things (``8G``, ``10Gb/s``, ``3m``) is refused with a proposal, never guessed. A number is
written as in YAML 1.2 (``8``, ``1.5``, ``1e9``), with or without one space before its unit.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from dcsim.errors import UnitError, did_you_mean

KiB = 1024
MiB = 1024**2
GiB = 1024**3
PAGE = 4 * KiB
"""Bytes of a guest page."""

_LONGEST_TEXT = 64
_TEXT = re.compile(
    r"(?P<sign>[-+]?)(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)"
    r" ?(?P<unit>(?:[^\s0-9_.,]\S*)?)"
)
_DECIMAL = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"Ki": KiB, "Mi": MiB, "Gi": GiB, "Ti": 1024 * GiB}
_BYTES = {"B": 1} | {f"{p}B": f for p, f in (_DECIMAL | _BINARY).items()}

# Decimal factors make every parsed value the float nearest to what was written: 35 * 1e-6 is not.
SIZE_UNITS: Mapping[str, Decimal] = {unit: Decimal(f) for unit, f in _BYTES.items()}
"""Bytes in each unit of size."""

RATE_UNITS: Mapping[str, Decimal] = {
    "bit/s": Decimal("0.125"),
    **{f"{p}bit/s": Decimal(f) / 8 for p, f in _DECIMAL.items()},
    **{f"{unit}/s": Decimal(f) for unit, f in _BYTES.items()},
}
"""Bytes per second in each unit of data rate."""

DURATION_UNITS: Mapping[str, Decimal] = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
"""Seconds in each unit of duration."""


class _Quantity(NamedTuple):
    """A kind of quantity: its units, and what to propose for case-folded spellings of none."""

    noun: str
    example: str
    units: Mapping[str, Decimal]
    proposals: Mapping[str, Sequence[str]]


_SIZE = _Quantity(
    "size",
    "8GiB",
    SIZE_UNITS,
    {
        spelling: (f"{p}B", f"{p.upper()}iB")
        for p in _DECIMAL
        for spelling in (p.lower(), f"{p.lower()}b")
    },
)
_RATE = _Quantity(
    "data rate",
    "10Gbit/s",
    RATE_UNITS,
    {
        spelling: (f"{p}bit/s", f"{p}B/s")
        for p in ("", *_DECIMAL)
        for spelling in (p.lower(), *(f"{p.lower()}{end}" for end in ("b", "b/s", "bps")))
        if spelling
    },
)
_DURATION = _Quantity(
    "duration",
    "250ms",
    DURATION_UNITS,
    {
        "m": ("min", "ms"),
        **dict.fromkeys(("µs".casefold(), "usec"), ("us",)),
        **dict.fromkeys(("msec", "millis"), ("ms",)),
        **dict.fromkeys(("sec", "secs", "second", "seconds"), ("s",)),
        **dict.fromkeys(("mins", "minute", "minutes"), ("min",)),
        **dict.fromkeys(("hr", "hrs", "hour", "hours"), ("h",)),
        **dict.fromkeys(("day", "days"), ("d",)),
    },
)


def parse_size(text: str) -> float:
    """Return the bytes that *text* stands for, such as ``"8GiB"`` or ``"1.5 GB"``.

    Raises
    ------
    UnitError
        If *text* is anything but a finite number >= 0 and one of `SIZE_UNITS`.

    Examples
    --------
    >>> parse_size("4KiB")
    4096.0
    """
    return _parse(text, _SIZE)


def parse_rate(text: str) -> float:
    """Return the bytes per second that *text* stands for, such as ``"10Gbit/s"`` or ``"32 MiB/s"``.

    Raises
    ------
    UnitError
        If *text* is anything but a finite number >= 0 and one of `RATE_UNITS`.

    Examples
    --------
    >>> parse_rate("10Gbit/s")
    1250000000.0
    """
    return _parse(text, _RATE)


def parse_duration(text: str) -> float:
    """Return the seconds that *text* stands for, such as ``"250ms"`` or ``"1.5 h"``.

    Raises
    ------
    UnitError
        If *text* is anything but a finite number >= 0 and one of `DURATION_UNITS`.

    Examples
    --------
    >>> parse_duration("3min")
    180.0
    """
    return _parse(text, _DURATION)


def format_size(size: float, *, digits: int = 4) -> str:
    """Return *size* bytes in the binary unit that suits it, rounded to *digits* figures.

    ``digits=17`` loses nothing: `parse_size` then gives *size* back.

    Examples
    --------
    >>> format_size(1_610_612_736)
    '1.5 GiB'
    """
    return _format(size, SIZE_UNITS, ("TiB", "GiB", "MiB", "KiB", "B"), digits)


def format_rate(rate: float, *, digits: int = 4) -> str:
    """Return *rate* bytes per second in bits per second, the habit of networks.

    Examples
    --------
    >>> format_rate(1.25e9)
    '10 Gbit/s'
    """
    units = ("Tbit/s", "Gbit/s", "Mbit/s", "kbit/s", "bit/s")
    return _format(rate, RATE_UNITS, units, digits)


def format_duration(duration: float, *, digits: int = 4) -> str:
    """Return *duration* seconds in the unit that suits it; minutes from 10, hours and days from 2.

    Examples
    --------
    >>> format_duration(0.25), format_duration(90), format_duration(5400)
    ('250 ms', '90 s', '90 min')
    """
    from_ = {"d": 2 * 86400, "h": 2 * 3600, "min": 10 * 60}
    long = [unit for unit, least in from_.items() if abs(duration) >= least]
    return _format(duration, DURATION_UNITS, (*long, "s", "ms", "us", "ns"), digits, zero="s")


def format_count(count: float) -> str:
    """Return *count* with its thousands apart; whole numbers in full, others to four figures.

    Examples
    --------
    >>> format_count(1_048_576), format_count(2.5)
    ('1,048,576', '2.5')
    """
    return f"{int(count):,}" if count == count // 1 else f"{count:,.4g}"


def format_many(count: float, noun: str, plural: str = "") -> str:
    """Return so many of something, one in the singular, the plural with an s unless it is given.

    Examples
    --------
    >>> format_many(1, "host"), format_many(1200, "host"), format_many(2, "switch", "switches")
    ('1 host', '1,200 hosts', '2 switches')
    """
    return f"{format_count(count)} {noun if count == 1 else plural or noun + 's'}"


def listed(names: Iterable[str]) -> str:
    """Return names as people list them.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _parse(text: object, kind: _Quantity) -> float:
    def refusal(reason: str, hint: str = f"write it like '{kind.example}'") -> UnitError:
        return UnitError(
            f"cannot read {reprlib.repr(text)} as a {kind.noun}: {reason}; "
            f"legal units are {', '.join(kind.units)}; {hint}"
        )

    if not isinstance(text, str):
        raise refusal("a text of a number and its unit is wanted")
    if len(text) > _LONGEST_TEXT:
        raise refusal(f"the text goes on for {len(text):,} characters")
    match = _TEXT.fullmatch(text)
    if match is None:
        raise refusal("it is no finite number followed by a unit" if text else "it is empty")
    number, unit = match["number"], match["unit"]
    if match["sign"] == "-":
        raise refusal("it is negative")
    if not unit:
        raise refusal("its unit is missing")
    for other in (_SIZE, _RATE, _DURATION):
        if other is not kind and unit in other.units:
            raise refusal(f"'{unit}' is a unit of {other.noun}")
    if unit not in kind.units:
        meant = kind.proposals.get(unit.casefold(), (did_you_mean(unit, kind.units),))
        proposals = [f"'{number}{spelling}'" for spelling in meant if spelling]
        if not proposals:
            raise refusal(f"unknown unit {unit!r}")
        if len(proposals) == 1:
            raise refusal(f"unknown unit {unit!r}", f"did you mean {proposals[0]}?")
        raise refusal(f"{unit!r} can mean two things", f"write {' or '.join(proposals)}")
    value = float(Decimal(number) * kind.units[unit])
    if math.isinf(value):
        raise refusal("it is too large")
    return value


def _format(
    value: float, factors: Mapping[str, Decimal], units: Sequence[str], digits: int, zero: str = ""
) -> str:
    """Write *value* in the first of *units* in which it is at least one after rounding."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {zero or units[-1]}"
    for unit in units:
        text = f"{value / float(factors[unit]):.{digits}g}"
        if abs(float(text)) >= 1:
            break
    return f"{text} {unit}"
