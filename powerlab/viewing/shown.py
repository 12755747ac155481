"""What the page needs of a capture, whoever made it."""

from typing import Protocol

from powerlab.viewing.course import Course, Floats
from powerlab.viewing.reading import Reading
from powerlab.viewing.windows import Windows
from powerlab_analysis.spectra import Spectra
from powerlab_analysis.verdict import Verdict


class Shown(Protocol):
    """A capture on one axis of time, in seconds; see `ShownRun` and `ShownImport` for what its members mean."""

    windows: Windows

    @property
    def start(self) -> float:
        """When the first sample was taken (s)."""
        ...

    @property
    def stop(self) -> float:
        """When the last sample ends (s)."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether the current was computed, not measured."""
        ...

    @property
    def quantities(self) -> tuple[str, ...]:
        """What can be drawn."""
        ...

    @property
    def units(self) -> dict[str, str]:
        """The unit of each quantity."""
        ...

    @property
    def about(self) -> tuple[str, ...]:
        """What it is, in a few phrases."""
        ...

    @property
    def state(self) -> str:
        """How far the analysis is; nothing when it is done."""
        ...

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What is wrong with the data."""
        ...

    def start_analysis(self) -> None:
        """Have it analysed."""
        ...

    def poll(self) -> bool:
        """Take in what the analysis has said; whether that was anything."""
        ...

    def course(self, start: float, stop: float, bins: int, quantity: str) -> Course:
        """What is recorded from `start` to `stop` in about so many bins."""
        ...

    def clipped(self, start: float, stop: float, bins: int) -> Floats:
        """Times of clipped samples."""
        ...

    def reading(self, start: float, stop: float) -> Reading:
        """What is recorded from `start` to before `stop`."""
        ...

    def spectra(self, start: float, stop: float) -> Spectra:
        """The spectra of what is recorded from `start` to `stop`."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
