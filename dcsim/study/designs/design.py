"""A study as it is asked: a scenario, what is varied in it, and how often each point is run.

A point is known by its number and made when it is looked at, so that a study of a million points
costs no more to hold than its axes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import ValidationError

from dcsim.errors import Issue, ScenarioError, did_you_mean
from dcsim.records.tables import record_that_keeps
from dcsim.scenario.document import DataPath, Node, dotted
from dcsim.scenario.paths import get_path
from dcsim.scenario.spec import Scenario, sources_in
from dcsim.scenario.validation import issues_of
from dcsim.study.designs import ranges
from dcsim.study.designs.asked import SAMPLED, Asked, How
from dcsim.study.designs.factors import Factor, Value, labels

if TYPE_CHECKING:
    import os

    import numpy as np
    import pandas as pd

    from dcsim.study.designs import sampling
    from dcsim.study.designs.sampling import Span

MOST_POINTS: Final = 1_000_000
"""Points of a study."""
_MOST_CHECKED: Final = 1_000
"""Points of a table that are looked at before anything runs; others fail as runs."""
_COMPANY: Final = 64
"""Points in which a value that is not legal by itself may turn out to be."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One axis: paths that are varied together, over some choices or the whole of a span.

    Parameters
    ----------
    paths
        One, or several that go together.
    choices
        Values as `Scenario.replace` takes them, one a path; empty where there is a span.
    shown
        What a frame has for each of them.
    span
        What a sampled design draws from.
    """

    paths: tuple[str, ...]
    choices: tuple[tuple[Any, ...], ...] = ()
    shown: tuple[tuple[Value, ...], ...] = ()
    span: Span | None = None

    def at(self, coordinate: float) -> tuple[tuple[Any, ...], tuple[Value, ...]]:
        """Return values, and what a frame has for them, at a coordinate from 0 to 1."""
        if self.span is not None:
            value = self.span.at(coordinate)
            return (value,), (value,)
        from dcsim.study.designs.sampling import pick

        i = pick(coordinate, range(len(self.choices)))
        assert isinstance(i, int)
        return self.choices[i], self.shown[i]


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
        reader = _Reader(scenario, document)
        try:
            self.asked = read_asked(data, document=document)
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
            Path -> values; an axis of that path, with what goes together with it, gives way.
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
        return _crossed(self.asked.design, self.dimensions)

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
        return _size(self.asked.design, self.dimensions)

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


def read_asked(data: dict[str, Any], *, document: Node | None) -> Asked:
    """Return what plain data ask, or all that is wrong with them.

    Raises
    ------
    ScenarioError
        If a key or what it holds is not legal.
    """
    try:
        return Asked.model_validate(data, context={"from_file": document is not None})
    except ValidationError as error:
        raise ScenarioError(issues_of(error, document=document, whole=Asked)) from None


class _Reader:
    """Reads what is varied, and keeps what is wrong with it."""

    def __init__(self, scenario: Scenario, document: Node | None) -> None:
        self.scenario = scenario
        self.document = document
        self.issues: list[Issue] = []

    def blame(self, path: DataPath, message: str, hint: str | None = None) -> None:
        """Note what is wrong with what stands at a path of the study."""
        place = self.document.at(path)._asdict() if self.document else {}
        issue = Issue(**place, path=dotted(path), message=message, hint=hint)
        if issue not in self.issues:
            self.issues.append(issue)

    def finish(self) -> None:
        """Tell all that is wrong, if anything is."""
        if self.issues:
            raise ScenarioError(self.issues)

    def base(self, asked: Asked) -> Scenario:
        """Return the scenario of all runs before anything is varied, with as much as is kept."""
        keeps = ["summary", *map(record_that_keeps, asked.tables)]
        most = max(keeps, key=("summary", "migrations", "full").index)
        for path, value in asked.set.items():
            try:
                self.scenario = self.scenario.replace({path: value})
            except ScenarioError as error:
                self._pass_on(error, ("set", path), path)
        self.scenario = self.scenario.replace({"record": most})
        return self.scenario

    def _pass_on(self, error: ScenarioError, at: DataPath, path: str) -> None:
        for issue in error.issues:
            within = f"{issue.path}: " if issue.path and issue.path != path else ""
            self.blame(at, f"{within}{issue.message}", issue.hint)

    # ----------------------------------------------------------------- axes

    def dimensions(self, asked: Asked) -> tuple[Dimension, ...]:
        """Return the axes."""
        if (asked.axes is None) == (asked.points is None):
            told = "is given beside points" if asked.points is not None else "is missing"
            self.blame(("axes",), told, "give axes, or a table of points")
            return ()
        found = []
        cross = set(asked.design.cross)
        taken: dict[str, DataPath] = {}
        for at, item in self._items(asked.axes):
            for path in item:
                if path in taken:
                    self.blame((*at, path), "is varied twice")
                elif path in ("seed", "record"):
                    why = "replications vary it" if path == "seed" else "tables say what is kept"
                    self.blame((*at, path), f"is not varied: {why}")
                taken[path] = at
            sampled = asked.design.kind in SAMPLED and cross.isdisjoint(item)
            each = self._dimension(item, at, sampled=sampled)
            if each is not None:
                found.append(each)
        for path in sorted(cross - set(taken)):
            self.blame(("design", "cross"), f"{path[:80]!r} is not varied")
        if found and cross and len(_crossed(asked.design, found)) == len(found):
            self.blame(("design", "cross"), "leaves nothing to be sampled")
        if (size := _size(asked.design, found)) > MOST_POINTS:  # before any is looked at
            self.blame(("axes",), f"has {size:,} points; {MOST_POINTS:,} are the most")
        if self.issues:
            return ()
        return tuple(
            Dimension(each.paths, each.choices, self._checked(each, k, found), each.span)
            for k, each in enumerate(found)
        )

    def _items(self, axes: Any) -> Iterator[tuple[DataPath, dict[str, Any]]]:
        """Yield where each axis stands, and its paths with their values."""
        if axes is None:
            return
        if isinstance(axes, Mapping) and axes:
            for path, values in axes.items():
                yield ("axes",), {str(path): values}
        elif isinstance(axes, Sequence) and not isinstance(axes, str) and axes:
            for i, item in enumerate(axes):
                if isinstance(item, Mapping) and item:
                    yield ("axes", i), {str(path): values for path, values in item.items()}
                else:
                    self.blame(("axes", i), "must be a mapping of paths and values")
        else:
            self.blame(("axes",), "must be a mapping of paths and values, or a list of such")

    def _dimension(
        self, item: Mapping[str, Any], at: DataPath, *, sampled: bool
    ) -> Dimension | None:
        columns: dict[str, list[Any]] = {}
        for path, given in item.items():
            try:
                span = _span(given) if sampled and isinstance(given, str) else None
                if span is not None and len(item) == 1:
                    return Dimension((path,), span=span)
                columns[path] = [] if span else _values(given)
            except (ScenarioError, ValueError) as error:
                issues = error.issues if isinstance(error, ScenarioError) else []
                self.blame((*at, path), "; ".join(i.message for i in issues) or str(error))
                continue
            if span is not None:
                self.blame((*at, path), "is a span: what goes together needs lists of values")
            elif not columns[path]:
                self.blame((*at, path), "holds no value")
            elif len(columns[path]) > MOST_POINTS:
                self.blame((*at, path), f"holds more than {MOST_POINTS:,} values")
        lengths = {path: len(values) for path, values in columns.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{path} has {length}" for path, length in lengths.items())
            self.blame(at, f"what goes together needs as many values each: {told}")
        elif len(lengths) == len(item) and all(lengths.values()):
            rows = zip(*columns.values(), strict=True)
            once = {tuple(map(_key, row)): row for row in rows}
            return Dimension(tuple(columns), tuple(once.values()))
        return None

    def _checked(
        self, mine: Dimension, k: int, all_of_them: Sequence[Dimension]
    ) -> tuple[tuple[Value, ...], ...]:
        """Return what a frame has for each choice; what can never be legal is blamed."""
        if mine.span is not None:
            for value in (mine.span.low, mine.span.high):
                self._scene(mine, (value,), 0, k, all_of_them)
            return ()
        shown = []
        for j, choice in enumerate(mine.choices):
            scene = self._scene(mine, choice, j, k, all_of_them)
            shown.append(tuple(
                _name(value, scene, path) for path, value in zip(mine.paths, choice, strict=True)
            ))  # fmt: skip
        if len(set(shown)) < len(shown):  # two changes of what has the same name
            return tuple(tuple(map(_flow, choice)) for choice in mine.choices)
        return tuple(shown)

    def _scene(
        self,
        mine: Dimension,
        choice: tuple[Any, ...],
        j: int,
        k: int,
        all_of_them: Sequence[Dimension],
    ) -> Scenario | None:
        """Return the scenario with a choice, alone or in company; None, with blame, if never."""
        changes = dict(zip(mine.paths, choice, strict=True))
        try:
            return self.scenario.replace(changes)
        except ScenarioError as error:
            alone = error
        others = [each for i, each in enumerate(all_of_them) if i != k]
        rows = [each.choices or (each.at(0.0)[0], each.at(1.0)[0]) for each in others]
        for row in itertools.islice(itertools.product(*rows), _COMPANY):
            company = dict(changes)
            for each, values in zip(others, row, strict=True):
                company.update(zip(each.paths, values, strict=True))
            try:
                return self.scenario.replace(company)
            except ScenarioError:
                continue
        at = self._place_of(mine, j)
        self._pass_on(alone, at, mine.paths[0])
        return None

    def _place_of(self, mine: Dimension, j: int) -> DataPath:
        for start in (("axes",), *(("axes", i) for i in range(1000))):
            at: DataPath = (*start, mine.paths[0])
            if self.document is None or self._stands(at):
                return (*at, j) if self.document is None or self._stands((*at, j)) else at
        return ("axes",)

    def _stands(self, path: DataPath) -> bool:
        node = self.document
        for step in path:
            node = node and node.child(step)
        return node is not None

    # ----------------------------------------------------------------- points

    def rows(self, asked: Asked) -> dict[str, list[Any]]:
        """Return the columns of a table of points."""
        points = asked.points
        if points is None:
            return {}
        if not isinstance(points, Mapping) or not points:
            self.blame(("points",), "must be a table: a column a path, a row a point")
            return {}
        columns: dict[str, list[Any]] = {}
        for path, given in points.items():
            if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
                self.blame(("points", str(path)), "must be a column: a list of values")
                return {}
            columns[str(path)] = values = [_scalar(value) for value in given]
            for i, value in enumerate(values):
                if not isinstance(value, str | int | float | bool | None) or value != value:
                    self.blame(
                        ("points", path, i), f"must be a text or a number, got {value!r}"[:90]
                    )
                    break
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1 or lengths <= {0}:
            self.blame(("points",), "needs columns of the same length, of one point at least")
            return {}
        if asked.design.kind != "grid":
            self.blame(("design",), "has nothing to choose from: the points are given")
        if not self.issues:
            for i in range(min(lengths.pop(), _MOST_CHECKED)):
                row = {path: values[i] for path, values in columns.items()}
                try:
                    self.scenario.replace(row)
                except ScenarioError as error:
                    first = next((p for p in row if str(error.issues[0].path).startswith(p)), "")
                    self._pass_on(error, ("points", first or next(iter(row)), i), first)
        return columns

    # ----------------------------------------------------------------- the whole

    def check_size(self, design: Design) -> None:
        """Refuse a study of too many points, and a baseline that is none of its values."""
        if self.issues:
            return
        try:
            _ = design.unit if design.asked.design.kind in SAMPLED else None
        except ValueError as error:
            self.blame(("design", "size"), str(error))
            return
        if len(design) > MOST_POINTS:
            self.blame(("points",), f"has {len(design):,} points; {MOST_POINTS:,} are the most")
        baseline = design.asked.baseline
        if baseline is None:
            return
        first = design.factors[0]
        if baseline not in first.values:
            told = ", ".join(map(str, first.values[:20]))
            message = f"{baseline!r} is no value of {first.path}; there are {told}"
            close = did_you_mean(str(baseline), map(str, first.values))
            self.blame(("baseline",), message, f"did you mean '{close}'?" if close else None)


def _size(how: How, dimensions: Sequence[Dimension]) -> int:
    """Return how many points there are of some axes."""
    if how.size is not None:
        each = {"morris": 1 + len(dimensions), "saltelli": 2 + len(dimensions)}
        crossed = math.prod(len(one.choices) for one in _crossed(how, dimensions))
        return how.size * each.get(how.kind, crossed)
    sizes = [len(each.choices) for each in dimensions]
    if how.kind == "one-at-a-time":
        return 1 + sum(size - 1 for size in sizes)
    return math.prod(sizes)


def _crossed(how: How, dimensions: Sequence[Dimension]) -> tuple[Dimension, ...]:
    """Return the axes of which every value meets every point that is sampled."""
    return tuple(each for each in dimensions if not set(each.paths).isdisjoint(how.cross))


def _span(text: str) -> Span | None:
    from dcsim.study.designs.sampling import Span

    return Span.read(text)


def _values(given: Any) -> list[Any]:
    """Return the values of an axis: those of a text, a list, or one alone."""
    if isinstance(given, str):
        return ranges.read_values(given)
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        return [_plain(given)]
    return [_plain(value) for value in itertools.islice(given, MOST_POINTS + 1)]


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it.

    Raises
    ------
    ValueError
        If it cannot.
    """
    from dcsim.scenario.base import plain

    found = _scalar(plain(value))
    if isinstance(found, str | int | float | bool | None):
        return found
    try:
        return json.loads(json.dumps(found, allow_nan=False))
    except (TypeError, ValueError):
        message = f"must be texts, numbers, lists or mappings, got {type(value).__name__}"
        raise ValueError(message) from None


def _scalar(value: Any) -> Any:
    """Return numbers of other libraries as Python's own."""
    return value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value


def _name(value: Any, scene: Scenario | None, path: str) -> Value:
    """Return what a frame has for a value: itself, or the name of what it stands for."""
    if isinstance(value, str | int | float | bool | None):
        return value
    try:
        named = getattr(get_path(scene, path), "name", None) if scene is not None else None
    except ScenarioError:
        named = None
    return named if isinstance(named, str) and named else _flow(value)


def _key(value: Any) -> Any:
    """Return what tells a value from others: 1, 1.0 and true are three, and mappings have some."""
    plain = isinstance(value, str | int | float | bool | None)
    return (type(value), value) if plain else _flow(value)


def _flow(value: Any) -> Value:
    """Return a value as one line of YAML."""
    if isinstance(value, str | int | float | bool | None):
        return value
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.strip()
