"""The command about measurements: verify."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dcsim.cli.app import NOT_SO, RUN, AsJson, NoProgress, command
from dcsim.cli.console import plain, say, say_json, study_progress, table, warn_if_slow

if TYPE_CHECKING:
    from dcsim.study.checks.verify import Comparison, Verification


@command(
    name="verify",
    panel=RUN,
    examples=(
        "dcsim verify qemu_runs.jsonl",
        "dcsim verify mine.jsonl --testbed my-testbed.yaml --strict",
    ),
)
def verify(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="JSON lines, one measured migration each."),
    ],
    testbed: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML with the constants of your machines."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 if an error is out of its bound.")
    ] = False,
    as_json: AsJson = False,
    no_progress: NoProgress = False,
) -> None:
    """Run the configurations of measured migrations, and tell how far off the model is.

    The keys of a record are told in docs/validation.md, as are the constants of a testbed.
    """
    from dcsim.study.checks import measurements
    from dcsim.study.checks.testbed import load
    from dcsim.study.checks.verify import verify as compare

    measured = measurements.read(file)
    machines = None if testbed is None else load(testbed)
    warn_if_slow()
    with study_progress(wanted=not no_progress) as progress:
        verification = compare(measured, testbed=machines, progress=progress)
    if as_json:
        say_json(plain(verification.to_dict()))
    else:
        say("\n".join(_lines(verification)))
    if strict and verification.broken:
        raise typer.Exit(NOT_SO)


def _lines(verification: Verification) -> Iterator[str]:
    head = ["run", "rep", "outcome", "time", "", "spread", "bytes", "syncs", "reads/s", ""]
    yield table(head, [_row(verification, each) for each in verification.comparisons], texts=1)
    yield ""
    errors = verification.summary["errors"]
    if errors:
        yield "Errors of link-limited runs that converged, repetitions from 1 on:"
        rows = [
            [
                figure,
                str(each["runs"]),
                f"{each['median_abs_error']:.1%}",
                f"{each['largest_abs_error']:.1%}",
            ]
            for figure, each in errors.items()
        ]
        yield table(["figure", "runs", "median", "largest"], rows)
        yield ""
    broken = verification.broken
    yield "Everything is within its bound." if not broken else "Out of bounds:"
    yield from (f"  {words}" for words in broken)


def _row(verification: Verification, each: Comparison) -> list[str]:
    measured, model = each.measured, each.model
    outcome = model.outcome
    if outcome != measured.outcome:
        outcome = f"{outcome}, not {measured.outcome}"
    return [
        each.name,
        str(each.measurement.config.rep),
        outcome,
        "" if math.isnan(model.total_time_s) else f"{model.total_time_s:.3f} s",
        _percent(each.error("total_time_s")),
        f"{verification.spread(each.name, 'total_time_s'):.1%}",
        _percent(each.error("sent_bytes")),
        _pair(model.syncs, measured.syncs),
        _pair(model.reads_per_s_during, measured.reads_per_s_during),
        _percent(each.error("reads_per_s_after")),
    ]


def _percent(error: float) -> str:
    return "" if math.isnan(error) else f"{error:+.1%}"


def _pair(model: float, measured: float) -> str:
    return "" if math.isnan(measured) or math.isnan(model) else f"{model:.0f}/{measured:.0f}"
