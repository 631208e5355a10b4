"""The JSON Schema of a scenario's file, for editors: shorthand and references to files included.

It uses only what draft-07 and 2020-12 have in common, since tools read one or the other.
"""

from __future__ import annotations

from typing import Any, Final

from dcsim.scenario import columns, library, presets
from dcsim.scenario.spec import Scenario

Schema = dict[str, Any]

_FILE: Final[Schema] = {
    "type": "string",
    "pattern": r"/|\.(yaml|yml|json)$",
    "description": "a file, relative to this one",
}

_CSV: Final[Schema] = {
    "type": "string",
    "pattern": r"\.csv$",
    "description": "a CSV file of columns, relative to this one",
}


def schema() -> Schema:
    """Return the JSON Schema that scenarios' files follow.

    It knows every key, type, unit and shipped name, but not what `dcsim.scenario.checks` knows.
    """
    whole = Scenario.model_json_schema()
    parts: dict[str, Schema] = whole["$defs"]
    for part in (whole, *parts.values()):
        for key in part["properties"].values():
            if isinstance(key.get("default"), dict | list):
                del key["default"]  # in SI, where a file wants units
        if "const" in part["properties"].get("kind", {}):
            part["required"] = ["kind", *part.get("required", [])]

    fabrics = [
        parts[option["$ref"].rpartition("/")[2]]
        for option in whole["properties"]["topology"]["oneOf"]
    ]
    changes = {key: value for part in fabrics for key, value in part["properties"].items()}
    changes["kind"] = {"enum": [part["properties"]["kind"]["const"] for part in fabrics]}
    parts["Topology"] = _named(
        whole["properties"]["topology"], library.names(kind="topologies"), changes
    )
    whole["properties"]["topology"] = {"$ref": "#/$defs/Topology"}

    hinting = parts["Hinting"]["properties"] | parts["Step"]["properties"]
    parts["Hinting"] = _named(parts["Hinting"], presets.hinting_names(), hinting)
    parts["Workload"] = _named(parts["Workload"], library.names(kind="workloads"))
    parts["Limits"] = _named(parts["Limits"], presets.limits_names())
    parts["DowntimeSteps"] = _named(parts["DowntimeSteps"], presets.downtime_steps_names())
    parts["Balancer"] = _named(parts["Balancer"], presets.balancer_names())
    del parts["Migration"]["required"]  # what is not given is the hypervisor's
    parts["Migration"]["properties"]["hypervisor"]["examples"] = presets.hypervisor_names()
    migration = parts["Migration"]
    names = {"enum": presets.hypervisor_names()}
    parts["Migration"] = {
        "anyOf": [names, _FILE, migration, _using(_FILE, migration["properties"])]
    }
    kinds = parts["Pattern"]["properties"]["kind"]["enum"]
    parts["Pattern"] = {"anyOf": [{"enum": kinds}, parts["Pattern"]]}
    own = {
        "limits": {"$ref": "#/$defs/Limits"},
        "migration": {"$ref": "#/$defs/Migration"},
        "hinting": {"$ref": "#/$defs/Hinting"},
    }
    written = {"type": "object", "properties": own, "additionalProperties": False}
    whole["properties"]["operator"] |= _named(written, presets.operator_names())
    for part in parts.values():
        if {"order", "limits"} <= part.get("properties", {}).keys():
            part["properties"]["order"]["examples"] = presets.order_names()
    moves = parts["Moves"]["properties"]["moves"]
    moves["anyOf"] = [_CSV, *moves.pop("oneOf", moves.pop("anyOf", []))]
    group = parts["GuestGroup"]
    group["properties"]["each"] |= {"anyOf": [_CSV, columns.schema()]}
    parts["GuestGroup"] = {"anyOf": [group, _using(_FILE, group["properties"])]}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **whole}


def _named(part: Schema, names: list[str], changes: Schema | None = None) -> Schema:
    """Allow a shipped name or a file for a part, alone or after `use`, beside changes."""
    name = {"anyOf": [{"enum": names}, _FILE]}
    return {"anyOf": [name, part, _using(name, changes or part["properties"])]}


def _using(name: Schema, changes: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {"use": name, **changes},
        "required": ["use"],
        "additionalProperties": False,
    }
