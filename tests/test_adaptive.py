"""The adaptive policy: the share of cache that costs least, at the bottom of what a sweep finds."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from pydantic import ValidationError

from dcsim.model import adaptive, outlook
from dcsim.records.result import Result
from dcsim.scenario.spec import Hinting, Scenario
from dcsim.simulation.engine import run
from dcsim.units import PAGE, GiB, MiB
from tests.worlds import (
    QUICK,
    Data,
    allocator,
    guest,
    migrated,
    only,
    reader,
    scenario,
    solve,
    world,
    writer,
)

SETTLE = 1800.0
"""Seconds after the migration within which costs count, here as in the policies."""
SWEEP = tuple(i / 10 for i in range(11))
MIXED = {"free_zero": 0.1, "free_stale": 0.1, "cache": 0.5, "kernel": 0.05}

GUESTS: dict[str, tuple[Data, ...]] = {
    "cold": (reader(4.0 * MiB, 0.1),),
    "hot": (reader(40.0 * MiB, 0.5),),
    "mixed": (
        reader(8.0 * MiB, 0.25),
        reader(2.0 * MiB, 2.0 * GiB, pattern={"kind": "zipf", "alpha": 0.9}),
        writer(8.0 * MiB, 0.1),
    ),
    "churn": (reader(16.0 * MiB, 4.0 * GiB),),
    "zipf": (reader("max", 2.0 * GiB, work=2e-5, pattern={"kind": "zipf", "alpha": 1.1}),),
}
HOLDERS = {
    "balloon-held": {"reserve": 0.0},
    "guest-drop": {},
    "clean-cache-hint": {},
}


def data(name: str, policy: str, *, slow: bool, step: Data) -> Data:
    """Return a guest's migration under a policy, over fast or slow storage and link."""
    built = scenario(
        guest(*GUESTS[name], makeup=MIXED, vcpus=2),
        hinting={"use": policy, **HOLDERS[policy], **step},
        migration={"hypervisor": "qemu-10", "max_bandwidth": None},
        settle=SETTLE,
    )
    built["topology"]["storage"] |= (
        {"latency": 5e-3, "iops": 2000.0} if slow else {"latency": 2e-4, "iops": 1e6}
    )
    if slow:
        built["topology"]["host_link"] = 64.0 * MiB
    return built


def price(result: Result, lost_second: float) -> float:
    """Return what a run cost, in bytes; without the pause, which hangs on where windows end."""
    cost = result.metrics
    return cost["network_bytes"] + lost_second * (cost["lost_work_s"] - cost["lost_blackout_s"])


@functools.cache
def swept(name: str, policy: str, slow: bool) -> dict[float, Result]:
    """Return the run of each share of the sweep."""
    runs = {}
    for share in SWEEP:
        built = data(name, policy, slow=slow, step={"share": share})
        runs[share] = run(Scenario.model_validate(built))
    return runs


def adapted(name: str, policy: str, *, slow: bool, lost_second: float) -> Result:
    """Return the run in which the share is chosen."""
    step = {"adapt": {"lost_second": lost_second, "within": SETTLE}}
    return solve(data(name, policy, slow=slow, step=step))


@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
@pytest.mark.parametrize("policy", HOLDERS)
@pytest.mark.parametrize("name", GUESTS)
def test_it_is_at_the_bottom_of_what_a_sweep_finds(name: str, policy: str, slow: bool) -> None:
    """Its cost is within 2 % of the best of eleven shares, at any of three prices of work."""
    for lost_second in (0.0, 10.0 * MiB, 1.25e9):
        costs = {s: price(result, lost_second) for s, result in swept(name, policy, slow).items()}
        mine = price(adapted(name, policy, slow=slow, lost_second=lost_second), lost_second)
        assert mine <= 1.02 * min(costs.values()), (lost_second, costs)


def test_a_guest_keeps_what_it_reads_and_gives_up_what_it_does_not() -> None:
    """Of one policy and price, the guest with cold cache gives up its cold part, the hot none."""
    chosen = {
        name: only(adapted(name, "clean-cache-hint", slow=True, lost_second=100.0 * MiB))
        for name in ("cold", "hot", "mixed")
    }
    cache = 0.5 * GiB / PAGE
    assert chosen["cold"]["dropped_pages"] == pytest.approx(0.8 * cache, rel=0.05)
    assert chosen["hot"]["dropped_pages"] == 0
    assert 0 < chosen["mixed"]["dropped_pages"] < 0.5 * cache


def test_the_dearer_work_is_the_less_cache_goes() -> None:
    """The price of a lost second moves the choice from all of the cache to none of it."""
    dropped = [
        only(adapted("zipf", "clean-cache-hint", slow=False, lost_second=price))["dropped_pages"]
        for price in (0.0, 10.0 * MiB, 1.25e9)
    ]
    assert dropped == sorted(dropped, reverse=True)
    assert dropped[0] == pytest.approx(0.5 * GiB / PAGE, rel=0.01)
    assert 0 < dropped[1] < dropped[0]
    assert dropped[2] == 0


def test_what_is_far_off_does_not_count() -> None:
    """Cache that is read again only after the time that counts costs nothing to give up."""

    def dropped(within: float) -> float:
        slow = guest(reader("max", 0.5, work=0.1), makeup=MIXED)  # all of it read in 3.6 hours
        step = {"adapt": {"lost_second": 10.0 * MiB, "within": within}}
        built = scenario(slow, hinting={"use": "clean-cache-hint", **step})
        built["topology"]["storage"]["latency"] = 5e-3
        return migrated(built)["dropped_pages"] / (0.5 * GiB / PAGE)

    assert dropped(60.0) == pytest.approx(1.0, rel=0.01)
    assert dropped(1e6) == 0


def test_free_memory_goes_whatever_the_share() -> None:
    """A guest that keeps all of its cache gives up its free memory, and says what it chose."""
    built = scenario(guest(*GUESTS["hot"], makeup=MIXED), hinting="adaptive", migration=dict(QUICK))
    built["hinting"] = {"use": "adaptive", "reserve": 0.0}
    built["topology"]["storage"]["latency"] = 5e-3
    result = solve(built)
    row = only(result)
    assert row["dropped_pages"] == 0
    assert row["ballooned_pages"] == pytest.approx(0.2 * GiB / PAGE, rel=1e-6)
    assert only(result, "events", event="adapted")["detail"] == "gives up 0 % of its cache"


def test_a_share_that_would_kill_the_guest_is_not_chosen() -> None:
    """A guest that grows keeps the cache that its growth will take, where the balloon keeps all."""

    def kept(**more: Any) -> Data:
        grows = guest(allocator(8.0 * MiB), makeup={"cache": 0.5})
        built = scenario(grows, migration={**QUICK, "max_bandwidth": 64.0 * MiB}, horizon=60.0)
        built["hinting"] = {"use": "balloon-held", "reserve": 0.0, "deflate_on_oom": False, **more}
        return migrated(built)

    assert kept()["outcome"] == "guest-oom"
    row = kept(adapt={"lost_second": 0.0, "within": 60.0})
    assert row["outcome"] == "completed"
    assert 0.2 < row["dropped_pages"] / (0.5 * GiB / PAGE) < 1


def test_choosing_leaves_the_guest_as_it_is() -> None:
    """What is expected is reckoned with copies: the memory that is asked about does not change."""
    run = world(data("mixed", "balloon-held", slow=True, step={"adapt": {"lost_second": 1e9}}))
    live = run.guests[0]
    policy = live.profile.policy
    site = outlook.Site(latency_s=1e-3, supply=1e9)
    ahead = outlook.Outlook(
        activities=live.profile.activities,
        demands=live.demands,
        vcpus=2.0,
        level=1.0,
        policy=policy,
        settings=next(iter(run.prepared.settings.values())),
        wire=1e9,
        source=site,
        destination=site,
    )
    before = [pages.count for pages in live.memory.sets], live.memory.resident
    first = adaptive.best_share(ahead, live.memory, policy.steps[0])
    assert ([pages.count for pages in live.memory.sets], live.memory.resident) == before
    assert adaptive.best_share(ahead, live.memory, policy.steps[0]) == first


@pytest.mark.parametrize(
    ("hinting", "message"),
    [
        ({"use": "disk-map", "adapt": {"lost_second": 1e9}}, "adapt means nothing"),
        ({"use": "free-page-hint", "adapt": {"lost_second": 1e9}}, "adapt means nothing"),
        ({"use": "balloon-free", "adapt": {"lost_second": 1e9}}, "adapt means nothing"),
        ({"use": "balloon-held", "adapt": {}}, "lost_second"),
        ({"use": "balloon-held", "adapt": {"lost_second": 1e9, "whithin": 1.0}}, "whithin"),
    ],
)
def test_what_cannot_adapt_is_refused(hinting: Data, message: str) -> None:
    """A step without clean cache, or whose cache is read whole, has nothing to choose."""
    with pytest.raises(ValidationError, match=message):
        Hinting.model_validate(hinting)


def test_only_one_step_adapts() -> None:
    """Two choices would each have to know the other."""
    drop = {"select": ["clean-cache"], "tell": "drop", "adapt": {"lost_second": 1e9}}
    balloon = {**drop, "tell": "balloon"}
    with pytest.raises(ValidationError, match="only one step can adapt"):
        Hinting.model_validate({"steps": [drop, balloon]})


def test_changed_prices_are_in_the_name() -> None:
    """Tables tell a policy with other prices from the shipped one."""
    policy = Hinting.model_validate({"use": "adaptive", "adapt": {"lost_second": "1GiB"}})
    assert policy.name == "adaptive adapt.lost_second=1GiB"
