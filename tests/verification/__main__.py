"""Print every comparison, or with --write renew `docs/validation.md`; exit 1 where one fails."""

from __future__ import annotations

import sys

from tests.verification import page
from tests.verification.comparison import text
from tests.verification.registry import tables

if "--write" in sys.argv[1:]:
    page.write(tables())
print(text(tables()))
sys.exit(any(table.faults() for table in tables()))
