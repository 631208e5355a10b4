"""What pages cost on their way: bytes on the wire, and time of the threads that send them.

A page costs `send_page` of a thread, and more where it is compressed, compared or encrypted; what
is sent in fewer bytes costs less of it. Threads work in parallel. Bytes, seconds and pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from dcsim.units import PAGE

if TYPE_CHECKING:
    from dcsim.model.stream import Settings

XBZRLE_HEADER = 8 + 1 + 2
"""Bytes beside each delta [C.2]."""


@dataclass(frozen=True, slots=True)
class Compression:
    """Settings; the fields are those of `dcsim.scenario.transport.Compression`."""

    ratio: float
    per_page: float


@dataclass(frozen=True, slots=True)
class Multifd:
    """Settings; the fields are those of `dcsim.scenario.transport.Multifd`."""

    channels: int
    packet: float
    packet_header: float
    page_header: float
    zero_page: float
    zero_page_detection: Literal["multifd", "legacy"]
    compression: Compression | None


@dataclass(frozen=True, slots=True)
class Xbzrle:
    """Settings; the fields are those of `dcsim.scenario.transport.Xbzrle`."""

    cache: float
    delta: float
    encode: float


@dataclass(frozen=True, slots=True)
class Encryption:
    """Settings; the fields are those of `dcsim.scenario.transport.Encryption`."""

    by: Literal["sender", "tunnel"]
    rate: float


@dataclass(frozen=True, slots=True)
class Block:
    """Settings; the fields are those of `dcsim.scenario.transport.Block`."""

    bandwidth: float


class Pending(NamedTuple):
    """Pages to be sent: with contents, zero, zero as a balloon took them; of the first, cached."""

    normal: float
    zero: float
    ballooned: float
    cached: float = 0.0


Some = tuple[float, float, float, float]
"""Pages as `Pending` has them."""


class Transport:
    """What pages cost, under given settings.

    Attributes
    ----------
    threads
        How many send at once.
    whole, zero, delta
        Bytes on the wire of a page sent whole, of a zero page, of one found in the cache of deltas.
    tunnel
        Bytes per second that the way out of the process carries.
    raw
        Bytes per second at most of what is no pages: one thread sends it.
    """

    __slots__ = (
        "_channels", "_compare_s", "_compress_s", "_encrypt_s", "_ratio", "_scan_ballooned_s",
        "_scan_s", "_send_s", "delta", "raw", "scanners", "threads", "tunnel", "whole", "zero",
    )  # fmt: skip

    def __init__(self, settings: Settings) -> None:
        multifd, xbzrle, encryption = settings.multifd, settings.xbzrle, settings.encryption
        self._channels = multifd is not None
        self._send_s = settings.send_page
        self._scan_s, self._scan_ballooned_s = settings.scan_zero, settings.scan_ballooned
        self._ratio = 1.0
        self._compress_s = 0.0
        self._compare_s = 0.0 if xbzrle is None else xbzrle.encode
        self._encrypt_s = 0.0
        self.threads = 1
        self.scanners = 1
        self.whole = PAGE + settings.page_header
        self.zero = settings.zero_page
        self.delta = self.whole
        self.tunnel = self.raw = float("inf")
        if multifd is not None:
            self.threads = multifd.channels
            share = multifd.packet_header / max(1, multifd.packet // PAGE)
            if multifd.compression is not None:
                self._ratio = multifd.compression.ratio
                self._compress_s = multifd.compression.per_page
            self.whole = PAGE / self._ratio + multifd.page_header + share
            if multifd.zero_page_detection == "multifd":
                self.zero = multifd.zero_page + share
                self.scanners = multifd.channels
        if xbzrle is not None and xbzrle.delta < PAGE:
            self.delta = XBZRLE_HEADER + xbzrle.delta
        if encryption is not None:
            if encryption.by == "tunnel":
                self.tunnel = self.raw = encryption.rate
            else:
                self._encrypt_s = 1 / encryption.rate
                self.raw = encryption.rate

    def work_s(self, pages: Some, size: float) -> float:
        """Return the time that threads spend on sending pages of so many bytes, scans aside."""
        normal, _, _, cached = pages
        saved = cached * (1 - self.delta / self.whole)
        return (
            (normal - saved) * self._send_s / self._ratio
            + normal * self._compress_s
            + cached * self._compare_s
            + size * self._encrypt_s
        )

    def scan_s(self, zeros: float) -> float:
        """Return how long zero pages take to be scanned."""
        return zeros * self._scan_s / self.scanners

    def takes(self, pages: Some, wire: float, scan_shown: float = 1.0) -> tuple[float, float]:
        """Return the bytes of pages on the wire, and how long threads take for them at its rate.

        A thread scans or sends; what it has sent overlaps with the wire. So several threads keep
        the wire busy while others scan. A share of the scans may hide elsewhere.
        """
        normal, zero, ballooned, cached = pages
        saved = cached * (self.whole - self.delta)
        size = normal * self.whole - saved + (zero + ballooned) * self.zero
        scan_s = zero * self._scan_s / self.scanners * scan_shown
        work_s, wire_s = self.work_s(pages, size), size / wire
        sending_s = (work_s if work_s > wire_s else wire_s) / self.threads
        if self.scanners == self.threads:
            return size, scan_s + sending_s
        return size, max(scan_s, sending_s)

    def added_s(self, ballooned: float) -> float:
        """Return what adds to that whatever the cap on the wire.

        Ballooned pages lie together, and windows over them go unfilled [M.12].
        """
        return ballooned * self._scan_ballooned_s / self.scanners

    def threads_busy(self, pages: Pending, *, wire: float, cap: float) -> float:
        """Return how many threads are busy at either end while pages are sent.

        One sending thread is busy all the time, and so is a tunnel's; channels share what there is
        to do.
        """
        if not self._channels:
            return 1.0 if self.tunnel == float("inf") else 2.0
        size, thread_s = self.takes(pages, wire)
        scan_s = pages.zero * self._scan_s + pages.ballooned * self._scan_ballooned_s
        duration_s = max(size / cap, thread_s) + self.added_s(pages.ballooned)
        return (scan_s + self.work_s(pages, size)) / duration_s if duration_s > 0 else 0.0
