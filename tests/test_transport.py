"""How bytes travel: channels, compression, deltas and encryption, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from dcsim.model.deltas import DeltaCache
from dcsim.model.makeup import makeup_of
from dcsim.model.touch import TouchClass
from dcsim.scenario.spec import Migration, Scenario
from dcsim.scenario.transport import COMPRESSION
from dcsim.units import PAGE, GiB, MiB
from tests.worlds import (
    HEADER,
    QUICK,
    SLOT,
    ZERO,
    Data,
    guest,
    migrated,
    only,
    rows,
    scenario,
    solve,
    topology,
    writer,
)

PAGES = GiB / PAGE
PACKED = PAGE + 8 + 320 / 128
"""Bytes of a page in a full packet [C.1]."""


def moved(group: Data | None = None, **migration: object) -> Data:
    """Move a guest under these settings, all else switched off, and return its row."""
    return migrated(scenario(group or guest(), migration={**QUICK, **migration}))


# --------------------------------------------------------------------------- channels


def test_a_page_in_a_packet_is_ten_and_a_half_bytes_more() -> None:
    """8 bytes of its own and its part of 320 a packet of 128; one thread could do as much."""
    row = moved(multifd=True)
    assert row["sent_bytes"] == pytest.approx(PAGES * PACKED, rel=1e-9)
    assert row["total_time_s"] == pytest.approx(PAGES * PACKED / GiB, rel=1e-9)


@pytest.mark.parametrize("channels", [1, 2, 4, 8])
def test_channels_share_the_cost_of_sending(channels: int) -> None:
    """A thread's time for a page is divided among channels, until the wire is the bottleneck."""
    row = moved(send_page=16e-6, multifd={"channels": channels})
    threads_s, wire_s = PAGES * 16e-6 / channels, PAGES * PACKED / GiB
    assert row["total_time_s"] == pytest.approx(max(threads_s, wire_s), rel=1e-6)


def test_one_channel_is_the_one_thread() -> None:
    """With one channel and the stream's headers, times are those of a single sending thread."""
    group = guest(makeup={"free_zero": 0.5})
    costs = {"scan_zero": 2e-6, "send_page": 3e-6}
    bare = {"packet_header": 0.0, "page_header": float(HEADER), "zero_page": float(ZERO)}
    one = moved(group, **costs, multifd={"channels": 1, **bare})
    single = moved(group, **costs)
    assert one["total_time_s"] == pytest.approx(single["total_time_s"], rel=1e-9)
    assert one["sent_bytes"] == pytest.approx(single["sent_bytes"], rel=1e-9)


def test_channels_scan_zero_pages() -> None:
    """From QEMU 9 on the channels scan: so many times faster, for 10.5 bytes a zero page."""
    zeros = guest(makeup={"free_zero": 1.0})
    for channels in (1, 4):
        row = moved(zeros, scan_zero=4e-6, multifd={"channels": channels})
        size = PAGES * (8 + 320 / 128)
        assert row["sent_bytes"] == pytest.approx(size, rel=1e-9)
        assert row["total_time_s"] == pytest.approx(
            (PAGES * 4e-6 + size / GiB) / channels, rel=1e-6
        )


def test_the_main_thread_scanned_zero_pages_before() -> None:
    """Before, the main thread scanned and sent them: channels did not help, but sent meanwhile."""
    half = guest(makeup={"free_zero": 0.5})
    settings = {"scan_zero": 10e-6, "send_page": 8e-6}
    multifd = {"channels": 4, "zero_page_detection": "legacy"}
    row = moved(half, **settings, multifd=multifd)
    assert row["total_time_s"] == pytest.approx(PAGES / 2 * 10e-6, rel=1e-6)
    assert row["sent_bytes"] == pytest.approx(PAGES / 2 * (PACKED + ZERO), rel=1e-9)


def test_ballooned_pages_are_scanned_by_channels() -> None:
    """The scan of ballooned pages adds to the time, divided among the channels [M.12]."""
    data = scenario(
        guest(makeup={"free_stale": 0.5}), hinting={"use": "balloon-free", "reserve": 0}
    )
    data["migration"] |= {"scan_ballooned": 20e-6}
    alone = migrated(data)
    data["migration"] |= {"multifd": {"channels": 4}}
    four = migrated(data)
    spent = [row["total_time_s"] - row["policy_s"] for row in (alone, four)]
    zero = PAGES / 2
    assert spent[0] == pytest.approx(PAGES / 2 * SLOT / GiB + zero * (20e-6 + ZERO / GiB), rel=1e-4)
    assert spent[1] == pytest.approx(
        PAGES / 2 * PACKED / GiB + zero * (20e-6 / 4 + 10.5 / GiB), rel=1e-4
    )


@pytest.mark.parametrize("channels", [2, 8])
def test_channels_take_the_cpu_that_their_pages_need(channels: int) -> None:
    """Threads take CPU for what they do: here send_page a page, all channels busy."""
    cores = 4
    busy = guest(writer("max", 0.01, work=1e-3, workers=cores), vcpus=cores)
    migration = {**QUICK, "thread_cores": 1.0, "send_page": 64e-6, "downtime_limit": 5.0}
    data = scenario(busy, topology=topology(host={"cores": cores, "memory": 64.0 * GiB}))
    data["migration"] = migration | {"multifd": {"channels": channels}}
    result = solve(data)
    row = only(result)
    share = cores / (cores + channels)
    stream_s = row["total_time_s"] - row["downtime_s"]
    lost = only(result, "guests")["lost_cpu_s"]
    assert lost == pytest.approx((1 - share) * stream_s, rel=1e-3)


# --------------------------------------------------------------------------- compression


def test_compression_trades_bytes_for_time_of_threads() -> None:
    """A page goes in fewer bytes; compressing it takes its channel's time, sending the rest less.

    The time is that of the slower of the two: threads, or wire.
    """
    for per_page, channels in ((1e-6, 4), (100e-6, 4), (100e-6, 16)):
        compression = {"ratio": 4.0, "per_page": per_page}
        row = moved(send_page=8e-6, multifd={"channels": channels, "compression": compression})
        size = PAGES * (PAGE / 4 + 10.5)
        threads_s = PAGES * (8e-6 / 4 + per_page) / channels
        assert row["sent_bytes"] == pytest.approx(size, rel=1e-9)
        assert row["total_time_s"] == pytest.approx(max(threads_s, size / GiB), rel=1e-6)


@pytest.mark.parametrize("name", COMPRESSION)
def test_named_compression_is_its_figures(name: str) -> None:
    """A name stands for a ratio and a time."""
    migration = Migration.model_validate({"multifd": {"compression": name}})
    assert migration.multifd is not None
    assert migration.multifd.compression is not None
    assert migration.multifd.compression.ratio == COMPRESSION[name]["ratio"]
    with pytest.raises(ValidationError, match="did you mean 'zstd'"):
        Migration.model_validate({"multifd": {"compression": "zst"}})


# --------------------------------------------------------------------------- encryption


def test_tls_takes_the_time_of_the_sending_thread() -> None:
    """Encrypting and sending are one thread's work: their times add, wire or not."""
    row = moved(send_page=2e-6, encryption={"rate": 0.5 * GiB})
    assert row["total_time_s"] == pytest.approx(PAGES * (2e-6 + SLOT / (0.5 * GiB)), rel=1e-6)
    assert row["sent_bytes"] == pytest.approx(PAGES * SLOT, rel=1e-9)
    many = moved(send_page=2e-6, encryption={"rate": 0.5 * GiB}, multifd={"channels": 8})
    assert many["total_time_s"] == pytest.approx(PAGES * PACKED / GiB, rel=1e-6)


def test_a_tunnel_is_a_bottleneck_of_its_own() -> None:
    """A tunnel works beside the sending thread: the slower of the two counts, paused or not."""
    row = moved(send_page=2e-6, encryption={"by": "tunnel", "rate": 0.25 * GiB})
    assert row["total_time_s"] == pytest.approx(PAGES * SLOT / (0.25 * GiB), rel=1e-9)
    raw = moved(device_state=0.125 * GiB, encryption={"by": "tunnel", "rate": 0.25 * GiB})
    assert raw["total_time_s"] - row["total_time_s"] == pytest.approx(0.5, rel=1e-6)


def test_a_tunnel_takes_a_thread_more() -> None:
    """Its process runs at either end, on the hosts' CPUs."""
    cores = 4
    busy = guest(writer("max", 0.01, work=1e-3, workers=cores), vcpus=cores)
    data = scenario(busy, topology=topology(host={"cores": cores, "memory": 64.0 * GiB}))
    lost = {}
    for name, encryption in (("none", None), ("tunnel", {"by": "tunnel", "rate": 4.0 * GiB})):
        data["migration"] = {**QUICK, "thread_cores": 1.0, "encryption": encryption}
        result = solve(data)
        stream_s = only(result)["total_time_s"] - only(result)["downtime_s"]
        lost[name] = only(result, "guests")["lost_cpu_s"] / stream_s
    assert lost["none"] == pytest.approx(1 - 4 / 5, rel=1e-3)
    assert lost["tunnel"] == pytest.approx(1 - 4 / 6, rel=1e-3)


# --------------------------------------------------------------------------- deltas


def rewriting(cache: float, *, delta: float = 11.0, **migration: object) -> list[Data]:
    """Rounds of a guest that rewrites a quarter of its GiB in every round, and never converges."""
    everywhere = writer(8.0 * GiB, 0.25, pattern="sequential", workers=64)
    settings = {"hypervisor": "fluid", "max_rounds": 6, "xbzrle": {"cache": cache, "delta": delta}}
    return rows(solve(scenario(guest(everywhere), migration=settings | migration)), "rounds")


def test_a_page_is_a_delta_from_its_third_sending_on() -> None:
    """What is sent again first fills the cache; from then on it is 11 bytes and what changed."""
    rounds = rewriting(0.25 * GiB)
    pages = PAGES / 4
    assert [r["sent_pages"] for r in rounds] == pytest.approx([PAGES] + [pages] * 6, rel=1e-6)
    sizes = [PAGES * PAGE, pages * PAGE, *[pages * 22.0] * 5]
    assert [r["sent_bytes"] for r in rounds] == pytest.approx(sizes, rel=1e-6)


def test_a_cache_too_small_finds_its_share() -> None:
    """Of more pages than it has room for, the cache finds its own share, round after round."""
    rounds = rewriting(0.25 * GiB / 4)
    pages = PAGES / 4
    for r in rounds[2:]:
        assert r["sent_bytes"] == pytest.approx(pages * (22.0 / 4 + PAGE * 3 / 4), rel=1e-6)


def test_deltas_too_long_are_no_deltas() -> None:
    """Where all of a page has changed it is sent whole, and comparing it costs its time."""
    whole = rewriting(0.25 * GiB, delta=float(PAGE), send_page=0.0)
    assert all(r["sent_bytes"] == pytest.approx(r["sent_pages"] * PAGE) for r in whole)
    slow = {"cache": 0.25 * GiB, "delta": float(PAGE), "encode": 20e-6}
    for r in rewriting(0.25 * GiB, xbzrle=slow)[2:]:
        assert r["to_s"] - r["from_s"] == pytest.approx(PAGES / 4 * 20e-6, rel=1e-6)


def test_deltas_are_counted_beside_whole_pages() -> None:
    """Pages are sent whole, as deltas or as zeros, and sum to those sent in all rounds."""
    everywhere = writer(8.0 * GiB, 0.25, pattern="sequential", workers=64)
    settings = {"hypervisor": "fluid", "max_rounds": 4}
    settings["xbzrle"] = {"cache": 0.25 * GiB, "delta": 11.0}
    result = solve(scenario(guest(everywhere), migration=settings))
    row = only(result)
    assert row["delta_pages"] == pytest.approx(3 * PAGES / 4, rel=1e-6)
    assert row["normal_pages"] == pytest.approx(PAGES + PAGES / 4, rel=1e-6)
    sent = sum(r["sent_pages"] for r in rows(result, "rounds"))
    assert row["delta_pages"] + row["normal_pages"] == pytest.approx(sent, rel=1e-9)


def test_deltas_make_a_guest_converge() -> None:
    """Writes that outrun the wire as whole pages do not as deltas."""
    hot = guest(writer(1.5 * GiB, 64.0 * MiB))
    data = scenario(hot, horizon=20.0, migration={**QUICK, "downtime_limit": 0.02})
    assert migrated(data)["outcome"] == "cancelled"
    data["migration"] |= {"xbzrle": {"delta": 11.0}}
    assert migrated(data)["outcome"] == "completed"


@pytest.mark.parametrize("slots", [64, 256, 512, 2048])
def test_the_cache_finds_as_many_pages_as_qemus(slots: int) -> None:
    """Against a page-by-page cache with QEMU's rules: slots by address, two rounds of patience."""
    pages, rate, rounds = 1024, 0.7, 60
    rng = np.random.default_rng(slots)
    owner, age = np.full(slots, -1), np.zeros(slots)
    memory = makeup_of(
        pages=pages, free_zero=0, free_stale=0, cache=0, kernel=0,
        writers=[((TouchClass(pages, 1.0),), "anonymous")],
    ).memory()  # fmt: skip
    frames = memory.writers[0].classes[0].frames
    law = DeltaCache(memory, slots)
    found = expected = 0.0
    for now in range(1, rounds + 1):
        dirty = rng.permutation(np.flatnonzero(rng.random(pages) < 1 - math.exp(-rate)))
        for page in dirty:
            slot = page % slots
            if owner[slot] == page:
                found += now > 10
            elif owner[slot] >= 0 and age[slot] + 2 > now:
                continue
            owner[slot], age[slot] = page, now
        frames.pending = float(len(dirty))
        law.begin_round()
        expected += law.hits([frames]) * (now > 10)
        law.sent(1.0, [frames])
        frames.pending = 0.0
    assert expected == pytest.approx(found, rel=0.05)


# --------------------------------------------------------------------------- together


@pytest.mark.parametrize(
    ("options", "blamed"),
    [
        ({"multifd": True, "xbzrle": {"delta": 11.0}}, "xbzrle does not go with multifd"),
        ({"multifd": True, "encryption": "libvirt-tunnel"}, "a tunnel carries one stream"),
    ],
)
def test_what_does_not_go_together_is_refused(options: Data, blamed: str) -> None:
    """QEMU refuses deltas over channels, and a tunnel carries one stream."""
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate(scenario(migration={**QUICK, **options}))
    assert blamed.split()[-1] in str(caught.value)


def test_options_switched_off_change_nothing() -> None:
    """False, null and left out are the same."""
    plain = Scenario.model_validate(scenario())
    off = scenario(migration={**QUICK, "multifd": False, "xbzrle": None, "encryption": None})
    assert Scenario.model_validate(off).digest() == plain.digest()
