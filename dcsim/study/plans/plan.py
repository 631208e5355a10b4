"""The inverse question: which values of a scenario's knobs reach some goals, and which is best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Final

from dcsim import rng
from dcsim.errors import Issue, ScenarioError, did_you_mean
from dcsim.scenario.chance import random_inputs
from dcsim.scenario.spec import Scenario
from dcsim.study.comparisons.runs import Run
from dcsim.study.designs.ranges import Axis, parse_axes
from dcsim.study.plans.goals import Goal, check_metric, parse_goals
from dcsim.study.plans.objective import Objective
from dcsim.study.plans.planned import Plan
from dcsim.study.plans.search import ENUMERATED, MOST_POINTS, Search
from dcsim.study.plans.trials import Evaluate, Outcome, Trials, looks
from dcsim.study.running import run_all

__all__ = ["MOST_POINTS", "MOST_REPLICATIONS", "Plan", "plan", "solve"]

MOST_REPLICATIONS: Final = 20
"""Replications of a point at most, unless another number is given."""
_MOST_TASKS: Final = 256
"""For an executor; of more runs, those of a point go together."""

Progress = Callable[[int, int], None]
Vary = Mapping[str, str | Iterable[Any]]


def plan(
    scenario: Scenario,
    *,
    goals: Iterable[str],
    vary: Vary | None = None,
    minimise: str | None = None,
    maximise: str | None = None,
    replications: int = MOST_REPLICATIONS,
    points: int = MOST_POINTS,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Find the values that reach goals, and among them the best.

    Parameters
    ----------
    scenario
        What is planned; the seeds of all replications come from its `seed`.
    goals
        Texts such as ``makespan_s <= 6h``: a column of the table ``summary``, ``<=``, ``<``,
        ``>=`` or ``>``, and a value in its unit. A goal is on the mean over replications.
    vary
        Dotted path -> ``1..16``, ``1Gbit/s..25Gbit/s`` (steps of 10 % at most),
        ``1Gbit/s..25Gbit/s/12`` (12 values), ``a,b,c``, or the values themselves. The ends of a
        range, and every value of a list, have to be legal in the scenario by themselves. Default:
        nothing, which asks whether the goals are reached as it is.
    minimise, maximise
        A metric, or a path that is varied over values that rise; one of the two. Default: the
        answer is the point with most to spare among those tried.
    replications
        How often a point is run at most, until it is sure whether it reaches the goals. Where
        nothing is random, once.
    points
        How many points are tried at most. A grid of no more than 32 is tried whole.
    executor
        What runs them: any `concurrent.futures.Executor`, such as `dcsim.local_executor` gives.
        Default: one after another. The plan is the same.
    progress
        Called with the number of runs done, and how many there will be as far as one can say.

    Returns
    -------
    Plan
        The answer in words, every point tried, and what was found of it.

    Raises
    ------
    ScenarioError
        If a goal, a path or a range cannot be used, all problems at once; nothing has run then.
    ValueError
        If both *minimise* and *maximise* are given, or a limit is less than 1.
    """
    runner = _Runner(scenario, executor)
    return solve(
        runner.evaluate,
        name=scenario.name,
        goals=goals,
        vary=vary,
        minimise=minimise,
        maximise=maximise,
        replications=replications,
        points=points,
        progress=progress,
        chancy=runner.chancy,
        problems=runner.problems,
    )


def solve(
    evaluate: Evaluate,
    *,
    goals: Iterable[str],
    vary: Vary | None = None,
    minimise: str | None = None,
    maximise: str | None = None,
    replications: int = MOST_REPLICATIONS,
    points: int = MOST_POINTS,
    enumerated: int = ENUMERATED,
    progress: Progress | None = None,
    name: str = "",
    chancy: Callable[[dict[str, Any]], Sequence[str]] = lambda _: (),
    problems: Callable[[Axis], Iterable[Issue]] = lambda _: (),
) -> Plan:
    """Plan anything that can be evaluated; see `plan`, which evaluates scenarios.

    Parameters
    ----------
    evaluate
        Given pairs of changes and a replicate, returns the outcome of each.
    enumerated
        A grid of so many points is tried whole.
    name
        Of what is planned.
    chancy
        What is random with some changes, in words.
    problems
        What is wrong with an axis.
    """
    for what, value in {"replications": replications, "points": points}.items():
        if value < 1:
            message = f"{what} must be at least 1, got {value}"
            raise ValueError(message)
    if minimise is not None and maximise is not None:
        message = "one thing can be best: give minimise or maximise"
        raise ValueError(message)
    wanted, axes, objective = _question(goals, vary or {}, minimise, maximise, problems)
    random: dict[str, None] = {}

    def is_chancy(changes: dict[str, Any]) -> bool:
        found = chancy(changes)
        random.update(dict.fromkeys(found))
        return bool(found)

    counter = _Counter(evaluate, progress, each=looks(replications)[0])
    trials = Trials(
        axes=axes, goals=wanted, evaluate=counter.evaluate, chancy=is_chancy, most=replications
    )
    search = Search(trials, objective, most=points, enumerated=enumerated, expect=counter.expect)
    search.run()
    return Plan(
        name=name,
        goals=wanted,
        axes=axes,
        objective=objective,
        trials=tuple(trials.known.values()),
        method=search.method,
        notes=tuple(search.notes),
        random=tuple(random),
        replications=replications,
    )


def _question(
    goals: Iterable[str],
    vary: Vary,
    minimise: str | None,
    maximise: str | None,
    problems: Callable[[Axis], Iterable[Issue]],
) -> tuple[tuple[Goal, ...], tuple[Axis, ...], Objective]:
    """Read what is asked, or tell all that is wrong with it."""
    issues: list[Issue] = []
    wanted: tuple[Goal, ...] = ()
    axes: tuple[Axis, ...] = ()
    objective = Objective()
    try:
        wanted = parse_goals([goals] if isinstance(goals, str) else goals)
        if not wanted:
            hint = "write one like 'makespan_s <= 6h'"
            issues.append(Issue(message="no goal is given", hint=hint))
    except ScenarioError as error:
        issues += error.issues
    try:
        axes = parse_axes(vary)
    except ScenarioError as error:
        issues += error.issues
    for axis in axes:
        issues += problems(axis)
    what = minimise if maximise is None else maximise
    try:
        if what is not None:
            objective = _objective(what, maximise is not None, list(vary), axes)
    except ScenarioError as error:
        issues += error.issues
    if issues:
        raise ScenarioError(dict.fromkeys(issues))
    return wanted, axes, objective


def _objective(what: str, most: bool, paths: Sequence[str], axes: Sequence[Axis]) -> Objective:
    if what not in paths:
        if close := did_you_mean(what, paths):
            message = f"{what[:80]!r} is neither a metric nor varied"
            raise ScenarioError([Issue(message=message, hint=f"did you mean '{close}'?")])
        check_metric(what)
        return Objective(what=what, most=most)
    found = next((i for i, axis in enumerate(axes) if axis.path == what), None)
    if found is not None and not axes[found].ordered:
        message = "its values do not rise, so that none is the least or the most"
        raise ScenarioError([Issue(path=what, message=message)])
    return Objective(what=what, most=most, axis=found)


class _Counter:
    """Tells how many runs are done and, as far as one can say, how many there will be."""

    def __init__(self, evaluate: Evaluate, progress: Progress | None, *, each: int) -> None:
        self._evaluate = evaluate
        self._progress = progress
        self._each = each
        self._points = 1
        self._done = 0

    def expect(self, points: int) -> None:
        """Take note of how many points there will be."""
        self._points = points

    def evaluate(
        self, tasks: Sequence[tuple[dict[str, Any], int]], _: Progress | None = None
    ) -> list[Outcome]:
        """Evaluate, and tell of it."""
        before, most = self._done, max(self._points * self._each, self._done + len(tasks))
        outcomes = self._evaluate(tasks, lambda done, _: self._tell(before + done, most))
        self._tell(before + len(tasks), most)
        return outcomes

    def _tell(self, done: int, most: int) -> None:
        if done > self._done and self._progress is not None:
            self._progress(done, most)
        self._done = max(self._done, done)


class _Runner:
    """Runs a scenario with changes; only its summary is kept."""

    def __init__(self, scenario: Scenario, executor: Executor | None) -> None:
        self._scenario = scenario.replace({"record": "summary"})
        self._executor = executor
        self._scenes: dict[str, Scenario | Outcome] = {}

    def problems(self, axis: Axis) -> list[Issue]:
        """Return what is wrong with an axis: its path, or one of its values by itself."""
        if axis.path == "seed":
            return [Issue(path="seed", message="every replication has its own: it is not varied")]
        values = (axis.values[0], axis.values[-1]) if axis.ordered else axis.values
        issues = []
        for value in values:
            try:
                self._scenario.replace({axis.path: value})
            except ScenarioError as error:
                issues += error.issues
        return issues

    def chancy(self, changes: dict[str, Any]) -> Sequence[str]:
        """Return what is random with some changes."""
        scene = self._scene(changes)
        return () if isinstance(scene, Outcome) else random_inputs(scene)

    def evaluate(
        self, tasks: Sequence[tuple[dict[str, Any], int]], progress: Progress | None = None
    ) -> list[Outcome]:
        """Run each; what makes no legal scenario is an outcome too."""
        outcomes: list[Outcome | None] = [None] * len(tasks)
        wanted: list[tuple[Scenario, list[Run]]] = []
        places: list[int] = []
        for i, (changes, k) in enumerate(tasks):
            scene = self._scene(changes)
            if isinstance(scene, Outcome):
                outcomes[i] = scene
                continue
            one = Run("", "", changes, "", replicate=k, seed=rng.replicate(scene.seed, k))
            places.append(i)
            if len(tasks) > _MOST_TASKS and wanted and wanted[-1][0] is scene:
                wanted[-1][1].append(one)
            else:
                wanted.append((scene, [one]))
        for i, ran in zip(places, run_all(wanted, self._executor, progress), strict=True):
            failed = f"{ran.error}: {ran.message}"
            outcomes[i] = Outcome({}, failed) if ran.result is None else Outcome(ran.result.metrics)
        return [outcome for outcome in outcomes if outcome is not None]

    def _scene(self, changes: dict[str, Any]) -> Scenario | Outcome:
        key = repr(changes)
        if key not in self._scenes:
            try:
                self._scenes[key] = self._scenario.replace(changes)
            except ScenarioError as error:
                self._scenes[key] = Outcome({}, f"no legal scenario: {error}")
        return self._scenes[key]
