"""Forecasts of the guests of a run: what the migration of each is expected to take.

Guests that are alike are forecast once, from the memory of the first of them that is asked about.
See `dcsim.model.foresight` for how.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import replace

from dcsim.model.adaptive import best_share
from dcsim.model.foresight import PARTS, Foresight
from dcsim.model.foresight import Forecast as Forecast
from dcsim.model.guest import Guest
from dcsim.model.host import Host
from dcsim.model.outlook import Outlook
from dcsim.model.patience import Patience, Watch
from dcsim.model.stream import Settings
from dcsim.model.world import World
from dcsim.units import GiB


class Predictor:
    """Forecasts of the guests of one run, each kind of guest once.

    Parameters
    ----------
    world
        Its network and routes.
    settings
        Migration settings of each guest, by its group.
    """

    def __init__(self, world: World, settings: Mapping[str, Settings]) -> None:
        self._world = world
        self._settings = settings
        self._known: dict[Hashable, Forecast] = {}
        self._ways_out: dict[int, float] = {}

    def forecast(
        self, guest: Guest, patience: Patience, *, destination: Host | None = None
    ) -> Forecast:
        """Return what the migration of a guest from where it is now is expected to take.

        Parameters
        ----------
        guest
            Who is to move.
        patience
            Management's time and time limits.
        destination
            Where to; None for anywhere, over the links of its own host as the narrowest.
        """
        assert guest.host is not None
        world, source = self._world, guest.host
        if destination is None:
            wire = self._way_out(source)
        else:
            path = world.path(source, destination, guest.name, "migration")
            wire = world.network.narrowest(path)
        profile = guest.profile
        kind = (
            id(profile), id(guest.makeup), guest.vcpus, guest.demands, guest.level, wire, patience,
        )  # fmt: skip
        found = self._known.get(kind)
        if found is None:
            found = self._foresee(guest, patience, destination or source, wire)
            self._known[kind] = found
        return found

    def _way_out(self, host: Host) -> float:
        """Return what the links out of a host carry, the widest of them."""
        if not self._ways_out:
            network, closed = self._world.routes.network, self._world.routes.failed
            ends = zip(network.tails, network.capacity_bytes_per_s, strict=True)
            for link, (tail, capacity) in enumerate(ends):
                if link not in closed and capacity > self._ways_out.get(tail, 0.0):
                    self._ways_out[tail] = capacity
        return self._ways_out[host.node]

    def _foresee(
        self, guest: Guest, patience: Patience, destination: Host, wire: float
    ) -> Forecast:
        assert guest.host is not None
        profile, source = guest.profile, guest.host
        settings = self._settings[profile.group]
        if profile.migratable != "live":
            restart_s = settings.cold_restart
            total_s = patience.control_plane_s + restart_s
            return Forecast(total_s, 0.0, 0.0, restart_s, 0.0, True, 0.0)
        policy = profile.policy if settings.post_copy is None else profile.policy.without_hints()
        outlook = Outlook.of(
            guest, policy, settings, wire=wire, source=source, destination=destination
        )
        memory = guest.copied_memory()
        for step in policy.steps:
            if step.adapt is not None:
                policy = policy.with_share(step, best_share(outlook, memory, step))
                outlook = replace(outlook, policy=policy)
        course = Foresight(
            outlook,
            memory,
            watch=Watch(patience, settings, gib=guest.memory_bytes / GiB, started_s=0.0),
            parts=PARTS if profile.drifts else 1,
        )
        course.now_s = patience.control_plane_s
        if profile.local_disk is not None and settings.block is not None:
            disks, capacity = self._world.disks, self._world.network.capacity
            read_from, write_to = disks.read.get(source.node), disks.write.get(destination.node)
            course.copy_disk(
                profile.local_disk,
                bandwidth=settings.block.bandwidth,
                read=math.inf if read_from is None else capacity[read_from],
                write=math.inf if write_to is None else capacity[write_to],
            )
        return course.forecast()
