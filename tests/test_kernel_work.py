"""What activities come to together, in the compiled kernel and in Python: the same, bit for bit."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim import kernel
from dcsim.model.activity import Activity
from dcsim.model.readers import ReadSet
from dcsim.model.touch import TouchClass
from dcsim.model.work import Work
from tests.test_kernel_touch import reference

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


WORK = Work((Activity("read", 1e-6), Activity("write", 1e-6)))


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
        (WORK.needs, ((1.0, 2.0), 1.0, [0.0, 0.0])),
    ],
)
def test_what_is_no_work_is_refused(call: Any, args: tuple[Any, ...]) -> None:
    """The compiled kernel takes nothing for what it is not."""
    with pytest.raises((TypeError, ValueError, IndexError, AttributeError)):
        call(*args)
