"""What a user installs is whole, pinned, light and says the same everywhere."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

HEAVY = {"jinja2", "networkx", "pandas", "plotly", "pyarrow", "scipy"}


@pytest.fixture(scope="module")
def pyproject(root):
    """The project's own description."""
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def pins(root):
    """Both parts of constraints.txt as {name: [versions]}."""
    parts = (root / "constraints.txt").read_text().split("# develop\n")
    found = []
    for part in parts:
        versions = {}
        for name, version in re.findall(r"^([\w.-]+)==([^ ]+)", part, re.MULTILINE):
            versions.setdefault(canonicalize_name(name), []).append(Version(version))
        found.append(versions)
    return found


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    """Names of the files in the wheel."""
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(root)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_the_version_is_one(root, pyproject):
    """Package, description and citation agree on the version."""
    version = pyproject["project"]["version"]
    assert importlib.metadata.version("dcsim") == version
    assert yaml.safe_load((root / "CITATION.cff").read_text())["version"] == version


def test_the_command_starts():
    """The installed command leads to a function."""
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="dcsim")
    assert callable(command.load())


def test_every_pin_has_a_hash_and_no_host(root):
    """The pins hold versions and hashes, and nothing of where they were found."""
    text = (root / "constraints.txt").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    pin = re.compile(r"[a-z0-9.-]+==\S+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [line for line in lines if not pin.fullmatch(line.strip())] == []
    assert "://" not in text


def test_every_requirement_is_pinned(pyproject, pins):
    """What runs dcsim is pinned first, what develops it in either part, in its bounds."""
    run, develop = pins
    project, groups = pyproject["project"], pyproject["dependency-groups"]
    assert not set(run) & set(develop)

    for text in [*project["dependencies"], *groups["build"]]:
        requirement = Requirement(text)
        for version in run[canonicalize_name(requirement.name)]:
            assert version in requirement.specifier
    extras = [text for extra in project["optional-dependencies"].values() for text in extra]
    for text in [*extras, *groups["test"], *groups["lint"], *groups["docs"]]:
        requirement = Requirement(text)
        for version in (run | develop)[canonicalize_name(requirement.name)]:
            assert version in requirement.specifier


def test_the_wheel_holds_the_library(root, wheel):
    """Every shipped YAML file travels inside the package, under its kind."""
    for kind in ("topologies", "workloads", "scenarios"):
        files = {path.relative_to(root).as_posix() for path in (root / kind).rglob("*.yaml")}
        assert files
        assert {f"dcsim/library/{file}" for file in files} <= wheel


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    """Types and licence are in; tests, benchmarks and caches are not."""
    assert {"dcsim/py.typed", "dcsim/units.py"} <= wheel
    assert "dcsim-0.1.0.dist-info/licenses/LICENSE" in wheel
    assert {name.split("/")[0] for name in wheel} == {"dcsim", "dcsim-0.1.0.dist-info"}
    assert not [name for name in wheel if "__pycache__" in name]


def test_importing_dcsim_is_light():
    """``import dcsim`` loads none of the heavy packages: whoever needs one waits for it alone."""
    code = "import sys, dcsim; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert HEAVY & set(done.stdout.split()) == set()


def test_every_target_of_make_is_explained(root):
    """``make help`` knows each target that can be asked for."""
    text = (root / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split()
    done = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    assert [line.split()[1] for line in done.stdout.splitlines()] == targets
