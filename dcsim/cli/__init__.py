"""The command line. `main` is what ``dcsim`` and ``python -m dcsim`` run.

Modules here import what a command needs inside its function: `dcsim validate` is to cost little
more than reading a file.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import typer

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it."""

_GARBAGE: Final = 200_000
"""Objects between two searches for garbage: most stay, but a study of many runs drops cycles."""

_HOMES: Final = {
    **dict.fromkeys(("validate", "show", "schema", "list", "init"), "asking"),
    "import": "imports",
    "run": "running",
    "compare": "comparing",
    "sweep": "sweeping",
    "plan": "planning",
    "rerun": "running",
    "verify": "verifying",
    **dict.fromkeys(("report", "explain"), "looking"),
}  # command -> module, in the order of help

__all__ = ["application", "main"]


def application(command: str | None = None) -> typer.Typer:
    """Return the application, with all its commands or those of one command's module."""
    homes = [_HOMES[command]] if command in _HOMES else list(dict.fromkeys(_HOMES.values()))
    for home in homes:
        import_module(f"dcsim.cli.{home}")  # its commands join the application
    from dcsim.cli.app import app

    order = list(_HOMES)
    app.registered_commands.sort(key=lambda each: order.index(str(each.name)))
    return app


def main() -> None:
    """Run the command line of this process and exit."""
    # Looking for plugins of pydantic reads the metadata of every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "true")
    gc.set_threshold(_GARBAGE)
    try:
        application(*sys.argv[1:2])(prog_name="dcsim")
    except (KeyboardInterrupt, SystemExit) as ending:
        code = ending.code if isinstance(ending, SystemExit) else INTERRUPTED
        if code == INTERRUPTED:
            sys.stderr.write("interrupted\n")
        sys.exit(code)
    finally:
        gc.freeze()  # Python would search all of them twice more as it ends
