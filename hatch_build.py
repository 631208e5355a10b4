"""Compile the kernel when the package is built or installed, where there is a C compiler."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sysconfig
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

EXACT = ("-O2", "-std=c11", "-fPIC", "-ffp-contract=off", "-fno-fast-math")
"""Flags under which doubles come out as they do in Python."""
PATIENCE_S = 120
"""How long the compiler may take."""


class Kernel(BuildHookInterface[Any]):
    """Makes dcsim/_kernel out of kernel/*.c; without it everything runs in Python, slower."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; an editable install keeps the result in the checkout, a wheel takes it along.

        Where nothing was compiled, a note that says why takes the place of the result.
        """
        editable = version == "editable"
        self.passing = None if editable else tempfile.TemporaryDirectory()
        folder = Path(self.passing.name if self.passing else Path(self.root) / "dcsim")
        made = folder / f"_kernel{sysconfig.get_config_var('EXT_SUFFIX')}"
        note = folder / "_kernel.txt"
        reason = compile_kernel(Path(self.root) / "kernel", made)
        with suppress(OSError):  # a checkout that cannot be written to
            note.unlink(missing_ok=True)
            if reason is not None:
                note.write_text(f"{reason}\n", encoding="utf-8")
        if reason is None:
            build_data |= {"pure_python": False, "infer_tag": True}
        else:
            made = note
            self.app.display_warning(f"dcsim is installed without its compiled kernel: {reason}")
        if not editable:
            build_data["force_include"][str(made)] = f"dcsim/{made.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what a wheel has taken along."""
        if self.passing:
            self.passing.cleanup()


def compile_kernel(folder: Path, target: Path) -> str | None:
    """Compile the kernel; return None, or in words why there is none."""
    version, include = sysconfig.get_python_version(), sysconfig.get_path("include")
    linking = shlex.split(sysconfig.get_config_var("LDSHARED") or "")
    if os.name != "posix" or not linking:
        return "it is made for Linux and macOS only"
    asked = shlex.split(os.environ.get("CC", ""))
    compiler = (
        asked or [name for name in (linking[0], "cc", "gcc", "clang") if shutil.which(name)][:1]
    )
    if not compiler:
        return "there is no C compiler"
    if not Path(include, "Python.h").exists():
        return f"the C headers of Python {version} are not installed"
    partial = target.with_suffix(".partial").absolute()  # the compiler runs in another folder
    command = [*compiler, *linking[1:], *EXACT, f'-DSOURCES="{_digest(folder)}"', f"-I{include}"]
    command += [*sorted(path.name for path in folder.glob("*.c")), "-lm", "-o", str(partial)]
    try:
        target.unlink(missing_ok=True)
        reason = _failure(command, folder)
        if reason is None:
            partial.replace(target)
    except OSError as error:
        return f"{error.filename or compiler[0]}: {error.strerror}"
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return reason


def _digest(folder: Path) -> str:
    """Return what dcsim/kernel.py knows sources by."""
    texts = [path.read_bytes() for path in sorted(folder.glob("*.[ch]"))]
    return hashlib.sha256(b"".join(texts)).hexdigest()


def _failure(command: list[str], folder: Path) -> str | None:
    """Run a compiler; return None, or in words how it failed."""
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # it starts processes of its own, which are to end with it
    ) as process:
        try:
            said = process.communicate(timeout=PATIENCE_S)[1].strip().splitlines()
        except BaseException as ending:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(ending, subprocess.TimeoutExpired):
                return f"{command[0]} was not done after {PATIENCE_S} s"
            raise
    if process.returncode == 0:
        return None
    errors = [line for line in said if "error" in line] or said
    return ": ".join([f"{command[0]} failed", *errors[:1]])
