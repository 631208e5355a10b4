"""What a run asks of SimPy, the network and the guests, counted: seconds differ, counts do not.

A bound is what a migration may take, set a little above what is measured. Lower it when the count
falls; it rises only with a reason.
"""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.scenarios import STRAINED, drain
from benchmarks.simgrid import evacuation
from dcsim.model.guest import Guest
from dcsim.model.network import Network
from dcsim.scenario.spec import Scenario
from dcsim.simulation.engine import _Run
from dcsim.simulation.prepared import Preparation, prepare

PLAIN_BOUNDS = {"events": 5.4, "settles": 1.1, "solves": 0.9, "flows_solved": 3.2, "looks": 3}
FULL_BOUNDS = {"events": 33, "settles": 5.5, "solves": 2.8, "flows_solved": 3.2, "looks": 24.5}
STRAINED_BOUNDS = {"events": 54, "settles": 7.8, "solves": 6.8, "looks": 47.5}
BYTES_BOUNDS = {"summary": 3_200, "full": 14_500}
"""Of memory that each further migration of a run needs, by what is recorded."""
REST_BYTES = 1_200
"""Of memory for each further guest, its plan included, while nothing happens to it."""
LINEAR = 1.1
"""A migration on a network of twice the hosts may take so much more."""

Count = Callable[[Scenario], dict[str, float]]


def plain(*, k: int, vms: int = 5) -> Scenario:
    """An evacuation of the yardstick, bytes over bandwidth: guests leave every other host."""
    return evacuation(k=k, vms=vms, sources=k**3 // 8, cap=2, seed=1, dirty=(0.005, 0.03))


def full(*, racks: int) -> Scenario:
    """A drain of file servers with a balloon held: cache, refaults, application flows."""
    return drain("file-server", racks=racks)


def strained(*, racks: int) -> Scenario:
    """The same where storage serves a third of what is asked of it: all share one link."""
    return drain("file-server", racks=racks, storage=STRAINED)


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Count:
    """Runs a scenario and returns its counts, each for one migration."""
    calls: Counter[str] = Counter()

    def counted(owner: type, method: str, name: str) -> None:
        original = getattr(owner, method)

        def call(*arguments: Any) -> Any:
            calls[name] += 1
            return original(*arguments)

        monkeypatch.setattr(owner, method, call)

    counted(Network, "_settle", "settles")
    counted(Guest, "look", "looks")

    def run(scenario: Scenario) -> dict[str, float]:
        calls.clear()
        world = _Run(prepare(scenario), check=False)
        metrics = world.result(None).metrics
        assert metrics["completed"] == metrics["requested"]
        found = calls | {
            "events": next(world.env._eid),
            "solves": world.network.solves,
            "flows_solved": world.network.flows_solved,
        }
        return {name: number / metrics["requested"] for name, number in found.items()}

    return run


@pytest.mark.parametrize(
    ("scenario", "bounds"),
    [
        (plain(k=4), PLAIN_BOUNDS),
        (full(racks=2), FULL_BOUNDS),
        (strained(racks=4), STRAINED_BOUNDS),
    ],
    ids=["plain", "full", "strained"],
)
def test_a_migration_takes_so_much(count, scenario, bounds):
    """Events in SimPy's queue, settles and solves of the network, looks at guests."""
    counts = count(scenario)
    assert {name: counts[name] for name in bounds if counts[name] > bounds[name]} == {}


@pytest.mark.parametrize(
    ("scenario", "twice", "but"),
    [
        (plain(k=8), plain(k=10), ""),
        (full(racks=2), full(racks=4), ""),
        (strained(racks=2), strained(racks=4), "flows_solved"),  # all share one link
    ],
    ids=["plain", "full", "strained"],
)
def test_counts_grow_with_migrations_alone(count, scenario, twice, but):
    """Twice the hosts and migrations: a migration takes what it took."""
    before, after = count(scenario), count(twice)
    grown = {name: after[name] for name in before if after[name] > LINEAR * before[name]}
    assert grown.keys() <= {but}


def peak_bytes(scenario: Scenario) -> int:
    """Return the memory that a run needs beyond what it began with, at most."""
    world = _Run(prepare(scenario), check=False)
    tracemalloc.start()
    world.result(None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_a_guest_at_rest_is_small():
    """It is what it has for itself; what its group has in common is there once."""
    held = {}
    for vms in (100, 400):
        scenario = plain(k=4, vms=vms)
        tracemalloc.start()
        world = _Run(Preparation(scenario).prepared(), check=False)
        held[len(world.guests)], _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    (few, less), (many, more) = held.items()
    assert (more - less) / (many - few) <= REST_BYTES


def test_memory_follows_what_is_recorded():
    """A summary keeps less of each further migration than full tables do; both are bounded."""
    small, large = plain(k=4), plain(k=8)
    more = len(large.operation.moves.guest) - len(small.operation.moves.guest)
    grown = {}
    for record in BYTES_BOUNDS:
        peaks = [peak_bytes(scenario.replace({"record": record})) for scenario in (small, large)]
        grown[record] = (peaks[1] - peaks[0]) / more
    assert grown["summary"] < 0.5 * grown["full"]
    assert {name: grown[name] for name in grown if grown[name] > BYTES_BOUNDS[name]} == {}
