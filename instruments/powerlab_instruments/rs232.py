"""How an RS-232 line is set, as the supplies of the E364xA family can have it (their User's and Service Guide)."""

from dataclasses import dataclass
from typing import Literal

Baud = Literal[300, 600, 1200, 2400, 4800, 9600]
Parity = Literal["none", "even", "odd"]
Flow = Literal["none", "rts_cts"]

STOP_BITS = 2  # always


@dataclass(frozen=True, slots=True)
class Rs232:
    """An RS-232 line; the defaults are how a supply is shipped. There are always two stop bits.

    `flow` "none" has the host pace the line: it sends a command, and the next when that one is done. "rts_cts" needs a
    cable that takes the supply's DTR to the host's CTS and the host's RTS to the supply's DSR, for no system lets
    pyserial use DTR and DSR themselves.
    """

    baud: Baud = 9600
    parity: Parity = "none"
    flow: Flow = "none"

    @property
    def data_bits(self) -> int:
        """8 without parity, else 7."""
        return 8 if self.parity == "none" else 7
