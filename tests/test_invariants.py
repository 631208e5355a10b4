"""What must always hold, over random small scenarios."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dcsim.errors import InvariantError
from dcsim.model.host import Host
from dcsim.model.invariants import check_guest, check_host, check_memory
from dcsim.model.makeup import makeup_of
from dcsim.model.memory import Memory
from dcsim.records.result import Result
from dcsim.records.steps import JOINED
from dcsim.records.tables import CAUSES, MIGRATION_KINDS, OUTCOMES
from dcsim.scenario.presets import hinting_names
from dcsim.scenario.spec import Scenario
from dcsim.simulation import run
from dcsim.units import PAGE, GiB, MiB
from tests.worlds import Data, guest, leaf_spine, makeup, rows, scenario, topology, world, writer

# A scenario is a page of data: to shrink one that fails takes minutes, and makes it no clearer.
SENT = ("first_pass_bytes", "resent_bytes", "switchover_bytes", "postcopy_bytes")
few = settings(max_examples=10, phases=[Phase.generate])
many = settings(max_examples=60, phases=[Phase.generate])

# --------------------------------------------------------------------------- random scenarios

shares = st.sampled_from([0.0, 0.02, 0.1, 0.2])
rates = st.sampled_from([1e5, 4e6, 5e7, 3e8])
extents = st.sampled_from([0.01, 0.05, 0.1])
works = st.sampled_from([1e-6, 2e-5])
patterns = st.sampled_from(["uniform", "sequential", "zipf", "hot-cold"])


@st.composite
def activities(draw: st.DrawFn) -> list[Data]:
    """Up to four things that a guest does."""
    found = []
    for do in draw(st.lists(st.sampled_from(["write", "read", "allocate", "send"]), max_size=4)):
        activity: Data = {"do": do, "rate": draw(rates), "work": draw(works)}
        if do == "write":
            activity |= {"set": draw(extents), "pattern": draw(patterns)}
            if sum(a.get("to") == "cache" for a in found) < 1:
                activity["to"] = draw(st.sampled_from(["anonymous", "cache"]))
        elif do == "read":
            activity |= {
                "set": draw(st.sampled_from([0.05, 0.2, 0.6])),
                "pattern": draw(patterns),
                "read_ahead": draw(st.sampled_from([1, 8])),
            }
        elif do == "allocate":
            activity["lifetime"] = draw(st.sampled_from([0.5, 5.0, None]))
        else:
            activity["peer"] = draw(st.sampled_from(["outside", "storage"]))
        if do in ("write", "read") and draw(st.booleans()):
            activity |= {"rate": "max", "work": 2e-5, "workers": draw(st.integers(1, 3))}
        found.append(activity)
    return found


@st.composite
def groups(draw: st.DrawFn, number: int) -> Data:
    """One or two guests on the first hosts; anonymous memory and cache have room for writers."""
    mix = makeup(
        free_zero=draw(shares),
        free_stale=draw(shares),
        cache=draw(st.sampled_from([0.1, 0.3])),
        kernel=draw(st.sampled_from([0.0, 0.05])),
        anonymous_zero=draw(st.sampled_from([0.0, 0.05])),
    )
    made = guest(
        *draw(activities()),
        name=f"g{number}",
        count=draw(st.integers(1, 2)),
        memory=draw(st.sampled_from([64.0, 200.0, 512.0])) * MiB,
        vcpus=draw(st.integers(1, 4)),
        hintable=draw(st.sampled_from([0.0, 0.4, 1.0])),
        min_free=draw(st.sampled_from([0.0, 0.01])),
        place={"hosts": draw(st.sampled_from(["rack0/host0", "rack0/*"]))},
        migratable=draw(st.sampled_from(["live", "live", "live", "cold", "no"])),
        load={
            "points": draw(st.sampled_from([[], [[1.0, 0.5]], [[0.5, 0.0], [3.0, 2.0]]])),
            "noise": draw(st.sampled_from([0.0, 0.3])),
            "every": 2.0,
        },
    )
    if draw(st.booleans()):
        made["hinting"] = draw(hintings)
    if draw(st.booleans()):
        made["huge_pages"] = {"on_arrival": draw(shares), "rebuild": 4.0 * MiB}
    if draw(st.booleans()) and made["migratable"] != "live":
        made["because"] = "local-disk"
        made["local_disk"] = {"size": 64.0 * MiB, "writes": draw(st.sampled_from([0.0, 4.0])) * MiB}
    made["workload"]["memory"] = mix
    made["workload"]["replacement"] = draw(st.sampled_from(["lru", "two-list"]))
    return made


hintings = st.sampled_from(
    [
        *hinting_names(),
        {"use": "balloon-held", "reserve": "8MiB"},
        {"use": "balloon-held", "reserve": 0.0, "deflate_on_oom": False},
        {"use": "balloon-partial", "reserve": 0.0, "block_pages": 64, "share": 0.5},
        {"use": "balloon-bounced", "reserve": 0.0},
        {"use": "clean-cache-hint", "share": 0.5},
    ]
)


transports = st.sampled_from(
    [
        {},
        {"multifd": {"channels": 4, "compression": {"ratio": 2.0, "per_page": 5e-6}}},
        {"multifd": {"zero_page_detection": "legacy"}, "block": {"bandwidth": 50.0 * MiB}},
        {"xbzrle": {"cache": 4.0 * MiB, "delta": 100.0}, "encryption": {"rate": 100.0 * MiB}},
        {"encryption": {"by": "tunnel", "rate": 100.0 * MiB}, "block": {}},
    ]
)

convergence = st.sampled_from(
    [
        {},
        {"auto_converge": {"trigger": 0.1, "increment": 0.3, "sync_every": 0.5}},
        {"auto_converge": {"tailslow": True}},
        {"dirty_limit": {"trigger": 0.1, "tolerance": 1e6, "period": 0.3}},
        {"post_copy": {"after": 0.7}},
        {"post_copy": {"start": "first-pass", "fault": 0.25e-3}},
        {"post_copy": {"start": "stuck", "rounds": 3, "max_bandwidth": 20.0 * MiB}},
        {"downtime_steps": {"start": 0.01, "steps": [{"downtime_limit": 9.0, "stalls": 2}]}},
        {"downtime_steps": {"start": 0.01, "steps": [{"action": "abort", "rounds": 4}]}},
    ]
)


failures = st.sampled_from(
    [
        *[None] * 4,
        [{"at": 1.0, "host": "rack0/host0"}],
        [{"at": 1.0, "host": "rack0/host1"}, {"at": 2.5, "host": "rack0/host0"}],
        [{"at": 1.0, "link": "rack0/host0->switch0"}, {"at": 2.0, "host": "rack0/host0"}],
    ]
)


@st.composite
def scenarios(draw: st.DrawFn) -> Data:
    """A drain or a list of moves of up to six small guests, for up to 15 s."""
    made = [draw(groups(n)) for n in range(draw(st.integers(1, 3)))]
    build = draw(st.sampled_from([topology, leaf_spine]))
    net = build(
        host_link=draw(st.sampled_from([0.1, 1.0])) * GiB,
        host={"cores": draw(st.sampled_from([1, 8])), "memory": 4.0 * GiB},
        storage={
            "bandwidth": draw(st.sampled_from([0.02, 4.0])) * GiB,
            "iops": 1e9,
            "latency": draw(st.sampled_from([1e-6, 5e-4])),
            "link": 2.0 * GiB,
        },
        weights=draw(st.sampled_from([{}, {"migration": 2.0, "refault": 0.5}])),
    )
    if draw(st.booleans()):
        net["migration_link"] = 0.2 * GiB
    limits = draw(
        st.sampled_from(
            [
                {},
                {"per_cluster": 1},
                {"per_host_out": 2, "per_host_in": 1, "control_plane": 0.5},
                {"completion_timeout_per_gib": 10.0},
                {"progress_timeout": 1.0},
                {"progress_timeout": 1.0, "on_timeout": "force-complete"},
                {"completion_timeout": 1.0, "retry": {"attempts": 3, "delay": 0.5}},
                {"cancel_after": 1.5},
            ]
        )
    )
    operation: Data = {"kind": "drain", "hosts": "rack0/host0", "at": draw(st.sampled_from([0, 2]))}
    if draw(st.booleans()):
        names = [
            f"{g['name']}-{n}" for g in made for n in range(g["count"]) if g["migratable"] != "no"
        ]
        hosts = ["rack0/host0", "rack0/host1"]
        pairs = [(name, draw(st.sampled_from(hosts))) for name in draw(st.permutations(names))]
        # a guest that can stand on one host only may not be asked to go there
        stuck = {g["name"]: g["place"]["hosts"] for g in made}
        pairs = [(name, to) for name, to in pairs if stuck[name.rpartition("-")[0]] != to]
        if pairs:
            operation = {
                "kind": "moves",
                "at": operation["at"],
                "moves": [{"guest": name, "to": to} for name, to in pairs],
            }
    migration: Data = {
        "hypervisor": draw(st.sampled_from(["qemu-10", "xen", "fluid"])),
        "max_bandwidth": draw(st.sampled_from([None, 32.0 * MiB, 200.0 * MiB])),
        "cold_restart": 3.0,
    }
    if draw(st.booleans()):
        migration["dirty_log"] = draw(
            st.sampled_from(["at-sync", "per-chunk", "per-chunk-guarded"])
        )
    migration |= draw(transports)
    migration |= draw(convergence)
    failing = draw(failures)
    if failing and "link" in failing[0] and net["kind"] == "leaf-spine":
        failing = [{"at": 1.0, "link": "leaf0->rack0/host0"}]
    if "post_copy" in migration and "completion_timeout" in limits and draw(st.booleans()):
        limits = limits | {"on_timeout": "post-copy"}
    return scenario(
        *made,
        topology=net,
        operation=operation | {"limits": limits},
        migration=migration,
        failures=failing,
        hinting=draw(hintings),
        horizon=draw(st.sampled_from([3.0, 15.0])),
        settle=draw(st.sampled_from([0.0, 2.0])),
        seed=draw(st.integers(0, 3)),
    )


# --------------------------------------------------------------------------- what must hold


def verify(result: Result) -> None:
    """Assert what holds for any result."""
    moves, guests, links = (rows(result, name) for name in ("migrations", "guests", "links"))
    hosts, events, rounds = (rows(result, name) for name in ("hosts", "events", "rounds"))
    end = result.metrics["simulated_s"]
    for m in moves:
        assert m["outcome"] in OUTCOMES
        assert 0 <= m["downtime_s"] <= m["total_time_s"] + 1e-9
        assert m["requested_s"] <= m["ended_s"] <= end + 1e-9
        parts = sum(m[column] for column in SENT)
        assert m["sent_bytes"] == pytest.approx(parts, rel=1e-9, abs=1e-3)
        figures = ("normal_pages", "delta_pages", "zero_pages", "skipped_pages", "left_bytes")
        assert min(m[name] for name in figures) >= -1e-6
        assert not m["huge_bytes"] > m["memory_bytes"] * (1 + 1e-9)
        if m["outcome"].startswith("completed"):
            assert m["left_bytes"] == 0
        else:
            assert m["reason"]
    names = [m["guest"] for m in moves]
    tries = {(m["guest"], m["attempt"]) for m in moves}
    assert len(tries) == len(moves)
    assert len(set(names)) == result.metrics["requested"]
    last = {m["guest"]: m for m in sorted(moves, key=lambda m: m["attempt"])}
    for m in moves:
        assert m["attempt"] == 1 or (m["guest"], m["attempt"] - 1) in tries
        assert m is last[m["guest"]] or m["outcome"].startswith(("aborted", "failed"))

    where = {g["guest"]: g["host"] for g in guests}
    for m in last.values():
        arrived = m["outcome"].startswith("completed") or m["follow_s"] > 0
        assert where[m["guest"]] == (m["destination"] if arrived else m["source"])
    counts = Counter(where.values())
    for h in hosts:
        assert h["guests_after"] == counts[h["host"]]
        assert h["guests_before"] + h["moved_in"] - h["moved_out"] == h["guests_after"]
        assert h["used_bytes"] <= h["peak_bytes"] <= h["memory_bytes"] * (1 + 1e-9)

    for g in guests:
        lost = math.fsum(g[f"lost_{cause}_s"] for cause in CAUSES)
        assert g["lost_work_s"] == pytest.approx(lost, rel=1e-9, abs=1e-9)
        assert all(g[f"lost_{cause}_s"] >= -1e-9 for cause in CAUSES)
        assert g["lost_work_s"] <= end + 1e-6
        assert 0 <= g["degraded99_s"] <= g["degraded50_s"] <= g["degraded10_s"] <= end + 1e-6
        assert g["missed_pages"] <= g["read_pages"] * (1 + 1e-9) + 1e-3
        assert g["blackout_s"] <= end + 1e-9
    assert all(0 <= s["progress"] <= 1 for s in rows(result, "slowdowns"))

    times = [e["time_s"] for e in events]
    assert times == sorted(times)
    ended = [e["subject"] for e in events if e["event"] in OUTCOMES]
    assert sorted(ended) == sorted(names)

    for r in rounds:
        assert min(r["pending_pages"], r["sent_pages"], r["dirtied_pages"]) >= -1e-6
    carried: Counter[str] = Counter()
    for link in links:
        carried[link["link"]] += link["carried_bytes"]
    capacity = {link["link"]: link["capacity_bytes_per_s"] for link in links}
    for name, size in carried.items():
        assert size <= capacity[name] * end * (1 + 1e-6) + 1
    using: dict[str, dict[str, float]] = {}
    at: dict[str, float] = {}
    for r in sorted(rows(result, "link_rates"), key=lambda r: r["time_s"]):
        kinds = using.setdefault(r["link"], {})
        if r["time_s"] > at.get(r["link"], -1.0):
            assert sum(kinds.values()) <= capacity.get(r["link"], math.inf) * (1 + JOINED) + 1
        kinds[r["kind"]] = r["rate_bytes_per_s"]
        at[r["link"]] = r["time_s"]
    assert_rates_carry(result)


def assert_rates_carry(result: Result) -> None:
    """Assert that the integral of each kind's rate on a link is the bytes that it carried there.

    A switch-over to post-copy holds its share of the link for a while after it has sent all.
    """
    end = result.metrics["simulated_s"]
    area: Counter[tuple[str, str]] = Counter()
    last_rate: dict[tuple[str, str], float] = {}
    for r in rows(result, "link_rates"):  # up to the end, less what the next step takes back
        key = r["link"], r["kind"]
        area[key] += (r["rate_bytes_per_s"] - last_rate.get(key, 0.0)) * (end - r["time_s"])
        last_rate[key] = r["rate_bytes_per_s"]
    for link in rows(result, "links"):
        key = link["link"], link["kind"]
        could, carried = area.pop(key), link["carried_bytes"]
        assert carried <= could * (1 + 1e-6) + 1.0, key
        assert link["kind"] == "switch-over" or could <= carried * (1 + 1e-6) + 1.0, key
    assert max(area.values(), default=0.0) <= 1.0


def balance(result: Result) -> None:
    """Assert that bytes by kind of what moved are the bytes of the links out of and into hosts."""
    on_link: Counter[tuple[str, str]] = Counter()
    for link in rows(result, "links"):
        tail, _, head = link["link"].partition("->")
        if link["class"] in ("host", "migration"):
            way = "out" if "/" in tail else "in"
            on_link[way, link["kind"]] += link["carried_bytes"]
        del head
    moves = rows(result, "migrations")
    for kind, column in zip(MIGRATION_KINDS, SENT, strict=True):
        total = sum(m[column] for m in moves)
        for way in ("out", "in"):
            assert on_link[way, kind] == pytest.approx(total, rel=1e-6, abs=16.0), (way, kind)
    for kind, column in (("disk copy", "disk_copy_bytes"), ("mirror write", "mirror_bytes")):
        total = sum(m[column] for m in moves)
        for way in ("out", "in"):
            assert on_link[way, kind] == pytest.approx(total, rel=1e-6, abs=16.0), (way, kind)
    fetched = sum(m["prefetch_bytes"] for m in moves)
    assert on_link["in", "prefetch"] == pytest.approx(fetched, rel=1e-6, abs=16.0)


@given(scenarios())
@many
def test_any_scenario_keeps_the_rules(data: Data) -> None:
    """Whatever is asked, it ends, and its tables obey what must always hold."""
    live = world(data)
    result = live.result(None)
    verify(result)
    for one in live.guests:
        frames = [pages.count for pages in one.memory.sets]
        assert math.fsum(frames) == pytest.approx(one.memory_bytes / PAGE, rel=1e-9)
        assert min(frames) >= -1e-6


@given(scenarios())
@many
def test_bytes_by_kind_are_those_of_the_links(data: Data) -> None:
    """Nothing is sent that no link carried, and no link carried what nobody sent."""
    balance(run(Scenario.model_validate(data)))


@given(scenarios())
@many
def test_write_back_is_that_of_the_links(data: Data) -> None:
    """What guests write back is what leaves their hosts for the storage."""
    result = run(Scenario.model_validate(data))
    on_link = sum(
        link["carried_bytes"]
        for link in rows(result, "links")
        if link["class"] == "host" and link["kind"] == "write-back"
    )
    written = sum(g["writeback_bytes"] for g in rows(result, "guests"))
    assert on_link == pytest.approx(written, rel=1e-6, abs=16.0)


@given(scenarios())
@few
def test_the_same_scenario_has_the_same_tables(data: Data) -> None:
    """Run twice in one process, every table is the same, bit for bit."""
    asked = Scenario.model_validate(data)
    assert repr(run(asked).columns) == repr(run(asked).columns)


FINGERPRINT = """
import hashlib, json, sys
from dcsim.scenario.spec import Scenario
from dcsim.simulation import run
for data in json.load(sys.stdin):
    columns = run(Scenario.model_validate(data)).columns
    print(hashlib.sha256(repr(columns).encode()).hexdigest())
"""


def test_another_process_has_the_same_tables() -> None:
    """Neither the process nor its hash seed shows in any bit of any table."""
    drawn: list[Any] = []

    @given(scenarios())
    @few
    def collect(data: Data) -> None:
        drawn.append(data)

    collect()
    here = [
        hashlib.sha256(repr(run(Scenario.model_validate(d)).columns).encode()).hexdigest()
        for d in drawn
    ]
    for seed in ("0", "12345"):
        done = subprocess.run(
            [sys.executable, "-c", FINGERPRINT],
            input=json.dumps(drawn),
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert done.stdout.split() == here


@given(scenarios(), st.sampled_from(hinting_names()))
@few
def test_policies_are_compared_under_the_same_chances(data: Data, hinting: str) -> None:
    """Another policy leaves every guest's host, make-up and load what they were."""
    other = world(data | {"hinting": hinting})
    for a, b in zip(world(data).prepared.guests, other.prepared.guests, strict=True):
        assert (a.name, a.host, a.makeup, a.start_s, a.levels) == (
            b.name, b.host, b.makeup, b.start_s, b.levels,
        )  # fmt: skip


# --------------------------------------------------------------------------- the checks themselves


def memory() -> Memory:
    """Return a memory of 100 pages, half of them free."""
    parts = {"free_zero": 50.0, "free_stale": 0.0, "cache": 20.0, "kernel": 0.0}
    return makeup_of(pages=100.0, **parts).memory()


def test_a_sound_memory_passes() -> None:
    """Nothing is raised for frames that sum."""
    check_memory(memory(), "guest")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: setattr(m.free_zero, "count", 51.0), "sum to 101"),
        (lambda m: setattr(m.cache, "pending", 21.0), "21.0"),
        (lambda m: setattr(m.cache, "absent", -1.0), "-1.0"),
        (lambda m: (setattr(m.cache, "pending", 15.0), setattr(m.cache, "idle", 15.0)), "pending"),
    ],
)
def test_a_spoilt_memory_is_found(spoil: Any, words: str) -> None:
    """The guest and the figures are named."""
    spoilt = memory()
    spoil(spoilt)
    with pytest.raises(InvariantError, match="victim") as raised:
        check_memory(spoilt, "victim")
    assert words in str(raised.value)


def test_more_resident_than_cached_is_found() -> None:
    """Readers cannot remember more than there are frames of cache."""
    from dcsim.model.touch import TouchClass

    spoilt = makeup_of(
        pages=100.0, free_zero=50.0, free_stale=0.0, cache=20.0, kernel=0.0,
        readers=[((TouchClass(40.0, 1.0),), 1, 1.0)],
    ).memory()  # fmt: skip
    check_memory(spoilt, "guest")
    spoilt.readers[0].remembered = 1e9
    with pytest.raises(InvariantError, match="resident"):
        check_memory(spoilt, "guest")


def test_an_undisturbed_memory_is_checked_too() -> None:
    """The twin that nothing is taken from has books of its own."""
    here = world(scenario(guest(writer(1e6, 0.1)))).guests[0]
    check_guest(here)
    here.disturb()
    check_guest(here)
    assert here.undisturbed is not None
    here.undisturbed.kernel.count += 5.0
    with pytest.raises(InvariantError, match="undisturbed"):
        check_guest(here)


def test_a_host_whose_books_do_not_balance_is_found() -> None:
    """What is booked has to be what stands there; and it has to fit."""
    host = Host(name="h", rack="r", node=0, cores=1, memory_bytes=100.0)
    check_host(host)
    host.used_bytes = 50.0
    with pytest.raises(InvariantError, match=r"h: guests take 0 B, 50 B are booked"):
        check_host(host)
    host.used_bytes = 150.0
    one = world(scenario()).guests[0]
    host.reserved[one] = 150.0
    with pytest.raises(InvariantError, match="150 B of 100 B"):
        check_host(host)


def test_a_run_checks_itself_when_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that loses pages on the way is found out with `check`, and not without."""
    original = Memory.release

    def leaky(self: Memory, *, arrived: bool) -> None:
        original(self, arrived=arrived)
        self.kernel.count += 100.0

    monkeypatch.setattr(Memory, "release", leaky)
    asked = Scenario.model_validate(scenario(hinting="free-page-hint"))
    run(asked)
    with pytest.raises(InvariantError, match="guest-0"):
        run(asked, check=True)


def test_what_does_not_agree_is_found() -> None:
    """A guest on two hosts, on none, or on one that is lost; room kept for nobody; a lost count."""
    data = scenario(guest(writer(1e6, 0.1)), horizon=20.0)

    def upset(change: Any) -> str:
        live = world(data)
        live.env.run(until=0.5)
        live.verify()
        change(live)
        with pytest.raises(InvariantError) as found:
            live.verify()
        return str(found.value)

    assert upset(lambda live: live.hosts[1].admit(live.guests[0])).startswith("guest-0: it stands")
    assert "on no host" in upset(lambda live: _lift(live.guests[0]))
    assert "outlived" in upset(lambda live: setattr(live.hosts[0], "failed", True))
    assert "lost, and runs" in upset(lambda live: setattr(live.guests[0], "perished", True))
    assert "nothing is reserved" in upset(lambda live: live.hosts[1].release(live.guests[0]))
    assert "does not come" in upset(lambda live: live.hosts[0].reserve(live.guests[0]))
    assert "admitted" in upset(
        lambda live: live.dispatcher.admission.enter(*live.dispatcher.migrations, *live.hosts)
    )
    assert "requests" in upset(lambda live: setattr(live.dispatcher, "ended", 1))


def _lift(guest: Any) -> None:
    """Take a guest off its host."""
    guest.host.dismiss(guest)
    guest.host = None
