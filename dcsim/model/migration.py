"""One migration, from admission to outcome. Seconds, bytes and pages of 4096 bytes.

Read `Migration.run` from top to bottom for what happens to a guest, and below it how that ends. The
rounds are in `dcsim.model.precopy`, what comes after the guest in `dcsim.model.following`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Generator
from typing import Any

import simpy

from dcsim.model import precopy
from dcsim.model.convergence import AutoConverge, Brakes
from dcsim.model.diskcopy import DiskCopy, LocalDisk
from dcsim.model.following import follow, go_ahead
from dcsim.model.guest import Guest
from dcsim.model.hinting import Hints
from dcsim.model.host import Host
from dcsim.model.network import Flow
from dcsim.model.patience import Patience, Watch
from dcsim.model.routing import Path
from dcsim.model.rows import migration_row, round_row
from dcsim.model.stream import Settings, Stream
from dcsim.model.transport import Block
from dcsim.model.world import Phase, World
from dcsim.units import PAGE, GiB, format_rate

OUT_OF_MEMORY = "the guest ran out of memory with the balloon inflated"


class Migration:
    """One migration of one guest to a host that has reserved memory for it."""

    __slots__ = (
        "_broken", "_recorded", "_round", "after", "ahead_at", "attempt", "brakes", "destination",
        "dirty_rate", "disk", "disk_s", "downtime_s", "drifts", "ended_s", "faulted", "found_pages",
        "guest", "hints", "huge_bytes", "operation", "outcome", "patience", "paused_at", "policy_s",
        "reason", "requested_s", "rounds", "settings", "source", "started_s", "stream", "stream_s",
        "syncs", "watch", "world",
    )  # fmt: skip

    def __init__(
        self,
        world: World,
        guest: Guest,
        destination: Host,
        *,
        settings: Settings,
        patience: Patience,
        requested_s: float,
        attempt: int = 1,
        operation: str = "",
        after: str = "",
    ) -> None:
        assert guest.host is not None
        now = world.env.now
        self.world = world
        self.guest = guest
        self.source = guest.host
        self.destination = destination
        self.settings = settings
        self.patience = patience
        self.watch = Watch(patience, settings, gib=guest.memory_bytes / GiB, started_s=now)
        policy = guest.profile.policy
        if settings.post_copy is not None:
            policy = policy.without_hints()
        self.hints = Hints(guest, policy)
        self.drifts = bool(policy.steps) or guest.profile.drifts
        self.brakes: Brakes | None = None
        self.disk: DiskCopy | None = None
        self.stream: Stream | None = None
        self.requested_s = requested_s
        self.attempt = attempt
        self.operation = operation
        self.after = after
        self.started_s = now
        self.stream_s = self.ended_s = self.paused_at = self.ahead_at = math.nan
        self.disk_s = self.policy_s = self.downtime_s = 0.0
        self.rounds = self.syncs = 0
        self.found_pages = self.faulted = 0.0
        self.dirty_rate = self.huge_bytes = math.nan
        self.outcome = ""
        self.reason = ""
        self._broken: tuple[str, str] | None = None
        self._recorded = False
        self._round: tuple[float, float, float, float] | None = None

    # ------------------------------------------------------------------ the story

    def run(self) -> Generator[simpy.Event, Any]:
        """One live migration, from admission to outcome."""
        env, guest, settings = self.world.env, self.guest, self.settings
        yield from self.wait_for_management()
        copied = True
        if guest.profile.local_disk is not None and settings.block is not None:
            copied = yield from self.copy_disk(guest.profile.local_disk, settings.block)
        if self.broken():
            return self.fail_broken()
        if not copied:
            late = self.watch.late(env.now)
            outcome = late.outcome if late is not None else "aborted-no-progress"
            return self.fail(outcome, "its disk took all the time there was")
        self.reach("policy")
        guest.enter("policy")
        if guest.profile.policy.steps:
            yield from self.apply_policy()
        if guest.ran_out():
            return self.lose_guest()
        if self.broken():
            return self.fail_broken()
        late = self.watch.late(env.now)
        if late is not None and late.action == "abort":
            return self.fail(late.outcome, f"{late.reason}: the policy took all the time there was")

        stream = self.start_stream()
        entries = self.hints.after_log()
        if self.drifts:
            guest.look()
        if self.hints.races:
            env.process(self.hints.race())
        verdict = None
        kind, start = "first pass", precopy.begin_round(self, stream)
        self.reach("first-pass")
        if entries > 0:
            yield stream.send_raw(entries, limited=True)
            guest.pass_time()
        while True:
            fits_s = self.watch.downtime_limit if settings.window > 0 else 0.0
            yield from stream.send_round(kind, fits_s=fits_s, until_s=self.watch.deadline_s)
            if settings.window > 0 and not guest.ran_out():
                # decisions fall at the end of the window; until then it goes on sending
                until_s = precopy.window_end(self, start)
                yield from stream.send_round(kind, fits_s=0.0, until_s=until_s)
            left, fits = precopy.end_round(self, stream, kind, start)
            if guest.ran_out():
                return self.lose_guest()
            if self.broken():
                return self.fail_broken()
            if fits or self.rounds >= settings.max_rounds:
                break
            verdict = self.watch.sync(env.now, left=left, rounds=self.rounds)
            if verdict is not None:
                self.reason = f"{verdict.reason}; {self.why_not()}"
                if verdict.action == "abort":
                    return self.fail(verdict.outcome, self.reason)
                self.world.event(verdict.action, guest.name, self.reason)
                break
            self.hints.after_sync()
            kind, start = "re-sent", precopy.begin_round(self, stream)

        guest.pause(cause="blackout")
        self.paused_at = env.now
        self.reach("switch-over")
        if verdict is not None and verdict.action == "post-copy":
            assert settings.post_copy is not None
            yield from go_ahead(self, stream, settings.post_copy)
            if math.isnan(self.ahead_at):
                return self.fail_broken()
            self.reach("post-copy")
            yield from follow(self, stream, settings.post_copy)
            self.end_stream()
            self.source.release(guest)
            if guest.ran_out():
                guest.perish(cause="memory")
                self.end("guest-oom", OUT_OF_MEMORY)
                return self.record()
            if self.broken():
                return self.lose_pages()
            self.end("completed-postcopy", self.reason)
        else:
            yield from precopy.switch_over(self, stream)
            if self.broken():
                return self.fail_broken()
            self.end_stream()
            self.arrive()
            self.end("completed", self.reason)

    def reach(self, phase: Phase) -> None:
        """Tell who waits for it that a phase begins."""
        if self.world.moments:
            waiting = self.world.moments.pop((self.guest.name, phase), None)
            if waiting is not None:
                waiting.succeed(self)

    def wait_for_management(self) -> Generator[simpy.Event]:
        """Let management take its own time before anything is done."""
        self.reach("waiting")
        own_s = self.world.control_plane.takes_s(self.patience.control_plane_s)
        if own_s > 0:
            yield self.world.env.timeout(own_s)

    def copy_disk(self, disk: LocalDisk, block: Block) -> Generator[simpy.Event, Any, bool]:
        """Copy the guest's local disk; return whether that was done in time."""
        began = self.world.env.now
        self.disk = DiskCopy(self.world.network, disk, *self.disk_paths, bandwidth=block.bandwidth)
        done = yield from self.disk.run(until_s=self.watch.deadline_s)
        self.disk_s = self.world.env.now - began
        return done

    def apply_policy(self) -> Generator[simpy.Event, Any]:
        """Let the policy take from the guest what has to be gone before the first page is sent."""
        env, guest = self.world.env, self.guest
        asked = env.now
        self.adapt()
        if len(self.hints.policy.steps) < len(guest.profile.policy.steps):
            why = "its hints do nothing: migrations may go to post-copy"
            self.world.event("hinting", guest.name, why)
        yield from self.hints.before_log(until_s=self.watch.deadline_s)
        listing = self.hints.listing_s()
        if listing > 0:
            guest.look()
            yield env.timeout(listing)
        self.policy_s = env.now - asked

    def adapt(self) -> None:
        """Let a policy that adapts choose how much of its cache this guest gives up."""
        guest, hints = self.guest, self.hints
        for step in hints.policy.steps:
            if step.adapt is None:
                continue
            from dcsim.model.adaptive import best_share  # few policies adapt
            from dcsim.model.outlook import Outlook

            guest.pass_time()
            outlook = Outlook.of(
                guest,
                hints.policy,
                self.settings,
                wire=self.world.network.narrowest(self.path),
                source=self.source,
                destination=self.destination,
            )
            share = best_share(outlook, guest.memory, step)
            hints.policy = hints.policy.with_share(step, share)
            self.world.event("adapted", guest.name, f"gives up {100 * share:.3g} % of its cache")

    @property
    def path(self) -> Path:
        """The way that the stream takes."""
        return self.world.path(self.source, self.destination, self.guest.name, "migration")

    @property
    def disk_paths(self) -> tuple[Path, Path]:
        """The ways of a local disk's copy and of its mirrored writes."""
        source, destination, disks = self.source.node, self.destination.node, self.world.disks
        path = self.world.path(self.source, self.destination, self.guest.name, "disk")
        return disks.between(path, source, destination), disks.onto(path, destination)

    def reroute(self) -> None:
        """Let all of it go as its way is now: links went down, or are up again."""
        if self.stream is not None:
            self.world.network.reroute(self.stream.flow, self.path)
        if self.disk is not None:
            self.disk.reroute(*self.disk_paths)
        self.hints.reroute()

    def start_stream(self) -> Stream:
        """Switch the dirty log on and begin to send."""
        env, guest, settings = self.world.env, self.guest, self.settings
        guest.pass_time()
        guest.enter("migration")
        log = settings.dirty_log
        guest.memory.scan.start(per_chunk=log != "at-sync", guard=log == "per-chunk-guarded")
        self.stream = Stream(self.world.network, guest, self.path, settings)
        self.stream_s = env.now
        self.watch.stream(self.stream_s)
        if guest.huge is not None:
            self.huge_bytes = guest.huge.huge * PAGE
        guest.stream = self.stream
        guest.write_fault_s = settings.write_fault
        brake = settings.auto_converge or settings.dirty_limit
        if brake is not None:
            self.brakes = Brakes(
                guest, brake, lambda what: self.world.event("slowed", guest.name, what)
            )
            if isinstance(brake, AutoConverge) and brake.sync_every < math.inf:
                env.process(precopy.sync_often(self, self.stream, brake.sync_every))
        if self.watch.next_step_s < math.inf:
            env.process(precopy.climb(self, self.stream))
        self.run_threads(self.stream.cores)
        return self.stream

    def run_threads(self, cores: float) -> None:
        """Start (or, negative, end) threads that take so much CPU at either end."""
        if cores != 0:
            for host in (self.source, self.destination):
                host.run_threads(cores)

    def arrive(self) -> None:
        """Start the guest at the destination."""
        guest = self.guest
        guest.move_to(self.destination)
        self.hints.switch_over()
        guest.resume()
        self.downtime_s = self.world.env.now - self.paused_at
        guest.unreachable_s += self.settings.announce

    def settle_in(self) -> Generator[simpy.Event, Any]:
        """At the destination, if it got there: deflate, read what was not sent."""
        if self._recorded:
            return
        if self.hints.policy.steps:
            yield from self.hints.at_destination()
        if self.guest.ran_out():
            self.guest.perish(cause="memory")
            self.outcome, self.reason = "guest-oom", f"after it came: {OUT_OF_MEMORY}"
            self.world.event(self.outcome, self.guest.name, self.reason)
        self.record()

    def run_cold(self) -> Generator[simpy.Event, Any]:
        """Stop the guest and start it anew on the destination."""
        env, guest = self.world.env, self.guest
        yield from self.wait_for_management()
        if self.broken():
            return self.fail_broken()
        guest.disturb()
        guest.pause(cause="restart")
        self.paused_at = env.now
        self.reach("switch-over")
        yield env.timeout(self.settings.cold_restart)
        if self.broken():
            return self.fail_broken()
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
        self.guest.perish(cause="memory")
        self.fail("guest-oom", OUT_OF_MEMORY)

    def broken(self) -> bool:
        """Whether what it needs has failed."""
        return self._broken is not None

    def fail_broken(self) -> None:
        """Give up for a failure; a guest that was paused goes on, if its host did not fail."""
        assert self._broken is not None
        if not math.isnan(self.paused_at):
            self.downtime_s = self.world.env.now - self.paused_at
            if not self.guest.perished:
                self.guest.resume()
        self.fail(*self._broken)

    def lose_pages(self) -> None:
        """The guest is lost: pages that it has not got will never come."""
        assert self._broken is not None
        outcome, reason = self._broken
        self.guest.perish(cause="failure")
        self.end(outcome, f"{reason}, in post-copy: the guest is lost with its pages")
        self.record()

    def crosses(self, links: Collection[int]) -> bool:
        """Whether its stream, or the copy of its disk, goes over one of these links now."""
        used = set() if self.stream is None else set(self.stream.flow.links)
        if self.disk is not None:
            used |= set(self.disk.links)
        return not self.outcome and not used.isdisjoint(links)

    def break_off(self, outcome: str, reason: str) -> None:
        """Let it end soon, because what it needs has failed."""
        if not self.outcome and not self.broken():
            self._broken = outcome, reason
            if self.disk is not None:
                self.disk.stop()
            if self.stream is not None:
                self.stream.stop()

    @property
    def may_be_cancelled(self) -> bool:
        """Whether it is under way, and its guest not at the destination without its pages."""
        return not self.outcome and not self.broken() and math.isnan(self.ahead_at)

    def cancel(self, reason: str) -> None:
        """End it as the run ends, whatever its state."""
        if not self.outcome:
            self.guest.pass_time()
            if self.stream is not None:
                self.stream.collect()
            self.give_room_back()
            if not math.isnan(self.ahead_at):
                reason = f"{reason}, in post-copy: it runs on {self.destination.name}"
            self.end("cancelled", f"{reason}; {self.why_not()}" if self.rounds > 1 else reason)
        self.record()

    def forsake(self, reason: str) -> None:
        """End it at once, in whatever phase, as its guest leaves; one that has settled stays so."""
        self.hints.close()
        if not self.outcome:
            if self.guest.stream is not None:
                self.end_stream()
            self.give_room_back()
            self.end("cancelled", reason)
        self.record()

    def give_room_back(self) -> None:
        """Release what is reserved where the guest is not, in the middle of it all."""
        if not math.isnan(self.ahead_at):
            return self.source.release(self.guest)
        if not math.isnan(self.paused_at):
            self.downtime_s = self.world.env.now - self.paused_at
        self.destination.release(self.guest)

    @property
    def flows(self) -> list[Flow]:
        """What it sent its pages and its disk over."""
        flows = [] if self.stream is None else [self.stream.flow]
        return flows if self.disk is None else [*flows, *self.disk.flows]

    def end_stream(self) -> None:
        """Switch the dirty log off and end the stream."""
        assert self.stream is not None
        self.guest.pass_time()
        self.stream.collect()
        if self.brakes is not None:
            self.brakes.release()
        if self.guest.absent is not None:
            self.faulted = self.guest.absent.end()
            self.guest.absent = None
        self.guest.stream = None
        self.stream.close()
        self.run_threads(-self.stream.cores)

    def end(self, outcome: str, reason: str = "") -> None:
        """Note the outcome."""
        self.reach("after")
        self.guest.enter("after")
        self.outcome, self.reason = outcome, reason
        if self.disk is not None:
            self.disk.close()
        self.ended_s = self.world.env.now
        words = (reason,) if reason else (self.source.name, "to", self.destination.name)
        self.world.event(outcome, self.guest.name, *words)

    @property
    def sent_bytes(self) -> float:
        """Bytes sent so far."""
        return 0.0 if self.stream is None else self.stream.sent

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

    def record(self) -> None:
        """Write its row, once."""
        if not self._recorded:
            self._recorded = True
            self.world.recorder.row("migrations", migration_row(self))
            if self.stream is not None:
                self.guest.forget()

    def begin_round(self, stream: Stream) -> None:
        """Note how things are as a round begins, if its row is wanted."""
        if self.world.keeps_rounds:
            pending = self.guest.memory.scan.pending
            self._round = self.world.env.now, pending, stream.sent, stream.pages

    def end_round(
        self,
        stream: Stream,
        kind: str,
        *,
        new: float = 0.0,
        threshold: float = 0.0,
        throttle: float = 0.0,
    ) -> None:
        """Write the row of a round that ends now; see `round_row`."""
        if self._round is not None:
            began, pending, sent, pages = self._round
            row = round_row(
                self,
                kind,
                began=began,
                pending=pending,
                sent=stream.sent - sent,
                pages=stream.pages - pages,
                new=new,
                threshold=threshold,
                throttle=throttle,
            )
            self.world.recorder.row("rounds", row)
