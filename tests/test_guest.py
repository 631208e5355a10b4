"""What a guest does and loses, against closed forms, and the causes it is put down to."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import simpy

from dcsim.model.makeup import Makeup
from dcsim.model.pacing import Pacing
from dcsim.records.tables import CAUSES
from dcsim.scenario.spec import Scenario
from dcsim.simulation import run
from dcsim.units import PAGE, GiB, MiB
from tests.worlds import (
    FLUID,
    QUICK,
    Data,
    allocator,
    carried,
    guest,
    no_move,
    only,
    reader,
    rows,
    scenario,
    sender,
    solve,
    topology,
    world,
    writer,
)

PAGES = GiB / PAGE


def host(cores: int) -> Data:
    """Hosts of so many cores."""
    return {"cores": cores, "memory": 64.0 * GiB}


def storage(**changes: float) -> Data:
    """A storage that is far faster than anything, unless said otherwise."""
    return {"bandwidth": 64.0 * GiB, "iops": 1e9, "latency": 0.0, "link": 64.0 * GiB, **changes}


def watch(*guests: Data, until: float = 10.0, **changes: object) -> Data:
    """Let guests run where nothing moves; return the row of the first."""
    return only(solve(no_move(*guests, until=until, **changes)), "guests", guest="guest-0")


def causes(row: Data) -> dict[str, float]:
    """Return what a guest lost to each cause, zeros left out."""
    return {c: row[f"lost_{c}_s"] for c in CAUSES if abs(row[f"lost_{c}_s"]) > 1e-9}


# --------------------------------------------------------------------------- undisturbed


@pytest.mark.parametrize(
    "activity",
    [
        writer(100.0 * MiB, 0.5),
        writer("max", 0.5, work=1e-5),
        reader(100.0 * MiB, 0.2),
        reader("max", 0.4, work=1e-5),
        allocator(1.0 * MiB, lifetime=2.0),
        sender(0.5 * GiB),
    ],
    ids=["paced-writer", "writer", "paced-reader", "reader", "allocator", "sender"],
)
def test_an_undisturbed_guest_loses_nothing(activity: Data) -> None:
    """Alone on its host with all it asks for, a guest does its work, misses of its own included."""
    row = watch(guest(activity, makeup={"cache": 0.3, "free_zero": 0.2}))
    assert causes(row) == {}
    assert row["lost_work_s"] == 0
    assert row["degraded10_s"] == row["blackout_s"] == row["extra_refault_bytes"] == 0


def test_an_idle_guest_loses_nothing() -> None:
    """A guest that does nothing has nothing to lose."""
    row = watch(guest())
    assert row["lost_work_s"] == row["degraded10_s"] == 0


def test_a_guest_is_bounded_by_its_own_vcpus_without_a_loss() -> None:
    """Two closed loops on one vCPU do half each; that is how it is, not a loss."""
    busy = [writer("max", 0.1, work=1e-5), writer("max", 0.1, work=1e-5)]
    row = watch(guest(*busy, vcpus=1))
    assert row["written_pages"] == pytest.approx(10 / 1e-5, rel=1e-6)
    assert row["lost_work_s"] == 0


def test_a_paced_writer_writes_its_rate() -> None:
    """An open loop does its demand, whatever it could do."""
    assert watch(guest(writer(10.0 * MiB, 0.5)))["written_pages"] * PAGE == pytest.approx(100 * MiB)


def test_a_closed_loop_goes_as_fast_as_it_can() -> None:
    """Workers over work: 3 workers at 10 us a page on 4 vCPUs."""
    row = watch(guest(writer("max", 0.5, work=1e-5, workers=3)))
    assert row["written_pages"] == pytest.approx(10 * 3 / 1e-5, rel=1e-6)


def test_misses_stall_a_closed_loop() -> None:
    """Half of its set is cached: it does workers / (work + miss * latency) pages a second."""
    work, latency, miss, workers = 20e-6, 100e-6, 0.5, 2
    busy = guest(reader("max", 0.5, work=work, workers=workers), makeup={"cache": 0.25})
    row = watch(busy, topology=topology(storage=storage(latency=latency)))
    assert row["read_pages"] == pytest.approx(10 * workers / (work + miss * latency), rel=1e-3)
    assert row["missed_pages"] == pytest.approx(miss * row["read_pages"], rel=1e-3)
    assert row["refault_bytes"] == pytest.approx(row["missed_pages"] * PAGE, rel=1e-9)
    assert row["lost_work_s"] == 0


def test_read_ahead_spares_a_sweep_its_stalls() -> None:
    """One miss brings 8 pages that a sweep reads next: latency is paid once for all of them."""
    work, latency = 20e-6, 80e-6
    sweep = reader("max", 1.0, work=work, pattern="sequential", read_ahead=8)
    cold = guest(sweep, memory=32.0 * GiB)
    row = watch(cold, until=1.0, topology=topology(storage=storage(latency=latency)))
    assert row["read_pages"] == pytest.approx(1 / (work + latency / 8), rel=1e-3)
    assert row["refault_bytes"] == pytest.approx(row["read_pages"] * PAGE, rel=1e-6)


def test_way_and_back_are_part_of_the_latency() -> None:
    """A miss waits for two links there, the service, and two links back."""
    link, service = 10e-6, 50e-6
    busy = guest(reader("max", 0.5, work=20e-6))  # no cache at all: every read misses
    net = topology(latency=link, storage=storage(latency=service))
    row = watch(busy, topology=net)
    assert row["read_pages"] == pytest.approx(10 / (20e-6 + service + 4 * link), rel=1e-6)


def test_a_cache_warms() -> None:
    """Free frames fill with what is read: a set that fits is missed once, page by page."""
    busy = guest(reader(100.0 * MiB, 0.25), makeup={"free_zero": 0.5})
    row = watch(busy, until=60.0)
    assert row["missed_pages"] == pytest.approx(0.25 * PAGES, rel=1e-3)


def test_a_cache_that_warms_speeds_its_reader_up() -> None:
    """Rate of a closed loop follows the misses that are left: t = n*w + n*L*(1 - exp(-n/N))."""
    work, latency, pages = 20e-6, 200e-6, 0.25 * PAGES
    busy = guest(reader("max", 0.25, work=work), makeup={"free_zero": 0.5})
    data = no_move(busy, until=5.0, topology=topology(storage=storage(latency=latency)))
    done = only(solve(data | {"tolerance": 0.01}), "guests")["read_pages"]
    # each read takes work, and the latency where it is the first of its page
    took = done * work + pages * -math.expm1(-done / pages) * latency
    assert took == pytest.approx(5.0, rel=0.01)


def test_write_back_carries_what_was_dirtied() -> None:
    """Distinct pages dirtied in 30 s go to the disk in 30 s."""
    busy = guest(writer(10.0 * MiB, 64.0 * MiB, to="cache"), makeup={"cache": 0.5})
    result = solve(no_move(busy, until=20.0))
    dirty = -64 * MiB * math.expm1(-10 * 30 / 64)
    row = only(result, "guests")
    assert row["writeback_bytes"] == pytest.approx(20 * dirty / 30, rel=1e-6)
    on_link = carried(result, "write-back", link="rack0/host0->switch0")
    assert on_link == pytest.approx(row["writeback_bytes"], rel=1e-9)


def test_allocations_live_as_long_as_they_are_said_to() -> None:
    """Rate times lifetime is what is in use in the end; the rest is free, with old contents."""
    busy = guest(allocator(10.0 * MiB, lifetime=5.0), makeup={"free_zero": 0.8})
    run = world(no_move(busy, until=100.0))
    run.result(None)
    memory = run.guests[0].memory
    assert memory.allocated[0].count * PAGE == pytest.approx(50 * MiB, rel=1e-3)
    assert memory.free == pytest.approx(0.8 * PAGES - memory.allocated[0].count, rel=1e-6)
    assert memory.free_stale.count > 0


def test_memory_that_runs_out_is_a_loss_to_memory() -> None:
    """128 MiB last 1.28 s at 100 MiB/s; what is asked for after that cannot be had."""
    row = watch(guest(allocator(100.0 * MiB), makeup={"free_zero": 0.125}))
    assert set(causes(row)) == {"memory"}
    assert row["lost_memory_s"] == pytest.approx(10 - 1.28, rel=1e-6)


@pytest.mark.parametrize("lifetime", [5.0, None], ids=["churning", "growing"])
def test_allocations_that_push_cache_out_are_felt_by_readers(lifetime: float | None) -> None:
    """As frames go, reads miss: they slow down and cross the network, whoever looks."""
    net = topology(storage=storage(latency=200e-6, bandwidth=float(GiB)))
    demand = allocator(25.0 * MiB, lifetime=lifetime) if lifetime else allocator(5.0 * MiB)
    found = []
    for looks in (0, 500):
        load = {"points": [[0.04 * n, 1.0] for n in range(1, looks + 1)]}
        pressed = guest(
            reader("max", 0.3, work=10e-6), demand, makeup={"cache": 0.35, "kernel": 0.3}, load=load
        )
        result = solve(no_move(pressed, until=20.0, topology=net))
        row = only(result, "guests")
        on_link = carried(result, "refault", link="storage->switch0")
        assert on_link == pytest.approx(row["refault_bytes"], rel=0.1)
        found.append(row)
    assert found[0]["read_pages"] == pytest.approx(found[1]["read_pages"], rel=0.05)
    assert found[0]["refault_bytes"] == pytest.approx(found[1]["refault_bytes"], rel=0.1)


# --------------------------------------------------------------------------- contention


def test_cpu_contention_is_a_loss_to_cpu() -> None:
    """Three closed loops on one core get a third of it each."""
    busy = [
        guest(writer("max", 0.1, work=1e-5), name=name, memory=float(GiB))
        for name in ("guest", "b", "c")
    ]
    row = watch(*busy, topology=topology(host=host(1)))
    assert row["written_pages"] == pytest.approx(10 / 1e-5 / 3, rel=1e-6)
    assert causes(row) == {"cpu": pytest.approx(10 * 2 / 3, rel=1e-6)}
    assert row["degraded10_s"] == row["degraded50_s"] == pytest.approx(10.0)
    assert row["degraded99_s"] == 0


def test_cpu_is_shared_in_proportion_to_what_is_wanted() -> None:
    """A paced guest that wants a quarter of a core beside a closed loop gets a fifth of it."""
    paced = guest(writer(0.25 * 1e5 * PAGE, 0.1, work=1e-5))
    busy = guest(writer("max", 0.1, work=1e-5), name="busy")
    row = watch(paced, busy, topology=topology(host=host(1)))
    # wanted 1.25 cores of one: everything takes 1.25 times as long, which a paced loop can bear
    assert row["written_pages"] == pytest.approx(10 * 0.25e5, rel=1e-6)
    assert row["lost_work_s"] == 0


def test_migration_threads_take_cpu() -> None:
    """A core for the sending thread on a host of one: the guest keeps half while it streams."""
    data = scenario(guest(writer("max", 1e-2, work=1e-5)), topology=topology(host=host(1)))
    data["migration"] |= {"thread_cores": 1.0, "max_rounds": 1}
    result = solve(data)
    row = only(result, "guests")
    streamed = only(result)["total_time_s"] - only(result)["downtime_s"]
    assert row["lost_cpu_s"] == pytest.approx(streamed / 2, rel=1e-6)


def test_storage_bandwidth_is_a_loss_to_storage() -> None:
    """Storage serves half of the pages it is asked for: the reader does half."""
    able = 1 / (10e-6 + 10e-6)
    data = topology(storage=storage(latency=10e-6, bandwidth=able / 2 * PAGE))
    row = watch(guest(reader("max", 0.5, work=10e-6)), topology=data)
    assert row["read_pages"] == pytest.approx(10 * able / 2, rel=1e-6)
    assert causes(row) == {"storage": pytest.approx(5.0, rel=1e-6)}


def test_iops_bound_reads_as_bandwidth_does() -> None:
    """Operations of a page each: 10,000 a second are 10,000 misses a second."""
    net = topology(storage=storage(latency=1e-6, iops=10_000.0))
    row = watch(guest(reader("max", 0.5, work=10e-6)), topology=net)
    assert row["read_pages"] == pytest.approx(100_000, rel=1e-6)


def test_storage_without_latency_has_a_bandwidth_still() -> None:
    """Misses that take no time alone are bounded by the bandwidth of the storage."""
    net = topology(storage=storage(latency=0.0, iops=10_000.0))
    row = watch(guest(reader("max", 0.5, work=10e-6)), topology=net)
    assert row["read_pages"] == pytest.approx(100_000, rel=1e-6)


def test_readers_share_the_storage() -> None:
    """Two guests whose misses take all of the storage get half of it each."""
    able = 1 / (10e-6 + 10e-6)
    net = topology(storage=storage(latency=10e-6, bandwidth=able * PAGE))
    two = [guest(reader("max", 0.5, work=10e-6), name=name) for name in ("guest", "other")]
    row = watch(*two, topology=net)
    assert row["read_pages"] == pytest.approx(10 * able / 2, rel=1e-6)
    assert row["lost_storage_s"] == pytest.approx(5.0, rel=1e-6)


def test_the_tighter_of_cpu_and_storage_counts() -> None:
    """Half of its CPU and half of its storage is half of its work, not a quarter."""
    net = topology(host=host(1), storage=storage(latency=1e-9, bandwidth=50_000.0 * PAGE))
    slow = guest(reader("max", 0.5, work=10e-6))
    burn = guest(writer("max", 0.01, work=10e-6), name="burn")
    row = watch(slow, burn, topology=net)
    assert row["read_pages"] == pytest.approx(500_000, rel=0.01)


def test_refault_bytes_of_the_guest_are_those_of_the_links() -> None:
    """What a guest reads from storage crosses the network, no more and no less."""
    net = topology(host=host(1), storage=storage(latency=1e-6))
    slow = guest(reader("max", 0.5, work=10e-6))
    burn = guest(writer("max", 0.01, work=10e-6), name="burn")
    result = solve(no_move(slow, burn, until=10.0, topology=net))
    on_link = carried(result, "refault", link="switch0->rack0/host0")
    refaults = only(result, "guests", guest="guest-0")["refault_bytes"]
    assert on_link == pytest.approx(refaults, rel=0.05)


@pytest.mark.parametrize("do", ["read", "send"])
def test_who_comes_and_goes_is_in_the_books_of_all(do: str) -> None:
    """Each start takes a little from all, who are told when it adds up: the books are exact."""
    able = 1 / (10e-6 + 10e-6)
    reading = do == "read"
    activity = reader("max", 0.5, work=10e-6) if reading else sender(able * PAGE)
    on_off = [(0.1 * (i + 1), 6 + 0.05 * i if i % 2 else 10.0) for i in range(40)]
    many = [
        guest(activity, name=f"g{i}", load={"points": [[0, 0.0], [on, 1.0], [off, 0.0]]})
        for i, (on, off) in enumerate(on_off)
    ]
    net = topology(
        host_link=2 * able * PAGE, storage=storage(latency=10e-6, bandwidth=2 * able * PAGE)
    )
    result = solve(no_move(*many, until=10.0, topology=net))
    losses = f"lost_{'storage' if reading else 'network'}_s"
    served = [
        (off - on) - only(result, "guests", guest=f"g{i}-0")[losses]
        for i, (on, off) in enumerate(on_off)
    ]
    times = sorted({time for each in on_off for time in each})
    expected = [0.0] * len(on_off)
    for begin, end in pairwise(times):
        here = [i for i, (on, off) in enumerate(on_off) if on <= begin < off]
        for i in here:
            expected[i] += (end - begin) * min(1.0, 2 / len(here))
    assert served == pytest.approx(expected, rel=1e-9)
    link = "switch0->rack0/host0" if reading else "rack0/host0->switch0"
    on_link = carried(result, "refault" if reading else "application", link=link)
    assert on_link == pytest.approx(sum(served) * able * PAGE, rel=1e-9)
    if reading:
        refaults = sum(row["refault_bytes"] for row in rows(result, "guests"))
        assert refaults == pytest.approx(on_link, rel=1e-9)


def test_network_bandwidth_is_a_loss_to_network() -> None:
    """Asked for twice what the link has: half is sent, half is lost."""
    result = solve(no_move(guest(sender(2.0 * GiB)), until=10.0))
    row = only(result, "guests")
    assert causes(row) == {"network": pytest.approx(5.0, rel=1e-6)}
    on_link = carried(result, "application", link="rack0/host0->switch0")
    assert on_link == pytest.approx(10 * GiB, rel=1e-6)


def test_a_migration_takes_network_from_its_guest() -> None:
    """A stream and the guest's own traffic share the link evenly."""
    result = solve(scenario(guest(sender(float(GiB))), migration=FLUID))
    assert only(result)["total_time_s"] == pytest.approx(2.0, rel=1e-6)
    assert causes(only(result, "guests")) == {"network": pytest.approx(1.0, rel=1e-6)}


def test_traffic_to_storage_goes_to_storage() -> None:
    """A peer of storage is reached over the storage's link."""
    result = solve(no_move(guest(sender(float(MiB), peer="storage")), until=10.0))
    assert carried(result, "application", link="switch0->storage") == pytest.approx(10 * MiB)
    assert carried(result, "application", link="switch0->outside") == 0


def test_weights_decide_what_a_loss_counts() -> None:
    """An activity that stands still and weighs three quarters costs three quarters."""
    still = sender(1e3 * GiB, weight=3)
    fine = writer(1.0 * MiB, 0.1, weight=1)
    row = watch(guest(still, fine))
    share = 1 - 1 / 1e3
    assert row["lost_work_s"] == pytest.approx(10 * 0.75 * share, rel=1e-6)


# --------------------------------------------------------------------------- a migration


def test_a_busy_guest_loses_its_blackout() -> None:
    """Paused, a guest does nothing: it loses the downtime, and counts as all but stopped."""
    busy = guest(writer("max", 0.1, work=1e-5))
    result = solve(scenario(busy, migration=FLUID | {"max_rounds": 1}))
    row, downtime = only(result, "guests"), only(result)["downtime_s"]
    assert downtime > 0.05
    assert causes(row) == {"blackout": pytest.approx(downtime, rel=1e-9)}
    assert row["blackout_s"] == pytest.approx(downtime, rel=1e-9)
    assert row["degraded99_s"] == pytest.approx(downtime, rel=1e-9)


def test_a_guest_without_work_loses_none() -> None:
    """At level 0 there is no work to lose, running or paused."""
    idle = guest(writer(1.0 * MiB, 0.1), load={"points": [[0.0, 0.0]]})
    result = solve(scenario(idle))
    assert only(result)["downtime_s"] > 0.1
    assert only(result, "guests")["lost_work_s"] == 0


def faulting(activity: Data, *, fault: float = 10e-6, looks: int = 0, **changes: object) -> Data:
    """Stream one round of a guest whose first writes to a page fault; return its row."""
    points = [[0.004 * n, 1.0] for n in range(1, looks + 1)]
    migration = {**QUICK, "write_fault": fault, "max_rounds": 1, **changes}
    return only(
        solve(scenario(guest(activity, load={"points": points}), migration=migration)), "guests"
    )


def test_write_faults_slow_a_closed_loop() -> None:
    """Every write of a sweep faults once: work / (work + fault) of them are left."""
    row = faulting(writer("max", 1.0, work=30e-6, pattern="sequential"))
    assert row["lost_write_fault_s"] == pytest.approx(0.8 * 10 / 40, rel=1e-3)


def test_write_faults_cost_a_paced_writer_nothing_while_it_has_slack() -> None:
    """A writer that waits most of the time does its faults while it would wait."""
    row = faulting(writer(10.0 * MiB, 1.0, work=30e-6))
    assert row["lost_write_fault_s"] == 0
    assert row["written_pages"] * PAGE == pytest.approx(10 * MiB * 0.8, rel=1e-3)


def test_write_faults_cost_a_paced_writer_what_it_has_no_slack_for() -> None:
    """At 20,000 pages a second of 30 us there are 20 us left a page; a fault takes 30."""
    row = faulting(writer(20_000.0 * PAGE, 1.0, work=30e-6, pattern="sequential"), fault=30e-6)
    assert row["lost_write_fault_s"] == pytest.approx(0.8 * (1 - 1 / 1.2), rel=1e-3)


def test_a_small_set_faults_once_a_round() -> None:
    """Each page of a hot set faults once after a sync: n faults, whatever the number of writes."""
    row = faulting(writer("max", 10.0 * MiB, work=1e-6))
    assert row["lost_write_fault_s"] == pytest.approx(2560 * 10e-6, rel=0.05)


@pytest.mark.parametrize("extent", [64.0 * MiB, 1.0], ids=["small", "large"])
@pytest.mark.parametrize("pattern", ["uniform", "sequential"])
@pytest.mark.parametrize("log", ["at-sync", "per-chunk"])
def test_write_faults_do_not_depend_on_who_looks(pattern: str, log: str, extent: float) -> None:
    """Looked at once or two hundred times, a round costs the same faults."""
    activity = writer("max", extent, work=30e-6, pattern=pattern)
    once = faulting(activity, dirty_log=log)["lost_write_fault_s"]
    often = faulting(activity, dirty_log=log, looks=200)["lost_write_fault_s"]
    assert once == pytest.approx(often, rel=0.05)


def test_a_drop_costs_latency_until_the_cache_is_warm() -> None:
    """Pages missed again wait for storage: their number times the latency is lost."""
    latency = 100e-6
    warm = guest(reader("max", 0.2, work=50e-6), makeup={"cache": 0.3})
    net = topology(storage=storage(latency=latency))
    data = scenario(warm, hinting="clean-cache-hint", topology=net, settle=60.0)
    result = solve(data | {"tolerance": 0.01})
    row = only(result, "guests")
    assert row["missed_pages"] == pytest.approx(0.2 * PAGES, rel=1e-3)
    assert row["lost_cache_miss_s"] == pytest.approx(0.2 * PAGES * latency, rel=0.02)
    assert set(causes(row)) == {"blackout", "cache_miss"}


def test_lost_work_is_the_sum_of_its_causes() -> None:
    """Everything at once: what was lost is what the causes sum to, and what was not done."""
    busy = guest(
        writer("max", 0.1, work=20e-6),
        writer(5.0 * MiB, 0.05, to="cache"),
        reader(200.0 * MiB, 0.4, work=5e-6),
        allocator(2.0 * MiB, lifetime=5.0),
        sender(0.8 * GiB),
        vcpus=2,
        makeup={"cache": 0.5, "free_zero": 0.1, "kernel": 0.05},
    )
    net = topology(host=host(2), storage=storage(latency=100e-6, bandwidth=20.0 * MiB))
    migration = {**QUICK, "write_fault": 5e-6, "thread_cores": 1.0, "activation": 0.02}
    hinting = {"use": "balloon-held", "reserve": 32.0 * MiB}
    data = scenario(busy, hinting=hinting, migration=migration, topology=net, settle=20.0)
    result = solve(data)
    assert only(result)["outcome"] == "completed"
    row = only(result, "guests")
    found = causes(row)
    assert {"blackout", "cpu", "cache_miss", "storage", "network", "inflation"} <= set(found)
    assert all(seconds > 0 for seconds in found.values())
    assert row["lost_work_s"] == pytest.approx(math.fsum(found.values()), rel=1e-9)
    slow = math.fsum(
        (r["to_s"] - r["from_s"]) * (1 - r["progress"]) for r in rows(result, "slowdowns")
    )
    assert slow == pytest.approx(row["lost_work_s"], rel=1e-6)
    assert row["degraded99_s"] <= row["degraded50_s"] <= row["degraded10_s"]


# --------------------------------------------------------------------------- load


def test_load_steps_scale_demands() -> None:
    """Level 1 for 2 s, 0.5 for 3 s, 0 for 4 s, 3 for 1 s."""
    load = {"points": [[2.0, 0.5], [5.0, 0.0], [9.0, 3.0]]}
    row = watch(guest(writer(10.0 * MiB, 0.5), load=load))
    assert row["written_pages"] * PAGE == pytest.approx(10 * MiB * (2 + 1.5 + 0 + 3), rel=1e-9)
    assert row["lost_work_s"] == 0


def test_noise_varies_demands_around_their_mean() -> None:
    """A lognormal factor of mean 1: many draws sum to about the demand, no two alike."""
    load = {"noise": 0.5, "every": 0.01}
    noisy = guest(writer(10.0 * MiB, 0.5), load=load)
    written = watch(noisy, horizon=20.0)["written_pages"] * PAGE
    assert written == pytest.approx(100 * MiB, rel=0.1)
    assert written != pytest.approx(100 * MiB, rel=1e-6)
    other = watch(noisy, horizon=20.0, seed=2)["written_pages"] * PAGE
    assert other != pytest.approx(written, rel=1e-6)


def test_noise_multiplies_the_steps() -> None:
    """Level 0 stays 0, whatever the draws."""
    load = {"points": [[1.0, 0.0]], "noise": 0.5, "every": 0.1}
    noisy = guest(writer(10.0 * MiB, 0.5), load=load)
    one = watch(noisy, horizon=20.0, until=1.0)["written_pages"]
    assert watch(noisy, horizon=20.0)["written_pages"] == pytest.approx(one, rel=1e-9)


def test_dirtying_follows_the_load() -> None:
    """Half the load, half the pages dirtied in a round of a sweep."""
    found = []
    for level in (1.0, 0.5):
        busy = guest(writer(0.2 * GiB, 1.0, pattern="sequential"), load={"points": [[0.0, level]]})
        found.append(rows(solve(scenario(busy, migration=FLUID)), "rounds")[0]["dirtied_pages"])
    assert found[1] == pytest.approx(found[0] / 2, rel=1e-9)


# --------------------------------------------------------------------------- tolerance, looks


def dropped(**changes: object) -> Data:
    """A guest that warms its cache again after a drop, over a storage that is no faster."""
    warm = guest(reader(200.0 * MiB, 0.4, pattern="zipf"), makeup={"cache": 0.45})
    net = topology(storage=storage(latency=200e-6, bandwidth=50.0 * MiB))
    return scenario(warm, hinting="guest-drop", topology=net, settle=60.0, **changes)


@pytest.mark.parametrize("tolerance", [0.2, 0.05])
def test_results_depend_on_the_tolerance_by_less_than_it(tolerance: float) -> None:
    """Halving the tolerance moves times, bytes and losses by less than the tolerance."""
    coarse, fine = solve(dropped(tolerance=tolerance)), solve(dropped(tolerance=tolerance / 2))
    for metric in ("makespan_s", "migration_bytes", "refault_bytes", "lost_work_s"):
        assert coarse.metrics[metric] == pytest.approx(fine.metrics[metric], rel=tolerance), metric


def looked_at(*activities: Data, looks: int, **shares: float) -> Data:
    """Migrate a guest looked at so often from outside; return migration and guest in one."""
    points = [[0.02 * n, 1.0] for n in range(1, looks + 1)]
    busy = guest(*activities, makeup=shares, load={"points": points})
    data = scenario(busy, settle=10.0)
    data["migration"] |= {"max_bandwidth": 256.0 * MiB, "scan_zero": 1e-6, "max_rounds": 4}
    result = solve(data)
    return only(result, "guests") | only(result)


@pytest.mark.parametrize(
    ("activity", "shares"),
    [
        (writer(100.0 * MiB, 0.5), {}),
        (writer(100.0 * MiB, 0.5, pattern="zipf"), {}),
        (writer(50.0 * MiB, 0.2, to="cache"), {"cache": 0.4}),
        (reader(100.0 * MiB, 0.4), {"free_stale": 0.5}),
        (reader(100.0 * MiB, 0.9), {"cache": 0.4}),
        (allocator(50.0 * MiB), {"free_zero": 0.6}),
        (allocator(50.0 * MiB, lifetime=1.0), {"free_zero": 0.6}),
    ],
    ids=["uniform", "zipf", "cache-writer", "warming", "thrashing", "growing", "churning"],
)
def test_looking_changes_nothing(activity: Data, shares: dict[str, float]) -> None:
    """A load that steps from 1 to 1 is no load at all: results stay within the tolerance."""
    never, often = (looked_at(activity, looks=n, **shares) for n in (0, 500))
    for column in (
        "total_time_s", "sent_bytes", "normal_pages", "read_pages", "missed_pages",
        "written_pages",
    ):  # fmt: skip
        assert never[column] == pytest.approx(often[column], rel=0.05), column
    assert abs(never["rounds"] - often["rounds"]) <= 1


# --------------------------------------------------------------------------- what looking costs

TOGETHER = (
    reader("max", 0.3, work=10e-6), reader(80.0 * MiB, 0.2, read_ahead=8),
    writer(20.0 * MiB, 0.05, to="cache"), writer("max", 0.05, work=20e-6),
    allocator(5.0 * MiB, lifetime=2.0), sender(0.7 * GiB),
)  # fmt: skip


@pytest.mark.parametrize(
    ("activities", "more"),
    [
        (TOGETHER, {"hinting": "balloon-held"}),
        (TOGETHER, {"hinting": "clean-cache-hint", "tolerance": 0.01}),
        (TOGETHER, {"migration": {**QUICK, "auto_converge": {"trigger": 0.1}}}),
        (TOGETHER, {"migration": {**QUICK, "dirty_limit": {"trigger": 0.1, "period": 0.1}}}),
        ((writer("max", 0.3, work=5e-6),), {"migration": {**QUICK, "thread_cores": 2.0}}),
    ],
    ids=["balloon", "drop", "auto-converge", "dirty-limit", "plain"],
)
def test_rates_that_are_kept_are_those_that_would_be_set_anew(
    monkeypatch: pytest.MonkeyPatch, activities: tuple[Data, ...], more: Data
) -> None:
    """A look that works out only what has changed comes to what one does that forgets all."""
    net = topology(host=host(3), storage=storage(latency=1e-4, bandwidth=30.0 * MiB))
    made = {"cache": 0.4, "free_zero": 0.2, "kernel": 0.1}
    busy = [
        guest(*activities, name=name, memory=256.0 * MiB, huge_pages=huge, makeup=made)
        for name, huge in (("guest", None), ("huge", {"share": 0.9}))
    ]
    data = scenario(*busy, topology=net, settle=3.0, horizon=60.0, **more)
    kept = repr(solve(data).columns)  # not a number is what it is in a text
    set_rates = Pacing.set_rates

    def set_anew(self: Pacing) -> None:
        self._needs = self._granted = None
        set_rates(self)

    monkeypatch.setattr(Pacing, "set_rates", set_anew)
    assert repr(solve(data).columns) == kept


def test_a_guest_that_nothing_happens_to_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty guests that stay and write make no more events than one, and no memory to look at."""
    events: list[int] = []
    schedule, made = simpy.Environment.schedule, Makeup.memory
    asked: list[float] = []

    def count(self: simpy.Environment, *args: object, **options: object) -> None:
        events[-1] += 1
        schedule(self, *args, **options)  # type: ignore[arg-type]

    def note(self: Makeup) -> object:
        asked.append(self.memory_bytes)
        return made(self)

    monkeypatch.setattr(simpy.Environment, "schedule", count)
    monkeypatch.setattr(Makeup, "memory", note)
    for staying in (1, 50):
        events.append(0)
        still = guest(writer(1.0 * MiB, 0.1), name="still", count=staying, memory=64.0 * MiB)
        still["place"] = {"hosts": "rack0/host1"}
        data = scenario(guest(name="mover"), still, record="migrations")
        result = run(Scenario.model_validate(data))
        assert only(result, "guests", guest="still-0")["written_pages"] > 0
    assert events[0] == events[1]
    assert asked == [GiB] * 2  # of the mover


def test_a_guest_at_rest_keeps_no_memory_that_is_as_at_first() -> None:
    """Where it writes only what is in memory; a cache that warms is kept."""
    plain = guest(writer(1.0 * MiB, 0.2), name="plain")
    warm = guest(reader(1.0 * MiB, 0.2), name="warm", makeup={"cache": 0.3})
    live = world(scenario(plain, warm, record="migrations"))
    live.check = False  # which looks at memory
    live.result(None)
    assert [found.moves for found in live.guests] == [1, 1]
    assert [found._memory is None for found in live.guests] == [True, False]
