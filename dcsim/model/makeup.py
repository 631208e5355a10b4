"""What guests have in memory at first, worked out once for all that are alike. Pages; no clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from dcsim.model.memory import Memory
from dcsim.model.readers import ReadSet, forget, forget_swept_first, resident_of
from dcsim.model.scan import Place
from dcsim.model.touch import TouchClass
from dcsim.units import PAGE

SLACK = 1e-9
"""Rounding, in share of the memory."""

Classes = tuple[TouchClass, ...]
Writer = tuple[Classes, Literal["anonymous", "cache"]]


class Makeup(NamedTuple):
    """What a memory is made of; `makeup_of` has the parts in words.

    Attributes
    ----------
    counts
        Pages of each set, in the order in which a memory lists them: those it has a name for, those
        that each activity allocates, the classes that are written.
    readers
        What is read, with what is remembered of it.
    """

    pages: float
    counts: tuple[float, ...]
    writers: tuple[Writer, ...]
    readers: tuple[tuple[Classes, int, float], ...]
    allocators: int
    min_free: float
    hintable: float
    replacement: Literal["lru", "two-list"]
    order: tuple[Place, ...]
    init_on_alloc: bool

    @property
    def memory_bytes(self) -> float:
        """The size of such a memory."""
        return self.pages * PAGE

    def memory(self) -> Memory:
        """Return such a memory."""
        return Memory(self)


def makeup_of(
    *,
    pages: float,
    free_zero: float,
    free_stale: float,
    cache: float,
    kernel: float,
    anonymous_zero: float = 0.0,
    writers: Sequence[Writer] = (),
    readers: Sequence[tuple[Classes, int, float]] = (),
    allocators: int = 1,
    min_free: float = 0.0,
    hintable: float = 1.0,
    hintable_zero: float = 1.0,
    replacement: Literal["lru", "two-list"] = "lru",
    kernel_high: float = 0.0,
    order: Sequence[Place] = (),
    init_on_alloc: bool = False,
) -> Makeup:
    """Return what a memory of these parts is made of.

    Parameters
    ----------
    pages
        All of them.
    free_zero, free_stale, cache, kernel, anonymous_zero
        Pages of each kind at first; what the write sets and these leave is anonymous.
    writers
        Classes of what is written; their pages come out of anonymous memory or the cache.
    readers
        Classes of what is read, its read-ahead, and the rate at which it has long been read.
    allocators
        How many activities allocate.
    min_free
        Pages that the kernel keeps free.
    hintable, hintable_zero
        Share of the free pages that lie in whole free blocks of 4 MiB: of those with old contents,
        and of those that are zero.
    replacement
        ``lru``: one list. ``two-list``: pages that are only swept through go before all others, as
        with the kernel's active and inactive lists [C.7].
    kernel_high
        Of the kernel's pages, those that lie apart: the memory map, at the end of memory.
    order
        Contents in the order of addresses; empty: all mixed evenly.
    init_on_alloc
        Whether the kernel zeroes pages when they are allocated.

    Raises
    ------
    ValueError
        If the parts are more than the whole.
    """
    written = {"anonymous": 0.0, "cache": 0.0}
    for classes, to in writers:
        written[to] += sum(touch.pages for touch in classes)
    cached = max(cache, written["cache"])
    clean = cached - written["cache"]
    rest = pages - free_zero - free_stale - cached - kernel - anonymous_zero
    if rest < written["anonymous"] - SLACK * pages:
        raise ValueError(f"the parts of a memory are more than its {pages:.0f} pages")
    counts = (
        (1 - hintable) * free_stale, (1 - hintable_zero) * free_zero,
        hintable * free_stale, hintable_zero * free_zero,
        clean, kernel - kernel_high, max(0.0, rest - written["anonymous"]), anonymous_zero,
        0.0, 0.0, 0.0, 0.0, kernel_high,
        *[0.0] * allocators, *[touch.pages for classes, _ in writers for touch in classes],
    )  # fmt: skip
    return Makeup(
        pages=pages,
        counts=counts,
        writers=tuple(writers),
        readers=_long_read(readers, clean, replacement),
        allocators=allocators,
        min_free=min_free,
        hintable=hintable,
        replacement=replacement,
        order=tuple(order),
        init_on_alloc=init_on_alloc,
    )


def _long_read(
    readers: Sequence[tuple[Classes, int, float]],
    cache: float,
    replacement: Literal["lru", "two-list"],
) -> tuple[tuple[Classes, int, float], ...]:
    """Return readers with what they remember of long reading at their rates, in a full cache."""
    made = [ReadSet(classes, ahead) for classes, ahead, _ in readers]
    rates = [rate for _, _, rate in readers]
    sizes = [sum(c.pages for c in reader.classes) for reader in made]
    longest = max((n / rate for n, rate in zip(sizes, rates, strict=True) if rate > 0), default=0.0)
    for reader, rate in zip(made, rates, strict=True):
        reader.remembered = 1e3 * rate * longest
    if resident_of(made) > cache:
        (forget_swept_first if replacement == "two-list" else forget)(made, cache)
    return tuple([(reader.classes, reader.read_ahead, reader.remembered) for reader in made])
