"""MLPerf LoadGen's detail log: when the measured run began and ended, and how many queries it answered."""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from powerlab_traces.importers.imported import ForeignWindow
from powerlab_traces.importers.source import Source, lines_of, refused

NAME = "mlperf_log_detail.txt"
PREFIX = ":::MLLOG"
TIME = "%m-%d-%Y %H:%M:%S.%f"
TIME_PATTERN = re.compile(r"\d{1,2}-\d{1,2}-\d{4} \d{1,2}:\d{2}:\d{2}\.\d{1,6}")
BEGIN, END = "power_begin", "power_end"
QUERIES, SCENARIO, PER_QUERY = "result_query_count", "effective_scenario", "effective_samples_per_query"
KEPT = {
    BEGIN,
    END,
    QUERIES,
    SCENARIO,
    PER_QUERY,
    "effective_test_mode",
    "generated_samples_per_query",
    "loadgen_version",
    "result_validity",
    "sut_name",
}
# The scenarios whose result is energy a query; that of the others is mean power.
STREAMS = ("SingleStream", "MultiStream")


@dataclass(frozen=True, slots=True)
class LoadGenLog:
    """What a log says: the first value of each key that matters here."""

    values: dict[str, Any] = field(default_factory=dict)

    def time(self, path: Path, key: str) -> datetime:
        """A time of the log, in UTC without an offset, as the tools compare it.

        Raises
        ------
        ForeignFileError
            The log has no such time.
        """
        text = self.values.get(key)
        if not isinstance(text, str):
            raise refused(path, f"has no {key}: it is no log of a run with power measurement")
        return parse_time(path, text)

    @property
    def queries(self) -> int | None:
        """How many queries were answered; None where the log does not say."""
        count = self.values.get(QUERIES)
        return count if isinstance(count, int) and not isinstance(count, bool) and 0 < count < 1 << 53 else None

    @property
    def scenario(self) -> str:
        """SingleStream, MultiStream, Offline or Server; empty where the log does not say."""
        return str(self.values.get(SCENARIO, "")).replace(" ", "")

    @property
    def samples_per_query(self) -> int:
        """How many images one query held."""
        for key in (PER_QUERY, "generated_samples_per_query"):
            count = self.values.get(key)
            if isinstance(count, int) and not isinstance(count, bool) and 0 < count < 1 << 53:
                return count
        return 1


def is_log(path: Path) -> bool:
    """Whether a file is a detail log, of today's format or that before MLLOG."""
    text = Source.at(path).text
    return PREFIX in text or (path.name == NAME and bool(text))


def read_log(path: Path) -> LoadGenLog:
    """Read a detail log, of which lines that are no entries are left out.

    Raises
    ------
    ForeignFileError
        An entry that matters here is damaged.
    """
    values: dict[str, Any] = {}
    for number, line in lines_of(path):
        text = line.strip().replace("\0", "")
        if text.startswith(PREFIX):
            key, value = _entry(path, number, text[len(PREFIX) :])
        else:  # before MLLOG an entry was words, with the time at its end
            key = next((each for each in (BEGIN, END) if re.search(rf"\b{each}\b", text, re.IGNORECASE)), "")
            match = TIME_PATTERN.search(text)
            value = match[0] if match else None
        if key in KEPT and value is not None:
            values.setdefault(key, value)
    return LoadGenLog(values)


def window_of(path: Path, log: LoadGenLog, origin: datetime | None) -> ForeignWindow:
    """The span from power_begin to power_end, in seconds after `origin`; a query is counted as `images`.

    Raises
    ------
    ForeignFileError
        The log has no such span, or the capture does not say when it started.
    """
    begin, end = log.time(path, BEGIN), log.time(path, END)
    if origin is None:
        raise refused(path, "its times of day cannot be placed: the capture does not say when it started")
    if origin.tzinfo is not None:
        origin = origin.astimezone(UTC).replace(tzinfo=None)
    if not begin < end:
        raise refused(path, f"power_end, {end}, is not after power_begin, {begin}")
    # MultiStream and Offline answer several images a query.
    images = log.queries * log.samples_per_query if log.queries else None
    start = (begin - origin).total_seconds()
    return ForeignWindow(start, start + (end - begin).total_seconds(), 0, 0, images, log.scenario)


def parse_time(path: Path, text: str) -> datetime:
    """A time as LoadGen and PTDaemon write it.

    Raises
    ------
    ForeignFileError
        It is none.
    """
    try:
        return datetime.strptime(text.strip(), TIME)  # noqa: DTZ007 - both write UTC without saying so
    except ValueError as error:
        raise refused(path, f"{text[:40]!r} is no time like 08-03-2022 10:57:54.999") from error


def _entry(path: Path, number: int, text: str) -> tuple[str, Any]:
    # Entries can be long; only those that matter are parsed.
    if not any(key in text for key in KEPT):
        return "", None
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refused(path, f"line {number} is no MLLOG entry: {str(error)[:80]}") from error
    if not isinstance(entry, dict):
        raise refused(path, f"line {number} is no MLLOG entry")
    return str(entry.get("key", "")), entry.get("value")
