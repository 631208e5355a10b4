"""What a stored run was made by: the version of dcsim, and a digest of the source that decides."""

from __future__ import annotations

import functools
import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Final

_DECIDES: Final = ("control", "model", "records", "scenario", "simulation")
"""Packages whose source decides what a scenario comes to; single modules do too."""


@functools.cache
def code() -> str:
    """Return what runs are known to be alike by: version and source.

    A change of the source, were it of a comment, makes stored runs old: better that than a figure
    that nobody can get again.

    Examples
    --------
    >>> code().count("+")
    1
    """
    package = Path(__file__).parents[1]
    files = [
        *package.glob("*.py"),
        *(f for part in _DECIDES for f in (package / part).rglob("*.py")),
    ]
    found = hashlib.sha256()
    for file in sorted(files):
        found.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return f"{version('dcsim')}+{found.hexdigest()[:12]}"
