"""What the README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

MEASURED = '{"config": {"name": "mine", "ram_mib": 512, "bw_mibps": 100}}'
MEMINFO = "MemTotal: 8009912 kB\nMemFree: 538760 kB\nBuffers: 157048 kB\nCached: 4893932 kB\n"


def blocks(root: Path, language: str) -> list[str]:
    """The README's pieces of code in a language."""
    text = (root / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_python_example_runs(root: Path, tmp_path: Path) -> None:
    """Five lines compare two policies and write a report."""
    (code,) = blocks(root, "python")
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert "balloon-held" in run.stdout
    assert (tmp_path / "report.html").stat().st_size > 1_000_000


def test_the_shell_example_runs(root: Path, tmp_path: Path) -> None:
    """Each command of the walk through the shell does what its comment says."""
    (tmp_path / "host1").mkdir()
    (tmp_path / "host1" / "proc-meminfo").write_text(MEMINFO)
    (tmp_path / "measured.jsonl").write_text(MEASURED)
    commands = [line for block in blocks(root, "sh") for line in block.splitlines()]
    ours = [line for line in commands if line.startswith("dcsim ")]
    assert len(ours) >= 5
    for line in ours:
        command = line.replace("dcsim", f"{sys.executable} -m dcsim", 1)
        run = subprocess.run(
            command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert run.returncode == 0, f"{line}\n{run.stderr}"
    assert (tmp_path / "study" / "report.html").exists()


def test_the_scenario_is_legal(root: Path, tmp_path: Path) -> None:
    """The scenario that the README shows loads."""
    import dcsim

    (text,) = blocks(root, "yaml")
    (tmp_path / "shown.yaml").write_text(text)
    assert dcsim.load(tmp_path / "shown.yaml").name == "rack-drain"


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(root: Path, page: str) -> None:
    """Every relative link of a page names a file."""
    text = (root / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (root / target).exists(), target
