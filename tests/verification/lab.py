"""Migrations between two hosts, by the public API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dcsim

Data = dict[str, Any]

NOTHING: Data = dict.fromkeys(("free_zero", "free_stale", "cache", "kernel", "anonymous_zero"), 0.0)
"""A make-up that is all anonymous."""


def between_two_hosts(
    *,
    memory: str,
    makeup: Mapping[str, float],
    migration: Mapping[str, Any],
    hinting: Any = "zero-page",
    link: str = "10Gbit/s",
    activities: Sequence[Data] = (),
    hintable: float = 0.9,
    count: int = 1,
    limits: Any = None,
    horizon: str = "1d",
    **guest: Any,
) -> dcsim.Result:
    """Migrate guests of one kind from one host to the other; links carry all that they say.

    What is not named here is a key of the group of guests.
    """
    scenario = {
        "horizon": horizon,
        "topology": {
            "kind": "two-hosts",
            "host_link": link,
            "goodput": 1.0,
            "host": {"cores": 48, "memory": "512GiB"},
        },
        "guests": [
            {
                **guest,
                "name": "guest",
                "count": count,
                "memory": memory,
                "vcpus": 4,
                "place": {"hosts": "rack0/host0"},
                "workload": {
                    "memory": NOTHING | dict(makeup),
                    "hintable": hintable,
                    "min_free": 0.0,
                    "activities": list(activities),
                },
            }
        ],
        "migration": {"max_bandwidth": None} | dict(migration),
        "hinting": hinting,
        "operation": {"kind": "drain", "hosts": "rack0/host0", "limits": limits or {}},
        "settle": 0.0,
    }
    return dcsim.run(dcsim.Scenario.model_validate(scenario))


def migration_of(result: dcsim.Result, guest: int = 0) -> Data:
    """Return one row of the migrations table."""
    return {name: values[guest] for name, values in result.columns["migrations"].items()}
