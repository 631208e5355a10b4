"""Variants of an operation side by side: which is in time, which is done first, who notices."""

from __future__ import annotations

import math

import pytest

from dcsim.cli.comparing import _study_lines
from dcsim.errors import ResultError
from dcsim.records.recorder import Recorder
from dcsim.records.result import Result
from dcsim.scenario.files import load
from dcsim.study.comparisons.answers import compared, outcomes, told
from dcsim.study.comparisons.compare import compare
from dcsim.study.comparisons.runs import Run
from dcsim.study.comparisons.study import Study

NAN = math.nan


def result(*operations, k=0, **figures):
    """A run of operations: (start, end, window) each; with these figures in its summary."""
    recorder = Recorder("migrations")
    for i, (at, end, window) in enumerate(operations):
        recorder.add(
            "operations", operation=f"o{i}", kind="drain", at_s=at, ended_s=end,
            makespan_s=end - at, window_s=window, hosts=2, hosts_done=2, requested=9, completed=9,
            completed_cold=0, not_moved=0, retries=0, moved_twice=0, spare_bytes=0.0,
        )  # fmt: skip
    summary = recorder.summarise(operation_at_s=0.0, simulated_s=1.0)
    given = {"requested": 9, "not_moved": 0, "blackout_p99_s": 0.2, "degraded10_p95_s": 5.0}
    columns = recorder.finish(summary | given | {"network_bytes": 2.0**30} | figures)
    return Result(scenario={}, digest="", seed=k, replicate=k, columns=columns)


def study_of(**variants):
    """A study: variant -> results, or a text where it failed."""
    runs = [
        Run(name, "zero-page", {"a.b": name}, "", k, k, each)
        if isinstance(each, Result)
        else Run(name, "zero-page", {"a.b": name}, "", k, k, error=each, message="no reason")
        for name, results in variants.items()
        for k, each in enumerate(results)
    ]
    return Study(name="made", runs=tuple(runs))


def one(**variants):
    """What variants come to: name -> one run."""
    return outcomes(study_of(**{name: [run] for name, run in variants.items()}))


# ---------------------------------------------------------------- what variants come to


def test_times_are_from_the_first_start_to_the_last_end():
    (each,) = one(a=result((10.0, 20.0, NAN), (15.0, 75.0, NAN)))
    assert each.makespan_s.mean == 65.0
    assert math.isnan(each.met)
    assert math.isnan(each.bound_s)
    (never,) = one(a=result((10.0, 20.0, NAN), (15.0, NAN, NAN)))
    assert never.makespan_s.mean == math.inf
    (summary,) = one(a=result(makespan_s=7.0))
    assert summary.makespan_s.mean == 7.0  # where operations were not kept


def test_bounds_count_from_the_first_start_too():
    run = result((10.0, 20.0, NAN), (15.0, 75.0, NAN))
    run.columns["operations"]["lower_bound_s"] = [8.0, 50.0]
    (each,) = one(a=run)
    assert each.bound_s == 55.0
    assert each.gap == 65 / 55


def test_replicates_are_averaged_and_one_that_did_not_end_counts():
    late, soon = result((0.0, 90.0, 60.0)), result((0.0, 50.0, 60.0), k=1)
    (each,) = outcomes(study_of(a=[late, soon, "OSError"]))
    assert (each.runs, each.met, each.makespan_s.mean) == (2, 0.5, 70.0)
    assert "in time in 50 % of the runs; done in 1 min 10 s [0 s, 5 min 24 s]" in told(each)
    (each,) = outcomes(study_of(a=[soon, result((0.0, NAN, 60.0), k=1)]))
    assert each.makespan_s.mean == math.inf
    assert "not done when the run ended" in told(each)


def test_a_variant_is_told_in_a_sentence():
    (each,) = one(a=result((0.0, 90.0, 60.0), not_moved=2))
    assert told(each) == (
        "a: not in time; ended after 1 min 30 s; 7 of 9 guests moved; paused 200 ms at the 99th "
        "percentile; over 10 % degraded 5 s at the 95th; 1 GiB on the network."
    )


# ---------------------------------------------------------------- which is best


def test_who_is_in_time_is_said_first():
    soon, late = result((0.0, 50.0, 60.0)), result((0.0, 90.0, 60.0))
    assert compared(one(a=soon, b=late, c=result((0.0, 40.0, 60.0)))) == [
        "Yes under a and c; not under b.",
        "Of those c is done first, after 40 s, a last, after 50 s.",
    ]
    assert compared(one(a=soon, b=soon)) == [
        "Yes, under all of them.",
        "All are done after 50 s.",
    ]
    assert compared(one(a=late, b=result((0.0, 95.0, 60.0), not_moved=1))) == [
        "No, under none of them; a comes closest: done in 1 min 30 s.",
    ]
    assert compared(one(a=soon)) == []


def test_without_a_limit_the_first_and_the_gentlest_are_named():
    fast = result((0.0, 50.0, NAN), degraded10_p95_s=9.0)
    slow = result((0.0, 90.0, NAN))
    lazy = result((0.0, 10.0, NAN), not_moved=4)
    assert compared(one(a=fast, b=slow, c=lazy)) == [
        "Of those that moved most guests, a is done first, after 50 s, b last, after 1 min 30 s; "
        "guests are degraded least under b (5 s at the 95th percentile).",
        "More guests are not moved under c (4).",
    ]
    endless = result((0.0, NAN, NAN))
    assert compared(one(a=fast, b=endless))[0].startswith(
        "a is done first, after 50 s, b last, not when the run ends"
    )
    assert compared(one(a=endless, b=endless)) == ["None is done when the run ends."]


# ---------------------------------------------------------------- comparing


@pytest.fixture(scope="module")
def study():
    """A drain under three operators' limits."""
    scenario = load("fat-tree-evacuation").replace(
        {"operation.window": "10min", "topology.routing": "d-mod-k", "record": "migrations"}
    )
    limits = ["kubevirt", "nova", {"per_cluster": 1, "name": "one"}]
    return compare(scenario, vary={"operation.limits": limits}, replications=1)


def test_what_is_varied_is_compared_under_the_scenarios_own_policy(study):
    assert study.variants[:2] == ["limits=kubevirt", "limits=nova"]
    assert {run.hinting for run in study.runs} == {"zero-page"}
    assert study.of_operations
    assert study.runs[0].changes == {"operation.limits": "kubevirt"}
    lines = study.summary().splitlines()
    assert lines[1] == "Yes, under all of them."
    assert [line.split(":")[0] for line in lines[3:5]] == study.variants[:2]


def test_the_first_or_any_variant_is_what_others_are_compared_with(study):
    first, second, third = study.variants
    assert list(study.pairs()) == [(second, first), (third, first)]
    assert list(study.pairs(second)) == [(first, second), (third, second)]
    with pytest.raises(ResultError, match="no run has the policy"):
        list(study.pairs("limits=nowa"))
    scenario = load("quick-start")
    with pytest.raises(ValueError, match=r"none of the variants .*; did you mean 'settle=1s'"):
        compare(scenario, vary={"settle": ["1s", "2s"]}, baseline="settle=1")


def test_what_is_varied_may_bring_a_policy_along():
    scenario = load("quick-start").replace({"record": "migrations"})
    study = compare(scenario, vary={"operator": ["nova", "xenserver"]})
    assert len({run.hinting for run in study.runs}) == 2
    assert study.of_operations
    assert list(study.pairs()) == [("operator=xenserver", "operator=nova")]
    assert list(study.pairs("operator=xenserver")) == [("operator=nova", "operator=xenserver")]


def test_paths_are_told_in_full_where_their_ends_are_the_same():
    vary = {"guests[0].memory": ["1GiB"], "topology.host.memory": ["64GiB"]}
    (name,) = compare(load("quick-start"), vary=vary).variants
    assert name == "guests[0].memory=1GiB, topology.host.memory=64GiB"


def test_the_command_line_shows_what_an_operation_comes_to(study):
    head, *rows = "\n".join(_study_lines(study)).split("\n\n")[0].splitlines()
    assert head.split()[:4] == ["variant", "in", "time", "makespan"]
    assert [row.split()[:2] for row in rows[:2]] == [[name, "100"] for name in study.variants[:2]]
    failed = study_of(a=["OSError"], b=[result((0.0, 50.0, NAN))])
    rows = "\n".join(_study_lines(failed)).split("\n\n")[0].splitlines()
    assert set(rows[1].split()) == {"a", "-"}
    assert "a: every run failed." in failed.summary()
