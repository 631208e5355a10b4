"""What is asked of the cluster: operations, each with what it moves and when."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from dcsim.scenario.base import Spec, wrong
from dcsim.scenario.policy import Limits
from dcsim.scenario.quantities import Duration, written


class Operation(Spec):
    """What every operation has."""

    at: Duration = Field(default=0.0, description="when it starts")
    limits: Limits = written({})


class Drain(Operation):
    """Empty some hosts: every guest on them moves elsewhere, or is reported."""

    kind: Literal["drain"] = "drain"
    hosts: str = Field(max_length=200, description="name pattern, e.g. rack0/*")
    placement: Literal["first-fit", "spread"] = Field(
        default="spread", description="which destination"
    )


class Move(Spec):
    """One guest to one host."""

    guest: str = Field(max_length=200, description="its name, e.g. database-3")
    to: str = Field(max_length=200, description="a host's name")


class MoveColumns(Spec):
    """Many moves, as two columns."""

    guest: list[Annotated[str, Field(max_length=200)]] = Field(
        min_length=1, max_length=1_000_000, description="names of guests"
    )
    to: list[Annotated[str, Field(max_length=200)]] = Field(
        min_length=1, max_length=1_000_000, description="the host of each"
    )

    @model_validator(mode="after")
    def _as_many(self) -> Self:
        if len(self.guest) != len(self.to):
            raise wrong(f"has {len(self.to)} hosts for {len(self.guest)} guests", "to")
        return self


def _form(value: Any) -> str:
    return (MoveColumns if isinstance(value, dict | MoveColumns) else Move).__name__


class Moves(Operation):
    """Guests that are named, in this order, each to its host."""

    kind: Literal["moves"] = "moves"
    moves: Annotated[
        Annotated[list[Move], Field(min_length=1, max_length=1_000_000), Tag(Move.__name__)]
        | Annotated[MoveColumns, Tag(MoveColumns.__name__)],
        Discriminator(_form),
    ] = Field(description="a list; or two columns, guest and to, or a CSV file of them")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each guest, and the host it moves to."""
        if isinstance(self.moves, MoveColumns):
            return list(zip(self.moves.guest, self.moves.to, strict=True))
        return [(move.guest, move.to) for move in self.moves]

    def path(self, index: int, what: Literal["guest", "to"]) -> tuple[str | int, ...]:
        """Return where the guest or the host of a move stands in the scenario's data."""
        within = (what, index) if isinstance(self.moves, MoveColumns) else (index, what)
        return ("operation", "moves", *within)
