"""How many migrations at once: caps on hosts and on the cluster."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from dcsim.control.admission import Admission
from dcsim.model.host import Host
from tests.worlds import Data, guest, leaf_spine, rows, scenario, solve


@dataclass
class Mover:
    """Who is to move: a guest without local disks, unless told otherwise."""

    source: Any = None
    copies_disk: bool = False

    @property
    def guest(self) -> Any:
        """The guest, as far as admission looks at it."""
        disk = object() if self.copies_disk else None
        return SimpleNamespace(profile=SimpleNamespace(local_disk=disk, migratable="live"))


MOVER = Mover()


def hosts(count: int) -> list[Host]:
    """Return hosts that differ in name only."""
    return [
        Host(name=f"rack0/host{n}", rack="rack0", node=n, cores=4, memory_bytes=1e9)
        for n in range(count)
    ]


def test_no_cap_admits_everything() -> None:
    """Infinite caps never close."""
    a, b = hosts(2)
    admission = Admission()
    for _ in range(1000):
        assert admission.open
        assert admission.may_leave(a)
        assert admission.may_enter(b)
        admission.enter(MOVER, a, b)
    assert admission.running == 1000
    assert math.isinf(admission.per_cluster)


def test_the_cluster_closes_at_its_cap_and_opens_again() -> None:
    """Two at once: the third waits until one has ended."""
    a, b, c = hosts(3)
    admission = Admission(per_cluster=2)
    admission.enter(MOVER, a, b)
    assert admission.open
    admission.enter(MOVER, a, c)
    assert not admission.open
    admission.leave(MOVER, a, b)
    assert admission.open


def test_each_host_has_its_own_counts_out_and_in() -> None:
    """A host full of departures may still receive, and others may still leave."""
    a, b, c = hosts(3)
    admission = Admission(per_host_out=1, per_host_in=2)
    admission.enter(MOVER, a, b)
    assert not admission.may_leave(a)
    assert admission.may_leave(b)
    assert admission.may_leave(c)
    assert admission.may_enter(a)
    assert admission.may_enter(b)
    admission.enter(MOVER, c, b)
    assert not admission.may_enter(b)
    admission.leave(MOVER, a, b)
    assert admission.may_leave(a)
    assert admission.may_enter(b)


# --------------------------------------------------------------------------- kept by operations


def crowd() -> Data:
    """Six guests on each of two hosts of rack 0, which are drained into the two of rack 1."""
    groups = [
        guest(count=6, name=f"g{n}", memory=2.0**28, place={"hosts": f"rack0/host{n}"})
        for n in range(2)
    ]
    return scenario(*groups, topology=leaf_spine(), operation={"kind": "drain", "hosts": "rack0/*"})


def most(migrations: list[Data], key: str | None) -> int:
    """Return the most migrations that overlapped, of those with the same value of a column."""
    found = 0
    for one in migrations:
        running = [
            m
            for m in migrations
            if m["started_s"] <= one["started_s"] < m["ended_s"]
            and (key is None or m[key] == one[key])
        ]
        found = max(found, len(running))
    return found


@pytest.mark.parametrize(
    ("cap", "key"),
    [("per_cluster", None), ("per_host_out", "source"), ("per_host_in", "destination")],
)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_cap_is_kept_and_used_up(cap: str, key: str | None, count: int) -> None:
    """At no time are there more at once, at some time there are as many, and all get done."""
    data = crowd()
    data["operation"]["limits"] = {cap: count}
    migrations = rows(solve(data), "migrations")
    assert [m["outcome"] for m in migrations] == ["completed"] * 12
    assert most(migrations, key) == count


def test_caps_hold_together() -> None:
    """Two out of a host, one into a host, three in the cluster: the tightest counts."""
    data = crowd()
    data["operation"]["limits"] = {"per_cluster": 3, "per_host_out": 2, "per_host_in": 1}
    migrations = rows(solve(data), "migrations")
    assert [m["outcome"] for m in migrations] == ["completed"] * 12
    assert most(migrations, "destination") == 1
    assert most(migrations, "source") <= 2
    assert most(migrations, None) == 2


def test_without_caps_all_start_at_once() -> None:
    """No limit: everything is admitted when it is asked for."""
    migrations = rows(solve(crowd()), "migrations")
    assert [m["started_s"] for m in migrations] == [0.0] * 12
