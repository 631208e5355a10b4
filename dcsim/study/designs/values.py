"""Values of an axis: as they are given, as JSON holds them, and what people call them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from dcsim.errors import ScenarioError
from dcsim.scenario.base import plain
from dcsim.scenario.paths import get_path
from dcsim.scenario.spec import Scenario
from dcsim.study.designs import ranges
from dcsim.study.designs.dimension import MOST_POINTS
from dcsim.study.designs.factors import Value

if TYPE_CHECKING:
    from dcsim.study.designs.sampling import Span

PLAIN: Final = (str, int, float, bool, type(None))
"""What JSON holds, and no list or mapping."""


def span_of(text: str) -> Span | None:
    """Return the range that a text means, if it is one without a number of values."""
    from dcsim.study.designs.sampling import Span

    return Span.read(text)


def values_of(given: Any) -> list[Any]:
    """Return the values of an axis: those of a text, a list, or one alone."""
    if isinstance(given, str):
        return ranges.read_values(given)
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        return [_plain(given)]
    return [_plain(value) for value in itertools.islice(given, MOST_POINTS + 1)]


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it.

    Raises
    ------
    ValueError
        If it cannot.
    """
    found = scalar(plain(value))
    if isinstance(found, PLAIN):
        return found
    try:
        return json.loads(json.dumps(found, allow_nan=False))
    except (TypeError, ValueError):
        message = f"must be texts, numbers, lists or mappings, got {type(value).__name__}"
        raise ValueError(message) from None


def scalar(value: Any) -> Any:
    """Return numbers of other libraries as Python's own."""
    return value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value


def name_of(value: Any, scene: Scenario | None, path: str) -> Value:
    """Return what a frame has for a value: itself, or the name of what it stands for."""
    if isinstance(value, PLAIN):
        return value
    try:
        named = getattr(get_path(scene, path), "name", None) if scene is not None else None
    except ScenarioError:
        named = None
    return named if isinstance(named, str) and named else flow(value)


def key_of(value: Any) -> Any:
    """Return what tells a value from others: 1, 1.0 and true are three, and mappings have some."""
    return (type(value), value) if isinstance(value, PLAIN) else flow(value)


def flow(value: Any) -> Value:
    """Return a value as one line of YAML."""
    if isinstance(value, PLAIN):
        return value
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.strip()
