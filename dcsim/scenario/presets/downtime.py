"""The shipped ladders of downtime limits: where they start, and when which step is taken."""

from __future__ import annotations

from typing import Any, Final

from dcsim.scenario.presets.lookup import Preset, resolve


def _stalls(*limits: str, last: str, more: tuple[str, ...] = ()) -> list[Preset]:
    """Return oVirt's steps: at stalls 1, 2, 3, 4 and 6, then at every one after, then the last."""
    counts = [1, 2, 3, 4, 6][: len(limits)]
    counts += [counts[-1] + 1 + i for i in range(len(more) + 1)]
    steps = [
        {"downtime_limit": limit, "stalls": n}
        for n, limit in zip(counts, (*limits, *more), strict=False)
    ]
    return [*steps, {"action": last, "stalls": counts[-1]}]


DOWNTIME_STEPS: Final[dict[str, Preset]] = {
    "nova": {  # 500 ms in 10 linear steps, one every 75 s a GiB, counting at least 2 GiB [D]
        "about": "Nova: from 50 to 500 ms in ten steps, one every 75 s a GiB",
        "start": "50ms",
        "memory_at_least": "2GiB",
        "steps": [
            {"downtime_limit": f"{50 + 50 * n}ms", "after_per_gib": f"{75 * n}s"}
            for n in range(1, 10)
        ],
    },
    "kubevirt": {  # 150 to 900 ms, 7 steps, after iteration 3, 10 s apart [D]; even: assumption
        "about": "KubeVirt: from 150 to 900 ms in seven steps after three rounds, 10 s apart",
        "start": "150ms",
        "cooldown": "10s",
        "steps": [
            {"downtime_limit": f"{150 + round(750 * n / 7)}ms", "rounds": 3} for n in range(1, 8)
        ],
    },
    # oVirt's policies [D]. A stall is a round that leaves no less than the least before. What ends
    # them is done at the stalls after the last one listed: assumption.
    "ovirt-minimal-downtime": {
        "about": "oVirt, minimal downtime: from 100 to 500 ms at stalls, then abort",
        "start": "100ms",
        "steps": _stalls("150ms", "200ms", "300ms", "400ms", "500ms", last="abort"),
    },
    "ovirt-suspend": {
        "about": "oVirt, suspend workload if needed: from 100 ms to 5 s at stalls, then abort",
        "start": "100ms",
        "steps": _stalls("150ms", "200ms", "300ms", "400ms", "500ms", more=("5s",), last="abort"),
    },
    "ovirt-post-copy": {
        "about": "oVirt, post-copy: from 100 to 200 ms at stalls, then post-copy",
        "start": "100ms",
        "steps": _stalls("150ms", "200ms", last="post-copy"),
    },
    "ovirt-very-large": {
        "about": "oVirt, very large guests: from 300 ms to 5 s at stalls, then abort",
        "start": "300ms",
        "steps": _stalls("400ms", "500ms", "700ms", "1000ms", "1500ms", more=("5s",), last="abort"),
    },
    # 0.1 s, doubled when it was found stuck more than five times, up to 2000 s [D]. That a time
    # is a stall is an assumption.
    "proxmox": {
        "about": "Proxmox: from 0.1 to 2000 s, doubled at every sixth stall",
        "start": "100ms",
        "steps": [
            {"downtime_limit": f"{min(100 * 2**n, 2_000_000)}ms", "stalls": 6 * n}
            for n in range(1, 16)
        ],
    },
}


def resolve_downtime_steps(value: Any) -> Any:
    """Return steps of the downtime limit as plain data: by name, changed, or written out.

    Parameters
    ----------
    value
        A name of `DOWNTIME_STEPS`; a mapping with ``use`` and changes; steps written out, which
        pass unchanged.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> resolve_downtime_steps({"use": "nova", "start": "100ms"})["name"]
    'nova start=100ms'
    """
    return resolve("downtime steps", DOWNTIME_STEPS, value)


def downtime_steps_names() -> list[str]:
    """Return the names of the shipped ladders of downtime limits."""
    return list(DOWNTIME_STEPS)
