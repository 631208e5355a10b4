"""Files that a scenario's file refers to, put where they are referred to.

Where a shipped name can stand, alone or after ``use``, a text that holds a ``/`` or ends in
``.yaml`` is a file. It is relative to the file that writes it, and stands below the folder above
that of the scenario's file: ``scenarios/x.yaml`` can say ``../workloads/y.yaml``, and nothing can
reach the rest of the disk. Among the guests, ``use`` names a file with ``guests`` of its own; keys
beside it replace those of each of them. Columns of guests (``each``) and of moves can be a CSV
file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario import parsing
from dcsim.scenario.columns import TEXTS
from dcsim.scenario.document import Mark, Node
from dcsim.units import MiB, format_count

LARGEST_FILE: Final = 32 * MiB
"""Bytes of one file."""
DEEPEST: Final = 8
"""Files that refer to each other in a row."""
MOST_GROUPS: Final = 100_000
"""Groups of guests that files may add up to."""

_PARTS: Final = ("topology", "workload", "hinting", "migration", "limits", "operator")
"""Keys of what a name or a file can stand for."""
_TABLES: Final = ("each", "moves")
"""Keys of what columns in a CSV file can stand for."""
_ENDINGS: Final = (".yaml", ".yml", ".json")


def is_file(text: str) -> bool:
    """Whether a text means a file rather than a shipped name."""
    return "/" in text or os.sep in text or text.endswith(_ENDINGS)


def read(path: Path, *, name: str) -> Node:
    """Return the document in a file, which messages call *name*.

    Raises
    ------
    ScenarioError
        If the file cannot be read, is too large or is no YAML.
    """
    return parsing.parse(read_text(path, name=name), file=name)


def read_text(path: Path, *, name: str) -> str:
    """Return the text in a file, which messages call *name*.

    Raises
    ------
    ScenarioError
        If the file cannot be read, is too large or is no UTF-8.
    """
    try:
        if not path.is_file():  # nor a pipe, which could be waited for
            raise ScenarioError([Issue(file=name, message="there is no such file")])
        with path.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise ScenarioError([Issue(file=name, message=message)]) from None
    if len(data) > LARGEST_FILE:
        message = f"is larger than {LARGEST_FILE // MiB} MiB"
        raise ScenarioError([Issue(file=name, message=message)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig")
        place = Mark(name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        issue = place.issue(f"byte {data[error.start]:#04x} is no UTF-8", hint="save it as UTF-8")
        raise ScenarioError([issue]) from None


def expand(scenario: Node, *, folder: Path | None) -> Node:
    """Return a scenario's document with the files it refers to in their places.

    Parameters
    ----------
    scenario
        The document, a mapping.
    folder
        Where it stands; None for a text, which cannot refer to files.

    Raises
    ------
    ScenarioError
        If some reference leads nowhere, out of bounds or round in a circle: all of them at once.
    """
    expansion = _Expansion(scenario, folder)
    expanded = expansion.mapping(scenario, ())
    if expansion.issues:
        raise ScenarioError(expansion.issues)
    return expanded


class _Expansion:
    """One expansion: where files stand and what was wrong with them."""

    def __init__(self, scenario: Node, folder: Path | None) -> None:
        self.issues: list[Issue] = []
        self._folders: dict[str | None, Path] = {}  # of each file, by what messages call it
        self._read: dict[Path, Node | None] = {}
        self._groups = 0
        self._shown = Path(scenario.mark.file or "").parent
        self._folder = self._root = (folder or Path()).resolve()
        if folder is not None:
            self._folders[scenario.mark.file] = self._folder
        if self._root.parent != self._root.parent.parent:  # which holds everything
            self._root = self._root.parent

    def mapping(self, node: Node, chain: tuple[Path, ...]) -> Node:
        """Expand what a scenario, an operation or a group of guests holds."""
        if not isinstance(node.value, dict):
            return node
        value = dict(node.value)
        for key, child in value.items():
            if key in _PARTS:
                value[key] = self._part(key, child, chain)
            elif key in _TABLES and isinstance(child.value, str):
                value[key] = self._table(child, chain)
            elif key == "operation":
                value[key] = self.mapping(child, chain)
            elif key == "operations" and isinstance(child.value, list):
                value[key] = Node([self.mapping(part, chain) for part in child.value], child.mark)
            elif key == "guests" and isinstance(child.value, list):
                groups = [group for entry in child.value for group in self._group(entry, chain)]
                value[key] = Node(groups, child.mark)
        return Node(value, node.mark, node.keys)

    def _part(self, key: str, node: Node, chain: tuple[Path, ...]) -> Node:
        reference, changes = _reference(node)
        if reference is None or not is_file(reference.value):
            return node
        file, found = self._open(reference, chain)
        if found is None:
            return changes
        if key == "workload" and "name" not in found.value:
            found = _replaced(found, Node({"name": Node(file.stem, found.mark)}, found.mark))
        return _merged(self._part(key, found, (*chain, file)), changes)

    def _table(self, node: Node, chain: tuple[Path, ...]) -> Node:
        """Return the columns in a CSV file."""
        if not node.value.endswith(".csv"):
            message = f"{node.value[:80]!r} is no file of columns"
            self.issues.append(node.mark.issue(message, hint="its name ends in .csv"))
            return Node({}, node.mark)
        file, name = self._locate(node, chain)
        if file is None:
            return Node({}, node.mark)
        from dcsim.scenario import table

        try:
            return table.parse(read_text(file, name=name), file=name, texts=TEXTS)
        except ScenarioError as error:
            self.issues += error.issues
            return Node({}, node.mark)

    def _group(self, node: Node, chain: tuple[Path, ...]) -> list[Node]:
        """Return the groups that an entry of the guests stands for: one, or those of a file."""
        self._groups += 1
        if self._groups > MOST_GROUPS:
            if self._groups == MOST_GROUPS + 1:
                message = f"is one of more than {format_count(MOST_GROUPS)} groups of guests"
                self.issues.append(node.mark.issue(message))
            return []
        reference, changes = _reference(node) if isinstance(node.value, dict) else (None, node)
        if reference is None:
            return [self.mapping(node, chain)]
        if not is_file(reference.value):
            message = f"{reference.value[:80]!r} is no file: guests can use files of guests only"
            self.issues.append(reference.mark.issue(message, hint="write it like ./guests.yaml"))
            return []
        file, found = self._open(reference, chain)
        if found is None:
            return []
        guests = found.value.get("guests")
        if guests is None or not isinstance(guests.value, list):
            self.issues.append(found.mark.issue("must have a list of guests under 'guests'"))
            return []
        for key in found.value.keys() - {"guests", "about"}:
            message = f"unknown key {key[:80]!r}; legal keys of a file of guests are guests, about"
            self.issues.append(found.keys[key].issue(message))
        changes = self.mapping(changes, chain)
        inner = (*chain, file)
        return [_replaced(g, changes) for entry in guests.value for g in self._group(entry, inner)]

    def _open(self, reference: Node, chain: tuple[Path, ...]) -> tuple[Path, Node | None]:
        """Return the file that is referred to, and its mapping if there is one."""
        file, name = self._locate(reference, chain)
        if file is None:
            return Path(), None
        if file not in self._read:
            self._folders[name] = file.parent
            self._read[file] = self._mapping_in(file, name)
        return file, self._read[file]

    def _locate(self, reference: Node, chain: tuple[Path, ...]) -> tuple[Path | None, str]:
        """Return the file that is referred to, if it may be, and what messages call it."""
        text, mark = reference.value, reference.mark
        try:
            file = self._file(text, self._folders.get(mark.file), chain)
        except ValueError as error:
            shown = text if len(text) <= 80 else f"{text[:77]}..."
            self.issues.append(mark.issue(f"{shown!r} {error}"))
            return None, ""
        return file, os.path.normpath(self._shown / os.path.relpath(file, self._folder))

    def _file(self, text: str, folder: Path | None, chain: tuple[Path, ...]) -> Path:
        """Return the file that a text written in a folder means, or say why it means none."""
        if folder is None:
            raise ValueError("is a file, and only a file can refer to another")
        try:
            file = (folder / text).resolve()
            exists = file.is_file()
        except (OSError, RuntimeError, ValueError):  # a zero byte, a circle of links
            raise ValueError("is no file name") from None
        if Path(text).is_absolute() or not file.is_relative_to(self._root):
            raise ValueError(
                "is out of bounds; keep files beside the scenario's, or below the folder above it"
            )
        if not exists:
            raise ValueError("is no file")
        if file in chain:
            raise ValueError("refers back to itself")
        if len(chain) >= DEEPEST:
            raise ValueError(f"comes after {DEEPEST} files that refer to each other")
        return file

    def _mapping_in(self, file: Path, name: str) -> Node | None:
        try:
            found = read(file, name=name)
        except ScenarioError as error:
            self.issues += error.issues
            return None
        if not isinstance(found.value, dict):
            self.issues.append(found.mark.issue("must be a mapping"))
            return None
        return found


def _reference(node: Node) -> tuple[Node | None, Node]:
    """Return the text that refers to something, if any, and the changes beside it."""
    if isinstance(node.value, str):
        return node, Node({}, node.mark)
    reference = node.child("use")
    if reference is None or not isinstance(reference.value, str):
        return None, node
    changes = {key: child for key, child in node.value.items() if key != "use"}
    return reference, Node(changes, node.mark, node.keys)


def _replaced(base: Node, changes: Node) -> Node:
    """Return a mapping with some keys replaced."""
    if not isinstance(base.value, dict):
        return base
    return Node({**base.value, **changes.value}, base.mark, {**base.keys, **changes.keys})


def _merged(base: Node, changes: Node) -> Node:
    """Return a mapping with changes, as `dcsim.scenario.library.merged` does."""
    inner = {
        key: _replaced(base.value[key], change)
        for key, change in changes.value.items()
        if key in base.value and isinstance(change.value, dict)
        if isinstance(base.value[key].value, dict)
    }
    merged = _replaced(base, changes)
    merged.value.update(inner)
    return merged
