from __future__ import annotations

import pickle

import pytest

from dcsim import errors
from dcsim.errors import DcsimError, InvariantError, Issue, ScenarioError, UnitError, did_you_mean


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, "Field required"),
        ({"path": "links[0].bandwidth"}, "links[0].bandwidth: Field required"),
        ({"file": "a.yaml"}, "a.yaml: Field required"),
        ({"file": "a.yaml", "line": 3, "column": 5}, "a.yaml:3:5: Field required"),
        ({"file": "a.yaml", "line": 3, "path": "x"}, "a.yaml:3: x: Field required"),
        ({"hint": "did you mean 'x'?"}, "Field required; did you mean 'x'?"),
        (
            {"file": "a.yaml", "line": 3, "column": 5, "path": "x", "hint": "add it"},
            "a.yaml:3:5: x: Field required; add it",
        ),
    ],
)
def test_issue_shows_the_parts_it_has(given, shown):
    """An issue is one line, file:line:column: path: message; hint, without absent parts."""
    assert str(Issue(message="Field required", **given)) == shown


def test_scenario_error_shows_every_issue():
    """All problems of a file are told at once, one a line, in their order."""
    issues = [Issue(line=2, message="second"), Issue(line=1, message="first")]
    error = ScenarioError(iter(issues))
    assert error.issues == issues
    assert str(error) == "2: second\n1: first"


def test_scenario_error_needs_an_issue():
    """An error that would say nothing is a programming mistake."""
    with pytest.raises(ValueError, match="at least one issue"):
        ScenarioError([])


def test_scenario_error_survives_the_way_home_from_a_worker():
    """Pickling keeps the issues."""
    error = ScenarioError([Issue(file="a.yaml", line=1, message="bad", hint="mend it")])
    again = pickle.loads(pickle.dumps(error))
    assert again.issues == error.issues
    assert str(again) == "a.yaml:1: bad; mend it"


def test_one_except_clause_catches_everything():
    """Every exception of the module descends from DcsimError and stands in the drawn tree."""
    found = {
        name: member
        for name, member in vars(errors).items()
        if isinstance(member, type) and issubclass(member, Exception)
    }
    assert len(found) == 6
    for name, member in found.items():
        assert issubclass(member, DcsimError)
        assert name in errors.__doc__
    assert issubclass(UnitError, ValueError)
    assert issubclass(InvariantError, errors.SimulationError)


def test_did_you_mean_finds_the_closest_word():
    """A misspelling, or a wrong case, finds its word as it is really spelt."""
    words = ["bandwidth", "latency", "zero-page", "maxBandwidth"]
    assert did_you_mean("bandwith", words) == "bandwidth"
    assert did_you_mean("LATENCY", words) == "latency"
    assert did_you_mean("zeropage", iter(words)) == "zero-page"
    assert did_you_mean("maxbandwidth", words) == "maxBandwidth"


def test_did_you_mean_stays_silent_when_nothing_is_close():
    """A wild guess would be worse than none; a word of hostile length is not compared at all."""
    assert did_you_mean("colour", ["bandwidth", "latency"]) is None
    assert did_you_mean("x", []) is None
    assert did_you_mean("a" * 81, ["a" * 81]) is None
