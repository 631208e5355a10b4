"""CPU traces of guests -> populations: sizes as traced, CPU use as a load on a workload.

Shared by the importers of all trace formats. Inside: seconds, bytes, MHz.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario.importers.population import Base, Population, safe_name, size_text

_LARGEST_LEVEL = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """CPU use of one guest over time: from each time on, so much, until the next.

    Attributes
    ----------
    name
        What its file calls it.
    vcpus, memory
        Its size; memory in bytes.
    times, usage
        Seconds, increasing, on a clock that all traces share; MHz.
    end
        When the last value ends, in seconds.
    """

    name: str
    vcpus: int
    memory: float
    times: Sequence[float]
    usage: Sequence[float]
    end: float


def load_points(
    trace: Trace, *, start: float, length: float, points: int
) -> list[tuple[float, float]] | None:
    """Return steps ``(seconds from start, level)`` for a window of a trace; level 1 is its mean.

    Parameters
    ----------
    trace
        The trace; its mean is taken over all of it.
    start, length
        The window on the traces' clock, in seconds.
    points
        Steps at most: the window is cut into so many, each the mean over its part. Before the
        trace begins and after it ends the level is 0.

    Returns
    -------
    list of tuple or None
        None if the trace has nothing in the window.
    """
    if trace.end <= start or trace.times[0] >= start + length:
        return None
    done = [0.0]  # MHz * s done until each time
    ends = [*trace.times[1:], trace.end]
    for usage, begin, end in zip(trace.usage, trace.times, ends, strict=True):
        done.append(done[-1] + usage * (end - begin))

    def until(time: float) -> float:
        time = min(max(time, trace.times[0]), trace.end)
        i = bisect_right(trace.times, time) - 1
        return done[i] + trace.usage[i] * (time - trace.times[i])

    mean = done[-1] / (trace.end - trace.times[0])
    width = length / points
    steps: list[tuple[float, float]] = []
    for i in range(points):
        part = until(start + (i + 1) * width) - until(start + i * width)
        level = round(min(_LARGEST_LEVEL, part / width / mean), 3) if mean > 0 else 0.0
        if not steps or level != steps[-1][1]:
            steps.append((i * width, level))
    return steps


def trace_population(
    traces: Iterable[Trace],
    base: Base,
    notes: list[str],
    *,
    start: float,
    length: float | None,
    points: int,
) -> Population:
    """Return one group a trace, its activities those of a workload, loaded as the trace says.

    Parameters
    ----------
    traces
        At least one; their clock is set to 0 at the earliest time of all.
    base
        Workload that memory and activities come from.
    notes
        What the reader of the format has to say.
    start, length
        Window in seconds from the earliest time; no length: to the latest end.
    points
        Steps a guest at most.

    Raises
    ------
    ScenarioError
        If no trace has anything in the window.
    """
    traces = list(traces)
    origin = min(trace.times[0] for trace in traces)
    if length is None:
        length = max(trace.end for trace in traces) - origin - start
    taken: set[str] = set()
    groups = []
    for trace in traces:
        steps = None
        if length > 0:
            steps = load_points(trace, start=origin + start, length=length, points=points)
        if steps is None:
            continue
        groups.append(
            {
                "name": safe_name(trace.name, taken),
                "workload": {
                    "use": base.name,
                    "load": {"points": [[f"{time:.12g}s", level] for time, level in steps]},
                },
                "count": 1,
                "memory": size_text(trace.memory),
                "vcpus": trace.vcpus,
            }
        )
    if not groups:
        raise ScenarioError([Issue(message="no guest has anything in that window of time")])
    notes = [
        *notes,
        f"make-up of memory and activities are those of workload {base.name}: the trace has none",
        "load: CPU use in share of each guest's own mean; level 1 is the workload's own rate",
        f"load: {length:.0f} s from {start:.0f} s on, in steps of {length / points:.4g} s",
    ]
    if len(groups) < len(traces):
        notes.append(f"left out, with nothing in that window: {len(traces) - len(groups)}")
    return Population(groups=groups, notes=notes)
