"""Compare the model with real QEMU migrations: ``python tests/verification/qemu.py FILE [--json]``.

Any file that `dcsim.study.checks.measurements` reads; it is what ``dcsim verify`` does.
"""

import sys

from dcsim.cli import application

if __name__ == "__main__":
    application()(["verify", *sys.argv[1:]], prog_name="qemu.py")
