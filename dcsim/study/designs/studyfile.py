"""Studies from YAML files, by path or shipped name: what `Design` takes, and a scenario's name."""

from __future__ import annotations

import os
from pathlib import Path

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario import files, includes, library, table
from dcsim.scenario.document import Node
from dcsim.scenario.spec import Scenario
from dcsim.study.designs.design import Design
from dcsim.study.designs.reader import read_asked


def load(source: str | os.PathLike[str]) -> Design:
    """Return the study in a file, or the shipped one of a name.

    Parameters
    ----------
    source
        A path; or a text, which is a path if it holds a ``/`` or ends in ``.yaml``, ``.yml`` or
        ``.json``, and else the name of a shipped study.

    Raises
    ------
    ScenarioError
        If there is no such file or name, or it holds no legal study; all problems at once, each
        with its file, line and column.

    Examples
    --------
    >>> load("seed-question").paths[0]
    'hinting'
    """
    path, name = locate(source)
    return _design(includes.read(path, name=name), folder=path.parent, default_name=path.stem)


def locate(source: str | os.PathLike[str]) -> tuple[Path, str]:
    """Return the file of a study, and what messages call it.

    Raises
    ------
    ScenarioError
        If none is shipped by that name.
    """
    if isinstance(source, str) and not includes.is_file(source):
        try:
            path = library.path(kind="studies", name=source)
        except ValueError as error:
            hint = "a path holds a / or ends in .yaml"
            raise ScenarioError([Issue(message=str(error), hint=hint)]) from None
        return path, f"studies/{path.name}"
    return Path(source), str(source)


def _design(node: Node, *, folder: Path, default_name: str) -> Design:
    if not isinstance(node.value, dict):
        raise ScenarioError([node.mark.issue("must be a mapping, with keys such as axes")])
    node.value.setdefault("name", Node(default_name[:200], node.mark))
    points = node.value.get("points")
    if points is not None and isinstance(points.value, str):
        node.value["points"] = _table(points, folder)
    data = node.plain()
    if "scenario" not in node.value:
        read_asked(data, document=node)
    scenario = _scenario(node.value["scenario"], folder)
    return Design.from_dict({**data, "scenario": scenario}, document=node)


def _scenario(node: Node, folder: Path) -> Scenario:
    if isinstance(node.value, dict):
        return files.scenario_of(node, folder=folder)
    if not isinstance(node.value, str):
        raise ScenarioError(
            [node.mark.issue("must be a name, a file or a mapping", path="scenario")]
        )
    if includes.is_file(node.value):
        return files.load(_within(node, folder))
    try:
        return files.load(node.value)
    except ScenarioError as error:
        issues = [node.mark.issue(i.message, hint=i.hint, path="scenario") for i in error.issues]
        raise ScenarioError(issues if error.issues[0].file is None else error.issues) from None


def _table(node: Node, folder: Path) -> Node:
    """Return the columns in a CSV file."""
    if not node.value.endswith(".csv"):
        message = f"{node.value[:80]!r} is no file of columns"
        hint = "its name ends in .csv"
        raise ScenarioError([node.mark.issue(message, hint=hint, path="points")])
    path = _within(node, folder)
    return table.parse(includes.read_text(path, name=str(path)), file=str(path))


def _within(node: Node, folder: Path) -> Path:
    """Return the file that a study refers to; it stands beside it, or below the folder above."""
    text = str(node.value)
    try:
        path = (folder / text).resolve()
    except (OSError, RuntimeError, ValueError):  # a zero byte, a circle of links
        path = Path()
    root = folder.resolve()
    root = root if root.parent == root.parent.parent else root.parent
    if Path(text).is_absolute() or not path.is_relative_to(root):
        message = f"{text[:80]!r} is out of bounds"
        hint = "keep files beside the study's, or below the folder above it"
        raise ScenarioError([node.mark.issue(message, hint=hint)])
    return folder / text
