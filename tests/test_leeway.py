"""What guests' own traffic leaves to migrations: what the network would give them, and no less."""

from __future__ import annotations

import math

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from dcsim.control.leeway import Leeway, Wanted
from dcsim.model.fabric import Fabric
from dcsim.model.network import Network
from dcsim.model.routing import Path

LINK, ASIDE = 0, 1
OWN = st.tuples(
    st.floats(0.01, 50) | st.just(math.inf),  # asked for
    st.sampled_from([0.5, 1.0, 3.0]),  # weight
    st.none() | st.sampled_from([0.25, 0.5]),  # share on the link
    st.booleans(),  # whether a link of its own holds it to 2
)


@given(
    own=st.lists(OWN, max_size=8),
    capacity=st.floats(1, 100),
    streams=st.integers(1, 6),
    weight=st.sampled_from([0.5, 1.0, 4.0]),
)
def test_streams_get_what_was_foretold(
    own: list[tuple[float, float, float | None, bool]], capacity: float, streams: int, weight: float
) -> None:
    """Among flows that ask for little or much, are split, or held elsewhere."""
    fabric = Fabric([capacity, *[2.0] * len(own)])
    for n, (cap, of, share, held) in enumerate(own, start=ASIDE):
        links = (n, LINK) if held else (LINK,)
        shares = None if share is None else ((1.0, share) if held else (share,))
        fabric.open(links, shares, cap, of, "application", None, 0.0)
    fabric.settle(0.0)
    foretold = Wanted.of(LINK, fabric.flows_on(LINK)).leave(capacity, streams * weight)

    mine = [
        fabric.open((LINK,), None, math.inf, weight, "first pass", None, 0.0)
        for _ in range(streams)
    ]
    fabric.settle(0.0)

    assert sum(flow.rate for flow in mine) == pytest.approx(foretold, rel=1e-6)


def test_an_idle_link_leaves_all_that_it_carries() -> None:
    """To the last bit, to however many: a link that is full has nothing for one more."""
    idle = Wanted.of(LINK, [])
    assert [idle.leave(0.1, streams) for streams in (1.0, 3.0, 7.0)] == [0.1] * 3


def test_migrations_do_not_stand_in_their_own_way() -> None:
    """Guests' own traffic counts, by what it asks for; of an instant what is found first holds."""
    env = simpy.Environment()
    network = Network(env, [100.0, 100.0], weights={"first pass": 3.0})
    path = Path((LINK,), None, 1)
    network.open(path, kind="re-sent", cap=90.0)
    network.open(path, kind="application", cap=60.0)
    leeway = Leeway(network, [100.0, 100.0])

    assert leeway(LINK, 1.0) == pytest.approx(75.0)  # three parts of four
    assert leeway(LINK, 0.1) == pytest.approx(40.0)  # it asks for no more than 60
    assert leeway(ASIDE, 1.0) == 100.0
    network.impair(ASIDE, 0.5)
    assert leeway(ASIDE, 1.0) == 50.0
    network.repair(ASIDE, 0.5)
    assert leeway(ASIDE, 1.0) == 100.0
    network.open(path, kind="refault", cap=60.0)
    assert leeway(LINK, 1.0) == pytest.approx(75.0)
    env.run(until=1.0)
    assert leeway(LINK, 1.0) == pytest.approx(60.0)
