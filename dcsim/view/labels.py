"""Where names of points go, so that they cover neither each other nor the points: CSS pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from dcsim.view.style import INK

Box = tuple[float, float, float, float]

_CHARACTER: Final = 6.6
_LINE: Final = 15.0
_MARKER: Final = 8.0
_CORNER: Final = (105.0, 20.0)
_DIRECTIONS: Final = (
    (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1),
    (1, 0.5), (-1, 0.5), (1, -0.5), (-1, -0.5), (0.5, 1), (-0.5, 1), (0.5, -1), (-0.5, -1),
)  # fmt: skip
_DISTANCES: Final = (12.0, 24.0, 40.0, 60.0, 85.0)


def place(
    points: np.ndarray,
    widths: Sequence[float],
    *,
    width: float,
    height: float,
    avoid: Sequence[Box] = (),
) -> list[Box]:
    """Return a box for the name of each point: next to it if there is room, else further off.

    Parameters
    ----------
    points
        One row a point: x to the right, y up, in pixels.
    widths
        How wide each name is.
    width, height
        Of the area that names have to stay in.
    avoid
        Further boxes to leave free: ``(left, bottom, right, top)``.

    Returns
    -------
    list of tuple
        ``(left, bottom, right, top)`` a point, in the order given.
    """
    markers = [(x - _MARKER, y - _MARKER, x + _MARKER, y + _MARKER) for x, y in points]
    markers += avoid
    taken: dict[int, Box] = {}
    # The most crowded points choose first: they have the fewest places left.
    crowd = [float(np.hypot(*(points - p).T).clip(max=150).sum()) for p in points]
    for index in sorted(range(len(points)), key=lambda i: (crowd[i], i)):
        x, y = points[index]
        best, least = None, float("inf")
        for far, distance in enumerate(_DISTANCES):
            for turn, (dx, dy) in enumerate(_DIRECTIONS):
                box = _box(x + dx * distance, y + dy * distance, dx, dy, widths[index])
                out = (
                    max(0, -box[0])
                    + max(0, box[2] - width)
                    + max(0, -box[1])
                    + max(0, box[3] - height)
                )
                cost = 400 * out + 12 * far + turn
                cost += sum(8 * _overlap(box, other) for other in taken.values())
                cost += sum(4 * _overlap(box, other) for other in markers)
                if cost < least:
                    best, least = box, cost
        taken[index] = best or markers[index]
    return [taken[index] for index in range(len(points))]


def annotate(
    points: np.ndarray,
    texts: Sequence[str],
    halves: np.ndarray,
    *,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    width: float,
    height: float,
) -> list[dict[str, Any]]:
    """Return plotly annotations that name *points*, a thin line to those that are far off.

    *points* and the *halves* of their whiskers are in axis units, a row a point; the corner at the
    upper right is left free for a note of one line.
    """
    low, span = (
        np.array([x_range[0], y_range[0]]),
        np.array([x_range[1] - x_range[0], y_range[1] - y_range[0]]),
    )
    pixels = (points - low) / span * (width, height)
    reach = halves / span * (width, height)
    avoid: list[Box] = [(width - _CORNER[0], height - _CORNER[1], width, height)]
    for (x, y), (far_x, far_y) in zip(pixels, reach, strict=True):
        avoid += [(x - far_x, y - 3, x + far_x, y + 3), (x - 3, y - far_y, x + 3, y + far_y)]
    widths = [_CHARACTER * len(text) + 4 for text in texts]
    boxes = place(pixels, widths, width=width, height=height, avoid=avoid)
    found = []
    for text, (x, y), (px, py), (left, bottom, right, top) in zip(
        texts, points, pixels, boxes, strict=True
    ):
        near_x, near_y = min(max(px, left), right), min(max(py, bottom), top)
        far = float(np.hypot(near_x - px, near_y - py)) > _DISTANCES[0] * 1.5
        anchor = "left" if left >= px else "right" if right <= px else "center"
        at = {"left": left, "right": right, "center": (left + right) / 2}[anchor]
        found.append(
            {
                "text": text,
                "x": float(x),
                "y": float(y),
                "ax": float(at - px),
                "ay": float(py - (bottom + top) / 2),
                "xanchor": anchor,
                "yanchor": "middle",
                "showarrow": True,
                "arrowhead": 0,
                "arrowwidth": 0.8,
                "arrowcolor": "#98a1b0" if far else "rgba(0,0,0,0)",
                "standoff": _MARKER,
                "font": {"size": 12, "color": INK},
                "bgcolor": "rgba(255,255,255,0.75)",
                "borderpad": 0,
            }
        )
    return found


def _box(x: float, y: float, dx: float, dy: float, width: float) -> Box:
    left = x if dx > 0 else x - width if dx < 0 else x - width / 2
    bottom = y - _LINE / 2 if dx else y if dy > 0 else y - _LINE
    return left, bottom, left + width, bottom + _LINE


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
