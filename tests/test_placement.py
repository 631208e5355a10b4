"""Which destination: room, and the choice among those with room."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.control.placement import PLACEMENTS, Placement, Room, first_fit, spread
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.units import GiB
from tests.worlds import guest, leaf_spine, rows, scenario, solve


@dataclass
class Sized:
    """As much of a guest as a placement looks at."""

    memory_bytes: float


def sized(size: float) -> Guest:
    """Return what stands for a guest of that size."""
    return cast(Guest, Sized(size))


def host(name: str, free: float) -> Host:
    """Return a host of 10 with so much of it free."""
    found = Host(name=name, rack="", node=0, cores=1, memory_bytes=10.0)
    found.used_bytes = 10.0 - free
    return found


def room(hosts: list[Host]) -> Room:
    """Return the room of hosts that are all open."""
    return Room(hosts, lambda _: True)


def test_a_guest_fits_where_there_is_as_much_as_it_needs() -> None:
    """Exactly enough is enough."""
    hosts = [host("a", 4.0)]
    assert room(hosts).first(4.0) is hosts[0]
    assert room(hosts).first(4.1) is None


def test_first_fit_takes_the_first_with_room() -> None:
    """In the order given, whatever the others have."""
    hosts = [host("a", 1.0), host("b", 4.0), host("c", 9.0)]
    assert first_fit(room(hosts), 2.0) is hosts[1]


def test_spread_takes_the_emptiest() -> None:
    """The most free memory; of equals, the first."""
    hosts = [host("a", 1.0), host("b", 9.0), host("c", 9.0)]
    assert spread(room(hosts), 1.0) is hosts[1]


@pytest.mark.parametrize("place", PLACEMENTS.values(), ids=PLACEMENTS.keys())
def test_no_room_is_no_host(place: Placement) -> None:
    """Without room anywhere, and without hosts, there is no destination."""
    assert place(room([host("a", 1.0)]), 2.0) is None
    assert place(room([]), 2.0) is None
    assert room([]).emptiest is None


sizes = st.integers(0, 10).map(float)


@given(
    st.lists(sizes, max_size=9),
    st.lists(st.tuples(st.integers(0, 8), sizes, st.booleans(), sizes), max_size=20),
)
def test_room_chooses_what_a_search_of_all_hosts_does(
    free: list[float], changes: list[tuple[int, float, bool, float]]
) -> None:
    """Whatever becomes free, full, open or closed in the meantime."""
    hosts = [host(f"host{i}", size) for i, size in enumerate(free)]
    closed: set[Host] = set()
    kept = Room(hosts, lambda host: host not in closed)
    for at, left, is_open, size in changes:
        if at < len(hosts):
            one = hosts[at]
            before = -math.inf if one in closed else one.free_bytes
            one.used_bytes = 10.0 - left
            (closed.discard if is_open else closed.add)(one)
            assert kept.note(one) == (is_open and left > before)
        fitting = [h for h in hosts if h not in closed and size <= h.free_bytes]
        assert first_fit(kept, size) is next(iter(fitting), None)
        assert spread(kept, size) is max(fitting, key=lambda h: h.free_bytes, default=None)


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("spread", {"rack1/host0": 4, "rack1/host1": 4}),
        ("first-fit", {"rack1/host0": 6, "rack1/host1": 2}),
    ],
)
def test_a_drain_places_as_it_is_told(placement: str, expected: dict[str, int]) -> None:
    """Eight guests of 1 GiB go to two hosts of 6 GiB: evenly, or one after the other."""
    topology = leaf_spine(host={"cores": 8, "memory": 6.0 * GiB})
    data = scenario(guest(count=8, place={"rack": "rack0"}), topology=topology)
    data["operation"] = {"kind": "drain", "hosts": "rack0/*", "placement": placement}
    migrations = rows(solve(data), "migrations")
    assert Counter(m["destination"] for m in migrations) == expected


def test_hosts_that_are_drained_receive_nothing() -> None:
    """A drain of half the racks goes to the other half only."""
    data = scenario(guest(count=8, place={"rack": "rack0"}), topology=leaf_spine())
    data["operation"] = {"kind": "drain", "hosts": "rack0/*"}
    assert all(m["destination"].startswith("rack1/") for m in rows(solve(data), "migrations"))
