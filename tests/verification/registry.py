"""All comparisons, in the order of the page."""

from __future__ import annotations

import functools
from collections.abc import Callable

from tests.verification import (
    converging,
    dirty_rate,
    hints,
    huge_pages,
    inflation,
    late_compile,
    osic,
    qemu_runs,
    rfc2016,
    simgrid_runs,
)
from tests.verification.comparison import Table

COMPARISONS: tuple[Callable[[], Table], ...] = (
    rfc2016.table,
    hints.table,
    late_compile.table,
    inflation.by_way,
    inflation.modern,
    huge_pages.table,
    dirty_rate.table,
    converging.table,
    osic.series,
    osic.disks,
    osic.groups,
    qemu_runs.table,
    simgrid_runs.table,
)


@functools.cache
def tables() -> tuple[Table, ...]:
    """Return every table, computed once."""
    return tuple(comparison() for comparison in COMPARISONS)
