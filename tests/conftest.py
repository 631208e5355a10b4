"""What every test may use: reference material, a browser, and one set of Hypothesis settings."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from dcsim import kernel
from dcsim.scenario import placements

# The same examples on every run and machine; a loaded machine is no failure.
settings.register_profile("dcsim", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("dcsim")


if kernel.compiled is None:
    os.environ[kernel.SWITCH] = "python"  # it will do: no command need say so


def pytest_report_header() -> str:
    """Say what the tests run with."""
    return f"compiled kernel: {kernel.status()}"


@pytest.fixture(autouse=True)
def _no_added_placements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples in docstrings add placements: no test shall know them."""
    monkeypatch.setattr(placements, "_registered", {})


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared(root: Path) -> Path:
    """The folder of reference material beside the project; a user's machine has none."""
    folder = root.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the reference material at ../shared is absent")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium or Chrome to look at pages with."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium on this machine")
