"""The command line as a process of its own: entry points, interruption, pipes."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 120


def dcsim(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "dcsim", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, **options)


def test_the_module_and_the_script_are_the_same_command():
    """``python -m dcsim`` and ``dcsim`` are one program."""
    script = Path(sys.executable).with_name("dcsim")
    ran = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=SECONDS)
    assert (ran.returncode, ran.stdout) == (0, dcsim("--version").stdout)


def test_json_can_be_piped(tmp_path):
    """Stdout holds the JSON and nothing else; stderr stays empty off a terminal."""
    ran = dcsim("run", "quick-start", "--json", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["metrics"]["completed"] == 1


def test_problems_go_to_stderr(tmp_path):
    """An invalid scenario is exit code 2; stdout stays empty, and nothing is written."""
    (tmp_path / "bad.yaml").write_text("topology: nowhere\n", encoding="utf-8")
    ran = dcsim("run", "bad.yaml", "-o", "out", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("bad.yaml:1:")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.yaml"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_a_study_without_a_traceback(tmp_path, jobs):
    """On a terminal progress is shown; Ctrl-C says so, exits with 130 and writes nothing."""
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    terminal, end = pty.openpty()
    command = ["compare", "rack-drain", "--jobs", jobs, "-o", "out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dcsim", *command],
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
    )
    os.close(end)
    shown, interrupted = b"", False
    while select.select([terminal], [], [], SECONDS)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other end is closed
            part = b""
        if not part:
            break
        shown += part
        if re.search(rb"[1-9]\d*/70", shown) and not interrupted:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all its processes
            interrupted = True
    os.close(terminal)
    assert process.wait(SECONDS) == 130
    assert shown.rstrip().endswith(b"interrupted")
    assert b"Traceback" not in shown
    assert list(tmp_path.iterdir()) == []
