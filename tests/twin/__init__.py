"""Slow, small references that know every page by name: the laws under test are about their means.

They follow the rules (docs/model.md, docs/facts.md) page by page and share no code with the model.
`TwinPages` is one set of pages with its dirty log, `TwinCache` one exact list from the least to the
most recently used page, `Touches` a pattern of accesses, and `Twin` a whole guest on its way from
one host to another.
"""

from tests.twin.migration import LOG_CHUNK, Moved, Twin
from tests.twin.pages import FileCache, Indexes, TwinCache, TwinPages
from tests.twin.touches import Touches, class_bounds, draw, draw_zipf, zipf_shares

__all__ = [
    "LOG_CHUNK", "FileCache", "Indexes", "Moved", "Touches", "Twin", "TwinCache", "TwinPages",
    "class_bounds", "draw", "draw_zipf", "zipf_shares",
]  # fmt: skip
