"""What is done to the cluster: a kind of operation a module, imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from dcsim.control.operations.operation import Operation, OperationPlan

if TYPE_CHECKING:
    from dcsim.control.dispatch import Dispatcher

KINDS: Final = {
    "drain": "drain.Drain",
    "moves": "moves.Moves",
    "upgrade": "upgrade.Upgrade",
    "evacuate": "evacuation.Evacuation",
    "notices": "notices.Notices",
    "rebalance": "rebalance.Rebalance",
    "consolidate": "consolidation.Consolidation",
}
"""Where each kind is."""


def operation(dispatcher: Dispatcher, plan: OperationPlan) -> Operation:
    """Return an operation, ready to run."""
    module, _, name = KINDS[plan.kind].partition(".")
    kind: type[Operation] = getattr(import_module(f"{__name__}.{module}"), name)
    return kind(dispatcher, plan)


__all__ = ["KINDS", "Operation", "OperationPlan", "operation"]
