"""Hinting policies at work: what each takes, tells, returns and costs."""

from __future__ import annotations

import math

import pytest

from dcsim.model.hinting import DEFLATE_TIME, RACE_PARTS, Step
from dcsim.model.pool import WHOLE_AFTER_DROP
from dcsim.scenario.spec import Scenario
from dcsim.simulation import prepare
from dcsim.units import PAGE, GiB, MiB
from tests.worlds import (
    QUICK,
    Data,
    allocator,
    carried,
    guest,
    migrated,
    only,
    reader,
    rows,
    scenario,
    solve,
    topology,
    world,
    writer,
)

PAGES = GiB / PAGE
MIXED = {"free_zero": 0.2, "free_stale": 0.1, "cache": 0.3, "kernel": 0.05}
TOLD_AT_ONCE = {"per_page": 0.0, "per_interaction": 0.0}


def step_of(hinting: Data | str) -> Step:
    """Return the first step of a policy as the model has it."""
    data = scenario(guest(), hinting=hinting)
    return prepare(Scenario.model_validate(data)).guests[0].profile.policy.steps[0]


def told(hinting: str, **changes: object) -> Data:
    """Return a shipped policy that tells in no time and leaves no reserve."""
    return {"use": hinting, **changes}


def moved(hinting: Data | str, **changes: object) -> Data:
    """Migrate an idle guest of known make-up; return its row of the migrations table."""
    return migrated(scenario(guest(makeup=MIXED, hintable=1.0, **changes), hinting=hinting))


# --------------------------------------------------------------------------- what telling costs


def test_legacy_inflation_of_seven_gib_takes_what_was_measured() -> None:
    """7 GiB by the legacy balloon, 4 KiB at a time, 256 a kick: 4.12 s in 7168 exchanges."""
    step = step_of("balloon-free")
    pages = 7 * GiB / PAGE
    assert step.duration_s(pages) == pytest.approx(4.12, abs=0.005)
    assert step.interactions(pages) == 7168


@pytest.mark.parametrize("block", [1, 8, 512])
def test_contiguous_pages_coalesce(block: int) -> None:
    """Time is P*(alloc + free) + P/k*(translate + madvise) + ceil(P/(256 k))*kick."""
    step = step_of({"use": "balloon-free", "block_pages": block})
    pages = 1_000_000.0
    kicks = math.ceil(pages / (256 * block))
    expected = pages * 0.30e-6 + pages / block * 0.41e-6 + kicks * 393e-6
    assert step.interactions(pages) == kicks
    assert step.duration_s(pages) == pytest.approx(expected, rel=1e-12)


def test_telling_nothing_costs_nothing() -> None:
    """No page, no exchange, no time; a fraction of a page is an exchange."""
    step = step_of("balloon-free")
    assert step.interactions(0.0) == 0
    assert step.duration_s(0.0) == 0
    assert step.interactions(1e-3) == 1
    assert step.interactions(256.0) == 1
    assert step.interactions(257.0) == 2


def test_inflation_precedes_the_stream() -> None:
    """The time of the policy is that of the formula, and the stream begins after it."""
    idle = guest(memory=8.0 * GiB, makeup={"free_stale": 7 / 8})
    row = migrated(scenario(idle, hinting={"use": "balloon-free", "reserve": 0.0}))
    assert row["policy_s"] == pytest.approx(4.12, abs=0.005)
    assert row["stream_s"] == pytest.approx(row["policy_s"], rel=1e-12)
    assert row["ballooned_pages"] == pytest.approx(7 * GiB / PAGE, rel=1e-9)


def test_inflation_takes_a_cpu_of_the_guest() -> None:
    """A guest whose only vCPU was busy keeps half of it while its balloon inflates."""
    busy = guest(
        writer("max", 0.05, work=1e-6), memory=8.0 * GiB, vcpus=1, makeup={"free_stale": 7 / 8}
    )
    data = scenario(busy, hinting={"use": "balloon-free", "reserve": 0.0}, settle=20.0)
    data["migration"] |= {"max_rounds": 2}
    result = solve(data)
    inflation = only(result)["policy_s"]
    row = only(result, "guests")
    assert inflation > 4
    # half of the CPU during inflation, and again during deflation at the destination
    assert inflation * 0.5 <= row["lost_inflation_s"] <= inflation * 1.0 + 1e-6


def test_interactions_of_a_bounced_balloon_are_twice_an_inflation() -> None:
    """Inflated and deflated before the stream: each page is told twice, the second time faster."""
    bounced = moved({"use": "balloon-bounced", "reserve": 0.0})
    pages = 0.6 * PAGES
    assert bounced["interactions"] == 2 * math.ceil(pages / 256)
    assert bounced["policy_s"] == pytest.approx(
        (1 + DEFLATE_TIME) * step_of("balloon-bounced").duration_s(pages), rel=1e-6
    )


def test_interactions_of_a_held_balloon() -> None:
    """Told once before the stream, and once more at the destination, where it is deflated."""
    row = moved({"use": "balloon-held", "reserve": 0.0})
    assert row["interactions"] == 2 * math.ceil(0.6 * PAGES / 256)
    assert row["policy_s"] == pytest.approx(
        step_of("balloon-held").duration_s(0.6 * PAGES), rel=1e-6
    )


def test_a_list_has_an_entry_for_each_whole_block_and_each_other_page() -> None:
    """Used memory, in pieces, takes longer to list than fresh memory: 60 ns a piece, here."""
    step = {"use": "free-page-bitmap", "per_interaction": 0.0, "per_block": 60e-9}
    for hintable in (1.0, 0.4, 0.0):
        idle = guest(makeup={"free_stale": 0.5}, hintable=hintable)
        row = migrated(scenario(idle, hinting=step))
        entries = 0.5 * PAGES * (hintable / 1024 + 1 - hintable)
        assert row["policy_s"] == pytest.approx(60e-9 * entries, rel=1e-6)


@pytest.mark.parametrize(
    ("select", "taken"), [(["clean-cache"], 0.3), (["free", "clean-cache"], 0.6)]
)
def test_cache_that_has_to_go_first_costs_a_balloon_time(select: list[str], taken: float) -> None:
    """Each page evicted for it adds to what each page taken costs; free pages cost no eviction."""
    step = {"select": select, "tell": "balloon", "returned": "destination", "per_page": 1e-6}
    for eviction in (0.0, 3e-6):
        row = moved({"name": "mine", "steps": [step | {"per_eviction": eviction}]})
        assert row["ballooned_pages"] == pytest.approx(taken * PAGES, rel=1e-6)
        assert row["dropped_pages"] == pytest.approx(0.3 * PAGES, rel=1e-6)
        expected = (taken * 1e-6 + 0.3 * eviction) * PAGES
        assert row["policy_s"] == pytest.approx(expected, rel=1e-6)


def test_a_balloon_takes_what_is_free_before_cache_has_to_go() -> None:
    """Half-way, a balloon for free memory and as much cache holds free memory alone."""
    step = {"select": ["free", "clean-cache"], "tell": "balloon", "per_page": 10e-6}
    data = scenario(guest(makeup={"free_zero": 0.3, "cache": 0.3}))
    data["hinting"] = {"name": "mine", "steps": [step | {"returned": "destination"}]}
    data["horizon"] = 0.6 * PAGES * 10e-6 * 0.5
    run = world(data)
    run.result(None)
    memory = run.guests[0].memory
    assert memory.held_by_balloon == pytest.approx(0.24 * PAGES)  # two parts of five
    assert memory.cache.count == pytest.approx(0.3 * PAGES)


def test_lists_and_hints_are_counted() -> None:
    """One list is one exchange; a hint is one for each block of 4 MiB."""
    assert moved("free-page-bitmap")["interactions"] == 1
    hint = moved({"use": "free-page-hint", "per_page": 0.0})
    assert hint["interactions"] == math.ceil(0.3 * PAGES / 1024)


# --------------------------------------------------------------------------- which pages


@pytest.mark.parametrize(
    ("hinting", "normal", "zero", "skipped", "ballooned", "dropped", "mapped"),
    [
        ("none", 1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        ("zero-page", 0.8, 0.2, 0.0, 0.0, 0.0, 0.0),
        ("free-page-bitmap", 0.7, 0.0, 0.3, 0.0, 0.0, 0.0),
        (told("free-page-hint", per_page=0.0), 0.7, 0.0, 0.3, 0.0, 0.0, 0.0),
        (told("balloon-free", reserve=0.0), 0.7, 0.3, 0.0, 0.3, 0.0, 0.0),
        (told("balloon-held", reserve=0.0), 0.4, 0.6, 0.0, 0.6, 0.3, 0.0),
        (told("balloon-bounced", reserve=0.0), 0.4, 0.6, 0.0, 0.6, 0.3, 0.0),
        (told("balloon-partial", reserve=0.0), 0.4, 0.6, 0.0, 0.6, 0.3, 0.0),
        ("guest-drop-silent", 0.8, 0.2, 0.0, 0.0, 0.3, 0.0),
        ("clean-cache-hint", 0.4, 0.0, 0.6, 0.0, 0.3, 0.0),
        ("disk-map", 0.5, 0.2, 0.0, 0.0, 0.0, 0.3),
    ],
    ids=str,
)
def test_what_a_policy_takes_out_of_the_stream(
    hinting: Data | str,
    normal: float,
    zero: float,
    skipped: float,
    ballooned: float,
    dropped: float,
    mapped: float,
) -> None:
    """Pages of an idle guest: 20 % free and zero, 10 % free and stale, 30 % clean cache."""
    row = moved(hinting)
    got = [
        row[f"{column}_pages"] / PAGES
        for column in ("normal", "zero", "skipped", "ballooned", "dropped", "mapped")
    ]
    assert got == pytest.approx([normal, zero, skipped, ballooned, dropped, mapped], abs=1e-6)


@pytest.mark.parametrize("at", [0.0, 60.0])
def test_reporting_turns_stale_memory_into_zero(at: float) -> None:
    """Free memory that is reported reads as zero: it costs a scan and nine bytes.

    It is on all the time, so also before the beginning.
    """
    data = scenario(guest(makeup=MIXED, hintable=1.0), hinting="free-page-reporting")
    data["operation"]["at"] = at
    row = migrated(data)
    assert row["normal_pages"] / PAGES == pytest.approx(0.7, abs=1e-6)
    assert row["zero_pages"] / PAGES == pytest.approx(0.3, abs=1e-6)


def test_reporting_covers_free_blocks_only() -> None:
    """Of free memory, old contents stay in what is not in free blocks."""
    data = scenario(guest(makeup={"free_stale": 0.5}, hintable=0.4))
    data["hinting"] = "free-page-reporting"
    data["operation"]["at"] = 60.0
    row = migrated(data)
    assert row["zero_pages"] / PAGES == pytest.approx(0.2, abs=1e-6)


def test_only_free_blocks_are_hinted() -> None:
    """Hints cover the share of free memory that is in free blocks of 4 MiB."""
    data = scenario(guest(makeup={"free_stale": 0.5}, hintable=0.4))
    data["hinting"] = {"use": "free-page-hint", "per_page": 0.0}
    assert migrated(data)["skipped_pages"] == pytest.approx(0.2 * PAGES, rel=1e-6)


def test_hinted_blocks_are_a_fair_sample_of_free_memory() -> None:
    """Blocks are free for their neighbours' sake, not for what they hold."""
    data = scenario(guest(makeup={"free_zero": 0.4, "free_stale": 0.4}, hintable=0.5))
    data["hinting"] = {"use": "free-page-hint", "per_page": 0.0}
    row = migrated(data)
    assert row["skipped_pages"] == pytest.approx(0.4 * PAGES, rel=1e-6)
    assert row["normal_pages"] == pytest.approx((0.2 + 0.2) * PAGES, rel=1e-6)


def test_reported_blocks_are_a_fair_sample_of_free_memory() -> None:
    """Free blocks that are reported hold zeros and old contents as all free memory does."""
    data = scenario(guest(makeup={"free_zero": 0.4, "free_stale": 0.4}, hintable=0.5))
    data["hinting"] = "free-page-reporting"
    data["operation"]["at"] = 60.0
    row = migrated(data)
    assert row["zero_pages"] == pytest.approx((0.4 + 0.2) * PAGES, rel=1e-6)


def test_hintable_memory_is_less_after_a_drop() -> None:
    """Dropped cache leaves free memory in fragments: 5 % of it is in free blocks, as measured."""
    data = scenario(guest(makeup={"cache": 0.5}, hintable=0.9))
    data["hinting"] = "guest-drop"
    row = migrated(data)
    assert row["dropped_pages"] == pytest.approx(0.5 * PAGES, rel=1e-6)
    assert row["skipped_pages"] == pytest.approx(WHOLE_AFTER_DROP * 0.5 * PAGES, rel=1e-3)


def test_a_drop_of_nothing_fragments_nothing() -> None:
    """A guest without cache has as many free blocks after dropping it as before."""
    data = scenario(guest(makeup={"free_stale": 0.5}, hintable=0.9))
    data["hinting"] = "guest-drop"
    assert migrated(data)["skipped_pages"] == pytest.approx(0.45 * PAGES, rel=0.05)


@pytest.mark.parametrize("tell", ["balloon-held", "clean-cache-hint", "disk-map", "guest-drop"])
def test_a_share_of_the_cache(tell: str) -> None:
    """With a share of a half, half of the clean cache is taken."""
    changes = {"reserve": 0.0} if tell == "balloon-held" else {}
    row = moved({"use": tell, "share": 0.5, **changes})
    taken = row["mapped_pages"] if tell == "disk-map" else row["dropped_pages"]
    assert taken == pytest.approx(0.15 * PAGES, rel=1e-6)


def test_cold_cache_is_what_nobody_reads_again() -> None:
    """A partial balloon leaves the pages that are read again, and takes the rest."""
    warm = guest(reader(100.0 * MiB, 0.1), makeup=MIXED)
    row = migrated(scenario(warm, hinting={"use": "balloon-partial", "reserve": 0.0}))
    assert row["dropped_pages"] == pytest.approx(0.2 * PAGES, rel=1e-3)


def test_a_reserve_is_left_with_the_guest() -> None:
    """The balloon stops a reserve short of MemAvailable, or of MemFree."""
    held = moved({"use": "balloon-held", "reserve": 0.1 * GiB})
    assert held["ballooned_pages"] == pytest.approx(0.5 * PAGES, rel=1e-6)
    free = moved({"use": "balloon-free", "reserve": 0.1 * GiB})
    assert free["ballooned_pages"] == pytest.approx(0.2 * PAGES, rel=1e-6)


def test_a_reserve_larger_than_the_guest_takes_nothing() -> None:
    """There is nothing to take: no pages, no exchange, no time."""
    row = moved({"use": "balloon-held", "reserve": 4.0 * GiB})
    assert row["ballooned_pages"] == row["interactions"] == row["policy_s"] == 0
    assert row["outcome"] == "completed"


def test_dirty_cache_is_written_back_before_it_is_taken() -> None:
    """Cached pages that are written go to the disk first; the bytes are counted."""
    busy = guest(writer(1.0 * MiB, 0.2, to="cache"), makeup={"cache": 0.3})
    data = scenario(busy, hinting={"use": "balloon-held", "reserve": 0.0})
    data["operation"]["at"] = 60.0
    result = solve(data)
    row = only(result)
    assert row["dropped_pages"] == pytest.approx(0.3 * PAGES, rel=0.01)
    assert only(result, "guests")["writeback_bytes"] > 60 * MiB / 2
    on_link = carried(result, "write-back", link="rack0/host0->switch0")
    assert on_link == pytest.approx(only(result, "guests")["writeback_bytes"], rel=1e-6)


def test_write_back_cut_short_is_counted_as_far_as_it_came() -> None:
    """The run ends while dirty cache is written: the table and the link agree."""
    busy = guest(writer(4.0 * MiB, 0.3, to="cache"), makeup={"cache": 0.4})
    data = scenario(busy, hinting={"use": "balloon-held", "reserve": 0.0}, horizon=62.0)
    data["topology"]["storage"]["bandwidth"] = 10.0 * MiB
    data["operation"]["at"] = 60.0
    result = solve(data)
    on_link = carried(result, "write-back", link="rack0/host0->switch0")
    assert only(result, "guests")["writeback_bytes"] == pytest.approx(on_link, rel=1e-6)


# --------------------------------------------------------------------------- when


def test_hints_race_the_sender() -> None:
    """The longer telling takes, the more was sent already, and the less is saved."""
    skipped = []
    for per_page in (0.0, 2e-6, 8e-6):
        data = scenario(guest(makeup={"free_stale": 0.6}, hintable=1.0))
        data["hinting"] = {"use": "free-page-hint", "per_page": per_page}
        skipped.append(migrated(data)["skipped_pages"] / PAGES)
    assert skipped[0] == pytest.approx(0.6, rel=1e-6)
    assert skipped == sorted(skipped, reverse=True)
    assert skipped[2] < 0.75 * skipped[0]


def test_a_guest_of_zeros_is_gone_when_all_of_it_is_told() -> None:
    """Telling faster than scanning: the sender goes on scanning what is not told to the end of it.

    Of u pages not told yet, those not scanned are p: dp/dt = -1/scan - p/u/tell, du/dt = -1/tell,
    so that p = 0 where u/N = exp(-scan/tell): at nearly all of the time that telling takes.
    """
    scan, tell = 1e-6, 0.25e-6
    idle = guest(memory=32.0 * GiB, makeup={"free_zero": 1.0}, hintable=1.0)
    migration = {**QUICK, "scan_zero": scan, "downtime_limit": 0.0}
    data = scenario(idle, migration=migration)
    data["hinting"] = {"use": "free-page-hint", "per_page": tell}
    row = migrated(data)
    telling = 32 * PAGES * tell * (1 - math.exp(-scan / tell))
    assert row["total_time_s"] == pytest.approx(telling, rel=2 / RACE_PARTS)
    assert row["zero_pages"] == pytest.approx(row["total_time_s"] / scan, rel=0.02)
    assert row["skipped_pages"] == pytest.approx(32 * PAGES - row["zero_pages"], rel=1e-6)


def test_hints_that_come_too_late_save_nothing() -> None:
    """Told only after the guest has left, hints save nothing and break nothing."""
    data = scenario(guest(makeup={"free_stale": 0.6}, hintable=1.0), settle=60.0)
    data["hinting"] = {"use": "free-page-hint", "per_page": 1e-3}
    row = migrated(data)
    assert row["outcome"] == "completed"
    assert row["skipped_pages"] == 0


def test_a_paused_guest_hints_nothing() -> None:
    """Hints that would come within the blackout do not come: the guest is stopped."""
    migration = {**QUICK, "downtime_limit": 0.5}
    data = scenario(guest(makeup={"free_stale": 0.6}, hintable=1.0), migration=migration)
    plain = migrated(data)
    paused_at = plain["ended_s"] - plain["downtime_s"]
    first = math.ceil(0.6 * PAGES / 1024 / RACE_PARTS) * 1024  # pages, told by half of their time
    late = 2 * (paused_at + plain["downtime_s"] / 2) / first
    data["hinting"] = {"use": "free-page-hint", "per_page": late}
    row = migrated(data)
    assert row["skipped_pages"] == 0
    assert row["downtime_s"] == pytest.approx(plain["downtime_s"], rel=1e-6)


def test_hints_come_again_after_each_sync() -> None:
    """Blocks given back and freed again are not told anew; those held are told once."""
    migration = {**QUICK, "max_bandwidth": 256.0 * MiB}
    busy = guest(writer(64.0 * MiB, 0.3), makeup={"free_stale": 0.5}, hintable=1.0)
    hinting = {"use": "free-page-hint", "per_page": 0.0}
    row = migrated(scenario(busy, migration=migration, hinting=hinting))
    assert row["rounds"] > 1
    assert row["skipped_pages"] == pytest.approx(0.5 * PAGES, rel=1e-6)


@pytest.mark.parametrize("log", ["at-sync", "per-chunk"])
def test_hinted_pages_that_the_kernel_zeroes_come_back_as_zero_pages(log: str) -> None:
    """With init_on_alloc a hint writes what it takes: measured, it goes as zero pages after all.

    Also where the log is cleared by chunks: its chunk was cleared before, for the first page sent.
    """
    half = guest(makeup={"free_stale": 0.5}, hintable=1.0)
    half["workload"]["init_on_alloc"] = True
    data = scenario(half, migration={**QUICK, "dirty_log": log})
    data["hinting"] = {"use": "free-page-hint", **TOLD_AT_ONCE}
    result = solve(data)
    assert only(result)["skipped_pages"] == pytest.approx(0.5 * PAGES, rel=1e-6)
    zero = only(result)["zero_pages"]
    assert zero == pytest.approx(0.5 * PAGES, rel=1e-6)
    found = rows(result, "rounds")[0]["dirtied_pages"]
    assert found == pytest.approx(zero, rel=1e-6)


def test_a_guest_of_nothing_but_told_memory_moves_at_once() -> None:
    """All of it is free and listed before the first page: nothing is left to be sent."""
    row = migrated(scenario(guest(makeup={"free_stale": 1.0}), hinting="free-page-bitmap"))
    assert (row["outcome"], row["rounds"]) == ("completed", 1)
    assert row["sent_bytes"] == row["downtime_s"] == 0
    assert row["skipped_pages"] == pytest.approx(PAGES)


def test_a_list_needs_the_log_to_be_on() -> None:
    """Free pages that are used after they were listed are sent after all."""
    migration = {**QUICK, "max_bandwidth": 128.0 * MiB}
    busy = guest(allocator(16.0 * MiB), makeup={"free_stale": 0.5})
    data = scenario(busy, migration=migration, hinting="free-page-bitmap")
    row = migrated(data)
    used = 16 * MiB * row["total_time_s"]
    assert row["normal_pages"] * PAGE == pytest.approx(0.5 * GiB + used, rel=0.02)


def test_refilled_cache_has_to_be_sent_after_all() -> None:
    """Deflated at once, a balloon leaves room for the cache to refill while the stream runs."""
    # its own supply of frames: cache refills by misses, each dirties another frame
    migration = {**QUICK, "max_bandwidth": 64.0 * MiB}
    warm = guest(reader(100.0 * MiB, 0.4), makeup={"cache": 0.5})
    sent = {}
    for hinting in ("balloon-held", "balloon-bounced"):
        row = migrated(
            scenario(warm, migration=migration, hinting={"use": hinting, "reserve": 0.0})
        )
        sent[hinting] = row["normal_pages"]
    assert sent["balloon-bounced"] > sent["balloon-held"] + 0.2 * PAGES


# --------------------------------------------------------------------------- returned


def test_a_held_balloon_deflates_at_the_destination() -> None:
    """When it has settled in, the balloon is empty and its pages are free and zero."""
    run = world(
        scenario(guest(makeup=MIXED), hinting={"use": "balloon-held", "reserve": 0.0}, settle=30.0)
    )
    assert only(run.result(None))["outcome"] == "completed"
    memory = run.guests[0].memory
    assert memory.held_by_balloon == 0
    zero = memory.free_zero.count + memory.loose_zero.count
    assert zero == memory.free == pytest.approx(0.6 * PAGES, rel=1e-6)
    assert memory.cache.count == pytest.approx(0.0, abs=1e-3)


def test_hinted_pages_are_free_at_the_destination() -> None:
    """Held blocks are given back, zero, as the destination never got their contents."""
    run = world(
        scenario(
            guest(makeup=MIXED, hintable=1.0), hinting={"use": "free-page-hint", "per_page": 0.0}
        )
    )
    run.result(None)
    memory = run.guests[0].memory
    assert memory.hinted.count == 0
    assert memory.free_zero.count == pytest.approx(0.3 * PAGES, rel=1e-6)
    assert memory.free_stale.count == pytest.approx(0.0, abs=1e-3)


def test_stale_pages_told_by_list_are_zero_at_the_destination() -> None:
    """What was never sent reads as zero; what was not told keeps its old contents."""
    listed = world(scenario(guest(makeup=MIXED), hinting="free-page-bitmap"))
    listed.result(None)
    memory = listed.guests[0].memory
    assert memory.free_stale.count + memory.loose_stale.count == pytest.approx(0.0, abs=1e-3)
    assert memory.free == pytest.approx(0.3 * PAGES, rel=1e-6)
    plain = world(scenario(guest(makeup=MIXED)))
    plain.result(None)
    memory = plain.guests[0].memory
    stale = memory.free_stale.count + memory.loose_stale.count
    assert stale == pytest.approx(0.1 * PAGES, rel=1e-6)


def test_hinted_cache_is_forgotten_at_the_switch_over() -> None:
    """The guest reads its cache until it is paused, and finds none of it at the destination."""
    warm = guest(reader(10.0 * MiB, 0.2), makeup={"cache": 0.3})
    run = world(scenario(warm, hinting="clean-cache-hint"))
    row = only(run.result(None))
    here = run.guests[0]
    assert row["dropped_pages"] == pytest.approx(0.3 * PAGES, rel=0.01)
    assert here.missed_pages == pytest.approx(0, abs=1)  # none before it left
    assert here.memory.cache.count == pytest.approx(0, abs=10)
    assert here.memory.free_zero.count == pytest.approx(0.3 * PAGES, rel=0.01)


def test_cache_hinted_in_part_is_forgotten_in_part() -> None:
    """What was sent stays cached; what was not reads as zero, all of it."""
    run = world(
        scenario(guest(makeup={"cache": 0.4}), hinting={"use": "clean-cache-hint", "share": 0.5})
    )
    run.result(None)
    memory = run.guests[0].memory
    assert memory.cache.count == pytest.approx(0.2 * PAGES, rel=1e-6)
    assert memory.free_zero.count == pytest.approx(0.2 * PAGES, rel=1e-6)


def test_mapped_cache_is_read_at_the_destination() -> None:
    """The pages of the map come from storage: cached again, counted as prefetch, table and link."""
    warm = guest(reader(1.0 * MiB, 0.2), makeup={"cache": 0.3})
    run = world(scenario(warm, hinting="disk-map", settle=30.0))
    result = run.result(None)
    row = only(result)
    assert row["mapped_pages"] == pytest.approx(0.3 * PAGES, rel=1e-6)
    assert row["prefetch_bytes"] == pytest.approx(0.3 * GiB, rel=0.01)
    on_link = carried(result, "prefetch", link="switch0->rack0/host1")
    assert on_link == pytest.approx(row["prefetch_bytes"], rel=1e-6)
    assert run.guests[0].memory.cache.count == pytest.approx(0.3 * PAGES, rel=0.01)


def test_a_prefetch_cut_short_is_counted_as_far_as_it_came() -> None:
    """The run ends while pages are read: the table and the link agree."""
    slow = {"bandwidth": 10.0 * MiB, "iops": 1e9, "latency": 0.0, "link": float(GiB)}
    data = scenario(guest(makeup={"cache": 0.3}), hinting="disk-map", settle=5.0)
    data["topology"]["storage"] = slow
    result = solve(data)
    on_link = carried(result, "prefetch", link="switch0->rack0/host1")
    assert on_link == pytest.approx(50 * MiB, rel=0.01)
    assert only(result)["prefetch_bytes"] == pytest.approx(on_link, rel=1e-6)


def test_held_blocks_are_given_back_under_pressure() -> None:
    """A guest that needs the memory gets it from the hint, block by block, and loses no work."""
    migration = {**QUICK, "max_bandwidth": 64.0 * MiB}
    busy = guest(allocator(32.0 * MiB), makeup={"free_stale": 0.6}, hintable=1.0)
    hinting = {"use": "free-page-hint", "per_page": 0.0}
    result = solve(scenario(busy, migration=migration, hinting=hinting))
    assert only(result)["outcome"] == "completed"
    assert only(result, "guests")["lost_memory_s"] == pytest.approx(0, abs=1e-9)
    # what was given back was written: it is sent
    used = 32 * MiB * only(result)["total_time_s"]
    assert only(result)["normal_pages"] * PAGE == pytest.approx(0.4 * GiB + used, rel=0.05)


def test_held_blocks_are_given_back_to_the_page_cache() -> None:
    """Reclaim for file pages is pressure too: the shrinker gives blocks back, and the cache fills.

    Were they kept, a guest that reads would miss for ever and dirty its few frames for ever.
    """
    migration = {**QUICK, "max_bandwidth": 64.0 * MiB}
    cold = guest(reader(200.0 * MiB, 0.3), makeup={"cache": 0.05, "free_stale": 0.6}, hintable=1.0)
    data = scenario(cold, migration=migration, horizon=200.0)
    plain = solve(data)
    hinted = solve(data | {"hinting": {"use": "free-page-hint", "per_page": 0.0}})
    assert only(hinted)["outcome"] == "completed"
    assert only(hinted)["sent_bytes"] < only(plain)["sent_bytes"]
    refaults = only(plain, "guests")["refault_bytes"]
    assert only(hinted, "guests")["refault_bytes"] == pytest.approx(refaults, rel=0.1)


def test_a_balloon_is_taken_back_under_pressure_and_counted() -> None:
    """With deflate-on-oom, what the guest lacks comes out of the balloon."""
    busy = guest(allocator(64.0 * MiB), makeup={"free_zero": 0.5})
    data = scenario(busy, hinting={"use": "balloon-free", "reserve": 0.0})
    data["migration"] |= {"max_bandwidth": 256.0 * MiB}
    result = solve(data)
    row = only(result, "guests")
    assert row["oom_pages"] > 0
    assert row["lost_memory_s"] == pytest.approx(0, abs=1e-6)


def test_a_balloon_below_the_reserve_of_the_kernel_takes_nothing() -> None:
    """Pages that the kernel keeps free are not the balloon's."""
    run = world(
        scenario(
            guest(makeup={"free_zero": 0.3}, min_free=0.1),
            hinting={"use": "balloon-free", "reserve": 0.0},
        )
    )
    assert only(run.result(None))["ballooned_pages"] == pytest.approx(0.2 * PAGES, rel=1e-6)


def test_a_busy_guest_keeps_the_reserve_of_the_kernel() -> None:
    """The balloon takes what is free when it comes to it, not what was when it was asked for."""
    busy = guest(allocator(100.0 * MiB), makeup={"free_zero": 0.6}, min_free=0.1)
    hinting = {"use": "balloon-free", "reserve": 0.0, "per_interaction": 5e-3}
    data = scenario(busy, hinting=hinting)
    data["horizon"] = 3.2  # the inflation, of 0.5 GiB at 512 kicks, takes 2.6 s
    run = world(data)
    run.result(None)
    assert run.guests[0].memory.held_by_balloon > 0
    assert run.guests[0].memory.free >= 0.1 * PAGES * (1 - 1e-6)


def test_the_undisturbed_guest_reads_what_it_would_have_read() -> None:
    """Extra refaults are those that the policy caused: what it took and was read again."""
    warm = guest(reader(200.0 * MiB, 0.2), makeup={"cache": 0.3})
    data = scenario(warm, hinting="clean-cache-hint", settle=60.0)
    row = only(solve(data), "guests")
    assert row["refault_bytes"] == pytest.approx(0.2 * GiB, rel=0.01)
    assert row["extra_refault_bytes"] == pytest.approx(0.2 * GiB, rel=0.01)
    plain = only(solve(data | {"hinting": "zero-page"}), "guests")
    assert plain["refault_bytes"] == plain["extra_refault_bytes"] == 0


def test_contention_does_not_hide_extra_refaults() -> None:
    """Slowed at its destination, a guest misses what was dropped all the same."""
    net = topology(host={"cores": 1, "memory": 64.0 * GiB})
    net["storage"]["latency"] = 1e-6
    slow = guest(reader("max", 0.9, work=100e-6), makeup={"cache": 0.6})
    burn = guest(
        writer("max", 0.01, work=10e-6), name="burn", count=3, place={"hosts": "rack0/host1"}
    )
    data = scenario(slow, burn, topology=net, settle=60.0)
    plain = only(solve(data), "guests", guest="guest-0")
    told = only(solve(data | {"hinting": "clean-cache-hint"}), "guests", guest="guest-0")
    more = told["refault_bytes"] - plain["refault_bytes"]
    assert more > 0.1 * GiB
    assert told["extra_refault_bytes"] > 0.5 * more


def test_without_frames_every_read_is_a_miss() -> None:
    """A held balloon that leaves nothing lets the guest read from storage until it deflates."""
    warm = guest(reader(200.0 * MiB, 0.2), makeup={"cache": 0.3})
    hinting = {"use": "balloon-held", "reserve": 0.0}
    result = solve(scenario(warm, hinting=hinting))
    phase = only(result, "phases", phase="migration")
    stream = phase["to_s"] - phase["from_s"] - only(result)["downtime_s"]
    assert phase["missed_pages"] == phase["read_pages"]
    assert phase["missed_pages"] * PAGE == pytest.approx(200 * MiB * stream, rel=0.01)


def test_rows_are_written_once() -> None:
    """A migration that settles in within the run has one row, and so has one that does not."""
    for settle in (0.0, 0.5, 60.0):
        data = scenario(guest(makeup=MIXED), hinting="balloon-held", settle=settle)
        assert len(rows(solve(data), "migrations")) == 1
