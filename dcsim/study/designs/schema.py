"""The JSON Schema of a study's file, for editors."""

from __future__ import annotations

from typing import Any, Final, get_args

from dcsim.scenario import library
from dcsim.scenario import schema as scenarios
from dcsim.study.designs.asked import Asked, Kind
from dcsim.study.findings.metrics import UNITS

_VALUES: Final[dict[str, Any]] = {
    "description": "values: a list, or a text such as 1..16, 1Gbit/s..25Gbit/s/12 or a, b",
    "type": ["array", "string", "number", "boolean", "object"],
}
_AXES: Final[dict[str, Any]] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": _VALUES,
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema that studies' files follow, that of scenarios within."""
    whole = Asked.model_json_schema()
    scenario = scenarios.schema()
    parts = whole["$defs"] | scenario.pop("$defs")
    draft = scenario.pop("$schema")
    file = {"type": "string", "pattern": r"/|\.(yaml|yml|json)$"}
    keys = whole["properties"]
    for key in keys.values():
        key.pop("default", None)
    names = {"enum": library.names(kind="scenarios")}
    keys["scenario"] |= {"anyOf": [names, file, {"$ref": "#/$defs/Scenario"}]}
    keys["axes"] |= {"anyOf": [_AXES, {"type": "array", "minItems": 1, "items": _AXES}]}
    keys["points"] |= {"type": "string", "pattern": r"\.csv$"}
    keys["design"] = {"anyOf": [{"enum": list(get_args(Kind))}, {"$ref": "#/$defs/How"}]}
    count = {"type": "integer", "minimum": 1}
    keys["replications"] = {"anyOf": [count, {"$ref": "#/$defs/Replications"}]}
    keys["metrics"]["items"] = {"enum": list(UNITS)}
    return {"$schema": draft, **whole, "$defs": parts | {"Scenario": scenario}}
