"""How long a guest is how much degraded by write faults, against closed forms."""

from __future__ import annotations

import itertools
import math

import pytest

from dcsim.units import PAGE, GiB
from tests.worlds import QUICK, Data, guest, only, rows, scenario, solve, writer

PAGES = GiB / PAGE
WORK, WORKERS = 1e-6, 4


def faulting(fault_s: float, pattern: str) -> Data:
    """Four workers write a GiB as fast as they can, while it is sent in one pass of 10 s."""
    group = guest(writer("max", 1.0, work=WORK, workers=WORKERS, pattern=pattern))
    migration = {**QUICK, "max_bandwidth": 0.1 * GiB, "write_fault": fault_s, "max_rounds": 1}
    return scenario(group, migration=migration)


@pytest.mark.parametrize("fault_us", [10.0, 100.0])
def test_random_writes_slow_down_less_and_less(fault_us: float) -> None:
    """A write to a page not yet written since the sync takes its fault too; such get fewer.

    With a share *u* of the pages left, a write takes ``work + fault * u``. So it is more than a
    share *d* degraded until *u* is ``q / a``, with ``q = d / (1 - d)`` and ``a = fault / work``.
    """
    fault_s = fault_us * 1e-6
    ratio = fault_s / WORK
    result = solve(faulting(fault_s, "uniform"))
    row = only(result, "guests")
    for name, share in (("degraded10_s", 0.1), ("degraded50_s", 0.5), ("degraded99_s", 0.99)):
        least = share / (1 - share) / ratio
        exact = 0.0
        if least < 1:
            touches = PAGES * -math.log(least)
            exact = (touches * WORK + PAGES * (1 - least) * fault_s) / WORKERS
        # an interval of 10 s is looked at in 64 parts
        assert row[name] - row["blackout_s"] == pytest.approx(exact, abs=10 / 64, rel=0.02)


def test_a_sweep_is_slow_until_it_has_been_everywhere() -> None:
    """Sequential writes fault on every page once, and then on none."""
    result = solve(faulting(100e-6, "sequential"))
    row = only(result, "guests")
    exact = PAGES * 101e-6 / WORKERS
    assert row["degraded99_s"] - row["blackout_s"] == pytest.approx(exact, abs=10 / 64)
    assert row["degraded10_s"] - row["blackout_s"] == pytest.approx(exact, abs=10 / 64 + 0.01)
    assert row["lost_write_fault_s"] == pytest.approx(PAGES * 100e-6 / WORKERS, rel=1e-3)


def test_the_slowdowns_table_has_the_parts() -> None:
    """Intervals told apart follow each other, and sum to the work that was lost."""
    result = solve(faulting(100e-6, "uniform"))
    told = [r for r in rows(result, "slowdowns") if r["progress"] > 0]
    assert len(told) > 5
    pairs = itertools.pairwise(told)
    assert all(one["to_s"] == pytest.approx(two["from_s"]) for one, two in pairs)
    lost = sum((r["to_s"] - r["from_s"]) * (1 - r["progress"]) for r in told)
    assert lost == pytest.approx(only(result, "guests")["lost_write_fault_s"], rel=1e-6)
