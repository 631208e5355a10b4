"""What a function of a user's does, as a digest: part of what a scenario that names it means."""

from __future__ import annotations

import hashlib
from types import CodeType, FunctionType
from typing import Any


def fingerprint(function: Any) -> str:
    """Return a digest of what a function does: its code, what it refers to by name and holds.

    A function that another one calls is looked at too, where both stand in one module, so that
    changing either in a notebook makes another policy of it.

    Examples
    --------
    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 1)
    True
    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 2)
    False
    """
    parts: list[str] = []
    _gather(function, parts, set())
    return hashlib.sha256("\\0".join(parts).encode()).hexdigest()


def _gather(thing: Any, parts: list[str], seen: set[int]) -> None:
    if id(thing) in seen:
        return
    seen.add(id(thing))
    code = getattr(thing, "__code__", None)
    if not isinstance(code, CodeType):
        if callable(thing) and isinstance(
            code_of := vars(type(thing)).get("__call__"), FunctionType
        ):
            _gather(code_of, parts, seen)  # an object that can be called
            _gather(getattr(thing, "__dict__", {}), parts, seen)
        elif isinstance(thing, dict):
            for key in sorted(thing, key=str):
                parts.append(str(key))
                _gather(thing[key], parts, seen)
        elif isinstance(thing, list | tuple | set | frozenset):
            for item in sorted(thing, key=repr) if isinstance(thing, set | frozenset) else thing:
                _gather(item, parts, seen)
        elif isinstance(thing, str | int | float | bool | bytes | None):
            parts.append(repr(thing))
        else:
            parts.append(f"{type(thing).__module__}.{type(thing).__qualname__}")
        return
    _of_code(code, parts, seen)
    _gather(thing.__defaults__ or (), parts, seen)
    _gather(thing.__kwdefaults__ or {}, parts, seen)
    for cell in thing.__closure__ or ():
        _gather(cell.cell_contents, parts, seen)
    for name in code.co_names:
        value = thing.__globals__.get(name)
        if getattr(value, "__module__", None) == thing.__module__ or isinstance(
            value, str | int | float | bool
        ):
            parts.append(name)
            _gather(value, parts, seen)


def _of_code(code: CodeType, parts: list[str], seen: set[int]) -> None:
    parts += [code.co_code.hex(), *code.co_names, *code.co_varnames]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _of_code(constant, parts, seen)
        else:
            _gather(constant, parts, seen)
