"""The compiled kernel: it gives what Python gives, and where it does not fit it is left aside."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

SECONDS = 120
NAME = f"_kernel{sysconfig.get_config_var('EXT_SUFFIX')}"


@pytest.fixture(scope="module")
def building(root):
    """The build's own module."""
    spec = importlib.util.spec_from_file_location("hatch_build", root / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(root, building, tmp_path):
    """As much of a checkout as the kernel needs, with the kernel compiled in it."""
    shutil.copytree(root / "kernel", tmp_path / "kernel")
    (tmp_path / "dcsim").mkdir()
    for name in ("__init__.py", "garbage.py", "kernel.py"):
        shutil.copy(root / "dcsim" / name, tmp_path / "dcsim")
    if reason := building.compile_kernel(tmp_path / "kernel", tmp_path / "dcsim" / NAME):
        pytest.skip(reason)
    return tmp_path


def python(*arguments: str, path: Path, **switch: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a folder to import from first."""
    environment = {k: v for k, v in os.environ.items() if k != "DCSIM_KERNEL"}
    environment |= {"PYTHONPATH": str(path), **switch}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environment, cwd=path, capture_output=True, text=True, timeout=SECONDS
    )


def status(path: Path, **switch: str) -> str:
    """Return what a process says of the kernel."""
    ran = python("-c", "from dcsim.kernel import status; print(status())", path=path, **switch)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.strip()


# --------------------------------------------------------------------------- the same numbers


@pytest.mark.parametrize(
    "command",
    [
        ["run", "two-guests-one-link"],
        ["run", "mixed-policies"],
        ["run", "two-sites-move"],
        ["compare", "quick-start", "--jobs", "1", "--hinting", "none,free-page-hint,balloon-held"],
    ],
    ids=lambda command: command[1],
)
def test_tables_are_the_same_to_the_last_bit(root, tmp_path, command):
    """What ran with the compiled kernel comes out again, bit for bit, in Python alone."""
    if (found := status(root)) != "in use":
        pytest.skip(f"the compiled kernel is {found}")
    ran = python("-m", "dcsim", *command, "-o", str(tmp_path / "out"), path=root)
    assert (ran.returncode, ran.stderr) == (0, "")
    again = python("-m", "dcsim", "rerun", str(tmp_path / "out"), path=root, DCSIM_KERNEL="python")
    assert (again.returncode, again.stderr) == (0, "")
    assert "reproduced bit for bit" in again.stdout


# --------------------------------------------------------------------------- what is loaded


def test_what_was_compiled_is_used_unless_it_is_left_out(checkout):
    """The switch leaves it out, and so says the status."""
    assert status(checkout) == "in use"
    left_out = status(checkout, DCSIM_KERNEL="python")
    assert left_out == "not used, DCSIM_KERNEL=python leaves it out"


def test_a_kernel_of_other_sources_is_left_aside(checkout):
    """A change of the sources asks for another build; a wheel has no sources beside it."""
    with (checkout / "kernel" / "touch.c").open("a") as file:
        file.write("/* changed */\n")
    assert status(checkout) == ("not used, it was compiled from other sources than those beside it")
    shutil.rmtree(checkout / "kernel")
    assert status(checkout) == "in use"


def test_what_is_no_kernel_is_left_aside(checkout):
    """A file that cannot be loaded breaks nothing."""
    (checkout / "dcsim" / NAME).write_bytes(b"not a library")
    assert status(checkout).startswith("not used, it cannot be loaded: ")


def test_the_kernel_of_another_python_is_not_looked_at(checkout):
    """Its name tells what it is for."""
    (checkout / "dcsim" / NAME).rename(checkout / "dcsim" / "_kernel.cpython-27-other.so")
    assert status(checkout) == "not used, it was not built for this Python"


# --------------------------------------------------------------------------- what is compiled


def no_headers(patch):
    """Give Python no headers."""
    real = sysconfig.get_path
    patch.setattr(
        sysconfig, "get_path", lambda name: "/nowhere" if name == "include" else real(name)
    )


@pytest.mark.parametrize(
    ("lack", "reason"),
    [
        (lambda patch: patch.setenv("PATH", "/nowhere"), "there is no C compiler"),
        (lambda patch: patch.setenv("CC", "no-such-cc"), "no-such-cc: No such file or directory"),
        (lambda patch: patch.setenv("CC", "false"), "false failed"),
        (no_headers, "the C headers of Python .* are not installed"),
        (lambda patch: patch.setattr(os, "name", "nt"), "it is made for Linux and macOS only"),
    ],
    ids=["no compiler", "no such compiler", "a compiler that fails", "no headers", "Windows"],
)
def test_what_is_lacking_is_said(root, building, tmp_path, monkeypatch, lack, reason):
    """Whatever is missing, nothing is left behind but words."""
    folder, target = root / "kernel", tmp_path / NAME
    monkeypatch.delenv("CC", raising=False)
    with monkeypatch.context() as patch:
        lack(patch)
        said = building.compile_kernel(folder, target)
    assert re.fullmatch(reason, said)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_compiler_is_told(checkout, building):
    """Sources that do not compile take the former kernel away."""
    (checkout / "kernel" / "touch.c").write_text("int touch(void) { return nothing; }\n")
    said = building.compile_kernel(checkout / "kernel", checkout / "dcsim" / NAME)
    assert "failed: touch.c:1:" in said
    assert "nothing" in said
    assert not list((checkout / "dcsim").glob("_kernel*"))


def test_a_compiler_that_hangs_is_ended(root, building, tmp_path, monkeypatch):
    """It and all it started, when its time is over."""
    compiler = tmp_path / "cc"
    compiler.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {tmp_path}/child\nwait\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    monkeypatch.setattr(building, "PATIENCE_S", 0.5)
    began = time.monotonic()
    said = building.compile_kernel(root / "kernel", tmp_path / NAME)
    assert said == f"{compiler} was not done after 0.5 s"
    assert time.monotonic() - began < 30
    child = int((tmp_path / "child").read_text())
    for _ in range(100):  # until it is buried
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
    assert state == "Z"
