"""What the page says in words, as HTML. Whatever comes from a file passes `plain` first."""

import math
from collections.abc import Iterable
from html import escape
from typing import Final

from powerlab.terminal import printable
from powerlab.viewing.clockface import digits_for, spoken
from powerlab.viewing.reading import UNITS, Reading
from powerlab.viewing.shown import Shown
from powerlab.viewing.windows import Windows
from powerlab_analysis.quantity import prefixed

HEADINGS: Final = ("duration", "mean current", "mean power", "energy", "samples")
KEYS: Final = {
    "+ -": "zoom at the mouse",
    "arrows": "pan, zoom",
    "0": "whole run",
    "a b": "put cursor A or B at the mouse",
    ", .": "move cursor B a little",
    "n p": "next, previous window",
    "z": "zoom to the cursors",
    "c": "current or power",
    "s": "spectrum of the view",
    "d": "dark or light",
    "?": "these keys",
}


def plain(text: str, longest: int = 300) -> str:
    """Words of a file, or of an error about one, as HTML that shows just them."""
    return escape(printable(text, longest))


def faint(text: str) -> str:
    """A remark."""
    return f"<span class=faint>{plain(text)}</span>"


def warning(text: str) -> str:
    """Something that the user should see."""
    return f"<span class=warn>{plain(text)}</span>"


def keys() -> str:
    """What the keys do."""
    said = (f"{' '.join(f'<kbd>{it}</kbd>' for it in key.split())} {what}" for key, what in KEYS.items())
    return (
        "<span class=faint>" + " &nbsp; ".join(said) + ". Wheel and drag zoom and pan; cursors can be dragged.</span>"
    )


def heading(captures: Iterable[tuple[str, str, Shown, float]]) -> str:
    """Who is who, and what is wrong with it: for each capture its colour, name, and how much later it is drawn (s)."""
    lines = []
    for colour, name, shown, shift in captures:
        badge = "<span class=badge>SIMULATED</span> " if shown.simulated else ""
        late = f", drawn {shift:+.6f} s: first windows aligned" if shift else ""
        about = f"<span class=faint>{', '.join(plain(it, 160) for it in shown.about)}{late}</span>"
        lines.append(f"{_dot(colour)} {badge}<span class=big>{plain(name, 80)}</span> {about}")
        if shown.state:
            lines.append(faint(shown.state))
        lines += [
            f"<span class=warn>{it.effect.upper()} {plain(it.name)}</span> {plain(it.text)}" for it in shown.verdicts
        ]
    return "<br>".join(lines)


def readings(found: Iterable[tuple[str, str, Reading]]) -> str:
    """What is between the cursors, a row for each capture: its colour, its name, its reading."""
    head = "".join(f"<th>{it}</th>" for it in ("", *HEADINGS))
    rows = "".join(_row(*it) for it in found)
    return f"<table><tr>{head}</tr>{rows}</table>"


def window_said(windows: Windows, place: int) -> str:
    """A window in a few words; plain text."""
    said = [str(windows.fate[place]), str(windows.reason[place])]
    if not math.isnan(windows.energy[place]):
        said.append(prefixed(float(windows.energy[place]), "J"))
    said += [prefixed(float(windows.stop[place] - windows.start[place]), "s"), str(windows.label[place])]
    return printable(", ".join(filter(None, said)), 160)


def _row(colour: str, name: str, reading: Reading) -> str:
    span = reading.duration
    cells = [
        f"{_dot(colour)} {plain(name, 80)}" if name else "",
        f"{spoken(span, digits_for(span))} s",
        *(_value(reading, it) for it in ("current", "power", "energy")),
        f"{reading.samples:,}",
    ]
    remarks = "".join(f"<tr><td></td><td colspan=5>{warning(it)}</td></tr>" for it in reading.remarks)
    return f"<tr>{''.join(f'<td>{it}</td>' for it in cells)}</tr>{remarks}"


def _value(reading: Reading, what: str) -> str:
    number, unit, quantity = getattr(reading, what), UNITS[what], reading.quantity(what)
    if number is None:
        return "-"
    said = str(quantity) if quantity is not None else f"{prefixed(number, unit, 6)}, U95 not known"
    least = "at least " if reading.lower_bound else ""
    big = " class=big" if what == "energy" else ""
    return f'<span{big} title="{number!r} {unit}" data-{what}="{number!r}">{least}{escape(said)}</span>'


def _dot(colour: str) -> str:
    return f'<span style="color:{colour}">&#9632;</span>'
