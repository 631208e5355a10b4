"""The points of a study, each looked at once: what its scenario means, and what is random."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from dcsim.errors import ScenarioError
from dcsim.scenario.chance import random_inputs
from dcsim.study.designs.design import Design
from dcsim.study.sweeps.code import code
from dcsim.study.sweeps.store import Points


def points_of(design: Design, *, progress: Callable[[int, int], None] | None = None) -> Points:
    """Return the points of a study: their scenarios' digests, and whether anything is random."""
    digests: list[str] = []
    chancy: list[bool] = []
    errors: dict[int, tuple[str, str]] = {}
    for point in range(len(design)):
        changes = design.changes(point)
        try:
            scene = design.scenario.replace(changes)
            digests.append(scene.digest())
            chancy.append(bool(random_inputs(scene)))
        except ScenarioError as error:
            errors[point] = type(error).__name__, str(error)
            digests.append(_digest_of_none(design, changes))
            chancy.append(False)
        if progress is not None and point % 100 == 99:
            progress(point + 1, len(design))
    return Points(digests, chancy, errors, code())


def _digest_of_none(design: Design, changes: dict[str, Any]) -> str:
    """Return what stands for the digest of what is no legal scenario."""
    text = json.dumps([design.scenario.digest(), changes], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
