"""A population of guests read from files: its groups, what had to be assumed, and its YAML.

Shared by the importers of all formats: bounded reading, names made safe, a workload fitted to a
memory. Inside: bytes, and shares of memory.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario import library
from dcsim.scenario.spec import Makeup, Workload
from dcsim.units import GiB, MiB, format_size

LARGEST_FILE: Final = 256 * MiB
"""Bytes of one file that are read."""
MOST_LINES: Final = 1_000_000
"""Lines of one file that are read."""
MOST_GUESTS: Final = 100_000
"""Guests of one population."""
_MOST_ISSUES = 50
_LONGEST_NAME = 60
_MARGIN = 1e-3  # sets are fitted this much smaller than their room, against rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Groups of guests as a scenario writes them, and what was assumed in making them.

    Attributes
    ----------
    groups : list of dict
        Entries of a scenario's ``guests``, quantities as texts with units.
    notes : list of str
        What the files do not say and was taken from elsewhere, what was left out, and why.
    """

    groups: list[dict[str, Any]]
    notes: list[str]

    @property
    def guests(self) -> int:
        """How many guests there are in all."""
        return sum(int(group["count"]) for group in self.groups)


def to_yaml(population: Population) -> str:
    """Return a population as YAML that a scenario uses by ``guests: [{use: FILE, place: ...}]``.

    The notes stand in a comment at its top, one a line.
    """
    head = [f"# guests: {population.guests}, groups: {len(population.groups)}"]
    head += [f"# - {_printable(note)}" for note in population.notes]
    body = yaml.dump(
        {"guests": population.groups},
        Dumper=_PlainDumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=None,
    )
    return "\n".join(head) + "\n" + body


class _PlainDumper(yaml.SafeDumper):
    """YAML without anchors: what is equal is written out each time."""

    def ignore_aliases(self, data: Any) -> bool:
        """Say that nothing is written as an alias."""
        return True


def drain_scenario(
    *, population: str, topology: str = "leaf-spine-4x8", hosts: str = "rack0/*"
) -> str:
    """Return a scenario, as YAML, that fills some hosts with a population and drains them.

    Parameters
    ----------
    population
        Path of the population's file, relative to where the scenario will be.
    topology
        Name of a shipped topology, or path of one.
    hosts
        Name pattern of the hosts that are filled, then drained.
    """
    place = {"hosts": hosts, "by": "first-fit"}
    scenario = {
        "about": f"the guests of {population} stand on {hosts}, which is drained",
        "horizon": "6h",
        "topology": {"use": topology},
        "guests": [{"use": population, "place": place}],
        "migration": {"max_bandwidth": None},
        "hinting": "zero-page",
        "operation": {"kind": "drain", "hosts": hosts, "at": "5min", "limits": "kubevirt"},
    }
    return yaml.dump(scenario, Dumper=_PlainDumper, sort_keys=False, default_flow_style=False)


# --------------------------------------------------------------------------- reading


@dataclass(slots=True)
class Problems:
    """What is wrong with the files, collected to be shown together."""

    issues: list[Issue] = field(default_factory=list)

    def add(self, path: Path, message: str, line: int | None = None) -> None:
        """Note one problem; give up when there are too many to be of use."""
        self.issues.append(Issue(file=str(path), line=line, message=message))
        if len(self.issues) >= _MOST_ISSUES:
            raise ScenarioError(self.issues)

    def check(self) -> None:
        """Raise all problems, if there are any."""
        if self.issues:
            raise ScenarioError(self.issues)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file.

    Raises
    ------
    ScenarioError
        If it cannot be read, is no UTF-8 text, or has more than `LARGEST_FILE` bytes or
        `MOST_LINES` lines.
    """
    if not path.is_file():
        raise _refusal(path, "is no file")
    try:
        with path.open("rb") as stream:  # /proc/meminfo has no size until it is read
            data = stream.read(LARGEST_FILE + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise _refusal(path, f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise _refusal(path, "is no UTF-8 text") from None
    if len(data) > LARGEST_FILE:
        raise _refusal(path, f"is larger than {format_size(LARGEST_FILE)}")
    lines = text.splitlines()
    if len(lines) > MOST_LINES:
        raise _refusal(path, f"has {len(lines):,} lines; at most {MOST_LINES:,}")
    return lines


def _refusal(path: Path, message: str) -> ScenarioError:
    return ScenarioError([Issue(file=str(path), message=message)])


def number(text: str | None) -> float | None:
    """Return a finite number >= 0, or None where there is none."""
    try:
        value = float(text) if text is not None and text.strip() else math.nan
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def safe_name(text: str, taken: set[str]) -> str:
    """Return a name of letters, digits, ``.``, ``_`` and ``-`` that is not taken, and take it."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:_LONGEST_NAME] or "guest"
    unique, again = name, 2
    while unique in taken:
        unique, again = f"{name}-{again}", again + 1
    taken.add(unique)
    return unique


def _printable(text: str) -> str:
    """Return a text that cannot end its comment line."""
    return "".join(c if c.isprintable() else " " for c in text)


# --------------------------------------------------------------------------- workload


@dataclass(frozen=True, slots=True)
class Base:
    """A named workload: as data to be changed, and checked."""

    name: str
    data: dict[str, Any]
    spec: Workload

    @property
    def anonymous(self) -> float:
        """Share of its memory that is process memory and not zero."""
        return anonymous(self.spec.memory)

    @property
    def free_zero(self) -> float:
        """Share of its free memory that holds zeros."""
        free = self.spec.memory.free_zero + self.spec.memory.free_stale
        return self.spec.memory.free_zero / free if free else 1.0


def anonymous(memory: Makeup) -> float:
    """Return the share of process memory that is not zero."""
    rest = 1 - memory.free_zero - memory.free_stale - memory.cache - memory.kernel
    return max(0.0, rest - memory.anonymous_zero)


def base_workload(name: str) -> Base:
    """Look up a shipped workload by its name.

    Raises
    ------
    ScenarioError
        If there is none of that name.
    """
    try:
        data = library.resolve(kind="workloads", value=name)
    except ValueError as error:
        raise ScenarioError([Issue(message=str(error))]) from None
    return Base(name, dict(data), Workload.model_validate(data))


def fitted(base: Base, makeups: Sequence[Mapping[str, float]], memory: float) -> dict[str, Any]:
    """Return a workload with the first make-up, its sets fitted to the tightest of all of them.

    Sets of file pages keep their relation to the page cache; sets of process memory that is
    written shrink where they do not fit; writers without any room are left out.

    Parameters
    ----------
    base
        The workload that the activities come from.
    makeups
        Shares as in `Makeup`, at least one.
    memory
        The guests' memory in bytes.
    """
    specs = [Makeup.model_validate(makeup) for makeup in makeups]
    had = base.spec.memory.cache
    cache = min(spec.cache for spec in specs)
    files = cache / had if had else 1.0
    room = {"anonymous": min(anonymous(spec) for spec in specs), "cache": cache}
    scale = {"anonymous": 1.0, "cache": files}
    for target in scale:
        asked = sum(
            _share(a.set, memory)
            for a in base.spec.activities
            if a.do == "write" and a.to == target
        )
        if asked * scale[target] > room[target]:
            scale[target] = room[target] / asked * (1 - _MARGIN)
    activities = []
    for data, activity in zip(
        copy.deepcopy(base.data.get("activities", [])), base.spec.activities, strict=True
    ):
        factor = 1.0
        if activity.do == "write":
            factor = scale[activity.to]
        elif activity.do == "read" and activity.set <= 1:
            factor = files
        if factor != 1.0:
            share = min(1.0, _share(activity.set, memory) * factor)
            if share * memory < 4096:
                continue
            data["set"] = _rounded(share)
        activities.append(data)
    replaced = {
        "memory": dict(makeups[0]),
        "activities": activities,
        "sources": {
            "memory": "imported",
            "activities": f"of workload {base.name}, sets fitted to the imported memory",
        },
    }
    return {key: value for key, value in base.data.items() if key != "about"} | replaced


def _share(extent: float, memory: float) -> float:
    return extent if extent <= 1 else extent / memory


def _rounded(share: float) -> float:
    """Return a share to four figures, never more than it was."""
    digits = 3 - math.floor(math.log10(share))
    return math.floor(share * 10.0**digits) / 10.0**digits


def whole_memory(total: float) -> float:
    """Return the memory of a machine whose kernel reports *total* bytes of it.

    A kernel keeps some memory out of MemTotal; what was given to the machine is taken to be the
    next size with at most three leading binary digits: 7.6 GiB were 8, 11.6 were 12.
    """
    unit = math.ldexp(1.0, math.floor(math.log2(total)) - 2)
    return math.ceil(total / unit) * unit


def size_text(size: float) -> str:
    """Return a size as a file writes it, exactly."""
    for unit, factor in (("GiB", GiB), ("MiB", MiB), ("KiB", 1024)):
        if size >= factor and size % factor == 0:
            return f"{size / factor:.0f}{unit}"
    return f"{size:.0f}B"
