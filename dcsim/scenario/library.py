"""The shipped topologies, workloads and scenarios: YAML files, found by kind and name.

They travel inside an installed package; in a checkout they stand at its top, where people look.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args

from dcsim.errors import did_you_mean

Kind = Literal["topologies", "workloads", "scenarios", "studies"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_NOUNS: Final = {
    "topologies": "topology",
    "workloads": "workload",
    "scenarios": "scenario",
    "studies": "study",
}
_NAME = re.compile(r"[a-z0-9-]{1,100}")
_PACKAGE = Path(__file__).parents[1]


def names(*, kind: Kind) -> list[str]:
    """Return the names of what is shipped of a kind, sorted."""
    return sorted(file.stem for file in _folder(kind).glob("*.yaml"))


def path(*, kind: Kind, name: str) -> Path:
    """Return the file of a shipped item.

    Raises
    ------
    ValueError
        If there is none of that name; it tells which there are.
    """
    file = _folder(kind) / f"{name}.yaml"
    if _NAME.fullmatch(name) and file.is_file():
        return file
    legal = names(kind=kind)
    close = did_you_mean(name, legal)
    hint = f"; did you mean '{close}'?" if close else ""
    raise ValueError(
        f"unknown {_NOUNS[kind]} {name[:80]!r}; shipped are {', '.join(legal) or 'none'}{hint}"
    )


def text(*, kind: Kind, name: str) -> str:
    """Return the YAML text of a shipped item.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    return path(kind=kind, name=name).read_text(encoding="utf-8")


def resolve(*, kind: Kind, value: Any) -> Any:
    """Return the data of a shipped item that *value* names; anything else is returned unchanged.

    Parameters
    ----------
    kind
        What *value* stands for.
    value
        A name; or a mapping with ``use``, a name, and changes: a mapping among them changes the
        keys it gives of what it stands for (``{use: leaf-spine-4x8, host: {cores: 64}}`` leaves
        the host's memory as it is), anything else, lists too, replaces the whole value.

    Raises
    ------
    ValueError
        If there is no shipped item of that name; it tells which there are.
    """
    if isinstance(value, str):
        return _item(kind, value)
    if isinstance(value, Mapping) and "use" in value:
        if not isinstance(value["use"], str):
            raise ValueError(f"use must be the name of a {_NOUNS[kind]}")
        changes = {key: change for key, change in value.items() if key != "use"}
        return merged(_item(kind, value["use"]), changes)
    return value


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return *base* with *changes*; mappings in both are merged, one level deep.

    Examples
    --------
    >>> merged({"host": {"cores": 32, "memory": "1GiB"}}, {"host": {"cores": 64}})
    {'host': {'cores': 64, 'memory': '1GiB'}}
    """
    result = dict(base)
    for key, change in changes.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(change, Mapping):
            change = {**old, **change}
        result[key] = change
    return result


def _folder(kind: Kind) -> Path:
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; legal kinds are {', '.join(KINDS)}")
    inside = _PACKAGE / "library" / kind
    return inside if inside.is_dir() else _PACKAGE.parent / kind


@functools.cache
def _item(kind: Kind, name: str) -> dict[str, Any]:
    """Return a shipped item; whoever takes it leaves it as it is."""
    from dcsim.scenario import parsing  # needs PyYAML: who names nothing shipped does without

    item: dict[str, Any] = parsing.parse(text(kind=kind, name=name)).plain()
    return {"name": name, **item} if kind == "workloads" else item
