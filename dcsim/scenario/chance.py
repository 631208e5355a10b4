"""What is random in a scenario, in words."""

from __future__ import annotations

from dcsim.scenario import spec
from dcsim.scenario.distribution import Distribution
from dcsim.scenario.operation import parts


def random_inputs(scenario: spec.Scenario) -> list[str]:
    """Return what is random in a scenario, in words; empty if nothing is."""
    found = []
    if scenario.topology.routing == "ecmp" and _has_choice(scenario.topology):
        found.append("ECMP hashes: which of several shortest paths each flow takes")
    for what, chancy in (
        ("placement draws", lambda group: group.place.by == "random"),
        ("load noise", lambda group: group.workload.load.noise > 0),
        ("memory make-up drawn from samples", lambda group: len(group.makeups) > 1),
        ("arrival times", _arrives_at_random),
        ("stays", lambda group: _is_drawn(group.stay)),
    ):
        names = [group.group for group in scenario.guests if chancy(group)]
        if names:
            others = f" and {len(names) - 3} more groups" if len(names) > 3 else ""
            found.append(f"{what} of {', '.join(names[:3])}{others}")
    for _, operation in parts(scenario.operation):
        found += (f"{what} of operation {operation.called}" for what in operation.chances)
    if scenario.failures:
        from dcsim.scenario import failing  # few scenarios have any

        found += failing.chances(scenario.failures)
    return found


def _arrives_at_random(group: spec.GuestGroup) -> bool:
    arrivals = group.arrivals
    return group.arrive > 0 or (arrivals is not None and _is_drawn(arrivals.every))


def _is_drawn(duration: Distribution | None) -> bool:
    return duration is not None and duration.kind != "fixed"


def _has_choice(topology: spec.Fabric) -> bool:
    """Whether there may be several shortest paths between two nodes."""
    if isinstance(topology, spec.LeafSpine | spec.TwoSites):
        return topology.spines > 1
    if isinstance(topology, spec.FatTree):
        return topology.k > 2
    if isinstance(topology, spec.ThreeTier):
        return topology.cores > 1
    # A graph without cycles is a tree, or several: each link joins two parts.
    part = (
        {node.name: node.name for node in topology.nodes}
        if isinstance(topology, spec.Graph)
        else {}
    )

    def find(name: str) -> str:
        while part[name] != name:
            part[name] = name = part[part[name]]
        return name

    for link in topology.links if isinstance(topology, spec.Graph) else []:
        ends = [find(end) for end in link.ends]
        if ends[0] == ends[1]:
            return True
        part[ends[0]] = ends[1]
    return False
