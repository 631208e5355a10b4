"""/proc/meminfo -> what guests' memory is made of: texts, CSV of machines or of one over time.

Shares are of MemTotal. What meminfo does not tell (how much of the free memory is zero, what the
guest does) comes from a workload, and is noted.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario.importers.population import (
    MOST_GUESTS,
    Base,
    Population,
    Problems,
    fitted,
    number,
    read_lines,
    safe_name,
    size_text,
    whole_memory,
)
from dcsim.units import MiB

Rows = Literal["quantiles", "first", "last", "all"]
ROWS: Final = ("quantiles", "first", "last", "all")
_QUANTILES: Final = (0.5, 0.1, 0.3, 0.7, 0.9)  # the median first: it is the group's own make-up
_MOST_SAMPLES: Final = 1000
_LINE = re.compile(r"([A-Za-z0-9_()]+):\s*([0-9]{1,18})(?: kB)?\s*")
# Where one of these is missing it counts as 0: old kernels have no Shmem, some systems no Buffers.
_OPTIONAL: Final = ("Buffers", "Shmem", "MemAvailable")
_KERNEL: Final = ("Slab", "KernelStack", "PageTables")


@dataclass(frozen=True, slots=True)
class _Machine:
    """One machine: one sample of its meminfo in kB, or several over time."""

    name: str
    samples: Sequence[Mapping[str, float]]


def import_meminfo(
    *,
    paths: Sequence[Path],
    base: Base,
    memory: float | None = None,
    count: int | None = None,
    vcpus: int | None = None,
    rows: Rows = "quantiles",
) -> Population:
    """Return guests whose memory is made of what meminfo files say.

    Parameters
    ----------
    paths
        Texts of /proc/meminfo, one machine each; CSV files with a column ``id``, one machine a row;
        CSV files with a column ``t_s``, one machine over time. CSV columns are ``MemTotal_kB``...
    base
        Workload that activities and the share of zeros in free memory come from.
    memory
        Bytes of each guest; unset, those of its machine.
    count
        Guests in all, dealt out evenly over the machines; unset, one a machine.
    vcpus
        Of each guest; 2.
    rows
        Of a machine over time: the samples at five quantiles of free memory, the first, the last,
        or all (up to 1000, evenly spaced).

    Raises
    ------
    ScenarioError
        If a file cannot be read, or no machine can be used: all problems at once.
    """
    problems = Problems()
    machines = [machine for path in paths for machine in _read(path, rows, problems)]
    problems.check()
    if len(machines) > MOST_GUESTS:
        message = f"{len(machines):,} machines are more than {MOST_GUESTS:,}"
        raise ScenarioError([Issue(message=message)])
    usable = [m for m in machines if all({"MemFree", "Cached"} <= s.keys() for s in m.samples)]
    if not usable:
        message = "no machine has MemTotal, MemFree and Cached"
        raise ScenarioError([Issue(message=message)])
    notes = _notes(machines, usable, base, vcpus)
    taken: set[str] = set()
    groups = []
    each, more = divmod(count or len(usable), len(usable))
    if each == 0:
        message = f"count {count} is less than the {len(usable)} machines in the files"
        raise ScenarioError([Issue(message=message)])
    for i, machine in enumerate(usable):
        makeups = [_makeup(sample, base) for sample in machine.samples]
        size = memory or whole_memory(max(s["MemTotal"] for s in machine.samples) * 1024)
        group: dict[str, object] = {
            "name": safe_name(machine.name, taken),
            "workload": fitted(base, makeups, size),
            "count": each + (i < more),
            "memory": size_text(size),
            "vcpus": vcpus or 2,
        }
        if len(makeups) > 1:
            group["makeups"] = makeups
        groups.append(group)
    if memory is None:
        notes.append("memory: MemTotal, rounded up for what the kernel keeps out of it")
    else:
        notes.append("memory: as asked for, whatever size the machines have")
    return Population(groups=groups, notes=notes)


def _notes(
    machines: Sequence[_Machine], usable: Sequence[_Machine], base: Base, vcpus: int | None
) -> list[str]:
    """Say what meminfo did not tell and what stands for it."""
    notes = [
        f"free memory: {base.free_zero:.0%} of it zero, as in workload {base.name}: "
        "meminfo does not tell",
        "cache: Buffers + Cached - Shmem; kernel: all that is not free, cache, AnonPages or Shmem; "
        "reclaimable slab is kernel memory here",
        f"activities are those of workload {base.name}: sets of file pages keep their relation to "
        "the cache, sets of process memory shrink to fit",
    ]
    if vcpus is None:
        notes.append("vcpus: 2 (assumption: meminfo does not tell)")
    left_out = [machine.name for machine in machines if machine not in usable]
    if left_out:
        notes.append(f"left out, as MemFree or Cached is missing: {', '.join(left_out)}"[:500])
    for key in (*_OPTIONAL, "AnonPages"):
        lacking = sum(any(key not in s for s in machine.samples) for machine in usable)
        stands = {
            "MemAvailable": "not used: it is computed from the make-up",
            "AnonPages": "kernel memory is Slab, KernelStack and PageTables instead, or without "
            f"those the share of workload {base.name}",
        }.get(key, "taken as 0")
        if lacking:
            notes.append(f"{key} is missing for {lacking} of {len(usable)} machines: {stands}")
    return notes


def _makeup(sample: Mapping[str, float], base: Base) -> dict[str, float]:
    """Return the shares that a sample comes to; the rest is anonymous."""
    share = {key: value / sample["MemTotal"] for key, value in sample.items()}
    free = min(1.0, share["MemFree"])
    shmem = share.get("Shmem", 0.0)
    cache = min(1 - free, max(0.0, share["Cached"] + share.get("Buffers", 0.0) - shmem))
    rest = 1 - free - cache
    if "AnonPages" in share:
        kernel = max(0.0, rest - share["AnonPages"] - shmem)
    elif "Slab" in share:
        kernel = min(rest, sum(share.get(key, 0.0) for key in _KERNEL))
    else:
        kernel = min(rest, base.spec.memory.kernel)
    zero = base.spec.memory.anonymous_zero
    processes = base.anonymous + zero
    shares = {
        "free_zero": free * base.free_zero,
        "free_stale": free * (1 - base.free_zero),
        "cache": cache,
        "kernel": kernel,
        "anonymous_zero": (rest - kernel) * (zero / processes if processes else 0.0),
    }
    # Rounded down, they cannot sum to more than 1.
    return {key: math.floor(value * 1e4) / 1e4 for key, value in shares.items()}


# --------------------------------------------------------------------------- reading


def _read(path: Path, rows: Rows, problems: Problems) -> list[_Machine]:
    lines = read_lines(path)
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is None:
        problems.add(path, "is empty")
        return []
    if "," in lines[first]:
        return _read_csv(path, lines[first:], first, rows, problems)
    sample: dict[str, float] = {}
    for i, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line.strip())
        if match:
            sample.setdefault(match[1], float(match[2]))
        elif line.strip():
            problems.add(path, f"'{line.strip()[:60]}' is no line such as 'MemFree:  1234 kB'", i)
    return [_Machine(path.stem, [sample])] if _checked(sample, path, None, problems) else []


def _checked(sample: Mapping[str, float], path: Path, line: int | None, problems: Problems) -> bool:
    """Whether a sample hangs together; if not, say so."""
    total = sample.get("MemTotal", 0.0)
    if total * 1024 < MiB:
        problems.add(path, "MemTotal is missing, or less than 1 MiB", line)
    elif sample.get("MemFree", 0.0) > total:
        problems.add(path, f"MemFree {sample['MemFree']:.0f} kB is more than MemTotal", line)
    elif sample.get("Cached", 0.0) - sample.get("Shmem", 0.0) > total:
        problems.add(path, f"Cached {sample['Cached']:.0f} kB is more than MemTotal", line)
    else:
        return True
    return False


def _read_csv(
    path: Path, lines: list[str], skipped: int, rows: Rows, problems: Problems
) -> list[_Machine]:
    reader = csv.reader(lines)
    try:
        header = [name.strip() for name in next(reader)]
        if "MemTotal_kB" not in header or not {"id", "t_s"} & set(header):
            problems.add(
                path, "needs columns MemTotal_kB, MemFree_kB, ... and id or t_s", skipped + 1
            )
            return []
        machines = []
        for cells in reader:
            line = reader.line_num + skipped
            if not cells:
                continue
            if len(cells) != len(header):
                problems.add(path, f"has {len(cells)} cells; the header has {len(header)}", line)
                continue
            row = dict(zip(header, cells, strict=True))
            sample = {}
            for key, cell in row.items():
                value = number(cell)
                if key.endswith("_kB") and value is not None:
                    sample[key.removesuffix("_kB")] = value
                elif key.endswith("_kB") and cell.strip():
                    problems.add(path, f"{key}: '{cell[:40]}' is no number of kB", line)
            if _checked(sample, path, line, problems):
                machines.append(_Machine(row.get("id") or path.stem, [sample]))
    except csv.Error as error:
        problems.add(path, f"is no CSV: {error}", reader.line_num + skipped)
        return []
    if "id" in header or not machines:
        return machines
    return [_Machine(path.stem, _pick([machine.samples[0] for machine in machines], rows))]


def _pick(samples: list[Mapping[str, float]], rows: Rows) -> list[Mapping[str, float]]:
    """Return the samples of a series that stand for it."""
    if rows == "first":
        return samples[:1]
    if rows == "last":
        return samples[-1:]
    if rows == "all":
        step = math.ceil(len(samples) / _MOST_SAMPLES)
        return samples[::step]
    ordered = sorted(samples, key=lambda s: s.get("MemFree", 0.0) / s["MemTotal"])
    places = dict.fromkeys(round(q * (len(ordered) - 1)) for q in _QUANTILES)
    return [ordered[place] for place in places]
