"""Plain data -> Scenario, or everything that is wrong with it in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dcsim.errors import Issue, ScenarioError, did_you_mean
from dcsim.scenario.checks import check
from dcsim.scenario.document import DataPath, Node, dotted
from dcsim.scenario.fabric import Fabric
from dcsim.scenario.spec import Hinting, Limits, Migration, Pattern, Scenario, Workload
from dcsim.units import format_count

_MOST_ISSUES: Final = 200
_MOST_ERRORS: Final = 5 * _MOST_ISSUES  # put into words: there may be millions
_NAMED: Final = (Fabric, Workload, Pattern, Hinting, Migration, Limits)
"""Parts that a name can stand for."""

_SENTENCES: Final = {
    "int_type": "must be a whole number, got {got}",
    "float_type": "must be a number, got {got}",
    "finite_number": "must be finite, got {got}",
    "bool_type": "must be true or false, got {got}",
    "string_type": "must be a text, got {got}",
    "list_type": "must be a list, got {got}",
    "tuple_type": "must be a list, got {got}",
    "dict_type": "must be a mapping, got {got}",
    "greater_than": "must be greater than {gt}, got {got}",
    "greater_than_equal": "must be at least {ge}, got {got}",
    "less_than": "must be less than {lt}, got {got}",
    "less_than_equal": "must be at most {le}, got {got}",
    "multiple_of": "must be a multiple of {multiple_of}, got {got}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items, has {actual_length}",
    "too_long": "must have at most {max_length} items",
    "wrong": "{message}",
}
"""What pydantic's kinds of error mean."""


class _Fault(NamedTuple):
    """What is wrong, and whether that is a key rather than what it holds."""

    path: DataPath
    message: str
    hint: str | None = None
    of_key: bool = False


def validate(data: Any, *, document: Node | None = None) -> Scenario:
    """Return the scenario that plain data describes.

    Parameters
    ----------
    data
        Texts with units; SI numbers too, unless there is a *document*.
    document
        Where the data was read: it knows the line of what is wrong.

    Raises
    ------
    ScenarioError
        If it describes none; all problems at once, up to 200.
    """
    try:
        context = {"from_file": document is not None}
        scenario = Scenario.model_validate(data, context=context)
    except ValidationError as error:
        raise ScenarioError(issues_of(error, document=document)) from None
    faults = [_Fault(*problem) for problem in check(scenario)]
    if faults:
        raise ScenarioError(_some(_issues(faults, document)))
    return scenario


def issues_of(
    error: ValidationError, *, document: Node | None, whole: type[BaseModel] = Scenario
) -> list[Issue]:
    """Return what pydantic found wrong in plain words, up to 200 problems.

    Parameters
    ----------
    error
        What it found.
    document
        Where the data was read: it knows the line of what is wrong.
    whole
        What the data was to be.
    """
    errors = error.errors(include_url=False)
    faults = list(_faults(errors[:_MOST_ERRORS], whole))
    return _some(_issues(faults, document), more=len(errors[_MOST_ERRORS:]))


def _some(issues: list[Issue], *, more: int = 0) -> list[Issue]:
    """Return as many issues as anyone reads, and how many more there are."""
    more += len(issues[_MOST_ISSUES:])
    if more:
        issues[_MOST_ISSUES:] = [Issue(file=issues[0].file, message=f"{more:,} problems more")]
    return issues


def keys_at(path: DataPath) -> list[str]:
    """Return the keys that are legal in the mapping at *path* of a scenario."""
    return _keys(_follow(path, Scenario)[1])


def _issues(faults: list[_Fault], document: Node | None) -> list[Issue]:
    issues = []
    for path, message, hint, of_key in faults:
        place = document.at(path, key=of_key)._asdict() if document else {}
        issues.append(Issue(**place, path=dotted(path) or None, message=message, hint=hint))
    if document:  # as one reads: the scenario's own file first, from top to bottom
        own = document.mark.file
        issues.sort(key=lambda i: (i.file != own, i.file or "", i.line or 0, i.column or 0))
    return issues


# --------------------------------------------------------------------------- what pydantic found


def _faults(errors: list[ErrorDetails], whole: type[BaseModel]) -> Iterator[_Fault]:
    missing = {error["loc"]: error for error in errors if error["type"] == "missing"}
    for error in errors:
        if error["type"] == "extra_forbidden":
            *above, key = error["loc"]
            path, models = _follow(tuple(above), whole)
            legal = _keys(models)
            close = did_you_mean(str(key), legal)
            missing.pop((*above, close or ""), None)  # it is not missing but misspelt
            message = f"unknown key {_shown(key)}; legal keys are {', '.join(legal)}"
            yield _Fault((*path, key), message, _guess(close), of_key=True)
        elif error["type"] != "missing":
            yield _fault(error, whole)
    for loc in missing:
        *holder, key = _follow(loc, whole)[0]
        what = f"item {key} is missing" if isinstance(key, int) else f"key '{key}' is missing"
        yield _Fault(tuple(holder), what)


def _fault(error: ErrorDetails, whole: type[BaseModel]) -> _Fault:
    path, models = _follow(error["loc"], whole)
    given, context = error["input"], error.get("ctx", {})
    got = _shown(given)
    match error["type"]:
        case "union_tag_invalid":
            legal = _quoted(context["expected_tags"])
            message = f"unknown kind '{context['tag']}'; legal kinds are {', '.join(legal)}"
            return _Fault((*path, "kind"), message, _guess(did_you_mean(context["tag"], legal)))
        case "union_tag_not_found":
            kinds = [model.model_fields["kind"].default for model in models]
            return _Fault(path, f"key 'kind' is missing; legal kinds are {', '.join(kinds)}")
        case "literal_error":
            legal = _quoted(context["expected"])
            close = did_you_mean(given, legal) if isinstance(given, str) else None
            return _Fault(path, f"must be one of {', '.join(legal)}, got {got}", _guess(close))
        case "model_type" | "model_attributes_type":
            name = "a name or " if any(issubclass(model, _NAMED) for model in models) else ""
            return _Fault(path, f"must be {name}a mapping, got {got}")
        case "value_error":
            message = str(context["error"])
            told = got in message if isinstance(given, str) else isinstance(given, dict | list)
            return _Fault(path, message if told else f"{message}, got {got}")
        case kind:
            path += context.get("path", ())
            if kind == "too_short" and context["min_length"] == 1:
                return _Fault(path, "must not be empty")
            words = {
                key: format_count(value) if isinstance(value, int | float) else value
                for key, value in context.items()
            }
            known = _SENTENCES.get(kind)
            message = known.format(got=got, **words) if known else error["msg"]
            return _Fault(path, message, context.get("hint"))


def _follow(loc: DataPath, whole: type[BaseModel]) -> tuple[DataPath, list[type[BaseModel]]]:
    """Return the path in the data of pydantic's location, and which parts can stand there.

    Where one of several parts can stand, the location has its kind as a step of its own.
    """
    path: list[str | int] = []
    models: list[type[BaseModel]] = [whole]
    for step in loc:
        chosen = [model for model in models if len(models) > 1 and _tag(model) == step]
        if chosen:
            models = chosen
            continue
        path.append(step)
        if isinstance(step, str):
            fields = [m.model_fields[step] for m in models if step in m.model_fields]
            models = [part for field in fields[:1] for part in _parts(field.annotation)]
    return tuple(path), models


def _tag(model: type[BaseModel]) -> Any:
    """Return what tells a part from others that can stand in its place."""
    kind = model.model_fields.get("kind")
    return model.__name__ if kind is None else kind.default


def _parts(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _parts(inner)


def _keys(models: list[type[BaseModel]]) -> list[str]:
    return list(dict.fromkeys(key for model in models for key in model.model_fields))


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _guess(close: str | None) -> str | None:
    return f"did you mean '{close}'?" if close else None


def _shown(value: Any) -> str:
    """Write a value as a file does, in a few words."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else f"{value[:57]}...")
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return str({None: "null", True: "true", False: "false"}[value])
    return str(value)[:60]
