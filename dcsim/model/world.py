"""The world of one run, as all its migrations share it: clock, network, routes, records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import simpy

from dcsim.model.controlplane import ControlPlane
from dcsim.model.detours import Detours
from dcsim.model.diskcopy import Disks
from dcsim.model.host import Host
from dcsim.model.network import Network
from dcsim.model.routing import Path, Routes
from dcsim.records.recorder import Recorder
from dcsim.rng import Streams

Phase = Literal["waiting", "policy", "first-pass", "switch-over", "post-copy", "after"]
"""What others can wait for; the first is management's own time."""


@dataclass(slots=True)
class World:
    """What all migrations share.

    Attributes
    ----------
    control_plane
        How slow the management plane is now.
    moments
        Events of those who wait for a guest's migration to reach a phase.
    """

    env: simpy.Environment
    network: Network
    routes: Routes | Detours
    streams: Streams
    recorder: Recorder
    disks: Disks
    control_plane: ControlPlane = field(default_factory=ControlPlane)
    moments: dict[tuple[str, Phase], simpy.Event] = field(default_factory=dict)
    keeps_rounds: bool = field(init=False)
    keeps_events: bool = field(init=False)

    def __post_init__(self) -> None:
        self.keeps_rounds = self.recorder.keeps("rounds")
        self.keeps_events = self.recorder.keeps("events")

    def event(self, event: str, subject: str, *words: str) -> None:
        """Write down what happened to whom, in words; they are joined only if the table is kept."""
        if self.keeps_events:
            self.recorder.row("events", (self.env.now, event, subject, " ".join(words)))

    def path(self, source: Host, destination: Host, *name: str) -> Path:
        """Return the way between two hosts; where there are several, the name's hash decides."""
        key = self.streams.uniform_hash("ecmp", *name) if self.routes.routing == "ecmp" else 0
        return self.routes.route(source.node, destination.node, key)
