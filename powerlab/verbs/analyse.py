"""`powerlab analyse FILE...`"""

import json
from pathlib import Path

import click

from powerlab.analysing import analyse
from powerlab.report import print_result, result_object


@click.command("analyse", epilog="Example: powerlab analyse vgg16-b2-20260102-030405.h5 --json")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (for several files, an array of them).")
def command(files: tuple[Path, ...], as_json: bool) -> int:
    """Analyse run files again: power, energy and their uncertainty, from the file alone.

    Exits with 1 if a file has no window that could be kept.
    """
    results = [(path, analyse(path)) for path in files]
    if as_json:
        objects = [result_object(result, path) for path, result in results]
        click.echo(json.dumps(objects[0] if len(objects) == 1 else objects, allow_nan=False))
    else:
        for path, result in results:
            print_result(result, path)
    return 0 if all(result.kept for _, result in results) else 1
