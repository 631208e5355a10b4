"""Studies in notebooks: what a bar says, and a study in the background that can be ended."""

from __future__ import annotations

import itertools
import math
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from types import SimpleNamespace

import pytest

import dcsim
from dcsim.control.placement import register
from dcsim.errors import ResultError
from dcsim.study.sweeps.background import Running
from dcsim.study.sweeps.progress import SweepProgress
from dcsim.study.sweeps.sweep import sweep as plain_sweep
from dcsim.view import watching
from dcsim.view.watching import Bar

POLICIES = ["zero-page", "free-page-hint", "balloon-held"]


def study(**changes):
    """Twelve short runs."""
    axes = {"hinting": POLICIES, "guests[0].memory": ["1GiB", "2GiB", "3GiB", "4GiB"]}
    return dcsim.Design(dcsim.load("quick-start").replace(changes), axes=axes)


def slow_study():
    """Twelve runs of a tenth of a second."""

    @register("slow")
    def slow(room, guest, source):
        time.sleep(0.1)
        return room.in_order(guest.memory_bytes)

    return study(**{"operation.placement": "slow"})


def interrupted_study(*, at):
    """Twelve runs, of which one is interrupted, once."""
    calls = itertools.count(1)

    @register("interrupted")
    def interrupted(room, guest, source):
        if next(calls) == at:
            raise KeyboardInterrupt
        return room.in_order(guest.memory_bytes)

    return study(**{"operation.placement": "interrupted"})


def progress(done=120, total=400, failed=0, rate=40.0, stage="runs"):
    """How far a study is."""
    return SweepProgress(stage, total, done, failed, rate, (total - done) / rate)


@pytest.fixture
def shown(monkeypatch):
    """A notebook, of which one sees what is shown in turn: each thing shown is a list."""
    found = []

    def display(what, *, raw=False):
        mine = [what]
        found.append(mine)
        return SimpleNamespace(update=lambda other, raw: mine.append(other))

    monkeypatch.setattr(watching, "_display", display)
    monkeypatch.setattr(watching, "in_notebook", lambda: True)
    return found


def words(shown, which=0):
    """What a bar said, in turn."""
    return [each["text/plain"] for each in shown[which]]


# ----------------------------------------------------------------------- the bar


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (SweepProgress("runs", 0, 0, 0, math.nan, math.nan), "starting"),
        (SweepProgress("points", 9000, 300, 0, math.nan, math.nan), "300 of 9,000 points"),
        (SweepProgress("runs", 400, 0, 0, math.nan, math.nan), "0 of 400 runs"),
        (progress(), "120 of 400 runs, 40 runs/s, 7 s left"),
        (progress(failed=3), "120 of 400 runs, 3 failed, 40 runs/s, 7 s left"),
        (progress(total=10**6, rate=41.3), "120 of 1,000,000 runs, 41.3 runs/s, 6.7 h left"),
        (progress(done=0, total=1, rate=0.5), "0 of 1 run, 0.5 runs/s, 2 s left"),
    ],
)
def test_what_a_bar_says(at, said):
    """Runs done, failed and left, how many a second, and how long they take."""
    bar = Bar()
    bar.at = at
    assert bar.words() == said


def test_points_are_not_recorded():
    """Who ends a study before anything runs is not told otherwise."""
    bar = Bar(store="S")
    bar.at, bar.state = SweepProgress("points", 9000, 300, 0, math.nan, math.nan), "cancelled"
    assert bar.words().startswith("Cancelled after 300 of 9,000 points, in ")
    assert bar.words().endswith("s. None was run.")


@pytest.mark.parametrize(
    ("state", "store", "error", "said"),
    [
        ("ending", "S", "", "120 of 400 runs, 3 failed, the runs under way are being ended"),
        ("done", "S", "", "400 runs, 3 failed, in T"),
        (
            "cancelled",
            "S",
            "",
            "Cancelled after 120 of 400 runs, 3 failed, in T. "
            "Those are recorded in S: the same call goes on from there.",
        ),
        (
            "failed",
            None,
            "OSError: no <room>",
            "Failed after 120 of 400 runs, 3 failed, in T. None is kept: dcsim.sweep with a "
            "store=... would go on from there. OSError: no <room>",
        ),
        (
            "failed",
            "S",
            "x" * 500,
            "Failed after 120 of 400 runs, 3 failed, in T. Those are recorded in S: the same call "
            "goes on from there. " + "x" * 400 + "…",
        ),
    ],
)
def test_what_a_bar_says_at_the_end(state, store, error, said):
    """What came of it, and how to go on with what is left."""
    bar = Bar(store=store)
    bar.at, bar.state, bar.error = progress(failed=3), state, error
    assert re.sub(r"in [0-9.]+ [a-z]+(?=$|\.)", "in T", bar.words()) == said


def test_a_bar_is_plain_html():
    """Its parts are in proportion, whatever is said is escaped, and a reader is told as well."""
    bar = Bar(store="<b>&amp;")
    bar.at, bar.state = progress(done=100, failed=25), "cancelled"
    page = bar.html()
    assert re.findall(r"width:([0-9.]+)%;min", page) == ["18.75", "6.25"]
    assert 'aria-valuenow="25"' in page
    assert "&lt;b&gt;&amp;amp;" in page
    assert set(re.findall(r"<(/?\w+)", page)) == {"div", "/div"}


def test_what_is_a_notebook(monkeypatch):
    """A kernel of IPython is; a terminal of IPython, a script and a worker are none."""
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not watching.in_notebook()
    for shell, is_one in ((None, False), (SimpleNamespace(), False), (1, True)):
        shell = SimpleNamespace(kernel=object()) if shell == 1 else shell
        module = SimpleNamespace(get_ipython=lambda shell=shell: shell)
        monkeypatch.setitem(sys.modules, "IPython", module)
        assert watching.in_notebook() is is_one


# ----------------------------------------------------------------------- by itself


def test_a_study_shows_itself_in_a_notebook(shown, tmp_path):
    """One bar, renewed in place, ends with what came of it; what is recorded is the same."""
    found = watching.sweep(study(), store=tmp_path / "a")
    assert len(shown) == 1
    assert words(shown)[0] == "0 of 12 runs"
    assert re.fullmatch(r"12 runs, in .*s", words(shown)[-1])
    assert found.frame().equals(plain_sweep(study(), store=tmp_path / "b").frame())


def test_a_comparison_shows_itself_too(shown, monkeypatch):
    """Its progress is told as two numbers; some times a second, however many runs there are."""
    monkeypatch.setattr(watching, "_EVERY_S", math.inf)
    found = watching.compare(dcsim.load("quick-start"), hinting=POLICIES)
    assert len(found.runs) == 3
    first, last = words(shown)
    assert re.fullmatch(r"1 of 3 runs, [0-9.,]+ runs/s, 1 s left", first)
    assert re.fullmatch(r"3 runs, in .*s", last)


def test_nobody_else_is_disturbed(shown, monkeypatch):
    """Who watches a study himself sees no bar; outside of notebooks there is none."""
    told = []
    watching.sweep(study(), progress=told.append)
    assert told[-1].done == 12
    monkeypatch.setattr(watching, "in_notebook", lambda: False)
    watching.sweep(study())
    assert shown == []


def test_an_interrupt_is_told_and_goes_on(shown, tmp_path):
    """What was done is recorded, the bar says so, and the same call runs the rest only."""
    design, store = interrupted_study(at=4), tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        watching.sweep(design, store=store)
    assert re.fullmatch(
        rf"Cancelled after 3 of 12 runs, in .*s\. Those are recorded in {re.escape(str(store))}: "
        r"the same call goes on from there\.",
        words(shown)[-1],
    )
    done = dcsim.Sweep.open(store).frame(timing=True).set_index("run")["worker"]
    assert len(done) == 3
    assert len(watching.sweep(design, store=store).frame()) == 12
    assert words(shown, 1)[0] == "3 of 12 runs"


def test_a_failure_is_told(shown, tmp_path):
    """The bar says what is raised."""
    (tmp_path / "note").touch()
    with pytest.raises(ResultError, match="holds something else"):
        watching.sweep(study(), store=tmp_path)
    assert "ResultError: " in words(shown)[-1]


def test_the_public_ones_show_themselves():
    """`dcsim.sweep` and `dcsim.compare` are those with a bar."""
    assert dcsim.sweep is watching.sweep
    assert dcsim.compare is watching.compare
    assert dcsim.start_sweep is watching.start_sweep


def test_the_bar_takes_no_more_than_it_needs():
    """What is shown by itself has the signature and the words of what it shows."""
    import inspect

    assert inspect.signature(watching.sweep) == inspect.signature(plain_sweep)
    assert watching.sweep.__doc__ == plain_sweep.__doc__


# ----------------------------------------------------------------------- in the background


def test_a_study_in_the_background(tmp_path):
    """It returns at once, can be looked at, and records what one in the foreground does."""
    running = watching.start_sweep(study(), store=tmp_path / "a", workers=2)
    assert running.state == "running"
    assert not running.wait(timeout=0)
    assert len(running.sweep.frame(metrics=[])) <= 12  # its points are known then
    frame = running.result().frame()
    assert running.wait(timeout=0)
    assert (running.state, running.error, running.progress.done) == ("done", None, 12)
    assert repr(running).endswith("a, done: 12 of 12 runs>")
    assert frame.equals(plain_sweep(study(), store=tmp_path / "b").frame())


def test_a_study_is_cancelled_and_goes_on(tmp_path):
    """Runs under way are recorded; the rest is left, and no run is made twice."""
    design, states = slow_study(), []

    def told(running):
        states.append(running.state)
        if running.progress is not None and running.progress.done:
            running.cancel()

    with ThreadPoolExecutor(1) as executor:
        running = Running(design, store=tmp_path / "store", executor=executor, told=told)
        running.start()
        found = running.result()
    assert list(dict.fromkeys(states)) == ["running", "ending", "cancelled"]
    first = found.frame(timing=True)
    assert 0 < len(first) == running.progress.done < 12
    again = plain_sweep(design, store=tmp_path / "store").frame(timing=True)
    assert len(again) == 12
    assert set(first["seconds"]) < set(again["seconds"])


def test_a_study_is_cancelled_before_it_runs(tmp_path):
    """Points of a large study take a while; nobody waits for them."""
    scenario = dcsim.load("quick-start")
    design = dcsim.Design(scenario, axes={"guests[0].memory": "1GiB..2GiB/400"})
    told = []

    def cancel(running):
        told.append(running.progress)
        running.cancel()

    running = Running(design, store=tmp_path / "store", told=cancel)
    running.start()
    assert running.wait()
    assert (running.state, running.error) == ("cancelled", None)
    assert [(at.stage, at.done) for at in told] == 2 * [("points", 100)]


class Refusing(Executor):
    """Takes nothing."""

    def submit(self, function, /, *args, **options):
        """Refuse."""
        raise OSError("no room")


def test_a_failure_in_the_background(shown, tmp_path):
    """The bar shows it, and `result` raises it, each time."""
    running = watching.start_sweep(study(), store=tmp_path / "store", executor=Refusing())
    for _ in range(2):
        with pytest.raises(OSError, match="no room"):
            running.result()
    assert running.state == "failed"
    assert words(shown)[-1].endswith("OSError: no room")
    assert len(running.sweep.frame()) == 0


def test_what_the_store_refuses_is_told_at_once(tmp_path):
    """No thread is begun in a directory that holds something else."""
    (tmp_path / "note").touch()
    with pytest.raises(ResultError, match="holds something else"):
        watching.start_sweep(study(), store=tmp_path)


def test_an_interrupt_of_workers_is_no_failure(tmp_path):
    """Workers of somebody else's may be interrupted: what was done is recorded."""
    design = interrupted_study(at=4)
    with ThreadPoolExecutor(1) as executor:
        running = Running(design, store=tmp_path / "store", executor=executor)
        running.start()
        assert 3 <= len(running.result().frame()) == running.progress.done < 12
    assert running.state == "cancelled"


def test_its_own_workers_are_not_interrupted(tmp_path):
    """An interrupt of a cell is sent to all processes of a notebook; theirs go on."""
    design, hit = slow_study(), set()

    def told(running):
        if running.progress is not None and running.progress.done and not hit:
            names = running.sweep.frame(timing=True)["worker"]
            hit.update(int(name.rpartition(":")[2]) for name in names)
            for process in hit:
                os.kill(process, signal.SIGINT)

    running = Running(design, store=tmp_path / "store", workers=1, told=told)
    running.start()
    frame = running.result().frame(timing=True)
    assert running.state == "done"
    assert {int(name.rpartition(":")[2]) for name in frame["worker"]} == hit
    assert len(frame) == 12
    assert set(frame["error"]) == {""}


ENDS = """
import sys, time, dcsim
from dcsim.view.watching import start_sweep
scenario = dcsim.load("rack-drain")
design = dcsim.Design(scenario, axes={"topology.uplink": "25Gbit/s..100Gbit/s/200"})
running = start_sweep(design, store=sys.argv[1], workers=1)
while running.progress is None or running.progress.stage == "points" or not running.progress.done:
    time.sleep(0.05)
"""


def test_the_interpreter_can_end(tmp_path):
    """It waits for the run under way at most, says nothing, and what was done is recorded."""
    store = tmp_path / "store"
    ran = subprocess.run(
        [sys.executable, "-c", ENDS, str(store)], capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert 0 < len(dcsim.Sweep.open(store).frame(metrics=[])) < 1000


# ----------------------------------------------------------------------- its button


def test_a_button_ends_it(shown, tmp_path):
    """It goes when the study has ended."""
    pytest.importorskip("ipywidgets", reason="needs the extra 'notebook'")
    with ThreadPoolExecutor(1) as executor:
        running = watching.start_sweep(slow_study(), store=tmp_path / "store", executor=executor)
        (button,) = shown[1]
        button.click()
        running.wait()
    assert button.disabled
    assert running.state == "cancelled"
    assert shown[1][-1] == {"text/plain": ""}
    assert words(shown)[-1].startswith("Cancelled after ")


def test_without_widgets_it_says_what_ends_it(shown, tmp_path, monkeypatch):
    """The bar shows all the same."""
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with ThreadPoolExecutor(1) as executor:
        running = watching.start_sweep(study(), store=tmp_path / "store", executor=executor)
        running.wait()
    assert len(shown) == 1
    assert words(shown)[0] == "starting, cancel() of what this cell returned ends it"
    assert words(shown)[-1].startswith("12 runs, in ")


# ----------------------------------------------------------------------- a real kernel


@pytest.fixture(scope="module")
def kernel():
    """A kernel of IPython, and its client."""
    pytest.importorskip("ipykernel", reason="needs the extra 'notebook'")
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(stderr=subprocess.DEVNULL)
    try:
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def execute(kernel, code, *, interrupt_at=None):
    """Run a cell; return what its bar said in turn, and what the cell raised.

    Once the bar says what matches, the cell is interrupted as by the button of a notebook.
    """
    manager, client = kernel
    said, raised = [], []

    def hear(message):
        content = message["content"]
        if message["msg_type"] in ("display_data", "update_display_data"):
            said.append(content["data"]["text/plain"])
            assert content["transient"]["display_id"]
            assert (len(said) == 1) is (message["msg_type"] == "display_data")
            if interrupt_at and not raised and re.match(interrupt_at, said[-1]):
                raised.append("")
                manager.interrupt_kernel()
        elif message["msg_type"] == "stream":
            raise AssertionError(content["text"])

    reply = client.execute_interactive(code, output_hook=hear, timeout=60)["content"]
    return said, reply.get("ename", "")


def test_a_cell_is_interrupted(kernel, tmp_path):
    """Its processes are too; what they did is recorded, and the cell goes on when it is run again.

    The placement, which is defined in a cell, is known to them.
    """
    code = f"""
import time
from dcsim.control.placement import register
from dcsim.study.designs.design import Design
from dcsim.study.running import local_executor
from dcsim.view.watching import sweep
import dcsim

@register("slow")
def slow(room, guest, source):
    time.sleep(0.05)
    return room.in_order(guest.memory_bytes)

scenario = dcsim.load("quick-start").replace({{"operation.placement": "slow"}})
design = Design(scenario, axes={{"guests[0].memory": "1GiB..4GiB/60"}})
found = sweep(design, store={str(tmp_path / "store")!r}, executor=local_executor(2))
assert len(found.frame()) == 60 and not len(found.failures)
"""
    said, raised = execute(kernel, code, interrupt_at=r"[1-9]\d* of 60 runs")
    assert raised == "KeyboardInterrupt"
    done = int(
        re.match(r"Cancelled after (\d+) of 60 runs, in .*goes on from there\.$", said[-1])[1]
    )
    assert 0 < done < 60
    said, raised = execute(kernel, code)
    assert raised == ""
    assert said[0] == f"{done} of 60 runs"
    assert re.fullmatch("60 runs, in .*s", said[-1])
