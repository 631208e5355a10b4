"""How far a study is, for whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class SweepProgress(NamedTuple):
    """How far a study is.

    Attributes
    ----------
    stage
        ``points`` while scenarios are made, then ``runs``.
    total, done, failed
        Runs (or points) there are, as far as one can say; that are recorded, those of former times
        among them; of these, that failed.
    runs_per_s
        Since it began to run; NaN before the first.
    left_s
        Seconds that are left at that rate; NaN where nothing tells.
    """

    stage: str
    total: int
    done: int
    failed: int
    runs_per_s: float
    left_s: float

    @property
    def left(self) -> int:
        """Runs that are not recorded yet."""
        return self.total - self.done


Watch = Callable[[SweepProgress], None]
"""What is told of it."""
