"""Style sheets of Bokeh's widgets, in the page's colours: what is in page.html does not reach into them."""

from typing import Final

from bokeh.models import InlineStyleSheet

_WIDGET: Final = """
:host { color: var(--ink); }
.bk-input, .bk-btn, select { background-color: var(--panel) !important; color: var(--ink) !important;
  border-color: var(--edge) !important; }
.bk-btn.bk-active { background-color: var(--chosen) !important; }
.bk-input-prefix { background-color: var(--row) !important; color: var(--faint) !important;
  border-color: var(--edge) !important; }
"""
_TABLE: Final = """
:host { color: var(--ink); border: 1px solid var(--edge); box-sizing: border-box; }
.bk-data-table, .slick-viewport, .slick-pane, .slick-header, .slick-header-columns {
  background: var(--panel) !important; color: var(--ink) !important; border-color: var(--edge) !important; }
.slick-header-column { background: var(--row) !important; color: var(--faint) !important;
  border-color: var(--edge) !important; }
.slick-row { background: var(--panel) !important; color: var(--ink) !important; }
.slick-row.odd { background: var(--row) !important; }
.slick-cell { border-color: transparent var(--edge) var(--edge) transparent !important; color: var(--ink) !important; }
.slick-cell.selected { background: var(--chosen) !important; }
"""
_TEXT: Final = """
:host { color: var(--ink); }
.faint { color: var(--faint); } .big { font-weight: 600; }
.warn { color: var(--warn); }
.badge { background: var(--warn); color: var(--paper); padding: 1px 7px; border-radius: 4px; font-weight: 700; }
kbd { border: 1px solid var(--edge); border-radius: 3px; padding: 0 4px; background: var(--row); }
:host { overflow-x: auto; }
table { border-collapse: collapse; }
td, th { padding: 1px 18px 1px 0; text-align: left; font-variant-numeric: tabular-nums; vertical-align: top;
  white-space: nowrap; }
.warn, .faint { white-space: normal; }
th { color: var(--faint); font-weight: 500; }
"""


def widget_style() -> InlineStyleSheet:
    """For buttons and fields."""
    return InlineStyleSheet(css=_WIDGET)


def table_style() -> InlineStyleSheet:
    """For the table of windows."""
    return InlineStyleSheet(css=_TABLE)


def text_style() -> InlineStyleSheet:
    """For texts."""
    return InlineStyleSheet(css=_TEXT)
