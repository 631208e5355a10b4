"""Step functions of time, thinned as they are written down: values that hardly differ are joined.

What is joined is told by its mean over time, so that its integral, the bytes that a link carried or
the work that a guest lost, stays what it was.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

JOINED: Final = 0.01
"""Values are joined while the highest and the lowest differ by less than this share."""
_GAP_S: Final = 1e-9  # stretches so far apart follow each other: what is between is rounding

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class _Stretch:
    """A time during which a value stayed about the same."""

    from_s: float
    to_s: float
    low: float
    high: float
    integral: float

    @property
    def mean(self) -> float:
        """The mean over time; a value that did not change at all is told bit for bit."""
        elapsed = self.to_s - self.from_s
        mean = self.integral / elapsed if elapsed > 0 else self.low
        return min(max(mean, self.low), self.high)


class Steps(Generic[Key]):
    """Step functions of time, one for each key.

    Each value is off by less than `JOINED` of itself; its integral over each stretch that is told
    is off by nothing but rounding. 0 is joined with nothing else.
    """

    def __init__(self) -> None:
        self._now: dict[Key, tuple[float, float]] = {}
        self._open: dict[Key, _Stretch] = {}
        self._keys: list[Key] = []
        self._from, self._to, self._mean = array("d"), array("d"), array("d")

    def turn(self, key: Key, time_s: float, value: float) -> None:
        """Let the value be this from now on; of several at one instant the last counts."""
        since_s, before = self._now.get(key, (time_s, value))
        if since_s < time_s:
            self.hold(key, since_s, time_s, before)
        self._now[key] = time_s, value

    def hold(self, key: Key, from_s: float, to_s: float, value: float) -> None:
        """Let the value have been this between two times, of which the first is never earlier."""
        stretch = self._open.get(key)
        if stretch is not None and from_s - stretch.to_s <= _GAP_S:
            low, high = min(stretch.low, value), max(stretch.high, value)
            if low == high or high - low < JOINED * high:
                stretch.low, stretch.high, stretch.to_s = low, high, to_s
                stretch.integral += value * (to_s - from_s)
                return
        if stretch is not None:
            self._close(key, stretch)
        self._open[key] = _Stretch(from_s, to_s, value, value, value * (to_s - from_s))

    def finish(self, end_s: float) -> Iterator[tuple[Key, float, float, float]]:
        """Let all end, and yield (key, from, to, mean value) in the order in which they began."""
        for key, (since_s, value) in self._now.items():
            self.hold(key, since_s, end_s, value)
        for key, stretch in self._open.items():
            self._close(key, stretch)
        for i in sorted(range(len(self._keys)), key=self._from.__getitem__):
            yield self._keys[i], self._from[i], self._to[i], self._mean[i]

    def _close(self, key: Key, stretch: _Stretch) -> None:
        self._keys.append(key)
        self._from.append(stretch.from_s)
        self._to.append(stretch.to_s)
        self._mean.append(stretch.mean)
