"""Step functions of time, thinned as they are written down: values that hardly differ are joined.

What is joined is told by its mean over time, so that its integral, the bytes that a link carried or
the work that a guest lost, stays what it was.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

JOINED: Final = 0.01
"""Values are joined while the highest and the lowest differ by less than this share."""
_GAP_S: Final = 1e-9  # stretches so far apart follow each other: what is between is rounding

Key = TypeVar("Key", bound=Hashable)


_Stretch = tuple[float, float, float, float, float]
"""A time during which a value stayed about the same: from, to, lowest, highest, integral."""


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
        now = self._now.get(key)
        if now is not None and now[0] < time_s:
            self.hold(key, now[0], time_s, now[1])
        self._now[key] = time_s, value

    def hold(self, key: Key, from_s: float, to_s: float, value: float) -> None:
        """Let the value have been this between two times, of which the first is never earlier."""
        integral = value * (to_s - from_s)
        stretch = self._open.get(key)
        if stretch is not None:
            began_s, ended_s, low, high, before = stretch
            low, high = value if value < low else low, value if value > high else high
            joined = low == high or high - low < JOINED * high
            if joined and from_s - ended_s <= _GAP_S:
                self._open[key] = began_s, to_s, low, high, before + integral
                return
            self._close(key, stretch)
        self._open[key] = from_s, to_s, value, value, integral

    def finish(self, end_s: float) -> Iterator[tuple[Key, float, float, float]]:
        """Let all end; return (key, from, to, mean value) of each, in the order they began in."""
        for key, (since_s, value) in self._now.items():
            self.hold(key, since_s, end_s, value)
        for key, stretch in self._open.items():
            self._close(key, stretch)
        order = sorted(range(len(self._keys)), key=self._from.__getitem__)
        return zip(
            map(self._keys.__getitem__, order),
            map(self._from.__getitem__, order),
            map(self._to.__getitem__, order),
            map(self._mean.__getitem__, order),
            strict=True,
        )

    def _close(self, key: Key, stretch: _Stretch) -> None:
        from_s, to_s, low, high, integral = stretch
        self._keys.append(key)
        self._from.append(from_s)
        self._to.append(to_s)
        # A value that did not change at all is told bit for bit.
        changed = low < high and from_s < to_s
        self._mean.append(min(max(integral / (to_s - from_s), low), high) if changed else low)
