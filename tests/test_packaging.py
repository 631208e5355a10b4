"""What a user installs is whole, pinned, light and says the same everywhere."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

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


def build_wheel(project: Path, folder: Path, version: str = "standard") -> Path:
    """Build a wheel, of the project as it stands."""
    from hatchling.builders.wheel import WheelBuilder

    (path,) = WheelBuilder(str(project)).build(directory=str(folder), versions=[version])
    return Path(path)


@pytest.fixture(scope="module")
def built(root, tmp_path_factory):
    """The wheel that this machine builds."""
    return build_wheel(root, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel(built):
    """Names of the files in it."""
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def plain(root, tmp_path_factory):
    """A wheel built where there is no C compiler that works."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", "false")
        return build_wheel(root, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def sdist(root, tmp_path_factory):
    """The source distribution, unpacked."""
    from hatchling.builders.sdist import SdistBuilder

    folder = tmp_path_factory.mktemp("sdist")
    (path,) = SdistBuilder(str(root)).build(directory=str(folder), versions=["standard"])
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder / "dcsim-0.1.0"


def kernels(wheel: Path) -> list[str]:
    """Return what a wheel holds of the compiled kernel."""
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if name.startswith("dcsim/_kernel")]


def installed(wheel: Path, folder: Path, *arguments: str, **switch: str):
    """Run the command line of a wheel's package."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    environment = {k: v for k, v in os.environ.items() if k != "DCSIM_KERNEL"}
    return subprocess.run(
        [sys.executable, "-m", "dcsim", *arguments],
        env=environment | {"PYTHONPATH": str(folder)} | switch,
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def compiler(built):
    """Skip where nothing can be compiled."""
    if built.stem.endswith("none-any"):
        pytest.skip("the compiled kernel cannot be built here")


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
    for kind in ("topologies", "workloads", "scenarios", "studies"):
        files = {path.relative_to(root).as_posix() for path in (root / kind).rglob("*.yaml")}
        assert files
        assert {f"dcsim/library/{file}" for file in files} <= wheel


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    """Types and licence are in; tests, benchmarks and caches are not."""
    assert {"dcsim/py.typed", "dcsim/units.py"} <= wheel
    assert "dcsim-0.1.0.dist-info/licenses/LICENSE" in wheel
    assert {name.split("/")[0] for name in wheel} == {"dcsim", "dcsim-0.1.0.dist-info"}
    assert not [name for name in wheel if "__pycache__" in name]


@pytest.mark.usefixtures("compiler")
def test_a_wheel_takes_the_kernel_along(built, tmp_path):
    """It is for one Python on one platform, says so, and uses what it holds."""
    assert kernels(built) == [f"dcsim/_kernel{sysconfig.get_config_var('EXT_SUFFIX')}"]
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert re.fullmatch(rf"dcsim-0\.1\.0-{python}-{python}\w*-(?!any)\w+", built.stem)
    ran = installed(built, tmp_path, "--version")
    assert ran.stdout.splitlines()[1] == "compiled kernel: in use"


def test_a_wheel_without_the_kernel_suits_every_machine(plain):
    """A note takes the kernel's place."""
    assert plain.name == "dcsim-0.1.0-py3-none-any.whl"
    assert kernels(plain) == ["dcsim/_kernel.txt"]


def test_the_build_says_that_there_is_no_kernel(root, tmp_path, monkeypatch, capsys):
    """An installer that shows what builds say shows why."""
    monkeypatch.setenv("CC", "false")
    build_wheel(root, tmp_path)
    said = capsys.readouterr().err
    assert said == "dcsim is installed without its compiled kernel: false failed\n"


def test_who_simulates_without_the_kernel_is_told_once(plain, tmp_path):
    """In a line on stderr, with the reason; who chose Python, or does not simulate, is not told."""
    for command in (["run", "quick-start", "--json"], ["compare", "quick-start", "-j2", "--json"]):
        ran = installed(plain, tmp_path, *command)
        (line,) = ran.stderr.splitlines()
        assert line.startswith("dcsim runs without its compiled kernel")
        assert ", because false failed. " in line
        assert "scenario" in json.loads(ran.stdout)
    assert installed(plain, tmp_path, "run", "quick-start", DCSIM_KERNEL="python").stderr == ""
    assert installed(plain, tmp_path, "validate", "quick-start").stderr == ""
    version = installed(plain, tmp_path, "--version").stdout.splitlines()[1]
    assert version == "compiled kernel: not used, false failed"


@pytest.mark.usefixtures("compiler")
def test_the_sources_build_the_same_wheel(sdist, built, tmp_path):
    """The source distribution has all that the kernel is made of, and nothing that was made."""
    assert not list(sdist.rglob("_kernel*"))
    again = build_wheel(sdist, tmp_path)
    assert again.name == built.name
    with zipfile.ZipFile(again) as one, zipfile.ZipFile(built) as other:
        assert set(one.namelist()) == set(other.namelist())


@pytest.mark.usefixtures("compiler")
def test_an_editable_install_compiles_into_the_checkout(sdist, tmp_path, monkeypatch):
    """Again whenever it is installed; the former kernel goes where the new one cannot be made."""
    project = shutil.copytree(sdist, tmp_path / "project")
    build_wheel(project, tmp_path, "editable")
    (kernel,) = (project / "dcsim").glob("_kernel*")
    former = kernel.read_bytes()
    with (project / "kernel" / "touch.c").open("a") as file:
        file.write("/* changed */\n")
    build_wheel(project, tmp_path, "editable")
    assert kernel.read_bytes() != former
    monkeypatch.setenv("CC", "false")
    build_wheel(project, tmp_path, "editable")
    assert [path.name for path in (project / "dcsim").glob("_kernel*")] == ["_kernel.txt"]


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
