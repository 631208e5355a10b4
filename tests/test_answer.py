"""What is asked of an operation and what came of it: the sentences, made from plain tables."""

from __future__ import annotations

import math

import pytest

from dcsim.records.answer import answers, clock, in_words, question
from dcsim.records.tables import OPERATIONS

NAN = math.nan
NOTICE = "and which guests notice?"
DONE = {
    "operation": "drain", "kind": "drain", "at_s": 60.0, "ended_s": 15180.0, "makespan_s": 15120.0,
    "window_s": NAN, "hosts": 8, "hosts_done": 8, "requested": 44, "completed": 42,
    "completed_cold": 2, "not_moved": 0, "retries": 0, "moved_twice": 0, "spare_bytes": 0.0,
    "deadline_s": NAN, "missed_s": NAN, "lost": 0, "degraded_guests": 0, "busiest_link": "",
    "busiest_share": NAN,
}  # fmt: skip
SIX_HOURS = 6 * 3600.0


def table(*rows):
    """Rows as a table of columns, each with the values of `DONE` but for its own."""
    whole = [DONE | row for row in rows]
    names = dict.fromkeys([c.name for c in OPERATIONS.columns] + [n for row in whole for n in row])
    nothing = {c.name: "" if c.kind == "text" else NAN for c in OPERATIONS.columns}
    return {name: [row.get(name, nothing.get(name, NAN)) for row in whole] for name in names}


def told(scenario=None, *, more=None, **row):
    """The answer for one operation."""
    (answer,) = answers({"operations": table(row), **(more or {})}, scenario or {"horizon": 7200.0})
    return answer


def moves(*rows):
    """A table of migrations: guest, outcome, reason, downtime."""
    names = ("operation", "guest", "outcome", "reason", "downtime_s")
    return {n: list(v) for n, v in zip(names, zip(*rows, strict=True), strict=True)}


# ---------------------------------------------------------------- questions and words


@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        ({"kind": "drain", "hosts": "r/*", "window": 60.0}, "Can r/* be emptied within 1 min?"),
        (
            {"kind": "upgrade", "hosts": "*", "window": 3600.0},
            "Can all hosts be upgraded within 1 h?",
        ),
        (
            {"kind": "evacuate", "hosts": "r/*", "deadline": 60.0},
            "Who gets away from r/* within 1 min?",
        ),
        (
            {"kind": "drain", "hosts": "r/*", "window": None},
            f"How long does it take to empty r/*, {NOTICE}",
        ),
        ({"kind": "moves"}, f"How long does it take to move these guests, {NOTICE}"),
        ({"kind": "other", "window": 5.0}, "Is the other done within 5 s?"),
        ({"kind": "other", "hosts": ["a"]}, f"How long does it take for the other, {NOTICE}"),
        (
            {"kind": "rebalance", "window": 5.0},
            f"How even are hosts kept, by how many moves, {NOTICE}",
        ),
        ({"kind": "consolidate"}, f"How many hosts can be off, for how long, {NOTICE}"),
        (
            {"kind": "timetable", "operations": [{}, {}]},
            f"How long does each of these 2 operations take, {NOTICE}",
        ),
    ],
)
def test_a_scenario_asks_what_its_operation_is_about(operation, asked):
    assert question({"operation": operation}) == asked
    assert question({"operation": operation, "question": "Why?"}) == "Why?"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0123, "12.3 ms"), (59.9, "59.9 s"), (60.0, "1 min"), (61.4, "1 min 1 s"),
        (3599.9, "60 min"), (15120.0, "4 h 12 min"), (86400.0 * 2 + 3600, "2 d 1 h"), (0.0, "0 s"),
    ],
)  # fmt: skip
def test_durations_are_said_in_two_units_at_most(seconds, words):
    assert clock(seconds) == words


# ---------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("row", "verdict", "met"),
    [
        ({}, "Done in 4 h 12 min.", None),
        (
            {"window_s": SIX_HOURS},
            "Yes: done in 4 h 12 min, 1 h 48 min before the window ends.",
            True,
        ),
        ({"window_s": 15120.0}, "Yes: done in 4 h 12 min, 0 s before the window ends.", True),
        (
            {"window_s": 3600.0},
            "No: it took 4 h 12 min, 3 h 12 min more than the window.",
            False,
        ),
        (
            {"window_s": 3600.0, "hosts": 1000, "hosts_done": 312, "completed": 12},
            "No: the window of 1 h was enough for 312 of 1\u202f000 hosts (14 of 44 guests moved).",
            False,
        ),
        (
            {"window_s": 3600.0, "hosts": 0, "hosts_done": 0, "makespan_s": NAN, "completed": 40},
            "No: the window of 1 h was enough for 42 of 44 guests.",
            False,
        ),
        (
            {"window_s": SIX_HOURS, "hosts_done": 7, "not_moved": 1, "completed": 41},
            "No: it ended after 4 h 12 min, 1 h 48 min before the window ends, but 1 of 8 hosts is "
            "not done and 1 of 44 guests was not moved.",
            False,
        ),
        (
            {"not_moved": 2, "completed": 40},
            "Done in 4 h 12 min, but 2 of 44 guests were not moved.",
            None,
        ),
        (
            {"makespan_s": NAN, "hosts_done": 6},
            "Not done when the run ended, after 2 h: 2 of 8 hosts are not done.",
            None,
        ),
        (
            {"deadline_s": 60.0, "makespan_s": 41.0, "lost": 0},
            "Yes: all 44 guests got away in 41 s, 19 s before the deadline.",
            True,
        ),
        (
            {"deadline_s": 60.0, "makespan_s": 60.0, "lost": 17, "not_moved": 17},
            "No: 17 of 44 guests are lost when 1 min have passed.",
            False,
        ),
        (
            {"deadline_s": 60.0, "makespan_s": 60.0, "lost": 1, "not_moved": 1, "missed_s": 5.5},
            "No: 1 of 44 guests is lost when 1 min have passed. 5.5 s more would have saved them.",
            False,
        ),
        (
            {"deadline_s": 60.0, "makespan_s": 41.0, "lost": 0, "not_moved": 1},
            "No: 1 of 44 guests was not moved, but nobody is lost.",
            False,
        ),
    ],
)
def test_the_verdict_answers_what_is_asked(row, verdict, met):
    answer = told(**row)
    assert (answer.verdict, answer.met) == (verdict, met)


# ---------------------------------------------------------------- details


def test_who_did_not_move_is_told_with_the_first_reason():
    rows = moves(
        ("drain", "a-0", "completed", "", 0.1),
        ("drain", "b-0", "no-room", "no host has 8 GiB free", 0.0),
        ("other", "c-0", "guest-oom", "not of this one", 0.0),
        ("drain", "b-1", "no-room", "nor 9 GiB", 0.0),
    )
    answer = told(
        more={"migrations": rows}, requested=3, completed=1, completed_cold=0, not_moved=2
    )
    assert answer.moved == (
        "1 of 3 guests moved (1 live); 2 not: 2 no-room (b-0: no host has 8 GiB free)."
    )
    assert (
        told(not_moved=2, completed=40).moved == "42 of 44 guests moved (40 live, 2 cold); 2 not."
    )


def test_a_lower_bound_is_told_where_there_is_one():
    assert told(lower_bound_s=7560.0, bound="links out of rack0").details == (
        "No order could take less than 2 h 6 min (links out of rack0): this took 2.00 times that.",
    )
    assert told(lower_bound_s=7560.0, makespan_s=NAN).details == (
        "No order could take less than 2 h 6 min.",
    )
    assert told().details == ()


def test_guests_that_noticed_are_told():
    rows = moves(*(("drain", f"g-{i}", "completed", "", 0.1 * i) for i in (1, 2, 3)))
    guests = {"guest": ["g-1", "g-2", "g-3", "idle"], "degraded10_s": [5.0, 90.0, 1.0, 500.0]}
    more = {"migrations": rows, "guests": guests}
    assert told(more=more).details == (
        "Guests were over 10 % degraded for 5 s in the median; longest: g-2 1 min 30 s, g-1 5 s, "
        "g-3 1 s.",
        "Guests were paused 200 ms in the median, 298 ms at the 99th percentile, 300 ms at most.",
    )
    scenario = {"degraded_limit": 30.0}
    first = told(scenario, more=more, degraded_guests=1).details[0]
    assert first == "1 guest was over 10 % degraded for more than 30 s."
    assert told(degraded_guests=2).details == (
        "2 guests were over 10 % degraded for more than 30 s.",
    )


def test_the_busiest_link_is_told():
    assert told(busiest_link="a->b", busiest_share=0.504).details == (
        "The busiest link was a->b: migrations took 50 % of it.",
    )


def test_trouble_repeated_attempts_and_spare_memory_are_told():
    steps = {
        "operation": ["drain", "drain", "drain", "other"],
        "host": ["h0", "h1", "h1", "h2"],
        "step": ["drain", "reboot", "health check", "reboot"],
        "trouble": ["2 guests left", "", "did not pass", "never came back"],
    }
    answer = told(more={"maintenance": steps}, retries=3, moved_twice=1, spare_bytes=2.0**31)
    assert answer.details == (
        "1 host had trouble: h1, health check: did not pass.",
        "3 further attempts were made, 1 guest moved twice.",
        "Hosts that stayed had to take 2 GiB of memory at most.",
    )


def test_several_operations_are_told_by_name():
    found = answers({"operations": table({}, {"operation": "second", "window_s": 60.0})}, {})
    assert [line.partition(":")[0] for line in in_words(found)] == ["drain", "second"]
    assert list(in_words(found[:1])) == ["Done in 4 h 12 min."]
    assert answers({}, {}) == []


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (
            {"kind": "rebalance", "imbalance_before": 0.25, "imbalance_after": 0.125},
            "40 moves in all; the imbalance was 0.25 at first and 0.125 in the end.",
        ),
        (
            {"kind": "consolidate", "off_host_s": 7200.0, "saved_energy_j": 3.6e6},
            "8 of 16 hosts could be off, for 2 host-hours in all, which saved 1 kWh.",
        ),
        (
            {"kind": "consolidate", "off_host_s": 7200.0, "saved_energy_j": math.nan},
            "8 of 16 hosts could be off, for 2 host-hours in all.",
        ),
    ],
)
def test_what_goes_on_as_long_as_it_may_meets_no_limit(row, verdict):
    answer = told(**row, completed=40, hosts=16, hosts_done=8, window_s=60.0)
    assert (answer.verdict, answer.met) == (verdict, None)
