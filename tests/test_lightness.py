"""What commands leave unimported: asking is to cost little more than reading a file."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"jinja2", "loky", "networkx", "numpy", "pandas", "plotly", "pyarrow", "scipy", "simpy"}
COMMAND = """
import sys
from dcsim.cli import main
try:
    main()
finally:
    print("imported", *sys.modules)
"""


def imported(code: str, *arguments: str) -> tuple[str, set[str]]:
    """Run code in a fresh interpreter; return what it printed, and the packages it imported.

    Of dcsim, that is its parts and their modules too.
    """
    command = [sys.executable, "-c", code, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    text, _, names = ran.stdout.rpartition("imported ")
    packages = {
        name if name.startswith("dcsim") else name.partition(".")[0] for name in names.split()
    }
    return text + ran.stderr, packages


def test_importing_dcsim_imports_nothing_heavy():
    """``import dcsim`` costs next to nothing, pydantic and YAML left out too."""
    _, names = imported("import dcsim, sys; print('imported', *sys.modules)")
    assert "dcsim" in names
    assert not names & (HEAVY | {"pydantic", "yaml", "typer", "rich"})


@pytest.mark.parametrize("scenario", ["quick-start", "rack-drain", "no-such-name"])
def test_validate_imports_nothing_heavy(scenario):
    """Neither a valid scenario nor a wrong one needs the engine, tables, plots or a console."""
    text, names = imported(COMMAND, "validate", scenario)
    assert scenario in text
    assert "pydantic" in names
    assert not names & (HEAVY | {"rich"})
    assert not names & {f"dcsim.{part}" for part in ("records", "model", "simulation", "study")}
    assert {name for name in names if name.startswith("dcsim.cli.")} == {
        f"dcsim.cli.{module}" for module in ("app", "asking", "console")
    }


def test_show_loads_no_engine():
    """What a scenario means is told without what would simulate it."""
    text, names = imported(COMMAND, "show", "rack-drain")
    assert "rack-drain" in text
    assert not names & (HEAVY | {"dcsim.model", "dcsim.simulation"})


def test_parts_that_a_scenario_does_not_have_are_not_built():
    """Reading a scenario builds its own kind of network, no other, and no option that is unset."""
    code = """
import dcsim, sys
from dcsim.scenario import spec
dcsim.load("rack-drain")
parts = (spec.Scenario, spec.LeafSpine, spec.Graph, spec.PostCopy, spec.Multifd, spec.HugePages)
print(*(part.__name__ for part in parts if part.__pydantic_complete__))
print("imported", *sys.modules)
"""
    assert imported(code)[0].split() == ["Scenario", "LeafSpine"]


def test_a_run_imports_nothing_it_does_not_need():
    """A run from Python where nothing is drawn needs neither numpy nor what looks at results."""
    code = """
import dcsim, sys
print(dcsim.run(dcsim.load("quick-start")).metrics["completed"])
print("imported", *sys.modules)
"""
    text, names = imported(code)
    assert int(text) > 0
    assert "simpy" in names
    assert not names & (HEAVY - {"simpy"} | {"typer", "rich"})
    assert not names & {f"dcsim.{part}" for part in ("cli", "study", "view")}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["schema"], ["list"], ["init", "../x"], ["run", "--help"]],
)
def test_asking_imports_nothing_heavy(arguments):
    """Help, the schema, lists and usage errors load no simulator, no plots and no console."""
    text, names = imported(COMMAND, *arguments)
    assert text
    assert not names & (HEAVY | {"rich"})


def test_running_imports_no_plots():
    """A single run needs neither tables of pandas nor plots."""
    text, names = imported(COMMAND, "run", "quick-start")
    assert text.startswith("quick-start: ")
    assert "simpy" in names
    assert not names & {"jinja2", "numpy", "pandas", "plotly", "scipy"}


def test_a_worker_of_a_study_imports_no_tables_and_no_statistics():
    """It runs and writes its shard, without what the one who asks for the study needs."""
    code = """
import dcsim, sys, tempfile
from dcsim.study.sweeps.chunk import Chunk, Runs, perform
from dcsim.study.sweeps.code import code
from dcsim.study.sweeps.store import Store
with tempfile.TemporaryDirectory() as folder:
    store = Store(folder)
    design = dcsim.Design(dcsim.load("quick-start"), axes={"hinting": ["none"]})
    runs = (Runs(0, "0" * 64, design.changes(0), (0,)),)
    chunk = Chunk(folder, store.put_study(design), runs, 1.0, folder + "/stop", (), code())
    print(len(perform(chunk).outcomes))
print("imported", *sys.modules)
"""
    text, names = imported(code)
    assert text.strip() == "1"
    assert not names & {"jinja2", "loky", "networkx", "pandas", "plotly", "scipy", "typer", "rich"}
