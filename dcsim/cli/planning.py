"""`dcsim plan`: which values of a scenario's knobs reach some goals, and which is best."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from dcsim.cli.app import (
    NOT_SO,
    RUN,
    AsJson,
    Assignments,
    NoProgress,
    Seed,
    Source,
    command,
    load,
)
from dcsim.cli.console import say, say_json, study_progress, table, warn_if_slow
from dcsim.cli.failing import FailIf, conditions, end_if, holding
from dcsim.cli.jobs import Jobs, executor_of
from dcsim.cli.saving import Out, Overwrite, Report, check_report, make_way, places, write_report

if TYPE_CHECKING:
    from dcsim.study.plans.planned import Plan


@command(
    name="plan",
    panel=RUN,
    examples=(
        "dcsim plan quick-start --goal 'makespan_s <= 3s' "
        "--vary topology.host_link=1Gbit/s..25Gbit/s --minimise topology.host_link",
        "dcsim plan rack-drain --goal 'makespan_s <= 15min' --goal 'not_moved <= 2' "
        "--vary operation.limits.per_host_out=1..8 --minimise network_bytes -o plan",
    ),
)
def plan(
    source: Source,
    goal: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'METRIC OP VALUE'",
            help="What is to be reached, e.g. 'makespan_s <= 6h'; again for more.",
        ),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH=RANGE",
            help="What may be chosen: 1..16, 1Gbit/s..25Gbit/s, 1Gbit/s..25Gbit/s/12 (values) "
            "or a,b,c; again for more.",
        ),
    ] = None,
    minimise: Annotated[
        str | None, typer.Option(metavar="METRIC", help="Or a PATH that is varied.")
    ] = None,
    maximise: Annotated[
        str | None, typer.Option(metavar="METRIC", help="Or a PATH that is varied.")
    ] = None,
    replications: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="Of a point at most, until it is sure."),
    ] = 20,
    points: Annotated[int, typer.Option(metavar="N", min=1, help="That are tried at most.")] = 200,
    jobs: Jobs = None,
    out: Out = None,
    report: Report = None,
    assignments: Assignments = None,
    seed: Seed = None,
    fail_if: FailIf = None,
    as_json: AsJson = False,
    no_progress: NoProgress = False,
    overwrite: Overwrite = False,
) -> None:
    """Find the values that reach goals, and among them the best.

    Exit code 3 where no point that was tried surely reaches them; --fail-if is of the best point.
    With -o a report is written beside the plan: DIR/report.html.
    """
    refused = conditions(fail_if)
    scenario = load(source, assignments, seed)
    varied = _varied(vary or [])
    if minimise is not None and maximise is not None:
        raise typer.BadParameter("give --minimise or --maximise", param_hint="--maximise")
    from dcsim.records.archive import REPORT
    from dcsim.study.plans import plan as planning
    from dcsim.study.plans.planned import holds_plan

    make_way(out, overwrite=overwrite, owns=holds_plan, option="--out")
    check_report(report, overwrite=overwrite)
    report = report or (out and out / REPORT)
    warn_if_slow()
    with study_progress(wanted=not no_progress) as progress, executor_of(jobs) as executor:
        found = planning.plan(
            scenario,
            goals=goal or [],
            vary=varied,
            minimise=minimise,
            maximise=maximise,
            replications=replications,
            points=points,
            executor=executor,
            progress=progress,
        )
    if out:
        found.save(out, overwrite=overwrite)
    write_report(found, report)
    best = {metric: found.best.mean(metric) for metric in found.best.metrics}
    failing = holding(refused, {"": best} if best else {})
    if as_json:
        say_json(found.to_dict() | {"fail_if": failing} | places(out=out, report=report))
    else:
        say("\n".join(_lines(found)))
        if out:
            say(f"The plan is in {out}")
        if report:
            say(f"The report is {report}")
    end_if(failing)
    if not found.feasible:
        raise typer.Exit(NOT_SO)


def _varied(texts: list[str]) -> dict[str, str]:
    varied: dict[str, str] = {}
    for text in texts:
        path, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not path or not values:
            message = f"{text[:80]!r} is no path=range; write it like guests[0].count=8..16"
        elif path in varied:
            message = f"{path} is given twice"
        else:
            varied[path] = values
            continue
        raise typer.BadParameter(message, param_hint="--vary")
    return varied


def _lines(found: Plan) -> Iterator[str]:
    """Yield the answer in words, and the points that nothing beats, or else all, the best first."""
    from dcsim.study.plans.goals import in_words

    yield found.summary()
    front = found.frontier
    trials = front or sorted(found.trials, key=found.objective.rank)[:10]
    if found.size == 1 or len(found.trials) == 1 or len(trials) < 2:
        return
    what = found.objective.what
    metrics = list(dict.fromkeys(goal.metric for goal in found.goals))
    if what is not None and found.objective.axis is None and what not in metrics:
        metrics.insert(0, what)
    rows = [
        [
            *(str(value) for value in trial.changes.values()),
            trial.state,
            *(in_words(metric, trial.mean(metric)) for metric in metrics),
        ]
        for trial in trials[:20]
    ]
    yield ""
    dearer = f", where more to spare costs {'less' if found.objective.most else 'more'} {what}"
    yield f"The frontier{dearer if what else ''}:" if front else "The nearest:"
    heads = [axis.path for axis in found.axes]
    yield table([*heads, "verdict", *metrics], rows, texts=len(heads) + 1)
