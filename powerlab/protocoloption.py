"""The option with which verbs take a measurement protocol."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from powerlab_analysis.protocols import PROTOCOLS, QUICK

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def protocol_option(text: str) -> Callable[[Decorated], Decorated]:
    """`--protocol`, whose default is `quick`; `text` is the help."""
    return click.option(
        "--protocol", type=click.Choice(list(PROTOCOLS)), default=QUICK.name, show_default=True, help=text
    )
