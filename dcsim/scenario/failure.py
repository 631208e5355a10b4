"""What fails while a scenario runs."""

from typing import Self

from pydantic import Field, model_validator

from dcsim.scenario.base import Spec, wrong
from dcsim.scenario.quantities import Duration


class Failure(Spec):
    """A host is lost for good, or a link loses the connections that cross it."""

    at: Duration = Field(description="when")
    host: str | None = Field(
        default=None,
        max_length=200,
        description="its name; its guests are lost, and it takes no others",
    )
    link: str | None = Field(
        default=None,
        max_length=500,
        description="from->to; migrations that cross it, either way, break off; it is up again",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.host is None) == (self.link is None):
            raise wrong("give host or link")
        return self
