"""What was measured, as text: a table of goals, one of costs, a picture, docs/performance.md."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.lines import DCSIM, FLOWS, PLUGIN, PYTHON
from benchmarks.simgrid import ROOT

if TYPE_CHECKING:  # what measures stays small: a child's peak memory starts from its parent's
    import plotly.graph_objects as go

PAGE = ROOT / "docs" / "performance.md"
PICTURE = "performance.png"
DRAWN = "growth"
"""The line that the picture shows."""
BEGIN, END = "<!-- measured -->\n", "<!-- end of what was measured -->\n"
AGREED = 1e-6
SIMULATORS = (DCSIM, PYTHON, FLOWS, PLUGIN)
GOALS = ("", "goal", "bound", "measured", "met")
COSTS = ("", "program", "CPU seconds", "MiB", "answers")

Data = dict[str, Any]
Row = tuple[str, ...]


def number(value: float) -> str:
    """Return a number with three figures, more where its whole part has them."""
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def spread(values: Sequence[float]) -> str:
    """Return the median of some values, and the least and the largest."""
    if not values:
        return "–"
    middle = number(statistics.median(values))
    ends = f" ({number(min(values))}–{number(max(values))})" if len(values) > 1 else ""
    return middle + ends


def goal_rows(line: Data) -> list[Row]:
    """Return a line's rows of the table of goals."""
    return [
        (
            line["name"],
            goal["about"],
            bound(goal),
            spread(goal["values"]),
            verdict(goal),
        )
        for goal in line["goals"]
    ]


def bound(goal: Data) -> str:
    """Return what a goal's median is to reach; not a number is a figure to be read only."""
    if math.isnan(goal["bound"]):
        return "–"
    return f"{'≥' if goal['at_least'] else '≤'} {goal['bound']:g}"


def verdict(goal: Data) -> str:
    """Return whether the median is within the bound, in a word."""
    if not goal["values"] or math.isnan(goal["bound"]):
        return "–"
    middle, bound = statistics.median(goal["values"]), goal["bound"]
    return "yes" if (middle >= bound if goal["at_least"] else middle <= bound) else "no"


def cost_rows(line: Data) -> list[Row]:
    """Return a line's rows of the table of costs."""
    return [
        (
            line["name"],
            program["name"],
            spread([run["cpu_s"] for run in program["runs"]]),
            spread([run["peak_mib"] for run in program["runs"]][:1]),
            agreement(program["apart"]),
        )
        for program in line["programs"]
    ]


def agreement(apart: float | None) -> str:
    """Return how far answers are apart, in words."""
    if apart is None:
        return "–"
    if apart > AGREED:
        return f"differ by {apart:.0e}"
    return f"agree to {apart:.0e}" if apart else "the same"


def text(lines: Sequence[Data]) -> str:
    """Return both tables for a terminal."""
    tables = [(GOALS, goal_rows), (COSTS, cost_rows)]
    return "\n".join(
        _aligned([heads, *(row for line in lines for row in rows(line))]) for heads, rows in tables
    )


def _aligned(rows: Sequence[Row]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = (zip(row, widths, strict=True) for row in rows)
    return "\n".join("  ".join(f"{cell:{width}}" for cell, width in row).rstrip() for row in cells)


def markdown(measured: Data) -> str:
    """Return the part of the page that is measured: where, goals and costs."""
    machine, lines = measured["machine"], list(measured["lines"].values())
    kernel = "with its compiled kernel" if machine["compiled"] else "in pure Python throughout"
    simgrid = f"SimGrid {machine['simgrid']}" if machine["simgrid"] else "no SimGrid"
    where = (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; "
        f"Python {machine['python']}, dcsim {kernel}, {simgrid}."
    )
    about = "\n".join(f"- *{line['name']}*: {line['about']}" for line in lines)
    goals = _table(GOALS, [row for line in lines for row in goal_rows(line)])
    costs = _table(COSTS, [row for line in lines for row in cost_rows(line)])
    shown = f"\n![CPU seconds over migrations]({PICTURE})\n" if DRAWN in measured["lines"] else ""
    return f"{where}\n{shown}\n{about}\n\n{goals}\n\n{costs}\n"


def _table(heads: Row, rows: Sequence[Row]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def write(measured: Data, *, page: Path = PAGE) -> None:
    """Renew the measured part of a page, and the picture beside it."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    new = f"{before}{BEGIN}\n{markdown(measured)}\n{END}{after}"
    page.write_text(new, encoding="utf-8")
    if DRAWN in measured["lines"]:
        drawing = picture(measured["lines"][DRAWN])
        drawing.write_image(page.with_name(PICTURE), width=880, height=520, scale=2)


def picture(growth: Data) -> go.Figure:
    """Draw CPU over migrations, a line for each simulator."""
    from dcsim.view import style

    styles = style.variant_styles(SIMULATORS)
    counts: list[int] = []
    seconds: list[float] = []
    drawn = style.figure(height=520)
    for name in SIMULATORS:
        colour, symbol = styles[name]
        ran = [
            program
            for program in growth["programs"]
            if program["name"].startswith(f"{name}, {program['migrations']:,}") and program["runs"]
        ]
        x = [program["migrations"] for program in ran]
        y = [statistics.median(run["cpu_s"] for run in program["runs"]) for program in ran]
        counts += x
        seconds += y
        drawn.add_scatter(
            name=name,
            x=x,
            y=y,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"symbol": symbol, "size": 9},
        )
    drawn.update_xaxes(style.log_axis(min(counts), max(counts)), title_text="migrations")
    drawn.update_yaxes(
        style.log_axis(min(seconds), max(seconds)), title_text="CPU seconds of the process"
    )
    drawn.update_layout(legend={"y": 1.0, "yanchor": "bottom"}, margin={"t": 40, "r": 20})
    return drawn
