"""Brown-outs as Google reports them for guests of 48 vCPUs with 4 GiB each [E.2].

Every vCPU writes its 4 GiB page by page as fast as it can. What a write fault takes is not fitted
to the brown-outs: it is the time of a round of a published micro-benchmark of dirty logging, taken
to grow evenly with the vCPUs that contend, and read off at 48 of them. One thing is assumed of the
test: writing a page takes 50 ns, for over 56 ns no guest would be 99 % degraded on x86.

Nor is known how long a pass took: 27 s is fitted to how long there was any degradation on x86.

What is reproduced is how long the guest is more than 99 % degraded on x86, that it is by some 20 %
from then to the end, and how much shorter the first is with Arm's fast path than without. What is
not: that x86 took 9 s to come below 50 %, not 6.7; that on Arm it lasts 1.7 times as long as one
fault on each page, with the fast path and without; and the milder degradation there.
"""

from __future__ import annotations

import pytest

from dcsim.units import GiB
from tests.worlds import QUICK, Data, guest, only, scenario, solve, topology, writer

VCPUS, EACH = 48, 4.0 * GiB
PAGES = EACH / 4096


def fault_s(few: tuple[int, float], many: tuple[int, float], *, size: float) -> float:
    """Return what a fault takes with 48 vCPUs, from rounds of few and many over a size each."""
    (low, short), (high, long) = few, many
    seconds = short + (long - short) * (VCPUS - low) / (high - low)
    return seconds / (size / 4096)


X86 = fault_s((2, 0.318), (96, 2.68), size=1.0 * GiB)
ARM_BEFORE = fault_s((16, 10.340), (64, 40.994), size=2.0 * GiB)
ARM_AFTER = fault_s((16, 2.853), (64, 12.190), size=2.0 * GiB)


def brownout(fault: float, *, seconds: float, **migration: object) -> Data:
    """Return the guest's row, its blackout taken off, for one pre-copy pass of so many seconds."""
    group = guest(
        writer("max", 1.0, work=50e-9, workers=VCPUS, pattern="sequential"),
        memory=VCPUS * EACH, vcpus=VCPUS,
    )  # fmt: skip
    net = topology(host_link=VCPUS * EACH / seconds, host={"cores": 64, "memory": 2 * VCPUS * EACH})
    settings = {**QUICK, "write_fault": fault, "max_rounds": 1, **migration}
    row = only(solve(scenario(group, topology=net, migration=settings)), "guests")
    names = ("degraded10_s", "degraded50_s", "degraded99_s")
    return {name: row[name] - row["blackout_s"] for name in names}


def test_x86_is_hardly_running_for_as_long_as_it_was_seen_to() -> None:
    """More than 99 % degraded for 6 s: one fault on each page takes 5.9 s, with nothing fitted."""
    for log in ("at-sync", "per-chunk-guarded"):
        found = brownout(X86, seconds=27.0, dirty_log=log)
        assert found["degraded99_s"] == pytest.approx(6.0, rel=0.1)


def test_x86_stays_degraded_to_the_end() -> None:
    """27 s over 10 % as seen, the pass being fitted to that; 9 s over 50 % were seen, not 6.7.

    All memory is protected at first, and again chunk by chunk before it is sent. With only one of
    the two, either the first phase is missing or the second.
    """
    both = brownout(X86, seconds=27.0, dirty_log="per-chunk-guarded")
    assert both["degraded10_s"] == pytest.approx(27.0, rel=0.05)
    assert both["degraded50_s"] == pytest.approx(6.7, rel=0.05)
    first = brownout(X86, seconds=27.0, dirty_log="at-sync")
    assert first["degraded10_s"] < 7.0
    second = brownout(X86, seconds=27.0, dirty_log="per-chunk")
    assert second["degraded10_s"] == pytest.approx(27.0, rel=0.05)
    assert second["degraded50_s"] == pytest.approx(0.0, abs=0.5)


@pytest.mark.parametrize(("fault", "seen"), [(ARM_BEFORE, 105.0), (ARM_AFTER, 30.0)])
def test_arm_takes_as_long_as_1_7_faults_on_each_page(fault: float, seen: float) -> None:
    """One constant for both kernels, 1.7: their ratio, 3.4, is predicted, and 3.5 was seen."""
    found = brownout(fault, seconds=120.0)
    assert 1.68 * found["degraded99_s"] == pytest.approx(seen, rel=0.06)
