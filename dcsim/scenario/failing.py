"""Which hosts, links and guests failures name, and what is wrong where they name none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Final

from dcsim.errors import ScenarioError, did_you_mean
from dcsim.scenario.cluster import matching
from dcsim.scenario.distribution import Fixed
from dcsim.scenario.failure import (
    Abort,
    Failure,
    Fault,
    HostFailure,
    LinkFailure,
    StorageFailure,
)
from dcsim.scenario.topology import Network, build

if TYPE_CHECKING:
    from dcsim.scenario.document import DataPath
    from dcsim.scenario.spec import Scenario

MOST_TIMES: Final = 100_000
"""How often one failure may happen within the horizon, on average."""
_MOST_GUESSES: Final = 1000

Wrong = tuple["DataPath", str, str | None]
"""Where, what, and what may have been meant."""


def cables(pattern: str, network: Network) -> dict[str, tuple[int, ...]]:
    """Return the links whose name matches, by name, each with the way back; a cable is there once.

    Examples
    --------
    >>> import dcsim
    >>> network = build(dcsim.load("quick-start").topology)
    >>> list(cables("switch0->rack0/*", network))
    ['switch0->rack0/host0', 'switch0->rack0/host1']
    """
    places = {name: i for i, name in enumerate(network.link_names)}
    found: dict[str, tuple[int, ...]] = {}
    seen: set[int] = set()
    for name in matching(pattern, places):
        link = places[name]
        if link not in seen:
            # Both directions of a cable stand side by side; a disk stands alone.
            alone = network.tails[link] == network.heads[link]
            found[name] = (link,) if alone else (link, link ^ 1)
            seen.update(found[name])
    return found


def wrong_with(scenario: Scenario, hosts: Sequence[str]) -> Iterator[Wrong]:
    """Yield what is wrong with the failures of a scenario that is right otherwise."""
    failures = scenario.failures or []
    network = None
    if any(isinstance(failure, LinkFailure | StorageFailure) for failure in failures):
        try:
            network = build(scenario.topology)
        except ScenarioError:
            return  # whose own check says why
    known = dict.fromkeys(hosts)
    guests: dict[str, None] = {}
    if any(failure.when is not None or isinstance(failure, Abort) for failure in failures):
        guests = {name: None for group in scenario.guests for name in group.guest_names}
    for i, failure in enumerate(failures):
        path: DataPath = ("failures", i)
        found = _hit(failure, known, network, guests)
        if isinstance(found, int):
            yield from _too_often(failure, found, scenario.horizon, path)
        else:
            key, message, hint = found
            yield (*path, key), message, hint
        if failure.when is not None and failure.when.guest not in guests:
            message = f"there is no guest {failure.when.guest!r}"
            yield (*path, "when", "guest"), message, _guess(failure.when.guest, guests)


def _hit(
    failure: Failure,
    hosts: Mapping[str, None],
    network: Network | None,
    guests: Mapping[str, None],
) -> int | tuple[str, str, str | None]:
    """Return how many things a failure is of; or the key that names none, and in words why."""
    if isinstance(failure, HostFailure):
        if failure.when is not None and failure.host in ("source", "destination"):
            return 1
        count = len(matching(failure.host, hosts))
        return count or ("host", f"there is no host {failure.host!r}", _guess(failure.host, hosts))
    if isinstance(failure, LinkFailure):
        assert network is not None
        names = dict.fromkeys(network.link_names)
        count = len(cables(failure.link, network))
        return count or ("link", f"there is no link {failure.link!r}", _guess(failure.link, names))
    if isinstance(failure, StorageFailure):
        assert network is not None
        if network.disk is None:
            return "storage", "the topology has no storage", "add a node of 'kind: storage'"
    if isinstance(failure, Abort) and not any(fnmatchcase(name, failure.abort) for name in guests):
        return "abort", f"there is no guest {failure.abort!r}", _guess(failure.abort, guests)
    return 1


def _too_often(failure: Fault, count: int, horizon_s: float, path: DataPath) -> Iterator[Wrong]:
    if failure.every is None:
        return
    mean_s = failure.every.mean_s
    if mean_s <= 0:
        yield (*path, "every"), "must take some time: it would happen without end", None
    elif min(horizon_s / mean_s, failure.times or MOST_TIMES + 1) * count > MOST_TIMES:
        message = f"would happen more than {MOST_TIMES:,} times until the horizon"
        yield (*path, "every"), message, "set times, or let it happen less often"


def chances(failures: Sequence[Failure]) -> Iterator[str]:
    """Yield what is random about failures, in words."""
    for key, what in (
        ("every", "times of failures"),
        ("lasts", "how long failures last"),
        ("returns_after", "when hosts are back"),
    ):
        drawn = [
            failure
            for failure in failures
            if not isinstance(getattr(failure, key, None), Fixed | None)
        ]
        if drawn:
            names = list(dict.fromkeys(_name(failure) for failure in drawn))
            others = f" and {len(names) - 3} more" if len(names) > 3 else ""
            yield f"{what}: {', '.join(names[:3])}{others}"


def _name(failure: Failure) -> str:
    """Return what a failure is of, as it is written."""
    if isinstance(failure, HostFailure):
        return failure.host
    if isinstance(failure, LinkFailure):
        return failure.link
    if isinstance(failure, Abort):
        return failure.abort
    return "the storage" if isinstance(failure, StorageFailure) else "the management plane"


def _guess(word: str, names: Mapping[str, None]) -> str | None:
    close = did_you_mean(word, islice(names, _MOST_GUESSES))
    return f"did you mean '{close}'?" if close else None
