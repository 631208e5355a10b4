"""What an activity does, what holds it back, and to what a loss is put down."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.model.activity import Activity, Losses, Tally, attribute, cpu_share
from dcsim.model.hinting import Policy
from dcsim.model.profile import Profile
from dcsim.records.tables import CAUSES


class Went(NamedTuple):
    """How activities went, throttled where they were slow."""

    rates: tuple[float, ...]
    bases: tuple[float, ...]

    def causes(self, _: int) -> dict[str, float]:
        return {"throttle": 1e-3}


seconds = st.floats(0, 1)
causes = st.dictionaries(st.sampled_from(CAUSES), st.floats(-1, 1e3), max_size=len(CAUSES))


def pace(activity: Activity, demand: float = math.inf, **options: float) -> float:
    return activity.pace(demand, **{"level": 1.0, "share": 1.0, "stall_s": 0.0} | options)


# ----------------------------------------------------------------------- pace


def test_an_open_loop_does_its_demand() -> None:
    """As long as it is able, an activity does what is asked of it and no more."""
    write = Activity(do="write", work_s=1e-3)
    assert pace(write, 100.0) == 100.0
    assert pace(write, 100.0, stall_s=8e-3) == 100.0
    assert pace(write, 100.0, stall_s=19e-3) == pytest.approx(50.0)


def test_a_closed_loop_does_all_it_can() -> None:
    """Without a limit to its demand, workers do one page after another."""
    read = Activity(do="read", work_s=1e-3, workers=4)
    assert pace(read) == pytest.approx(4000.0)
    assert pace(read, stall_s=3e-3) == pytest.approx(1000.0)
    assert pace(read, share=0.5) == pytest.approx(2000.0)
    assert pace(read, share=0.5, stall_s=2e-3) == pytest.approx(1000.0)


def test_load_scales_the_demand_and_not_the_ability() -> None:
    """Twice the load is twice the demand, up to what the CPU is able to do."""
    write = Activity(do="write", work_s=1e-3)
    assert [pace(write, 300.0, level=level) for level in (0.0, 0.5, 2.0, 9.0)] == [
        0,
        150,
        600,
        1000,
    ]
    assert [pace(write, level=level) for level in (0.0, 0.1)] == [0, 1000]


@pytest.mark.parametrize("share", [0.0, -0.1])
def test_without_a_cpu_nothing_is_done(share: float) -> None:
    """A guest that gets no CPU does nothing, also where a page takes no work."""
    for work_s in (0.0, 1e-3):
        assert pace(Activity(do="write", work_s=work_s), share=share) == 0.0


def test_pages_that_take_no_time_are_done_as_asked() -> None:
    """No work and no stall: the demand is met, however large."""
    assert pace(Activity(do="allocate", work_s=0.0), 1e12) == 1e12


@given(
    demand=st.one_of(st.just(math.inf), st.floats(0, 1e6)), work_s=st.floats(1e-9, 1e-2),
    workers=st.integers(1, 64), level=st.floats(0, 3), share=st.floats(0.01, 1), stall_s=seconds,
)  # fmt: skip
def test_pace_is_the_smaller_of_demand_and_ability(
    demand: float, work_s: float, workers: int, level: float, share: float, stall_s: float
) -> None:
    """Never above the demand, never above the workers' time, and one of the two is reached."""
    activity = Activity(do="read", work_s=work_s, workers=workers)
    done = activity.pace(demand, level=level, share=share, stall_s=stall_s)
    busy = done * (work_s / share + stall_s)
    asked = demand * level if level > 0 else 0.0
    assert done <= asked
    assert busy <= workers * (1 + 1e-9)
    assert done == asked or busy == pytest.approx(workers)
    assert done <= activity.pace(demand, level=level, share=1.0, stall_s=0.0)


# ----------------------------------------------------------------------- the guest's own CPU


@pytest.mark.parametrize(
    ("vcpus", "demand", "share"), [(4, 2, 1), (4, 4, 1), (4, 16, 0.25), (2, 0, 1), (0.5, 1, 0.5)]
)
def test_a_guest_shares_its_own_cpus(vcpus: float, demand: float, share: float) -> None:
    """A guest that wants more than its vCPUs gets each activity the same share of what it wants."""
    assert cpu_share(vcpus=vcpus, demand=demand) == share


# ----------------------------------------------------------------------- attribution


@given(lost=st.floats(0, 1e6), found=causes, before=st.floats(0, 10))
def test_attributed_parts_sum_to_the_loss(
    lost: float, found: dict[str, float], before: float
) -> None:
    """Nothing is lost twice and nothing to nobody; no cause ever gives anything back."""
    into = dict.fromkeys(CAUSES, before)
    attribute(lost, found, into)
    assert set(into) == set(CAUSES)
    assert sum(into.values()) == pytest.approx(lost + before * len(CAUSES))
    assert all(part >= before for part in into.values())
    unnamed = {cause for cause in CAUSES if found.get(cause, 0.0) <= 0} - {"cpu"}
    assert all(into[cause] == before for cause in unnamed)


def test_a_loss_goes_to_its_causes_in_proportion() -> None:
    """Three quarters of the added time, three quarters of the loss; what saves time gets none."""
    into: dict[str, Any] = dict.fromkeys(CAUSES, 0.0)
    attribute(8.0, {"cache_miss": 3e-3, "storage": 1e-3, "cpu": -5e-3}, into)
    assert (into["cache_miss"], into["storage"], into["cpu"]) == (6.0, 2.0, 0.0)


def test_a_loss_without_a_cause_is_the_cpus() -> None:
    """Where no cause adds time, such as the share of a busy host, it is the CPU that lacked."""
    into = dict.fromkeys(CAUSES, 0.0)
    attribute(2.0, {"cache_miss": 0.0}, into)
    attribute(1.0, {}, into)
    assert into["cpu"] == 3.0
    assert sum(into.values()) == 3.0


@pytest.mark.parametrize("lost", [0.0, -1e-12])
def test_no_loss_is_put_down_to_nobody(lost: float) -> None:
    """Rounding below nothing takes nothing away from any cause."""
    into = dict.fromkeys(CAUSES, 1.0)
    attribute(lost, {"storage": 1.0}, into)
    attribute(lost, {}, into)
    assert set(into.values()) == {1.0}


def test_a_tally_keeps_only_what_was_added() -> None:
    """What was never added is 0, and asking for it leaves no trace."""
    tally = Tally[str]()
    tally["cpu"] += 2.0
    assert (tally["cpu"], tally["network"], dict(tally)) == (2.0, 0.0, {"cpu": 2.0})


# ----------------------------------------------------------------------- losses


def profile(*activities: Activity) -> Profile:
    return Profile(
        group="g", workload="w", activities=activities,
        policy=Policy("none", zero_pages=False, steps=()), migratable="live", because="",
    )  # fmt: skip


def test_a_loss_has_the_weight_of_its_activity_and_the_cause_of_what_took_it() -> None:
    """Each in turn takes of what the ones before have left: the pace, absent pages, faults."""
    does = profile(
        Activity("write", work_s=1e-3, weight=3.0), Activity("allocate", work_s=1e-3, weight=1.0)
    )
    losses, went = Losses(), Went((50.0, 9.0), (100.0, 9.0))
    done = losses.count(does, went, elapsed=8.0, there=[0.5, 1.0], kept=[0.5, 0.25])
    assert done == 0.75 * 0.125 + 0.25 * 0.25
    assert losses.causes == {"throttle": 3.0, "post_copy": 1.5, "write_fault": 0.75, "memory": 1.5}
    assert sum(losses.causes.values()) == 8.0 * (1 - done)
    assert losses.degraded_s == {0.1: 8.0, 0.5: 8.0}


def test_what_lost_nothing_leaves_nothing() -> None:
    """An interval at full speed is done in full, and nothing is put down to anybody."""
    does, losses = profile(Activity("write", work_s=1e-3)), Losses()
    assert losses.count(does, Went((5.0,), (5.0,)), 8.0, there=[1.0], kept=[1.0]) == 1.0
    assert (losses.causes, losses.degraded_s) == ({}, {})


def test_a_profile_knows_the_places_of_what_is_done() -> None:
    """In the order of the memory's sets: who reads, who writes, who takes memory as it goes."""
    does = profile(
        Activity("write", 1e-3), Activity("read", 1e-3), Activity("send", 1e-3),
        Activity("write", 1e-3, to="cache", index=1), Activity("allocate", 1e-3),
    )  # fmt: skip
    assert (does.reads, does.writes, does.takes) == ((1,), (0, 3), (3, 4))
    assert (does.no_reads, does.no_writes) == ([0.0], [0.0, 0.0])
    assert (does.all_done, does.no_rates) == ([1.0] * 5, [0.0] * 5)
