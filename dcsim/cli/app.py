"""The application that commands join: what they share, and how they end, with exit codes."""

from __future__ import annotations

import functools
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from dcsim import __version__
from dcsim.cli import INTERRUPTED
from dcsim.cli.console import complain, say
from dcsim.errors import DcsimError, ScenarioError

if TYPE_CHECKING:
    from dcsim.scenario.spec import Scenario

ERROR: Final = 1
USAGE: Final = 2
NOT_SO: Final = 3
SOME_FAILED: Final = 4
EXIT_CODES: Final = {
    0: "all is well",
    ERROR: "an error while running, or a result that was not reproduced",
    USAGE: "wrong usage, or an invalid scenario",
    NOT_SO: "what was asked for does not hold",
    SOME_FAILED: "some runs of a study failed; the others are there",
    INTERRUPTED: "interrupted with Ctrl-C",
}
"""What each exit code means."""

ASK, RUN, LOOK = "Asking", "Running", "Looking"
"""Groups of commands, as `dcsim --help` shows them."""


class _Grouped(TyperGroup):
    """Commands whose help lists them under their groups, each with its whole sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section a group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, each in self.commands.items():
            group = getattr(each, "rich_help_panel", None) or "Commands"
            groups.setdefault(group, []).append((name, each.get_short_help_str(limit=1000)))
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl(rows)


def commands(**options: Any) -> typer.Typer:
    """Return an application without commands; its help is plain text, which costs no imports."""
    return typer.Typer(cls=_Grouped, no_args_is_help=True, rich_markup_mode=None, **options)


def _listed(head: str, lines: Iterable[str]) -> str:
    """Return lines that help shows as they are, each by itself."""
    return "\n".join(["\b", head, *(f"  {line}" for line in lines)])


app = commands(
    name="dcsim",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_listed("Exit codes:", (f"{code}: {told}" for code, told in EXIT_CODES.items())),
)


def _version(wanted: bool) -> None:
    if wanted:
        from dcsim import kernel

        say(f"dcsim {__version__}")
        say(f"compiled kernel: {kernel.status()}")
        raise typer.Exit


@app.callback()
def _dcsim(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Print the version, whether the compiled kernel is in use, and exit.",
        ),
    ] = False,
) -> None:
    """What live migration costs a datacenter, by what guest memory is made of.

    Start with: dcsim list scenarios, then dcsim run quick-start.
    """


# --------------------------------------------------------------------------- shared options


def _shipped_scenarios(incomplete: str) -> list[str]:
    from dcsim.scenario import library

    return [name for name in library.names(kind="scenarios") if name.startswith(incomplete)]


Source = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A file (it holds a / or ends in .yaml), or the name of a shipped scenario.",
        autocompletion=_shipped_scenarios,
    ),
]
Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SCENARIO...",
        help="Files, or names of shipped scenarios.",
        autocompletion=_shipped_scenarios,
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change the scenario, e.g. hinting.reserve=1GiB; again for more.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NoProgress = Annotated[
    bool, typer.Option("--no-progress", help="Show no progress bar; there is none off a terminal.")
]
Seed = Annotated[int | None, typer.Option(metavar="N", min=0, help="Instead of the scenario's.")]
_Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def load(source: str, assignments: list[str] | None = None, seed: int | None = None) -> Scenario:
    """Return the scenario of a file or a name, with the changes of ``--set`` and ``--seed``."""
    from dcsim.scenario.files import load as load_file
    from dcsim.scenario.paths import parse_assignments

    changes = parse_assignments(assignments or ())
    if seed is not None:
        changes["seed"] = seed
    scenario = load_file(source)
    return scenario.replace(changes) if changes else scenario


# --------------------------------------------------------------------------- commands


def command(
    *, name: str, of: typer.Typer = app, panel: str | None = None, examples: tuple[str, ...] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command of a function: it gets ``--debug``, and its errors become exit codes."""

    def make(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def guarded(*, debug: bool, **options: Any) -> None:
            with _ending(debug=debug):
                function(**options)

        signature = inspect.signature(function, eval_str=True)
        debug = inspect.Parameter(
            "debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Debug
        )
        guarded.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*signature.parameters.values(), debug]
        )
        epilog = _listed("Examples:", examples) if examples else None
        of.command(name, epilog=epilog, rich_help_panel=panel)(guarded)
        return function

    return make


@contextmanager
def _ending(*, debug: bool) -> Iterator[None]:
    """Turn errors into messages and exit codes."""
    try:
        yield
        sys.stdout.flush()
    except (typer.Exit, typer.BadParameter, BrokenPipeError):  # typer knows what to do with these
        raise
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None  # `main` says so
    except Exception as error:
        if debug:
            traceback.print_exc()
        complain(_message(error))
        raise typer.Exit(USAGE if isinstance(error, ScenarioError) else ERROR) from None


def _message(error: Exception) -> str:
    if isinstance(error, ScenarioError):
        return str(error)
    if isinstance(error, DcsimError):
        return f"error: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"error: {error.filename or 'system'}: {error.strerror}"
    return (
        f"error: {type(error).__name__}: {error}\n"
        "This is a fault of dcsim, not of what you asked; with --debug it shows where."
    )
