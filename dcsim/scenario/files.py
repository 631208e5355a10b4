"""Scenarios from YAML files, by path or shipped name.

Every value keeps the file, line and column it was read from until the scenario is checked, so that
all that is wrong with a file is told at once, each where it stands.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario import includes, library, parsing
from dcsim.scenario.document import Marks, Node
from dcsim.scenario.spec import Scenario
from dcsim.scenario.validation import validate

STUDY_MARKS: Final = frozenset({"axes", "points", "scenario"})
"""Keys that no scenario has, and that every study has one of."""


def load(source: str | os.PathLike[str]) -> Scenario:
    """Return the scenario in a file, or the shipped one of a name.

    Parameters
    ----------
    source
        A path; or a text, which is a path if it holds a ``/`` or ends in ``.yaml``, ``.yml`` or
        ``.json``, and else the name of a shipped scenario.

    Raises
    ------
    ScenarioError
        If there is no such file or name, or it holds no legal scenario; all problems at once,
        each with its file, line and column.

    Examples
    --------
    >>> load("quick-start").topology.kind
    'two-hosts'
    """
    if isinstance(source, str) and not includes.is_file(source):
        try:
            path = library.path(kind="scenarios", name=source)
        except ValueError as error:
            hint = "a path holds a / or ends in .yaml"
            raise ScenarioError([Issue(message=str(error), hint=hint)]) from None
        name = f"scenarios/{path.name}"
    else:
        path = Path(source)
        name = str(path)
    return scenario_of(includes.read(path, name=name), folder=path.parent, default_name=path.stem)


def load_text(text: str, *, name: str = "<text>", folder: Path | None = None) -> Scenario:
    """Return the scenario in a YAML text.

    Parameters
    ----------
    text
        What a file would hold.
    name
        What messages call it.
    folder
        What the files it refers to are relative to; None where it may refer to none.

    Raises
    ------
    ScenarioError
        If it holds no legal scenario; all problems at once.
    """
    return scenario_of(parsing.parse(text, file=name), folder=folder)


def is_study(source: str) -> bool:
    """Whether a file or a shipped name is a study of many runs, rather than a scenario."""
    if not includes.is_file(source):
        return source in library.names(kind="studies")
    text = includes.read_text(Path(source), name=source)
    if not any(mark in text for mark in STUDY_MARKS):  # a large scenario is not read twice
        return False
    node = parsing.parse(text, file=source)
    return isinstance(node.value, dict) and not STUDY_MARKS.isdisjoint(node.value)


def read(path: str | os.PathLike[str]) -> tuple[Any, Marks]:
    """Return the plain data of a YAML file, and where each value stands in it.

    Raises
    ------
    ScenarioError
        If the file cannot be read, or is no YAML 1.2 document within the bounds.
    """
    node = includes.read(Path(path), name=str(path))
    return node.plain(), Marks(node)


def scenario_of(node: Node, *, folder: Path | None, default_name: str | None = None) -> Scenario:
    """Return the scenario in a document.

    Parameters
    ----------
    node
        The document, or the part of one that holds it.
    folder
        What the files it refers to are relative to; None where it may refer to none.
    default_name
        Its name, where it says none.

    Raises
    ------
    ScenarioError
        If it holds no legal scenario; all problems at once.
    """
    if not isinstance(node.value, dict):
        raise ScenarioError([node.mark.issue("must be a mapping, with keys such as topology")])
    if {"axes", "scenario"} <= node.value.keys():
        hint = "dcsim sweep runs it"
        raise ScenarioError([node.mark.issue("is a study, and no scenario", hint=hint)])
    node = includes.expand(node, folder=folder)
    if default_name:
        node.value.setdefault("name", Node(default_name[:200], node.mark))
    return validate(node.plain(), document=node)
