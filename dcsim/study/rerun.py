"""Running a stored result again, to see that it comes out the same."""

from __future__ import annotations

import os

from dcsim.errors import ResultError, ScenarioError
from dcsim.records.result import Result
from dcsim.scenario.spec import Scenario
from dcsim.simulation import run


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
