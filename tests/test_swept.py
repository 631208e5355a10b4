"""What a study adds up to, read from its store: rows, rankings, curves, words."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

import dcsim
from dcsim.errors import ResultError
from dcsim.study.sweeps.store import Store

NOISE = {"guests[0].workload.load.noise": 0.5, "guests[0].workload.load.every": "1s"}
AXES = {
    "hinting": ["zero-page", "free-page-hint", "balloon-held"],
    "topology.host_link": ["2Gbit/s", "10Gbit/s"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store with a study of 6 points and 3 replications, tables kept."""
    store = tmp_path_factory.mktemp("swept") / "store"
    design = dcsim.Design(
        dcsim.load("quick-start"), name="two axes", set=NOISE, axes=AXES, replications=3,
        tables=["migrations"], metrics=["network_bytes", "lost_work_s"],
    )  # fmt: skip
    dcsim.sweep(design, store=store)
    return store


@pytest.fixture
def study(place):
    """That study, opened."""
    return dcsim.Sweep.open(place)


def test_a_frame_is_what_runs_say(study):
    """Each row is the run of its values and replicate, bit for bit."""
    frame = study.frame()
    assert list(frame.columns[:9]) == [
        "point", "hinting", "topology.host_link", "replicate", "seed", "run", "digest", "error",
        "message",
    ]  # fmt: skip
    assert len(frame) == 18
    assert frame["run"].is_unique
    row = frame[(frame["hinting"] == "balloon-held") & (frame["replicate"] == 2)].iloc[1]
    changes = {**NOISE, "hinting": "balloon-held", "topology.host_link": "10Gbit/s"}
    result = dcsim.run(dcsim.load("quick-start").replace(changes), replicate=2)
    assert (row["seed"], row["digest"]) == (result.seed, result.digest)
    for metric, value in result.metrics.items():
        assert math.isclose(row[metric], value, rel_tol=0) or math.isnan(value), metric
    timed = study.frame(metrics=[], timing=True)
    assert (timed["seconds"] > 0).all()


def test_tables_are_kept_with_the_run_of_each_row(study):
    """And only those that the study named."""
    migrations = study.table("migrations")
    assert set(migrations["run"]) == set(study.frame()["run"])
    assert (migrations["outcome"] == "completed").all()
    with pytest.raises(ResultError, match="no table rounds was kept"):
        study.table("rounds")


def test_rankings_fronts_and_curves_are_of_the_same_rows(study):
    """Each is what the frame's means say."""
    frame = study.frame()
    means = frame.groupby("hinting")["network_bytes"].mean()
    ranking = study.ranking("network_bytes").frame()
    assert ranking["hinting"].tolist() == means.sort_values().index.tolist()
    assert dict(zip(ranking["hinting"], ranking["network_bytes"], strict=True)) == pytest.approx(
        means.to_dict()
    )
    shown = study.means()
    assert shown["hinting"].tolist() == AXES["hinting"]
    assert shown["runs"].tolist() == [6, 6, 6]
    differences = study.differences("network_bytes")
    assert differences["hinting"].tolist() == ["free-page-hint", "balloon-held"]
    assert differences["difference"].tolist() == pytest.approx(
        [means[name] - means["zero-page"] for name in ("free-page-hint", "balloon-held")]
    )
    curve = study.response("makespan_s", over="host_link", by="hinting").frame()
    slow = curve[(curve["topology.host_link"] == "2Gbit/s") & (curve["hinting"] == "zero-page")]
    rows = frame[(frame["topology.host_link"] == "2Gbit/s") & (frame["hinting"] == "zero-page")]
    assert slow["mean_s"].item() == pytest.approx(rows["makespan_s"].mean())
    assert len(study.best("makespan_s")) == 2
    assert {row.values[0] for row in study.front().rows} == set(AXES["hinting"])
    assert study.tornado("makespan_s").frame()["factor"].tolist()[0] == "topology.host_link"
    needed = study.replications_needed("lost_work_s", within=0.01).frame()
    assert (needed["needed"] >= 3).all()


def test_it_is_looked_at_in_other_ways(study):
    """Other metrics, another axis, another baseline; what there is none of is refused."""
    other = study.looked_at(metrics=["makespan_s"], by="host_link", baseline="10Gbit/s")
    assert other.metrics == ["makespan_s"]
    assert other.factor().path == "topology.host_link"
    assert other.differences()["baseline"].tolist() == ["10Gbit/s"]
    assert study.metrics == ["network_bytes", "lost_work_s"]
    for options, said in (
        ({"metrics": ["makespan"]}, "did you mean 'makespan_s'"),
        ({"by": "hint"}, "did you mean 'hinting'"),
        ({"baseline": "zero"}, "no run has hinting = zero; there are zero-page, free-page-hint"),
    ):
        with pytest.raises(ResultError, match=said):
            study.looked_at(**options)
    with pytest.raises(ResultError, match="a grid has no sensitivity indices"):
        study.sensitivity()


def test_it_tells_all_of_it_in_words(study):
    """How many runs, who ranks where, against what, what decides, how sure."""
    words = study.summary()
    assert words.startswith("two axes: 6 points of hinting and host_link, 18 runs, paired")
    assert "Against zero-page, balloon-held has" in words
    assert "on the front of network_bytes and lost_work_s" in words
    assert "points have enough runs" in words or "point has enough runs" in words
    assert "two axes" in study._repr_html_()
    assert repr(study).startswith("<Sweep of two axes in ")


def test_nothing_random_has_no_intervals(tmp_path):
    """One run of each point, and words that say so."""
    design = dcsim.Design(dcsim.load("quick-start"), axes={"hinting": ["none", "zero-page"]})
    words = dcsim.sweep(design, store=tmp_path / "store").summary()
    assert "2 runs. Nothing in it is random, so there are no intervals." in words
    assert "[" not in words


def test_what_is_not_crossed_is_not_ranked(tmp_path):
    """One at a time: levels do not meet at the same points, so a tornado tells."""
    design = dcsim.Design(
        dcsim.load("quick-start"), design="one-at-a-time",
        axes={"hinting": ["zero-page", "none"], "topology.host_link": "2Gbit/s..8Gbit/s/3"},
    )  # fmt: skip
    words = dcsim.sweep(design, store=tmp_path / "store").summary()
    assert "swings most with hinting, from" in words
    assert "Against" not in words


def test_failures_are_counted_and_told(tmp_path):
    """They do not hide what the others say."""
    points = {"hinting": ["zero-page", "zero-page"], "guests[0].memory": ["2GiB", "4GiB"]}
    design = dcsim.Design(
        dcsim.load("quick-start"), points=points, limits={"time": "1us"}, name="short"
    )
    study = dcsim.sweep(design, store=tmp_path / "store")
    assert study.failures["error"].tolist() == ["RunTooLongError"] * 2
    assert "2 of 2 runs failed: 2 RunTooLongError" in study.summary()


def test_a_store_is_opened_by_name(place, tmp_path):
    """The last study, or the one whose name begins so."""
    assert dcsim.Sweep.open(place, study="two").design.name == "two axes"
    with pytest.raises(ResultError, match="has no such study; there are two-axes-"):
        dcsim.Sweep.open(place, study="three")
    with pytest.raises(ResultError, match=r"is no store of studies: store\.json is missing"):
        dcsim.Sweep.open(tmp_path)


def test_runs_of_another_source_are_read_and_run_again(tmp_path, monkeypatch):
    """What was made by another dcsim stays readable, and is not mixed with what this one makes."""
    from dcsim.study.sweeps import chunk, code, driver, points, reading, swept

    design = dcsim.Design(dcsim.load("quick-start"), axes={"hinting": ["none", "zero-page"]})
    first = dcsim.sweep(design, store=tmp_path / "store").frame()
    assert code.code() != "9.9.9+other"
    for module in (chunk, driver, points, reading, swept):
        monkeypatch.setattr(module, "code", lambda: "9.9.9+other")
    opened = dcsim.Sweep.open(tmp_path / "store")
    pd.testing.assert_frame_equal(opened.frame(), first)
    assert opened.old == code.code()
    assert f"made by dcsim {code.code()}" in opened.summary()
    again = dcsim.sweep(design, store=tmp_path / "store")
    assert again.old == ""
    assert len(Store(tmp_path / "store").shards()) >= 2
    assert set(again.frame()["run"]).isdisjoint(first["run"])


def test_the_command_line_tells_it(place, tmp_path):
    """`dcsim compare STORE`, for people and for programs; `dcsim rerun` of one run."""
    from typer.testing import CliRunner

    from dcsim.cli import application

    def call(*arguments):
        done = CliRunner().invoke(application(), [str(each) for each in arguments])
        return done.exit_code, done.output

    code, text = call("compare", place, "--over", "host_link", "--metric", "makespan_s")
    assert code == 0
    assert text.splitlines()[0].split() == ["hinting", "runs", "makespan_s"]
    assert "With host_link from 2Gbit/s to 10Gbit/s, makespan_s falls" in text
    code, text = call("compare", place, "--json", "--baseline", "balloon-held")
    data = json.loads(text)
    assert (code, data["recorded"], data["failed"]) == (0, 18, 0)
    assert {row["baseline"] for row in data["differences"]["network_bytes"]} == {"balloon-held"}
    assert set(data["ranking"]) == {"network_bytes", "lost_work_s"}
    for options, said in (
        (["--hinting", "none"], "means nothing for"),
        (["--by", "hint"], "did you mean 'hinting'"),
    ):
        code, text = call("compare", place, *options)
        assert code != 0
        assert said in text
    code, text = call("compare", "quick-start", "--over", "x")
    assert (code, "is of the store of a sweep" in text) == (2, True)
    run = dcsim.Sweep.open(place).frame()["run"][4]
    code, text = call("rerun", place, "--run", run[:8], "-o", tmp_path / "result")
    assert code == 0
    assert "reproduced bit for bit" in text
    assert dcsim.Result.load(tmp_path / "result").scenario["record"] == "full"
    assert call("rerun", place)[0] == 2
    assert "no run of" in call("rerun", place, "--run", "zz")[1]


# ------------------------------------------------------------------- what once went wrong


def test_points_where_nothing_is_random_have_pairs_too(tmp_path):
    """They are run once, and any other replicate would be the same."""
    axes = {"hinting": ["zero-page", "balloon-held"], "guests[0].workload.load.noise": [0, 0.5]}
    scene = dcsim.load("quick-start").replace({"guests[0].workload.load.every": "1s"})
    study = dcsim.sweep(dcsim.Design(scene, axes=axes, replications=4), store=tmp_path / "store")
    assert len(study.frame()) == 2 * (1 + 4)
    found = study.differences("network_bytes")
    frame = study.frame()
    means = {
        policy: sum(part.groupby("point")["network_bytes"].mean()) / 2
        for policy, part in frame.groupby("hinting")
    }
    gap = means["balloon-held"] - means["zero-page"]
    assert found["difference"].item() == pytest.approx(gap)
    assert not found["difference_low"].isna().item()
    assert (study.replications_needed("network_bytes").frame()["needed"] >= 1).all()


def test_no_value_is_a_value(tmp_path):
    """An axis with null among its values is compared like any other."""
    axes = {"migration.max_bandwidth": [None, "5Gbit/s"], "guests[0].memory": ["1GiB", "2GiB"]}
    design = dcsim.Design(dcsim.load("quick-start"), axes=axes)
    study = dcsim.sweep(design, store=tmp_path / "store")
    assert "Against max_bandwidth = None, 5Gbit/s has" in study.summary()
    assert len(study.differences()) == 1


def test_what_is_looked_at_in_another_way_keeps_its_runs():
    """A store that goes with its study goes with the last that looks at it."""
    design = dcsim.Design(dcsim.load("quick-start"), axes={"hinting": ["none", "zero-page"]})
    study = dcsim.sweep(design).looked_at(metrics=["makespan_s"])
    assert len(study.frame()) == 2


def test_the_last_study_is_the_one_that_was_asked_last(tmp_path):
    """Also where it had been asked before."""
    scene = dcsim.load("quick-start")
    one, two = (
        dcsim.Design(scene, name=name, axes={"hinting": ["none", "zero-page"]}) for name in "ab"
    )
    for design in (one, two, one):
        dcsim.sweep(design, store=tmp_path / "store")
    assert dcsim.Sweep.open(tmp_path / "store").design.name == "a"


def test_limits_bind_the_study_that_has_them(tmp_path):
    """What took too long for one is run for another, and once it has not failed, it has not."""
    axes = {"hinting": ["none", "zero-page"]}
    short = dcsim.Design(dcsim.load("quick-start"), axes=axes, limits={"time": "1us"})
    free = dcsim.Design(dcsim.load("quick-start"), axes=axes)
    assert len(dcsim.sweep(short, store=tmp_path / "store").failures) == 2
    assert len(dcsim.sweep(free, store=tmp_path / "store").failures) == 0


def test_levels_that_do_not_meet_are_refused(tmp_path):
    """Hundreds of sampled values cannot be ranked."""
    axes = {"topology.host_link": "1Gbit/s..25Gbit/s", "guests[0].memory": "1GiB..2GiB"}
    design = dcsim.Design(
        dcsim.load("quick-start"), axes=axes, design={"kind": "latin-hypercube", "size": 400}
    )
    study = dcsim.sweep(design, store=tmp_path / "store")
    with pytest.raises(ResultError, match="too many to compare each with each"):
        study.ranking("makespan_s")
    assert "swings most with" in study.summary()
