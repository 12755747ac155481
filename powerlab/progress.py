"""What a capture says on the terminal while it runs."""

from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn


class Silence:
    """Says nothing: output is not a terminal, or nobody wants to hear it."""

    def step(self, text: str) -> None:
        """Nothing."""

    def done(self, share: float) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """A line that must be seen all the same."""
        click.echo(f"powerlab: {text}", err=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class Lines(Silence):
    """A line on stderr for each step: for verbs that ask questions in between."""

    def step(self, text: str) -> None:
        """Print the step that begins now."""
        click.echo(f"{text} ...", err=True)


class ProgressBar(Silence):
    """A bar with the current step, redrawn four times a second: the network needs the processor more."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            refresh_per_second=4,
        )
        self._task = self._bar.add_task("", total=1.0)

    def step(self, text: str) -> None:
        """Show the step that begins now."""
        self._bar.update(self._task, description=text)

    def done(self, share: float) -> None:
        """Show the share of the windows that has been timed."""
        self._bar.update(self._task, completed=share)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(f"powerlab: {text}")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
