"""Measured migrations: read, turned into scenarios, and compared with what the model says."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dcsim.cli import application
from dcsim.errors import ScenarioError
from dcsim.scenario.spec import Scenario
from dcsim.study.checks import measurements, testbed
from dcsim.study.checks.measurements import Config, Measurement
from dcsim.study.checks.testbed import Testbed
from dcsim.study.checks.verify import Bound, Verification, verify
from dcsim.units import PAGE, MiB

SMALL: dict[str, Any] = {
    "name": "small", "rep": 1, "ram_mib": 256, "anon_mib": 64, "bw_mibps": 64,
    "dirty": {"mode": "uni", "rate": 1000, "ws_mib": 32}, "time_limit_s": 30,
}  # fmt: skip
CACHED: dict[str, Any] = {
    "name": "cached", "rep": 1, "ram_mib": 512, "anon_mib": 64, "cache_mib": 128, "bw_mibps": 64,
    "read": {"mode": "uni", "rate": 800}, "disk_iops": 500, "policy": "balloon-available",
    "reserve_mib": 24,
}  # fmt: skip


def record(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A record whose measured figures are those of the model, but for the changes."""
    model = verify([Measurement.model_validate({"config": config})]).comparisons[0].model
    ram = {
        "transferred": model.sent_bytes,
        "normal": model.normal_pages,
        "duplicate": model.zero_pages,
        "dirty-sync-count": model.syncs,
    }
    final = {
        "status": "completed",
        "total_time_ms": model.total_time_s * 1e3,
        "downtime_ms": model.downtime_s * 1e3,
        "ram": ram,
    }
    data = {
        "config": config,
        "final": final,
        "policy_seconds": model.policy_s,
        "work_during": {"read_ops_s": model.reads_per_s_during},
        "work_after": {"read_ops_s": model.reads_per_s_after},
    }
    for path, value in changes.items():
        *holders, key = path.split("__")
        part = data
        for holder in holders:
            part = part[holder]
        part[key] = value
    return data


def compare(*records: dict[str, Any]) -> Verification:
    """Compare records with the model."""
    return verify([Measurement.model_validate(r) for r in records])


def write(path: Path, *records: Any) -> Path:
    """Write records as JSON lines."""
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


# --------------------------------------------------------------------------- reading


def test_a_file_gives_its_records_in_order(tmp_path: Path) -> None:
    """Empty lines are passed by, and what is not known is left alone."""
    path = write(tmp_path / "runs.jsonl", record(SMALL, config__extra=1), record(CACHED))
    path.write_text(path.read_text().replace("\n", "\n\n"))
    read = measurements.read(path)
    assert [m.config.name for m in read] == ["small", "cached"]
    assert read[1].config.read.rate == 800


def test_every_fault_of_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    """A line that is no JSON, a value out of its range and one that is missing: all at once."""
    nameless = {key: value for key, value in SMALL.items() if key != "name"}
    faulty = [{"config": SMALL | {"ram_mib": -1}}, {"config": nameless}]
    path = write(tmp_path / "runs.jsonl", *faulty)
    path.write_text("{no json\n" + path.read_text())
    with pytest.raises(ScenarioError) as error:
        measurements.read(path)
    assert [issue.line for issue in error.value.issues] == [1, 2, 3]
    assert [issue.path for issue in error.value.issues[1:]] == ["config.ram_mib", "config.name"]


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """It holds nothing to compare."""
    with pytest.raises(ScenarioError, match="holds no records"):
        measurements.read(write(tmp_path / "runs.jsonl"))


@pytest.mark.parametrize(
    ("final", "outcome"),
    [
        ({"status": "completed"}, "completed"),
        ({"status": "completed", "postcopy_started_s": 3.0}, "completed-postcopy"),
        ({"status": "cancelled"}, "not-converged"),
        ({"status": "active", "cancelled": True}, "not-converged"),
        ({"status": "failed"}, "failed"),
        ({}, "failed"),
    ],
)
def test_outcomes_are_what_qemu_said(final: dict[str, Any], outcome: str) -> None:
    """The last status, and whether it was cancelled for want of convergence."""
    measured = Measurement.model_validate({"config": SMALL, "final": final}).figures
    assert measured.outcome == outcome
    assert math.isnan(measured.sent_bytes)


@pytest.mark.parametrize(
    ("policy", "parts"),
    [
        ("none", ["none"]),
        ("drop-fph", ["drop", "fph"]),
        ("fpr", ["fpr"]),
        ("inflate-deflate-fph", ["inflate-deflate", "fph"]),
        ("balloon-available-fpr", ["balloon-available", "fpr"]),
    ],
)
def test_hints_and_reports_are_added_to_other_policies(policy: str, parts: list[str]) -> None:
    """With a dash: the steps of both are taken."""
    config = Config.model_validate(SMALL | {"policy": policy})
    assert config.policies == parts
    scenario = Scenario.model_validate(Testbed().scenario(config))
    tells = {"none": [], "drop": ["drop"], "fph": ["hint"], "fpr": ["report"]}
    expected = [tell for part in parts for tell in tells.get(part, ["balloon"])]
    assert [step.tell for step in scenario.hinting.steps] == expected


# --------------------------------------------------------------------------- the testbed


def test_the_makeup_of_a_guest_sums_to_its_memory() -> None:
    """What was set, and the kernel's own; what garbage leaves of free memory was never used."""
    config = Config.model_validate(CACHED | {"garbage_mib": 100})
    scenario = Scenario.model_validate(Testbed().scenario(config))
    group = scenario.guests[0]
    pages = group.memory / PAGE
    assert pages == 512 * 256 + Testbed().rom_pages
    makeup = group.workload.memory
    assert makeup.cache * pages == pytest.approx(128 * 256)
    assert makeup.free_stale * pages == pytest.approx(100 * 256 + Testbed().stale_pages)
    assert makeup.anonymous * pages == pytest.approx(64 * 256 + Testbed().background_pages)


def test_what_was_set_reaches_the_scenario() -> None:
    """Bandwidth, downtime, disk, reserve, rates."""
    scenario = Scenario.model_validate(Testbed().scenario(Config.model_validate(CACHED)))
    assert scenario.migration.max_bandwidth == 64 * MiB
    assert scenario.migration.downtime_limit == 0.3
    assert scenario.topology.storage.latency == 1 / 500
    assert scenario.hinting.steps[0].reserve == 24 * MiB - Testbed().counted_pages * PAGE
    read = scenario.guests[0].workload.activities[-1]
    assert (read.do, read.rate, read.set) == ("read", 800 * PAGE, 128 * MiB)


def test_capabilities_and_parameters_become_settings() -> None:
    """QEMU's names and percents, and ours; what is not known is left out, and said."""
    config = Config.model_validate(
        SMALL
        | {
            "caps": ["auto-converge", "xbzrle", "zero-copy-send"],
            "params": {"cpu-throttle-initial": 30, "xbzrle-cache-size": 2**20},
            "postcopy_after_s": 3,
        }
    )
    migration = Scenario.model_validate(Testbed().scenario(config)).migration
    assert migration.auto_converge is not None
    assert (migration.auto_converge.initial, migration.auto_converge.increment) == (0.3, 0.1)
    assert migration.xbzrle is not None
    assert (migration.xbzrle.cache, migration.xbzrle.delta) == (2**20, 8 + 3)
    assert migration.post_copy is not None
    assert migration.post_copy.after == 3
    assert Testbed().not_modelled(config) == ["zero-copy-send"]
    channels = Config.model_validate(SMALL | {"caps": ["multifd"], "params": {}})
    migration = Scenario.model_validate(Testbed().scenario(channels)).migration
    assert migration.multifd is not None
    assert migration.multifd.channels == 2


def test_capabilities_that_are_not_known_are_told() -> None:
    """The run is compared as if they were off, and its row says so."""
    (one,) = compare(record(SMALL | {"caps": ["zero-copy-send"]})).comparisons
    assert one.model.outcome == "completed"
    assert one.message == "zero-copy-send left out"
    (none,) = compare({"config": SMALL | {"caps": ["multifd"], "params": {"multifd-channels": "x"}}}
                      ).comparisons  # fmt: skip
    assert none.model.outcome == "failed"
    assert "multifd-channels" in none.message


def test_a_testbed_is_a_file_of_constants(tmp_path: Path) -> None:
    """Those left out are the shipped ones; what is wrong is told with its line."""
    path = tmp_path / "mine.yaml"
    path.write_text("scan_zero: 1us\nkernel_pages: 9000\n")
    mine = testbed.load(path)
    assert (mine.scan_zero, mine.kernel_pages) == (1e-6, 9000)
    assert mine.send_page == Testbed().send_page
    path.write_text("inflate: 3us\nscan_zeros: 1us\nsend_page: 3\n")
    with pytest.raises(ScenarioError) as error:
        testbed.load(path)
    assert sorted((issue.line, issue.path) for issue in error.value.issues) == [
        (2, "scan_zeros"), (3, "send_page"),
    ]  # fmt: skip
    assert "did you mean 'scan_zero'?" in str(error.value)


# --------------------------------------------------------------------------- comparing


def test_a_model_that_is_right_has_no_errors() -> None:
    """What it says itself, measured: nothing is out of bounds, and every error is 0."""
    verification = compare(record(SMALL), record(CACHED))
    assert verification.broken == []
    errors = verification.summary["errors"]
    assert errors["total_time_s"]["runs"] == 2
    assert errors["reads_per_s_during"]["runs"] == 1
    assert all(each["largest_abs_error"] == pytest.approx(0, abs=1e-9) for each in errors.values())


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"final__total_time_ms": 8000}, "total_time_s: small rep 1"),
        ({"final__ram__normal": 1e5}, "normal_pages: small rep 1"),
        ({"final__ram__dirty-sync-count": 40}, "syncs: small rep 1"),
        ({"final__status": "cancelled"}, "outcome: small was not-converged"),
    ],
)
def test_a_figure_out_of_its_bound_is_told(changes: dict[str, Any], broken: str) -> None:
    """With the run's name and repetition."""
    assert any(broken in words for words in compare(record(SMALL, **changes)).broken)


def test_one_sync_more_or_less_does_not_matter() -> None:
    """Of few syncs, a fifth is less than one."""
    syncs = record(SMALL)["final"]["ram"]["dirty-sync-count"]
    changed = record(SMALL, **{"final__ram__dirty-sync-count": syncs + 1})
    assert compare(changed).broken == []


def test_repetitions_that_differ_excuse_an_error() -> None:
    """A run that took 2 and 8 s cannot be predicted better than that; the median still can be."""
    own = record(SMALL)["final"]["total_time_ms"]
    slow = record(SMALL | {"rep": 2}, final__total_time_ms=4 * own)
    verification = compare(record(SMALL), slow)
    assert verification.spread("small", "total_time_s") == pytest.approx(3.0)
    assert not any("rep 2" in words for words in verification.broken)


def test_first_repetitions_and_fast_links_are_not_asked_of() -> None:
    """The machine was busy, or the processors were what limited it."""
    first = record(SMALL | {"rep": 0}, final__total_time_ms=1)
    fast = record(SMALL | {"bw_mibps": 1000}, final__total_time_ms=1)
    verification = compare(first, fast)
    assert verification.errors(Bound("total_time_s")) == []
    assert verification.broken == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"anon_mib": 999}, "do not fit into 256 MiB"),
        ({"policy": "ballon-free"}, "did you mean 'balloon-free'?"),
        ({"dirty": {"mode": "random", "rate": 1, "ws_mib": 1}}, "legal are off, uni, hot and seq"),
        ({"read": {"mode": "random", "rate": 1}}, "legal are off, uni, zipf and seq"),
    ],
)
def test_a_configuration_that_makes_no_scenario_is_a_row(
    changes: dict[str, Any], message: str
) -> None:
    """It says why; the others are compared all the same."""
    verification = compare(record(SMALL), {"config": SMALL | changes})
    failed = verification.comparisons[1]
    assert failed.model.outcome == "failed"
    assert message in failed.message
    assert verification.comparisons[0].model.outcome == "completed"


def test_a_pattern_of_writes_decides_the_rounds() -> None:
    """A hot set is written over and over: fewer distinct pages than a uniform one of its rate."""
    uniform = SMALL | {"dirty": {"mode": "uni", "rate": 8000, "ws_mib": 60}}
    hot = {"mode": "hot", "rate": 8000, "ws_mib": 60, "hot_mib": 2, "hot_frac": 0.95}
    both = compare({"config": uniform}, {"config": SMALL | {"dirty": hot}}).comparisons
    assert both[1].model.sent_bytes < 0.9 * both[0].model.sent_bytes


# --------------------------------------------------------------------------- the command


def test_the_command_prints_runs_and_errors(tmp_path: Path) -> None:
    """A table, the errors, and that all is well."""
    path = write(tmp_path / "runs.jsonl", record(SMALL), record(CACHED))
    done = CliRunner().invoke(application(), ["verify", str(path)])
    assert done.exit_code == 0, done.output
    assert "cached" in done.output
    assert "Everything is within its bound." in done.output


def test_the_command_gives_json_of_every_run(tmp_path: Path) -> None:
    """Model and measured side by side, and null where nothing was measured."""
    path = write(tmp_path / "runs.jsonl", record(SMALL))
    done = CliRunner().invoke(application(), ["verify", str(path), "--json"])
    data = json.loads(done.output)
    (run,) = data["runs"]
    assert run["name"] == "small"
    assert run["measured"]["sent_bytes"] == pytest.approx(run["sent_bytes"])
    assert run["measured"]["free_after_policy_bytes"] is None
    assert data["summary"]["out_of_bounds"] == []


def test_the_command_fails_on_a_bound_when_asked_to(tmp_path: Path) -> None:
    """With --strict the exit code is 3; the table is printed all the same."""
    path = write(tmp_path / "runs.jsonl", record(SMALL, final__total_time_ms=8000))
    assert CliRunner().invoke(application(), ["verify", str(path)]).exit_code == 0
    strict = CliRunner().invoke(application(), ["verify", str(path), "--strict"])
    assert strict.exit_code == 3
    assert "total_time_s: small rep 1" in strict.output
