"""The report of a study: what it asked and found, of whatever kind; sums, and no runs."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dcsim.cli import application
from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor
from dcsim.study.findings.ranking import rank
from dcsim.study.findings.winners import best_by_point
from dcsim.study.sweeps.points import points_of
from dcsim.study.sweeps.store import Store
from dcsim.study.sweeps.sweep import sweep
from dcsim.study.sweeps.swept import Sweep
from dcsim.view import plots
from dcsim.view.report import GAPS, render, write_report
from dcsim.view.sweeps import failures, verdict
from dcsim.view.sweeps.figures import where
from dcsim.view.sweeps.page import page_of
from tests.studies_data import study
from tests.test_report import Parts

EVIL = "</script><script>window.hacked = 1</script>"
HINTING = ["zero-page", "balloon-held"]
LINK = "topology.host_link"
RANGES = {LINK: "1Gbit/s..10Gbit/s", "guests[0].memory": "1GiB..4GiB"}
CLASH = {"topology.host.memory": ["8GiB", "64GiB"], "guests[0].memory": ["2GiB", "32GiB"]}
"""The first with the second is no legal scenario: a run that fails."""
KINDS = {
    "grid": {},
    "no chance": {"set": {}},
    "one axis": {"axes": {"hinting": HINTING}, "question": "Which one?", "about": "of two"},
    "one size": {"axes": {LINK: "1Gbit/s..10Gbit/s/4"}},
    "sizes": {"axes": {LINK: "1Gbit/s..10Gbit/s/3", "guests[0].memory": ["1GiB", "2GiB"]}},
    "one metric": {"metrics": ["makespan_s"]},
    "one value": {"axes": {"hinting": ["zero-page"]}},
    "crossed": {
        "axes": {"hinting": HINTING, **RANGES},
        "design": {"kind": "latin-hypercube", "size": 26, "cross": ["hinting"]},
        "replications": 2,
    },
    "drawn": {
        "axes": {"hinting": HINTING, **RANGES},
        "design": {"kind": "sobol-sequence", "size": 8},
        "replications": 2,
    },
    "morris": {"axes": RANGES, "design": {"kind": "morris", "size": 3}, "replications": 2},
    "saltelli": {"axes": RANGES, "design": {"kind": "saltelli", "size": 4}, "replications": 2},
    "one at a time": {
        "axes": {"hinting": HINTING, LINK: ["1Gbit/s", "5Gbit/s", "10Gbit/s"]},
        "design": "one-at-a-time",
    },
    "points": {
        "axes": None,
        "points": {"hinting": [*HINTING, "zero-page"], LINK: ["1Gbit/s", "5Gbit/s", "10Gbit/s"]},
    },
    "twice": {"axes": None, "points": {"hinting": ["zero-page", *HINTING], LINK: ["1Gbit/s"] * 3}},
    "some failed": {"axes": CLASH},
    "all failed": {"axes": {"topology.host.memory": ["8GiB"], "guests[0].memory": ["32GiB"]}},
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store of all of them."""
    return tmp_path_factory.mktemp("studies") / "store"


@pytest.fixture(scope="module")
def found(store):
    """Return a study of a kind, run once."""
    known = {}

    def found_(kind):
        if kind not in known:
            known[kind] = sweep(study(**({"name": kind} | KINDS[kind])), store=store)
        return known[kind]

    return found_


@pytest.fixture(scope="module")
def said(found):
    """Return what the page of a kind says."""
    return lambda kind: page_of(found(kind), title=None, question=None)


def text_of(page):
    """What people read of a page, in one line."""
    body = page.split("<body>")[1].split("<script")[0]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


# ---------------------------------------------------------------- every kind of study


@pytest.mark.parametrize("kind", KINDS)
def test_every_study_has_a_page_that_fetches_nothing(kind, found):
    """One library, one heading, references that lead somewhere, no place of this machine."""
    page = render(found(kind))
    parts = Parts(page)
    assert page.count("plotly.js v") == 1
    ids = [attributes["id"] for _, attributes in parts.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for tag, attributes in parts.tags:
        assert tag not in {"iframe", "object", "embed", "base", "form"}
        assert "src" not in attributes
        if "href" in attributes:
            assert attributes["href"].startswith(("#", "data:"))
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids
        for reference in ("aria-labelledby", "for"):
            assert attributes.get(reference, ids[0]) in ids
    for figures in (parts.json("comparison"), parts.json("choices")):
        assert set(figures) <= set(ids)
    for name in parts.json("choices"):
        assert f"{name}-said" in ids
    assert [tag for tag, _ in parts.tags].count("h1") == 1
    assert str(found(kind).store.directory) not in page
    told = text_of(page)
    for gap in GAPS:
        assert gap in told
    for made in (found(kind).design.digest, found(kind).points.code):
        assert made in told


@pytest.mark.parametrize(
    ("kind", "lead", "figures", "choices"),
    [
        ("grid", "front", {"front", "map0", "map1"}, {"response", "tornado"}),
        ("no chance", "front", {"front", "map0", "map1"}, {"response", "tornado"}),
        ("one axis", "front", {"front"}, set()),
        ("one size", "response", {"front"}, {"response"}),
        ("sizes", "response", {"front", "map0", "map1"}, {"response", "tornado"}),
        ("one metric", "ranking", {"ranking", "map0"}, {"response", "tornado"}),
        ("one value", "response", set(), {"response"}),
        ("crossed", "front", {"front", "map0", "map1"}, {"response", "tornado"}),
        ("drawn", "tornado", set(), {"response", "tornado"}),
        ("morris", "tornado", set(), {"response", "tornado"}),
        ("saltelli", "tornado", set(), {"response", "tornado"}),
        ("one at a time", "tornado", set(), {"response", "tornado"}),
        ("points", "tornado", set(), {"response", "tornado"}),
        ("twice", "tornado", set(), {"response", "tornado"}),
        ("some failed", "response", {"front", "map0", "map1"}, {"response", "tornado"}),
        ("all failed", "", set(), set()),
    ],
)
def test_each_kind_has_the_figures_that_tell(said, kind, lead, figures, choices):
    """The first one answers; of what is chosen there is every choice, and words."""
    page = said(kind)
    assert page["lead"] == lead
    assert set(page["figures"]) == figures
    assert set(page["choices"]) == choices
    for name, each in page["choices"].items():
        counts = [len(options) for options in page["options"][name].values()]
        assert len(each) == np.prod(counts)
        for entry in each.values():
            assert entry["said"]
            assert entry["figure"]["data"]
    assert bool(page["key"]) == ("front" in figures or "ranking" in figures)
    assert bool(page["points"]) == (not page["key"] and kind != "all failed")
    assert len(page["verdict"]) in (1, 2, 3)


# ---------------------------------------------------------------- the answer


def test_the_first_screen_asks_and_answers(found, said):
    """Title, question, who has the least of what, the front: before all else, in the page too."""
    page, one = said("grid"), said("one axis")
    assert (one["title"], one["question"], one["about"]) == ("one axis", "Which one?", "of two")
    assert page["question"] == (
        "What do hinting and host_link do to network_bytes, lost_work_s and makespan_s?"
    )
    least = [found("grid").ranking(metric).rows[0].level for metric in found("grid").metrics[:2]]
    for level, metric, sentence in zip(least, found("grid").metrics, page["verdict"], strict=False):
        assert sentence.startswith(f"{level} has the least {metric} (")
    first = text_of(render(found("one axis"))).split(" Key figures ")[1]  # after the link to them
    assert "The answer" in first
    for sentence in one["verdict"] + one["answer"]:
        assert sentence in first
    other = page_of(found("grid"), title="A title", question="A question?")
    assert (other["title"], other["question"]) == ("A title", "A question?")


def test_what_is_not_clearly_less_is_not_said_to_be():
    """Ties, equal figures, one level alone, and a level that beats all others."""

    def told(values, levels="abc", random=True):
        frame = pd.DataFrame(
            [
                {"point": i, "kind": level, "replicate": k, "makespan_s": value, "error": ""}
                for i, level in enumerate(levels)
                for k, value in enumerate(values[i])
            ]
        )
        by = Factor("kind", "kind", tuple(levels))
        ranking = rank(frame, "makespan_s", by=by, blocks=(), random=random)
        return verdict.first(ranking)

    assert told([[1, 1.1], [9, 9.1], [8, 8.1]]) == "a has the least makespan_s (1.05 s)."
    unsure = told([[4, 4.1], [4, 4.3], [9, 9.1]])
    assert unsure == "a has the least makespan_s (4.05 s), but not clearly less than b."
    none = told([[1, 9], [9, 1.1], [5, 5.3]])
    assert none == (
        "No kind is clearly better than another in makespan_s: from 5 s (a) to 5.15 s (c)."
    )
    assert (
        told([[2], [2], [3]], random=False) == "a and b have the same makespan_s (2 s), the least."
    )
    assert told([[1, 1.2], [1, 5]], "ab").endswith("but not clearly less than b.")
    nothing = float("nan")
    assert told([[nothing], [2], [nothing]], random=False) == (
        "Only b has a value of makespan_s: 2 s."
    )
    assert told([[nothing]] * 3) == "No run has a value of makespan_s."


def test_where_nothing_is_crossed_the_tornado_answers(found, said):
    """Its sentence, that of the indices of designs that have them, or how a size goes."""
    for kind in ("drawn", "one at a time", "points"):
        assert said(kind)["verdict"] == found(kind).tornado().words()[:1]
    for kind in ("morris", "saltelli"):
        assert said(kind)["verdict"] == found(kind).sensitivity().words()[:1]
    sentences = [found("one size").response(m, over=LINK).words()[0] for m in found("grid").metrics]
    assert said("one size")["verdict"] == sentences[:2]


# ---------------------------------------------------------------- tables


def test_key_figures_are_those_of_the_study(found, said):
    """Means, paired changes, ranks and wins as the study's own methods have them."""
    study_, key = found("grid"), said("grid")["key"]
    assert [name for name, _ in key["columns"]] == study_.metrics
    assert key["baseline"] == "zero-page"
    assert key["points"] == 3
    means = study_.means().set_index("hinting")
    for level, cells, base in key["rows"]:
        assert base == (level == "zero-page")
        for metric, each in zip(study_.metrics, cells, strict=True):
            ranking = study_.ranking(metric)
            row = next(row for row in ranking.rows if row.level == level)
            assert each["mean"].value == pytest.approx(means.loc[level, metric])
            assert each["rank"] == row.rank_low
            assert float(each["best"]) == pytest.approx(row.wins * 3)
            if base:
                assert each["mean"].change == ""
                continue
            change = study_.differences(metric).set_index("hinting").loc[level]
            sign = "\u2212" if change["change_percent"] < 0 else "+"
            assert each["mean"].change.startswith(f"{sign}{abs(change['change_percent']):.1f}")
            clear = change["change_percent_low"] * change["change_percent_high"] > 0
            tone = ("better" if sign != "+" else "worse") if clear else "same"
            assert each["mean"].tone == tone


def test_sizes_stand_in_their_order_and_names_with_the_best_first(said):
    """So that a table of sizes reads as a curve does."""
    assert [row[0] for row in said("one size")["key"]["rows"]] == [
        "1Gbit/s", "2.15Gbit/s", "4.64Gbit/s", "10Gbit/s",
    ]  # fmt: skip
    first = [cells[0]["mean"].value for _, cells, _ in said("grid")["key"]["rows"]]
    assert first == sorted(first)


def test_the_best_points_are_told_where_levels_are_not_compared(found, said):
    """In the order of the first metric; no more than a table has room for."""
    table = said("drawn")["points"]
    means = found("drawn").frame().groupby("point")["network_bytes"].mean().sort_values()
    assert [row[0] for row in table["rows"]] == means.index.tolist()
    assert [row[2][0].value for row in table["rows"]] == pytest.approx(means.tolist())
    assert table["total"] == 8


def test_failures_are_counted_and_can_be_run_again(found, said):
    """Kinds, the first rows, and the command; what did not fail is reported all the same."""
    page = said("some failed")
    failed = found("some failed").failures
    assert page["failures"]["count"] == f"1 of {len(found('some failed').frame())} runs failed"
    assert page["failures"]["kinds"] == "1 ScenarioError"
    told = "host.memory = 8GiB has no value at 1 of 2 points: its mean is of fewer."
    assert page["notes"][1:] == [told]
    assert "-1" not in dict(page["provenance"])["seeds of the runs"]
    ((run, varied, replicate, error, message),) = page["failures"]["rows"]
    assert (run, replicate, error) == (failed["run"][0], 0, "ScenarioError")
    assert "memory = 32GiB" in varied
    assert message.startswith(failed["message"][0][:100])
    assert f"dcsim rerun STORE --run {run}" in text_of(render(found("some failed")))


def test_where_all_failed_it_says_so(found, said):
    """And draws nothing."""
    page = said("all failed")
    assert page["verdict"] == ["The only run failed: 1 ScenarioError."]
    assert page["key"] is None
    assert "The answer The only run failed" in text_of(render(found("all failed")))


def test_failures_and_messages_have_an_end(found, monkeypatch):
    """Of many, the first; of a long one, its beginning."""
    study_ = found("grid")
    frame = study_.frame(metrics=study_.metrics)
    frame["error"], frame["message"] = "SimulationError", "x" * 10_000
    frame[study_.metrics] = np.nan
    monkeypatch.setattr(Sweep, "frame", lambda *_, **__: frame)
    monkeypatch.setattr(failures, "MOST_FAILURES", 5)
    page = page_of(study_, title=None, question=None)
    assert page["verdict"] == ["Every one of 18 runs failed: 18 SimulationError."]
    assert len(page["failures"]["rows"]) == 5
    assert page["failures"]["left"] == "13"
    assert max(len(row[-1]) for row in page["failures"]["rows"]) < 500


def test_metrics_without_a_value_are_passed_over(found, monkeypatch):
    """All of them, or the first; there is nothing to draw of them."""
    study_ = found("grid")
    frame = study_.frame(metrics=study_.metrics)
    frame["network_bytes"] = np.nan
    monkeypatch.setattr(Sweep, "frame", lambda *_, **__: frame)
    page = page_of(study_, title=None, question=None)
    assert page["verdict"][0] == "No run has a value of network_bytes."
    assert "has the least lost_work_s" in page["verdict"][1]
    assert page["options"]["response"]["metric"] == ["lost_work_s", "makespan_s"]
    assert list(page["figures"]) == ["map1"]
    assert {cells[0]["mean"].text for _, cells, _ in page["key"]["rows"]} == {"–"}
    assert render(study_)
    frame[study_.metrics] = np.nan
    page = page_of(study_, title=None, question=None)
    assert (page["figures"], page["choices"], page["lead"]) == ({}, {}, "")
    assert render(study_)
    drawn = found("drawn")
    monkeypatch.undo()
    frame = drawn.frame(metrics=drawn.metrics)
    frame[drawn.metrics] = np.nan
    monkeypatch.setattr(Sweep, "frame", lambda *_, **__: frame)
    page = page_of(drawn, title=None, question=None)
    assert page["verdict"] == ["No run has a value of network_bytes, lost_work_s and makespan_s."]
    assert render(drawn)


def test_what_is_not_finished_says_how_far_it_is(tmp_path):
    """Points without a run are counted; nothing recorded, or not even points, is a sentence."""
    half = sweep(study(), store=tmp_path / "half", shard=(1, 2))
    page = page_of(half, title=None, question=None)
    there = half.frame()["point"].nunique()
    assert 0 < there < 6
    assert page["notes"][0] == f"Unfinished: {there} of 6 points have runs so far."
    assert ("points with runs", f"{there} of 6") in page["provenance"]
    none = Store(tmp_path / "none")
    name = none.put_study(study())
    with pytest.raises(ResultError, match="holds no points"):
        render(Sweep.open(tmp_path / "none"))
    none.put_points(name, study(), points_of(study()))
    empty = Sweep.open(tmp_path / "none")
    page = page_of(empty, title=None, question=None)
    assert page["verdict"] == ["Nothing is recorded yet: none of 6 points has a run."]
    assert "Nothing is recorded yet" in text_of(render(empty))


def test_what_was_asked_is_told_whole(said):
    """Axes with their spans, what goes together, design, replications, metrics."""
    asked = said("crossed")["asked"]
    assert asked["axes"][0] == ("hinting", "zero-page, balloon-held", "")
    assert asked["axes"][1][:2] == (LINK, "1Gbit/s..10Gbit/s log")
    rows = dict(asked["rows"])
    assert rows["Design"] == (
        "26 points of a Latin hypercube, drawn with the seed 1; each meets every value of hinting"
    )
    assert rows["Replications"].startswith("2 of each point")
    assert [name for name, _ in asked["metrics"]] == ["network_bytes", "lost_work_s", "makespan_s"]
    assert "topology:" in asked["scenario"]


def test_replications_needed_are_told_where_there_is_chance(found, said):
    """The sentences of the study, and the points that need most."""
    needed = said("grid")["needed"]
    assert needed["words"] == found("grid").replications_needed().words()
    frame = found("grid").replications_needed().frame()
    short = frame[frame["more"] > 0].sort_values("needed", ascending=False)
    assert [row[-1] for row in needed["rows"]] == [f"{n:,.0f}" for n in short["needed"].head(5)]
    assert said("no chance")["needed"] is None
    assert "Nothing in it is random." in said("no chance")["notes"][0]


# ---------------------------------------------------------------- maps and curves


@given(st.data())
def test_a_map_averages_over_the_rest_what_all_that_compete_have(data):
    """Against a loop over cells: who lacks a value at any point of a cell is out of it."""
    sizes = {"a": 2, "x": 2, "y": 2, "z": data.draw(st.integers(1, 3))}
    axes = {name: Factor(name, name, tuple(map(str, range(n)))) for name, n in sizes.items()}
    cells = [
        (a, x, y, z)
        for a in axes["a"].values
        for x in axes["x"].values
        for y in axes["y"].values
        for z in axes["z"].values
    ]
    value = st.one_of(st.just(float("nan")), st.sampled_from([1.0, 2.0, 3.5, 7.0]))
    frame = pd.DataFrame(
        [(point, *cell, k, data.draw(value)) for point, cell in enumerate(cells) for k in range(2)],
        columns=["point", "a", "x", "y", "z", "replicate", "makespan_s"],
    )
    if frame["makespan_s"].isna().all():
        return
    best, _ = where(
        frame,
        "makespan_s",
        by=axes["a"],
        axes=[axes["x"], axes["y"]],
        blocks=[axes["x"], axes["y"], axes["z"]],
        random=True,
    )
    for x in axes["x"].values:
        for y in axes["y"].values:
            here = frame[(frame["x"] == x) & (frame["y"] == y)].dropna()
            there = {k: set(part["z"]) for k, part in here.groupby("replicate")}
            most = max(map(len, there.values()), default=0)
            kept = {k for k, zs in there.items() if len(zs) == most}
            means = {}
            for a, part in here[here["replicate"].isin(kept)].groupby("a"):
                whole = [p for k, p in part.groupby("replicate") if set(p["z"]) == there[k]]
                if whole:
                    means[a] = np.mean([p["makespan_s"].mean() for p in whole])
            row = best[(best["x"] == x) & (best["y"] == y)]
            if not means:
                assert row.empty
                continue
            assert row["best_mean"].item() == pytest.approx(min(means.values()))
            assert means[row["best"].item()] == pytest.approx(min(means.values()))
            assert row["levels"].item() == len(means)


def test_a_map_of_all_that_was_varied_is_that_of_its_points(found):
    """Nothing is averaged where nothing is left."""
    study_ = found("grid")
    by, over = study_.factor("hinting"), study_.factor(LINK)
    mine, _ = where(study_.frame(), "lost_work_s", by=by, axes=[over], blocks=[over], random=True)
    wanted = best_by_point(study_.frame(), "lost_work_s", by=by, blocks=[over], random=True)
    pd.testing.assert_frame_equal(mine, wanted)


def test_many_sizes_are_binned_in_maps(found):
    """Either way at most six; every point is in one."""
    study_ = found("crossed")
    axes = study_.others(study_.factor())
    best, binned = where(
        study_.frame(),
        "makespan_s",
        by=study_.factor(),
        axes=axes,
        blocks=axes,
        random=True,
    )
    assert [len(each.values) for each in axes] == [26, 26]
    assert all(len(each.values) <= 6 for each in binned)
    assert set(best["levels"]) == {2}
    plots.winners(best, x=binned[0], y=binned[1], by=study_.factor())


def test_one_thing_at_a_time_is_drawn_alone(found, said):
    """A curve goes through the points that differ in it, and no others."""
    page = said("one at a time")
    over = page["options"]["response"]["over"].index("host_link")
    (line,) = [
        trace
        for trace in page["choices"]["response"][f"0.{over}"]["figure"]["data"]
        if trace["mode"] == "lines+markers"
    ]
    frame = found("one at a time").frame()
    alone = frame[frame["hinting"] == "zero-page"].groupby("point")["network_bytes"].mean()
    assert np.asarray(line["y"]) * 2**30 == pytest.approx(alone.to_numpy())


def test_a_page_holds_sums_only(found, monkeypatch):
    """A hundred times the runs are no more of a page."""
    study_ = found("grid")
    frame = study_.frame(metrics=study_.metrics)
    before = len(render(study_))
    more = pd.concat(
        [frame.assign(replicate=frame["replicate"] + 3 * k) for k in range(100)], ignore_index=True
    )
    more["seed"] = more["replicate"]
    monkeypatch.setattr(Sweep, "frame", lambda *_, **__: more)
    assert len(render(study_)) < before + 2_000


# ---------------------------------------------------------------- texts


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A study whose texts try to break out of the page."""
    axes = {"guests[0].name": [EVIL, "b"], **{path: values[::-1] for path, values in CLASH.items()}}
    design = study(name=EVIL, about=EVIL, question=EVIL, axes=axes, replications=2)
    return sweep(design, store=tmp_path_factory.mktemp("hostile") / "store")


def test_texts_stay_texts(hostile, monkeypatch):
    """Names, values and what failed runs say."""
    frame = hostile.frame(metrics=hostile.metrics)
    frame.loc[frame["error"] != "", ["error", "message"]] = EVIL
    monkeypatch.setattr(Sweep, "frame", lambda *_, **__: frame)
    page = render(hostile)
    assert EVIL not in page
    parts = Parts(page)
    assert not any("window.hacked" in code for code in parts.scripts["code"])
    assert len(parts.scripts) == 3
    told = text_of(page)
    assert told.count(EVIL) > 5
    figures = json.dumps([parts.json("comparison"), parts.json("choices")])
    assert "&lt;/script" in figures
    for text in re.findall(r'"(?:text|name|hovertext|ticktext)": "[^"]*"', figures):
        assert "<script" not in text


# ---------------------------------------------------------------- commands


def test_commands_write_it(found, store, tmp_path):
    """`report` of a store, of one of its studies, and `compare --report`."""
    found("one axis"), found("grid")
    command, run = application(), CliRunner().invoke
    paths = [tmp_path / name for name in ("last.html", "one.html", "compared.html")]
    done = run(command, ["report", str(store), "--study", "one-axis", "-o", str(paths[1])])
    assert done.exit_code == 0, done.output
    assert "<h1>one axis</h1>" in paths[1].read_text(encoding="utf-8")
    asked = ["compare", str(store), "--study", "grid", "--report", str(paths[2])]
    assert run(command, asked).exit_code == 0
    assert "<h1>grid</h1>" in paths[2].read_text(encoding="utf-8")
    looked = found("grid").looked_at(metrics=["makespan_s"], by=LINK)
    write_report(looked, paths[0])
    assert "makespan_s" in text_of(paths[0].read_text(encoding="utf-8"))
    nowhere = run(command, ["report", str(tmp_path), "--study", "x"])
    assert nowhere.exit_code != 0


# ---------------------------------------------------------------- in a browser


@pytest.mark.browser
def test_it_opens_without_error_request_or_overflow(chromium, tmp_path, found, hostile):
    """On a desk and on a telephone; what is chosen is drawn, and headings sort."""
    sync_api = pytest.importorskip("playwright.sync_api")
    flags = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags.split())
        for kind, width in (("grid", 1280), ("grid", 400), ("hostile", 400), ("morris", 1280)):
            path = write_report(hostile if kind == "hostile" else found(kind), tmp_path / "r.html")
            tab = browser.new_page(viewport={"width": width, "height": 900})
            noted = []
            tab.on("console", lambda message, noted=noted: noted.append(message.text))
            tab.on("pageerror", lambda error, noted=noted: noted.append(str(error)))
            tab.goto(path.as_uri())
            for box in tab.locator(".plot").all():
                box.locator(".main-svg").first.wait_for(state="attached")
            title = "document.getElementById('response').layout.xaxis.title.text"
            said_ = tab.inner_text("#response-said, #tornado-said")
            tab.select_option("#tornado-metric", "1")
            tab.select_option("#response-metric", "2")
            assert "makespan_s" in tab.evaluate(title.replace("xaxis", "yaxis"))
            assert tab.locator("#tornado-said").text_content() != said_
            assert "lost_work_s" in tab.locator("#tornado-said").text_content()
            for block in tab.locator("details summary").all():
                block.click()
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert tab.evaluate("window.hacked") is None
            if kind == "grid" and width == 1280:
                heading = tab.locator("table.key th button", has_text="makespan_s")
                heading.click()
                order = found("grid").means().sort_values("makespan_s")["hinting"].tolist()
                names = tab.locator("table.key tbody th").all_inner_texts()
                assert [name.split("\n")[0] for name in names] == order
            assert noted == []
            tab.close()
        browser.close()
