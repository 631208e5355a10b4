"""Steps of hinting policies: what makes sense together, for each way of telling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from dcsim.scenario.presets.lookup import listed

if TYPE_CHECKING:
    from dcsim.scenario.spec import Step

_COSTS = {"block_pages", "blocks_per_interaction", "per_interaction", "per_page", "per_block"}
# What of a step means something for each way of telling, beside select, share and tell themselves.
_MEANS: Final[dict[str, set[str]]] = {
    "list": _COSTS | {"returned", "adapt"},
    "hint": _COSTS | {"returned"},
    "report": {"returned"},
    "balloon": _COSTS | {"per_eviction", "returned", "limit", "reserve", "deflate_on_oom", "adapt"},
    "drop": {"per_interaction", "per_page", "returned", "adapt"},
    "map": _COSTS | {"returned"},
}
_RETURNED: Final = {
    "list": ("at-once", "destination"),
    "hint": ("migration-end",),
    "report": ("on-use",),
    "balloon": ("at-once", "destination"),
    "drop": ("at-once",),
    "map": ("destination",),
}
_SELECT: Final = {
    "list": ("free", "cold-cache", "clean-cache"),
    "hint": ("free",),
    "report": ("free",),
    "balloon": ("free", "cold-cache", "clean-cache"),
    "drop": ("cold-cache", "clean-cache"),
    "map": ("cold-cache", "clean-cache"),
}
STEP_KEYS: Final = frozenset(
    {"select", "share", "tell", "returned", "limit", "reserve", "deflate_on_oom", "per_eviction"}
    | {"adapt"}
    | _COSTS
)
"""What a step may say."""


def check_step(step: Step) -> str | None:
    """Say why a step of a hinting policy makes no sense, if it makes none.

    Parameters
    ----------
    step
        The step, its fields checked one by one already.

    Returns
    -------
    str or None
        What is wrong and what would be legal; None where all is well.
    """
    tell = step.tell
    cache = set(step.select) - {"free"}
    if len(set(step.select)) < len(step.select) or len(cache) > 1:
        return "select names the same pages twice: cold cache is part of clean cache"
    for pages in step.select:
        if pages not in _SELECT[tell]:
            return f"'{tell}' cannot select {pages}; it can select {listed(_SELECT[tell])}"
    if step.returned not in _RETURNED[tell]:
        return f"'{tell}' cannot be returned {step.returned}; legal is {listed(_RETURNED[tell])}"
    if tell == "list" and step.returned == "at-once" and cache:
        # the guest goes on using the cache it has listed, and may forget it only when it has left
        return "a list of cache pages must be returned destination: they are forgotten there"
    if step.share < 1 and not cache:
        return "share is a share of clean cache, and this step selects none"
    if step.adapt is not None and not cache:
        return "adapt chooses a share of clean cache, and this step selects none"
    means = _MEANS[tell]
    foreign = {
        "adapt": step.adapt is not None,
        "limit": step.limit != "none",
        "reserve": step.reserve > 0,
        "deflate_on_oom": not step.deflate_on_oom,
        "block_pages": step.block_pages != 1,
        "blocks_per_interaction": step.blocks_per_interaction != 256,
        "per_interaction": step.per_interaction > 0,
        "per_page": step.per_page > 0,
        "per_block": step.per_block > 0,
        "per_eviction": step.per_eviction > 0,
    }
    for key, given in foreign.items():
        if given and key not in means:
            return f"{key} means nothing for '{tell}'"
    if step.reserve > 0 and step.limit == "none":
        return "reserve is what is left below a limit; set limit to mem-free or mem-available"
    if step.limit == "mem-free" and cache:
        return "limit mem-free counts no cache; select free alone, or use limit mem-available"
    if step.per_eviction > 0 and not cache:
        return "per_eviction is for cache pages, and this step selects none"
    return None


def takes(step: Mapping[str, Any], key: str) -> bool:
    """Whether a key means something for a step of a shipped policy."""
    cache = bool(set(step["select"]) - {"free"})
    if key in {"share", "adapt"}:
        return cache and (key == "share" or key in _MEANS[step["tell"]])
    return key in {"select", "tell"} or key in _MEANS[step["tell"]]
