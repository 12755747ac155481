"""The page's server: Bokeh's, behind the gate."""

import asyncio
import logging
import signal
import webbrowser
from collections.abc import Callable
from typing import Any

from bokeh.document import Document
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.web import OutputTransform, RequestHandler

from powerlab.viewing.gate import ADDRESS, Gate
from powerlab_traces.errors import PowerlabError

KEPT: int = 15_000  # ms that a page which was closed is kept


class _Refused(RequestHandler):
    """The answer to a request that may not be."""

    def initialize(self, why: str) -> None:
        self._why = why

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"refused: {self._why}\n")


class _Guarded(BokehTornado):  # type: ignore[misc]  # it has no types
    """Bokeh's application, every request of which passes the gate first."""

    def __init__(self, gate: Gate, make: Callable[[Document], None]) -> None:
        self._gate = gate

        class Headers(OutputTransform):
            def transform_first_chunk(
                self,
                status_code: int,
                headers: HTTPHeaders,
                chunk: bytes,
                finishing: bool,  # noqa: ARG002 - tornado's
            ) -> tuple[int, HTTPHeaders, bytes]:
                for name, said in gate.headers.items():
                    headers[name] = said
                return status_code, headers, chunk

        super().__init__(
            make,
            prefix=gate.token,
            extra_websocket_origins=gate.hosts,
            include_headers=[],
            include_cookies=[],
            check_unused_sessions_milliseconds=5_000,
            unused_session_lifetime_milliseconds=KEPT,
            transforms=[Headers],
            log_function=lambda _: None,
        )

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """The handler that Bokeh has for a request, if the gate lets it in."""
        why = self._gate.refusal(request.method or "", request.path, request.headers)
        if why is not None:
            return self.get_handler_delegate(request, _Refused, {"why": why})
        return super().find_handler(request, **kwargs)


def serve(
    make: Callable[[Document], None],
    *,
    port: int,
    said: Callable[[str], None],
    browser: bool,
) -> None:
    """Serve the page that `make` fills until Ctrl-C; `said` is told its address.

    Raises
    ------
    PowerlabError
        The port is taken.
    """
    logging.getLogger("bokeh").setLevel(logging.ERROR)
    logging.getLogger("tornado").setLevel(logging.ERROR)
    try:
        sockets = bind_sockets(port, ADDRESS)
    except OSError as error:
        raise PowerlabError(
            f"port {port} on {ADDRESS} cannot be had ({error.strerror}): give another with --port, or none"
        ) from error
    gate = Gate(sockets[0].getsockname()[1])

    async def run() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        undo = _on_signals(loop, ended)
        http = HTTPServer(guarded := _Guarded(gate, make))
        server = BaseServer(IOLoop.current(), guarded, http)
        server.start()
        http.add_sockets(sockets)
        said(gate.url)
        if browser:
            await loop.run_in_executor(None, webbrowser.open, gate.url)
        await ended.wait()
        undo()
        server.stop(wait=False)
        await http.close_all_connections()

    asyncio.run(run())


def _on_signals(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> Callable[[], None]:
    """Set the event on Ctrl-C and on a request to end; the function that undoes it."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: loop.call_soon_threadsafe(ended.set)) for number in numbers]

    def undo() -> None:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

    return undo
