"""Random operations and faults on a live world: what must hold holds after each of them.

A new operation or fault is a line in `STEPS`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dcsim.control.failures import (
    Abort,
    Effect,
    HostLost,
    LinkCut,
    LinkDegraded,
    LinkDown,
    ManagementSlow,
    StorageImpaired,
    Undo,
)
from dcsim.control.operations import OperationPlan
from dcsim.control.operations.evacuation import EvacuationPlan
from dcsim.control.operations.notices import NoticesPlan
from dcsim.control.operations.rebalance import Balancer
from dcsim.control.operations.upgrade import UpgradePlan
from dcsim.model.distribution import Distribution
from dcsim.records.result import Result
from dcsim.records.tables import MIGRATION_KINDS, OUTCOMES
from dcsim.scenario.spec import Scenario
from dcsim.simulation.engine import _Run
from dcsim.simulation.prepared import Preparation
from dcsim.units import GiB, MiB
from tests.worlds import Data, guest, leaf_spine, reader, rows, scenario, sender, writer

EXAMPLES, LONGEST = 100, 60
QUIET_S = 6000.0
"""More than the longest of what anybody waits for, one upgrade after another included."""


def group(name: str, *activities: Data, rack: int, **changes: Any) -> Data:
    """Two small guests on each host of a rack."""
    place = {"rack": f"rack{rack}"}
    return guest(*activities, name=name, count=4, memory=256.0 * MiB, place=place, **changes)


def cluster() -> Data:
    """Two racks of two hosts under two spines, and guests of all sorts."""
    balloon = {"use": "balloon-held", "reserve": 0.0, "per_page": 1e-6}
    files = {"cache": 0.5, "free_zero": 0.2}
    disk = {"size": 0.5 * GiB, "used": 1.0, "writes": 1.0 * MiB}
    data = scenario(
        group(
            "reads",
            reader(64.0 * MiB, 0.6),
            writer(2.0 * MiB, 0.2),
            rack=0,
            makeup=files,
            hinting="disk-map",
        ),
        group("writes", writer(300.0 * MiB, 0.5), sender(8.0 * MiB), rack=0),
        group("holds", reader(8.0 * MiB, 0.4), rack=1, makeup=files, hinting=balloon),
        group("disks", writer(2.0 * MiB, 0.1, to="cache"), rack=1, makeup=files, local_disk=disk),
        group("fixed", sender(1.0 * MiB), rack=1, migratable="cold"),
        horizon=1e7,
        topology=leaf_spine(spines=2, host={"cores": 16, "memory": 5.0 * GiB}),
        record="migrations",
    )
    data["guests"][1]["migration"] = data["migration"] | {"post_copy": {"after": 0.3}}
    data["guests"][3]["migration"] = data["migration"] | {"block": True}
    # one that never comes lets traffic go around links from the beginning
    data["failures"] = [{"at": 9e6, "link": "leaf0->spine0", "lasts": 1.0}]
    data["operation"]["limits"] = {
        "per_host_out": 2,
        "per_host_in": 3,
        "control_plane": 0.2,
        "completion_timeout": 60.0,
        "retry": {"attempts": 3, "delay": 1.0},
    }
    return data


PREPARATION = Preparation(Scenario.model_validate(cluster()))


class Live:
    """A world under way, and what is broken in it."""

    def __init__(self) -> None:
        prepared = PREPARATION.prepared()
        self.world = _Run(prepared, check=True)
        self.links = [
            (link, link + 1) for link in range(0, len(prepared.network.link_names) - 1, 2)
        ]
        self.disk = prepared.network.disk
        self.broken: list[Undo] = []

    def strike(self, effect: Effect) -> None:
        """Let a fault begin."""
        undo = effect.begin(self.world.cluster, type(effect).__name__, None)
        if undo is not None:
            self.broken.append(undo)

    def repair(self, n: int) -> None:
        """Let one of the faults end, whichever."""
        if self.broken:
            self.broken.pop(n % len(self.broken))()

    def drain(self, *hosts: int) -> None:
        """Empty some hosts."""
        self.world.operate(OperationPlan("drain", "drain", 0.0, hosts=hosts, at_once=1))

    def operate(self, kind: str, own: object, *hosts: int, **plan: Any) -> None:
        """Begin an operation of a kind that has rules of its own."""
        self.world.operate(OperationPlan(kind, kind, 0.0, hosts=hosts, own=own, **plan))

    def move(self, n: int, to: int) -> None:
        """Ask one guest to move, whether it can or not."""
        name = self.world.guests[n % len(self.world.guests)].name
        self.world.operate(OperationPlan("moves", "moves", 0.0, moves=((name, to),)))

    def depart(self, n: int) -> None:
        """Let a guest leave, wherever it is and whatever it does."""
        guests = self.world.guests
        if guests and not guests[n % len(guests)].perished:
            self.world.population.depart(guests[n % len(guests)], self.world.dispatcher)

    def reopen(self, host: int) -> None:
        """Let a host take guests again, unless an operation has it away."""
        if not self.world.hosts[host].away:
            self.world.dispatcher.reopen(self.world.hosts[host])

    def pass_time(self, seconds: float) -> None:
        """Let events happen, and look after each instant's."""
        env = self.world.env
        until = env.now + seconds
        while env.peek() <= until:
            now = env.peek()
            while env.peek() == now:
                env.step()
            self.world.verify()
        env.run(until=until) if until > env.now else None
        self.world.verify()

    def come_to_rest(self) -> Result:
        """Repair everything, wait until nothing is left to do, and return the tables."""
        while self.broken:
            self.repair(0)
        for host in range(4):
            self.reopen(host)
        env = self.world.env
        env.run(until=env.now + QUIET_S)
        self.world.verify()
        assert self.world.dispatcher.unsettled == 0
        assert all(one.done.triggered for one in self.world.operations)
        assert not any(host.reserved for host in self.world.hosts)
        assert not self.world.network.down
        assert self.world.network.capacity == self.world.network.rated
        kinds = {flow.kind for flow in self.world.network.flows}
        assert kinds <= {"refault", "write-back", "application"}
        return self.world.tables()


def fixed(seconds: float) -> Distribution:
    """Return a duration that is always the same."""
    return Distribution("fixed", (seconds,), seconds)


def upgrade(n: int) -> UpgradePlan:
    """Return a quick upgrade: with and without a check, stopping guests, moving them back."""
    check = fixed(0.5) if n % 2 else None
    return UpgradePlan(fixed(1.0), check, 0.3 * (n % 2), 2, n % 3 == 0, n % 5 == 0)


def notices(n: int) -> NoticesPlan:
    """Return one notice, of a host that is back soon."""
    return NoticesPlan((), fixed(0.1), 1, True, 0.5 + n % 3, n % 2 == 0, fixed(2.0))


EVEN = Balancer("memory", "max-min", 0.1, 0.05, 0.01, 1, 1.0, 0.0, 0.0, 3, False)

Step = Callable[[Live, int], None]
STEPS: dict[str, Step] = {
    "wait": lambda live, n: live.pass_time(n % 7),
    "drain": lambda live, n: live.drain(n % 4),
    "drain a rack": lambda live, n: live.drain(n % 2 * 2, n % 2 * 2 + 1),
    "move": lambda live, n: live.move(n, n % 4),
    "move on": lambda live, n: live.move(n, (n + 1) % 4),
    "upgrade": lambda live, n: live.operate("upgrade", upgrade(n), n % 4, at_once=1),
    "upgrade all": lambda live, n: live.operate("upgrade", upgrade(n), 0, 1, 2, 3, at_once=1),
    "notice": lambda live, n: live.operate("notices", notices(n), n % 4),
    "evacuate": lambda live, n: live.operate("evacuate", EvacuationPlan(0.2 + n % 5), 3),
    "rebalance": lambda live, n: live.operate("rebalance", EVEN, 0, 1, 2, 3, window_s=5.0),
    "depart": lambda live, n: live.depart(n),
    "reopen": lambda live, n: live.reopen(n % 4),
    "repair": Live.repair,
    "repair another": Live.repair,
    "lose a host": lambda live, n: live.strike(HostLost(n % 4, returns=True)),
    "cut a link": lambda live, n: live.strike(LinkCut(live.links[n % len(live.links)])),
    "break a link": lambda live, n: live.strike(LinkDown(live.links[n % len(live.links)], 0.0)),
    "link down": lambda live, n: live.strike(LinkDown(live.links[n % len(live.links)], 5.0)),
    "slow link": lambda live, n: live.strike(LinkDegraded(live.links[n % len(live.links)], 0.1)),
    "storage gone": lambda live, n: live.strike(StorageImpaired(live.disk or 0, 0.0, 0.0)),
    "storage slow": lambda live, n: live.strike(StorageImpaired(live.disk or 0, 0.01, 0.05)),
    "management": lambda live, n: live.strike(ManagementSlow(1.0 + n % 3, 0.1)),
    "abort": lambda live, n: live.strike(Abort(("*", "writes-*", "holds-1")[n % 3])),
}
"""Each takes a number that says which."""

histories = st.lists(
    st.tuples(
        st.sampled_from(sorted(STEPS)),
        st.integers(0, 59),
        st.sampled_from([0.0, 0.0, 0.05, 0.2, 0.4, 1.0]),
    ),
    min_size=10,
    max_size=LONGEST,
)


def happen(history: list[tuple[str, int, float]]) -> Result:
    """Let a history happen, and return what came of it."""
    live = Live()
    for what, n, seconds in history:
        STEPS[what](live, n)
        live.pass_time(seconds)
    return live.come_to_rest()


@given(history=histories)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_whatever_happens_what_must_hold_holds(history: list[tuple[str, int, float]]) -> None:
    """Guests are in one place or lost, nothing is reserved for nobody, and all comes to an end."""
    result = happen(history)
    outcomes = [row["outcome"] for row in rows(result, "migrations")]
    assert set(outcomes) <= set(OUTCOMES)
    sent = 0.0
    for row in rows(result, "migrations"):
        assert not row["downtime_s"] > row["total_time_s"] + 1e-9
        sent += row["sent_bytes"]
    carried = math.fsum(
        row["carried_bytes"]
        for row in rows(result, "links")
        if row["kind"] in MIGRATION_KINDS and row["link"].startswith("rack")
    )
    assert carried == pytest.approx(sent, rel=1e-9, abs=1.0)  # each byte leaves one host once


def test_a_history_comes_to_the_same_again() -> None:
    """All of it, bit for bit, though it is driven by hand."""
    draw = random.Random(7)
    history = [(draw.choice(sorted(STEPS)), draw.randrange(60), draw.random()) for _ in range(200)]
    one, other = happen(history), happen(history)
    for table in ("migrations", "guests", "hosts", "links"):
        assert repr(rows(one, table)) == repr(rows(other, table))
    assert len({row["outcome"] for row in rows(one, "migrations")}) >= 4
