"""What a guest asks of the host it stands on beside room, and which guests are to be apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dcsim.model.host import Host


class Circle(NamedTuple):
    """Guests that are to stand apart from each other, or together.

    Attributes
    ----------
    group, number
        Whose, and which of that group's sets.
    by
        The label of hosts that tells places apart: host, rack or one of the scenario's.
    apart
        Whether no two of them stand in one place, or all of them do.
    """

    group: str
    number: int
    by: str
    apart: bool


class Terms(NamedTuple):
    """What a guest asks of its host; those that ask the same have equal terms.

    Attributes
    ----------
    requires
        Labels that its host has.
    cpu_flags
        What its host's CPUs can do.
    apart, together
        Guests of which no two are in one place; all of which are in one place.
    """

    requires: tuple[tuple[str, str], ...] = ()
    cpu_flags: tuple[str, ...] = ()
    apart: Circle | None = None
    together: Circle | None = None

    @property
    def circles(self) -> list[Circle]:
        """The sets that it is of."""
        return [circle for circle in (self.apart, self.together) if circle is not None]


Whereabouts = dict[Circle, dict["Host", int]]
"""How many of a set of guests are on each host, or are to come there."""
