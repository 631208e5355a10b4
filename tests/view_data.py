"""Made-up runs for the tests of the view: small, their books balanced, the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcsim.records.recorder import Recorder
from dcsim.records.result import Result
from dcsim.records.tables import GUESTS, MIGRATIONS
from dcsim.study.comparisons.study import Run, Study
from dcsim.units import PAGE, GiB, MiB

POLICIES = {
    # share of memory skipped, share read again later, preparation s/GiB, cache misses s/GiB
    "none": (0.0, 0.0, 0.0, 0.0),
    "zero-page": (0.18, 0.0, 0.0, 0.0),
    "free-page-hint": (0.27, 0.0, 0.05, 0.0),
    "clean-cache-hint": (0.52, 0.06, 0.08, 0.5),
    "balloon-held": (0.55, 0.11, 0.62, 1.1),
    "balloon-bounced": (0.55, 0.16, 1.25, 1.6),
    "disk-map": (0.52, 0.0, 0.06, 0.2),
    "guest-drop": (0.56, 0.21, 0.12, 2.2),
}
CAPACITY = 2.9375e9
DIGEST = "5f" * 32


def fake_result(
    variant: str = "balloon-held",
    *,
    replicate: int = 0,
    guests: int = 24,
    sources: int = 4,
    record: str = "full",
    names: dict[int, str] | None = None,
    failing: bool = True,
) -> Result:
    """Return one made-up run of draining a rack; *names* renames some guests."""
    skip, again, prepare, misses = POLICIES.get(variant, POLICIES["zero-page"])
    noise = np.random.default_rng([replicate, 7])
    tell = Recorder(record)  # type: ignore[arg-type]
    free_at = np.zeros((sources, 2))
    rates: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for index in range(guests):
        host = index % sources
        kind = ("web", "database", "cache")[index % 3]
        memory = float((4, 8, 16)[index % 3]) * GiB
        who = {"guest": (names or {}).get(index, f"{kind}-{index // 3}"), "group": kind}
        move = {**_zeros(MIGRATIONS), **who, "hinting": variant, "source": f"rack0/host{host}"}
        move |= {"memory_bytes": memory, "dirty_bytes_per_s": np.nan}
        tally = {**_zeros(GUESTS), **who, "hinting": variant, "memory_bytes": memory}
        if failing and index % 11 == 10:
            never = dict.fromkeys(("started_s", "stream_s", "bandwidth_bytes_per_s"), np.nan)
            move |= {"outcome": "not-movable", "reason": "it is pinned to its host"}
            tell.add("migrations", **move | never)
            tell.add("guests", **tally, host=move["source"])
            continue
        stuck = failing and index % 9 == 8
        slot = int(np.argmin(free_at[host]))
        started = float(free_at[host, slot])
        stream = started + 0.2 + prepare * memory / GiB * float(noise.uniform(0.8, 1.2))
        rate = CAPACITY / 2 * float(noise.uniform(0.7, 1.0))
        dirty = (0.97 if stuck else 0.22) * rate
        now, pending, number = stream, memory * (1 - skip), 0
        sent_by = {"first pass": 0.0, "re-sent": 0.0, "switch-over": 0.0}
        while True:
            number += 1
            last = not stuck and number > 1 and pending <= 0.3 * rate
            phase = "first pass" if number == 1 else "switch-over" if last else "re-sent"
            took = pending / rate
            dirtied = 0.0 if last else min(dirty * took, 0.4 * memory)
            tell.add(
                "rounds", guest=who["guest"], started_s=started, round=number, kind=phase,
                from_s=now, to_s=now + took, pending_pages=pending / PAGE, sent_bytes=pending,
                sent_pages=pending / PAGE, dirtied_pages=dirtied / PAGE,
                threshold_bytes=0.0 if last else 0.3 * rate,
            )  # fmt: skip
            for link in (f"{move['source']}->leaf0", f"leaf0->spine{index % 2}"):
                steps = rates.setdefault((link, phase), [])
                steps += [(now, rate), (now + took, -rate)]
            sent_by[phase] += pending
            now, pending = now + took, dirtied
            if last or (stuck and number == 9):
                break
        pause, ended = (0.0, now) if stuck else (took + 0.05, now + 0.05)
        destination = f"rack{1 + index % 3}/host{index % 5}"
        move |= {
            "destination": destination,
            "outcome": "aborted-no-progress" if stuck else "completed",
            "reason": "what was left had not fallen for 150 s" if stuck else "",
            "started_s": started,
            "stream_s": stream,
            "ended_s": ended,
            "total_time_s": ended - started,
            "policy_s": stream - started - 0.2,
            "downtime_s": pause,
            "unreachable_s": 0.1 * (not stuck),
            "rounds": number - (not stuck),
            "sent_bytes": sum(sent_by.values()),
            "first_pass_bytes": sent_by["first pass"],
            "resent_bytes": sent_by["re-sent"],
            "switchover_bytes": sent_by["switch-over"],
            "prefetch_bytes": 0.3 * memory if variant == "disk-map" else 0.0,
            "skipped_pages": max(0.0, skip - 0.18) * memory / PAGE,
            "interactions": 40,
            "left_bytes": pending,
            "dirty_bytes_per_s": dirty,
            "bandwidth_bytes_per_s": rate,
        }
        tell.add("migrations", **move)
        lost = {
            "lost_blackout_s": pause,
            "lost_cpu_s": 0.4 * prepare * memory / GiB,
            "lost_write_fault_s": 0.02 * (ended - stream),
            "lost_cache_miss_s": misses * memory / GiB * float(noise.uniform(0.5, 1.5)),
            "lost_network_s": 0.01 * (ended - stream),
        }
        total = sum(lost.values())
        tally |= lost | {
            "host": destination,
            "moves": int(not stuck),
            "lost_work_s": total,
            "blackout_s": pause,
            "degraded10_s": 2 * total + 1,
            "extra_refault_bytes": again * memory * float(noise.uniform(0.7, 1.3)),
        }
        tell.add("guests", **tally)
        detail = f"to {destination}"
        tell.add("events", time_s=started, event="admitted", subject=who["guest"], detail=detail)
        free_at[host, slot] = ended
    for (link, phase), steps in rates.items():
        steps.sort()
        times = np.array([time for time, _ in steps])
        level = np.cumsum([change for _, change in steps]).clip(0)
        place = "host" if "host" in link else "uplink"
        tell.add(
            "links", link=link, kind=phase, capacity_bytes_per_s=CAPACITY * (1 + (place != "host")),
            carried_bytes=float(np.sum(level[:-1] * np.diff(times))), **{"class": place},
        )  # fmt: skip
        for time, value in zip(times, level, strict=True):
            tell.add("link_rates", link=link, kind=phase, time_s=time, rate_bytes_per_s=value)
    for host in range(sources):
        tell.add(
            "hosts", host=f"rack0/host{host}", rack="rack0", cores=32, memory_bytes=256.0 * GiB
        )
    simulated = float(free_at.max()) + 60
    return Result(
        scenario=scenario(record),
        digest=DIGEST,
        seed=1 + replicate,
        replicate=replicate,
        columns=tell.finish(tell.summarise(operation_at_s=0.0, simulated_s=simulated)),
    )


def fake_study(
    policies: list[str] | None = None, *, replications: int = 3, **options: Any
) -> Study:
    """Return a made-up study of *policies*, each with so many replicates."""
    return Study(
        name="rack-drain",
        runs=tuple(
            Run(name, name, {}, DIGEST, k, 1 + k, fake_result(name, replicate=k, **options))
            for name in (list(POLICIES) if policies is None else policies)
            for k in range(replications)
        ),
        random=("arrival of guests",),
    )


def scenario(record: str = "full") -> dict[str, Any]:
    """Return a scenario as plain data."""
    return {
        "name": "rack-drain",
        "about": "A rack of guests is moved elsewhere.",
        "seed": 1,
        "horizon": 3600.0,
        "topology": {"kind": "leaf-spine", "leaves": 4, "hosts_per_leaf": 5, "host_link": 3.125e9},
        "guests": [{"name": "web", "workload": {"name": "web-server"}, "count": 8}],
        "migration": {
            "hypervisor": "qemu-10", "max_bandwidth": 1.5e9, "downtime_limit": 0.3, "window": 0.1,
            "page_header": 8.0, "zero_page": 9.0, "scan_zero": 7.3e-7, "send_page": 1e-6,
            "activation": 0.05, "device_state": 1.0 * MiB,
        },
        "operation": {"kind": "drain", "hosts": "rack0/*", "at": 0.0, "limits": {"name": "none"}},
        "record": record,
    }  # fmt: skip


def changed(result: Result, table: str, **columns: list[Any]) -> Result:
    """Return a copy of a result with some columns of a table replaced."""
    tables = {**result.columns, table: {**result.columns[table], **columns}}
    return Result(
        scenario=result.scenario,
        digest=result.digest,
        seed=result.seed,
        replicate=result.replicate,
        columns=tables,
    )


def _zeros(table: Any) -> dict[str, Any]:
    return {c.name: 0 if c.kind == "int" else 0.0 for c in table.columns if c.kind != "text"}
