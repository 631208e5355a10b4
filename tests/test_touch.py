"""The law of touching pages, and the dirty log under it: closed forms, and page by page."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.model.touch import ZIPF_CLASSES, Law, Pages, TouchClass, classes_of
from tests.twin import TwinPages, draw, draw_zipf, zipf_shares

MiB_PER_GiB = 1024
PAGE_MIB = 4096 / 2**20

# Theoretical MiB/s of calc-dirty-rate by working set in GiB and window in ms, as published with
# QEMU's patch; all 27 were made with one rate of touches, which the table gives away.
PUBLISHED = {
    1: (6996, 4606, 3305, 2534, 2041, 1365, 1024, 683, 512),
    4: (10232, 8954, 7889, 6996, 6245, 4829, 3865, 2694, 2041),
    24: (11495, 11226, 10965, 10713, 10469, 9890, 9354, 8397, 7574),
}
WINDOWS_MS = (100, 200, 300, 400, 500, 750, 1000, 1500, 2000)
PUBLISHED_TOUCHES_PER_S = 11773.0 / PAGE_MIB

counts = st.floats(1.0, 1e7)
touched = st.floats(0.0, 1e8)
shares = st.floats(0.0, 1.0)
laws = st.sampled_from(["random", "each"])
kinds = st.sampled_from(["uniform", "hot-cold", "zipf", "sequential"])


def distinct(classes: tuple[TouchClass, ...], touches: float) -> float:
    return sum(part.distinct(touches) for part in classes)


def missing(classes: tuple[TouchClass, ...], touches: float) -> float:
    return sum(part.share * part.miss(touches) for part in classes)


def logging(count: float, *, per_chunk: bool = False, chunk: float = 0.0) -> Pages:
    pages = Pages(count)
    pages.start_log(per_chunk=per_chunk, chunk=chunk)
    return pages


def state(pages: Pages) -> tuple[float, ...]:
    return (pages.count, pages.pending, pages.untouched, pages.idle, pages.absent)


# ----------------------------------------------------------------------- distinct pages


@given(pages=counts, share=shares, touches=touched)
def test_distinct_is_the_closed_form(pages: float, share: float, touches: float) -> None:
    """A class reaches n(1 - exp(-k/n)) pages with its k touches at random, min(k, n) in turn."""
    own = touches * share
    random = TouchClass(pages, share).distinct(touches)
    assert random == pytest.approx(pages * (1 - math.exp(-own / pages)), rel=1e-9, abs=1e-9 * pages)
    assert TouchClass(pages, share, "each").distinct(touches) == min(own, pages)


@given(pages=counts, law=laws, share=st.floats(0.01, 1.0))
def test_distinct_starts_at_the_touch_rate_and_saturates(
    pages: float, law: Law, share: float
) -> None:
    """The slope at 0 is the rate of touches, the limit is the whole class, and not a page more."""
    part = TouchClass(pages, share, law)
    few = 1e-6 * pages
    assert part.distinct(0.0) == 0.0
    assert part.distinct(few) == pytest.approx(few * share, rel=1e-5)
    assert part.distinct(1e4 * pages) == pytest.approx(pages)
    assert part.distinct(1e4 * pages) <= pages


@given(kind=kinds, pages=counts, at=st.floats(0.01, 5.0))
def test_miss_is_the_slope_of_distinct(kind: Any, pages: float, at: float) -> None:
    """The chance of a miss is what one more touch adds to the pages reached."""
    classes = classes_of(pages=pages, kind=kind)
    touches, step = at * pages, 1e-4 * pages
    if kind == "sequential" and abs(touches - pages) <= step:
        return
    slope = (distinct(classes, touches + step) - distinct(classes, touches - step)) / (2 * step)
    assert missing(classes, touches) == pytest.approx(slope, rel=1e-3, abs=1e-6)


@given(
    kind=kinds, pages=st.floats(1e-3, 1e8), hot_share=shares, hot_rate=shares, alpha=st.floats(0, 3)
)
def test_classes_sum_to_the_set(
    kind: Any, pages: float, hot_share: float, hot_rate: float, alpha: float
) -> None:
    """Whatever the pattern, the classes hold all pages of the set and all of its touches."""
    classes = classes_of(
        pages=pages, kind=kind, hot_share=hot_share, hot_rate=hot_rate, alpha=alpha
    )
    assert sum(part.pages for part in classes) == pytest.approx(pages)
    assert sum(part.share for part in classes) == pytest.approx(1.0)
    assert all(part.pages > 0 and part.share >= 0 for part in classes)


def test_hot_cold_is_two_classes() -> None:
    """The hot tenth gets nine tenths of the touches where that is what was asked."""
    hot, cold = classes_of(pages=1000.0, kind="hot-cold", hot_share=0.1, hot_rate=0.9)
    assert (hot.pages, hot.share) == (100.0, 0.9)
    assert (cold.pages, cold.share) == pytest.approx((900.0, 0.1))


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "uniform"},
        {"kind": "hot-cold", "hot_share": 0.0},
        {"kind": "hot-cold", "hot_share": 1.0},
        {"kind": "zipf", "alpha": 0.0},
    ],
)
def test_patterns_without_a_difference_are_uniform(options: dict[str, Any]) -> None:
    """Nothing hot, all hot, or a flat Zipf law: one class with all touches."""
    assert classes_of(pages=500.0, **options) == (TouchClass(500.0, 1.0),)
    assert classes_of(pages=0.5, kind="zipf") == (TouchClass(0.5, 1.0),)


def test_a_sweep_reaches_a_new_page_each_time() -> None:
    """A sequential sweep is min(r*t, n)."""
    (sweep,) = classes_of(pages=100.0, kind="sequential")
    assert [sweep.distinct(k) for k in (0, 40, 99, 100, 250)] == [0, 40, 99, 100, 100]
    assert [sweep.miss(k) for k in (0, 99.9, 100, 250)] == [1, 1, 0, 0]


@pytest.mark.parametrize("pages", [100, 10_000, 262_144])
@pytest.mark.parametrize(
    ("alpha", "tolerance"), [(0.3, 0.01), (0.6, 0.01), (0.9, 0.015), (1.0, 0.02), (1.2, 0.03)]
)
def test_twenty_classes_stand_for_zipf(pages: int, alpha: float, tolerance: float) -> None:
    """Distinct pages within 1 % (3 % for steep laws) of those of the exact rate of every rank."""
    classes = classes_of(pages=pages, kind="zipf", alpha=alpha)
    exact = zipf_shares(pages, alpha)
    assert len(classes) == ZIPF_CLASSES
    for touches in np.geomspace(1, 20 * pages, 30):
        reached = -np.expm1(-touches * exact).sum()
        assert distinct(classes, touches) == pytest.approx(reached, rel=tolerance)


@pytest.mark.parametrize("alpha", [0.5, 0.9, 1.0, 1.5, 3.0])
def test_each_zipf_class_has_the_touches_of_its_ranks(alpha: float) -> None:
    """Of 2^20 pages class i holds ranks 2^i to 2^(i+1), and the exact share of their touches."""
    classes = classes_of(pages=2.0**20, kind="zipf", alpha=alpha)
    exact = np.add.reduceat(zipf_shares(2**20, alpha), [0, *(2**i for i in range(1, 20))])
    assert [part.share for part in classes] == pytest.approx(exact.tolist(), rel=1e-3)


@pytest.mark.parametrize("alpha", [2.0, 3.0])
def test_twenty_classes_stand_for_the_steepest_zipf(alpha: float) -> None:
    """Distinct pages within 3 % of the exact ones up to the largest exponent that is legal."""
    classes = classes_of(pages=10_000, kind="zipf", alpha=alpha)
    exact = zipf_shares(10_000, alpha)
    for touches in (1e2, 1e3, 1e4, 1e5):
        reached = -np.expm1(-touches * exact).sum()
        assert distinct(classes, touches) == pytest.approx(reached, rel=0.03)


@pytest.mark.parametrize("touches", [500, 4000, 20_000])
def test_distinct_agrees_with_touches_drawn_at_random(touches: int) -> None:
    """The pages that random touches reach are those of the law, to the noise of the draw."""
    rng = np.random.default_rng(touches)
    pages = 4000
    hot = classes_of(pages=pages, kind="hot-cold", hot_share=0.1, hot_rate=0.8)
    drawn = draw(rng, [400.0, 3600.0], [0.8, 0.2], touches)
    noise = 4 * math.sqrt(pages)
    assert abs(len(np.unique(drawn)) - distinct(hot, touches)) < noise
    drawn = draw(rng, [float(pages)], [1.0], touches)
    uniform = classes_of(pages=pages, kind="uniform")
    assert abs(len(np.unique(drawn)) - distinct(uniform, touches)) < noise
    drawn = draw_zipf(rng, pages, 0.9, touches)
    zipf = classes_of(pages=pages, kind="zipf", alpha=0.9)
    assert len(np.unique(drawn)) == pytest.approx(distinct(zipf, touches), rel=0.015, abs=noise)


@pytest.mark.parametrize("working_set_gib", PUBLISHED)
def test_published_dirty_rates_against_the_window(working_set_gib: int) -> None:
    """W(1 - (1 - 4096/W)^(r*t))/t as published, to rounding, with one rate for the whole table."""
    size = working_set_gib * MiB_PER_GiB
    part = TouchClass(size / PAGE_MIB, 1.0)
    for window_ms, published in zip(WINDOWS_MS, PUBLISHED[working_set_gib], strict=True):
        seconds = window_ms / 1e3
        touches = PUBLISHED_TOUCHES_PER_S * seconds
        law = size * (1 - (1 - PAGE_MIB / size) ** touches) / seconds
        measured = part.distinct(touches) * PAGE_MIB / seconds
        assert measured == pytest.approx(law, rel=1e-5)
        assert measured == pytest.approx(published, abs=1.3)


# ----------------------------------------------------------------------- the dirty log

Step = tuple[float, float]
"""Touches, and pages sent in share of those pending."""
intervals = st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), min_size=1, max_size=8)


def test_before_a_migration_all_pages_are_idle() -> None:
    """No page is pending before the log is on; all are once it is, none of them written."""
    pages = Pages(10.0, zero=True)
    assert state(pages) == (10, 0, 10, 10, 0)
    assert pages.zero
    pages.start_log(per_chunk=True)
    assert state(pages) == (10, 10, 10, 0, 0)
    assert pages.per_chunk


def test_a_second_log_starts_afresh() -> None:
    """What an earlier migration knew is forgotten when the log is switched on again."""
    pages = logging(100.0, per_chunk=True)
    pages.skip(30.0)
    pages.advance(touches=40.0, sent=20.0)
    pages.start_log(per_chunk=False)
    assert state(pages) == (100, 100, 100, 0, 0)
    assert not pages.per_chunk


@given(steps=intervals, law=laws)
def test_at_sync_an_interval_may_be_split_anywhere(steps: list[Step], law: Law) -> None:
    """With the log cleared at the sync, looks in between change nothing, however uneven."""
    parts, whole = logging(1000.0), logging(1000.0)
    faults = 0.0
    sent = 0.0
    for touches, share in steps:
        part = share * parts.pending
        faults += parts.advance(touches=100 * touches, sent=part, law=law)
        sent += part
    touches = 100 * math.fsum(touches for touches, _ in steps)
    assert whole.advance(touches=touches, sent=sent, law=law) == pytest.approx(faults, abs=1e-6)
    assert state(parts) == pytest.approx(state(whole), abs=1e-6)
    assert parts.sync() == pytest.approx(whole.sync(), abs=1e-6)


@given(touches=st.floats(0, 1e4), sent=st.floats(0, 1), parts=st.integers(2, 20))
def test_per_chunk_an_interval_may_be_split_evenly(touches: float, sent: float, parts: int) -> None:
    """With the log cleared as pages are sent, even looks in an even interval change nothing."""
    split, whole = (logging(1000.0, per_chunk=True) for _ in range(2))
    for pages in (split, whole):
        pages.skip(200.0)
        pages.advance(touches=50.0)
    faults = sum(
        split.advance(touches=touches / parts, sent=800 * sent / parts) for _ in range(parts)
    )
    assert whole.advance(touches=touches, sent=800 * sent) == pytest.approx(faults, abs=1e-6)
    assert state(split) == pytest.approx(state(whole), abs=1e-6)


@pytest.mark.parametrize("sweeps", [0.25, 0.5, 1.0])
def test_per_chunk_a_sweep_may_be_split_evenly(sweeps: float) -> None:
    """What a sweep dirties does not depend on how often one looks."""
    whole, split = (logging(1000.0, per_chunk=True) for _ in range(2))
    whole.advance(touches=1000 * sweeps, sent=1000.0, law="each")
    for _ in range(100):
        split.advance(touches=10 * sweeps, sent=10.0, law="each")
    assert split.sync() == pytest.approx(whole.sync(), rel=0.02)


@given(touches=st.floats(0, 1e5), sent=shares)
def test_sync_counts_what_is_new(touches: float, sent: float) -> None:
    """New pages are W(1 - exp(-k/W)) times the share not waiting to be sent already."""
    pages = logging(1000.0)
    pages.advance(touches=touches, sent=1000 * sent)
    dirtied = 1000 * -math.expm1(-touches / 1000)
    assert pages.sync() == pytest.approx(dirtied * sent, rel=1e-9, abs=1e-6)
    assert pages.pending == pytest.approx(1000 * (1 - sent) + dirtied * sent, abs=1e-6)
    assert (pages.untouched, pages.idle) == pytest.approx((1000, 1000 - pages.pending))
    assert pages.sync() == pytest.approx(0.0, abs=1e-6)


@given(touches=st.floats(1, 1e5), sent=st.floats(0.01, 1))
def test_per_chunk_only_later_writes_count(touches: float, sent: float) -> None:
    """A page sent at a moment spread evenly is new with chance 1 - (1 - exp(-x))/x, x = k/W."""
    pages = logging(1000.0, per_chunk=True)
    pages.advance(touches=touches, sent=1000 * sent)
    x = touches / 1000
    assert pages.sync() == pytest.approx(1000 * sent * (1 + math.expm1(-x) / x), rel=1e-6)


def test_writes_beyond_all_measure_leave_nothing_clean() -> None:
    """Touches without end dirty every page once: no overflow, no negative share."""
    for per_chunk in (False, True):
        pages = logging(100.0, per_chunk=per_chunk)
        pages.advance(touches=1e9, sent=100.0)
        assert pages.sync() == pytest.approx(100.0)
        pages = logging(100.0, per_chunk=per_chunk)
        pages.advance(touches=1e9, sent=100.0, law="each")
        assert pages.sync() == pytest.approx(100.0)


def test_nothing_happens_to_an_empty_set() -> None:
    """Writes to no pages are no faults and dirty nothing."""
    pages = logging(0.0)
    assert pages.advance(touches=5.0, sent=5.0, law="each") == 0.0
    assert pages.sync() == 0.0
    assert state(pages) == (0, 0, 0, 0, 0)


def test_an_interval_without_writes_only_sends() -> None:
    """Sent pages are idle afterwards; more than there are cannot be sent."""
    pages = logging(100.0)
    assert pages.advance(touches=0.0, sent=60.0) == 0.0
    assert state(pages) == pytest.approx((100, 40, 100, 60, 0))
    pages.advance(touches=0.0, sent=60.0)
    assert state(pages) == pytest.approx((100, 0, 100, 100, 0))
    before = state(pages)
    assert pages.advance(touches=0.0, sent=0.0) == 0.0
    assert state(pages) == before


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.5])
def test_linear_dirtying_gives_the_geometric_series(ratio: float) -> None:
    """Where writes never meet twice, round i sends (r/b)^i of the first, the series of pre-copy."""
    first = 1e6
    memory = logging(first)
    # The first pass leaves r/b of the memory; from then on nearly all of it is clean.
    memory.advance(touches=ratio * first, sent=first, law="each")
    sizes = [first, memory.sync()]
    for _ in range(6):
        memory.advance(touches=ratio * memory.pending, sent=memory.pending, law="each")
        sizes.append(memory.sync())
    assert sizes == pytest.approx([first * ratio**i for i in range(8)], abs=1e-6)


def test_random_dirtying_is_linear_in_the_limit() -> None:
    """Random writes give the same series once a round's writes are few against the set."""
    ratio, memory = 0.02, logging(1e6)
    sizes = []
    for _ in range(5):
        memory.advance(touches=ratio * memory.pending, sent=memory.pending)
        sizes.append(memory.sync())
    for before, after in pairwise(sizes):
        assert after / before == pytest.approx(ratio, rel=ratio)
    assert sizes[0] == pytest.approx(1e6 * -math.expm1(-ratio))


# ----------------------------------------------------------------------- bounds

Op = tuple[str, float, float]
ops = st.lists(
    st.tuples(
        st.sampled_from(["write", "sweep", "sync", "skip", "move", "move-written", "move-back"]),
        st.floats(0, 3),
        st.floats(0, 1.2),
    ),
    max_size=15,
)


def apply(op: Op, pages: Pages, other: Pages) -> float:
    """Do one thing to the pages; return the pages sent or taken out of the stream."""
    what, touches, share = op
    before = pages.pending
    if what == "write":
        pages.advance(touches=touches * 1000, sent=share * pages.pending)
    elif what == "sweep":
        pages.advance(touches=touches * 1000, sent=share * pages.pending, law="each")
    elif what == "skip":
        return pages.skip(share * pages.count)
    elif what == "sync":
        pages.sync()
        other.sync()
        return 0.0
    elif what == "move-back":
        other.move(share * other.count, pages)
        return 0.0
    else:
        pages.move(share * pages.count, other, written=what == "move-written")
        return 0.0
    return before - pages.pending


@given(program=ops, per_chunk=st.booleans(), chunk=st.sampled_from([0.0, 0.3, 1.0]))
def test_counts_keep_their_bounds(program: list[Op], per_chunk: bool, chunk: float) -> None:
    """0 <= pending, untouched, idle, absent <= count, and pages are neither made nor lost."""
    pages, other = (logging(n, per_chunk=per_chunk, chunk=chunk) for n in (1000.0, 500.0))
    for op in program:
        apply(op, pages, other)
        assert pages.count + other.count == pytest.approx(1500.0)
        for each in (pages, other):
            for part in state(each):
                assert -1e-9 <= part <= each.count + 1e-6
            assert each.pending + each.idle <= each.count + 1e-6
            assert each.absent <= each.idle + 1e-6
            if not per_chunk:
                assert each.idle <= each.untouched + 1e-6


@given(program=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), max_size=6), law=laws)
def test_per_chunk_never_sends_more(program: list[Step], law: Law) -> None:
    """Clearing the log as pages are sent leaves no more to send than clearing it at the sync."""
    late, early = logging(1000.0, per_chunk=True), logging(1000.0)
    for touches, share in program:
        late.advance(touches=1000 * touches, sent=share * late.pending, law=law)
        early.advance(touches=1000 * touches, sent=share * early.pending, law=law)
        assert late.pending <= early.pending + 1e-6
        late.sync()
        early.sync()
        assert late.pending <= early.pending + 1e-6


@given(
    program=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), max_size=6),
    law=laws,
    per_chunk=st.booleans(),
)
def test_faults_are_bounded_by_pages(program: list[Step], law: Law, per_chunk: bool) -> None:
    """No page faults twice between two times that it is protected."""
    pages = logging(1000.0, per_chunk=per_chunk)
    for touches, share in program:
        protected = pages.idle + share * pages.pending if per_chunk else pages.untouched
        faults = pages.advance(touches=1000 * touches, sent=share * pages.pending, law=law)
        assert 0 <= faults <= protected + 1e-6
    if not per_chunk:
        pages.sync()
        assert pages.untouched == pages.count


@given(
    program=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), max_size=6),
    per_chunk=st.booleans(),
)
def test_faults_are_bounded_by_writes(program: list[Step], per_chunk: bool) -> None:
    """A random write faults at most once."""
    pages = logging(1000.0, per_chunk=per_chunk)
    for touches, share in program:
        faults = pages.advance(touches=1000 * touches, sent=share * pages.pending)
        assert faults <= 1000 * touches + 1e-6


def test_faults_of_a_sweep_are_bounded_by_writes() -> None:
    """One write of a sweep faults at most once, also when the sweep comes round again."""
    pages = logging(1000.0, per_chunk=True)
    pages.advance(touches=1000.0, sent=500.0, law="each")
    pages.advance(touches=0.0, sent=500.0)
    assert pages.advance(touches=1.0, law="each") <= 1.0 + 1e-9


def test_a_sweep_that_comes_round_while_pages_are_sent() -> None:
    """Pages stay idle for half a lap on average, so n^2/2k of the n sent during k writes do."""
    pages = logging(1000.0, per_chunk=True)
    for _ in range(50):
        pages.advance(touches=60.0, sent=20.0, law="each")
    assert pages.idle == pytest.approx(1000 / 6, rel=0.02)
    # A page sent is then dirtied for each that is, a third of the writes.
    assert pages.faults(touches=90.0, sent=0.0, law="each") == pytest.approx(30.0, rel=0.1)
    assert pages.sync() == pytest.approx(1000 * 5 / 6, rel=0.01)


def test_what_a_sweep_left_dirty_is_behind_it() -> None:
    """The next round's writes all meet clean pages, whether the log is cleared early or late."""
    for per_chunk in (False, True):
        pages = logging(1000.0, per_chunk=per_chunk)
        pages.advance(touches=0.0, sent=1000.0)
        pages.sync()
        for _ in range(3):
            pages.advance(touches=300.0, law="each")
            assert pages.sync() == pytest.approx(300.0)


@given(
    touches=st.floats(0, 3000), sent=st.floats(0, 500), law=laws, per_chunk=st.booleans(),
    before=st.tuples(st.floats(0, 2000), st.floats(0, 500)),
)  # fmt: skip
def test_faults_tells_what_advance_does(
    touches: float, sent: float, law: Law, per_chunk: bool, before: Step
) -> None:
    """Asked beforehand, the faults of an interval are those it has, and nothing has changed."""
    pages = logging(1000.0, per_chunk=per_chunk)
    pages.advance(touches=before[0], sent=before[1], law=law)
    was = state(pages)
    told = pages.faults(touches=touches, sent=sent, law=law)
    assert state(pages) == was
    assert pages.advance(touches=touches, sent=sent, law=law) == pytest.approx(told, abs=1e-9)


# ----------------------------------------------------------------------- skip and move


def test_skipped_pages_are_absent_until_written() -> None:
    """A page taken out of the stream never arrives, unless it is written afterwards."""
    pages = logging(1000.0)
    assert pages.skip(400.0) == 400.0
    assert state(pages) == pytest.approx((1000, 600, 1000, 400, 400))
    pages.advance(touches=1000.0)
    kept = math.exp(-1)
    assert pages.absent == pytest.approx(400 * kept)
    assert pages.sync() == pytest.approx(400 * (1 - kept))
    assert pages.pending == pytest.approx(600 + 400 * (1 - kept))
    assert pages.absent == pytest.approx(400 * kept)


def test_skipping_loses_no_write_that_is_in_the_log() -> None:
    """A page written before it is skipped is sent after the next sync: hints are only hints."""
    pages = logging(1000.0)
    pages.advance(touches=1000.0)
    pages.skip(1000.0)
    kept = math.exp(-1)
    assert pages.pending == 0.0
    assert pages.absent == pytest.approx(1000 * kept)
    assert pages.sync() == pytest.approx(1000 * (1 - kept))


def test_per_chunk_skipping_clears_the_log_too() -> None:
    """With manual protect a skipped page is as one just sent: only later writes count."""
    pages = logging(1000.0, per_chunk=True)
    pages.advance(touches=1000.0)
    assert pages.skip(300.0) == 300.0
    assert pages.sync() == pytest.approx(0.0, abs=1e-9)
    assert (pages.pending, pages.absent) == pytest.approx((700, 300))


def test_only_pending_pages_can_be_skipped() -> None:
    """What has been sent cannot be saved any more."""
    pages = logging(100.0)
    pages.advance(touches=0.0, sent=90.0)
    assert pages.skip(50.0) == pytest.approx(10.0)
    assert pages.skip(50.0) == 0.0
    assert pages.absent == pytest.approx(10.0)


def test_moved_pages_take_their_state_along() -> None:
    """Pages that change hands unwritten are a fair sample of the set they come from."""
    pages, other = logging(1000.0), logging(0.0)
    pages.skip(100.0)
    pages.advance(touches=500.0, sent=300.0)
    before = np.array(state(pages))
    assert pages.move(250.0, other) == 250.0
    assert state(pages) == pytest.approx(before * 0.75)
    assert state(other) == pytest.approx(before * 0.25)


def test_pages_moved_and_written_are_dirty() -> None:
    """Pages written on the way are new at the sync, but for those still waiting to be sent."""
    pages, other = logging(1000.0), logging(0.0)
    pages.skip(100.0)
    pages.advance(touches=0.0, sent=500.0)
    assert pages.move(200.0, other, written=True) == 200.0
    assert state(other) == pytest.approx((200, 80, 0, 0, 0))
    assert other.sync() == pytest.approx(120.0)
    assert other.pending == pytest.approx(200.0)


@pytest.mark.parametrize("asked", [-5.0, 0.0])
def test_no_pages_move_where_none_are_asked(asked: float) -> None:
    """A move of nothing, or of less, is no move."""
    pages, other = Pages(10.0), Pages(10.0)
    assert pages.move(asked, other) == 0.0
    assert (pages.count, other.count) == (10.0, 10.0)


def test_no_more_pages_move_than_there_are() -> None:
    """A set gives all it has, and is then exactly empty."""
    pages, other = logging(7.3), logging(1.0)
    pages.advance(touches=3.0, sent=2.0)
    assert pages.move(1e9, other) == 7.3
    assert state(pages) == (0, 0, 0, 0, 0)
    assert pages.move(1.0, other) == 0.0


# ----------------------------------------------------------------------- page by page


@pytest.mark.parametrize("per_chunk", [False, True])
@pytest.mark.parametrize("speed", [0.3, 1.0, 3.0])
def test_three_rounds_of_random_writes_page_by_page(per_chunk: bool, speed: float) -> None:
    """Pages sent, pages new at each sync, and write faults are those of the bitmaps."""
    count, steps = 8000, 40
    rng = np.random.default_rng(int(10 * speed))
    twin, law = TwinPages(count, per_chunk=per_chunk), logging(count, per_chunk=per_chunk)
    faults = 0.0
    for _ in range(3):
        pending = law.pending
        # A round sends all but a tenth of what is pending: the next sync finds some waiting.
        for _ in range(steps):
            touches = round(speed * pending / steps)
            twin.write(rng.integers(count, size=touches))
            sent = twin.send(round(0.9 * pending / steps))
            faults += law.advance(touches=touches, sent=sent)
        noise = 5 * math.sqrt(count) + speed * pending / steps
        assert law.pending == pytest.approx(twin.pending, abs=noise)
        assert law.sync() == pytest.approx(twin.sync(), abs=noise)
    assert faults == pytest.approx(
        twin.faults, abs=6 * math.sqrt(count) + 3 * speed * count / steps
    )


@pytest.mark.parametrize("chunk", [0.125, 0.5, 1.0])
@pytest.mark.parametrize(("law", "tolerance"), [("random", 0.08), ("each", 0.03)])
def test_rounds_with_a_log_cleared_in_chunks_page_by_page(
    law: Law, tolerance: float, chunk: float
) -> None:
    """New pages of a converging migration, where a chunk's log is cleared before its first page."""
    count, steps, ratio = 16_000, 200, 0.4
    rng = np.random.default_rng(2)
    order = rng.permutation(count)
    twin = TwinPages(count, per_chunk=True, chunk=round(chunk * count))
    pages = logging(count, per_chunk=True, chunk=chunk)
    for n in range(3):
        sizes = twin.pending, pages.pending
        for i in range(steps):
            done, to_do = (round(ratio * sizes[0] * j / steps) for j in (i, i + 1))
            if law == "random":
                twin.write(rng.integers(count, size=to_do - done))
            else:
                twin.sweep(to_do - done, order)
            twin.send(sizes[0] * (i + 1) // steps - sizes[0] * i // steps)
            pages.advance(touches=ratio * sizes[1] / steps, sent=sizes[1] / steps, law=law)
        near = tolerance if n else 0.03
        assert pages.sync() == pytest.approx(twin.sync(), rel=near, abs=4 * math.sqrt(count) / 10)


def test_one_chunk_is_as_good_as_a_sync() -> None:
    """Where all pages' log is cleared before the first is sent, clearing late saves nothing."""
    for law in ("random", "each"):
        pages, chunk = logging(1000.0), logging(1000.0, per_chunk=True, chunk=1.0)
        for sent in (1000.0, 400.0):
            for each in (pages, chunk):
                each.advance(touches=400.0, sent=sent, law=law)
            assert chunk.sync() == pytest.approx(pages.sync(), rel=0.01)


def test_a_sweep_page_by_page_at_sync() -> None:
    """A sweep in an order that has nothing to do with addresses dirties each page once a round."""
    count = 4000
    rng = np.random.default_rng(3)
    order = rng.permutation(count)
    twin, law = TwinPages(count), logging(count)
    faults = 0.0
    for touches, sent in ((1200, 2000), (400, 1000), (3000, 500)):
        twin.sweep(touches, order)
        faults += law.advance(touches=touches, sent=twin.send(sent), law="each")
    noise = 4 * math.sqrt(count)
    assert faults == pytest.approx(twin.faults) == count
    assert law.pending == twin.pending
    assert law.sync() == pytest.approx(twin.sync(), abs=noise)
    twin.sweep(1000, order)
    law.advance(touches=1000.0, sent=twin.send(1500), law="each")
    assert law.sync() == pytest.approx(twin.sync(), abs=noise)


@pytest.mark.parametrize("sweeps", [0.25, 1.0, 2.0, 3.5])
def test_a_sweep_page_by_page_per_chunk(sweeps: float) -> None:
    """New pages within 3 % of the set of those of a sweep while all of it is being sent."""
    count, steps = 4000, 100
    order = np.random.default_rng(7).permutation(count)
    twin, law = TwinPages(count, per_chunk=True), logging(count, per_chunk=True)
    for _ in range(steps):
        touches = round(sweeps * count / steps)
        twin.sweep(touches, order)
        law.advance(touches=touches, sent=twin.send(count // steps), law="each")
    assert law.sync() == pytest.approx(twin.sync(), abs=0.03 * count)


@pytest.mark.parametrize("ratio", [0.3, 0.7, 0.9])
def test_rounds_of_a_sweep_page_by_page_per_chunk(ratio: float) -> None:
    """A sweep that goes on over several rounds leaves r/b of each round's pages, within 3 %."""
    count, steps = 4000, 100
    order = np.random.default_rng(1).permutation(count)
    twin, law = TwinPages(count, per_chunk=True), logging(count, per_chunk=True)
    for _ in range(4):
        sizes = twin.pending, law.pending
        for i in range(steps):
            done, to_do = (round(ratio * sizes[0] * j / steps) for j in (i, i + 1))
            twin.sweep(to_do - done, order)
            twin.send(sizes[0] * (i + 1) // steps - sizes[0] * i // steps)
            law.advance(touches=ratio * sizes[1] / steps, sent=sizes[1] / steps, law="each")
        assert law.sync() == pytest.approx(twin.sync(), rel=0.03, abs=steps / 10)


@pytest.mark.parametrize("per_chunk", [False, True])
def test_hints_in_the_middle_of_a_round_page_by_page(per_chunk: bool) -> None:
    """What a hint saves, what it does not, and what never arrives, as with the bitmaps."""
    count = 8000
    rng = np.random.default_rng(11)
    twin, law = TwinPages(count, per_chunk=per_chunk), logging(count, per_chunk=per_chunk)
    for writes, sends, hints in ((2000, 1500, 0), (1000, 500, 4000), (3000, 1000, 0)):
        for _ in range(20):
            twin.write(rng.integers(count, size=writes // 20))
            law.advance(touches=writes / 20, sent=twin.send(sends // 20))
        if hints:
            taken = twin.skip(rng.permutation(count)[:hints])
            assert law.skip(taken) == taken
    noise = 5 * math.sqrt(count)
    assert law.absent == pytest.approx(twin.absent.sum(), abs=noise)
    assert law.sync() == pytest.approx(twin.sync(), abs=noise)
    assert law.absent == pytest.approx(twin.absent.sum(), abs=noise)


def test_moves_keep_the_sum_of_many_sets() -> None:
    """A thousand moves to and fro make no pages and lose none."""
    rng = np.random.default_rng(5)
    sets = [logging(float(size)) for size in (1e6, 1.0, 12345.6, 0.0)]
    total = math.fsum(pages.count for pages in sets)
    for _ in range(1000):
        i, j = rng.permutation(4)[:2]
        sets[i].move(rng.random() * sets[i].count * 1.1, sets[j], written=bool(rng.random() < 0.5))
        sets[j].advance(touches=10.0, sent=5.0)
    assert math.fsum(pages.count for pages in sets) == pytest.approx(total, rel=1e-12)
    assert all(0 <= pages.pending <= pages.count * (1 + 1e-9) + 1e-6 for pages in sets)
