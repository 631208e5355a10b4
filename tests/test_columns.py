"""Guests of one group that differ, and moves, as columns: lists in a file or Python, or CSV."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import dcsim
from dcsim.cli import portrait
from dcsim.errors import ScenarioError
from dcsim.scenario import files, table
from dcsim.scenario.columns import COLUMNS
from dcsim.scenario.spec import GuestGroup, Scenario
from dcsim.scenario.validation import validate
from dcsim.simulation.prepared import Preparation, prepare
from dcsim.units import GiB, MiB
from tests.worlds import Data, guest, leaf_spine, reader, scenario, writer

NAMES = ["first", "second", "third"]
HOMES = ["rack0/host0", "rack0/host1", "rack0/host0"]
TARGETS = ["rack1/host0", "rack1/host1", "rack1/host1"]
OWN: Data = {
    "memory": [0.5 * GiB, 0.25 * GiB, 0.5 * GiB],
    "vcpus": [1, 2, 4],
    "place.hosts": HOMES,
    "workload.memory.cache": [0.2, 0.3, 0.4],
    "workload.activities[0].rate": [10.0 * MiB, 20.0 * MiB, 30.0 * MiB],
    "workload.activities[0].set": [0.1, 0.2, 0.05],
    "workload.activities[1].rate": [50.0 * MiB, 5.0 * MiB, 1.0 * MiB],
}


def group(**each: Any) -> Data:
    """Guests that write and read, and differ so."""
    data = guest(
        writer(10.0 * MiB, 0.1),
        reader(10.0 * MiB, 0.1, work=500e-6, workers=4),
        makeup={"cache": 0.3},
    )
    del data["place"]
    return data | {"each": each}


def moving(*groups: Data, moves: Any, **changes: Any) -> Data:
    """A scenario that moves guests by name."""
    data = scenario(*groups, topology=leaf_spine(), settle=1.0)
    return data | {"operation": {"kind": "moves", "moves": moves, "at": 1.0}} | changes


def alone(n: int) -> Data:
    """One of the guests as a group of its own."""
    data = group() | {"name": NAMES[n], "memory": OWN["memory"][n], "vcpus": OWN["vcpus"][n]}
    del data["each"]
    data["place"] = {"hosts": HOMES[n]}
    data["workload"]["memory"] |= {"cache": OWN["workload.memory.cache"][n]}
    first, second = data["workload"]["activities"] = copy.deepcopy(data["workload"]["activities"])
    first |= {key: OWN[f"workload.activities[0].{key}"][n] for key in ("rate", "set")}
    second["rate"] = OWN["workload.activities[1].rate"][n]
    return data


def in_columns(**changes: Any) -> Data:
    """The three guests as one group, moved."""
    names = [f"{name}-0" for name in NAMES]
    moves = {"guest": names, "to": TARGETS}
    return moving(group(name=names, **OWN), moves=moves, **changes)


def faults(data: Data) -> list[str]:
    """What is wrong with data."""
    with pytest.raises(ScenarioError) as caught:
        validate(data)
    return [str(issue) for issue in caught.value.issues]


# --------------------------------------------------------------------------- what they mean


def test_guests_in_columns_are_those_of_groups_of_one() -> None:
    """The same guests, said as one group or as many, come out bit for bit the same."""
    moves = [{"guest": f"{name}-0", "to": to} for name, to in zip(NAMES, TARGETS, strict=True)]
    many = dcsim.run(Scenario.model_validate(moving(*map(alone, range(3)), moves=moves)))
    one = dcsim.run(Scenario.model_validate(in_columns()))
    for name, columns in many.columns.items():
        for column, values in columns.items():
            if column != "group":
                assert values == pytest.approx(one.columns[name][column], abs=0, nan_ok=True), name


@pytest.mark.parametrize("column", [name for name in COLUMNS if name in OWN])
def test_each_column_changes_something(column: str) -> None:
    """What a column holds shows in the tables: without it, guests are as their group says."""
    data = in_columns()
    without = copy.deepcopy(data)
    del without["guests"][0]["each"][column]
    ran, differently = (
        dcsim.run(Scenario.model_validate(each)).columns for each in (data, without)
    )
    assert repr(ran) != repr(differently)


@pytest.mark.parametrize("share", ["free_zero", "free_stale", "kernel", "anonymous_zero"])
def test_each_share_of_memory_changes_something(share: str) -> None:
    """A make-up of a guest's own is what its memory is made of."""
    name = f"workload.memory.{share}"
    shares = [0.05, 0.1, 0.15]
    guests = prepare(Scenario.model_validate(in_columns(guests=[group(**{name: shares})])
        | {"operation": {"kind": "drain", "hosts": "rack0/*"}})).guests  # fmt: skip
    kinds = {share, share.replace("free", "loose")}
    memories = [each.makeup.memory() for each in guests]
    counts = [sum(getattr(memory, kind).count for kind in kinds) for memory in memories]
    pages = guests[0].makeup.pages
    assert counts == pytest.approx([own * pages for own in shares])


def test_guests_are_counted_and_called_by_their_columns() -> None:
    """Nobody has to say how many there are; without names of their own they have numbers."""
    made = GuestGroup.model_validate({"name": "vm", "workload": {}, "each": {"vcpus": [1, 2]}})
    assert (made.count, made.guest_names) == (2, ["vm-0", "vm-1"])
    assert made.memory_bytes == 16 * GiB


def test_columns_read_back_and_are_part_of_the_digest() -> None:
    """Plain data of them is legal again; what guests do not have is not there."""
    made = Scenario.model_validate(in_columns())
    data = made.to_dict()
    again = Scenario.model_validate(data)
    assert again == made
    assert again.digest() == made.digest()
    data["guests"][0]["each"]["vcpus"][2] = 8
    assert Scenario.model_validate(data).digest() != made.digest()
    plain = Scenario.model_validate(
        moving(alone(0), moves=[{"guest": "first-0", "to": TARGETS[0]}])
    )
    assert "each" not in plain.to_dict()["guests"][0]
    assert GuestGroup.model_validate(group()).each is None


def test_arrays_of_numpy_are_columns() -> None:
    """Python users have their numbers in arrays."""
    rates = np.array([1e6, 2e6])
    data = group(**{"workload.activities[0].rate": rates, "vcpus": np.array([1, 2])})
    made = GuestGroup.model_validate(data)
    assert made.each == {"workload.activities[0].rate": [1e6, 2e6], "vcpus": [1, 2]}


def test_guests_that_are_alike_share_what_they_are() -> None:
    """Guests that differ in numbers have their group's profile, and what they hold is made once."""
    own = {"vcpus": [1, 2] * 50, "workload.activities[0].rate": [1e6 + n for n in range(100)]}
    guests = prepare(
        Scenario.model_validate(
            scenario(group(memory=[16.0 * MiB] * 100, **own), topology=leaf_spine())
        )
    ).guests
    assert len({(each.vcpus, each.demands) for each in guests}) == 100
    assert len({id(each.profile) for each in guests}) == 1
    assert len({id(each.makeup) for each in guests}) == 1


@pytest.mark.parametrize("by", ["spread", "first-fit", "random"])
def test_guests_of_several_sizes_are_placed_where_they_fit(by: str) -> None:
    """A large guest passes over hosts that are too full, which small ones still fill."""
    sizes = [0.75, 0.75, 0.75, 0.75, 0.25, 0.25, 0.25, 0.25]
    each = group(memory=[size * GiB for size in sizes]) | {"place": {"by": by}}
    net = leaf_spine() | {"host": {"cores": 2, "memory": 1.0 * GiB}}
    guests = prepare(Scenario.model_validate(scenario(each, topology=net))).guests
    for part in (guests[:4], guests[4:]):
        assert sorted(own.host for own in part) == [0, 1, 2, 3]


def test_named_hosts_have_to_have_room() -> None:
    """Guests that name a full host are told."""
    each = group(memory=[1.5 * GiB, 1.0 * GiB], **{"place.hosts": ["rack0/host0"] * 2})
    net = leaf_spine() | {"host": {"cores": 2, "memory": 2.0 * GiB}}
    made = Scenario.model_validate(
        scenario(each, guest(name="other", place={"hosts": "rack1/*"}), topology=net)
    )
    with pytest.raises(ScenarioError, match=r"the guests on host rack0/host0 need 2\.5 GiB"):
        prepare(made)


def test_replications_share_all_that_is_not_drawn() -> None:
    """A replication made from what others were made from is that of `prepare`."""
    data = in_columns()
    for noise in (0.0, 0.3):
        data["guests"][0]["workload"]["load"] = {"noise": noise, "every": 1.0}
        made = Scenario.model_validate(data)
        preparation = Preparation(made)
        first, second = (preparation.prepared(replicate=k) for k in (0, 1))
        assert (first, second) == (prepare(made), prepare(made, replicate=1))
        assert (first.guests is second.guests) == (noise == 0)
        assert first.network is second.network


def test_show_tells_what_guests_have_for_themselves() -> None:
    """The range of what differs, and the names of the columns."""
    lines = list(portrait.lines(Scenario.model_validate(in_columns())))
    assert "Guests: 3 in 1 group, 1.25 GiB of memory" in lines
    assert "  guest: 3 x 256 MiB to 512 MiB, 1 to 4 vCPUs, on 2 hosts, each by its name" in lines
    assert f"    each of its own: name, {', '.join(OWN)}" in lines


# --------------------------------------------------------------------------- what is wrong


def test_all_that_is_wrong_with_columns_is_told_at_once() -> None:
    """Names, values and units, each where it stands."""
    each = group(
        memry=[1], memory=["1GiB", "8 gig", 5], vcpus=[1, 2.5, 0],
        **{"workload.activities[0].rate": ["1MB/s", "max", "0B/s"]},
    )  # fmt: skip
    told = faults(moving(each, moves={"guest": ["a", 3], "to": ["b", "c"]}))
    assert [text.split(": ")[0] for text in told] == [
        "guests[0].each.memry",
        "guests[0].each.memory[1]",
        "guests[0].each.memory[2]",
        "guests[0].each.vcpus[1]",
        "guests[0].each.vcpus[2]",
        "guests[0].each.workload.activities[0].rate[1]",
        "guests[0].each.workload.activities[0].rate[2]",
        "operation.moves.guest[1]",
    ]
    assert "did you mean 'memory'?" in told[0]
    assert "did you mean '8GiB'" in told[1] or "unknown unit" in told[1]
    assert "must be a whole number, got 2.5" in told[3]


@pytest.mark.parametrize(
    ("each", "message"),
    [
        ({"vcpus": [1, 2], "memory": [1e9]}, r"memory: has 1 values for 2 guests"),
        ({"workload.activities[2].rate": [1.0]}, r"the workload has 2 activities"),
        ({"workload.memory.cache": [0.9], "workload.memory.kernel": [0.2]}, r"sum to 1.*more than"),
        ({"workload.memory.cache": [0.95]}, r"guests\[0\].each.workload.memory.cache\[0\]"),
        ({"memory": [1e12]}, r"each.memory\[0\]: a guest of 931.3 GiB fits on no host"),
        ({"place.hosts": ["rack0/hots1"]}, r"place.hosts\[0\].*did you mean 'rack0/host1'"),
        ({"name": ["a", "a"]}, r"each.name\[1\]: guest 0 of guests\[0\] is 'a' too"),
        ({"memory": []}, r"each.memory: must not be empty"),
        ({"memory": "8GiB"}, r"each.memory: must be a list, got '8GiB'"),
        ("guests.csv", r"must be a mapping of columns, or a CSV file beside"),
    ],
)
def test_columns_have_to_fit_their_group(each: Any, message: str) -> None:
    """What only the group or the whole scenario can tell is told as well."""
    data = scenario(group() | {"each": each}, topology=leaf_spine())
    with pytest.raises(ScenarioError, match=message):
        validate(data)


def test_what_a_column_says_is_said_once() -> None:
    """Make-ups, places and sets that would mean nothing are refused."""
    for changes, each in (
        ({"makeups": [{}, {}]}, {"workload.memory.cache": [0.1]}),
        ({"place": {"rack": "rack0"}}, {"place.hosts": ["rack0/host0"]}),
    ):
        with pytest.raises(ValidationError, match="not both"):
            GuestGroup.model_validate(group(**each) | changes)
    data = group(**{"workload.activities[0].set": [0.1]})
    data["workload"]["activities"][0] = {"do": "allocate", "rate": 1.0}
    with pytest.raises(ValidationError, match="means nothing for an activity of kind 'allocate'"):
        GuestGroup.model_validate(data)


@pytest.mark.parametrize(
    ("moves", "message"),
    [
        ({"guest": NAMES, "to": TARGETS[:2]}, "has 2 hosts for 3 guests"),
        ({"guest": NAMES}, "key 'to' is missing"),
        ({"guest": NAMES, "too": TARGETS}, "unknown key 'too'.*did you mean 'to'"),
        ({"guest": ["first", "fist"], "to": TARGETS[:2]}, r"moves.guest\[1\]: there is no guest"),
        (
            {"guest": ["first", "first"], "to": TARGETS[:2]},
            r"moves.guest\[1\].*moved by moves\[0\]",
        ),
        ({"guest": ["first"], "to": HOMES[:1]}, r"moves.to\[0\]: 'first' stands on"),
        ({"guest": ["first"], "to": ["rack9/host0"]}, r"moves.to\[0\]: no host matches"),
        ({"guest": [], "to": []}, "must not be empty"),
    ],
)
def test_moves_in_columns_are_checked_as_those_of_a_list(moves: Data, message: str) -> None:
    """Each fault is told with its place in the columns."""
    with pytest.raises(ScenarioError, match=message):
        validate(moving(group(name=NAMES, **OWN), moves=moves))


# --------------------------------------------------------------------------- CSV

FILE = """
topology: {kind: leaf-spine, leaves: 2, hosts_per_leaf: 2}
guests:
  - name: vm
    workload: {activities: [{do: write, rate: 1MB/s}]}
    each: vms.csv
operation: {kind: moves, moves: moves.csv}
"""
VMS = """\
name,memory,"vcpus",place.hosts,workload.activities[0].rate
007,8GiB,4,rack0/host0,20MB/s
"b",16GiB, 2,rack0/host1,1.5MB/s
"""
MOVES = "guest,to\r\n007,rack1/host0\r\n\r\nb,rack1/host1\r\n"


def load(folder: Path, text: str = FILE, vms: str = VMS, moves: str = MOVES) -> Scenario:
    """Write a scenario and its columns, and load it."""
    (folder / "s.yaml").write_text(text)
    (folder / "vms.csv").write_text(vms)
    (folder / "moves.csv").write_text(moves)
    return files.load(folder / "s.yaml")


def test_columns_of_a_csv_file_are_those_written_out(tmp_path: Path) -> None:
    """Names stay texts, numbers are numbers, quotes and empty lines mean nothing."""
    made = load(tmp_path)
    assert made.guests[0].each == {
        "name": ["007", "b"],
        "memory": [8.0 * GiB, 16.0 * GiB],
        "vcpus": [4, 2],
        "place.hosts": ["rack0/host0", "rack0/host1"],
        "workload.activities[0].rate": [20e6, 1.5e6],
    }
    assert made.operation.model_dump()["moves"] == {
        "guest": ["007", "b"], "to": ["rack1/host0", "rack1/host1"],
    }  # fmt: skip
    assert dcsim.run(made).metrics["completed"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("8GiB", "8gig"), "vms.csv:2:5: guests[0].each.memory[0]: cannot read '8gig' as a size"),
        (
            ("20MB/s", "20"),
            "vms.csv:2:24: guests[0].each.workload.activities[0].rate[0]: must have",
        ),
        ((", 2,", ",2.5,"), "vms.csv:3:11: guests[0].each.vcpus[1]: must be a whole number"),
        (("place.hosts", "place.host"), "vms.csv:1:21: guests[0].each.place.host: unknown column"),
        (("rack0/host1", "rack0/host7"), "vms.csv:3:14: guests[0].each.place.hosts[1]: no host"),
        (("16GiB,", ""), "vms.csv:3:1: holds 4 cells; the first line names 5 columns"),
        (("8GiB", ""), "vms.csv:2:5: guests[0].each.memory[0]: must be a text such as '8GiB'"),
        (('"b"', '"b\n'), "vms.csv:3:1: is no CSV: "),
        (("memory", "name"), "vms.csv:1:6: column 'name' is there twice"),
        (("memory", ""), "vms.csv:1:6: a column has no name"),
        ((VMS[60:], ""), "vms.csv:1:1: needs a line of names, and one of values at least"),
    ],
)
def test_what_is_wrong_in_a_csv_file_is_told_where_it_stands(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    """File, line and column of the cell, or of its column's name."""
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path, vms=VMS.replace(*change))
    assert str(caught.value).startswith(f"{tmp_path}/{message}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../../etc/vms.csv", "is out of bounds"),
        ("/etc/vms.csv", "is out of bounds"),
        ("others.csv", "is no file"),
        ("s.yaml", "is no file of columns; its name ends in .csv"),
    ],
)
def test_csv_files_stand_beside_the_scenario(tmp_path: Path, name: str, message: str) -> None:
    """The same bounds hold as for other files that a scenario refers to."""
    with pytest.raises(ScenarioError, match=message):
        load(tmp_path, text=FILE.replace("vms.csv", name))
    with pytest.raises(ScenarioError, match="only a file can refer to another"):
        files.load_text(FILE)


def test_csv_files_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many values as in a document, and no more."""
    monkeypatch.setattr(table, "MOST_VALUES", 3)
    assert table.parse("a,b\n1,2\n").plain() == {"a": [1], "b": [2]}
    with pytest.raises(ScenarioError, match="holds more than 3 values"):
        table.parse("a,b\n1,2\n3,4\n")
