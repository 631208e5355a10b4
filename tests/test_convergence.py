"""What slows a guest that dirties faster than it is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dcsim.model.convergence import AutoConverge, DirtyLimit, Strikes, next_sleep, next_throttle
from dcsim.scenario.spec import Migration
from dcsim.units import PAGE, MiB
from tests.worlds import Data, allocator, guest, only, reader, rows, scenario, solve, writer

CONVERGE = AutoConverge(0.5, 0.2, 0.1, 0.99, tailslow=False, sync_every=5.0)
LIMIT = DirtyLimit(0.5, rate=1e6, period=1.0, tolerance=25e6, most=0.99)


def busy(*activities: Data, horizon: float = 120.0, **migration: object) -> Data:
    """A guest of 1 GiB that dirties half of it far faster than its cap of 256 MiB/s can send it."""
    writing = writer("max", 0.5, work=2e-6)
    data = scenario(guest(writing, *activities), horizon=horizon)
    data["migration"] |= {"max_bandwidth": 256.0 * MiB, **migration}
    return data


# --------------------------------------------------------------------------- strikes and steps


def test_two_strikes_and_it_is_out() -> None:
    """Every second period in which more than half of what was sent is dirtied tells its excess."""
    strikes = Strikes(0.5, since_s=0.0)
    assert strikes.sync(2.0, dirtied_bytes=60.0, sent_bytes=100.0) == 0
    assert strikes.sync(4.0, dirtied_bytes=40.0, sent_bytes=200.0) == 0  # within half: no strike
    assert strikes.sync(6.0, dirtied_bytes=100.0, sent_bytes=300.0) == 2.0
    assert strikes.sync(8.0, dirtied_bytes=100.0, sent_bytes=400.0) == 0
    assert strikes.sync(10.0, dirtied_bytes=100.0, sent_bytes=500.0) == 2.0


def test_periods_last_a_second() -> None:
    """What syncs within a second find is added up, and compared with all that was sent since."""
    strikes = Strikes(0.5, since_s=0.0, count=1)
    assert strikes.sync(0.5, dirtied_bytes=90.0, sent_bytes=100.0) == 0
    assert strikes.sync(1.0, dirtied_bytes=60.0, sent_bytes=200.0) == 1.5


def test_throttle_climbs_to_its_most() -> None:
    """First the initial share of CPU is taken, then the increment in addition, to the most."""
    throttle, seen = 0.0, []
    for _ in range(10):
        throttle = next_throttle(CONVERGE, throttle, 2.0)
        seen.append(throttle)
    assert seen == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 0.99])


def test_a_slow_tail_takes_what_is_needed() -> None:
    """With tailslow, as much CPU is left as would dirty little enough, where that is more."""
    slow = AutoConverge(0.5, 0.2, 0.1, 0.99, tailslow=True, sync_every=5.0)
    assert next_throttle(slow, 0.2, 1.05) == pytest.approx(1 - 0.8 / 1.05, abs=1e-6)
    assert next_throttle(slow, 0.2, 2.0) == pytest.approx(0.3)


@given(rate=st.floats(1e5, 1e10), quota=st.floats(1e5, 1e9))
def test_sleep_settles_within_the_tolerance(rate: float, quota: float) -> None:
    """A vCPU that dirties as fast as it can comes to its quota, or sleeps as long as it may.

    A step of sleep is a tenth of the time to fill the ring: no better than that, at high rates.
    """
    settings = DirtyLimit(0.5, rate=quota, period=1.0, tolerance=25e6, most=0.99)
    sleep, dirtied = 0.0, rate
    for _ in range(100):
        sleep = next_sleep(settings, sleep, dirtied=dirtied, fill_s=PAGE / rate)
        dirtied = PAGE / (PAGE / rate + sleep)
    asleep = sleep / (PAGE / rate + sleep)
    within = abs(dirtied - quota) <= 25e6 + 0.1 * rate
    assert within or asleep == pytest.approx(0.99) or rate <= quota
    assert 0 <= asleep <= 0.99 + 1e-9


def test_sleep_ends_where_nothing_is_dirtied() -> None:
    """A vCPU that has stopped dirtying is let go."""
    wide = DirtyLimit(0.5, rate=1e8, period=1.0, tolerance=25e6, most=0.99)
    assert next_sleep(wide, 1e-3, dirtied=0.0, fill_s=1e-6) == 0
    assert next_sleep(LIMIT, 1e-3, dirtied=2e7, fill_s=1e-6) == 1e-3  # within the tolerance


# --------------------------------------------------------------------------- auto-converge


def test_auto_converge_converges() -> None:
    """A guest that would go on for ever completes, and what it lost is the CPU taken."""
    assert only(solve(busy()))["outcome"] == "cancelled"
    result = solve(busy(auto_converge=True))
    assert only(result)["outcome"] == "completed"
    taken = [r["throttle"] for r in rows(result, "rounds")]
    assert taken[:3] == [0.0, 0.0, 0.0]
    assert taken[3] == 0.2
    assert taken[:-1] == sorted(taken[:-1])
    row = only(result, "guests")
    assert row["lost_throttle_s"] > 0
    # the writer keeps 1 - throttle of its speed while each is held
    expected = sum(r["throttle"] * (r["to_s"] - r["from_s"]) for r in rows(result, "rounds")[:-1])
    assert row["lost_throttle_s"] == pytest.approx(expected, rel=1e-6)


def test_a_paced_writer_loses_nothing_until_its_cpu_is_touched() -> None:
    """Measured: a writer that paces itself goes on at its pace, up to 60 % taken [M.10]."""
    data = busy(auto_converge={"most": 0.6})
    paced = {"do": "write", "rate": 300.0 * MiB, "set": 0.5, "work": 1e-6}
    data["guests"][0]["workload"]["activities"] = [paced]
    result = solve(data | {"horizon": 60.0})
    assert max(r["throttle"] for r in rows(result, "rounds")) == 0.6
    assert only(result, "guests")["lost_throttle_s"] == 0
    assert only(result)["outcome"] == "cancelled"


def test_the_guest_is_let_go_when_it_has_ended() -> None:
    """After the migration, completed or not, it runs at its own speed again."""
    for options in ({}, {"limits": {"completion_timeout_per_gib": 30.0}}):
        for brake in ("auto_converge", "dirty_limit"):
            data = busy(**{brake: True}) | {"settle": 5.0}
            data["operation"] |= options
            result = solve(data)
            ended = only(result)["ended_s"]
            late = [r for r in rows(result, "slowdowns") if r["from_s"] >= ended + 1e-9]
            assert late == []


def test_long_rounds_are_synced_in_between() -> None:
    """After the first pass there is a sync every 5 s: strikes need not wait for a round's end."""
    throttles = {}
    for every in (None, 5.0):
        data = busy(max_bandwidth=32.0 * MiB, auto_converge={"sync_every": every})
        result = solve(data | {"horizon": 80.0})
        slowed = [e for e in rows(result, "events") if e["event"] == "slowed"]
        throttles[every] = [e["time_s"] for e in slowed]
    first_pass = rows(result, "rounds")[0]["to_s"]
    assert first_pass > 20
    assert throttles[None][0] > throttles[5.0][0] > first_pass


# --------------------------------------------------------------------------- the dirty limit


def test_a_dirty_limit_slows_who_dirties() -> None:
    """The writer is slowed to the tolerance above its quota; readers go on."""
    data = busy(reader("max", 0.2, work=10e-6), dirty_limit=True)
    data["guests"][0]["workload"]["memory"]["cache"] = 0.3
    result = solve(data)
    assert only(result)["outcome"] == "completed"
    row = only(result, "guests")
    assert row["lost_dirty_limit_s"] > 0
    assert row["lost_throttle_s"] == 0
    reading = row["read_pages"] * 10e-6
    assert reading == pytest.approx(result.metrics["simulated_s"] - row["blackout_s"], rel=1e-6)


def test_a_dirty_limit_counts_for_each_vcpu() -> None:
    """Four workers on four vCPUs have four quotas; on one vCPU they share one."""
    rates = {}
    for vcpus in (1, 4):
        data = busy(dirty_limit={"rate": 50e6, "tolerance": 1e6})
        data["guests"][0] |= {"vcpus": vcpus}
        data["guests"][0]["workload"]["activities"][0] |= {"workers": 4}
        rates[vcpus] = only(solve(data | {"horizon": 20.0}))["dirty_bytes_per_s"]
    assert rates[4] > 2 * rates[1]


def test_allocating_is_dirtying() -> None:
    """Who allocates writes every page, and is limited too."""
    data = busy(allocator(500.0 * MiB, lifetime=0.1), dirty_limit=True)
    data["guests"][0]["workload"]["memory"]["free_stale"] = 0.3
    free = busy(allocator(500.0 * MiB, lifetime=0.1))
    free["guests"][0]["workload"]["memory"]["free_stale"] = 0.3
    limited = only(solve(data), "guests")["lost_dirty_limit_s"]
    alone = busy(dirty_limit=True)
    alone["guests"][0]["workload"]["activities"] = [allocator(500.0 * MiB, lifetime=0.1)]
    alone["guests"][0]["workload"]["memory"]["free_stale"] = 0.3
    alone["migration"]["max_bandwidth"] = 64.0 * MiB
    assert limited > 0
    assert only(solve(alone), "guests")["lost_dirty_limit_s"] > 0


# --------------------------------------------------------------------------- what is legal


def test_the_two_exclude_each_other() -> None:
    """QEMU refuses both at once."""
    with pytest.raises(ValidationError, match="exclude each other"):
        Migration.model_validate({"auto_converge": True, "dirty_limit": True})


def test_true_is_all_defaults_and_false_none() -> None:
    """The short forms stand for the long ones."""
    on = Migration.model_validate({"auto_converge": True})
    assert on == Migration.model_validate({"auto_converge": {}})
    assert Migration.model_validate({"auto_converge": False}).auto_converge is None
    with pytest.raises(ValidationError, match="more than most"):
        Migration.model_validate({"auto_converge": {"initial": 0.9, "most": 0.5}})


def test_an_off_option_reads_back_as_off() -> None:
    """What is off is left out of the plain data, what is on is written out."""
    plain = Migration.model_validate({"dirty_limit": {"rate": "2MB/s"}}).model_dump(mode="json")
    assert "auto_converge" not in plain
    assert plain["dirty_limit"]["rate"] == 2e6
    assert Migration.model_validate(plain).dirty_limit is not None
