"""The sending threads of a migration: pages in, bytes out. Seconds, bytes and pages.

What they send next and what that costs is the matter of `dcsim.model.sending`; here it takes time
on a network.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from functools import cached_property
from typing import Literal, NamedTuple

import simpy

from dcsim.model.convergence import AutoConverge, DirtyLimit
from dcsim.model.deltas import DeltaCache
from dcsim.model.guest import Guest
from dcsim.model.network import Flow, Network
from dcsim.model.patience import DowntimeSteps
from dcsim.model.postcopy import PostCopy
from dcsim.model.routing import Path
from dcsim.model.sending import Sending
from dcsim.model.transport import (
    Block,
    Encryption,
    Multifd,
    Pending,
    Transport,
    Xbzrle,
    threads_busy,
    transport_of,
)
from dcsim.records.tables import MIGRATION_KINDS
from dcsim.units import PAGE

REPLAN = 1e-3
"""Relative change of what is left of a round that is worth a new forecast of its end."""


class Asked(NamedTuple):
    """What is asked of migrations; the fields are those of `dcsim.scenario.spec.Migration`."""

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


class Settings(Asked):
    """How migrations are done: what is asked, and what it comes to."""

    @cached_property
    def transport(self) -> Transport:
        """What pages cost under these settings."""
        return transport_of(self)

    @cached_property
    def effective_bandwidth(self) -> float:
        """The cap as it works: each window's quota is overrun to the next flush [M.4]."""
        quota = self.max_bandwidth * self.window
        flush = self.flush_pages * (PAGE + self.page_header)
        if not 0 < quota < math.inf or flush <= 0:
            return self.max_bandwidth
        return math.ceil(quota / flush - 1e-9) * flush / self.window


class Stream(Sending):
    """The sending threads of one migration: pages in, bytes out.

    They go through the regions of memory in the order of addresses, round and round. Their time for
    a page bounds the flow, as `Transport` has it.
    """

    __slots__ = (
        "_cache", "_capped", "_fits_s", "_guest", "_limited", "_marks", "_network", "_stop_s",
        "cores", "flow",
    )  # fmt: skip

    def __init__(self, network: Network, guest: Guest, path: Path, settings: Settings) -> None:
        wire = min(network.narrowest(path), settings.transport.tunnel)
        zero_pages = guest.profile.policy.zero_pages
        super().__init__(guest.memory.scan, settings.transport, wire, settings.window, zero_pages)
        self._network = network
        self._guest = guest
        self._capped = min(settings.effective_bandwidth, wire)
        self.flow: Flow = network.open(path, kind="first pass", cap=self._capped)
        self._cache: DeltaCache | None = None
        if settings.xbzrle is not None:
            self._cache = DeltaCache(guest.memory, settings.xbzrle.slots(guest.memory.pages))
        self.cores = 0.0
        if settings.thread_cores > 0:
            busy = threads_busy(settings, self._first_pass(), wire=wire, cap=self._capped)
            self.cores = settings.thread_cores * busy
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
        while True:
            if self.window > 0:
                self._mark()
            size, cap, margin_s, beyond = self._plan()
            if cap != flow.cap:
                network.set_cap(flow, cap)
            yield network.send(flow, size, margin_s=margin_s, beyond=beyond, until_s=until_s)
            guest.pass_time()
            now = guest.env.now
            ended = now >= until_s or now >= self._stop_s
            if ended or flow.left > 0 or not self.go_on(hide=limited):
                return

    def _plan(self) -> tuple[float, float, float, float]:
        """Return what the network has to know of the region at the cursor, as `plan` has it."""
        found = self._cache.hits(self.scan.here) if self._cache is not None else 0.0
        cap = self._capped if self._limited else self.wire
        return self.plan(cap, self._fits_s or 0.0, found)

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

    def end_round(self) -> None:
        """Stop looking at what is left."""
        self._fits_s = None

    def _first_pass(self) -> Pending:
        """Return all that is to be sent at first."""
        memory = self._guest.memory
        if not self.zero_pages:
            return Pending(memory.scan.pending, 0.0, 0.0)
        ballooned = memory.ballooned.pending
        zero = sum(pages.pending for pages in memory.sets if pages.zero) - ballooned
        return Pending(memory.scan.pending - zero - ballooned, zero, ballooned)

    # ------------------------------------------------------------------ accounts

    def _count_as(self, kind: str) -> None:
        """Count what is sent from now on as this kind."""
        self._network.set_kind(self.flow, kind)
        self.count_as(MIGRATION_KINDS.index(kind))

    def bandwidth(self) -> float:
        """Return the bytes per second of the last window."""
        now, window = self._guest.env.now, self.window
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
        now = self._guest.env.now
        while len(self._marks) > 1 and self._marks[1][0] <= now - self.window:
            del self._marks[0]
        self._marks.append((now, self._network.account(self.flow)))

    def collect(self) -> float:
        """Return the pages sent since the last time this was asked."""
        pages = self.count(self._network.account(self.flow))
        if self._cache is not None and pages > 0 and self.flow.kind != "first pass":
            waiting = self.scan.waiting
            share = min(1.0, pages / waiting) if waiting > 0 else 0.0
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
        cap = self._capped if limited else self.wire
        self._network.set_cap(self.flow, min(cap, self.transport.raw))
        self.raw += size
        return self._network.send(self.flow, size)

    def stop(self) -> None:
        """Send no more: who waits for the round waits no longer."""
        self._stop_s = self._guest.env.now
        self._network.stop(self.flow)

    def close(self) -> None:
        """End the stream."""
        self._network.close(self.flow)
