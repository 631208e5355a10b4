"""Explanations: the words follow from the tables, and name what held a migration up."""

from __future__ import annotations

import copy
import math

import pytest

import dcsim
from dcsim.errors import ResultError
from dcsim.records.result import Result
from dcsim.units import PAGE, GiB, MiB
from dcsim.view.explain import explain
from tests.view_data import changed, fake_result
from tests.worlds import QUICK, guest, scenario, solve


@pytest.fixture(scope="module")
def result():
    """One made-up run: cache-2 was given up, database-3 is pinned."""
    return fake_result()


def words(result, guest):
    """The explanation; its spaces are plain, for those who search in it."""
    told = explain(result, guest)
    assert not set("\u00a0\u202f") & set(told)
    return told


def plain(result):
    """A copy whose scenario may be changed."""
    twin = Result(
        scenario=copy.deepcopy(result.scenario),
        digest=result.digest,
        seed=result.seed,
        replicate=result.replicate,
        columns=result.columns,
    )
    return twin, twin.scenario["migration"]


def alone(
    *,
    sent=4 * GiB,
    took=10.0,
    pages=2**20,
    later=(),
    outcome="completed",
    dirty=math.nan,
    **move,
):
    """One migration: a first pass and later rounds of (pending, sent, took, dirtied)."""
    run = fake_result(guests=1, sources=1, failing=False)
    rounds = [("first pass", pages * PAGE, sent, took, later[0][0] if later else 0.0)]
    rounds += [("re-sent", *row) for row in later]
    if outcome == "completed":
        rounds.append(("switch-over", 8 * MiB, 8 * MiB, 0.08, 0.0))
    at = [5.0]
    for row in rounds:
        at.append(at[-1] + row[3])
    count = len(rounds)
    names = list(run.columns["rounds"])
    table = {name: [0.0] * count for name in names} | {
        "guest": ["web-0"] * count,
        "started_s": [0.0] * count,
        "round": list(range(1, count + 1)),
        "kind": [row[0] for row in rounds],
        "from_s": at[:-1],
        "to_s": at[1:],
        "pending_pages": [row[1] / PAGE for row in rounds],
        "sent_bytes": [row[2] for row in rounds],
        "sent_pages": [pages, *(row[2] / PAGE for row in rounds[1:])],
        "dirtied_pages": [row[4] / PAGE for row in rounds],
    }
    run = changed(run, "rounds", **{name: table[name] for name in names})
    facts = {
        "outcome": outcome, "requested_s": 0.0, "started_s": 0.0, "stream_s": 5.0,
        "ended_s": at[-1],
        "total_time_s": at[-1], "policy_s": 4.999, "downtime_s": 0.08, "dirty_bytes_per_s": dirty,
        "memory_bytes": 4.0 * GiB, "sent_bytes": float(sum(row[2] for row in rounds)),
    } | move  # fmt: skip
    return changed(run, "migrations", **{name: [value] for name, value in facts.items()})


# ---------------------------------------------------------------- who


def test_an_unknown_guest_gets_a_proposal(result):
    with pytest.raises(ResultError, match="did you mean 'database-3'"):
        explain(result, "databse-3")
    with pytest.raises(ResultError, match="no operation asked"):
        explain(result, "?")


def test_without_migrations_the_reason_is_told():
    with pytest.raises(ResultError, match="record: migrations"):
        explain(fake_result(record="summary"), "web-0")


def test_the_last_of_several_migrations_is_told(result):
    columns = result.columns["migrations"]
    where = columns["guest"].index("web-0")
    twice = changed(
        result,
        "migrations",
        **{name: [*values, values[where]] for name, values in columns.items()},
    )
    twice = changed(twice, "migrations", ended_s=[*columns["ended_s"], 1e6])
    assert "asked to move 2 times" in words(twice, "web-0")


# ---------------------------------------------------------------- what happened


def test_a_completed_migration_is_told_from_request_to_blackout(result):
    told = words(result, "cache-4")
    row = result.migrations.set_index("guest").loc["cache-4"]
    assert told.startswith("cache-4: rack0/host2 to rack3/host4, completed after")
    assert "waiting for admission" in told
    assert "for the policy balloon-held" in told
    assert "kept out of the stream 5.92 GiB by hints" in told
    assert "50 ms to start at the destination; the limit aimed at was 300 ms" in told
    assert "Then unreachable for 100 ms" in told
    assert f"{row['sent_bytes'] / GiB:.3g} GiB in all" in told
    assert "to cache misses" in told
    assert "What would help" not in told


def test_shares_of_the_time_add_up(result):
    (line,) = [line for line in words(result, "cache-2").splitlines() if "Where" in line]
    shares = [int(part.split(" %")[0]) for part in line.split("(")[1:]]
    assert sum(shares) == pytest.approx(100, abs=2)
    assert shares == sorted(shares, reverse=True)


def test_a_guest_that_cannot_move_has_its_reason(result):
    assert words(result, "database-3") == (
        "database-3: rack0/host2 to nowhere, not-movable: it is pinned to its host."
    )


def test_without_rounds_the_stream_is_told_whole():
    told = words(fake_result(record="migrations"), "web-4")
    assert "streaming" in told
    assert "First pass" not in told
    assert "Paused" in told


def test_a_cold_move_is_no_preparation():
    told = words(
        alone(outcome="completed-cold", stream_s=math.nan, reason="passthrough", downtime_s=60.0),
        "web-0",
    )
    assert "completed-cold after 15 s: passthrough" in told
    assert "before the first byte" not in told
    assert "Where the time went" not in told


def test_the_balloon_the_map_and_dropped_cache_are_told():
    pages = GiB / PAGE
    told = words(
        alone(
            ballooned_pages=pages, mapped_pages=2 * pages, dropped_pages=pages, prefetch_bytes=GiB
        ),
        "web-0",
    )
    assert "1 GiB by the balloon, 2 GiB by a disk map" in told
    assert "gave up 1 GiB of page cache" in told
    assert "read 1 GiB from storage at the destination" in told
    assert "5 s passed before the first byte, all of it for the policy" in told


def test_limits_with_a_name_are_named():
    run, _ = plain(alone(requested_s=-3.0))
    run.scenario["operation"]["limits"]["name"] = "kubevirt"
    assert "waited 3 s for admission under the limits 'kubevirt'" in words(run, "web-0")


# ---------------------------------------------------------------- what held it back


@pytest.mark.parametrize(
    ("settings", "case", "reason"),
    [
        ({"max_bandwidth": 4.1 * GiB / 10}, {}, "the cap of"),
        ({"max_bandwidth": None, "send_page": 9.5e-6}, {}, "the sending thread"),
        ({"max_bandwidth": None}, {}, "its share of the network (the link rack0/host0->leaf0"),
        (
            {"max_bandwidth": None},
            {"sent": 28e9, "pages": 28e9 / 4104, "memory_bytes": 28e9},
            "the link rack0/host0->leaf0 of 23.5 Gbit/s",
        ),
        ({"scan_zero": 9e-6}, {"sent": 10 * MiB}, "fewer bytes would not make it much shorter"),
        (
            {"scan_zero": 2e-6, "max_bandwidth": None},
            {"sent": 2 * GiB},
            "went into looking at zero pages",
        ),
    ],
)
def test_what_bounded_the_first_pass_is_found(settings, case, reason):
    run, migration = plain(alone(**case))
    migration.update(settings)
    (line,) = [line for line in words(run, "web-0").splitlines() if "First pass" in line]
    assert reason in line


def test_without_links_the_network_is_to_blame():
    run, migration = plain(changed(alone(), "links", **{"link": ["a->b"] * 6}))
    migration["max_bandwidth"] = None
    assert "its share of the network." in words(run, "web-0")


def test_settings_of_the_group_go_before_those_of_the_scenario():
    run, _ = plain(alone())
    group = run.scenario["guests"][0]
    group["migration"] = {**run.scenario["migration"], "downtime_limit": 0.7}
    assert "the limit aimed at was 700 ms" in words(run, "web-0")
    run.scenario["guests"] = []
    assert "the limit aimed at was 300 ms" in words(run, "web-0")


# ---------------------------------------------------------------- what would help

LATER = tuple((600 * MiB, 600 * MiB, 5.0, 600 * MiB) for _ in range(8))


def stuck(*, dirty=140 * MiB, cap=None, limit=0.3, later=LATER):
    """A migration given up: 120 MiB/s while 600 MiB stay pending."""
    run, migration = plain(
        alone(outcome="aborted-no-progress", reason="no new low", later=later, dirty=dirty)
    )
    migration.update(max_bandwidth=cap, downtime_limit=limit)
    return run


def test_dirtying_faster_than_sending_asks_for_a_higher_cap():
    told = words(stuck(cap=120.0 * MiB), "web-0")
    assert "no round can leave less than it began with" in told
    assert "a cap above 1.17 Gbit/s (it was 1.01 Gbit/s)" in told
    assert "a downtime limit above 5 s (it was 300 ms)" in told


def test_dirtying_faster_than_its_share_asks_for_fewer_at_a_time():
    told = words(stuck(), "web-0")
    assert "fewer migrations at a time (its link carries 23.5 Gbit/s)" in told


def test_dirtying_faster_than_the_link_is_past_helping():
    told = words(stuck(dirty=3e9, cap=1e9), "web-0")
    assert "no cap: even its whole link" in told


def test_a_migration_that_was_converging_needed_time():
    told = words(stuck(dirty=60 * MiB), "web-0")
    assert "each round leaves 50 % of what it began with" in told
    assert "some 5 more rounds, about 9.7 s: it was converging" in told


def test_more_rounds_than_anyone_waits_for_are_not_proposed():
    told = words(stuck(dirty=119.99 * MiB), "web-0")
    assert "converging" not in told
    assert "What would help: a downtime limit above" in told


def test_nothing_is_proposed_where_nothing_is_known():
    told = words(stuck(dirty=60 * MiB, limit=None, later=((0.0, MiB, 0.0, 0.0),)), "web-0")
    assert "What would help" not in told
    assert "What would help" not in words(alone(outcome="guest-oom", later=LATER), "web-0")


def test_a_lasting_first_pass_is_not_advised_upon():
    told = words(alone(outcome="cancelled", took=0.0), "web-0")
    assert "First pass:" not in told
    assert "What would help" not in told


# ---------------------------------------------------------------- a run of the model


def test_a_real_migration_is_explained():
    """Every guest of a small shipped scenario has a story that ends as its table says."""
    result = dcsim.run(dcsim.load("two-guests-one-link"))
    for row in result.migrations.to_dict("records"):
        told = words(result, row["guest"])
        assert f", {row['outcome']} after" in told
        assert "First pass" in told


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"multifd": {"channels": 4}, "send_page": 40e-6},
            "held back by the threads of 4 channels",
        ),
        ({"encryption": {"rate": 0.1 * GiB}}, "held back by the sending thread"),
        ({"encryption": {"by": "tunnel", "rate": 0.1 * GiB}}, "held back by the tunnel of 859"),
    ],
)
def test_it_tells_threads_and_tunnels_from_links(options, said):
    """What is slower than the link is named, whichever way the bytes travel."""
    run = solve(scenario(guest(), migration={**QUICK, **options}))
    assert said in explain(run, "guest-0")


def test_what_failed_meanwhile_is_told():
    """Faults that fell into a migration, with their times; others are not its business."""
    data = scenario(guest(memory=4.0 * GiB), settle=30.0, migration=dict(QUICK))
    link = "rack0/host0->switch0"
    data["failures"] = [{"at": 1.0, "link": link, "lasts": 2.0}, {"at": 20.0, "link": link}]
    told = words(solve(data), "guest-0")
    assert "Meanwhile, at 1 s rack0/host0->switch0: this link is down; at 3 s " in told
    assert "at 20 s" not in told
