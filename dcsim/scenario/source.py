"""What a function of a user's does, as a digest: part of what a scenario that names it means."""

from __future__ import annotations

import functools
import hashlib
from contextlib import suppress
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
    if isinstance(thing, str | int | float | complex | bool | bytes | None):
        parts.append(repr(thing))
        return
    if id(thing) in seen:
        return
    seen.add(id(thing))
    code = getattr(thing, "__code__", None)
    if isinstance(code, CodeType):
        _of_code(code, parts, seen)
        _gather(thing.__defaults__ or (), parts, seen)
        _gather(thing.__kwdefaults__ or {}, parts, seen)
        for cell in thing.__closure__ or ():
            with suppress(ValueError):  # nothing is in it yet
                _gather(cell.cell_contents, parts, seen)
        for name in sorted(_names(code)):
            value = thing.__globals__.get(name)
            if _is_own(value, thing.__module__):
                parts.append(name)
                _gather(value, parts, seen)
    elif isinstance(thing, dict):
        for key in sorted(thing, key=str):
            parts.append(str(key))
            _gather(thing[key], parts, seen)
    elif isinstance(thing, list | tuple | set | frozenset):
        for item in sorted(thing, key=repr) if isinstance(thing, set | frozenset) else thing:
            _gather(item, parts, seen)
    elif isinstance(thing, functools.partial):
        for part in (thing.func, thing.args, thing.keywords):
            _gather(part, parts, seen)
    elif hasattr(thing, "tobytes"):  # an array
        parts += [str(getattr(thing, "dtype", "")), hashlib.sha256(thing.tobytes()).hexdigest()]
    else:
        kind = thing if isinstance(thing, type) else type(thing)
        parts.append(f"{kind.__module__}.{kind.__qualname__}")
        for name, each in sorted(vars(kind).items()):
            if isinstance(each, FunctionType):
                parts.append(name)
                _gather(each, parts, seen)
        if kind is not thing:
            _gather(getattr(thing, "__dict__", {}), parts, seen)


def _is_own(value: Any, module: str) -> bool:
    """Whether what a function refers to by a name is data, or stands in the same module."""
    if isinstance(value, str | int | float | bool | list | tuple | dict | set | frozenset):
        return True
    if hasattr(value, "tobytes"):
        return True
    if isinstance(value, functools.partial):
        return _is_own(value.func, module)
    return getattr(value, "__module__", None) == module


def _names(code: CodeType) -> set[str]:
    """Return the names that code refers to, in functions and comprehensions inside it too."""
    inside = (_names(each) for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*inside)


def _of_code(code: CodeType, parts: list[str], seen: set[int]) -> None:
    parts += [code.co_code.hex(), *code.co_names, *code.co_varnames]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _of_code(constant, parts, seen)
        else:
            _gather(constant, parts, seen)
