"""Compile the kernel when the package is built or installed, where there is a C compiler."""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

EXACT = ("-O2", "-fPIC", "-ffp-contract=off", "-fno-fast-math")
"""Flags under which doubles come out as they do in Python."""


class Kernel(BuildHookInterface):
    """Makes dcsim/_kernel out of kernel/*.c; without it everything runs in Python, slower."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; an editable install keeps the result in the checkout, a wheel takes it along."""
        name = f"_kernel{sysconfig.get_config_var('EXT_SUFFIX')}"
        target = Path(self.root) / "dcsim" / name
        reason = compile_kernel(Path(self.root) / "kernel", target)
        if reason is not None:
            self.app.display_warning(f"dcsim runs without its compiled kernel: {reason}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append(f"/dcsim/{name}")


def compile_kernel(folder: Path, target: Path) -> str | None:
    """Compile the kernel; return None, or in words why there is none."""
    target.unlink(missing_ok=True)
    link = shlex.split(os.environ.get("CC", "")) + ["-shared"]
    if not os.environ.get("CC"):
        link = shlex.split(sysconfig.get_config_var("LDSHARED") or "cc -shared")
    include = sysconfig.get_path("include")
    sources = sorted(map(str, folder.glob("*.c")))
    command = [*link, *EXACT, f"-I{include}", *sources, "-lm", "-o", str(target)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    if done.returncode:
        return next(iter(done.stderr.strip().splitlines()), f"{command[0]} failed")
    return None
