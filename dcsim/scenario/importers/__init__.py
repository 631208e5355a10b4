"""Files that people have at hand -> populations of guests; one module a format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from dcsim import units
from dcsim.errors import Issue, ScenarioError, UnitError, did_you_mean
from dcsim.scenario.importers.population import Population, base_workload, drain_scenario, to_yaml

__all__ = ["KINDS", "Population", "drain_scenario", "import_population", "to_yaml"]

KINDS: Final = {
    "meminfo": "texts of /proc/meminfo, or CSV of many machines or of one over time",
    "bitbrains": "GWA-T-12 traces of one VM a file, CSV or extended",
    "opendc": "tasks.parquet and fragments.parquet of an OpenDC workload",
}
"""The formats and what their files are."""

_MOST_PATHS = 10_000
_MOST_POINTS = 100_000
_OWN: Final = {
    "meminfo": {"memory", "count", "vcpus", "rows"},
    "bitbrains": {"start", "length", "points"},
    "opendc": {"start", "length", "points"},
}


def import_population(
    *,
    kind: str,
    paths: Sequence[str | Path],
    workload: str = "web-server",
    memory: str | None = None,
    count: int | None = None,
    vcpus: int | None = None,
    rows: Literal["quantiles", "first", "last", "all"] | None = None,
    start: str | None = None,
    length: str | None = None,
    points: int | None = None,
) -> Population:
    """Read files of one format as a population of guests.

    Parameters
    ----------
    kind
        One of `KINDS`.
    paths
        The files.
    workload
        Name of the workload that stands for what the files do not tell: what the guests do and,
        for traces, what their memory is made of.
    memory, count, vcpus, rows
        ``meminfo`` only. Size of every guest (``"16GiB"``; unset: its machine's); guests in all,
        dealt out over the machines (one each); vCPUs of each guest (2). Which samples stand for a
        machine over time: ``quantiles`` (five), ``first``, ``last``, ``all``; each of its guests
        draws one.
    start, length, points
        Traces only. Window of time (``"0s"``, ``"1d"``; unset: all) and steps of load in it (288).

    Returns
    -------
    Population
        Groups of guests for a scenario, and notes on what was assumed.

    Raises
    ------
    ScenarioError
        If the format is unknown, an option means nothing for it, or the files cannot be used: all
        their problems at once, with file and line.

    Examples
    --------
    On Linux ``import_population(kind="meminfo", paths=["/proc/meminfo"])`` is this machine.
    """
    if kind not in KINDS:
        close = did_you_mean(kind, KINDS)
        hint = f"did you mean '{close}'?" if close else None
        raise _refusal(f"unknown format {kind[:40]!r}; legal are {', '.join(KINDS)}", hint)
    options: dict[str, Any] = {
        "memory": _quantity("memory", memory, units.parse_size, units.MiB),
        "count": _whole("count", count, 1_000_000),
        "vcpus": _whole("vcpus", vcpus, 1024),
        "rows": rows,
        "start": _quantity("start", start, units.parse_duration, 0),
        "length": _quantity("length", length, units.parse_duration, 1),
        "points": _whole("points", points, _MOST_POINTS),
    }
    given = {key: value for key, value in options.items() if value is not None}
    foreign = sorted(given.keys() - _OWN[kind])
    if foreign:
        raise _refusal(f"{', '.join(foreign)} means nothing for {kind} files")
    if not 0 < len(paths) <= _MOST_PATHS:
        raise _refusal(f"{len(paths)} files; legal is 1 to {_MOST_PATHS:,}")
    files = [Path(path) for path in paths]
    base = base_workload(workload)
    if kind == "meminfo":
        from dcsim.scenario.importers.meminfo import ROWS, import_meminfo

        if given.get("rows", "all") not in ROWS:
            raise _refusal(f"unknown rows {str(rows)[:40]!r}; legal are {', '.join(ROWS)}")
        return import_meminfo(paths=files, base=base, **given)
    if kind == "bitbrains":
        from dcsim.scenario.importers.bitbrains import import_bitbrains

        return import_bitbrains(paths=files, base=base, **given)
    from dcsim.scenario.importers.opendc import import_opendc

    return import_opendc(paths=files, base=base, **given)


def _quantity(name: str, text: str | None, parse: Any, least: float) -> float | None:
    if text is None:
        return None
    try:
        value = float(parse(text))
    except UnitError as error:
        raise _refusal(f"{name}: {error}") from None
    if value < least:
        raise _refusal(f"{name}: {text} is too small")
    return value


def _whole(name: str, value: int | None, most: int) -> int | None:
    if value is not None and not 1 <= value <= most:
        raise _refusal(f"{name}: {value} must be from 1 to {most:,}")
    return value


def _refusal(message: str, hint: str | None = None) -> ScenarioError:
    return ScenarioError([Issue(message=message, hint=hint)])
