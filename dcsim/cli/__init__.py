"""The command line. `main` is what ``dcsim`` and ``python -m dcsim`` run.

Modules here import what a command needs inside its function: `dcsim validate` is to cost little
more than reading a file.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import typer

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it."""

_ORDER: Final = (
    *("validate", "show", "schema", "list", "init"),
    *("run", "compare", "rerun", "verify", "report", "explain"),
)  # as help shows the commands, whichever module was imported first

__all__ = ["application", "main"]


def application() -> typer.Typer:
    """Return the application with all its commands."""
    from dcsim.cli import (  # noqa: F401  they join it
        asking,
        comparing,
        imports,
        looking,
        running,
        verifying,
    )
    from dcsim.cli.app import app

    app.registered_commands.sort(key=lambda command: _ORDER.index(str(command.name)))
    return app


def main() -> None:
    """Run the command line of this process and exit."""
    # Looking for plugins of pydantic reads the metadata of every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "true")
    try:
        application()(prog_name="dcsim")
    except (KeyboardInterrupt, SystemExit) as ending:
        code = ending.code if isinstance(ending, SystemExit) else INTERRUPTED
        if code == INTERRUPTED:
            sys.stderr.write("interrupted\n")
        sys.exit(code)
