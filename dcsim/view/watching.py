"""Studies in notebooks: a bar that says how far one is, and a button that ends it.

The public `dcsim.sweep` and `dcsim.compare` are those of `dcsim.study` with such a bar, where they
run in a notebook and nobody else watches. Elsewhere nothing is shown.
"""

from __future__ import annotations

import functools
import html
import math
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar

from dcsim.study.comparisons import compare as _compare
from dcsim.study.designs.design import Design
from dcsim.study.sweeps import sweep as _sweep
from dcsim.study.sweeps.background import Running, State
from dcsim.study.sweeps.progress import SweepProgress
from dcsim.units import format_duration, format_many
from dcsim.view.style import FONT

P = ParamSpec("P")
T = TypeVar("T")

_EVERY_S: Final = 0.2
"""A bar is drawn anew so often at most."""
_RAN, _FAILED = "#0072b2", "#d55e00"  # seen on white and on black
_LONGEST: Final = 400
"""Characters of an error that are shown."""
_NOTHING: Final = SweepProgress("runs", 0, 0, 0, math.nan, math.nan)


def in_notebook() -> bool:
    """Whether this is a notebook: a process that has a kernel of IPython."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None) is not None


# --------------------------------------------------------------------------- the bar


class Bar:
    """How far a study is, shown under the cell that runs it.

    Parameters
    ----------
    store
        Where its runs are recorded; None where they go with the interpreter.

    Attributes
    ----------
    note
        What else is said while it runs.
    """

    def __init__(self, *, store: str | os.PathLike[str] | None = None) -> None:
        self.at = _NOTHING
        self.state: State = "running"
        self.error = ""
        self.note = ""
        self._store = None if store is None else str(Path(store))
        self._handle: Any = None
        self._began_s = time.monotonic()
        self._drawn_s = -math.inf

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, KeyboardInterrupt):
            self.end("cancelled" if error or self.at.left else "done")
        else:
            self.end("failed", error)

    def show(self, at: SweepProgress | int, total: int = 0) -> None:
        """Show how far it is, some times a second; or how many runs are done, and of how many."""
        now_s = time.monotonic()
        if not isinstance(at, SweepProgress):
            rate = at / max(now_s - self._began_s, 1e-9) if at else math.nan
            at = SweepProgress("runs", total, at, 0, rate, (total - at) / rate)
        self.at = at
        if now_s - self._drawn_s >= _EVERY_S:
            self.draw()

    def end(self, state: State, error: BaseException | None = None) -> None:
        """Show what came of it."""
        self.state = state
        if error is not None:
            self.error = f"{type(error).__name__}: {error}"
        self.draw()

    def draw(self) -> None:
        """Show it now."""
        self._drawn_s = time.monotonic()
        shown = {"text/html": self.html(), "text/plain": self.words()}
        if self._handle is None:
            self._handle = _display(shown, raw=True)
        else:
            self._handle.update(shown, raw=True)

    def words(self) -> str:
        """Return what it says."""
        at = self.at
        done = f"{at.done:,} of {format_many(at.total, at.stage[:-1])}"
        failed = f"{at.failed:,} failed" if at.failed else ""
        if self.state == "running":
            rate = "" if math.isnan(at.runs_per_s) else f"{at.runs_per_s:,.3g} runs/s"
            left = f"{format_duration(math.ceil(at.left_s), digits=2)} left" if rate else ""
            return _listed(done if at.total else "starting", failed, rate, left, self.note)
        if self.state == "ending":
            return _listed(done, failed, "the runs under way are being ended")
        took = f"in {format_duration(time.monotonic() - self._began_s, digits=3)}"
        if self.state == "done":
            return _listed(format_many(at.total, "run"), failed, took)
        if at.stage == "points":
            kept = "None was run."
        elif self._store is None:
            kept = "None is kept: dcsim.sweep with a store=... would go on from there."
        else:
            kept = f"Those are recorded in {self._store}: the same call goes on from there."
        why = self.error if len(self.error) <= _LONGEST else f"{self.error[:_LONGEST]}…"
        ended = _listed(f"{self.state.capitalize()} after {done}", failed, took)
        return f"{ended}. {kept} {why}".rstrip()

    def html(self) -> str:
        """Return it as HTML."""
        at = self.at
        ran, failed = (
            (n / at.total if at.total else 0.0) for n in (at.done - at.failed, at.failed)
        )
        parts = ((ran, _RAN), (failed, _FAILED))
        drawn = "".join(
            f'<div style="width:{share:.2%};min-width:2px;background:{colour}"></div>'
            for share, colour in parts
            if share
        )
        return (
            f'<div style="max-width:40em;font:13px {html.escape(FONT)}">'
            f'<div role="progressbar" aria-valuemin="0" aria-valuemax="100" '
            f'aria-valuenow="{100 * (ran + failed):.0f}" style="display:flex;height:8px;'
            'margin:6px 0;border-radius:4px;overflow:hidden;background:rgba(128,128,128,0.25)">'
            f"{drawn}</div>{html.escape(self.words())}</div>"
        )


def _listed(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _display(what: Any, *, raw: bool = False) -> Any:
    """Show something under the cell that runs; return what can show another thing in its place."""
    from IPython.display import display

    return display(what, raw=raw, display_id=True)  # type: ignore[no-untyped-call]


def watched(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that shows a bar in notebooks, unless it is given a ``progress``."""

    @functools.wraps(function)
    def watch(*args: P.args, **options: P.kwargs) -> T:
        if options.get("progress") is not None or not in_notebook():
            return function(*args, **options)
        with Bar(store=options.get("store")) as bar:  # type: ignore[arg-type]
            options["progress"] = bar.show
            return function(*args, **options)

    return watch


sweep = watched(_sweep.sweep)
compare = watched(_compare.compare)


# --------------------------------------------------------------------------- in the background


def start_sweep(
    design: Design,
    *,
    store: str | os.PathLike[str],
    executor: Executor | Callable[[], Executor] | None = None,
    workers: int | None = None,
    retry_failed: bool = False,
) -> Running:
    """Run in the background what of a study is not recorded in a store yet, and return at once.

    In a notebook a bar says how far it is. Where ipywidgets is installed (as with
    ``dcsim[notebook]``) a button ends it; while another cell runs, that takes a front end that
    sends clicks past it. When the interpreter ends it is cancelled.

    Parameters
    ----------
    design
        The study.
    store
        Directory for its runs; made where it is missing. The same study there goes on with what is
        left, in the background or not.
    executor
        What runs them, as `dcsim.sweep` takes it. Default: processes of its own, which go on when a
        cell is interrupted.
    workers
        How many runs it does at once; default: as the executor says, or the CPUs of this machine.
    retry_failed
        Run again what failed.

    Returns
    -------
    Running
        Its `sweep` is what is recorded so far, its `cancel()` ends it, its `result()` waits.

    Raises
    ------
    ResultError
        If the store is something else.
    """
    panel = _Panel(store) if in_notebook() else None
    running = Running(
        design,
        store=store,
        executor=executor,
        workers=workers,
        retry_failed=retry_failed,
        told=None if panel is None else panel.show,
    )
    if panel is not None:
        panel.open(running)
    running.start()
    return running


class _Panel:
    """The bar of a study in the background, and its button."""

    def __init__(self, store: str | os.PathLike[str]) -> None:
        self.bar = Bar(store=store)
        self._button: Any = None

    def open(self, running: Running) -> None:
        """Show both; without ipywidgets, say what ends it."""
        try:
            from ipywidgets import Button
        except ImportError:
            self.bar.note = "cancel() of what this cell returned ends it"
            self.bar.draw()
            return
        self.bar.draw()
        button = Button(description="Cancel", icon="stop", tooltip="What is done is recorded")
        self._button = _display(button)

        def cancel(_: Any) -> None:
            button.disabled = True
            running.cancel()

        button.on_click(cancel)

    def show(self, running: Running) -> None:
        """Show how far it is, or what came of it."""
        self.bar.state = running.state
        if running.done:
            self.bar.end(running.state, running.error)
            if self._button is not None:  # a notebook that is saved keeps no dead button
                self._button.update({"text/plain": ""}, raw=True)
        elif running.progress is not None:
            self.bar.show(running.progress)
