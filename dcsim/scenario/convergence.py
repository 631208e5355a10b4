"""What hypervisor and management do when a migration does not converge. All of it is off at first.

Defaults are QEMU's; labels such as [C.4] are sections of docs/facts.md.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from dcsim.scenario import presets
from dcsim.scenario.base import Later, Spec, switch, wrong
from dcsim.scenario.quantities import Count, Duration, Positive, Rate, Share, Size, written


class AutoConverge(Spec):
    """Take CPU from all vCPUs, more and more, until the guest dirties less than is sent [C.4]."""

    trigger: Annotated[Share, Positive] = Field(
        default=0.5, description="strike: dirtied in share of what was sent meanwhile"
    )
    initial: Annotated[Share, Positive] = Field(
        default=0.2, description="CPU taken at the second strike"
    )
    increment: Annotated[Share, Positive] = Field(
        default=0.1, description="CPU taken in addition at every second strike after it"
    )
    most: Annotated[Share, Field(gt=0, lt=1)] = Field(default=0.99, description="CPU taken at most")
    tailslow: bool = Field(
        default=False, description="take in addition no more than dirtying seems to need"
    )
    sync_every: Annotated[Duration, Positive] | None = Field(
        default=written("5s"),
        description="after the first pass, sync at least this often; null: at the end of rounds",
    )

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.initial > self.most:
            raise wrong(f"initial {self.initial:g} is more than most {self.most:g}", "initial")
        return self


class DirtyLimit(Spec):
    """Let vCPUs that dirty too much sleep: a quota for each of them, by KVM's dirty ring [C.4]."""

    trigger: Annotated[Share, Positive] = Field(
        default=0.5, description="strike: dirtied in share of what was sent meanwhile"
    )
    rate: Annotated[Rate, Positive] = Field(
        default=written("1MB/s"), description="quota of each vCPU, from the second strike on"
    )
    period: Annotated[Duration, Positive] = Field(
        default=written("1s"), description="rates are measured, and sleep adjusted, once a period"
    )
    tolerance: Rate = Field(
        default=written("25MB/s"), description="difference to the quota that is left as it is"
    )
    most: Annotated[Share, Field(gt=0, lt=1)] = Field(
        default=0.99, description="of its time that a vCPU sleeps at most"
    )


class PostCopy(Spec):
    """Start the guest at the destination before all its pages are there; they follow [C.5]."""

    start: Literal["asked", "stuck", "first-pass"] = Field(
        default="asked", description="when: asked for, not converging, or after the first pass"
    )
    after: Duration | None = Field(
        default=None,
        description="asked: so long after the first byte; unset: when a timeout or a step asks",
    )
    rounds: Annotated[Count, Field(ge=1)] | None = Field(
        default=None, description="stuck: after so many rounds"
    )
    no_new_low: Annotated[Duration, Positive] | None = Field(
        default=None, description="stuck: when what is left has reached no new low for so long"
    )
    fault: Duration = Field(
        default=written("10ms"),
        description="wait for a page touched before it is there; with a channel of its own 0.23ms",
    )
    max_bandwidth: Annotated[Rate, Positive] | None = Field(
        default=None, description="cap of the stream in post-copy; unset: as before"
    )
    register_page: Duration = Field(
        default=written("55ns"),
        description="for each page not there yet, while the guest is paused",
    )

    @model_validator(mode="after")
    def _when(self) -> Self:
        if self.start != "asked" and self.after is not None:
            raise wrong(f"means nothing with start: {self.start}", "after")
        for key in ("rounds", "no_new_low"):
            if self.start != "stuck" and getattr(self, key) is not None:
                raise wrong(f"means nothing with start: {self.start}", key)
        if self.start == "stuck" and self.rounds is None and self.no_new_low is None:
            raise wrong("stuck needs rounds or no_new_low, which say when it is", "start")
        return self


class Rung(Spec):
    """One step of a ladder: what happens, and when."""

    downtime_limit: Annotated[Duration, Positive] | None = Field(
        default=None, description="the downtime limit from here on"
    )
    action: Literal["abort", "force-complete", "post-copy"] | None = Field(
        default=None, description="instead: give up, stop and copy, or switch to post-copy"
    )
    stalls: Annotated[Count, Field(ge=1)] | None = Field(
        default=None, description="after so many syncs that left no new low"
    )
    rounds: Annotated[Count, Field(ge=1)] | None = Field(
        default=None, description="after so many rounds"
    )
    after_per_gib: Duration | None = Field(
        default=None, description="after this times the guest's GiB"
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for pair in (("downtime_limit", "action"), ("stalls", "rounds", "after_per_gib")):
            if sum(getattr(self, key) is not None for key in pair) != 1:
                raise wrong(f"give one of {', '.join(pair)}")
        return self


class DowntimeSteps(Spec):
    """How management raises the downtime limit of a migration that does not converge."""

    name: str = Field(default="inline", max_length=200)
    start: Annotated[Duration, Positive] = Field(
        description="the downtime limit at first, instead of the migration's"
    )
    cooldown: Duration = Field(default=0.0, description="from one step to the next at least")
    memory_at_least: Size = Field(default=0.0, description="smaller guests count as this large")
    steps: list[Rung] = Field(min_length=1, max_length=64, description="taken in this order")

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, value: Any) -> Any:
        return presets.resolve_downtime_steps(value)

    @model_validator(mode="after")
    def _sense(self) -> Self:
        timed = [step.after_per_gib for step in self.steps if step.after_per_gib is not None]
        if timed and len(timed) < len(self.steps):
            raise wrong("steps come by time, or by stalls and rounds, not both", "steps")
        if timed != sorted(timed):
            raise wrong("times must not go back", "steps")
        if timed and self.cooldown > 0:
            raise wrong("means nothing where steps have their times", "cooldown")
        if self.memory_at_least > 0 and not timed:
            raise wrong("means nothing where steps have no times", "memory_at_least")
        for i, step in enumerate(self.steps[:-1]):
            if step.action is not None:
                raise wrong(f"nothing follows {step.action}", "steps", i + 1)
        return self


class Retry(Spec):
    """What is done when a migration was aborted or has failed: try again, later."""

    attempts: Annotated[Count, Field(ge=2, le=100)] = Field(
        default=3, description="the first one included"
    )
    delay: Duration = Field(default=written("10s"), description="before the second")
    factor: float = Field(
        default=2.0, ge=1, le=100, description="each further delay, times the one before"
    )


OptionalAutoConverge = Annotated[AutoConverge | None, Later(), BeforeValidator(switch)]
OptionalDirtyLimit = Annotated[DirtyLimit | None, Later(), BeforeValidator(switch)]
OptionalPostCopy = Annotated[PostCopy | None, Later(), BeforeValidator(switch)]
OptionalRetry = Annotated[Retry | None, Later(), BeforeValidator(switch)]
