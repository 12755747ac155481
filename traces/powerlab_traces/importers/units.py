"""Units as foreign files write them, read into SI."""

import re

# Micro is written in three ways: u, the micro sign and the Greek letter.
PREFIXES = {
    "p": 1e-12,
    "n": 1e-9,
    "u": 1e-6,
    "\N{MICRO SIGN}": 1e-6,
    "\N{GREEK SMALL LETTER MU}": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
}
WORDS = {
    "second": "s",
    "sec": "s",
    "volt": "V",
    "ampere": "A",
    "amp": "A",
    "watt": "W",
    "joule": "J",
}
PREFIX_WORDS = {"nano": "n", "micro": "u", "milli": "m", "kilo": "k", "mega": "M", "": ""}
LONG_TIMES = {"min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0}
SYMBOL = re.compile(rf"([{''.join(PREFIXES)}]?)([AVWJs])")
WORD = re.compile(rf"({'|'.join(PREFIX_WORDS)})({'|'.join(WORDS)})s?", re.IGNORECASE)

# Names of columns that may carry their unit as a suffix ("current_mA"): "channel_A" is not in amperes.
NAMES = {
    "s": re.compile(r"(^|[\W_])(t|time|times|timestamp|elapsed|start|stop|begin|end|duration)([\W_]|$)", re.IGNORECASE),
    "A": re.compile(r"(^|[\W_])(i\d*|current|curr|amps?|amperage|ibus|idd|icc)([\W_]|$)", re.IGNORECASE),
    "V": re.compile(r"(^|[\W_])(v\d*|u\d*|voltage|volt|volts|vbus|vdd|vcc|bus|supply)([\W_]|$)", re.IGNORECASE),
    "W": re.compile(r"(^|[\W_])(p\d*|power|watts?)([\W_]|$)", re.IGNORECASE),
}


def parse_unit(text: str) -> tuple[str, float] | None:
    """The SI unit and the factor to it; None if the text is no unit known here.

    >>> parse_unit("mA"), parse_unit("Volts"), parse_unit("milliseconds"), parse_unit("div")
    (('A', 0.001), ('V', 1.0), ('s', 0.001), None)
    """
    text = text.strip()
    if match := SYMBOL.fullmatch(text):
        return match[2], PREFIXES[match[1]]
    if match := WORD.fullmatch(text):
        return WORDS[match[2].lower()], PREFIXES[PREFIX_WORDS[match[1].lower()]]
    seconds = LONG_TIMES.get(text.lower().removesuffix("s") if len(text) > 1 else text)
    return None if seconds is None else ("s", seconds)


def split_unit(header: str) -> tuple[str, tuple[str, float] | None]:
    """A column's name and its unit, where the header says it.

    >>> split_unit("Current(uA)"), split_unit("time_ms"), split_unit("Seconds"), split_unit("channel_A")
    (('Current', ('A', 1e-06)), ('time', ('s', 0.001)), ('Seconds', ('s', 1.0)), ('channel_A', None))
    """
    header = header.strip()
    if match := re.fullmatch(r"(.*?)\s*[(\[]\s*([^()\[\]]*)\s*[)\]]", header):
        name, unit = match[1], parse_unit(match[2])
        return (name or header, unit) if unit else (header, None)
    if match := re.fullmatch(r"(.*\S)\s*[_/ ,]\s*([^\s_/,]+)", header):
        unit = parse_unit(match[2])
        if unit and unit[0] in NAMES and NAMES[unit[0]].search(match[1]):
            return match[1], unit
    return header, parse_unit(header) if len(header) > 2 else None
