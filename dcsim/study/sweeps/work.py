"""What of a study is still to be run: each point as often as is asked, nothing that is recorded.

Points come in an order of their own, spread over the study: what is there early shows all of it,
and the time that is left can be told from the time that was taken.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dcsim.study.designs.asked import Replications
from dcsim.study.designs.design import Design
from dcsim.study.findings.statistics import interval
from dcsim.study.sweeps.chunk import Runs, run_id
from dcsim.study.sweeps.store import Points

REPLICATIONS: Final = 5
"""Where none are asked for and something is random."""
_GROWTH: Final = 1.4
"""Replications at a look over those at the one before, where a metric decides on more."""
_GOLDEN: Final = (math.sqrt(5) - 1) / 2


class Work:
    """The runs of a study that are still to be done.

    Parameters
    ----------
    design
        The study.
    points
        Its points.
    known
        Run -> value of the metric that decides on replications, of every run that is recorded; NaN
        where it failed.
    failed
        Those of them that failed.
    mine
        Share of the points that are meant, as (which, of how many), from 1; points are known by
        their digests, so that shares of several machines never meet.

    Attributes
    ----------
    total, done, failed
        Runs there are as far as one can say, runs that are recorded, and those that failed.
    """

    def __init__(
        self,
        design: Design,
        points: Points,
        *,
        known: Mapping[str, float],
        failed: frozenset[str] | set[str] = frozenset(),
        mine: tuple[int, int] = (1, 1),
    ) -> None:
        self.design = design
        self.points = points
        self.rule: Replications = design.asked.replications
        self._known = known
        self._failed = failed
        self._mine = mine
        self.total = self.done = self.failed = 0
        self._waiting: deque[tuple[int, tuple[int, ...]]] = deque()  # point, replicates
        self._values: dict[int, list[float]] = {}  # of each point whose metric decides
        self._open: dict[int, int] = {}  # runs of each such point that are not back
        self._begin()

    @property
    def left(self) -> int:
        """Runs that are not recorded yet, those under way included."""
        return self.total - self.done

    @property
    def waiting(self) -> int:
        """Runs that nobody has taken."""
        return sum(len(replicates) for _, replicates in self._waiting)

    def points_in_order(self) -> Iterator[int]:
        """Yield the points that are meant, spread over all of them; of alike ones, one."""
        size = len(self.points.digests)
        step = max(1, round(size * _GOLDEN))
        while math.gcd(step, size) > 1:
            step += 1
        which, count = self._mine
        seen: set[str] = set()
        for i in range(size):
            point = i * step % size
            digest = self.points.digests[point]
            if digest in seen or (count > 1 and int(digest[:12], 16) % count != which - 1):
                continue
            seen.add(digest)
            yield point

    def take(self, most: int) -> list[Runs]:
        """Return so many runs that are to be done, or what there is; they are under way then."""
        found: list[Runs] = []
        while self._waiting and most > 0:
            point, replicates = self._waiting.popleft()
            some, rest = replicates[:most], replicates[most:]
            if rest:
                self._waiting.appendleft((point, rest))
            digest = self.points.digests[point]
            found.append(Runs(point, digest, self.design.changes(point), some))
            most -= len(some)
        return found

    def put_back(self, runs: list[Runs]) -> None:
        """Take back runs that were not done."""
        self._waiting.extendleft((each.point, each.replicates) for each in reversed(runs))

    def record(self, point: int, replicate: int, error: str, value: float) -> None:
        """Note what came of a run; its point may want more of them."""
        self.done += 1
        self.failed += bool(error)
        if self.rule.metric and self._is_chancy(point):
            self._values[point].append(math.nan if error else value)
            self._open[point] -= 1
            if self._open[point] == 0:
                self._look(point)

    # ----------------------------------------------------------------- how often

    def _is_chancy(self, point: int) -> bool:
        return self.points.chancy[point]

    def _begin(self) -> None:
        for point in self.points_in_order():
            if self.rule.metric and self._is_chancy(point):
                self._values[point], self._open[point] = [], 0
            self._want(point, range(asked_of(self.rule, chancy=self._is_chancy(point))))

    def _want(self, point: int, replicates: range) -> None:
        """Let runs of a point wait to be done, but for those that are recorded."""
        digest = self.points.digests[point]
        names = [run_id(digest, k) for k in replicates]
        wanted = tuple(
            k for k, name in zip(replicates, names, strict=True) if name not in self._known
        )
        self.total += len(replicates)
        self.done += len(replicates) - len(wanted)
        self.failed += sum(name in self._failed for name in names)
        if wanted:
            self._waiting.append((point, wanted))
        if point in self._values:
            self._values[point] += [self._known[name] for name in names if name in self._known]
            self._open[point] += len(wanted)
            if not wanted:
                self._look(point)

    def _look(self, point: int) -> None:
        """Ask for more replications of a point whose mean is not known well enough."""
        values = self._values[point]
        more = asked_of(self.rule, values, chancy=True)
        if more > len(values):
            self._want(point, range(len(values), more))


def asked_of(rule: Replications, values: Sequence[float] = (), *, chancy: bool) -> int:
    """Return how many replications are asked of a point.

    Parameters
    ----------
    rule
        Of the study.
    values
        The metric that decides in the replications that there are, NaN where one failed.
    chancy
        Whether anything is random at that point.
    """
    if not chancy:
        return 1
    if not rule.metric:
        return rule.count or REPLICATIONS
    count = rule.least
    while count <= len(values) and count < rule.most:
        looked_at = values[:count]
        if any(map(math.isnan, looked_at)) or is_known(looked_at, rule.within):
            break
        count = min(rule.most, math.ceil(count * _GROWTH))
    return count


def is_known(values: Sequence[float], within: float) -> bool:
    """Whether the mean of independent values is known to a share of itself, with 95 % confidence.

    Examples
    --------
    >>> is_known([9.0, 10.0, 11.0], 0.3), is_known([9.0, 10.0, 11.0], 0.2)
    (True, False)
    """
    found = interval(values)
    return found.high - found.mean <= within * abs(found.mean)
