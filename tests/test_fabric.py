"""The fabric: the compiled one gives the very numbers of its reference; what a settling costs."""

from __future__ import annotations

import gc
import math
import random
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim import kernel
from dcsim.model.fabric import Fabric, Flow
from dcsim.model.fairshare import violations

KINDS = {"first pass": 1.0, "refault": 3.0, "re-sent": 0.1}

compiled = pytest.mark.skipif(
    not hasattr(kernel.compiled, "Fabric"), reason="the kernel is not compiled, or not in use"
)


def listener() -> None:
    """Stand for somebody who wants to know."""


class Books:
    """A fabric, its flows in the order in which they were opened, and what it ever answered."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.opened: list[Flow] = []
        self.heard: list[Any] = []

    def do(self, what: str, n: int, size: float, links: tuple[int, ...], now: float) -> None:
        """Change something."""
        fabric, kind = self.fabric, list(KINDS)[n % 3]
        if what in ("open", "split"):
            shares = tuple(1 / (2 + (n + i) % 3) for i in range(len(links)))
            told = listener if n % 2 else None
            given = shares if what == "split" else None
            self.opened.append(fabric.open(links, given, size, KINDS[kind], kind, told, now))
        elif what == "capacity":
            fabric.set_capacity(n % 6, min(size, 30.0) if n % 4 else 0.0)
        elif what == "settle":
            moved: list[Flow] = []
            self.heard.append((self.numbers(fabric.settle(now, moved)), self.numbers(moved)))
        elif what == "complete":
            until = min(fabric.next(), now + size)
            done = fabric.complete(until, now)
            for flow in done:
                flow.waiter = None
            self.heard.append(self.numbers(done))
        elif what == "reroute" and self.opened:
            shares = tuple(1 / (2 + i % 3) for i in range(len(links))) if n % 2 else None
            flow = self.opened[n % len(self.opened)]
            self.heard.append(fabric.reroute(flow, links, shares, now))
        elif self.opened:
            self.change(self.opened[n % len(self.opened)], what, n, size, now)

    def change(self, flow: Flow, what: str, n: int, size: float, now: float) -> None:
        """Change something of a flow, which may be closed."""
        fabric, kind = self.fabric, list(KINDS)[n % 3]
        if what == "cap":
            self.heard.append(fabric.set_cap(flow, size, now))
        elif what == "kind":
            self.heard.append(fabric.set_kind(flow, kind, KINDS[kind], now))
        elif what == "send":
            until = now + 3 if n % 2 else math.inf
            fabric.send(flow, min(size, 30.0), 0.5 * (n % 4), n % 5, until, self, now)
        elif what == "left":
            fabric.set_left(flow, min(size, 20.0), 0.3 * (n % 3), n % 4, now)
        elif what == "stop":
            fabric.stop(flow, now)
        elif what == "astray":
            self.heard.append(fabric.astray(flow, now))
        elif what == "close":
            self.heard.append(fabric.close(flow, now))

    def numbers(self, flows: list[Flow]) -> list[int]:
        """Return which of the opened flows these are."""
        return [self.opened.index(flow) for flow in flows]

    def state(self, now: float) -> list[Any]:
        """Return everything that there is to know."""
        fabric = self.fabric
        flows = [
            (
                flow.rate, flow.was, flow.heard, flow.bottleneck, flow.cap, flow.weight, flow.kind,
                flow.sent, flow.strayed, flow.links, flow.shares,
            )
            for flow in self.opened
        ]  # fmt: skip
        left = [fabric.left(flow, now) for flow in self.opened]
        counts = (fabric.solves, fabric.flows_solved, fabric.next())
        return [
            flows, left, counts, fabric.load, fabric.capacity, fabric.carried,
            self.numbers(fabric.flows), self.heard,
            [self.numbers(fabric.flows_on(link)) for link in range(len(fabric.capacity))],
        ]  # fmt: skip


def states(fabric: Fabric, history: list[tuple[Any, ...]], every: int = 1) -> Iterator[str]:
    """Let a history happen and return now and then what there is to know, to the last bit."""
    books, now = Books(fabric), 0.0
    for step, (what, n, size, links) in enumerate(history):
        books.do(what, n, size, links, now)
        if n % 5 == 4:
            books.do("settle", n, size, links, now)
            now += 0.1 * (n % 7)
        if step % every == 0:
            yield repr(books.state(now))
    books.do("settle", 0, 0.0, (), now)
    fabric.finish(now + 1)
    yield repr(books.state(now + 1))


STEPS = (
    "open", "open", "open", "split", "close", "cap", "capacity", "kind", "send", "send", "left",
    "stop", "settle", "complete", "astray", "reroute",
)  # fmt: skip
sizes = st.one_of(st.just(math.inf), st.just(0.0), st.floats(0, 20), st.integers(0, 6).map(float))
paths = st.one_of(
    st.lists(st.integers(0, 5), max_size=4, unique=True).map(tuple), st.just((0, 1, 2))
)
histories = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, 60), sizes, paths), min_size=1, max_size=60
)


@compiled
@given(
    history=histories,
    capacity=st.lists(st.floats(0, 12), min_size=6, max_size=6),
    slack=st.sampled_from([(), (0.05,), (0.5,)]),
)
@settings(max_examples=300)
def test_the_compiled_fabric_gives_the_same_numbers(
    history: list[tuple[Any, ...]], capacity: list[float], slack: tuple[float, ...]
) -> None:
    """Whatever happens, both have the same rates, bytes and times, and tell the same flows."""
    assert kernel.compiled is not None
    one, other = Fabric(capacity, *slack), kernel.compiled.Fabric(capacity, *slack)
    for mine, theirs in zip(states(one, history), states(other, history), strict=True):
        assert mine == theirs


@compiled
def test_the_compiled_fabric_gives_the_same_numbers_in_a_large_network() -> None:
    """Thousands of steps among hundreds of flows, many of them on one path."""
    assert kernel.compiled is not None
    draw = random.Random(1)
    capacity = [draw.choice([1e9, 1.25e9, 3e8]) for _ in range(60)]
    history: list[tuple[Any, ...]] = []
    for _ in range(3000):
        first = draw.randrange(56)
        links = (
            (0, 1, 2) if draw.random() < 0.2 else tuple(range(first, first + draw.randint(1, 4)))
        )
        size = math.inf if draw.random() < 0.5 else draw.uniform(0, 1e9)
        what = draw.choice([*STEPS, "open", "open"])
        history.append((what, draw.randrange(10**6), size, links))
    one, other = Fabric(capacity), kernel.compiled.Fabric(capacity)
    both = zip(states(one, history, every=200), states(other, history, every=200), strict=True)
    assert all(mine == theirs for mine, theirs in both)
    assert len(one.flows) > 300


@compiled
def test_the_compiled_fabric_refuses_what_is_not_its_own() -> None:
    """Wrong arguments are errors, not crashes."""
    assert kernel.compiled is not None
    fabric, other = kernel.compiled.Fabric([1.0]), kernel.compiled.Fabric([1.0])
    flow = other.open((0,), None, 1.0, 1.0, "any", None, 0.0)
    with pytest.raises(TypeError, match="not a flow of this fabric"):
        fabric.close(flow, 0.0)
    with pytest.raises(TypeError, match="not a flow of this fabric"):
        fabric.account("flow", 0.0)
    with pytest.raises(IndexError, match="no such link"):
        fabric.open((1,), None, 1.0, 1.0, "any", None, 0.0)
    with pytest.raises(IndexError, match="no such link"):
        fabric.set_capacity(-1, 1.0)
    with pytest.raises(IndexError, match="no such link"):
        fabric.flows_on(1)
    with pytest.raises(ValueError, match="as many shares"):
        fabric.open((0,), (0.5, 0.5), 1.0, 1.0, "any", None, 0.0)
    with pytest.raises(TypeError, match="arguments"):
        fabric.set_cap(flow)
    with pytest.raises(TypeError):
        type(flow)()
    own = fabric.open((0,), None, 1.0, 1.0, "any", None, 0.0)
    with pytest.raises(IndexError, match="no such link"):
        fabric.reroute(own, (1,), None, 0.0)
    with pytest.raises(TypeError, match="arguments"):
        fabric.reroute(own, (0,))
    with pytest.raises(TypeError, match="not a flow of this fabric"):
        fabric.reroute(flow, (0,), None, 0.0)
    assert own.links == (0,)
    del other
    with pytest.raises(TypeError, match="not a flow of this fabric"):
        fabric.close(flow, 0.0)


@compiled
def test_the_compiled_fabric_lets_go() -> None:
    """Flows and whoever listens to them are freed with the fabric, also in a circle."""
    assert kernel.compiled is not None

    class Guest:
        def __init__(self) -> None:
            self.fabric = kernel.compiled.Fabric([1.0])
            self.flow = self.fabric.open((0,), None, 1.0, 1.0, "any", self.hear, 0.0)

        def hear(self) -> None:
            """Hear."""

    guest = weakref.ref(Guest())
    gc.collect()
    assert guest() is None


@compiled
def test_what_goes_with_a_flow_may_change_the_fabric() -> None:
    """A listener that is freed as its flow is forgotten closes another: it is settled next."""
    assert kernel.compiled is not None
    fabric = kernel.compiled.Fabric([6.0])
    first, second = (fabric.open((0,), None, math.inf, 1.0, "any", None, 0.0) for _ in range(2))

    class Last:
        def __del__(self) -> None:
            fabric.close(first, 0.0)

    fabric.close(fabric.open((0,), None, 1.0, 1.0, "any", Last(), 0.0), 0.0)
    fabric.settle(0.0)
    assert (first.rate, second.rate, fabric.flows) == (0.0, 3.0, [second])
    fabric.settle(0.0)
    assert second.rate == 6.0


@given(
    history=histories,
    capacity=st.lists(st.sampled_from([0.0, 1.0, 10.0]), min_size=6, max_size=6),
)
@settings(max_examples=150)
def test_links_that_are_down_and_flows_that_go_another_way_leave_all_fair(
    history: list[tuple[Any, ...]], capacity: list[float]
) -> None:
    """After each settling rates are max-min fair, 0 over links that carry nothing, and come back.

    That is so whatever went before: links that went down and up, flows that were rerouted.
    """
    for kind in dict.fromkeys((Fabric, getattr(kernel.compiled, "Fabric", Fabric))):
        fabric = kind(capacity)
        books, now = Books(fabric), 0.0
        for what, n, size, links in history:
            books.do(what, n, size, links, now)
            books.do("settle", n, size, links, now)
            now += 0.1
            assert violations(fabric.flows, fabric.capacity) == []
            down = {link for link, most in enumerate(fabric.capacity) if most == 0}
            for flow in fabric.flows:
                assert flow.rate == 0 or down.isdisjoint(flow.links)
            assert all(fabric.load[link] == 0 for link in down)
        for link in range(6):
            fabric.set_capacity(link, 10.0)
        fabric.settle(now)
        assert violations(fabric.flows, fabric.capacity) == []
        assert all(flow.rate > 0 for flow in fabric.flows if flow.cap > 0 and flow.cap < math.inf)


# ----------------------------------------------------------------------- what it costs


def test_a_settling_solves_little_more_than_what_it_moves() -> None:
    """Among a thousand flows over a hundred hosts, hardly a flow is solved to no purpose."""
    draw = random.Random(2)
    fabric = Fabric([1e9] * 200)
    flows: list[Flow] = []
    moved: list[Flow] = []
    for step in range(1500):
        if step >= 1000:
            fabric.close(flows[step - 1000], step)
        links = (draw.randrange(100), 100 + draw.randrange(100))
        flows.append(fabric.open(links, None, math.inf, 1.0, "any", None, step))
        fabric.settle(step, moved)
    assert violations(fabric.flows, fabric.capacity) == []
    assert fabric.solves == 1500
    assert len(moved) <= fabric.flows_solved < 1.1 * len(moved)
    assert fabric.flows_solved < 0.5 * 1000 * fabric.solves


@pytest.mark.parametrize("others", [10, 1000])
def test_a_change_that_reaches_nobody_solves_one_flow(others: int) -> None:
    """A flow that its links have room for is solved alone, however many cross the same link."""
    fabric = Fabric([1e9, 1e9])
    for _ in range(others):
        fabric.open((0,), None, 1e5, 1.0, "any", None, 0.0)
    fabric.settle(0.0)
    flow = fabric.open((0, 1), None, 5e5, 1.0, "any", None, 1.0)
    fabric.settle(1.0)
    assert (fabric.solves, fabric.flows_solved) == (2, others + 1)
    assert not fabric.set_cap(flow, 7e5, 2.0)
    assert not fabric.settle(2.0)
    assert (fabric.solves, fabric.flows_solved, flow.rate) == (2, others + 1, 7e5)
