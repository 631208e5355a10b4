"""The orders that must come out: which policy sends less, saves time, or costs the guest more."""

from __future__ import annotations

import pytest

from dcsim.units import PAGE, GiB, MiB
from tests.worlds import Data, guest, only, reader, rows, scenario, solve, topology, writer

PAGES = GiB / PAGE
SCAN = {"scan_zero": 2e-6, "scan_ballooned": 2e-6}
INSTANT = {"use": "free-page-hint", "per_page": 0.0}


def outcome(hinting: Data | str, *guests: Data, **changes: object) -> tuple[Data, Data]:
    """Return the rows of the migration and of the guest under a policy."""
    data = scenario(*guests, hinting=hinting, **changes)
    data["migration"] |= SCAN
    result = solve(data)
    row = only(result)
    assert row["outcome"] == "completed"
    return row, only(result, "guests")


def holding(**shares: float) -> Data:
    """An idle guest of this make-up, all of whose free memory is in free blocks."""
    return guest(makeup=shares, hintable=1.0)


@pytest.mark.parametrize("policy", [INSTANT, "free-page-bitmap"], ids=["hint", "bitmap"])
def test_free_memory_that_is_zero_saves_time_and_headers_only(policy: Data | str) -> None:
    """Zero pages cost nine bytes anyway: skipping them saves the scan, hardly any bytes."""
    idle = holding(free_zero=0.8)
    told, _ = outcome(policy, idle)
    scanned, _ = outcome("zero-page", idle)
    saved = scanned["sent_bytes"] - told["sent_bytes"]
    assert saved == pytest.approx(0.8 * PAGES * 9, rel=1e-6)
    assert saved < 0.01 * scanned["sent_bytes"]
    assert told["total_time_s"] < 0.5 * scanned["total_time_s"]


@pytest.mark.parametrize("policy", [INSTANT, "free-page-bitmap"], ids=["hint", "bitmap"])
def test_free_memory_with_old_contents_saves_bytes_too(policy: Data | str) -> None:
    """Stale pages would be sent whole: skipping them saves their bytes and their time."""
    idle = holding(free_stale=0.8)
    told, _ = outcome(policy, idle)
    scanned, _ = outcome("zero-page", idle)
    saved = scanned["sent_bytes"] - told["sent_bytes"]
    assert saved == pytest.approx(0.8 * PAGES * (PAGE + 8), rel=1e-6)
    assert told["total_time_s"] < 0.5 * scanned["total_time_s"]


def test_dropping_the_cache_and_telling_nobody_sends_more() -> None:
    """Dropped pages keep their contents and are sent; cache that refills is sent once more."""
    warm = guest(reader(200.0 * MiB, 0.4), makeup={"cache": 0.45, "kernel": 0.1})
    silent, after = outcome("guest-drop-silent", warm)
    nothing, before = outcome("zero-page", warm)
    assert silent["sent_bytes"] > nothing["sent_bytes"]
    assert after["refault_bytes"] > before["refault_bytes"] == 0
    assert after["lost_work_s"] >= before["lost_work_s"]


def test_dropping_an_unread_cache_and_telling_nobody_saves_nothing() -> None:
    """Even where nobody reads it again, a silent drop sends what doing nothing sends."""
    cold = holding(cache=0.5)
    silent, _ = outcome("guest-drop-silent", cold)
    nothing, _ = outcome("zero-page", cold)
    assert silent["sent_bytes"] == pytest.approx(nothing["sent_bytes"], rel=1e-6)


def test_a_drop_that_is_told_saves() -> None:
    """The same drop, its free memory hinted, sends less than doing nothing."""
    cold = holding(cache=0.5)
    told, _ = outcome("guest-drop", cold)
    nothing, _ = outcome("zero-page", cold)
    assert told["sent_bytes"] < nothing["sent_bytes"]


@pytest.fixture(scope="module")
def balloons() -> dict[str, tuple[Data, Data]]:
    """A guest that re-reads its cache over a slow storage, under two balloons and none."""
    warm = guest(
        reader(200.0 * MiB, 0.4, workers=4), makeup={"cache": 0.5, "kernel": 0.05}, vcpus=8
    )
    storage = {"bandwidth": float(GiB), "iops": 1e9, "latency": 100e-6, "link": float(GiB)}
    found = {}
    for policy in ("balloon-held", "balloon-bounced", "zero-page"):
        hinting = policy if policy == "zero-page" else {"use": policy, "reserve": 16.0 * MiB}
        data = scenario(warm, hinting=hinting, topology=topology(storage=storage), settle=60.0)
        data["migration"] |= {"max_bandwidth": 256.0 * MiB}
        result = solve(data)
        found[policy] = only(result), only(result, "guests")
    return found


def test_a_held_balloon_sends_less_than_a_bounced_one(
    balloons: dict[str, tuple[Data, Data]],
) -> None:
    """Held, cache has nowhere to refill; bounced, it refills while the stream runs, and is sent."""
    sent = {policy: row["sent_bytes"] for policy, (row, _) in balloons.items()}
    assert sent["balloon-held"] < sent["balloon-bounced"] < sent["zero-page"]


def test_a_held_balloon_costs_the_guest_more_reads(
    balloons: dict[str, tuple[Data, Data]],
) -> None:
    """What it could not keep in its cache meanwhile, the guest reads again, and waits for."""
    read = {policy: row["refault_bytes"] for policy, (_, row) in balloons.items()}
    assert read["balloon-held"] > read["balloon-bounced"] > read["zero-page"] == 0
    lost = {policy: row["lost_cache_miss_s"] for policy, (_, row) in balloons.items()}
    assert lost["balloon-held"] > lost["balloon-bounced"] > lost["zero-page"] == 0


def test_network_cost_counts_what_was_read_again(
    balloons: dict[str, tuple[Data, Data]],
) -> None:
    """Bytes not sent and bytes read again add up: the saving is less than it looks."""
    plain, held = balloons["zero-page"], balloons["balloon-held"]
    saved = plain[0]["sent_bytes"] - held[0]["sent_bytes"]
    assert saved > 0
    assert held[1]["extra_refault_bytes"] > 0.3 * saved


def test_a_free_page_hint_pays_less_as_the_cache_fills() -> None:
    """Free memory that turns into cache is free memory that no hint can save."""
    saved = []
    for cache in (0.1, 0.3, 0.5, 0.7):
        filled = holding(cache=cache, free_stale=0.8 - cache, kernel=0.1)
        told, _ = outcome(INSTANT, filled)
        plain, _ = outcome("zero-page", filled)
        saved.append(1 - told["sent_bytes"] / plain["sent_bytes"])
    assert saved == sorted(saved, reverse=True)
    assert saved == pytest.approx([0.7, 0.5, 0.3, 0.1], rel=1e-6)


def test_policies_send_less_the_more_they_may_skip() -> None:
    """Bytes of an idle guest: none > zero-page > free pages > free pages and clean cache."""
    mixed = holding(free_zero=0.2, free_stale=0.1, cache=0.3, kernel=0.05)
    order = [
        "none",
        "zero-page",
        "disk-map",
        "clean-cache-hint",
    ]
    sent = [outcome(policy, mixed)[0]["sent_bytes"] for policy in order]
    assert sent == sorted(sent, reverse=True)
    assert len(set(sent)) == len(sent)
    bitmap = outcome("free-page-bitmap", mixed)[0]["sent_bytes"]
    assert outcome(INSTANT, mixed)[0]["sent_bytes"] == pytest.approx(bitmap, rel=1e-9)
    free = outcome({"use": "balloon-free", "reserve": 0.0}, mixed)[0]["sent_bytes"]
    held = outcome({"use": "balloon-held", "reserve": 0.0}, mixed)[0]["sent_bytes"]
    listed = outcome("clean-cache-hint", mixed)[0]["sent_bytes"]
    # ballooned pages are scanned and sent as zero pages, as QEMU does not know of them
    assert sent[1] > free > bitmap
    assert sent[1] > free > held > listed


def test_a_busy_guest_sends_no_less_than_an_idle_one() -> None:
    """Each policy sends more for a guest that writes."""
    shares = {"free_zero": 0.2, "free_stale": 0.1, "cache": 0.3, "kernel": 0.05}
    for policy in ("zero-page", "free-page-bitmap", INSTANT, "clean-cache-hint"):
        idle = guest(makeup=shares, hintable=1.0)
        busy = guest(writer(100.0 * MiB, 0.3), makeup=shares, hintable=1.0)
        assert outcome(policy, busy)[0]["sent_bytes"] > outcome(policy, idle)[0]["sent_bytes"]


def test_more_dirtying_means_more_bytes_and_rounds() -> None:
    """Sent bytes and rounds grow with the rate of writes."""
    sent, rounds = [], []
    for rate in (10.0, 100.0, 400.0, 800.0):
        row, _ = outcome("zero-page", guest(writer(rate * MiB, 1.0)))
        sent.append(row["sent_bytes"])
        rounds.append(row["rounds"])
    assert sent == sorted(sent)
    assert rounds == sorted(rounds)
    assert rounds[-1] > rounds[0]


def test_a_longer_downtime_limit_means_fewer_rounds_and_a_longer_blackout() -> None:
    """The stop rule trades rounds for downtime."""
    rounds, downtime = [], []
    for limit in (0.05, 0.3, 1.0):
        data = scenario(guest(writer(500.0 * MiB, 1.0), memory=4.0 * GiB))
        data["migration"] |= {"downtime_limit": limit}
        row = only(solve(data))
        rounds.append(row["rounds"])
        downtime.append(row["downtime_s"])
    assert rounds == sorted(rounds, reverse=True)
    assert downtime == sorted(downtime)


def test_coarser_blocks_inflate_faster() -> None:
    """Contiguous pages coalesce: the same balloon in blocks of 2 MiB takes a fraction."""
    idle = holding(free_stale=0.8)
    fine, _ = outcome({"use": "balloon-free", "reserve": 0.0}, idle)
    coarse, _ = outcome({"use": "balloon-free", "reserve": 0.0, "block_pages": 512}, idle)
    assert coarse["policy_s"] < 0.15 * fine["policy_s"]
    assert coarse["interactions"] < fine["interactions"]


def test_one_at_a_time_shortens_each_migration() -> None:
    """Two guests over one link: in turn, each takes half as long and sends less."""
    two = [guest(writer(100.0 * MiB, 0.5), name=name) for name in ("a", "b")]
    together = rows(solve(scenario(*two)), "migrations")
    operation = {"kind": "drain", "hosts": "rack0/host0", "limits": {"per_cluster": 1}}
    in_turn = rows(solve(scenario(*two, operation=operation)), "migrations")
    assert max(m["total_time_s"] for m in in_turn) < min(m["total_time_s"] for m in together)
    assert sum(m["sent_bytes"] for m in in_turn) < sum(m["sent_bytes"] for m in together)
