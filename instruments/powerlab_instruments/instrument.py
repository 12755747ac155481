"""What every instrument on the bench has in common: an identity, an error queue, a state to read back."""

import re
from collections.abc import Collection, Mapping
from typing import ClassVar, Self

from powerlab_instruments.errors import DeviceError, NoAnswer, WrongInstrument
from powerlab_instruments.identity import KEYSIGHT, Identity
from powerlab_instruments.link import VisaLink
from powerlab_instruments.settings import Node, snapshot
from powerlab_traces.clock import Clock

RECOVERY_INTERVAL = 1.0  # s between two tries to reach a silent instrument


class Instrument:
    """An instrument on a line. A driver is a subclass that declares what it drives, and its settings.

    Who answers is checked when it is made, before anything is set; `identity` is given by who has asked already.

    Raises
    ------
    WrongInstrument
        Something else answers there. Nothing was sent to it but `*IDN?`.
    NoAnswer
        Nothing answers there.
    """

    family: ClassVar[str]  # what people call everything it drives, for messages
    role: ClassVar[str]  # what it is on a bench: see `powerlab_instruments.roles`
    makers: ClassVar[tuple[str, ...]] = KEYSIGHT  # how its maker's name begins in `*IDN?`
    models: ClassVar[Collection[str]]  # as `*IDN?` says them; dashes, blanks and case do not count
    error_queue_depth: ClassVar[int]  # 0 for an instrument without `:SYSTem:ERRor?`

    def __init__(self, link: VisaLink, identity: Identity | None = None) -> None:
        self.link = link
        self.identity = identity or ask_identity(link)
        found = self.model_of(self.identity)
        if found is None:
            raise WrongInstrument(
                f"{link} is {self.identity.maker} {self.identity.model}, not a {self.family}; nothing was set. "
                "Check the resources in bench.toml."
            )
        self.model = found
        self.take_control()

    @classmethod
    def model_of(cls, identity: Identity) -> str | None:
        """The one of `models` that this identity is; None if it is none of them."""
        if not identity.is_made_by(cls.makers):
            return None
        return next((model for model in cls.models if identity.is_model(model)), None)

    def take_control(self) -> None:
        """Do what the instrument needs before it obeys; called once it is known to be the right one, and after a
        recovery. Most need nothing.
        """

    def make_safe(self, clock: Clock) -> None:
        """Leave nothing on or armed that could do harm, and make sure of it. Most instruments need nothing.

        Raises
        ------
        DeviceError
            It cannot be made sure of; the message says where to look.
        """

    def parts(self) -> Mapping[str, Node]:
        """Everything that has settings, by what it is called: the instrument itself (no name), its channels."""
        return {"": self}

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
                identity = ask_identity(self.link)
                if identity == self.identity:
                    self.take_control()
                    self.link.write("*CLS")
                    self.errors()
            except NoAnswer:
                if clock.now() > deadline:
                    raise
                clock.sleep(RECOVERY_INTERVAL)
            else:
                break
        if identity != self.identity:
            raise WrongInstrument(
                f"{self.link} was {self.identity} and is {identity} now; nothing more was sent to it. "
                "Check the cables and the resources in bench.toml."
            )

    def snapshot(self) -> dict[str, str]:
        """Every setting of the instrument itself with its present value, for the run's provenance."""
        return snapshot(self)

    def close(self) -> None:
        """Let go of the line; settings stay as they are."""
        self.link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ask_identity(link: VisaLink) -> Identity:
    """Who answers on a line.

    Raises
    ------
    WrongInstrument
        What it answers is no identity.
    """
    try:
        return Identity.parse(link.query("*IDN?"))
    except WrongInstrument as error:
        raise WrongInstrument(f"{link}: {error}; nothing was set. Check the resources in bench.toml.") from error


def read_errors(link: VisaLink, depth: int) -> tuple[str, ...]:
    """Read an error queue of at most `depth` entries until it is empty, oldest first; nothing is asked if it is 0.

    Raises
    ------
    DeviceError
        The instrument answers something else than an error entry.
    """
    found = []
    for _ in range(depth + 1 if depth else 0):
        answer = link.query(":SYSTem:ERRor?")
        code = re.match(r"\s*[+-]?\d+", answer)
        if code is None:
            raise DeviceError(f"{link} answered ':SYSTem:ERRor?' with {answer!r}, which is no error entry")
        if int(code.group()) == 0:
            break
        found.append(answer)
    return tuple(found)
