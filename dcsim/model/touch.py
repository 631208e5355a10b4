"""One law for touching pages, and what it does to a dirty log. Pages are counts, as floats.

A set of pages is a few classes; class c of `n` pages is touched at random. After `k` touches the
share not yet touched has fallen by ``exp(-k/n)``: the set of distinct pages saturates, and its
slope at 0 is the touch rate. A sequential sweep, and the filling of frames, touch a different page
each time: ``min(k, n)``. The law is kept as state, advanced by the touches made since the last
look, so that rates and sizes may change at any moment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from dcsim.kernel import twin

ZIPF_CLASSES = 20
EXACT_RANKS = 32

Law = Literal["random", "each"]
"""``random``: any page of the class; ``each``: a different page every time."""


@twin
@dataclass(frozen=True, slots=True)
class TouchClass:
    """Pages that are touched alike: so many of them, with this share of their set's touches."""

    pages: float
    share: float
    law: Law = "random"

    def distinct(self, touches: float) -> float:
        """Return how many distinct pages of the class so many touches of the *set* reach."""
        own = touches * self.share
        if self.law == "each":
            return min(own, self.pages)
        return -self.pages * math.expm1(-own / self.pages)

    def miss(self, touches: float) -> float:
        """Return the chance that the next touch of the class reaches a page not yet reached."""
        own = touches * self.share
        if self.law == "each":
            return 1.0 if own < self.pages else 0.0
        return math.exp(-own / self.pages)


def classes_of(
    *,
    pages: float,
    kind: Literal["uniform", "hot-cold", "zipf", "sequential"],
    hot_share: float = 0.1,
    hot_rate: float = 0.9,
    alpha: float = 0.9,
) -> tuple[TouchClass, ...]:
    """Return the classes of an access pattern over a set of pages.

    Parameters
    ----------
    pages
        Size of the set in pages, > 0.
    kind
        The pattern.
    hot_share, hot_rate
        ``hot-cold``: share of the pages that are hot, and of the touches that go to them.
    alpha
        ``zipf``: page of rank i is touched in proportion to ``i**-alpha``; some 20 classes of
        log-spaced ranks stand for it.

    Returns
    -------
    tuple of TouchClass
        Their pages sum to `pages`, their shares to 1.
    """
    if kind == "sequential":
        return (TouchClass(pages, 1.0, "each"),)
    if kind == "hot-cold" and 0 < hot_share < 1:
        return (
            TouchClass(pages * hot_share, hot_rate),
            TouchClass(pages * (1 - hot_share), 1 - hot_rate),
        )
    if kind == "zipf" and alpha > 0 and pages > 1:
        return _zipf(pages, alpha)
    return (TouchClass(pages, 1.0),)


def _zipf(pages: float, alpha: float) -> tuple[TouchClass, ...]:
    count = min(ZIPF_CLASSES, math.ceil(pages))
    edges = [0.0, *(pages ** (i / count) for i in range(1, count + 1))]
    heads = [_power_sum(edge, alpha) for edge in edges]
    total = heads[-1]
    return tuple(
        TouchClass(edges[i + 1] - edges[i], (heads[i + 1] - heads[i]) / total) for i in range(count)
    )


def _power_sum(ranks: float, alpha: float) -> float:
    """Return the sum of i**-alpha over so many ranks: exact at first, then by the integral."""
    whole = min(math.floor(ranks), EXACT_RANKS)
    total = math.fsum(math.pow(i, -alpha) for i in range(1, whole + 1))
    if ranks <= EXACT_RANKS:
        return total + (ranks - whole) * math.pow(whole + 1, -alpha)
    low, high = whole + 0.5, ranks + 0.5
    if abs(alpha - 1) < 1e-9:
        return total + math.log(high / low)
    return total + (math.pow(high, 1 - alpha) - math.pow(low, 1 - alpha)) / (1 - alpha)


@twin
class Pages:
    """Pages touched alike, and what a migration knows about them.

    Attributes
    ----------
    count
        How many there are.
    zero
        Whether they hold only zeros.
    pending
        Of them, to be sent: the bit is set in the migration's bitmap.
    untouched
        Of them, not written since the last sync.
    fresh
        Of those pending, the ones not written since the last sync.
    left
        Of those pending, the ones that a sweep may come to: those that have waited since the log
        was switched on, and all once it has been round. Others it has just left behind.
    idle
        Of them, neither pending nor written since their log was cleared: the next sync passes them
        by.
    absent
        Of them, taken out of the stream by a hint and not written since: the destination never gets
        their contents.
    fetched
        In post-copy, where `pending` are pages that the destination lacks: those that were touched,
        and so came first, since this was last looked at; None before.
    per_chunk
        Whether a page's log is cleared just before it is sent (KVM's manual protect), rather than
        at the sync: a page written and then sent in one round is then not sent again in the next.
    chunk
        Share of all pages whose log is cleared at once, before the first of them is sent: with 1,
        as good as at the sync.
    """

    __slots__ = (
        "absent", "chunk", "count", "fetched", "fresh", "idle", "left", "pending", "per_chunk",
        "untouched", "zero",
    )  # fmt: skip

    def __init__(self, count: float = 0.0, *, zero: bool = False) -> None:
        self.count = count
        self.zero = zero
        self.per_chunk = False
        self.chunk = 0.0
        self.fetched: float | None = None
        self.pending = self.fresh = self.left = self.absent = 0.0
        self.untouched = self.idle = count

    def copy(self) -> Pages:
        """Return others like them."""
        other = Pages(self.count, zero=self.zero)
        other.per_chunk, other.chunk = self.per_chunk, self.chunk
        other.pending, other.fresh, other.left = self.pending, self.fresh, self.left
        other.untouched, other.idle, other.absent = self.untouched, self.idle, self.absent
        other.fetched = self.fetched
        return other

    def start_log(self, *, per_chunk: bool, chunk: float = 0.0) -> None:
        """Begin a migration: every page is to be sent."""
        self.per_chunk = per_chunk
        self.chunk = chunk
        self.pending = self.fresh = self.left = self.untouched = self.count
        self.idle = self.absent = 0.0

    def advance(self, *, touches: float, sent: float = 0.0, law: Law = "random") -> float:
        """Let an interval pass in which pages were written and pages were sent, both evenly.

        Parameters
        ----------
        touches
            Writes to these pages.
        sent
            Pending pages sent, at most `pending`.
        law
            How the writes spread.

        Returns
        -------
        float
            Pages written for the first time since they were write-protected: each is a fault.
        """
        kept = self._kept(touches, law)
        faults, self.idle, self.fresh = self._after(touches, sent, law, kept)
        self.untouched *= kept
        self.absent *= kept
        self.pending -= min(sent, self.pending)
        self.left = max(0.0, self.left - sent)
        return faults

    def faults(self, *, touches: float, sent: float = 0.0, law: Law = "random") -> float:
        """Return the faults that `advance` would: writes to pages that are write-protected."""
        return self._after(touches, sent, law, self._kept(touches, law))[0]

    def _after(
        self, touches: float, sent: float, law: Law, kept: float
    ) -> tuple[float, float, float]:
        """Return the faults, and what is idle and what is fresh after them."""
        sent = min(sent, self.pending)
        share = sent / self.pending if sent > 0 else 0.0
        if not self.per_chunk:
            # Of pages pending and not yet written, a sweep reaches only those `left`.
            reached = 1 - kept
            if law == "each" and self.pending > 0:
                reached *= self.left / self.pending
            fresh = self.fresh * (1 - reached) * (1 - share)
            return self.untouched * (1 - kept), max(0.0, self.untouched * kept - fresh), fresh
        if law == "random":
            # A page stays clean that is not written after it is sent; if its chunk's log was
            # cleared early, that was not written before either.
            after = (kept - 1) / math.log(kept) if 0 < kept < 1 else kept
            clean = (1 - self.chunk) * sent * after + self.chunk * share * self.fresh * kept
            idle = self.idle * kept + clean
            return self.idle + sent - idle, idle, self.fresh * kept * (1 - share)
        late = self.pending - self.fresh
        again = self.chunk * share * late
        if self.count <= 0 or touches <= 0:
            return again, self.idle + sent - again, self.fresh * (1 - share)
        # Until it comes round, a sweep meets idle pages, or some of those `left`.
        first = min(touches, self.untouched)
        pace = sent / touches
        going = min(pace * first, self.left)
        left = self.left - going / 2
        if going < pace * first:
            left *= going / (pace * first)
        idle = self.idle + pace * first
        hits = min(first * max(0.0, 1 - left / self.count), idle)
        met = first * (left - (self.left - going)) / self.count
        late = (1 - share) * late + first * (self.left - going) / self.count
        again += self.chunk * met
        # Come round, it finds idle pages twice as dense as they are on average.
        rest = touches - first
        settled = (1 - self.chunk) * pace * self.count / 2
        found = (idle - hits - settled) * -math.expm1(-2 * rest / self.count) + pace * rest
        faults = min(hits + again + min(max(0.0, found), rest), self.idle + sent)
        return faults, self.idle + sent - faults, max(0.0, self.pending - sent - late)

    def _kept(self, touches: float, law: Law) -> float:
        """Return the share of untouched pages that so many writes leave untouched."""
        if touches <= 0 or self.count <= 0:
            return 1.0
        if law == "random":
            return math.exp(-touches / self.count)
        return max(0.0, 1 - touches / self.untouched) if self.untouched > 0 else 0.0

    def sync(self) -> float:
        """Collect the dirty log; return how many pages were not waiting to be sent already."""
        new = max(0.0, self.count - self.pending - self.idle)
        self.pending = min(self.pending + new, self.count)
        if self.untouched <= 0:
            self.left = self.pending
        self.fresh = self.pending
        self.untouched = self.count
        self.idle = self.count - self.pending
        return new

    def skip(self, pages: float) -> float:
        """Take up to so many pending pages out of the stream; return how many were."""
        taken = min(pages, self.pending)
        if taken > 0:
            share = taken / self.pending
            late = taken - share * self.fresh
            clean = taken - (late * self.chunk if self.per_chunk else late)
            self.idle += clean
            self.absent += clean
            self.fresh -= share * self.fresh
            self.left -= share * self.left
            self.pending -= taken
        return taken

    def move(self, pages: float, to: Pages, *, written: bool = False) -> float:
        """Move up to so many pages to another set, written on the way or not; return how many."""
        pages = min(pages, self.count)
        if pages <= 0:
            return 0.0
        share = pages / self.count
        pending, left = share * self.pending, share * self.left
        fresh, untouched = share * self.fresh, share * self.untouched
        idle, absent = share * self.idle, share * self.absent
        self.count -= pages
        self.pending -= pending
        self.left -= left
        self.fresh -= fresh
        self.untouched -= untouched
        self.idle -= idle
        self.absent -= absent
        to.count += pages
        to.left += left
        if written and to.fetched is not None:
            to.fetched += pending
        else:
            to.pending += pending
        if not written:
            to.fresh += fresh
            to.untouched += untouched
            to.idle += idle
            to.absent += absent
        return pages

    # ------------------------------------------------------------------ post-copy

    def absentees(self, touches: float, law: Law) -> float:
        """Return how many pages that the destination lacks so many touches reach."""
        return self.pending * (1 - self._kept(touches, law))

    def fetch(self, touches: float, law: Law) -> None:
        """Touch pages; those that the destination lacks come first."""
        kept = self._kept(touches, law)
        self.take(self.pending * (1 - kept))
        self.untouched *= kept

    def take(self, pages: float, *, asked: bool = True) -> None:
        """Let pages that the destination lacks arrive, asked for or by themselves."""
        pages = min(pages, self.pending)
        self.pending -= pages
        if asked and self.fetched is not None:
            self.fetched += pages


@twin
def sets_of(counts: tuple[float, ...], zero: tuple[bool, ...] = ()) -> tuple[Pages, ...]:
    """Return sets of so many pages; the first ones may be told to hold only zeros."""
    pairs = zip_longest(counts, zero, fillvalue=False)
    return tuple([Pages(count, zero=flag) for count, flag in pairs])


@twin
def copies_of(sets: tuple[Pages, ...]) -> tuple[Pages, ...]:
    """Return others like them."""
    return tuple([pages.copy() for pages in sets])
