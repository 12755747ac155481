"""The table of windows, and how they are shaded."""

from typing import Any, Final

import numpy as np
from bokeh.models import ColumnDataSource, DataTable, NumberFormatter, StringFormatter, TableColumn

from powerlab.terminal import printable
from powerlab.viewing.look import Look
from powerlab.viewing.styles import table_style
from powerlab.viewing.texts import window_said
from powerlab.viewing.windows import DROPPED, Windows

MOST_LISTED: Final = 500
MOST_SHADED: Final = 400  # more could not be told apart
NARROWEST: Final = 26  # pixels of a window that is numbered
COLUMNS: Final = {  # of the table: heading, format (None: text), width
    "index": ("window", "0", 60),
    "record": ("record", "0", 60),
    "label": ("label", None, 130),
    "images": ("images", "0", 60),
    "start": ("start in s", "0.000000", 110),
    "duration": ("duration in s", "0.000000", 100),
    "energy": ("energy in J", "0.0000", 90),
    "power": ("mean power in W", "0.0000", 110),
    "fate": ("fate", None, 330),
}
PLACE: Final = "place"  # among all windows


def window_table() -> tuple[ColumnDataSource, DataTable]:
    """An empty table."""
    source = ColumnDataSource({it: [] for it in (*COLUMNS, PLACE)}, name="table")
    columns = [
        TableColumn(
            field=name,
            title=title,
            width=width,
            formatter=StringFormatter()
            if form is None
            else NumberFormatter(format=form, nan_format="", text_align="right"),
        )
        for name, (title, form, width) in COLUMNS.items()
    ]
    table = DataTable(
        source=source,
        columns=columns,
        name="windows",
        height=230,
        sizing_mode="stretch_width",
        index_position=None,
        reorderable=False,
        row_height=24,
        autosize_mode="force_fit",
        stylesheets=[table_style()],
    )
    return source, table


def listed(windows: Windows, start: float, stop: float) -> range:
    """Which are in the table: all, or where they are many, those from `start` on."""
    if len(windows) <= MOST_LISTED:
        return range(len(windows))
    first = min(windows.between(start, stop).start, len(windows) - MOST_LISTED)
    return range(first, first + MOST_LISTED)


def rows(windows: Windows, places: range, shift: float) -> dict[str, Any]:
    """Those in some places for the table, so many seconds later."""
    part = slice(places.start, places.stop)
    fates = zip(windows.fate[part].tolist(), windows.reason[part].tolist(), strict=True)
    return {
        "index": windows.index[part].astype(np.float64),
        "record": windows.record[part].astype(np.float64),
        "label": [printable(str(it), 80) for it in windows.label[part].tolist()],
        "images": np.where(windows.images[part] < 0, np.nan, windows.images[part]),
        "start": windows.start[part] + shift,
        "duration": windows.stop[part] - windows.start[part],
        "energy": windows.energy[part],
        "power": windows.power[part],
        "fate": [printable(": ".join(filter(None, it))) for it in fates],
        PLACE: np.arange(part.start, part.stop).astype(np.float64),
    }


def shades(windows: Windows, view: tuple[float, float], shift: float, pixels: float, look: Look) -> dict[str, Any]:
    """Those in view, so many seconds later, for a plot that is so many pixels wide; none where they are too many."""
    start, stop = view[0] - shift, view[1] - shift
    found = windows.between(start, stop)
    places = np.arange(found.start, max(found.start, found.stop))
    if len(places) > MOST_SHADED:
        places = places[:0]
    wide = (windows.stop - windows.start)[places] * pixels > NARROWEST * (stop - start)
    dropped = (windows.fate[places] == DROPPED).tolist()
    return {
        "left": windows.start[places] + shift,
        "right": windows.stop[places] + shift,
        "middle": (windows.start[places] + windows.stop[places]) / 2 + shift,
        "number": windows.index[places].astype(np.float64),
        "text": [str(it) if w else "" for it, w in zip(windows.index[places].tolist(), wide.tolist(), strict=True)],
        "said": [window_said(windows, place) for place in places.tolist()],
        "hatch": ["/" if it else " " for it in dropped],
        "fill": [look.dropped if it else look.kept for it in dropped],
        PLACE: places.astype(np.float64),
    }
