"""How fast an operation could have been at best, and what kept it from being faster.

A lower bound holds for every schedule: what had to cross some links had to cross them, so many
migrations at once take so many turns, and none is faster than it is alone. It is a bound and no
plan: the best schedule may take longer. Plain numbers; seconds, bytes and bytes per second.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from dcsim.model.stream import Settings
from dcsim.units import format_many

if TYPE_CHECKING:
    from dcsim.control.admission import Caps
    from dcsim.scenario.topology import Network


class Bound(NamedTuple):
    """A time that no schedule can do without, and what it is for, in words."""

    seconds: float
    what: str


class Least(NamedTuple):
    """The least that one migration takes in any schedule.

    Attributes
    ----------
    guest, host
        Who, and where it was.
    to
        Where it had to go; empty for anywhere.
    sent_bytes
        What had to be sent, once.
    sending_s
        How long that takes at best.
    before_s, after_s
        What management takes before the first byte at least, and what it takes after the last one.
    """

    guest: str
    host: str
    to: str = ""
    sent_bytes: float = 0.0
    sending_s: float = 0.0
    before_s: float = 0.0
    after_s: float = 0.0

    @property
    def alone_s(self) -> float:
        """How long it takes by itself."""
        return self.before_s + self.sending_s + self.after_s


class Cut(NamedTuple):
    """Links that all who leave some hosts cross, or all who come to them.

    Attributes
    ----------
    what
        In words.
    capacity
        Of all of them together, in bytes per second.
    inside
        The hosts.
    comes
        Whether it is about who comes to them.
    """

    what: str
    capacity: float
    inside: frozenset[str]
    comes: bool = False


# ---------------------------------------------------------------------- what every schedule takes


def lower_bound(
    moves: Sequence[Least],
    *,
    cuts: Iterable[Cut] = (),
    closed: Collection[str] = (),
    per_cluster: float = math.inf,
    per_host_out: float = math.inf,
    hosts_at_once: float = math.inf,
    maintenance_s: Mapping[str, float] | None = None,
) -> Bound:
    """Return the least time for an operation, and what it is for.

    Parameters
    ----------
    moves
        Its migrations, each guest once.
    cuts
        Links that they may have had to cross; see `cuts_of`.
    closed
        Hosts that took no guests all the time.
    per_cluster, per_host_out
        Migrations at once, in all and out of a host.
    hosts_at_once
        Hosts that may be emptied or away at once.
    maintenance_s
        For how long each host is away at least, when it is empty.

    Returns
    -------
    Bound
        0 s where nothing had to be done.

    Examples
    --------
    >>> moves = [Least(f"files-{n}", "rack0/host0", sending_s=10.0 + n) for n in range(4)]
    >>> lower_bound(moves, per_cluster=2)
    Bound(seconds=23.0, what='2 at a time in the cluster')
    >>> lower_bound(moves)
    Bound(seconds=13.0, what='files-3 alone')
    """
    by_host: dict[str, list[Least]] = defaultdict(list)
    coming: dict[str, list[Least]] = defaultdict(list)
    for move in moves:
        by_host[move.host].append(move)
        if move.to:
            coming[move.to].append(move)
    emptied: dict[str, list[Bound]] = {}
    for host, own in by_host.items():
        emptied[host] = list(_one_host(host, own, per_host_out))
    bounds, shut = [Bound(0.0, "nothing had to be done")], frozenset(closed)
    for cut in cuts:
        around = None if cut.comes or len(cut.inside) > 1 else emptied.get(min(cut.inside))
        bound = _through(cut, coming if cut.comes else by_host, shut)
        (bounds if around is None else around).append(bound)
    bounds += chain.from_iterable(emptied.values())
    times = [move.alone_s for move in moves]
    bounds.append(Bound(_turns(times, per_cluster), f"{per_cluster:g} at a time in the cluster"))
    if maintenance_s is not None or hosts_at_once < math.inf:
        away_s = dict.fromkeys(by_host, 0.0) | dict(maintenance_s or {})
        for host in away_s:
            away_s[host] += max((bound.seconds for bound in emptied.get(host, ())), default=0.0)
        slowest = max(away_s, key=away_s.__getitem__, default="")
        bounds.append(Bound(away_s.get(slowest, 0.0), f"{slowest} alone"))
        turns = _turns(list(away_s.values()), hosts_at_once)
        bounds.append(Bound(turns, f"{format_many(hosts_at_once, 'host')} at a time"))
    return max(bounds, key=lambda bound: bound.seconds)


def _one_host(host: str, moves: list[Least], at_once: float) -> Iterator[Bound]:
    """Yield the bounds on emptying one host, but for what its links carry."""
    longest = max(moves, key=lambda move: move.alone_s)
    yield Bound(longest.alone_s, f"{longest.guest} alone")
    turns = _turns([move.alone_s for move in moves], at_once)
    yield Bound(turns, f"{at_once:g} at a time out of {host}")


def _through(cut: Cut, moves: Mapping[str, list[Least]], closed: frozenset[str]) -> Bound:
    """Return how long what had to cross some links takes to cross them.

    Nothing crosses them before the first one may send, and after the last byte something follows.
    Who may go anywhere has to cross them if none of the hosts inside took guests.
    """
    must = len(cut.inside) == 1 or cut.inside <= closed
    own = chain.from_iterable(moves.get(host, ()) for host in sorted(cut.inside))
    crossing = [
        move
        for move in own
        if move.sent_bytes > 0
        and (must if not move.to else (move.host if cut.comes else move.to) not in cut.inside)
    ]
    if not crossing:
        return Bound(0.0, cut.what)
    size = math.fsum(move.sent_bytes for move in crossing)
    before_s = min(move.before_s for move in crossing)
    after_s = min(move.after_s for move in crossing)
    return Bound(before_s + size / cut.capacity + after_s, cut.what)


def _turns(times: list[float], at_once: float) -> float:
    """Return how long so many take at least, so many at a time.

    All at once is shared by all of them evenly at best; and of the longest, of which there is one
    too many, two have to take turns.
    """
    if not times or at_once >= len(times):
        return 0.0
    longest = sorted(times, reverse=True)
    places = int(at_once)
    return max(math.fsum(times) / at_once, longest[places - 1] + longest[places])


# ---------------------------------------------------------------------- from a scenario's numbers


def sending_s(settings: Settings, *, wire: float, capped: float, uncapped: float) -> float:
    """Return how long a stream takes at best for its bytes.

    Parameters
    ----------
    settings
        Of its migration.
    wire
        What its way carries, in bytes per second.
    capped, uncapped
        Bytes sent under the bandwidth cap, and while the guest is paused, without it.

    Notes
    -----
    Where a guest could have gone anywhere, its way is what its own host's links carry.
    """
    transport = settings.transport
    page_s = transport.send_s / transport.ratio + transport.compress_s
    page_s = (page_s + transport.whole * transport.encrypt_s) / transport.threads
    threads = transport.whole / page_s if page_s > 0 else math.inf
    best = min(wire, transport.tunnel, threads)
    return capped / min(best, settings.effective_bandwidth) + uncapped / best


def out_of_a_host(caps: Caps) -> float:
    """Return how many migrations may leave a host at once, whatever they cost."""
    costs = [(cost.most, min(cost.live, cost.disk)) for cost in caps.host_costs]
    slots = [most for _, most in caps.host_slots]
    return min(
        caps.per_host_out,
        caps.per_host,
        max(slots, default=math.inf),
        *[most // least for most, least in costs if least > 0],
    )


def cuts_of(network: Network, *, without: Collection[int] = ()) -> Iterator[Cut]:
    """Yield the links around each host, each rack and each side of a wide-area link.

    Parameters
    ----------
    network
        The network.
    without
        Links that migrations do not take.
    """
    names, hosts = network.node_names, network.hosts
    links = [
        (tail, head, capacity)
        for link, (tail, head, capacity) in enumerate(
            zip(network.tails, network.heads, network.capacity_bytes_per_s, strict=True)
        )
        if link not in without and tail != head
    ]
    out, into = dict.fromkeys(hosts, 0.0), dict.fromkeys(hosts, 0.0)
    racks_of: dict[int, set[str]] = defaultdict(set)  # at each switch
    for tail, head, capacity in links:
        if tail in out:
            out[tail] += capacity
            racks_of[head].add(network.racks[tail])
        if head in into:
            into[head] += capacity
    for host in hosts:
        name, inside = names[host], frozenset([names[host]])
        yield Cut(f"the link of {name}", out[host], inside)
        yield Cut(f"the link into {name}", into[host], inside, comes=True)
    own = {node: next(iter(racks)) for node, racks in racks_of.items() if len(racks) == 1}
    own |= {host: network.racks[host] for host in hosts}
    leaving: dict[str, float] = defaultdict(float)
    for tail, head, capacity in links:
        if tail in own and own.get(head) != own[tail]:
            leaving[own[tail]] += capacity
    inside_of: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        inside_of[network.racks[host]].append(names[host])
    for rack, inside_rack in inside_of.items():
        if leaving[rack] > 0 and len(inside_of) > 1:
            yield Cut(f"the uplinks of {rack}", leaving[rack], frozenset(inside_rack))
    yield from _sides(network, without)


def _sides(network: Network, without: Collection[int]) -> Iterator[Cut]:
    """Yield the wide-area links, seen from either side."""
    wide = network.links_of_class("wan")
    if not wide:
        return
    near: dict[int, list[int]] = defaultdict(list)
    for link, (tail, head) in enumerate(zip(network.tails, network.heads, strict=True)):
        if link not in wide and link not in without and network.node_kinds[tail] == "switch":
            near[tail].append(head)  # only switches forward
    for link in sorted(wide):
        side, frontier = {network.tails[link]}, [network.tails[link]]
        while frontier:
            reached = set(chain.from_iterable(near[node] for node in frontier)) - side
            side |= reached
            frontier = list(reached)
        capacity = math.fsum(
            network.capacity_bytes_per_s[other] for other in wide if network.tails[other] in side
        )
        inside = frozenset(network.node_names[host] for host in network.hosts if host in side)
        if network.heads[link] not in side:
            yield Cut(f"the link {network.link_names[link]}", capacity, inside)


# ---------------------------------------------------------------------- what came of a run


def critical_path(migrations: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the chain of migrations that made a run as long as it was, from the first on.

    It is followed back from the last one to end: each started because the one before had ended.

    Parameters
    ----------
    migrations
        Rows of the table of that name: ``guest``, ``started_s``, ``ended_s`` and ``after`` count.

    Examples
    --------
    >>> first = {"guest": "a", "started_s": 0.0, "ended_s": 4.0, "after": ""}
    >>> other = {"guest": "b", "started_s": 0.0, "ended_s": 7.0, "after": ""}
    >>> last = {"guest": "c", "started_s": 4.0, "ended_s": 9.0, "after": "a"}
    >>> [row["guest"] for row in critical_path([first, other, last])]
    ['a', 'c']
    """
    of: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in migrations:
        if not math.isnan(row["started_s"]):
            of[row["guest"]].append(row)
    path: list[Mapping[str, Any]] = []
    rows: Iterable[Mapping[str, Any]] = chain.from_iterable(of.values())
    while last := max(rows, key=lambda row: row["ended_s"], default={}):
        path.append(last)
        began_s, cause = last["started_s"], last["after"]
        rows = (one for one in of.get(cause, ()) if one["started_s"] < one["ended_s"] <= began_s)
    return path[::-1]


def busiest_link(links: Iterable[Mapping[str, Any]], *, seconds: float) -> tuple[str, float]:
    """Return the link that carried most of what it could have, and which share that is.

    Parameters
    ----------
    links
        Rows of the table of that name: ``link``, ``capacity_bytes_per_s``, ``carried_bytes``.
    seconds
        For how long they carried it.

    Examples
    --------
    >>> row = {"link": "a->b", "capacity_bytes_per_s": 100.0, "carried_bytes": 300.0}
    >>> busiest_link([row, row], seconds=10.0)
    ('a->b', 0.6)
    """
    shares: dict[str, float] = defaultdict(float)
    for row in links:
        if row["capacity_bytes_per_s"] > 0 and seconds > 0:
            share = row["carried_bytes"] / row["capacity_bytes_per_s"] / seconds
            shares[row["link"]] += share
    busiest = max(shares, key=shares.__getitem__, default="")
    return busiest, shares.get(busiest, 0.0)
