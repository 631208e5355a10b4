"""The way to files: what a read waits for, and which links refaults and write-back cross."""

from __future__ import annotations

import math
from typing import Any

import pytest
import simpy
from pydantic import TypeAdapter

from dcsim.model import network as traffic
from dcsim.model.routing import Routes
from dcsim.model.storage import Storage
from dcsim.rng import Streams
from dcsim.scenario.fabric import Graph, Topology
from dcsim.scenario.topology import Network, build

LEAF_SPINE = build(TypeAdapter(Topology).validate_python("leaf-spine-4x8"))
LONELY = build(
    Graph(
        kind="graph",
        nodes=[{"name": "r/a", "kind": "host"}, {"name": "r/b", "kind": "host"}, {"name": "s"}],
        links=[
            {"ends": ["r/a", "s"], "capacity": "10Gbit/s"},
            {"ends": ["r/b", "s"], "capacity": "10Gbit/s"},
        ],
    )
)


def world(topology: Network = LEAF_SPINE, *, seed: int = 1, **options: Any) -> Any:
    """Return a storage on a topology, and the network that its traffic goes over."""
    net = traffic.Network(simpy.Environment(), topology.capacity_bytes_per_s, check=True)
    ends = {"node": topology.storage, "outside": topology.outside, "service_s": 5e-4}
    storage = Storage(net, Routes(topology), streams=Streams(seed), **ends | options)
    return storage, net


def nodes(topology: Network, links: tuple[int, ...]) -> list[int]:
    """Return the nodes that a path comes by."""
    return [topology.tails[links[0]], *(topology.heads[link] for link in links)]


def ignore() -> None:
    """Be told of a rate."""


@pytest.mark.parametrize("host", [0, 31])
def test_a_read_waits_for_the_service_and_both_ways(host: int) -> None:
    """Latency is that of the storage, and of the links there and back."""
    storage, _ = world()
    routes = Routes(LEAF_SPINE)
    way = routes.latency_s(routes.route(LEAF_SPINE.storage, host, 0))
    assert way > 0
    assert storage.latency_s(host) == pytest.approx(5e-4 + 2 * way)
    assert storage.latency_s(host) == storage.latency_s(host)
    assert world(service_s=0.0)[0].latency_s(host) == pytest.approx(2 * way)


def test_a_far_host_waits_longer() -> None:
    """Where paths differ in length, so do latencies: each host has its own."""
    sites = build(TypeAdapter(Topology).validate_python("two-sites"))
    storage, _ = world(sites)
    latencies = {storage.latency_s(host) for host in sites.hosts}
    assert len(latencies) > 1
    assert max(latencies) > 2 * min(latencies)


def test_without_shared_storage_a_read_is_served_at_home() -> None:
    """Guests on a local disk wait for it alone, and neither refault nor write over the network."""
    storage, net = world(LONELY)
    assert storage.latency_s(1) == 5e-4
    assert storage.path(0, "vm", to_host=True) is None
    assert storage.path(0, "vm", to_host=False) is None
    assert storage.reader(0, "vm", on_rate=ignore) is None
    assert storage.writer(0, "vm") is None
    assert not net.flows


def test_refaults_come_from_the_disk_to_the_host() -> None:
    """A refault crosses the storage's own service, then links to the host where the guest is."""
    storage, net = world()
    flow = storage.reader(5, "vm", on_rate=ignore)
    assert flow.links[0] == LEAF_SPINE.disk
    assert nodes(LEAF_SPINE, flow.links[1:])[0] == LEAF_SPINE.storage
    assert nodes(LEAF_SPINE, flow.links)[-1] == 5
    assert (flow.kind, flow.cap) == ("refault", 0.0)
    assert list(net.flows) == [flow]
    assert storage.path(5, "vm", to_host=True).links == flow.links


def test_write_back_goes_from_the_host_to_the_disk() -> None:
    """Write-back is the way back, and shares the storage's service with reads."""
    storage, net = world()
    flow = storage.writer(5, "vm")
    assert flow.links[-1] == LEAF_SPINE.disk
    assert nodes(LEAF_SPINE, flow.links[:-1])[0] == 5
    assert nodes(LEAF_SPINE, flow.links[:-1])[-1] == LEAF_SPINE.storage
    assert (flow.kind, flow.cap) == ("write-back", 0.0)
    assert storage.path(5, "vm", to_host=False).links == flow.links
    reader = storage.reader(5, "vm", on_rate=ignore)
    for each in (flow, reader):
        net.set_cap(each, math.inf)
    net.env.run(until=1.0)
    disk = LEAF_SPINE.capacity_bytes_per_s[LEAF_SPINE.disk]
    assert flow.rate == reader.rate == pytest.approx(disk / 2)


@pytest.mark.parametrize("peer", ["outside", "storage"])
def test_a_guest_sends_to_its_peer(peer: Any) -> None:
    """What a guest sends leaves its host for the world outside, or for the storage."""
    storage, _ = world()
    flow = storage.sender(7, peer, "vm/0", on_rate=ignore)
    way = nodes(LEAF_SPINE, flow.links)
    goal = LEAF_SPINE.outside if peer == "outside" else LEAF_SPINE.storage
    assert (way[0], goal in way) == (7, True)
    assert (flow.kind, flow.cap) == ("application", 0.0)


@pytest.mark.parametrize("peer", ["outside", "storage"])
def test_a_peer_that_is_not_there_is_named(peer: Any) -> None:
    """A topology without that node cannot carry the traffic, and the error says whose and where."""
    storage, _ = world(LONELY)
    with pytest.raises(ValueError, match=f"vm/0 sends to {peer}, which this topology does not"):
        storage.sender(0, peer, "vm/0", on_rate=ignore)


def test_the_listener_is_told_of_a_new_rate() -> None:
    """Whoever opened a reader or a sender hears what others do to it; a writer has no listener."""
    told: list[str] = []
    storage, net = world()
    flow = storage.reader(3, "vm", on_rate=lambda: told.append("read"))
    sender = storage.sender(3, "outside", "vm/0", on_rate=lambda: told.append("send"))
    writer = storage.writer(3, "vm")
    net.env.run(until=1.0)
    assert told == []
    for each in (flow, sender, writer):
        net.set_cap(each, 1e6)
    net.env.run(until=2.0)
    assert [each.rate for each in (flow, sender, writer)] == [1e6] * 3
    assert told == []
    for link in {flow.links[-1], writer.links[0]}:  # those of its host
        net.set_capacity(link, 5e5)
    net.env.run(until=3.0)
    assert sorted(told) == ["read", "send"]
    assert flow.rate == sender.rate + writer.rate == 5e5


def test_paths_are_chosen_by_name_and_seed() -> None:
    """The same guest takes the same path again; over many guests all spines are used."""
    storage, _ = world()
    names = [f"vm{i}" for i in range(40)]
    chosen = [storage.path(0, name, to_host=True).links for name in names]
    assert chosen == [world()[0].path(0, name, to_host=True).links for name in names]
    assert chosen != [world(seed=2)[0].path(0, name, to_host=True).links for name in names]
    assert len(set(chosen)) == len({links[1] for links in chosen}) > 1
    # A guest's write-back is hashed by itself: it need not come by the spine of its reads.
    back = [storage.path(0, name, to_host=False).links for name in names]
    spines = [
        (LEAF_SPINE.heads[r[1]], LEAF_SPINE.heads[w[1]]) for r, w in zip(chosen, back, strict=True)
    ]
    assert len(set(spines)) == 4
