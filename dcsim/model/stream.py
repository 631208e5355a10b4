"""The sending thread of a migration: pages in, bytes out. Seconds, bytes and pages.

A page sent costs its bytes and a header on the wire; a zero page a few bytes, and the time to scan
it. What is pending is sent in proportion: pages of every kind are taken to be mixed evenly in the
order of addresses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import simpy

from dcsim.model.guest import Guest
from dcsim.model.network import Flow, Network
from dcsim.model.routing import Path
from dcsim.units import PAGE

REPLAN = 1e-3
"""Relative change of what is left of a round that is worth a new forecast of its end."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How migrations are done; the fields are those of `dcsim.scenario.spec.Migration`."""

    hypervisor: str
    max_bandwidth: float
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
    dirty_log: Literal["at-sync", "per-chunk"]
    activation: float
    announce: float
    cold_restart: float
    max_rounds: float


class Stream:
    """The sending thread of one migration: pages in, bytes out.

    Its time for a page bounds the flow. Pages sent overlap with the wire; zero pages scanned do not
    but hide under a bandwidth cap filled anyway. Ballooned pages lie together, and windows
    over them go unfilled: their scan always adds [M.12].
    """

    def __init__(self, network: Network, guest: Guest, path: Path, settings: Settings) -> None:
        self._network = network
        self._guest = guest
        self._settings = settings
        shares = path.shares or (1.0,) * len(path.links)
        capacities = [network.capacity[link] for link in path.links]
        self._wire = min((c / s for c, s in zip(capacities, shares, strict=True)), default=math.inf)
        cap = min(settings.max_bandwidth, self._wire)
        self.flow: Flow = network.open(path, kind="first pass", cap=cap)
        self.sent_of = {"first pass": 0.0, "re-sent": 0.0, "switch-over": 0.0}
        self.normal = self.zero = 0.0
        self._page_bytes = float(PAGE)
        self._zero_share = 0.0
        self._collected = self._raw = 0.0
        self._limited = True
        self._fits_s: float | None = None

    def send_round(
        self, kind: str, *, fits_s: float, until_s: float, limited: bool = True
    ) -> simpy.Event:
        """Send what is pending until the rest would take `fits_s` as whole pages, or until a time.

        Parameters
        ----------
        kind
            What its bytes are counted as.
        fits_s
            Seconds; 0 to send all.
        until_s
            Time at which the event fires whatever is left.
        limited
            Whether the bandwidth cap holds.
        """
        if kind != self.flow.kind:
            self._network.set_kind(self.flow, kind)
        self._limited = limited
        size, cap = self._plan()
        self._network.set_cap(self.flow, cap)
        self._fits_s = fits_s
        return self._network.send(
            self.flow, size, margin_s=fits_s * self._page_bytes / PAGE, until_s=until_s
        )

    def replan(self) -> None:
        """Look again at what is left of the round: pages were filled or taken out meanwhile."""
        if self._fits_s is None:
            return
        size, cap = self._plan()
        if abs(size - self._network.left(self.flow)) > REPLAN * size:
            self._network.set_left(self.flow, size, margin_s=self._fits_s * self._page_bytes / PAGE)
            self._network.set_cap(self.flow, cap)

    def end_round(self) -> None:
        """Stop looking at what is left."""
        self._fits_s = None

    def _plan(self) -> tuple[float, float]:
        """Return the bytes of what is pending, and the rate that the sending thread can keep up."""
        settings = self._settings
        normal, zero, ballooned = self._guest.memory.pending()
        if not self._guest.profile.policy.zero_pages:
            normal, zero, ballooned = normal + zero + ballooned, 0.0, 0.0
        pages = normal + zero + ballooned
        size = normal * (PAGE + settings.page_header) + (zero + ballooned) * settings.zero_page
        cap = min(settings.max_bandwidth, self._wire) if self._limited else self._wire
        if size > 0:
            self._page_bytes = size / pages
            self._zero_share = (zero + ballooned) / pages
            scan_s = zero * settings.scan_zero
            thread_s = scan_s + max(normal * settings.send_page, size / self._wire)
            busy_s = max(size / cap, thread_s) + ballooned * settings.scan_ballooned
            cap = size / busy_s if busy_s > 0 else math.inf
        return size, cap

    def collect(self) -> float:
        """Return the pages sent since the last time this was asked."""
        sent = self._network.account(self.flow) - self._collected
        if sent <= 0:
            return 0.0
        self._collected += sent
        self.sent_of[self.flow.kind] += sent
        raw = min(self._raw, sent)
        self._raw -= raw
        pages = (sent - raw) / self._page_bytes
        self.normal += pages * (1 - self._zero_share)
        self.zero += pages * self._zero_share
        return pages

    def send_raw(self, size: float, *, limited: bool) -> simpy.Event:
        """Send bytes that are not pages, under the cap or not; they count as the round's."""
        cap = min(self._settings.max_bandwidth, self._wire) if limited else self._wire
        self._network.set_cap(self.flow, cap)
        self._raw += size
        return self._network.send(self.flow, size)

    def stop(self) -> None:
        """Send no more: who waits for the round waits no longer."""
        self._network.stop(self.flow)

    def close(self) -> None:
        """End the stream."""
        self._network.close(self.flow)
