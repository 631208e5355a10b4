"""In which order guests go, and how a user adds an order of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from dcsim.control import order
from dcsim.control.order import ORDERS
from dcsim.control.prediction import Forecast
from dcsim.scenario import presets
from dcsim.scenario.spec import Scenario
from dcsim.units import GiB, MiB
from tests.worlds import FLUID, Data, guest, leaf_spine, rows, scenario, solve, writer


def forecast(total_s: float = 1.0, dirty: float = 0.0) -> Forecast:
    return Forecast(total_s, total_s, 1e9, 0.1, dirty, True, 1e9)


def request(memory: float = 1.0, deadline_s: float = math.inf, now_s: float = 0.0) -> Any:
    one = SimpleNamespace(memory_bytes=memory, env=SimpleNamespace(now=now_s))
    return SimpleNamespace(guest=one, source=None, deadline_s=deadline_s)


def ranked(name: str, *asked: tuple[Any, Forecast]) -> list[int]:
    """Return the places of requests in the order in which they go."""
    rank = ORDERS[name].rank
    assert rank is not None
    return sorted(range(len(asked)), key=lambda place: rank(*asked[place]))


def test_names_are_those_that_scenarios_know() -> None:
    """What can be written has a rule, and what has a rule can be written."""
    assert list(ORDERS) == presets.order_names()


def test_each_order_ranks_by_what_it_is_called() -> None:
    """By memory, by the time expected, by how fast pages get dirty."""
    asked = [
        (request(memory=2.0), forecast(30.0, dirty=5.0)),
        (request(memory=3.0), forecast(10.0, dirty=9.0)),
        (request(memory=1.0), forecast(20.0, dirty=1.0)),
    ]
    assert ranked("smallest", *asked) == [2, 0, 1]
    assert ranked("largest", *asked) == [1, 0, 2]
    assert ranked("shortest", *asked) == [1, 2, 0]
    assert ranked("longest", *asked) == [0, 2, 1]
    assert ranked("least-dirtying", *asked) == ranked("network-aware", *asked) == [2, 0, 1]


def test_who_would_never_end_keeps_nobody_waiting() -> None:
    """The longest first, but for those that go on for ever."""
    endless = (request(), forecast(math.inf))
    assert ranked("longest", endless, (request(), forecast(5.0))) == [1, 0]


def test_deadlines_come_in_turn_and_the_late_ones_last() -> None:
    """The earliest deadline, of equals the shortest; who cannot make it, after all who can."""
    asked = [
        (request(deadline_s=100.0, now_s=50.0), forecast(60.0)),  # it would take until 110 s
        (request(now_s=50.0), forecast(1.0)),  # it has all the time
        (request(deadline_s=90.0, now_s=50.0), forecast(30.0)),
        (request(deadline_s=90.0, now_s=50.0), forecast(20.0)),
        (request(deadline_s=80.0, now_s=50.0), forecast(25.0)),
    ]
    assert ranked("earliest-deadline", *asked) == [4, 3, 2, 1, 0]
    assert ranked("network-aware", *asked) == [4, 3, 2, 1, 0]


# --------------------------------------------------------------------------- in runs


def crowd(**operation: Any) -> Data:
    """Guests of three sizes on both hosts of a rack, which is emptied two at a time."""
    groups = [
        guest(
            writer(rate * MiB, 0.5), name=f"g{size}", memory=size * GiB, count=2,
            place={"rack": "rack0"},
        )
        for size, rate in ((2, 100.0), (1, 300.0), (4, 10.0))
    ]  # fmt: skip
    drain = {"kind": "drain", "hosts": "rack0/*", "limits": {"per_cluster": 2}, **operation}
    return scenario(*groups, topology=leaf_spine(), operation=drain)


def started(data: Data) -> list[str]:
    """Return the groups of guests in the order in which they started."""
    migrations = rows(solve(data), "migrations")
    assert {row["outcome"] for row in migrations} == {"completed"}
    return [row["group"] for row in sorted(migrations, key=lambda row: row["started_s"])]


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("smallest", ["g1", "g2", "g4"]),
        ("largest", ["g4", "g2", "g1"]),
        ("shortest", ["g1", "g2", "g4"]),
        ("longest", ["g4", "g2", "g1"]),
        ("least-dirtying", ["g4", "g2", "g1"]),
    ],
)
def test_a_run_keeps_an_order_over_all_hosts(name: str, groups: list[str]) -> None:
    """Guests start by rank, wherever they stand."""
    assert started(crowd(order=name)) == [group for group in groups for _ in range(2)]


def test_one_by_one_is_one_at_a_time() -> None:
    """Each starts when the one before has ended."""
    migrations = rows(solve(crowd(order="one-by-one")), "migrations")
    migrations.sort(key=lambda row: row["started_s"])
    for row, following in pairwise(migrations):
        assert following["started_s"] == row["ended_s"]


def test_listed_is_what_is_done_without_an_order() -> None:
    """The default has a name."""
    listed, plain = solve(crowd(order="listed")), solve(crowd())
    assert repr(rows(listed, "migrations")) == repr(rows(plain, "migrations"))


def test_network_aware_fills_links_and_no_more() -> None:
    """Where the uplink is the bottleneck one at a time fills it; where hosts are, one each."""

    def together(uplink: float) -> int:
        data = crowd(order="network-aware", limits="none")
        data["topology"]["uplink"] = uplink
        data["migration"] = dict(FLUID)
        migrations = rows(solve(data), "migrations")
        assert len(migrations) == 6
        return max(
            sum(one["started_s"] <= row["started_s"] < one["ended_s"] for one in migrations)
            for row in migrations
        )

    assert together(GiB / 2) == 1
    assert together(8.0 * GiB) == 2


def test_network_aware_is_no_slower_where_uplinks_are_narrow() -> None:
    """Less is sent again than with all at once, and the time is the shorter for it."""

    def makespan(**operation: Any) -> float:
        data = crowd(limits="none", **operation)
        data["topology"]["uplink"] = float(GiB)
        return float(solve(data).metrics["makespan_s"])

    assert makespan(order="network-aware") < 0.95 * makespan()


@pytest.fixture
def most_bytes() -> Iterator[None]:
    order.add("most-bytes", lambda _, forecast: -forecast.sent_bytes, about="the most bytes first")
    yield
    del ORDERS["most-bytes"], presets.ORDERS["most-bytes"]


@pytest.mark.usefixtures("most_bytes")
def test_a_user_adds_an_order_with_a_function() -> None:
    """Once added, a scenario can name it, and a run keeps it."""
    assert started(crowd(order="most-bytes"))[:2] == ["g4", "g4"]
    assert presets.describe("orders", "most-bytes") == "the most bytes first"


def test_an_unknown_order_is_refused_with_those_there_are() -> None:
    """A name of none gets the nearest one."""
    with pytest.raises(ValidationError, match=r"legal names are listed.*did you mean 'longest'"):
        Scenario.model_validate(crowd(order="longst"))
