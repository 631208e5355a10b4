"""What a report says, as plain data: key figures, figures to draw, tables, explanations.

Texts are not escaped here: the template escapes them, the script writes them as text.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dcsim.errors import ResultError
from dcsim.records.summary import LIVE
from dcsim.records.tables import BY_NAME, OUTCOMES, Column
from dcsim.study.comparisons.answers import outcomes as outcomes_of
from dcsim.study.findings.statistics import Interval, interval
from dcsim.units import listed
from dcsim.view import plots
from dcsim.view.explain import explain
from dcsim.view.gather import Material, Variant, frame_or_empty
from dcsim.view.style import Quantity, Scale, number_text, scale

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_CLOSE_UPS: Final = 24
"""Variants that a report looks at closely."""
MOST_TABLE_BYTES: Final = 1_000_000
"""Bytes of a table that is kept whole in the page; of a larger one its first rows are."""
MOST_TABLES_BYTES: Final = 16_000_000
"""Bytes of all tables in a page together."""
MOST_EXPLAINED: Final = 6
"""Migrations of a variant that are explained."""

_KEY: Final[tuple[tuple[str, str, Quantity], ...]] = (
    ("network_bytes", "Network cost", "bytes"),
    ("lost_work_s", "Lost work", "seconds"),
    ("makespan_s", "Last migration ended", "seconds"),
    ("migration_mean_s", "Mean migration", "seconds"),
    ("blackout_p50_s", "Median blackout", "seconds"),
    ("blackout_max_s", "Longest blackout", "seconds"),
    ("degraded10_p95_s", "Over 10 % degraded, p95", "seconds"),
    ("not_moved", "Not moved", "count"),
    ("interactions", "Interactions", "count"),
)
_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "migrations": (
        "guest", "source", "destination", "outcome", "started_s", "total_time_s", "downtime_s",
        "rounds", "memory_bytes", "sent_bytes", "resent_bytes", "prefetch_bytes",
        "dirty_bytes_per_s", "bandwidth_bytes_per_s", "reason",
    ),
    "guests": (
        "guest", "host", "moves", "lost_work_s", "lost_blackout_s", "lost_cpu_s",
        "lost_write_fault_s", "lost_cache_miss_s", "lost_network_s", "degraded10_s",
        "extra_refault_bytes",
    ),
    "hosts": BY_NAME["hosts"].names,
    "operations": BY_NAME["operations"].names,
    "maintenance": BY_NAME["maintenance"].names,
    "links": BY_NAME["links"].names,
    "events": BY_NAME["events"].names,
}  # fmt: skip
_LEAST_PERCENT: Final = 0.05  # less is written as 0.0
_MOST_PERCENT: Final = 900.0  # more is easier read as a factor


@dataclass(frozen=True, slots=True)
class Cell:
    """One key figure of one variant."""

    value: float
    text: str
    around: str
    change: str
    tone: str


def key_figures(material: Material) -> dict[str, Any]:
    """Return the table of variants by metrics, with paired differences to each one's baseline."""
    study = material.study
    rows: dict[str, list[Cell]] = {variant.name: [] for variant in material.variants}
    baselines: dict[str, str] = {}
    for column, _, quantity in _KEY:
        means = {
            variant.name: interval([float(run.metrics[column]) for run in variant.runs])
            for variant in material.variants
        }
        changes: dict[str, Interval] = {}
        if study is not None:
            for row in study.differences(column).to_dict("records"):
                ends = (row["change_percent_low"], row["change_percent_high"])
                changes[row["variant"]] = Interval(row["change_percent"], *ends, row["pairs"])
                baselines[row["variant"]] = row["baseline"]
        sizes = [abs(mean.mean) for mean in means.values() if math.isfinite(mean.mean)]
        by = scale(max(sizes, default=0.0), quantity)
        for name, mean in means.items():
            rows[name].append(cell(mean, changes.get(name), by))
    return {
        "columns": [(title, meaning(column)) for column, title, _ in _KEY],
        "rows": list(rows.items()),
        "single": list(zip(((t, meaning(c)) for c, t, _ in _KEY), *rows.values(), strict=True))
        if study is None
        else [],
        "runs": _counts(len(variant.runs) for variant in material.variants),
        "baselines": sorted(set(baselines.values())),
        "replicated": any(len(variant.runs) > 1 for variant in material.variants),
    }


def verdict(material: Material, key: Mapping[str, Any]) -> list[str]:
    """Return what the key figures come to, in a sentence or two.

    Of operations it is what comes of them. Nothing else of a single result, nor where variants have
    several baselines: what was varied beside the policies makes them cost more or less.
    """
    if material.of_operations:
        return list(material.verdict)
    if len(material.variants) < 2 or len(key["baselines"]) != 1:
        return []
    at = [column for column, _, _ in _KEY].index
    cells = {name: (row[at("network_bytes")], row[at("lost_work_s")]) for name, row in key["rows"]}
    known = {n: c for n, c in cells.items() if math.isfinite(c[0].value + c[1].value)}
    if not known:
        return []
    network, guests = (min(known, key=lambda name, i=i: known[name][i].value) for i in (0, 1))  # type: ignore[misc]
    said = f"The policy {network} costs the network least ({known[network][0].text}), "
    lost = known[guests][1].text
    if network == guests:
        verdicts = [f"{said}and the guests too ({lost} of lost work)."]
    else:
        verdicts = [f"{said}the policy {guests} the guests ({lost} of lost work)."]
    gains = [
        name
        for name, pair in known.items()
        if any(cell.tone == "better" for cell in pair)
        and not any(cell.tone == "worse" for cell in pair)
    ]
    base = key["baselines"][0]
    if gains:
        costs = "costs" if len(gains) == 1 else "cost"
        verdicts.append(
            f"{listed(gains)} {costs} less than {base} in one and no more in the other."
        )
    else:
        verdicts.append(f"What saves one against {base} costs the other.")
    return verdicts


def outcomes(material: Material) -> dict[str, Any]:
    """Return how often each outcome came of a migration, by variant; over all replicates."""
    counts: dict[str, Counter[str]] = {}
    for variant in material.variants:
        counts[variant.name] = Counter()
        for run in variant.runs:
            counts[variant.name].update(run.columns.get("migrations", {}).get("outcome", ()))
    names = [name for name in OUTCOMES if any(count[name] for count in counts.values())]
    rows = [(variant, [count[name] for name in names]) for variant, count in counts.items()]
    alike = len({tuple(row) for _, row in rows}) == 1
    words = ", ".join(f"{count} {name}" for name, count in zip(names, rows[0][1], strict=True))
    return {"columns": names, "rows": rows, "alike": words if alike else ""}


def comparison(material: Material) -> dict[str, Any]:
    """Return the figures that show all variants at once, as plotly's JSON."""
    found: dict[str, go.Figure] = {}
    summaries = material.summaries()
    if len(material.variants) > 1:
        found["tradeoff"] = plots.tradeoff(summaries)
    if material.of_operations and material.study is not None:
        found["makespans"] = plots.against_bound(
            outcomes_of(material.study), limit_s=_limit(material)
        )
    found["costs"] = plots.costs(summaries)
    guests = material.together("guests")
    if (guests["moves"] > 0).any():
        for column in ("lost_work_s", "degraded10_s"):
            found[column] = plots.slowdown_cdf(guests, column=column)
    return {name: drawn.to_plotly_json() for name, drawn in found.items()}


def compared(material: Material) -> dict[str, Any]:
    """Return the table of what variants of an operation come to; without rows for all else."""
    if not material.of_operations or material.study is None:
        return {"columns": [], "rows": []}
    found = outcomes_of(material.study)
    columns: list[tuple[str, str, list[float], Quantity]] = [
        ("In time", "share of runs in which all was done in its window or before its deadline",
         [each.met for each in found], "share"),
        ("Makespan", "from the first start to the last end",
         [each.makespan_s.mean for each in found], "seconds"),
        ("Lower bound", "no order could take less", [each.bound_s for each in found], "seconds"),
        ("Times the bound", "makespan / lower bound", [each.gap for each in found], "count"),
        ("Moved", "guests", [each.requested - each.not_moved for each in found], "count"),
        ("Not moved", "guests", [each.not_moved for each in found], "count"),
        ("Blackout p99", "99th percentile of pauses", [e.blackout_p99_s for e in found], "seconds"),
        ("Degraded p95", "95th percentile of seconds over 10 % degraded, of guests that moved",
         [each.degraded_s for each in found], "seconds"),
    ]  # fmt: skip
    shown = [
        (title, meaning, values, scale(max(v for v in values if math.isfinite(v)), quantity))
        for title, meaning, values, quantity in columns
        if any(map(math.isfinite, values))
    ]
    return {
        "columns": [(title, meaning) for title, meaning, _, _ in shown],
        "rows": [
            (each.variant, [(values[i], by.text(values[i])) for _, _, values, by in shown])
            for i, each in enumerate(found)
        ],
    }


def _limit(material: Material) -> float:
    """Return the window or deadline of the one operation of all runs, if they have the same."""
    limits = set()
    for variant in material.variants:
        operations = frame_or_empty(variant.shown, "operations")
        if len(operations) != 1:
            return math.nan
        row = operations.iloc[0]
        limits.add(float(row.get("deadline_s", math.nan)))
        limits.add(float(row["window_s"]))
    known = [limit for limit in limits if math.isfinite(limit)]
    return known[0] if len(known) == 1 else math.nan


def close_up(variant: Variant, *, table_bytes: int = MOST_TABLE_BYTES) -> dict[str, Any]:
    """Return what is shown of one variant when it is chosen: one run of it, closely.

    Parameters
    ----------
    variant
        Its first run is shown.
    table_bytes
        Bytes of a table that are kept at most.
    """
    run = variant.shown
    migrations, rounds = frame_or_empty(run, "migrations"), frame_or_empty(run, "rounds")
    figures: dict[str, go.Figure] = {}
    missing: list[str] = []
    operations, steps = frame_or_empty(run, "operations"), frame_or_empty(run, "maintenance")
    if len(operations) and len(migrations):
        figures["progress"] = plots.progress(migrations, operations)
    if len(operations) and len(steps) > 1:
        figures["hosts"] = plots.maintenance(steps, operations)
    if len(migrations):
        figures["gantt"] = plots.gantt(migrations, rounds if len(rounds) else None)
    rates = frame_or_empty(run, "link_rates")
    if len(rates):
        start = float(run.scenario.get("operation", {}).get("at") or 0.0)
        figures["utilisation"] = plots.utilisation(
            rates, run.links, from_s=start, until_s=max(run.metrics["simulated_s"], start)
        )
    kept = run.scenario.get("record", "full")
    if not len(migrations) or not len(rates):
        missing.append(f"This run kept what record: {kept} keeps; record: full shows more here.")
    explained = []
    for guest in _noteworthy(migrations):
        entry: dict[str, Any] = {"guest": guest, "text": explain(run, guest)}
        try:
            entry["figure"] = plots.rounds(rounds, guest).to_plotly_json()
        except ResultError:
            entry["figure"] = None
        explained.append(entry)
    return {
        "name": variant.name,
        "about": f"{run.explanation}. {_which(variant)}",
        "missing": missing,
        "figures": {name: drawn.to_plotly_json() for name, drawn in figures.items()},
        "explained": explained,
        "unmoved": _unmoved(migrations),
        "tables": [
            table_of(name, frame_or_empty(run, name), shown, most_bytes=table_bytes)
            for name, shown in _SHOWN.items()
        ],
        "scenario": scenario_text(run.scenario),
    }


def table_of(
    name: str, frame: pd.DataFrame, shown: tuple[str, ...], *, most_bytes: int
) -> dict[str, Any]:
    """Return a table as columns of plain values, its first rows if it is too large."""
    sample = frame.head(200)
    row_bytes = max(1.0, len(sample.to_csv(index=False)) / max(len(sample), 1))
    kept = frame.head(max(1, int(most_bytes / row_bytes)))
    declared = BY_NAME[name]
    return {
        "name": name,
        "meaning": declared.meaning,
        "total": len(frame),
        "columns": [
            {
                "name": column.name,
                "title": _title(column),
                "unit": column.unit,
                "text": column.kind == "text",
                "meaning": column.meaning,
                "shown": column.name in shown,
                "values": [_plain(value) for value in kept[column.name].tolist()],
            }
            for column in declared.columns
        ],
    }


def scenario_text(scenario: Mapping[str, Any]) -> str:
    """Return a scenario as YAML, in SI units."""
    import yaml

    return str(yaml.safe_dump(dict(scenario), sort_keys=False, allow_unicode=True, width=90))


def script_safe(value: Any) -> str:
    """Return JSON that can stand in an HTML script element, whatever texts it holds."""
    from plotly.utils import PlotlyJSONEncoder

    text = json.dumps(value, cls=PlotlyJSONEncoder, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def cell(mean: Interval, change: Interval | None, by: Scale) -> Cell:
    """Write one key figure; *change* is in per cent, None for a baseline."""
    spread = (mean.high - mean.low) / 2
    seen = spread > 5e-4 * abs(mean.mean)
    around = f"±\u202f{number_text(spread / by.size, digits=2)}" if seen else ""
    text = by.text(mean.mean, strip=False)
    if change is None or math.isnan(change.mean):
        return Cell(mean.mean, text, around, "", "same")
    half = (change.high - change.low) / 2
    words = _percent(change.mean) if change.mean else "same"
    if change.mean > _MOST_PERCENT:
        words = f"×\u202f{number_text(1 + change.mean / 100, digits=3)}"
    elif half >= _LEAST_PERCENT:
        words += f" ±\u202f{number_text(half, digits=2)}"
    clear = change.clear or (math.isnan(change.low) and change.mean != 0)
    clear = clear and abs(change.mean) >= _LEAST_PERCENT
    tone = "same" if not clear else "worse" if change.mean > 0 else "better"
    return Cell(mean.mean, text, around, words, tone)


def _which(variant: Variant) -> str:
    """Return which of a variant's runs is shown."""
    run, count = variant.shown, len(variant.runs)
    of = f"replicate {run.replicate}, one of {count} runs" if count > 1 else "the only run"
    return f"This is {of}; its seed is {run.seed}."


def _counts(numbers: Iterable[int]) -> str:
    """Return one number, or the least and the most of several."""
    found = sorted(set(numbers))
    return f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _percent(value: float) -> str:
    """Return a change in per cent, three figures, with its sign."""
    digits = 1 if abs(value) < 99.95 else 0
    return f"{value:+,.{digits}f}".replace("-", "\u2212") + "\u202f%"


def meaning(column: str) -> str:
    """Return what a metric is, as the table ``summary`` says."""
    return next(c.meaning for c in BY_NAME["summary"].columns if c.name == column)


def _title(column: Column) -> str:
    """Return a column's name without its unit, which stands with the values."""
    name = column.name
    for ending in ("_bytes_per_s", "_bytes", "_pages", "_s"):
        name = name.removesuffix(ending)
    return (name or column.name).replace("_", " ")


def _plain(value: Any) -> Any:
    """Return a value as JSON has it, ten figures at most; not a number is null."""
    if isinstance(value, float):
        return None if not math.isfinite(value) else float(f"{value:.10g}")
    return value


def _noteworthy(migrations: pd.DataFrame) -> list[str]:
    """Return guests worth a word: those that were given up first, then the longest migrations."""
    if migrations.empty:
        return []
    ranks = [_rank(str(outcome)) for outcome in migrations["outcome"]]
    order = migrations.assign(rank=ranks).sort_values(
        ["rank", "total_time_s"], ascending=[True, False], kind="stable"
    )
    return [str(name) for name in order["guest"].drop_duplicates().head(MOST_EXPLAINED)]


def _rank(outcome: str) -> int:
    """Return how soon an outcome wants a word: what was given up, live moves, all else."""
    if outcome.startswith(("aborted", "failed", "cancelled", "guest-oom")):
        return 0
    return 1 if outcome in LIVE else 2


def _unmoved(migrations: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the guests that did not move live, and why, those with the same reason as one."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in migrations.to_dict("records"):
        if row["outcome"] not in LIVE:
            found.setdefault((str(row["outcome"]), str(row["reason"])), []).append(
                str(row["guest"])
            )
    return [
        {"outcome": outcome, "reason": reason, "count": len(names), "guests": names[:50]}
        for (outcome, reason), names in found.items()
    ]
