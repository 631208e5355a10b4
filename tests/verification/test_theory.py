"""The model's laws against page-by-page references and other solvers, at length and with noise.

What `tests/test_touch.py`, `test_memory.py`, `test_fairshare.py` and `test_network.py` check in
passing is checked here with samples large enough for tolerances of a per cent or two.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dcsim.model.fairshare import fill, violations
from dcsim.model.memory import Memory
from dcsim.model.touch import Pages, TouchClass, classes_of
from tests.test_fairshare import Asking, by_linear_programmes
from tests.test_network import KINDS, Lab, along
from tests.twin import TwinCache, TwinPages, class_bounds, draw, draw_zipf

HOT_COLD = ([2000.0, 18_000.0], [0.8, 0.2])
"""Sizes of two classes, and the shares of touches that go to them."""


# ----------------------------------------------------------------------- touching pages


@pytest.mark.parametrize("touches", [1000, 5000, 30_000])
def test_distinct_pages_on_average(touches: int) -> None:
    """Over 400 draws the mean of the pages reached is the law's, to four standard errors."""
    rng = np.random.default_rng(touches)
    sizes, shares = [500.0, 4500.0], [0.7, 0.3]
    reached = [len(np.unique(draw(rng, sizes, shares, touches))) for _ in range(400)]
    law = sum(TouchClass(n, s).distinct(touches) for n, s in zip(sizes, shares, strict=True))
    error = np.std(reached) / math.sqrt(len(reached))
    # The law takes touches of a page as Poisson: that and one page of rounding is its own error.
    assert abs(np.mean(reached) - law) < 4 * error + 1.0


def test_published_dirty_rates(shared: Path) -> None:
    """One rate of touches makes all 27 published theory cells, to 1.3 MiB/s of rounding."""
    with (shared / "measurements" / "dirty_rate_vs_window.csv").open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert len(rows) == 27
    page_mib = 2.0**-8
    first = max(rows, key=lambda row: row["theoretical_MiB_s"])
    size, seconds = first["working_set_GiB"] * 1024, first["calc_time_ms"] / 1e3
    untouched = 1 - first["theoretical_MiB_s"] * seconds / size
    rate = -math.log(untouched) * size / seconds
    for row in rows:
        size, seconds = row["working_set_GiB"] * 1024, row["calc_time_ms"] / 1e3
        part = TouchClass(size / page_mib, 1.0)
        law = part.distinct(rate / page_mib * seconds) * page_mib / seconds
        assert law == pytest.approx(row["theoretical_MiB_s"], abs=1.3)


# ----------------------------------------------------------------------- whole pre-copies


def precopy_by_page(
    rng: np.random.Generator, *, ratio: float, per_chunk: bool, stop: int, hint: int
) -> list[int]:
    """Migrate two classes in a hundred steps a round; return the pages sent in each round."""
    sizes, shares = HOT_COLD
    count = class_bounds(sizes)[-1]
    twin = TwinPages(count, per_chunk=per_chunk)
    # Classes are scattered over the addresses, as the law takes them to be.
    place = rng.permutation(count)
    twin.skip(place[class_bounds(sizes)[1] :][:hint])
    rounds = []
    while (pending := twin.pending) > stop and len(rounds) < 12:
        rounds.append(pending)
        writes = place[draw(rng, sizes, shares, round(ratio * pending))]
        # Half of a step's pages are written before the step's are sent, half of them after.
        steps = min(100, pending)
        for i, part in enumerate(np.array_split(writes, steps)):
            twin.write(part[::2])
            twin.send((i + 1) * pending // steps - i * pending // steps)
            twin.write(part[1::2])
        assert twin.pending == 0
        twin.sync()
    return rounds


def precopy_by_law(*, ratio: float, per_chunk: bool, stop: int, hint: int) -> list[float]:
    """Migrate the same by counts."""
    parts = [Pages(size) for size in HOT_COLD[0]]
    for pages in parts:
        pages.start_log(per_chunk=per_chunk)
    parts[1].skip(hint)
    rounds = []
    while (pending := sum(pages.pending for pages in parts)) > stop and len(rounds) < 12:
        rounds.append(pending)
        for pages, share in zip(parts, HOT_COLD[1], strict=True):
            pages.advance(touches=ratio * pending * share, sent=pages.pending)
        for pages in parts:
            pages.sync()
    return rounds


@pytest.mark.parametrize("per_chunk", [False, True])
@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("hint", [0, 9000])
def test_whole_precopies(per_chunk: bool, ratio: float, hint: int) -> None:
    """All rounds of a hot-cold guest, hinted or not: each within 3 %, their sum within 1 %.

    Per chunk the tolerance of a round is 6 %: what a round leaves dirty lies early in the order of
    addresses, so the next round is through with it early, which the law does not know.
    """
    law = precopy_by_law(ratio=ratio, per_chunk=per_chunk, stop=100, hint=hint)
    rng = np.random.default_rng(17)
    runs = [
        precopy_by_page(rng, ratio=ratio, per_chunk=per_chunk, stop=100, hint=hint)
        for _ in range(8)
    ]
    common = min(len(law), *(len(run) for run in runs))
    assert common >= 2
    mean = np.mean([run[:common] for run in runs], axis=0)
    noise = 4 * np.std([run[:common] for run in runs], axis=0) / math.sqrt(len(runs))
    for ours, theirs, slack in zip(law, mean, noise, strict=False):
        assert ours == pytest.approx(theirs, rel=0.06 if per_chunk else 0.03, abs=slack)
    assert sum(law[:common]) == pytest.approx(mean.sum(), rel=0.01)


@pytest.mark.parametrize("linear", [0.05, 0.3, 0.8])
def test_rounds_shrink_geometrically_in_the_limit(linear: float) -> None:
    """The larger the set against what a round writes, the nearer the rounds to v(r/b)^i.

    All of the memory is sent first, but only 1/1000 of it is being written in a round: the
    classic model's condition.
    """
    errors = []
    for size in (1e4, 1e6, 1e8):
        pages = Pages(size)
        pages.start_log(per_chunk=False)
        pages.advance(touches=0.0, sent=size)
        pages.sync()
        start = 1e3
        pages.advance(touches=start)
        rounds = [pages.sync()]
        for _ in range(5):
            pages.advance(touches=linear * pages.pending, sent=pages.pending)
            rounds.append(pages.sync())
        classic = [start * linear**i for i in range(6)]
        errors.append(max(abs(a / b - 1) for a, b in zip(rounds, classic, strict=True)))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-4


# ----------------------------------------------------------------------- the page cache


def mixed_reads(
    rng: np.random.Generator, alpha: float, share: float, touches: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Draw reads of a Zipf file of 10,000 pages and of a hot-cold one of 6,000 after it."""
    first = rng.random(touches) < share
    pages = np.empty(touches, np.int64)
    pages[first] = draw_zipf(rng, 10_000, alpha, int(first.sum()))
    cold = draw(rng, [600.0, 5400.0], [0.9, 0.1], int((~first).sum()))
    pages[~first] = 10_000 + cold
    return pages, first


@pytest.mark.parametrize("alpha", [0.6, 1.0])
@pytest.mark.parametrize("share", [0.2, 0.8])
@pytest.mark.parametrize("cache", [1000, 4000, 10_000])
def test_che_against_an_exact_list(alpha: float, share: float, cache: int) -> None:
    """Misses and residency of both readers within 2 % of an LRU list's, at three sizes."""
    rng = np.random.default_rng(cache)
    readers = (
        (classes_of(pages=10_000.0, kind="zipf", alpha=alpha), 1, share),
        (classes_of(pages=6000.0, kind="hot-cold"), 1, 1 - share),
    )
    memory = Memory(pages=cache, free_zero=0, free_stale=0, cache=cache, kernel=0, readers=readers)
    twin = TwinCache(cache)
    twin.read(np.arange(16_000))
    twin.read(mixed_reads(rng, alpha, share, 100_000)[0])
    pages, first = mixed_reads(rng, alpha, share, 150_000)
    missed = twin.read(pages)
    exact = [int(missed[first].sum()), int(missed[~first].sum())]
    law = memory.read([share * 150_000, (1 - share) * 150_000]).misses
    for ours, theirs in zip(law, exact, strict=True):
        assert ours == pytest.approx(theirs, rel=0.02, abs=4 * math.sqrt(theirs))
    held = [twin.resident(10_000), twin.resident(16_000, start=10_000)]
    assert [r.resident() for r in memory.readers] == pytest.approx(
        held, rel=0.02, abs=2 * math.sqrt(cache)
    )


@pytest.mark.parametrize("left", [500, 2000])
def test_a_drop_and_the_refill_against_an_exact_list(left: int) -> None:
    """Misses after a drop of the coldest pages, summed all the way back to a full cache."""
    rng = np.random.default_rng(left)
    readers = (
        (classes_of(pages=10_000.0, kind="zipf", alpha=0.9), 1, 0.5),
        (classes_of(pages=6000.0, kind="hot-cold"), 1, 0.5),
    )
    memory = Memory(pages=8000, free_zero=0, free_stale=0, cache=8000, kernel=0, readers=readers)
    twin = TwinCache(8000)
    twin.read(np.arange(16_000))
    twin.read(mixed_reads(rng, 0.9, 0.5, 100_000)[0])
    memory.evict(8000 - left)
    twin.resize(left)
    twin.size = 8000
    law = exact = 0.0
    for touches in (500, 1000, 2000, 4000, 8000, 16_000, 32_000):
        exact += twin.read(mixed_reads(rng, 0.9, 0.5, touches)[0]).sum()
        law += sum(memory.read([touches / 2, touches / 2]).misses)
        assert law == pytest.approx(exact, rel=0.03, abs=4 * math.sqrt(exact))
    assert memory.cache.count == pytest.approx(len(twin.pages))


# ----------------------------------------------------------------------- sharing links


@pytest.mark.parametrize("seed", range(60))
def test_max_min_against_linear_programmes(seed: int) -> None:
    """Random networks of a dozen flows: the levels' lexicographic maximum, and no violation."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 9))
    capacity = rng.uniform(1, 100, n).round(1).tolist()
    flows = []
    for _ in range(int(rng.integers(4, 13))):
        links = tuple(rng.permutation(n)[: rng.integers(1, n + 1)].tolist())
        split = rng.random() < 0.3
        shares = tuple(rng.uniform(0.1, 1, len(links)).tolist()) if split else None
        cap = math.inf if rng.random() < 0.5 else float(rng.uniform(0, 40))
        flows.append(Asking(links, cap, float(rng.choice([0.2, 1.0, 5.0])), shares))
    fill(flows, dict(enumerate(capacity)))
    assert violations(flows, capacity, tolerance=1e-9) == []
    exact = by_linear_programmes(flows, capacity)
    assert [flow.rate for flow in flows] == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_local_solves_in_racks(seed: int) -> None:
    """300 flows among 20 racks of links and a few shared ones: local solves equal whole ones."""
    rng = np.random.default_rng(100 + seed)
    # The last four links are shared by racks, as spines are; ties are common on purpose.
    capacity = [float(c) for c in rng.choice([1e9, 2e9, 5e9], 84)]
    lab = Lab(capacity, weights={"refault": 2.0, "re-sent": 0.5})
    for step in range(450):
        flows = list(lab.net.flows)
        what = rng.random()
        if len(flows) < 300 or what < 0.3:
            rack = int(rng.integers(20))
            links = (4 * rack + rng.permutation(4)[: rng.integers(1, 4)]).tolist()
            if rng.random() < 0.2:
                links.append(80 + int(rng.integers(4)))
            cap = math.inf if rng.random() < 0.5 else float(rng.choice([1e7, 1e8, 3e8]))
            lab.open(along(*links), KINDS[int(rng.integers(3))], cap)
        elif what < 0.6:
            lab.close(flows[int(rng.integers(len(flows)))])
        elif what < 0.8:
            lab.net.set_cap(flows[int(rng.integers(len(flows)))], float(rng.uniform(0, 1e9)))
        elif what < 0.9:
            lab.net.set_capacity(int(rng.integers(84)), float(rng.choice([0.0, 1e8, 1e9, 5e9])))
        else:
            lab.send(flows[int(rng.integers(len(flows)))], float(rng.uniform(0, 1e8)))
        if step > 300 and step % 3 == 0:
            lab.run(0.1)
    lab.end()
