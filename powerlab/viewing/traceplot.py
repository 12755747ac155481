"""The large plot: traces against time with windows, cursors and clipped samples; below it, all of them small."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from bokeh.models import (
    BoxAnnotation,
    BoxZoomTool,
    ColumnDataSource,
    CrosshairTool,
    CustomJS,
    HoverTool,
    PanTool,
    Range1d,
    RangeTool,
    TapTool,
    WheelZoomTool,
)
from bokeh.plotting import figure

from powerlab.viewing.course import Course, shifted
from powerlab.viewing.frame import Painted, axis_of_time, paint, paint_frame
from powerlab.viewing.look import Look
from powerlab.viewing.windowlist import PLACE

LANE: Final = "lane"  # a scale from 0 to 1 over the plot's height, for what has no value
BORDER: Final = 68  # pixels left of the plots, so that their axes of time lie below each other
_CURSORS: Final = "lines.data = {x: [box.left, box.right], text: ['A', 'B']}"


class TracePlot:
    """The plots of so many traces from `start` to `stop` (s): what is drawn in them, and where the cursors are."""

    def __init__(self, start: float, stop: float, count: int) -> None:
        span = stop - start
        margin = 0.02 * span
        self.view = Range1d(
            start - margin,
            stop + margin,
            bounds=(start - 0.25 * span, stop + 0.25 * span),
            min_interval=min(1e-5, 1e-4 * span),
            name="x",
        )
        self.figure = self._figure("trace", 420, self.view, span)
        self.overview = self._figure("overview", 64, Range1d(start - margin, stop + margin), span)
        self.overview.yaxis.visible = self.overview.ygrid.visible = False
        self.figure.xaxis.axis_label = "time since the first trigger in " + ("s" if span < 60 else "h:mm:ss")
        self._painted: list[Painted] = []
        self._tools()
        self.windows = self._windows()
        self._traces = [self._trace(self.figure, number) for number in range(count)]
        self._outlines = [self._trace(self.overview, number) for number in range(count)]
        self._clipped = self._marks()
        self.box, self._lines = self._cursors(start, stop)
        seen = RangeTool(x_range=self.view)
        seen.overlay.fill_alpha = 0.15
        self._painted += [(seen.overlay, "fill_color", "cursor"), (seen.overlay, "line_color", "cursor")]
        self.overview.add_tools(seen)

    @property
    def cursors(self) -> tuple[float, float]:
        """Where the cursors are (s), the earlier one first."""
        left, right = float(self.box.left), float(self.box.right)
        return min(left, right), max(left, right)

    def put_cursors(self, left: float, right: float) -> None:
        """Put the cursors somewhere (s)."""
        self.box.update(left=left, right=right)
        self._lines.data = {"x": [left, right], "text": ["A", "B"]}

    def draw(self, courses: Iterable[tuple[Course, float]], scale: tuple[float, float] | None) -> None:
        """Draw traces, each so many seconds later, on a scale of values."""
        _draw(self.figure, self._traces, courses, scale)

    def draw_overview(self, courses: Iterable[tuple[Course, float]], scale: tuple[float, float] | None) -> None:
        """Draw all of them below."""
        _draw(self.overview, self._outlines, courses, scale)

    def mark_clipped(self, times: Any) -> None:
        """Mark clipped samples at times [n] (s)."""
        self._clipped.data = {"x": times}

    def paint(self, look: Look) -> None:
        """Put on a look."""
        for plot in (self.figure, self.overview):
            paint_frame(plot, look)
        paint(self._painted, look)

    def on_move(self, react: Callable[[], None]) -> None:
        """Have a function called when a cursor is dragged."""
        for name in ("left", "right"):
            self.box.on_change(name, lambda attr, old, new: react())  # noqa: ARG005 - Bokeh's names

    def _figure(self, name: str, height: int, view: Range1d, span: float) -> figure:
        plot = figure(
            height=height,
            sizing_mode="stretch_width",
            x_range=view,
            y_range=Range1d(0, 1),
            extra_y_ranges={LANE: Range1d(0, 1)},
            tools=[],
            toolbar_location=None,
            name=name,
            min_border_left=BORDER,
        )
        axis_of_time(plot, span)
        return plot

    def _tools(self) -> None:
        wheel, pan = WheelZoomTool(dimensions="width"), PanTool(dimensions="width")
        cross = CrosshairTool(dimensions="height", line_alpha=0.5)
        self.figure.add_tools(wheel, pan, BoxZoomTool(dimensions="width"), cross)
        self.figure.toolbar.active_scroll, self.figure.toolbar.active_drag = wheel, pan
        self.figure.js_on_event("mousemove", CustomJS(code="window.powerlabMouse = cb_obj.x"))
        self._painted.append((cross, "line_color", "faint"))

    def _trace(self, plot: figure, number: int) -> ColumnDataSource:
        source = ColumnDataSource({it: [] for it in ("x", "low", "mean", "high")})
        band = plot.varea(x="x", y1="low", y2="high", source=source, fill_alpha=0.35)
        line = plot.line(x="x", y="mean", source=source, line_width=1.2)
        self._painted += [(band.glyph, "fill_color", str(number)), (line.glyph, "line_color", str(number))]
        return source

    def _windows(self) -> ColumnDataSource:
        names = ("left", "right", "middle", "number", "text", "said", "hatch", "fill", PLACE)
        source = ColumnDataSource({it: [] for it in names}, name="shades")
        shade = self.figure.quad(
            left="left",
            right="right",
            bottom=0,
            top=1,
            source=source,
            y_range_name=LANE,
            fill_color="fill",
            fill_alpha=0.16,
            line_color="fill",
            line_alpha=0.5,
            hatch_pattern="hatch",
            hatch_alpha=0.5,
            hatch_scale=9,
        )
        numbers = self.figure.text(
            x="middle",
            y=0.985,
            text="text",
            source=source,
            y_range_name=LANE,
            text_align="center",
            text_baseline="top",
            text_font_size="11px",
        )
        for it in (shade, numbers):  # a tap must not change how they look
            it.nonselection_glyph = it.selection_glyph = None
        said = [("window", "@number"), ("", "@said")]
        hover = HoverTool(renderers=[shade], tooltips=said, point_policy="follow_mouse", attachment="below")
        self.figure.add_tools(hover, TapTool(renderers=[shade]))
        self._painted += [(numbers.glyph, "text_color", "ink"), (shade.glyph, "hatch_color", "dropped")]
        return source

    def _marks(self) -> ColumnDataSource:
        source = ColumnDataSource({"x": []}, name="clipped")
        marks = self.figure.scatter(
            x="x", y=0.93, source=source, y_range_name=LANE, marker="inverted_triangle", size=8, line_color=None
        )
        self._painted.append((marks.glyph, "fill_color", "clipped"))
        return source

    def _cursors(self, start: float, stop: float) -> tuple[BoxAnnotation, ColumnDataSource]:
        box = BoxAnnotation(
            left=start,
            right=stop,
            name="cursors",
            editable=True,
            movable="none",
            resizable="x",
            line_color=None,
            fill_alpha=0.07,
            level="annotation",
        )
        self.figure.add_layout(box)
        lines = ColumnDataSource({"x": [start, stop], "text": ["A", "B"]}, name="cursor lines")
        drawn = self.figure.vspan(x="x", source=lines, line_width=1.5)
        letters = self.figure.text(
            x="x",
            y=0.02,
            text="text",
            source=lines,
            y_range_name=LANE,
            text_font_size="12px",
            text_font_style="bold",
            x_offset=4,
        )
        box.js_on_change("left", follow := CustomJS(args={"lines": lines, "box": box}, code=_CURSORS))
        box.js_on_change("right", follow)
        self._painted += [
            (box, "fill_color", "cursor"),
            (drawn.glyph, "line_color", "cursor"),
            (letters.glyph, "text_color", "cursor"),
        ]
        return box, lines


def _draw(
    plot: figure,
    sources: Sequence[ColumnDataSource],
    courses: Iterable[tuple[Course, float]],
    scale: tuple[float, float] | None,
) -> None:
    for source, (course, shift) in zip(sources, courses, strict=True):
        source.data = dict(shifted(course, shift).points())
    if scale is not None:
        plot.y_range.update(start=scale[0], end=scale[1])


def scale_of(extremes: Iterable[tuple[float, float] | None]) -> tuple[float, float] | None:
    """A scale of values that these are on, with room above for the windows' numbers; None for nothing."""
    known = [it for it in extremes if it is not None]
    if not known:
        return None
    low, high = min(it[0] for it in known), max(it[1] for it in known)
    margin = 0.07 * (high - low) or 0.05 * abs(high) or 1.0
    return (low - margin, high + 2 * margin) if math.isfinite(low + high) else None
