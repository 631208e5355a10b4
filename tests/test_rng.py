from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.rng import Streams, replicate

NAMES = st.lists(st.text("ab1,", max_size=3) | st.integers(-2, 11), max_size=3).map(tuple)


def raw(seed, *name):
    return int(Streams(seed).stream(*name).bit_generator.random_raw())


def test_known_answers():
    """The numbers of a seed never change: not with a release, a machine or a Python."""
    assert raw(0, "guest", 7, "dirty") == 7_047_233_090_750_222_993
    assert Streams(0).uniform_hash("flow", 1) == 12_619_406_232_918_811_822
    assert replicate(0, 1) == 5_089_751_571_899_043


def test_a_stream_is_known_by_its_name_alone():
    """Drawing from one stream, or making another, does not shift a third."""
    alone = Streams(42).stream("guest", 1).random(5)
    streams = Streams(42)
    streams.stream("guest", 0).random(1000)
    streams.stream("policy").random(3)
    assert np.array_equal(streams.stream("guest", 1).random(5), alone)


def test_asking_again_starts_again():
    """A stream is given at its beginning each time."""
    streams = Streams(1)
    assert streams.stream("a").random() == streams.stream("a").random()


@given(NAMES, NAMES)
def test_different_names_are_different_streams(one, other):
    """No two names share numbers: 1 is not "1", and ("ab",) is not ("a", "b")."""
    assert (raw(3, *one) == raw(3, *other)) == (one == other)
    hashes = Streams(3).uniform_hash(*one), Streams(3).uniform_hash(*other)
    assert (hashes[0] == hashes[1]) == (one == other)


def test_kinds_and_places_of_names_matter():
    """The names most easily confused are apart."""
    names = [("ab",), ("a", "b"), ("b", "a"), (1,), ("1",), (), ("",), (1, 2), (12,), (-1,)]
    assert len({raw(0, *name) for name in names}) == len(names)


def test_numpy_integers_are_names_like_any_integer():
    """An index that comes out of an array names the same stream."""
    assert raw(5, "guest", np.int64(7)) == raw(5, "guest", 7)
    assert raw(np.int64(5), "guest") == raw(5, "guest")
    with pytest.raises(TypeError):
        Streams(5).stream(1.5)


def test_seeds_give_different_numbers():
    """Another seed changes streams and hashes alike."""
    assert len({raw(seed, "a") for seed in range(100)}) == 100
    assert len({Streams(seed).uniform_hash("a") for seed in range(100)}) == 100


def test_streams_look_random():
    """First numbers of many streams are uniform: mean and variance as they should be."""
    first = np.array([Streams(0).stream("guest", k).random() for k in range(2000)])
    assert first.mean() == pytest.approx(1 / 2, abs=0.02)
    assert first.var() == pytest.approx(1 / 12, abs=0.005)


def test_hashes_spread_over_all_paths():
    """Choosing among four paths by hash gives each about a quarter of the flows."""
    chosen = [Streams(0).uniform_hash("flow", k) % 4 for k in range(4000)]
    assert np.bincount(chosen) == pytest.approx([1000] * 4, abs=120)
    assert all(0 <= Streams(0).uniform_hash(k) < 2**64 for k in range(100))


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None])
def test_a_seed_is_a_whole_number(seed):
    """Anything else is refused, with the value."""
    with pytest.raises(ValueError, match=rf"seed must be a whole number >= 0, got {seed!r}"):
        Streams(seed)
    with pytest.raises(ValueError, match="seed must be a whole number"):
        replicate(seed, 1)


def test_a_seed_may_be_large():
    """All of a large seed counts."""
    assert raw(2**200, "a") != raw(2**200 + 1, "a")


def test_replicates():
    """Replicate 0 is the run itself; the others have seeds of their own that all readers hold."""
    assert replicate(42, 0) == 42
    seeds = {replicate(seed, k) for seed in range(10) for k in range(1, 100)}
    assert len(seeds) == 990
    assert all(0 <= seed < 2**53 for seed in seeds)
    with pytest.raises(ValueError, match="got -1"):
        replicate(42, -1)


def test_streams_travel_to_workers():
    """A pickled Streams gives the same numbers."""
    streams = Streams(9)
    again = pickle.loads(pickle.dumps(streams))
    assert again == streams
    assert again.stream("a").random() == streams.stream("a").random()


def test_importing_is_light():
    """numpy is loaded by the first stream, not by the import."""
    code = "import sys, dcsim.rng, dcsim.units; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
