"""The digest of what a function does: it changes with what decides, and with nothing else."""

from __future__ import annotations

import pytest

from dcsim.scenario.source import fingerprint

CHANGES = {
    "its own constant": "def f(x): return x + {a}",
    "a constant that was there before": """
def f(x):
    y = 1 + 2
    return (lambda z: z + {a})(y)
""",
    "a default": "def f(x, n={a}): return x + n",
    "a helper": """
def helper(x): return x + {a}
def f(x): return helper(x)
""",
    "a helper in a lambda": """
def helper(x): return x + {a}
def f(xs): return sorted(xs, key=lambda x: helper(x))
""",
    "a helper in a comprehension": """
def f(x): return [helper(y) for y in x]
def helper(y): return y + {a}
""",
    "a global number": """
N = {a}
def f(x): return x + N
""",
    "a global mapping": """
W = {{"a": [{a}]}}
def f(x): return x + W["a"][0]
""",
    "a global array": """
import numpy
W = numpy.array([{a}])
def f(x): return x + W[0]
""",
    "an object's value": """
class P:
    def __init__(self): self.a = {a}
    def __call__(self, x): return x + self.a
f = P()
""",
    "a method of a global object": """
class H:
    def go(self, x): return x + {a}
h = H()
def f(x): return h.go(x)
""",
    "an argument that is bound": """
import functools
def g(x, n): return x + n
f = functools.partial(g, n={a})
""",
    "a function that is bound": """
import functools
def g(x, n): return x + n + {a}
f = functools.partial(g, n=1)
""",
    "a constant of its class": """
class P:
    BIG = {a}
    def __call__(self, x): return x + self.BIG
f = P()
""",
    "a static method": """
class P:
    @staticmethod
    def go(x): return x + {a}
def f(x): return P.go(x)
""",
    "a property": """
class P:
    @property
    def big(self): return {a}
    def __call__(self, x): return x + self.big
f = P()
""",
    "a class above": """
class Q:
    def go(self, x): return x + {a}
class P(Q):
    def __call__(self, x): return self.go(x)
f = P()
""",
    "whose method it is": """
class P:
    def __init__(self, n): self.n = n
    def go(self, x): return x + self.n
f = P({a}).go
""",
    "a slot": """
class P:
    __slots__ = ("n",)
    def __init__(self, n): self.n = n
    def __call__(self, x): return x + self.n
f = P({a})
""",
    "how data are nested": """
N = [[1, 2], [3]] if {a} == 1 else [[1], [2, 3]]
def f(x): return N[x]
""",
    "global bytes": """
N = b"{a}"
def f(x): return N
""",
    "what is decorated": """
def deco(g):
    def inner(x): return g(x)
    return inner
@deco
def f(x): return x + {a}
""",
    "what it closes over": """
def outer(n):
    def inner(x): return x + n
    return inner
f = outer({a})
""",
}


def made(source, **values):
    """Return the function that a text defines, as a cell of a notebook would."""
    names = {"__name__": "__main__"}
    exec(source.format(**values), names)  # noqa: S102 - a text of this file
    return names["f"]


@pytest.mark.parametrize("what", CHANGES)
def test_what_decides_changes_it(what):
    """And the same text gives the same, in another process too."""
    one, same, other = (made(CHANGES[what], a=a) for a in (1, 1, 2))
    assert fingerprint(one) == fingerprint(same)
    assert fingerprint(one) != fingerprint(other)


def test_comments_and_lines_do_not():
    """Nor does what it stands beside."""
    plain = made("def f(x): return x + 1")
    assert fingerprint(plain) == fingerprint(made("# a comment\n\n\ndef f(x): return x + 1\nz = 3"))


def test_what_refers_to_itself_ends():
    """A function in its own cell, a list in itself, a cell with nothing in it."""
    ring = []
    ring.append(ring)

    def itself(x):
        return itself(x - 1) if ring else later

    if not ring:
        later = 1
    assert fingerprint(itself) == fingerprint(itself)
