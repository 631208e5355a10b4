"""One axis of a study, and how many points several of them make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dcsim.study.designs.asked import How
from dcsim.study.designs.factors import Value

if TYPE_CHECKING:
    from dcsim.study.designs.sampling import Span

MOST_POINTS: Final = 1_000_000
"""Points of a study."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One axis: paths that are varied together, over some choices or the whole of a span.

    Parameters
    ----------
    paths
        One, or several that go together.
    choices
        Values as `Scenario.replace` takes them, one a path; empty where there is a span.
    shown
        What a frame has for each of them.
    span
        What a sampled design draws from.
    """

    paths: tuple[str, ...]
    choices: tuple[tuple[Any, ...], ...] = ()
    shown: tuple[tuple[Value, ...], ...] = ()
    span: Span | None = None

    def at(self, coordinate: float) -> tuple[tuple[Any, ...], tuple[Value, ...]]:
        """Return values, and what a frame has for them, at a coordinate from 0 to 1."""
        if self.span is not None:
            value = self.span.at(coordinate)
            return (value,), (value,)
        from dcsim.study.designs.sampling import pick

        i = pick(coordinate, range(len(self.choices)))
        assert isinstance(i, int)
        return self.choices[i], self.shown[i]


def size_of(how: How, dimensions: Sequence[Dimension]) -> int:
    """Return how many points there are of some axes."""
    if how.size is not None:
        each = {"morris": 1 + len(dimensions), "saltelli": 2 + len(dimensions)}
        crossed = math.prod(len(one.choices) for one in crossed_of(how, dimensions))
        return how.size * each.get(how.kind, crossed)
    sizes = [len(each.choices) for each in dimensions]
    if how.kind == "one-at-a-time":
        return 1 + sum(size - 1 for size in sizes)
    return math.prod(sizes)


def crossed_of(how: How, dimensions: Sequence[Dimension]) -> tuple[Dimension, ...]:
    """Return the axes of which every value meets every point that is sampled."""
    return tuple(each for each in dimensions if not set(each.paths).isdisjoint(how.cross))
