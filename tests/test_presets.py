"""Shipped hinting policies, hypervisors and limits: what they say, how they are changed."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from dcsim.scenario import presets
from dcsim.scenario.spec import Hinting, Limits, Migration, Step
from dcsim.units import PAGE, GiB

FROM_FILE = {"from_file": True}


def duration(step: Step, pages: float) -> float:
    """Time of telling so many pages, by the formula of the facts [A.2]."""
    blocks = pages / step.block_pages
    kicks = -(-blocks // step.blocks_per_interaction)
    return pages * step.per_page + blocks * step.per_block + kicks * step.per_interaction


def balloon(**changes: Any) -> Step:
    return Hinting.model_validate({"use": "balloon-held", **changes}).steps[0]


# --------------------------------------------------------------------------- the data


def test_legacy_inflation_takes_what_was_measured() -> None:
    """7 GiB by the legacy balloon took 4126 ms; its four parts, 256 pages a kick, give 4.12 s."""
    assert duration(balloon(), 7 * GiB / PAGE) == pytest.approx(4.126, rel=0.005)


def test_bounced_and_free_balloons_cost_the_same_a_page() -> None:
    """The balloon policies differ in what they select and when it returns, not in what it costs."""
    costs = ("block_pages", "blocks_per_interaction", "per_interaction", "per_page", "per_block")
    names = ("balloon-held", "balloon-bounced", "balloon-free", "balloon-partial")
    steps = [Hinting.model_validate(name).steps[0] for name in names]
    assert len({tuple(getattr(step, cost) for cost in costs) for step in steps}) == 1
    assert [step.returned for step in steps] == [
        "destination",
        "at-once",
        "destination",
        "destination",
    ]


def test_huge_blocks_leave_what_each_page_costs() -> None:
    """Told 2 MiB at a time, 7 GiB take little more than the best way measured, 440 to 590 ms."""
    assert duration(balloon(block_pages=512), 7 * GiB / PAGE) == pytest.approx(0.55, abs=0.02)


def test_a_hint_of_free_pages_is_no_slower_than_the_published_runs() -> None:
    """Hinting 1 GiB of free pages takes at most the 39 ms a GiB that v37's slope leaves for all."""
    hint = Hinting.model_validate("free-page-hint").steps[0]
    assert 0.03 < duration(hint, GiB / PAGE) <= 0.039


@pytest.mark.parametrize("name", presets.hinting_names())
def test_every_policy_is_legal_from_a_file_and_reads_back(name: str) -> None:
    """Each shipped policy passes its own check, has its units written out, and survives a dump."""
    policy = Hinting.model_validate(name, context=FROM_FILE)
    assert policy.name == name
    assert [presets.check_step(step) for step in policy.steps] == [None] * len(policy.steps)
    assert Hinting.model_validate(policy.model_dump()) == policy


def test_only_none_sends_zero_pages_whole() -> None:
    """Every policy but the counterfactual finds zero pages."""
    whole = [n for n in presets.hinting_names() if not Hinting.model_validate(n).zero_pages]
    assert whole == ["none"]


@pytest.mark.parametrize("name", presets.hypervisor_names())
def test_every_hypervisor_is_legal_from_a_file_and_reads_back(name: str) -> None:
    """Each hypervisor is complete, and its dump means the same even where nulls are left out."""
    settings = Migration.model_validate(name, context=FROM_FILE)
    assert settings.hypervisor == name
    assert Migration.model_validate(settings.model_dump(exclude_none=True)) == settings


def test_qemu_has_its_own_defaults() -> None:
    """The preset is QEMU's: 128 MiB/s, 300 ms, windows of 100 ms, 8 bytes a page, 9 a zero page."""
    qemu = Migration.model_validate({})
    assert (qemu.max_bandwidth, qemu.downtime_limit, qemu.window) == (134217728.0, 0.3, 0.1)
    assert (qemu.page_header, qemu.zero_page, qemu.max_rounds) == (8.0, 9.0, None)


def test_fluid_costs_nothing_but_bytes() -> None:
    """The preset for comparing simulators has no header, no CPU, no fixed time."""
    fluid = Migration.model_validate("fluid")
    assert fluid.zero_page == PAGE
    free = ("page_header", "device_state", "scan_zero", "send_page", "thread_cores", "activation")
    assert {getattr(fluid, name) for name in free} == {0.0}


@pytest.mark.parametrize("name", presets.limits_names())
def test_every_limit_is_legal_from_a_file_and_reads_back(name: str) -> None:
    """Each operator's limits are legal and survive a dump."""
    limits = Limits.model_validate(name, context=FROM_FILE)
    assert limits.name == name
    assert Limits.model_validate(limits.model_dump(exclude_none=True)) == limits


def test_kubevirt_limits_are_its_defaults() -> None:
    """5 in the cluster, 2 out of a node, 150 s a GiB, 150 s without progress."""
    limits = Limits.model_validate("kubevirt")
    assert (limits.per_cluster, limits.per_host_out, limits.per_host_in) == (5, 2, None)
    assert (limits.completion_timeout_per_gib, limits.progress_timeout) == (150.0, 150.0)


def test_presets_are_described_in_one_line() -> None:
    """Each preset says in one line what it is; a name that is none is refused."""
    tables: list[tuple[presets.Kind, list[str]]] = [
        ("hinting", presets.hinting_names()),
        ("hypervisors", presets.hypervisor_names()),
        ("limits", presets.limits_names()),
        ("downtime-steps", presets.downtime_steps_names()),
        ("operators", presets.operator_names()),
        ("orders", presets.order_names()),
        ("balancers", presets.balancer_names()),
    ]
    texts = [presets.describe(kind, name) for kind, names in tables for name in names]
    assert len(set(texts)) == len(texts) == 61
    assert all(20 < len(text) < 200 and "\n" not in text for text in texts)
    with pytest.raises(ValueError, match="unknown limits 'qemu-10'"):
        presets.describe("limits", "qemu-10")


def test_presets_load_without_pydantic() -> None:
    """Listing presets costs nothing: the module needs the standard library alone."""
    code = "import sys, dcsim.scenario.presets; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_label_cited_is_a_section_of_the_facts(root: Path) -> None:
    """No code and no workload cites a source that docs/facts.md does not give."""
    facts = (root / "docs/facts.md").read_text(encoding="utf-8")
    sections = set(re.findall(r"^#+ \[([A-Z](?:\.\d+)?)\]", facts, re.M))
    assert {"A.2", "C.7", "E.1", "G", "M.9"} <= sections
    files = [*root.glob("dcsim/**/*.py"), *root.glob("workloads/*.yaml"), *root.glob("docs/*.md")]
    cited = {
        label
        for file in files
        for label in re.findall(r"\[([A-GM](?:\.\d+)?)\](?!\()", file.read_text(encoding="utf-8"))
    }
    assert cited - sections == set()


# --------------------------------------------------------------------------- names and changes


def test_changes_go_to_the_steps_and_into_the_name() -> None:
    """A key of a step changes the preset's steps; tables can tell it from the shipped one."""
    policy = Hinting.model_validate({"use": "balloon-held", "reserve": "1GiB", "block_pages": 512})
    assert policy.name == "balloon-held reserve=1GiB block_pages=512"
    assert [(s.reserve, s.block_pages) for s in policy.steps] == [(GiB, 512)]


def test_changes_go_only_where_they_mean_something() -> None:
    """Of a drop followed by a hint, a share concerns the drop and a block the hint."""
    policy = Hinting.model_validate({"use": "guest-drop", "share": 0.5, "block_pages": 512})
    drop, hint = policy.steps
    assert (drop.share, hint.share) == (0.5, 1.0)
    assert (drop.block_pages, hint.block_pages) == (1, 512)


def test_keys_of_the_policy_replace_it() -> None:
    """name, zero_pages and steps given beside use are the policy's own."""
    changes = {"use": "balloon-free", "name": "mine", "zero_pages": False, "steps": []}
    assert presets.resolve_hinting(changes) == {"name": "mine", "zero_pages": False, "steps": []}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("ballon-held", "unknown hinting policy 'ballon-held'.*did you mean 'balloon-held'"),
        ({"use": "zzz"}, "legal names are none, zero-page"),
        ({"use": ["balloon-held"]}, "unknown hinting policy"),
        ({"reserve": "1GiB"}, "name it with use"),
        (
            {"use": "zero-page", "reserve": "1GiB"},
            "reserve means nothing for the policy 'zero-page'",
        ),
        ({"use": "free-page-hint", "share": 0.5}, "share means nothing"),
        ({"use": "balloon-held", "steps": [], "share": 0.5}, "not both"),
    ],
)
def test_what_names_no_policy_is_refused_with_what_would(value: Any, message: str) -> None:
    """An unknown name gets the legal ones; a change that no step takes is refused."""
    with pytest.raises(ValueError, match=message):
        presets.resolve_hinting(value)


def test_a_policy_written_out_passes_unchanged() -> None:
    """Data that names no preset, and anything that is no data, comes back as it is."""
    written = {"name": "mine", "steps": [{"select": ["free"], "tell": "list"}]}
    assert presets.resolve_hinting(written) is written
    policy = Hinting.model_validate("balloon-held")
    assert presets.resolve_hinting(policy) is policy
    assert presets.resolve_migration(policy) is policy
    assert presets.resolve_limits(policy) is policy
    assert presets.resolve_limits({"per_cluster": 3}) == {"per_cluster": 3}


def test_resolving_never_changes_the_tables() -> None:
    """What is resolved may be changed by its reader; the shipped data stays as it is."""
    before = copy.deepcopy((presets.HINTING, presets.HYPERVISORS, presets.LIMITS))
    resolved = presets.resolve_hinting({"use": "guest-drop", "per_page": "1us"})
    resolved["steps"][1]["select"].append("clean-cache")
    presets.resolve_migration("xen")["max_rounds"] = 99
    presets.resolve_limits("kubevirt")["per_cluster"] = 99
    assert before == (presets.HINTING, presets.HYPERVISORS, presets.LIMITS)


def test_a_cap_is_the_hypervisors_unless_given_and_null_lifts_it() -> None:
    """Absent means the hypervisor's own cap, null means none, a rate means that rate."""
    assert Migration.model_validate({"downtime_limit": "1s"}).max_bandwidth == 134217728.0
    assert Migration.model_validate({"max_bandwidth": None}).max_bandwidth is None
    assert Migration.model_validate({"max_bandwidth": "1Gbit/s"}).max_bandwidth == 125e6
    assert Migration.model_validate(None) == Migration.model_validate("qemu-10")


def test_a_hypervisor_is_changed_key_by_key() -> None:
    """Changes go on top of the named hypervisor; its limit on rounds can be lifted."""
    changed = Migration.model_validate({"hypervisor": "xen", "max_rounds": None, "window": "1s"})
    assert (changed.hypervisor, changed.max_rounds, changed.window) == ("xen", None, 1.0)
    assert changed.downtime_limit == Migration.model_validate("xen").downtime_limit


def test_settings_given_whole_stand_for_themselves() -> None:
    """With every setting given the hypervisor is only a name, and what is left out is null."""
    whole = Migration.model_validate("xen").model_dump(exclude={"max_bandwidth", "max_rounds"})
    mine = Migration.model_validate(whole | {"hypervisor": "mine"})
    assert (mine.hypervisor, mine.max_rounds) == ("mine", None)


def test_unknown_hypervisors_and_limits_are_refused() -> None:
    """A misspelt name gets what was meant."""
    with pytest.raises(ValidationError, match="did you mean 'qemu-10'"):
        Migration.model_validate({"hypervisor": "qemu-1"})
    with pytest.raises(ValidationError, match="did you mean 'kubevirt'"):
        Limits.model_validate("kubvirt")


def test_limits_are_changed_key_by_key() -> None:
    """No limits by default; a named set can be changed, and null takes a limit away."""
    assert Limits() == Limits.model_validate(None) == Limits.model_validate("none")
    changed = Limits.model_validate({"use": "kubevirt", "per_cluster": 9, "progress_timeout": None})
    assert (changed.per_cluster, changed.per_host_out, changed.progress_timeout) == (9, 2, None)
    assert changed.name == "kubevirt per_cluster=9"


# --------------------------------------------------------------------------- steps that make sense


STEP = {
    "share": 1.0, "limit": "none", "reserve": 0.0, "block_pages": 1, "blocks_per_interaction": 256,
    "per_interaction": 0.0, "per_page": 0.0, "per_block": 0.0, "deflate_on_oom": True,
    "per_eviction": 0.0, "adapt": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("tell", "select", "returned", "more", "message"),
    [
        ("hint", ["free", "clean-cache"], "migration-end", {}, "cannot select clean-cache"),
        ("report", ["cold-cache"], "on-use", {}, "cannot select cold-cache"),
        ("drop", ["free"], "at-once", {}, "cannot select free"),
        ("map", ["free"], "destination", {}, "cannot select free"),
        ("balloon", ["free"], "migration-end", {}, "legal is at-once, destination"),
        ("hint", ["free"], "at-once", {}, "legal is migration-end"),
        ("report", ["free"], "at-once", {}, "legal is on-use"),
        ("drop", ["clean-cache"], "destination", {}, "legal is at-once"),
        ("map", ["clean-cache"], "at-once", {}, "legal is destination"),
        ("list", ["free", "clean-cache"], "at-once", {}, "must be returned destination"),
        ("balloon", ["cold-cache", "clean-cache"], "at-once", {}, "same pages twice"),
        ("list", ["free", "free"], "at-once", {}, "same pages twice"),
        ("list", ["free"], "at-once", {"share": 0.5}, "selects none"),
        ("list", ["free"], "at-once", {"reserve": 1e9}, "reserve means nothing for 'list'"),
        ("hint", ["free"], "migration-end", {"limit": "mem-free"}, "limit means nothing"),
        ("map", ["clean-cache"], "destination", {"deflate_on_oom": False}, "deflate_on_oom means"),
        ("drop", ["clean-cache"], "at-once", {"block_pages": 512}, "block_pages means nothing"),
        ("drop", ["clean-cache"], "at-once", {"per_block": 1e-6}, "per_block means nothing"),
        ("drop", ["clean-cache"], "at-once", {"per_eviction": 1e-6}, "per_eviction means nothing"),
        ("balloon", ["free"], "at-once", {"per_eviction": 1e-6}, "this step selects none"),
        ("balloon", ["free"], "at-once", {"reserve": 1e9}, "set limit"),
        ("balloon", ["free", "clean-cache"], "at-once", {"limit": "mem-free"}, "counts no cache"),
    ],
)
def test_steps_that_make_no_sense_are_told_why(
    tell: str, select: list[str], returned: str, more: dict[str, Any], message: str
) -> None:
    """Each way of telling has its pages, its times to return them, and its settings."""
    step = SimpleNamespace(**STEP | {"tell": tell, "select": select, "returned": returned} | more)
    assert message in (presets.check_step(step) or "")  # type: ignore[arg-type]


def test_senseless_steps_are_refused_by_the_spec() -> None:
    """The check is part of a step's validation."""
    with pytest.raises(ValidationError, match="cannot be returned at-once"):
        Step.model_validate({"select": ["free"], "tell": "hint", "returned": "at-once"})
