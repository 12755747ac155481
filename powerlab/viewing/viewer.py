"""Captures in a browser, until Ctrl-C."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bokeh.document import Document

from powerlab.viewing.document import Page
from powerlab.viewing.server import serve
from powerlab.viewing.shown import Shown
from powerlab.viewing.shownrun import ShownRun
from powerlab_traces.errors import PowerlabError
from powerlab_traces.store.kind import Kind, kind_of

MOST: Final = 4  # captures that can be told apart


def shown_of(path: Path) -> Shown:
    """A capture, ready to be shown.

    Raises
    ------
    PowerlabError
        It cannot be read, or holds nothing to look at.
    """
    if kind_of(path) is Kind.RUN:
        return ShownRun(path)
    from powerlab.viewing.shownimport import ShownImport  # noqa: PLC0415 - a run of powerlab needs no importers

    return ShownImport(path)


def view(paths: Sequence[Path], *, port: int, browser: bool, say: Callable[[str], None]) -> None:
    """Serve a page with captures over each other until Ctrl-C; `say` is told its address.

    Raises
    ------
    PowerlabError
        One cannot be read, there are too many, or the port is taken.
    """
    if len(paths) > MOST:
        raise PowerlabError(f"{len(paths)} runs cannot be told apart in one plot: give {MOST} at most")
    with ExitStack() as opened:
        captures = []
        for path in paths:
            shown = shown_of(path)
            opened.callback(shown.close)
            shown.start_analysis()
            captures.append((path.name, shown))

        def told(url: str) -> None:
            say(f"{', '.join(name for name, _ in captures)}: {url}")
            say("serving until Ctrl-C")

        def page(document: Document) -> None:
            Page(document, captures)

        serve(page, port=port, said=told, browser=browser)
    say("stopped")
