"""How unevenly hosts are used, and the moves that even it out."""

from __future__ import annotations

import math
import statistics
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.control.imbalance import MEASURES, OF_THE_BUSIEST, Loads, Portion, Shift, even_out
from dcsim.model.guest import Guest


def some_guest() -> Guest:
    """Return what stands for a guest."""
    return cast(Guest, object())


def portions(*guests: tuple[float, float]) -> list[Portion]:
    """Guests of so much load and memory."""
    return [Portion(some_guest(), load, memory) for load, memory in guests]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("max", 0.6),
        ("max-mean", 0.3),
        ("max-min", 0.5),
        ("std-dev", math.sqrt((0.2**2 + 0.1**2 + 0.3**2 + 0.0**2) / 4)),
        ("variation", math.sqrt(0.14 / 4) / 0.3 / math.sqrt(3)),
    ],
)
def test_measures_of_imbalance(measure: str, expected: float) -> None:
    """Each is what its name says, worked out by hand for loads with a mean of 0.3."""
    assert MEASURES[measure](Loads([0.1, 0.2, 0.6, 0.3])) == pytest.approx(expected)


@pytest.mark.parametrize("measure", [name for name in MEASURES if name != "max"])
@pytest.mark.parametrize("loads", [[], [0.5], [0.5, 0.5], [0.0, 0.0]])
def test_what_cannot_be_uneven_is_not(measure: str, loads: list[float]) -> None:
    """No host, one host, equal hosts and idle ones have no imbalance."""
    assert MEASURES[measure](Loads(loads)) == 0


def test_one_host_with_all_the_load_varies_most() -> None:
    """The variation is then 1, however many hosts there are and whatever the load is."""
    for hosts in (2, 3, 10):
        assert MEASURES["variation"](Loads([0.7] + [0.0] * (hosts - 1))) == pytest.approx(1.0)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.data())
def test_loads_that_shift_are_those_made_anew(start: list[float], data: st.DataObject) -> None:
    """Order and measures after some shifts are those of the loads that they come to."""
    loads = Loads(start)
    places = st.integers(0, len(start) - 1)
    for _ in range(data.draw(st.integers(0, 5))):
        source, destination = data.draw(st.lists(places, min_size=2, max_size=2, unique=True))
        load = data.draw(st.floats(0, loads.loads[source]))
        loads.shift(load, source, destination)
    anew = Loads(loads.loads)
    assert loads.order == anew.order
    for imbalance in MEASURES.values():
        # a deviation is the root of what rounding leaves
        assert imbalance(loads) == pytest.approx(imbalance(anew), abs=1e-6)


# --------------------------------------------------------------------------- moves


def choose(
    loads: list[float],
    guests: dict[int, list[Portion]],
    *,
    free: list[float] | None = None,
    measure: str = "max-mean",
    target: float = 0.0,
    moves: float = math.inf,
    per_byte: bool = False,
    sizes: list[float] | None = None,
    shut: dict[int, list[Guest]] | None = None,
) -> list[Shift]:
    """Return moves; memory is no matter unless it is given, and no host is shut to anyone."""
    return even_out(
        Loads(loads, sizes),
        free or [math.inf] * len(loads),
        lambda place: guests.get(place, []),
        lambda guest, place: guest not in (shut or {}).get(place, ()),
        measure=measure,
        target=target,
        moves=moves,
        per_byte=per_byte,
    )


def test_the_guest_that_evens_out_most_goes_from_the_busiest_to_the_least_busy() -> None:
    """Of 0.8 and 0.2, half of the difference is best; 0.7 would make the other the busier one."""
    small, half, large = own = portions((0.1, 1.0), (0.3, 1.0), (0.7, 1.0))
    assert choose([0.8, 0.5, 0.2], {0: own}) == [Shift(half.guest, 0, 2)]
    assert choose([0.8, 0.2], {0: [large]}) == []
    assert choose([0.8, 0.2], {0: [small, large]}) == [Shift(small.guest, 0, 1)]


def test_what_a_move_evens_out_may_count_for_each_byte() -> None:
    """A guest with little memory that wants much CPU is the cheaper one."""
    heavy, light = own = portions((0.3, 30.0), (0.2, 1.0))
    assert choose([0.8, 0.2], {0: own}, moves=1) == [Shift(heavy.guest, 0, 1)]
    assert choose([0.8, 0.2], {0: own}, moves=1, per_byte=True) == [Shift(light.guest, 0, 1)]


def test_a_round_ends_at_its_target_or_after_so_many_moves() -> None:
    """No guest moves that need not."""
    own = portions(*[(0.1, 1.0)] * 6)
    assert len(choose([0.6, 0.0], {0: own})) == 3
    assert len(choose([0.6, 0.0], {0: own}, target=0.1)) == 2  # but for rounding
    assert len(choose([0.6, 0.0], {0: own}, target=0.3)) == 0
    assert len(choose([0.6, 0.0], {0: own}, moves=1)) == 1


def test_guests_go_where_there_is_room_for_them() -> None:
    """The least busy host is full of memory; a guest that fits nowhere stays."""
    large, small = own = portions((0.2, 8.0), (0.1, 2.0))
    shifts = choose([0.6, 0.3, 0.0], {0: own}, free=[0.0, 4.0, 1.0])
    assert shifts == [Shift(small.guest, 0, 1)]
    assert choose([0.6, 0.3, 0.0], {0: [large]}, free=[0.0, 4.0, 1.0]) == []


def test_guests_go_where_they_may() -> None:
    """The least busy host does not take one of them; where none does, it stays."""
    (one,) = own = portions((0.2, 1.0))
    assert choose([0.6, 0.1, 0.0], {0: own}, shut={2: [one.guest]}) == [Shift(one.guest, 0, 1)]
    assert choose([0.6, 0.1], {0: own}, shut={1: [one.guest]}) == []


def test_hosts_that_differ_have_loads_of_their_own() -> None:
    """What is 0.4 of a small host is 0.1 of one that is four times its size."""
    (one,) = own = portions((0.4, 1.0))
    assert choose([0.5, 0.4, 0.2], {0: own}, sizes=[1.0, 1.0, 4.0]) == [Shift(one.guest, 0, 2)]
    assert choose([0.5, 0.4, 0.2], {0: own}) == []
    loads = Loads([0.5, 0.3], [1.0, 4.0])
    loads.shift(0.4, 0, 1)
    assert loads.loads == pytest.approx([0.1, 0.4])
    assert loads.mean() == pytest.approx(0.25)
    assert loads.deviation() == pytest.approx(0.15)


@pytest.mark.parametrize("measure", MEASURES)
def test_where_guests_of_the_busiest_host_stay(measure: str) -> None:
    """Others even out only what is measured by more than the busiest."""
    shifts = choose([0.9, 0.6, 0.0], {1: portions((0.2, 1.0))}, measure=measure)
    assert len(shifts) == (measure not in OF_THE_BUSIEST)


GUESTS = st.lists(st.tuples(st.floats(0.01, 0.3), st.floats(1, 10)), max_size=4)


@given(
    st.lists(GUESTS, min_size=2, max_size=5),
    st.sampled_from(sorted(MEASURES)),
    st.floats(0, 0.5),
    st.booleans(),
)
def test_moves_never_make_anything_worse(
    hosts: list[list[tuple[float, float]]], measure: str, target: float, per_byte: bool
) -> None:
    """No measure rises with any of them, none overfills a host, and no guest moves twice."""
    guests = {place: portions(*own) for place, own in enumerate(hosts)}
    start = [sum(load for load, _ in own) for own in hosts]
    free = [5.0] * len(hosts)
    shifts = choose(
        start, guests, free=list(free), measure=measure, target=target, per_byte=per_byte
    )
    assert len({shift.guest for shift in shifts}) == len(shifts)
    known = {portion.guest: portion for own in guests.values() for portion in own}
    loads = list(start)
    for shift in shifts:
        before = [imbalance(Loads(loads)) for imbalance in MEASURES.values()]
        assert MEASURES[measure](Loads(loads)) > target - 1e-6
        portion = known[shift.guest]
        loads[shift.source] -= portion.load
        loads[shift.destination] += portion.load
        free[shift.source] += portion.memory_bytes
        free[shift.destination] -= portion.memory_bytes
        after = [imbalance(Loads(loads)) for imbalance in MEASURES.values()]
        assert all(now <= then + 1e-6 for then, now in zip(before, after, strict=True))
        assert statistics.pvariance(loads) < statistics.pvariance(start) + 1e-12
    assert min(free) >= 0
