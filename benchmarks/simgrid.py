"""The same scenario in dcsim and in SimGrid: what comes of it, and what it costs to find out.

An evacuation of a fat tree (`--vms`, `--sources`, `--cap`, `--dirty`), or plain transfers
(`--flows`). SimGrid runs `sg_bench`, the yardstick in ../shared/anchors/simgrid, whose README
defines the scenario. Seconds, bytes and bytes per second; CPU and memory are of whole processes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the process that measures stays small: it imports no simulator
    import dcsim

ROOT = Path(__file__).resolve().parent.parent
YARDSTICK = ROOT.parent / "shared" / "anchors" / "simgrid"
PLAIN_MAX_MIN = (
    "--cfg=network/model:CM02", "--cfg=network/crosstraffic:0", "--cfg=network/TCP-gamma:0",
    "--cfg=contexts/stack-size:64", "--log=root.thres:error",
)  # fmt: skip
ALL_AT_ONCE = ("--cfg=network/optim:Full", "--cfg=network/maxmin-selective-update:no")
"""The yardstick's fairest settings, and what makes its flows fastest, as in its Makefile."""

BANDWIDTH = 1.25e9
MEMORY = 2**33
WORKING_SET = 0.9  # of the memory: no round dirties more
NOTHING = dict.fromkeys(("free_zero", "free_stale", "cache", "kernel"), 0)

Data = dict[str, Any]


class Draws:
    """The yardstick's random numbers: splitmix64 (Steele, Lea and Flood, 2014)."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, count: int) -> int:
        """Draw an integer."""
        word = 2**64 - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & word
        z = ((self.state ^ (self.state >> 30)) * 0xBF58476D1CE4E5B9) & word
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & word
        return (z ^ (z >> 31)) % count

    def share(self) -> float:
        """Draw a number from 0 to 1."""
        return (self.below(2**64) >> 11) * 2.0**-53

    def exponential(self, mean: float) -> float:
        """Draw from an exponential distribution."""
        return mean * -math.log(1 - self.share())


def fat_tree(k: int) -> Data:
    """Return the network, as a topology spec: 10 Gbit/s everywhere, no latency."""
    return {
        "kind": "fat-tree",
        "k": k,
        "host_link": BANDWIDTH,
        "uplink": BANDWIDTH,
        "goodput": 1,
        "latency": 0,
        "routing": "d-mod-k",
    }


def evacuation(
    *, k: int, vms: int, sources: int, cap: int, seed: int, dirty: tuple[float, float]
) -> dcsim.Scenario:
    """Return the evacuation: guests leave evenly spread hosts for random others, in order.

    A sweep of 0.9 of the memory dirties in proportion to time up to that share, as SimGrid has it;
    unlike there, parts of bytes count.
    """
    import dcsim

    rack = k // 2
    hosts = [f"rack{i // rack}/host{i % rack}" for i in range(k**3 // 4)]
    leaving = hosts[:: len(hosts) // sources][:sources]
    left = set(leaving)
    staying = [host for host in hosts if host not in left]
    draws = Draws(seed)
    low, high = dirty
    homes = [host for host in leaving for _ in range(vms)]
    targets, rates = [], []
    for _ in homes:
        targets.append(staying[draws.below(len(staying))])
        rates.append(BANDWIDTH * (low + (high - low) * draws.share()))
    write = {"do": "write", "rate": 1, "work": 0, "set": WORKING_SET, "pattern": "sequential"}
    guests = {
        "name": "vm",
        "memory": MEMORY,
        "workload": {"memory": NOTHING, "activities": [write]},
        "each": {"place.hosts": homes, "workload.activities[0].rate": rates},
    }
    moves = {"guest": [f"vm-{n}" for n in range(len(homes))], "to": targets}
    return dcsim.Scenario.model_validate(
        {
            "name": "evacuation",
            "horizon": 1e9,
            "topology": fat_tree(k) | {"host": {"memory": len(homes) * MEMORY}},
            "guests": [guests],
            "migration": "fluid",
            "operation": {"kind": "moves", "moves": moves, "limits": {"per_host_out": cap}},
            "settle": 0,
            "record": "migrations",
        }
    )


def evacuate(**scenario: Any) -> Data:
    """Run the evacuation in dcsim."""
    import dcsim

    metrics = dcsim.run(evacuation(**scenario)).metrics
    assert metrics["completed"] == metrics["requested"]
    return {
        "makespan": metrics["makespan_s"],
        "mean_mig_s": metrics["migration_mean_s"],
        "rounds": metrics["rounds"],
    }


def transfer(*, k: int, seed: int, flows: tuple[str, int, float], mean: float = 1e8) -> Data:
    """Run plain transfers over dcsim's network, between random hosts, exponential sizes.

    ``open N LOAD``: N of them start as a Poisson process that asks for this share of all hosts'
    bandwidth. ``closed N EACH``: N at a time, each of them followed by another, EACH in turn.
    """
    import simpy

    from dcsim.model.network import Network
    from dcsim.model.routing import Routes
    from dcsim.scenario.spec import FatTree
    from dcsim.scenario.topology import build

    fabric = build(FatTree.model_validate(fat_tree(k)))
    hosts = len(fabric.hosts)
    routes = Routes(fabric, routing="d-mod-k")
    env = simpy.Environment()
    network = Network(env, fabric.capacity_bytes_per_s)
    ends: list[float] = []

    def send(source: int, target: int, size: int) -> Iterator[simpy.Event]:
        flow = network.open(routes.route(source, target), kind="application")
        yield network.send(flow, size)
        network.close(flow)
        ends.append(env.now)

    def drawn(draws: Draws) -> tuple[int, int, int]:
        source, target = draws.below(hosts), draws.below(hosts - 1)
        return source, target + (target >= source), 1 + int(draws.exponential(mean))

    def arrive(count: int, load: float) -> Iterator[simpy.Event]:
        draws = Draws(seed)
        for _ in range(count):
            yield env.timeout(draws.exponential(mean / (load * hosts * BANDWIDTH)))
            env.process(send(*drawn(draws)))

    def repeat(slot: int, each: int) -> Iterator[simpy.Event]:
        draws = Draws(seed + 7919 * slot)
        for _ in range(each):
            yield from send(*drawn(draws))

    mode, count, extent = flows
    if mode == "open":
        env.process(arrive(count, extent))
    else:
        for slot in range(count):
            env.process(repeat(slot, int(extent)))
    env.run()
    return {"makespan": max(ends), "flows": len(ends)}


# ----------------------------------------------------------------------- both, side by side


def build_yardstick(folder: Path = YARDSTICK) -> Path:
    """Build the yardstick into build/; return its program.

    Raises
    ------
    RuntimeError
        If it cannot be built, saying what is missing.
    """
    if not (folder / "sg_bench.cpp").is_file():
        message = f"the source of the yardstick, sg_bench.cpp, is not in {folder}"
        raise RuntimeError(message)
    program = ROOT / "build" / "sg_bench"
    program.parent.mkdir(exist_ok=True)
    command = ["make", "--quiet", "-C", str(folder), f"BIN={program}"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise RuntimeError("there is no make") from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip() or "make failed").splitlines()[0]
        message = f"the yardstick needs g++ and SimGrid (on Debian: libsimgrid-dev): {reason}"
        raise RuntimeError(message) from None
    return program


def yardstick_arguments(options: Data) -> list[str]:
    """Return the yardstick's arguments for a scenario of `evacuate` or `transfer`."""
    k, seed = options["k"], options["seed"]
    if flows := options.get("flows"):
        mode, count, extent = flows
        extent = extent if mode == "open" else int(extent)
        arguments = [mode, k, count, extent, seed, options.get("mean", 1e8)]
    else:
        mode = "vm" if options.get("plugin") else "comm"
        numbers = (options[name] for name in ("vms", "sources", "cap"))
        arguments = [mode, k, *numbers, seed, *options["dirty"]]
    return [*map(str, arguments), *PLAIN_MAX_MIN, *(() if mode == "vm" else ALL_AT_ONCE)]


def simulate_with_simgrid(program: Path, options: Data) -> Data:
    """Run a scenario in SimGrid; return the same figures as dcsim's and what they cost."""
    told = measured([str(program), *yardstick_arguments(options)])
    told["flows"] = told.pop("done")
    names = ("makespan", "flows") if "flows" in options else ("makespan", "mean_mig_s", "rounds")
    if options.get("plugin"):  # it does not tell its rounds
        names = ("makespan", "mean_mig_s")
    return {name: told[name] for name in (*names, "cpu_s", "peak_mib")}


def measured(command: Sequence[str], **environment: str) -> Data:
    """Run a program; return what the whole process cost, and what it printed if that is JSON.

    Python may keep its bytecode, as an installed package does.
    """
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": ""} | environment
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=folder, env=env
    ) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    cost = {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}
    return (json.loads(text) if text.startswith("{") else {}) | cost


def measure_dcsim(arguments: Sequence[str]) -> Data:
    """Run a scenario in dcsim; return its figures and what they cost, its bytecode being there."""
    command = [sys.executable, str(Path(__file__).resolve()), "--dcsim"]
    measured([*command, "--k", "4", "--vms", "1", "--sources", "1"])
    return measured([*command, *arguments])


def scenario_of(options: argparse.Namespace) -> Data:
    """Return what is to be simulated, or say what cannot be."""
    k, hosts = options.k, options.k**3 // 4
    if k < 2 or k % 2:
        sys.exit(f"--k is {k}; a fat tree has an even k of at least 2")
    if options.flows:
        mode, count, extent = options.flows
        if mode not in ("open", "closed"):
            sys.exit(f"--flows is {mode}; legal is open N LOAD and closed N EACH")
        if options.plugin:
            sys.exit("--plugin has no plain transfers: leave out --flows")
        return {"k": k, "seed": options.seed, "flows": (mode, int(count), float(extent))}
    if min(options.vms, options.cap) < 1:
        sys.exit(f"--vms is {options.vms} and --cap {options.cap}; both are at least 1")
    if not 1 <= options.sources < hosts:
        sys.exit(f"--sources is {options.sources}; of {hosts} hosts 1 to {hosts - 1} can be left")
    names = ("k", "vms", "sources", "cap", "seed")
    return {name: getattr(options, name) for name in names} | {"dirty": tuple(options.dirty)}


def main() -> None:
    """Run both and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--k", type=int, default=8, help="size of the fat tree of k^3/4 hosts")
    parser.add_argument("--vms", type=int, default=16, help="guests on each host that is left")
    parser.add_argument("--sources", type=int, default=64, help="hosts that are left")
    parser.add_argument("--cap", type=int, default=2, help="migrations out of a host at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--dirty",
        type=float,
        nargs=2,
        default=(0.005, 0.03),
        metavar=("LO", "HI"),
        help="range of dirty rates, in shares of a link; what exceeds its own never ends",
    )
    parser.add_argument(
        "--flows",
        nargs=3,
        metavar=("MODE", "N", "X"),
        help="plain transfers instead: open N LOAD, or closed N EACH",
    )
    parser.add_argument(
        "--plugin", action="store_true", help="SimGrid by its live-migration plugin (slow)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--dcsim", action="store_true", help="dcsim alone, in this process")
    parser.add_argument("--yardstick", type=Path, default=YARDSTICK, help="where its source is")
    options = parser.parse_args()
    scenario = scenario_of(options)
    if options.dcsim:
        print(json.dumps(transfer(**scenario) if options.flows else evacuate(**scenario)))
        return
    try:
        program = build_yardstick(options.yardstick)
    except RuntimeError as error:
        sys.exit(f"no comparison: {error}; --dcsim runs without it")
    ours = measure_dcsim(sys.argv[1:])
    theirs = simulate_with_simgrid(program, scenario | {"plugin": options.plugin})
    ratio = ours["cpu_s"] / theirs["cpu_s"]
    if options.json:
        print(json.dumps({"dcsim": ours, "simgrid": theirs, "ratio_cpu": ratio}))
        return
    print(f"{'':12}{'dcsim':>16}{'SimGrid':>16}")
    for name, value in theirs.items():
        print(f"{name:12}{ours[name]:16.6f}{value:16.6f}")
    print(f"{'ratio_cpu':12}{ratio:16.2f}")


if __name__ == "__main__":
    main()
