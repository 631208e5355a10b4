"""Where commands save what came of them: refused before anything runs, never halfway there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dcsim.records.result import Result
    from dcsim.study.comparisons.study import Study
    from dcsim.study.plans.planned import Plan
    from dcsim.study.sweeps.swept import Sweep

Out = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Save everything to a directory.")
]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML report.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what dcsim wrote there before.")
]
Saved = Annotated[
    Path, typer.Argument(metavar="DIR", help="Where a result or a study was saved with -o.")
]


def is_study(directory: Path) -> bool:
    """Whether a directory is where a study was saved, rather than a result."""
    return (directory / "study.json").is_file()


def make_way(
    directory: Path | None, *, overwrite: bool, owns: Callable[[Path], bool], option: str
) -> None:
    """Refuse a directory that could not be written in the end, before anything runs."""
    if directory is None or not directory.exists():
        return
    if not directory.is_dir():
        raise typer.BadParameter(f"{directory} is a file", param_hint=option)
    if not any(directory.iterdir()):
        return
    if not overwrite:
        message = f"{directory} is not empty; --overwrite replaces what dcsim wrote there"
        raise typer.BadParameter(message, param_hint=option)
    if not owns(directory):
        message = f"{directory} holds more than dcsim would write there: it is not overwritten"
        raise typer.BadParameter(message, param_hint=option)


def check_report(report: Path | None, *, overwrite: bool) -> None:
    """Refuse a report that exists, before anything runs."""
    if report is None or not report.exists() or overwrite:
        return
    message = f"{report} exists; --overwrite replaces it"
    raise typer.BadParameter(message, param_hint="--report")


def write_report(subject: Result | Study | Plan | Sweep, path: Path | None) -> None:
    """Write a report where one is wanted; its folder is made."""
    if path:
        from dcsim.view import report

        path.parent.mkdir(parents=True, exist_ok=True)
        report.write_report(subject, path)


def places(**paths: Path | None) -> dict[str, str | None]:
    """Return where things were written, for JSON."""
    return {name: str(path) if path else None for name, path in paths.items()}
