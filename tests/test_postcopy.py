"""Post-copy: the guest goes ahead, its pages follow, and it waits for those that it touches."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dcsim.model.activity import Activity
from dcsim.model.makeup import makeup_of
from dcsim.model.memory import Memory
from dcsim.model.postcopy import Absent
from dcsim.model.touch import Pages, classes_of
from dcsim.records.tables import MIGRATION_KINDS
from dcsim.scenario.spec import PostCopy
from dcsim.units import PAGE, GiB, MiB
from tests.worlds import (
    QUICK,
    SLOT,
    Data,
    allocator,
    carried,
    guest,
    makeup,
    only,
    reader,
    rows,
    scenario,
    solve,
    world,
    writer,
)

OUT = "rack0/host0->switch0"


def ahead(*activities: Data, post_copy: Data | None = None, **changes: object) -> Data:
    """A guest of 1 GiB that goes ahead after the first pass, under a cap of 64 MiB/s."""
    data = scenario(guest(*activities, **changes), horizon=200.0)
    data["migration"] |= {
        "max_bandwidth": 64.0 * MiB,
        "flush_pages": 0,
        "post_copy": {"after": 4.0, "register_page": 0.0, **(post_copy or {})},
    }
    return data


# --------------------------------------------------------------------------- what touches reach


@given(
    pages=st.floats(1, 1e6),
    lacking=st.floats(0, 1),
    touches=st.lists(st.floats(0, 1e6), min_size=2, max_size=4),
    law=st.sampled_from(["random", "each"]),
)
def test_fetching_does_not_depend_on_who_looks(
    pages: float, lacking: float, touches: list[float], law: str
) -> None:
    """So many touches at once reach the absent pages that the same touches reach one by one."""
    found = []
    for parts in ([sum(touches)], touches):
        one = Pages(pages)
        one.start_log(per_chunk=False)
        one.pending, one.fetched = lacking * pages, 0.0
        for part in parts:
            one.fetch(part, law)  # type: ignore[arg-type]
        assert one.fetched is not None
        assert one.fetched + one.pending == pytest.approx(lacking * pages, abs=1e-6 * pages)
        found.append(one.fetched)
    assert found[0] == pytest.approx(found[1], rel=1e-6, abs=1e-6 * pages)


def test_pages_written_on_the_way_come_first() -> None:
    """A free page that is allocated while it is absent has to come first; a move asks nothing."""
    free, used = Pages(100.0), Pages(0.0)
    for pages in (free, used):
        pages.fetched = 0.0
    free.pending = 40.0
    free.move(10.0, used)
    assert (used.pending, used.fetched) == (4.0, 0.0)
    free.move(10.0, used, written=True)
    assert (used.pending, used.fetched) == (4.0, 4.0)


def memory(**changes: object) -> Memory:
    """A memory of 10,000 pages, half of them written and a tenth read, all absent but a quarter."""
    made = makeup_of(
        pages=10_000, free_zero=0, free_stale=1000, cache=2000, kernel=500,
        writers=[(classes_of(pages=5000, kind="uniform"), "anonymous")],
        readers=[(classes_of(pages=1000, kind="hot-cold"), 1, 10.0)],
    ).memory()  # fmt: skip
    made.scan.start(per_chunk=False)
    for pages in made.sets:
        pages.pending *= 0.75
    return made


WRITE = Activity("write", work_s=1e-6)
READ = Activity("read", work_s=1e-6)


def test_an_activity_waits_for_each_absent_page() -> None:
    """One worker with 100 faults' time gets 100 faults done, and the touches that make them."""
    absent = Absent(memory(), fault_s=1e-3, page_bytes=PAGE, zero_bytes=9)
    (kept,) = absent.kept([WRITE], done=[1e5], page_s=[0.0], elapsed=0.1, arrived=1e6)
    reached = 0.75 * 5000 * -math.expm1(-kept * 1e5 / 5000)
    assert reached == pytest.approx(100, rel=1e-6)


def test_no_more_is_waited_for_than_arrives() -> None:
    """However quick a fault, a page has to come over the wire: activities share what does."""
    absent = Absent(memory(), fault_s=0.0, page_bytes=PAGE, zero_bytes=9)
    kept = absent.kept(
        [WRITE, READ], done=[1e4, 1e4], page_s=[0.0, 0.0], elapsed=1.0, arrived=50.0 * PAGE
    )
    assert all(0 < share < 1 for share in kept)
    absent.advance(writes=[kept[0] * 1e4], reads=[kept[1] * 1e4], recycled=0.0, arrived=50.0 * PAGE)
    assert absent.faults == pytest.approx(50, rel=0.02)


def test_what_arrives_is_what_was_lacking() -> None:
    """Bytes that arrive are pages, asked for or not, to the last."""
    made = memory()
    absent = Absent(made, fault_s=0.0, page_bytes=PAGE, zero_bytes=9)
    size = sum(pages.pending * (9 if pages.zero else PAGE) for pages in made.sets)
    for _ in range(10):
        absent.advance(writes=[300.0], reads=[100.0], recycled=5.0, arrived=size / 10)
    assert made.scan.pending == pytest.approx(0, abs=1e-6)
    assert absent.end() == absent.faults > 300
    assert all(pages.fetched is None for pages in made.sets)


def test_hot_pages_come_once() -> None:
    """Reads of pages that are there wait for nothing, though most of the cache is absent."""
    made = memory()
    absent = Absent(made, fault_s=1e-3, page_bytes=PAGE, zero_bytes=9)
    absent.advance(writes=[0.0], reads=[2000.0], recycled=0.0, arrived=0.0)
    hot = absent.faults
    assert hot == pytest.approx(0.75 * (100 + 900 * -math.expm1(-200 / 900)), rel=1e-6)
    lacking = made.cache.pending
    absent.advance(writes=[0.0], reads=[10.0], recycled=0.0, arrived=0.0)
    assert absent.faults - hot < 1
    assert made.cache.pending <= lacking


# --------------------------------------------------------------------------- a whole migration


def test_every_page_is_sent_at_most_twice() -> None:
    """What was sent and written again is thrown away and sent once more; nothing else is."""
    result = solve(ahead(writer(4.0 * MiB, 0.5)))
    row = only(result)
    assert row["outcome"] == "completed-postcopy"
    assert row["reason"].startswith("post-copy asked for after 4 s")
    assert row["rounds"] == 1
    first, _, follow = rows(result, "rounds")
    assert [r["kind"] for r in rows(result, "rounds")] == ["first pass", "switch-over", "post-copy"]
    total = GiB / PAGE + first["dirtied_pages"]
    assert row["normal_pages"] == pytest.approx(total, rel=1e-6)
    assert follow["pending_pages"] == pytest.approx(total - first["sent_pages"], rel=1e-6)
    assert row["left_bytes"] == 0
    assert row["sent_bytes"] == pytest.approx(
        sum(row[f"{k}_bytes"] for k in ("first_pass", "resent", "switchover", "postcopy")), rel=1e-9
    )
    assert carried(result, *MIGRATION_KINDS, link=OUT) == pytest.approx(row["sent_bytes"], rel=1e-6)


def test_it_ends_as_soon_as_one_pass_would() -> None:
    """A guest that does nothing loses nothing by going ahead, and takes its bytes over the cap."""
    row = only(solve(ahead()))
    quiet = ahead()
    del quiet["migration"]["post_copy"]
    plain = only(solve(quiet))
    assert row["faulted_pages"] == 0
    assert row["follow_s"] == pytest.approx(row["ended_s"] - 4.0 - row["downtime_s"], rel=1e-6)
    assert row["sent_bytes"] == pytest.approx(GiB / PAGE * SLOT + row["switchover_bytes"], rel=1e-6)
    assert row["ended_s"] == pytest.approx(plain["ended_s"], rel=0.05)


def test_a_guest_that_never_converges_goes_ahead() -> None:
    """Where pre-copy goes on for ever, post-copy ends within a second pass."""
    result = solve(
        ahead(writer(300.0 * MiB, 0.5), post_copy={"after": None, "start": "first-pass"})
    )
    row = only(result)
    assert row["outcome"] == "completed-postcopy"
    assert row["reason"].startswith("post-copy after the first pass; pages get dirty at")
    assert row["total_time_s"] < 2.1 * GiB / (64 * MiB)
    assert row["downtime_s"] < 0.01
    assert only(result, "guests")["host"] == "rack0/host1"


def test_stuck_is_so_many_rounds_or_so_long_without_a_new_low() -> None:
    """Hybrid: pre-copy as long as it gets on."""
    writing = writer(300.0 * MiB, 0.1)
    by_rounds = only(
        solve(ahead(writing, post_copy={"after": None, "start": "stuck", "rounds": 4}))
    )
    assert by_rounds["rounds"] == 4
    still = {"after": None, "start": "stuck", "no_new_low": 6.0}
    by_time = only(solve(ahead(writing, post_copy=still)))
    assert by_time["reason"].startswith("post-copy after 6 s without a new low")
    converges = only(solve(ahead(writer(1.0 * MiB, 0.01), post_copy={**still, "no_new_low": 60.0})))
    assert converges["outcome"] == "completed"
    assert converges["postcopy_bytes"] == 0


def test_what_is_lost_is_put_down_to_post_copy() -> None:
    """A writer in a closed loop loses time in proportion to the wait for a page."""
    lost = {}
    for fault in (0.0, 0.25e-3, 10e-3):
        result = solve(ahead(writer("max", 0.5, work=100e-6), post_copy={"fault": fault}))
        row, move = only(result, "guests"), only(result)
        lost[fault] = row["lost_post_copy_s"]
        assert row["lost_post_copy_s"] <= move["follow_s"] + 1e-9
        waited = move["faulted_pages"] * fault
        assert row["lost_post_copy_s"] == pytest.approx(waited, rel=0.01, abs=1e-6)
    assert lost[0.0] == pytest.approx(0, abs=1e-6)
    assert lost[0.25e-3] < lost[10e-3]


def test_readers_and_allocators_wait_too() -> None:
    """Cached pages that are read and free pages that are taken have to be there."""
    reading = solve(ahead(reader(40.0 * MiB, 0.3), makeup={"cache": 0.4}))
    assert only(reading, "guests")["lost_post_copy_s"] > 0.1
    assert only(reading)["faulted_pages"] > 100
    taking = solve(ahead(allocator(20.0 * MiB, lifetime=60.0), makeup={"free_stale": 0.7}))
    assert only(taking, "guests")["lost_post_copy_s"] > 0.1


def test_who_touches_nothing_waits_for_nothing() -> None:
    """A guest that only sends goes on as if nothing had happened."""
    result = solve(ahead({"do": "send", "rate": 1.0 * MiB, "work": 1e-6}))
    assert only(result, "guests")["lost_post_copy_s"] == 0


def test_the_background_has_a_cap_of_its_own() -> None:
    """max-postcopy-bandwidth bounds it; without, that of the stream goes on [M.13]."""
    slow = only(solve(ahead(post_copy={"max_bandwidth": 16.0 * MiB})))
    fast = only(solve(ahead()))
    # all but what fits the downtime limit goes under the cap
    assert slow["follow_s"] == pytest.approx(4 * fast["follow_s"], rel=0.1)


def test_the_blackout_grows_with_what_is_not_there() -> None:
    """Absent pages are registered, and ranges told, while the guest is paused."""
    row = only(solve(ahead(post_copy={"register_page": 1e-6})))
    lacking = rows(solve(ahead(post_copy={"register_page": 1e-6})), "rounds")[-1]["pending_pages"]
    assert row["downtime_s"] == pytest.approx(lacking * (1e-6 + 16 / GiB), rel=1e-6)
    assert row["switchover_bytes"] == pytest.approx(16 * lacking, rel=1e-6)


def test_memory_is_held_at_both_ends_until_all_is_there() -> None:
    """The guest stands on the destination; the source keeps what has not been sent."""
    data = ahead(writer(10.0 * MiB, 0.5))
    data["horizon"] = 8.0
    live = world(data)
    result = live.result(None)
    row = only(result)
    assert row["outcome"] == "cancelled"
    assert "in post-copy: it runs on rack0/host1" in row["reason"]
    assert row["left_bytes"] > 0
    assert row["follow_s"] == pytest.approx(4, rel=0.01)
    assert only(result, "guests")["host"] == "rack0/host1"
    assert [host.used_bytes for host in live.hosts] == [0.0, float(GiB)]
    assert live.hosts[0].peak_bytes == live.hosts[1].peak_bytes == GiB


# --------------------------------------------------------------------------- with policies


@pytest.mark.parametrize("policy", ["free-page-hint", "free-page-bitmap", "clean-cache-hint"])
def test_hints_do_nothing_with_post_copy(policy: str) -> None:
    """QEMU's hint returns at once where post-copy is on [C.6]; an event says so."""
    changes: Data = {"makeup": {"free_stale": 0.3, "cache": 0.2}}
    hinted = solve(ahead(**changes) | {"hinting": policy})
    plain = solve(ahead(**changes))
    row = only(hinted)
    assert (row["skipped_pages"], row["interactions"]) == (0, 0)
    assert row["sent_bytes"] == pytest.approx(only(plain)["sent_bytes"], rel=1e-9)
    said = [e for e in rows(hinted, "events") if e["event"] == "hinting"]
    assert [e["detail"] for e in said] == ["its hints do nothing: migrations may go to post-copy"]
    assert not [e for e in rows(plain, "events") if e["event"] == "hinting"]


def test_a_balloon_deflates_when_all_is_there() -> None:
    """What a balloon took is not waited for, and is given back at the end."""
    data = ahead(makeup={"free_stale": 0.5}) | {"settle": 5.0}
    data["hinting"] = {"use": "balloon-free", "reserve": 0.0}
    live = world(data)
    row = only(live.result(None))
    assert row["outcome"] == "completed-postcopy"
    assert row["ballooned_pages"] == pytest.approx(0.5 * GiB / PAGE, rel=1e-6)
    assert live.guests[0].memory.held_by_balloon == 0
    assert row["sent_bytes"] < 0.6 * GiB


def test_a_guest_may_run_out_of_memory_on_the_way() -> None:
    """A balloon that gives nothing back kills it in post-copy too, and nothing hangs."""
    data = ahead(
        allocator(40.0 * MiB),
        makeup={"free_stale": 0.6},
        post_copy={"after": 1.0, "fault": 0.0},
    )
    data["hinting"] = {"use": "balloon-free", "reserve": 250.0 * MiB, "deflate_on_oom": False}
    data["migration"]["max_bandwidth"] = 50.0 * MiB
    result = solve(data)
    row = only(result)
    assert row["outcome"] == "guest-oom"
    assert row["postcopy_bytes"] > 0
    assert row["left_bytes"] > 0


def test_it_can_move_again() -> None:
    """A guest that arrived in post-copy keeps no trace of it."""
    data = ahead(writer(10.0 * MiB, 0.2))
    data["guests"][0]["workload"]["memory"] = makeup(cache=0.1)
    data["migration"] |= {**QUICK, "max_bandwidth": 64.0 * MiB}
    live = world(data)
    assert only(live.result(None))["outcome"] == "completed-postcopy"
    memory_after = live.guests[0].memory
    assert len(memory_after.scan.regions) == 1
    assert live.guests[0].absent is None
    assert live.guests[0].stream is None


def test_an_order_of_regions_comes_back() -> None:
    """In post-copy all is mixed; after it memory has the order that it had."""
    data = ahead(writer(10.0 * MiB, 0.2), makeup={"cache": 0.2, "free_zero": 0.2, "kernel": 0.1})
    order = ["kernel", "cache", "anonymous", "free-stale", "free-zero", "kernel-high"]
    work = data["guests"][0]["workload"]
    work["order"] = order
    work["activities"].append({"do": "read", "rate": 1e5, "set": 0.1})  # so its memory is kept
    live = world(data)
    before = live.guests[0].memory.scan.regions
    assert only(live.result(None))["outcome"] == "completed-postcopy"
    assert live.guests[0].memory.scan.regions == before


# --------------------------------------------------------------------------- what is legal


def test_conditions_go_with_their_start() -> None:
    """Each way to start has conditions of its own."""
    for fields, message in (
        ({"start": "stuck"}, "stuck needs rounds or no_new_low"),
        ({"start": "first-pass", "after": 3.0}, "means nothing with start: first-pass"),
        ({"rounds": 3}, "means nothing with start: asked"),
        ({"start": "stuck", "rounds": 3, "after": 1.0}, "means nothing with start: stuck"),
    ):
        with pytest.raises(ValidationError, match=message):
            PostCopy.model_validate(fields)


def test_allowed_is_not_asked() -> None:
    """`post_copy: true` alone changes nothing until a time limit or a step asks for it."""
    data = ahead(writer(300.0 * MiB, 0.5), post_copy={"after": None}) | {"horizon": 60.0}
    row = only(solve(data))
    assert row["outcome"] == "cancelled"
    assert row["postcopy_bytes"] == 0
