"""What is measured, and the goals: dcsim against SimGrid, against itself, and against a clock."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Sequence
from enum import IntEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.measure import Goal, Line, Program, exponent, ratio, told
from benchmarks.scenarios import PLAIN, STRAINED
from benchmarks.simgrid import ROOT, measured, simulate_with_simgrid, yardstick_arguments

DCSIM, PYTHON = "dcsim", "dcsim in pure Python"
FLOWS, PLUGIN = "SimGrid, flows", "SimGrid, plugin"
SIMGRID, SCENARIOS, SWEEPS = (
    str(ROOT / "benchmarks" / f"{name}.py") for name in ("simgrid", "scenarios", "sweeps")
)
SERIAL, LOKY, DASK = "one process", "2 processes", "Dask, 2 processes"
DIRTY = (0.005, 0.03)
SOURCES_OF_HOSTS = 5000, 11664
"""The share of hosts that are left when growth is measured; 20 guests each, 2 at a time."""

Data = dict[str, Any]


class Extent(IntEnum):
    """How much is measured."""

    QUICK = 0
    USUAL = 1
    LARGE = 2


def ours(*arguments: str, pure: bool = False) -> partial[Data]:
    """Return what runs Python with the dcsim of this tree; *pure* leaves its kernel out."""
    environment = {"PYTHONPATH": str(ROOT)} | ({"DCSIM_KERNEL": "python"} if pure else {})
    return partial(measured, (sys.executable, *arguments), **environment)


def theirs(yardstick: Path | None, options: Data) -> partial[Data] | None:
    """Return what runs SimGrid, where it is."""
    return None if yardstick is None else partial(simulate_with_simgrid, yardstick, options)


def scenario(k: int, vms: int, sources: int) -> Data:
    """Return an evacuation that both simulate."""
    return {"k": k, "vms": vms, "sources": sources, "cap": 2, "seed": 1, "dirty": DIRTY}


def evacuating(
    options: Data, yardstick: Path | None, names: Sequence[str], *, sized: bool = False
) -> list[Program]:
    """Return the programs of these names that simulate an evacuation; *sized* tells its size."""
    count = options["vms"] * options["sources"]
    size = f", {count:,}" if sized else ""
    flags = [f"--{name} {value}" for name, value in options.items() if name != "dirty"]
    flags.append("--dirty {} {}".format(*options["dirty"]))
    words = " ".join(["--dcsim", *flags]).split()
    runs = {name: ours(SIMGRID, *words, pure=name == PYTHON) for name in (DCSIM, PYTHON)}
    for name, plugin in ((FLOWS, False), (PLUGIN, True)):
        runs[name] = theirs(yardstick, options | {"plugin": plugin})
    return [
        Program(name + size, runs[name], count, like="" if name == DCSIM else DCSIM + size)
        for name in names
    ]


def large(yardstick: Path | None) -> Line:
    """Ten thousand migrations, the size that the goals speak of."""
    return Line(
        "evacuation",
        "10,240 migrations out of 512 of 1,024 hosts",
        (*evacuating(scenario(16, 20, 512), yardstick, (DCSIM, PYTHON, FLOWS)),),
        (
            Goal("times as fast as SimGrid's flows", ratio(FLOWS, DCSIM), 30, at_least=True),
            Goal("the same in pure Python", ratio(FLOWS, PYTHON), 4, at_least=True),
        ),
    )


def small(yardstick: Path | None) -> Line:
    """A thousand migrations, where imports count and the plugin can be waited for."""
    return Line(
        "small",
        "1,024 migrations out of 64 of 128 hosts",
        (*evacuating(scenario(8, 16, 64), yardstick, (DCSIM, PYTHON, FLOWS, PLUGIN)),),
        (
            Goal("times as fast as SimGrid's flows", ratio(FLOWS, DCSIM), 0.3, at_least=True),
            Goal("times as fast as SimGrid's plugin", ratio(PLUGIN, DCSIM), 15, at_least=True),
        ),
    )


def huge(yardstick: Path | None) -> Line:
    """A hundred thousand migrations."""
    return Line(
        "huge",
        "100,000 migrations out of 5,000 of 11,664 hosts",
        (*evacuating(scenario(36, 20, 5000), yardstick, (DCSIM,)),),
        (
            Goal("CPU seconds", told(DCSIM, "cpu_s"), 15),
            Goal("peak MiB", told(DCSIM, "peak_mib"), 500),
        ),
    )


def dense(yardstick: Path | None, *, extent: Extent) -> Line:
    """Plain transfers, ten a host at once: each start and end changes a fifth of all rates."""
    k, count, each = {Extent.QUICK: (4, 160, 3), Extent.USUAL: (12, 4320, 1)}.get(
        extent, (16, 10240, 1)
    )
    options = {"k": k, "seed": 1, "flows": ("closed", count, each)}
    words = f"--dcsim --k {k} --seed 1 --flows closed {count} {each}".split()
    return Line(
        "dense",
        f"{count:,} at once on {k**3 // 4:,} hosts, {each} in turn",
        (
            Program(DCSIM, ours(SIMGRID, *words)),
            Program(FLOWS, theirs(yardstick, options), like=DCSIM),
        ),
        (Goal("times as fast as SimGrid's flows", ratio(FLOWS, DCSIM), 3, at_least=True),),
    )


def model(*, extent: Extent) -> Line:
    """The full model against the plain one: the same guests, hosts and moves."""
    drains = {PLAIN: (PLAIN,), "file-server": ("file-server",)}
    if extent > Extent.QUICK:
        drains["database"] = ("database",)
        drains["file-server, strained storage"] = ("file-server", "--storage", str(STRAINED))
    if extent == Extent.LARGE:
        drains["web-server"] = ("web-server",)
    return Line(
        "full-model",
        "256 guests of a shipped workload with a balloon held, and of one plain write set",
        tuple(Program(name, ours(SCENARIOS, "drain", *words)) for name, words in drains.items()),
        tuple(
            Goal(
                f"times the CPU of a plain migration: {name}",
                ratio(name, PLAIN, "cpu_s_per_migration"),
                3,
            )
            for name in drains
            if name in ("file-server", "database")
        ),
    )


def growth(yardstick: Path | None, *, extent: Extent) -> Line:
    """Evacuations of the same load a host on networks of more and more hosts."""
    left, of = SOURCES_OF_HOSTS
    last = {
        DCSIM: (16, 36, 36),
        PYTHON: (12, 24, 36),
        FLOWS: (12, 16, 24),
        PLUGIN: (4, 8, 12),
    }  # the largest network of each, by extent
    programs = []
    for k in (4, 8, 12, 16, 24, 36):
        options = scenario(k, 20, k**3 // 4 * left // of)
        names = [name for name, largest in last.items() if k <= largest[extent]]
        programs += evacuating(options, yardstick, names, sized=True)
    sizes = {
        program.name: program.migrations
        for program in programs
        if program.name.startswith(f"{DCSIM},") and program.migrations > 1000
    }
    return Line(
        "growth",
        f"{min(sizes.values()):,} to {max(sizes.values()):,} migrations, the same load a host",
        tuple(programs),
        (
            Goal("exponent of CPU over migrations", exponent(sizes), 1.1),
            Goal("the same of the two largest", exponent(dict([*sizes.items()][-2:])), 1.1),
        ),
    )


def worker(*, extent: Extent) -> Line:
    """What a study does: one small run after the other, in a process that is warm."""
    runs = "50" if extent == Extent.QUICK else "400"
    name = "dcsim, warm"
    return Line(
        "worker",
        "20 migrations, again and again in one process",
        (Program(name, ours(SCENARIOS, "warm", runs)),),
        (
            Goal("prepared runs a CPU second", told(name, "prepared_runs_per_s"), 400, True),
            Goal("new replicates a CPU second", told(name, "new_runs_per_s"), 400, True),
        ),
    )


def study(*, extent: Extent) -> Line:
    """Many runs into a store, as `dcsim sweep` has them: what is lost between them."""
    runs = "80" if extent == Extent.QUICK else "800"
    executors = {SERIAL: "serial", LOKY: "loky"}
    programs = [Program(name, ours(SWEEPS, word, runs)) for name, word in executors.items()]
    there = ours(SWEEPS, "dask", runs) if find_spec("distributed") else None
    each = "runs_per_worker_s"
    return Line(
        "study",
        f"{runs} runs of some 20 ms into a store, by processes that are warm",
        (*programs, Program(DASK, there)),
        (
            Goal("runs/s a process: 2 over one", ratio(LOKY, SERIAL, each), 0.85, at_least=True),
            Goal("runs/s: 2 processes over Dask's 2", ratio(LOKY, DASK, each), 1.3),
            *(Goal(f"runs/s, {n}", told(n, "runs_per_s"), math.nan) for n in (SERIAL, LOKY, DASK)),
        ),
    )


def commands() -> Line:
    """Commands that only ask."""
    asked = (("--help",), ("validate", "rack-drain"))
    programs = tuple(
        Program(" ".join(("dcsim", *words)), ours("-m", "dcsim", *words)) for words in asked
    )
    return Line(
        "commands",
        "what is waited for at a prompt",
        programs,
        tuple(Goal(f"CPU seconds of {p.name}", told(p.name, "cpu_s"), 0.2) for p in programs),
    )


def upgrade() -> Line:
    """A rolling upgrade as shipped: guests with all that the model has, for a night."""
    command = Program("dcsim run rolling-upgrade", ours("-m", "dcsim", "run", "rolling-upgrade"))
    return Line(
        "upgrade",
        "a rolling upgrade of 1,000 hosts with 20,000 guests of shipped workloads",
        (command,),
        (Goal("CPU seconds of all", told(command.name, "cpu_s"), 60),),
    )


def lines(yardstick: Path | None, *, extent: Extent) -> list[Line]:
    """Return all that is measured, the quickest first."""
    found = [
        commands(),
        worker(extent=extent),
        study(extent=extent),
        small(yardstick),
        model(extent=extent),
        large(yardstick),
        dense(yardstick, extent=extent),
        growth(yardstick, extent=extent),
        upgrade(),
        huge(yardstick),
    ]
    return found if extent > Extent.QUICK else found[:-2]


def machine(yardstick: Path | None) -> Data:
    """Describe what measures, and run everything once that is read from disk."""
    probe = (
        "import json; from dcsim import kernel; print(json.dumps({'is': bool(kernel.compiled)}))"
    )
    smallest = scenario(2, 1, 1)
    Line("", "", tuple(evacuating(smallest, yardstick, (DCSIM, PYTHON)))).measure(runs=1)
    simgrid = None
    if yardstick is not None:
        simgrid = measured((str(yardstick), *yardstick_arguments(smallest)))["simgrid"]
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "compiled": ours("-c", probe)()["is"],
        "simgrid": simgrid,
    }


def processor() -> str:
    """Return the processor's name, where the system tells it."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.is_file() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()
