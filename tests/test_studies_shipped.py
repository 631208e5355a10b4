"""Shipped studies: they load, ask something, are as large as they say, and find what they show."""

from __future__ import annotations

import functools
import re
import tempfile
from pathlib import Path

import pandas as pd
import pytest

import dcsim
from dcsim.scenario.presets.hinting import hinting_names
from dcsim.study.designs.design import Design
from dcsim.study.sweeps.points import points_of

FOLDER = Path(__file__).resolve().parents[1] / "studies"
NAMES = sorted(file.stem for file in FOLDER.glob("*.yaml"))
CACHE = "guests[0].workload.memory.cache"
READS = "guests[0].workload.activities[1].rate"
TRAFFIC = "guests[0].workload.activities[4].rate"
SCAN = "migration.scan_ballooned"
UPLINK = "topology.uplink"
ORDER, OUT, CLUSTER = (
    f"operation.{key}" for key in ("order", "limits.per_host_out", "limits.per_cluster")
)


def thinned(name: str) -> Design:
    """Return a shipped study with the first and the last value of each axis, each run once."""
    data = Design.load(name).to_dict()
    axes = [{path: [own[0], own[-1]] for path, own in axis.items()} for axis in data["axes"]]
    return Design.from_dict(data | {"axes": axes, "replications": 1})


@functools.cache
def ran(name: str) -> pd.DataFrame:
    """Run a thinned study, once for all tests."""
    with tempfile.TemporaryDirectory() as folder:
        return dcsim.sweep(thinned(name), store=Path(folder) / "store").frame()


def of(name: str, metric: str, **asked: object) -> float:
    """Return a metric of the one run of a thinned study that has these values."""
    rows = ran(name)
    for path, value in asked.items():
        rows = rows[rows[path] == value]
    assert len(rows) == 1
    return float(rows[metric].iloc[0])


def test_there_are_the_promised_studies() -> None:
    """The three that the documentation tells of are there."""
    assert {"seed-question", "uplink-sizing", "concurrency"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_studies_load_ask_and_read_back(name: str) -> None:
    """Each opens with a comment, asks something, says in a line what it is, and is plain data."""
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    design = Design.load(name)
    assert text.startswith("# ")
    assert max(map(len, text.splitlines())) <= 120
    assert design.name == name
    assert 10 < len(design.asked.about) < 120
    assert (design.asked.question or "").endswith("?")
    assert Design.from_dict(design.to_dict()).digest == design.digest


@pytest.mark.parametrize("name", NAMES)
def test_studies_are_as_large_as_they_say(name: str) -> None:
    """The comment gives the number of points and of runs."""
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    design = Design.load(name)
    said = re.search(r"# ([\d ]+) points, each with (\d+) replications: ([\d ]+) runs", text)
    assert said
    points, replications, runs = (int(number.replace(" ", "")) for number in said.groups())
    assert (len(design), design.asked.replications.count) == (points, replications)
    assert runs == points * replications


@pytest.mark.parametrize("name", NAMES)
def test_studies_vary_what_exists(name: str) -> None:
    """Each point is a legal scenario with something random, and policies are shipped ones."""
    design = Design.load(name)
    points = points_of(design)
    assert not points.errors
    assert all(points.chancy)
    assert len(set(points.digests)) == len(design)
    policies = [design.shown(point).get("hinting", "zero-page") for point in range(len(design))]
    assert set(policies) <= set(hinting_names())


@pytest.mark.parametrize("name", NAMES)
def test_studies_run_and_every_guest_moves(name: str) -> None:
    """No run of a thinned study fails, leaves a guest behind, or meets the horizon."""
    rows = ran(name)
    assert len(rows) == len(thinned(name))
    assert (rows["error"] == "").all()
    assert (rows["requested"] > 0).all()
    assert (rows["not_moved"] == 0).all()
    assert (rows["simulated_s"] < Design.load(name).scenario.horizon).all()


@pytest.mark.parametrize("name", NAMES)
def test_what_guests_lose_is_lost_to_migrations(name: str) -> None:
    """Where nothing moves, guests lose nothing: no link is too narrow for what they do anyway."""
    design = thinned(name)
    scenes = [design.scenario.replace(design.changes(point)) for point in range(len(design))]
    unhinted = [scene for scene in scenes if scene.hinting.name == "zero-page"]
    assert len(unhinted) > 3
    for scene in unhinted:
        for replicate in range(2):
            idle = dcsim.run(scene.replace({"operation.hosts": "rack1/*"}), replicate=replicate)
            assert idle.metrics["requested"] == idle.metrics["lost_work_s"] == 0


def test_cold_cache_is_worth_leaving_behind_and_hot_cache_is_not() -> None:
    """The argument of 2016: cold, it saves over half of the bytes; hot, it costs guests dearly."""

    def changed(metric: str, *, cache: str, reads: str) -> float:
        keeps, leaves = (
            of("seed-question", metric, hinting=policy, **{CACHE: cache, READS: reads})
            for policy in ("zero-page", "clean-cache-hint")
        )
        return leaves - keeps if metric == "lost_work_s" else leaves / keeps - 1

    assert changed("network_bytes", cache="60%", reads="0.1MB/s") < -0.6
    assert -0.2 < changed("network_bytes", cache="60%", reads="100MB/s") < 0
    assert abs(changed("lost_work_s", cache="60%", reads="0.1MB/s")) < 1
    assert changed("lost_work_s", cache="60%", reads="100MB/s") > 200
    assert changed("lost_work_s", cache="10%", reads="100MB/s") < 100  # both matter together


def test_a_balloon_spares_uplinks_only_where_they_are_slow() -> None:
    """Who is done first turns with the uplinks, and how far with what nobody has published."""

    def makespan(policy: str, uplink: str, scan: str = "5us", traffic: str = "40MB/s") -> float:
        asked = {"hinting": policy, UPLINK: uplink, SCAN: scan, TRAFFIC: traffic}
        return of("uplink-sizing", "makespan_s", **asked)

    for scan in ("0.73us", "5us"):
        assert makespan("balloon-held", "16Gbit/s", scan) < 0.7 * makespan("zero-page", "16Gbit/s")
        assert makespan("balloon-held", "100Gbit/s", scan) > makespan("zero-page", "100Gbit/s")
    assert makespan("balloon-held", "100Gbit/s", "0.73us") < 0.7 * makespan(
        "balloon-held", "100Gbit/s"
    )
    assert makespan("zero-page", "16Gbit/s", traffic="4MB/s") < 0.8 * makespan(
        "zero-page", "16Gbit/s"
    )


def test_more_at_once_is_faster_until_only_guests_pay() -> None:
    """One at a time takes longest; all at once costs guests, unless the network is looked at."""

    def cost(metric: str, order: str, out: int, cluster: int, operator: str = "kubevirt") -> float:
        asked = {"operator": operator, ORDER: order, OUT: out, CLUSTER: cluster}
        return of("concurrency", metric, **asked)

    for operator in ("kubevirt", "proxmox"):
        one = [cost(metric, "listed", 1, 1, operator) for metric in ("makespan_s", "lost_work_s")]
        many = [cost(metric, "listed", 4, 32, operator) for metric in ("makespan_s", "lost_work_s")]
        aware = [
            cost(metric, "network-aware", 4, 32, operator)
            for metric in ("makespan_s", "lost_work_s")
        ]
        assert many[0] < 0.7 * one[0]
        assert many[1] > 20 * one[1]
        assert aware[0] < many[0]
        assert aware[1] < 2 * one[1]
    # With one out of a host, more in the cluster than there are hosts changes nothing for guests.
    assert cost("lost_work_s", "listed", 1, 32) < 0.2 * cost("lost_work_s", "listed", 4, 32)
    assert cost("makespan_s", "listed", 4, 1) == cost("makespan_s", "listed", 1, 1)
