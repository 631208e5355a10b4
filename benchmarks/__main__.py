"""How fast simulations run, against SimGrid and against the goals.

Every line is measured by whole processes, the compared ones in turn; the median counts, the least
and the largest are told with it. Read ratios: times on a shared machine are noisy.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import page
from benchmarks.lines import Extent, lines, machine
from benchmarks.simgrid import YARDSTICK, build_yardstick


def main(arguments: list[str] | None = None) -> None:
    """Measure, telling each line as it is done, or write the page of what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("lines", nargs="*", metavar="LINE", help="measure these only")
    parser.add_argument("--runs", type=int, help="of each program (3; quick: 1)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes, once: a few minutes")
    size.add_argument("--large", action="store_true", help="also what SimGrid takes minutes for")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep what was measured, by line")
    parser.add_argument("--yardstick", type=Path, default=YARDSTICK, help="where its source is")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="measure nothing: write the page of such a FILE"
    )
    options = parser.parse_args(arguments)
    if options.write:
        page.write(json.loads(options.write.read_text(encoding="utf-8")))
        return
    extent = Extent.QUICK if options.quick else Extent.LARGE if options.large else Extent.USUAL
    yardstick = None
    try:
        yardstick = build_yardstick(options.yardstick)
    except RuntimeError as error:
        print(f"Without SimGrid: {error}", file=sys.stderr)
    wanted = {line.name: line for line in lines(yardstick, extent=extent)}
    if unknown := set(options.lines) - set(wanted):
        parser.error(f"no line {', '.join(sorted(unknown))}; there are {', '.join(wanted)}")
    kept: dict[str, Any] = {"lines": {}}
    if options.json and options.json.is_file():
        kept = json.loads(options.json.read_text(encoding="utf-8"))
    kept["machine"] = machine(yardstick)
    runs = options.runs or (1 if options.quick else 3)
    for name in options.lines or wanted:
        kept["lines"][name] = done = wanted[name].measure(runs=runs)
        print(page.text([done]), end="\n\n", flush=True)
        if options.json:
            options.json.write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
