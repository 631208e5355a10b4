"""The shipped hinting policies, hypervisors, operators' limits and ladders: data, with sources.

A module holds one table and what looks names up in it; here are all of them, described by kind.
Numbers are texts with their unit, as in a file; labels such as [A.2] are sections of docs/facts.md.
"Assumption" marks a number without a public source: sweep it.
"""

from __future__ import annotations

import copy
from typing import Final, Literal

from dcsim.scenario.presets.balancers import BALANCERS, balancer_names, resolve_balancer
from dcsim.scenario.presets.downtime import (
    DOWNTIME_STEPS,
    downtime_steps_names,
    resolve_downtime_steps,
)
from dcsim.scenario.presets.hinting import HINTING, hinting_names, resolve_hinting
from dcsim.scenario.presets.hypervisors import (
    DEFAULT_HYPERVISOR,
    HYPERVISORS,
    hypervisor_names,
    resolve_migration,
)
from dcsim.scenario.presets.limits import LIMITS, limits_names, resolve_limits
from dcsim.scenario.presets.lookup import Preset, known
from dcsim.scenario.presets.operators import (
    OPERATORS,
    operator_names,
    resolve_operator,
    with_operator,
)
from dcsim.scenario.presets.orders import ORDERS, order_names, resolve_order
from dcsim.scenario.presets.steps import check_step

__all__ = [
    "BALANCERS",
    "DEFAULT_HYPERVISOR",
    "DOWNTIME_STEPS",
    "HINTING",
    "HYPERVISORS",
    "LIMITS",
    "OPERATORS",
    "ORDERS",
    "Kind",
    "Preset",
    "balancer_names",
    "check_step",
    "describe",
    "downtime_steps_names",
    "hinting_names",
    "hypervisor_names",
    "limits_names",
    "operator_names",
    "order_names",
    "resolve_balancer",
    "resolve_downtime_steps",
    "resolve_hinting",
    "resolve_limits",
    "resolve_migration",
    "resolve_operator",
    "resolve_order",
    "with_operator",
]

Kind = Literal[
    "hinting", "hypervisors", "limits", "downtime-steps", "operators", "orders", "balancers"
]
_TABLES: Final[dict[str, dict[str, Preset]]] = {
    "hinting": HINTING,
    "hypervisors": HYPERVISORS,
    "limits": LIMITS,
    "downtime-steps": DOWNTIME_STEPS,
    "operators": OPERATORS,
    "orders": ORDERS,
    "balancers": BALANCERS,
}


def describe(kind: Kind, name: str) -> str:
    """Return what a shipped preset is, in one line.

    Examples
    --------
    >>> describe("limits", "none")
    'everything at once, for as long as it takes'
    """
    return str(known(kind, _TABLES[kind], name)["about"])


def data(kind: Kind, name: str) -> Preset:
    """Return a shipped preset as it could stand in a file, to be copied and changed.

    Examples
    --------
    >>> data("limits", "watcher")
    {'per_cluster': 6, 'per_host_out': 2, 'per_pool': 2}
    """
    found = known(kind, _TABLES[kind], name)
    return copy.deepcopy({key: value for key, value in found.items() if key != "about"})
