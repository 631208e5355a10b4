"""Brown-outs as Google reports them for guests of 48 vCPUs with 4 GiB each [E.2].

Every vCPU writes its 4 GiB page by page as fast as it can. What a write fault takes is not fitted
to the brown-outs: it is the time of a round of a published micro-benchmark of dirty logging, taken
to grow evenly with the vCPUs that contend, and read off at 48 of them. One thing is assumed of the
test: writing a page takes 50 ns, for over 56 ns no guest would be 99 % degraded on x86.

What is reproduced is how long it is more than 99 % degraded on x86, and how much shorter that is
with Arm's fast path. What is not: on Arm it lasts 1.7 times as long as one fault on each page, with
the fast path and without; and the milder degradation, over 50 and over 10 %, that outlasts it.
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
    found = brownout(X86, seconds=27.0)
    assert found["degraded99_s"] == pytest.approx(6.0, rel=0.1)


def test_x86_recovers_too_soon() -> None:
    """Seen: 9 s over 50 % and 27 s over 10 %. The model's guest is back after its last fault."""
    found = brownout(X86, seconds=27.0)
    assert found["degraded50_s"] == pytest.approx(found["degraded99_s"], abs=0.5)
    assert found["degraded10_s"] < 7.0


def test_a_log_cleared_by_chunks_is_mild_and_lasts() -> None:
    """Then the faults are spread over the pass: 27 s over 10 %, if it takes 27 s, none over 50.

    The length of the pass is fitted, the degree is not. What was seen has both phases, as if all
    memory had been protected at first and again chunk by chunk; the model has either.
    """
    found = brownout(X86, seconds=27.0, dirty_log="per-chunk")
    assert found["degraded10_s"] == pytest.approx(27.0, rel=0.05)
    assert found["degraded50_s"] == pytest.approx(0.0, abs=0.5)


@pytest.mark.parametrize(("fault", "seen"), [(ARM_BEFORE, 105.0), (ARM_AFTER, 30.0)])
def test_arm_takes_as_long_as_1_7_faults_on_each_page(fault: float, seen: float) -> None:
    """One constant for both kernels, 1.7: their ratio, 3.4, is predicted, and 3.5 was seen."""
    found = brownout(fault, seconds=120.0)
    assert 1.68 * found["degraded99_s"] == pytest.approx(seen, rel=0.06)
