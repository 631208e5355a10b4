"""Hinting policies at work: select, tell, return, at the hooks of a migration. Pages and seconds.

A policy is data; this module is the one interpreter of all of them. Its methods are the hooks, in
the order in which a migration comes by them. Those that take time are generators of the clock's
events.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import simpy

if TYPE_CHECKING:
    from dcsim.model.guest import Guest
    from dcsim.model.memory import Memory
    from dcsim.model.network import Flow

from dcsim.units import PAGE

DEFLATE_TIME = 0.56
"""Time of deflating in share of inflating: 123 against 219 us for 256 pages [A.2]."""
PARTS = 5
"""Parts in which cache is given up, so that what is read again meanwhile is seen."""
RACE_PARTS = 20
"""Most parts in which free blocks are told while the first pass runs, each at half of its time."""
RACE_PART_S = 0.05
"""Least time of such a part."""
FREE_BLOCK = 1024
"""Pages of a whole free block: 4 MiB, the buddy allocator's largest order [C.6]."""
PREFETCH_PARTS = 20
"""Parts after each of which the pages read at the destination are counted as cached."""
MAP_ENTRY_BYTES = 16.0
"""A page's entry in a disk map: two 8-byte numbers, page frame and block (assumption)."""

Tell = Literal["list", "hint", "report", "balloon", "drop", "map"]


class Adapt(NamedTuple):
    """The cost that a share of the cache is chosen by: bytes a lost second, seconds that count."""

    lost_second: float
    within: float


class Step(NamedTuple):
    """One step of a policy; the fields are those of `dcsim.scenario.spec.Step`."""

    select: tuple[str, ...]
    share: float
    limit: Literal["none", "mem-free", "mem-available"]
    reserve: float
    tell: Tell
    block_pages: int
    blocks_per_interaction: int
    per_interaction: float
    per_page: float
    per_block: float
    per_eviction: float
    returned: Literal["at-once", "migration-end", "destination", "on-use"]
    deflate_on_oom: bool
    adapt: Adapt | None

    def interactions(self, pages: float, *, whole: float = 0.0) -> int:
        """Return the exchanges of guest and host that telling so many pages takes.

        Parameters
        ----------
        pages
            All of them.
        whole
            Of them, those of whole free blocks, each told as one.
        """
        if pages <= 0:
            return 0
        if self.tell == "drop":
            return 1  # the guest's own doing
        return math.ceil(round(self._blocks(pages, whole) / self.blocks_per_interaction, 9))

    def duration_s(self, pages: float, *, whole: float = 0.0, evicted: float = 0.0) -> float:
        """Return how long telling so many pages takes, in seconds [A.2].

        Parameters
        ----------
        pages
            All of them.
        whole
            Of them, those of whole free blocks, each told as one.
        evicted
            Of them, cache that has to go first.
        """
        return (
            pages * self.per_page
            + self._blocks(pages, whole) * self.per_block
            + self.interactions(pages, whole=whole) * self.per_interaction
            + evicted * self.per_eviction
        )

    def _blocks(self, pages: float, whole: float) -> float:
        return (pages - whole) / self.block_pages + whole / max(self.block_pages, FREE_BLOCK)


class Policy(NamedTuple):
    """A hinting policy: data, no code."""

    name: str
    zero_pages: bool
    steps: tuple[Step, ...]

    def without_hints(self) -> Policy:
        """Return the policy without the steps that take pages out of a stream.

        With post-copy they are off [C.6]: a page that never comes could not be waited for.
        """
        steps = (step for step in self.steps if step.tell not in ("list", "hint", "map"))
        return self._replace(steps=tuple(steps))

    def with_share(self, step: Step, share: float) -> Policy:
        """Return the same policy with the share of a step that adapts decided."""
        decided = step._replace(share=share, adapt=None)
        return self._replace(steps=tuple(decided if s is step else s for s in self.steps))


def selected(step: Step, memory: Memory) -> tuple[float, float, float]:
    """Return a step's pages: free, clean cache, and cached pages that are being written."""
    free = memory.spare if "free" in step.select else 0.0
    clean = written = 0.0
    if "clean-cache" in step.select:
        clean, written = step.share * memory.cache.count, step.share * memory.written_cache
    elif "cold-cache" in step.select:
        clean = step.share * memory.cold
    if step.limit != "none":
        figure = memory.free if step.limit == "mem-free" else memory.available
        left = max(0.0, figure - step.reserve / PAGE)
        free = min(free, left)
        left -= free
        clean = min(clean, left)
        written = min(written, left - clean)
    return free, clean, written


def give_up(
    step: Step, memory: Memory, free: float, clean: float, written: float
) -> tuple[float, float]:
    """Let cache go, dropped by the guest or to make room for a balloon.

    Returns
    -------
    tuple of float
        Pages of cache that went, and pages for the balloon to take.
    """
    wanted = free + clean + written
    gone = memory.drop_written(written)
    # a balloon takes what is free before cache has to go for it
    gone += memory.evict(clean if free == 0 else max(0.0, wanted - memory.spare))
    return gone, min(wanted, memory.spare) if step.tell == "balloon" else 0.0


def listed(step: Step, memory: Memory) -> tuple[float, float, float]:
    """Return a list's or map's pages: free, of them in whole blocks, and cached."""
    free = whole = cached = 0.0
    if "free" in step.select:
        free, whole = memory.free, memory.free_zero.count + memory.free_stale.count
    if "clean-cache" in step.select:
        cached = step.share * memory.cache.count
    elif "cold-cache" in step.select:
        cached = step.share * memory.cold
    return free, whole, cached


def listing_s(steps: Sequence[Step], memory: Memory) -> float:
    """Return how long telling by list or map takes before the first page is sent."""
    total = 0.0
    for step in steps:
        if step.tell in ("list", "map"):
            free, whole, cached = listed(step, memory)
            total += step.duration_s(free + cached, whole=whole)
    return total


class Hints:
    """One policy at work in one migration of one guest.

    Attributes
    ----------
    interactions
        Exchanges of guest and host so far.
    ballooned, dropped, skipped, mapped
        Pages taken so far by each means.
    """

    __slots__ = (
        "_forgotten", "_prefetching", "_told", "ballooned", "dropped", "guest", "interactions",
        "mapped", "policy", "skipped",
    )  # fmt: skip

    def __init__(self, guest: Guest, policy: Policy) -> None:
        self.guest = guest
        self.policy = policy
        self.interactions = 0
        self.ballooned = self.dropped = self.skipped = self.mapped = 0.0
        self._prefetching: Flow | None = None
        self._told = False
        self._forgotten = 0.0

    def _steps(self, *tells: Tell) -> list[Step]:
        return [step for step in self.policy.steps if step.tell in tells]

    # ------------------------------------------------------------------ before the log starts

    def before_log(self, *, until_s: float = math.inf) -> Generator[simpy.Event]:
        """Inflate a balloon, drop cache: what has to be gone before the first page is sent.

        At `until_s` it stops where it is, and what it was about is left as it was. The guest is to
        be looked at then.
        """
        for step in self._steps("balloon", "drop"):
            self.guest.disturb()
            free, clean, written = self._select(step)
            if written > 0:
                self.guest.look()
                yield from self.guest.write_back()
            balloon = step.tell == "balloon"
            pages = (free if balloon else 0.0) + clean + written
            self.interactions += step.interactions(pages)
            duration = step.duration_s(pages, evicted=clean + written)
            parts = PARTS if duration > 0 else 1
            self._work(1)
            for _ in range(parts):
                self.guest.look()
                yield from self._pass(duration / parts, until_s=until_s)
                if self.guest.env.now >= until_s:
                    break
                self._take(step, free / parts, clean / parts, written / parts)
            self._work(-1)
            if self.guest.env.now >= until_s:
                return
            if balloon and step.returned == "at-once":
                yield from self._deflate(step)

    def _take(self, step: Step, free: float, clean: float, written: float) -> None:
        """Let a balloon take free pages and cache, or the guest drop the latter."""
        memory = self.guest.memory
        self.guest.pass_time()
        gone, pages = give_up(step, memory, free, clean, written)
        self.dropped += gone
        if step.tell == "balloon":
            self.ballooned += self.guest.inflate(pages, block_pages=step.block_pages)
            self.guest.balloon_gives_back = step.deflate_on_oom

    def _select(self, step: Step) -> tuple[float, float, float]:
        """Return a step's pages, as of now."""
        self.guest.pass_time()
        return selected(step, self.guest.memory)

    def _work(self, threads: float) -> None:
        """Begin (or, negative, end) to take one of the guest's CPUs; it is to be looked at then."""
        self.guest.pass_time()
        self.guest.policy_threads += threads

    def _pass(self, duration: float, *, until_s: float = math.inf) -> Generator[simpy.Event]:
        """Let this time pass, but not beyond `until_s`."""
        duration = min(duration, until_s - self.guest.env.now)
        if duration > 0:
            yield self.guest.env.timeout(duration)

    def _deflate(self, step: Step) -> Generator[simpy.Event]:
        """Let the balloon give all back, as the guest's driver frees page after page."""
        pages = self.guest.memory.held_by_balloon
        self.interactions += step.interactions(pages)
        self._work(1)
        self.guest.look()
        yield from self._pass(DEFLATE_TIME * step.duration_s(pages))
        self._work(-1)
        self.guest.deflate()
        self.guest.look()

    # ------------------------------------------------------------------ while the log is on

    def after_log(self) -> float:
        """Tell by list or map, safe now that writes are logged; return the map's bytes."""
        entries = 0.0
        if not self.policy.steps:
            return entries
        memory = self.guest.memory
        for step in self._steps("list", "map"):
            if step.returned == "destination":
                self.guest.disturb()
            free, whole, cached = listed(step, memory)
            told = memory.skip_free() if free > 0 else 0.0
            if cached > 0:
                cache = memory.cache.skip(cached)
                if step.tell == "map":
                    self.mapped += cache
                    entries += cache
                else:
                    told += cache
            self.skipped += told
            self.interactions += step.interactions(free + cached, whole=whole)
        return entries * MAP_ENTRY_BYTES

    def listing_s(self) -> float:
        """Return how long telling by list or map takes before the first page is sent."""
        return listing_s(self.policy.steps, self.guest.memory)

    @property
    def races(self) -> bool:
        """Whether it tells free blocks while the first pass runs."""
        return bool(self.policy.steps and self._steps("hint"))

    def race(self) -> Generator[simpy.Event]:
        """Tell free blocks while the first pass runs: what is sent first is not saved."""
        for step in self._steps("hint"):
            self.guest.pass_time()
            left = self.guest.memory.hintable
            parts = min(RACE_PARTS, max(1, math.ceil(step.duration_s(left) / RACE_PART_S)))
            most = math.ceil(left / step.block_pages / parts) * step.block_pages
            while left > 0:
                part = min(most, left)
                left -= part
                yield self.guest.env.timeout(step.duration_s(part) / 2)
                if self.guest.stream is None or not self.guest.running:
                    return
                self._hint(step, part)
                self.guest.look()
                yield self.guest.env.timeout(step.duration_s(part) / 2)
        self._told = True

    def after_sync(self) -> None:
        """Tell free blocks once more, after each sync; what is held has been told."""
        if self._told and self.guest.memory.held == 0:
            for step in self._steps("hint"):
                self._hint(step, math.inf)
                self.guest.look()

    def _hint(self, step: Step, more: float) -> None:
        """Hold up to so many more free pages, and tell them."""
        self.guest.pass_time()
        memory = self.guest.memory
        if memory.held == 0:
            self.guest.disturb()
        held = memory.hold(min(more, memory.hintable))
        self.skipped += memory.tell_held(held)
        self.interactions += step.interactions(held)

    # ------------------------------------------------------------------ switch-over and after

    def switch_over(self) -> None:
        """Let the guest, paused, forget the cache pages whose contents were not sent."""
        if not self.policy.steps:
            return
        memory = self.guest.memory
        if any(step.returned == "destination" for step in self._steps("list", "map")):
            self._forgotten = memory.forget_absent()
            if self._steps("list"):
                self.dropped += self._forgotten
        memory.release(arrived=True)

    def at_destination(self) -> Generator[simpy.Event]:
        """Deflate; read mapped pages from storage."""
        for step in self._steps("balloon"):
            if step.returned == "destination":
                yield from self._deflate(step)
        if self._steps("map"):
            yield from self._prefetch()

    def _prefetch(self) -> Generator[simpy.Event]:
        """Read the cache pages that were mapped, but for those that the guest has missed itself."""
        guest = self.guest
        if guest.host is None:
            return  # lost meanwhile
        assert guest.undisturbed is not None
        path = guest.storage.path(guest.host.node, guest.name, to_host=True)
        if path is None:
            return
        part = self._forgotten / PREFETCH_PARTS
        self._prefetching = flow = guest.network.open(path, kind="prefetch")
        for _ in range(PREFETCH_PARTS):
            guest.pass_time()
            lacking = guest.undisturbed.cache.count - guest.memory.cache.count
            if lacking <= 1.0 or guest.perished:
                break
            pages = min(part, lacking)
            yield guest.network.send(flow, pages * PAGE)
            guest.pass_time()
            guest.memory.refill(pages, like=guest.undisturbed)
            guest.look()
        guest.network.close(flow)

    def reroute(self) -> None:
        """Let what is read at the destination come as its way is now."""
        guest, flow = self.guest, self._prefetching
        if flow is not None and guest.host is not None:
            path = guest.storage.path(guest.host.node, guest.name, to_host=True)
            if path is not None:
                guest.network.reroute(flow, path)

    def close(self) -> None:
        """Read no more at the destination."""
        if self._prefetching is not None:
            self.guest.network.close(self._prefetching)

    @property
    def fetched_bytes(self) -> float:
        """Bytes read from storage at the destination so far."""
        flow = self._prefetching
        return 0.0 if flow is None else self.guest.network.account(flow)

    def undo(self) -> None:
        """Give everything back on the source: the migration has failed."""
        self.guest.pass_time()
        self.guest.deflate()
        self.guest.memory.release(arrived=False)
        self.guest.look()
