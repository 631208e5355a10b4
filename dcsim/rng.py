"""Independent named streams of random numbers from one seed.

A stream is known by its name alone, ``("guest", 7, "dirty")``: adding a guest, or choosing
another policy, never shifts the numbers of any other stream, so that two policies are compared
under the same chances. The hash of a name is BLAKE2b, the same on every machine and Python.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator

_SPAWN_WORDS = 4  # 128 bits of name: SeedSequence takes 32-bit words
_REPLICATE_BITS = 53  # a seed survives int64 columns and JSON readers that hold doubles


def _digest(*name: str | int, size: int) -> bytes:
    """Return *size* bytes of hash; JSON tells 1 from "1", and ("ab",) from ("a", "b")."""
    parts = [_quoted(part) if isinstance(part, str) else str(operator.index(part)) for part in name]
    return blake2b(f"[{', '.join(parts)}]".encode(), digest_size=size).digest()


def _check_seed(seed: int) -> int:
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise ValueError(f"seed must be a whole number >= 0, got {seed!r}")
    return number


@dataclass(frozen=True, slots=True)
class Streams:
    """All random numbers of one run.

    Parameters
    ----------
    seed : int
        The run's only source of chance, a whole number >= 0.

    Raises
    ------
    ValueError
        If *seed* is negative or not a whole number.
    """

    seed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", _check_seed(self.seed))

    def stream(self, *name: str | int) -> Generator:
        """Return the generator called *name*, at its beginning.

        Parameters
        ----------
        *name : str or int
            The parts of the name, such as ``"guest", 7, "dirty"``.

        Returns
        -------
        numpy.random.Generator
            PCG64 seeded from the seed and the name. Asking again gives the same numbers again:
            keep the generator to go on drawing.
        """
        from numpy.random import PCG64, Generator, SeedSequence

        digest = _digest(*name, size=4 * _SPAWN_WORDS)
        words = (int.from_bytes(digest[i : i + 4], "big") for i in range(0, len(digest), 4))
        return Generator(PCG64(SeedSequence(entropy=self.seed, spawn_key=tuple(words))))

    def uniform_hash(self, *name: str | int) -> int:
        """Return a whole number in ``[0, 2**64)`` fixed by the seed and *name*.

        Meant for choices a switch makes by hashing, such as which equal-cost path a flow takes.
        """
        return int.from_bytes(_digest(self.seed, *name, size=8), "big")


def replicate(seed: int, k: int) -> int:
    """Return the seed of replicate *k* of a run with *seed*.

    Replicate 0 is the run itself, so that a single run is the first of any number of them, and
    replicate *k* can be run alone.

    Raises
    ------
    ValueError
        If *seed* or *k* is negative or not a whole number.
    """
    seed = _check_seed(seed)
    if k < 0:
        raise ValueError(f"replicate must be a whole number >= 0, got {k!r}")
    if k == 0:
        return seed
    digest = _digest("replicate", seed, k, size=8)
    return int.from_bytes(digest, "big") >> (64 - _REPLICATE_BITS)
