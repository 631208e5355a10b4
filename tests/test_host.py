"""A host's books: memory used, reserved and given back; CPU shared and who is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.errors import InvariantError, SimulationError
from dcsim.model.host import Host
from dcsim.model.invariants import check_host

GiB = 2.0**30


@dataclass(eq=False)
class Tenant:
    """What a host needs to know of a guest; it asks for its CPU anew whenever it looks."""

    name: str = "guest"
    memory_bytes: float = GiB
    vcpus: float = 1.0
    terms: None = None
    wants: float = 0.0
    host: Host | None = None
    looks: int = 0
    seen: list[float] = field(default_factory=list)

    def look(self) -> None:
        assert self.host is not None
        self.looks += 1
        self.seen.append(self.host.cpu_factor)
        self.host.demand_cpu(self, self.wants)  # type: ignore[arg-type]

    def want(self, cores: float) -> None:
        self.wants = cores
        assert self.host is not None
        self.host.demand_cpu(self, cores)  # type: ignore[arg-type]


def host(**options: Any) -> Any:
    sizes = {"name": "rack0/host0", "rack": "rack0", "node": 0, "cores": 8.0}
    return Host(**sizes | {"memory_bytes": 10 * GiB} | options)


def tenants(place: Any, n: int, **options: Any) -> list[Tenant]:
    """Return guests that live on the host."""
    guests = [Tenant(f"guest{i}", host=place, **options) for i in range(n)]
    for guest in guests:
        place.admit(guest)
    return guests


# ----------------------------------------------------------------------- memory


def test_an_empty_host() -> None:
    """At first all memory is free and nobody is held up."""
    place = host()
    assert (place.free_bytes, place.used_bytes, place.peak_bytes) == (10 * GiB, 0, 0)
    assert (place.cpu_factor, place.draining, place.moved_in, place.moved_out) == (1, False, 0, 0)
    check_host(place)


def test_a_reservation_becomes_a_guest() -> None:
    """Memory set aside is taken once: when reserved, not again when the guest comes."""
    place, guest = host(), Tenant(memory_bytes=3 * GiB)
    place.reserve(guest)
    assert (place.free_bytes, list(place.reserved), list(place.guests)) == (7 * GiB, [guest], [])
    check_host(place)
    place.admit(guest)
    assert (place.free_bytes, list(place.reserved), list(place.guests)) == (7 * GiB, [], [guest])
    check_host(place)
    place.dismiss(guest)
    assert (place.free_bytes, place.guests) == (10 * GiB, {})
    assert place.peak_bytes == 3 * GiB


def test_a_move_that_fails_gives_its_reservation_back() -> None:
    """After a release the memory is there for another guest."""
    place, guest, other = host(), Tenant(memory_bytes=6 * GiB), Tenant("other", 9 * GiB)
    place.reserve(guest)
    with pytest.raises(SimulationError, match="rack0/host0 has no room for other"):
        place.reserve(other)
    assert place.used_bytes == 6 * GiB
    place.release(guest)
    place.reserve(other)
    assert (place.used_bytes, place.peak_bytes) == (9 * GiB, 9 * GiB)
    check_host(place)


def test_a_host_can_be_filled_to_the_last_byte() -> None:
    """Rounding refuses no guest that fits exactly; one more page is too much."""
    place = host(memory_bytes=0.3 * GiB)
    for i in range(3):
        place.reserve(Tenant(f"guest{i}", 0.1 * GiB))
    assert place.free_bytes == pytest.approx(0, abs=1e-3)
    check_host(place)
    with pytest.raises(SimulationError, match="no room for late"):
        place.reserve(Tenant("late", 4096.0))


def test_a_check_notices_books_that_do_not_balance() -> None:
    """Memory booked for nobody, and guests beyond the memory, are told with their figures."""
    place = host()
    tenants(place, 2)
    place.used_bytes += GiB
    with pytest.raises(InvariantError, match="guests take 2147483648 B, 3221225472 B are booked"):
        check_host(place)
    full = host(memory_bytes=1.5 * GiB)
    tenants(full, 2)
    with pytest.raises(InvariantError, match="2147483648 B of 1610612736 B used"):
        check_host(full)


@given(
    program=st.lists(
        st.tuples(
            st.sampled_from(["reserve", "admit", "release", "dismiss", "want", "threads"]),
            st.integers(0, 9),
        ),
        max_size=40,
    )
)
def test_books_balance_whatever_happens(program: list[tuple[str, int]]) -> None:
    """Used memory is that of guests and reservations; the factor follows what is wanted."""
    place = host()
    known = [Tenant(f"guest{i}", (i + 1) * 0.37 * GiB, host=place) for i in range(10)]
    threads = 0.0
    for what, n in program:
        guest = known[n]
        there = guest in place.guests or guest in place.reserved
        if what == "reserve" and not there and guest.memory_bytes <= place.free_bytes:
            place.reserve(guest)
        elif what == "admit" and guest in place.reserved:
            place.admit(guest)
        elif what == "release" and guest in place.reserved:
            place.release(guest)
        elif what == "dismiss" and guest in place.guests:
            guest.wants = 0.0
            place.dismiss(guest)
        elif what == "want" and guest in place.guests:
            guest.want(0.7 * n)
        elif what == "threads":
            threads += 0.5
            place.run_threads(0.5)
        check_host(place)
        wanted = threads + sum(guest.wants for guest in place.guests)
        assert place.cpu_factor == pytest.approx(min(1.0, 8 / wanted) if wanted else 1.0)
        assert place.used_bytes <= place.peak_bytes <= place.memory_bytes * (1 + 1e-9)
    for guest in list(place.guests):
        place.dismiss(guest)
    for guest in list(place.reserved):
        place.release(guest)
    assert place.used_bytes == pytest.approx(0, abs=1e-3)


# ----------------------------------------------------------------------- CPU


def test_cores_are_shared_in_proportion() -> None:
    """Twice as much wanted as there is: everyone gets half of what he wants."""
    place = host(cores=8.0)
    first, second = tenants(place, 2)
    first.want(4.0)
    assert place.cpu_factor == 1.0
    second.want(12.0)
    assert place.cpu_factor == 0.5
    second.want(2.0)
    assert place.cpu_factor == 1.0


def test_migration_threads_take_their_cores() -> None:
    """Threads compete with guests while they run; what has ended takes nothing."""
    place = host(cores=4.0)
    (guest,) = tenants(place, 1)
    guest.want(4.0)
    place.run_threads(1.0)
    assert place.cpu_factor == pytest.approx(0.8)
    place.run_threads(1.0)
    assert place.cpu_factor == pytest.approx(4 / 6)
    place.run_threads(-1.0)
    place.run_threads(-1.0)
    assert place.cpu_factor == 1.0
    place.run_threads(-5.0)
    place.run_threads(2.0)
    assert place.cpu_factor == pytest.approx(4 / 6)


def test_guests_look_when_their_share_has_changed() -> None:
    """All but the one who asked are told of a new share, and they see it in place."""
    place = host(cores=2.0)
    one, two, three = tenants(place, 3)
    one.want(1.0)
    two.want(1.0)
    assert [guest.looks for guest in (one, two, three)] == [0, 0, 0]
    three.want(2.0)
    assert [guest.looks for guest in (one, two, three)] == [1, 1, 0]
    assert one.seen == two.seen == [0.5]
    three.want(2.0)
    place.run_threads(0.0)
    assert [guest.looks for guest in (one, two, three)] == [1, 1, 0]
    place.run_threads(4.0)
    assert [guest.looks for guest in (one, two, three)] == [2, 2, 1]
    assert three.seen == [0.25]


def test_many_changes_leave_the_share_exact() -> None:
    """However often guests have changed what they want, what there is of it is shared exactly."""
    place = host(cores=1.0)
    one, two = tenants(place, 2)
    for n in range(1000):
        one.want(0.1 * (n % 7))
        two.want(0.3 / (n + 1))
    two.want(0.3)
    one.want(0.7)
    assert place.cpu_factor == 1.0
    one.want(0.8)
    assert place.cpu_factor == 1.0 / (0.8 + 0.3)


def test_a_guest_that_leaves_leaves_its_cpu() -> None:
    """What a guest wanted is the others' once it is gone, and they are told."""
    place = host(cores=2.0)
    one, two = tenants(place, 2)
    one.want(2.0)
    two.want(2.0)
    place.dismiss(two)
    assert place.cpu_factor == 1.0
    assert (one.looks, one.seen[-1], two.looks) == (2, 1.0, 0)


def test_a_guest_that_asks_anew_when_told_settles() -> None:
    """Guests that answer a new share with a new demand come to rest, at a share that fits."""

    class Eager(Tenant):
        def look(self) -> None:
            assert self.host is not None
            self.wants = 3.0 if self.host.cpu_factor < 0.8 else self.wants
            super().look()

    place = host(cores=4.0)
    guests = [Eager(f"guest{i}", host=place) for i in range(3)]
    for guest in guests:
        place.admit(guest)
        guest.want(2.0)
    assert place.cpu_factor == pytest.approx(4 / sum(guest.wants for guest in guests))
    assert sum(guest.looks for guest in guests) < 30
