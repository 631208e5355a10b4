"""`dcsim sweep`: a study's runs, thousands of them, into a store that a next time goes on with."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dcsim.cli.app import RUN, SOME_FAILED, AsJson, Assignments, NoProgress, Seed, command, load
from dcsim.cli.console import complain, say, say_json, sweep_progress, warn_if_slow
from dcsim.cli.jobs import Jobs, pool_of, terminated_as_interrupted

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from dcsim.study.designs.design import Design
    from dcsim.study.sweeps.swept import Sweep

_SHARD: Final = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
_MOST_FAILURES: Final = 5


def _shipped_studies(incomplete: str) -> list[str]:
    from dcsim.scenario import library

    return [name for name in library.names(kind="studies") if name.startswith(incomplete)]


StudySource = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="A file, or the name of a shipped study; or a scenario, with --vary.",
        autocompletion=_shipped_studies,
    ),
]


@command(
    name="sweep",
    panel=RUN,
    examples=(
        "dcsim sweep seed-question --jobs 8 -o seed",
        "dcsim sweep seed-question -o seed --dry-run",
        "dcsim sweep my-study.yaml -o /shared/store --dask tcp://scheduler:8786",
        "dcsim sweep my-study.yaml -o /shared/store --shard 3/10",
        "dcsim sweep rack-drain --vary hinting=zero-page,balloon-held "
        "--vary topology.uplink=25Gbit/s..100Gbit/s/4 --until-ci 2%",
    ),
)
def sweep(
    source: StudySource,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="STORE", help="Its store; unset: NAME-store."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH=VALUES",
            help="An axis: 1..16, 1Gbit/s..25Gbit/s/12, '1..1000/4 log' or a,b,c; again for more. "
            "In a study it takes the place of an axis of that path.",
        ),
    ] = None,
    replications: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Of each point; unset: as it says, or 5.")
    ] = None,
    until_ci: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Replicate each point until a metric's mean is known to this, e.g. 2%.",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="METRIC", help="Of --until-ci; unset: the study's first."),
    ] = None,
    jobs: Jobs = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on a Dask cluster, e.g. tcp://scheduler:8786."),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Only the I-th of N parts, e.g. in a job array."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Tell how many runs there are, and how long."),
    ] = False,
    run_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="That one run may take, e.g. 5min.")
    ] = None,
    run_memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="That one run may take, e.g. 4GiB.")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run again what failed.")
    ] = False,
    assignments: Assignments = None,
    seed: Seed = None,
    as_json: AsJson = False,
    no_progress: NoProgress = False,
) -> None:
    """Run a study, or what is left of it, and tell what it adds up to.

    Runs are recorded as they are done: whatever ends it, the same command goes on, and runs nothing
    again. An axis may be changed in between; what still matches is kept. Several studies can share
    a store, at the same time too. `dcsim compare STORE` looks at it, while it runs or later.
    """
    design = _design(source, vary or [], assignments, seed)
    design = _replicated(design, replications, until_ci, metric)
    limits = {"time": run_time, "memory": run_memory}
    if given := {name: limit for name, limit in limits.items() if limit is not None}:
        design = design.replace(limits=design.asked.limits.model_dump() | given)
    part = _part(shard)
    if dask is not None and jobs is not None:
        raise typer.BadParameter("Dask has its own workers", param_hint="--jobs")
    where = out or Path(f"{_file_name(design.name)}-store")
    if dry_run:
        _tell_dry(design, where, part, jobs=jobs, retry=retry_failed, as_json=as_json)
        return
    from dcsim.study.sweeps.store import Store
    from dcsim.study.sweeps.sweep import sweep as run_study

    Store(where)
    warn_if_slow()
    with (
        terminated_as_interrupted(),
        sweep_progress(wanted=not no_progress) as progress,
        _pool(dask, jobs, where) as executor,
    ):
        try:
            study = run_study(
                design,
                store=where,
                executor=executor,
                progress=progress,
                shard=part,
                retry_failed=retry_failed,
            )
        except KeyboardInterrupt:
            complain(f"What is done is recorded in {where}: the same command goes on from there.")
            raise
    _tell(study, where, as_json=as_json)


# --------------------------------------------------------------------------- what is asked


def load_study(source: str, assignments: list[str] | None, seed: int | None = None) -> Design:
    """Return the study of a file or a name, with the changes of ``--set`` and ``--seed``."""
    from dcsim.scenario.paths import parse_assignments
    from dcsim.study.designs.studyfile import load as load_file

    design = load_file(source)
    changes = parse_assignments(assignments or ())
    if seed is not None:
        changes["seed"] = seed
    taken = [path for path in changes if path in design.paths]
    if taken:
        message = f"{taken[0]} is varied: --vary {taken[0]}=VALUES takes the place of its axis"
        raise typer.BadParameter(message, param_hint="--set")
    return design.replace(set=changes) if changes else design


def _design(
    source: str, vary: list[str], assignments: list[str] | None, seed: int | None
) -> Design:
    from dcsim.scenario import includes, library
    from dcsim.scenario.files import is_study
    from dcsim.study.designs.design import Design

    axes = _axes(vary)
    if is_study(source):
        design = load_study(source, assignments, seed)
        return design.replace(axes=axes) if axes else design
    if not axes and not includes.is_file(source) and source not in library.names(kind="scenarios"):
        return load_study(source, None)  # which tells what there is
    if not axes:
        message = f"{source[:80]} is a scenario: --vary says what is varied in it"
        raise typer.BadParameter(message, param_hint="--vary")
    return Design(load(source, assignments, seed), axes=axes)


def _axes(vary: list[str]) -> dict[str, str]:
    axes: dict[str, str] = {}
    for text in vary:
        path, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not path or not values:
            message = f"{text[:80]!r} is no path=values; write it like guests[0].count=8,16"
            raise typer.BadParameter(message, param_hint="--vary")
        if path in axes:
            raise typer.BadParameter(f"{path} is given twice", param_hint="--vary")
        axes[path] = values
    return axes


def _replicated(design: Design, count: int | None, until: str | None, metric: str | None) -> Design:
    """Return the design with other replications, where some are asked for."""
    if count is not None and until is not None:
        raise typer.BadParameter("give --replications or --until-ci", param_hint="--until-ci")
    if metric is not None and until is None:
        raise typer.BadParameter("is the metric of --until-ci", param_hint="--metric")
    if count is None and until is None:
        return design
    rule: Any = count
    if until is not None:
        rule = {"metric": metric or design.asked.metrics[0], "within": until}
    return design.replace(replications=rule)


def _part(text: str | None) -> tuple[int, int]:
    if text is None:
        return (1, 1)
    match = _SHARD.fullmatch(text)
    part = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= part[0] <= part[1]:
        message = f"{text[:40]!r} is no part of a study: the third of ten is 3/10"
        raise typer.BadParameter(message, param_hint="--shard")
    return part


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "study"


@contextmanager
def _pool(
    dask: str | None, jobs: int | None, store: Path
) -> Iterator[Executor | Callable[[], Executor] | None]:
    if dask is None:
        with pool_of(jobs) as pool:
            yield pool
        return
    from dcsim.study.sweeps.cluster import dask_executor

    with dask_executor(dask, directory=store / ".partial", tell=complain) as executor:
        yield executor


# --------------------------------------------------------------------------- what is told


def _tell_dry(
    design: Design,
    where: Path,
    part: tuple[int, int],
    *,
    jobs: int | None,
    retry: bool,
    as_json: bool,
) -> None:
    from dcsim.study.sweeps.dry import estimate
    from dcsim.study.sweeps.store import Store

    store = Store(where, make=False) if (where / "store.json").exists() else None
    found = estimate(design, store=store, shard=part, retry_failed=retry)
    count = jobs or os.cpu_count() or 1
    if as_json:
        say_json(
            {
                "study": design.name,
                "store": str(where),
                **found._asdict(),
                "left": found.left,
                "jobs": count,
                "estimated_s": found.each_s * found.left / count,
            }
        )
    else:
        say(f"{design.name}: {found.words(jobs=count)}")


def _tell(study: Sweep, where: Path, *, as_json: bool) -> None:
    frame = study.frame(metrics=[])
    failures = frame[frame["error"] != ""]
    if as_json:
        say_json(
            {
                "study": study.design.name,
                "name": study.name,
                "store": str(where),
                "points": len(study.design),
                "recorded": len(frame),
                "failed": len(failures),
            }
        )
    else:
        say(study.summary())
        say(f"The store is {where}: dcsim compare {where} tells more.")
    for row in failures.head(_MOST_FAILURES).to_dict("records"):
        complain(f"run {row['run']} failed: {row['error']}: {row['message']}")
    if len(failures) > _MOST_FAILURES:
        complain(f"{len(failures) - _MOST_FAILURES} more failed")
    if len(failures):
        raise typer.Exit(SOME_FAILED)
