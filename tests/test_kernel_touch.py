"""Memory in the compiled kernel and in Python: the same numbers, bit for bit."""

from __future__ import annotations

import copy
import importlib
import pickle
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dcsim.model
from dcsim import kernel
from dcsim.model import dirtylog, memory, readers, touch

pytestmark = pytest.mark.skipif(kernel.compiled is None, reason="no compiled kernel")

PARTS = ("touch", "dirtylog", "readers", "guard", "scan", "memory")


def reference() -> dict[str, ModuleType]:
    """Return the modules of memory as they are where nothing is compiled."""
    names = {part: f"dcsim.model.{part}" for part in PARTS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "compiled", None)
        for part, name in names.items():
            patch.setattr(dcsim.model, part, sys.modules[name])
            patch.delitem(sys.modules, name)
        return {part: importlib.import_module(name) for part, name in names.items()}


PURE = reference()

shares = st.one_of(st.sampled_from([0.0, 1e-9, 0.5, 1.0, 3.0]), st.floats(0.0, 2.0))
laws = st.sampled_from(["random", "each"])
PAGES_STATE = (
    "count", "pending", "untouched", "fresh", "left", "idle", "absent", "fetched", "chunk", "zero",
    "per_chunk",
)  # fmt: skip


def state_of(pages: touch.Pages) -> tuple[Any, ...]:
    return tuple(getattr(pages, name) for name in PAGES_STATE)


# ----------------------------------------------------------------------- one set of pages


def do(pages: Any, other: Any, kind: str, share: float, sent: float, law: Any, flag: bool) -> Any:
    """Do one thing to a set of pages, or between it and another; return what is told."""
    touches, some = share * pages.count, sent * pages.pending
    done = {
        "start": lambda: pages.start_log(per_chunk=flag, chunk=min(sent, 1.0)),
        "advance": lambda: pages.advance(touches=touches, sent=some, law=law),
        "faults": lambda: pages.faults(touches=touches, sent=some, law=law),
        "sync": lambda: pages.sync(),
        "skip": lambda: pages.skip(some),
        "give": lambda: pages.move(touches, other, written=flag),
        "get": lambda: other.move(sent * other.count, pages, written=flag),
        "absentees": lambda: pages.absentees(touches, law),
        "fetch": lambda: pages.fetch(touches, law),
        "take": lambda: pages.take(some, asked=flag),
        "fetched": lambda: setattr(pages, "fetched", 0.0 if flag else None),
    }
    return done[kind]()


def pages_history(pages: Any, other: Any, steps: list[tuple[Any, ...]]) -> list[Any]:
    """Return all that is told and all that is so after each step of a history."""
    return [(do(pages, other, *step), state_of(pages), state_of(other)) for step in steps]


steps = st.tuples(
    st.sampled_from(
        ["start", "advance", "advance", "faults", "sync", "skip", "give", "get", "absentees",
         "fetch", "take", "fetched"]
    ),
    shares, shares, laws, st.booleans(),
)  # fmt: skip


@given(count=st.floats(0.0, 1e7), more=st.floats(0.0, 1e7), history=st.lists(steps, max_size=30))
def test_a_set_of_pages_has_one_history(
    count: float, more: float, history: list[tuple[Any, ...]]
) -> None:
    """Whatever is done to a set of pages, both tell the same and end up the same."""
    compiled, pure = (
        pages_history(made(count), made(more, zero=True), history)
        for made in (touch.Pages, PURE["touch"].Pages)
    )
    assert repr(compiled) == repr(pure)


def test_pages_can_be_copied_and_pickled() -> None:
    """Copies and pickles are alike and apart."""
    pages = touch.Pages(100.0, zero=True)
    pages.start_log(per_chunk=True, chunk=0.25)
    pages.advance(touches=30.0, sent=20.0)
    again = pickle.loads(pickle.dumps(pages))
    for other in (pages.copy(), copy.copy(pages), copy.deepcopy(pages), again):
        assert repr(state_of(other)) == repr(state_of(pages))
        other.sync()
        assert state_of(other) != state_of(pages)


# ----------------------------------------------------------------------- classes, and readers


@given(pages=st.floats(1.0, 1e7), share=shares, law=laws, touches=st.floats(0.0, 1e9))
def test_a_class_is_a_value(pages: float, share: float, law: Any, touches: float) -> None:
    """It tells the same, is shown the same, and is equal to what it is made and pickled like."""
    mine, pure = touch.TouchClass(pages, share, law), PURE["touch"].TouchClass(pages, share, law)
    assert mine.distinct(touches) == pure.distinct(touches)
    assert mine.miss(touches) == pure.miss(touches)
    assert repr(mine) == repr(pure)
    same = pickle.loads(pickle.dumps(mine))
    assert same == mine
    assert hash(same) == hash(mine)
    assert copy.deepcopy(mine) is mine
    assert mine != touch.TouchClass(pages + 1, share, law)
    assert mine != pure
    with pytest.raises(AttributeError):
        mine.pages = 1.0  # type: ignore[misc]


def read_history(reader: Any, touches: list[float]) -> list[Any]:
    seen = []
    for count in touches:
        seen.append((reader.resident(), reader.miss(), reader.resident(count), reader.miss(count)))
        seen.append((reader.curve(count), reader.steady_for(10.0, reader.miss(), 0.05)))
        reader.remembered = count
    return seen


@given(
    kind=st.sampled_from(["uniform", "hot-cold", "zipf", "sequential"]),
    pages=st.floats(1.0, 1e7),
    touches=st.lists(st.floats(0.0, 1e9), min_size=1, max_size=5),
)
def test_a_reader_tells_the_same(kind: Any, pages: float, touches: list[float]) -> None:
    """What is resident, missed and steady comes out the same; pickled, it goes on."""
    mine = readers.ReadSet(touch.classes_of(pages=pages, kind=kind), 4)
    pure = PURE["readers"].ReadSet(PURE["touch"].classes_of(pages=pages, kind=kind), 4)
    assert repr(read_history(mine, touches)) == repr(read_history(pure, touches))
    assert mine.sequential == pure.sequential
    again = pickle.loads(pickle.dumps(mine))
    assert (again.classes, again.read_ahead, again.remembered) == (mine.classes, 4, touches[-1])


# ----------------------------------------------------------------------- a whole memory

ORDER = ("kernel", "cache", "anonymous", "free-stale", "free-zero", "kernel-high")


def make(modules: dict[str, Any], *, replacement: str, order: tuple[str, ...]) -> Any:
    """Return a memory with two writers and three readers, its cache too small for them."""
    classes_of = modules["touch"].classes_of
    return modules["memory"].Memory(
        pages=10_000.0,
        free_zero=1_500.0,
        free_stale=1_000.0,
        cache=4_000.0,
        kernel=500.0,
        anonymous_zero=300.0,
        kernel_high=100.0,
        writers=[
            (classes_of(pages=900.0, kind="hot-cold"), "anonymous"),
            (classes_of(pages=400.0, kind="sequential"), "cache"),
        ],
        readers=[
            (classes_of(pages=3_000.0, kind="zipf"), 8, 50.0),
            (classes_of(pages=2_000.0, kind="hot-cold"), 1, 20.0),
            (classes_of(pages=2_500.0, kind="sequential"), 32, 30.0),
        ],
        allocators=2,
        min_free=200.0,
        hintable=0.6,
        hintable_zero=0.9,
        replacement=replacement,
        order=order,
        init_on_alloc=order == (),
    )


def happen(made: Any, kind: str, a: float, b: float, flag: bool) -> Any:
    """Let one thing happen to a memory; return what is told."""
    scan, pages, index = made.scan, 500.0 * a, int(flag)
    done = {
        "write": lambda: made.write(index, 900.0 * a),
        "read": lambda: made.read([800.0 * a, 300.0 * b, 400.0 * a * b]),
        "read alike": lambda: made.read([0.2 * b * r.remembered for r in made.readers]),
        "allocate": lambda: made.allocate(
            pages=pages, lifetime_s=b if flag else None, elapsed_s=0.3, index=index
        ),
        "evict": lambda: made.evict(pages),
        "drop": lambda: made.drop_written(pages),
        "inflate": lambda: made.inflate(pages),
        "deflate": lambda: made.deflate(pages),
        "hold": lambda: made.hold(pages),
        "tell": lambda: made.tell_held(pages),
        "release": lambda: made.release(arrived=flag),
        "skip": lambda: made.skip_free() + made.cache.skip(pages),
        "report": lambda: made.report(a),
        "start": lambda: scan.start(per_chunk=flag, guard=flag and a > b),
        "sync": lambda: scan.sync(),
        "next": lambda: scan.next_region(),
        "faults": lambda: scan.faults(index, 900.0 * a, sent=0.4 * b * scan.waiting),
        "advance": lambda: scan.advance(
            writes=[900.0 * a, 400.0 * b], recycled=200.0 * b, sent=0.4 * a * scan.waiting
        ),
    }
    return done[kind]()


def memory_history(made: Any, steps: list[tuple[Any, ...]]) -> list[Any]:
    """Return all that is told and all that is so after each step of a memory's history."""
    seen: list[Any] = []
    for step in steps:
        if step[0] == "copy":
            made = made.copy()
        else:
            seen.append((step, happen(made, *step)))
        seen.append((made.resident, made.scan.pending, made.scan.pending_here()))
        seen.extend(state_of(pages) for pages in made.sets)
        seen.extend((reader.remembered, reader.miss()) for reader in made.readers)
    return seen


@given(
    replacement=st.sampled_from(["lru", "two-list"]),
    order=st.sampled_from([(), ORDER]),
    steps=st.lists(
        st.tuples(
            st.sampled_from(
                ["write", "read", "read", "read alike", "allocate", "evict", "drop", "inflate",
                 "deflate", "hold", "tell", "release", "skip", "report", "start", "sync", "next",
                 "faults", "advance", "advance", "copy"]
            ),
            shares, shares, st.booleans(),
        ),
        max_size=40,
    ),
)  # fmt: skip
def test_a_memory_has_one_history(
    replacement: str, order: tuple[str, ...], steps: list[tuple[Any, ...]]
) -> None:
    """Whatever a guest and its migration do to its memory, both end up with the same memory."""
    compiled, pure = (
        memory_history(make(modules, replacement=replacement, order=order), steps)
        for modules in ({"touch": touch, "memory": memory}, PURE)
    )
    assert repr(compiled) == repr(pure)


# ----------------------------------------------------------------------- what is not legal

A_SET = touch.Pages(10.0)
A_CLASS = touch.TouchClass(10.0, 1.0)
A_READER = readers.ReadSet((A_CLASS,))


@pytest.mark.parametrize(
    ("call", "args"),
    [
        (touch.TouchClass, (1.0,)),
        (touch.TouchClass, ("1", 1.0)),
        (touch.TouchClass, (1.0, 1.0, 3)),
        (touch.Pages, ("many",)),
        (touch.Pages, (1.0, False, 2)),
        (A_SET.move, (1.0, None)),
        (A_SET.advance, ()),
        (A_SET.skip, (None,)),
        (A_SET.take, ()),
        (readers.ReadSet, ((1.0,),)),
        (readers.ReadSet, ([A_CLASS],)),
        (A_READER.resident, ("few",)),
        (A_READER.steady_for, (1.0, 2.0)),
        (dirtylog.pending_of, ([A_SET],)),
        (dirtylog.sync_log, ((A_SET, None),)),
        (dirtylog.start_log, ((A_SET,),)),
        (dirtylog.pending_by_kind, ((A_SET, 1),)),
        (dirtylog.log_faults, (((A_CLASS,),), 1.0, (), 0.0)),
        (dirtylog.advance_log, ((A_CLASS,), [1.0], (), 0.0, A_SET, 0.0)),
        (dirtylog.advance_log, ((((None, None),),), [1.0], (), 0.0, A_SET, 0.0)),
        (dirtylog.advance_log, ((), [], (None,), 0.5, A_SET, 0.0)),
        (readers.resident_of, (None,)),
        (readers.proportional, ([A_SET], [1.0])),
        (readers.forget, ([A_READER],)),
        (readers.misses_of, ([A_READER], ["1"], 1.0, False)),
    ],
)
def test_what_is_no_number_of_pages_is_refused(call: Any, args: tuple[Any, ...]) -> None:
    """The compiled kernel takes nothing for what it is not."""
    with pytest.raises(TypeError):
        call(*args)


def test_only_what_is_fetched_may_be_none() -> None:
    """Of the numbers of a set, one says by None that nobody counts it."""
    pages = touch.Pages()
    pages.fetched = 1.0
    pages.fetched = None
    assert pages.fetched is None
    with pytest.raises(TypeError):
        pages.count = None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        del pages.count
    assert pages.count == 0.0


def test_each_reader_and_writer_has_its_number() -> None:
    """Numbers too few or too many are refused, as `zip` in strict mode does it."""
    with pytest.raises(ValueError, match="each"):
        readers.misses_of([A_READER], [1.0, 2.0], 1.0, False)
    with pytest.raises(ValueError, match="each"):
        dirtylog.advance_log((), [1.0], (), 0.0, A_SET, 0.0)
