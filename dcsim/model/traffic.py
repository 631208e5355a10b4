"""What a guest itself has of the network: refaults, write-back, what it sends. Pages, seconds.

It asks for what its rates need, as caps of its flows; what storage and links grant comes back to
its paces.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

import simpy

from dcsim.model.memory import WRITEBACK_AGE_S
from dcsim.units import PAGE

if TYPE_CHECKING:
    from dcsim.model.guest import Guest
    from dcsim.model.network import Flow
    from dcsim.model.touch import Pages

RATE = attrgetter("rate")


class Traffic:
    """The flows of one guest, open while it runs.

    Attributes
    ----------
    written_bytes
        Bytes written back by flows that have ended.
    """

    __slots__ = (
        "_aging", "_brought", "_detoured", "_flush", "_granted", "_guest", "_missing", "_promised",
        "_refault", "_sends", "_waited", "_writeback", "_written", "written_bytes",
    )  # fmt: skip

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._refault: Flow | None = None
        self._writeback: Flow | None = None
        self._flush: Flow | None = None
        self._brought: list[int] = []  # pages that come with a miss of each reader
        self._missing = 0.0
        self._aging: list[tuple[float, Pages]] = []
        self._sends: dict[int, Flow] = {}  # of each activity that does
        self._waited: list[Flow] = []  # those of them all that set a pace: refaults, then sends
        self._granted: list[float] = []  # their rates
        self._promised: list[float] = []  # what the guest is to reckon with
        self._written: list[float] = []  # rates of those that write files
        self._detoured = False  # whether some of it may go around a link that is down
        self.written_bytes = 0.0

    def open(self) -> None:
        """Open what the guest needs, on the host where it is."""
        guest, storage = self._guest, self._guest.storage
        assert guest.host is not None
        node, profile = guest.host.node, guest.profile
        self._detoured = storage.detours
        if profile.reads:
            self._refault = storage.reader(node, guest.name, on_rate=guest.look)
            readers = guest.memory.readers
            self._brought = [1 if r.sequential else r.read_ahead for r in readers]
        if profile.flushes:
            self._writeback = storage.writer(node, guest.name)
        self._sends = {
            i: storage.sender(node, activity.peer, f"{guest.name}/{i}", on_rate=guest.look)
            for i, activity in enumerate(profile.activities)
            if activity.do == "send"
        }
        self._waited = [] if self._refault is None else [self._refault]
        self._waited += self._sends.values()

    def close(self) -> None:
        """Close all of it."""
        for flow in (self._refault, self._writeback, *self._sends.values()):
            if flow is not None:
                self._guest.network.close(flow)
        if self._writeback is not None:
            self.written_bytes += self._writeback.sent
        self._refault = self._writeback = None
        self._sends = {}

    def reroute(self, down: frozenset[int]) -> bool:
        """Let what is open go as its way is while these links are down; return whether any did."""
        flows = (self._refault, self._writeback, self._flush, *self._sends.values())
        crossing = any(flow is not None and not down.isdisjoint(flow.links) for flow in flows)
        if not crossing and not self._detoured:
            return False
        self._detoured = bool(down)
        guest, storage, network = self._guest, self._guest.storage, self._guest.network
        assert guest.host is not None
        node, name = guest.host.node, guest.name
        if self._refault is not None and (path := storage.path(node, name, to_host=True)):
            network.reroute(self._refault, path)
        for flow in (self._writeback, self._flush):
            if flow is not None and (path := storage.path(node, name, to_host=False)):
                network.reroute(flow, path)
        for i, flow in self._sends.items():
            peer = guest.profile.activities[i].peer
            network.reroute(flow, storage.path_to(peer, node, f"{name}/{i}"))
        return True

    def leave(self) -> None:
        """Close that too which is written back for a migration."""
        self.close()
        if self._flush is not None:
            self._guest.network.close(self._flush)
            self.written_bytes += self._flush.sent
            self._flush = None

    def leave_off(self) -> None:
        """Count what flows have written that are open still, at the end of a run."""
        for flow in (self._writeback, self._flush):
            if flow is not None:
                self.written_bytes += self._guest.network.account(flow)

    # ------------------------------------------------------------------ asking

    def plan(self, rates: Sequence[float], misses: Sequence[float]) -> None:
        """Work out what these rates need: misses, and what write-back may find to write."""
        profile = self._guest.profile
        self._missing = 0.0
        for i, miss, brought in zip(profile.reads, misses, self._brought, strict=True):
            self._missing += rates[i] * miss * brought * PAGE
        written = [rates[i] for i in profile.flushes]
        if written != self._written:
            self._written = written
            self._aging = self._aging_at(written)

    def ask(self, rates: Sequence[float]) -> list[float]:
        """Ask for what these rates need; return what is served of misses, and what is sent."""
        network = self._guest.network
        if self._refault is not None:
            network.set_cap(self._refault, self._missing)
        if self._writeback is not None:
            network.set_cap(self._writeback, _unwritten(self._aging) / WRITEBACK_AGE_S * PAGE)
        for i, flow in self._sends.items():
            network.set_cap(flow, rates[i] * PAGE)
        self._granted = [*map(RATE, self._waited)]
        self._promised = self._served(self._granted)
        return self._promised

    def had(self, elapsed: float) -> list[float]:
        """Return what was served and sent on average since the last look, as `ask` does.

        Others that came and went meanwhile have changed what was granted, by less than the guest
        is told of.
        """
        waited = self._waited
        for flow in waited:
            if flow.strayed or flow.rate != flow.heard:
                break
        else:
            return self._promised
        network = self._guest.network
        return self._served(
            [
                granted + network.astray(flow) / elapsed
                for flow, granted in zip(waited, self._granted, strict=True)
            ]
        )

    def _served(self, rates: Sequence[float]) -> list[float]:
        """Return the share of misses that is served at these rates, and what is sent."""
        if self._refault is None:
            return [1.0, *rates]
        served = min(1.0, rates[0] / self._missing) if self._missing > 0 else 1.0
        return [served, *rates[1:]]

    def _aging_at(self, rates: Sequence[float]) -> list[tuple[float, Pages]]:
        """Return the pages of each class that writers dirty at these rates until write-back."""
        profile, writers = self._guest.profile, self._guest.memory.writers
        return [
            (c.touch.distinct(rate * WRITEBACK_AGE_S), c.frames)
            for i, rate in zip(profile.flushes, rates, strict=True)
            for c in writers[profile.activities[i].index].classes
        ]

    # ------------------------------------------------------------------ before cache is taken

    def write_back(self) -> Generator[simpy.Event]:
        """Write all dirty cache to storage."""
        guest = self._guest
        assert guest.host is not None
        rates = guest.pacing.rates
        pages = _unwritten(self._aging_at([rates[i] for i in guest.profile.flushes]))
        path = guest.storage.path(guest.host.node, guest.name, to_host=False)
        if path is not None and pages > 0:
            self._detoured |= guest.storage.detours
            self._flush = flow = guest.network.open(path, kind="write-back")
            yield guest.network.send(flow, pages * PAGE)
            guest.network.close(flow)
            self.written_bytes += flow.sent
            self._flush = None


def _unwritten(parts: Sequence[tuple[float, Pages]]) -> float:
    """Return how many pages wait for write-back: so many of each class, if they are in memory."""
    waiting = 0.0
    for pages, frames in parts:
        count = frames.count
        waiting += count if count < pages else pages
    return waiting
