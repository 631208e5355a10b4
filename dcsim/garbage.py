"""Python's search for garbage, made more rarely where much is built and next to nothing dropped.

Objects that are no part of a cycle go at once, whether it searches or not.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MANY: Final = 1_000_000
"""New objects after which garbage is looked for; by default some hundreds are enough."""


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Look for garbage more rarely meanwhile, then as often as before.

    Whoever has switched the search off, or made it rarer still, finds it so.

    Examples
    --------
    >>> with rarely_collected():
    ...     words = [[word] for word in "one two three".split()]
    >>> len(words)
    3
    """
    before = gc.get_threshold()
    if before[0] > 0:
        gc.set_threshold(max(before[0], MANY), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
