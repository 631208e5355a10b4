"""Commands that simulate once: run, rerun."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcsim.cli.app import ERROR, RUN, AsJson, Assignments, NoProgress, Seed, Source, command, load
from dcsim.cli.console import complain, run_progress, say, say_json, table, warn_if_slow
from dcsim.cli.failing import FailIf, conditions, end_if, holding
from dcsim.cli.saving import (
    Out,
    Overwrite,
    Report,
    Saved,
    check_report,
    is_study,
    make_way,
    places,
    write_report,
)

if TYPE_CHECKING:
    from dcsim.records.result import Result


@command(
    name="run",
    panel=RUN,
    examples=(
        "dcsim run quick-start",
        "dcsim run rack-drain --set hinting=zero-page -o zero-page",
        "dcsim run my.yaml --json > result.json",
    ),
)
def run(
    source: Source,
    out: Out = None,
    assignments: Assignments = None,
    seed: Seed = None,
    replicate: Annotated[
        int, typer.Option(metavar="K", min=0, help="Which replication; 0 has the seed itself.")
    ] = 0,
    as_json: AsJson = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write every table as CSV, too.")
    ] = None,
    report: Report = None,
    fail_if: FailIf = None,
    check: Annotated[
        bool, typer.Option("--check", help="Verify the model's invariants on the way (slow).")
    ] = False,
    no_progress: NoProgress = False,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a scenario once, and tell what came of it."""
    refused = conditions(fail_if)
    scenario = load(source, assignments, seed)
    from dcsim.records import archive
    from dcsim.simulation import run as simulate

    make_way(out, overwrite=overwrite, owns=archive.holds_result, option="--out")
    make_way(csv, overwrite=overwrite, owns=archive.holds_csv, option="--csv")
    check_report(report, overwrite=overwrite)
    warn_if_slow()
    with run_progress(wanted=not no_progress) as progress:
        result = simulate(scenario, replicate=replicate, progress=progress, check=check)
    if out:
        result.save(out, overwrite=overwrite)
    if csv:
        result.to_csv(csv, overwrite=overwrite)
    write_report(result, report)
    failing = holding(refused, {"": result.metrics})
    if as_json:
        where = places(out=out, csv=csv, report=report)
        say_json(_run_data(result) | {"fail_if": failing} | where)
    else:
        say("\n".join(_run_lines(result)))
        for noun, path in {"result": out, "tables": csv, "report": report}.items():
            if path:
                say(f"The {noun} {'are' if noun == 'tables' else 'is'} in {path}")
    end_if(failing)


def _run_data(result: Result) -> dict[str, Any]:
    return {
        "scenario": result.scenario["name"],
        "digest": result.digest,
        "seed": result.seed,
        "replicate": result.replicate,
        "versions": result.versions,
        "explanation": result.explanation,
        "answers": [answer._asdict() for answer in result.answers],
        "metrics": result.metrics,
    }


def _run_lines(result: Result) -> Iterator[str]:
    """Yield what came of a run, as people read it."""
    from dcsim.records.answer import in_words
    from dcsim.records.tables import CAUSES
    from dcsim.units import format_duration, format_size

    figures = result.metrics
    of = f", replicate {result.replicate}" if result.replicate else ""
    yield f"{result.scenario['name']}{of}: {result.explanation}"
    answers = result.answers
    yield from in_words(answers)
    sent = {
        "first pass": figures["first_pass_bytes"],
        "sent again": figures["resent_bytes"],
        "switch-over": figures["switchover_bytes"],
        "post-copy": figures["postcopy_bytes"],
        "copied of local disks": figures["disk_copy_bytes"],
        "mirrored to them": figures["mirror_bytes"],
        "prefetched from storage": figures["prefetch_bytes"],
        "read again from storage": figures["extra_refault_bytes"],
    }
    lost = {cause.replace("_", " "): figures[f"lost_{cause}_s"] for cause in CAUSES}
    rows = [["makespan", format_duration(figures["makespan_s"])]]
    rows.append(["network", format_size(figures["network_bytes"])])
    rows += [[f"  {kind}", format_size(size)] for kind, size in sent.items() if size]
    rows.append(["lost work", format_duration(figures["lost_work_s"])])
    rows += [[f"  {cause}", format_duration(time)] for cause, time in lost.items() if time]
    yield from table(["", ""], rows).splitlines()[1:]
    if figures["completed"] and not answers:
        p50, p99, most = (
            format_duration(figures[f"blackout_{w}_s"]) for w in ("p50", "p99", "max")
        )
        yield (
            f"Guests were paused {p50} in the median, {p99} at the 99th percentile, {most} at most."
        )


# --------------------------------------------------------------------------- rerun


@command(
    name="rerun",
    panel=RUN,
    examples=("dcsim rerun zero-page", "dcsim rerun seed-store --run 3f9c -o result"),
)
def rerun(
    directory: Saved,
    run: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Of a store: which run, by the beginning of its name."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Save that run, with everything recorded."),
    ] = None,
) -> None:
    """Run a saved result again, or all of a study, and say whether it came out bit for bit.

    Of a store of studies it is one run: one that failed fails again, and --debug shows where. Exit
    code 1 where it came out differently.
    """
    from dcsim.cli import stored as stores

    if stores.is_store(directory):
        if run is None:
            message = f"{directory} is a store of studies: which run?"
            raise typer.BadParameter(message, param_hint="--run")
        make_way(out, overwrite=False, owns=lambda _: False, option="--out")
        stores.rerun(directory, run, out=out)
        return
    if run is not None or out is not None:
        message = f"{directory} is no store of studies"
        raise typer.BadParameter(message, param_hint="--run" if run else "--out")
    from dcsim.study.rerun import rerun as again

    stored = sorted((directory / "runs").iterdir()) if is_study(directory) else [directory]
    different = 0
    warn_if_slow()
    for path in stored:
        _, differences = again(path)
        different += bool(differences)
        for difference in differences:
            complain(f"{path}: {difference}")
    if different:
        say(f"{different} of {len(stored)} results came out differently")
        raise typer.Exit(ERROR)
    say(f"reproduced bit for bit: {len(stored)} of {len(stored)} results")
