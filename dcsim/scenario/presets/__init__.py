"""The shipped hinting policies, hypervisors, operators' limits and ladders: data, with sources.

A module holds one table and what looks names up in it; here are all of them, described by kind.
Numbers are texts with their unit, as in a file; labels such as [A.2] are sections of docs/facts.md.
"Assumption" marks a number without a public source: sweep it.
"""

from __future__ import annotations

from typing import Final, Literal

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
from dcsim.scenario.presets.orders import ORDERS, order_names, resolve_order
from dcsim.scenario.presets.steps import check_step

__all__ = [
    "DEFAULT_HYPERVISOR",
    "DOWNTIME_STEPS",
    "HINTING",
    "HYPERVISORS",
    "LIMITS",
    "ORDERS",
    "Kind",
    "Preset",
    "check_step",
    "describe",
    "downtime_steps_names",
    "hinting_names",
    "hypervisor_names",
    "limits_names",
    "order_names",
    "resolve_downtime_steps",
    "resolve_hinting",
    "resolve_limits",
    "resolve_migration",
    "resolve_order",
]

Kind = Literal["hinting", "hypervisors", "limits", "downtime-steps", "orders"]
_TABLES: Final[dict[str, dict[str, Preset]]] = {
    "hinting": HINTING,
    "hypervisors": HYPERVISORS,
    "limits": LIMITS,
    "downtime-steps": DOWNTIME_STEPS,
    "orders": ORDERS,
}


def describe(kind: Kind, name: str) -> str:
    """Return what a shipped preset is, in one line.

    Examples
    --------
    >>> describe("limits", "none")
    'everything at once, for as long as it takes'
    """
    return str(known(kind, _TABLES[kind], name)["about"])
