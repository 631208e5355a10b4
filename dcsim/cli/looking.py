"""Commands about what was saved: report, explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dcsim.cli.app import LOOK, command
from dcsim.cli.console import say
from dcsim.cli.saving import Saved, is_study

if TYPE_CHECKING:
    from dcsim.records.result import Result
    from dcsim.study.comparisons.study import Study


@command(
    name="report",
    panel=LOOK,
    examples=(
        "dcsim report drain-study -o drain.html",
        "dcsim report seed-store --study seed-question -o seed.html",
    ),
)
def report(
    directory: Saved,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Default: DIR/report.html."),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(
            "--study", metavar="NAME", help="Of a store: which of its studies; the last if unset."
        ),
    ] = None,
) -> None:
    """Write an HTML report of a saved result or study; an older report is replaced.

    Of the store of a sweep it tells what the study adds up to, while it runs or later.
    """
    from dcsim.cli.stored import is_store
    from dcsim.records.archive import REPORT
    from dcsim.view.report import write_report

    path = out or directory / REPORT
    if is_store(directory):
        from dcsim.study.sweeps.swept import Sweep

        write_report(Sweep.open(directory, study=of), path)
    elif of is not None:
        message = f"is of the store of a sweep, and {directory} is none"
        raise typer.BadParameter(message, param_hint="--study")
    else:
        write_report(_read(directory), path)
    say(f"The report is {path}")


@command(
    name="explain",
    panel=LOOK,
    examples=(
        "dcsim explain zero-page files-0",
        "dcsim explain drain-study files-0 --run balloon-held",
    ),
)
def explain(
    directory: Saved,
    guest: Annotated[str, typer.Argument(metavar="GUEST", help="Name of a guest, e.g. files-0.")],
    run: Annotated[
        str | None,
        typer.Option(metavar="VARIANT", help="Which run of a study, by its policy or variant."),
    ] = None,
    replicate: Annotated[
        int, typer.Option(metavar="K", min=0, help="Which replication of it.")
    ] = 0,
) -> None:
    """Tell why the migration of one guest took as long as it did, or came to nothing."""
    from dcsim.records.result import Result
    from dcsim.view.explain import explain as tell

    subject = _read(directory)
    result = subject if isinstance(subject, Result) else _pick(subject, run, replicate)
    say(tell(result, guest))


def _read(directory: Path) -> Result | Study:
    if is_study(directory):
        from dcsim.study.comparisons.study import Study

        return Study.load(directory)
    from dcsim.records.result import Result

    return Result.load(directory)


def _pick(study: Study, variant: str | None, replicate: int) -> Result:
    """Return one run of a study."""
    variants = study.variants
    if variant is None and len(variants) == 1:
        variant = variants[0]
    if variant not in variants:
        message = f"which run? There are {', '.join(repr(name) for name in variants)}"
        raise typer.BadParameter(message, param_hint="--run")
    for run in study.runs:
        if (run.variant, run.replicate) == (variant, replicate):
            if run.result is None:
                message = f"it failed: {run.error}: {run.message}"
                raise typer.BadParameter(message, param_hint="--run")
            return run.result
    message = f"{variant} has no replication {replicate}"
    raise typer.BadParameter(message, param_hint="--replicate")
