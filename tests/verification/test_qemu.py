"""The model beside real QEMU migrations, with one set of constants and nothing fitted per run."""

from __future__ import annotations

from pathlib import Path

import pytest

from dcsim.study.checks import measurements
from dcsim.study.checks.verify import BOUNDS, Verification, verify

RUNS = Path(__file__).parents[3] / "shared" / "measurements" / "qemu_runs.jsonl"

pytestmark = pytest.mark.skipif(not RUNS.exists(), reason=f"no measured runs at {RUNS}")


@pytest.fixture(scope="module")
def verification() -> Verification:
    """All measured runs, compared."""
    return verify(measurements.read(RUNS))


def test_every_figure_is_within_its_bound(verification: Verification) -> None:
    """Times and bytes, pages, syncs, reads per second, memory after a policy, outcomes."""
    assert verification.broken == []


def test_there_is_something_behind_every_bound(verification: Verification) -> None:
    """Each bound is asked of at least three runs."""
    assert all(len(verification.errors(bound)) >= 3 for bound in BOUNDS)


@pytest.mark.parametrize("figure", ["sent_bytes", "reads_per_s_after"])
def test_policies_come_in_the_measured_order(verification: Verification, figure: str) -> None:
    """From the cheapest to the dearest policy, of the runs of one guest under four policies."""
    runs = {c.name: c for c in verification.comparisons if c.name.startswith("H-") and c.counts}
    assert len(runs) >= 4
    for a in runs.values():
        for b in runs.values():
            measured = getattr(a.measured, figure) / getattr(b.measured, figure)
            if measured > 1.1:  # closer than that, repetitions change places
                assert getattr(a.model, figure) > getattr(b.model, figure), (a.name, b.name)
