"""Tables of the documentation that come from studies: operators and planners compared.

`python -m benchmarks.studies` runs them and writes them into docs/operators-compared.md and
docs/planners.md, between two marks; the words around them stay.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from benchmarks.page import BEGIN, END
from benchmarks.simgrid import ROOT
from dcsim import Scenario, load, random_inputs, run
from dcsim.records.answer import clock
from dcsim.scenario import presets
from dcsim.study.comparisons.answers import Outcome, compared, outcome
from dcsim.units import format_size

REPLICATIONS: Final = 5

_CAP: Final = {"operation.limits": {"use": "kubevirt", "name": "fixed cap"}}
_FREE: Final = {
    "operation.limits": {
        "use": "kubevirt", "name": "no cap", "per_cluster": None, "per_host_out": None,
    }
}  # fmt: skip
PLANNERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "one by one": {"operation.order": "one-by-one", **_FREE},
    "fixed cap": _CAP,
    "fixed cap, shortest first": {"operation.order": "shortest", **_CAP},
    "fixed cap, least dirtying first": {"operation.order": "least-dirtying", **_CAP},
    "all at once": _FREE,
    "earliest deadline": {"operation.order": "earliest-deadline", **_FREE},
    "network-aware": {"operation.order": "network-aware", **_FREE},
}
"""Who decides what goes when. The cap, and all time limits, are KubeVirt's defaults."""
CAP, AWARE = "fixed cap", "network-aware"

INSTANCES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "mixed-rack, uplinks 3:1": ("mixed-rack", {}),
    "mixed-rack, uplinks 1:1": ("mixed-rack", {"topology.uplink": "100Gbit/s"}),
    "mixed-rack, uplinks 5:1": ("mixed-rack", {"topology.uplink": "20Gbit/s"}),
    "mixed-rack, uplinks 10:1": ("mixed-rack", {"topology.uplink": "10Gbit/s"}),
    "mixed-rack, two racks": ("mixed-rack", {"operation.hosts": "rack[01]/*"}),
    "rack-drain": ("rack-drain", {}),
    "rack-drain, uplinks 10:1": ("rack-drain", {"topology.uplink": "10Gbit/s"}),
    "fat-tree-evacuation": ("fat-tree-evacuation", {}),
    "two-sites-move": ("two-sites-move", {}),
    "power-loss": ("power-loss", {}),
}
"""What planners are compared on: shipped scenarios, with changes."""


def outcomes(
    scenario: Scenario, variants: Mapping[str, Mapping[str, Any]], *, replications: int
) -> list[Outcome]:
    """Return what a scenario comes to with each of some changes, with the same random numbers."""
    found = []
    for name, changes in variants.items():
        changed = scenario.replace({**changes, "record": "migrations"})
        count = replications if random_inputs(changed) else 1
        found.append(outcome(name, [run(changed, replicate=k) for k in range(count)]))
    return found


def operators(replications: int) -> Iterator[str]:
    """Yield what every shipped operator's defaults come to on one cluster, as Markdown."""
    variants = {name: {"operator": name} for name in presets.operator_names()}
    found = outcomes(load("mixed-rack"), variants, replications=replications)
    yield from table("operator", found)
    yield ""
    yield " ".join(compared(found))


def planners(replications: int) -> Iterator[str]:
    """Yield how planners do on each instance, and how the network-aware one compares."""
    ratios: dict[str, float] = {}
    uneven = []
    for instance, (name, changes) in INSTANCES.items():
        found = outcomes(load(name).replace(changes), PLANNERS, replications=replications)
        free = [each for each in found if not each.variant.startswith(CAP)]
        fewest = min(each.not_moved for each in free)
        bound = min(each.bound_s for each in free if each.not_moved == fewest)
        found = [each._replace(bound_s=bound) for each in found]
        yield f"## {instance}"
        yield ""
        yield from table("planner", found)
        yield ""
        cap, aware = (next(e for e in found if e.variant == planner) for planner in (CAP, AWARE))
        if cap.not_moved == aware.not_moved:
            ratios[instance] = aware.makespan_s.mean / cap.makespan_s.mean - 1
        else:
            uneven.append(f"{instance} ({aware.not_moved:.4g} and {cap.not_moved:.4g})")
    yield "## In short"
    yield ""
    worst, best = (end(ratios, key=lambda name: ratios[name]) for end in (max, min))
    yield (
        f"Against the {CAP}, the makespan of {AWARE} is {100 * ratios[worst]:+.1f} % at worst "
        f"({worst}) and {100 * ratios[best]:+.1f} % at best ({best}), "
        "where both move as many guests."
    )
    if uneven:
        yield f"Elsewhere they leave different numbers of guests unmoved: {', '.join(uneven)}."


UNKNOWN: Final = "–"
FIGURES: Final[Mapping[str, Callable[[Outcome], str]]] = {
    "makespan": lambda each: _clock(each.makespan_s.mean),
    "lower bound": lambda each: _clock(each.bound_s),
    "times it": lambda each: f"{each.gap:.2f}" if math.isfinite(each.gap) else UNKNOWN,
    "moved": lambda each: f"{each.requested - each.not_moved:.4g} of {each.requested:.4g}",
    "blackout p99": lambda each: _clock(each.blackout_p99_s),
    "degraded p95": lambda each: _clock(each.degraded_s),
    "lost work": lambda each: _clock(each.lost_work_s),
    "network": lambda each: format_size(each.network_bytes),
}
"""What is told of each variant."""


def table(head: str, found: Sequence[Outcome]) -> Iterator[str]:
    """Yield a table in Markdown, a row a variant; of figures that are known."""
    texts = {name: [of(each) for each in found] for name, of in FIGURES.items()}
    known = {name: column for name, column in texts.items() if set(column) != {UNKNOWN}}
    yield f"| {' | '.join([head, *known])} |"
    yield f"|---|{'---:|' * len(known)}"
    for each, *figures in zip(found, *known.values(), strict=True):
        yield f"| {' | '.join([each.variant, *figures])} |"


def _clock(seconds: float) -> str:
    return clock(seconds) if math.isfinite(seconds) else UNKNOWN


def renewed(page: str, measured: str) -> str:
    """Return a page with what stands between the marks replaced."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{measured}\n\n{END}{rest.partition(END)[2]}"


PAGES: Final[Mapping[str, Callable[[int], Iterator[str]]]] = {
    "operators-compared": operators,
    "planners": planners,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the studies that are asked for, and write their pages."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.studies")
    parser.add_argument("pages", nargs="*", help=f"of {', '.join(PAGES)}; unset: all")
    parser.add_argument("--replications", type=int, default=REPLICATIONS, metavar="N")
    options = parser.parse_args(arguments)
    if unknown := set(options.pages) - set(PAGES):
        parser.error(f"no page {', '.join(sorted(unknown))}; there are {', '.join(PAGES)}")
    for name in options.pages or PAGES:
        path = ROOT / "docs" / f"{name}.md"
        measured = "\n".join(PAGES[name](options.replications))
        path.write_text(renewed(path.read_text(encoding="utf-8"), measured), encoding="utf-8")
        print(f"written: {path}")


if __name__ == "__main__":
    main()
