"""What is asked of operations and what comes of it, in words: yes or no, how long, who noticed.

Made from a result's tables and its scenario as plain data; seconds and bytes inside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from dcsim.records.explain import why_not
from dcsim.records.summary import DEGRADED_LIMIT_S, LIVE, percentile
from dcsim.units import format_count, format_duration, format_many, format_size

Columns = Mapping[str, Mapping[str, Sequence[Any]]]
Row = Mapping[str, Any]

_STEPS: Final = ((86400.0, "d", 3600.0, "h"), (3600.0, "h", 60.0, "min"), (60.0, "min", 1.0, "s"))
_MOST_NAMES: Final = 3
_LASTING: Final = {
    "rebalance": "How even are hosts kept, by how many moves, and which guests notice?",
    "consolidate": "How many hosts can be off, for how long, and which guests notice?",
}
"""What operations are asked that go on as long as they may."""


class Answer(NamedTuple):
    """What came of one operation.

    Attributes
    ----------
    operation
        Its name.
    verdict
        The sentence that answers what is asked.
    met
        Whether it was done in its window or before its deadline; None where it had neither.
    moved
        How many guests moved, and why the others did not.
    details
        Lower bound, guests that noticed, the busiest link, and what else is worth a sentence.
    """

    operation: str
    verdict: str
    met: bool | None
    moved: str
    details: tuple[str, ...]


def answers(columns: Columns, scenario: Mapping[str, Any]) -> list[Answer]:
    """Return what came of each operation of a run.

    Parameters
    ----------
    columns
        The tables of a result; without ``operations`` there is nothing to say.
    scenario
        The scenario as plain data.
    """
    table = columns.get("operations", {})
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    return [_answer(row, columns, scenario) for row in rows]


def in_words(found: Sequence[Answer]) -> Iterator[str]:
    """Yield the verdicts, each with its details; the operation's name where there are several."""
    for answer in found:
        name = f"{answer.operation}: " if len(found) > 1 else ""
        yield name + answer.verdict
        yield from answer.details


def question(scenario: Mapping[str, Any]) -> str:
    """Return the question that a scenario asks: its own, or what its operations come to.

    Examples
    --------
    >>> question({"operation": {"kind": "drain", "hosts": "rack0/*", "window": 1800.0}})
    'Can rack0/* be emptied within 30 min?'
    """
    if scenario.get("question"):
        return str(scenario["question"])
    operation = scenario.get("operation") or {}
    if operation.get("operations"):
        count = len(operation["operations"])
        return f"How long does each of these {count} operations take, and which guests notice?"
    kind = str(operation.get("kind", "operation"))
    if kind in _LASTING:
        return _LASTING[kind]
    hosts = operation["hosts"] if isinstance(operation.get("hosts"), str) else "these hosts"
    hosts = "all hosts" if hosts == "*" else hosts
    limit = operation.get("window") or operation.get("deadline")
    if limit:
        within = clock(limit)
        return {
            "drain": f"Can {hosts} be emptied within {within}?",
            "upgrade": f"Can {hosts} be upgraded within {within}?",
            "evacuate": f"Who gets away from {hosts} within {within}?",
        }.get(kind, f"Is the {kind} done within {within}?")
    what = {
        "drain": f"to empty {hosts}",
        "upgrade": f"to upgrade {hosts}",
        "moves": "to move these guests",
    }
    return f"How long does it take {what.get(kind, f'for the {kind}')}, and which guests notice?"


def clock(duration_s: float) -> str:
    """Return a duration as one says it: two units from a minute on.

    Examples
    --------
    >>> clock(15120), clock(65), clock(3600), clock(12.34)
    ('4 h 12 min', '1 min 5 s', '1 h', '12.3 s')
    """
    for size, unit, part, smaller in _STEPS:
        if duration_s >= size:
            whole, rest = divmod(round(duration_s / part), round(size / part))
            return f"{whole} {unit}" + (f" {rest} {smaller}" if rest else "")
    return format_duration(duration_s, digits=3)


# --------------------------------------------------------------------------- one operation


def _answer(row: Row, columns: Columns, scenario: Mapping[str, Any]) -> Answer:
    migrations = columns.get("migrations", {})
    mine = [i for i, name in enumerate(migrations.get("operation", ())) if name == row["operation"]]
    moves = {name: [values[i] for i in mine] for name, values in migrations.items()}
    verdict, met = _verdict(row, scenario)
    details = (
        _bound(row),
        _critical(row),
        *_noticed(row, moves, columns, scenario),
        _busiest(row),
        _trouble(row, columns),
        _again(row),
        _spare(row),
    )
    return Answer(
        row["operation"], verdict, met, _moved(row, moves), tuple(each for each in details if each)
    )


def _verdict(row: Row, scenario: Mapping[str, Any]) -> tuple[str, bool | None]:
    """Return the sentence that answers what is asked, and whether a limit of time was met."""
    if row["kind"] in _LASTING:
        return (_evened if row["kind"] == "rebalance" else _switched_off)(row), None
    took, limit = row["makespan_s"], _limit(row)
    if not math.isnan(row["deadline_s"]):
        return _evacuated(row)
    left = _left(row)
    if math.isnan(limit):
        if math.isnan(took):
            horizon = clock(scenario.get("horizon", math.nan))
            return f"Not done when the run ended, after {horizon}: {left or _done(row)}.", None
        return f"Done in {clock(took)}" + (f", but {left}." if left else "."), None
    if took <= limit:
        spare = f"{clock(limit - took)} before the window ends"
        if left:
            return f"No: it ended after {clock(took)}, {spare}, but {left}.", False
        return f"Yes: done in {clock(took)}, {spare}.", True
    if left or math.isnan(took):
        return f"No: the window of {clock(limit)} was enough for {_done(row)}.", False
    return f"No: it took {clock(took)}, {clock(took - limit)} more than the window.", False


def _evened(row: Row) -> str:
    """Answer for a rebalance: how uneven loads were, and are."""
    moves = _so_many(row["completed"], "move")
    before, after = row["imbalance_before"], row["imbalance_after"]
    return f"{moves} in all; the imbalance was {before:.3g} at first and {after:.3g} in the end."


def _switched_off(row: Row) -> str:
    """Answer for a consolidation: how many hosts were off, and what that saved."""
    hosts = f"{_count(row['hosts_done'])} of {_so_many(row['hosts'], 'host')} could be off"
    saved = row["saved_energy_j"] / 3.6e6
    energy = "" if math.isnan(saved) else f", which saved {saved:.3g} kWh"
    return f"{hosts}, for {row['off_host_s'] / 3600:.3g} host-hours in all{energy}."


def _evacuated(row: Row) -> tuple[str, bool]:
    """Answer for an evacuation: who is lost."""
    lost, asked, took, limit = row["lost"], row["requested"], row["makespan_s"], _limit(row)
    if lost:
        missed = row["missed_s"]
        more = f" {clock(missed)} more would have saved them." if missed > 0 else ""
        verb = "is" if lost == 1 else "are"
        of = f"{_count(lost)} of {_so_many(asked, 'guest')}"
        return f"No: {of} {verb} lost when {clock(limit)} have passed.{more}", False
    if row["not_moved"] or not took <= limit:
        return f"No: {_left(row) or 'it took longer'}, but nobody is lost.", False
    return (
        f"Yes: all {_so_many(asked, 'guest')} got away in {clock(took)}, "
        f"{clock(limit - took)} before the deadline.",
        True,
    )


def _limit(row: Row) -> float:
    deadline: float = row["deadline_s"]
    window: float = row["window_s"]
    return window if math.isnan(deadline) else deadline


def _left(row: Row) -> str:
    """Return what of it was not done; empty where all was."""
    parts = []
    if row["hosts_done"] < row["hosts"]:
        still = row["hosts"] - row["hosts_done"]
        verb = "is" if still == 1 else "are"
        parts.append(f"{_count(still)} of {_so_many(row['hosts'], 'host')} {verb} not done")
    if row["not_moved"]:
        verb = "was" if row["not_moved"] == 1 else "were"
        of = f"{_count(row['not_moved'])} of {_so_many(row['requested'], 'guest')}"
        parts.append(f"{of} {verb} not moved")
    return " and ".join(parts)


def _done(row: Row) -> str:
    """Return how far it came."""
    moved = row["completed"] + row["completed_cold"]
    guests = f"{_count(moved)} of {_so_many(row['requested'], 'guest')}"
    if not row["hosts"]:
        return guests
    return f"{_count(row['hosts_done'])} of {_so_many(row['hosts'], 'host')} ({guests} moved)"


def _moved(row: Row, moves: Mapping[str, Sequence[Any]]) -> str:
    ways = {"live": row["completed"], "cold": row["completed_cold"]}
    words = ", ".join(f"{_count(count)} {way}" for way, count in ways.items() if count)
    moved = row["completed"] + row["completed_cold"]
    head = f"{_count(moved)} of {_so_many(row['requested'], 'guest')} moved"
    head += f" ({words})" if words else ""
    if not row["not_moved"]:
        return f"{head}."
    reasons = why_not(moves) if moves else ""
    return f"{head}; {_count(row['not_moved'])} not" + (f": {reasons}." if reasons else ".")


# --------------------------------------------------------------------------- details


def _bound(row: Row) -> str:
    """Return how much faster any order could have been."""
    bound: float = row.get("lower_bound_s", math.nan)
    if not bound > 0:
        return ""
    because = f" ({row['bound']})" if row.get("bound") else ""
    words = f"No order could take less than {clock(bound)}{because}"
    took = row["makespan_s"]
    if row["not_moved"]:
        return f"{words} for those who moved."
    return f"{words}: this took {took / bound:.2f} times that." if took >= bound else f"{words}."


def _critical(row: Row) -> str:
    """Return which migrations, one after another, made it as long as it was."""
    count = row.get("critical_steps", math.nan)
    if not count > 1:
        return ""
    return f"{_count(count)} in a row made it so long: {row['critical_path']}."


def _noticed(
    row: Row,
    moves: Mapping[str, Sequence[Any]],
    columns: Columns,
    scenario: Mapping[str, Any],
) -> Iterator[str]:
    """Yield which guests noticed, and how much."""
    limit = scenario.get("degraded_limit")
    if row["degraded_guests"] or limit:
        many = _so_many(row["degraded_guests"], "guest")
        verb = "was" if row["degraded_guests"] == 1 else "were"
        beyond = f"more than {clock(limit or DEGRADED_LIMIT_S)}"
        yield f"{many} {verb} over 10 % degraded for {beyond}."
    guests = columns.get("guests")
    if not (guests and moves):
        return
    moved = set(moves["guest"])
    slow = sorted(
        (
            (seconds, name)
            for name, seconds in zip(guests["guest"], guests["degraded10_s"], strict=True)
            if name in moved
        ),
        key=lambda pair: (-pair[0], pair[1]),
    )
    slowest = ", ".join(f"{n} {clock(s)}" for s, n in slow[:_MOST_NAMES] if s > 0)
    if slowest:
        half = clock(percentile([seconds for seconds, _ in slow], 50))
        yield f"Guests were over 10 % degraded for {half} in the median; longest: {slowest}."
    ends = zip(moves["outcome"], moves["downtime_s"], strict=True)
    paused = [seconds for outcome, seconds in ends if outcome in LIVE]
    if paused:
        p50, p99, most = (clock(percentile(paused, p)) for p in (50, 99, 100))
        yield (
            f"Guests were paused {p50} in the median, {p99} at the 99th percentile, {most} at most."
        )


def _busiest(row: Row) -> str:
    """Return the link that its migrations filled most, over the time that it took."""
    if not row["busiest_link"]:
        return ""
    share = 100 * row["busiest_share"]
    return f"The busiest link was {row['busiest_link']}: migrations took {share:.2g} % of it."


def _trouble(row: Row, columns: Columns) -> str:
    """Return what went wrong with hosts, the first of it in full."""
    steps = columns.get("maintenance")
    if not steps:
        return ""
    rows = zip(steps["operation"], steps["host"], steps["step"], steps["trouble"], strict=True)
    mine = [(h, step, why) for name, h, step, why in rows if name == row["operation"] and why]
    wrong = [(h, step, why) for h, step, why in mine if step != "drain"]  # told with the guests
    if not wrong:
        return ""
    host, step, why = wrong[0]
    many = _so_many(len({host for host, _, _ in wrong}), "host")
    return f"{many} had trouble: {host}, {step}: {why}" + ("; …" if len(wrong) > 1 else ".")


def _again(row: Row) -> str:
    parts = []
    if row["retries"]:
        verb = "was" if row["retries"] == 1 else "were"
        parts.append(f"{_so_many(row['retries'], 'further attempt')} {verb} made")
    if row["moved_twice"]:
        parts.append(f"{_so_many(row['moved_twice'], 'guest')} moved twice")
    return f"{', '.join(parts)}." if parts else ""


def _spare(row: Row) -> str:
    spare = row["spare_bytes"]
    if not spare > 0:
        return ""
    return f"Hosts that stayed had to take {format_size(spare, digits=3)} of memory at most."


def _count(count: float) -> str:
    return format_count(count).replace(",", "\u202f")


def _so_many(count: float, noun: str) -> str:
    return format_many(count, noun).replace(",", "\u202f")
