"""Which hosts take guests: open or closed, away for a time, with room for who moves or comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from dcsim.control.placement import Placer
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.scenario.topology import Network

if TYPE_CHECKING:
    from dcsim.control.batch import Batch

ANY_ROOM: Final[Hashable] = None
"""What holds up who would go anywhere."""


class Vacancies:
    """The hosts, as far as they take guests.

    Parameters
    ----------
    hosts, network
        All there are, and the links between them.
    placement
        The name of the placement.
    may_enter
        Whether limits let another migration come to a host now; who arrives does not mind.

    Attributes
    ----------
    placer
        Finds hosts for guests that move.
    promised
        Hosts that will take guests again, each with what has to end before that, if anything: who
        finds no room waits for them. What has to end may be that their own guests come back.
    leaving
        How many guests will leave some day: who finds no room waits for them, too.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        *,
        network: Network,
        placement: str,
        may_enter: Callable[[Host], bool],
    ) -> None:
        self._hosts = hosts
        self._placed_by = partial(Placer, hosts, placement=placement, network=network)
        self.placer = self._placed_by(is_open=may_enter)
        self._for_arrivals: Placer | None = None
        self._closed: Counter[Host] = Counter()
        self.promised: dict[Host, Batch | None] = {}
        self.leaving = 0

    @property
    def placers(self) -> list[Placer]:
        """What finds hosts: for guests that move, and for those that arrive, if any do."""
        own = self._for_arrivals
        return [self.placer] if own is None else [self.placer, own]

    @property
    def for_arrivals(self) -> Placer:
        """Finds hosts for guests that arrive: limits on migrations do not hold for them."""
        if self._for_arrivals is None:
            self._for_arrivals = self._placed_by(is_open=lambda _: True)
            for host in self._hosts:
                if host.draining:
                    self._for_arrivals.close(host)
        return self._for_arrivals

    @property
    def most(self) -> float:
        """Bytes free on the emptiest host that takes guests who move."""
        return self.placer.most

    def close(self, host: Host) -> None:
        """Let a host take no more guests, until all who closed it have opened it again."""
        host.draining = True
        self._closed[host] += 1
        for placer in self.placers:
            placer.close(host)

    def reopen(self, host: Host) -> None:
        """Let a host take guests again, if nobody else has closed it."""
        self._closed[host] -= 1
        host.draining = self._closed[host] > 0
        host.away = False
        self.promised.pop(host, None)
        for placer in self.placers:
            placer.open(host)

    def measure(self, host: Host) -> bool:
        """Take note of what room a host has; return whether it has more for those who move."""
        if self._for_arrivals is not None:
            self._for_arrivals.note(host)
        return self.placer.note(host)

    def more_to_come(self) -> bool:
        """Whether guests will leave, or a host that was promised is on its way back by itself."""
        batches = self.promised.values()
        return self.leaving > 0 or any(batch is None or batch.done.triggered for batch in batches)

    def fits(self, guest: Guest, host: Host, batch: Batch) -> bool:
        """Whether a host takes a guest now, or would but for waiting for its own to come back."""
        returns = self.promised.get(host) is batch
        return self.placer.fits(guest, host, though_closed=returns)
