"""The clock. Seconds."""

from __future__ import annotations

import simpy


class Clock(simpy.Environment):
    """SimPy's environment, whose time is a plain attribute: it is read at every step of a story."""

    __slots__ = ("_now",)


setattr(Clock, "now", vars(Clock)["_now"])  # noqa: B010 - the slot itself, not a property around it
