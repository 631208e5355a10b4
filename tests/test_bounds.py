"""The least time an operation takes: below every run, and below the best of small schedules."""

from __future__ import annotations

import math
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.control.admission import Caps, Cost
from dcsim.control.bounds import (
    Bound,
    Cut,
    Least,
    busiest_link,
    critical_path,
    cuts_of,
    lower_bound,
    out_of_a_host,
    sending_s,
)
from dcsim.scenario.fabric import TwoSites
from dcsim.scenario.spec import Scenario
from dcsim.scenario.topology import build
from dcsim.simulation.engine import _Run
from dcsim.simulation.prepared import prepare
from dcsim.units import GiB, MiB
from tests.worlds import Data, guest, leaf_spine, rows, scenario, solve, writer

HOST = "rack0/host0"


def least(name: str, size: float, *, host: str = HOST, to: str = "", **times: float) -> Least:
    return Least(name, host, to, sent_bytes=size, sending_s=size / 100.0, **times)


LINK = Cut("the link of rack0/host0", 100.0, frozenset([HOST]))


def test_what_binds_is_told_in_words() -> None:
    """A link, a cap, a guest alone, hosts at a time: whichever takes longest."""
    moves = [least(f"files-{n}", 100.0 * (n + 1)) for n in range(4)]  # 1, 2, 3 and 4 s
    assert lower_bound([]) == Bound(0.0, "nothing had to be done")
    assert lower_bound(moves) == Bound(4.0, "files-3 alone")
    assert lower_bound(moves, cuts=[LINK]) == Bound(10.0, "the link of rack0/host0")
    assert lower_bound(moves, per_cluster=2) == Bound(5.0, "2 at a time in the cluster")
    assert lower_bound(moves, per_host_out=3) == Bound(4.0, "files-3 alone")
    assert lower_bound(moves, per_host_out=1).what == "1 at a time out of rack0/host0"


def test_of_three_on_two_places_the_shorter_two_of_the_longest_take_turns() -> None:
    """Three of 4 s, two at a time: 8 s, though all together are 12."""
    moves = [least(name, 400.0) for name in "abc"]
    assert lower_bound(moves, per_cluster=2).seconds == 8.0


def test_a_link_waits_for_management_and_the_last_one_has_to_start() -> None:
    """Nothing is sent before the shortest preparation, and the last guest is activated after."""
    moves = [
        least("a", 300.0, before_s=7.0, after_s=0.5),
        least("b", 300.0, before_s=5.0, after_s=0.2),
    ]
    assert lower_bound(moves, cuts=[LINK]).seconds == pytest.approx(5.0 + 6.0 + 0.2)


def test_hosts_at_a_time_are_away_for_their_maintenance_too() -> None:
    """Three hosts, two at a time, each emptied in 4 s at least and away for 10."""
    hosts = [f"rack0/host{n}" for n in range(3)]
    moves = [least(f"g{n}", 400.0, host=host) for n, host in enumerate(hosts)]
    away = dict.fromkeys(hosts, 10.0)
    assert lower_bound(moves, hosts_at_once=2, maintenance_s=away) == Bound(
        28.0, "2 hosts at a time"
    )
    assert lower_bound(moves, hosts_at_once=3, maintenance_s=away) == Bound(
        14.0, "rack0/host0 alone"
    )


def test_a_rack_that_is_drained_as_a_whole_crosses_its_uplinks() -> None:
    """Where some of its hosts take guests, they need not."""
    network = build(
        Scenario.model_validate(
            scenario(topology=leaf_spine(uplink=1000.0, host_link=1e9))
        ).topology
    )
    cuts = list(cuts_of(network))
    moves = [least(f"g{n}", 500.0, host=f"rack0/host{n}") for n in range(2)]
    rack = ["rack0/host0", "rack0/host1"]
    assert lower_bound(moves, cuts=cuts, closed=rack).what == "g0 alone"
    many = [
        *moves,
        *[least(f"h{n}", 5000.0, host=rack[n % 2])._replace(sending_s=0) for n in range(8)],
    ]
    assert lower_bound(many, cuts=cuts, closed=rack) == Bound(41.0, "the uplinks of rack0")
    assert lower_bound(many, cuts=cuts, closed=rack[:1]).what == "g0 alone"


def test_a_site_that_is_left_crosses_the_wan() -> None:
    """All who leave one side share the link between the sites; the other way has its own."""
    network = build(TwoSites.model_validate({"wan": "1Gbit/s"}))
    cuts = list(cuts_of(network))
    moves = [
        Least(f"g{n}", f"site0-rack0/host{n}", f"site1-rack1/host{n}", sent_bytes=1e9)
        for n in range(8)
    ]
    bound = lower_bound(moves, cuts=cuts)
    assert bound.what == "the link site0-border->site1-border"
    assert bound.seconds == pytest.approx(8e9 / (125e6 * 0.94))
    near = [move._replace(to="site0-rack1/host0") for move in moves]
    assert lower_bound(near, cuts=cuts).what == "the link into site0-rack1/host0"


def test_caps_come_to_so_many_out_of_a_host() -> None:
    """Whichever is least: out, both ways, costs or slots."""
    assert out_of_a_host(Caps()) == math.inf
    assert out_of_a_host(Caps(per_host_out=5.0, per_host=4.0)) == 4
    costs = (Cost(8.0, 1.0, 4.0),)
    assert out_of_a_host(Caps(host_costs=costs, host_slots=((1.0, 4.0), (10.0, 9.0)))) == 8


# --------------------------------------------------------------------------- against schedules


def listed(order: tuple[Least, ...], at_once: int, link: float) -> float:
    """Return how long a list takes that starts in order, so many at once, over one link.

    What is under way shares the link evenly.
    """
    waiting = [[move.sent_bytes, move.after_s] for move in order]
    now, running, last = 0.0, [], 0.0
    while waiting or running:
        while waiting and len(running) < at_once:
            running.append(waiting.pop(0))
        sending = [job for job in running if job[0] > 0]
        share = link / len(sending) if sending else math.inf
        step = min(job[0] / share if job[0] > 0 else job[1] for job in running)
        for job in running:
            if job[0] > 0:
                job[0] = max(0.0, job[0] - share * step)
            else:
                job[1] = max(0.0, job[1] - step)
        now += step
        running = [job for job in running if job[0] > 1e-9 or job[1] > 1e-9]
        last = now
    return last


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    after=st.sampled_from([0.0, 0.5, 2.0]),
    at_once=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_no_order_of_a_few_guests_is_faster(sizes: list[int], after: float, at_once: int) -> None:
    """The best of all lists takes no less than the bound."""
    moves = [least(f"g{n}", 100.0 * size, after_s=after) for n, size in enumerate(sizes)]
    best = min(listed(order, at_once, 100.0) for order in permutations(moves))
    bound = lower_bound(moves, cuts=[LINK], per_cluster=at_once)
    assert bound.seconds <= best * (1 + 1e-9)
    if at_once == 1:
        assert bound.seconds == pytest.approx(best)


def bound_of(data: Data) -> tuple[Bound, float]:
    """Return the bound on a drain as its run had it, and how long it took."""
    prepared = prepare(Scenario.model_validate(data))
    result = _Run(prepared, check=True).result(None)
    cuts = list(cuts_of(prepared.network))
    out = {min(cut.inside): cut.capacity for cut in cuts if len(cut.inside) == 1 and not cut.comes}
    caps, patience = prepared.management.caps, prepared.management.patience
    moves = []
    for row in rows(result, "migrations"):
        assert row["outcome"] == "completed"
        own = prepared.settings[row["group"]]
        first, last = row["first_pass_bytes"], row["switchover_bytes"]
        moves.append(
            Least(
                row["guest"],
                row["source"],
                sent_bytes=first + last,
                sending_s=sending_s(own, wire=out[row["source"]], capped=first, uncapped=last),
                before_s=patience.control_plane_s,
                after_s=own.activation,
            )
        )
    bound = lower_bound(
        moves,
        cuts=cuts,
        closed=["rack0/host0", "rack0/host1"],
        per_cluster=caps.per_cluster,
        per_host_out=out_of_a_host(caps),
    )
    return bound, float(result.metrics["makespan_s"])


GROUPS = st.lists(
    st.tuples(
        st.sampled_from([0.25, 1.0, 2.0]), st.sampled_from([0.0, 50.0, 200.0]), st.integers(1, 4)
    ),
    min_size=1,
    max_size=3,
)
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "per_cluster": st.integers(1, 4),
        "per_host_out": st.integers(1, 3),
        "per_host": st.integers(1, 3),
        "control_plane": st.sampled_from([0.5, 7.0]),
    },
)


@given(
    groups=GROUPS,
    limits=LIMITS,
    uplink=st.sampled_from([0.5, 1.0, 4.0]),
    cap=st.sampled_from([None, 256.0 * MiB]),
    order=st.sampled_from(["listed", "longest", "network-aware", "one-by-one"]),
)
@settings(max_examples=40, deadline=None)
def test_no_run_is_faster(
    groups: list[tuple[float, float, int]], limits: Data, uplink: float, cap: Any, order: str
) -> None:
    """A rack is emptied under all sorts of limits: never in less than the bound."""
    made = [
        guest(
            *([writer(rate * MiB, 0.3)] if rate else []), name=f"g{n}", memory=size * GiB,
            count=count, place={"rack": "rack0"}, makeup={"free_zero": 0.3},
        )
        for n, (size, rate, count) in enumerate(groups)
    ]  # fmt: skip
    data = scenario(
        *made,
        topology=leaf_spine(uplink=uplink * GiB),
        migration={"hypervisor": "qemu-10", "max_bandwidth": cap},
        operation={"kind": "drain", "hosts": "rack0/*", "limits": limits, "order": order},
    )
    bound, makespan = bound_of(data)
    assert 0 < bound.seconds <= makespan * (1 + 1e-9)


def test_an_idle_rack_is_emptied_nearly_as_fast_as_can_be() -> None:
    """Idle guests, all at once, over hosts' links: the bound is within 3 % of the run."""
    idle = [guest(name="g", count=8, place={"rack": "rack0"})]
    bound, makespan = bound_of(
        scenario(*idle, topology=leaf_spine(), operation={"kind": "drain", "hosts": "rack0/*"})
    )
    assert bound.what.startswith("the link of rack0/host")
    assert bound.seconds == pytest.approx(makespan, rel=0.03)


# --------------------------------------------------------------------------- after a run


def test_the_critical_path_leads_from_the_start_to_the_end() -> None:
    """One at a time: all migrations are on it, each starts where the one before ended."""
    one_by_one = {"kind": "drain", "hosts": HOST, "limits": {"per_cluster": 1}}
    result = solve(scenario(guest(count=5), operation=one_by_one))
    path = critical_path(rows(result, "migrations"))
    assert len(path) == 5
    assert (path[0]["started_s"], path[-1]["ended_s"]) == (0.0, result.metrics["makespan_s"])
    for row, following in pairwise(path):
        assert (following["after"], following["started_s"]) == (row["guest"], row["ended_s"])


def test_who_waited_for_nobody_is_a_path_alone() -> None:
    """All at once: the last to end had no one before it; and of nothing there is none."""
    migrations = rows(solve(scenario(guest(count=3))), "migrations")
    assert len(critical_path(migrations)) == 1
    assert critical_path([]) == []


def test_the_busiest_link_is_the_one_that_is_full() -> None:
    """The source's link carried all that it could, nearly all the time."""
    result = solve(scenario(guest(count=3)))
    link, share = busiest_link(rows(result, "links"), seconds=result.metrics["makespan_s"])
    assert "rack0/host" in link
    assert share == pytest.approx(1.0, rel=0.01)
    assert busiest_link([], seconds=1.0) == ("", 0.0)
