"""How fast simulations run: CPU seconds of whole runs, in one process, best of several.

Times on a shared machine are noisy: compare two versions in one sitting, by ratio.
"""

from __future__ import annotations

import argparse
import json
import time

import dcsim

POLICIES = ("zero-page", "free-page-hint", "balloon-held", "guest-drop")


def evacuation(*, k: int, migrations: int) -> dcsim.Scenario:
    """Return a plain evacuation of one pod of a fat tree: no cache, no policy, one write set."""
    per_pod = (k // 2) ** 2
    guest = {
        "name": "vm",
        "workload": {
            "memory": {"free_zero": 0, "free_stale": 0, "cache": 0, "kernel": 0.1},
            "activities": [{"do": "write", "rate": "20MiB/s", "set": 0.5}],
        },
        "count": migrations,
        "memory": "1GiB",
        "place": {"hosts": f"rack[0-{k // 2 - 1}]/*"},
    }
    return dcsim.Scenario.model_validate(
        {
            "name": f"evacuation-{migrations}",
            "horizon": "24h",
            "topology": {"kind": "fat-tree", "k": k, "host": {"memory": "4TiB"}},
            "guests": [guest],
            "migration": {"hypervisor": "fluid"},
            "operation": {
                "kind": "drain",
                "hosts": f"rack[0-{k // 2 - 1}]/*",
                "limits": {"per_host_out": max(1, migrations // per_pod // 4)},
            },
            "settle": 0,
            "record": "migrations",
        }
    )


def cases() -> dict[str, dcsim.Scenario]:
    """Return what is measured, by name."""
    rack = dcsim.load("rack-drain")
    found = {f"rack-drain, {name}": rack.replace({"hinting": name}) for name in POLICIES}
    for count in (64, 256, 1024):
        found[f"plain evacuation of {count}"] = evacuation(k=8, migrations=count)
    return found


def measure(scenario: dcsim.Scenario, *, runs: int) -> dict[str, float]:
    """Return the least CPU seconds of preparing and of running, and what was simulated."""
    prepared_s, run_s = [], []
    for _ in range(runs):
        start = time.process_time()
        prepared = dcsim.prepare(scenario)
        middle = time.process_time()
        result = dcsim.run(prepared)
        run_s.append(time.process_time() - middle)
        prepared_s.append(middle - start)
    moved = result.metrics["requested"] - result.metrics["not_moved"]
    return {
        "prepare_cpu_s": min(prepared_s),
        "run_cpu_s": min(run_s),
        "migrations": moved,
        "rounds": result.metrics["rounds"],
        "migrations_per_cpu_s": moved / min(run_s),
    }


def main() -> None:
    """Measure every case and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each case")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    dcsim.run(dcsim.load("quick-start"))  # imports are not what is measured
    rows = {}
    for name, scenario in cases().items():
        rows[name] = row = measure(scenario, runs=options.runs)
        if not options.json:
            figures = "  ".join(f"{key} {value:.4g}" for key, value in row.items())
            print(f"{name:32}{figures}", flush=True)
    if options.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
