"""GPIB behind a Prologix-style adapter, through pyvisa-py: the adapter and the instrument are opened as one line.

Prologix GPIB-ETHERNET and GPIB-USB manuals; what pyvisa-py does with an adapter was measured with version 0.8.1.
"""

import contextlib
import re
from typing import cast

from pyvisa.resources import MessageBasedResource

from powerlab_instruments.errors import InstrumentError, NoAnswer
from powerlab_instruments.transports import FAILURES, PIECE, Opener, Transport, reason, session_of, tune_socket

# A Prologix adapter waits at most 3000 ms for each byte of an answer (its manual); pyvisa-py leaves it at 50 ms, and
# an E3645A takes up to 100 ms for a measurement.
PROLOGIX_READ_TIMEOUT_MS = 3000
PROLOGIX_SPARE_MS = 500  # how much longer than the adapter its client waits
PROLOGIX_SETTINGS = ("++mode 1", "++auto 0", "++eoi 1", "++eos 3", "++eot_enable 0")

# Board numbers of open adapters. pyvisa-py keeps one table for the whole program and would silently send one bench's
# commands to another bench's supply.
_BOARDS: set[int] = set()


class AdapterLine(Transport):
    """GPIB behind a Prologix-style adapter, which this line owns.

    pyvisa-py: the adapter's object must be opened first and kept, its time-out rules, and a resource behind it refuses
    a read termination: reads always end at a line feed.
    """

    sees_end = False

    def __init__(self, name: str, opener: Opener, timeout: float, adapter: str) -> None:
        number = re.match(r"PRLGX-[A-Z]+(\d*)::", adapter)
        if number is None:
            raise InstrumentError(f"adapter {adapter!r} is no Prologix resource; write PRLGX-TCPIP0::HOST::1234::INTFC")
        self._board = int(number[1] or 0)
        self._adapter_name, self._adapter = adapter, cast("MessageBasedResource | None", None)
        if self._board in _BOARDS:
            raise InstrumentError(
                f"{adapter}: GPIB board {self._board} already belongs to another adapter in this program; number it "
                f"anew, PRLGX-...{self._board + 1}:: with GPIB{self._board + 1}::"
            )
        try:
            super().__init__(name, opener, timeout)
        except BaseException:
            self._close_adapter()
            raise

    def _open(self) -> MessageBasedResource:
        try:
            self._adapter = self._opener(self._adapter_name)
        except InstrumentError:
            _forget(self._board)
            raise
        _BOARDS.add(self._board)
        self._adapter.timeout = max(self.timeout * 1000, PROLOGIX_READ_TIMEOUT_MS + PROLOGIX_SPARE_MS)
        tune_socket(self._adapter)
        try:
            self._say("++ver")
            self._version = self._line()
            # All of them, not only the last: a clone that restarts when its port opens has not heard pyvisa-py's.
            for setting in (*PROLOGIX_SETTINGS, f"++read_tmo_ms {PROLOGIX_READ_TIMEOUT_MS}"):
                self._say(setting)
        except FAILURES as error:
            raise NoAnswer(self._adapter_name, "++ver", reason(error)) from error
        return super()._open()

    def _set_up(self, device: MessageBasedResource) -> None:
        device.write_termination = "\n"

    def clear(self) -> None:
        """`++clr`; its way back is sure when the adapter answers: what was under way has come before that."""
        try:
            self.device.clear()
            self._say("++ver")
            while self._line() != self._version:
                continue
        except (*FAILURES, NoAnswer):
            self.reopen()

    def _say(self, line: str) -> None:
        """A line for the adapter alone."""
        session = session_of(self._adapter)
        session.plus_plus_read = False  # a read would make it ask the instrument, too
        session.write_oob(line.encode() + b"\n")

    def _line(self) -> str:
        """The next line from the adapter."""
        line, _ = session_of(self._adapter).read(PIECE)
        if not line.endswith(b"\n"):
            raise NoAnswer(self._adapter_name, "++ver", "no line came")
        return bytes(line).decode("ascii", "replace").strip()

    def _close_adapter(self) -> None:
        if self._adapter is not None:
            with contextlib.suppress(*FAILURES):
                self._adapter.close()
            self._adapter = None
            _BOARDS.discard(self._board)

    def close(self) -> None:
        """Give the resource back, and the adapter and its board number."""
        super().close()
        self._close_adapter()


def _forget(board: int) -> None:
    """Close what pyvisa-py 0.8.1 keeps of an adapter that it could not set up: its socket, and its board number."""
    from pyvisa_py.prologix import _PrologixIntfcSession  # noqa: PLC0415 - only where it went wrong

    half_open = _PrologixIntfcSession.boards.get(str(board))
    if half_open is not None:
        half_open.close()
