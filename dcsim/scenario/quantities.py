"""The quantities of a scenario: texts with units become SI numbers, shares become 0 to 1.

A bare number is SI from Python, and refused in a file, where nobody could tell its unit.
"""

from __future__ import annotations

import copy
import functools
import math
import numbers
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import CoreSchema, core_schema

from dcsim import units
from dcsim.errors import UnitError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo

_NUMBER = r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?"
_PERCENTAGE = re.compile(rf"{_NUMBER}%")


def written(default: Any) -> Any:
    """Return a default as a file would write it: it is read like any other value."""
    return default


def _is_number(value: Any) -> bool:
    if isinstance(value, int | float):
        return not isinstance(value, bool)
    return isinstance(value, numbers.Real)  # those of numpy


def _quantity(parse: Callable[[str], float], example: str) -> Callable[[Any, ValidationInfo], Any]:
    """Return a reader of one kind of quantity."""
    parse_once = functools.lru_cache(maxsize=4096)(parse)  # defaults are texts too, read every time

    def read(value: Any, info: ValidationInfo) -> float:
        if isinstance(value, str):
            return parse_once(value)
        if not _is_number(value):
            raise ValueError(f"must be a text such as '{example}'")
        if not math.isfinite(value) or value < 0:
            raise ValueError("must be finite and not negative")
        if value and info.context and info.context.get("from_file"):
            raise ValueError(f"must have a unit, such as '{example}'")
        return float(value)

    return read


_size = _quantity(units.parse_size, "8GiB")
_rate = _quantity(units.parse_rate, "10Gbit/s")
read_duration = _quantity(units.parse_duration, "300ms")


def _a_mebibyte(size: float) -> float:
    if size < units.MiB:
        raise ValueError("must be at least 1MiB")
    return size


def _share(value: Any, _: ValidationInfo) -> float:
    if isinstance(value, str) and _PERCENTAGE.fullmatch(value):
        value = float(value[:-1]) / 100
    if not _is_number(value) or not 0 <= value <= 1:
        raise ValueError("must be a share from 0 to 1, or a percentage such as '25%'")
    return float(value)


def _level(value: Any, _: ValidationInfo) -> float:
    if isinstance(value, str) and _PERCENTAGE.fullmatch(value):
        value = float(value[:-1]) / 100
    if not _is_number(value) or not math.isfinite(value) or value < 0:
        raise ValueError("must be a number that is not negative, or a percentage such as '25%'")
    return float(value)


def _extent(value: Any, info: ValidationInfo) -> float:
    text_of_size = isinstance(value, str) and not value.endswith("%")
    if not text_of_size and not (_is_number(value) and value > 1):
        return _share(value, info)
    size: float = _size(value, info)
    if size < units.PAGE:
        raise ValueError(f"must be at least a page ({units.PAGE}B), or a share up to 1")
    return size


def _whole(value: Any, _: ValidationInfo) -> Any:
    """Take the whole numbers of other libraries for what they are."""
    return int(value) if isinstance(value, numbers.Integral) and _is_number(value) else value


def _rate_or_max(value: Any, info: ValidationInfo) -> Any:
    if value == "max":
        return value
    try:
        rate = _rate(value, info)
    except UnitError as error:
        raise ValueError(f"{error}, or max") from None
    if rate == 0:
        raise ValueError("must be greater than 0, or max")
    return rate


class _Written:
    """How a quantity is written: what reads it, and the JSON Schema of what a file may hold.

    That is a `BeforeValidator` and a `WithJsonSchema`, of which no signature has to be looked at.
    """

    def __init__(
        self, read: Callable[[Any, ValidationInfo], Any], schema: dict[str, Any] | None = None
    ) -> None:
        self._read = read
        self._schema = schema

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_before_validator_function(self._read, handler(kind))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return copy.deepcopy(self._schema) if self._schema else handler(schema)


def _schema(kind: str, example: str, table: Any, *more: dict[str, Any]) -> dict[str, Any]:
    """Describe a quantity as a file writes it: a text, or 0, which needs no unit."""
    pattern = rf"^{_NUMBER} ?({'|'.join(table)})$"
    text = {"type": "string", "pattern": pattern, "examples": [example]}
    return {"description": kind, "anyOf": [text, {"const": 0}, *more]}


_SHARES: list[dict[str, Any]] = [
    {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "string", "pattern": rf"^{_PERCENTAGE.pattern}$", "examples": ["25%"]},
]

Size = Annotated[float, _Written(_size, _schema("size", "8GiB", units.SIZE_UNITS))]
"""Bytes."""
GuestMemory = Annotated[Size, AfterValidator(_a_mebibyte)]
"""Bytes, a MiB or more."""
Rate = Annotated[float, _Written(_rate, _schema("data rate", "10Gbit/s", units.RATE_UNITS))]
"""Bytes per second."""
Demand = Annotated[
    float | Literal["max"],
    _Written(
        _rate_or_max,
        _schema("data rate, or max", "100MiB/s", units.RATE_UNITS, {"const": "max"}),
    ),
]
"""Bytes per second, more than 0; or ``max``."""
DURATION_SCHEMA: Final = _schema("duration", "300ms", units.DURATION_UNITS)
Duration = Annotated[float, _Written(read_duration, DURATION_SCHEMA)]
"""Seconds."""
Share = Annotated[float, _Written(_share, {"anyOf": _SHARES})]
"""A number from 0 to 1."""
Level = Annotated[
    float, _Written(_level, {"anyOf": [{"type": "number", "minimum": 0}, _SHARES[1]]})
]
"""A number, not negative; a share may be more than 1."""
Extent = Annotated[
    float,
    _Written(
        _extent,
        _schema("size, or share of the guest's memory", "4GiB", units.SIZE_UNITS, *_SHARES),
    ),
]
"""Bytes, or (up to 1) a share of the guest's memory."""
Count = Annotated[int, _Written(_whole)]
"""A whole number."""
Positive = Field(gt=0)
