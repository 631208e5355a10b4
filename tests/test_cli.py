"""The commands, run in this process: what they print, write and exit with."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import dcsim
from dcsim import kernel
from dcsim.cli import application, console, main, manual
from dcsim.records.result import Result
from dcsim.records.tables import SUMMARY
from dcsim.scenario import library, presets
from dcsim.study.comparisons.study import Study
from dcsim.study.plans import plan as planning

MEMINFO = "MemTotal: 8000000 kB\nMemFree: 2000000 kB\nCached: 3000000 kB\nSlab: 300000 kB\n"
# Two guests fill most of two hosts; a third of 100 GiB fits beside neither, though both have room.
CROWDED = """
topology: {kind: two-hosts}
guests:
  - {name: a, workload: idle, memory: 200GiB, place: {hosts: rack0/host0}}
  - {name: b, workload: idle, memory: 200GiB, place: {hosts: rack0/host1}}
  - {name: c, workload: idle, memory: 50GiB}
operation: {kind: moves, moves: [{guest: c-0, to: rack0/host1}]}
"""
HOSTILE = """
name: "\\e[31mred"
topology: {kind: two-hosts}
guests: [{workload: idle, memory: 1GiB, place: {hosts: rack0/host0}}]
operation: {kind: drain, hosts: rack0/host0}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dcsim_(*arguments: str, code: int = 0):
    """Run a command, which is to end with an exit code."""
    result = CliRunner().invoke(application(), list(arguments))
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def printed(*arguments: str, code: int = 0) -> str:
    """What a command prints as its result."""
    return dcsim_(*arguments, code=code).stdout


def refused(*arguments: str, code: int = 2) -> str:
    """What a command that fails says, with its lines joined; it prints no result."""
    result = dcsim_(*arguments, code=code)
    assert result.stdout == ""
    return " ".join(result.stderr.replace("│", " ").split())


def data(*arguments: str, code: int = 0) -> dict:
    """The JSON that a command prints."""
    document = json.loads(printed(*arguments, "--json", code=code), parse_constant=pytest.fail)
    assert document.pop("schema_version") == 1
    return document


def documented(command: str, document: dict) -> None:
    """Assert that the keys of a command's JSON are those that its documentation tells."""
    found = set(document)
    for key, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found |= {f"{key}[].{inner}" for inner in value[0]}
    nested = {
        key for key in manual.JSON[command] if "[]" in key and not document[key.split("[")[0]]
    }
    assert found == set(manual.JSON[command]) - nested


# --------------------------------------------------------------------------- the whole


def test_version():
    """--version prints it, and whether the compiled kernel is in use."""
    lines = [f"dcsim {dcsim.__version__}", f"compiled kernel: {kernel.status()}"]
    assert printed("--version").splitlines() == lines


def test_help_tells_every_command_and_exit_code():
    """The help lists the commands and documents the exit codes."""
    text = printed("--help")
    for command in (
        "validate",
        "show",
        "schema",
        "list",
        "init",
        "import",
        "run",
        "compare",
        "plan",
    ):
        assert f" {command} " in text
    for line in ("0: all is well", "2: wrong usage", "4: some runs", "130: interrupted"):
        assert line in text


def test_unknown_command_and_option_are_usage_errors():
    """What is misspelt is refused with exit code 2, on stderr."""
    assert "No such command" in refused("runn")
    assert "--sett" in refused("run", "quick-start", "--sett", "x=1")


def test_the_page_in_the_documentation_is_up_to_date(root):
    """docs/cli.md is what the commands say of themselves."""
    assert (root / "docs" / "cli.md").read_text(encoding="utf-8") == manual.markdown()


def test_every_example_is_a_legal_command_line():
    """The examples in the help name commands and options that exist."""
    group = typer.main.get_command(application())
    inner = [*group.commands.values(), *group.commands["import"].commands.values()]
    lines = [line for each in inner if each.epilog for line in each.epilog.split("\n")[2:]]
    assert len(lines) > 12
    for line in lines:
        words = shlex.split(line.partition(">")[0])
        assert words[0] == "dcsim"
        command = group.commands[words[1]]
        rest = words[2:]
        if words[1] == "import":
            command, rest = command.commands[words[2]], words[3:]
        assert command.make_context(words[1], rest).params


# --------------------------------------------------------------------------- errors


def test_a_fault_of_dcsim_is_told_without_a_traceback(monkeypatch):
    """An unknown exception becomes two lines and exit code 1; --debug shows where it came from."""

    def fail(*_, **__):
        raise KeyError("missing")

    monkeypatch.setattr("dcsim.simulation.run", fail)
    text = refused("run", "quick-start", code=1)
    assert text.startswith("error: KeyError: 'missing' This is a fault of dcsim")
    assert "Traceback" not in text
    assert "Traceback" in refused("run", "quick-start", "--debug", code=1)


def test_errors_on_purpose_and_of_the_system_are_one_line(monkeypatch):
    """A DcsimError is its message; an OSError names the file; both exit with 1."""
    assert refused("explain", "nowhere", "files-0", code=1).startswith("error: nowhere holds no")

    def fail(*_, **__):
        raise PermissionError(13, "Permission denied", "result")

    monkeypatch.setattr("dcsim.simulation.run", fail)
    assert refused("run", "quick-start", code=1) == "error: result: Permission denied"


def test_ctrl_c_is_an_exit_code(monkeypatch):
    """A command that is interrupted exits with 130."""

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("dcsim.simulation.run", interrupt)
    assert refused("run", "quick-start", code=130) == ""


def test_a_closed_pipe_is_no_fault_of_dcsim(monkeypatch):
    """A reader that goes away, such as head, ends a command without a word."""

    def close(_):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("dcsim.cli.asking.say", close)
    assert refused("list", "hinting", code=1) == ""


def test_what_a_file_says_cannot_steer_the_terminal(folder):
    """Control characters in names are written out."""
    (folder / "hostile.yaml").write_text(HOSTILE, encoding="utf-8")
    text = printed("show", "hostile.yaml")
    assert text.startswith("\\x1b[31mred\n")
    assert "\x1b" not in text


def test_spaces_of_all_kinds_are_printed_as_plain_ones(capsys):
    """Texts made for pages come out in any terminal."""
    console.say("1\u202f000\u00a0s\tdone \u2028")
    assert capsys.readouterr().out == "1 000 s\tdone \\u2028\n"


def test_an_interruption_before_any_command_is_told(monkeypatch, capsys):
    """Ctrl-C while still importing leaves no traceback either."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dcsim.cli.application", interrupt)
    with pytest.raises(SystemExit) as ending:
        main()
    assert (ending.value.code, capsys.readouterr().err) == (130, "interrupted\n")


# --------------------------------------------------------------------------- validate, show


def test_validate_tells_what_is_valid():
    """One line a scenario that is valid, and exit code 0."""
    text = printed("validate", "quick-start", "rack-drain")
    assert text == "quick-start: valid\nrack-drain: valid\n"


def test_validate_tells_every_problem_with_its_place(folder):
    """All problems of all files go to stderr, one a line, and the exit code is 2."""
    (folder / "bad.yaml").write_text(
        "topology: {kind: two-hosts, host_link: 10}\nguets: []\n", encoding="utf-8"
    )
    result = dcsim_("validate", "bad.yaml", "quick-start", "nosuch", code=2)
    assert result.stdout == "quick-start: valid\n"
    lines = result.stderr.splitlines()
    for start in ("bad.yaml:1:40: topology.host_link: must have a unit", "bad.yaml:2:1: guets: "):
        assert any(line.startswith(start) for line in lines)
    assert "unknown scenario 'nosuch'" in lines[-1]


def test_validate_in_json(folder):
    """Problems are a list with file, line, column, path, message and hint."""
    (folder / "bad.yaml").write_text("topolgy: {kind: two-hosts}\n", encoding="utf-8")
    good, bad = data("validate", "quick-start"), data("validate", "bad.yaml", code=2)
    assert good == {"valid": True, "problems": []}
    documented("validate", bad)
    first = bad["problems"][0]
    assert (first["scenario"], first["file"], first["line"]) == ("bad.yaml", "bad.yaml", 1)
    assert bad["valid"] is False


def test_set_changes_what_is_validated():
    """--set is applied before checking; what is no assignment is refused."""
    assert "guests[0].count" in refused("validate", "quick-start", "--set", "guests[0].count=0")
    assert "is no path=value" in refused("validate", "quick-start", "--set", "horizon")


def test_show_tells_what_a_scenario_means():
    """Topology, guests, policies, operation, limits and what is random are told."""
    text = printed("show", "rack-drain")
    for part in (
        "Topology: leaf-spine, 32 hosts in 4 racks, 6 switches; 32 cores and 256 GiB",
        "  uplink       8         94 Gbit/s\n",
        "oversubscription of racks: 1:1; routing: ecmp",
        "  files: 24 x 16 GiB, 4 vCPUs, on rack0/* (8 hosts, spread)",
        "    moves cold, because of passthrough",
        "    does not move, because of pinned",
        "    hinting: zero-page (its own)",
        "Hinting: balloon-held: a balloon takes free memory",
        "Migration: qemu-10, no cap, downtime limit 300 ms",
        "Operation: drain of rack0/* (8 hosts) at 10 min\nPlacement: spread",
        "Limits: kubevirt: 5 at a time in the cluster, 2 at a time out of a host",
        "Random, from seed 1:\n  ECMP",
        dcsim.load("rack-drain").digest(),
    ):
        assert part in text


def test_show_says_where_nothing_is_random():
    """Then one run is enough."""
    assert "Nothing is random: one run is enough." in printed("show", "quick-start")


def test_show_tells_less_common_parts():
    """Settings of a group's own, policies written out, loads, samples and lists of moves."""
    changes = [
        "hinting={steps: [{select: [free, clean-cache], share: 50%, tell: list, "
        "returned: destination}, {select: [free], tell: balloon, returned: destination, "
        "limit: mem-free, reserve: 1GiB}]}",
        "guests[0].migration={hypervisor: xen}",
        "guests[0].makeups=[{cache: 0.6}, {cache: 0.5}]",
        "guests[0].workload.load={points: [[10s, 0.5]], noise: 0.1}",
        "operation={kind: moves, moves: [{guest: file-server-0, to: rack0/host1}]}",
    ]
    text = printed("show", "quick-start", *(word for each in changes for word in ("--set", each)))
    for part in (
        "zero pages found; then free and clean-cache (50 %) told by list, returned destination; "
        "then free told by balloon, returned destination, up to mem-free less 1 GiB",
        "migration of its own: xen, no cap",
        "memory drawn from 2 samples",
        "load: 1 step, noise sigma 0.1",
        "Operation: 1 move at 0 s, in the order given",
        "Limits: none: none",
        "Random, from seed 1:\n",
    ):
        assert part in text


def test_show_tells_hosts_that_differ_and_what_guests_ask():
    """Each kind of host, what is promised of it, and labels, flags and sets of each group."""
    changes = [
        "topology.hosts=[{match: '*', labels: {zone: a}}, "
        "{match: '*/host1', memory: 64GiB, cpu_flags: [avx2]}]",
        "topology.host.overcommit={memory: 1.5, cpu: 4}",
        "guests[0].requires={zone: a}",
        "guests[0].cpu_flags=[avx2]",
        "guests[0].apart={by: rack, of: 2}",
        "guests[0].place.hosts='*/host1'",
        "guests[0].count=1",
        "operation={kind: drain, labels: {rack: rack0}, hosts: '*/host1'}",
    ]
    text = printed("show", "quick-start", *(word for each in changes for word in ("--set", each)))
    for part in (
        "for guests each (promised: 1.5 times that, 4 vCPUs a core)",
        "  1 host, rack0/host0 first: 32 cores, 256 GiB, zone=a\n",
        "  1 host, rack0/host1 first: 32 cores, 64 GiB, zone=a, avx2\n",
        "    asks for: zone=a; cpu flag avx2; apart by rack, 2 a set\n",
        "Operation: drain of */host1 and rack=rack0 (1 host) at",
    ):
        assert part in text, text


def test_show_in_json_is_the_whole_scenario():
    """The resolved scenario reads back as the same one."""
    shown = data("show", "rack-drain", "--set", "topology.uplink=40Gbit/s")
    documented("show", shown)
    again = dcsim.Scenario.model_validate(shown["scenario"])
    assert again.digest() == shown["digest"]
    assert shown["topology"]["oversubscription"]["least"] == pytest.approx(2.5)
    assert shown["topology"]["links"][0] == {
        "class": "host",
        "count": 32,
        "least_bytes_per_s": pytest.approx(0.94 * 25e9 / 8),
        "most_bytes_per_s": pytest.approx(0.94 * 25e9 / 8),
    }
    assert shown["guests"]["count"] == 44


# --------------------------------------------------------------------------- schema, list, init


def test_schema_is_json():
    """The schema is printed as JSON, indented as asked."""
    schema = json.loads(printed("schema", "--indent", "1"))
    assert {"topology", "guests", "operation"} <= set(schema["properties"])
    assert printed("schema", "--indent", "1").splitlines()[1].startswith(' "')


def test_list_names_everything_with_a_sentence():
    """Every shipped thing, metric and table has a name and a sentence."""
    everything = data("list")
    assert list(everything) == [
        *("topologies", "workloads", "scenarios", "studies", "hinting", "hypervisors", "limits"),
        *("downtime-steps", "operators", "orders", "balancers", "placements"),
        *("metrics", "tables"),
    ]
    assert all(item["about"] for items in everything.values() for item in items)
    for kind in library.KINDS:
        assert [item["name"] for item in everything[kind]] == library.names(kind=kind)
    assert [item["name"] for item in everything["hinting"]] == presets.hinting_names()
    assert [item["name"] for item in everything["metrics"]] == list(SUMMARY.names)


def test_list_prints_one_kind():
    """A kind is printed as a table of names and sentences."""
    lines = printed("list", "limits").splitlines()
    assert lines[0] == "LIMITS"
    assert [line.split()[0] for line in lines[1:]] == presets.limits_names()
    assert "Invalid value" in refused("list", "nothing")


def test_init_writes_a_scenario_that_runs(folder):
    """The file keeps the comments of what it is made from, and is valid."""
    assert "wrote my.yaml" in printed("init", "my", "--from", "rack-drain")
    text = (folder / "my.yaml").read_text(encoding="utf-8")
    assert text.endswith(library.text(kind="scenarios", name="rack-drain"))
    assert printed("validate", "my.yaml") == "my.yaml: valid\n"


def test_init_overwrites_nothing_and_leaves_the_directory_alone(folder):
    """A file that exists, a path and an unknown scenario are refused."""
    printed("init")
    assert "scenario.yaml exists" in refused("init", "scenario.yaml")
    assert "is no name" in refused("init", "../outside")
    assert "did you mean 'rack-drain'?" in refused("init", "x", "--from", "rack-drian")
    assert [path.name for path in folder.iterdir()] == ["scenario.yaml"]


# --------------------------------------------------------------------------- run


def test_run_tells_what_came_of_it():
    """The outcome, the makespan, bytes by kind, lost work by cause, and blackouts."""
    result = dcsim.run(dcsim.load("quick-start"))
    lines = printed("run", "quick-start").splitlines()
    assert lines[0] == f"quick-start: {result.explanation}"
    for start in ("makespan  ", "network  ", "  first pass  ", "lost work  ", "  blackout  "):
        assert any(line.startswith(start) for line in lines)
    assert lines[1] == result.answers[0].verdict
    assert any(line.startswith("Guests were paused ") for line in lines)
    brief = printed("run", "quick-start", "--set", "record=summary").splitlines()
    assert brief[-1].startswith("Guests were paused ")


def test_run_in_json_is_the_summary():
    """JSON holds every metric; NaN becomes null; seed and replication are those asked for."""
    told = data("run", "quick-start", "--seed", "7", "--replicate", "2")
    documented("run", told)
    result = dcsim.run(dcsim.load("quick-start").replace({"seed": 7}), replicate=2)
    assert (told["seed"], told["replicate"]) == (result.seed, 2)
    assert told["metrics"] == result.metrics
    nothing = data("run", "quick-start", "--set", "operation.hosts=rack0/host1")
    assert nothing["metrics"]["blackout_p50_s"] is None
    assert nothing["explanation"].startswith("0 migrations")


def test_run_says_which_replicate_it_was():
    """A replication other than the first is named."""
    assert printed("run", "quick-start", "--replicate", "3").startswith("quick-start, replicate 3:")


def test_run_saves_a_result_tables_and_a_report(folder):
    """-o, --csv and --report write, and what they wrote can be replaced only when asked."""
    options = ("run", "quick-start", "-o", "out", "--csv", "csv")
    told = data(*options, "--report", "new/report.html", "--check")
    assert (told["out"], told["csv"], told["report"]) == ("out", "csv", "new/report.html")
    assert Result.load(folder / "out").equals(dcsim.run(dcsim.load("quick-start")))
    assert (folder / "csv" / "migrations.csv").is_file()
    assert (folder / "new" / "report.html").stat().st_size > 1e6
    assert "out is not empty; --overwrite" in refused(*options)
    assert "csv is not empty; --overwrite" in refused("run", "quick-start", "--csv", "csv")
    assert "exists; --overwrite" in refused("run", "quick-start", "--report", "new/report.html")
    text = printed(*options, "--overwrite", "--set", "hinting=none")
    assert text.endswith("The result is in out\nThe tables are in csv\n")
    assert Result.load(folder / "out").scenario["hinting"]["name"] == "none"


def test_run_overwrites_nothing_of_others(folder):
    """A directory that holds anything else is refused even with --overwrite, and left as it is."""
    (folder / "mine").mkdir()
    (folder / "mine" / "report.html").write_text("mine", encoding="utf-8")
    (folder / "file").touch()
    for name in ("mine", "file"):
        refused("run", "quick-start", "-o", name, "--overwrite")
    assert (folder / "mine" / "report.html").read_text(encoding="utf-8") == "mine"
    (folder / "empty").mkdir()
    printed("run", "quick-start", "-o", "empty")


def test_run_refuses_an_invalid_scenario(folder):
    """What is wrong is told as validate tells it; what only preparing finds, too."""
    (folder / "crowded.yaml").write_text(CROWDED, encoding="utf-8")
    assert "guests[0].count" in refused("run", "quick-start", "--set", "guests[0].count=0")
    text = refused("run", "crowded.yaml", "--set", "guests[2].memory=100GiB")
    assert "100 GiB" in text


# --------------------------------------------------------------------------- saved results


def test_rerun_reproduces_a_result(folder):
    """A saved result comes out again bit for bit."""
    printed("run", "quick-start", "-o", "out")
    assert printed("rerun", "out") == "reproduced bit for bit: 1 of 1 results\n"


def test_rerun_tells_what_differs(folder):
    """A result that is not reproduced is an exit code, and its differences are told."""
    result = dcsim.run(dcsim.load("quick-start"))
    result.columns["summary"]["makespan_s"][0] += 1
    result.save(folder / "out")
    ended = dcsim_("rerun", "out", code=1)
    assert ended.stdout == "1 of 1 results came out differently\n"
    assert "out: summary.makespan_s" in ended.stderr


def test_explain_tells_of_one_guest(folder):
    """What happened to a guest is told from a result; an unknown guest is refused."""
    printed("run", "quick-start", "-o", "out")
    assert printed("explain", "out", "file-server-0").startswith("file-server-0: ")
    assert "did you mean 'file-server-0'?" in refused("explain", "out", "file-servr-0", code=1)


def test_report_is_written_beside_a_result(folder):
    """A report goes beside the saved result by default, and does not stand in its way."""
    printed("run", "quick-start", "-o", "out")
    assert printed("report", "out") == "The report is out/report.html\n"
    assert "<html" in (folder / "out" / "report.html").read_text(encoding="utf-8")
    printed("run", "quick-start", "-o", "out", "--overwrite")
    assert not (folder / "out" / "report.html").exists()


# --------------------------------------------------------------------------- compare

TWO = ("compare", "quick-start", "--jobs", "1", "--hinting", "zero-page,balloon-held")


def test_compare_prints_a_table_and_sentences():
    """A row a variant, and the summary of the study."""
    study = dcsim.compare(dcsim.load("quick-start"), hinting=["zero-page", "balloon-held"])
    text = printed(*TWO)
    lines = text.splitlines()
    assert lines[0].split()[:4] == ["variant", "moved", "makespan", "network"]
    assert [line.split()[:2] for line in lines[1:3]] == [["zero-page", "1"], ["balloon-held", "1"]]
    assert text.endswith(study.summary() + "\n")


def test_compare_saves_the_study_with_its_report(folder):
    """-o saves the study and writes the report beside it; the last line says where."""
    text = printed(*TWO, "-o", "study")
    assert text.splitlines()[-2:] == ["The study is in study", "The report is study/report.html"]
    assert len(Study.load(folder / "study").results) == 2
    assert "study is not empty" in refused(*TWO, "-o", "study")
    assert (folder / "study" / "report.html").is_file()
    assert printed("rerun", "study") == "reproduced bit for bit: 2 of 2 results\n"
    assert printed("report", "study", "-o", "new.html") == "The report is new.html\n"
    told = printed("explain", "study", "file-server-0", "--run", "balloon-held")
    assert told.startswith("file-server-0: ")
    assert "which run? There are 'zero-page', 'balloon-held'" in refused(
        "explain", "study", "file-server-0"
    )
    assert "has no replication 4" in refused(
        *("explain", "study", "file-server-0", "--run", "zero-page", "--replicate", "4")
    )


def test_compare_in_json(folder):
    """Means and paired differences of every metric, for every variant."""
    told = data(*TWO, "--vary", "guests[0].memory=1GiB,2GiB", "--baseline", "balloon-held")
    documented("compare", told)
    assert [each["variant"] for each in told["variants"]] == [
        "zero-page, guests[0].memory=1GiB",
        "balloon-held, guests[0].memory=1GiB",
        "zero-page, guests[0].memory=2GiB",
        "balloon-held, guests[0].memory=2GiB",
    ]
    zero, held = told["variants"][2:]
    assert (zero["baseline"], held["baseline"]) == (held["variant"], None)
    assert held["differences"] == {}
    assert zero["differences"]["network_bytes"] == {
        "mean": zero["metrics"]["network_bytes"] - held["metrics"]["network_bytes"],
        "low": None,
        "high": None,
    }
    assert zero["changes"] == {"guests[0].memory": "2GiB"}
    assert any("than balloon-held" in sentence for sentence in told["summary"])


def test_compare_takes_policies_with_changes():
    """A policy may be a mapping, as in a file; one named twice is run once."""
    names = "zero-page,zero-page,{use: balloon-held, reserve: 1GiB}"
    told = data("compare", "quick-start", "-j", "1", "--hinting", names)
    assert [each["hinting"] for each in told["variants"]] == [
        *("zero-page", "balloon-held reserve=1GiB")
    ]


def test_compare_counts_replications_and_seeds():
    """Where something is random each variant is run as often as asked, from the seed given."""
    options = ("--set", "guests[0].arrive=5s", "--replications", "3", "--seed", "9")
    told = data(*TWO, *options)
    assert [each["runs"] for each in told["variants"]] == [3, 3]
    assert "arrival times" in told["random"][0]
    assert told["variants"][1]["differences"]["lost_work_s"]["low"] is not None


def test_compare_keeps_going_where_a_run_fails(folder):
    """Runs that fail are told, the others are there, and the exit code is 4."""
    (folder / "crowded.yaml").write_text(CROWDED, encoding="utf-8")
    options = ("compare", "crowded.yaml", "-j", "1", "--hinting", "zero-page", "-o", "study")
    ended = dcsim_(*options, "--vary", "guests[2].memory=50GiB,100GiB", code=4)
    assert "zero-page, guests[2].memory=100GiB, replicate 0: ScenarioError" in ended.stderr
    assert ended.stdout.endswith("The report is study/report.html\n")
    assert [line.split()[-1] == "-" for line in ended.stdout.splitlines()[1:3]] == [False, True]
    assert "it failed: ScenarioError" in refused(
        *("explain", "study", "c-0", "--run", "zero-page, guests[2].memory=100GiB")
    )
    told = printed("explain", "study", "c-0", "--run", "zero-page, guests[2].memory=50GiB")
    assert told.startswith("c-0: ")


def test_compare_writes_no_report_where_every_run_fails(folder):
    """There is nothing to report then; the study says why."""
    (folder / "crowded.yaml").write_text(CROWDED, encoding="utf-8")
    options = ("compare", "crowded.yaml", "-j", "1", "--hinting", "zero-page", "-o", "study")
    told = data(*options, "--set", "guests[2].memory=100GiB", code=4)
    assert told["report"] is None
    assert told["failures"][0]["error"] == "ScenarioError"
    assert not (folder / "study" / "report.html").exists()


def test_explain_needs_no_name_where_there_is_one_variant(folder):
    """A study of a single variant has no other run to mean."""
    printed("compare", "quick-start", "-j", "1", "--hinting", "zero-page", "-o", "study")
    assert printed("explain", "study", "file-server-0").startswith("file-server-0: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hinting", "balloon-hold"], "did you mean 'balloon-held'?"),
        (["--hinting", "a]"], "is no YAML"),
        (["--hinting", ""], "no value is given"),
        (["--hinting", "zero-page", "--baseline", "none"], "the baseline 'none' is none of"),
        (["--vary", "guests[0].count"], "is no path=values"),
        (["--vary", "hinting=none"], "vary the hinting with --hinting A,B,C"),
        (["--vary", "seed=1,2"], "vary the seed with --replications N"),
        (["--vary", "horizon=1h", "--vary", "horizon=2h"], "horizon is given twice"),
        (["--vary", "horizont=1h"], "did you mean 'horizon'?"),
        (["--jobs", "2", "--hinting", "none", "--baseline", "x"], "the baseline 'x' is none of"),
        (["--jobs", "0"], "--jobs"),
        (["--replications", "0"], "--replications"),
    ],
)
def test_compare_refuses_what_makes_no_sense(options, message):
    """Nothing runs: exit code 2 and what would be legal."""
    assert message in refused("compare", "quick-start", "--jobs", "1", *options)


def test_compare_runs_in_processes_too():
    """Worker processes give the same study, and none is left behind."""
    alone = data(*TWO)
    assert data("compare", "quick-start", "-j", "2", "--hinting", "zero-page,balloon-held") == alone


# --------------------------------------------------------------------------- plan

FAST = ("plan", "quick-start", "-j", "1", "--goal", "makespan_s <= 3s")
LINKS = ("--vary", "topology.host_link=5Gbit/s..25Gbit/s/4", "--minimise", "topology.host_link")


def test_plan_says_the_answer_first():
    """The words of the plan, then its frontier."""
    link = {"topology.host_link": "5Gbit/s..25Gbit/s/4"}
    found = dcsim.plan(
        dcsim.load("quick-start"),
        goals=["makespan_s <= 3s"],
        vary=link,
        minimise="topology.host_link",
    )
    text = printed(*FAST, *LINKS)
    assert text.splitlines()[0] == (
        "quick-start: topology.host_link = 8.55Gbit/s meets the goal, with the least "
        "topology.host_link."
    )
    assert text.startswith(found.summary() + "\n")
    nearest = printed(*FAST[:-1], "makespan_s <= 1ms", *LINKS, code=3)
    assert "\nThe nearest:\ntopology.host_link  verdict  makespan_s\n25Gbit/s " in nearest


def test_plan_in_json():
    """Every point with its goals; processes change nothing."""
    told = data(*FAST, *LINKS)
    documented("plan", told)
    assert told["answer"] == told["best"]["changes"] == {"topology.host_link": "8.55Gbit/s"}
    assert [point["verdict"] for point in told["points"]] == ["missed", "met"]
    assert told["points"][1]["goals"][0]["goal"] == "makespan_s <= 3 s"
    assert data("plan", "quick-start", "-j", "2", *FAST[4:], *LINKS) == told


def test_plan_saves_itself_with_its_report(folder):
    """-o writes plan.json and the report; only a plan is overwritten."""
    text = printed(*FAST, *LINKS, "-o", "out")
    assert text.splitlines()[-2:] == ["The plan is in out", "The report is out/report.html"]
    assert json.loads((folder / "out" / "plan.json").read_text())["feasible"] is True
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "meets the goal, with the least topology.host_link" in page
    assert "out is not empty" in refused(*FAST, *LINKS, "-o", "out")
    printed(*FAST, "-o", "out", "--overwrite")
    (folder / "out" / "mine.txt").touch()
    assert "more than dcsim would write" in refused(*FAST, "-o", "out", "--overwrite")


def test_plan_ends_with_3_where_goals_cannot_be_met():
    """So that a machine can tell; --json too."""
    goal = ("--goal", "lost_work_s <= 1us")
    assert "quick-start: no. As it is, lost_work_s is" in printed(*FAST, *goal, code=3)
    told = data(*FAST, *goal, code=3)
    assert (told["feasible"], told["verdict"], told["answer"]) == (False, "missed", None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--goal", "makespan <= 3s"], "did you mean 'makespan_s'?"),
        (["--goal", "makespan_s <= 3GiB"], "'GiB' is a unit of size"),
        (["--vary", "horizon"], "'horizon' is no path=range; write it like guests[0].count=8..16"),
        (["--vary", "horizon="], "'horizon=' is no path=range"),
        (["--vary", "horizon=1h,2h", "--vary", "horizon=3h"], "horizon is given twice"),
        (["--vary", "horizont=1h,2h"], "did you mean 'horizon'?"),
        (["--minimise", "network_byte"], "did you mean 'network_bytes'?"),
        (["--minimise", "rounds", "--maximise", "rounds"], "give --minimise or --maximise"),
        (["--replications", "0"], "--replications"),
        (["--points", "0"], "--points"),
    ],
)
def test_plan_refuses_what_makes_no_sense(options, message):
    """Nothing runs: exit code 2 and what would be legal."""
    assert message in refused(*FAST, *options)


def test_plan_has_the_limits_of_python():
    """What is not said is the same in both."""
    command = typer.main.get_command(application()).commands["plan"]
    unset = {option.name: option.default for option in command.params}
    assert unset["replications"] == planning.MOST_REPLICATIONS
    assert unset["points"] == planning.MOST_POINTS


def test_plan_needs_a_goal():
    """There is nothing to reach."""
    assert "no goal is given" in refused("plan", "quick-start", "-j", "1")


# --------------------------------------------------------------------------- --fail-if


def test_a_run_that_comes_to_what_it_must_not_ends_with_3():
    """The result is there, the reasons are on stderr; conditions that do not hold are silent."""
    options = ("run", "quick-start", "--fail-if", "not_moved > 0", "--fail-if")
    ended = dcsim_(*options, "network_bytes>1GiB", code=3)
    assert ended.stdout == printed("run", "quick-start")
    assert ended.stderr == "--fail-if network_bytes > 1 GiB: network_bytes is 1.97 GiB\n"
    assert dcsim_(*options, "network_bytes > 2GiB").stderr == ""
    assert data(*options, "network_bytes > 2GiB")["fail_if"] == []
    told = data(*options, "network_bytes > 1GiB", code=3)
    assert told["fail_if"] == ["--fail-if network_bytes > 1 GiB: network_bytes is 1.97 GiB"]


def test_a_condition_on_what_has_no_value_holds():
    """Nobody could tell that all is well."""
    nobody = ("--set", "operation.hosts=rack0/host1", "--fail-if", "blackout_p99_s > 1s")
    ended = dcsim_("run", "quick-start", *nobody, code=3)
    assert ended.stderr == (
        "--fail-if blackout_p99_s > 1 s: blackout_p99_s has no value, so nobody can tell\n"
    )


def test_conditions_are_of_every_variant_and_of_the_best_point():
    """A study fails by any variant's mean, a plan by its answer."""
    ended = dcsim_(*TWO, "--fail-if", "network_bytes > 1.9GiB", code=3)
    assert ended.stderr == (
        "--fail-if network_bytes > 1.9 GiB: network_bytes of zero-page is 1.97 GiB\n"
    )
    ended = dcsim_(*FAST, "--fail-if", "network_bytes > 1GiB", code=3)
    assert ended.stderr == "--fail-if network_bytes > 1 GiB: network_bytes is 1.97 GiB\n"
    assert "meets the goal" in ended.stdout


def test_a_condition_goes_before_runs_that_failed(folder):
    """The exit code is 3 then, and 4 where no condition holds."""
    (folder / "crowded.yaml").write_text(CROWDED, encoding="utf-8")
    options = ("compare", "crowded.yaml", "-j", "1", "--hinting", "zero-page", "--vary")
    options += ("guests[2].memory=50GiB,100GiB", "--fail-if")
    assert "no legal" not in dcsim_(*options, "completed < 1", code=4).stderr
    dcsim_(*options, "completed > 0", code=3)


def test_a_condition_that_is_none_is_refused_before_anything_runs():
    """Exit code 2."""
    for command in ("run", "compare", "plan"):
        message = refused(command, "quick-start", "--fail-if", "not_movd > 0")
        assert "did you mean 'not_moved'?" in message


# --------------------------------------------------------------------------- import


def test_import_prints_a_population(folder):
    """Without --out the guests are printed as YAML."""
    (folder / "host.txt").write_text(MEMINFO, encoding="utf-8")
    text = printed("import", "meminfo", "host.txt", "--rows", "first", "--count", "3")
    assert text.startswith("# guests: 3, groups: 1\n")
    assert "\nguests:\n" in text


def test_import_writes_a_population_and_a_scenario_that_drains_it(folder):
    """The scenario refers to the guests by where they are, and is valid."""
    (folder / "host.txt").write_text(MEMINFO, encoding="utf-8")
    for directory in ("a", "b", "deep/er"):
        (folder / directory).mkdir(parents=True)
    options = ("import", "meminfo", "host.txt", "--workload", "database", "--memory", "8GiB")
    ended = dcsim_(*options, "-o", "a/guests.yaml", "--scenario", "a/drain.yaml")
    assert (ended.stdout, ended.stderr) == ("", "1 guests in 1 groups\n")
    assert printed("validate", "a/drain.yaml") == "a/drain.yaml: valid\n"
    dcsim_(*options, "-o", "b/guests.yaml", "--scenario", "a/other.yaml")
    assert printed("validate", "a/other.yaml") == "a/other.yaml: valid\n"
    assert "File exists" in refused(*options, "-o", "a/guests.yaml", code=1)
    far = refused(*options, "-o", "guests.yaml", "--scenario", "deep/er/drain.yaml")
    assert "keep it beside guests.yaml" in far
    assert "give --out too" in refused(*options, "--scenario", "drain.yaml")


def test_import_reads_traces(folder):
    """Traces take a window and a number of points, and refuse what is none."""
    header = "Timestamp [ms];CPU cores;CPU capacity provisioned [MHZ];CPU usage [MHZ];"
    header += "CPU usage [%];Memory capacity provisioned [KB]"
    rows = [f"{300 * i};2;5200;{100 * i};1;4194304" for i in range(1, 9)]
    (folder / "1.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    text = printed("import", "bitbrains", "1.csv", "--length", "20min", "--points", "4")
    assert "memory: 4GiB" in text
    assert "duration" in refused("import", "bitbrains", "1.csv", "--start", "soon")
    assert "1.csv" in refused("import", "opendc", "1.csv", "1.csv")


# --------------------------------------------------------------------------- completion, progress


def complete(monkeypatch, *words: str) -> list[str]:
    """What a shell proposes for the last of some words."""
    monkeypatch.setenv("COMP_WORDS", " ".join(["dcsim", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    monkeypatch.setenv("_DCSIM_COMPLETE", "complete_bash")
    result = CliRunner().invoke(application(), [], prog_name="dcsim")
    return result.stdout.split()


def test_shells_complete_names(monkeypatch):
    """Scenarios, policies after a comma, and workloads are proposed by name."""
    assert complete(monkeypatch, "run", "rack") == ["rack-drain"]
    proposed = complete(monkeypatch, "compare", "x", "--hinting", "none,balloon-h")
    assert proposed == ["none,balloon-held"]
    assert complete(monkeypatch, "import", "meminfo", "--workload", "data") == ["database"]


class Terminal:
    """A stream that says it is a terminal, and keeps what is written."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def test_progress_shows_on_a_terminal_only(monkeypatch):
    """On a terminal the bars tell how far it is; off it, or unasked, there is none."""
    from dcsim.simulation import Progress

    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with console.run_progress(wanted=True) as show:
        show(Progress(simulated_s=90.0, horizon_s=600.0, events=10_000, ended=3, requested=8))
    assert "3/8" in terminal.text
    assert "90 s simulated" in terminal.text
    assert "events/s" in terminal.text
    with console.study_progress(wanted=True) as count:
        count(4, 65)
    assert " 4/65" in terminal.text
    with console.run_progress(wanted=False) as show, console.study_progress(wanted=False) as count:
        assert (show, count) == (None, None)
    monkeypatch.setattr(terminal, "isatty", lambda: False)
    with console.run_progress(wanted=True) as show:
        assert show is None
