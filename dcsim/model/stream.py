"""The sending threads of a migration: pages in, bytes out. Seconds, bytes and pages.

A page sent costs its bytes and a header on the wire; a zero page a few bytes, and the time to scan
it. What is pending of one region of memory is sent in proportion, as if evenly mixed; regions are
sent one after another.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Literal

import simpy

from dcsim.model.convergence import AutoConverge, DirtyLimit
from dcsim.model.deltas import DeltaCache
from dcsim.model.guest import Guest
from dcsim.model.network import Flow, Network
from dcsim.model.patience import DowntimeSteps
from dcsim.model.postcopy import PostCopy
from dcsim.model.routing import Path
from dcsim.model.transport import Block, Encryption, Multifd, Pending, Transport, Xbzrle
from dcsim.records.tables import MIGRATION_KINDS
from dcsim.units import PAGE

REPLAN = 1e-3
"""Relative change of what is left of a round that is worth a new forecast of its end."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How migrations are done; the fields are those of `dcsim.scenario.spec.Migration`.

    Attributes
    ----------
    transport
        What pages cost under these settings.
    effective_bandwidth
        The cap as it works: each window's quota is overrun to the next flush [M.4].
    """

    hypervisor: str
    max_bandwidth: float
    flush_pages: float
    downtime_limit: float
    window: float
    page_header: float
    zero_page: float
    device_state: float
    scan_zero: float
    scan_ballooned: float
    send_page: float
    thread_cores: float
    write_fault: float
    dirty_log: Literal["at-sync", "per-chunk", "per-chunk-guarded"]
    activation: float
    announce: float
    cold_restart: float
    max_rounds: float
    auto_converge: AutoConverge | None
    dirty_limit: DirtyLimit | None
    multifd: Multifd | None
    xbzrle: Xbzrle | None
    encryption: Encryption | None
    block: Block | None
    post_copy: PostCopy | None
    downtime_steps: DowntimeSteps | None
    transport: Transport = field(init=False, repr=False, compare=False)
    effective_bandwidth: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "transport", Transport(self))
        object.__setattr__(self, "effective_bandwidth", self._bandwidth())

    def _bandwidth(self) -> float:
        quota = self.max_bandwidth * self.window
        flush = self.flush_pages * (PAGE + self.page_header)
        if not 0 < quota < math.inf or flush <= 0:
            return self.max_bandwidth
        return math.ceil(quota / flush - 1e-9) * flush / self.window


class Stream:
    """The sending threads of one migration: pages in, bytes out.

    They go through the regions of memory in the order of addresses, round and round. Their time for
    a page bounds the flow, as `Transport` has it. Zero pages scanned hide under a bandwidth cap
    filled anyway: those of a region of zeros in the time that one window leaves.
    """

    __slots__ = (
        "_cache", "_capped", "_collected", "_delta_share", "_fits_s", "_guest", "_idle_s",
        "_limited", "_marks", "_network", "_raw", "_scan_shown", "_sent_otherwise",
        "_stop_s", "_transport", "_window", "_wire", "_zero_pages", "_zero_share", "cores",
        "deltas", "flow", "normal", "page_bytes", "scan", "sent", "sent_of", "zero",
    )  # fmt: skip

    def __init__(self, network: Network, guest: Guest, path: Path, settings: Settings) -> None:
        self._network = network
        self._guest = guest
        self.scan = guest.memory.scan
        self._window = settings.window
        self._zero_pages = guest.profile.policy.zero_pages
        self._transport = transport = settings.transport
        self._wire = min(network.narrowest(path), transport.tunnel)
        self._capped = min(settings.effective_bandwidth, self._wire)
        self.flow: Flow = network.open(path, kind="first pass", cap=self._capped)
        self.sent_of = dict.fromkeys(MIGRATION_KINDS, 0.0)
        self.sent = self._sent_otherwise = 0.0
        self.normal = self.zero = self.deltas = 0.0
        self.page_bytes = float(PAGE)
        self._zero_share = self._delta_share = 0.0
        self._cache: DeltaCache | None = None
        if settings.xbzrle is not None:
            self._cache = DeltaCache(guest.memory, settings.xbzrle.cache / PAGE)
        self.cores = 0.0
        if settings.thread_cores > 0:
            busy = transport.threads_busy(self._first_pass(), wire=self._wire, cap=self._capped)
            self.cores = settings.thread_cores * busy
        self._scan_shown = 1.0
        self._idle_s = 0.0
        self._collected = self._raw = 0.0
        self._limited = True
        self._fits_s: float | None = None
        self._stop_s = math.inf
        self._marks: list[tuple[float, float]] = []

    # ------------------------------------------------------------------ rounds

    def send_round(
        self, kind: str, *, fits_s: float, until_s: float, limited: bool = True
    ) -> Generator[simpy.Event]:
        """Send what is pending until the rest would take `fits_s` as whole pages, or until a time.

        Parameters
        ----------
        kind
            What its bytes are counted as.
        fits_s
            Seconds; 0 to send all.
        until_s
            Time at which it ends whatever is left.
        limited
            Whether the bandwidth cap holds.
        """
        if self._stop_s < math.inf:
            return
        network, flow, guest = self._network, self.flow, self._guest
        if kind != flow.kind:
            self._count_as(kind)
        self._limited = limited
        if self._cache is not None and kind != "first pass" and self._fits_s is None:
            self._cache.begin_round()
        self._fits_s = fits_s
        self._mark()
        while True:
            size, cap, margin_s, beyond = self._plan()
            if cap != flow.cap:
                network.set_cap(flow, cap)
            yield network.send(flow, size, margin_s=margin_s, beyond=beyond, until_s=until_s)
            guest.pass_time()
            now = guest.env.now
            ended = now >= until_s or now >= self._stop_s
            if ended or flow.left > 0 or not self._go_on():
                return

    def replan(self) -> None:
        """Look again at what is left of the round: pages were filled or taken out meanwhile."""
        if self._fits_s is None:
            return
        size, cap, margin_s, beyond = self._plan()
        if abs(size - self._network.left(self.flow)) > REPLAN * size:
            self._network.set_left(self.flow, size, margin_s=margin_s, beyond=beyond)
            self._network.set_cap(self.flow, cap)

    def allow(self, fits_s: float) -> None:
        """Change what the rest of a round under way may take, where it may take any time."""
        if self._fits_s:
            self._fits_s = fits_s
            size, _, margin_s, beyond = self._plan()
            self._network.set_left(self.flow, size, margin_s=margin_s, beyond=beyond)

    def let_follow(self, bandwidth: float) -> None:
        """From the next round on, send to a guest that runs there: under a cap, without deltas."""
        self._capped = min(self._capped, bandwidth)
        self._cache = None

    @property
    def whole_page(self) -> float:
        """Bytes of a page on the wire."""
        return self._transport.whole

    @property
    def zero_page(self) -> float:
        """Bytes of a zero page on the wire."""
        return self._transport.zero

    def end_round(self) -> None:
        """Stop looking at what is left."""
        self._fits_s = None

    def _go_on(self) -> bool:
        """Go on to the next region with pages to be sent; return whether there is one."""
        if not self.scan.next_region():
            return False
        self._mark()
        _, zero, _ = self.scan.pending_here()
        scan_s = self._transport.scan_s(zero)
        hidden_s = min(scan_s, self._idle_s) if self._limited else 0.0
        self._idle_s -= hidden_s
        self._scan_shown = 1 - hidden_s / scan_s if scan_s > 0 else 1.0
        return True

    def _plan(self) -> tuple[float, float, float, float]:
        """Return what `Network.send` has to know of the region at the cursor.

        Returns
        -------
        tuple of float
            Bytes of what is pending there; the rate that the sending thread can keep up; the margin
            in seconds and the bytes beyond that make the rest of the round fit.
        """
        scan, transport = self.scan, self._transport
        found = self._cache.hits(scan.here) if self._cache is not None else 0.0
        normal, zero, ballooned = scan.pending_here()
        if not self._zero_pages:  # nobody looks for them: they go whole
            normal, zero, ballooned = normal + zero + ballooned, 0.0, 0.0
        pages = normal, zero, ballooned, found
        cap, wire = self._capped if self._limited else self._wire, self._wire
        size, thread_s = transport.takes(pages, wire, self._scan_shown)
        if size > 0:
            count = normal + zero + ballooned
            self.page_bytes = size / count
            self._zero_share = (zero + ballooned) / count
            self._delta_share = found / count if transport.delta < transport.whole else 0.0
            busy_s = size / cap
            if busy_s >= self._window > 0:  # what less leaves is what was left before
                self._idle_s = max(0.0, 1 - thread_s * cap / size) * self._window
            if busy_s < thread_s:
                busy_s = thread_s
            if ballooned > 0:
                busy_s += transport.added_s(ballooned)
            cap = size / busy_s if busy_s > 0 else math.inf
        beyond = 0.0
        if self._fits_s and len(scan.regions) > 1:
            beyond = scan.pending * self.page_bytes - size
        return size, cap, (self._fits_s or 0.0) * self.page_bytes / PAGE, beyond

    def _first_pass(self) -> Pending:
        """Return all that is to be sent at first."""
        memory = self._guest.memory
        if not self._zero_pages:
            return Pending(memory.scan.pending, 0.0, 0.0)
        ballooned = memory.ballooned.pending
        zero = sum(pages.pending for pages in memory.sets if pages.zero) - ballooned
        return Pending(memory.scan.pending - zero - ballooned, zero, ballooned)

    # ------------------------------------------------------------------ accounts

    def _count_as(self, kind: str) -> None:
        """Count what is sent from now on as this kind."""
        self._network.set_kind(self.flow, kind)
        self._sent_otherwise = self.sent - self.sent_of[kind]

    def bandwidth(self) -> float:
        """Return the bytes per second of the last window."""
        now, window = self._guest.env.now, self._window
        whole = bool(self._marks) and self._marks[-1][0] <= now - window
        if not self._marks or whole or now <= self._marks[0][0]:
            return self.flow.rate
        sent = self._network.account(self.flow)
        since, then = self._marks[0]
        for time, total in self._marks:
            if time > now - window:
                # between two marks the rate was even, or nearly
                share = (now - window - since) / (time - since) if time > since else 1.0
                then += max(0.0, share) * (total - then)
                break
            since, then = time, total
        return (sent - then) / min(window, now - self._marks[0][0])

    def _mark(self) -> None:
        """Note what was sent by now: from here on, the rate is another."""
        window = self._window
        if window <= 0:
            return
        now = self._guest.env.now
        while len(self._marks) > 1 and self._marks[1][0] <= now - window:
            del self._marks[0]
        self._marks.append((now, self._network.account(self.flow)))

    def collect(self) -> float:
        """Return the pages sent since the last time this was asked."""
        kind = self.flow.kind
        sent = self._network.account(self.flow) - self._collected
        if sent <= 0:
            return 0.0
        self._collected += sent
        self.sent_of[kind] = of_kind = self.sent_of[kind] + sent
        self.sent = self._sent_otherwise + of_kind
        if self._raw > 0:
            raw = min(self._raw, sent)
            self._raw -= raw
            sent -= raw
        pages = sent / self.page_bytes
        self.normal += pages * (1 - self._zero_share - self._delta_share)
        self.zero += pages * self._zero_share
        self.deltas += pages * self._delta_share
        if self._cache is not None and kind != "first pass":
            pending = self.scan.waiting
            share = min(1.0, pages / pending) if pending > 0 else 0.0
            self._cache.sent(share, self.scan.here)
        return pages

    @property
    def pages(self) -> float:
        """Pages sent so far, in whatever form."""
        return self.normal + self.deltas + self.zero

    def send_raw(self, size: float, *, limited: bool, kind: str | None = None) -> simpy.Event:
        """Send bytes that are not pages, under the cap or not; they count as the round's."""
        if kind is not None and kind != self.flow.kind:
            self._count_as(kind)
        cap = self._capped if limited else self._wire
        self._network.set_cap(self.flow, min(cap, self._transport.raw))
        self._raw += size
        return self._network.send(self.flow, size)

    def stop(self) -> None:
        """Send no more: who waits for the round waits no longer."""
        self._stop_s = self._guest.env.now
        self._network.stop(self.flow)

    def close(self) -> None:
        """End the stream."""
        self._network.close(self.flow)
