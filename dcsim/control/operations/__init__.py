"""What is done to the cluster: a kind of operation a module."""

from dcsim.control.dispatch import Dispatcher
from dcsim.control.operations.consolidation import Consolidation, Consolidator
from dcsim.control.operations.drain import Drain
from dcsim.control.operations.evacuation import Evacuation
from dcsim.control.operations.moves import Moves
from dcsim.control.operations.notices import Notices
from dcsim.control.operations.operation import Operation, OperationPlan
from dcsim.control.operations.rebalance import Balancer, Rebalance
from dcsim.control.operations.upgrade import Upgrade

KINDS: dict[str, type[Operation]] = {
    kind.kind: kind
    for kind in (Drain, Moves, Upgrade, Evacuation, Notices, Rebalance, Consolidation)
}


def operation(dispatcher: Dispatcher, plan: OperationPlan) -> Operation:
    """Return an operation, ready to run."""
    return KINDS[plan.kind](dispatcher, plan)


__all__ = ["KINDS", "Balancer", "Consolidator", "Operation", "OperationPlan", "operation"]
