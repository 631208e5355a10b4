"""Guests of one group that differ: a column of values for each thing in which they do.

A column is called by its path in the group, ``workload.activities[0].rate``, and holds one value a
guest, which stands instead of the group's own. Ten thousand guests of an inventory are then a few
lists, or a CSV file, rather than ten thousand groups.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from dcsim.errors import did_you_mean
from dcsim.scenario.base import wrong
from dcsim.scenario.quantities import Extent, GuestMemory, Positive, Rate, Share
from dcsim.scenario.workload import Shares

if TYPE_CHECKING:
    from dcsim.scenario.spec import GuestGroup

_Name = Annotated[str, Field(min_length=1, max_length=200)]
NAME, MEMORY, VCPUS, HOST = "name", "memory", "vcpus", "place.hosts"
TEXTS: Final = frozenset({NAME, HOST, "guest", "to"})
"""Columns of guests and of moves that hold texts, whatever they look like."""
_SHARES: Final = [f"workload.memory.{share}" for share in Shares._fields]
RATE, SET = "workload.activities[{}].rate", "workload.activities[{}].set"

COLUMNS: Final[Mapping[str, Any]] = {
    NAME: _Name,
    MEMORY: GuestMemory,
    VCPUS: Annotated[int, Field(ge=1, le=1024)],
    HOST: _Name,
    **dict.fromkeys(_SHARES, Share),
    RATE.format(0): Annotated[Rate, Positive],
    SET.format(0): Annotated[Extent, Positive],
}
"""What a value of each column is; columns of other activities are called by their number."""
_STRICT: Final = ConfigDict(strict=True, allow_inf_nan=False)
_ACTIVITY: Final = re.compile(r"workload\.activities\[([0-9]{1,2})\]\.(rate|set)")


class Own(NamedTuple):
    """What a guest may have for itself; guests that have all of it equal are alike."""

    memory: float
    vcpus: int
    shares: Shares
    rates: tuple[Any, ...]
    """Of each activity: bytes a second, or ``max``."""
    sets: tuple[float, ...]
    """Of each activity: bytes, or a share of the memory."""


def tells_contents(name: str) -> bool:
    """Whether a column says something of what memory holds, or how much of it is touched."""
    return name == MEMORY or name in _SHARES or name.endswith(".set")


def alike(group: GuestGroup) -> Own:
    """Return what a guest of a group has that no column tells of."""
    work = group.workload
    rates = tuple([item.rate for item in work.activities])
    sets = tuple([item.set for item in work.activities])
    return Own(group.memory, group.vcpus, work.memory.shares, rates, sets)


def owns(group: GuestGroup) -> Iterable[Own]:
    """Return what each guest of a group has for itself, in order."""
    each, work, same = group.each, group.workload, alike(group)
    rates = {RATE.format(i): item.rate for i, item in enumerate(work.activities)}
    sets = {SET.format(i): item.set for i, item in enumerate(work.activities)}
    if each is None:
        return repeat(same, group.count)

    def column(name: str, value: Any) -> Iterable[Any]:
        return each[name] if name in each else repeat(value, group.count)

    def rows(values: Mapping[str, Any], one: tuple[Any, ...]) -> Iterable[tuple[Any, ...]]:
        """Return a tuple a guest, one and the same where no column tells guests apart."""
        if each.keys().isdisjoint(values):
            return repeat(one, group.count)
        return zip(*(column(name, value) for name, value in values.items()), strict=True)

    shares = rows(dict(zip(_SHARES, same.shares, strict=True)), same.shares)
    return map(
        Own,
        column(MEMORY, same.memory),
        column(VCPUS, same.vcpus),
        map(Shares._make, shares),
        rows(rates, same.rates),
        rows(sets, same.sets),
    )


def read(value: Any, info: ValidationInfo) -> Any:
    """Return columns with their values in SI; all that is wrong with them is told at once."""
    if value is None or value == {}:
        return None
    if not isinstance(value, Mapping):
        raise wrong("must be a mapping of columns, or a CSV file beside the scenario's file")
    columns: dict[str, Any] = {}
    errors: list[InitErrorDetails] = []
    for name, values in value.items():
        if (reader := _reader(str(name))) is None:
            close = did_you_mean(str(name), COLUMNS)
            hint = f"did you mean '{close}'?" if close else None
            message = f"unknown column {str(name)[:80]!r}; legal columns are {', '.join(COLUMNS)}"
            unknown = PydanticCustomError("wrong", "{message}", {"message": message, "hint": hint})
            errors.append({"type": unknown, "loc": (str(name),), "input": values})
            continue
        try:
            values = values.tolist() if hasattr(values, "tolist") else values  # those of numpy
            columns[name] = reader.validate_python(values, context=info.context)
        except ValidationError as error:
            errors += [
                {**line, "loc": (name, *line["loc"])}  # type: ignore[typeddict-unknown-key]
                for line in error.errors(include_url=False)
            ]
    if errors:
        raise ValidationError.from_exception_data("columns", errors)
    return columns


def problems(group: GuestGroup) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield where the columns of a group do not fit the rest of it, and why."""
    each = group.each or {}
    for name, values in each.items():
        if len(values) != group.count:
            yield (name,), f"has {len(values)} values for {group.count} guests"
        of = _ACTIVITY.fullmatch(name)
        activities = group.workload.activities
        if of and int(of[1]) >= len(activities):
            yield (name,), f"the workload has {len(activities)} activities, the first of them [0]"
        elif of and of[2] == "set" and activities[int(of[1])].do not in ("read", "write"):
            kind = activities[int(of[1])].do
            yield (name,), f"means nothing for an activity of kind '{kind}'"
    if group.makeups and not each.keys().isdisjoint(_SHARES):
        yield (), "give makeups, or columns of workload.memory, not both"
    if HOST in each and group.place.pattern != "*":
        yield (HOST,), "give place, or this column, not both"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of columns written out."""
    columns = {name: _column(kind).json_schema() for name, kind in COLUMNS.items()}
    of_activities = {
        "^" + re.escape(name).replace("0", "[0-9]{1,2}") + "$": columns.pop(name)
        for name in (RATE.format(0), SET.format(0))
    }
    return {
        "type": "object",
        "properties": columns,
        "patternProperties": of_activities,
        "additionalProperties": False,
    }


@functools.cache
def _reader(name: str) -> TypeAdapter[list[Any]] | None:
    """Return what reads a column of this name, if there is such a column."""
    kind = COLUMNS.get(_ACTIVITY.sub(r"workload.activities[0].\2", name))
    return None if kind is None else _column(kind)


def _column(kind: Any) -> TypeAdapter[list[Any]]:
    return TypeAdapter(Annotated[list[kind], Field(min_length=1)], config=_STRICT)
