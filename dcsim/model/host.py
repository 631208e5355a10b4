"""A host: memory that guests and reservations take, CPU that guests and migration threads share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcsim.errors import SimulationError

if TYPE_CHECKING:
    from dcsim.model.guest import Guest

PLENTY = 0.99
"""Share of the cores up to which what is wanted need not be added up anew to know it is there."""


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
    """

    __slots__ = (
        "_demand", "_roughly", "_threads", "cores", "cpu_factor", "draining", "failed", "guests",
        "memory_bytes", "moved_in", "moved_out", "name", "node", "peak_bytes", "rack", "reserved",
        "used_bytes",
    )  # fmt: skip

    def __init__(
        self, *, name: str, rack: str, node: int, cores: float, memory_bytes: float
    ) -> None:
        self.name = name
        self.rack = rack
        self.node = node
        self.cores = cores
        self.memory_bytes = memory_bytes
        self.guests: dict[Guest, None] = {}
        self.reserved: dict[Guest, float] = {}
        self.used_bytes = 0.0
        self.peak_bytes = 0.0
        self.cpu_factor = 1.0
        self.draining = self.failed = False
        self.moved_in = self.moved_out = 0
        self._demand: dict[Guest, float] = {}
        self._threads = 0.0
        self._roughly = 0.0  # what all want, but for rounding

    @property
    def free_bytes(self) -> float:
        """Memory neither used nor reserved; none where the host is lost."""
        return 0.0 if self.failed else self.memory_bytes - self.used_bytes

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
        self._take(guest.memory_bytes)

    def release(self, guest: Guest) -> None:
        """Give a reservation back."""
        self._take(-self.reserved.pop(guest))

    def admit(self, guest: Guest) -> None:
        """Take a guest in, on its reservation if it has one."""
        if self.reserved.pop(guest, None) is None:
            self._take(guest.memory_bytes)
        self.guests[guest] = None

    def dismiss(self, guest: Guest) -> None:
        """Let a guest go."""
        del self.guests[guest]
        self._take(-guest.memory_bytes)
        wanted = self._demand.pop(guest, 0.0)
        if wanted > 0:
            self._roughly -= wanted
            self._share_cpu()

    def _take(self, size: float) -> None:
        self.used_bytes += size
        if self.used_bytes > self.peak_bytes:
            self.peak_bytes = self.used_bytes

    # ------------------------------------------------------------------ CPU

    def demand_cpu(self, guest: Guest, cores: float) -> None:
        """Say how much CPU a guest wants."""
        before = self._demand.get(guest, 0.0)
        if abs(before - cores) > 1e-12:
            self._demand[guest] = cores
            self._roughly += cores - before
            self._share_cpu(asking=guest)

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
