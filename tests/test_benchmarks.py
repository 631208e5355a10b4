"""The benchmarks measure, compare, tell and write: on tiny sizes, with SimGrid and without."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path

import pytest

from benchmarks import lines, page
from benchmarks.__main__ import main
from benchmarks.lines import DCSIM, FLOWS, PLUGIN, PYTHON, Extent
from benchmarks.measure import Goal, Line, Program, exponent, ratio, told
from benchmarks.scenarios import cost_of_drain, warm
from benchmarks.simgrid import build_yardstick
from benchmarks.sweeps import measure

ALL = (DCSIM, PYTHON, FLOWS, PLUGIN)
TINY = lines.scenario(4, 2, 4)


@pytest.fixture(scope="module")
def simgrid(shared: Path) -> Path:
    """SimGrid's program, built where it can be."""
    try:
        return build_yardstick(shared / "anchors" / "simgrid")
    except RuntimeError as error:
        pytest.skip(str(error))


def fake(name: str, *seconds: float, **more: float) -> Program:
    """A program that costs so many CPU seconds in turn."""
    runs = iter([{"cpu_s": spent, "peak_mib": 1.0, **more} for spent in seconds])
    return Program(name, partial(next, runs))


def by_name(measured: dict) -> dict:
    """The programs of what a line measured."""
    return {program["name"]: program for program in measured["programs"]}


def test_programs_run_in_turn():
    """One run of each, then the next of each: what the machine does meanwhile falls on all."""
    order: list[str] = []

    def run(name: str) -> dict[str, float]:
        order.append(name)
        return {"cpu_s": 1.0, "peak_mib": 1.0}

    Line("x", "", tuple(Program(name, partial(run, name)) for name in "ab")).measure(runs=2)
    assert order == ["a", "b", "a", "b"]


def test_a_ratio_is_the_median_of_pairs():
    """Each run is set against its neighbour, not against the best of all."""
    goals = (
        Goal("faster", ratio("b", "a"), 3, at_least=True),
        Goal("seconds", told("a", "cpu_s"), 1.5),
        Goal("of nothing", ratio("c", "a"), 1),
    )
    line = Line("x", "", (fake("a", 1, 2, 4), fake("b", 3, 8, 4), Program("c", None)), goals)
    measured = line.measure(runs=3)
    assert [goal["values"] for goal in measured["goals"]] == [[3, 4, 1], [1, 2, 4], []]
    assert [row[3:] for row in page.goal_rows(measured)] == [
        ("3.00 (1.00–4.00)", "yes"),
        ("2.00 (1.00–4.00)", "no"),
        ("–", "–"),
    ]


def test_the_exponent_of_a_power_law_is_found():
    """CPU that goes with the square of the size has exponent 2."""
    samples = {"small": [{"cpu_s": 0.5}], "large": [{"cpu_s": 50.0}]}
    assert exponent({"small": 10, "large": 100})(samples) == pytest.approx([2])


@pytest.mark.parametrize(
    ("rounds", "words"), [(8, "the same"), (8 + 8e-7, "agree to 1e-07"), (9, "differ by 1e-01")]
)
def test_answers_are_compared(rounds, words):
    """Answers that both give are set side by side, to 1e-6."""
    theirs = Program("b", fake("b", 1, makespan=2, rounds=rounds).run, like="a")
    measured = Line("x", "", (fake("a", 1, rounds=8), theirs)).measure(runs=1)
    assert [row[-1] for row in page.cost_rows(measured)] == ["–", words]


def test_a_line_against_simgrid(simgrid):
    """dcsim, with its kernel and without, and SimGrid in two ways give the same answers."""
    line = Line("tiny", "", tuple(lines.evacuating(TINY, simgrid, ALL)))
    programs = by_name(line.measure(runs=1))
    assert programs[PYTHON]["apart"] == 0
    assert 0 < programs[FLOWS]["apart"] < 1e-6
    assert 0 < programs[PLUGIN]["apart"] < 1e-6
    assert all(
        run["cpu_s"] > 0 and run["peak_mib"] > 1 for p in programs.values() for run in p["runs"]
    )


def test_a_line_without_simgrid():
    """Its rows are there, and empty."""
    line = Line("tiny", "", tuple(lines.evacuating(TINY, None, (DCSIM, FLOWS))))
    measured = line.measure(runs=1)
    assert [row[2] == "–" for row in page.cost_rows(measured)] == [False, True]


def test_every_line_is_the_same_with_and_without_simgrid():
    """Names of lines and programs do not depend on what the machine has, and are told apart."""
    for extent in Extent:
        with_it, without = (lines.lines(y, extent=extent) for y in (Path("sg_bench"), None))
        for a, b in zip(with_it, without, strict=True):
            names = [program.name for program in a.programs]
            assert names == [program.name for program in b.programs]
            assert len(set(names)) == len(names)
            assert all(program.run is not None for program in a.programs)
            assert {program.like for program in a.programs} <= {"", *names}


def test_the_full_model_and_the_plain_one_make_the_same_moves():
    """Only guests and hinting differ between the two drains; every guest moves in both."""
    from benchmarks.scenarios import drain

    plain, full = (drain(name, racks=1).to_dict() for name in ("plain", "file-server"))
    differ = {key for key in plain if plain[key] != full[key]}
    assert differ == {"name", "guests", "hinting"}
    workloads = [[guest.pop("workload") for guest in data["guests"]] for data in (plain, full)]
    assert plain["guests"] == full["guests"]
    assert workloads[0] != workloads[1]
    assert all(
        cost_of_drain(m, racks=1)["cpu_s_per_migration"] > 0 for m in ("plain", "file-server")
    )


def test_a_warm_worker_tells_both_rates():
    """Runs of what is prepared, and of new replicates, are counted apart."""
    assert all(rate > 0 for rate in warm(2).values())


def test_a_study_tells_its_rate():
    """All of its runs are recorded; what a worker does is its share of them."""
    told = measure("loky", 12)
    assert told["runs_per_s"] == 2 * told["runs_per_worker_s"] > 0
    assert told["run_s"] > 0
    assert 0 < told["busy"] < 1


def test_a_figure_without_a_bound_is_neither_met_nor_missed():
    """It is there to be read."""
    goal = Goal("runs/s", told("a", "cpu_s"), math.nan)
    measured = Line("x", "", (fake("a", 2),), (goal,)).measure(runs=1)
    assert page.goal_rows(measured) == [("x", "runs/s", "–", "2.00", "–")]


def test_the_command_measures_the_lines_it_is_given(tmp_path, capsys):
    """It says that SimGrid is missing, prints the line, and keeps it beside others of the file."""
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps({"lines": {"older": {}}}))
    main(["commands", "--runs", "1", "--json", str(kept), "--yardstick", str(tmp_path)])
    printed = capsys.readouterr()
    assert "Without SimGrid" in printed.err
    assert "dcsim validate rack-drain" in printed.out
    told = json.loads(kept.read_text())
    assert list(told["lines"]) == ["older", "commands"]
    assert told["machine"]["cores"] >= 1


def test_an_unknown_line_is_refused(tmp_path, capsys):
    """The message names the lines that there are."""
    with pytest.raises(SystemExit):
        main(["no-such-line", "--yardstick", str(tmp_path)])
    assert "commands, worker" in capsys.readouterr().err


def test_the_page_keeps_what_is_written_by_hand(tmp_path):
    """Only the measured part is renewed, and its cells come from the measurements."""
    path = tmp_path / "performance.md"
    path.write_text(f"# Mine\n\n{page.BEGIN}old\n{page.END}\n## Also mine\n", encoding="utf-8")
    line = Line("tiny", "a line", (fake("a", 1.5),), (Goal("seconds", told("a", "cpu_s"), 2),))
    where = {"processor": "P", "cores": 2, "system": "S", "python": "3", "compiled": True}
    measured = {"machine": where | {"simgrid": None}, "lines": {"tiny": line.measure(runs=1)}}
    page.write(measured, page=path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Mine\n")
    assert text.endswith("## Also mine\n")
    assert "old" not in text
    assert "| tiny | seconds | ≤ 2 | 1.50 | yes |" in text


def test_the_page_shows_the_picture_of_growth():
    """Where growth was measured, its picture stands above the tables."""
    where = dict.fromkeys(("processor", "cores", "system", "python", "compiled", "simgrid"))
    growth = Line("growth", "", (fake(DCSIM, 1),)).measure(runs=1)
    assert "performance.png" in page.markdown({"machine": where, "lines": {"growth": growth}})
    assert "performance.png" not in page.markdown({"machine": where, "lines": {"small": growth}})


def test_the_picture_draws_what_ran():
    """A line for each simulator over the sizes that were measured."""
    programs = [
        {"name": f"{DCSIM}, {count:,}", "migrations": count, "runs": [{"cpu_s": spent}]}
        for count, spent in ((100, 0.5), (10_000, 1.5))
    ]
    drawn = page.picture({"programs": [*programs, {"name": FLOWS, "migrations": 100, "runs": []}]})
    assert {trace.name: trace.x for trace in drawn.data if trace.x} == {DCSIM: (100, 10_000)}
