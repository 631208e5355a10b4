"""YAML 1.2: values as people mean them, their places, and documents that are none."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario import library, parsing
from dcsim.scenario.document import Mark, Marks, dotted, scalar, steps
from dcsim.scenario.parsing import parse


def problems(text: str) -> list[Issue]:
    """What is wrong with a text."""
    try:
        parse(text, file="f").plain()
    except ScenarioError as error:
        return error.issues
    return []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e9", 1e9),
        ("1E-3", 1e-3),
        (".5", 0.5),
        ("5.", 5.0),
        ("-7", -7),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("190:20", "190:20"),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("2026-01-01", "2026-01-01"),
        ("0b11", "0b11"),
        ("-.INF", -math.inf),
        ("+.inf", math.inf),
        (".", "."),
        ("1e999", math.inf),
        ("9" * 64, int("9" * 64)),
        ("9" * 65, 1e65),
        ("9" * 200, "9" * 200),
        ("=", "="),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(text: str, value: Any) -> None:
    """Plain scalars follow the core schema of YAML 1.2, not YAML 1.1 as PyYAML does."""
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_not_a_number_is_read_as_such() -> None:
    """`.nan` is a float."""
    assert math.isnan(scalar(".NaN"))


def test_quoted_scalars_are_texts() -> None:
    """Quotes and block styles make texts of what would be numbers."""
    node = parse("""{a: '1', b: "true", c: 1, "d": null}\n""")
    assert node.plain() == {"a": "1", "b": "true", "c": 1, "d": None}
    assert parse("a: |\n  5\n").plain() == {"a": "5\n"}


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], max_codepoint=0xD7FF), max_size=12
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXTS
KEYS = st.text("abc-_ ", min_size=1, max_size=4)
JSON = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_json_is_read_as_json(value: Any) -> None:
    """A JSON document is read as a JSON reader would: YAML 1.2 contains it."""
    assert parse(json.dumps(value)).plain() == value


@given(
    st.text(
        alphabet=st.sampled_from("ab:-[]{}#&*!|>'\"%@`, \n\t?0.\\\u00e9\x85\ufeff"), max_size=40
    )
)
def test_any_text_is_a_document_or_a_scenario_error(text: str) -> None:
    """However broken a text is, reading it gives a document or says what is wrong, with a place."""
    assert all(issue.file == "f" and issue.line and issue.column for issue in problems(text))


def test_the_pure_python_scanner_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyYAML has no C scanner, documents and their places are the same."""
    text = library.text(kind="scenarios", name="rack-drain")
    fast = parse(text, file="f")
    monkeypatch.setattr(parsing, "_LOADER", yaml.SafeLoader)
    slow = parse(text, file="f")
    assert slow.plain() == fast.plain()
    assert dict(Marks(slow)) == dict(Marks(fast))


def test_aliases_share_what_they_stand_for() -> None:
    """An alias is the value of its anchor, and has its place."""
    node = parse("a: &x [1, 2]\nb: *x\n", file="f")
    assert node.plain() == {"a": [1, 2], "b": [1, 2]}
    assert Marks(node)["b", 1] == Mark("f", 1, 11)


def test_values_of_a_document_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document of too many values is given up while it is read."""
    monkeypatch.setattr(parsing, "MOST_VALUES", 10)
    with pytest.raises(ScenarioError, match=r"^1:32: holds more than 10 values$"):
        parse("[0, 1, 2, 3, 4, 5, 6, 7, 8,    9, 10]")


# --------------------------------------------------------------------------- paths and marks


@given(st.lists(st.integers(0, 10**6) | st.text("abc_-", min_size=1, max_size=5), max_size=5))
def test_paths_are_read_as_they_are_written(path: list[str | int]) -> None:
    """`steps` undoes `dotted`."""
    assert steps(dotted(("top", *path))) == ("top", *path)


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "[0]", "a[-1]", "a b]"]
)
def test_texts_that_are_no_paths_are_refused(text: str) -> None:
    """What is no path is never taken for one."""
    with pytest.raises(ValueError, match="is no path"):
        steps(text)
