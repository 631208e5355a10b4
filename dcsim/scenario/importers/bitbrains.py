"""Bitbrains GWA-T-12 traces -> guests with a size and a load, from their CSV or extended format.

The CSV has one VM a file: Unix seconds (whatever its heading says), MHz, KB. The extended format
has no header, fields apart by spaces: 0 time in s, 1 CPU usage in MHz, 12 cores, 19 id, 20 memory
in MB; this is how OpenDC reads it [E.4].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario.importers.population import (
    MOST_GUESTS,
    Base,
    Population,
    Problems,
    number,
    read_lines,
)
from dcsim.scenario.importers.traces import Trace, trace_population
from dcsim.units import MiB

_COLUMNS: Final = {
    "time": "timestamp",
    "vcpus": "cpu cores",
    "usage": "cpu usage [mhz]",
    "memory": "memory capacity provisioned [kb]",
}
_EXTENDED: Final = {"time": 0, "usage": 1, "vcpus": 12, "id": 19, "memory": 20}
_EXTENDED_FIELDS: Final = 21
_MILLISECONDS: Final = 1e11  # as Unix seconds the year 5138: it must be milliseconds
_MOST_VCPUS: Final = 1024
_GAP: Final = 1.5  # a step so many times the usual one has samples missing


@dataclass(slots=True)
class _Vm:
    """Samples of one VM as they stand in a file."""

    where: Path
    rows: list[tuple[float, float]] = field(default_factory=list)
    vcpus: float = 0.0
    memory: float = 0.0

    def add(self, values: dict[str, float], line: int, problems: Problems) -> None:
        """Take one sample; its sizes are those of the last one."""
        time, vcpus = values["time"], values["vcpus"]
        if not 1 <= vcpus <= _MOST_VCPUS or vcpus != int(vcpus):
            problems.add(self.where, f"{vcpus:g} CPU cores; legal is 1 to {_MOST_VCPUS}", line)
        elif values["memory"] < MiB:
            problems.add(self.where, "less than 1 MiB of memory", line)
        else:
            self.vcpus, self.memory = vcpus, values["memory"]
            self.rows.append((time / 1000 if time > _MILLISECONDS else time, values["usage"]))


def import_bitbrains(
    *,
    paths: Sequence[Path],
    base: Base,
    start: float = 0.0,
    length: float | None = None,
    points: int = 288,
) -> Population:
    """Return one guest a VM: its memory and cores, its CPU use as load.

    Parameters
    ----------
    paths
        CSV files with a header (``;`` and a tab between cells), or files of the extended format.
    base
        Workload that memory and activities come from.
    start, length
        Window in seconds from the earliest sample of all files; no length: all of it.
    points
        Steps of a guest's load at most.

    Raises
    ------
    ScenarioError
        If a file cannot be read or has nothing to use: all problems at once.
    """
    problems = Problems()
    vms: dict[str, _Vm] = {}
    for path in paths:
        lines = read_lines(path)
        head = lines[0].casefold() if lines else ""
        found = len(vms), len(problems.issues)
        if "timestamp" in head:
            _read_csv(path, lines, vms, problems)
        else:
            _read_extended(path, lines, vms, problems)
        if (len(vms), len(problems.issues)) == found:
            problems.add(path, "holds no sample")
    problems.check()
    if len(vms) > MOST_GUESTS:
        message = f"{len(vms):,} VMs are more than {MOST_GUESTS:,}"
        raise ScenarioError([Issue(message=message)])
    notes = [
        "memory is what was provisioned; 'memory usage' is what was active, not what was resident: "
        "not used",
        "disk and network throughput are not used: they tell neither pages dirtied nor re-read",
    ]
    traces, gaps, doubles = [], 0, 0
    for name, vm in vms.items():
        # Of samples at one time the last counts.
        samples = dict(sorted(vm.rows, key=lambda row: row[0]))
        doubles += len(vm.rows) - len(samples)
        times = list(samples)
        steps = [b - a for a, b in pairwise(times)]
        usual = median(steps) if steps else 300.0
        gaps += sum(step > _GAP * usual for step in steps)
        traces.append(
            Trace(
                name=name,
                vcpus=int(vm.vcpus),
                memory=vm.memory,
                times=times,
                usage=list(samples.values()),
                end=times[-1] + usual,
            )
        )
    if gaps:
        notes.append(f"places where samples are missing: {gaps}; the value before holds")
    if doubles:
        notes.append(f"samples with the time of another: {doubles}; the last one counts")
    return trace_population(traces, base, notes, start=start, length=length, points=points)


def _read_csv(path: Path, lines: list[str], vms: dict[str, _Vm], problems: Problems) -> None:
    header = [cell.strip(' \t"').casefold() for cell in lines[0].split(";")]
    places = {}
    for key, name in _COLUMNS.items():
        place = next((i for i, cell in enumerate(header) if cell.startswith(name)), None)
        if place is None:
            problems.add(path, f"has no column '{name}'", 1)
        else:
            places[key] = place
    if len(places) < len(_COLUMNS):
        return
    vm = _Vm(path)
    for i, line in enumerate(lines[1:], start=2):
        cells = [cell.strip(' \t"') for cell in line.split(";")]
        if cells == [""]:
            continue
        values = _values(path, i, cells, places, problems)
        if values:
            vm.add(values | {"memory": values["memory"] * 1024}, i, problems)
    if vm.rows:
        vms[_unique(path.stem, vms)] = vm


def _read_extended(path: Path, lines: list[str], vms: dict[str, _Vm], problems: Problems) -> None:
    own: dict[str, _Vm] = {}
    places = {key: place for key, place in _EXTENDED.items() if key != "id"}
    for i, line in enumerate(lines, start=1):
        cells = line.split()
        if not cells or line.startswith("#"):
            continue
        if len(cells) != _EXTENDED_FIELDS:
            message = f"has {len(cells)} fields; the extended format has {_EXTENDED_FIELDS}"
            problems.add(path, message, i)
            continue
        values = _values(path, i, cells, places, problems)
        if values:
            vm = own.setdefault(cells[_EXTENDED["id"]], _Vm(path))
            vm.add(values | {"memory": values["memory"] * MiB}, i, problems)
    vms.update({_unique(name, vms): vm for name, vm in own.items() if vm.rows})


def _values(
    path: Path, line: int, cells: list[str], places: dict[str, int], problems: Problems
) -> dict[str, float] | None:
    """Return the numbers that are wanted of a line; None, and a problem, if one is none."""
    values = {}
    for key, place in places.items():
        text = cells[place] if place < len(cells) else ""
        value = number(text)
        if value is None:
            problems.add(path, f"{key}: '{text[:40]}' is no number >= 0", line)
            return None
        values[key] = value
    return values


def _unique(name: str, vms: dict[str, _Vm]) -> str:
    unique, again = name, 2
    while unique in vms:
        unique, again = f"{name}-{again}", again + 1
    return unique
