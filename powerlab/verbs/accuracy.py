"""`powerlab accuracy --model resnet50 --weights FILE --data DIR`"""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from powerlab.accuracyreport import accuracy_object, print_accuracy
from powerlab.cli import INTERRUPTED
from powerlab.progress import ProgressBar, Silence
from powerlab.taskoptions import Shape
from powerlab.validation.evaluation import accuracy
from powerlab.validation.preprocessing import RECIPES
from powerlab.workload import DTYPES


@click.command(
    "accuracy",
    epilog="Example: powerlab accuracy --model resnet50 --weights resnet50.pth --data imagenet/val --batch 64",
)
@click.option("--model", required=True, help="Network (`powerlab models` lists them), or package.module:factory.")
@click.option("--weights", type=click.Path(path_type=Path), help="State dict of the network.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder with a folder of images for each class, or with the ILSVRC2012_val_ images.",
)
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    help="What the ILSVRC2012_val_ images show. Default: the devkit's file, or val.txt, in or beside the folder.",
)
@click.option(
    "--classes",
    type=click.Path(path_type=Path),
    help="The class of each output of the network, a line each. Default: the classes in the order of their names.",
)
@click.option(
    "--crops",
    type=click.Choice(["1", "10"]),
    default="1",
    show_default=True,
    help="The centre; or four corners and the centre, each mirrored too, of which the mean probability counts.",
)
@click.option(
    "--preprocessing",
    type=click.Choice(list(RECIPES)),
    help="What the weights were trained with. Default: what the paper scored the network with; else torchvision.",
)
@click.option("--input", "input_shape", type=Shape(), help="Shape of one image. Default: the network's own.")
@click.option("--resize", type=click.IntRange(min=1), help="Pixels of the shorter side, before the crop.")
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True, help="Images at a time.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 and so on, or mps.")
@click.option("--dtype", type=click.Choice(DTYPES), help="Of weights and input. Default: fp32, or a file's own.")
@click.option("--threads", type=click.IntRange(min=1), help="Processor threads. Default: torch's choice.")
@click.option("--limit", type=click.IntRange(min=1), help="Score only a random sample of so many.")
@click.option("--per-class", is_flag=True, help="The accuracy of each class, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, model: str, data: Path, crops: str, per_class: bool, as_json: bool, **options: Any) -> int:
    """How often a network finds what an image shows: top-1 and top-5 of all images of a folder.

    Each share comes with the interval in which it lies with 95 % confidence. An image that cannot be read is listed,
    and the exit status is 1. Ctrl-C ends it; what was counted so far is printed. The published value is the paper's and
    was not measured here.
    """
    sys.path.append(str(Path.cwd()))  # where a workload finds a user's factory, too
    terminal = Console(stderr=True)
    progress: Silence = ProgressBar(terminal) if terminal.is_terminal else Silence()
    with redirect_stdout(sys.stderr), progress:  # that factory may print
        found = accuracy(model, data, crops=int(crops), progress=progress, **options)
    if as_json:
        click.echo(json.dumps(accuracy_object(found, per_class=per_class), allow_nan=False))
    else:
        print_accuracy(found, per_class=per_class)
    if found.partial:
        return INTERRUPTED
    return 1 if found.unreadable else 0
