"""How many migrations at once: caps on hosts and on the cluster."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from dcsim.model.host import Host


@dataclass(slots=True)
class Admission:
    """Counts migrations against an operator's caps; infinite means no cap.

    Attributes
    ----------
    per_cluster, per_host_out, per_host_in
        The caps.
    running
        Migrations admitted and not ended.
    """

    per_cluster: float = math.inf
    per_host_out: float = math.inf
    per_host_in: float = math.inf
    running: int = 0
    _out: Counter[Host] = field(default_factory=Counter)
    _in: Counter[Host] = field(default_factory=Counter)

    @property
    def open(self) -> bool:
        """Whether the cluster may start another one."""
        return self.running < self.per_cluster

    def may_leave(self, host: Host) -> bool:
        """Whether another guest may leave this host now."""
        return self._out[host] < self.per_host_out

    def may_enter(self, host: Host) -> bool:
        """Whether another guest may come to this host now."""
        return self._in[host] < self.per_host_in

    def enter(self, source: Host, destination: Host) -> None:
        """Count a migration in."""
        self.running += 1
        self._out[source] += 1
        self._in[destination] += 1

    def leave(self, source: Host, destination: Host) -> None:
        """Count a migration out."""
        self.running -= 1
        self._out[source] -= 1
        self._in[destination] -= 1
