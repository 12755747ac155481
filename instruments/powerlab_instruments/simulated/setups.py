"""Set-ups as a whole: learnt, stored in the scope, and the files it would write to a stick.

InfiniiVision 2000 X-Series Programmer's Guide: common commands, :SYSTem, :SAVE and :RECall.
"""

import json
from typing import Any

from powerlab_instruments.simulated.forms import Block, Flag, ScpiError, Text, Whole, Word
from powerlab_instruments.simulated.scpi import Setting, command, query
from powerlab_instruments.simulated.screen import Screen

PREFERENCES = {"label", "digital_label", "locked", "labels_shown", "ink_saver"}  # kept by PRESet; which is UNCONFIRMED
PLACES = Whole(0, 9)
NO_FILE = -256  # without a stick; that it is this code and not another of its group is UNCONFIRMED
_KIND = "powerlab simulated set-up"


class _PlaceOrFile:
    """The number of a place in the scope, or the quoted name of a file."""

    def read(self, token: str) -> int | str:
        """The number or the name."""
        return Text(1000).read(token) if token[:1] in "\"'" else PLACES.read(token)

    def show(self, value: int | str) -> str:
        """Either as it is written."""
        return str(value)


class Setups(Screen):
    """A scope whose settings can be taken out and put back; a set-up is opaque to clients."""

    waveform_files = Setting("SAVE:WAVeform:FORMat", Word("ASCiixy", "CSV", "BINary"), "CSV")
    file_length = Setting("SAVE:WAVeform:LENGth", Whole(100, 8_000_000), 1000)
    file_length_most = Setting("SAVE:WAVeform:LENGth:MAX", Flag(), reset=True)
    image_format = Setting("SAVE:IMAGe:FORMat", Word("BMP8bit", "BMP", "PNG"), "PNG")
    locked = Setting("SYSTem:LOCK", Flag(), reset=False)

    def restore_defaults(self) -> None:
        """Every setting as after *RST; what `*SAV` has stored stays."""
        super().restore_defaults()
        self.stored: dict[int, bytes] = vars(self).get("stored", {})

    def learn(self) -> bytes:
        """Every setting, in the one line of text that `teach` understands."""
        settings = [[name, suffixes, value] for (name, suffixes), value in self.values.items()]
        content = {
            "kind": _KIND, "settings": settings, "levels": self.levels,
            "points": self.points_wanted, "thresholds": self.thresholds,
        }  # fmt: skip
        return json.dumps(content, separators=(",", ":")).encode("ascii")

    def teach(self, setup: bytes) -> None:
        """Take over a set-up; -161 when it is none."""
        try:
            content: dict[str, Any] = json.loads(setup)
            values = {(name, tuple(suffixes)): value for name, suffixes, value in content["settings"]}
            levels, points, thresholds = content["levels"], content["points"], tuple(content["thresholds"])
        except (ValueError, KeyError, TypeError):
            raise ScpiError(-161) from None
        if content.get("kind") != _KIND or values.keys() != self.values.keys():
            raise ScpiError(-161)
        self.values, self.levels, self.points_wanted, self.thresholds = values, levels, points, thresholds
        self.changed("span")

    @query("SYSTem:SETup")
    def setup_block(self) -> str:
        """All settings as a block."""
        return Block().show(self.learn())

    @command("SYSTem:SETup", Block())
    def set_setup(self, setup: bytes) -> None:
        """All settings from a block that `:SYSTem:SETup?` or `*LRN?` has given."""
        self.teach(setup)

    @query("*LRN")
    def learn_string(self) -> str:
        """The same, with the header of the command that takes it back."""
        return f":SYST:SET {self.setup_block()}"

    @command("*SAV", PLACES)
    def save(self, place: int) -> None:
        """Store the settings in one of ten places."""
        self.stored[place] = self.learn()

    @command("*RCL", PLACES)
    def recall(self, place: int) -> None:
        """Take them back; -256 from a place where nothing was stored (UNCONFIRMED)."""
        if place not in self.stored:
            raise ScpiError(NO_FILE)
        self.teach(self.stored[place])

    @command("SYSTem:PRESet")
    def preset(self) -> None:
        """The default set-up, which leaves the user's preferences."""
        kept = {key: value for key, value in self.values.items() if key[0] in PREFERENCES}
        self.restore_defaults()
        self.values |= kept
        self.reset()

    # Files, for which there is no stick.

    @command("SAVE:WAVeform[:STARt]", Text(1000), optional=1)
    def save_waveform(self, _name: str = "") -> None:
        """There is nowhere to write to."""
        raise ScpiError(NO_FILE)

    @command("SAVE:SETup[:STARt]", _PlaceOrFile(), optional=1)
    def save_setup(self, place: int | str = "") -> None:
        """Store the settings in one of ten places; there is no stick for a file."""
        if isinstance(place, str):
            raise ScpiError(NO_FILE)
        self.save(place)

    @command("SAVE:IMAGe[:STARt]", Text(1000), optional=1)
    def save_image(self, _name: str = "") -> None:
        """There is nowhere to write to."""
        raise ScpiError(NO_FILE)

    @command("RECall:SETup[:STARt]", _PlaceOrFile(), optional=1)
    def recall_setup(self, place: int | str = "") -> None:
        """Take settings back from one of ten places; there is no stick with a file."""
        if isinstance(place, str):
            raise ScpiError(NO_FILE)
        self.recall(place)

    @command("RECall:WMEMory<1-2>", Text(1000), optional=1)
    def recall_waveform(self, _memory: int, _name: str = "") -> None:
        """There is no stick with a file."""
        raise ScpiError(NO_FILE)
