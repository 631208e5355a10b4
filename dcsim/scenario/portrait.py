"""A scenario at a glance, as an HTML table for notebooks."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from dcsim import units
from dcsim.scenario.operation import parts

if TYPE_CHECKING:
    from dcsim.scenario.spec import GuestGroup, Scenario


def table(scenario: Scenario) -> str:
    """Return what a scenario asks for as an HTML table; every name in it is escaped."""
    cap = scenario.migration.max_bandwidth
    rows = [
        ("topology", scenario.topology.kind),
        *(("guests", _guests(group)) for group in scenario.guests),
        ("hinting", scenario.hinting.name),
        (
            "migration",
            f"{scenario.migration.hypervisor}, {units.format_rate(cap) if cap else 'no cap'}",
        ),
        *(
            ("operation", f"{part.kind} {part.what} at {units.format_duration(part.at)}")
            for _, part in parts(scenario.operation)
        ),
        ("horizon", f"{units.format_duration(scenario.horizon)}, seed {scenario.seed}"),
    ]
    cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows)
    return f"<table><caption>{escape(scenario.name)}</caption>{cells}</table>"


def _guests(group: GuestGroup) -> str:
    own = f", {group.hinting.name}" if group.hinting else ""
    size = units.format_size(group.memory)
    if group.each:
        own += f", each with its own {', '.join(group.each)}"
    return f"{group.count} x {group.group}, {size}, on {group.place.pattern}{own}"
