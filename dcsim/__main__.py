"""``python -m dcsim`` is the command `dcsim`."""

from __future__ import annotations

from dcsim.cli import main

if __name__ == "__main__":
    main()
