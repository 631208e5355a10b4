"""Running: progress, the end, how much is kept, and the same tables from the same scenario."""

from __future__ import annotations

import pickle

import pytest

import dcsim.simulation.engine
from dcsim.errors import ScenarioError
from dcsim.records.result import Result
from dcsim.scenario.chance import random_inputs
from dcsim.scenario.spec import Scenario
from dcsim.simulation import Progress, prepare, run
from dcsim.units import MiB
from tests.worlds import (
    FLUID,
    QUICK,
    Data,
    guest,
    leaf_spine,
    no_move,
    only,
    reader,
    rows,
    scenario,
    solve,
    writer,
)


def same(a: Result, b: Result) -> bool:
    """Whether two results have the same tables, bit for bit, NaN being NaN."""
    return repr(a.columns) == repr(b.columns)


def busy(**changes: object) -> Data:
    """Four guests that write, read and move, with noise."""
    group = guest(
        writer(40.0 * MiB, 0.2),
        reader(40.0 * MiB, 0.2),
        makeup={"cache": 0.3, "free_stale": 0.1},
        load={"noise": 0.3, "every": 0.5},
        count=4,
    )
    data = scenario(group, topology=leaf_spine(spines=2), hinting="balloon-held", settle=5.0)
    data["horizon"] = 100.0
    data["operation"]["limits"] = {"per_host_out": 2}
    return data | changes


def test_a_scenario_and_what_was_prepared_of_it_run_alike() -> None:
    """Preparing first saves time, and changes nothing."""
    asked = Scenario.model_validate(busy())
    assert same(run(asked), run(prepare(asked)))


def test_a_prepared_scenario_runs_twice_alike() -> None:
    """A run leaves no trace in what it was made from."""
    plan = prepare(Scenario.model_validate(busy()))
    before = pickle.dumps(plan)
    first = run(plan)
    assert same(first, run(plan))
    assert pickle.dumps(plan) == before
    assert same(first, run(pickle.loads(before)))


def test_checking_changes_nothing() -> None:
    """Verifying the invariants looks at the world and leaves it alone."""
    asked = Scenario.model_validate(busy())
    assert same(run(asked, check=True), run(asked, check=False))


def test_replicate_k_alone_is_replicate_k_of_many() -> None:
    """Replicates do not depend on those before them, and 0 is the run itself."""
    asked = Scenario.model_validate(busy())
    many = [run(asked, replicate=k) for k in range(3)]
    assert same(many[2], run(asked, replicate=2))
    assert same(many[0], run(asked))
    assert not same(many[1], many[2])
    assert [r.replicate for r in many] == [0, 1, 2]
    assert len({r.seed for r in many}) == 3
    assert len({r.digest for r in many}) == 1


def test_replicates_of_a_deterministic_scenario_are_one() -> None:
    """Where nothing is random, every replicate has the same tables."""
    asked = Scenario.model_validate(scenario(guest(writer(50.0 * MiB, 0.2))))
    assert random_inputs(asked) == []
    assert same(run(asked), run(asked, replicate=7))


def test_the_seed_is_part_of_the_result() -> None:
    """A result says what it was made with."""
    result = solve(busy(seed=5))
    assert result.seed == 5
    assert result.digest == Scenario.model_validate(busy(seed=5)).digest()
    assert Scenario.model_validate(result.scenario).digest() == result.digest


# --------------------------------------------------------------------------- progress


def test_progress_is_told_and_ends_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time and events only grow; the last call has all migrations ended."""
    monkeypatch.setattr(dcsim.simulation.engine, "PROGRESS_EVERY_S", 0.0)
    told: list[Progress] = []
    result = run(Scenario.model_validate(busy()), progress=told.append)
    assert len(told) >= 3
    for key in ("simulated_s", "events", "ended"):
        values = [getattr(p, key) for p in told]
        assert values == sorted(values)
    assert told[-1].ended == told[-1].requested == 4
    assert told[-1].simulated_s == result.metrics["simulated_s"]
    assert all(p.horizon_s == 100.0 for p in told)
    assert same(result, run(Scenario.model_validate(busy())))


def test_a_progress_that_raises_stops_the_run() -> None:
    """Whoever watches may end the run; what it raises comes through."""

    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Scenario.model_validate(busy()), progress=stop)


# --------------------------------------------------------------------------- the end


def test_the_horizon_ends_it() -> None:
    """Not an event later, whatever is going on."""
    stuck = guest(writer("max", 0.5))
    migration = {**QUICK, "max_bandwidth": 256.0 * MiB}
    result = solve(scenario(stuck, migration=migration, horizon=12.5))
    assert result.metrics["simulated_s"] == 12.5
    for table, column in (("events", "time_s"), ("rounds", "to_s"), ("link_rates", "time_s")):
        assert max(r[column] for r in rows(result, table)) <= 12.5


@pytest.mark.parametrize("settle", [0.0, 3.0, 30.0])
def test_it_is_watched_on_for_a_while(settle: float) -> None:
    """After the last migration has ended, for `settle`, or up to the horizon."""
    result = solve(scenario(guest(), migration=FLUID, settle=settle, horizon=20.0))
    assert result.metrics["simulated_s"] == pytest.approx(min(1.0 + settle, 20.0))
    assert result.metrics["makespan_s"] == pytest.approx(1.0)


def test_guests_go_on_while_it_is_watched() -> None:
    """Work is counted to the end, not to the last event."""
    result = solve(no_move(guest(writer(4096.0 * 100, 0.2)), until=50.0))
    assert only(result, "guests")["written_pages"] == pytest.approx(5000.0)


def test_nothing_to_do_ends_at_once() -> None:
    """A drain of empty hosts takes no simulated time, and says that no guest was there."""
    result = solve(no_move(guest(), until=0.0))
    assert result.metrics["simulated_s"] == 0
    assert result.metrics["requested"] == 0
    assert "0 guests" in " ".join(e["detail"] for e in rows(result, "events"))


def test_a_start_later_than_zero() -> None:
    """A guest that starts late does nothing before."""
    late = guest(writer(4096.0 * 100, 0.2), arrive=10.0)
    data = scenario(late, migration=FLUID, settle=50.0)
    data["operation"]["at"] = 20.0
    result = solve(data)
    start = prepare(Scenario.model_validate(data)).guests[0].start_s
    assert 0 < start < 10
    running = result.metrics["simulated_s"] - start - only(result)["downtime_s"]
    assert only(result, "guests")["written_pages"] == pytest.approx(100 * running, rel=1e-6)


# --------------------------------------------------------------------------- how much is kept


def test_the_summary_is_the_same_however_much_is_kept() -> None:
    """What is not kept is still counted."""
    results = {r: solve(busy(record=r)) for r in ("summary", "migrations", "full")}
    assert len({repr(r.metrics) for r in results.values()}) == 1
    assert len({r.digest for r in results.values()}) == 1
    full, some = results["full"].columns, results["migrations"].columns
    assert set(results["summary"].columns) == {"summary"}
    assert set(results["summary"].columns) < set(some) < set(full)
    assert all(repr(some[table]) == repr(full[table]) for table in some)


def test_guests_table_sums_to_the_summary() -> None:
    """Totals of the summary are sums of the tables."""
    result = solve(busy())
    guests, moves = rows(result, "guests"), rows(result, "migrations")
    for column in ("lost_work_s", "lost_cache_miss_s", "refault_bytes", "extra_refault_bytes"):
        assert result.metrics[column] == pytest.approx(sum(g[column] for g in guests), rel=1e-12)
    assert result.metrics["migration_bytes"] == pytest.approx(sum(m["sent_bytes"] for m in moves))
    assert result.metrics["rounds"] == sum(m["rounds"] for m in moves)
    assert result.metrics["completed"] == 4


def test_a_scenario_that_cannot_be_run_is_refused() -> None:
    """Before anything is simulated, with the path of the fault."""
    data = scenario()
    data["operation"]["hosts"] = "nowhere"
    with pytest.raises(ScenarioError, match=r"operation\.hosts"):
        run(Scenario.model_validate(data))
