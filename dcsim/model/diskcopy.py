"""The copy of a guest's local disk, and the mirror of what it writes meanwhile. Bytes, seconds.

First the disk is copied; from then until the switch-over, all the time, what the guest writes to
its disk is written at the destination too. What the mirror could not carry is copied again, before
the memory is sent and once more while the guest is paused.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, NamedTuple

import simpy

from dcsim.model.network import Flow, Network
from dcsim.model.routing import Path
from dcsim.units import PAGE


class LocalDisk(NamedTuple):
    """The fields of `dcsim.scenario.hosted.LocalDisk`."""

    size: float
    used: float
    writes: float


class Disks(NamedTuple):
    """The hosts' disks, as links after those of the network; a host without has no bound.

    Attributes
    ----------
    read, write
        Link of each host's node.
    """

    read: dict[int, int]
    write: dict[int, int]

    def between(self, path: Path, source: int, destination: int) -> Path:
        """Return a path from disk to disk."""
        return self.onto(_through(path, self.read.get(source), first=True), destination)

    def onto(self, path: Path, destination: int) -> Path:
        """Return a path that ends on a disk."""
        return _through(path, self.write.get(destination), first=False)


def _through(path: Path, link: int | None, *, first: bool) -> Path:
    """Return a path that crosses one link more, with all of its flow."""
    if link is None:
        return path
    shares = path.shares
    if shares is not None:
        shares = (1.0, *shares) if first else (*shares, 1.0)
    links = (link, *path.links) if first else (*path.links, link)
    return path._replace(links=links, shares=shares)


class DiskCopy:
    """One disk on its way.

    Parameters
    ----------
    network
        What it goes over.
    disk
        How large it is, how much of it is in use, how fast it is written.
    path, mirror
        Ways of the copy and of the mirrored writes.
    bandwidth
        Cap of the copy, in bytes per second.
    """

    def __init__(
        self, network: Network, disk: LocalDisk, path: Path, mirror: Path, *, bandwidth: float
    ) -> None:
        self._network = network
        self._disk = disk
        self._began = network.env.now
        self._ended = math.inf
        self._stopped = False
        self._bandwidth = bandwidth
        self._copy = network.open(path, kind="disk copy", cap=0.0)
        self._mirror = network.open(mirror, kind="mirror write", cap=disk.writes)

    @property
    def copied_bytes(self) -> float:
        """Bytes copied so far, what the mirror missed included."""
        return self._network.account(self._copy)

    @property
    def mirrored_bytes(self) -> float:
        """Bytes of mirrored writes so far."""
        return self._network.account(self._mirror)

    def run(self, *, until_s: float) -> Generator[simpy.Event, Any, bool]:
        """Copy the disk and what its mirror missed; return whether that was done in time."""
        while (left := self._left()) >= PAGE:
            yield from self._send(left, until_s=until_s)
            if self._stopped or self._network.env.now >= until_s:
                return False
        return True

    def finish(self) -> Generator[simpy.Event, Any]:
        """End the mirror, the guest paused, and copy what it missed."""
        self._ended = self._network.env.now
        self._network.close(self._mirror)
        if (left := self._left()) >= PAGE and not self._stopped:
            yield from self._send(left, until_s=math.inf)
        self.close()

    def reroute(self, path: Path, mirror: Path) -> None:
        """Let the copy and the mirror go other ways."""
        self._network.reroute(self._copy, path)
        self._network.reroute(self._mirror, mirror)

    def stop(self) -> None:
        """Copy no more: what it goes over, or where, has failed."""
        self._stopped = True
        self.close()

    @property
    def flows(self) -> tuple[Flow, Flow]:
        """The copy and its mirror."""
        return self._copy, self._mirror

    @property
    def links(self) -> tuple[int, ...]:
        """Links that it goes over."""
        return tuple(self._copy.links)

    def close(self) -> None:
        """Leave the copy as it is."""
        self._ended = min(self._ended, self._network.env.now)
        self._network.close(self._mirror)
        self._network.close(self._copy)

    def _left(self) -> float:
        """Return the bytes that the copy lacks."""
        written = self._disk.writes * (min(self._ended, self._network.env.now) - self._began)
        whole = self._disk.size * self._disk.used + written
        return whole - self.copied_bytes - self.mirrored_bytes

    def _send(self, size: float, *, until_s: float) -> Generator[simpy.Event, Any]:
        """Copy so many bytes; between two copies the flow takes nothing."""
        self._network.set_cap(self._copy, self._bandwidth)
        yield self._network.send(self._copy, size, until_s=until_s)
        self._network.set_cap(self._copy, 0.0)
