"""Commands about what is asked: validate, show, schema, list, init. None of them simulates."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dcsim.cli.app import ASK, USAGE, AsJson, Assignments, Source, Sources, command, load
from dcsim.cli.console import complain, say, say_json, table
from dcsim.errors import Issue, ScenarioError

if TYPE_CHECKING:
    from dcsim.scenario.spec import Scenario
    from dcsim.study.designs.design import Design

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


@command(
    name="validate",
    panel=ASK,
    examples=("dcsim validate rack-drain", "dcsim validate my.yaml --set guests[0].count=8"),
)
def validate(scenarios: Sources, assignments: Assignments = None, as_json: AsJson = False) -> None:
    """Check scenarios and studies without running them, and tell all their problems.

    Problems go to stderr, one a line: file:line:column: path: what is wrong.
    """
    found: dict[str, list[Issue]] = {}
    for source in scenarios:
        try:
            _load(source, assignments)
            found[source] = []
        except ScenarioError as error:
            found[source] = error.issues
    if as_json:
        problems = [
            {"scenario": source, **asdict(issue)}
            for source, issues in found.items()
            for issue in issues
        ]
        say_json({"valid": not problems, "problems": problems})
    else:
        for source, issues in found.items():
            for issue in issues:
                complain(str(issue))
            if not issues:
                say(f"{source}: valid")
    if any(found.values()):
        raise typer.Exit(USAGE)


def _load(source: str, assignments: list[str] | None) -> Scenario | Design:
    """Return a scenario, or a study where the source is one."""
    from dcsim.scenario.files import is_study

    if is_study(source):
        from dcsim.cli.sweeping import load_study

        return load_study(source, assignments)
    return load(source, assignments)


@command(name="show", panel=ASK, examples=("dcsim show rack-drain", "dcsim show seed-question"))
def show(source: Source, assignments: Assignments = None, as_json: AsJson = False) -> None:
    """Tell what a scenario or a study means, in words and figures; with --json, every default."""
    from dcsim.cli import portrait
    from dcsim.scenario.spec import Scenario

    found = _load(source, assignments)
    if not isinstance(found, Scenario):
        from dcsim.cli import outline

        if as_json:
            say_json(found.to_dict())
        else:
            say("\n".join(outline.lines(found)))
    elif as_json:
        say_json(portrait.data(found))
    else:
        say("\n".join(portrait.lines(found)))


@command(
    name="schema",
    panel=ASK,
    examples=("dcsim schema > scenario.schema.json", "dcsim schema --study > study.schema.json"),
)
def schema(
    study: Annotated[
        bool, typer.Option("--study", help="Of studies, and not of scenarios.")
    ] = False,
    indent: Annotated[int, typer.Option(metavar="N", min=0, max=8, help="Spaces a level.")] = 2,
) -> None:
    """Print the JSON Schema of scenario files, for editors."""
    if study:
        from dcsim.study.designs.schema import schema as of_studies

        say(json.dumps(of_studies(), indent=indent))
        return
    from dcsim.scenario.schema import schema as of_scenarios

    say(json.dumps(of_scenarios(), indent=indent))


# --------------------------------------------------------------------------- list


class Kind(StrEnum):
    """What can be listed."""

    TOPOLOGIES = "topologies"
    WORKLOADS = "workloads"
    SCENARIOS = "scenarios"
    STUDIES = "studies"
    HINTING = "hinting"
    HYPERVISORS = "hypervisors"
    LIMITS = "limits"
    DOWNTIME_STEPS = "downtime-steps"
    OPERATORS = "operators"
    ORDERS = "orders"
    BALANCERS = "balancers"
    PLACEMENTS = "placements"
    METRICS = "metrics"
    TABLES = "tables"


@command(name="list", panel=ASK, examples=("dcsim list hinting", "dcsim list metrics --json"))
def list_names(
    kind: Annotated[
        Kind | None,
        typer.Argument(metavar="KIND", help=f"{', '.join(Kind)}; unset: all of these."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what is shipped and what is measured: a name and a sentence each.

    With --json, presets are there in full, to be copied into a file and changed.
    """
    listed = {each.value: _entries(each) for each in ([kind] if kind else Kind)}
    if as_json:
        say_json(listed)
        return
    blocks = [
        table([name.upper(), ""], [[item["name"], item["about"]] for item in entries], texts=2)
        for name, entries in listed.items()
    ]
    say("\n\n".join(blocks))


def _entries(kind: Kind) -> list[dict[str, Any]]:
    if kind in (Kind.TOPOLOGIES, Kind.WORKLOADS, Kind.SCENARIOS, Kind.STUDIES):
        return _shipped(kind)
    if kind is Kind.METRICS:
        from dcsim.records.tables import SUMMARY

        return [{"name": c.name, "about": c.meaning, "unit": c.unit} for c in SUMMARY.columns]
    if kind is Kind.TABLES:
        from dcsim.records.tables import TABLES

        return [{"name": each.name, "about": each.meaning} for each in TABLES]
    if kind is Kind.PLACEMENTS:
        from dcsim.scenario.placements import SHIPPED

        return [{"name": name, "about": about} for name, about in SHIPPED.items()]
    from dcsim.scenario import presets

    names: dict[Kind, tuple[presets.Kind, list[str]]] = {
        Kind.HINTING: ("hinting", presets.hinting_names()),
        Kind.HYPERVISORS: ("hypervisors", presets.hypervisor_names()),
        Kind.LIMITS: ("limits", presets.limits_names()),
        Kind.DOWNTIME_STEPS: ("downtime-steps", presets.downtime_steps_names()),
        Kind.OPERATORS: ("operators", presets.operator_names()),
        Kind.ORDERS: ("orders", presets.order_names()),
        Kind.BALANCERS: ("balancers", presets.balancer_names()),
    }
    preset, known = names[kind]
    return [
        {
            "name": name,
            "about": presets.describe(preset, name),
            **({"data": data} if (data := presets.data(preset, name)) else {}),
        }
        for name in known
    ]


def _shipped(kind: Any) -> list[dict[str, str]]:
    """Describe what is shipped by its ``about``, or else by the first sentence of its comment."""
    from dcsim.scenario import library, parsing

    entries = []
    for name in library.names(kind=kind):
        text = library.text(kind=kind, name=name)
        comment = " ".join(
            line.lstrip("# ")
            for line in re.match(r"(#.*\n)*", text)[0].splitlines()  # type: ignore[index]
        )
        sentence = re.split(r"(?<=\.)\s", comment, maxsplit=1)[0].rstrip(".")
        about = parsing.parse(text).plain().get("about") or sentence
        entries.append({"name": name, "about": about})
    return entries


# --------------------------------------------------------------------------- init


@command(
    name="init",
    panel=ASK,
    examples=("dcsim init my-rack --from rack-drain", "dcsim run my-rack.yaml"),
)
def init(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The file is called NAME.yaml.")
    ] = "scenario",
    shipped: Annotated[
        str, typer.Option("--from", metavar="SHIPPED", help="The scenario or study to start from.")
    ] = "quick-start",
) -> None:
    """Write a commented scenario, or study, to start from into the current directory."""
    from dcsim.scenario import library

    stem = name.removesuffix(".yaml")
    if not _NAME.fullmatch(stem):
        message = f"{name[:80]!r} is no name; use letters, digits, '.', '_' and '-'"
        raise typer.BadParameter(message, param_hint="NAME")
    study = shipped in library.names(kind="studies")
    try:
        text = library.text(kind="studies" if study else "scenarios", name=shipped)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from") from None
    path = Path(f"{stem}.yaml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(
                f"# Made from {shipped} by dcsim init. Check it: dcsim validate {path}\n{text}"
            )
    except FileExistsError:
        message = f"{path} exists; it is not overwritten"
        raise typer.BadParameter(message, param_hint="NAME") from None
    say(f"wrote {path}; try: dcsim {'sweep' if study else 'run'} {path}")
