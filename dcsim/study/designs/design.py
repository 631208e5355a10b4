"""A study as it is asked: a scenario, what is varied in it, and how often each point is run.

A point is known by its number and made when it is looked at, so that a study of a million points
costs no more to hold than its axes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from dcsim.errors import Issue, ScenarioError
from dcsim.scenario.document import Node
from dcsim.scenario.spec import Scenario, sources_in
from dcsim.scenario.validation import issues_of
from dcsim.study.designs.asked import SAMPLED
from dcsim.study.designs.dimension import Dimension, crossed_of, size_of
from dcsim.study.designs.factors import Factor, Value, labels
from dcsim.study.designs.reader import Reader

if TYPE_CHECKING:
    import os

    import numpy as np
    import pandas as pd

    from dcsim.study.designs import sampling


class Design:
    """A study as it is asked.

    Parameters
    ----------
    scenario
        What is run; its seed is where all random numbers come from.
    axes
        Dotted path -> values: a list, or a text such as ``1..16``, ``1Gbit/s..25Gbit/s/12`` (values
        in equal ratios), ``1..1000/4 log`` or ``a, b``. Or a list of such mappings: paths of one
        mapping go together, value by value. Designs that are sampled draw from the whole of a range
        without a number of values.
    points
        Instead of axes: a DataFrame, or a mapping of path -> values, whose rows are the points.
    set
        Path -> value, changed in all runs.
    design
        ``grid`` (every combination), ``one-at-a-time`` (the first values, and each other value
        alone), or ``{"kind": ..., "size": ..., "seed": 1}`` of ``latin-hypercube``,
        ``sobol-sequence`` (so many points), ``morris`` (so many trajectories) or ``saltelli`` (so
        many samples). With ``"cross": ["hinting"]`` every policy meets every point that is sampled
        of the other axes.
    replications
        Of each point; default: 5 where anything is random, else 1. Or ``{"metric": ..., "within":
        "2%", "least": 5, "most": 100}``: until the half-width of its mean's 95 % interval is that.
    baseline
        Value of the first axis that others are compared with.
    metrics
        What is looked at unless told otherwise, the most important first.
    tables
        What is kept of each run beside its summary.
    limits
        ``time`` and ``memory`` that one run may take.
    name, about, question
        For people.

    Raises
    ------
    ScenarioError
        If a key, a path or a value is not legal, with all problems at once.

    Examples
    --------
    >>> import dcsim
    >>> design = dcsim.Design(
    ...     dcsim.load("quick-start"),
    ...     axes={"hinting": ["zero-page", "balloon-held"], "guests[0].memory": "1GiB..4GiB/3"},
    ... )
    >>> len(design), design.changes(3)
    (6, {'hinting': 'balloon-held', 'guests[0].memory': '1GiB'})
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        axes: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        points: pd.DataFrame | Mapping[str, Sequence[Any]] | None = None,
        set: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if not isinstance(points, Mapping | None) and hasattr(points, "columns"):
            points = {str(name): points[name].tolist() for name in points.columns}
        data = {"name": scenario.name, **options, "scenario": "given", "set": set or {}}
        given = {"axes": axes, "points": points}
        data |= {key: value for key, value in given.items() if value is not None}
        self._build(data, scenario, document=None)

    def _build(self, data: dict[str, Any], scenario: Scenario, *, document: Node | None) -> None:
        reader = Reader(scenario, document)
        try:
            self.asked = reader.asked(data)
            self.scenario = reader.base(self.asked)
            self.dimensions = reader.dimensions(self.asked)
            self.rows = reader.rows(self.asked)
            reader.check_size(self)
        except RecursionError:
            reader.blame((), "holds lists or mappings too deep inside each other")
        reader.finish()

    # ----------------------------------------------------------------- what it is

    @classmethod
    def load(cls, source: str | os.PathLike[str]) -> Design:
        """Return the study in a file, or the shipped one of a name; see `studyfile`."""
        from dcsim.study.designs.studyfile import load

        return load(source)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, document: Node | None = None) -> Design:
        """Return the design that plain data describes, as `to_dict` returns them.

        Raises
        ------
        ScenarioError
            If they describe none; all problems at once.
        """
        scenario = data.get("scenario")
        if not isinstance(scenario, Scenario):
            try:
                scenario = Scenario.model_validate(scenario)
            except ValidationError as error:
                raise ScenarioError(issues_of(error, document=None)) from None
        made = cls.__new__(cls)
        made._build({**data, "scenario": "given"}, scenario, document=document)
        return made

    def to_dict(self) -> dict[str, Any]:
        """Return the design as plain data that JSON can hold: its scenario whole, in SI."""
        data = self.asked.to_dict() | {"scenario": self.scenario.to_dict(), "set": {}}
        data["points" if self.rows else "axes"] = self.rows or [
            {
                path: [choice[i] for choice in each.choices]
                if each.span is None
                else each.span.text
                for i, path in enumerate(each.paths)
            }
            for each in self.dimensions
        ]
        return data

    def replace(
        self,
        *,
        axes: Mapping[str, Any] | None = None,
        set: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Design:
        """Return a copy with some axes replaced or added, its scenario or something else changed.

        Parameters
        ----------
        axes
            Path -> values; an axis of that path gives way. Of paths that go together, all or none.
        set
            Path -> value, changed in all runs.
        options
            As for a new one: ``replications``, ``design``, ``metrics``, ...

        Raises
        ------
        ScenarioError
            If the result is no legal study; all problems at once.

        Examples
        --------
        >>> import dcsim
        >>> design = dcsim.Design.load("seed-question").replace(axes={"hinting": ["zero-page"]})
        >>> len(design.factors[0].values)
        1
        """
        data = self.to_dict() | options
        fresh = dict(axes or {})
        if fresh and self.rows:
            raise ScenarioError([Issue(path="axes", message="its points are given as a table")])
        if not self.rows:
            kept = []
            for axis in data["axes"]:
                taken = [path for path in axis if path in fresh]
                others = [path for path in axis if path not in fresh]
                if taken and others:
                    message = f"goes together with {', '.join(others)}"
                    hint = "replace all of them, or none"
                    raise ScenarioError([Issue(path=taken[0], message=message, hint=hint)])
                kept += [{path: fresh.pop(path)} for path in taken] or [axis]
            data["axes"] = [*kept, *({path: values} for path, values in fresh.items())]
        return Design.from_dict(data | {"scenario": self.scenario, "set": dict(set or {})})

    @property
    def digest(self) -> str:
        """A SHA-256 of what is asked, and of what placements and orders of one's own do, as hex."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256((text + sources_in(text)).encode()).hexdigest()

    @property
    def name(self) -> str:
        """What the study is called."""
        return self.asked.name

    @property
    def paths(self) -> tuple[str, ...]:
        """What is varied."""
        return tuple(self.rows) or tuple(
            itertools.chain.from_iterable(each.paths for each in self.dimensions)
        )

    @cached_property
    def factors(self) -> list[Factor]:
        """What is varied, as columns of a frame."""
        called = labels(self.paths)
        if self.rows:
            return [
                Factor(path, called[path], tuple(dict.fromkeys(values)))
                for path, values in self.rows.items()
            ]
        found = []
        for each in self.dimensions:
            shown = each.shown
            if each.span is not None:
                column = self.unit[:, self.sampled.index(each)]
                shown = tuple(each.at(u)[1] for u in sorted(set(column.tolist())))
            for i, path in enumerate(each.paths):
                values = tuple(dict.fromkeys(values[i] for values in shown))
                others = tuple(other for other in each.paths if other != path)
                found.append(Factor(path, called[path], values, others))
        return found

    # ----------------------------------------------------------------- points

    @cached_property
    def sampled(self) -> tuple[Dimension, ...]:
        """The axes that are sampled."""
        return tuple(each for each in self.dimensions if each not in self.crossed)

    @cached_property
    def crossed(self) -> tuple[Dimension, ...]:
        """The axes of which every value meets every point that is sampled."""
        return crossed_of(self.asked.design, self.dimensions)

    @cached_property
    def unit(self) -> np.ndarray:
        """The points of a sampled design in the unit cube: (points, axes)."""
        from dcsim.study.designs.sampling import unit_points

        how = self.asked.design
        assert how.size is not None
        kind = cast("sampling.Kind", how.kind)
        return unit_points(kind, dimensions=len(self.sampled), size=how.size, seed=how.seed)

    def __len__(self) -> int:
        """How many points there are."""
        if self.rows:
            return len(next(iter(self.rows.values())))
        return size_of(self.asked.design, self.dimensions)

    def changes(self, point: int) -> dict[str, Any]:
        """Return what a point changes in the scenario."""
        return self._at(point)[0]

    def shown(self, point: int) -> dict[str, Value]:
        """Return what a frame has of a point."""
        return self._at(point)[1]

    def _at(self, point: int) -> tuple[dict[str, Any], dict[str, Value]]:
        if self.rows:
            row = {path: values[point] for path, values in self.rows.items()}
            return row, row
        changes: dict[str, Any] = {}
        shown: dict[str, Value] = {}
        for each, (values, names) in zip(self.dimensions, self._chosen(point), strict=True):
            changes.update(zip(each.paths, values, strict=True))
            shown.update(zip(each.paths, names, strict=True))
        return changes, shown

    def _chosen(self, point: int) -> Iterator[tuple[tuple[Any, ...], tuple[Value, ...]]]:
        row: list[float] = []
        gridded = self.dimensions
        if self.asked.design.kind in SAMPLED:
            point, drawn = divmod(point, len(self.unit))
            row, gridded = self.unit[drawn].tolist(), self.crossed
        coordinates, indexes = iter(row), iter(self._indexes(point, gridded))
        for each in self.dimensions:
            if each in gridded:
                i = next(indexes)
                yield each.choices[i], each.shown[i]
            else:
                yield each.at(next(coordinates))

    def _indexes(self, point: int, dimensions: Sequence[Dimension]) -> list[int]:
        """Return which choice of each axis a point has; the last axis varies first."""
        sizes = [len(each.choices) for each in dimensions]
        if self.asked.design.kind == "one-at-a-time":
            found, left = [0] * len(sizes), point
            for k, size in enumerate(sizes):
                if 0 < left < size:
                    found[k] = left
                left -= size - 1
            return found
        found = []
        for size in reversed(sizes):
            point, i = divmod(point, size)
            found.append(i)
        return found[::-1]

    def __repr__(self) -> str:
        """Say what it is of, in one line."""
        varied = ", ".join(self.paths) or "nothing"
        return f"<Design of {self.name}: {len(self):,} points of {varied}>"
