"""Whether the model and the twin agree: the same scenario, and the mean over a few of its seeds."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np

from dcsim.units import PAGE, MiB
from tests.twin import Moved, Twin
from tests.twin.guest import BLOCK, Layout
from tests.worlds import QUICK, Data, only, rows, world

WINDOW_S = 0.1
QEMU: Data = {
    **QUICK,
    "max_bandwidth": 128.0 * MiB,
    "flush_pages": 32,
    "downtime_limit": 0.1,
    "scan_zero": 0.73e-6,
    "send_page": 2.5e-6,
}
"""QEMU's rules, cap, and times of the sending thread over a fast link."""
MAKEUP = {"free_zero": 1 / 4, "free_stale": 1 / 8, "cache": 5 / 16, "kernel": 1 / 16}
"""Whole blocks of 4 MiB of each content, in a guest of a multiple of 256 MiB."""
ORDER = ["kernel", "cache", "anonymous", "free-stale", "free-zero", "kernel-high"]
"""How contents lie in a fresh guest [M.11]."""

# Share of the twin's mean, and pages or seconds besides, by which the model may differ. The stop is
# decided once a window, so either may be a window ahead, and then need another round; a hint tells
# whole blocks.
NEAR: dict[str, tuple[float, float]] = {
    "total_time_s": (0.01, 1.8 * WINDOW_S),
    "policy_s": (0.01, 0.005),
    "sent_bytes": (0.02, 64.0 * PAGE),
    "normal_pages": (0.02, 64.0),
    "zero_pages": (0.02, BLOCK / 4),
    "skipped_pages": (0.01, BLOCK / 4),
    "mapped_pages": (0.001, 2.0),
    "ballooned_pages": (0.001, 2.0),
    "dropped_pages": (0.01, 16.0),
    "missed_pages": (0.02, 150.0),
    "cached_pages": (0.02, 150.0),
    "oom_pages": (0.02, 512.0),
    "rounds": (0.0, 1.1),
    "dirtied_first": (0.05, 32.0),
}


def by_model(data: Data) -> dict[str, float]:
    """Return what the model says of the quantities in `NEAR`."""
    live = world(data)
    result = live.result(None)
    moved = only(result)
    assert moved["outcome"] == "completed"
    first = rows(result, "rounds")[0]
    return {
        **{key: moved[key] for key in NEAR if key in moved},
        **{key: only(result, "guests")[key] for key in ("missed_pages", "oom_pages")},
        "cached_pages": live.guests[0].memory.cache.count,
        "downtime_s": moved["downtime_s"],
        "dirtied_first": first["dirtied_pages"],
        "first_s": first["to_s"] - first["from_s"],
    }


def by_twin(moved: Moved) -> dict[str, float]:
    """Return what the twin says of them."""
    found = asdict(moved)
    return {key: found[key] for key in (*NEAR, "downtime_s") if key in found} | {
        "dirtied_first": moved.dirtied[0]
    }


def disagreements(
    data: Data,
    *,
    seeds: int = 3,
    layout: Layout | None = None,
    near: dict[str, tuple[float, float]] | None = None,
) -> list[str]:
    """Return in which quantities the model is out of the twin's reach, in words.

    Parameters
    ----------
    data
        The scenario.
    seeds
        Runs of the twin; three standard errors of their mean are allowed besides.
    layout
        Of the twin; by default what the scenario says.
    near
        Changes to `NEAR`.
    """
    model = by_model(data)
    runs = [by_twin(Twin(data, seed=seed, layout=layout).move()) for seed in range(seeds)]
    found = []
    for key, (relative, absolute) in (NEAR | (near or {})).items():
        drawn = np.array([run[key] for run in runs], float)
        mean = float(drawn.mean())
        error = float(drawn.std(ddof=1)) / math.sqrt(seeds) if seeds > 1 else 0.0
        slack = relative * abs(mean) + absolute + 3 * error
        if key == "dirtied_first":  # where the first pass was a window longer
            slack += mean * WINDOW_S / model["first_s"]
        if abs(model[key] - mean) > slack:
            found.append(f"{key}: model {model[key]:.6g}, twin {mean:.6g} +- {error:.2g}")
    return found
