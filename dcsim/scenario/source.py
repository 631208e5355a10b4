"""What a function of a user's does, as a digest: part of what a scenario that names it means."""

from __future__ import annotations

import functools
import hashlib
from contextlib import suppress
from types import CodeType, FunctionType, MethodType
from typing import Any, Final


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
    _gather(function, parts, {})
    return hashlib.sha256("\\0".join(parts).encode()).hexdigest()


def _gather(thing: Any, parts: list[str], seen: dict[int, Any]) -> None:
    if isinstance(thing, str | int | float | complex | bool | bytes | None):
        parts.append(repr(thing))
        return
    if id(thing) in seen:
        return
    seen[id(thing)] = thing  # held, or another might get its number
    if isinstance(thing, MethodType):
        _gather(thing.__self__, parts, seen)
        _gather(thing.__func__, parts, seen)
        return
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
        parts.append(f"dict[{len(thing)}]")
        for key in sorted(thing, key=str):
            parts.append(str(key))
            _gather(thing[key], parts, seen)
    elif isinstance(thing, list | tuple | set | frozenset):
        parts.append(f"{type(thing).__name__}[{len(thing)}]")
        for item in sorted(thing, key=repr) if isinstance(thing, set | frozenset) else thing:
            _gather(item, parts, seen)
    elif isinstance(thing, functools.partial):
        for part in (thing.func, thing.args, thing.keywords):
            _gather(part, parts, seen)
    elif hasattr(thing, "tobytes"):  # an array
        parts += [str(getattr(thing, "dtype", "")), hashlib.sha256(thing.tobytes()).hexdigest()]
    else:
        kind = thing if isinstance(thing, type) else type(thing)
        for each in kind.__mro__:
            parts.append(f"{each.__module__}.{each.__qualname__}")
            if each.__module__ == kind.__module__ != "builtins":
                _of_class(each, parts, seen)
        if kind is not thing:
            slots = [slot for each in kind.__mro__ for slot in getattr(each, "__slots__", ())]
            held = {slot: getattr(thing, slot) for slot in slots if hasattr(thing, slot)}
            _gather({**held, **getattr(thing, "__dict__", {})}, parts, seen)


def _of_class(kind: type, parts: list[str], seen: dict[int, Any]) -> None:
    """Gather what a class has: methods of all kinds, properties and constants."""
    for name, value in sorted(vars(kind).items()):
        found: Any = value
        if isinstance(value, staticmethod | classmethod):
            found = value.__func__
        elif isinstance(value, property):
            found = [part for part in (value.fget, value.fset) if part is not None]
        if isinstance(found, FunctionType | list) or not name.startswith("__"):
            parts.append(name)
            _gather(found, parts, seen)


_DATA: Final = (
    str, int, float, complex, bool, bytes, list, tuple, dict, set, frozenset
)  # fmt: skip


def _is_own(value: Any, module: str) -> bool:
    """Whether what a function refers to by a name is data, or stands in the same module."""
    if isinstance(value, _DATA) or hasattr(value, "tobytes"):
        return True
    if isinstance(value, functools.partial):
        return _is_own(value.func, module)
    return getattr(value, "__module__", None) == module


def _names(code: CodeType) -> set[str]:
    """Return the names that code refers to, in functions and comprehensions inside it too."""
    inside = (_names(each) for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*inside)


def _of_code(code: CodeType, parts: list[str], seen: dict[int, Any]) -> None:
    parts += [code.co_code.hex(), code.co_exceptiontable.hex(), *code.co_names, *code.co_varnames]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _of_code(constant, parts, seen)
        else:
            _gather(constant, parts, seen)
