"""A host: memory that guests and reservations take, CPU that guests and migration threads share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from dcsim.errors import SimulationError

if TYPE_CHECKING:
    from dcsim.model.guest import Guest
    from dcsim.model.terms import Terms, Whereabouts

PLENTY = 0.99
"""Share of the cores up to which what is wanted need not be added up anew to know it is there."""
NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})


class Host:
    """One host.

    Parameters
    ----------
    name, rack
        Its names.
    node
        Its node in the network.
    cores
        CPU cores.
    memory_bytes
        Memory for guests.
    overcommit, cpu_overcommit
        How often its memory, and each of its cores, may be promised to guests.
    labels, flags
        What tells it from others, and what its CPUs can do.
    whereabouts
        Where guests are that are to be apart, or together: one for all hosts.

    Attributes
    ----------
    draining, failed, off
        Whether it takes no guests; is lost; is switched off, or on its way to that or back.
    off_s
        Seconds for which it was off.
    limit_bytes, limit_vcpus
        What all its guests may have together.
    parted
        How many guests have left it of those that are to be apart, or together.
    """

    __slots__ = (
        "_demand", "_roughly", "_threads", "away", "cores", "cpu_factor", "draining", "failed",
        "flags", "guests", "labels", "limit_bytes", "limit_vcpus", "memory_bytes", "moved_in",
        "moved_out", "name", "node", "off", "off_s", "parted", "peak_bytes", "rack", "reserved",
        "used_bytes",
        "used_vcpus", "whereabouts",
    )  # fmt: skip

    def __init__(
        self,
        *,
        name: str,
        rack: str,
        node: int,
        cores: float,
        memory_bytes: float,
        overcommit: float = 1.0,
        cpu_overcommit: float = math.inf,
        labels: Mapping[str, str] = NO_LABELS,
        flags: frozenset[str] = frozenset(),
        whereabouts: Whereabouts | None = None,
    ) -> None:
        self.name = name
        self.rack = rack
        self.node = node
        self.cores = cores
        self.memory_bytes = memory_bytes
        self.limit_bytes = memory_bytes * overcommit
        self.limit_vcpus = cores * cpu_overcommit
        self.labels = labels
        self.flags = flags
        self.whereabouts: Whereabouts = {} if whereabouts is None else whereabouts
        self.guests: dict[Guest, None] = {}
        self.reserved: dict[Guest, float] = {}
        self.used_bytes = self.used_vcpus = 0.0
        self.peak_bytes = 0.0
        self.cpu_factor = 1.0
        self.draining = self.failed = self.away = self.off = False
        self.off_s = 0.0
        self.moved_in = self.moved_out = self.parted = 0
        self._demand: dict[Guest, float] = {}
        self._threads = 0.0
        self._roughly = 0.0  # what all want, but for rounding

    @property
    def free_bytes(self) -> float:
        """Memory that may be promised and is not; none where the host is lost, away or off."""
        gone = self.failed or self.away or self.off
        return 0.0 if gone else self.limit_bytes - self.used_bytes

    def label(self, key: str) -> str | None:
        """Return the value of a label, if it has it: each has ``host`` and ``rack``."""
        if key == "host":
            return self.name
        return self.rack if key == "rack" else self.labels.get(key)

    # ------------------------------------------------------------------ memory

    def reserve(self, guest: Guest) -> None:
        """Set memory aside for a guest that is to come.

        Raises
        ------
        SimulationError
            If there is not enough.
        """
        if guest.memory_bytes > self.free_bytes * (1 + 1e-12):
            raise SimulationError(f"{self.name} has no room for {guest.name}")
        self.reserved[guest] = guest.memory_bytes
        self._take(guest, 1)

    def release(self, guest: Guest) -> None:
        """Give a reservation back."""
        del self.reserved[guest]
        self._take(guest, -1)

    def admit(self, guest: Guest) -> None:
        """Take a guest in, on its reservation if it has one."""
        if self.reserved.pop(guest, None) is None:
            self._take(guest, 1)
        self.guests[guest] = None

    def dismiss(self, guest: Guest) -> None:
        """Let a guest go."""
        del self.guests[guest]
        self._take(guest, -1)
        wanted = self._demand.pop(guest, 0.0)
        if wanted > 0:
            self._roughly -= wanted
            self._share_cpu()

    def _take(self, guest: Guest, times: int) -> None:
        """Book what a guest has once more, or once less."""
        self.used_bytes += times * guest.memory_bytes
        self.used_vcpus += times * guest.vcpus
        if self.used_bytes > self.peak_bytes:
            self.peak_bytes = self.used_bytes
        if guest.terms is not None:
            self._note_whereabouts(guest.terms, times)

    def _note_whereabouts(self, terms: Terms, times: int) -> None:
        """Count one more, or one less, of each set that a guest of such terms is of."""
        for circle in terms.circles:
            here = self.whereabouts.setdefault(circle, {})
            here[self] = here.get(self, 0) + times
            if not here[self]:
                del here[self]
            if times < 0:
                self.parted += 1

    # ------------------------------------------------------------------ CPU

    def demand_cpu(self, guest: Guest, cores: float) -> None:
        """Say how much CPU a guest wants."""
        before = self._demand.get(guest, 0.0)
        if abs(before - cores) > 1e-12:
            self._demand[guest] = cores
            self._roughly += cores - before
            self._share_cpu(asking=guest)

    def wanted_by(self, guest: Guest) -> float:
        """Return the cores that a guest wants."""
        return self._demand.get(guest, 0.0)

    @property
    def wanted_cores(self) -> float:
        """Cores that all guests want, but for rounding."""
        return max(0.0, self._roughly - self._threads)

    def run_threads(self, cores: float) -> None:
        """Start (or, negative, end) migration threads that take so much CPU."""
        before, self._threads = self._threads, max(0.0, self._threads + cores)
        self._roughly += self._threads - before
        self._share_cpu()

    def _share_cpu(self, asking: Guest | None = None) -> None:
        """Share the cores in proportion to what is wanted; tell guests whose share changed."""
        factor = 1.0
        if self._roughly > PLENTY * self.cores:
            factor = min(1.0, self.cores / (self._threads + sum(self._demand.values())))
        if abs(factor - self.cpu_factor) > 1e-9:
            self.cpu_factor = factor
            for guest in list(self.guests):
                if guest is not asking:
                    guest.look()
