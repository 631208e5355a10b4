"""Groups of guests made ready: sizes in pages, what is equal made once, what is random drawn."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, count, repeat
from typing import Any, Final, Literal, NamedTuple

from dcsim.model.activity import Activity
from dcsim.model.diskcopy import LocalDisk
from dcsim.model.hinting import Policy
from dcsim.model.hugepages import Settings as HugePageSettings
from dcsim.model.makeup import Makeup, makeup_of
from dcsim.model.profile import Profile
from dcsim.model.terms import Circle, Terms
from dcsim.model.touch import TouchClass, classes_of
from dcsim.rng import Streams
from dcsim.scenario import spec
from dcsim.scenario.columns import Own, alike, owns
from dcsim.scenario.distribution import Distribution
from dcsim.scenario.workload import Shares
from dcsim.simulation.plain import distribution_of, limit, plain
from dcsim.units import PAGE


class GuestPlan(NamedTuple):
    """One guest: its name, what it does, what it is made of, where and when it starts.

    Its demands are those of its activities, in pages a second. One that arrives has no host yet;
    one that never leaves does so at infinity.
    """

    name: str
    profile: Profile
    vcpus: float
    demands: tuple[float, ...]
    makeup: Makeup
    host: int
    start_s: float
    levels: tuple[tuple[float, float], ...]
    terms: Terms | None
    arrives_s: float = 0.0
    leaves_s: float = math.inf


NOWHERE: Final = -1
"""The host of who has not arrived."""

Classes = dict[tuple[float, str, float, float, float], tuple[TouchClass, ...]]


class Group:
    """A group of guests: its sizes become pages, and what is equal is made once.

    Parameters
    ----------
    group
        The group.
    policy
        Its hinting policy.
    migratable
        How its guests move.
    candidates
        The hosts that its pattern names.
    classes
        Classes of pages that were made already.
    """

    def __init__(
        self,
        group: spec.GuestGroup,
        policy: Policy,
        migratable: Literal["live", "cold", "no"],
        candidates: list[int],
        classes: Classes,
    ) -> None:
        self.group = group
        self.candidates = candidates
        self._classes = classes
        self._profile = Profile(
            group=group.group,
            workload=group.workload.name,
            activities=tuple(_activities(group.workload.activities)),
            policy=policy,
            migratable=migratable,
            because=group.because or "",
            local_disk=plain(LocalDisk, group.local_disk),
            huge_pages=plain(HugePageSettings, group.huge_pages),
        )
        self._makeups: dict[tuple[Any, ...], list[Makeup]] = {}
        self._asked: dict[Terms, Terms] = {}

    @property
    def drawn(self) -> bool:
        """Whether anything of its guests is random."""
        group = self.group
        chances = (len(group.makeups) > 1, group.arrive > 0, group.workload.load.noise > 0)
        comes_and_goes = group.arrivals is not None or group.stay is not None
        return group.place.by == "random" or any(chances) or comes_and_goes

    @functools.cached_property
    def terms(self) -> Sequence[Terms | None]:
        """What each guest that stands there from the start asks of its host beside room."""
        return tuple(map(self._terms, range(self.group.count)))

    def _terms(self, n: int) -> Terms | None:
        """Return what a guest asks of its host; those of the same sets share it."""
        group = self.group
        if not any((group.requires, group.cpu_flags, group.apart, group.together)):
            return None

        def circle(sets: spec.Sets | None, *, apart: bool) -> Circle | None:
            if sets is None:
                return None
            return Circle(group.group, n // sets.of if sets.of else 0, sets.by, apart)

        terms = Terms(
            tuple(sorted((group.requires or {}).items())),
            tuple(dict.fromkeys(group.cpu_flags or [])),
            circle(group.apart, apart=True),
            circle(group.together, apart=False),
        )
        return self._asked.setdefault(terms, terms)

    def guests(self, hosts: list[int], streams: Streams, horizon_s: float) -> Iterator[GuestPlan]:
        """Yield the guests, given where they stand; then those that arrive, as they come."""
        group, load = self.group, self.group.workload.load
        stays = _durations(group.stay, streams, "stay", group.group)
        columns = (group.guest_names, owns(group), hosts, self.terms, repeat(0.0))
        standing = zip(*columns, strict=False)
        levels = tuple((time, level) for time, level in load.points if time < horizon_s)
        drawn, start = 0, 0.0
        rates: tuple[Any, ...] | None = None
        demands: tuple[float, ...] = ()
        for name, own, host, terms, at in chain(standing, self._arriving(streams, horizon_s)):
            if own.rates is not rates:
                rates = own.rates
                demands = tuple([math.inf if rate == "max" else rate / PAGE for rate in rates])
            makeups = self._makeups_of(own, demands)
            if len(makeups) > 1:
                drawn = int(streams.stream("guest", name, "makeup").integers(len(makeups)))
            if group.arrive > 0 and host != NOWHERE:
                start = float(streams.stream("guest", name, "arrival").uniform(0, group.arrive))
            leaves_s = at + next(stays)
            if load.noise > 0:
                levels = _noisy_levels(load, name, streams, at, min(leaves_s, horizon_s))
            yield GuestPlan(
                name,
                self._profile,
                own.vcpus,
                demands,
                makeups[drawn],
                host,
                start if host != NOWHERE else 0.0,
                levels,
                terms,
                at,
                leaves_s if leaves_s < horizon_s else math.inf,
            )

    def expected(self, horizon_s: float) -> float:
        """Return how many guests arrive, about."""
        arrivals = self.group.arrivals
        if arrivals is None:
            return 0.0
        mean_s = distribution_of(arrivals.every).mean_s
        for_s = min(horizon_s, limit(arrivals.until)) - arrivals.start
        return min(for_s / mean_s if mean_s > 0 else math.inf, limit(arrivals.most))

    def _arriving(
        self, streams: Streams, horizon_s: float
    ) -> Iterator[tuple[str, Own, int, Terms | None, float]]:
        """Yield the name of each guest that arrives, what it has and asks, and when it comes."""
        group, arrivals = self.group, self.group.arrivals
        if arrivals is None:
            return
        own, at = alike(group), arrivals.start
        until_s = min(horizon_s, limit(arrivals.until))
        most = range(arrivals.most) if arrivals.most is not None else count()
        gaps = _durations(arrivals.every, streams, "arrivals", group.group)
        for number, gap in zip(most, gaps, strict=False):
            at += gap
            if at >= until_s:
                return
            n = group.count + number
            yield f"{group.group}-{n}", own, NOWHERE, self._terms(n), at

    def _makeups_of(self, own: Own, demands: tuple[float, ...]) -> list[Makeup]:
        """Return what a guest's memory may hold at first; its readers' demands fill its cache."""
        key: tuple[Any, ...] = (own.memory, own.shares, own.sets)
        if self._profile.reads:
            pairs = zip(self._profile.activities, demands, strict=True)
            key += tuple([demand for activity, demand in pairs if activity.do == "read"])
        if key not in self._makeups:
            samples = [sample.shares for sample in self.group.makeups] or [own.shares]
            self._makeups[key] = [self._makeup(own, sample, demands) for sample in samples]
        return self._makeups[key]

    def _makeup(self, own: Own, sample: Shares, demands: tuple[float, ...]) -> Makeup:
        """Return what memory is made of, in pages, and what of it is written and read."""
        work, pages = self.group.workload, own.memory / PAGE
        writers, readers = [], []
        for item, extent, demand in zip(work.activities, own.sets, demands, strict=True):
            if item.do == "write":
                writers.append((self._touched(extent, item.pattern, pages), item.to))
            elif item.do == "read":
                speed = item.workers / item.work if demand == math.inf else demand
                touched = self._touched(extent, item.pattern, pages)
                readers.append((touched, item.read_ahead, speed))
        return makeup_of(
            pages=pages,
            **{name: share * pages for name, share in sample._asdict().items()},
            writers=writers,
            readers=readers,
            allocators=len([a for a in self._profile.activities if a.do == "allocate"]),
            min_free=work.min_free * pages,
            hintable=work.hintable,
            hintable_zero=work.hintable if work.hintable_zero is None else work.hintable_zero,
            replacement=work.replacement,
            kernel_high=work.kernel_high * pages,
            order=work.order,
            init_on_alloc=work.init_on_alloc,
        )

    def _touched(
        self, extent: float, pattern: spec.Pattern, pages: float
    ) -> tuple[TouchClass, ...]:
        """Return the classes of a pattern over an extent of so many pages."""
        size = extent * pages if extent <= 1 else extent / PAGE
        key = (size, pattern.kind, pattern.hot_share, pattern.hot_rate, pattern.alpha)
        if key not in self._classes:
            self._classes[key] = classes_of(
                pages=size,
                kind=pattern.kind,
                hot_share=pattern.hot_share,
                hot_rate=pattern.hot_rate,
                alpha=pattern.alpha,
            )
        return self._classes[key]


def _activities(items: list[spec.Activity]) -> Iterator[Activity]:
    count: Counter[str] = Counter()
    for item in items:
        yield Activity(
            do=item.do,
            work_s=item.work,
            workers=item.workers,
            weight=item.weight,
            index=count["allocate" if item.do == "send" else item.do],
            to=item.to,
            lifetime_s=item.lifetime,
            peer=item.peer,
        )
        count[item.do] += 1


def _durations(asked: Distribution | None, streams: Streams, *name: str | int) -> Iterator[float]:
    """Return durations without end, drawn if there is anything to draw; infinite if unset."""
    return repeat(math.inf) if asked is None else distribution_of(asked).draws(streams, *name)


def _noisy_levels(
    load: spec.Load, name: str, streams: Streams, from_s: float, to_s: float
) -> tuple[tuple[float, float], ...]:
    """Return the steps of a guest's load while it is there, its noise drawn."""
    points = [(time, level) for time, level in load.points if time < to_s]
    most = max(0, math.ceil((to_s - from_s) / load.every))
    draws = streams.stream("guest", name, "load").normal(size=most)
    steps = []
    level, ahead = 1.0, 0
    steps_s = {from_s + n * load.every for n in range(most)}
    times = sorted(steps_s | {time for time, _ in points if time >= from_s})
    for time in times:
        while ahead < len(points) and points[ahead][0] <= time:
            level = points[ahead][1]
            ahead += 1
        draw = float(draws[min(int((time - from_s) / load.every + 1e-9), most - 1)])
        steps.append((time, level * math.exp(load.noise * draw - load.noise**2 / 2)))
    return tuple(steps)
