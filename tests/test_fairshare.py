"""Max-min fair sharing against progressive filling in small steps, and a linear programme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import linprog

from dcsim.model.fabric import Fabric
from dcsim.model.fairshare import AT_CAP, violations


@dataclass(eq=False)
class Asking:
    """A flow as the solver sees it."""

    links: tuple[int, ...]
    cap: float = math.inf
    weight: float = 1.0
    shares: tuple[float, ...] | None = None
    rate: float = 0.0
    bottleneck: int = AT_CAP

    def on(self, link: int) -> float:
        """Return the share of the flow on a link."""
        if link not in self.links:
            return 0.0
        return 1.0 if self.shares is None else self.shares[self.links.index(link)]


Case = tuple[list[Asking], list[float]]


@st.composite
def cases(draw: st.DrawFn, *, most_flows: int = 8) -> Case:
    """Draw a small network: capacities, and flows with weights, caps and split paths."""
    n = draw(st.integers(1, 6))
    level = st.integers(0, 20).map(float)
    capacity = draw(st.lists(level, min_size=n, max_size=n))
    flows = []
    for _ in range(draw(st.integers(1, most_flows))):
        links = tuple(draw(st.permutations(range(n))))[: draw(st.integers(1, n))]
        shares = None
        if draw(st.booleans()):
            part = st.sampled_from([0.25, 0.5, 1.0])
            shares = tuple(draw(st.lists(part, min_size=len(links), max_size=len(links))))
        cap = draw(st.one_of(st.just(math.inf), level))
        flows.append(Asking(links, cap, draw(st.sampled_from([0.5, 1.0, 3.0])), shares))
    return flows, capacity


def share_out(flows: Sequence[Asking], capacity: Sequence[float]) -> None:
    """Set the rate and the bottleneck of each flow, all of which begin at once."""
    fabric = Fabric(capacity)
    opened = [
        fabric.open(flow.links, flow.shares, flow.cap, flow.weight, "any", None, 0.0)
        for flow in flows
    ]
    fabric.settle(0.0)
    for flow, solved in zip(flows, opened, strict=True):
        flow.rate, flow.bottleneck = solved.rate, solved.bottleneck


def rates(flows: Sequence[Asking], capacity: Sequence[float]) -> list[float]:
    share_out(flows, capacity)
    return [flow.rate for flow in flows]


def by_small_steps(
    flows: Sequence[Asking], capacity: Sequence[float], *, step: float
) -> list[float]:
    """Let all levels rise by small steps; a flow that a step would overfill stops for good."""
    got = [0.0] * len(flows)
    rising = set(range(len(flows)))
    while rising:
        for i in sorted(rising):
            flow = flows[i]
            more = flow.weight * step
            fits = got[i] + more <= flow.cap and all(
                sum(rate * each.on(link) for rate, each in zip(got, flows, strict=True))
                + more * flow.on(link)
                <= capacity[link]
                for link in flow.links
            )
            if fits:
                got[i] += more
            else:
                rising.discard(i)
    return got


def by_linear_programmes(flows: Sequence[Asking], capacity: Sequence[float]) -> list[float]:
    """Raise the lowest level as far as it goes, fix the flows that cannot have more, repeat."""
    n = len(flows)
    fixed: dict[int, float] = {}
    room = np.array([[flow.on(link) for flow in flows] + [0.0] for link in range(len(capacity))])
    caps = [min(flow.cap, sum(capacity) * 8 + 1) for flow in flows]

    def bounds(i: int, lowest: float) -> tuple[float, float]:
        if i in fixed:
            return max(0.0, fixed[i] - 1e-9), fixed[i] + 1e-9
        return min(lowest, caps[i]), caps[i]

    while len(fixed) < n:
        # The level t is the last variable; each free flow has weight * t, or its cap.
        free = [i for i in range(n) if i not in fixed]
        levels = np.zeros((len(free), n + 1))
        for row, i in enumerate(free):
            levels[row, i], levels[row, n] = -1.0, flows[i].weight
        solved = linprog(
            -np.eye(n + 1)[n],
            A_ub=np.vstack([room, levels]),
            b_ub=[*capacity, *([0.0] * len(free))],
            bounds=[*(bounds(i, 0.0) for i in range(n)), (0, None)],
        )
        assert solved.success, solved.message
        level = solved.x[n]
        stuck = []
        for i in free:
            more = linprog(
                -np.eye(n + 1)[i],
                A_ub=room,
                b_ub=capacity,
                bounds=[*(bounds(j, flows[j].weight * level - 1e-9) for j in range(n)), (0, 0)],
            )
            if -more.fun <= flows[i].weight * level + 1e-6 or caps[i] <= flows[i].weight * level:
                stuck.append(i)
        assert stuck
        for i in stuck:
            fixed[i] = flows[i].weight * level
    return [fixed[i] for i in range(n)]


# ----------------------------------------------------------------------- known answers


def test_equal_flows_share_a_link_evenly() -> None:
    """n flows on one link have an n-th each, and know what holds them."""
    flows = [Asking((0,)) for _ in range(4)]
    assert rates(flows, [10.0]) == [2.5] * 4
    assert {flow.bottleneck for flow in flows} == {0}


def test_a_capped_flow_leaves_the_rest_to_the_others() -> None:
    """What one flow cannot take is shared among those that can."""
    flows = [Asking((0,), cap=1.0), Asking((0,)), Asking((0,))]
    assert rates(flows, [10.0]) == [1.0, 4.5, 4.5]
    assert [flow.bottleneck for flow in flows] == [AT_CAP, 0, 0]


def test_weights_divide_in_proportion() -> None:
    """A flow of weight 3 gets three times what a flow of weight 1 gets."""
    assert rates([Asking((0,), weight=3.0), Asking((0,))], [8.0]) == [6.0, 2.0]


def test_parking_lot() -> None:
    """The textbook's line of links: the long flow is held at the tightest, the others fill up."""
    flows = [Asking((0, 1, 2)), Asking((0,)), Asking((1,)), Asking((2,))]
    assert rates(flows, [10.0, 4.0, 6.0]) == [2.0, 8.0, 2.0, 4.0]
    assert [flow.bottleneck for flow in flows] == [1, 0, 1, 2]


def test_a_split_flow_takes_its_share_of_each_link() -> None:
    """Half of a flow on each of two links: it can have twice what one link carries."""
    flow = Asking((0, 1), shares=(0.5, 0.5))
    assert rates([flow], [5.0, 8.0]) == [10.0]
    assert flow.bottleneck == 0
    pair = [Asking((0, 1), shares=(0.5, 0.5)), Asking((0,))]
    assert rates(pair, [6.0, 100.0]) == [4.0, 4.0]


def test_a_dead_link_carries_nothing() -> None:
    """A link without capacity leaves its flows at 0 and others alone."""
    flows = [Asking((0, 1)), Asking((1,)), Asking((0,), cap=0.0)]
    assert rates(flows, [0.0, 6.0]) == [0.0, 6.0, 0.0]


def test_a_flow_without_links_has_its_cap() -> None:
    """Nothing is in the way of traffic that crosses no link."""
    assert rates([Asking((), cap=7.0)], []) == [7.0]


def test_nobody_asks() -> None:
    """No flows, no rates."""
    share_out([], [])
    assert violations([], [1.0, 2.0]) == []


def test_a_full_link_is_not_overfilled_by_rounding() -> None:
    """Many flows whose shares are no binary fractions stay within the link."""
    flows = [Asking((0,), cap=0.1 * i, weight=1 + 0.1 * i) for i in range(1, 300)]
    assert sum(rates(flows, [1234.5])) <= 1234.5 * (1 + 1e-12)
    assert violations(flows, [1234.5], tolerance=1e-9) == []


def test_weights_of_all_sizes() -> None:
    """Weights nine orders of magnitude apart still share by weight."""
    flows = [Asking((0,), weight=1e9), Asking((0,), weight=1.0), Asking((0, 1), weight=1e4)]
    assert rates(flows, [1e9, 5.0]) == pytest.approx([1e9 - 6, 1.0, 5.0], rel=1e-6)
    assert violations(flows, [1e9, 5.0]) == []


# ----------------------------------------------------------------------- other solvers


@given(case=cases())
def test_sharing_is_max_min_fair(case: Case) -> None:
    """Every flow is at its cap or has a bottleneck, and its `bottleneck` names one."""
    flows, capacity = case
    share_out(flows, capacity)
    assert violations(flows, capacity, tolerance=1e-9) == []
    for flow in flows:
        assert 0 <= flow.rate <= flow.cap
        if flow.bottleneck == AT_CAP:
            assert flow.rate == flow.cap
            continue
        assert flow.bottleneck in flow.links
        load = sum(each.rate * each.on(flow.bottleneck) for each in flows)
        assert load == pytest.approx(capacity[flow.bottleneck])
        top = max(each.rate / each.weight for each in flows if flow.bottleneck in each.links)
        assert flow.rate / flow.weight == pytest.approx(top)


@given(case=cases(most_flows=5))
def test_sharing_agrees_with_filling_in_small_steps(case: Case) -> None:
    """Raising all rates bit by bit comes to the same rates, as near as the steps are small."""
    flows, capacity = case
    assume(sum(capacity) <= 60)
    step = 0.01
    slow = by_small_steps(flows, capacity, step=step)
    # A step that no longer fits costs its flow up to a step, and gives others as much.
    assert rates(flows, capacity) == pytest.approx(slow, abs=6 * step * len(flows))


@given(case=cases(most_flows=5))
def test_sharing_agrees_with_linear_programmes(case: Case) -> None:
    """The lexicographic maximum of the sorted levels, found by linear programmes, is the same."""
    flows, capacity = case
    assert rates(flows, capacity) == pytest.approx(by_linear_programmes(flows, capacity), abs=1e-5)


@given(case=cases(), factor=st.sampled_from([1e-6, 1e3, 1e10]))
def test_units_do_not_matter(case: Case, factor: float) -> None:
    """All capacities and caps times a factor: all rates times the factor."""
    flows, capacity = case
    before = rates(flows, capacity)
    scaled = [Asking(f.links, f.cap * factor, f.weight, f.shares) for f in flows]
    after = rates(scaled, [c * factor for c in capacity])
    assert after == pytest.approx([rate * factor for rate in before], rel=1e-9)


# ----------------------------------------------------------------------- the check of rates


@given(case=cases(), which=st.integers(0, 7), factor=st.sampled_from([0.5, 0.99, 1.01, 2.0]))
def test_violations_sees_a_rate_that_is_wrong(case: Case, which: int, factor: float) -> None:
    """Any one rate moved off the answer, within its cap, is noticed."""
    flows, capacity = case
    share_out(flows, capacity)
    flow = flows[which % len(flows)]
    wrong = flow.rate * factor
    assume(flow.rate > 0 and wrong <= flow.cap)
    flow.rate = wrong
    assert violations(flows, capacity)


def test_violations_says_what_is_wrong() -> None:
    """The link that carries too much and the flow that could have more are named."""
    flows = [Asking((0,), rate=7.0), Asking((0, 1), rate=4.0), Asking((1,), rate=1.0)]
    assert violations(flows, [10.0, 9.0]) == [
        "link 0 carries 11 of 10 B/s",
        "flow 1 at 4 B/s has neither its cap nor a bottleneck",
        "flow 2 at 1 B/s has neither its cap nor a bottleneck",
    ]


def test_violations_sees_an_unfair_division() -> None:
    """A full link is no excuse for a flow that has less than another on it."""
    flows = [Asking((0,), rate=3.0), Asking((0,), rate=7.0)]
    assert violations(flows, [10.0]) == ["flow 0 at 3 B/s has neither its cap nor a bottleneck"]
    flows[1].weight = 7 / 3
    assert violations(flows, [10.0]) == []


def test_violations_sees_a_rate_above_its_cap() -> None:
    """A flow that has more than it asked for is wrong, however much room the link has."""
    assert violations([Asking((0,), cap=2.0, rate=5.0)], [10.0])
