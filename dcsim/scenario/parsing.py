"""YAML 1.2 texts -> documents.

PyYAML's scanner reads the text; values are made here, because PyYAML's own are those of YAML 1.1
(``no`` is false, ``12:30`` is 750, the last of two equal keys wins). Only the core schema is read:
no tags, no merge keys, no keys but texts. Texts are untrusted: size and depth are bounded.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario.document import MOST_VALUES, Mark, Node, scalar
from dcsim.units import format_count

DEEPEST: Final = 64
"""Lists and mappings inside each other in one document."""

# The C scanner, where PyYAML was built with it, takes a tenth of the time.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


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
