"""How many migrations at once: caps on hosts and on the cluster."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dcsim.control.admission import SHARED, Admission, Cost, Reason
from dcsim.model.host import Host
from dcsim.scenario import presets
from dcsim.scenario.spec import Limits
from dcsim.units import GiB
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


def test_out_and_in_together_close_a_host_both_ways() -> None:
    """Two at a host, whichever way: who leaves keeps others from coming."""
    a, b, c = hosts(3)
    admission = Admission(per_host=2)
    admission.enter(MOVER, a, b)
    admission.enter(MOVER, c, a)
    assert not admission.may_leave(a)
    assert not admission.may_enter(a)
    assert admission.may_leave(b)
    assert admission.held_by(Mover(a), b, ()) == Reason("leave", a)
    assert Reason("leave", a) in admission.frees(MOVER, c, a)
    admission.leave(MOVER, c, a)
    assert admission.held_by(Mover(a), b, ()) is None


def test_a_link_takes_so_many_at_once() -> None:
    """A cap on one link holds up who has to cross it, and nobody else."""
    a, b, _ = hosts(3)
    admission = Admission(link_caps={7: 2})
    for _ in range(2):
        assert admission.held_by(Mover(a), b, (3, 7)) is None
        admission.enter(MOVER, a, b, (3, 7))
    assert admission.held_by(Mover(a), b, (3, 7)) == Reason("link", 7)
    assert admission.held_by(Mover(a), b, (3, 8)) is None
    assert not admission.lifted(Reason("link", 7))
    admission.leave(MOVER, a, b, (3, 7))
    assert admission.lifted(Reason("link", 7))


def test_costs_count_at_either_end_and_disks_cost_more() -> None:
    """A host's 8 units: eight moves at 1, or two that copy a disk at 4."""
    a, b, c = hosts(3)
    admission = Admission(host_costs=(Cost(8.0, 1.0, 4.0),))
    copies = Mover(a, copies_disk=True)
    admission.enter(copies, a, b)
    for _ in range(4):
        assert admission.held_by(Mover(c), b, ()) is None
        admission.enter(MOVER, c, b)
    assert not admission.may_enter(b)
    assert admission.may_leave(a)
    assert admission.held_by(copies, c, ()) is None
    admission.enter(MOVER, a, c)
    assert admission.held_by(copies, c, ()) == Reason("host cost", a)
    admission.leave(copies, a, b)
    assert admission.held_by(copies, c, ()) == Reason("host cost", c)
    admission.leave(MOVER, a, c)
    assert admission.held_by(copies, b, ()) is None


def test_pools_are_disks_of_hosts_or_what_all_share() -> None:
    """Two copies a pool: the disks at either end; other guests are not counted there."""
    a, b, c = hosts(3)
    admission = Admission(pool_costs=(Cost(2.0, live=0.0),))
    copies = Mover(a, copies_disk=True)
    for _ in range(2):
        admission.enter(copies, a, b)
    assert admission.held_by(copies, c, ()) == Reason("pool cost", a)
    assert admission.held_by(Mover(c, copies_disk=True), b, ()) == Reason("pool cost", b)
    assert admission.held_by(Mover(a), b, ()) is None
    shared = Admission(pool_costs=(Cost(1.0),))
    shared.enter(MOVER, a, b)
    assert shared.held_by(Mover(c), a, ()) == Reason("pool cost", SHARED)


def test_a_way_has_room_until_it_is_full() -> None:
    """By what migrations load it with: the last one may overfill it, one on an idle link too."""
    a, b, _ = hosts(3)
    admission = Admission(leaves=lambda link, _: [100.0, 1000.0][link])

    assert admission.held_by(Mover(a), b, (0, 1), 500.0) is None
    for load in (60.0, 60.0):
        assert admission.held_by(Mover(a), b, (0, 1), load) is None
        admission.enter(MOVER, a, b, (0, 1), load)
    assert admission.held_by(Mover(a), b, (0, 1), 1.0) == Reason("link", 0)
    assert not admission.lifted(Reason("link", 0))
    assert admission.held_by(Mover(a), b, (0, 1), 0.0) is None
    admission.leave(MOVER, a, b, (0, 1), 60.0)
    assert admission.held_by(Mover(a), b, (0, 1), 1.0) is None


def test_one_more_has_to_carry_more_than_gets_dirty_meanwhile() -> None:
    """Among guests' own flows one more has a share of its own; the last bit of a link is little."""
    a, b, _ = hosts(3)
    admission = Admission(leaves=lambda _, streams: 100.0 * streams / (streams + 1.0))
    admission.enter(MOVER, a, b, (0,), 200.0)  # which has 50 of them, two would have 67

    assert admission.held_by(Mover(a), b, (0,), 200.0, dirtied=16.0) is None
    assert admission.held_by(Mover(a), b, (0,), 200.0, dirtied=17.0) == Reason("link", 0)
    assert admission.lifted(Reason("link", 0))  # for who gets less dirty

    wide = Admission(leaves=lambda *_: 100.0)
    wide.enter(MOVER, a, b, (0,), 40.0)
    assert wide.held_by(Mover(a), b, (0,), 40.0, dirtied=50.0) is None  # it harms nobody

    full = Admission(leaves=lambda *_: 100.0)
    full.enter(MOVER, a, b, (0,), 90.0)
    assert full.held_by(Mover(a), b, (0,), 200.0, dirtied=9.0) is None
    assert full.held_by(Mover(a), b, (0,), 200.0, dirtied=11.0) == Reason("link", 0)


def test_a_flow_that_is_split_loads_each_link_with_its_share() -> None:
    """Half of it on each of two links leaves room for another half."""
    a, b, _ = hosts(3)
    admission = Admission(leaves=lambda _, streams: min(100.0, 120.0 * streams))
    half: dict[str, Any] = {"shares": (0.5, 0.5)}
    admission.enter(MOVER, a, b, (0, 1), 120.0, **half)
    assert admission.held_by(Mover(a), b, (0, 1), 120.0, dirtied=79.0, **half) is None
    assert admission.held_by(Mover(a), b, (0, 1), 120.0, dirtied=81.0, **half) is not None
    admission.enter(MOVER, a, b, (0, 1), 120.0, **half)
    assert admission.held_by(Mover(a), b, (0, 1), 120.0, **half) == Reason("link", 0)


MOVES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.integers(0, 5)), max_size=40
)


@given(moves=MOVES)
def test_what_has_ended_holds_up_nobody(moves: list[tuple[int, int, bool, int]]) -> None:
    """Whoever goes in and out in any order: in the end all is as at first."""
    places = hosts(4)
    admission = Admission(
        per_cluster=6, per_host=3, link_caps={0: 2, 1: 1}, leaves=lambda *_: 1.0,
        host_costs=(Cost(8.0, 1.0, 4.0),), pool_costs=(Cost(2.0, live=0.0), Cost(16.0, 1.0, 8.0)),
    )  # fmt: skip
    inside = []
    for source, to, disk, link in moves:
        a, b, mover = places[source], places[to], Mover(places[source], disk)
        held = a is b or not (admission.open and admission.may_enter(b))
        if held or admission.held_by(mover, b, (link,), 0.3) is not None:
            if inside:
                admission.leave(*inside.pop(link % len(inside)))
        else:
            inside.append((mover, a, b, (link,), 0.3))
            admission.enter(*inside[-1])
        assert admission.running == len(inside) <= 6
        for host in places:
            own = [m for m in inside if host in (m[1], m[2])]
            assert len(own) <= 3
            assert sum(4 if m[0].copies_disk else 1 for m in own) <= 8
            assert sum(m[0].copies_disk for m in own) <= 2
        assert sum(m[3] == (0,) for m in inside) <= 2
    for one in inside:
        reasons = admission.frees(*one[:4])
        admission.leave(*one)
        assert all(isinstance(reason, Reason) for reason in reasons)
    for a in places:
        assert admission.may_enter(a)
        for b in places:
            for disk in (False, True):
                assert admission.held_by(Mover(a, disk), b, range(6), 0.3) is None


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


def test_a_cap_on_uplinks_is_kept_and_used_up() -> None:
    """Two at once on the only way out of the rack, and all get done."""
    data = crowd()
    data["operation"]["limits"] = {"per_link": {"uplink": 2}}
    migrations = rows(solve(data), "migrations")
    assert [m["outcome"] for m in migrations] == ["completed"] * 12
    assert most(migrations, None) == 2


def test_slots_follow_the_speed_of_the_link() -> None:
    """A host whose link is of the second rate gets the second number, out and in together."""
    data = crowd()
    slots = [{"link": "1Gbit/s", "most": 2}, {"link": float(GiB), "most": 3}]
    data["operation"]["limits"] = {"host_slots": slots}
    migrations = rows(solve(data), "migrations")
    assert [m["outcome"] for m in migrations] == ["completed"] * 12
    assert most(migrations, "source") == 3
    data["topology"]["host_link"] = GiB / 2
    assert most(rows(solve(data), "migrations"), "source") == 2


def test_hosts_that_take_and_give_are_kept_to_both_together() -> None:
    """Guests change places between two hosts, two at a time at each of them, and all arrive."""
    groups = [
        guest(count=4, name=f"g{n}", memory=2.0**28, place={"hosts": f"rack0/host{n}"})
        for n in range(2)
    ]
    moves = [{"guest": f"g{n}-{i}", "to": f"rack0/host{1 - n}"} for n in range(2) for i in range(4)]
    operation = {"kind": "moves", "moves": moves, "limits": {"per_host": 2}}
    migrations = rows(solve(scenario(*groups, operation=operation)), "migrations")
    assert [m["outcome"] for m in migrations] == ["completed"] * 8
    assert most(migrations, None) == 2


def test_copies_of_disks_are_kept_to_pools_and_costs() -> None:
    """Two copies a pool; or costs of 4 of a host's 8: two at once, all done."""
    disks = guest(count=5, memory=2.0**28, local_disk={"size": 2.0**28, "used": 1.0, "writes": 0.0})
    for limits in ({"per_pool": 2}, {"host_cost": {"most": 8, "disk": 4}}, "vsphere"):
        data = scenario(disks)
        data["migration"]["block"] = True
        data["operation"]["limits"] = limits
        migrations = rows(solve(data), "migrations")
        assert [m["outcome"] for m in migrations] == ["completed"] * 5
        assert most(migrations, None) == 2


LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "per_cluster": st.integers(1, 4),
        "per_host_out": st.integers(1, 3),
        "per_host": st.integers(1, 3),
        "per_link": st.dictionaries(st.sampled_from(["host", "uplink"]), st.integers(1, 3)),
        "host_cost": st.just({"most": 2}),
        "pool_cost": st.just({"most": 3}),
    },
)


@given(limits=LIMITS, order=st.sampled_from(presets.order_names()), moves=st.booleans())
@settings(max_examples=25, deadline=None)
def test_under_any_limits_and_order_everybody_arrives(
    limits: Data, order: str, moves: bool
) -> None:
    """What holds up a guest ends: a run never stops short with guests that could go."""
    data = crowd()
    if moves:
        ways = [f"rack0/host{n}" for n in (1, 0)], ["rack1/host0", "rack1/host1"]
        pairs = [
            {"guest": f"g{n}-{i}", "to": [ways[0][n], *ways[1]][i % 3]}
            for n in range(2)
            for i in range(6)
        ]
        data["operation"] = {"kind": "moves", "moves": pairs}
    data["operation"] |= {"limits": limits, "order": order}
    outcomes = Counter(row["outcome"] for row in rows(solve(data), "migrations"))
    assert outcomes == {"completed": 12}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"host_cost": {"most": 2, "disk": 4}}, "4 is more than most 2"),
        (
            {"host_slots": [{"link": "10Gbit/s", "most": 8}, {"link": "1Gbit/s", "most": 4}]},
            "faster from one to the next",
        ),
        ({"per_link": {"spine": 2}}, "'host', 'uplink', 'core', 'wan' or 'migration'"),
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: Data, message: str) -> None:
    """What could never be admitted, or is no class of links, is told."""
    with pytest.raises(ValidationError, match=message):
        Limits.model_validate(limits)


def test_without_caps_all_start_at_once() -> None:
    """No limit: everything is admitted when it is asked for."""
    migrations = rows(solve(crowd()), "migrations")
    assert [m["started_s"] for m in migrations] == [0.0] * 12
