"""Levels against a baseline: closed forms, pairs, what is left out, words."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from dcsim.errors import ResultError
from dcsim.study.designs.factors import Factor
from dcsim.study.findings.contrast import contrasts, frame_of, sentences
from dcsim.study.findings.statistics import paired_change, paired_difference

POLICY = Factor("hinting", "hinting", ("a", "b", "c"))
LINK = Factor("link", "link", (1, 2))


def study(figure, replications=4):
    """A frame of every policy, link and replicate."""
    rows = [
        {"hinting": p, "link": x, "replicate": k, "network_bytes": figure(p, x, k)}
        for p, x, k in itertools.product(POLICY.values, LINK.values, range(replications))
    ]
    return pd.DataFrame(rows)


def only(frame, level="b", blocks=(LINK,)):
    """The contrast of one level with a."""
    found = contrasts(frame, "network_bytes", by=POLICY, blocks=blocks, baseline="a")
    return next(each for each in found if each.level == level)


def test_of_one_point_it_is_the_paired_difference():
    """With its interval, and that of the change of the mean."""
    rng = np.random.default_rng(1)
    noise = rng.normal(10, 1, 4)
    frame = study(lambda p, x, k: noise[k] + (k % 2 + 1 if p == "b" else 0))
    frame = frame[frame["link"] == 1]
    found = only(frame)
    mine, base = (frame[frame["hinting"] == p]["network_bytes"].tolist() for p in "ba")
    for got, wanted in (
        (found.difference, paired_difference(mine, base)),
        (found.change, paired_change(mine, base)),
    ):
        assert (got.mean, got.low, got.high) == pytest.approx(
            (wanted.mean, wanted.low, wanted.high)
        )


def test_noise_that_pairs_share_is_no_doubt():
    """What chance does to both is gone from the difference; each point weighs the same."""
    noise = [0.0, 50.0, -20.0, 7.0]
    frame = study(lambda p, x, k: 100 * x + noise[k] + (x if p == "b" else 0))
    found = only(frame)
    assert (found.difference.mean, found.difference.low, found.difference.high) == pytest.approx(
        (1.5, 1.5, 1.5)
    )
    assert found.mean - found.baseline_mean == pytest.approx(1.5)


def test_points_without_a_pair_are_left_out_and_counted():
    """Of both, so that means are of the same points."""
    frame = study(lambda p, x, k: {"a": 10.0, "b": 8.0, "c": 9.0}[p] * x)
    frame.loc[(frame["hinting"] == "b") & (frame["link"] == 2), "network_bytes"] = math.nan
    found = only(frame)
    assert (found.points, found.left_out) == (1, 1)
    assert (found.mean, found.baseline_mean) == (8.0, 10.0)
    assert only(frame, "c").points == 2


def test_a_baseline_that_was_not_run_is_refused():
    """With the levels that there are."""
    frame = study(lambda p, x, k: 1.0)
    with pytest.raises(ResultError, match="no run has hinting = aa; there are a, b, c"):
        contrasts(frame, "network_bytes", by=POLICY, blocks=[LINK], baseline="aa")


def test_in_words_and_as_a_frame():
    """Per cent of the baseline; its unit, where that has nothing; nothing new, where equal."""
    frame = study(lambda p, x, k: {"a": 100.0, "b": 50.0, "c": 100.0}[p], replications=1)
    found = contrasts(frame, "network_bytes", by=POLICY, blocks=[LINK], baseline="a")
    assert list(sentences([found, found], POLICY)) == [
        "Against a, b has 50.0 % less network_bytes, 50.0 % less network_bytes.",
        "Against a, c has as much network_bytes, as much network_bytes.",
    ]
    table = frame_of(found, POLICY)
    assert table["hinting"].tolist() == ["b", "c"]
    assert table["change_percent"].tolist() == [-50.0, 0.0]
    assert table["difference"].tolist() == [-50.0, 0.0]
    nothing = study(lambda p, x, k: 0.0 if p == "a" else 2.0**20, replications=1)
    assert only(nothing).words() == "has 1.00 MiB more network_bytes"
    frame["network_bytes"] = math.nan
    frame.loc[frame["hinting"] == "a", "network_bytes"] = 1.0
    assert only(frame).words() == "has no value of network_bytes to compare"
