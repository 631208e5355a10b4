"""Shipped workloads: every number has a source, make-ups agree with the facts, guests are alive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dcsim.scenario import files, library
from dcsim.scenario.spec import Workload
from dcsim.simulation import prepare
from dcsim.units import PAGE, GiB, MiB

FOLDER = Path(__file__).resolve().parents[1] / "workloads"
NAMES = sorted(file.stem for file in FOLDER.glob("*.yaml"))


def shipped(name: str) -> Workload:
    """Return a shipped workload, checked as one from a file."""
    data = library.resolve(kind="workloads", value=name)
    return Workload.model_validate(data, context={"from_file": True})


def written(name: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return data


def numbers(value: Any, path: str = "") -> Iterator[str]:
    """Walk a document; yield the dotted path of every number, with a unit or without."""
    if isinstance(value, dict):
        for key, part in value.items():
            if path or key not in {"about", "sources"}:
                yield from numbers(part, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from numbers(part, f"{path}[{i}]")
    elif isinstance(value, str):
        if value[:1].isdigit():
            yield path
    elif not isinstance(value, bool):
        yield path


def test_there_are_the_promised_workloads() -> None:
    """The kinds of guests that people ask about are there."""
    assert set(NAMES) >= {
        "idle", "web-server", "in-memory-cache", "database", "file-server", "build-machine",
        "batch-stream", "desktop", "jvm",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_a_source_and_every_source_a_number(name: str) -> None:
    """No number stands without saying where it comes from, and no source is left over."""
    data = written(name)
    assert set(numbers(data)) == set(data["sources"])


@pytest.mark.parametrize("name", NAMES)
def test_a_source_is_a_fact_or_a_reasoned_assumption(name: str) -> None:
    """A source cites a label of the facts, or is to be swept, with the reason for its value."""
    for path, source in written(name)["sources"].items():
        if source.startswith("assumption"):
            assert re.fullmatch(r"assumption: sweep it \(.+\)", source), path
        else:
            assert "[" in source, path


def test_the_walk_finds_numbers_however_they_are_written() -> None:
    """Texts with units, shares, percentages and bare numbers count; names and flags do not."""
    data = {"a": ["4GiB", {"b": 0.5}], "c": {"d": "25%", "e": "max", "f": True}, "about": "9 lives"}
    assert set(numbers(data)) == {"a[0]", "a[1].b", "c.d"}


@pytest.mark.parametrize("name", NAMES)
def test_workloads_are_legal_and_say_what_they_are(name: str) -> None:
    """Each is legal as a file, is known by its file's name, and says in a line what it is."""
    workload = shipped(name)
    assert workload.name == name
    assert 10 < len(workload.about) < 100


@pytest.mark.parametrize("name", NAMES)
def test_guests_are_alive(name: str) -> None:
    """Each writes memory, so that a migration has something to chase, and uses a sane CPU."""
    activities = shipped(name).activities
    assert any(a.do == "write" and a.to == "anonymous" for a in activities)
    cores = sum(a.rate / PAGE * a.work for a in activities)
    assert 0 < cores < 4
    assert max(a.rate for a in activities if a.do != "send") < 250e6


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("memory", ["1GiB", "64GiB"])
def test_workloads_fit_small_and_large_guests(name: str, memory: str) -> None:
    """Whatever a guest's size, its sets fit into its memory, and the kinds of pages sum to it."""
    scenario = files.load_text(
        f"""
        topology: {{kind: two-hosts, host: {{memory: 1TiB}}}}
        guests: [{{workload: {name}, memory: {memory}, place: {{hosts: rack0/host0}}}}]
        operation: {{kind: drain, hosts: rack0/host0}}
        """
    )
    (plan,) = prepare(scenario).guests
    kinds = [pages.count for pages in plan.makeup.memory().sets]
    assert sum(kinds) == pytest.approx(scenario.guests[0].memory / PAGE, rel=1e-9)
    assert min(kinds) >= 0


def test_an_idle_guest_has_the_live_memory_that_was_measured() -> None:
    """Of 8 GiB some 345 MiB are neither free nor zero, some 27 MB free and not zero [A.1]."""
    memory = shipped("idle").memory
    live = 1 - memory.free_zero - memory.free_stale - memory.anonymous_zero
    assert live * 8 * GiB == pytest.approx(345 * MiB, rel=0.03)
    assert memory.free_stale * 8 * GiB == pytest.approx(27e6, rel=0.1)


def test_make_ups_agree_with_published_machines() -> None:
    """Server, builder and desktop are made of what their facts say [E.1], [E.3]."""
    web, build, desktop = (shipped(n).memory for n in ("web-server", "build-machine", "desktop"))
    assert (web.free_zero + web.free_stale, web.cache) == pytest.approx((0.29, 0.34))
    assert build.cache * 8 * GiB == pytest.approx(5 * GiB, rel=0.1)
    assert (desktop.free_zero + desktop.free_stale, desktop.cache) == pytest.approx((0.53, 0.26))


def test_the_file_server_re_reads_its_cache_and_the_batch_job_does_not() -> None:
    """One reads by popularity what its cache holds; the other sweeps through far more."""
    (files_read,) = [a for a in shipped("file-server").activities if a.do == "read"]
    assert files_read.pattern.kind == "zipf"
    assert files_read.set < shipped("file-server").memory.cache
    (swept,) = [a for a in shipped("batch-stream").activities if a.do == "read"]
    assert swept.pattern.kind == "sequential"
    assert swept.set > 256 * GiB


@pytest.mark.parametrize("name", NAMES)
def test_the_page_about_workloads_has_them_all(name: str, root: Path) -> None:
    """docs/workloads.md lists each shipped workload."""
    assert f"| `{name}` |" in (root / "docs/workloads.md").read_text(encoding="utf-8")
