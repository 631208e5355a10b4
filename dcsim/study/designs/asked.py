"""What a study's file may say: the keys, and what they hold; `Design` makes sense of them."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from dcsim.errors import did_you_mean
from dcsim.records.tables import BY_NAME, SUMMARY
from dcsim.scenario.base import Spec, wrong
from dcsim.scenario.quantities import Count, Duration, Positive, Share, Size, written
from dcsim.study.findings.metrics import fault

Kind = Literal[
    "grid", "one-at-a-time", "latin-hypercube", "sobol-sequence", "morris", "saltelli"
]  # fmt: skip
SAMPLED: Final = frozenset({"latin-hypercube", "sobol-sequence", "morris", "saltelli"})
"""Designs whose points are drawn from ranges, so many of them."""
MOST_REPLICATIONS: Final = 10_000


def metric(name: str) -> str:
    """Return the name of a metric; anything else is refused."""
    if found := fault(name):
        raise ValueError("; ".join(found))
    return name


def table(name: str) -> str:
    """Return the name of a table; anything else is refused."""
    if name not in BY_NAME or name == SUMMARY.name:
        legal = [each for each in BY_NAME if each != SUMMARY.name]
        close = did_you_mean(name, legal)
        hint = f"; did you mean '{close}'?" if close else ""
        raise ValueError(f"no table is called {name[:80]!r}; there are {', '.join(legal)}{hint}")
    return name


class How(Spec):
    """How points are chosen from the axes."""

    kind: Kind = "grid"
    size: Annotated[Count, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="points of latin-hypercube and sobol-sequence, trajectories of morris, "
        "samples of saltelli",
    )
    seed: Count = Field(default=1, ge=0, lt=2**63)
    cross: list[str] = Field(
        default=[], description="paths of which every value meets every point that is sampled"
    )

    def _idle(self) -> Collection[str]:
        return () if self.kind in SAMPLED else ("size", "seed", "cross")

    @model_validator(mode="after")
    def _size(self) -> Self:
        if (self.kind in SAMPLED) != (self.size is not None):
            told = "needs size: how many" if self.size is None else "has no size: its axes say all"
            raise wrong(f"{self.kind} {told}", *([] if self.size is None else ["size"]))
        if self.size is None and "seed" in self.model_fields_set:
            raise wrong(f"means nothing for {self.kind}: nothing is drawn", "seed")
        if self.cross and self.kind not in ("latin-hypercube", "sobol-sequence"):
            raise wrong(f"means nothing for {self.kind}", "cross")
        return self


class Replications(Spec):
    """How often each point is run: so many times, or until a metric's mean is known well enough."""

    count: Annotated[Count, Field(ge=1, le=MOST_REPLICATIONS)] | None = Field(
        default=None, description="unset, with no metric either: 5 where anything is random"
    )
    metric: str | None = None
    within: Share = Field(
        default=written("5%"), gt=0, description="half-width of the 95 % interval over the mean"
    )
    least: Count = Field(default=5, ge=3, le=MOST_REPLICATIONS)
    most: Count = Field(default=100, ge=3, le=MOST_REPLICATIONS)

    @field_validator("metric")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        return name and metric(name)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.count is not None and self.metric is not None:
            raise wrong("is a count, or a metric that is to be known; not both", "count")
        idle = {"within", "least", "most"} & self.model_fields_set
        if self.metric is None and idle:
            raise wrong("means nothing without a metric that is to be known", min(idle))
        if self.most < self.least:
            raise wrong(f"must be at least {self.least}, as least is, got {self.most}", "most")
        return self

    def _idle(self) -> Collection[str]:
        return () if self.metric else ("within", "least", "most")


class RunLimits(Spec):
    """What one run may take; one that takes more fails."""

    time: Annotated[Duration, Positive] | None = None
    memory: Annotated[Size, Positive] | None = Field(
        default=None, description="by which a worker grows in one run"
    )


class Asked(Spec):
    """A study's file, but for its scenario, which is read as scenarios are."""

    name: str = Field(default="study", min_length=1, max_length=200)
    about: str = ""
    question: str | None = Field(default=None, min_length=1, max_length=500)
    scenario: Any = Field(description="a shipped name, a file, or a scenario written out")
    set: dict[str, Any] = Field(default={}, description="path -> value, changed in all runs")
    axes: Any = Field(
        default=None,
        description="path -> values; or a list of such, of which paths of one item go together",
    )
    points: Any = Field(
        default=None, description="instead of axes: a CSV file, a column a path and a row a point"
    )
    design: How = written("grid")
    replications: Replications = written({})
    baseline: Any = Field(
        default=None, description="value of the first axis that others are compared with"
    )
    metrics: list[str] = Field(
        default=["network_bytes", "lost_work_s", "makespan_s"],
        min_length=1,
        description="what is looked at unless told otherwise; all are kept",
    )
    tables: list[str] = Field(default=[], description="kept of each run, beside its summary")
    limits: RunLimits = written({})

    @field_validator("design", mode="before")
    @classmethod
    def _kind(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @field_validator("replications", mode="before")
    @classmethod
    def _count(cls, value: Any) -> Any:
        return {"count": value} if isinstance(value, int | float | str) else value

    @field_validator("metrics", "tables")
    @classmethod
    def _names(cls, names: list[str], info: Any) -> list[str]:
        known = metric if info.field_name == "metrics" else table
        return [known(name) for name in dict.fromkeys(names)]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data that JSON can hold."""
        data: dict[str, Any] = json.loads(self.model_dump_json())
        return data
