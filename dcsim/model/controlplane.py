"""The management plane: how long it takes for what is its own. Seconds."""

from __future__ import annotations

import math


class ControlPlane:
    """How slow it is now: by factors that multiply, and by delays that add up."""

    __slots__ = ("_slow",)

    def __init__(self) -> None:
        self._slow: list[tuple[float, float]] = []

    def slow_down(self, factor: float, delay_s: float) -> None:
        """Let it take so many times as long and so much longer, until `recover` takes that back."""
        self._slow.append((factor, delay_s))

    def recover(self, factor: float, delay_s: float) -> None:
        """Take back what `slow_down` did once."""
        self._slow.remove((factor, delay_s))

    def takes_s(self, usual_s: float) -> float:
        """Return how long it takes now for what usually takes so long."""
        if not self._slow:
            return usual_s
        factor = math.prod(factor for factor, _ in self._slow)
        return usual_s * factor + math.fsum(delay_s for _, delay_s in self._slow)
