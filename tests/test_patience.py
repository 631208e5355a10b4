"""Management's patience: steps of the downtime limit, time limits, what follows, trying again."""

from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

from dcsim.errors import ScenarioError
from dcsim.scenario import presets
from dcsim.scenario.spec import DowntimeSteps, Limits, Migration, Scenario
from dcsim.units import GiB, MiB
from tests.worlds import Data, guest, only, rows, scenario, solve, world, writer


def stuck(limits: Data | None = None, **migration: object) -> Data:
    """A guest of 1 GiB that dirties half of it far faster than its cap of 256 MiB/s can send it."""
    data = scenario(guest(writer(2.0 * GiB, 0.5)), horizon=120.0)
    data["migration"] |= {"max_bandwidth": 256.0 * MiB, **migration}
    data["operation"]["limits"] = limits or {}
    return data


def steps(*rungs: Data, start: float = 0.1, **more: object) -> Data:
    """A ladder of downtime limits."""
    return {"start": start, "steps": list(rungs), **more}


# --------------------------------------------------------------------------- downtime steps


def test_steps_by_time_come_on_time() -> None:
    """A limit raised in the middle of a round lets that round end once the rest fits.

    The set of 512 MiB takes 2 s to send; with 3 s allowed nothing is too much any more.
    """
    ladder = steps({"downtime_limit": 3.0, "after_per_gib": 10.25})
    row = only(solve(stuck(downtime_steps=ladder)))
    assert row["outcome"] == "completed"
    assert row["downtime_limit_s"] == 3.0
    assert row["ended_s"] - row["downtime_s"] == pytest.approx(10.3, abs=0.11)


def test_steps_by_time_count_a_least_memory() -> None:
    """A guest smaller than the least is given the time of the least."""
    ladder = steps({"downtime_limit": 3.0, "after_per_gib": 10.0}, memory_at_least=2.0 * GiB)
    row = only(solve(stuck(downtime_steps=ladder)))
    assert row["ended_s"] - row["downtime_s"] == pytest.approx(20, abs=0.2)


def test_steps_by_stalls_come_at_syncs_without_a_new_low() -> None:
    """Syncs that leave less than before are new lows; each after them is a stall."""
    ladder = steps({"downtime_limit": 0.5, "stalls": 2}, {"downtime_limit": 3.0, "stalls": 4})
    data = stuck(downtime_steps=ladder)
    data["guests"] = [guest(writer(4.0 * GiB, 0.5, pattern="sequential"))]
    result = solve(data)
    assert only(result)["outcome"] == "completed"
    allowed = [r["threshold_bytes"] for r in rows(result, "rounds")[:-1]]
    limits = [round(size / allowed[0] * 0.1, 1) for size in allowed]
    assert limits[:3] == [0.1] * 3  # one low, and two that are none at least
    assert limits[limits.index(0.5) :] == [0.5, 0.5, 3.0]


def test_steps_by_rounds_are_a_while_apart() -> None:
    """KubeVirt's: after three rounds a step, and no other within ten seconds."""
    result = solve(stuck(downtime_steps="kubevirt"))
    seen = [round(r["threshold_bytes"] / (256 * MiB), 3) for r in rows(result, "rounds")[:-1]]
    assert seen[:3] == pytest.approx([0.15] * 3, rel=0.02)
    assert seen[3] == pytest.approx(0.257, rel=0.02)
    at: dict[float, float] = {}
    for r, limit in zip(rows(result, "rounds"), seen, strict=False):
        at.setdefault(limit, r["from_s"])
    times = list(at.values())
    assert all(later - sooner >= 10 - 1e-9 for sooner, later in itertools.pairwise(times[1:]))


@pytest.mark.parametrize(
    ("action", "outcome"),
    [("abort", "aborted-no-progress"), ("force-complete", "completed"),
     ("post-copy", "completed-postcopy")],
)  # fmt: skip
def test_the_last_step_may_be_an_action(action: str, outcome: str) -> None:
    """A ladder may end in giving up, in stopping the guest, or in post-copy."""
    for when in ({"stalls": 3}, {"rounds": 3}, {"after_per_gib": 15.0}):
        data = stuck(downtime_steps=steps({"action": action, **when}))
        if action == "post-copy":
            data["migration"]["post_copy"] = True
        row = only(solve(data))
        assert row["outcome"] == outcome
        assert row["reason"].startswith("the last of its downtime steps, after ")
        if "after_per_gib" in when and action == "abort":
            assert row["ended_s"] == pytest.approx(15, abs=0.11)


@pytest.mark.parametrize("name", presets.downtime_steps_names())
def test_every_shipped_ladder_is_legal_and_ends(name: str) -> None:
    """Each reads back as it is, and its limits only rise."""
    ladder = DowntimeSteps.model_validate(name, context={"from_file": True})
    assert DowntimeSteps.model_validate(ladder.model_dump(mode="json")) == ladder
    limits = [ladder.start, *(s.downtime_limit for s in ladder.steps if s.downtime_limit)]
    assert limits == sorted(limits)
    post_copy = {"post_copy": True} if ladder.steps[-1].action == "post-copy" else {}
    data = stuck(downtime_steps=name, **post_copy) | {"horizon": 3600.0}
    outcome = only(solve(data))["outcome"]
    expected = {
        "abort": "aborted-no-progress", "post-copy": "completed-postcopy",
    }  # fmt: skip
    # 512 MiB at 256 MiB/s take 2 s: only ladders that allow them complete
    reached = "completed" if limits[-1] >= 2 else "cancelled"
    last = ladder.steps[-1].action
    assert outcome == (expected[last] if last and limits[-1] < 2 else reached)


def test_novas_steps() -> None:
    """From 50 to 500 ms in ten steps of 50, one every 75 s a GiB of at least two [D]."""
    ladder = DowntimeSteps.model_validate("nova")
    limits = [ladder.start, *(step.downtime_limit for step in ladder.steps)]
    assert limits == pytest.approx([0.05 * n for n in range(1, 11)])
    assert [step.after_per_gib for step in ladder.steps] == [75.0 * n for n in range(1, 10)]
    assert ladder.memory_at_least == 2 * GiB


def test_a_ladder_that_makes_no_sense_is_refused() -> None:
    """Steps without one condition, or mixed, or after the end, are none."""
    rung = {"downtime_limit": 1.0, "stalls": 1}
    wrong: dict[str, list[Data]] = {
        "give one of downtime_limit, action": [{"stalls": 1}],
        "give one of stalls, rounds, after_per_gib": [{"downtime_limit": 1.0}],
        "by time, or by stalls and rounds": [rung, {"downtime_limit": 2.0, "after_per_gib": 1.0}],
        "times must not go back": [
            {"downtime_limit": 1.0, "after_per_gib": 2.0},
            {"downtime_limit": 2.0, "after_per_gib": 1.0},
        ],
        "nothing follows abort": [{"action": "abort", "stalls": 1}, rung],
    }
    for message, rungs in wrong.items():
        with pytest.raises(ValidationError, match=message):
            DowntimeSteps.model_validate(steps(*rungs))
    with pytest.raises(ValidationError, match="set post_copy"):
        Migration.model_validate({"downtime_steps": "ovirt-post-copy"})
    with pytest.raises(
        ValidationError, match=r"unknown downtime steps 'novo'.*did you mean 'nova'"
    ):
        Migration.model_validate({"downtime_steps": "novo"})
    with pytest.raises(ValidationError, match="means nothing where steps have no times"):
        DowntimeSteps.model_validate(steps(rung, memory_at_least=GiB))
    timed = {"downtime_limit": 1.0, "after_per_gib": 1.0}
    with pytest.raises(ValidationError, match="means nothing where steps have their times"):
        DowntimeSteps.model_validate(steps(timed, cooldown=1.0))


# --------------------------------------------------------------------------- time limits


def test_small_guests_are_given_the_time_of_the_floor() -> None:
    """Nova counts at least 2 GiB."""
    limits = {"completion_timeout_per_gib": 10.0, "completion_timeout_floor": 2.0 * GiB}
    row = only(solve(stuck(limits)))
    assert row["outcome"] == "aborted-timeout"
    assert row["ended_s"] == pytest.approx(20, abs=0.11)
    assert row["reason"].startswith("not complete after 20 s; pages get dirty at")


def test_the_shorter_of_two_time_limits_counts() -> None:
    """A limit for the whole, whatever the size, beside one for each GiB."""
    limits = {"completion_timeout_per_gib": 30.0, "completion_timeout": 10.0}
    assert only(solve(stuck(limits)))["ended_s"] == pytest.approx(10, abs=0.11)


@pytest.mark.parametrize("limit", ["completion_timeout_per_gib", "progress_timeout"])
def test_instead_of_aborting_it_is_forced(limit: str) -> None:
    """Nova's force_complete: the guest is stopped, and the rest sent without the cap."""
    row = only(solve(stuck({limit: 10.0, "on_timeout": "force-complete"})))
    assert row["outcome"] == "completed"
    assert row["reason"]
    assert row["left_bytes"] == 0
    # half a GiB at 1 GiB/s, the guest paused, and not at the cap of a quarter of it
    assert row["downtime_s"] == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("limit", ["completion_timeout_per_gib", "progress_timeout"])
def test_instead_of_aborting_it_goes_ahead(limit: str) -> None:
    """With post-copy allowed, a time limit starts it."""
    row = only(solve(stuck({limit: 10.0, "on_timeout": "post-copy"}, post_copy=True)))
    assert row["outcome"] == "completed-postcopy"
    assert row["downtime_s"] < 0.1
    assert row["postcopy_bytes"] > 0.4 * GiB


def test_going_ahead_has_to_be_allowed() -> None:
    """A time limit cannot start post-copy where migrations are not set up for it."""
    limits = {"completion_timeout": 10.0, "on_timeout": "post-copy"}
    with pytest.raises(ScenarioError, match="set post_copy"):
        solve(stuck(limits))
    with pytest.raises(ValidationError, match="means nothing without a timeout"):
        Limits.model_validate({"on_timeout": "force-complete"})
    with pytest.raises(ValidationError, match="means nothing without completion_timeout_per_gib"):
        Limits.model_validate({"completion_timeout_floor": GiB})


def test_the_operator_cancels() -> None:
    """After so long the operator calls it off; the guest stays, and it is not tried again."""
    result = solve(stuck({"cancel_after": 7.0, "retry": True}))
    row = only(result)
    assert row["outcome"] == "cancelled"
    assert row["reason"].startswith("the operator gave up after 7 s; ")
    assert row["ended_s"] == pytest.approx(7, abs=0.11)
    assert only(result, "guests")["host"] == "rack0/host0"


def test_a_policy_that_takes_all_the_time_is_forced_too() -> None:
    """Where the policy used up the time, forcing sends everything with the guest paused."""
    data = stuck({"completion_timeout": 0.2, "on_timeout": "force-complete"})
    data["guests"][0]["workload"]["memory"]["free_zero"] = 0.4
    data["hinting"] = {"use": "balloon-free", "reserve": 0.0, "per_page": 10e-6}
    row = only(solve(data))
    assert row["outcome"] == "completed"
    assert row["policy_s"] == pytest.approx(0.2)
    assert row["downtime_s"] > 0.5


# --------------------------------------------------------------------------- trying again


def test_what_was_aborted_is_tried_again() -> None:
    """Each attempt is a row; delays grow; room at the destination is given back in between."""
    retry = {"attempts": 3, "delay": 2.0, "factor": 3.0}
    live = world(stuck({"completion_timeout": 5.0, "retry": retry}))
    result = live.result(None)
    attempts = rows(result, "migrations")
    assert [m["attempt"] for m in attempts] == [1, 2, 3]
    assert {m["outcome"] for m in attempts} == {"aborted-timeout"}
    starts = [m["started_s"] for m in attempts]
    ends = [m["ended_s"] for m in attempts]
    assert starts[1] - ends[0] == pytest.approx(2)
    assert starts[2] - ends[1] == pytest.approx(6)
    assert result.metrics["requested"] == 1
    assert result.metrics["retries"] == 2
    assert result.metrics["not_moved"] == 1
    assert live.hosts[1].peak_bytes == 1.0 * GiB
    assert live.hosts[1].used_bytes == 0
    assert live.guests[0].moves == 0


def test_a_later_attempt_may_succeed() -> None:
    """A guest that is quieter later moves then: it is moved, once."""
    data = stuck({"completion_timeout": 5.0, "retry": {"attempts": 5, "delay": 2.0}})
    data["guests"][0]["workload"]["load"] = {"points": [[9.0, 0.01]]}
    result = solve(data)
    outcomes = [m["outcome"] for m in rows(result, "migrations")]
    assert outcomes[-1] == "completed"
    assert set(outcomes[:-1]) == {"aborted-timeout"}
    assert result.metrics["completed"] == 1
    assert result.metrics["not_moved"] == 0
    assert only(result, "guests")["moves"] == 1


def test_others_move_while_one_waits_to_be_tried_again() -> None:
    """A retry stands in the queue again: those behind it go first, under a cap of one at a time."""
    data = stuck({"completion_timeout": 5.0, "per_cluster": 1, "retry": {"attempts": 2}})
    data["guests"].append(guest(name="quiet", memory=0.5 * GiB))
    result = solve(data)
    order = [(m["guest"], m["attempt"]) for m in rows(result, "migrations")]
    assert order == [("guest-0", 1), ("quiet-0", 1), ("guest-0", 2)]


def test_the_horizon_may_come_before_the_next_attempt() -> None:
    """Nothing hangs on an attempt that never comes."""
    data = stuck({"completion_timeout": 5.0, "retry": {"attempts": 2, "delay": 500.0}})
    result = solve(data | {"horizon": 30.0})
    assert [m["outcome"] for m in rows(result, "migrations")] == ["aborted-timeout"]
    assert result.metrics["requested"] == 1


def test_what_completed_or_never_started_is_not_tried_again() -> None:
    """Only what was aborted or has failed is."""
    data = scenario(guest())
    data["operation"]["limits"] = {"retry": True}
    assert len(rows(solve(data), "migrations")) == 1
    data["topology"]["host"]["memory"] = 1.0 * GiB
    data["guests"].append(guest(name="other", place={"hosts": "rack0/host1"}))
    assert only(solve(data), guest="guest-0")["outcome"] == "no-room"


# --------------------------------------------------------------------------- operators


def test_operators_end_as_they_say() -> None:
    """Nova gives up after 800 s a GiB of at least 2; Cloud Hypervisor after an hour."""
    assert Limits.model_validate("nova").completion_timeout_floor == 2 * GiB
    assert Limits.model_validate("cloud-hypervisor").completion_timeout == 3600


@pytest.mark.parametrize("name", presets.hypervisor_names())
def test_every_hypervisor_moves_an_idle_guest(name: str) -> None:
    """Whatever the rules, a guest that does nothing arrives."""
    data = scenario(guest(makeup={"kernel": 0.05}))
    data["migration"] = {"hypervisor": name}
    assert only(solve(data))["outcome"] == "completed"


def test_an_older_qemu_syncs_at_the_ends_of_rounds() -> None:
    """Auto-converge syncs in between since QEMU 9.2; what is said of it holds."""
    old = {"hypervisor": "qemu-7.2"}
    assert Migration.model_validate(old).auto_converge is None
    for option in (True, {}, {"initial": 0.3}):
        settings = Migration.model_validate({**old, "auto_converge": option}).auto_converge
        assert settings is not None
        assert settings.sync_every is None
    given = Migration.model_validate({**old, "auto_converge": {"sync_every": 1.0}})
    assert given.auto_converge is not None
    assert given.auto_converge.sync_every == 1.0
    assert Scenario.model_validate(stuck(**old, auto_converge=True)).migration.auto_converge
