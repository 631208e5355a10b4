"""The compiled kernel, where there is one: inner loops in C, each with a reference in Python.

The two give the same numbers, bit for bit: the same operations on doubles in the same order.
``DCSIM_KERNEL=python`` in the environment leaves the compiled one out.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import TypeVar

SWITCH = "DCSIM_KERNEL"
_PACKAGE = Path(__file__).parent
_NOTE = _PACKAGE / "_kernel.txt"  # left by hatch_build.py: why there is none

Twin = TypeVar("Twin")


def _left_out() -> bool:
    return os.environ.get(SWITCH) == "python"


def _load() -> tuple[ModuleType | None, str]:
    """Return the compiled module, or None and why."""
    if _left_out():
        return None, f"{SWITCH}=python leaves it out"
    try:
        module = importlib.import_module("dcsim._kernel")
    except ModuleNotFoundError:
        why = _NOTE.read_text(encoding="utf-8").strip() if _NOTE.exists() else ""
        return None, why or "it was not built for this Python"
    except ImportError as error:
        return None, f"it cannot be loaded: {error}"
    if not _is_current(module):
        return None, "it was compiled from other sources than those beside it"
    return module, ""


def _is_current(module: ModuleType) -> bool:
    """Whether a checkout has the sources a module was compiled from; a wheel has none to differ."""
    folder = _PACKAGE.parent / "kernel"
    if not (folder / "kernel.h").exists():
        return True
    texts = [path.read_bytes() for path in sorted(folder.glob("*.[ch]"))]
    return getattr(module, "sources", None) == hashlib.sha256(b"".join(texts)).hexdigest()


compiled, missing = _load()
"""The module, or None where it was not built, does not fit or is not wanted; and why."""


def status() -> str:
    """Return in words whether the compiled kernel is in use."""
    return f"not used, {missing}" if missing else "in use"


def notice() -> str | None:
    """Return what to tell a user whose simulations are slow without being asked to be."""
    if compiled or _left_out():
        return None
    return (
        f"dcsim runs without its compiled kernel (slower, same results), because {missing}. "
        f"Install dcsim again to build it, or set {SWITCH}=python to run without it."
    )


def twin(reference: Twin) -> Twin:
    """Return what stands for a function or a class: its compiled twin, or itself if there is none.

    Decorates the reference; the twin has the same name in the compiled module.
    """
    name: str = reference.__name__  # type: ignore[attr-defined]
    return getattr(compiled, name, reference)
