"""The numbers of a stream: what is to be sent next, how fast, and what has been sent; no clock.

A page sent costs its bytes and a header on the wire; a zero page a few bytes, and the time to scan
it. What is pending of one region of memory is sent in proportion, as if evenly mixed; regions are
sent one after another. Seconds, bytes and pages.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dcsim.kernel import twin
from dcsim.records.tables import MIGRATION_KINDS
from dcsim.units import PAGE

if TYPE_CHECKING:
    from dcsim.model.scan import Scan
    from dcsim.model.transport import Transport


@twin
class Sending:
    """Pages on their way, region by region, and an account of them.

    Zero pages scanned hide under a bandwidth cap filled anyway: those of a region of zeros in the
    time that one window leaves.

    Parameters
    ----------
    scan
        What is to be sent.
    transport
        What pages cost.
    wire
        Bytes per second that the way carries at most.
    window
        Seconds of a bandwidth window, 0 for none.
    zero_pages
        Whether zero pages are looked for.

    Attributes
    ----------
    page_bytes
        What a page is on the wire, on average of the region at the cursor.
    sent
        Bytes sent.
    raw
        Bytes under way that are not pages.
    normal, zero, deltas
        Pages sent, by their form.
    """

    __slots__ = (
        "_before", "_by_kind", "_counted", "_delta_share", "_idle_s", "_kind", "_scan_shown",
        "_zero_share", "deltas", "normal", "page_bytes", "raw", "scan", "sent", "transport",
        "window", "wire", "zero", "zero_pages",
    )  # fmt: skip

    def __init__(
        self, scan: Scan, transport: Transport, wire: float, window: float, zero_pages: bool, /
    ) -> None:
        self.scan = scan
        self.transport = transport
        self.wire = wire
        self.window = window
        self.zero_pages = zero_pages
        self.page_bytes = float(PAGE)
        self.sent = self._before = self.raw = 0.0
        self._kind = 0
        self._by_kind = [0.0] * len(MIGRATION_KINDS)
        self.normal = self.zero = self.deltas = 0.0
        self._zero_share = self._delta_share = 0.0
        self._scan_shown = 1.0
        self._idle_s = self._counted = 0.0

    def plan(
        self, cap: float, fits_s: float = 0.0, found: float = 0.0
    ) -> tuple[float, float, float, float]:
        """Return what `Network.send` has to know of the region at the cursor.

        Parameters
        ----------
        cap
            Bytes per second at most.
        fits_s
            Seconds that the rest of the round may take as whole pages.
        found
            Pages there whose earlier contents are in the cache of deltas.

        Returns
        -------
        tuple of float
            Bytes of what is pending there; the rate that the sending thread can keep up; the margin
            in seconds and the bytes beyond that make the rest of the round fit.
        """
        scan, transport = self.scan, self.transport
        normal, zero, ballooned = scan.pending_here()
        if not self.zero_pages:  # nobody looks for them: they go whole
            normal, zero, ballooned = normal + zero + ballooned, 0.0, 0.0
        pages = normal, zero, ballooned, found
        size, thread_s = transport.takes(pages, self.wire, self._scan_shown)
        if size > 0:
            count = normal + zero + ballooned
            self.page_bytes = size / count
            self._zero_share = (zero + ballooned) / count
            self._delta_share = found / count if transport.delta < transport.whole else 0.0
            busy_s = size / cap
            if busy_s >= self.window > 0:  # what less leaves is what was left before
                self._idle_s = max(0.0, 1 - thread_s * cap / size) * self.window
            if busy_s < thread_s:
                busy_s = thread_s
            if ballooned > 0:
                busy_s += transport.added_s(ballooned)
            cap = size / busy_s if busy_s > 0 else math.inf
        beyond = 0.0
        if fits_s > 0 and len(scan.regions) > 1:
            beyond = scan.pending * self.page_bytes - size
        return size, cap, fits_s * self.page_bytes / PAGE, beyond

    def go_on(self, *, hide: bool) -> bool:
        """Go on to the next region with pages to be sent; return whether there is one.

        Its scans may hide in what the window has left, or not.
        """
        if not self.scan.next_region():
            return False
        _, zero, _ = self.scan.pending_here()
        scan_s = self.transport.scan_s(zero)
        hidden_s = min(scan_s, self._idle_s) if hide else 0.0
        self._idle_s -= hidden_s
        self._scan_shown = 1 - hidden_s / scan_s if scan_s > 0 else 1.0
        return True

    def count_as(self, kind: int) -> None:
        """Count what is sent from now on as this of `MIGRATION_KINDS`; at first it is the first."""
        self._kind = kind
        self._before = self.sent - self._by_kind[kind]

    @property
    def by_kind(self) -> tuple[float, ...]:
        """Bytes sent of each of `MIGRATION_KINDS`."""
        return tuple(self._by_kind)

    def count(self, total: float) -> float:
        """Count what was sent, given the bytes since it began; return the pages that are new."""
        sent = total - self._counted
        if sent <= 0:
            return 0.0
        self._counted += sent
        self._by_kind[self._kind] += sent
        self.sent = self._before + self._by_kind[self._kind]
        if self.raw > 0:
            raw = min(self.raw, sent)
            self.raw -= raw
            sent -= raw
        pages = sent / self.page_bytes
        self.normal += pages * (1 - self._zero_share - self._delta_share)
        self.zero += pages * self._zero_share
        self.deltas += pages * self._delta_share
        return pages
