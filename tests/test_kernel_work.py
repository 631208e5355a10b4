"""What activities come to together, in the compiled kernel and in Python: the same, bit for bit."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim import kernel
from dcsim.model import touch
from dcsim.model.activity import Activity
from dcsim.model.readers import ReadSet
from dcsim.model.touch import TouchClass
from dcsim.model.work import Work
from tests.test_kernel_touch import A_MEMORY, COMPILED, reference, state_of
from tests.test_kernel_touch import PURE as PURE_MEMORY

pytestmark = pytest.mark.skipif(kernel.compiled is None, reason="no compiled kernel")

PURE: Any = reference(("work",))["work"].Work
READERS = (ReadSet((TouchClass(1e4, 1.0),), 8), ReadSet((TouchClass(1e4, 1.0, "each"),), 32))

seconds = st.one_of(st.just(0.0), st.floats(1e-7, 1e-2))
activities = st.lists(
    st.builds(
        Activity,
        do=st.sampled_from(["read", "write", "send", "allocate"]),
        work_s=seconds,
        workers=st.integers(1, 8),
        index=st.integers(0, 1),
    ),
    max_size=5,
).map(tuple)
shares = st.sampled_from([0.0, 0.3, 1.0])


@given(doing=activities, data=st.data())
def test_work_tells_the_same(doing: tuple[Activity, ...], data: st.DataObject) -> None:
    """Rates, stalls, what is used of the CPU and needed, whatever is asked."""

    def numbers(own: Any) -> list[float]:
        return data.draw(st.lists(own, min_size=len(doing), max_size=len(doing)))

    demands = tuple(numbers(st.one_of(st.floats(0.0, 1e6), st.just(math.inf))))
    stalls, base_stalls = numbers(seconds), numbers(seconds)
    level = data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    needs: Any = {
        "vcpus": data.draw(st.sampled_from([1.0, 4.0])),
        "slowness": data.draw(st.sampled_from([1.0, 1.25])),
        "threads": data.draw(st.sampled_from([0.0, 1.0])),
        "throttle": data.draw(st.sampled_from([0.0, 0.4])),
    }
    seen = []
    for work in (Work(doing), PURE(doing), pickle.loads(pickle.dumps(Work(doing)))):
        rates = [work.rates(demands, level, share, stalls) for share in (0.0, 0.3, 1.0)]
        told = work.needs(demands, level, stalls, base_stalls, **needs)
        seen.append(
            repr((
                rates, [rate is demands for rate in rates], tuple(told), told[0] is demands,
                [work.used(rate) for rate in rates], work.used(rates[1], 1.5),
                work.stalls(READERS, [0.25, 0.5], 1e-3), work.activities,
            ))
        )  # fmt: skip
    assert seen[0] == seen[1] == seen[2]


@given(
    touches=st.lists(st.floats(0.0, 3e4), min_size=6, max_size=6),
    kept=st.lists(st.sampled_from([0.5, 1.0]), min_size=6, max_size=6),
    back=st.none() | st.floats(0.0, 500.0),
)
def test_work_does_the_same_to_a_memory(
    touches: list[float], kept: list[float], back: float | None
) -> None:
    """Files written, pages allocated and freed, files read; who goes short may get some back."""
    doing = (
        Activity("write", 1e-6, index=0), Activity("write", 1e-6, index=1, to="cache"),
        Activity("allocate", 1e-6, index=0, lifetime_s=2.0), Activity("allocate", 1e-6, index=1),
        Activity("read", 1e-6, index=0), Activity("read", 1e-6, index=1),
    )  # fmt: skip
    seen = []
    for work, own, parts in ((Work(doing), COMPILED, touch), (PURE(doing), PURE_MEMORY, None)):
        memory = a_memory(own["makeup"], parts or own["touch"])
        asked: list[tuple[int, float, float]] = []

        def short(*told: Any, asked: list[Any] = asked) -> float:
            asked.append(told)
            return float(told[2] + (back or 0.0))

        short_of = None if back is None else short
        told = [tuple(work.go(memory, touches, kept, 1.5, short_of)) for _ in range(2)]
        seen.append(repr((told, asked, [state_of(pages) for pages in memory.sets])))
    assert seen[0] == seen[1]


def a_memory(makeup: Any, touch: Any) -> Any:
    """Return a small memory of two writers, readers and allocators."""
    own, other = touch.TouchClass(400.0, 1.0), touch.TouchClass(2_000.0, 1.0, "each")
    return makeup.makeup_of(
        pages=10_000.0, free_zero=1_000.0, free_stale=500.0, cache=4_000.0, kernel=500.0,
        writers=[((own,), "anonymous"), ((own,), "cache")],
        readers=[((touch.TouchClass(3_000.0, 1.0),), 8, 50.0), ((other,), 32, 30.0)],
        allocators=2, min_free=200.0, hintable=0.6,
    ).memory()  # fmt: skip


WORK = Work((Activity("read", 1e-6), Activity("write", 1e-6)))


ALLOCATES = Work((Activity("allocate", 1e-6, index=9),))
WRITES = Work((Activity("write", 1e-6, index=1, to="cache"),))


@pytest.mark.parametrize(
    ("call", "args"),
    [
        (Work, ([],)),
        (Work, (("read",),)),
        (WORK.rates, ((1.0, 2.0), 1.0, 1.0)),
        (WORK.rates, ((1.0, "2"), 1.0, 1.0, [0.0, 0.0])),
        (WORK.rates, ((1.0, 2.0), 1.0, 1.0, [0.0])),
        (WORK.rates, ((1.0, 2.0), 1.0, "1", [0.0, 0.0])),
        (WORK.used, ()),
        (WORK.used, ([1.0],)),
        (WORK.used, ([1.0, 2.0], "1")),
        (WORK.stalls, (READERS, [0.0])),
        (WORK.stalls, (READERS, [0.0, 0.0], "1")),
        (WORK.stalls, ([None], [0.0], 1.0)),
        (WORK.stalls, (READERS, [0.0], 1.0)),
        (WORK.stalls, ((), [], 1.0)),
        (WORK.go, (A_MEMORY, [1.0, 2.0], [1.0, 1.0], 1.0)),
        (WORK.go, (None, [1.0, 2.0], [1.0, 1.0], 1.0, None)),
        (WORK.go, (A_MEMORY, [1.0], [1.0, 1.0], 1.0, None)),
        (WORK.go, (A_MEMORY, [1.0, 2.0], [1.0], 1.0, None)),
        (WORK.go, (A_MEMORY, [1.0, 2.0], [1.0, 1.0], "1", None)),
        (Work((Activity("read", 1e-6),) * 2).go, (A_MEMORY, [1.0] * 2, [1.0] * 2, 1.0, None)),
        (ALLOCATES.go, (A_MEMORY, [1.0], [1.0], 1.0, None)),
        (WRITES.go, (A_MEMORY, [1.0], [1.0], 1.0, None)),
        (WORK.needs, ((1.0, 2.0), 1.0, [0.0, 0.0])),
    ],
)
def test_what_is_no_work_is_refused(call: Any, args: tuple[Any, ...]) -> None:
    """The compiled kernel takes nothing for what it is not."""
    with pytest.raises((TypeError, ValueError, IndexError, AttributeError)):
        call(*args)
