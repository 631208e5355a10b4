"""The shipped library: found by kind and name, in a checkout and inside the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dcsim.scenario import library, parsing


@pytest.mark.parametrize("kind", library.KINDS)
def test_shipped_items_are_found_by_name(kind: library.Kind) -> None:
    """Each kind has items with plain names, whose text is a YAML mapping."""
    names = library.names(kind=kind)
    assert names == sorted(names) != []
    for name in names:
        assert library.path(kind=kind, name=name).name == f"{name}.yaml"
        assert isinstance(parsing.parse(library.text(kind=kind, name=name)).plain(), dict)


def test_an_unknown_kind_is_refused() -> None:
    """Kinds are few and told."""
    with pytest.raises(ValueError, match="unknown kind 'racks'; legal kinds are topologies, "):
        library.names(kind="racks")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "..", "../scenarios/quick-start", "Idle", "idle.yaml", "a/b"])
def test_names_are_no_paths(name: str) -> None:
    """Nothing but a plain name of what is shipped is looked up."""
    with pytest.raises(ValueError, match="shipped are batch-stream, "):
        library.path(kind="workloads", name=name)


def test_a_misspelt_name_is_guessed() -> None:
    """The message lists what there is and proposes the nearest."""
    legal = ", ".join(library.names(kind="topologies"))
    message = f"unknown topology 'two-host'; shipped are {legal}; did you mean 'two-hosts'?"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        library.text(kind="topologies", name="two-host")


def test_the_package_s_own_copy_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed package has the library inside; without it, the checkout's is taken."""
    package = tmp_path / "dcsim"
    monkeypatch.setattr(library, "_PACKAGE", package)
    assert library.names(kind="workloads") == []
    with pytest.raises(ValueError, match=r"unknown workload 'mine'; shipped are none$"):
        library.path(kind="workloads", name="mine")
    outside = tmp_path / "workloads"
    outside.mkdir()
    (outside / "mine.yaml").write_text("hintable: 0.5\n")
    assert library.path(kind="workloads", name="mine") == outside / "mine.yaml"
    inside = package / "library" / "workloads"
    inside.mkdir(parents=True)
    (inside / "mine.yaml").write_text("hintable: 0.6\n")
    assert library.path(kind="workloads", name="mine") == inside / "mine.yaml"


def test_names_resolve_to_data() -> None:
    """A name is its item's data; a workload is called by its name unless it says otherwise."""
    idle = library.resolve(kind="workloads", value="idle")
    assert idle["name"] == "idle"
    assert "name" not in library.resolve(kind="topologies", value="two-hosts")


def test_use_resolves_with_changes() -> None:
    """Mappings among the changes are merged one level deep; all else replaces."""
    base = library.resolve(kind="workloads", value="database")
    changed = library.resolve(
        kind="workloads", value={"use": "database", "memory": {"cache": 0.1}, "activities": []}
    )
    assert changed["memory"] == {**base["memory"], "cache": 0.1}
    assert changed["activities"] == []
    assert changed["hintable"] == base["hintable"]
    assert library.resolve(kind="workloads", value="database") == base


def test_merging_is_one_level_deep() -> None:
    """A mapping within a mapping is replaced whole, and what is no mapping by a mapping too."""
    base = {"a": {"b": {"c": 1, "d": 2}, "e": 3}, "f": 4}
    assert library.merged(base, {"a": {"b": {"c": 5}}, "f": {"g": 6}}) == {
        "a": {"b": {"c": 5}, "e": 3},
        "f": {"g": 6},
    }
    assert base["a"] == {"b": {"c": 1, "d": 2}, "e": 3}


@pytest.mark.parametrize("value", [{"kind": "two-hosts"}, None, 3, ["two-hosts"]])
def test_anything_else_is_left_alone(value: object) -> None:
    """What names nothing shipped is returned as it is."""
    assert library.resolve(kind="topologies", value=value) is value


def test_use_must_be_a_name() -> None:
    """What is not even a text is no name."""
    with pytest.raises(ValueError, match="use must be the name of a topology"):
        library.resolve(kind="topologies", value={"use": {"kind": "two-hosts"}})
