"""What a plan is to reach: a metric of the table `summary`, a bound on it, and how sure it holds.

Values are in SI: a text's unit has to fit its metric's.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from dcsim import units
from dcsim.errors import Issue, ScenarioError, UnitError
from dcsim.study.findings.metrics import UNITS, fault
from dcsim.study.findings.statistics import Interval

Verdict = Literal["met", "missed", "unsure"]

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
_TEXT: Final = re.compile(r"\s*(?P<metric>[A-Za-z0-9_.]+)\s*(?P<sign>[<>=!]+)\s*(?P<bound>.*?)\s*")
_NUMBER: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on a metric's mean over replications.

    Parameters
    ----------
    metric
        A column of the table ``summary``.
    sign
        ``<=``, ``<``, ``>=`` or ``>``.
    bound
        In the metric's unit.
    """

    metric: str
    sign: str
    bound: float

    def holds(self, value: float) -> bool:
        """Whether a value, in the metric's unit, keeps the bound; NaN does not."""
        return _COMPARISONS[self.sign](value, self.bound)

    def verdict(self, found: Interval) -> Verdict:
        """Return on which side of the bound an interval lies; all of it, or nobody is sure."""
        ends = self.holds(found.low), self.holds(found.high)
        if math.isnan(found.mean):
            return "missed"
        if math.isnan(found.low) or ends[0] != ends[1]:
            return "unsure"
        return "met" if ends[0] else "missed"

    def spare(self, value: float) -> float:
        """Return how far a value is on the good side, as a share of the bound; of 0, as it is."""
        if math.isnan(value):
            return -math.inf
        room = self.bound - value if self.sign.startswith("<") else value - self.bound
        return room / (abs(self.bound) or 1.0)

    def __str__(self) -> str:
        """Return it as it may be written."""
        return f"{self.metric} {self.sign} {in_words(self.metric, self.bound)}"


def parse_goals(texts: Iterable[str]) -> tuple[Goal, ...]:
    """Read goals such as ``makespan_s <= 6h``.

    Raises
    ------
    ScenarioError
        If one is none, its metric is unknown, or its unit does not fit; all problems at once.

    Examples
    --------
    >>> parse_goals(["blackout_p99_s <= 300ms"])
    (Goal(metric='blackout_p99_s', sign='<=', bound=0.3),)
    """
    goals, issues = [], []
    for text in texts:
        try:
            goals.append(_parse(text))
        except ScenarioError as error:
            issues += error.issues
    if issues:
        raise ScenarioError(issues)
    return tuple(goals)


def check_metric(metric: str, *, said: str = "") -> None:
    """Refuse what is no metric; *said* is the text that holds it.

    Raises
    ------
    ScenarioError
        If no column of the table ``summary`` has that name.
    """
    if found := fault(metric):
        raise ScenarioError([_issue(said, *found)])


def in_words(metric: str, value: float) -> str:
    """Return a metric's value in the unit that suits it."""
    if math.isnan(value):
        return "no value"
    form = {"s": units.format_duration, "B": units.format_size}.get(UNITS[metric])
    return form(value) if form else units.format_count(value)


def _parse(text: str) -> Goal:
    match = _TEXT.fullmatch(text) if len(text) <= 200 else None
    if match is None or not match["bound"]:
        hint = "write it like 'makespan_s <= 6h'"
        raise ScenarioError([_issue(text, "is no METRIC OP VALUE", hint)])
    metric, sign, bound = match["metric"], match["sign"], match["bound"]
    check_metric(metric, said=text)
    if sign not in _COMPARISONS:
        message = f"there is no comparison {sign!r}; legal are {', '.join(_COMPARISONS)}"
        raise ScenarioError([_issue(text, message)])
    try:
        return Goal(metric, sign, _bound(bound, UNITS[metric]))
    except UnitError as error:
        raise ScenarioError([_issue(text, str(error))]) from None


def _bound(text: str, unit: str) -> float:
    """Read a bound in a metric's unit; a bare number only where there is none, or for 0."""
    number = _NUMBER.fullmatch(text)
    if unit in ("s", "B") and not (number and float(text) == 0):
        return units.parse_duration(text) if unit == "s" else units.parse_size(text)
    if number is None:
        what = f"a number of {unit}" if unit else "a number"
        raise UnitError(f"cannot read {text[:80]!r}: the metric is {what}; write it like '8'")
    return float(text)


def _issue(said: str, message: str, hint: str | None = None) -> Issue:
    return Issue(path=repr(said[:80]) if said else None, message=message, hint=hint)
