"""`dcsim compare`: one policy, limit or order after another, many runs, one answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dcsim.cli import stored
from dcsim.cli.app import (
    RUN,
    SOME_FAILED,
    AsJson,
    Assignments,
    NoProgress,
    Seed,
    Source,
    command,
    load,
)
from dcsim.cli.console import complain, say, say_json, study_progress, table, warn_if_slow
from dcsim.cli.failing import FailIf, conditions, end_if, holding
from dcsim.cli.jobs import Jobs, executor_of
from dcsim.cli.saving import (
    Out,
    Overwrite,
    Report,
    check_report,
    make_way,
    places,
    write_report,
)

if TYPE_CHECKING:
    from dcsim.study.comparisons.answers import Outcome
    from dcsim.study.comparisons.study import Study

_MOST_FAILURES: Final = 10


def _policies(incomplete: str) -> list[str]:
    from dcsim.scenario import presets

    *given, last = incomplete.split(",")
    names = [name for name in presets.hinting_names() if name.startswith(last)]
    return [",".join([*given, name]) for name in names]


@command(
    name="compare",
    panel=RUN,
    examples=(
        "dcsim compare rack-drain -o drain-study",
        "dcsim compare rack-drain --vary operation.limits=kubevirt,nova,vsphere",
        "dcsim compare quick-start --vary guests[0].memory=2GiB,8GiB --hinting none,zero-page",
        "dcsim compare seed-store --metric lost_work_s --over cache",
        "dcsim compare my.yaml --hinting 'balloon-held,{use: balloon-held, reserve: 1GiB}'",
    ),
)
def compare(
    source: Source,
    hinting: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C",
            help="Policies; unset: all, or with --vary its own.",
            autocompletion=_policies,
        ),
    ] = None,
    replications: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Of each; 5 if unset, 1 if nothing is random."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH=V1,V2", help="Vary this; again for every combination."),
    ] = None,
    jobs: Jobs = None,
    out: Out = None,
    report: Report = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What to compare with; zero-page or the first if unset."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC", help="Of a store: what is looked at; again for more."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Of a store: what is compared; its first axis if unset."),
    ] = None,
    over: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Of a store: along which metrics are told, too."),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(
            "--study", metavar="NAME", help="Of a store: which of its studies; the last if unset."
        ),
    ] = None,
    assignments: Assignments = None,
    seed: Seed = None,
    fail_if: FailIf = None,
    as_json: AsJson = False,
    no_progress: NoProgress = False,
    overwrite: Overwrite = False,
) -> None:
    """Run a scenario under one hinting policy after another, and tell what each costs and saves.

    With --vary and no --hinting, its own policy is kept: what is varied is compared.
    With -o a report is written beside the study: DIR/report.html. Of the store of a sweep it tells
    what the study adds up to, while it runs or later.
    """
    if stored.is_store(source):
        given = {
            "--hinting": hinting,
            "--replications": replications,
            "--vary": vary,
            "--jobs": jobs,
            "--out": out,
            "--set": assignments,
            "--seed": seed,
            "--fail-if": fail_if,
        }
        for option, value in given.items():
            if value is not None:
                message = f"means nothing for {source}, whose runs are there: see dcsim sweep"
                raise typer.BadParameter(message, param_hint=option)
        stored.compare(
            source,
            study=of,
            metrics=metric or [],
            by=by,
            over=over,
            baseline=baseline,
            report=report,
            overwrite=overwrite,
            as_json=as_json,
        )
        return
    for option, value in {"--metric": metric, "--by": by, "--over": over, "--study": of}.items():
        if value is not None:
            message = f"is of the store of a sweep, and {source[:80]} is none"
            raise typer.BadParameter(message, param_hint=option)
    scenario = load(source, assignments, seed)
    refused = conditions(fail_if)
    policies = None if hinting is None else _values(hinting, "--hinting")
    varied = _varied(vary or [])
    from dcsim.records.archive import REPORT
    from dcsim.study.comparisons.runs import holds_study

    make_way(out, overwrite=overwrite, owns=holds_study, option="--out")
    check_report(report, overwrite=overwrite)
    report = report or (out and out / REPORT)
    from dcsim.study.comparisons import compare as studies

    warn_if_slow()
    with study_progress(wanted=not no_progress) as progress, executor_of(jobs) as executor:
        try:
            study = studies.compare(
                scenario,
                hinting=policies,
                vary=varied,
                replications=replications,
                baseline=baseline,
                executor=executor,
                progress=progress,
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    if out:
        study.save(out, overwrite=overwrite)
    if study.results:
        write_report(study, report)
    else:
        report = None
    failing = holding(refused, _means(study))
    if as_json:
        say_json(_study_data(study) | {"fail_if": failing} | places(out=out, report=report))
    else:
        say("\n".join(_study_lines(study)))
        if out:
            say(f"The study is in {out}")
        if report:
            say(f"The report is {report}")
    if study.failures:
        for failed in study.failures[:_MOST_FAILURES]:
            complain(
                f"{failed.variant}, replicate {failed.replicate}: {failed.error}: {failed.message}"
            )
    end_if(failing)
    if study.failures:
        raise typer.Exit(SOME_FAILED)


def _means(study: Study) -> dict[str, dict[str, float]]:
    """Return the mean of each metric of each variant that has a result."""
    from dcsim.records.tables import SUMMARY

    ran = [name for name in study.variants if study.values("requested", name)]
    return {
        name: {metric: _mean(study.values(metric, name)) for metric in SUMMARY.names}
        for name in ran
    }


def _values(text: str, option: str) -> list[Any]:
    """Return the values of a list written as in a file, without its brackets; each once."""
    from dcsim.errors import ScenarioError
    from dcsim.scenario import parsing

    try:
        values = parsing.parse(f"[{text}]").plain()
    except ScenarioError as error:
        message = "; ".join(issue.message for issue in error.issues)
        raise typer.BadParameter(message, param_hint=option) from None
    if not isinstance(values, list) or not values:
        raise typer.BadParameter("no value is given", param_hint=option)
    return [value for i, value in enumerate(values) if value not in values[:i]]


def _varied(texts: list[str]) -> dict[str, list[Any]]:
    varied: dict[str, list[Any]] = {}
    better = {"hinting": "--hinting A,B,C", "seed": "--replications N"}
    for text in texts:
        path, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not path:
            message = f"{text[:80]!r} is no path=values; write it like guests[0].count=8,16"
        elif path in better:
            message = f"vary the {path} with {better[path]}"
        elif path in varied:
            message = f"{path} is given twice"
        else:
            varied[path] = _values(values, "--vary")
            continue
        raise typer.BadParameter(message, param_hint="--vary")
    return varied


def _study_data(study: Study) -> dict[str, Any]:
    from dcsim.records.tables import SUMMARY
    from dcsim.study.findings.statistics import paired_difference

    bases = dict(study.pairs())
    variants = []
    for name in study.variants:
        first, base = study.first(name), bases.get(name)
        differences = {}
        for metric in SUMMARY.names if base else ():
            values, others = study.paired(metric, name, str(base))
            found = paired_difference(values, others)
            differences[metric] = {"mean": found.mean, "low": found.low, "high": found.high}
        variants.append(
            {
                "variant": name,
                "hinting": first.hinting,
                "changes": first.changes,
                "digest": first.digest,
                "runs": len(study.values("requested", name)),
                "metrics": {metric: _mean(study.values(metric, name)) for metric in SUMMARY.names},
                "baseline": base,
                "differences": differences,
            }
        )
    return {
        "scenario": study.name,
        "random": study.random,
        "summary": study.summary().splitlines(),
        "variants": variants,
        "failures": [
            {
                "variant": run.variant,
                "replicate": run.replicate,
                "error": run.error,
                "message": run.message,
            }
            for run in study.failures
        ],
    }


def _study_lines(study: Study) -> Iterator[str]:
    """Yield a table of variants by metrics, and the study in words."""
    from dcsim.units import format_count, format_duration, format_size

    if study.of_operations:
        yield _operations_table(study)
        yield ""
        yield study.summary()
        return
    columns: dict[str, tuple[str, Callable[[float], str]]] = {
        "makespan": ("makespan_s", format_duration),
        "network": ("network_bytes", format_size),
        "sent again": ("resent_bytes", format_size),
        "read again": ("extra_refault_bytes", format_size),
        "lost work": ("lost_work_s", format_duration),
        "blackout": ("blackout_p50_s", format_duration),
        "longest": ("blackout_max_s", format_duration),
    }
    rows = []
    for name in study.variants:
        asked, not_moved = (_mean(study.values(m, name)) for m in ("requested", "not_moved"))
        cells: list[tuple[float, Callable[[float], str]]] = [(asked - not_moved, format_count)]
        cells += [(_mean(study.values(metric, name)), form) for metric, form in columns.values()]
        rows.append([name, *("-" if math.isnan(value) else form(value) for value, form in cells)])
    yield table(["variant", "moved", *columns], rows)
    yield ""
    yield study.summary()


def _operations_table(study: Study) -> str:
    """Return a table of variants of an operation: in time or not, how long, who noticed."""
    from dcsim.study.comparisons.answers import outcomes
    from dcsim.units import format_count, format_duration, format_size

    columns: dict[str, tuple[Callable[[Outcome], float], Callable[[float], str]]] = {
        "in time": (lambda each: each.met, lambda share: f"{100 * share:.0f} %"),
        "makespan": (lambda each: each.makespan_s.mean, format_duration),
        "at least": (lambda each: each.bound_s, format_duration),
        "moved": (lambda each: each.requested - each.not_moved, format_count),
        "blackout p99": (lambda each: each.blackout_p99_s, format_duration),
        "degraded p95": (lambda each: each.degraded_s, format_duration),
        "lost work": (lambda each: each.lost_work_s, format_duration),
        "network": (lambda each: each.network_bytes, format_size),
    }
    found = {each.variant: each for each in outcomes(study)}
    known = {
        name: column
        for name, column in columns.items()
        if any(math.isfinite(column[0](each)) for each in found.values())
    }
    rows = []
    for variant in study.variants:
        values = [of(found[variant]) if variant in found else math.nan for of, _ in known.values()]
        forms = [form for _, form in known.values()]
        cells = zip(values, forms, strict=True)
        rows.append([variant, *(form(v) if math.isfinite(v) else "-" for v, form in cells)])
    return table(["variant", *known], rows)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
