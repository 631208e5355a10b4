"""One HTML file that shows a study or a result, with all in it: nothing is fetched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dcsim.scenario.spec import MODEL_VERSION
from dcsim.study.plans.planned import Plan
from dcsim.study.sweeps.swept import Sweep
from dcsim.view import content, planning
from dcsim.view.gather import Material, gather
from dcsim.view.sweeps.page import page_of

if TYPE_CHECKING:
    from dcsim.records.result import Result
    from dcsim.study.comparisons.study import Study

_TEMPLATES: Final = Path(__file__).parent / "templates"

GAPS: Final = (
    "Traffic is fluid: links are shared at once, max-min fairly by weights of kinds of traffic. "
    "There are no packets, no TCP, no round trips, and no kind waits until another has all it can.",
    "Memory is counted by class of page; within a class pages differ only in how often they are "
    "touched. There is no swap.",
    "Hosts, links and storage fail only where the scenario says so. That is known at once, and so "
    "is a way around a link; post-copy is not recovered after its connection was lost.",
    "Dirty and read rates are inputs: none are published by application, and no published "
    "measurement shows what a cache-heavy server loses after its clean cache is dropped.",
    "Management decides at once and knows all of the cluster; only its set time a migration and "
    "its limits hold guests back.",
)
"""What the model leaves out, in sentences for readers of a report."""


def write_report(
    subject: Study | Result | Plan | Sweep,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    question: str | None = None,
) -> Path:
    """Write a self-contained HTML report.

    Parameters
    ----------
    subject
        What is reported on: a comparison, a single run, a plan, or a study as far as its runs are
        recorded.
    path
        Where to; an existing file is replaced once the new one is whole.
    title, question
        Instead of the scenario's or study's name and its question.

    Returns
    -------
    pathlib.Path
        The file: some 5 MB of it are the library that draws the figures.

    Raises
    ------
    ResultError
        If every run of a comparison failed.
    OSError
        If the file cannot be written.
    """
    target = Path(path)
    page = render(subject, title=title, question=question)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def render(
    subject: Study | Result | Plan | Sweep,
    *,
    title: str | None = None,
    question: str | None = None,
) -> str:
    """Return the report as text; see `write_report`."""
    if isinstance(subject, Plan):
        parts = planning.content(subject, title=title, question=question)
        return _page("plan.html", **parts, drawn=content.script_safe(parts["figures"]))
    if isinstance(subject, Sweep):
        return _page("sweep.html", **_of_sweep(subject, title=title, question=question))
    material = gather(subject, title=title, question=question)
    looked_at = material.variants[: content.MOST_CLOSE_UPS]
    table_bytes = min(content.MOST_TABLE_BYTES, content.MOST_TABLES_BYTES // len(looked_at) // 5)
    figures = content.comparison(material)
    key = content.key_figures(material)
    return _page(
        "report.html",
        m=material,
        key=key,
        verdict=content.verdict(material, key),
        compared=content.compared(material),
        outcomes=content.outcomes(material),
        figures=figures,
        closeups=[variant.name for variant in looked_at],
        left_out=len(material.variants) - len(looked_at),
        provenance=_provenance(material),
        digests=[(variant.name, variant.shown.digest) for variant in material.variants],
        script=_part("report.js"),
        comparison=content.script_safe(figures),
        payloads=(
            content.script_safe(content.close_up(variant, table_bytes=table_bytes))
            for variant in looked_at
        ),
    )


def _of_sweep(study: Sweep, *, title: str | None, question: str | None) -> dict[str, Any]:
    parts = page_of(study, title=title, question=question)
    drawn = {name: content.script_safe(parts[name]) for name in ("figures", "choices")}
    return {"page": parts, "drawn": drawn, "script": _part("report.js")}


def _page(template: str, **values: Any) -> str:
    """Fill a template with what is said, and with what every page has."""
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        **values,
        gaps=GAPS,
        css=_part("report.css"),
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
    )


def _part(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _provenance(material: Material) -> list[tuple[str, Any]]:
    """Return what names the runs: versions, scenario, seeds."""
    runs = [run for variant in material.variants for run in variant.runs]
    first = runs[0]
    digests = list(dict.fromkeys(run.digest for run in runs))
    seeds = sorted({run.seed for run in runs})
    shown = ", ".join(map(str, seeds[:20])) + (", …" if len(seeds) > 20 else "")
    rows: list[tuple[str, Any]] = [
        *first.versions.items(),
        ("model version", MODEL_VERSION),
        ("runs", len(runs)),
        ("seeds" if len(seeds) > 1 else "seed", shown),
        ("scenario digest", digests[0] if len(digests) == 1 else "one a variant, below"),
    ]
    return rows
