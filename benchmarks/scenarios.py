"""Programs that simulate with dcsim in one process, and print what that cost in it, as JSON.

``drain MODEL`` is a drain of 256 guests, the MODEL being ``plain`` or a shipped workload: the
CPU seconds of a migration, imports left out. ``warm RUNS`` is a worker of a study, which has run
something before: how many runs of 20 migrations a CPU second allows for.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dcsim

PLAIN = "plain"
RACKS, HOSTS, GUESTS = 8, 8, 4
"""Racks that are drained into as many, hosts of each, guests of each host."""
STORAGE, STRAINED = 100, 10
"""Gbit/s of storage for each rack that is drained: it keeps up with the guests, or does not."""
SMALL = {"k": 4, "vms": 5, "sources": 4, "cap": 2, "seed": 1, "dirty": (0.005, 0.03)}
"""The evacuation that `warm` runs."""

Data = dict[str, Any]


def drain(model: str, *, racks: int = RACKS, storage: float = STORAGE) -> dcsim.Scenario:
    """Return a drain of racks of equal guests into other racks, the guests as the model says.

    A shipped workload moves with a balloon held: page classes, a cache that is read and refaulted,
    application flows. The plain guest has one set of anonymous pages, written evenly at 8 MB/s,
    and sends all but its zero pages. Hosts, links, moves and hypervisor are the same.
    """
    import dcsim
    from benchmarks.simgrid import NOTHING

    plain = model == PLAIN
    write = {"do": "write", "rate": "8MB/s", "set": "12%", "work": "5us"}
    guest = {
        "workload": {"memory": NOTHING, "activities": [write]} if plain else model,
        "count": HOSTS * GUESTS,
        "vcpus": 4,
    }
    moves = [
        {"guest": f"rack{rack}-{i}", "to": f"rack{racks + rack}/host{i % HOSTS}"}
        for i in range(HOSTS * GUESTS)
        for rack in range(racks)
    ]
    return dcsim.Scenario.model_validate(
        {
            "name": f"drain-{model}",
            "topology": {
                "kind": "leaf-spine",
                "leaves": 2 * racks,
                "hosts_per_leaf": HOSTS,
                "spines": 4,
                "host_link": "25Gbit/s",
                "uplink": "100Gbit/s",
                "storage": {
                    "bandwidth": f"{racks * storage}Gbit/s",
                    "link": f"{2 * racks * storage}Gbit/s",
                    "iops": racks * storage * 10_000,
                },
            },
            "guests": [
                guest
                | {
                    "name": f"rack{rack}",
                    "memory": f"{12 + rack % RACKS}GiB",  # else racks would go in step
                    "place": {"rack": f"rack{rack}"},
                }
                for rack in range(racks)
            ],
            "migration": {"hypervisor": "qemu-10", "max_bandwidth": None},
            "hinting": "zero-page" if plain else "balloon-held",
            "operation": {
                "kind": "moves",
                "moves": moves,
                "limits": {"per_cluster": 3 * racks, "per_host_out": 2},
            },
            "settle": 0,
            "record": "migrations",
        }
    )


def cost_of_drain(model: str, *, racks: int = RACKS, storage: float = STORAGE) -> Data:
    """Return the CPU seconds of a migration, prepared and run, after a first small run."""
    import dcsim

    dcsim.run(dcsim.load("quick-start"))
    scenario = drain(model, racks=racks, storage=storage)
    start = time.process_time()
    metrics = dcsim.run(scenario).metrics
    spent = time.process_time() - start
    assert metrics["completed"] == metrics["requested"]
    return {
        "makespan": metrics["makespan_s"],
        "rounds": metrics["rounds"],
        "cpu_s_per_migration": spent / metrics["completed"],
    }


def warm(runs: int, *, size: Data = SMALL) -> Data:
    """Return the runs a CPU second of what was prepared before, and of new replicates.

    Summaries are kept, as in a sweep.
    """
    import dcsim
    from benchmarks.simgrid import evacuation

    scenario = evacuation(**size).replace({"record": "summary"})
    prepared = dcsim.prepare(scenario)
    dcsim.run(prepared)
    return {
        "prepared_runs_per_s": rate(lambda _: dcsim.run(prepared), range(runs)),
        "new_runs_per_s": rate(lambda i: dcsim.run(scenario, replicate=i), range(1, runs + 1)),
    }


def rate(act: Callable[[int], object], numbers: Iterable[int]) -> float:
    """Return how often a CPU second allows for an act."""
    start, done = time.process_time(), 0
    for number in numbers:
        act(number)
        done += 1
    return done / (time.process_time() - start)


def main() -> None:
    """Run one of the programs."""
    parser = argparse.ArgumentParser(description=__doc__)
    programs = parser.add_subparsers(dest="program", required=True)
    draining = programs.add_parser("drain", help="CPU seconds of a migration")
    draining.add_argument("model", help=f"{PLAIN}, or the name of a shipped workload")
    draining.add_argument("--racks", type=int, default=RACKS, help="how many are drained")
    draining.add_argument("--storage", type=float, default=STORAGE, help="Gbit/s for each")
    warming = programs.add_parser("warm", help="runs a CPU second")
    warming.add_argument("runs", type=int)
    options = parser.parse_args()
    if options.program == "drain":
        told = cost_of_drain(options.model, racks=options.racks, storage=options.storage)
    else:
        told = warm(options.runs)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
