"""The hosts of a topology: what each of them has, and which of them are meant."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Final, NamedTuple

from dcsim.scenario.fabric import BUILT_IN, Fabric

_WILD: Final = frozenset("*?[")


class HostPlan(NamedTuple):
    """What a host has; hosts that have the same share one.

    Attributes
    ----------
    cores
        CPU cores.
    memory_bytes
        Memory for guests.
    overcommit, cpu_overcommit
        Bytes promised for each byte; vCPUs promised for each core, infinite for no bound.
    labels
        But for those that every host has: its name and its rack.
    cpu_flags
        What its CPUs can do.
    """

    cores: float
    memory_bytes: float
    overcommit: float
    cpu_overcommit: float
    labels: dict[str, str]
    cpu_flags: frozenset[str]

    @property
    def limit_bytes(self) -> float:
        """Memory that all its guests may have together."""
        return self.memory_bytes * self.overcommit


class Cluster:
    """All hosts of a topology.

    Parameters
    ----------
    spec
        The topology.
    names
        Its hosts, in order.

    Examples
    --------
    >>> from dcsim.scenario.fabric import LeafSpine
    >>> spec = LeafSpine(leaves=2, hosts_per_leaf=2, hosts=[
    ...     {"match": "rack1/*", "labels": {"zone": "b"}, "cpu_flags": ["avx512"]}])
    >>> cluster = Cluster(spec, ["rack0/host0", "rack0/host1", "rack1/host0", "rack1/host1"])
    >>> cluster.selected(labels={"zone": "b"}, hosts="*/host0")
    ['rack1/host0']
    """

    def __init__(self, spec: Fabric, names: Iterable[str]) -> None:
        host, more = spec.host, spec.host.overcommit
        cpu = more.cpu if more is not None else None
        same = HostPlan(
            host.cores,
            host.memory,
            1.0 if more is None else more.memory,
            math.inf if cpu is None else cpu,
            {},
            frozenset(),
        )
        self.plans = dict.fromkeys(names, same)
        for entry in spec.hosts or []:
            made: dict[int, HostPlan] = {}  # hosts that were alike stay alike
            for name in matching(entry.match, self.plans):
                before = self.plans[name]
                if id(before) not in made:
                    made[id(before)] = before._replace(
                        cores=entry.cores or before.cores,
                        memory_bytes=entry.memory or before.memory_bytes,
                        labels=before.labels | (entry.labels or {}),
                        cpu_flags=before.cpu_flags
                        if entry.cpu_flags is None
                        else frozenset(entry.cpu_flags),
                    )
                self.plans[name] = made[id(before)]

    def label(self, name: str, key: str) -> str | None:
        """Return the value that a host has of a label, if it has it."""
        if key in BUILT_IN:
            return name if key == "host" else name.rpartition("/")[0]
        return self.plans[name].labels.get(key)

    @cached_property
    def labels(self) -> dict[str, list[str]]:
        """The labels there are but for those that every host has, each with its values."""
        found: dict[str, dict[str, None]] = {}
        for plan in {id(plan): plan for plan in self.plans.values()}.values():
            for key, value in plan.labels.items():
                found.setdefault(key, {})[value] = None
        return {key: list(values) for key, values in found.items()}

    @cached_property
    def cpu_flags(self) -> list[str]:
        """What CPUs of any host can do."""
        return sorted(frozenset().union(*(plan.cpu_flags for plan in self.plans.values())))

    def selected(
        self,
        *,
        hosts: str | None = None,
        racks: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        cpu_flags: Collection[str] = (),
    ) -> list[str]:
        """Return the hosts for which all holds that is given.

        Parameters
        ----------
        hosts
            A pattern of names.
        racks
            Names or patterns of racks; one of them has to match.
        labels
            Labels with their values.
        cpu_flags
            What their CPUs can do.
        """
        found = list(self.plans) if hosts is None else matching(hosts, self.plans)
        if racks is not None:
            meant = dict.fromkeys(name.rpartition("/")[0] for name in self.plans)
            within = {rack for pattern in racks for rack in matching(pattern, meant)}
            found = [name for name in found if name.rpartition("/")[0] in within]
        for key, value in (labels or {}).items():
            found = [name for name in found if self.label(name, key) == value]
        if cpu_flags:
            found = [name for name in found if self.plans[name].cpu_flags.issuperset(cpu_flags)]
        return found


def matching(pattern: str, hosts: Collection[str]) -> list[str]:
    """Return the hosts whose name matches a pattern of ``*``, ``?`` and ``[...]``.

    A plain name is looked up: thousands of them are quick where *hosts* is a set or a mapping.

    Examples
    --------
    >>> matching("rack1/*", ["rack0/host0", "rack1/host0"])
    ['rack1/host0']
    """
    if not _WILD & set(pattern):
        return [pattern] if pattern in hosts else []
    return [host for host in hosts if fnmatchcase(host, pattern)]
