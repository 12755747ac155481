"""What a parameter of a command may look like, and how an answer is written.

IEEE 488.2 chapters 7 and 8 (program and response data); which mistake gives which code is from the error list of
the "E3631A User's Guide", which both instrument families share.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)")
_MULTIPLIERS = {"": 1.0, "N": 1e-9, "U": 1e-6, "M": 1e-3, "K": 1e3, "MA": 1e6}
_UNITS = {"V": ("V", "A"), "A": ("A",), "s": ("S", "SEC"), "Hz": ("HZ",), "": ()}


class ScpiError(Exception):
    """A program message is wrong: the code goes to the instrument's error queue, never to the caller."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Form(Protocol[T]):
    """One kind of parameter: how its text is read, and how a value is written in an answer."""

    def read(self, token: str) -> T:
        """The value of a parameter's text; `ScpiError` with the instrument's code if it is none."""
        ...

    def show(self, value: T) -> str:
        """The value as the instrument answers it."""
        ...


def engineering(value: float, digits: int | None = None) -> str:
    """A number as the 2000 X-Series answers a setting: exponent a multiple of 3, three digits or more.

    Answers about a whole subsystem have their own count of `digits`, in which a zero is written, too.

    >>> engineering(40.0), engineering(60e-9), engineering(0.0), engineering(-1.2345)
    ('+40.0E+00', '+60.0E-09', '+0.0E+00', '-1.2345E+00')
    >>> engineering(10.0, 2), engineering(0.0, 6), engineering(1.0, 4)
    ('+10E+00', '+0.00000E+00', '+1.000E+00')
    """
    if value == 0:
        return f"{0.0:+.{digits - 1 if digits else 1}f}E+00"
    exponent = 3 * math.floor(math.log10(abs(value)) / 3)
    mantissa = f"{value / 10.0**exponent:+.6g}"
    if float(mantissa) in (1000.0, -1000.0):  # rounding went over the edge
        exponent, mantissa = exponent + 3, f"{float(mantissa) / 1000:+.6g}"
    whole, _, decimals = mantissa.partition(".")
    decimals = decimals.ljust((digits or 3) - len(whole[1:]), "0")
    return f"{whole}{'.' if decimals else ''}{decimals}E{exponent:+03d}"


def fixed_exponent(value: float) -> str:
    """A number as the E364xA family answers it: eight decimals and a two-digit exponent.

    >>> fixed_exponent(19.0)
    '+1.90000000E+01'
    """
    return f"{value:+.8E}"


def counted(value: float) -> str:
    """An integer with its sign, as both instruments answer NR1.

    >>> counted(1000)
    '+1000'
    """
    return f"{round(value):+d}"


def end_of_block(text: str, start: int) -> int:
    """Where the definite-length block that begins with `#` at `start` ends; -161 if it is none or cut short.

    >>> end_of_block("#15hello;", 0)
    8
    """
    width = text[start + 1 : start + 2]
    if width not in tuple("123456789"):
        raise ScpiError(-161)
    length = text[start + 2 : start + 2 + int(width)]
    end = start + 2 + int(width) + (int(length) if length.isascii() and length.isdigit() else len(text))
    if len(length) < int(width) or end > len(text):
        raise ScpiError(-161)
    return end


def spelled(word: str, pattern: str) -> bool:
    """Whether `word` is the short or the long form of `pattern`, in any case; nothing between counts.

    >>> spelled("curr", "CURRent"), spelled("CURRENT", "CURRent"), spelled("CURREN", "CURRent")
    (True, True, False)
    """
    return word.upper() in (short_of(pattern), pattern.upper())


def short_of(pattern: str) -> str:
    """The short form: the capitals of a pattern.

    >>> short_of("CURRent"), short_of("P35V")
    ('CURR', 'P35V')
    """
    return "".join(letter for letter in pattern if not letter.islower())


def refuse_unless_word(token: str) -> None:
    """Raise the code for a number (-128) or a string (-158) where a word must stand."""
    if token[:1] in "\"'":
        raise ScpiError(-158)
    if not token[:1].isalpha():
        raise ScpiError(-128)
    if " " in token:
        raise ScpiError(-103)


def number(token: str, unit: str) -> float:
    """A decimal number with an optional suffix, in SI; `unit` is "V", "A", "s", "Hz" or "" for none.

    Volts may be given in amperes, because a scope channel may be scaled in either.

    >>> number("20 mV", "V"), number("1.5MHZ", "Hz"), number("-.5e1", "")
    (0.02, 1500000.0, -5.0)
    """
    match = _NUMBER.fullmatch(token)
    if match is None:
        if token[:1] in "\"'":
            raise ScpiError(-158)
        if token[:1].isalpha():
            raise ScpiError(-148)
        raise ScpiError(-103 if " " in token else -120)
    value, suffix = float(match[1]), match[2].upper()
    if not suffix:
        return value
    if not unit:
        raise ScpiError(-138)
    for name in _UNITS[unit]:
        prefix = suffix.removesuffix(name)
        if prefix != suffix and prefix in _MULTIPLIERS:
            return value * (1e6 if unit == "Hz" and prefix == "M" else _MULTIPLIERS[prefix])
    raise ScpiError(-131)


@dataclass(frozen=True, slots=True)
class Real:
    """A number with a unit inside limits (both included); MINimum and MAXimum name the limits."""

    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    style: Callable[[float], str] = engineering

    def read(self, token: str) -> float:
        """The number; -222 outside the limits."""
        if spelled(token, "MINimum") and math.isfinite(self.low):
            return self.low
        if spelled(token, "MAXimum") and math.isfinite(self.high):
            return self.high
        value = number(token, self.unit)
        if not self.low <= value <= self.high:
            raise ScpiError(-222)
        return value

    def show(self, value: float) -> str:
        """The number in the instrument's style."""
        return self.style(value)


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer inside limits (both included); fractions are rounded, as 488.2 asks of NRf."""

    low: float = -math.inf
    high: float = math.inf

    def read(self, token: str) -> int:
        """The integer; -222 outside the limits."""
        value = number(token, "")
        if not self.low <= value <= self.high:
            raise ScpiError(-222)
        return round(value)

    def show(self, value: int) -> str:
        """The integer with its sign."""
        return counted(value)


@dataclass(frozen=True, slots=True)
class Flag:
    """ON, OFF, 1 or 0, answered as 1 or 0."""

    def read(self, token: str) -> bool:
        """The flag; -224 for another word."""
        known = {"0": False, "1": True, "OFF": False, "ON": True}
        if token.upper() in known:
            return known[token.upper()]
        if token[:1].isdigit():
            raise ScpiError(-222)
        refuse_unless_word(token)
        raise ScpiError(-224)

    def show(self, value: bool) -> str:
        """`1` or `0`, without a sign."""
        return "1" if value else "0"


class Word:
    """One of a few words; `CHANnel<1-4>` stands for four of them. The value is the short form: `CHAN2`."""

    def __init__(self, *patterns: str) -> None:
        self.spellings: dict[str, str] = {}
        for pattern in patterns:
            name, _, span = pattern.rstrip(">").partition("<")
            first, _, last = span.partition("-")
            for suffix in range(int(first), int(last) + 1) if span else ("",):
                for spelling in (short_of(name), name.upper()):
                    self.spellings[f"{spelling}{suffix}"] = f"{short_of(name)}{suffix}"

    def read(self, token: str) -> str:
        """The short form of the word; -224 for a word that is none of them."""
        refuse_unless_word(token)
        try:
            return self.spellings[token.upper()]
        except KeyError:
            raise ScpiError(-224) from None

    def show(self, value: str) -> str:
        """The short form."""
        return value


@dataclass(frozen=True, slots=True)
class NumberOrWord:
    """A number with a unit, or one of a few words (answered in the short form); limits are the handler's."""

    unit: str
    words: Word

    def read(self, token: str) -> float | str:
        """The number, or the short form of the word."""
        return self.words.read(token) if token[:1].isalpha() else number(token, self.unit)

    def show(self, value: float | str) -> str:
        """Either as it is written."""
        return value if isinstance(value, str) else engineering(value)


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string, cut silently at `width` characters; more than `limit` is -223."""

    width: int
    limit: int = 1_000_000

    def read(self, token: str) -> str:
        """The text between the quotes; -148 for a bare word, -128 for a number."""
        if token[:1] not in "\"'":
            raise ScpiError(-148 if token[:1].isalpha() else -128)
        quote = token[0]
        body = token[1:-1]
        if len(token) < 2 or token[-1] != quote or quote in body.replace(quote * 2, ""):
            raise ScpiError(-151)
        body = body.replace(quote * 2, quote)
        if len(body) > self.limit:
            raise ScpiError(-223)
        return body[: self.width]

    def show(self, value: str) -> str:
        """The text in double quotes, those inside it doubled."""
        return '"' + value.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Block:
    """A definite-length block of bytes: `#`, the count of digits, the count of bytes, the bytes."""

    def read(self, token: str) -> bytes:
        """The bytes of the block; -161 for anything else."""
        if not token.startswith("#") or token[end_of_block(token, 0) :].strip():
            raise ScpiError(-161)
        return token[2 + int(token[1]) : end_of_block(token, 0)].encode("latin-1")

    def show(self, value: bytes) -> str:
        """The bytes with eight digits of length, as the 2000 X-Series sends every block."""
        return f"#8{len(value):08d}{value.decode('latin-1')}"
