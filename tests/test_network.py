"""Flows on links: local solves against whole ones, completions against closed forms, books."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Generator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from dcsim.errors import InvariantError
from dcsim.model import fabric
from dcsim.model import network as network_module
from dcsim.model.fairshare import AT_CAP
from dcsim.model.network import Flow, Network
from dcsim.model.routing import Path
from tests.test_fairshare import Asking, rates

KINDS = ("first pass", "re-sent", "refault")


def along(*links: int, shares: tuple[float, ...] | None = None) -> Path:
    return Path(links=links, shares=shares, hops=len(links))


def network(*capacity: float, **options: Any) -> Network:
    return Network(simpy.Environment(), capacity, check=True, **options)


def settle(net: Network) -> None:
    """Let everything at this instant happen, and no time to speak of pass."""
    net.env.run(until=np.nextafter(net.env.now, math.inf))


def when(net: Network, event: simpy.Event) -> list[float]:
    """Return a list that gets the time at which an event fires."""
    times: list[float] = []
    assert event.callbacks is not None
    event.callbacks.append(lambda _: times.append(net.env.now))
    return times


def transfer(
    net: Network, path: Path, size: float, *, at: float = 0.0, cap: float = math.inf
) -> list[float]:
    """Send so many bytes from a time on, then close; return a list that gets the time it took."""
    done: list[float] = []

    def process() -> Generator[simpy.Event]:
        yield net.env.timeout(at)
        flow = net.open(path, kind="first pass", cap=cap)
        yield net.send(flow, size)
        assert flow.sent == pytest.approx(size)
        net.close(flow)
        done.append(net.env.now - at)

    net.env.process(process())
    return done


# ----------------------------------------------------------------------- any programme


class Lab:
    """A network under a random programme, beside books kept by a solver that knows all flows.

    After each change every rate is compared with that of filling all links from scratch, and the
    bytes of every flow with the sum of those rates over time.
    """

    def __init__(self, capacity: list[float], *, weights: dict[str, float] | None = None) -> None:
        self.rated: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
        self.net = network(*capacity, record=self.note, weights=weights)
        self.rounding = 1e-6 + 1e-14 * max(capacity)
        self.expected: dict[Flow, float] = {}
        self.left: dict[Flow, float] = {}
        self.sent: dict[tuple[int, str], float] = defaultdict(float)
        self.told = 0

    def note(self, of: tuple[int, str], time: float, rate: float) -> None:
        assert rate >= 0
        self.rated[of].append((time, rate))

    def listen(self) -> None:
        self.told += 1

    def open(self, path: Path, kind: str, cap: float) -> None:
        flow = self.net.open(path, kind=kind, cap=cap, on_rate=self.listen)
        self.expected[flow] = 0.0
        self.left[flow] = math.inf

    def close(self, flow: Flow) -> None:
        assert self.net.account(flow) == pytest.approx(self.expected[flow], rel=1e-6, abs=1e-6)
        self.net.close(flow)
        assert flow.rate == 0.0
        del self.left[flow]

    def send(self, flow: Flow, size: float) -> None:
        self.net.send(flow, size)
        self.left[flow] = size

    def run(self, seconds: float) -> None:
        """Compare all rates with those of a whole solve, let time pass, compare all books."""
        settle(self.net)
        flows = list(self.net.flows)
        assert set(flows) == set(self.left)
        asking = [Asking(flow.links, flow.cap, flow.weight, flow.shares) for flow in flows]
        whole = rates(asking, self.net.capacity)
        load = np.zeros(len(self.net.capacity))
        for flow, rate in zip(flows, whole, strict=True):
            assert flow.rate == pytest.approx(rate, rel=1e-6, abs=1e-6)
            for i, link in enumerate(flow.links):
                load[link] += flow.rate * (1.0 if flow.shares is None else flow.shares[i])
            size = min(rate * seconds, self.left[flow])
            self.left[flow] -= size
            self.expected[flow] += size
            for i, link in enumerate(flow.links):
                share = 1.0 if flow.shares is None else flow.shares[i]
                self.sent[link, flow.kind] += size * share
        assert self.net.load == pytest.approx(load.tolist(), rel=1e-6, abs=self.rounding)
        assert all(load <= np.array(self.net.capacity) * (1 + 1e-9) + 1e-9)
        if seconds:
            self.net.env.run(until=self.net.env.now + seconds)
        for flow in flows:
            total = self.net.account(flow)
            assert total == pytest.approx(self.expected[flow], rel=1e-6, abs=1e-3)
            assert self.net.left(flow) == pytest.approx(self.left[flow], rel=1e-6, abs=2e-3)

    def end(self) -> None:
        """Compare the bytes by link and kind with what the flows sent."""
        self.net.finish()
        for key in set(self.sent) | set(self.net.carried):
            carried = self.net.carried.get(key, 0.0)
            assert carried == pytest.approx(self.sent[key], rel=1e-6, abs=1e-2)


Op = tuple[str, int, float, tuple[int, ...]]
paths = st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True).map(tuple)
programmes = st.lists(
    st.tuples(
        st.sampled_from(["open", "open", "split", "close", "cap", "capacity", "send", "kind"]),
        st.integers(0, 20),
        st.one_of(st.just(math.inf), st.floats(0, 20), st.integers(0, 6).map(float)),
        paths,
    ),
    min_size=1,
    max_size=25,
)


@given(programme=programmes, capacity=st.lists(st.integers(0, 12), min_size=6, max_size=6))
def test_local_solves_equal_whole_ones(programme: list[Op], capacity: list[int]) -> None:
    """Whatever is opened, closed, capped or cut, all rates and books are those of a full solve."""
    lab = Lab([float(c) for c in capacity], weights={"re-sent": 0.5, "refault": 3.0})
    for what, n, size, links in programme:
        flows = list(lab.net.flows)
        flow = flows[n % len(flows)] if flows else None
        kind = KINDS[n % 3]
        if what == "open":
            lab.open(along(*links), kind, size)
        elif what == "split":
            lab.open(along(*links, shares=(0.5,) * len(links)), kind, size)
        elif what == "capacity":
            lab.net.set_capacity(n % 6, min(size, 30.0))
        elif flow is None:
            continue
        elif what == "close":
            lab.close(flow)
        elif what == "cap":
            lab.net.set_cap(flow, size)
        elif what == "send":
            lab.send(flow, min(size, 30.0))
        elif what == "kind":
            lab.net.set_kind(flow, kind)
        if n % 3:  # the others happen at the same instant as what comes next
            lab.run(0.25 * (n % 4))
    lab.run(1.0)
    lab.end()


@pytest.mark.parametrize("seed", range(3))
def test_local_solves_equal_whole_ones_in_a_large_network(seed: int) -> None:
    """Among many flows only those that a change reaches are solved, and all are right."""
    rng = np.random.default_rng(seed)
    lab = Lab(list(rng.uniform(1e6, 1e10, 60)), weights={"refault": 2.0})
    for step in range(120):
        flows = list(lab.net.flows)
        what = rng.random()
        if len(flows) < 60 or what < 0.3:
            near = int(rng.integers(57))
            links = near + rng.permutation(4)[: rng.integers(1, 4)]
            shares = tuple(rng.choice([0.25, 0.5, 1.0], len(links))) if rng.random() < 0.3 else None
            cap = math.inf if rng.random() < 0.5 else float(rng.uniform(0, 1e9))
            lab.open(along(*links.tolist(), shares=shares), KINDS[int(rng.integers(3))], cap)
        elif what < 0.6:
            lab.close(flows[int(rng.integers(len(flows)))])
        elif what < 0.8:
            lab.net.set_cap(flows[int(rng.integers(len(flows)))], float(rng.uniform(0, 2e9)))
        elif what < 0.9:
            lab.net.set_capacity(int(rng.integers(60)), float(rng.uniform(0, 1e10)))
        else:
            lab.send(flows[int(rng.integers(len(flows)))], float(rng.uniform(0, 1e9)))
        if step > 40 and step % 3:
            lab.run(0.1)
    lab.end()
    assert lab.net.flows_solved < 0.4 * lab.net.solves * len(lab.net.flows)
    assert lab.told > 0


class Still(fabric.Fabric):
    """A fabric that sets no rates."""

    def settle(self, now: float, moved: list[Flow] | None = None) -> list[Flow]:
        """Leave everything as it is."""
        return []


def test_an_unlucky_solve_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With check on, rates that are not max-min fair end the run with the time and the flow."""
    monkeypatch.setattr(network_module, "Fabric", Still)
    net = network(10.0)
    net.open(along(0), kind="first pass")
    with pytest.raises(InvariantError, match=r"at 0\.000000 s: .*flow 0 at 0 B/s has neither"):
        settle(net)


# ----------------------------------------------------------------------- solving, and telling


def test_changes_at_one_instant_are_solved_once() -> None:
    """However much happens at one moment, the rates are set once, after all of it."""
    net = network(12.0, 100.0)
    flows = [net.open(along(0), kind="first pass") for _ in range(5)]
    net.close(flows.pop())
    net.set_cap(flows[0], 1.5)
    net.set_capacity(0, 10.5)
    assert net.solves == 0
    assert [flow.rate for flow in flows] == [0.0] * 4
    settle(net)
    assert (net.settles, net.solves, net.flows_solved) == (1, 1, 4)
    assert [flow.rate for flow in flows] == [1.5, 3.0, 3.0, 3.0]


def test_only_what_a_change_reaches_is_solved() -> None:
    """A flow on a link of its own does not hear of what happens on another."""
    told: list[str] = []
    net = network(10.0, 10.0)
    for name in "abc":
        net.open(along(1), kind="first pass", on_rate=lambda name=name: told.append(name))
    net.open(along(0), kind="first pass", on_rate=lambda: told.append("d"))
    settle(net)
    assert sorted(told) == ["a", "b", "c", "d"]
    solved = net.flows_solved
    net.open(along(0), kind="first pass", on_rate=lambda: told.append("e"))
    settle(net)
    assert told[4:] == ["e", "d"]
    assert net.flows_solved - solved <= 3


def test_listeners_see_all_rates_in_place() -> None:
    """Whoever is told of a new rate may look at any flow: none is still at its old rate."""
    net = network(9.0)
    seen: list[list[float]] = []
    flows: list[Flow] = []
    for _ in range(3):
        flows.append(
            net.open(along(0), kind="refault", on_rate=lambda: seen.append([f.rate for f in flows]))
        )
    settle(net)
    assert seen == [[3.0, 3.0, 3.0]] * 3


def test_nobody_is_told_of_rounding() -> None:
    """A rate that moves by less than can matter is no news."""
    net = network(10.0)
    told: list[float] = []
    net.open(along(0), kind="refault", on_rate=lambda: told.append(net.env.now))
    settle(net)
    net.set_capacity(0, 10.0 * (1 + 1e-10))
    settle(net)
    assert len(told) == 1
    net.set_capacity(0, 10.0 * (1 + 1e-6))
    settle(net)
    assert len(told) == 2


def test_small_changes_are_told_when_they_add_up() -> None:
    """With slack a listener hears of a rate that has left what it knows of, up or down."""
    net = network(100.0, slack=0.1)
    told: list[float] = []
    flow = net.open(along(0), kind="refault", on_rate=lambda: told.append(flow.rate))
    settle(net)
    for capacity in (96.0, 91.0, 88.0, 84.0, 80.0, 84.0, 90.0, 96.0, 99.0):
        net.set_capacity(0, capacity)
        settle(net)
        assert flow.rate == capacity
    assert told == [100.0, 88.0, 99.0]


def test_who_gets_all_is_told_at_once() -> None:
    """However small the step, the last to all that was asked for is news; one from it is not."""
    net = network(100.0, slack=0.1)
    told: list[float] = []
    flow = net.open(along(0), kind="refault", cap=90.0, on_rate=lambda: told.append(flow.rate))
    settle(net)
    for capacity in (89.0, 88.0, 91.0):
        net.set_capacity(0, capacity)
        settle(net)
    assert told == [90.0]  # it never knew of less
    net.set_capacity(0, 89.0)
    settle(net)
    net.set_cap(flow, 90.5)  # who asks sees the rate
    net.set_capacity(0, 91.0)
    settle(net)
    assert told == [90.0, 90.5]


def test_what_nobody_was_told_is_in_the_books() -> None:
    """What a flow sent beyond what its listener knew of, or short of it, is known to the byte."""
    net = network(100.0, slack=0.1)
    flow = net.open(along(0), kind="refault", on_rate=lambda: None)
    for until, capacity in [(1.0, 96.0), (2.0, 92.0), (4.0, 98.0)]:
        net.env.run(until=until)
        net.set_capacity(0, capacity)
    net.env.run(until=5.0)
    assert net.astray(flow) == pytest.approx(-4.0 - 2 * 8.0 - 2.0)
    assert net.astray(flow) == 0.0
    net.env.run(until=6.0)
    assert net.astray(flow) == pytest.approx(-2.0)
    net.set_cap(flow, 1e9)  # who asks sees the rate
    net.env.run(until=7.0)
    assert (flow.heard, net.astray(flow)) == (98.0, 0.0)
    net.set_capacity(0, 50.0)  # which is told
    net.env.run(until=8.0)
    assert (flow.heard, net.astray(flow)) == (50.0, 0.0)
    assert net.account(flow) == pytest.approx(100 + 96 + 2 * 92 + 3 * 98 + 50)


def test_who_listens_to_several_flows_is_told_once() -> None:
    """All rates are in place when a listener is told: one look sees them all."""
    lab = Lab([10.0])
    for _ in range(3):
        lab.net.open(along(0), kind="refault", on_rate=lab.listen)
    settle(lab.net)
    assert lab.told == 1


def test_a_listener_may_ask_for_more() -> None:
    """What a listener changes is solved at the same instant too."""
    net = network(10.0)
    flows: list[Flow] = []
    flows.append(net.open(along(0), kind="refault", on_rate=lambda: net.set_cap(flows[0], 2.0)))
    flows.append(net.open(along(0), kind="refault"))
    settle(net)
    assert [flow.rate for flow in flows] == [2.0, 8.0]
    assert net.env.now < 1e-300


def test_caps_that_change_nothing_are_not_solved() -> None:
    """A cap that is as before, or above what the links give anyhow, costs no solve."""
    net = network(10.0)
    flows = [net.open(along(0), kind="refault", cap=cap) for cap in (2.0, 20.0, math.inf)]
    settle(net)
    solves = net.solves
    net.set_cap(flows[0], 2.0)
    net.set_cap(flows[0], 2.0 * (1 + 1e-12))
    net.set_cap(flows[1], 5.0)
    net.set_cap(flows[1], math.inf)
    net.set_cap(flows[2], math.inf)
    settle(net)
    assert net.solves == solves
    net.set_cap(flows[1], 3.0)
    settle(net)
    assert [flow.rate for flow in flows] == [2.0, 3.0, 5.0]
    assert [flow.bottleneck for flow in flows] == [AT_CAP, AT_CAP, 0]


def test_a_cap_that_concerns_nobody_else_holds_at_once() -> None:
    """Where links have room a new cap is a new rate: nothing is settled, and nobody is told."""
    lab = Lab([10.0])
    flow = lab.net.open(along(0), kind="refault", cap=2.0, on_rate=lab.listen)
    other = lab.net.open(along(0), kind="re-sent", cap=3.0)
    settle(lab.net)
    lab.net.env.run(until=1)
    lab.net.set_cap(flow, 6.0)
    assert (flow.rate, lab.net.load) == (6.0, [9.0])
    lab.net.env.run(until=2)
    assert lab.net.account(flow) == 2.0 + 6.0
    assert (lab.net.settles, lab.told) == (1, 1)
    assert lab.rated[0, "refault"] == [(0.0, 2.0), (1.0, 6.0)]
    lab.net.set_cap(flow, 8.0)
    assert flow.rate == 6.0
    settle(lab.net)
    assert (flow.rate, other.rate) == (7.0, 3.0)
    assert (lab.net.settles, lab.told) == (2, 2)
    lab.net.set_cap(other, 1.0)  # the other may have more
    settle(lab.net)
    assert (flow.rate, other.rate) == (8.0, 1.0)
    assert (lab.net.settles, lab.told) == (3, 3)


def test_kinds_share_by_their_weights() -> None:
    """A kind of weight 3 gets three times what a kind without a weight gets."""
    net = network(8.0, weights={"refault": 3.0})
    flows = [net.open(along(0), kind=kind) for kind in ("refault", "first pass")]
    settle(net)
    assert [flow.rate for flow in flows] == [6.0, 2.0]


def test_a_flow_of_another_kind_has_its_weight() -> None:
    """What is sent as another kind from now on has that kind's share from now on."""
    net = network(8.0, weights={"re-sent": 3.0})
    flows = [net.open(along(0), kind="first pass") for _ in range(2)]
    settle(net)
    net.set_kind(flows[0], "re-sent")
    settle(net)
    assert [flow.rate for flow in flows] == [6.0, 2.0]


def test_a_link_that_fails_stops_its_flows_until_it_is_back() -> None:
    """Without capacity nothing is sent; a transfer goes on where it was when the link returns."""
    net = network(10.0)
    done = transfer(net, along(0), 100.0)
    net.env.run(until=4)
    net.set_capacity(0, 0.0)
    net.env.run(until=9)
    assert net.load == [0.0]
    net.set_capacity(0, 5.0)
    net.env.run(until=100)
    assert done == pytest.approx([4 + 5 + 60 / 5])


def test_closing_twice_or_changing_what_is_closed_does_nothing() -> None:
    """A closed flow is gone: no rate, no load, no solve that would bring it back."""
    net = network(10.0)
    flow = net.open(along(0), kind="refault")
    settle(net)
    net.close(flow)
    net.close(flow)
    net.set_cap(flow, 3.0)
    settle(net)
    assert (flow.rate, net.load, len(net.flows)) == (0.0, [0.0], 0)


def test_a_flow_that_crosses_no_link_has_its_cap() -> None:
    """Traffic within one host is limited by its cap alone."""
    net = network(10.0)
    done = transfer(net, along(), 100.0, cap=25.0)
    net.env.run(until=10)
    assert done == [4.0]


# ----------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("n", [1, 2, 7])
def test_equal_transfers_finish_together(n: int) -> None:
    """n transfers of S bytes on a link of C: all are done after n S / C."""
    net = network(50.0)
    done = [transfer(net, along(0), 100.0) for _ in range(n)]
    net.env.run(until=1000)
    assert done == [[pytest.approx(n * 2.0)]] * n


def test_processor_sharing_with_staggered_starts() -> None:
    """Three transfers that begin one after another finish when the textbook's queue says."""
    net = network(1.0)
    done = [transfer(net, along(0), size, at=at) for at, size in ((0, 4), (1, 2), (2, 1))]
    # Work left, processor sharing: at 1: 3, 2; at 2: 2.5, 1.5, 1; at 5: 1.5, 0.5; at 6: 1.
    net.env.run(until=100)
    assert [took for (took,) in done] == pytest.approx([7.0, 5.0, 3.0])


def test_transfers_of_different_sizes() -> None:
    """Processor sharing: the k-th smallest is done when the rest have sent as much as it did."""
    sizes = [5.0, 1.0, 9.0, 3.0]
    net = network(2.0)
    done = [transfer(net, along(0), size) for size in sizes]
    net.env.run(until=100)
    for (took,), size in zip(done, sizes, strict=True):
        assert took == pytest.approx(sum(min(size, other) for other in sizes) / 2)


def test_a_transfer_across_two_links_waits_at_both() -> None:
    """The long flow is held first by one link, then, as that empties, by the other."""
    net = network(10.0, 8.0)
    long = transfer(net, along(0, 1), 100.0)
    short = transfer(net, along(0), 50.0)
    other = transfer(net, along(1), 100.0)
    # 0-11: long 4 (link 1), other 4, short 6: short done at 25/3; long and other go on at 4.
    net.env.run(until=1000)
    assert short == pytest.approx([50 / 6])
    assert (long, other) == ([pytest.approx(25.0)], [pytest.approx(25.0)])


def test_a_split_transfer_uses_both_ways() -> None:
    """Half on each of two links: twice as fast, and half of the bytes on each."""
    net = network(5.0, 5.0)
    done = transfer(net, along(0, 1, shares=(0.5, 0.5)), 100.0)
    net.env.run(until=100)
    assert done == pytest.approx([10.0])
    assert net.carried == pytest.approx({(0, "first pass"): 50.0, (1, "first pass"): 50.0})


def test_a_cap_that_changes_on_the_way() -> None:
    """The rest of a transfer goes at the new cap."""
    net = network(100.0)
    flow = net.open(along(0), kind="first pass", cap=10.0)
    done = when(net, net.send(flow, 100.0))
    net.env.run(until=4)
    net.set_cap(flow, 2.0)
    net.env.run(until=100)
    assert done == pytest.approx([4 + 60 / 2])


# ----------------------------------------------------------------------- send and its options


def test_a_margin_fires_when_the_rest_would_take_that_long() -> None:
    """With a margin the event comes early, and the flow goes on with what is left."""
    net = network(10.0)
    flow = net.open(along(0), kind="first pass")
    fired = when(net, net.send(flow, 100.0, margin_s=3.0))
    net.env.run(until=7.5)
    assert fired == pytest.approx([7.0])
    assert net.left(flow) == pytest.approx(25.0)
    net.env.run(until=20)
    assert (net.left(flow), net.account(flow)) == pytest.approx((0.0, 100.0))


def test_a_margin_is_measured_at_the_rate_then() -> None:
    """The rate falls on the way: the same margin is fewer bytes, so the event comes later."""
    net = network(10.0)
    flow = net.open(along(0), kind="first pass")
    fired = when(net, net.send(flow, 100.0, margin_s=3.0))
    net.env.run(until=5)
    net.open(along(0), kind="refault")
    net.env.run(until=30)
    assert fired == pytest.approx([5 + (50 - 15) / 5])


def test_what_lies_beyond_counts_in_the_margin() -> None:
    """Bytes to be sent later are part of the rest that has to fit, until they are known anew."""
    net = network(10.0)
    flow = net.open(along(0), kind="first pass")
    fired = when(net, net.send(flow, 100.0, margin_s=3.0, beyond=20.0))
    net.env.run(until=20)
    assert fired == pytest.approx([9.0])
    fired = when(net, net.send(flow, 100.0, margin_s=3.0, beyond=40.0))
    net.env.run(until=40)
    assert fired == pytest.approx([30.0])  # more than fits lies beyond: all of it is sent
    fired = when(net, net.send(flow, 100.0, margin_s=3.0, beyond=40.0))
    net.env.run(until=42)
    net.set_left(flow, 80.0, margin_s=3.0, beyond=10.0)
    net.env.run(until=60)
    assert fired == pytest.approx([48.0])


def test_a_rate_that_falls_may_put_a_margin_in_reach() -> None:
    """And where the rate rises all at once, what is left may fit already: the event comes now."""
    net = network(10.0)
    flow = net.open(along(0), kind="first pass", cap=1.0)
    fired = when(net, net.send(flow, 20.0, margin_s=5.0))
    net.env.run(until=4)
    net.set_cap(flow, 10.0)
    net.env.run(until=30)
    assert fired == pytest.approx([4.0])


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"margin_s": 60.0}, 100.0),
        ({}, 0.0),
        ({"until_s": 2.0}, 100.0),
        ({"until_s": 0.0}, 100.0),
    ],
)
def test_an_event_that_is_due_fires_at_once(options: dict[str, float], size: float) -> None:
    """Nothing to send, a margin above the whole, or a time that is past: no waiting."""
    net = network(10.0)
    flow = net.open(along(0), kind="first pass")
    net.env.run(until=2)
    fired = when(net, net.send(flow, size, **options))
    net.env.run(until=50)
    assert fired == [2.0]


def test_until_fires_whatever_is_left() -> None:
    """A time limit comes before the end, with what is left to tell; also if nothing moves."""
    net = network(10.0, 0.0)
    flow, stuck = (net.open(along(link), kind="first pass") for link in (0, 1))
    fired = when(net, net.send(flow, 100.0, until_s=6.0))
    late = when(net, net.send(stuck, 100.0, until_s=7.0))
    net.env.run(until=6.5)
    assert fired == [6.0]
    assert net.left(flow) == pytest.approx(35.0)
    net.env.run(until=20)
    assert late == [7.0]
    assert (net.left(stuck), stuck.sent) == (100.0, 0.0)


def test_until_after_the_end_does_not_delay_it() -> None:
    """A limit that is not reached changes nothing, and never fires again."""
    net = network(10.0)
    flow = net.open(along(0), kind="first pass")
    fired = when(net, net.send(flow, 50.0, until_s=30.0))
    net.env.run(until=100)
    assert fired == [5.0]


def test_set_left_moves_the_end() -> None:
    """Pages filled or taken out on the way make a transfer longer or shorter."""
    net = network(10.0)
    flow = net.open(along(0), kind="first pass")
    fired = when(net, net.send(flow, 100.0))
    net.env.run(until=5)
    net.set_left(flow, 80.0, margin_s=0.0)
    net.env.run(until=7)
    assert net.left(flow) == pytest.approx(60.0)
    net.set_left(flow, 30.0, margin_s=1.0)
    net.env.run(until=9.5)
    assert fired == pytest.approx([9.0])
    net.set_left(flow, 25.0, margin_s=0.0)
    net.env.run(until=50)
    assert (fired, flow.sent) == ([pytest.approx(9.0)], 50.0 + 20.0 + 25.0)


def test_stop_fires_whatever_is_left() -> None:
    """A transfer that is stopped ends at once and once; stopping nothing does nothing."""
    net = network(10.0)
    flow = net.open(along(0), kind="first pass")
    net.stop(flow)
    fired = when(net, net.send(flow, 100.0))
    net.env.run(until=3)
    net.stop(flow)
    net.env.run(until=20)
    assert fired == [3.0]
    again = when(net, net.send(flow, 50.0))
    net.env.run(until=40)
    assert (fired, again) == ([3.0], [25.0])


def test_who_goes_on_first_may_end_another_that_is_done_too() -> None:
    """Transfers that are complete at once go on in order, each once, though one ends the other."""
    net = network(10.0, 10.0)
    flows = [net.open(along(link), kind="first pass") for link in range(2)]
    told: list[tuple[int, float]] = []

    def sends(own: int) -> Generator[simpy.Event]:
        yield net.send(flows[own], 100.0)
        told.append((own, net.env.now))
        net.close(flows[1])

    for own in range(2):
        net.env.process(sends(own))
    net.env.run()
    assert told == [(0, 10.0), (1, 10.0)]
    assert [flow.sent for flow in flows] == [100.0, 100.0]


def test_a_transfer_takes_one_event() -> None:
    """One wakes up who sends, and what it sends next; one settled the rate at first."""
    net = network(10.0)
    flow = net.open(along(0), kind="first pass")
    times: list[float] = []

    def send_on(_: object = None) -> None:
        times.append(net.env.now)
        if len(times) < 5:
            event = net.send(flow, 10.0)
            assert event.callbacks is not None
            event.callbacks.append(send_on)

    send_on()
    net.env.run()
    assert times == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0])
    assert next(net.env._eid) == 1 + 4


def test_no_more_is_counted_than_was_asked() -> None:
    """A flow that has sent what it was given sends no more, however long it stays open."""
    net = network(10.0)
    flow = net.open(along(0), kind="first pass")
    net.send(flow, 33.0)
    net.env.run(until=100)
    assert net.account(flow) == 33.0
    net.send(flow, 5.0)
    net.env.run(until=200)
    net.finish()
    assert flow.sent == pytest.approx(38.0)
    assert net.carried == {(0, "first pass"): pytest.approx(38.0)}


def test_a_transfer_is_whole_at_large_times_and_rates() -> None:
    """After ten days and at 100 Gbit/s rounding of the clock leaves not one byte unsent."""
    net = Network(simpy.Environment(initial_time=864_000.0), [12.5e9], check=True)

    def process() -> Generator[simpy.Event]:
        flow = net.open(along(0), kind="first pass")
        for size in np.random.default_rng(1).uniform(1e6, 1e9, 50):
            yield net.send(flow, size)
            assert net.left(flow) == 0.0
        sent.append(flow.sent)

    sent: list[float] = []
    net.env.process(process())
    net.env.run(until=865_000.0)
    assert sent == pytest.approx([np.random.default_rng(1).uniform(1e6, 1e9, 50).sum()])


def test_open_ended_flows_send_what_they_may() -> None:
    """A flow that nothing was asked of sends at its rate for as long as it is open."""
    net = network(10.0)
    flow = net.open(along(0), kind="refault", cap=4.0)
    net.env.run(until=10)
    assert net.account(flow) == pytest.approx(40.0)
    assert net.left(flow) == math.inf


# ----------------------------------------------------------------------- books


def test_bytes_are_counted_under_the_kind_they_were_sent_as() -> None:
    """Kinds may change on the way; each link knows how much of each."""
    net = network(10.0, 20.0)
    flow = net.open(along(0, 1), kind="first pass")
    net.env.run(until=3)
    net.set_kind(flow, "re-sent")
    net.env.run(until=5)
    net.close(flow)
    assert net.carried == pytest.approx(
        {(0, "first pass"): 30, (1, "first pass"): 30, (0, "re-sent"): 20, (1, "re-sent"): 20}
    )


def test_recorded_rates_integrate_to_what_was_carried() -> None:
    """The series of rates of a kind on a link, summed over time, is what the link carried of it."""
    rng = np.random.default_rng(2)
    lab = Lab([3e8, 1e9, 5e8, 2e9])
    net = lab.net
    for _ in range(12):
        links = rng.permutation(4)[: rng.integers(1, 4)].tolist()
        transfer(net, along(*links), float(rng.uniform(1e8, 1e9)), at=float(rng.uniform(0, 5)))

    def change_kinds() -> Generator[simpy.Event]:
        for _ in range(20):
            yield net.env.timeout(0.3)
            for flow in list(net.flows)[::2]:
                net.set_kind(flow, KINDS[int(rng.integers(3))])

    net.env.process(change_kinds())
    net.env.run()
    net.finish()
    assert len(lab.rated) >= 8
    for key, series in lab.rated.items():
        times = [time for time, _ in series]
        assert times == sorted(times)
        total = sum(rate * (end - start) for (start, rate), (end, _) in pairwise(series))
        assert series[-1][1] == 0.0
        assert total == pytest.approx(net.carried[key], rel=1e-6)
    assert set(net.carried) == set(lab.rated)


def test_a_flow_keeps_its_share_until_it_is_closed() -> None:
    """A transfer that is done leaves the rate in place, so that the next round solves nothing."""
    lab = Lab([10.0])
    idle, busy = (lab.net.open(along(0), kind=kind) for kind in ("first pass", "refault"))
    lab.net.send(idle, 10.0)
    lab.net.env.run(until=3)
    assert lab.net.account(idle) == pytest.approx(10.0)
    assert busy.rate == pytest.approx(5.0)
    lab.net.close(idle)
    settle(lab.net)
    assert busy.rate == pytest.approx(10.0)


def test_a_recorded_rate_ends_where_it_began() -> None:
    """However a rate crept, the record says 0 once the last flow of its kind is closed."""
    lab = Lab([1e10])
    flow = lab.net.open(along(0), kind="refault")
    settle(lab.net)
    for _ in range(1000):
        lab.net.set_capacity(0, lab.net.capacity[0] * (1 - 5e-10))
        settle(lab.net)
    lab.net.close(flow)
    assert lab.rated[0, "refault"][-1][1] == 0.0


def test_rounding_is_no_rate() -> None:
    """Once all flows of a kind are gone the record says 0, not what rounding left of their sum."""
    lab = Lab([1e11])
    rng = np.random.default_rng(1)
    for _ in range(30):
        flows = [
            lab.net.open(along(0), kind="refault", cap=cap) for cap in rng.uniform(1e8, 1e10, 9)
        ]
        settle(lab.net)
        for flow in flows:
            lab.net.close(flow)
        settle(lab.net)
        assert lab.rated[0, "refault"][-1][1] == 0.0


def test_nothing_is_recorded_where_nothing_changes() -> None:
    """The record of a kind's rate on a link has no two equal rates in a row."""
    lab = Lab([10.0, 10.0])
    for kind in ("refault", "re-sent"):
        lab.net.open(along(0), kind=kind, cap=3.0)
    lab.net.env.run(until=1)
    lab.net.open(along(0, 1), kind="re-sent", cap=1.0)
    lab.net.env.run(until=2)
    assert dict(lab.rated) == {
        (0, "refault"): [(0.0, 3.0)],
        (0, "re-sent"): [(0.0, 3.0), (1.0, 4.0)],
        (1, "re-sent"): [(1.0, 1.0)],
    }
