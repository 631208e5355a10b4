"""Management's eye on one migration: what it raises, when it has had enough, and what then.

It raises the downtime limit by steps, and looks at each sync whether a time limit has passed or the
migration is stuck. Plain state, no clock. Seconds, bytes and GiB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from dcsim.model.postcopy import PostCopy
from dcsim.units import PAGE, format_duration

if TYPE_CHECKING:
    from dcsim.model.stream import Settings

SLACK_S = 1e-9
"""What the clock may fall short of a time that has come."""

Action = Literal["abort", "force-complete", "post-copy"]
"""Give up; stop the guest and copy the rest; let the guest go before its pages."""


class Retry(NamedTuple):
    """When a migration that came to nothing is tried again."""

    attempts: int
    delay: float
    factor: float

    def delay_s(self, attempt: int) -> float:
        """Return how long after the end of this attempt the next one may start."""
        return self.delay * self.factor ** (attempt - 1)


class Patience(NamedTuple):
    """How long management takes and waits; infinite where it has no limit.

    Attributes
    ----------
    control_plane_s
        Its own time before a migration.
    completion_s_per_gib, floor_gib, completion_s
        Time for the whole migration: for each GiB, of a size of at least so much; in all.
    progress_s
        Time without a new low of what is left.
    on_timeout
        What is done when one of these has passed.
    cancel_s
        Time after which the operator cancels.
    retry
        Whether it is tried again.
    """

    control_plane_s: float = 0.0
    completion_s_per_gib: float = math.inf
    floor_gib: float = 0.0
    completion_s: float = math.inf
    progress_s: float = math.inf
    on_timeout: Action = "abort"
    cancel_s: float = math.inf
    retry: Retry | None = None

    def limit_s(self, gib: float) -> float:
        """Return the time that the migration of so much memory may take."""
        if self.completion_s_per_gib == math.inf:
            return self.completion_s
        return min(self.completion_s, self.completion_s_per_gib * max(gib, self.floor_gib))


class Rung(NamedTuple):
    """A step of a ladder; a condition that does not count is 0."""

    downtime_limit: float
    action: Action | None
    stalls: int
    rounds: int
    after_s_per_gib: float


class DowntimeSteps(NamedTuple):
    """A ladder of downtime limits."""

    start: float
    cooldown: float
    floor_gib: float
    steps: tuple[Rung, ...]


class Verdict(NamedTuple):
    """What is to be done about a migration, what it ends in if that is to abort it, and why."""

    action: Action
    outcome: str
    reason: str


class Watch:
    """What management knows of one migration.

    Parameters
    ----------
    patience
        Time limits.
    settings
        The ladder of downtime limits, or the limit that stays; when to switch to post-copy, if
        ever.
    gib
        The guest's memory.
    started_s
        When the migration was admitted.

    Attributes
    ----------
    downtime_limit
        The limit at present.
    deadline_s
        When something is due whatever the round has come to; sending stops for it.
    """

    __slots__ = (
        "_cooldown", "_gib", "_limit_s", "_low", "_post_copy", "_progressed_s", "_raised_s",
        "_rungs", "_stalls", "_started_s", "_streams_s", "deadline_s", "downtime_limit", "patience",
    )  # fmt: skip

    def __init__(
        self, patience: Patience, settings: Settings, *, gib: float, started_s: float
    ) -> None:
        self.patience = patience
        self.downtime_limit = settings.downtime_limit
        self._post_copy = settings.post_copy
        self._limit_s = patience.limit_s(gib)
        self._started_s = started_s
        self._streams_s = self._progressed_s = self._low = math.inf
        self._stalls = 0
        self._rungs: Sequence[Rung] = ()  # those to come
        ends_s = min(self._limit_s, patience.cancel_s)
        steps = settings.downtime_steps
        if steps is not None:
            self.downtime_limit = steps.start
            self._rungs = steps.steps
            self._cooldown, self._raised_s = steps.cooldown, -math.inf
            self._gib = max(gib, steps.floor_gib)
            last = steps.steps[-1]
            if last.action is not None:
                ends_s = min(ends_s, self._due_s(last) or math.inf)
        self.deadline_s = started_s + ends_s

    @property
    def next_step_s(self) -> float:
        """When the next step of the ladder comes by time; infinite where none does."""
        if self._rungs:
            rung = self._rungs[0]
            if rung.after_s_per_gib > 0 and rung.action is None:
                return self._started_s + self._due_s(rung)
        return math.inf

    @property
    def due_s(self) -> float:
        """When something is due of a migration that gets no further; no later, infinite if never.

        That is at once where what is next has to wait for stalls or rounds alone.
        """
        due_s = min(self.deadline_s, self._progressed_s + self.patience.progress_s)
        if self._post_copy is not None:
            if self._post_copy.rounds < math.inf:
                return -math.inf
            due_s = min(due_s, self._progressed_s + self._post_copy.no_new_low)
        if self._rungs:
            rung = self._rungs[0]
            if self._stalls < rung.stalls:
                return -math.inf
            own_s = max(self._started_s + self._due_s(rung), self._raised_s + self._cooldown)
            due_s = min(due_s, own_s)
        return due_s

    def stream(self, now_s: float) -> None:
        """Note that the first byte is sent now."""
        self._streams_s = self._progressed_s = now_s
        if self._post_copy is not None and self._post_copy.start == "asked":
            self.deadline_s = min(self.deadline_s, now_s + self._post_copy.after)

    def late(self, now_s: float) -> Verdict | None:
        """Return what a time limit that has passed asks for."""
        if now_s < self.deadline_s - SLACK_S:
            return None
        if now_s >= self._started_s + self.patience.cancel_s - SLACK_S:
            limit = format_duration(self.patience.cancel_s)
            return Verdict("abort", "cancelled", f"the operator gave up after {limit}")
        if now_s >= self._started_s + self._limit_s - SLACK_S:
            limit = format_duration(self._limit_s)
            reason = f"not complete after {limit}"
            return Verdict(self.patience.on_timeout, "aborted-timeout", reason)
        return None

    def sync(self, now_s: float, *, left: float, rounds: int) -> Verdict | None:
        """Look at a sync that left too much; return what is to be done about it, if anything.

        Parameters
        ----------
        now_s
            The time.
        left
            Bytes left to send.
        rounds
            Rounds so far.
        """
        late = self.late(now_s)
        if late is not None:
            return late
        if left <= self._low - PAGE:  # less than a page less is no new low
            self._low, self._progressed_s = left, now_s
        else:
            self._stalls += 1
        still_s = now_s - self._progressed_s
        if still_s >= self.patience.progress_s:
            reason = f"no new low for {format_duration(self.patience.progress_s)}"
            return Verdict(self.patience.on_timeout, "aborted-no-progress", reason)
        verdict = self.climb(now_s, rounds) if self._rungs else None
        if verdict is None and self._post_copy is not None:
            verdict = self._let_follow(self._post_copy, now_s, rounds, still_s)
        return verdict

    def climb(self, now_s: float, rounds: int) -> Verdict | None:
        """Take the steps of the ladder whose turn has come; return what the last one asks for."""
        while self._rungs:
            rung = self._rungs[0]
            met = self._stalls >= rung.stalls and rounds >= rung.rounds
            due_s = max(self._started_s + self._due_s(rung), self._raised_s + self._cooldown)
            if not met or now_s < due_s - SLACK_S:
                return None
            if rung.action is not None:
                after = f"{self._stalls} stalls" if rung.stalls else f"{rounds} rounds"
                if rung.after_s_per_gib > 0:
                    after = format_duration(now_s - self._started_s)
                reason = f"the last of its downtime steps, after {after}"
                return Verdict(rung.action, "aborted-no-progress", reason)
            self.downtime_limit = rung.downtime_limit
            self._raised_s = now_s
            self._rungs = self._rungs[1:]
        return None

    def _due_s(self, rung: Rung) -> float:
        """Return how long after the start a step comes at the earliest."""
        return rung.after_s_per_gib * self._gib

    def _let_follow(
        self, post_copy: PostCopy, now_s: float, rounds: int, still_s: float
    ) -> Verdict | None:
        """Return whether the time for post-copy has come."""
        if post_copy.start == "first-pass":
            return Verdict("post-copy", "", "post-copy after the first pass")
        if post_copy.start == "asked" and now_s >= self._streams_s + post_copy.after - SLACK_S:
            return Verdict(
                "post-copy", "", f"post-copy asked for after {format_duration(post_copy.after)}"
            )
        if post_copy.start == "stuck":
            if rounds >= post_copy.rounds:
                return Verdict("post-copy", "", f"post-copy after {rounds} rounds")
            if still_s >= post_copy.no_new_low:
                still = format_duration(post_copy.no_new_low)
                return Verdict("post-copy", "", f"post-copy after {still} without a new low")
        return None
