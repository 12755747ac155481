"""The plot of the spectrum of what is in view."""

from typing import Any, Final

import numpy as np
from bokeh.models import ColumnDataSource, Range1d
from bokeh.plotting import figure

from powerlab.terminal import printable
from powerlab.viewing.course import Floats
from powerlab.viewing.frame import Painted, paint, paint_frame
from powerlab.viewing.look import Look
from powerlab_analysis.quantity import prefixed
from powerlab_analysis.spectra import Spectra, Spectrum

COLUMNS: Final = 1500
MOST_NAMED: Final = 6  # lines
PARTS: Final = 2  # spectra: of windows, and of idle


class SpectrumPlot:
    """Densities against frequency, and the strongest lines of the first; hidden until there is something to show."""

    def __init__(self) -> None:
        self.figure = plot = figure(
            height=320,
            sizing_mode="stretch_width",
            x_axis_type="log",
            y_axis_type="log",
            x_range=Range1d(1, 10),
            y_range=Range1d(1, 10),
            tools="xpan,xwheel_zoom",
            active_scroll="xwheel_zoom",
            toolbar_location=None,
            name="spectrum",
            min_border_left=64,
            visible=False,
        )
        plot.xaxis.axis_label = "frequency in Hz"
        plot.xaxis.axis_label_text_font_style = plot.yaxis.axis_label_text_font_style = "normal"
        self._densities = [ColumnDataSource({"x": [], "y": []}) for _ in range(PARTS)]
        self._lines = ColumnDataSource({"x": [], "y": [], "text": []})
        self._painted: list[Painted] = []
        for source, colour in reversed(list(zip(self._densities, ("0", "faint"), strict=True))):
            curve = plot.line(x="x", y="y", source=source, line_width=1)
            self._painted.append((curve.glyph, "line_color", colour))
        marks = plot.scatter(x="x", y="y", source=self._lines, marker="inverted_triangle", size=7, line_color=None)
        names = plot.text(
            x="x", y="y", text="text", source=self._lines, text_font_size="11px", text_align="center", y_offset=-8
        )
        self._painted += [(marks.glyph, "fill_color", "1"), (names.glyph, "text_color", "ink")]

    def paint(self, look: Look) -> None:
        """Put on a look."""
        paint_frame(self.figure, look)
        paint(self._painted, look)

    def show(self, found: Spectra) -> str:
        """Show spectra; what they are of."""
        parts = [found.main, *(it for it in found.parts.values() if it is not found.main)][:PARTS]
        curves = [log_columns(it.density.frequencies, it.density.values) for it in parts]
        for source, (x, y) in zip(self._densities, [*curves, *[(np.empty(0),) * 2] * PARTS], strict=False):
            source.data = {"x": x, "y": y}
        self._lines.data = _lines(found.main, found.unit)
        plot, values = self.figure, np.concatenate([y for _, y in curves])
        plot.x_range.update(start=min(x[0] for x, _ in curves), end=max(x[-1] for x, _ in curves))
        plot.y_range.update(start=float(values.min()) / 2, end=float(values.max()) * 8)
        plot.yaxis.axis_label = f"density in {printable(found.unit, 8)}^2/Hz".replace("$", "")
        plot.visible = True
        segments = parts[0].density.segments
        others = f", grey: {parts[1].part}" if len(parts) > 1 else ""
        return f"spectrum of {parts[0].part} in view, {segments} segments{others}"


def _lines(spectrum: Spectrum, unit: str) -> dict[str, Any]:
    density = spectrum.density
    lines = sorted(spectrum.lines, key=lambda it: -it.amplitude.value)[:MOST_NAMED]
    at = [round(it.frequency.value / density.spacing) for it in lines]
    return {
        "x": [it.frequency.value for it in lines],
        "y": [float(density.values[max(k - 1, 0) : k + 2].max()) for k in at],
        "text": [f"{prefixed(it.frequency.value, 'Hz')}: {prefixed(it.amplitude.value, unit, 3)}" for it in lines],
    }


def log_columns(frequencies: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The largest density of each column of a logarithmic axis, and where: so no line is lost."""
    known = np.flatnonzero((frequencies > 0) & (values > 0))
    if not len(known):
        return np.ones(1), np.ones(1)
    frequencies, values = frequencies[known], values[known]
    starts = np.unique(np.searchsorted(frequencies, np.geomspace(frequencies[0], frequencies[-1], COLUMNS)))
    stops = np.append(starts[1:], len(values))
    at = [first + int(values[first:last].argmax()) for first, last in zip(starts.tolist(), stops.tolist(), strict=True)]
    return frequencies[at], values[at]
