"""What is wrong with a scenario, and where; words that its problems have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

from dcsim.errors import did_you_mean
from dcsim.scenario.document import DataPath
from dcsim.units import format_count

_MOST_GUESSES: Final = 1000  # names to compare a misspelt one with: the search is slow


class Problem(NamedTuple):
    """What is wrong with a scenario, and where in its data."""

    path: DataPath
    message: str
    hint: str | None = None


def guess(word: str, candidates: Iterable[str], shape: str = "{}") -> str | None:
    """Return what was perhaps meant, as a question."""
    close = did_you_mean(word, islice(candidates, _MOST_GUESSES))
    return f"did you mean {shape.format(close)!r}?" if close else None


def some(names: Sequence[str]) -> str:
    """List names; of many, some."""
    return ", ".join(names if len(names) <= 6 else [*names[:3], "...", names[-1]])


def so_many(hosts: Collection[str]) -> str:
    """Say how many hosts, or which one."""
    return f"host {next(iter(hosts))}" if len(hosts) == 1 else f"{format_count(len(hosts))} hosts"
