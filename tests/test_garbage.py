"""Garbage: not looked for while a run is made ready and lasts, where there is none to be found."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

import dcsim
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


def test_a_world_in_which_things_fail_goes_as_well() -> None:
    """Faults that are still to come, or to end, hold nothing of it."""
    failures = [
        {"every": "10s", "link": "leaf3->spine0", "lasts": "1h"},
        {"when": {"guest": "licensed-0", "phase": "after"}, "host": "source"},
    ]
    prepared = prepare(load("rack-drain").replace({"failures": failures}))
    gc.collect()
    gc.disable()
    run(prepared)
    assert gc.collect() < len(prepared.guests)


def test_a_world_goes_though_it_is_cut_short() -> None:
    """Migrations are under way as the horizon comes."""
    prepared = prepare(load("rack-drain").replace({"horizon": "605s", "operation.limits": "none"}))
    gc.collect()
    gc.disable()
    assert run(prepared).metrics["not_moved"] > 10
    assert gc.collect() < len(prepared.guests)


def test_what_stays_is_old_at_once() -> None:
    """The next search of what is young does not look at it; a full one does."""
    gc.enable()
    with no_collection(stays=True):
        cycle: list[object] = []
        cycle.append(cycle)
        del cycle
    assert gc.get_count()[0] < 100
    assert gc.get_freeze_count() == 0
    assert gc.collect(1) == 0
    assert gc.collect() >= 1


def test_what_others_have_frozen_stays_frozen() -> None:
    """As servers do before they fork."""
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with no_collection(stays=True):
            pass
        assert gc.get_freeze_count() == frozen
    finally:
        gc.unfreeze()


def test_a_public_name_is_loaded_once() -> None:
    """So that its later uses cost nothing, and leave the search for garbage alone."""
    assert dcsim.run is run
    assert vars(dcsim)["run"] is run
