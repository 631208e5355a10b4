"""Who waits for what: the same starts, in the same order, as if all were looked at each time."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dcsim.control.dispatch
import dcsim.simulation.engine
from dcsim.control.backlog import Backlog
from dcsim.control.dispatch import Dispatcher
from dcsim.control.waiting import HeldUp, Queue, Request
from dcsim.model.host import Host
from dcsim.model.migration import Migration
from dcsim.scenario.spec import Scenario
from dcsim.simulation import run
from dcsim.units import GiB
from tests.test_placement import sized
from tests.worlds import FLUID, Data, guest, leaf_spine, scenario


def host(name: str = "host") -> Host:
    """Return a host that differs from others in its name."""
    return Host(name=name, rack="", node=0, cores=1, memory_bytes=1.0)


def request(size: float, turn: int = 0) -> Request:
    """Return a request to leave some host."""
    asked: Any = None
    return Request(sized(size), HERE, None, asked, turn=(0.0, turn))


def alike(one: Request) -> float:
    """Tell requests by their size."""
    return one.guest.memory_bytes


HERE = host("here")


# --------------------------------------------------------------------------- queues


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0])), st.data())
def test_a_queue_gives_the_first_that_finds_a_destination(
    sizes: list[float], data: st.DataObject
) -> None:
    """As a search from its front does, whatever fits at the time; the others keep their order."""
    queue, plain = Queue(), []
    for turn, size in enumerate(sizes):
        plain.append(request(size, turn))
        queue.append(plain[-1], size)
    there = host("there")
    while queue:
        assert list(queue) == plain
        assert queue.turn == plain[0].turn
        most = data.draw(st.sampled_from([0.5, 1.0, 2.0, 3.0, 4.0]))
        expected = next((r for r in plain if alike(r) <= most), None)
        found = queue.take(
            lambda r, most=most: (there, ()) if alike(r) <= most else (None, [alike(r)])
        )
        if expected is None:
            assert found is None
            assert set(queue.held_by) == set(map(alike, plain))
            break
        assert found == (expected, there)
        plain.remove(expected)
    gone = {r.turn for r in plain if data.draw(st.booleans())}
    assert queue.remove(lambda r: r.turn in gone) == [r for r in plain if r.turn in gone]
    plain = [r for r in plain if r.turn not in gone]
    assert bool(queue) == bool(plain)
    assert queue.clear() == plain
    assert not queue


def test_a_queue_asks_once_for_all_that_are_alike() -> None:
    """A thousand guests of one size that find no room cost one question."""
    queue, asked = Queue(), []
    for turn in range(1000):
        queue.append(request(1.0, turn), 1.0)
    assert queue.take(lambda r: asked.append(r.turn) or (None, ["room"])) is None
    assert asked == [(0.0, 0)]
    assert list(queue.held_by) == ["room"]


# --------------------------------------------------------------------------- held up


def test_who_waits_for_several_things_waits_once() -> None:
    """In line for each of them; let go, it is in none, and the next is first."""
    held, a, b = HeldUp(), host("a"), host("b")
    held.hold(a, ["x", "y"], (0.0, 0))
    held.hold(b, ["y"], (0.0, 1))
    assert list(held) == [a, b]
    assert held.first("x") == held.first("y") == ((0.0, 0), a)
    held.serve("y")
    assert held.first("y") == ((0.0, 1), b)
    held.release(a)
    assert held.first("x") is None
    assert a not in held
    assert b in held
    held.hold(a, ["y"], (0.0, 2))
    assert held.first("y") == ((0.0, 1), b)
    assert held.before((0.0, 2)) == [b]
    held.hold(b, ["z"], (0.0, 3))
    assert held.first("z") == ((0.0, 1), b)


def test_who_has_gone_takes_no_room() -> None:
    """However often hosts wait for what does not come: each is in line once, nearly."""
    held, hosts, turn = HeldUp(), [host("a"), host("b")], 0
    for _ in range(1000):
        for one in hosts:
            held.release(one)
            held.hold(one, ["x"], (0.0, turn))
            held.hold(one, ["x"], (0.0, turn))
            turn += 1
    assert len(held._lines["x"]) < 10
    assert list(held) == hosts
    assert held.first("x") == ((0.0, 1998), hosts[0])


# --------------------------------------------------------------------------- dispatching


class PlainBacklog(Backlog):
    """Looks at all that wait whenever anything has ended, and at all hosts for each of them."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.held: dict[Host, None] = {}
        self.ended_one = False

    def free(self, *reasons: Hashable) -> None:
        super().free(*reasons)
        self.ended_one = True

    def work_off(self, sources: Iterable[Host], find: Any, start: Any) -> list[Migration]:
        """Look at those held up, if anything has ended, and at these."""
        started: list[Migration] = []
        held = list(self.held) if self.ended_one else []
        self.ended_one = False
        turns = deque(s for s in dict.fromkeys([*held, *sources]) if self._queues[s])
        while turns and self._admission.open:
            source = turns.popleft()
            self.held.pop(source, None)
            if not self._admission.may_leave(source):
                continue
            if (found := self.next_of(source)) is not None:
                started.append(start(*found))
                if self._queues[source]:
                    turns.append(source)
            else:
                self.held[source] = None
        self.held.update(dict.fromkeys(turns))
        return started

    def clear_held_up(self) -> Iterator[Request]:
        """Take out all who wait."""
        for source in list(self.held):
            yield from self.clear(source)
        self.held.clear()

    def next_of(self, source: Host) -> tuple[Request, Host] | None:
        """Try one request after another."""
        for one in list(self._queues[source]):
            there = self.look_for(one)
            if there is not None:
                self._queues[source].remove(lambda other, one=one: other is one)
                return one, there
        return None

    def look_for(self, one: Request) -> Host | None:
        """Look at one host after another."""
        among = WORLD["hosts"] if one.destination is None else [one.destination]
        size = one.guest.memory_bytes
        fitting = [h for h in among if size <= h.free_bytes and self._admission.may_enter(h)]
        fitting = [h for h in fitting if one.destination is not None or not h.draining]
        if WORLD["placement"] == "spread":
            return max(fitting, key=lambda h: h.free_bytes, default=None)
        return next(iter(fitting), None)


WORLD: dict[str, Any] = {}
"""The hosts of the run under way, and its placement: a backlog asks others for both."""


class Noted(Dispatcher):
    """Notes the hosts and the placement of its run."""

    def __init__(self, world: Any, hosts: Any, guests: Any, settings: Any, *more: Any) -> None:
        WORLD.update(hosts=hosts, placement=more[0].placement)
        super().__init__(world, hosts, guests, settings, *more)


HOSTS = [f"rack{rack}/host{n}" for rack in range(3) for n in range(2)]


def crowd(seed: int) -> Data:
    """Draw guests on small hosts, and an operation with caps; some migrations fail, for a time."""
    draw = random.Random(seed)
    placed = [HOSTS[i % 4] for i in range(draw.randint(8, 16))]
    groups = [
        guest(
            name=f"g{i}",
            memory=draw.choice([0.5, 1.0, 1.5]) * GiB,
            place={"hosts": where},
            migration=FLUID | {"max_bandwidth": draw.choice([0.3, 0.7, 1.0]) * GiB},
        )
        for i, where in enumerate(placed)
    ]
    filled = draw.choice([16.0, 17.0, 18.0])
    groups += [
        guest(name=f"there{i}", memory=filled * GiB, place={"hosts": where})
        for i, where in enumerate(HOSTS[4:])
    ]
    caps = {
        "per_cluster": draw.choice([None, None, 2, 3, 4]),
        "per_host_out": draw.choice([None, 1, 2]),
        "per_host_in": draw.choice([None, 1, 2]),
    }
    limits: Data = {name: cap for name, cap in caps.items() if cap is not None}
    if draw.random() < 0.5:
        limits |= {"completion_timeout": 4.0, "retry": {"attempts": 2, "delay": 0.5}}
    operation: Data = {
        "kind": "drain",
        "hosts": draw.choice(["rack[0-1]/*", "rack0/*"]),
        "placement": draw.choice(["spread", "first-fit"]),
    }
    if draw.random() < 0.5:
        listed = [
            {"guest": f"g{i}-0", "to": draw.choice([to for to in HOSTS if to != where])}
            for i, where in enumerate(placed)
        ]
        operation = {"kind": "moves", "moves": draw.sample(listed, len(listed))}
    net = leaf_spine(leaves=3, host={"cores": 64, "memory": draw.choice([19, 21, 24]) * GiB})
    data = scenario(*groups, topology=net, operation=operation | {"limits": limits})
    if draw.random() < 0.3:
        data["failures"] = [{"at": 2.5, "host": draw.choice(HOSTS)}]
    return data


@pytest.mark.parametrize("seed", range(0, 100, 10))
def test_operations_start_what_a_plain_search_starts(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """The same guests to the same hosts at the same times, and the same refusals."""
    asked = [Scenario.model_validate(crowd(seed + n)) for n in range(10)]
    results = [run(one) for one in asked]
    monkeypatch.setattr(dcsim.simulation.engine, "Dispatcher", Noted)
    monkeypatch.setattr(dcsim.control.dispatch, "Backlog", PlainBacklog)
    for one, result in zip(asked, results, strict=True):
        assert repr(run(one).columns) == repr(result.columns)
