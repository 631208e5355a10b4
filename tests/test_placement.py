"""Which destination: room, and the choice among those with room."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

import pytest

from dcsim.control.placement import PLACEMENTS, first_fit, fits, spread
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


def test_a_guest_fits_where_there_is_as_much_as_it_needs() -> None:
    """Exactly enough is enough."""
    assert fits(sized(4.0), host("a", 4.0))
    assert not fits(sized(4.0), host("a", 3.9))


def test_first_fit_takes_the_first_with_room() -> None:
    """In the order given, whatever the others have."""
    hosts = [host("a", 1.0), host("b", 4.0), host("c", 9.0)]
    assert first_fit(sized(2.0), iter(hosts)) is hosts[1]


def test_spread_takes_the_emptiest() -> None:
    """The most free memory; of equals, the first."""
    hosts = [host("a", 1.0), host("b", 9.0), host("c", 9.0)]
    assert spread(sized(1.0), iter(hosts)) is hosts[1]


@pytest.mark.parametrize("place", PLACEMENTS.values(), ids=PLACEMENTS.keys())
def test_no_room_is_no_host(place: Any) -> None:
    """Without room anywhere, and without hosts, there is no destination."""
    assert place(sized(2.0), iter([host("a", 1.0)])) is None
    assert place(sized(2.0), iter([])) is None


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
