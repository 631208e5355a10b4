"""The cache of pages as they were last sent, from which deltas are made (XBZRLE). Pages.

QEMU's cache has one slot for each page's address. It takes in pages that are sent again, from the
second round on; in its slot a page gives way to another if it was not sent in the round before, nor
in this one yet [C.8].
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dcsim.model.memory import Memory
    from dcsim.model.touch import Pages


class DeltaCache:
    """Which pages are found in the cache.

    Only pages that are written in place have deltas worth sending: a frame that is filled anew has
    nothing in common with what it held.

    Parameters
    ----------
    memory
        The guest's.
    slots
        Pages that the cache holds.
    """

    def __init__(self, memory: Memory, slots: float) -> None:
        self._written = {part.frames for writer in memory.writers for part in writer.classes}
        self._slots = slots
        self._again: dict[Pages, float] = {}  # distinct pages of a set that were sent again
        self._found: dict[Pages, float] = {}  # share of a set's pages sent now that were before
        self._held = 0.0

    def begin_round(self) -> None:
        """Begin to send pages again: what the cache holds now is what this round finds in it."""
        self._found = {
            pages: min(1.0, again / pages.count)
            for pages, again in self._again.items()
            if pages.count > 0
        }
        again = sum(self._again.values())
        sent = sum(found * pages.pending for pages, found in self._found.items())
        self._held = held(again / self._slots, min(1.0, sent / again)) if sent > 0 else 0.0

    def hits(self, region: Sequence[Pages]) -> float:
        """Return the pages to be sent of a region whose earlier contents are in the cache."""
        return self._held * sum(
            self._found.get(pages, 0.0) * pages.pending
            for pages in region
            if pages in self._written
        )

    def sent(self, share: float, region: Sequence[Pages]) -> None:
        """Note that a share of what is pending of a region has been sent."""
        for pages in region:
            if pages.pending > 0 and not pages.zero:
                new = share * pages.pending * (1 - self._found.get(pages, 0.0))
                self._again[pages] = min(pages.count, self._again.get(pages, 0.0) + new)


def held(rivals: float, sent: float) -> float:
    """Return the chance that a page that is sent again is found in its slot.

    Each round, a page of a slot is sent with chance *q*. The page in a slot is fresh if it was sent
    in the last round, and is replaced only when it is not. With *m* rivals for a slot, some page of
    it is sent with chance ``a = 1 - (1 - q)**m``, which leaves a fresh one behind; so in the long
    run a slot is fresh with chance ``f = a / (1 - q + a)``. A fresh page is found if it is sent, a
    stale one if it is sent before the others.

    Parameters
    ----------
    rivals
        Pages for each slot.
    sent
        Share of them sent in a round.

    Examples
    --------
    >>> held(0.5, 0.7), held(4.0, 1.0)
    (1.0, 0.25)
    """
    if rivals <= 1:
        return 1.0
    some = 1 - math.pow(1 - sent, rivals)
    fresh = some / (1 - sent + some)
    return (fresh + (1 - fresh) * some / (rivals * sent)) / rivals
