"""What fails while a scenario runs: what, when, and for how long."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from dcsim.errors import did_you_mean
from dcsim.scenario.base import Later, Spec, wrong
from dcsim.scenario.distribution import Distribution
from dcsim.scenario.quantities import Count, Duration, Positive, Share, written


class When(Spec):
    """What a failure waits for: that the migration of a guest reaches a phase."""

    guest: str = Field(max_length=200, description="its name, e.g. database-3")
    phase: Literal["waiting", "policy", "first-pass", "switch-over", "post-copy", "after"] = Field(
        description="waiting: management takes its time, nothing is done yet; after: it has ended"
    )
    after: Duration = Field(default=0.0, description="so long after the phase has begun")


class Fault(Spec):
    """What every failure has: when it happens."""

    at: Duration | None = Field(default=None, description="when; with `every`, the first time")
    every: Distribution | None = Field(
        default=None, description="again and again, from one beginning to the next"
    )
    when: When | None = Field(default=None, description="in the course of a migration instead")
    times: Annotated[Count, Field(ge=1)] | None = Field(
        default=None, description="how often at most; unset: once, with `every` without end"
    )

    @model_validator(mode="after")
    def _timing(self) -> Self:
        if self.when is not None and (self.at is not None or self.every is not None):
            raise wrong("when says it: neither at nor every", "when")
        if self.when is None and self.at is None and self.every is None:
            raise wrong("give at, every or when: it has to happen some time")
        if self.times is not None and self.when is None and self.every is None:
            raise wrong("means nothing without every or when", "times")
        return self


class HostFailure(Fault):
    """A host is lost, and its guests with it."""

    host: str = Field(
        max_length=200,
        description="name pattern, each by itself; with `when`, source or destination too",
    )
    returns_after: Distribution | None = Field(
        default=None, description="then it takes guests again; unset: never"
    )


class LinkFailure(Fault):
    """A link loses the connections that cross it; is down for a time; or carries a share."""

    link: str = Field(max_length=500, description="from->to, a name pattern; fails either way")
    lasts: Distribution | None = Field(
        default=None, description="how long; unset: an instant, which breaks connections"
    )
    capacity: Annotated[Share, Field(gt=0, lt=1)] | None = Field(
        default=None, description="share that it carries meanwhile; unset: nothing"
    )
    breaks_after: Duration | None = Field(
        default=None,
        description="connections that have stood still for so long are lost; 0: all, at once; "
        "unset: 924.6s, as Linux gives up [F.1]",
    )

    @model_validator(mode="after")
    def _of_a_time(self) -> Self:
        for key in ("capacity", "breaks_after"):
            if self.lasts is None and getattr(self, key) is not None:
                raise wrong("means nothing without lasts", key)
        if self.capacity is not None and self.breaks_after is not None:
            raise wrong("means nothing with capacity: nothing stands still", "breaks_after")
        return self


class StorageFailure(Fault):
    """The shared storage is slow, or gone."""

    storage: Literal["slow", "gone"]
    lasts: Distribution
    capacity: Annotated[Share, Positive] | None = Field(
        default=None, description="slow: share of its bandwidth and operations; unset: all"
    )
    latency: Annotated[Duration, Positive] | None = Field(
        default=None, description="slow: in addition, for each read"
    )

    @model_validator(mode="after")
    def _how(self) -> Self:
        given = [key for key in ("capacity", "latency") if getattr(self, key) is not None]
        if self.storage == "slow" and not given:
            raise wrong("give capacity or latency, which say how slow", "storage")
        if self.storage == "gone" and given:
            raise wrong("means nothing for storage that is gone", given[0])
        return self


class ManagementFailure(Fault):
    """The management plane is slow: migrations that begin meanwhile begin later."""

    management: Literal["slow"]
    lasts: Distribution
    factor: float = Field(
        default=1.0, ge=1, le=1e6, description="`limits.control_plane` takes so many times as long"
    )
    delay: Duration = Field(default=written(0), description="and so much longer")

    @model_validator(mode="after")
    def _how(self) -> Self:
        if self.factor == 1 and self.delay == 0:
            raise wrong("give factor or delay, which say how slow", "management")
        return self


class Abort(Fault):
    """The operator cancels migrations, those that wait too; in post-copy there is no way back."""

    abort: str = Field(max_length=200, description="name pattern of guests, e.g. web-*")


SUBJECTS: Final[dict[str, type[Fault]]] = {
    "host": HostFailure,
    "link": LinkFailure,
    "storage": StorageFailure,
    "management": ManagementFailure,
    "abort": Abort,
}
"""What fails, by the key that names it."""


def _subject(value: Any) -> Any:
    """See to it that a failure is of one thing."""
    if isinstance(value, dict) and sum(key in value for key in SUBJECTS) != 1:
        unknown = [str(key) for key in value if key not in Fault.model_fields]
        close = next(filter(None, (did_you_mean(key, SUBJECTS) for key in unknown)), None)
        message = f"give one of {', '.join(SUBJECTS)}: what fails"
        if close is not None and close not in value:
            message += f"; did you mean '{close}'?"
        raise wrong(message)
    return value


def _form(value: Any) -> str:
    if isinstance(value, Spec):
        return type(value).__name__
    named = (part for key, part in SUBJECTS.items() if isinstance(value, dict) and key in value)
    return next(named, HostFailure).__name__


Failure = Annotated[
    Annotated[HostFailure, Later(), Tag("HostFailure")]
    | Annotated[LinkFailure, Later(), Tag("LinkFailure")]
    | Annotated[StorageFailure, Later(), Tag("StorageFailure")]
    | Annotated[ManagementFailure, Later(), Tag("ManagementFailure")]
    | Annotated[Abort, Later(), Tag("Abort")],
    Discriminator(_form),
    BeforeValidator(_subject),
]
"""One failure: of a host, a link, the storage, the management plane; or the operator's abort."""
