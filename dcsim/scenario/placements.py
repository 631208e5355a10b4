"""The names of placements: those that are shipped, and what users add.

A placement is a function ``(room, guest, source)`` that goes through hosts, the one to take first;
`dcsim.control.placement` has the shipped ones, and says what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from dcsim.errors import did_you_mean
from dcsim.scenario.source import fingerprint

SHIPPED: Final[dict[str, str]] = {
    "first-fit": "the first host with room, in order",
    "best-fit": "the host with the least memory free that is enough",
    "worst-fit": "the host with the most memory free",
    "spread": "the host with the greatest share of its memory free",
    "pack": "the host with the least share of its memory free that is enough",
    "same-rack": "a host of the same rack if one has room, else any; in either the emptiest",
    "nearest": "a host the fewest links away, of those the one with the most memory free",
}
"""What each of them takes; of equals, the first."""
GROUP: Final = "dcsim.placements"
"""The entry points under which a package offers its own."""

_registered: dict[str, Callable[..., Any]] = {}


def register(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function a placement that scenarios can name.

    What `compare` hands to other processes takes it along, if it can be pickled; packages can offer
    theirs as entry points of the group ``dcsim.placements``, which need not be registered.

    Raises
    ------
    ValueError
        If the name is a shipped one.

    Examples
    --------
    >>> from dcsim.control.placement import register
    >>> @register("fewest-guests")
    ... def fewest_guests(room, guest, source):
    ...     able = room.in_order(guest.memory_bytes)
    ...     return sorted(able, key=lambda host: len(host.guests) + len(host.reserved))
    """
    if name in SHIPPED:
        raise ValueError(f"{name!r} is a shipped placement; choose another name")

    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        _registered[name] = function
        return function

    return keep


def registered(name: str) -> Callable[..., Any] | None:
    """Return what a user made the placement of a name, if anyone did."""
    if name not in _registered and name not in SHIPPED:
        from importlib.metadata import entry_points

        for point in entry_points(group=GROUP, name=name):
            _registered[name] = point.load()
    return _registered.get(name)


def added() -> dict[str, Callable[..., Any]]:
    """Return the placements that users have added, for other processes to know them."""
    return dict(_registered)


def sources() -> dict[str, str]:
    """Return a digest of what each placement does that users have added."""
    return {name: fingerprint(function) for name, function in _registered.items()}


def restore(others: Mapping[str, Callable[..., Any]]) -> None:
    """Know the placements that were added in another process."""
    _registered.update(others)


def names() -> list[str]:
    """Return the names that a scenario may use now."""
    return [*SHIPPED, *_registered]


def known(name: str) -> str:
    """Return a name that is one of a placement; anything else is refused."""
    if name not in SHIPPED and registered(name) is None:
        close = did_you_mean(name, names())
        words = {
            "message": f"must be one of {', '.join(names())}, got {name[:60]!r}",
            "hint": f"did you mean '{close}'?" if close else None,
        }
        raise PydanticCustomError("wrong", "{message}", words)
    return name


PlacementName = Annotated[
    str,
    AfterValidator(known),
    Field(json_schema_extra=lambda schema: schema.update(enum=names())),
]
