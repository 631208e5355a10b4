"""Designs of the unit cube, and what their coordinates mean."""

from __future__ import annotations

import hashlib
import itertools
import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.errors import DcsimError
from dcsim.study.designs import sampling
from dcsim.study.designs.factors import measured
from dcsim.study.designs.sampling import Span, pick, unit_points

KINDS = ("latin-hypercube", "sobol-sequence", "morris", "saltelli")
UNIT = st.floats(0, 1)


@pytest.mark.parametrize(
    ("kind", "rows"),
    [("latin-hypercube", 8), ("sobol-sequence", 8), ("morris", 8 * 4), ("saltelli", 8 * 5)],
)
def test_a_design_has_its_number_of_points_in_the_cube(kind, rows):
    """In three dimensions, of size 8; another seed gives other points."""
    points = unit_points(kind, dimensions=3, size=8, seed=0)
    assert points.shape == (rows, 3)
    assert points.dtype == np.float64
    assert ((points >= 0) & (points <= 1)).all()
    assert not np.array_equal(points, unit_points(kind, dimensions=3, size=8, seed=1))


@pytest.mark.parametrize("kind", KINDS)
def test_points_are_the_same_in_any_process(kind):
    """Bit for bit, whatever was drawn before."""
    code = (
        "import hashlib, numpy as np; np.random.seed(5); np.random.random(3)\n"
        "from dcsim.study.designs.sampling import unit_points\n"
        f"points = unit_points({kind!r}, dimensions=4, size=16, seed=7)\n"
        "print(hashlib.sha256(points.tobytes()).hexdigest())"
    )
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    points = unit_points(kind, dimensions=4, size=16, seed=7)
    assert found.stdout.strip() == hashlib.sha256(points.tobytes()).hexdigest()


def test_a_latin_hypercube_has_one_point_in_each_slice():
    """Of each dimension."""
    points = unit_points("latin-hypercube", dimensions=5, size=20, seed=3)
    for column in points.T:
        assert sorted(np.floor(column * 20)) == list(range(20))


def test_a_sobol_sequence_is_balanced():
    """2**m points have one in each of 2**m slices, and in each box of area 2**-m of two."""
    points = unit_points("sobol-sequence", dimensions=2, size=16, seed=3)
    for one in range(5):
        boxes = np.floor(points * [2**one, 2 ** (4 - one)])
        assert len(np.unique(boxes, axis=0)) == 16


def test_trajectories_move_one_coordinate_at_a_time_on_a_grid():
    """By 2/3, between 0, 1/3, 2/3 and 1, each coordinate once."""
    points = unit_points("morris", dimensions=4, size=10, seed=3)
    assert set(np.unique(points)) <= {0.0, 1 / 3, 2 / 3, 1.0}
    for path in points.reshape(10, 5, 4):
        steps = np.diff(path, axis=0)
        assert ((steps != 0).sum(axis=1) == 1).all()
        assert sorted(np.argmax(steps != 0, axis=1)) == [0, 1, 2, 3]
        assert np.abs(steps[steps != 0]) == pytest.approx(2 / 3)


def test_a_saltelli_block_crosses_two_points():
    """A, then A with each coordinate of B in turn, then B."""
    points = unit_points("saltelli", dimensions=3, size=8, seed=3)
    for block in points.reshape(8, 5, 3):
        first, last = block[0], block[-1]
        for j, row in enumerate(block[1:-1]):
            assert row[j] == last[j]
            assert np.array_equal(np.delete(row, j), np.delete(first, j))


@pytest.mark.parametrize("kind", ["sobol-sequence", "saltelli"])
def test_a_size_that_is_no_power_of_2_is_refused_with_the_nearest(kind):
    """The balance of the sequence hangs on it."""
    with pytest.raises(ValueError, match=r"got 100; the nearest are 64 and 128"):
        unit_points(kind, dimensions=2, size=100, seed=0)


@pytest.mark.parametrize(
    ("kind", "dimensions", "size", "said"),
    [
        ("latin", 2, 4, "latin-hypercube"),
        ("latin-hypercube", 0, 4, "dimension"),
        ("latin-hypercube", 2, 0, "size of 1"),
        ("morris", 2, 1, "size of 2"),
        ("saltelli", 2, 1, "size of 2"),
    ],
)
def test_what_is_no_design_is_refused(kind, dimensions, size, said):
    """With what is legal."""
    with pytest.raises(ValueError, match=said):
        unit_points(kind, dimensions=dimensions, size=size, seed=0)


@pytest.mark.parametrize("kind", ["morris", "saltelli"])
def test_without_salib_it_says_how_to_get_it(kind, monkeypatch):
    """An extra is no fault of the user."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "SALib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "SALib", None)
    with pytest.raises(DcsimError, match=r"pip install 'dcsim\[sensitivity\]'"):
        unit_points(kind, dimensions=2, size=4, seed=0)
    assert len(unit_points("latin-hypercube", dimensions=2, size=4, seed=0)) == 4


def test_a_fault_inside_salib_is_not_taken_for_its_absence(monkeypatch):
    """Something that it needs is missing: that is another story."""

    def broken(name):
        raise ModuleNotFoundError("No module named 'pandas'", name="pandas")

    monkeypatch.setattr("importlib.import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="pandas"):
        sampling.salib("sample.morris")


# ------------------------------------------------------------------- values


@given(u=UNIT, many=st.integers(1, 50))
def test_values_are_picked_by_equal_shares(u, many):
    """The floor(u n)-th; 1 is the last."""
    values = [f"v{i}" for i in range(many)]
    assert pick(u, values) == values[min(int(u * many), many - 1)]


def test_levels_of_a_trajectory_reach_both_of_two_values():
    """0 and 1/3 are the first one, 2/3 and 1 the second."""
    assert [pick(u, [False, True]) for u in (0.0, 1 / 3, 2 / 3, 1.0)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("span", "values"),
    [
        (Span(0, 10, log=False, whole=False), [0, 2.5, 5.0, 7.5, 10]),
        (Span(0.1, 10, log=True, whole=False), [0.1, 0.316228, 1.0, 3.16228, 10]),
        (Span(-3, 1, log=False, whole=False), [-3, -2.0, -1.0, 0.0, 1]),
        (
            Span("1Gbit/s", "25Gbit/s", log=False, whole=False),
            ["1Gbit/s", "7Gbit/s", "13Gbit/s", "19Gbit/s", "25Gbit/s"],
        ),
        (
            Span("100 Mbit/s", "10Gbit/s", log=True, whole=False),
            ["100 Mbit/s", "316.228Mbit/s", "1000Mbit/s", "3162.28Mbit/s", "10Gbit/s"],
        ),
        (Span("0", "8GiB", log=False, whole=False), ["0", "2GiB", "4GiB", "6GiB", "8GiB"]),
        (Span(0, "8GiB", log=False, whole=False), [0, "2GiB", "4GiB", "6GiB", "8GiB"]),
        (Span("10%", "50%", log=False, whole=False), ["10%", "20%", "30%", "40%", "50%"]),
        (Span(1, 4, log=False, whole=True), [1, 2, 3, 4, 4]),
        (Span(1, 15, log=True, whole=True), [1, 2, 4, 8, 15]),
    ],
)
def test_a_range_by_quarters(span, values):
    """Linear or by ratio, in the unit of the low end; the ends as they were written."""
    assert [span.at(u) for u in (0.0, 0.25, 0.5, 0.75, 1.0)] == values


@given(
    u=UNIT,
    ends=st.tuples(st.floats(1e-3, 1e9), st.floats(1e-3, 1e9)).filter(lambda e: e[0] < e[1]),
    log=st.booleans(),
    unit=st.sampled_from(["", "Gbit/s", "MiB", "ms", "%"]),
)
def test_a_value_lies_in_its_range_and_near_its_coordinate(u, ends, log, unit):
    """To six figures, whatever the unit; texts can be read again."""
    low, high = (f"{end!r}{unit}" if unit else end for end in ends)
    value = Span(low, high, log=log, whole=False).at(u)
    (first, last, found), _ = measured([low, high, value])
    assert first <= found <= last
    wanted = first * (last / first) ** u if log else first + u * (last - first)
    assert found == pytest.approx(wanted, rel=1e-5)


@given(low=st.integers(-50, 50), size=st.integers(1, 30))
def test_whole_numbers_are_equally_likely(low, size):
    """Both ends too."""
    span = Span(low, low + size, log=False, whole=True)
    many = 7 * (size + 1)
    found = Counter(span.at((i + 0.5) / many) for i in range(many))
    assert found == dict.fromkeys(range(low, low + size + 1), 7)


@given(u=UNIT, low=st.integers(1, 50), size=st.integers(1, 1000), log=st.booleans())
def test_whole_numbers_stay_in_their_range(u, low, size, log):
    """By ratio as well."""
    assert low <= Span(low, low + size, log=log, whole=True).at(u) <= low + size


@pytest.mark.parametrize(
    ("low", "high", "log", "whole", "said"),
    [
        ("1Gbit/s", "2GiB", False, False, "one kind"),
        ("fast", "slow", False, False, "one kind"),
        (False, True, False, False, "one kind"),
        (0, math.inf, False, False, "one kind"),
        (3, 3, False, False, "does not rise"),
        ("2GiB", "1GiB", False, False, "does not rise"),
        (0, 3, True, False, "above 0"),
        (1, 2.5, False, True, "whole numbers"),
        ("1GiB", "2GiB", False, True, "whole numbers"),
    ],
)
def test_what_is_no_range_is_refused(low, high, log, whole, said):
    """When it is made, and not when it is drawn from."""
    with pytest.raises(ValueError, match=said):
        Span(low, high, log=log, whole=whole)


@pytest.mark.parametrize(
    "span",
    [
        Span("1Gbit/s", "25Gbit/s", log=False, whole=False),
        Span(0, "8GiB", log=False, whole=False),
        Span(1, 16, log=True, whole=True),
        Span(0.5, 2.5, log=False, whole=False),
    ],
)
def test_a_range_is_read_as_it_is_written(span):
    """And what is no range is none."""
    assert Span.read(span.text) == span
    assert Span.read("zero-page") is None


def test_designs_are_used_together_with_ranges():
    """A point of the cube is a combination of values."""
    choices = [Span("1Gbit/s", "25Gbit/s", log=True, whole=False), [True, False]]
    points = unit_points("sobol-sequence", dimensions=2, size=8, seed=1)
    combinations = [tuple(map(pick, point, choices)) for point in points]
    assert len(set(combinations)) == 8
    assert Counter(kind for _, kind in combinations) == {True: 4, False: 4}
    assert not any(a == b for a, b in itertools.pairwise(combinations))
