"""`dcsim compare STORE` and `dcsim rerun STORE`: what is recorded of a study, and of one run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dcsim.cli.app import ERROR, SOME_FAILED
from dcsim.cli.console import complain, say, say_json, table
from dcsim.cli.saving import check_report, places, write_report

if TYPE_CHECKING:
    import pandas as pd

    from dcsim.study.sweeps.swept import Sweep


def is_store(directory: str | Path) -> bool:
    """Whether a directory is a store of studies."""
    return (Path(directory) / "store.json").is_file()


def compare(
    directory: str,
    *,
    study: str | None,
    metrics: list[str],
    by: str | None,
    over: str | None,
    baseline: str | None,
    report: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Tell what a study adds up to, as far as it is recorded."""
    from dcsim.study.findings.metrics import check_metric
    from dcsim.study.sweeps.swept import Sweep

    check_report(report, overwrite=overwrite)
    found = Sweep.open(directory, study=study)
    for metric in metrics:
        check_metric(metric)
    found = found.looked_at(metrics=metrics, by=by, baseline=baseline)
    frame = found.frame()
    if as_json:
        say_json(_data(found, frame, over) | places(report=report))
    else:
        say("\n".join(_lines(found, frame, over)))
    if report:
        write_report(found, report)
        if not as_json:
            say(f"The report is {report}")
    if (frame["error"] != "").any():
        raise typer.Exit(SOME_FAILED)


def _lines(found: Sweep, frame: pd.DataFrame, over: str | None) -> Iterator[str]:
    from dcsim.study.findings.sums import ranked
    from dcsim.study.plans.goals import in_words

    factor = found.factor()
    if ranked(factor) and (frame["error"] == "").any():
        means = found.means(frame)
        columns = [name for name in means.columns if name not in (factor.path, "runs")]
        rows = [
            [str(row[factor.path]), str(row["runs"]), *(in_words(c, row[c]) for c in columns)]
            for row in means.to_dict("records")
        ]
        yield table([factor.label, "runs", *columns], rows)
        yield ""
    yield found.summary()
    if over is not None:
        yield ""
        by = factor.path if found.factor(over).path != factor.path else None
        yield from found.response(over=over, by=by).words()


def _data(found: Sweep, frame: pd.DataFrame, over: str | None) -> dict[str, Any]:
    """Return all that a study adds up to, as JSON has it."""
    from dcsim.study.findings.sums import is_crossed

    failed = frame[frame["error"] != ""]
    data: dict[str, Any] = {
        "study": found.design.name,
        "name": found.name,
        "store": str(found.store.directory),
        "made_by": found.points.code,
        "points": len(found.design),
        "recorded": len(frame),
        "failed": len(failed),
        "random": found.random,
        "factors": [
            {"path": each.path, "label": each.label, "values": list(each.values)}
            for each in found.factors
        ],
        "summary": found.summary().splitlines(),
        "failures": _rows(failed[["run", "error", "message"]].head(100)),
    }
    if len(failed) == len(frame):
        return data
    factor = found.factor()
    if is_crossed(found, frame, factor):
        metrics = found.metrics
        data["means"] = _rows(found.means(frame))
        data["ranking"] = {metric: _rows(found.ranking(metric).frame()) for metric in metrics}
        data["differences"] = {metric: _rows(found.differences(metric)) for metric in metrics}
        if len(metrics) > 1:
            data["front"] = _rows(found.front(*metrics[:2]).frame())
    data["tornado"] = {metric: _rows(found.tornado(metric).frame()) for metric in found.metrics}
    if found.random:
        data["replications_needed"] = _rows(found.replications_needed().frame())
    if found.design.asked.design.kind in ("morris", "saltelli"):
        data["sensitivity"] = {m: _rows(found.sensitivity(m).frame()) for m in found.metrics}
    if over is not None:
        by = factor.path if found.factor(over).path != factor.path else None
        data["response"] = {
            metric: _rows(found.response(metric, over=over, by=by).frame())
            for metric in found.metrics
        }
    return data


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame as rows of plain values; what is missing is None."""
    whole = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in whole.to_dict("records")]


def rerun(directory: Path, run: str, *, out: Path | None) -> None:
    """Run one run of a store again, with everything recorded, and compare its figures."""
    from dcsim.study.rerun import rerun_stored

    row, result, differences = rerun_stored(directory, run)
    name = f"run {row['run']} of {row['study']}, replicate {row['replicate']}"
    if out is not None:
        result.save(out)
        say(f"The result is in {out}")
    if differences:
        for difference in differences:
            complain(difference)
        say(f"{name} came out differently")
        raise typer.Exit(ERROR)
    if row["error"]:
        say(f"{name} had failed ({row['error']}: {row['message']}) and now does not.")
    else:
        say(f"{name}: reproduced bit for bit.")
    say(result.explanation)
