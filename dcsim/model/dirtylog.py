"""The dirty log of many sets of pages at once. Pages are counts, as floats; no clock.

These are the loops that every round of a migration goes through; what happens to one set is the
matter of `dcsim.model.touch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcsim.kernel import twin

if TYPE_CHECKING:
    from dcsim.model.memory import WriteClass, WriteSet
    from dcsim.model.touch import Pages

Sets = tuple["Pages", ...]


@twin
def start_log(sets: Sets, per_chunk: bool, chunk: float) -> None:
    """Begin a migration: every page of every set is to be sent."""
    for pages in sets:
        pages.start_log(per_chunk=per_chunk, chunk=chunk)


@twin
def pending_of(sets: Sets) -> float:
    """Return the pages to be sent."""
    total = 0.0
    for pages in sets:
        total += pages.pending
    return total


@twin
def pending_by_kind(sets: Sets, by_balloon: Pages) -> tuple[float, float, float]:
    """Return the pages to be sent with contents, that are zero, and of a set that is told apart."""
    normal = zero = ballooned = 0.0
    for pages in sets:
        if pages is by_balloon:
            ballooned = pages.pending
        elif pages.zero:
            zero += pages.pending
        else:
            normal += pages.pending
    return normal, zero, ballooned


@twin
def advance_log(
    writers: tuple[WriteSet, ...],
    writes: list[float],
    here: Sets,
    share: float,
    cache: Pages,
    recycled: float,
) -> list[float]:
    """Let an interval pass in which pages were written and pending pages were sent.

    Parameters
    ----------
    writers, writes
        Sets of pages that are written, and the touches of each.
    here, share
        Sets that are sent from, and the share of what is pending of each that is sent.
    cache, recycled
        The clean cache, and how many of its frames were filled anew.

    Returns
    -------
    list of float
        For each write set, the writes that hit a write-protected page.
    """
    faults = []
    written = set()
    for writer, touches in zip(writers, writes, strict=True):
        found = 0.0
        for touch, frames in writer.classes:
            going = share * frames.pending if share > 0 and frames in here else 0.0
            found += frames.advance(touches=touches * touch.share, sent=going, law=touch.law)
            written.add(frames)
        faults.append(found)
    for pages in here if share > 0 else ():
        if pages.pending > 0 and pages not in written and pages is not cache:
            pages.advance(touches=0.0, sent=share * pages.pending, law="each")
    if cache.count > 0:
        going = share * cache.pending if share > 0 and cache in here else 0.0
        cache.advance(touches=recycled, sent=going, law="each")
    return faults


@twin
def log_faults(classes: tuple[WriteClass, ...], touches: float, here: Sets, share: float) -> float:
    """Return how many write-protected pages so many touches of a write set would hit."""
    total = 0.0
    for touch, frames in classes:
        going = share * frames.pending if frames in here else 0.0
        total += frames.faults(touches=touches * touch.share, sent=going, law=touch.law)
    return total


@twin
def sync_log(sets: Sets) -> float:
    """Collect the dirty log; return the pages newly to be sent."""
    total = 0.0
    for pages in sets:
        if pages.count > 0:
            total += pages.sync()
    return total
