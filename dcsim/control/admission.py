"""How many migrations at once: caps on the cluster, hosts, links and storage pools; cost units.

Whether a host may take part is asked of the host; what else holds up one certain migration is a
`Reason`, and the end of another tells which reasons it may lift. Each question takes as long as the
way has links. Loads are bytes per second.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from dcsim.errors import InvariantError
from dcsim.model.fairshare import WHOLE
from dcsim.model.guest import Guest
from dcsim.model.host import Host

if TYPE_CHECKING:
    from dcsim.scenario.topology import Network

ALONE = 0.95
"""A migration that adds this share of what it would load a link with alone has it as if alone."""
SHARED = "shared storage"
"""The pool of guests whose disks are not local."""


Leaves = Callable[[int, float], float]
"""Returns the bytes per second that so many streams get of a link, all together."""


class Mover(Protocol):
    """Who is to move, or moves: a request, a migration."""

    @property
    def guest(self) -> Guest:
        """The guest."""

    @property
    def source(self) -> Host:
        """Where it is."""


class Cost(NamedTuple):
    """What a migration costs of something, and what all together may.

    Attributes
    ----------
    most
        All together.
    live, disk
        One that leaves disks where they are, and one that copies a local disk.
    """

    most: float
    live: float = 1.0
    disk: float = 1.0

    def of(self, mover: Mover) -> float:
        """Return what this one costs."""
        return self.disk if copies_disk(mover) else self.live


class Caps(NamedTuple):
    """What an operator allows at once; infinite or empty where there is no limit.

    Attributes
    ----------
    per_cluster, per_host_out, per_host_in, per_host
        Migrations in all; out of a host, into it, out and in together.
    per_link
        Migrations on any one link of a class.
    host_slots
        Migrations out of and into a host, by the payload its link carries: those of the fastest
        rate listed that is no faster, or else of the first one.
    host_costs, pool_costs
        What migrations may cost a host, and a storage pool: the disks of a host, or what is shared.
    """

    per_cluster: float = math.inf
    per_host_out: float = math.inf
    per_host_in: float = math.inf
    per_host: float = math.inf
    per_link: tuple[tuple[str, float], ...] = ()
    host_slots: tuple[tuple[float, float], ...] = ()
    host_costs: tuple[Cost, ...] = ()
    pool_costs: tuple[Cost, ...] = ()


class Reason(NamedTuple):
    """What holds up a migration: a link, costs of a host or of a pool, or leaving a host at all."""

    what: Literal["leave", "host cost", "pool cost", "link"]
    which: Host | int | str


def copies_disk(mover: Mover) -> bool:
    """Whether its local disk goes with the guest."""
    profile = mover.guest.profile
    return profile.local_disk is not None and profile.migratable == "live"


@dataclass(slots=True)
class _Use:
    """Who uses a link: how many, in whole streams, and what they would load it with alone."""

    count: int = 0
    streams: float = 0.0
    load: float = 0.0


@dataclass(slots=True)
class Admission:
    """Counts migrations against an operator's caps; see `Caps`.

    Attributes
    ----------
    leaves
        What links leave to migrations, where one starts only if its way has room.
    link_caps
        Migrations at once of each link that has a cap.
    slots
        Migrations of each host's node where they differ by its link.
    running
        Migrations admitted and not ended.
    counts_both
        Whether who leaves a host may close it for who comes, and the other way round.
    """

    per_cluster: float = math.inf
    per_host_out: float = math.inf
    per_host_in: float = math.inf
    per_host: float = math.inf
    host_costs: tuple[Cost, ...] = ()
    pool_costs: tuple[Cost, ...] = ()
    leaves: Leaves | None = None
    link_caps: dict[int, float] = field(default_factory=dict)
    slots: dict[int, float] = field(default_factory=dict)
    running: int = 0
    counts_both: bool = field(init=False)
    _out: Counter[Host] = field(default_factory=Counter)
    _in: Counter[Host] = field(default_factory=Counter)
    _spent: dict[tuple[Reason, Cost], float] = field(default_factory=dict)
    _links: dict[int, _Use] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counts_both = self.per_host < math.inf or bool(self.slots or self.host_costs)

    @classmethod
    def of(cls, caps: Caps, network: Network, *, leaves: Leaves | None = None) -> Admission:
        """Return what keeps caps on a network, and to what its links leave."""
        per_link = dict(caps.per_link)
        classes = enumerate(network.link_classes) if per_link else ()
        return cls(
            per_cluster=caps.per_cluster,
            per_host_out=caps.per_host_out,
            per_host_in=caps.per_host_in,
            per_host=caps.per_host,
            host_costs=caps.host_costs,
            pool_costs=caps.pool_costs,
            link_caps={link: per_link[own] for link, own in classes if own in per_link},
            slots=_slots(caps.host_slots, network) if caps.host_slots else {},
            leaves=leaves,
        )

    @property
    def by_room(self) -> bool:
        """Whether a migration starts only if its way has room."""
        return self.leaves is not None

    @property
    def looks_closer(self) -> bool:
        """Whether more than the cluster and the hosts may hold a migration up."""
        return self.by_room or bool(self.link_caps or self.host_costs or self.pool_costs)

    # ------------------------------------------------------------------ asked of the cluster, hosts

    @property
    def open(self) -> bool:
        """Whether the cluster may start another one."""
        return self.running < self.per_cluster

    def may_leave(self, host: Host) -> bool:
        """Whether another guest may leave this host now."""
        free = self._out[host] < self.per_host_out
        return free and (not self.counts_both or self._takes_part(host))

    def may_enter(self, host: Host) -> bool:
        """Whether another guest may come to this host now."""
        free = self._in[host] < self.per_host_in
        return free and (not self.counts_both or self._takes_part(host))

    def _takes_part(self, host: Host) -> bool:
        """Whether a host has room for the cheapest migration, out or in."""
        both = self._out[host] + self._in[host]
        most = min(self.per_host, self.slots.get(host.node, math.inf))
        return both < most and self._affords(self.host_costs, host)

    # ------------------------------------------------------------------ asked of one migration

    def held_by(
        self,
        mover: Mover,
        destination: Host,
        links: Sequence[int],
        load: float = 0.0,
        *,
        dirtied: float = 0.0,
        shares: Sequence[float] | None = None,
    ) -> Reason | None:
        """Return what holds up a guest that may leave and that its destination takes.

        Parameters
        ----------
        mover
            Who is to move.
        destination
            Where to.
        links
            Of its way.
        load, dirtied
            Bytes per second that it is expected to load its way with, were it alone there, and
            those that its guest gets dirty meanwhile.
        shares
            Its share on each link; None: all of it.

        Returns
        -------
        Reason or None
            None if it can go now.
        """
        if not self.may_leave(mover.source):
            return Reason("leave", mover.source)
        for reason, cost in self._costs(mover, mover.source, destination):
            if self._spent.get((reason, cost), 0.0) + cost.of(mover) > cost.most:
                return reason
        for link, share in zip(links, shares or WHOLE, strict=False):
            use = self._links.get(link)
            if use is not None and not self._takes_more(link, use, load, dirtied, share):
                return Reason("link", link)
        return None

    def lifted(self, reason: Reason) -> bool:
        """Whether a reason holds up nobody now, or not the cheapest."""
        match reason:
            case Reason("leave", Host() as host):
                return self.may_leave(host)
            case Reason("link", int(link)):
                use = self._links.get(link)
                return use is None or self._takes_more(link, use, load=math.inf)
            case Reason("host cost", Host() as host):
                return self._affords(self.host_costs, host)
        return self._affords(self.pool_costs, reason.which)

    def enter(
        self,
        mover: Mover,
        source: Host,
        destination: Host,
        links: Sequence[int] = (),
        load: float = 0.0,
        *,
        shares: Sequence[float] | None = None,
    ) -> None:
        """Count a migration in, with the bytes per second that it loads its way with."""
        self._count(mover, source, destination, 1)
        for link, share in zip(links, shares or WHOLE, strict=False):
            use = self._links.setdefault(link, _Use())
            use.count += 1
            use.streams += share
            use.load += load * share

    def leave(
        self,
        mover: Mover,
        source: Host,
        destination: Host,
        links: Sequence[int] = (),
        load: float = 0.0,
        *,
        shares: Sequence[float] | None = None,
    ) -> None:
        """Count a migration out, told as it was counted in."""
        self._count(mover, source, destination, -1)
        for link, share in zip(links, shares or WHOLE, strict=False):
            use = self._links[link]
            use.count -= 1
            use.streams -= share
            use.load -= load * share
            if use.count == 0:  # and what rounding has left is forgotten
                del self._links[link]

    def frees(
        self, mover: Mover, source: Host, destination: Host, links: Iterable[int] = ()
    ) -> list[Reason]:
        """Return the reasons that the end of a migration may lift."""
        reasons = [Reason("link", link) for link in links]
        if self.counts_both:
            reasons += [Reason("leave", source), Reason("leave", destination)]
        costs = self._costs(mover, source, destination)
        return reasons + [reason for reason, _ in costs]

    def check(self, out: Counter[Host], into: Counter[Host]) -> None:
        """Check that what is counted is what leaves and enters hosts.

        Raises
        ------
        InvariantError
            With the figures.
        """
        if (self.running, +self._out, +self._in) != (out.total(), +out, +into):
            raise InvariantError(f"{self.running} migrations are admitted, {out.total()} run")

    # ------------------------------------------------------------------ accounts

    def _count(self, mover: Mover, source: Host, destination: Host, by: int) -> None:
        self.running += by
        self._out[source] += by
        self._in[destination] += by
        if not self.host_costs and not self.pool_costs:
            return
        for key in self._costs(mover, source, destination):
            self._spent[key] = self._spent.get(key, 0.0) + by * key[1].of(mover)

    def _costs(self, mover: Mover, source: Host, destination: Host) -> list[tuple[Reason, Cost]]:
        """Return what a migration costs something of, whose it is told by the reason."""
        if not self.host_costs and not self.pool_costs:
            return []
        ends = (source, destination)
        pools = ends if copies_disk(mover) else (SHARED,)
        return [
            *[(Reason("host cost", end), cost) for cost in self.host_costs for end in ends],
            *[(Reason("pool cost", pool), cost) for cost in self.pool_costs for pool in pools],
        ]

    def _affords(self, costs: Iterable[Cost], which: Host | int | str) -> bool:
        """Whether a host or a pool can take the cheapest migration."""
        what: Literal["host cost", "pool cost"] = (
            "host cost" if costs is self.host_costs else "pool cost"
        )
        return all(
            self._spent.get((Reason(what, which), cost), 0.0) + min(cost.live, cost.disk)
            <= cost.most
            for cost in costs
        )

    def _takes_more(
        self, link: int, use: _Use, load: float, dirtied: float = 0.0, share: float = 1.0
    ) -> bool:
        """Whether a link that is in use takes one more.

        What migrations carry over it in all has to grow by more than what gets dirty meanwhile:
        else it only takes from the others what it sends in vain. Where there is room for all of it,
        it takes nothing from anybody.
        """
        if use.count >= self.link_caps.get(link, math.inf):
            return False
        if self.leaves is None or load <= 0:
            return True
        now = min(use.load, self.leaves(link, use.streams))
        then = min(use.load + load * share, self.leaves(link, use.streams + share))
        return then - now > min(dirtied, ALONE * load) * share


def _slots(slots: tuple[tuple[float, float], ...], network: Network) -> dict[int, float]:
    """Return how many migrations the link of each host allows, the fastest if it has several."""
    rates: dict[int, float] = dict.fromkeys(network.hosts, 0.0)
    ends = zip(network.tails, network.link_classes, network.capacity_bytes_per_s, strict=True)
    dedicated = "migration" in network.link_classes
    for tail, own, capacity in ends:
        if own == ("migration" if dedicated else "host") and tail in rates:
            rates[tail] = max(rates[tail], capacity)
    first = slots[0][1]
    return {
        node: next((most for least, most in reversed(slots) if rate >= least * (1 - 1e-9)), first)
        for node, rate in rates.items()
    }
