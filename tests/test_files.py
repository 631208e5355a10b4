"""Scenario files: YAML as people mean it, files that use files, and what is said of wrong ones."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario import files, includes, library, presets
from dcsim.scenario.document import Mark
from dcsim.scenario.parsing import parse
from dcsim.scenario.spec import Scenario

FAULTY = Path(__file__).parent / "faulty"
MINIMAL = """
topology: {kind: two-hosts}
guests:
  - {name: web, workload: {}, memory: 1GiB, place: {hosts: rack0/host0}}
operation: {kind: drain, hosts: rack0/host0}
"""


def faulty_files() -> list[str]:
    return sorted(file.name for file in FAULTY.glob("*.yaml"))


@pytest.fixture(scope="module")
def messages() -> dict[str, str]:
    """What is expected to be said of each faulty file, whole."""
    text = (FAULTY / "messages.txt").read_text()
    for mark, names in {
        "{topologies}": library.names(kind="topologies"),
        "{workloads}": library.names(kind="workloads"),
        "{policies}": presets.hinting_names(),
        "{hypervisors}": presets.hypervisor_names(),
        "{limits}": presets.limits_names(),
    }.items():
        text = text.replace(mark, ", ".join(names))
    return dict(zip(faulty_files(), text.removesuffix("\n").split("\n\n"), strict=True))


@pytest.mark.parametrize("name", faulty_files())
def test_all_that_is_wrong_with_a_file_is_told_where_it_stands(
    name: str, messages: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each faulty file is refused with exactly the text in messages.txt."""
    monkeypatch.chdir(FAULTY)
    with pytest.raises(ScenarioError) as caught:
        files.load(Path(name))
    assert str(caught.value) == messages[name]


def test_there_are_many_faulty_files() -> None:
    """Every kind of fault has its file."""
    assert len(faulty_files()) >= 35


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file over the limit is refused before it is read as YAML."""
    monkeypatch.setattr(includes, "LARGEST_FILE", 2**20)
    file = tmp_path / "large.yaml"
    file.write_text("#" * (2**20 + 1))
    with pytest.raises(ScenarioError, match=r"large\.yaml: is larger than 1 MiB$"):
        files.load(file)


def test_a_bom_is_skipped(tmp_path: Path) -> None:
    """Files of editors that write a byte order mark are read."""
    file = tmp_path / "bom.yaml"
    file.write_text(MINIMAL, encoding="utf-8-sig")
    assert files.load(file).guests[0].group == "web"


def test_read_tells_where_every_value_stands(tmp_path: Path) -> None:
    """`read` gives plain data and a mapping of paths to file, line and column."""
    file = tmp_path / "study.yaml"
    file.write_text("scenario: rack-drain\naxes:\n  hinting: [none, zero-page]\n")
    data, marks = files.read(file)
    assert data == {"scenario": "rack-drain", "axes": {"hinting": ["none", "zero-page"]}}
    assert marks["axes", "hinting", 1] == Mark(str(file), 3, 19)
    assert marks[()] == Mark(str(file), 1, 1)
    assert marks.get(("axes", "seed")) is None
    assert marks.get(("scenario", 0)) is None
    assert len(marks) == 6
    axis = ("axes", "hinting")
    assert set(marks) == {(), ("scenario",), ("axes",), axis, (*axis, 0), (*axis, 1)}


# --------------------------------------------------------------------------- load


@pytest.mark.parametrize("name", library.names(kind="scenarios"))
def test_every_shipped_scenario_is_legal(name: str) -> None:
    """Shipped scenarios load by name, and are called by it."""
    assert files.load(name).name == name


def test_names_and_paths_are_told_apart() -> None:
    """A text without / and ending is a shipped name; the answer to an unknown one says so."""
    with pytest.raises(ScenarioError) as caught:
        files.load("rack-drian")
    assert str(caught.value) == (
        f"unknown scenario 'rack-drian'; shipped are {', '.join(library.names(kind='scenarios'))}; "
        "did you mean 'rack-drain'?; a path holds a / or ends in .yaml"
    )
    with pytest.raises(ScenarioError, match=r"^nowhere\.yaml: there is no such file$"):
        files.load("nowhere.yaml")


def test_what_cannot_be_read_is_an_error_of_the_scenario(tmp_path: Path) -> None:
    """Folders and pipes are no files, and are not waited for."""
    with pytest.raises(ScenarioError, match="there is no such file"):
        files.load(tmp_path)
    pipe = tmp_path / "pipe.yaml"
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(pipe)
    with pytest.raises(ScenarioError, match="there is no such file"):
        files.load(pipe)


def test_a_file_that_fails_to_open_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the operating system names the file and the reason."""
    file = tmp_path / "mine.yaml"
    file.write_text(MINIMAL)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ScenarioError, match=r"mine\.yaml: cannot be read: Permission denied$"):
        files.load(file)


def test_the_same_scenario_from_yaml_json_and_python(tmp_path: Path) -> None:
    """YAML, JSON and a dict of SI numbers make equal scenarios."""
    from_yaml = files.load_text(MINIMAL)
    data = parse(MINIMAL).plain()
    json_file = tmp_path / "scenario.json"
    json_file.write_text(json.dumps(data))
    assert files.load(str(json_file)).replace({"name": "scenario"}) == from_yaml
    data["guests"][0]["memory"] = 2**30
    assert Scenario.model_validate(data) == from_yaml


def test_a_scenario_is_named_after_its_file(tmp_path: Path) -> None:
    """A file that gives no name lends its own; a name given stays."""
    file = tmp_path / "evacuation.yaml"
    file.write_text(MINIMAL)
    assert files.load(file).name == "evacuation"
    file.write_text(MINIMAL + "name: mine\n")
    assert files.load(file).name == "mine"


def test_loading_is_light() -> None:
    """Reading a scenario imports none of the packages that take long to import."""
    code = (
        "import sys; from dcsim.scenario import files; files.load('quick-start');"
        "print([m for m in ('numpy', 'pandas', 'scipy', 'plotly', 'networkx', 'simpy', 'pyarrow')"
        " if m in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout == "[]\n"


# --------------------------------------------------------------------------- files that use files


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of scenarios beside one of parts."""
    parts, scenarios = tmp_path / "parts", tmp_path / "scenarios"
    parts.mkdir()
    scenarios.mkdir()
    (parts / "net.yaml").write_text(
        "use: leaf-spine-4x8\nhost: {cores: 8, memory: 64GiB}\nhost_link: 10Gbit/s\n"
    )
    (parts / "web.yaml").write_text("memory: {cache: 10%}\nactivities: [{do: send, rate: 1MB/s}]\n")
    (parts / "policy.yaml").write_text("{use: balloon-held, reserve: 1GiB}\n")
    (parts / "limits.yaml").write_text("per_cluster: 3\n")
    (parts / "all.yaml").write_text(
        "guests:\n"
        "  - {workload: web.yaml, count: 2, place: {hosts: rack0/*}}\n"
        "  - {name: db, workload: database, memory: 16GiB}\n"
        "  - {use: ./more.yaml, vcpus: 7}\n"
    )
    (parts / "more.yaml").write_text("guests: [{name: extra, workload: idle, vcpus: 1}]\n")
    (scenarios / "s.yaml").write_text(
        "topology: {use: ../parts/net.yaml, uplink: 25Gbit/s, host: {cores: 4}}\n"
        "guests:\n"
        "  - {use: ../parts/all.yaml, hinting: ../parts/policy.yaml, place: {rack: rack1}}\n"
        "  - {name: own, workload: {use: ../parts/web.yaml, hintable: 0.5}}\n"
        "operation: {kind: drain, hosts: rack1/host0, limits: ../parts/limits.yaml}\n"
    )
    return tmp_path


def test_files_are_put_where_they_are_referred_to(tree: Path) -> None:
    """Parts, populations and references of references are read, with the changes beside them."""
    scenario = files.load(tree / "scenarios" / "s.yaml")
    net = scenario.topology
    assert (net.kind, net.host.cores, net.host.memory) == ("leaf-spine", 4, 64 * 2**30)
    assert (net.host_link, getattr(net, "uplink", None)) == (1.25e9, 3.125e9)
    assert [group.group for group in scenario.guests] == ["web", "db", "extra", "own"]
    assert [group.vcpus for group in scenario.guests] == [2, 2, 7, 2]
    assert [group.place.pattern for group in scenario.guests] == ["rack1/*"] * 3 + ["*"]
    held = scenario.guests[2].hinting
    assert held is not None
    assert held.steps[0].reserve == 2**30
    assert scenario.guests[3].hinting is None
    assert (scenario.guests[0].workload.hintable, scenario.guests[3].workload.hintable) == (
        0.9,
        0.5,
    )
    assert scenario.operation.limits.per_cluster == 3


def test_texts_refer_to_files_only_from_a_folder(tree: Path) -> None:
    """A text has no folder, unless it is given one."""
    text = MINIMAL.replace("{kind: two-hosts}", "../parts/net.yaml")
    assert files.load_text(text, folder=tree / "scenarios").topology.kind == "leaf-spine"
    with pytest.raises(ScenarioError) as caught:
        files.load_text(text)
    assert str(caught.value) == (
        "<text>:2:11: '../parts/net.yaml' is a file, and only a file can refer to another"
    )


def test_links_do_not_lead_out_of_bounds(tree: Path) -> None:
    """A symbolic link is judged by where it leads."""
    outside = tree.parent / f"{tree.name}-outside.yaml"
    outside.write_text("kind: two-hosts\n")
    (tree / "scenarios" / "link.yaml").symlink_to(outside)
    text = MINIMAL.replace("{kind: two-hosts}", "./link.yaml")
    with pytest.raises(ScenarioError, match=r"'\./link\.yaml' is out of bounds"):
        files.load_text(text, folder=tree / "scenarios")


def test_the_top_of_the_disk_is_out_of_bounds(tmp_path: Path) -> None:
    """Beside a folder at the top of the disk stands everything; its files may use none of that."""
    folder = Path(*tmp_path.parts[:2])
    text = MINIMAL.replace("{kind: two-hosts}", "../etc/network.yaml")
    with pytest.raises(ScenarioError, match=r"'\.\./etc/network\.yaml' is out of bounds"):
        files.load_text(text, folder=folder)


def test_references_end(tree: Path) -> None:
    """A long chain of files is given up."""
    folder = tree / "scenarios"
    for i in range(10):
        (folder / f"t{i}.yaml").write_text(f"use: ./t{i + 1}.yaml\n")
    text = MINIMAL.replace("{kind: two-hosts}", "./t0.yaml")
    with pytest.raises(ScenarioError) as caught:
        files.load_text(text, folder=folder)
    assert (
        str(caught.value) == "t7.yaml:1:6: './t8.yaml' comes after 8 files that refer to each other"
    )


def test_populations_do_not_multiply_without_end(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of guests that use files of guests are bounded by the groups they add up to."""
    monkeypatch.setattr(includes, "MOST_GROUPS", 1000)
    folder = tree / "scenarios"
    for i in range(6):
        entries = ", ".join([f"{{use: ./p{i + 1}.yaml}}"] * 10)
        (folder / f"p{i}.yaml").write_text(f"guests: [{entries}]\n")
    (folder / "p6.yaml").write_text("guests: []\n")
    text = "guests:\n  - {use: ./p0.yaml}\n"
    with pytest.raises(ScenarioError) as caught:
        files.load_text(text, folder=folder)
    assert [issue.message for issue in caught.value.issues] == [
        "is one of more than 1,000 groups of guests"
    ]


def test_entries_that_are_no_mappings_are_left_to_the_checks(tree: Path) -> None:
    """What stands in the place of a group is reported as such, changes beside its file or not."""
    (tree / "parts" / "odd.yaml").write_text("guests: [7]\n")
    text = (
        "topology: {kind: two-hosts}\nguests: [{use: ../parts/odd.yaml, vcpus: 1}]\noperation: 3\n"
    )
    with pytest.raises(ScenarioError) as caught:
        files.load_text(text, folder=tree / "scenarios")
    assert str(caught.value) == (
        "<text>:3:12: operation: must be a mapping, got 3\n"
        "../parts/odd.yaml:1:10: guests[0]: must be a mapping, got 7"
    )


# --------------------------------------------------------------------------- hostile data


def test_thousands_of_faults_are_cut_short() -> None:
    """The first 200 problems are told, and how many there are."""
    groups = "".join(f"  - {{name: g{i}, workload: 5}}\n" for i in range(300))
    text = MINIMAL.replace("  - {name: web", f"{groups}  - {{name: web")
    with pytest.raises(ScenarioError) as caught:
        files.load_text(text)
    assert len(caught.value.issues) == 201
    assert str(caught.value.issues[-1]) == "<text>: 100 problems more"
    text = MINIMAL.replace("  - {name: web", "".join(["  - 5\n"] * 3000) + "  - {name: web")
    with pytest.raises(ScenarioError) as caught:
        files.load_text(text)
    assert str(caught.value.issues[-1]) == "<text>: 2,800 problems more"
    moves = "".join(f"    - {{guest: web-{i}, to: rack0/host9}}\n" for i in range(1, 3000))
    text = MINIMAL.replace(
        "{kind: drain, hosts: rack0/host0}", f"\n  kind: moves\n  moves:\n{moves}"
    )
    with pytest.raises(ScenarioError) as caught:
        files.load_text(text)
    assert len(caught.value.issues) == 200


SCRAPS = st.sampled_from(
    [None, True, 0, 1, -1, 2.5, 1e300, "", "*", "max", "rack0/*", "1GiB", "5s", "1 gig", "none", [],
     [1], ["free"], {}, {"kind": "drain"}, {"kind": "graph"}, {"use": "x"}, {"use": []}, {"k": 1},
     "x" * 20_000, "{}", "%s", "zipf", 10**30]
).map(copy.deepcopy)  # fmt: skip


def problems(text: str) -> list[Issue]:
    """What is wrong with the scenario in a text."""
    try:
        files.load_text(text, name="f")
    except ScenarioError as error:
        return error.issues
    return []


def nodes_of(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside: Any = ()
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(below for key, child in inside for below in nodes_of(child, (*path, key)))]


@given(st.data())
def test_whatever_stands_anywhere_is_legal_or_told_in_plain_words(data: st.DataObject) -> None:
    """Any scrap put anywhere in a good file gives a scenario or plain words, never a traceback."""
    name = data.draw(st.sampled_from(["mixed-policies", "two-sites-move", "quick-start"]))
    good = parse(library.text(kind="scenarios", name=name)).plain()
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from(nodes_of(good)[1:]))
        holder = good
        for step in above:
            holder = holder[step]
        if isinstance(holder, dict) and data.draw(st.booleans()):
            last = data.draw(st.sampled_from(["use", "kind", "name", "nmae", "", "a.b"]))
        holder[last] = data.draw(SCRAPS)
    issues = problems(json.dumps(good))
    assert all(issue.file == "f" and issue.line for issue in issues)
    text = "\n".join(map(str, issues))
    for jargon in ("pydantic", "Input should", "valid dictionary", "validation error", "http"):
        assert jargon not in text
    assert len(text) < 40_000
