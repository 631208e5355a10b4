"""Garbage: looked for more rarely while a run is built and lasts, and as before afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from dcsim.garbage import MANY, rarely_collected
from dcsim.scenario.spec import Scenario
from dcsim.simulation import Progress, run
from tests.worlds import guest, scenario


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave the interpreter as it was."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize(
    ("outside", "inside"),
    [((700, 10, 10), (MANY, 10, 10)), ((0, 7, 5), (0, 7, 5)), ((2 * MANY, 3, 4),) * 2],
    ids=["default", "off", "rarer"],
)
def test_it_is_rarer_inside_and_the_same_afterwards(
    outside: tuple[int, int, int], inside: tuple[int, int, int]
) -> None:
    """Also one inside the other."""
    gc.set_threshold(*outside)
    with rarely_collected():
        assert gc.get_threshold() == inside
        with rarely_collected():
            assert gc.get_threshold() == inside
        assert gc.get_threshold() == inside
    assert gc.get_threshold() == outside


def test_a_run_collects_rarely_and_leaves_no_trace() -> None:
    """While it is prepared and while it lasts, whether it ends or is stopped."""
    gc.set_threshold(700, 10, 10)
    seen = []

    def watch(_: Progress) -> None:
        seen.append(gc.get_threshold()[0])
        raise KeyboardInterrupt

    asked = Scenario.model_validate(scenario(guest()))
    with pytest.raises(KeyboardInterrupt):
        run(asked, progress=watch)
    assert seen == [MANY]
    assert gc.get_threshold() == (700, 10, 10)
