"""Studies as they are asked: axes, designs, tables of points, and what may be wrong with them."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import dcsim
from dcsim.errors import ScenarioError
from dcsim.scenario.files import is_study
from dcsim.scenario.spec import Scenario
from dcsim.study.designs.asked import Asked
from dcsim.study.designs.design import Design
from dcsim.study.designs.dimension import MOST_POINTS
from dcsim.study.designs.factors import Factor
from dcsim.study.designs.sampling import Span
from dcsim.study.sweeps.points import points_of
from tests.studies_data import FILE, SECONDS, quick, study

LINK, MEMORY, COUNT = "topology.host_link", "guests[0].memory", "guests[0].count"
NAMES = ["zero-page", "balloon-held"]
SCENE = quick()
SIZES = [(1 << 30) + 4096 * i for i in range(1000)]


def design(**options) -> Design:
    """Return a study of quick-start."""
    return Design(SCENE, **options)


def all_of(given: Design) -> list[dict]:
    """Return what each point changes."""
    return [given.changes(point) for point in range(len(given))]


def told(**options) -> str:
    """Return what is wrong with a study."""
    with pytest.raises(ScenarioError) as caught:
        design(**options)
    return str(caught.value)


# --------------------------------------------------------------------------- grids


def test_a_grid_has_every_combination_the_last_axis_first():
    """As loops inside each other."""
    axes = {"hinting": NAMES, MEMORY: ["1GiB", "2GiB", "3GiB"], COUNT: [1, 2]}
    given = design(axes=axes)
    wanted = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    assert all_of(given) == wanted
    assert [given.shown(point) for point in range(12)] == wanted
    assert len(given) == 12
    assert given.paths == tuple(axes)
    assert given.factors == [
        Factor("hinting", "hinting", tuple(NAMES)),
        Factor(MEMORY, "memory", ("1GiB", "2GiB", "3GiB")),
        Factor(COUNT, "count", (1, 2)),
    ]


def test_one_at_a_time_changes_one_value_of_the_first_point():
    """Each other value alone, axis by axis."""
    axes = {"hinting": NAMES, MEMORY: ["1GiB", "2GiB", "3GiB"]}
    assert all_of(design(axes=axes, design="one-at-a-time")) == [
        {"hinting": "zero-page", MEMORY: "1GiB"},
        {"hinting": "balloon-held", MEMORY: "1GiB"},
        {"hinting": "zero-page", MEMORY: "2GiB"},
        {"hinting": "zero-page", MEMORY: "3GiB"},
    ]


def test_paths_of_one_item_go_together():
    """Value by value; other items cross them."""
    axes = [{MEMORY: ["1GiB", "2GiB"], COUNT: [4, 2]}, {"hinting": NAMES}]
    given = design(axes=axes)
    assert all_of(given) == [
        {MEMORY: memory, COUNT: count, "hinting": name}
        for (memory, count) in (("1GiB", 4), ("2GiB", 2))
        for name in NAMES
    ]
    assert [factor.along for factor in given.factors] == [(COUNT,), (MEMORY,), ()]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ("1..3", [1, 2, 3]),
        ("1..64/4 log", [1, 4, 16, 64]),
        ("2, 5,7", [2, 5, 7]),
        ("4", [4]),
        (4, [4]),
        (range(2, 5), [2, 3, 4]),
        ((3, 1), [3, 1]),
        (np.array([1, 2]), [1, 2]),
        (pd.Series([5, 6]), [5, 6]),
        (iter([1, 2]), [1, 2]),
        ([1, 1, 2, 1], [1, 2]),
    ],
)
def test_values_of_an_axis(values, wanted):
    """Texts as files have them, and whatever Python goes through; each once, as plain numbers."""
    found = [changes[COUNT] for changes in all_of(design(axes={COUNT: values}))]
    assert found == wanted
    assert {type(value) for value in found} == {int}


def test_long_values_have_names_in_a_frame():
    """Of what they stand for, where that has one; else they are written out."""
    place = {"hosts": "rack0/host0", "by": "spread"}
    given = design(
        axes={
            "hinting": ["zero-page", {"use": "balloon-held", "reserve": "512MiB"}],
            "guests[0].place": [{"hosts": "rack0/host0"}, place],
        }
    )
    assert given.shown(0) == {"hinting": "zero-page", "guests[0].place": "{hosts: rack0/host0}"}
    shown = given.shown(3)
    assert shown["hinting"].startswith("balloon-held")
    assert shown["guests[0].place"] == "{hosts: rack0/host0, by: spread}"
    assert given.changes(3)["hinting"] == {"use": "balloon-held", "reserve": "512MiB"}


def test_values_of_one_name_are_written_out():
    """They could not be told apart."""
    one, other = ({"use": "balloon-held", "name": "mine", "reserve": r} for r in ("1GiB", "2GiB"))
    given = design(axes={"hinting": [one, other]})
    assert given.shown(0) != given.shown(1)


# --------------------------------------------------------------------------- samples


@pytest.mark.parametrize(
    ("kind", "size", "points"),
    [("latin-hypercube", 5, 5), ("sobol-sequence", 8, 8), ("morris", 3, 9), ("saltelli", 4, 16)],
)
def test_samples_draw_from_whole_ranges(kind, size, points):
    """And from lists; whole numbers stay whole; another seed draws others."""
    if kind in ("morris", "saltelli"):
        pytest.importorskip("SALib")
    axes = {LINK: "1Gbit/s..25Gbit/s", COUNT: "1..8"}
    how = {"kind": kind, "size": size}
    given = design(axes=axes, design=how)
    assert len(given) == points == len(all_of(given))
    for changes in all_of(given):
        assert isinstance(changes[COUNT], int)
        assert 1 <= changes[COUNT] <= 8
        assert 125e6 <= SCENE.replace(changes).topology.host_link <= 3125e6
    assert all_of(given) == all_of(design(axes=axes, design=how))
    assert all_of(given) != all_of(design(axes=axes, design={**how, "seed": 2}))
    assert set(given.factors[0].values) == {changes[LINK] for changes in all_of(given)}
    mixed = design(axes={LINK: "1Gbit/s..25Gbit/s", "hinting": NAMES}, design=how)
    assert {changes["hinting"] for changes in all_of(mixed)} == set(NAMES)


def test_what_is_crossed_meets_every_point_that_is_sampled():
    """In blocks: the sample is the same for each of its values."""
    how = {"kind": "latin-hypercube", "size": 5, "cross": ["hinting"]}
    given = design(axes={"hinting": NAMES, LINK: "1Gbit/s..25Gbit/s"}, design=how)
    assert len(given) == 10
    drawn = {name: [c[LINK] for c in all_of(given) if c["hinting"] == name] for name in NAMES}
    assert drawn[NAMES[0]] == drawn[NAMES[1]]
    assert len(set(drawn[NAMES[0]])) == 5
    assert Design.from_dict(given.to_dict()).digest == given.digest


# --------------------------------------------------------------------------- tables


def test_points_may_be_a_table():
    """Of pandas, or a mapping; its rows are the points."""
    columns = {"hinting": NAMES, MEMORY: ["1GiB", "2GiB"], COUNT: [1, 2]}
    given = design(points=columns)
    assert all_of(given) == pd.DataFrame(columns).to_dict("records")
    assert design(points=pd.DataFrame(columns)).digest == given.digest
    assert given.factors[0] == Factor("hinting", "hinting", tuple(NAMES))
    assert [type(value) for value in given.changes(0).values()] == [str, str, int]


def test_points_beyond_those_that_are_checked_fail_as_runs():
    """A table of many is not read through before anything runs."""
    given = design(points={MEMORY: ["1GiB"] * 1000 + ["no size"]})
    assert list(points_of(given).errors) == [1000]


# --------------------------------------------------------------------------- the same again


PYTHON = [
    {"axes": {"hinting": NAMES, LINK: "1Gbit/s..25Gbit/s/3"}},
    {"axes": [{MEMORY: ["1GiB", "2GiB"], COUNT: [4, 2]}, {"hinting": NAMES}], "about": "x"},
    {"axes": {COUNT: "1..3"}, "set": {"hinting": "balloon-held"}, "replications": 7},
    {"axes": {LINK: "1Gbit/s..25Gbit/s", COUNT: "1..8"}, "design": {
        "kind": "latin-hypercube", "size": 5, "seed": 3}},
    {"axes": {LINK: "1Gbit/s..25Gbit/s linear", "hinting": NAMES}, "design": {
        "kind": "sobol-sequence", "size": 4}},
    {"axes": {COUNT: [1, 2]}, "design": "one-at-a-time", "baseline": 2, "metrics": ["rounds"]},
    {"axes": {COUNT: [1, 2]}, "replications": {"metric": "lost_work_s", "within": "1%"}},
    {"axes": {"guests[0].place": [{"hosts": "rack0/host0"}, {"hosts": "*"}]}, "tables": ["guests"]},
    {"points": {"hinting": NAMES, COUNT: [1, 2]}, "limits": {"time": "5s", "memory": "1GiB"}},
    {"axes": {"migration.max_bandwidth": [None, "1Gbit/s"]}, "question": "why?"},
]  # fmt: skip


@pytest.mark.parametrize("options", PYTHON)
def test_plain_data_make_the_same_study(options):
    """Through JSON, with the same digest, points and questions."""
    given = design(**options)
    data = json.loads(json.dumps(given.to_dict(), allow_nan=False))
    again = Design.from_dict(data)
    assert again.to_dict() == given.to_dict()
    assert again.digest == given.digest
    assert all_of(again) == all_of(given)
    for key in given.asked.to_dict().keys() - {"axes", "points", "set", "scenario"}:
        assert getattr(again.asked, key) == getattr(given.asked, key)
    assert [again.shown(i) for i in range(len(given))] == [
        given.shown(i) for i in range(len(given))
    ]


UNITS = st.sampled_from(["", "Mbit/s", "GiB", "%", "ms"])
LOWS = st.one_of(st.integers(0, 10**6), st.floats(0, 1e9, allow_nan=False))


@given(LOWS, st.floats(1.01, 1e6), UNITS, st.sampled_from(["", " log", " linear"]), st.integers(1))
def test_a_span_that_is_written_is_read_again(low, ratio, unit, scale, seed):
    """The text of a range draws the same values."""
    high = low * ratio + 1 if isinstance(low, float) else int(low * ratio) + 1
    try:
        span = Span.read(f"{low}{unit}..{high}{unit}{scale}")
    except ValueError as error:
        assert "above 0" in str(error) or "does not rise" in str(error) or "e-" in str(error)  # noqa: PT017
        return
    assume(span is not None)
    again = Span.read(span.text)
    assert again == span
    u = np.random.default_rng(seed).random(20)
    assert [again.at(x) for x in u] == [span.at(x) for x in u]


def test_digests_are_of_all_that_is_asked():
    """Whatever is changed makes another, the order of keys too; in any process the same."""
    base = design(axes={"hinting": NAMES, COUNT: [1, 2]})
    others = [
        design(axes={COUNT: [1, 2], "hinting": NAMES}),
        design(axes={"hinting": NAMES[::-1], COUNT: [1, 2]}),
        design(axes={"hinting": NAMES, COUNT: [1, 2]}, replications=3),
        design(axes={"hinting": NAMES, COUNT: [1, 2]}, name="other"),
        design(axes={"hinting": NAMES, COUNT: [1, 2]}, set={"seed": 3}),
        design(axes={"hinting": NAMES, COUNT: [1, 2]}, tables=["rounds"]),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == 7
    code = (
        "import dcsim; print(dcsim.Design(dcsim.load('quick-start'), axes={"
        f"'hinting': {NAMES}, {COUNT!r}: [1, 2]}}).digest)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert ran.stdout.strip() == base.digest


def test_what_is_set_is_part_of_the_scenario():
    """And what is kept follows from the tables."""
    given = design(axes={"hinting": NAMES}, set={COUNT: 3, "seed": 9}, tables=["guests"])
    assert given.scenario == SCENE.replace({COUNT: 3, "seed": 9, "record": "migrations"})
    assert design(axes={"hinting": NAMES}, tables=["rounds"]).scenario.record == "full"
    assert design(axes={"hinting": NAMES}).scenario.record == "summary"


def test_a_design_says_what_it_is():
    """In a line."""
    assert repr(study()) == f"<Design of small: 6 points of hinting, {LINK}>"
    assert study().name == "small"
    assert design(axes={COUNT: 1}).name == SCENE.name


# --------------------------------------------------------------------------- files


@pytest.fixture
def load(tmp_path):
    """Return a function that reads a study from a text, beside other files."""
    folder = tmp_path / "top" / "studies"
    folder.mkdir(parents=True)

    def read(text, **others):
        for name, content in others.items():
            (folder / name.replace("__", ".")).write_text(content, encoding="utf-8")
        path = folder / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return Design.load(path)

    read.folder = folder
    return read


def test_a_file_is_the_same_study(load):
    """As one in Python; its name is the file's unless it says another."""
    assert load(FILE).digest == study().digest
    assert load("scenario: quick-start\naxes: {hinting: zero-page}\n").name == "mine"


def test_a_scenario_may_be_written_out_or_stand_in_a_file(load, root):
    """Beside the study, or below the folder above it; includes are its own."""
    text = "axes: {hinting: [zero-page]}\n"
    scene = (root / "scenarios" / "quick-start.yaml").read_text(encoding="utf-8")
    lines = "".join(f"  {line}\n" for line in scene.splitlines())
    given = load(f"scenario:\n{lines}{text}")
    assert given.scenario.topology == SCENE.topology
    (load.folder.parent / "scenes").mkdir()
    (load.folder.parent / "scenes" / "x.yaml").write_text(scene)
    for name in ("../scenes/x.yaml", "./x.yaml", "x.yaml"):
        given = load(f"scenario: {name}\n{text}", x__yaml=scene)
        assert given.scenario.topology == SCENE.topology


def test_points_may_stand_in_a_table(load):
    """Of CSV."""
    given = load(
        "scenario: quick-start\npoints: p.csv\n",
        p__csv=f"hinting,{MEMORY},{COUNT}\nzero-page,1GiB,1\nballoon-held, 2GiB ,2\n",
    )
    assert all_of(given) == [
        {"hinting": "zero-page", MEMORY: "1GiB", COUNT: 1},
        {"hinting": "balloon-held", MEMORY: "2GiB", COUNT: 2},
    ]
    inline = load(
        f"scenario: quick-start\npoints: {{hinting: [zero-page, balloon-held], '{MEMORY}': "
        f"[1GiB, 2GiB], '{COUNT}': [1, 2]}}\n"
    )
    assert inline.digest == given.digest


def test_studies_are_told_from_scenarios(load, tmp_path):
    """By what only they have."""
    path = load.folder / "mine.yaml"
    load(FILE)
    assert is_study(str(path))
    (tmp_path / "x.yaml").write_text("topology: {}\n")
    assert not is_study(str(tmp_path / "x.yaml"))
    assert is_study("seed-question")
    assert not is_study("quick-start")
    assert not is_study("nothing-of-that-name")


START = "scenario: quick-start\n"
WRONG = [
    ("", "mine.yaml:1:1: is empty"),
    ("- 1\n", "mine.yaml:1:1: must be a mapping, with keys such as axes"),
    ("axes: [\n", "mine.yaml:2:1: is no YAML"),
    ("axes: {hinting: zero-page}\n", "mine.yaml:1:1: key 'scenario' is missing"),
    (START, "mine.yaml:1:1: axes: is missing; give axes, or a table of points"),
    (START + "axes: {}\n", "mine.yaml:2:7: axes: must be a mapping of paths and values"),
    (START + "axes: 5\n", "mine.yaml:2:7: axes: must be a mapping"),
    (START + "axes: [5]\n", "mine.yaml:2:8: axes[0]: must be a mapping"),
    (START + "axes: {hinting: []}\n", "mine.yaml:2:17: axes.hinting: holds no value"),
    (
        START + "axes:\n  hinting:\n    - zero-page\n    - baloon-held\n",
        "mine.yaml:5:7: axes.hinting[1]: unknown hinting policy 'baloon-held'",
    ),
    (START + "axes: {hinting: [baloon-held]}\n", "did you mean 'balloon-held'?"),
    (START + "axes: {hintng: [1]}\n", "mine.yaml:2:17: axes.hintng[0]: unknown key 'hintng'"),
    (START + "axes: {hintng: [1]}\n", "did you mean 'hinting'?"),
    (
        START + "axes:\n  - hinting: [zero-page, balloon-held]\n    guests[0].memory: [1GiB]\n",
        "mine.yaml:3:5: axes[0]: what goes together needs as many values each: hinting has 2, "
        "guests[0].memory has 1",
    ),
    (
        START + "axes:\n  - hinting: [zero-page]\n  - hinting: [balloon-held]\n",
        "mine.yaml:4:14: axes[1].hinting: is varied twice",
    ),
    (START + "axes: {seed: [1, 2]}\n", "mine.yaml:2:14: axes.seed: is not varied: replications"),
    (START + "axes: {record: full}\n", "mine.yaml:2:16: axes.record: is not varied: tables say"),
    (
        START + "axes: {topology.host_link: 5Gbit/s..1Gbit/s}\n",
        "mine.yaml:2:28: axes.topology.host_link: '5Gbit/s..1Gbit/s' does not rise",
    ),
    (START + "axes: {hinting: x}\nreplication: 3\n", "mine.yaml:3:1: replication: unknown key"),
    (START + "axes: {hinting: x}\nreplication: 3\n", "did you mean 'replications'?"),
    (START + "axes: {hinting: zero-page}\nreplications: 0\n", "mine.yaml:3:15: replications"),
    (
        START + "axes: {hinting: zero-page}\nreplications: {metric: lost_wrk_s}\n",
        "mine.yaml:3:24: replications.metric: no metric is called 'lost_wrk_s'; did you mean "
        "'lost_work_s'?",
    ),
    (
        START + "axes: {hinting: zero-page}\nreplications: {metric: rounds, count: 3}\n",
        "mine.yaml:3:39: replications.count: is a count, or a metric that is to be known",
    ),
    (START + "axes: {hinting: zero-page}\nreplications: {metric: rounds, least: 9, most: 4}\n",
     "mine.yaml:3:48: replications.most: must be at least 9"),
    (START + "axes: {hinting: zero-page}\ndesign: latin\n", "mine.yaml:3:9: design.kind: must be"),
    (START + "axes: {hinting: zero-page}\ndesign: morris\n", "morris needs size: how many"),
    (
        START + "axes: {topology.host_link: 1Gbit/s..2Gbit/s}\n"
        "design: {kind: sobol-sequence, size: 100}\n",
        "mine.yaml:3:38: design.size: sobol-sequence needs a size that is a power of 2, got 100; "
        "the nearest are 64 and 128",
    ),
    (START + "axes: {hinting: zero-page}\ndesign: {kind: grid, size: 9}\n",
     "mine.yaml:3:28: design.size: grid has no size"),
    (START + "axes: {hinting: zero-page}\nbaseline: zero-pge\n",
     "mine.yaml:3:11: baseline: 'zero-pge' is no value of hinting; there are zero-page"),
    (START + "axes: {hinting: zero-page}\nmetrics: [lost_work]\n",
     "mine.yaml:3:10: metrics: no metric is called 'lost_work'; did you mean 'lost_work_s'?"),
    (START + "axes: {hinting: zero-page}\ntables: [migration]\n",
     "mine.yaml:3:9: tables: no table is called 'migration'"),
    (START + "axes: {hinting: zero-page}\nset: {hintng: x}\n",
     "mine.yaml:3:15: set.hintng: unknown key 'hintng'"),
    (START + "axes: {hinting: zero-page}\nlimits: {time: 5}\n",
     "mine.yaml:3:16: limits.time: must have a unit, such as '300ms', got 5"),
    (START + "axes: {hinting: x}\npoints: {hinting: [zero-page]}\n",
     "mine.yaml:2:7: axes: is given beside points"),
    (START + "points: {hinting: [zero-page, balon]}\n",
     "mine.yaml:2:31: points.hinting[1]: unknown hinting policy 'balon'"),
    (START + "points: {hinting: [zero-page], 'guests[0].count': [1, 2]}\n",
     "mine.yaml:2:9: points: needs columns of the same length"),
    (START + "points: {hinting: [[zero-page]]}\n", "points.hinting[0]: must be a text or a number"),
    (START + "points: {hinting: 5}\n", "mine.yaml:2:19: points.hinting: must be a column"),
    (START + "points: {hinting: {a: 1}}\n", "points.hinting: must be a column: a list of values"),
    (START + "points: {hinting: []}\n", "mine.yaml:2:9: points: needs columns"),
    (START + "points: []\n", "mine.yaml:2:9: points: must be a table"),
    (START + "points: {hinting: [zero-page]}\ndesign: one-at-a-time\n",
     "mine.yaml:3:9: design: has nothing to choose from"),
    (START + "points: p.txt\n", "mine.yaml:2:9: points: 'p.txt' is no file of columns"),
    (START + "points: none.csv\n", "none.csv: there is no such file"),
    (START + "points: q.csv\n", "q.csv:3:11: points.guests[0].count[1]: "),
    (START + "points: r.csv\n", "r.csv:"),
    ("scenario: quik-start\naxes: {hinting: x}\n", "mine.yaml:1:11: scenario: unknown scenario"),
    ("scenario: quik-start\naxes: {hinting: x}\n", "did you mean 'quick-start'?"),
    ("scenario: 5\naxes: {hinting: x}\n", "mine.yaml:1:11: scenario: must be a name, a file or"),
    ("scenario: null\naxes: {hinting: x}\n", "mine.yaml:1:11: scenario: must be a name, a file"),
    ("scenario: {horizon: -5}\naxes: {hinting: x}\n", "mine.yaml:1:21: horizon: must be finite"),
    ("scenario: {horizon: -5}\naxes: {hinting: x}\n", "mine.yaml:1:11: key 'topology' is missing"),
    ("scenario: ./no.yaml\naxes: {hinting: x}\n", "no.yaml: there is no such file"),
    (START + "name: ''\naxes: {hinting: zero-page}\n", "mine.yaml:2:7: name: "),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), WRONG)
def test_what_is_wrong_is_said_where_it_stands(load, text, wanted):
    """File, line, column, path, what is legal, and what may have been meant."""
    with pytest.raises(ScenarioError) as caught:
        load(
            text,
            q__csv="hinting,guests[0].count\nzero-page,1\nzero-page,-4\n",
            r__csv="hinting,hinting\nzero-page,zero-page\n",
        )
    assert wanted in str(caught.value).replace(f"{load.folder}/", "")


def test_all_problems_are_told_at_once(load):
    """Of axes, and what is set."""
    with pytest.raises(ScenarioError) as caught:
        load(START + "axes: {seed: [1], hinting: [], topology.host_link: 3..1}\nset: {x: 1}\n")
    assert len(caught.value.issues) == 4
    assert [issue.path for issue in caught.value.issues] == [
        "set.x", "axes.seed", "axes.hinting", "axes.topology.host_link",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd", "../../../../../../etc/passwd.csv", "/etc/passwd", "/etc/passwd.csv",
        "../../secret.csv", "../../secret.yaml", "link.csv", "link.yaml", "a\\0b.csv", "loop.csv",
        "loop.yaml", "./../studies/../../../secret.yaml", "fifo.csv", "fifo.yaml", ".", "./", "..",
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["scenario", "points"])
def test_no_path_leads_out(load, tmp_path, key, path):
    """Nor through a link; what stands outside is not read, let alone shown."""
    import os

    for name in ("secret.csv", "secret.yaml"):
        (tmp_path / name).write_text("hinting: SECRET\n")
    for ending in ("csv", "yaml"):
        (load.folder / f"link.{ending}").symlink_to(tmp_path / f"secret.{ending}")
        (load.folder / f"loop.{ending}").symlink_to(f"loop.{ending}")
        os.mkfifo(load.folder / f"fifo.{ending}")
    other = "axes: {hinting: x}\n" if key == "scenario" else START
    with pytest.raises(ScenarioError) as caught:
        load(f'{other}{key}: "{path}"\n')
    assert "SECRET" not in str(caught.value)
    assert "root:" not in str(caught.value)


# --------------------------------------------------------------------------- too much


@pytest.mark.parametrize(
    ("options", "points"),
    [
        ({"axes": {LINK: SIZES, MEMORY: SIZES, COUNT: [1, 2]}}, "2,000,000"),
        ({"axes": {LINK: "1Gbit/s..9Gbit/s"},
          "design": {"kind": "latin-hypercube", "size": 10**6}}, ""),
        ({"axes": {f"guests[0].{k}": "1..2" for k in range(60)},
          "design": {"kind": "saltelli", "size": 2**19}}, "32,505,856"),
        ({"axes": {LINK: "1Gbit/s..9Gbit/s", COUNT: "1..2"},
          "design": {"kind": "morris", "size": 10**6}}, "3,000,000"),
        ({"axes": {COUNT: itertools.count(1)}}, "1,000,001"),
        ({"axes": {f"guests[0].{k}": SIZES for k in range(200)}}, "1" + ",000" * 200),
    ],
)  # fmt: skip
def test_a_study_of_too_many_points_is_refused_at_once(options, points):
    """Before any value is looked at, or a point drawn."""
    began = time.monotonic()
    if points:
        assert f"{points} points; {MOST_POINTS:,} are the most" in told(**options)
    else:
        assert len(design(**options)) == 10**6
    assert time.monotonic() - began < 20


def test_a_large_study_costs_what_its_axes_cost():
    """A million points are made as they are looked at."""
    given = design(axes={LINK: SIZES, MEMORY: SIZES})
    assert len(given) == MOST_POINTS
    assert given.changes(MOST_POINTS - 1) == {LINK: SIZES[-1], MEMORY: SIZES[-1]}
    assert len(json.dumps(given.to_dict())) < 100_000


def test_deep_values_are_refused():
    """In Python as in files."""
    deep: list = []
    for _ in range(50_000):
        deep = [deep]
    for options in (
        {"axes": {"hinting": deep}},
        {"axes": {"hinting": [deep]}},
        {"axes": {COUNT: [1]}, "set": {"hinting": deep}},
        {"axes": {COUNT: [1]}, "baseline": deep},
        {"points": {"hinting": deep}},
    ):
        assert told(**options)
    while deep:  # Python frees it level by level otherwise
        deep = deep[0]


def test_aliases_that_explode_are_refused(load):
    """As in scenarios."""
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    with pytest.raises(ScenarioError):
        load(START + "axes: {hinting: x}\nset:\n" + "".join(f"  {line}\n" for line in lines))
    with pytest.raises(ScenarioError, match="nested more than 64 deep"):
        load(START + f"axes: {{hinting: {'[' * 100}{']' * 100}}}\n")


# --------------------------------------------------------------------------- anything


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from([
        "zero-page", "balloon-held", "1GiB", "1..4", "1Gbit/s..9Gbit/s", "1..9/3 log", "a]", "[",
        "{a: b}", "*x", "..", "1..", "5..1", "2%..9%", "grid", "morris", "10**9", "\ud800", "\0",
    ]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "use", "hinting", "kind", "size", ""]), inner)
    ),
    max_leaves=6,
)
PATHS = st.sampled_from(
    ["hinting", LINK, MEMORY, COUNT, "guests[0]", "topology", "seed", "", "x", "a[", "guests[9].a"]
)
KEYS = [key for key in Asked.model_fields if key != "scenario"]


def survives(make) -> None:
    """Whatever is asked is a study, or `ScenarioError` says why not, in words that can be shown."""
    try:
        given = make()
    except ScenarioError as error:
        str(error).encode("utf-8", "strict")
        return
    assert 1 <= len(given) <= MOST_POINTS
    given.changes(len(given) - 1)
    assert given.factors
    assert Design.from_dict(json.loads(json.dumps(given.to_dict()))).digest == given.digest


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4), st.booleans())
def test_any_data_are_a_study_or_an_error(data, whole):
    """`ScenarioError` and no other."""
    base = {"scenario": SCENE, "axes": {COUNT: [1, 2]}} if whole else {"scenario": SCENE}
    survives(lambda: Design.from_dict({**base, **data}))


@settings(max_examples=300)
@given(
    st.dictionaries(PATHS, VALUES, min_size=1, max_size=3),
    st.sampled_from(["axes", "list", "points", "set"]),
    st.sampled_from([
        "grid", "one-at-a-time", {"kind": "latin-hypercube", "size": 3},
        {"kind": "sobol-sequence", "size": 4}, {"kind": "sobol-sequence", "size": 3},
    ]),
)  # fmt: skip
def test_any_axes_are_a_study_or_an_error(axes, where, how):
    """Of values of any kind at any path."""
    options = {where: axes}
    if where == "list":
        options = {"axes": [{path: values} for path, values in axes.items()]}
    if where == "set":
        options |= {"axes": {COUNT: [1, 2]}}
    survives(lambda: design(**options, design=how))


@settings(max_examples=150)
@given(st.text(alphabet="axesopint{}[]:,-&*!|>'\"# \n\t0123.zgGB/%\0", max_size=60))
def test_any_text_is_a_study_or_an_error(tmp_path_factory, text):
    """Of a file."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    for start in ("", START, START + "axes: "):
        path.write_text(start + text, encoding="utf-8")
        survives(lambda: Design.load(path))


@pytest.mark.parametrize(
    "wrong",
    [
        {"points": 1}, {"points": "x"}, {"points": {"hinting": "zero-page"}}, {"points": {1: [1]}},
        {"points": {"hinting": 5}}, {"axes": 1}, {"axes": [{1: [2]}]}, {"axes": {(): [1]}},
        {"axes": {COUNT: [object()]}}, {"axes": {COUNT: [{1, 2}]}},
        {"axes": {COUNT: [1]}, "set": 1}, {"axes": {COUNT: [1]}, "set": "ab"},
        {"axes": {COUNT: [1]}, "set": {1: 2}}, {"axes": {COUNT: [1]}, "zzz": 1},
        {"axes": {COUNT: [lambda: 1]}}, {"axes": {COUNT: [float("nan")]}}, {"axes": {}},
        {"axes": {COUNT: [1]}, "metrics": 5}, {"axes": {COUNT: [1]}, "tables": "rounds"},
        {"points": pd.DataFrame({COUNT: [1, None]})}, {"points": pd.DataFrame()}, {},
        {"points": pd.DataFrame({COUNT: pd.to_datetime(["2026-01-01"])})},
    ],
)  # fmt: skip
def test_python_is_told_as_well(wrong):
    """Values that no file could hold."""
    assert told(**wrong)


def test_a_scenario_that_is_none_is_told():
    """Where plain data ought to hold it."""
    for scenario in (None, 5, "quick-start", {}, [], {"topology": 1}):
        with pytest.raises(ScenarioError):
            Design.from_dict({"scenario": scenario, "axes": {COUNT: [1]}})
    with pytest.raises(ScenarioError):
        Design.from_dict({})
    assert isinstance(Design.from_dict(study().to_dict()).scenario, Scenario)


def test_what_goes_together_is_replaced_together():
    """One path of an axis of two cannot be replaced by itself."""
    axes = [{"guests[0].vcpus": [1, 2], "guests[0].memory": ["1GiB", "2GiB"]}]
    design = dcsim.Design(dcsim.load("quick-start"), axes=axes)
    with pytest.raises(dcsim.ScenarioError, match=r"goes together with guests\[0\].memory"):
        design.replace(axes={"guests[0].vcpus": [4]})
    both = {"guests[0].vcpus": [4], "guests[0].memory": ["4GiB"]}
    assert len(design.replace(axes=both)) == 1


def test_a_share_of_no_metric_is_refused():
    """How well nothing is to be known."""
    with pytest.raises(dcsim.ScenarioError, match="means nothing without a metric"):
        dcsim.Design(
            dcsim.load("quick-start"), axes={"hinting": ["none"]}, replications={"within": "5%"}
        )


def test_all_that_is_wrong_with_a_file_is_told_at_once(tmp_path):
    """Keys, values and axes, each with its line."""
    path = tmp_path / "study.yaml"
    path.write_text(
        "scenario: quick-start\nset: {setle: 1s}\naxes: {hinting: [zer]}\nmetrics: [foo]\n"
    )
    with pytest.raises(ScenarioError) as refused:
        Design.load(path)
    assert [issue.line for issue in refused.value.issues] == [4, 2, 3]


def test_a_study_is_told_from_a_scenario(tmp_path):
    """By a key that scenarios have not, misspelt axes or not; and the other way round."""
    path = tmp_path / "study.yaml"
    path.write_text("scenario: quick-start\naxis: {hinting: [none]}\n")
    assert is_study(str(path))
    with pytest.raises(ScenarioError, match="did you mean 'axes'"):
        Design.load(path)
    path.write_text("scenario: quick-start\naxes: {hinting: [none]}\n")
    with pytest.raises(ScenarioError, match="is a study, and no scenario; dcsim sweep runs it"):
        dcsim.load(path)


def test_a_seed_of_what_is_not_drawn_is_refused():
    """A grid draws nothing; and a design that draws keeps its seed on the way to JSON and back."""
    scene = dcsim.load("quick-start")
    with pytest.raises(ScenarioError, match=r"design\.seed: means nothing for grid"):
        Design(scene, axes={"hinting": ["none"]}, design={"kind": "grid", "seed": 2})
    drawn = {"kind": "latin-hypercube", "size": 3, "seed": 2}
    design = Design(scene, axes={"guests[0].vcpus": "1..8"}, design=drawn)
    assert Design.from_dict(design.to_dict()).asked.design.seed == 2
