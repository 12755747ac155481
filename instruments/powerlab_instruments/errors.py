"""What can go wrong between the host and an instrument."""

from powerlab_traces.errors import PowerlabError


class InstrumentError(PowerlabError):
    """Base of everything that an instrument, or the line to it, refuses."""


class NoAnswer(InstrumentError):
    """An instrument could not be reached, or was asked something and stayed silent."""

    def __init__(self, resource: str, command: str, why: str) -> None:
        super().__init__(
            f"{resource} did not answer {command!r} ({why}). Is it on, is the resource right, and does no other "
            "program hold it? A slow line needs a longer `timeout` in bench.toml."
        )
        self.resource, self.command = resource, command


class WrongInstrument(InstrumentError):
    """The instrument at this resource is not the one the bench expects; nothing was set on it."""


class OutOfRange(InstrumentError):
    """A setting lies beyond what the instrument accepts; nothing was sent."""


class DeviceError(InstrumentError):
    """The instrument has put errors into its queue, or settled on another value than the one it was given."""


class AcquisitionError(InstrumentError):
    """The scope did not deliver the record that was asked for: no trigger, a short record, still running."""
