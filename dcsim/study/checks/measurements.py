"""Measured migrations, read from a file: what was set, and what came of it.

The format is JSON lines, a record a migration. Of a record's keys `config` is what was set, in MiB,
pages per second and seconds; `final` is QEMU's last ``query-migrate``; `work_before`, `work_during`
and `work_after` are what the guest achieved; `mem_after_policy` is its /proc/meminfo in KiB. Keys
that are not known are passed by: a record holds much that nobody asks for here.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dcsim.errors import Issue, ScenarioError, did_you_mean
from dcsim.scenario.document import dotted

POLICIES: Final = (
    "none", "fph", "fpr", "balloon-available", "balloon-free", "inflate-deflate", "drop"
)  # fmt: skip
ADDED: Final = ("fph", "fpr")
"""Policies that may be added to another, with a dash: ``drop-fph``."""
MAX_BYTES: Final = 2**30
MAX_ISSUES: Final = 50


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="allow", allow_inf_nan=False, str_max_length=10_000
    )


class Dirtying(_Part):
    """How the guest wrote: `rate` pages a second over `ws_mib`."""

    mode: str = Field(default="off", description="off, uni, hot or seq")
    rate: float = Field(default=0.0, ge=0, le=1e12)
    ws_mib: float = Field(default=0.0, ge=0, le=1e9)
    hot_mib: float = Field(default=0.0, ge=0, le=1e9)
    hot_frac: float = Field(default=0.0, ge=0, le=1)
    wbytes: float = Field(default=8, ge=0, le=4096)


class Reading(_Part):
    """How it read its cached file: `rate` pages a second, uniform or by a Zipf exponent."""

    mode: str = Field(default="off", description="off, uni, zipf or seq")
    rate: float = Field(default=0.0, ge=0, le=1e12)
    theta: float = Field(default=0.0, ge=0, le=3)


class Config(_Part):
    """What was set for one migration. What is left out was off."""

    name: str = Field(max_length=200)
    rep: int = Field(default=0, ge=0)
    smp: int = Field(default=1, ge=1, le=1024)
    ram_mib: float = Field(gt=0, le=1e9)
    anon_mib: float = Field(default=0, ge=0)
    cache_mib: float = Field(default=0, ge=0)
    garbage_mib: float = Field(default=0, ge=0)
    append: str = Field(default="", description="the kernel's command line")
    dirty: Dirtying = Dirtying()
    read: Reading = Reading()
    disk_iops: float = Field(default=0, ge=0, le=1e12, description="0: no limit")
    disk_mibps: float = Field(default=0, ge=0, le=1e9, description="0: no limit")
    policy: str = "none"
    reserve_mib: float = Field(default=0, ge=0)
    bw_mibps: float = Field(default=0, ge=0, le=1e9, description="0: no cap")
    downtime_ms: float = Field(default=300, ge=0, le=1e9)
    caps: tuple[str, ...] = ()
    params: dict[str, Any] = {}
    time_limit_s: float = Field(default=600, gt=0, le=1e7)
    steady_s: float = Field(default=2, ge=0, le=1e7)
    post_s: float = Field(default=3, ge=0, le=1e7)
    postcopy_after_s: float | None = Field(default=None, ge=0)

    @property
    def policies(self) -> list[str]:
        """The policy, and what is added to it.

        Raises
        ------
        ValueError
            If it is not known here.
        """
        base, added = _split(self.policy)
        if base not in POLICIES:
            legal = [*POLICIES, *(f"{name}-{ADDED[0]}" for name in POLICIES[3:])]
            close = did_you_mean(self.policy, legal)
            hint = f"; did you mean '{close}'?" if close else ""
            raise ValueError(
                f"unknown policy {self.policy[:80]!r}; legal are {', '.join(POLICIES)}, "
                f"and with -{' or -'.join(ADDED)} added{hint}"
            )
        return [base, *added]

    def param(self, name: str, default: float = 0.0) -> float:
        """Return a parameter of QEMU's as a number.

        Raises
        ------
        ValueError
            If it is none.
        """
        value = self.params.get(name, default)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ValueError(f"params.{name} is {str(value)[:80]!r}, and no number") from None

    @property
    def link_limited(self) -> bool:
        """Whether the cap was what limited it, and not the processors (below 200 MiB/s)."""
        return 0 < self.bw_mibps < 200


def _split(policy: str) -> tuple[str, list[str]]:
    added: list[str] = []
    while policy not in POLICIES and policy.rpartition("-")[2] in ADDED:
        policy, _, last = policy.rpartition("-")
        added.insert(0, last)
    return policy, added


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of a migration, measured or simulated; NaN where it is not known.

    Attributes
    ----------
    outcome
        ``completed``, ``completed-postcopy``, ``not-converged`` or ``failed``.
    total_time_s, downtime_s, policy_s
        From the first byte to the end; the pause; the policy's preparation.
    sent_bytes, normal_pages, zero_pages, syncs
        On the wire; ``dirty-sync-count``.
    reads_per_s_before, reads_per_s_during, reads_per_s_after
        File pages the guest read in a second.
    free_after_policy_bytes, cache_after_policy_bytes
        MemFree, and Cached, when the policy had prepared.
    """

    outcome: str
    total_time_s: float = math.nan
    sent_bytes: float = math.nan
    normal_pages: float = math.nan
    zero_pages: float = math.nan
    syncs: float = math.nan
    downtime_s: float = math.nan
    policy_s: float = math.nan
    reads_per_s_before: float = math.nan
    reads_per_s_during: float = math.nan
    reads_per_s_after: float = math.nan
    free_after_policy_bytes: float = math.nan
    cache_after_policy_bytes: float = math.nan


class Measurement(_Part):
    """One record of the file."""

    config: Config
    final: dict[str, Any] = {}
    policy_seconds: float | None = None
    work_before: dict[str, Any] | None = None
    work_during: dict[str, Any] | None = None
    work_after: dict[str, Any] | None = None
    mem_after_policy: dict[str, Any] | None = None

    @cached_property
    def figures(self) -> Figures:
        """What was measured."""
        ram = self.final.get("ram")
        ram = ram if isinstance(ram, dict) else {}
        if self.final.get("cancelled") or self.final.get("status") == "cancelled":
            outcome = "not-converged"
        elif self.final.get("status") != "completed":
            outcome = "failed"
        elif self.final.get("postcopy_started_s") is not None:
            outcome = "completed-postcopy"
        else:
            outcome = "completed"
        memory = self.mem_after_policy
        return Figures(
            outcome=outcome,
            total_time_s=_number(self.final, "total_time_ms") / 1e3,
            sent_bytes=_number(ram, "transferred"),
            normal_pages=_number(ram, "normal"),
            zero_pages=_number(ram, "duplicate"),
            syncs=_number(ram, "dirty-sync-count"),
            downtime_s=_number(self.final, "downtime_ms") / 1e3,
            policy_s=math.nan if self.policy_seconds is None else self.policy_seconds,
            reads_per_s_before=_number(self.work_before, "read_ops_s"),
            reads_per_s_during=_number(self.work_during, "read_ops_s"),
            reads_per_s_after=_number(self.work_after, "read_ops_s"),
            free_after_policy_bytes=_number(memory, "MemFree") * 1024,
            cache_after_policy_bytes=_number(memory, "Cached") * 1024,
        )


def _number(data: dict[str, Any] | None, key: str) -> float:
    value = (data or {}).get(key)
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known and value is not None else math.nan


def read(path: str | os.PathLike[str]) -> list[Measurement]:
    """Read a file of measured migrations.

    Parameters
    ----------
    path
        JSON lines, at most 1 GiB.

    Raises
    ------
    ScenarioError
        If a line is no record, or a configuration says what is not known here; all at once, up to
        50.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    name = str(path)
    if path.stat().st_size > MAX_BYTES:
        raise ScenarioError([Issue(file=name, message="is larger than 1 GiB")])
    found: list[Measurement] = []
    issues: list[Issue] = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip() and len(issues) < MAX_ISSUES:
                try:
                    found.append(Measurement.model_validate(json.loads(line)))
                except (ValidationError, ValueError, RecursionError) as error:
                    issues += _issues(error, file=name, line=number)
    if not found and not issues:
        issues.append(Issue(file=name, message="holds no records"))
    if issues:
        raise ScenarioError(issues[:MAX_ISSUES])
    return found


def _issues(error: Exception, *, file: str, line: int) -> list[Issue]:
    if not isinstance(error, ValidationError):
        return [Issue(file=file, line=line, message=f"is not a JSON record: {error}"[:300])]
    return [
        Issue(
            file=file,
            line=line,
            path=dotted(fault["loc"]) or None,
            message=f"{str(fault['input'])[:80]!r}: {fault['msg'].removeprefix('Value error, ')}",
        )
        for fault in error.errors(include_url=False)
    ]
