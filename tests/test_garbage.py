"""Garbage: not looked for while a run is made ready and lasts, where there is none to be found."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from dcsim import load, prepare, run
from dcsim.garbage import no_collection
from dcsim.scenario.spec import Scenario
from dcsim.simulation import engine
from dcsim.simulation.engine import Progress
from tests.worlds import guest, scenario


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Leave the search as it was."""
    enabled = gc.isenabled()
    yield
    (gc.enable if enabled else gc.disable)()


@pytest.mark.parametrize("enabled", [True, False])
def test_it_pauses_inside_and_is_as_before_afterwards(enabled: bool) -> None:
    """Also one inside the other."""
    (gc.enable if enabled else gc.disable)()
    with no_collection():
        assert not gc.isenabled()
        with no_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled() == enabled


def test_a_run_pauses_it_and_leaves_no_trace() -> None:
    """Whether it ends or is stopped."""
    gc.enable()
    seen = []

    def watch(_: Progress) -> None:
        seen.append(gc.isenabled())
        raise KeyboardInterrupt

    asked = Scenario.model_validate(scenario(guest()))
    with pytest.raises(KeyboardInterrupt):
        run(asked, progress=watch)
    assert seen == [False]
    assert gc.isenabled()


@pytest.mark.parametrize("hinting", ["zero-page", "free-page-hint", "balloon-held", "guest-drop"])
def test_a_run_drops_no_cycles(hinting: str) -> None:
    """What it lets go of in cycles would pile up."""
    prepared = prepare(load("rack-drain").replace({"hinting": hinting}))
    world = engine._Run(prepared, check=False)
    gc.collect()
    with no_collection():
        world.result(None)
        dropped = gc.collect()
    assert dropped < len(prepared.guests)


@pytest.mark.parametrize("record", ["summary", "full"])
def test_a_world_goes_with_its_run(record: str) -> None:
    """Guests, hosts and network refer to each other; a search for all of them would take long."""
    prepared = prepare(load("rack-drain").replace({"record": record}))
    gc.collect()
    gc.disable()
    run(prepared)
    assert gc.collect() < len(prepared.guests)
