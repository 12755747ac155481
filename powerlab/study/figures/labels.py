"""Names beside blobs, where they hide neither blobs nor each other."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from powerlab.spectrumfigure import plain
from powerlab.study.looks import DARK

SIZE: Final = 6.5  # points
DIRECTIONS: Final = 16
DISTANCES: Final = (2.0, 5.0, 11.0, 18.0, 27.0, 38.0)  # points from a blob's edge


class Blob(NamedTuple):
    """A blob at (x, y) in data, of a radius in points, and its name."""

    x: float
    y: float
    radius: float
    name: str


def name_blobs(axes: Axes, blobs: Sequence[Blob], others: Sequence[Blob] = ()) -> None:
    """Write each blob's name at the nearest place where it covers nothing, with a thin line if that is not beside it.

    The axes must have their limits and the figure its layout. `others` have no name, and are not to be covered, too.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    pixels = figure.dpi / 72
    everything = [*blobs, *others]
    places = [axes.transData.transform((it.x, it.y)) for it in everything]
    inside = axes.get_window_extent()
    circles = [(float(at[0]), float(at[1]), it.radius * pixels) for at, it in zip(places, everything, strict=True)]
    boxes: list[Bbox] = []
    for (x, y, radius), blob in zip(circles, blobs, strict=False):
        width, height = 0.6 * SIZE * len(blob.name) * pixels, 1.05 * SIZE * pixels
        best, least, chosen = None, math.inf, (0.0, 0.0)
        for distance in DISTANCES:
            for k in range(DIRECTIONS):
                angle = 2 * math.pi * k / DIRECTIONS
                reach = radius + distance * pixels
                middle_x = x + math.cos(angle) * (reach + width / 2)
                middle_y = y + math.sin(angle) * (reach + height / 2)
                box = Bbox.from_bounds(middle_x - width / 2, middle_y - height / 2, width, height)
                cost = _cost(box, boxes, circles, inside) + 0.02 * distance
                if cost < least:
                    best, least, chosen = box, cost, (middle_x, middle_y)
        assert best is not None
        boxes.append(best)
        data = axes.transData.inverted().transform(chosen)
        far = math.hypot(chosen[0] - x, chosen[1] - y) > radius + width / 2 + 7 * pixels
        axes.annotate(
            plain(blob.name),
            (blob.x, blob.y),
            xytext=(float(data[0]), float(data[1])),
            fontsize=SIZE,
            color=DARK,
            ha="center",
            va="center",
            zorder=6,
            arrowprops={"arrowstyle": "-", "color": DARK, "linewidth": 0.4, "shrinkA": 3, "shrinkB": blob.radius}
            if far
            else None,
        )


def _cost(box: Bbox, boxes: Sequence[Bbox], circles: Sequence[tuple[float, float, float]], inside: Bbox) -> float:
    """How bad a place is: what it hides, as shares of the box, and whether it leaves the axes."""
    area = box.width * box.height
    cost = 0.0
    if box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1:
        cost += 20.0
    for other in boxes:
        width = min(box.x1, other.x1) - max(box.x0, other.x0)
        height = min(box.y1, other.y1) - max(box.y0, other.y0)
        if width > 0 and height > 0:
            cost += 1.0 + 5 * width * height / area
    for x, y, radius in circles:
        gap = math.hypot(max(box.x0 - x, 0, x - box.x1), max(box.y0 - y, 0, y - box.y1))
        if gap < radius:
            cost += 0.5 + 2 * (1 - gap / radius)
    return cost
