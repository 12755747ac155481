"""What is on the scope's screen, as a picture: the :DISPlay and :HARDcopy subsystems.

InfiniiVision 2000 X-Series Programmer's Guide, :DISPlay and :HARDcopy commands.
"""

import numpy as np

from powerlab_instruments.simulated.digitiser import CENTRE, CODES, HOLE
from powerlab_instruments.simulated.forms import Block, Flag, Text, Word
from powerlab_instruments.simulated.measure import Measure
from powerlab_instruments.simulated.picture import COLOURS, LOGIC, Picture, bmp, bmp8, grey, inverted, png
from powerlab_instruments.simulated.readout import FINE
from powerlab_instruments.simulated.scpi import Setting, command, query

_FORMATS = Word("BMP8bit", "BMP", "PNG")
_FILES = {"BMP": bmp, "BMP8": bmp8, "PNG": png}
_PALETTES = Word("COLor", "GRAYscale")


class Screen(Measure):
    """A scope whose screen can be copied."""

    vectors = Setting("DISPlay:VECTors", Flag(), reset=True)
    labels_shown = Setting("DISPlay:LABel", Flag(), reset=False)
    annotation = Setting("DISPlay:ANNotation:TEXT", Text(254), "")
    annotation_shown = Setting("DISPlay:ANNotation", Flag(), reset=False)
    annotation_colour = Setting(
        "DISPlay:ANNotation:COLor",
        Word("CH1", "CH2", "CH3", "CH4", "DIG", "MATH", "REF", "MARKer", "WHITe", "RED"),
        "WHIT",
    )
    annotation_background = Setting("DISPlay:ANNotation:BACKground", Word("OPAQue", "INVerted", "TRANsparent"), "TRAN")
    ink_saver = Setting("HARDcopy:INKSaver", Flag(), reset=True)

    @command("DISPlay:CLEar")
    def clear_display(self) -> None:
        """Take the record off the screen; that of a running acquisition comes again."""
        self.finished = None

    @command("CDISplay")
    def clear_display_too(self) -> None:
        """An older name of `:DISPlay:CLEar`."""
        self.clear_display()

    @query("DISPlay:DATA", _FORMATS, _PALETTES, optional=2)
    def screen_data(self, form: str = "BMP", palette: str = "COL") -> bytes:
        """The screen as a file in a block; colours are inverted unless the ink saver is off."""
        pixels = self.draw().pixels
        if palette == "GRAY":
            pixels = grey(pixels)
        if self.ink_saver:
            pixels = inverted(pixels)
        return Block().show(_FILES[form](pixels)).encode("latin-1")

    def draw(self) -> Picture:
        """The grid, and what there is of a record."""
        picture, record = Picture(), self.finished
        if record is None:
            return picture
        setup = record.setup
        for channel in setup.channels:
            codes = record.codes(f"CHAN{channel}", fine=setup.kind in FINE)
            heights = codes.astype(np.float64)
            heights = (heights / (256 if codes.dtype == np.uint16 else 1) - CENTRE) * (8 / CODES)
            heights[codes == HOLE] = np.nan
            picture.trace(heights, COLOURS[channel])
        for row, d in enumerate(setup.digital):
            levels = (record.codes(f"POD{d // 8 + 1}") >> (d % 8) & 1).astype(np.float64)
            picture.trace(levels * 0.3 - 3.9 + 0.4 * row, LOGIC)
        picture.trigger(-setup.left / setup.span)
        return picture
