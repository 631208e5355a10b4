"""From a Scenario to a Result: `prepare` makes it plain and cheap to run, `run` runs it."""

from dcsim.simulation.prepare import GuestPlan, Prepared, prepare, random_inputs
from dcsim.simulation.run import Progress, run

__all__ = ["GuestPlan", "Prepared", "Progress", "prepare", "random_inputs", "run"]
