"""How every figure looks: colours with one meaning each, the template, units fit for reading.

Colours are told apart by people with any of the common colour vision deficiencies: Okabe and Ito,
"Color Universal Design" (2008), and the muted scheme of P. Tol, "Colour Schemes"
(SRON/EPS/TN/09-002, 2021).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from dcsim.study.findings.metrics import UNITS

if TYPE_CHECKING:
    import plotly.graph_objects as go

FONT: Final = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
INK: Final = "#1f2430"
MUTED: Final = "#5b6472"
GRID: Final = "#e4e7ec"
KEY_LINE_PX: Final = 18
"""Height of a line of a `heading`, CSS pixels."""
NARROW_PX: Final = 560
"""A figure narrower than this takes the layout changes in its ``layout.meta["narrow"]``."""

KIND_COLOURS: Final[Mapping[str, str]] = {
    "first pass": "#0072b2",
    "re-sent": "#56b4e9",
    "switch-over": "#1f2430",
    "post-copy": "#661100",
    "disk copy": "#332288",
    "mirror write": "#882255",
    "prefetch": "#009e73",
    "refault": "#e69f00",
    "write-back": "#d55e00",
    "application": "#b4bac4",
    "control": "#cc79a7",
}
"""A colour for each kind of traffic."""

CAUSE_COLOURS: Final[Mapping[str, str]] = {
    "blackout": "#1f2430",
    "restart": "#882255",
    "cpu": "#117733",
    "write_fault": "#88ccee",
    "cache_miss": "#e69f00",
    "storage": "#cc6677",
    "network": "#332288",
    "inflation": "#44aa99",
    "memory": "#aa4499",
    "throttle": "#999933",
    "dirty_limit": "#ddcc77",
    "huge_pages": "#661100",
    "post_copy": "#88ccaa",
    "failure": "#000000",
}
"""A colour for each cause of lost work; what belongs together across the two lists looks alike."""

CAUSE_NAMES: Final[Mapping[str, str]] = {
    "write_fault": "write faults",
    "cache_miss": "cache misses",
    "cpu": "CPU",
    "dirty_limit": "dirty limit",
    "huge_pages": "split huge pages",
    "post_copy": "post-copy",
}
"""Causes whose name is not fit for reading as it is."""

PHASE_COLOURS: Final[Mapping[str, str]] = {
    "waiting": "#d9dde4",
    "preparing": "#009e73",
    "stream": "#0072b2",
    "first pass": "#0072b2",
    "re-sent": "#56b4e9",
    "switch-over": "#1f2430",
    "post-copy": "#882255",
    "moved cold": "#aa4499",
}
"""A colour for each phase of a migration; "stream" where its rounds were not recorded."""

_VARIANTS: Final = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#332288",
    "#882255",
)
_SYMBOLS: Final = ("circle", "square", "diamond", "triangle-up")

Quantity = Literal["bytes", "rate", "seconds", "share", "count"]
_STEPS: Final[Mapping[Quantity, tuple[tuple[float, str], ...]]] = {
    "bytes": ((1, "B"), (2**10, "KiB"), (2**20, "MiB"), (2**30, "GiB"), (4 * 2**40, "TiB")),
    "rate": (
        (1 / 8, "bit/s"),
        (125, "kbit/s"),
        (125e3, "Mbit/s"),
        (125e6, "Gbit/s"),
        (125e9, "Tbit/s"),
    ),
    "seconds": ((1e-6, "µs"), (1e-3, "ms"), (1, "s"), (600, "min"), (7200, "h")),
    "share": ((0, "%"),),
    "count": ((0, ""),),
}
_UNIT_SIZE: Final = {"TiB": float(2**40), "min": 60.0, "h": 3600.0, "%": 0.01, "": 1.0}


QUANTITIES: Final[Mapping[str, Quantity]] = {
    "s": "seconds",
    "B": "bytes",
    "B/s": "rate",
}
"""What a unit measures; all others, a count."""


def quantity(metric: str) -> Quantity:
    """Return what a metric measures."""
    return QUANTITIES.get(UNITS[metric], "count")


@dataclass(frozen=True, slots=True)
class Scale:
    """A unit fit for reading: ``value / size`` is the number to write before it."""

    size: float
    unit: str

    def text(self, value: float, *, digits: int = 3, strip: bool = True) -> str:
        """Return *value* (SI) written in this unit; not a number is written as a dash."""
        if not math.isfinite(value):
            return "–"
        number = number_text(value / self.size, digits=digits, strip=strip or not self.unit)
        return number + (
            "" if not self.unit else "\u202f%" if self.unit == "%" else f"\u00a0{self.unit}"
        )


def number_text(value: float, *, digits: int = 3, strip: bool = True) -> str:
    """Return *value* with *digits* figures at least, all of its whole part, and thousands apart.

    Zeros at the end of a fraction are stripped, unless columns of numbers are to look alike.
    """
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(places, 9)}f}"
    if strip and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "\u2212")


def scale(largest: float, quantity: Quantity) -> Scale:
    """Return the unit in which the *largest* of some values (SI) reads best.

    Examples
    --------
    >>> scale(3 * 2**30, "bytes"), scale(0.25, "seconds")
    (Scale(size=1073741824, unit='GiB'), Scale(size=0.001, unit='ms'))
    """
    size, unit = _STEPS[quantity][0]
    if quantity == "seconds" and not largest:
        return Scale(1.0, "s")
    for least, name in _STEPS[quantity]:
        if largest >= least:
            size, unit = least, name
    return Scale(_UNIT_SIZE.get(unit, size), unit)


def human(value: float, quantity: Quantity, *, digits: int = 3) -> str:
    """Return *value* (SI) written in the unit that suits it.

    Examples
    --------
    >>> human(1610612736, "bytes").replace("\u00a0", " ")
    '1.5 GiB'
    """
    return scale(abs(value) if math.isfinite(value) else 0.0, quantity).text(value, digits=digits)


def label(text: str, *, longest: int = 40) -> str:
    """Return a name fit for a figure: short, and with nothing plotly would read as markup."""
    if len(text) > longest:
        tail = longest // 3
        text = f"{text[: longest - tail - 1]}…{text[-tail:]}"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def log_axis(low: float, high: float) -> dict[str, Any]:
    """Return a logarithmic axis around positive values, with a tick or three a decade."""
    bottom, top = math.log10(low) - 0.08, math.log10(high) + 0.08
    steps = (1, 2, 5) if top - bottom < 2.5 else (1,)
    ticks = [
        step * 10.0**power
        for power in range(math.floor(bottom), math.ceil(top) + 1)
        for step in steps
    ]
    ticks = [tick for tick in ticks if bottom <= math.log10(tick) <= top]
    texts = [number_text(tick, digits=1) for tick in ticks]
    return {"type": "log", "range": [bottom, top], "tickvals": ticks, "ticktext": texts}


def key_entry(name: str, colour: str) -> str:
    """Return a colour and what it stands for, to be put into a `heading`."""
    return f'<span style="color:{colour}">■</span>\u00a0{name.replace(" ", chr(0xA0))}'


def heading(title: str, key: Sequence[str], *, line: int) -> str:
    """Return a panel's title and, under it, its key in lines of about so many characters.

    Such a key wraps where it is told to, which plotly's legend beside another one does not.
    """
    lines, used = [title], line + 1
    for entry in key:
        wide = len(entry.split("</span>")[1]) + 4
        if used + wide > line:
            lines.append(entry)
            used = wide
        else:
            lines[-1] += f"\u2002{entry}"
            used += wide
    return "<br>".join(lines)


def variant_styles(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return a colour and a marker symbol for each variant, by order of appearance: 32 differ."""
    found: dict[str, tuple[str, str]] = {}
    for name in names:
        index = len(found)
        turn = (index + index // len(_VARIANTS)) % len(
            _SYMBOLS
        )  # a repeated colour gets another symbol
        found.setdefault(name, (_VARIANTS[index % len(_VARIANTS)], _SYMBOLS[turn]))
    return found


def template() -> go.layout.Template:
    """Return the plotly template that every figure here uses."""
    import plotly.graph_objects as go

    axis = {
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": "#b4bac4",
        "automargin": True,
        "separatethousands": True,
        "ticks": "",
        "title": {"standoff": 10, "font": {"size": 13, "color": MUTED}},
        "tickfont": {"size": 12},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": INK},
            "title": {
                "font": {"size": 13, "color": MUTED},
                "x": 0,
                "xref": "paper",
                "xanchor": "left",
                "y": 1,
                "yref": "container",
                "yanchor": "top",
                "pad": {"t": 8},
            },
            "paper_bgcolor": "#ffffff",
            "plot_bgcolor": "#ffffff",
            "margin": {"l": 10, "r": 12, "t": 36, "b": 10},
            "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": "#b4bac4", "align": "left"},
            "legend": {
                "orientation": "h",
                "font": {"size": 12},
                "itemwidth": 30,
                "traceorder": "normal",
            },
            "xaxis": axis,
            "yaxis": axis,
        }
    )


def figure(
    *, height: int = 400, title: str = "", narrow: Mapping[str, Any] | None = None
) -> go.Figure:
    """Return an empty figure in the common style, as wide as what it is put in.

    Parameters
    ----------
    height
        In CSS pixels.
    title
        A line above it; names in it have to be passed through `label`.
    narrow
        Layout changes (plotly's dotted paths) for places narrower than `NARROW_PX`.
    """
    import plotly.graph_objects as go

    drawn = go.Figure(layout={"template": template(), "height": height, "autosize": True})
    if title:
        drawn.update_layout(title_text=title)
    if narrow:
        drawn.update_layout(meta={"narrow": dict(narrow)})
    return drawn


def draw_ends(
    drawn: go.Figure,
    means: Sequence[float],
    halves: Sequence[float],
    texts: Sequence[str],
    *,
    size: float,
    longest: float,
    **axes: str,
) -> None:
    """Draw whiskers on the ends of lying bars, where they can be seen, and a text behind each.

    Parameters
    ----------
    drawn
        The figure, whose bars lie at 0, 1, 2, ...
    means, halves
        Where each bar ends; half of its interval, NaN where none is known.
    texts
        What stands behind each.
    size
        What all of them are divided by, as `Scale` says.
    longest
        What the axis has to show.
    **axes
        As plotly names them, where a figure has more than one of a kind.
    """
    halves = [half if half > 0.002 * longest else 0.0 for half in halves]
    sure = [row for row, half in enumerate(halves) if half]
    drawn.add_scatter(
        x=[means[row] / size for row in sure],
        y=sure,
        error_x={
            "array": [halves[row] / size for row in sure],
            "thickness": 1.3,
            "width": 4,
            "color": MUTED,
        },
        mode="markers",
        marker={"size": 1, "color": "rgba(0,0,0,0)"},
        hoverinfo="skip",
        showlegend=False,
        **axes,
    )
    drawn.add_scatter(
        x=[(mean + half) / size for mean, half in zip(means, halves, strict=True)],
        y=list(range(len(means))),
        mode="text",
        text=texts,
        textposition="middle right",
        textfont={"size": 11.5},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
        **axes,
    )
