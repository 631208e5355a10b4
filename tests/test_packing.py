"""Guests packed onto fewer hosts."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.control.packing import Emptying, Portion, Use, emptied, total
from dcsim.model.guest import Guest

Own = tuple[float, float]
"""Memory and cores of a guest."""


def some_guest() -> Guest:
    """Return what stands for a guest."""
    return cast(Guest, object())


def pack(
    hosts: list[list[Own]], *, stay: set[int] | None = None, shut: int = -1, **rules: Any
) -> list[Any]:
    """Pack guests on hosts of 10 bytes and 10 cores; those of some stay, one takes none."""
    guests = [[Portion(some_guest(), memory, cores) for memory, cores in own] for own in hosts]
    uses = [Use(sum(o[0] for o in own), sum(o[1] for o in own), 10.0, 10.0) for own in hosts]
    options = {"fill": 1.0, "keep": 1, "below": 1.0, "spare": 0.0} | rules
    found = emptied(
        uses,
        lambda place: None if place in (stay or ()) else guests[place],
        lambda guest, place: place != shut,
        **options,
    )
    check(guests, uses, found, fill=options["fill"])
    return [(e.place, sorted(to for _, to in e.moves)) for e in found]


def check(
    guests: list[list[Portion]], uses: list[Use], found: list[Emptying], *, fill: float
) -> None:
    """Check that all guests of emptied hosts move, to others, within what may be filled."""
    gone = {emptying.place for emptying in found}
    own = {portion.guest: portion for each in guests for portion in each}
    used = [[use.used_bytes, use.used_cores] for use in uses]
    taking = set()
    for place, moves in found:
        assert {guest for guest, _ in moves} == {portion.guest for portion in guests[place]}
        for guest, to in moves:
            assert to not in gone
            taking.add(to)
            used[to][0] += own[guest].memory_bytes
            used[to][1] += own[guest].cores
    for to in taking:
        assert max(used[to]) <= 10 * fill * (1 + 1e-9)


def test_the_least_used_hosts_are_emptied_onto_the_fullest() -> None:
    """The last of equals goes first; guests go where the least room is left."""
    assert pack([[(1, 0)], [(5, 0)], [(7, 0)], [(1, 0)]]) == [(3, [2]), (0, [2])]
    assert pack([[(5, 0)], [(5, 0)], [], []]) == [(3, []), (2, []), (1, [0])]


def test_no_host_is_filled_further_than_it_may_be() -> None:
    """Neither its memory nor its cores."""
    assert pack([[(4, 0)], [(4, 0)]], fill=0.8) == [(1, [0])]
    assert pack([[(4, 0)], [(4.1, 0)]], fill=0.8) == []
    assert pack([[(4, 4)], [(4, 4.1)]], fill=0.8) == []
    # the second host has the least room for memory, but no cores
    assert pack([[(4, 1)], [(5, 9)], [(1, 2)]], fill=1.0, keep=2) == [(2, [0])]


def test_a_host_is_emptied_only_if_all_its_guests_fit_elsewhere() -> None:
    """What was found for some of them is given back."""
    assert pack([[(6, 0)], [(6, 0)], [(3, 0), (2, 0)]]) == [(2, [0, 1])]
    assert pack([[(6, 0)], [(6, 0)], [(3, 0), (4.5, 0)]]) == []
    hosts: list[list[Own]] = [[(7, 0)], [(7, 0)], [(3, 0), (3, 0), (0.5, 0)]]
    assert pack(hosts) == []
    assert pack([*hosts, [(2, 0)]]) == [(3, [0])]


def test_guests_go_where_they_may() -> None:
    """One host takes nobody."""
    assert pack([[(1, 0)], [(5, 0)], [(7, 0)]], keep=2, shut=2) == [(0, [1])]


def test_hosts_that_are_kept() -> None:
    """So many; those that are used too much, or have a guest that stays; some memory is spare."""
    idle: list[list[Own]] = [[(1, 0)]] * 4
    assert len(pack(idle)) == 3
    assert len(pack(idle, keep=3)) == 1
    assert len(pack(idle, keep=9)) == 0
    assert len(pack(idle, below=0.05)) == 0
    assert len(pack(idle, spare=0.5)) == 3
    assert len(pack(idle, spare=0.7)) == 2
    assert pack(idle, stay={3, 2}) == [(1, [0])]


def test_of_all_that_stays_on_no_more_is_used_than_may_be() -> None:
    """An empty host is left on where the others are full: what is woken is not put out again."""
    assert pack([[(9, 0)], [(9, 0)], []], fill=0.8) == []
    assert pack([[(1, 9)], [(1, 9)], []], fill=0.8) == []
    assert pack([[(9, 0)], [(5, 0)], []], fill=0.8) == [(2, [])]


def test_of_no_hosts_none_is_emptied() -> None:
    """Nothing is on."""
    assert pack([]) == []


def test_what_all_hosts_use() -> None:
    """Sums, and the greater of two shares."""
    assert total([Use(1, 2, 10, 4), Use(3, 1, 10, 4)]) == Use(4, 3, 20, 8)
    assert Use(5, 1, 10, 4).share == pytest.approx(0.5)
    assert Use(1, 3, 10, 4).share == pytest.approx(0.75)


@given(
    st.lists(
        st.lists(st.tuples(st.floats(0.5, 4), st.floats(0, 4)), max_size=3),
        min_size=1, max_size=6,
    ),
    st.floats(0.3, 1),
    st.integers(1, 3),
    st.sets(st.integers(0, 5), max_size=2),
)  # fmt: skip
def test_packing_never_overfills_and_forgets_no_guest(
    hosts: list[list[Own]], fill: float, keep: int, stay: set[int]
) -> None:
    """Whatever the guests are (`pack` checks it), and enough hosts are left."""
    found = pack(hosts, fill=fill, keep=keep, stay=stay)
    assert len(hosts) - len(found) >= min(keep, len(hosts))
    assert not stay & {place for place, _ in found}
