"""One migration, from admission to outcome. Seconds, bytes and pages of 4096 bytes.

Read `Migration.run` from top to bottom for what happens to a guest. The rules are QEMU's [C.3], as
measured: a round ends when what is left would fit the downtime limit at the bandwidth of the
moment; decisions fall at the ends of windows of 100 ms; a sync then adds what was dirtied, and
unless that still fits, another round begins. With a window of 0 a round sends all it has and the
bandwidth is that of the round, as other simulators have it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import simpy

from dcsim.model.adaptive import Outlook
from dcsim.model.convergence import AutoConverge, Brakes
from dcsim.model.diskcopy import DiskCopy, Disks
from dcsim.model.guest import Guest
from dcsim.model.hinting import Hints
from dcsim.model.host import Host
from dcsim.model.network import Network
from dcsim.model.routing import Path, Routes
from dcsim.model.stream import Settings, Stream
from dcsim.records.tables import Recorder
from dcsim.rng import Streams
from dcsim.units import PAGE, format_duration, format_rate

OUT_OF_MEMORY = "the guest ran out of memory with the balloon inflated"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long management takes and waits; infinite where it has no limit."""

    control_plane_s: float = 0.0
    completion_s_per_gib: float = math.inf
    progress_s: float = math.inf


@dataclass(slots=True)
class World:
    """What all migrations share."""

    env: simpy.Environment
    network: Network
    routes: Routes
    streams: Streams
    recorder: Recorder
    event: Callable[[str, str, str], None]
    disks: Disks


class Migration:
    """One migration of one guest to a host that has reserved memory for it."""

    def __init__(
        self,
        world: World,
        guest: Guest,
        destination: Host,
        *,
        settings: Settings,
        patience: Patience,
        requested_s: float,
    ) -> None:
        assert guest.host is not None
        self.world = world
        self.guest = guest
        self.source = guest.host
        self.destination = destination
        self.settings = settings
        self.patience = patience
        self.hints = Hints(guest, guest.profile.policy)
        self.brakes: Brakes | None = None
        self.disk: DiskCopy | None = None
        self.stream: Stream | None = None
        self.requested_s = requested_s
        self.started_s = world.env.now
        self.stream_s = self.ended_s = self.paused_at = math.nan
        self.disk_s = self.policy_s = self.downtime_s = 0.0
        self.rounds = self.syncs = 0
        self.found_pages = 0.0
        self.dirty_rate = self.huge_bytes = math.nan
        self.outcome = ""
        self.reason = ""
        self._recorded = False

    # ------------------------------------------------------------------ the story

    def run(self) -> Generator[simpy.Event, Any]:
        """One live migration, from admission to outcome."""
        env, guest, settings = self.world.env, self.guest, self.settings
        if self.patience.control_plane_s > 0:
            yield env.timeout(self.patience.control_plane_s)
        if not (yield from self.copy_disk()):
            return self.fail("aborted-timeout", "its disk took all the time there was")
        asked = env.now
        guest.enter("policy")
        self.adapt()
        yield from self.hints.before_log(until_s=self.deadline_s)
        listing = self.hints.listing_s()
        if listing > 0:
            yield env.timeout(listing)
        self.policy_s = env.now - asked
        if guest.ran_out():
            return self.lose_guest()
        if env.now >= self.deadline_s:
            return self.fail("aborted-timeout", "the policy took all the time there was")

        stream = self.start_stream()
        entries = self.hints.after_log()
        env.process(self.hints.race())
        kind = "first pass"
        low = math.inf
        progressed_at = env.now
        while True:
            left, fits = yield from self.round(stream, kind, entries)
            entries = 0.0
            if guest.ran_out():
                return self.lose_guest()
            if fits or self.rounds >= settings.max_rounds:
                break
            if env.now >= self.deadline_s:
                limit = format_duration(self.deadline_s - self.started_s)
                return self.fail("aborted-timeout", f"not complete after {limit}; {self.why_not()}")
            if left < low * (1 - 1e-9):
                low, progressed_at = left, env.now
            elif env.now - progressed_at >= self.patience.progress_s:
                limit = format_duration(self.patience.progress_s)
                return self.fail("aborted-no-progress", f"no new low for {limit}; {self.why_not()}")
            self.hints.after_sync()
            kind = "re-sent"

        guest.pause(cause="blackout")
        self.paused_at = env.now
        yield from self.switch_over(stream)
        self.end_stream()
        guest.move_to(self.destination)
        self.hints.switch_over()
        guest.resume()
        self.downtime_s = env.now - self.paused_at
        guest.unreachable_s += settings.announce
        self.end("completed")
        env.process(self.settle_in())

    def copy_disk(self) -> Generator[simpy.Event, Any, bool]:
        """Copy the guest's local disk, if it has one; return whether that was done in time."""
        disk, block = self.guest.profile.local_disk, self.settings.block
        if disk is None or block is None:
            return True
        began = self.world.env.now
        source, destination, disks = self.source.node, self.destination.node, self.world.disks
        key = self.world.streams.uniform_hash("ecmp", self.guest.name, "disk")
        path = self.world.routes.route(source, destination, key)
        self.disk = DiskCopy(
            self.world.network,
            disk,
            disks.between(path, source, destination),
            disks.onto(path, destination),
            bandwidth=block.bandwidth,
        )
        done = yield from self.disk.run(until_s=self.deadline_s)
        self.disk_s = self.world.env.now - began
        return done

    def adapt(self) -> None:
        """Let a policy that adapts choose how much of its cache this guest gives up."""
        guest, hints = self.guest, self.hints
        for step in hints.policy.steps:
            if step.adapt is None:
                continue
            guest.pass_time()
            outlook = Outlook.of(
                guest,
                hints.policy,
                self.settings,
                path=self.path,
                source=self.source,
                destination=self.destination,
            )
            share = outlook.best_share(guest.memory, step)
            hints.policy = hints.policy.with_share(step, share)
            self.world.event("adapted", guest.name, f"gives up {100 * share:.3g} % of its cache")

    @property
    def path(self) -> Path:
        """The way that the stream takes."""
        key = self.world.streams.uniform_hash("ecmp", self.guest.name, "migration")
        return self.world.routes.route(self.source.node, self.destination.node, key)

    def start_stream(self) -> Stream:
        """Switch the dirty log on and begin to send."""
        env, guest, settings = self.world.env, self.guest, self.settings
        guest.enter("migration")
        log = settings.dirty_log
        guest.memory.start_log(per_chunk=log != "at-sync", guard=log == "per-chunk-guarded")
        self.stream = Stream(self.world.network, guest, self.path, settings)
        self.stream_s = env.now
        if guest.huge is not None:
            self.huge_bytes = guest.huge.huge * PAGE
        guest.stream = self.stream
        guest.write_fault_s = settings.write_fault
        brake = settings.auto_converge or settings.dirty_limit
        self.brakes = Brakes(
            guest, brake, lambda what: self.world.event("slowed", guest.name, what)
        )
        if isinstance(brake, AutoConverge) and brake.sync_every < math.inf:
            env.process(self.sync_often(self.stream, brake.sync_every))
        for host in (self.source, self.destination):
            host.run_threads(self.stream.cores)
        return self.stream

    def round(
        self, stream: Stream, kind: str, entries: float
    ) -> Generator[simpy.Event, Any, tuple[float, bool]]:
        """Send one round and sync; return what is left, in bytes, and whether it fits."""
        env, guest, settings = self.world.env, self.guest, self.settings
        self.rounds += 1
        guest.look()
        began, before, found_before = env.now, self.sent_bytes, self.found_pages
        throttle = guest.throttle
        pages_before = stream.pages
        pending = guest.memory.pending
        if entries > 0:
            yield stream.send_raw(entries, limited=True)
        fits_s = settings.downtime_limit if settings.window > 0 else 0.0
        yield from stream.send_round(kind, fits_s=fits_s, until_s=self.deadline_s)
        if settings.window > 0 and not guest.ran_out():
            # decisions fall at the end of the window; until then it goes on sending
            yield from stream.send_round(kind, fits_s=0.0, until_s=self.window_end(began))
        guest.pass_time()
        stream.end_round()
        left = guest.memory.pending * PAGE
        left += self.sync() * PAGE
        new = self.found_pages - found_before
        elapsed = env.now - began
        sent = self.sent_bytes - before
        if settings.window > 0:
            bandwidth = stream.bandwidth()
        else:
            bandwidth = sent / elapsed if elapsed > 0 else math.inf
        threshold = bandwidth * settings.downtime_limit
        if elapsed > 0 and env.now < self.deadline_s:
            self.dirty_rate = new * PAGE / elapsed
        pages = stream.pages - pages_before
        self.record_round(
            kind, began, pending, sent, pages, new=new, threshold=threshold, throttle=throttle
        )
        return left, left <= threshold

    def sync(self) -> float:
        """Collect the dirty log; return the pages that it adds to what is to be sent."""
        assert self.brakes is not None
        new = self.guest.memory.sync()
        self.syncs += 1
        self.found_pages += new
        self.brakes.sync(new, self.sent_bytes)
        self.guest.look()
        return new

    def sync_often(self, stream: Stream, every_s: float) -> Generator[simpy.Event]:
        """Sync in long rounds too, where none has been for so long; the first pass is let be."""
        seen = 0
        while True:
            yield self.world.env.timeout(every_s)
            if self.guest.stream is not stream or not self.guest.running:
                return
            if self.rounds > 1 and self.syncs == seen:
                self.guest.pass_time()
                self.sync()
            seen = self.syncs

    def window_end(self, began: float) -> float:
        """Return when the present bandwidth window ends; the first of a round is a whole one."""
        window = self.settings.window
        passed = (self.world.env.now - self.stream_s) / window
        first = math.floor((began - self.stream_s) / window + 1e-9) + 1
        return self.stream_s + max(first, math.ceil(passed - 1e-9)) * window

    def switch_over(self, stream: Stream) -> Generator[simpy.Event, Any]:
        """Send the rest, the guest paused, without the cap; start it at the destination."""
        env, guest = self.world.env, self.guest
        began = env.now
        guest.memory.sync()
        pending = guest.memory.pending
        pages_before = stream.pages
        before = self.sent_bytes
        if self.disk is not None:
            yield from self.disk.finish()
        yield from stream.send_round("switch-over", fits_s=0.0, until_s=math.inf, limited=False)
        guest.pass_time()
        stream.end_round()
        yield stream.send_raw(self.settings.device_state, limited=False)
        stream.close()
        if self.settings.activation > 0:
            yield env.timeout(self.settings.activation)
        sent, pages = self.sent_bytes - before, stream.pages - pages_before
        self.record_round("switch-over", began, pending, sent, pages)

    def settle_in(self) -> Generator[simpy.Event, Any]:
        """At the destination: deflate, read what was not sent."""
        yield from self.hints.at_destination()
        if self.guest.ran_out():
            self.guest.pause(cause="memory")
            self.outcome, self.reason = "guest-oom", f"after it came: {OUT_OF_MEMORY}"
            self.world.event(self.outcome, self.guest.name, self.reason)
        self.record()

    def run_cold(self) -> Generator[simpy.Event, Any]:
        """Stop the guest and start it anew on the destination."""
        env, guest = self.world.env, self.guest
        if self.patience.control_plane_s > 0:
            yield env.timeout(self.patience.control_plane_s)
        guest.disturb()
        guest.pause(cause="restart")
        self.paused_at = env.now
        yield env.timeout(self.settings.cold_restart)
        guest.move_to(self.destination)
        guest.memory.restart()
        guest.resume()
        self.downtime_s = env.now - self.paused_at
        self.end("completed-cold", guest.profile.why_not_live)
        self.record()

    # ------------------------------------------------------------------ its end

    def fail(self, outcome: str, reason: str) -> None:
        """Give up: the guest stays on the source, everything is given back."""
        if self.stream is not None:
            self.end_stream()
        self.hints.undo()
        self.destination.release(self.guest)
        self.end(outcome, reason)
        self.record()

    def lose_guest(self) -> None:
        """The guest is killed: it ran out of memory while the balloon held some."""
        self.guest.pause(cause="memory")
        self.fail("guest-oom", OUT_OF_MEMORY)

    def cancel(self, reason: str) -> None:
        """End it as the run ends, whatever its state."""
        if not self.outcome:
            self.guest.pass_time()
            if self.stream is not None:
                self.stream.collect()
            if not math.isnan(self.paused_at):
                self.downtime_s = self.world.env.now - self.paused_at
            self.destination.release(self.guest)
            self.end("cancelled", f"{reason}; {self.why_not()}" if self.rounds > 1 else reason)
        self.record()

    def end_stream(self) -> None:
        """Switch the dirty log off and end the stream."""
        assert self.stream is not None
        self.guest.pass_time()
        self.stream.collect()
        assert self.brakes is not None
        self.brakes.release()
        self.guest.stream = None
        self.stream.close()
        for host in (self.source, self.destination):
            host.run_threads(-self.stream.cores)

    def end(self, outcome: str, reason: str = "") -> None:
        """Note the outcome."""
        self.guest.enter("after")
        self.outcome, self.reason = outcome, reason
        if self.disk is not None:
            self.disk.close()
        self.ended_s = self.world.env.now
        self.world.event(
            outcome, self.guest.name, reason or f"{self.source.name} to {self.destination.name}"
        )

    @property
    def deadline_s(self) -> float:
        """When management gives up."""
        gib = self.guest.memory_bytes / 2**30
        return self.started_s + self.patience.completion_s_per_gib * gib

    @property
    def sent_bytes(self) -> float:
        """Bytes sent so far."""
        return 0.0 if self.stream is None else sum(self.stream.sent_of.values())

    def why_not(self) -> str:
        """Say in words how dirtying compares with sending."""
        if self.stream is None or math.isnan(self.dirty_rate):
            return "the first pass was not complete"
        return (
            f"pages get dirty at {format_rate(self.dirty_rate)}, "
            f"the stream has {format_rate(self.stream.flow.rate or self.mean_rate)}"
        )

    @property
    def mean_rate(self) -> float:
        """Mean rate of the stream while it ran, in bytes per second."""
        elapsed = self.ended_s - self.stream_s
        return self.sent_bytes / elapsed if elapsed > 0 else math.nan

    # ------------------------------------------------------------------ records

    def record_round(
        self,
        kind: str,
        began: float,
        pending: float,
        sent: float,
        pages: float,
        *,
        new: float = 0.0,
        threshold: float = 0.0,
        throttle: float = 0.0,
    ) -> None:
        """Write a row of the rounds table."""
        self.world.recorder.add(
            "rounds",
            guest=self.guest.name,
            started_s=self.started_s,
            round=self.rounds + (kind == "switch-over"),
            kind=kind,
            from_s=began,
            to_s=self.world.env.now,
            pending_pages=pending,
            sent_bytes=sent,
            sent_pages=pages,
            dirtied_pages=new,
            threshold_bytes=threshold,
            throttle=throttle,
        )

    def record(self) -> None:
        """Write the row of the migrations table, once."""
        if self._recorded:
            return
        self._recorded = True
        guest, hints, stream = self.guest, self.hints, self.stream
        completed = self.outcome.startswith("completed")
        sent_of = {} if stream is None else stream.sent_of
        self.world.recorder.add(
            "migrations",
            guest=guest.name,
            group=guest.profile.group,
            hinting=guest.profile.policy.name,
            source=self.source.name,
            destination=self.destination.name,
            outcome=self.outcome,
            reason=self.reason,
            requested_s=self.requested_s,
            started_s=self.started_s,
            stream_s=self.stream_s,
            ended_s=self.ended_s,
            total_time_s=self.ended_s - self.started_s,
            disk_s=self.disk_s,
            policy_s=self.policy_s,
            downtime_s=self.downtime_s,
            unreachable_s=self.settings.announce if self.outcome == "completed" else 0.0,
            rounds=self.rounds,
            memory_bytes=guest.memory_bytes,
            sent_bytes=self.sent_bytes,
            first_pass_bytes=sent_of.get("first pass", 0.0),
            resent_bytes=sent_of.get("re-sent", 0.0),
            switchover_bytes=sent_of.get("switch-over", 0.0),
            prefetch_bytes=hints.fetched_bytes,
            disk_copy_bytes=0.0 if self.disk is None else self.disk.copied_bytes,
            mirror_bytes=0.0 if self.disk is None else self.disk.mirrored_bytes,
            normal_pages=0.0 if stream is None else stream.normal,
            delta_pages=0.0 if stream is None else stream.deltas,
            zero_pages=0.0 if stream is None else stream.zero,
            skipped_pages=hints.skipped,
            mapped_pages=hints.mapped,
            ballooned_pages=hints.ballooned,
            dropped_pages=hints.dropped,
            huge_bytes=self.huge_bytes,
            interactions=hints.interactions,
            left_bytes=0.0 if completed else self._left_bytes(),
            dirty_bytes_per_s=self.dirty_rate,
            bandwidth_bytes_per_s=self.mean_rate,
        )

    def _left_bytes(self) -> float:
        if self.stream is None:
            return self.guest.memory_bytes
        return self.guest.memory.pending * PAGE
