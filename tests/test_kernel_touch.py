"""Memory, and what sends it, in the compiled kernel and in Python: the same, bit for bit."""

from __future__ import annotations

import copy
import importlib
import pickle
import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dcsim.model
from dcsim import kernel
from dcsim.model import makeup, memory, pool, readers, sending, touch, transport
from dcsim.model.scan import Scan
from dcsim.records.tables import MIGRATION_KINDS

pytestmark = pytest.mark.skipif(kernel.compiled is None, reason="no compiled kernel")

PARTS = ("touch", "readers", "pool", "guard", "scan", "transport", "sending", "memory", "makeup")


def reference(parts: Sequence[str] = PARTS) -> dict[str, ModuleType]:
    """Return modules as they are where nothing is compiled: those of memory, if not others."""
    names = {part: f"dcsim.model.{part}" for part in parts}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "compiled", None)
        for part, name in names.items():
            patch.setattr(dcsim.model, part, sys.modules[name])
            patch.delitem(sys.modules, name)
        return {part: importlib.import_module(name) for part, name in names.items()}


PURE = reference()
COMPILED: dict[str, Any] = {
    "touch": touch, "makeup": makeup, "transport": transport, "sending": sending,
}  # fmt: skip

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
    return (
        modules["makeup"]
        .makeup_of(
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
        .memory()
    )


def happen(made: Any, kind: str, a: float, b: float, flag: bool) -> Any:
    """Let one thing happen to a memory; return what is told."""
    scan, pages, index = made.scan, 500.0 * a, int(flag)
    own = pool if isinstance(made, pool.Pool) else PURE["pool"]
    look_ahead: Any = own.look_ahead
    done = {
        "write": lambda: made.write(index, 900.0 * a),
        "read": lambda: tuple(made.read([800.0 * a, 300.0 * b, 400.0 * a * b])),
        "read alike": lambda: tuple(made.read([0.2 * b * r.remembered for r in made.readers])),
        "look": lambda: (
            made.look_ahead([800.0 * a, 300.0 * b, 0.0]),
            made.steady_for([90.0 * a, 50.0 * b, 10.0], [a, b, 0.1]),
            made.paced_for([90.0 * a, 50.0 * b, 0.0], b, sending=flag),
        ),
        "look alike": lambda: look_ahead(
            (made, made.copy()) if flag else (made,),
            [80.0 * a, 300.0 * b, 0.0],
            [80.0, 300.0, 1.0],
            0.05 * b,
        ),
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
        seen.append((made.free, made.spare, made.cold, made.room, made.on_course))
        if made.ahead is not None:
            seen.append((made.ahead.left(), made.ahead.is_through, made.ahead.misses))
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
                ["write", "read", "read", "read alike", "look",
                 "look alike", "look alike", "allocate", "evict", "drop",
                 "inflate", "deflate", "hold", "tell", "release", "skip", "report", "start",
                 "sync", "next", "faults", "advance", "advance", "copy"]
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
        for modules in (COMPILED, PURE)
    )
    assert repr(compiled) == repr(pure)


# ----------------------------------------------------------------------- a stream

costs = st.one_of(st.just(0.0), st.floats(1e-9, 1e-3))
transports = st.fixed_dictionaries(
    {
        "whole": st.floats(100.0, 5000.0),
        "zero": st.floats(0.0, 100.0),
        "delta": st.floats(20.0, 5000.0),
        "threads": st.integers(1, 8),
        "scanners": st.sampled_from([1, 1, 4]),
        "ratio": st.floats(1.0, 4.0),
        "tunnel": st.just(float("inf")),
        "raw": st.just(float("inf")),
        **dict.fromkeys(
            ("send_s", "compress_s", "compare_s", "encrypt_s", "zero_s", "ballooned_s"), costs
        ),
    }
).map(lambda numbers: numbers | {"delta": min(numbers["delta"], numbers["whole"])})
SENDING_STATE = (
    "page_bytes", "sent", "by_kind", "raw", "normal", "zero", "deltas", "wire",
    "window", "zero_pages",
)  # fmt: skip


@given(
    numbers=transports,
    pages=st.tuples(*[st.floats(0.0, 1e7)] * 4),
    wire=st.floats(1e3, 1e12),
    shown=st.floats(0.0, 1.0),
)
def test_pages_cost_the_same(
    numbers: dict[str, Any], pages: tuple[float, ...], wire: float, shown: float
) -> None:
    """Bytes and the time of threads come out the same, of a pickled one too."""
    mine, pure = transport.Transport(**numbers), PURE["transport"].Transport(**numbers)
    for one in (mine, pickle.loads(pickle.dumps(mine)), copy.deepcopy(mine)):
        assert {name: getattr(one, name) for name in numbers} == numbers
        assert one.takes(pages, wire) == pure.takes(pages, wire)
        assert one.takes(pages, wire, shown) == pure.takes(pages, wire, shown)
        assert one.work_s(pages, wire) == pure.work_s(pages, wire)
        assert one.scan_s(pages[1]) == pure.scan_s(pages[1])
        assert one.added_s(pages[2]) == pure.added_s(pages[2])


def sending_history(
    modules: dict[str, Any],
    numbers: dict[str, Any],
    ways: tuple[Any, ...],
    order: tuple[str, ...],
    steps: list[tuple[Any, ...]],
) -> list[Any]:
    """Return all that is told and all that is so after each step of a stream's history."""
    made = make(modules, replacement="lru", order=order)
    costs = modules["transport"].Transport(**numbers)
    stream = modules["sending"].Sending(made.scan, costs, *ways)
    made.scan.start(per_chunk=False)
    seen: list[Any] = []
    total = 0.0

    def sent(a: float, b: float) -> tuple[float, list[float]]:
        """Send a share of what is pending here, and let pages be written meanwhile."""
        nonlocal total
        total += a * stream.plan(1e9)[0]
        pages = stream.count(total)
        return pages, made.scan.advance(writes=[300.0 * b, 50.0 * a], recycled=10.0, sent=pages)

    for kind, a, b, flag in steps:
        done = {
            "plan": lambda a=a, b=b: stream.plan(
                1e6 + 1e9 * a, b, min(a, 1.0) * made.scan.pending_here()[0]
            ),
            "send": lambda a=a, b=b: sent(a, b),
            "raw": lambda a=a: setattr(stream, "raw", stream.raw + 1000.0 * a),
            "kind": lambda a=a: stream.count_as(int(2 * a) % 4),
            "go on": lambda flag=flag: stream.go_on(hide=flag),
            "sync": lambda: made.scan.sync(),
            "start": lambda flag=flag: made.scan.start(per_chunk=flag, guard=flag),
            "inflate": lambda a=a: made.inflate(300.0 * a),
        }[kind]
        seen.append((kind, done()))
        seen.append([getattr(stream, name) for name in SENDING_STATE])
        seen.append((made.scan.cursor, made.scan.pending_here(), made.scan.waiting))
    return seen


@given(
    numbers=transports,
    ways=st.tuples(st.floats(1e6, 1e10), st.sampled_from([0.0, 1e-3, 0.1]), st.booleans()),
    order=st.sampled_from([(), ORDER]),
    steps=st.lists(
        st.tuples(
            st.sampled_from(
                ["plan", "send", "send", "send", "raw", "kind", "go on", "go on", "sync", "start",
                 "inflate"]
            ),
            shares, shares, st.booleans(),
        ),
        max_size=40,
    ),
)  # fmt: skip
def test_a_stream_has_one_history(
    numbers: dict[str, Any],
    ways: tuple[Any, ...],
    order: tuple[str, ...],
    steps: list[tuple[Any, ...]],
) -> None:
    """Whatever is planned, sent and found dirty, both plan the same and count the same."""
    compiled, pure = (
        sending_history(modules, numbers, ways, order, steps) for modules in (COMPILED, PURE)
    )
    assert repr(compiled) == repr(pure)


# ----------------------------------------------------------------------- what is not legal

A_SET = touch.Pages(10.0)
A_CLASS = touch.TouchClass(10.0, 1.0)
A_READER = readers.ReadSet((A_CLASS,))
A_MEMORY = makeup.makeup_of(
    pages=100.0, free_zero=50.0, free_stale=0.0, cache=20.0, kernel=10.0,
    writers=[((A_CLASS,), "anonymous")],
    readers=[((A_CLASS,), 1, 1.0)],
).memory()  # fmt: skip
A_TRANSPORT = transport.Transport(4104, 9, 4104, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1e9, 1e9)


def scan_of(**parts: Any) -> Scan:
    """Return a scan of something like a memory, some of its parts of other kinds."""
    names = ("sets", "writers", "cache", "ballooned", "pages")
    likeness = SimpleNamespace(**{name: getattr(A_MEMORY, name) for name in names} | parts)
    return Scan(likeness, (A_MEMORY.sets,))  # type: ignore[arg-type]


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
        (touch.sets_of, ([10.0],)),
        (touch.sets_of, (("1",),)),
        (touch.sets_of, ((10.0,), (True, True))),
        (touch.copies_of, ([A_SET],)),
        (touch.copies_of, ((None,),)),
        (lambda: scan_of(sets=[A_SET]), ()),
        (lambda: scan_of(sets=(None,)), ()),
        (lambda: scan_of(writers=[]), ()),
        (lambda: scan_of(writers=(A_CLASS,)), ()),
        (lambda: scan_of(writers=(((A_CLASS,),),)), ()),
        (lambda: scan_of(writers=((((A_CLASS,),),),)), ()),
        (lambda: scan_of(writers=((((None, A_SET),),),)), ()),
        (lambda: scan_of(cache=None), ()),
        (lambda: scan_of(ballooned=None), ()),
        (lambda: scan_of(pages="many"), ()),
        (Scan, (A_MEMORY, (A_SET,))),
        (A_MEMORY.scan.lay_out, ((),)),
        (A_MEMORY.scan.lay_out, ([A_MEMORY.sets],)),
        (A_MEMORY.scan.start, ()),
        (lambda: A_MEMORY.scan.advance(writes=["1"], recycled=0.0, sent=0.0), ()),
        (lambda: A_MEMORY.scan.advance(writes=1.0, recycled=0.0, sent=0.0), ()),
        (A_MEMORY.scan.faults, ("1", 1.0)),
        (transport.Transport, (1.0,)),
        (A_TRANSPORT.takes, ((1.0, 2.0), 1.0)),
        (A_TRANSPORT.work_s, ([1.0, 2.0, 3.0, 4.0], 1.0)),
        (A_TRANSPORT.scan_s, ("1",)),
        (sending.Sending, (A_MEMORY.scan, None)),
        (sending.Sending.__new__(sending.Sending).count_as, ("1",)),
        (A_MEMORY.read, (["1"],)),
        (A_MEMORY.write, (0, "1")),
        (A_MEMORY.write, (0,)),
        (A_MEMORY.look_ahead, (["1"],)),
        (pool.look_ahead, ((A_MEMORY,), [1.0], [1.0])),
        (pool.look_ahead, ((), [1.0], [1.0], 0.1)),
        (pool.look_ahead, ((None,), [1.0], [1.0], 0.1)),
        (pool.look_ahead, ((A_MEMORY,), [1.0], ["1"], 0.1)),
        (pool.look_ahead, ((A_MEMORY, A_MEMORY.copy()), [1.0], [1.0], "1")),
        (A_MEMORY.steady_for, ([1.0],)),
        (A_MEMORY.steady_for, ([1.0], ["1"])),
        (A_MEMORY.paced_for, ([1.0], "1", True)),
        (setattr, (A_MEMORY, "ahead", 1.0)),
        (A_MEMORY.take_frames, (1.0, None)),
        (A_MEMORY.drop, (None, 1.0)),
        (A_MEMORY.evict, ("1",)),
        (A_MEMORY.fill, ("1",)),
        (A_MEMORY.forget_to, (None,)),
        (A_MEMORY.allocate, (1.0, "2", 3.0)),
        (setattr, (A_MEMORY, "cache", 1.0)),
        (setattr, (A_MEMORY, "readers", (A_SET,))),
        (setattr, (A_MEMORY, "readers", [A_READER])),
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


def test_what_was_never_made_sends_nothing() -> None:
    """A stream that does not say what it sends is refused, not read."""
    empty = sending.Sending.__new__(sending.Sending)
    for call in (lambda: empty.plan(1.0), lambda: empty.go_on(hide=True)):
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(AttributeError):
        empty.scan  # noqa: B018
    assert len(empty.by_kind) == len(MIGRATION_KINDS)
    with pytest.raises(IndexError):
        empty.count_as(len(MIGRATION_KINDS))


def test_a_memory_is_whole() -> None:
    """Nothing is asked of one that lacks a part."""
    hollow = memory.Memory.__new__(memory.Memory)
    for ask in (lambda: hollow.cache, lambda: hollow.room, lambda: hollow.read([])):
        with pytest.raises(AttributeError, match="missing"):
            ask()
    with pytest.raises(AssertionError):
        A_MEMORY.paced_for([1.0], 0.05, sending=False)
    with pytest.raises(AttributeError, match="deleted"):
        del A_MEMORY.cache
    with pytest.raises(AttributeError, match="deleted"):
        del A_MEMORY.readers
    with pytest.raises(IndexError):
        A_MEMORY.write(1, 1.0)
    with pytest.raises(IndexError):
        A_MEMORY.allocate(pages=1.0, lifetime_s=None, elapsed_s=1.0, index=1)


def test_each_reader_and_writer_has_its_number() -> None:
    """Numbers too few or too many are refused, as `zip` in strict mode does it."""
    with pytest.raises(ValueError, match="each"):
        A_MEMORY.read([1.0, 2.0])
    with pytest.raises(ValueError, match="each"):
        A_MEMORY.look_ahead([])
    with pytest.raises(ValueError, match="each"):
        A_MEMORY.scan.advance(writes=[], recycled=0.0, sent=0.0)
    with pytest.raises(IndexError):
        A_MEMORY.scan.faults(1, 1.0)
