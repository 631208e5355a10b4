"""Running a stored result again, to see that it comes out the same."""

from __future__ import annotations

import json
import os
from typing import Any

from dcsim.errors import ResultError, ScenarioError
from dcsim.records.result import Result
from dcsim.scenario.spec import Scenario
from dcsim.simulation import run
from dcsim.study.sweeps import reading
from dcsim.study.sweeps.code import code
from dcsim.study.sweeps.store import Store


def rerun(directory: str | os.PathLike[str]) -> tuple[Result, list[str]]:
    """Run the scenario of a stored result again and compare the two, bit for bit.

    Parameters
    ----------
    directory
        Where `Result.save` wrote it.

    Returns
    -------
    result : Result
        Of the new run.
    differences : list of str
        Where it differs, in words; empty if nowhere. Where it does, the versions that differ come
        first: they may be why. Bits are promised on one platform with the same versions.

    Raises
    ------
    ResultError
        If there is no result to read, or its scenario is none to this version of dcsim.
    """
    stored = Result.load(directory)
    try:
        scenario = Scenario.model_validate(stored.scenario)
    except (ScenarioError, ValueError) as error:
        message = f"the scenario in {directory} is none to this version of dcsim: {error}"
        raise ResultError(message) from error
    again = run(scenario, replicate=stored.replicate)
    differences = stored.differences(again)
    if not differences:
        return again, []
    names = dict.fromkeys([*stored.versions, *again.versions])
    then_and_now = [
        f"{name}: {stored.versions.get(name, 'unknown')} then, {again.versions.get(name)} now"
        for name in names
        if stored.versions.get(name) != again.versions.get(name)
    ]
    return again, then_and_now + differences


def scenario_of(store: Store, row: dict[str, Any]) -> Scenario:
    """Return the scenario of a run of a store: its study's, with what it changed.

    Raises
    ------
    ResultError
        If its study is not in the store, or no study to this version of dcsim.
    ScenarioError
        If it changed something that makes no legal scenario.
    """
    try:
        base = Scenario.model_validate(store.asked(row["study"]).get("scenario"))
        changes = json.loads(row["changes"])
    except ValueError as error:
        message = f"{row['study']} in {store.directory} is no study to this dcsim: {error}"
        raise ResultError(message) from error
    return base.replace(changes)


def rerun_stored(
    directory: str | os.PathLike[str], name: str
) -> tuple[dict[str, Any], Result, list[str]]:
    """Run one run of a store again, everything recorded, and compare its figures bit for bit.

    A run that failed fails again, with the same exception, unless what it failed of is gone.

    Parameters
    ----------
    directory
        The store.
    name
        Of the run, or the beginning of it.

    Returns
    -------
    row : dict
        What is recorded of it.
    result : Result
        Of the new run.
    differences : list of str
        Where its summary differs, in words; empty if nowhere, and where it had failed.

    Raises
    ------
    ResultError
        If there is no such run, or several.
    """
    store = Store(directory, make=False)
    row = reading.row_of(store, name)
    scene = scenario_of(store, row).replace({"record": "full"})
    result = run(scene, replicate=row["replicate"])
    found: list[str] = []
    if not row["error"]:
        found = [
            f"{metric}: {row[metric]!r} then, {float(value)!r} now"
            for metric, value in result.metrics.items()
            if row[metric].hex() != float(value).hex()
        ]
    if found and row["code"] != code():
        found.insert(0, f"dcsim: {row['code']} then, {code()} now")
    return row, result, found
