"""Every exception dcsim raises on purpose, and the `Issue` that says what is wrong where.

::

    DcsimError
    ├── ScenarioError        what was asked cannot be used; carries every Issue found
    ├── UnitError            a text is no size, rate or duration (also a ValueError)
    ├── SimulationError      a run could not go on
    │   └── InvariantError   a run-time check found books that do not balance
    └── ResultError          a stored result cannot be read, or does not fit what is asked of it
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# difflib is quadratic: nobody misspells a key this long, but a hostile file may hold one.
_LONGEST_WORD = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing that is wrong, and where.

    Parameters
    ----------
    file : str or None
        The file that holds the fault, as the user named it.
    line, column : int or None
        Position in the file, counted from 1.
    path : str or None
        Dotted path of the value in its document, such as ``links[0].bandwidth``.
    message : str
        What is wrong: the value, and what would be legal.
    hint : str or None
        What to do about it, such as ``did you mean 'bandwidth'?``.
    """

    file: str | None = None
    line: int | None = None
    column: int | None = None
    path: str | None = None
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        """Return ``file:line:column: path: message; hint`` without the parts that are absent."""
        place = ":".join(str(p) for p in (self.file, self.line, self.column) if p is not None)
        text = ": ".join(part for part in (place, self.path, self.message) if part)
        return f"{text}; {self.hint}" if self.hint else text


class DcsimError(Exception):
    """Root of every exception dcsim raises on purpose."""


class ScenarioError(DcsimError):
    """What was asked cannot be used. Its text is every issue, one a line.

    Parameters
    ----------
    issues : iterable of Issue
        All problems found, at least one, in the order to show them.
    """

    issues: list[Issue]

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues = list(issues)
        if not self.issues:
            raise ValueError("ScenarioError needs at least one issue")
        super().__init__(self.issues)  # args rebuild the error when a worker sends it home

    def __str__(self) -> str:
        """Return all issues, one a line."""
        return "\n".join(str(issue) for issue in self.issues)


class UnitError(DcsimError, ValueError):
    """A text is not a size, a rate or a duration in the vocabulary of `dcsim.units`."""


class SimulationError(DcsimError):
    """A run could not go on."""


class InvariantError(SimulationError):
    """A run-time check found books that do not balance: a fault of the model, not of its input."""


class ResultError(DcsimError):
    """A stored result cannot be read, or does not fit what is asked of it."""


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that *word* is most likely a misspelling of.

    Parameters
    ----------
    word : str
        What was written.
    candidates : iterable of str
        What would have been legal.

    Returns
    -------
    str or None
        The closest candidate; None where none is close.

    Examples
    --------
    >>> did_you_mean("bandwith", ["bandwidth", "latency"])
    'bandwidth'
    """
    if len(word) > _LONGEST_WORD:
        return None
    import difflib  # which nobody needs who misspells nothing

    folded = {candidate.casefold(): candidate for candidate in candidates}
    close = difflib.get_close_matches(word.casefold(), folded, n=1)
    return folded[close[0]] if close else None
