"""How guests are moved: hinting policies, settings of a migration, operators' limits."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from dcsim.scenario import presets
from dcsim.scenario.base import Later, Spec, wrong
from dcsim.scenario.convergence import (
    DowntimeSteps,
    OptionalAutoConverge,
    OptionalDirtyLimit,
    OptionalPostCopy,
    OptionalRetry,
)
from dcsim.scenario.quantities import Count, Duration, Positive, Rate, Share, Size, written
from dcsim.scenario.transport import OptionalBlock, OptionalEncryption, OptionalMultifd, Xbzrle


class Adapt(Spec):
    """A cost by which each guest's share of cache is chosen, the least that is expected."""

    lost_second: Size = Field(
        description="bytes over the network that are as bad as a second of a guest's lost work"
    )
    within: Duration = Field(
        default=written("1h"), description="what is lost and read again for so long after counts"
    )


class Step(Spec):
    """One step of a hinting policy: which pages, how they are told, when they come back."""

    select: list[Literal["free", "cold-cache", "clean-cache"]] = Field(min_length=1, max_length=2)
    share: Share = Field(default=1.0, description="of the clean cache selected, coldest first")
    adapt: Annotated[Adapt | None, Later()] = Field(
        default=None, description="each guest gives up the share, up to this one, that costs least"
    )
    limit: Literal["none", "mem-free", "mem-available"] = Field(
        default="none", description="the /proc/meminfo figure that bounds the amount"
    )
    reserve: Size = Field(default=0.0, description="left with the guest below that limit")
    tell: Literal["list", "hint", "report", "balloon", "drop", "map"]
    block_pages: Count = Field(
        default=1, ge=1, le=2**18, description="the unit told; a page list merges runs"
    )
    blocks_per_interaction: Count = Field(
        default=256, ge=1, le=2**30, description="blocks told in one exchange of guest and host"
    )
    per_interaction: Duration = Field(
        default=0.0, description="time of one exchange of guest and host"
    )
    per_page: Duration = Field(default=0.0, description="guest time for each page taken")
    per_block: Duration = Field(default=0.0, description="host time for each block told")
    per_eviction: Duration = Field(
        default=0.0, description="balloon: guest time for each cache page that has to go for it"
    )
    returned: Literal["at-once", "migration-end", "destination", "on-use"] = "at-once"
    deflate_on_oom: bool = Field(
        default=True, description="balloon: give pages back rather than kill"
    )

    @model_validator(mode="after")
    def _sense(self) -> Self:
        if problem := presets.check_step(self):
            raise wrong(problem)
        return self


class Hinting(Spec):
    """A hinting policy: data, no code."""

    name: str = Field(default="inline", max_length=200)
    zero_pages: bool = Field(default=True, description="zero pages are found and sent as 9 bytes")
    steps: list[Step] = Field(default=[], max_length=8)

    @model_validator(mode="after")
    def _one_adapts(self) -> Self:
        if sum(step.adapt is not None for step in self.steps) > 1:
            raise wrong("only one step can adapt: the others are what it reckons with", "steps")
        return self

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, value: Any) -> Any:
        return presets.resolve_hinting(value)


class Migration(Spec):
    """How one migration is done. Defaults are QEMU's; `hypervisor` names a set of them."""

    hypervisor: str = Field(default="qemu-10", max_length=200)
    max_bandwidth: Annotated[Rate, Positive] | None = Field(
        description="cap of the stream; unset: none"
    )
    flush_pages: Count = Field(
        ge=0,
        le=2**20,
        description="each window's quota of the cap is overrun to the next so many pages; 0: exact",
    )
    downtime_limit: Duration = Field(description="pause that the stop rule aims at")
    window: Duration = Field(
        description="bandwidth is measured, and stopping decided, once a window; 0: always"
    )
    page_header: Size = Field(description="bytes beside each page sent")
    zero_page: Size = Field(description="bytes of a zero page")
    device_state: Size = Field(
        description="bytes sent while the guest is stopped, beside its pages"
    )
    scan_zero: Duration = Field(description="sending thread's time for a zero page")
    scan_ballooned: Duration = Field(
        description="the same where a balloon took the page 4 KiB at a time"
    )
    send_page: Duration = Field(description="sending thread's time for a page sent")
    thread_cores: float = Field(
        ge=0, le=64, description="CPU of the sending and of the receiving thread"
    )
    write_fault: Duration = Field(
        description="guest's stall at the first write to a page after a sync"
    )
    dirty_log: Literal["at-sync", "per-chunk", "per-chunk-guarded"] = Field(
        description="when a page's log is cleared: at the sync; just before it is sent; the same, "
        "but all memory is write-protected at the start too"
    )
    activation: Duration = Field(
        description="stopping, devices and starting at the destination, while paused"
    )
    announce: Duration = Field(
        description="until the network has learnt the new place, after the pause"
    )
    cold_restart: Duration = Field(
        description="cold moves: from stop to running at the destination"
    )
    max_rounds: Annotated[Count, Field(ge=1)] | None = Field(
        description="stop and copy after so many rounds; unset: no limit"
    )
    auto_converge: OptionalAutoConverge = Field(
        default=None, description="take CPU from a guest that dirties too fast; true: as QEMU does"
    )
    dirty_limit: OptionalDirtyLimit = Field(
        default=None, description="limit what each vCPU dirties; true: as QEMU does"
    )
    post_copy: OptionalPostCopy = Field(
        default=None, description="let pages follow the guest; true: when a timeout or step asks"
    )
    downtime_steps: Annotated[DowntimeSteps | None, Later()] = Field(
        default=None, description="a ladder of downtime limits, by its name or written out"
    )
    multifd: OptionalMultifd = Field(
        default=None, description="channels with threads of their own; unset: one sending thread"
    )
    xbzrle: Annotated[Xbzrle | None, Later()] = Field(
        default=None, description="deltas of pages sent again"
    )
    encryption: OptionalEncryption = Field(
        default=None, description="TLS, or a tunnel, for all but disks"
    )
    block: OptionalBlock = Field(
        default=None, description="copy local disks; unset: guests that have one do not move live"
    )

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, value: Any) -> Any:
        return presets.resolve_migration(value)

    @model_validator(mode="after")
    def _converges(self) -> Self:
        if self.auto_converge is not None and self.dirty_limit is not None:
            raise wrong("auto_converge and dirty_limit exclude each other [C.4]", "dirty_limit")
        ladder = self.downtime_steps.steps if self.downtime_steps is not None else []
        if self.post_copy is None and any(step.action == "post-copy" for step in ladder):
            raise wrong("a step switches to post-copy: set post_copy", "downtime_steps")
        return self

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.multifd is not None and self.xbzrle is not None:
            raise wrong("does not go with multifd", "xbzrle")  # refused by QEMU [C.8]
        tunnel = self.encryption is not None and self.encryption.by == "tunnel"
        if self.multifd is not None and tunnel:
            raise wrong("a tunnel carries one stream: no multifd", "encryption", "by")
        return self


class Cost(Spec):
    """What migrations cost a host or a storage pool, in units of the operator's."""

    most: Count = Field(ge=1, le=1_000_000, description="what all at once may cost")
    live: Count = Field(default=1, ge=0, description="one that leaves disks where they are")
    disk: Count = Field(default=1, ge=0, description="one that copies a local disk")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for key in ("live", "disk"):
            if getattr(self, key) > self.most:
                raise wrong(f"{getattr(self, key)} is more than most {self.most}", key)
        return self


class Slots(Spec):
    """How many migrations a host's link carries, if it is as fast as this."""

    link: Annotated[Rate, Positive] = Field(description="rate of the host's link")
    most: Count = Field(ge=1, description="migrations out of the host and into it at once")


LinkClass = Literal["host", "uplink", "core", "wan", "migration"]
"""Links that migrations go over, by where they are."""


class Limits(Spec):
    """What an operator allows at once, and for how long. Unset: no limit."""

    name: str = Field(default="inline", max_length=200)
    per_cluster: Count | None = Field(default=None, ge=1)
    per_host_out: Count | None = Field(default=None, ge=1)
    per_host_in: Count | None = Field(default=None, ge=1)
    per_host: Count | None = Field(default=None, ge=1, description="out and in together")
    per_link: dict[LinkClass, Annotated[Count, Field(ge=1)]] | None = Field(
        default=None, description="on any one link of a class, such as uplink or wan, each way"
    )
    per_pool: Count | None = Field(
        default=None, ge=1, description="copies of local disks from and to the disks of a host"
    )
    host_slots: Annotated[list[Slots] | None, Field(min_length=1, max_length=16)] = Field(
        default=None,
        description="out and in together, by how fast the host's link is: the fastest that fits",
    )
    host_cost: Annotated[Cost | None, Later()] = Field(
        default=None, description="units that migrations cost the host at either end"
    )
    pool_cost: Annotated[Cost | None, Later()] = Field(
        default=None,
        description="units that they cost storage: a host's disks, or what all share",
    )
    control_plane: Duration = Field(
        default=0.0, description="management's own time for a migration, before it"
    )
    completion_timeout_per_gib: Annotated[Duration, Positive] | None = Field(
        default=None, description="aborted after this times the guest's GiB"
    )
    completion_timeout_floor: Annotated[Size, Positive] | None = Field(
        default=None, description="smaller guests are given the time of so much memory"
    )
    completion_timeout: Annotated[Duration, Positive] | None = Field(
        default=None, description="aborted after so long, whatever its size"
    )
    progress_timeout: Annotated[Duration, Positive] | None = Field(
        default=None, description="aborted when what is left has not reached a new low for so long"
    )
    on_timeout: Literal["abort", "force-complete", "post-copy"] = Field(
        default="abort", description="instead of aborting: stop and copy, or switch to post-copy"
    )
    cancel_after: Annotated[Duration, Positive] | None = Field(
        default=None, description="the operator cancels a migration that takes longer"
    )
    retry: OptionalRetry = Field(
        default=None, description="after an abort or a failure; true: three attempts"
    )

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, value: Any) -> Any:
        return presets.resolve_limits(value)

    @model_validator(mode="after")
    def _slots_rise(self) -> Self:
        rates = [slots.link for slots in self.host_slots or []]
        if rates != sorted(set(rates)):
            raise wrong("links must get faster from one to the next", "host_slots")
        return self

    @model_validator(mode="after")
    def _timeouts(self) -> Self:
        if self.completion_timeout_floor is not None and self.completion_timeout_per_gib is None:
            message = "means nothing without completion_timeout_per_gib"
            raise wrong(message, "completion_timeout_floor")
        if self.on_timeout != "abort" and self._idle():
            raise wrong("means nothing without a timeout", "on_timeout")
        return self

    def _idle(self) -> set[str]:
        timeouts = ("completion_timeout_per_gib", "completion_timeout", "progress_timeout")
        return {"on_timeout"} if all(getattr(self, key) is None for key in timeouts) else set()
