"""A guest: it runs, writes, reads, and slows down. Pages, bytes and seconds.

Between two looks all its rates are constant. A look lets the time since the last one pass (touches
follow what each activity did, the dirty log follows the touches) and sets the rates anew. Looks are
taken when something happens to the guest, and when a miss rate would have moved by the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from typing import Protocol

import simpy

from dcsim.model.activity import NO_HOLDS, Losses, Tally
from dcsim.model.host import Host
from dcsim.model.hugepages import HugePages
from dcsim.model.makeup import Makeup
from dcsim.model.memory import Memory
from dcsim.model.network import Network
from dcsim.model.pacing import Pacing
from dcsim.model.phases import PhaseRecord, Phases
from dcsim.model.postcopy import Absent
from dcsim.model.profile import Profile
from dcsim.model.storage import Storage
from dcsim.model.terms import Terms
from dcsim.model.traffic import Traffic
from dcsim.units import PAGE

SHORTEST_LOOK_S = 0.01
FAULT_PARTS = 64
"""Parts of an interval that are told apart where write faults slow a guest unevenly."""

ProgressRecord = Callable[[str, float, float, float], None]


class Sender(Protocol):
    """The stream of a migration under way, as its guest sees it."""

    page_bytes: float
    """What a page is on the wire, on average."""

    def collect(self) -> float:
        """Return the pages sent since the last time this was asked."""

    def replan(self) -> None:
        """Look again at what is left to send."""

    def stop(self) -> None:
        """Stop sending: the guest is lost."""


class Guest:
    """One guest on its host.

    Parameters
    ----------
    env, network, storage
        The world it lives in.
    name
        Its name.
    profile
        What it does.
    vcpus
        Its vCPUs.
    demands
        Pages per second that are asked of each of its activities at load level 1.
    makeup
        What it is made of at first; that is made when it is first needed.
    levels
        Steps ``(time, level)`` of its load, times increasing.
    tolerance
        Relative change of a miss rate that is looked at again.
    record
        Called as ``record(name, from_s, to_s, progress)`` for intervals below full speed, or None.
    record_phase
        Called with a row of the phases table when a phase ends, or None.
    terms
        What it asks of its host beside room, or None.

    Attributes
    ----------
    memory_bytes
        Its memory in bytes.
    throttle
        Share of the time for which its vCPUs are stopped.
    holds
        Seconds that each page costs each activity in addition, by cause; replaced, never changed.
    absent
        In post-copy, what its memory lacks.
    pacing
        How each of its activities goes.
    perished
        Whether it is lost for good, and does nothing any more.
    arrived_s
        When it came to a host first; NaN where it did not.
    blackout_s, unreachable_s
        Seconds for which it stood still, and for which nobody found it where it is.
    """

    __slots__ = (
        "_busy", "_levels", "_look_at", "_losses", "_lost_still_s", "_makeup", "_memory",
        "_pause_cause", "_phases", "_record", "_since", "_starved", "absent", "arrived_s",
        "balloon_gives_back", "blackout_s", "demands", "env", "holds", "host", "huge", "level",
        "memory_bytes", "missed_pages", "moves", "name", "network", "pacing", "perished",
        "policy_threads", "profile", "read_pages", "refault_pages", "running", "storage", "stream",
        "terms", "throttle", "traffic", "undisturbed", "undisturbed_refault_pages", "unreachable_s",
        "vcpus", "write_fault_s", "written_pages",
    )  # fmt: skip

    def __init__(
        self,
        env: simpy.Environment,
        network: Network,
        storage: Storage,
        *,
        name: str,
        profile: Profile,
        vcpus: float,
        demands: Sequence[float],
        makeup: Makeup,
        levels: tuple[tuple[float, float], ...] = (),
        tolerance: float = 0.05,
        record: ProgressRecord | None = None,
        record_phase: PhaseRecord | None = None,
        terms: Terms | None = None,
    ) -> None:
        self.env = env
        self.network = network
        self.storage = storage
        self.name = name
        self.profile = profile
        self.vcpus = vcpus
        self.demands = demands
        self.terms = terms
        self.memory_bytes = makeup.memory_bytes
        self.undisturbed: Memory | None = None
        self.host: Host | None = None
        self.running = self.perished = False
        self.arrived_s = math.nan
        self.level = 1.0
        self.write_fault_s = 0.0
        self.stream: Sender | None = None
        self.policy_threads = 0.0
        self.throttle = 0.0
        self.holds = NO_HOLDS
        self.absent: Absent | None = None
        self.balloon_gives_back = True
        self.huge: HugePages | None = None
        if profile.huge_pages is not None:
            self.huge = HugePages(profile.huge_pages, makeup.memory_bytes / PAGE)
        self.traffic = Traffic(self) if profile.uses_network else None
        self.pacing = Pacing(self, tolerance=tolerance)
        self.blackout_s = self.unreachable_s = 0.0
        self.moves = 0
        self.read_pages = self.missed_pages = self.written_pages = 0.0
        self.refault_pages = self.undisturbed_refault_pages = 0.0
        self._makeup = makeup
        self._memory: Memory | None = None
        self._lost_still_s = 0.0
        self._losses: Losses | None = None  # where it was slow, or stood still for a failure
        self._levels = levels
        self._record = record
        self._phases = Phases(self, record_phase) if record_phase is not None else None
        self._pause_cause = "restart"
        self._busy = 1.0
        self._starved = False
        self._since = math.inf
        self._look_at = math.inf

    @property
    def memory(self) -> Memory:
        """What it is made of now."""
        if self._memory is None:
            self._memory = self._makeup.memory()
        return self._memory

    @property
    def makeup(self) -> Makeup:
        """What its memory was made of at first."""
        return self._makeup

    def copied_memory(self) -> Memory:
        """Return a copy of its memory as it was when it was last looked at."""
        return self._makeup.memory() if self._memory is None else self._memory.copy()

    def forget(self) -> None:
        """Keep no memory that is made of what it was at first: it is made anew where it is needed.

        Call it when no migration is under way; what the last one logged goes too.
        """
        if not self.profile.drifts and not self.profile.policy.steps:
            self._memory = None

    @property
    def lost(self) -> Tally[str]:
        """Seconds of work lost, by cause."""
        lost = Tally(() if self._losses is None else self._losses.causes)
        if self._lost_still_s > 0:
            lost["blackout"] += self._lost_still_s
        return lost

    def degraded_s(self, degree: float) -> float:
        """Return for how long more than this share of its work was lost, one of `DEGREES`."""
        slow_s = 0.0 if self._losses is None else self._losses.degraded_s[degree]
        return self.blackout_s + slow_s

    @property
    def oom_pages(self) -> float:
        """Pages that a balloon gave back because it ran out of memory."""
        return 0.0 if self._memory is None else self._memory.oom_pages

    @property
    def writeback_bytes(self) -> float:
        """Bytes it wrote back to storage."""
        return 0.0 if self.traffic is None else self.traffic.written_bytes

    # ------------------------------------------------------------------ its life

    def live(self, host: Host, *, start_s: float = 0.0) -> None:
        """Stand on a host; start there in time, and follow the steps of the load."""
        host.admit(self)
        self.host = host
        self.arrived_s = self.env.now
        if start_s <= 0:
            self._start()
        if start_s > 0 or self._levels:
            self.env.process(self._follow_load(start_s))

    def leave(self) -> None:
        """Be gone from the cluster: what it takes is free, and nothing happens to it any more."""
        assert self.host is not None
        self.enter("")
        self.pass_time()
        self.running = False
        if self.traffic is not None:
            self.traffic.leave()
        self.host.dismiss(self)
        self.host = None
        self._since = self._look_at = math.inf

    def _start(self) -> None:
        self._since = self.env.now
        if self.profile.reports:
            self.memory.report()
        if self.perished:
            self.pause(cause="restart")
        else:
            self.resume()

    def _follow_load(self, start_s: float) -> Generator[simpy.Event]:
        """Take each step of the load in its time, the start before the first, if it is to come."""
        if start_s > 0:
            yield self.env.timeout(start_s)
            if self.host is None:
                return
            self._start()
        for time, level in self._levels:
            if time > self.env.now:
                yield self.env.timeout(time - self.env.now)
            if self.host is None:
                return
            self.pass_time()
            self.level = level
            self.look()

    def pause(self, *, cause: str) -> None:
        """Stop all it does; what it loses is put down to `cause`."""
        self.pass_time()
        self.running = False
        self._busy = self._share_busy()
        self._pause_cause = cause
        if self.traffic is not None:
            self.traffic.close()
        self.look()

    def perish(self, *, cause: str) -> None:
        """Be lost for good; what it would have done from now on is put down to `cause`."""
        self.perished = True
        self.pause(cause=cause)

    def resume(self) -> None:
        """Run, on the host where it is."""
        self.pass_time()
        self.running = True
        if self.traffic is not None:
            self.traffic.open()
        self.look()

    def move_to(self, host: Host) -> None:
        """Be on another host from now on; it has to be paused."""
        assert self.host is not None
        self.host.dismiss(self)
        self.host.moved_out += 1
        host.admit(self)
        host.moved_in += 1
        self.host = host
        self.moves += 1
        if self.huge is not None:
            self.huge.arrive()

    def write_back(self) -> Generator[simpy.Event]:
        """Write all dirty cache to storage, so that it may be taken."""
        if self.traffic is not None:
            yield from self.traffic.write_back()

    def inflate(self, pages: float, *, block_pages: int) -> float:
        """Let a balloon take free pages in blocks of so many; return how many pages."""
        taken = self.memory.inflate(pages)
        if self.huge is not None:
            self.huge.take(taken, block_pages=block_pages)
        return taken

    def deflate(self) -> float:
        """Let a balloon return all it holds; return how many pages."""
        returned = self.memory.deflate()
        if self.huge is not None:
            self.huge.give_back(returned)
        return returned

    def ran_out(self) -> bool:
        """Whether it lacked memory that a balloon held and did not give back."""
        return self._starved

    def enter(self, phase: str) -> None:
        """Begin another phase, and write down what was done in the one before."""
        if self._phases is not None:
            self.pass_time()
            self._phases.enter(phase)

    def leave_off(self) -> None:
        """Count everything up to now, as at the end of a run."""
        self.pass_time()
        self.enter("")
        if self.traffic is not None:
            self.traffic.leave_off()

    def part(self) -> None:
        """Refer no longer to what refers to it, as it or its world ends: all of it goes at once."""
        self._memory = self.undisturbed = self.host = None
        del self.network, self.storage, self.pacing, self.traffic, self._phases

    def disturb(self) -> None:
        """Keep a copy of its memory that nothing is taken from, to tell the difference."""
        if self.undisturbed is None:
            self.pass_time()
            self.undisturbed = self.memory.copy()

    # ------------------------------------------------------------------ time passes

    def look(self) -> None:
        """Let the time since the last look pass, and set all rates anew."""
        self.pass_time()
        if self.stream is not None:
            self.stream.replan()
        self.pacing.set_rates()
        self._look_at = math.inf
        wait = self.pacing.steady_for() if self.running else math.inf
        if wait < math.inf:
            self._look_at = self.env.now + max(wait, SHORTEST_LOOK_S)
            timer = self.env.timeout(self._look_at - self.env.now, value=self._look_at)
            assert timer.callbacks is not None
            timer.callbacks.append(self._look_again)

    def _look_again(self, event: simpy.Event) -> None:
        if event.value == self._look_at:
            self.look()

    def pass_time(self) -> None:
        """Let the time since the last look pass at the rates set then."""
        now = self.env.now
        elapsed = now - self._since
        if elapsed <= 0:
            return
        self._since = now
        if self.huge is not None:
            self.huge.pass_time(elapsed)
        sent = self.stream.collect() if self.stream is not None else 0.0
        if self.running:
            if self.traffic is not None:
                self.pacing.settle(self.traffic.had(elapsed))
            self._run(now, elapsed, sent, FAULT_PARTS)
        else:
            self._wait(now, elapsed, sent)

    def _wait(self, end_s: float, elapsed: float, sent: float) -> None:
        """Let it stand still for an interval, its pages sent or come meanwhile."""
        self._note(self.profile.no_writes, self.profile.no_reads, 0.0, sent)
        self.blackout_s += elapsed
        lost = elapsed * self._busy
        if self._pause_cause == "blackout":
            self._lost_still_s += lost
        else:
            self._slowed().causes[self._pause_cause] += lost
        if self._record is not None:
            self._record(self.name, end_s - elapsed, end_s, 0.0)

    def _run(self, end_s: float, elapsed: float, sent: float, parts: int) -> None:
        """Let it run for an interval, in up to so many parts where faults slow it unevenly."""
        profile, pacing, absent = self.profile, self.pacing, self.absent
        asked = done = [rate * elapsed for rate in pacing.rates]
        there: Sequence[float] = profile.all_done
        kept: Sequence[float] = there
        if self.write_fault_s > 0 and self.stream is not None:
            kept = pacing.kept_after_faults(elapsed, sent)
            if parts > 1 and pacing.uneven(kept, elapsed, sent):
                half = elapsed / 2
                self._run(end_s - half, half, sent / 2, parts // 2)
                self._run(end_s, half, sent / 2, parts // 2)
                return
        if absent is not None:
            there = self._wait_for_pages(absent, done, elapsed, sent)
            done = [pages * part for pages, part in zip(done, there, strict=True)]
        recycled = 0.0
        reads: Sequence[float] = profile.no_reads
        if profile.takes or profile.reads:
            kept, reads, missed, brought, recycled = profile.work.go(
                self.memory, done, kept, elapsed, self._go_short
            )
            for pages in reads:
                self.read_pages += pages
            self.missed_pages += missed
            self.refault_pages += brought
            if self.undisturbed is not None:  # which does the same, and misses less
                *_, brought, _ = profile.work.go(
                    self.undisturbed, asked, profile.all_done, elapsed, None
                )
            self.undisturbed_refault_pages += brought
        writes = []
        for i in profile.writes:
            pages = done[i] * kept[i]
            writes.append(pages)
            self.written_pages += pages
        self._note(writes, reads, recycled, sent)
        if profile.reports and absent is None:  # inhibited in post-copy, as balloons are [A.5]
            self.memory.report(elapsed)
        whole = profile.all_done
        if not (pacing.rates is pacing.bases and there is whole and kept is whole):
            progress = self._slowed().count(profile, pacing, elapsed, there, kept)
            if self._record is not None and progress < 1 - 1e-6:
                self._record(self.name, end_s - elapsed, end_s, progress)

    def _slowed(self) -> Losses:
        if self._losses is None:
            self._losses = Losses()
        return self._losses

    def _note(
        self, writes: Sequence[float], reads: Sequence[float], recycled: float, sent: float
    ) -> None:
        """Note in a migration's dirty log, or in what post-copy lacks, what was done meanwhile."""
        if self.absent is not None:
            arrived = self._bytes(sent)
            self.absent.advance(writes=writes, reads=reads, recycled=recycled, arrived=arrived)
        elif self.stream is not None:
            self.memory.scan.advance(writes=writes, recycled=recycled, sent=sent)

    def _bytes(self, sent: float) -> float:
        """Return what so many pages sent are on the wire."""
        return 0.0 if self.stream is None else sent * self.stream.page_bytes

    def _wait_for_pages(
        self, absent: Absent, done: list[float], elapsed: float, sent: float
    ) -> list[float]:
        """Return the share of its work that each activity does while it waits for absent pages."""
        return absent.kept(
            self.profile.activities,
            done=done,
            page_s=self.pacing.page_s(),
            elapsed=elapsed,
            arrived=self._bytes(sent),
        )

    def _share_busy(self) -> float:
        """Return the share of its work that it has to do now; all, if it never has any."""
        busy = total = 0.0
        for activity, base in zip(self.profile.activities, self.pacing.bases, strict=True):
            total += activity.weight
            if base > 0:
                busy += activity.weight
        return busy / total if total > 0 else 1.0

    def _go_short(self, place: int, wanted: float, got: float) -> float:
        """Ask a balloon for what could not be allocated; return the pages that could be had."""
        if self.memory.held_by_balloon <= 0:
            return got
        if not self.balloon_gives_back:
            self._starved = True
            if self.stream is not None:
                self.stream.stop()
            return got
        back = self.memory.deflate_on_oom(wanted - got)
        if self.huge is not None:
            self.huge.give_back(back)
        live = self.memory.allocated[self.profile.activities[place].index]
        return got + self.memory.take_frames(wanted - got, live)
