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


def no_host(path: DataPath, pattern: str, hosts: Sequence[str]) -> Problem:
    """Return what is wrong with a pattern that no host matches."""
    rack, slash, host = pattern.rpartition("/")
    racks = racks_of(hosts)
    if not slash:
        hint = guess(host, racks, "{}/*") or guess(host, hosts)
    elif rack in racks:
        hint = guess(host, [name.rpartition("/")[2] for name in hosts], rack + "/{}")
    else:
        hint = guess(rack, racks, "{}/" + host)
    return Problem(path, f"no host matches {pattern!r}; hosts are {some(hosts)}", hint)


def racks_of(hosts: Sequence[str]) -> list[str]:
    """Return the racks of hosts, in order."""
    return list(dict.fromkeys(name.rpartition("/")[0] for name in hosts))
