"""The shipped hinting policies: which pages are told, how, at what cost, and when they return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dcsim.scenario.presets.lookup import Preset, changed_name, listed, named
from dcsim.scenario.presets.steps import STEP_KEYS, takes

# One kick of the legacy balloon carries 256 page numbers and is waited for; the times are those of
# 7 GiB inflated 4 KiB at a time, 4126 ms in all [A.2]. With blocks of k pages it carries 256 of
# them; what is then left for each page, 0.30 us, is what two sizes of block show [A.2]. The reserve
# is where one published controller stops inflating [A.6].
_BALLOON: Final[Preset] = {
    "tell": "balloon",
    "reserve": "384MiB",
    "block_pages": 1,
    "blocks_per_interaction": 256,  # VIRTIO_BALLOON_ARRAY_PFNS_MAX [C.7]
    "per_interaction": "393us",
    "per_page": "0.30us",  # 0.146 allocation in the guest, the rest of it freeing in the host
    "per_block": "0.41us",  # 0.137 address translation, the rest the call of madvise
}
_FREE: Final[Preset] = {"select": ["free"], "limit": "mem-free"}
_FREE_AND_CACHE: Final[Preset] = {"select": ["free", "clean-cache"], "limit": "mem-available"}
_FREE_AND_COLD: Final[Preset] = {"select": ["free", "cold-cache"], "limit": "mem-available"}

# One list after the log is on: a whole free block is an entry, and so is each page that is in none.
# Walking the free list of an 8 GB guest took 20 ms [A.1]; a tenth of a fresh guest's free memory is
# in no whole block [M.9], and those 200,000 pages make it 0.1 us an entry. One exchange costs what
# a kick of the balloon does: assumption.
_LIST: Final[Preset] = {
    "tell": "list",
    "block_pages": 1,
    "blocks_per_interaction": 2**30,
    "per_interaction": "393us",
    "per_block": "0.1us",
}

# Blocks of MAX_ORDER-1 = 4 MiB, one a buffer, not waited for; taken without reclaim and held until
# the end [C.6]. Allocation as in [A.2]: 1024 * 0.146 us = 150 us a block, 38 ms/GiB; the slope
# between hinted guests of 8 and 128 GB, 39 ms/GiB, leaves room for no more [A.3].
_HINT: Final[Preset] = {
    "select": ["free"],
    "tell": "hint",
    "block_pages": 1024,
    "blocks_per_interaction": 1,
    "per_page": "0.146us",
    "returned": "migration-end",
}

# Free blocks of a pageblock, all the time [C.7]; its cost of 0.2 to 1.7 % [A.4] is left
# out.
_REPORT: Final[Preset] = {
    "select": ["free"],
    "tell": "report",
    "returned": "on-use",
}

# Dropping a clean page costs what allocating one does: assumption, nothing published [G].
_DROP: Final[Preset] = {
    "select": ["clean-cache"],
    "tell": "drop",
    "per_page": "0.146us",
    "returned": "at-once",
}

HINTING: Final[dict[str, Preset]] = {
    "none": {
        "about": "nothing is hinted and zero pages are sent whole: the counterfactual",
        "zero_pages": False,
        "steps": [],
    },
    "zero-page": {
        "about": "zero pages are found by scanning and sent as 9 bytes: what QEMU always does",
        "steps": [],
    },
    "free-page-bitmap": {
        "about": "free pages are listed once, after the log is on, and skipped: the RFC of 2016",
        "steps": [_LIST | {"select": ["free"], "returned": "at-once"}],
    },
    "free-page-hint": {
        "about": "free 4 MiB blocks are told after each sync, held to the end: virtio, as merged",
        "steps": [_HINT],
    },
    "free-page-reporting": {
        "about": "free 2 MiB blocks are told all the time and read as zero until used again",
        "steps": [_REPORT],
    },
    "balloon-free": {
        "about": "a balloon takes free memory (MemFree less a reserve) until the destination",
        "steps": [_BALLOON | _FREE | {"returned": "destination"}],
    },
    "balloon-held": {
        "about": "a balloon takes free memory and clean cache (MemAvailable less a reserve) "
        "until the destination",
        "steps": [_BALLOON | _FREE_AND_CACHE | {"returned": "destination"}],
    },
    "balloon-bounced": {
        "about": "as balloon-held, but deflated again before the stream: twice the interactions",
        "steps": [_BALLOON | _FREE_AND_CACHE | {"returned": "at-once"}],
    },
    "balloon-partial": {
        "about": "a balloon takes free memory and cold cache only, until the destination",
        "steps": [_BALLOON | _FREE_AND_COLD | {"returned": "destination"}],
    },
    "guest-drop-silent": {
        "about": "the guest drops its clean cache and tells nobody: stale pages are sent whole",
        "steps": [_DROP],
    },
    "guest-drop": {
        "about": "the guest drops its clean cache by itself, then hints its free memory",
        "steps": [_DROP, _HINT],
    },
    "clean-cache-hint": {
        "about": "free memory and clean cache are listed once and skipped; "
        "the guest forgets that cache at switch-over",
        "steps": [_LIST | {"select": ["free", "clean-cache"], "returned": "destination"}],
    },
    "disk-map": {  # [A.7]; a map entry costs nothing to make: assumption
        "about": "a block map is sent in place of clean cache, which the destination then reads",
        "steps": [{"select": ["clean-cache"], "tell": "map", "returned": "destination"}],
    },
    # A lost second is as bad as a second of a 10 Gbit/s link: assumption. What network and guests
    # are worth is the user's to say.
    "adaptive": {
        "about": "as balloon-held, with the share of clean cache that costs each guest least",
        "steps": [
            _BALLOON
            | _FREE_AND_CACHE
            | {"returned": "destination"}
            | {"adapt": {"lost_second": "1.25GB"}}
        ],
    },
}


def resolve_hinting(value: Any) -> Any:
    """Return a hinting policy as plain data: a shipped name, one with changes, or one written out.

    Parameters
    ----------
    value
        A name of `HINTING`; a mapping with ``use`` and changes, where keys of a step (``reserve``,
        ``share``, ``block_pages``, ...) change every step for which they mean something; a policy
        written out (``steps``), which passes unchanged, as does anything else.

    Raises
    ------
    ValueError
        If the name is unknown, or a key of a step stands where no step can take it.

    Examples
    --------
    >>> resolve_hinting({"use": "balloon-held", "reserve": "1GiB"})["name"]
    'balloon-held reserve=1GiB'
    """
    if isinstance(value, str):
        return named("hinting policy", HINTING, value)
    if not isinstance(value, Mapping):
        return value
    changes = dict(value)
    loose = sorted(STEP_KEYS & changes.keys())
    if "use" not in changes:
        if loose:
            message = (
                f"{listed(loose)} changes the steps of a shipped policy: name it with use, "
                "e.g. {use: balloon-held, reserve: 1GiB}, or write the policy out under steps"
            )
            raise ValueError(message)
        return value
    resolved = named("hinting policy", HINTING, changes.pop("use"))
    if loose and "steps" in changes:
        message = f"give steps, or changes to those of '{value['use']}' ({listed(loose)}), not both"
        raise ValueError(message)
    resolved["name"] = changed_name(resolved["name"], changes)
    resolved |= {key: changes[key] for key in changes if key not in STEP_KEYS}
    for key in loose:
        takers = [step for step in resolved["steps"] if takes(step, key)]
        if not takers:
            message = f"{key} means nothing for the policy '{value['use']}'"
            raise ValueError(message)
        for step in takers:
            step[key] = changes[key]
    return resolved


def hinting_names() -> list[str]:
    """Return the names of the shipped hinting policies, from sending all to skipping most."""
    return list(HINTING)
