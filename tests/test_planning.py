"""Figures and the report of a plan: what they show is what was found."""

from __future__ import annotations

import re

import pytest

import dcsim
from dcsim.errors import ResultError
from dcsim.records.tables import SUMMARY
from dcsim.study.plans.plan import solve
from dcsim.study.plans.trials import Outcome
from dcsim.view import plots
from dcsim.view.report import render, write_report

ZERO = dict.fromkeys(SUMMARY.names, 0.0)
EVIL = "<img src=x onerror=alert(1)>"


def planned(*, noise=False, **options):
    """A plan over x (0 to 9) and a kind; x costs, and makes it faster."""

    def evaluate(tasks, _=None):
        found = []
        for changes, k in tasks:
            x, kind = changes["x"], changes.get("kind", "good")
            if kind == "broken":
                found.append(Outcome({}, f"SimulationError: {EVIL}"))
                continue
            figures = {"makespan_s": 20.0 - x + noise * (k % 3), "network_bytes": 2.0**30 * x}
            found.append(Outcome({**ZERO, **figures}))
        return found

    asked = {
        "goals": ["makespan_s <= 15s", "network_bytes <= 8GiB"],
        "vary": {"x": range(10)},
        "minimise": "network_bytes",
        "chancy": lambda _: ("noise",) if noise else (),
    }
    return solve(evaluate, **(asked | options))


def traces(drawn):
    """The traces of a figure by name."""
    return {trace.name: trace for trace in drawn.data}


def test_the_frontier_draws_cost_against_what_is_to_spare():
    """Marks by verdict, the front of what nothing beats, and the answer on top."""
    plan = planned()
    found = traces(plots.frontier(plan))
    assert list(found) == ["the front", "meets all goals", "misses a goal", "the answer"]
    assert list(found["meets all goals"].x) == [5, 6, 7, 8]
    assert list(found["meets all goals"].y) == pytest.approx([0, 100 / 15, 12.5, 0])
    assert list(found["the front"].x) == [5, 6, 7]
    assert (found["the answer"].x[0], found["the answer"].y[0]) == (5, 0)
    assert "makespan_s 15 s" in found["meets all goals"].text[0]
    drawn = plots.frontier(plan)
    assert drawn.layout.xaxis.title.text == "network_bytes (GiB), least is best"


def test_whiskers_are_the_intervals_of_the_tightest_goal():
    """In per cent of its bound."""
    plan = planned(noise=True, vary={"x": range(4, 7)})
    found = traces(plots.frontier(plan))
    for state in ("meets all goals", "not sure", "misses a goal"):
        for length in found[state].error_y.array if state in found else ():
            assert length > 0
    tightest = plan.best.tightest
    half = 100 * (tightest.found.high - tightest.found.low) / 2 / tightest.goal.bound
    drawn = [length for trace in found.values() for length in (trace.error_y.array or ())]
    assert any(half == pytest.approx(length) for length in drawn)


@pytest.mark.parametrize(
    ("options", "title"),
    [
        ({"minimise": "x"}, "x"),
        ({"minimise": None}, "x"),
        ({"minimise": None, "maximise": "network_bytes"}, "network_bytes (GiB), most is best"),
    ],
)
def test_the_frontier_has_a_way_across_for_every_objective(options, title):
    """A metric, the path that is best, or the longest range."""
    drawn = plots.frontier(planned(**options))
    assert drawn.layout.xaxis.title.text == title
    assert "the answer" in traces(drawn)


def test_two_paths_are_drawn_as_a_map_and_one_along_its_range():
    """Failed points have a mark of their own; texts are no markup."""
    plan = planned(vary={"x": range(10), "kind": ["good", "broken"]})
    found = traces(plots.explored(plan))
    assert list(found) == ["meets all goals", "misses a goal", "failed", "the answer"]
    assert len(found["failed"].x) == 10
    assert EVIL not in plots.explored(plan).to_json()
    along = traces(plots.explored(planned()))
    assert list(along) == ["makespan_s &lt;= 15 s", "network_bytes &lt;= 8 GiB"]
    assert along["network_bytes &lt;= 8 GiB"].y[8] == 1
    more = planned(vary={"x": range(2), "kind": ["good", "broken"], "z": [1, 2]})
    assert plots.explored(more) is None


def test_a_map_shows_what_was_not_tried():
    """So that one sees how much bisection left out."""
    plan = planned(vary={"x": range(10), "kind": ["good", "fine", "broken", "bad"]})
    assert "not tried" in traces(plots.explored(plan))


def test_nothing_is_drawn_of_nothing():
    """Where every point failed there is a reason in words."""
    plan = planned(vary={"x": [1], "kind": ["broken"]})
    with pytest.raises(ResultError, match="nothing to draw"):
        plots.frontier(plan)
    assert "could be run: no answer" in render(plan)


def test_a_report_says_the_answer_and_shows_every_point(tmp_path):
    """The words, a row a point, both figures; texts are texts."""
    plan = planned(vary={"x": range(10), "kind": ["good", "broken"]}, name=EVIL)
    path = write_report(plan, tmp_path / "plan.html")
    page = path.read_text(encoding="utf-8")
    assert EVIL not in page
    assert "&lt;img src=x" in page
    assert "x = 5, kind = good meets both goals, with the least network_bytes: 5 GiB." in page
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    assert len(re.findall("<tr>", body)) == 20
    assert '"frontier":' in page
    assert '"explored":' in page
    assert "frontier</td>" in body


@pytest.mark.browser
def test_the_report_opens_without_error_or_overflow(chromium, tmp_path):
    """On a desk and on a telephone; both figures are drawn, and nothing is fetched."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = write_report(planned(), tmp_path / "plan.html")
    flags = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*flags.split(), "--disable-sync", "--no-first-run"]
        )
        for width in (1280, 400):
            tab = browser.new_page(viewport={"width": width, "height": 900})
            noted = []
            tab.on("console", lambda message, noted=noted: noted.append(message.text))
            tab.on("pageerror", lambda error, noted=noted: noted.append(str(error)))
            tab.goto(path.as_uri())
            for name in ("frontier", "explored"):
                tab.locator(f"#{name} .main-svg").first.wait_for(state="attached")
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert noted == []
        browser.close()


def test_a_real_plan_is_drawn():
    """Of a scenario too."""
    plan = dcsim.plan(
        dcsim.load("quick-start"),
        goals=["makespan_s <= 3s"],
        vary={"topology.host_link": "5Gbit/s..25Gbit/s/4"},
    )
    assert list(traces(plots.frontier(plan))) == ["meets all goals", "misses a goal", "the answer"]
    assert list(traces(plots.explored(plan))) == ["makespan_s &lt;= 3 s"]
