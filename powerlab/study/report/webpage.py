"""The report as one HTML file: images are in it, nothing is loaded from anywhere, no script runs."""

import base64
from importlib.resources import files
from typing import Final

from powerlab.study.report.content import MARKS, Content, cell_text
from powerlab_traces.extras import library

EXTRA: Final = "study"


def page(content: Content) -> str:
    """The page. All text is escaped: a network may be called anything.

    Raises
    ------
    Missing
        Jinja2 is not installed.
    """
    jinja2 = library("jinja2", EXTRA)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((files("powerlab.study.report") / "page.html").read_text(encoding="utf-8"))
    images = {it.number: _inline(it.files["svg"].read_bytes()) for it in content.pictures}
    text: str = template.render(it=content, images=images, marks=MARKS, cell_text=cell_text)
    return text


def _inline(svg: bytes) -> str:
    """A picture as an address that holds it; as an image, an SVG runs nothing."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
