"""What variants of one operation come to, side by side: in time or not, how long, who noticed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dcsim.records.answer import clock
from dcsim.study.findings.statistics import Interval, interval
from dcsim.units import format_count, format_size, listed

if TYPE_CHECKING:
    from dcsim.records.result import Result
    from dcsim.study.comparisons.study import Study


_NEVER: Final = Interval(math.inf, math.nan, math.nan, 0)


class Outcome(NamedTuple):
    """What a variant comes to, over its runs.

    Attributes
    ----------
    variant, runs
        Which, and how many of its runs did not fail.
    met
        Share of the runs in which all was done in time; NaN where no time was set.
    makespan_s
        From the start of the first operation to the end of the last; infinite: not in all runs.
    bound_s
        What no order could take less than; NaN where it is not known.
    requested, not_moved, lost
        Guests asked to move; of them, not moved; of them, lost at a deadline.
    blackout_p99_s, degraded_s
        99th percentile of pauses; 95th of the seconds that guests which moved were degraded.
    lost_work_s, network_bytes
        What it costs guests and the network.
    """

    variant: str
    runs: int
    met: float
    makespan_s: Interval
    bound_s: float
    requested: float
    not_moved: float
    lost: float
    blackout_p99_s: float
    degraded_s: float
    lost_work_s: float
    network_bytes: float

    @property
    def gap(self) -> float:
        """How many times the lower bound it took."""
        return self.makespan_s.mean / self.bound_s


def outcomes(study: Study) -> list[Outcome]:
    """Return what each variant comes to, in order; not those of which all runs failed."""
    by_variant: dict[str, list[Result]] = {}
    for run in study.runs:
        if run.result is not None:
            by_variant.setdefault(run.variant, []).append(run.result)
    return [outcome(variant, results) for variant, results in by_variant.items()]


def outcome(variant: str, results: Sequence[Result]) -> Outcome:
    """Return what a variant comes to, given the results of its runs: one at least."""

    def mean(of: Callable[[Result], float]) -> float:
        return math.fsum(map(of, results)) / len(results)

    def metric(name: str) -> float:
        return mean(lambda result: result.metrics[name])

    answers = [[a.met for a in result.answers if a.met is not None] for result in results]
    times = [_makespan(result) for result in results]
    return Outcome(
        variant,
        len(results),
        sum(map(all, answers)) / len(results) if any(answers) else math.nan,
        interval(times) if math.isfinite(sum(times)) else _NEVER,
        mean(_bound),
        metric("requested"),
        metric("not_moved"),
        mean(lambda result: sum(_operations(result).get("lost", ()))),
        metric("blackout_p99_s"),
        metric("degraded10_p95_s"),
        metric("lost_work_s"),
        metric("network_bytes"),
    )


def compared(found: Sequence[Outcome]) -> list[str]:
    """Return which variant does best what is asked, in a few sentences."""
    if len(found) < 2:
        return []
    timed = [each for each in found if not math.isnan(each.met)]
    sentences = []
    chosen = list(found)
    if timed:
        yes = [each for each in timed if each.met == 1]
        no = [each.variant for each in timed if each.met < 1]
        chosen = yes
        if not yes:
            closest = min(timed, key=lambda each: (each.lost, each.not_moved, *_time(each)))
            time = time_words(closest.makespan_s, whole=not closest.not_moved)
            but = (
                f", {format_count(closest.not_moved)} guests not moved" if closest.not_moved else ""
            )
            sentences.append(
                f"No, under none of them; {closest.variant} comes closest: {time}{but}."
            )
        elif no:
            names = listed(each.variant for each in yes)
            sentences.append(f"Yes under {names}; not under {listed(no)}.")
        else:
            sentences.append("Yes, under all of them.")
    fewest = min((each.not_moved for each in chosen), default=0)
    whole = [each for each in chosen if each.not_moved == fewest]
    if len(whole) > 1:
        scope = ""
        if len(whole) < len(chosen):
            scope = "Of those that moved most guests, "
        elif len(chosen) < len(found):
            scope = "Of those "
        sentences.append(_best(whole, scope))
    left = [f"{e.variant} ({format_count(e.not_moved)})" for e in chosen if e.not_moved > fewest]
    if left:
        sentences.append(f"More guests are not moved under {listed(left)}.")
    return sentences


def told(each: Outcome) -> str:
    """Return a variant in a sentence."""
    parts = []
    if not math.isnan(each.met):
        in_time = {1.0: "in time", 0.0: "not in time"}
        parts.append(in_time.get(each.met, f"in time in {100 * each.met:.0f} % of the runs"))
    parts.append(time_words(each.makespan_s, whole=not each.not_moved))
    if each.bound_s > 0 and math.isfinite(each.gap):
        parts.append(f"{each.gap:.2f} times the lower bound of {clock(each.bound_s)}")
    asked, moved = each.requested, each.requested - each.not_moved
    words = f"{format_count(moved)} of {format_count(asked)} guests moved"
    parts.append(words + (f", {format_count(each.lost)} lost" if each.lost else ""))
    if not math.isnan(each.blackout_p99_s):
        parts.append(f"paused {clock(each.blackout_p99_s)} at the 99th percentile")
    if not math.isnan(each.degraded_s):
        parts.append(f"over 10 % degraded {clock(each.degraded_s)} at the 95th")
    parts.append(f"{format_size(each.network_bytes)} on the network")
    return f"{each.variant}: {'; '.join(parts)}."


def time_words(value: Interval, *, whole: bool) -> str:
    """Return how long it took in words; *whole* if all was done."""
    if not math.isfinite(value.mean):
        return "not done when the run ended"
    words = f"{'done in' if whole else 'ended after'} {clock(value.mean)}"
    ends = [clock(max(end, 0.0)) for end in (value.low, value.high) if math.isfinite(end)]
    return f"{words} [{', '.join(ends)}]" if len(set(ends)) > 1 else words


def _operations(result: Result) -> Mapping[str, Sequence[Any]]:
    return result.columns.get("operations", {})


def _makespan(result: Result) -> float:
    """Return the time from the first start to the last end; infinite if one did not end."""
    table = _operations(result)
    if not table or not table["at_s"]:
        return result.metrics["makespan_s"]
    last = max(math.inf if math.isnan(end) else end for end in table["ended_s"])
    return last - float(min(table["at_s"]))


def _bound(result: Result) -> float:
    """Return the lower bound of the same: no operation ends before its own."""
    table = _operations(result)
    bounds = table.get("lower_bound_s", ())
    if not bounds or any(map(math.isnan, bounds)):
        return math.nan
    ends = [at + bound for at, bound in zip(table["at_s"], bounds, strict=True)]
    return float(max(ends) - min(table["at_s"]))


def _best(found: Sequence[Outcome], scope: str) -> str:
    """Return which is done first, and under which guests are degraded least."""
    first, last = min(found, key=_time), max(found, key=_time)
    soonest, latest = first.makespan_s.mean, last.makespan_s.mean
    if not math.isfinite(soonest):
        words = "none is done when the run ends"
    elif soonest == latest:
        words = f"all are done after {clock(soonest)}"
    else:
        end = f"after {clock(latest)}" if math.isfinite(latest) else "not when the run ends"
        words = f"{first.variant} is done first, after {clock(soonest)}, {last.variant} last, {end}"
    if not scope and (soonest == latest or not math.isfinite(soonest)):
        words = words.capitalize()
    calm = min(found, key=lambda each: (_or_inf(each.degraded_s), _or_inf(each.blackout_p99_s)))
    if calm.degraded_s < max(each.degraded_s for each in found):
        words += (
            f"; guests are degraded least under {calm.variant} "
            f"({clock(calm.degraded_s)} at the 95th percentile)"
        )
    return f"{scope}{words}."


def _time(each: Outcome) -> tuple[float, float]:
    return each.makespan_s.mean, each.network_bytes


def _or_inf(value: float) -> float:
    return math.inf if math.isnan(value) else value
