"""A result as a directory: a Parquet file a table, `provenance.json`, and the scenario to read.

The bytes are those of the result alone, no time and no path among them, and `provenance.json` holds
the SHA-256 of every table: what is torn or mixed up is noticed.
"""

from __future__ import annotations

import csv
import functools
import json
from pathlib import Path
from typing import Any, Final

from dcsim.errors import ResultError
from dcsim.records import store
from dcsim.records.tables import BY_NAME, TABLES, Columns

FORMAT: Final = "dcsim-result"
FORMAT_VERSION: Final = 1
_PARQUET: Final = {f"{table.name}.parquet": table for table in TABLES}
_FILES: Final = {"provenance.json": None, "scenario.yaml": None, **_PARQUET}
REPORT: Final = "report.html"
"""What a report is called that stands beside what it reports on."""
_CSV: Final = {f"{table.name}.csv": table for table in TABLES}


def write(directory: Path, about: dict[str, Any], columns: dict[str, Columns]) -> None:
    """Write a result into an empty directory.

    Parameters
    ----------
    directory
        Exists and is empty.
    about
        ``scenario``, ``digest``, ``seed``, ``replicate`` and ``versions`` of the result.
    columns
        Its tables.
    """
    texts = {
        f"dcsim.{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in about.items()
    }
    digests = {}
    for name, table in _PARQUET.items():
        if table.name in columns:
            store.write_table(directory / name, table, columns[table.name], texts)
            digests[table.name] = store.digest_of(directory / name)
    (directory / "scenario.yaml").write_bytes(_yaml(texts["dcsim.scenario"]))
    provenance = {"format": FORMAT, "version": FORMAT_VERSION, **about, "sha256": digests}
    (directory / "provenance.json").write_bytes(store.json_bytes(provenance))


def read(directory: Path) -> tuple[dict[str, Any], dict[str, Columns]]:
    """Read what `write` wrote: what the result is of, and its tables.

    Files that are no part of it, such as a report beside it, are passed over.

    Raises
    ------
    ResultError
        If there is none, or it is torn, changed, too large, or of another format.
    """
    about = _read_provenance(directory)
    digests = about.pop("sha256")
    columns = {}
    for name, table in _PARQUET.items():
        path = directory / name
        if table.name in digests:
            columns[table.name] = _read_checked(path, table.name, digests[table.name])
        elif path.exists():
            message = f"{path} is no part of the result beside it"
            raise ResultError(message)
    return about, columns


def holds_result(directory: Path) -> bool:
    """Whether a directory holds a result, perhaps its report, and nothing else."""
    if not store.holds_only(directory, {**_FILES, REPORT: None}):
        return False
    try:
        _read_provenance(directory)
    except ResultError:
        return False
    return True


def write_csv(directory: Path, columns: dict[str, Columns]) -> None:
    """Write a CSV file a table; numbers in full, so that reading them loses nothing."""
    for name, table in _CSV.items():
        if table.name in columns:
            with (directory / name).open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(table.names)
                writer.writerows(zip(*columns[table.name].values(), strict=True))


def holds_csv(directory: Path) -> bool:
    """Whether a directory holds files as `write_csv` writes, and nothing else."""
    return store.holds_only(directory, _CSV)


def _read_provenance(directory: Path) -> dict[str, Any]:
    path = directory / "provenance.json"
    about = store.read_json(path, form=FORMAT, version=FORMAT_VERSION)

    def texts(value: Any) -> bool:
        return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())

    whole = {
        "scenario": isinstance(about.get("scenario"), dict),
        "digest": isinstance(about.get("digest"), str),
        "seed": type(about.get("seed")) is int,
        "replicate": type(about.get("replicate")) is int,
        "versions": texts(about.get("versions")),
        "sha256": texts(about.get("sha256")) and about["sha256"].keys() <= BY_NAME.keys(),
    }
    wrong = [name for name, good in whole.items() if not good]
    if wrong:
        message = f"{path} is torn or changed: {', '.join(wrong)}"
        raise ResultError(message)
    return {name: about[name] for name in whole}


def _read_checked(path: Path, name: str, digest: str) -> Columns:
    if not path.is_file():
        message = f"{path.parent} is torn: {path.name} is missing"
        raise ResultError(message)
    if path.stat().st_size > store.MAX_TABLE_BYTES:
        message = f"{path} is larger than {store.MAX_TABLE_BYTES:,} bytes"
        raise ResultError(message)
    if store.digest_of(path) != digest:
        message = f"{path} is torn or changed: it is not the file that was saved"
        raise ResultError(message)
    return store.read_table(path, BY_NAME[name])


@functools.lru_cache(maxsize=1)  # results that are written together are mostly of one scenario
def _yaml(scenario: str) -> bytes:
    """Return a scenario, from JSON, as YAML for people; the provenance has that to run again."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        # PyYAML is of YAML 1.1, where 1e9 is a text: readers of YAML 1.2 take it for a number.
        style = None if value[:1].isalpha() else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    note = "# The scenario as it ran, in SI units: seconds, bytes, bytes per second.\n"
    note += "# `dcsim rerun` runs it again from provenance.json; change nothing here.\n"
    data = json.loads(scenario)
    lines = yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)
    return (note + lines).encode()
