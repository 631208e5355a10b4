"""Figures of a plan: what is best against what binds, and where in its ranges goals are met."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from dcsim.errors import ResultError
from dcsim.scenario.spec import MODEL_VERSION
from dcsim.study.designs.ranges import Axis
from dcsim.study.plans.advice import measured, percent, values
from dcsim.study.plans.planned import Plan
from dcsim.study.plans.trials import Trial
from dcsim.view import style
from dcsim.view.style import label, quantity, scale

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LOOKS: Final = {
    "met": ("meets all goals", "#0072b2", "circle"),
    "unsure": ("not sure", "#e69f00", "diamond"),
    "missed": ("misses a goal", "#98a1b0", "x-thin-open"),
    "failed": ("failed", "#882255", "triangle-up-open"),
}
_LOWEST: Final = -100.0
"""Per cent to spare below which nobody cares how much it is."""
_MOST_TICKS: Final = 12
_MOST_UNTRIED: Final = 2000


def content(plan: Plan, *, title: str | None, question: str | None) -> dict[str, Any]:
    """Return what a report says of a plan, as plain data; texts are not escaped here."""
    answer, *rest = plan.summary().splitlines()
    goals = [line.strip() for line in rest if line.startswith("  ")]
    *most, last = map(str, plan.goals)
    asked = f"{', '.join(most)} and {last}" if most else last
    what = plan.objective.what
    if what:
        asked += f", with the {'most' if plan.objective.most else 'least'} {what}"
    figures: dict[str, Any] = {}
    with contextlib.suppress(ResultError):
        figures["frontier"] = frontier(plan).to_plotly_json()
    if (drawn := explored(plan)) is not None:
        figures["explored"] = drawn.to_plotly_json()
    metrics = list(dict.fromkeys(goal.metric for goal in plan.goals))
    if what and plan.objective.axis is None and what not in metrics:
        metrics.insert(0, what)
    front = {trial.point for trial in plan.frontier}
    return {
        "title": title or plan.name or "plan",
        "question": question or f"Which values reach {asked}?",
        "answer": answer,
        "goals": goals,
        "notes": [line for line in rest if not line.startswith("  ")],
        "figures": figures,
        "heads": [axis.path for axis in plan.axes],
        "metrics": metrics,
        "points": [
            {
                "values": [str(value) for value in trial.changes.values()],
                "state": _LOOKS[trial.state][0],
                "error": trial.error,
                "front": trial.point in front,
                "runs": len(trial.outcomes),
                "spare": "" if trial.error else percent(plan.tightest(trial).spare),
                "metrics": [
                    "" if trial.error else measured(metric, trial.interval(metric))
                    for metric in metrics
                ],
            }
            for trial in sorted(plan.trials, key=plan.objective.rank)
        ],
        "provenance": [
            ("model version", MODEL_VERSION),
            ("points tried", f"{len(plan.trials)} of {plan.size}"),
            ("runs", plan.runs),
            *((axis.path, _values(axis)) for axis in plan.axes),
        ],
    }


def frontier(plan: Plan, *, height: int = 440) -> go.Figure:
    """Draw what is best against what is to spare in the tightest goal, a mark a point tried.

    Parameters
    ----------
    plan
        Where nothing is minimised or maximised, its longest axis is drawn across.
    height
        In CSS pixels.

    Returns
    -------
    plotly.graph_objects.Figure
        Marks, and the front of the points that meet all goals and that no other one beats in
        both; whiskers are the plan's intervals. What misses a goal by more than its bound stands
        at the lower edge.

    Raises
    ------
    ResultError
        If every point failed, or none has a value of its tightest goal.
    """
    ran = [each for each in plan.trials if each.state != "failed"]
    ran = [trial for trial in ran if math.isfinite(plan.tightest(trial).spare)]
    if not ran:
        message = "no point has a value of all its goals: there is nothing to draw"
        raise ResultError(message)
    drawn = style.figure(height=height)
    across = _Across(plan, ran)
    drawn.add_hline(y=0, line={"color": "#d55e00", "width": 1.5})
    front = [trial for trial in plan.frontier if trial in ran]
    if len(front) > 1 and plan.objective.what is not None:
        drawn.add_scatter(
            x=[across.place(trial) for trial in front],
            y=[_spare(plan, trial) for trial in front],
            mode="lines",
            line={"color": style.MUTED, "width": 1.5, "dash": "dot"},
            name="the front",
            hoverinfo="skip",
        )
    for state, group in _by_state(ran):
        halves = [_half(plan, trial) for trial in group]
        drawn.add_scatter(
            x=[across.place(trial) for trial in group],
            y=[_spare(plan, trial) for trial in group],
            error_y={"array": halves, "thickness": 1, "width": 3} if any(halves) else None,
            **_marks(plan, state, group),
        )
    if plan.best in ran:
        _star(drawn, across.place(plan.best), _spare(plan, plan.best), plan)
    drawn.update_xaxes(title_text=across.title, **across.axis)
    drawn.update_yaxes(title_text="to spare in the tightest goal (% of its bound)")
    drawn.update_layout(legend={"y": 1.02, "yanchor": "bottom", "x": 0}, margin_t=12)
    return drawn


def explored(plan: Plan, *, height: int = 440) -> go.Figure | None:
    """Draw where in its ranges a plan's goals are met.

    Parameters
    ----------
    plan
        With one or two paths that are varied.
    height
        In CSS pixels.

    Returns
    -------
    plotly.graph_objects.Figure or None
        Of two paths, a map of the points; of one, each goal's metric as a share of its bound.
        None of more, or where nothing is varied.
    """
    varied = [i for i, axis in enumerate(plan.axes) if len(axis.values) > 1]
    if len(varied) == 2:
        return _map(plan, *sorted(varied, key=lambda i: -len(plan.axes[i].values)), height=height)
    return _along(plan, varied[0], height=height) if len(varied) == 1 else None


def _map(plan: Plan, x: int, y: int, *, height: int) -> go.Figure:
    across, up = plan.axes[x], plan.axes[y]
    drawn = style.figure(height=max(height, 160 + 20 * min(len(up.values), 30)))
    tried = {trial.point for trial in plan.trials}
    if plan.size <= _MOST_UNTRIED:
        rest = [
            (i, k)
            for i in range(len(across.values))
            for k in range(len(up.values))
            if not any((point[x], point[y]) == (i, k) for point in tried)
        ]
        if rest:
            drawn.add_scatter(
                x=[i for i, _ in rest],
                y=[k for _, k in rest],
                mode="markers",
                marker={"size": 3, "color": "#d5dae1"},
                name="not tried",
                hoverinfo="skip",
            )
    for state, group in _by_state(plan.trials):
        drawn.add_scatter(
            x=[trial.point[x] for trial in group],
            y=[trial.point[y] for trial in group],
            **_marks(plan, state, group),
        )
    _star(drawn, plan.best.point[x], plan.best.point[y], plan)
    drawn.update_xaxes(title_text=label(across.path, longest=60), **_ticks(across))
    drawn.update_yaxes(title_text=label(up.path, longest=60), **_ticks(up))
    drawn.update_layout(legend={"y": 1.02, "yanchor": "bottom", "x": 0}, margin_t=12)
    return drawn


def _along(plan: Plan, x: int, *, height: int) -> go.Figure:
    drawn = style.figure(height=height)
    trials = sorted(
        (trial for trial in plan.trials if trial.state != "failed"), key=lambda t: t.point
    )
    looks = style.variant_styles(str(goal) for goal in plan.goals)
    for i, goal in enumerate(plan.goals):
        bound = goal.bound or 1.0
        colour, symbol = looks[str(goal)]
        found = [trial.judgements[i].found for trial in trials]
        halves = [
            (each.high - each.low) / 2 / abs(bound) if math.isfinite(each.low) else 0.0
            for each in found
        ]
        drawn.add_scatter(
            x=[trial.point[x] for trial in trials],
            y=[each.mean / bound for each in found],
            error_y={"array": halves, "thickness": 1, "width": 3} if any(halves) else None,
            mode="lines+markers" if plan.axes[x].ordered else "markers",
            marker=_marker(colour, symbol),
            line={"color": colour, "width": 1.5},
            name=label(str(goal)),
            text=[_hover(plan, trial) for trial in trials],
            hovertemplate="%{text}<extra></extra>",
        )
    drawn.add_hline(y=1.0, line={"color": "#d55e00", "width": 1.5})
    drawn.add_vline(x=plan.best.point[x], line={"color": style.INK, "width": 1, "dash": "dot"})
    drawn.update_xaxes(title_text=label(plan.axes[x].path, longest=60), **_ticks(plan.axes[x]))
    drawn.update_yaxes(title_text="metric, as a share of its bound", rangemode="tozero")
    drawn.update_layout(
        legend={"y": 1.02, "yanchor": "bottom", "x": 0}, margin_t=12, showlegend=True
    )
    return drawn


class _Across:
    """The axis across of `frontier`: a metric, or a path that is varied."""

    def __init__(self, plan: Plan, trials: Sequence[Trial]) -> None:
        objective = plan.objective
        self._axis: int | None = objective.axis
        self._metric = "" if objective.axis is not None else objective.what or ""
        if not objective.what:
            self._axis = max(
                range(len(plan.axes)), key=lambda i: len(plan.axes[i].values), default=None
            )
        self.axis: dict[str, Any] = {}
        if self._metric:
            means = [abs(trial.mean(self._metric)) for trial in trials]
            top = max((mean for mean in means if math.isfinite(mean)), default=0.0)
            self._by = scale(top, quantity(self._metric))
            unit = f" ({self._by.unit})" if self._by.unit else ""
            self.title = f"{self._metric}{unit}, {'most' if objective.most else 'least'} is best"
        elif self._axis is not None:
            self.title = label(plan.axes[self._axis].path, longest=60)
            self.axis = _ticks(plan.axes[self._axis])
        else:
            self.title, self.axis = "as it is", {"showticklabels": False}

    def place(self, trial: Trial) -> float:
        """Return where a point stands."""
        if self._metric:
            return trial.mean(self._metric) / self._by.size
        return 0.0 if self._axis is None else float(trial.point[self._axis])


def _spare(plan: Plan, trial: Trial) -> float:
    """Return what is to spare in the tightest goal, in per cent of its bound, as it is drawn."""
    return max(100 * plan.tightest(trial).spare, _LOWEST)


def _half(plan: Plan, trial: Trial) -> float:
    """Return the length of its whisker; 0 where there is none."""
    tightest = plan.tightest(trial)
    goal, found = tightest.goal, tightest.found
    half = 100 * (found.high - found.low) / 2 / (abs(goal.bound) or 1.0)
    return half if math.isfinite(half) and _spare(plan, trial) > _LOWEST else 0.0


def _by_state(trials: Sequence[Trial]) -> Iterator[tuple[str, list[Trial]]]:
    for state in _LOOKS:
        if group := [trial for trial in trials if trial.state == state]:
            yield state, group


def _marks(plan: Plan, state: str, group: Sequence[Trial]) -> dict[str, Any]:
    name, colour, symbol = _LOOKS[state]
    return {
        "mode": "markers",
        "marker": _marker(colour, symbol),
        "name": name,
        "text": [_hover(plan, trial) for trial in group],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _hover(plan: Plan, trial: Trial) -> str:
    lines = [f"<b>{label(values(trial.changes), longest=120)}</b>: {_LOOKS[trial.state][0]}"]
    if trial.error:
        return f"{lines[0]}<br>{label(trial.error, longest=120)}"
    metrics = {each.goal.metric: each.found for each in trial.judgements}
    if plan.objective.what and plan.objective.axis is None:
        metrics.setdefault(plan.objective.what, trial.interval(plan.objective.what))
    lines += [f"{metric} {measured(metric, found)}" for metric, found in metrics.items()]
    return "<br>".join(lines)


def _marker(colour: str, symbol: str) -> dict[str, Any]:
    edge = colour if symbol.endswith("open") else "#fff"
    width = 2 if symbol.endswith("open") else 1
    return {
        "color": colour,
        "symbol": symbol,
        "size": 9,
        "line": {"color": edge, "width": width},
    }


def _star(drawn: go.Figure, x: float, y: float, plan: Plan) -> None:
    drawn.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        marker={
            "symbol": "star",
            "size": 19,
            "color": "#009e73",
            "line": {"color": "#fff", "width": 1},
        },
        name="the answer" if plan.feasible else "the nearest",
        hoverinfo="skip",
    )


def _ticks(axis: Axis) -> dict[str, Any]:
    """Return an axis with the values of a path, as many of them as can be read."""
    count = len(axis.values)
    step = math.ceil(count / _MOST_TICKS)
    shown = list(range(0, count, step))
    return {
        "tickvals": shown,
        "ticktext": [label(str(axis.values[i]), longest=24) for i in shown],
        "range": [-0.5, count - 0.5],
    }


def _values(axis: Axis) -> str:
    if len(axis.values) <= _MOST_TICKS:
        return ", ".join(str(value) for value in axis.values)
    return f"{axis.values[0]} to {axis.values[-1]}, {len(axis.values)} values"
