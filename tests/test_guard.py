"""Pages protected when the log is switched on, though it is cleared by chunks: page by page."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.model.guard import Guard
from dcsim.model.touch import Law, Pages
from tests.worlds import QUICK, guest, only, scenario, solve, writer

COUNT = 40_000


@pytest.mark.parametrize("law", ["random", "each"])
@pytest.mark.parametrize("ratio", [0.2, 0.7, 0.99])
def test_first_writes_before_sending_are_faults(law: Law, ratio: float) -> None:
    """In one pass, as many guarded pages are written before they are sent as page by page."""
    rng = np.random.default_rng(7)
    order = rng.permutation(COUNT)  # of sending
    writes = np.arange(COUNT) if law == "each" else rng.integers(0, COUNT, COUNT)
    writes = writes[: round(ratio * COUNT)]
    sent_at = np.empty(COUNT)
    sent_at[order] = np.arange(COUNT) / COUNT
    seen = np.zeros(COUNT, dtype=bool)
    faults = 0
    for i, page in enumerate(writes):
        faults += not seen[page] and i / len(writes) < sent_at[page]
        seen[page] = True
    pages = Pages(float(COUNT))
    pages.start_log(per_chunk=True)
    guard = Guard([pages])
    found = 0.0
    for left in range(50, 0, -1):
        touches, sent = len(writes) / 50, pages.pending / left
        told = guard.faults(pages, touches=touches, sent=sent, law=law)
        assert guard.advance(pages, touches=touches, sent=sent, law=law) == told
        found += told
        pages.advance(touches=touches, sent=sent, law=law)
    assert found == pytest.approx(faults, rel=0.03)
    assert guard.faults(pages, touches=1e6, sent=0.0, law=law) == 0.0


def test_a_guarded_log_costs_a_fault_more_where_pages_are_not_sent_yet() -> None:
    """A writer much faster than the stream faults on every page at once, and when it is sent."""
    lost = {}
    for log in ("at-sync", "per-chunk", "per-chunk-guarded"):
        fast = guest(writer("max", 0.1, work=1e-6, workers=4))
        migration = {**QUICK, "write_fault": 20e-6, "dirty_log": log, "max_rounds": 1}
        data = scenario(fast, migration=migration | {"max_bandwidth": 2.0**26})
        lost[log] = only(solve(data), "guests")["lost_write_fault_s"]
    assert lost["per-chunk-guarded"] == pytest.approx(sum(lost.values()) / 2, rel=0.02)
