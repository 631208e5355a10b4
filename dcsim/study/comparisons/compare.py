"""The same scenario under one policy, limit or order after another, with the same chances.

Replicate k of every variant draws the same random numbers, so a difference between two variants is
theirs and not chance's: see `dcsim.study.findings.statistics` and docs/practice.md.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any, Final

from dcsim import rng
from dcsim.errors import did_you_mean
from dcsim.scenario import presets
from dcsim.scenario.chance import random_inputs
from dcsim.scenario.spec import Scenario
from dcsim.study.comparisons.runs import Run
from dcsim.study.comparisons.study import Study
from dcsim.study.running import local_executor, run_all

__all__ = ["REPLICATIONS", "Study", "compare", "local_executor"]

REPLICATIONS: Final = 5
"""Replications where none are asked for and something is random."""
MOST_TASKS: Final = 256
"""For an executor, if there are no more variants: a task is one or several runs of a variant."""


def compare(
    scenario: Scenario,
    *,
    hinting: Sequence[Any] | None = None,
    vary: Mapping[str, Sequence[Any]] | None = None,
    replications: int | None = None,
    baseline: str | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Run a scenario under each hinting policy and compare what it costs.

    Parameters
    ----------
    scenario
        What is run. Its `hinting` is replaced by each policy in turn; groups of guests with a
        policy of their own keep it, and the study's summary says so. Its `seed` is where the
        random numbers of all replications come from.
    hinting
        Policies: names, ``{"use": name, changes...}``, or policies written out. Default: all that
        are shipped; the scenario's own alone where *vary* says what is compared.
    vary
        Dotted path of the scenario -> values. Every policy is run with every combination, and
        compared within it.
    replications
        How often each is run with other random numbers, at least 1. Default: 5. Where nothing is
        random, each is run once, whatever is asked for.
    baseline
        The policy that the others are compared with. Default: zero-page, or else the first. With
        a single policy, the variant: ``"limits=nova"``.
    executor
        What runs them: any `concurrent.futures.Executor`, such as `local_executor`. Default: one
        after another. The study is the same.
    progress
        Called with the number of runs done and of all runs, after each; with an executor and many
        runs, after a few.

    Returns
    -------
    Study
        Every run, those that failed too: a run that fails is a row and not the end.

    Raises
    ------
    ScenarioError
        If a policy or a path is unknown, or a combination no legal scenario; nothing has run then.
    ValueError
        If there is nothing to compare, two policies have the same name, or the baseline is none
        of them.
    """
    if replications is not None and replications < 1:
        message = f"replications must be at least 1, got {replications}"
        raise ValueError(message)
    if hinting is None and not vary:
        hinting = presets.hinting_names()
    variants = _variants(scenario, hinting, vary)
    policies = list(dict.fromkeys(variant.hinting for variant, _ in variants))
    if baseline is not None and baseline not in policies:
        noun = "policies"
        if hinting is None or len(policies) == 1:
            noun, policies = "variants", [variant.variant for variant, _ in variants]
    if baseline is not None and baseline not in policies:
        close = did_you_mean(baseline, policies)
        message = f"the baseline {baseline[:80]!r} is none of the {noun} {', '.join(policies)}"
        raise ValueError(message + (f"; did you mean {close!r}?" if close else ""))
    scenes = {tuple(variant.changes.items()): scene for variant, scene in variants}
    random = tuple(
        dict.fromkeys(what for scene in scenes.values() for what in random_inputs(scene))
    )
    count = (replications or REPLICATIONS) if random else 1
    seeds = [rng.replicate(scenario.seed, k) for k in range(count)]
    size = 1 if executor is None else math.ceil(len(variants) * count / MOST_TASKS)
    tasks = [
        (scene, [replace(variant, replicate=k, seed=seeds[k]) for k in range(count)[i : i + size]])
        for variant, scene in variants
        for i in range(0, count, size)
    ]
    return Study(
        name=scenario.name,
        baseline=baseline,
        runs=tuple(run_all(tasks, executor, progress)),
        random=random,
        keeping=tuple(
            dict.fromkeys(
                group.name or group.workload.name
                for group in scenario.guests
                if group.hinting is not None
            )
        ),
    )


def _variants(
    scenario: Scenario, policies: Sequence[Any] | None, vary: Mapping[str, Sequence[Any]] | None
) -> list[tuple[Run, Scenario]]:
    """Return a run to be and its scenario for each policy in each combination.

    Without policies the scenario keeps its own, of which names do not tell.
    """
    vary = vary or {}
    taken = [path for path in vary if path in {"hinting", "seed"}]
    if taken or isinstance(policies, str):
        message = "policies are given as hinting=[...], and the seed in the scenario"
        raise ValueError(message)
    called: list[str] = list(vary)
    if policies is None:  # a path's last part is enough, if it tells them apart
        called = [path.rpartition(".")[2] for path in vary]
        called = called if len(set(called)) == len(vary) else list(vary)
    variants: dict[str, tuple[Run, Scenario]] = {}
    for values in itertools.product(*vary.values()):
        changes = dict(zip(vary, values, strict=True))
        for policy in [None] if policies is None else policies:
            own = {} if policy is None else {"hinting": policy}
            scene = scenario.replace({**own, **changes})
            shown = {path: _plain(value) for path, value in changes.items()}
            told = [f"{path}={value}" for path, value in zip(called, shown.values(), strict=True)]
            name = ", ".join(told if policy is None else [scene.hinting.name, *told])
            if name in variants:
                message = f"two variants are both {name!r}; give policies a name each"
                raise ValueError(message)
            variants[name] = (
                Run(name, scene.hinting.name, shown, scene.digest(), replicate=0, seed=scene.seed),
                scene,
            )
    if not variants:
        message = "nothing to compare: hinting, or a path's list of values, is empty"
        raise ValueError(message)
    return list(variants.values())


def _plain(value: Any) -> str | int | float | bool | None:
    """Return a value as a table and a file can hold it."""
    return value if isinstance(value, str | int | float | bool | None) else str(value)
