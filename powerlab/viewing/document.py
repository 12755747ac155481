"""The page: its state, and what becomes of what the user does."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any, Final

from bokeh.core.templates import get_env
from bokeh.document import Document, without_document_lock
from bokeh.layouts import column, row
from bokeh.models import Button, CustomJS, Div, RadioButtonGroup, Select, TextInput, Toggle

from powerlab.terminal import printable
from powerlab.viewing.clockface import spoken, typed
from powerlab.viewing.look import DARK, LIGHT, Look
from powerlab.viewing.shown import Shown
from powerlab.viewing.spectrumplot import SpectrumPlot
from powerlab.viewing.styles import text_style, widget_style
from powerlab.viewing.texts import faint, heading, keys, readings, warning
from powerlab.viewing.traceplot import TracePlot, scale_of
from powerlab.viewing.windowlist import PLACE, listed, rows, shades, window_table
from powerlab.viewing.windows import Windows
from powerlab_analysis.quantity import prefixed
from powerlab_traces.errors import PowerlabError

PIXELS: Final = 1400  # a plot is wide, before the browser has said
MARGIN: Final = 0.5  # of the view, on either side, that is drawn as well: panning shows something at once
FINE: Final = 1.25  # bins for each pixel
PAUSE: Final = 20  # ms that changes of the view or of a cursor are gathered
POLL: Final = 300  # ms between questions to the analysis
NUDGE: Final = 1e-3  # of the view
AROUND: Final = 0.15  # of a window, on either side, that is in view with it
DIGITS: Final = 9  # decimals of a cursor's time


@dataclass(slots=True, eq=False)
class Layer:
    """One capture in the page: how much later than on its own axis it is drawn (s), and what was shown of it."""

    name: str
    shown: Shown
    shift: float = 0.0
    state: str = ""
    windows: Windows | None = None


class Page:
    """One page of one browser; the captures are shared by all."""

    def __init__(self, document: Document, captures: Sequence[tuple[str, Shown]]) -> None:
        self.document = document
        self.layers = [Layer(printable(name, 80), shown) for name, shown in captures]
        self.chosen = self.layers[0]
        first = self.chosen.shown.quantities
        self.quantities = [it for it in first if all(it in layer.shown.quantities for layer in self.layers)]
        self.quantities = self.quantities or list(first[:1])
        self.quantity = "power" if "power" in self.quantities else self.quantities[0]
        self.look: Look = LIGHT
        self._align()
        self.whole = (
            min(it.shown.start + it.shift for it in self.layers),
            max(it.shown.stop + it.shift for it in self.layers),
        )
        self.plot, self.spectrum = TracePlot(*self.whole, len(self.layers)), SpectrumPlot()
        self._draw_due = self._read_due = self._busy = False
        self._drawn_in, self._pixels = 0.0, PIXELS
        self._listed: tuple[range, Windows] | None = None
        self._window: int | None = None  # the number of the one on whose edges the cursors are
        self._build()
        self._first_cursors()
        self._draw_whole()
        self.draw()
        self._paint()

    @property
    def view(self) -> tuple[float, float]:
        """The span of time that is in view (s)."""
        return float(self.plot.view.start), float(self.plot.view.end)

    def draw(self) -> None:
        """Draw what is in view, and list its windows."""
        began = time.perf_counter()
        start, stop = self.view
        reach = MARGIN * (stop - start)
        bins = int(self._pixels * (1 + 2 * MARGIN) * FINE)
        courses, extremes = [], []
        for layer in self.layers:
            span = start - layer.shift, stop - layer.shift
            seen = layer.shown.course(span[0] - reach, span[1] + reach, bins, self.quantity)
            courses.append((seen, layer.shift))
            extremes.append(seen.extremes(*span))
            if layer is self.chosen:
                self._say_resolution(seen.size, seen.excess)
        self.plot.draw(courses, scale_of(extremes))
        shift = self.chosen.shift
        clipped = self.chosen.shown.clipped(start - reach - shift, stop + reach - shift, self._pixels)
        self.plot.mark_clipped(clipped + shift)
        self._shade()
        self._list(start - shift, stop - shift)
        self._drawn_in = time.perf_counter() - began

    def look_at(self, start: float, stop: float) -> None:
        """Bring a span of time (s) into view."""
        self.plot.view.update(start=start, end=stop)

    def put_cursors(self, left: float, right: float, window: int | None = None) -> None:
        """Put the cursors somewhere (s), maybe on the edges of a window, and read off."""
        left, right, self._window = min(left, right), max(left, right), window
        self._busy = True
        self.plot.put_cursors(left, right)
        for name, at in (("A", left), ("B", right)):
            self.edges[name].value = spoken(at, DIGITS)
        self._busy = False
        self._read()

    def choose_window(self, place: int) -> None:
        """Zoom to a window and put the cursors on its edges."""
        windows, shift = self.chosen.shown.windows, self.chosen.shift
        start, stop = float(windows.start[place]) + shift, float(windows.stop[place]) + shift
        if math.isnan(start):
            self.said.text = warning(f"window {windows.index[place]}: {windows.reason[place]}")
            return
        self.put_cursors(start, stop, int(windows.index[place]))
        self.look_at(start - AROUND * (stop - start), stop + AROUND * (stop - start))

    # building

    def _build(self) -> None:
        def text(name: str, **said: Any) -> Div:
            return Div(
                name=name, sizing_mode="stretch_width", disable_math=True, stylesheets=[text_style()], margin=2, **said
            )

        self.heading, self.readout, self.said = text("heading"), text("readout"), text("said")
        self.help = text("help", text=keys(), visible=False)
        self.table, table = window_table()
        self.key = TextInput(name="key", visible=False)  # what the keyboard says, see page.html
        controls = row(
            self._controls(), name="controls", sizing_mode="stretch_width", styles={"flex-wrap": "wrap", "gap": "2px"}
        )
        _on(self.key, "value", lambda new: self._obey(new.partition(" ")[2]))
        _on(self.table.selected, "indices", self._chosen_row)
        _on(self.plot.windows.selected, "indices", self._tapped)
        _on(self.plot.view, "start", self._view_changed)
        _on(self.plot.view, "end", self._view_changed)
        _on(self.plot.figure, "inner_width", self._resized)
        self.plot.on_move(self._moved)
        parts = [
            self.heading, controls, self.help, self.plot.figure, self.plot.overview, self.readout, self.said, table,
            self.spectrum.figure, self.key,
        ]  # fmt: skip
        self.document.add_root(column(parts, sizing_mode="stretch_width", name="page"))
        self.document.title = "powerlab view"
        page = resources.files("powerlab.viewing").joinpath("page.html").read_text(encoding="utf-8")
        self.document.template = get_env().from_string(page)
        if any(it.shown.state for it in self.layers):
            self.document.add_periodic_callback(self._poll, POLL)

    def _controls(self) -> list[Any]:
        self.choice = RadioButtonGroup(
            labels=self.quantities,
            active=self.quantities.index(self.quantity),
            name="quantity",
            stylesheets=[widget_style()],
        )
        _on(self.choice, "active", self._choose)
        self.edges = {it: TextInput(prefix=it, width=170, name=it, stylesheets=[widget_style()]) for it in "AB"}
        for name, box in self.edges.items():
            _on(box, "value", partial(self._typed, name))
        self.toggle = Toggle(label="dark", name="dark", width=54, stylesheets=[widget_style()])
        _on(self.toggle, "active", self._lights)
        dark = "document.documentElement.classList.toggle('dark', cb_obj.active)"
        self.toggle.js_on_change("active", CustomJS(code=dark))
        at_first = "if (matchMedia('(prefers-color-scheme: dark)').matches) toggle.active = true"
        self.document.js_on_event("document_ready", CustomJS(args={"toggle": self.toggle}, code=at_first))
        labels = {
            "whole": "whole run",
            "previous": "< window",
            "next": "window >",
            "spectrum": "spectrum",
            "help": "keys",
        }
        buttons = []
        for what, label in labels.items():
            button = Button(label=label, width=74, name=f"button {what}", stylesheets=[widget_style()])
            button.on_click(partial(self._obey, what))
            buttons.append(button)
        chooser = []
        if len(self.layers) > 1:
            options = [(str(k), it.name) for k, it in enumerate(self.layers)]
            select = Select(options=options, value="0", name="run", width=200, stylesheets=[widget_style()])
            _on(select, "value", self._choose_layer)
            chooser.append(select)
        return [self.choice, *buttons, self.edges["A"], self.edges["B"], *chooser, self.toggle]

    def _first_cursors(self) -> None:
        windows = self.chosen.shown.windows
        if len(windows) and not math.isnan(windows.start[0]):
            self.put_cursors(float(windows.start[0]), float(windows.stop[0]), int(windows.index[0]))
        else:
            self.put_cursors(self.chosen.shown.start, self.chosen.shown.stop)

    def _align(self) -> None:
        """Draw the others such that their first windows start with the first one's."""
        begins = [float(it.shown.windows.start[0]) if len(it.shown.windows) else it.shown.start for it in self.layers]
        for layer, begin in zip(self.layers, begins, strict=True):
            shift = begins[0] - begin
            layer.shift = 0.0 if math.isnan(shift) else shift
            layer.windows, layer.state = layer.shown.windows, layer.shown.state

    # drawing

    def _draw_whole(self) -> None:
        """Draw all of every capture, small."""
        seen = [it.shown.course(it.shown.start, it.shown.stop, PIXELS, self.quantity) for it in self.layers]
        scale = scale_of(it.extremes(-math.inf, math.inf) for it in seen)
        self.plot.draw_overview(zip(seen, [it.shift for it in self.layers], strict=True), scale)
        self._head()

    def _say_resolution(self, size: int, excess: float) -> None:
        unit = printable(self.chosen.shown.units[self.quantity], 12) or "1"
        self.plot.figure.yaxis.axis_label = f"{self.quantity} in {unit}".replace("$", "")
        said = "drawn: each sample" if size == 1 else f"drawn: least, mean and largest of up to {size:,} samples"
        if excess:
            said += f"; the mean is the power of the mean current, at most {prefixed(excess, 'W', 2)} too high"
        self.said.text = faint(said)

    def _shade(self) -> None:
        windows, shift = self.chosen.shown.windows, self.chosen.shift
        self.plot.windows.data = shades(windows, self.view, shift, self._pixels, self.look)

    def _list(self, start: float, stop: float) -> None:
        windows = self.chosen.shown.windows
        places = listed(windows, start, stop)
        if self._listed is not None and self._listed == (places, windows):
            return
        self._listed = (places, windows)
        self._busy = True
        self.table.selected.indices = []
        self.table.data = rows(windows, places, self.chosen.shift)
        self._busy = False

    def _head(self) -> None:
        captures = zip(self.look.traces, self.layers, strict=False)
        self.heading.text = heading((colour, it.name, it.shown, it.shift) for colour, it in captures)

    def _read(self) -> None:
        """Read off what is between the cursors."""
        left, right = self.plot.cursors
        several = len(self.layers) > 1
        self.readout.text = readings(
            (colour, it.name if several else "", it.shown.reading(left - it.shift, right - it.shift))
            for colour, it in zip(self.look.traces, self.layers, strict=False)
        )

    def _paint(self) -> None:
        self.plot.paint(self.look)
        self.spectrum.paint(self.look)

    # what the user does

    def _view_changed(self, _: object) -> None:
        """Draw when nothing more has changed for a moment, and no faster than it can be drawn."""
        if not self._draw_due:
            self._draw_due = True
            self.document.add_timeout_callback(self._draw_now, max(PAUSE, int(1000 * self._drawn_in)))

    def _draw_now(self) -> None:
        self._draw_due = False
        self.draw()

    def _resized(self, pixels: float) -> None:
        if pixels and abs(pixels - self._pixels) > 0.1 * self._pixels:
            self._pixels = int(pixels)
            self._view_changed(None)

    def _moved(self) -> None:
        if not self._busy and not self._read_due:
            self._read_due = True
            self.document.add_timeout_callback(self._read_now, PAUSE)

    def _read_now(self) -> None:
        self._read_due = False
        self.put_cursors(*self.plot.cursors)

    def _typed(self, name: str, text: str) -> None:
        if self._busy:
            return
        left, right = self.plot.cursors
        try:
            at = typed(text)
        except PowerlabError as error:
            self.said.text = warning(str(error))
            return
        self.put_cursors(*((at, right) if name == "A" else (left, at)))

    def _choose(self, number: int) -> None:
        self.quantity = self.quantities[number]
        self._draw_whole()
        self.draw()

    def _choose_layer(self, number: str) -> None:
        self.chosen = self.layers[int(number)]
        self.draw()

    def _chosen_row(self, chosen: Sequence[int]) -> None:
        if chosen and not self._busy:
            self.choose_window(int(self.table.data[PLACE][chosen[0]]))

    def _tapped(self, chosen: Sequence[int]) -> None:
        if chosen:
            place = int(self.plot.windows.data[PLACE][chosen[0]])
            windows, shift = self.chosen.shown.windows, self.chosen.shift
            start, stop = float(windows.start[place]) + shift, float(windows.stop[place]) + shift
            self.put_cursors(start, stop, int(windows.index[place]))

    def _obey(self, said: str) -> None:
        """Do what a key or button says."""
        what, _, at = said.partition(" ")
        left, right = self.plot.cursors
        step = NUDGE * (self.view[1] - self.view[0])
        do: dict[str, Callable[[], object]] = {
            "whole": lambda: self.look_at(*self.whole),
            "zoom": lambda: self.look_at(left, right),
            "next": lambda: self._step(1),
            "previous": lambda: self._step(-1),
            "A": lambda: self._typed("A", at),
            "B": lambda: self._typed("B", at),
            "left": lambda: self.put_cursors(left, right - step),
            "right": lambda: self.put_cursors(left, right + step),
            "quantity": lambda: setattr(self.choice, "active", (self.choice.active + 1) % len(self.quantities)),
            "spectrum": self._ask_spectrum,
            "dark": lambda: setattr(self.toggle, "active", not self.toggle.active),
            "help": lambda: setattr(self.help, "visible", not self.help.visible),
        }
        if what in do:
            do[what]()

    def _step(self, by: int) -> None:
        """To the next or the previous window; to the one nearest to the cursors where they are on none."""
        windows = self.chosen.shown.windows
        at = windows.place(self._window) if self._window is not None else None
        if at is None:
            left, right = self.plot.cursors
            at, by = windows.near((left + right) / 2 - self.chosen.shift), 0
        if at is not None:
            self.choose_window(min(max(at + by, 0), len(windows) - 1))

    def _lights(self, dark: bool) -> None:
        self.look = DARK if dark else LIGHT
        self._paint()
        self._head()
        self._read()
        self._shade()

    # what comes later

    def _ask_spectrum(self) -> None:
        """Have the spectrum of what is in view computed, while the page goes on."""
        self.said.text = faint("computing the spectrum of the view ...")
        shown, start, stop = self.chosen.shown, *(it - self.chosen.shift for it in self.view)

        async def compute() -> None:
            try:
                found = await asyncio.get_running_loop().run_in_executor(None, shown.spectra, start, stop)
            except PowerlabError as error:
                said = warning(str(error))
                self.document.add_next_tick_callback(lambda: setattr(self.said, "text", said))
            else:
                self.document.add_next_tick_callback(
                    lambda: setattr(self.said, "text", faint(self.spectrum.show(found)))
                )

        self.document.add_next_tick_callback(without_document_lock(compute))

    def _poll(self) -> None:
        """Show what the analysis has found."""
        for layer in self.layers:
            layer.shown.poll()
        if any(it.windows is not it.shown.windows for it in self.layers):
            self._align()
            self._draw_whole()
            self.draw()
            place = self.chosen.shown.windows.place(self._window) if self._window is not None else None
            if place is None:
                self._read()
            else:  # its edges are known better now
                windows, shift = self.chosen.shown.windows, self.chosen.shift
                self.put_cursors(float(windows.start[place]) + shift, float(windows.stop[place]) + shift, self._window)
        elif any(it.state != it.shown.state for it in self.layers):
            for layer in self.layers:
                layer.state = layer.shown.state
            self._head()
            self._read()


def _on(model: Any, name: str, react: Callable[[Any], None]) -> None:
    """Have a function told the new value of a model's property; Bokeh insists on three arguments of these names."""
    model.on_change(name, lambda attr, old, new: react(new))  # noqa: ARG005 - as above
