"""The InfiniiVision models that can be simulated: what their names say of inputs, bandwidth and converter.

The second digit from the end is the count of analog channels, the two before it tell the bandwidth; MSO- models have
digital inputs (InfiniiVision 2000 and 3000 X-Series data sheets).
"""

from dataclasses import dataclass

from powerlab_traces.errors import PowerlabError

FIRMWARE = "02.65.2021102830"  # of an MSO-X 2024A; that of the siblings is UNCONFIRMED
_BANDWIDTHS = {"00": 70e6, "01": 100e6, "02": 200e6, "03": 350e6, "05": 500e6, "10": 1e9}  # Hz
_NUMBERS = {
    2: ("2002A", "2004A", "2012A", "2014A", "2022A", "2024A"),
    3: ("3012A", "3014A", "3024A", "3032A", "3034A", "3052A", "3054A", "3102A", "3104A"),
}


class UnknownModelError(PowerlabError):
    """There is no such model to simulate."""


@dataclass(frozen=True, slots=True)
class Model:
    """What one model has. Rates in samples per second: one channel of a pair on, both on."""

    name: str
    analog: int
    digital: int
    bandwidth: float  # Hz
    rates: tuple[float, float]
    fifty_ohm: bool

    def identity(self, serial: str) -> str:
        """The answer to `*IDN?` of one with this serial number."""
        return f"AGILENT TECHNOLOGIES,{self.name},{serial},{FIRMWARE}"

    @property
    def shortest_span(self) -> float:
        """Seconds on the screen at the fastest sweep; 2 ns/div of the 200 MHz models is UNCONFIRMED."""
        return 10 * (2e-9 if self.bandwidth >= 200e6 else 5e-9)


def _model(kind: str, number: str) -> Model:
    third = number.startswith("3")
    return Model(
        name=f"{kind}-X {number}",
        analog=int(number[-2]),
        digital=(16 if third else 8) if kind == "MSO" else 0,
        bandwidth=_BANDWIDTHS[number[1:3]],
        rates=(4e9, 2e9) if third else (2e9, 1e9),
        fifty_ohm=third,
    )


MODELS = {
    model.name: model
    for model in (
        _model(kind, number) for numbers in _NUMBERS.values() for number in numbers for kind in ("DSO", "MSO")
    )
}


def model_named(name: str) -> Model:
    """The model of a name like `MSO-X 2024A`, in any case, with or without dash and space; UnknownModelError."""
    wanted = "".join(letter for letter in name.upper() if letter.isalnum())
    for model in MODELS.values():
        if "".join(letter for letter in model.name if letter.isalnum()) == wanted:
            return model
    raise UnknownModelError(f"no scope {name!r} can be simulated; choose one of {', '.join(MODELS)}")
