"""What a migration is expected to take, against runs of it and against closed forms."""

from __future__ import annotations

import math
import time

import pytest

from dcsim.control.prediction import Forecast, Predictor
from dcsim.units import GiB, MiB
from tests.worlds import FLUID, Data, allocator, guest, only, reader, scenario, world, writer

QEMU = {"hypervisor": "qemu-10"}
FAST = {**QEMU, "max_bandwidth": None}
MIXED = {"free_zero": 0.2, "free_stale": 0.1, "cache": 0.3, "kernel": 0.05}
BUSY = (reader(40.0 * MiB, 0.3), writer(20.0 * MiB, 0.1))


def big(*activities: Data, **changes: object) -> Data:
    return guest(*activities, memory=4.0 * GiB, **changes)


def both(data: Data) -> tuple[Forecast, Data]:
    """Return what is expected of the only guest, and the row of its migration."""
    run = world(data)
    dispatcher = run.dispatcher
    forecast = dispatcher.predictor.forecast(
        run.guests[0], dispatcher.patience, destination=run.hosts[1]
    )
    return forecast, only(run.result(None))


def limited(limits: object, data: Data) -> Data:
    data["operation"]["limits"] = limits
    return data


CONVERGES = {
    "idle": scenario(big(makeup=MIXED), migration=FAST),
    "under a cap": scenario(guest(makeup=MIXED), migration=QEMU),
    "writes": scenario(big(writer(500.0 * MiB, 1.0)), migration=FAST),
    "writes nearly too much": scenario(big(writer(800.0 * MiB, 1.0)), migration=FAST),
    "writes all it can": scenario(big(writer("max", 0.1, work=1e-5)), migration=FAST),
    "fluid": scenario(big(writer(500.0 * MiB, 1.0)), migration=FLUID),
    "xen": scenario(big(writer(100.0 * MiB, 0.3)), migration={"hypervisor": "xen"}),
    "channels": scenario(
        big(writer(100.0 * MiB, 0.3), makeup=MIXED), migration={**FAST, "multifd": {"channels": 4}}
    ),
    "deltas": scenario(
        big(writer(100.0 * MiB, 0.02)),
        migration={**QEMU, "xbzrle": {"cache": 256.0 * MiB, "delta": 200.0}},
    ),
    "reads": scenario(big(*BUSY, makeup=MIXED), migration=QEMU),
    "grows": scenario(big(allocator(20.0 * MiB, lifetime=10.0), makeup=MIXED), migration=QEMU),
    "steps by time": limited(
        "nova",
        scenario(
            guest(writer(130.0 * MiB, 0.06)), migration={**QEMU, "downtime_steps": "nova"}
        ),
    ),
    "steps by rounds": limited(
        "kubevirt",
        scenario(
            guest(writer(130.0 * MiB, 0.2)), migration={**QEMU, "downtime_steps": "kubevirt"}
        ),
    ),
    "steps by stalls": scenario(
        guest(writer(130.0 * MiB, 1.0)), migration={**QEMU, "downtime_steps": "proxmox"}
    ),
    "slowed": scenario(
        big(writer("max", 0.5, work=1e-5)), migration={**FAST, "auto_converge": True}
    ),
    "limited": scenario(
        big(writer("max", 0.5, work=1e-5)), migration={**FAST, "dirty_limit": True}
    ),
    "disk": scenario(
        guest(
            writer(100.0 * MiB, 0.1),
            local_disk={"size": 20.0 * GiB, "used": 0.5, "writes": 20.0 * MiB},
        ),
        migration={**FAST, "block": {"bandwidth": 200.0 * MiB}},
    ),
    **{
        hinting: scenario(big(*BUSY, makeup=MIXED), migration=FAST, hinting=hinting)
        for hinting in (
            "free-page-hint", "free-page-bitmap", "balloon-held", "balloon-bounced", "guest-drop",
            "clean-cache-hint", "disk-map", "adaptive",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERGES)
def test_a_guest_that_converges_takes_what_was_expected(name: str) -> None:
    """Time and bytes come within 1 % of the run, and the pause within a sixth."""
    forecast, row = both(CONVERGES[name])
    assert (forecast.converges, row["outcome"]) == (True, "completed")
    assert forecast.total_s == pytest.approx(row["total_time_s"], rel=0.01)
    assert forecast.stream_s == pytest.approx(row["ended_s"] - row["stream_s"], rel=0.01)
    assert forecast.sent_bytes == pytest.approx(row["sent_bytes"], rel=0.01)
    assert forecast.downtime_s == pytest.approx(row["downtime_s"], rel=1 / 6)


EXACT = ("idle", "under a cap", "writes", "fluid", "steps by rounds", "steps by stalls")


@pytest.mark.parametrize("name", EXACT)
def test_where_nothing_is_left_out_it_is_exact(name: str) -> None:
    """A guest at steady rates, whose writes do not slow it, is foreseen to the last bit or so."""
    forecast, row = both(CONVERGES[name])
    assert forecast.total_s == pytest.approx(row["total_time_s"], rel=1e-6)
    assert forecast.sent_bytes == pytest.approx(row["sent_bytes"], rel=1e-6)


@pytest.mark.parametrize("rate", [10.0, 100.0, 500.0, 900.0])
def test_rounds_are_the_closed_series(rate: float) -> None:
    """Each round of a fluid stream sends what the round before it left, by the law of touching."""
    memory, wire = 4.0 * GiB, float(GiB)
    data = scenario(big(writer(rate * MiB, 1.0)), migration=FLUID)
    forecast, _ = both(data)
    left, total = memory, 0.0
    while left > 0.03 * wire or total == 0:
        total += left
        left = memory * -math.expm1(-rate * MiB * (left / wire) / memory)
    assert forecast.sent_bytes == pytest.approx(total + left, rel=1e-9)
    assert forecast.total_s == pytest.approx((total + left) / wire, rel=1e-9)


def test_who_does_not_converge_takes_until_somebody_acts() -> None:
    """Aborts come when management has had enough; without limits, never."""
    stuck = guest(writer(500.0 * MiB, 1.0))
    forecast, row = both(limited("kubevirt", scenario(stuck, migration=QEMU)))
    assert row["outcome"] == "aborted-timeout"
    assert (forecast.converges, forecast.downtime_s) == (False, 0.0)
    assert forecast.total_s == pytest.approx(row["total_time_s"], rel=0.01)
    assert forecast.sent_bytes == pytest.approx(row["sent_bytes"], rel=0.01)
    forecast, row = both(scenario(stuck, migration=QEMU, horizon=60.0))
    assert (forecast.total_s, row["outcome"]) == (math.inf, "cancelled")
    assert forecast.load_bytes_per_s == pytest.approx(128 * MiB, rel=0.02)


def test_who_is_forced_or_followed_does_not_converge_but_ends() -> None:
    """Stop and copy, or post-copy: the pause is long, or the pages come after it."""
    stuck = guest(writer(500.0 * MiB, 1.0))
    forced = {"completion_timeout": 20.0, "on_timeout": "force-complete"}
    forecast, row = both(limited(forced, scenario(stuck, migration=QEMU)))
    assert not forecast.converges
    assert forecast.downtime_s == pytest.approx(row["downtime_s"], rel=0.02)
    post = {**FAST, "post_copy": {"start": "first-pass"}}
    forecast, row = both(scenario(big(writer(800.0 * MiB, 1.0)), migration=post))
    assert row["outcome"] == "completed-postcopy"
    assert forecast.total_s == pytest.approx(row["total_time_s"], rel=0.01)


def test_a_cold_move_takes_its_restart() -> None:
    """Management's time and the restart; no link is loaded."""
    cold = scenario(guest(migratable="cold", because="pinned"), migration={"cold_restart": 40.0})
    forecast, row = both(limited({"control_plane": 7.0}, cold))
    assert forecast.total_s == row["total_time_s"] == 47.0
    assert (forecast.sent_bytes, forecast.load_bytes_per_s, forecast.downtime_s) == (0, 0, 40)


def test_a_load_is_what_it_fills_of_a_link() -> None:
    """Time in which nothing is sent counts four times: others are to fill it."""
    forecast, _ = both(limited({"control_plane": 10.0}, scenario(migration=FLUID)))
    assert (forecast.total_s, forecast.stream_s) == pytest.approx((11.0, 1.0))
    assert forecast.load_bytes_per_s == pytest.approx(GiB / 41)


def test_anywhere_is_over_the_links_of_its_own_host() -> None:
    """Without a destination, the host's link counts; with one, the narrowest of the way."""
    narrow = scenario(
        topology={
            "kind": "leaf-spine", "leaves": 2, "hosts_per_leaf": 1, "spines": 1, "goodput": 1.0,
            "host_link": float(GiB), "uplink": GiB / 4,
        },
        migration=FLUID,
    )  # fmt: skip
    run = world(narrow)
    predictor, patience = run.dispatcher.predictor, run.dispatcher.patience
    anywhere = predictor.forecast(run.guests[0], patience)
    there = predictor.forecast(run.guests[0], patience, destination=run.hosts[1])
    assert (anywhere.total_s, there.total_s) == pytest.approx((1.0, 4.0))


def test_many_guests_of_few_kinds_are_foreseen_at_once() -> None:
    """20,000 guests of two kinds take well under a second of this machine's time."""
    groups = [
        guest(writer(50.0 * MiB, 0.1, work=1e-9), name=name, count=10_000, memory=size * MiB)
        for name, size in (("small", 2.0), ("large", 4.0))
    ]
    run = world(scenario(*groups))
    predictor = Predictor(run.dispatcher.world, run.prepared.settings)
    began = time.process_time()
    found = {predictor.forecast(one, run.dispatcher.patience) for one in run.guests}
    assert time.process_time() - began < 0.5
    assert len(found) == 2


def test_a_forecast_leaves_the_run_as_it_is() -> None:
    """Who asks what is to come changes nothing of it."""
    data = CONVERGES["reads"]
    asked, plain = world(data), world(data)
    asked.dispatcher.predictor.forecast(asked.guests[0], asked.dispatcher.patience)
    assert asked.result(None).equals(plain.result(None))
