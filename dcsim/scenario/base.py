"""What every part of a scenario has in common: it is frozen, strict, and reads back as written."""

import functools
from collections.abc import Collection
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer
from pydantic_core import PydanticCustomError


def wrong(message: str, *path: str | int) -> PydanticCustomError:
    """Return the error that blames what stands at *path* within the part being checked."""
    return PydanticCustomError("wrong", "{message}", {"message": message, "path": path})


def switch(value: Any) -> Any:
    """Read true as an option with all its defaults, and false as none."""
    return ({} if value else None) if isinstance(value, bool) else value


class Spec(BaseModel):
    """A frozen part of a scenario; unknown keys, infinity and texts for numbers are refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        str_max_length=10_000,
        validate_default=True,
        # A part is built with the whole that it is in, but for those that are read alone too: what
        # is built already goes into the whole as it is. That halves the time of imports.
        defer_build=True,
    )

    def _idle(self) -> Collection[str]:
        """Return the fields that mean nothing here, because of what others say."""
        return ()

    def _left_out(self) -> Collection[str]:
        """Return the fields that are unset or idle: data reads back as it was without them."""
        idle, values = self._idle(), self.__dict__
        unset = [key for key in _optional(type(self)) if values[key] is None]
        return {*idle, *unset} if unset else idle

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        for key in self._left_out():
            data.pop(key, None)
        return data


_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


def plain(value: Any) -> Any:
    """Return a part of a scenario as plain data; `model_dump` does the same, not as quickly."""
    if isinstance(value, Spec):
        left_out = value._left_out()
        return {
            key: item if type(item) in _SCALARS else plain(item)
            for key, item in value.__dict__.items()
            if key not in left_out
        }
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return list(value if _SCALARS.issuperset(map(type, value)) else map(plain, value))
    return value


@functools.cache
def _optional(part: type[Spec]) -> list[str]:
    return [key for key, field in part.model_fields.items() if field.default is None]
