"""A preset by its name: found in its table, copied, changed, and named after its changes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from dcsim.errors import did_you_mean

Preset = dict[str, Any]


def resolve(noun: str, table: Mapping[str, Preset], value: Any) -> Any:
    """Look up a name, or what a mapping uses, with its changes."""
    if isinstance(value, str):
        return named(noun, table, value)
    if not isinstance(value, Mapping) or "use" not in value:
        return value
    changes = dict(value)
    resolved = named(noun, table, changes.pop("use"))
    resolved["name"] = changed_name(resolved["name"], changes)
    return resolved | changes


def known(noun: str, table: Mapping[str, Preset], name: Any) -> Preset:
    """Return an entry of a table, or say which there are."""
    if isinstance(name, str) and name in table:
        return table[name]
    close = did_you_mean(name, table) if isinstance(name, str) else None
    hint = f"; did you mean '{close}'?" if close else ""
    message = f"unknown {noun} {str(name)[:80]!r}; legal names are {listed(table)}{hint}"
    raise ValueError(message)


def named(noun: str, table: Mapping[str, Preset], name: Any) -> Preset:
    """Return a copy of an entry that may be changed, with its name, without its description."""
    fields = {key: value for key, value in known(noun, table, name).items() if key != "about"}
    return {"name": name} | copy.deepcopy(fields)


def changed_name(name: str, changes: Mapping[str, Any]) -> str:
    """Name a changed preset after its changes, so that tables tell it from the shipped one."""
    inner = {
        f"{k}.{i}": v
        for k, own in changes.items()
        if isinstance(own, Mapping)
        for i, v in own.items()
    }
    plain = {k: v for k, v in {**changes, **inner}.items() if isinstance(v, str | int | float)}
    return " ".join([name, *(f"{key}={value}" for key, value in plain.items())])[:200]


def listed(names: Any) -> str:
    """Return names as a message lists them."""
    return ", ".join(str(name) for name in names)
