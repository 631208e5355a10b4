"""YAML 1.2 documents whose every value knows its file, line and column.

PyYAML's scanner reads the text; values are made here, because PyYAML's own are those of YAML 1.1
(``no`` is false, ``12:30`` is 750, the last of two equal keys wins). Only the core schema is read:
no tags, no merge keys, no keys but texts. Documents are untrusted: size, depth and what aliases
expand to are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import yaml

from dcsim.errors import Issue, ScenarioError
from dcsim.units import format_count

DEEPEST: Final = 64
"""Lists and mappings inside each other in one document."""
MOST_VALUES: Final = 4_000_000
"""Values of a document, those of its aliases and of the files it refers to counted every time."""

# The C scanner, where PyYAML was built with it, takes a tenth of the time.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

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


def parse(text: str, *, file: str | None = None) -> Node:
    """Return the one document in *text*.

    Raises
    ------
    ScenarioError
        If the text is no such document; all problems up to the one that ends the reading.
    """
    composer = _Composer(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            composer.take(event)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = Mark(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        composer.issues.append(mark.issue(f"is no YAML: {error.reason}"))
    except yaml.MarkedYAMLError as error:
        composer.issues.append(_syntax_issue(error, file=file, text=text))
    except _StopReadingError as stop:
        composer.issues.append(stop.issue)
    if not composer.issues and composer.root is None:
        composer.issues.append(Mark(file, 1, 1).issue("is empty", hint="write a mapping"))
    if composer.issues:
        raise ScenarioError(composer.issues)
    assert composer.root is not None
    return composer.root


class _StopReadingError(Exception):
    def __init__(self, issue: Issue) -> None:
        self.issue = issue


class _Composer:
    """Makes nodes of PyYAML's events, which come without recursion however deep a document is."""

    def __init__(self, file: str | None) -> None:
        self.root: Node | None = None
        self.issues: list[Issue] = []
        self._file = file
        self._open: list[Node] = []
        self._keys: list[tuple[str, Mark] | None] = []  # of each open mapping, read but not used
        self._anchors: dict[str, Node] = {}
        self._count = 0

    def take(self, event: yaml.Event) -> None:
        """Read on."""
        if isinstance(event, yaml.NodeEvent):
            self._value(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise self._stop(event, "begins a second document; a file holds one")

    def _value(self, event: yaml.NodeEvent) -> None:
        within = self._open[-1] if self._open else None
        if within is not None and isinstance(within.value, dict) and self._keys[-1] is None:
            self._keys[-1] = self._key(event, within)
            return
        self._count += 1
        if self._count > MOST_VALUES:
            raise self._stop(event, f"holds more than {format_count(MOST_VALUES)} values")
        node = self._node(event)
        if within is None:
            self.root = node
        elif isinstance(within.value, list):
            within.value.append(node)
        else:
            assert self._keys[-1] is not None
            key, mark = self._keys[-1]
            within.value[key], within.keys[key] = node, mark
            self._keys[-1] = None
        if not isinstance(event, yaml.AliasEvent) and isinstance(node.value, dict | list):
            if len(self._open) >= DEEPEST:
                raise self._stop(event, f"is nested more than {DEEPEST} deep")
            self._open.append(node)
            self._keys.append(None)

    def _node(self, event: Any) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        mark = self._mark(event)
        if isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0] and event.tag is None
            node = Node(scalar(event.value) if plain else event.value, mark)
        else:
            node = Node({} if isinstance(event, yaml.MappingStartEvent) else [], mark)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")[:80]
            self.issues.append(mark.issue(f"tag {tag} is not allowed"))
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: yaml.AliasEvent) -> Node:
        name = str(event.anchor)
        node = self._anchors.get(name)
        if node is None:
            hint = f"a text that begins with * is written '*{name}'"
            raise self._stop(event, f"there is no anchor &{name} before this alias", hint)
        if any(node is container for container in self._open):
            raise self._stop(event, f"alias *{name} stands inside what it refers to")
        return node

    def _key(self, event: yaml.NodeEvent, within: Node) -> tuple[str, Mark]:
        mark = self._mark(event)
        if not isinstance(event, yaml.ScalarEvent):
            raise self._stop(event, "a key must be a text")
        if event.value == "<<":
            hint = "write the keys out, or refer to a file with use"
            self.issues.append(mark.issue("merge keys (<<) are not of YAML 1.2", hint=hint))
        elif event.value in within.value:
            line = within.keys[event.value].line
            self.issues.append(mark.issue(f"key {event.value!r} stands in line {line} already"))
        return event.value, mark

    def _mark(self, event: Any) -> Mark:
        return Mark(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _stop(self, event: yaml.Event, message: str, hint: str | None = None) -> _StopReadingError:
        return _StopReadingError(self._mark(event).issue(message, hint=hint))


def _syntax_issue(error: Any, *, file: str | None, text: str) -> Issue:
    """Say what the scanner stumbled over, and the usual reason for it."""
    mark = error.problem_mark
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    hint = None
    if line.strip(" ").startswith("\t"):
        hint = "indent with spaces, not tabs"
    elif "mapping values" in str(error.problem):
        hint = "put a text that holds ': ' in quotes"
    elif "alias" in str(error.context):
        hint = "put a text that begins with * in quotes"
    elif "start any token" in str(error.problem):
        hint = "put a text that begins with this character in quotes"
    where = Mark(file, mark.line + 1, mark.column + 1)
    context = f" {error.context}" if error.context else ""
    return where.issue(f"is no YAML: {error.problem}{context}", hint=hint)
