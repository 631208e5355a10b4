"""A guest: it runs, writes, reads, and slows down. Pages, bytes and seconds.

Between two looks all its rates are constant. A look lets the time since the last one pass (touches
follow what each activity did, the dirty log follows the touches) and sets the rates anew. Looks are
taken when something happens to the guest, and when a miss rate would have moved by the tolerance.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal, Protocol

import simpy

from dcsim.model.activity import Activity, Pace, attribute, cpu_share
from dcsim.model.diskcopy import LocalDisk
from dcsim.model.hinting import Policy
from dcsim.model.host import Host
from dcsim.model.hugepages import HugePages
from dcsim.model.hugepages import Settings as HugePageSettings
from dcsim.model.memory import WRITEBACK_AGE_S, Memory
from dcsim.model.network import Flow, Network
from dcsim.model.postcopy import Absent
from dcsim.model.storage import Storage
from dcsim.records.tables import CAUSES
from dcsim.units import PAGE

SHORTEST_LOOK_S = 0.01
SHORTEST_GROWTH_S = 0.1
FAULT_PARTS = 64
"""Parts of an interval that are told apart where write faults slow a guest unevenly."""
NEGLIGIBLE_MISSES = 1.0
"""Misses a second below which a changing cache is not looked at for its own sake."""

WHY_NOT_LIVE = {
    "passthrough": "a device is passed through to it",
    "pinned": "it is pinned to its host",
    "local-disk": "its disk is local to its host",
    "": "its group is not migratable live",
}

ProgressRecord = Callable[[str, float, float, float], None]
PhaseRecord = Callable[..., None]


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


@dataclass(frozen=True, slots=True)
class Profile:
    """What a group's guests have in common once sizes are pages."""

    group: str
    workload: str
    pages: float
    vcpus: float
    activities: tuple[Activity, ...]
    policy: Policy
    migratable: Literal["live", "cold", "no"]
    because: str
    local_disk: LocalDisk | None = None
    huge_pages: HugePageSettings | None = None

    @property
    def why_not_live(self) -> str:
        """Why its guests do not move live, in words."""
        return WHY_NOT_LIVE[self.because]


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
    memory
        What it is made of at first.
    levels
        Steps ``(time, level)`` of its load, times increasing.
    tolerance
        Relative change of a miss rate that is looked at again.
    record
        Called as ``record(name, from_s, to_s, progress)`` for intervals below full speed, or None.
    record_phase
        Called with a row of the phases table when a phase ends, or None.

    Attributes
    ----------
    throttle
        Share of the time for which its vCPUs are stopped.
    holds
        Seconds that each page costs each activity in addition, by cause.
    absent
        In post-copy, what its memory lacks.
    """

    def __init__(
        self,
        env: simpy.Environment,
        network: Network,
        storage: Storage,
        *,
        name: str,
        profile: Profile,
        memory: Memory,
        levels: tuple[tuple[float, float], ...] = (),
        tolerance: float = 0.05,
        record: ProgressRecord | None = None,
        record_phase: PhaseRecord | None = None,
    ) -> None:
        self.env = env
        self.network = network
        self.storage = storage
        self.name = name
        self.profile = profile
        self.memory = memory
        self.undisturbed: Memory | None = None
        self.host: Host | None = None
        self.running = False
        self.level = 1.0
        self.write_fault_s = 0.0
        self.stream: Sender | None = None
        self.policy_threads = 0.0
        self.throttle = 0.0
        self.holds: dict[str, list[float]] = {}
        self.absent: Absent | None = None
        self.reporting = any(step.tell == "report" for step in profile.policy.steps)
        self.balloon_gives_back = True
        self.huge: HugePages | None = None
        if profile.huge_pages is not None:
            self.huge = HugePages(profile.huge_pages, profile.pages)
        self.paces = [Pace() for _ in profile.activities]
        self.lost = dict.fromkeys(CAUSES, 0.0)
        self.degraded_s = {0.1: 0.0, 0.5: 0.0, 0.99: 0.0}
        self.blackout_s = self.unreachable_s = 0.0
        self.moves = 0
        self.read_pages = self.missed_pages = self.written_pages = 0.0
        self.refault_pages = self.undisturbed_refault_pages = 0.0
        self.writeback_bytes = 0.0
        self._levels = levels
        self._tolerance = tolerance
        self._record = record
        self._record_phase = record_phase
        self._phase = "before"
        self._phase_from = self._done()
        self._pause_cause = "restart"
        self._weight = sum(a.weight for a in profile.activities)
        self._started = False
        self._starved = False
        self._cpu = 1.0
        self._misses: list[float] = []
        self._base_misses: list[float] = []
        self._since = 0.0
        self._look_at = math.inf
        self._refault: Flow | None = None
        self._writeback: Flow | None = None
        self._flush: Flow | None = None
        self._sends: dict[int, Flow] = {}

    @property
    def memory_bytes(self) -> float:
        """Its memory in bytes."""
        return self.profile.pages * PAGE

    # ------------------------------------------------------------------ its life

    def live(self, host: Host, *, start_s: float = 0.0) -> Generator[simpy.Event]:
        """Start on a host, and follow the steps of the load."""
        host.admit(self)
        self.host = host
        if start_s > 0:
            yield self.env.timeout(start_s)
        self._started = True
        self._since = self.env.now
        if self.reporting:
            self.memory.report()
        if not host.failed:
            self.resume()
        for time, level in self._levels:
            if time > self.env.now:
                yield self.env.timeout(time - self.env.now)
            self.pass_time()
            self.level = level
            self.look()

    def pause(self, *, cause: str) -> None:
        """Stop all it does; what it loses is put down to `cause`."""
        self.pass_time()
        self.running = False
        self._pause_cause = cause
        self._close_flows()
        self.look()

    def resume(self) -> None:
        """Run, on the host where it is."""
        self.pass_time()
        self.running = True
        self._open_flows()
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
        assert self.host is not None
        pages = self.dirty_cache()
        path = self.storage.path(self.host.node, self.name, to_host=False)
        if path is not None and pages > 0:
            self._flush = flow = self.network.open(path, kind="write-back")
            yield self.network.send(flow, pages * PAGE)
            self.network.close(flow)
            self.writeback_bytes += flow.sent
            self._flush = None

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
        self.pass_time()
        if self._record_phase is None:
            return
        began, self._phase_from = self._phase_from, self._done()
        if self._phase_from["at"] <= began["at"]:
            self._phase = phase
            return
        self._record_phase(
            guest=self.name,
            phase=self._phase,
            from_s=began["at"],
            to_s=self._phase_from["at"],
            **{key: self._phase_from[key] - began[key] for key in began if key != "at"},
            free_pages=self.memory.free,
            cache_pages=self.memory.cache.count + self.memory.written_cache,
        )
        self._phase = phase

    def _done(self) -> dict[str, float]:
        """Return the time, and what was done up to it."""
        return {
            "at": self.env.now,
            "read_pages": self.read_pages,
            "missed_pages": self.missed_pages,
            "written_pages": self.written_pages,
            "lost_work_s": sum(self.lost.values()),
        }

    def leave_off(self) -> None:
        """Count everything up to now, as at the end of a run."""
        self.enter("")
        for flow in (self._writeback, self._flush):
            if flow is not None:
                self.writeback_bytes += self.network.account(flow)

    def disturb(self) -> None:
        """Keep a copy of its memory that nothing is taken from, to tell the difference."""
        if self.undisturbed is None:
            self.pass_time()
            self.undisturbed = copy.deepcopy(self.memory)

    # ------------------------------------------------------------------ flows

    def _open_flows(self) -> None:
        assert self.host is not None
        node = self.host.node
        if self.memory.readers:
            self._refault = self.storage.reader(node, self.name, on_rate=self.look)
        if any(writer.to == "cache" for writer in self.memory.writers):
            self._writeback = self.storage.writer(node, self.name)
        self._sends = {
            i: self.storage.sender(node, activity.peer, f"{self.name}/{i}", on_rate=self.look)
            for i, activity in enumerate(self.profile.activities)
            if activity.do == "send"
        }

    def _close_flows(self) -> None:
        for flow in (self._refault, self._writeback, *self._sends.values()):
            if flow is not None:
                self.network.close(flow)
        if self._writeback is not None:
            self.writeback_bytes += self._writeback.sent
        self._refault = self._writeback = None
        self._sends = {}

    # ------------------------------------------------------------------ time passes

    def look(self) -> None:
        """Let the time since the last look pass, and set all rates anew."""
        self.pass_time()
        if self.stream is not None:
            self.stream.replan()
        self._set_rates()
        self._plan_look()

    def pass_time(self) -> None:
        """Let the time since the last look pass at the rates set then."""
        now = self.env.now
        elapsed = now - self._since
        if elapsed <= 0 or not self._started:
            return
        self._since = now
        if self.huge is not None:
            self.huge.pass_time(elapsed)
        sent = self.stream.collect() if self.stream is not None else 0.0
        if not self.running:
            if self.absent is not None:
                self.absent.advance(
                    writes=[0.0] * len(self.memory.writers),
                    reads=[0.0] * len(self.memory.readers),
                    recycled=0.0,
                    arrived=self._bytes(sent),
                )
            elif self.stream is not None:
                self.memory.scan.advance(
                    writes=[0.0] * len(self.memory.writers), recycled=0.0, sent=sent
                )
            self.blackout_s += elapsed
            self._lose(now, elapsed, 0.0, {self._pause_cause: elapsed * self._busy()})
            return
        self._run(now, elapsed, sent, parts=FAULT_PARTS)

    def _run(self, end_s: float, elapsed: float, sent: float, *, parts: int) -> None:
        """Let it run for an interval, in up to so many parts where faults slow it unevenly."""
        if parts > 1 and self._uneven(elapsed, sent):
            half = elapsed / 2
            self._run(end_s - half, half, sent / 2, parts=parts // 2)
            self._run(end_s, half, sent / 2, parts=parts // 2)
            return
        writes = [0.0] * len(self.memory.writers)
        reads = [0.0] * len(self.memory.readers)
        lost = dict.fromkeys(CAUSES, 0.0)
        progress = 0.0
        arrived = self._bytes(sent)
        waited = self._wait_for_pages(elapsed, arrived)
        for activity, pace, there in zip(self.profile.activities, self.paces, waited, strict=True):
            weight = activity.weight / self._weight
            done = pace.rate * elapsed * there
            kept = 1.0
            if activity.do == "write":
                kept = self._keep_after_faults(activity, done, elapsed, sent)
                self.memory.write(activity.index, done * kept)
                writes[activity.index] += done * kept
                self.written_pages += done * kept
            elif activity.do == "read":
                reads[activity.index] += done
                self.read_pages += done
            elif activity.do == "allocate":
                kept = self._allocate(activity, done, elapsed)
            attribute(weight * elapsed * (1 - pace.progress), pace.causes, lost)
            if there < 1.0:
                lost["post_copy"] += weight * elapsed * pace.progress * (1 - there)
            if kept < 1.0:
                cause = "memory" if activity.do == "allocate" else "write_fault"
                lost[cause] += weight * elapsed * pace.progress * there * (1 - kept)
            progress += weight * pace.progress * there * kept
        outcome = self.memory.read(reads)
        self.missed_pages += sum(outcome.misses)
        self.refault_pages += outcome.brought
        if self.absent is not None:
            self.absent.advance(
                writes=writes, reads=reads, recycled=outcome.recycled, arrived=arrived
            )
        elif self.stream is not None:
            self.memory.scan.advance(writes=writes, recycled=outcome.recycled, sent=sent)
        if self.reporting and self.absent is None:  # inhibited in post-copy, as balloons are [A.5]
            self.memory.report(elapsed)
        self._pass_undisturbed(elapsed, outcome.brought)
        self._lose(end_s, elapsed, progress if self._weight else 1.0, lost)

    def _bytes(self, sent: float) -> float:
        """Return what so many pages sent are on the wire."""
        return 0.0 if self.stream is None else sent * self.stream.page_bytes

    def _wait_for_pages(self, elapsed: float, arrived: float) -> list[float]:
        """Return the share of its work that each activity does while it waits for absent pages."""
        if self.absent is None:
            return [1.0] * len(self.paces)
        return self.absent.kept(
            self.profile.activities,
            done=[pace.rate * elapsed for pace in self.paces],
            page_s=[pace.page_s for pace in self.paces],
            elapsed=elapsed,
            arrived=arrived,
        )

    def _busy(self) -> float:
        """Return the share of its work that it has to do now; all, if nothing is known of it."""
        if not self.paces:
            return 1.0
        pairs = zip(self.profile.activities, self.paces, strict=True)
        return sum(a.weight for a, pace in pairs if pace.base > 0) / self._weight

    def _uneven(self, elapsed: float, sent: float) -> bool:
        """Whether write faults slow a writer notably more in the first half than in all.

        That is by more than the tolerance, or past one of the degrees that are counted.
        """
        if self.stream is None or self.write_fault_s <= 0:
            return False
        for activity, pace in zip(self.profile.activities, self.paces, strict=True):
            if activity.do == "write":
                done = pace.rate * elapsed
                kept = self._keep_after_faults(activity, done, elapsed, sent)
                first = kept
                if kept < 1.0:
                    first = self._keep_after_faults(activity, done / 2, elapsed / 2, sent / 2)
                if abs(first - kept) > self._tolerance or any(
                    first < 1 - degree <= kept for degree in self.degraded_s
                ):
                    return True
        return False

    def _keep_after_faults(
        self, activity: Activity, done: float, elapsed: float, sent: float
    ) -> float:
        """Return the share of the writes that is left after the write faults they cause."""
        if self.stream is None or self.write_fault_s <= 0 or done <= 0:
            return 1.0
        room = activity.workers * elapsed * self._cpu

        def excess(kept: float) -> float:
            faults = self.memory.scan.faults(activity.index, done * kept, sent=sent)
            return done * kept * activity.work_s + faults * self.write_fault_s - room

        if excess(1.0) <= 1e-9 * room:
            return 1.0
        low, high = 0.0, 1.0
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (low, middle) if excess(middle) > 0 else (middle, high)
        return low

    def _allocate(self, activity: Activity, wanted: float, elapsed: float) -> float:
        """Allocate; return the share of the pages that could be had."""
        if wanted <= 0:
            return 1.0
        got = self.memory.allocate(
            pages=wanted,
            lifetime_s=activity.lifetime_s,
            elapsed_s=elapsed,
            index=activity.index,
        )
        if got < wanted * (1 - 1e-9) and self.memory.held_by_balloon > 0:
            if not self.balloon_gives_back:
                self._starved = True
                if self.stream is not None:
                    self.stream.stop()
            else:
                back = self.memory.deflate_on_oom(wanted - got)
                if self.huge is not None:
                    self.huge.give_back(back)
                got += self.memory.take_frames(wanted - got, self.memory.allocated[activity.index])
        return got / wanted if got < wanted * (1 - 1e-9) else 1.0

    def _pass_undisturbed(self, elapsed: float, brought: float) -> None:
        """Let the guest that nothing was taken from do the same, and see what it misses."""
        if self.undisturbed is None:
            self.undisturbed_refault_pages += brought
            return
        reads = [0.0] * len(self.undisturbed.readers)
        for activity, pace in zip(self.profile.activities, self.paces, strict=True):
            done = pace.rate * elapsed
            if activity.do == "write":
                self.undisturbed.write(activity.index, done)
            elif activity.do == "read":
                reads[activity.index] += done
            elif activity.do == "allocate" and done > 0:
                self.undisturbed.allocate(
                    pages=done,
                    lifetime_s=activity.lifetime_s,
                    elapsed_s=elapsed,
                    index=activity.index,
                )
        self.undisturbed_refault_pages += self.undisturbed.read(reads).brought

    def _lose(
        self, end_s: float, elapsed: float, progress: float, causes: dict[str, float]
    ) -> None:
        for cause, seconds in causes.items():
            self.lost[cause] += seconds
        for threshold in self.degraded_s:
            if 1 - progress > threshold:
                self.degraded_s[threshold] += elapsed
        if self._record is not None and progress < 1 - 1e-6:
            self._record(self.name, end_s - elapsed, end_s, progress)

    # ------------------------------------------------------------------ rates

    def _set_rates(self) -> None:
        if not self.running or self.host is None:
            for pace in self.paces:
                pace.rate = 0.0
            if self.host is not None:
                self.host.demand_cpu(self, 0.0)
            return
        latency = self.storage.latency_s(self.host.node)
        self._misses = base = [reader.miss() for reader in self.memory.readers]
        if self.undisturbed is not None:
            base = [reader.miss() for reader in self.undisturbed.readers]
        self._base_misses = base
        stalls = self._stalls(self._misses, latency)
        base_stalls = self._stalls(base, latency)
        base_share = cpu_share(vcpus=self.profile.vcpus, demand=self._cpu_demand(base_stalls))
        for held in self.holds.values():
            stalls = [stall + more for stall, more in zip(stalls, held, strict=True)]
        slowness = 1.0 if self.huge is None else self.huge.slowness
        demand = self._cpu_demand(stalls, slowness=slowness)
        own_share = cpu_share(vcpus=self.profile.vcpus, demand=demand)
        with_policy = cpu_share(vcpus=self.profile.vcpus, demand=demand + self.policy_threads)
        running = 1 - self.throttle
        wanted = self._cpu_demand(stalls, running, slowness=slowness) + self.policy_threads
        vcpus = self.profile.vcpus * running
        self.host.demand_cpu(self, min(vcpus, wanted))
        unthrottled = with_policy * self.host.cpu_factor
        share = running * cpu_share(vcpus=vcpus, demand=wanted) * self.host.cpu_factor
        self._cpu = able = share / slowness
        missing = self._ask_storage(stalls, able)
        served = 1.0
        if missing > 0 and self._refault is not None:
            served = min(1.0, self._refault.rate / missing)
        for i, (activity, pace) in enumerate(zip(self.profile.activities, self.paces, strict=True)):
            pace.base = activity.pace(level=self.level, share=base_share, stall_s=base_stalls[i])
            pace.rate = activity.pace(level=self.level, share=able, stall_s=stalls[i])
            pace.page_s = activity.work_s / able + stalls[i]
            pace.causes = {
                "cpu": activity.work_s * (1 / own_share / self.host.cpu_factor - 1 / base_share),
                "inflation": activity.work_s
                * (1 / unthrottled - 1 / own_share / self.host.cpu_factor),
                "throttle": activity.work_s * (1 / share - 1 / unthrottled),
                "huge_pages": activity.work_s * (1 / able - 1 / share),
                "cache_miss": stalls[i] - base_stalls[i],
            }
            for cause, held in self.holds.items():
                pace.causes[cause] = held[i]
                pace.causes["cache_miss"] -= held[i]
            missed = activity.do == "read" and self._misses[activity.index] > 0
            if missed and served < 1.0 and pace.rate > 0:
                page_s = activity.workers / pace.rate
                pace.rate *= served
                pace.page_s = activity.workers / pace.rate if served > 0 else 0.0
                pace.causes["storage"] = page_s * (1 / max(served, 1e-9) - 1)
            elif activity.do == "send":
                self._send(i, pace)

    def _stalls(self, misses: list[float], latency: float) -> list[float]:
        """Return each activity's mean stall a page at full service, given its readers' misses."""
        stalls = [0.0] * len(self.profile.activities)
        for i, activity in enumerate(self.profile.activities):
            if activity.do == "read":
                reader = self.memory.readers[activity.index]
                pages = reader.read_ahead if reader.sequential else 1
                stalls[i] = misses[activity.index] * latency / pages
        return stalls

    def _cpu_demand(
        self, stalls: list[float], share: float = 1.0, *, slowness: float = 1.0
    ) -> float:
        """Return the CPU it would use were there enough for this share of its time, in cores.

        With work that takes `slowness` times as long.
        """
        return sum(
            a.pace(level=self.level, share=share / slowness, stall_s=s) * a.work_s * slowness
            for a, s in zip(self.profile.activities, stalls, strict=True)
        )

    def _ask_storage(self, stalls: list[float], share: float) -> float:
        """Ask storage for misses and write-back; return the former in bytes per second."""
        missing = 0.0
        dirtied = 0.0
        for activity, stall in zip(self.profile.activities, stalls, strict=True):
            rate = activity.pace(level=self.level, share=share, stall_s=stall)
            if activity.do == "read":
                reader = self.memory.readers[activity.index]
                brought = 1 if reader.sequential else reader.read_ahead
                missing += rate * self._misses[activity.index] * brought * PAGE
            elif activity.do == "write" and self.memory.writers[activity.index].to == "cache":
                dirtied += self.dirty_pages(activity.index, rate) / WRITEBACK_AGE_S * PAGE
        if self._refault is not None:
            self.network.set_cap(self._refault, missing)
        if self._writeback is not None:
            self.network.set_cap(self._writeback, dirtied)
        return missing

    def dirty_pages(self, index: int, rate: float) -> float:
        """Return the cached pages of a writer that wait for write-back at this rate of writes."""
        classes = self.memory.writers[index].classes
        return sum(min(c.touch.distinct(rate * WRITEBACK_AGE_S), c.frames.count) for c in classes)

    def dirty_cache(self) -> float:
        """Return all cached pages that wait for write-back."""
        return sum(
            self.dirty_pages(a.index, p.rate)
            for a, p in zip(self.profile.activities, self.paces, strict=True)
            if a.do == "write" and self.memory.writers[a.index].to == "cache"
        )

    def _send(self, i: int, pace: Pace) -> None:
        flow = self._sends.get(i)
        if flow is None:
            return
        self.network.set_cap(flow, pace.rate * PAGE)
        if flow.links and flow.rate < pace.rate * PAGE * (1 - 1e-9) and flow.rate > 0:
            reached = flow.rate / PAGE
            pace.causes["network"] = 1 / reached - 1 / pace.rate
            pace.rate = reached

    # ------------------------------------------------------------------ when to look again

    def _plan_look(self) -> None:
        """Look again when a miss rate will have moved by the tolerance, or memory have run out."""
        self._look_at = math.inf
        if not self.running:
            return
        rates = [pace.rate for pace in self.paces]
        wait = self._until_misses_change(self.memory, self._misses, rates)
        if self.undisturbed is not None:
            wait = min(wait, self._until_misses_change(self.undisturbed, self._base_misses, rates))
        if self.huge is not None:
            wait = min(wait, self.huge.steady_for(self._tolerance))
        if wait < math.inf:
            self._look_at = self.env.now + max(wait, SHORTEST_LOOK_S)
            timer = self.env.timeout(self._look_at - self.env.now, value=self._look_at)
            assert timer.callbacks is not None
            timer.callbacks.append(self._look_again)

    def _look_again(self, event: simpy.Event) -> None:
        if event.value == self._look_at:
            self.look()

    def _until_misses_change(
        self, memory: Memory, misses: list[float], rates: list[float]
    ) -> float:
        """Return for how many seconds nothing about a memory changes by more than the tolerance."""
        wait = math.inf
        missed = 0.0
        room = memory.spare + memory.held + memory.cold
        for activity, rate in zip(self.profile.activities, rates, strict=True):
            if rate > 0 and activity.do == "read":
                missed += rate * misses[activity.index]
            elif rate > 0 and activity.do == "allocate":
                live, lifetime = memory.allocated[activity.index].count, activity.lifetime_s
                growth = abs(rate - live / lifetime) if lifetime else rate
                slack = self._tolerance * (room + memory.cache.count / 10)
                if lifetime is None:
                    wait = min(wait, max(SHORTEST_GROWTH_S, slack / growth))
                elif growth > self._tolerance * rate:  # what is live has not settled yet
                    wait = min(wait, max(SHORTEST_GROWTH_S, lifetime / 4))
        if missed < NEGLIGIBLE_MISSES or room <= 1e-6 * memory.pages:
            return wait
        wait = min(wait, room / missed)
        if self.stream is not None:  # frames being filled have to be sent whole, zero ones too
            slack = self._tolerance * (room + memory.cache.count / 10)
            wait = min(wait, max(SHORTEST_GROWTH_S, slack / missed))
        for activity, rate in zip(self.profile.activities, rates, strict=True):
            if rate > 0 and activity.do == "read":
                miss = misses[activity.index]
                reader = memory.readers[activity.index]
                wait = min(wait, reader.steady_for(rate, miss, self._tolerance))
        return wait
