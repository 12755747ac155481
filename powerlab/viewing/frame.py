"""What all plots of the page have: the axis of time, and how a look is put on."""

from collections.abc import Iterable
from typing import Any, Final

from bokeh.models import AdaptiveTicker, CompositeTicker, CustomJSTickFormatter
from bokeh.plotting import figure

from powerlab.viewing.look import Look

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

Painted = tuple[Any, str, str]  # a glyph, its property, and the name of a colour in `Look`; a digit is that of a trace

# The same as `clockface.spoken`, with as many decimals as tell two ticks apart.
_TIMES: Final = """
const apart = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : 1
const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(apart) - 1e-6)))
const sign = tick < -1e-12 ? "-" : ""
const whole = Number(Math.abs(tick).toFixed(digits))
if (!clock) return `${sign}${whole.toFixed(digits)}`
const hours = Math.floor(whole / 3600), minutes = Math.floor(whole % 3600 / 60)
const seconds = (whole % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0")
return sign + (hours ? `${hours}:${String(minutes).padStart(2, "0")}` : `${minutes}`) + `:${seconds}`
"""


def axis_of_time(plot: figure, longest: float) -> None:
    """Ticks at round seconds, minutes, hours and days, as h:mm:ss where a run lasts a minute or longer."""
    plot.xaxis.ticker = plot.xgrid.ticker = CompositeTicker(
        tickers=[
            AdaptiveTicker(base=10, mantissas=[1, 2, 5], min_interval=0, max_interval=0.5),
            AdaptiveTicker(base=60, mantissas=[1, 2, 5, 10, 15, 20, 30], min_interval=1, max_interval=HOUR / 2),
            AdaptiveTicker(base=24, mantissas=[1, 2, 4, 6, 8, 12], min_interval=HOUR, max_interval=DAY / 2),
            AdaptiveTicker(base=10, mantissas=[1, 2, 5], min_interval=DAY),
        ],
        desired_num_ticks=7,
    )
    plot.xaxis.formatter = CustomJSTickFormatter(args={"clock": longest >= MINUTE}, code=_TIMES)
    plot.xaxis.axis_label_text_font_style = plot.yaxis.axis_label_text_font_style = "normal"


def paint_frame(plot: figure, look: Look) -> None:
    """Put a look on a plot's frame."""
    plot.background_fill_color = plot.border_fill_color = look.panel
    plot.outline_line_color = look.grid
    for axis in plot.axis:
        axis.axis_label_text_color = axis.major_label_text_color = look.faint
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = look.faint
    for grid in plot.grid:
        grid.grid_line_color = look.grid


def paint(painted: Iterable[Painted], look: Look) -> None:
    """Put a look on glyphs."""
    for glyph, name, colour in painted:
        setattr(glyph, name, look.traces[int(colour)] if colour.isdigit() else getattr(look, colour))
