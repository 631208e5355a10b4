"""Dotted paths into a scenario, such as ``guests[0].hinting.reserve``: read them, change them."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from dcsim.errors import Issue, ScenarioError, did_you_mean
from dcsim.scenario import presets
from dcsim.scenario.document import DataPath, dotted, scalar, steps
from dcsim.scenario.spec import Migration, Scenario, Step
from dcsim.scenario.validation import keys_at, validate

_NAMED: Final = {
    **dict.fromkeys(("topology", "workload", "hinting", "limits"), "use"),
    "migration": "hypervisor",
}
"""Keys of parts that a name stands for, and the key under which it stands beside changes."""


def replace_paths(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """Return a copy of a scenario with some paths changed, checked again.

    Parameters
    ----------
    scenario
        What to change.
    changes
        Dotted path to value; wholes are changed before their parts. A name, such as
        ``{"hinting": "balloon-held"}``, replaces what it stands for. ``hinting.reserve`` and other
        keys of a step change every step of the policy that they mean something for.
        ``migration.hypervisor`` changes the settings that were the old hypervisor's. ``operator``
    replaces all that it stands for.

    Raises
    ------
    ScenarioError
        If a path does not exist or the result is not a legal scenario; all problems at once.
    """
    data = scenario.to_dict()
    issues = []
    paths = []
    for text, value in changes.items():
        try:
            paths.append((steps(text), value))
        except ValueError as error:
            issues.append(Issue(message=f"{text[:80]!r} {error}"))
    paths.sort(key=lambda change: (change[0] != ("operator",), len(change[0])))
    for path, value in paths:
        if issue := _set(data, path, copy.deepcopy(value)):
            issues.append(issue)
    if issues:
        raise ScenarioError(issues)
    return validate(data)


def get_path(scenario: Scenario, path: str) -> Any:
    """Return what stands at a dotted path: a part, a list, or a value in SI.

    Raises
    ------
    ScenarioError
        If there is no such path.

    Examples
    --------
    >>> import dcsim
    >>> get_path(dcsim.load("quick-start"), "guests[0].vcpus")
    2
    """
    try:
        way = steps(path)
    except ValueError as error:
        raise ScenarioError([Issue(message=f"{path[:80]!r} {error}")]) from None
    part: Any = scenario
    for i, step in enumerate(way):
        if isinstance(part, BaseModel) and step in type(part).model_fields:
            part = getattr(part, str(step))
            continue
        inside = dict(part) if isinstance(part, BaseModel) else part
        if issue := _nothing(inside, way[: i + 1]):
            raise ScenarioError([issue])
        part = part[step]
    return part


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Return the changes that ``path=value`` texts stand for, as given to ``--set``.

    Values are YAML 1.2: a plain text, a number, ``null``, or a list or mapping in brackets.

    Raises
    ------
    ScenarioError
        If some text is no assignment; all problems at once.

    Examples
    --------
    >>> parse_assignments(["guests[0].count=8", "hinting={use: balloon-held, reserve: 1GiB}"])
    {'guests[0].count': 8, 'hinting': {'use': 'balloon-held', 'reserve': '1GiB'}}
    """
    changes: dict[str, Any] = {}
    issues: list[Issue] = []
    for text in assignments:
        path, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not path:
            hint = "write it like guests[0].count=8"
            issues.append(Issue(message=f"{text[:80]!r} is no path=value", hint=hint))
        elif path in changes:
            issues.append(Issue(path=path, message="is given twice"))
        elif value.startswith(("[", "{", "'", '"')):
            from dcsim.scenario import parsing  # which needs PyYAML

            try:
                changes[path] = parsing.parse(value).plain()
            except ScenarioError as error:
                issues += [Issue(path=path, message=issue.message) for issue in error.issues]
        else:
            changes[path] = scalar(value)
    if issues:
        raise ScenarioError(issues)
    return changes


def _set(data: Any, path: DataPath, value: Any) -> Issue | None:
    """Put a value into plain data, or say why there is no place for it."""
    holder = data
    for i, step in enumerate(path[:-1]):
        if issue := _nothing(holder, path[: i + 1]):
            return issue
        if step in _NAMED and isinstance(holder[step], str):
            holder[step] = {_NAMED[str(step)]: holder[step]}
        holder = holder[step]
    last, part = path[-1], path[-2] if len(path) > 1 else None
    if isinstance(holder, list) or not isinstance(holder, dict):
        if issue := _nothing(holder, path):
            return issue
    elif part == "hinting" and "steps" in holder and last in Step.model_fields:
        return _set_in_steps(holder, path, value)
    elif part == "migration" and last == "hypervisor":
        _forget_hypervisor(holder)
    elif path == ("operator",):
        return _set_operator(holder, value)
    holder[last] = value
    return None


def _set_operator(data: dict[str, Any], value: Any) -> Issue | None:
    """Put all that an operator stands for in the place of what is there."""
    try:
        for key, part in presets.resolve_operator(value).items():
            (data["operation"] if key == "limits" else data)[key] = copy.deepcopy(part)
    except ValueError as error:
        return Issue(path="operator", message=str(error))
    return None


def _nothing(holder: Any, path: DataPath) -> Issue | None:
    """Say that there is nothing at the end of *path*, if there is nothing."""
    *above, last = path
    where = dotted(tuple(above)) or "a scenario"
    text = dotted(path)
    if isinstance(holder, list):
        if isinstance(last, int) and last < len(holder):
            return None
        legal = f"[0] to [{len(holder) - 1}]" if holder else "it is empty"
        return Issue(path=text, message=f"{where} is a list: {legal}")
    if isinstance(holder, dict):
        if last in holder:
            return None
        legal_keys = keys_at(tuple(above)) or list(holder)
        if last in legal_keys:
            return Issue(path=text, message="is not set", hint="set it as a whole")
        close = did_you_mean(str(last), legal_keys)
        message = f"{where} has no '{last}'; legal keys are {', '.join(legal_keys)}"
        return Issue(path=text, message=message, hint=f"did you mean '{close}'?" if close else None)
    return Issue(path=text, message=f"{where} is a value that holds nothing")


def _set_in_steps(hinting: dict[str, Any], path: DataPath, value: Any) -> Issue | None:
    """Change a key in all steps of a policy that can take it, and the policy's name."""
    key = str(path[-1])
    if not hinting["steps"]:
        message = f"means nothing for the policy {hinting['name']!r}, which has no steps"
        return Issue(path=dotted(path), message=message)
    takers = []
    for step in hinting["steps"]:
        with contextlib.suppress(ValidationError):
            Step.model_validate({**step, key: value})
            takers.append(step)
    for step in takers or hinting["steps"]:  # where none can take it, checking says why
        step[key] = value
    name = re.sub(rf" {key}=\S+", "", hinting["name"])
    hinting["name"] = f"{name} {key}={value}"[:200]
    return None


def _forget_hypervisor(migration: dict[str, Any]) -> None:
    """Leave the settings that differ from those of the hypervisor they were made for."""
    with contextlib.suppress(ValueError):  # settings written out need no shipped hypervisor
        old = presets.resolve_migration({"hypervisor": migration["hypervisor"]})
        for key, value in Migration.model_validate(old).model_dump(mode="json").items():
            if migration.get(key) == value:
                del migration[key]
