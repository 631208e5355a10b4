"""What is varied, read from what was given; all that is wrong with it is told at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from dcsim.errors import Issue, ScenarioError, did_you_mean
from dcsim.records.tables import record_that_keeps
from dcsim.scenario.document import DataPath, Node, dotted
from dcsim.scenario.spec import Scenario
from dcsim.scenario.validation import issues_of
from dcsim.study.designs.asked import SAMPLED, Asked
from dcsim.study.designs.dimension import MOST_POINTS, Dimension, crossed_of, size_of
from dcsim.study.designs.factors import Value
from dcsim.study.designs.values import flow, key_of, name_of, scalar, span_of, values_of

if TYPE_CHECKING:
    from dcsim.study.designs.design import Design

_MOST_CHECKED: Final = 1_000
"""Points of a table that are looked at before anything runs; others fail as runs."""
_COMPANY: Final = 64
"""Points in which a value that is not legal by itself may turn out to be."""


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


class Reader:
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

    def asked(self, data: dict[str, Any]) -> Asked:
        """Return what plain data ask, without the keys that are wrong, which are noted.

        Raises
        ------
        ScenarioError
            If nothing more can be told without these.
        """
        try:
            return read_asked(data, document=self.document)
        except ScenarioError as error:
            wrong = {
                (issue.path or "").partition(".")[0].partition("[")[0] for issue in error.issues
            }
            rest = {key: value for key, value in data.items() if key not in wrong}
            if "design" in wrong or len(rest) == len(data):
                raise
            try:
                found = read_asked(rest, document=self.document)
            except ScenarioError:
                raise error from None
            self.issues += error.issues
            return found

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
        before = len(self.issues)
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
        if found and cross and len(crossed_of(asked.design, found)) == len(found):
            self.blame(("design", "cross"), "leaves nothing to be sampled")
        if (size := size_of(asked.design, found)) > MOST_POINTS:  # before any is looked at
            self.blame(("axes",), f"has {size:,} points; {MOST_POINTS:,} are the most")
        if len(self.issues) > before:
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
                span = span_of(given) if sampled and isinstance(given, str) else None
                if span is not None and len(item) == 1:
                    return Dimension((path,), span=span)
                columns[path] = [] if span else values_of(given)
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
            once = {tuple(map(key_of, row)): row for row in rows}
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
                name_of(value, scene, path) for path, value in zip(mine.paths, choice, strict=True)
            ))  # fmt: skip
        if len(set(shown)) < len(shown):  # two changes of what has the same name
            return tuple(tuple(map(flow, choice)) for choice in mine.choices)
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
            columns[str(path)] = values = [scalar(value) for value in given]
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
