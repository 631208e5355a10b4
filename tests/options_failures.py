"""Options of what fails, and when: a change of each."""

from __future__ import annotations

from typing import Final

from dcsim.units import GiB, MiB
from tests.test_failures import DESTINATION, LINK, SOURCE
from tests.worlds import Data, guest, reader, scenario

FAULTS: Final[dict[str, Data]] = {
    "HostFailure": {"host": DESTINATION, "returns_after": 3.0},
    "LinkFailure": {"link": LINK, "lasts": 2.0},
    "StorageFailure": {"storage": "slow", "capacity": 1e-3, "latency": 0.01, "lasts": 6.0},
    "ManagementFailure": {"management": "slow", "factor": 3.0, "delay": 1.0, "lasts": 12.0},
    "Abort": {"abort": "guest-[12]"},
}
"""One of each kind."""


def troubled(kind: str, **changes: object) -> Data:
    """Guests that read more than they can keep move one by one, some seconds each; one fault.

    A second drain asks for those that are still there.
    """
    group = guest(
        reader(16.0 * MiB, float(GiB)), count=4, memory=0.25 * GiB, makeup={"cache": 0.5},
    )  # fmt: skip
    data = scenario(group, horizon=200.0, settle=30.0)
    data["migration"]["max_bandwidth"] = 32.0 * MiB
    data["topology"]["storage"] |= {"bandwidth": 128.0 * MiB}
    drains = [data["operation"] | {"name": f"drain{n}", "at": 25.0 * n} for n in range(2)]
    limits = {"per_cluster": 1, "control_plane": 1.0, "retry": {"delay": 1.0}}
    data["operation"] = {"kind": "timetable", "operations": drains, "limits": limits}
    data["failures"] = [{"at": 5.0, **FAULTS[kind], **changes}]
    return data


def awaiting(**changes: object) -> Data:
    """A link that fails in the course of a migration."""
    when = {"guest": "guest-1", "phase": "first-pass", "after": 1.0}
    return troubled("LinkFailure", lasts=None, at=None, when=when | changes)


CASES: dict[str, tuple[Data, Data]] = {
    **{
        f"{kind}.{field}": (troubled(kind), {f"failures.0.{field}": value})
        for kind in FAULTS
        for field, value in (("at", 1.0), ("every", 24.0))
    },
    **{
        f"{kind}.when": (
            troubled(kind, at=None, when={"guest": "guest-1", "phase": "first-pass"}),
            {"failures.0.when": {"guest": "guest-2", "phase": "switch-over"}},
        )
        for kind in FAULTS
    },
    **{
        f"{kind}.times": (troubled(kind, every=24.0, times=2), {"failures.0.times": 1})
        for kind in FAULTS
    },
    "HostFailure.host": (troubled("HostFailure"), {"failures.0.host": SOURCE}),
    "HostFailure.returns_after": (
        troubled("HostFailure"), {"failures.0.returns_after": 9.0},
    ),
    "When.guest": (awaiting(), {"failures.0.when.guest": "guest-2"}),
    "When.phase": (awaiting(), {"failures.0.when.phase": "waiting"}),
    "When.after": (awaiting(), {"failures.0.when.after": 2.0}),
    "LinkFailure.link": (
        troubled("LinkFailure"), {"failures.0.link": "storage->switch0"},
    ),
    "LinkFailure.lasts": (troubled("LinkFailure"), {"failures.0.lasts": 3.0}),
    "LinkFailure.capacity": (
        troubled("LinkFailure", capacity=0.05), {"failures.0.capacity": 0.01},
    ),
    "LinkFailure.breaks_after": (
        troubled("LinkFailure"), {"failures.0.breaks_after": 1.0},
    ),
    "StorageFailure.storage": (
        troubled("StorageFailure"), {"failures.0": {"at": 5.0, "storage": "gone", "lasts": 6.0}},
    ),
    "StorageFailure.lasts": (troubled("StorageFailure"), {"failures.0.lasts": 9.0}),
    "StorageFailure.capacity": (
        troubled("StorageFailure"), {"failures.0.capacity": 1e-4},
    ),
    "StorageFailure.latency": (
        troubled("StorageFailure", capacity=None), {"failures.0.latency": 0.05},
    ),
    "ManagementFailure.management": (
        troubled("ManagementFailure"), {"failures.0": {"at": 5.0} | FAULTS["LinkFailure"]},
    ),
    "ManagementFailure.lasts": (
        troubled("ManagementFailure"), {"failures.0.lasts": 40.0},
    ),
    "ManagementFailure.factor": (
        troubled("ManagementFailure"), {"failures.0.factor": 4.0},
    ),
    "ManagementFailure.delay": (
        troubled("ManagementFailure"), {"failures.0.delay": 2.0},
    ),
    "Abort.abort": (troubled("Abort"), {"failures.0.abort": "guest-1"}),
}  # fmt: skip
"""Model and field -> what is run, and what is changed in it."""
