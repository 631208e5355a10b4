"""dcsim: what live migration costs a datacenter, by what guest memory is made of.

>>> import dcsim
>>> scenario = dcsim.load("quick-start")
>>> result = dcsim.run(scenario.replace({"hinting": "balloon-held"}))
>>> result.metrics["not_moved"]
0
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dcsim.garbage import no_collection

if TYPE_CHECKING:
    from dcsim.errors import DcsimError, ScenarioError
    from dcsim.records.result import Result
    from dcsim.scenario.chance import random_inputs
    from dcsim.scenario.files import load
    from dcsim.scenario.importers import import_population
    from dcsim.scenario.library import names
    from dcsim.scenario.spec import Scenario
    from dcsim.simulation import Preparation, Prepared, prepare, run
    from dcsim.study.comparisons.compare import Study
    from dcsim.study.designs.design import Design
    from dcsim.study.plans.plan import Plan, plan
    from dcsim.study.rerun import rerun
    from dcsim.study.running import local_executor
    from dcsim.study.sweeps.swept import Sweep
    from dcsim.view.explain import explain
    from dcsim.view.report import write_report
    from dcsim.view.watching import compare, start_sweep, sweep

__version__ = "0.1.0"

_HOMES = {
    # asking
    "Scenario": "dcsim.scenario.spec",
    "Design": "dcsim.study.designs.design",
    "load": "dcsim.scenario.files",
    "names": "dcsim.scenario.library",
    "import_population": "dcsim.scenario.importers",
    "random_inputs": "dcsim.scenario.chance",
    # running
    "Preparation": "dcsim.simulation",
    "Prepared": "dcsim.simulation",
    "prepare": "dcsim.simulation",
    "run": "dcsim.simulation",
    "compare": "dcsim.view.watching",
    "plan": "dcsim.study.plans.plan",
    "rerun": "dcsim.study.rerun",
    "local_executor": "dcsim.study.running",
    "sweep": "dcsim.view.watching",
    "start_sweep": "dcsim.view.watching",
    # looking
    "Result": "dcsim.records.result",
    "Study": "dcsim.study.comparisons.compare",
    "Sweep": "dcsim.study.sweeps.swept",
    "Plan": "dcsim.study.plans.plan",
    "explain": "dcsim.view.explain",
    "write_report": "dcsim.view.report",
    # failing
    "DcsimError": "dcsim.errors",
    "ScenarioError": "dcsim.errors",
}

__all__ = [
    "DcsimError",
    "Design",
    "Plan",
    "Preparation",
    "Prepared",
    "Result",
    "Scenario",
    "ScenarioError",
    "Study",
    "Sweep",
    "compare",
    "explain",
    "import_population",
    "load",
    "local_executor",
    "names",
    "plan",
    "prepare",
    "random_inputs",
    "rerun",
    "run",
    "start_sweep",
    "sweep",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: importing dcsim costs next to nothing."""
    if name in _HOMES:
        with no_collection(stays=True):
            found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found
    raise AttributeError(f"module 'dcsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]
