"""Options of operations and their limits, and of guests that come and go: a change of each."""

from __future__ import annotations

from typing import Final

from dcsim.units import GiB
from tests.options_worlds import (
    by_pairs,
    changed,
    churning,
    crowded,
    evacuation,
    given_up,
    listed,
    notices,
    rich,
    stuck,
    timetable,
    to_gather,
    uneven,
    upgrade,
    with_disk,
)
from tests.test_operations import crowded_out
from tests.test_rebalance import swinging
from tests.worlds import Data

FIRST_HOST: Final[Data] = {"hosts": "rack0/host0"}


def disks() -> Data:
    """Three guests whose local disks are copied when they move."""
    return changed(with_disk(), {"guests.0.count": 3, "topology.host.memory": 4.0 * GiB})


def slotted() -> Data:
    """Hosts whose links are fast enough for the second of two rules."""
    slots = [{"link": 1.0, "most": 4}, {"link": 0.5 * GiB, "most": 1}]
    return changed(crowded(), {"operation.limits": {"host_slots": slots}})


def graded(data: Data) -> Data:
    """Guests of eight sizes, the smallest first, of which one moves at a time."""
    sizes = {"memory": [0.05 * GiB * n for n in range(1, 9)]}
    return changed(data, {"operation.limits": {"per_cluster": 1}, "guests.0.each": sizes})


CASES: dict[str, tuple[Data, Data]] = {
    # limits
    "Limits.per_cluster": (crowded(), {"operation.limits.per_cluster": 1}),
    "Limits.per_host_out": (crowded(), {"operation.limits.per_host_out": 1}),
    "Limits.per_host_in": (crowded(), {"operation.limits.per_host_in": 1}),
    "Limits.per_host": (crowded(), {"operation.limits.per_host": 1}),
    "Limits.per_link": (crowded(), {"operation.limits.per_link": {"uplink": 1}}),
    "Limits.per_pool": (disks(), {"operation.limits.per_pool": 1}),
    "Limits.host_slots": (
        crowded(), {"operation.limits.host_slots": [{"link": 0.5 * GiB, "most": 1}]},
    ),
    "Limits.host_cost": (crowded(), {"operation.limits.host_cost": {"most": 1}}),
    "Limits.pool_cost": (crowded(), {"operation.limits.pool_cost": {"most": 1}}),
    "Slots.link": (slotted(), {"operation.limits.host_slots.1.link": 2.0 * GiB}),
    "Slots.most": (slotted(), {"operation.limits.host_slots.1.most": 2}),
    "Cost.most": (
        changed(disks(), {"operation.limits.host_cost": {"most": 1}}),
        {"operation.limits.host_cost.most": 2},
    ),
    "Cost.live": (
        changed(crowded(), {"operation.limits.host_cost": {"most": 4}}),
        {"operation.limits.host_cost.live": 4},
    ),
    "Cost.disk": (
        changed(disks(), {"operation.limits.host_cost": {"most": 4}}),
        {"operation.limits.host_cost.disk": 4},
    ),
    "Limits.control_plane": (rich(), {"operation.limits.control_plane": 1.0}),
    "Limits.completion_timeout_per_gib": (
        stuck(), {"operation.limits.completion_timeout_per_gib": 20.0},
    ),
    "Limits.progress_timeout": (stuck(), {"operation.limits.progress_timeout": 20.0}),
    "Limits.completion_timeout_floor": (
        given_up(), {"operation.limits.completion_timeout_floor": 2.0 * GiB},
    ),
    "Limits.completion_timeout": (stuck(), {"operation.limits.completion_timeout": 20.0}),
    "Limits.on_timeout": (given_up(), {"operation.limits.on_timeout": "force-complete"}),
    "Limits.cancel_after": (stuck(), {"operation.limits.cancel_after": 20.0}),
    "Limits.retry": (given_up(), {"operation.limits.retry": True}),
    **{
        f"Retry.{key}": (
            changed(given_up(), {"operation.limits.retry": {"attempts": 3, "delay": 1.0}}),
            {f"operation.limits.retry.{key}": value},
        )
        for key, value in {"attempts": 2, "delay": 2.0, "factor": 1.0}.items()
    },
    # who comes and goes
    "GuestGroup.arrivals": (churning(), {"guests.1.arrivals": {"every": 5.0}}),
    "GuestGroup.stay": (churning(), {"guests.1.stay": 4.0}),
    "Arrivals.every": (churning(), {"guests.1.arrivals.every": 4.0}),
    "Arrivals.start": (churning(), {"guests.1.arrivals.start": 2.0}),
    "Arrivals.until": (churning(), {"guests.1.arrivals.until": 10.0}),
    "Arrivals.most": (churning(), {"guests.1.arrivals.most": 2}),
    **{
        f"{kind.capitalize()}.{key}": (
            churning(kind=kind, **values),
            {f"guests.1.arrivals.every.{key}": value},
        )
        for kind, values, others in (
            ("fixed", {"value": 3.0}, {"value": 2.0}),
            ("exponential", {"mean": 3.0}, {"mean": 2.0}),
            ("uniform", {"low": 1.0, "high": 5.0}, {"low": 2.0, "high": 4.0}),
            ("weibull", {"scale": 3.0, "shape": 2.0}, {"scale": 2.0, "shape": 1.0}),
            ("lognormal", {"median": 3.0, "sigma": 0.5}, {"median": 2.0, "sigma": 1.0}),
            ("empirical", {"values": [2.0, 4.0]}, {"values": [1.0, 3.0]}),
        )
        for key, value in others.items()
    },
    **{
        f"{kind.capitalize()}.kind": (
            churning(kind=kind, **values),
            {"guests.1.arrivals.every": {"kind": "exponential", "mean": 2.5}},
        )
        for kind, values in (
            ("fixed", {"value": 3.0}),
            ("uniform", {"low": 1.0, "high": 5.0}),
            ("weibull", {"scale": 3.0, "shape": 2.0}),
            ("lognormal", {"median": 3.0, "sigma": 0.5}),
            ("empirical", {"values": [2.0, 4.0]}),
        )
    },
    "Exponential.kind": (
        churning(kind="exponential", mean=3.0),
        {"guests.1.arrivals.every": {"kind": "fixed", "value": 3.0}},
    ),
    # what is asked of the cluster
    "Scenario.operator": (crowded(), {"operator": "nova"}),
    **{
        f"{kind}.order": (graded(data), {"operation.order": "largest"})
        for kind, data in (
            ("Drain", crowded()), ("Upgrade", upgrade()), ("Evacuate", evacuation()),
            ("Notices", notices()), ("Timetable", timetable()),
        )
    },
    "Moves.order": (
        changed(listed(), {"operation.limits": {"per_cluster": 1}, "guests.1.memory": 2.0 * GiB}),
        {"operation.order": "largest"},
    ),
    **{
        f"{operation['kind'].capitalize()}.swap": (
            crowded_out() | {"operation": {"placement": "first-fit"} | operation},
            {"operation.swap": True},
        )
        for operation in (
            crowded_out()["operation"],
            FIRST_HOST | {"kind": "upgrade", "reboot": 5.0},
            FIRST_HOST | {"kind": "evacuate", "deadline": 60.0},
            FIRST_HOST | {"kind": "notices", "times": [1.0], "notice": 60.0},
            {"kind": "timetable", "operations": [FIRST_HOST | {"kind": "drain"}]},
        )
    },
    **{
        f"{kind}.{field}": (data(hosts=None, **{field: one}), {f"operation.{field}": other})
        for kind, data in (("Upgrade", upgrade), ("Evacuate", evacuation), ("Notices", notices))
        for field, one, other in (
            ("racks", ["rack0"], ["rack1"]),
            ("labels", {"rack": "rack0"}, {"rack": "rack1"}),
        )
    },
    "Drain.at": (rich(), {"operation.at": 3.0}),
    "Drain.limits": (crowded(), {"operation.limits": {"per_cluster": 1}}),
    "Drain.kind": (crowded(), {"operation": listed()["operation"] | {
        "moves": [{"guest": "guest-0", "to": "rack1/host0"}]}}),
    "Drain.hosts": (crowded(), {"operation.hosts": "rack0/host1"}),
    "Drain.placement": (crowded(), {"operation.placement": "first-fit"}),
    "Drain.name": (crowded(), {"operation.name": "patching"}),
    "Drain.at_once": (crowded(), {"operation.at_once": 1}),
    "Drain.window": (by_pairs(), {"operation.window": 0.2}),
    "Moves.name": (listed(), {"operation.name": "patching"}),
    "Moves.window": (
        changed(listed(), {"operation.limits": {"per_cluster": 1}}), {"operation.window": 0.2},
    ),
    "Timetable.kind": (timetable(), {"operation": crowded()["operation"]}),
    "Timetable.operations": (timetable(), {"operation.operations.0.at": 2.0}),
    "Timetable.limits": (timetable(), {"operation.limits": {"per_cluster": 1}}),
    "Timetable.placement": (timetable(), {"operation.placement": "first-fit"}),
    **{
        f"{kind}.{field}": (data(), {f"operation.{field}": value})
        for kind, data in (("Upgrade", upgrade), ("Evacuate", evacuation), ("Notices", notices))
        for field, value in {
            "name": "patching",
            "at": 2.0,
            "placement": "first-fit",
            "limits": {"per_cluster": 1},
        }.items()
    },
    "Upgrade.kind": (upgrade(), {"operation": crowded()["operation"]}),
    "Upgrade.hosts": (upgrade(), {"operation.hosts": "rack1/*"}),
    "Upgrade.at_once": (upgrade(), {"operation.at_once": 2}),
    "Upgrade.window": (upgrade(), {"operation.window": 0.5}),
    "Upgrade.reboot": (upgrade(), {"operation.reboot": {"kind": "fixed", "value": 30.0}}),
    "Upgrade.check": (upgrade(), {"operation.check": {"lasts": 2.0}}),
    "Upgrade.left": (upgrade(), {"operation.left": "stop"}),
    "Upgrade.move_back": (upgrade(), {"operation.move_back": True}),
    "HealthCheck.lasts": (upgrade(check={"lasts": 1.0}), {"operation.check.lasts": 2.0}),
    "HealthCheck.fails": (upgrade(check={"lasts": 1.0}), {"operation.check.fails": 1.0}),
    "HealthCheck.attempts": (
        upgrade(check={"lasts": 1.0, "fails": 1.0}), {"operation.check.attempts": 2}),
    "Evacuate.kind": (evacuation(), {"operation": crowded()["operation"]}),
    "Evacuate.hosts": (evacuation(), {"operation.hosts": "rack0/host1"}),
    "Evacuate.deadline": (evacuation(), {"operation.deadline": 0.6}),
    "Evacuate.window": (evacuation(), {"operation.window": 0.2}),
    "Notices.kind": (notices(), {"operation": crowded()["operation"]}),
    "Notices.hosts": (notices(), {"operation.hosts": "rack0/host1"}),
    "Notices.pick": (notices(count=4), {"operation.pick": "in-order"}),
    "Notices.times": (
        notices(every=None, count=None, times=[1.0]), {"operation.times": [1.0, 2.0]}),
    "Notices.every": (notices(), {"operation.every": 2.0}),
    "Notices.count": (notices(), {"operation.count": 1}),
    "Notices.notice": (notices(), {"operation.notice": 0.9}),
    "Notices.left": (notices(), {"operation.left": "stop"}),
    "Notices.away": (notices(), {"operation.away": 30.0}),
    "Notices.window": (notices(), {"operation.window": 0.1}),
    "Moves.at": (listed(), {"operation.at": 2.0}),
    "Moves.limits": (listed(), {"operation.limits": {"per_cluster": 1}}),
    "Moves.kind": (listed(), {"operation": crowded()["operation"]}),
    "Moves.moves": (listed(), {"operation.moves": listed()["operation"]["moves"][:1]}),
    "Move.guest": (listed(), {"operation.moves.0.guest": "a-1"}),
    "Move.to": (listed(), {"operation.moves.0.to": "rack1/host1"}),
    **{
        f"Rebalance.{key}": (uneven(), {f"operation.{key}": value})
        for key, value in {
            "name": "nightly", "at": 1.0, "window": 7.0, "limits": {"per_cluster": 1},
            "hosts": "rack0/*", "balancer": {"threshold": 0.05, "every": 5.0},
        }.items()
    },
    "Rebalance.order": (
        changed(uneven(), {
            "operation.limits": {"per_cluster": 1}, "operation.balancer.moves": None,
            "guests.0.each": {"memory": [0.05 * GiB * n for n in range(1, 7)]},
        }),
        {"operation.order": "largest"},
    ),
    **{
        f"{kind}.{key}": (changed(data, {"operation.hosts": "*"}), {f"operation.{key}": value})
        for kind, data in (("Rebalance", uneven()), ("Consolidate", to_gather()))
        for key, value in {"racks": ["rack0"], "labels": {"rack": "rack0"}}.items()
    },
    "Rebalance.kind": (uneven(), {"operation": {"kind": "consolidate"}}),
    **{
        f"Balancer.{key}": (uneven(), {f"operation.balancer.{key}": value})
        for key, value in {
            "metric": "cpu", "measure": "variation", "threshold": 0.3, "target": 0.0,
            "margin": 0.5, "hold": 2, "every": 7.0, "cooldown": 8.0, "moves": 1,
            "prefer": "most-even",
        }.items()
    },
    "Balancer.guest_cooldown": (
        swinging(threshold=0.1), {"operation.balancer.guest_cooldown": 200.0},
    ),
    **{
        f"Consolidate.{key}": (to_gather(), {f"operation.{key}": value})
        for key, value in {
            "name": "nightly", "at": 1.0, "window": 0.1, "limits": {"per_cluster": 1},
            "hosts": "rack0/*", "fill": 0.5, "below": 0.1, "keep": 3, "spare": 0.6, "at_once": 1,
            "power_off": 2.0, "every": 7.0, "wake": None,
        }.items()
    },
    "Consolidate.order": (
        changed(to_gather(), {
            "operation.limits": {"per_cluster": 1},
            "guests.0.each": {"memory": [0.05 * GiB * n for n in range(1, 9)]},
        }),
        {"operation.order": "smallest"},
    ),
    "Consolidate.kind": (
        to_gather(), {"operation": {"kind": "rebalance", "balancer": {"threshold": 0.1}}},
    ),
    "Wake.above": (to_gather(), {"operation.wake.above": 1.0}),
    "Wake.takes": (to_gather(), {"operation.wake.takes": 3.0}),
    "Host.idle_power_w": (to_gather(), {"topology.host.idle_power_w": 100.0}),
    "MoveColumns.guest": (
        listed(columns=True), {"operation.moves.guest": ["a-0", "a-1"]},
    ),
    "MoveColumns.to": (
        listed(columns=True), {"operation.moves.to": ["rack1/host1", "rack1/host0"]},
    ),
}  # fmt: skip
"""Model and field -> what is run, and what is changed in it."""
