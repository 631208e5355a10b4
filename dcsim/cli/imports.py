"""`dcsim import`: files that people have at hand -> a population of guests, as YAML."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dcsim.cli.app import ASK, app, command, commands
from dcsim.cli.console import complain, say

importing = commands()
app.add_typer(
    importing,
    name="import",
    rich_help_panel=ASK,
    help="Make guests of files at hand: /proc/meminfo texts, Bitbrains or OpenDC traces.",
)


class Rows(StrEnum):
    """Which samples stand for a machine over time."""

    QUANTILES = "quantiles"
    FIRST = "first"
    LAST = "last"
    ALL = "all"


def _workloads(incomplete: str) -> list[str]:
    from dcsim.scenario import library

    return [name for name in library.names(kind="workloads") if name.startswith(incomplete)]


Files = Annotated[list[Path], typer.Argument(metavar="FILES...", help="The files.")]
Workload = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Shipped workload that stands for what the files do not tell.",
        autocompletion=_workloads,
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write here, not to stdout.")
]
AndScenario = Annotated[
    Path | None,
    typer.Option(
        "--scenario", metavar="FILE", help="Write a scenario too that drains a rack of them."
    ),
]
Start = Annotated[str | None, typer.Option(metavar="TIME", help="Window from here, e.g. 1d.")]
Length = Annotated[str | None, typer.Option(metavar="TIME", help="Length of it; unset: all.")]
Points = Annotated[
    int | None, typer.Option(metavar="N", help="Steps of each guest's load at most; 288 if unset.")
]


@command(
    name="meminfo",
    of=importing,
    examples=("dcsim import meminfo /proc/meminfo --workload web-server -o guests.yaml",),
)
def meminfo(
    files: Files,
    workload: Workload = "web-server",
    out: Out = None,
    scenario: AndScenario = None,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Of each guest; unset: each machine's own."),
    ] = None,
    count: Annotated[int | None, typer.Option(metavar="N", help="Guests of a group.")] = None,
    vcpus: Annotated[
        int | None, typer.Option(metavar="N", help="Of each guest; 2 if unset.")
    ] = None,
    rows: Annotated[
        Rows | None,
        typer.Option(
            metavar="WHICH",
            help=f"Samples that stand for a machine over time: {', '.join(Rows)}.",
        ),
    ] = None,
) -> None:
    """Texts of /proc/meminfo, or CSV of many machines or of one over time."""
    given = {"memory": memory, "count": count, "vcpus": vcpus, "rows": rows and rows.value}
    _import("meminfo", files, workload, out, scenario, given)


@command(
    name="bitbrains",
    of=importing,
    examples=("dcsim import bitbrains fastStorage/*.csv --workload database -o guests.yaml",),
)
def bitbrains(
    files: Files,
    workload: Workload = "web-server",
    out: Out = None,
    scenario: AndScenario = None,
    start: Start = None,
    length: Length = None,
    points: Points = None,
) -> None:
    """GWA-T-12 traces of one VM a file, CSV or extended."""
    given = {"start": start, "length": length, "points": points}
    _import("bitbrains", files, workload, out, scenario, given)


@command(
    name="opendc",
    of=importing,
    examples=("dcsim import opendc tasks.parquet fragments.parquet -o guests.yaml",),
)
def opendc(
    files: Files,
    workload: Workload = "web-server",
    out: Out = None,
    scenario: AndScenario = None,
    start: Start = None,
    length: Length = None,
    points: Points = None,
) -> None:
    """tasks.parquet and fragments.parquet of an OpenDC workload."""
    given = {"start": start, "length": length, "points": points}
    _import("opendc", files, workload, out, scenario, given)


def _import(
    kind: str,
    files: list[Path],
    workload: str,
    out: Path | None,
    scenario: Path | None,
    given: dict[str, Any],
) -> None:
    if scenario and not out:
        message = "a scenario refers to the population's file: give --out too"
        raise typer.BadParameter(message, param_hint="--scenario")
    from dcsim.scenario import importers

    population = importers.import_population(kind=kind, paths=files, workload=workload, **given)
    text = importers.to_yaml(population)
    if not out:
        say(text.rstrip("\n"))
        return
    written = {out: text}
    if scenario:
        path = _reference(out, scenario)
        written[scenario] = importers.drain_scenario(population=path)
    for path_, content in written.items():
        with path_.open("x", encoding="utf-8") as file:
            file.write(content)
    complain(f"{population.guests} guests in {len(population.groups)} groups")


def _reference(population: Path, scenario: Path) -> str:
    """Return how the scenario's file refers to the population's, which has to be near it."""
    way = Path(os.path.relpath(population.resolve(), scenario.resolve().parent)).as_posix()
    if way.startswith("../../"):
        message = f"keep it beside {population}: a scenario refers to files near it"
        raise typer.BadParameter(message, param_hint="--scenario")
    return way if way.startswith("../") else f"./{way}"
