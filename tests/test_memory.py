"""A guest's frames and its page cache: sums, moves, and least-recently-used page by page."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.model.invariants import check_memory
from dcsim.model.makeup import makeup_of
from dcsim.model.memory import WHOLE_AFTER_DEFLATE, Memory
from dcsim.model.pool import WHOLE_AFTER_DROP
from dcsim.model.readers import ReadSet
from dcsim.model.touch import TouchClass, classes_of
from tests.twin import TwinCache, draw, draw_zipf

UNIFORM = classes_of(pages=1000.0, kind="uniform")
SWEEP = classes_of(pages=1000.0, kind="sequential")


def frames(memory: Memory) -> dict[str, float]:
    """Pages by contents, but for those that there are none of; loose pages count as free ones."""
    names = ("cache", "kernel", "anonymous", "anonymous_zero", "hinted", "hinted_zero")
    named = {name: getattr(memory, name).count for name in names} | {
        "free_zero": memory.free_zero.count + memory.loose_zero.count,
        "free_stale": memory.free_stale.count + memory.loose_stale.count,
        "ballooned": memory.held_by_balloon,
        "transient": sum(pages.count for pages in memory.allocated),
    }
    return {name: pytest.approx(count) for name, count in named.items() if count > 1e-9}


def make(**sizes: Any) -> Memory:
    """Return a memory of the given parts and no others."""
    kinds = ("free_zero", "free_stale", "cache", "kernel")
    given_sizes = {kind: float(sizes.pop(kind, 0.0)) for kind in kinds}
    pages = sizes.pop("pages", sum(given_sizes.values()) + sizes.get("anonymous_zero", 0.0))
    memory = makeup_of(pages=pages, **given_sizes, **sizes).memory()
    check_memory(memory, "guest")
    return memory


def reading(
    cache: float, *readers: tuple[tuple[TouchClass, ...], int, float], **more: Any
) -> Memory:
    """Return a memory that is all cache, or also free, with these readers."""
    return make(cache=cache, readers=readers, **more)


# ----------------------------------------------------------------------- what it is made of


def test_a_copy_goes_its_own_way() -> None:
    """A copy has the same frames and remembers the same; what becomes of it changes nothing."""
    memory = reading(
        500.0, (classes_of(pages=800.0, kind="zipf"), 4, 10.0), free_zero=300.0, kernel=50.0,
        free_stale=200.0, hintable=0.5, order=("cache", "free-stale", "free-zero", "kernel"),
    )  # fmt: skip
    before = [pages.count for pages in memory.sets]
    missed = [reader.miss() for reader in memory.readers]
    other = memory.copy()
    assert [pages.count for pages in other.sets] == before
    assert [reader.miss() for reader in other.readers] == missed
    assert [len(region) for region in other.scan.regions] == [4, 2, 3, 1]
    other.scan.start(per_chunk=True)
    other.read([100.0])
    other.inflate(400.0)
    other.evict(100.0)
    check_memory(other, "copy")
    assert other.scan.pending > memory.scan.pending == 0.0
    assert [pages.count for pages in memory.sets] == before
    assert [reader.miss() for reader in memory.readers] == missed


def test_what_the_parts_leave_is_anonymous() -> None:
    """Write sets come out of anonymous memory or of the cache; all parts sum to the pages."""
    memory = make(
        pages=10_000,
        free_zero=1000,
        free_stale=500,
        cache=3000,
        kernel=700,
        anonymous_zero=300,
        writers=(
            (classes_of(pages=2000.0, kind="hot-cold"), "anonymous"),
            (classes_of(pages=800.0, kind="uniform"), "cache"),
        ),
    )
    assert frames(memory) == {
        "free_zero": 1000, "free_stale": 500, "cache": 2200, "kernel": 700,
        "anonymous_zero": 300, "anonymous": 10_000 - 1000 - 500 - 3000 - 700 - 300 - 2000,
    }  # fmt: skip
    assert [c.frames.count for c in memory.writers[0].classes] == [200, 1800]
    assert memory.written_cache == 800
    assert memory.free == 1500
    assert {pages.zero for pages in (memory.free_zero, memory.anonymous_zero)} == {True}
    assert not any(pages.zero for pages in (memory.free_stale, memory.cache, memory.kernel))


@pytest.mark.parametrize(
    ("free", "cache", "min_free", "available"),
    [
        (1000, 4000, 100, 1000 - 100 + 4000 - 50),
        (1000, 80, 100, 1000 - 100 + 80 - 40),
        (1000, 0, 100, 900),
        (50, 60, 100, 0),
        (0, 0, 0, 0),
    ],
)
def test_mem_available_is_the_kernels(
    free: float, cache: float, min_free: float, available: float
) -> None:
    """Free less the reserve, and cache less the smaller of its half and the low watermark.

    The low watermark is half of the reserve.
    """
    memory = make(free_stale=free, cache=cache, kernel=100, min_free=min_free)
    assert memory.available == available


def test_mem_available_counts_dirty_cache() -> None:
    """The kernel's figure has no idea which file pages are dirty."""
    memory = make(
        pages=2000, free_zero=500, cache=1000, kernel=100, min_free=50,
        writers=((classes_of(pages=400.0, kind="uniform"), "cache"),),
    )  # fmt: skip
    assert memory.cache.count == 600
    assert memory.available == 500 - 50 + 1000 - 25


def test_spare_is_what_the_kernel_does_not_keep() -> None:
    """Free memory down to the reserve can be taken, and never less than nothing."""
    assert make(free_zero=300, free_stale=100, min_free=150).spare == 250
    assert make(free_zero=100, kernel=900, min_free=150).spare == 0


def test_cold_cache_is_what_nobody_reads_again() -> None:
    """Cache beyond the readers' files is cold; without readers all of it is."""
    assert reading(1500, (UNIFORM, 1, 1.0)).cold == pytest.approx(500)
    assert reading(700, (UNIFORM, 1, 1.0)).cold == pytest.approx(0, abs=1e-6)
    assert make(cache=400).cold == 400


# ----------------------------------------------------------------------- the law of the cache


def che(classes: list[tuple[TouchClass, ...]], rates: list[float], size: float) -> float:
    """Return Che's characteristic time, by bisection on its definition."""
    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        held = sum(
            part.pages * -math.expm1(-rate * part.share * middle / part.pages)
            for parts, rate in zip(classes, rates, strict=True)
            for part in parts
        )
        low, high = (low, middle) if held > size else (middle, high)
    return low


@pytest.mark.parametrize("cache", [100.0, 900.0, 2400.0])
def test_residency_is_ches(cache: float) -> None:
    """One characteristic time T for all readers: residency n(1 - exp(-rT/n)) of each class."""
    classes = [
        classes_of(pages=2000.0, kind="zipf"),
        classes_of(pages=1000.0, kind="hot-cold"),
    ]
    rates = [700.0, 50.0]
    memory = reading(cache, (classes[0], 1, rates[0]), (classes[1], 1, rates[1]))
    time = che(classes, rates, cache)
    for reader, parts, rate in zip(memory.readers, classes, rates, strict=True):
        held = [p.pages * -math.expm1(-rate * p.share * time / p.pages) for p in parts]
        assert reader.resident() == pytest.approx(sum(held), rel=1e-6)
        missed = [p.share * math.exp(-rate * p.share * time / p.pages) for p in parts]
        assert reader.miss() == pytest.approx(sum(missed), rel=1e-6)
    assert memory.resident == pytest.approx(cache)


def test_nobody_reads_an_idle_readers_pages() -> None:
    """A reader of rate 0 has nothing in the cache; the others have all of it."""
    memory = reading(300, (UNIFORM, 1, 0.0), (UNIFORM, 1, 5.0))
    assert [reader.resident() for reader in memory.readers] == pytest.approx([0, 300])
    assert reading(300, (UNIFORM, 1, 0.0)).resident == 0


class Twins:
    """A Zipf reader and a hot-cold reader at 3:1, by the law and with an exact LRU list."""

    def __init__(self, cache: int, *, free: int = 0) -> None:
        self.rng = np.random.default_rng(cache)
        self.memory = reading(
            cache,
            (classes_of(pages=3000.0, kind="zipf", alpha=0.9), 1, 3.0),
            (classes_of(pages=2000.0, kind="hot-cold", hot_share=0.2, hot_rate=0.7), 1, 1.0),
            free_stale=free,
        )
        self.cache = TwinCache(cache + free)

    def both_read(self, touches: int) -> tuple[list[float], list[int]]:
        """Read on; return each reader's misses, by the law and by the list."""
        zipf = self.rng.random(touches) < 0.75
        pages = np.empty(touches, np.int64)
        pages[zipf] = draw_zipf(self.rng, 3000, 0.9, int(zipf.sum()))
        cold = draw(self.rng, [400.0, 1600.0], [0.7, 0.3], int((~zipf).sum()))
        pages[~zipf] = 3000 + cold
        missed = self.cache.read(pages)
        law = self.memory.read([0.75 * touches, 0.25 * touches]).misses
        check_memory(self.memory, "guest")
        return law, [int(missed[zipf].sum()), int(missed[~zipf].sum())]

    def resident(self) -> tuple[list[float], list[int]]:
        law = [reader.resident() for reader in self.memory.readers]
        return law, [self.cache.resident(3000), self.cache.resident(5000, start=3000)]


@pytest.mark.parametrize("cache", [500, 1500, 3000])
def test_a_full_cache_is_that_of_an_exact_list(cache: int) -> None:
    """Residency and misses of two readers at different rates are an LRU list's, within 4 %."""
    twins = Twins(cache)
    twins.cache.read(np.arange(5000))
    for _ in range(3):
        twins.both_read(10_000)
    law, exact = twins.both_read(40_000)
    assert law == pytest.approx(exact, rel=0.04)
    law, exact = twins.resident()
    assert law == pytest.approx(exact, rel=0.04, abs=2 * math.sqrt(cache))


def test_a_partial_drop_leaves_the_residency_of_the_smaller_size() -> None:
    """After a drop of the coldest the rest is as in a small cache, and it fills again as a list."""
    twins = Twins(2500)
    twins.cache.read(np.arange(5000))
    twins.both_read(30_000)
    assert twins.memory.evict(1700) == 1700
    twins.cache.resize(800)
    assert twins.memory.free == 1700
    law, exact = twins.resident()
    assert law == pytest.approx(exact, rel=0.04, abs=40)
    small = Twins(800).memory
    assert law == pytest.approx([reader.resident() for reader in small.readers], rel=1e-6)
    twins.cache.resize(2500)
    for touches in (1000, 1000, 2000, 4000, 20_000):
        law, exact = twins.both_read(touches)
        assert law == pytest.approx(exact, rel=0.05, abs=4 * math.sqrt(touches))
    assert twins.memory.cache.count == pytest.approx(2500)


def test_an_empty_cache_fills_as_an_exact_list() -> None:
    """From nothing to full: misses and residency follow those of a list all the way."""
    twins = Twins(0, free=2000)
    total_law, total_exact = np.zeros(2), np.zeros(2)
    for _ in range(20):
        law, exact = twins.both_read(500)
        total_law += law
        total_exact += exact
        assert total_law == pytest.approx(total_exact, rel=0.06, abs=60)
    assert twins.memory.cache.count == pytest.approx(2000)
    law, exact = twins.resident()
    assert law == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("parts", [1, 7, 50])
def test_refill_after_a_drop_follows_the_closed_form(parts: int) -> None:
    """With room, misses are n(1 - exp(-k/n)), however the reads are split; frames fill once."""
    memory = reading(1000, (UNIFORM, 1, 10.0), kernel=500)
    assert memory.evict(1e9) == 1000
    assert memory.resident == 0
    outcomes = [memory.read([1500.0 / parts]) for _ in range(parts)]
    filled = 1000 * -math.expm1(-1.5)
    assert sum(o.misses[0] for o in outcomes) == pytest.approx(filled)
    assert sum(o.brought for o in outcomes) == pytest.approx(filled)
    assert sum(o.recycled for o in outcomes) == pytest.approx(0, abs=1e-9)
    assert memory.cache.count == memory.resident == pytest.approx(filled)
    assert memory.free == pytest.approx(1000 - filled)


@given(
    cache=st.floats(10, 4000), free=st.floats(0, 3000), ahead=st.integers(1, 8),
    touches=st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 5000)), min_size=1, max_size=8),
    replacement=st.sampled_from(["lru", "two-list"]),
)  # fmt: skip
def test_reading_keeps_the_books(
    cache: float, free: float, ahead: int, touches: list[tuple[float, float]], replacement: Any
) -> None:
    """Misses are at most reads, frames are conserved, and no more is resident than is cached."""
    memory = reading(
        cache,
        (classes_of(pages=2000.0, kind="zipf"), ahead, 2.0),
        (SWEEP, ahead, 1.0),
        free_zero=free, min_free=free / 10, replacement=replacement,
    )  # fmt: skip
    for pair in touches:
        before = memory.cache.count
        outcome = memory.read(pair)
        check_memory(memory, "guest")
        for miss, count in zip(outcome.misses, pair, strict=True):
            assert 0 <= miss <= count * (1 + 1e-6) + 1e-6
        assert outcome.brought >= sum(outcome.misses) - 1e-6
        fresh = outcome.brought - outcome.recycled
        assert memory.cache.count - before == pytest.approx(fresh, abs=1e-6)
        assert memory.free >= memory.min_free - 1e-6


@given(parts=st.integers(2, 40), touches=st.floats(0, 1e4))
def test_in_a_full_cache_looks_change_nothing(parts: int, touches: float) -> None:
    """Readers that go on at their rates miss as often whether looked at once or many times."""
    whole = reading(700, (UNIFORM, 1, 3.0), (SWEEP, 1, 1.0))
    split = whole.copy()
    once = whole.read([3 * touches, touches]).misses
    often = [split.read([3 * touches / parts, touches / parts]).misses for _ in range(parts)]
    assert np.sum(often, axis=0) == pytest.approx(once, rel=1e-6, abs=1e-6)


def test_readers_that_change_their_rates_are_seen_through() -> None:
    """After a change of rates one long look comes to the misses of many short ones."""
    whole = reading(500, (UNIFORM, 1, 3.0), (UNIFORM, 1, 1.0))
    split = whole.copy()
    once = sum(whole.read([1000.0, 9000.0]).misses)
    often = sum(sum(split.read([10.0, 90.0]).misses) for _ in range(100))
    assert once == pytest.approx(often, rel=0.05)


def test_a_long_look_is_the_sum_of_its_parts() -> None:
    """Where the cache shifts between readers, bytes and frames are summed as misses are."""
    memory = reading(500, (UNIFORM, 1, 1.0), (SWEEP, 8, 1.0), free_zero=100)
    outcome = memory.read([1000.0, 9000.0])
    random, swept = outcome.misses
    assert swept == pytest.approx(9000.0)
    assert outcome.brought == pytest.approx(random + swept)
    assert outcome.recycled == pytest.approx(outcome.brought - 100)


def test_a_reader_that_stops_loses_its_pages() -> None:
    """What only the one who stopped had read makes room for the others, until nothing is left."""
    memory = reading(500, (UNIFORM, 1, 1.0), (UNIFORM, 1, 1.0))
    held = []
    for _ in range(40):
        memory.read([0.0, 200.0])
        held.append(memory.readers[0].resident())
    assert all(after < before for before, after in pairwise(held))
    assert held[-1] < 1.0
    assert memory.readers[1].resident() == pytest.approx(500, abs=1.0)


def test_a_set_that_fits_is_never_missed_again() -> None:
    """Once all of a file is cached reading it costs nothing."""
    memory = reading(0, (UNIFORM, 1, 1.0), free_zero=1200)
    memory.read([50_000.0])
    assert memory.read([1e6]).misses == pytest.approx([0], abs=1e-6)
    assert memory.cache.count == pytest.approx(1000)
    assert memory.free == pytest.approx(200)


# ----------------------------------------------------------------------- sweeps, read-ahead


def test_a_sweep_larger_than_the_cache_always_misses() -> None:
    """The next page of a sweep is always the one that was pushed out last."""
    memory = reading(0, (SWEEP, 1, 1.0), free_zero=900)
    for touches in (300.0, 900.0, 10.0, 5000.0):
        assert memory.read([touches]).misses == pytest.approx([touches])
    assert memory.cache.count == pytest.approx(900)


def test_a_sweep_smaller_than_the_cache_misses_once() -> None:
    """The first pass brings all pages in; from then on none is missed."""
    memory = reading(0, (SWEEP, 1, 1.0), free_zero=1100)
    first = [memory.read([150.0]).misses[0] for _ in range(7)]
    assert first == pytest.approx([150] * 6 + [100])
    assert memory.read([5000.0]).misses == pytest.approx([0], abs=1e-9)
    assert memory.readers[0].miss() == 0.0


@pytest.mark.parametrize("cache", [900, 1000])
def test_a_sweep_page_by_page(cache: int) -> None:
    """On either side of the file's size, a sweep misses as with an exact list."""
    memory, twin = reading(0, (SWEEP, 1, 1.0), free_zero=cache), TwinCache(cache)
    at = 0
    for touches in (700, 700, 2000):
        exact = twin.read(np.arange(at, at + touches) % 1000).sum()
        at += touches
        assert memory.read([float(touches)]).misses == pytest.approx([exact])


def test_a_sweep_and_random_reads_share_an_exact_list() -> None:
    """Next to a sweep, hot pages keep the residency that an LRU list gives them."""
    rng = np.random.default_rng(9)
    sweep = classes_of(pages=6000.0, kind="sequential")
    hot = classes_of(pages=800.0, kind="uniform")
    memory, twin = reading(1500, (hot, 1, 1.0), (sweep, 1, 1.0)), TwinCache(1500)
    at = 0
    for touches in (10_000, 20_000):
        pages = np.empty(touches, np.int64)
        swept = np.arange(touches) % 2 == 0
        pages[swept] = 800 + (at + np.arange(touches // 2)) % 6000
        pages[~swept] = rng.integers(800, size=touches // 2)
        at += touches // 2
        missed = twin.read(pages)
        law = memory.read([touches / 2, touches / 2]).misses
    assert law[1] == pytest.approx(missed[swept].sum())
    assert law[0] == pytest.approx(missed[~swept].sum(), rel=0.05)
    assert memory.readers[0].resident() == pytest.approx(twin.resident(800), rel=0.05)


def test_two_lists_spare_what_is_read_again() -> None:
    """Streamed pages go first: a sweep takes what the others leave, and is dropped before them."""
    files = ((UNIFORM, 1, 1.0), (classes_of(pages=5000.0, kind="sequential"), 1, 1.0))
    listed, plain = (
        reading(0, *files, free_zero=1500, replacement=kind) for kind in ("two-list", "lru")
    )
    for memory in (listed, plain):
        for _ in range(200):
            memory.read([100.0, 100.0])
    assert [r.resident() for r in listed.readers] == pytest.approx([1000, 500], abs=0.01)
    assert plain.readers[0].resident() < 700
    listed.evict(300)
    assert [r.resident() for r in listed.readers] == pytest.approx([1000, 200], abs=0.01)
    listed.evict(700)
    assert [r.resident() for r in listed.readers] == pytest.approx([500, 0], abs=0.01)


def test_read_ahead_of_a_sweep_brings_no_more() -> None:
    """A sweep reads ahead only what it will read: the same pages are brought."""
    memory = reading(0, (SWEEP, 8, 1.0), free_zero=400)
    outcome = memory.read([160.0])
    assert outcome.misses == [160.0]
    assert (outcome.brought, outcome.recycled) == (160.0, 0.0)


def test_read_ahead_of_random_reads_brings_what_nobody_asked_for() -> None:
    """For each miss of a random reader storage sends read_ahead pages."""
    memory = reading(0, (UNIFORM, 4, 1.0), free_zero=10_000)
    outcome = memory.read([500.0])
    missed = 1000 * -math.expm1(-0.5)
    assert outcome.misses == pytest.approx([missed])
    assert outcome.brought == pytest.approx(4 * missed)
    assert memory.cache.count == pytest.approx(4 * missed)
    assert memory.cold == pytest.approx(3 * missed)


def test_recycled_frames_are_those_that_were_cache_before() -> None:
    """Misses fill free frames first, then cache frames anew; the kernel's reserve stays."""
    memory = reading(300, (UNIFORM, 1, 1.0), free_zero=60, free_stale=70, min_free=30)
    memory.scan.start(per_chunk=False)
    outcome = memory.read([800.0])
    assert outcome.brought == pytest.approx(sum(outcome.misses))
    assert outcome.recycled == pytest.approx(outcome.brought - 100)
    assert frames(memory) == {"cache": 400, "free_zero": 30}
    assert memory.cache.pending == 400  # as any page at first, filled or not


def test_refilled_frames_have_to_be_sent_after_all() -> None:
    """Pages brought in during a migration set the log bit: the next sync finds them."""
    memory = reading(1000, (UNIFORM, 1, 1.0), kernel=100)
    memory.evict(1000)
    memory.scan.start(per_chunk=False)
    memory.scan.advance(writes=[], recycled=0.0, sent=1100.0)
    assert memory.scan.sync() == pytest.approx(0, abs=1e-9)
    filled = memory.read([2000.0]).brought
    memory.scan.advance(writes=[], recycled=0.0, sent=0.0)
    assert memory.scan.sync() == pytest.approx(filled)


@given(rate=st.floats(0.1, 1e4), tolerance=st.floats(0.01, 0.3), seen=st.floats(0, 5000))
def test_steady_for_is_how_long_misses_are_steady(
    rate: float, tolerance: float, seen: float
) -> None:
    """After that time the chance of a miss has fallen by the tolerance at most, and by its half."""
    reader = ReadSet(classes_of(pages=2000.0, kind="zipf"), 1, seen)
    miss = reader.miss()
    wait = reader.steady_for(rate, miss, tolerance)
    later = reader.miss(seen + rate * wait)
    assert (1 - tolerance) * miss <= later * (1 + 1e-9)
    assert later <= (1 - tolerance / 2) * miss


def test_a_stretch_misses_what_its_reads_will() -> None:
    """Its chances are those of all its reads, with room for all, for a part or for none."""
    sets = ((UNIFORM, 1, 1.0), (classes_of(pages=500.0, kind="zipf"), 1, 0.5))
    for spare in (1000, 100, 0):
        memory = reading(600, *sets, free_zero=spare)
        reads = [300.0, 150.0]
        chances = memory.look_ahead(reads)
        outcome = memory.read(reads)
        assert [c * n for c, n in zip(chances, reads, strict=True)] == pytest.approx(outcome.misses)


def test_a_stretch_goes_on_until_its_reads_are_done_or_something_else_happens() -> None:
    """Reading on leaves it as it is; cache that is dropped or frames that come and go do not."""
    memory = reading(600, (UNIFORM, 1, 1.0), free_zero=1000)
    assert not memory.on_course
    memory.look_ahead([300.0])
    memory.read([100.0])
    assert memory.on_course
    assert memory.ahead.left() == [200.0]
    memory.read([200.0])
    assert memory.ahead.is_through
    assert not memory.on_course
    memory.look_ahead([300.0])
    memory.readers[0].remembered += 10.0  # who has read it, if not its reader?
    assert not memory.on_course
    memory.look_ahead([300.0])
    memory.evict(50.0)
    assert not memory.on_course
    memory.look_ahead([300.0])
    memory.inflate(1e9)
    assert not memory.on_course
    assert not memory.ahead.is_through


def test_reads_are_looked_at_when_their_stretch_ends_or_what_is_sent_has_changed() -> None:
    """A cache that nothing comes into is not looked at; while pages are sent, the sooner."""
    memory = reading(600, (UNIFORM, 1, 1.0), free_zero=1000)
    memory.look_ahead([300.0])
    memory.read([100.0])
    assert memory.paced_for([10.0], 0.05, sending=False) == pytest.approx(20.0)
    assert memory.paced_for([0.0], 0.05, sending=False) == math.inf
    assert memory.paced_for([10.0], 0.05, sending=True) < 20.0
    assert memory.paced_for([10.0], 0.01, sending=True) < memory.paced_for(
        [10.0], 0.05, sending=True
    )
    reader = memory.readers[0]
    assert memory.steady_for([10.0], [0.1]) == reader.steady_for(10.0, reader.miss(), 0.1)
    assert memory.steady_for([1.0], [0.1]) == math.inf  # hardly a miss a second
    memory.inflate(1e9)
    memory.look_ahead([300.0])
    assert memory.paced_for([10.0], 0.05, sending=True) == math.inf
    assert memory.steady_for([10.0], [0.1]) == math.inf


def test_a_sweep_is_steady_until_it_is_round() -> None:
    """A sweep's misses stop at once, when its file is all in the cache; then nothing changes."""
    reader = ReadSet(SWEEP, 1, 400.0)
    assert reader.sequential
    assert reader.steady_for(20.0, reader.miss(), 0.05) == pytest.approx(30.0)
    assert ReadSet(SWEEP, 1, 1000.0).steady_for(20.0, 0.0, 0.05) == math.inf
    assert not ReadSet(UNIFORM).sequential


# ----------------------------------------------------------------------- writing, allocating


def test_take_frames_goes_from_the_cheapest_to_the_dearest() -> None:
    """Free and stale, free and zero, clean cache, then what a hint holds; never the reserve."""
    memory = reading(100, (UNIFORM, 1, 1.0), free_stale=60, free_zero=60, min_free=10, kernel=30)
    assert memory.hold(70.0) == pytest.approx(70)
    held = {"hinted": 10, "hinted_zero": 60}
    assert frames(memory) == {"free_stale": 50, "cache": 100, "kernel": 30, **held}
    steps = [
        (40, {"free_stale": 10, "cache": 100, **held}),
        (40, {"free_stale": 10, "cache": 60, **held}),
        (60, {"free_stale": 10, **held}),
        (15, {"free_stale": 10, "hinted_zero": 55}),
    ]
    taken = 0
    for pages, left in steps:
        assert memory.take_frames(pages, memory.allocated[0]) == pytest.approx(pages)
        taken += pages
        assert frames(memory) == {**left, "kernel": 30, "transient": taken}
        assert memory.resident == pytest.approx(left.get("cache", 0))
    assert memory.take_frames(100.0, memory.allocated[0]) == pytest.approx(55)
    assert frames(memory) == {"free_stale": 10, "kernel": 30, "transient": 210}
    check_memory(memory, "guest")


def test_frames_can_be_taken_when_free_memory_is_below_the_reserve() -> None:
    """While there is clean cache, memory can be had, also when little is free."""
    memory = make(free_zero=10, cache=500, min_free=50)
    assert memory.take_frames(20.0, memory.allocated[0]) == pytest.approx(20)


def test_frames_taken_under_the_log_are_dirty() -> None:
    """Frames that were written on the way are sent after the next sync, whatever they were."""
    memory = make(free_stale=40, free_zero=40, cache=40)
    memory.hold(20.0)
    memory.scan.start(per_chunk=False)
    memory.tell_held()
    memory.scan.advance(writes=[], recycled=0.0, sent=100.0)
    assert memory.scan.pending == pytest.approx(0, abs=1e-9)
    assert memory.take_frames(120.0, memory.allocated[0]) == pytest.approx(120)
    assert memory.scan.sync() == pytest.approx(120)
    assert memory.allocated[0].absent == 0


def test_allocation_reaches_rate_times_lifetime() -> None:
    """Little's law: so many pages are live as are allocated in a lifetime, however looked at."""
    for step in (0.5, 5.0, 100.0):
        memory = make(free_zero=5000, kernel=100)
        time = 0.0
        while time < 100.0:
            got = memory.allocate(pages=20 * step, lifetime_s=10.0, elapsed_s=step)
            assert got == pytest.approx(20 * step)
            time += step
            live = 200 * -math.expm1(-time / 10)
            assert memory.allocated[0].count == pytest.approx(live, rel=1e-6)
        check_memory(memory, "guest")


@pytest.mark.parametrize("step", [0.5, 5.0, 50.0])
def test_allocation_takes_no_more_cache_than_what_is_live_grows_by(step: float) -> None:
    """What is freed meanwhile is allocated again, rather than cache taken, however looked at."""
    memory = reading(1000, (UNIFORM, 1, 1.0), free_zero=100, kernel=50)
    for _ in range(int(100 / step)):
        memory.allocate(pages=40 * step, lifetime_s=10.0, elapsed_s=step)
    live = 400 * -math.expm1(-10)
    assert memory.allocated[0].count == pytest.approx(live, rel=1e-6)
    assert memory.cache.count == pytest.approx(1100 - live, rel=1e-6)
    assert memory.resident == pytest.approx(min(1000, 1100 - live), rel=1e-6)


def test_allocation_without_a_lifetime_only_grows() -> None:
    """Pages never freed pile up, over free memory and then over the cache, until none is left."""
    memory = reading(200, (UNIFORM, 1, 1.0), free_zero=100, kernel=50)
    got = [memory.allocate(pages=120.0, lifetime_s=None, elapsed_s=1.0) for _ in range(4)]
    assert got == pytest.approx([120, 120, 60, 0])
    assert frames(memory) == {"transient": 300, "kernel": 50}
    assert memory.resident == 0


def test_pages_freed_are_there_to_be_allocated() -> None:
    """More may be allocated in an interval than there are frames, as long as they are freed."""
    memory = make(free_zero=150, kernel=50)
    assert memory.allocate(pages=1000.0, lifetime_s=1.0, elapsed_s=10.0) == pytest.approx(1000)
    live = 100 * -math.expm1(-10)
    assert frames(memory) == {
        "free_stale": 50 + 100 - live, "kernel": 50, "transient": live,
    }  # fmt: skip
    assert memory.allocate(pages=1.0, lifetime_s=0.0, elapsed_s=1.0) == 1.0
    assert memory.allocated[0].count == pytest.approx(0, abs=1e-9)


def test_a_full_guest_goes_on_allocating_what_it_frees() -> None:
    """With all memory live and as much freed as is asked for, nothing is refused."""
    memory = make(free_zero=200, kernel=800)
    memory.allocate(pages=200.0, lifetime_s=10.0, elapsed_s=0.0)
    assert memory.free == 0
    got = memory.allocate(pages=20.0, lifetime_s=10.0, elapsed_s=1.0)
    assert got == pytest.approx(200 * -math.expm1(-0.1), abs=1.0)


def test_a_writer_brings_in_what_is_not_in_memory() -> None:
    """Pages dropped from a written file come back as they are touched, n(1 - exp(-k/n)) of them."""
    memory = make(
        pages=2000, free_zero=500, cache=1000, kernel=500, min_free=20,
        writers=((classes_of(pages=800.0, kind="uniform"), "cache"),),
    )  # fmt: skip
    memory.write(0, 1e6)
    assert memory.written_cache == 800
    assert memory.drop_written(200.0) == 200
    assert (memory.written_cache, memory.free) == pytest.approx((600, 700))
    memory.write(0, 400.0)
    assert memory.written_cache == pytest.approx(600 + 200 * -math.expm1(-0.5))
    memory.write(0, 1e9)
    assert memory.written_cache == pytest.approx(800)
    check_memory(memory, "guest")


def test_written_cache_can_be_dropped_whole_and_no_further() -> None:
    """No more than there is can be dropped; anonymous memory never is."""
    memory = make(
        pages=1500, cache=500, kernel=100,
        writers=(
            (classes_of(pages=300.0, kind="hot-cold"), "cache"),
            (classes_of(pages=400.0, kind="uniform"), "anonymous"),
        ),
    )  # fmt: skip
    assert memory.drop_written(1e9) == pytest.approx(300)
    assert frames(memory) == {"free_stale": 300, "cache": 200, "kernel": 100, "anonymous": 500}
    assert memory.drop_written(10.0) == 0


# ----------------------------------------------------------------------- what policies do


def test_a_balloon_takes_free_pages_and_gives_back_zero_ones() -> None:
    """Stale pages go first; ballooned pages read as zero and come back so.

    Those that had never been used are told apart: the balloon made no hole in the host's memory.
    """
    memory = make(free_zero=100, free_stale=40, cache=60)
    assert memory.inflate(70.0) == 70
    assert frames(memory) == {"free_zero": 70, "ballooned": 70, "cache": 60}
    assert (memory.ballooned.count, memory.ballooned_zero.count) == (40, 30)
    assert memory.ballooned.zero
    assert memory.ballooned_zero.zero
    assert memory.inflate(1000.0) == 70
    assert memory.deflate() == 140
    assert frames(memory) == {"free_zero": 140, "cache": 60}
    assert memory.deflate() == 0


def test_a_balloon_deflates_under_pressure() -> None:
    """What a guest gets back on OOM is counted, and no more than there is."""
    memory = make(free_zero=100, kernel=10)
    memory.inflate(100.0)
    assert memory.deflate_on_oom(30.0) == 30
    assert memory.deflate_on_oom(300.0) == 70
    assert memory.oom_pages == 100
    assert frames(memory) == {"free_zero": 100, "kernel": 10}


def test_held_pages_come_back_on_the_source() -> None:
    """A hint that is released on the source returns stale pages with their old contents."""
    memory = make(free_zero=30, free_stale=50)
    assert memory.hold(40.0) == 40
    assert frames(memory) == {"free_stale": 40, "hinted": 10, "hinted_zero": 30}
    memory.release(arrived=False)
    assert frames(memory) == {"free_zero": 30, "free_stale": 50}
    assert memory.hold(100.0) == pytest.approx(80)


def test_held_zero_pages_come_back_as_they_were() -> None:
    """Pages that were zero when a hint took them are zero when the source gets them back."""
    memory = make(free_zero=30, free_stale=50)
    memory.hold(80.0)
    memory.release(arrived=False)
    assert frames(memory) == {"free_zero": 30, "free_stale": 50}


def test_held_pages_arrive_as_zero() -> None:
    """At the destination a page that was never sent reads as zero, free pages skipped included."""
    memory = make(free_zero=30, free_stale=50, kernel=20)
    memory.scan.start(per_chunk=False)
    memory.hold(40.0)
    memory.tell_held()
    memory.free_stale.skip(25.0)
    memory.release(arrived=True)
    assert memory.held == 0
    assert frames(memory) == {"free_zero": 30 + 10 + 25, "free_stale": 15, "kernel": 20}


def test_cache_forgotten_because_it_was_skipped_arrives_as_zero() -> None:
    """Skipped clean pages that the guest forgets at switch-over hold nothing at the destination."""
    memory = make(cache=100)
    memory.scan.start(per_chunk=False)
    memory.cache.skip(100.0)
    assert memory.forget_absent() == pytest.approx(100)
    memory.release(arrived=True)
    assert frames(memory) == {"free_zero": 100}


def test_part_of_the_cache_forgotten_arrives_as_zero() -> None:
    """The same where only half of the cache was skipped: that half is what is forgotten."""
    memory = make(cache=100)
    memory.scan.start(per_chunk=False)
    memory.cache.skip(50.0)
    assert memory.forget_absent() == pytest.approx(50)
    memory.release(arrived=True)
    assert frames(memory) == {"cache": 50, "free_zero": 50}


@pytest.mark.parametrize("hintable", [0.0, 0.25, 1.0])
def test_reported_blocks_lose_their_contents(hintable: float) -> None:
    """Reports cover what lies in whole blocks; of what a drop frees that is a twentieth."""
    memory = make(free_zero=40, free_stale=60, cache=100, hintable=hintable)
    loose = 60 * (1 - hintable)
    for _ in range(3):
        memory.report()
        assert frames(memory).get("free_stale", 0) == pytest.approx(loose)
        assert memory.free == 100
    memory.evict(100.0)
    assert memory.free_stale.count == pytest.approx(WHOLE_AFTER_DROP * 100)
    memory.report()
    assert frames(memory)["free_stale"] == pytest.approx(loose + 100 - WHOLE_AFTER_DROP * 100)


def test_reports_come_in_passes() -> None:
    """Every two seconds a sixteenth of what is free, or a request of 32 blocks of 4 MiB."""
    large = make(free_stale=64 * 2.0**20)
    large.report(2.0)
    assert large.free_zero.count == pytest.approx(4 * 2**20)
    large.report(30.0)
    assert large.free_stale.count == pytest.approx(64 * 2**20 * (15 / 16) ** 16)
    small = make(free_stale=100_000)
    small.report(2.0)
    assert small.free_zero.count == 32_768
    small.report(5.0)
    assert small.free_stale.count == 0


# ----------------------------------------------------------------------- whole blocks


def test_loose_pages_are_used_first() -> None:
    """Allocations take what lies outside whole blocks, in proportion, before they break a block."""
    memory = make(free_stale=100, free_zero=100, hintable=0.6, hintable_zero=0.8)
    assert (memory.loose_stale.count, memory.loose_zero.count) == pytest.approx((40, 20))
    memory.take_frames(30.0, memory.allocated[0])
    assert (memory.loose_stale.count, memory.loose_zero.count) == pytest.approx((20, 10))
    assert (memory.free_stale.count, memory.free_zero.count) == pytest.approx((60, 80))
    memory.take_frames(40.0, memory.allocated[0])
    assert (memory.loose_stale.count, memory.loose_zero.count) == pytest.approx((0, 0))
    assert (memory.free_stale.count, memory.free_zero.count) == pytest.approx((50, 80))


def test_what_is_freed_is_loose_in_part() -> None:
    """Pages that a process frees lie in whole blocks in the share that free memory does."""
    memory = make(free_stale=100, hintable=0.7)
    memory.allocate(pages=100.0, lifetime_s=None, elapsed_s=1.0)
    memory.allocate(pages=0.0, lifetime_s=0.0, elapsed_s=1.0)
    assert memory.free_stale.count == pytest.approx(70)
    assert memory.loose_stale.count == pytest.approx(30)


def test_a_deflated_balloon_leaves_few_whole_blocks() -> None:
    """Taken and returned page by page, free memory is fragments."""
    memory = make(free_stale=100, free_zero=100)
    memory.inflate(200.0)
    memory.deflate()
    assert memory.free_zero.count == pytest.approx(WHOLE_AFTER_DEFLATE * 200)
    assert memory.loose_zero.count == pytest.approx((1 - WHOLE_AFTER_DEFLATE) * 200)
    assert memory.hintable == pytest.approx(WHOLE_AFTER_DEFLATE * 200)


def test_the_kernel_keeps_its_reserve_from_hints() -> None:
    """Of whole blocks, all but what it keeps free can be hinted."""
    assert make(free_stale=50, free_zero=50, min_free=20, hintable=0.8).hintable == 50 + 40 - 20
    assert make(free_stale=10, min_free=20).hintable == 0


@pytest.mark.parametrize("per_chunk", [False, True])
def test_a_kernel_that_zeroes_what_it_allocates_writes_what_is_hinted(per_chunk: bool) -> None:
    """Told and skipped, the pages are dirty all the same, and zero: the next sync brings them."""
    memory = make(free_stale=60, free_zero=40, init_on_alloc=True)
    memory.scan.start(per_chunk=per_chunk)
    memory.hold(100.0)
    assert frames(memory) == {"hinted_zero": 100}
    assert memory.tell_held() == pytest.approx(100)
    assert memory.scan.pending == 0
    assert memory.scan.sync() == pytest.approx(100)
    assert memory.scan.pending_here() == pytest.approx((0, 100, 0))


# ----------------------------------------------------------------------- the order of addresses

ORDER = ("kernel", "cache", "anonymous", "free-stale", "free-zero", "kernel-high")


def ordered(order: tuple[Any, ...] = ORDER) -> Memory:
    """Return a memory with something of everything, in an order, its log started."""
    memory = make(
        pages=10_000, free_zero=1500, free_stale=1000, cache=2500, kernel=500, kernel_high=200,
        order=order, writers=((classes_of(pages=1000.0, kind="hot-cold"), "anonymous"),),
    )  # fmt: skip
    memory.scan.start(per_chunk=False)
    return memory


def scan(memory: Memory) -> list[float]:
    """Send all that is pending; return the pages of each region in the order they were sent."""
    sent = []
    while True:
        here = sum(memory.scan.pending_here())
        memory.scan.advance(writes=[0.0] * len(memory.writers), recycled=0.0, sent=here)
        sent.append(here)
        if not memory.scan.next_region():
            return sent


def test_regions_are_sent_in_their_order() -> None:
    """Kernel, cache, process memory with its hot pages first, free memory, the memory map."""
    memory = ordered()
    assert scan(memory) == pytest.approx([300, 2500, 100, 900, 3500, 1000, 1500, 200])
    assert memory.scan.pending == pytest.approx(0, abs=1e-6)


def test_a_sync_does_not_take_the_cursor_back() -> None:
    """What was written is sent when the scan comes round to it; what is ahead goes first."""
    memory = ordered()
    for _ in range(5):
        here = sum(memory.scan.pending_here())
        memory.scan.advance(writes=[0.0], recycled=0.0, sent=here)
        memory.scan.next_region()
    memory.scan.advance(writes=[1e6], recycled=0.0, sent=0.0)
    assert memory.scan.sync() == pytest.approx(1000)
    assert scan(memory) == pytest.approx([1000, 1500, 200, 100, 900])


def test_what_is_dirtied_behind_the_cursor_waits_for_the_next_time_round() -> None:
    """Half-way through a region, half of what a sync finds there lies behind: others come first."""
    memory = ordered()
    memory.scan.advance(writes=[0.0], recycled=0.0, sent=300.0)
    memory.scan.next_region()  # the cache
    memory.scan.advance(writes=[0.0], recycled=0.0, sent=1250.0)
    memory.scan.advance(writes=[0.0], recycled=800.0, sent=0.0)
    found = memory.scan.sync()
    waiting = memory.scan.waiting
    assert waiting == pytest.approx(1250 + found)
    assert sum(memory.scan.pending_here()) == pytest.approx(1250 + found / 2)
    sent = scan(memory)
    assert sent == pytest.approx([1250 + found / 2, 100, 900, 3500, 1000, 1500, 200, found / 2])
    assert memory.scan.pending == pytest.approx(0, abs=1e-6)


@given(order=st.permutations(ORDER), sent=st.floats(0, 12_000))
def test_no_order_makes_or_loses_pages(order: list[str], sent: float) -> None:
    """Whatever comes first, as much is pending and as much is sent as with all mixed."""
    memory, mixed_up = ordered(tuple(order)), ordered(())
    assert memory.scan.pending == pytest.approx(mixed_up.scan.pending)
    left = sent
    while left > 0:
        part = min(left, sum(memory.scan.pending_here()))
        memory.scan.advance(writes=[0.0], recycled=0.0, sent=part)
        left -= part
        if not memory.scan.next_region():
            break
    assert memory.scan.pending == pytest.approx(max(0.0, 10_000 - sent), abs=1e-3)
    check_memory(memory, "guest")


def test_writes_to_what_is_elsewhere_are_logged() -> None:
    """The set at the cursor is sent, the others are written: each has its own books."""
    memory = ordered()
    memory.scan.advance(writes=[500.0], recycled=40.0, sent=300.0)
    hot, cold = (part.frames for part in memory.writers[0].classes)
    assert memory.kernel.pending == pytest.approx(0, abs=1e-9)
    assert hot.pending == 100
    assert hot.untouched == pytest.approx(100 * math.exp(-450 / 100))
    assert cold.untouched == pytest.approx(900 * math.exp(-50 / 900))
    assert memory.cache.untouched == pytest.approx(2460)


@pytest.mark.parametrize("log", ["at-sync", "per-chunk", "per-chunk-guarded"])
@pytest.mark.parametrize("cursor", [1, 2, 3])
def test_each_set_has_its_own_log_wherever_the_cursor_is(log: str, cursor: int) -> None:
    """At the cache, at the hot pages and at the cold ones, sets do what each does alone.

    Sends go to the sets at the cursor; writes and fills go where they go; faults are foretold.
    """
    memory = ordered()
    memory.scan.start(per_chunk=log != "at-sync", guard=log == "per-chunk-guarded")
    memory.scan.advance(writes=[200.0], recycled=50.0, sent=150.0)
    memory.scan.sync()
    while memory.scan.cursor != cursor:
        assert memory.scan.next_region()
    here = memory.scan.regions[cursor]
    alone = [(pages, copy.copy(pages)) for pages in memory.sets]
    share = 40.0 / sum(memory.scan.pending_here())
    law = {part.frames: part.touch for part in memory.writers[0].classes}
    expected = 0.0
    guard = memory.scan.guard
    for pages, twin in alone:
        sent = share * twin.pending if pages in here else 0.0
        if pages in law:
            touch = law[pages]
            expected += twin.advance(touches=120.0 * touch.share, sent=sent, law=touch.law)
        else:
            touches = 70.0 if pages is memory.cache else 0.0
            twin.advance(touches=touches, sent=sent, law="each")
    announced = memory.scan.faults(0, 120.0, sent=40.0)
    before = memory.scan.pending
    (faults,) = memory.scan.advance(writes=[120.0], recycled=70.0, sent=40.0)
    assert announced == pytest.approx(faults)
    if guard is None:
        assert faults == pytest.approx(expected)
    else:
        assert faults > expected
    assert memory.scan.pending == pytest.approx(before - 40.0)
    for pages, twin in alone:
        for part in ("count", "pending", "untouched", "idle"):
            assert getattr(pages, part) == pytest.approx(getattr(twin, part)), part
    assert memory.scan.sync() == pytest.approx(sum(twin.sync() for _, twin in alone))


def test_refill_makes_the_cache_as_it_was() -> None:
    """Pages read ahead at the destination restore the residency of the memory they come from."""
    before = reading(800, (UNIFORM, 1, 1.0))
    after = before.copy()
    after.evict(800)
    after.refill(300.0, like=before)
    assert (after.cache.count, after.resident) == pytest.approx((300, 300))
    after.refill(1e9, like=before)
    assert after.resident == pytest.approx(800)
    check_memory(after, "guest")


def test_refill_forgets_nothing_that_was_read_meanwhile() -> None:
    """What the guest has missed and read by itself stays resident."""
    before = reading(200, (UNIFORM, 1, 1.0), free_zero=800)
    after = before.copy()
    after.read([3000.0])
    held = after.resident
    after.refill(50.0, like=before)
    assert after.resident == pytest.approx(held, abs=1.0)


def test_a_restart_leaves_only_what_is_always_there() -> None:
    """After a cold move nothing is cached, short-lived, held or ballooned; the books balance."""
    memory = make(
        pages=3000, free_zero=300, free_stale=200, cache=900, kernel=100, anonymous_zero=50,
        writers=(
            (classes_of(pages=400.0, kind="uniform"), "cache"),
            (classes_of(pages=500.0, kind="hot-cold"), "anonymous"),
        ),
        readers=((UNIFORM, 1, 1.0),),
    )  # fmt: skip
    memory.allocate(pages=100.0, lifetime_s=None, elapsed_s=1.0)
    memory.inflate(150.0)
    memory.hold(100.0)
    memory.restart()
    assert frames(memory) == {
        "free_zero": 3000 - 100 - 50 - 500 - 950, "kernel": 100, "anonymous_zero": 50,
        "anonymous": 3000 - 300 - 200 - 900 - 100 - 50 - 500,
    }  # fmt: skip
    assert memory.resident == memory.written_cache == 0
    check_memory(memory, "guest")


# ----------------------------------------------------------------------- the migration's view


def mixed(**more: Any) -> Memory:
    """Return a memory with a bit of everything, its log on."""
    memory = make(
        pages=10_000, free_zero=1500, free_stale=1000, cache=2500, kernel=500, anonymous_zero=200,
        min_free=100, **more,
        writers=(
            (classes_of(pages=1500.0, kind="hot-cold"), "anonymous"),
            (classes_of(pages=600.0, kind="sequential"), "anonymous"),
            (classes_of(pages=700.0, kind="uniform"), "cache"),
        ),
        readers=((classes_of(pages=2500.0, kind="zipf"), 1, 30.0), (SWEEP, 4, 10.0)),
    )  # fmt: skip
    memory.inflate(200.0)
    memory.allocate(pages=300.0, lifetime_s=None, elapsed_s=1.0)
    memory.scan.start(per_chunk=False)
    return memory


def test_pending_tells_contents_zeros_and_ballooned_pages_apart() -> None:
    """At first everything is pending, each page under what it costs to send."""
    memory = mixed()
    zero = memory.free_zero.count + memory.anonymous_zero.count
    assert memory.scan.pending_here() == pytest.approx((10_000 - zero - 200, zero, 200))


@pytest.mark.parametrize("per_chunk", [False, True])
def test_advance_log_is_the_sum_over_the_sets(per_chunk: bool) -> None:
    """Sends are spread over all sets, writes over each writer's classes, fills over the cache."""
    memory = mixed()
    memory.scan.start(per_chunk=per_chunk)
    memory.scan.advance(writes=[50.0, 0.0, 70.0], recycled=30.0, sent=2000.0)
    sets = list(memory.sets)
    alone = {id(pages): copy.copy(pages) for pages in sets}
    writes = [400.0, 90.0, 200.0]
    faults = memory.scan.advance(writes=writes, recycled=120.0, sent=1200.0)
    expected, written = [0.0, 0.0, 0.0], set()
    for i, writer in enumerate(memory.writers):
        for part in writer.classes:
            pages = alone[id(part.frames)]
            expected[i] += pages.advance(
                touches=writes[i] * part.touch.share,
                sent=1200 / 8000 * pages.pending,
                law=part.touch.law,
            )
            written.add(id(part.frames))
    for own in sets:
        if id(own) not in written:
            pages = alone[id(own)]
            touches = 120.0 if own is memory.cache else 0.0
            pages.advance(touches=touches, sent=1200 / 8000 * pages.pending, law="each")
    assert faults == pytest.approx(expected)
    for ours, theirs in zip(sets, alone.values(), strict=True):
        for part in ("count", "pending", "untouched", "idle"):
            assert getattr(ours, part) == pytest.approx(getattr(theirs, part))
    assert memory.scan.pending == pytest.approx(6800)
    news = sum(pages.sync() for pages in alone.values())
    assert memory.scan.sync() == pytest.approx(news)


@pytest.mark.parametrize("order", [(), ORDER])
def test_a_copy_has_sets_and_a_scan_of_its_own(order: Any) -> None:
    """What is sent, written and moved in a copy is its own, in whichever order it lies."""
    memory = mixed(order=order, kernel_high=50.0)
    other = memory.copy()
    assert not set(memory.sets) & set(other.sets)
    assert {pages for region in other.scan.regions for pages in region} == set(other.sets)
    other.evict(500.0)
    other.scan.advance(writes=[200.0] * 3, recycled=10.0, sent=100.0)
    assert other.scan.pending == pytest.approx(9900)
    check_memory(other, "the copy")
    assert memory.scan.pending == 10_000
    assert [pages.untouched for pages in memory.sets] == [pages.count for pages in memory.sets]


def test_no_more_is_sent_than_is_pending() -> None:
    """Asked to send more than there is, all is sent and nothing is negative."""
    memory = mixed()
    memory.scan.advance(writes=[0.0, 0.0, 0.0], recycled=0.0, sent=1e9)
    assert memory.scan.pending == pytest.approx(0, abs=1e-6)
    memory.scan.advance(writes=[0.0, 0.0, 0.0], recycled=0.0, sent=5.0)
    assert memory.scan.sync() == pytest.approx(0, abs=1e-6)
    check_memory(memory, "guest")


@pytest.mark.parametrize("per_chunk", [False, True])
def test_faults_foretells_those_of_the_next_writes(per_chunk: bool) -> None:
    """The write faults announced for random writes are those that come when no page is sent."""
    memory = mixed()
    memory.scan.start(per_chunk=per_chunk)
    memory.scan.advance(writes=[300.0, 0.0, 100.0], recycled=0.0, sent=6000.0)
    announced = [memory.scan.faults(0, 500.0), memory.scan.faults(2, 80.0)]
    faults = memory.scan.advance(writes=[500.0, 0.0, 80.0], recycled=0.0, sent=0.0)
    assert [faults[0], faults[2]] == pytest.approx(announced)
    assert min(announced) > 0


@pytest.mark.parametrize("per_chunk", [False, True])
def test_faults_foretells_those_of_pages_sent_meanwhile(per_chunk: bool) -> None:
    """Per chunk, pages are protected as they are sent: writes to them fault as well."""
    memory = mixed()
    memory.scan.start(per_chunk=per_chunk)
    announced = [memory.scan.faults(i, 400.0, sent=5000.0) for i in range(3)]
    unsent = [memory.scan.faults(i, 400.0) for i in range(3)]
    faults = memory.scan.advance(writes=[400.0] * 3, recycled=0.0, sent=5000.0)
    assert faults == pytest.approx(announced)
    assert unsent == ([0.0] * 3 if per_chunk else pytest.approx(announced))
    assert min(announced) > 0


def test_faults_foretells_those_of_a_sweep() -> None:
    """Half-way through its set, each write of a sweep faults, as the log then shows."""
    memory = mixed()
    memory.scan.advance(writes=[0.0, 300.0, 0.0], recycled=0.0, sent=0.0)
    announced = memory.scan.faults(1, 100.0)
    faults = memory.scan.advance(writes=[0.0, 100.0, 0.0], recycled=0.0, sent=0.0)
    assert faults[1] == pytest.approx(100)
    assert announced == pytest.approx(faults[1])


programs = st.lists(
    st.tuples(
        st.sampled_from([
            "write", "read", "allocate", "allocate-for-good", "take", "evict", "drop", "inflate",
            "deflate", "oom", "hold", "release", "arrive", "report", "refill", "sync", "send",
            "skip", "restart",
            "next",
        ]),
        st.floats(0, 1),
    ),
    max_size=25,
)  # fmt: skip


@given(
    program=programs,
    per_chunk=st.booleans(),
    order=st.one_of(st.just(()), st.permutations(ORDER).map(tuple)),
    init_on_alloc=st.booleans(),
)
def test_frames_always_sum_to_the_pages(
    program: list[tuple[str, float]], per_chunk: bool, order: tuple[Any, ...], init_on_alloc: bool
) -> None:
    """Whatever a guest and a policy do, frames are neither made nor lost, and bounds are kept.

    In whichever order memory lies; and whatever is pending is pending in one of its regions.
    """
    loose = {"hintable": 0.8, "hintable_zero": 0.6, "kernel_high": 50.0 if order else 0.0}
    memory = mixed(order=order, init_on_alloc=init_on_alloc, **loose)
    memory.scan.start(per_chunk=per_chunk)
    undisturbed = memory.copy()
    for what, share in program:
        some = share * 3000
        match what:
            case "write":
                memory.write(int(share * 2.9), some)
                memory.scan.advance(writes=[some, some, some], recycled=0.0, sent=some)
            case "read":
                outcome = memory.read([some, 3000 - some])
                memory.scan.advance(writes=[0.0] * 3, recycled=outcome.recycled, sent=some)
            case "allocate":
                assert memory.allocate(pages=some, lifetime_s=0.5, elapsed_s=1.0) <= some + 1e-6
            case "allocate-for-good":
                assert memory.allocate(pages=some, lifetime_s=None, elapsed_s=1.0) <= some + 1e-6
            case "take":
                assert memory.take_frames(some, memory.allocated[0]) <= some + 1e-6
            case "evict":
                assert memory.evict(some) <= some
            case "drop":
                memory.drop_written(some)
            case "inflate":
                memory.inflate(some)
            case "deflate":
                memory.deflate()
            case "oom":
                memory.deflate_on_oom(some)
            case "hold":
                memory.hold(min(some, memory.spare))
            case "release" | "arrive":
                memory.release(arrived=what == "arrive")
            case "report":
                memory.report(3 * share)
            case "refill":
                memory.refill(some, like=undisturbed)
            case "sync":
                assert memory.scan.sync() >= 0
            case "send":
                memory.scan.advance(writes=[0.0] * 3, recycled=0.0, sent=some)
            case "skip":
                memory.hinted.skip(some)
                memory.cache.skip(some)
            case "restart":
                memory.restart()
            case "next":
                memory.scan.next_region()
        check_memory(memory, f"guest after {what}")
        here = sum(pages.pending for region in memory.scan.regions for pages in region)
        assert here == pytest.approx(memory.scan.pending, abs=1e-3)
        assert memory.free >= 0
        assert memory.available >= 0
        assert memory.spare <= memory.free
        assert memory.cold >= 0
