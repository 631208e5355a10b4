"""YAML 1.2 documents whose every value knows its file, line and column; no text is read here.

Documents are untrusted: what aliases expand to is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from dcsim.errors import Issue, ScenarioError
from dcsim.units import format_count

MOST_VALUES: Final = 4_000_000
"""Values of a document, those of its aliases and of the files it refers to counted every time."""

_CORE: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_WHOLE = re.compile(r"[-+]?[0-9]{1,64}|0o(?P<octal>[0-7]{1,64})|0x(?P<hex>[0-9a-fA-F]{1,64})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,8})?")

DataPath = tuple[str | int, ...]
"""Where a value stands in a document: keys and indexes from its top."""
_STEP = re.compile(r"(?:^|\.)([^.\[\]]{1,200})|\[([0-9]{1,9})\]")


def dotted(path: DataPath) -> str:
    """Write a path as people do.

    Examples
    --------
    >>> dotted(("guests", 0, "count"))
    'guests[0].count'
    """
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def steps(text: str) -> DataPath:
    """Read a dotted path.

    Raises
    ------
    ValueError
        If *text* is none.

    Examples
    --------
    >>> steps("guests[0].count")
    ('guests', 0, 'count')
    """
    path: list[str | int] = []
    end = 0
    while match := _STEP.match(text, end):
        path.append(match[1] or int(match[2]))
        end = match.end()
    if end < len(text) or not path or text.startswith((".", "[")):
        raise ValueError("is no path; write it like guests[0].count")
    return tuple(path)


class Mark(NamedTuple):
    """Where something is written; line and column count from 1."""

    file: str | None
    line: int
    column: int

    def issue(self, message: str, *, hint: str | None = None, path: str | None = None) -> Issue:
        """Return what is wrong here."""
        return Issue(**self._asdict(), path=path, message=message, hint=hint)


@dataclass(slots=True, eq=False)
class Node:
    """A value of a document: a scalar, a list of nodes, or a mapping of texts to nodes."""

    value: Any
    mark: Mark
    keys: dict[str, Mark] = field(default_factory=dict)
    """Where each key of a mapping stands."""

    def child(self, step: str | int) -> Node | None:
        """Return what stands under a key or at an index, if anything."""
        found: Node | None = None
        if isinstance(self.value, dict):
            found = self.value.get(step)
        elif isinstance(self.value, list) and isinstance(step, int) and step < len(self.value):
            found = self.value[step]
        return found

    def at(self, path: DataPath, *, key: bool = False) -> Mark:
        """Return where the value at *path* stands, or its key, or what comes nearest to it."""
        node, mark = self, self.mark
        for step in path:
            child = node.child(step)
            if child is None:
                break
            mark = node.keys[step] if key and isinstance(step, str) else child.mark
            node = child
        return mark

    def plain(self) -> Any:
        """Return the value without its marks; what aliases share is one object in it too.

        Raises
        ------
        ScenarioError
            If it stands for more than `MOST_VALUES` values.
        """
        made: dict[int, tuple[Any, int]] = {}

        def make(node: Node) -> tuple[Any, int]:
            if not isinstance(node.value, dict | list):
                return node.value, 1
            if type(node) is not Node:  # a column of values that are plain already
                return node.value, len(node.value)
            if id(node) not in made:
                inside = node.value.values() if isinstance(node.value, dict) else node.value
                parts = [make(child) for child in inside]
                data: Any = [value for value, _ in parts]
                if isinstance(node.value, dict):
                    data = dict(zip(node.value, data, strict=True))
                made[id(node)] = data, 1 + sum(size for _, size in parts)
            return made[id(node)]

        data, size = make(self)
        if size > MOST_VALUES:
            message = f"stands for more than {format_count(MOST_VALUES)} values"
            raise ScenarioError([self.mark.issue(message, hint="use fewer aliases (*name)")])
        return data


class Marks(Mapping[DataPath, Mark]):
    """Where each value of a document stands, by its path."""

    def __init__(self, root: Node) -> None:
        self._root = root

    def __getitem__(self, path: DataPath) -> Mark:
        node: Node | None = self._root
        for step in path:
            node = node.child(step) if node else None
        if node is None:
            raise KeyError(path)
        return node.mark

    def __iter__(self) -> Iterator[DataPath]:
        left: list[tuple[DataPath, Node]] = [((), self._root)]
        while left:
            path, node = left.pop()
            yield path
            if isinstance(node.value, dict):
                left += [((*path, key), child) for key, child in node.value.items()]
            elif isinstance(node.value, list):
                children = (node.child(i) for i in range(len(node.value)))
                left += [((*path, i), child) for i, child in enumerate(children) if child]

    def __len__(self) -> int:
        return sum(1 for _ in self)


def scalar(text: str) -> Any:
    """Return what a plain scalar means in YAML 1.2's core schema: null, a bool, a number or itself.

    Examples
    --------
    >>> scalar("1e9"), scalar("no"), scalar("0o17"), scalar("12:30")
    (1000000000.0, 'no', 15, '12:30')
    """
    if text in _CORE:
        return _CORE[text]
    if match := _WHOLE.fullmatch(text):
        if match["octal"]:
            return int(match["octal"], 8)
        return int(match["hex"], 16) if match["hex"] else int(text)
    return float(text) if len(text) <= 128 and _FLOAT.fullmatch(text) else text
