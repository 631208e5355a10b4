"""What guests ask of hosts beside memory: never broken, told in words, and found a way around."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dcsim.control.placement import Placer
from dcsim.errors import ScenarioError
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.model.terms import Circle, Terms
from dcsim.scenario.spec import Scenario
from dcsim.simulation import prepare, run
from dcsim.units import GiB
from tests.test_placement import sized
from tests.worlds import FLUID, Data, guest, leaf_spine, rows, scenario, solve


def hosts_of(*shapes: dict[str, Any], memory: float = 8 * GiB) -> list[Host]:
    """Return hosts, two to a rack, that share what they know of sets."""
    known: Any = {}
    sizes: dict[str, Any] = {"cores": 2.0, "memory_bytes": memory, "whereabouts": known}
    return [
        Host(name=f"rack{i // 2}/host{i % 2}", rack=f"rack{i // 2}", node=i, **sizes | shape)
        for i, shape in enumerate(shapes)
    ]


def placer(hosts: list[Host], placement: str = "first-fit") -> Placer:
    """Return a placer of hosts that all take guests."""
    return Placer(hosts, placement=placement, is_open=lambda _: True)


def stand(guest: Guest, host: Host) -> Guest:
    """Let a guest stand on a host, and return it."""
    guest.host = host
    host.admit(guest)
    return guest


def circle(by: str = "host", *, apart: bool = True, number: int = 0) -> Circle:
    """Return a set of guests."""
    return Circle("web", number, by, apart)


PLAIN: list[dict[str, Any]] = [{}] * 6

# --------------------------------------------------------------------------- in words


def why(hosts: list[Host], one: Guest, *, leaving: int = 2, wanted: Host | None = None) -> str:
    """Return why a guest that leaves the first hosts finds none of the others."""
    kept = placer(hosts)
    for host in hosts[:leaving]:
        host.draining = True
        kept.close(host)
    stand(one, hosts[0])
    if wanted is None:
        assert kept.find(one, hosts[0]) is None
    else:
        assert not kept.fits(one, wanted)
    return kept.why_not(one, hosts[0], wanted)


def test_memory_is_told_with_the_most_there_is() -> None:
    """What is free where most is; or that no host is left."""
    hosts = hosts_of(*PLAIN[:4])
    stand(sized(4 * GiB), hosts[2])
    text = "no other host has 16 GiB free; the most free is 8 GiB on rack1/host1"
    assert why(hosts, sized(16 * GiB)) == text
    text = "no other host has 1 GiB free; none is left"
    assert why(hosts_of({}, {}), sized(1 * GiB)) == text


def test_labels_and_flags_are_told_with_who_has_them() -> None:
    """How many of the others have them, and what those lack; or who alone has them."""
    zones = [{"labels": {"zone": "ab"[i % 2]}, "flags": frozenset(["avx"] * (i < 2))}
             for i in range(6)]  # fmt: skip
    in_a = Terms(requires=(("zone", "a"),))
    assert why(hosts_of(*zones), sized(16 * GiB, terms=in_a)) == (
        "2 of 4 other hosts have zone=a; "
        "the most free of them is 8 GiB on rack1/host0, it needs 16 GiB"
    )
    flagged = Terms(cpu_flags=("avx",))
    text = "no other host has cpu flag avx: only in rack0, closed to guests"
    assert why(hosts_of(*zones), sized(GiB, terms=flagged)) == text
    both = Terms(requires=(("zone", "a"),), cpu_flags=("avx",))
    assert why(hosts_of(*zones), sized(GiB, terms=both)) == (
        "2 of 4 other hosts have zone=a; "
        "none of them has cpu flag avx: only in rack0, closed to guests"
    )
    nowhere = Terms(requires=(("zone", "c"),))
    assert why(hosts_of(*zones), sized(GiB, terms=nowhere)) == "no other host has zone=c"
    hosts = hosts_of(*zones)
    text = "rack1/host1 does not have zone=a"
    assert why(hosts, sized(GiB, terms=in_a), wanted=hosts[3]) == text


def test_sets_are_told_with_their_places() -> None:
    """Each place that is left holds one of them; or the others are where there is no room."""
    terms = Terms(apart=circle("rack"))
    hosts = hosts_of(*PLAIN)
    for other in hosts[2], hosts[5]:
        stand(sized(GiB, terms=terms), other)
    text = "each of the 2 racks left holds one of its set"
    assert why(hosts, sized(GiB, terms=terms)) == text
    assert why(hosts, sized(GiB, terms=terms), wanted=hosts[3]) == (
        "the rack of rack1/host1 holds another of its set"
    )
    hosts = hosts_of(*PLAIN)
    terms = Terms(together=circle("rack", apart=False))
    stand(sized(8 * GiB, terms=terms), hosts[2])
    stand(sized(6 * GiB), hosts[3])
    assert why(hosts, sized(4 * GiB, terms=terms)) == (
        "2 of 4 other hosts are where its set is, in rack1; "
        "the most free of them is 2 GiB on rack1/host1, it needs 4 GiB"
    )
    hosts = hosts_of(*PLAIN)
    terms = Terms(together=circle(apart=False))
    stand(sized(5 * GiB, terms=terms), hosts[0])
    assert why(hosts, sized(4 * GiB, terms=terms)) == (
        "its set stays on one host and needs 9 GiB there; the most free is 8 GiB on rack1/host0"
    )


def test_vcpus_are_told_where_they_are_counted() -> None:
    """As many as cores times the ratio; with room for them, memory is what counts."""
    hosts = hosts_of(*[{"cpu_overcommit": 2.0}] * 4)
    stand(sized(GiB, vcpus=3), hosts[2])
    stand(sized(GiB, vcpus=2), hosts[3])
    text = "no other host has 4 vCPUs left; the most is 2 on rack1/host1"
    assert why(hosts, sized(GiB, vcpus=4)) == text
    assert why(hosts, sized(GiB, vcpus=4), wanted=hosts[2]) == (
        "rack1/host0 has 1 vCPU left, it needs 4 vCPUs"
    )


def test_a_host_that_takes_no_guests_says_so() -> None:
    """Closed for good, or only for now."""
    hosts = hosts_of(*PLAIN[:2])
    kept = Placer(hosts, placement="spread", is_open=lambda _: False)
    one = stand(sized(GiB), hosts[0])
    assert kept.why_not(one, hosts[0]) == "no other host takes more now"
    assert kept.why_not(one, hosts[0], hosts[1]) == "rack0/host1 takes no more guests now"
    kept.close(hosts[1])
    assert kept.why_not(one, hosts[0], hosts[1]) == "rack0/host1 takes no guests now"


# --------------------------------------------------------------------------- never broken

MEMBERS = st.tuples(
    st.sampled_from([1.0, 2.0, 3.0]),
    st.integers(0, 1),
    st.sampled_from(["host", "rack", "zone"]),
    st.booleans(),
    st.sampled_from([None, "a", "b"]),
)


def broken(hosts: list[Host], guests: list[Guest]) -> list[str]:
    """Look at all guests, and return what is not as they ask; who must leave is left out."""
    faults = []
    for one in guests:
        places = [h for h in hosts if one in h.guests or one in h.reserved]
        for host in places:
            for key, value in one.terms.requires if one.terms else ():
                if host.label(key) != value:
                    faults.append(f"{host.name} has not {key}={value}")
            apart = one.terms.apart if one.terms else None
            for other in guests:
                if apart and other is not one and other.terms and other.terms.apart == apart:
                    there = [h for h in hosts if other in h.guests or other in h.reserved]
                    if host.label(apart.by) in [h.label(apart.by) for h in there]:
                        faults.append(f"two of a set on {host.name}")
    for host in hosts:
        if host.used_bytes > host.limit_bytes or host.used_vcpus > host.limit_vcpus:
            faults.append(f"{host.name} is too full")
    return faults


@settings(max_examples=200, deadline=None)
@given(
    st.lists(MEMBERS, min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 7), st.sampled_from("smefoc")), max_size=60),
    st.sampled_from(["first-fit", "best-fit", "spread", "nearest"]),
)
def test_what_guests_ask_is_never_broken(
    members: list[tuple[float, int, str, bool, str | None]],
    steps: list[tuple[int, str]],
    placement: str,
) -> None:
    """Guests start, move, arrive, or fail to; hosts open and close: sets and bounds are kept.

    What a placer finds is what a look at all hosts finds; what it does not find fits nowhere.
    """
    shapes = [{"labels": {"zone": "ab"[i % 2]}, "cpu_overcommit": 2.5} for i in range(6)]
    hosts = hosts_of(*shapes, memory=6.0)
    kept = placer(hosts, placement)
    guests = []
    for size, number, by, apart, zone in members:
        ring = circle(by, apart=apart, number=number)
        guests.append(
            sized(
                size,
                vcpus=size,
                terms=Terms(
                    requires=(("zone", zone),) if zone else (),
                    apart=ring if apart else None,
                    together=None if apart else ring,
                ),
            )
        )
    at: dict[Guest, Host] = {}
    to: dict[Guest, Host] = {}
    for index, step in steps:
        one, host = guests[index % len(guests)], hosts[index % 6]
        source = at.get(one)
        touched = [host]
        if step == "s" and source is None:
            found = kept.find(one, None)
            assert (found is not None) == any(kept.fits(one, h) for h in hosts)
            if found is not None:
                found.admit(one)
                at[one] = found
                touched = [found]
        elif step == "m" and source is not None and one not in to:
            found = kept.find(one, source)
            assert (found is not None) == any(kept.fits(one, h) for h in hosts if h is not source)
            if found is not None:
                found.reserve(one)
                to[one] = found
                touched = [found]
            else:
                assert kept.why_not(one, source)
        elif step == "e" and one in to:
            assert source is not None
            source.dismiss(one)
            to[one].admit(one)
            touched = [source, to[one]]
            at[one] = to.pop(one)
        elif step == "f" and one in to:
            touched = [to.pop(one)]
            touched[0].release(one)
        elif step == "o":
            kept.open(host)
        elif step == "c":
            kept.close(host)
        for changed in touched:
            kept.note(changed)
        assert broken(hosts, guests) == []
    for counts in hosts[0].whereabouts.values():
        assert all(count > 0 for count in counts.values())


def test_a_set_that_leaves_goes_together() -> None:
    """The first chooses a host with room for all of it; the others follow, and nowhere else."""
    hosts = hosts_of(*PLAIN)
    kept = placer(hosts, "spread")
    stand(sized(3 * GiB), hosts[3])
    terms = Terms(together=circle(apart=False))
    ring = [stand(sized(2 * GiB, terms=terms), hosts[0]) for _ in range(3)]
    for host in hosts[2], hosts[4], hosts[5]:
        stand(sized(4 * GiB), host)
        kept.note(host)
    kept.close(hosts[0])
    kept.close(hosts[1])
    kept.note(hosts[3])
    assert kept.find(ring[0], hosts[0]) is None
    hosts[3].dismiss(next(iter(hosts[3].guests)))
    assert kept.note(hosts[3])
    for one in ring:
        found = kept.find(one, hosts[0])
        assert found is hosts[3]
        found.reserve(one)
        kept.note(found)


def test_who_leaves_a_place_makes_room_for_its_set() -> None:
    """Though the host it leaves takes none: another in its rack does now."""
    hosts = hosts_of(*PLAIN[:4])
    kept = placer(hosts)
    terms = Terms(apart=circle("rack"))
    there, one = stand(sized(GiB, terms=terms), hosts[2]), stand(sized(GiB, terms=terms), hosts[0])
    kept.close(hosts[0])
    kept.close(hosts[1])
    kept.close(hosts[2])
    assert kept.find(one, hosts[0]) is None
    hosts[2].dismiss(there)
    assert kept.note(hosts[2])
    assert not kept.note(hosts[2])
    assert kept.find(one, hosts[0]) is hosts[3]


def test_alike_are_those_that_find_the_same() -> None:
    """One size and the same terms; vCPUs only where they are counted."""
    plain, bound = placer(hosts_of(*PLAIN)), placer(hosts_of({"cpu_overcommit": 1.0}, {}))
    one, other = sized(1.0, vcpus=1), sized(1.0, vcpus=2)
    assert plain.alike(one) == plain.alike(other)
    assert bound.alike(one) != bound.alike(other)
    terms = Terms(apart=circle())
    assert plain.alike(sized(1.0, terms=terms)) == plain.alike(sized(1.0, terms=Terms(*terms)))
    assert plain.alike(sized(1.0, terms=terms)) != plain.alike(one)


# --------------------------------------------------------------------------- two moves


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([1.0, 2.0, 3.0, 4.0]),
            st.integers(0, 2),
            st.booleans(),
        ),
        max_size=14,
    ),
    st.sampled_from([2.0, 3.0, 4.0, 5.0]),
    st.integers(0, 2),
)
def test_a_swap_is_found_when_there_is_one(
    standing: list[tuple[int, float, int, bool]], size: float, number: int
) -> None:
    """A guest that makes room on its host by going to another: as a search of all finds."""
    hosts = hosts_of(*[{"cpu_overcommit": 3.0}] * 5, memory=6.0)
    kept = placer(hosts)

    def terms(number: int) -> Terms | None:
        return Terms(apart=circle("rack", number=number)) if number else None

    others = []
    for at, other_size, other_number, movable in standing:
        other = sized(other_size, vcpus=1, terms=terms(other_number))
        if kept.fits(other, hosts[at]):
            others.append((stand(other, hosts[at]), movable))
            kept.note(hosts[at])
    source = hosts[4]
    one = stand(sized(size, vcpus=1, terms=terms(number)), source)
    kept.close(source)
    fitting = {other for other, movable in others if movable}
    found = kept.swap(one, source, lambda other: other in fitting)

    def works(other: Guest, host: Host, there: Host) -> bool:
        if there in (host, source) or not kept.fits(other, there):
            return False
        host.dismiss(other)
        there.admit(other)
        fits = kept.fits(one, host)
        there.dismiss(other)
        host.admit(other)
        return fits

    if found is not None:
        other, host, there = found
        assert other in fitting
        assert other in host.guests
        assert works(other, host, there)
    else:
        assert not [
            (other, host, there)
            for host in hosts[:4]
            for other in list(host.guests)
            if other in fitting
            for there in hosts[:4]
            if works(other, host, there)
        ]


# --------------------------------------------------------------------------- in a run


def drained(*groups: Data, **net: Any) -> list[Data]:
    """Return the migrations of a drain of the first rack of two or more."""
    data = scenario(*groups, topology=leaf_spine(**net))
    data["operation"] = {"kind": "drain", "hosts": "rack0/*"}
    return rows(solve(data), "migrations")


@pytest.mark.parametrize("placement", ["first-fit", "pack", "spread"])
def test_a_drain_keeps_sets_apart(placement: str) -> None:
    """Pairs that stand apart by host at first do so afterwards."""
    data = scenario(guest(count=6, apart={"of": 2}, place={"rack": "rack0"}), topology=leaf_spine())
    data["operation"] = {"kind": "drain", "hosts": "rack0/*", "placement": placement}
    moved = rows(solve(data), "migrations")
    where = {row["guest"]: row["destination"] for row in moved}
    assert [row["outcome"] for row in moved] == ["completed"] * 6
    for n in range(0, 6, 2):
        assert where[f"guest-{n}"] != where[f"guest-{n + 1}"]


def test_a_drain_waits_for_a_place_of_its_own() -> None:
    """Three apart by rack, on three racks of which one is drained: one finds none, and says why."""
    group = guest(count=3, apart={"by": "rack"}, place={"hosts": "*"})
    moved = drained(group, leaves=3)
    assert [(row["outcome"], row["reason"]) for row in moved] == [
        ("no-room", "each of the 2 racks left holds one of its set")
    ]


def test_overcommitted_memory_can_be_promised() -> None:
    """Twice the memory: guests that fill a rack go to the other, which is full then."""
    host = {"cores": 8, "memory": 2.0 * GiB, "overcommit": {"memory": 2}}
    moved = drained(guest(count=8, place={"rack": "rack0"}), host=host)
    assert {row["outcome"] for row in moved} == {"completed"}


GROUPS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from([0.5, 1.0, 1.5]),
        st.sampled_from([None, "apart", "together"]),
        st.sampled_from(["host", "rack", "zone"]),
        st.sampled_from([None, "a", "b"]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(
    GROUPS,
    st.sampled_from(["first-fit", "pack", "spread", "same-rack", "nearest"]),
    st.sampled_from([None, 1, 2]),
    st.sampled_from(["rack0/*", "*/host0", "rack[01]/*"]),
    st.booleans(),
)
def test_a_drain_moves_all_that_it_may(
    groups: list[tuple[int, float, str | None, str, str | None]],
    placement: str,
    cap: int | None,
    hosts: str,
    by_turns: bool,
) -> None:
    """Whatever is asked: no invariant breaks, and nobody stays who found a place in the end."""
    net = leaf_spine(
        leaves=3,
        host={"cores": 8, "memory": 3.0 * GiB},
        hosts=[
            {"match": "*/host0", "labels": {"zone": "a"}},
            {"match": "*/host1", "labels": {"zone": "b"}},
        ],
    )
    made = []
    for i, (count, size, how, by, zone) in enumerate(groups):
        more: Data = {how: {"by": by, "of": 2}} if how else {}
        more |= {"requires": {"zone": zone}} if zone else {}
        place = {"hosts": "*", "by": "first-fit"}
        made.append(
            guest(
                name=f"g{i}", count=count, memory=size * GiB, place=place, migration=FLUID, **more
            )
        )
    limits = {} if cap is None else {"per_cluster": cap}
    data = scenario(*made, topology=net)
    data["operation"] = {
        "kind": "drain", "hosts": hosts, "placement": placement, "limits": limits,
        **({"at_once": 1} if by_turns else {}),
    }  # fmt: skip
    try:
        plan = prepare(Scenario.model_validate(data))
    except ScenarioError:
        assume(False)
    moved = rows(run(plan, check=True), "migrations")
    for row in moved:
        assert row["outcome"] in ("completed", "no-room")
        assert "more" not in row["reason"]
