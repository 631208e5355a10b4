"""The host's huge pages: what a balloon does to them, what that costs, how they come back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dcsim.model.hugepages import HUGE, HugePages, Settings
from dcsim.units import PAGE, GiB, MiB
from tests.worlds import QUICK, Data, guest, only, scenario, solve, writer

PAGES = GiB / PAGE
KIB = 1024.0


def settings(**changes: float) -> Settings:
    """All memory in huge pages, runs of one page, nothing rebuilt."""
    plain = {"share": 1.0, "run": PAGE, "slowdown": 0.1, "rebuild": 0.0, "on_arrival": 1.0}
    return Settings(**{**plain, **changes})


# --------------------------------------------------------------------------- what a balloon takes


@pytest.mark.parametrize("run", [16, 64, 512])
def test_a_huge_page_is_left_if_no_run_of_it_is_taken(run: int) -> None:
    """Against bitmaps: runs taken anywhere leave those huge pages that none of them lies in."""
    huge, taken = 2000, 0.1
    rng = np.random.default_rng(run)
    used = np.zeros((huge, HUGE // run), dtype=bool)
    runs = round(taken * used.size)
    used.flat[rng.choice(used.size, runs, replace=False)] = True
    left = np.count_nonzero(~used.any(axis=1))
    law = HugePages(settings(run=run * PAGE), huge * HUGE)
    law.take(taken * huge * HUGE, block_pages=1)
    assert law.huge / HUGE == pytest.approx(left, abs=3 * math.sqrt(left) + 1)


@pytest.mark.parametrize("block", [1, 64, 512])
def test_many_small_bites_are_one_large(block: int) -> None:
    """Taken in parts, a balloon splits what it splits at once."""
    once, often = (HugePages(settings(share=0.9, run=32 * PAGE), 100 * HUGE) for _ in "ab")
    once.take(30 * HUGE, block_pages=block)
    for _ in range(5):
        often.take(6 * HUGE, block_pages=block)
    assert often.huge == pytest.approx(once.huge, rel=1e-9)
    for law in (once, often):
        law.give_back(10 * HUGE)
        law.give_back(20 * HUGE)
    assert often.huge == pytest.approx(once.huge, rel=1e-9)


def test_whole_blocks_destroy_only_what_they_take() -> None:
    """Taken 2 MiB at a time, huge pages are gone, and none is split."""
    law = HugePages(settings(), 100 * HUGE)
    law.take(30 * HUGE, block_pages=HUGE)
    assert law.huge == pytest.approx(70 * HUGE)
    assert law.slowness == 1.0
    law.give_back(30 * HUGE)
    assert law.huge == pytest.approx(100 * HUGE)


def test_what_is_not_in_huge_pages_goes_first() -> None:
    """A balloon no larger than what was small pages anyway splits nothing."""
    law = HugePages(settings(share=0.6), 100 * HUGE)
    law.take(40 * HUGE, block_pages=1)
    assert law.huge == pytest.approx(60 * HUGE)


def test_small_pages_come_back_small() -> None:
    """What was taken page by page is split for good, until it is rebuilt or moves away."""
    law = HugePages(settings(on_arrival=0.75), 100 * HUGE)
    law.take(10 * HUGE, block_pages=1)
    assert law.huge < 1e-3
    assert law.slowness == pytest.approx(1.1)
    law.give_back(10 * HUGE)
    assert law.huge < 1e-3
    law.arrive()
    assert law.huge == pytest.approx(75 * HUGE)
    assert law.slowness == pytest.approx(1 + 0.1 * 0.25)


def test_what_a_balloon_holds_is_faulted_in_at_the_destination() -> None:
    """A balloon that goes along and is deflated there returns memory that was never split."""
    law = HugePages(settings(), 100 * HUGE)
    law.take(10 * HUGE, block_pages=1)
    law.arrive()
    assert law.huge == pytest.approx(90 * HUGE)
    law.give_back(10 * HUGE)
    assert law.huge == pytest.approx(100 * HUGE)


def test_the_host_rebuilds_at_its_rate() -> None:
    """So many bytes a second until all is as usual, and no further."""
    law = HugePages(settings(rebuild=2.0 * MiB), 100 * HUGE)
    law.take(20 * HUGE, block_pages=1)
    law.give_back(20 * HUGE)
    law.pass_time(10.0)
    assert law.huge == pytest.approx(10 * HUGE, abs=1e-2)
    assert law.steady_for(0.05) == pytest.approx(5.0)
    law.pass_time(1000.0)
    assert law.huge == pytest.approx(100 * HUGE)
    assert law.steady_for(0.05) == math.inf


# --------------------------------------------------------------------------- as measured [A.2]


def ballooned(*, block_pages: int, returned: str = "destination", **changes: object) -> Data:
    """A guest of 1 GiB, 911,360 KiB of it in huge pages, of which a balloon leaves 600 MiB."""
    free = 0.7
    step = {
        "select": ["free"], "limit": "mem-free", "reserve": (free - 424 / 1024) * GiB,
        "tell": "balloon", "block_pages": block_pages, "returned": returned,
        "blocks_per_interaction": 2**30,
    }  # fmt: skip
    group = guest(
        writer("max", 0.05, work=1e-3),
        makeup={"free_stale": free},
        huge_pages={"share": 911_360 * KIB / GiB, "rebuild": 0.0, **changes},
    )
    return scenario(group, hinting={"name": "balloon", "steps": [step]}, settle=10.0)


def huge_kib(data: Data) -> float:
    """Return the KiB in huge pages as the stream begins."""
    return float(only(solve(data))["huge_bytes"]) / KIB


def test_contiguous_blocks_leave_what_was_measured() -> None:
    """With nothing fitted: 616,448 KiB are left, and 907,264 once they are used again."""
    assert huge_kib(ballooned(block_pages=512)) == pytest.approx(616_448, rel=0.005)
    bounced = ballooned(block_pages=512, returned="at-once")
    assert huge_kib(bounced) == pytest.approx(907_264, rel=0.005)


def test_single_pages_leave_what_was_measured() -> None:
    """One constant, the run, is fitted to the 88,064 KiB left; used again, 65,536 were huge."""
    assert huge_kib(ballooned(block_pages=1)) == pytest.approx(88_064, rel=0.01)
    bounced = huge_kib(ballooned(block_pages=1, returned="at-once"))
    assert bounced == pytest.approx(88_064, rel=0.01)
    assert bounced - 65_536 < 0.03 * 911_360


# --------------------------------------------------------------------------- what it costs


def test_split_memory_slows_work_down_until_it_has_moved() -> None:
    """Lost work is the slow-down of the split share, from inflation to arrival."""
    data = ballooned(block_pages=1, slowdown=0.5)
    data["migration"] = {**QUICK, "max_bandwidth": 64.0 * MiB, "downtime_limit": 0.001}
    result = solve(data)
    row, lost = only(result), only(result, "guests")
    used = 600 / 1024
    usual = 911_360 * KIB / GiB
    slowness = 1 + 0.5 * (usual * used - row["huge_bytes"] / GiB) / used
    stream_s = row["total_time_s"] - row["downtime_s"]
    assert lost["lost_huge_pages_s"] == pytest.approx((1 - 1 / slowness) * stream_s, rel=1e-3)
    assert lost["lost_work_s"] == pytest.approx(
        lost["lost_huge_pages_s"] + lost["lost_blackout_s"], rel=1e-3
    )


def test_pages_placed_one_by_one_are_rebuilt_at_the_destination() -> None:
    """Where nothing is huge on arrival, the guest is slow until the host has rebuilt its memory."""
    huge = {"share": 1.0, "on_arrival": 0.0, "slowdown": 0.2, "rebuild": 64.0 * MiB}
    group = guest(writer("max", 0.05, work=1e-3), huge_pages=huge)
    result = solve(scenario(group, settle=60.0, tolerance=0.01))
    # it takes 16 s, and half of the memory is split on average
    lost = only(result, "guests")["lost_huge_pages_s"]
    exact = 16 * (1 - math.log(1.2) / 0.2)
    assert lost == pytest.approx(exact, rel=0.01)


def test_split_memory_takes_more_cpu_of_the_host() -> None:
    """A guest at its demand needs more CPU for it; another on the same host is squeezed."""
    slow = ballooned(block_pages=1, slowdown=2.0)
    slow["migration"] = {**QUICK, "max_bandwidth": 64.0 * MiB, "downtime_limit": 0.001}
    slow["topology"]["host"]["cores"] = 1
    paced = {"name": "other", "migratable": "no", "because": "pinned"}
    slow["guests"][0]["workload"]["activities"][0] |= {"rate": 500.0 * PAGE}
    slow["guests"].append(guest(writer("max", 0.05, work=1e-3, workers=1), **paced))
    fast = {**slow, "guests": [{**slow["guests"][0], "huge_pages": None}, slow["guests"][1]]}
    lost = [only(solve(d), "guests", guest="other-0")["lost_cpu_s"] for d in (fast, slow)]
    assert lost[1] > 1.3 * lost[0] > 0


def test_not_asked_for_it_is_not_there() -> None:
    """Without it the column says that it is not modelled, and nothing is lost to it."""
    result = solve(scenario(guest(writer("max", 0.05))))
    assert math.isnan(only(result)["huge_bytes"])
    assert only(result, "guests")["lost_huge_pages_s"] == 0
