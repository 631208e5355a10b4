"""Block migration: a disk copied and mirrored before and beside the memory, by closed forms."""

from __future__ import annotations

import pytest

from dcsim.errors import ScenarioError
from dcsim.scenario.spec import Scenario
from dcsim.simulation.prepared import prepare
from dcsim.units import PAGE, GiB, MiB
from dcsim.view.explain import explain
from tests.worlds import (
    QUICK,
    SLOT,
    Data,
    carried,
    guest,
    leaf_spine,
    only,
    rows,
    scenario,
    solve,
    topology,
)

OUT = "rack0/host0->switch0"
IN = "switch0->rack0/host1"
MEMORY_S = SLOT / PAGE
"""Seconds that a GiB of memory takes over a link of 1 GiB/s."""


def local(size: float = 4.0 * GiB, **disk: float) -> Data:
    """A guest that has a disk on its host, and stays where disks are not copied."""
    return guest(migratable="no", because="local-disk", local_disk={"size": size, **disk})


def block(*guests: Data, settings: object = True, **changes: object) -> Data:
    """A scenario in which local disks are copied."""
    migration = {**QUICK, "block": settings}
    return scenario(*(guests or [local()]), **{"migration": migration, **changes})


# --------------------------------------------------------------------------- the copy


def test_a_disk_is_copied_before_the_memory() -> None:
    """First the disk at the speed of the link, then the memory: their times add."""
    result = solve(block())
    row = only(result)
    assert row["outcome"] == "completed"
    assert row["disk_s"] == pytest.approx(4.0, rel=1e-9)
    assert row["stream_s"] == pytest.approx(4.0, rel=1e-9)
    assert row["total_time_s"] == pytest.approx(4.0 + MEMORY_S, rel=1e-6)
    assert row["disk_copy_bytes"] == pytest.approx(4 * GiB, rel=1e-9)
    assert row["sent_bytes"] == pytest.approx(GiB * MEMORY_S, rel=1e-6)
    for link in (OUT, IN):
        assert carried(result, "disk copy", link=link) == pytest.approx(4 * GiB, rel=1e-9)


def test_blocks_without_data_are_not_copied() -> None:
    """Of a disk that is half empty, half is copied."""
    row = only(solve(block(local(used=0.5))))
    assert row["disk_copy_bytes"] == pytest.approx(2 * GiB, rel=1e-9)


@pytest.mark.parametrize(
    ("host", "settings"),
    [
        ({"disk_read": 0.25 * GiB}, True),
        ({"disk_write": 0.25 * GiB}, True),
        ({}, {"bandwidth": 0.25 * GiB}),
    ],
)
def test_the_slowest_of_disks_link_and_cap_counts(host: Data, settings: object) -> None:
    """A disk that reads or writes slowly, or a cap, makes the copy slow and not the memory."""
    net = topology(host={"cores": 64, "memory": 64.0 * GiB, **host})
    row = only(solve(block(settings=settings, topology=net)))
    assert row["disk_s"] == pytest.approx(16.0, rel=1e-9)
    assert row["total_time_s"] == pytest.approx(16.0 + MEMORY_S, rel=1e-6)


def test_copies_share_the_disk_of_their_host() -> None:
    """Two guests that leave one host share what its disk reads, also to different hosts."""
    net = leaf_spine(host={"cores": 64, "memory": 64.0 * GiB, "disk_read": 0.5 * GiB})
    guests = [{**local(), "name": name} for name in ("a", "b")]
    moves = [{"guest": "a-0", "to": "rack0/host1"}, {"guest": "b-0", "to": "rack1/host0"}]
    operation = {"kind": "moves", "moves": moves, "at": 0.0}
    result = solve(block(*guests, topology=net, operation=operation))
    assert [r["disk_s"] for r in rows(result, "migrations")] == pytest.approx([16.0, 16.0])
    disk = only(result, "links", link="rack0/host0:disk->rack0/host0")
    assert (disk["class"], disk["kind"]) == ("disk", "disk copy")
    assert disk["carried_bytes"] == pytest.approx(8 * GiB, rel=1e-9)


# --------------------------------------------------------------------------- the mirror


def test_writes_are_mirrored_until_the_switch_over() -> None:
    """From the start of the copy to the pause, writes cross the network; the copy gets the rest."""
    rate = 0.25 * GiB
    result = solve(block(local(writes=rate)))
    row = only(result)
    assert row["disk_s"] == pytest.approx(4 / 0.75, rel=1e-6)
    ran_s = row["total_time_s"] - row["downtime_s"]
    assert row["mirror_bytes"] == pytest.approx(rate * ran_s, rel=1e-6)
    assert row["disk_copy_bytes"] == pytest.approx(4 * GiB, rel=1e-6)
    stream_s = row["ended_s"] - row["stream_s"]
    assert stream_s == pytest.approx(MEMORY_S / 0.75, rel=0.1)
    assert carried(result, "mirror write", link=IN) == pytest.approx(row["mirror_bytes"])


def test_what_the_mirror_misses_is_copied_again() -> None:
    """Written at 0.8 of the link, half of it is mirrored: the rest is copied, and copied again.

    Of two flows on one link either has half. While *c* bytes are copied as many are mirrored, and
    0.6 *c* are missed: in all the disk over 0.4.
    """
    result = solve(block(local(size=1.0 * GiB, writes=0.8 * GiB), horizon=60.0))
    row = only(result)
    assert row["disk_s"] == pytest.approx(1 / 0.4 / 0.5, rel=1e-4)
    memory_s = row["ended_s"] - row["stream_s"] - row["downtime_s"]
    # beside the memory the mirror has half of the link again; what it misses waits for the pause
    missed = 0.3 * GiB * memory_s
    total = 1 / 0.4 * GiB + missed
    assert row["disk_copy_bytes"] == pytest.approx(total, rel=1e-3)
    assert row["downtime_s"] > missed / GiB


def test_a_disk_written_faster_than_copied_ends_in_time_out() -> None:
    """Written as fast as the link it is never done: management gives up, and all ends."""
    data = block(local(size=1.0 * GiB, writes=1.0 * GiB))
    data["operation"]["limits"] = {"completion_timeout_per_gib": 20.0}
    result = solve(data)
    row = only(result)
    assert row["outcome"] == "aborted-timeout"
    assert row["reason"] == "its disk took all the time there was"
    assert (row["ended_s"], row["sent_bytes"]) == (20.0, 0.0)
    assert row["mirror_bytes"] == pytest.approx(10 * GiB, rel=1e-6)
    assert only(result, "guests")["host"] == "rack0/host0"


def test_a_horizon_cuts_a_copy_short() -> None:
    """What was copied by then is counted."""
    row = only(solve(block(horizon=2.0)))
    assert row["outcome"] == "cancelled"
    assert row["disk_copy_bytes"] == pytest.approx(2 * GiB, rel=1e-6)


# --------------------------------------------------------------------------- who moves


def test_without_it_a_guest_with_a_local_disk_stays() -> None:
    """Not asked for, all is as it was: the guest does not move, or moves cold."""
    for migratable, outcome in (("no", "not-movable"), ("cold", "completed-cold")):
        data = scenario({**local(), "migratable": migratable})
        assert only(solve(data))["outcome"] == outcome


def test_other_reasons_still_hold() -> None:
    """A guest that is pinned stays, whatever is done about its disk."""
    pinned = {**local(), "because": "pinned"}
    assert only(solve(block(pinned)))["outcome"] == "not-movable"


def test_a_live_guest_needs_its_disk_to_be_copied() -> None:
    """A disk that would be left behind is refused, with what would be legal."""
    data = scenario(guest(local_disk={"size": 1.0 * GiB}))
    with pytest.raises(ScenarioError, match=r"moves live only where migration.block copies it"):
        prepare(Scenario.model_validate(data))
    data["migration"]["block"] = True
    assert only(solve(data))["outcome"] == "completed"


def test_a_list_of_moves_may_name_it() -> None:
    """A guest that says it does not move is moved by name where its disk is copied."""
    operation = {"kind": "moves", "moves": [{"guest": "guest-0", "to": "rack0/host1"}], "at": 0.0}
    assert only(solve(block(operation=operation)))["outcome"] == "completed"
    with pytest.raises(ScenarioError, match="does not move"):
        prepare(Scenario.model_validate(scenario(local(), operation=operation)))


def test_disks_are_part_of_the_cost() -> None:
    """The summary counts them in the network's cost, and every link they cross."""
    result = solve(block(local(writes=64.0 * MiB)))
    figures = result.metrics
    assert figures["disk_copy_bytes"] == pytest.approx(4 * GiB)
    moved = figures["migration_bytes"] + figures["disk_copy_bytes"] + figures["mirror_bytes"]
    assert figures["network_bytes"] == pytest.approx(moved)
    assert figures["byte_hops"] == pytest.approx(2 * moved)


def test_weights_of_migrations_are_those_of_disks_too() -> None:
    """Copies are migration traffic: they give way to, or push aside, what the weights say."""
    sender = {"do": "send", "rate": 2.0 * GiB, "work": 0.0, "peer": "outside"}
    busy = guest(sender, migratable="no", because="pinned", name="busy")
    net = topology(weights={"migration": 3.0})
    row = only(solve(block(local(), busy, topology=net)), guest="guest-0")
    assert row["disk_s"] == pytest.approx(4.0 / 0.75, rel=1e-6)


def test_the_explanation_tells_of_the_disk() -> None:
    """What passed before the first byte of memory is put down to the disk."""
    text = explain(solve(block()), "guest-0")
    assert "4 s passed before the first byte, 4 s of it to copy the local disk" in text
