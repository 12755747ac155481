"""Libraries that powerlab runs without, loaded when they are asked for."""

from importlib import import_module
from types import ModuleType

from powerlab_traces.errors import PowerlabError


class Missing(PowerlabError):
    """A library that this needs is not installed."""


def library(name: str, extra: str) -> ModuleType:
    """Import a library, or one of its modules, that comes with powerlab's optional dependencies `extra`.

    Raises
    ------
    Missing
        It cannot be imported; the message says which extra brings it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise Missing(f'{name} cannot be loaded ({error}); pip install "powerlab[{extra}]" brings it') from error
