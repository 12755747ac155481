"""Fixtures for the drivers: a line that plays a transcript, and a clock that jumps."""

from collections.abc import Callable, Iterator, Sequence

import pytest


class Transcript:
    """Stands in for a VisaLink. Anything sent that the transcript does not say next fails the test."""

    name = "TRANSCRIPT"
    is_serial = False

    def __init__(self, lines: Sequence[tuple[str, str | bytes | None]]) -> None:
        self._lines = list(lines)

    def __str__(self) -> str:
        return self.name

    def write(self, message: str) -> None:
        assert self._next(message) is None

    def query(self, message: str) -> str:
        answer = self._next(message)
        assert isinstance(answer, str), message
        return answer

    def query_block(self, message: str) -> bytes:
        answer = self._next(message)
        assert isinstance(answer, bytes), message
        return answer

    def close(self) -> None:
        pass

    def done(self) -> None:
        assert not self._lines, f"never sent: {self._lines}"

    def _next(self, message: str) -> str | bytes | None:
        assert self._lines, f"sent after the transcript's end: {message}"
        expected, answer = self._lines.pop(0)
        assert message == expected
        return answer


class JumpingClock:
    """Virtual time that only sleeping advances."""

    def __init__(self) -> None:
        self._now = 0

    def now(self) -> int:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += max(int(seconds * 1e9), 0)


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def transcript() -> Iterator[Callable[[Sequence[tuple[str, str | bytes | None]]], Transcript]]:
    """Make a line that plays a transcript; at the test's end all of it must have been played."""
    made: list[Transcript] = []

    def make(lines: Sequence[tuple[str, str | bytes | None]]) -> Transcript:
        made.append(Transcript(lines))
        return made[-1]

    yield make
    for line in made:
        line.done()
