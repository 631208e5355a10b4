"""What a guest asks of a host, each as a test and as words for when nothing passes it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.model.terms import Circle
from dcsim.units import format_count, format_size


class Moved(NamedTuple):
    """A guest taken to have moved already."""

    guest: Guest
    source: Host
    destination: Host


class Condition(Protocol):
    """One thing that a guest asks."""

    lasting: bool
    """Whether a host that does not pass never will."""

    @property
    def have(self) -> str:
        """What hosts do that pass, after "2 hosts"."""

    def holds(self, host: Host) -> bool:
        """Whether a host passes."""

    def lack(self, host: Host) -> str:
        """Say why a host does not pass."""

    def nobody(self, left: Sequence[Host], hosts: Sequence[Host], *, some: bool) -> str:
        """Say why none of those left passes; *some* if others were ruled out before."""


class _Described:
    """A host is, or its CPUs can do, something; that does not change."""

    lasting = True

    def __init__(self, what: str, *, key: str = "", value: str = "") -> None:
        self.what = what
        self._key, self._value = key, value

    @property
    def have(self) -> str:
        return f"have {self.what}"

    def holds(self, host: Host) -> bool:
        if self._key:
            return host.label(self._key) == self._value
        return self._value in host.flags

    def lack(self, host: Host) -> str:
        return f"{host.name} does not have {self.what}"

    def nobody(self, left: Sequence[Host], hosts: Sequence[Host], *, some: bool) -> str:
        able = [host for host in hosts if self.holds(host)]
        where = f": only {_where_are(able, hosts)}" if able else ""
        shut = ", closed to guests" if able and all([host.draining for host in able]) else ""
        return f"{'none of them' if some else 'no other host'} has {self.what}{where}{shut}"


class _Memory:
    """As much memory free as it needs."""

    lasting = False

    def __init__(self, size: float, gain: Moved | None = None) -> None:
        self._size = size
        self._gain = gain

    @property
    def have(self) -> str:
        return f"have {format_size(self._size)} free"

    def holds(self, host: Host) -> bool:
        gain = self._gain
        more = gain.guest.memory_bytes if gain is not None and host is gain.source else 0.0
        return self._size <= host.free_bytes + more

    def lack(self, host: Host) -> str:
        free, size = format_size(host.free_bytes), format_size(self._size)
        return f"{host.name} has {free} free, it needs {size}"

    def nobody(self, left: Sequence[Host], hosts: Sequence[Host], *, some: bool) -> str:
        most = max(left, key=lambda host: host.free_bytes)
        free, size = format_size(most.free_bytes), format_size(self._size)
        if some:
            return f"the most free of them is {free} on {most.name}, it needs {size}"
        return f"no other host has {size} free; the most free is {free} on {most.name}"


class _Vcpus:
    """As many vCPUs as a host may still promise."""

    lasting = False

    def __init__(self, vcpus: float, gain: Moved | None = None) -> None:
        self._vcpus = vcpus
        self._gain = gain

    @property
    def have(self) -> str:
        return f"have {_vcpus(self._vcpus)} left"

    def holds(self, host: Host) -> bool:
        gain = self._gain
        more = gain.guest.vcpus if gain is not None and host is gain.source else 0.0
        return host.used_vcpus + self._vcpus <= host.limit_vcpus + more

    def lack(self, host: Host) -> str:
        left = _vcpus(host.limit_vcpus - host.used_vcpus)
        return f"{host.name} has {left} left, it needs {_vcpus(self._vcpus)}"

    def nobody(self, left: Sequence[Host], hosts: Sequence[Host], *, some: bool) -> str:
        most = max(left, key=lambda host: host.limit_vcpus - host.used_vcpus)
        of_them = "none of them" if some else "no other host"
        rest = format_count(most.limit_vcpus - most.used_vcpus)
        return f"{of_them} has {_vcpus(self._vcpus)} left; the most is {rest} on {most.name}"


class _Apart:
    """A place without another of its set."""

    lasting = False

    def __init__(self, circle: Circle, others: Collection[Host]) -> None:
        self._by = circle.by
        self._taken = {host.label(circle.by) for host in others if not host.failed} | {None}

    @property
    def have(self) -> str:
        if self._by == "host":
            return "hold none of its set"
        return f"are in a {self._by} without another of its set"

    def holds(self, host: Host) -> bool:
        return host.label(self._by) not in self._taken

    def lack(self, host: Host) -> str:
        where = host.name if self._by == "host" else f"the {self._by} of {host.name}"
        return f"{where} holds another of its set"

    def nobody(self, left: Sequence[Host], hosts: Sequence[Host], *, some: bool) -> str:
        places = {host.label(self._by) for host in left} - {None}
        if not places:
            return f"{'none of them' if some else 'no other host'} has a label {self._by}"
        if len(places) == 1:
            return f"the one {self._by} left holds one of its set"
        return f"each of the {format_count(len(places))} {self._by}s left holds one of its set"


class _Together:
    """Where the others of its set are, or are to be; else, room for all of them.

    Those on hosts that take no guests have to leave, and tie it to nothing: the first to go chooses
    for all.
    """

    lasting = False

    def __init__(
        self, circle: Circle, others: Sequence[Host], closed: Collection[Host], guest: Guest
    ) -> None:
        self._by = circle.by
        standing = [host for host in others if not host.failed]
        staying = [host for host in standing if host not in closed]
        self._at = dict.fromkeys(host.label(circle.by) for host in staying)
        self._whole_bytes = 0.0
        if circle.by == "host" and not staying:
            self._whole_bytes = guest.memory_bytes + sum(
                [
                    other.memory_bytes
                    for host in standing
                    for other in host.guests
                    if other is not guest and other.terms and other.terms.together == circle
                ]
            )

    @property
    def have(self) -> str:
        if self._at:
            return f"are where its set is, {self._where}"
        if self._by == "host":
            return f"have {format_size(self._whole_bytes)} free for its whole set"
        return f"have a label {self._by}"

    def holds(self, host: Host) -> bool:
        label = host.label(self._by)
        if self._at:
            return label in self._at
        return label is not None and self._whole_bytes <= host.free_bytes

    def lack(self, host: Host) -> str:
        if self._at or self._by != "host":
            return f"{host.name} is not where its set is, {self._where}"
        free, whole = format_size(host.free_bytes), format_size(self._whole_bytes)
        return f"{host.name} has {free} free, its whole set needs {whole}"

    def nobody(self, left: Sequence[Host], hosts: Sequence[Host], *, some: bool) -> str:
        if self._at:
            return f"its set is {self._where}, where no host is left"
        if self._by != "host":
            return f"{'none of them' if some else 'no other host'} has a label {self._by}"
        most = max(left, key=lambda host: host.free_bytes)
        return (
            f"its set stays on one host and needs {format_size(self._whole_bytes)} there; "
            f"the most free is {format_size(most.free_bytes)} on {most.name}"
        )

    @property
    def _where(self) -> str:
        places = ", ".join(str(place) for place in self._at)
        if self._by == "host":
            return f"on {places}"
        return f"in {places}" if self._by == "rack" else f"in {self._by} {places}"


def conditions(
    guest: Guest,
    hosts: Sequence[Host],
    closed: Collection[Host],
    *,
    vcpus: bool,
    moved: Moved | None = None,
) -> list[Condition]:
    """Return what a guest asks of a host.

    Parameters
    ----------
    guest
        Who asks.
    hosts
        All there are.
    closed
        Those that take no guests.
    vcpus
        Whether any host promises no more than so many.
    moved
        Another guest that is taken to have moved.
    """
    asked: list[Condition] = []
    if guest.terms is not None:
        requires, cpu_flags, apart, together = guest.terms
        asked += [_Described(f"{key}={value}", key=key, value=value) for key, value in requires]
        asked += [_Described(f"cpu flag {flag}", value=flag) for flag in cpu_flags]
        if apart is not None:
            asked.append(_Apart(apart, _others(apart, guest, hosts, moved)))
        if together is not None:
            others = _others(together, guest, hosts, moved)
            asked.append(_Together(together, others, closed, guest))
    asked.append(_Memory(guest.memory_bytes, moved))
    if vcpus:
        asked.append(_Vcpus(guest.vcpus, moved))
    return asked


def _others(circle: Circle, guest: Guest, hosts: Sequence[Host], moved: Moved | None) -> list[Host]:
    """Return the hosts on which others of a set are, or to which they are to come."""
    counts = dict(hosts[0].whereabouts.get(circle, {})) if hosts else {}
    if moved is not None and moved.guest.terms and circle in moved.guest.terms.circles:
        counts[moved.source] = counts.get(moved.source, 0) - 1
        counts[moved.destination] = counts.get(moved.destination, 0) + 1
    return [
        host
        for host, count in counts.items()
        if count > (guest in host.guests or guest in host.reserved)
    ]


def _where_are(some: Sequence[Host], hosts: Sequence[Host]) -> str:
    """Say where hosts are: by their racks if those are whole, else by their names."""
    racks = dict.fromkeys(host.rack for host in some)
    whole = len(some) > 1 and len(some) == len([host for host in hosts if host.rack in racks])
    names = list(racks) if whole else [host.name for host in some]
    listed = ", ".join(names if len(names) <= 4 else [*names[:2], "...", names[-1]])
    return f"{'in' if whole else 'on'} {listed}"


def _vcpus(number: float) -> str:
    return "1 vCPU" if number == 1 else f"{format_count(number)} vCPUs"
