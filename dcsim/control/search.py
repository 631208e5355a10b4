"""Where a guest may go now, or else what holds it up."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Final

from dcsim.control.vacancies import ANY_ROOM, Vacancies
from dcsim.control.waiting import Alike, Request
from dcsim.control.ways import Ways
from dcsim.model.host import Host

LINES: Final = 8
"""Lines of guests that are alike but for their ways: so many are looked at, where one has none."""


class Search:
    """Searches for destinations.

    Parameters
    ----------
    vacancies
        Hosts that take guests.
    ways
        What may hold guests up on their way there.
    """

    def __init__(self, vacancies: Vacancies, ways: Ways) -> None:
        self._vacancies = vacancies
        self._ways = ways

    def alike(self, request: Request) -> Alike:
        """Return what tells whether requests to leave one host find the same destinations."""
        line = request.turn[1] % LINES if self._ways.matter else 0
        return (request.destination, self._vacancies.placer.alike(request.guest), line)

    def find(self, request: Request) -> tuple[Host | None, Collection[Hashable]]:
        """Return a host that takes a guest now, the one wanted or any; else what holds it up."""
        guest, source, wanted = request.guest, request.source, request.destination
        placer, look = self._vacancies.placer, None
        if self._ways.matter:
            if (shut := self._ways.shut(request)) is not None:
                return None, [shut]
            look = self._ways.look(request)
        if wanted is None:
            found = placer.find(guest, source, None if look is None else look.accepts)
            return found, [ANY_ROOM] if look is None else [ANY_ROOM, *look.reasons]
        if not self._vacancies.fits(guest, wanted, request.batch):
            return None, [wanted] if guest.terms is None else [wanted, ANY_ROOM]
        if look is None or look.accepts(wanted):
            return wanted, ()
        return None, look.reasons
