"""What every part of a scenario has in common: it is frozen, strict, and reads back as written."""

import functools
from collections.abc import Callable, Collection
from types import NoneType
from typing import Any, Final, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


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
    def _plain(self, handler: SerializerFunctionWrapHandler) -> Any:  # a dict: saves its schema
        data: dict[str, Any] = handler(self)
        for key in self._left_out():
            data.pop(key, None)
        return data


class Later:
    """Marks a part, or parts told apart by their `kind`, that is built when the first one is read.

    Otherwise a part is built with the whole that it is in; a scenario has few of those marked.
    """

    def __get_pydantic_core_schema__(self, kind: Any, _: Any) -> CoreSchema:
        optional = NoneType in get_args(kind)
        parts = [part for part in get_args(kind) or [kind] if part is not NoneType]
        schema: CoreSchema = _later(parts[0])
        if len(parts) > 1:
            kinds = {part.model_fields["kind"].default: _later(part) for part in parts}
            schema = core_schema.tagged_union_schema(kinds, "kind")
        return core_schema.nullable_schema(schema) if optional else schema


def _later(part: type[Spec]) -> CoreSchema:
    def read(value: Any, info: ValidationInfo) -> Spec:
        return part.model_validate(value, context=info.context)

    def describe(_: Any, handler: Callable[[CoreSchema], Any]) -> Any:
        part.model_rebuild()
        return handler(part.__pydantic_core_schema__)

    return core_schema.with_info_plain_validator_function(
        read,
        ref=f"{part.__module__}.{part.__name__}:{id(part)}",  # a definition of the JSON Schema
        metadata={"pydantic_js_functions": [describe]},
    )


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
