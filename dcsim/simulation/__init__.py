"""From a Scenario to a Result: `prepare` makes it plain and cheap to run, `run` runs it."""

from dcsim.simulation.engine import Progress, run
from dcsim.simulation.groups import GuestPlan
from dcsim.simulation.prepared import Preparation, Prepared, prepare

__all__ = ["GuestPlan", "Preparation", "Prepared", "Progress", "prepare", "run"]
