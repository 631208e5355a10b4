"""The phases of a guest's life: what it read, wrote and lost in each. Pages and seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dcsim.records.tables import CAUSES

if TYPE_CHECKING:
    from dcsim.model.guest import Guest

PhaseRecord = Callable[..., None]


class Phases:
    """Writes a row of the phases table whenever a guest enters another phase.

    Parameters
    ----------
    guest
        The guest, at the beginning of its life.
    record
        Called with each row.
    """

    def __init__(self, guest: Guest, record: PhaseRecord) -> None:
        self._guest = guest
        self._record = record
        self._phase = "before"
        self._from = self._done()

    def enter(self, phase: str) -> None:
        """Begin another phase; write down what was done in the one before, if it took time."""
        began, done = self._from, self._done()
        if done["at"] > began["at"]:
            memory = self._guest.memory
            self._record(
                guest=self._guest.name,
                phase=self._phase,
                from_s=began["at"],
                to_s=done["at"],
                **{key: done[key] - began[key] for key in began if key != "at"},
                free_pages=memory.free,
                cache_pages=memory.cache.count + memory.written_cache,
            )
        self._phase, self._from = phase, done

    def _done(self) -> dict[str, float]:
        """Return the time, and what was done up to it."""
        guest, lost = self._guest, self._guest.lost
        return {
            "at": guest.env.now,
            "read_pages": guest.read_pages,
            "missed_pages": guest.missed_pages,
            "written_pages": guest.written_pages,
            "lost_work_s": sum([lost[cause] for cause in CAUSES if cause in lost], 0.0),
        }
