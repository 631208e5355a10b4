"""Who reads which files, and what of them the page cache remembers. Pages; pure.

The cache is least-recently-used. A reader's *remembered* touches say what is resident: pages of a
class that were among them. Reading adds to them while frames last; when none is left, all readers
forget in the same proportion until what is resident fits. That is Che's approximation, with the
characteristic time as state: touches remembered = rate * time, residency = n * (1 -
exp(-touches/n)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from dcsim.kernel import twin
from dcsim.model.touch import TouchClass

NEWTON_STEPS = 100
"""More than any cache needs: a dozen or so are usual."""
STRAYED = 0.1
"""Share of what a stretch of reads would fill by which the frames for it may change."""
ROUNDING = 1e-9
"""The same of the reads."""


@twin
@dataclass(slots=True, eq=False)
class ReadSet:
    """A set of file pages that one activity reads, and how much of it the cache remembers."""

    classes: tuple[TouchClass, ...]
    read_ahead: int = 1
    remembered: float = 0.0
    _last: tuple[float, float] = field(default=(0.0, 0.0), init=False, repr=False, compare=False)

    def resident(self, touches: float | None = None) -> float:
        """Return the pages resident when so many touches are remembered."""
        touches = self.remembered if touches is None else touches
        at, total = self._last
        if touches == at:  # as what was read up to is what is read on from
            return total
        total = 0.0
        for part in self.classes:  # what runs look at most often: no calls in it
            own = touches * part.share
            if part.law == "each":
                total += own if own < part.pages else part.pages
            else:
                total -= part.pages * math.expm1(-own / part.pages)
        self._last = touches, total
        return total

    def miss(self, touches: float | None = None) -> float:
        """Return the chance that the next read misses."""
        touches = self.remembered if touches is None else touches
        total = 0.0
        for part in self.classes:
            own = touches * part.share
            if part.law == "random":
                total += part.share * math.exp(-own / part.pages)
            elif own < part.pages:
                total += part.share
        return total

    def curve(self, touches: float) -> tuple[float, float]:
        """Return the pages resident when so many touches are remembered, and their rise a touch."""
        resident = rise = 0.0
        for part in self.classes:
            own = touches * part.share
            if part.law == "each":
                resident += min(own, part.pages)
                rise += part.share if own < part.pages else 0.0
            else:
                gone = math.expm1(-own / part.pages)
                resident -= part.pages * gone
                rise += part.share * (1 + gone)
        return resident, rise

    def steady_for(self, rate: float, miss: float, tolerance: float) -> float:
        """Return for how many seconds of reads the chance of a miss stays within the tolerance."""
        wait = math.inf
        falling = 0.0
        for part in self.classes:
            if part.law == "each":
                gap = part.pages - self.remembered * part.share
                wait = min(wait, gap / (rate * part.share) if gap > 0 else math.inf)
            else:
                falling += part.share * part.share / part.pages * part.miss(self.remembered)
        if falling > 0:
            wait = min(wait, tolerance * miss / (falling * rate))
        return wait

    @property
    def sequential(self) -> bool:
        """Whether it is a sweep, whose read-ahead brings only pages that are read next."""
        return self.classes[0].law == "each"


def resident_of(readers: Sequence[ReadSet]) -> float:
    """Return the pages resident of all of them."""
    total = 0.0
    for reader in readers:
        total += reader.resident()
    return total


def proportional(readers: Sequence[ReadSet], touches: Sequence[float]) -> bool:
    """Whether these touches are to one another as those that are remembered are."""
    if len(readers) < 2:
        return True
    remembered = made = 0.0
    for reader, count in zip(readers, touches, strict=True):
        remembered += reader.remembered
        made += count
    if remembered <= 0 or made <= 0:
        return False
    return all(
        abs(reader.remembered / remembered - count / made) < 1e-9
        for reader, count in zip(readers, touches, strict=True)
    )


def forget(readers: Sequence[ReadSet], pages: float) -> None:
    """Let these readers forget in the same proportion until what is resident fits these pages."""
    touches = [reader.remembered for reader in readers]
    share = 0.0
    if pages > 0:
        # Of a concave curve, the tangent at 1 reaches `pages` before the curve does.
        whole = slope = total = 0.0
        for reader, count in zip(readers, touches, strict=True):
            resident, rise = reader.curve(count)
            whole += resident
            slope += rise * count
            total += count
        start = max(1 - (whole - pages) / slope if slope > 0 else 0.0, pages / total)
        share = reach(readers, [0.0] * len(readers), touches, target=pages, start=start)
    for reader, touched in zip(readers, touches, strict=True):
        reader.remembered = share * touched


def forget_swept_first(readers: Sequence[ReadSet], pages: float) -> None:
    """Let them forget as `forget` does, but sweeps all they know before others anything."""
    kept = [reader for reader in readers if not reader.sequential]
    room = pages - resident_of(kept)
    forget([reader for reader in readers if reader.sequential], max(0.0, room))
    if room < 0:
        forget(kept, pages)


def misses_of(
    readers: Sequence[ReadSet], touches: Sequence[float], room: float, tight: bool
) -> tuple[float, list[float]]:
    """Return the share of these touches that has room, and the misses of each reader.

    Parameters
    ----------
    readers, touches
        Who reads, and how often.
    room
        Pages that may become resident.
    tight
        Whether that is next to none.
    """
    remembered = [reader.remembered for reader in readers]

    def after(share: float) -> list[float]:
        pairs = zip(readers, touches, strict=True)
        return [reader.resident(reader.remembered + share * count) for reader, count in pairs]

    def total(parts: list[float]) -> float:
        whole = 0.0
        for part in parts:
            whole += part
        return whole

    before, share = after(0.0), 1.0
    resident = before
    if tight and proportional(readers, touches):
        share = 0.0
    else:
        resident = after(1.0)
        start = total(before)
        if total(resident) - start > room:
            share = 0.0
            if not tight:
                share = reach(readers, remembered, touches, target=start + room, start=0.0)
            resident = after(share)
    misses = [max(0.0, end - begin) for begin, end in zip(before, resident, strict=True)]
    if share < 1.0:
        for i, (reader, count) in enumerate(zip(readers, touches, strict=True)):
            # beyond what has room, every miss is one of a cache that stays as full
            rest = (1 - share) * count
            misses[i] += rest * reader.miss(reader.remembered + share * count)
    return share, misses


class Stretch:
    """Reads from now on that are paced alike, by the chance of a miss in all of them.

    So the time they take is right in the end, and a stretch may be long.

    Parameters
    ----------
    readers, reads
        Who reads, and how often.
    room
        Pages that may become resident.
    tight
        Whether that is next to none.

    Attributes
    ----------
    misses
        The chance of a miss of each reader.
    """

    __slots__ = (
        "_done", "_ends_with", "_reads", "_room", "_start", "_starts_with", "misses", "readers",
    )  # fmt: skip

    def __init__(
        self, readers: Sequence[ReadSet], reads: Sequence[float], room: float, *, tight: bool
    ) -> None:
        self.readers = readers
        self._reads = reads
        self._done = [0.0] * len(reads)
        self._start = [reader.remembered for reader in readers]
        self._room = room
        _, missed = misses_of(readers, reads, room, tight)
        self.misses = [
            misses / count if count > 0 else reader.miss()
            for reader, misses, count in zip(readers, missed, reads, strict=True)
        ]
        self._starts_with = self._ends_with = 0.0
        for reader, count in zip(readers, reads, strict=True):
            self._ends_with += reader.resident(reader.remembered + count)
            self._starts_with += reader.resident()

    def note(self, touches: Sequence[float]) -> None:
        """Note that so many of the reads of each set were done."""
        self._done = [done + more for done, more in zip(self._done, touches, strict=True)]

    def left(self) -> list[float]:
        """Return how many reads of each set are still to come."""
        return [reads - done for reads, done in zip(self._reads, self._done, strict=True)]

    @property
    def is_through(self) -> bool:
        """Whether all reads of some set have been done."""
        for start, done, reads in zip(self._start, self._done, self._reads, strict=True):
            if done >= reads - ROUNDING * (start + reads):
                return True
        return False

    def goes_on(self, room: float) -> bool:
        """Whether there are reads to come, and nothing but such reads has happened."""
        if self.is_through:
            return False
        each = zip(self.readers, self._start, self._done, self._reads, strict=True)
        for reader, start, done, reads in each:
            slack = ROUNDING * (start + reads)
            if not start - slack <= reader.remembered <= start + done + slack:
                return False
        resident = resident_of(self.readers)
        rest = self._ends_with - resident
        expected = self._room - (resident - self._starts_with)
        strayed = abs(min(room, rest) - min(expected, rest))
        return strayed <= STRAYED * (self._ends_with - self._starts_with)


def reach(
    readers: Sequence[ReadSet],
    remembered: Sequence[float],
    touches: Sequence[float],
    *,
    target: float,
    start: float,
) -> float:
    """Return the share of the touches at which so many pages are resident, from below.

    What is resident is concave in the share, so Newton's method never passes the target.
    """
    share = start
    for _ in range(NEWTON_STEPS):
        value = slope = 0.0
        for reader, base, count in zip(readers, remembered, touches, strict=True):
            resident, rise = reader.curve(base + share * count)
            value += resident
            slope += rise * count
        gap = target - value
        if gap <= 1e-12 * target or slope <= 0:
            break
        share += gap / slope
    return share
