"""What every instrument on the bench has in common: an identity, an error queue, a state to read back."""

import re
from typing import ClassVar, Self

from powerlab_instruments.errors import DeviceError, NoAnswer, WrongInstrument
from powerlab_instruments.identity import Identity
from powerlab_instruments.link import VisaLink
from powerlab_instruments.settings import snapshot
from powerlab_traces.clock import Clock

RECOVERY_INTERVAL = 1.0  # s between two tries to reach a silent instrument


class Instrument:
    """An instrument on a line. Identity is checked when it is made, before anything is set.

    Raises
    ------
    WrongInstrument
        Something else answers there. Nothing was sent to it but `*IDN?`.
    NoAnswer
        Nothing answers there.
    """

    model: ClassVar[str]
    error_queue_depth: ClassVar[int]

    def __init__(self, link: VisaLink) -> None:
        self.link = link
        self.identity = Identity.parse(link.query("*IDN?"))
        if not (self.identity.is_model(self.model) and self.identity.is_keysight):
            raise WrongInstrument(
                f"{link} is {self.identity.maker} {self.identity.model}, not a Keysight {self.model}; nothing was set. "
                "Check the resources in bench.toml."
            )

    def header(self, command: str) -> str:
        """The command as it is: an instrument has no number."""
        return command

    def errors(self) -> tuple[str, ...]:
        """Read the error queue until it is empty, oldest first."""
        return read_errors(self.link, self.error_queue_depth)

    def check(self, doing: str) -> None:
        """Raise if the error queue holds anything after `doing`.

        Raises
        ------
        DeviceError
            With every entry of the queue.
        """
        found = self.errors()
        if found:
            raise DeviceError(f"{self.model} at {self.link} refused {doing}: {'; '.join(found)}")

    def recover(self, clock: Clock, patience: float = 30.0) -> None:
        """Come back from a silence: bring the line back in step, check who answers, drop what is in its queues.

        Tries for `patience` seconds, for an instrument whose network port is wedged refuses for a while. Its settings
        are to be applied again by whoever knows them.

        Raises
        ------
        NoAnswer
            It stays silent.
        WrongInstrument
            Another instrument answers there now.
        """
        deadline = clock.now() + int(patience * 1e9)
        while True:
            try:
                self.link.recover()
                identity = Identity.parse(self.link.query("*IDN?"))
                self.link.write("*CLS")
                self.errors()
            except NoAnswer:
                if clock.now() > deadline:
                    raise
                clock.sleep(RECOVERY_INTERVAL)
            else:
                break
        if identity != self.identity:
            raise WrongInstrument(f"{self.link} was {self.identity} and is {identity} now; nothing more was sent to it")

    def snapshot(self) -> dict[str, str]:
        """Every declared setting with its present value, for the run's provenance."""
        return snapshot(self)

    def close(self) -> None:
        """Let go of the line; settings stay as they are."""
        self.link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_errors(link: VisaLink, depth: int) -> tuple[str, ...]:
    """Read an error queue of at most `depth` entries until it is empty, oldest first.

    Raises
    ------
    DeviceError
        The instrument answers something else than an error entry.
    """
    found = []
    for _ in range(depth + 1):
        answer = link.query(":SYSTem:ERRor?")
        code = re.match(r"\s*[+-]?\d+", answer)
        if code is None:
            raise DeviceError(f"{link} answered ':SYSTem:ERRor?' with {answer!r}, which is no error entry")
        if int(code.group()) == 0:
            break
        found.append(answer)
    return tuple(found)
