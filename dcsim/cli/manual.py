"""docs/cli.md, made from the commands themselves: ``python -m dcsim.cli.manual > docs/cli.md``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import typer

from dcsim.cli import application
from dcsim.cli.app import EXIT_CODES

JSON: Final[dict[str, dict[str, str]]] = {
    "run": {
        "scenario": "the scenario's name",
        "digest": "SHA-256 of what the scenario means",
        "seed": "what this replication ran with",
        "replicate": "which replication",
        "versions": "name -> version of what decides the bits",
        "explanation": "what came of the operation, in words",
        "answers": "an operation each",
        "answers[].operation": "its name",
        "answers[].verdict": "what came of it, in a sentence",
        "answers[].met": "whether it was done in its window or before its deadline, or null",
        "answers[].moved": "how many guests moved, and why the others did not",
        "answers[].details": "lower bound, guests that noticed, the busiest link, and more",
        "metrics": "metric -> value: the table `summary`, see `dcsim list metrics`",
        "fail_if": "the conditions of --fail-if that hold, in words",
        "out": "where the result was saved, or null",
        "csv": "where its tables were written, or null",
        "report": "where the report was written, or null",
    },
    "compare": {
        "scenario": "the scenario's name",
        "random": "what is random in it, in words; empty: one run of each",
        "summary": "sentences, as printed",
        "variants": "a variant each",
        "variants[].variant": "its name: the policy, and the values of what was varied",
        "variants[].hinting": "its hinting policy",
        "variants[].changes": "path -> value of what was varied",
        "variants[].digest": "SHA-256 of what its scenario means",
        "variants[].runs": "how many of its runs did not fail",
        "variants[].metrics": "metric -> mean over these",
        "variants[].baseline": "the variant it is compared with; null for that one",
        "variants[].differences": "metric -> `mean`, `low` and `high`: how much more than the "
        "baseline, and the 95 % confidence interval over pairs (null for a single pair)",
        "failures": "a run that failed each",
        "failures[].variant": "its variant",
        "failures[].replicate": "its replication",
        "failures[].error": "the kind of error",
        "failures[].message": "what it said",
        "fail_if": "the conditions of --fail-if that hold, in words",
        "out": "where the study was saved, or null",
        "report": "where the report was written, or null",
    },
    "plan": {
        "scenario": "the scenario's name",
        "summary": "sentences, as printed: the answer first",
        "feasible": "whether a point surely meets all goals",
        "verdict": "of the best point: `met`, `unsure`, `missed` or `failed`",
        "answer": "path -> value of the best point, or null where none surely meets all goals",
        "best": "the best point, as in `points`",
        "minimise": "what is to be least, or null",
        "maximise": "what is to be most, or null",
        "goals": "the goals, in words",
        "vary": "path -> the values it could have",
        "method": "`whole`, `bisection along PATH` or `evolution`",
        "notes": "what the search has to say of itself",
        "random": "what is random, in words; empty: one run of each point",
        "size": "how many points there are",
        "runs": "how many runs were made",
        "points": "a point that was tried each, in that order",
        "points[].changes": "path -> value",
        "points[].verdict": "as above",
        "points[].runs": "its replications",
        "points[].frontier": "whether it meets all goals and none beats it in cost and spare",
        "points[].error": "why it failed, or nothing",
        "points[].goals": "for each goal `goal`, `mean`, `low` and `high` of its metric, `spare` "
        "(share of the bound) and `verdict`",
        "points[].metrics": "metric -> mean over its replications",
        "fail_if": "the conditions of --fail-if that hold at the best point, in words",
        "out": "where the plan was saved, or null",
        "report": "where the report was written, or null",
    },
    "validate": {
        "valid": "whether there is no problem",
        "problems": "a problem each",
        "problems[].scenario": "as it was given",
        "problems[].file": "the file at fault, or null",
        "problems[].line": "counted from 1, or null",
        "problems[].column": "counted from 1, or null",
        "problems[].path": "dotted path of the value, or null",
        "problems[].message": "what is wrong, and what would be legal",
        "problems[].hint": "what to do about it, or null",
    },
    "show": {
        "name": "the scenario's name",
        "digest": "SHA-256 of what it means",
        "random": "what is random in it, in words; empty: one run is enough",
        "topology": "`kind`, `hosts`, `racks`, `switches`, `links` by class, "
        "`oversubscription` of the racks",
        "guests": "`count` and `memory_bytes`, all together",
        "scenario": "the whole scenario with every default, in SI units",
    },
    "list": {
        "KIND": "for each kind that is listed: `name` and `about` of each, "
        "and the `unit` of each metric"
    },
}
"""Keys of the JSON that commands print, beside ``schema_version``: command -> key -> meaning."""

_HEAD: Final = """\
# Command line

<!-- Made by `python -m dcsim.cli.manual`: change dcsim/cli instead. -->

Results go to stdout, all else to stderr. `dcsim COMMAND --help` says what stands here;
`dcsim --install-completion` teaches your shell the commands, their options and the shipped names.

    dcsim run quick-start
    dcsim compare rack-drain -o drain-study
    dcsim plan rack-drain --goal 'makespan_s <= 15min' --vary operation.limits.per_host_out=1..8

A scenario is a file or a shipped name: a text that holds a `/` or ends in `.yaml`, `.yml` or
`.json` is a file. `--set PATH=VALUE` changes it: `--set guests[0].count=8`,
`--set hinting=balloon-held`, `--set hinting.reserve=1GiB`; values are written as in a file. Lists
of values (`--hinting`, `--vary`) are separated by commas and may hold mappings:
`--hinting 'zero-page,{use: balloon-held, reserve: 1GiB}'`.

## Exit codes
"""
_JSON: Final = """
## JSON

With `--json` a command prints one JSON object with `schema_version` 1 and the keys told with the
command. Within a version keys may be added, and none goes or changes. Numbers are in the unit that
a name ends with; null stands where there is nothing to measure. `dcsim schema` prints a JSON
Schema, and nothing beside it.
"""


def markdown() -> str:
    """Return the page as Markdown."""
    root: Any = typer.main.get_command(application())
    parts = [_HEAD, *(f"- {code}: {meaning}" for code, meaning in EXIT_CODES.items()), _JSON]
    for name, command in root.commands.items():
        inner = getattr(command, "commands", {name: command})
        if name not in inner:
            parts.append(f"## dcsim {name}\n\n{command.help}\n")
        for inner_name, each in inner.items():
            level = "##" if name in inner else "###"
            full = name if name in inner else f"{name} {inner_name}"
            parts.append("\n".join(_command(level, full, each)))
    return "\n".join(parts).rstrip("\n") + "\n"


def _command(level: str, name: str, command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join(_usage(argument) for argument in arguments)
    yield f"{level} dcsim {name}\n\n{command.help}\n"
    yield f"    dcsim {name} [OPTIONS] {usage}".rstrip() + "\n"
    yield "| | |\n|---|---|"
    for argument in arguments:
        yield f"| `{argument.metavar}` | {_meaning(argument)} |"
    for option in options:
        names = ", ".join(f"`{text}`" for text in sorted(option.opts, key=len, reverse=True))
        value = "" if option.is_flag else f" `{option.metavar}`"
        yield f"| {names}{value} | {_meaning(option)} |"
    if keys := JSON.get(name):
        yield "\nWith `--json`:\n\n| key | meaning |\n|---|---|"
        yield from (f"| `{key}` | {meaning} |" for key, meaning in keys.items())
    if command.epilog:
        yield "\nExamples:\n"
        yield from (f"    {line.strip()}" for line in command.epilog.split("\n")[2:])
    yield ""


def _usage(argument: Any) -> str:
    return str(argument.metavar) if argument.required else f"[{argument.metavar}]"


def _meaning(parameter: Any) -> str:
    """Return the help of a parameter, and its default where that says something."""
    default = "" if parameter.default in (None, False, 0, ()) else f" Default: {parameter.default}."
    return f"{parameter.help}{default if not parameter.required else ''}"


if __name__ == "__main__":
    print(markdown(), end="")
