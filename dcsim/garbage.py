"""A pause of Python's search for garbage.

Objects that are no part of a cycle go at once, whether it searches or not. Importing, preparing and
running make much that stays and drop no cycles, so the search costs time and finds nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection(*, stays: bool = False) -> Iterator[None]:
    """Look for no garbage meanwhile; whoever has switched the search off, finds it so.

    Parameters
    ----------
    stays
        Whether what is made meanwhile stays: then all that there is counts as old at once, where
        only a full search looks, rather than after two searches that find it alive.

    Examples
    --------
    >>> with no_collection():
    ...     words = [[word] for word in "one two three".split()]
    >>> len(words)
    3
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if stays and not gc.get_freeze_count():  # what others have frozen stays so
            gc.freeze()
            gc.unfreeze()  # to the old ones
        if enabled:
            gc.enable()
