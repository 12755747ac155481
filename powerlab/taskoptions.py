"""The options that say what a workload runs and how it computes, for every verb that runs one."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from powerlab.workload import DTYPES, Task

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Shape(click.ParamType[tuple[int, ...]]):
    """A command-line option that takes `3x224x224`."""

    name = "CxHxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The sizes meant."""
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", str(value)):
            self.fail(f"{value!r} is no shape of one image; write it like 3x224x224", param, ctx)
        return tuple(int(it) for it in value.split("x"))


class Batches(click.ParamType[tuple[int, ...]]):
    """A command-line option that takes `2`, or `1,2,4`."""

    name = "N[,N...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The numbers meant, none twice."""
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", str(value)):
            self.fail(f"{value!r} is no number of images; write 2, or 1,2,4 for several captures", param, ctx)
        found = tuple(int(it) for it in value.split(","))
        if len(set(found)) < len(found):
            self.fail(f"{value} has a batch twice", param, ctx)
        return found


# Each is a field of `Task`.
OPTIONS: Final = (
    click.option(
        "--weights",
        type=click.Path(path_type=Path),
        help="State dict of the network; or for one of torchvision's or timm's the word default: the weights that the "
        "library has for it, which it may download. Default: random weights.",
    ),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 and so on, or mps."),
    click.option(
        "--dtype", type=click.Choice(DTYPES), help="Of weights and input. Default: fp32, or what a model's file has."
    ),
    click.option("--input", "input_shape", type=Shape(), help="Shape of one image. Default: the network's own."),
    click.option(
        "--threads", type=click.IntRange(min=1), help="Processor threads of the network. Default: torch's choice."
    ),
    click.option("--channels-last", is_flag=True, help="Lay images out channels last in memory."),
    click.option("--compile", is_flag=True, help="Run the network through torch.compile."),
    click.option("--autotune", is_flag=True, help="Let cuDNN try its algorithms out while warming up."),
    click.option("--tf32", is_flag=True, help="Let a GPU round single precision to TF32."),
    click.option("--copies", is_flag=True, help="Time the copies to and from the device as part of a window."),
)
NAMES: Final = {it.name for it in fields(Task)}


def task_options(command: Decorated) -> Decorated:
    """Give a verb these options; `task_of` takes their values."""
    for add in reversed(OPTIONS):
        command = add(command)
    return command


def task_of(values: Mapping[str, Any], **others: Any) -> Task:
    """The task that options, and other fields of it, describe."""
    return Task(**{name: value for name, value in values.items() if name in NAMES} | others)
