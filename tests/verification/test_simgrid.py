"""Evacuations and plain transfers against SimGrid's, as recorded and as run on this machine.

SimGrid 3.32, plain max-min: the recorded figures are those that `benchmarks/simgrid.py` prints for
it. It counts whole bytes, dcsim parts of them too; that is all that lies between the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.simgrid import build_yardstick, evacuate, simulate_with_simgrid, transfer

Data = dict[str, Any]


def evacuating(k: int, vms: int, sources: int, cap: int, seed: int, *dirty: float) -> Data:
    return {"k": k, "vms": vms, "sources": sources, "cap": cap, "seed": seed, "dirty": dirty}


def sending(mode: str, k: int, count: int, extent: float, seed: int) -> Data:
    return {"k": k, "seed": seed, "flows": (mode, count, extent)}


EVACUATIONS = [
    (evacuating(4, 2, 4, 1, 3, 0.02, 0.05), 22.217039, 9.109052, 18),
    (evacuating(8, 16, 64, 2, 1, 0.005, 0.03), 231.980432, 24.121742, 2771),
    (evacuating(8, 16, 64, 2, 1, 0.02, 0.15), 4910.051112, 93.134570, 7839),
    pytest.param(
        evacuating(16, 20, 512, 2, 1, 0.005, 0.03),
        *(342.019660, 26.847881, 28_865),
        marks=pytest.mark.slow,
    ),
]
TRANSFERS = [
    (sending("open", 4, 300, 0.9, 1), 2.375458),
    (sending("open", 8, 2000, 0.3, 1), 4.594113),
    (sending("closed", 4, 64, 3, 1), 2.376143),
    (sending("closed", 8, 200, 3, 1), 1.558092),
]


@pytest.fixture(scope="module")
def simgrid(shared: Path) -> Path:
    """SimGrid's program, built where it can be."""
    try:
        return build_yardstick(shared / "anchors" / "simgrid")
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("scenario", "makespan", "mean_mig_s", "rounds"), EVACUATIONS)
def test_recorded_evacuations(
    scenario: Data, makespan: float, mean_mig_s: float, rounds: int
) -> None:
    """Makespan and mean time of a migration to 1e-6, and every round of SimGrid's."""
    ours = evacuate(**scenario)
    assert ours["makespan"] == pytest.approx(makespan, rel=1e-6)
    assert ours["mean_mig_s"] == pytest.approx(mean_mig_s, rel=1e-6)
    assert ours["rounds"] == rounds


@pytest.mark.parametrize(("scenario", "makespan"), TRANSFERS)
def test_recorded_transfers(scenario: Data, makespan: float) -> None:
    """The last of so many plain transfers ends when SimGrid's does."""
    assert transfer(**scenario)["makespan"] == pytest.approx(makespan, rel=1e-6)


@pytest.mark.parametrize(
    "scenario",
    [
        evacuating(2, 3, 1, 3, 11, 0.0, 0.1),  # one rack a pod, one link to share
        evacuating(4, 5, 3, 2, 7, 0.05, 0.2),  # hosts that the sources do not divide
        evacuating(4, 6, 15, 4, 2, 0.001, 0.005),  # all to one host
        evacuating(6, 4, 27, 1, 5, 0.05, 0.2),
        evacuating(8, 8, 32, 8, 4, 0.001, 0.01),
    ],
    ids=str,
)
def test_evacuations_against_a_running_simgrid(simgrid: Path, scenario: Data) -> None:
    """Other trees, caps, seeds and rates of dirtying: the same makespans, means and rounds."""
    ours, theirs = evacuate(**scenario), simulate_with_simgrid(simgrid, scenario)
    assert ours["makespan"] == pytest.approx(theirs["makespan"], rel=1e-6)
    assert ours["mean_mig_s"] == pytest.approx(theirs["mean_mig_s"], rel=1e-6)
    assert ours["rounds"] == theirs["rounds"]


@pytest.mark.parametrize(
    "scenario",
    [sending("open", 6, 500, 1.5, 3), sending("closed", 6, 200, 5, 8)],
    ids=str,
)
def test_transfers_against_a_running_simgrid(simgrid: Path, scenario: Data) -> None:
    """Other networks, loads and seeds: as many transfers, and the same end."""
    ours, theirs = transfer(**scenario), simulate_with_simgrid(simgrid, scenario)
    assert ours["flows"] == theirs["flows"]
    assert ours["makespan"] == pytest.approx(theirs["makespan"], rel=1e-6, abs=2e-6)
