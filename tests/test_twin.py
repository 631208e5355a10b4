"""The page-by-page twin: against theory, and the model against it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from dcsim.scenario.presets import HINTING
from dcsim.scenario.spec import Pattern, Scenario
from dcsim.units import PAGE, GiB, MiB
from tests.agreement import MAKEUP, ORDER, QEMU, disagreements
from tests.twin import FileCache, Touches, Twin, TwinCache
from tests.twin.guest import BLOCK, FREE, USED, TwinGuest
from tests.worlds import QUICK, SLOT, Data, allocator, guest, reader, scenario, writer

PATTERNS: dict[str, Any] = {
    "uniform": "uniform",
    "hot-cold": {"kind": "hot-cold", "hot_share": 0.1, "hot_rate": 0.8},
    "zipf": {"kind": "zipf", "alpha": 0.9},
    "sequential": "sequential",
}
LOGS = ("at-sync", "per-chunk")
SENT_TO_THE_LAST: Data = {**QUICK, "downtime_limit": 1e-7}
"""A downtime limit that nothing fits: each round sends all there is."""


def twin_of(data: Data, seed: int = 1) -> TwinGuest:
    """Return the twin of a scenario's guest."""
    group = Scenario.model_validate(data).guests[0]
    return TwinGuest(group, np.random.default_rng(seed))


def moving(*activities: Data, memory: float = 512.0 * MiB, **changes: Any) -> Data:
    """Return a guest of 512 MiB of all contents that migrates under QEMU's cap."""
    order, hinting = changes.pop("order", []), changes.pop("hinting", "zero-page")
    log, settle = changes.pop("log", "at-sync"), changes.pop("settle", 0.0)
    one = guest(
        *activities, memory=memory, makeup=MAKEUP, min_free=1 / 64, hintable=0.875, **changes
    )
    one["workload"]["order"] = list(order)
    migration = {**QEMU, "dirty_log": log}
    return scenario(one, migration=migration, hinting=hinting, settle=settle)


# ----------------------------------------------------------------------- the twin against theory


def test_rounds_of_the_twin_are_geometric() -> None:
    """Where writes never meet twice, round i sends (r/b)^i of the memory."""
    ratio = 0.4
    sweep = writer(ratio * GiB, 1.0, pattern="sequential")
    data = scenario(guest(sweep, memory=512.0 * MiB), migration=SENT_TO_THE_LAST)
    sent = Twin(data, seed=1, step_s=5e-4).move().sent
    slots = SLOT / PAGE
    for i in range(5):
        assert sent[i] == pytest.approx(131_072 * (ratio * slots) ** i, rel=0.01)


@pytest.mark.parametrize("passes", [0.3, 1.0, 3.0])
def test_dirty_pages_of_the_twin_saturate(passes: float) -> None:
    """A first pass leaves n(1 - exp(-k/n)) pages dirty of n that k writes go to at random."""
    count, n = 65_536, 8192
    seconds = count * SLOT / GiB
    data = scenario(
        guest(writer(passes * n * PAGE / seconds, n * float(PAGE)), memory=256.0 * MiB),
        migration=SENT_TO_THE_LAST,
    )
    found = Twin(data, seed=2).move().dirtied[0]
    assert abs(found - n * -math.expm1(-passes)) < 4 * math.sqrt(n) + 100


@pytest.mark.parametrize("limit", [0.1, 0.3])
def test_the_twin_stops_by_the_rule(limit: float) -> None:
    """An idle guest stops at the end of the first window after which the rest fits the limit."""
    window = 103 * 32  # flushes of 32 pages that overrun a tenth of 128 MiB
    assert (window - 32) * SLOT < 12.8 * MiB < window * SLOT
    migration = {**QEMU, "downtime_limit": limit}
    moved = Twin(scenario(guest(memory=256.0 * MiB), migration=migration), seed=1).move()
    fits = window * SLOT * limit / 0.1 / PAGE
    windows = math.ceil((65_536 - fits) / window)
    assert moved.sent == [windows * window, 65_536 - windows * window]
    assert moved.rounds == 1
    assert moved.downtime_s == pytest.approx(moved.sent[1] * max(SLOT / GiB, 2.5e-6), rel=1e-9)
    assert moved.total_time_s == pytest.approx(windows * 0.1 + moved.downtime_s, rel=1e-6)


def test_zero_pages_cost_the_twin_their_scan() -> None:
    """Memory of zeros is 9 bytes and a scan a page."""
    data = scenario(guest(memory=256.0 * MiB, makeup={"free_zero": 1.0}), migration=QEMU)
    moved = Twin(data, seed=1).move()
    assert (moved.normal_pages, moved.zero_pages) == (0, 65_536)
    assert moved.sent_bytes == 9 * 65_536
    assert moved.total_time_s == pytest.approx(65_536 * (0.73e-6 + 9 / GiB), rel=1e-6)


@given(reads=st.lists(st.integers(0, 12), max_size=80), size=st.integers(1, 10))
def test_the_file_cache_is_the_exact_list(reads: list[int], size: int) -> None:
    """One list of frames misses what the list of pages misses."""
    cache, twin = FileCache(), TwinCache(size)
    missed = []
    for page in reads:
        missed.append(not cache.use(page))
        if missed[-1]:
            cache.add(page, cache.evict() if len(cache) == size else len(cache))
    assert missed == twin.read(np.array(reads, np.int64)).tolist()
    assert sorted(frame for _, frame in cache.pages()) == list(range(len(cache)))


def test_two_lists_keep_what_is_used_again_from_a_sweep() -> None:
    """A hot set that fits into half of the cache is not evicted by a sweep as one list has it."""
    hot, sweep = 125, 2000
    rng = np.random.default_rng(4)
    missed = {}
    for two_list in (False, True):
        cache = FileCache(two_list=two_list)
        missed[two_list] = 0
        for i in range(40_000):
            page = int(rng.integers(hot)) if i % 8 == 0 else hot + i % sweep
            if not cache.use(page):
                missed[two_list] += page < hot and i > 30_000
                cache.add(page, cache.evict() if len(cache) == 1000 else len(cache))
    assert missed[True] == 0
    assert missed[False] > 100


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_cache_begins_as_long_reading_leaves_it(pattern: str) -> None:
    """Of a set twice the cache, what is resident at first is what it is after many reads."""
    data = scenario(
        guest(
            reader(40.0 * MiB, 32.0 * MiB, pattern=PATTERNS[pattern]),
            reader(20.0 * MiB, 16.0 * MiB),
            memory=64.0 * MiB,
            makeup={"cache": 3 / 8},
        )
    )
    twin = twin_of(data)

    def resident() -> list[int]:
        pages = [page for page, _ in twin.cache.pages()]
        return np.histogram(pages, [0, 8192, 8192 + 4096])[0].tolist()

    before = resident()
    for _ in range(1000):
        twin.run(0.01)
    after = resident()
    assert sum(before) == sum(after) == 6144
    assert before == pytest.approx(after, abs=5 * math.sqrt(6144))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_touches_have_the_shares_of_their_pattern(pattern: str) -> None:
    """The first tenth of the pages gets its share of a million touches."""
    rng = np.random.default_rng(9)
    touches = Touches(rng, 10_000, Pattern.model_validate(PATTERNS[pattern]))
    drawn = np.concatenate([touches.next(0.5 + 1e5) for _ in range(10)])
    assert len(drawn) == 1_000_005
    share = float(touches.shares[:1000].sum())
    assert np.mean(drawn < 1000) == pytest.approx(share, abs=0.002)
    ranks = np.arange(1, 10_001) ** -0.9
    zipf = ranks[:1000].sum() / ranks.sum()
    expected = {"uniform": 0.1, "sequential": 0.1, "hot-cold": 0.8, "zipf": zipf}
    assert share == pytest.approx(expected[pattern], abs=0.01)


def test_the_twin_begins_with_the_blocks_that_are_asked_for() -> None:
    """Of free memory, the hintable share is in whole blocks; the rest is loose and taken first."""
    twin = twin_of(moving())
    blocks = int(twin.whole_blocks().sum())
    assert blocks * BLOCK == 0.875 * 3 / 8 * 131_072
    loose = np.array([twin.take() for _ in range(int(0.125 * 3 / 8 * 131_072))])
    assert twin.zero[loose].sum() == 0.125 * 1 / 4 * 131_072
    twin.fill(loose, USED)
    assert int(twin.whole_blocks().sum()) == blocks
    twin.fill(np.array([twin.take()]), USED)
    assert int(twin.whole_blocks().sum()) == blocks - 1


def test_the_twin_lays_its_contents_in_the_order_asked() -> None:
    """Each content of an order is one piece of addresses."""
    twin = twin_of(moving(writer(1.0 * MiB, 0.1), order=ORDER))
    cuts = np.cumsum([8192, 40_960 + 6144, 13_107, 131_072 - 8192 - 47_104 - 13_107 - 43_008])
    assert twin.writers[0].frames.tolist() == list(range(cuts[1], cuts[2]))
    assert np.flatnonzero(twin.kind == FREE)[-1] == twin.count - 1
    assert set(twin.kind[: cuts[0]]) == {USED}
    assert twin.whole_blocks()[-42:].all()


# ----------------------------------------------------------------------- the model against it


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_writers_of_every_pattern(pattern: str, log: str) -> None:
    """Pages, bytes, times, syncs and what the first of them finds, of a writer."""
    writes = writer(16.0 * MiB, 0.2, pattern=PATTERNS[pattern])
    assert disagreements(moving(writes, log=log)) == []


@pytest.mark.parametrize("order", [ORDER, ORDER[::-1]], ids=["forwards", "backwards"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_contents_in_the_order_of_addresses(pattern: str, order: list[str]) -> None:
    """The same where contents lie in pieces, with a reader that fills frames."""
    activities = writer(12.0 * MiB, 0.15, pattern=PATTERNS[pattern]), reader(20.0 * MiB, 0.4)
    assert disagreements(moving(*activities, order=order)) == []


@pytest.mark.parametrize("pattern", PATTERNS)
def test_readers_of_every_pattern(pattern: str) -> None:
    """Misses and residency of a set larger than the cache, and what they dirty."""
    reads = reader(24.0 * MiB, 0.5, pattern=PATTERNS[pattern])
    assert disagreements(moving(reads, writer(4.0 * MiB, 0.1), settle=3.0)) == []


@pytest.mark.parametrize("hinting", HINTING)
def test_every_policy(hinting: str) -> None:
    """What is told, taken, sent and read again under each shipped policy."""
    hot = {"kind": "hot-cold", "hot_share": 0.1, "hot_rate": 0.9}
    policy: Any = hinting
    if hinting.startswith("balloon"):
        policy = {"use": hinting, "reserve": 16.0 * MiB}
    data = moving(
        writer(8.0 * MiB, 0.15, pattern=hot),
        reader(20.0 * MiB, 0.2, pattern={"kind": "zipf", "alpha": 0.9}),
        hinting=policy,
        settle=4.0,
    )
    assert disagreements(data) == []


def test_a_hint_that_races_the_cursor() -> None:
    """Blocks told in half of the time that the sender takes: a quarter is sent before."""
    blocks = 40
    data = moving(writer(4.0 * MiB, 0.1))
    data["hinting"] = {"use": "free-page-hint", "per_page": 1.5 / (blocks * BLOCK)}
    runs = [Twin(data, seed=seed).move() for seed in range(6)]
    told = np.mean([run.skipped_pages for run in runs]) / (blocks * BLOCK)
    assert told == pytest.approx(0.75, abs=0.08)
    assert disagreements(data, seeds=6, near={"skipped_pages": (0.05, 0.0)}) == []


@settings(max_examples=12, phases=[Phase.explicit, Phase.generate])
@given(
    pattern=st.sampled_from(sorted(PATTERNS)),
    log=st.sampled_from(LOGS),
    rate=st.floats(1.0, 40.0),
    extent=st.floats(0.02, 0.22),
    reads=st.floats(0.0, 30.0),
    files=st.floats(0.05, 0.6),
    hinting=st.sampled_from(
        ["zero-page", "none", "free-page-hint", "free-page-bitmap", "guest-drop-silent"]
    ),
    order=st.sampled_from([[], ORDER, ORDER[::-1]]),
)
def test_drawn_guests(
    pattern: str,
    log: str,
    rate: float,
    extent: float,
    reads: float,
    files: float,
    hinting: str,
    order: list[str],
) -> None:
    """Any of these guests under any of these policies."""
    # A hint's mean time is no good where the cursor is through with free memory in milliseconds.
    assume(hinting != "free-page-hint" or order != ORDER[::-1])
    activities = [writer(rate * MiB, extent, pattern=PATTERNS[pattern])]
    if reads > 1:
        activities.append(reader(reads * MiB, files, pattern=PATTERNS["zipf"]))
    data = moving(*activities, memory=256.0 * MiB, log=log, hinting=hinting, order=order)
    assert disagreements(data, seeds=2) == []


def test_allocations_of_the_twin_take_what_was_freed_last() -> None:
    """With a lifetime, live pages settle at rate times lifetime, and few frames are used."""
    twin = twin_of(moving(allocator(8.0 * MiB, lifetime=1.0)))
    for _ in range(1000):
        twin.run(0.01)
    assert twin.doing[0].frames.size == pytest.approx(2048, rel=0.1)
    assert int((~twin.zero[twin.free]).sum()) < 16_384 + 1024
