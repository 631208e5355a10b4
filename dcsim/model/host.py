"""A host: memory that guests and reservations take, CPU that guests and migration threads share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcsim.errors import SimulationError

if TYPE_CHECKING:
    from dcsim.model.guest import Guest


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
        self._demand.pop(guest, None)
        self._share_cpu()

    def _take(self, size: float) -> None:
        self.used_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.used_bytes)

    # ------------------------------------------------------------------ CPU

    def demand_cpu(self, guest: Guest, cores: float) -> None:
        """Say how much CPU a guest wants."""
        if abs(self._demand.get(guest, 0.0) - cores) > 1e-12:
            self._demand[guest] = cores
            self._share_cpu(asking=guest)

    def run_threads(self, cores: float) -> None:
        """Start (or, negative, end) migration threads that take so much CPU."""
        self._threads = max(0.0, self._threads + cores)
        self._share_cpu()

    def _share_cpu(self, asking: Guest | None = None) -> None:
        """Share the cores in proportion to what is wanted; tell guests whose share changed."""
        wanted = self._threads + sum(self._demand.values())
        factor = min(1.0, self.cores / wanted) if wanted > 0 else 1.0
        if abs(factor - self.cpu_factor) > 1e-9:
            self.cpu_factor = factor
            for guest in list(self.guests):
                if guest is not asking:
                    guest.look()
