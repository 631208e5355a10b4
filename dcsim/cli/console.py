"""What the command line prints: results on stdout, all else on stderr; JSON, tables, progress.

Texts come from files that anyone may have written: what could steer a terminal is written out.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from unicodedata import category

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from dcsim.simulation import Progress
    from dcsim.study.sweeps.progress import SweepProgress

SCHEMA_VERSION: Final = 1
"""Of the JSON that commands print: keys may be added to it, and none goes or changes."""
_REFRESHES_PER_S: Final = 10


def say(text: str = "") -> None:
    """Print a part of the result."""
    print(_printable(text))


def complain(text: str) -> None:
    """Print what is not part of the result: problems, and where files were written."""
    print(_printable(text), file=sys.stderr)


def warn_if_slow() -> None:
    """Say, before something is simulated, that the compiled kernel is missing where it is."""
    from dcsim import kernel

    if told := kernel.notice():
        complain(told)


def say_json(data: Mapping[str, Any], *, indent: int = 2) -> None:
    """Print the result as JSON; what no JSON number is, such as NaN, becomes null."""
    document = {"schema_version": SCHEMA_VERSION, **plain(data)}
    print(json.dumps(document, indent=indent, allow_nan=False))


def plain(value: Any) -> Any:
    """Return data as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> str:
    """Return aligned columns; the first *texts* of them to the left, the others to the right.

    Examples
    --------
    >>> print(table(["what", "s"], [["a", "1.5"], ["b", "12"]]))
    what    s
    a     1.5
    b      12
    """
    lines = [[_printable(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < texts else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _printable(text: str) -> str:
    """Write out what is no character to be seen; spaces of all kinds become plain ones."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else " " if category(c) == "Zs" else ascii(c)[1:-1]
        for c in text
    )


# --------------------------------------------------------------------------- progress


@contextmanager
def run_progress(*, wanted: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Show how far a run is, on a terminal: simulated time, events/s, migrations, time left."""
    with _bars("{task.fields[simulated]} simulated, {task.fields[speed]}", wanted=wanted) as bars:
        if bars is None:
            yield None
            return
        from dcsim.units import format_count, format_duration

        started = time.monotonic()
        task = bars.add_task("migrations", total=None, simulated="0 s", speed="")

        def show(at: Progress) -> None:
            speed = at.events / max(time.monotonic() - started, 1e-9)
            bars.update(
                task,
                completed=at.ended,
                total=at.requested or None,
                simulated=format_duration(at.simulated_s),
                speed=f"{format_count(round(speed))} events/s",
            )

        yield show


@contextmanager
def study_progress(*, wanted: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show how many runs of a study are done, on a terminal."""
    with _bars("", wanted=wanted) as bars:
        if bars is None:
            yield None
            return
        task = bars.add_task("runs", total=None)

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield show


@contextmanager
def sweep_progress(*, wanted: bool) -> Iterator[Callable[[SweepProgress], None] | None]:
    """Show how far a study is, on a terminal: runs done and failed, runs/s, time left."""
    note = "{task.fields[failed]}{task.fields[speed]}"
    with _bars(note, wanted=wanted, timed=False) as bars:
        if bars is None:
            yield None
            return
        from dcsim.units import format_duration

        task = bars.add_task("runs", total=None, failed="", speed="")

        def show(at: SweepProgress) -> None:
            speed = "" if math.isnan(at.runs_per_s) else f"{at.runs_per_s:,.3g} runs/s"
            known = math.isfinite(at.left_s)
            left = f", {format_duration(math.ceil(at.left_s), digits=2)} left" if known else ""
            bars.update(
                task,
                description=at.stage,
                completed=at.done,
                total=at.total,
                failed=f"{at.failed:,} failed, " if at.failed else "",
                speed=f"{speed}{left}",
            )

        yield show


@contextmanager
def _bars(note: str, *, wanted: bool, timed: bool = True) -> Iterator[Bars | None]:
    """Draw bars on stderr and leave nothing behind; None where nobody would see them.

    Unless *timed* is unset, they tell the time that is left.
    """
    if not (wanted and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    columns += [TextColumn(note)] if note else []
    columns += [TimeRemainingColumn()] if timed else []
    with Progress(
        *columns,
        console=Console(stderr=True),
        refresh_per_second=_REFRESHES_PER_S,
        transient=True,
    ) as bars:
        yield bars
