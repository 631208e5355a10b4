"""What pages cost on their way: bytes on the wire, and time of the threads that send them.

A page costs `send_page` of a thread, and more where it is compressed, compared or encrypted; what
is sent in fewer bytes costs less of it. Threads work in parallel. Bytes, seconds and pages.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from dcsim.kernel import twin
from dcsim.units import PAGE

if TYPE_CHECKING:
    from dcsim.model.stream import Settings

XBZRLE_HEADER = 8 + 1 + 2
"""Bytes beside each delta [C.2]."""


class Compression(NamedTuple):
    """Settings; the fields are those of `dcsim.scenario.transport.Compression`."""

    ratio: float
    per_page: float


class Multifd(NamedTuple):
    """Settings; the fields are those of `dcsim.scenario.transport.Multifd`."""

    channels: int
    packet: float
    packet_header: float
    page_header: float
    zero_page: float
    zero_page_detection: Literal["multifd", "legacy"]
    compression: Compression | None


class Xbzrle(NamedTuple):
    """Settings; the fields are those of `dcsim.scenario.transport.Xbzrle`."""

    cache: float
    delta: float
    encode: float

    def slots(self, pages: float) -> float:
        """Return the pages that the cache of a guest of so many pages holds."""
        return self.cache * pages if self.cache <= 1 else self.cache / PAGE


class Encryption(NamedTuple):
    """Settings; the fields are those of `dcsim.scenario.transport.Encryption`."""

    by: Literal["sender", "tunnel"]
    rate: float


class Block(NamedTuple):
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


@twin
class Transport(NamedTuple):
    """What pages cost.

    Attributes
    ----------
    whole, zero, delta
        Bytes on the wire of a page sent whole, of a zero page, of one found in the cache of deltas.
    threads, scanners
        How many send at once, and how many look for zeros.
    send_s, compress_s, compare_s
        Time of a thread to send a page, to compress one, to compare one with the cache's.
    ratio
        What compression makes a page smaller by.
    encrypt_s
        Time of a thread to encrypt a byte.
    zero_s, ballooned_s
        Time to see that a page is zero; the same where a balloon took it, whatever the cap.
    tunnel
        Bytes per second that the way out of the process carries.
    raw
        Bytes per second at most of what is no pages: one thread sends it.
    """

    whole: float
    zero: float
    delta: float
    threads: int
    scanners: int
    send_s: float
    compress_s: float
    compare_s: float
    ratio: float
    encrypt_s: float
    zero_s: float
    ballooned_s: float
    tunnel: float
    raw: float

    def work_s(self, pages: Some, size: float) -> float:
        """Return the time that threads spend on sending pages of so many bytes, scans aside."""
        normal, _, _, cached = pages
        saved = cached * (1 - self.delta / self.whole)
        return (
            (normal - saved) * self.send_s / self.ratio
            + normal * self.compress_s
            + cached * self.compare_s
            + size * self.encrypt_s
        )

    def scan_s(self, zeros: float) -> float:
        """Return how long zero pages take to be scanned."""
        return zeros * self.zero_s / self.scanners

    def takes(self, pages: Some, wire: float, scan_shown: float = 1.0) -> tuple[float, float]:
        """Return the bytes of pages on the wire, and how long threads take for them at its rate.

        A thread scans or sends; what it has sent overlaps with the wire. So several threads keep
        the wire busy while others scan. A share of the scans may hide elsewhere.
        """
        normal, zero, ballooned, cached = pages
        saved = cached * (self.whole - self.delta)
        size = normal * self.whole - saved + (zero + ballooned) * self.zero
        scan_s = zero * self.zero_s / self.scanners * scan_shown
        work_s, wire_s = self.work_s(pages, size), size / wire
        sending_s = (work_s if work_s > wire_s else wire_s) / self.threads
        if self.scanners == self.threads:
            return size, scan_s + sending_s
        return size, max(scan_s, sending_s)

    def added_s(self, ballooned: float) -> float:
        """Return what adds to that whatever the cap on the wire.

        Ballooned pages lie together, and windows over them go unfilled [M.12].
        """
        return ballooned * self.ballooned_s / self.scanners


def transport_of(settings: Settings) -> Transport:
    """Return what pages cost under given settings."""
    multifd, xbzrle, encryption = settings.multifd, settings.xbzrle, settings.encryption
    threads = scanners = 1
    whole, zero = PAGE + settings.page_header, settings.zero_page
    ratio, compress_s, encrypt_s = 1.0, 0.0, 0.0
    tunnel = raw = math.inf
    if multifd is not None:
        threads = multifd.channels
        share = multifd.packet_header / max(1, multifd.packet // PAGE)
        if multifd.compression is not None:
            ratio, compress_s = multifd.compression.ratio, multifd.compression.per_page
        whole = PAGE / ratio + multifd.page_header + share
        if multifd.zero_page_detection == "multifd":
            zero, scanners = multifd.zero_page + share, threads
    if encryption is not None:
        raw = encryption.rate
        if encryption.by == "tunnel":
            tunnel = raw
        else:
            encrypt_s = 1 / raw
    delta, compare_s = whole, 0.0
    if xbzrle is not None:
        delta = XBZRLE_HEADER + xbzrle.delta if xbzrle.delta < PAGE else whole
        compare_s = xbzrle.encode
    return Transport(
        whole=whole,
        zero=zero,
        delta=delta,
        threads=threads,
        scanners=scanners,
        send_s=settings.send_page,
        compress_s=compress_s,
        compare_s=compare_s,
        ratio=ratio,
        encrypt_s=encrypt_s,
        zero_s=settings.scan_zero,
        ballooned_s=settings.scan_ballooned,
        tunnel=tunnel,
        raw=raw,
    )


def threads_busy(settings: Settings, pages: Pending, *, wire: float, cap: float) -> float:
    """Return how many threads are busy at either end while pages are sent.

    One sending thread is busy all the time, and so is a tunnel's; channels share what there is to
    do.
    """
    transport = settings.transport
    if settings.multifd is None:
        return 1.0 if transport.tunnel == math.inf else 2.0
    size, thread_s = transport.takes(pages, wire)
    scan_s = pages.zero * transport.zero_s + pages.ballooned * transport.ballooned_s
    duration_s = max(size / cap, thread_s) + transport.added_s(pages.ballooned)
    return (scan_s + transport.work_s(pages, size)) / duration_s if duration_s > 0 else 0.0
