"""The networks that can be asked for: hosts, storage and the links between them."""

from collections.abc import Collection
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from dcsim.scenario import library
from dcsim.scenario.base import Later, Spec, wrong
from dcsim.scenario.quantities import Count, Duration, Positive, Rate, Share, Size, written

TrafficKind = Literal["migration", "prefetch", "refault", "write-back", "application"]
"""What the bytes of a flow are for."""


Label = Annotated[str, Field(min_length=1, max_length=200)]
BUILT_IN: Final = ("host", "rack")
"""Labels that every host has: its name, and its rack's."""


class Overcommit(Spec):
    """How much is promised to guests: what they may have together, not what there is."""

    memory: float = Field(default=1.0, gt=0, le=1000, description="bytes for each byte there is")
    cpu: float | None = Field(
        default=None, gt=0, le=1000, description="vCPUs for each core; unset: no bound"
    )


class Host(Spec):
    """One kind of host."""

    cores: Count = Field(
        default=32, ge=1, description="CPU cores that guests and migration threads share"
    )
    memory: Annotated[Size, Positive] = Field(
        default=written("256GiB"), description="memory for guests"
    )
    disk_read: Annotated[Rate, Positive] | None = Field(
        default=None, description="its local disks, for copies of guests' disks; unset: no bound"
    )
    disk_write: Annotated[Rate, Positive] | None = Field(
        default=None, description="the same for copies that come in, and mirrored writes"
    )
    idle_power_w: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None, description="watts that it takes when it is on and idle; unset: not known"
    )
    overcommit: Overcommit | None = Field(
        default=None, description="what is promised to guests; unset: all memory, any vCPUs"
    )


class Hosts(Spec):
    """Hosts that differ from the others, in what is given."""

    match: str = Field(max_length=200, description="name pattern, e.g. rack0/*")
    cores: Count | None = Field(default=None, ge=1)
    memory: Annotated[Size, Positive] | None = Field(default=None, description="for guests")
    labels: dict[Label, Label] | None = Field(
        default=None, description="what guests and operations select hosts by, e.g. {zone: a}"
    )
    cpu_flags: list[Label] | None = Field(default=None, description="what their CPUs can do")

    @model_validator(mode="after")
    def _own_labels(self) -> Self:
        for key in BUILT_IN:
            if key in (self.labels or {}):
                raise wrong("every host has this label already, after its name", "labels", key)
        return self


class Storage(Spec):
    """The shared storage that guests read their files from and write them back to."""

    bandwidth: Annotated[Rate, Positive] = Field(
        default=written("20Gbit/s"), description="all readers and writers together"
    )
    iops: float = Field(
        default=200_000, gt=0, description="operations of one page each, all together"
    )
    latency: Duration = Field(default=written("500us"), description="of one unloaded read")
    link: Annotated[Rate, Positive] = Field(
        default=written("40Gbit/s"), description="each of its links into the network"
    )


class Fabric(Spec):
    """What every topology has."""

    host: Host = written({})
    hosts: list[Hosts] | None = Field(
        default=None,
        max_length=100_000,
        description="hosts that differ; of two entries for one host the later one holds",
    )
    storage: Storage = written({})
    goodput: Annotated[Share, Positive] = Field(
        default=0.94, description="share of a link's rate that carries payload"
    )
    routing: Literal["ecmp", "even-split", "d-mod-k"] = Field(
        default="ecmp",
        description="which of several shortest paths: one by flow hash, all, or by destination",
    )
    latency: Duration = Field(default=written("20us"), description="of one link")
    host_link: Annotated[Rate, Positive] = Field(
        default=written("25Gbit/s"), description="each host to its switch, each way"
    )
    migration_link: Annotated[Rate, Positive] | None = Field(
        default=None,
        description="each host to one switch for migrations alone, each way; unset: they share",
    )
    weights: dict[TrafficKind, Annotated[float, Field(gt=0, le=1e6)]] = Field(
        default={},
        description="weight of a flow of each kind where links are shared; 1 if left out",
    )


class TwoHosts(Fabric):
    """Two hosts (rack0/host0, rack0/host1) on one switch."""

    kind: Literal["two-hosts"] = "two-hosts"


class LeafSpine(Fabric):
    """Racks with one leaf switch each, every leaf linked to every spine."""

    kind: Literal["leaf-spine"] = "leaf-spine"
    leaves: Count = Field(default=4, ge=1, le=4096)
    hosts_per_leaf: Count = Field(default=8, ge=1, le=4096)
    spines: Count = Field(default=2, ge=1, le=1024)
    uplink: Annotated[Rate, Positive] = Field(
        default=written("40Gbit/s"), description="each leaf to each spine, each way"
    )


class FatTree(Fabric):
    """The k-ary fat tree: k pods of k/2 racks of k/2 hosts."""

    kind: Literal["fat-tree"] = "fat-tree"
    k: Count = Field(default=8, ge=2, le=64, multiple_of=2)
    uplink: Annotated[Rate, Positive] = Field(
        default=written("25Gbit/s"), description="each link between switches, each way"
    )


class ThreeTier(Fabric):
    """Racks under aggregation switches under core switches."""

    kind: Literal["three-tier"] = "three-tier"
    cores: Count = Field(default=2, ge=1, le=256)
    aggregations: Count = Field(default=2, ge=1, le=1024)
    racks_per_aggregation: Count = Field(default=4, ge=1, le=1024)
    hosts_per_rack: Count = Field(default=8, ge=1, le=4096)
    uplink: Annotated[Rate, Positive] = Field(
        default=written("20Gbit/s"), description="each rack to its aggregation switch, each way"
    )
    core_link: Annotated[Rate, Positive] = Field(
        default=written("40Gbit/s"), description="each aggregation to each core switch, each way"
    )


class TwoSites(Fabric):
    """Two leaf-spine sites (site0-rack0/host0 ...) over one wide-area link; storage at site 0."""

    kind: Literal["two-sites"] = "two-sites"
    leaves: Count = Field(default=2, ge=1, le=4096, description="racks a site")
    hosts_per_leaf: Count = Field(default=8, ge=1, le=4096)
    spines: Count = Field(default=2, ge=1, le=1024, description="spines a site")
    uplink: Annotated[Rate, Positive] = Field(
        default=written("40Gbit/s"), description="each leaf to each spine, each way"
    )
    wan: Annotated[Rate, Positive] = Field(
        default=written("10Gbit/s"), description="the link between the sites, each way"
    )
    wan_latency: Duration = Field(
        default=written("10ms"), description="of the link between the sites, one way"
    )

    @model_validator(mode="after")
    def _no_common_switch(self) -> Self:
        if self.migration_link is not None:
            raise wrong("two sites have no switch that all hosts share", "migration_link")
        return self


class GraphNode(Spec):
    """A node of a graph written out; a host is called `rack/name`."""

    name: str = Field(min_length=1, max_length=200)
    kind: Literal["host", "switch", "storage", "outside"] = "switch"


class GraphLink(Spec):
    """A full-duplex link of a graph written out."""

    ends: list[str] = Field(min_length=2, max_length=2, description="names of two nodes")
    capacity: Annotated[Rate, Positive] = Field(description="each way")
    latency: Duration = Field(default=written("20us"), description="one way")


class Graph(Fabric):
    """Any network: its nodes and links written out."""

    kind: Literal["graph"] = "graph"
    nodes: list[GraphNode] = Field(min_length=2, max_length=200_000)
    links: list[GraphLink] = Field(min_length=1, max_length=1_000_000)

    def _idle(self) -> Collection[str]:
        return {"host_link"} if self.migration_link else {"host_link", "latency"}

    @model_validator(mode="after")
    def _own_links(self) -> Self:
        problem = "means nothing for a graph, whose links are written out"
        for key in sorted(self.model_fields_set.intersection(self._idle())):
            raise wrong(problem, key)
        if self.storage.link != Storage().link:
            raise wrong(problem, "storage", "link")
        return self


Topology = Annotated[
    TwoHosts | LeafSpine | FatTree | ThreeTier | TwoSites | Graph,
    Later(),
    BeforeValidator(lambda value: library.resolve(kind="topologies", value=value)),
]
