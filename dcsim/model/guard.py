"""Pages that are write-protected when the dirty log is switched on, though it is cleared by chunks.

Only the sets of pages that are written matter. A guarded page has been neither written nor sent
since: the first write to it is a fault, and sending it clears its log, which protects it too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dcsim.model.touch import Law, Pages


class Guard:
    """How many pages of each set are guarded.

    Parameters
    ----------
    sets
        Pages that are written, all of which are protected now.
    """

    def __init__(self, sets: Iterable[Pages]) -> None:
        self._guarded = {pages: pages.count for pages in sets}

    def advance(self, pages: Pages, *, touches: float, sent: float, law: Law) -> float:
        """Let an interval pass, before the set's own log does; return the faults."""
        faults, self._guarded[pages] = self._after(pages, touches, sent, law)
        return faults

    def faults(self, pages: Pages, *, touches: float, sent: float, law: Law) -> float:
        """Return the faults that `advance` would."""
        return self._after(pages, touches, sent, law)[0]

    def _after(self, pages: Pages, touches: float, sent: float, law: Law) -> tuple[float, float]:
        """Return the guarded pages that are written, and those that are left."""
        guarded = min(self._guarded[pages], pages.pending)
        if guarded <= 0:
            return 0.0, 0.0
        going = min(1.0, sent / pages.pending) * guarded
        staying = guarded - going
        if law == "random":
            kept = math.exp(-touches / pages.count)
            until_sent = (1 - kept) * pages.count / touches if touches > 0 else 1.0
            return staying * (1 - kept) + going * (1 - until_sent), staying * kept
        # The next pages of a sweep are untouched ones; it meets half of those sent meanwhile first.
        met = min(touches, pages.untouched) / pages.untouched if pages.untouched > 0 else 0.0
        return met * (staying + going / 2), staying * (1 - met)
