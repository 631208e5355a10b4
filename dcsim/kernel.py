"""The compiled kernel, where there is one: inner loops in C, each with a reference in Python.

The two give the same numbers. ``DCSIM_KERNEL=python`` in the environment leaves the compiled one
out.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

SWITCH = "DCSIM_KERNEL"


def _compiled() -> ModuleType | None:
    if os.environ.get(SWITCH) == "python":
        return None
    try:
        return importlib.import_module("dcsim._kernel")
    except ImportError:
        return None


compiled = _compiled()
"""The module, or None where it was not built or is not wanted."""
