"""Workers of a Dask cluster that is there already, as an executor.

Nothing is started here: a scheduler and workers run somewhere, and `dask_executor` goes to them.
Before any work it makes sure that they are of this dcsim, and see the directory that results go to.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from dcsim import kernel
from dcsim.errors import DcsimError
from dcsim.records.result import versions
from dcsim.study.sweeps.code import code

_SHOWN: Final = 3
"""How many workers a message names."""
_SCHEDULER: Final = "the scheduler"


@contextmanager
def dask_executor(
    address: str,
    *,
    directory: str | os.PathLike[str] | None = None,
    tell: Callable[[str], object] | None = None,
    patience: float = 15.0,
) -> Iterator[Executor]:
    """Provide the workers of a Dask cluster as an executor; on leaving, what waits is cancelled.

    What a worker is doing then, it does to its end: Dask interrupts nothing. Certificates of a
    scheduler at ``tls://`` come from Dask's own configuration.

    Parameters
    ----------
    address
        Of the scheduler, such as "tcp://scheduler:8786", or its scheduler file.
    directory
        Where results go: all workers have to see it, and to write there.
    tell
        Is given a sentence for each difference of workers to this process that is no fault.
    patience
        Seconds to wait for an answer of the scheduler, and then for a worker.

    Raises
    ------
    DcsimError
        If Dask is not installed, nobody answers, no worker is there, one is of another dcsim or
        Python, or does not see the directory.
    """
    with _connected(address, patience) as client:
        executor: Executor = client.get_executor(pure=False)  # the same call twice is two runs
        sentences = check_versions(executor)
        if max(client.nthreads().values(), default=1) > 1:
            sentences.append("workers have several threads, of which one computes: --nthreads 1")
        for sentence in sentences:
            if tell is not None:
                tell(sentence)
        if directory is not None:
            check_directory(executor, directory)
        yield executor


def workers(executor: Executor) -> int:
    """Return how many tasks an executor does at once: threads of Dask's workers, or processes.

    Workers of a Dask cluster come and go: ask again while a study runs. Not from a callback of a
    future, which runs where the answer would be received.

    Raises
    ------
    DcsimError
        If the scheduler of a Dask cluster is gone.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> workers(ThreadPoolExecutor(max_workers=3))
    3
    """
    client = _client_of(executor)
    if client is None:
        return int(getattr(executor, "_max_workers", None) or os.cpu_count() or 1)
    try:
        return sum(client.nthreads().values())
    except (AttributeError, OSError, RuntimeError, ValueError) as error:  # it is closed, or closing
        message = "the Dask scheduler is gone: look at its log, and start the study again"
        raise DcsimError(message) from error


def check_versions(executor: Executor) -> list[str]:
    """Make sure that the workers of a Dask cluster, and its scheduler, run what runs here.

    Parameters
    ----------
    executor
        Any other than Dask's has nothing to check.

    Returns
    -------
    list of str
        A sentence for each difference that is no fault: with another C library or CPU, results
        may differ in their last bits.

    Raises
    ------
    DcsimError
        If one has no dcsim, another dcsim, or another minor version of Python.
    """
    client = _client_of(executor)
    if client is None:
        return []
    here, found = _here(), _ask(client, _here)
    try:  # it unpickles all that is sent through it
        found[_SCHEDULER] = client.run_on_scheduler(_here)
    except Exception as error:  # whatever keeps dcsim from being loaded there
        found[_SCHEDULER] = error
    groups: dict[tuple[str, str], list[str]] = {}
    for where, there in found.items():
        if isinstance(there, Exception):
            groups.setdefault(("", str(there)), []).append(where)
            continue
        for what, mine in here.items():
            if (theirs := there.get(what, "unknown")) != mine:
                groups.setdefault((what, theirs), []).append(where)
    wrong, others = [], []
    for (what, theirs), places in groups.items():
        if not what:
            wrong.append(f"{_named(places)} cannot load it: {theirs}")
            continue
        sentence = f"{what}: {theirs} on {_named(places)}; {here[what]} here"
        if what == "dcsim" or (what == "python" and _minor(theirs) != _minor(here[what])):
            wrong.append(sentence)
        elif places != [_SCHEDULER]:  # which runs nothing
            others.append(sentence)
    if wrong:
        message = (
            f"this Dask cluster is not for this dcsim: {'; '.join(wrong)}. "
            "Install the same dcsim there, for the same Python, and start it again"
        )
        raise DcsimError(message)
    return others


def check_directory(executor: Executor, directory: str | os.PathLike[str]) -> None:
    """Make sure that the workers of a Dask cluster see a directory, and can write there.

    A file is written here and read there, one a worker is written there and read here. All are
    removed.

    Parameters
    ----------
    executor
        Any other than Dask's has nothing to check.
    directory
        Made where it does not exist.

    Raises
    ------
    DcsimError
        If a worker does not see it, or cannot write there.
    """
    client = _client_of(executor)
    if client is None:
        return
    folder = Path(directory).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f".dcsim-{secrets.token_hex(8)}"
    groups: dict[str, list[str]] = {}
    try:
        mark.write_text(mark.name, encoding="utf-8")
        for worker, answer in _ask(client, _answer, str(mark)).items():
            name, why = answer if isinstance(answer, tuple) else ("", str(answer))
            if name and not (folder / name).is_file():
                why = "what it writes is not seen here"
            if why:
                groups.setdefault(why, []).append(worker)
            if name:  # which a listing of the directory may not show yet
                (folder / name).unlink(missing_ok=True)
    finally:
        mark.unlink(missing_ok=True)
    if groups:
        said = "; ".join(f"{_named(places)}: {why}" for why, places in groups.items())
        message = (
            f"not all workers share the directory {folder}: {said}; "
            "choose one on storage that all of them mount at the same path, and may write to"
        )
        raise DcsimError(message)


# --------------------------------------------------------------------------- the client


@contextmanager
def _connected(address: str, patience: float) -> Iterator[Any]:
    """Provide a client of a scheduler that has a worker."""
    try:
        from distributed import Client
    except ImportError:
        message = "Dask is not installed here: pip install 'dcsim[distributed]'"
        raise DcsimError(message) from None
    place = _place(address)
    connect: Any = Client  # untyped
    try:
        client = connect(place, timeout=patience, set_as_default=False)
    except OSError as error:
        message = (
            f"no Dask scheduler answers at {place}: {error}; check that it runs, that this "
            "machine reaches its port, that both speak tcp:// or both tls://, and that their "
            "certificates fit"
        )
        raise DcsimError(message) from error
    try:
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError:
            message = (
                f"the Dask scheduler at {place} has no workers after {patience:g} s: start some, "
                "as with dask worker ADDRESS --nthreads 1 (an adaptive cluster needs minimum=1)"
            )
            raise DcsimError(message) from None
        yield client
    finally:
        _close(client)


def _close(client: Any) -> None:
    """Close a client; one whose scheduler is gone would log that it asks no more."""
    if client.status == "running":
        client.close()
        return
    logging.disable()
    try:
        with suppress(TimeoutError):
            client.close()
    finally:
        logging.disable(logging.NOTSET)


def _place(address: str) -> str:
    """Return the address that is meant, once it can be one: a client that failed may block others.

    Raises
    ------
    DcsimError
        If it is no address and no scheduler file, or nothing says which certificates to use.
    """
    from distributed.comm.addressing import get_address_host_port
    from distributed.security import Security

    place = address
    try:
        if "://" not in address and Path(address).is_file():
            place = str(json.loads(Path(address).read_text(encoding="utf-8"))["address"])
        get_address_host_port(place)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (
            f"{address!r} is no address of a Dask scheduler, such as tcp://scheduler:8786 or "
            f"tls://scheduler:8786, and no scheduler file: {error}"
        )
        raise DcsimError(message) from error
    security: Any = Security
    if place.startswith("tls://") and not security().get_connection_args("client")["ssl_context"]:
        message = (
            f"{place} needs certificates: name them in Dask's configuration "
            "(distributed.comm.tls: ca-file, client.cert, client.key)"
        )
        raise DcsimError(message)
    return place


def _client_of(executor: Executor) -> Any:
    """Return the client behind an executor; None where it is not Dask's."""
    module = sys.modules.get("distributed.cfexecutor")
    is_dasks = module is not None and isinstance(executor, module.ClientExecutor)
    return executor._client if is_dasks else None  # type: ignore[attr-defined]


def _ask(client: Any, question: Callable[..., object], *values: str) -> dict[str, Any]:
    """Ask every worker; what it raised is its answer, and one that left has none."""
    answers: Mapping[str, Any] = client.run(question, *values, on_error="return")
    return {worker: said for worker, said in answers.items() if not isinstance(said, OSError)}


def _named(places: list[str]) -> str:
    more = len(places) - _SHOWN
    return ", ".join(sorted(places)[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _minor(python: str) -> str:
    """Return which Python it is, but for the last number of its version."""
    return python.rpartition(".")[0]


# --------------------------------------------------------------------------- what workers do


def _here() -> dict[str, str]:
    """Return what runs in this process."""
    return {**versions(), "dcsim": code(), "compiled kernel": kernel.status()}


def _answer(mark: str) -> tuple[str, str]:
    """Read a file and write another beside it; return its name, and what went wrong."""
    path = Path(mark)
    answer = path.with_name(f"{path.name}-{secrets.token_hex(8)}")
    try:
        answer.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        return "", str(error)
    return answer.name, ""
