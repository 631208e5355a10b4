"""Comparing policies: which runs are made, what a study says, how it is kept, and reruns."""

from __future__ import annotations

import json
import math
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from dcsim import rng
from dcsim.errors import ResultError, ScenarioError
from dcsim.records.recorder import Recorder
from dcsim.records.result import Result
from dcsim.records.tables import SUMMARY
from dcsim.scenario import presets
from dcsim.scenario.files import load
from dcsim.study import running
from dcsim.study.comparisons import compare as compare_module
from dcsim.study.comparisons.compare import REPLICATIONS, compare, local_executor
from dcsim.study.comparisons.runs import Run
from dcsim.study.comparisons.study import Study
from dcsim.study.rerun import rerun

TWO = ["zero-page", "balloon-held"]


@pytest.fixture(scope="module")
def quick():
    """The smallest shipped scenario; nothing is random in it."""
    return load("quick-start").replace({"record": "migrations"})


@pytest.fixture(scope="module")
def noisy(quick):
    """The same with a load that varies by chance."""
    return quick.replace(
        {"guests[0].workload.load.noise": 0.5, "guests[0].workload.load.every": "1s"}
    )


@pytest.fixture(scope="module")
def study(noisy):
    """Two policies, three replications."""
    return compare(noisy, hinting=TWO, replications=3)


def result_with(*, seed=0, replicate=0, digest="", requested=2, **figures):
    """Make a result that has these figures in its summary."""
    recorder = Recorder("summary")
    summary = recorder.summarise(operation_at_s=0.0, simulated_s=1.0)
    columns = recorder.finish(summary | {"requested": requested} | figures)
    return Result(scenario={}, digest=digest, seed=seed, replicate=replicate, columns=columns)


def study_of(figures, *, random=("load noise",), changes=None, **options):
    """Make a study: variant -> (network bytes, lost seconds, not moved) a replicate, or error."""
    runs = []
    for variant, values in figures.items():
        own = (variant.split(",")[0], (changes or {}).get(variant, {}), "")
        for k, value in enumerate(values):
            if isinstance(value, str):
                runs.append(Run(variant, *own, k, k, error=value, message="no reason"))
            else:
                named = zip(("network_bytes", "lost_work_s", "not_moved"), value, strict=False)
                result = result_with(seed=k, replicate=k, **dict(named))
                runs.append(Run(variant, *own, k, k, result=result))
    return Study(name="made", runs=tuple(runs), random=random, **options)


# --------------------------------------------------------------------------- which runs


def test_every_shipped_policy_runs_once_where_nothing_is_random(quick):
    """By default all policies are compared; without chance one run says all, whatever is asked."""
    study = compare(quick, replications=20)
    assert study.variants == presets.hinting_names()
    assert [run.replicate for run in study.runs] == [0] * len(study.variants)
    assert study.random == ()
    assert study.failures == []
    assert "one run of each: nothing in it is random" in study.summary()
    assert {run.result.scenario["hinting"]["name"] for run in study.runs} == set(study.variants)


def test_variants_share_their_random_numbers(study, noisy):
    """Replicate k has the same seed in every variant; replicate 0 is the scenario's own."""
    assert [(run.variant, run.replicate) for run in study.runs] == [
        (policy, k) for policy in TWO for k in range(3)
    ]
    for run in study.runs:
        assert run.seed == run.result.seed == rng.replicate(noisy.seed, run.replicate)
        assert run.replicate == run.result.replicate
        assert run.digest == run.result.digest == noisy.replace({"hinting": run.variant}).digest()
    assert len({run.seed for run in study.runs}) == 3
    assert len({run.result.metrics["lost_work_s"] for run in study.runs[:3]}) == 3


def test_chance_alone_makes_no_difference(noisy):
    """A policy against itself under another name differs in nothing: chances are the same."""
    twin = noisy.hinting.model_dump() | {"name": "twin"}
    study = compare(noisy, hinting=[noisy.hinting.name, twin], replications=2)
    mine, theirs = study.paired("lost_work_s", "twin", noisy.hinting.name)
    assert mine == theirs
    assert mine[0] != mine[1]
    assert "twin costs network and guests exactly what" in study.summary()


def test_default_number_of_replications(noisy):
    """Where something is random and nothing is asked, a handful of replications is run."""
    assert len(compare(noisy, hinting=["zero-page"]).runs) == REPLICATIONS


def test_whatever_else_is_varied_is_crossed_with_the_policies(quick):
    """Every policy runs with every combination of values, and is compared within it."""
    speeds = ["5Gbit/s", "10Gbit/s"]
    study = compare(quick, hinting=TWO, vary={"topology.host_link": speeds})
    assert study.variants == [
        f"{policy}, topology.host_link={speed}" for speed in speeds for policy in TWO
    ]
    frame = study.frame()
    assert list(frame["topology.host_link"]) == ["5Gbit/s"] * 2 + ["10Gbit/s"] * 2
    assert frame["makespan_s"][0] > 1.5 * frame["makespan_s"][2]
    assert list(study.pairs()) == [
        (f"balloon-held, topology.host_link={speed}", f"zero-page, topology.host_link={speed}")
        for speed in speeds
    ]
    lines = study.summary().splitlines()
    assert lines[1] == "With topology.host_link = 5Gbit/s:"
    assert lines[2].startswith("zero-page puts ")
    assert lines[3].startswith("balloon-held puts ")
    assert lines[4] == "With topology.host_link = 10Gbit/s:"
    assert len(lines) == 7


def test_one_policy_is_compared_over_what_was_varied(quick):
    """With a single policy, the first value is the baseline."""
    study = compare(quick, hinting=["none"], vary={"topology.goodput": [0.9, 0.45]})
    assert list(study.pairs()) == [("none, topology.goodput=0.45", "none, topology.goodput=0.9")]
    assert study.runs[1].changes == {"topology.goodput": 0.45}


def test_values_that_are_parts_are_shown_as_text(quick):
    """A part of a scenario can be varied; tables and files show it as text."""
    place = {"hosts": "rack0/host0", "by": "first-fit"}
    study = compare(quick, hinting=["none"], vary={"guests[0].place": [place]})
    assert study.runs[0].changes == {"guests[0].place": str(place)}
    assert study.failures == []


def test_groups_with_a_policy_of_their_own_keep_it(quick):
    """The scenario's policy is replaced, a group's own is not, and the summary says so."""
    scenario = quick.replace({"guests[0].hinting": "zero-page"})
    study = compare(scenario, hinting=TWO)
    assert study.keeping == ("file-server",)
    assert "Guests of file-server keep their own hinting policy" in study.summary()
    assert [set(result.guests["hinting"]) for result in study.results] == [{"zero-page"}] * 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"hinting": ["balloon-hold"]}, ScenarioError, "balloon-held"),
        ({"hinting": []}, ValueError, "nothing to compare"),
        ({"hinting": ["none"], "vary": {"horizon": []}}, ValueError, "nothing to compare"),
        ({"hinting": "none"}, ValueError, "policies are given as"),
        ({"vary": {"seed": [1, 2]}}, ValueError, "the seed in the scenario"),
        ({"vary": {"hinting": TWO}}, ValueError, "policies are given as"),
        ({"hinting": ["none", "none"]}, ValueError, "two variants are both 'none'"),
        ({"vary": {"horizont": [1]}}, ScenarioError, "horizon"),
        ({"replications": 0}, ValueError, "at least 1, got 0"),
        ({"hinting": TWO, "baseline": "zero-pages"}, ValueError, "did you mean 'zero-page'"),
        ({"hinting": TWO, "baseline": "none"}, ValueError, "is none of the policies zero-page, b"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(
    quick, monkeypatch, options, error, message
):
    """A misspelt policy or path costs no simulation and says what would be legal."""
    monkeypatch.setattr(running, "run", pytest.fail)
    with pytest.raises(error, match=message):
        compare(quick, **options)


def test_progress_is_told_after_each_run(quick):
    """Progress counts runs, out of all of them."""
    told = []
    compare(quick, hinting=TWO, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


# --------------------------------------------------------------------------- executors


def test_executor_changes_nothing(study, noisy):
    """Threads finish in any order; the study is the same, bit for bit and in order."""
    told = []
    with ThreadPoolExecutor(3) as executor:
        other = compare(
            noisy, hinting=TWO, replications=3, executor=executor,
            progress=lambda done, total: told.append((done, total)),
        )  # fmt: skip
    assert [run.variant for run in other.runs] == [run.variant for run in study.runs]
    for mine, theirs in zip(study.results, other.results, strict=True):
        assert mine.differences(theirs) == []
    assert told == [(count, 6) for count in range(1, 7)]


def test_processes_change_nothing(study, noisy):
    """Nor do processes."""
    other = compare(noisy, hinting=TWO, replications=3, executor=local_executor(1))
    for mine, theirs in zip(study.results, other.results, strict=True):
        assert mine.differences(theirs) == []


def test_many_runs_of_a_variant_are_one_task(study, noisy, monkeypatch):
    """As few tasks as are asked for, but none of two variants; all runs are told of in the end."""
    monkeypatch.setattr(compare_module, "MOST_TASKS", 3)
    told, tasks = [], []

    class Executor(ThreadPoolExecutor):
        def submit(self, function, scene, runs):
            tasks.append([(run.variant, run.replicate) for run in runs])
            return super().submit(function, scene, runs)

    with Executor(2) as executor:
        other = compare(
            noisy, hinting=TWO, replications=3, executor=executor,
            progress=lambda done, total: told.append((done, total)),
        )  # fmt: skip
    assert tasks == [[(variant, k) for k in ks] for variant in TWO for ks in ((0, 1), (2,))]
    assert [(run.variant, run.replicate) for run in other.runs] == [run for t in tasks for run in t]
    for mine, theirs in zip(study.results, other.results, strict=True):
        assert mine.differences(theirs) == []
    assert told[-1] == (6, 6)


def test_number_of_jobs_is_checked():
    """No process is no executor."""
    with pytest.raises(ValueError, match="at least 1, got 0"):
        local_executor(0)


# --------------------------------------------------------------------------- failures


@pytest.fixture
def failing(monkeypatch):
    """Make replicate 1 of balloon-held fail."""
    whole = running.run

    def run(scenario, *, replicate):
        if scenario.hinting.name == "balloon-held" and replicate == 1:
            message = "the balloon burst"
            raise RuntimeError(message)
        return whole(scenario, replicate=replicate)

    monkeypatch.setattr(running, "run", run)


@pytest.mark.parametrize("threads", [False, True])
def test_failed_run_is_a_row_and_not_the_end(noisy, failing, threads):
    """The others go on; the failure is counted, named and left out of every pair."""
    with ThreadPoolExecutor(1) as executor:
        study = compare(noisy, hinting=TWO, replications=3, executor=executor if threads else None)
    (failed,) = study.failures
    assert (failed.variant, failed.replicate) == ("balloon-held", 1)
    assert (failed.error, failed.message) == ("RuntimeError", "the balloon burst")
    assert len(study.results) == 5
    frame = study.frame()
    assert list(frame["error"]) == ["", "", "", "", "RuntimeError", ""]
    assert math.isnan(frame["network_bytes"][4])
    assert list(study.differences("network_bytes")["pairs"]) == [2]
    assert (
        "1 of 6 runs failed: 1 RuntimeError; the first, balloon-held, says: the balloon burst"
        in (study.summary())
    )
    assert repr(study) == "<Study of quick-start: 2 variants, 6 runs, 1 failed>"


def test_interrupt_ends_the_study_and_what_waits(noisy):
    """An interrupt is not a failed run: it ends the study, and runs that wait do not start."""
    cancelled = []

    class Waiting(Future):
        def cancel(self):
            cancelled.append(self)
            return super().cancel()

    class Executor(ThreadPoolExecutor):
        def submit(self, function, scene, runs):
            future = Waiting()
            if runs[0].replicate == 0:
                future.set_result(function(scene, runs))
            return future

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(noisy, hinting=["none"], replications=4, executor=Executor(1), progress=interrupt)
    assert len(cancelled) == 4


def test_executor_that_breaks_fails_its_runs(noisy):
    """Where the workers die, the runs they were given fail, and the study comes back."""

    class Broken(ThreadPoolExecutor):
        def submit(self, function, scene, runs):
            if runs[0].replicate > 0:
                message = "a worker died"
                raise BrokenProcessPool(message)
            return super().submit(function, scene, runs)

    with Broken(1) as executor:
        study = compare(noisy, hinting=["none"], replications=3, executor=executor)
    assert [run.error for run in study.runs] == ["", "BrokenProcessPool", "BrokenProcessPool"]


def test_study_in_which_all_failed_still_speaks():
    """No result at all: a sentence and no crash, and a table cannot be had."""
    study = study_of({"zero-page": ["OSError"], "none": ["OSError"]})
    assert study.summary().splitlines()[1:] == [
        "zero-page: every run failed.",
        "none: no run to compare with zero-page.",
        "2 of 2 runs failed: 2 OSError; the first, zero-page, says: no reason",
    ]
    with pytest.raises(ResultError, match="every run of this study failed"):
        study.table("guests")
    assert study.results == []


# --------------------------------------------------------------------------- frames


def test_frame_is_tidy(study):
    """A row a run, every metric a float column."""
    frame = study.frame()
    names = ["variant", "hinting", "replicate", "seed", "digest", "error"]
    assert list(frame.columns) == [*names, *SUMMARY.names]
    assert len(frame) == 6
    assert {str(frame[name].dtype) for name in SUMMARY.names} == {"float64"}
    assert list(frame["network_bytes"]) == [r.metrics["network_bytes"] for r in study.results]


def test_tables_of_all_runs_are_one_table(study):
    """The guests of every run in one frame, with the run they are of."""
    guests = study.table("guests")
    assert list(guests.columns[:3]) == ["variant", "replicate", "guest"]
    assert len(guests) == sum(len(result.guests) for result in study.results)
    assert "variant" not in study.results[0].guests
    with pytest.raises(ResultError, match="record: full keeps it"):
        study.table("rounds")


def test_differences_are_paired_with_the_baseline():
    """Differences, changes and intervals of a metric, against zero-page unless another is named."""
    gib = 2.0**30
    study = study_of(
        {
            "none": [(12 * gib, 1.0), (24 * gib, 2.0)],
            "zero-page": [(10 * gib, 2.0), (20 * gib, 4.0)],
        }
    )
    (row,) = study.differences("network_bytes").to_dict("records")
    assert (row["variant"], row["baseline"], row["pairs"]) == ("none", "zero-page", 2)
    assert (row["mean"], row["baseline_mean"]) == (18 * gib, 15 * gib)
    assert row["difference"] == 3 * gib
    assert row["difference_low"] == pytest.approx(3 * gib - 12.706 * gib, rel=1e-3)
    assert row["difference_high"] == pytest.approx(3 * gib + 12.706 * gib, rel=1e-3)
    assert [row[f"change_percent{end}"] for end in ("", "_low", "_high")] == pytest.approx([20] * 3)
    (row,) = study.differences("lost_work_s", baseline="none").to_dict("records")
    assert (row["variant"], row["baseline"], row["difference"]) == ("zero-page", "none", 1.5)


def test_study_has_a_baseline_of_its_own(quick):
    """What to compare with may be said at once; everything then compares with it."""
    study = compare(quick, hinting=TWO, baseline="balloon-held")
    assert list(study.pairs()) == [("zero-page", "balloon-held")]
    assert "zero-page puts" in study.summary().splitlines()[2]
    assert list(study.differences("makespan_s", baseline="zero-page")["variant"]) == [
        "balloon-held"
    ]


def test_misspelt_metric_or_baseline_is_refused(study):
    """Each says what it might have been."""
    with pytest.raises(ResultError, match="did you mean 'network_bytes'"):
        study.differences("network_byte")
    with pytest.raises(
        ResultError, match="there are zero-page, balloon-held; did you mean 'zero-page'"
    ):
        study.differences("network_bytes", baseline="zero-pages")


# --------------------------------------------------------------------------- words


def test_summary_is_a_sentence_a_policy():
    """Change of network bytes and of lost work, each with its interval, pairs counted."""
    gib = 2.0**30
    study = study_of(
        {
            "none": [(110 * gib, 9.0), (121 * gib, 9.5), (99 * gib, 9.1)],
            "zero-page": [(100 * gib, 10.0), (110 * gib, 10.0), (90 * gib, 10.0)],
            "balloon-held": [(88 * gib, 13.0, 1), (95 * gib, 13.5, 1), (79 * gib, 13.2, 0)],
            "partial": [(100 * gib, 10.1), (112 * gib, 9.9), (90 * gib, 10.3)],
        }
    )
    lines = study.summary().splitlines()
    assert lines == [
        "made: 4 variants, 3 replications of each, paired by the same random numbers; in brackets, "
        "95 % confidence intervals. Random: load noise.",
        "zero-page puts 100 GiB on the network, costs guests 10 s of work and moves 2 of 2 guests.",
        "none puts 10.0 % more than zero-page on the network (n = 3 paired) and costs guests "
        "800 ms less work [140, 1,460].",
        "balloon-held puts 12.7 % less than zero-page on the network [10.3, 15.0] (n = 3 paired) "
        "and costs guests 3.23 s more work [2.61, 3.86]. It moves 1.333 of 2 guests, zero-page "
        "2 of 2.",
        "partial puts 0.7 % more than zero-page on the network [-2.1, 3.4], perhaps by chance "
        "(n = 3 paired) and costs guests 100 ms more work [-400, 600], perhaps by chance.",
    ]


def test_single_run_has_no_interval():
    """One replication of something random says that it is no more than one."""
    study = study_of({"zero-page": [(2.0**30, 1.0)], "none": [(2.0**31, 1.5)]})
    lines = study.summary().splitlines()
    assert "one replication of each, which gives no interval. Random: load noise." in lines[0]
    assert (
        lines[2]
        == "none puts 100 % more than zero-page on the network and costs guests 500 ms more work."
    )


def test_baseline_that_sends_nothing_is_compared_in_bytes():
    """No per cent of nothing."""
    study = study_of({"zero-page": [(0.0, 1.0)], "none": [(2.0**31, 1.0)]})
    assert "none puts 2.00 GiB more than zero-page on the network" in study.summary()


def test_study_of_one_variant_tells_what_it_costs():
    """Nothing to compare with, but figures all the same."""
    study = study_of({"none": [(2.0**30, 1.0)]})
    assert study.summary().splitlines()[1:] == [
        "none puts 1 GiB on the network, costs guests 1 s of work and moves 2 of 2 guests."
    ]


def test_html_is_escaped():
    """A policy's name cannot become markup."""
    page = study_of({"<script>": [(1.0, 1.0)]})._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt; puts 1 B" in page
    assert "<b>made</b>" in page


# --------------------------------------------------------------------------- keeping


def files(directory: Path) -> dict[str, bytes]:
    """Return every file of a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def saved(tmp_path):
    """A directory with a study: a result, a failure, a name that would leave the directory."""
    study = study_of(
        {"zero-page": [(1.0, 2.0)], "../../etc, x=1": [(3.0, 4.0)], "none": ["OSError"]},
        changes={"../../etc, x=1": {"x": 1}}, keeping=("db",),
    )  # fmt: skip
    study.save(tmp_path / "study")
    return tmp_path / "study"


def test_saved_study_is_read_back(tmp_path, noisy, failing):
    """Runs, failures and results survive, bit for bit; what was varied too."""
    study = compare(
        noisy, hinting=TWO, vary={"settle": ["1s"]}, replications=2, baseline="balloon-held"
    )
    study.save(tmp_path / "study")
    loaded = Study.load(tmp_path / "study")
    assert (loaded.name, loaded.random, loaded.keeping) == (study.name, study.random, study.keeping)
    assert loaded.summary() == study.summary()
    assert [run.changes for run in loaded.runs] == [{"settle": "1s"}] * 4
    assert [run.message for run in loaded.failures] == ["the balloon burst"]
    for mine, theirs in zip(study.results, loaded.results, strict=True):
        assert mine.differences(theirs) == []
    assert loaded.baseline == study.baseline == "balloon-held"
    loaded.save(tmp_path / "again")
    assert files(tmp_path / "again") == files(tmp_path / "study")


def test_names_of_directories_are_safe(saved):
    """A variant's name is in its directory's as letters, digits and dashes, and leads nowhere."""
    folders = sorted(path.name for path in (saved / "runs").iterdir())
    assert folders == ["000000-zero-page-0", "000001-etc-x-1-0"]
    assert Result.load(saved / "runs" / folders[1]).metrics["network_bytes"] == 3.0


def test_study_is_replaced_only_when_asked(saved):
    """As with a result: kept unless overwrite is set, and never if anything else is there."""
    other = study_of({"none": [(5.0, 6.0)]})
    with pytest.raises(ResultError, match="already holds a study"):
        other.save(saved)
    other.save(saved, overwrite=True)
    assert Study.load(saved).variants == ["none"]
    (saved / "runs" / "000000-none-0" / "notes.txt").write_text("mine")
    with pytest.raises(ResultError, match="holds more than a study"):
        other.save(saved, overwrite=True)
    assert (saved / "runs" / "000000-none-0" / "notes.txt").read_text() == "mine"


def test_result_is_not_overwritten_by_a_study(tmp_path):
    """A directory that holds a result is none of a study's."""
    result_with().save(tmp_path / "out")
    with pytest.raises(ResultError, match="holds more than a study, or something else"):
        study_of({"none": [(1.0, 1.0)]}).save(tmp_path / "out", overwrite=True)
    with pytest.raises(ResultError, match=r"holds no dcsim study: study.json is missing"):
        Study.load(tmp_path / "out")


def test_result_of_another_run_in_its_place_is_noticed(saved):
    """Every result has to be of the run that the list says."""
    shutil.rmtree(saved / "runs" / "000000-zero-page-0")
    result_with(seed=99).save(saved / "runs" / "000000-zero-page-0")
    with pytest.raises(ResultError, match="holds another run's result"):
        Study.load(saved)


def test_missing_result_is_noticed(saved):
    """A study with a hole is torn, and said to be."""
    shutil.rmtree(saved / "runs" / "000000-zero-page-0")
    with pytest.raises(ResultError, match=r"provenance.json is missing"):
        Study.load(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"runs": None},
        {"runs": []},
        {"runs": [{"variant": "x"}]},
        {"runs": ["x"]},
        {"name": 1},
        {"random": "x"},
        {"keeping": [1]},
        {"baseline": 1},
    ],
)
def test_torn_list_of_runs_is_refused(saved, changes):
    """What is not as written is named, not guessed at."""
    path = saved / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ResultError, match=r"study.json is torn or changed"):
        Study.load(saved)


@pytest.mark.parametrize(
    "changes", [{"variant": 1}, {"seed": "1"}, {"changes": []}, {"replicate": True}, {"extra": ""}]
)
def test_torn_run_is_refused(saved, changes):
    """Every field of every run is checked."""
    path = saved / "study.json"
    data = json.loads(path.read_text())
    data["runs"][0] |= changes
    path.write_text(json.dumps(data))
    with pytest.raises(ResultError, match="lists no runs, or what is none"):
        Study.load(saved)


# --------------------------------------------------------------------------- rerun


def test_rerun_gives_the_same_bits(tmp_path, study):
    """A stored replicate, run alone and again, is the same."""
    study.results[2].save(tmp_path / "out")
    again, differences = rerun(tmp_path / "out")
    assert differences == []
    assert again.replicate == 2
    assert again.equals(study.results[2])


def test_rerun_tells_what_differs_and_which_versions(tmp_path, quick):
    """A result that does not come out again is explained by versions, then table by table."""
    result = compare(quick, hinting=["zero-page"]).results[0]
    result.columns["summary"]["makespan_s"] = [1.0]
    result.versions["numpy"] = "1.0"
    result.save(tmp_path / "out")
    again, differences = rerun(tmp_path / "out")
    assert differences == [
        f"numpy: 1.0 then, {again.versions['numpy']} now",
        f"summary.makespan_s: 1 of 1 rows, first 0: 1.0 and {again.metrics['makespan_s']!r}",
    ]


def test_rerun_of_a_scenario_that_is_none_any_more(tmp_path):
    """A result of a scenario that this version does not read is an error that says why."""
    result_with().save(tmp_path / "out")
    with pytest.raises(ResultError, match=r"is none to this version of dcsim(.|\n)*topology"):
        rerun(tmp_path / "out")


# --------------------------------------------------------------------------- the question itself


def test_shipped_scenario_answers_the_question(study):
    """A file server's balloon keeps its page cache off the network; the summary says how much."""
    (row,) = study.differences("network_bytes").to_dict("records")
    assert row["change_percent_high"] < 0
    assert study.results[0].metrics["completed"] == 1
    assert "balloon-held puts" in study.summary()
    assert "less than zero-page on the network [" in study.summary()
